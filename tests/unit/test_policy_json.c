// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is said to a policy server, and by it: the examples of doc/policy.md,
 * every wrong type, and lines cut and changed anywhere.
 */
#include "unit.h"

#include "groupvpn_policy_json.h"

#define RANDOM_ROUNDS 20000

static const char *const san[] = {"blue2.example.net", "192.0.2.7"};

static const struct policy_certificate certificate = {
	.subject = "C=CH, O=Acme, CN=blue2",
	.issuer = "C=CH, O=Acme, CN=Acme CA",
	.serial = "5f03",
	.sha256 = "00ff",
	.not_before = 1795500000,
	.not_after = 1795600000,
	.san = san,
	.sans = ARRAY_LEN(san),
};

static const struct policy_subject with_certificate = {
	.group = "blue",
	.group_id = 100,
	.identity = "blue2.example.net",
	.identity_type = "fqdn",
	.identity_data = "626c756532",
	.credential = "pubkey",
	.certificate = &certificate,
};

static void example_questions(void **state)
{
	struct policy_subject psk = with_certificate;
	char *subject, *line;

	subject = policy_json_subject(&with_certificate);
	line = policy_json_question(7, "join", "203.0.113.10", subject);
	assert_string_equal(
		line,
		"{\"version\":1,\"id\":7,\"request\":\"join\","
		"\"gateway\":\"203.0.113.10\",\"group\":\"blue\","
		"\"group_id\":100,\"identity\":\"blue2.example.net\","
		"\"identity_type\":\"fqdn\",\"identity_data\":\"626c756532\","
		"\"credential\":\"pubkey\",\"certificate\":{"
		"\"subject\":\"C=CH, O=Acme, CN=blue2\","
		"\"issuer\":\"C=CH, O=Acme, CN=Acme CA\",\"serial\":\"5f03\","
		"\"sha256\":\"00ff\",\"not_before\":1795500000,"
		"\"not_after\":1795600000,"
		"\"san\":[\"blue2.example.net\",\"192.0.2.7\"]}}\n");
	free(line);
	free(subject);

	psk.credential = "psk";
	psk.certificate = NULL;
	psk.group_id = UINT32_MAX;
	subject = policy_json_subject(&psk);
	line = policy_json_question(INT64_MAX, "stay", NULL, subject);
	assert_string_equal(line, "{\"version\":1,\"id\":9223372036854775807,"
				  "\"request\":\"stay\",\"group\":\"blue\","
				  "\"group_id\":4294967295,"
				  "\"identity\":\"blue2.example.net\","
				  "\"identity_type\":\"fqdn\","
				  "\"identity_data\":\"626c756532\","
				  "\"credential\":\"psk\"}\n");
	free(line);
	free(subject);
}

/* Nothing that an identity holds ends the string or the line. */
static void questions_escape(void **state)
{
	struct policy_subject odd = with_certificate;
	char *subject;

	odd.certificate = NULL;
	odd.identity = "a\"b\\c\nd\xff"
		       "e\x7f/";
	subject = policy_json_subject(&odd);
	assert_non_null(strstr(subject, "\"a\\\"b\\\\c?d?e?/\""));
	free(subject);
}

static void long_questions(void **state)
{
	struct policy_subject large = with_certificate;
	char *name, *subject, *line;
	size_t len;

	large.certificate = NULL;
	name = calloc(1, POLICY_LINE_MAX + 1);
	large.identity = name;
	for (len = 0; len < POLICY_LINE_MAX; len++) {
		name[len] = '"'; /* two octets each */
		if (len % 1000 != 0)
			continue;
		subject = policy_json_subject(&large);
		if (!subject)
			break;
		line = policy_json_question(INT64_MAX, "join",
					    "2001:db8:1111:2222:3333:4444:5555:"
					    "6666",
					    subject);
		assert_non_null(line);
		assert_true(strlen(line) <= POLICY_LINE_MAX + 1);
		free(line);
		free(subject);
	}
	assert_in_range(len, 7000, 9000);
	free(name);
}

static const char *parse(const char *line, struct policy_answer *answer)
{
	size_t len = strlen(line);
	uint8_t *copy = exact(line, len);
	const char *wrong = policy_json_parse((char *)copy, len, answer);

	free(copy);
	return wrong;
}

static void example_answers(void **state)
{
	struct policy_answer a;

	assert_null(parse("{\"id\":7,\"allow\":true}", &a));
	assert_int_equal(a.id, 7);
	assert_true(a.allow && a.send && a.receive);
	assert_string_equal(a.reason, "");
	assert_string_equal(a.label, "");

	assert_null(parse("{\"version\": 1, \"id\": 8, \"allow\": true, "
			  "\"send\": false, \"label\": \"branch-2\", "
			  "\"more\": {\"of\": [1, null]}}\r",
			  &a));
	assert_int_equal(a.id, 8);
	assert_true(a.allow && !a.send && a.receive);
	assert_string_equal(a.label, "branch-2");

	assert_null(parse("{\"id\":9,\"allow\":false,\"send\":false,"
			  "\"receive\":false,\"reason\":\"stolen\\n\"}",
			  &a));
	assert_false(a.allow);
	assert_string_equal(a.reason, "stolen?");

	assert_null(parse("{\"recheck\":\"blue\"}", &a));
	assert_int_equal(a.id, 0);
	assert_string_equal(a.group, "blue");
	assert_null(parse("{\"version\":1,\"recheck\":true}", &a));
	assert_int_equal(a.id, 0);
	assert_string_equal(a.group, "");
}

