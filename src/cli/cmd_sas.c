/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Security associations: as a table, or with their keys as other programs want them. */
#include <stdlib.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/columns.h"
#include "cli/writer.h"

static const struct column sa_columns[] = {
	{ "direction", "DIR" },
	{ "spi", "SPI" },
	{ "src", "SOURCE" },
	{ "dst", "DESTINATION" },
	{ "suite", "SUITE" },
	{ "key", "KEY" },
	{ "state", "STATE" },
	{ "kernel", "KERNEL" },
	{ "seq", "SEQUENCE" },
	{ "packets", "PACKETS" },
	{ "bytes", "BYTES" },
	{ "age", "AGE" },
};

/* How others call the parts of a suite; a cipher without auth is an AEAD, its key followed by the salt. */
static const struct sa_suite {
	const char *name;
	const char *wireshark_enc, *wireshark_auth;
	const char *xfrm_enc, *xfrm_auth;
	unsigned icv_bits;
} sa_suites[] = {
	{ "null-sha1", "NULL", "HMAC-SHA-1-96 [RFC2404]", "ecb(cipher_null)", "hmac(sha1)", 96 },
	{ "aes128-sha1", "AES-CBC [RFC3602]", "HMAC-SHA-1-96 [RFC2404]", "cbc(aes)", "hmac(sha1)",
	    96 },
	{ "null-sha256", "NULL", "HMAC-SHA-256-128 [RFC4868]", "ecb(cipher_null)", "hmac(sha256)",
	    128 },
	{ "aes128-sha256", "AES-CBC [RFC3602]", "HMAC-SHA-256-128 [RFC4868]", "cbc(aes)",
	    "hmac(sha256)", 128 },
	{ "aes128gcm", "AES-GCM with 16 octet ICV [RFC4106]", "NULL", "rfc4106(gcm(aes))", NULL,
	    128 },
	{ "aes256gcm", "AES-GCM with 16 octet ICV [RFC4106]", "NULL", "rfc4106(gcm(aes))", NULL,
	    128 },
};

struct sa_list {
	struct columns *columns;
	struct writer *writer;
};

/* What an expression says of key, "" if nothing. Only what cannot break a line of another program's input. */
static const char *
field(const struct sxp *sa, const char *key)
{
	const char *value = sxp_get(sa, key);

	return value && value[strspn(value, "0123456789abcdefABCDEFx.:-")] == '\0' ? value : "";
}

static const struct sa_suite *
suite_of(const struct sxp *sa)
{
	const char *name = sxp_get(sa, "suite");

	for (size_t i = 0; name && i < sizeof(sa_suites) / sizeof(sa_suites[0]); i++)
		if (strcmp(sa_suites[i].name, name) == 0)
			return &sa_suites[i];
	complain(name ? name : "sa", "no name for this suite in the wanted format");
	return NULL;
}

static bool
is_v6(const struct sxp *sa)
{
	return strchr(field(sa, "src"), ':') != NULL;
}

/* A key without the "0x" that it may have. */
static const char *
digits(const struct sxp *sa, const char *key)
{
	const char *value = field(sa, key);

	return strncmp(value, "0x", 2) == 0 ? value + 2 : value;
}

/* "0x", the key and what follows it; nothing at all for no key. */
static void
print_key(const char *key, const char *salt)
{
	if (*key)
		printf("0x%s%s", key, salt);
}

static void
print_wireshark(void *arg, const struct sxp *sa)
{
	const struct sa_suite *s = suite_of(sa);

	(void)arg;
	if (!s)
		return;
	printf("\"%s\",\"%s\",\"%s\",\"%s\",\"%s\",\"", is_v6(sa) ? "IPv6" : "IPv4",
	    field(sa, "src"), field(sa, "dst"), field(sa, "spi"), s->wireshark_enc);
	print_key(digits(sa, "enc_key"), digits(sa, "salt"));
	printf("\",\"%s\",\"", s->wireshark_auth);
	print_key(digits(sa, "auth_key"), "");
	printf("\"\n");
}

