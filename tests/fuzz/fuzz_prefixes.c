// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libFuzzer harness: claims and lists of prefixes.  What decodes must encode to
 * the same octets, a list's reserved one apart.
 */
#include <stdlib.h>
#include <string.h>

#include "prefixes.h"

static void claim(const uint8_t *data, size_t size)
{
	struct gv_prefix prefixes[GV_PREFIXES_MAX];
	uint8_t out[GV_CLAIM_MAX];
	size_t count, len;

	if (gv_claim_decode(data, size, prefixes, &count) != GV_ROUTES_OK)
		return;
	len = gv_claim_encode(prefixes, count, out, sizeof(out));
	if (len != size || memcmp(out, data, len))
		abort();
}

static void list(const uint8_t *data, size_t size)
{
	uint8_t out[GV_LIST_MAX], flags;
	struct gv_list_entry entry;
	struct gv_writer w;
	struct gv_reader r;
	uint32_t state;
	size_t len;

	if (size > GV_LIST_MAX || gv_list_check(data, size) != GV_ROUTES_OK)
		return;
	gv_list_begin(&w, out);
	if (gv_list_open(&r, data, size, &flags, &state) != GV_ROUTES_OK)
		abort();
	while (r.left)
		if (gv_list_next(&r, &entry) != GV_ROUTES_OK ||
		    !gv_list_add(&w, &entry))
			abort();
	len = gv_list_end(&w, flags, state);
	if (len != size || memcmp(out, data, 3) ||
	    memcmp(out + 4, data + 4, len - 4))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	claim(data, size);
	list(data, size);
	return 0;
}