/* A reason is cut off, a label is not. */
static void long_answers(void **state)
{
	struct policy_answer a;
	char line[1000], text[601];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	snprintf(line, sizeof(line),
		 "{\"id\":1,\"allow\":false,\"reason\":\"%s\"}", text);
	assert_null(parse(line, &a));
	assert_int_equal(strlen(a.reason), GV_TEXT_MAX);
	text[GV_NAME_MAX] = '\0';
	snprintf(line, sizeof(line),
		 "{\"id\":1,\"allow\":true,\"label\":\"%s\"}", text);
	assert_null(parse(line, &a));
	assert_string_equal(a.label, text);
	text[GV_NAME_MAX] = 'x';
	text[GV_NAME_MAX + 1] = '\0';
	snprintf(line, sizeof(line),
		 "{\"id\":1,\"allow\":true,\"label\":\"%s\"}", text);
	assert_non_null(parse(line, &a));
}

static void wrong_answers(void **state)
{
	/* id: whose answer it is for all that is wrong with it */
	static const struct {
		const char *line;
		uint64_t id;
	} cases[] = {
		{"", 0},
		{" ", 0},
		{"yes", 0},
		{"true", 0},
		{"7", 0},
		{"[]", 0},
		{"{", 0},
		{"{}", 0},
		{"{\"id\":7,\"allow\":true", 0},
		{"{\"id\":7,\"allow\":true} x", 0},
		{"{\"id\":7,\"allow\":true}{}", 0},
		{"{\"id\":7,\"allow\":TRUE}", 0},
		{"{\"id\":7,\"allow\":true,}", 0},
		{"{\"id\":7,\"allow\":true,\"reason\":\"\xff\"}", 0},
		{"{\"id\":7,\"allow\":true,\"x\":[[[[[[[[1]]]]]]]]}", 0},
		{"{\"allow\":true}", 0},
		{"{\"id\":0,\"allow\":true}", 0},
		{"{\"id\":-7,\"allow\":true}", 0},
		{"{\"id\":7.5,\"allow\":true}", 0},
		{"{\"id\":\"7\",\"allow\":true}", 0},
		{"{\"id\":true,\"allow\":true}", 0},
		{"{\"id\":99999999999999999999,\"allow\":true}", 0},
		{"{\"version\":2,\"id\":7,\"allow\":true}", 0},
		{"{\"version\":\"1\",\"id\":7,\"allow\":true}", 0},
		{"{\"id\":7}", 7},
		{"{\"id\":7,\"allow\":1}", 7},
		{"{\"id\":7,\"allow\":\"true\"}", 7},
		{"{\"id\":7,\"allow\":null}", 7},
		{"{\"id\":7,\"allow\":[true]}", 7},
		{"{\"id\":7,\"allow\":true,\"send\":1}", 7},
		{"{\"id\":7,\"allow\":true,\"receive\":\"no\"}", 7},
		{"{\"id\":7,\"allow\":true,\"reason\":7}", 7},
		{"{\"id\":7,\"allow\":true,\"label\":7}", 7},
		{"{\"id\":7,\"allow\":true,\"label\":\"two words\"}", 7},
		{"{\"id\":7,\"allow\":true,\"label\":\"-x\"}", 7},
		{"{\"id\":7,\"allow\":true,\"send\":false,\"receive\":false}",
		 7},
		{"{\"recheck\":false}", 0},
		{"{\"recheck\":1}", 0},
		{"{\"recheck\":\"\"}", 0},
		{"{\"recheck\":\"two words\"}", 0},
		{"{\"recheck\":\"blue\\u0000\"}", 0},
	};
	struct policy_answer a;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *wrong = parse(cases[i].line, &a);

		if (!wrong || a.id != cases[i].id)
			fail_msg("%s: %s, id %llu", cases[i].line,
				 wrong ? wrong : "accepted",
				 (unsigned long long)a.id);
	}
	assert_non_null(
		policy_json_parse("{\"id\":7,\"allow\":true}\0", 22, &a));
}

static void oversized_line(void **state)
{
	size_t size = POLICY_LINE_MAX + 2;
	char *line = malloc(size);
	struct policy_answer a;

	memset(line, ' ', size);
	memcpy(line, "{\"id\":7,", 8);
	memcpy(line + POLICY_LINE_MAX - 13, "\"allow\":true}", 13);
	assert_null(policy_json_parse(line, POLICY_LINE_MAX, &a));
	line[POLICY_LINE_MAX - 1] = ' ';
	line[POLICY_LINE_MAX] = '}';
	assert_non_null(policy_json_parse(line, POLICY_LINE_MAX + 1, &a));
	free(line);
}

/* Whatever it makes of it, it stays within the line, and what it takes is
 * printable. */
static void random_lines(void **state)
{
	static const char good[] =
		"{\"version\":1,\"id\":7,\"allow\":true,\"send\":true,"
		"\"receive\":false,\"reason\":\"because\",\"label\":\"x\"}";
	struct policy_answer a;

	random_seed();
	for (int i = 0; i < RANDOM_ROUNDS; i++) {
		size_t len = random_next() % sizeof(good);
		uint8_t *line = exact(good, len);

		for (size_t n = random_next() % 4; n && len; n--)
			line[random_next() % len] = random_next();
		if (!policy_json_parse((char *)line, len, &a))
			for (const char *c = a.reason; *c; c++)
				assert_in_range(*c, ' ', '~');
		free(line);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(example_questions),
		cmocka_unit_test(questions_escape),
		cmocka_unit_test(long_questions),
		cmocka_unit_test(example_answers),
		cmocka_unit_test(long_answers),
		cmocka_unit_test(wrong_answers),
		cmocka_unit_test(oversized_line),
		cmocka_unit_test(random_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
