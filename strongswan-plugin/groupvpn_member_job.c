/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A job names what it is about: the group may be gone, or in another state,
 * when it is done.
 */

#include "groupvpn_member_job.h"

#include <library.h>

/*
 * See header
 */
void groupvpn_member_job_queue(callback_job_cb_t cb,
							   const groupvpn_member_job_t *job)
{
	groupvpn_member_job_t *data;

	INIT(data);
	*data = *job;
	lib->processor->queue_job(lib->processor,
				(job_t*)callback_job_create(cb, data, free, NULL));
}

/*
 * See header
 */
groupvpn_member_group_t *groupvpn_member_job_find(groupvpn_member_job_t *job,
											groupvpn_member_state_t state)
{
	groupvpn_groups_t *groups = job->member->groups;
	groupvpn_member_group_t *group = groups->find(groups, job->group_id);

	return group && group->state == state ? group : NULL;
}
