/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each change of a member gives the group its next state, by number, and the
 * member that number. Who gets lists has been told up to some state; the next
 * list has what is newer, oldest first, as far as it has room, and leads to the
 * state of the last in it. IKE delivers and acknowledges.
 */

#include "groupvpn_gcks_prefixes.h"
#include "groupvpn_gcks_bgp.h"
#include "groupvpn_gcks_group.h"
#include "groupvpn_gcks_job.h"
#include "groupvpn_payload.h"
#include "groupvpn_task.h"
#include "compat.h"

#include <daemon.h>

/* changes within this time, and 1 more for each member, go into one list, in
 * milliseconds */
#define LIST_DELAY 200

/* shortest prefix that may be claimed if policy does not tell: two of length 1
 * are a default route, which a claim may not have */
#define SHORTEST 8

/* time that members, and a bgpd with its sessions, may take to come back before
 * what they had is gone, in milliseconds */
#define RETURN_TIME 300000

typedef struct private_groupvpn_gcks_prefixes_t private_groupvpn_gcks_prefixes_t;

/**
 * Private data
 */
struct private_groupvpn_gcks_prefixes_t {

	/**
	 * Public interface
	 */
	groupvpn_gcks_prefixes_t public;

	/**
	 * Lists
	 */
	groupvpn_exchange_t lists;

	/**
	 * The GCKS
	 */
	groupvpn_gcks_core_t *gcks;
};

/* --- claims --- */

/**
 * Whether policy lets an identity have a prefix
 */
static bool is_allowed(groupvpn_group_t *cfg, identification_t *identity,
					   const struct gv_prefix *prefix)
{
	enumerator_t *enumerator;
	groupvpn_allowed_t *allowed;
	bool found = cfg->allowed->get_count(cfg->allowed) == 0 &&
				 prefix->len >= SHORTEST;

	enumerator = cfg->allowed->create_enumerator(cfg->allowed);
	while (!found && enumerator->enumerate(enumerator, &allowed))
	{
		found = gv_prefix_covers(&allowed->prefix, prefix) &&
				(!allowed->who || identity->matches(identity, allowed->who) !=
														ID_MATCH_NONE);
	}
	enumerator->destroy(enumerator);
	return found;
}

/*
 * See header
 */
bool groupvpn_gcks_prefixes_allowed(groupvpn_gcks_group_t *group,
									identification_t *identity,
									host_t *gateway,
									const struct gv_prefix *prefixes,
									size_t count, char why[GV_TEXT_MAX + 1])
{
	struct gv_addr addr = groupvpn_addr(gateway);
	char text[GV_PREFIX_STRLEN];
	size_t i;

	if (count > group->cfg->max_prefixes)
	{
		snprintf(why, GV_TEXT_MAX + 1, "it claims %zu prefixes, max_prefixes = "
				 "%u", count, group->cfg->max_prefixes);
		return FALSE;
	}
	for (i = 0; i < count; i++)
	{
		gv_prefix_print(&prefixes[i], text, sizeof(text));
		if (gv_prefix_covers_addr(&prefixes[i], &addr))
		{
			snprintf(why, GV_TEXT_MAX + 1, "it claims %s, which covers its own "
					 "gateway %H", text, gateway);
			return FALSE;
		}
		if (!is_allowed(group->cfg, identity, &prefixes[i]))
		{
			snprintf(why, GV_TEXT_MAX + 1, "it claims %s, which is in none of "
					 "'allowed_prefixes' for it%s", text,
					 group->cfg->allowed->get_count(group->cfg->allowed)
							? "" : ": one that short has to be");
			return FALSE;
		}
	}
	return TRUE;
}

/*
 * See header
 */
bool groupvpn_gcks_prefixes_hold(groupvpn_gcks_group_t *group,
								 groupvpn_registration_t *registration)
{
	const struct gv_prefix *claimed;
	char why[GV_TEXT_MAX + 1];
	size_t count;

	if (!registration->prefixes)
	{
		return TRUE;
	}
	count = registration->prefixes->get_claim(registration->prefixes, &claimed);
	if (groupvpn_gcks_prefixes_allowed(group, registration->identity,
									   registration->gateway, claimed, count,
									   why))
	{
		return TRUE;
	}
	DBG1(DBG_IKE, "groupvpn: group '%s': member %u '%Y' may not go on: %s",
		 group->cfg->name, registration->member_id, registration->identity, why);
	return FALSE;
}

