/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The exchange types of RFC 9838 on the wire.
 *
 * charon's parser knows no exchange types 39 to 42. Within charon a GSA_AUTH
 * is therefore an IKE_AUTH, and GSA_REGISTRATION and GSA_INBAND_REKEY are
 * INFORMATIONALs, told apart by the reserved bits of the IKE header; on the
 * wire they have the RFC's types and no reserved bit.
 *
 * @defgroup groupvpn_wire groupvpn_wire
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_WIRE_H_
#define GROUPVPN_WIRE_H_

#include <encoding/message.h>
#include <sa/ike_sa.h>

#include <gikev2.h>

typedef enum groupvpn_wire_counter_t groupvpn_wire_counter_t;
typedef struct groupvpn_wire_peer_t groupvpn_wire_peer_t;

/**
 * Payload type of SAg (RFC 9838, 4.3) within charon, and on the wire in an
 * exchange type that is not the RFC's: charon would take the RFC's 33 for a
 * proposal of an IKE_SA or CHILD_SA. Private use.
 */
#define GROUPVPN_PAYLOAD_SAG 133

/**
 * Datagrams of these exchange types that are counted
 */
enum groupvpn_wire_counter_t {
	/** received, and translated */
	GROUPVPN_WIRE_RECEIVED,
	/** received, but not a protected message of an IKE_SA: left to charon */
	GROUPVPN_WIRE_INVALID,
	/** sent */
	GROUPVPN_WIRE_SENT,
	GROUPVPN_WIRE_COUNTERS
};

/**
 * What is known of the exchanges of an IKE_SA. Used by whoever has that checked
 * out.
 */
struct groupvpn_wire_peer_t {

	/** exchange type on the wire of the last request that was sent */
	uint8_t sent;

	/** and that was received, authentic or not */
	uint8_t received;

	/** a member has registered in the RFC's exchange types, or tried to */
	bool used;
};

/**
 * Begin to send and receive the RFC's exchange types. Calling it again does
 * nothing. Without it charon is left as it is.
 */
void groupvpn_wire_start();

/**
 * Whether that was begun.
 */
bool groupvpn_wire_started();

/**
 * Leave charon as it was; with its threads stopped, or not yet started.
 */
void groupvpn_wire_stop();

/**
 * Get a counter, once started.
 */
uint64_t groupvpn_wire_count(groupvpn_wire_counter_t counter);

/**
 * Find what is known of an IKE_SA, which is checked out.
 *
 * @return			NULL if it can not carry these exchange types, being
 *					created before the start
 */
groupvpn_wire_peer_t *groupvpn_wire_find(ike_sa_t *ike_sa);

/**
 * Whether an exchange type is one of those that are translated.
 */
bool groupvpn_wire_is_ours(uint8_t type);

/**
 * Get the exchange type that a message has on the wire.
 */
uint8_t groupvpn_wire_get_type(message_t *message);

/**
 * Set the exchange type that a message, to be sent by an IKE_SA that can, has
 * on the wire.
 *
 * @param type		GV_EXCHANGE_GSA_AUTH for an IKE_AUTH,
 *					GV_EXCHANGE_GSA_REGISTRATION or
 *					GV_EXCHANGE_GSA_INBAND_REKEY for an INFORMATIONAL
 */
void groupvpn_wire_set_type(message_t *message, uint8_t type);

/**
 * Make a message that was received, or a fragment, what it is within charon,
 * before anybody looks at its exchange type.
 */
void groupvpn_wire_restore(message_t *message);

/**
 * Have a message with our payloads sent without IKE fragmentation if it is an
 * INFORMATIONAL on the wire, too: a charon with mediation, which Debian's is,
 * would not receive that. IP fragments it instead.
 */
void groupvpn_wire_keep_whole(message_t *message);

#endif /** GROUPVPN_WIRE_H_ @}*/
