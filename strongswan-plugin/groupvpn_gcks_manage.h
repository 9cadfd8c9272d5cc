/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The operator's view of a GCKS: lists its groups, members and epochs, and
 * executes commands on them.
 *
 * @defgroup groupvpn_gcks_manage groupvpn_gcks_manage
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_GCKS_MANAGE_H_
#define GROUPVPN_GCKS_MANAGE_H_

#include "groupvpn_gcks_core.h"
#include "groupvpn_listing.h"

typedef struct groupvpn_gcks_manage_t groupvpn_gcks_manage_t;
typedef struct groupvpn_gcks_subject_t groupvpn_gcks_subject_t;
typedef struct groupvpn_gcks_result_t groupvpn_gcks_result_t;

/**
 * Whom a command is about.
 */
struct groupvpn_gcks_subject_t {

	/** name of the group */
	char *group;

	/** authenticated identity, or NULL */
	identification_t *identity;

	/** its member-ID if identity is NULL */
	uint16_t member_id;

	/** reason, for the operator; may be empty */
	char *reason;
};

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
 * Management of a GCKS. Its methods take the lock.
 */
struct groupvpn_gcks_manage_t {

	/**
	 * Begin a new epoch of a group and give it to all members.
	 *
	 * @param group		name of the group
	 * @param result	receives what was done
	 * @param why		receives the reason of a failure, for the operator
	 * @return			FALSE if it failed
	 */
	bool (*rekey)(groupvpn_gcks_manage_t *this, char *group,
				  groupvpn_gcks_result_t *result, char why[GV_TEXT_MAX + 1]);

	/**
	 * Evict an identity from a group: remove its registration, have it told,
	 * give a new epoch to the other members, and do not admit it again.
	 *
	 * @param subject	whom and why
	 * @param result	receives what was done
	 * @param why		receives the reason of a failure, for the operator
	 * @return			FALSE if it failed
	 */
	bool (*evict)(groupvpn_gcks_manage_t *this,
				  const groupvpn_gcks_subject_t *subject,
				  groupvpn_gcks_result_t *result, char why[GV_TEXT_MAX + 1]);

	/**
	 * Admit an identity again that was evicted. The parameters are those of
	 * evict(), the reason does not matter.
	 */
	bool (*readmit)(groupvpn_gcks_manage_t *this,
					const groupvpn_gcks_subject_t *subject,
					groupvpn_gcks_result_t *result,
					char why[GV_TEXT_MAX + 1]);

	/**
	 * Get what lists groups, members, epochs and counters.
	 *
	 * @return			handler, owned by this object
	 */
	groupvpn_vici_handler_t *(*get_handler)(groupvpn_gcks_manage_t *this);

	/**
	 * Destroy a groupvpn_gcks_manage_t.
	 */
	void (*destroy)(groupvpn_gcks_manage_t *this);
};

/**
 * Create the management of a GCKS.
 */
groupvpn_gcks_manage_t *groupvpn_gcks_manage_create(
												groupvpn_gcks_core_t *gcks);

#endif /** GROUPVPN_GCKS_MANAGE_H_ @}*/
