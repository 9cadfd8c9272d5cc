// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libFuzzer harness: the bodies of IDg, GSA and KD.
 *
 *   mode(1) length of GSA(2) GSA KD
 *
 * No mutation survives the integrity check of a wrapped key, so an odd mode
 * puts a valid one wherever a key's attribute header is found: then the rest
 * of the decoder is reached.  What decodes must encode to something that
 * decodes to the same.
 */
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "crypto.h"
#include "gikev2.h"

#define WRAPPED GV_WRAPPED_LEN(GV_SECRET_LEN)

static const uint8_t kwk[GV_KWK_LEN] = {1};

static void plant_keys(uint8_t *kd, size_t len)
{
	static const uint8_t sa_key[] = {0, 1, 0, 48};
	static const uint8_t route_secret[] = {0x40, 0, 0, 48};
	static uint8_t wrapped[WRAPPED];
	size_t wrapped_len = WRAPPED;

	if (!wrapped[0] &&
	    !gv_key_wrap(kwk, sizeof(kwk), "a group's secret of 32 octets...",
			 GV_SECRET_LEN, wrapped, &wrapped_len))
		abort();
	for (size_t i = 0; i + 12 + WRAPPED <= len; i++)
		if (!memcmp(kd + i, sa_key, 4) ||
		    !memcmp(kd + i, route_secret, 4))
			memcpy(kd + i + 12, wrapped, WRAPPED);
}

static void check_again(const struct gv_gsa *gsa)
{
	uint8_t policy[GV_GSA_BODY_MAX], keys[GV_KD_BODY_MAX];
	size_t policy_len = sizeof(policy), keys_len = sizeof(keys);
	struct gv_gsa back;

	if (!gv_gsa_encode(gsa, kwk, policy, &policy_len, keys, &keys_len) ||
	    gv_gsa_decode(policy, policy_len, keys, keys_len, kwk, &back) !=
		    GV_GIKEV2_OK ||
	    memcmp(gsa, &back, sizeof(back)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gv_reader r, policy;
	struct gv_gsa gsa;
	uint32_t group_id;
	uint8_t mode, *kd;

	gv_idg_decode(data, size, &group_id);
	gv_reader_init(&r, data, size);
	mode = gv_get8(&r);
	if (!gv_get_sub(&r, gv_get16(&r), &policy))
		return 0;
	kd = malloc(r.left ? r.left : 1);
	if (!kd)
		abort();
	memcpy(kd, r.pos, r.left);
	if (mode & 1)
		plant_keys(kd, r.left);
	if (gv_gsa_decode(policy.pos, policy.left, kd, r.left, kwk, &gsa) ==
	    GV_GIKEV2_OK)
		check_again(&gsa);
	free(kd);
	return 0;
}
