/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tables: groups and registrations as charon tells of them, bindings as
 * the configuration does, and the members that BGP brings.
 *
 * A group whose role is member is active while an instance is bound to it
 * and charon's VRF is that instance's.  Only then are its routes heard and
 * announced.  Everything that activity depends on ends in
 * gvpn_group_refresh_all().
 *
 * When charon has restarted, what it does not repeat at once is kept for
 * GVPN_STALE_TIME: members need that time to register again, and packets
 * flow on meanwhile.
 */
#include "bgp_groupvpn_frr.h"
#include "bgp_groupvpn.h"

DEFINE_MTYPE_STATIC(GROUPVPN, GROUPVPN_GROUP, "group VPN group");
DEFINE_MTYPE_STATIC(GROUPVPN, GROUPVPN_DESCRIPTOR, "group VPN descriptor");
DEFINE_MTYPE_STATIC(GROUPVPN, GROUPVPN_BIND, "group VPN binding");
DEFINE_MTYPE_STATIC(GROUPVPN, GROUPVPN_MEMBER, "group VPN member");
DEFINE_MTYPE_STATIC(GROUPVPN, GROUPVPN_REG, "group VPN registration");
DEFINE_MTYPE_STATIC(GROUPVPN, GROUPVPN_LOGGED, "group VPN logged drop");

static struct event *t_stale;

static void group_refresh(struct gvpn_group *group);
static void drop_forget(const struct gvpn_group *group, enum gvpn_drop reason);

/* Groups ------------------------------------------------------------------ */

struct gvpn_group *gvpn_group_find(uint32_t id)
{
	struct gvpn_group ref;

	/* Not all of it is cleared: this is done for every path. */
	ref.id = id;
	return gvpn_groups_find(gvpn.groups, &ref);
}

struct gvpn_group *gvpn_group_find_name(const char *name)
{
	struct gvpn_group *group;

	frr_each (gvpn_groups, gvpn.groups, group) {
		if (strcmp(group->name, name) == 0)
			return group;
	}
	return NULL;
}

const struct gvpn_route_keys *gvpn_group_keys(const struct gvpn_group *group,
					      uint32_t route_epoch)
{
	if (route_epoch == 0)
		return NULL;
	if (route_epoch == group->route.epoch)
		return &group->route;
	return route_epoch == group->other.epoch ? &group->other : NULL;
}

/* Out of memory is the end, as everywhere in bgpd. */
static uint8_t *secret_new(void)
{
	uint8_t *secret = gv_secret_new();

	assert(secret);
	return secret;
}

static void keys_init(struct gvpn_route_keys *keys)
{
	keys->epoch = 0;
	keys->secret = secret_new();
	keys->mac_key = secret_new();
}

static void keys_fini(struct gvpn_route_keys *keys)
{
	gv_secret_free(keys->secret);
	gv_secret_free(keys->mac_key);
}

static void keys_clear(struct gvpn_route_keys *keys)
{
	keys->epoch = 0;
	gv_wipe(keys->secret, GV_SECRET_LEN);
	gv_wipe(keys->mac_key, GV_SECRET_LEN);
}

static bool keys_are(const struct gvpn_route_keys *keys, uint32_t epoch,
		     const uint8_t *secret)
{
	return keys->epoch == epoch &&
	       gv_equal(keys->secret, secret, GV_SECRET_LEN);
}

static void keys_set(struct gvpn_group *group, struct gvpn_route_keys *keys,
		     uint32_t epoch, const uint8_t *secret)
{
	memcpy(keys->secret, secret, GV_SECRET_LEN);
	if (gv_mac_key(group->id, secret, keys->mac_key)) {
		keys->epoch = epoch;
		return;
	}
	zlog_err("group-vpn: group %s (%u): libcrypto gives no MAC key",
		 group->name, group->id);
	keys_clear(keys);
}

static void keys_swap(struct gvpn_group *group)
{
	struct gvpn_route_keys route = group->route;

	group->route = group->other;
	group->other = route;
}

struct gvpn_group *gvpn_group_new(uint32_t id, enum gv_role role,
				  const char *name)
{
	struct gvpn_group *group;

	group = XCALLOC(MTYPE_GROUPVPN_GROUP, sizeof(*group));
	group->id = id;
	group->role = role;
	group->since = monotime(NULL);
	keys_init(&group->route);
	keys_init(&group->other);
	strlcpy(group->name, name, sizeof(group->name));
	group->route_target = gvpn_route_target_make(id);
	gvpn_members_init(group->members);
	gvpn_group_heards_init(group->heards);
	gvpn_groups_add(gvpn.groups, group);
	zlog_info("group-vpn: group %s (%u) up: %s", group->name, group->id,
		  group->role == GV_ROLE_GCKS ? "S/R device" : "member");
	return group;
}

