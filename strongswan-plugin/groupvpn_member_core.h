/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What the parts of the member role share:
 *
 * - groupvpn_member: hooks of charon's bus, bgpd, configuration
 * - groupvpn_member_group: one group, the state machine of its registration
 * - groupvpn_member_failover: which GCKS of the list it registers with
 * - groupvpn_member_discovery: a GCKS whose address is not configured
 * - groupvpn_member_exchange: exchanges with the GCKS
 * - groupvpn_member_delivery: what came from the GCKS, on its way to the
 *   data plane
 * - groupvpn_member_rekey: new keys that come by BGP
 * - groupvpn_member_manage: what management lists
 *
 * Unless said otherwise their functions want the groups locked. Nothing waits
 * for an IKE_SA with the lock held: whoever has one checked out may ask for the
 * lock in a hook.
 *
 * @defgroup groupvpn_member_core groupvpn_member_core
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_MEMBER_CORE_H_
#define GROUPVPN_MEMBER_CORE_H_

#include "groupvpn_control.h"
#include "groupvpn_dataplane.h"
#include "groupvpn_groups.h"
#include "groupvpn_kernel.h"
#include "groupvpn_member_discovery.h"
#include "groupvpn_rekey_sa.h"
#include "groupvpn_vici.h"

#include <collections/linked_list.h>

typedef enum groupvpn_member_counter_t groupvpn_member_counter_t;
typedef enum groupvpn_member_state_t groupvpn_member_state_t;
typedef struct groupvpn_member_core_t groupvpn_member_core_t;
typedef struct groupvpn_member_group_t groupvpn_member_group_t;
typedef struct groupvpn_member_exchange_t groupvpn_member_exchange_t;
typedef struct groupvpn_member_rekey_t groupvpn_member_rekey_t;
typedef struct groupvpn_member_answer_t groupvpn_member_answer_t;

/**
 * State of a registration
 */
enum groupvpn_member_state_t {
	MEMBER_WAITING,
	MEMBER_CONNECTING,
	MEMBER_REGISTERING,
	MEMBER_REGISTERED,
};

/**
 * What is counted for each group
 */
enum groupvpn_member_counter_t {
	MEMBER_REGISTRATIONS,
	MEMBER_REFUSED,
	MEMBER_FAILED,
	MEMBER_DISMISSED,
	MEMBER_IKE_SAS_LOST,
	MEMBER_REKEYS_RECEIVED,
	MEMBER_REKEYS_REFUSED,
	MEMBER_LISTS_RECEIVED,
	MEMBER_LISTS_REFUSED,
	MEMBER_COUNTERS
};

/**
 * How long to wait for an answer that charon will not tell us is not coming,
 * and for keys to be in use, in seconds
 */
#define GROUPVPN_REGISTER_TIMEOUT 200

/**
 * What there is once for all groups.
 */
struct groupvpn_member_core_t {

	/** control socket */
	groupvpn_control_t *control;

	/** kernel interface */
	groupvpn_kernel_t *kernel;

	/** management */
	groupvpn_vici_t *vici;

	/** groups, as groupvpn_member_group_t, and the lock of all this */
	groupvpn_groups_t *groups;

	/** bgpds that are connected, as (void*)(uintptr_t) of their numbers */
	linked_list_t *bgpds;

	/** exchanges with GCKSs */
	groupvpn_member_exchange_t *exchange;

	/** serialises groupvpn_template_checkout(); not locked with the groups */
	mutex_t *templates;

	/** fires when one of the groups has something to do */
	groupvpn_timer_t *timer;

	/** delays of retries, in milliseconds */
	uint64_t retry_min;
	uint64_t retry_max;
};

/**
 * What comes by BGP, see groupvpn_member_rekey.h.
 */
struct groupvpn_member_rekey_t {

	/** Rekey SA */
	groupvpn_rekey_sa_t *sa;

	/** chains of messages that a bgpd is telling us of, how many there are yet,
	 * and what part of the next one is to come; that bgpd's control client */
	chunk_t chains[GV_CTL_CHAINS_MAX];
	u_int complete;
	u_int next_part;
	u_int client;

	/** bgpd has not heard any message for too long */
	bool deaf;

	/** when that is so, if it goes on not to */
	uint64_t silence;

	/** when to register again, whether because keys were missed, and why */
	uint64_t again;
	bool lost;
	const char *why;

	/** when not to yet: if keys were missed, and for other reasons */
	uint64_t not_lost_before;
	uint64_t not_before;

	/** how long to spread that over, in milliseconds */
	u_int spread;

	/** the last epoch that was told of */
	uint32_t epoch;
};

/**
 * A group, see groupvpn_member_group.h.
 */
struct groupvpn_member_group_t {

	/** configuration; first, for groupvpn_groups_t */
	groupvpn_group_t *cfg;

	/** what it shares with the other groups */
	groupvpn_member_core_t *member;

	/** state of the registration, and when to give that up */
	groupvpn_member_state_t state;
	uint64_t due;

	/** which GCKS of the list is in use or will be, and which gave our keys,
	 * with the unique ID of the IKE_SA we registered by; see
	 * groupvpn_member_failover.h */
	u_int gcks;
	u_int home;
	uint32_t home_ike_sa;

	/** when to look whether the first one is back, and the unique ID of the
	 * IKE_SA with that */
	uint64_t look;
	uint32_t preferred;

	/** failures in a row, and whether a missing connection was told of */
	u_int failures;
	bool missing;

	/** until when the last failure has it wait */
	uint64_t not_before;

	/** where the GCKS is, if that is not configured, and whether that is
	 * waited for */
	groupvpn_member_hints_t hints;
	bool searching;

	/** unique ID of the IKE_SA in use, 0 if there is none */
	uint32_t ike_sa;

	/** Message-ID of the request that is to be answered, and when it was
	 * made */
	uint32_t request;
	uint64_t requested;

	/** a GSA_AUTH asks to register, and its answer, kept until the IKE_SA is
	 * authenticated; NULL if there is none */
	bool asked;
	groupvpn_member_answer_t *answer;

	/** whether not to ask to keep our Sender-ID */
	bool fresh;

	/** what the GCKS has sent and is not in use yet, see
	 * groupvpn_member_delivery.h */
	linked_list_t *deliveries;

	/** what happened */
	uint64_t counters[MEMBER_COUNTERS];

	/** what comes by BGP */
	groupvpn_member_rekey_t rekey;

	/** epochs, device and peers */
	groupvpn_dataplane_t *dataplane;
};

#endif /** GROUPVPN_MEMBER_CORE_H_ @}*/
