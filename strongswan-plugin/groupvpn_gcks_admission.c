/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A registration comes in a request that charon has its own task answer: it is
 * noted when it comes in, and the answer added to the response when that goes
 * out. Both happen in one thread, which has the IKE_SA checked out and must not
 * wait for another one.
 */

#include "groupvpn_gcks_admission.h"
#include "groupvpn_gcks_channel.h"
#include "groupvpn_carrier.h"
#include "groupvpn_gate.h"
#include "groupvpn_gcks_group.h"
#include "groupvpn_gcks_persist.h"
#include "groupvpn_gcks_policy.h"
#include "groupvpn_gcks_prefixes.h"
#include "groupvpn_gcks_recheck.h"
#include "groupvpn_gcks_tell.h"
#include "groupvpn_payload.h"
#include "compat.h"

#include <daemon.h>
#include <collections/hashtable.h>

#include <sag.h>

/* new Sender-IDs that a member may get at once, and time after which it may get
 * one more, in milliseconds: each makes work for all other members */
#define SENDER_IDS 5
#define SENDER_ID_INTERVAL 5000

/**
 * Private data
 */
typedef struct {

	/**
	 * Public interface
	 */
	groupvpn_gcks_admission_t public;

	/**
	 * The GCKS
	 */
	groupvpn_gcks_core_t *gcks;

	/**
	 * Requests that wait for their response, unique ID of the IKE_SA =>
	 * request_t
	 */
	hashtable_t *requests;
} private_groupvpn_gcks_admission_t;

/**
 * A registration request
 */
typedef struct {
	/* its IDg payload is valid */
	bool valid;
	uint32_t group_id;
	/* what the member leaves with, 0 if it wants to register */
	notify_type_t notify;
	/* its GROUP_SENDER notify is valid */
	bool sender;
	/* body of the SAg payload, empty if there is none */
	chunk_t sag;
	/* epoch and identifiers that the member says it holds, 0 if none */
	uint32_t epoch;
	uint32_t sender_id;
	uint16_t member_id;
	/* the members that it names, empty for all; whether they are not valid */
	char peers[GV_PEERS_MAX + 1];
	bool bad_peers;
	/* it has no bgpd; what it claims, and what is wrong with that */
	bool by_keys;
	struct gv_prefix prefixes[GV_PREFIXES_MAX];
	size_t prefix_count;
	enum gv_routes_error bad_claim;
	/* list of the others, for the answer; allocated */
	chunk_t list;
	/* its bgpd brings it GSA_REKEY messages */
	bool by_bgp;
	/* its keys of the group's tree, for the answer */
	struct gv_key_path path;
	/* ticket of the store that the answer waits for, 0 if for nothing */
	uint64_t ticket;
	/* the member is not admitted because it was evicted, or because policy
	 * could not be asked */
	bool evicted;
	/* why it is not admitted is no secret to it */
	bool told;
	bool undecided;
} request_t;

/**
 * Parse the list of members that a member names
 */
static bool parse_peers(chunk_t data, char peers[GV_PEERS_MAX + 1])
{
	size_t i;

	if (!data.len || data.len > GV_PEERS_MAX)
	{
		return FALSE;
	}
	for (i = 0; i < data.len; i++)
	{
		if (data.ptr[i] < ' ' || data.ptr[i] == 0x7f)
		{
			return FALSE;
		}
	}
	memcpy(peers, data.ptr, data.len);
	return TRUE;
}

/**
 * Free a request, if there is one
 */
static void request_destroy(request_t *request)
{
	if (request)
	{
		free(request->sag.ptr);
		free(request->list.ptr);
		free(request);
	}
}

/**
 * Allot a Sender-ID, in a new epoch if all are used up
 */
static bool allot_sender_id(groupvpn_gcks_group_t *group,
							groupvpn_registration_t *registration,
							request_t *request)
{
	groupvpn_registrations_t *registrations = group->registrations;

	if (registrations->allot(registrations, registration, request->sender_id))
	{
		return TRUE;
	}
	if (!groupvpn_gcks_group_roll(group, "Sender-IDs are used up"))
	{
		return FALSE;
	}
	registrations->restart(registrations);
	group->first_epoch = group->sas->newest(group->sas)->sa.epoch;
	group->reserved = 0;
	group->unsaved = TRUE;
	if (group->channel)
	{
		group->channel->renew(group->channel);
	}
	return registrations->allot(registrations, registration,
								request->sender_id);
}

