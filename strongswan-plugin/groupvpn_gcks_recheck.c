/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All members are checked at an interval, and each when its certificate
 * expires: by one job of low priority, one after the other, since a check may
 * wait for a revocation list. That takes no IKE_SA: who is away may go on by
 * the keys that BGP brings, as long as policy allows and its certificate is
 * good. So the store keeps the certificates, too.
 *
 * Who fails is removed and told so, as one that policy does not allow anymore.
 * It is not evicted: with another certificate it may come back at once, by
 * another IKE_SA. By the one that it has it may not, for any group, as
 * certificates found revoked are remembered; until a later check finds them
 * good again, which a certificate that was on hold may be.
 */

#include "groupvpn_gcks_recheck.h"
#include "groupvpn_gcks_group.h"
#include "groupvpn_gcks_persist.h"
#include "groupvpn_gcks_rekey.h"
#include "groupvpn_verifier.h"

#include <time.h>

#include <daemon.h>
#include <processing/jobs/callback_job.h>

/* the longest time the timer is armed for, in seconds */
#define DAY (24 * 60 * 60)

/* how long to wait for credentials to be loaded, in milliseconds */
#define LOAD_TIME 3000

typedef struct private_groupvpn_gcks_recheck_t private_groupvpn_gcks_recheck_t;

/**
 * Private data
 */
struct private_groupvpn_gcks_recheck_t {

	/**
	 * Public interface
	 */
	groupvpn_gcks_recheck_t public;

	/**
	 * The GCKS
	 */
	groupvpn_gcks_core_t *gcks;

	/**
	 * Verifies certificates
	 */
	groupvpn_verifier_t *verifier;

	/**
	 * How often to check all, and when next; whether that is when what is to
	 * be checked now has been
	 */
	uint64_t interval;
	uint64_t due;
	bool overdue;

	/**
	 * What is to be checked, as check_t, and whether the job is at it
	 */
	linked_list_t *checks;
	bool running;

	/**
	 * Authentications by certificates that were revoked, as auth_cfg_t
	 */
	linked_list_t *revoked;

	/**
	 * Fires when checks are due
	 */
	groupvpn_timer_t *timer;
};

/**
 * A check
 */
typedef struct {
	/* what to check */
	auth_cfg_t *auth;
	/* whose it is; 0 if it is one of those revoked */
	uint32_t group_id;
	uint16_t member_id;
} check_t;

/**
 * Free a check
 */
static void check_destroy(check_t *check)
{
	check->auth->destroy(check->auth);
	free(check);
}

/**
 * Whether two authentications are by the same certificate
 */
static bool same_certificate(auth_cfg_t *a, auth_cfg_t *b)
{
	certificate_t *cert = a->get(a, AUTH_RULE_SUBJECT_CERT);

	return cert->equals(cert, b->get(b, AUTH_RULE_SUBJECT_CERT));
}

/**
 * Find the authentication of the same certificate among those revoked
 */
static auth_cfg_t *find_revoked(private_groupvpn_gcks_recheck_t *this,
								auth_cfg_t *auth)
{
	enumerator_t *enumerator;
	auth_cfg_t *revoked, *found = NULL;

	enumerator = this->revoked->create_enumerator(this->revoked);
	while (enumerator->enumerate(enumerator, &revoked))
	{
		if (same_certificate(revoked, auth))
		{
			found = revoked;
			break;
		}
	}
	enumerator->destroy(enumerator);
	return found;
}

/**
 * Remember a certificate as revoked, or not to be anymore
 */
static void set_revoked(private_groupvpn_gcks_recheck_t *this,
						auth_cfg_t *auth, bool revoked)
{
	auth_cfg_t *found = find_revoked(this, auth);

	if (revoked && !found)
	{
		this->revoked->insert_last(this->revoked, auth->clone(auth));
	}
	else if (!revoked && found)
	{
		this->revoked->remove(this->revoked, found, NULL);
		found->destroy(found);
	}
}

/**
 * Remove a member because of its certificate
 */
static void condemn(groupvpn_gcks_group_t *group,
					groupvpn_registration_t *registration, char *why)
{
	groupvpn_gcks_group_expel(group, registration, why);
	group->counters[GCKS_CERTIFICATES]++;
	/* a restart before the new epoch must not forget that one is due */
	groupvpn_gcks_save_kek(group, TRUE);
	groupvpn_gcks_group_batch(group, NULL, why);
}

/**
 * Do what follows from a check
 */