/* --- lists --- */

/**
 * Have lists be sent soon
 */
static void schedule(groupvpn_gcks_group_t *group, uint64_t delay)
{
	groupvpn_timer_t *timer = group->gcks->timer;

	group->lists.due = min(group->lists.due, groupvpn_now() + delay);
	timer->arm(timer, group->lists.due);
}

/**
 * Time until a change is told: the more there are to tell, the more changes
 * share a list
 */
static uint64_t get_delay(groupvpn_gcks_group_t *group)
{
	return LIST_DELAY + group->registrations->get_count(group->registrations);
}

/**
 * Something has changed that others have to know of a member
 */
static void touch(groupvpn_gcks_group_t *group,
				  groupvpn_registration_t *registration)
{
	registration->changed = ++group->lists.state;
	registration->shown_id = 0;
	if (registration->ike_sa)
	{
		registration->shown_id = registration->sender_id;
		registration->shown_gateway = groupvpn_addr(registration->gateway);
	}
	schedule(group, get_delay(group));
}

/**
 * Prefixes of a member
 */
static groupvpn_prefixes_t *get_prefixes(groupvpn_registration_t *registration)
{
	if (!registration->prefixes)
	{
		registration->prefixes = groupvpn_prefixes_create();
	}
	return registration->prefixes;
}

/**
 * Whether one member names another, or all
 */
static bool names(groupvpn_registration_t *one, groupvpn_registration_t *other)
{
	struct gv_addr gateway = groupvpn_addr(other->gateway);
	char identity[GV_TEXT_MAX + 1];

	if (!one->peers)
	{
		return TRUE;
	}
	snprintf(identity, sizeof(identity), "%Y", other->identity);
	return gv_peers_name(one->peers, identity, other->label, &gateway);
}

/**
 * Get what to tell a member of another; without a Sender-ID if that is gone, or
 * not to be known
 */
static void fill_entry(groupvpn_gcks_group_t *group,
					   groupvpn_registration_t *to,
					   groupvpn_registration_t *about,
					   struct gv_list_entry *entry)
{
	size_t count;

	memset(entry, 0, sizeof(*entry));
	entry->member_id = about->member_id;
	if (!about->ike_sa || !names(to, about) || !names(about, to))
	{
		return;
	}
	entry->sender_id = about->sender_id;
	entry->gateway = groupvpn_addr(about->gateway);
	if (about->prefixes)
	{
		count = about->prefixes->get(about->prefixes, entry->prefixes);
		entry->count = min(count, GV_PREFIXES_MAX);
	}
}

/**
 * Whether what others have of a member still holds after a restart: it is not
 * back yet, or bgpd has perhaps not told yet what its prefixes are. It has when
 * it says so; but the BGP session of one that is back may come later
 */
static bool is_awaited(groupvpn_gcks_group_t *group,
					   groupvpn_registration_t *registration)
{
	struct gv_prefix prefixes[GV_PREFIXES_MAX];

	if (!group->lists.settles)
	{
		return FALSE;
	}
	if (!registration->ike_sa)
	{
		return registration->awaited && registration->sender_id;
	}
	if (registration->by_keys)
	{
		return FALSE;
	}
	return !group->lists.handed ||
		   (registration->returned &&
			(!registration->prefixes ||
			 !registration->prefixes->get(registration->prefixes, prefixes)));
}

/**
 * Order members by when they changed
 */
static int compare(const void *a, const void *b)
{
	groupvpn_registration_t *const *one = a, *const *other = b;

	return (*one)->changed < (*other)->changed ? -1 : 1;
}

/**
 * Members that one has to be told of, in the order of their changes
 *
 * @param begin			of all that there are
 * @param count			receives their number
 * @return				allocated array
 */
static groupvpn_registration_t **get_changed(groupvpn_gcks_group_t *group,
											 groupvpn_registration_t *to,
											 bool begin, u_int *count)
{
	groupvpn_registration_t **changed = NULL, *registration;
	enumerator_t *enumerator;

	*count = 0;
	enumerator = group->registrations->create_enumerator(group->registrations);
	while (enumerator->enumerate(enumerator, &registration))
	{
		if (registration == to || is_awaited(group, registration) ||
			(begin && !registration->ike_sa) ||
			(!begin && registration->changed <= to->told))
		{
			continue;
		}
		if (*count % 64 == 0)
		{
			changed = realloc(changed, (*count + 64) * sizeof(*changed));
		}
		changed[(*count)++] = registration;
	}
	enumerator->destroy(enumerator);
	if (*count)
	{
		qsort(changed, *count, sizeof(*changed), compare);
	}
	return changed;
}

