/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each exchange is a task of the member's IKE_SA, which charon sends, repeats
 * and answers for. All members that get new keys in band are told at once,
 * each by a job.
 *
 * An IKE_SA has one request open at a time, and charon gives it up, and the
 * IKE_SA, when it has repeated that often enough. So a member has one rekey
 * open at most, what comes meanwhile is sent after that; but if it owes the
 * answer for too many epochs we do not wait for charon to give up.
 *
 * Keys that a member refuses are sent once more, after a while: they may have
 * come before the answer to its registration, which has older ones.
 */

#include "groupvpn_gcks_rekey.h"
#include "groupvpn_gcks_policy.h"
#include "groupvpn_gcks_group.h"
#include "groupvpn_gcks_job.h"
#include "groupvpn_gcks_recheck.h"
#include "groupvpn_payload.h"
#include "groupvpn_task.h"
#include "compat.h"

#include <daemon.h>
#include <processing/jobs/delete_ike_sa_job.h>

typedef struct private_groupvpn_gcks_rekey_t private_groupvpn_gcks_rekey_t;

/* epochs that a member may owe an answer for */
#define MISSES 3

/**
 * Private data
 */
struct private_groupvpn_gcks_rekey_t {

	/**
	 * Public interface
	 */
	groupvpn_gcks_rekey_t public;

	/**
	 * In-band rekeys
	 */
	groupvpn_exchange_t rekey;

	/**
	 * The message to one who is no member anymore
	 */
	groupvpn_exchange_t dismissal;

	/**
	 * The GCKS
	 */
	groupvpn_gcks_core_t *gcks;
};

/**
 * Find the registration of a group by an IKE_SA
 */
static groupvpn_registration_t *find_by_ike_sa(
										private_groupvpn_gcks_rekey_t *this,
										groupvpn_gcks_group_t *group,
										ike_sa_t *ike_sa)
{
	return this->gcks->index->find(this->gcks->index,
								   ike_sa->get_unique_id(ike_sa),
								   group->cfg->id);
}

METHOD(groupvpn_exchange_t, rekey_request, bool,
	groupvpn_exchange_t *exchange, ike_sa_t *ike_sa, uint32_t group_id,
	message_t *message)
{
	private_groupvpn_gcks_rekey_t *this;
	groupvpn_groups_t *groups;
	groupvpn_registration_t *registration;
	groupvpn_gcks_group_t *group;
	struct gv_gsa gsa;
	bool ok = FALSE;

	this = container_of(exchange, private_groupvpn_gcks_rekey_t, rekey);
	groups = this->gcks->groups;
	groups->lock(groups);
	group = groups->find(groups, group_id);
	/* it may have been evicted since the exchange was queued */
	registration = group ? find_by_ike_sa(this, group, ike_sa) : NULL;
	if (registration)
	{
		groupvpn_gcks_group_compose(group, &gsa);
		ok = groupvpn_add_gsa(message, ike_sa, &gsa);
		registration->rekeying = ok;
		registration->pushed = groupvpn_now();
		group->counters[GCKS_REKEYS_PUSHED] += ok;
		gv_gsa_wipe(&gsa);
	}
	groups->unlock(groups);
	return ok;
}

CALLBACK(push_epoch, job_requeue_t,
	groupvpn_gcks_job_t *job)
{
	private_groupvpn_gcks_rekey_t *this;

	this = (private_groupvpn_gcks_rekey_t*)job->gcks->rekey;
	return groupvpn_gcks_job_start(job, &this->rekey);
}

CALLBACK(abandon_peer, job_requeue_t,
	groupvpn_gcks_job_t *job)
{
	ike_sa_t *ike_sa;

	ike_sa = charon->ike_sa_manager->checkout_by_id(charon->ike_sa_manager,
													job->ike_sa);
	if (ike_sa)
	{	/* behind the open request a notification would never be sent */
		ike_sa->delete(ike_sa, TRUE);
		charon->ike_sa_manager->checkin_and_destroy(charon->ike_sa_manager,
													ike_sa);
	}
	return JOB_REQUEUE_NONE;
}

/*
 * See header
 */
bool groupvpn_gcks_rekey_owed(groupvpn_registration_t *registration,
							  char why[GV_TEXT_MAX + 1])
{
	u_int misses = registration->misses + registration->rekeying;

	if (!misses)
	{
		return FALSE;
	}
	snprintf(why, GV_TEXT_MAX + 1, "%u rekey%s not acknowledged", misses,
			 misses > 1 ? "s" : "");
	return TRUE;
}

