/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The exchanges of ours are others within charon, see groupvpn_wire.h. Here
 * ends the disguise: one may not do what an INFORMATIONAL can (delete SAs, move
 * addresses, redirect), a response has to be of its request's type and gets it.
 *
 * Retransmission, fragmentation and rekeyed IKE_SAs need nothing of us.
 *
 * Not here: a Delete payload (RFC 9838, 2.4.3) in GSA_INBAND_REKEY, whose
 * protocol charon's parser refuses.
 */

#include "groupvpn_carrier.h"
#include "groupvpn_wire.h"

#include <daemon.h>
#include <encoding/payloads/notify_payload.h>

typedef enum carrier_counter_t carrier_counter_t;
typedef struct private_groupvpn_carrier_t private_groupvpn_carrier_t;

/**
 * What is counted
 */
enum carrier_counter_t {
	CARRIER_RECEIVED,
	CARRIER_ACCEPTED,
	CARRIER_REFUSED,
	CARRIER_INVALID,
	CARRIER_SENT,
	CARRIER_COUNTERS
};

ENUM(carrier_counter_names, CARRIER_RECEIVED, CARRIER_SENT,
	"datagrams-received",
	"messages-accepted",
	"messages-refused",
	"datagrams-invalid",
	"datagrams-sent",
);

/**
 * Private data
 */
struct private_groupvpn_carrier_t {

	/**
	 * Public interface
	 */
	groupvpn_carrier_t public;

	/**
	 * Messages that were accepted, and refused
	 */
	refcount_t accepted;
	refcount_t refused;
};

/*
 * See header
 */
bool groupvpn_carrier_can(ike_sa_t *ike_sa)
{
	return groupvpn_wire_find(ike_sa) != NULL;
}

/*
 * See header
 */
bool groupvpn_carrier_uses(ike_sa_t *ike_sa)
{
	groupvpn_wire_peer_t *peer = groupvpn_wire_find(ike_sa);

	return peer && peer->used;
}

/* --- messages --- */

/**
 * Whether a request of an exchange type is one to register with
 */
static bool registers(uint8_t type)
{
	return type == GV_EXCHANGE_GSA_AUTH ||
		   type == GV_EXCHANGE_GSA_REGISTRATION;
}

/**
 * Whether a notify has a place in an exchange that is an INFORMATIONAL within
 * charon: those of RFC 9838, ours, and what any request may be refused with
 */
static bool is_notify_allowed(notify_payload_t *notify, bool request)
{
	notify_type_t type = notify->get_notify_type(notify);

	switch ((int)type)
	{
		case GV_N_INVALID_GROUP_ID:
		case GV_N_AUTHORIZATION_FAILED:
		case GV_N_REGISTRATION_FAILED:
		case GV_N_GROUP_SENDER:
		case NO_PROPOSAL_CHOSEN:
		case USE_TRANSPORT_MODE:
			return TRUE;
		case INVALID_SYNTAX:
		case UNSUPPORTED_CRITICAL_PAYLOAD:
		case TEMPORARY_FAILURE:
			return !request;
		default:
			/* private use */
			return type >= 40960;
	}
}

/**
 * Whether a payload has a place in such an exchange. Whatever charon does not
 * know it ignores.
 */
static bool is_payload_allowed(payload_t *payload, bool request)
{
	switch (payload->get_type(payload))
	{
		case PL_UNKNOWN:
		case PLV2_VENDOR_ID:
			return TRUE;
		case PLV2_NOTIFY:
			return is_notify_allowed((notify_payload_t*)payload, request);
		default:
			return FALSE;
	}
}

/**
 * Remove payloads that have no place in a message
 */
static void strip(ike_sa_t *ike_sa, message_t *message)
{
	enumerator_t *enumerator;
	payload_t *payload;

	enumerator = message->create_payload_enumerator(message);
	while (enumerator->enumerate(enumerator, &payload))
	{
		if (!is_payload_allowed(payload, message->get_request(message)))
		{
			DBG1(DBG_IKE, "groupvpn: %N payload from '%Y' at %H ignored, it has "
				 "no place in exchange type %u", payload_type_names,
				 payload->get_type(payload), ike_sa->get_other_id(ike_sa),
				 ike_sa->get_other_host(ike_sa),
				 groupvpn_wire_get_type(message));
			message->remove_payload_at(message, enumerator);
			payload->destroy(payload);
		}
	}
	enumerator->destroy(enumerator);
}

/**
 * Whether a message of an exchange of ours may come now
 */
static bool check_state(ike_sa_t *ike_sa, message_t *message)
{
	if (message->get_exchange_type(message) == IKE_AUTH)
	{	/* charon checks that */
		return TRUE;
	}
	switch (ike_sa->get_state(ike_sa))
	{
		case IKE_ESTABLISHED:
		case IKE_REKEYING:
		case IKE_REKEYED:
		case IKE_DELETING:
			return TRUE;
		default:
			return FALSE;
	}
}

