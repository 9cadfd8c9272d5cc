/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kernel routes of a member: PREFIX via GATEWAY dev DEVICE onlink.  For an IPv6
 * prefix an IPv4 gateway is :: with its address behind it, for which charon
 * keeps a neighbour entry, too.  An IPv6 gateway is the next hop of both.
 *
 * bgpd leaves paths of our sub_type alone when it talks to zebra, so a client
 * of our own does, as instance 7 of protocol BGP: zebra keeps its routes
 * apart from bgpd's, and removes them when this bgpd is gone, unless it is asked
 * to wait (bgp_groupvpn_restart.c).  A prefix is in
 * zebra while an opened path is the selected one of its destination; those that
 * bgpd finds as good ("maximum-paths") are next hops besides.
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

#define GVPN_HOPS_MAX 16

struct gvpn_hop {
	uint32_t group_id; /* its device is the interface */
	struct gv_addr gateway;
	/* As zebra was told last; IFINDEX_INTERNAL: not of this one. */
	ifindex_t ifindex;
};

PREDECL_HASH(gvpn_fibs);
PREDECL_DLIST(gvpn_fib_queue);
struct gvpn_fib {
	struct gvpn_fibs_item item;
	struct gvpn_fib_queue_item queue_item;
	bool queued; /* to be looked at by refresh_run() */
	struct bgp *bgp;
	struct prefix prefix;
	struct gvpn_hop hops[GVPN_HOPS_MAX]; /* ascending */
	unsigned int n_hops;
	vrf_id_t vrf_id; /* as zebra was told last; VRF_UNKNOWN: it has none */
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
DECLARE_DLIST(gvpn_fib_queue, struct gvpn_fib, queue_item);

static struct gvpn_fibs_head fibs[1];
static struct gvpn_fib_queue_head queue[1];
static struct zclient *client;
static struct event *t_refresh;

static struct gvpn_fib *fib_find(const struct bgp *bgp, const struct prefix *p)
{
	struct gvpn_fib ref;

	ref.bgp = (struct bgp *)bgp;
	prefix_copy(&ref.prefix, p);
	return gvpn_fibs_find(fibs, &ref);
}

bool gvpn_zebra_is_connected(void)
{
	return client && client->sock >= 0;
}

static void hop_encode(const struct gvpn_fib *fib, const struct gvpn_hop *hop,
		       struct zapi_nexthop *nexthop)
{
	uint8_t *octets = nexthop->gate.ipv6.s6_addr;

