/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Our route-maps on BGP neighbours.
 *
 * bgpd offers no hook on the way out and none on the way in; a route-map with
 * a match rule of ours is both.  A neighbour's own route-map stays in force:
 * ours calls it (as "call NAME" does) and takes its place in the neighbour's
 * filter.  So that nobody else notices, the user's name is put back while the
 * configuration is written, and looked for again after every command.
 *
 * A map's name is part of what bgpd forms update-groups by, so there is one
 * map for all neighbours that are to be treated alike: outbound on an S/R,
 * those that are members of the same groups and have the same map of their
 * own.
 *
 * RFC 8212: an eBGP neighbour without any policy neither gets nor brings
 * routes, if bgpd is to require one.  A map of ours would count as policy, so
 * such a neighbour gets none.
 */
#include "bgp_groupvpn_frr.h"
#include "bgp_groupvpn.h"

DEFINE_MTYPE_STATIC(GROUPVPN, GROUPVPN_MAP, "group VPN route-map");
DEFINE_MTYPE_STATIC(GROUPVPN, GROUPVPN_POLICY, "group VPN neighbor policy");

#define GVPN_APPLY_BATCH 16 /* neighbours */
#define GVPN_RULE "group-vpn"
#define GVPN_RULE_NEXT_HOP "group-vpn next-hop"
#define GVPN_RULE_WEIGHT "group-vpn weight"

enum gvpn_map_kind {
	GVPN_MAP_NONE,
	GVPN_MAP_POLICE,  /* in, S/R: only what the registration allows */
	GVPN_MAP_REFLECT, /* out, S/R: only to members of the group */
	GVPN_MAP_TRANSIT, /* out, S/R: all groups, to no member */
	GVPN_MAP_MEMBER,  /* out, member: of group routes only its own */
	GVPN_MAP_OPENED,  /* out, unicast: no opened routes */
};

static const char *const map_names[] = {
	[GVPN_MAP_POLICE] = "police",	[GVPN_MAP_REFLECT] = "reflect",
	[GVPN_MAP_TRANSIT] = "transit", [GVPN_MAP_MEMBER] = "member",
	[GVPN_MAP_OPENED] = "opened",
};

PREDECL_RBTREE_UNIQ(gvpn_maps);
struct gvpn_map {
	struct gvpn_maps_item item;
	/* what makes it one of its own */
	enum gvpn_map_kind kind;
	char *user; /* NULL: the neighbour has no map of its own */
	uint32_t *scope;
	size_t n_scope; /* GVPN_MAP_REFLECT */

	unsigned int refcnt;
	char name[64];
};

static int map_cmp(const struct gvpn_map *a, const struct gvpn_map *b)
{
	int ret = numcmp(a->kind, b->kind);

	if (!ret)
		ret = strcmp(a->user ? a->user : "", b->user ? b->user : "");
	if (!ret)
		ret = numcmp(a->n_scope, b->n_scope);
	if (!ret && a->n_scope)
		ret = memcmp(a->scope, b->scope,
			     a->n_scope * sizeof(*a->scope));
	return ret;
}

DECLARE_RBTREE_UNIQ(gvpn_maps, struct gvpn_map, item, map_cmp);

/* One neighbour, address family and direction that has a map of ours. */
PREDECL_RBTREE_UNIQ(gvpn_policies);
struct gvpn_policy {
	struct gvpn_policies_item item;
	struct peer *peer; /* locked */
	afi_t afi;
	safi_t safi;
	int direct;
	struct gvpn_map *map;
	char *hidden; /* the name in the filter, while hidden */
};

static int policy_cmp(const struct gvpn_policy *a, const struct gvpn_policy *b)
{
	int ret = numcmp((uintptr_t)a->peer, (uintptr_t)b->peer);

	if (!ret)
		ret = numcmp(a->afi, b->afi);
	if (!ret)
		ret = numcmp(a->safi, b->safi);
	return ret ? ret : numcmp(a->direct, b->direct);
}

DECLARE_RBTREE_UNIQ(gvpn_policies, struct gvpn_policy, item, policy_cmp);

static struct gvpn_maps_head maps[1];
static struct gvpn_policies_head policies[1];
static struct gvpn_map *map_in_making; /* for rule_compile() */

/* The rules --------------------------------------------------------------- */

