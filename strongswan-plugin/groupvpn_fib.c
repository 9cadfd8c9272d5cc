/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each sync() works out all routes anew and compares them with those that are
 * in the kernel: members are few hundred and lists change seldom, so that needs
 * no other state than these two.
 */

#include "groupvpn_fib.h"
#include "groupvpn_prefixes.h"
#include "groupvpn_util.h"

#include <collections/hashtable.h>

typedef struct private_groupvpn_fib_t private_groupvpn_fib_t;

/**
 * Private data
 */
struct private_groupvpn_fib_t {

	/**
	 * Public interface
	 */
	groupvpn_fib_t public;

	/**
	 * Name of the group
	 */
	char *group;

	/**
	 * Kernel interface
	 */
	groupvpn_kernel_t *kernel;

	/**
	 * Members, member-ID => member_t
	 */
	hashtable_t *members;

	/**
	 * Routes in the kernel, prefix => route_t
	 */
	hashtable_t *routes;

	/**
	 * Prefixes refused at the last sync(), and routes that the kernel refused
	 */
	u_int refused;
	u_int failed;

	/**
	 * sync() has something to do
	 */
	bool dirty;
};

/**
 * A member
 */
typedef struct {
	uint16_t id;
	struct gv_addr gateway;
	struct gv_prefix *prefixes;
	u_int count;
	/* which of them was logged as refused */
	bool *told;
	/* it can be reached */
	bool ready;
	/* told since begin_sync() */
	bool current;
} member_t;

/**
 * A route, installed or to be
 */
typedef struct {
	struct gv_prefix prefix;
	struct gv_addr gateway;
	uint16_t member_id;
	bool ready;
} route_t;

/**
 * Free a member
 */
static void member_destroy(member_t *member)
{
	free(member->prefixes);
	free(member->told);
	free(member);
}

/**
 * Hash a prefix
 */
static u_int prefix_hash(const struct gv_prefix *prefix)
{
	return chunk_hash(chunk_create((u_char*)prefix, sizeof(*prefix)));
}

/**
 * Compare prefixes
 */
static bool prefix_equals(const struct gv_prefix *a, const struct gv_prefix *b)
{
	return gv_prefix_cmp(a, b) == 0;
}

/**
 * Create a table of routes
 */
static hashtable_t *routes_create()
{
	return hashtable_create((hashtable_hash_t)prefix_hash,
							(hashtable_equals_t)prefix_equals, 32);
}

/**
 * Free a table of routes
 */
static void routes_destroy(hashtable_t *routes)
{
	enumerator_t *enumerator;
	route_t *route;

	enumerator = routes->create_enumerator(routes);
	while (enumerator->enumerate(enumerator, NULL, &route))
	{
		free(route);
	}
	enumerator->destroy(enumerator);
	routes->destroy(routes);
}

/**
 * Key of a member
 */
static void *member_key(uint16_t member_id)
{
	return (void*)(uintptr_t)member_id;
}

METHOD(groupvpn_fib_t, set, void,
	private_groupvpn_fib_t *this, const struct gv_list_entry *entry)
{
	member_t *member;
	bool ready = FALSE;

	this->dirty = TRUE;
	member = this->members->remove(this->members, member_key(entry->member_id));
	if (member)
	{
		ready = member->ready;
		member_destroy(member);
	}
	if (!entry->sender_id)
	{
		return;
	}
	INIT(member,
		.id = entry->member_id,
		.gateway = entry->gateway,
		.count = entry->count,
		.prefixes = calloc(entry->count ?: 1, sizeof(*member->prefixes)),
		.told = calloc(entry->count ?: 1, sizeof(*member->told)),
		.ready = ready,
		.current = TRUE,
	);
	memcpy(member->prefixes, entry->prefixes,
		   entry->count * sizeof(*member->prefixes));
	this->members->put(this->members, member_key(member->id), member);
}