static void
print_xfrm_keys(const struct sxp *sa, const struct sa_suite *s)
{
	if (s->xfrm_auth)
		printf(" auth-trunc '%s' 0x%s %u enc '%s' ", s->xfrm_auth, digits(sa, "auth_key"),
		    s->icv_bits, s->xfrm_enc);
	else
		printf(" aead '%s' ", s->xfrm_enc);
	if (*digits(sa, "enc_key"))
		print_key(digits(sa, "enc_key"), digits(sa, "salt"));
	else
		printf("''");
	if (!s->xfrm_auth)
		printf(" %u", s->icv_bits);
}

static void
print_xfrm(void *arg, const struct sxp *sa)
{
	const struct sa_suite *s = suite_of(sa);
	const char *esn = sxp_get(sa, "esn");

	(void)arg;
	if (!s)
		return;
	printf("ip xfrm state add src %s dst %s proto esp spi %s mode transport", field(sa, "src"),
	    field(sa, "dst"), field(sa, "spi"));
	print_xfrm_keys(sa, s);
	if (strcmp(field(sa, "dport"), "0") != 0) /* else IP protocol 50 */
		printf(" encap espinudp %s %s %s", field(sa, "sport"), field(sa, "dport"),
		    is_v6(sa) ? "::" : "0.0.0.0");
	if (esn && strcmp(esn, "yes") == 0)
		printf(" flag esn");
	/* An outbound SA has none, but ip and the kernel want one where there is ESN. */
	printf(" replay-window %s\n", *field(sa, "window") ? field(sa, "window") : "32");
}

static void
add_row(void *arg, const struct sxp *sa)
{
	struct sa_list *list = arg;

	columns_add(list->columns, sa);
}

static void
write_sa(void *arg, const struct sxp *sa)
{
	struct sa_list *list = arg;

	list->writer->item(list->writer, sa);
}

enum format { TABLE, WIRESHARK, IP_XFRM, SXP };

static const struct {
	const char *name;
	client_item_fn *item;
	bool needs_keys;
} formats[] = {
	[TABLE] = { "table", add_row, false },
	[WIRESHARK] = { "wireshark", print_wireshark, true },
	[IP_XFRM] = { "ip-xfrm", print_xfrm, true },
	[SXP] = { "sxp", write_sa, false },
};

static bool
choose_format(const struct vn *vn, enum format *out)
{
	const char *name = vn->value[OPT_FORMAT];

	if (!name) {
		*out = vn->value[OPT_JSON] ? SXP : vn->value[OPT_KEYS] ? WIRESHARK : TABLE;
		return true;
	}
	for (enum format f = TABLE; f <= SXP; f++)
		if (strcmp(formats[f].name, name) == 0) {
			if (formats[f].needs_keys && !vn->value[OPT_KEYS]) {
				complain(name, "this format is of keys; expected --keys with it");
				return false;
			}
			*out = vn->value[OPT_JSON] ? SXP : f;
			return true;
		}
	complain(name, "unknown format; expected table, wireshark, ip-xfrm or sxp");
	return false;
}

enum vn_status
cmd_sas(struct vn *vn)
{
	struct sa_list list = { columns_new(sa_columns, sizeof(sa_columns) / sizeof(*sa_columns)),
		vn_writer(vn) };
	struct sxp_out request = vn_begin("sa.list");
	enum vn_status status = VN_USAGE;
	enum format format = TABLE;

	if (vn->value[OPT_KEYS])
		sxp_out_kv(&request, "keys", "yes");
	sxp_out_close(&request);
	if (list.columns && list.writer && choose_format(vn, &format))
		status = vn_request(vn, &request, formats[format].item, &list);
	if (list.writer)
		list.writer->end(list.writer, status == VN_OK && format == SXP);
	if (status == VN_OK && format == TABLE && columns_count(list.columns) > 0)
		columns_print(list.columns, stdout);
	columns_free(list.columns);
	sxp_out_free(&request);
	return status;
}
