/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers the member for its groups.
 *
 * This file ties its parts (see groupvpn_member_core.h) to charon's bus, to
 * bgpd and to the configuration.
 */

#include "groupvpn_member.h"
#include "groupvpn_member_exchange.h"
#include "groupvpn_member_failover.h"
#include "groupvpn_member_group.h"
#include "groupvpn_member_manage.h"
#include "groupvpn_member_rekey.h"
#include "groupvpn_task.h"
#include "compat.h"

#include <daemon.h>
#include <processing/jobs/initiate_tasks_job.h>

typedef struct private_groupvpn_member_t private_groupvpn_member_t;

/**
 * Private data
 */
struct private_groupvpn_member_t {

	/**
	 * Public interface
	 */
	groupvpn_member_t public;

	/**
	 * What the parts share
	 */
	groupvpn_member_core_t core;

	/**
	 * Management
	 */
	groupvpn_listing_t *listing;
};

/* --- timer --- */

CALLBACK(on_timer, void,
	private_groupvpn_member_t *this)
{
	groupvpn_groups_t *groups = this->core.groups;
	enumerator_t *enumerator;
	groupvpn_member_group_t *group;
	uint64_t now = groupvpn_now();

	groups->lock(groups);
	enumerator = groups->create_enumerator(groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		groupvpn_member_group_run(group, now);
	}
	enumerator->destroy(enumerator);
	groups->unlock(groups);
}

/* --- hooks --- */

METHOD(listener_t, message_hook, bool,
	private_groupvpn_member_t *this, ike_sa_t *ike_sa, message_t *message,
	bool incoming, bool plain)
{
	groupvpn_member_exchange_t *exchange = this->core.exchange;

	bool request = message->get_request(message);
	uint8_t type = groupvpn_carrier_type(ike_sa, message, plain);

	if (plain && !incoming && request &&
		message->get_exchange_type(message) == IKE_AUTH)
	{
		exchange->auth_request(exchange, ike_sa, message);
	}
	else if (type == GV_EXCHANGE_GSA_AUTH && incoming && !request)
	{
		exchange->auth_response(exchange, ike_sa, message);
	}
	else if (type == INFORMATIONAL || type == GV_EXCHANGE_GSA_INBAND_REKEY)
	{
		if (incoming && request)
		{
			exchange->request(exchange, ike_sa, message, type);
		}
		else if (!incoming && !request)
		{
			exchange->response(exchange, ike_sa, message);
		}
	}
	return TRUE;
}

METHOD(listener_t, ike_updown, bool,
	private_groupvpn_member_t *this, ike_sa_t *ike_sa, bool up)
{
	groupvpn_member_exchange_t *exchange = this->core.exchange;
	groupvpn_groups_t *groups = this->core.groups;
	enumerator_t *enumerator;
	groupvpn_member_group_t *group;
	bool queued = FALSE;

	if (!up)
	{
		exchange->forget(exchange, ike_sa);
	}
	groups->lock(groups);
	enumerator = groups->create_enumerator(groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		if (up && groupvpn_member_return(group, ike_sa))
		{
			queued = TRUE;
			continue;
		}
		if (group->ike_sa != ike_sa->get_unique_id(ike_sa))
		{
			continue;
		}
		if (!up)
		{
			groupvpn_member_lose(group);
		}
		else if (group->state == MEMBER_CONNECTING)
		{
			if (!exchange->auth_done(exchange, ike_sa, group))
			{
				groupvpn_member_register(group, ike_sa);
				queued = TRUE;
			}
		}
	}
	enumerator->destroy(enumerator);
	groups->unlock(groups);
	if (queued)
	{
		lib->processor->queue_job(lib->processor,
			(job_t*)initiate_tasks_job_create(ike_sa->get_id(ike_sa)));
	}
	return TRUE;
}

