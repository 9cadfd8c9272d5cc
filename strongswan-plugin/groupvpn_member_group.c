/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For each group a state machine that never gives up:
 *
 *   WAITING --timer--> CONNECTING --IKE_SA up--> REGISTERING --keys-> REGISTERED
 *      ^                   |                          |                   |
 *      +--- next GCKS -----+--------------------------+                   |
 *      +--- same GCKS, at once ----- IKE_SA lost, address or keys change --+
 *
 * The IKE_SA is childless, shared by all groups with the same GCKS connection,
 * and brought up from the connection of that name in swanctl.conf. If that has no
 * address, it is the one that the group's descriptor names, and the group is
 * WAITING until there is one. The data plane lives on when the registration is
 * lost.
 */

#include "groupvpn_member_group.h"
#include "groupvpn_carrier.h"
#include "groupvpn_member_delivery.h"
#include "groupvpn_member_exchange.h"
#include "groupvpn_member_failover.h"
#include "groupvpn_member_job.h"
#include "groupvpn_member_manage.h"
#include "groupvpn_member_rekey.h"
#include "compat.h"

#include <daemon.h>
#include <processing/jobs/delete_ike_sa_job.h>

/* how long to wait for the IKE_SA before the next GCKS is tried, in seconds */
#define CONNECT_TIMEOUT 30

/* how often to ask for other keys than those that are about to expire, in
 * milliseconds */
#define RENEW_INTERVAL 5000

/* how often to look for a connection that is not loaded, in milliseconds */
#define LOAD_INTERVAL 1000

/*
 * See header
 */
void groupvpn_member_enter(groupvpn_member_group_t *group,
						   groupvpn_member_state_t state, uint64_t time)
{
	if (state != MEMBER_REGISTERED)
	{
		groupvpn_member_clear_deliveries(group);
	}
	groupvpn_member_clear_answer(group);
	group->state = state;
	group->due = groupvpn_now() + time;
	group->member->timer->arm(group->member->timer, group->due);
}

/*
 * See header
 */
void groupvpn_member_enter_registered(groupvpn_member_group_t *group)
{
	group->state = MEMBER_REGISTERED;
	group->due = max(group->dataplane->get_renewal(group->dataplane),
					 groupvpn_now() + RENEW_INTERVAL);
	group->member->timer->arm(group->member->timer, group->due);
}

/**
 * A delay, shortened by up to a quarter
 */
static uint64_t jitter(uint64_t delay)
{
	return delay - random() % (delay / 4 + 1);
}

/**
 * How long to wait after as many failures as there were, with jitter
 *
 * @param stays			we keep to one GCKS of the list
 */
static uint64_t next_delay(groupvpn_member_group_t *group, bool refused,
						   bool stays)
{
	u_int count = stays ? 1 : group->cfg->gcks->get_count(group->cfg->gcks);
	groupvpn_member_core_t *member = group->member;
	uint64_t delay = member->retry_min;

	if (group->failures % count == 0)
	{	/* all have failed, once more */
		delay = refused ? member->retry_max
						: min(member->retry_max, member->retry_min <<
								min(group->failures / count - 1, 16));
	}
	return jitter(delay);
}

/*
 * See header
 */
void groupvpn_member_fail(groupvpn_member_group_t *group, bool refused,
						  char *why)
{
	char *name = groupvpn_member_gcks_name(group), where[64] = "";
	uint64_t delay;
	bool stays, away = group->gcks != group->home;

	group->counters[refused ? MEMBER_REFUSED : MEMBER_FAILED]++;
	group->failures++;
	group->ike_sa = 0;
	stays = groupvpn_member_choose_gcks(group);
	delay = next_delay(group, refused, stays);
	if (stays && away)
	{	/* the one that gave our keys has refused nothing */
		delay = 0;
	}
	else if (stays)
	{
		delay = groupvpn_member_wait_with_keys(group, delay);
	}
	group->not_before = groupvpn_now() + delay;
	if (group->hints.tried)
	{
		snprintf(where, sizeof(where), " at %H", group->hints.tried);
	}
	DBG1(DBG_IKE, "groupvpn: group '%s': registration with '%s'%s failed: %s; "
		 "trying '%s' in %u.%us", group->cfg->name, name, where, why,
		 groupvpn_member_gcks_name(group), (u_int)(delay / 1000),
		 (u_int)(delay / 100 % 10));
	groupvpn_member_enter(group, MEMBER_WAITING, delay);
}

