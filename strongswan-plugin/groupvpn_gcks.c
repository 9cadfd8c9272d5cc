/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The GCKS of RFC 9838: answers registrations, gives each group its epochs and
 * tells the members of a new one before the old one ends, by GSA_REKEY or over
 * their IKE_SAs.
 *
 * This file ties its parts (see groupvpn_gcks_core.h) to charon's bus, to bgpd
 * and to the configuration.
 */

#include "groupvpn_gcks.h"
#include "groupvpn_gcks_admission.h"
#include "groupvpn_gcks_bgp.h"
#include "groupvpn_gcks_group.h"
#include "groupvpn_gcks_job.h"
#include "groupvpn_gcks_policy.h"
#include "groupvpn_gcks_prefixes.h"
#include "groupvpn_gcks_recheck.h"
#include "groupvpn_gcks_rekey.h"
#include "groupvpn_gcks_tell.h"
#include "groupvpn_payload.h"
#include "groupvpn_task.h"
#include "compat.h"

#include <daemon.h>

#include <crypto.h>

/* time for a member to register again after its IKE_SA is gone, before bgpd
 * hears that it left, in milliseconds */
#define REMOVAL_DELAY 5000

typedef struct private_groupvpn_gcks_t private_groupvpn_gcks_t;

/**
 * Private data
 */
struct private_groupvpn_gcks_t {

	/**
	 * Public interface
	 */
	groupvpn_gcks_t public;

	/**
	 * What the parts share
	 */
	groupvpn_gcks_core_t core;

	/**
	 * Answers registrations
	 */
	groupvpn_gcks_admission_t *admission;

	/**
	 * Management
	 */
	groupvpn_gcks_manage_t *manage;
};

/* --- bgpd --- */

METHOD(groupvpn_control_handler_t, replay, void,
	groupvpn_control_handler_t *handler, u_int client)
{
	private_groupvpn_gcks_t *this;

	this = container_of(handler, private_groupvpn_gcks_t, public.handler);
	groupvpn_gcks_replay(&this->core, client);
}

/**
 * A bgpd has come
 */
static void greet(private_groupvpn_gcks_t *this)
{
	groupvpn_groups_t *groups = this->core.groups;
	enumerator_t *enumerator;
	groupvpn_gcks_group_t *group;

	enumerator = groups->create_enumerator(groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		groupvpn_gcks_prefixes_greet(group);
	}
	enumerator->destroy(enumerator);
}

METHOD(groupvpn_control_handler_t, control_message, void,
	groupvpn_control_handler_t *handler, u_int client,
	const struct gv_ctl_msg *msg)
{
	private_groupvpn_gcks_t *this;
	groupvpn_groups_t *groups;
	groupvpn_gcks_group_t *group;

	this = container_of(handler, private_groupvpn_gcks_t, public.handler);
	groups = this->core.groups;
	groups->lock(groups);
	group = groups->find(groups, msg->group_id);
	switch (msg->type)
	{
		case GV_CTL_HELLO:
			greet(this);
			break;
		case GV_CTL_REKEY:
			if (group)
			{
				groupvpn_gcks_group_announced(group, client,
											  msg->rekey_len > 0);
			}
			break;
		case GV_CTL_HEARD:
		case GV_CTL_UNHEARD:
			if (group)
			{
				groupvpn_gcks_bgp_hear(group, client, msg);
			}
			break;
		case GV_CTL_WANT:
			if (group)
			{
				groupvpn_gcks_prefixes_handed(group);
			}
			break;
		default:
			break;
	}
	groups->unlock(groups);
}

METHOD(groupvpn_control_handler_t, gone, void,
	groupvpn_control_handler_t *handler, u_int client)
{
	private_groupvpn_gcks_t *this;
	groupvpn_groups_t *groups;
	groupvpn_gcks_group_t *group;
	enumerator_t *enumerator;

	this = container_of(handler, private_groupvpn_gcks_t, public.handler);
	groups = this->core.groups;
	groups->lock(groups);
	enumerator = groups->create_enumerator(groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		groupvpn_gcks_group_announced(group, client, FALSE);
		groupvpn_gcks_prefixes_lose(group, client);
	}
	enumerator->destroy(enumerator);
	groups->unlock(groups);
}

/* --- timer --- */

CALLBACK(on_timer, void,
	private_groupvpn_gcks_t *this)
{
	groupvpn_groups_t *groups = this->core.groups;
	enumerator_t *enumerator;
	groupvpn_gcks_group_t *group;
	uint64_t now = groupvpn_now();

	groups->lock(groups);
	enumerator = groups->create_enumerator(groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		groupvpn_gcks_group_run(group, now);
	}
	enumerator->destroy(enumerator);
	groups->unlock(groups);
}

