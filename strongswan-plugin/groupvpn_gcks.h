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
#include "groupvpn_policy.h"
#include "groupvpn_store.h"
#include "groupvpn_vici.h"

#include <bus/listeners/listener.h>

typedef struct groupvpn_gcks_t groupvpn_gcks_t;
typedef struct groupvpn_gcks_result_t groupvpn_gcks_result_t;

/**
 * What a command has done. All zero where it does not apply.
 */
struct groupvpn_gcks_result_t {

	/** epoch that was begun, and the number of members it is given to */
	uint32_t epoch;
	u_int members;

	/** member that the command was about */
	uint16_t member_id;
	char identity[GV_TEXT_MAX + 1];

	/** it was registered */
	bool registered;
};

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
	 * Tells management of groups and registrations
	 */
	groupvpn_vici_handler_t management;

	/**
	 * Start, change and stop groups as configured.
	 */
	void (*configure)(groupvpn_gcks_t *this, groupvpn_config_t *config);

	/**
	 * Begin a new epoch of a group and give it to all members.
	 *
	 * @param group		name of the group
	 * @param result	receives what was done
	 * @param why		receives the reason of a failure, for the operator
	 * @return			FALSE if it failed
	 */
	bool (*rekey)(groupvpn_gcks_t *this, char *group,
				  groupvpn_gcks_result_t *result, char why[GV_TEXT_MAX + 1]);

	/**
	 * Evict an identity from a group: remove its registration, have it told,
	 * give a new epoch to the other members, and do not admit it again.
	 *
	 * @param group		name of the group
	 * @param identity	authenticated identity, or NULL
	 * @param member_id	its member-ID if identity is NULL
	 * @param reason	reason, for the operator; may be empty
	 * @param result	receives what was done
	 * @param why		receives the reason of a failure, for the operator
	 * @return			FALSE if it failed
	 */
	bool (*evict)(groupvpn_gcks_t *this, char *group,
				  identification_t *identity, uint16_t member_id, char *reason,
				  groupvpn_gcks_result_t *result, char why[GV_TEXT_MAX + 1]);

	/**
	 * Admit an identity again that was evicted.
	 *
	 * The parameters are those of evict().
	 */
	bool (*readmit)(groupvpn_gcks_t *this, char *group,
					identification_t *identity, uint16_t member_id,
					groupvpn_gcks_result_t *result, char why[GV_TEXT_MAX + 1]);

	/**
	 * Destroy a groupvpn_gcks_t. Members are told nothing, they go on.
	 */
	void (*destroy)(groupvpn_gcks_t *this);
};

/**
 * Create the GCKS role, without a group.
 *
 * @param control		control socket
 * @param policy		policy server
 * @param vici			management
 * @param store			store of the groups
 */
groupvpn_gcks_t *groupvpn_gcks_create(groupvpn_control_t *control,
									  groupvpn_policy_t *policy,
									  groupvpn_vici_t *vici,
									  groupvpn_store_t *store);

#endif /** GROUPVPN_GCKS_H_ @}*/