static void group_free(struct gvpn_group *group)
{
	if (group->bind)
		group->bind->group = NULL;
	gvpn_own_unset(&group->own);
	gvpn_heard_flush(group);
	gvpn_hand_forget_group(group);
	drop_forget(group, GVPN_DROP_NONE);
	gvpn_groups_del(gvpn.groups, group);
	gvpn_members_fini(group->members);
	gvpn_group_heards_fini(group->heards);
	XFREE(MTYPE_GROUPVPN_DESCRIPTOR, group->descriptor);
	gvpn_rekey_free(group);
	event_cancel(&group->t_forget);
	keys_fini(&group->route);
	keys_fini(&group->other);
	ecommunity_unintern(&group->route_target);
	XFREE(MTYPE_GROUPVPN_GROUP, group);
}

static void group_set_discovery(struct gvpn_group *group, bool open)
{
	if (group->discovery_open == open)
		return;
	group->discovery_open = open;
	gvpn_rr_discovery_changed();
}

void gvpn_group_down(uint32_t id, const char *why)
{
	struct gvpn_group *group = gvpn_group_find(id);
	struct gvpn_reg *reg;

	if (!group)
		return;

	zlog_info("group-vpn: group %s (%u) down: %s", group->name, group->id,
		  why);
	if (group->role == GV_ROLE_GCKS) {
		frr_each_safe (gvpn_regs, gvpn.regs, reg) {
			if (reg->group_id == id)
				gvpn_reg_down(id, reg->member_id, why);
		}
	}
	group->active = false;
	group_set_discovery(group, false);
	if (group->bind)
		gvpn_export_update(group->bind);
	group_free(group);
}

static void group_set_gcks(struct gvpn_group *group,
			   const struct gv_ctl_msg *msg)
{
	group->gateway = msg->gateway;
	group_set_discovery(group, msg->discovery_open);
	XFREE(MTYPE_GROUPVPN_DESCRIPTOR, group->descriptor);
	if (!gvpn_rr_is_descriptor(group->id, msg->attr, msg->attr_len))
		return;
	group->descriptor = XMALLOC(MTYPE_GROUPVPN_DESCRIPTOR, msg->attr_len);
	group->descriptor_len = msg->attr_len;
	memcpy(group->descriptor, msg->attr, msg->attr_len);
}

static void forget_run(struct event *t)
{
	struct gvpn_group *group = EVENT_ARG(t);

	zlog_info("group-vpn: group %s (%u): routes of route epoch %u are not "
		  "taken any more",
		  group->name, group->id, group->other.epoch);
	keys_clear(&group->other);
	/* Of who is late during a change it may have been told; who still is
	 * after it is worth another line. */
	drop_forget(group, GVPN_DROP_ROUTE_EPOCH);
	if (group->active)
		gvpn_heard_walk(group);
}

/* What is no longer named is taken for a little while yet, beginning with when
 * it became that. */
static void group_forget_later(struct gvpn_group *group, uint32_t other_before)
{
	if (group->changing || group->other.epoch != other_before)
		event_cancel(&group->t_forget);
	if (!group->changing && group->other.epoch)
		event_add_timer(gvpn.master, forget_run, group,
				GVPN_FORGET_TIME, &group->t_forget);
}

/* Takes over the route epochs that charon names.  Whether there is a new one
 * among them. */
static bool group_set_keys(struct gvpn_group *group,
			   const struct gv_ctl_msg *msg)
{
	uint32_t other_before = group->other.epoch;
	bool changes = false;

	/* The other one's turn has come: nothing is judged anew. */
	if (group->other.epoch &&
	    keys_are(&group->other, msg->route_epoch, msg->route_secret)) {
		zlog_info("group-vpn: group %s (%u): route epoch %u follows %u",
			  group->name, group->id, group->other.epoch,
			  group->route.epoch);
		keys_swap(group);
	} else if (!keys_are(&group->route, msg->route_epoch,
			     msg->route_secret)) {
		keys_swap(group);
		if (group->other.epoch == msg->route_epoch)
			keys_clear(&group->other);
		keys_set(group, &group->route, msg->route_epoch,
			 msg->route_secret);
		changes = true;
	}

	group->changing = msg->has_other_route_secret;
	if (group->changing && !keys_are(&group->other, msg->other_route_epoch,
					 msg->other_route_secret)) {
		keys_set(group, &group->other, msg->other_route_epoch,
			 msg->other_route_secret);
		changes = true;
	}

	group_forget_later(group, other_before);
	return changes;
}

