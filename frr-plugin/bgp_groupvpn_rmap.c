/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "group-vpn member NAME route-map MAP in|out": what an instance takes from its
 * group, and what it announces to it.
 *
 * As with a neighbour's, a route-map that does not exist denies.  bgpd tells
 * nobody but itself that a route-map, or a list that it uses, has changed: all
 * routes are looked at again a moment after any configuration command, which
 * changes nothing where the map's answer is the same.  "set ip next-hop" has
 * no effect, the gateway is not in the next hop.
 */
#include "bgp_groupvpn_frr.h"
#include "bgp_groupvpn.h"

#define GVPN_RMAP_WAIT 1 /* s until a changed configuration is looked at */

static struct event *t_again;

static void look_again(struct gvpn_bind *bind, enum gvpn_rmap which)
{
	if (which == GVPN_RMAP_OUT)
		gvpn_export_walk(bind);
	else if (bind->group && bind->group->active)
		gvpn_heard_again(bind->group);
}

void gvpn_rmap_set(struct gvpn_bind *bind, enum gvpn_rmap which,
		   const char *name)
{
	XFREE(MTYPE_ROUTE_MAP_NAME, bind->rmap[which]);
	if (name)
		bind->rmap[which] = XSTRDUP(MTYPE_ROUTE_MAP_NAME, name);
	look_again(bind, which);
}

bool gvpn_rmap_apply(const struct gvpn_bind *bind, enum gvpn_rmap which,
		     const struct prefix *p, struct attr *attr)
{
	struct bgp_path_info path = {
		.peer = bind->bgp->peer_self,
		.attr = attr,
	};
	struct route_map *map;

	if (!bind->rmap[which])
		return true;
	map = route_map_lookup_by_name(bind->rmap[which]);
	return map && route_map_apply(map, p, &path) != RMAP_DENYMATCH;
}

static void again_run(struct event *t)
{
	enum gvpn_rmap which;
	struct gvpn_bind *bind;

	frr_each (gvpn_binds, gvpn.binds, bind)
		for (which = 0; which < GVPN_RMAPS; which++)
			if (bind->rmap[which])
				look_again(bind, which);
}

void gvpn_rmap_changed(void)
{
	event_add_timer(gvpn.master, again_run, NULL, GVPN_RMAP_WAIT, &t_again);
}

void gvpn_rmap_fini(void)
{
	event_cancel(&t_again);
}
