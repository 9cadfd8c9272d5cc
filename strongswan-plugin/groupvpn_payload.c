/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * charon knows the numbers of the G-IKEv2 payloads but has no parser for them:
 * received ones, which do not have the critical bit, come as unknown payloads;
 * to send one takes an own payload_t.
 *
 * The keys in KD are wrapped under GSK_w = prf+(SK_d, "Key Wrap for G-IKEv2")
 * (RFC 9838, 4.5.4). It is derived from the IKE_SA's SK_d each time it is
 * needed, which a rekeying of the IKE_SA changes, and kept nowhere.
 */

#include "groupvpn_payload.h"
#include "groupvpn_carrier.h"
#include "compat.h"

#include <daemon.h>
#include <encoding/payloads/encodings.h>
#include <encoding/payloads/unknown_payload.h>
#include <sa/ikev2/keymat_v2.h>

#include <crypto.h>
#include <sag.h>

#define KWK_LABEL "Key Wrap for G-IKEv2"

typedef struct private_groupvpn_payload_t private_groupvpn_payload_t;

/**
 * Private data
 */
struct private_groupvpn_payload_t {

	/**
	 * Public interface
	 */
	payload_t public;

	/**
	 * Generic payload header
	 */
	uint8_t next_payload;
	bool critical;
	bool reserved[7];
	uint16_t length;

	/**
	 * Body
	 */
	chunk_t body;

	/**
	 * Type of this payload
	 */
	payload_type_t type;
};

/**
 * Layout of a payload, see RFC 7296, 3.2
 */
static encoding_rule_t encodings[] = {
	{ U_INT_8,			offsetof(private_groupvpn_payload_t, next_payload)	},
	{ FLAG,				offsetof(private_groupvpn_payload_t, critical)		},
	{ RESERVED_BIT,		offsetof(private_groupvpn_payload_t, reserved[0])	},
	{ RESERVED_BIT,		offsetof(private_groupvpn_payload_t, reserved[1])	},
	{ RESERVED_BIT,		offsetof(private_groupvpn_payload_t, reserved[2])	},
	{ RESERVED_BIT,		offsetof(private_groupvpn_payload_t, reserved[3])	},
	{ RESERVED_BIT,		offsetof(private_groupvpn_payload_t, reserved[4])	},
	{ RESERVED_BIT,		offsetof(private_groupvpn_payload_t, reserved[5])	},
	{ RESERVED_BIT,		offsetof(private_groupvpn_payload_t, reserved[6])	},
	{ PAYLOAD_LENGTH,	offsetof(private_groupvpn_payload_t, length)		},
	{ CHUNK_DATA,		offsetof(private_groupvpn_payload_t, body)			},
};

METHOD(payload_t, verify, status_t,
	private_groupvpn_payload_t *this)
{
	return SUCCESS;
}

METHOD(payload_t, get_encoding_rules, int,
	private_groupvpn_payload_t *this, encoding_rule_t **rules)
{
	*rules = encodings;
	return countof(encodings);
}

METHOD(payload_t, get_header_length, int,
	private_groupvpn_payload_t *this)
{
	return 4;
}

METHOD(payload_t, get_type, payload_type_t,
	private_groupvpn_payload_t *this)
{
	return this->type;
}

METHOD(payload_t, get_next_type, payload_type_t,
	private_groupvpn_payload_t *this)
{
	return this->next_payload;
}

METHOD(payload_t, set_next_type, void,
	private_groupvpn_payload_t *this, payload_type_t type)
{
	this->next_payload = type;
}

METHOD(payload_t, get_length, size_t,
	private_groupvpn_payload_t *this)
{
	return this->length;
}

METHOD(payload_t, destroy, void,
	private_groupvpn_payload_t *this)
{
	chunk_clear(&this->body);
	free(this);
}

/*
 * See header
 */