static void group_set_member(struct gvpn_group *group,
			     const struct gv_ctl_msg *msg,
			     bool charon_restarted)
{
	bool keys_change = group_set_keys(group, msg) ||
			   group->member_id != msg->member_id;
	bool tell = group->sender_id != msg->sender_id ||
		    !gv_addr_equal(&group->gateway, &msg->gateway) ||
		    (group->stale && charon_restarted);
	bool device_changes = strcmp(group->device, msg->device) != 0;

	strlcpy(group->vrf, msg->vrf, sizeof(group->vrf));
	strlcpy(group->device, msg->device, sizeof(group->device));
	group->member_id = msg->member_id;
	group->sender_id = msg->sender_id;
	group->gateway = msg->gateway;

	if (keys_change && group->active)
		gvpn_heard_walk(group);
	if (tell && group->active)
		gvpn_members_tell(group);
	if (device_changes)
		gvpn_zebra_refresh();
}

void gvpn_group_up(const struct gv_ctl_msg *msg, bool charon_restarted)
{
	struct gvpn_group *group = gvpn_group_find(msg->group_id);
	struct gvpn_group *namesake = gvpn_group_find_name(msg->name);

	if (namesake && namesake != group)
		gvpn_group_down(namesake->id,
				"its name is another group's now");
	if (group && group->role != msg->role) {
		gvpn_group_down(group->id, "its role changes");
		group = NULL;
	}
	if (!group) {
		group = gvpn_group_new(msg->group_id, msg->role, msg->name);
		/* What came under its RDs before was nobody's business. */
		if (group->role == GV_ROLE_GCKS)
			gvpn_rr_walk();
	}

	strlcpy(group->name, msg->name, sizeof(group->name));
	group->epoch = msg->epoch;
	group->sas = msg->sas;
	if (group->role == GV_ROLE_GCKS)
		group_set_gcks(group, msg);
	else
		group_set_member(group, msg, charon_restarted);
	group->stale = false;
	group_refresh(group);
}

/* Whether the group's binding works; why not is logged once. */
static bool bind_works(struct gvpn_bind *bind)
{
	char buf[sizeof(bind->problem)];
	const char *problem = gvpn_bind_problem(bind, buf, sizeof(buf));

	if (problem && strcmp(problem, bind->problem) != 0)
		zlog_warn("group-vpn: group %s: %s", bind->name, problem);
	strlcpy(bind->problem, problem ? problem : "", sizeof(bind->problem));
	return !problem;
}

/* The binding of its name, which may be another than before. */
static void group_rebind(struct gvpn_group *group)
{
	struct gvpn_bind *bind = gvpn_bind_find(group->name);
	struct gvpn_bind *before = group->bind;

	if (bind && bind->fresh)
		bind = NULL;
	if (bind == before)
		return;
	/* What was injected is in the table of the instance before. */
	group->active = false;
	gvpn_heard_flush(group);
	group->bind = bind;
	if (bind)
		bind->group = group;
	if (before) {
		before->group = NULL;
		gvpn_export_update(before);
	}
}

static void group_refresh(struct gvpn_group *group)
{
	bool active;

	group_rebind(group);
	active = group->role == GV_ROLE_MEMBER && group->bind &&
		 bind_works(group->bind);
	if (active != group->active) {
		group->active = active;
		if (active)
			gvpn_heard_walk(group);
		else
			gvpn_heard_flush(group);
	}
	if (group->role == GV_ROLE_GCKS)
		gvpn_rr_descriptor(group);
	if (group->bind)
		gvpn_export_update(group->bind);
}

void gvpn_group_refresh_all(void)
{
	struct gvpn_group *group;
	struct gvpn_bind *bind;

	frr_each (gvpn_groups, gvpn.groups, group)
		group_refresh(group);
	gvpn_origin_refresh();
	frr_each (gvpn_binds, gvpn.binds, bind) {
		if (!bind->group)
			gvpn_export_update(bind);
	}
}

