/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Datagrams on their way in: UDP -> ESP -> VXLAN -> forwarding -> device, and control messages to
 * whom they concern. A frame of a secured vnet enters only out of an SA of the vnet's own key and
 * suite. Frames of one batch are merged before they are written.
 */

#include <stdbool.h>

#include "core/transport.h"
#include "esp/esp.h"

struct engine;
struct ingress;

/* merge_udp: as input_init(). NULL if memory is short. */
struct ingress *ingress_new(struct engine *e, bool merge_udp);
/* One datagram, or several of one length in one piece; takes its packet. */
void ingress_datagram(struct engine *e, const struct datagram *d);
/* What a worker has opened already: the payload is d->packet; takes it. */
void ingress_opened(
    struct engine *e, uint32_t spi, const struct esp_opened *opened, const struct datagram *d);
/* A bare frame of that VNI that a's kernel SA has opened; takes it. */
void ingress_port(struct engine *e, struct assoc *a, uint32_t vni, struct packet *p);
/* The batch is over: writes what was merged, frees what was held. */
void ingress_flush(struct engine *e);