/**
 * Give a registration its Sender-ID: the one the member holds if that is its
 * own, or else another one
 *
 * @param why			receives the reason if it gets none
 */
static bool give_sender_id(groupvpn_gcks_group_t *group,
						   groupvpn_registration_t *registration,
						   request_t *request, char why[GV_TEXT_MAX + 1])
{
	uint64_t now = groupvpn_now();

	if (request->sender_id && request->sender_id == registration->sender_id)
	{
		return TRUE;
	}
	if (groupvpn_share_due(&registration->sender_ids, SENDER_IDS,
						   SENDER_ID_INTERVAL) > now)
	{
		snprintf(why, GV_TEXT_MAX + 1, "it wants new Sender-IDs too often, "
				 "more than one each %d s", SENDER_ID_INTERVAL / 1000);
		return FALSE;
	}
	if (!allot_sender_id(group, registration, request))
	{
		snprintf(why, GV_TEXT_MAX + 1, "the group has no Sender-ID left");
		return FALSE;
	}
	groupvpn_share_use(&registration->sender_ids, now, SENDER_IDS,
					   SENDER_ID_INTERVAL);
	return TRUE;
}

/**
 * Whether a member says that it has what this GCKS has not given according to
 * its store: a newer epoch, or a Sender-ID beyond those that were given
 */
static bool is_ahead(groupvpn_gcks_group_t *group,
					 identification_t *identity, request_t *request)
{
	groupvpn_registrations_t *registrations = group->registrations;
	groupvpn_registration_t *registration;

	if (request->epoch > group->sas->newest(group->sas)->sa.epoch)
	{
		return TRUE;
	}
	if (request->sender_id <= group->reserved ||
		!group->sas->find(group->sas, request->epoch))
	{
		return FALSE;
	}
	/* it may have its own from before the count began again */
	registration = registrations->find_identity(registrations, identity);
	return !registration ||
		   request->sender_id > registration->last_sender_id;
}

/**
 * Begin a new epoch if a member comes with an epoch or a Sender-ID that the
 * store does not know: then an older store was brought back, and identifiers
 * that were given since could be given again in the epochs that it has.
 */
static bool check_age(groupvpn_gcks_group_t *group,
					  identification_t *identity, request_t *request)
{
	uint32_t first_epoch = group->first_epoch;
	uint32_t newest = group->sas->newest(group->sas)->sa.epoch;

	if (!group->loaded || !is_ahead(group, identity, request))
	{
		return TRUE;
	}
	DBG1(DBG_IKE, "groupvpn: group '%s': a member has epoch %u and Sender-ID "
		 "%u, the store only %u and %u: it is not the one of the last run",
		 group->cfg->name, request->epoch, request->sender_id, newest,
		 group->reserved);
	group->first_epoch = newest + 1;
	if (group->kek)
	{	/* its messages would be taken for replays */
		group->kek->distrust(group->kek);
	}
	if (groupvpn_gcks_group_roll(group, "store is an older one"))
	{	/* that was all of it; nobody can have us do it again */
		group->loaded = FALSE;
		return TRUE;
	}
	group->first_epoch = first_epoch;
	return FALSE;
}

/**
 * Whether the peer of an IKE_SA can be a gateway of a group: packets go to and
 * from its address without UDP, and only its own
 *
 * @param why			receives the reason if it can not
 */
static bool check_gateway(groupvpn_gcks_group_t *group, ike_sa_t *ike_sa,
						  identification_t *identity,
						  char why[GV_TEXT_MAX + 1])
{
	groupvpn_registration_t *registration;
	host_t *gateway = ike_sa->get_other_host(ike_sa);
	int family = groupvpn_encap_family(group->cfg->encap);

	if (gateway->get_family(gateway) != family)
	{
		snprintf(why, GV_TEXT_MAX + 1, "its gateway is %H, the group's are %s: "
				 "see 'encap', or have it come by %s", gateway,
				 groupvpn_family_name(family), groupvpn_family_name(family));
		return FALSE;
	}
	if (family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(
					(struct in6_addr*)gateway->get_address(gateway).ptr))
	{
		snprintf(why, GV_TEXT_MAX + 1, "its gateway %H is link-local, others "
				 "could not reach it", gateway);
		return FALSE;
	}
	if (ike_sa->has_condition(ike_sa, COND_NAT_THERE))
	{
		snprintf(why, GV_TEXT_MAX + 1, "it is behind a NAT, or has encap = "
				 "yes; between gateways there is ESP without UDP");
		return FALSE;
	}
	registration = group->registrations->find_gateway(group->registrations,
													  gateway);
	if (registration && !identity->equals(identity, registration->identity))
	{
		snprintf(why, GV_TEXT_MAX + 1, "its gateway is that of member %u "
				 "'%Y', which is still registered", registration->member_id,
				 registration->identity);
		return FALSE;
	}
	return TRUE;
}

