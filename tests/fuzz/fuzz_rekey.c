// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libFuzzer harness: GSA_REKEY messages, wrapped keys and the stored key tree.
 *
 *   mode(1) input
 *
 * mode 0: a message as it comes.  mode 1: type of the first payload(1) and the
 * payloads of a message, which is sealed here, signed where an AUTH payload
 * ends it, and given valid wrapped keys wherever their headers are found: no
 * mutation would ever survive the checks.  What decodes must encode to
 * something that decodes to the same.  mode 2: the stored form of a tree; what
 * decodes must encode to the same, and work.  mode 3: pairs of Key ID(1) and
 * KWK ID(1): a member that follows any web of wrapped keys.
 */
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "crypto.h"
#include "lkh.h"
#include "rekey.h"

#define GROUP 100
#define MESSAGE_ID 5
#define CAN_ALL (GV_CAN_SHARED | GV_CAN_IPIP | GV_CAN_REKEY_SA | GV_CAN_IPIP6)

static const uint8_t private_key[GV_SIGN_KEY_LEN] = {1};

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* Key n is 32 times n, key 0 is GSK_w. */
static void key_of(uint32_t id, uint8_t key[GV_KWK_LEN])
{
	memset(key, id ? (int)id : 0x80, GV_KWK_LEN);
}

static struct gv_kek make_kek(void)
{
	/* Ed25519 public key of private_key */
	static const uint8_t public_key[GV_SIGN_KEY_LEN] = {
		0xce, 0xcc, 0x15, 0x07, 0xdc, 0x1d, 0xdd, 0x72,
		0x95, 0x95, 0x1c, 0x29, 0x08, 0x88, 0xf0, 0x95,
		0xad, 0xb9, 0x04, 0x4d, 0x1b, 0x73, 0xd6, 0x96,
		0xe6, 0xdf, 0x06, 0x5d, 0x68, 0x3b, 0xd4, 0xfc};
	struct gv_kek kek = {.lifetime = 1, .message_id = MESSAGE_ID};

	memset(kek.spi, 0xb0, sizeof(kek.spi));
	memset(kek.next_spi[0], 0xc0, sizeof(kek.next_spi[0]));
	kek.next_spis = 1;
	memset(kek.keymat, 0x80, sizeof(kek.keymat));
	memcpy(kek.auth_key, public_key, sizeof(public_key));
	return kek;
}

static struct gv_key_path make_path(void)
{
	struct gv_key_path path = {.count = 4};

	for (unsigned int i = 0; i < path.count; i++) {
		path.keys[i].key_id = i + 1;
		key_of(i + 1, path.keys[i].key);
	}
	return path;
}

/* ------------------------------------------------------------------------
 * Messages
 */

static void plant(uint8_t *at, size_t secret_len)
{
	static const uint8_t secret[GV_ESP_KEY_MAX] = {7};
	uint8_t kwk[GV_KWK_LEN];
	size_t len = GV_WRAPPED_LEN(secret_len);

	key_of(at[11], kwk);
	require(gv_key_wrap(kwk, sizeof(kwk), secret, secret_len, at + 12,
			    &len));
}

/* SA_KEY and WRAP_KEY have the same number. */
static void plant_keys(uint8_t *octets, size_t len)
{
	for (size_t i = 0; i + 12 + GV_WRAPPED_LEN(GV_KEK_LEN) <= len; i++) {
		uint8_t *at = octets + i;

		if (at[2] || at[1] > 1 || (at[0] && at[0] != 0x40))
			continue;
		if (at[3] == 8 + GV_WRAPPED_LEN(GV_SECRET_LEN))
			plant(at, GV_SECRET_LEN);
		else if (at[3] == 8 + GV_WRAPPED_LEN(48))
			plant(at, 48);
		else if (at[3] == 8 + GV_WRAPPED_LEN(GV_KEK_LEN))
			plant(at, GV_KEK_LEN);
	}
}

static void put_lengths(uint8_t *a, size_t len)
{
	struct gv_writer w;

	gv_writer_init(&w, a + 24, 4);
	gv_put32(&w, len);
	gv_writer_init(&w, a + 30, 2);
	gv_put16(&w, len - 28);
}

/* Returns the length of the message. */
static size_t seal(const struct gv_kek *kek, uint8_t first,
		   const uint8_t *payloads, size_t len, uint8_t *msg)
{
	uint8_t text[GV_REKEY_MAX], signature[GV_SIGNATURE_LEN];
	uint8_t nonce[GV_GCM_NONCE_LEN];
	struct gv_writer w;

	gv_writer_init(&w, text, sizeof(text));
	gv_put_bytes(&w, kek->spi, sizeof(kek->spi));
	gv_put32(&w, 46u << 24 | 0x20 << 16 | 41 << 8 | 0x08);
	gv_put32(&w, MESSAGE_ID);
	gv_put32(&w, 0);
	gv_put32(&w, (uint32_t)first << 24);
	gv_put_bytes(&w, payloads, len);
	require(w.ok);
	plant_keys(text + 32, len);
	put_lengths(text, w.len);
	if (len >= GV_SIGNATURE_LEN) {
		uint8_t *place = text + w.len - GV_SIGNATURE_LEN;

		memset(place, 0, GV_SIGNATURE_LEN);
		require(gv_sign(private_key, text, w.len, signature));
		memcpy(place, signature, GV_SIGNATURE_LEN);
	}
	gv_put8(&w, 0);
	require(w.ok);
	put_lengths(text, w.len + 24);
	memcpy(msg, text, 32);
	memset(msg + 32, 9, 8);
	memset(nonce, 0x80, 4);
	memset(nonce + 4, 9, 8);
	require(gv_gcm_seal(kek->keymat, nonce, text, 32, text + 32, w.len - 32,
			    msg + 40));
	return w.len + 24;
}

