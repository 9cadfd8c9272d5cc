/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * @defgroup groupvpn groupvpn
 * @ingroup cplugins
 *
 * @defgroup groupvpn_plugin groupvpn_plugin
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_PLUGIN_H_
#define GROUPVPN_PLUGIN_H_

#include <plugins/plugin.h>

typedef struct groupvpn_plugin_t groupvpn_plugin_t;

/**
 * Group VPN: GCKS and group members (RFC 9838), to work with the groupvpn
 * module of FRRouting's bgpd.
 */
struct groupvpn_plugin_t {

	/**
	 * Implements plugin interface
	 */
	plugin_t plugin;
};

#endif /** GROUPVPN_PLUGIN_H_ @}*/
