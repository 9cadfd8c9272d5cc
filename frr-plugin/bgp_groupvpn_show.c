/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * show bgp group-vpn, and clear.
 *
 * Text is for people, JSON for programs: the same facts, camelCase keys,
 * states as words.  Nothing here prints a key, a secret or an attribute's
 * octets.
 */
#include "bgp_groupvpn_frr.h"
#include "bgp_groupvpn.h"
#include "bgp_groupvpn_cmd.h"

#define GVPN_UPTIME_LEN 25

static const char *uptime(time_t since, char *buf, size_t size)
{
	frrtime_to_interval(monotime(NULL) - since, buf, size);
	return buf;
}

/* What "show" tells of a group that it does not keep: counted when asked. */
struct counts {
	unsigned int members, ready;
	unsigned int heard, injected; /* routes in */
	unsigned int announced;	      /* routes out; S/R: reflected */
};

static bool is_of_group(const struct bgp_dest *dest, uint32_t group_id,
			uint16_t *member_id)
{
	const struct prefix *rd = gvpn_dest_rd(dest);
	uint32_t id;

	return rd && gvpn_rd_read(rd, member_id, &id) && id == group_id;
}

struct bgp_path_info *gvpn_reflected_path(struct bgp_dest *dest,
					  uint32_t group_id, struct gv_attr *a)
{
	struct bgp_path_info *pi;
	const uint8_t *value;
	uint16_t member_id;
	size_t len;

	if (!is_of_group(dest, group_id, &member_id))
		return NULL;
	for (pi = bgp_dest_get_bgp_path_info(dest); pi; pi = pi->next) {
		if (!CHECK_FLAG(pi->flags, BGP_PATH_SELECTED))
			continue;
		value = gvpn_attr_value(pi->attr, &len);
		if (value && gv_attr_decode(value, len, a) == GV_ATTR_OK &&
		    a->kind == GV_KIND_ROUTES)
			return pi;
	}
	return NULL;
}

/* Of all groups in one walk. */
static void count_reflected(void)
{
	struct gvpn_walk walk = {.bgp = bgp_get_default()};
	const struct prefix *rd;
	struct gvpn_group *group;
	struct bgp_dest *dest;
	struct gv_attr a;
	uint16_t member_id;
	uint32_t group_id;

	frr_each (gvpn_groups, gvpn.groups, group)
		group->reflected = 0;
	if (!gvpn_is_reflector())
		return;
	while ((dest = gvpn_walk_next(&walk))) {
		/* A node where prefixes branch has none. */
		rd = gvpn_dest_rd(dest);
		if (!rd || !gvpn_rd_read(rd, &member_id, &group_id))
			continue;
		group = gvpn_group_find(group_id);
		if (group && gvpn_reflected_path(dest, group_id, &a))
			group->reflected++;
	}
}

static void count_gcks(const struct gvpn_group *group, struct counts *counts)
{
	struct gvpn_reg ref = {.group_id = group->id};
	struct gvpn_reg *reg = gvpn_regs_find_gteq(gvpn.regs, &ref);

	for (; reg && reg->group_id == group->id;
	     reg = gvpn_regs_next(gvpn.regs, reg))
		counts->members++;
	counts->announced = group->reflected;
}

static void count_member(const struct gvpn_group *group, struct counts *counts)
{
	const struct gvpn_member *member;
	const struct gvpn_heard *heard;

	frr_each (gvpn_members_const, group->members, member) {
		if (!member->heard)
			continue;
		counts->members++;
		counts->ready += member->ready;
	}
	frr_each (gvpn_group_heards_const, group->heards, heard) {
		if (heard->drop || heard->kind != GV_KIND_ROUTES)
			continue;
		counts->heard++;
		counts->injected += heard->own.pi != NULL;
	}
	if (group->bind)
		counts->announced = gvpn_exports_count(group->bind->exports);
}

