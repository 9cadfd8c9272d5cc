/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A GSA is used as a whole or not at all.
 */

#include "groupvpn_member_delivery.h"
#include "groupvpn_member_failover.h"
#include "groupvpn_member_group.h"
#include "groupvpn_member_job.h"
#include "groupvpn_member_manage.h"
#include "groupvpn_member_rekey.h"
#include "groupvpn_payload.h"
#include "compat.h"

#include <daemon.h>

#include <crypto.h>

/**
 * What came in a registration or an in-band rekey
 */
typedef struct {
	/* routes alone, allocated; empty if these are keys */
	chunk_t list;
	struct gv_gsa gsa;
	/* keys that came with the Rekey SA, registration only */
	struct gv_key_path path;
	/* addresses of the IKE_SA, and when we asked, registration only */
	host_t *local;
	host_t *gcks;
	uint64_t requested;
} delivery_t;

/**
 * Wipe and free a delivery
 */
static void delivery_destroy(delivery_t *delivery)
{
	gv_gsa_wipe(&delivery->gsa);
	gv_path_wipe(&delivery->path);
	DESTROY_IF(delivery->local);
	DESTROY_IF(delivery->gcks);
	free(delivery->list.ptr);
	free(delivery);
}

/*
 * See header
 */
void groupvpn_member_clear_deliveries(groupvpn_member_group_t *group)
{
	delivery_t *delivery;

	while (group->deliveries->remove_first(group->deliveries,
										   (void**)&delivery) == SUCCESS)
	{
		delivery_destroy(delivery);
	}
}

/**
 * Whether a GSA's ciphers are such as we accept
 */
static bool check_ciphers(groupvpn_member_group_t *group,
						  const struct gv_gsa *gsa, char why[GV_TEXT_MAX + 1])
{
	u_int i;

	for (i = 0; i < gsa->epochs; i++)
	{
		if (!groupvpn_group_accepts(group->cfg, &gsa->epoch[i].esp))
		{
			snprintf(why, GV_TEXT_MAX + 1, "its cipher is none of our "
					 "'esp_proposals'");
			return FALSE;
		}
	}
	return TRUE;
}

/**
 * Whether a GSA's tags leave the SPIs of our other groups alone
 */
static bool check_tags(groupvpn_member_group_t *group,
					   const struct gv_gsa *gsa, char why[GV_TEXT_MAX + 1])
{
	groupvpn_groups_t *groups = group->member->groups;
	enumerator_t *enumerator;
	groupvpn_member_group_t *other;
	u_int i;
	bool ok = TRUE;

	enumerator = groups->create_enumerator(groups);
	while (ok && enumerator->enumerate(enumerator, &other))
	{
		for (i = 0; i < gsa->epochs && other != group; i++)
		{
			if (other->dataplane->has_tag(other->dataplane, gsa->epoch[i].tag))
			{
				snprintf(why, GV_TEXT_MAX + 1, "its SPIs would be those of "
						 "group '%s' (tag 0x%02x), which has another GCKS; "
						 "its next epoch may do", other->cfg->name,
						 gsa->epoch[i].tag);
				ok = FALSE;
				break;
			}
		}
	}
	enumerator->destroy(enumerator);
	return ok;
}

/*
 * See header
 */
bool groupvpn_member_get_gsa(groupvpn_member_group_t *group, ike_sa_t *ike_sa,
							 message_t *message, struct gv_key_path *path,
							 struct gv_gsa *gsa, char why[GV_TEXT_MAX + 1])
{
	host_t *me = ike_sa->get_my_host(ike_sa);
	enum gv_gikev2_error error;

	error = groupvpn_get_gsa(message, ike_sa, path, gsa);
	if (error == GV_GIKEV2_MISSING &&
		!groupvpn_payload_find(message, GV_PAYLOAD_GSA, &(chunk_t){}))
	{
		snprintf(why, GV_TEXT_MAX + 1, "its answer has no GSA: the groupvpn "
				 "plugin is not loaded there");
		return FALSE;
	}
	if (error != GV_GIKEV2_OK)
	{
		snprintf(why, GV_TEXT_MAX + 1, "its GSA and KD can not be used: %s",
				 gv_gikev2_error_text(error));
		return FALSE;
	}
	if (gsa->group_id != group->cfg->id)
	{
		snprintf(why, GV_TEXT_MAX + 1, "its GSA is for group-ID %u",
				 gsa->group_id);
		return FALSE;
	}
	if (me->get_family(me) != groupvpn_encap_family(gsa->encap))
	{
		snprintf(why, GV_TEXT_MAX + 1, "the group's gateways are %s, and our "
				 "connection uses %H", groupvpn_family_name(
										groupvpn_encap_family(gsa->encap)), me);
		return FALSE;
	}
	if (!message->get_notify(message, USE_TRANSPORT_MODE))
	{
		snprintf(why, GV_TEXT_MAX + 1, "it wants tunnel mode, only transport "
				 "mode is supported");
		return FALSE;
	}
	return check_ciphers(group, gsa, why) && check_tags(group, gsa, why);
}

