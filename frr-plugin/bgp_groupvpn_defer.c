/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ends a restarting bgpd's deferral of route selection in its VPN tables
 * (graceful restart, RFC 4724 section 4.1).
 *
 * When all neighbours have sent their End-of-RIB, or the time for it is over,
 * bgpd selects paths for the destinations that it has deferred: those at the
 * top of the table.  In a VPN table these are RDs, and what is below them would
 * wait for ever, as would the End-of-RIB that follows.  So those are processed
 * here; bgpd, which looks at their number again and again, does the rest.
 *
 * Not before bgpd's own End-of-RIB, which it may send as soon as it has those
 * of all neighbours: between the two a neighbour may take routes for withdrawn
 * that come at once.
 */
#include "bgp_groupvpn_frr.h"
#include "bgp_groupvpn.h"

#define GVPN_DEFER_WAIT 100 /* ms between looks */

static struct event *t_look;
/* Destinations that are given to bgpd for selection, and still counted as
 * deferred: no End-of-RIB goes out before their routes. */
static uint32_t selecting[AFI_MAX];

static void select_deferred(struct bgp *bgp, struct bgp_dest *dest)
{
	afi_t afi = bgp_dest_table(dest)->afi;

	if (!CHECK_FLAG(dest->flags, BGP_NODE_SELECT_DEFER) ||
	    bgp->gr_info[afi][SAFI_MPLS_VPN].t_select_deferral)
		return;
	UNSET_FLAG(dest->flags, BGP_NODE_SELECT_DEFER);
	selecting[afi]++;
	gvpn_bgp_process(bgp, dest, bgp_dest_get_bgp_path_info(dest), afi,
			 SAFI_MPLS_VPN);
}

static struct gvpn_walker walker = {.visit = select_deferred};

static bool is_selecting(const struct bgp *bgp)
{
	return walker.walking ||
	       (bgp->process_queue && !work_queue_empty(bgp->process_queue));
}

/* Whether there is more to come. */
static bool look_at(struct bgp *bgp, afi_t afi)
{
	struct graceful_restart_info *info = &bgp->gr_info[afi][SAFI_MPLS_VPN];

	if (info->t_select_deferral)
		return true;
	if (selecting[afi] && !is_selecting(bgp)) {
		info->gr_deferred -= MIN(info->gr_deferred, selecting[afi]);
		selecting[afi] = 0;
	}
	if (info->gr_deferred > selecting[afi])
		gvpn_walker_start(&walker);
	return info->gr_deferred > 0;
}

static void look(struct event *t);

static void look_again(void)
{
	event_add_timer_msec(gvpn.master, look, NULL, GVPN_DEFER_WAIT, &t_look);
}

static void look(struct event *t)
{
	struct bgp *bgp = bgp_get_default();
	bool more;

	if (!bgp)
		return;
	more = look_at(bgp, AFI_IP6);
	more |= look_at(bgp, AFI_IP);
	if (more)
		look_again();
}

void gvpn_defer_peer(struct peer *peer)
{
	if (gvpn_peer_established(peer))
		look_again();
}

void gvpn_defer_stop(void)
{
	event_cancel(&t_look);
	gvpn_walker_stop(&walker);
	memset(selecting, 0, sizeof(selecting));
}
