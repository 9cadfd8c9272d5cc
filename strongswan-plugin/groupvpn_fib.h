/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The kernel routes of a group whose routes come with the keys: which prefixes
 * lead to which member's gateway. Groups whose routes come by BGP have none
 * here, there they are zebra's.
 *
 * @defgroup groupvpn_fib groupvpn_fib
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_FIB_H_
#define GROUPVPN_FIB_H_

#include "groupvpn_kernel.h"

#include <prefixes.h>

typedef struct groupvpn_fib_t groupvpn_fib_t;

/**
 * The routes of one group. Not thread-safe, its owner locks it.
 *
 * Of the members that have a prefix the one with the lowest member-ID that can
 * be reached gets it. If none can, packets still go to the group's device, where
 * they are dropped, and not another way, in clear; unless that is wanted.
 *
 * What is in the kernel follows from members and link whenever sync() is called.
 */
struct groupvpn_fib_t {

	/**
	 * Set what a list says of a member, or remove it.
	 */
	void (*set)(groupvpn_fib_t *this, const struct gv_list_entry *entry);

	/**
	 * All members are told from now on, to be ended by end_sync().
	 */
	void (*begin_sync)(groupvpn_fib_t *this);

	/**
	 * Remove the members that were not told since begin_sync().
	 */
	void (*end_sync)(groupvpn_fib_t *this);

	/**
	 * Note whether a member can be reached.
	 */
	void (*set_ready)(groupvpn_fib_t *this, uint16_t member_id, bool ready);

	/**
	 * Note that no member can be reached.
	 */
	void (*set_none_ready)(groupvpn_fib_t *this);

	/**
	 * Note that something has changed that sync() depends on.
	 */
	void (*touch)(groupvpn_fib_t *this);

	/**
	 * Whether sync() has something to do.
	 */
	bool (*is_dirty)(groupvpn_fib_t *this);

	/**
	 * Install and remove kernel routes.
	 *
	 * @param link		the group's link, NULL if it is not in the kernel: then
	 *					its routes are gone with the device
	 * @param open		what can not be reached may go another way
	 */
	void (*sync)(groupvpn_fib_t *this, groupvpn_link_t *link, bool open);

	/**
	 * Look for the routes in the kernel: sync() installs again those that
	 * somebody else has removed, or the kernel with the device being down.
	 *
	 * @param link		the group's link, which is in the kernel
	 */
	void (*check)(groupvpn_fib_t *this, groupvpn_link_t *link);

	/**
	 * Describe the prefixes of a member, separated by commas.
	 *
	 * @return			allocated text, NULL if it has none
	 */
	char *(*describe)(groupvpn_fib_t *this, uint16_t member_id);

	/**
	 * Number of routes in the kernel, and of prefixes that are refused because
	 * they cover an address of the underlay.
	 */
	void (*get_counts)(groupvpn_fib_t *this, u_int *installed, u_int *refused);

	/**
	 * Destroy it; what is in the kernel is left to the device's end.
	 */
	void (*destroy)(groupvpn_fib_t *this);
};

/**
 * Create an object without routes.
 *
 * @param group			name of the group, for logs; copied
 * @param kernel		kernel interface
 */
groupvpn_fib_t *groupvpn_fib_create(char *group, groupvpn_kernel_t *kernel);

#endif /** GROUPVPN_FIB_H_ @}*/
