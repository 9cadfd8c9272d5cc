/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The S/R has a Sender-ID in the group, a new one each time charon starts, and
 * derives the pairs of it and each member as members do among themselves. All
 * groups share a reqid, that of the policies (groupvpn_channel): a member that
 * is in several has SAs of each, and the kernel takes any.
 */

#include "groupvpn_gcks_channel.h"
#include "groupvpn_gcks_persist.h"
#include "groupvpn_peers.h"

#include <daemon.h>

typedef struct private_groupvpn_gcks_channel_t private_groupvpn_gcks_channel_t;

/**
 * Private data
 */
struct private_groupvpn_gcks_channel_t {

	/**
	 * Public interface
	 */
	groupvpn_gcks_channel_t public;

	/**
	 * Group, ours is one of its parts
	 */
	groupvpn_gcks_group_t *group;

	/**
	 * Our entry, which is not among those of the members
	 */
	groupvpn_registration_t own;

	/**
	 * Our end of the SAs
	 */
	groupvpn_link_t link;

	/**
	 * Members
	 */
	groupvpn_peers_t *peers;
};

/**
 * Callback of the peers
 */
static void on_peer_status(private_groupvpn_gcks_channel_t *this,
						   uint16_t member_id, uint32_t sender_id, bool ready,
						   char *why)
{
	if (ready)
	{
		DBG2(DBG_NET, "groupvpn: group '%s': BGP with member %u (Sender-ID %u) "
			 "is protected", this->group->cfg->name, member_id, sender_id);
	}
	else
	{
		DBG1(DBG_NET, "groupvpn: group '%s': BGP with member %u (Sender-ID %u) "
			 "can not pass by the group's SAs: %s", this->group->cfg->name,
			 member_id, sender_id, why);
	}
}

/**
 * Give us a Sender-ID, which nobody has had and nobody gets
 */
static bool allot(private_groupvpn_gcks_channel_t *this)
{
	groupvpn_gcks_group_t *group = this->group;

	if (group->registrations->allot(group->registrations, &this->own, 0) &&
		groupvpn_gcks_reserve(group, this->own.sender_id))
	{
		return TRUE;
	}
	DBG1(DBG_IKE, "groupvpn: group '%s': no Sender-ID for the S/R itself, BGP "
		 "with it can not be protected", group->cfg->name);
	this->own.sender_id = 0;
	return FALSE;
}

METHOD(groupvpn_gcks_channel_t, get_sender_id, uint32_t,
	private_groupvpn_gcks_channel_t *this)
{
	return this->own.sender_id;
}

METHOD(groupvpn_gcks_channel_t, add, void,
	private_groupvpn_gcks_channel_t *this,
	groupvpn_registration_t *registration)
{
	this->peers->set(this->peers, registration->member_id,
					 registration->sender_id, registration->gateway, 0);
}

METHOD(groupvpn_gcks_channel_t, remove_, void,
	private_groupvpn_gcks_channel_t *this,
	groupvpn_registration_t *registration)
{
	this->peers->unset(this->peers, registration->member_id);
}

/**
 * Have an epoch be used by us
 */
static void use_epoch(private_groupvpn_gcks_channel_t *this, groupvpn_sa_t *sa,
					  uint64_t activates)
{
	sa->sender_id = this->own.sender_id;
	sa->replay_window = this->group->cfg->replay_window;
	sa->activates = activates;
	sa->sending = sa->activates <= groupvpn_now();
}

METHOD(groupvpn_gcks_channel_t, begin, void,
	private_groupvpn_gcks_channel_t *this, groupvpn_sa_t *sa)
{
	groupvpn_timer_t *timer = this->group->gcks->timer;
	groupvpn_sa_table_t *sas = this->group->sas;

	use_epoch(this, sa, sas->get_activation(sas, this->group->cfg->atd,
											groupvpn_now()));
	this->peers->update(this->peers);
	timer->arm(timer, sa->activates);
}

METHOD(groupvpn_gcks_channel_t, renew, void,
	private_groupvpn_gcks_channel_t *this)
{
	groupvpn_sa_t *newest = this->group->sas->newest(this->group->sas);

	if (allot(this) && newest)
	{
		this->peers->forget(this->peers, newest);
		newest->sender_id = this->own.sender_id;
		this->peers->update(this->peers);
	}
}

METHOD(groupvpn_gcks_channel_t, end, void,
	private_groupvpn_gcks_channel_t *this, groupvpn_sa_t *sa)
{
	this->peers->forget(this->peers, sa);
}

METHOD(groupvpn_gcks_channel_t, run, void,
	private_groupvpn_gcks_channel_t *this, uint64_t now)
{
	groupvpn_timer_t *timer = this->group->gcks->timer;
	groupvpn_sa_table_t *sas = this->group->sas;
	enumerator_t *enumerator;
	groupvpn_sa_t *sa;
	bool activated = FALSE;

	enumerator = sas->create_enumerator(sas);
	while (enumerator->enumerate(enumerator, &sa))
	{
		if (!sa->sending && sa->activates <= now)
		{
			sa->sending = activated = TRUE;
		}
		else if (!sa->sending)
		{
			timer->arm(timer, sa->activates);
		}
	}
	enumerator->destroy(enumerator);
	if (activated)
	{
		this->peers->update(this->peers);
	}
	this->peers->retry(this->peers);
}

METHOD(groupvpn_gcks_channel_t, destroy, void,
	private_groupvpn_gcks_channel_t *this)
{
	this->peers->detach(this->peers);
	this->peers->destroy(this->peers);
	this->link.local->destroy(this->link.local);
	free(this);
}

/**
 * Use all epochs that there are, and add all members
 */
static void attach(private_groupvpn_gcks_channel_t *this)
{
	groupvpn_gcks_group_t *group = this->group;
	groupvpn_registration_t *registration;
	enumerator_t *enumerator;
	groupvpn_sa_t *sa;

	enumerator = group->sas->create_enumerator(group->sas);
	while (enumerator->enumerate(enumerator, &sa))
	{
		use_epoch(this, sa, 0);
	}
	enumerator->destroy(enumerator);
	this->peers->attach(this->peers, &this->link, group->sas,
						GV_MEMBER_ID_GCKS, GV_BOTH);
	enumerator = group->registrations->create_enumerator(group->registrations);
	while (enumerator->enumerate(enumerator, &registration))
	{
		if (registration->ike_sa)
		{
			add(this, registration);
		}
	}
	enumerator->destroy(enumerator);
}

/*
 * See header
 */
groupvpn_gcks_channel_t *groupvpn_gcks_channel_create(
												groupvpn_gcks_group_t *group)
{
	private_groupvpn_gcks_channel_t *this;

	INIT(this,
		.public = {
			.get_sender_id = _get_sender_id,
			.add = _add,
			.remove = _remove_,
			.begin = _begin,
			.renew = _renew,
			.end = _end,
			.run = _run,
			.destroy = _destroy,
		},
		.group = group,
		.link = {
			.reqid = GROUPVPN_REQID_CHANNEL,
			.local = group->cfg->address->clone(group->cfg->address),
		},
	);
	this->peers = groupvpn_peers_create(group->cfg->id, group->gcks->kernel,
										(groupvpn_peer_cb_t)on_peer_status,
										this);
	if (!allot(this))
	{
		destroy(this);
		return NULL;
	}
	attach(this);
	return &this->public;
}