static void conclude(private_groupvpn_gcks_recheck_t *this, check_t *check,
					 groupvpn_fault_t fault)
{
	groupvpn_groups_t *groups = this->gcks->groups;
	groupvpn_registration_t *registration = NULL;
	groupvpn_gcks_group_t *group;

	if (!check->group_id || fault == GROUPVPN_FAULT_REVOKED)
	{
		set_revoked(this, check->auth, fault == GROUPVPN_FAULT_REVOKED);
	}
	group = groups->find(groups, check->group_id);
	if (group)
	{
		registration = group->registrations->find(group->registrations,
												  check->member_id);
	}
	if (registration && registration->auth && fault != GROUPVPN_FAULT_NONE &&
		same_certificate(registration->auth, check->auth))
	{
		condemn(group, registration,
				enum_to_name(groupvpn_fault_names, fault));
	}
}

CALLBACK(check_next, job_requeue_t,
	private_groupvpn_gcks_recheck_t *this)
{
	groupvpn_groups_t *groups = this->gcks->groups;
	groupvpn_fault_t fault;
	check_t *check;

	groups->lock(groups);
	this->running = this->checks->remove_first(this->checks,
											   (void**)&check) == SUCCESS;
	if (!this->running && this->overdue)
	{
		this->overdue = FALSE;
		this->due = groupvpn_now();
		this->timer->arm(this->timer, this->due);
	}
	groups->unlock(groups);
	if (!this->running)
	{
		return JOB_REQUEUE_NONE;
	}
	fault = this->verifier->verify(this->verifier, check->auth);
	groups->lock(groups);
	conclude(this, check, fault);
	groups->unlock(groups);
	check_destroy(check);
	return JOB_REQUEUE_FAIR;
}

/**
 * Have something checked
 */
static void add_check(private_groupvpn_gcks_recheck_t *this, auth_cfg_t *auth,
					  groupvpn_registration_t *registration)
{
	check_t *check;

	INIT(check,
		.auth = auth->clone(auth),
		.group_id = registration ? registration->group_id : 0,
		.member_id = registration ? registration->member_id : 0,
	);
	this->checks->insert_last(this->checks, check);
	if (!this->running)
	{
		this->running = TRUE;
		lib->processor->queue_job(lib->processor,
			(job_t*)callback_job_create_with_prio(check_next, this, NULL, NULL,
												  JOB_PRIO_LOW));
	}
}

/**
 * Arm the timer for when a certificate expires
 */
static void arm_expiry(private_groupvpn_gcks_recheck_t *this, auth_cfg_t *auth)
{
	time_t left = groupvpn_verifier_expiry(auth) - time(NULL);

	this->timer->arm(this->timer, groupvpn_now() +
								  (min(max(left, 0), DAY) + 1) * 1000ULL);
}

/**
 * Have those members of a group checked that are due
 *
 * @param all			whether all are due
 */
static void check_members(private_groupvpn_gcks_recheck_t *this,
						  groupvpn_gcks_group_t *group, bool all)
{
	enumerator_t *enumerator;
	groupvpn_registration_t *registration;
	bool expired;

	enumerator = group->registrations->create_enumerator(group->registrations);
	while (enumerator->enumerate(enumerator, &registration))
	{	/* without a Sender-ID it has no keys to lose */
		if (!registration->auth || !registration->sender_id)
		{
			continue;
		}
		expired = time(NULL) > groupvpn_verifier_expiry(registration->auth);
		if (all || expired)
		{
			add_check(this, registration->auth, registration);
		}
		if (!expired)
		{
			arm_expiry(this, registration->auth);
		}
	}
	enumerator->destroy(enumerator);
}

CALLBACK(on_timer, void,
	private_groupvpn_gcks_recheck_t *this)
{
	groupvpn_groups_t *groups = this->gcks->groups;
	enumerator_t *enumerator;
	groupvpn_gcks_group_t *group;
	auth_cfg_t *auth;
	uint64_t now = groupvpn_now();
	bool all;

	groups->lock(groups);
	all = this->due <= now;
	if (all && this->running)
	{	/* checks may take longer than the interval, when lists can not be had */
		all = FALSE;
		this->overdue = TRUE;
		this->due = GROUPVPN_NEVER;
	}
	if (all)
	{
		this->due = this->interval ? now + this->interval : GROUPVPN_NEVER;
		enumerator = this->revoked->create_enumerator(this->revoked);
		while (enumerator->enumerate(enumerator, &auth))
		{
			add_check(this, auth, NULL);
		}
		enumerator->destroy(enumerator);
	}
	enumerator = groups->create_enumerator(groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		check_members(this, group, all);
	}
	enumerator->destroy(enumerator);
	this->timer->arm(this->timer, this->due);
	groups->unlock(groups);
}

