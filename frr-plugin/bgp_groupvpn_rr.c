/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The routing function of an S/R device: what is announced, accepted and
 * reflected for the groups whose key server charon is.
 *
 * The S/R holds no group secret and cannot verify a MAC.  What it can do is
 * hold every path against the registration table: the neighbour is the
 * gateway that registered (or it is transit), and group, member-ID, Sender-ID,
 * gateway and RD are those of its registration.  What a path is, its RD says first: within a
 * group of ours none passes without an attribute of that group.  Paths of
 * other RDs without the group attribute are none of its business.
 *
 * A changed registration or policy makes the S/R go through its VPN tables
 * once, taking out what is not allowed any more; a changed registration, too,
 * ask the neighbour for what may be allowed now (route refresh, RFC 2918).
 */
#include "bgp_groupvpn_frr.h"
#include "bgp_groupvpn.h"

static void police_dest(struct bgp *bgp, struct bgp_dest *dest);

static struct gvpn_walker walker = {.visit = police_dest};

#define GVPN_TRANSIT_WAIT 1000 /* ms */
static struct event *t_transit;

/* The RD of a destination: whether it is one of a group that we are the S/R
 * of.  rd_group is 0 if it cannot be any group's. */
static bool is_served(const struct prefix *rd, uint32_t *rd_group,
		      uint16_t *rd_member)
{
	const struct gvpn_group *group;

	if (!gvpn_rd_read(rd, rd_member, rd_group)) {
		*rd_group = 0;
		return false;
	}
	group = gvpn_group_find(*rd_group);
	return group && group->role == GV_ROLE_GCKS;
}

/* A static group's comes from where the configuration says. */
static enum gvpn_drop police_descriptor(const struct gvpn_group *group,
					struct peer *peer,
					const struct bgp_dest *dest,
					const struct gv_attr *a)
{
	struct gv_addr addr;

	if (dest &&
	    gvpn_part_of_nlri(bgp_dest_get_prefix(dest)) != a->part_number)
		return GVPN_DROP_RD;
	if (group->gateway.len == 0)
		return GVPN_DROP_KIND;
	if (!gvpn_neighbor_is_transit(peer) &&
	    !(gvpn_addr_of_peer(peer, &addr) &&
	      gv_addr_equal(&addr, &group->from)))
		return GVPN_DROP_KIND;
	return gv_addr_equal(&a->gateway, &group->gateway) ? GVPN_DROP_NONE
							   : GVPN_DROP_GATEWAY;
}

enum gvpn_drop gvpn_rr_police(struct peer *peer, const struct attr *attr,
			      const struct bgp_dest *dest,
			      struct gvpn_group **group)
{
	const struct prefix *rd = dest ? gvpn_dest_rd(dest) : NULL;
	const uint8_t *value;
	struct gvpn_reg *reg;
	uint32_t rd_group = 0;
	uint16_t rd_member = 0;
	enum gv_attr_error error;
	struct gv_attr a;
	bool served;
	size_t len;

	*group = NULL;
	if (dest && !rd)
		return GVPN_DROP_RD;
	served = rd && is_served(rd, &rd_group, &rd_member);
	*group = gvpn_group_find(rd_group);
	value = gvpn_attr_value(attr, &len);
	if (!value)
		return served ? GVPN_DROP_RD : GVPN_DROP_NONE;

	error = gv_attr_decode(value, len, &a);
	if (error != GV_ATTR_OK)
		return (enum gvpn_drop)error;
	if (served && a.group_id != rd_group)
		return GVPN_DROP_RD;

	*group = gvpn_group_find(a.group_id);
	if (!*group)
		return a.kind == GV_KIND_DESCRIPTOR &&
				       gvpn_discovery_seeks(a.group_id)
			       ? GVPN_DROP_NONE
			       : GVPN_DROP_UNKNOWN_GROUP;
	if ((*group)->role == GV_ROLE_MEMBER)
		return GVPN_DROP_NONE; /* a member judges for itself */
	if (a.kind == GV_KIND_DESCRIPTOR && !(*group)->fixed)
		return GVPN_DROP_KIND;
	if (rd && (rd_group != a.group_id || rd_member != a.member_id))
		return GVPN_DROP_RD;
	if (a.kind == GV_KIND_DESCRIPTOR)
		return police_descriptor(*group, peer, dest, &a);

	reg = gvpn_reg_find(a.group_id, a.member_id);
	if (!reg)
		return GVPN_DROP_NOT_REGISTERED;
	if (!gv_addr_equal(&a.gateway, &reg->gateway) ||
	    (!gvpn_neighbor_is_transit(peer) &&
	     !gvpn_neighbor_is_member(peer, reg)))
		return GVPN_DROP_GATEWAY;
	if (!reg->fixed && a.sender_id != reg->sender_id)
		return GVPN_DROP_SENDER;
	return GVPN_DROP_NONE;
}