static bool map_permits(const struct gvpn_map *map,
			const struct bgp_path_info *path)
{
	struct gvpn_group *group;
	enum gvpn_drop drop;

	switch (map->kind) {
	case GVPN_MAP_POLICE:
		drop = gvpn_rr_police(path->peer, path->attr, path->net,
				      &group);
		/* Nothing is dropped where bgpd only shows what it has stored.
		 * Who is on the way may bring our own descriptor back. */
		if (drop != GVPN_DROP_NONE && path->net &&
		    (drop != GVPN_DROP_KIND ||
		     !gvpn_neighbor_is_transit(path->peer)))
			gvpn_drop(group, path->peer, path->net, drop);
		return drop == GVPN_DROP_NONE;
	case GVPN_MAP_REFLECT:
	case GVPN_MAP_MEMBER:
		return gvpn_rr_reflects(path, map->scope, map->n_scope);
	case GVPN_MAP_TRANSIT:
		return gvpn_rr_reflects(path, NULL, GVPN_ALL_GROUPS);
	case GVPN_MAP_OPENED:
		return !gvpn_path_is_ours(path);
	case GVPN_MAP_NONE:
		break;
	}
	return false;
}

static enum route_map_cmd_result_t
rule_match(void *rule, const struct prefix *prefix, void *object)
{
	const struct gvpn_map *map = rule;

	if (!map_permits(map, object))
		return RMAP_NOMATCH;
	/* "call" passes over a map that does not exist; a neighbour's
	 * route-map that does not exist denies. */
	if (map->user && !route_map_lookup_by_name(map->user))
		return RMAP_NOMATCH;
	return RMAP_MATCH;
}

static void *rule_compile(const char *arg)
{
	return map_in_making;
}

static void rule_free(void *rule)
{
}

static const struct route_map_rule_cmd rule_cmd = {GVPN_RULE, rule_match,
						   rule_compile, rule_free};

/* The next hop of a group route is its gateway, and stays so to eBGP
 * neighbours: what bgpd would put there on an IPv4 session is a link-local
 * address, which others refuse. */
static enum route_map_cmd_result_t
rule_next_hop(void *rule, const struct prefix *prefix, void *object)
{
	struct bgp_path_info *path = object;
	size_t len;

	if (gvpn_attr_value(path->attr, &len))
		SET_FLAG(path->attr->rmap_change_flags,
			 BATTR_RMAP_NEXTHOP_UNCHANGED);
	return RMAP_OKAY;
}

static const struct route_map_rule_cmd rule_next_hop_cmd = {
	GVPN_RULE_NEXT_HOP, rule_next_hop, rule_compile, rule_free};

/* What a member says itself is better than what somebody on the way says of
 * it, however that is announced: an S/R cannot tell a forged one.  Operators
 * may see it otherwise, in a route-map of theirs. */
static enum route_map_cmd_result_t
rule_weight(void *rule, const struct prefix *prefix, void *object)
{
	struct bgp_path_info *path = object;
	size_t len;

	if (gvpn_attr_value(path->attr, &len) &&
	    !gvpn_neighbor_is_transit(path->peer))
		path->attr->weight = BGP_ATTR_DEFAULT_WEIGHT;
	return RMAP_OKAY;
}

static const struct route_map_rule_cmd rule_weight_cmd = {
	GVPN_RULE_WEIGHT, rule_weight, rule_compile, rule_free};

/* The maps ---------------------------------------------------------------- */

static void map_build(struct gvpn_map *map)
{
	struct route_map *rmap = route_map_get(map->name);
	struct route_map_index *index =
		route_map_index_get(rmap, RMAP_PERMIT, 10);

	map_in_making = map;
	route_map_add_match(index, GVPN_RULE, map->name,
			    RMAP_EVENT_MATCH_ADDED);
	if (map->kind == GVPN_MAP_REFLECT || map->kind == GVPN_MAP_MEMBER ||
	    map->kind == GVPN_MAP_TRANSIT)
		route_map_add_set(index, GVPN_RULE_NEXT_HOP, map->name);
	else if (map->kind == GVPN_MAP_POLICE)
		route_map_add_set(index, GVPN_RULE_WEIGHT, map->name);
	map_in_making = NULL;

	if (map->user) {
		index->nextrm = XSTRDUP(MTYPE_ROUTE_MAP_NAME, map->user);
		route_map_upd8_dependency(RMAP_EVENT_CALL_ADDED, map->user,
					  map->name);
	}
	/* It is new: nobody has to be told that it changed. */
	rmap->to_be_processed = false;
}

static struct gvpn_map *map_get(const struct gvpn_map *wanted)
{
	struct gvpn_map *map = gvpn_maps_find(maps, wanted);
	static uint32_t number;

	if (map) {
		map->refcnt++;
		return map;
	}

