/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What differs between the FRR versions that are supported (8.4 and 10.x),
 * under one set of names: those of the newer version where it has them.
 * Included after FRR's own headers, and the only file that asks
 * which version it is.
 */
#ifndef BGP_GROUPVPN_COMPAT_H
#define BGP_GROUPVPN_COMPAT_H

#if __has_include("lib/frrevent.h")
#define GVPN_FRR_HAS_EVENT 1
#endif

#ifdef GVPN_FRR_HAS_EVENT

#include "lib/frrdistance.h"
#include "lib/frrevent.h"

#define gvpn_bgp_process(bgp, dest, pi, afi, safi)                             \
	bgp_process(bgp, dest, pi, afi, safi)
#define gvpn_aspath_parse(s, len, bgp)                                         \
	aspath_parse(s, len, 1, (bgp)->asnotation)
#define gvpn_peer_established(peer) peer_established((peer)->connection)
#define gvpn_peer_status(peer) ((peer)->connection->status)
#define gvpn_peer_address(peer) (&(peer)->connection->su)

/* The copy is of what was sent, and says so. */
static inline void gvpn_adj_out_same(struct bgp_adj_out *copy,
				     const struct bgp_adj_out *sent)
{
#ifdef GVPN_FRR_HAS_ATTR_HASH
	copy->attr_hash = sent->attr_hash;
#endif
	if (!copy->labels && sent->labels)
		copy->labels = bgp_labels_intern(sent->labels);
}

/* A second client, to which interfaces and VRFs are not told again: they are
 * the business of bgpd's own. */
#define GVPN_ZCLIENT_OPTIONS zclient_options_auxiliary

static inline void gvpn_path_set_label(struct bgp_path_info *pi,
				       mpls_label_t label)
{
	struct bgp_labels labels = {.num_labels = 1, .label = {label}};

	bgp_path_info_extra_get(pi)->labels = bgp_labels_intern(&labels);
}

#else /* 8.4 */

#include "lib/thread.h"

#define event thread
#define event_loop thread_master
#define EVENT_ARG THREAD_ARG
#define event_cancel thread_cancel
#define event_add_event thread_add_event
#define event_add_read thread_add_read
#define event_add_timer thread_add_timer
#define event_add_timer_msec thread_add_timer_msec
#define event_add_write thread_add_write

/* Paths are not kept in order. */
#define BGP_PATH_UNSORTED 0

#define gvpn_bgp_process(bgp, dest, pi, afi, safi)                             \
	bgp_process(bgp, dest, afi, safi)
#define gvpn_aspath_parse(s, len, bgp) aspath_parse(s, len, 1)
#define gvpn_peer_established(peer) peer_established(peer)
#define gvpn_peer_status(peer) ((peer)->status)
#define gvpn_peer_address(peer) (&(peer)->su)

static inline void gvpn_adj_out_same(struct bgp_adj_out *copy,
				     const struct bgp_adj_out *sent)
{
	copy->attr_hash = sent->attr_hash;
}

/* Without auxiliary clients there is this one to which zebra says nothing
 * unasked; here, its routes go with it as those of others do. */
#define GVPN_ZCLIENT_OPTIONS ((struct zclient_options){.synchronous = true})

static inline void gvpn_path_set_label(struct bgp_path_info *pi,
				       mpls_label_t label)
{
	struct bgp_path_info_extra *extra = bgp_path_info_extra_get(pi);

	extra->label[0] = label;
	extra->num_labels = 1;
}

#endif

#endif /* BGP_GROUPVPN_COMPAT_H */
