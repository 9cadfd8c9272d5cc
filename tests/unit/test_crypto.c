// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The primitives against vectors: the inputs of RFC 5869 and RFC 4868 with
 * SHA-512/256, computed apart, and those of FIPS 197 and RFC 5649; their
 * refusals, and their use by several threads.
 */
#include "dump.h"

#include <pthread.h>

#include <openssl/err.h>

#include "crypto.h"

static void hkdf_vectors(void **state)
{
	static const struct {
		const char *ikm, *salt, *info, *prk, *okm;
	} cases[] = {
		{/* A.1 */
		 "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
		 "000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9",
		 "1b5fdfd1e817173b2b6fe97499a49ebc"
		 "45cf216c3f943b3ae682abc17fa0b013",
		 "789a93e567a1861de449342b2d674c0d"
		 "f737fd8adce2a8e1843237c1938ac413"
		 "044b496ce267a198ebe3"},
		{/* A.2 */
		 "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1"
		 "e1f"
		 "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3"
		 "e3f"
		 "404142434445464748494a4b4c4d4e4f",
		 "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7"
		 "e7f"
		 "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9"
		 "e9f"
		 "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
		 "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdc"
		 "ecf"
		 "d0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecede"
		 "eef"
		 "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
		 "15a699c740b8f4a56ba94c2083fa1a1f"
		 "91f6597568cf30ad13ffe78c6f83dc2a",
		 "9fde11a46348ac1abadfd2ffb60d8526583fc83e08b88a6edc2dc695ad615"
		 "de3"
		 "be8ed2e1fe5bc838f7137bd06fb805c54f14c7241a59578def0f45124688c"
		 "557"
		 "b0fb76ec43d2af4584aa44bc4690a7c51a20"},
		{/* A.3 */
		 "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
		 "a457954b03292e63b7463967171d1c0c"
		 "a3ae246b8b967cde4d05ff551cdfc022",
		 "fa6ff45b2fc4f0f49883d9c4c9f9edfb"
		 "53cebb3f9faac571319c7bd17d371a0a"
		 "bca65d85eb3d41495158"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t ikm[80], salt[80], info[80], prk[32], okm[82];
		size_t ikm_len = unhex(cases[i].ikm, ikm, sizeof(ikm));
		size_t salt_len = unhex(cases[i].salt, salt, sizeof(salt));
		size_t info_len = unhex(cases[i].info, info, sizeof(info));
		size_t okm_len = strlen(cases[i].okm) / 2;

		assert_true(gv_hkdf_extract(salt, salt_len, ikm, ikm_len, prk));
		assert_hex(prk, sizeof(prk), cases[i].prk);
		assert_true(gv_hkdf_expand(prk, info, info_len, okm, okm_len));
		assert_hex(okm, okm_len, cases[i].okm);
	}
}

static void hkdf_range(void **state)
{
	static uint8_t out[255 * 32 + 1];
	uint8_t prk[32] = {1}, no_salt[32];

	assert_true(gv_hkdf_expand(prk, NULL, 0, out, 255 * 32));
	memset(out, 0xa5, sizeof(out));
	assert_false(gv_hkdf_expand(prk, NULL, 0, out, sizeof(out)));
	assert_true(all_zero(out, sizeof(out)));
	assert_true(gv_hkdf_extract(NULL, 0, prk, sizeof(prk), no_salt));
	assert_int_equal(ERR_peek_error(), 0);
}

static void hmac_vectors(void **state)
{
	/* The keys and data of RFC 4868 section 2.7.2.1. */
	static const struct {
		const char *key, *data, *mac;
	} cases[] = {
		{"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"
		 "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
		 "4869205468657265", "aaa0fdd1d8016134427d29c723fdbb4d"},
		{"4a6566654a6566654a6566654a656665"
		 "4a6566654a6566654a6566654a656665",
		 "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
		 "056efb4a3d368021b62259f096e7636f"},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		 "dddddddddddddddddddddddddddddddddddddddddddddddddd"
		 "dddddddddddddddddddddddddddddddddddddddddddddddddd",
		 "fb3a9c1f93b893d7717cc3bbe00aa193"},
		{"0102030405060708090a0b0c0d0e0f10"
		 "1112131415161718191a1b1c1d1e1f20",
		 "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
		 "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
		 "b1787ef84e1fc2e80fc8ad654a6596a1"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t key[32], data[64], mac[GV_MAC_LEN];
		size_t len = unhex(cases[i].data, data, sizeof(data));

		unhex(cases[i].key, key, sizeof(key));
		assert_true(gv_hmac(key, data, len, mac));
		assert_hex(mac, sizeof(mac), cases[i].mac);
	}
}

static void hmac_of_nothing(void **state)
{
	uint8_t key[32] = {}, mac[GV_MAC_LEN], same[GV_MAC_LEN];

	assert_true(gv_hmac(key, NULL, 0, mac));
	assert_true(gv_hmac(key, "", 0, same));
	assert_memory_equal(mac, same, sizeof(mac));
}

static void aes_fips197(void **state)
{
	uint8_t key[32], in[16], out[16], back[16];

	/* Appendix C.3 */
	ramp(key, 0);
	unhex("00112233445566778899aabbccddeeff", in, sizeof(in));
	assert_true(gv_aes_block(key, true, in, out));
	assert_hex(out, sizeof(out), "8ea2b7ca516745bfeafc49904b496089");
	assert_true(gv_aes_block(key, false, out, back));
	assert_memory_equal(back, in, sizeof(in));
}

static void wrap_rfc5649(void **state)
{
	/* Section 6 */
	static const struct {
		const char *key, *wrapped;
	} cases[] = {
		{"c37b7e6492584340bed12207808941155068f738",
		 "138bdeaa9b8fa7fc61f97742e72248ee"
		 "5ae6ae5360d1ae6a5f54f373fa543b6a"},
		{"466f7250617369", "afbeb0f07dfbf5419200f2ccb50bb24f"},
	};
	uint8_t kek[24];

	unhex("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8", kek,
	      sizeof(kek));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t key[32], wrapped[40], back[32];
		size_t len = unhex(cases[i].key, key, sizeof(key));
		size_t wrapped_len = sizeof(wrapped), back_len = len;

		assert_true(gv_key_wrap(kek, sizeof(kek), key, len, wrapped,
					&wrapped_len));
		assert_int_equal(wrapped_len, GV_WRAPPED_LEN(len));
		assert_hex(wrapped, wrapped_len, cases[i].wrapped);
		/* No room is needed for the padding. */
		assert_true(gv_key_unwrap(kek, sizeof(kek), wrapped,
					  wrapped_len, back, &back_len));
		assert_hex(back, back_len, cases[i].key);
	}
}

