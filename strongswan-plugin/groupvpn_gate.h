/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Holds back answers to registrations until the store is on the disk, so that
 * nobody is told what the GCKS could forget.
 *
 * @defgroup groupvpn_gate groupvpn_gate
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_GATE_H_
#define GROUPVPN_GATE_H_

#include "groupvpn_store.h"

#include <sa/ike_sa_id.h>

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
 * Hold back what an IKE_SA sends from now on until a change of the store is
 * durable; for ever if it never will be.
 *
 * @param id			SPIs of the IKE_SA
 * @param ticket		of the change, 0 for none
 */
void groupvpn_gate_hold(ike_sa_id_t *id, uint64_t ticket);

/**
 * Leave charon to itself again.
 */
void groupvpn_gate_stop();

#endif /** GROUPVPN_GATE_H_ @}*/