/*
 * See header
 */
void groupvpn_member_lose(groupvpn_member_group_t *group)
{
	switch (group->state)
	{
		case MEMBER_WAITING:
			break;
		case MEMBER_CONNECTING:
			groupvpn_member_fail(group, FALSE, group->cfg->exchange
				? "the IKE_SA could not be established, see above; with "
				  "carrier = exchange here the GCKS needs exchange = yes in its "
				  "strongswan.conf, section groupvpn"
				: "the IKE_SA could not be established, see above");
			break;
		case MEMBER_REGISTERING:
			groupvpn_member_fail(group, FALSE, "the IKE_SA was lost");
			break;
		case MEMBER_REGISTERED:
			DBG1(DBG_IKE, "groupvpn: group '%s': IKE_SA with '%s' was lost, "
				 "traffic goes on until the keys expire; connecting again",
				 group->cfg->name, groupvpn_member_gcks_name(group));
			group->counters[MEMBER_IKE_SAS_LOST]++;
			group->failures = 0;
			group->ike_sa = 0;
			groupvpn_member_enter(group, MEMBER_WAITING,
								  random() % group->member->retry_min);
			break;
	}
}

/*
 * See header
 */
void groupvpn_member_register(groupvpn_member_group_t *group,
							  ike_sa_t *ike_sa)
{
	groupvpn_member_exchange_t *exchange = group->member->exchange;

	if (group->cfg->exchange && !groupvpn_carrier_can(ike_sa))
	{
		DBG1(DBG_IKE, "groupvpn: group '%s': IKE_SA with '%s' is from before "
			 "exchange types of RFC 9838 were wanted, another one replaces it",
			 group->cfg->name, groupvpn_member_gcks_name(group));
		group->ike_sa = 0;
		groupvpn_member_enter(group, MEMBER_WAITING, LOAD_INTERVAL);
		lib->processor->queue_job(lib->processor,
			(job_t*)delete_ike_sa_job_create(ike_sa->get_id(ike_sa), TRUE));
		return;
	}
	groupvpn_member_enter(group, MEMBER_REGISTERING,
			groupvpn_member_patience(group, GROUPVPN_REGISTER_TIMEOUT * 1000));
	exchange->queue(exchange, ike_sa, group);
}

/**
 * The connection to a group's GCKS is not loaded: look again, or at the next
 */
static void wait_for_connection(groupvpn_member_group_t *group)
{
	if (!group->missing)
	{
		DBG1(DBG_CFG, "groupvpn: group '%s': waiting for connection '%s' to be "
			 "loaded (swanctl --load-conns)", group->cfg->name,
			 groupvpn_member_gcks_name(group));
		group->missing = TRUE;
	}
	groupvpn_member_choose_gcks(group);
	groupvpn_member_enter(group, MEMBER_WAITING, LOAD_INTERVAL);
}

/**
 * No descriptor says where a group's GCKS is: wait for one, or try the next one
 * of the list meanwhile
 */
static void wait_for_descriptor(groupvpn_member_group_t *group)
{
	u_int count = group->cfg->gcks->get_count(group->cfg->gcks);
	uint64_t delay = group->member->retry_max;

	if (!group->searching)
	{
		DBG1(DBG_IKE, "groupvpn: group '%s': connection '%s' has no address, "
			 "and bgpd has heard no descriptor of group %u with one that it "
			 "takes; waiting",
			 group->cfg->name, groupvpn_member_gcks_name(group),
			 group->cfg->id);
	}
	group->searching = TRUE;
	if (group->hints.count)
	{	/* what is heard is of no use, and so may be what comes next */
		group->not_before = groupvpn_now() + group->member->retry_min;
	}
	if (count > 1)
	{
		group->failures++;
		delay = next_delay(group, FALSE, groupvpn_member_choose_gcks(group));
	}
	groupvpn_member_enter(group, MEMBER_WAITING, delay);
}