static void count(const struct gvpn_group *group, struct counts *counts)
{
	memset(counts, 0, sizeof(*counts));
	if (group->role == GV_ROLE_GCKS)
		count_gcks(group, counts);
	else
		count_member(group, counts);
}

/* One word or phrase; buf is for those that are composed. */
static const char *group_state(const struct gvpn_group *group, char *buf,
			       size_t size)
{
	const char *problem;

	if (group->fixed) {
		if (!group->gateway.len)
			return "no key server: no \"group-vpn static ... "
			       "gcks\"";
		return gvpn_rr_descriptor_path(group)
			       ? "up"
			       : "waiting for the key server's descriptor";
	}
	if (group->stale)
		return "waiting for charon: restarted, group not repeated yet";
	if (group->role == GV_ROLE_GCKS) {
		if (!gvpn.reflector)
			return "not reflected: no \"group-vpn reflector\"";
		return group->own.pi ? "up" : "descriptor not announced";
	}
	if (!group->bind)
		return "not bound: no \"group-vpn member\"";
	problem = gvpn_bind_problem(group->bind, buf, size);
	if (problem)
		return problem;
	return group->descriptors ? "up" : "waiting for the S/R's descriptor";
}

/* Summary, text ----------------------------------------------------------- */

static void show_drops(struct vty *vty, const uint64_t drops[GVPN_DROPS])
{
	unsigned int reason;

	for (reason = GVPN_DROP_NONE + 1; reason < GVPN_DROPS; reason++) {
		if (drops[reason])
			vty_out(vty, "  Dropped: %s: %" PRIu64 "\n",
				gvpn_drop_text(reason), drops[reason]);
	}
}

static void show_ctl(struct vty *vty)
{
	char since[GVPN_UPTIME_LEN];
	struct gvpn_ctl_status ctl;

	gvpn_ctl_status(&ctl);
	if (!ctl.wanted) {
		vty_out(vty, "Control socket %s: not needed\n", ctl.path);
		return;
	}
	uptime(ctl.since, since, sizeof(since));
	if (ctl.connected)
		vty_out(vty, "Control socket %s: up for %s, %s\n", ctl.path,
			since, ctl.version);
	else
		vty_out(vty, "Control socket %s: down for %s%s%s\n", ctl.path,
			since, ctl.error[0] ? ": " : "", ctl.error);
	if (ctl.ignored)
		vty_out(vty, "  Messages ignored: %" PRIu64 "\n", ctl.ignored);
}

static void show_static(struct vty *vty, const struct gvpn_group *group)
{
	char gateway[GV_ADDR_STRLEN], from[GV_ADDR_STRLEN];

	vty_out(vty, "  Static: key server %s, descriptor from neighbor %s\n",
		gv_addr_print(&group->gateway, gateway, sizeof(gateway)),
		gv_addr_print(&group->from, from, sizeof(from)));
	if (group->shadows)
		vty_out(vty, "  charon has this group, too, and is not heard "
			     "about it\n");
}

static void show_rekey(struct vty *vty, const struct gvpn_group *group)
{
	if (group->parts_of)
		vty_out(vty,
			"  GSA_REKEY messages: only %u of %u parts "
			"heard\n",
			group->parts_heard, group->parts_of);
	if (group->paths_left)
		vty_out(vty, "  Paths of descriptors not looked at: %u\n",
			group->paths_left);
}