/**
 * Whether one who registers is a new member to the group's newest epoch: it was
 * not there when that began
 */
static bool is_added(groupvpn_gcks_group_t *group,
					 groupvpn_registration_t *registration)
{
	return !registration->ike_sa &&
		   registration->until < group->sas->newest(group->sas)->since;
}

/**
 * Note that a member is registered, and tell
 */
static void enter(groupvpn_gcks_group_t *group,
				  groupvpn_registration_t *registration, ike_sa_t *ike_sa,
				  groupvpn_authorization_t *authorization, request_t *request)
{
	groupvpn_registrations_t *registrations = group->registrations;
	host_t *gateway = ike_sa->get_other_host(ike_sa);
	host_t *me = ike_sa->get_my_host(ike_sa);
	bool added = is_added(group, registration), renamed;

	DESTROY_IF(registration->certificate);
	registration->certificate = authorization->certificate;
	if (registration->certificate)
	{
		registration->certificate->get_ref(registration->certificate);
	}
	registration->returned |= registration->awaited;
	registration->awaited = FALSE;
	registration->remembered = FALSE;
	registration->direction = authorization->decision.direction;
	renamed = !streq(registration->label, authorization->decision.label) ||
			  !streq(registration->peers ?: "", request->peers);
	memcpy(registration->label, authorization->decision.label,
		   sizeof(registration->label));
	free(registration->peers);
	registration->peers = *request->peers ? strdup(request->peers) : NULL;
	if (registration->gateway &&
		!gateway->ip_equals(gateway, registration->gateway))
	{
		DBG1(DBG_IKE, "groupvpn: group '%s': '%Y' moves from %H to %H",
			 group->cfg->name, registration->identity, registration->gateway,
			 gateway);
	}
	if (!registration->ike_sa)
	{
		registration->since = groupvpn_now();
	}
	registrations->set(registrations, registration,
					   ike_sa->get_unique_id(ike_sa), ike_sa->get_id(ike_sa),
					   gateway);
	group->counters[GCKS_REGISTRATIONS]++;
	DBG1(DBG_IKE, "groupvpn: group '%s': '%Y' at %H registered as member %u "
		 "with Sender-ID %u, epoch %u", group->cfg->name,
		 registration->identity, registration->gateway,
		 registration->member_id, registration->sender_id,
		 group->sas->newest(group->sas)->sa.epoch);

	if (!group->cfg->address &&
		(!group->address || !me->ip_equals(me, group->address)))
	{	/* members know us by the address that this one used */
		DESTROY_IF(group->address);
		group->address = me->clone(me);
		groupvpn_gcks_tell_group(group);
	}
	groupvpn_gcks_prefixes_register(group, registration, request->by_keys,
									request->prefixes, request->prefix_count);
	if (renamed)
	{
		groupvpn_gcks_prefixes_rename(group, registration);
	}
	groupvpn_gcks_tell_member(group, registration);
	if (group->channel)
	{
		group->channel->add(group->channel, registration);
	}
	if (added && group->cfg->rekey_on_add)
	{
		if (group->kek)
		{
			group->kek->distrust(group->kek);
		}
		groupvpn_gcks_group_batch(group, registration, "member added");
	}
}

/**
 * Whether there is room for one more member, or the identity has its place
 *
 * @param why			receives the reason if not
 */
static bool check_number(groupvpn_gcks_group_t *group,
						 identification_t *identity, char why[GV_TEXT_MAX + 1])
{
	groupvpn_registrations_t *registrations = group->registrations;
	groupvpn_registration_t *registration;
	u_int count = registrations->get_count(registrations);

	registration = registrations->find_identity(registrations, identity);
	if (!group->cfg->max_members || count < group->cfg->max_members ||
		(registration && registration->ike_sa))
	{
		return TRUE;
	}
	snprintf(why, GV_TEXT_MAX + 1, "the group has %u members, max_members = %u",
			 count, group->cfg->max_members);
	return FALSE;
}

