// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sizes of ESP keys and packets.  What a packet takes is computed here as RFC
 * 4303 draws it, octet by octet.
 */
#include "unit.h"

#include "esp.h"

#define AES_CBC 12
#define AES_GCM 20
#define CHACHA 28
#define SHA256 12
#define SHA384 13
#define SHA512 14

struct sizes {
	struct gv_esp_proposal esp;
	size_t key_len, integ_len;
	uint32_t iv, align, icv;
};

static const struct sizes known[] = {
	{{AES_GCM, 128, 0, false}, 20, 0, 8, 4, 16},
	{{AES_GCM, 192, 0, false}, 28, 0, 8, 4, 16},
	{{AES_GCM, 256, 0, true}, 36, 0, 8, 4, 16},
	{{CHACHA, 0, 0, false}, 36, 0, 8, 4, 16},
	{{AES_CBC, 128, SHA256, false}, 48, 32, 16, 16, 16},
	{{AES_CBC, 192, SHA256, false}, 56, 32, 16, 16, 16},
	{{AES_CBC, 256, SHA256, true}, 64, 32, 16, 16, 16},
	{{AES_CBC, 128, SHA384, false}, 64, 48, 16, 16, 24},
	{{AES_CBC, 256, SHA384, false}, 80, 48, 16, 16, 24},
	{{AES_CBC, 128, SHA512, false}, 80, 64, 16, 16, 32},
	{{AES_CBC, 256, SHA512, false}, 96, 64, 16, 16, 32},
};

static const struct gv_esp_proposal unknown[] = {
	{AES_GCM, 256, SHA256, false}, /* an AEAD with an integrity algorithm */
	{AES_GCM, 0, 0, false},
	{AES_GCM, 512, 0, false},
	{CHACHA, 256, 0, false},
	{AES_CBC, 256, 0, false}, /* without one */
	{AES_CBC, 256, 2, false}, /* HMAC-SHA1 */
	{AES_CBC, 0, SHA256, false},
	{3, 0, SHA256, false},	/* 3DES */
	{11, 0, SHA256, false}, /* NULL */
	{0, 0, 0, false},
};

static void key_lengths(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		const struct sizes *k = &known[i];

		assert_int_equal(gv_esp_key_len(&k->esp), k->key_len);
		assert_int_equal(gv_esp_integ_key_len(&k->esp), k->integ_len);
		assert_true(k->key_len <= GV_ESP_KEY_MAX);
	}
	for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
		assert_int_equal(gv_esp_key_len(&unknown[i]), 0);
}

static uint32_t packet(const struct sizes *k, bool ipv6, uint32_t payload)
{
	uint32_t body = payload + 2;

	while (body % k->align)
		body++;
	return (ipv6 ? 40 : 20) + 4 + 4 + k->iv + body + k->icv;
}

/* The room is what fits, and one octet more does not. */
static void room_is_exact(void **state)
{
	for (size_t i = 0; i < 2 * ARRAY_LEN(known); i++) {
		const struct sizes *k = &known[i / 2];
		bool ipv6 = i % 2;

		for (uint32_t mtu = 120; mtu <= 1600; mtu++) {
			uint32_t room = gv_esp_room(&k->esp, ipv6, mtu);

			assert_true(packet(k, ipv6, room) <= mtu);
			assert_true(packet(k, ipv6, room + 1) > mtu);
		}
	}
}

static void room_of_a_known_path(void **state)
{
	static const uint32_t want[] = {1446, 1446, 1446, 1446, 1438, 1438,
					1438, 1422, 1422, 1422, 1422};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		assert_int_equal(gv_esp_room(&known[i].esp, false, 1500),
				 want[i]);
}

static void no_room(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		for (uint32_t mtu = 0; mtu <= 52; mtu++)
			assert_int_equal(gv_esp_room(&known[i].esp, false, mtu),
					 0);
	for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
		assert_int_equal(gv_esp_room(&unknown[i], false, 1500), 0);
}

/* So that the one with the least room is the same on every path. */
static void order_is_the_same_on_every_path(void **state)
{
	for (uint32_t mtu = 576; mtu <= 9000; mtu++)
		for (size_t i = 1; i < ARRAY_LEN(known); i++)
			assert_true(gv_esp_room(&known[i].esp, true, mtu) <=
				    gv_esp_room(&known[i - 1].esp, true, mtu));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(key_lengths),
		cmocka_unit_test(room_is_exact),
		cmocka_unit_test(room_of_a_known_path),
		cmocka_unit_test(no_room),
		cmocka_unit_test(order_is_the_same_on_every_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
