/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The routes that come with the keys, over a kernel that is an array: who gets
 * a prefix, what is not taken, what is installed again.
 */

#include "groupvpn_fib.h"

#include "unit.h"

static struct {
	struct gv_prefix prefix;
	struct gv_addr gateway;
} routes[16];
static u_int n_routes;

static u_int find(const struct gv_prefix *prefix)
{
	u_int i;

	for (i = 0; i < n_routes; i++) {
		if (!gv_prefix_cmp(&routes[i].prefix, prefix))
			break;
	}
	return i;
}

static bool manage_route(groupvpn_kernel_t *this, groupvpn_link_t *link,
			 const struct gv_prefix *prefix,
			 const struct gv_addr *gateway, bool add)
{
	u_int i = find(prefix);

	if (add) {
		assert_true(i < ARRAY_LEN(routes));
		routes[i].prefix = *prefix;
		routes[i].gateway = *gateway;
		n_routes = max(n_routes, i + 1);
	} else if (i < n_routes) {
		routes[i] = routes[--n_routes];
	}
	return true;
}

static bool find_routes(groupvpn_kernel_t *this, groupvpn_link_t *link,
			void (*cb)(void *data, const struct gv_prefix *prefix),
			void *data)
{
	for (u_int i = 0; i < n_routes; i++)
		cb(data, &routes[i].prefix);
	return true;
}

static groupvpn_kernel_t kernel = {
	.manage_route = manage_route,
	.find_routes = find_routes,
};
static groupvpn_link_t where;
static groupvpn_fib_t *fib;

static int set_up(void **state)
{
	n_routes = 0;
	memset(&where, 0, sizeof(where));
	where.local = host_create_from_string("192.0.2.10", 0);
	where.gcks = host_create_from_string("192.0.2.1", 0);
	fib = groupvpn_fib_create("blue", &kernel);
	return 0;
}

static int tear_down(void **state)
{
	fib->destroy(fib);
	where.local->destroy(where.local);
	where.gcks->destroy(where.gcks);
	return 0;
}

/* A member with up to two prefixes that can be reached. */
static void member(uint16_t id, const char *gateway, const char *one,
		   const char *two)
{
	struct gv_list_entry entry = {.member_id = id, .sender_id = id};

	assert_true(gv_addr_parse(gateway, &entry.gateway));
	if (one)
		assert_true(
			gv_prefix_parse(one, &entry.prefixes[entry.count++]));
	if (two)
		assert_true(
			gv_prefix_parse(two, &entry.prefixes[entry.count++]));
	fib->set(fib, &entry);
	fib->set_ready(fib, id, true);
}

/* Which gateway has a prefix, "" for none. */
static void is_at(const char *text, const char *expected)
{
	char buf[GV_ADDR_STRLEN] = "";
	struct gv_prefix prefix;
	u_int i;

	assert_true(gv_prefix_parse(text, &prefix));
	i = find(&prefix);
	if (i < n_routes)
		gv_addr_print(&routes[i].gateway, buf, sizeof(buf));
	assert_string_equal(buf, expected);
}

static void the_lowest_that_can_be_reached(void **state)
{
	member(3, "192.0.2.13", "10.1.0.0/24", NULL);
	member(2, "192.0.2.12", "10.1.0.0/24", "10.2.0.0/24");
	fib->sync(fib, &where, false);
	is_at("10.1.0.0/24", "192.0.2.12");
	fib->set_ready(fib, 2, false);
	fib->sync(fib, &where, false);
	is_at("10.1.0.0/24", "192.0.2.13");
	/* not another way in clear */
	is_at("10.2.0.0/24", "192.0.2.12");
	fib->sync(fib, &where, true);
	is_at("10.2.0.0/24", "");
}

static void the_underlay_is_not_covered(void **state)
{
	static const struct {
		const char *prefix;
		bool covers;
	} cases[] = {
		{"192.0.2.10/32", true},   {"192.0.2.1/32", true},
		{"192.0.2.12/32", true},   {"192.0.2.8/29", true},
		{"192.0.2.0/24", true},	   {"192.0.0.0/16", true},
		{"128.0.0.0/1", true},	   {"192.0.2.0/32", false},
		{"192.0.2.2/31", false},   {"192.0.2.14/31", false},
		{"192.0.2.16/28", false},  {"0.0.0.0/1", false},
		{"c000::/8", false},	   {"2001:db8::/32", true},
		{"2001:db8::5/128", true}, {"2001:db8::4/128", false},
	};
	u_int installed, refused;

	member(9, "2001:db8::5", NULL, NULL);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		member(2, "192.0.2.12", cases[i].prefix, NULL);
		fib->sync(fib, &where, false);
		is_at(cases[i].prefix, cases[i].covers ? "" : "192.0.2.12");
		fib->get_counts(fib, &installed, &refused);
		assert_int_equal(installed, !cases[i].covers);
		assert_int_equal(refused, cases[i].covers);
	}
	/* in a table of its own it does no harm */
	where.vrf = "blue";
	member(2, "192.0.2.12", "192.0.2.0/24", NULL);
	fib->sync(fib, &where, false);
	is_at("192.0.2.0/24", "192.0.2.12");
}

static void what_goes_missing_comes_back(void **state)
{
	member(2, "192.0.2.12", "10.1.0.0/24", "10.2.0.0/24");
	fib->sync(fib, &where, false);
	fib->check(fib, &where);
	assert_false(fib->is_dirty(fib));
	n_routes = 1;
	fib->check(fib, &where);
	assert_true(fib->is_dirty(fib));
	fib->sync(fib, &where, false);
	is_at("10.1.0.0/24", "192.0.2.12");
	is_at("10.2.0.0/24", "192.0.2.12");
}

static void who_is_not_told_of_is_gone(void **state)
{
	member(2, "192.0.2.12", "10.1.0.0/24", NULL);
	member(3, "192.0.2.13", "10.2.0.0/24", NULL);
	fib->sync(fib, &where, false);
	fib->begin_sync(fib);
	member(3, "192.0.2.13", "10.2.0.0/24", NULL);
	fib->sync(fib, &where, false);
	is_at("10.1.0.0/24", "192.0.2.12");
	fib->end_sync(fib);
	fib->sync(fib, &where, false);
	is_at("10.1.0.0/24", "");
	is_at("10.2.0.0/24", "192.0.2.13");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_lowest_that_can_be_reached),
		TEST(the_underlay_is_not_covered),
		TEST(what_goes_missing_comes_back),
		TEST(who_is_not_told_of_is_gone),
	};
	int failed;

	library_init(NULL, "test_fib");
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	library_deinit();
	return failed;
}
