/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Keeps a group in the store, so that nothing is given to anybody that a
 * restarted GCKS would not know of.
 *
 * @defgroup groupvpn_gcks_persist groupvpn_gcks_persist
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_GCKS_PERSIST_H_
#define GROUPVPN_GCKS_PERSIST_H_

#include "groupvpn_gcks_core.h"

/**
 * Take over what the store has of a group that is started; make the secrets of
 * one that it does not know.
 *
 * @return				FALSE if the group can not be started, which is logged
 */
bool groupvpn_gcks_load(groupvpn_gcks_group_t *group);

/**
 * Save the identifiers of a member. If that fails a new Sender-ID is not given.
 * The member gets them when the store's sync() has succeeded for the entry's
 * ticket.
 *
 * @return				FALSE if they are not stored
 */
bool groupvpn_gcks_save_registration(groupvpn_gcks_group_t *group,
									 groupvpn_registration_t *registration);

/**
 * Save that a Sender-ID is given, to one that is no member.
 *
 * @return				FALSE if that is not stored
 */
bool groupvpn_gcks_reserve(groupvpn_gcks_group_t *group, uint32_t sender_id);

/**
 * Save that an identity is evicted, or is not anymore.
 *
 * @return				FALSE if that is not stored
 */
bool groupvpn_gcks_save_eviction(groupvpn_gcks_group_t *group,
								 identification_t *identity);

/**
 * Save the epochs of a group, of which the newest begins.
 *
 * @param now			groupvpn_now()
 * @return				FALSE if they are not stored: none of them may begin
 */
bool groupvpn_gcks_save_epochs(groupvpn_gcks_group_t *group, uint64_t now);

/**
 * Save what has changed of the Rekey SA and of the members, if anything.
 *
 * @param durable		have it survive the loss of power
 * @return				FALSE if it was not stored
 */
bool groupvpn_gcks_save_kek(groupvpn_gcks_group_t *group, bool durable);

/**
 * Have a Rekey SA, as the store has it if it does, or have none, as the group
 * is configured.
 *
 * @return				FALSE if there should be one and is not
 */
bool groupvpn_gcks_load_kek(groupvpn_gcks_group_t *group);

/**
 * Remove an epoch that has ended, here and in the store.
 */
void groupvpn_gcks_remove_epoch(groupvpn_gcks_group_t *group,
								groupvpn_sa_t *sa);

#endif /** GROUPVPN_GCKS_PERSIST_H_ @}*/
