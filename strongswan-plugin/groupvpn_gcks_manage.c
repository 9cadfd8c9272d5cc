/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands are few; each begins with the group that it names.
 */

#include "groupvpn_gcks_manage.h"
#include "groupvpn_gcks_group.h"
#include "groupvpn_gcks_persist.h"
#include "groupvpn_gcks_policy.h"
#include "groupvpn_gcks_rekey.h"
#include "groupvpn_gcks_tell.h"

#include <daemon.h>

typedef struct private_groupvpn_gcks_manage_t private_groupvpn_gcks_manage_t;

ENUM(gcks_counter_names, GCKS_REGISTRATIONS, GCKS_ROUTES_DROPPED,
	"registrations",
	"refused-not-authorized",
	"refused-evicted",
	"refused-unknown-group",
	"refused-other",
	"registrations-removed",
	"evictions",
	"certificates-void",
	"members-ejected",
	"epochs",
	"keks",
	"rekeys-by-bgp",
	"rekeys-pushed",
	"rekeys-acknowledged",
	"rekeys-refused",
	"rekeys-lost",
	"lists-pushed",
	"lists-acknowledged",
	"lists-refused",
	"routes-dropped",
);

/**
 * Private data
 */
struct private_groupvpn_gcks_manage_t {

	/**
	 * Public interface
	 */
	groupvpn_gcks_manage_t public;

	/**
	 * The GCKS
	 */
	groupvpn_gcks_core_t *gcks;

	/**
	 * Lists its groups
	 */
	groupvpn_listing_t *listing;
};

/* --- commands --- */

/**
 * Lock the groups and find one by its name; unlocks them and gives the reason
 * if there is none
 */
static groupvpn_gcks_group_t *lock_group(private_groupvpn_gcks_manage_t *this,
										 char *name, char why[GV_TEXT_MAX + 1])
{
	groupvpn_groups_t *groups = this->gcks->groups;
	groupvpn_gcks_group_t *group;

	groups->lock(groups);
	group = groups->find_name(groups, name);
	if (!group)
	{
		groups->unlock(groups);
		snprintf(why, GV_TEXT_MAX + 1, "this host is not the GCKS of a group "
				 "'%s'", name);
	}
	return group;
}

/**
 * Find out whom a command is about; NULL and the reason if nobody is known
 *
 * @param registration	receives the entry, NULL if there is none
 */
static identification_t *find_subject(groupvpn_gcks_group_t *group,
									  const groupvpn_gcks_subject_t *subject,
									  groupvpn_registration_t **registration,
									  groupvpn_gcks_result_t *result,
									  char why[GV_TEXT_MAX + 1])
{
	groupvpn_registrations_t *registrations = group->registrations;
	identification_t *identity = subject->identity;

	*registration = identity
				? registrations->find_identity(registrations, identity)
				: registrations->find(registrations, subject->member_id);
	if (*registration)
	{
		identity = (*registration)->identity;
		result->member_id = (*registration)->member_id;
		result->registered = (*registration)->ike_sa != 0;
	}
	else if (!identity)
	{
		snprintf(why, GV_TEXT_MAX + 1, "group '%s' has no member %u",
				 group->cfg->name, subject->member_id);
		return NULL;
	}
	snprintf(result->identity, sizeof(result->identity), "%Y", identity);
	return identity;
}

/**
 * Begin a new epoch by command
 */
static bool command_epoch(groupvpn_gcks_group_t *group,
						  char *cause, groupvpn_gcks_result_t *result,
						  char why[GV_TEXT_MAX + 1])
{
	if (!groupvpn_gcks_group_roll(group, cause))
	{
		snprintf(why, GV_TEXT_MAX + 1, "group '%s' gets no new keys, charon's "
				 "log tells why", group->cfg->name);
		return FALSE;
	}
	result->epoch = group->sas->newest(group->sas)->sa.epoch;
	result->members = group->registrations->get_count(group->registrations);
	return TRUE;
}

METHOD(groupvpn_gcks_manage_t, rekey, bool,
	private_groupvpn_gcks_manage_t *this, char *name,
	groupvpn_gcks_result_t *result, char why[GV_TEXT_MAX + 1])
{
	groupvpn_gcks_group_t *group = lock_group(this, name, why);
	bool ok;

	if (!group)
	{
		return FALSE;
	}
	ok = command_epoch(group, "command", result, why);
	this->gcks->groups->unlock(this->gcks->groups);
	return ok;
}

