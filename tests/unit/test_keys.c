// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The key schedule.  The frozen values were computed by an implementation of
 * doc/protocol.md in another language; example_keys is the document's.
 */
#include "unit.h"

#include "keys.h"

static void example_keys(void **state)
{
	uint8_t gsk[32], route_secret[32], prk[32], key[36], shared[48];

	ramp(gsk, EX_GSK_FIRST);
	ramp(route_secret, EX_ROUTE_SECRET_FIRST);
	assert_true(gv_prk(EX_GROUP, EX_EPOCH, gsk, prk));
	assert_hex(prk, sizeof(prk),
		   "ece881f53bb5c1acc7a94aa13fccd8fb"
		   "49a45a787e60a2b32a6b5e2ac8b41aba");
	assert_int_equal(gv_spi(EX_TAG, EX_SENDER), 0x21000011);
	assert_int_equal(gv_spi(EX_TAG, EX_RECEIVER), 0x21000012);
	assert_true(gv_esp_key(prk, EX_TAG, EX_SENDER, EX_RECEIVER, key, 36));
	assert_hex(key, 36,
		   "c9b9993a20480611bd81fc52e041c281"
		   "3871c9f6d90f712bbf3210b77fb7f585"
		   "42807eba");
	assert_true(gv_esp_key(prk, EX_TAG, EX_RECEIVER, EX_SENDER, key, 36));
	assert_hex(key, 36,
		   "4c990cd8b1dd09e1408c31fb90b54766"
		   "7a9b273858aeb8489af905fef79c9024"
		   "dad1f623");
	assert_true(gv_shared_key(prk, shared, sizeof(shared)));
	assert_hex(shared, sizeof(shared),
		   "daa5f7b7e9c9df799ff0928bf203fd51"
		   "0a902fd206954e5acda18defd05fc4c5"
		   "fd0a510db78ba4becdeeedae0a8f58b0");
	assert_true(gv_mac_key(EX_GROUP, route_secret, key));
	assert_hex(key, 32,
		   "fdab384fa63debc25560ef6ad0b41836"
		   "816ea88700f10d1e1fda59367e2dec91");
	assert_true(gv_nlri_key(EX_GROUP, route_secret, EX_MEMBER,
				EX_ROUTE_EPOCH, key));
	assert_hex(key, 32,
		   "51658b329d72d145f15c4e1304317319"
		   "d548f1c3b93a5199880f3ae3301c81c9");
}

static void esp_key_lengths(void **state)
{
	uint8_t gsk[32], prk[32], key[68];

	ramp(gsk, EX_GSK_FIRST);
	assert_true(gv_prk(EX_GROUP, EX_EPOCH, gsk, prk));
	assert_true(gv_esp_key(prk, EX_TAG, EX_SENDER, EX_RECEIVER, key, 20));
	assert_hex(key, 20, "c9b9993a20480611bd81fc52e041c2813871c9f6");
	assert_true(gv_esp_key(prk, EX_TAG, EX_SENDER, EX_RECEIVER, key, 68));
	assert_hex(key, 68,
		   "c9b9993a20480611bd81fc52e041c2813871c9f6d90f712bbf3210b77fb"
		   "7f585"
		   "42807eba24ab1b3b212b57408d71f5e715651fceea5c87ed328c89a9f48"
		   "c0a6b"
		   "69acec98");
	assert_true(gv_esp_key(prk, EX_TAG, GV_SENDER_ID_MAX, 1, key, 36));
	assert_hex(key, 36,
		   "d41fd2b50ff3725b11d0d959188de268"
		   "667af1848094fadd0783847d1a1df225"
		   "d6864478");
	/* A Sender-ID of more than 24 bits would repeat another's key. */
	assert_false(gv_esp_key(prk, EX_TAG, GV_SENDER_ID_MAX + 1, 1, key, 36));
	assert_false(gv_esp_key(prk, EX_TAG, 1, GV_SENDER_ID_MAX + 1, key, 36));
	assert_true(all_zero(key, 36));
}

/* Each input takes part in the key. */
static void esp_keys_differ(void **state)
{
	static const struct {
		uint32_t group, epoch;
		uint8_t gsk, tag;
		uint32_t sender, receiver;
	} in[] = {
		{100, 7, 0, 0x21, 17, 18},     {101, 7, 0, 0x21, 17, 18},
		{100, 8, 0, 0x21, 17, 18},     {100, 7, 1, 0x21, 17, 18},
		{100, 7, 0, 0x22, 17, 18},     {100, 7, 0, 0x21, 18, 17},
		{100, 7, 0, 0x21, 17, 17},     {100, 7, 0, 0x21, 0x1100, 18},
		{100, 7, 0, 0x21, 17, 0x1200}, {7, 100, 0, 0x21, 17, 18},
	};
	uint8_t keys[ARRAY_LEN(in)][36];

	for (size_t i = 0; i < ARRAY_LEN(in); i++) {
		uint8_t gsk[32], prk[32];

		ramp(gsk, in[i].gsk);
		assert_true(gv_prk(in[i].group, in[i].epoch, gsk, prk));
		assert_true(gv_esp_key(prk, in[i].tag, in[i].sender,
				       in[i].receiver, keys[i], 36));
		for (size_t j = 0; j < i; j++)
			assert_memory_not_equal(keys[i], keys[j], 36);
	}
}

static void route_keys_differ(void **state)
{
	uint8_t secret[32], other[32], keys[8][32];

	ramp(secret, 0);
	ramp(other, 1);
	assert_true(gv_mac_key(1, secret, keys[0]));
	assert_true(gv_mac_key(2, secret, keys[1]));
	assert_true(gv_mac_key(1, other, keys[2]));
	assert_true(gv_nlri_key(1, secret, 1, 1, keys[3]));
	assert_true(gv_nlri_key(2, secret, 1, 1, keys[4]));
	assert_true(gv_nlri_key(1, other, 1, 1, keys[5]));
	assert_true(gv_nlri_key(1, secret, 2, 1, keys[6]));
	assert_true(gv_nlri_key(1, secret, 1, 2, keys[7]));
	for (size_t i = 0; i < 8; i++)
		for (size_t j = 0; j < i; j++)
			assert_memory_not_equal(keys[i], keys[j], 32);
}

static void spis(void **state)
{
	assert_int_equal(gv_spi(0x21, 0x0a0b0c), 0x210a0b0c);
	assert_int_equal(gv_spi(GV_TAG_MAX, GV_SENDER_ID_MAX), 0xbfffffff);
	assert_int_equal(gv_spi(GV_TAG_MIN, 0), 0x10000000);
	assert_int_equal(gv_spi_tag(0x210a0b0c), 0x21);
	assert_int_equal(gv_spi_sender(0x210a0b0c), 0x0a0b0c);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(example_keys),
		cmocka_unit_test(esp_key_lengths),
		cmocka_unit_test(esp_keys_differ),
		cmocka_unit_test(route_keys_differ),
		cmocka_unit_test(spis),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