/**
 * Whether we can be a member by an IKE_SA's addresses
 */
static bool check_addresses(ike_sa_t *ike_sa, char why[GV_TEXT_MAX + 1])
{
	if (ike_sa->has_condition(ike_sa, COND_NAT_HERE))
	{
		snprintf(why, GV_TEXT_MAX + 1, "there is a NAT before us, other "
				 "members could not reach our gateway address");
		return FALSE;
	}
	return TRUE;
}

/**
 * Whether a registration has given us identifiers
 */
static bool check_identifiers(const struct gv_gsa *gsa,
							  char why[GV_TEXT_MAX + 1])
{
	if (!gsa->sender_id)
	{
		snprintf(why, GV_TEXT_MAX + 1, "its KD has no member-ID and Sender-ID "
				 "for us");
		return FALSE;
	}
	return TRUE;
}

/*
 * See header
 */
bool groupvpn_member_get_answer(groupvpn_member_group_t *group,
								ike_sa_t *ike_sa, message_t *message,
								struct gv_key_path *path, struct gv_gsa *gsa,
								char why[GV_TEXT_MAX + 1])
{
	return check_addresses(ike_sa, why) &&
		   groupvpn_member_get_gsa(group, ike_sa, message, path, gsa, why) &&
		   check_identifiers(gsa, why);
}

/**
 * The keys that the GCKS gave start over: get others, of another Sender-ID
 */
static void start_afresh(groupvpn_member_group_t *group)
{
	char *why = "it gives us keys that we have used already";

	if (group->fresh)
	{
		groupvpn_member_fail(group, TRUE, why);
		return;
	}
	DBG1(DBG_IKE, "groupvpn: group '%s': keys of '%s' not accepted: %s; "
		 "registering for another Sender-ID", group->cfg->name,
		 groupvpn_member_gcks_name(group), why);
	group->fresh = TRUE;
	groupvpn_member_enter(group, MEMBER_WAITING, 0);
}

/**
 * The answer to our registration was overtaken by keys that came by BGP since
 * we asked: it was lost, and repeated as it was. It changes nothing, a new
 * request gets what there is now (RFC 9838, 2.3.3).
 */
static void ask_anew(groupvpn_member_group_t *group)
{
	DBG1(DBG_IKE, "groupvpn: group '%s': the answer of '%s' is older than the "
		 "keys that came by BGP meanwhile, registering again",
		 group->cfg->name, groupvpn_member_gcks_name(group));
	groupvpn_member_enter(group, MEMBER_WAITING, 0);
}

/**
 * Tell that the GCKS has sent an epoch, if it is a new one
 *
 * @param how			the way it came
 */
static void tell_epoch(groupvpn_member_group_t *group,
					   const struct gv_gsa *gsa, char *how)
{
	uint32_t epoch = gsa->epoch[gsa->epochs - 1].epoch;

	if (epoch != group->rekey.epoch)
	{
		DBG1(DBG_IKE, "groupvpn: group '%s': received epoch %u %s",
			 group->cfg->name, epoch, how);
		groupvpn_member_tell_rekey(group, gsa, how);
	}
	group->rekey.epoch = epoch;
}

/**
 * Use what came from the GCKS
 */
static void use_delivery(groupvpn_member_group_t *group, delivery_t *delivery)
{
	struct gv_gsa *gsa = &delivery->gsa;
	uint32_t epoch;

	if (delivery->list.len)
	{
		group->counters[MEMBER_LISTS_RECEIVED]++;
		group->dataplane->use_list(group->dataplane, delivery->list);
		return;
	}
	epoch = gsa->epoch[gsa->epochs - 1].epoch;
	if (delivery->local &&
		group->dataplane->is_stale(group->dataplane, gsa, delivery->requested))
	{
		ask_anew(group);
		return;
	}
	if (delivery->local)
	{
		group->dataplane->set_addresses(group->dataplane, delivery->local,
										delivery->gcks);
	}
	if (!group->dataplane->use(group->dataplane, gsa))
	{
		start_afresh(group);
		return;
	}
	if (delivery->local)
	{
		DBG1(DBG_IKE, "groupvpn: group '%s': registered with '%s' as member "
			 "%u, Sender-ID %u, epoch %u", group->cfg->name,
			 groupvpn_member_gcks_name(group), gsa->member_id, gsa->sender_id,
			 epoch);
		group->rekey.epoch = epoch;
		groupvpn_member_rekey_registered(group, gsa, &delivery->path);
		groupvpn_member_settle(group);
		group->counters[MEMBER_REGISTRATIONS]++;
		group->failures = 0;
		group->missing = FALSE;
		group->fresh = FALSE;
	}
	else
	{
		group->counters[MEMBER_REKEYS_RECEIVED]++;
		tell_epoch(group, gsa, "in band");
	}
	groupvpn_member_enter_registered(group);
}