bool gvpn_rr_reflects(const struct bgp_path_info *path, const uint32_t *scope,
		      size_t n)
{
	const struct prefix *rd = path->net ? gvpn_dest_rd(path->net) : NULL;
	struct gvpn_group *group;
	const uint8_t *value;
	uint32_t rd_group;
	uint16_t rd_member;
	struct gv_attr a;
	size_t len;
	bool served;

	if (!rd)
		return false;
	served = is_served(rd, &rd_group, &rd_member);
	value = gvpn_attr_value(path->attr, &len);
	if (!value)
		return !served;
	if (gv_attr_decode(value, len, &a) != GV_ATTR_OK)
		return !served && !gvpn_is_reflector();
	if (served && a.group_id != rd_group)
		return false;

	group = gvpn_group_find(a.group_id);
	if (!group)
		return !gvpn_is_reflector();
	if (group->role == GV_ROLE_MEMBER)
		return gvpn_path_is_ours(path) &&
		       a.member_id == group->member_id;
	if (!served)
		return false;
	return n == GVPN_ALL_GROUPS ||
	       gvpn_scope_has(scope, n, a.group_id, a.member_id);
}

bool gvpn_rr_is_descriptor(uint32_t group_id, const uint8_t *value, size_t len)
{
	enum gv_attr_error error;
	struct gv_attr a;

	error = gv_attr_decode(value, len, &a);
	if (error == GV_ATTR_OK && a.kind == GV_KIND_DESCRIPTOR &&
	    a.group_id == group_id)
		return true;

	zlog_err(
		"group-vpn: group %u: charon's descriptor is not announced: %s",
		group_id,
		error == GV_ATTR_OK ? "it is something else's"
				    : gv_attr_error_text(error));
	return false;
}

void gvpn_rr_descriptor(struct gvpn_group *group)
{
	struct bgp *bgp = bgp_get_default();
	struct prefix_rd rd;
	struct attr *attr;
	struct gv_attr a;

	if (!gvpn.reflector || !bgp || !group->descriptor ||
	    gv_attr_decode(group->descriptor, group->descriptor_len, &a) !=
		    GV_ATTR_OK) {
		gvpn_own_unset(&group->own);
		gvpn_rekey_withdraw(group);
		return;
	}

	gvpn_rd_make(&rd, GV_MEMBER_ID_GCKS, group->id);
	attr = gvpn_attr_make(bgp, group->id, &group->gateway, AFI_IP6, NULL,
			      group->descriptor, group->descriptor_len);
	gvpn_own_set(&group->own, bgp, AFI_IP6, SAFI_MPLS_VPN, &rd,
		     &gvpn_descriptor_nlri, attr);
	bgp_attr_unintern(&attr);
	gvpn_rekey_announce(group, bgp, &a);
}

static void police_dest(struct bgp *bgp, struct bgp_dest *dest)
{
	afi_t afi = bgp_dest_table(dest)->afi;
	struct bgp_path_info *pi, *next;
	struct gvpn_group *group;

	for (pi = bgp_dest_get_bgp_path_info(dest); pi; pi = next) {
		next = pi->next;
		if (CHECK_FLAG(pi->flags, BGP_PATH_REMOVED) ||
		    pi->peer == pi->peer->bgp->peer_self)
			continue;
		if (gvpn_rr_police(pi->peer, pi->attr, dest, &group) !=
		    GVPN_DROP_NONE)
			bgp_rib_remove(dest, pi, pi->peer, afi, SAFI_MPLS_VPN);
	}
}

void gvpn_rr_walk(void)
{
	if (gvpn_is_reflector())
		gvpn_walker_start(&walker);
}

void gvpn_rr_forget_bgp(void)
{
	struct gvpn_group *group;

	gvpn_walker_stop(&walker);
	gvpn_origin_forget_bgp();
	gvpn_hand_forget_bgp();
	event_cancel(&t_transit);
	frr_each (gvpn_groups, gvpn.groups, group) {
		gvpn_own_forget(&group->own);
		gvpn_rekey_forget_bgp(group);
	}
}

static struct peer *find_peer(struct bgp *bgp, const struct gv_addr *addr)
{
	union sockunion su = {};

	if (addr->len == IPV4_MAX_BYTELEN) {
		su.sin.sin_family = AF_INET;
		memcpy(&su.sin.sin_addr, addr->bytes, addr->len);
	} else {
		su.sin6.sin6_family = AF_INET6;
		memcpy(&su.sin6.sin6_addr, addr->bytes, addr->len);
	}
	return peer_lookup(bgp, &su);
}