payload_t *groupvpn_payload_create(uint8_t type, chunk_t body)
{
	private_groupvpn_payload_t *this;

	INIT(this,
		.public = {
			.verify = _verify,
			.get_encoding_rules = _get_encoding_rules,
			.get_header_length = _get_header_length,
			.get_type = _get_type,
			.get_next_type = _get_next_type,
			.set_next_type = _set_next_type,
			.get_length = _get_length,
			.destroy = _destroy,
		},
		.length = 4 + body.len,
		.body = chunk_clone(body),
		.type = type,
	);
	return &this->public;
}

/*
 * See header
 */
bool groupvpn_payload_find(message_t *message, uint8_t type, chunk_t *body)
{
	enumerator_t *enumerator;
	payload_t *payload;
	unknown_payload_t *unknown;
	u_int count = 0;

	enumerator = message->create_payload_enumerator(message);
	while (enumerator->enumerate(enumerator, &payload))
	{
		if (payload->get_type(payload) != PL_UNKNOWN)
		{
			continue;
		}
		unknown = (unknown_payload_t*)payload;
		if (unknown->get_type(unknown) == type)
		{
			*body = unknown->get_data(unknown);
			count++;
		}
	}
	enumerator->destroy(enumerator);
	return count == 1;
}

/**
 * Derive GSK_w of an IKE_SA
 */
static bool derive_kwk(ike_sa_t *ike_sa, uint8_t kwk[GV_KWK_LEN])
{
	keymat_v2_t *keymat = (keymat_v2_t*)ike_sa->get_keymat(ike_sa);
	chunk_t sk_d = chunk_empty;
	kdf_t *kdf;
	bool ok;

	kdf = lib->crypto->create_kdf(lib->crypto, KDF_PRF_PLUS,
								  keymat->get_skd(keymat, &sk_d));
	ok = sk_d.len && kdf &&
		 kdf->set_param(kdf, KDF_PARAM_KEY, sk_d) &&
		 kdf->set_param(kdf, KDF_PARAM_SALT, chunk_from_str(KWK_LABEL)) &&
		 kdf->get_bytes(kdf, GV_KWK_LEN, kwk);
	DESTROY_IF(kdf);
	if (!ok)
	{
		DBG1(DBG_IKE, "groupvpn: deriving the key wrap key failed");
	}
	return ok;
}

/*
 * See header
 */
void groupvpn_prepare(message_t *message)
{
	if (message->get_exchange_type(message) == INFORMATIONAL)
	{
		message->disable_sort(message);
		groupvpn_wire_keep_whole(message);
	}
}

/**
 * Add two payloads to a message, in the order in which they are to be sent. In
 * an IKE_AUTH, whose other payloads have to be sorted, charon reverses those
 * that it does not know.
 */
static void add_payloads(message_t *message, payload_t *first,
						 payload_t *second)
{
	bool reversed = message->get_exchange_type(message) == IKE_AUTH;

	message->add_payload(message, reversed ? second : first);
	message->add_payload(message, reversed ? first : second);
}

/**
 * Create the IDg payload, NULL if the group-ID is not valid
 */
static payload_t *create_idg(uint32_t group_id)
{
	uint8_t body[16];
	size_t len;

	len = gv_idg_encode(group_id, body, sizeof(body));
	return len ? groupvpn_payload_create(GV_PAYLOAD_IDG,
										 chunk_create(body, len)) : NULL;
}

/**
 * Create the SAg payload
 */
static payload_t *create_sag(groupvpn_group_t *group, bool rekey)
{
	uint8_t body[GV_SAG_BODY_MAX(GROUPVPN_ACCEPTED_MAX)];
	size_t len;

	len = gv_sag_encode(group->accepted, group->accepted_count,
						GROUPVPN_CAN | (rekey ? GV_CAN_REKEY_SA : 0),
						body, sizeof(body));
	return groupvpn_payload_create(GROUPVPN_PAYLOAD_SAG,
								   chunk_create(body, len));
}

/*
 * See header
 */
