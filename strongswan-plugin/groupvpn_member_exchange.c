/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What we initiate are tasks of the IKE_SA, or with a GSA_AUTH what charon
 * initiates itself. A request of the GCKS is answered by a task of charon's, we
 * look at it as it comes in and add to the response when that goes out.
 */

#include "groupvpn_member_exchange.h"
#include "groupvpn_carrier.h"
#include "groupvpn_member_delivery.h"
#include "groupvpn_member_group.h"
#include "groupvpn_member_job.h"
#include "groupvpn_member_rekey.h"
#include "groupvpn_payload.h"
#include "groupvpn_task.h"
#include "compat.h"

#include <daemon.h>
#include <processing/jobs/delete_ike_sa_job.h>

#include <crypto.h>

/* Message-ID that no request has: IKE_SAs do not live that long */
#define NO_REQUEST UINT32_MAX

/**
 * Private data
 */
typedef struct {

	/**
	 * Public interface
	 */
	groupvpn_member_exchange_t public;

	/**
	 * Registrations, and the messages to leave and to decline the policy
	 */
	groupvpn_exchange_t registration;
	groupvpn_exchange_t leave;
	groupvpn_exchange_t decline;

	/**
	 * The member role
	 */
	groupvpn_member_core_t *member;

	/**
	 * Unique IDs of IKE_SAs by which came a rekey that we do not accept
	 */
	linked_list_t *refused;
} private_groupvpn_member_exchange_t;

/**
 * Answer to a registration
 */
struct groupvpn_member_answer_t {
	/* what it was refused with, 0 if it was not */
	notify_type_t notify;
	/* what came, with our keys of the group's tree; if it is of no use, why */
	struct gv_gsa gsa;
	struct gv_key_path path;
	/* routes that came with it, allocated */
	chunk_t list;
	bool ok;
	char why[GV_TEXT_MAX + 1];
};

/**
 * Unique ID of an IKE_SA, as an item of a list
 */
static void *get_id(ike_sa_t *ike_sa)
{
	return (void*)(uintptr_t)ike_sa->get_unique_id(ike_sa);
}

/**
 * Add the prefixes that we claim to a message
 */
static bool add_claim(groupvpn_group_t *cfg, message_t *message)
{
	uint8_t claim[GV_CLAIM_MAX];
	size_t len;

	len = gv_claim_encode(cfg->prefixes, cfg->prefix_count, claim,
						  sizeof(claim));
	message->add_notify(message, FALSE, GROUPVPN_N_ROUTES,
						chunk_create(claim, len));
	return len > 0;
}

/**
 * Fill in a request to register
 */
static bool fill_request(groupvpn_member_group_t *group, ike_sa_t *ike_sa,
						 message_t *message)
{
	uint8_t current[GROUPVPN_CURRENT_SENDER_LEN];
	uint8_t senders[GROUPVPN_GROUP_SENDER_LEN];
	uint32_t epoch, sender_id;
	uint16_t member_id;

	if (!groupvpn_add_request(message, group->cfg,
							  groupvpn_member_rekey_wanted(group)))
	{
		return FALSE;
	}
	htoun32(senders, 1);
	message->add_notify(message, FALSE, GROUPVPN_N_GROUP_SENDER,
						chunk_from_thing(senders));
	if (group->cfg->peers)
	{
		message->add_notify(message, FALSE, GROUPVPN_N_PEERS,
							chunk_from_str(group->cfg->peers));
	}
	if (group->cfg->by_keys && !add_claim(group->cfg, message))
	{
		return FALSE;
	}
	/* they mean something to the one that gave them */
	if (!group->fresh && group->gcks == group->home &&
		group->dataplane->get_identifiers(group->dataplane,
										  ike_sa->get_my_host(ike_sa),
										  &epoch, &sender_id, &member_id))
	{
		htoun32(current, epoch);
		htoun32(current + 4, sender_id);
		htoun16(current + 8, member_id);
		message->add_notify(message, FALSE, GROUPVPN_N_CURRENT_SENDER,
							chunk_from_thing(current));
	}
	if (groupvpn_member_rekey_wanted(group))
	{
		message->add_notify(message, FALSE, GROUPVPN_N_REKEY_BY_BGP,
							chunk_empty);
	}
	group->request = message->get_message_id(message);
	group->requested = groupvpn_now();
	return TRUE;
}

