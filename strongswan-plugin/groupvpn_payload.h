/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * G-IKEv2 payloads (RFC 9838) in IKEv2 messages.
 *
 * @defgroup groupvpn_payload groupvpn_payload
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_PAYLOAD_H_
#define GROUPVPN_PAYLOAD_H_

#include <encoding/message.h>
#include <sa/ike_sa.h>

#include "groupvpn_config.h"

#include <gikev2.h>

/**
 * Create a payload of type IDg, GSA or KD.
 *
 * @param type			GV_PAYLOAD_IDG, GV_PAYLOAD_GSA or GV_PAYLOAD_KD
 * @param body			body of the payload, copied; wiped on destruction
 */
payload_t *groupvpn_payload_create(uint8_t type, chunk_t body);

/**
 * Find a payload in a received message.
 *
 * @param type			type to look for
 * @param body			receives the body, owned by the message
 * @return				FALSE if it is absent, or there more than once
 */
bool groupvpn_payload_find(message_t *message, uint8_t type, chunk_t *body);

/**
 * Prepare a message that is to be sent with payloads of ours. They are sent in
 * the order in which they are added, because charon has none for them; but not
 * in an IKE_AUTH, which has others. See also groupvpn_wire_keep_whole().
 */
void groupvpn_prepare(message_t *message);

/**
 * Add the payloads of a request to register for a group to a message: IDg, and
 * as SAg what we can do.
 *
 * @param rekey			a Rekey SA is among it
 */
bool groupvpn_add_request(message_t *message, groupvpn_group_t *group,
						  bool rekey);

/**
 * Add the IDg payload to a message.
 */
bool groupvpn_add_idg(message_t *message, uint32_t group_id);

/**
 * Add GSA and KD payloads to a message, keys wrapped for the IKE_SA, and the
 * notify that says transport mode.
 *
 * @return				FALSE if the content is not valid
 */
bool groupvpn_add_gsa(message_t *message, ike_sa_t *ike_sa,
					  const struct gv_gsa *gsa);

/**
 * What else we can do than what everybody can, of enum gv_can.
 */
#define GROUPVPN_CAN (GV_CAN_SHARED | GV_CAN_IPIP | GV_CAN_IPIP6)

/**
 * Decode the GSA and KD payloads of a message.
 *
 * @param path			receives the keys that come with a Rekey SA, to be
 *						wiped; NULL if there must be none
 * @param gsa			receives the content, to be wiped; undefined on errors
 * @return				GV_GIKEV2_MISSING if one of them is absent
 */
enum gv_gikev2_error groupvpn_get_gsa(message_t *message, ike_sa_t *ike_sa,
									  struct gv_key_path *path,
									  struct gv_gsa *gsa);

/**
 * Add the reason of an error notify to a message.
 *
 * @param why			text for the operator at the other end
 */
void groupvpn_add_reason(message_t *message, char *why);

/**
 * Get the reason of an error notify from a message, made fit to be logged.
 *
 * @param why			receives the text, empty if there is none
 */
void groupvpn_get_reason(message_t *message, char why[GV_TEXT_MAX + 1]);

/**
 * Name of an error notify of RFC 9838, which charon has no names for.
 */
char *groupvpn_notify_name(notify_type_t type);

#endif /** GROUPVPN_PAYLOAD_H_ @}*/
