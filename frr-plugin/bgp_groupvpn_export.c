/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a member announces: its member route, and the selected IPv4 and IPv6
 * unicast paths of the bound instance, sealed.
 *
 * Routes share attributes as far as can be, so that UPDATEs pack and nothing is
 * sealed or sent again that did not change.  Opened and imported paths are not
 * announced, nor is an aggregate of nothing else, nor what a community keeps at
 * the site (RFC 1997).  What another gateway of the site has opened is known by
 * its route target, and is not announced either: the group has it already.
 *
 * When the route epoch changes, what was sealed in the one before stays beside
 * what is sealed in the new one until charon ends it: receivers have both for
 * a while, and no route is lost in between.
 *
 * bgpd's hooks do not report every change of a selection (next-hop tracking
 * makes some without a word), but every change gives the destination the next
 * version number of its table.  So that number is polled, and a walk through
 * the table looks at what is newer than the last walk.  The same walk, over
 * everything, follows a change of our own keys or attributes.
 */
#include "bgp_groupvpn_frr.h"
#include "bgp_groupvpn.h"

DEFINE_MTYPE_STATIC(GROUPVPN, GROUPVPN_EXPORT, "group VPN announced route");

#define GVPN_POLL 1 /* s between looks at the table's version */

static void walk_run(struct event *t);

static void walk_start(struct gvpn_export_walk *walk)
{
	if (walk->t_walk) {
		walk->again = true;
		return;
	}
	event_add_event(gvpn.master, walk_run, walk, 0, &walk->t_walk);
}

void gvpn_export_walk(struct gvpn_bind *bind)
{
	unsigned int i;

	for (i = 0; i < array_size(bind->walks); i++) {
		bind->walks[i].version = 0;
		walk_start(&bind->walks[i]);
	}
}

static struct gvpn_export *export_find(struct gvpn_bind *bind,
				       const struct prefix *p)
{
	struct gvpn_export ref = {};

	prefix_copy(&ref.prefix, p);
	return gvpn_exports_find(bind->exports, &ref);
}

static void export_free(struct gvpn_bind *bind, struct gvpn_export *export)
{
	gvpn_exports_del(bind->exports, export);
	gvpn_own_unset(&export->own);
	gvpn_own_unset(&export->old);
	XFREE(MTYPE_GROUPVPN_EXPORT, export);
}

static const struct bgp_path_info *selected_path(struct bgp_dest *dest)
{
	const struct bgp_path_info *pi;

	for (pi = bgp_dest_get_bgp_path_info(dest); pi; pi = pi->next) {
		if (CHECK_FLAG(pi->flags, BGP_PATH_SELECTED))
			return CHECK_FLAG(pi->flags, BGP_PATH_REMOVED) ? NULL
								       : pi;
	}
	return NULL;
}

static bool is_aggregate(const struct bgp_path_info *pi)
{
	return pi && pi->sub_type == BGP_ROUTE_AGGREGATE;
}

/* An aggregate may have communities of its parts, whosever these are. */
static bool is_sites(const struct bgp_path_info *pi)
{
	return pi && !gvpn_path_is_own(pi) &&
	       pi->sub_type != BGP_ROUTE_IMPORTED &&
	       (is_aggregate(pi) || !gvpn_has_route_target(pi->attr));
}

/* bgpd aggregates opened routes too; of that alone, nothing is ours. */
static bool aggregates_ours(struct bgp_dest *top)
{
	const struct bgp_path_info *pi;
	struct bgp_dest *dest;

	for (dest = bgp_route_next_until(bgp_dest_lock_node(top), top); dest;
	     dest = bgp_route_next_until(dest, top)) {
		pi = selected_path(dest);
		if (is_sites(pi) && !is_aggregate(pi)) {
			bgp_dest_unlock_node(dest);
			return true;
		}
	}
	return false;
}

