/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What bgpd's hooks report, kept until it can be looked at.
 *
 * bgp_process is called in the middle of an update or a withdrawal, now and
 * then before the path has changed; bgp_snmp_update_stats when a path enters
 * or leaves a destination, which is the only sign of a lost session.  So a
 * hook locks the destination and puts it into the queue once, and the queue
 * is worked off from the event loop, a batch at a time, passing over
 * destinations whose best path selection is still due.
 */
#include "bgp_groupvpn_frr.h"
#include "bgp_groupvpn.h"

DEFINE_MTYPE_STATIC(GROUPVPN, GROUPVPN_WORK, "group VPN work item");

#define GVPN_SELECTION_WAIT 20 /* ms until selections are looked for again */

PREDECL_HASH(gvpn_works);
PREDECL_DLIST(gvpn_work_queue);
struct gvpn_work {
	struct gvpn_works_item item;
	struct gvpn_work_queue_item queue_item;
	struct bgp *bgp;
	struct bgp_dest *dest; /* locked */
};

static int work_cmp(const struct gvpn_work *a, const struct gvpn_work *b)
{
	return numcmp((uintptr_t)a->dest, (uintptr_t)b->dest);
}

static uint32_t work_hash(const struct gvpn_work *work)
{
	return jhash(&work->dest, sizeof(work->dest), 0);
}

DECLARE_HASH(gvpn_works, struct gvpn_work, item, work_cmp, work_hash);
DECLARE_DLIST(gvpn_work_queue, struct gvpn_work, queue_item);

static struct gvpn_works_head works[1];
static struct gvpn_work_queue_head queue[1];
static struct event *t_queue;

static void work_free(struct gvpn_work *work)
{
	gvpn_works_del(works, work);
	gvpn_work_queue_del(queue, work);
	bgp_dest_unlock_node(work->dest);
	XFREE(MTYPE_GROUPVPN_WORK, work);
}

static void work_do(struct gvpn_work *work)
{
	struct bgp_table *table = bgp_dest_table(work->dest);
	struct gvpn_bind *bind;

	if (table->safi == SAFI_MPLS_VPN) {
		gvpn_hand_dest(work->bgp, work->dest);
		gvpn_heard_dest(work->bgp, work->dest);
		gvpn_discovery_dest(work->dest);
		return;
	}

	gvpn_zebra_dest(work->bgp, work->dest);
	frr_each (gvpn_binds, gvpn.binds, bind) {
		if (bind->bgp == work->bgp)
			gvpn_export_dest(bind, work->dest);
	}
}

/* bgpd takes no decision on a destination whose selection is deferred
 * (graceful restart), though it is marked. */
bool gvpn_selection_is_due(const struct bgp_dest *dest)
{
	return CHECK_FLAG(dest->flags, BGP_NODE_PROCESS_SCHEDULED) &&
	       !CHECK_FLAG(dest->flags, BGP_NODE_SELECT_DEFER);
}

static void queue_run(struct event *t)
{
	size_t left = MIN(gvpn_work_queue_count(queue), GVPN_BATCH);
	bool progress = false;
	struct gvpn_work *work;

	for (; left > 0; left--) {
		work = gvpn_work_queue_first(queue);
		if (gvpn_selection_is_due(work->dest)) {
			gvpn_work_queue_del(queue, work);
			gvpn_work_queue_add_tail(queue, work);
			continue;
		}
		progress = true;
		/* What happens meanwhile must be queued again. */
		gvpn_works_del(works, work);
		gvpn_work_queue_del(queue, work);
		work_do(work);
		bgp_dest_unlock_node(work->dest);
		XFREE(MTYPE_GROUPVPN_WORK, work);
	}

	if (gvpn_work_queue_count(queue) == 0)
		return;
	if (progress)
		event_add_event(gvpn.master, queue_run, NULL, 0, &t_queue);
	else
		event_add_timer_msec(gvpn.master, queue_run, NULL,
				     GVPN_SELECTION_WAIT, &t_queue);
}

static bool is_of_interest(const struct bgp *bgp, const struct bgp_table *table)
{
	if (CHECK_FLAG(bgp->flags, BGP_FLAG_DELETE_IN_PROGRESS))
		return false;
	if (table->safi == SAFI_MPLS_VPN)
		return bgp == bgp_get_default();
	return (table->afi == AFI_IP || table->afi == AFI_IP6) &&
	       table->safi == SAFI_UNICAST && gvpn_bgp_is_bound(bgp);
}

void gvpn_queue_dest(struct bgp *bgp, struct bgp_dest *dest)
{
	struct gvpn_work *work, ref = {.dest = dest};

	if ((gvpn_binds_count(gvpn.binds) == 0 && !gvpn_hand_is_wanted()) ||
	    !is_of_interest(bgp, bgp_dest_table(dest)) ||
	    gvpn_works_find(works, &ref))
		return;

	work = XCALLOC(MTYPE_GROUPVPN_WORK, sizeof(*work));
	work->bgp = bgp;
	work->dest = bgp_dest_lock_node(dest);
	gvpn_works_add(works, work);
	gvpn_work_queue_add_tail(queue, work);
	event_add_event(gvpn.master, queue_run, NULL, 0, &t_queue);
}

bool gvpn_queue_is_empty(void)
{
	return gvpn_work_queue_count(queue) == 0;
}

void gvpn_queue_forget(const struct bgp *bgp)
{
	struct gvpn_work *work;

	frr_each_safe (gvpn_work_queue, queue, work) {
		if (work->bgp == bgp)
			work_free(work);
	}
}

static int on_process(struct bgp *bgp, afi_t afi, safi_t safi,
		      struct bgp_dest *dest, struct peer *peer, bool withdraw)
{
	gvpn_queue_dest(bgp, dest);
	return 0;
}

static int on_path_change(struct bgp_dest *dest, struct bgp_path_info *pi,
			  bool added)
{
	struct bgp_table *table = bgp_dest_table(dest);

	if (table && table->bgp)
		gvpn_queue_dest(table->bgp, dest);
	return 0;
}

void gvpn_queue_fini(void)
{
	struct gvpn_work *work;

	event_cancel(&t_queue);
	while ((work = gvpn_work_queue_first(queue)))
		work_free(work);
	gvpn_works_fini(works);
}

void gvpn_queue_init(void)
{
	gvpn_works_init(works);
	gvpn_work_queue_init(queue);
	hook_register(bgp_process, on_process);
	hook_register(bgp_snmp_update_stats, on_path_change);
}
