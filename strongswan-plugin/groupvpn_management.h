/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Management by the control socket: COMMAND and ANSWER of common/control.h,
 * which vtysh speaks. The commands are those of groupvpn_vici_t.
 *
 * @defgroup groupvpn_management groupvpn_management
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_MANAGEMENT_H_
#define GROUPVPN_MANAGEMENT_H_

#include "groupvpn_control.h"
#include "groupvpn_vici.h"

typedef struct groupvpn_management_t groupvpn_management_t;

/**
 * Answers management clients of the control socket.
 */
struct groupvpn_management_t {

	/**
	 * Takes their messages
	 */
	groupvpn_control_handler_t handler;

	/**
	 * Destroy a groupvpn_management_t.
	 */
	void (*destroy)(groupvpn_management_t *this);
};

/**
 * Create a groupvpn_management_t.
 *
 * @param control		control socket
 * @param vici			executes the commands
 */
groupvpn_management_t *groupvpn_management_create(groupvpn_control_t *control,
												  groupvpn_vici_t *vici);

#endif /** GROUPVPN_MANAGEMENT_H_ @}*/