void gvpn_group_recheck(void)
{
	struct gvpn_group *group;

	frr_each (gvpn_groups, gvpn.groups, group) {
		if (group->active && !bind_works(group->bind))
			group_refresh(group);
	}
}

/* Bindings ---------------------------------------------------------------- */

struct gvpn_bind *gvpn_bind_find(const char *name)
{
	struct gvpn_bind *bind;

	frr_each (gvpn_binds, gvpn.binds, bind) {
		if (strcmp(bind->name, name) == 0)
			return bind;
	}
	return NULL;
}

struct gvpn_bind *gvpn_bind_new(struct bgp *bgp, const char *name)
{
	struct gvpn_bind *bind;

	bind = XCALLOC(MTYPE_GROUPVPN_BIND, sizeof(*bind));
	bind->bgp = bgp;
	strlcpy(bind->name, name, sizeof(bind->name));
	bind->seal_key = secret_new();
	bind->fresh = true;
	bind->kept_vrf = VRF_UNKNOWN;
	gvpn_export_init(bind);
	gvpn_binds_add_tail(gvpn.binds, bind);
	return bind;
}

/* Whoever frees a binding has gvpn_group_refresh_all() called afterwards. */
void gvpn_bind_free(struct gvpn_bind *bind)
{
	struct gvpn_group *group = bind->group;

	if (group) {
		group->active = false;
		gvpn_heard_flush(group);
		group->bind = NULL;
	}
	gvpn_export_stop(bind);
	gvpn_binds_del(gvpn.binds, bind);
	XFREE(MTYPE_ROUTE_MAP_NAME, bind->rmap[GVPN_RMAP_IN]);
	XFREE(MTYPE_ROUTE_MAP_NAME, bind->rmap[GVPN_RMAP_OUT]);
	gvpn_exports_fini(bind->exports);
	gv_secret_free(bind->seal_key);
	XFREE(MTYPE_GROUPVPN_BIND, bind);
}

void gvpn_bind_set_plain(struct gvpn_bind *bind, bool plain)
{
	if (bind->plain == plain)
		return;
	bind->plain = plain;
	gvpn_export_again(bind);
	if (bind->group && bind->group->active)
		gvpn_heard_walk(bind->group);
}

bool gvpn_bgp_is_bound(const struct bgp *bgp)
{
	struct gvpn_bind *bind;

	frr_each (gvpn_binds, gvpn.binds, bind) {
		if (bind->bgp == bgp)
			return true;
	}
	return false;
}

static const char *vrf_name(const char *name)
{
	return name && name[0] ? name : VRF_DEFAULT_NAME;
}

/* Whether bgpd copies the instance's routes elsewhere: into the VPN tables,
 * another VRF, or EVPN. */
static bool is_exported(const struct bgp *bgp)
{
	const uint64_t vpn =
		BGP_CONFIG_VRF_TO_MPLSVPN_EXPORT | BGP_CONFIG_VRF_TO_VRF_EXPORT;

	return CHECK_FLAG(bgp->af_flags[AFI_IP][SAFI_UNICAST], vpn) ||
	       CHECK_FLAG(bgp->af_flags[AFI_IP6][SAFI_UNICAST], vpn) ||
	       CHECK_FLAG(bgp->af_flags[AFI_L2VPN][SAFI_EVPN],
			  BGP_L2VPN_EVPN_ADV_IPV4_UNICAST |
				  BGP_L2VPN_EVPN_ADV_IPV4_UNICAST_GW_IP |
				  BGP_L2VPN_EVPN_ADV_IPV6_UNICAST |
				  BGP_L2VPN_EVPN_ADV_IPV6_UNICAST_GW_IP);
}

