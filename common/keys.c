// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The key schedule: HKDF (RFC 5869) with labels, nothing else.  The
 * keys of one epoch come from its group secret, those of the routes from the
 * route secret; neither tells anything about the other.  And the way to the
 * Rekey SA's keys through wrapped ones (RFC 9838 section 3.3).
 */
#include "keys.h"

#include <string.h>

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

bool gv_shared_key(const uint8_t prk[GV_SECRET_LEN], void *key, size_t len)
{
	static const char info[] = "esp shared";

	return gv_hkdf_expand(prk, info, sizeof(info) - 1, key, len);
}

static bool route_key(uint32_t group_id,
		      const uint8_t route_secret[GV_SECRET_LEN],
		      const void *info, size_t info_len, uint8_t *key,
		      size_t len)
{
	uint8_t salt[32], prk[GV_SECRET_LEN];
	struct gv_writer w;
	bool ok;

	gv_writer_init(&w, salt, sizeof(salt));
	gv_put_bytes(&w, SALT_LABEL, sizeof(SALT_LABEL) - 1);
	gv_put32(&w, group_id);
	ok = gv_hkdf_extract(salt, w.len, route_secret, GV_SECRET_LEN, prk) &&
	     gv_hkdf_expand(prk, info, info_len, key, len);
	gv_wipe(prk, sizeof(prk));
	if (!ok)
		gv_wipe(key, len);
	return ok;
}

/* A key of one member in one route epoch. */
static bool member_key(uint32_t group_id,
		       const uint8_t route_secret[GV_SECRET_LEN],
		       const char *label, uint16_t member_id,
		       uint32_t route_epoch, uint8_t *key, size_t len)
{
	uint8_t info[16];
	struct gv_writer w;

	gv_writer_init(&w, info, sizeof(info));
	gv_put_bytes(&w, label, strlen(label));
	gv_put16(&w, member_id);
	gv_put32(&w, route_epoch);
	return route_key(group_id, route_secret, info, w.len, key, len);
}

bool gv_mac_key(uint32_t group_id, const uint8_t route_secret[GV_SECRET_LEN],
		uint8_t key[GV_SECRET_LEN])
{
	return route_key(group_id, route_secret, "mac", 3, key, GV_SECRET_LEN);
}

bool gv_nlri_key(uint32_t group_id, const uint8_t route_secret[GV_SECRET_LEN],
		 uint16_t member_id, uint32_t route_epoch,
		 uint8_t key[GV_SECRET_LEN])
{
	return member_key(group_id, route_secret, "nlri", member_id,
			  route_epoch, key, GV_SECRET_LEN);
}

bool gv_siv_key(uint32_t group_id, const uint8_t route_secret[GV_SECRET_LEN],
		uint16_t member_id, uint32_t route_epoch,
		uint8_t key[GV_SIV_KEY_LEN])
{
	return member_key(group_id, route_secret, "siv", member_id, route_epoch,
			  key, GV_SIV_KEY_LEN);
}

/* ------------------------------------------------------------------------
 * Key paths
 */

#define KEK_ID 0
#define GSK_W_ID 0

void gv_path_wipe(struct gv_key_path *path)
{
	gv_wipe(path, sizeof(*path));
}

/* What a member finds out from one message. */
struct search {
	const struct gv_key_path *path;
	const uint8_t *gsk_w;
	struct gv_key_path found;	     /* in the order of discovery */
	uint32_t opened_by[GV_KEY_PATH_MAX]; /* KWK IDs of found */
	bool has_kek;
	uint32_t kek_opened_by;
};

/* The position of the key in the path, path->count if it is not there. */
static unsigned int position(const struct gv_key_path *path, uint32_t key_id)
{
	unsigned int i = 0;

	while (i < path->count && path->keys[i].key_id != key_id)
		i++;
	return i;
}

