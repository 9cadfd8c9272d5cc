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

/** announcements of a member that are kept; there are two of each of its
 * prefixes while the secret of the routes changes */
#define GROUPVPN_HEARD_MAX 8192

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
	 * @param client	control client that hears it, not 0
	 * @return			FALSE if there are more than GROUPVPN_HEARD_MAX
	 */
	bool (*hear)(groupvpn_prefixes_t *this, const struct gv_prefix *nlri,
				 const struct gv_prefix *prefix, u_int client);

	/**
	 * It is not anymore.
	 */
	void (*unhear)(groupvpn_prefixes_t *this, const struct gv_prefix *nlri);

	/**
	 * A client is gone: what no other hears is kept until sweep().
	 *
	 * @param client	client, 0 for all
	 */
	void (*lose)(groupvpn_prefixes_t *this, u_int client);

	/**
	 * Forget what was lost and not heard again.
	 */
	void (*sweep)(groupvpn_prefixes_t *this);

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
