/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a member hears: descriptors, members and their sealed routes, from the
 * VPNv6 table to the bound instance's IPv4 and IPv6 unicast tables.
 *
 * Every VPN destination with a path that carries the group attribute of an
 * active group has a struct gvpn_heard: judged once, and again when the path
 * or the group's keys change.  Any path will do that passes, the selected one
 * first: a path that somebody forged must not hide a true one.  The path's
 * next hop is not looked at, the gateway is the attribute's.
 *
 *   descriptor -> the group is there: announce (bgp_groupvpn_export.c)
 *   member     -> charon is told (PEER) and answers when SAs and neighbour
 *                 are in the kernel (PEER_STATUS)
 *   routes     -> opened, and injected while the member is ready
 *
 * An opened route that covers an address of the underlay is refused where
 * underlay and group share a table: it would swallow the outer packets.
 */
#include "bgp_groupvpn_frr.h"
#include "bgp_groupvpn.h"

DEFINE_MTYPE_STATIC(GROUPVPN, GROUPVPN_HEARD, "group VPN heard route");

static int injected_cmp(const struct gvpn_heard *a, const struct gvpn_heard *b)
{
	return numcmp((uintptr_t)a->own.pi, (uintptr_t)b->own.pi);
}

static uint32_t injected_hash(const struct gvpn_heard *heard)
{
	return jhash(&heard->own.pi, sizeof(heard->own.pi), 0);
}

static int underlay_cmp(const struct gvpn_member *a,
			const struct gvpn_member *b)
{
	int ret = gv_addr_cmp(&a->gateway, &b->gateway);

	if (!ret)
		ret = numcmp(a->group ? a->group->id : 0,
			     b->group ? b->group->id : 0);
	return ret ? ret : numcmp(a->id, b->id);
}

DECLARE_HASH(gvpn_injecteds, struct gvpn_heard, injected_item, injected_cmp,
	     injected_hash);
DECLARE_DLIST(gvpn_dirty, struct gvpn_heard, dirty_item);
DECLARE_RBTREE_UNIQ(gvpn_underlay, struct gvpn_member, underlay_item,
		    underlay_cmp);

static struct gvpn_injecteds_head injecteds[1];
static struct gvpn_dirty_head dirty[1];
static struct gvpn_underlay_head underlay[1]; /* members' gateways */
static struct event *t_dirty, *t_covers;

static struct gvpn_walker walker = {.visit = gvpn_heard_dest};

/* What judge() finds about one path. */
struct verdict {
	struct bgp_path_info *pi;
	struct gvpn_group *group; /* NULL: not a path for us */
	enum gvpn_drop drop;
	bool known; /* as judged before: what follows is not set */
	struct gv_attr a;
	struct prefix prefix;
};

/* Injection --------------------------------------------------------------- */

static void dirty_run(struct event *t);

static void heard_touch(struct gvpn_heard *heard)
{
	if (heard->dirty)
		return;
	heard->dirty = true;
	gvpn_dirty_add_tail(dirty, heard);
	event_add_event(gvpn.master, dirty_run, NULL, 0, &t_dirty);
}

static void member_touch(struct gvpn_member *member)
{
	struct gvpn_heard *heard;

	frr_each (gvpn_member_heards, member->routes, heard)
		heard_touch(heard);
}

static void uninject(struct gvpn_heard *heard)
{
	if (!heard->own.pi)
		return;
	gvpn_injecteds_del(injecteds, heard);
	gvpn_own_unset(&heard->own);
}

static uint32_t injected_pref(const struct bgp *bgp)
{
	return bgp->default_local_pref ? bgp->default_local_pref - 1 : 0;
}

static struct attr *injected_make(const struct gvpn_heard *heard,
				  const struct gvpn_reading *reading,
				  struct bgp *bgp)
{
	struct aspath *outer = heard->attr->aspath, *empty;
	const struct gv_inner *inner = &reading->inner;
	uint8_t octets[GV_INNER_MAX];
	struct attr attr, *interned;
	struct gv_inner plain;
	size_t len;

