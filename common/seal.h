/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sealing a prefix into the 128 bits of a VPNv6 NLRI, and opening it.
 *
 * One AES-256 block over "type | length | prefix bits | zero redundancy".
 * Blocks whose first octet a router might take for something special (0x00,
 * 0xfe, 0xff: unspecified, loopback, mapped, link-local, multicast) are walked
 * past by enciphering again (cycle walking), so that any router in between
 * takes the NLRI for an ordinary prefix.  Deterministic: the same prefix under
 * the same key always gives the same NLRI.  IPv6 prefixes longer than /64 do
 * not fit and are refused here.
 */
#ifndef GV_SEAL_H
#define GV_SEAL_H

#include "gv.h"

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

#endif /* GV_SEAL_H */
