/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Routes with the keys, at the GCKS: members without a bgpd claim prefixes when
 * they register, and get lists of the other members, with the answer and then
 * in band.
 *
 * @defgroup groupvpn_gcks_prefixes groupvpn_gcks_prefixes
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_GCKS_PREFIXES_H_
#define GROUPVPN_GCKS_PREFIXES_H_

#include "groupvpn_gcks_core.h"

/**
 * The exchange that brings members their lists.
 */
struct groupvpn_gcks_prefixes_t {

	/**
	 * Destroy it, when there are no IKE_SAs anymore.
	 */
	void (*destroy)(groupvpn_gcks_prefixes_t *this);
};

/**
 * Create the exchange.
 */
groupvpn_gcks_prefixes_t *groupvpn_gcks_prefixes_create(
												groupvpn_gcks_core_t *gcks);

/**
 * Whether an identity may claim prefixes in a group.
 *
 * @param gateway		its gateway, which none of them may cover
 * @param why			receives the reason if it may not
 */
bool groupvpn_gcks_prefixes_allowed(groupvpn_gcks_group_t *group,
									identification_t *identity,
									host_t *gateway,
									const struct gv_prefix *prefixes,
									size_t count, char why[GV_TEXT_MAX + 1]);

/**
 * Whether a member may go on with what it claims; logged if not.
 */
bool groupvpn_gcks_prefixes_hold(groupvpn_gcks_group_t *group,
								 groupvpn_registration_t *registration);

/**
 * Note what a member that registers claims, and that it is new to the others.
 *
 * @param by_keys		it has no bgpd, and gets lists
 * @param prefixes		what it claims, of whom may do that
 */
void groupvpn_gcks_prefixes_register(groupvpn_gcks_group_t *group,
									 groupvpn_registration_t *registration,
									 bool by_keys,
									 const struct gv_prefix *prefixes,
									 size_t count);

/**
 * Compose the list that goes with the answer to a registration; what has no
 * room in it follows.
 *
 * @return				allocated list
 */
chunk_t groupvpn_gcks_prefixes_answer(groupvpn_gcks_group_t *group,
									  groupvpn_registration_t *registration);

/**
 * A member is not registered anymore.
 */
void groupvpn_gcks_prefixes_unregister(groupvpn_gcks_group_t *group,
									   groupvpn_registration_t *registration);

/**
 * The IKE_SA of a member is another one now: what was under way is sent again.
 */
void groupvpn_gcks_prefixes_resume(groupvpn_gcks_group_t *group,
								   groupvpn_registration_t *registration);

/**
 * The prefixes of a member may have changed: have lists tell so.
 */
void groupvpn_gcks_prefixes_follow(groupvpn_gcks_group_t *group,
								   groupvpn_registration_t *registration);

/**
 * A member's label has changed: others may name it now, or do no more.
 */
void groupvpn_gcks_prefixes_rename(groupvpn_gcks_group_t *group,
								   groupvpn_registration_t *registration);

/**
 * A bgpd is gone: what it has heard holds until another one has come and had
 * time to hear it.
 *
 * @param client		control client
 */
void groupvpn_gcks_prefixes_lose(groupvpn_gcks_group_t *group, u_int client);

/**
 * A bgpd has come.
 */
void groupvpn_gcks_prefixes_greet(groupvpn_gcks_group_t *group);

/**
 * A bgpd has told all that it hears.
 */
void groupvpn_gcks_prefixes_handed(groupvpn_gcks_group_t *group);

/**
 * Do what is due.
 */
void groupvpn_gcks_prefixes_run(groupvpn_gcks_group_t *group, uint64_t now);

#endif /** GROUPVPN_GCKS_PREFIXES_H_ @}*/