METHOD(groupvpn_fib_t, begin_sync, void,
	private_groupvpn_fib_t *this)
{
	enumerator_t *enumerator;
	member_t *member;

	enumerator = this->members->create_enumerator(this->members);
	while (enumerator->enumerate(enumerator, NULL, &member))
	{
		member->current = FALSE;
	}
	enumerator->destroy(enumerator);
}

METHOD(groupvpn_fib_t, end_sync, void,
	private_groupvpn_fib_t *this)
{
	enumerator_t *enumerator;
	member_t *member;

	enumerator = this->members->create_enumerator(this->members);
	while (enumerator->enumerate(enumerator, NULL, &member))
	{
		if (!member->current)
		{
			this->members->remove_at(this->members, enumerator);
			member_destroy(member);
			this->dirty = TRUE;
		}
	}
	enumerator->destroy(enumerator);
}

METHOD(groupvpn_fib_t, set_ready, void,
	private_groupvpn_fib_t *this, uint16_t member_id, bool ready)
{
	member_t *member = this->members->get(this->members, member_key(member_id));

	if (member && member->ready != ready)
	{
		member->ready = ready;
		this->dirty = TRUE;
	}
}

METHOD(groupvpn_fib_t, set_none_ready, void,
	private_groupvpn_fib_t *this)
{
	enumerator_t *enumerator;
	member_t *member;

	enumerator = this->members->create_enumerator(this->members);
	while (enumerator->enumerate(enumerator, NULL, &member))
	{
		this->dirty |= member->ready;
		member->ready = FALSE;
	}
	enumerator->destroy(enumerator);
}

METHOD(groupvpn_fib_t, touch, void,
	private_groupvpn_fib_t *this)
{
	this->dirty = TRUE;
}

METHOD(groupvpn_fib_t, is_dirty, bool,
	private_groupvpn_fib_t *this)
{
	return this->dirty;
}

/**
 * Order addresses as gv_prefix_cmp() does prefixes
 */
static int compare_addrs(const void *a, const void *b)
{
	const struct gv_addr *one = a, *other = b;

	return one->len != other->len
				? one->len - other->len
				: memcmp(one->bytes, other->bytes, sizeof(one->bytes));
}

/**
 * Get the addresses that no prefix may cover, ordered: where underlay and group
 * share a table, the route would swallow the packets that carry those of the
 * group
 *
 * @param count			receives their number
 * @return				allocated array
 */
static struct gv_addr *get_underlay(private_groupvpn_fib_t *this,
									groupvpn_link_t *link, u_int *count)
{
	struct gv_addr *addrs;
	enumerator_t *enumerator;
	member_t *member;

	*count = 0;
	if (link->vrf)
	{
		return NULL;
	}
	addrs = calloc(this->members->get_count(this->members) + 2, sizeof(*addrs));
	addrs[(*count)++] = groupvpn_addr(link->local);
	addrs[(*count)++] = groupvpn_addr(link->gcks);
	enumerator = this->members->create_enumerator(this->members);
	while (enumerator->enumerate(enumerator, NULL, &member))
	{
		addrs[(*count)++] = member->gateway;
	}
	enumerator->destroy(enumerator);
	qsort(addrs, *count, sizeof(*addrs), compare_addrs);
	return addrs;
}

/**
 * Whether a prefix covers one of them: then it does the first that is not less
 * than its own address
 */
static bool covers_underlay(const struct gv_addr *addrs, u_int count,
							const struct gv_prefix *prefix)
{
	struct gv_addr first = { .len = prefix->family == 4 ? 4 : 16 };
	u_int low = 0, high = count, middle;

	memcpy(first.bytes, prefix->bytes, first.len);
	while (low < high)
	{
		middle = (low + high) / 2;
		if (compare_addrs(&addrs[middle], &first) < 0)
		{
			low = middle + 1;
		}
		else
		{
			high = middle;
		}
	}
	return low < count && gv_prefix_covers_addr(prefix, &addrs[low]);
}