/**
 * Whether all members that an earlier run of the GCKS had are back, and bgpd has
 * told what it hears, or they have had their time
 */
static bool is_settled(groupvpn_gcks_group_t *group)
{
	enumerator_t *enumerator;
	groupvpn_registration_t *registration;
	bool settled = TRUE;

	if (group->lists.settles <= groupvpn_now())
	{
		return TRUE;
	}
	enumerator = group->registrations->create_enumerator(group->registrations);
	while (settled && enumerator->enumerate(enumerator, &registration))
	{
		settled = !is_awaited(group, registration);
	}
	enumerator->destroy(enumerator);
	if (settled)
	{	/* for good */
		group->lists.settles = 0;
	}
	return settled;
}

/**
 * Compose the next list for a member, and note what that will know
 *
 * @param begin			it knows nothing yet
 * @return				length, 0 if there is nothing to tell
 */
static size_t compose(groupvpn_gcks_group_t *group,
					  groupvpn_registration_t *to, bool begin,
					  uint8_t buf[GV_LIST_MAX])
{
	groupvpn_registration_t **changed;
	struct gv_list_entry *entry;
	struct gv_writer w;
	uint8_t flags = begin ? GV_LIST_BEGIN : 0;
	u_int count, i;

	changed = get_changed(group, to, begin, &count);
	entry = malloc(sizeof(*entry));
	gv_list_begin(&w, buf);
	to->telling = begin ? 0 : to->told;
	for (i = 0; i < count; i++)
	{
		fill_entry(group, to, changed[i], entry);
		/* what was never told of needs not be taken back */
		if (!(begin && !entry->sender_id) && !gv_list_add(&w, entry))
		{
			break;
		}
		to->telling = changed[i]->changed;
	}
	free(changed);
	free(entry);
	if (i == count)
	{
		to->telling = group->lists.state;
		if ((begin || !to->complete) && is_settled(group))
		{
			flags |= GV_LIST_END;
		}
	}
	to->completing = flags & GV_LIST_END;
	return i || flags ? gv_list_end(&w, flags, to->telling) : 0;
}

/**
 * A member knows what a list had
 */
static void set_told(groupvpn_registration_t *registration)
{
	registration->told = registration->telling;
	registration->complete |= registration->completing;
	registration->refusals = 0;
}

/**
 * A member has refused a list: it may have come before the answer to its
 * registration, and is not to be without routes then
 */
static void set_refused(groupvpn_gcks_group_t *group,
						groupvpn_registration_t *registration)
{
	u_int delay = groupvpn_gcks_refused_delay(registration->refusals++);

	registration->not_before = groupvpn_now() + delay;
	registration->told = 0;
	registration->complete = FALSE;
	schedule(group, delay);
}

/**
 * Whether there is something to tell a member
 */
static bool is_behind(groupvpn_gcks_group_t *group,
					  groupvpn_registration_t *registration)
{
	return registration->ike_sa && registration->by_keys &&
		   (!registration->refusals ||
			registration->not_before <= groupvpn_now()) &&
		   (registration->refusals ||
			registration->told != group->lists.state ||
			(!registration->complete && is_settled(group)));
}

/*
 * See header
 */
chunk_t groupvpn_gcks_prefixes_answer(groupvpn_gcks_group_t *group,
									  groupvpn_registration_t *registration)
{
	uint8_t buf[GV_LIST_MAX];
	size_t len;

	registration->complete = FALSE;
	len = compose(group, registration, TRUE, buf);
	set_told(registration);
	if (is_behind(group, registration))
	{
		schedule(group, LIST_DELAY);
	}
	return chunk_clone(chunk_create(buf, len));
}

