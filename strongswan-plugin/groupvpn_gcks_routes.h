/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * @defgroup groupvpn_gcks_routes groupvpn_gcks_routes
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_GCKS_ROUTES_H_
#define GROUPVPN_GCKS_ROUTES_H_

#include "groupvpn_gcks_core.h"

/**
 * Have another secret of the group's routes begin with the next epoch, because
 * somebody who knows the one in use shall not know what comes.
 */
void groupvpn_gcks_routes_renew(groupvpn_gcks_group_t *group);

/**
 * An epoch begins: begin another secret if one has to.
 *
 * A change that is under way is not disturbed. Then another epoch is due as
 * soon as it has come to its end with all members.
 *
 * @param now			groupvpn_now()
 * @return				FALSE if there are no random numbers
 */
bool groupvpn_gcks_routes_begin(groupvpn_gcks_group_t *group, uint64_t now);

/**
 * Take back a change that groupvpn_gcks_routes_begin() began: the epoch does
 * not begin after all. The next one that does is to begin it again.
 *
 * @param epoch			newest route epoch before that
 */
void groupvpn_gcks_routes_cancel(groupvpn_gcks_group_t *group, uint32_t epoch);

/**
 * Do what is due: tell bgpd of a descriptor under the new secret.
 */
void groupvpn_gcks_routes_run(groupvpn_gcks_group_t *group, uint64_t now);

#endif /** GROUPVPN_GCKS_ROUTES_H_ @}*/
