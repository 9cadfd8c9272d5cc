/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Jobs about a registration at a GCKS: what has to be done without the lock,
 * or with another IKE_SA than the one at hand.
 *
 * @defgroup groupvpn_gcks_job groupvpn_gcks_job
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_GCKS_JOB_H_
#define GROUPVPN_GCKS_JOB_H_

#include "groupvpn_gcks_core.h"
#include "groupvpn_task.h"

#include <processing/jobs/callback_job.h>

typedef struct groupvpn_gcks_job_t groupvpn_gcks_job_t;

/**
 * Argument of a job, freed with it.
 */
struct groupvpn_gcks_job_t {

	/** the GCKS */
	groupvpn_gcks_core_t *gcks;

	/** the registration, and by which IKE_SA it was when the job was queued */
	uint32_t group_id;
	uint16_t member_id;
	uint32_t ike_sa;
};

/**
 * Queue a job about a registration.
 *
 * @param cb			what to do, called without the lock
 * @param delay			when, in milliseconds from now; 0 for at once
 */
void groupvpn_gcks_job_queue(callback_job_cb_t cb,
							 groupvpn_gcks_group_t *group,
							 groupvpn_registration_t *registration,
							 u_int delay);

/**
 * Find the registration that a job is about.
 *
 * @param group			receives its group
 * @return				registration, NULL if there is none anymore
 */
groupvpn_registration_t *groupvpn_gcks_job_find(groupvpn_gcks_job_t *job,
												groupvpn_gcks_group_t **group);

/**
 * Start an exchange with the member that a job is about, on the IKE_SA of its
 * registration: what such a job does as its last. Called without the lock.
 *
 * @param exchange		what it is about, must outlive all IKE_SAs
 * @return				what the job returns: again if that IKE_SA is just replaced
 */
job_requeue_t groupvpn_gcks_job_start(groupvpn_gcks_job_t *job,
									  groupvpn_exchange_t *exchange);

/**
 * Time until a member that has refused something is sent it once more.
 *
 * @param refusals		times it has refused in a row before
 * @return				milliseconds
 */
u_int groupvpn_gcks_refused_delay(u_int refusals);

#endif /** GROUPVPN_GCKS_JOB_H_ @}*/