METHOD(groupvpn_exchange_t, list_request, bool,
	groupvpn_exchange_t *exchange, ike_sa_t *ike_sa, uint32_t group_id,
	message_t *message)
{
	private_groupvpn_gcks_prefixes_t *this;
	groupvpn_groups_t *groups;
	groupvpn_registration_t *registration;
	groupvpn_gcks_group_t *group;
	uint8_t buf[GV_LIST_MAX];
	size_t len = 0;

	this = container_of(exchange, private_groupvpn_gcks_prefixes_t, lists);
	groups = this->gcks->groups;
	groups->lock(groups);
	group = groups->find(groups, group_id);
	registration = this->gcks->index->find(this->gcks->index,
										   ike_sa->get_unique_id(ike_sa),
										   group_id);
	if (group && registration && registration->by_keys)
	{
		len = compose(group, registration, registration->refusals > 0, buf);
		registration->listing = len > 0;
		registration->list_id = message->get_message_id(message);
		if (len)
		{
			group->counters[GCKS_LISTS_PUSHED]++;
		}
		else
		{
			set_told(registration);
		}
	}
	groups->unlock(groups);
	if (!len || !groupvpn_add_idg(message, group_id))
	{
		return FALSE;
	}
	message->add_notify(message, FALSE, GROUPVPN_N_ROUTES,
						chunk_create(buf, len));
	return TRUE;
}

METHOD(groupvpn_exchange_t, list_response, void,
	groupvpn_exchange_t *exchange, ike_sa_t *ike_sa, uint32_t group_id,
	message_t *message)
{
	private_groupvpn_gcks_prefixes_t *this;
	groupvpn_groups_t *groups;
	groupvpn_registration_t *registration;
	groupvpn_gcks_group_t *group;
	bool refused = message->get_notify(message,
									   GROUPVPN_N_REGISTRATION_FAILED) != NULL;

	this = container_of(exchange, private_groupvpn_gcks_prefixes_t, lists);
	groups = this->gcks->groups;
	groups->lock(groups);
	group = groups->find(groups, group_id);
	registration = this->gcks->index->find(this->gcks->index,
										   ike_sa->get_unique_id(ike_sa),
										   group_id);
	if (group && registration && registration->listing &&
		registration->list_id == message->get_message_id(message))
	{
		registration->listing = FALSE;
		if (refused)
		{
			set_refused(group, registration);
		}
		else
		{
			set_told(registration);
		}
		group->counters[refused ? GCKS_LISTS_REFUSED
								: GCKS_LISTS_ACKNOWLEDGED]++;
		if (is_behind(group, registration))
		{
			schedule(group, 0);
		}
	}
	groups->unlock(groups);
	if (refused)
	{
		DBG1(DBG_IKE, "groupvpn: '%Y' at %H did not accept the routes of "
			 "group-ID %u, its log tells why", ike_sa->get_other_id(ike_sa),
			 ike_sa->get_other_host(ike_sa), group_id);
	}
}

CALLBACK(push_list, job_requeue_t,
	groupvpn_gcks_job_t *job)
{
	private_groupvpn_gcks_prefixes_t *this;
	groupvpn_groups_t *groups = job->gcks->groups;
	groupvpn_registration_t *registration;
	groupvpn_gcks_group_t *group;
	bool wanted;

	this = (private_groupvpn_gcks_prefixes_t*)job->gcks->prefixes;
	groups->lock(groups);
	registration = groupvpn_gcks_job_find(job, &group);
	wanted = registration && registration->listing;
	groups->unlock(groups);
	return wanted ? groupvpn_gcks_job_start(job, &this->lists)
				  : JOB_REQUEUE_NONE;
}

/**
 * Send a member its next list, if none is under way
 */
static void push(groupvpn_gcks_group_t *group,
				 groupvpn_registration_t *registration)
{
	if (!registration->listing)
	{
		registration->listing = TRUE;
		registration->list_id = UINT32_MAX;
		groupvpn_gcks_job_queue(push_list, group, registration, 0);
	}
}

/*
 * See header
 */
void groupvpn_gcks_prefixes_resume(groupvpn_gcks_group_t *group,
								   groupvpn_registration_t *registration)
{
	if (is_behind(group, registration))
	{
		push(group, registration);
	}
}

/* --- members --- */

/**
 * Find out whether anybody gets lists, and tell bgpd if that changes; but one
 * who is away for a moment only is not to find that nothing is known anymore
 */