static bool stays_at_site(const struct attr *attr)
{
	struct community *communities = bgp_attr_get_community(attr);

	return communities &&
	       (community_include(communities, COMMUNITY_NO_EXPORT) ||
		community_include(communities, COMMUNITY_NO_ADVERTISE) ||
		community_include(communities, COMMUNITY_LOCAL_AS));
}

/* The path that is announced, NULL if none is. */
static const struct bgp_path_info *exported_path(struct bgp_dest *dest)
{
	const struct bgp_path_info *pi = selected_path(dest);

	return is_sites(pi) && !stays_at_site(pi->attr) &&
			       (!is_aggregate(pi) || aggregates_ours(dest))
		       ? pi
		       : NULL;
}

/* Whether an aggregate is announced depends on what is beneath it. */
static void recheck_aggregates(struct bgp *bgp, struct bgp_dest *dest)
{
	while ((dest = bgp_dest_parent_nolock(dest))) {
		if (is_aggregate(selected_path(dest)))
			gvpn_queue_dest(bgp, dest);
	}
}

static bool is_at(const struct gvpn_own *own, const struct prefix_rd *rd,
		  const struct prefix *nlri)
{
	return own->pi &&
	       memcmp(gvpn_dest_rd(own->dest)->u.val, rd->val, 8) == 0 &&
	       prefix_same(bgp_dest_get_prefix(own->dest), nlri);
}

static bool is_sealed_in(const struct gvpn_own *own, uint32_t route_epoch)
{
	const uint8_t *value;
	struct gv_attr a;
	size_t len;

	if (!route_epoch || !own->pi)
		return false;
	value = gvpn_attr_value(own->pi->attr, &len);
	return value && gv_attr_decode(value, len, &a) == GV_ATTR_OK &&
	       a.sealed && a.route_epoch == route_epoch;
}

/* Makes room for what the prefix is announced as now. */
static void export_move(struct gvpn_bind *bind, struct gvpn_export *export)
{
	if (!is_sealed_in(&export->own, bind->old_route_epoch)) {
		gvpn_own_unset(&export->own);
		return;
	}
	gvpn_own_unset(&export->old);
	export->old = export->own;
	memset(&export->own, 0, sizeof(export->own));
}

/* What is announced of a path, NULL if nothing is; nlri gets its place. */
static struct attr *export_attr(struct gvpn_bind *bind, const struct prefix *p,
				const struct bgp_path_info *pi,
				struct prefix *nlri)
{
	struct attr mapped = *pi->attr, *attr = NULL;

	if (gvpn_rmap_apply(bind, GVPN_RMAP_OUT, p, &mapped) &&
	    !stays_at_site(&mapped))
		attr = gvpn_seal_route(bind, p, &mapped, nlri);
	bgp_attr_flush(&mapped);
	return attr;
}

void gvpn_export_dest(struct gvpn_bind *bind, struct bgp_dest *dest)
{
	const struct prefix *p = bgp_dest_get_prefix(dest);
	struct gvpn_export *export = export_find(bind, p);
	const struct bgp_path_info *pi =
		bind->announcing ? exported_path(dest) : NULL;
	struct attr *attr = NULL;
	struct prefix nlri;

	if (pi)
		attr = export_attr(bind, p, pi, &nlri);
	if (!attr) {
		if (export) {
			export_free(bind, export);
			recheck_aggregates(bind->bgp, dest);
		}
		return;
	}

	if (!export) {
		recheck_aggregates(bind->bgp, dest);
		export = XCALLOC(MTYPE_GROUPVPN_EXPORT, sizeof(*export));
		prefix_copy(&export->prefix, p);
		gvpn_exports_add(bind->exports, export);
	}
	if (!bind->old_route_epoch)
		gvpn_own_unset(&export->old);
	if (!is_at(&export->own, &bind->rd, &nlri))
		export_move(bind, export);
	gvpn_own_set(&export->own, bind->vpn, family2afi(nlri.family),
		     SAFI_MPLS_VPN, &bind->rd, &nlri, attr);
	bgp_attr_unintern(&attr);
}

