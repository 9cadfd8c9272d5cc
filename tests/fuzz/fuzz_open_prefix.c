// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libFuzzer harness: sealed prefixes.  What opens must seal to the same NLRI,
 * and any prefix that seals must open to itself.
 *
 *   key(32) NLRI(16) family(1) length(1) address(16)
 */
#include <stdlib.h>
#include <string.h>

#include "seal.h"

#define INPUT_LEN (32 + 16 + 18)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gv_prefix prefix, back;
	uint8_t nlri[16];

	if (size < INPUT_LEN)
		return 0;
	if (gv_open_prefix(data, data + 32, &prefix) &&
	    (!gv_seal_prefix(data, &prefix, nlri) ||
	     memcmp(nlri, data + 32, sizeof(nlri))))
		abort();
	prefix.family = data[48];
	prefix.len = data[49];
	memcpy(prefix.bytes, data + 50, 16);
	if (gv_seal_prefix(data, &prefix, nlri) &&
	    (!gv_open_prefix(data, nlri, &back) ||
	     memcmp(&prefix, &back, sizeof(back))))
		abort();
	return 0;
}
