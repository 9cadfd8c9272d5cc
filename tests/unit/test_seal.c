// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sealing and opening of prefixes: frozen values (example_seal is the one of
 * doc/protocol.md), and seeded random prefixes of every length.
 */
#include "unit.h"

#include "crypto.h"
#include "inner.h"
#include "keys.h"
#include "seal.h"

#define ROUNDS 64

#define EX_SIV_KEY                                                             \
	"6bdd0d46d8f6e5029bd605e21482dc9324d4d9aa5bf7c4a1dc7b0a98879226bc"     \
	"24c248dc49933ac39171b75627f6371f031db23129e7a63a26e26e37be6e1003"
#define EX_LONG_NLRI "9d119cce3a658f03d94469270789f177"
#define EX_LONG_SEALED                                                         \
	"39947a75a7071e4fa2e06227f79fa5e39a67cb3485d69693dd84d5e8d25bb235"     \
	"4e"

static void example_key(uint8_t key[32])
{
	uint8_t secret[32];

	ramp(secret, EX_ROUTE_SECRET_FIRST);
	assert_true(
		gv_nlri_key(EX_GROUP, secret, EX_MEMBER, EX_ROUTE_EPOCH, key));
}

static void seals_to(const struct gv_prefix *prefix, const char *hex)
{
	uint8_t key[32], nlri[16];
	struct gv_prefix back;

	example_key(key);
	assert_true(gv_seal_prefix(key, prefix, nlri));
	assert_hex(nlri, sizeof(nlri), hex);
	assert_true(gv_open_prefix(key, nlri, &back));
	assert_memory_equal(&back, prefix, sizeof(back));
}

static void example_seal(void **state)
{
	struct gv_prefix v4 = {4, 24, {10, 1, 2}};
	struct gv_prefix v6 = {6, 48, {0x20, 0x01, 0x0d, 0xb8, 0x00, 0x01}};
	/* These walk two and three steps. */
	struct gv_prefix two = {4, 24, {10, 0, 10}};
	struct gv_prefix three = {4, 24, {10, 21, 58}};

	seals_to(&v4, "86ae956aa8bc550f56373d62d4adabac");
	seals_to(&v6, "2a6f75f99766289ac5a43d4ca69f28b2");
	seals_to(&two, "b4907a63be252b912fbacaf20fdcfd3e");
	seals_to(&three, "50f7dafa645c0f959b8bd4a3c7c8bdaf");
}

static void range_ends(void **state)
{
	struct gv_prefix any = {4, 0, {}};
	struct gv_prefix v6_64 = {
		6, 64, {0x20, 0x01, 0x0d, 0xb8, 0x00, 0x01, 0x00, 0x02}};
	struct gv_prefix host = {4, 32, {255, 255, 255, 255}};
	uint8_t key[32], nlri[16];
	struct gv_prefix back;

	seals_to(&any, "3e93262c01767d53a5de1134e437c1dd");
	seals_to(&v6_64, "782b19bd66a796a3913ff82d2a465615");
	example_key(key);
	assert_true(gv_seal_prefix(key, &host, nlri));
	assert_true(gv_open_prefix(key, nlri, &back));
	assert_memory_equal(&back, &host, sizeof(back));
}

static void refuses_invalid_prefixes(void **state)
{
	static const struct gv_prefix bad[] = {
		{0, 0, {}},
		{5, 0, {}},
		{255, 0, {}},
		{4, 33, {10}},
		{6, 65, {0x20, 0x01}},
		{6, 128, {0x20, 0x01}},
		{4, 255, {10}},
		{4, 8, {10, 1}}, /* host bits set */
		{4, 7, {11}},	 /* the first bit after the length */
		{4, 0, {0x80}},
		{6, 48, {0x20, 0x01, 0x0d, 0xb8, 0, 0, 1}},
		{4, 32, {10, 1, 2, 3, 1}}, /* beyond the address */
		{6, 64, {0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}},
	};
	uint8_t key[32] = {1}, nlri[16];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(gv_seal_prefix(key, &bad[i], nlri));
}

static void random_prefix(struct gv_prefix *prefix, uint8_t family, uint8_t len)
{
	*prefix = (struct gv_prefix){.family = family, .len = len};
	random_fill(prefix->bytes, (len + 7) / 8);
	if (len % 8)
		prefix->bytes[len / 8] &= 0xff << (8 - len % 8);
}

static bool special(uint8_t octet)
{
	return octet == 0x00 || octet == 0xfe || octet == 0xff;
}

