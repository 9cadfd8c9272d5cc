// SPDX-License-Identifier: GPL-2.0-or-later
/* The bounded reader and writer, addresses and names. */
#include "unit.h"

#include "bytes.h"

static void reader_reads_network_order(void **state)
{
	static const uint8_t data[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,
				       10, 11, 12, 13, 14, 15, 16, 17, 18};
	struct gv_reader r;

	gv_reader_init(&r, data, sizeof(data));
	assert_int_equal(gv_get8(&r), 0x01);
	assert_int_equal(gv_get16(&r), 0x0203);
	assert_int_equal(gv_get24(&r), 0x040506);
	assert_int_equal(gv_get32(&r), 0x0708090a);
	assert_true(gv_get64(&r) == 0x0b0c0d0e0f101112);
	assert_true(gv_reader_done(&r));
	assert_non_null(gv_get_bytes(&r, 0));
	assert_true(gv_reader_done(&r));
}

static void reader_stays_failed(void **state)
{
	static const uint8_t data[] = {1, 2, 3};
	struct gv_reader r, sub;

	gv_reader_init(&r, data, sizeof(data));
	assert_int_equal(gv_get8(&r), 1);
	assert_int_equal(gv_get32(&r), 0);
	assert_false(r.ok);
	assert_int_equal(gv_get8(&r), 0);
	assert_null(gv_get_bytes(&r, 0));
	assert_false(gv_get_sub(&r, 0, &sub));
	assert_false(sub.ok);
	assert_int_equal(gv_get8(&sub), 0);
	assert_false(gv_reader_done(&r));
}

static void reader_cuts_sub_readers(void **state)
{
	static const uint8_t data[] = {1, 2, 3, 4};
	struct gv_reader r, sub;

	gv_reader_init(&r, data, sizeof(data));
	assert_true(gv_get_sub(&r, 3, &sub));
	assert_int_equal(gv_get24(&sub), 0x010203);
	assert_true(gv_reader_done(&sub));
	assert_false(gv_reader_done(&r));
	assert_int_equal(gv_get8(&sub), 0);
	assert_false(sub.ok);
	assert_true(r.ok);
	assert_false(gv_get_sub(&r, 2, &sub));
	assert_false(r.ok);
	assert_false(sub.ok);
}

static void reader_never_trusts_a_length(void **state)
{
	static const uint8_t data[] = {1};
	struct gv_reader r;

	gv_reader_init(&r, data, sizeof(data));
	assert_null(gv_get_bytes(&r, SIZE_MAX));
	assert_false(r.ok);
	gv_reader_init(&r, NULL, 0);
	assert_true(gv_reader_done(&r));
	gv_reader_init(&r, NULL, 1);
	assert_false(gv_reader_done(&r));
}

static void writer_writes_network_order(void **state)
{
	uint8_t buf[18];
	struct gv_writer w;

	gv_writer_init(&w, buf, sizeof(buf));
	gv_put8(&w, 0x01);
	gv_put16(&w, 0x0203);
	gv_put24(&w, 0x040506);
	gv_put32(&w, 0x0708090a);
	gv_put64(&w, 0x0b0c0d0e0f101112);
	assert_true(w.ok);
	assert_hex(buf, w.len, "0102030405060708090a0b0c0d0e0f101112");
	gv_put_bytes(&w, NULL, 0);
	assert_true(w.ok);
	gv_put8(&w, 0);
	assert_false(w.ok);
}

static void writer_stays_failed(void **state)
{
	uint8_t buf[4] = {};
	struct gv_writer w;

	gv_writer_init(&w, buf, 3);
	gv_put32(&w, 0x01020304);
	assert_false(w.ok);
	gv_put8(&w, 1);
	gv_put_bytes(&w, "abc", SIZE_MAX);
	assert_int_equal(w.len, 0);
	assert_true(all_zero(buf, sizeof(buf)));
	/* A value too large for 24 bits is refused, not cut. */
	gv_writer_init(&w, buf, sizeof(buf));
	gv_put24(&w, 0x1000000);
	assert_false(w.ok);
}

