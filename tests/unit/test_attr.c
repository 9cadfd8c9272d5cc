// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The BGP group attribute: the examples of doc/protocol.md (example_*), round
 * trips, truncation, bit flips, and TLVs that are malformed, misplaced or
 * unknown in every position.
 */
#include "unit.h"

#include "attr.h"
#include "crypto.h"
#include "keys.h"
#include "rekey.h"

#define DESCRIPTOR "0101 0000 00000064 0000 000000 00 00000003"
#define MEMBER "0102 0000 00000064 0005 000011 00 00000003"
#define ROUTES "0103 0000 00000064 0005 000011 00 00000003"
#define GATEWAY "01 0004 c0000205"
#define GATEWAY_6 "01 0010 20010db8000000000000000000000005"
#define SEALED "02 0000"
#define REKEY "03 0004 deadbeef"
#define UNKNOWN "fe 0003 aabbcc"
#define EMPTY "fd 0000"
#define NO_MAC "00000000 00000000 00000000 00000000"

static uint8_t mac_key[32];

static int setup(void **state)
{
	uint8_t secret[32];

	ramp(secret, EX_ROUTE_SECRET_FIRST);
	return gv_mac_key(EX_GROUP, secret, mac_key) ? 0 : -1;
}

static struct gv_attr descriptor(void)
{
	return (struct gv_attr){
		.kind = GV_KIND_DESCRIPTOR,
		.group_id = EX_GROUP,
		.route_epoch = EX_ROUTE_EPOCH,
		.gateway = addr("192.0.2.1"),
	};
}

static struct gv_attr member(void)
{
	return (struct gv_attr){
		.kind = GV_KIND_MEMBER,
		.group_id = EX_GROUP,
		.member_id = EX_MEMBER,
		.sender_id = EX_SENDER,
		.route_epoch = EX_ROUTE_EPOCH,
		.gateway = addr("192.0.2.5"),
	};
}

static struct gv_attr routes(void)
{
	struct gv_attr attr = member();

	attr.kind = GV_KIND_ROUTES;
	attr.sealed = true;
	return attr;
}

static void assert_attr(const struct gv_attr *a, const struct gv_attr *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->group_id, b->group_id);
	assert_int_equal(a->member_id, b->member_id);
	assert_int_equal(a->sender_id, b->sender_id);
	assert_int_equal(a->route_epoch, b->route_epoch);
	assert_true(gv_addr_equal(&a->gateway, &b->gateway));
	assert_int_equal(a->sealed, b->sealed);
	assert_int_equal(a->rekey_len, b->rekey_len);
	assert_int_equal(a->rekey == NULL, b->rekey == NULL);
	if (a->rekey)
		assert_memory_equal(a->rekey, b->rekey, a->rekey_len);
}

/* Encodes to hex, decodes and verifies what came out. */
static void encodes_to(const struct gv_attr *attr, const char *hex)
{
	uint8_t value[GV_ATTR_MAX];
	size_t len = gv_attr_encode(attr, mac_key, value, sizeof(value));
	uint8_t *copy = exact(value, len);
	struct gv_attr back;

	assert_hex(value, len, hex);
	assert_int_equal(gv_attr_decode(copy, len, &back), GV_ATTR_OK);
	assert_attr(attr, &back);
	assert_int_equal(gv_attr_verify(copy, len, mac_key), GV_ATTR_OK);
	free(copy);
}

static void example_descriptor(void **state)
{
	struct gv_attr attr = descriptor();

	encodes_to(&attr, DESCRIPTOR "01 0004 c0000201"
				     "fe6719b32fc3b3c9e29daa74eee7b269");
	attr.rekey = (const uint8_t *)"\xde\xad\xbe\xef";
	attr.rekey_len = 4;
	encodes_to(&attr, DESCRIPTOR "01 0004 c0000201" REKEY
				     "41e8f5363e074394839429968a6460ff");
}

static void example_member(void **state)
{
	struct gv_attr attr = member();

	encodes_to(&attr, MEMBER GATEWAY "8b5c4fa7e965c18a8336cd8c3ef5963d");
}