static void update_wanted(groupvpn_gcks_group_t *group)
{
	groupvpn_timer_t *timer = group->gcks->timer;
	enumerator_t *enumerator;
	groupvpn_registration_t *registration;
	bool wanted = FALSE;

	enumerator = group->registrations->create_enumerator(group->registrations);
	while (enumerator->enumerate(enumerator, &registration))
	{
		wanted |= registration->ike_sa && registration->by_keys;
	}
	enumerator->destroy(enumerator);
	if (!wanted)
	{
		if (group->lists.wanted && group->lists.unwanted == GROUPVPN_NEVER)
		{
			group->lists.unwanted = groupvpn_now() + RETURN_TIME;
			timer->arm(timer, group->lists.unwanted);
		}
		return;
	}
	group->lists.unwanted = GROUPVPN_NEVER;
	if (!group->lists.wanted)
	{
		group->lists.wanted = TRUE;
		group->lists.handed = FALSE;
		group->lists.settles = groupvpn_now() + RETURN_TIME;
		timer->arm(timer, group->lists.settles);
		groupvpn_gcks_bgp_want(group, 0);
	}
}

/**
 * Nobody gets lists anymore, and nobody tells us what becomes of what is heard
 */
static void unwant(groupvpn_gcks_group_t *group)
{
	enumerator_t *enumerator;
	groupvpn_registration_t *registration;

	group->lists.unwanted = GROUPVPN_NEVER;
	group->lists.wanted = FALSE;
	groupvpn_gcks_bgp_want(group, 0);
	enumerator = group->registrations->create_enumerator(group->registrations);
	while (enumerator->enumerate(enumerator, &registration))
	{
		if (registration->prefixes)
		{
			registration->prefixes->lose(registration->prefixes, 0);
			registration->prefixes->sweep(registration->prefixes);
		}
	}
	enumerator->destroy(enumerator);
}

/**
 * Tell the operator of a member that has more prefixes than lists have room for
 */
static void check_count(groupvpn_gcks_group_t *group,
						groupvpn_registration_t *registration)
{
	struct gv_prefix all[GV_PREFIXES_MAX];
	size_t count;
	bool more;

	count = registration->prefixes->get(registration->prefixes, all);
	more = count > GV_PREFIXES_MAX;
	if (more && !registration->too_many)
	{
		DBG1(DBG_IKE, "groupvpn: group '%s': member %u '%Y' announces %zu "
			 "prefixes, members without a bgpd are told the first %d",
			 group->cfg->name, registration->member_id, registration->identity,
			 count, GV_PREFIXES_MAX);
	}
	registration->too_many = more;
}

/*
 * See header
 */
void groupvpn_gcks_prefixes_follow(groupvpn_gcks_group_t *group,
								   groupvpn_registration_t *registration)
{
	if (registration->prefixes->has_changed(registration->prefixes))
	{
		check_count(group, registration);
		touch(group, registration);
	}
}

/*
 * See header
 */
void groupvpn_gcks_prefixes_rename(groupvpn_gcks_group_t *group,
								   groupvpn_registration_t *registration)
{
	touch(group, registration);
}

/*
 * See header
 */
void groupvpn_gcks_prefixes_register(groupvpn_gcks_group_t *group,
									 groupvpn_registration_t *registration,
									 bool by_keys,
									 const struct gv_prefix *prefixes,
									 size_t count)
{
	groupvpn_prefixes_t *own = registration->prefixes;
	struct gv_addr gateway = groupvpn_addr(registration->gateway);
	bool changed = by_keys != registration->by_keys ||
				   registration->sender_id != registration->shown_id ||
				   !gv_addr_equal(&gateway, &registration->shown_gateway);

	if (by_keys || own)
	{
		own = get_prefixes(registration);
		own->claim(own, prefixes, count);
		if (by_keys)
		{	/* one way or the other */
			own->lose(own, 0);
			own->sweep(own);
		}
		changed |= own->has_changed(own);
	}
	registration->by_keys = by_keys;
	registration->refusals = 0;
	if (changed)
	{
		touch(group, registration);
	}
	update_wanted(group);
}

/*
 * See header
 */
void groupvpn_gcks_prefixes_unregister(groupvpn_gcks_group_t *group,
									   groupvpn_registration_t *registration)
{
	touch(group, registration);
	update_wanted(group);
}

/*
 * See header
 */
void groupvpn_gcks_prefixes_lose(groupvpn_gcks_group_t *group, u_int client)
{
	enumerator_t *enumerator;
	groupvpn_registration_t *registration;

	enumerator = group->registrations->create_enumerator(group->registrations);
	while (enumerator->enumerate(enumerator, &registration))
	{
		if (registration->prefixes)
		{
			registration->prefixes->lose(registration->prefixes, client);
		}
	}
	enumerator->destroy(enumerator);
}