	map = XCALLOC(MTYPE_GROUPVPN_MAP, sizeof(*map));
	map->kind = wanted->kind;
	if (wanted->user)
		map->user = XSTRDUP(MTYPE_GROUPVPN_MAP, wanted->user);
	if (wanted->n_scope) {
		map->n_scope = wanted->n_scope;
		map->scope = XMALLOC(MTYPE_GROUPVPN_MAP,
				     map->n_scope * sizeof(*map->scope));
		memcpy(map->scope, wanted->scope,
		       map->n_scope * sizeof(*map->scope));
	}
	map->refcnt = 1;
	/* '%' keeps users from having a map of this name by chance. */
	snprintf(map->name, sizeof(map->name), "%%group-vpn-%s-%u",
		 map_names[map->kind], ++number);
	gvpn_maps_add(maps, map);
	map_build(map);
	return map;
}

static void map_put(struct gvpn_map *map)
{
	struct route_map *rmap;

	if (--map->refcnt)
		return;

	rmap = route_map_lookup_by_name(map->name);
	if (rmap)
		route_map_delete(rmap);
	gvpn_maps_del(maps, map);
	XFREE(MTYPE_GROUPVPN_MAP, map->user);
	XFREE(MTYPE_GROUPVPN_MAP, map->scope);
	XFREE(MTYPE_GROUPVPN_MAP, map);
}

/* Neighbours -------------------------------------------------------------- */

/* Would bgpd let this neighbour pass without our map? */
static bool rfc8212_permits(struct peer *peer, const struct bgp_filter *filter,
			    int direct, const char *user)
{
	struct bgp_filter without = *filter;

	if (!CHECK_FLAG(peer->bgp->flags, BGP_FLAG_EBGP_REQUIRES_POLICY))
		return true;
	without.map[direct].name = (char *)user;
	return direct == RMAP_IN ? bgp_inbound_policy_exists(peer, &without)
				 : bgp_outbound_policy_exists(peer, &without);
}

static enum gvpn_map_kind wanted_kind(const struct peer *peer, afi_t afi,
				      safi_t safi, int direct)
{
	if (peer->bgp != bgp_get_default() || !peer->afc[afi][safi])
		return GVPN_MAP_NONE;

	/* Without a VRF every neighbour may be one in the underlay. */
	if (safi != SAFI_MPLS_VPN)
		return direct == RMAP_OUT && gvpn_bgp_is_bound(peer->bgp)
			       ? GVPN_MAP_OPENED
			       : GVPN_MAP_NONE;
	if (direct == RMAP_IN)
		return gvpn_is_reflector() ? GVPN_MAP_POLICE : GVPN_MAP_NONE;
	if (gvpn_is_reflector())
		return gvpn_neighbor_is_transit(peer) ? GVPN_MAP_TRANSIT
						      : GVPN_MAP_REFLECT;
	return gvpn_binds_count(gvpn.binds) ? GVPN_MAP_MEMBER : GVPN_MAP_NONE;
}

static struct update_subgroup *subgroup_of(const struct gvpn_policy *policy)
{
	struct peer_af *paf =
		peer_af_find(policy->peer, policy->afi, policy->safi);

	return paf ? paf->subgroup : NULL;
}

/* A neighbour that shared its updates with others and leaves them has, from
 * bgpd, a copy of what was sent to it; but not of what bgpd compares to leave
 * out what was sent, so that all of it would be sent once more. */
static void keep_sent(struct update_subgroup *from, struct update_subgroup *to)
{
	struct bgp_adj_out *sent, *copy;

	if (!from || !to || from == to)
		return;
	sent = TAILQ_FIRST(&from->adjq);
	SUBGRP_FOREACH_ADJ (to, copy) {
		if (!sent || sent->dest != copy->dest ||
		    sent->addpath_tx_id != copy->addpath_tx_id)
			return;
		/* what waits to be sent will be compared when it is */
		if (!sent->adv)
			gvpn_adj_out_same(copy, sent);
		sent = TAILQ_NEXT(sent, subgrp_adj_train);
	}
}

/* Sets or, with name NULL, takes out the neighbour's map without touching
 * whether it is the neighbour's own or its peer-group's. */
static void filter_set(struct gvpn_policy *policy, const char *name)
{
	struct update_subgroup *before_subgroup = subgroup_of(policy);
	struct peer *peer = policy->peer;
	uint8_t *override = &peer->filter_override[policy->afi][policy->safi]
						  [policy->direct];
	uint8_t before = *override;

	if (name)
		peer_route_map_set(peer, policy->afi, policy->safi,
				   policy->direct, name,
				   route_map_lookup_by_name(name));
	else
		peer_route_map_unset(peer, policy->afi, policy->safi,
				     policy->direct);
	*override = before;
	if (policy->direct == RMAP_OUT)
		keep_sent(before_subgroup, subgroup_of(policy));
}

