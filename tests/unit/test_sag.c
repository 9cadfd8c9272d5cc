// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * SAg: what a member says it can do, and whether a policy is among it.
 */
#include "unit.h"

#include "sag.h"

#define AES_CBC 12
#define AES_GCM 20
#define CHACHA 28
#define SHA256 12
#define SHA512 14

static const struct gv_esp_proposal gcm256 = {AES_GCM, 256, 0, false};
static const struct gv_esp_proposal gcm128 = {AES_GCM, 128, 0, false};
static const struct gv_esp_proposal gcm128_esn = {AES_GCM, 128, 0, true};
static const struct gv_esp_proposal chacha = {CHACHA, 0, 0, false};
static const struct gv_esp_proposal cbc = {AES_CBC, 128, SHA256, false};
static const struct gv_esp_proposal cbc_512 = {AES_CBC, 128, SHA512, false};

static size_t encode(const struct gv_esp_proposal *esp, size_t count,
		     unsigned int can, uint8_t *body, size_t size)
{
	memset(body, 0xaa, size);
	return gv_sag_encode(esp, count, can, body, size);
}

/* The example of doc/protocol.md. */
static void example_sag(void **state)
{
	const struct gv_esp_proposal esp[] = {gcm128, cbc};
	uint8_t body[GV_SAG_BODY_MAX(2)];
	size_t len = encode(esp, 2, GV_CAN_SHARED | GV_CAN_REKEY_SA, body,
			    sizeof(body));

	assert_hex(body, len,
		   "0200 0024 01 03 00 03"
		   "0300 000c 0100 0014 800e 0080"
		   "0300 0008 0500 0000"
		   "0000 0008 0500 0001"
		   "0200 0034 01 03 00 05"
		   "0300 000c 0100 000c 800e 0080"
		   "0300 0008 0300 000c"
		   "0300 0008 0500 0000"
		   "0300 0008 0500 0001"
		   "0000 0008 0500 0002"
		   "0000 002f 01 06 00 03"
		   "0300 000c 0100 0014 800e 0100"
		   "0300 0013 0e00 0002 0012 0007 300506032b6570"
		   "0000 0008 0d00 0003");
}

static enum gv_sag_result check(const uint8_t *body, size_t len,
				const struct gv_esp_proposal *esp,
				uint8_t sa_mode)
{
	uint8_t *copy = exact(body, len);
	enum gv_sag_result result = gv_sag_check(copy, len, esp, sa_mode);
	char text[256];

	gv_sag_describe(copy, len, text, sizeof(text));
	free(copy);
	return result;
}

static void policies(void **state)
{
	const struct gv_esp_proposal esp[] = {gcm128, cbc};
	uint8_t body[GV_SAG_BODY_MAX(2)];
	size_t len = encode(esp, 2, GV_CAN_SHARED, body, sizeof(body));

#define CHECK(e, mode) check(body, len, e, mode)
	assert_int_equal(CHECK(&gcm128, GV_SA_DERIVED), GV_SAG_OK);
	assert_int_equal(CHECK(&gcm128_esn, GV_SA_DERIVED), GV_SAG_OK);
	assert_int_equal(CHECK(&cbc, GV_SA_DERIVED), GV_SAG_OK);
	assert_int_equal(CHECK(&cbc, GV_SA_SHARED), GV_SAG_OK);
	assert_int_equal(CHECK(&gcm128, GV_SA_SHARED), GV_SAG_NO_MATCH);
	assert_int_equal(CHECK(&gcm256, GV_SA_DERIVED), GV_SAG_NO_MATCH);
	assert_int_equal(CHECK(&chacha, GV_SA_DERIVED), GV_SAG_NO_MATCH);
	assert_int_equal(CHECK(&cbc_512, GV_SA_DERIVED), GV_SAG_NO_MATCH);
	len = encode(esp, 2, 0, body, sizeof(body));
	assert_int_equal(CHECK(&cbc, GV_SA_SHARED), GV_SAG_NO_MATCH);
#undef CHECK
}

