/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Exchanges in the exchange types of RFC 9838.
 *
 * @defgroup groupvpn_carrier groupvpn_carrier
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_CARRIER_H_
#define GROUPVPN_CARRIER_H_

#include "groupvpn_vici.h"
#include "groupvpn_wire.h"

#include <bus/listeners/listener.h>
#include <sa/ike_sa.h>

typedef struct groupvpn_carrier_t groupvpn_carrier_t;

/**
 * Watches the exchanges. There is at most one.
 */
struct groupvpn_carrier_t {

	/**
	 * Has to be the first of the plugin's listeners: it takes from messages
	 * what has no place in them, and ignores those that must not be.
	 */
	listener_t listener;

	/**
	 * Counters.
	 */
	groupvpn_vici_handler_t management;

	/**
	 * Begin to send and receive the RFC's exchange types, until destroy().
	 * Calling it again does nothing. Without it charon is left as it is.
	 */
	void (*start)(groupvpn_carrier_t *this);

	/**
	 * Destroy a groupvpn_carrier_t, with charon's threads stopped or not yet
	 * started.
	 */
	void (*destroy)(groupvpn_carrier_t *this);
};

/**
 * Create a groupvpn_carrier_t, not started.
 */
groupvpn_carrier_t *groupvpn_carrier_create();

/**
 * Whether an IKE_SA, checked out, can carry the RFC's exchange types: it was
 * created since the start.
 */
bool groupvpn_carrier_can(ike_sa_t *ike_sa);

/**
 * Whether an IKE_SA, checked out, is one by which a member has registered in
 * the RFC's exchange types, or has tried to.
 */
bool groupvpn_carrier_uses(ike_sa_t *ike_sa);

#endif /** GROUPVPN_CARRIER_H_ @}*/