METHOD(groupvpn_gcks_rekey_t, push, void,
	private_groupvpn_gcks_rekey_t *this, groupvpn_gcks_group_t *group,
	groupvpn_registration_t *registration)
{
	char why[GV_TEXT_MAX + 1];

	if (!registration->rekeying)
	{
		groupvpn_gcks_job_queue(push_epoch, group, registration, 0);
		return;
	}
	registration->again = TRUE;
	if (groupvpn_now() - registration->pushed < GROUPVPN_PUSH_TIME * 1000)
	{	/* it has not had time to answer */
		return;
	}
	if (registration->misses + 1 < MISSES)
	{
		registration->misses++;
		registration->pushed = groupvpn_now();
		return;
	}
	if (groupvpn_gcks_rekey_owed(registration, why))
	{
		group->counters[GCKS_EJECTED]++;
		groupvpn_gcks_job_queue(abandon_peer, group, registration, 0);
		groupvpn_gcks_group_unregister(group, registration, why);
	}
}

CALLBACK(push_again, job_requeue_t,
	groupvpn_gcks_job_t *job)
{
	private_groupvpn_gcks_rekey_t *this;
	groupvpn_groups_t *groups = job->gcks->groups;
	groupvpn_registration_t *registration;
	groupvpn_gcks_group_t *group;

	this = (private_groupvpn_gcks_rekey_t*)job->gcks->rekey;
	groups->lock(groups);
	registration = groupvpn_gcks_job_find(job, &group);
	if (registration && registration->repeating)
	{
		registration->repeating = FALSE;
		if (!registration->rekeying)
		{
			push(this, group, registration);
		}
	}
	groups->unlock(groups);
	return JOB_REQUEUE_NONE;
}

/**
 * Note whether a member has refused new keys
 *
 * @return				milliseconds until they are sent once more, 0 if it has
 *						not
 */
static u_int note_refusal(groupvpn_gcks_group_t *group,
						  groupvpn_registration_t *registration, bool refused)
{
	u_int delay;

	if (!refused)
	{
		registration->refused = 0;
		registration->repeating = FALSE;
		return 0;
	}
	delay = groupvpn_gcks_refused_delay(registration->refused++);
	if (!registration->repeating)
	{
		registration->repeating = TRUE;
		groupvpn_gcks_job_queue(push_again, group, registration, delay);
	}
	return delay;
}

/**
 * Note what has become of an in-band rekey
 *
 * @param ike_sa		IKE_SA the response came by, NULL if it was lost
 * @param refused		what the response says
 * @return				milliseconds until the keys are sent once more because
 *						they were refused, 0 if not
 */
static u_int note_rekey(groupvpn_exchange_t *exchange, ike_sa_t *ike_sa,
						uint32_t group_id, bool refused)
{
	private_groupvpn_gcks_rekey_t *this;
	groupvpn_groups_t *groups;
	groupvpn_registration_t *registration = NULL;
	groupvpn_gcks_group_t *group;
	u_int delay = 0;

	this = container_of(exchange, private_groupvpn_gcks_rekey_t, rekey);
	groups = this->gcks->groups;
	groups->lock(groups);
	group = groups->find(groups, group_id);
	if (group && ike_sa)
	{
		registration = find_by_ike_sa(this, group, ike_sa);
	}
	if (registration)
	{
		registration->rekeying = FALSE;
		registration->misses = 0;
		group->counters[refused ? GCKS_REKEYS_REFUSED
								: GCKS_REKEYS_ACKNOWLEDGED]++;
		delay = note_refusal(group, registration, refused);
		if (registration->again)
		{
			registration->again = FALSE;
			push(this, group, registration);
		}
	}
	else if (group)
	{	/* whoever answers on an IKE_SA that was rekeyed did not look at it */
		group->counters[GCKS_REKEYS_LOST]++;
	}
	groups->unlock(groups);
	return delay;
}

METHOD(groupvpn_exchange_t, rekey_response, void,
	groupvpn_exchange_t *exchange, ike_sa_t *ike_sa, uint32_t group_id,
	message_t *message)
{
	bool refused = message->get_notify(message,
									   GROUPVPN_N_REGISTRATION_FAILED) != NULL;
	u_int delay;

	delay = note_rekey(exchange, ike_sa, group_id, refused);
	if (delay)
	{
		DBG1(DBG_IKE, "groupvpn: '%Y' at %H did not accept the new keys of "
			 "group-ID %u, its log tells why; sending them once more in %us",
			 ike_sa->get_other_id(ike_sa), ike_sa->get_other_host(ike_sa),
			 group_id, delay / 1000);
	}
}

METHOD(groupvpn_exchange_t, rekey_lost, void,
	groupvpn_exchange_t *exchange, uint32_t group_id)
{
	note_rekey(exchange, NULL, group_id, FALSE);
}

/**
 * Whether the certificate of a peer is void
 */
static bool is_void(private_groupvpn_gcks_rekey_t *this, ike_sa_t *ike_sa,
					char why[GV_TEXT_MAX + 1])
{
	groupvpn_gcks_recheck_t *recheck = this->gcks->recheck;

	return recheck->is_void(recheck, ike_sa, why);
}

