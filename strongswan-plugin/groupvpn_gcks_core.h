/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What the parts of the GCKS share:
 *
 * - groupvpn_gcks: hooks of charon's bus, configuration
 * - groupvpn_gcks_admission: who may register, and what the answer is
 * - groupvpn_gcks_policy: whom policy allows, and what is done when it changes
 * - groupvpn_gcks_group: one group, its epochs and its members
 * - groupvpn_gcks_persist: what of it is kept in the store, and when
 * - groupvpn_gcks_rekey: exchanges that the GCKS initiates
 * - groupvpn_gcks_routes: when the secret of the routes changes
 * - groupvpn_kek: the Rekey SA, its key tree and messages
 * - groupvpn_gcks_recheck: whether certificates of members are still good
 * - groupvpn_gcks_tell: what bgpd and management are told of changes
 * - groupvpn_gcks_prefixes: routes that come with the keys
 * - groupvpn_gcks_bgp: what bgpd says and hears for members without one
 * - groupvpn_gcks_channel: protects BGP between members and the S/R
 * - groupvpn_gcks_manage: commands of the operator
 *
 * Unless said otherwise their functions want the groups locked.
 *
 * @defgroup groupvpn_gcks_core groupvpn_gcks_core
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_GCKS_CORE_H_
#define GROUPVPN_GCKS_CORE_H_

#include "groupvpn_control.h"
#include "groupvpn_evictions.h"
#include "groupvpn_groups.h"
#include "groupvpn_ike_index.h"
#include "groupvpn_kek.h"
#include "groupvpn_kernel.h"
#include "groupvpn_policy.h"
#include "groupvpn_registrations.h"
#include "groupvpn_route_keys.h"
#include "groupvpn_sa_table.h"
#include "groupvpn_store.h"
#include "groupvpn_vici.h"

typedef enum groupvpn_gcks_counter_t groupvpn_gcks_counter_t;
typedef struct groupvpn_gcks_core_t groupvpn_gcks_core_t;
typedef struct groupvpn_gcks_group_t groupvpn_gcks_group_t;
typedef struct groupvpn_gcks_policy_t groupvpn_gcks_policy_t;
typedef struct groupvpn_gcks_prefixes_t groupvpn_gcks_prefixes_t;
typedef struct groupvpn_gcks_lists_t groupvpn_gcks_lists_t;
typedef struct groupvpn_gcks_recheck_t groupvpn_gcks_recheck_t;
typedef struct groupvpn_gcks_rekey_t groupvpn_gcks_rekey_t;

/**
 * What is counted
 */
enum groupvpn_gcks_counter_t {
	GCKS_REGISTRATIONS,
	GCKS_REFUSED_NOT_AUTHORIZED,
	GCKS_REFUSED_EVICTED,
	GCKS_REFUSED_UNKNOWN_GROUP,
	GCKS_REFUSED_OTHER,
	GCKS_REMOVED,
	GCKS_EVICTED,
	GCKS_CERTIFICATES,
	GCKS_EJECTED,
	GCKS_EPOCHS,
	GCKS_KEKS,
	GCKS_REKEYS_BY_BGP,
	GCKS_REKEYS_PUSHED,
	GCKS_REKEYS_ACKNOWLEDGED,
	GCKS_REKEYS_REFUSED,
	GCKS_REKEYS_LOST,
	GCKS_LISTS_PUSHED,
	GCKS_LISTS_ACKNOWLEDGED,
	GCKS_LISTS_REFUSED,
	GCKS_ROUTES_DROPPED,
	GCKS_COUNTERS
};

/**
 * Time that members may take to receive a new epoch, in seconds
 */
#define GROUPVPN_PUSH_TIME 5

/**
 * Number of tags that epochs can have
 */
#define GROUPVPN_TAGS (GV_TAG_MAX - GV_TAG_MIN + 1)

/**
 * What there is once for all groups.
 */
struct groupvpn_gcks_core_t {