	if (fib->prefix.family == AF_INET &&
	    hop->gateway.len == IPV4_MAX_BYTELEN) {
		nexthop->type = NEXTHOP_TYPE_IPV4_IFINDEX;
		memcpy(&nexthop->gate.ipv4, hop->gateway.bytes,
		       IPV4_MAX_BYTELEN);
	} else {
		nexthop->type = NEXTHOP_TYPE_IPV6_IFINDEX;
		memcpy(octets + IPV6_MAX_BYTELEN - hop->gateway.len,
		       hop->gateway.bytes, hop->gateway.len);
	}
	nexthop->ifindex = hop->ifindex;
	nexthop->vrf_id = fib->vrf_id;
	SET_FLAG(nexthop->flags, ZAPI_NEXTHOP_FLAG_ONLINK);
}

static void fib_send(const struct gvpn_fib *fib, bool add)
{
	struct zapi_route api = {};
	char gateway[GV_ADDR_STRLEN];
	unsigned int i;

	api.vrf_id = fib->vrf_id;
	api.type = ZEBRA_ROUTE_BGP;
	api.instance = GVPN_ZEBRA_INSTANCE;
	api.safi = SAFI_UNICAST;
	prefix_copy(&api.prefix, &fib->prefix);
	if (add) {
		SET_FLAG(api.message, ZAPI_MESSAGE_DISTANCE);
		api.distance = ZEBRA_EBGP_DISTANCE_DEFAULT;
		SET_FLAG(api.message, ZAPI_MESSAGE_NEXTHOP);
		for (i = 0; i < fib->n_hops; i++) {
			if (fib->hops[i].ifindex != IFINDEX_INTERNAL)
				hop_encode(fib, &fib->hops[i],
					   &api.nexthops[api.nexthop_num++]);
		}
	}
	gvpn_debug(
		"zebra: %s %pFX, %u next hops, first %s, VRF %u",
		add ? "add" : "delete", &fib->prefix, api.nexthop_num,
		gv_addr_print(&fib->hops[0].gateway, gateway, sizeof(gateway)),
		fib->vrf_id);
	zclient_route_send(add ? ZEBRA_ROUTE_ADD : ZEBRA_ROUTE_DELETE, client,
			   &api);
}

/* The index of the hop's device, IFINDEX_INTERNAL if it is not there or down:
 * the kernel drops the route with the device, and zebra does not put it back
 * by itself. */
static ifindex_t hop_device(const struct gvpn_fib *fib,
			    const struct gvpn_hop *hop)
{
	const struct gvpn_group *group = gvpn_group_find(hop->group_id);
	const struct interface *ifp;

	if (!group || fib->bgp->vrf_id == VRF_UNKNOWN)
		return IFINDEX_INTERNAL;
	ifp = if_lookup_by_name(group->device, fib->bgp->vrf_id);
	return ifp && if_is_operative(ifp) ? ifp->ifindex : IFINDEX_INTERNAL;
}

static void fib_withdraw(struct gvpn_fib *fib)
{
	if (!gvpn_zebra_is_connected() || fib->vrf_id == VRF_UNKNOWN)
		return;
	fib_send(fib, false);
	fib->vrf_id = VRF_UNKNOWN;
}

/* Tells zebra, if there is something that it does not know. */
static void fib_update(struct gvpn_fib *fib, bool again)
{
	bool usable = false;
	ifindex_t ifindex;
	unsigned int i;

	if (!gvpn_zebra_is_connected()) {
		fib->state = GVPN_ZEBRA_DOWN;
		return;
	}
	for (i = 0; i < fib->n_hops; i++) {
		ifindex = hop_device(fib, &fib->hops[i]);
		again |= fib->hops[i].ifindex != ifindex;
		usable |= ifindex != IFINDEX_INTERNAL;
		fib->hops[i].ifindex = ifindex;
	}
	if (!usable) {
		/* What zebra has may be others than these. */
		fib_withdraw(fib);
		fib->state = GVPN_ZEBRA_NO_DEVICE;
		return;
	}
	if (!again && fib->vrf_id == fib->bgp->vrf_id)
		return;

	fib->vrf_id = fib->bgp->vrf_id;
	fib->state = GVPN_ZEBRA_SENT;
	fib_send(fib, true);
}

static void fib_remove(struct gvpn_fib *fib)
{
	fib_withdraw(fib);
	if (fib->queued)
		gvpn_fib_queue_del(queue, fib);
	gvpn_fibs_del(fibs, fib);
	XFREE(MTYPE_GROUPVPN_FIB, fib);
}

static int hop_cmp(const struct gvpn_hop *a, const struct gvpn_hop *b)
{
	int ret = numcmp(a->group_id, b->group_id);

	return ret ? ret : gv_addr_cmp(&a->gateway, &b->gateway);
}

/* A member's gateway is one next hop, in however many paths. */
static void hops_add(struct gvpn_hop *hops, unsigned int *n,
		     const struct gvpn_heard *heard)
{
	struct gvpn_hop hop = {
		.group_id = heard->group->id,
		.gateway = heard->gateway,
		.ifindex = IFINDEX_INTERNAL,
	};
	unsigned int i, at = 0;

	while (at < *n && hop_cmp(&hops[at], &hop) < 0)
		at++;
	if ((at < *n && hop_cmp(&hops[at], &hop) == 0) ||
	    *n == MIN(GVPN_HOPS_MAX, MULTIPATH_NUM))
		return;
	for (i = (*n)++; i > at; i--)
		hops[i] = hops[i - 1];
	hops[at] = hop;
}

/* Whether they are others than before.  Of those that stay, zebra's knowledge
 * stays. */
static bool hops_take(struct gvpn_fib *fib, struct gvpn_hop *hops,
		      unsigned int n)
{
	bool same = fib->n_hops == n;
	unsigned int i;

	for (i = 0; same && i < n; i++)
		same = hop_cmp(&fib->hops[i], &hops[i]) == 0;
	if (same)
		return false;
	memcpy(fib->hops, hops, n * sizeof(*hops));
	fib->n_hops = n;
	return true;
}

static void fib_set(struct bgp *bgp, const struct prefix *p,
		    struct gvpn_hop *hops, unsigned int n)
{
	struct gvpn_fib *fib = fib_find(bgp, p);

