/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * SA table of one group: its live epochs and their keys.
 *
 * @defgroup groupvpn_sa_table groupvpn_sa_table
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_SA_TABLE_H_
#define GROUPVPN_SA_TABLE_H_

#include "groupvpn_util.h"

#include <gikev2.h>

typedef struct groupvpn_sa_table_t groupvpn_sa_table_t;
typedef struct groupvpn_sa_t groupvpn_sa_t;

/**
 * Data SA of the group, one epoch.
 */
struct groupvpn_sa_t {

	/** what identifies it, and the group secret; lifetime as distributed */
	struct gv_epoch_sa sa;

	/** when it was added to the table */
	uint64_t since;

	/** when the keys must not be used anymore */
	uint64_t expires;

	/** when the SA is removed because a newer one took over */
	uint64_t retires;

	/** member: packets, 0 for no replay protection */
	uint32_t replay_window;

	/** member: our Sender-ID in this epoch */
	uint32_t sender_id;

	/** member: when to send with it */
	uint64_t activates;

	/** member: we send with it */
	bool sending;

	/** member: the state of a shared SA that we receive with is in the
	 * kernel */
	bool receiving;
};

/**
 * The epochs of a group, oldest first. Not thread-safe, its owner locks it.
 */
struct groupvpn_sa_table_t {

	/**
	 * Add an epoch, which must be newer than all others.
	 *
	 * @param sa		epoch, copied
	 * @param now		groupvpn_now(), from which sa->lifetime counts
	 * @return			the new entry, owned by the table; NULL if the epoch is
	 *					not newer
	 */
	groupvpn_sa_t *(*add)(groupvpn_sa_table_t *this,
						  const struct gv_epoch_sa *sa, uint64_t now);

	/**
	 * Find an epoch.
	 */
	groupvpn_sa_t *(*find)(groupvpn_sa_table_t *this, uint32_t epoch);

	/**
	 * Get the newest epoch, NULL if there is none.
	 */
	groupvpn_sa_t *(*newest)(groupvpn_sa_table_t *this);

	/**
	 * When to begin to send with an epoch that is added now: after the
	 * activation delay, but before the last one that is sent with ends, and at
	 * once if there is none.
	 *
	 * @param atd		activation delay, seconds
	 * @param now		groupvpn_now()
	 * @return			when
	 */
	uint64_t (*get_activation)(groupvpn_sa_table_t *this, uint32_t atd,
							   uint64_t now);

	/**
	 * Whether one of the epochs has a tag.
	 */
	bool (*has_tag)(groupvpn_sa_table_t *this, uint8_t tag);

	/**
	 * Enumerate the epochs, oldest first.
	 *
	 * @return			enumerator over groupvpn_sa_t*
	 */
	enumerator_t *(*create_enumerator)(groupvpn_sa_table_t *this);

	/**
	 * Get the oldest epoch that has expired or is to retire.
	 */
	groupvpn_sa_t *(*due)(groupvpn_sa_table_t *this, uint64_t now);

	/**
	 * Remove an epoch and wipe its keys.
	 */
	void (*remove)(groupvpn_sa_table_t *this, groupvpn_sa_t *sa);

	/**
	 * Copy the newest epochs for distribution, lifetimes as they are now: until
	 * they expire or retire. Those of another mode are left out.
	 *
	 * @param first		leave out epochs older than this
	 * @param gsa		has sa_mode; epochs and their number get set
	 * @param now		groupvpn_now()
	 */
	void (*export)(groupvpn_sa_table_t *this, uint32_t first,
				   struct gv_gsa *gsa, uint64_t now);

	/**
	 * Destroy the table, wiping the keys.
	 */
	void (*destroy)(groupvpn_sa_table_t *this);
};

/**
 * Whether an epoch is one of a shared SA: then it has an ESP key, the same for
 * all senders. Members have no group secret with it.
 */
bool groupvpn_sa_is_shared(const groupvpn_sa_t *sa);

/**
 * Create an empty table.
 */
groupvpn_sa_table_t *groupvpn_sa_table_create();

#endif /** GROUPVPN_SA_TABLE_H_ @}*/
