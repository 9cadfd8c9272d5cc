// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Management's messages as JSON (groupvpn_json.h), and as the tables that
 * groupvpnctl and vtysh show (groupvpn_tables.h).
 */
#include "unit.h"

#include "groupvpn_json.h"
#include "groupvpn_tables.h"

static void value(groupvpn_json_t *json, const char *name, const char *text)
{
	groupvpn_json_value(json, name, text, strlen(text));
}

static void assert_json(groupvpn_json_t *json, const char *want)
{
	struct json_object *object = groupvpn_json_end(json, true);

	assert_non_null(object);
	assert_string_equal(
		json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN),
		want);
	json_object_put(object);
}

static void assert_invalid(groupvpn_json_t *json)
{
	assert_null(groupvpn_json_end(json, true));
}

static void types(void **state)
{
	groupvpn_json_t json;

	groupvpn_json_begin(&json);
	value(&json, "group", "7");
	value(&json, "group-id", "4294967295");
	value(&json, "epoch", "12x");
	value(&json, "age", "");
	value(&json, "up", "yes");
	value(&json, "success", "no");
	value(&json, "reason", "yes, \"so\"");
	value(&json, "tag", "0x10");
	assert_json(&json, "{\"group\":\"7\",\"group-id\":4294967295,"
			   "\"epoch\":\"12x\",\"age\":\"\",\"up\":true,"
			   "\"success\":false,\"reason\":\"yes, \\\"so\\\"\","
			   "\"tag\":\"0x10\"}");
}

static void sections_and_lists(void **state)
{
	groupvpn_json_t json;

	groupvpn_json_begin(&json);
	groupvpn_json_open(&json, "counters", false);
	groupvpn_json_open(&json, "blue", false);
	value(&json, "epochs", "18446744073709551615");
	groupvpn_json_close(&json);
	groupvpn_json_close(&json);
	value(&json, "epochs", "1");
	groupvpn_json_open(&json, "list", true);
	value(&json, NULL, "1");
	value(&json, NULL, "yes");
	groupvpn_json_close(&json);
	assert_json(&json,
		    "{\"counters\":{\"blue\":{\"epochs\":18446744073709551615"
		    "}},\"epochs\":\"1\",\"list\":[\"1\",\"yes\"]}");
}

static void malformed(void **state)
{
	groupvpn_json_t json;
	unsigned int i;

	groupvpn_json_begin(&json);
	assert_null(groupvpn_json_end(&json, false));
	/* not closed, closed too often */
	groupvpn_json_begin(&json);
	groupvpn_json_open(&json, "a", false);
	assert_invalid(&json);
	groupvpn_json_begin(&json);
	groupvpn_json_close(&json);
	assert_invalid(&json);
	/* an item outside of a list; a key and a section within one */
	groupvpn_json_begin(&json);
	value(&json, NULL, "item");
	assert_invalid(&json);
	groupvpn_json_begin(&json);
	groupvpn_json_open(&json, "a", true);
	value(&json, "key", "value");
	groupvpn_json_close(&json);
	assert_invalid(&json);
	groupvpn_json_begin(&json);
	groupvpn_json_open(&json, "a", true);
	groupvpn_json_open(&json, "b", false);
	groupvpn_json_close(&json);
	groupvpn_json_close(&json);
	assert_invalid(&json);
	/* too deep */
	groupvpn_json_begin(&json);
	for (i = 0; i < GROUPVPN_JSON_DEPTH; i++)
		groupvpn_json_open(&json, "a", false);
	for (i = 0; i < GROUPVPN_JSON_DEPTH; i++)
		groupvpn_json_close(&json);
	assert_invalid(&json);
}

static void assert_shows(const char *command, const char *json,
			 const char *want)
{
	struct json_object *object = json_tokener_parse(json);
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(object);
	assert_non_null(out);
	groupvpn_tables_show(out, command, object);
	fclose(out);
	assert_string_equal(text, want);
	free(text);
	json_object_put(object);
}

static void tables(void **state)
{
	assert_shows("list-sas", "[]", "");
	assert_shows("frobnicate", "{}", "");
	assert_shows("list-members",
		     "[{\"group\":\"blue\",\"group-id\":100,\"role\":\"gcks\","
		     "\"member-id\":1,\"sender-id\":2,\"gateway\":\"192.0.2.5\""
		     ",\"identity\":\"one\",\"ike-sa\":3,\"state\":"
		     "\"registered\",\"age\":4,\"direction\":\"both\"},"
		     "{\"group\":\"blue\",\"member-id\":7,\"identity\":"
		     "\"cam\",\"state\":\"registered\",\"direction\":"
		     "\"send\",\"label\":\"yard\"},"
		     "{\"group\":\"blue\",\"identity\":\"two\",\"state\":"
		     "\"evicted\",\"age\":5,\"reason\":\"stolen\"},"
		     "{\"group\":\"red\",\"group-id\":200,\"role\":\"member\","
		     "\"member-id\":9,\"state\":\"ready\"}]",
		     "blue: group-ID 100, GCKS\n"
		     "  Member Sender-ID Gateway         IKE_SA      Since"
		     " State      Identity\n"
		     "       1         2 192.0.2.5            3         4s"
		     " registered one\n"
		     "       7         - -                    -          -"
		     " registered cam, yard, only sends\n"
		     "       -         - -                    -         5s"
		     " evicted    two (stolen)\n"
		     "red: group-ID 200, member\n"
		     "  Member Sender-ID Gateway         IKE_SA      Since"
		     " State      Identity\n"
		     "       9         - -                    -          -"
		     " ready      -\n");
	assert_shows("evict",
		     "{\"success\":true,\"identity\":\"two\",\"registered\":"
		     "true,\"epoch\":7,\"members\":3}",
		     "'two' is evicted\nepoch 7 begins, given to 3 members\n");
	assert_shows("get-counters", "{\"counters\":{\"-\":{\"epochs\":1}}}",
		     "of no group:\n  epochs                 : 1\n");
}

static void errors(void **state)
{
	struct json_object *object = json_tokener_parse("{\"success\":true}");

	assert_null(groupvpn_tables_error(object));
	json_object_put(object);
	object = json_tokener_parse("{\"success\":false,\"errmsg\":\"why\"}");
	assert_string_equal(groupvpn_tables_error(object), "why");
	json_object_put(object);
	object = json_tokener_parse("{}");
	assert_string_equal(groupvpn_tables_error(object), "");
	json_object_put(object);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(types),
		cmocka_unit_test(malformed),
		cmocka_unit_test(tables),
		cmocka_unit_test(errors),
		cmocka_unit_test(sections_and_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
