// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * GSA_REKEY messages: the examples of doc/protocol.md (example_*), computed
 * apart from this library; truncation, bit flips, forgery by strangers and by
 * members, replay and loss; payloads and contents that have no place; a group
 * that lives by such messages alone; and their size.
 */
#include "unit.h"

#include "attr.h"
#include "bytes.h"
#include "crypto.h"
#include "lkh.h"
#include "rekey.h"

/* example_roll: epoch 7 and route epoch 3, Message-ID 5. */
#define ROLL                                                                   \
	"b0b1b2b3b4b5b6b7b8b9babbbcbdbebf2e202908000000050000016533000149"     \
	"581e05ec0cf3ead9d3db591efa805079bbf666eb7927f12da67f9c0160529dd0"     \
	"f4d81c4f12bc2a6ce6e4cb24ec4d216aca7615fbd36facc43bad71816f36cda4"     \
	"1734c34c798571122d985edfd412339130f770b3fb52fe8dd4434ec2705c6dd8"     \
	"34e6af79c71da915352c0ba9efa06dd8c408a5b480119bf5ed317a7626fa0fa8"     \
	"191e4e8fcaad7cf901f9197a3bebb3a7f26b96458766cabc07454115a066135b"     \
	"e94cc5b3ebe5cfd613a53f3d73531370915502cb3545c491f1132c4411b899cb"     \
	"9f25a73672f6726c66c1d498fbbfa74b67ee73db5a472e8724d349b7ea2d0d8f"     \
	"b8ada42dcc022aa894594c91f3ebe3b2f7805a8e6e80a8218c73ae4341339d36"     \
	"ede8da96c574d76692b4e1ba48f332663d8eadd3eb9395c777b83a522ef0b31c"     \
	"a544784b0912b5c01e29315a1121783d2ac2178caee2c463117e87b1c89affe3"     \
	"1121ae4da8"

/* example_eviction: member F, Message-ID 6. */
#define EVICTION                                                               \
	"b0b1b2b3b4b5b6b7b8b9babbbcbdbebf2e202908000000060000024d33000231"     \
	"93664957b37314e156a027f065b96aaa9bd311a8ee2ac38a0a93ef4dd29aa4a7"     \
	"bd97a3892a7e0cc1e64379efc59f9b81aff8973579b3485ea87e9f8c59dc7a97"     \
	"60764430ed197d483d853d2c7efc9307195a3c3e93943ab354466790ab4ee492"     \
	"e2a99af8a0f96a6139b7547dd38d99ce6f5e96714ddbd6a4e3046fc44e9907b7"     \
	"6154af5186a7ffa04320dd64da2e964bf1e87e3b764038d794fb6910a2d3378f"     \
	"617065f58c37bc94bf05ab1522d682a7f5ad552e04926c95ebc8a5b0e72502f0"     \
	"c97883038e93f4d227424cd2f5d3a110231ab3e30743e15a2da32a5ca881c888"     \
	"521c1abae4183e813516b93df083dac9fd4a751cd2d98afd646e37431951a150"     \
	"169ceefe4469f3b6b9ccca8975b110edda81dd3b4b3772d8f1058d50077ef5bb"     \
	"a56d1491d809049ed7a184dc0b12513de1538aff6d3320ad2791190a6478ebc7"     \
	"705b8f387b7729a4cf2dffc6878f23fde49e2087775fa669ce551be603d4ba62"     \
	"f688017de214ba39ec91e440568368052841fca8f8be681157b3870e0d99e7e0"     \
	"6083bdabe6a0848c5906ce6dc954e9cdc7436d1b043dfdb730b06e199e325cd4"     \
	"4374ed7cda95ed8b6822010935be266da071cb54e81e9f147c19d4818a11f3f1"     \
	"1272d852d1aff2093bc3122a26522d98b245bb062cf093b1b6b6ca885bb93ee6"     \
	"5cfd5d76b51a7165ca79094af833b187bc9b0e840de61d0bbae9de0c18479d1a"     \
	"e0a4cc759e273b91d8365a6a4d19a014007696ce223aee088fac1c7cccc2375d"     \
	"a2724268cd9d741801e17d7ac1"

#define EX_SEED_FIRST 0xe0

static uint8_t signing_key[GV_SIGN_KEY_LEN];

static const uint8_t public_key[GV_SIGN_KEY_LEN] = {
	0x13, 0xd9, 0x90, 0x8a, 0x70, 0x92, 0x59, 0x92, 0xed, 0x54, 0x60,
	0x07, 0xd2, 0x7f, 0x50, 0xda, 0x68, 0xba, 0x72, 0x17, 0xef, 0x62,
	0xac, 0x3c, 0xca, 0x78, 0x45, 0x29, 0xff, 0x10, 0x47, 0x1c};

static int setup(void **state)
{
	random_seed();
	ramp(signing_key, EX_SEED_FIRST);
	return 0;
}

static void fill(uint8_t *out, size_t len, uint8_t first)
{
	while (len--)
		*out++ = first++;
}

/* The examples' Rekey SA. */
static struct gv_kek ex_kek(void)
{
	struct gv_kek kek = {.lifetime = 86400, .message_id = 5};

	fill(kek.spi, sizeof(kek.spi), 0xb0);
	fill(kek.next_spi[0], sizeof(kek.next_spi[0]), 0xc0);
	kek.next_spis = 1;
	fill(kek.keymat, sizeof(kek.keymat), 0x80);
	memcpy(kek.auth_key, public_key, sizeof(public_key));
	return kek;
}

/* The one that follows. */
static struct gv_kek ex_next_kek(void)
{
	struct gv_kek kek = {.lifetime = 86400};

	fill(kek.spi, sizeof(kek.spi), 0xc0);
	fill(kek.keymat, sizeof(kek.keymat), 0x10);
	return kek;
}

/* New data keys. */
static struct gv_gsa ex_roll(void)
{
	struct gv_gsa gsa;