METHOD(groupvpn_exchange_t, dismissal_request, bool,
	groupvpn_exchange_t *exchange, ike_sa_t *ike_sa, uint32_t group_id,
	message_t *message)
{
	private_groupvpn_gcks_rekey_t *this;
	groupvpn_groups_t *groups;
	groupvpn_gcks_group_t *group;
	groupvpn_authorization_t authorization;
	notify_type_t notify = GROUPVPN_N_INVALID_GROUP_ID;
	char why[GV_TEXT_MAX + 1];
	bool told = FALSE;

	this = container_of(exchange, private_groupvpn_gcks_rekey_t, dismissal);
	groups = this->gcks->groups;
	groups->lock(groups);
	group = groups->find(groups, group_id);
	if (group && is_void(this, ike_sa, why))
	{
		notify = GROUPVPN_N_AUTHORIZATION_FAILED;
		told = TRUE;
	}
	else if (group && !groupvpn_gcks_authorize(group, ike_sa, &authorization))
	{
		notify = GROUPVPN_N_AUTHORIZATION_FAILED;
		told = authorization.decision.verdict == GROUPVPN_REFUSED;
		snprintf(why, sizeof(why), "%s%s", authorization.evicted
				 ? "" : "not authorised anymore: ",
				 authorization.decision.why);
	}
	groups->unlock(groups);
	message->add_notify(message, FALSE, notify, chunk_empty);
	if (told)
	{
		groupvpn_add_reason(message, why);
	}
	return groupvpn_add_idg(message, group_id);
}

METHOD(groupvpn_exchange_t, dismissal_response, void,
	groupvpn_exchange_t *exchange, ike_sa_t *ike_sa, uint32_t group_id,
	message_t *message)
{
	private_groupvpn_gcks_rekey_t *this;
	groupvpn_groups_t *groups;
	groupvpn_gcks_group_t *group;
	groupvpn_authorization_t authorization = {};
	char why[GV_TEXT_MAX + 1];
	bool refused = FALSE, used = ike_sa->get_child_count(ike_sa) > 0;

	this = container_of(exchange, private_groupvpn_gcks_rekey_t, dismissal);
	groups = this->gcks->groups;
	groups->lock(groups);
	group = groups->find(groups, group_id);
	if (group)
	{
		groupvpn_gcks_authorize(group, ike_sa, &authorization);
		refused = authorization.decision.verdict == GROUPVPN_REFUSED ||
				  is_void(this, ike_sa, why);
	}
	used |= this->gcks->index->has(this->gcks->index,
								   ike_sa->get_unique_id(ike_sa));
	groups->unlock(groups);
	if (refused && !used)
	{
		lib->processor->queue_job(lib->processor,
			(job_t*)delete_ike_sa_job_create(ike_sa->get_id(ike_sa), TRUE));
	}
}

CALLBACK(dismiss_peer, job_requeue_t,
	groupvpn_gcks_job_t *job)
{
	private_groupvpn_gcks_rekey_t *this;
	ike_sa_t *ike_sa;

	this = (private_groupvpn_gcks_rekey_t*)job->gcks->rekey;
	ike_sa = charon->ike_sa_manager->checkout_by_id(charon->ike_sa_manager,
													job->ike_sa);
	if (ike_sa)
	{
		groupvpn_task_start(ike_sa, &this->dismissal, job->group_id);
	}
	return JOB_REQUEUE_NONE;
}

METHOD(groupvpn_gcks_rekey_t, dismiss, void,
	private_groupvpn_gcks_rekey_t *this, groupvpn_gcks_group_t *group,
	groupvpn_registration_t *registration)
{
	groupvpn_gcks_job_queue(dismiss_peer, group,
							registration, 0);
}

METHOD(groupvpn_gcks_rekey_t, destroy, void,
	private_groupvpn_gcks_rekey_t *this)
{
	free(this);
}

/*
 * See header
 */
groupvpn_gcks_rekey_t *groupvpn_gcks_rekey_create(groupvpn_gcks_core_t *gcks)
{
	private_groupvpn_gcks_rekey_t *this;

	INIT(this,
		.public = {
			.push = _push,
			.dismiss = _dismiss,
			.destroy = _destroy,
		},
		.rekey = {
			.type = GV_EXCHANGE_GSA_INBAND_REKEY,
			.request = _rekey_request,
			.response = _rekey_response,
			.lost = _rekey_lost,
		},
		.dismissal = {
			.type = GV_EXCHANGE_GSA_INBAND_REKEY,
			.request = _dismissal_request,
			.response = _dismissal_response,
		},
		.gcks = gcks,
	);
	return &this->public;
}
