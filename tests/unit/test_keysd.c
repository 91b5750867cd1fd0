/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keys/keysd.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "keys/keysmsg.h"

/* One host: a keys role, and what it answered last. */
struct host {
	struct keysd *d;
	int dir;
	struct monotime now;
	uint32_t key_id; /* of "default" */
	unsigned n_keys, n_lists, n_answers;
	struct key_info keys[KEYRING_MAX];
	struct ipc_msg last; /* other than the list */
};

static struct host a, b;

/* What the engine would read from its end. */
static void
receive(void *arg, uint32_t type, uint32_t seq, const void *body, size_t len)
{
	struct host *h = arg;

	if (type == KEYS_KEY) {
		assert_int_equal(len, sizeof(struct key_info));
		assert_in_range(h->n_keys, 0, KEYRING_MAX - 1);
		memcpy(&h->keys[h->n_keys++], body, len);
		return;
	}
	if (type == KEYS_LIST_END) {
		assert_int_equal(len, 0);
		h->n_lists++;
		return;
	}
	h->last = (struct ipc_msg){ .type = type, .seq = seq, .len = len, .fd = -1 };
	memcpy(h->last.body, body, len);
	h->n_answers++;
}

static bool
ask(struct host *h, uint32_t type, const void *body, size_t len)
{
	static uint32_t seq = 100;
	struct ipc_msg m = { .type = type, .seq = ++seq, .len = len, .fd = -1 };
	unsigned before = h->n_answers;

	if (len > 0)
		memcpy(m.body, body, len);
	h->n_keys = h->n_lists = 0;
	if (!keysd_handle(h->d, &m, h->now)) {
		assert_int_equal(
		    h->n_answers, before); /* what breaks the contract is answered by nothing */
		return false;
	}
	if (h->n_answers > before)
		assert_int_equal(h->last.seq, seq);
	return true;
}

static void
host_init(struct host *h, int dir)
{
	struct keyring *ring = keyring_new(dir);

	memset(h, 0, sizeof(*h));
	h->now.ns = 1000000000;
	h->dir = dir;
	assert_non_null(ring);
	h->d = keysd_new(ring, receive, h);
	assert_non_null(h->d);
	assert_true(ask(h, dir < 0 ? KEYS_LIST : KEYS_RELOAD, NULL, 0));
	for (unsigned i = 0; i < h->n_keys; i++) {
		if (strcmp(h->keys[i].name, KEY_DEFAULT) == 0)
			h->key_id = h->keys[i].id;
	}
}

static int
setup(void **state)
{
	(void)state;
	host_init(&a, -1);
	host_init(&b, -1);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	keysd_free(a.d);
	keysd_free(b.d);
	return 0;
}

static struct hs_payload
payload_of(const struct host *h, unsigned n_spis)
{
	struct hs_payload p = {
		.host_id = h == &a ? 0xa : 0xb,
		.start = h == &a ? 0xaa : 0xbb,
		.flags = HS_FLAG_ESN,
		.n_spis = (uint8_t)n_spis,
	};

	for (unsigned i = 0; i < n_spis; i++)
		p.spis[i] = (h == &a ? 0xa000 : 0xb000) + i;
	return p;
}

static struct keys_initiated
initiate(struct host *h, enum suite_id suite, unsigned n_spis)
{
	const struct keys_initiate req = {
		.key_id = h->key_id, .suite = suite, .payload = payload_of(h, n_spis)
	};
	struct keys_initiated out;

	assert_true(ask(h, KEYS_INITIATE, &req, sizeof(req)));
	assert_int_equal(h->last.type, KEYS_INITIATED);
	assert_int_equal(h->last.len, sizeof(out));
	memcpy(&out, h->last.body, sizeof(out));
	assert_int_equal(out.status == KEYS_OK, out.handle != 0);
	return out;
}

/* A failed session is its status and zeros: no bytes of a key or of the stack. */
static struct keys_session
session_of(const struct host *h, uint32_t type)
{
	struct keys_session out, none;

	assert_int_equal(h->last.type, type);
	assert_int_equal(h->last.len, sizeof(out));
	memcpy(&out, h->last.body, sizeof(out));
	if (out.status != KEYS_OK) {
		memset(&none, 0, sizeof(none));
		none.status = out.status;
		none.handle = out.handle;
		assert_memory_equal(&out, &none, sizeof(out));
	}
	return out;
}

