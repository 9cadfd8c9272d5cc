/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kernel routes of a member: PREFIX via GATEWAY dev DEVICE onlink.
 *
 * bgpd leaves paths of our sub_type alone when it talks to zebra, so a client
 * of our own does, as instance 7 of protocol BGP: zebra keeps its routes
 * apart from bgpd's, and removes them when this bgpd is gone.  A prefix is in
 * zebra while an opened path is the selected one of its destination.
 *
 * charon makes the group device, and may make it anew with another index;
 * bgpd's own client keeps the interface table, and bgp_vrf_status_changed
 * tells when to look at it.
 */
#include "bgp_groupvpn_frr.h"
#include "bgp_groupvpn.h"

DEFINE_MTYPE_STATIC(GROUPVPN, GROUPVPN_FIB, "group VPN kernel route");

#define GVPN_ZEBRA_INSTANCE 7

extern struct zebra_privs_t bgpd_privs;

PREDECL_HASH(gvpn_fibs);
struct gvpn_fib {
	struct gvpn_fibs_item item;
	struct bgp *bgp;
	struct prefix prefix;
	uint32_t group_id; /* its device is the interface */
	struct in_addr gateway;
	/* What zebra was told last; ifindex IFINDEX_INTERNAL: nothing. */
	vrf_id_t vrf_id;
	ifindex_t ifindex;
	enum gvpn_zebra_state state;
};

static int fib_cmp(const struct gvpn_fib *a, const struct gvpn_fib *b)
{
	int ret = numcmp((uintptr_t)a->bgp, (uintptr_t)b->bgp);

	return ret ? ret : prefix_cmp(&a->prefix, &b->prefix);
}

static uint32_t fib_hash(const struct gvpn_fib *fib)
{
	return prefix_hash_key(&fib->prefix);
}

DECLARE_HASH(gvpn_fibs, struct gvpn_fib, item, fib_cmp, fib_hash);

static struct gvpn_fibs_head fibs[1];
static struct zclient *client;
static struct event *t_refresh;

static struct gvpn_fib *fib_find(const struct bgp *bgp, const struct prefix *p)
{
	struct gvpn_fib ref = {.bgp = (struct bgp *)bgp};

	prefix_copy(&ref.prefix, p);
	return gvpn_fibs_find(fibs, &ref);
}

static bool is_connected(void)
{
	return client && client->sock >= 0;
}

static void fib_send(const struct gvpn_fib *fib, bool add)
{
	struct zapi_route api = {};
	struct zapi_nexthop *nexthop = &api.nexthops[0];

	api.vrf_id = fib->vrf_id;
	api.type = ZEBRA_ROUTE_BGP;
	api.instance = GVPN_ZEBRA_INSTANCE;
	api.safi = SAFI_UNICAST;
	prefix_copy(&api.prefix, &fib->prefix);
	if (add) {
		SET_FLAG(api.message, ZAPI_MESSAGE_DISTANCE);
		api.distance = ZEBRA_EBGP_DISTANCE_DEFAULT;
		SET_FLAG(api.message, ZAPI_MESSAGE_NEXTHOP);
		api.nexthop_num = 1;
		nexthop->type = NEXTHOP_TYPE_IPV4_IFINDEX;
		nexthop->gate.ipv4 = fib->gateway;
		nexthop->ifindex = fib->ifindex;
		nexthop->vrf_id = fib->vrf_id;
		SET_FLAG(nexthop->flags, ZAPI_NEXTHOP_FLAG_ONLINK);
	}
	gvpn_debug("zebra: %s %pFX via %pI4 index %d VRF %u",
		   add ? "add" : "delete", &fib->prefix, &fib->gateway,
		   fib->ifindex, fib->vrf_id);
	zclient_route_send(add ? ZEBRA_ROUTE_ADD : ZEBRA_ROUTE_DELETE, client,
			   &api);
}

static const struct interface *fib_device(const struct gvpn_fib *fib)
{
	const struct gvpn_group *group = gvpn_group_find(fib->group_id);

	if (!group || fib->bgp->vrf_id == VRF_UNKNOWN)
		return NULL;
	return if_lookup_by_name(group->device, fib->bgp->vrf_id);
}

/* Tells zebra, if there is something that it does not know. */
static void fib_update(struct gvpn_fib *fib, bool again)
{
	const struct interface *ifp = fib_device(fib);

	if (!is_connected()) {
		fib->state = GVPN_ZEBRA_DOWN;
		return;
	}
	if (!ifp || !if_is_operative(ifp)) {
		/* The kernel drops the route with the device, and zebra does
		 * not put it back by itself. */
		fib->state = GVPN_ZEBRA_NO_DEVICE;
		fib->ifindex = IFINDEX_INTERNAL;
		return;
	}
	if (!again && fib->ifindex == ifp->ifindex &&
	    fib->vrf_id == fib->bgp->vrf_id)
		return;

	fib->vrf_id = fib->bgp->vrf_id;
	fib->ifindex = ifp->ifindex;
	fib->state = GVPN_ZEBRA_SENT;
	fib_send(fib, true);
}

static void fib_remove(struct gvpn_fib *fib)
{
	if (is_connected() && fib->vrf_id != VRF_UNKNOWN)
		fib_send(fib, false);
	gvpn_fibs_del(fibs, fib);
	XFREE(MTYPE_GROUPVPN_FIB, fib);
}

static void client_start(void);