	gvpn_zebra_start();
	if (!fib) {
		fib = XCALLOC(MTYPE_GROUPVPN_FIB, sizeof(*fib));
		fib->bgp = bgp;
		prefix_copy(&fib->prefix, p);
		fib->vrf_id = VRF_UNKNOWN;
		gvpn_fibs_add(fibs, fib);
	}
	fib_update(fib, hops_take(fib, hops, n));
}

void gvpn_zebra_dest(struct bgp *bgp, struct bgp_dest *dest)
{
	const struct prefix *p = bgp_dest_get_prefix(dest);
	struct gvpn_hop hops[GVPN_HOPS_MAX];
	const struct gvpn_heard *heard;
	struct bgp_path_info *pi;
	struct gvpn_fib *fib;
	bool selected = false;
	unsigned int n = 0;

	for (pi = bgp_dest_get_bgp_path_info(dest); pi; pi = pi->next) {
		if (!CHECK_FLAG(pi->flags,
				BGP_PATH_SELECTED | BGP_PATH_MULTIPATH) ||
		    CHECK_FLAG(pi->flags, BGP_PATH_REMOVED))
			continue;
		heard = gvpn_heard_injected(pi);
		if (!heard)
			continue;
		selected |= CHECK_FLAG(pi->flags, BGP_PATH_SELECTED);
		hops_add(hops, &n, heard);
	}

	if (selected) {
		fib_set(bgp, p, hops, n);
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
	unsigned int n;

	for (n = 0; n < GVPN_BATCH; n++) {
		fib = gvpn_fib_queue_pop(queue);
		if (!fib)
			return;
		fib->queued = false;
		fib_update(fib, false);
	}
	event_add_event(gvpn.master, refresh_run, NULL, 0, &t_refresh);
}

void gvpn_zebra_refresh(void)
{
	struct gvpn_fib *fib;

	frr_each (gvpn_fibs, fibs, fib) {
		if (fib->queued)
			continue;
		fib->queued = true;
		gvpn_fib_queue_add_tail(queue, fib);
	}
	event_add_event(gvpn.master, refresh_run, NULL, 0, &t_refresh);
}

enum gvpn_zebra_state gvpn_zebra_state(const struct bgp *bgp,
				       const struct prefix *p)
{
	const struct gvpn_fib *fib = fib_find(bgp, p);

	if (!fib)
		return GVPN_ZEBRA_NONE;
	return gvpn_zebra_is_connected() ? fib->state : GVPN_ZEBRA_DOWN;
}

static void on_connected(struct zclient *zclient)
{
	struct gvpn_fib *fib;

	zebra_route_notify_send(ZEBRA_ROUTE_NOTIFY_REQUEST, zclient, true);
	/* It has none of what it was told before. */
	frr_each (gvpn_fibs, fibs, fib)
		fib->vrf_id = VRF_UNKNOWN;
	gvpn_restart_connected();
	gvpn_zebra_refresh();
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

void gvpn_zebra_start(void)
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

void gvpn_zebra_tell(struct zapi_cap *cap)
{
	zclient_capabilities_send(ZEBRA_CLIENT_CAPABILITIES, client, cap);
}

static int on_interface(struct bgp *bgp, struct interface *ifp)
{
	if (gvpn_bgp_is_bound(bgp)) {
		gvpn_restart_update();
		gvpn_zebra_refresh();
	}
	return 0;
}

void gvpn_zebra_init(void)
{
	gvpn_fibs_init(fibs);
	gvpn_fib_queue_init(queue);
	hook_register(bgp_vrf_status_changed, on_interface);
}
