/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The groups of one role of this host, in the order of their start, and the
 * lock that guards them and whatever belongs to that role.
 *
 * @defgroup groupvpn_groups groupvpn_groups
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_GROUPS_H_
#define GROUPVPN_GROUPS_H_

#include "groupvpn_config.h"

typedef struct groupvpn_groups_t groupvpn_groups_t;
typedef struct groupvpn_groups_cb_t groupvpn_groups_cb_t;

/**
 * What a role does when the configuration changes. Called with the lock held.
 * A group is the role's own struct, which begins with a groupvpn_group_t *cfg.
 */
struct groupvpn_groups_cb_t {

	/**
	 * A group was configured: start it, and add() it if that succeeds.
	 */
	void (*start)(void *data, groupvpn_group_t *cfg);

	/**
	 * The configuration was read again and the group is still in it, changed
	 * or not; name, ID and role are the same.
	 */
	void (*change)(void *data, void *group, groupvpn_group_t *cfg);

	/**
	 * The group is not configured anymore, and not in the list: stop and
	 * destroy it.
	 */
	void (*stop)(void *data, void *group);
};

/**
 * The groups. All but lock() and configure() want the lock held.
 */
struct groupvpn_groups_t {

	/**
	 * Lock the groups, not recursively. Nothing that waits for an IKE_SA may
	 * be done meanwhile.
	 */
	void (*lock)(groupvpn_groups_t *this);

	/**
	 * Unlock the groups.
	 */
	void (*unlock)(groupvpn_groups_t *this);

	/**
	 * Find a group by its ID, NULL if there is none.
	 */
	void *(*find)(groupvpn_groups_t *this, uint32_t id);

	/**
	 * Find a group by its name, NULL if there is none.
	 */
	void *(*find_name)(groupvpn_groups_t *this, char *name);

	/**
	 * Enumerate the groups.
	 *
	 * @return			enumerator over the role's own type
	 */
	enumerator_t *(*create_enumerator)(groupvpn_groups_t *this);

	/**
	 * Add a group, which still belongs to the role.
	 */
	void (*add)(groupvpn_groups_t *this, void *group);

	/**
	 * Remove any of the groups.
	 *
	 * @return			the group, NULL if there is none left
	 */
	void *(*remove)(groupvpn_groups_t *this);

	/**
	 * Change, stop and start groups, in that order, until they are those that
	 * are configured. Takes the lock.
	 *
	 * @param config	configuration, just read
	 * @param cb		what to do with each group
	 * @param data		passed to cb
	 */
	void (*configure)(groupvpn_groups_t *this, groupvpn_config_t *config,
					  const groupvpn_groups_cb_t *cb, void *data);

	/**
	 * Destroy the list, which has no groups anymore.
	 */
	void (*destroy)(groupvpn_groups_t *this);
};

/**
 * Create an empty list.
 *
 * @param role			GV_ROLE_GCKS or GV_ROLE_MEMBER
 */
groupvpn_groups_t *groupvpn_groups_create(uint8_t role);

#endif /** GROUPVPN_GROUPS_H_ @}*/