METHOD(groupvpn_exchange_t, registration_request, bool,
	groupvpn_exchange_t *exchange, ike_sa_t *ike_sa, uint32_t group_id,
	message_t *message)
{
	private_groupvpn_member_exchange_t *this;
	groupvpn_groups_t *groups;
	groupvpn_member_group_t *group;
	bool ok;

	this = container_of(exchange, private_groupvpn_member_exchange_t,
						registration);
	groups = this->member->groups;
	groups->lock(groups);
	group = groupvpn_member_find(this->member, group_id,
								 ike_sa->get_unique_id(ike_sa),
								 MEMBER_REGISTERING);
	ok = group && fill_request(group, ike_sa, message);
	if (ok && group->cfg->exchange)
	{
		groupvpn_wire_set_type(message, GV_EXCHANGE_GSA_REGISTRATION);
	}
	groups->unlock(groups);
	return ok;
}

/* notifies that refuse a registration */
static const notify_type_t errors[] = {
	GROUPVPN_N_INVALID_GROUP_ID,
	GROUPVPN_N_AUTHORIZATION_FAILED,
	GROUPVPN_N_REGISTRATION_FAILED,
	NO_PROPOSAL_CHOSEN,
};

/**
 * Whether a notify refuses a registration
 */
static bool is_error(notify_type_t type)
{
	u_int i;

	for (i = 0; i < countof(errors); i++)
	{
		if (errors[i] == type)
		{
			return TRUE;
		}
	}
	return FALSE;
}

/**
 * Find an error notify in an answer, 0 if there is none
 */
static notify_type_t find_error(message_t *message)
{
	u_int i;

	for (i = 0; i < countof(errors); i++)
	{
		if (message->get_notify(message, errors[i]))
		{
			return errors[i];
		}
	}
	return 0;
}

/**
 * Get the answer to a registration, to be destroyed with destroy_answer()
 */
static groupvpn_member_answer_t *get_answer(groupvpn_member_group_t *group,
											ike_sa_t *ike_sa,
											message_t *message)
{
	groupvpn_member_answer_t *answer;

	INIT(answer,
		.notify = find_error(message),
	);
	gv_secret_hide(answer, sizeof(*answer));
	if (answer->notify)
	{
		groupvpn_get_reason(message, answer->why);
	}
	else
	{
		answer->ok = groupvpn_member_get_answer(group, ike_sa, message,
												&answer->path, &answer->gsa,
												answer->why) &&
					 groupvpn_member_get_list(group, message, &answer->list,
											  answer->why);
	}
	return answer;
}

/**
 * Wipe and free an answer
 */
static void destroy_answer(groupvpn_member_answer_t *answer)
{
	if (answer)
	{
		gv_path_wipe(&answer->path);
		gv_gsa_wipe(&answer->gsa);
		free(answer->list.ptr);
		free(answer);
	}
}

/*
 * See header
 */
void groupvpn_member_clear_answer(groupvpn_member_group_t *group)
{
	destroy_answer(group->answer);
	group->answer = NULL;
	group->asked = FALSE;
}

/**
 * Do what the answer to a registration says, and destroy it
 */
static void use_answer(groupvpn_member_group_t *group, ike_sa_t *ike_sa,
					   groupvpn_member_answer_t *answer)
{
	groupvpn_member_exchange_t *exchange = group->member->exchange;

	if (answer->notify)
	{
		groupvpn_member_refused(group, answer->notify, answer->why);
	}
	else if (!answer->ok)
	{
		exchange->leave(exchange, group, group->ike_sa,
						NO_PROPOSAL_CHOSEN);
		groupvpn_member_fail(group, TRUE, answer->why);
	}
	else
	{
		groupvpn_member_hints_confirm(&group->hints);
		groupvpn_member_enter(group, MEMBER_REGISTERED,
							  GROUPVPN_REGISTER_TIMEOUT * 1000);
		groupvpn_member_deliver(group, &answer->gsa, &answer->path, ike_sa);
		if (answer->list.len)
		{
			groupvpn_member_deliver_list(group, answer->list);
		}
	}
	destroy_answer(answer);
}