/*
 * See header
 */
void groupvpn_gcks_prefixes_greet(groupvpn_gcks_group_t *group)
{
	groupvpn_timer_t *timer = group->gcks->timer;

	group->lists.sweep = groupvpn_now() + RETURN_TIME;
	timer->arm(timer, group->lists.sweep);
}

/**
 * Forget what a bgpd that is gone has heard, and no other has
 */
static void sweep(groupvpn_gcks_group_t *group)
{
	enumerator_t *enumerator;
	groupvpn_registration_t *registration;

	group->lists.sweep = GROUPVPN_NEVER;
	enumerator = group->registrations->create_enumerator(group->registrations);
	while (enumerator->enumerate(enumerator, &registration))
	{
		if (registration->prefixes)
		{
			registration->prefixes->sweep(registration->prefixes);
			groupvpn_gcks_prefixes_follow(group, registration);
		}
	}
	enumerator->destroy(enumerator);
}

/*
 * See header
 */
void groupvpn_gcks_prefixes_handed(groupvpn_gcks_group_t *group)
{
	enumerator_t *enumerator;
	groupvpn_registration_t *registration;

	if (!group->lists.wanted || group->lists.handed)
	{
		return;
	}
	group->lists.handed = TRUE;
	enumerator = group->registrations->create_enumerator(group->registrations);
	while (enumerator->enumerate(enumerator, &registration))
	{	/* lists have passed over it */
		if (registration->ike_sa && !registration->by_keys &&
			!is_awaited(group, registration))
		{
			touch(group, registration);
		}
	}
	enumerator->destroy(enumerator);
	schedule(group, LIST_DELAY);
}

/**
 * Members, and bgpd, have had time to come back: those of whom nothing was
 * heard have nothing
 */
static void settle(groupvpn_gcks_group_t *group)
{
	enumerator_t *enumerator;
	groupvpn_registration_t *registration;

	enumerator = group->registrations->create_enumerator(group->registrations);
	while (enumerator->enumerate(enumerator, &registration))
	{
		if (is_awaited(group, registration))
		{
			touch(group, registration);
		}
		registration->awaited = FALSE;
		registration->returned = FALSE;
	}
	enumerator->destroy(enumerator);
	group->lists.settles = 0;
	group->lists.due = 0;
}

/*
 * See header
 */
void groupvpn_gcks_prefixes_run(groupvpn_gcks_group_t *group, uint64_t now)
{
	groupvpn_timer_t *timer = group->gcks->timer;
	enumerator_t *enumerator;
	groupvpn_registration_t *registration;

	if (group->lists.sweep <= now)
	{
		sweep(group);
	}
	if (group->lists.unwanted <= now)
	{
		unwant(group);
	}
	if (group->lists.settles && group->lists.settles <= now)
	{
		settle(group);
	}
	if (group->lists.due <= now)
	{
		group->lists.due = GROUPVPN_NEVER;
		enumerator = group->registrations->create_enumerator(
														group->registrations);
		while (enumerator->enumerate(enumerator, &registration))
		{
			if (is_behind(group, registration))
			{
				push(group, registration);
			}
			else if (registration->refusals && registration->ike_sa)
			{
				group->lists.due = min(group->lists.due,
									   registration->not_before);
			}
		}
		enumerator->destroy(enumerator);
	}
	timer->arm(timer, min(min(group->lists.due, group->lists.sweep),
						  group->lists.unwanted));
	if (group->lists.settles)
	{
		timer->arm(timer, group->lists.settles);
	}
}

METHOD(groupvpn_gcks_prefixes_t, destroy, void,
	private_groupvpn_gcks_prefixes_t *this)
{
	free(this);
}

/*
 * See header
 */
groupvpn_gcks_prefixes_t *groupvpn_gcks_prefixes_create(
												groupvpn_gcks_core_t *gcks)
{
	private_groupvpn_gcks_prefixes_t *this;

	INIT(this,
		.public = {
			.destroy = _destroy,
		},
		.lists = {
			.type = GV_EXCHANGE_GSA_INBAND_REKEY,
			.request = _list_request,
			.response = _list_response,
		},
		.gcks = gcks,
	);
	return &this->public;
}
