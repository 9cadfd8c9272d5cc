/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a GCKS knows of a member's prefixes: claims, announcements of which
 * several mean one prefix, the limits, and what counts as a change.
 */

#include "groupvpn_prefixes.h"

#include "unit.h"

static struct gv_prefix prefix(const char *text)
{
	struct gv_prefix p;

	assert_true(gv_prefix_parse(text, &p));
	return p;
}

/* The n-th of many. */
static struct gv_prefix numbered(u_int n)
{
	struct gv_prefix p = {.family = 6, .len = 128, .bytes = {0x20, 0x01}};

	p.bytes[14] = n >> 8;
	p.bytes[15] = n;
	return p;
}

static void holds(groupvpn_prefixes_t *known, const char *expected)
{
	struct gv_prefix all[GV_PREFIXES_MAX];
	size_t count = known->get(known, all);
	char *text = groupvpn_prefixes_text(all, count);

	assert_string_equal(text ? text : "", expected);
	free(text);
}

static void claims(void **state)
{
	groupvpn_prefixes_t *known = groupvpn_prefixes_create();
	struct gv_prefix two[] = {prefix("10.1.0.0/24"), prefix("10.2.0.0/24")};
	const struct gv_prefix *got;

	assert_false(known->has_changed(known));
	holds(known, "");
	known->claim(known, two, 2);
	assert_true(known->has_changed(known));
	holds(known, "10.1.0.0/24, 10.2.0.0/24");
	assert_int_equal(known->get_claim(known, &got), 2);
	assert_memory_equal(got, two, sizeof(two));
	known->claim(known, two, 2);
	assert_false(known->has_changed(known));
	known->claim(known, two + 1, 1);
	assert_true(known->has_changed(known));
	holds(known, "10.2.0.0/24");
	known->claim(known, NULL, 0);
	assert_true(known->has_changed(known));
	holds(known, "");
	known->destroy(known);
}

static void announcements(void **state)
{
	groupvpn_prefixes_t *known = groupvpn_prefixes_create();
	struct gv_prefix a = numbered(1), b = numbered(2);
	struct gv_prefix one = prefix("10.1.0.0/24"),
			 two = prefix("10.2.0.0/24");

	assert_true(known->hear(known, &a, &one, 7));
	assert_true(known->has_changed(known));
	/* the same, sealed in another route epoch, and then no more in the first */
	assert_true(known->hear(known, &b, &one, 7));
	known->unhear(known, &a);
	known->unhear(known, &a);
	assert_false(known->has_changed(known));
	holds(known, "10.1.0.0/24");
	/* an announcement that means something else than before */
	assert_true(known->hear(known, &b, &two, 7));
	assert_true(known->has_changed(known));
	holds(known, "10.2.0.0/24");
	/* claimed and heard is there once */
	known->claim(known, &two, 1);
	holds(known, "10.2.0.0/24");
	known->unhear(known, &b);
	holds(known, "10.2.0.0/24");
	known->destroy(known);
}

static void clients(void **state)
{
	groupvpn_prefixes_t *known = groupvpn_prefixes_create();
	struct gv_prefix a = numbered(1), b = numbered(2);
	struct gv_prefix one = prefix("10.1.0.0/24"),
			 two = prefix("10.2.0.0/24");

	known->hear(known, &a, &one, 7);
	known->hear(known, &b, &two, 7);
	known->hear(known, &a, &one, 8);
	known->has_changed(known);
	/* what one has heard that is gone holds for a while */
	known->lose(known, 7);
	assert_false(known->has_changed(known));
	holds(known, "10.1.0.0/24, 10.2.0.0/24");
	known->sweep(known);
	assert_true(known->has_changed(known));
	holds(known, "10.1.0.0/24");
	/* and stays if it is heard again */
	known->lose(known, 8);
	known->hear(known, &a, &one, 9);
	known->sweep(known);
	assert_false(known->has_changed(known));
	known->lose(known, 0);
	known->sweep(known);
	holds(known, "");
	known->destroy(known);
}

static void limits(void **state)
{
	groupvpn_prefixes_t *known = groupvpn_prefixes_create();
	struct gv_prefix all[GV_PREFIXES_MAX], p;
	u_int i;

	for (i = GROUPVPN_HEARD_MAX; i > 0; i--) {
		p = numbered(i);
		assert_true(known->hear(known, &p, &p, 1));
	}
	p = numbered(GROUPVPN_HEARD_MAX + 1);
	assert_false(known->hear(known, &p, &p, 1));
	assert_int_equal(known->get(known, all), GROUPVPN_HEARD_MAX);
	for (i = 0; i < GV_PREFIXES_MAX; i++) {
		p = numbered(i + 1);
		assert_int_equal(gv_prefix_cmp(&all[i], &p), 0);
	}
	known->destroy(known);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(claims),
		cmocka_unit_test(announcements),
		cmocka_unit_test(clients),
		cmocka_unit_test(limits),
	};
	int failed;

	library_init(NULL, "test_known_prefixes");
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	library_deinit();
	return failed;
}