static void fib_set(struct bgp *bgp, const struct prefix *p,
		    const struct gvpn_heard *heard)
{
	struct gvpn_fib *fib = fib_find(bgp, p);
	struct in_addr gateway;
	bool changes;

	client_start();
	memcpy(&gateway, heard->gateway.bytes, sizeof(gateway));
	if (!fib) {
		fib = XCALLOC(MTYPE_GROUPVPN_FIB, sizeof(*fib));
		fib->bgp = bgp;
		prefix_copy(&fib->prefix, p);
		fib->vrf_id = VRF_UNKNOWN;
		fib->ifindex = IFINDEX_INTERNAL;
		gvpn_fibs_add(fibs, fib);
	}
	changes = fib->group_id != heard->group->id ||
		  fib->gateway.s_addr != gateway.s_addr;
	fib->group_id = heard->group->id;
	fib->gateway = gateway;
	fib_update(fib, changes);
}

void gvpn_zebra_dest(struct bgp *bgp, struct bgp_dest *dest)
{
	const struct prefix *p = bgp_dest_get_prefix(dest);
	const struct gvpn_heard *heard = NULL;
	struct bgp_path_info *pi;
	struct gvpn_fib *fib;

	for (pi = bgp_dest_get_bgp_path_info(dest); pi; pi = pi->next) {
		if (CHECK_FLAG(pi->flags, BGP_PATH_SELECTED) &&
		    !CHECK_FLAG(pi->flags, BGP_PATH_REMOVED))
			heard = gvpn_heard_injected(pi);
	}

	if (heard) {
		fib_set(bgp, p, heard);
		return;
	}
	fib = fib_find(bgp, p);
	if (fib)
		fib_remove(fib);
}

void gvpn_zebra_forget_bgp(const struct bgp *bgp)
{
	struct gvpn_fib *fib;

	frr_each_safe (gvpn_fibs, fibs, fib) {
		if (fib->bgp == bgp)
			fib_remove(fib);
	}
}

static void refresh_run(struct event *t)
{
	struct gvpn_fib *fib;

	frr_each (gvpn_fibs, fibs, fib)
		fib_update(fib, false);
}

void gvpn_zebra_refresh(void)
{
	event_add_event(gvpn.master, refresh_run, NULL, 0, &t_refresh);
}

enum gvpn_zebra_state gvpn_zebra_state(const struct bgp *bgp,
				       const struct prefix *p)
{
	const struct gvpn_fib *fib = fib_find(bgp, p);

	if (!fib)
		return GVPN_ZEBRA_NONE;
	return is_connected() ? fib->state : GVPN_ZEBRA_DOWN;
}

static void on_connected(struct zclient *zclient)
{
	struct gvpn_fib *fib;

	zebra_route_notify_send(ZEBRA_ROUTE_NOTIFY_REQUEST, zclient, true);
	frr_each (gvpn_fibs, fibs, fib)
		fib_update(fib, true);
}

static int on_route_notify(ZAPI_CALLBACK_ARGS)
{
	enum zapi_route_notify_owner note;
	struct gvpn_fib *fib;
	struct prefix p;
	struct bgp *bgp;
	uint32_t table;
	afi_t afi;
	safi_t safi;

	if (!zapi_route_notify_decode(zclient->ibuf, &p, &table, &note, &afi,
				      &safi))
		return -1;
	bgp = bgp_lookup_by_vrf_id(vrf_id);
	fib = bgp ? fib_find(bgp, &p) : NULL;
	if (!fib || fib->state < GVPN_ZEBRA_SENT)
		return 0;

	switch (note) {
	case ZAPI_ROUTE_INSTALLED:
		fib->state = GVPN_ZEBRA_INSTALLED;
		break;
	case ZAPI_ROUTE_FAIL_INSTALL:
	case ZAPI_ROUTE_BETTER_ADMIN_WON:
		fib->state = GVPN_ZEBRA_REJECTED;
		zlog_warn(
			"group-vpn: %pFX in %s: zebra does not install it: %s",
			&p, bgp->name_pretty,
			note == ZAPI_ROUTE_FAIL_INSTALL
				? "the kernel refuses"
				: "another protocol's route is better");
		break;
	case ZAPI_ROUTE_REMOVED:
	case ZAPI_ROUTE_REMOVE_FAIL:
		break;
	}
	return 0;
}

static zclient_handler *const handlers[] = {
	[ZEBRA_ROUTE_NOTIFY_OWNER] = on_route_notify,
};

static void client_start(void)
{
	struct zclient_options options = GVPN_ZCLIENT_OPTIONS;

	if (client)
		return;
	client = zclient_new(gvpn.master, &options, handlers,
			     array_size(handlers));
	zclient_init(client, ZEBRA_ROUTE_BGP, GVPN_ZEBRA_INSTANCE, &bgpd_privs);
	client->zebra_connected = on_connected;
}

void gvpn_zebra_fini(void)
{
	struct gvpn_fib *fib;

	event_cancel(&t_refresh);
	frr_each_safe (gvpn_fibs, fibs, fib)
		fib_remove(fib);
	gvpn_fibs_fini(fibs);
	if (!client)
		return;
	zclient_stop(client);
	zclient_free(client);
	client = NULL;
}

static int on_interface(struct bgp *bgp, struct interface *ifp)
{
	if (gvpn_bgp_is_bound(bgp))
		gvpn_zebra_refresh();
	return 0;
}

void gvpn_zebra_init(void)
{
	gvpn_fibs_init(fibs);
	hook_register(bgp_vrf_status_changed, on_interface);
}