static void show_group(struct vty *vty, const struct gvpn_group *group)
{
	char state[256], since[GVPN_UPTIME_LEN], gateway[GV_ADDR_STRLEN];
	struct counts counts;

	count(group, &counts);
	gv_addr_print(&group->gateway, gateway, sizeof(gateway));
	vty_out(vty, "\nGroup %s, ID %u, %s\n", group->name, group->id,
		group->role == GV_ROLE_GCKS ? "S/R device" : "member");
	vty_out(vty, "  State: %s, known for %s\n",
		group_state(group, state, sizeof(state)),
		uptime(group->since, since, sizeof(since)));

	if (group->fixed) {
		show_static(vty, group);
		vty_out(vty, "  Members configured: %u\n", counts.members);
		vty_out(vty, "  Routes reflected: %u\n", counts.announced);
	} else if (group->role == GV_ROLE_GCKS) {
		vty_out(vty, "  Gateway %s, epoch %u\n", gateway, group->epoch);
		vty_out(vty, "  Discovery: %s\n",
			group->discovery_open ? "open" : "registered");
		vty_out(vty, "  Members registered: %u\n", counts.members);
		vty_out(vty, "  Routes reflected: %u\n", counts.announced);
	} else {
		vty_out(vty,
			"  Member-ID %u, Sender-ID %u, gateway %s, VRF %s, "
			"device %s\n",
			group->member_id, group->sender_id, gateway,
			group->vrf[0] ? group->vrf : VRF_DEFAULT_NAME,
			group->device);
		vty_out(vty, "  Epoch %u, %u SAs, route epoch %u\n",
			group->epoch, group->sas, group->route.epoch);
		vty_out(vty, "  Other members: %u, %u ready\n", counts.members,
			counts.ready);
		vty_out(vty, "  Routes in: %u, %u in the VRF\n", counts.heard,
			counts.injected);
		vty_out(vty, "  Routes out: %u\n", counts.announced);
		show_rekey(vty, group);
	}
	show_drops(vty, group->drops);
}

static void show_unknown(struct vty *vty, const struct gvpn_bind *bind)
{
	char state[256];

	vty_out(vty, "\nGroup %s, member\n", bind->name);
	vty_out(vty, "  State: %s\n",
		gvpn_bind_problem(bind, state, sizeof(state)));
}

/* Summary, JSON ----------------------------------------------------------- */

static void json_drops(json_object *json, const uint64_t drops[GVPN_DROPS])
{
	json_object *object = json_object_new_object();
	unsigned int reason;

	for (reason = GVPN_DROP_NONE + 1; reason < GVPN_DROPS; reason++)
		json_object_int_add(object, gvpn_drop_json_key(reason),
				    drops[reason]);
	json_object_object_add(json, "dropped", object);
}

static void json_addr(json_object *json, const char *key,
		      const struct gv_addr *addr)
{
	char buf[GV_ADDR_STRLEN];

	json_object_string_add(json, key,
			       gv_addr_print(addr, buf, sizeof(buf)));
}

static void json_since(json_object *json, time_t since)
{
	json_object_int_add(json, "upTimeSec", monotime(NULL) - since);
}

static json_object *json_ctl(void)
{
	json_object *json = json_object_new_object();
	struct gvpn_ctl_status ctl;

	gvpn_ctl_status(&ctl);
	json_object_string_add(json, "path", ctl.path);
	json_object_string_add(json, "state",
			       !ctl.wanted     ? "notNeeded"
			       : ctl.connected ? "up"
					       : "down");
	json_object_int_add(json, "sinceSec", monotime(NULL) - ctl.since);
	if (ctl.connected)
		json_object_string_add(json, "version", ctl.version);
	else if (ctl.error[0])
		json_object_string_add(json, "error", ctl.error);
	json_object_int_add(json, "messagesIgnored", ctl.ignored);
	return json;
}

