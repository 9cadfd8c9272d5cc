/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Policies of the channels: with channel = yes, BGP between members and the S/R
 * passes in ESP only.
 *
 * @defgroup groupvpn_channel groupvpn_channel
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_CHANNEL_H_
#define GROUPVPN_CHANNEL_H_

#include "groupvpn_config.h"
#include "groupvpn_kernel.h"

typedef struct groupvpn_channel_t groupvpn_channel_t;

/**
 * The policies, of all groups.
 */
struct groupvpn_channel_t {

	/**
	 * Install the policies that the configuration asks for, and remove the
	 * others.
	 */
	void (*configure)(groupvpn_channel_t *this, groupvpn_config_t *config);

	/**
	 * Destroy it. The policies stay: nothing leaves in clear while charon is
	 * not there.
	 */
	void (*destroy)(groupvpn_channel_t *this);
};

/**
 * Create it, without any policy.
 */
groupvpn_channel_t *groupvpn_channel_create(groupvpn_kernel_t *kernel);

#endif /** GROUPVPN_CHANNEL_H_ @}*/