	bgp_attr_default_set(&attr, bgp, BGP_ORIGIN_IGP);
	empty = attr.aspath;
	if (!reading->a.sealed) {
		len = gvpn_inner_read(heard->attr, octets);
		memset(&plain, 0, sizeof(plain));
		gv_inner_decode(octets, len, &plain);
		inner = &plain;
		outer = empty; /* all of it is there */
	}
	gvpn_next_hop_set(&attr, &heard->gateway,
			  family2afi(heard->prefix.family));
	bgp_attr_set_ecommunity(&attr, heard->group->route_target);
	attr.weight = 0;
	SET_FLAG(attr.flag, ATTR_FLAG_BIT(BGP_ATTR_LOCAL_PREF));
	attr.local_pref = injected_pref(bgp);
	interned = gvpn_inner_intern(&attr, bgp, outer, inner);
	aspath_unintern(&empty);
	return interned;
}

/* The attributes of an opened route: those of the site, behind the AS path by
 * which it came.  The local preference is such that the site's own routes of
 * the same prefix are better.  With the group's route target it is known for
 * what it is wherever it goes within the site, as a route that a PE imports.
 * Made once for all routes that came with one attribute, and kept with what
 * that says.  NULL: there is no key for what the attribute has sealed now; it
 * is about to be judged again. */
static const struct attr *injected_attr(const struct gvpn_heard *heard,
					struct bgp *bgp)
{
	struct gvpn_reading *reading;
	struct attr **injected;
	const uint8_t *value;
	size_t len;

	value = gvpn_attr_value(heard->attr, &len);
	reading = value ? gvpn_read(heard->attr, value, len) : NULL;
	if (!reading || reading->drop)
		return NULL;
	injected = &reading->injected[heard->prefix.family == AF_INET6];
	if (*injected && (*injected)->local_pref != injected_pref(bgp)) {
		bgp_attr_unintern(injected);
		*injected = NULL; /* bgpd does so for the last reference */
	}
	if (!*injected)
		*injected = injected_make(heard, reading, bgp);
	return *injected;
}

/* NULL: the route-map denies. */
static struct attr *mapped_attr(const struct gvpn_heard *heard,
				const struct attr *attr)
{
	struct attr mapped = *attr, *interned = NULL;

	if (gvpn_rmap_apply(heard->group->bind, GVPN_RMAP_IN, &heard->prefix,
			    &mapped))
		interned = bgp_attr_intern(&mapped);
	else
		bgp_attr_flush(&mapped);
	return interned;
}

static void inject(struct gvpn_heard *heard)
{
	struct bgp *bgp = heard->group->bind->bgp;
	const struct attr *opened = injected_attr(heard, bgp);
	struct attr *attr;

	if (!opened)
		return;
	attr = mapped_attr(heard, opened);
	heard->denied = !attr;
	if (!attr) {
		uninject(heard);
		return;
	}
	if (heard->own.pi)
		gvpn_injecteds_del(injecteds, heard);
	gvpn_own_set(&heard->own, bgp, family2afi(heard->prefix.family),
		     SAFI_UNICAST, NULL, &heard->prefix, attr);
	gvpn_injecteds_add(injecteds, heard);
	bgp_attr_unintern(&attr);
}

struct gvpn_heard *gvpn_heard_injected(const struct bgp_path_info *pi)
{
	struct gvpn_heard ref;

	ref.own.pi = (struct bgp_path_info *)pi;
	return gvpn_injecteds_find(injecteds, &ref);
}

static bool covers_member(const struct prefix *p)
{
	struct gvpn_member *first, ref = {};

	ref.gateway.len = prefix_blen(p);
	memcpy(ref.gateway.bytes, &p->u.prefix, ref.gateway.len);
	first = gvpn_underlay_find_gteq(underlay, &ref);
	return first && gvpn_prefix_covers(p, &first->gateway);
}

