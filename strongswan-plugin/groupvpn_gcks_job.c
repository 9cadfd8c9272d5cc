/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A job names what it is about: group and registration may be gone when it is
 * done.
 */

#include "groupvpn_gcks_job.h"

#include <daemon.h>

/* time until a member that has refused keys or routes is sent them once more,
 * doubled by each refusal, and the longest, in milliseconds */
#define REFUSED_DELAY 5000
#define REFUSED_DELAY_MAX 600000

/*
 * See header
 */
void groupvpn_gcks_job_queue(callback_job_cb_t cb,
							 groupvpn_gcks_group_t *group,
							 groupvpn_registration_t *registration,
							 u_int delay)
{
	groupvpn_gcks_job_t *data;
	job_t *job;

	INIT(data,
		.gcks = group->gcks,
		.group_id = group->cfg->id,
		.member_id = registration->member_id,
		.ike_sa = registration->ike_sa,
	);
	job = (job_t*)callback_job_create(cb, data, free, NULL);
	if (delay)
	{
		lib->scheduler->schedule_job_ms(lib->scheduler, job, delay);
	}
	else
	{
		lib->processor->queue_job(lib->processor, job);
	}
}

/*
 * See header
 */
groupvpn_registration_t *groupvpn_gcks_job_find(groupvpn_gcks_job_t *job,
												groupvpn_gcks_group_t **group)
{
	groupvpn_groups_t *groups = job->gcks->groups;
	groupvpn_registration_t *registration;

	*group = groups->find(groups, job->group_id);
	if (!*group)
	{
		return NULL;
	}
	registration = (*group)->registrations->find((*group)->registrations,
												 job->member_id);
	return registration && registration->ike_sa ? registration : NULL;
}

/*
 * See header
 */
u_int groupvpn_gcks_refused_delay(u_int refusals)
{
	uint64_t delay = REFUSED_DELAY;

	return min(delay << min(refusals, 16), REFUSED_DELAY_MAX);
}

/*
 * See header
 */
job_requeue_t groupvpn_gcks_job_start(groupvpn_gcks_job_t *job,
									  groupvpn_exchange_t *exchange)
{
	groupvpn_groups_t *groups = job->gcks->groups;
	groupvpn_registration_t *registration;
	groupvpn_gcks_group_t *group;
	ike_sa_id_t *id = NULL;
	ike_sa_t *ike_sa;

	groups->lock(groups);
	registration = groupvpn_gcks_job_find(job, &group);
	if (registration)
	{
		id = registration->ike_sa_id->clone(registration->ike_sa_id);
	}
	groups->unlock(groups);
	if (!id)
	{
		return JOB_REQUEUE_NONE;
	}
	ike_sa = charon->ike_sa_manager->checkout(charon->ike_sa_manager, id);
	id->destroy(id);
	if (!ike_sa)
	{
		return JOB_REQUEUE_NONE;
	}
	if (ike_sa->get_state(ike_sa) == IKE_REKEYED)
	{	/* the registration has just moved to the new IKE_SA */
		charon->ike_sa_manager->checkin(charon->ike_sa_manager, ike_sa);
		return JOB_RESCHEDULE_MS(100);
	}
	groupvpn_task_start(ike_sa, exchange, job->group_id);
	return JOB_REQUEUE_NONE;
}
