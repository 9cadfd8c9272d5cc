// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libFuzzer harness: the BGP group attribute.  What decodes must encode to
 * something that decodes to the same.
 */
#include <stdlib.h>
#include <string.h>

#include "attr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[GV_SECRET_LEN] = {1};
	static uint8_t value[GV_ATTR_MAX];
	struct gv_attr attr, back;
	size_t len;

	gv_attr_verify(data, size, key);
	if (gv_attr_decode(data, size, &attr) != GV_ATTR_OK)
		return 0;
	len = gv_attr_encode(&attr, key, value, sizeof(value));
	if (!len) {
		/* Only for want of room. */
		if (attr.rekey_len < GV_ATTR_MAX - 64)
			abort();
		return 0;
	}
	if (gv_attr_decode(value, len, &back) != GV_ATTR_OK ||
	    gv_attr_verify(value, len, key) != GV_ATTR_OK ||
	    back.kind != attr.kind || back.group_id != attr.group_id ||
	    back.member_id != attr.member_id ||
	    back.sender_id != attr.sender_id ||
	    back.route_epoch != attr.route_epoch ||
	    !gv_addr_equal(&back.gateway, &attr.gateway) ||
	    back.sealed != attr.sealed || back.rekey_len != attr.rekey_len ||
	    (attr.rekey && memcmp(back.rekey, attr.rekey, attr.rekey_len)))
		abort();
	return 0;
}