/* Seals, opens, tries a wrong key and every flipped bit. */
static void check_one(const struct gv_prefix *prefix)
{
	struct gv_prefix back, untouched = {.family = 77};
	uint8_t key[32], wrong[32], nlri[16], again[16];

	random_fill(key, sizeof(key));
	assert_true(gv_seal_prefix(key, prefix, nlri));
	assert_true(gv_seal_prefix(key, prefix, again));
	assert_memory_equal(nlri, again, sizeof(nlri));
	assert_false(special(nlri[0]));
	assert_true(gv_open_prefix(key, nlri, &back));
	assert_memory_equal(&back, prefix, sizeof(back));

	back = untouched;
	memcpy(wrong, key, sizeof(wrong));
	wrong[random_next() % 32] ^= 1 << random_next() % 8;
	assert_false(gv_open_prefix(wrong, nlri, &back));
	for (size_t bit = 0; bit < 128; bit++) {
		nlri[bit / 8] ^= 0x80 >> bit % 8;
		assert_false(gv_open_prefix(key, nlri, &back));
		nlri[bit / 8] ^= 0x80 >> bit % 8;
	}
	assert_memory_equal(&back, &untouched, sizeof(back));
}

static void every_length(void **state)
{
	struct gv_prefix prefix;

	for (int round = 0; round < ROUNDS; round++) {
		random_prefix(&prefix, 4, random_next() % 33);
		check_one(&prefix);
		random_prefix(&prefix, 6, random_next() % 65);
		check_one(&prefix);
	}
	for (uint8_t len = 0; len <= 32; len++) {
		random_prefix(&prefix, 4, len);
		check_one(&prefix);
	}
	for (uint8_t len = 0; len <= 64; len++) {
		random_prefix(&prefix, 6, len);
		check_one(&prefix);
	}
}

static int compare_nlri(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

/* No two of 65536 neighbouring prefixes share an NLRI. */
static void bijective(void **state)
{
	enum { COUNT = 65536 };
	uint8_t(*nlri)[16] = calloc(COUNT, sizeof(*nlri));
	struct gv_prefix prefix = {4, 24, {10}};
	uint8_t key[32];

	assert_non_null(nlri);
	example_key(key);
	for (unsigned int i = 0; i < COUNT; i++) {
		prefix.bytes[1] = i >> 8;
		prefix.bytes[2] = i;
		assert_true(gv_seal_prefix(key, &prefix, nlri[i]));
		assert_false(special(nlri[i][0]));
	}
	qsort(nlri, COUNT, sizeof(*nlri), compare_nlri);
	for (unsigned int i = 1; i < COUNT; i++)
		assert_memory_not_equal(nlri[i - 1], nlri[i], 16);
	free(nlri);
}

/* What nobody sealed does not open; 2^-57 of it would. */
static void random_nlris(void **state)
{
	struct gv_prefix prefix;
	uint8_t key[32], nlri[16];

	example_key(key);
	for (int i = 0; i < 20000; i++) {
		random_fill(nlri, sizeof(nlri));
		assert_false(gv_open_prefix(key, nlri, &prefix));
	}
	random_fill(nlri, sizeof(nlri));
	for (unsigned int first = 0; first < 256; first++) {
		nlri[0] = first;
		assert_false(gv_open_prefix(key, nlri, &prefix));
	}
}

/* Blocks that only a holder of the key can make, and yet are not what sealing
 * makes. */
static void opens_only_canonical_blocks(void **state)
{
	static const char *const blocks[] = {
		"0508 0a00 0000 0000 0000 0000 0000 0000",
		"0408 0a01 0000 0000 0000 0000 0000 0000",
		"0421 0a01 0000 0000 0000 0000 0000 0000",
		"0418 0a01 0200 0000 0000 0000 0000 0001",
		"0418 0a01 0200 0100 0000 0000 0000 0000",
		"0641 2001 0db8 0001 0000 0000 0000 0000",
		"0630 2001 0db8 0001 0001 0000 0000 0000",
		"0640 2001 0db8 0001 0001 0100 0000 0000",
	};
	uint8_t key[32], block[16];
	struct gv_prefix prefix;

	example_key(key);
	for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
		unhex(blocks[i], block, sizeof(block));
		do
			assert_true(gv_aes_block(key, true, block, block));
		while (special(block[0]));
		assert_false(gv_open_prefix(key, block, &prefix));
	}
}

/* A block on the way of a walk is not an NLRI, though it deciphers well. */
static void opens_no_step_of_a_walk(void **state)
{
	uint8_t key[32], block[16];
	struct gv_prefix prefix;

	example_key(key);
	unhex("0418 0a00 0a00 0000 0000 0000 0000 0000", block, sizeof(block));
	assert_true(gv_aes_block(key, true, block, block));
	assert_true(special(block[0]));
	assert_false(gv_open_prefix(key, block, &prefix));
	assert_true(gv_aes_block(key, true, block, block));
	assert_true(gv_open_prefix(key, block, &prefix));
}