const char *gvpn_bind_problem(const struct gvpn_bind *bind, char *buf,
			      size_t size)
{
	const struct gvpn_group *group = bind->group;
	const struct gvpn_sought *sought;
	char hints[GVPN_HINTS_STRLEN];
	const char *vrf = bind->bgp->inst_type == BGP_INSTANCE_TYPE_DEFAULT
				  ? VRF_DEFAULT_NAME
				  : bind->bgp->name;
	struct gvpn_ctl_status ctl;

	if (bind->fresh)
		return "waiting for the rest of the configuration";
	if (!group) {
		gvpn_ctl_status(&ctl);
		if (!ctl.connected)
			return "waiting for charon: control socket down";
		sought = gvpn_discovery_find(bind->name);
		if (!sought)
			return "waiting for charon: no such group";
		if (sought->n == 0)
			return "waiting for charon: not registered, and no "
			       "descriptor heard";
		snprintf(buf, size,
			 "waiting for charon: not registered, a descriptor "
			 "names %s",
			 gvpn_discovery_print(sought, hints, sizeof(hints)));
		return buf;
	}
	if (group->fixed)
		return "\"group-vpn static\" makes this the group's S/R, not "
		       "its member";
	if (group->role != GV_ROLE_MEMBER)
		return "charon is this group's key server, not its member";
	if (strcmp(vrf_name(group->vrf), vrf) != 0) {
		snprintf(buf, size,
			 "VRF disagreement: charon has the group in %s, bgpd "
			 "in %s",
			 vrf_name(group->vrf), vrf);
		return buf;
	}
	if (is_exported(bind->bgp))
		return "refused: \"export vpn\", \"import vrf\" or EVPN's "
		       "\"advertise\" would take the group's routes out of "
		       "this instance";
	if (!bgp_get_default())
		return "waiting for \"router bgp\" of the default VRF, which "
		       "carries the VPN routes";
	return NULL;
}

/* Members ----------------------------------------------------------------- */

struct gvpn_member *gvpn_member_find(struct gvpn_group *group, uint16_t id)
{
	struct gvpn_member ref;

	ref.id = id;
	return gvpn_members_find(group->members, &ref);
}

struct gvpn_member *gvpn_member_get(struct gvpn_group *group, uint16_t id)
{
	struct gvpn_member *member = gvpn_member_find(group, id);

	if (member)
		return member;

	member = XCALLOC(MTYPE_GROUPVPN_MEMBER, sizeof(*member));
	member->group = group;
	member->id = id;
	member->keys[0].key = secret_new();
	member->keys[1].key = secret_new();
	gvpn_member_heards_init(member->member_routes);
	gvpn_member_heards_init(member->routes);
	gvpn_members_add(group->members, member);
	return member;
}

void gvpn_member_put(struct gvpn_member *member)
{
	if (gvpn_member_heards_count(member->member_routes) ||
	    gvpn_member_heards_count(member->routes))
		return;

	gvpn_members_del(member->group->members, member);
	gvpn_member_heards_fini(member->member_routes);
	gvpn_member_heards_fini(member->routes);
	gv_secret_free(member->keys[0].key);
	gv_secret_free(member->keys[1].key);
	XFREE(MTYPE_GROUPVPN_MEMBER, member);
}

/* Registrations ----------------------------------------------------------- */

struct gvpn_reg *gvpn_reg_find(uint32_t group_id, uint16_t member_id)
{
	struct gvpn_reg ref;

	ref.group_id = group_id;
	ref.member_id = member_id;
	return gvpn_regs_find(gvpn.regs, &ref);
}

struct gvpn_reg *gvpn_reg_first(const struct gv_addr *from)
{
	struct gvpn_reg ref = {.from = *from};
	struct gvpn_reg *reg = gvpn_gateways_find_gteq(gvpn.gateways, &ref);

	return reg && gv_addr_equal(&reg->from, from) ? reg : NULL;
}

struct gvpn_reg *gvpn_reg_next(struct gvpn_reg *reg)
{
	struct gvpn_reg *next = gvpn_gateways_next(gvpn.gateways, reg);

	return next && gv_addr_equal(&next->from, &reg->from) ? next : NULL;
}

static const char *group_name(uint32_t id)
{
	struct gvpn_group *group = gvpn_group_find(id);

	return group ? group->name : "?";
}

/* Whether some member of its group names others, counted by reg_set_peers(). */
static bool is_limited(const struct gvpn_reg *reg)
{
	const struct gvpn_group *group = gvpn_group_find(reg->group_id);

	return group && group->limiting > 0;
}

static void reg_set_peers(struct gvpn_reg *reg, const char *peers)
{
	struct gvpn_group *group = gvpn_group_find(reg->group_id);

	if (group && reg->peers && reg->peers[0])
		group->limiting--;
	XFREE(MTYPE_GROUPVPN_REG, reg->peers);
	if (!peers)
		return;
	reg->peers = XSTRDUP(MTYPE_GROUPVPN_REG, peers);
	if (group && peers[0])
		group->limiting++;
}

