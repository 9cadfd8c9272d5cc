/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What a GCKS must not forget: the epochs and keys of its groups, and which
 * identifiers it has given.
 *
 * @defgroup groupvpn_store groupvpn_store
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_STORE_H_
#define GROUPVPN_STORE_H_

#include "groupvpn_evictions.h"
#include "groupvpn_registrations.h"
#include "groupvpn_sa_table.h"

typedef struct groupvpn_store_t groupvpn_store_t;
typedef struct groupvpn_store_group_t groupvpn_store_group_t;

/**
 * State of a group, besides its epochs and members.
 */
struct groupvpn_store_group_t {

	/** group-ID */
	uint32_t id;

	/** name it had when it was saved */
	char name[GV_NAME_MAX + 1];

	/** secret of the group's routes */
	uint32_t route_epoch;
	uint8_t route_secret[GV_SECRET_LEN];

	/** first epoch whose Sender-IDs are counted as now */
	uint32_t first_epoch;

	/** Sender-IDs up to this one may have been given */
	uint32_t sender_id;

	/** when the next epoch begins, groupvpn_now() based */
	uint64_t roll;
};

/**
 * The store of a GCKS. Not thread-safe, its owner locks it.
 *
 * All is written in changes: begin(), what is saved and removed, commit(). A
 * change is stored as a whole or not at all.
 */
struct groupvpn_store_t {

	/**
	 * Open the store, if it is not open yet.
	 *
	 * The first time, it is created. A store that can not be trusted is left
	 * alone; what is wrong with it and what to do is logged.
	 *
	 * @return			FALSE if there is no store to work with
	 */
	bool (*open)(groupvpn_store_t *this);

	/**
	 * Read a group.
	 *
	 * Times are given relative to now. None is further away than the lifetime
	 * that the epoch had when it began, whatever has happened to the clock.
	 *
	 * @param id			group-ID
	 * @param group			receives its state; to be wiped
	 * @param sas			receives the epochs that are alive
	 * @param registrations	receives the members, none of them registered
	 * @param evictions		receives who was evicted
	 * @return				NOT_FOUND if the store does not know the group,
	 *						FAILED if it can not be read, which is logged
	 */
	status_t (*load)(groupvpn_store_t *this, uint32_t id,
					 groupvpn_store_group_t *group, groupvpn_sa_table_t *sas,
					 groupvpn_registrations_t *registrations,
					 groupvpn_evictions_t *evictions);

	/**
	 * Whether a live epoch of any group, in use here or not, has a tag.
	 */
	bool (*has_tag)(groupvpn_store_t *this, uint8_t tag);

	/**
	 * Begin a change.
	 *
	 * @param durable	have commit() wait for the disk: the change survives
	 *					the loss of power, and so do all before it. Otherwise
	 *					it only survives the end of this process
	 */
	void (*begin)(groupvpn_store_t *this, bool durable);

	/**
	 * Save the state of a group.
	 */
	void (*save_group)(groupvpn_store_t *this,
					   const groupvpn_store_group_t *group);

	/**
	 * Save an epoch of a group.
	 *
	 * @param retires	when it retires, in place of what is in sa
	 */
	void (*save_epoch)(groupvpn_store_t *this, uint32_t id, groupvpn_sa_t *sa,
					   uint64_t retires);

	/**
	 * Remove an epoch of a group.
	 */
	void (*remove_epoch)(groupvpn_store_t *this, uint32_t id, uint32_t epoch);

	/**
	 * Save the identifiers of a member of a group.
	 */
	void (*save_member)(groupvpn_store_t *this, uint32_t id,
						groupvpn_registration_t *registration);

	/**
	 * Save that an identity is evicted from a group, or is not.
	 *
	 * @param eviction	the eviction, NULL if there is none
	 */
	void (*save_eviction)(groupvpn_store_t *this, uint32_t id,
						  identification_t *identity,
						  groupvpn_eviction_t *eviction);

	/**
	 * End a change.
	 *
	 * @return			FALSE if nothing of it was stored. Nothing of it may be
	 *					told to anybody then
	 */
	bool (*commit)(groupvpn_store_t *this);

	/**
	 * Destroy a groupvpn_store_t.
	 */
	void (*destroy)(groupvpn_store_t *this);
};

/**
 * Create a store in an SQLite database, not open yet.
 *
 * @param file			path of the database
 * @param key_file		path of the key that the secrets in it are wrapped under
 */
groupvpn_store_t *groupvpn_store_create_sqlite(char *file, char *key_file);

/**
 * Create a store that keeps nothing: it takes whatever is saved and never
 * knows a group.
 */
groupvpn_store_t *groupvpn_store_create_none();

#endif /** GROUPVPN_STORE_H_ @}*/
