/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The Rekey SA of one group at a member: what GSA_REKEY messages are opened
 * with, and what comes of those that bgpd hears.
 *
 * @defgroup groupvpn_rekey_sa groupvpn_rekey_sa
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_REKEY_SA_H_
#define GROUPVPN_REKEY_SA_H_

#include "groupvpn_util.h"

#include <gikev2.h>

typedef struct groupvpn_rekey_sa_t groupvpn_rekey_sa_t;
typedef enum groupvpn_rekey_counter_t groupvpn_rekey_counter_t;

/**
 * What is counted.
 */
enum groupvpn_rekey_counter_t {
	GROUPVPN_REKEYS_BY_BGP,
	GROUPVPN_REKEYS_REPLAYED,
	GROUPVPN_REKEYS_FORGED,
	GROUPVPN_REKEYS_NOT_SIGNED,
	GROUPVPN_REKEYS_MALFORMED,
	GROUPVPN_REKEYS_MISSED,
	GROUPVPN_REKEYS_EXCLUDED,
	GROUPVPN_REKEYS_UNUSABLE,
	GROUPVPN_REKEY_COUNTERS
};

/**
 * Names of the counters.
 */
extern enum_name_t *groupvpn_rekey_counter_names;

/**
 * The Rekey SA. Not thread-safe, its owner locks it.
 */
struct groupvpn_rekey_sa_t {

	/**
	 * Use the Rekey SA of a registration, or none if it has none. Messages
	 * that were heard are looked at anew; if it is the one in use those that
	 * were taken are not taken again, whatever its next Message-ID
	 * (RFC 9838, 2.3.3).
	 *
	 * @param path		keys that came with it; wiped
	 */
	void (*set)(groupvpn_rekey_sa_t *this, const struct gv_gsa *gsa,
				struct gv_key_path *path);

	/**
	 * Forget it, and the messages.
	 */
	void (*clear)(groupvpn_rekey_sa_t *this);

	/**
	 * Whether there is one.
	 */
	bool (*is_active)(groupvpn_rekey_sa_t *this);

	/**
	 * Take the messages that bgpd has now, in place of those it had; none if
	 * it hears of none. If its neighbors do not say the same there are several
	 * chains of them.
	 *
	 * @param chains	messages of each, one after the other, the oldest first
	 * @param count		number of chains; those over GV_CTL_CHAINS_MAX are
	 *					left out
	 */
	void (*hear)(groupvpn_rekey_sa_t *this, const chunk_t *chains, u_int count);

	/**
	 * Whether bgpd has messages.
	 */
	bool (*is_hearing)(groupvpn_rekey_sa_t *this);

	/**
	 * Open the next message that was heard and is new to us. A new Rekey SA
	 * is in use when it returns.
	 *
	 * @param can		of enum gv_can, what else we can do
	 * @param gsa		receives the content, to be wiped; it may be a Rekey SA
	 *					alone
	 * @return			FALSE if there is none anymore
	 */
	bool (*receive)(groupvpn_rekey_sa_t *this, u_int can, struct gv_gsa *gsa);

	/**
	 * Whether keys were missed, so that only a registration helps; what is
	 * heard later may change that.
	 *
	 * @return			the reason, NULL if not
	 */
	const char *(*is_lost)(groupvpn_rekey_sa_t *this);

	/**
	 * When it ends; GROUPVPN_NEVER if there is none.
	 */
	uint64_t (*get_expiry)(groupvpn_rekey_sa_t *this);

	/**
	 * Its SPI, the next Message-ID, and how many keys there are in the path.
	 *
	 * @return			FALSE if there is none
	 */
	bool (*describe)(groupvpn_rekey_sa_t *this, chunk_t *spi,
					 uint32_t *message_id, u_int *keys);

	/**
	 * The counters, GROUPVPN_REKEY_COUNTERS of them, owned by it.
	 */
	uint64_t *(*get_counters)(groupvpn_rekey_sa_t *this);

	/**
	 * Destroy it, wiping the keys.
	 */
	void (*destroy)(groupvpn_rekey_sa_t *this);
};

/**
 * Create a member's side of a Rekey SA, which there is none yet of.
 *
 * @param name			name of the group, for the log
 * @param id			group-ID
 */
groupvpn_rekey_sa_t *groupvpn_rekey_sa_create(char *name, uint32_t id);

#endif /** GROUPVPN_REKEY_SA_H_ @}*/
