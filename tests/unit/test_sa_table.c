// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When a member begins to send with an epoch, and that a core dump has none.
 */
#include "dump.h"

#include "crypto.h"
#include "groupvpn_sa_table.h"
#include "groupvpn_util.h"

#define ATD 10

static groupvpn_sa_table_t *sas;

static int setup(void **state)
{
	sas = groupvpn_sa_table_create();
	return 0;
}

static int teardown(void **state)
{
	sas->destroy(sas);
	return 0;
}

static groupvpn_sa_t *add(uint32_t epoch, uint32_t lifetime, uint64_t now)
{
	struct gv_epoch_sa sa = {
		.epoch = epoch,
		.lifetime = lifetime,
	};
	groupvpn_sa_t *added = sas->add(sas, &sa, now);

	assert_non_null(added);
	added->activates = sas->get_activation(sas, ATD, now);
	added->sending = added->activates <= now;
	return added;
}

static void the_first_at_once(void **state)
{
	uint64_t now = groupvpn_now();

	assert_true(add(1, 100, now)->sending);
	assert_int_equal(add(2, 100, now)->activates, now + ATD * 1000);
}

/* Who registers while an epoch is about to go has less than the delay. */
static void before_the_older_one_ends(void **state)
{
	uint64_t now = groupvpn_now();

	add(1, 7, now);
	assert_int_equal(add(2, 100, now)->activates, now + 6000);
}

static void at_once_if_there_is_no_time(void **state)
{
	uint64_t now = groupvpn_now();

	add(1, 1, now);
	assert_true(add(2, 100, now)->sending);
}

static void before_the_older_one_retires(void **state)
{
	uint64_t now = groupvpn_now();

	add(1, 0, now)->retires = now + 5000;
	assert_int_equal(add(2, 100, now)->activates, now + 4000);
}

/* It ends first, but nothing is sent with it. */
static void what_is_not_sent_with_does_not_count(void **state)
{
	uint64_t now = groupvpn_now();

	add(1, 100, now);
	add(2, 3, now);
	assert_int_equal(add(3, 100, now)->activates, now + ATD * 1000);
}

static void not_in_a_core_dump(void **state)
{
	struct gv_epoch_sa sa = {
		.epoch = 1,
	};
	uint8_t inverted[DUMPED_LEN];

	random_seed();
	random_fill(sa.gsk, sizeof(sa.gsk));
	invert(inverted, sa.gsk);
	assert_non_null(sas->add(sas, &sa, groupvpn_now()));
	assert_memory_equal(sas->newest(sas)->sa.gsk, sa.gsk, sizeof(sa.gsk));
	assert_false(is_dumped(inverted));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_first_at_once, setup,
						teardown),
		cmocka_unit_test_setup_teardown(before_the_older_one_ends,
						setup, teardown),
		cmocka_unit_test_setup_teardown(at_once_if_there_is_no_time,
						setup, teardown),
		cmocka_unit_test_setup_teardown(before_the_older_one_retires,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_is_not_sent_with_does_not_count, setup, teardown),
		cmocka_unit_test_setup_teardown(not_in_a_core_dump, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
