/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Group member: the groups of this host with role = member.
 *
 * @defgroup groupvpn_member groupvpn_member
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_MEMBER_H_
#define GROUPVPN_MEMBER_H_

#include "groupvpn_config.h"
#include "groupvpn_control.h"
#include "groupvpn_kernel.h"
#include "groupvpn_vici.h"

#include <bus/listeners/listener.h>

typedef struct groupvpn_member_t groupvpn_member_t;

/**
 * The member role.
 */
struct groupvpn_member_t {

	/**
	 * Follows IKE_SAs, receives in-band rekeys
	 */
	listener_t listener;

	/**
	 * Tells bgpd of groups, hears of other members
	 */
	groupvpn_control_handler_t handler;

	/**
	 * Start, change and stop groups as configured.
	 */
	void (*configure)(groupvpn_member_t *this, groupvpn_config_t *config);

	/**
	 * Get what tells management of groups and other members.
	 *
	 * @return			handler, owned by this object
	 */
	groupvpn_vici_handler_t *(*get_handler)(groupvpn_member_t *this);

	/**
	 * Tell bgpd that the groups go down, remove them from the kernel, and
	 * destroy the groupvpn_member_t.
	 */
	void (*destroy)(groupvpn_member_t *this);
};

/**
 * Create the member role, without a group.
 *
 * @param control		control socket
 * @param kernel		kernel interface
 * @param vici			management
 * @param retry_min		first delay of a retry, in seconds
 * @param retry_max		longest delay of a retry, in seconds
 */
groupvpn_member_t *groupvpn_member_create(groupvpn_control_t *control,
										  groupvpn_kernel_t *kernel,
										  groupvpn_vici_t *vici,
										  u_int retry_min, u_int retry_max);

#endif /** GROUPVPN_MEMBER_H_ @}*/
