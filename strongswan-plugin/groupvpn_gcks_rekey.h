/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The exchanges that a GCKS initiates: in-band rekeys, and the message to one
 * who is no member anymore.
 *
 * @defgroup groupvpn_gcks_rekey groupvpn_gcks_rekey
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_GCKS_REKEY_H_
#define GROUPVPN_GCKS_REKEY_H_

#include "groupvpn_gcks_core.h"

/**
 * The exchanges.
 */
struct groupvpn_gcks_rekey_t {

	/**
	 * Send a member what its group has now. Done in a job: by whatever IKE_SA
	 * it is registered then, if it still is; or when it has answered what was
	 * sent before. If it owes the answer for several epochs it is removed.
	 */
	void (*push)(groupvpn_gcks_rekey_t *this, groupvpn_gcks_group_t *group,
				 groupvpn_registration_t *registration);

	/**
	 * Tell a member that it is none. Done in a job, over the IKE_SA that it is
	 * registered by now; that is closed if the peer was evicted and nothing
	 * else uses it.
	 */
	void (*dismiss)(groupvpn_gcks_rekey_t *this, groupvpn_gcks_group_t *group,
					groupvpn_registration_t *registration);

	/**
	 * Destroy a groupvpn_gcks_rekey_t, when there are no IKE_SAs anymore.
	 */
	void (*destroy)(groupvpn_gcks_rekey_t *this);
};

/**
 * Whether a member owes the answer to a rekey.
 *
 * @param why			receives that as a reason to remove it
 */
bool groupvpn_gcks_rekey_owed(groupvpn_registration_t *registration,
							  char why[GV_TEXT_MAX + 1]);

/**
 * Create the exchanges.
 */
groupvpn_gcks_rekey_t *groupvpn_gcks_rekey_create(groupvpn_gcks_core_t *gcks);

#endif /** GROUPVPN_GCKS_REKEY_H_ @}*/