/* A key server need not be a neighbour: it is whom the descriptor names. */
static bool covers_gcks(const struct prefix *p)
{
	const struct gvpn_heard *heard;
	const struct gvpn_group *group;

	frr_each (gvpn_groups_const, gvpn.groups, group) {
		frr_each (gvpn_group_heards_const, group->heards, heard) {
			if (heard->kind != GV_KIND_DESCRIPTOR || heard->drop)
				break;
			if (gvpn_prefix_covers(p, &heard->gateway))
				return true;
		}
	}
	return false;
}

static bool covers_neighbor(const struct prefix *p, const struct bgp *bgp)
{
	struct listnode *node;
	struct gv_addr addr;
	struct peer *peer;

	for (ALL_LIST_ELEMENTS_RO(bgp->peer, node, peer)) {
		if (peer->afc[AFI_IP6][SAFI_MPLS_VPN] &&
		    gvpn_addr_of_peer(peer, &addr) &&
		    gvpn_prefix_covers(p, &addr))
			return true;
	}
	return false;
}

static bool covers_underlay(const struct gvpn_heard *heard)
{
	const struct bgp *bgp = heard->group->bind->bgp;

	if (bgp->inst_type != BGP_INSTANCE_TYPE_DEFAULT)
		return false;
	return gvpn_prefix_covers(&heard->prefix, &heard->group->gateway) ||
	       covers_member(&heard->prefix) || covers_gcks(&heard->prefix) ||
	       covers_neighbor(&heard->prefix, bgp);
}

const char *gvpn_heard_waits(const struct gvpn_heard *heard)
{
	const struct gvpn_member *member = heard->member;

	if (!member->heard)
		return "waiting for the member's own route";
	if (!gv_addr_equal(&heard->gateway, &member->gateway))
		return "waiting for the member's own route to name this "
		       "gateway";
	if (heard->gateway.len != heard->group->gateway.len)
		return "gateway is of another address family than ours";
	if (!member->ready)
		return member->reason[0] ? member->reason
					 : "waiting for charon";
	return NULL;
}

static void route_refresh(struct gvpn_heard *heard)
{
	bool covers = covers_underlay(heard);

	if (covers && !heard->covers)
		gvpn_drop(heard->group, heard->peer, heard->dest,
			  GVPN_DROP_COVERS);
	heard->covers = covers;

	if (covers || gvpn_heard_waits(heard))
		uninject(heard);
	else
		inject(heard);
}

static void dirty_run(struct event *t)
{
	struct gvpn_heard *heard;
	unsigned int n;

	for (n = 0; n < GVPN_BATCH; n++) {
		heard = gvpn_dirty_pop(dirty);
		if (!heard)
			return;
		heard->dirty = false;
		route_refresh(heard);
	}
	event_add_event(gvpn.master, dirty_run, NULL, 0, &t_dirty);
}

void gvpn_heard_again(struct gvpn_group *group)
{
	struct gvpn_heard *heard;

	frr_each (gvpn_group_heards, group->heards, heard) {
		if (!heard->drop && heard->kind == GV_KIND_ROUTES)
			heard_touch(heard);
	}
}

static void covers_run(struct event *t)
{
	struct gvpn_group *group;

	frr_each (gvpn_groups, gvpn.groups, group) {
		if (!group->active ||
		    group->bind->bgp->inst_type != BGP_INSTANCE_TYPE_DEFAULT)
			continue;
		gvpn_heard_again(group);
	}
}

/* The underlay has changed: looks again at the routes in its table. */
static void recheck_covers(void)
{
	event_add_event(gvpn.master, covers_run, NULL, 0, &t_covers);
}

/* Members ----------------------------------------------------------------- */

static void member_lost(struct gvpn_member *member)
{
	char buf[GV_ADDR_STRLEN];

	if (!member->heard)
		return;

	zlog_info("group-vpn: group %s (%u): member %u lost, gateway %s",
		  member->group->name, member->group->id, member->id,
		  gv_addr_print(&member->gateway, buf, sizeof(buf)));
	gvpn_underlay_del(underlay, member);
	gvpn_ctl_send_member_down(member);
	member->heard = false;
	member->ready = false;
	member->reason[0] = '\0';
	recheck_covers();
}