METHOD(groupvpn_exchange_t, registration_response, void,
	groupvpn_exchange_t *exchange, ike_sa_t *ike_sa, uint32_t group_id,
	message_t *message)
{
	private_groupvpn_member_exchange_t *this;
	groupvpn_groups_t *groups;
	groupvpn_member_group_t *group;

	this = container_of(exchange, private_groupvpn_member_exchange_t,
						registration);
	groups = this->member->groups;
	groups->lock(groups);
	group = groupvpn_member_find(this->member, group_id,
								 ike_sa->get_unique_id(ike_sa),
								 MEMBER_REGISTERING);
	if (group && group->request == message->get_message_id(message))
	{
		use_answer(group, ike_sa, get_answer(group, ike_sa, message));
	}
	groups->unlock(groups);
}

/**
 * Fill in a request to leave a group: IDg and an error notify (RFC 9838, 2.3.2)
 */
static bool fill_leave(uint32_t group_id, message_t *message,
					   notify_type_t notify)
{
	if (!groupvpn_add_idg(message, group_id))
	{
		return FALSE;
	}
	message->add_notify(message, FALSE, notify, chunk_empty);
	return TRUE;
}

METHOD(groupvpn_exchange_t, leave_request, bool,
	groupvpn_exchange_t *exchange, ike_sa_t *ike_sa, uint32_t group_id,
	message_t *message)
{
	return fill_leave(group_id, message, GROUPVPN_N_REGISTRATION_FAILED);
}

METHOD(groupvpn_exchange_t, decline_request, bool,
	groupvpn_exchange_t *exchange, ike_sa_t *ike_sa, uint32_t group_id,
	message_t *message)
{
	return fill_leave(group_id, message, NO_PROPOSAL_CHOSEN);
}

/**
 * The GCKS knows that we have left a group: close an IKE_SA that is of no use
 * anymore
 */
static void left(private_groupvpn_member_exchange_t *this, ike_sa_t *ike_sa)
{
	groupvpn_groups_t *groups = this->member->groups;
	enumerator_t *enumerator;
	groupvpn_member_group_t *group;
	bool used = ike_sa->get_child_count(ike_sa) > 0;

	groups->lock(groups);
	enumerator = groups->create_enumerator(groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		used |= group->ike_sa == ike_sa->get_unique_id(ike_sa) ||
				group->home_ike_sa == ike_sa->get_unique_id(ike_sa);
	}
	enumerator->destroy(enumerator);
	groups->unlock(groups);
	if (!used)
	{
		lib->processor->queue_job(lib->processor,
			(job_t*)delete_ike_sa_job_create(ike_sa->get_id(ike_sa), TRUE));
	}
}

METHOD(groupvpn_exchange_t, leave_response, void,
	groupvpn_exchange_t *exchange, ike_sa_t *ike_sa, uint32_t group_id,
	message_t *message)
{
	left(container_of(exchange, private_groupvpn_member_exchange_t, leave),
		 ike_sa);
}

METHOD(groupvpn_exchange_t, decline_response, void,
	groupvpn_exchange_t *exchange, ike_sa_t *ike_sa, uint32_t group_id,
	message_t *message)
{
	left(container_of(exchange, private_groupvpn_member_exchange_t, decline),
		 ike_sa);
}

CALLBACK(leave_group, job_requeue_t,
	groupvpn_member_job_t *job)
{
	private_groupvpn_member_exchange_t *this;
	ike_sa_t *ike_sa;

	this = (private_groupvpn_member_exchange_t*)job->member->exchange;
	ike_sa = charon->ike_sa_manager->checkout_by_id(charon->ike_sa_manager,
													job->ike_sa);
	if (ike_sa)
	{
		groupvpn_task_start(ike_sa, job->notify == NO_PROPOSAL_CHOSEN
							? &this->decline : &this->leave, job->group_id);
	}
	return JOB_REQUEUE_NONE;
}

