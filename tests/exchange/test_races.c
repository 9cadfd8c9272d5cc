/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exchanges of a member and the GCKS that cross one another, in each order that
 * a network can bring about: retransmissions, two IKE_SAs of one member, IKE_SAs
 * that are rekeyed or deleted while a registration is under way, and rekeys of
 * the group that meet registrations.
 */
#include "harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static int start(void **state)
{
	gcks_start();
	return 0;
}

static int stop(void **state)
{
	gcks_stop();
	return 0;
}

/**
 * A member that has registered
 */
static end_t registered(end_t *gcks)
{
	end_t member = establish(gcks);

	assert_true(member && *gcks);
	send_registration(member);
	settle();
	assert_int_equal(seen.answers, 1);
	assert_int_equal(seen.sender_id, 1);
	return member;
}

/**
 * The message is there
 */
static message_t *expect(bool request)
{
	message_t *message = take();

	assert_non_null(message);
	assert_int_equal(message->get_request(message), request);
	return message;
}

static void nothing_is_sent()
{
	assert_null(take());
}

/* The same answer, and no second Sender-ID. */
static void retransmitted_request(void **state)
{
	end_t gcks, member = establish(&gcks);
	message_t *request, *again, *answer, *repeated;
	packet_t *one, *two;

	send_registration(member);
	request = expect(TRUE);
	again = copy(request);
	deliver(request);
	answer = expect(FALSE);
	deliver(again);
	repeated = expect(FALSE);
	one = answer->get_packet(answer);
	two = repeated->get_packet(repeated);
	assert_true(chunk_equals(one->get_data(one), two->get_data(two)));
	one->destroy(one);
	two->destroy(two);
	deliver(answer);
	deliver(repeated);
	nothing_is_sent();
	assert_int_equal(seen.answers, 1);
	assert_int_equal(seen.sender_id, 1);
	/* one more shows that the repetition used up none */
	send_registration(member);
	settle();
	assert_int_equal(seen.answers, 2);
	assert_int_equal(seen.sender_id, 2);
	assert_int_equal(seen.member_id, 1);
}

/* The later one counts, and the end of the first changes nothing. */
static void two_ike_sas(void **state)
{
	end_t gcks1, gcks2, member1 = registered(&gcks1), member2;

	member2 = establish(&gcks2);
	send_registration(member2);
	settle();
	assert_int_equal(seen.answers, 2);
	assert_int_equal(seen.member_id, 1);
	assert_int_equal(seen.sender_id, 2);

	send_delete(member1);
	settle();
	assert_false(exists(member1) || exists(gcks1));
	pass_time();
	gcks_rekey();
	settle();
	assert_int_equal(seen.rekeys, 1);
	assert_true(seen.rekey_epoch > seen.epoch);
	assert_true(exists(member2) && exists(gcks2));
}

/* Who comes back before its removal is not removed. */
static void back_before_removal(void **state)
{
	end_t gcks, member = registered(&gcks);

	send_delete(member);
	settle();
	member = establish(&gcks);
	send_registration(member);
	settle();
	assert_int_equal(seen.answers, 2);
	assert_int_equal(seen.member_id, 1);
	pass_time();
	gcks_rekey();
	settle();
	assert_int_equal(seen.rekeys, 1);
}

/* Both registrations are under way at once. */
static void two_registrations_at_once(void **state)
{
	end_t gcks1, gcks2, member1 = establish(&gcks1), member2;
	message_t *first, *second;

	member2 = establish(&gcks2);
	send_registration(member1);
	send_registration(member2);
	first = expect(TRUE);
	second = expect(TRUE);
	deliver(second);
	deliver(first);
	settle();
	assert_int_equal(seen.answers, 2);
	assert_int_equal(seen.member_id, 1);
	/* one push, over the IKE_SA that came last */
	gcks_rekey();
	settle();
	assert_int_equal(seen.rekeys, 1);
	send_delete(gcks1);
	settle();
	pass_time();
	gcks_rekey();
	settle();
	assert_int_equal(seen.rekeys, 1);
}