static json_object *json_group(const struct gvpn_group *group)
{
	json_object *json = json_object_new_object();
	struct counts counts;
	char state[256];

	count(group, &counts);
	json_object_string_add(json, "name", group->name);
	json_object_int_add(json, "id", group->id);
	json_object_string_add(json, "role",
			       group->role == GV_ROLE_GCKS ? "gcks" : "member");
	json_object_string_add(json, "state",
			       group_state(group, state, sizeof(state)));
	json_since(json, group->since);
	if (group->fixed) {
		json_object_boolean_add(json, "static", true);
		json_object_boolean_add(json, "charonIgnored", group->shadows);
		json_addr(json, "neighbor", &group->from);
	}
	json_addr(json, "gateway", &group->gateway);
	json_object_int_add(json, "epoch", group->epoch);
	json_object_int_add(json, "members", counts.members);
	if (group->role == GV_ROLE_GCKS) {
		json_object_string_add(json, "discovery",
				       group->discovery_open ? "open"
							     : "registered");
		json_object_int_add(json, "routesReflected", counts.announced);
	} else {
		json_object_int_add(json, "memberId", group->member_id);
		json_object_int_add(json, "senderId", group->sender_id);
		json_object_string_add(json, "vrf",
				       group->vrf[0] ? group->vrf
						     : VRF_DEFAULT_NAME);
		json_object_string_add(json, "device", group->device);
		json_object_int_add(json, "sas", group->sas);
		json_object_int_add(json, "routeEpoch", group->route.epoch);
		json_object_int_add(json, "descriptors", group->descriptors);
		json_object_int_add(json, "rekeyPartsHeard",
				    group->parts_heard);
		json_object_int_add(json, "rekeyPartsOf", group->parts_of);
		json_object_int_add(json, "descriptorPathsIgnored",
				    group->paths_left);
		json_object_int_add(json, "membersReady", counts.ready);
		json_object_int_add(json, "routesIn", counts.heard);
		json_object_int_add(json, "routesInVrf", counts.injected);
		json_object_int_add(json, "routesOut", counts.announced);
	}
	json_drops(json, group->drops);
	return json;
}

static json_object *json_unknown(const struct gvpn_bind *bind)
{
	json_object *json = json_object_new_object();
	char state[256];

	json_object_string_add(json, "name", bind->name);
	json_object_string_add(json, "role", "member");
	json_object_string_add(json, "state",
			       gvpn_bind_problem(bind, state, sizeof(state)));
	return json;
}

/* Members ----------------------------------------------------------------- */

static const char *reg_state(const struct gvpn_reg *reg, char *buf, size_t size)
{
	struct peer *peer = gvpn_rr_neighbor(reg);

	const char *bgp;

	if (reg->stale)
		return "not repeated since charon restarted";
	if (gvpn_origin_has(reg))
		bgp = "without bgpd: announced here";
	else if (peer)
		bgp = gvpn_peer_established(peer) ? "BGP established"
						  : "BGP not established";
	else
		bgp = gvpn_neighbor_has_transit()
			      ? "behind a transit neighbor if any"
			      : "no BGP neighbor has this address";
	snprintf(buf, size, "%s, %s", reg->fixed ? "static" : "registered",
		 bgp);
	return buf;
}

static const char *member_state(const struct gvpn_member *member)
{
	if (!member->heard)
		return "its own route is not heard";
	if (member->ready)
		return "ready";
	return member->reason[0] ? member->reason : "waiting for charon";
}

struct member_line {
	uint16_t id;
	uint32_t sender_id;
	const struct gv_addr *gateway;
	const char *identity;	   /* NULL: not known to a member */
	const char *label, *peers; /* S/R: "" for none */
	const char *state;
	unsigned int routes;
	time_t since;
};