/**
 * Put a member into the key tree; FALSE if it can not be there, or not yet, and
 * gets new keys in band.
 *
 * If policy wants new keys for one who is added it must not learn the KEK that
 * is in use: whoever has that can open earlier messages, and their data keys.
 * It asks again when it hears those of the next KEK. Nor does it learn keys of
 * the tree that led to earlier KEKs.
 */
static bool join_tree(groupvpn_gcks_group_t *group,
					  groupvpn_registration_t *registration)
{
	groupvpn_kek_t *kek = group->kek;
	bool has = kek && kek->has(kek, registration->member_id);

	if (!kek || has || !group->cfg->rekey_on_add)
	{
		return kek && kek->add(kek, registration->member_id);
	}
	if (group->batch_why || is_added(group, registration) ||
		!kek->add(kek, registration->member_id))
	{
		return FALSE;
	}
	kek->refresh(kek, registration->member_id);
	return TRUE;
}

/**
 * Whether a member can do the policy of a group, as far as it says what it can
 *
 * @param why			receives the reason if it can not
 * @return				notify to refuse the request with, 0 if none
 */
static notify_type_t check_sag(groupvpn_gcks_group_t *group,
							   request_t *request, char why[GV_TEXT_MAX + 1])
{
	char can[GV_TEXT_MAX + 1 - 64];

	if (!request->sag.len)
	{
		return 0;
	}
	switch (gv_sag_check(request->sag.ptr, request->sag.len, &group->cfg->esp,
						 group->cfg->sa_mode))
	{
		case GV_SAG_OK:
			return 0;
		case GV_SAG_NO_MATCH:
			gv_sag_describe(request->sag.ptr, request->sag.len, can,
							sizeof(can));
			snprintf(why, GV_TEXT_MAX + 1, "it can not do the group's cipher, "
					 "only %s", can);
			return NO_PROPOSAL_CHOSEN;
		default:
			snprintf(why, GV_TEXT_MAX + 1, "malformed SAg payload");
			return GROUPVPN_N_REGISTRATION_FAILED;
	}
}

/**
 * Compose what one who registers gets, and store what the group has to know of
 * it before that
 *
 * @param why			receives the reason if that is not possible
 */
static bool prepare(groupvpn_gcks_group_t *group,
					groupvpn_registration_t *registration, ike_sa_t *ike_sa,
					request_t *request, groupvpn_authorization_t *authorization,
					struct gv_gsa *gsa, char why[GV_TEXT_MAX + 1])
{
	groupvpn_gcks_recheck_t *recheck = group->gcks->recheck;

	groupvpn_gcks_group_compose(group, gsa);
	if (!gsa->epochs)
	{
		snprintf(why, GV_TEXT_MAX + 1, "the group's keys have expired");
		return FALSE;
	}
	if (recheck->note(recheck, registration, ike_sa) ||
		registration->class != authorization->class)
	{
		registration->class = authorization->class;
		registration->stored = FALSE;
	}
	request->by_bgp = request->by_bgp && join_tree(group, registration);
	if (!groupvpn_gcks_save_registration(group, registration))
	{
		snprintf(why, GV_TEXT_MAX + 1, "its identifiers can not be stored, see "
				 "above");
		return FALSE;
	}
	return TRUE;
}

/**
 * Register the peer of an IKE_SA with a group, and compose what it gets
 *
 * @param why			receives the reason of a refusal
 * @return				notify to refuse the request with, 0 if none
 */
