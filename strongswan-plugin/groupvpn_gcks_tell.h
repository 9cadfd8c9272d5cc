/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What the GCKS tells bgpd and management of its groups.
 *
 * @defgroup groupvpn_gcks_tell groupvpn_gcks_tell
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_GCKS_TELL_H_
#define GROUPVPN_GCKS_TELL_H_

#include "groupvpn_gcks_core.h"

#include <sa/ike_sa.h>

/**
 * Add what identifies a group to a message of management.
 */
void groupvpn_gcks_add_group(vici_builder_t *builder,
							 groupvpn_gcks_group_t *group);

/**
 * Add a registration to a message of management, its group included.
 */
void groupvpn_gcks_add_registration(vici_builder_t *builder,
									groupvpn_gcks_group_t *group,
									groupvpn_registration_t *registration);

/**
 * Send a message to a bgpd, or to all of them.
 *
 * @param client		control client, 0 for all
 */
void groupvpn_gcks_tell(groupvpn_gcks_group_t *group, u_int client,
						struct gv_ctl_msg *msg);

/**
 * Tell bgpd what a group's state is, once the address of this GCKS is known.
 */
void groupvpn_gcks_tell_group(groupvpn_gcks_group_t *group);

/**
 * Tell bgpd that a group is stopped.
 */
void groupvpn_gcks_tell_end(groupvpn_gcks_group_t *group);

/**
 * Tell that a member is registered.
 */
void groupvpn_gcks_tell_member(groupvpn_gcks_group_t *group,
							   groupvpn_registration_t *registration);

/**
 * Tell that a registered member's label has changed.
 */
void groupvpn_gcks_tell_label(groupvpn_gcks_group_t *group,
							  groupvpn_registration_t *registration);

/**
 * Tell that a member is registered no more.
 *
 * @param registration	the registration, still as it was
 * @param why			reason, for the operator
 */
void groupvpn_gcks_tell_removal(groupvpn_gcks_group_t *group,
								groupvpn_registration_t *registration,
								char *why);

/**
 * Tell management of a refused registration.
 *
 * @param group			group it was for, NULL if it is none of ours
 * @param group_id		group-ID that was asked for
 * @param notify		what the peer was told
 * @param why			reason, for the operator
 */
void groupvpn_gcks_tell_refusal(groupvpn_gcks_core_t *gcks,
								groupvpn_gcks_group_t *group,
								uint32_t group_id, ike_sa_t *ike_sa,
								notify_type_t notify, char *why);

/**
 * Tell that a group has a new epoch.
 *
 * @param members		number of members it is given to
 * @param why			reason, for the operator
 */
void groupvpn_gcks_tell_epoch(groupvpn_gcks_group_t *group, u_int members,
							  char *why);

/**
 * Tell a bgpd that has just come of all groups and registrations. Takes the
 * lock.
 *
 * @param client		the bgpd
 */
void groupvpn_gcks_replay(groupvpn_gcks_core_t *gcks, u_int client);

#endif /** GROUPVPN_GCKS_TELL_H_ @}*/
