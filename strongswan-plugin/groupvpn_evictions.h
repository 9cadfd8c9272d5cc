/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Identities that were evicted from one group at its GCKS and are not admitted
 * again until they are readmitted.
 *
 * @defgroup groupvpn_evictions groupvpn_evictions
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_EVICTIONS_H_
#define GROUPVPN_EVICTIONS_H_

#include "groupvpn_util.h"

#include <credentials/certificates/certificate.h>
#include <utils/identification.h>

typedef struct groupvpn_evictions_t groupvpn_evictions_t;
typedef struct groupvpn_eviction_t groupvpn_eviction_t;

/**
 * One eviction.
 */
struct groupvpn_eviction_t {

	/** authenticated identity */
	identification_t *identity;

	/** reason, for the operator */
	char why[GV_TEXT_MAX + 1];

	/** when, groupvpn_now() based */
	uint64_t since;
};

/**
 * The evictions of a group. Not thread-safe, its owner locks it.
 */
struct groupvpn_evictions_t {

	/**
	 * Add an identity.
	 *
	 * @param identity	authenticated identity, cloned
	 * @param why		reason, for the operator
	 * @return			FALSE if it is there already
	 */
	bool (*add)(groupvpn_evictions_t *this, identification_t *identity,
				char *why);

	/**
	 * Find the eviction of an identity, NULL if there is none.
	 */
	groupvpn_eviction_t *(*find)(groupvpn_evictions_t *this,
								 identification_t *identity);

	/**
	 * Find the oldest eviction that locks somebody out, see
	 * groupvpn_eviction_is_of().
	 *
	 * @param certificate	NULL if there is none
	 * @return				NULL if there is none
	 */
	groupvpn_eviction_t *(*find_any)(groupvpn_evictions_t *this,
									 identification_t *identity,
									 certificate_t *certificate);

	/**
	 * Remove an identity.
	 *
	 * @return			FALSE if it is not there
	 */
	bool (*remove)(groupvpn_evictions_t *this, identification_t *identity);

	/**
	 * Number of evictions.
	 */
	u_int (*get_count)(groupvpn_evictions_t *this);

	/**
	 * Enumerate the evictions, oldest first.
	 *
	 * @return			enumerator over groupvpn_eviction_t*
	 */
	enumerator_t *(*create_enumerator)(groupvpn_evictions_t *this);

	/**
	 * Destroy the evictions.
	 */
	void (*destroy)(groupvpn_evictions_t *this);
};

/**
 * Whether an eviction locks somebody out: it is of the identity, or of another
 * name in the certificate by which it was proved.
 *
 * @param certificate	NULL if there is none
 */
bool groupvpn_eviction_is_of(groupvpn_eviction_t *eviction,
							 identification_t *identity,
							 certificate_t *certificate);

/**
 * Create an empty set of evictions.
 */
groupvpn_evictions_t *groupvpn_evictions_create();

#endif /** GROUPVPN_EVICTIONS_H_ @}*/
