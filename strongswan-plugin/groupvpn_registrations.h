/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Registration table of one group at its GCKS: who is a member, and by which
 * identifiers.
 *
 * @defgroup groupvpn_registrations groupvpn_registrations
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_REGISTRATIONS_H_
#define GROUPVPN_REGISTRATIONS_H_

#include <library.h>
#include <networking/host.h>
#include <sa/ike_sa_id.h>
#include <utils/identification.h>

typedef struct groupvpn_registrations_t groupvpn_registrations_t;
typedef struct groupvpn_registration_t groupvpn_registration_t;

/**
 * One identity that has registered. The entry outlives its registration, so
 * that member-ID and Sender-ID wait for the member to come back.
 */
struct groupvpn_registration_t {

	/** authenticated identity */
	identification_t *identity;

	/** member-ID of the identity, not 0 */
	uint16_t member_id;

	/** Sender-ID, 0 if none is held */
	uint32_t sender_id;

	/** where it registered from, NULL if it is not registered */
	host_t *gateway;

	/** IKE_SA it is registered by; unique ID 0 if it is not registered */
	uint32_t ike_sa;
	ike_sa_id_t *ike_sa_id;
};

/**
 * The registrations. Not thread-safe, its owner locks it.
 */
struct groupvpn_registrations_t {

	/**
	 * Find the entry of an identity, and make one if there is none.
	 *
	 * @param member_id	member-ID to give a new entry if it is free, or 0
	 * @return			entry, owned by the table; NULL if there is no
	 *					member-ID left
	 */
	groupvpn_registration_t *(*get)(groupvpn_registrations_t *this,
									identification_t *identity,
									uint16_t member_id);

	/**
	 * Find the entry with a member-ID, NULL if there is none.
	 */
	groupvpn_registration_t *(*find)(groupvpn_registrations_t *this,
									 uint16_t member_id);

	/**
	 * Give an entry a Sender-ID that was never given since the last restart.
	 *
	 * @return			FALSE if there is none left: start a new epoch, and
	 *					call restart()
	 */
	bool (*allot)(groupvpn_registrations_t *this,
				  groupvpn_registration_t *registration);

	/**
	 * Let an entry keep a Sender-ID that an earlier run of the GCKS gave it.
	 *
	 * @return			FALSE if it was given by this run, to whomever
	 */
	bool (*keep)(groupvpn_registrations_t *this,
				 groupvpn_registration_t *registration, uint32_t sender_id);

	/**
	 * Begin to allot Sender-IDs anew, for a new epoch.
	 *
	 * Those held now are still not given to others.
	 */
	void (*restart)(groupvpn_registrations_t *this);

	/**
	 * Enumerate all entries, those not registered included.
	 *
	 * @return			enumerator over groupvpn_registration_t*
	 */
	enumerator_t *(*create_enumerator)(groupvpn_registrations_t *this);

	/**
	 * Destroy the table.
	 */
	void (*destroy)(groupvpn_registrations_t *this);
};

/**
 * Create an empty table.
 */
groupvpn_registrations_t *groupvpn_registrations_create();

/**
 * Tie an entry to an IKE_SA and a gateway.
 */
void groupvpn_registration_set(groupvpn_registration_t *this, uint32_t ike_sa,
							   ike_sa_id_t *ike_sa_id, host_t *gateway);

/**
 * Mark an entry as not registered.
 */
void groupvpn_registration_clear(groupvpn_registration_t *this);

#endif /** GROUPVPN_REGISTRATIONS_H_ @}*/