static struct keys_session
respond(
    struct host *h, enum suite_id suite, unsigned n_spis, const uint8_t noise[static HS_NOISE_LEN])
{
	struct keys_respond req = {
		.key_id = h->key_id, .suite = suite, .payload = payload_of(h, n_spis)
	};

	memcpy(req.noise, noise, sizeof(req.noise));
	assert_true(ask(h, KEYS_RESPOND, &req, sizeof(req)));
	return session_of(h, KEYS_RESPONDED);
}

static struct keys_session
finish(struct host *h, uint32_t handle, const uint8_t noise[static HS_NOISE_LEN])
{
	struct keys_finish req = { .handle = handle };
	struct keys_session out;

	memcpy(req.noise, noise, sizeof(req.noise));
	assert_true(ask(h, KEYS_FINISH, &req, sizeof(req)));
	out = session_of(h, KEYS_FINISHED);
	assert_int_equal(out.handle, handle);
	return out;
}

static void
assert_peer(const struct keys_session *s, const struct host *h, unsigned n_spis)
{
	const struct hs_payload p = payload_of(h, n_spis);

	assert_true(s->peer.host_id == p.host_id && s->peer.start == p.start);
	assert_int_equal(s->peer.n_spis, n_spis);
	assert_memory_equal(s->peer.spis, p.spis, sizeof(p.spis));
}

/* All keys of one session differ, have the suite's length, and nothing follows. */
static void
assert_keys(const struct keys_session *s, const struct suite *suite, unsigned n_in, unsigned n_out)
{
	static const uint8_t zero[SUITE_KEYMAT_MAX];
	const uint8_t *seen[2 * HS_SPI_MAX];
	size_t n = 0, len = suite_keymat_len(suite);

	for (unsigned i = 0; i < HS_SPI_MAX; i++) {
		assert_memory_equal(s->in[i] + len, zero, SUITE_KEYMAT_MAX - len);
		assert_memory_equal(s->out[i] + len, zero, SUITE_KEYMAT_MAX - len);
		if (i < n_in)
			seen[n++] = s->in[i];
		else
			assert_memory_equal(s->in[i], zero, len);
		if (i < n_out)
			seen[n++] = s->out[i];
		else
			assert_memory_equal(s->out[i], zero, len);
	}
	for (size_t i = 0; i < n; i++) {
		assert_memory_not_equal(seen[i], zero, len);
		for (size_t j = 0; j < i; j++)
			assert_memory_not_equal(seen[i], seen[j], len);
	}
}

static void
test_every_suite_and_count(void **state)
{
	(void)state;
	for (unsigned suite = 1; suite < SUITE_COUNT; suite++) {
		for (unsigned n = 1; n <= HS_SPI_MAX; n++) {
			unsigned m = HS_SPI_MAX + 1 -
				     n; /* the ends need not have the same number */
			struct keys_initiated one = initiate(&a, suite, n);
			struct keys_session r = respond(&b, suite, m, one.noise);
			struct keys_session i = finish(&a, one.handle, r.noise);

			assert_int_equal(one.status, KEYS_OK);
			assert_int_equal(r.status, KEYS_OK);
			assert_int_equal(r.handle, 0);
			assert_int_equal(i.status, KEYS_OK);
			assert_peer(&i, &b, m);
			assert_peer(&r, &a, n);
			assert_true(i.peer.peer_host_id == 0xa && i.peer.peer_start == 0xaa);
			assert_memory_equal(i.in, r.out, sizeof(i.in));
			assert_memory_equal(i.out, r.in, sizeof(i.out));
			assert_keys(&i, suite_by_id(suite), n, m);
		}
	}
}

static void
test_handle_is_gone_after_success(void **state)
{
	struct keys_initiated one = initiate(&a, SUITE_AES128_SHA1, 1);
	struct keys_session r = respond(&b, SUITE_AES128_SHA1, 1, one.noise);

	(void)state;
	assert_int_equal(finish(&a, one.handle, r.noise).status, KEYS_OK);
	assert_int_equal(finish(&a, one.handle, r.noise).status, KEYS_NO_HANDSHAKE);
	assert_int_equal(finish(&a, 12345, r.noise).status, KEYS_NO_HANDSHAKE);
}

