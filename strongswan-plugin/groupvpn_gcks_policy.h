/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Between the GCKS and its policy engine: whom a request is from, and what is
 * to be done when policy changes.
 *
 * @defgroup groupvpn_gcks_policy groupvpn_gcks_policy
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_GCKS_POLICY_H_
#define GROUPVPN_GCKS_POLICY_H_

#include "groupvpn_gcks_core.h"

#include <sa/ike_sa.h>

typedef struct groupvpn_authorization_t groupvpn_authorization_t;

/**
 * What the peer of an IKE_SA may be in a group. What it points to is the
 * IKE_SA's.
 */
struct groupvpn_authorization_t {

	/** identity that it may be a member by, NULL if it may not */
	identification_t *identity;

	/** how that was authenticated, and with what certificate, if any */
	auth_class_t class;
	certificate_t *certificate;

	/** it is because it was evicted that it may not */
	bool evicted;

	/** what policy says, and the reason if it may not */
	groupvpn_decision_t decision;
};

/**
 * Asks about those who ask, and follows changes.
 */
struct groupvpn_gcks_policy_t {

	/**
	 * Whether policy is ready to decide about the peer of an IKE_SA. If not
	 * it is asked, and the message, an incoming request that must not be
	 * processed now, comes in once more when it is. Takes the lock.
	 *
	 * @param group_id	group that is asked for
	 * @param message	the message, NULL if it is too late to put it aside
	 */
	bool (*is_ready)(groupvpn_gcks_policy_t *this, ike_sa_t *ike_sa,
					 uint32_t group_id, message_t *message);

	/**
	 * Ask again about all members of a group, those that are away included.
	 */
	void (*recheck)(groupvpn_gcks_policy_t *this, groupvpn_gcks_group_t *group);

	/**
	 * Destroy a groupvpn_gcks_policy_t.
	 */
	void (*destroy)(groupvpn_gcks_policy_t *this);
};

/**
 * Create it.
 */
groupvpn_gcks_policy_t *groupvpn_gcks_policy_create(groupvpn_gcks_core_t *gcks);

/**
 * Decide what the peer of an IKE_SA may be in a group.
 *
 * @param authorization	receives it
 * @return				whether it may be a member
 */
bool groupvpn_gcks_authorize(groupvpn_gcks_group_t *group, ike_sa_t *ike_sa,
							 groupvpn_authorization_t *authorization);

/**
 * Whether an identity that has no entry could become a member of a group.
 */
bool groupvpn_gcks_may_join(groupvpn_gcks_group_t *group,
							identification_t *identity);

/**
 * Remove members that may not stay. Those who may do something else than
 * before have to register again.
 *
 * @return				TRUE if some were removed that may have keys
 */
bool groupvpn_gcks_review(groupvpn_gcks_group_t *group);

#endif /** GROUPVPN_GCKS_POLICY_H_ @}*/
