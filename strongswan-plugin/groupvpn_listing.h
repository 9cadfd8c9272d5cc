/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Lists the groups of a role for management: finds those that are asked for,
 * with the lock held, and has the role tell of each.
 *
 * @defgroup groupvpn_listing groupvpn_listing
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_LISTING_H_
#define GROUPVPN_LISTING_H_

#include "groupvpn_groups.h"
#include "groupvpn_vici.h"

typedef struct groupvpn_listing_t groupvpn_listing_t;
typedef struct groupvpn_listing_cb_t groupvpn_listing_cb_t;

/**
 * What a role tells of one group. Called with the groups locked.
 */
struct groupvpn_listing_cb_t {

	/**
	 * Raise the group's "list-group" event.
	 */
	void (*group)(void *data, void *group, u_int client);

	/**
	 * Raise a "list-member" event for each member.
	 */
	void (*members)(void *data, void *group, u_int client);

	/**
	 * Raise a "list-sa" event for each epoch.
	 */
	void (*sas)(void *data, void *group, u_int client);

	/**
	 * Add the group's counters to a section of its name; those that are of
	 * no group if it is NULL.
	 */
	void (*counters)(void *data, void *group, vici_builder_t *builder);

	/**
	 * Whether there are counters that are of no group
	 */
	bool others;
};

/**
 * A listing.
 */
struct groupvpn_listing_t {

	/**
	 * What management calls
	 */
	groupvpn_vici_handler_t handler;

	/**
	 * Destroy a groupvpn_listing_t.
	 */
	void (*destroy)(groupvpn_listing_t *this);
};

/**
 * Create a listing.
 *
 * @param groups		groups of the role
 * @param cb			what to tell of each
 * @param data			passed to cb
 */
groupvpn_listing_t *groupvpn_listing_create(groupvpn_groups_t *groups,
											const groupvpn_listing_cb_t *cb,
											void *data);

#endif /** GROUPVPN_LISTING_H_ @}*/
