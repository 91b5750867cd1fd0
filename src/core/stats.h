/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The engine's counters: every drop and every event worth counting has one, and each can be reached
 * by a test. Each thread has its own, which it alone writes and everybody may read. Engine process
 * only. VARP keeps its own (varp/varp.h); vn stats shows all.
 */

#include <stdatomic.h>
#include <stdint.h>

#include "esp/esp.h"

/* enum suffix, name, help */
#define STATS(X)                                                                                   \
	X(UDP_RX, "udp_rx", "datagrams received")                                                  \
	X(UDP_TX, "udp_tx", "datagrams sent")                                                      \
	X(UDP_TX_FAILED, "udp_tx_failed", "datagrams the kernel refused to send")                  \
	X(UDP_TRUNCATED, "udp_truncated", "datagrams larger than any of ours, dropped")            \
	X(RAW_RX, "raw_rx", "ESP packets received as IP protocol 50 (manual SAs)")                 \
	X(RAW_TX, "raw_tx", "ESP packets sent as IP protocol 50")                                  \
	X(RAW_TX_FAILED, "raw_tx_failed", "ESP packets the kernel refused to send as protocol 50") \
	X(RAW_REFUSED, "raw_refused",                                                              \
	    "packets of IP protocol 50 that are no ESP of ours, dropped")                          \
	X(PORT_RX, "port_rx", "frames that the kernel left to the engine (manual SAs it has)")     \
	X(PORT_TX, "port_tx", "frames of the engine that the kernel seals (manual SAs it has)")    \
	X(PORT_TX_FAILED, "port_tx_failed", "frames the kernel refused to take, dropped")          \
	X(PORT_REFUSED, "port_refused", "frames of a peer that the kernel has no more, dropped")   \
	X(DATAGRAM_SHORT, "datagram_short", "datagrams of fewer than 4 bytes, dropped")            \
	X(DATAGRAM_RESERVED, "datagram_reserved",                                                  \
	    "datagrams whose first word is a reserved SPI, dropped")                               \
	X(KEEPALIVE, "keepalive", "NAT keepalives of another implementation, ignored")             \
	X(CONTROL_MALFORMED, "control_malformed", "control messages with a wrong length, dropped") \
	X(CONTROL_VERSION, "control_version",                                                      \
	    "control messages of an unknown protocol version, dropped")                            \
	X(CONTROL_TYPE, "control_type", "control messages of an unknown or unused type, dropped")  \
	X(CONTROL_REFUSED, "control_refused", "control messages whose body is malformed, dropped") \
	X(OWN_MESSAGE, "own_message", "messages of our own that came back, dropped")               \
	X(RATE_LIMITED, "rate_limited",                                                            \
	    "unauthenticated messages beyond their sender's budget, dropped")                      \
	X(DISCOVER_RX, "discover_rx", "DISCOVERs received")                                        \
	X(DISCOVER_TX, "discover_tx", "DISCOVERs sent")                                            \
	X(DISCOVER_RELAYED, "discover_relayed", "DISCOVERs relayed")                               \
	X(RELAYED_REFUSED, "relayed_refused",                                                      \
	    "relayed DISCOVERs from hosts that are not configured peers, dropped")                 \
	X(HOSTS_FULL, "hosts_full",                                                                \
	    "hosts or associations forgotten for new ones because a table is full")                \
	X(HS1_RX, "handshake1_rx", "handshake 1 received")                                         \
	X(HS1_TX, "handshake1_tx", "handshake 1 sent")                                             \
	X(HS2_RX, "handshake2_rx", "handshake 2 received")                                         \
	X(HS2_TX, "handshake2_tx", "handshake 2 sent")                                             \
	X(HS_UNKNOWN_KEY, "handshake_unknown_key",                                                 \
	    "handshakes for a key or suite that no vnet here uses, dropped")                       \
	X(HS_FAILED, "handshake_failed",                                                           \
	    "handshakes that do not authenticate (another key, or altered), dropped")              \
	X(HS_UNEXPECTED, "handshake_unexpected",                                                   \
	    "handshake 2 or cookie without a handshake 1 of ours, dropped")                        \
	X(HS_REPLAYED, "handshake_replayed",                                                       \
	    "handshake 1 older than one that was confirmed, dropped")                              \
	X(HS_BUSY, "handshake_busy",                                                               \
	    "handshake 1 while a later one of the same host is half open, or too many are being "  \
	    "answered, dropped")                                                                   \
	X(HS_CROSSED, "handshake_crossed",                                                         \
	    "handshake 1 that crossed one of ours which goes on, dropped")                         \
	X(COOKIE_TX, "cookie_tx", "cookies sent, because handshakes came too fast")                \
	X(COOKIE_RX, "cookie_rx", "cookies received")                                              \
	X(ASSOCIATIONS, "associations", "associations confirmed, first or anew")                   \
	X(REKEYS, "rekeys", "SA pairs replaced")                                                   \
	X(PEER_MOVED, "peer_moved", "peers that moved to another address")                         \
	X(ESP_RX, "esp_rx", "ESP packets opened")                                                  \
	X(ESP_TX, "esp_tx", "ESP packets sealed and sent")                                         \
	X(ESP_UNKNOWN_SPI, "esp_unknown_spi", "ESP packets with an SPI that is not ours, dropped") \
	X(ESP_DUMMY, "esp_dummy", "dummy packets received")                                        \
	X(ESP_NEXT_HEADER, "esp_next_header", "ESP payloads that are not UDP, dropped")            \
	X(INNER_SHORT, "inner_short",                                                              \
	    "ESP payloads whose UDP header is short, of another length, or between two ports, "    \
	    "dropped")                                                                             \
	X(INNER_PORT, "inner_port",                                                                \
	    "ESP payloads whose inner port is not that of the SA's level, dropped")                \
	X(VXLAN_MALFORMED, "vxlan_malformed", "VXLAN headers without a valid VNI, dropped")        \
	X(VNI_UNKNOWN, "vni_unknown", "frames for a VNI that is no vnet here, dropped")            \
	X(VNI_FORBIDDEN, "vni_forbidden",                                                          \
	    "frames for a vnet of another key, suite or level, dropped")                           \
	X(CLEAR_SECURED, "clear_secured", "clear frames for a vnet that is not none, dropped")     \
	X(CLEAR_STRANGER, "clear_stranger",                                                        \
	    "clear frames from an address that is no confirmed peer, dropped")                     \
	X(CLEAR_UNPROVEN, "clear_unproven",                                                        \
	    "clear messages without proof of their address; answered with a nonce")                \
	X(CLEAR_REFUSED, "clear_refused", "clear messages that are malformed, dropped")            \
	X(MESSAGE_RX, "message_rx", "membership and VARP messages received")                       \
	X(MESSAGE_TX, "message_tx", "membership and VARP messages sent")                           \
	X(MESSAGE_REFUSED, "message_refused",                                                      \
	    "membership and VARP messages that are malformed, dropped")                            \
	X(MESSAGE_VNI, "message_vni",                                                              \
	    "VARP messages for a VNI that is not a vnet of their association, dropped")            \
	X(MEMBERSHIP_BAD, "membership_bad",                                                        \
	    "membership sets whose hash or parts do not fit, asked for again")                     \
	X(FRAME_RX, "frame_rx", "frames delivered to devices")                                     \
	X(FRAME_TX, "frame_tx", "frames read from devices")                                        \
	X(FRAME_UNICAST, "frame_unicast",                                                          \
	    "frames sent to the one host that has their destination")                              \
	X(FRAME_FLOOD, "frame_flood", "frames flooded to all members")                             \
	X(FRAME_COPIES, "frame_copies", "copies sent by floods")                                   \
	X(MSS_CLAMPED, "mss_clamped", "TCP SYNs whose MSS was lowered to what fits the path")      \
	X(TOO_BIG, "frame_too_big",                                                                \
	    "frames that travelled in outer fragments because they do not fit one packet")         \
	X(TOO_BIG_TOLD, "frame_too_big_told",                                                      \
	    "senders of such frames that were told, by ICMP inside the vnet")                      \
	X(FRAME_SHORT, "frame_short", "frames without an Ethernet header, dropped")                \
	X(FRAME_SOURCE, "frame_source", "frames whose source is a group address or zero, dropped") \
	X(FRAME_LOCAL, "frame_local", "frames for an address behind our own device, dropped")      \
	X(FRAME_RESERVED, "frame_reserved",                                                        \
	    "link-local control frames (01:80:c2:00:00:0x), dropped")                              \
	X(FRAME_NO_MEMBER, "frame_no_member", "frames of a vnet that no other host has, dropped")  \
	X(FRAME_NO_BUFFER, "frame_no_buffer",                                                      \
	    "frames dropped because all packet buffers are in use")                                \
	X(FRAME_QUEUED, "frame_queued", "frames that wait for an association being set up")        \
	X(FRAME_QUEUE_FULL, "frame_queue_full", "frames dropped because too many wait")            \
	X(DEVICE_RX_FAILED, "device_rx_failed",                                                    \
	    "frames that a device did not take (down, or its queue full)")                         \
	X(HANDED_OVER, "worker_handed_over",                                                       \
	    "frames and datagrams that workers left to the first of them")                         \
	X(HANDOVER_FULL, "worker_queue_full", "the same, dropped because too many wait")           \
	X(DEVICE_HEADER, "device_header",                                                          \
	    "frames from a device with an offload header we did not ask for, dropped")             \
	X(KERNEL_TX, "kernel_tx", "frames sent by the kernel")                                     \
	X(KERNEL_RX, "kernel_rx", "frames received by the kernel, of addresses it sends to")       \
	X(KERNEL_REFUSED, "kernel_refused",                                                        \
	    "ESP packets the kernel dropped: replayed, or a wrong ICV")                            \
	X(KERNEL_CLEAR, "kernel_clear",                                                            \
	    "frames that came to a port of the kernel without the SA they need, dropped")          \
	X(KERNEL_VNI, "kernel_vni",                                                                \
	    "frames in the kernel for a vnet that their SA does not have, dropped")                \
	X(KERNEL_UNSENT, "kernel_unsent",                                                          \
	    "frames for a host that found no policy to seal them, dropped")                        \
	X(KERNEL_FALLBACK, "kernel_fallback", "ways through the kernel that stopped working")      \
	X(CONTROL_CLIENTS, "control_clients", "connections to the control socket")                 \
	X(CONTROL_BUSY, "control_busy", "connections refused because there are too many")          \
	X(CONTROL_GARBAGE, "control_garbage",                                                      \
	    "connections closed because what they sent is no expression")                          \
	X(STATE_FAILED, "state_failed", "times the state could not be stored")

enum stats_id {
#define X(suffix, name, help) STAT_##suffix,
	STATS(X)
#undef X
	    STAT_COUNT
};

struct stats {
	struct stats *next;
	_Atomic uint64_t values[STAT_COUNT];
	_Atomic uint64_t esp[ESP_VERDICT_COUNT];
};

extern _Thread_local struct stats *stats_mine;

static inline void
stats_bump(_Atomic uint64_t *value, uint64_t n)
{
	uint64_t now = atomic_load_explicit(value, memory_order_relaxed);

	atomic_store_explicit(value, now + n, memory_order_relaxed);
}

static inline void
stats_add(enum stats_id s, uint64_t n)
{
	stats_bump(&stats_mine->values[s], n);
}

static inline void
stats_count(enum stats_id s)
{
	stats_add(s, 1);
}

static inline void
stats_esp(enum esp_verdict v)
{
	stats_bump(&stats_mine->esp[v], 1);
}

/* A further thread counts in s from now on; it is zero, and never freed. */
void stats_thread(struct stats *s);

/* Sums of all threads. */
uint64_t stats_value(enum stats_id s);
uint64_t stats_esp_value(enum esp_verdict v);

const char *stats_name(enum stats_id s);
const char *stats_help(enum stats_id s);
