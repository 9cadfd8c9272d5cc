/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * show bgp group-vpn NAME explain: follows what has to be there for packets to
 * an address to reach it, in the order in which each needs the one before, up
 * to the first that is missing.
 *
 *   member: charon, registration, epoch, S/R, member, SA, route, kernel
 *   S/R:    charon, group, member, neighbor, route
 *
 * Everything is read from bgpd's own tables: what charon has in the kernel is
 * known by what it says on the control socket.  An S/R cannot read sealed
 * routes; there it is a member's gateway, or a sealed prefix, that is followed.
 */
#include "bgp_groupvpn_frr.h"
#include "bgp_groupvpn.h"
#include "bgp_groupvpn_cmd.h"

#define STEPS_MAX 8

struct step {
	const char *name;
	char text[320];
};

/* All steps but perhaps the last are as they should be. */
struct explanation {
	const struct gvpn_group *group; /* NULL: charon does not know it */
	const char *name;		/* of the group */
	const struct prefix *target;
	struct step steps[STEPS_MAX];
	unsigned int n;
	bool stopped;
	char todo[256];
};

static struct step *step_new(struct explanation *e, const char *name)
{
	struct step *step = &e->steps[e->n];

	assert(e->n < STEPS_MAX);
	e->n++;
	step->name = name;
	return step;
}

PRINTFRR(3, 4)
static bool ok(struct explanation *e, const char *name, const char *fmt, ...)
{
	struct step *step = step_new(e, name);
	va_list args;

	va_start(args, fmt);
	vsnprintfrr(step->text, sizeof(step->text), fmt, args);
	va_end(args);
	return true;
}

PRINTFRR(3, 4)
static bool stops(struct explanation *e, const char *name, const char *fmt, ...)
{
	struct step *step = step_new(e, name);
	va_list args;

	va_start(args, fmt);
	vsnprintfrr(step->text, sizeof(step->text), fmt, args);
	va_end(args);
	e->stopped = true;
	return false;
}

/* What to do about the step that stopped; returns false, as that did. */
PRINTFRR(2, 3)
static bool todo(struct explanation *e, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintfrr(e->todo, sizeof(e->todo), fmt, args);
	va_end(args);
	return false;
}

static const char *since(time_t when)
{
	static char buf[25];

	frrtime_to_interval(monotime(NULL) - when, buf, sizeof(buf));
	return buf;
}

static const char *address(const struct gv_addr *addr)
{
	static char bufs[2][GV_ADDR_STRLEN];
	static unsigned int next;

	return gv_addr_print(addr, bufs[next++ % 2], sizeof(bufs[0]));
}

static bool is_host(const struct prefix *p)
{
	return p->prefixlen == prefix_blen(p) * 8;
}

/* Both roles -------------------------------------------------------------- */

static bool explain_charon(struct explanation *e)
{
	struct gvpn_ctl_status ctl;

	gvpn_ctl_status(&ctl);
	if (ctl.connected)
		return ok(e, "charon", "control socket up for %s, %s",
			  since(ctl.since), ctl.version);
	stops(e, "charon", "control socket %s down for %s%s%s", ctl.path,
	      since(ctl.since), ctl.error[0] ? ": " : "", ctl.error);
	return todo(e, "start charon with the groupvpn plugin, see its log; "
		       "what is in the kernel goes on until its lifetime ends");
}

/* Why a neighbour brings and takes no VPNv6 routes, NULL if it does. */
static const char *neighbor_problem(struct peer *peer)
{
	if (!peer->afc[AFI_IP6][SAFI_MPLS_VPN])
		return "is not activated in address-family ipv6 vpn";
	if (!gvpn_peer_established(peer))
		return "has no established session";
	if (!peer->afc_nego[AFI_IP6][SAFI_MPLS_VPN])
		return "did not agree on address-family ipv6 vpn";
	return NULL;
}

/* Member ------------------------------------------------------------------ */