static void
test_forged_answer_leaves_it_open(void **state)
{
	struct keys_initiated one = initiate(&a, SUITE_AES128_SHA1, 1);
	struct keys_session r = respond(&b, SUITE_AES128_SHA1, 1, one.noise);
	uint8_t forged[HS_NOISE_LEN];

	(void)state;
	for (size_t i = 0; i < sizeof(forged); i++) {
		memcpy(forged, r.noise, sizeof(forged));
		forged[i] ^= 0x40;
		assert_int_equal(finish(&a, one.handle, forged).status, KEYS_BAD_MESSAGE);
	}
	memset(forged, 0, sizeof(forged)); /* a point of low order */
	assert_int_equal(finish(&a, one.handle, forged).status, KEYS_BAD_MESSAGE);
	assert_int_equal(finish(&a, one.handle, r.noise).status, KEYS_OK);
}

static void
test_another_suite(void **state)
{
	struct keys_initiated one = initiate(&a, SUITE_AES128_SHA1, 1);

	(void)state;
	for (unsigned suite = 1; suite < SUITE_COUNT; suite++)
		assert_int_equal(respond(&b, suite, 1, one.noise).status,
		    suite == SUITE_AES128_SHA1 ? KEYS_OK : KEYS_BAD_MESSAGE);
}

/* A message 1 that comes again gets an answer with other keys; the initiator takes one. */
static void
test_replayed_message_1(void **state)
{
	struct keys_initiated one = initiate(&a, SUITE_AES128_SHA1, 1);
	struct keys_session first = respond(&b, SUITE_AES128_SHA1, 1, one.noise);
	struct keys_session second = respond(&b, SUITE_AES128_SHA1, 1, one.noise);

	(void)state;
	assert_int_equal(second.status, KEYS_OK);
	assert_memory_not_equal(first.noise, second.noise, 32);
	assert_memory_not_equal(first.in[0], second.in[0], 36);
	assert_memory_not_equal(first.out[0], second.out[0], 36);
	assert_int_equal(finish(&a, one.handle, first.noise).status, KEYS_OK);
	assert_int_equal(finish(&a, one.handle, second.noise).status, KEYS_NO_HANDSHAKE);
}

static void
test_reflected(void **state)
{
	struct keys_initiated one = initiate(&a, SUITE_AES128_SHA1, 1);
	struct keys_session r = respond(&b, SUITE_AES128_SHA1, 1, one.noise), self;

	(void)state;
	assert_int_equal(finish(&a, one.handle, one.noise).status, KEYS_BAD_MESSAGE);
	assert_int_equal(respond(&b, SUITE_AES128_SHA1, 1, r.noise).status, KEYS_BAD_MESSAGE);
	/* The engine sees its own host id and drops it. */
	self = respond(&a, SUITE_AES128_SHA1, 1, one.noise);
	assert_int_equal(self.status, KEYS_OK);
	assert_true(self.peer.host_id == payload_of(&a, 1).host_id);
}

/* Message 2 of another handshake, under the same key. */
static void
test_crossed_answers(void **state)
{
	struct keys_initiated one = initiate(&a, SUITE_AES128_SHA1, 1),
			      two = initiate(&a, SUITE_AES128_SHA1, 1);
	struct keys_session r1 = respond(&b, SUITE_AES128_SHA1, 1, one.noise);
	struct keys_session r2 = respond(&b, SUITE_AES128_SHA1, 1, two.noise);

	(void)state;
	assert_int_not_equal(one.handle, two.handle);
	assert_int_equal(finish(&a, one.handle, r2.noise).status, KEYS_BAD_MESSAGE);
	assert_int_equal(finish(&a, two.handle, r1.noise).status, KEYS_BAD_MESSAGE);
	assert_int_equal(finish(&a, one.handle, r1.noise).status, KEYS_OK);
	assert_int_equal(finish(&a, two.handle, r2.noise).status, KEYS_OK);
}

