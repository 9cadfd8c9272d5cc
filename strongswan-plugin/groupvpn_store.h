/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What a GCKS must not forget: the epochs and keys of its groups, their Rekey
 * SAs, and which identifiers it has given.
 *
 * @defgroup groupvpn_store groupvpn_store
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_STORE_H_
#define GROUPVPN_STORE_H_

#include <collections/linked_list.h>

#include "groupvpn_evictions.h"
#include "groupvpn_registrations.h"
#include "groupvpn_sa_table.h"

#include <lkh.h>
#include <rekey.h>

typedef struct groupvpn_store_t groupvpn_store_t;
typedef struct groupvpn_store_group_t groupvpn_store_group_t;
typedef struct groupvpn_store_kek_t groupvpn_store_kek_t;
typedef struct groupvpn_store_message_t groupvpn_store_message_t;

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

	/** digest of who might be a member, 0 if not known */
	uint32_t admission;
};

/**
 * State of a group's Rekey SA, besides its key tree and messages.
 */
struct groupvpn_store_kek_t {

	/** policy and keys; lifetime as it was when it began */
	struct gv_kek kek;

	/** private key of the GCKS's signatures */
	uint8_t sign_key[GV_SIGN_KEY_LEN];

	/** when it ends, groupvpn_now() based */
	uint64_t expires;

	/** somebody has it who is no member anymore */
	bool stale;
};

/**
 * A GSA_REKEY message.
 */
struct groupvpn_store_message_t {

	/** the message */
	uint8_t octets[GV_REKEY_MAX];
	size_t len;

	/** it brings a new KEK, or else new data keys */
	bool brings_kek;

	/** when it was made, groupvpn_now() based */
	uint64_t since;
};

/**
 * The store of a GCKS. Not thread-safe but for sync() and check(), its
 * owner locks it.
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
	 * Save the identifiers of a member of a group, and its certificates.
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
	 * Read the Rekey SA of a group.
	 *
	 * @param kek		receives its state; to be wiped
	 * @param tree		receives the key tree, in nodes that were allocated
	 * @param messages	receives groupvpn_store_message_t*, oldest first, which
	 *					are the caller's to free
	 * @return			NOT_FOUND if there is none, FAILED if it can not be
	 *					read, which is logged
	 */
	status_t (*load_kek)(groupvpn_store_t *this, uint32_t id,
						 groupvpn_store_kek_t *kek, struct gv_lkh *tree,
						 linked_list_t *messages);

	/**
	 * Save the state of a group's Rekey SA, and of its key tree.
	 */
	void (*save_kek)(groupvpn_store_t *this, uint32_t id,
					 const groupvpn_store_kek_t *kek,
					 const struct gv_lkh *tree);

	/**
	 * Save the keys of a tree whose key ID is not below one.
	 */
	void (*save_keys)(groupvpn_store_t *this, uint32_t id,
					  const struct gv_lkh *tree, uint32_t first);

	/**
	 * Remove the key of a leaf of the tree and those above it, or only these.
	 *
	 * @param leaf		its number from the left, which growth does not change
	 * @param above		leave its own key alone
	 */
	void (*remove_path)(groupvpn_store_t *this, uint32_t id, uint32_t leaf,
						bool above);

	/**
	 * Save which messages a group has, groupvpn_store_message_t*, oldest first.
	 */
	void (*save_messages)(groupvpn_store_t *this, uint32_t id,
						  linked_list_t *messages);

	/**
	 * Remove the keys of a group's tree, or with them its Rekey SA and the
	 * messages.
	 */
	void (*remove_keys)(groupvpn_store_t *this, uint32_t id);
	void (*remove_kek)(groupvpn_store_t *this, uint32_t id);

	/**
	 * End a change.
	 *
	 * @return			FALSE if nothing of it was stored. Nothing of it may be
	 *					told to anybody then
	 */
	bool (*commit)(groupvpn_store_t *this);

	/**
	 * Have sync() wait for the disk, since the last change, which was not
	 * durable, has to be before anybody is told of it.
	 *
	 * @return			ticket to wait for that change with, higher than those
	 *					before; 0 if there is nothing to wait for
	 */
	uint64_t (*defer)(groupvpn_store_t *this);

	/**
	 * Wait until a change that was deferred, and those before it, are durable.
	 * Threads that do so at the same time wait for the disk once. May be called
	 * without the owner's lock, and should be.
	 *
	 * @param ticket	of defer()
	 * @return			FALSE if it is not and never will be, which is logged;
	 *					nothing is stored after that
	 */
	bool (*sync)(groupvpn_store_t *this, uint64_t ticket);

	/**
	 * What has become of a change that was deferred, without waiting. May be
	 * called without the owner's lock.
	 *
	 * @param ticket	of defer()
	 * @return			SUCCESS if it is durable, NEED_MORE if not yet, FAILED if
	 *					it never will be
	 */
	status_t (*check)(groupvpn_store_t *this, uint64_t ticket);

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