static void example_routes(void **state)
{
	struct gv_attr attr = routes();

	encodes_to(&attr,
		   ROUTES GATEWAY SEALED "1437b4a2f38ad86d5cb7f3a322b383dc");
	attr.gateway = addr("2001:db8::5");
	encodes_to(&attr,
		   ROUTES GATEWAY_6 SEALED "9d41759cb79e3cdf4d366791cf071013");
}

/* What belongs to sealed routes: round trip, and wrong lengths. */
static void sealed_tlvs(void **state)
{
	uint8_t octets[GV_SIV_LEN + GV_INNER_MAX], value[GV_ATTR_MAX];
	struct gv_attr attr = routes(), back;
	size_t len;

	random_fill(octets, sizeof(octets));
	attr.prefix = octets;
	attr.inner = octets;
	for (attr.inner_len = GV_SIV_LEN + 1; attr.inner_len <= sizeof(octets);
	     attr.inner_len += 341) {
		len = gv_attr_encode(&attr, mac_key, value, sizeof(value));
		assert_true(len > 0);
		assert_int_equal(gv_attr_decode(value, len, &back), GV_ATTR_OK);
		assert_attr(&attr, &back);
		assert_memory_equal(back.prefix, octets, GV_SEALED_PREFIX_LEN);
		assert_int_equal(back.inner_len, attr.inner_len);
		assert_memory_equal(back.inner, octets, back.inner_len);
	}
	/* The PREFIX after header, GATEWAY and SEALED: one octet less. */
	assert_int_equal(value[28], GV_TLV_PREFIX);
	value[30]--;
	assert_int_not_equal(gv_attr_decode(value, len, &back), GV_ATTR_OK);
}

static void range_ends(void **state)
{
	struct gv_attr attr = member(), back;
	uint8_t value[GV_ATTR_MAX];
	size_t len;

	attr.group_id = UINT32_MAX;
	attr.member_id = UINT16_MAX;
	attr.sender_id = GV_SENDER_ID_MAX;
	attr.route_epoch = UINT32_MAX;
	len = gv_attr_encode(&attr, mac_key, value, sizeof(value));
	assert_true(len > 0);
	assert_int_equal(gv_attr_decode(value, len, &back), GV_ATTR_OK);
	assert_attr(&attr, &back);
	attr.group_id = attr.member_id = attr.sender_id = 1;
	attr.route_epoch = 0;
	len = gv_attr_encode(&attr, mac_key, value, sizeof(value));
	assert_int_equal(gv_attr_decode(value, len, &back), GV_ATTR_OK);
	assert_attr(&attr, &back);
}

static void the_largest(void **state)
{
	static uint8_t rekey[GV_ATTR_MAX], value[2 * GV_ATTR_MAX];
	/* header, gateway, rekey's header, MAC */
	const size_t overhead = 18 + 19 + 3 + 16;
	struct gv_attr attr = descriptor(), back;

	attr.gateway = addr("2001:db8::5");
	attr.rekey = rekey;
	attr.rekey_len = GV_ATTR_MAX - overhead;
	assert_int_equal(gv_attr_encode(&attr, mac_key, value, sizeof(value)),
			 GV_ATTR_MAX);
	assert_int_equal(gv_attr_decode(value, GV_ATTR_MAX, &back), GV_ATTR_OK);
	assert_attr(&attr, &back);
	value[18 + 19 + 2]++; /* one more octet in REKEY */
	assert_int_equal(gv_attr_decode(value, GV_ATTR_MAX + 1, &back),
			 GV_ATTR_BAD_TLV);
	assert_int_equal(gv_attr_encode(&attr, mac_key, value, GV_ATTR_MAX - 1),
			 0);
	attr.rekey_len++;
	assert_int_equal(gv_attr_encode(&attr, mac_key, value, sizeof(value)),
			 0);
}