static void encode_again(const struct gv_gsa *gsa)
{
	struct gv_kek gcks = make_kek(), member = make_kek();
	const struct gv_gsa_receiver receiver = {CAN_ALL, NULL};
	uint8_t msg[GV_REKEY_MAX];
	size_t len = sizeof(msg);
	struct gv_gsa back;

	require(gv_rekey_encode(&gcks, private_key, gsa, msg, &len));
	require(gv_rekey_decode(&member, GROUP, &receiver, msg, len, &back,
				NULL) == GV_REKEY_OK);
	require(!memcmp(gsa, &back, sizeof(back)));
}

static void decode(const uint8_t *octets, size_t len)
{
	struct gv_kek kek = make_kek(), kek_before = kek;
	struct gv_key_path path = make_path(), path_before = path;
	const struct gv_gsa_receiver receiver = {CAN_ALL, &path};
	uint8_t *msg = malloc(len ? len : 1);
	enum gv_gikev2_error why;
	struct gv_gsa gsa;

	require(msg);
	memcpy(msg, octets, len);
	require(gv_rekey_first(msg, len) <= len);
	if (gv_rekey_decode(&kek, GROUP, &receiver, msg, len, &gsa, &why) ==
	    GV_REKEY_OK) {
		require(kek.message_id > kek_before.message_id);
		require(path.count <= GV_KEY_PATH_MAX);
		encode_again(&gsa);
	} else {
		require(!memcmp(&kek, &kek_before, sizeof(kek)));
		require(!memcmp(&path, &path_before, sizeof(path)));
	}
	free(msg);
}

static void decode_sealed(struct gv_reader *r)
{
	uint8_t first = gv_get8(r), msg[GV_REKEY_MAX];
	struct gv_kek kek = make_kek();

	if (r->ok && r->left <= GV_REKEY_MAX - 32 - 25)
		decode(msg, seal(&kek, first, r->pos, r->left, msg));
}

/* ------------------------------------------------------------------------
 * Trees and webs
 */

static void check_tree(struct gv_lkh *tree)
{
	static struct gv_wrapped_key keys[256];
	static const uint8_t kek[GV_KEK_LEN] = {3};
	size_t count = 256, cost;
	struct gv_key_path path;
	uint8_t got[GV_KEK_LEN], gsk_w[GV_KWK_LEN] = {};
	uint16_t member = 0, out = 0;

	for (size_t i = 1u << tree->depth; i < 2u << tree->depth; i++) {
		out = member ? member : out;
		if (tree->nodes[i].member_id)
			member = tree->nodes[i].member_id;
	}
	if (!member || !out || member == out)
		return;
	require(gv_lkh_path(tree, member, &path) == GV_LKH_OK);
	require(gv_lkh_evict(tree, out) == GV_LKH_OK);
	cost = gv_lkh_cost(tree);
	if (cost > count || gv_lkh_rekey(tree, kek, keys, &count) != GV_LKH_OK)
		return;
	require(count == cost);
	require(gv_path_follow(&path, gsk_w, keys, count, got) == GV_PATH_OK);
	require(!memcmp(kek, got, sizeof(kek)));
}

static void decode_tree(const struct gv_reader *r)
{
	static struct gv_lkh_node nodes[256];
	uint8_t *again;
	struct gv_lkh tree;

	if (gv_lkh_decode(r->pos, r->left, &tree, nodes, 256, NULL) !=
	    GV_LKH_OK)
		return;
	again = malloc(r->left);
	require(again && gv_lkh_encode(&tree, again, r->left) == r->left &&
		!memcmp(again, r->pos, r->left));
	free(again);
	check_tree(&tree);
}

static void follow(struct gv_reader *r)
{
	struct gv_wrapped_key keys[64];
	struct gv_key_path path = make_path();
	uint8_t gsk_w[GV_KWK_LEN], got[GV_KEK_LEN];
	size_t count = 0;

	key_of(0, gsk_w);
	while (count < 64 && r->left >= 2) {
		struct gv_wrapped_key *key = &keys[count++];
		uint8_t secret[GV_KEK_LEN] = {0xee}, kwk[GV_KWK_LEN];
		size_t len = sizeof(key->wrapped);

		memset(key, 0, sizeof(*key));
		key->key_id = gv_get8(r);
		key->kwk_id = gv_get8(r);
		key_of(key->kwk_id, kwk);
		if (key->key_id)
			key_of(key->key_id, secret);
		require(gv_key_wrap(kwk, sizeof(kwk), secret,
				    key->key_id ? GV_KWK_LEN : GV_KEK_LEN,
				    key->wrapped, &len));
		key->len = len;
	}
	if (gv_path_follow(&path, gsk_w, keys, count, got) != GV_PATH_OK)
		return;
	require(path.count <= GV_KEY_PATH_MAX && got[0] == 0xee);
	for (unsigned int i = 0; i < path.count; i++) {
		uint8_t key[GV_KWK_LEN];

		key_of(path.keys[i].key_id, key);
		require(path.keys[i].key_id &&
			!memcmp(key, path.keys[i].key, sizeof(key)));
		for (unsigned int j = 0; j < i; j++)
			require(path.keys[j].key_id != path.keys[i].key_id);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gv_reader r;

	gv_reader_init(&r, data, size);
	switch (gv_get8(&r) % 4) {
	case 0:
		decode(r.pos, r.left);
		break;
	case 1:
		decode_sealed(&r);
		break;
	case 2:
		decode_tree(&r);
		break;
	case 3:
		follow(&r);
		break;
	}
	return 0;
}