static void policy_free(struct gvpn_policy *policy)
{
	gvpn_policies_del(policies, policy);
	map_put(policy->map);
	peer_unlock(policy->peer);
	XFREE(MTYPE_GROUPVPN_POLICY, policy);
}

static void policy_set(struct gvpn_policy *policy, struct peer *peer, afi_t afi,
		       safi_t safi, int direct, struct gvpn_map *map)
{
	struct gvpn_map *before = NULL;

	if (!policy) {
		policy = XCALLOC(MTYPE_GROUPVPN_POLICY, sizeof(*policy));
		policy->peer = peer_lock(peer);
		policy->afi = afi;
		policy->safi = safi;
		policy->direct = direct;
		gvpn_policies_add(policies, policy);
	} else {
		before = policy->map;
	}
	policy->map = map;
	gvpn_debug("%s %s: route-map %s", peer->host,
		   get_afi_safi_str(afi, safi, false), map->name);
	filter_set(policy, map->name);
	if (before)
		map_put(before);
	/* What came before must pass it too, and that is not left to the
	 * neighbour's answer to a route refresh. */
	if (map->kind == GVPN_MAP_POLICE)
		gvpn_rr_walk();
}

static struct gvpn_policy *policy_find(const struct peer *peer, afi_t afi,
				       safi_t safi, int direct)
{
	struct gvpn_policy ref = {
		.peer = (struct peer *)peer,
		.afi = afi,
		.safi = safi,
		.direct = direct,
	};

	return gvpn_policies_find(policies, &ref);
}

/* Whether it is policy's map that the neighbour has. */
static bool is_in_place(const struct gvpn_policy *policy,
			const struct bgp_filter *filter)
{
	const char *current = policy ? filter->map[policy->direct].name : NULL;

	return current && strcmp(current, policy->map->name) == 0;
}

static void policy_apply(struct peer *peer, afi_t afi, safi_t safi, int direct)
{
	struct gvpn_policy *policy = policy_find(peer, afi, safi, direct);
	struct bgp_filter *filter = &peer->filter[afi][safi];
	bool in_place = is_in_place(policy, filter);
	struct gvpn_map wanted = {};
	struct gvpn_map *map;

	wanted.kind = wanted_kind(peer, afi, safi, direct);
	wanted.user = in_place ? policy->map->user : filter->map[direct].name;
	if (!rfc8212_permits(peer, filter, direct, wanted.user))
		wanted.kind = GVPN_MAP_NONE;

	if (wanted.kind == GVPN_MAP_NONE) {
		if (in_place)
			filter_set(policy, policy->map->user);
		if (policy)
			policy_free(policy);
		return;
	}

	if (wanted.kind == GVPN_MAP_REFLECT)
		wanted.scope = gvpn_scope_of(peer, &wanted.n_scope);
	map = map_get(&wanted);
	XFREE(MTYPE_TMP, wanted.scope);
	if (in_place && policy->map == map)
		map_put(map);
	else
		policy_set(policy, peer, afi, safi, direct, map);
}

/* Where a neighbour may have maps of ours. */
static const struct {
	afi_t afi;
	safi_t safi;
	int direct;
} places[] = {
	{AFI_IP6, SAFI_MPLS_VPN, RMAP_IN},
	{AFI_IP6, SAFI_MPLS_VPN, RMAP_OUT},
	{AFI_IP, SAFI_MPLS_VPN, RMAP_IN},
	{AFI_IP, SAFI_MPLS_VPN, RMAP_OUT},
	{AFI_IP, SAFI_UNICAST, RMAP_OUT},
	{AFI_IP, SAFI_LABELED_UNICAST, RMAP_OUT},
	{AFI_IP6, SAFI_UNICAST, RMAP_OUT},
	{AFI_IP6, SAFI_LABELED_UNICAST, RMAP_OUT},
};

static bool has_maps(const struct peer *peer)
{
	return !CHECK_FLAG(peer->sflags, PEER_STATUS_GROUP) &&
	       peer != peer->bgp->peer_self &&
	       gvpn_peer_status(peer) != Deleted;
}

/* Gives the neighbour the maps that it should have; with only_missing those
 * where it has none of ours. */
