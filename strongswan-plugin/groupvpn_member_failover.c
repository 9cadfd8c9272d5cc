/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two GCKSs share no keys, so whoever goes to another one parts from those who
 * do not. A member keeps to the one that gave its keys as long as these last,
 * whatever that one answers, or if it does not; only when they are about to end,
 * which is at the same time for all who have them, or without keys, it goes down
 * the list.
 *
 * With another one than the first it looks every now and then whether that is
 * back, at the same time as others do, and returns when it has an IKE_SA with
 * it. Until then that changes nothing.
 */

#include "groupvpn_member_failover.h"
#include "groupvpn_member_exchange.h"
#include "groupvpn_member_group.h"
#include "groupvpn_member_job.h"
#include "compat.h"

#include <time.h>

#include <daemon.h>

/* how long an attempt lasts without keys if there is another GCKS to try, and
 * at least however close the end of the keys is, in milliseconds */
#define ATTEMPT 30000
#define ATTEMPT_MIN 5000

/**
 * Name of a connection of the list, NULL if it has not as many
 */
static char *get_name(groupvpn_group_t *cfg, u_int index)
{
	enumerator_t *enumerator;
	char *name = NULL, *current;
	u_int i = 0;

	enumerator = cfg->gcks->create_enumerator(cfg->gcks);
	while (enumerator->enumerate(enumerator, &current))
	{
		if (i++ == index)
		{
			name = current;
			break;
		}
	}
	enumerator->destroy(enumerator);
	return name;
}

/*
 * See header
 */
char *groupvpn_member_gcks_name(groupvpn_member_group_t *group)
{
	return get_name(group->cfg, group->gcks);
}

/**
 * Number of connections in the list
 */
static u_int get_count(groupvpn_member_group_t *group)
{
	return group->cfg->gcks->get_count(group->cfg->gcks);
}

/**
 * Time until our keys are about to end, 0 if we have none
 */
static uint64_t get_left(groupvpn_member_group_t *group)
{
	groupvpn_dataplane_t *dataplane = group->dataplane;
	uint64_t now = groupvpn_now(), renewal;

	if (!dataplane->has_keys(dataplane))
	{
		return 0;
	}
	renewal = dataplane->get_renewal(dataplane);
	return renewal > now ? renewal - now : 0;
}

/**
 * Go down the list
 */
static void next_gcks(groupvpn_member_group_t *group)
{
	group->gcks = (group->gcks + 1) % get_count(group);
}

/*
 * See header
 */
bool groupvpn_member_choose_gcks(groupvpn_member_group_t *group)
{
	if (get_left(group))
	{
		group->gcks = group->home;
		return TRUE;
	}
	next_gcks(group);
	return FALSE;
}

/*
 * See header
 */
uint64_t groupvpn_member_wait_with_keys(groupvpn_member_group_t *group,
										uint64_t delay)
{
	uint64_t left = get_left(group);

	if (delay < left)
	{
		return delay;
	}
	next_gcks(group);
	return left;
}

/*
 * See header
 */
uint64_t groupvpn_member_patience(groupvpn_member_group_t *group,
								  uint64_t timeout)
{
	uint64_t left = min(get_left(group), timeout);

	if (get_count(group) < 2)
	{
		return timeout;
	}
	if (left && group->gcks != group->home)
	{	/* the one that gave our keys is there meanwhile */
		return min(timeout, ATTEMPT);
	}
	return min(timeout, left ? max(left, ATTEMPT_MIN) : ATTEMPT);
}

/**
 * When to look for the first GCKS of the list next: as often as a refusal is
 * tried again, at times that are the same for all members whose clocks are right
 */
static uint64_t next_look(groupvpn_member_group_t *group)
{
	uint64_t interval = group->member->retry_max;

	return groupvpn_now() + interval - time(NULL) * 1000ULL % interval;
}

/*
 * See header
 */
void groupvpn_member_settle(groupvpn_member_group_t *group)
{
	groupvpn_member_exchange_t *exchange = group->member->exchange;

	if (group->gcks != group->home)
	{
		DBG1(DBG_IKE, "groupvpn: group '%s': '%s' is its key server now in "
			 "place of '%s': members of that one can not be reached",
			 group->cfg->name, groupvpn_member_gcks_name(group),
			 get_name(group->cfg, group->home));
		if (group->home_ike_sa && group->home_ike_sa != group->ike_sa)
		{
			exchange->leave(exchange, group, group->home_ike_sa,
							GROUPVPN_N_REGISTRATION_FAILED);
		}
	}
	group->home = group->gcks;
	group->home_ike_sa = group->ike_sa;
	group->look = group->gcks ? next_look(group) : GROUPVPN_NEVER;
	group->member->timer->arm(group->member->timer, group->look);
}

/*
 * See header
 */
void groupvpn_member_change_gcks(groupvpn_member_group_t *group,
								 groupvpn_group_t *cfg)
{
	groupvpn_member_exchange_t *exchange = group->member->exchange;
	char *name = get_name(group->cfg, group->home), *other;
	u_int i, home = 0;
	bool found = FALSE;

	for (i = 0; !found && (other = get_name(cfg, i)); i++)
	{
		home = i;
		found = streq(name, other);
	}
	if (!found)
	{
		home = 0;
		if (group->home_ike_sa)
		{
			exchange->leave(exchange, group, group->home_ike_sa,
							GROUPVPN_N_REGISTRATION_FAILED);
		}
		group->home_ike_sa = 0;
		/* nobody of the list gave our identifiers */
		group->fresh = TRUE;
	}
	group->home = home;
	group->gcks = get_left(group) ? home : 0;
	group->look = GROUPVPN_NEVER;
	group->preferred = 0;
}