static bool explain_no_registration(struct explanation *e)
{
	const struct gvpn_sought *sought = gvpn_discovery_find(e->name);
	char buf[GVPN_HINTS_STRLEN];

	if (!sought)
		stops(e, "registration",
		      "charon has no such group, or has not registered for it");
	else if (sought->n == 0)
		stops(e, "registration",
		      "charon has not registered for it, and no neighbor "
		      "announces a descriptor of group %u",
		      sought->group_id);
	else
		stops(e, "registration",
		      "charon has not registered for it; the key server is at "
		      "%s, by a descriptor that is not checked yet",
		      gvpn_discovery_print(sought, buf, sizeof(buf)));
	return todo(e,
		    "\"show group-vpn groups %s\" has charon's state of it and "
		    "the problem",
		    e->name);
}

static bool explain_registration(struct explanation *e)
{
	const struct gvpn_bind *bind = gvpn_bind_find(e->name);
	const struct gvpn_group *group = e->group;
	const char *problem;
	char buf[256];

	if (!group)
		return explain_no_registration(e);
	if (!bind) {
		stops(e, "registration",
		      "registered, but no instance is bound to the group");
		return todo(e,
			    "configure \"group-vpn member %s\" in \"router "
			    "bgp\" of VRF %s",
			    e->name,
			    group->vrf[0] ? group->vrf : VRF_DEFAULT_NAME);
	}
	problem = gvpn_bind_problem(bind, buf, sizeof(buf));
	if (problem) {
		stops(e, "registration", "%s", problem);
		return todo(e,
			    "\"show bgp group-vpn %s\", bgpd's and charon's "
			    "configuration",
			    e->name);
	}
	return ok(e, "registration",
		  "member-ID %u, Sender-ID %u, gateway %s, for %s%s",
		  group->member_id, group->sender_id, address(&group->gateway),
		  since(group->since),
		  group->stale ? "; charon restarted and has not repeated it"
			       : "");
}

static bool explain_epoch(struct explanation *e)
{
	const struct gvpn_group *group = e->group;

	if (group->epoch)
		return ok(e, "epoch",
			  "epoch %u, %u SAs in the kernel, route epoch %u",
			  group->epoch, group->sas, group->route.epoch);
	stops(e, "epoch", "charon has no data keys");
	return todo(e, "\"show group-vpn sas %s\", and charon's log", e->name);
}

/* Why no descriptor is heard. */
static bool explain_no_descriptor(struct explanation *e)
{
	struct bgp *bgp = bgp_get_default();
	const struct gvpn_heard *heard, *dropped = NULL;
	struct peer *peer, *bad = NULL;
	const char *problem = NULL;
	struct listnode *node;
	bool good = false;

	frr_each (gvpn_group_heards_const, e->group->heards, heard) {
		/* what cannot be decoded may be one, too */
		if (heard->drop &&
		    (!dropped || (dropped->kind != GV_KIND_DESCRIPTOR &&
				  heard->kind == GV_KIND_DESCRIPTOR)))
			dropped = heard;
	}
	if (dropped) {
		stops(e, "S/R", "no valid descriptor, %s's is dropped: %s",
		      dropped->peer->host, gvpn_drop_text(dropped->drop));
		return todo(e, "\"show bgp group-vpn %s routes\"", e->name);
	}
	for (ALL_LIST_ELEMENTS_RO(bgp->peer, node, peer)) {
		if (!peer->afc[AFI_IP6][SAFI_MPLS_VPN])
			continue;
		if (!neighbor_problem(peer)) {
			good = true;
		} else {
			bad = peer;
			problem = neighbor_problem(peer);
		}
	}
	if (good) {
		stops(e, "S/R", "no neighbor announces the group's descriptor");
		return todo(e,
			    "at the S/R, \"show bgp group-vpn %s explain %s\"",
			    e->name, address(&e->group->gateway));
	}
	if (bad) {
		stops(e, "S/R", "neighbor %s %s", bad->host, problem);
		return todo(e, "\"show bgp neighbors %s\"", bad->host);
	}
	stops(e, "S/R", "no neighbor is activated in address-family ipv6 vpn");
	return todo(e, "make the S/R a neighbor, and activate it there");
}