/**
 * Receive an in-band rekey; FALSE if it can not be used
 */
static bool receive_rekey(private_groupvpn_member_exchange_t *this,
						  ike_sa_t *ike_sa, message_t *message)
{
	groupvpn_groups_t *groups = this->member->groups;
	char why[GV_TEXT_MAX + 1] = "";
	struct gv_gsa gsa = {};
	groupvpn_member_group_t *group = NULL;
	bool ok = FALSE;

	if (groupvpn_get_gsa(message, ike_sa, NULL, &gsa) == GV_GIKEV2_OK)
	{
		groups->lock(groups);
		group = groupvpn_member_find(this->member, gsa.group_id,
									 ike_sa->get_unique_id(ike_sa),
									 MEMBER_REGISTERED);
		ok = group && !gsa.sender_id &&
			 groupvpn_member_get_gsa(group, ike_sa, message, NULL, &gsa, why);
		if (ok)
		{
			groupvpn_member_deliver(group, &gsa, NULL, NULL);
		}
		else if (group)
		{
			group->counters[MEMBER_REKEYS_REFUSED]++;
		}
		groups->unlock(groups);
	}
	if (!ok)
	{
		DBG1(DBG_IKE, "groupvpn: rekey from %H ('%Y') not accepted: %s",
			 ike_sa->get_other_host(ike_sa), ike_sa->get_other_id(ike_sa),
			 *why ? why : "it is not of our GCKS, or not valid");
	}
	gv_gsa_wipe(&gsa);
	return ok;
}

/**
 * Receive a list of routes; FALSE if it can not be used
 */
static bool receive_list(private_groupvpn_member_exchange_t *this,
						 ike_sa_t *ike_sa, message_t *message, chunk_t idg)
{
	groupvpn_groups_t *groups = this->member->groups;
	char why[GV_TEXT_MAX + 1] = "it is not of our GCKS";
	groupvpn_member_group_t *group;
	chunk_t list = chunk_empty;
	uint32_t group_id;
	bool ok = FALSE;

	if (gv_idg_decode(idg.ptr, idg.len, &group_id) == GV_GIKEV2_OK)
	{
		groups->lock(groups);
		group = groupvpn_member_find(this->member, group_id,
									 ike_sa->get_unique_id(ike_sa),
									 MEMBER_REGISTERED);
		if (group && groupvpn_member_get_list(group, message, &list, why))
		{
			if (list.len)
			{
				groupvpn_member_deliver_list(group, list);
			}
			ok = TRUE;
		}
		else if (group)
		{
			group->counters[MEMBER_LISTS_REFUSED]++;
		}
		groups->unlock(groups);
		free(list.ptr);
	}
	if (!ok)
	{
		DBG1(DBG_IKE, "groupvpn: routes from %H ('%Y') not accepted: %s",
			 ike_sa->get_other_host(ike_sa), ike_sa->get_other_id(ike_sa), why);
	}
	return ok;
}

CALLBACK(end_membership, job_requeue_t,
	groupvpn_member_job_t *job)
{
	groupvpn_groups_t *groups = job->member->groups;
	groupvpn_member_group_t *group;

	groups->lock(groups);
	group = groupvpn_member_job_find(job, MEMBER_REGISTERED);
	if (group && group->ike_sa == job->ike_sa)
	{
		group->counters[MEMBER_DISMISSED]++;
		groupvpn_member_refused(group, job->notify, job->why);
	}
	groups->unlock(groups);
	return JOB_REQUEUE_NONE;
}

/**
 * Receive a dismissal: IDg, and the notify that we would get if we registered
 */