bool groupvpn_add_request(message_t *message, groupvpn_group_t *group,
						  bool rekey)
{
	payload_t *idg = create_idg(group->id);

	if (idg)
	{
		add_payloads(message, idg, create_sag(group, rekey));
	}
	return idg != NULL;
}

/*
 * See header
 */
bool groupvpn_add_idg(message_t *message, uint32_t group_id)
{
	payload_t *idg = create_idg(group_id);

	if (idg)
	{
		message->add_payload(message, idg);
	}
	return idg != NULL;
}

/*
 * See header
 */
bool groupvpn_add_gsa(message_t *message, ike_sa_t *ike_sa,
					  const struct gv_gsa *gsa)
{
	uint8_t kwk[GV_KWK_LEN], body[GV_GSA_BODY_MAX], keys[GV_KD_BODY_MAX];
	size_t body_len = sizeof(body), keys_len = sizeof(keys);
	bool ok;

	ok = derive_kwk(ike_sa, kwk) &&
		 gv_gsa_encode(gsa, kwk, body, &body_len, keys, &keys_len);
	gv_wipe(kwk, sizeof(kwk));
	if (ok)
	{
		add_payloads(message,
			groupvpn_payload_create(GV_PAYLOAD_GSA,
									chunk_create(body, body_len)),
			groupvpn_payload_create(GV_PAYLOAD_KD,
									chunk_create(keys, keys_len)));
		/* absent, tunnel mode would be meant (RFC 9838, 2.3.4) */
		message->add_notify(message, FALSE, USE_TRANSPORT_MODE, chunk_empty);
	}
	return ok;
}

/*
 * See header
 */
enum gv_gikev2_error groupvpn_get_gsa(message_t *message, ike_sa_t *ike_sa,
									  struct gv_key_path *path,
									  struct gv_gsa *gsa)
{
	const struct gv_gsa_receiver receiver = {
		.can = GROUPVPN_CAN | (path ? GV_CAN_REKEY_SA : 0),
		.path = path,
	};
	uint8_t kwk[GV_KWK_LEN];
	enum gv_gikev2_error error = GV_GIKEV2_UNWRAP;
	chunk_t body, keys;

	if (!groupvpn_payload_find(message, GV_PAYLOAD_GSA, &body) ||
		!groupvpn_payload_find(message, GV_PAYLOAD_KD, &keys))
	{
		return GV_GIKEV2_MISSING;
	}
	if (derive_kwk(ike_sa, kwk))
	{
		error = gv_gsa_decode_for(&receiver, body.ptr, body.len, keys.ptr,
								  keys.len, kwk, gsa);
	}
	gv_wipe(kwk, sizeof(kwk));
	return error;
}

/*
 * See header
 */
void groupvpn_add_reason(message_t *message, char *why)
{
	message->add_notify(message, FALSE, GROUPVPN_N_REASON,
						chunk_from_str(why));
}

/*
 * See header
 */
void groupvpn_get_reason(message_t *message, char why[GV_TEXT_MAX + 1])
{
	notify_payload_t *notify;
	chunk_t data = chunk_empty;
	size_t i, len;

	notify = message->get_notify(message, GROUPVPN_N_REASON);
	if (notify)
	{
		data = notify->get_notification_data(notify);
	}
	len = min(data.len, GV_TEXT_MAX);
	for (i = 0; i < len; i++)
	{
		why[i] = data.ptr[i] >= ' ' && data.ptr[i] <= '~' ? data.ptr[i] : '?';
	}
	why[len] = '\0';
}

/*
 * See header
 */
char *groupvpn_notify_name(notify_type_t type)
{
	switch ((int)type)
	{
		case GV_N_INVALID_GROUP_ID:
			return "INVALID_GROUP_ID";
		case GV_N_AUTHORIZATION_FAILED:
			return "AUTHORIZATION_FAILED";
		case GV_N_REGISTRATION_FAILED:
			return "REGISTRATION_FAILED";
		case NO_PROPOSAL_CHOSEN:
			return "NO_PROPOSAL_CHOSEN";
		default:
			return "an unexpected error";
	}
}
