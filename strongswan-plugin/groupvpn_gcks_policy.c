/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A request that policy has first to be asked about is put aside: charon's hook
 * can have a message ignored as if it had not come, and it is processed again,
 * as if it was sent again, when there is an answer. So no thread waits, above
 * all none that holds charon's bus.
 */

#include "groupvpn_gcks_policy.h"
#include "groupvpn_gcks_group.h"
#include "groupvpn_gcks_prefixes.h"
#include "groupvpn_gcks_rekey.h"
#include "groupvpn_gcks_tell.h"

#include <daemon.h>
#include <processing/jobs/callback_job.h>
#include <processing/jobs/delete_ike_sa_job.h>
#include <processing/jobs/process_message_job.h>
#include <threading/mutex.h>

/* time in which more changes are waited for before members are reviewed, in
 * milliseconds */
#define REVIEW_DELAY 200

typedef struct private_groupvpn_gcks_policy_t private_groupvpn_gcks_policy_t;

/**
 * Private data
 */
struct private_groupvpn_gcks_policy_t {

	/**
	 * Public interface
	 */
	groupvpn_gcks_policy_t public;

	/**
	 * Hears of changes of policy
	 */
	groupvpn_policy_listener_t listener;

	/**
	 * The GCKS
	 */
	groupvpn_gcks_core_t *gcks;

	/**
	 * IDs of groups that are to be reviewed, as uintptr_t
	 */
	linked_list_t *due;

	/**
	 * Locks the list
	 */
	mutex_t *mutex;
};

/**
 * Get who the next round of authentication of a peer has proved
 *
 * @param enumerator	over auth_cfg_t*
 * @param applicant		receives it
 */
static bool next_applicant(enumerator_t *enumerator, ike_sa_t *ike_sa,
						   groupvpn_applicant_t *applicant)
{
	auth_cfg_t *auth;
	identification_t *identity;

	while (enumerator->enumerate(enumerator, &auth))
	{
		identity = auth->get(auth, AUTH_RULE_IDENTITY);
		if (identity)
		{
			*applicant = (groupvpn_applicant_t){
				.identity = identity,
				.class = (uintptr_t)auth->get(auth, AUTH_RULE_AUTH_CLASS),
				.certificate = auth->get(auth, AUTH_RULE_SUBJECT_CERT),
				.gateway = ike_sa->get_other_host(ike_sa),
			};
			return TRUE;
		}
	}
	return FALSE;
}

/**
 * Say by which eviction somebody is locked out
 *
 * @param identity		that it could be a member by, NULL if there is none
 */
static void describe_eviction(groupvpn_eviction_t *eviction,
							  identification_t *identity,
							  char why[GV_TEXT_MAX + 1])
{
	u_int age = groupvpn_vici_age(eviction->since);

	if (!identity || identity->equals(identity, eviction->identity))
	{
		snprintf(why, GV_TEXT_MAX + 1, "evicted %us ago (%s), until it is "
				 "readmitted", age, eviction->why);
	}
	else
	{
		snprintf(why, GV_TEXT_MAX + 1, "evicted %us ago (%s) as '%Y', which "
				 "its certificate is for, too, until that is readmitted", age,
				 eviction->why, eviction->identity);
	}
}

/*
 * See header
 */
bool groupvpn_gcks_authorize(groupvpn_gcks_group_t *group, ike_sa_t *ike_sa,
							 groupvpn_authorization_t *authorization)
{
	groupvpn_policy_t *policy = group->gcks->policy;
	groupvpn_evictions_t *evictions = group->evictions;
	groupvpn_decision_t *decision = &authorization->decision;
	groupvpn_applicant_t applicant;
	groupvpn_eviction_t *eviction = NULL;
	enumerator_t *enumerator;

	*authorization = (groupvpn_authorization_t){
		.decision = {
			.verdict = GROUPVPN_REFUSED,
			.why = "charon forgot how the peer was authenticated, set "
				   "charon.flush_auth_cfg = no",
		},
	};
	enumerator = ike_sa->create_auth_cfg_enumerator(ike_sa, FALSE);
	while (!authorization->identity && !eviction &&
		   next_applicant(enumerator, ike_sa, &applicant))
	{
		policy->decide(policy, group->cfg, &applicant, decision);
		eviction = evictions->find_any(evictions, applicant.identity,
									   applicant.certificate);
		if (decision->verdict == GROUPVPN_ALLOWED)
		{
			authorization->identity = applicant.identity;
			authorization->class = applicant.class;
			authorization->certificate = applicant.certificate;
		}
	}
	enumerator->destroy(enumerator);
	if (eviction)
	{
		describe_eviction(eviction, authorization->identity, decision->why);
		authorization->identity = NULL;
		authorization->evicted = TRUE;
		decision->verdict = GROUPVPN_REFUSED;
	}
	return authorization->identity != NULL;
}

/*
 * See header
 */