/* The IKE_SA is rekeyed by the GCKS while the registration is on its way. */
static void ike_rekey_meets_registration(void **state)
{
	end_t gcks, member = establish(&gcks);
	message_t *registration, *rekey;

	send_registration(member);
	registration = expect(TRUE);
	send_ike_rekey(gcks);
	rekey = expect(TRUE);
	deliver(rekey);
	deliver(registration);
	settle();
	pass_time();
	settle();
	assert_int_equal(seen.answers, 1);
	assert_int_equal(seen.sender_id, 1);
	assert_true(successor(member) && successor(gcks));
	/* the registration is the new IKE_SA's */
	gcks_rekey();
	settle();
	assert_int_equal(seen.rekeys, 1);
	assert_int_equal(seen.lost, 0);
}

/* Both ends rekey at once; one of the two new IKE_SAs stays. */
static void simultaneous_ike_rekey(void **state)
{
	end_t gcks, member = registered(&gcks);
	message_t *one, *two;

	send_ike_rekey(member);
	one = expect(TRUE);
	send_ike_rekey(gcks);
	two = expect(TRUE);
	deliver(two);
	deliver(one);
	settle();
	pass_time();
	settle();
	gcks_rekey();
	settle();
	assert_int_equal(seen.rekeys, 1);
	/* it can register again by it */
	assert_true(successor(member));
	send_registration(successor(member));
	settle();
	assert_int_equal(seen.answers, 2);
	assert_int_equal(seen.member_id, 1);
}

/* A rekey of the group and a registration cross: both are answered, and the
 * member ends up with the newest epoch. */
static void rekey_meets_registration(void **state)
{
	end_t gcks, member = registered(&gcks);
	uint32_t first = seen.epoch;
	message_t *push, *again;

	gcks_rekey();
	push = expect(TRUE);
	send_registration(member);
	again = expect(TRUE);
	deliver(again);
	deliver(push);
	settle();
	assert_int_equal(seen.answers, 2);
	assert_int_equal(seen.rekeys, 1);
	assert_true(seen.epoch > first);
	assert_int_equal(seen.rekey_epoch, seen.epoch);
	assert_true(exists(member) && exists(gcks));
	/* the push has been acknowledged: the next one comes */
	gcks_rekey();
	settle();
	assert_int_equal(seen.rekeys, 2);
}

/* A rekey comes before the answer to a registration, which has older keys: the
 * member refuses it then, and is sent it again until it takes it. */
static void refused_rekey(void **state)
{
	end_t gcks, member = registered(&gcks);

	refuse_rekeys = 2;
	gcks_rekey();
	settle();
	assert_int_equal(seen.rekeys, 1);
	nothing_is_sent();
	pass_time();
	settle();
	assert_int_equal(seen.rekeys, 2);
	pass_time();
	settle();
	assert_int_equal(seen.rekeys, 3);
	assert_true(seen.rekey_epoch > seen.epoch);
	/* that was it */
	pass_time();
	settle();
	assert_int_equal(seen.rekeys, 3);
	assert_true(exists(member) && exists(gcks));
}

/* Also if the IKE_SA is another one by then, and not if a registration has
 * brought the keys meanwhile. */
static void refused_rekey_meets_others(void **state)
{
	end_t gcks, member = registered(&gcks);

	refuse_rekeys = 1;
	gcks_rekey();
	settle();
	assert_int_equal(seen.rekeys, 1);
	send_ike_rekey(member);
	settle();
	assert_int_equal(seen.rekeys, 2);
	assert_true(successor(member));

	refuse_rekeys = 1;
	gcks_rekey();
	settle();
	assert_int_equal(seen.rekeys, 3);
	send_registration(successor(member));
	settle();
	pass_time();
	settle();
	assert_int_equal(seen.rekeys, 3);
	assert_int_equal(seen.epoch, seen.rekey_epoch);
}