static void member_line_out(struct vty *vty, json_object *json,
			    const struct member_line *line)
{
	char gateway[GV_ADDR_STRLEN], since[GVPN_UPTIME_LEN];
	json_object *object;

	if (!json) {
		vty_out(vty, "%6u %9u %-15s %-9s %6u ", line->id,
			line->sender_id,
			gv_addr_print(line->gateway, gateway, sizeof(gateway)),
			uptime(line->since, since, sizeof(since)),
			line->routes);
		if (line->identity)
			vty_out(vty, "%-28s ", line->identity);
		vty_out(vty, "%s\n", line->state);
		if (line->peers && line->peers[0])
			vty_out(vty, "%6s names %s only\n", "", line->peers);
		return;
	}

	object = json_object_new_object();
	json_object_int_add(object, "memberId", line->id);
	json_object_int_add(object, "senderId", line->sender_id);
	json_addr(object, "gateway", line->gateway);
	json_since(object, line->since);
	json_object_int_add(object, "routes", line->routes);
	if (line->identity)
		json_object_string_add(object, "identity", line->identity);
	if (line->label && line->label[0])
		json_object_string_add(object, "label", line->label);
	if (line->peers && line->peers[0])
		json_object_string_add(object, "peers", line->peers);
	json_object_string_add(object, "state", line->state);
	json_object_array_add(json, object);
}

/* An S/R's routes by member-ID: the caller frees. */
static unsigned int *count_by_member(const struct gvpn_group *group)
{
	unsigned int *routes =
		XCALLOC(MTYPE_TMP, (UINT16_MAX + 1) * sizeof(*routes));
	struct gvpn_walk walk = {.bgp = bgp_get_default()};
	struct bgp_dest *dest;
	struct gv_attr a;

	while ((dest = gvpn_walk_next(&walk))) {
		if (gvpn_reflected_path(dest, group->id, &a))
			routes[a.member_id]++;
	}
	return routes;
}

static void show_registrations(struct vty *vty, json_object *json,
			       const struct gvpn_group *group)
{
	unsigned int *routes = count_by_member(group);
	struct gvpn_reg *reg;
	char state[64];

	if (!json)
		vty_out(vty, "%6s %9s %-15s %-9s %6s %-28s %s\n", "Member",
			"Sender-ID", "Gateway", "Up/Down", "Routes", "Identity",
			"State");
	frr_each (gvpn_regs, gvpn.regs, reg) {
		struct member_line line = {
			.id = reg->member_id,
			.sender_id = reg->sender_id,
			.gateway = &reg->gateway,
			.identity = reg->fixed ? "-" : reg->identity,
			.label = reg->label,
			.peers = reg->peers,
			.state = reg_state(reg, state, sizeof(state)),
			.routes = routes[reg->member_id],
			.since = reg->since,
		};

		if (reg->group_id == group->id)
			member_line_out(vty, json, &line);
	}
	XFREE(MTYPE_TMP, routes);
}

static void show_members(struct vty *vty, json_object *json,
			 struct gvpn_group *group)
{
	struct gvpn_member *member;

	if (!json)
		vty_out(vty, "%6s %9s %-15s %-9s %6s %s\n", "Member",
			"Sender-ID", "Gateway", "Up/Down", "Routes", "State");
	frr_each (gvpn_members, group->members, member) {
		struct member_line line = {
			.id = member->id,
			.sender_id = member->sender_id,
			.gateway = &member->gateway,
			.state = member_state(member),
			.routes = gvpn_member_heards_count(member->routes),
			.since = member->since,
		};

		member_line_out(vty, json, &line);
	}
}

/* Routes ------------------------------------------------------------------ */

static void route_line_out(struct vty *vty, json_object *json, const char *dir,
			   const struct prefix *p, uint16_t member_id,
			   const struct gv_addr *gateway, const char *state)
{
	char prefix[PREFIX_STRLEN], buf[GV_ADDR_STRLEN];
	json_object *object;

	if (p)
		prefix2str(p, prefix, sizeof(prefix));
	else
		strlcpy(prefix, "-", sizeof(prefix));

	if (!json) {
		vty_out(vty, "%-3s %-43s %6u %-15s %s\n", dir, prefix,
			member_id, gv_addr_print(gateway, buf, sizeof(buf)),
			state);
		return;
	}
	object = json_object_new_object();
	json_object_string_add(object, "direction", dir);
	if (p)
		json_object_string_add(object, "prefix", prefix);
	json_object_int_add(object, "memberId", member_id);
	json_addr(object, "gateway", gateway);
	json_object_string_add(object, "state", state);
	json_object_array_add(json, object);
}

