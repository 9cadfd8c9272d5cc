// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the policy engine makes of answers, in whatever order they come. The
 * connections are stubs: a test says what a server answers, and when.
 */
#include "unit.h"

#include "groupvpn_policy.h"
#include "groupvpn_policy_client.h"
#include "groupvpn_vici.h"

/* Servers, by the path that they were created with. */
static struct server {
	groupvpn_policy_client_t public;
	groupvpn_policy_client_cb_t cb;
	char *path;
	uint64_t last_id;
	char subject[1024];
} servers[2];
static unsigned int server_count;

static groupvpn_policy_t file, *policy;
static unsigned int changes;
static groupvpn_group_t group = {.name = "blue", .id = 100};
static groupvpn_applicant_t applicant;

/* --- stubs --- */

static char *get_path(groupvpn_policy_client_t *this)
{
	return ((struct server *)this)->path;
}

static uint64_t client_ask(groupvpn_policy_client_t *this, char *request,
			   char *gateway, char *subject)
{
	struct server *server = (struct server *)this;

	snprintf(server->subject, sizeof(server->subject), "%s", subject);
	return ++server->last_id;
}

static void client_destroy(groupvpn_policy_client_t *this)
{
}

groupvpn_policy_client_t *
groupvpn_policy_client_create(char *path, u_int timeout,
			      groupvpn_policy_client_cb_t *cb)
{
	struct server *server = &servers[server_count++];

	*server = (struct server){
		.public = {get_path, client_ask, client_destroy},
		.cb = *cb,
		.path = path,
	};
	return &server->public;
}

void groupvpn_vici_add_counters(vici_builder_t *builder, enum_name_t *names,
				uint64_t *counters, u_int count)
{
}

static void file_decide(groupvpn_policy_t *this, groupvpn_group_t *g,
			groupvpn_applicant_t *a, groupvpn_decision_t *decision)
{
	*decision = (groupvpn_decision_t){
		.verdict = GROUPVPN_ALLOWED,
		.direction = GV_BOTH,
	};
}

static void file_destroy(groupvpn_policy_t *this)
{
}

static void changed(groupvpn_policy_listener_t *this, uint32_t group_id)
{
	assert_int_equal(group_id, group.id);
	changes++;
}

static groupvpn_policy_listener_t listener = {.changed = changed};

static void ask(void)
{
	policy->recheck(policy, &group, &applicant);
}

static void says(unsigned int i, uint64_t id, groupvpn_policy_result_t result,
		 bool allow, bool send)
{
	struct policy_answer answer = {
		.id = id,
		.allow = allow,
		.send = send,
		.receive = true,
	};
	struct server *s = &servers[i];
	bool valid = result == GROUPVPN_POLICY_ANSWERED ||
		     result == GROUPVPN_POLICY_LATE;

	s->cb.answered(s->cb.data, s->path, id, s->subject, result,
		       valid ? &answer : NULL, valid ? NULL : "why");
}

static groupvpn_verdict_t verdict(void)
{
	groupvpn_decision_t decision;

	policy->decide(policy, &group, &applicant, &decision);
	return decision.verdict;
}

static bool ready(void)
{
	return policy->is_ready(policy, &group, &applicant);
}

static int setup(void **state)
{
	server_count = 0;
	changes = 0;
	group.policy = "/a";
	file.decide = file.review = file_decide;
	file.destroy = file_destroy;
	policy = groupvpn_policy_server_create(&file, 1000);
	policy->set_listener(policy, &listener);
	applicant.identity = identification_create_from_string("a.example.net");
	return 0;
}

static int teardown(void **state)
{
	policy->destroy(policy);
	applicant.identity->destroy(applicant.identity);
	return 0;
}

/* --- tests --- */

/* What is not known yet counts as allowed for who is registered. */
static void first_no_is_a_change(void **state)
{
	ask();
	says(0, 1, GROUPVPN_POLICY_ANSWERED, false, true);
	assert_int_equal(changes, 1);
	assert_int_equal(verdict(), GROUPVPN_REFUSED);
	ask();
	says(0, 2, GROUPVPN_POLICY_ANSWERED, false, true);
	assert_int_equal(changes, 1);
}

/* Nor is that nothing is known an answer that has no label. */
static void review_tells_what_it_does_not_know(void **state)
{
	groupvpn_decision_t decision;

	policy->review(policy, &group, &applicant, &decision);
	assert_int_equal(decision.verdict, GROUPVPN_ALLOWED);
	assert_true(decision.partial);
	ask();
	policy->review(policy, &group, &applicant, &decision);
	assert_true(decision.partial);
	says(0, 1, GROUPVPN_POLICY_ANSWERED, true, false);
	policy->review(policy, &group, &applicant, &decision);
	assert_int_equal(decision.direction, GV_RECEIVE_ONLY);
	assert_false(decision.partial);
	group.policy = NULL;
	policy->review(policy, &group, &applicant, &decision);
	assert_false(decision.partial);
}

static void first_narrower_is_a_change(void **state)
{
	ask();
	says(0, 1, GROUPVPN_POLICY_ANSWERED, true, false);
	assert_int_equal(changes, 1);
}

static void first_yes_is_none(void **state)
{
	ask();
	says(0, 1, GROUPVPN_POLICY_ANSWERED, true, true);
	assert_int_equal(changes, 0);
	assert_int_equal(verdict(), GROUPVPN_ALLOWED);
}

static void newer_answer_stays(void **state)
{
	ask();
	says(0, 1, GROUPVPN_POLICY_FAILED, false, false);
	ask();
	says(0, 2, GROUPVPN_POLICY_ANSWERED, false, true);
	says(0, 1, GROUPVPN_POLICY_LATE, true, true);
	assert_int_equal(verdict(), GROUPVPN_REFUSED);
	ask();
	says(0, 3, GROUPVPN_POLICY_ANSWERED, true, true);
	says(0, 2, GROUPVPN_POLICY_MALFORMED, false, false);
	assert_int_equal(verdict(), GROUPVPN_ALLOWED);
}

/* It is of use, but the newer question is still open. */
static void late_answer_ends_no_other(void **state)
{
	ask();
	says(0, 1, GROUPVPN_POLICY_FAILED, false, false);
	assert_true(ready());
	ask();
	assert_false(ready());
	says(0, 1, GROUPVPN_POLICY_LATE, true, true);
	assert_false(ready());
	assert_int_equal(verdict(), GROUPVPN_ALLOWED);
	says(0, 2, GROUPVPN_POLICY_ANSWERED, false, true);
	assert_true(ready());
	assert_int_equal(verdict(), GROUPVPN_REFUSED);
}

static void former_server_has_no_say(void **state)
{
	ask();
	group.policy = "/b";
	assert_int_equal(verdict(), GROUPVPN_UNDECIDED);
	ask();
	assert_int_equal(server_count, 2);
	assert_int_equal(servers[1].last_id, 1);
	says(0, 1, GROUPVPN_POLICY_ANSWERED, true, true);
	assert_false(ready());
	assert_int_equal(verdict(), GROUPVPN_UNDECIDED);
	says(1, 1, GROUPVPN_POLICY_ANSWERED, false, true);
	assert_int_equal(verdict(), GROUPVPN_REFUSED);
	assert_int_equal(changes, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(first_no_is_a_change),
		TEST(review_tells_what_it_does_not_know),
		TEST(first_narrower_is_a_change),
		TEST(first_yes_is_none),
		TEST(newer_answer_stays),
		TEST(late_answer_ends_no_other),
		TEST(former_server_has_no_say),
	};
	int failed;

	library_init(NULL, "test_policy_server");
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	library_deinit();
	return failed;
}