/* As others may write it: all in one proposal, an SPI, what is unknown here. */
static void of_others(void **state)
{
	uint8_t body[256];
	size_t len = unhex("0200 0024 01 02 00 02" /* AH */
			   "0300 0008 0300 000c"
			   "0000 0014 0500 0000 4000 0008 0102030405060708"
			   "0000 0053 02 03 04 08 deadbeef"
			   "0300 000c 0100 0014 800e 0100"
			   "0300 000c 0100 0014 800e 0080"
			   "0300 0008 0100 001c"
			   "0300 0008 0300 000c"
			   "0300 0008 0500 0000"
			   "0300 0008 0500 0002"
			   "0300 0008 ff00 0000"
			   "0000 0009 0100 00",
			   body, sizeof(body));

	/* the last transform is cut short */
	assert_int_equal(check(body, len, &gcm128, GV_SA_DERIVED),
			 GV_SAG_MALFORMED);
	len = unhex("0200 0024 01 02 00 02"
		    "0300 0008 0300 000c"
		    "0000 0014 0500 0000 4000 0008 0102030405060708"
		    "0000 0054 02 03 04 08 deadbeef"
		    "0300 000c 0100 0014 800e 0100"
		    "0300 000c 0100 0014 800e 0080"
		    "0300 0008 0100 001c"
		    "0300 0008 0300 000c"
		    "0300 0008 0500 0000"
		    "0300 0008 0500 0002"
		    "0300 0008 ff00 0000"
		    "0000 0008 0100 000d",
		    body, sizeof(body));
	assert_int_equal(check(body, len, &gcm128, GV_SA_DERIVED), GV_SAG_OK);
	assert_int_equal(check(body, len, &gcm256, GV_SA_DERIVED), GV_SAG_OK);
	assert_int_equal(check(body, len, &chacha, GV_SA_DERIVED), GV_SAG_OK);
	assert_int_equal(check(body, len, &gcm128_esn, GV_SA_DERIVED),
			 GV_SAG_NO_MATCH);
	assert_int_equal(check(body, len, &cbc, GV_SA_DERIVED),
			 GV_SAG_NO_MATCH);
}

/* Every truncation and every single bit flip. */
static void damaged(void **state)
{
	const struct gv_esp_proposal esp[] = {gcm128, cbc, chacha};
	uint8_t body[GV_SAG_BODY_MAX(3)];
	size_t len = encode(esp, 3, GV_CAN_SHARED | GV_CAN_REKEY_SA, body,
			    sizeof(body));

	assert_int_equal(check(body, len, &gcm128, GV_SA_DERIVED), GV_SAG_OK);
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(check(body, cut, &gcm128, GV_SA_DERIVED),
				 GV_SAG_MALFORMED);
	for (size_t bit = 0; bit < 8 * len; bit++) {
		body[bit / 8] ^= 1 << bit % 8;
		check(body, len, &gcm128, GV_SA_DERIVED);
		body[bit / 8] ^= 1 << bit % 8;
	}
	body[len] = 0;
	assert_int_equal(check(body, len + 1, &gcm128, GV_SA_DERIVED),
			 GV_SAG_MALFORMED);
}

static void does_not_fit(void **state)
{
	const struct gv_esp_proposal esp[] = {gcm128, cbc};
	uint8_t body[GV_SAG_BODY_MAX(2)];
	size_t len = encode(esp, 2, GV_CAN_SHARED | GV_CAN_REKEY_SA, body,
			    sizeof(body));

	assert_true(len && len <= sizeof(body));
	for (size_t size = 0; size < len; size++)
		assert_int_equal(encode(esp, 2, GV_CAN_SHARED | GV_CAN_REKEY_SA,
					body, size),
				 0);
	assert_int_equal(encode(esp, 0, GV_CAN_REKEY_SA, body, sizeof(body)),
			 0);
}

static void described(void **state)
{
	const struct gv_esp_proposal esp[] = {gcm128, cbc};
	uint8_t body[GV_SAG_BODY_MAX(2)];
	size_t len = encode(esp, 2, GV_CAN_REKEY_SA, body, sizeof(body));
	const char *whole = "encr 20/128 sn 0+1, encr 12/128 integ 12 sn 0+1";
	char text[64];

	gv_sag_describe(body, len, text, sizeof(text));
	assert_string_equal(text, whole);
	for (size_t size = 1; size < sizeof(text); size++) {
		memset(text, 'x', sizeof(text));
		gv_sag_describe(body, len, text, size);
		assert_true(strlen(text) < size);
		assert_memory_equal(text, whole, strlen(text));
	}
	gv_sag_describe(body, len, NULL, 0);
	gv_sag_describe(body, 3, text, sizeof(text));
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(example_sag),	cmocka_unit_test(policies),
		cmocka_unit_test(of_others),	cmocka_unit_test(damaged),
		cmocka_unit_test(does_not_fit), cmocka_unit_test(described),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