/**
 * Refuse a prefix of a member, telling so once
 */
static void refuse(private_groupvpn_fib_t *this, member_t *member, u_int index)
{
	char text[GV_PREFIX_STRLEN];

	this->refused++;
	if (!member->told[index])
	{
		member->told[index] = TRUE;
		DBG1(DBG_NET, "groupvpn: group '%s': %s of member %u is not taken: it "
			 "covers an address of the underlay", this->group,
			 gv_prefix_print(&member->prefixes[index], text, sizeof(text)),
			 member->id);
	}
}

/**
 * Whether a member is better for a prefix than one that has it already
 */
static bool is_better(member_t *member, route_t *route)
{
	if (member->ready != route->ready)
	{
		return member->ready;
	}
	return member->id < route->member_id;
}

/**
 * Have a member get a prefix if nobody better has it
 */
static void offer(hashtable_t *wanted, member_t *member,
				  const struct gv_prefix *prefix)
{
	route_t *route = wanted->get(wanted, prefix);

	if (!route)
	{
		INIT(route,
			.prefix = *prefix,
		);
		wanted->put(wanted, &route->prefix, route);
	}
	else if (!is_better(member, route))
	{
		return;
	}
	route->gateway = member->gateway;
	route->member_id = member->id;
	route->ready = member->ready;
}

/**
 * Work out the routes that there should be
 */
static hashtable_t *get_wanted(private_groupvpn_fib_t *this,
							   groupvpn_link_t *link, bool open)
{
	hashtable_t *wanted = routes_create();
	enumerator_t *enumerator;
	struct gv_addr *underlay;
	member_t *member;
	u_int i, count;

	this->refused = 0;
	underlay = get_underlay(this, link, &count);
	enumerator = this->members->create_enumerator(this->members);
	while (enumerator->enumerate(enumerator, NULL, &member))
	{
		for (i = 0; i < member->count && (member->ready || !open); i++)
		{
			if (covers_underlay(underlay, count, &member->prefixes[i]))
			{
				refuse(this, member, i);
			}
			else
			{
				offer(wanted, member, &member->prefixes[i]);
			}
		}
	}
	enumerator->destroy(enumerator);
	free(underlay);
	return wanted;
}

/**
 * Remove the kernel's routes that are not wanted
 */
static void remove_routes(private_groupvpn_fib_t *this, groupvpn_link_t *link,
						  hashtable_t *wanted)
{
	enumerator_t *enumerator;
	route_t *route;

	enumerator = this->routes->create_enumerator(this->routes);
	while (enumerator->enumerate(enumerator, NULL, &route))
	{
		if (!wanted->get(wanted, &route->prefix))
		{
			this->routes->remove_at(this->routes, enumerator);
			this->kernel->manage_route(this->kernel, link, &route->prefix,
									   &route->gateway, FALSE);
			free(route);
		}
	}
	enumerator->destroy(enumerator);
}

/**
 * Install the routes that the kernel has not; what fails is tried again with
 * the next change, or look at the kernel
 */
static void add_routes(private_groupvpn_fib_t *this, groupvpn_link_t *link,
					   hashtable_t *wanted)
{
	enumerator_t *enumerator;
	route_t *route, *installed;
	u_int failed = 0;

	enumerator = wanted->create_enumerator(wanted);
	while (enumerator->enumerate(enumerator, NULL, &route))
	{
		installed = this->routes->get(this->routes, &route->prefix);
		if (installed && gv_addr_equal(&installed->gateway, &route->gateway))
		{
			continue;
		}
		if (!this->kernel->manage_route(this->kernel, link, &route->prefix,
										&route->gateway, TRUE))
		{
			this->dirty = TRUE;
			failed++;
			continue;
		}
		if (!installed)
		{
			INIT(installed,
				.prefix = route->prefix,
			);
			this->routes->put(this->routes, &installed->prefix, installed);
		}
		installed->gateway = route->gateway;
	}
	enumerator->destroy(enumerator);
	if (failed && failed != this->failed)
	{
		DBG1(DBG_NET, "groupvpn: group '%s': the kernel does not take %u of "
			 "the routes; trying again", this->group, failed);
	}
	this->failed = failed;
}