/* One who knows the key (the public one, say), with payloads of its own making. */
static void
rogue_init(struct noise *ns, bool initiator)
{
	uint8_t prologue[HS_PROLOGUE_MAX];
	struct keyring *ring = keyring_new(-1);

	assert_non_null(ring);
	assert_true(noise_init(ns, initiator, keyring_secret(ring, a.key_id), prologue,
	    hs_prologue(prologue, a.key_id, SUITE_AES128_SHA1), NULL));
	keyring_free(ring);
}

static void
rogue_write(struct noise *ns, const struct hs_payload *p, size_t at, uint8_t value,
    uint8_t out[static HS_NOISE_LEN])
{
	struct noise copy = *ns;
	uint8_t buf[HS_PAYLOAD_LEN];

	hs_payload_write(buf, p);
	buf[at] = value;
	assert_true(noise_write(&copy, buf, sizeof(buf), out));
}

static void
test_bad_payload_of_message_1(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
		enum keys_status status;
	} cases[] = {
		{ 33, 0, KEYS_OK },	     /* no ESN: for the engine to judge */
		{ 32, 1, KEYS_OK },	     /* unknown flag */
		{ 71, 1, KEYS_OK },	     /* attempt */
		{ 7, 0, KEYS_BAD_PAYLOAD },  /* host id 0 */
		{ 23, 1, KEYS_BAD_PAYLOAD }, /* echoes in message 1 */
		{ 31, 1, KEYS_BAD_PAYLOAD }, { 34, 0, KEYS_BAD_PAYLOAD }, /* no SPI */
		{ 34, 9, KEYS_BAD_PAYLOAD }, { 35, 1, KEYS_BAD_PAYLOAD }, /* reserved */
		{ 38, 0, KEYS_BAD_PAYLOAD },				  /* SPI 0 */
	};
	const struct hs_payload p = payload_of(&a, 1);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct noise ns;
		uint8_t msg[HS_NOISE_LEN];

		rogue_init(&ns, true);
		rogue_write(&ns, &p, cases[i].at, cases[i].value, msg);
		assert_int_equal(respond(&b, SUITE_AES128_SHA1, 1, msg).status, cases[i].status);
	}
}

static void
test_low_order_in_message_1(void **state)
{
	const struct hs_payload p = payload_of(&a, 1);
	struct noise ns;
	uint8_t msg[HS_NOISE_LEN];

	(void)state;
	rogue_init(&ns, true);
	memset(ns.e_public, 0, sizeof(ns.e_public));
	rogue_write(&ns, &p, 0, 0, msg);
	assert_int_equal(respond(&b, SUITE_AES128_SHA1, 1, msg).status, KEYS_BAD_MESSAGE);
}

static void
test_wrong_echo_in_message_2(void **state)
{
	struct keys_initiated one = initiate(&a, SUITE_AES128_SHA1, 1);
	struct hs_payload p = payload_of(&b, 1);
	uint8_t msg[HS_NOISE_LEN], buf[HS_PAYLOAD_LEN];
	struct noise ns;

	(void)state;
	p.peer_host_id = payload_of(&a, 1).host_id;
	p.peer_start = payload_of(&a, 1).start;
	rogue_init(&ns, false);
	assert_true(noise_read(&ns, one.noise, sizeof(one.noise), buf));
	rogue_write(&ns, &p, 23, 0xc, msg); /* another host */
	assert_int_equal(finish(&a, one.handle, msg).status, KEYS_BAD_PAYLOAD);
	rogue_write(&ns, &p, 31, 0xcc, msg); /* another start */
	assert_int_equal(finish(&a, one.handle, msg).status, KEYS_BAD_PAYLOAD);
	rogue_write(&ns, &p, 34, 0, msg); /* no SPI */
	assert_int_equal(finish(&a, one.handle, msg).status, KEYS_BAD_PAYLOAD);
	rogue_write(&ns, &p, 34, 1, msg);
	assert_int_equal(finish(&a, one.handle, msg).status, KEYS_OK);
}