	memset(&gsa, 0, sizeof(gsa));
	gsa.group_id = EX_GROUP;
	gsa.sa_mode = GV_SA_DERIVED;
	gsa.encap = GV_ENCAP_GRE;
	gsa.atd = 10;
	gsa.dtd = 20;
	gsa.replay_window_log2 = 7;
	gsa.epochs = 1;
	gsa.epoch[0].tag = EX_TAG;
	gsa.epoch[0].epoch = EX_EPOCH;
	gsa.epoch[0].lifetime = 3600;
	gsa.epoch[0].esp = (struct gv_esp_proposal){20, 256, 0, false};
	ramp(gsa.epoch[0].gsk, EX_GSK_FIRST);
	gsa.route_epoch = EX_ROUTE_EPOCH;
	ramp(gsa.route_secret, EX_ROUTE_SECRET_FIRST);
	return gsa;
}

/* Key n of the examples' tree; 16 begins with another octet. */
static void tree_key(uint32_t id, uint8_t key[GV_KWK_LEN])
{
	ramp(key, id == 16 ? 0x70 : id);
}

static struct gv_wrapped_key tree_link(uint32_t key_id, uint32_t kwk_id)
{
	struct gv_wrapped_key out = {key_id, kwk_id, 0, {}};
	struct gv_kek kek = ex_next_kek();
	uint8_t key[GV_KWK_LEN], kwk[GV_KWK_LEN];
	size_t len = sizeof(out.wrapped);

	tree_key(key_id, key);
	tree_key(kwk_id, kwk);
	assert_true(gv_key_wrap(kwk, sizeof(kwk), key_id ? key : kek.keymat,
				key_id ? sizeof(key) : sizeof(kek.keymat),
				out.wrapped, &len));
	out.len = len;
	return out;
}

static struct gv_key_path tree_path(uint32_t a, uint32_t b, uint32_t c)
{
	const uint32_t ids[] = {a, b, c};
	struct gv_key_path path = {.count = 3};

	for (unsigned int i = 0; i < 3; i++) {
		path.keys[i].key_id = ids[i];
		tree_key(ids[i], path.keys[i].key);
	}
	return path;
}

/* RFC 9838's example: F is evicted.  keys has room for five. */
static struct gv_gsa ex_eviction(struct gv_wrapped_key *keys)
{
	struct gv_gsa gsa = {.has_kek = true, .kek = ex_next_kek()};

	keys[0] = tree_link(16, 11);
	keys[1] = tree_link(15, 16);
	keys[2] = tree_link(15, 6);
	keys[3] = tree_link(0, 1);
	keys[4] = tree_link(0, 15);
	gsa.wrapped = keys;
	gsa.wrapped_count = 5;
	return gsa;
}

struct message {
	uint8_t octets[GV_REKEY_MAX + 64];
	size_t len;
};

static struct message encode(struct gv_kek *kek, const struct gv_gsa *gsa)
{
	struct message msg = {.len = sizeof(msg.octets)};
	uint32_t before = kek->message_id;

	assert_true(
		gv_rekey_encode(kek, signing_key, gsa, msg.octets, &msg.len));
	assert_int_equal(kek->message_id, before + 1);
	assert_int_equal(gv_rekey_first(msg.octets, msg.len), msg.len);
	return msg;
}

static enum gv_gikev2_error why;

/* Decodes a copy that ends where the message does; after an error nothing may
 * have changed. */
static enum gv_rekey_error decode(struct gv_kek *kek, struct gv_key_path *path,
				  const uint8_t *octets, size_t len,
				  struct gv_gsa *out)
{
	const struct gv_gsa_receiver receiver = {0, path};
	struct gv_kek kek_before = *kek;
	struct gv_key_path path_before = {};
	uint8_t *copy = exact(octets, len);
	enum gv_rekey_error error;

	if (path)
		path_before = *path;
	memset(out, 0xa5, sizeof(*out));
	why = GV_GIKEV2_ERRORS;
	error = gv_rekey_decode(kek, EX_GROUP, &receiver, copy, len, out, &why);
	assert_int_equal(error == GV_REKEY_BAD_CONTENT ||
				 error == GV_REKEY_EXCLUDED,
			 why != GV_GIKEV2_OK);
	if (error != GV_REKEY_OK) {
		assert_true(all_zero(out, sizeof(*out)));
		assert_memory_equal(kek, &kek_before, sizeof(*kek));
		if (path)
			assert_memory_equal(path, &path_before, sizeof(*path));
	}
	free(copy);
	return error;
}

/* ------------------------------------------------------------------------
 * Primitives
 */

static void primitives(void **state)
{
	/* RFC 8032 section 7.1, TEST 2 */
	uint8_t seed[32], public[32], signature[64], other[32], message = 0x72;
	uint8_t key[32], nonce[12], sealed[31], opened[31];

	unhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6f"
	      "b",
	      seed, 32);
	unhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660"
	      "c",
	      public, 32);
	assert_true(gv_sign(seed, &message, 1, signature));
	assert_hex(signature, 64,
		   "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223"
		   "ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aee"
		   "b00d291612bb0c00");
	assert_true(gv_verify(public, &message, 1, signature));
	message ^= 1;
	assert_false(gv_verify(public, &message, 1, signature));
	assert_true(gv_sign_key_new(seed, public));
	assert_true(gv_sign(seed, "", 0, signature));
	assert_true(gv_verify(public, "", 0, signature));
	assert_true(gv_sign_key_new(seed, other));
	assert_false(gv_verify(other, "", 0, signature));

	ramp(key, 0);
	fill(nonce, sizeof(nonce), 0x40);
	assert_true(gv_gcm_seal(key, nonce, "header", 6, "a rekey message", 15,
				sealed));
	assert_hex(sealed, sizeof(sealed),
		   "8399dc464d59fe23a0a16445fa0376f962e8f2c7f34d317e682626fe4cc"
		   "779");
	assert_true(gv_gcm_open(key, nonce, "header", 6, sealed, sizeof(sealed),
				opened));
	assert_memory_equal(opened, "a rekey message", 15);
	assert_false(gv_gcm_open(key, nonce, "Header", 6, sealed,
				 sizeof(sealed), opened));
	assert_true(all_zero(opened, 15));
	for (size_t len = 0; len < sizeof(sealed); len++)
		assert_false(gv_gcm_open(key, nonce, "header", 6, sealed, len,
					 opened));
	sealed[3] ^= 1;
	assert_false(gv_gcm_open(key, nonce, "header", 6, sealed,
				 sizeof(sealed), opened));
}

