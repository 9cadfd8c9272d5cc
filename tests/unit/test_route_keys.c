// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How one route secret of a member follows another.
 */
#include "unit.h"

#include "groupvpn_route_keys.h"
#include "groupvpn_util.h"

static groupvpn_route_keys_t *keys;

static int setup(void **state)
{
	keys = groupvpn_route_keys_create();
	return 0;
}

static int teardown(void **state)
{
	keys->destroy(keys);
	return 0;
}

static bool add(uint32_t epoch, uint64_t activates, uint64_t retires)
{
	uint8_t secret[GV_SECRET_LEN];

	ramp(secret, epoch);
	return keys->add(keys, epoch, secret, activates, retires);
}

static void assert_epochs(uint32_t current, uint32_t other)
{
	assert_int_equal(keys->current(keys)->epoch, current);
	assert_int_equal(keys->other(keys)->epoch, other);
}

static void one_after_the_other(void **state)
{
	uint64_t now = groupvpn_now();

	assert_true(add(3, now + 10000, now + 20000));
	assert_epochs(3, 0); /* the first one at once */
	assert_false(add(3, now, now));
	assert_true(add(4, now + 10000, now + 20000));
	assert_false(add(4, now + 15000, now + 25000));
	assert_epochs(3, 4);
	assert_int_equal(keys->newest(keys)->epoch, 4);
	assert_int_equal(keys->get_deadline(keys), now + 10000);
	assert_true(keys->run(keys, now + 10000));
	assert_epochs(4, 3);
	assert_int_equal(keys->newest(keys)->epoch, 4);
	assert_true(keys->run(keys, now + 20000));
	assert_epochs(4, 0);
	assert_int_equal(keys->get_deadline(keys), GROUPVPN_NEVER);
}

/* A GCKS that has its store again gives the one of before once more. */
static void the_one_before_comes_back(void **state)
{
	uint64_t now = groupvpn_now();

	assert_true(add(3, now, now));
	keys->run(keys, now);
	assert_true(add(9, now, now + 20000));
	assert_epochs(9, 3);
	assert_true(add(3, now, now + 20000));
	assert_epochs(3, 9);
	assert_int_equal(keys->newest(keys)->epoch, 3);
	assert_true(keys->run(keys, now + 20000));
	assert_epochs(3, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_after_the_other, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_one_before_comes_back,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