static void
test_engines_echoes_do_not_count(void **state)
{
	struct keys_initiate req = {
		.key_id = a.key_id, .suite = SUITE_NULL_SHA1, .payload = payload_of(&a, 1)
	};
	struct keys_initiated one;

	(void)state;
	req.payload.peer_host_id = 5;
	req.payload.peer_start = 6;
	assert_true(ask(&a, KEYS_INITIATE, &req, sizeof(req)));
	memcpy(&one, a.last.body, sizeof(one));
	assert_int_equal(respond(&b, SUITE_NULL_SHA1, 1, one.noise).status, KEYS_OK);
}

static void
test_unknown_key(void **state)
{
	struct keys_initiated one = initiate(&a, SUITE_NULL_SHA1, 1);
	static const struct keys_initiated none = { .status = KEYS_UNKNOWN_KEY };

	(void)state;
	a.key_id++;
	b.key_id++;
	assert_int_equal(respond(&b, SUITE_NULL_SHA1, 1, one.noise).status, KEYS_UNKNOWN_KEY);
	one = initiate(&a, SUITE_NULL_SHA1, 1);
	assert_memory_equal(&one, &none, sizeof(one));
	b.key_id = 0;
	assert_int_equal(respond(&b, SUITE_NULL_SHA1, 1, one.noise).status, KEYS_UNKNOWN_KEY);
}

static void
test_forget_and_reset(void **state)
{
	struct keys_initiated one = initiate(&a, SUITE_NULL_SHA1, 1),
			      two = initiate(&a, SUITE_NULL_SHA1, 1);
	struct keys_session r1 = respond(&b, SUITE_NULL_SHA1, 1, one.noise);
	struct keys_session r2 = respond(&b, SUITE_NULL_SHA1, 1, two.noise);
	const struct keys_forget forget = { one.handle };
	unsigned before = a.n_answers;

	(void)state;
	assert_true(ask(&a, KEYS_FORGET, &forget, sizeof(forget)));
	assert_true(ask(&a, KEYS_FORGET, &forget, sizeof(forget)));
	assert_int_equal(a.n_answers, before);
	assert_int_equal(finish(&a, one.handle, r1.noise).status, KEYS_NO_HANDSHAKE);
	keysd_reset(a.d);
	assert_int_equal(finish(&a, two.handle, r2.noise).status, KEYS_NO_HANDSHAKE);
}

static void
test_expiry(void **state)
{
	struct keys_initiated one = initiate(&a, SUITE_NULL_SHA1, 1), two;
	struct keys_session r = respond(&b, SUITE_NULL_SHA1, 1, one.noise);

	(void)state;
	a.now = monotime_add_ms(a.now, KEYS_OPEN_MAX_MS + 1);
	assert_int_equal(finish(&a, one.handle, r.noise).status, KEYS_NO_HANDSHAKE);
	two = initiate(&a, SUITE_NULL_SHA1, 1);
	r = respond(&b, SUITE_NULL_SHA1, 1, two.noise);
	a.now = monotime_add_ms(a.now, KEYS_OPEN_MAX_MS);
	assert_int_equal(finish(&a, two.handle, r.noise).status, KEYS_OK);
}

static void
test_bounded(void **state)
{
	struct keys_initiated one, last = initiate(&a, SUITE_NULL_SHA1, 1);
	struct keys_session r = respond(&b, SUITE_NULL_SHA1, 1, last.noise);

	(void)state;
	for (unsigned i = 1; i < KEYS_OPEN_MAX; i++)
		assert_int_equal(initiate(&a, SUITE_NULL_SHA1, 1).status, KEYS_OK);
	assert_int_equal(initiate(&a, SUITE_NULL_SHA1, 1).status, KEYS_BUSY);
	/* One that ends makes room for one, wherever the counter stands. */
	assert_int_equal(finish(&a, last.handle, r.noise).status, KEYS_OK);
	one = initiate(&a, SUITE_NULL_SHA1, 1);
	assert_int_equal(one.status, KEYS_OK);
	assert_int_not_equal(one.handle, last.handle);
	assert_int_equal(initiate(&a, SUITE_NULL_SHA1, 1).status, KEYS_BUSY);
	a.now = monotime_add_ms(a.now, KEYS_OPEN_MAX_MS + 1);
	assert_int_equal(initiate(&a, SUITE_NULL_SHA1, 1).status, KEYS_OK);
}