METHOD(groupvpn_gcks_recheck_t, note, bool,
	private_groupvpn_gcks_recheck_t *this,
	groupvpn_registration_t *registration, ike_sa_t *ike_sa)
{
	auth_cfg_t *before = registration->auth, *auth;
	identification_t *identity;
	enumerator_t *enumerator;
	bool same;

	registration->auth = NULL;
	enumerator = ike_sa->create_auth_cfg_enumerator(ike_sa, FALSE);
	while (enumerator->enumerate(enumerator, &auth))
	{
		identity = auth->get(auth, AUTH_RULE_IDENTITY);
		if (identity && auth->get(auth, AUTH_RULE_SUBJECT_CERT) &&
			identity->equals(identity, registration->identity))
		{
			registration->auth = auth->clone(auth);
			arm_expiry(this, auth);
			break;
		}
	}
	enumerator->destroy(enumerator);
	same = before && registration->auth
		   ? same_certificate(before, registration->auth)
		   : before == registration->auth;
	DESTROY_IF(before);
	return !same;
}

METHOD(groupvpn_gcks_recheck_t, is_void, bool,
	private_groupvpn_gcks_recheck_t *this, ike_sa_t *ike_sa,
	char why[GV_TEXT_MAX + 1])
{
	groupvpn_fault_t fault = GROUPVPN_FAULT_NONE;
	enumerator_t *enumerator;
	auth_cfg_t *auth;

	enumerator = ike_sa->create_auth_cfg_enumerator(ike_sa, FALSE);
	while (fault == GROUPVPN_FAULT_NONE &&
		   enumerator->enumerate(enumerator, &auth))
	{
		if (!auth->get(auth, AUTH_RULE_SUBJECT_CERT))
		{
			continue;
		}
		if (find_revoked(this, auth))
		{
			fault = GROUPVPN_FAULT_REVOKED;
		}
		else if (groupvpn_verifier_is_expired(auth))
		{
			fault = GROUPVPN_FAULT_EXPIRED;
		}
	}
	enumerator->destroy(enumerator);
	if (fault != GROUPVPN_FAULT_NONE)
	{
		snprintf(why, GV_TEXT_MAX + 1, "%N", groupvpn_fault_names, fault);
		return TRUE;
	}
	return FALSE;
}

METHOD(groupvpn_gcks_recheck_t, start, void,
	private_groupvpn_gcks_recheck_t *this)
{
	groupvpn_groups_t *groups = this->gcks->groups;

	groups->lock(groups);
	this->due = groupvpn_now() + LOAD_TIME;
	this->timer->arm(this->timer, this->due);
	groups->unlock(groups);
}

METHOD(groupvpn_gcks_recheck_t, alert_, void,
	private_groupvpn_gcks_recheck_t *this, alert_t alert, va_list args)
{
	this->verifier->alert(this->verifier, alert, args);
}

METHOD(groupvpn_gcks_recheck_t, destroy, void,
	private_groupvpn_gcks_recheck_t *this)
{
	this->checks->destroy_function(this->checks, (void*)check_destroy);
	this->revoked->destroy_offset(this->revoked,
								  offsetof(auth_cfg_t, destroy));
	this->timer->destroy(this->timer);
	this->verifier->destroy(this->verifier);
	free(this);
}

/*
 * See header
 */
groupvpn_gcks_recheck_t *groupvpn_gcks_recheck_create(
								groupvpn_gcks_core_t *gcks, uint64_t interval)
{
	private_groupvpn_gcks_recheck_t *this;

	INIT(this,
		.public = {
			.note = _note,
			.is_void = _is_void,
			.start = _start,
			.alert = _alert_,
			.destroy = _destroy,
		},
		.gcks = gcks,
		.verifier = groupvpn_verifier_create(),
		.interval = interval,
		.due = interval ? groupvpn_now() + interval : GROUPVPN_NEVER,
		.checks = linked_list_create(),
		.revoked = linked_list_create(),
	);
	this->timer = groupvpn_timer_create(on_timer, this);
	this->timer->arm(this->timer, this->due);
	return &this->public;
}
