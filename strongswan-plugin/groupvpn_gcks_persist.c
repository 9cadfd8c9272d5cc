/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sender-IDs are reserved in blocks, durably; who has got which of a block is
 * saved, but not waited for. Should that get lost with the power, a member gets
 * another one, and the block is not used again. What has to be on the disk
 * before a member is answered is waited for when the answer is sent, for many at
 * once; as it is in the store, the loss of this process alone loses nothing of
 * it.
 */

#include "groupvpn_gcks_persist.h"
#include "groupvpn_gcks_channel.h"
#include "groupvpn_gcks_group.h"
#include "groupvpn_gcks_routes.h"

#include <time.h>

#include <daemon.h>

#include <crypto.h>

/* Sender-IDs that are reserved in the store at a time */
#define RESERVED 64

/**
 * Save the state of a group, in a change
 */
static void save_group(groupvpn_gcks_group_t *group)
{
	groupvpn_store_t *store = group->gcks->store;
	groupvpn_store_group_t stored = {
		.id = group->cfg->id,
		.route_epoch = group->routes->newest(group->routes)->epoch,
		.first_epoch = group->first_epoch,
		.sender_id = group->reserved,
		.roll = group->roll,
		.admission = groupvpn_group_admission(group->cfg),
	};

	snprintf(stored.name, sizeof(stored.name), "%s", group->cfg->name);
	memcpy(stored.route_secret, group->routes->newest(group->routes)->secret,
		   GV_SECRET_LEN);
	store->save_group(store, &stored);
	gv_wipe(&stored, sizeof(stored));
}

/**
 * Whether the store has an entry as it is
 */
static bool is_saved(groupvpn_registration_t *registration)
{
	return registration->stored &&
		   registration->stored_sender_id == registration->sender_id;
}

/**
 * Do something with one entry, if any, or with all that the store has not got
 * if there are unsaved ones
 */
static void for_unsaved(groupvpn_gcks_group_t *group,
						groupvpn_registration_t *registration,
						void (*cb)(groupvpn_gcks_group_t*,
								   groupvpn_registration_t*))
{
	enumerator_t *enumerator;

	if (!group->unsaved)
	{
		if (registration)
		{
			cb(group, registration);
		}
		return;
	}
	enumerator = group->registrations->create_enumerator(group->registrations);
	while (enumerator->enumerate(enumerator, &registration))
	{
		if (!is_saved(registration))
		{
			cb(group, registration);
		}
	}
	enumerator->destroy(enumerator);
}

/**
 * Save an entry, in a change
 */
static void save_entry(groupvpn_gcks_group_t *group,
					   groupvpn_registration_t *registration)
{
	groupvpn_store_t *store = group->gcks->store;

	store->save_member(store, group->cfg->id, registration);
}

/**
 * Note that an entry was saved
 */
static void entry_saved(groupvpn_gcks_group_t *group,
						groupvpn_registration_t *registration)
{
	registration->stored = TRUE;
	registration->stored_sender_id = registration->sender_id;
}

/**
 * Save what has changed of the Rekey SA, and end a change
 *
 * @param registration	entry that was saved, if any
 */
static bool commit(groupvpn_gcks_group_t *group,
				   groupvpn_registration_t *registration)
{
	groupvpn_store_t *store = group->gcks->store;
	bool ok;

	if (group->kek)
	{
		group->kek->save(group->kek);
	}
	ok = store->commit(store);
	if (group->kek)
	{
		group->kek->settle(group->kek, ok);
	}
	if (!ok)
	{
		return FALSE;
	}
	for_unsaved(group, registration, entry_saved);
	group->unsaved = FALSE;
	return TRUE;
}

/*
 * See header
 */
bool groupvpn_gcks_save_registration(groupvpn_gcks_group_t *group,
							  		groupvpn_registration_t *registration)
{
	groupvpn_store_t *store = group->gcks->store;
	uint32_t reserved = group->reserved;
	bool durable, grown, joined, lost;

	joined = group->kek &&
			 !group->kek->is_stored(group->kek, registration->member_id);
	lost = store->check(store, registration->ticket) == FAILED;
	if (is_saved(registration) && !joined && !lost)
	{
		return TRUE;
	}
	if (registration->sender_id > reserved)
	{
		group->reserved = min(registration->sender_id + RESERVED - 1,
							  GV_SENDER_ID_MAX);
	}
	grown = group->reserved != reserved || group->unsaved;
	durable = !registration->stored || joined || grown;
	store->begin(store, FALSE);
	if (grown)
	{
		save_group(group);
	}
	for_unsaved(group, registration, save_entry);
	if (commit(group, registration))
	{
		if (durable)
		{
			registration->ticket = store->defer(store);
		}
		if (grown)
		{
			group->reserved_ticket = registration->ticket;
		}
		registration->ticket = max(registration->ticket,
								   group->reserved_ticket);
		return TRUE;
	}
	group->reserved = reserved;
	return FALSE;
}

/*
 * See header
 */