/*
 * See header
 */
void groupvpn_member_seek(groupvpn_member_group_t *group, u_int client)
{
	groupvpn_control_t *control = group->member->control;
	struct gv_ctl_msg msg = {
		.type = GV_CTL_DISCOVER,
		.group_id = group->cfg->id,
	};

	snprintf(msg.name, sizeof(msg.name), "%s", group->cfg->name);
	if (client)
	{
		control->send(control, client, &msg);
	}
	else
	{
		control->broadcast(control, &msg);
	}
}

/**
 * Have bgpd no longer look for the descriptors
 */
static void end_search(groupvpn_member_group_t *group)
{
	groupvpn_control_t *control = group->member->control;
	struct gv_ctl_msg msg = {
		.type = GV_CTL_DISCOVER,
		.group_id = group->cfg->id,
	};

	control->broadcast(control, &msg);
}

/*
 * See header
 */
void groupvpn_member_discovered(groupvpn_member_group_t *group,
								const struct gv_ctl_msg *msg)
{
	uint64_t now = groupvpn_now();

	groupvpn_member_hints_set(&group->hints, msg);
	if (group->searching && group->hints.count &&
		group->state == MEMBER_WAITING)
	{	/* but not sooner than without it */
		groupvpn_member_enter(group, MEMBER_WAITING, group->not_before > now
							  ? group->not_before - now : 0);
	}
}

/**
 * Take the IKE_SA of a connection into use for a group: initiate it, or if it
 * is up already, the registration
 */
static status_t use_ike_sa(groupvpn_member_job_t *job, ike_sa_t *ike_sa)
{
	groupvpn_groups_t *groups = job->member->groups;
	groupvpn_member_group_t *group;
	bool initiate = FALSE;

	groups->lock(groups);
	group = groupvpn_member_job_find(job, MEMBER_CONNECTING);
	if (group)
	{
		job->ike_sa = group->ike_sa = ike_sa->get_unique_id(ike_sa);
		switch (ike_sa->get_state(ike_sa))
		{
			case IKE_CREATED:
				initiate = TRUE;
				break;
			case IKE_ESTABLISHED:
			case IKE_REKEYING:
				groupvpn_member_register(group, ike_sa);
				initiate = TRUE;
				break;
			default:
				/* our hook is called when it is up */
				break;
		}
	}
	groups->unlock(groups);
	return initiate ? ike_sa->initiate(ike_sa, NULL, NULL) : SUCCESS;
}

/**
 * Choose where a template connects to; NULL if a group has to wait, or goes to
 * another GCKS of its list
 */
static host_t *choose_address(groupvpn_member_job_t *job, peer_cfg_t *peer_cfg)
{
	groupvpn_groups_t *groups = job->member->groups;
	groupvpn_member_group_t *group;
	host_t *host = NULL;
	char *problem = groupvpn_template_problem(peer_cfg);

	groups->lock(groups);
	group = groupvpn_member_job_find(job, MEMBER_CONNECTING);
	if (group && problem)
	{
		groupvpn_member_fail(group, TRUE, problem);
	}
	else if (group)
	{
		host = groupvpn_member_hints_choose(&group->hints, peer_cfg,
											!group->failures, group->ike_sa);
		if (host)
		{
			group->searching = FALSE;
			DBG1(DBG_IKE, "groupvpn: group '%s': its descriptor says that the "
				 "GCKS is at %H%s", group->cfg->name, host,
				 groupvpn_template_shares_key(peer_cfg)
				 ? "; whoever else has its pre-shared key could be it" : "");
		}
		else
		{
			wait_for_descriptor(group);
		}
	}
	groups->unlock(groups);
	return host;
}

