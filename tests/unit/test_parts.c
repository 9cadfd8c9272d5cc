/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * GSA_REKEY messages that take several descriptors: what is taken apart comes
 * together again from parts in any order, and from nothing less or else.
 */
#include "unit.h"

#include "attr.h"

/* Of 3020 octets 00 01 02 ... */
#define SET "1ed40a14ec639c53"

static uint8_t data[GV_REKEY_MAX + 1];

static int setup(void **state)
{
	random_seed();
	random_fill(data, sizeof(data));
	return 0;
}

static void lengths(void **state)
{
	static const struct {
		size_t len;
		unsigned int count;
	} cases[] = {
		{0, 0},
		{1, 1},
		{GV_REKEY_PART_MAX, 1},
		{GV_REKEY_PART_MAX + 1, 2},
		{2 * GV_PART_LEN, 2},
		{2 * GV_PART_LEN + 1, 3},
		{GV_REKEY_MAX, GV_PARTS_MAX},
		{GV_REKEY_MAX + 1, 0},
	};
	struct gv_part parts[GV_PARTS_MAX];
	uint8_t back[GV_REKEY_MAX];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(gv_parts_split(data, cases[i].len, parts),
				 cases[i].count);
		if (!cases[i].count)
			continue;
		for (unsigned int p = 0; p < cases[i].count; p++)
			assert_true(gv_part_valid(&parts[p]));
		assert_int_equal(
			gv_parts_join(parts, parts, cases[i].count, back),
			cases[i].len);
		assert_memory_equal(back, data, cases[i].len);
	}
}

/* Two sets whose parts BGP brings one by one: one is there, or the other. */
static void all_or_nothing(void **state)
{
	struct gv_part old[GV_PARTS_MAX], new[GV_PARTS_MAX], mixed[16];
	uint8_t back[GV_REKEY_MAX];
	size_t old_len = 4 * GV_PART_LEN, new_len = 4 * GV_PART_LEN - 7;
	unsigned int n;

	/* much of the one is in the other, as with messages */
	assert_int_equal(gv_parts_split(data, old_len, old), 4);
	assert_int_equal(gv_parts_split(data + 7, new_len, new), 4);
	for (unsigned int have = 0; have < 256; have++) {
		n = 0;
		for (unsigned int i = 8; i-- > 0;)
			if (have & 1 << i)
				mixed[n++] = i < 4 ? old[i] : new[i - 4];
		assert_int_equal(gv_parts_join(&old[0], mixed, n, back),
				 (have & 0x0e) == 0x0e ? old_len : 0);
		assert_int_equal(gv_parts_join(&new[0], mixed, n, back),
				 (have & 0xe0) == 0xe0 ? new_len : 0);
	}
}

static void what_does_not_fit_together(void **state)
{
	struct gv_part parts[GV_PARTS_MAX], bad[3];
	uint8_t back[GV_REKEY_MAX], other[GV_PART_LEN];

	assert_int_equal(gv_parts_split(data, 2 * GV_PART_LEN + 10, parts), 3);
	assert_int_equal(gv_parts_join(&parts[1], parts, 3, back), 0);
	/* another content under the same name */
	memcpy(bad, parts, sizeof(bad));
	memcpy(other, bad[1].data, sizeof(other));
	other[5] ^= 1;
	bad[1].data = other;
	assert_int_equal(gv_parts_join(&bad[0], bad, 3, back), 0);
	/* a part that is cut, or of a set of another size */
	memcpy(bad, parts, sizeof(bad));
	bad[1].len--;
	assert_int_equal(gv_parts_join(&bad[0], bad, 3, back), 0);
	memcpy(bad, parts, sizeof(bad));
	bad[2].count = 4;
	assert_int_equal(gv_parts_join(&bad[0], bad, 3, back), 0);
	bad[0].count = GV_PARTS_MAX + 1;
	assert_false(gv_part_valid(&bad[0]));
	bad[0].count = 0;
	assert_false(gv_part_valid(&bad[0]));
	bad[0] = parts[0];
	bad[0].number = bad[0].count;
	assert_false(gv_part_valid(&bad[0]));
}