/**
 * Do something about a member with its group locked
 */
static bool act(private_groupvpn_gcks_manage_t *this,
				const groupvpn_gcks_subject_t *subject,
				groupvpn_gcks_result_t *result, char why[GV_TEXT_MAX + 1],
				bool (*action)(groupvpn_gcks_group_t*,
							   const groupvpn_gcks_subject_t*,
							   groupvpn_gcks_result_t*, char*))
{
	groupvpn_gcks_group_t *group = lock_group(this, subject->group, why);
	bool ok;

	if (!group)
	{
		return FALSE;
	}
	ok = action(group, subject, result, why);
	this->gcks->groups->unlock(this->gcks->groups);
	return ok;
}

/**
 * Tell that whether an identity is evicted could not be stored
 */
static bool not_stored(groupvpn_gcks_group_t *group, identification_t *identity,
					   char why[GV_TEXT_MAX + 1])
{
	snprintf(why, GV_TEXT_MAX + 1, "nothing changes for '%Y' in group '%s', as "
			 "it can not be stored: charon's log tells why", identity,
			 group->cfg->name);
	return FALSE;
}

/**
 * Take everybody out of a group whom an eviction locks out
 *
 * @param cause			reason, for the operator
 * @return				FALSE if nobody was in it
 */
static bool lock_out(groupvpn_gcks_group_t *group, identification_t *identity,
					 char *cause)
{
	groupvpn_eviction_t *eviction;
	groupvpn_registration_t *registration;
	enumerator_t *enumerator;
	char why[GV_TEXT_MAX + 1];
	bool found = FALSE;

	eviction = group->evictions->find(group->evictions, identity);
	enumerator = group->registrations->create_enumerator(group->registrations);
	while (enumerator->enumerate(enumerator, &registration))
	{
		/* another one may be of it as well, and older */
		if (!groupvpn_eviction_is_of(eviction, registration->identity,
									 registration->certificate))
		{
			continue;
		}
		found = TRUE;
		if (identity->equals(identity, registration->identity))
		{
			snprintf(why, sizeof(why), "%s", cause);
		}
		else
		{
			snprintf(why, sizeof(why), "its certificate is for '%Y', too, %s",
					 identity, cause);
		}
		groupvpn_gcks_group_expel(group, registration, why);
	}
	enumerator->destroy(enumerator);
	return found;
}

/**
 * Whether an identity is one for many, such as 'members' has
 */
static bool is_pattern(identification_t *identity)
{
	switch (identity->get_type(identity))
	{
		case ID_IPV4_ADDR_SUBNET:
		case ID_IPV4_ADDR_RANGE:
		case ID_IPV6_ADDR_SUBNET:
		case ID_IPV6_ADDR_RANGE:
			return TRUE;
		default:
			return identity->contains_wildcards(identity);
	}
}

/**
 * Evict an identity from a group
 */
static bool evict_identity(groupvpn_gcks_group_t *group,
						   const groupvpn_gcks_subject_t *subject,
						   groupvpn_gcks_result_t *result,
						   char why[GV_TEXT_MAX + 1])
{
	groupvpn_registration_t *registration;
	identification_t *identity;
	char *reason = *subject->reason ? subject->reason : "by command";
	char cause[GV_TEXT_MAX + 1];

	identity = find_subject(group, subject, &registration, result, why);
	if (!identity)
	{
		return FALSE;
	}
	if (!registration && is_pattern(identity))
	{	/* it would be that of nobody who comes */
		snprintf(why, GV_TEXT_MAX + 1, "'%Y' is a pattern: must be the "
				 "identity of one member, or its member-ID", identity);
		return FALSE;
	}
	if (!registration && !groupvpn_gcks_may_join(group, identity))
	{
		snprintf(why, GV_TEXT_MAX + 1, "'%Y' could not become a member of "
				 "group '%s' anyway", identity, group->cfg->name);
		return FALSE;
	}
	if (!group->evictions->add(group->evictions, identity, reason))
	{
		snprintf(why, GV_TEXT_MAX + 1, "'%Y' is evicted from group '%s' "
				 "already", identity, group->cfg->name);
		return FALSE;
	}
	if (!groupvpn_gcks_save_eviction(group, identity))
	{	/* who is evicted until the next restart only is not */
		group->evictions->remove(group->evictions, identity);
		return not_stored(group, identity, why);
	}
	group->counters[GCKS_EVICTED]++;
	snprintf(cause, sizeof(cause), "evicted: %s", reason);
	if (!lock_out(group, identity, cause))
	{
		DBG1(DBG_IKE, "groupvpn: group '%s': '%Y', which is not registered, is "
			 "%s", group->cfg->name, identity, cause);
		return TRUE;
	}
	/* one who was registered some time ago may have keys that still live */
	return command_epoch(group, "member evicted", result, why);
}

