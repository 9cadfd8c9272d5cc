// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libFuzzer harness: inner attributes.  What decodes must encode, to something
 * that decodes to the same and is not longer.
 */
#include <stdlib.h>
#include <string.h>

#include "inner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t out[GV_INNER_MAX], again[GV_INNER_MAX];
	size_t len = sizeof(out), again_len = sizeof(again);
	struct gv_inner inner, back;

	if (!gv_inner_decode(data, size, &inner))
		return 0;
	if (!gv_inner_encode(&inner, out, &len) || len > size ||
	    !gv_inner_decode(out, len, &back) ||
	    !gv_inner_encode(&back, again, &again_len) || again_len != len ||
	    memcmp(out, again, len))
		abort();
	return 0;
}