/* What GSA_REKEY messages take at most, where the attribute has more room. */
static void rekey_octets(void **state)
{
	static uint8_t octets[GV_ATTR_MAX];
	static const size_t too_many[] = {GV_REKEY_PART_MAX + 1,
					  GV_REKEY_PART_MAX + 12};
	struct gv_attr attr = descriptor(), back;
	uint8_t value[GV_ATTR_MAX];
	const size_t at = 18 + 7; /* behind header and gateway */
	size_t len;

	attr.rekey = octets;
	attr.rekey_len = GV_REKEY_PART_MAX;
	len = gv_attr_encode(&attr, mac_key, value, sizeof(value));
	assert_int_equal(len, at + 3 + GV_REKEY_PART_MAX + 16);
	assert_int_equal(gv_attr_decode(value, len, &back), GV_ATTR_OK);
	assert_attr(&attr, &back);
	for (size_t i = 0; i < ARRAY_LEN(too_many); i++) {
		attr.rekey_len = too_many[i];
		assert_int_equal(
			gv_attr_encode(&attr, mac_key, value, sizeof(value)),
			0);
		value[at + 1] = too_many[i] >> 8;
		value[at + 2] = too_many[i] & 0xff;
		len = at + 3 + too_many[i] + 16;
		assert_true(len <= sizeof(value));
		assert_int_equal(gv_attr_decode(value, len, &back),
				 GV_ATTR_BAD_TLV);
	}
}

static void refuses_to_encode(void **state)
{
	struct gv_attr bad[30];
	uint8_t value[GV_ATTR_MAX];
	size_t n = 0;

	bad[n] = member(), bad[n++].kind = 0;
	bad[n] = member(), bad[n++].kind = 4;
	bad[n] = member(), bad[n++].group_id = 0;
	bad[n] = member(), bad[n++].member_id = 0;
	bad[n] = member(), bad[n++].sender_id = 0;
	bad[n] = member(), bad[n++].sender_id = GV_SENDER_ID_MAX + 1;
	bad[n] = member(), bad[n++].gateway.len = 0;
	bad[n] = member(), bad[n++].gateway.len = 5;
	bad[n] = member(), bad[n++].gateway = addr("0.0.0.0");
	bad[n] = member(), bad[n++].gateway = addr("::");
	bad[n] = member(), bad[n++].sealed = true;
	bad[n] = member(), bad[n].rekey = value, bad[n++].rekey_len = 1;
	bad[n] = descriptor(), bad[n++].member_id = 1;
	bad[n] = descriptor(), bad[n++].sender_id = 1;
	bad[n] = descriptor(), bad[n++].sealed = true;
	bad[n] = descriptor(), bad[n].rekey = value, bad[n++].rekey_len = 0;
	bad[n] = routes(), bad[n].rekey = value, bad[n++].rekey_len = 1;
	bad[n] = member(), bad[n++].prefix = value;
	bad[n] = descriptor(), bad[n++].prefix = value;
	bad[n] = routes(), bad[n].sealed = false, bad[n++].prefix = value;
	bad[n] = routes(), bad[n].inner = value, bad[n++].inner_len = 16;
	bad[n] = routes(), bad[n].inner = value, bad[n++].inner_len = 1041;
	bad[n] = member(), bad[n].inner = value, bad[n++].inner_len = 17;
	for (size_t i = 0; i < n; i++)
		assert_int_equal(
			gv_attr_encode(&bad[i], mac_key, value, sizeof(value)),
			0);
}

static void fits_or_fails(void **state)
{
	struct gv_attr attr = routes();
	uint8_t value[GV_ATTR_MAX];
	size_t len = gv_attr_encode(&attr, mac_key, value, sizeof(value));

	for (size_t size = 0; size < len; size++) {
		uint8_t *small = exact(value, size);

		assert_int_equal(gv_attr_encode(&attr, mac_key, small, size),
				 0);
		free(small);
	}
}

static enum gv_attr_error decode_hex(const char *hex)
{
	uint8_t value[256];
	size_t len = unhex(hex, value, sizeof(value));
	uint8_t *copy = exact(value, len);
	struct gv_attr attr, before;
	enum gv_attr_error error;

	memset(&attr, 0xa5, sizeof(attr));
	before = attr;
	error = gv_attr_decode(copy, len, &attr);
	if (error != GV_ATTR_OK)
		assert_memory_equal(&attr, &before, sizeof(attr));
	free(copy);
	return error;
}

