/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Exchanges of a member with its GCKS: those it initiates, to register and to
 * leave; and those of the GCKS, in-band rekeys and dismissals.
 *
 * @defgroup groupvpn_member_exchange groupvpn_member_exchange
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_MEMBER_EXCHANGE_H_
#define GROUPVPN_MEMBER_EXCHANGE_H_

#include "groupvpn_member_core.h"

#include <encoding/message.h>
#include <sa/ike_sa.h>

/**
 * The exchanges.
 */
struct groupvpn_member_exchange_t {

	/**
	 * Queue a registration at an IKE_SA, which is checked out.
	 */
	void (*queue)(groupvpn_member_exchange_t *this, ike_sa_t *ike_sa,
				  groupvpn_member_group_t *group);

	/**
	 * Tell the GCKS that we leave a group, by the IKE_SA it is registered by.
	 * Done in a job. The IKE_SA is closed if nothing else uses it.
	 */
	void (*leave)(groupvpn_member_exchange_t *this,
				  groupvpn_member_group_t *group);

	/**
	 * Process a request, if it is one of a GCKS. Takes the lock, has the
	 * IKE_SA checked out.
	 */
	void (*request)(groupvpn_member_exchange_t *this, ike_sa_t *ike_sa,
					message_t *message);

	/**
	 * Add what the response to that request needs, if anything. Takes the
	 * lock.
	 */
	void (*response)(groupvpn_member_exchange_t *this, ike_sa_t *ike_sa,
					 message_t *message);

	/**
	 * Forget the requests of an IKE_SA, which sends no response anymore.
	 */
	void (*forget)(groupvpn_member_exchange_t *this, ike_sa_t *ike_sa);

	/**
	 * Destroy a groupvpn_member_exchange_t, when there are no IKE_SAs anymore.
	 */
	void (*destroy)(groupvpn_member_exchange_t *this);
};

/**
 * Create the exchanges.
 */
groupvpn_member_exchange_t *groupvpn_member_exchange_create(
											groupvpn_member_core_t *member);

#endif /** GROUPVPN_MEMBER_EXCHANGE_H_ @}*/
