/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * SAs that protect BGP between the members of a group and the S/R, at the S/R.
 *
 * @defgroup groupvpn_gcks_channel groupvpn_gcks_channel
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_GCKS_CHANNEL_H_
#define GROUPVPN_GCKS_CHANNEL_H_

#include "groupvpn_gcks_core.h"

typedef struct groupvpn_gcks_channel_t groupvpn_gcks_channel_t;

/**
 * The S/R as one that has the group's keys and a Sender-ID, as members have.
 */
struct groupvpn_gcks_channel_t {

	/**
	 * Get the Sender-ID of the S/R in the epochs that are given to members.
	 */
	uint32_t (*get_sender_id)(groupvpn_gcks_channel_t *this);

	/**
	 * Have SAs with a member that has registered, or registered again.
	 */
	void (*add)(groupvpn_gcks_channel_t *this,
				groupvpn_registration_t *registration);

	/**
	 * A member is gone. Its SAs stay as long as their epochs, as those between
	 * members do.
	 */
	void (*remove)(groupvpn_gcks_channel_t *this,
				   groupvpn_registration_t *registration);

	/**
	 * An epoch has begun.
	 */
	void (*begin)(groupvpn_gcks_channel_t *this, groupvpn_sa_t *sa);

	/**
	 * The Sender-IDs are allotted anew, in the newest epoch and those to come:
	 * have another one, before anybody else gets ours.
	 */
	void (*renew)(groupvpn_gcks_channel_t *this);

	/**
	 * An epoch is about to be removed.
	 */
	void (*end)(groupvpn_gcks_channel_t *this, groupvpn_sa_t *sa);

	/**
	 * Send with what is due, and install what could not be.
	 *
	 * @param now		groupvpn_now()
	 */
	void (*run)(groupvpn_gcks_channel_t *this, uint64_t now);

	/**
	 * Destroy it, and remove the SAs.
	 */
	void (*destroy)(groupvpn_gcks_channel_t *this);
};

/**
 * Create the SAs of a group with channel = yes, for the members that are
 * registered.
 *
 * @return				NULL if it can have no Sender-ID, which is logged
 */
groupvpn_gcks_channel_t *groupvpn_gcks_channel_create(
												groupvpn_gcks_group_t *group);

#endif /** GROUPVPN_GCKS_CHANNEL_H_ @}*/
