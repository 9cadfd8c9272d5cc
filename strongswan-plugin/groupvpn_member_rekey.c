/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A member asks for the Rekey SA as long as a bgpd is connected, and no more
 * once that has been without GSA_REKEY messages of the group for SILENCE, be it
 * that the group is not configured there, that the BGP session is down, or that
 * the S/R is none. It then registers again, and gets new keys in band. As soon
 * as bgpd hears messages it registers again for the Rekey SA.
 *
 * What was missed makes it register again, too, after a random delay, so that
 * not all members do at once. Either does not happen more often than each
 * INTERVAL, whatever is heard.
 */

#include "groupvpn_member_rekey.h"
#include "groupvpn_member_delivery.h"
#include "groupvpn_member_group.h"
#include "groupvpn_payload.h"

#include <daemon.h>

/* how long bgpd may hear nothing, how often to register at most, and how long
 * to spread that over at most, in milliseconds */
#define SILENCE 60000
#define INTERVAL 60000
#define SPREAD 5000

/*
 * See header
 */
void groupvpn_member_rekey_init(groupvpn_member_group_t *group)
{
	group->rekey = (groupvpn_member_rekey_t){
		.sa = groupvpn_rekey_sa_create(group->cfg->name, group->cfg->id),
		.silence = GROUPVPN_NEVER,
		.again = GROUPVPN_NEVER,
	};
}

/**
 * Forget what has come of the messages
 */
static void clear_chains(groupvpn_member_rekey_t *rekey)
{
	u_int i;

	for (i = 0; i < GV_CTL_CHAINS_MAX; i++)
	{
		chunk_free(&rekey->chains[i]);
	}
	rekey->complete = 0;
	rekey->next_part = 0;
	rekey->client = 0;
}

/*
 * See header
 */
void groupvpn_member_rekey_destroy(groupvpn_member_group_t *group)
{
	group->rekey.sa->destroy(group->rekey.sa);
	clear_chains(&group->rekey);
}

/**
 * Register again, after a while
 *
 * @param lost			because keys were missed
 * @param why			reason, for the operator
 */
static void register_again(groupvpn_member_group_t *group, bool lost,
						   const char *why)
{
	groupvpn_member_rekey_t *rekey = &group->rekey;

	if (rekey->again == GROUPVPN_NEVER)
	{
		rekey->again = max(groupvpn_now() + random() % max(rekey->spread, 1),
						   lost ? rekey->not_lost_before : rekey->not_before);
		rekey->lost = lost;
		rekey->why = why;
		group->member->timer->arm(group->member->timer, rekey->again);
	}
}

/**
 * Do not register again, after all
 */
static void stay_registered(groupvpn_member_group_t *group)
{
	group->rekey.again = GROUPVPN_NEVER;
	group->rekey.lost = FALSE;
}

/**
 * Wait for bgpd to hear something, if that matters
 */
static void await_messages(groupvpn_member_group_t *group)
{
	groupvpn_member_rekey_t *rekey = &group->rekey;

	rekey->silence = GROUPVPN_NEVER;
	if (rekey->sa->is_active(rekey->sa) && !rekey->sa->is_hearing(rekey->sa))
	{
		rekey->silence = groupvpn_now() + SILENCE;
		group->member->timer->arm(group->member->timer, rekey->silence);
	}
}

/*
 * See header
 */
bool groupvpn_member_rekey_wanted(groupvpn_member_group_t *group)
{
	return group->member->bgpds->get_count(group->member->bgpds) &&
		   !group->rekey.deaf && !group->cfg->by_keys;
}

/**
 * Take the messages that a bgpd has now
 */
static void take_chains(groupvpn_member_group_t *group, const chunk_t *chains,
						u_int count)
{
	groupvpn_rekey_sa_t *sa = group->rekey.sa;

	sa->hear(sa, chains, count);
	await_messages(group);
	if (!count)
	{
		return;
	}
	group->rekey.deaf = FALSE;
	if (sa->is_active(sa))
	{
		groupvpn_member_look(group);
	}
	else if (group->state == MEMBER_REGISTERED)
	{
		register_again(group, FALSE, "bgpd hears the group's GSA_REKEY messages");
	}
}

/*
 * See header
 */