static void show_reflected(struct vty *vty, json_object *json,
			   const struct gvpn_group *group)
{
	struct gvpn_walk walk = {.bgp = bgp_get_default()};
	struct bgp_dest *dest;
	struct gv_attr a;

	while ((dest = gvpn_walk_next(&walk))) {
		if (gvpn_reflected_path(dest, group->id, &a))
			route_line_out(vty, json, "in",
				       bgp_dest_get_prefix(dest), a.member_id,
				       &a.gateway,
				       a.sealed ? "sealed, reflected"
						: "plain, reflected");
	}
}

static const char *heard_state(const struct gvpn_heard *heard, char *buf,
			       size_t size)
{
	enum gvpn_drop drop = heard->covers ? GVPN_DROP_COVERS : heard->drop;
	const char *waits;

	if (drop) {
		snprintf(buf, size, "dropped: %s", gvpn_drop_text(drop));
		return buf;
	}
	waits = gvpn_heard_waits(heard);
	if (waits)
		return waits;
	if (heard->denied)
		return "denied by the route-map";
	if (!heard->own.pi)
		return "about to be put into the VRF";
	if (!CHECK_FLAG(heard->own.pi->flags, BGP_PATH_SELECTED))
		return "not selected: another route is better";

	switch (gvpn_zebra_state(heard->group->bind->bgp, &heard->prefix)) {
	case GVPN_ZEBRA_NONE:
		break;
	case GVPN_ZEBRA_DOWN:
		return "waiting for zebra";
	case GVPN_ZEBRA_NO_DEVICE:
		return "waiting for the group device";
	case GVPN_ZEBRA_SENT:
		return "told to zebra";
	case GVPN_ZEBRA_INSTALLED:
		return "installed";
	case GVPN_ZEBRA_REJECTED:
		return "not installed: zebra or the kernel refused it";
	}
	return "selected";
}

static void show_heard(struct vty *vty, json_object *json,
		       const struct gvpn_group *group)
{
	const struct gvpn_heard *heard;
	struct gvpn_export *export;
	uint16_t member_id;
	char buf[128];

	frr_each (gvpn_group_heards_const, group->heards, heard) {
		if (!heard->drop && heard->kind != GV_KIND_ROUTES)
			continue;
		/* dropped perhaps because it is not */
		if (!is_of_group(heard->dest, group->id, &member_id))
			member_id = 0;
		route_line_out(vty, json, "in",
			       heard->drop ? NULL : &heard->prefix, member_id,
			       &heard->gateway,
			       heard_state(heard, buf, sizeof(buf)));
	}
	if (!group->bind)
		return;
	frr_each (gvpn_exports, group->bind->exports, export)
		route_line_out(vty, json, "out", &export->prefix,
			       group->member_id, &group->gateway, "announced");
}

/* Commands ---------------------------------------------------------------- */

static void show_summary(struct vty *vty, const char *name)
{
	struct gvpn_group *group;
	struct gvpn_bind *bind;

	count_reflected();
	show_ctl(vty);
	show_drops(vty, gvpn.drops);
	frr_each (gvpn_groups, gvpn.groups, group) {
		if (!name || strcmp(name, group->name) == 0)
			show_group(vty, group);
	}
	frr_each (gvpn_binds, gvpn.binds, bind) {
		if (!bind->group && (!name || strcmp(name, bind->name) == 0))
			show_unknown(vty, bind);
	}
}

