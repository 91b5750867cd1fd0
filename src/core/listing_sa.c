/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vn sas: those of software and of the kernel. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LOG_MODULE "control"
#include "base/log.h"
#include "core/commands.h"
#include "core/engine.h"
#include "core/listing.h"
#include "core/manual.h"
#include "core/offload.h"

static void
print_hex(struct sxp_out *o, const char *key, const uint8_t *bytes, size_t len)
{
	char text[2 * SUITE_KEYMAT_MAX + 1] = "";

	for (size_t i = 0; i < len; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	sxp_out_kv(o, key, text);
	explicit_bzero(text, sizeof(text));
}

static void
print_sa_keys(struct sxp_out *o, const struct suite *s, const uint8_t *keymat)
{
	print_hex(o, "enc_key", keymat, s->enc_key_len);
	if (s->salt_len > 0)
		print_hex(o, "salt", keymat + s->enc_key_len, s->salt_len);
	if (s->auth_key_len > 0)
		print_hex(o, "auth_key", keymat + s->enc_key_len + s->salt_len, s->auth_key_len);
}

struct sa_row {
	const struct assoc *assoc;
	const struct sa_pair *pair;
	const char *direction;
	uint32_t spi;
	bool esn;
	struct sa_count count;
	const uint8_t *keymat;
	const struct sa_kernel *kernel; /* NULL: in software */
};

static void
print_sa(struct request *r, const struct sa_row *row)
{
	static const char *const states[] = { "half-open", "unheard", "active", "draining" };
	const struct suite *s = row->assoc->group->suite;
	struct engine *e = r->engine;
	struct sxp_out *o = r->out;
	bool in = row->direction[0] == 'i';
	char peer_addr[IPADDR_STRLEN], own_addr[IPADDR_STRLEN];
	const char *peer = ipaddr_format(&row->assoc->ep.ip, peer_addr);
	const char *own = ipaddr_format(&row->assoc->local, own_addr);
	uint32_t port = port_of(&row->assoc->ep), own_port = port != 0 ? e->config.port : 0;
	uint32_t sport = in ? port : own_port, dport = in ? own_port : port;

	if (row->kernel != NULL) {
		sport = row->kernel->sport;
		dport = row->kernel->dport;
	}
	sxp_out_open(o, "sa");
	sxp_out_kv(o, "direction", row->direction);
	sxp_out_kvf(o, "spi", "0x%08x", row->spi);
	sxp_out_kv(o, "src", in ? peer : own);
	sxp_out_kv(o, "dst", in ? own : peer);
	sxp_out_kvf(o, "sport", "%u", sport);
	sxp_out_kvf(o, "dport", "%u", dport);
	sxp_out_kv(o, "level", level_name(s->level));
	sxp_out_kv(o, "suite", s->name);
	sxp_out_kv(o, "key", row->assoc->group->key);
	print_host(o, row->assoc->key.host_id);
	sxp_out_kv(o, "state", row->assoc->manual != NULL ? "manual" : states[row->pair->state]);
	sxp_out_kv(o, "kernel", row->kernel != NULL ? "yes" : "no");
	sxp_out_kv(o, "esn", row->esn ? "yes" : "no");
	sxp_out_kvf(o, "seq", "%" PRIu64, row->count.seq);
	if (in)
		sxp_out_kvf(o, "window", "%u", e->config.replay_window);
	sxp_out_kvf(o, "packets", "%" PRIu64, row->count.packets);
	sxp_out_kvf(o, "bytes", "%" PRIu64, row->count.bytes);
	sxp_out_kvf(o, "age", "%" PRId64, age_s(row->pair->installed, engine_now(e)));
	if (asked(r, "keys"))
		print_sa_keys(o, s, row->keymat);
	sxp_out_close(o);
}

static void
print_kernel_sa(struct request *r, const struct sa_pair *p, const char *direction, uint32_t spi,
    const struct sa_kernel *k, const uint8_t *keymat)
{
	struct sa_count count = { k->seq, k->packets, k->bytes };

	if (k->state == SA_KERNEL_HAS)
		print_sa(r, &(struct sa_row){
				p->assoc, p, direction, spi, p->in[0].sa.esn, count, keymat, k });
}

/* Those that the kernel has been given. */
static void
print_kernel_pair(struct request *r, const struct sa_pair *p)
{
	for (uint8_t i = 0; i < p->n_in; i++)
		print_kernel_sa(r, p, "in", p->in[i].entry.spi, &p->in[i].kernel, p->in[i].keymat);
	for (uint8_t i = 0; i < p->n_out; i++)
		print_kernel_sa(r, p, "out", p->out[i].sa.spi, &p->out[i].kernel, p->out[i].keymat);
}

/* The kernel has the same ones, if it has any. */
static void
print_manual_pair(struct request *r, const struct assoc *a, const struct sa_pair *p)
{
	const struct sa_kernel *in = &p->in->kernel, *out = &p->out->kernel;
	struct sa_count received = sa_in_count(p->in), sent = sa_out_count(p->out);

	received.packets += in->packets;
	received.bytes += in->bytes;
	sent.packets += out->packets - manual_unsent(a->manual);
	sent.bytes += out->bytes;
	if (in->seq > received.seq)
		received.seq = in->seq;
	if (out->seq > sent.seq)
		sent.seq = out->seq;
	print_sa(r, &(struct sa_row){ a, p, "in", p->in->entry.spi, p->in->sa.esn, received,
			p->in->keymat, in->state == SA_KERNEL_HAS ? in : NULL });
	print_sa(r, &(struct sa_row){ a, p, "out", p->out->sa.spi, p->out->sa.esn, sent,
			p->out->keymat, out->state == SA_KERNEL_HAS ? out : NULL });
}

static void
print_pair(struct request *r, const struct assoc *a, const struct sa_pair *p)
{
	for (uint8_t i = 0; i < p->n_in_soft; i++) {
		const struct esp_in *sa = &p->in[i].sa;

		print_sa(r, &(struct sa_row){ a, p, "in", sa->spi, sa->esn, sa_in_count(&p->in[i]),
				p->in[i].keymat, NULL });
	}
	for (uint8_t i = 0; i < p->n_out_soft; i++) {
		const struct esp_out *sa = &p->out[i].sa;

		if (p->out[i].kernel.state != SA_KERNEL_NEVER)
			continue; /* the kernel's */
		print_sa(r, &(struct sa_row){ a, p, "out", sa->spi, sa->esn,
				sa_out_count(&p->out[i]), p->out[i].keymat, NULL });
	}
}

bool
command_sa_list(struct request *r)
{
	if (asked(r, "keys")) {
		if (r->uid != 0)
			return command_refuse(r, "sas --keys", "only root may see keys");
		log_info("SA keys shown to root (pid %d)", (int)r->pid);
	}
	for (const struct assoc *a = r->engine->assocs.first; a != NULL; a = a->next)
		for (const struct sa_pair *p = a->pairs; p != NULL; p = p->next) {
			if (a->manual != NULL) {
				print_manual_pair(r, a, p);
				continue;
			}
			print_pair(r, a, p);
			print_kernel_pair(r, p);
		}
	return true;
}