static void member_tell(struct gvpn_member *member)
{
	member->ready = false;
	member->reason[0] = '\0';
	gvpn_ctl_send_member(member);
	member_touch(member);
}

static void member_heard(struct gvpn_member *member,
			 const struct gvpn_heard *route)
{
	char buf[GV_ADDR_STRLEN];

	if (member->heard && member->sender_id == route->sender_id &&
	    gv_addr_equal(&member->gateway, &route->gateway))
		return;

	zlog_info("group-vpn: group %s (%u): member %u %s, gateway %s, "
		  "Sender-ID %u",
		  member->group->name, member->group->id, member->id,
		  member->heard ? "changed" : "heard",
		  gv_addr_print(&route->gateway, buf, sizeof(buf)),
		  route->sender_id);
	if (member->heard)
		gvpn_underlay_del(underlay, member);
	else
		member->since = monotime(NULL);
	member->heard = true;
	member->sender_id = route->sender_id;
	member->gateway = route->gateway;
	gvpn_underlay_add(underlay, member);
	recheck_covers();
	member_tell(member);
}

/* One of the member's own routes came, changed or went. */
static void member_refresh(struct gvpn_member *member)
{
	const struct gvpn_heard *route =
		gvpn_member_heards_const_first(member->member_routes);

	if (route)
		member_heard(member, route);
	else
		member_lost(member);
	member_touch(member);
}

void gvpn_members_tell(struct gvpn_group *group)
{
	struct gvpn_member *member;

	frr_each (gvpn_members, group->members, member) {
		if (member->heard)
			member_tell(member);
	}
}

void gvpn_member_status(const struct gv_ctl_msg *msg)
{
	struct gvpn_group *group = gvpn_group_find(msg->group_id);
	struct gvpn_member *member =
		group ? gvpn_member_find(group, msg->member_id) : NULL;

	/* An answer to an earlier PEER is of no use. */
	if (!member || !member->heard || member->sender_id != msg->sender_id)
		return;
	if (member->ready == msg->ready &&
	    strcmp(member->reason, msg->text) == 0)
		return;

	member->ready = msg->ready;
	strlcpy(member->reason, msg->ready ? "" : msg->text,
		sizeof(member->reason));
	zlog_info("group-vpn: group %s (%u): member %u %s%s", group->name,
		  group->id, member->id,
		  member->ready ? "ready" : "not ready: ",
		  member->ready ? "" : member->reason);
	member_touch(member);
}

/* What opens the member's routes of an epoch; NULL if there is no such key. */
static const uint8_t *member_key(struct gvpn_member *member, uint32_t epoch)
{
	const struct gvpn_group *group = member->group;
	const struct gvpn_route_keys *keys = gvpn_group_keys(group, epoch);
	unsigned int i = keys == &group->other;

	if (!keys)
		return NULL;
	if (member->keys[i].epoch != epoch) {
		member->keys[i].epoch = 0;
		if (!gv_nlri_key(group->id, keys->secret, member->id, epoch,
				 member->keys[i].key))
			return NULL;
		member->keys[i].epoch = epoch;
	}
	return member->keys[i].key;
}

static void member_forget_keys(struct gvpn_member *member)
{
	unsigned int i;

	for (i = 0; i < array_size(member->keys); i++) {
		member->keys[i].epoch = 0;
		gv_wipe(member->keys[i].key, GV_SECRET_LEN);
	}
}

/* Judging ----------------------------------------------------------------- */

static bool open_route(struct gvpn_member *member, const struct gv_attr *a,
		       const uint8_t nlri[16], struct gv_prefix *opened)
{
	const struct gvpn_group *group = member->group;
	const uint8_t *key = member_key(member, a->route_epoch);
	uint8_t siv_key[GV_SIV_KEY_LEN];
	bool ok;

	if (!key)
		return false;
	if (!a->prefix)
		return gv_open_prefix(key, nlri, opened);
	ok = gv_siv_key(group->id,
			gvpn_group_keys(group, a->route_epoch)->secret,
			member->id, a->route_epoch, siv_key) &&
	     gv_open_long(key, siv_key, nlri, a->prefix, opened);
	gv_wipe(siv_key, sizeof(siv_key));
	return ok;
}