static json_object *json_summary(const char *name)
{
	json_object *json = json_object_new_object();
	json_object *groups = json_object_new_object();
	struct gvpn_group *group;
	struct gvpn_bind *bind;

	count_reflected();
	json_object_object_add(json, "controlSocket", json_ctl());
	json_drops(json, gvpn.drops);
	frr_each (gvpn_groups, gvpn.groups, group) {
		if (!name || strcmp(name, group->name) == 0)
			json_object_object_add(groups, group->name,
					       json_group(group));
	}
	frr_each (gvpn_binds, gvpn.binds, bind) {
		if (!bind->group && (!name || strcmp(name, bind->name) == 0))
			json_object_object_add(groups, bind->name,
					       json_unknown(bind));
	}
	json_object_object_add(json, "groups", groups);
	return json;
}

int gvpn_no_such_group(struct vty *vty, const char *name, bool uj)
{
	const struct gvpn_bind *bind = gvpn_bind_find(name);
	char buf[128];

	if (uj)
		vty_out(vty, "{}\n");
	else if (bind)
		vty_out(vty, "%% Group %s: %s\n", name,
			gvpn_bind_problem(bind, buf, sizeof(buf)));
	else
		vty_out(vty, "%% No such group: %s\n", name);
	return CMD_WARNING;
}

static int show_summary_of(struct vty *vty, const char *name, bool uj)
{
	if (name && !gvpn_group_find_name(name) && !gvpn_bind_find(name))
		return gvpn_no_such_group(vty, name, uj);
	if (uj)
		vty_json(vty, json_summary(name));
	else
		show_summary(vty, name);
	return CMD_SUCCESS;
}

DEFUN(show_gvpn, show_gvpn_cmd, GVPN_CMD_SHOW, GVPN_HELP_SHOW)
{
	bool uj = use_json(argc, argv);

	return show_summary_of(vty, argc - uj > 3 ? argv[3]->arg : NULL, uj);
}

/* The members as an array in json, if that is not NULL, or as a table. */
static void show_group_members(struct vty *vty, json_object *json,
			       struct gvpn_group *group)
{
	json_object *array = json ? json_object_new_array() : NULL;

	if (group->role == GV_ROLE_GCKS)
		show_registrations(vty, array, group);
	else
		show_members(vty, array, group);
	if (json)
		json_object_object_add(json, "members", array);
}

/* The routes, likewise. */
static void show_group_routes(struct vty *vty, json_object *json,
			      const struct gvpn_group *group)
{
	json_object *array = json ? json_object_new_array() : NULL;

	if (!json)
		vty_out(vty, "%-3s %-43s %6s %-15s %s\n", "Dir", "Prefix",
			"Member", "Gateway", "State");
	if (group->role == GV_ROLE_GCKS)
		show_reflected(vty, array, group);
	else
		show_heard(vty, array, group);
	if (json)
		json_object_object_add(json, "routes", array);
}

static void show_detail(struct vty *vty, json_object *json,
			struct gvpn_group *group)
{
	count_reflected();
	if (json) {
		json_object_object_add(json, "summary", json_group(group));
		show_group_members(vty, json, group);
		show_group_routes(vty, json, group);
		return;
	}
	show_group(vty, group);
	vty_out(vty, "\n");
	show_group_members(vty, NULL, group);
	vty_out(vty, "\n");
	show_group_routes(vty, NULL, group);
}

DEFUN(show_gvpn_detail, show_gvpn_detail_cmd, GVPN_CMD_SHOW_DETAIL,
      GVPN_HELP_SHOW_DETAIL)
{
	bool uj = use_json(argc, argv);
	const char *what = argv[4]->text;
	struct gvpn_group *group = gvpn_group_find_name(argv[3]->arg);
	json_object *json = NULL;

	if (strcmp(what, "summary") == 0)
		return show_summary_of(vty, argv[3]->arg, uj);
	if (!group)
		return gvpn_no_such_group(vty, argv[3]->arg, uj);
	if (uj) {
		json = json_object_new_object();
		json_object_string_add(json, "group", group->name);
	}
	if (strcmp(what, "members") == 0)
		show_group_members(vty, json, group);
	else if (strcmp(what, "routes") == 0)
		show_group_routes(vty, json, group);
	else
		show_detail(vty, json, group);
	if (uj)
		vty_json(vty, json);
	return CMD_SUCCESS;
}