	/** control socket */
	groupvpn_control_t *control;

	/** policy engine */
	groupvpn_policy_t *policy;

	/** management */
	groupvpn_vici_t *vici;

	/** store of the groups */
	groupvpn_store_t *store;

	/** groups, as groupvpn_gcks_group_t, and the lock of all this */
	groupvpn_groups_t *groups;

	/** registrations of all groups by IKE_SA */
	groupvpn_ike_index_t *index;

	/** asks the policy engine */
	groupvpn_gcks_policy_t *asking;

	/** kernel interface */
	groupvpn_kernel_t *kernel;

	/** exchanges that we initiate */
	groupvpn_gcks_rekey_t *rekey;

	/** lists for members without a bgpd */
	groupvpn_gcks_prefixes_t *prefixes;

	/** checks certificates again */
	groupvpn_gcks_recheck_t *recheck;

	/** fires when a group has something to do */
	groupvpn_timer_t *timer;

	/** counters of requests that are for none of the groups */
	uint64_t counters[GCKS_COUNTERS];

	/** number of the last tag that was given, to give it again last */
	u_int last_tag;
};

/**
 * Lists for members without a bgpd, see groupvpn_gcks_prefixes.h.
 */
struct groupvpn_gcks_lists_t {

	/** counts changes of members that lists tell of */
	uint32_t state;

	/** when to send them */
	uint64_t due;

	/** until when members may come back that an earlier run had, and bgpd may
	 * tell what it hears; 0 if nothing is waited for */
	uint64_t settles;

	/** somebody gets lists, and bgpd has been told so; when it is told that
	 * nobody does anymore */
	bool wanted;
	uint64_t unwanted;

	/** bgpd has told all that there was when it was told that */
	bool handed;

	/** route epochs that bgpd has announcements of */
	uint32_t epoch;
	uint32_t other;

	/** when to forget what bgpds have heard that are gone */
	uint64_t sweep;
};

/**
 * A group, see groupvpn_gcks_group.h.
 */
struct groupvpn_gcks_group_t {

	/** configuration; first, for groupvpn_groups_t */
	groupvpn_group_t *cfg;

	/** what it shares with the other groups */
	groupvpn_gcks_core_t *gcks;

	/** epochs and keys */
	groupvpn_sa_table_t *sas;

	/** members */
	groupvpn_registrations_t *registrations;

	/** who may not be a member for now */
	groupvpn_evictions_t *evictions;

	/** what happened */
	uint64_t counters[GCKS_COUNTERS];

	/** secrets of the group's routes, and when the next one should begin */
	groupvpn_route_keys_t *routes;
	uint64_t routes_renewal;

	/** lists for members without a bgpd */
	groupvpn_gcks_lists_t lists;

	/** when to begin the next epoch */
	uint64_t roll;

	/** when to begin it because of members that came or left, and why; NULL if
	 * there are none */
	uint64_t batch;
	char *batch_why;

	/** what was used of the group's share of these */
	groupvpn_share_t epochs;

	/** Rekey SA, NULL if there is none; when to renew it */
	groupvpn_kek_t *kek;
	uint64_t renewal;

	/** control client whose bgpd announces the GSA_REKEY messages, 0 if none */
	u_int announcer;

	/** first epoch whose Sender-IDs are counted as now */
	uint32_t first_epoch;

	/** Sender-IDs up to this one have been given or are reserved; ticket of the
	 * store for that, 0 if it is durable */
	uint32_t reserved;
	uint64_t reserved_ticket;

	/** the store has not got the identifiers of all members */
	bool unsaved;

	/** when it was stored, others than now could be members */
	bool admitted_others;

	/** no epoch has begun since the group was read from the store */
	bool loaded;

	/** address members reach us at, NULL if not known */
	host_t *address;

	/** protects BGP between members and us, NULL if it is not */
	struct groupvpn_gcks_channel_t *channel;
};

#endif /** GROUPVPN_GCKS_CORE_H_ @}*/
