/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The Rekey SA of one group at its GCKS: the KEK, the key tree of those who
 * have it, and the GSA_REKEY messages that lead to the group's current keys.
 *
 * @defgroup groupvpn_kek groupvpn_kek
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_KEK_H_
#define GROUPVPN_KEK_H_

#include "groupvpn_store.h"
#include "groupvpn_vici.h"

typedef struct groupvpn_kek_t groupvpn_kek_t;

/**
 * The Rekey SA. Not thread-safe, its owner locks it.
 *
 * Whatever changes it is to be stored before anybody is told: the owner has
 * save() called in a change of the store, and afterwards settle().
 */
struct groupvpn_kek_t {

	/**
	 * Read it from the store, or make a new one if that has none.
	 *
	 * @param lifetime	of a new KEK, in seconds
	 * @return			FALSE if it can not be read or made, which is logged
	 */
	bool (*start)(groupvpn_kek_t *this, uint32_t lifetime);

	/**
	 * Put a member into the key tree, if it is not there.
	 *
	 * @return			FALSE if that is not possible, which is logged
	 */
	bool (*add)(groupvpn_kek_t *this, uint16_t member_id);

	/**
	 * Take a member out of the key tree, if it is there. It has the KEK until
	 * the next renewal.
	 */
	void (*remove)(groupvpn_kek_t *this, uint16_t member_id);

	/**
	 * Have the next renewal change all keys that a member shares with others,
	 * and the KEK before the next message: one who has joined learns nothing
	 * that was sent before (rekey on add). To be called before export().
	 */
	void (*refresh)(groupvpn_kek_t *this, uint16_t member_id);

	/**
	 * Have the next message come under another KEK.
	 */
	void (*distrust)(groupvpn_kek_t *this);

	/**
	 * Whether a member is in the key tree.
	 */
	bool (*has)(groupvpn_kek_t *this, uint16_t member_id);

	/**
	 * Whether the store has all that a member would be told, or it is not in
	 * the key tree.
	 */
	bool (*is_stored)(groupvpn_kek_t *this, uint16_t member_id);

	/**
	 * Whether somebody has the KEK who must not read what follows.
	 */
	bool (*is_stale)(groupvpn_kek_t *this);

	/**
	 * Begin another KEK, and make the message that brings it to all who are in
	 * the tree. publish() has to follow in the same change.
	 *
	 * @param lifetime	of the KEK, in seconds
	 * @return			FALSE on errors, which are logged: settle(FALSE)
	 */
	bool (*renew)(groupvpn_kek_t *this, uint32_t lifetime);

	/**
	 * Make the message that brings data keys, in place of the last such.
	 *
	 * @param gsa		epochs and group-wide policy, without a KEK; the
	 *					oldest epochs are left out if there is no room
	 * @return			FALSE on errors, which are logged: settle(FALSE)
	 */
	bool (*publish)(groupvpn_kek_t *this, const struct gv_gsa *gsa);

	/**
	 * Whether those who were in the tree before the last renewal can not
	 * follow it, because the message that brings the KEK is too long.
	 */
	bool (*is_broken)(groupvpn_kek_t *this);

	/**
	 * Whether something has changed that the store does not have.
	 */
	bool (*is_changed)(groupvpn_kek_t *this);

	/**
	 * Save what has changed, in a change of the store.
	 */
	void (*save)(groupvpn_kek_t *this);

	/**
	 * After the change. If it was not stored renew() and publish() have not
	 * happened; who was added or removed still is, for the next change.
	 */
	void (*settle)(groupvpn_kek_t *this, bool stored);

	/**
	 * When the KEK has to be renewed because of its lifetime.
	 */
	uint64_t (*get_renewal)(groupvpn_kek_t *this);

	/**
	 * Add to a registration's answer what a member in the tree needs.
	 *
	 * @param gsa		KEK and path get set
	 * @param path		receives the member's keys; to be wiped, as gsa
	 */
	void (*export)(groupvpn_kek_t *this, uint16_t member_id,
				   struct gv_gsa *gsa, struct gv_key_path *path);

	/**
	 * Get the lifetime that the Rekey SA began with, in seconds.
	 */
	uint32_t (*get_lifetime)(groupvpn_kek_t *this);

	/**
	 * Get the current messages, one after the other, the oldest first.
	 *
	 * @return			number of octets, at most GV_REKEY_MAX
	 */
	size_t (*get_messages)(groupvpn_kek_t *this, uint8_t *buf);

	/**
	 * Add what there is to say of it to a message.
	 */
	void (*describe)(groupvpn_kek_t *this, vici_builder_t *builder);

	/**
	 * Destroy it, wiping the keys.
	 */
	void (*destroy)(groupvpn_kek_t *this);
};

/**
 * Create the Rekey SA of a group, to be started.
 *
 * @param name			name of the group, for the log
 * @param id			group-ID
 * @param store			store
 */
groupvpn_kek_t *groupvpn_kek_create(char *name, uint32_t id,
									groupvpn_store_t *store);

#endif /** GROUPVPN_KEK_H_ @}*/