static enum gvpn_drop judge_plain(const struct prefix *nlri,
				  struct prefix *prefix)
{
	struct gv_prefix p = {.len = nlri->prefixlen};

	p.family = nlri->family == AF_INET ? 4 : 6;
	memcpy(p.bytes, &nlri->u.prefix, p.family == 4 ? 4 : 16);
	if (!gvpn_prefix_is_unicast(&p))
		return GVPN_DROP_PREFIX;
	memset(prefix, 0, sizeof(*prefix));
	prefix_copy(prefix, nlri);
	return GVPN_DROP_NONE;
}

static enum gvpn_drop judge_route(struct gvpn_group *group,
				  const struct bgp_dest *dest,
				  const struct gv_attr *a,
				  struct prefix *prefix)
{
	const struct prefix *nlri = bgp_dest_get_prefix(dest);
	struct gvpn_member *member;
	struct gv_prefix opened;
	bool is_open;

	if (!a->sealed)
		return group->bind->plain ? judge_plain(nlri, prefix)
					  : GVPN_DROP_PLAIN;
	if (nlri->family != AF_INET6 || nlri->prefixlen != IPV6_MAX_BITLEN)
		return GVPN_DROP_SEAL;

	member = gvpn_member_get(group, a->member_id);
	is_open = open_route(member, a, nlri->u.prefix6.s6_addr, &opened);
	gvpn_member_put(member);
	if (!is_open)
		return GVPN_DROP_SEAL;
	if (!gvpn_prefix_is_unicast(&opened))
		return GVPN_DROP_PREFIX;

	memset(prefix, 0, sizeof(*prefix));
	prefix->family = opened.family == 4 ? AF_INET : AF_INET6;
	prefix->prefixlen = opened.len;
	memcpy(&prefix->u.prefix, opened.bytes, opened.family == 4 ? 4 : 16);
	return GVPN_DROP_NONE;
}

/* Member route and each part of the descriptor have one NLRI each. */
static bool is_nlri_of(const struct gv_attr *a, const struct bgp_dest *dest)
{
	const struct prefix *nlri = bgp_dest_get_prefix(dest);

	switch (a->kind) {
	case GV_KIND_DESCRIPTOR:
		return gvpn_part_of_nlri(nlri) == a->part_number;
	case GV_KIND_MEMBER:
		return prefix_same(nlri, &gvpn_member_nlri);
	default:
		return true;
	}
}

static enum gvpn_drop judge_value(struct verdict *v,
				  const struct bgp_dest *dest,
				  const uint8_t *value, size_t len)
{
	const struct prefix *rd = gvpn_dest_rd(dest);
	const struct gvpn_reading *reading;
	uint32_t rd_group;
	uint16_t rd_member;
	bool rd_is_ours = rd && gvpn_rd_read(rd, &rd_member, &rd_group);

	reading = gvpn_read(v->pi->attr, value, len);
	v->a = reading->a;
	v->group = reading->group;
	if (!v->group && reading->drop) {
		v->group = rd_is_ours ? gvpn_group_find(rd_group) : NULL;
		return reading->drop;
	}
	if (!v->group || !v->group->active)
		return GVPN_DROP_NONE;
	if (!rd_is_ours || rd_group != v->a.group_id ||
	    rd_member != v->a.member_id || !is_nlri_of(&v->a, dest))
		return GVPN_DROP_RD;
	if (reading->drop)
		return reading->drop;
	if (v->a.member_id == v->group->member_id)
		return GVPN_DROP_OWN_ID;
	if (reading->own_as >
	    (unsigned int)v->pi->peer->allowas_in[AFI_IP6][SAFI_MPLS_VPN])
		return GVPN_DROP_LOOP;
	return v->a.kind == GV_KIND_ROUTES
		       ? judge_route(v->group, dest, &v->a, &v->prefix)
		       : GVPN_DROP_NONE;
}