static void apply_places(struct peer *peer, bool only_missing)
{
	const struct gvpn_policy *policy;
	unsigned int i;

	if (!has_maps(peer))
		return;
	for (i = 0; i < array_size(places); i++) {
		if (only_missing) {
			policy = policy_find(peer, places[i].afi,
					     places[i].safi, places[i].direct);
			if (is_in_place(policy, &peer->filter[places[i].afi]
							     [places[i].safi]))
				continue;
		}
		policy_apply(peer, places[i].afi, places[i].safi,
			     places[i].direct);
	}
}

static void apply_all(bool only_missing)
{
	struct bgp *bgp = bgp_get_default();
	struct listnode *node, *next;
	struct peer *peer;

	if (!bgp)
		return;
	for (ALL_LIST_ELEMENTS(bgp->peer, node, next, peer))
		apply_places(peer, only_missing);
}

void gvpn_policy_apply_peer(struct peer *peer)
{
	apply_places(peer, false);
}

void gvpn_policy_apply(void)
{
	apply_all(false);
}

void gvpn_policy_follow(void)
{
	apply_all(true);
	if (bgp_get_default())
		gvpn_policy_apply_soon(NULL);
}

void gvpn_policy_apply_named(struct peer *named)
{
	struct listnode *node, *next;
	struct peer *peer;

	for (ALL_LIST_ELEMENTS(named->bgp->peer, node, next, peer)) {
		if (peer == named ||
		    (peer->group && peer->group->conf == named))
			gvpn_policy_apply_peer(peer);
	}
}

static struct event *t_apply;
static unsigned int apply_next; /* position in bgp->peer */
static bool applying, apply_again;
static void (*apply_done)(void);

/* A change of the list meanwhile is looked after by whoever makes it. */
static void apply_run(struct event *t)
{
	struct bgp *bgp = bgp_get_default();
	struct listnode *node, *next;
	unsigned int at = 0;
	struct peer *peer;

	if (!bgp) {
		applying = false;
		apply_again = false;
		return;
	}
	for (ALL_LIST_ELEMENTS(bgp->peer, node, next, peer)) {
		if (at++ < apply_next)
			continue;
		if (at > apply_next + GVPN_APPLY_BATCH) {
			apply_next += GVPN_APPLY_BATCH;
			event_add_event(gvpn.master, apply_run, NULL, 0,
					&t_apply);
			return;
		}
		gvpn_policy_apply_peer(peer);
	}
	applying = apply_again;
	apply_again = false;
	if (applying) {
		apply_next = 0;
		event_add_event(gvpn.master, apply_run, NULL, 0, &t_apply);
	} else if (apply_done) {
		apply_done();
		apply_done = NULL;
	}
}

void gvpn_policy_apply_soon(void (*done)(void))
{
	if (done)
		apply_done = done;
	/* A pass is finished first: else who is last might never have a turn
	 * while registrations keep coming. */
	if (applying) {
		apply_again = true;
		return;
	}
	applying = true;
	apply_next = 0;
	event_add_event(gvpn.master, apply_run, NULL, 0, &t_apply);
}

void gvpn_policy_hide(void)
{
	struct gvpn_policy *policy;
	struct bgp_filter *filter;

	frr_each (gvpn_policies, policies, policy) {
		filter = &policy->peer->filter[policy->afi][policy->safi];
		policy->hidden = filter->map[policy->direct].name;
		if (policy->hidden &&
		    strcmp(policy->hidden, policy->map->name) == 0)
			filter->map[policy->direct].name = policy->map->user;
	}
}

void gvpn_policy_unhide(void)
{
	struct gvpn_policy *policy;

	frr_each (gvpn_policies, policies, policy) {
		policy->peer->filter[policy->afi][policy->safi]
			.map[policy->direct]
			.name = policy->hidden;
		policy->hidden = NULL;
	}
}

void gvpn_policy_forget_peer(struct peer *peer)
{
	struct gvpn_policy *policy;
	struct listnode *node;
	struct peer *other;
	unsigned int at = 0;

	/* Those behind it move up: none is to be passed over. */
	if (applying && peer->bgp == bgp_get_default()) {
		for (ALL_LIST_ELEMENTS_RO(peer->bgp->peer, node, other)) {
			if (at++ >= apply_next)
				break;
			if (other == peer) {
				apply_next--;
				break;
			}
		}
	}
	frr_each_safe (gvpn_policies, policies, policy) {
		if (policy->peer == peer)
			policy_free(policy);
	}
}

void gvpn_policy_init(void)
{
	gvpn_maps_init(maps);
	gvpn_policies_init(policies);
	route_map_install_match(&rule_cmd);
	route_map_install_set(&rule_next_hop_cmd);
	route_map_install_set(&rule_weight_cmd);
}
