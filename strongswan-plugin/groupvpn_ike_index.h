/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Index of the registrations of all groups at a GCKS by the IKE_SA that each
 * came by, so that an event of one IKE_SA looks at its own registrations only.
 *
 * @defgroup groupvpn_ike_index groupvpn_ike_index
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_IKE_INDEX_H_
#define GROUPVPN_IKE_INDEX_H_

#include <library.h>

typedef struct groupvpn_ike_index_t groupvpn_ike_index_t;
typedef struct groupvpn_registration_t groupvpn_registration_t;

/**
 * The index. Not thread-safe, its owner locks it. The tables of registrations
 * keep it up to date.
 */
struct groupvpn_ike_index_t {

	/**
	 * Add a registration by its "ike_sa", which must not be 0.
	 */
	void (*add)(groupvpn_ike_index_t *this,
				groupvpn_registration_t *registration);

	/**
	 * Remove a registration, while its "ike_sa" is still what it was added by.
	 */
	void (*remove)(groupvpn_ike_index_t *this,
				   groupvpn_registration_t *registration);

	/**
	 * Find the registration of a group by an IKE_SA.
	 *
	 * @param ike_sa	unique ID of the IKE_SA
	 * @param group_id	group
	 * @return			registration, NULL if there is none
	 */
	groupvpn_registration_t *(*find)(groupvpn_ike_index_t *this,
									 uint32_t ike_sa, uint32_t group_id);

	/**
	 * Whether any group has a registration by an IKE_SA.
	 *
	 * @param ike_sa	unique ID of the IKE_SA
	 */
	bool (*has)(groupvpn_ike_index_t *this, uint32_t ike_sa);

	/**
	 * Enumerate the registrations by an IKE_SA, as they are now: they may be
	 * moved to another one meanwhile.
	 *
	 * @param ike_sa	unique ID of the IKE_SA
	 * @return			enumerator over groupvpn_registration_t*
	 */
	enumerator_t *(*create_enumerator)(groupvpn_ike_index_t *this,
									   uint32_t ike_sa);

	/**
	 * Destroy the index, which is empty.
	 */
	void (*destroy)(groupvpn_ike_index_t *this);
};

/**
 * Create an empty index.
 */
groupvpn_ike_index_t *groupvpn_ike_index_create();

#endif /** GROUPVPN_IKE_INDEX_H_ @}*/