static void receive_dismissal(private_groupvpn_member_exchange_t *this,
							  ike_sa_t *ike_sa, message_t *message,
							  chunk_t idg)
{
	groupvpn_member_job_t job = {
		.member = this->member,
		.ike_sa = ike_sa->get_unique_id(ike_sa),
		.notify = find_error(message),
	};

	groupvpn_get_reason(message, job.why);
	if ((job.notify == GROUPVPN_N_INVALID_GROUP_ID ||
		 job.notify == GROUPVPN_N_AUTHORIZATION_FAILED) &&
		gv_idg_decode(idg.ptr, idg.len, &job.group_id) == GV_GIKEV2_OK)
	{
		groupvpn_member_job_queue(end_membership, &job);
	}
}

METHOD(groupvpn_member_exchange_t, queue, void,
	private_groupvpn_member_exchange_t *this, ike_sa_t *ike_sa,
	groupvpn_member_group_t *group)
{
	group->request = NO_REQUEST;
	ike_sa->queue_task(ike_sa,
					   groupvpn_task_create(ike_sa, &this->registration,
											group->cfg->id));
}

METHOD(groupvpn_member_exchange_t, leave, void,
	private_groupvpn_member_exchange_t *this, groupvpn_member_group_t *group,
	uint32_t ike_sa, notify_type_t notify)
{
	groupvpn_member_job_t job = {
		.member = this->member,
		.group_id = group->cfg->id,
		.ike_sa = ike_sa,
		.notify = notify,
	};

	groupvpn_member_job_queue(leave_group, &job);
}

/**
 * Find a group that an IKE_SA is being authenticated for, and which wants to
 * register with that or, if it has to be so, has asked to. With certificates and
 * routes a message could be longer than what charon takes (max_packet), so one
 * that has routes with the keys registers after it.
 */
static groupvpn_member_group_t *find_for_auth(
									private_groupvpn_member_exchange_t *this,
									ike_sa_t *ike_sa, bool asked)
{
	groupvpn_groups_t *groups = this->member->groups;
	enumerator_t *enumerator;
	groupvpn_member_group_t *group, *found = NULL;

	enumerator = groups->create_enumerator(groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		if (group->state == MEMBER_CONNECTING && group->cfg->exchange &&
			!group->cfg->by_keys &&
			group->ike_sa == ike_sa->get_unique_id(ike_sa) &&
			(group->asked || !asked))
		{
			found = group;
			break;
		}
	}
	enumerator->destroy(enumerator);
	return found;
}

METHOD(groupvpn_member_exchange_t, auth_request, void,
	private_groupvpn_member_exchange_t *this, ike_sa_t *ike_sa,
	message_t *message)
{
	groupvpn_groups_t *groups = this->member->groups;
	groupvpn_member_group_t *group;

	groups->lock(groups);
	group = groupvpn_carrier_can(ike_sa) ? find_for_auth(this, ike_sa, FALSE)
										 : NULL;
	if (group)
	{
		groupvpn_wire_set_type(message, GV_EXCHANGE_GSA_AUTH);
		/* only the first request of several has that payload */
		if (message->get_payload(message, PLV2_ID_INITIATOR))
		{
			group->asked = fill_request(group, ike_sa, message);
		}
	}
	groups->unlock(groups);
}

/**
 * Remove the notifies that refuse a registration, which charon would take for
 * a failure of the authentication
 */
static void remove_errors(message_t *message)
{
	enumerator_t *enumerator;
	payload_t *payload;

	enumerator = message->create_payload_enumerator(message);
	while (enumerator->enumerate(enumerator, &payload))
	{
		if (payload->get_type(payload) == PLV2_NOTIFY &&
			is_error(((notify_payload_t*)payload)->get_notify_type(
												(notify_payload_t*)payload)))
		{
			message->remove_payload_at(message, enumerator);
			payload->destroy(payload);
		}
	}
	enumerator->destroy(enumerator);
}

METHOD(groupvpn_member_exchange_t, auth_response, void,
	private_groupvpn_member_exchange_t *this, ike_sa_t *ike_sa,
	message_t *message)
{
	groupvpn_groups_t *groups = this->member->groups;
	groupvpn_member_group_t *group;
	chunk_t gsa;

	groups->lock(groups);
	group = find_for_auth(this, ike_sa, TRUE);
	if (group && (find_error(message) ||
				  groupvpn_payload_find(message, GV_PAYLOAD_GSA, &gsa)))
	{
		destroy_answer(group->answer);
		group->answer = get_answer(group, ike_sa, message);
		remove_errors(message);
	}
	groups->unlock(groups);
}