/**
 * Use what came from the GCKS by BGP. That goes on without a registration, too.
 */
static void use_message(groupvpn_member_group_t *group,
						const struct gv_gsa *gsa)
{
	char why[GV_TEXT_MAX + 1];
	bool registered = group->state == MEMBER_REGISTERED;

	if (!check_ciphers(group, gsa, why) || !check_tags(group, gsa, why))
	{
		DBG1(DBG_IKE, "groupvpn: group '%s': rekey by BGP not accepted: %s",
			 group->cfg->name, why);
		group->counters[MEMBER_REKEYS_REFUSED]++;
	}
	else if (group->dataplane->use(group->dataplane, gsa))
	{
		tell_epoch(group, gsa, "by BGP");
		if (registered)
		{
			groupvpn_member_enter_registered(group);
		}
	}
	else if (registered)
	{
		start_afresh(group);
	}
	else
	{
		group->fresh = TRUE;
	}
}

CALLBACK(use_deliveries, job_requeue_t,
	groupvpn_member_job_t *job)
{
	groupvpn_groups_t *groups = job->member->groups;
	delivery_t *delivery;
	groupvpn_member_group_t *group;
	struct gv_gsa gsa;

	groups->lock(groups);
	group = groups->find(groups, job->group_id);
	while (group &&
		   group->deliveries->remove_first(group->deliveries,
										   (void**)&delivery) == SUCCESS)
	{
		use_delivery(group, delivery);
		delivery_destroy(delivery);
	}
	while (group && groupvpn_member_rekey_receive(group, &gsa))
	{
		use_message(group, &gsa);
		gv_gsa_wipe(&gsa);
	}
	groups->unlock(groups);
	return JOB_REQUEUE_NONE;
}

/*
 * See header
 */
void groupvpn_member_look(groupvpn_member_group_t *group)
{
	groupvpn_member_job_t job = {
		.member = group->member,
		.group_id = group->cfg->id,
	};

	groupvpn_member_job_queue(use_deliveries, &job);
}

/*
 * See header
 */
void groupvpn_member_deliver(groupvpn_member_group_t *group,
							 const struct gv_gsa *gsa,
							 const struct gv_key_path *path,
							 ike_sa_t *registration)
{
	delivery_t *delivery;
	host_t *host;

	INIT(delivery,
		.gsa = *gsa,
	);
	gv_secret_hide(delivery, sizeof(*delivery));
	if (path)
	{
		delivery->path = *path;
	}
	if (registration)
	{
		host = registration->get_my_host(registration);
		delivery->local = host->clone(host);
		host = registration->get_other_host(registration);
		delivery->gcks = host->clone(host);
		delivery->requested = group->requested;
	}
	group->deliveries->insert_last(group->deliveries, delivery);
	groupvpn_member_look(group);
}

/*
 * See header
 */
bool groupvpn_member_get_list(groupvpn_member_group_t *group,
							  message_t *message, chunk_t *list,
							  char why[GV_TEXT_MAX + 1])
{
	enum gv_routes_error error;
	notify_payload_t *notify;
	chunk_t data;

	*list = chunk_empty;
	notify = message->get_notify(message, GROUPVPN_N_ROUTES);
	if (!group->cfg->by_keys)
	{
		return TRUE;
	}
	if (!notify)
	{
		snprintf(why, GV_TEXT_MAX + 1, "its answer has no routes, its version "
				 "can not give them with the keys: 'prefixes' is set here");
		return FALSE;
	}
	data = notify->get_notification_data(notify);
	error = gv_list_check(data.ptr, data.len);
	if (error != GV_ROUTES_OK)
	{
		snprintf(why, GV_TEXT_MAX + 1, "its list of routes can not be used: %s",
				 gv_routes_error_text(error));
		return FALSE;
	}
	*list = chunk_clone(data);
	return TRUE;
}

/*
 * See header
 */
void groupvpn_member_deliver_list(groupvpn_member_group_t *group, chunk_t list)
{
	delivery_t *delivery;

	INIT(delivery,
		.list = chunk_clone(list),
	);
	group->deliveries->insert_last(group->deliveries, delivery);
	groupvpn_member_look(group);
}