/* ------------------------------------------------------------------------
 * Examples
 */

static void example_roll(void **state)
{
	struct gv_kek gcks = ex_kek(), member = ex_kek();
	struct gv_key_path path = tree_path(1, 3, 7), before = path;
	struct gv_gsa gsa = ex_roll(), out;
	struct message msg = encode(&gcks, &gsa);

	assert_hex(msg.octets, msg.len, ROLL);
	assert_int_equal(decode(&member, &path, msg.octets, msg.len, &out),
			 GV_REKEY_OK);
	assert_memory_equal(&out, &gsa, sizeof(gsa));
	assert_memory_equal(&path, &before, sizeof(path));
	assert_int_equal(member.message_id, 6);
	member.message_id = 5;
	assert_memory_equal(&member.auth_key, &gcks.auth_key, 32);
}

static void example_eviction(void **state)
{
	const struct {
		struct gv_key_path path, want;
		enum gv_rekey_error error;
	} members[] = {
		{tree_path(1, 3, 7), tree_path(1, 3, 7), GV_REKEY_OK},
		{tree_path(1, 4, 10), tree_path(1, 4, 10), GV_REKEY_OK},
		{tree_path(2, 5, 11), tree_path(15, 16, 11), GV_REKEY_OK},
		{tree_path(2, 6, 13), tree_path(15, 6, 13), GV_REKEY_OK},
		{tree_path(2, 5, 12), tree_path(2, 5, 12), GV_REKEY_EXCLUDED},
	};
	struct gv_wrapped_key keys[5];
	struct gv_gsa gsa = ex_eviction(keys), out;
	struct gv_kek gcks = ex_kek(), next = ex_next_kek();
	struct message msg;

	gcks.message_id = 6;
	msg = encode(&gcks, &gsa);
	assert_hex(msg.octets, msg.len, EVICTION);
	memcpy(next.auth_key, public_key, sizeof(public_key));
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		struct gv_key_path path = members[i].path;
		struct gv_kek kek = ex_kek();

		assert_int_equal(decode(&kek, &path, msg.octets, msg.len, &out),
				 members[i].error);
		assert_memory_equal(&path, &members[i].want, sizeof(path));
		if (members[i].error != GV_REKEY_OK)
			continue;
		assert_int_equal(kek.message_id, 7);
		assert_int_equal(out.group_id, EX_GROUP);
		assert_int_equal(out.epochs, 0);
		assert_true(out.has_kek);
		assert_memory_equal(&out.kek, &next, sizeof(next));
	}
}

/* A new KEK for everybody, another key of the GCKS, and new data keys. */
static void all_in_one(void **state)
{
	struct gv_kek gcks = ex_kek(), member = ex_kek();
	struct gv_key_path path = tree_path(1, 3, 7), before = path;
	struct gv_gsa gsa = ex_roll(), out;
	uint8_t seed[GV_SIGN_KEY_LEN];
	struct message msg;

	assert_true(gv_kek_new(&gsa.kek));
	assert_false(all_zero(gsa.kek.spi, sizeof(gsa.kek.spi)));
	gsa.has_kek = true;
	gsa.kek.lifetime = 7200;
	assert_true(gv_sign_key_new(seed, gsa.kek.auth_key));
	msg = encode(&gcks, &gsa);
	assert_int_equal(decode(&member, &path, msg.octets, msg.len, &out),
			 GV_REKEY_OK);
	assert_memory_equal(&out, &gsa, sizeof(gsa));
	assert_memory_equal(&path, &before, sizeof(path));

	/* Only the new one signs what comes under the new KEK. */
	gcks = out.kek;
	gsa = ex_roll();
	msg = encode(&gcks, &gsa);
	assert_int_equal(decode(&out.kek, &path, msg.octets, msg.len, &gsa),
			 GV_REKEY_BAD_SIGNATURE);
	memcpy(signing_key, seed, sizeof(seed));
	gcks = out.kek;
	gsa = ex_roll();
	msg = encode(&gcks, &gsa);
	ramp(signing_key, EX_SEED_FIRST);
	assert_int_equal(decode(&out.kek, &path, msg.octets, msg.len, &gsa),
			 GV_REKEY_OK);
}

/* ------------------------------------------------------------------------
 * What the way may do to a message
 */

static void truncation(void **state)
{
	struct gv_wrapped_key keys[5];
	const struct gv_gsa both[] = {ex_roll(), ex_eviction(keys)};

	for (size_t i = 0; i < ARRAY_LEN(both); i++) {
		struct gv_key_path path = tree_path(2, 5, 11);
		struct gv_kek kek = ex_kek();
		struct message msg = encode(&kek, &both[i]);
		struct gv_gsa out;

		kek = ex_kek();
		for (size_t cut = 0; cut < msg.len; cut++) {
			assert_int_equal(
				decode(&kek, &path, msg.octets, cut, &out),
				GV_REKEY_TRUNCATED);
			assert_int_equal(gv_rekey_first(msg.octets, cut), 0);
		}
		/* More than there should be. */
		assert_int_equal(
			decode(&kek, &path, msg.octets, msg.len + 1, &out),
			GV_REKEY_MALFORMED);
		assert_int_equal(decode(&kek, &path, msg.octets, msg.len, &out),
				 GV_REKEY_OK);
	}
}

