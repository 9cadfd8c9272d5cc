/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of a listing that is the same for both roles.
 */

#include "groupvpn_listing.h"

typedef struct private_groupvpn_listing_t private_groupvpn_listing_t;

/**
 * Private data
 */
struct private_groupvpn_listing_t {

	/**
	 * Public interface
	 */
	groupvpn_listing_t public;

	/**
	 * Groups of the role
	 */
	groupvpn_groups_t *groups;

	/**
	 * What the role tells, and its argument
	 */
	groupvpn_listing_cb_t cb;
	void *data;
};

/**
 * Name of a group
 */
static char *get_name(void *group)
{
	return (*(groupvpn_group_t**)group)->name;
}

/**
 * Do something for the group of a name, or for all if that is NULL; FALSE if
 * there is none such
 */
static bool for_groups(private_groupvpn_listing_t *this, char *name,
					   u_int client,
					   void (*list)(void *data, void *group, u_int client))
{
	enumerator_t *enumerator;
	void *group;
	bool found = FALSE;

	this->groups->lock(this->groups);
	enumerator = this->groups->create_enumerator(this->groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		if (!name || streq(name, get_name(group)))
		{
			list(this->data, group, client);
			found = TRUE;
		}
	}
	enumerator->destroy(enumerator);
	this->groups->unlock(this->groups);
	return found;
}

METHOD(groupvpn_vici_handler_t, list_groups, bool,
	private_groupvpn_listing_t *this, char *group, u_int client)
{
	return for_groups(this, group, client, this->cb.group);
}

METHOD(groupvpn_vici_handler_t, list_members, bool,
	private_groupvpn_listing_t *this, char *group, u_int client)
{
	return for_groups(this, group, client, this->cb.members);
}

METHOD(groupvpn_vici_handler_t, list_sas, bool,
	private_groupvpn_listing_t *this, char *group, u_int client)
{
	return for_groups(this, group, client, this->cb.sas);
}

METHOD(groupvpn_vici_handler_t, add_counters, bool,
	private_groupvpn_listing_t *this, char *name, vici_builder_t *builder)
{
	enumerator_t *enumerator;
	void *group;
	bool found = FALSE;

	this->groups->lock(this->groups);
	enumerator = this->groups->create_enumerator(this->groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		if (!name || streq(name, get_name(group)))
		{
			builder->begin_section(builder, get_name(group));
			this->cb.counters(this->data, group, builder);
			builder->end_section(builder);
			found = TRUE;
		}
	}
	enumerator->destroy(enumerator);
	if (!name && this->cb.others)
	{	/* no group's name is like this */
		builder->begin_section(builder, "-");
		this->cb.counters(this->data, NULL, builder);
		builder->end_section(builder);
	}
	this->groups->unlock(this->groups);
	return found;
}

METHOD(groupvpn_listing_t, destroy, void,
	private_groupvpn_listing_t *this)
{
	free(this);
}

/*
 * See header
 */
groupvpn_listing_t *groupvpn_listing_create(groupvpn_groups_t *groups,
											const groupvpn_listing_cb_t *cb,
											void *data)
{
	private_groupvpn_listing_t *this;

	INIT(this,
		.public = {
			.handler = {
				.list_groups = _list_groups,
				.list_members = _list_members,
				.list_sas = _list_sas,
				.add_counters = _add_counters,
			},
			.destroy = _destroy,
		},
		.groups = groups,
		.cb = *cb,
		.data = data,
	);
	return &this->public;
}