/* Whom it names is asked for routes, as it is itself. */
static void reg_ask(struct gvpn_reg *reg)
{
	struct gvpn_reg *other;

	reg->ask = true;
	if (!reg->peers[0])
		return;
	frr_each (gvpn_regs, gvpn.regs, other) {
		if (other->group_id == reg->group_id &&
		    gv_peers_name(reg->peers, other->identity, other->label,
				  &other->gateway))
			other->ask = true;
	}
}

static bool reg_is(const struct gvpn_reg *reg, const struct gvpn_reg *wanted)
{
	return reg->sender_id == wanted->sender_id &&
	       gv_addr_equal(&reg->gateway, &wanted->gateway) &&
	       gv_addr_equal(&reg->from, &wanted->from) &&
	       strcmp(reg->identity, wanted->identity) == 0 &&
	       strcmp(reg->label, wanted->label) == 0 &&
	       strcmp(reg->peers, wanted->peers) == 0;
}

static void reg_log(const struct gvpn_reg *reg)
{
	char gateway[GV_ADDR_STRLEN], from[GV_ADDR_STRLEN];

	gv_addr_print(&reg->gateway, gateway, sizeof(gateway));
	gv_addr_print(&reg->from, from, sizeof(from));
	if (reg->fixed)
		zlog_info("group-vpn: group %s (%u): member %u configured, "
			  "gateway %s, neighbor %s",
			  group_name(reg->group_id), reg->group_id,
			  reg->member_id, gateway, from);
	else
		zlog_info("group-vpn: group %s (%u): member %u registered: %s, "
			  "gateway %s, Sender-ID %u%s%s",
			  group_name(reg->group_id), reg->group_id,
			  reg->member_id, reg->identity, gateway,
			  reg->sender_id, reg->peers[0] ? ", with " : "",
			  reg->peers);
}

void gvpn_reg_set(const struct gvpn_reg *wanted)
{
	struct gvpn_reg *reg =
		gvpn_reg_find(wanted->group_id, wanted->member_id);
	struct gvpn_reg before = {};
	bool limited;

	if (reg) {
		reg->stale = false;
		if (reg_is(reg, wanted))
			return;
		before = *reg;
		gvpn_gateways_del(gvpn.gateways, reg);
	} else {
		reg = XCALLOC(MTYPE_GROUPVPN_REG, sizeof(*reg));
		reg->group_id = wanted->group_id;
		reg->member_id = wanted->member_id;
		gvpn_origin_init(reg);
		gvpn_regs_add(gvpn.regs, reg);
	}

	reg->sender_id = wanted->sender_id;
	reg->gateway = wanted->gateway;
	reg->from = wanted->from;
	reg->fixed = wanted->fixed;
	reg->since = monotime(NULL);
	strlcpy(reg->identity, wanted->identity, sizeof(reg->identity));
	strlcpy(reg->label, wanted->label, sizeof(reg->label));
	gvpn_gateways_add(gvpn.gateways, reg);
	limited = is_limited(reg);
	reg_set_peers(reg, wanted->peers);
	limited |= is_limited(reg);
	reg_ask(reg);
	reg_log(reg);

	/* It may have been another neighbour's. */
	if (before.gateway.len)
		gvpn_rr_reg_changed(&before, limited);
	gvpn_rr_reg_changed(reg, limited);
}

void gvpn_reg_up(const struct gv_ctl_msg *msg)
{
	struct gvpn_reg wanted = {
		.group_id = msg->group_id,
		.member_id = msg->member_id,
		.sender_id = msg->sender_id,
		.gateway = msg->gateway,
		.from = msg->gateway,
		.peers = (char *)msg->peers,
	};

	strlcpy(wanted.identity, msg->identity, sizeof(wanted.identity));
	strlcpy(wanted.label, msg->label, sizeof(wanted.label));
	gvpn_reg_set(&wanted);
}

void gvpn_reg_down(uint32_t group_id, uint16_t member_id, const char *why)
{
	struct gvpn_reg *reg = gvpn_reg_find(group_id, member_id);
	char buf[GV_ADDR_STRLEN];
	bool limited;

	if (!reg)
		return;

	zlog_info("group-vpn: group %s (%u): member %u no longer %s%s, gateway "
		  "%s%s%s",
		  group_name(group_id), group_id, member_id,
		  reg->fixed ? "configured" : "registered: ", reg->identity,
		  gv_addr_print(&reg->gateway, buf, sizeof(buf)),
		  why[0] ? ": " : "", why);
	gvpn_regs_del(gvpn.regs, reg);
	gvpn_gateways_del(gvpn.gateways, reg);
	limited = is_limited(reg);
	reg_set_peers(reg, NULL);
	gvpn_origin_fini(reg);
	gvpn_rr_reg_changed(reg, limited);
	XFREE(MTYPE_GROUPVPN_REG, reg);
}