/* No bit can change: not in the header, not in what is encrypted. */
static void bit_flips(void **state)
{
	struct gv_wrapped_key keys[5];
	const struct gv_gsa both[] = {ex_roll(), ex_eviction(keys)};
	unsigned int count[GV_REKEY_ERRORS] = {};

	for (size_t i = 0; i < ARRAY_LEN(both); i++) {
		struct gv_key_path path = tree_path(2, 5, 11);
		struct gv_kek kek = ex_kek();
		struct message msg = encode(&kek, &both[i]);
		struct gv_gsa out;

		kek = ex_kek();
		for (size_t bit = 0; bit < 8 * msg.len; bit++) {
			enum gv_rekey_error error;

			msg.octets[bit / 8] ^= 0x80 >> bit % 8;
			error = decode(&kek, &path, msg.octets, msg.len, &out);
			msg.octets[bit / 8] ^= 0x80 >> bit % 8;
			assert_int_not_equal(error, GV_REKEY_OK);
			count[error]++;
			if (bit / 8 < GV_REKEY_SPI_LEN)
				assert_int_equal(error, GV_REKEY_OTHER_SA);
			else if (bit / 8 >= 32)
				assert_int_equal(error, GV_REKEY_FORGED);
		}
	}
	/* The Message-ID's bits, too, are found by the integrity check. */
	assert_true(count[GV_REKEY_FORGED] > 0);
	assert_int_equal(count[GV_REKEY_REPLAYED], 0);
	assert_int_equal(count[GV_REKEY_BAD_SIGNATURE], 0);
}

static void forgery(void **state)
{
	struct gv_kek gcks = ex_kek(), member = ex_kek(), other;
	uint8_t stranger[GV_SIGN_KEY_LEN], his_public[GV_SIGN_KEY_LEN];
	struct gv_gsa gsa = ex_roll(), out;
	struct message msg = {.len = sizeof(msg.octets)};

	/* A member has the KEK, but cannot sign. */
	assert_true(gv_sign_key_new(stranger, his_public));
	assert_true(
		gv_rekey_encode(&gcks, stranger, &gsa, msg.octets, &msg.len));
	assert_int_equal(decode(&member, NULL, msg.octets, msg.len, &out),
			 GV_REKEY_BAD_SIGNATURE);
	/* A stranger has neither; each part of the keys counts. */
	for (size_t i = 0; i < GV_GSK_E_LEN; i++) {
		other = ex_kek();
		other.keymat[i] ^= 1;
		msg = encode(&other, &gsa);
		assert_int_equal(
			decode(&member, NULL, msg.octets, msg.len, &out),
			GV_REKEY_FORGED);
	}
	other = ex_kek();
	other.keymat[GV_GSK_E_LEN] ^= 1;
	msg = encode(&other, &gsa);
	assert_int_equal(decode(&member, NULL, msg.octets, msg.len, &out),
			 GV_REKEY_BAD_CONTENT);
	assert_int_equal(why, GV_GIKEV2_UNWRAP);
}

static void replay(void **state)
{
	struct gv_kek gcks = ex_kek(), member = ex_kek();
	struct gv_gsa gsa = ex_roll(), out;
	struct message first = encode(&gcks, &gsa), second, later;

	second = encode(&gcks, &gsa);
	assert_int_equal(decode(&member, NULL, first.octets, first.len, &out),
			 GV_REKEY_OK);
	assert_int_equal(decode(&member, NULL, first.octets, first.len, &out),
			 GV_REKEY_REPLAYED);
	/* One was lost. */
	gcks.message_id = 100;
	later = encode(&gcks, &gsa);
	assert_int_equal(decode(&member, NULL, later.octets, later.len, &out),
			 GV_REKEY_OK);
	assert_int_equal(member.message_id, 101);
	assert_int_equal(decode(&member, NULL, second.octets, second.len, &out),
			 GV_REKEY_REPLAYED);
	assert_int_equal(decode(&member, NULL, later.octets, later.len, &out),
			 GV_REKEY_REPLAYED);
	/* The last that can be sent, and one that cannot. */
	gcks.message_id = UINT32_MAX - 1;
	later = encode(&gcks, &gsa);
	assert_int_equal(decode(&member, NULL, later.octets, later.len, &out),
			 GV_REKEY_OK);
	later.len = sizeof(later.octets);
	assert_false(gv_rekey_encode(&gcks, signing_key, &gsa, later.octets,
				     &later.len));
	assert_int_equal(later.len, 0);
}

/* The same input gives the same message; another one gives another IV, even
 * under the same Message-ID. */
static void deterministic(void **state)
{
	struct gv_kek gcks = ex_kek();
	struct gv_gsa gsa = ex_roll();
	struct message first = encode(&gcks, &gsa), again, other;

	gcks = ex_kek();
	again = encode(&gcks, &gsa);
	assert_int_equal(first.len, again.len);
	assert_memory_equal(first.octets, again.octets, first.len);
	gcks = ex_kek();
	gsa.epoch[0].lifetime--;
	other = encode(&gcks, &gsa);
	assert_memory_not_equal(first.octets + 32, other.octets + 32, 8);
}

