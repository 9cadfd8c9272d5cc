// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The key schedule: HKDF-SHA256 (RFC 5869) with labels, nothing else.  The
 * keys of one epoch come from its group secret, those of the routes from the
 * route secret; neither tells anything about the other.
 */
#include "keys.h"

#include "bytes.h"
#include "crypto.h"

#define SALT_LABEL "groupvpn 1"

uint32_t gv_spi(uint8_t tag, uint32_t sender_id)
{
	return (uint32_t)tag << 24 | (sender_id & GV_SENDER_ID_MAX);
}

uint8_t gv_spi_tag(uint32_t spi)
{
	return spi >> 24;
}

uint32_t gv_spi_sender(uint32_t spi)
{
	return spi & GV_SENDER_ID_MAX;
}

bool gv_prk(uint32_t group_id, uint32_t epoch, const uint8_t gsk[GV_SECRET_LEN],
	    uint8_t prk[GV_SECRET_LEN])
{
	uint8_t salt[32];
	struct gv_writer w;

	gv_writer_init(&w, salt, sizeof(salt));
	gv_put_bytes(&w, SALT_LABEL, sizeof(SALT_LABEL) - 1);
	gv_put32(&w, group_id);
	gv_put32(&w, epoch);
	return gv_hkdf_extract(salt, w.len, gsk, GV_SECRET_LEN, prk);
}

bool gv_esp_key(const uint8_t prk[GV_SECRET_LEN], uint8_t tag,
		uint32_t sender_id, uint32_t receiver_id, void *key, size_t len)
{
	uint8_t info[16];
	struct gv_writer w;

	gv_writer_init(&w, info, sizeof(info));
	gv_put_bytes(&w, "esp", 3);
	gv_put32(&w, gv_spi(tag, sender_id));
	gv_put24(&w, sender_id);
	gv_put24(&w, receiver_id);
	if (!w.ok) {
		gv_wipe(key, len);
		return false;
	}
	return gv_hkdf_expand(prk, info, w.len, key, len);
}

static bool route_key(uint32_t group_id,
		      const uint8_t route_secret[GV_SECRET_LEN],
		      const void *info, size_t info_len,
		      uint8_t key[GV_SECRET_LEN])
{
	uint8_t salt[32], prk[GV_SECRET_LEN];
	struct gv_writer w;
	bool ok;

	gv_writer_init(&w, salt, sizeof(salt));
	gv_put_bytes(&w, SALT_LABEL, sizeof(SALT_LABEL) - 1);
	gv_put32(&w, group_id);
	ok = gv_hkdf_extract(salt, w.len, route_secret, GV_SECRET_LEN, prk) &&
	     gv_hkdf_expand(prk, info, info_len, key, GV_SECRET_LEN);
	gv_wipe(prk, sizeof(prk));
	if (!ok)
		gv_wipe(key, GV_SECRET_LEN);
	return ok;
}

bool gv_mac_key(uint32_t group_id, const uint8_t route_secret[GV_SECRET_LEN],
		uint8_t key[GV_SECRET_LEN])
{
	return route_key(group_id, route_secret, "mac", 3, key);
}

bool gv_nlri_key(uint32_t group_id, const uint8_t route_secret[GV_SECRET_LEN],
		 uint16_t member_id, uint32_t route_epoch,
		 uint8_t key[GV_SECRET_LEN])
{
	uint8_t info[16];
	struct gv_writer w;

	gv_writer_init(&w, info, sizeof(info));
	gv_put_bytes(&w, "nlri", 4);
	gv_put16(&w, member_id);
	gv_put32(&w, route_epoch);
	return route_key(group_id, route_secret, info, w.len, key);
}