void groupvpn_member_rekey_heard(groupvpn_member_group_t *group, u_int client,
								 const struct gv_ctl_msg *msg)
{
	groupvpn_member_rekey_t *rekey = &group->rekey;
	chunk_t *chain = &rekey->chains[msg->chain], part;

	if (!msg->chain && !msg->part_number)
	{	/* the beginning, of one bgpd at a time */
		clear_chains(rekey);
		rekey->client = client;
	}
	if (!msg->rekey_len)
	{
		take_chains(group, NULL, 0);
		return;
	}
	if (rekey->client != client || msg->chain != rekey->complete ||
		msg->part_number != rekey->next_part)
	{
		return;
	}
	part = chunk_create((u_char*)msg->rekey, msg->rekey_len);
	*chain = chunk_cat("mc", *chain, part);
	rekey->next_part++;
	if (rekey->next_part >= msg->part_count)
	{
		rekey->next_part = 0;
		rekey->complete++;
	}
	if (rekey->complete && rekey->complete >= msg->chains)
	{
		take_chains(group, rekey->chains, rekey->complete);
		clear_chains(rekey);
	}
}

/*
 * See header
 */
void groupvpn_member_rekey_bgpd(groupvpn_member_core_t *member, u_int client,
								bool here)
{
	enumerator_t *enumerator;
	groupvpn_member_group_t *group;
	void *id = (void*)(uintptr_t)client;

	member->bgpds->remove(member->bgpds, id, NULL);
	if (here)
	{
		member->bgpds->insert_last(member->bgpds, id);
		return;
	}
	enumerator = member->groups->create_enumerator(member->groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		if (!member->bgpds->get_count(member->bgpds))
		{
			take_chains(group, NULL, 0);
		}
	}
	enumerator->destroy(enumerator);
}

/*
 * See header
 */
void groupvpn_member_rekey_registered(groupvpn_member_group_t *group,
									  const struct gv_gsa *gsa,
									  struct gv_key_path *path)
{
	groupvpn_member_rekey_t *rekey = &group->rekey;

	rekey->sa->set(rekey->sa, gsa, path);
	rekey->spread = min(gsa->atd * 1000, SPREAD);
	stay_registered(group);
	await_messages(group);
}

/*
 * See header
 */
void groupvpn_member_rekey_end(groupvpn_member_group_t *group)
{
	group->rekey.sa->clear(group->rekey.sa);
	stay_registered(group);
	await_messages(group);
}

/*
 * See header
 */
bool groupvpn_member_rekey_receive(groupvpn_member_group_t *group,
								   struct gv_gsa *gsa)
{
	groupvpn_rekey_sa_t *sa = group->rekey.sa;
	const char *why;

	while (sa->receive(sa, GROUPVPN_CAN, gsa))
	{
		if (gsa->epochs)
		{
			return TRUE;
		}
		DBG1(DBG_IKE, "groupvpn: group '%s': received a new KEK",
			 group->cfg->name);
		gv_gsa_wipe(gsa);
	}
	why = sa->is_lost(sa);
	if (why)
	{
		register_again(group, TRUE, why);
	}
	else if (group->rekey.lost && group->rekey.again != GROUPVPN_NEVER)
	{
		stay_registered(group);
	}
	return FALSE;
}

/*
 * See header
 */
uint64_t groupvpn_member_rekey_run(groupvpn_member_group_t *group,
								   uint64_t now)
{
	groupvpn_member_rekey_t *rekey = &group->rekey;
	groupvpn_rekey_sa_t *sa = rekey->sa;

	if (sa->get_expiry(sa) <= now)
	{
		sa->clear(sa);
		await_messages(group);
		register_again(group, FALSE, "the KEK has expired");
	}
	if (rekey->silence <= now)
	{
		rekey->silence = GROUPVPN_NEVER;
		rekey->deaf = TRUE;
		register_again(group, FALSE, "bgpd does not hear the group's GSA_REKEY "
					   "messages");
	}
	if (rekey->again <= now)
	{
		rekey->again = GROUPVPN_NEVER;
		if (group->state == MEMBER_REGISTERED)
		{
			DBG1(DBG_IKE, "groupvpn: group '%s': registering again: %s",
				 group->cfg->name, rekey->why);
			if (rekey->lost)
			{
				rekey->not_lost_before = now + INTERVAL;
			}
			else
			{
				rekey->not_before = now + INTERVAL;
			}
			groupvpn_member_enter(group, MEMBER_WAITING, 0);
		}
	}
	return min(min(rekey->silence, rekey->again), sa->get_expiry(sa));
}
