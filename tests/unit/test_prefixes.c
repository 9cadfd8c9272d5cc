// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Prefixes as text, claims and lists: the examples of doc/protocol.md, both
 * directions, what is malformed, the limits, truncation, bit flips.
 */
#include "unit.h"

#include "prefixes.h"

#define PREFIXES "0418 0a0102 0630 20010db80001"
#define CLAIM "01 01 0002" PREFIXES
#define LIST                                                                   \
	"01 02 03 00 00000009"                                                 \
	"0005 000011 04 c0000205 0002" PREFIXES "0006 000000 00 0000"

static struct gv_prefix prefix(const char *text)
{
	struct gv_prefix p;

	if (!gv_prefix_parse(text, &p))
		fail_msg("%s", text);
	return p;
}

static enum gv_routes_error claim_error(const char *hex)
{
	static struct gv_prefix prefixes[GV_PREFIXES_MAX];
	uint8_t buf[GV_CLAIM_MAX + 1];
	size_t len = unhex(hex, buf, sizeof(buf)), count = 99;
	uint8_t *copy = exact(buf, len);
	enum gv_routes_error error;

	error = gv_claim_decode(copy, len, prefixes, &count);
	if (error != GV_ROUTES_OK)
		assert_int_equal(count, 0);
	free(copy);
	return error;
}

static enum gv_routes_error list_error(const char *hex)
{
	uint8_t buf[GV_LIST_MAX];
	size_t len = unhex(hex, buf, sizeof(buf));
	uint8_t *copy = exact(buf, len);
	enum gv_routes_error error = gv_list_check(copy, len);

	free(copy);
	return error;
}

