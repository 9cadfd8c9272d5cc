/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Holds back what charon sends until the store is on the disk, so that nobody
 * is told what the GCKS could forget.
 *
 * @defgroup groupvpn_gate groupvpn_gate
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_GATE_H_
#define GROUPVPN_GATE_H_

#include "groupvpn_store.h"

/**
 * Stand between charon and its socket; whoever else does so has to begin after
 * that, and end before.
 */
void groupvpn_gate_start();

/**
 * Hold packets back for a store.
 *
 * @param store			the store, NULL for none anymore
 */
void groupvpn_gate_set_store(groupvpn_store_t *store);

/**
 * Leave charon to itself again.
 */
void groupvpn_gate_stop();

#endif /** GROUPVPN_GATE_H_ @}*/