static notify_type_t admit(groupvpn_gcks_group_t *group, ike_sa_t *ike_sa,
						   request_t *request, struct gv_gsa *gsa,
						   char why[GV_TEXT_MAX + 1])
{
	groupvpn_gcks_recheck_t *recheck = group->gcks->recheck;
	groupvpn_registration_t *registration;
	groupvpn_authorization_t authorization;
	identification_t *identity;
	notify_type_t notify;
	uint32_t before;

	request->told = recheck->is_void(recheck, ike_sa, why);
	if (request->told)
	{
		return GROUPVPN_N_AUTHORIZATION_FAILED;
	}
	if (!groupvpn_gcks_authorize(group, ike_sa, &authorization))
	{
		request->evicted = authorization.evicted;
		request->told = authorization.evicted;
		request->undecided =
						authorization.decision.verdict == GROUPVPN_UNDECIDED;
		snprintf(why, GV_TEXT_MAX + 1, "%s", authorization.decision.why);
		return request->undecided
			   ? GROUPVPN_N_REGISTRATION_FAILED
			   : GROUPVPN_N_AUTHORIZATION_FAILED;
	}
	notify = check_sag(group, request, why);
	if (notify)
	{
		return notify;
	}
	identity = authorization.identity;
	if (!check_gateway(group, ike_sa, identity, why) ||
		!check_number(group, identity, why))
	{
		return GROUPVPN_N_REGISTRATION_FAILED;
	}
	if (!groupvpn_gcks_prefixes_allowed(group, identity,
										ike_sa->get_other_host(ike_sa),
										request->prefixes,
										request->prefix_count, why))
	{
		request->told = TRUE;
		return GROUPVPN_N_REGISTRATION_FAILED;
	}
	if (!group->sas->newest(group->sas))
	{
		snprintf(why, GV_TEXT_MAX + 1, "the group has no keys");
		return GROUPVPN_N_REGISTRATION_FAILED;
	}
	if (!check_age(group, identity, request))
	{
		snprintf(why, GV_TEXT_MAX + 1, "the group gets no new keys, see above");
		return GROUPVPN_N_REGISTRATION_FAILED;
	}
	registration = group->registrations->get(group->registrations, identity,
											 request->member_id);
	if (!registration)
	{
		snprintf(why, GV_TEXT_MAX + 1, "the group has no member-ID left");
		return GROUPVPN_N_REGISTRATION_FAILED;
	}
	before = registration->sender_id;
	if (!give_sender_id(group, registration, request, why))
	{
		return GROUPVPN_N_REGISTRATION_FAILED;
	}
	if (!prepare(group, registration, ike_sa, request, &authorization, gsa,
				 why))
	{	/* what it was given before is its own, also while it is away */
		registration->sender_id = before;
		return GROUPVPN_N_REGISTRATION_FAILED;
	}
	enter(group, registration, ike_sa, &authorization, request);
	if (request->by_keys)
	{
		request->list = groupvpn_gcks_prefixes_answer(group, registration);
	}
	registration->by_bgp = request->by_bgp;
	if (request->by_bgp)
	{
		group->kek->export(group->kek, registration->member_id, gsa,
						   &request->path);
	}
	request->ticket = registration->ticket;
	gsa->member_id = registration->member_id;
	gsa->sender_id = registration->sender_id;
	gsa->direction = registration->direction;
	return 0;
}

/**
 * Count a refused registration, and tell of it
 */
static void refuse(groupvpn_gcks_core_t *gcks, groupvpn_gcks_group_t *group,
				   ike_sa_t *ike_sa, request_t *request, notify_type_t notify,
				   char *why)
{
	uint64_t *counters = group ? group->counters : gcks->counters;

	switch ((int)notify)
	{
		case GV_N_INVALID_GROUP_ID:
			counters[GCKS_REFUSED_UNKNOWN_GROUP]++;
			break;
		case GV_N_AUTHORIZATION_FAILED:
			counters[request->evicted ? GCKS_REFUSED_EVICTED
									  : GCKS_REFUSED_NOT_AUTHORIZED]++;
			break;
		default:
			counters[GCKS_REFUSED_OTHER]++;
			break;
	}
	groupvpn_gcks_tell_refusal(gcks, group, request->group_id, ike_sa, notify,
							   why);
}

/**
 * Do what a request to register asks for
 *
 * @param gsa			receives what the member gets
 * @param why			receives the reason of a refusal
 * @return				notify to refuse the request with, 0 if none
 */
static notify_type_t do_register(private_groupvpn_gcks_admission_t *this,
								 ike_sa_t *ike_sa, request_t *request,
								 struct gv_gsa *gsa, char why[GV_TEXT_MAX + 1])
{
	groupvpn_groups_t *groups = this->gcks->groups;
	groupvpn_gcks_group_t *group;

