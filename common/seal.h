/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sealing a prefix into the 128 bits of a VPNv6 NLRI, and opening it.
 *
 * One AES-256 block over "type | length | prefix bits | zero redundancy".
 * Blocks whose first octet a router might take for something special (0x00,
 * 0xfe, 0xff: unspecified, loopback, mapped, link-local, multicast) are walked
 * past by enciphering again (cycle walking), so that any router in between
 * takes the NLRI for an ordinary prefix.  Deterministic: the same prefix under
 * the same key always gives the same NLRI.
 *
 * IPv6 prefixes longer than /64 do not fit.  They travel in a TLV of the group
 * attribute, sealed with AES-SIV, and the block is "7 | the first 15 octets of
 * the synthetic IV": NLRI and TLV belong to one another.
 */
#ifndef GV_SEAL_H
#define GV_SEAL_H

#include "crypto.h"

struct gv_prefix {
	uint8_t family;	   /* 4 or 6 */
	uint8_t len;	   /* 0..32, or 0..128 */
	uint8_t bytes[16]; /* network byte order, host bits zero */
};

/* key: gv_nlri_key().  false: prefix not valid (host bits set, length) or too
 * long to fit. */
bool gv_seal_prefix(const uint8_t key[GV_SECRET_LEN],
		    const struct gv_prefix *prefix, uint8_t nlri[16]);

/* false: not sealed under this key (redundancy not found) or not canonical;
 * prefix is then untouched. */
bool gv_open_prefix(const uint8_t key[GV_SECRET_LEN], const uint8_t nlri[16],
		    struct gv_prefix *prefix);

/* An IPv6 prefix of 65 to 128 bits; siv_key: gv_siv_key(). */
#define GV_SEALED_PREFIX_LEN (GV_SIV_LEN + 17)
bool gv_seal_long(const uint8_t key[GV_SECRET_LEN],
		  const uint8_t siv_key[GV_SIV_KEY_LEN],
		  const struct gv_prefix *prefix, uint8_t nlri[16],
		  uint8_t sealed[GV_SEALED_PREFIX_LEN]);
/* false: not sealed under these keys, not of one another, not canonical, or
 * not longer than /64; prefix is then untouched. */
bool gv_open_long(const uint8_t key[GV_SECRET_LEN],
		  const uint8_t siv_key[GV_SIV_KEY_LEN], const uint8_t nlri[16],
		  const uint8_t sealed[GV_SEALED_PREFIX_LEN],
		  struct gv_prefix *prefix);

/* Seals the octets of inner.h, len 1 to GV_INNER_MAX: GV_SIV_LEN more. */
bool gv_seal_inner(const uint8_t siv_key[GV_SIV_KEY_LEN], const uint8_t *inner,
		   size_t len, uint8_t *sealed);
/* len: of sealed; inner gets GV_SIV_LEN less. */
bool gv_open_inner(const uint8_t siv_key[GV_SIV_KEY_LEN], const uint8_t *sealed,
		   size_t len, uint8_t *inner);

#endif /* GV_SEAL_H */
