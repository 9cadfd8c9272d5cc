/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The prefixes of one member, as its GCKS knows them: those that it claimed
 * when it registered, or those that are heard of it by BGP.
 *
 * @defgroup groupvpn_prefixes groupvpn_prefixes
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_PREFIXES_H_
#define GROUPVPN_PREFIXES_H_

#include <library.h>

#include <prefixes.h>

/** announcements of a member that are kept */
#define GROUPVPN_HEARD_MAX 4096

typedef struct groupvpn_prefixes_t groupvpn_prefixes_t;

/**
 * Prefixes of a member. Not thread-safe, its owner locks it.
 */
struct groupvpn_prefixes_t {

	/**
	 * Replace what the member claims.
	 *
	 * @param prefixes	rising, at most GV_PREFIXES_MAX
	 */
	void (*claim)(groupvpn_prefixes_t *this, const struct gv_prefix *prefixes,
				  size_t count);

	/**
	 * Get what the member claims.
	 *
	 * @param prefixes	receives them, owned by the object
	 * @return			their number
	 */
	size_t (*get_claim)(groupvpn_prefixes_t *this,
						const struct gv_prefix **prefixes);

	/**
	 * A prefix is heard by BGP. One prefix may be announced in several ways, as
	 * happens while the secret of the routes changes.
	 *
	 * @param nlri		how it is announced
	 * @param prefix	what that means
	 * @param client	control client that hears it
	 * @return			FALSE if there are more than GROUPVPN_HEARD_MAX
	 */
	bool (*hear)(groupvpn_prefixes_t *this, const struct gv_prefix *nlri,
				 const struct gv_prefix *prefix, u_int client);

	/**
	 * It is not anymore.
	 */
	void (*unhear)(groupvpn_prefixes_t *this, const struct gv_prefix *nlri);

	/**
	 * Forget what was heard by others than one client.
	 *
	 * @param client	client, 0 to forget all
	 */
	void (*keep)(groupvpn_prefixes_t *this, u_int client);

	/**
	 * Whether the prefixes are others than at the last call.
	 */
	bool (*has_changed)(groupvpn_prefixes_t *this);

	/**
	 * Get all prefixes, rising; of more than GV_PREFIXES_MAX the first.
	 *
	 * @return			how many there are, which may be more
	 */
	size_t (*get)(groupvpn_prefixes_t *this,
				  struct gv_prefix prefixes[GV_PREFIXES_MAX]);

	/**
	 * Destroy it.
	 */
	void (*destroy)(groupvpn_prefixes_t *this);
};

/**
 * Create an object without prefixes.
 */
groupvpn_prefixes_t *groupvpn_prefixes_create();

/**
 * Prefixes as text, separated by commas.
 *
 * @return				allocated text, NULL if there are none
 */
char *groupvpn_prefixes_text(const struct gv_prefix *prefixes, size_t count);

#endif /** GROUPVPN_PREFIXES_H_ @}*/
