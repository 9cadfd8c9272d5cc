/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Member: the group's kernel routes while this bgpd is away and until it has
 * learnt them again (graceful restart, RFC 4724 section 4.1, as the restarting
 * speaker).
 *
 * With "bgp graceful-restart preserve-fw-state" zebra is asked, for the VRF of
 * each bound instance, to keep our client's routes when it is gone, as bgpd's
 * own client asks for bgpd's.  They stay for "bgp graceful-restart
 * rib-stale-time" at most.  When the new bgpd has heard all that its neighbours
 * have, and charon has answered for each member, zebra is told that routes which
 * have not come again are to go.  What is short of that is left to the time.
 *
 * zebra takes a route for a new one that it was given in the very second in which
 * bgpd died.
 *
 * An end that is ordered withdraws the routes, as it does bgpd's own.
 */
#include "bgp_groupvpn_frr.h"
#include "bgp_groupvpn.h"

#define GVPN_RESTART_LOOK 1 /* s */

static struct event *t_look;

static bool is_preserved(void)
{
	const struct bgp *vpn = bgp_get_default();

	return vpn && CHECK_FLAG(vpn->flags, BGP_FLAG_GR_PRESERVE_FWD);
}

static void keep(struct gvpn_bind *bind)
{
	struct zapi_cap cap = {
		.cap = ZEBRA_CLIENT_GR_CAPABILITIES,
		.stale_removal_time = bgp_get_default()->rib_stale_time,
		.safi = SAFI_UNICAST,
		.vrf_id = bind->bgp->vrf_id,
	};

	gvpn_zebra_tell(&cap);
	bind->kept_vrf = cap.vrf_id;
	bind->refreshed = false;
	gvpn_debug("zebra: keep routes of VRF %u for %u s", cap.vrf_id,
		   cap.stale_removal_time);
}

static void do_not_keep(struct gvpn_bind *bind)
{
	struct zapi_cap cap = {
		.cap = ZEBRA_CLIENT_GR_DISABLE,
		.safi = SAFI_UNICAST,
		.vrf_id = bind->kept_vrf,
	};

	gvpn_zebra_tell(&cap);
	bind->kept_vrf = VRF_UNKNOWN;
}

/* Whether the neighbour has said, in each VPN family, that this was all. */
static bool has_said_all(struct peer *peer)
{
	static const afi_t afis[] = {AFI_IP6, AFI_IP};
	unsigned int i;

	for (i = 0; i < array_size(afis); i++) {
		if (peer->afc[afis[i]][SAFI_MPLS_VPN] &&
		    (!gvpn_peer_established(peer) ||
		     (peer->afc_nego[afis[i]][SAFI_MPLS_VPN] &&
		      !CHECK_FLAG(peer->af_sflags[afis[i]][SAFI_MPLS_VPN],
				  PEER_STATUS_EOR_RECEIVED))))
			return false;
	}
	return true;
}

static bool all_have_said_all(const struct bgp *vpn)
{
	struct listnode *node;
	struct peer *peer;

	for (ALL_LIST_ELEMENTS_RO(vpn->peer, node, peer)) {
		if (!CHECK_FLAG(peer->sflags, PEER_STATUS_GROUP) &&
		    !CHECK_FLAG(peer->flags, PEER_FLAG_SHUTDOWN) &&
		    peer != vpn->peer_self && !has_said_all(peer))
			return false;
	}
	return true;
}

static bool is_selecting(const struct bgp *bgp)
{
	return bgp->process_queue && !work_queue_empty(bgp->process_queue);
}

/* Whether zebra has been given all routes of the instance's groups. */
static bool is_refreshed(const struct bgp *bgp)
{
	const struct bgp *vpn = bgp_get_default();
	struct gvpn_bind *bind;

	if (!vpn || !all_have_said_all(vpn) || is_selecting(vpn) ||
	    is_selecting(bgp) || !gvpn_queue_is_empty())
		return false;
	frr_each (gvpn_binds, gvpn.binds, bind) {
		if (bind->bgp == bgp && (!bind->group || !bind->group->active ||
					 !gvpn_heard_is_settled(bind->group)))
			return false;
	}
	return true;
}

static void refreshed(struct gvpn_bind *bind)
{
	struct zapi_cap cap = {
		.cap = ZEBRA_CLIENT_ROUTE_UPDATE_COMPLETE,
		.safi = SAFI_UNICAST,
		.vrf_id = bind->kept_vrf,
	};

	for (cap.afi = AFI_IP; cap.afi <= AFI_IP6; cap.afi++)
		gvpn_zebra_tell(&cap);
	bind->refreshed = true;
	gvpn_debug("zebra: all routes of VRF %u are there again", cap.vrf_id);
}

static void look(struct event *t)
{
	struct gvpn_bind *bind;
	bool waits = false;

	frr_each (gvpn_binds, gvpn.binds, bind) {
		if (bind->kept_vrf == VRF_UNKNOWN || bind->refreshed)
			continue;
		if (is_refreshed(bind->bgp))
			refreshed(bind);
		else
			waits = true;
	}
	if (waits)
		event_add_timer(gvpn.master, look, NULL, GVPN_RESTART_LOOK,
				&t_look);
}

void gvpn_restart_update(void)
{
	bool preserved = is_preserved();
	struct gvpn_bind *bind;

	/* A bgpd that has no route yet may have routes to be kept. */
	if (preserved && gvpn_binds_count(gvpn.binds))
		gvpn_zebra_start();
	if (!gvpn_zebra_is_connected())
		return;
	frr_each (gvpn_binds, gvpn.binds, bind) {
		if (bind->kept_vrf != VRF_UNKNOWN && !preserved)
			do_not_keep(bind);
		else if (preserved && bind->kept_vrf != bind->bgp->vrf_id &&
			 bind->bgp->vrf_id != VRF_UNKNOWN)
			keep(bind);
	}
	event_add_timer(gvpn.master, look, NULL, GVPN_RESTART_LOOK, &t_look);
}

void gvpn_restart_connected(void)
{
	struct gvpn_bind *bind;

	frr_each (gvpn_binds, gvpn.binds, bind)
		bind->kept_vrf = VRF_UNKNOWN;
	gvpn_restart_update();
}

void gvpn_restart_fini(void)
{
	event_cancel(&t_look);
}