static void wrap_every_length(void **state)
{
	static const size_t kek_lens[] = {16, 24, 32};
	uint8_t kek[32], in[257], wrapped[272], out[256];

	random_fill(kek, sizeof(kek));
	random_fill(in, sizeof(in));
	for (size_t k = 0; k < ARRAY_LEN(kek_lens); k++) {
		for (size_t len = 1; len <= 256; len++) {
			size_t wrapped_len = sizeof(wrapped);
			size_t out_len = sizeof(out);

			assert_true(gv_key_wrap(kek, kek_lens[k], in, len,
						wrapped, &wrapped_len));
			assert_int_equal(wrapped_len, GV_WRAPPED_LEN(len));
			assert_true(gv_key_unwrap(kek, kek_lens[k], wrapped,
						  wrapped_len, out, &out_len));
			assert_int_equal(out_len, len);
			assert_memory_equal(out, in, len);
		}
	}
}

static void wrap_refuses(void **state)
{
	uint8_t kek[32] = {1}, in[257] = {2}, out[300];
	size_t len;

	memset(out, 0xa5, sizeof(out));
	len = sizeof(out);
	assert_false(gv_key_wrap(kek, 32, in, 0, out, &len));
	assert_int_equal(len, 0);
	len = sizeof(out);
	assert_false(gv_key_wrap(kek, 32, in, 257, out, &len));
	len = sizeof(out);
	assert_false(gv_key_wrap(kek, 17, in, 32, out, &len));
	len = 39;
	assert_false(gv_key_wrap(kek, 32, in, 32, out, &len));
	assert_int_equal(len, 0);
	assert_true(all_zero(out, 39));
	assert_int_equal(ERR_peek_error(), 0);
}

