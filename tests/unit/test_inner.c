// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Inner attributes: the example of doc/protocol.md, both directions, what is
 * malformed, truncation, bit flips.
 */
#include "unit.h"

#include "inner.h"

#define AS_PATH "02 000e 02 03 0000fde9 0000fdea 00010000"
#define EXAMPLE                                                                \
	"01 0001 02" AS_PATH "04 0004 00000032"                                \
	"08 0008 fde90001 fde90002"                                            \
	"20 000c 0000fde9 00000001 00000002"

static bool decodes(const char *hex, struct gv_inner *inner)
{
	uint8_t buf[GV_INNER_MAX];
	size_t len = unhex(hex, buf, sizeof(buf));
	uint8_t *copy = exact(buf, len);
	bool ok = gv_inner_decode(copy, len, inner);

	free(copy);
	return ok;
}

static void example_inner(void **state)
{
	uint8_t in[GV_INNER_MAX], out[GV_INNER_MAX];
	size_t in_len = unhex(EXAMPLE, in, sizeof(in)), len = sizeof(out);
	struct gv_inner inner;

	assert_true(gv_inner_decode(in, in_len, &inner));
	assert_int_equal(inner.origin, 2);
	assert_true(inner.has_med);
	assert_int_equal(inner.med, 50);
	assert_hex(inner.as_path, inner.as_path_len,
		   "02 03 0000fde9 0000fdea 00010000");
	assert_hex(inner.communities, inner.communities_len,
		   "fde90001 fde90002");
	assert_hex(inner.large, inner.large_len, "0000fde9 00000001 00000002");
	assert_true(gv_inner_encode(&inner, out, &len));
	assert_hex(out, len, EXAMPLE);
}

static void defaults_take_no_room(void **state)
{
	struct gv_inner inner = {.origin = 7};
	uint8_t out[8] = {};
	size_t len = sizeof(out);

	assert_true(gv_inner_decode(out, 0, &inner));
	assert_int_equal(inner.origin, 0);
	assert_false(inner.has_med);
	assert_true(gv_inner_encode(&inner, out, &len));
	assert_int_equal(len, 0);
	/* a MED of 0 is not the same as none */
	inner.has_med = true;
	len = sizeof(out);
	assert_true(gv_inner_encode(&inner, out, &len));
	assert_hex(out, len, "04 0004 00000000");
	len = 6;
	assert_false(gv_inner_encode(&inner, out, &len));
}

static void malformed(void **state)
{
	static const char *const bad[] = {
		"01",
		"01 00",
		"01 0001",
		"01 0000",
		"01 0002 0000",
		"01 0001 03",
		"01 0001 00 01 0001 00",       /* twice */
		"04 0004 00000001 01 0001 00", /* not in order */
		"00 0000",
		"04 0003 000000",
		"04 0005 0000000000",
		"02 0000",
		"02 0001 02",
		"02 0002 0200", /* no AS in a segment */
		"02 0006 00 01 00000001",
		"02 0006 05 01 00000001",
		"02 0005 02 01 000000",
		"02 0007 02 01 00000001 02",
		"02 0006 02 02 00000001",
		"08 0000",
		"08 0003 000000",
		"08 0005 0000000000",
		"20 0000",
		"20 0004 00000000",
	};
	struct gv_inner inner;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (decodes(bad[i], &inner))
			fail_msg("%s", bad[i]);
	/* unknown types are skipped */
	assert_true(decodes("03 0000 07 0002 ffff ff 0001 00", &inner));
}

static void bit_flips(void **state)
{
	uint8_t in[GV_INNER_MAX], out[GV_INNER_MAX];
	size_t in_len = unhex(EXAMPLE, in, sizeof(in)), len;
	struct gv_inner inner;

	for (size_t cut = 0; cut < in_len; cut++) {
		uint8_t *copy = exact(in, cut);

		gv_inner_decode(copy, cut, &inner);
		free(copy);
	}
	for (size_t bit = 0; bit < 8 * in_len; bit++) {
		uint8_t *copy = exact(in, in_len);

		copy[bit / 8] ^= 1 << bit % 8;
		len = sizeof(out);
		if (gv_inner_decode(copy, in_len, &inner))
			assert_true(gv_inner_encode(&inner, out, &len));
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(example_inner),
		cmocka_unit_test(defaults_take_no_room),
		cmocka_unit_test(malformed),
		cmocka_unit_test(bit_flips),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