/* Whether it is done. */
static bool drain(struct gvpn_bind *bind, unsigned int batch)
{
	struct gvpn_export *export;

	for (; batch > 0; batch--) {
		export = gvpn_exports_first(bind->exports);
		if (!export)
			return true;
		export_free(bind, export);
	}
	return false;
}

static bool walk_batch(struct gvpn_export_walk *walk)
{
	struct gvpn_bind *bind = walk->bind;
	struct bgp_table *table = bind->bgp->rib[walk->afi][SAFI_UNICAST];
	unsigned int n;

	for (n = 0; n < GVPN_BATCH; n++) {
		if (walk->at) {
			walk->at = bgp_route_next(walk->at);
		} else {
			walk->from = walk->version;
			walk->version = bgp_table_version(table);
			walk->at = bgp_table_top(table);
		}
		if (!walk->at)
			return true;
		if (walk->from && walk->at->version <= walk->from)
			continue;
		/* Its path may be going while the next one is not chosen. */
		if (gvpn_selection_is_due(walk->at)) {
			gvpn_queue_dest(bind->bgp, walk->at);
			continue;
		}
		gvpn_zebra_dest(bind->bgp, walk->at);
		gvpn_export_dest(bind, walk->at);
	}
	return false;
}

static void walk_run(struct event *t)
{
	struct gvpn_export_walk *walk = EVENT_ARG(t);
	bool done;

	done = (walk->bind->announcing || drain(walk->bind, GVPN_BATCH)) &&
	       walk_batch(walk);
	if (done && walk->again) {
		walk->again = false;
		walk->version = 0;
		done = false;
	}
	if (!done)
		event_add_event(gvpn.master, walk_run, walk, 0, &walk->t_walk);
}

static void poll_run(struct event *t)
{
	struct gvpn_bind *bind = EVENT_ARG(t);
	struct gvpn_export_walk *walk;
	unsigned int i;

	for (i = 0; i < array_size(bind->walks); i++) {
		walk = &bind->walks[i];
		if (!walk->t_walk &&
		    bgp_table_version(
			    bind->bgp->rib[walk->afi][SAFI_UNICAST]) !=
			    walk->version)
			walk_start(walk);
	}
	event_add_timer(gvpn.master, poll_run, bind, GVPN_POLL, &bind->t_poll);
}

/* Takes over the reference to attr; whether it is another than before. */
static bool replace_attr(struct attr **where, struct attr *attr)
{
	struct attr *before = *where;

	*where = attr;
	if (before)
		bgp_attr_unintern(&before);
	return before != attr;
}

static void attrs_free(struct gvpn_bind *bind)
{
	if (bind->member_attr)
		bgp_attr_unintern(&bind->member_attr);
	bind->member_attr = NULL;
	gvpn_seal_forget(bind);
	gv_wipe(bind->seal_key, GV_SECRET_LEN);
	bind->route_epoch = bind->old_route_epoch = 0;
}

/* Which of the two route epochs that are announced is the old one; whether
 * that is another than before. */
static bool set_route_epoch(struct gvpn_bind *bind, bool member_changes)
{
	const struct gvpn_group *group = bind->group;
	uint32_t old = bind->old_route_epoch;

	if (bind->route_epoch != group->route.epoch) {
		old = bind->route_epoch;
		bind->route_epoch = group->route.epoch;
	}
	if (!group->changing || old != group->other.epoch || member_changes)
		old = 0;
	if (old == bind->old_route_epoch)
		return false;
	bind->old_route_epoch = old;
	return true;
}

static void stop_announcing(struct gvpn_bind *bind)
{
	if (!bind->announcing)
		return;

	zlog_info("group-vpn: group %s: no longer announcing", bind->name);
	bind->announcing = false;
	gvpn_own_unset(&bind->member);
	attrs_free(bind);
	gvpn_export_walk(bind);
}

