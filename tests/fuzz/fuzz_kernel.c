/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What priv hears of the kernel's path: XFRM, nftables and traffic control, one datagram of messages. The corpus is little-endian. */
#include "fuzz.h"

#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/netlink.h"
#include "core/nftnl.h"
#include "core/pathnl.h"
#include "core/xfrmnl.h"

enum {
	SAW_XFRM = 0, /* + enum xfrmnl_verdict */
	SAW_REPLAY = XFRMNL_BAD_ATTR + 1,
	SAW_LAST,
	SAW_HARD,
	SAW_REQID,
	SAW_TABLE,
	SAW_PROGRAM,
	SAW_PROGRAM_GONE,
	SAW_ROUTE,
	REJECT_DATAGRAM,
};

const char *const fuzz_classes[] = {
	[XFRMNL_SA] = "SA",
	[XFRMNL_SA_GONE] = "SA gone",
	[XFRMNL_EXPIRED] = "SA expired",
	[XFRMNL_POLICY] = "policy",
	[XFRMNL_POLICY_GONE] = "policy gone",
	[XFRMNL_SAS_FLUSHED] = "SAs flushed",
	[XFRMNL_POLICIES_FLUSHED] = "policies flushed",
	[XFRMNL_ACQUIRE] = "acquire",
	[XFRMNL_MAPPING] = "mapping",
	[XFRMNL_OTHER] = "another message",
	[XFRMNL_SHORT] = "short message",
	[XFRMNL_BAD_ATTR] = "attribute of a wrong length",
	[SAW_REPLAY] = "SA with its numbers",
	[SAW_LAST] = "SA gone with its last numbers",
	[SAW_HARD] = "hard limit",
	[SAW_REQID] = "policy with its template",
	[SAW_TABLE] = "our nftables table",
	[SAW_PROGRAM] = "a program",
	[SAW_PROGRAM_GONE] = "a program gone",
	[SAW_ROUTE] = "a route's device",
	[REJECT_DATAGRAM] = "datagram that does not end with a message",
	NULL,
};

static void
saw_xfrm(const struct xfrmnl_msg *m, enum xfrmnl_verdict v)
{
	fuzz_saw(SAW_XFRM + v);
	if (v == XFRMNL_SA && (m->sa.seq_in || m->sa.seq_out))
		fuzz_saw(SAW_REPLAY);
	if (v == XFRMNL_SA_GONE && m->sa.seq_in && m->sa.mark && m->sa.mark == m->sa.reqid)
		fuzz_saw(SAW_LAST);
	if (v == XFRMNL_EXPIRED && m->hard)
		fuzz_saw(SAW_HARD);
	if (v == XFRMNL_POLICY && m->policy.reqid)
		fuzz_saw(SAW_REQID);
}

static void
message(void *arg, const struct nlmsghdr *nlh)
{
	struct xfrmnl_msg m = { 0 };
	enum xfrmnl_verdict v;
	bool gone;

	(void)arg;
	v = xfrmnl_parse(nlh, &m);
	saw_xfrm(&m, v);
	if (nftnl_concerns(nlh, "vnetd"))
		fuzz_saw(SAW_TABLE);
	if (pathnl_program_device(nlh, &gone) != 0)
		fuzz_saw(gone ? SAW_PROGRAM_GONE : SAW_PROGRAM);
	if (pathnl_route_device(nlh) != 0)
		fuzz_saw(SAW_ROUTE);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (!netlink_walk(data, len, message, NULL))
		fuzz_saw(REJECT_DATAGRAM);
	return 0;
}