static void writer_lengths_nest(void **state)
{
	uint8_t buf[16];
	struct gv_writer w;
	size_t outer, inner;

	gv_writer_init(&w, buf, sizeof(buf));
	gv_put8(&w, 9);
	outer = gv_open16(&w);
	gv_put8(&w, 8);
	inner = gv_open16(&w);
	gv_put16(&w, 0xabcd);
	gv_close16(&w, inner, 0);
	gv_close16(&w, outer, 3);
	assert_true(w.ok);
	assert_hex(buf, w.len, "09 0008 08 0002 abcd");
}

static void writer_refuses_a_length_over_16_bits(void **state)
{
	static uint8_t buf[65600], zero[65536];
	struct gv_writer w;
	size_t mark;

	gv_writer_init(&w, buf, sizeof(buf));
	mark = gv_open16(&w);
	gv_put_bytes(&w, zero, UINT16_MAX);
	gv_close16(&w, mark, 0);
	assert_true(w.ok);
	gv_close16(&w, mark, 1);
	assert_false(w.ok);
}

static void addresses(void **state)
{
	static const char *const good[] = {"0.0.0.0", "192.0.2.5",
					   "::", "2001:db8::5"};
	static const char *const bad[] = {"",
					  "192.0.2",
					  "192.0.2.5 ",
					  "192.0.2.256",
					  "2001:db8::g",
					  "fe80::1%eth0"};
	struct gv_addr a = {}, b, before = {};
	char buf[GV_ADDR_STRLEN];

	assert_string_equal(gv_addr_print(&a, buf, sizeof(buf)), "none");
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_true(gv_addr_parse(good[i], &a));
		assert_string_equal(gv_addr_print(&a, buf, sizeof(buf)),
				    good[i]);
		b = a;
		assert_true(gv_addr_equal(&a, &b));
		/* They rise. */
		assert_true(i == 0 || gv_addr_cmp(&before, &a) < 0);
		before = a;
		b.bytes[a.len - 1] ^= 1;
		assert_false(gv_addr_equal(&a, &b));
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(gv_addr_parse(bad[i], &b));
	/* The same octets in two families are two addresses. */
	a = addr("0.0.0.0");
	b = addr("::");
	assert_false(gv_addr_equal(&a, &b));
	/* Octets after len do not count. */
	b = a;
	b.bytes[4] = 1;
	assert_true(gv_addr_equal(&a, &b));
}

static void names(void **state)
{
	assert_true(gv_name_valid("blue", 31));
	assert_true(gv_name_valid("B_l-u.e9", 31));
	assert_true(gv_name_valid("123456789012345", GV_IFNAME_MAX));
	assert_false(gv_name_valid("1234567890123456", GV_IFNAME_MAX));
	assert_false(gv_name_valid("", 31));
	assert_false(gv_name_valid("-blue", 31));
	assert_false(gv_name_valid("..", 31));
	assert_false(gv_name_valid("a b", 31));
	assert_false(gv_name_valid("a/b", 31));
	assert_false(gv_name_valid("a\n", 31));
	assert_false(gv_name_valid("\xc3\xa4", 31));
}

static void peers(void **state)
{
	struct gv_addr gateway = addr("192.0.2.5");

	assert_true(gv_peers_name("", "a", "", &gateway));
	assert_true(gv_peers_name("a", "a", "", &gateway));
	assert_true(gv_peers_name("x,A", "a", "", &gateway));
	assert_true(gv_peers_name("x,192.0.2.5,y", "a", "", &gateway));
	assert_false(gv_peers_name("x", "a", "", &gateway));
	assert_false(gv_peers_name("aa,b", "a", "", &gateway));
	assert_false(gv_peers_name("a b", "a", "", &gateway));
	assert_false(gv_peers_name("192.0.2.50,192.0.2", "a", "", &gateway));
	assert_false(gv_peers_name(",", "a", "", &gateway));
	assert_true(gv_peers_name("x,HQ", "a", "hq", &gateway));
	assert_false(gv_peers_name("x,h", "a", "hq", &gateway));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(reader_reads_network_order),
		cmocka_unit_test(reader_stays_failed),
		cmocka_unit_test(reader_cuts_sub_readers),
		cmocka_unit_test(reader_never_trusts_a_length),
		cmocka_unit_test(writer_writes_network_order),
		cmocka_unit_test(writer_stays_failed),
		cmocka_unit_test(writer_lengths_nest),
		cmocka_unit_test(writer_refuses_a_length_over_16_bits),
		cmocka_unit_test(addresses),
		cmocka_unit_test(names),
		cmocka_unit_test(peers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