/* Our own route that came back to us. */
static bool is_echo(const struct verdict *v)
{
	return v->drop == GVPN_DROP_OWN_ID &&
	       v->a.sender_id == v->group->sender_id &&
	       gv_addr_equal(&v->a.gateway, &v->group->gateway);
}

static bool is_known(const struct gvpn_heard *heard,
		     const struct bgp_path_info *pi)
{
	return heard && heard->attr == pi->attr && heard->peer == pi->peer;
}

static void judge(struct verdict *v, const struct bgp_dest *dest,
		  struct bgp_path_info *pi, const struct gvpn_heard *heard)
{
	const uint8_t *value;
	size_t len;

	memset(v, 0, sizeof(*v));
	if (CHECK_FLAG(pi->flags, BGP_PATH_REMOVED | BGP_PATH_HISTORY) ||
	    pi->peer == pi->peer->bgp->peer_self)
		return;
	if (is_known(heard, pi) && !heard->again) {
		v->pi = pi;
		v->known = true;
		v->group = heard->group;
		v->drop = heard->drop;
		return;
	}
	value = gvpn_attr_value(pi->attr, &len);
	if (!value)
		return;

	v->pi = pi;
	v->drop = judge_value(v, dest, value, len);
	if (v->group && (!v->group->active || is_echo(v)))
		v->group = NULL;
}

static bool is_better(const struct verdict *a, const struct verdict *b)
{
	if (!a->group || !b->group)
		return a->group;
	if (!a->drop != !b->drop)
		return !a->drop;
	return CHECK_FLAG(a->pi->flags, BGP_PATH_SELECTED) &&
	       !CHECK_FLAG(b->pi->flags, BGP_PATH_SELECTED);
}

/* Hearing ----------------------------------------------------------------- */

static struct gvpn_heard *heard_find(struct bgp_dest *dest)
{
	struct gvpn_heard ref;

	ref.dest = dest;
	return gvpn_heards_find(gvpn.heards, &ref);
}

static struct gvpn_heard *heard_new(struct bgp_dest *dest)
{
	struct gvpn_heard *heard;

	heard = XCALLOC(MTYPE_GROUPVPN_HEARD, sizeof(*heard));
	heard->dest = bgp_dest_lock_node(dest);
	gvpn_heards_add(gvpn.heards, heard);
	return heard;
}

/* Takes back what follows from this route. */
static void heard_detach(struct gvpn_heard *heard)
{
	struct gvpn_group *group = heard->group;
	struct gvpn_member *member = heard->member;

	gvpn_group_heards_del(group->heards, heard);
	heard->group = NULL;
	heard->member = NULL;
	peer_unlock(heard->peer);
	bgp_attr_unintern(&heard->attr);
	if (heard->dirty)
		gvpn_dirty_del(dirty, heard);
	heard->dirty = false;
	if (heard->drop)
		return;

	switch (heard->kind) {
	case GV_KIND_DESCRIPTOR:
		recheck_covers();
		if (heard->part)
			break;
		group->descriptors--;
		if (group->descriptors == 0 && group->active) {
			zlog_info("group-vpn: group %s (%u): descriptor lost",
				  group->name, group->id);
			gvpn_export_update(group->bind);
		}
		break;
	case GV_KIND_MEMBER:
		gvpn_member_heards_del(member->member_routes, heard);
		member_refresh(member);
		gvpn_member_put(member);
		break;
	case GV_KIND_ROUTES:
		uninject(heard);
		gvpn_member_heards_del(member->routes, heard);
		gvpn_member_put(member);
		break;
	}
}

static void heard_free(struct gvpn_heard *heard)
{
	heard_detach(heard);
	if (heard->rejected)
		bgp_attr_unintern(&heard->rejected);
	gvpn_heards_del(gvpn.heards, heard);
	bgp_dest_unlock_node(heard->dest);
	XFREE(MTYPE_GROUPVPN_HEARD, heard);
}