/* Several in one TLV: a member takes those that are new to it, in order. */
static void several(void **state)
{
	struct gv_wrapped_key keys[5];
	struct gv_gsa eviction = ex_eviction(keys), roll = ex_roll(), out;
	struct gv_kek gcks = ex_kek(), next;
	struct gv_kek member = ex_kek();
	struct gv_key_path path = tree_path(2, 5, 11);
	struct message first = encode(&gcks, &eviction), second;
	uint8_t tlv[2 * GV_REKEY_MAX];
	size_t len;

	next = eviction.kek;
	memcpy(next.auth_key, public_key, sizeof(public_key));
	second = encode(&next, &roll);
	memcpy(tlv, first.octets, first.len);
	memcpy(tlv + first.len, second.octets, second.len);
	len = gv_rekey_first(tlv, first.len + second.len);
	assert_int_equal(len, first.len);

	/* The second alone: what came before it is known to be missing. */
	assert_int_equal(decode(&member, &path, tlv + len, second.len, &out),
			 GV_REKEY_MISSED);
	member.next_spis = 0;
	assert_int_equal(decode(&member, &path, tlv + len, second.len, &out),
			 GV_REKEY_OTHER_SA);

	assert_int_equal(decode(&member, &path, tlv, len, &out), GV_REKEY_OK);
	member = out.kek;
	assert_int_equal(gv_rekey_first(tlv + len, second.len), second.len);
	assert_int_equal(decode(&member, &path, tlv + len, second.len, &out),
			 GV_REKEY_OK);
	assert_int_equal(out.epoch[0].epoch, EX_EPOCH);
	assert_int_equal(decode(&member, &path, tlv, len, &out),
			 GV_REKEY_OTHER_SA);
}

/* ------------------------------------------------------------------------
 * Messages that the GCKS would not write
 */

#define GSA_PAYLOAD(next, len)                                                 \
	next "00" len "0304004c21000000072f00100000000000000000ffffffff"       \
	     "072f00100064006400000000ffffffff0300000c01000014800e"            \
	     "01000000000805000000000100040000"                                \
	     "0e1040000004000000070000001880"                                  \
	     "01000a80020014c0000001c0010001c0020007"
#define KD_PAYLOAD(next)                                                       \
	next "00 0074"                                                         \
	     "0304007021000000000100300000000000000000"                        \
	     "7f9d9c2684d07b16468b10ba63a152d48fb5019bed3f1824493bbc95726f20"  \
	     "6050941cca621833ea"                                              \
	     "400000300000000300000000"                                        \
	     "575f8fe589b49722525f13e3a28166c98e112a9b64d5cd5fae9e6fe0f057c3"  \
	     "aa3a18021a902bf5b0"
#define ZEROS "00000000000000000000000000000000"
#define SIGNATURE ZEROS ZEROS ZEROS ZEROS
#define AUTH_PAYLOAD(next) next "00 0050 0e000000 07 300506032b6570" SIGNATURE
#define G(next) GSA_PAYLOAD(next, "0068")

/* Encrypts and signs any payloads, the signature where it stands as zeros at
 * sign_at (0: not at all), with any header. */
struct forged {
	uint8_t first, version, exchange, flags;
	const char *payloads;
	size_t sign_at, padding;
	int pad_length; /* -1: true */
};

static struct message forge(const struct forged *f)
{
	struct gv_kek kek = ex_kek();
	uint8_t text[GV_REKEY_MAX + 512], signature[64], nonce[12], *iv;
	struct message msg;
	struct gv_writer w;
	size_t len, whole;

	gv_writer_init(&w, text, sizeof(text));
	gv_put_bytes(&w, kek.spi, sizeof(kek.spi));
	gv_put8(&w, 46);
	gv_put8(&w, f->version);
	gv_put8(&w, f->exchange);
	gv_put8(&w, f->flags);
	gv_put32(&w, 5);
	gv_put32(&w, 0);
	gv_put8(&w, f->first);
	gv_put8(&w, 0);
	gv_put16(&w, 0);
	len = 32 + unhex(f->payloads, text + 32, GV_REKEY_MAX - 32);
	gv_writer_init(&w, text + 24, 4);
	gv_put32(&w, len);
	gv_writer_init(&w, text + 30, 2);
	gv_put16(&w, len - 28);
	if (f->sign_at) {
		assert_true(gv_sign(signing_key, text, len, signature));
		memcpy(text + 32 + f->sign_at, signature, sizeof(signature));
	}

	memset(text + len, 0x55, f->padding);
	text[len + f->padding] =
		f->pad_length < 0 ? f->padding : (size_t)f->pad_length;
	whole = len + 8 + f->padding + 1 + 16;
	gv_writer_init(&w, text + 24, 4);
	gv_put32(&w, whole);
	gv_writer_init(&w, text + 30, 2);
	gv_put16(&w, whole - 28);
	memcpy(msg.octets, text, 32);
	iv = msg.octets + 32;
	memset(iv, 7, 8);
	memcpy(nonce, kek.keymat + 32, 4);
	memcpy(nonce + 4, iv, 8);
	assert_true(gv_gcm_seal(kek.keymat, nonce, text, 32, text + 32,
				len - 32 + f->padding + 1, iv + 8));
	msg.len = whole;
	return msg;
}

#define AT (104 + 116 + 16) /* the signature's place behind GSA and KD */
#define PLAIN 0x20, 41, 0x08