static void text(void **state)
{
	static const char *const good[] = {
		"10.1.0.0/24",	   "0.0.0.0/0",	   "192.0.2.5/32",
		"2001:db8:1::/48", "2001:db8::/0", "2001:db8::1/128",
	};
	static const char *const bad[] = {
		"",
		"/",
		"10.1.0.0",
		"10.1.0.0/",
		"10.1.0.0/33",
		"10.1.0/24",
		"10.1.0.0/-1",
		"10.1.0.0/+8",
		"10.1.0.0/24 ",
		" 10.1.0.0/24",
		"10.1.0.0/0024",
		"2001:db8::/129",
		"site/24",
		"/24",
		"10.1.0.0/24/8",
	};
	char buf[GV_PREFIX_STRLEN];
	struct gv_prefix p;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		p = prefix(good[i]);
		assert_string_equal(gv_prefix_print(&p, buf, sizeof(buf)),
				    good[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (gv_prefix_parse(bad[i], &p))
			fail_msg("%s", bad[i]);
}

static void what_may_be_claimed(void **state)
{
	static const struct {
		const char *text;
		enum gv_prefix_error error;
	} cases[] = {
		{"10.1.0.0/24", GV_PREFIX_OK},
		{"10.1.2.3/32", GV_PREFIX_OK},
		{"128.0.0.0/1", GV_PREFIX_OK},
		{"2001:db8::1/128", GV_PREFIX_OK},
		{"fd00::/8", GV_PREFIX_OK},
		{"10.1.2.3/24", GV_PREFIX_HOST_BITS},
		{"10.1.0.128/24", GV_PREFIX_HOST_BITS},
		{"2001:db8::1/127", GV_PREFIX_HOST_BITS},
		{"0.0.0.0/0", GV_PREFIX_DEFAULT},
		{"::/0", GV_PREFIX_DEFAULT},
		{"127.0.0.0/8", GV_PREFIX_NO_UNICAST},
		{"224.0.0.0/4", GV_PREFIX_NO_UNICAST},
		{"0.1.0.0/16", GV_PREFIX_NO_UNICAST},
		{"fe80::/10", GV_PREFIX_NO_UNICAST},
		{"ff00::/8", GV_PREFIX_NO_UNICAST},
		{"::1/128", GV_PREFIX_NO_UNICAST},
	};
	struct gv_prefix p;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		p = prefix(cases[i].text);
		if (gv_prefix_check(&p) != cases[i].error)
			fail_msg("%s: %s", cases[i].text,
				 gv_prefix_error_text(gv_prefix_check(&p)));
	}
	p.family = 5;
	assert_int_equal(gv_prefix_check(&p), GV_PREFIX_LENGTH);
}

static void order_and_cover(void **state)
{
	static const char *const rising[] = {
		"10.0.0.0/8",	"10.0.0.0/16",	 "10.1.0.0/16",
		"192.0.2.0/24", "2001:db8::/32", "2001:db8::/48",
	};
	struct gv_prefix a, b;
	struct gv_addr at = addr("10.1.2.3"), at6 = addr("2001:db8::5");

	for (size_t i = 0; i < ARRAY_LEN(rising); i++)
		for (size_t j = 0; j < ARRAY_LEN(rising); j++) {
			a = prefix(rising[i]);
			b = prefix(rising[j]);
			assert_int_equal(gv_prefix_cmp(&a, &b) < 0, i < j);
			assert_int_equal(gv_prefix_cmp(&a, &b) == 0, i == j);
		}
	a = prefix("10.0.0.0/12");
	b = prefix("10.15.255.0/24");
	assert_true(gv_prefix_covers(&a, &b));
	assert_true(gv_prefix_covers(&a, &a));
	assert_false(gv_prefix_covers(&b, &a));
	b = prefix("10.16.0.0/24");
	assert_false(gv_prefix_covers(&a, &b));
	assert_true(gv_prefix_covers_addr(&a, &at));
	assert_false(gv_prefix_covers_addr(&b, &at));
	assert_false(gv_prefix_covers_addr(&a, &at6));
	a = prefix("2001:db8::/32");
	assert_true(gv_prefix_covers_addr(&a, &at6));
	assert_false(gv_prefix_covers_addr(&a, &at));
	assert_false(gv_prefix_covers_addr(&a, &(struct gv_addr){}));
}

static void example_claim(void **state)
{
	struct gv_prefix prefixes[GV_PREFIXES_MAX] = {
		prefix("10.1.2.0/24"), prefix("2001:db8:1::/48")};
	uint8_t buf[GV_CLAIM_MAX];
	size_t len, count;

	len = gv_claim_encode(prefixes, 2, buf, sizeof(buf));
	assert_hex(buf, len, CLAIM);
	memset(prefixes, 0xff, sizeof(prefixes));
	assert_int_equal(gv_claim_decode(buf, len, prefixes, &count),
			 GV_ROUTES_OK);
	assert_int_equal(count, 2);
	assert_int_equal(gv_claim_encode(prefixes, 2, buf, sizeof(buf)), len);
	assert_hex(buf, len, CLAIM);
	/* No prefix at all: only to hear of the others'. */
	assert_int_equal(claim_error("01 01 0000"), GV_ROUTES_OK);
	/* what does not rise is not encoded */
	prefixes[1] = prefixes[0];
	assert_int_equal(gv_claim_encode(prefixes, 2, buf, sizeof(buf)), 0);
	prefixes[0] = prefix("0.0.0.0/0");
	assert_int_equal(gv_claim_encode(prefixes, 1, buf, sizeof(buf)), 0);
}

static void malformed_claims(void **state)
{
	static const struct {
		const char *hex;
		enum gv_routes_error error;
	} cases[] = {
		{"", GV_ROUTES_TRUNCATED},
		{"01", GV_ROUTES_TRUNCATED},
		{"01 01 00", GV_ROUTES_TRUNCATED},
		{"02 01 0000", GV_ROUTES_BAD_VERSION},
		{"01 02 0000", GV_ROUTES_BAD_KIND},
		{"01 01 0001", GV_ROUTES_TRUNCATED},
		{"01 01 0001 0418 0a01", GV_ROUTES_BAD_PREFIX},
		{"01 01 0001 0518 0a0102", GV_ROUTES_BAD_PREFIX},
		{"01 01 0001 0421 0a01020304", GV_ROUTES_BAD_PREFIX},
		{"01 01 0001 0417 0a0103", GV_ROUTES_BAD_PREFIX},
		{"01 01 0001 0400", GV_ROUTES_BAD_PREFIX},
		{"01 01 0001 0600", GV_ROUTES_BAD_PREFIX},
		{"01 01 0001 0408 7f", GV_ROUTES_BAD_PREFIX},
		{"01 01 0001 0408 0a 00", GV_ROUTES_TRAILING},
		{"01 01 0002 0408 0a 0408 0a", GV_ROUTES_BAD_ORDER},
		{"01 01 0002 0408 0b 0408 0a", GV_ROUTES_BAD_ORDER},
		{"01 01 0101", GV_ROUTES_TOO_MANY},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (claim_error(cases[i].hex) != cases[i].error)
			fail_msg("%s: %s", cases[i].hex,
				 gv_routes_error_text(
					 claim_error(cases[i].hex)));
}

static void example_list(void **state)
{
	struct gv_list_entry entry = {
		.member_id = EX_MEMBER,
		.sender_id = EX_SENDER,
		.gateway = addr("192.0.2.5"),
		.count = 2,
		.prefixes = {prefix("10.1.2.0/24"), prefix("2001:db8:1::/48")},
	};
	struct gv_list_entry gone = {.member_id = 6}, got;
	uint8_t buf[GV_LIST_MAX], flags;
	struct gv_writer w;
	struct gv_reader r;
	uint32_t number;
	size_t len;

	gv_list_begin(&w, buf);
	assert_true(gv_list_add(&w, &entry));
	assert_true(gv_list_add(&w, &gone));
	len = gv_list_end(&w, GV_LIST_BEGIN | GV_LIST_END, 9);
	assert_hex(buf, len, LIST);

	assert_int_equal(gv_list_check(buf, len), GV_ROUTES_OK);
	assert_int_equal(gv_list_open(&r, buf, len, &flags, &number),
			 GV_ROUTES_OK);
	assert_int_equal(flags, GV_LIST_BEGIN | GV_LIST_END);
	assert_int_equal(number, 9);
	assert_int_equal(gv_list_next(&r, &got), GV_ROUTES_OK);
	assert_int_equal(got.member_id, EX_MEMBER);
	assert_int_equal(got.sender_id, EX_SENDER);
	assert_true(gv_addr_equal(&got.gateway, &entry.gateway));
	assert_int_equal(got.count, 2);
	assert_memory_equal(got.prefixes, entry.prefixes,
			    2 * sizeof(*got.prefixes));
	assert_int_equal(gv_list_next(&r, &got), GV_ROUTES_OK);
	assert_int_equal(got.member_id, 6);
	assert_int_equal(got.sender_id, 0);
	assert_int_equal(r.left, 0);
}

static void malformed_lists(void **state)
{
	static const struct {
		const char *hex;
		enum gv_routes_error error;
	} cases[] = {
		{"01 02 00 00 00000001", GV_ROUTES_OK},
		{"01 02 00 00 000000", GV_ROUTES_TRUNCATED},
		{"03 02 00 00 00000001", GV_ROUTES_BAD_VERSION},
		{"01 01 00 00 00000001", GV_ROUTES_BAD_KIND},
		{"01 02 00 00 00000001 00", GV_ROUTES_TRUNCATED},
		{"01 02 00 00 00000001 0000 000011 04 c0000205 0000",
		 GV_ROUTES_BAD_ENTRY},
		{"01 02 00 00 00000001 0005 000011 00 0000",
		 GV_ROUTES_BAD_ENTRY},
		{"01 02 00 00 00000001 0005 000011 05 c000020500 0000",
		 GV_ROUTES_BAD_ENTRY},
		{"01 02 00 00 00000001 0005 000011 11 c0000205 0000",
		 GV_ROUTES_BAD_ENTRY},
		{"01 02 00 00 00000001 0005 000000 04 c0000205 0000",
		 GV_ROUTES_BAD_ENTRY},
		{"01 02 00 00 00000001 0005 000000 00 0001 0408 0a",
		 GV_ROUTES_BAD_ENTRY},
		{"01 02 00 00 00000001 0005 000011 04 c00002",
		 GV_ROUTES_TRUNCATED},
		{"01 02 00 00 00000001 0005 000011 04 c0000205 0001",
		 GV_ROUTES_TRUNCATED},
		{"01 02 00 00 00000001 0005 000011 04 c0000205 0101",
		 GV_ROUTES_TOO_MANY},
		{"01 02 00 00 00000001 0005 000011 04 c0000205 0001 0400",
		 GV_ROUTES_BAD_PREFIX},
	};
	struct gv_list_entry bad = {.member_id = 5, .sender_id = 1u << 24};
	uint8_t buf[GV_LIST_MAX];
	struct gv_writer w;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (list_error(cases[i].hex) != cases[i].error)
			fail_msg(
				"%s: %s", cases[i].hex,
				gv_routes_error_text(list_error(cases[i].hex)));
	gv_list_begin(&w, buf);
	assert_false(gv_list_add(&w, &bad));
	assert_int_equal(w.len, 8);
}

/* The largest claim and the largest entry, and what does not fit behind it. */
static void limits(void **state)
{
	static struct gv_prefix prefixes[GV_PREFIXES_MAX + 1];
	static struct gv_list_entry entry, got;
	uint8_t buf[GV_LIST_MAX], flags;
	struct gv_reader r;
	struct gv_writer w;
	uint32_t number;
	size_t len, count;

	for (size_t i = 0; i <= GV_PREFIXES_MAX; i++) {
		prefixes[i] = prefix("2001:db8::/128");
		prefixes[i].bytes[14] = (i + 1) >> 8;
		prefixes[i].bytes[15] = i + 1;
	}
	len = gv_claim_encode(prefixes, GV_PREFIXES_MAX, buf, sizeof(buf));
	assert_int_equal(len, GV_CLAIM_MAX);
	assert_int_equal(gv_claim_decode(buf, len, entry.prefixes, &count),
			 GV_ROUTES_OK);
	assert_int_equal(count, GV_PREFIXES_MAX);
	assert_int_equal(
		gv_claim_encode(prefixes, GV_PREFIXES_MAX, buf, len - 1), 0);
	assert_int_equal(gv_claim_encode(prefixes, GV_PREFIXES_MAX + 1, buf,
					 sizeof(buf)),
			 0);

	entry.member_id = 1;
	entry.sender_id = 1;
	entry.gateway = addr("2001:db8::1");
	entry.count = count;
	gv_list_begin(&w, buf);
	assert_true(gv_list_add(&w, &entry));
	assert_int_equal(w.len, 8 + GV_LIST_ENTRY_MAX);
	entry.member_id = 2;
	assert_false(gv_list_add(&w, &entry));
	len = gv_list_end(&w, 0, 1);
	assert_int_equal(len, 8 + GV_LIST_ENTRY_MAX);
	assert_int_equal(gv_list_open(&r, buf, len, &flags, &number),
			 GV_ROUTES_OK);
	assert_int_equal(gv_list_next(&r, &got), GV_ROUTES_OK);
	assert_int_equal(got.count, GV_PREFIXES_MAX);
}

static void damage(void **state, const char *hex,
		   enum gv_routes_error (*decode)(const uint8_t *, size_t))
{
	uint8_t in[GV_LIST_MAX];
	size_t len = unhex(hex, in, sizeof(in));

	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *copy = exact(in, cut);

		decode(copy, cut);
		free(copy);
	}
	for (size_t bit = 0; bit < 8 * len; bit++) {
		uint8_t *copy = exact(in, len);

		copy[bit / 8] ^= 1 << bit % 8;
		decode(copy, len);
		free(copy);
	}
}

static enum gv_routes_error decode_claim(const uint8_t *buf, size_t len)
{
	static struct gv_prefix prefixes[GV_PREFIXES_MAX];
	size_t count;

	return gv_claim_decode(buf, len, prefixes, &count);
}

static void bit_flips(void **state)
{
	damage(state, CLAIM, decode_claim);
	damage(state, LIST, gv_list_check);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text),
		cmocka_unit_test(what_may_be_claimed),
		cmocka_unit_test(order_and_cover),
		cmocka_unit_test(example_claim),
		cmocka_unit_test(malformed_claims),
		cmocka_unit_test(example_list),
		cmocka_unit_test(malformed_lists),
		cmocka_unit_test(limits),
		cmocka_unit_test(bit_flips),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