/* doc/protocol.md: 3010 octets 00 01 02 ... of which the attribute of an IPv6
 * key server would have room for, and 3020 that take two. */
static void example_parts(void **state)
{
	uint8_t octets[3020], mac_key[GV_SECRET_LEN], value[GV_ATTR_MAX];
	struct gv_part parts[GV_PARTS_MAX], back;
	struct gv_attr attr = {
		.kind = GV_KIND_DESCRIPTOR,
		.group_id = EX_GROUP,
		.route_epoch = EX_ROUTE_EPOCH,
		.gateway = addr("192.0.2.1"),
	};
	uint8_t head[64], tail[64];
	size_t len, n;

	for (size_t i = 0; i < sizeof(octets); i++)
		octets[i] = i;
	assert_int_equal(gv_parts_split(octets, 3010, parts), 1);
	assert_int_equal(gv_parts_split(octets, sizeof(octets), parts), 2);
	ramp(mac_key, EX_ROUTE_SECRET_FIRST);
	for (unsigned int i = 0; i < 2; i++) {
		attr.rekey = parts[i].data;
		attr.rekey_len = parts[i].len;
		attr.part_number = i;
		attr.part_count = 2;
		memcpy(attr.part_set, parts[i].set, GV_PART_SET_LEN);
		len = gv_attr_encode(&attr, mac_key, value, sizeof(value));
		n = unhex(i ? "0101 0000 00000064 0000 000000 00 00000003"
			      "01 0004 c0000201  03 0014 b8b9babb"
			    : "0101 0000 00000064 0000 000000 00 00000003"
			      "01 0004 c0000201  03 0bb8 00010203",
			  head, sizeof(head));
		assert_memory_equal(value, head, n);
		n = unhex(i ? "06 000a 01 02" SET : "06 000a 00 02" SET, tail,
			  sizeof(tail));
		assert_memory_equal(value + len - GV_MAC_LEN - n, tail, n);
		assert_int_equal(gv_attr_decode(value, len, &attr), GV_ATTR_OK);
		assert_true(gv_attr_part(&attr, &back));
		assert_int_equal(back.number, i);
		assert_int_equal(back.count, 2);
		assert_int_equal(back.len, parts[i].len);
		assert_memory_equal(back.set, parts[i].set, GV_PART_SET_LEN);
	}
}

/* What is no part, and a part of nothing. */
static void malformed(void **state)
{
	static const char *const bad[] = {
		"03 0001 00 06 000a 00 00 0001020304050607",
		"03 0001 00 06 000a 00 01 0001020304050607",
		"03 0001 00 06 000a 02 02 0001020304050607",
		"03 0001 00 06 000a 08 09 0001020304050607",
		"03 0001 00 06 000a 00 02 0001020304050607", /* not full */
		"06 000a 01 02 0001020304050607",
		"03 0001 00 06 0009 01 02 00010203040506",
		"03 0001 00 06 000a 01 02 0001020304050607"
		"06 000a 01 02 0001020304050607",
	};
	static const char good[] = "03 0001 00 06 000a 01 02 0001020304050607";
	uint8_t value[128];
	struct gv_attr attr;
	size_t head, len;

	head = unhex("0101 0000 00000064 0000 000000 00 00000003"
		     "01 0004 c0000201",
		     value, sizeof(value));
	len = head + unhex(good, value + head, sizeof(value) - head);
	assert_int_equal(gv_attr_decode(value, len + GV_MAC_LEN, &attr),
			 GV_ATTR_OK);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		len = head + unhex(bad[i], value + head, sizeof(value) - head);
		assert_int_equal(gv_attr_decode(value, len + GV_MAC_LEN, &attr),
				 GV_ATTR_BAD_TLV);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lengths),
		cmocka_unit_test(all_or_nothing),
		cmocka_unit_test(what_does_not_fit_together),
		cmocka_unit_test(example_parts),
		cmocka_unit_test(malformed),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
