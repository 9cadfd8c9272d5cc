/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A list: a host has as many groups as there are tags at most, and IKE events
 * are looked up elsewhere.
 */

#include "groupvpn_groups.h"

#include <collections/linked_list.h>
#include <threading/mutex.h>

typedef struct private_groupvpn_groups_t private_groupvpn_groups_t;

/**
 * Private data
 */
struct private_groupvpn_groups_t {

	/**
	 * Public interface
	 */
	groupvpn_groups_t public;

	/**
	 * Role that these groups are of
	 */
	uint8_t role;

	/**
	 * Groups, of the role's own type
	 */
	linked_list_t *groups;

	/**
	 * Locks the groups and what belongs to the role
	 */
	mutex_t *mutex;
};

/**
 * Configuration of a group
 */
static groupvpn_group_t *get_cfg(void *group)
{
	return *(groupvpn_group_t**)group;
}

METHOD(groupvpn_groups_t, lock, void,
	private_groupvpn_groups_t *this)
{
	this->mutex->lock(this->mutex);
}

METHOD(groupvpn_groups_t, unlock, void,
	private_groupvpn_groups_t *this)
{
	this->mutex->unlock(this->mutex);
}

METHOD(groupvpn_groups_t, find, void*,
	private_groupvpn_groups_t *this, uint32_t id)
{
	enumerator_t *enumerator;
	void *group, *found = NULL;

	enumerator = this->groups->create_enumerator(this->groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		if (get_cfg(group)->id == id)
		{
			found = group;
			break;
		}
	}
	enumerator->destroy(enumerator);
	return found;
}

METHOD(groupvpn_groups_t, find_name, void*,
	private_groupvpn_groups_t *this, char *name)
{
	enumerator_t *enumerator;
	void *group, *found = NULL;

	enumerator = this->groups->create_enumerator(this->groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		if (streq(get_cfg(group)->name, name))
		{
			found = group;
			break;
		}
	}
	enumerator->destroy(enumerator);
	return found;
}

METHOD(groupvpn_groups_t, create_enumerator, enumerator_t*,
	private_groupvpn_groups_t *this)
{
	return this->groups->create_enumerator(this->groups);
}

METHOD(groupvpn_groups_t, add, void,
	private_groupvpn_groups_t *this, void *group)
{
	this->groups->insert_last(this->groups, group);
}

METHOD(groupvpn_groups_t, remove_, void*,
	private_groupvpn_groups_t *this)
{
	void *group;

	return this->groups->remove_first(this->groups, &group) == SUCCESS ? group
																	   : NULL;
}

/**
 * Find the configuration of a group of the same name, ID and role
 */
static groupvpn_group_t *find_config(private_groupvpn_groups_t *this,
									 groupvpn_config_t *config, void *group)
{
	enumerator_t *enumerator;
	groupvpn_group_t *cfg, *found = NULL;

	enumerator = config->create_enumerator(config);
	while (enumerator->enumerate(enumerator, &cfg))
	{
		if (cfg->role == this->role && cfg->id == get_cfg(group)->id &&
			streq(cfg->name, get_cfg(group)->name))
		{
			found = cfg;
			break;
		}
	}
	enumerator->destroy(enumerator);
	return found;
}

METHOD(groupvpn_groups_t, configure, void,
	private_groupvpn_groups_t *this, groupvpn_config_t *config,
	const groupvpn_groups_cb_t *cb, void *data)
{
	enumerator_t *enumerator;
	groupvpn_group_t *cfg;
	void *group;

	lock(this);
	enumerator = this->groups->create_enumerator(this->groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		cfg = find_config(this, config, group);
		if (cfg)
		{
			cb->change(data, group, cfg);
		}
		else
		{
			this->groups->remove_at(this->groups, enumerator);
			cb->stop(data, group);
		}
	}
	enumerator->destroy(enumerator);
	enumerator = config->create_enumerator(config);
	while (enumerator->enumerate(enumerator, &cfg))
	{
		if (cfg->role == this->role && !find(this, cfg->id))
		{
			cb->start(data, cfg);
		}
	}
	enumerator->destroy(enumerator);
	unlock(this);
}

METHOD(groupvpn_groups_t, destroy, void,
	private_groupvpn_groups_t *this)
{
	this->groups->destroy(this->groups);
	this->mutex->destroy(this->mutex);
	free(this);
}

/*
 * See header
 */
groupvpn_groups_t *groupvpn_groups_create(uint8_t role)
{
	private_groupvpn_groups_t *this;

	INIT(this,
		.public = {
			.lock = _lock,
			.unlock = _unlock,
			.find = _find,
			.find_name = _find_name,
			.create_enumerator = _create_enumerator,
			.add = _add,
			.remove = _remove_,
			.configure = _configure,
			.destroy = _destroy,
		},
		.role = role,
		.groups = linked_list_create(),
		.mutex = mutex_create(MUTEX_TYPE_DEFAULT),
	);
	return &this->public;
}