bool groupvpn_gcks_may_join(groupvpn_gcks_group_t *group,
							identification_t *identity)
{
	groupvpn_policy_t *policy = group->gcks->policy;
	groupvpn_decision_t decision;
	groupvpn_applicant_t applicant = {
		.identity = identity,
		.class = AUTH_CLASS_ANY,
		.remembered = TRUE,
	};

	policy->review(policy, group->cfg, &applicant, &decision);
	return decision.verdict == GROUPVPN_ALLOWED;
}

/* --- requests --- */

/**
 * The job that has a message come in once more, NULL if that is not possible:
 * one that came in fragments the peer has to send again
 */
static job_t *again(message_t *message)
{
	message_t *copy;

	if (!message->get_packet_data(message).len)
	{
		return NULL;
	}
	copy = message_create_from_packet(message->get_packet(message));
	if (copy->parse_header(copy) != SUCCESS)
	{
		copy->destroy(copy);
		return NULL;
	}
	return (job_t*)process_message_job_create(copy);
}

/**
 * Get the configuration of a group, NULL if there is no such group
 */
static groupvpn_group_t *get_config(private_groupvpn_gcks_policy_t *this,
									uint32_t group_id)
{
	groupvpn_groups_t *groups = this->gcks->groups;
	groupvpn_gcks_group_t *group;
	groupvpn_group_t *cfg;

	groups->lock(groups);
	group = groups->find(groups, group_id);
	cfg = group ? groupvpn_group_get_ref(group->cfg) : NULL;
	groups->unlock(groups);
	return cfg;
}

METHOD(groupvpn_gcks_policy_t, is_ready, bool,
	private_groupvpn_gcks_policy_t *this, ike_sa_t *ike_sa, uint32_t group_id,
	message_t *message)
{
	groupvpn_policy_t *policy = this->gcks->policy;
	groupvpn_group_t *cfg = get_config(this, group_id);
	groupvpn_applicant_t applicant;
	enumerator_t *enumerator;
	bool ready = TRUE;

	if (!cfg)
	{
		return TRUE;
	}
	enumerator = ike_sa->create_auth_cfg_enumerator(ike_sa, FALSE);
	while (ready && next_applicant(enumerator, ike_sa, &applicant))
	{
		ready = policy->is_ready(policy, cfg, &applicant);
		if (!ready)
		{
			policy->ask(policy, cfg, &applicant,
						message ? again(message) : NULL);
		}
	}
	enumerator->destroy(enumerator);
	groupvpn_group_destroy(cfg);
	return ready;
}

/* --- members --- */

/**
 * What is known of a member
 */
static groupvpn_applicant_t to_applicant(groupvpn_registration_t *registration)
{
	return (groupvpn_applicant_t){
		.identity = registration->identity,
		.class = registration->class,
		.certificate = registration->certificate,
		.remembered = registration->remembered,
		.gateway = registration->gateway,
	};
}

/**
 * Have a member register again: it does so when its IKE_SA is closed
 */
static void renew(groupvpn_gcks_group_t *group,
				  groupvpn_registration_t *registration)
{
	DBG1(DBG_IKE, "groupvpn: group '%s': member %u '%Y' may do something else "
		 "than before and has to register again", group->cfg->name,
		 registration->member_id, registration->identity);
	lib->processor->queue_job(lib->processor,
				(job_t*)delete_ike_sa_job_create(registration->ike_sa_id, TRUE));
}

/**
 * Remove a member that may not stay
 */
static void evict(groupvpn_gcks_group_t *group,
				  groupvpn_registration_t *registration, char *why)
{
	char text[GV_TEXT_MAX + 1];

	snprintf(text, sizeof(text), "not authorised anymore: %s", why);
	groupvpn_gcks_group_expel(group, registration, text);
}

/*
 * See header
 */
bool groupvpn_gcks_review(groupvpn_gcks_group_t *group)
{
	groupvpn_policy_t *policy = group->gcks->policy;
	groupvpn_evictions_t *evictions = group->evictions;
	enumerator_t *enumerator;
	groupvpn_registration_t *registration;
	groupvpn_applicant_t applicant;
	groupvpn_decision_t decision;
	bool found = FALSE;

	enumerator = group->registrations->create_enumerator(group->registrations);
	while (enumerator->enumerate(enumerator, &registration))
	{
		if (!registration->sender_id)
		{	/* should the store have missed that it went */
			if (group->kek)
			{
				group->kek->remove(group->kek, registration->member_id);
			}
			continue;
		}
		applicant = to_applicant(registration);
		policy->review(policy, group->cfg, &applicant, &decision);
		if (decision.verdict == GROUPVPN_ALLOWED &&
			evictions->find_any(evictions, registration->identity,
								registration->certificate))
		{
			decision.verdict = GROUPVPN_REFUSED;
			snprintf(decision.why, sizeof(decision.why), "it was evicted");
		}
		if (decision.verdict == GROUPVPN_REFUSED)
		{
			evict(group, registration, decision.why);
			found = TRUE;
		}
		else if (group->kek && group->admitted_others &&
				 !registration->ike_sa &&
				 (registration->remembered || group->cfg->policy))
		{	/* it is judged when it comes back, and gets no keys before */
			group->kek->remove(group->kek, registration->member_id);
		}
		else if (registration->ike_sa && !decision.partial)
		{
			if (!streq(registration->label, decision.label))
			{
				memcpy(registration->label, decision.label,
					   sizeof(registration->label));
				groupvpn_gcks_tell_label(group, registration);
				groupvpn_gcks_prefixes_rename(group, registration);
			}
			if (decision.direction != registration->direction ||
				!groupvpn_gcks_prefixes_hold(group, registration))
			{
				renew(group, registration);
			}
		}
	}
	enumerator->destroy(enumerator);
	return found;
}