static void payloads(void **state)
{
	static const struct {
		struct forged forged;
		enum gv_rekey_error error;
	} cases[] = {
		{{51, PLAIN, G("34") KD_PAYLOAD("27") AUTH_PAYLOAD("00"), AT, 0,
		  -1},
		 GV_REKEY_OK},
		/* padding: some, much, wrong */
		{{51, PLAIN, G("34") KD_PAYLOAD("27") AUTH_PAYLOAD("00"), AT, 3,
		  -1},
		 GV_REKEY_OK},
		{{51, PLAIN, G("34") KD_PAYLOAD("27") AUTH_PAYLOAD("00"), AT,
		  255, -1},
		 GV_REKEY_OK},
		{{51, PLAIN, G("34") KD_PAYLOAD("27") AUTH_PAYLOAD("00"), AT, 3,
		  2},
		 GV_REKEY_MALFORMED},
		{{51, PLAIN, G("34") KD_PAYLOAD("27") AUTH_PAYLOAD("00"), AT, 3,
		  4},
		 GV_REKEY_MALFORMED},
		{{51, PLAIN, "", 0, 0, 255}, GV_REKEY_MALFORMED},
		/* another order; reserved bits; no Initiator flag */
		{{52, PLAIN, KD_PAYLOAD("33") G("27") AUTH_PAYLOAD("00"), AT, 0,
		  -1},
		 GV_REKEY_OK},
		{{39, PLAIN, AUTH_PAYLOAD("33") G("34") KD_PAYLOAD("00"), 16, 0,
		  -1},
		 GV_REKEY_OK},
		{{51, PLAIN,
		  G("34") KD_PAYLOAD("27") "00 7f 0050 0e123456 07 "
					   "300506032b6570" SIGNATURE,
		  AT, 0, -1},
		 GV_REKEY_OK},
		{{51, 0x20, 41, 0x00,
		  G("34") KD_PAYLOAD("27") AUTH_PAYLOAD("00"), AT, 0, -1},
		 GV_REKEY_OK},
		/* unknown payloads, not critical and critical */
		{{41, PLAIN,
		  "33 00 0008 00004000" G("34") KD_PAYLOAD("27")
			  AUTH_PAYLOAD("c8") "00 00 0004",
		  8 + AT, 0, -1},
		 GV_REKEY_OK},
		{{200, PLAIN,
		  "33 80 0008 00004000" G("34") KD_PAYLOAD("27")
			  AUTH_PAYLOAD("00"),
		  8 + AT, 0, -1},
		 GV_REKEY_MALFORMED},
		/* header */
		{{51, 0x21, 41, 0x08,
		  G("34") KD_PAYLOAD("27") AUTH_PAYLOAD("00"), AT, 0, -1},
		 GV_REKEY_MALFORMED},
		{{51, 0x20, 42, 0x08,
		  G("34") KD_PAYLOAD("27") AUTH_PAYLOAD("00"), AT, 0, -1},
		 GV_REKEY_MALFORMED},
		{{51, 0x20, 41, 0x28,
		  G("34") KD_PAYLOAD("27") AUTH_PAYLOAD("00"), AT, 0, -1},
		 GV_REKEY_MALFORMED},
		/* one of the payloads absent, or twice */
		{{52, PLAIN, KD_PAYLOAD("27") AUTH_PAYLOAD("00"), 132, 0, -1},
		 GV_REKEY_MALFORMED},
		{{51, PLAIN, G("27") AUTH_PAYLOAD("00"), 120, 0, -1},
		 GV_REKEY_MALFORMED},
		{{51, PLAIN, G("34") KD_PAYLOAD("00"), 0, 0, -1},
		 GV_REKEY_MALFORMED},
		{{0, PLAIN, "", 0, 0, -1}, GV_REKEY_MALFORMED},
		{{51, PLAIN,
		  G("33") G("34") KD_PAYLOAD("27") AUTH_PAYLOAD("00"), 104 + AT,
		  0, -1},
		 GV_REKEY_MALFORMED},
		{{51, PLAIN,
		  G("34") KD_PAYLOAD("34") KD_PAYLOAD("27") AUTH_PAYLOAD("00"),
		  116 + AT, 0, -1},
		 GV_REKEY_MALFORMED},
		{{51, PLAIN,
		  G("34") KD_PAYLOAD("27") AUTH_PAYLOAD("27")
			  AUTH_PAYLOAD("00"),
		  AT, 0, -1},
		 GV_REKEY_MALFORMED},
		/* the chain goes on behind the end, or ends before it */
		{{51, PLAIN, G("34") KD_PAYLOAD("27") AUTH_PAYLOAD("29"), AT, 0,
		  -1},
		 GV_REKEY_MALFORMED},
		{{51, PLAIN,
		  G("34") KD_PAYLOAD("27") AUTH_PAYLOAD("00") "00000004", AT, 0,
		  -1},
		 GV_REKEY_MALFORMED},
		{{51, PLAIN, "34000003", 0, 0, -1}, GV_REKEY_MALFORMED},
		{{51, PLAIN, GSA_PAYLOAD("34", "ffff"), 0, 0, -1},
		 GV_REKEY_MALFORMED},
		/* not signed, by another method, another algorithm */
		{{51, PLAIN, G("34") KD_PAYLOAD("27") AUTH_PAYLOAD("00"), 0, 0,
		  -1},
		 GV_REKEY_BAD_SIGNATURE},
		{{51, PLAIN,
		  G("34") KD_PAYLOAD("27") "00 00 0050 02000000 07 "
					   "300506032b6570" SIGNATURE,
		  AT, 0, -1},
		 GV_REKEY_BAD_SIGNATURE},
		{{51, PLAIN,
		  G("34") KD_PAYLOAD("27") "00 00 0050 0e000000 07 "
					   "300506032b6571" SIGNATURE,
		  AT, 0, -1},
		 GV_REKEY_BAD_SIGNATURE},
		{{51, PLAIN, G("34") KD_PAYLOAD("27") "00 00 0008 0e000000", 0,
		  0, -1},
		 GV_REKEY_MALFORMED},
		{{51, PLAIN,
		  G("34") KD_PAYLOAD("27") "00 00 0051 0e000000 07 "
					   "300506032b6570" SIGNATURE "00",
		  AT, 0, -1},
		 GV_REKEY_MALFORMED},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct message msg = forge(&cases[i].forged);
		struct gv_kek kek = ex_kek();
		enum gv_rekey_error error;
		struct gv_gsa out;

		error = decode(&kek, NULL, msg.octets, msg.len, &out);
		if (error != cases[i].error)
			fail_msg("case %zu: want %s, got %s", i,
				 gv_rekey_error_text(cases[i].error),
				 gv_rekey_error_text(error));
	}
}