METHOD(groupvpn_gcks_manage_t, evict, bool,
	private_groupvpn_gcks_manage_t *this,
	const groupvpn_gcks_subject_t *subject, groupvpn_gcks_result_t *result,
	char why[GV_TEXT_MAX + 1])
{
	return act(this, subject, result, why, evict_identity);
}

/**
 * Admit an identity to a group again
 */
static bool readmit_identity(groupvpn_gcks_group_t *group,
							 const groupvpn_gcks_subject_t *subject,
							 groupvpn_gcks_result_t *result,
							 char why[GV_TEXT_MAX + 1])
{
	groupvpn_registration_t *registration;
	groupvpn_eviction_t *eviction;
	identification_t *identity;
	char *reason;
	bool stored;

	identity = find_subject(group, subject, &registration, result, why);
	if (!identity)
	{
		return FALSE;
	}
	eviction = group->evictions->find(group->evictions, identity);
	if (!eviction)
	{
		snprintf(why, GV_TEXT_MAX + 1, "'%Y' is not evicted from group '%s'",
				 identity, group->cfg->name);
		return FALSE;
	}
	reason = strdup(eviction->why);
	group->evictions->remove(group->evictions, identity);
	stored = groupvpn_gcks_save_eviction(group, identity);
	if (!stored)
	{
		group->evictions->add(group->evictions, identity, reason);
	}
	free(reason);
	if (!stored)
	{
		return not_stored(group, identity, why);
	}
	DBG1(DBG_IKE, "groupvpn: group '%s': '%Y' is readmitted",
		 group->cfg->name, identity);
	return TRUE;
}

METHOD(groupvpn_gcks_manage_t, readmit, bool,
	private_groupvpn_gcks_manage_t *this,
	const groupvpn_gcks_subject_t *subject, groupvpn_gcks_result_t *result,
	char why[GV_TEXT_MAX + 1])
{
	return act(this, subject, result, why, readmit_identity);
}

/* --- lists --- */

/**
 * Tell a client of a group
 */
CALLBACK(list_group, void,
	groupvpn_gcks_core_t *gcks, void *data, u_int client)
{
	groupvpn_gcks_group_t *group = data;
	vici_builder_t *builder = gcks->vici->begin(gcks->vici, "list-group");
	groupvpn_sa_t *newest = group->sas->newest(group->sas);

	if (!builder)
	{
		return;
	}
	groupvpn_gcks_add_group(builder, group);
	if (group->address)
	{
		builder->add_kv(builder, "gateway", "%H", group->address);
	}
	groupvpn_vici_add_policy(builder, group->cfg->encap,
							 group->cfg->sa_mode == GV_SA_SHARED,
							 &group->cfg->esp, group->cfg->replay_window);
	builder->add_kv(builder, "lifetime", "%u", group->cfg->lifetime);
	builder->add_kv(builder, "atd", "%u", group->cfg->atd);
	builder->add_kv(builder, "dtd", "%u", group->cfg->dtd);
	if (newest)
	{
		builder->add_kv(builder, "epoch", "%u", newest->sa.epoch);
		builder->add_kv(builder, "age", "%u", groupvpn_vici_age(newest->since));
	}
	builder->add_kv(builder, "next-epoch", "%u", groupvpn_vici_left(
					group->batch_why ? min(group->batch, group->roll)
									 : group->roll));
	builder->add_kv(builder, "route-epoch", "%u",
					group->routes->current(group->routes)->epoch);
	builder->add_kv(builder, "rekey", "%s", group->kek ? "bgp" : "inband");
	if (group->kek)
	{
		builder->add_kv(builder, "rekey-announced", "%s",
						group->announcer ? "yes" : "no");
		group->kek->describe(group->kek, builder);
	}
	builder->add_kv(builder, "members", "%u",
					group->registrations->get_count(group->registrations));
	if (group->cfg->max_members)
	{
		builder->add_kv(builder, "max-members", "%u", group->cfg->max_members);
	}
	builder->add_kv(builder, "max-prefixes", "%u", group->cfg->max_prefixes);
	builder->add_kv(builder, "evicted", "%u",
					group->evictions->get_count(group->evictions));
	builder->add_kv(builder, "policy", "%s", group->cfg->policy ?: "file");
	gcks->vici->raise(gcks->vici, "list-group", client, builder);
}