bool groupvpn_gcks_reserve(groupvpn_gcks_group_t *group, uint32_t sender_id)
{
	groupvpn_store_t *store = group->gcks->store;
	uint32_t reserved = group->reserved;

	if (sender_id > reserved)
	{
		group->reserved = min(sender_id + RESERVED - 1, GV_SENDER_ID_MAX);
	}
	/* also if it is reserved: that may not be on the disk yet */
	store->begin(store, TRUE);
	save_group(group);
	for_unsaved(group, NULL, save_entry);
	if (commit(group, NULL))
	{
		return TRUE;
	}
	group->reserved = reserved;
	return FALSE;
}

/*
 * See header
 */
bool groupvpn_gcks_save_eviction(groupvpn_gcks_group_t *group,
								 identification_t *identity)
{
	groupvpn_store_t *store = group->gcks->store;

	store->begin(store, TRUE);
	store->save_eviction(store, group->cfg->id, identity,
						 group->evictions->find(group->evictions, identity));
	return store->commit(store);
}

/*
 * See header
 */
bool groupvpn_gcks_save_epochs(groupvpn_gcks_group_t *group, uint64_t now)
{
	groupvpn_store_t *store = group->gcks->store;
	groupvpn_sa_t *newest = group->sas->newest(group->sas), *sa;
	enumerator_t *enumerator;
	uint64_t retires;

	store->begin(store, TRUE);
	save_group(group);
	for_unsaved(group, NULL, save_entry);
	enumerator = group->sas->create_enumerator(group->sas);
	while (enumerator->enumerate(enumerator, &sa))
	{
		retires = sa == newest ? sa->retires
					: groupvpn_gcks_group_retirement(group, sa, now);
		store->save_epoch(store, group->cfg->id, sa, retires);
	}
	enumerator->destroy(enumerator);
	return commit(group, NULL);
}

/*
 * See header
 */
bool groupvpn_gcks_save_kek(groupvpn_gcks_group_t *group, bool durable)
{
	groupvpn_store_t *store = group->gcks->store;

	if (!group->unsaved &&
		(!group->kek || !group->kek->is_changed(group->kek)))
	{
		return TRUE;
	}
	store->begin(store, durable);
	if (group->unsaved)
	{	/* or the commit would have it as saved */
		save_group(group);
		for_unsaved(group, NULL, save_entry);
	}
	return commit(group, NULL);
}

/*
 * See header
 */
bool groupvpn_gcks_load_kek(groupvpn_gcks_group_t *group)
{
	groupvpn_store_t *store = group->gcks->store;

	if (group->cfg->rekey_by_bgp && !group->kek)
	{
		group->kek = groupvpn_kek_create(group->cfg->name, group->cfg->id,
										 store);
		if (!group->kek->start(group->kek, group->cfg->kek_lifetime))
		{
			group->kek->destroy(group->kek);
			group->kek = NULL;
			return FALSE;
		}
		group->renewal = group->kek->get_renewal(group->kek);
	}
	else if (!group->cfg->rekey_by_bgp)
	{
		DESTROY_IF(group->kek);
		group->kek = NULL;
		group->renewal = GROUPVPN_NEVER;
		store->begin(store, FALSE);
		store->remove_kek(store, group->cfg->id);
		store->commit(store);
	}
	return TRUE;
}

/*
 * See header
 */
void groupvpn_gcks_remove_epoch(groupvpn_gcks_group_t *group,
								groupvpn_sa_t *sa)
{
	groupvpn_store_t *store = group->gcks->store;

	store->begin(store, FALSE);
	store->remove_epoch(store, group->cfg->id, sa->sa.epoch);
	store->commit(store);
	if (group->channel)
	{
		group->channel->end(group->channel, sa);
	}
	group->sas->remove(group->sas, sa);
}

/*
 * See header
 */
bool groupvpn_gcks_load(groupvpn_gcks_group_t *group)
{
	groupvpn_store_t *store = group->gcks->store;
	groupvpn_store_group_t stored;

	switch (store->load(store, group->cfg->id, &stored, group->sas,
						group->registrations, group->evictions))
	{
		case SUCCESS:
			break;
		case NOT_FOUND:
			/* whatever is stored first has the secret of the routes with it */
			return groupvpn_gcks_routes_begin(group, groupvpn_now()) &&
				   groupvpn_gcks_load_kek(group);
		default:
			return FALSE;
	}
	if (!streq(stored.name, group->cfg->name))
	{
		DBG1(DBG_CFG, "groupvpn: group-ID %u was group '%s' until now and is "
			 "'%s' from now on", stored.id, stored.name, group->cfg->name);
	}
	/* a change that was under way has come to its end, or does so now */
	group->routes->add(group->routes, stored.route_epoch, stored.route_secret,
					   0, 0);
	group->first_epoch = stored.first_epoch;
	group->reserved = stored.sender_id;
	group->roll = stored.roll;
	group->admitted_others =
					stored.admission &&
					stored.admission != groupvpn_group_admission(group->cfg);
	group->loaded = TRUE;
	gv_wipe(&stored, sizeof(stored));
	return groupvpn_gcks_load_kek(group);
}
