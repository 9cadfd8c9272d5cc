/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The key schedule of data SAs, the keys that come from the route secret, and
 * those of a Rekey SA.  doc/protocol.md, "Keys", "Rekey SA".
 *
 * PRK = HKDF-Extract(salt = "groupvpn 1" | group-ID(4) | epoch(4), GSK)
 * ESP key of the SA from sender s to receiver r:
 *   HKDF-Expand(PRK, "esp" | SPI(4) | Sender-ID(s)(3) | Sender-ID(r)(3), len)
 * with SPI = tag << 24 | Sender-ID(s).  A GCKS takes the key of a shared SA
 * from the same PRK.
 */
#ifndef GV_KEYS_H
#define GV_KEYS_H

#include "crypto.h"

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

/* sa_mode = shared: the one key of an epoch, likewise; made by the GCKS, which
 * so has to keep nothing but the GSK. */
bool gv_shared_key(const uint8_t prk[GV_SECRET_LEN], void *key, size_t len);

/* HKDF-Expand(Extract("groupvpn 1" | group-ID(4), route secret), "mac"). */
bool gv_mac_key(uint32_t group_id, const uint8_t route_secret[GV_SECRET_LEN],
		uint8_t key[GV_SECRET_LEN]);

/* Same, "nlri" | member-ID(2) | route epoch(4): seals one member's prefixes. */
bool gv_nlri_key(uint32_t group_id, const uint8_t route_secret[GV_SECRET_LEN],
		 uint16_t member_id, uint32_t route_epoch,
		 uint8_t key[GV_SECRET_LEN]);

/* Same, "siv" | member-ID(2) | route epoch(4): seals what of one member's
 * routes does not fit into the NLRI. */
bool gv_siv_key(uint32_t group_id, const uint8_t route_secret[GV_SECRET_LEN],
		uint16_t member_id, uint32_t route_epoch,
		uint8_t key[GV_SIV_KEY_LEN]);

/* ------------------------------------------------------------------------
 * Wrapped keys and the path through them
 */

#define GV_KWK_LEN 32	   /* of a key that wraps others: KW_5649_256 */
#define GV_KEY_PATH_MAX 16 /* keys; a tree over 16 bit member-IDs */
/* KEYMAT of a Rekey SA with AES-256-GCM, in this order: GSK_e with its salt,
 * GSK_w.  We call it the KEK. */
#define GV_GSK_E_LEN 36
#define GV_KEK_LEN (GV_GSK_E_LEN + GV_KWK_LEN)

/* A key as it travels, RFC 9838 section 4.5.4.  Key ID 0: the KEK.  KWK ID 0:
 * the default KWK (GSK_w) of the SA that it is sent over. */
struct gv_wrapped_key {
	uint32_t key_id, kwk_id;
	uint16_t len;
	uint8_t wrapped[GV_WRAPPED_LEN(GV_KEK_LEN)];
};

struct gv_path_key {
	uint32_t key_id;
	uint8_t key[GV_KWK_LEN];
};

/* RFC 9838's Working Key Path: the keys that a member keeps to open the next
 * KEK, each of which was wrapped under the one after it.  Its own is last. */
struct gv_key_path {
	unsigned int count;
	struct gv_path_key keys[GV_KEY_PATH_MAX];
};

enum gv_path_error {
	GV_PATH_OK = 0,
	GV_PATH_EXCLUDED, /* no key of ours leads to the KEK */
	GV_PATH_UNWRAP,	  /* a wrapped key fails its integrity check */
	GV_PATH_TOO_LONG  /* more than GV_KEY_PATH_MAX keys */
};

/* Finds the KEK with the path's keys and the default KWK among wrapped keys in
 * any order, and updates the path as RFC 9838 section 3.3 says.  On any error
 * path is as it was and kek holds nothing. */
enum gv_path_error gv_path_follow(struct gv_key_path *path,
				  const uint8_t gsk_w[GV_KWK_LEN],
				  const struct gv_wrapped_key *keys,
				  size_t count, uint8_t kek[GV_KEK_LEN]);
void gv_path_wipe(struct gv_key_path *path);

#endif /* GV_KEYS_H */