/* Every length but the right one, for every type there is and some there are not. */
static void
test_lengths(void **state)
{
	static const uint8_t zero[IPC_BODY_MAX];

	(void)state;
	for (uint32_t type = 0; type <= KEYS_DONE + 1; type++) {
		size_t right = type == KEYS_INITIATE   ? sizeof(struct keys_initiate)
			       : type == KEYS_RESPOND  ? sizeof(struct keys_respond)
			       : type == KEYS_FINISH   ? sizeof(struct keys_finish)
			       : type == KEYS_FORGET   ? sizeof(struct keys_forget)
			       : type == KEYS_GENERATE ? sizeof(struct keys_admin)
			       : type == KEYS_RETIRE   ? sizeof(struct keys_admin)
						       : 0;
		bool known = right != 0 || type == KEYS_LIST || type == KEYS_RELOAD;

		for (size_t len = 0; len <= sizeof(zero); len += len < 600 ? 1 : 499) {
			if (len != right || !known)
				assert_false(ask(&a, type, zero, len));
		}
	}
}

static void
test_ranges(void **state)
{
	struct keys_initiate i = {
		.key_id = a.key_id, .suite = SUITE_NULL_SHA1, .payload = payload_of(&a, 1)
	};
	struct keys_respond r = {
		.key_id = a.key_id, .suite = SUITE_NULL_SHA1, .payload = payload_of(&a, 1)
	};
	const struct keys_finish f = { .handle = 0 }, unused = { .handle = 1, .unused = 1 };
	const struct keys_forget forget = { 0 };
	struct keys_admin admin = { .name = "site", .replace = 2 };
	static const uint32_t suites[] = { SUITE_NONE, SUITE_COUNT, 0x101, UINT32_MAX };

	(void)state;
	for (size_t n = 0; n < sizeof(suites) / sizeof(suites[0]); n++) {
		i.suite = r.suite = suites[n];
		assert_false(ask(&a, KEYS_INITIATE, &i, sizeof(i)));
		assert_false(ask(&a, KEYS_RESPOND, &r, sizeof(r)));
	}
	i.suite = r.suite = SUITE_NULL_SHA1;
	i.payload.flags = r.payload.flags = 2;
	assert_false(ask(&a, KEYS_INITIATE, &i, sizeof(i)));
	assert_false(ask(&a, KEYS_RESPOND, &r, sizeof(r)));
	i.payload.flags = r.payload.flags = HS_FLAG_ESN;
	i.payload.n_spis = r.payload.n_spis = HS_SPI_MAX + 1;
	assert_false(ask(&a, KEYS_INITIATE, &i, sizeof(i)));
	assert_false(ask(&a, KEYS_RESPOND, &r, sizeof(r)));
	assert_false(ask(&a, KEYS_FINISH, &f, sizeof(f)));
	assert_false(ask(&a, KEYS_FINISH, &unused, sizeof(unused)));
	assert_false(ask(&a, KEYS_FORGET, &forget, sizeof(forget)));
	assert_false(ask(&a, KEYS_GENERATE, &admin, sizeof(admin)));
	admin.replace = 0;
	memset(admin.name, 'a', sizeof(admin.name)); /* no end */
	assert_false(ask(&a, KEYS_GENERATE, &admin, sizeof(admin)));
	assert_false(ask(&a, KEYS_RETIRE, &admin, sizeof(admin)));
}

static void
test_descriptor_is_refused(void **state)
{
	struct ipc_msg m = { .type = KEYS_LIST, .fd = 0 };

	(void)state;
	assert_false(keysd_handle(a.d, &m, a.now));
}

static struct keys_done
admin(struct host *h, uint32_t type, const char *name, bool replace)
{
	struct keys_admin req = { .replace = replace };
	struct keys_done done;

	snprintf(req.name, sizeof(req.name), "%s", name);
	assert_true(ask(h, type, &req, sizeof(req)));
	assert_int_equal(h->last.type, KEYS_DONE);
	assert_int_equal(h->last.len, sizeof(done));
	assert_int_equal(h->n_lists, 1);
	memcpy(&done, h->last.body, sizeof(done));
	assert_int_equal(done.error == 0, done.text[0] == '\0');
	return done;
}