/* What charon does not repeat --------------------------------------------- */

void gvpn_group_mark_stale(void)
{
	struct gvpn_group *group;
	struct gvpn_reg *reg;

	frr_each (gvpn_groups, gvpn.groups, group) {
		group->stale = !group->fixed;
		group->shadows = false;
	}
	frr_each (gvpn_regs, gvpn.regs, reg)
		reg->stale = !reg->fixed;
}

/* The first stale group or registration goes; false if there was none. */
static bool drop_one_stale(const char *why)
{
	struct gvpn_group *group;
	struct gvpn_reg *reg;

	frr_each (gvpn_groups, gvpn.groups, group) {
		if (group->stale) {
			gvpn_group_down(group->id, why);
			return true;
		}
	}
	frr_each (gvpn_regs, gvpn.regs, reg) {
		if (reg->stale) {
			gvpn_reg_down(reg->group_id, reg->member_id, why);
			return true;
		}
	}
	return false;
}

static void stale_expire(struct event *t)
{
	while (drop_one_stale("not repeated by charon after its restart"))
		;
}

void gvpn_group_synced(bool charon_restarted)
{
	if (charon_restarted) {
		/* it may have done so before */
		event_cancel(&t_stale);
		event_add_timer(gvpn.master, stale_expire, NULL,
				GVPN_STALE_TIME, &t_stale);
	}
	if (t_stale)
		return;

	while (drop_one_stale("not repeated by charon"))
		;
}

void gvpn_group_forget(const char *why)
{
	gvpn_group_mark_stale();
	while (drop_one_stale(why))
		;
	event_cancel(&t_stale);
}

/* Drops ------------------------------------------------------------------- */

static const struct {
	const char *text, *json;
} drop_names[GVPN_DROPS] = {
	[GV_ATTR_TRUNCATED] = {"group attribute: truncated", "truncated"},
	[GV_ATTR_BAD_VERSION] = {"group attribute: unknown version", "version"},
	[GV_ATTR_BAD_KIND] = {"group attribute: unknown kind", "kind"},
	[GV_ATTR_BAD_ID] = {"group attribute: identifier not allowed", "id"},
	[GV_ATTR_BAD_TLV] = {"group attribute: malformed content", "tlv"},
	[GV_ATTR_BAD_MAC] = {"group attribute: authentication failed", "mac"},
	[GVPN_DROP_RD] = {"RD is not member-ID:group-ID", "routeDistinguisher"},
	[GVPN_DROP_UNKNOWN_GROUP] = {"unknown group", "unknownGroup"},
	[GVPN_DROP_KIND] = {"descriptor from a neighbor", "descriptor"},
	[GVPN_DROP_NOT_REGISTERED] = {"member is not registered",
				      "notRegistered"},
	[GVPN_DROP_GATEWAY] = {"not from the gateway that registered",
			       "gateway"},
	[GVPN_DROP_SENDER] = {"not the Sender-ID that was allotted",
			      "senderId"},
	[GVPN_DROP_ROUTE_EPOCH] = {"another route epoch", "routeEpoch"},
	[GVPN_DROP_OWN_ID] = {"uses our member-ID", "ownMemberId"},
	[GVPN_DROP_PLAIN] = {"not sealed", "plain"},
	[GVPN_DROP_SEAL] = {"does not open", "seal"},
	[GVPN_DROP_PREFIX] = {"not a unicast prefix", "prefix"},
	[GVPN_DROP_COVERS] = {"covers an address of the underlay", "covers"},
	[GVPN_DROP_LOOP] = {"our AS is in its AS path", "asLoop"},
};

const char *gvpn_drop_text(enum gvpn_drop reason)
{
	return drop_names[reason].text;
}

const char *gvpn_drop_json_key(enum gvpn_drop reason)
{
	return drop_names[reason].json;
}

/* Which (neighbour, group, reason) has been logged; not which member, of which
 * a neighbour can make up any number.  Neighbours are not locked: they are
 * forgotten when their session ends. */
