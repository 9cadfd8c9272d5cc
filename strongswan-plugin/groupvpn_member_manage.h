/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What a member tells management.
 *
 * @defgroup groupvpn_member_manage groupvpn_member_manage
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_MEMBER_MANAGE_H_
#define GROUPVPN_MEMBER_MANAGE_H_

#include "groupvpn_listing.h"
#include "groupvpn_member_core.h"

#include <encoding/payloads/notify_payload.h>

/**
 * Create what lists a member's groups, other members, epochs and counters.
 */
groupvpn_listing_t *groupvpn_member_manage_create(
											groupvpn_member_core_t *member);

/**
 * Tell that the GCKS does not have us as a member.
 *
 * @param notify		what it said
 * @param why			what that means, for the operator
 */
void groupvpn_member_tell_refusal(groupvpn_member_group_t *group,
								  notify_type_t notify, char *why);

/**
 * Tell that the GCKS has sent a new epoch.
 *
 * @param gsa			what it sent
 * @param how			"in band" or "by BGP"
 */
void groupvpn_member_tell_rekey(groupvpn_member_group_t *group,
								const struct gv_gsa *gsa, char *how);

#endif /** GROUPVPN_MEMBER_MANAGE_H_ @}*/