/**
 * Check out the IKE_SA of a connection for a group that is CONNECTING, and is
 * so afterwards only if there is one
 */
static ike_sa_t *checkout_ike_sa(groupvpn_member_job_t *job,
								 peer_cfg_t *peer_cfg)
{
	groupvpn_groups_t *groups = job->member->groups;
	groupvpn_member_group_t *group;
	ike_sa_t *ike_sa = NULL;
	host_t *host = NULL;

	if (!groupvpn_is_template(peer_cfg))
	{
		groups->lock(groups);
		group = groupvpn_member_job_find(job, MEMBER_CONNECTING);
		if (group)
		{
			groupvpn_member_hints_configured(&group->hints);
		}
		groups->unlock(groups);
		ike_sa = charon->ike_sa_manager->checkout_by_config(
											charon->ike_sa_manager, peer_cfg);
	}
	else
	{
		host = choose_address(job, peer_cfg);
		if (!host)
		{
			return NULL;
		}
		ike_sa = groupvpn_template_checkout(job->member->templates, peer_cfg,
											host);
		host->destroy(host);
	}
	if (!ike_sa)
	{
		groups->lock(groups);
		group = groupvpn_member_job_find(job, MEMBER_CONNECTING);
		if (group)
		{
			groupvpn_member_fail(group, FALSE, "charon gave no IKE_SA");
		}
		groups->unlock(groups);
	}
	return ike_sa;
}

