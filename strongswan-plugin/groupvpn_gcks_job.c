/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A job names what it is about: group and registration may be gone when it is
 * done.
 */

#include "groupvpn_gcks_job.h"

#include <daemon.h>

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
