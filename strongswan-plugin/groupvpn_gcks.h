/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Group controller and key server: the groups of this host with role = gcks.
 *
 * @defgroup groupvpn_gcks groupvpn_gcks
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_GCKS_H_
#define GROUPVPN_GCKS_H_

#include "groupvpn_config.h"
#include "groupvpn_control.h"
#include "groupvpn_gcks_manage.h"
#include "groupvpn_kernel.h"
#include "groupvpn_policy.h"
#include "groupvpn_store.h"
#include "groupvpn_vici.h"

#include <bus/listeners/listener.h>

typedef struct groupvpn_gcks_t groupvpn_gcks_t;

/**
 * The GCKS role.
 */
struct groupvpn_gcks_t {

	/**
	 * Answers registrations, follows IKE_SAs
	 */
	listener_t listener;

	/**
	 * Tells bgpd of groups and registrations
	 */
	groupvpn_control_handler_t handler;

	/**
	 * Start, change and stop groups as configured.
	 */
	void (*configure)(groupvpn_gcks_t *this, groupvpn_config_t *config);

	/**
	 * Get what lists groups and members, and executes commands.
	 *
	 * @return			management, owned by this object
	 */
	groupvpn_gcks_manage_t *(*get_manage)(groupvpn_gcks_t *this);

	/**
	 * Destroy a groupvpn_gcks_t. Members are told nothing, they go on.
	 */
	void (*destroy)(groupvpn_gcks_t *this);
};

/**
 * Create the GCKS role, without a group.
 *
 * @param control		control socket
 * @param policy		policy engine
 * @param vici			management
 * @param store			store of the groups
 * @param kernel		kernel interface
 * @param recheck		how often to check certificates of members again, in
 *						seconds; 0 for only when groups are configured
 */
groupvpn_gcks_t *groupvpn_gcks_create(groupvpn_control_t *control,
									  groupvpn_policy_t *policy,
									  groupvpn_vici_t *vici,
									  groupvpn_store_t *store,
									  groupvpn_kernel_t *kernel, u_int recheck);

#endif /** GROUPVPN_GCKS_H_ @}*/