/* Signed and sealed, and yet not to be done. */
static void contents(void **state)
{
#define GCAUTH_KEK                                                             \
	"34 00 0067"                                                           \
	"06100063c0c1c2c3c4c5c6c7c8c9cacbcccdcecf"                             \
	"071100100000ffff00000000ffffffff071100100350035000000000ffffffff"     \
	"0300000c01000014800e0100030000130e00000200120007300506032b6570"       \
	"000000080d0000030001000400015180"
	const struct forged gcauth = {
		51,
		PLAIN,
		GCAUTH_KEK KD_PAYLOAD("27") AUTH_PAYLOAD("00"),
		103 + 132,
		0,
		-1};
	const struct gv_gsa_receiver receiver = {0, NULL};
	struct gv_kek gcks = ex_kek(), member = ex_kek();
	struct gv_gsa gsa = ex_roll(), out;
	struct message msg = encode(&gcks, &gsa);
	struct gv_wrapped_key keys[5];

	/* another group's */
	assert_int_equal(gv_rekey_decode(&member, EX_GROUP + 1, &receiver,
					 msg.octets, msg.len, &out, NULL),
			 GV_REKEY_BAD_CONTENT);
	/* what the receiver cannot do */
	gsa.encap = GV_ENCAP_IPIP;
	gcks = ex_kek();
	msg = encode(&gcks, &gsa);
	assert_int_equal(decode(&member, NULL, msg.octets, msg.len, &out),
			 GV_REKEY_BAD_CONTENT);
	assert_int_equal(why, GV_GIKEV2_UNSUPPORTED);
	/* the same SPI as now */
	gsa = ex_roll();
	gsa.has_kek = true;
	gsa.kek = ex_kek();
	gsa.kek.next_spis = 0;
	gcks = ex_kek();
	msg = encode(&gcks, &gsa);
	assert_int_equal(decode(&member, NULL, msg.octets, msg.len, &out),
			 GV_REKEY_BAD_CONTENT);
	assert_int_equal(why, GV_GIKEV2_BAD_VALUE);
	/* keys that do not belong to the policies */
	msg = forge(&gcauth);
	assert_int_equal(decode(&member, NULL, msg.octets, msg.len, &out),
			 GV_REKEY_BAD_CONTENT);
	/* the member has no tree */
	gsa = ex_eviction(keys);
	gcks = ex_kek();
	msg = encode(&gcks, &gsa);
	assert_int_equal(decode(&member, NULL, msg.octets, msg.len, &out),
			 GV_REKEY_EXCLUDED);
}

static void refuses_to_encode(void **state)
{
	struct gv_wrapped_key keys[5];
	struct gv_gsa bad[16], good = ex_roll();
	struct message msg;
	struct gv_kek kek;
	size_t n = 0;

	/* a registration; no lifetime; nothing; data keys with an eviction */
	bad[n] = ex_roll(), bad[n].member_id = 1, bad[n++].sender_id = 1;
	bad[n] = ex_roll(), bad[n++].epoch[0].lifetime = 0;
	bad[n] = ex_roll(), bad[n++].epochs = 0;
	bad[n] = ex_roll(), bad[n++].epochs = GV_EPOCHS_MAX + 1;
	bad[n] = ex_eviction(keys), bad[n++].wrapped_count = 3;
	bad[n] = ex_eviction(keys), bad[n++].has_kek = false;
	bad[n] = ex_eviction(keys), bad[n++].kek.lifetime = 0;
	bad[n] = ex_roll(), bad[n].has_kek = true;
	bad[n].kek = ex_next_kek(), bad[n].wrapped = keys,
	bad[n++].wrapped_count = 5;
	for (size_t i = 0; i < n; i++) {
		kek = ex_kek();
		msg.len = sizeof(msg.octets);
		if (gv_rekey_encode(&kek, signing_key, &bad[i], msg.octets,
				    &msg.len))
			fail_msg("case %zu was encoded", i);
		assert_int_equal(msg.len, 0);
		assert_int_equal(kek.message_id, 5);
	}
	/* no room */
	kek = ex_kek();
	n = encode(&kek, &good).len;
	for (size_t size = 0; size < n; size++) {
		uint8_t *small = exact(msg.octets, size);

		kek = ex_kek();
		msg.len = size;
		assert_false(gv_rekey_encode(&kek, signing_key, &good, small,
					     &msg.len));
		assert_int_equal(kek.message_id, 5);
		free(small);
	}
}

/* ------------------------------------------------------------------------
 * Whole groups
 */

static void join_all(struct gv_lkh *tree, unsigned int n)
{
	size_t size = gv_lkh_nodes(n);
	struct gv_lkh_node *nodes = malloc(size * sizeof(*nodes));

	assert_non_null(nodes);
	gv_lkh_init(tree, nodes, size);
	for (unsigned int id = 1; id <= n; id++)
		assert_int_equal(gv_lkh_join(tree, id), GV_LKH_OK);
}

/* The message that tells the tree's next rekey; gcks becomes the new SA. */
static struct message evicting(struct gv_lkh *tree, struct gv_kek *gcks)
{
	struct gv_wrapped_key *keys;
	struct gv_gsa gsa = {.has_kek = true};
	struct message msg;
	size_t n = gv_lkh_cost(tree);

	keys = malloc((n ? n : 1) * sizeof(*keys));
	assert_non_null(keys);
	assert_true(gv_kek_new(&gsa.kek));
	gsa.kek.lifetime = 86400;
	assert_true(gv_random(gsa.kek.next_spi[0], GV_REKEY_SPI_LEN));
	gsa.kek.next_spis = 1;
	assert_int_equal(gv_lkh_rekey(tree, gsa.kek.keymat, keys, &n),
			 GV_LKH_OK);
	gsa.wrapped = keys;
	gsa.wrapped_count = n;
	msg = encode(gcks, &gsa);
	memcpy(gsa.kek.auth_key, gcks->auth_key, sizeof(gcks->auth_key));
	*gcks = gsa.kek;
	free(keys);
	return msg;
}

/* Members that join and are evicted, and new data keys after each eviction:
 * all by messages alone. */
