// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sealing of prefixes: a small-domain use of AES-256 as a pseudo-random
 * permutation, with cycle walking (Black and Rogaway, "Ciphers with Arbitrary
 * Finite Domains").  doc/protocol.md, "Sealed routes".
 *
 *   block = type(1: 4 or 6) length(1) prefix(4 or 8) zero(the rest)
 *   block = type(1: 7) synthetic IV(15)
 */
#include "seal.h"

#include <string.h>

#include "crypto.h"
#include "inner.h"

#define BLOCK_LEN 16
#define TYPE_LONG 7

/* What a synthetic IV is over, besides the sealed octets. */
#define AAD_PREFIX "prefix"
#define AAD_INNER "inner"

/* A walk of this many steps has probability (3/256)^32 = 2^-205. */
#define WALK_MAX 32

/* How many octets of an address travel; 0 = not a family we know. */
static size_t carried(uint8_t family)
{
	return family == 4 ? 4 : family == 6 ? 8 : 0;
}

/* The block may stand as an NLRI: no router takes it for special. */
static bool ordinary(const uint8_t block[BLOCK_LEN])
{
	return block[0] != 0x00 && block[0] != 0xfe && block[0] != 0xff;
}

static bool walk(const uint8_t key[GV_SECRET_LEN], bool encrypt,
		 uint8_t block[BLOCK_LEN])
{
	uint8_t next[BLOCK_LEN];

	for (int step = 0; step < WALK_MAX; step++) {
		if (!gv_aes_block(key, encrypt, block, next))
			return false;
		memcpy(block, next, BLOCK_LEN);
		if (ordinary(block))
			return true;
	}
	return false;
}

/* No bit is set in bytes[] after the first len. */
static bool zero_after(const uint8_t bytes[16], size_t len)
{
	uint8_t bits = len % 8 ? bytes[len / 8] & (0xff >> len % 8) : 0;

	for (size_t i = (len + 7) / 8; i < 16; i++)
		bits |= bytes[i];
	return !bits;
}

static bool is_long(const struct gv_prefix *prefix)
{
	return prefix->family == 6 && prefix->len > 64 && prefix->len <= 128 &&
	       zero_after(prefix->bytes, prefix->len);
}

static bool canonical(const struct gv_prefix *prefix)
{
	return prefix->len <= 8 * carried(prefix->family) &&
	       carried(prefix->family) &&
	       zero_after(prefix->bytes, prefix->len);
}

bool gv_seal_prefix(const uint8_t key[GV_SECRET_LEN],
		    const struct gv_prefix *prefix, uint8_t nlri[16])
{
	uint8_t block[BLOCK_LEN] = {};

	if (!canonical(prefix))
		return false;
	block[0] = prefix->family;
	block[1] = prefix->len;
	memcpy(block + 2, prefix->bytes, carried(prefix->family));
	if (!walk(key, true, block))
		return false;
	memcpy(nlri, block, BLOCK_LEN);
	return true;
}

bool gv_open_prefix(const uint8_t key[GV_SECRET_LEN], const uint8_t nlri[16],
		    struct gv_prefix *prefix)
{
	struct gv_prefix opened = {};
	uint8_t block[BLOCK_LEN];
	size_t len;

	memcpy(block, nlri, BLOCK_LEN);
	if (!ordinary(block) || !walk(key, false, block))
		return false;
	opened.family = block[0];
	opened.len = block[1];
	len = carried(opened.family);
	memcpy(opened.bytes, block + 2, len);
	for (size_t i = 2 + len; i < BLOCK_LEN; i++)
		if (block[i])
			return false;
	if (!canonical(&opened))
		return false;
	*prefix = opened;
	return true;
}

bool gv_seal_long(const uint8_t key[GV_SECRET_LEN],
		  const uint8_t siv_key[GV_SIV_KEY_LEN],
		  const struct gv_prefix *prefix, uint8_t nlri[16],
		  uint8_t sealed[GV_SEALED_PREFIX_LEN])
{
	uint8_t plain[1 + sizeof(prefix->bytes)], block[BLOCK_LEN];

	if (!is_long(prefix))
		return false;
	plain[0] = prefix->len;
	memcpy(plain + 1, prefix->bytes, sizeof(prefix->bytes));
	if (!gv_siv_seal(siv_key, AAD_PREFIX, strlen(AAD_PREFIX), plain,
			 sizeof(plain), sealed))
		return false;
	block[0] = TYPE_LONG;
	memcpy(block + 1, sealed, BLOCK_LEN - 1);
	if (!walk(key, true, block))
		return false;
	memcpy(nlri, block, BLOCK_LEN);
	return true;
}

bool gv_open_long(const uint8_t key[GV_SECRET_LEN],
		  const uint8_t siv_key[GV_SIV_KEY_LEN], const uint8_t nlri[16],
		  const uint8_t sealed[GV_SEALED_PREFIX_LEN],
		  struct gv_prefix *prefix)
{
	uint8_t plain[1 + sizeof(prefix->bytes)], block[BLOCK_LEN];
	struct gv_prefix opened = {.family = 6};

	memcpy(block, nlri, BLOCK_LEN);
	if (!ordinary(block) || !walk(key, false, block) ||
	    block[0] != TYPE_LONG || memcmp(block + 1, sealed, BLOCK_LEN - 1) ||
	    !gv_siv_open(siv_key, AAD_PREFIX, strlen(AAD_PREFIX), sealed,
			 GV_SEALED_PREFIX_LEN, plain))
		return false;
	opened.len = plain[0];
	memcpy(opened.bytes, plain + 1, sizeof(opened.bytes));
	if (!is_long(&opened))
		return false;
	*prefix = opened;
	return true;
}

bool gv_seal_inner(const uint8_t siv_key[GV_SIV_KEY_LEN], const uint8_t *inner,
		   size_t len, uint8_t *sealed)
{
	return len <= GV_INNER_MAX &&
	       gv_siv_seal(siv_key, AAD_INNER, strlen(AAD_INNER), inner, len,
			   sealed);
}

bool gv_open_inner(const uint8_t siv_key[GV_SIV_KEY_LEN], const uint8_t *sealed,
		   size_t len, uint8_t *inner)
{
	return len <= GV_SIV_LEN + GV_INNER_MAX &&
	       gv_siv_open(siv_key, AAD_INNER, strlen(AAD_INNER), sealed, len,
			   inner);
}