static void malformed(void **state)
{
	static const struct {
		const char *hex;
		enum gv_attr_error error;
	} cases[] = {
		{"", GV_ATTR_TRUNCATED},
		{MEMBER, GV_ATTR_TRUNCATED},
		{MEMBER NO_MAC, GV_ATTR_BAD_TLV}, /* no gateway */
		{"0002 0000 00000064 0005 000011 00 00000003" GATEWAY NO_MAC,
		 GV_ATTR_BAD_VERSION},
		{"0202 0000 00000064 0005 000011 00 00000003" GATEWAY NO_MAC,
		 GV_ATTR_BAD_VERSION},
		{"0100 0000 00000064 0005 000011 00 00000003" GATEWAY NO_MAC,
		 GV_ATTR_BAD_KIND},
		{"0104 0000 00000064 0005 000011 00 00000003" GATEWAY NO_MAC,
		 GV_ATTR_BAD_KIND},
		{"0102 0000 00000000 0005 000011 00 00000003" GATEWAY NO_MAC,
		 GV_ATTR_BAD_ID},
		{"0102 0000 00000064 0000 000011 00 00000003" GATEWAY NO_MAC,
		 GV_ATTR_BAD_ID},
		{"0102 0000 00000064 0005 000000 00 00000003" GATEWAY NO_MAC,
		 GV_ATTR_BAD_ID},
		{"0101 0000 00000064 0005 000000 00 00000003" GATEWAY NO_MAC,
		 GV_ATTR_BAD_ID},
		{"0101 0000 00000064 0000 000011 00 00000003" GATEWAY NO_MAC,
		 GV_ATTR_BAD_ID},
		/* duplicates, in each order */
		{MEMBER GATEWAY GATEWAY NO_MAC, GV_ATTR_BAD_TLV},
		{MEMBER GATEWAY GATEWAY_6 NO_MAC, GV_ATTR_BAD_TLV},
		{ROUTES SEALED GATEWAY SEALED NO_MAC, GV_ATTR_BAD_TLV},
		{ROUTES GATEWAY SEALED SEALED NO_MAC, GV_ATTR_BAD_TLV},
		{DESCRIPTOR GATEWAY REKEY REKEY NO_MAC, GV_ATTR_BAD_TLV},
		/* wrong lengths */
		{MEMBER "01 0000" NO_MAC, GV_ATTR_BAD_TLV},
		{MEMBER "01 0003 c00002" NO_MAC, GV_ATTR_BAD_TLV},
		{MEMBER "01 0005 c000020500" NO_MAC, GV_ATTR_BAD_TLV},
		{MEMBER "01 0004 00000000" NO_MAC, GV_ATTR_BAD_TLV},
		{ROUTES GATEWAY "02 0001 00" NO_MAC, GV_ATTR_BAD_TLV},
		{DESCRIPTOR GATEWAY "03 0000" NO_MAC, GV_ATTR_BAD_TLV},
		/* where they have no place */
		{MEMBER GATEWAY SEALED NO_MAC, GV_ATTR_BAD_TLV},
		{DESCRIPTOR GATEWAY SEALED NO_MAC, GV_ATTR_BAD_TLV},
		{MEMBER GATEWAY REKEY NO_MAC, GV_ATTR_BAD_TLV},
		{ROUTES GATEWAY REKEY NO_MAC, GV_ATTR_BAD_TLV},
		/* overruns: into the MAC, and by the header itself */
		{MEMBER "01 0005 c0000205" NO_MAC, GV_ATTR_TRUNCATED},
		{MEMBER "01 ffff c0000205" NO_MAC, GV_ATTR_TRUNCATED},
		{MEMBER GATEWAY "02" NO_MAC, GV_ATTR_TRUNCATED},
		{MEMBER GATEWAY "0200" NO_MAC, GV_ATTR_TRUNCATED},
		{MEMBER GATEWAY "fe 0004 aabbcc" NO_MAC, GV_ATTR_TRUNCATED},
		{MEMBER UNKNOWN "fe ffff" GATEWAY NO_MAC, GV_ATTR_TRUNCATED},
		/* unknown TLVs, flags and reserved bits are not our business */
		{MEMBER UNKNOWN GATEWAY NO_MAC, GV_ATTR_OK},
		{MEMBER GATEWAY UNKNOWN EMPTY UNKNOWN NO_MAC, GV_ATTR_OK},
		{MEMBER "00 0000" GATEWAY NO_MAC, GV_ATTR_OK},
		{ROUTES SEALED UNKNOWN GATEWAY NO_MAC, GV_ATTR_OK},
		{"0102 8001 00000064 0005 000011 ff 00000003" GATEWAY NO_MAC,
		 GV_ATTR_OK},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (decode_hex(cases[i].hex) != cases[i].error)
			fail_msg("%s: want %s, got %s", cases[i].hex,
				 gv_attr_error_text(cases[i].error),
				 gv_attr_error_text(decode_hex(cases[i].hex)));
}

/* 260 is 4 to who takes it for one octet. */
static void gateway_of_260_octets(void **state)
{
	uint8_t value[18 + 3 + 260 + 16] = {};
	uint8_t *copy;
	struct gv_attr attr;

	unhex(MEMBER "01 0104 c0000205", value, sizeof(value));
	copy = exact(value, sizeof(value));
	assert_int_equal(gv_attr_decode(copy, sizeof(value), &attr),
			 GV_ATTR_BAD_TLV);
	free(copy);
}

static const struct gv_attr *one_of_each(size_t i)
{
	static struct gv_attr attr[4];

	attr[0] = descriptor();
	attr[1] = member();
	attr[2] = routes();
	attr[3] = descriptor();
	attr[3].rekey = (const uint8_t *)"\xde\xad\xbe\xef";
	attr[3].rekey_len = 4;
	return &attr[i];
}

static void truncation(void **state)
{
	for (size_t i = 0; i < 4; i++) {
		uint8_t value[GV_ATTR_MAX];
		size_t len = gv_attr_encode(one_of_each(i), mac_key, value,
					    sizeof(value));

		for (size_t cut = 0; cut < len; cut++) {
			uint8_t *copy = exact(value, cut);
			struct gv_attr attr;

			gv_attr_decode(copy, cut, &attr);
			assert_int_equal(gv_attr_verify(copy, cut, mac_key),
					 cut < 34 ? GV_ATTR_TRUNCATED
						  : GV_ATTR_BAD_MAC);
			free(copy);
		}
	}
}

static void bit_flips(void **state)
{
	for (size_t i = 0; i < 4; i++) {
		uint8_t value[GV_ATTR_MAX];
		size_t len = gv_attr_encode(one_of_each(i), mac_key, value,
					    sizeof(value));
		uint8_t *copy = exact(value, len);
		struct gv_attr attr;

		for (size_t bit = 0; bit < 8 * len; bit++) {
			copy[bit / 8] ^= 0x80 >> bit % 8;
			gv_attr_decode(copy, len, &attr);
			assert_int_equal(gv_attr_verify(copy, len, mac_key),
					 GV_ATTR_BAD_MAC);
			copy[bit / 8] ^= 0x80 >> bit % 8;
		}
		free(copy);
	}
}

static void another_key(void **state)
{
	struct gv_attr attr = member();
	uint8_t value[GV_ATTR_MAX], secret[32], key[32];
	size_t len = gv_attr_encode(&attr, mac_key, value, sizeof(value));

	ramp(secret, EX_ROUTE_SECRET_FIRST);
	assert_true(gv_mac_key(EX_GROUP + 1, secret, key));
	assert_int_equal(gv_attr_verify(value, len, key), GV_ATTR_BAD_MAC);
	secret[31] ^= 1;
	assert_true(gv_mac_key(EX_GROUP, secret, key));
	assert_int_equal(gv_attr_verify(value, len, key), GV_ATTR_BAD_MAC);
}

static void error_texts(void **state)
{
	for (int i = 0; i < GV_ATTR_ERRORS; i++)
		assert_string_not_equal(gv_attr_error_text(i), "unknown error");
	assert_string_equal(gv_attr_error_text(GV_ATTR_ERRORS),
			    "unknown error");
	assert_string_equal(gv_attr_error_text(-1), "unknown error");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(example_descriptor),
		cmocka_unit_test(example_member),
		cmocka_unit_test(example_routes),
		cmocka_unit_test(sealed_tlvs),
		cmocka_unit_test(range_ends),
		cmocka_unit_test(the_largest),
		cmocka_unit_test(rekey_octets),
		cmocka_unit_test(refuses_to_encode),
		cmocka_unit_test(fits_or_fails),
		cmocka_unit_test(malformed),
		cmocka_unit_test(gateway_of_260_octets),
		cmocka_unit_test(truncation),
		cmocka_unit_test(bit_flips),
		cmocka_unit_test(another_key),
		cmocka_unit_test(error_texts),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