/**
 * Tell a client of the members of a group, and of those evicted
 */
CALLBACK(list_group_members, void,
	groupvpn_gcks_core_t *gcks, void *data, u_int client)
{
	groupvpn_gcks_group_t *group = data;
	enumerator_t *enumerator;
	groupvpn_registration_t *registration;
	groupvpn_eviction_t *eviction;
	vici_builder_t *builder;

	enumerator = group->registrations->create_enumerator(group->registrations);
	while (enumerator->enumerate(enumerator, &registration))
	{
		if (registration->ike_sa &&
			(builder = gcks->vici->begin(gcks->vici, "list-member")))
		{
			groupvpn_gcks_add_registration(builder, group, registration);
			builder->add_kv(builder, "state", "registered");
			builder->add_kv(builder, "age", "%u",
							groupvpn_vici_age(registration->since));
			gcks->vici->raise(gcks->vici, "list-member", client, builder);
		}
	}
	enumerator->destroy(enumerator);
	enumerator = group->evictions->create_enumerator(group->evictions);
	while (enumerator->enumerate(enumerator, &eviction))
	{
		builder = gcks->vici->begin(gcks->vici, "list-member");
		if (builder)
		{
			groupvpn_gcks_add_group(builder, group);
			builder->add_kv(builder, "identity", "%Y", eviction->identity);
			builder->add_kv(builder, "state", "evicted");
			builder->add_kv(builder, "age", "%u",
							groupvpn_vici_age(eviction->since));
			builder->add_kv(builder, "reason", "%s", eviction->why);
			gcks->vici->raise(gcks->vici, "list-member", client, builder);
		}
	}
	enumerator->destroy(enumerator);
}

/**
 * Tell a client of the epochs of a group
 */
CALLBACK(list_group_sas, void,
	groupvpn_gcks_core_t *gcks, void *data, u_int client)
{
	groupvpn_gcks_group_t *group = data;
	enumerator_t *enumerator;
	vici_builder_t *builder;
	groupvpn_sa_t *sa;

	enumerator = group->sas->create_enumerator(group->sas);
	while (enumerator->enumerate(enumerator, &sa))
	{
		builder = gcks->vici->begin(gcks->vici, "list-sa");
		if (builder)
		{
			groupvpn_gcks_add_group(builder, group);
			groupvpn_vici_add_sa(builder, sa);
			builder->add_kv(builder, "state", "%s",
							sa == group->sas->newest(group->sas) ? "given"
																 : "retiring");
			gcks->vici->raise(gcks->vici, "list-sa", client, builder);
		}
	}
	enumerator->destroy(enumerator);
}

CALLBACK(add_counters, void,
	groupvpn_gcks_core_t *gcks, void *data, vici_builder_t *builder)
{
	groupvpn_gcks_group_t *group = data;

	groupvpn_vici_add_counters(builder, gcks_counter_names,
							   group ? group->counters : gcks->counters,
							   GCKS_COUNTERS);
	if (group)
	{
		gcks->policy->add_counters(gcks->policy, group->cfg, builder);
	}
}

METHOD(groupvpn_gcks_manage_t, get_handler, groupvpn_vici_handler_t*,
	private_groupvpn_gcks_manage_t *this)
{
	return &this->listing->handler;
}

METHOD(groupvpn_gcks_manage_t, destroy, void,
	private_groupvpn_gcks_manage_t *this)
{
	this->listing->destroy(this->listing);
	free(this);
}

/*
 * See header
 */
groupvpn_gcks_manage_t *groupvpn_gcks_manage_create(groupvpn_gcks_core_t *gcks)
{
	private_groupvpn_gcks_manage_t *this;
	groupvpn_listing_cb_t cb = {
		.group = list_group,
		.members = list_group_members,
		.sas = list_group_sas,
		.counters = add_counters,
		.others = TRUE,
	};

	INIT(this,
		.public = {
			.rekey = _rekey,
			.evict = _evict,
			.readmit = _readmit,
			.get_handler = _get_handler,
			.destroy = _destroy,
		},
		.gcks = gcks,
		.listing = groupvpn_listing_create(gcks->groups, &cb, gcks),
	);
	return &this->public;
}
