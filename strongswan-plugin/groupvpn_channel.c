/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The policies follow the configuration alone, not what is registered: BGP waits
 * for the SAs, which come with the keys. Those of an earlier run of charon are
 * taken over, so that there is no gap.
 *
 * The SAs are with the groups: groupvpn_dataplane, groupvpn_gcks_channel.
 */

#include "groupvpn_channel.h"

#include <daemon.h>
#include <collections/linked_list.h>

typedef struct private_groupvpn_channel_t private_groupvpn_channel_t;

/**
 * Private data
 */
struct private_groupvpn_channel_t {

	/**
	 * Public interface
	 */
	groupvpn_channel_t public;

	/**
	 * Kernel interface
	 */
	groupvpn_kernel_t *kernel;

	/**
	 * What has policies, as host_t: our own addresses, and those of S/Rs
	 */
	linked_list_t *own;
	linked_list_t *reflectors;

	/**
	 * What an earlier run has left was looked at
	 */
	bool swept;
};

/**
 * Find an address
 */
static bool has_address(linked_list_t *list, host_t *address)
{
	enumerator_t *enumerator;
	host_t *host;
	bool found = FALSE;

	enumerator = list->create_enumerator(list);
	while (enumerator->enumerate(enumerator, &host))
	{
		found |= host->ip_equals(host, address);
	}
	enumerator->destroy(enumerator);
	return found;
}

/**
 * Add those of some addresses that are not in a list yet
 */
static void collect(linked_list_t *list, linked_list_t *addresses)
{
	enumerator_t *enumerator;
	host_t *host;

	enumerator = addresses->create_enumerator(addresses);
	while (enumerator->enumerate(enumerator, &host))
	{
		if (!has_address(list, host))
		{
			list->insert_last(list, host->clone(host));
		}
	}
	enumerator->destroy(enumerator);
}

/**
 * Get the addresses that the groups of a role ask for
 */
static linked_list_t *get_wanted(groupvpn_config_t *config, enum gv_role role)
{
	linked_list_t *wanted = linked_list_create();
	enumerator_t *enumerator;
	groupvpn_group_t *group;

	enumerator = config->create_enumerator(config);
	while (enumerator->enumerate(enumerator, &group))
	{
		if (group->role == role)
		{
			collect(wanted, group->reflectors);
		}
	}
	enumerator->destroy(enumerator);
	return wanted;
}

/**
 * Have policies for those addresses of a list that are not in another one, or
 * no longer
 */
static void manage(private_groupvpn_channel_t *this, linked_list_t *list,
				   linked_list_t *other, bool ours, bool add)
{
	enumerator_t *enumerator;
	host_t *host;

	enumerator = list->create_enumerator(list);
	while (enumerator->enumerate(enumerator, &host))
	{
		if (has_address(other, host))
		{
			continue;
		}
		if (!this->kernel->manage_channel(this->kernel, host, ours, add) && add)
		{
			DBG1(DBG_KNL, "groupvpn: the kernel refused a policy for BGP with "
				 "%H, it may pass in clear", host);
		}
		else
		{
			DBG1(DBG_KNL, "groupvpn: BGP with %s%H passes in %s",
				 ours ? "everybody at " : "", host,
				 add ? "ESP only" : "clear");
		}
	}
	enumerator->destroy(enumerator);
}

/**
 * Have the policies of a role follow
 */
static void follow(private_groupvpn_channel_t *this, linked_list_t **current,
				   linked_list_t *wanted, bool ours)
{
	manage(this, wanted, *current, ours, TRUE);
	manage(this, *current, wanted, ours, FALSE);
	(*current)->destroy_offset(*current, offsetof(host_t, destroy));
	*current = wanted;
}

METHOD(groupvpn_channel_t, configure, void,
	private_groupvpn_channel_t *this, groupvpn_config_t *config)
{
	linked_list_t *all;

	follow(this, &this->own, get_wanted(config, GV_ROLE_GCKS), TRUE);
	follow(this, &this->reflectors, get_wanted(config, GV_ROLE_MEMBER), FALSE);
	if (!this->swept)
	{
		all = linked_list_create();
		collect(all, this->own);
		collect(all, this->reflectors);
		this->kernel->sweep_channels(this->kernel, all);
		all->destroy_offset(all, offsetof(host_t, destroy));
		this->swept = TRUE;
	}
}

METHOD(groupvpn_channel_t, destroy, void,
	private_groupvpn_channel_t *this)
{
	this->own->destroy_offset(this->own, offsetof(host_t, destroy));
	this->reflectors->destroy_offset(this->reflectors,
									 offsetof(host_t, destroy));
	free(this);
}

/*
 * See header
 */
groupvpn_channel_t *groupvpn_channel_create(groupvpn_kernel_t *kernel)
{
	private_groupvpn_channel_t *this;

	INIT(this,
		.public = {
			.configure = _configure,
			.destroy = _destroy,
		},
		.kernel = kernel,
		.own = linked_list_create(),
		.reflectors = linked_list_create(),
	);
	return &this->public;
}