METHOD(groupvpn_fib_t, sync_, void,
	private_groupvpn_fib_t *this, groupvpn_link_t *link, bool open)
{
	hashtable_t *wanted;

	this->dirty = FALSE;
	if (!link)
	{
		routes_destroy(this->routes);
		this->routes = routes_create();
		this->refused = 0;
		return;
	}
	wanted = get_wanted(this, link, open);
	add_routes(this, link, wanted);
	remove_routes(this, link, wanted);
	routes_destroy(wanted);
}

/**
 * Note a route that is there
 */
CALLBACK(add_found, void,
	hashtable_t *found, const struct gv_prefix *prefix)
{
	route_t *route;

	if (!found->get(found, prefix))
	{
		INIT(route,
			.prefix = *prefix,
		);
		found->put(found, &route->prefix, route);
	}
}

METHOD(groupvpn_fib_t, check, void,
	private_groupvpn_fib_t *this, groupvpn_link_t *link)
{
	enumerator_t *enumerator;
	hashtable_t *found;
	route_t *route;
	u_int missing = 0;

	if (!this->routes->get_count(this->routes))
	{
		return;
	}
	found = routes_create();
	if (this->kernel->find_routes(this->kernel, link, add_found, found))
	{
		enumerator = this->routes->create_enumerator(this->routes);
		while (enumerator->enumerate(enumerator, NULL, &route))
		{
			if (!found->get(found, &route->prefix))
			{
				this->routes->remove_at(this->routes, enumerator);
				free(route);
				missing++;
			}
		}
		enumerator->destroy(enumerator);
	}
	routes_destroy(found);
	if (missing)
	{
		DBG1(DBG_NET, "groupvpn: group '%s': %u of the routes are not in the "
			 "kernel anymore; installing them again", this->group, missing);
		this->dirty = TRUE;
	}
}

METHOD(groupvpn_fib_t, describe, char*,
	private_groupvpn_fib_t *this, uint16_t member_id)
{
	member_t *member = this->members->get(this->members, member_key(member_id));

	return member ? groupvpn_prefixes_text(member->prefixes, member->count)
				  : NULL;
}

METHOD(groupvpn_fib_t, get_counts, void,
	private_groupvpn_fib_t *this, u_int *installed, u_int *refused)
{
	*installed = this->routes->get_count(this->routes);
	*refused = this->refused;
}

METHOD(groupvpn_fib_t, destroy, void,
	private_groupvpn_fib_t *this)
{
	enumerator_t *enumerator;
	member_t *member;

	enumerator = this->members->create_enumerator(this->members);
	while (enumerator->enumerate(enumerator, NULL, &member))
	{
		member_destroy(member);
	}
	enumerator->destroy(enumerator);
	this->members->destroy(this->members);
	routes_destroy(this->routes);
	free(this->group);
	free(this);
}

/*
 * See header
 */
groupvpn_fib_t *groupvpn_fib_create(char *group, groupvpn_kernel_t *kernel)
{
	private_groupvpn_fib_t *this;

	INIT(this,
		.public = {
			.set = _set,
			.begin_sync = _begin_sync,
			.end_sync = _end_sync,
			.set_ready = _set_ready,
			.set_none_ready = _set_none_ready,
			.touch = _touch,
			.is_dirty = _is_dirty,
			.sync = _sync_,
			.check = _check,
			.describe = _describe,
			.get_counts = _get_counts,
			.destroy = _destroy,
		},
		.group = strdup(group),
		.kernel = kernel,
		.members = hashtable_create(hashtable_hash_ptr, hashtable_equals_ptr,
									32),
		.routes = routes_create(),
	);
	return &this->public;
}