static bool explain_descriptor(struct explanation *e)
{
	const struct gvpn_heard *heard;

	frr_each (gvpn_group_heards_const, e->group->heards, heard) {
		if (!heard->drop && heard->kind == GV_KIND_DESCRIPTOR)
			return ok(e, "S/R",
				  "descriptor of %s heard from neighbor %s",
				  address(&heard->gateway), heard->peer->host);
	}
	return explain_no_descriptor(e);
}

static bool is_selected(const struct gvpn_heard *heard)
{
	return heard->own.pi &&
	       CHECK_FLAG(heard->own.pi->flags, BGP_PATH_SELECTED);
}

/* Of two routes to the target: the longer one, then the one that is used,
 * then the one that could be. */
static bool is_better(const struct gvpn_heard *a, const struct gvpn_heard *b)
{
	if (!b || a->prefix.prefixlen != b->prefix.prefixlen)
		return !b || a->prefix.prefixlen > b->prefix.prefixlen;
	if (is_selected(a) != is_selected(b))
		return is_selected(a);
	return !gvpn_heard_waits(a) && gvpn_heard_waits(b);
}

static const struct gvpn_heard *find_heard(const struct explanation *e,
					   unsigned int *others)
{
	const struct gvpn_heard *heard, *best = NULL;

	*others = 0;
	frr_each (gvpn_group_heards_const, e->group->heards, heard) {
		if (heard->drop || heard->kind != GV_KIND_ROUTES ||
		    !prefix_match(&heard->prefix, e->target))
			continue;
		if (is_better(heard, best)) {
			if (best &&
			    best->prefix.prefixlen != heard->prefix.prefixlen)
				*others = 0;
			else
				*others += best != NULL;
			best = heard;
		} else if (best->prefix.prefixlen == heard->prefix.prefixlen) {
			++*others;
		}
	}
	return best;
}

/* What this site itself announces, NULL if that is not the target's. */
static const struct gvpn_export *find_export(const struct explanation *e)
{
	const struct gvpn_export *export;

	frr_each (gvpn_exports_const, e->group->bind->exports, export) {
		if (prefix_match(&export->prefix, e->target))
			return export;
	}
	return NULL;
}

static const struct gvpn_member *find_gateway(const struct explanation *e)
{
	const struct gvpn_member *member;

	if (!is_host(e->target))
		return NULL;
	frr_each (gvpn_members_const, e->group->members, member) {
		if (member->heard &&
		    gvpn_prefix_covers(e->target, &member->gateway))
			return member;
	}
	return NULL;
}

/* Nobody announces it. */
static bool explain_no_route(struct explanation *e)
{
	const struct gvpn_member *member = find_gateway(e);
	const struct gvpn_heard *heard;
	unsigned int dropped = 0;
	const char *why = NULL;

	frr_each (gvpn_group_heards_const, e->group->heards, heard) {
		if (heard->drop) {
			dropped++;
			why = gvpn_drop_text(heard->drop);
		}
	}
	if (member) {
		stops(e, "member",
		      "it is the gateway of member %u, outside of the group",
		      member->id);
		return todo(e, "explain an address behind that gateway");
	}
	if (dropped) {
		stops(e, "member",
		      "no member announces a route to it, but %u routes are "
		      "dropped: %s",
		      dropped, why);
		return todo(e, "\"show bgp group-vpn %s routes\"", e->name);
	}
	stops(e, "member", "no member announces a route to it");
	return todo(e,
		    "at the site that has it, \"show bgp group-vpn %s routes\"",
		    e->name);
}

