/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * @defgroup groupvpn_route_keys groupvpn_route_keys
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_ROUTE_KEYS_H_
#define GROUPVPN_ROUTE_KEYS_H_

#include "groupvpn_util.h"

typedef struct groupvpn_route_keys_t groupvpn_route_keys_t;
typedef struct groupvpn_route_key_t groupvpn_route_key_t;

/**
 * A route epoch and its secret.
 */
struct groupvpn_route_key_t {

	/** route epoch, 0 if there is none */
	uint32_t epoch;

	/** secret of the group's routes, GV_SECRET_LEN octets */
	uint8_t *secret;
};

/**
 * The secrets of a group's routes, and how one follows another: the new one is
 * taken at once, used for what is sent once it activates, and the old one is
 * taken until it retires. Not thread-safe, its owner locks it.
 */
struct groupvpn_route_keys_t {

	/**
	 * Take over a secret. One that is used or comes next changes nothing; the
	 * one that went before comes next once more; the first one is used at once;
	 * one that comes while two are there takes the place of the one that is not
	 * used.
	 *
	 * @param activates	when to use it, groupvpn_now() based
	 * @param retires	when the one before it is forgotten, not earlier
	 * @return			whether it is new
	 */
	bool (*add)(groupvpn_route_keys_t *this, uint32_t epoch,
				const uint8_t secret[GV_SECRET_LEN], uint64_t activates,
				uint64_t retires);

	/**
	 * Forget the one that comes next, if there is one: nobody was told of it.
	 */
	void (*cancel)(groupvpn_route_keys_t *this);

	/**
	 * Do what is due; TRUE if anything was.
	 */
	bool (*run)(groupvpn_route_keys_t *this, uint64_t now);

	/**
	 * When something is due, GROUPVPN_NEVER if nothing is.
	 */
	uint64_t (*get_deadline)(groupvpn_route_keys_t *this);

	/**
	 * The one that is used, the other one that is taken, and the one that came
	 * last. Of those that are not there the epoch is 0. Owned by the object,
	 * valid until it changes.
	 */
	const groupvpn_route_key_t *(*current)(groupvpn_route_keys_t *this);
	const groupvpn_route_key_t *(*other)(groupvpn_route_keys_t *this);
	const groupvpn_route_key_t *(*newest)(groupvpn_route_keys_t *this);

	/**
	 * Forget and wipe all of them.
	 */
	void (*clear)(groupvpn_route_keys_t *this);

	/**
	 * Destroy the object, wiping the secrets.
	 */
	void (*destroy)(groupvpn_route_keys_t *this);
};

/**
 * Create an object without a secret.
 */
groupvpn_route_keys_t *groupvpn_route_keys_create();

#endif /** GROUPVPN_ROUTE_KEYS_H_ @}*/
