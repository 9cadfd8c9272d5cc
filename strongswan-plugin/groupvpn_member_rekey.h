/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * New keys that reach a member by BGP: when it asks for the group's Rekey SA,
 * and when it registers again because of it.
 *
 * @defgroup groupvpn_member_rekey groupvpn_member_rekey
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_MEMBER_REKEY_H_
#define GROUPVPN_MEMBER_REKEY_H_

#include "groupvpn_member_core.h"

/**
 * Have a group without a Rekey SA.
 */
void groupvpn_member_rekey_init(groupvpn_member_group_t *group);

/**
 * Wipe what init() made.
 */
void groupvpn_member_rekey_destroy(groupvpn_member_group_t *group);

/**
 * A bgpd has come, or is gone.
 *
 * @param client		control client
 */
void groupvpn_member_rekey_bgpd(groupvpn_member_core_t *member, u_int client,
								bool here);

/**
 * Whether to ask for the Rekey SA: there is a bgpd that may bring the group's
 * GSA_REKEY messages.
 */
bool groupvpn_member_rekey_wanted(groupvpn_member_group_t *group);

/**
 * bgpd says which GSA_REKEY messages it has of a group. They are looked at in
 * a job, when all parts are there.
 *
 * @param client		control client
 * @param msg			its REKEY message
 */
void groupvpn_member_rekey_heard(groupvpn_member_group_t *group, u_int client,
								 const struct gv_ctl_msg *msg);

/**
 * A registration has brought a Rekey SA, or none.
 *
 * @param path			keys that came with it; wiped
 */
void groupvpn_member_rekey_registered(groupvpn_member_group_t *group,
									  const struct gv_gsa *gsa,
									  struct gv_key_path *path);

/**
 * The GCKS does not have us as a member: forget the Rekey SA.
 */
void groupvpn_member_rekey_end(groupvpn_member_group_t *group);

/**
 * Open the next message that is new.
 *
 * @param gsa			receives the content, with at least one epoch, to be
 *						wiped
 * @return				FALSE if there is none anymore
 */
bool groupvpn_member_rekey_receive(groupvpn_member_group_t *group,
								   struct gv_gsa *gsa);

/**
 * Do what is due.
 *
 * @param now			groupvpn_now()
 * @return				when to be called next
 */
uint64_t groupvpn_member_rekey_run(groupvpn_member_group_t *group,
								   uint64_t now);

#endif /** GROUPVPN_MEMBER_REKEY_H_ @}*/