static void example_long(void **state)
{
	struct gv_prefix prefix = {
		6, 112, {0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 2, 0, 3}};
	uint8_t secret[32], siv_key[64], key[32], nlri[16];
	uint8_t sealed[GV_SEALED_PREFIX_LEN];
	struct gv_prefix back;

	example_key(key);
	ramp(secret, EX_ROUTE_SECRET_FIRST);
	assert_true(gv_siv_key(EX_GROUP, secret, EX_MEMBER, EX_ROUTE_EPOCH,
			       siv_key));
	assert_hex(siv_key, sizeof(siv_key), EX_SIV_KEY);
	assert_true(gv_seal_long(key, siv_key, &prefix, nlri, sealed));
	assert_hex(nlri, sizeof(nlri), EX_LONG_NLRI);
	assert_hex(sealed, sizeof(sealed), EX_LONG_SEALED);
	assert_true(gv_open_long(key, siv_key, nlri, sealed, &back));
	assert_memory_equal(&back, &prefix, sizeof(back));
}

/* Every length beyond /64, a wrong key, every flipped bit, another's TLV. */
static void long_prefixes(void **state)
{
	uint8_t siv_key[64], key[32], nlri[16], other[16];
	uint8_t sealed[GV_SEALED_PREFIX_LEN], others[GV_SEALED_PREFIX_LEN];
	struct gv_prefix prefix, back, untouched = {.family = 77};

	for (unsigned int len = 0; len <= 128; len++) {
		random_prefix(&prefix, 6, len);
		random_fill(key, sizeof(key));
		random_fill(siv_key, sizeof(siv_key));
		if (len <= 64) {
			assert_false(gv_seal_long(key, siv_key, &prefix, nlri,
						  sealed));
			continue;
		}
		assert_true(gv_seal_long(key, siv_key, &prefix, nlri, sealed));
		assert_false(special(nlri[0]));
		assert_true(gv_open_long(key, siv_key, nlri, sealed, &back));
		assert_memory_equal(&back, &prefix, sizeof(back));
		/* It is no short one. */
		assert_false(gv_open_prefix(key, nlri, &back));

		back = untouched;
		for (unsigned int bit = 0; bit < 8 * sizeof(nlri); bit++) {
			nlri[bit / 8] ^= 1 << bit % 8;
			assert_false(gv_open_long(key, siv_key, nlri, sealed,
						  &back));
			nlri[bit / 8] ^= 1 << bit % 8;
		}
		for (unsigned int bit = 0; bit < 8 * sizeof(sealed); bit++) {
			sealed[bit / 8] ^= 1 << bit % 8;
			assert_false(gv_open_long(key, siv_key, nlri, sealed,
						  &back));
			sealed[bit / 8] ^= 1 << bit % 8;
		}
		prefix.bytes[0] ^= 1;
		assert_true(gv_seal_long(key, siv_key, &prefix, other, others));
		assert_false(gv_open_long(key, siv_key, nlri, others, &back));
		siv_key[0] ^= 1;
		assert_false(gv_open_long(key, siv_key, nlri, sealed, &back));
		assert_memory_equal(&back, &untouched, sizeof(back));
	}

	prefix = (struct gv_prefix){6, 127, {0x20}};
	prefix.bytes[15] = 1; /* a host bit */
	assert_false(gv_seal_long(key, siv_key, &prefix, nlri, sealed));
	prefix = (struct gv_prefix){4, 32, {10}};
	assert_false(gv_seal_long(key, siv_key, &prefix, nlri, sealed));
}

static void inner_octets(void **state)
{
	uint8_t siv_key[64], plain[GV_INNER_MAX], back[GV_INNER_MAX];
	uint8_t sealed[GV_SIV_LEN + GV_INNER_MAX];

	random_fill(siv_key, sizeof(siv_key));
	random_fill(plain, sizeof(plain));
	for (size_t len = 1; len <= sizeof(plain); len = len * 2) {
		assert_true(gv_seal_inner(siv_key, plain, len, sealed));
		assert_true(
			gv_open_inner(siv_key, sealed, GV_SIV_LEN + len, back));
		assert_memory_equal(plain, back, len);
		assert_false(gv_open_inner(siv_key, sealed,
					   GV_SIV_LEN + len - 1, back));
		sealed[len % 8] ^= 1;
		assert_false(
			gv_open_inner(siv_key, sealed, GV_SIV_LEN + len, back));
	}
	assert_false(gv_seal_inner(siv_key, plain, 0, sealed));
	assert_false(gv_open_inner(siv_key, sealed, GV_SIV_LEN, back));
	assert_false(gv_open_inner(siv_key, sealed, 0, back));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(example_seal),
		cmocka_unit_test(example_long),
		cmocka_unit_test(long_prefixes),
		cmocka_unit_test(inner_octets),
		cmocka_unit_test(range_ends),
		cmocka_unit_test(refuses_invalid_prefixes),
		cmocka_unit_test(every_length),
		cmocka_unit_test(bijective),
		cmocka_unit_test(random_nlris),
		cmocka_unit_test(opens_only_canonical_blocks),
		cmocka_unit_test(opens_no_step_of_a_walk),
	};

	random_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
