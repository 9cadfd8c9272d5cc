/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Jobs about a group of a member: what has to be done without the lock, or
 * without the IKE_SA at hand.
 *
 * @defgroup groupvpn_member_job groupvpn_member_job
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_MEMBER_JOB_H_
#define GROUPVPN_MEMBER_JOB_H_

#include "groupvpn_member_core.h"

#include <encoding/payloads/notify_payload.h>
#include <processing/jobs/callback_job.h>

typedef struct groupvpn_member_job_t groupvpn_member_job_t;

/**
 * Argument of a job, freed with it.
 */
struct groupvpn_member_job_t {

	/** the member role */
	groupvpn_member_core_t *member;

	/** the group */
	uint32_t group_id;

	/** unique ID of an IKE_SA, if the job is about one */
	uint32_t ike_sa;

	/** a notify, if the job is about one, and the reason that came with it */
	notify_type_t notify;
	char why[GV_TEXT_MAX + 1];
};

/**
 * Queue a job.
 *
 * @param cb			what to do, called without the lock
 * @param job			argument, copied
 */
void groupvpn_member_job_queue(callback_job_cb_t cb,
							   const groupvpn_member_job_t *job);

/**
 * Find the group of a job if it still is in the state that the job is for.
 *
 * @return				NULL if it is not
 */
groupvpn_member_group_t *groupvpn_member_job_find(groupvpn_member_job_t *job,
											groupvpn_member_state_t state);

#endif /** GROUPVPN_MEMBER_JOB_H_ @}*/