static void life_of_a_group(void **state)
{
	enum { MEMBERS = 40 };
	struct {
		bool in;
		struct gv_kek kek;
		struct gv_key_path path;
	} members[MEMBERS + 1] = {};
	struct gv_kek gcks = ex_kek();
	struct gv_lkh tree;
	struct gv_gsa out;

	join_all(&tree, MEMBERS);
	for (unsigned int id = 1; id <= MEMBERS; id++) {
		members[id].in = true;
		members[id].kek = gcks;
		assert_int_equal(gv_lkh_path(&tree, id, &members[id].path),
				 GV_LKH_OK);
	}
	for (unsigned int round = 0; round < 60; round++) {
		struct gv_gsa roll = ex_roll();
		struct message first, second;
		unsigned int gone = 1 + random_next() % MEMBERS;
		bool back = !members[gone].in;

		members[gone].in = back;
		if (back)
			assert_int_equal(gv_lkh_join(&tree, gone), GV_LKH_OK);
		else
			assert_int_equal(gv_lkh_evict(&tree, gone), GV_LKH_OK);
		if (back) { /* its registration */
			members[gone].kek = gcks;
			assert_int_equal(
				gv_lkh_path(&tree, gone, &members[gone].path),
				GV_LKH_OK);
		}
		first = evicting(&tree, &gcks);
		random_fill(roll.epoch[0].gsk, GV_SECRET_LEN);
		second = encode(&gcks, &roll);
		for (unsigned int id = 1; id <= MEMBERS; id++) {
			struct gv_kek *kek = &members[id].kek;
			struct gv_key_path *path = &members[id].path;
			enum gv_rekey_error error = decode(
				kek, path, first.octets, first.len, &out);

			if (!members[id].in) {
				assert_int_not_equal(error, GV_REKEY_OK);
				assert_int_equal(decode(kek, path,
							second.octets,
							second.len, &out),
						 GV_REKEY_OTHER_SA);
				continue;
			}
			assert_int_equal(error, GV_REKEY_OK);
			*kek = out.kek;
			assert_int_equal(decode(kek, path, second.octets,
						second.len, &out),
					 GV_REKEY_OK);
			assert_memory_equal(&out, &roll, sizeof(out));
		}
	}
	free(tree.nodes);
}

static unsigned int bit_reversed(unsigned int n, unsigned int bits)
{
	unsigned int reversed = 0;

	while (bits--) {
		reversed = reversed << 1 | (n & 1);
		n >>= 1;
	}
	return reversed;
}

/* What a GCKS reckons: 52 octets for a wrapped key of the tree, 92 for each of
 * the two wrapped KEKs, 300 for the rest. */
#define ROOM_FOR(cost) (52 * (cost) + 2 * (92 - 52) + 300 <= GV_REKEY_MAX)

/* A message about one eviction fits into a descriptor, with the message that
 * brings the data keys after it, up to 10 000 members. */
static void sizes(void **state)
{
	static const unsigned int groups[] = {10, 100, 1000, 10000};

	for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
		unsigned int n = groups[i];
		struct gv_attr attr = {.kind = GV_KIND_DESCRIPTOR,
				       .group_id = EX_GROUP,
				       .gateway = addr("2001:db8::1")};
		uint8_t value[GV_ATTR_MAX], both[2 * GV_REKEY_MAX];
		struct gv_kek gcks = ex_kek();
		struct message msg, roll;
		struct gv_gsa gsa = ex_roll();
		struct gv_lkh tree;
		size_t cost, msg_len;

		join_all(&tree, n);
		evicting(&tree, &gcks); /* what growth left */
		assert_int_equal(gv_lkh_evict(&tree, n / 3), GV_LKH_OK);
		cost = gv_lkh_cost(&tree);
		msg = evicting(&tree, &gcks);
		roll = encode(&gcks, &gsa);
		msg_len = msg.len;
		assert_in_range(msg_len + roll.len, 1, GV_REKEY_PART_MAX);
		memcpy(both, msg.octets, msg_len);
		memcpy(both + msg_len, roll.octets, roll.len);
		attr.rekey = both;
		attr.rekey_len = msg_len + roll.len;
		assert_true(gv_attr_encode(&attr, public_key, value,
					   sizeof(value)));

		/* More at once, as far from one another as they can be. */
		for (unsigned int k = 0; k < 2 * n; k++) {
			uint16_t id = 1 + bit_reversed(k, tree.depth);

			if (gv_lkh_members(&tree) > n / 2 &&
			    ROOM_FOR(gv_lkh_cost(&tree) +
				     gv_lkh_evict_cost(&tree, id)))
				gv_lkh_evict(&tree, id);
		}
		msg = evicting(&tree, &gcks);
		print_message("N %5u: one evicted: %2zu wrapped keys, %4zu "
			      "octets; %3u at once: %4zu octets; data keys: "
			      "%zu octets\n",
			      n, cost, msg_len, n - gv_lkh_members(&tree) - 1,
			      msg.len, roll.len);
		free(tree.nodes);
	}
}

static void error_texts(void **state)
{
	for (int i = 0; i < GV_REKEY_ERRORS; i++)
		assert_string_not_equal(gv_rekey_error_text(i),
					"unknown error");
	assert_string_equal(gv_rekey_error_text(GV_REKEY_ERRORS),
			    "unknown error");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(primitives),
		cmocka_unit_test(example_roll),
		cmocka_unit_test(example_eviction),
		cmocka_unit_test(all_in_one),
		cmocka_unit_test(truncation),
		cmocka_unit_test(bit_flips),
		cmocka_unit_test(forgery),
		cmocka_unit_test(replay),
		cmocka_unit_test(deterministic),
		cmocka_unit_test(several),
		cmocka_unit_test(payloads),
		cmocka_unit_test(contents),
		cmocka_unit_test(refuses_to_encode),
		cmocka_unit_test(life_of_a_group),
		cmocka_unit_test(sizes),
		cmocka_unit_test(error_texts),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