static bool explain_member(struct explanation *e,
			   const struct gvpn_heard *heard, unsigned int others)
{
	const struct gvpn_member *member = heard->member;
	char more[40] = "";

	if (others)
		snprintf(more, sizeof(more), ", and %u other routes", others);
	if (!member->heard) {
		stops(e, "member",
		      "member %u announces %pFX, but is not heard itself: its "
		      "own route is missing",
		      member->id, &heard->prefix);
		return todo(e,
			    "at the S/R, \"show bgp group-vpn %s explain %s\"",
			    e->name, address(&heard->gateway));
	}
	if (!gv_addr_equal(&heard->gateway, &member->gateway)) {
		stops(e, "member",
		      "member %u announces %pFX with gateway %s, but itself "
		      "with %s",
		      member->id, &heard->prefix, address(&heard->gateway),
		      address(&member->gateway));
		return todo(e, "it changes its gateway: wait; if it stays so, "
			       "see bgpd's log at that site");
	}
	return ok(e, "member",
		  "member %u, gateway %s, heard for %s, announces %pFX%s",
		  member->id, address(&member->gateway), since(member->since),
		  &heard->prefix, more);
}

static bool explain_sa(struct explanation *e, const struct gvpn_heard *heard)
{
	const struct gvpn_member *member = heard->member;

	if (!member->ready) {
		stops(e, "SA", "%s",
		      member->reason[0] ? member->reason
					: "charon has not answered yet");
		return todo(e,
			    "\"show group-vpn members %s\", \"show group-vpn "
			    "sas %s\", \"ip xfrm state\", charon's log",
			    e->name, e->name);
	}
	return ok(e, "SA", "states and neighbor entry are in the kernel");
}

/* The selected path that is most specific for the target, NULL if there is
 * none.  The destination is locked. */
static struct bgp_path_info *find_selected(const struct explanation *e,
					   struct bgp_dest **dest)
{
	const struct bgp *bgp = e->group->bind->bgp;
	afi_t afi = family2afi(e->target->family);
	struct bgp_path_info *pi;

	*dest = bgp_node_match(bgp->rib[afi][SAFI_UNICAST], e->target);
	if (!*dest)
		return NULL;
	for (pi = bgp_dest_get_bgp_path_info(*dest); pi; pi = pi->next) {
		if (CHECK_FLAG(pi->flags, BGP_PATH_SELECTED))
			return pi;
	}
	return NULL;
}

static bool explain_rival(struct explanation *e, const struct bgp_dest *dest,
			  const struct bgp_path_info *pi)
{
	const struct bgp *bgp = e->group->bind->bgp;
	const struct prefix *p = bgp_dest_get_prefix(dest);

	stops(e, "route", "another route is used: %pFX from %s", p,
	      pi->peer == bgp->peer_self ? "this router" : pi->peer->host);
	return todo(e, "\"show bgp vrf %s %pFX\"",
		    bgp->inst_type == BGP_INSTANCE_TYPE_DEFAULT
			    ? VRF_DEFAULT_NAME
			    : bgp->name,
		    p);
}

static bool explain_route(struct explanation *e, const struct gvpn_heard *heard)
{
	struct bgp_path_info *pi;
	struct bgp_dest *dest;
	const char *waits;
	bool rival;

	if (heard->covers) {
		stops(e, "route", "%pFX is refused: %s", &heard->prefix,
		      gvpn_drop_text(GVPN_DROP_COVERS));
		return todo(e, "put the group into a VRF, or announce no "
			       "prefix with a gateway in it");
	}
	waits = gvpn_heard_waits(heard);
	if (waits) {
		stops(e, "route", "%pFX: %s", &heard->prefix, waits);
		return todo(e, "\"show bgp group-vpn %s routes\"", e->name);
	}
	if (heard->denied) {
		stops(e, "route", "%pFX is denied by route-map %s",
		      &heard->prefix, e->group->bind->rmap[GVPN_RMAP_IN]);
		return todo(e, "\"show route-map %s\"",
			    e->group->bind->rmap[GVPN_RMAP_IN]);
	}
	pi = find_selected(e, &dest);
	rival = pi && !gvpn_heard_injected(pi);
	if (rival)
		explain_rival(e, dest, pi);
	if (dest)
		bgp_dest_unlock_node(dest);
	if (rival)
		return false;
	if (!is_selected(heard)) {
		stops(e, "route", "%pFX is about to be put into the VRF",
		      &heard->prefix);
		return todo(e, "ask again in a second");
	}
	return ok(e, "route", "%pFX is opened and selected in VRF %s",
		  &heard->prefix,
		  e->group->vrf[0] ? e->group->vrf : VRF_DEFAULT_NAME);
}