METHOD(groupvpn_member_exchange_t, auth_done, bool,
	private_groupvpn_member_exchange_t *this, ike_sa_t *ike_sa,
	groupvpn_member_group_t *group)
{
	groupvpn_member_answer_t *answer = group->answer;

	if (!answer || (!answer->notify && !answer->ok))
	{	/* the answer to a GSA_REGISTRATION will tell why, if there is a reason
		 * and not just another SK_d than that before the authentication */
		return FALSE;
	}
	group->answer = NULL;
	use_answer(group, ike_sa, answer);
	return TRUE;
}

METHOD(groupvpn_member_exchange_t, request, void,
	private_groupvpn_member_exchange_t *this, ike_sa_t *ike_sa,
	message_t *message, uint8_t type)
{
	groupvpn_groups_t *groups = this->member->groups;
	chunk_t gsa, idg;
	bool rekey, about, list, ok = TRUE;

	rekey = groupvpn_payload_find(message, GV_PAYLOAD_GSA, &gsa);
	about = groupvpn_payload_find(message, GV_PAYLOAD_IDG, &idg);
	/* with this one it is a member that registers */
	list = about && message->get_notify(message, GROUPVPN_N_ROUTES) &&
		   !message->get_notify(message, GROUPVPN_N_GROUP_SENDER);
	/* a GSA_INBAND_REKEY has to be one of the three */
	if (rekey || (type == GV_EXCHANGE_GSA_INBAND_REKEY && !about))
	{
		ok = receive_rekey(this, ike_sa, message);
	}
	else if (list)
	{
		ok = receive_list(this, ike_sa, message, idg);
	}
	if (!ok)
	{
		groups->lock(groups);
		this->refused->insert_last(this->refused, get_id(ike_sa));
		groups->unlock(groups);
	}
	if (about && !list)
	{
		receive_dismissal(this, ike_sa, message, idg);
	}
}

METHOD(groupvpn_member_exchange_t, response, void,
	private_groupvpn_member_exchange_t *this, ike_sa_t *ike_sa,
	message_t *message)
{
	groupvpn_groups_t *groups = this->member->groups;

	groups->lock(groups);
	if (this->refused->remove(this->refused, get_id(ike_sa), NULL))
	{
		message->disable_sort(message);
		message->add_notify(message, FALSE, GROUPVPN_N_REGISTRATION_FAILED,
							chunk_empty);
	}
	groups->unlock(groups);
}

METHOD(groupvpn_member_exchange_t, forget, void,
	private_groupvpn_member_exchange_t *this, ike_sa_t *ike_sa)
{
	groupvpn_groups_t *groups = this->member->groups;

	groups->lock(groups);
	this->refused->remove(this->refused, get_id(ike_sa), NULL);
	groups->unlock(groups);
}

METHOD(groupvpn_member_exchange_t, destroy, void,
	private_groupvpn_member_exchange_t *this)
{
	this->refused->destroy(this->refused);
	free(this);
}

/*
 * See header
 */
groupvpn_member_exchange_t *groupvpn_member_exchange_create(
											groupvpn_member_core_t *member)
{
	private_groupvpn_member_exchange_t *this;

	INIT(this,
		.public = {
			.queue = _queue,
			.leave = _leave,
			.auth_request = _auth_request,
			.auth_response = _auth_response,
			.auth_done = _auth_done,
			.request = _request,
			.response = _response,
			.forget = _forget,
			.destroy = _destroy,
		},
		.registration = {
			.request = _registration_request,
			.response = _registration_response,
		},
		.leave = {
			.type = GV_EXCHANGE_GSA_REGISTRATION,
			.request = _leave_request,
			.response = _leave_response,
		},
		.decline = {
			.type = GV_EXCHANGE_GSA_REGISTRATION,
			.request = _decline_request,
			.response = _decline_response,
		},
		.member = member,
		.refused = linked_list_create(),
	);
	return &this->public;
}
