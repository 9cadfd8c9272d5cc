/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A change takes until the last member has heard of it and forgotten the secret
 * before, and there is one at a time: so two secrets are enough for everybody.
 *
 * The descriptor is authenticated with the secret that members announce with,
 * so at the same time as they we go over to the new one: by then all of them
 * take it, and they still take the one before.
 */

#include "groupvpn_gcks_routes.h"
#include "groupvpn_gcks_tell.h"

#include <daemon.h>

#include <time.h>

#include <crypto.h>

/* how long a secret is used at most, as long as new epochs begin, in ms */
#define LIFETIME (24 * 3600 * 1000ULL)

/**
 * How long a change takes until the last member has come to its end, in ms
 */
static uint64_t duration(groupvpn_gcks_group_t *group)
{
	return (group->cfg->dtd + GROUPVPN_PUSH_TIME) * 1000ULL;
}

/*
 * See header
 */
void groupvpn_gcks_routes_renew(groupvpn_gcks_group_t *group)
{
	group->routes_renewal = 0;
}

/*
 * See header
 */
void groupvpn_gcks_routes_cancel(groupvpn_gcks_group_t *group, uint32_t epoch)
{
	groupvpn_route_keys_t *routes = group->routes;

	if (routes->newest(routes)->epoch != epoch)
	{
		routes->cancel(routes);
		groupvpn_gcks_routes_renew(group);
	}
}

/*
 * See header
 */
bool groupvpn_gcks_routes_begin(groupvpn_gcks_group_t *group, uint64_t now)
{
	groupvpn_route_keys_t *routes = group->routes;
	uint8_t secret[GV_SECRET_LEN];
	uint32_t epoch;

	routes->run(routes, now);
	if (group->routes_renewal > now)
	{
		return TRUE;
	}
	if (routes->other(routes)->epoch)
	{
		DBG1(DBG_IKE, "groupvpn: group '%s': another route epoch begins when "
			 "that change is over", group->cfg->name);
		group->roll = min(group->roll, now + duration(group));
		return TRUE;
	}
	if (!gv_random(secret, sizeof(secret)))
	{
		DBG1(DBG_IKE, "groupvpn: group '%s': no new route secret, the random "
			 "number generator failed", group->cfg->name);
		return FALSE;
	}
	epoch = max((uint32_t)time(NULL), routes->newest(routes)->epoch + 1);
	routes->add(routes, epoch, secret, now + group->cfg->atd * 1000ULL,
				now + duration(group));
	gv_wipe(secret, sizeof(secret));
	group->routes_renewal = now + LIFETIME;
	group->gcks->timer->arm(group->gcks->timer, routes->get_deadline(routes));
	DBG1(DBG_IKE, "groupvpn: group '%s': route epoch %u begins",
		 group->cfg->name, epoch);
	return TRUE;
}

/*
 * See header
 */
void groupvpn_gcks_routes_run(groupvpn_gcks_group_t *group, uint64_t now)
{
	groupvpn_route_keys_t *routes = group->routes;

	if (routes->run(routes, now))
	{
		groupvpn_gcks_tell_group(group);
	}
	group->gcks->timer->arm(group->gcks->timer, routes->get_deadline(routes));
}