METHOD(listener_t, ike_update, bool,
	private_groupvpn_member_t *this, ike_sa_t *ike_sa, host_t *local,
	host_t *remote)
{
	groupvpn_groups_t *groups = this->core.groups;
	enumerator_t *enumerator;
	groupvpn_member_group_t *group;

	groups->lock(groups);
	enumerator = groups->create_enumerator(groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		if (group->ike_sa == ike_sa->get_unique_id(ike_sa) &&
			group->state == MEMBER_REGISTERED &&
			!local->ip_equals(local, ike_sa->get_my_host(ike_sa)))
		{	/* a new gateway address has to be registered */
			groupvpn_member_enter(group, MEMBER_WAITING, 0);
		}
	}
	enumerator->destroy(enumerator);
	groups->unlock(groups);
	return TRUE;
}

METHOD(listener_t, ike_rekey, bool,
	private_groupvpn_member_t *this, ike_sa_t *old, ike_sa_t *new)
{
	groupvpn_groups_t *groups = this->core.groups;
	enumerator_t *enumerator;
	groupvpn_member_group_t *group;

	groups->lock(groups);
	enumerator = groups->create_enumerator(groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		if (group->home_ike_sa == old->get_unique_id(old))
		{
			group->home_ike_sa = new->get_unique_id(new);
		}
		if (group->ike_sa == old->get_unique_id(old))
		{
			group->ike_sa = new->get_unique_id(new);
			if (group->state == MEMBER_REGISTERING)
			{	/* an answer by the old one would not be ours */
				groupvpn_member_register(group, new);
			}
		}
	}
	enumerator->destroy(enumerator);
	groups->unlock(groups);
	return TRUE;
}

/* --- bgpd --- */

METHOD(groupvpn_control_handler_t, replay, void,
	groupvpn_control_handler_t *handler, u_int client)
{
	private_groupvpn_member_t *this;
	groupvpn_groups_t *groups;
	enumerator_t *enumerator;
	groupvpn_member_group_t *group;

	this = container_of(handler, private_groupvpn_member_t, public.handler);
	groups = this->core.groups;
	groups->lock(groups);
	enumerator = groups->create_enumerator(groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		groupvpn_member_seek(group, client);
		group->dataplane->tell(group->dataplane, client);
	}
	enumerator->destroy(enumerator);
	groups->unlock(groups);
}

/**
 * Answer a PEER of a group that we do not have
 */
static void refuse_peer(private_groupvpn_member_t *this, u_int client,
						const struct gv_ctl_msg *peer)
{
	struct gv_ctl_msg msg = {
		.type = GV_CTL_PEER_STATUS,
		.group_id = peer->group_id,
		.member_id = peer->member_id,
		.sender_id = peer->sender_id,
		.text = "charon is not a member of this group",
	};

	this->core.control->send(this->core.control, client, &msg);
}

/**
 * Begin or end a client's synchronisation
 */
static void synchronize(private_groupvpn_member_t *this, u_int client,
						bool begin)
{
	groupvpn_groups_t *groups = this->core.groups;
	enumerator_t *enumerator;
	groupvpn_peers_t *peers;
	groupvpn_member_group_t *group;

	enumerator = groups->create_enumerator(groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		peers = group->dataplane->get_peers(group->dataplane);
		if (begin)
		{
			peers->begin_sync(peers, client);
		}
		else
		{
			peers->end_sync(peers, client);
			group->dataplane->tell_soon(group->dataplane);
		}
	}
	enumerator->destroy(enumerator);
}