/* Two rekeys of the group, one of the IKE_SA in between, and the first push
 * lost with the old IKE_SA. */
static void ike_rekey_meets_rekey(void **state)
{
	end_t gcks, member = registered(&gcks);
	message_t *push, *rekey;

	gcks_rekey();
	push = expect(TRUE);
	send_ike_rekey(member);
	rekey = expect(TRUE);
	deliver(rekey);
	push->destroy(push);
	settle();
	pass_time();
	settle();
	gcks_rekey();
	settle();
	assert_true(seen.rekeys >= 1);
	assert_true(seen.rekey_epoch > seen.epoch);
	assert_true(successor(member));
}

/* The GCKS deletes the IKE_SA while the registration is on its way. */
static void delete_meets_registration(void **state)
{
	end_t gcks, member = establish(&gcks);
	message_t *registration, *delete;

	send_registration(member);
	registration = expect(TRUE);
	send_delete(gcks);
	delete = expect(TRUE);
	deliver(delete);
	deliver(registration);
	settle();
	pass_time();
	assert_false(exists(member) || exists(gcks));
	assert_int_equal(seen.answers, 0);
	assert_int_equal(seen.lost, 1);
	/* it took nothing from the next one */
	registered(&gcks);
}

/* The IKE_SA ends after the GCKS has registered the member, before the answer
 * is there. */
static void answer_is_lost(void **state)
{
	end_t gcks, member = establish(&gcks);
	message_t *answer;

	send_registration(member);
	deliver(expect(TRUE));
	answer = expect(FALSE);
	send_delete(member);
	settle();
	answer->destroy(answer);
	assert_int_equal(seen.answers, 0);
	/* whose Sender-ID nobody can tell is not given again */
	member = establish(&gcks);
	send_registration(member);
	settle();
	assert_int_equal(seen.answers, 1);
	assert_int_equal(seen.member_id, 1);
	assert_int_equal(seen.sender_id, 2);
	pass_time();
	gcks_rekey();
	settle();
	assert_int_equal(seen.rekeys, 1);
}

/* The member is gone when the GCKS wants to rekey it. */
static void rekey_of_one_who_left(void **state)
{
	end_t gcks, member = registered(&gcks);
	message_t *push;

	gcks_rekey();
	push = expect(TRUE);
	send_delete(member);
	deliver(expect(TRUE));
	deliver(push);
	settle();
	pass_time();
	settle();
	assert_false(exists(member) || exists(gcks));
	gcks_rekey();
	nothing_is_sent();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(retransmitted_request, start, stop),
		cmocka_unit_test_setup_teardown(two_ike_sas, start, stop),
		cmocka_unit_test_setup_teardown(back_before_removal, start, stop),
		cmocka_unit_test_setup_teardown(two_registrations_at_once, start, stop),
		cmocka_unit_test_setup_teardown(ike_rekey_meets_registration, start,
										stop),
		cmocka_unit_test_setup_teardown(simultaneous_ike_rekey, start, stop),
		cmocka_unit_test_setup_teardown(rekey_meets_registration, start, stop),
		cmocka_unit_test_setup_teardown(refused_rekey, start, stop),
		cmocka_unit_test_setup_teardown(refused_rekey_meets_others, start,
										stop),
		cmocka_unit_test_setup_teardown(ike_rekey_meets_rekey, start, stop),
		cmocka_unit_test_setup_teardown(delete_meets_registration, start, stop),
		cmocka_unit_test_setup_teardown(answer_is_lost, start, stop),
		cmocka_unit_test_setup_teardown(rekey_of_one_who_left, start, stop),
	};
	int failed;

	if (!harness_init())
	{
		return 1;
	}
	failed = cmocka_run_group_tests_name("races", tests, NULL, NULL);
	harness_deinit();
	return failed;
}
