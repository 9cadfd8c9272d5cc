/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What the S/R's bgpd says and hears for members without a bgpd.
 *
 * @defgroup groupvpn_gcks_bgp groupvpn_gcks_bgp
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_GCKS_BGP_H_
#define GROUPVPN_GCKS_BGP_H_

#include "groupvpn_gcks_core.h"

/**
 * Tell bgpd what to announce for a member without one.
 *
 * @param client		control client, 0 for all
 */
void groupvpn_gcks_bgp_tell(groupvpn_gcks_group_t *group,
							groupvpn_registration_t *registration,
							u_int client);

/**
 * The same for all of them, if the secrets of the routes have changed.
 */
void groupvpn_gcks_bgp_retell(groupvpn_gcks_group_t *group);

/**
 * Tell bgpd whether we want to know what it hears.
 *
 * @param client		control client, 0 for all
 */
void groupvpn_gcks_bgp_want(groupvpn_gcks_group_t *group, u_int client);

/**
 * A bgpd hears something, or not anymore.
 */
void groupvpn_gcks_bgp_hear(groupvpn_gcks_group_t *group, u_int client,
							const struct gv_ctl_msg *msg);

#endif /** GROUPVPN_GCKS_BGP_H_ @}*/
