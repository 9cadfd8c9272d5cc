/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What came from the GCKS: checks it, and hands it to the data plane.
 *
 * That is done in the order in which it came, but in a job, as there may be
 * thousands of states to install, and the IKE_SA has to answer.
 *
 * @defgroup groupvpn_member_delivery groupvpn_member_delivery
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_MEMBER_DELIVERY_H_
#define GROUPVPN_MEMBER_DELIVERY_H_

#include "groupvpn_member_core.h"

#include <encoding/message.h>
#include <sa/ike_sa.h>

/**
 * Decode and check the GSA and KD of a message for a group.
 *
 * @param ike_sa		IKE_SA it came by
 * @param path			receives keys that come with a Rekey SA, to be wiped in
 *						any case; NULL if there must be none
 * @param gsa			receives the content, to be wiped in any case
 * @param why			receives the reason why it is of no use
 * @return				FALSE if it is of no use
 */
bool groupvpn_member_get_gsa(groupvpn_member_group_t *group, ike_sa_t *ike_sa,
							 message_t *message, struct gv_key_path *path,
							 struct gv_gsa *gsa, char why[GV_TEXT_MAX + 1]);

/**
 * Whether the answer to a registration can be used: besides what
 * groupvpn_member_get_gsa() checks, our addresses and our identifiers.
 */
bool groupvpn_member_get_answer(groupvpn_member_group_t *group,
								ike_sa_t *ike_sa, message_t *message,
								struct gv_key_path *path, struct gv_gsa *gsa,
								char why[GV_TEXT_MAX + 1]);

/**
 * Have what came be used after what came before.
 *
 * @param gsa			what came, copied
 * @param path			keys that came with a Rekey SA, copied; NULL if this is
 *						an in-band rekey
 * @param registration	IKE_SA it came by if it answers a registration, NULL
 *						if it is an in-band rekey
 */
void groupvpn_member_deliver(groupvpn_member_group_t *group,
							 const struct gv_gsa *gsa,
							 const struct gv_key_path *path,
							 ike_sa_t *registration);

/**
 * Get the list of routes from a message, if routes come with the keys.
 *
 * @param list			receives the list, allocated, empty if there is none
 * @param why			receives the reason why it is of no use
 * @return				FALSE if it is of no use, or missing
 */
bool groupvpn_member_get_list(groupvpn_member_group_t *group,
							  message_t *message, chunk_t *list,
							  char why[GV_TEXT_MAX + 1]);

/**
 * Have a list of routes be used after what came before.
 *
 * @param list			what groupvpn_member_get_list() got, copied
 */
void groupvpn_member_deliver_list(groupvpn_member_group_t *group, chunk_t list);

/**
 * Have the GSA_REKEY messages that bgpd has heard be used after that.
 */
void groupvpn_member_look(groupvpn_member_group_t *group);

/**
 * Remove what came by a registration that is none anymore.
 */
void groupvpn_member_clear_deliveries(groupvpn_member_group_t *group);

#endif /** GROUPVPN_MEMBER_DELIVERY_H_ @}*/
