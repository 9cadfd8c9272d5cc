/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Which GCKS of its list a group registers with.
 *
 * @defgroup groupvpn_member_failover groupvpn_member_failover
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_MEMBER_FAILOVER_H_
#define GROUPVPN_MEMBER_FAILOVER_H_

#include "groupvpn_member_core.h"

/**
 * Name of the connection to the GCKS in use.
 *
 * @return				name, owned by the group's configuration
 */
char *groupvpn_member_gcks_name(groupvpn_member_group_t *group);

/**
 * Choose the GCKS to try after a failure: the one that gave our keys, as long
 * as these are not about to end, else the next one of the list.
 *
 * @return				TRUE if we keep to the one that gave our keys
 */
bool groupvpn_member_choose_gcks(groupvpn_member_group_t *group);

/**
 * How long to wait after a failure: until our keys are about to end at most,
 * and then the next one of the list is chosen.
 *
 * @param delay			how long it would be, in milliseconds
 */
uint64_t groupvpn_member_wait_with_keys(groupvpn_member_group_t *group,
										uint64_t delay);

/**
 * How long an attempt may last if there is another GCKS to try: not much longer
 * than until our keys are about to end.
 *
 * @param timeout		how long if there is none, in milliseconds
 */
uint64_t groupvpn_member_patience(groupvpn_member_group_t *group,
								  uint64_t timeout);

/**
 * A group is registered and has keys of the GCKS in use: leave the one that
 * gave those of before, if that is another.
 */
void groupvpn_member_settle(groupvpn_member_group_t *group);

/**
 * Use another configuration: keep to the GCKS in use if it is in the list,
 * leave it if not.
 */
void groupvpn_member_change_gcks(groupvpn_member_group_t *group,
								 groupvpn_group_t *cfg);

/**
 * Do what is due: see whether the first GCKS of the list is back.
 *
 * @param now			groupvpn_now()
 * @return				when something is due next
 */
uint64_t groupvpn_member_failover_run(groupvpn_member_group_t *group,
									  uint64_t now);

/**
 * An IKE_SA is up, by which a group that is registered with another GCKS may
 * return to the first one: have it register there.
 *
 * @param ike_sa		IKE_SA, checked out; its tasks are to be initiated
 * @return				FALSE if it is not such a one
 */
bool groupvpn_member_return(groupvpn_member_group_t *group, ike_sa_t *ike_sa);

#endif /** GROUPVPN_MEMBER_FAILOVER_H_ @}*/