CALLBACK(connect_group, job_requeue_t,
	groupvpn_member_job_t *job)
{
	groupvpn_groups_t *groups = job->member->groups;
	peer_cfg_t *peer_cfg = NULL;
	ike_sa_t *ike_sa = NULL;
	groupvpn_member_group_t *group;
	char *name = NULL;

	groups->lock(groups);
	group = groupvpn_member_job_find(job, MEMBER_CONNECTING);
	if (group)
	{
		name = strdup(groupvpn_member_gcks_name(group));
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
	else
	{
		groups->lock(groups);
		group = groupvpn_member_job_find(job, MEMBER_CONNECTING);
		if (group)
		{
			wait_for_connection(group);
		}
		groups->unlock(groups);
	}
	if (!ike_sa)
	{
		/* the group is in another state */
	}
	else if (use_ike_sa(job, ike_sa) == DESTROY_ME)
	{
		charon->ike_sa_manager->checkin_and_destroy(charon->ike_sa_manager,
													ike_sa);
		groups->lock(groups);
		group = groups->find(groups, job->group_id);
		if (group && group->ike_sa == job->ike_sa)
		{
			groupvpn_member_lose(group);
		}
		groups->unlock(groups);
	}
	else
	{
		charon->ike_sa_manager->checkin(charon->ike_sa_manager, ike_sa);
	}
	DESTROY_IF(peer_cfg);
	free(name);
	return JOB_REQUEUE_NONE;
}

/**
 * Give up an IKE_SA that does not get established
 */
CALLBACK(abandon_ike_sa, job_requeue_t,
	groupvpn_member_job_t *job)
{
	ike_sa_t *ike_sa;

	ike_sa = charon->ike_sa_manager->checkout_by_id(charon->ike_sa_manager,
													job->ike_sa);
	if (ike_sa && ike_sa->get_state(ike_sa) == IKE_CONNECTING)
	{
		charon->ike_sa_manager->checkin_and_destroy(charon->ike_sa_manager,
													ike_sa);
	}
	else if (ike_sa)
	{
		charon->ike_sa_manager->checkin(charon->ike_sa_manager, ike_sa);
	}
	return JOB_REQUEUE_NONE;
}

/**
 * What the operator should know of a GCKS that does not answer
 */
static char *no_answer(groupvpn_member_group_t *group)
{
	return group->cfg->exchange
		? "the GCKS does not answer; with carrier = exchange here it needs "
		  "exchange = yes in its strongswan.conf, section groupvpn"
		: "the GCKS does not answer";
}

/**
 * Do what is due in a group's registration
 */
static void run_registration(groupvpn_member_group_t *group, uint64_t now)
{
	groupvpn_member_job_t job = {
		.member = group->member,
		.group_id = group->cfg->id,
		.ike_sa = group->ike_sa,
	};

	if (group->due > now)
	{
		return;
	}
	switch (group->state)
	{
		case MEMBER_WAITING:
			groupvpn_member_enter(group, MEMBER_CONNECTING,
					groupvpn_member_patience(group, CONNECT_TIMEOUT * 1000));
			groupvpn_member_job_queue(connect_group, &job);
			break;
		case MEMBER_CONNECTING:
			if (group->ike_sa)
			{
				groupvpn_member_job_queue(abandon_ike_sa, &job);
			}
			groupvpn_member_fail(group, FALSE, no_answer(group));
			break;
		case MEMBER_REGISTERING:
			groupvpn_member_fail(group, FALSE, no_answer(group));
			break;
		case MEMBER_REGISTERED:
			DBG1(DBG_IKE, "groupvpn: group '%s': keys expire soon and '%s' "
				 "sent no others, registering again", group->cfg->name,
				 groupvpn_member_gcks_name(group));
			groupvpn_member_enter(group, MEMBER_WAITING, 0);
			break;
	}
}

/*
 * See header
 */
void groupvpn_member_group_run(groupvpn_member_group_t *group, uint64_t now)
{
	groupvpn_dataplane_t *dataplane = group->dataplane;
	groupvpn_timer_t *timer = group->member->timer;
	uint64_t rekey, look;

	if (!dataplane->run(dataplane, now))
	{
		groupvpn_member_enter(group, MEMBER_WAITING, 0);
	}
	rekey = groupvpn_member_rekey_run(group, now);
	run_registration(group, now);
	look = groupvpn_member_failover_run(group, now);
	timer->arm(timer, min(min(min(group->due, rekey), look),
						  dataplane->get_deadline(dataplane)));
}

/*
 * See header
 */
groupvpn_member_group_t *groupvpn_member_find(groupvpn_member_core_t *member,
											  uint32_t group_id,
											  uint32_t ike_sa,
											  groupvpn_member_state_t state)
{
	groupvpn_member_group_t *group;

	group = member->groups->find(member->groups, group_id);
	return group && group->state == state && group->ike_sa == ike_sa ? group
																	 : NULL;
}

/**
 * What the operator should know of a refusal
 */
static char *explain(notify_type_t notify)
{
	switch ((int)notify)
	{
		case GV_N_INVALID_GROUP_ID:
			return "refused with INVALID_GROUP_ID: it is not the GCKS of a "
				   "group with this id; check 'id' here and 'id' and 'role' "
				   "there";
		case GV_N_AUTHORIZATION_FAILED:
			return "refused with AUTHORIZATION_FAILED: our identity may not "
				   "join; check 'members' and 'credential' of the group there, "
				   "our 'local.id', and whether we were evicted";
		case NO_PROPOSAL_CHOSEN:
			return "refused with NO_PROPOSAL_CHOSEN: we can not do the group's "
				   "policy; check 'esp_proposals' here, 'esp_proposal' and "
				   "'sa_mode' there";
		default:
			return "refused with REGISTRATION_FAILED: its log tells why";
	}
}

/*
 * See header
 */
void groupvpn_member_refused(groupvpn_member_group_t *group,
							 notify_type_t notify, char *said)
{
	char why[2 * GV_TEXT_MAX];

	snprintf(why, sizeof(why), "%s%s%s", explain(notify),
			 *said ? "; it says: " : "", said);
	groupvpn_member_tell_refusal(group, notify, why);
	if (notify == GROUPVPN_N_AUTHORIZATION_FAILED &&
		group->gcks == group->home && group->home_ike_sa)
	{	/* keys are for the one that gave them to take away */
		group->dataplane->down(group->dataplane, *said ? said
							   : "the GCKS says we may not be a member");
		groupvpn_member_rekey_end(group);
	}
	groupvpn_member_fail(group, TRUE, why);
}

/**
 * Find a reqid that none of our groups has
 */
static uint32_t find_reqid(groupvpn_groups_t *groups)
{
	enumerator_t *enumerator;
	groupvpn_member_group_t *group;
	uint32_t reqid = GROUPVPN_REQID;
	bool used;

	do
	{
		used = FALSE;
		enumerator = groups->create_enumerator(groups);
		while (enumerator->enumerate(enumerator, &group))
		{
			used |= group->dataplane->get_reqid(group->dataplane) == reqid;
		}
		enumerator->destroy(enumerator);
	}
	while (used && ++reqid < GROUPVPN_REQID_LAST);
	return reqid;
}

/*
 * See header
 */
void groupvpn_member_group_start(groupvpn_member_core_t *member,
								 groupvpn_group_t *cfg)
{
	groupvpn_member_group_t *group;

	INIT(group,
		.cfg = groupvpn_group_get_ref(cfg),
		.member = member,
		.deliveries = linked_list_create(),
		.look = GROUPVPN_NEVER,
		.dataplane = groupvpn_dataplane_create(cfg, find_reqid(member->groups),
											   member->kernel, member->control,
											   member->vici, member->timer),
	);
	groupvpn_member_rekey_init(group);
	member->groups->add(member->groups, group);
	groupvpn_member_seek(group, 0);
	DBG1(DBG_CFG, "groupvpn: group '%s' (%u) started, we are a member",
		 cfg->name, cfg->id);
	groupvpn_member_enter(group, MEMBER_WAITING, 0);
}

/*
 * See header
 */
void groupvpn_member_group_stop(groupvpn_member_group_t *group, char *why)
{
	group->dataplane->down(group->dataplane, why);
	group->dataplane->destroy(group->dataplane);
	groupvpn_member_rekey_destroy(group);
	groupvpn_member_clear_deliveries(group);
	groupvpn_member_clear_answer(group);
	group->deliveries->destroy(group->deliveries);
	groupvpn_member_hints_clear(&group->hints);
	groupvpn_group_destroy(group->cfg);
	free(group);
}

/*
 * See header
 */
void groupvpn_member_group_end(groupvpn_member_group_t *group)
{
	groupvpn_member_exchange_t *exchange = group->member->exchange;

	if (group->state == MEMBER_REGISTERED)
	{
		exchange->leave(exchange, group, group->ike_sa,
						GROUPVPN_N_REGISTRATION_FAILED);
	}
	DBG1(DBG_CFG, "groupvpn: group '%s' (%u) stopped", group->cfg->name,
		 group->cfg->id);
	end_search(group);
	group->dataplane->down(group->dataplane, "it is not configured anymore");
	group->dataplane->open_vrf(group->dataplane);
	groupvpn_member_group_stop(group, "it is not configured anymore");
}

/*
 * See header
 */
void groupvpn_member_group_change(groupvpn_member_group_t *group,
								  groupvpn_group_t *cfg)
{
	if (groupvpn_group_equals(group->cfg, cfg))
	{
		if (group->state == MEMBER_WAITING)
		{	/* whoever reloads may have changed something else */
			group->failures = 0;
			groupvpn_member_enter(group, MEMBER_WAITING, 0);
		}
		return;
	}
	DBG1(DBG_CFG, "groupvpn: group '%s' (%u) changed", cfg->name, cfg->id);
	groupvpn_member_change_gcks(group, cfg);
	group->dataplane->set_config(group->dataplane, cfg);
	groupvpn_group_destroy(group->cfg);
	group->cfg = groupvpn_group_get_ref(cfg);
	group->ike_sa = 0;
	group->failures = 0;
	group->missing = FALSE;
	group->searching = FALSE;
	groupvpn_member_enter(group, MEMBER_WAITING, 0);
}