/**
 * Have charon ignore a message
 */
static void refuse(private_groupvpn_carrier_t *this, ike_sa_t *ike_sa,
				   message_t *message, char *why)
{
	DBG1(DBG_IKE, "groupvpn: %s of exchange type %u from %H ignored, %s",
		 message->get_request(message) ? "request" : "response",
		 groupvpn_wire_get_type(message), ike_sa->get_other_host(ike_sa), why);
	ref_get(&this->refused);
	message->set_exchange_type(message, EXCHANGE_TYPE_UNDEFINED);
}

/**
 * Judge a message that was received and is authentic
 */
static void judge(private_groupvpn_carrier_t *this, groupvpn_wire_peer_t *peer,
				  ike_sa_t *ike_sa, message_t *message)
{
	uint8_t type = groupvpn_wire_get_type(message);
	bool ours = groupvpn_wire_is_ours(type);

	if (!message->get_request(message) && type != peer->sent &&
		(ours || groupvpn_wire_is_ours(peer->sent)))
	{
		refuse(this, ike_sa, message, "the request was of another");
	}
	else if (ours && !check_state(ike_sa, message))
	{
		refuse(this, ike_sa, message, "the IKE_SA is not established");
	}
	else if (ours)
	{
		ref_get(&this->accepted);
		peer->used |= registers(type);
		if (message->get_exchange_type(message) == INFORMATIONAL)
		{
			strip(ike_sa, message);
		}
	}
}

METHOD(listener_t, message_hook, bool,
	private_groupvpn_carrier_t *this, ike_sa_t *ike_sa, message_t *message,
	bool incoming, bool plain)
{
	groupvpn_wire_peer_t *peer = groupvpn_wire_find(ike_sa);
	bool request = message->get_request(message);

	if (!peer)
	{
		return TRUE;
	}
	if (incoming && plain)
	{
		judge(this, peer, ike_sa, message);
	}
	else if (incoming)
	{
		groupvpn_wire_restore(message);
		if (request)
		{	/* charon answers also what it can not parse */
			peer->received = groupvpn_wire_get_type(message);
		}
	}
	else if (!incoming && plain && !request)
	{
		groupvpn_wire_set_type(message, peer->received);
	}
	else if (!incoming && !plain && request)
	{
		peer->sent = groupvpn_wire_get_type(message);
		peer->used |= registers(peer->sent);
	}
	return TRUE;
}

METHOD(listener_t, ike_rekey, bool,
	private_groupvpn_carrier_t *this, ike_sa_t *old, ike_sa_t *new)
{
	groupvpn_wire_peer_t *peer = groupvpn_wire_find(new);

	if (peer)
	{
		peer->used |= groupvpn_carrier_uses(old);
	}
	return TRUE;
}

METHOD(groupvpn_vici_handler_t, add_counters, bool,
	groupvpn_vici_handler_t *handler, char *group, vici_builder_t *builder)
{
	private_groupvpn_carrier_t *this;

	this = container_of(handler, private_groupvpn_carrier_t, public.management);
	if (!group && groupvpn_wire_started())
	{
		uint64_t counters[CARRIER_COUNTERS] = {
			[CARRIER_RECEIVED] = groupvpn_wire_count(GROUPVPN_WIRE_RECEIVED),
			[CARRIER_ACCEPTED] = ref_cur(&this->accepted),
			[CARRIER_REFUSED] = ref_cur(&this->refused),
			[CARRIER_INVALID] = groupvpn_wire_count(GROUPVPN_WIRE_INVALID),
			[CARRIER_SENT] = groupvpn_wire_count(GROUPVPN_WIRE_SENT),
		};

		/* no group's name is like this */
		builder->begin_section(builder, "-exchange");
		groupvpn_vici_add_counters(builder, carrier_counter_names, counters,
								   CARRIER_COUNTERS);
		builder->end_section(builder);
	}
	return FALSE;
}

METHOD(groupvpn_carrier_t, start, void,
	private_groupvpn_carrier_t *this)
{
	groupvpn_wire_start();
}

METHOD(groupvpn_carrier_t, destroy, void,
	private_groupvpn_carrier_t *this)
{
	groupvpn_wire_stop();
	free(this);
}

/*
 * See header
 */
groupvpn_carrier_t *groupvpn_carrier_create()
{
	private_groupvpn_carrier_t *this;

	INIT(this,
		.public = {
			.listener = {
				.message = _message_hook,
				.ike_rekey = _ike_rekey,
			},
			.management = {
				.list_groups = (void*)return_false,
				.list_members = (void*)return_false,
				.list_sas = (void*)return_false,
				.add_counters = _add_counters,
			},
			.start = _start,
			.destroy = _destroy,
		},
	);
	return &this->public;
}