struct peer *gvpn_rr_neighbor(const struct gvpn_reg *reg)
{
	struct bgp *bgp = bgp_get_default();
	struct listnode *node;
	struct peer *peer;

	if (!bgp)
		return NULL;
	if (gvpn_neighbor_has_identity(reg)) {
		for (ALL_LIST_ELEMENTS_RO(bgp->peer, node, peer)) {
			if (gvpn_neighbor_is_member(peer, reg))
				return peer;
		}
	}
	peer = find_peer(bgp, &reg->from);
	return peer && gvpn_neighbor_is_member(peer, reg) ? peer : NULL;
}

/* All whose registration this is: more than one only by identity. */
static void each_neighbor(const struct gvpn_reg *reg,
			  void (*visit)(struct peer *peer))
{
	struct bgp *bgp = bgp_get_default();
	struct listnode *node, *next;
	struct peer *peer;

	if (!bgp)
		return;
	if (!gvpn_neighbor_has_identity(reg)) {
		peer = gvpn_rr_neighbor(reg);
		if (peer)
			visit(peer);
		return;
	}
	for (ALL_LIST_ELEMENTS(bgp->peer, node, next, peer)) {
		if (gvpn_neighbor_is_member(peer, reg))
			visit(peer);
	}
}

static void ask_again(struct peer *peer)
{
	gvpn_drop_forget(peer);
	peer_clear_soft(peer, AFI_IP6, SAFI_MPLS_VPN, BGP_CLEAR_SOFT_IN);
	peer_clear_soft(peer, AFI_IP, SAFI_MPLS_VPN, BGP_CLEAR_SOFT_IN);
}

/* Neighbours that bring routes of many members, asked once for many changes. */
static void transit_run(struct event *t)
{
	struct bgp *bgp = bgp_get_default();
	struct listnode *node, *next;
	struct peer *peer;

	if (!bgp)
		return;
	for (ALL_LIST_ELEMENTS(bgp->peer, node, next, peer)) {
		if (gvpn_neighbor_is_transit(peer))
			ask_again(peer);
	}
}

static void transit_changed(void)
{
	if (gvpn_neighbor_has_transit())
		event_add_timer_msec(gvpn.master, transit_run, NULL,
				     GVPN_TRANSIT_WAIT, &t_transit);
}

static void ask_registered(void)
{
	struct gvpn_reg *reg;

	frr_each (gvpn_regs, gvpn.regs, reg) {
		if (!reg->ask)
			continue;
		reg->ask = false;
		each_neighbor(reg, ask_again);
	}
}

void gvpn_rr_reg_changed(struct gvpn_reg *reg, bool limited)
{
	if (!gvpn_is_reflector())
		return;

	gvpn_rr_walk();
	transit_changed();
	each_neighbor(reg, gvpn_policy_apply_peer);
	if (limited) {
		/* Not before all have the policies that follow from it. */
		gvpn_policy_apply_soon(ask_registered);
	} else {
		reg->ask = false;
		each_neighbor(reg, ask_again);
	}
}

void gvpn_rr_discovery_changed(void)
{
	if (gvpn_is_reflector())
		gvpn_policy_apply_soon(ask_registered);
}

void gvpn_rr_neighbor_changed(struct peer *changed)
{
	struct listnode *node, *next;
	struct peer *peer;

	if (!gvpn_is_reflector())
		return;

	gvpn_rr_walk();
	transit_changed();
	for (ALL_LIST_ELEMENTS(changed->bgp->peer, node, next, peer)) {
		if (peer == changed ||
		    (peer->group && peer->group->conf == changed))
			ask_again(peer);
	}
}

void gvpn_rr_gcks_changed(struct gvpn_group *group)
{
	struct bgp *bgp = bgp_get_default();
	struct peer *peer =
		bgp && group->from.len ? find_peer(bgp, &group->from) : NULL;

	gvpn_rr_walk();
	transit_changed();
	if (peer)
		ask_again(peer);
}

struct bgp_path_info *gvpn_rr_descriptor_path(const struct gvpn_group *group)
{
	struct bgp_dest *dest = gvpn_descriptor_dest(group, 0);
	struct bgp_path_info *pi;

	if (!dest)
		return NULL;
	pi = bgp_dest_get_bgp_path_info(dest);
	while (pi && !CHECK_FLAG(pi->flags, BGP_PATH_SELECTED))
		pi = pi->next;
	bgp_dest_unlock_node(dest);
	return pi;
}
