/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * One group at its GCKS: begins its epochs and ends them, has members go.
 *
 * @defgroup groupvpn_gcks_group groupvpn_gcks_group
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_GCKS_GROUP_H_
#define GROUPVPN_GCKS_GROUP_H_

#include "groupvpn_gcks_core.h"

/**
 * Create a group, as the store has it if it does, and add it to the groups.
 *
 * @return				FALSE if that is not possible, which is logged
 */
bool groupvpn_gcks_group_start(groupvpn_gcks_core_t *gcks,
							   groupvpn_group_t *cfg);

/**
 * Change the configuration of a group, which is another than before: members
 * that are not authorised anymore are removed, all others get new keys.
 */
void groupvpn_gcks_group_change(groupvpn_gcks_group_t *group,
								groupvpn_group_t *cfg);

/**
 * Tell all that a group ends, and destroy it.
 */
void groupvpn_gcks_group_stop(groupvpn_gcks_group_t *group);

/**
 * Destroy a group, tell nobody.
 */
void groupvpn_gcks_group_destroy(groupvpn_gcks_group_t *group);

/**
 * End the epochs that have to end, begin the one that has to begin, and arm
 * the timer for the next.
 *
 * @param now			groupvpn_now()
 */
void groupvpn_gcks_group_run(groupvpn_gcks_group_t *group, uint64_t now);

/**
 * Begin a new epoch and give it to all members.
 *
 * @param why			reason, for the operator
 * @return				FALSE if there is none, which is logged
 */
bool groupvpn_gcks_group_roll(groupvpn_gcks_group_t *group, char *why);

/**
 * A member was added or has left, for which policy wants a new epoch: begin one
 * soon, for all who do so in the meantime. Members that do so too often wait
 * longer for it.
 *
 * @param registration	member that does, NULL if it is no member's doing
 * @param why			reason, for the operator; not copied
 */
void groupvpn_gcks_group_batch(groupvpn_gcks_group_t *group,
							   groupvpn_registration_t *registration,
							   char *why);

/**
 * A bgpd announces the group's GSA_REKEY messages, or does not anymore.
 *
 * @param client		control client
 */
void groupvpn_gcks_group_announced(groupvpn_gcks_group_t *group, u_int client,
								   bool announced);

/**
 * When an epoch retires if another one begins.
 *
 * @param now			groupvpn_now()
 */
uint64_t groupvpn_gcks_group_retirement(groupvpn_gcks_group_t *group,
										groupvpn_sa_t *sa, uint64_t now);

/**
 * Compose what all members of a group get.
 *
 * @param gsa			receives it, to be wiped
 */
void groupvpn_gcks_group_compose(groupvpn_gcks_group_t *group,
								 struct gv_gsa *gsa);

/**
 * Remove a registration, and tell.
 *
 * @param why			reason, for the operator
 */
void groupvpn_gcks_group_unregister(groupvpn_gcks_group_t *group,
									groupvpn_registration_t *registration,
									char *why);

/**
 * A member leaves.
 *
 * @param why			reason, for the operator
 */
void groupvpn_gcks_group_leave(groupvpn_gcks_group_t *group,
							   groupvpn_registration_t *registration,
							   char *why);

/**
 * Remove who is no member anymore, be it registered or away, and tell: it is
 * dismissed, holds its Sender-ID no longer, and reads neither the keys nor the
 * routes that come.
 *
 * @param why			reason, for the operator
 */
void groupvpn_gcks_group_expel(groupvpn_gcks_group_t *group,
							   groupvpn_registration_t *registration,
							   char *why);

#endif /** GROUPVPN_GCKS_GROUP_H_ @}*/