static void heard_attach(struct gvpn_heard *heard, const struct verdict *v)
{
	struct gvpn_group *group = v->group;

	heard->group = group;
	heard->drop = v->drop;
	heard->peer = peer_lock(v->pi->peer);
	heard->attr = bgp_attr_intern(v->pi->attr);
	heard->kind = v->a.kind;
	heard->part = v->a.part_number;
	heard->sender_id = v->a.sender_id;
	heard->gateway = v->a.gateway;
	heard->covers = false;
	/* descriptors first: who looks for them finds them */
	if (heard->kind == GV_KIND_DESCRIPTOR && !heard->drop)
		gvpn_group_heards_add_head(group->heards, heard);
	else
		gvpn_group_heards_add_tail(group->heards, heard);
	if (heard->drop)
		return;

	switch (heard->kind) {
	case GV_KIND_DESCRIPTOR:
		recheck_covers();
		if (heard->part)
			break;
		group->descriptors++;
		if (group->descriptors == 1) {
			zlog_info("group-vpn: group %s (%u): descriptor heard "
				  "from %s",
				  group->name, group->id, heard->peer->host);
			gvpn_export_update(group->bind);
		}
		break;
	case GV_KIND_MEMBER:
		heard->member = gvpn_member_get(group, v->a.member_id);
		gvpn_member_heards_add_tail(heard->member->member_routes,
					    heard);
		member_refresh(heard->member);
		break;
	case GV_KIND_ROUTES:
		heard->member = gvpn_member_get(group, v->a.member_id);
		heard->prefix = v->prefix;
		gvpn_member_heards_add_tail(heard->member->routes, heard);
		heard_touch(heard);
		break;
	}
}

/* The same thing said again with other attributes need not be taken back. */
static bool says_the_same(const struct gvpn_heard *heard,
			  const struct verdict *v)
{
	if (heard->group != v->group || heard->drop || v->drop ||
	    heard->kind != v->a.kind)
		return false;
	if (heard->kind == GV_KIND_DESCRIPTOR)
		return true;
	if (heard->member->id != v->a.member_id)
		return false;
	return heard->kind == GV_KIND_MEMBER ||
	       prefix_same(&heard->prefix, &v->prefix);
}

static void heard_change(struct gvpn_heard *heard, const struct verdict *v)
{
	struct attr *before = heard->attr;

	peer_unlock(heard->peer);
	heard->peer = peer_lock(v->pi->peer);
	heard->attr = bgp_attr_intern(v->pi->attr);
	bgp_attr_unintern(&before);
	heard->sender_id = v->a.sender_id;
	heard->gateway = v->a.gateway;
	if (heard->kind == GV_KIND_MEMBER)
		member_refresh(heard->member);
	else if (heard->kind == GV_KIND_ROUTES)
		heard_touch(heard);
	else
		recheck_covers();
}

/* Counts a path that is dropped while a better one is in use. */
static void heard_reject(struct gvpn_heard *heard, const struct verdict *v)
{
	if (heard->rejected == v->pi->attr)
		return;
	gvpn_drop(v->group, v->pi->peer, heard->dest, v->drop);
	if (heard->rejected)
		bgp_attr_unintern(&heard->rejected);
	heard->rejected = bgp_attr_intern(v->pi->attr);
}

/* GSA_REKEY messages prove themselves.  So they pass also in a descriptor whose
 * MAC cannot be verified because it is of another route epoch than ours: they
 * may be what leads to that. */
bool gvpn_heard_part(struct gvpn_group *group, struct bgp_dest *dest,
		     struct bgp_path_info *pi, struct gv_part *part,
		     bool *verified)
{
	struct verdict v;

	judge(&v, dest, pi, NULL);
	*verified = !v.drop;
	return v.group == group &&
	       (!v.drop || v.drop == GVPN_DROP_ROUTE_EPOCH) &&
	       v.a.kind == GV_KIND_DESCRIPTOR && gv_attr_part(&v.a, part);
}