	if (!request->valid || !request->sender || request->bad_peers)
	{
		snprintf(why, GV_TEXT_MAX + 1, "%s",
				 !request->valid ? "malformed IDg payload" :
				 !request->sender ? "no GROUP_SENDER notify that asks for one "
				 "Sender-ID" : "malformed list of members");
		return GROUPVPN_N_REGISTRATION_FAILED;
	}
	if (request->bad_claim)
	{
		snprintf(why, GV_TEXT_MAX + 1, "its claim of prefixes can not be used: "
				 "%s", gv_routes_error_text(request->bad_claim));
		return GROUPVPN_N_REGISTRATION_FAILED;
	}
	group = groups->find(groups, request->group_id);
	if (!group)
	{
		snprintf(why, GV_TEXT_MAX + 1, "this host is not the GCKS of such a "
				 "group");
		return GROUPVPN_N_INVALID_GROUP_ID;
	}
	return admit(group, ike_sa, request, gsa, why);
}

/**
 * Add the answer to a registration to a response
 */
static void answer(private_groupvpn_gcks_admission_t *this, ike_sa_t *ike_sa,
				   request_t *request, message_t *message)
{
	groupvpn_groups_t *groups = this->gcks->groups;
	groupvpn_gcks_policy_t *asking = this->gcks->asking;
	bool in_auth = message->get_exchange_type(message) == IKE_AUTH;
	char why[GV_TEXT_MAX + 1] = "";
	struct gv_gsa gsa = {};
	notify_type_t notify;

	if (in_auth && request->valid &&
		!asking->is_ready(asking, ike_sa, request->group_id, NULL))
	{	/* nobody could be asked about who was not authenticated yet; without an
		 * answer the member registers once more, by itself */
		return;
	}
	groups->lock(groups);
	notify = do_register(this, ike_sa, request, &gsa, why);
	groups->unlock(groups);
	groupvpn_gate_hold(ike_sa->get_id(ike_sa), request->ticket);

	if (request->undecided && in_auth)
	{
		return;
	}
	groupvpn_prepare(message);
	if (!notify && !groupvpn_add_gsa(message, ike_sa, &gsa))
	{
		snprintf(why, sizeof(why), "the keys could not be encoded");
		notify = GROUPVPN_N_REGISTRATION_FAILED;
	}
	gv_gsa_wipe(&gsa);
	gv_path_wipe(&request->path);
	if (!notify && request->list.len)
	{
		message->add_notify(message, FALSE, GROUPVPN_N_ROUTES, request->list);
	}
	if (notify)
	{
		DBG1(DBG_IKE, "groupvpn: registration of '%Y' at %H for group-ID %u "
			 "refused with %s: %s", ike_sa->get_other_id(ike_sa),
			 ike_sa->get_other_host(ike_sa), request->group_id,
			 groupvpn_notify_name(notify), why);
		groups->lock(groups);
		refuse(this->gcks, groups->find(groups, request->group_id), ike_sa,
			   request, notify, why);
		groups->unlock(groups);
		message->add_notify(message, FALSE, notify, chunk_empty);
		if (request->told)
		{
			groupvpn_add_reason(message, why);
		}
	}
}

/**
 * A member leaves a group
 */
static void leave(private_groupvpn_gcks_admission_t *this, ike_sa_t *ike_sa,
				  request_t *request)
{
	char *why = request->notify == NO_PROPOSAL_CHOSEN
				? "it can not do the group's policy, its log tells why"
				: "it left the group";
	groupvpn_groups_t *groups = this->gcks->groups;
	groupvpn_ike_index_t *index = this->gcks->index;
	groupvpn_registration_t *registration;

	groups->lock(groups);
	registration = index->find(index, ike_sa->get_unique_id(ike_sa),
							   request->group_id);
	if (registration)
	{
		groupvpn_gcks_group_leave(groups->find(groups, request->group_id),
								  registration, why);
	}
	groups->unlock(groups);
}

/**
 * Take the noted request of an IKE_SA, NULL if there is none
 */
static request_t *take_request(private_groupvpn_gcks_admission_t *this,
							   ike_sa_t *ike_sa)
{
	groupvpn_groups_t *groups = this->gcks->groups;
	request_t *request;

	groups->lock(groups);
	request = this->requests->remove(this->requests,
							(void*)(uintptr_t)ike_sa->get_unique_id(ike_sa));
	groups->unlock(groups);
	return request;
}

