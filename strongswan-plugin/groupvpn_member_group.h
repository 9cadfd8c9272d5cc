/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * One group of a member: the state machine of its registration.
 *
 * @defgroup groupvpn_member_group groupvpn_member_group
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_MEMBER_GROUP_H_
#define GROUPVPN_MEMBER_GROUP_H_

#include "groupvpn_member_core.h"

#include <sa/ike_sa.h>

/**
 * Create a group, add it to the groups, and have it register.
 */
void groupvpn_member_group_start(groupvpn_member_core_t *member,
								 groupvpn_group_t *cfg);

/**
 * Change the configuration of a group, or if it is the same, have a group that
 * waits register at once.
 */
void groupvpn_member_group_change(groupvpn_member_group_t *group,
								  groupvpn_group_t *cfg);

/**
 * Leave a group that is not configured anymore, and destroy it.
 */
void groupvpn_member_group_end(groupvpn_member_group_t *group);

/**
 * Take the data plane of a group down and destroy the group. The GCKS is told
 * nothing.
 *
 * @param why			reason, for the operator
 */
void groupvpn_member_group_stop(groupvpn_member_group_t *group, char *why);

/**
 * Do what is due, and arm the timer for what is next.
 *
 * @param now			groupvpn_now()
 */
void groupvpn_member_group_run(groupvpn_member_group_t *group, uint64_t now);

/**
 * Find the group that is being registered, or is registered, by an IKE_SA.
 *
 * @param state			state that it has to be in
 * @return				NULL if there is none
 */
groupvpn_member_group_t *groupvpn_member_find(groupvpn_member_core_t *member,
											  uint32_t group_id,
											  uint32_t ike_sa,
											  groupvpn_member_state_t state);

/**
 * Enter a state.
 *
 * @param time			for how long, in milliseconds
 */
void groupvpn_member_enter(groupvpn_member_group_t *group,
						   groupvpn_member_state_t state, uint64_t time);

/**
 * A group is registered: until its keys expire, unless new ones come first.
 */
void groupvpn_member_enter_registered(groupvpn_member_group_t *group);

/**
 * A GCKS did not do: try again, or the next one, after a delay.
 *
 * @param refused		it has refused, more of the same will not help
 * @param why			reason, for the operator
 */
void groupvpn_member_fail(groupvpn_member_group_t *group, bool refused,
						  char *why);

/**
 * The GCKS does not have us as a member.
 *
 * @param notify		what it said
 * @param said			reason that it gave, may be empty
 */
void groupvpn_member_refused(groupvpn_member_group_t *group,
							 notify_type_t notify, char *said);

/**
 * The IKE_SA of a group is up: register by it.
 *
 * @param ike_sa		IKE_SA, checked out; its tasks are to be initiated
 */
void groupvpn_member_register(groupvpn_member_group_t *group,
							  ike_sa_t *ike_sa);

/**
 * Have bgpd look for the group's descriptors.
 *
 * @param client		control client, 0 for all
 */
void groupvpn_member_seek(groupvpn_member_group_t *group, u_int client);

/**
 * Take what bgpd says of them. A group that has nobody to ask goes on.
 *
 * @param msg			a DISCOVERED of the group
 */
void groupvpn_member_discovered(groupvpn_member_group_t *group,
								const struct gv_ctl_msg *msg);

/**
 * The IKE_SA of a group is gone.
 */
void groupvpn_member_lose(groupvpn_member_group_t *group);

#endif /** GROUPVPN_MEMBER_GROUP_H_ @}*/