/* Clearing ---------------------------------------------------------------- */

DEFUN(clear_gvpn, clear_gvpn_cmd, GVPN_CMD_CLEAR, GVPN_HELP_CLEAR)
{
	struct gvpn_group *group;

	memset(gvpn.drops, 0, sizeof(gvpn.drops));
	frr_each (gvpn_groups, gvpn.groups, group)
		memset(group->drops, 0, sizeof(group->drops));
	gvpn_drop_forget(NULL);
	gvpn_ctl_clear();
	return CMD_SUCCESS;
}

/* Whether the neighbour is one that the group's routes come from or go to. */
static bool is_neighbor_of(struct peer *peer, const struct gvpn_group *group)
{
	struct gvpn_reg *reg = NULL;
	struct gv_addr addr;

	if (group->role == GV_ROLE_MEMBER || gvpn_neighbor_is_transit(peer))
		return true;
	if (group->fixed && gvpn_addr_of_peer(peer, &addr) &&
	    gv_addr_equal(&addr, &group->from))
		return true;
	while ((reg = gvpn_neighbor_next_reg(peer, reg))) {
		if (reg->group_id == group->id)
			return true;
	}
	return false;
}

/* Looks again at what is there, too.  Nothing is taken out meanwhile. */
static void clear_soft(struct gvpn_group *group)
{
	struct bgp *bgp = bgp_get_default();
	struct listnode *node, *next;
	struct peer *peer;

	if (!bgp)
		return;
	if (group->role == GV_ROLE_GCKS)
		gvpn_rr_walk();
	else if (group->active)
		gvpn_heard_walk(group);
	for (ALL_LIST_ELEMENTS(bgp->peer, node, next, peer)) {
		if (!is_neighbor_of(peer, group))
			continue;
		peer_clear_soft(peer, AFI_IP6, SAFI_MPLS_VPN,
				BGP_CLEAR_SOFT_BOTH);
		peer_clear_soft(peer, AFI_IP, SAFI_MPLS_VPN,
				BGP_CLEAR_SOFT_BOTH);
	}
}

DEFUN(clear_gvpn_group, clear_gvpn_group_cmd, GVPN_CMD_CLEAR_GROUP,
      GVPN_HELP_CLEAR_GROUP)
{
	struct gvpn_group *group = gvpn_group_find_name(argv[3]->arg);

	if (!group)
		return gvpn_no_such_group(vty, argv[3]->arg, false);
	if (strcmp(argv[4]->text, "soft") == 0)
		clear_soft(group);
	else
		gvpn_drop_clear(group);
	return CMD_SUCCESS;
}

/* Completion -------------------------------------------------------------- */

/* Those that charon has, and those that only the configuration names. */
static void complete_group(vector completions, struct cmd_token *token)
{
	const struct gvpn_group *group;
	const struct gvpn_bind *bind;

	frr_each (gvpn_groups_const, gvpn.groups, group)
		vector_set(completions, XSTRDUP(MTYPE_COMPLETION, group->name));
	frr_each (gvpn_binds_const, gvpn.binds, bind) {
		if (!bind->group)
			vector_set(completions,
				   XSTRDUP(MTYPE_COMPLETION, bind->name));
	}
}

static const struct cmd_variable_handler completions[] = {
	{.varname = GVPN_GROUP_VARNAME, .completions = complete_group},
	{.completions = NULL},
};

void gvpn_show_init(void)
{
	cmd_variable_handler_register(completions);
	install_element(VIEW_NODE, &show_gvpn_cmd);
	install_element(VIEW_NODE, &show_gvpn_detail_cmd);
	install_element(ENABLE_NODE, &clear_gvpn_cmd);
	install_element(ENABLE_NODE, &clear_gvpn_group_cmd);
	gvpn_explain_init();
}