METHOD(groupvpn_control_handler_t, control_message, void,
	groupvpn_control_handler_t *handler, u_int client,
	const struct gv_ctl_msg *msg)
{
	private_groupvpn_member_t *this;
	groupvpn_groups_t *groups;
	groupvpn_peers_t *peers = NULL;
	groupvpn_member_group_t *group;
	host_t *gateway;

	this = container_of(handler, private_groupvpn_member_t, public.handler);
	groups = this->core.groups;
	groups->lock(groups);
	group = groups->find(groups, msg->group_id);
	if (group && !group->cfg->by_keys)
	{
		peers = group->dataplane->get_peers(group->dataplane);
	}
	switch (msg->type)
	{
		case GV_CTL_HELLO:
			groupvpn_member_rekey_bgpd(&this->core, client, TRUE);
			synchronize(this, client, TRUE);
			break;
		case GV_CTL_SYNC:
			synchronize(this, client, FALSE);
			break;
		case GV_CTL_PEER:
			gateway = groupvpn_host(&msg->gateway);
			if (peers && gateway)
			{
				peers->set(peers, msg->member_id, msg->sender_id, gateway,
						   client);
			}
			else
			{
				refuse_peer(this, client, msg);
			}
			DESTROY_IF(gateway);
			break;
		case GV_CTL_PEER_DOWN:
			if (peers)
			{
				peers->unset(peers, msg->member_id);
				group->dataplane->tell_soon(group->dataplane);
			}
			break;
		case GV_CTL_DISCOVERED:
			if (group)
			{
				groupvpn_member_discovered(group, msg);
			}
			break;
		case GV_CTL_REKEY:
			if (group)
			{
				groupvpn_member_rekey_heard(group, client, msg);
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
	private_groupvpn_member_t *this;
	groupvpn_groups_t *groups;
	enumerator_t *enumerator;
	groupvpn_peers_t *peers;
	groupvpn_member_group_t *group;

	this = container_of(handler, private_groupvpn_member_t, public.handler);
	groups = this->core.groups;
	groups->lock(groups);
	enumerator = groups->create_enumerator(groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		peers = group->dataplane->get_peers(group->dataplane);
		peers->orphan(peers, client);
	}
	enumerator->destroy(enumerator);
	groupvpn_member_rekey_bgpd(&this->core, client, FALSE);
	groups->unlock(groups);
}

/* --- configuration --- */

CALLBACK(start_group, void,
	private_groupvpn_member_t *this, groupvpn_group_t *cfg)
{
	groupvpn_member_group_start(&this->core, cfg);
}

CALLBACK(change_group, void,
	private_groupvpn_member_t *this, void *group, groupvpn_group_t *cfg)
{
	groupvpn_member_group_change(group, cfg);
}

CALLBACK(end_group, void,
	private_groupvpn_member_t *this, void *group)
{
	groupvpn_member_group_end(group);
}

METHOD(groupvpn_member_t, configure, void,
	private_groupvpn_member_t *this, groupvpn_config_t *config)
{
	groupvpn_groups_cb_t cb = {
		.start = start_group,
		.change = change_group,
		.stop = end_group,
	};

	this->core.groups->configure(this->core.groups, config, &cb, this);
}

METHOD(groupvpn_member_t, get_handler, groupvpn_vici_handler_t*,
	private_groupvpn_member_t *this)
{
	return &this->listing->handler;
}

METHOD(groupvpn_member_t, destroy, void,
	private_groupvpn_member_t *this)
{
	groupvpn_member_core_t *core = &this->core;
	groupvpn_member_group_t *group;

	while ((group = core->groups->remove(core->groups)))
	{
		groupvpn_member_group_stop(group, "charon stops");
	}
	this->listing->destroy(this->listing);
	core->exchange->destroy(core->exchange);
	core->timer->destroy(core->timer);
	core->groups->destroy(core->groups);
	core->bgpds->destroy(core->bgpds);
	core->templates->destroy(core->templates);
	free(this);
}

/*
 * See header
 */
groupvpn_member_t *groupvpn_member_create(groupvpn_control_t *control,
										  groupvpn_kernel_t *kernel,
										  groupvpn_vici_t *vici,
										  u_int retry_min, u_int retry_max)
{
	private_groupvpn_member_t *this;

	INIT(this,
		.public = {
			.listener = {
				.message = _message_hook,
				.ike_updown = _ike_updown,
				.ike_update = _ike_update,
				.ike_rekey = _ike_rekey,
			},
			.handler = {
				.replay = _replay,
				.message = _control_message,
				.gone = _gone,
			},
			.configure = _configure,
			.get_handler = _get_handler,
			.destroy = _destroy,
		},
		.core = {
			.control = control,
			.kernel = kernel,
			.vici = vici,
			.groups = groupvpn_groups_create(GV_ROLE_MEMBER),
			.bgpds = linked_list_create(),
			.templates = mutex_create(MUTEX_TYPE_DEFAULT),
			.retry_min = retry_min * 1000,
			.retry_max = retry_max * 1000,
		},
	);
	this->core.timer = groupvpn_timer_create(on_timer, this);
	this->core.exchange = groupvpn_member_exchange_create(&this->core);
	this->listing = groupvpn_member_manage_create(&this->core);
	return &this->public;
}