static const uint8_t *known_key(const struct search *search, uint32_t key_id)
{
	unsigned int i;

	if (key_id == GSK_W_ID)
		return search->gsk_w;
	i = position(search->path, key_id);
	if (i < search->path->count)
		return search->path->keys[i].key;
	i = position(&search->found, key_id);
	if (i < search->found.count)
		return search->found.keys[i].key;
	return NULL;
}

static bool unwrap(const struct gv_wrapped_key *in, const uint8_t *kwk,
		   uint8_t *secret, size_t len)
{
	size_t got = len;

	return in->len <= sizeof(in->wrapped) &&
	       gv_key_unwrap(kwk, GV_KWK_LEN, in->wrapped, in->len, secret,
			     &got) &&
	       got == len;
}

/* Opens one wrapped key if that is possible and of use; news tells. */
static enum gv_path_error open_key(struct search *search,
				   const struct gv_wrapped_key *in,
				   uint8_t kek[GV_KEK_LEN], bool *news)
{
	const uint8_t *kwk = known_key(search, in->kwk_id);
	struct gv_key_path *found = &search->found;
	struct gv_path_key *key = &found->keys[found->count];

	if (!kwk)
		return GV_PATH_OK;
	if (in->key_id == KEK_ID) {
		if (!unwrap(in, kwk, kek, GV_KEK_LEN))
			return GV_PATH_UNWRAP;
		search->has_kek = true;
		search->kek_opened_by = in->kwk_id;
		return GV_PATH_OK;
	}
	if (known_key(search, in->key_id))
		return GV_PATH_OK;
	if (found->count == GV_KEY_PATH_MAX)
		return GV_PATH_TOO_LONG;
	if (!unwrap(in, kwk, key->key, sizeof(key->key)))
		return GV_PATH_UNWRAP;
	key->key_id = in->key_id;
	search->opened_by[found->count++] = in->kwk_id;
	*news = true;
	return GV_PATH_OK;
}

/* The keys from the one that opened the KEK to one of the old path, and on
 * from there as before; a chain that ends at GSK_w is the whole path. */
static enum gv_path_error make_path(const struct search *search,
				    struct gv_key_path *path)
{
	const struct gv_key_path *old = search->path;
	uint32_t id = search->kek_opened_by;
	unsigned int i;

	memset(path, 0, sizeof(*path));
	for (;;) {
		i = position(&search->found, id);
		if (i == search->found.count)
			break;
		path->keys[path->count++] = search->found.keys[i];
		id = search->opened_by[i];
	}
	i = id == GSK_W_ID ? old->count : position(old, id);
	if (!path->count)
		i = 0; /* nothing new */
	if (path->count + old->count - i > GV_KEY_PATH_MAX)
		return GV_PATH_TOO_LONG;
	while (i < old->count)
		path->keys[path->count++] = old->keys[i++];
	return GV_PATH_OK;
}

enum gv_path_error gv_path_follow(struct gv_key_path *path,
				  const uint8_t gsk_w[GV_KWK_LEN],
				  const struct gv_wrapped_key *keys,
				  size_t count, uint8_t kek[GV_KEK_LEN])
{
	struct search search = {.path = path, .gsk_w = gsk_w};
	enum gv_path_error error = GV_PATH_OK;
	struct gv_key_path updated = {};
	bool news = true;

	/* In any order: until a round brings nothing new.  A key is opened
	 * once, so the rounds are few. */
	while (news && !error && !search.has_kek) {
		news = false;
		for (size_t i = 0; i < count && !error && !search.has_kek; i++)
			error = open_key(&search, &keys[i], kek, &news);
	}
	if (!error)
		error = search.has_kek ? make_path(&search, &updated)
				       : GV_PATH_EXCLUDED;
	if (!error)
		*path = updated;
	else
		gv_wipe(kek, GV_KEK_LEN);
	gv_wipe(&search, sizeof(search));
	gv_path_wipe(&updated);
	return error;
}