static bool explain_kernel(struct explanation *e,
			   const struct gvpn_heard *heard)
{
	const char *device = e->group->device;

	switch (gvpn_zebra_state(e->group->bind->bgp, &heard->prefix)) {
	case GVPN_ZEBRA_INSTALLED:
		return ok(e, "kernel", "%pFX via %s dev %s", &heard->prefix,
			  address(&heard->gateway), device);
	case GVPN_ZEBRA_DOWN:
		stops(e, "kernel", "zebra is not connected");
		return todo(e, "start zebra");
	case GVPN_ZEBRA_NO_DEVICE:
		stops(e, "kernel", "device %s is not there, or down", device);
		return todo(e,
			    "\"ip -d link show %s\", charon's log; is zebra "
			    "told of the VRF?",
			    device);
	case GVPN_ZEBRA_REJECTED:
		stops(e, "kernel",
		      "zebra has a better route, or the kernel refuses it");
		return todo(e, "\"show ip route vrf %s %pFX\", bgpd's log",
			    e->group->vrf[0] ? e->group->vrf : VRF_DEFAULT_NAME,
			    &heard->prefix);
	case GVPN_ZEBRA_SENT:
	case GVPN_ZEBRA_NONE:
		break;
	}
	stops(e, "kernel", "zebra was told and has not answered");
	return todo(e, "ask again in a second; then zebra's log");
}

static void explain_to_member(struct explanation *e)
{
	const struct gvpn_export *export;
	const struct gvpn_heard *heard;
	unsigned int others;

	if (!explain_charon(e) || !explain_registration(e) ||
	    !explain_epoch(e) || !explain_descriptor(e))
		return;
	heard = find_heard(e, &others);
	export = find_export(e);
	if (export &&
	    (!heard || heard->prefix.prefixlen <= export->prefix.prefixlen)) {
		ok(e, "route",
		   "%pFX is this site's own, announced to the group",
		   &export->prefix);
		return;
	}
	if (!heard) {
		explain_no_route(e);
		return;
	}
	if (explain_member(e, heard, others) && explain_sa(e, heard) &&
	    explain_route(e, heard))
		explain_kernel(e, heard);
}

/* S/R --------------------------------------------------------------------- */

static bool explain_static(struct explanation *e)
{
	const struct gvpn_group *group = e->group;
	const struct bgp_path_info *pi;

	if (!group->gateway.len) {
		stops(e, "group", "static, without a key server");
		return todo(e, "configure \"group-vpn static %s gcks ADDRESS\"",
			    e->name);
	}
	pi = gvpn_rr_descriptor_path(group);
	if (!pi) {
		stops(e, "group",
		      "static, key server %s: its descriptor has not come from "
		      "neighbor %s",
		      address(&group->gateway), address(&group->from));
		return todo(e,
			    "\"show bgp neighbors %s\"; at the key server's "
			    "bgpd, \"neighbor ... group-vpn transit\" for this "
			    "router",
			    address(&group->from));
	}
	return ok(e, "group", "static, descriptor of %s from neighbor %s",
		  address(&group->gateway), pi->peer->host);
}

static bool explain_group(struct explanation *e)
{
	const struct gvpn_group *group = e->group;

	if (group->fixed)
		return explain_static(e);
	if (!gvpn.reflector) {
		stops(e, "group", "bgpd does not reflect");
		return todo(e, "configure \"group-vpn reflector\" in \"router "
			       "bgp\" of the default VRF");
	}
	if (!group->own.pi) {
		stops(e, "group", "the descriptor is not announced");
		return todo(e, "bgpd's log tells what is wrong with charon's");
	}
	return ok(e, "group", "epoch %u, descriptor announced, for %s%s",
		  group->epoch, since(group->since),
		  group->stale ? "; charon restarted and has not repeated it"
			       : "");
}