static void heard_set(struct bgp_dest *dest, struct gvpn_heard **heard,
		      const struct verdict *v)
{
	if (v->drop && !(is_known(*heard, v->pi) && (*heard)->drop == v->drop))
		gvpn_drop(v->group, v->pi->peer, dest, v->drop);

	if (*heard && says_the_same(*heard, v)) {
		heard_change(*heard, v);
	} else {
		if (*heard)
			heard_detach(*heard);
		else
			*heard = heard_new(dest);
		heard_attach(*heard, v);
	}
	(*heard)->again = false;
}

/* A descriptor's destination has changed: by any of its paths. */
static void descriptor_dest(const struct bgp_dest *dest)
{
	const struct prefix *rd = gvpn_dest_rd(dest);
	struct gvpn_group *group;
	uint32_t group_id;
	uint16_t member_id;

	if (gvpn_part_of_nlri(bgp_dest_get_prefix(dest)) < 0 || !rd ||
	    !gvpn_rd_read(rd, &member_id, &group_id))
		return;
	group = gvpn_group_find(group_id);
	if (group)
		gvpn_rekey_hear(group);
}

void gvpn_heard_dest(struct bgp *bgp, struct bgp_dest *dest)
{
	struct gvpn_heard *heard = heard_find(dest);
	struct verdict best = {}, dropped = {}, v;
	struct bgp_path_info *pi;

	descriptor_dest(dest);
	for (pi = bgp_dest_get_bgp_path_info(dest); pi; pi = pi->next) {
		judge(&v, dest, pi, heard);
		if (is_better(&v, &best))
			best = v;
		if (v.group && v.drop)
			dropped = v;
	}

	if (!best.group) {
		if (heard)
			heard_free(heard);
		return;
	}
	if (!best.known)
		heard_set(dest, &heard, &best);
	if (dropped.group && !best.drop)
		heard_reject(heard, &dropped);
}

void gvpn_heard_walk(struct gvpn_group *group)
{
	struct gvpn_member *member;
	struct gvpn_heard *heard;

	gvpn_read_forget();
	frr_each (gvpn_group_heards, group->heards, heard)
		heard->again = true;
	frr_each (gvpn_members, group->members, member)
		member_forget_keys(member);

	gvpn_walker_start(&walker);
}

bool gvpn_heard_is_settled(struct gvpn_group *group)
{
	struct gvpn_member *member;

	if (walker.walking || gvpn_dirty_count(dirty))
		return false;
	frr_each (gvpn_members, group->members, member) {
		if (member->heard && !member->ready && !member->reason[0])
			return false;
	}
	return true;
}

void gvpn_heard_flush(struct gvpn_group *group)
{
	struct gvpn_heard *heard;

	gvpn_read_forget();
	while ((heard = gvpn_group_heards_first(group->heards)))
		heard_free(heard);
	if (group->role == GV_ROLE_MEMBER)
		gvpn_rekey_none(group);
}

void gvpn_heard_forget_injected(struct gvpn_group *group)
{
	struct gvpn_heard *heard;

	frr_each (gvpn_group_heards, group->heards, heard) {
		if (!heard->own.pi)
			continue;
		gvpn_injecteds_del(injecteds, heard);
		gvpn_own_forget(&heard->own);
	}
}

void gvpn_heard_forget_vpn(void)
{
	struct gvpn_group *group;

	gvpn_walker_stop(&walker);
	frr_each (gvpn_groups, gvpn.groups, group) {
		group->active = false;
		gvpn_heard_flush(group);
	}
}

void gvpn_route_fini(void)
{
	event_cancel(&t_covers);
	event_cancel(&t_dirty);
	gvpn_walker_stop(&walker);
	gvpn_read_forget();
}

void gvpn_route_init(void)
{
	gvpn_heards_init(gvpn.heards);
	gvpn_injecteds_init(injecteds);
	gvpn_dirty_init(dirty);
	gvpn_underlay_init(underlay);
}