METHOD(groupvpn_gcks_policy_t, recheck, void,
	private_groupvpn_gcks_policy_t *this, groupvpn_gcks_group_t *group)
{
	groupvpn_policy_t *policy = this->gcks->policy;
	enumerator_t *enumerator;
	groupvpn_registration_t *registration;
	groupvpn_applicant_t applicant;

	enumerator = group->registrations->create_enumerator(group->registrations);
	while (enumerator->enumerate(enumerator, &registration))
	{
		/* one that is away may still get new keys by BGP. If it is not known
		 * what certificate it had it is asked about when it is back */
		if (registration->sender_id &&
			(!registration->remembered ||
			 registration->class == AUTH_CLASS_PSK))
		{
			applicant = to_applicant(registration);
			policy->recheck(policy, group->cfg, &applicant);
		}
	}
	enumerator->destroy(enumerator);
}

/* --- changes --- */

CALLBACK(review_due, job_requeue_t,
	private_groupvpn_gcks_policy_t *this)
{
	groupvpn_groups_t *groups = this->gcks->groups;
	groupvpn_gcks_group_t *group;
	void *id = NULL;

	this->mutex->lock(this->mutex);
	this->due->remove_first(this->due, &id);
	this->mutex->unlock(this->mutex);

	groups->lock(groups);
	group = groups->find(groups, (uintptr_t)id);
	if (group && groupvpn_gcks_review(group))
	{
		groupvpn_gcks_group_roll(group, "policy changed");
	}
	groups->unlock(groups);
	return JOB_REQUEUE_NONE;
}

METHOD(groupvpn_policy_listener_t, changed, void,
	groupvpn_policy_listener_t *listener, uint32_t group_id)
{
	private_groupvpn_gcks_policy_t *this;
	void *id = (void*)(uintptr_t)group_id;
	bool is_due;

	this = container_of(listener, private_groupvpn_gcks_policy_t, listener);
	this->mutex->lock(this->mutex);
	is_due = this->due->find_first(this->due, NULL, &id);
	if (!is_due)
	{
		this->due->insert_last(this->due, id);
	}
	this->mutex->unlock(this->mutex);
	if (!is_due)
	{
		lib->scheduler->schedule_job_ms(lib->scheduler,
				(job_t*)callback_job_create(review_due, this, NULL, NULL),
				REVIEW_DELAY);
	}
}

/**
 * Argument of a job about a group by its name, or about all
 */
typedef struct {
	private_groupvpn_gcks_policy_t *this;
	char name[GV_NAME_MAX + 1];
} recheck_job_t;

CALLBACK(recheck_groups, job_requeue_t,
	recheck_job_t *job)
{
	groupvpn_groups_t *groups = job->this->gcks->groups;
	groupvpn_gcks_group_t *group;
	enumerator_t *enumerator;

	groups->lock(groups);
	enumerator = groups->create_enumerator(groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		if (!*job->name || streq(job->name, group->cfg->name))
		{
			recheck(job->this, group);
		}
	}
	enumerator->destroy(enumerator);
	groups->unlock(groups);
	return JOB_REQUEUE_NONE;
}

METHOD(groupvpn_policy_listener_t, recheck_wanted, void,
	groupvpn_policy_listener_t *listener, char *group)
{
	private_groupvpn_gcks_policy_t *this;
	recheck_job_t *job;

	this = container_of(listener, private_groupvpn_gcks_policy_t, listener);
	INIT(job,
		.this = this,
	);
	snprintf(job->name, sizeof(job->name), "%s", group);
	lib->processor->queue_job(lib->processor,
				(job_t*)callback_job_create(recheck_groups, job, free, NULL));
}

METHOD(groupvpn_gcks_policy_t, destroy, void,
	private_groupvpn_gcks_policy_t *this)
{
	groupvpn_policy_t *policy = this->gcks->policy;

	policy->set_listener(policy, NULL);
	this->due->destroy(this->due);
	this->mutex->destroy(this->mutex);
	free(this);
}

/*
 * See header
 */
groupvpn_gcks_policy_t *groupvpn_gcks_policy_create(groupvpn_gcks_core_t *gcks)
{
	private_groupvpn_gcks_policy_t *this;

	INIT(this,
		.public = {
			.is_ready = _is_ready,
			.recheck = _recheck,
			.destroy = _destroy,
		},
		.listener = {
			.changed = _changed,
			.recheck = _recheck_wanted,
		},
		.gcks = gcks,
		.due = linked_list_create(),
		.mutex = mutex_create(MUTEX_TYPE_DEFAULT),
	);
	gcks->policy->set_listener(gcks->policy, &this->listener);
	return &this->public;
}
