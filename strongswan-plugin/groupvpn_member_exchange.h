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
	 * Tell the GCKS that we leave a group. Done in a job. The IKE_SA is closed
	 * if nothing else uses it.
	 *
	 * @param ike_sa	unique ID of the IKE_SA that the group is registered by
	 * @param notify	why: GROUPVPN_N_REGISTRATION_FAILED, or
	 *					NO_PROPOSAL_CHOSEN if we can not do the group's policy
	 */
	void (*leave)(groupvpn_member_exchange_t *this,
				  groupvpn_member_group_t *group, uint32_t ike_sa,
				  notify_type_t notify);

	/**
	 * Make a request to authenticate a GSA_AUTH that registers for a group, if
	 * one wants that. Takes the lock, has the IKE_SA checked out.
	 */
	void (*auth_request)(groupvpn_member_exchange_t *this, ike_sa_t *ike_sa,
						 message_t *message);

	/**
	 * Keep what a GSA_AUTH says about a group that it registers for. Who said
	 * it is not authenticated yet. Takes the lock.
	 */
	void (*auth_response)(groupvpn_member_exchange_t *this, ike_sa_t *ike_sa,
						  message_t *message);

	/**
	 * Use what was kept: the IKE_SA is up.
	 *
	 * @return			FALSE if there is nothing, the group has to register
	 */
	bool (*auth_done)(groupvpn_member_exchange_t *this, ike_sa_t *ike_sa,
					  groupvpn_member_group_t *group);

	/**
	 * Process a request, if it is one of a GCKS. Takes the lock, has the
	 * IKE_SA checked out.
	 *
	 * @param type		its exchange type on the wire
	 */
	void (*request)(groupvpn_member_exchange_t *this, ike_sa_t *ike_sa,
					message_t *message, uint8_t type);

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
 * Destroy what a GSA_AUTH said about a group, if anything.
 */
void groupvpn_member_clear_answer(groupvpn_member_group_t *group);

/**
 * Create the exchanges.
 */
groupvpn_member_exchange_t *groupvpn_member_exchange_create(
											groupvpn_member_core_t *member);

#endif /** GROUPVPN_MEMBER_EXCHANGE_H_ @}*/