static bool explain_reg(struct explanation *e, const struct gvpn_reg *reg)
{
	if (reg->fixed)
		return ok(e, "member", "member %u, static, gateway %s",
			  reg->member_id, address(&reg->gateway));
	return ok(e, "member",
		  "member %u, %s, gateway %s, Sender-ID %u, "
		  "registered for %s%s",
		  reg->member_id, reg->identity, address(&reg->gateway),
		  reg->sender_id, since(reg->since),
		  reg->stale ? "; not repeated since charon restarted" : "");
}

static bool explain_neighbor(struct explanation *e, const struct gvpn_reg *reg)
{
	const char *from = reg->fixed ? "is expected at" : "registered from";
	struct peer *peer = gvpn_rr_neighbor(reg);
	const char *problem;

	if (gvpn_origin_has(reg))
		return ok(
			e, "neighbor",
			"none, it has no bgpd: charon tells it of the others, "
			"and it is announced here");
	if (!peer && gvpn_neighbor_has_transit())
		return ok(e, "neighbor",
			  "none has the address %s it %s: behind a "
			  "transit neighbor, if anywhere",
			  address(&reg->from), from);
	if (!peer) {
		stops(e, "neighbor", "no BGP neighbor has the address %s it %s",
		      address(&reg->from), from);
		return todo(e, "configure \"neighbor %s remote-as ...\"",
			    address(&reg->from));
	}
	problem = neighbor_problem(peer);
	if (problem) {
		stops(e, "neighbor", "%s %s", peer->host, problem);
		return todo(e, "\"show bgp neighbors %s\"", peer->host);
	}
	return ok(e, "neighbor", "%s established", peer->host);
}

/* The most counted reason for drops. */
static const char *worst_drop(const struct gvpn_group *group)
{
	unsigned int reason, worst = GVPN_DROP_NONE;

	for (reason = GVPN_DROP_NONE + 1; reason < GVPN_DROPS; reason++) {
		if (group->drops[reason] > group->drops[worst])
			worst = reason;
	}
	return worst == GVPN_DROP_NONE ? NULL : gvpn_drop_text(worst);
}

static unsigned int count_members(const struct explanation *e)
{
	struct gvpn_reg *reg;
	unsigned int n = 0;
	struct peer *peer;

	frr_each (gvpn_regs, gvpn.regs, reg) {
		if (reg->group_id != e->group->id)
			continue;
		peer = gvpn_rr_neighbor(reg);
		n += peer && !neighbor_problem(peer);
	}
	return n;
}

static bool explain_reflected(struct explanation *e, const struct gvpn_reg *reg)
{
	struct gvpn_walk walk = {.bgp = bgp_get_default()};
	unsigned int routes = 0, members;
	struct bgp_dest *dest;
	struct gv_attr a;
	const char *why;

	while ((dest = gvpn_walk_next(&walk))) {
		if (gvpn_reflected_path(dest, e->group->id, &a) &&
		    a.member_id == reg->member_id)
			routes++;
	}
	members = count_members(e) + gvpn_origin_has(reg);
	if (routes)
		return ok(e, "route",
			  "%u routes of it, reflected to the %u other members "
			  "that have a session",
			  routes, members ? members - 1 : 0);
	why = worst_drop(e->group);
	stops(e, "route", "it brings no route of the group%s%s",
	      why ? "; dropped in the group so far, most often: " : "",
	      why ? why : "");
	return todo(e,
		    "\"show bgp group-vpn %s routes\" at that site; route-maps "
		    "of the neighbor here and there",
		    e->name);
}

/* A prefix as "routes" shows it here, sealed or plain. */
static const struct gvpn_reg *find_shown(const struct explanation *e)
{
	struct gvpn_walk walk = {.bgp = bgp_get_default()};
	const struct gvpn_reg *reg = NULL;
	struct bgp_dest *dest;
	struct gv_attr a;

	while (!reg && (dest = gvpn_walk_next(&walk))) {
		if (prefix_same(bgp_dest_get_prefix(dest), e->target) &&
		    gvpn_reflected_path(dest, e->group->id, &a))
			reg = gvpn_reg_find(a.group_id, a.member_id);
	}
	gvpn_walk_stop(&walk);
	return reg;
}