static void announce(struct gvpn_bind *bind)
{
	const struct gvpn_group *group = bind->group;
	struct bgp *vpn = bgp_get_default();
	struct attr *member_attr = gvpn_seal_member(bind);
	uint8_t seal_key[GV_SECRET_LEN];
	char gateway[GV_ADDR_STRLEN];
	struct prefix_rd rd;
	bool changes;

	if (!member_attr ||
	    !gv_nlri_key(group->id, group->route.secret, group->member_id,
			 group->route.epoch, seal_key)) {
		if (member_attr)
			bgp_attr_unintern(&member_attr);
		stop_announcing(bind);
		return;
	}

	gvpn_rd_make(&rd, group->member_id, group->id);
	changes = !bind->announcing;
	changes |= set_route_epoch(
		bind, memcmp(rd.val, bind->rd.val, sizeof(rd.val)) != 0);
	changes |= replace_attr(&bind->member_attr, member_attr);
	changes |= !gv_equal(bind->seal_key, seal_key, sizeof(seal_key));
	memcpy(bind->seal_key, seal_key, sizeof(seal_key));
	gv_wipe(seal_key, sizeof(seal_key));
	if (!changes)
		return;

	gvpn_seal_forget(bind);
	if (!bind->announcing)
		zlog_info("group-vpn: group %s (%u): announcing as member %u, "
			  "gateway %s, Sender-ID %u",
			  group->name, group->id, group->member_id,
			  gv_addr_print(&group->gateway, gateway,
					sizeof(gateway)),
			  group->sender_id);
	bind->announcing = true;
	bind->vpn = vpn;
	bind->rd = rd;
	if (!is_at(&bind->member, &bind->rd, &gvpn_member_nlri))
		gvpn_own_unset(&bind->member);
	gvpn_own_set(&bind->member, vpn, AFI_IP6, SAFI_MPLS_VPN, &bind->rd,
		     &gvpn_member_nlri, bind->member_attr);
	gvpn_export_walk(bind);
}

void gvpn_export_again(struct gvpn_bind *bind)
{
	gvpn_seal_forget(bind);
	gvpn_export_walk(bind);
}

void gvpn_export_update(struct gvpn_bind *bind)
{
	const struct gvpn_group *group = bind->group;

	if (!bind->t_poll)
		event_add_timer(gvpn.master, poll_run, bind, GVPN_POLL,
				&bind->t_poll);
	if (group && group->active && group->descriptors > 0 &&
	    group->route.epoch)
		announce(bind);
	else
		stop_announcing(bind);
}

static void walk_stop(struct gvpn_export_walk *walk)
{
	if (walk->at)
		bgp_dest_unlock_node(walk->at);
	walk->at = NULL;
	event_cancel(&walk->t_walk);
}

void gvpn_export_init(struct gvpn_bind *bind)
{
	static const afi_t afis[] = {AFI_IP, AFI_IP6};
	unsigned int i;

	for (i = 0; i < array_size(bind->walks); i++) {
		bind->walks[i].bind = bind;
		bind->walks[i].afi = afis[i];
	}
	gvpn_exports_init(bind->exports);
}

void gvpn_export_stop(struct gvpn_bind *bind)
{
	unsigned int i;

	stop_announcing(bind);
	for (i = 0; i < array_size(bind->walks); i++)
		walk_stop(&bind->walks[i]);
	event_cancel(&bind->t_poll);
	drain(bind, UINT_MAX);
}

void gvpn_export_forget_vpn(struct gvpn_bind *bind)
{
	struct gvpn_export *export;

	gvpn_own_forget(&bind->member);
	frr_each_safe (gvpn_exports, bind->exports, export) {
		gvpn_own_forget(&export->own);
		gvpn_own_forget(&export->old);
		export_free(bind, export);
	}
	stop_announcing(bind);
}