static void unwrap_refuses(void **state)
{
	uint8_t kek[32] = {1}, other[32] = {2}, in[32] = {3};
	uint8_t wrapped[40], out[32], large[GV_WRAPPED_LEN(264)] = {};
	size_t wrapped_len = sizeof(wrapped), len = sizeof(out);

	assert_false(gv_key_unwrap(kek, 32, large, sizeof(large), out, &len));
	assert_int_equal(len, 0);
	assert_true(gv_key_wrap(kek, 32, in, 32, wrapped, &wrapped_len));
	for (size_t bit = 0; bit < 8 * wrapped_len; bit++) {
		wrapped[bit / 8] ^= 0x80 >> bit % 8;
		memset(out, 0xa5, sizeof(out));
		len = sizeof(out);
		assert_false(gv_key_unwrap(kek, 32, wrapped, wrapped_len, out,
					   &len));
		assert_int_equal(len, 0);
		assert_true(all_zero(out, sizeof(out)));
		wrapped[bit / 8] ^= 0x80 >> bit % 8;
	}
	for (size_t cut = 0; cut < wrapped_len; cut++) {
		uint8_t *copy = exact(wrapped, cut);

		len = sizeof(out);
		assert_false(gv_key_unwrap(kek, 32, copy, cut, out, &len));
		free(copy);
	}
	len = sizeof(out);
	assert_false(gv_key_unwrap(other, 32, wrapped, wrapped_len, out, &len));
	len = 31;
	assert_false(gv_key_unwrap(kek, 32, wrapped, wrapped_len, out, &len));
	/* The host daemon's error queue is its own. */
	assert_int_equal(ERR_peek_error(), 0);
}

static void the_small_ones(void **state)
{
	uint8_t a[32] = {}, b[32] = {};

	assert_true(gv_random(a, sizeof(a)) && gv_random(b, sizeof(b)));
	assert_memory_not_equal(a, b, sizeof(a));
	assert_false(gv_equal(a, b, sizeof(a)));
	assert_true(gv_equal(a, a, sizeof(a)));
	assert_true(gv_equal(a, b, 0));
	gv_wipe(a, sizeof(a));
	assert_true(all_zero(a, sizeof(a)));
}

/* Neither of the two ways to keep a secret has it in a core dump. */
static void not_in_a_core_dump(void **state)
{
	uint8_t inverted[DUMPED_LEN], *heap = malloc(GV_SECRET_LEN), *secret;

	assert_non_null(heap);
	random_fill(heap, GV_SECRET_LEN);
	invert(inverted, heap);
	assert_true(is_dumped(inverted));
	gv_secret_hide(heap, GV_SECRET_LEN);
	assert_false(is_dumped(inverted));
	secret = gv_secret_new();
	assert_non_null(secret);
	memcpy(secret, heap, GV_SECRET_LEN);
	assert_false(is_dumped(inverted));
	gv_secret_free(secret);
	gv_wipe(heap, GV_SECRET_LEN);
	free(heap);
}

/* Everything once in a loop; the result is the same in every thread. */
static void *use_all(void *arg)
{
	bool *ok = arg;

	*ok = true;
	for (int i = 0; i < 200 && *ok; i++) {
		uint8_t kek[32], prk[32], block[16], wrapped[40], out[32];
		size_t wrapped_len = sizeof(wrapped), len = sizeof(out);

		ramp(kek, 0);
		*ok = gv_hkdf_extract("salt", 4, kek, 32, prk) &&
		      gv_hkdf_expand(prk, "info", 4, kek, 32) &&
		      gv_aes_block(kek, true, prk, block) &&
		      gv_hmac(kek, block, sizeof(block), block) &&
		      gv_key_wrap(kek, 32, prk, 32, wrapped, &wrapped_len) &&
		      gv_key_unwrap(kek, 32, wrapped, wrapped_len, out, &len) &&
		      gv_equal(out, prk, 32);
	}
	return NULL;
}

static void threads(void **state)
{
	pthread_t thread[4];
	bool ok[4];

	for (size_t i = 0; i < ARRAY_LEN(thread); i++)
		assert_int_equal(
			pthread_create(&thread[i], NULL, use_all, &ok[i]), 0);
	for (size_t i = 0; i < ARRAY_LEN(thread); i++) {
		pthread_join(thread[i], NULL);
		assert_true(ok[i]);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(hkdf_vectors),
		cmocka_unit_test(hkdf_range),
		cmocka_unit_test(hmac_vectors),
		cmocka_unit_test(hmac_of_nothing),
		cmocka_unit_test(aes_fips197),
		cmocka_unit_test(wrap_rfc5649),
		cmocka_unit_test(wrap_every_length),
		cmocka_unit_test(wrap_refuses),
		cmocka_unit_test(unwrap_refuses),
		cmocka_unit_test(the_small_ones),
		cmocka_unit_test(not_in_a_core_dump),
		cmocka_unit_test(threads),
	};

	random_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