/**
 * A group that is registered with another GCKS than the first of the list, NULL
 * if it is not
 */
static groupvpn_member_group_t *find_away(groupvpn_member_job_t *job)
{
	groupvpn_member_group_t *group;

	group = groupvpn_member_job_find(job, MEMBER_REGISTERED);
	return group && group->gcks ? group : NULL;
}

/**
 * Where a template connects to, NULL if that is not known
 */
static host_t *choose_address(groupvpn_member_job_t *job, peer_cfg_t *peer_cfg)
{
	groupvpn_groups_t *groups = job->member->groups;
	groupvpn_member_hints_t hints;
	groupvpn_member_group_t *group;
	host_t *host = NULL;

	groups->lock(groups);
	group = find_away(job);
	if (group && !groupvpn_template_problem(peer_cfg))
	{	/* what is in use stays as it is */
		hints = group->hints;
		hints.tried = hints.last = NULL;
		host = groupvpn_member_hints_choose(&hints, peer_cfg, FALSE, FALSE);
		DESTROY_IF(hints.tried);
	}
	groups->unlock(groups);
	return host;
}

/**
 * Check out the IKE_SA of a connection, NULL if there can be none
 */
static ike_sa_t *checkout_ike_sa(groupvpn_member_job_t *job,
								 peer_cfg_t *peer_cfg)
{
	ike_sa_t *ike_sa;
	host_t *host;

	if (!groupvpn_is_template(peer_cfg))
	{
		return charon->ike_sa_manager->checkout_by_config(
											charon->ike_sa_manager, peer_cfg);
	}
	host = choose_address(job, peer_cfg);
	if (!host)
	{
		return NULL;
	}
	ike_sa = groupvpn_template_checkout(job->member->templates, peer_cfg, host);
	host->destroy(host);
	return ike_sa;
}

/**
 * Return by an IKE_SA that is up, or bring it up
 */
static status_t use_ike_sa(groupvpn_member_job_t *job, ike_sa_t *ike_sa)
{
	groupvpn_groups_t *groups = job->member->groups;
	groupvpn_member_group_t *group;
	ike_sa_state_t state = ike_sa->get_state(ike_sa);
	bool initiate = FALSE;

	groups->lock(groups);
	group = find_away(job);
	if (group)
	{
		group->preferred = ike_sa->get_unique_id(ike_sa);
		initiate = state == IKE_CREATED;
		if (state == IKE_ESTABLISHED || state == IKE_REKEYING)
		{
			initiate = groupvpn_member_return(group, ike_sa);
		}
	}
	groups->unlock(groups);
	if (!initiate)
	{	/* our hook is called when it is up */
		return state == IKE_CREATED ? DESTROY_ME : SUCCESS;
	}
	return ike_sa->initiate(ike_sa, NULL, NULL);
}

CALLBACK(look_for_preferred, job_requeue_t,
	groupvpn_member_job_t *job)
{
	groupvpn_groups_t *groups = job->member->groups;
	groupvpn_member_group_t *group;
	peer_cfg_t *peer_cfg;
	ike_sa_t *ike_sa = NULL;
	char *name = NULL;

	groups->lock(groups);
	group = find_away(job);
	if (group)
	{
		name = strdup(get_name(group->cfg, 0));
	}
	groups->unlock(groups);
	if (!name)
	{
		return JOB_REQUEUE_NONE;
	}
	peer_cfg = charon->backends->get_peer_cfg_by_name(charon->backends, name);
	if (peer_cfg)
	{
		ike_sa = checkout_ike_sa(job, peer_cfg);
	}
	if (!ike_sa)
	{
		/* it is looked for again */
	}
	else if (use_ike_sa(job, ike_sa) == DESTROY_ME)
	{
		charon->ike_sa_manager->checkin_and_destroy(charon->ike_sa_manager,
													ike_sa);
	}
	else
	{
		charon->ike_sa_manager->checkin(charon->ike_sa_manager, ike_sa);
	}
	DESTROY_IF(peer_cfg);
	free(name);
	return JOB_REQUEUE_NONE;
}

/*
 * See header
 */
uint64_t groupvpn_member_failover_run(groupvpn_member_group_t *group,
									  uint64_t now)
{
	groupvpn_member_job_t job = {
		.member = group->member,
		.group_id = group->cfg->id,
	};

	if (group->look <= now)
	{
		group->look = next_look(group);
		groupvpn_member_job_queue(look_for_preferred, &job);
	}
	return group->look;
}

/*
 * See header
 */
bool groupvpn_member_return(groupvpn_member_group_t *group, ike_sa_t *ike_sa)
{
	host_t *host = ike_sa->get_other_host(ike_sa);

	if (group->state != MEMBER_REGISTERED || !group->gcks ||
		group->preferred != ike_sa->get_unique_id(ike_sa))
	{
		return FALSE;
	}
	DBG1(DBG_IKE, "groupvpn: group '%s': '%s' is back, returning to it from "
		 "'%s'", group->cfg->name, get_name(group->cfg, 0),
		 groupvpn_member_gcks_name(group));
	groupvpn_member_hints_configured(&group->hints);
	if (groupvpn_is_template(ike_sa->get_peer_cfg(ike_sa)))
	{
		group->hints.tried = host->clone(host);
	}
	group->gcks = 0;
	group->preferred = 0;
	group->failures = 0;
	group->ike_sa = ike_sa->get_unique_id(ike_sa);
	groupvpn_member_register(group, ike_sa);
	return TRUE;
}