/* --- hooks --- */

/**
 * Have a request noted that is one to register or to leave
 */
static void receive_request(private_groupvpn_gcks_t *this, ike_sa_t *ike_sa,
							message_t *message, uint8_t type)
{
	chunk_t idg = chunk_empty;
	bool found;

	found = groupvpn_payload_find(message, GV_PAYLOAD_IDG, &idg);
	switch (type)
	{
		case GV_EXCHANGE_GSA_AUTH:
			/* further rounds of authentication have none */
			found |= message->get_payload(message, PLV2_ID_INITIATOR) != NULL;
			break;
		case GV_EXCHANGE_GSA_REGISTRATION:
			/* that is an error which has to be told */
			found = TRUE;
			break;
		default:
			/* with these notifies a GCKS dismisses us as a member */
			found &= !message->get_notify(message, GROUPVPN_N_INVALID_GROUP_ID) &&
					 !message->get_notify(message,
										  GROUPVPN_N_AUTHORIZATION_FAILED);
			/* and with this one alone it tells us of routes */
			found &= !message->get_notify(message, GROUPVPN_N_ROUTES) ||
					 message->get_notify(message, GROUPVPN_N_GROUP_SENDER);
			break;
	}
	if (found)
	{
		this->admission->request(this->admission, ike_sa, message, idg);
	}
}

METHOD(listener_t, message_hook, bool,
	private_groupvpn_gcks_t *this, ike_sa_t *ike_sa, message_t *message,
	bool incoming, bool plain)
{
	uint8_t type = groupvpn_carrier_type(ike_sa, message, plain);

	if (!type || type == GV_EXCHANGE_GSA_INBAND_REKEY ||
		incoming != message->get_request(message))
	{
		return TRUE;
	}
	if (incoming)
	{
		receive_request(this, ike_sa, message, type);
	}
	else if (ike_sa->get_state(ike_sa) == IKE_CONNECTING)
	{	/* authentication failed, or is not at its end; then the member has to
		 * register once it is */
		this->admission->forget(this->admission, ike_sa);
	}
	else
	{
		this->admission->response(this->admission, ike_sa, message);
	}
	return TRUE;
}

METHOD(listener_t, alert_hook, bool,
	private_groupvpn_gcks_t *this, ike_sa_t *ike_sa, alert_t alert,
	va_list args)
{
	this->core.recheck->alert(this->core.recheck, alert, args);
	return TRUE;
}

CALLBACK(remove_registration, job_requeue_t,
	groupvpn_gcks_job_t *job)
{
	groupvpn_groups_t *groups = job->gcks->groups;
	groupvpn_registration_t *registration;
	groupvpn_gcks_group_t *group;
	char why[GV_TEXT_MAX + 1] = "its IKE_SA is gone";

	groups->lock(groups);
	registration = groupvpn_gcks_job_find(job, &group);
	if (registration && registration->ike_sa == job->ike_sa)
	{
		group->counters[GCKS_EJECTED] +=
									groupvpn_gcks_rekey_owed(registration, why);
		groupvpn_gcks_group_unregister(group, registration, why);
	}
	groups->unlock(groups);
	return JOB_REQUEUE_NONE;
}

METHOD(listener_t, ike_updown, bool,
	private_groupvpn_gcks_t *this, ike_sa_t *ike_sa, bool up)
{
	groupvpn_groups_t *groups = this->core.groups;
	groupvpn_ike_index_t *index = this->core.index;
	enumerator_t *enumerator;
	groupvpn_registration_t *registration;

	if (up)
	{
		return TRUE;
	}
	this->admission->forget(this->admission, ike_sa);
	groups->lock(groups);
	enumerator = index->create_enumerator(index, ike_sa->get_unique_id(ike_sa));
	while (enumerator->enumerate(enumerator, &registration))
	{
		groupvpn_gcks_job_queue(remove_registration,
							groups->find(groups, registration->group_id),
							registration, REMOVAL_DELAY);
	}
	enumerator->destroy(enumerator);
	groups->unlock(groups);
	return TRUE;
}

