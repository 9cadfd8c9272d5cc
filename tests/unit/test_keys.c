// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The key schedule.  The frozen values were computed by an implementation of
 * doc/protocol.md in another language; example_keys is the document's.
 */
#include "unit.h"

#include "keys.h"

static void example_keys(void **state)
{
	uint8_t gsk[32], route_secret[32], prk[32], key[36];

	ramp(gsk, EX_GSK_FIRST);
	ramp(route_secret, EX_ROUTE_SECRET_FIRST);
	assert_true(gv_prk(EX_GROUP, EX_EPOCH, gsk, prk));
	assert_hex(prk, sizeof(prk),
		   "cc7bb5e66948ced012fa7f2c86d4b11e"
		   "6f0c05879db8267b30f9b8dcc76c113e");
	assert_int_equal(gv_spi(EX_TAG, EX_SENDER), 0x21000011);
	assert_int_equal(gv_spi(EX_TAG, EX_RECEIVER), 0x21000012);
	assert_true(gv_esp_key(prk, EX_TAG, EX_SENDER, EX_RECEIVER, key, 36));
	assert_hex(key, 36,
		   "81334025b7da7b86e45d4b5c0aba049f"
		   "b9d7480c2ab14be15f43534310b8c196"
		   "1b0e8a43");
	assert_true(gv_esp_key(prk, EX_TAG, EX_RECEIVER, EX_SENDER, key, 36));
	assert_hex(key, 36,
		   "0d5f34c62cf7d5beaea84188e081c980"
		   "12b5384bae4838e82e2aeda89cff86bf"
		   "9d0e389d");
	assert_true(gv_mac_key(EX_GROUP, route_secret, key));
	assert_hex(key, 32,
		   "d6ad475023f6a868c79ec14e0d11d0e3"
		   "61fa820d9e9ba6120b1d85240dc568fa");
	assert_true(gv_nlri_key(EX_GROUP, route_secret, EX_MEMBER,
				EX_ROUTE_EPOCH, key));
	assert_hex(key, 32,
		   "d207d2dfb04f4b52a83c709a45c6cf09"
		   "f89250d92666105e51e84947f653d442");
}

static void esp_key_lengths(void **state)
{
	uint8_t gsk[32], prk[32], key[68];

	ramp(gsk, EX_GSK_FIRST);
	assert_true(gv_prk(EX_GROUP, EX_EPOCH, gsk, prk));
	assert_true(gv_esp_key(prk, EX_TAG, EX_SENDER, EX_RECEIVER, key, 20));
	assert_hex(key, 20, "81334025b7da7b86e45d4b5c0aba049fb9d7480c");
	assert_true(gv_esp_key(prk, EX_TAG, EX_SENDER, EX_RECEIVER, key, 68));
	assert_hex(key, 68,
		   "81334025b7da7b86e45d4b5c0aba049fb9d7480c2ab14be15f43534310b"
		   "8c196"
		   "1b0e8a431e4b1cf813759c6b999dfb727cef8d81e2070f0fc08f46ff07f"
		   "99724"
		   "b97d282d");
	assert_true(gv_esp_key(prk, EX_TAG, GV_SENDER_ID_MAX, 1, key, 36));
	assert_hex(key, 36,
		   "e599ebf6dd9001f5fe610a5272af1031"
		   "22429a9f2aed2b6002b418ad8337c54e"
		   "07a66879");
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