static const struct gvpn_reg *find_reg(const struct explanation *e)
{
	struct gvpn_reg *reg;

	frr_each (gvpn_regs, gvpn.regs, reg) {
		if (is_host(e->target) && reg->group_id == e->group->id &&
		    gvpn_prefix_covers(e->target, &reg->gateway))
			return reg;
	}
	return find_shown(e);
}

static void explain_to_reflector(struct explanation *e)
{
	const struct gvpn_reg *reg;

	if ((!e->group->fixed && !explain_charon(e)) || !explain_group(e))
		return;
	reg = find_reg(e);
	if (!reg) {
		stops(e, "member",
		      "no registered member has this gateway, and no route is "
		      "plain or sealed like this; what is sealed an S/R cannot "
		      "read");
		todo(e,
		     "explain an address of the sites at a member, here a "
		     "gateway; who registered: \"show bgp group-vpn %s "
		     "members\", who was refused: charon's log",
		     e->name);
		return;
	}
	if (explain_reg(e, reg) && explain_neighbor(e, reg))
		explain_reflected(e, reg);
}

/* What came of it --------------------------------------------------------- */

static bool is_last(const struct explanation *e, unsigned int i)
{
	return e->stopped && i == e->n - 1;
}

static void show_text(struct vty *vty, const struct explanation *e)
{
	unsigned int i;

	for (i = 0; i < e->n; i++) {
		const struct step *step = &e->steps[i];

		vty_out(vty, "%-12s  %s%s\n", step->name,
			is_last(e, i) ? "stops here: " : "ok: ", step->text);
	}
	if (e->todo[0])
		vty_out(vty, "%-12s  %s\n", "to do", e->todo);
}

static json_object *show_json(const struct explanation *e)
{
	json_object *json = json_object_new_object();
	json_object *steps = json_object_new_array();
	unsigned int i;

	json_object_string_add(json, "group", e->name);
	json_object_string_addf(json, "target", "%pFX", e->target);
	for (i = 0; i < e->n; i++) {
		json_object *step = json_object_new_object();

		json_object_string_add(step, "step", e->steps[i].name);
		json_object_boolean_add(step, "ok", !is_last(e, i));
		json_object_string_add(step, "text", e->steps[i].text);
		json_object_array_add(steps, step);
	}
	json_object_object_add(json, "steps", steps);
	if (e->stopped) {
		const struct step *last = &e->steps[e->n - 1];

		json_object_string_add(json, "stopsAt", last->name);
		json_object_string_add(json, "reason", last->text);
		json_object_string_add(json, "toDo", e->todo);
	}
	return json;
}

DEFUN(show_gvpn_explain, show_gvpn_explain_cmd, GVPN_CMD_SHOW_EXPLAIN,
      GVPN_HELP_SHOW_EXPLAIN)
{
	bool uj = use_json(argc, argv);
	struct explanation e = {
		.name = argv[3]->arg,
		.group = gvpn_group_find_name(argv[3]->arg),
	};
	struct prefix target;

	if (!e.group && !gvpn_bind_find(e.name))
		return gvpn_no_such_group(vty, e.name, uj);
	if (!str2prefix(argv[5]->arg, &target)) {
		vty_out(vty, "%% %s: neither an address nor a prefix\n",
			argv[5]->arg);
		return CMD_WARNING;
	}
	apply_mask(&target);
	e.target = &target;
	if (e.group && e.group->role == GV_ROLE_GCKS)
		explain_to_reflector(&e);
	else
		explain_to_member(&e);
	if (uj)
		return vty_json(vty, show_json(&e));
	show_text(vty, &e);
	return CMD_SUCCESS;
}

void gvpn_explain_init(void)
{
	install_element(VIEW_NODE, &show_gvpn_explain_cmd);
}