METHOD(groupvpn_gcks_admission_t, request_, void,
	private_groupvpn_gcks_admission_t *this, ike_sa_t *ike_sa,
	message_t *message, chunk_t idg)
{
	groupvpn_groups_t *groups = this->gcks->groups;
	groupvpn_gcks_policy_t *asking = this->gcks->asking;
	request_t *request;
	notify_payload_t *notify;
	chunk_t data;

	INIT(request);
	request->valid = gv_idg_decode(idg.ptr, idg.len,
								   &request->group_id) == GV_GIKEV2_OK;
	if (message->get_notify(message, NO_PROPOSAL_CHOSEN))
	{
		request->notify = NO_PROPOSAL_CHOSEN;
	}
	else if (message->get_notify(message, GROUPVPN_N_REGISTRATION_FAILED))
	{
		request->notify = GROUPVPN_N_REGISTRATION_FAILED;
	}
	if (groupvpn_payload_find(message, GROUPVPN_PAYLOAD_SAG, &data))
	{
		request->sag = chunk_clone(data);
	}
	notify = message->get_notify(message, GROUPVPN_N_GROUP_SENDER);
	if (notify)
	{
		data = notify->get_notification_data(notify);
		request->sender = data.len == GROUPVPN_GROUP_SENDER_LEN &&
						  untoh32(data.ptr) == 1;
	}
	notify = message->get_notify(message, GROUPVPN_N_PEERS);
	if (notify)
	{
		request->bad_peers = !parse_peers(
							notify->get_notification_data(notify), request->peers);
	}
	notify = message->get_notify(message, GROUPVPN_N_ROUTES);
	if (notify)
	{
		data = notify->get_notification_data(notify);
		request->by_keys = TRUE;
		request->bad_claim = gv_claim_decode(data.ptr, data.len,
											 request->prefixes,
											 &request->prefix_count);
	}
	notify = message->get_notify(message, GROUPVPN_N_CURRENT_SENDER);
	if (notify)
	{
		data = notify->get_notification_data(notify);
		if (data.len == GROUPVPN_CURRENT_SENDER_LEN)
		{
			request->epoch = untoh32(data.ptr);
			request->sender_id = untoh32(data.ptr + 4);
			request->member_id = untoh16(data.ptr + 8);
		}
	}
	if (request->valid && !request->notify &&
		!asking->is_ready(asking, ike_sa, request->group_id, message))
	{	/* charon ignores such a message */
		message->set_exchange_type(message, EXCHANGE_TYPE_UNDEFINED);
		request_destroy(request);
		return;
	}
	request->by_bgp = !request->by_keys &&
					  message->get_notify(message, GROUPVPN_N_REKEY_BY_BGP);
	groups->lock(groups);
	/* in place of one that was never answered */
	request_destroy(this->requests->put(this->requests,
							 (void*)(uintptr_t)ike_sa->get_unique_id(ike_sa),
							 request));
	groups->unlock(groups);
}

METHOD(groupvpn_gcks_admission_t, response, void,
	private_groupvpn_gcks_admission_t *this, ike_sa_t *ike_sa,
	message_t *message)
{
	request_t *request = take_request(this, ike_sa);

	if (request && request->notify)
	{
		leave(this, ike_sa, request);
	}
	else if (request)
	{
		answer(this, ike_sa, request, message);
	}
	request_destroy(request);
}

METHOD(groupvpn_gcks_admission_t, forget, void,
	private_groupvpn_gcks_admission_t *this, ike_sa_t *ike_sa)
{
	request_destroy(take_request(this, ike_sa));
}

METHOD(groupvpn_gcks_admission_t, destroy, void,
	private_groupvpn_gcks_admission_t *this)
{
	enumerator_t *enumerator;
	request_t *request;

	enumerator = this->requests->create_enumerator(this->requests);
	while (enumerator->enumerate(enumerator, NULL, &request))
	{
		request_destroy(request);
	}
	enumerator->destroy(enumerator);
	this->requests->destroy(this->requests);
	free(this);
}

/*
 * See header
 */
groupvpn_gcks_admission_t *groupvpn_gcks_admission_create(
												groupvpn_gcks_core_t *gcks)
{
	private_groupvpn_gcks_admission_t *this;

	INIT(this,
		.public = {
			.request = _request_,
			.response = _response,
			.forget = _forget,
			.destroy = _destroy,
		},
		.gcks = gcks,
		.requests = hashtable_create(hashtable_hash_ptr, hashtable_equals_ptr,
									 32),
	);
	return &this->public;
}
