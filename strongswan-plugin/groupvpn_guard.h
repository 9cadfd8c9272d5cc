/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Check that this plugin was built for the charon that loads it.
 *
 * @defgroup groupvpn_guard groupvpn_guard
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_GUARD_H_
#define GROUPVPN_GUARD_H_

#include <library.h>

/**
 * Compare version and build options with those we were built for.
 *
 * @return				FALSE, and a message to the operator, if we do not fit
 */
bool groupvpn_guard();

#endif /** GROUPVPN_GUARD_H_ @}*/
