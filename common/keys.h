/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The key schedule of sa_mode = derived, and the keys that come from the
 * route secret.  doc/protocol.md, "Keys".
 *
 * PRK = HKDF-Extract(salt = "groupvpn 1" | group-ID(4) | epoch(4), GSK)
 * ESP key of the SA from sender s to receiver r:
 *   HKDF-Expand(PRK, "esp" | SPI(4) | Sender-ID(s)(3) | Sender-ID(r)(3), len)
 * with SPI = tag << 24 | Sender-ID(s).
 */
#ifndef GV_KEYS_H
#define GV_KEYS_H

#include "gv.h"

/* The SPI, host byte order, of what sender sends under tag. */
uint32_t gv_spi(uint8_t tag, uint32_t sender_id);
uint8_t gv_spi_tag(uint32_t spi);
uint32_t gv_spi_sender(uint32_t spi);

bool gv_prk(uint32_t group_id, uint32_t epoch, const uint8_t gsk[GV_SECRET_LEN],
	    uint8_t prk[GV_SECRET_LEN]);

/* len octets: encryption key and salt or integrity key in the order of
 * RFC 7296 section 2.17 / RFC 4106 section 8.1. */
bool gv_esp_key(const uint8_t prk[GV_SECRET_LEN], uint8_t tag,
		uint32_t sender_id, uint32_t receiver_id, void *key,
		size_t len);

/* HKDF-Expand(Extract("groupvpn 1" | group-ID(4), route secret), "mac"). */
bool gv_mac_key(uint32_t group_id, const uint8_t route_secret[GV_SECRET_LEN],
		uint8_t key[GV_SECRET_LEN]);

/* Same, "nlri" | member-ID(2) | route epoch(4): seals one member's prefixes. */
bool gv_nlri_key(uint32_t group_id, const uint8_t route_secret[GV_SECRET_LEN],
		 uint16_t member_id, uint32_t route_epoch,
		 uint8_t key[GV_SECRET_LEN]);

#endif /* GV_KEYS_H */
