/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Interface to the policy server: who may be a member.
 *
 * @defgroup groupvpn_policy groupvpn_policy
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_POLICY_H_
#define GROUPVPN_POLICY_H_

#include "groupvpn_config.h"

#include <sa/ike_sa.h>

typedef struct groupvpn_policy_t groupvpn_policy_t;

/**
 * The authorisation decision. The GCKS asks it at each registration, before it
 * allots anything.
 */
struct groupvpn_policy_t {

	/**
	 * Decide whether the peer of an IKE_SA may be a member of a group.
	 *
	 * Called with the IKE_SA checked out, must not block.
	 *
	 * @param group		the group
	 * @param ike_sa	established IKE_SA
	 * @param class		receives how the identity was authenticated
	 * @param why		receives the reason of a refusal, for the operator
	 * @return			authenticated identity that is authorised, owned by
	 *					the IKE_SA; NULL if there is none
	 */
	identification_t *(*authorize)(groupvpn_policy_t *this,
								   groupvpn_group_t *group, ike_sa_t *ike_sa,
								   auth_class_t *class,
								   char why[GV_TEXT_MAX + 1]);

	/**
	 * Decide whether an identity that was authorised may remain a member.
	 *
	 * @param group		the group, as it is configured now
	 * @param identity	as returned by authorize()
	 * @param class		as received from it, AUTH_CLASS_ANY if not known
	 */
	bool (*may_stay)(groupvpn_policy_t *this, groupvpn_group_t *group,
					 identification_t *identity, auth_class_t class);

	/**
	 * Destroy a groupvpn_policy_t.
	 */
	void (*destroy)(groupvpn_policy_t *this);
};

/**
 * Create the policy server that decides by the options of the group in
 * swanctl.conf.
 */
groupvpn_policy_t *groupvpn_policy_create();

#endif /** GROUPVPN_POLICY_H_ @}*/