METHOD(listener_t, ike_rekey, bool,
	private_groupvpn_gcks_t *this, ike_sa_t *old, ike_sa_t *new)
{
	groupvpn_groups_t *groups = this->core.groups;
	groupvpn_gcks_rekey_t *rekey = this->core.rekey;
	groupvpn_ike_index_t *index = this->core.index;
	enumerator_t *enumerator;
	groupvpn_gcks_group_t *group;
	groupvpn_registration_t *registration;
	bool owed;

	groups->lock(groups);
	enumerator = index->create_enumerator(index, old->get_unique_id(old));
	while (enumerator->enumerate(enumerator, &registration))
	{
		group = groups->find(groups, registration->group_id);
		owed = registration->rekeying || registration->repeating;
		group->registrations->set(group->registrations, registration,
								  new->get_unique_id(new), new->get_id(new),
								  registration->gateway);
		if (owed)
		{	/* request and response are lost with the old IKE_SA, or it was
			 * refused */
			rekey->push(rekey, group, registration);
		}
		groupvpn_gcks_prefixes_resume(group, registration);
	}
	enumerator->destroy(enumerator);
	groups->unlock(groups);
	return TRUE;
}

/* --- configuration --- */

CALLBACK(start_group, void,
	private_groupvpn_gcks_t *this, groupvpn_group_t *cfg)
{
	groupvpn_store_t *store = this->core.store;

	if (store->open(store))
	{
		groupvpn_gcks_group_start(&this->core, cfg);
	}
	else
	{
		DBG1(DBG_CFG, "groupvpn: group '%s' not started, without the store its "
			 "members would get keys that others have not", cfg->name);
	}
}

CALLBACK(change_group, void,
	private_groupvpn_gcks_t *this, void *data, groupvpn_group_t *cfg)
{
	groupvpn_gcks_group_t *group = data;

	if (!groupvpn_group_equals(group->cfg, cfg))
	{
		groupvpn_gcks_group_change(group, cfg);
	}
	this->core.asking->recheck(this->core.asking, group);
}

CALLBACK(stop_group, void,
	private_groupvpn_gcks_t *this, void *group)
{
	groupvpn_gcks_group_stop(group);
}

METHOD(groupvpn_gcks_t, configure, void,
	private_groupvpn_gcks_t *this, groupvpn_config_t *config)
{
	groupvpn_groups_cb_t cb = {
		.start = start_group,
		.change = change_group,
		.stop = stop_group,
	};

	this->core.groups->configure(this->core.groups, config, &cb, this);
	this->core.recheck->start(this->core.recheck);
}

METHOD(groupvpn_gcks_t, get_manage, groupvpn_gcks_manage_t*,
	private_groupvpn_gcks_t *this)
{
	return this->manage;
}

METHOD(groupvpn_gcks_t, destroy, void,
	private_groupvpn_gcks_t *this)
{
	groupvpn_gcks_core_t *core = &this->core;
	groupvpn_gcks_group_t *group;

	while ((group = core->groups->remove(core->groups)))
	{
		groupvpn_gcks_group_destroy(group);
	}
	this->manage->destroy(this->manage);
	this->admission->destroy(this->admission);
	core->asking->destroy(core->asking);
	core->recheck->destroy(core->recheck);
	core->rekey->destroy(core->rekey);
	core->prefixes->destroy(core->prefixes);
	core->timer->destroy(core->timer);
	core->index->destroy(core->index);
	core->groups->destroy(core->groups);
	free(this);
}

/*
 * See header
 */
groupvpn_gcks_t *groupvpn_gcks_create(groupvpn_control_t *control,
									  groupvpn_policy_t *policy,
									  groupvpn_vici_t *vici,
									  groupvpn_store_t *store,
									  groupvpn_kernel_t *kernel, u_int recheck)
{
	private_groupvpn_gcks_t *this;
	uint8_t random = 0;

	INIT(this,
		.public = {
			.listener = {
				.alert = _alert_hook,
				.message = _message_hook,
				.ike_updown = _ike_updown,
				.ike_rekey = _ike_rekey,
			},
			.handler = {
				.replay = _replay,
				.message = _control_message,
				.gone = _gone,
			},
			.configure = _configure,
			.get_manage = _get_manage,
			.destroy = _destroy,
		},
		.core = {
			.control = control,
			.policy = policy,
			.vici = vici,
			.store = store,
			.kernel = kernel,
			.groups = groupvpn_groups_create(GV_ROLE_GCKS),
			.index = groupvpn_ike_index_create(),
		},
	);
	/* not to begin with the tags of our last run, which may still be in use */
	gv_random(&random, sizeof(random));
	this->core.last_tag = random % GROUPVPN_TAGS;
	this->core.timer = groupvpn_timer_create(on_timer, this);
	this->core.asking = groupvpn_gcks_policy_create(&this->core);
	this->core.rekey = groupvpn_gcks_rekey_create(&this->core);
	this->core.prefixes = groupvpn_gcks_prefixes_create(&this->core);
	this->core.recheck = groupvpn_gcks_recheck_create(&this->core,
													  recheck * 1000ULL);
	this->admission = groupvpn_gcks_admission_create(&this->core);
	this->manage = groupvpn_gcks_manage_create(&this->core);
	return &this->public;
}