static void
test_admin_refused(void **state)
{
	struct keys_done d;

	(void)state;
	d = admin(&a, KEYS_GENERATE, "site", false);
	assert_int_equal(d.error, -ENOTDIR);
	assert_string_equal(d.text, "key \"site\": there is no keys directory");
	d = admin(&a, KEYS_GENERATE, "hardwired", true);
	assert_int_equal(d.error, -EPERM);
	assert_string_equal(d.text, "key \"hardwired\": built in and public, it has no file");
	d = admin(&a, KEYS_RETIRE, "a\nb", false);
	assert_int_equal(d.error, -EINVAL);
	assert_string_equal(
	    d.text, "key \"a?b\": the name has a character other than letters, digits, - and _");
}

/* Two hosts with a key file each: made, copied, replaced at one end, then at the other, then retired. */
static void
test_key_swap(void **state)
{
	char path[] = "test_keysd.XXXXXX", cmd[160];
	struct keys_initiated one;
	struct keys_session r;
	struct keys_done d;
	uint32_t old;
	int dir;

	(void)state;
	assert_non_null(mkdtemp(path));
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	keysd_free(a.d);
	host_init(&a, dir);
	assert_int_equal(a.key_id, b.key_id); /* hard-wired */
	assert_int_equal(admin(&a, KEYS_GENERATE, "default", false).error, 0);
	d = admin(&a, KEYS_GENERATE, "default", false);
	assert_int_equal(d.error, -EEXIST);
	assert_string_equal(
	    d.text, "key \"default\": exists; --replace keeps it as default.old.psk");
	assert_int_equal(a.n_keys, 2);
	old = a.keys[0].id;
	assert_int_not_equal(old, a.key_id);

	one = initiate(
	    &a, SUITE_NULL_SHA1, 1); /* by the hard-wired key, which stays known by its id */
	assert_int_equal(one.status, KEYS_OK);
	assert_int_equal(respond(&b, SUITE_NULL_SHA1, 1, one.noise).status, KEYS_OK);
	assert_int_equal(admin(&a, KEYS_GENERATE, "default", true).error, 0);
	assert_int_equal(a.keys[0].old_id, old);
	a.key_id = old;
	one = initiate(&a, SUITE_NULL_SHA1, 1);
	assert_int_equal(one.status, KEYS_OK);
	r = respond(&a, SUITE_NULL_SHA1, 1, one.noise); /* the old key is still accepted */
	assert_int_equal(r.status, KEYS_OK);
	b.key_id = a.keys[0].id;
	assert_int_equal(respond(&b, SUITE_NULL_SHA1, 1, one.noise).status, KEYS_UNKNOWN_KEY);
	a.key_id = a.keys[0].id; /* another secret */
	assert_int_equal(respond(&a, SUITE_NULL_SHA1, 1, one.noise).status, KEYS_BAD_MESSAGE);

	assert_int_equal(admin(&a, KEYS_RETIRE, "default", false).error, 0);
	a.key_id = old;
	assert_int_equal(initiate(&a, SUITE_NULL_SHA1, 1).status, KEYS_UNKNOWN_KEY);
	d = admin(&a, KEYS_RETIRE, "default", false);
	assert_int_equal(d.error, -ENOENT);
	assert_string_equal(d.text, "key \"default\": no file default.old.psk to retire");
	snprintf(cmd, sizeof(cmd), "rm -rf %s", path);
	assert_int_equal(system(cmd), 0);
	close(dir);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_suite_and_count),
		TEST(test_handle_is_gone_after_success),
		TEST(test_forged_answer_leaves_it_open),
		TEST(test_another_suite),
		TEST(test_replayed_message_1),
		TEST(test_reflected),
		TEST(test_crossed_answers),
		TEST(test_bad_payload_of_message_1),
		TEST(test_low_order_in_message_1),
		TEST(test_wrong_echo_in_message_2),
		TEST(test_engines_echoes_do_not_count),
		TEST(test_unknown_key),
		TEST(test_forget_and_reset),
		TEST(test_expiry),
		TEST(test_bounded),
		TEST(test_lengths),
		TEST(test_ranges),
		TEST(test_descriptor_is_refused),
		TEST(test_admin_refused),
		TEST(test_key_swap),
	};

	if (!noise_global_init())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