PREDECL_RBTREE_UNIQ(gvpn_logged);
struct gvpn_logged {
	struct gvpn_logged_item item;
	const struct peer *peer;
	uint32_t group_id; /* 0: of none that we know */
	enum gvpn_drop reason;
};

static int logged_cmp(const struct gvpn_logged *a, const struct gvpn_logged *b)
{
	int ret = numcmp((uintptr_t)a->peer, (uintptr_t)b->peer);

	if (!ret)
		ret = numcmp(a->group_id, b->group_id);
	return ret ? ret : numcmp(a->reason, b->reason);
}

DECLARE_RBTREE_UNIQ(gvpn_logged, struct gvpn_logged, item, logged_cmp);
static struct gvpn_logged_head logged[1];

static void drop_log(const struct gvpn_group *group, const struct peer *peer,
		     const struct bgp_dest *dest, enum gvpn_drop reason)
{
	const struct prefix *rd = gvpn_dest_rd(dest);
	char member[sizeof(" of member 65535")] = "";
	uint32_t rd_group;
	uint16_t rd_member;

	if (group && rd && gvpn_rd_read(rd, &rd_member, &rd_group) &&
	    rd_group == group->id && rd_member != GV_MEMBER_ID_GCKS)
		snprintf(member, sizeof(member), " of member %u", rd_member);
	zlog_warn("group-vpn: %s%s%sdropping routes%s from %s: %s",
		  group ? "group " : "", group ? group->name : "",
		  group ? ": " : "", member, peer->host,
		  gvpn_drop_text(reason));
}

void gvpn_drop(struct gvpn_group *group, struct peer *peer,
	       const struct bgp_dest *dest, enum gvpn_drop reason)
{
	struct gvpn_logged *new, ref = {};

	ref.peer = peer;
	ref.group_id = group ? group->id : 0;
	ref.reason = reason;

	if (group)
		group->drops[reason]++;
	else
		gvpn.drops[reason]++;

	/* A loop is nobody's fault. */
	if (reason == GVPN_DROP_LOOP || gvpn_logged_find(logged, &ref))
		return;
	new = XCALLOC(MTYPE_GROUPVPN_LOGGED, sizeof(*new));
	*new = ref;
	gvpn_logged_add(logged, new);
	drop_log(group, peer, dest, reason);
}

/* GVPN_DROP_NONE: of every reason. */
static void drop_forget(const struct gvpn_group *group, enum gvpn_drop reason)
{
	struct gvpn_logged *entry;

	frr_each_safe (gvpn_logged, logged, entry) {
		if (entry->group_id != group->id ||
		    (reason && entry->reason != reason))
			continue;
		gvpn_logged_del(logged, entry);
		XFREE(MTYPE_GROUPVPN_LOGGED, entry);
	}
}

void gvpn_drop_clear(struct gvpn_group *group)
{
	memset(group->drops, 0, sizeof(group->drops));
	drop_forget(group, GVPN_DROP_NONE);
}

void gvpn_drop_forget(const struct peer *peer)
{
	struct gvpn_logged *entry;

	frr_each_safe (gvpn_logged, logged, entry) {
		if (peer && entry->peer != peer)
			continue;
		gvpn_logged_del(logged, entry);
		XFREE(MTYPE_GROUPVPN_LOGGED, entry);
	}
}

void gvpn_group_fini(void)
{
	struct gvpn_group *group;
	struct gvpn_bind *bind;
	struct gvpn_reg *reg;

	event_cancel(&t_stale);
	frr_each_safe (gvpn_binds, gvpn.binds, bind)
		gvpn_bind_free(bind);
	while ((group = gvpn_groups_first(gvpn.groups)))
		group_free(group);
	while ((reg = gvpn_regs_pop(gvpn.regs))) {
		gvpn_gateways_del(gvpn.gateways, reg);
		gvpn_origin_fini(reg);
		XFREE(MTYPE_GROUPVPN_REG, reg->peers);
		XFREE(MTYPE_GROUPVPN_REG, reg);
	}
	gvpn_drop_forget(NULL);
}

void gvpn_group_init(void)
{
	gvpn_binds_init(gvpn.binds);
	gvpn_groups_init(gvpn.groups);
	gvpn_regs_init(gvpn.regs);
	gvpn_gateways_init(gvpn.gateways);
	gvpn_logged_init(logged);
}
