/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two places in charon's way of a message are ours, once started:
 *
 * - its socket's send and receive functions, where the header's exchange type
 *   is translated. Only what can be a protected message of an IKE_SA is; the
 *   rest gets what charon has for unknown exchange types;
 * - the AEAD transforms of its IKE_SAs, because the header is authenticated:
 *   they get to see the header as it is on the wire. IKE_SAs get such
 *   transforms by the constructor of key material that charon lets plugins
 *   register, so that those that exist at the start have none and carry none of
 *   ours.
 *
 * A message of any other exchange type passes unchanged.
 *
 * The mark tells nothing that is trusted: whoever sets reserved bits on the
 * wire, against RFC 7296, 3.1, has the message authenticated as if it had the
 * type that they stand for, so that it fails or is of that type.
 *
 * Not here: SAg as payload type 33 in a fragmented message, where the chain of
 * payloads can not be followed.
 */

#include "groupvpn_wire.h"

#include <daemon.h>
#include <collections/hashtable.h>
#include <sa/ikev2/keymat_v2.h>
#include <threading/mutex.h>

/* offsets in the IKE header (RFC 7296, 3.1), and in what follows it */
#define NEXT_PAYLOAD 16
#define VERSION_FIELD 17
#define EXCHANGE_TYPE 18
#define FLAGS 19
#define HEADER_LEN 28
#define PAYLOAD_HEADER_LEN 4

/* the reserved bits in the flags that charon lets through */
#define MARK_SHIFT 6
#define FLAGS_MASK 0x3f

#define NON_ESP_MARKER_LEN 4

/**
 * The exchange types on the wire, and what they are within charon. A charon with
 * mediation takes any INFORMATIONAL that does not begin with an encrypted
 * payload for a connectivity check, fragments among them: these are something
 * else until they have come past that, see groupvpn_wire_restore().
 */
static const struct {
	uint8_t wire;
	uint8_t inner;
	uint8_t fragment;
	uint8_t mark;
} types[] = {
	{ GV_EXCHANGE_GSA_AUTH,			IKE_AUTH,		IKE_AUTH,			1 },
	{ GV_EXCHANGE_GSA_REGISTRATION,	INFORMATIONAL,	CREATE_CHILD_SA,	1 },
	{ GV_EXCHANGE_GSA_INBAND_REKEY,	INFORMATIONAL,	CREATE_CHILD_SA,	2 },
};

/**
 * An AEAD transform
 */
typedef struct {
	aead_t public;
	/* charon's, set anew whenever somebody asks for the transform */
	aead_t *inner;
} wrapper_t;

/**
 * Key material of an IKE_SA. But for the functions used by whoever has the
 * IKE_SA checked out.
 */
typedef struct {
	/* what is known of the IKE_SA */
	groupvpn_wire_peer_t peer;
	/* charon's functions */
	aead_t *(*get_aead)(keymat_t *this, bool in);
	void (*destroy)(keymat_t *this);
	/* transforms */
	wrapper_t in;
	wrapper_t out;
} entry_t;

/**
 * What stands between charon and its socket, NULL before the start
 */
static struct {
	/* charon's functions */
	status_t (*send)(socket_manager_t *this, packet_t *packet);
	status_t (*receive)(socket_manager_t *this, packet_t **packet);
	/* key material that we created, as keymat_t => entry_t, and its lock */
	hashtable_t *entries;
	mutex_t *mutex;
	/* counters */
	refcount_t counters[GROUPVPN_WIRE_COUNTERS];
} *wire;

/* --- exchange types --- */

/**
 * Index in the table of types for what a message is within charon, -1 if it is
 * none of ours
 */
static int find_type(uint8_t inner, uint8_t mark)
{
	int i;

	for (i = 0; mark && i < countof(types); i++)
	{
		if ((types[i].inner == inner || types[i].fragment == inner) &&
			types[i].mark == mark)
		{
			return i;
		}
	}
	return -1;
}

/**
 * Index in the table of types for an exchange type on the wire, or -1
 */
static int find_wire_type(uint8_t type)
{
	int i;

	for (i = 0; i < countof(types); i++)
	{
		if (types[i].wire == type)
		{
			return i;
		}
	}
	return -1;
}

/**
 * Get the mark of a message
 */
static uint8_t get_mark(message_t *message)
{
	return message->get_reserved_header_bit(message, 0) << 1 |
		   message->get_reserved_header_bit(message, 1);
}

/*
 * See header
 */
uint8_t groupvpn_wire_get_type(message_t *message)
{
	uint8_t inner = message->get_exchange_type(message);
	int i = find_type(inner, get_mark(message));

	return i == -1 ? inner : types[i].wire;
}

/*
 * See header
 */
void groupvpn_wire_set_type(message_t *message, uint8_t type)
{
	int i = find_wire_type(type);

	if (i != -1 && types[i].inner == message->get_exchange_type(message))
	{
		if (types[i].mark & 2)
		{
			message->set_reserved_header_bit(message, 0);
		}
		if (types[i].mark & 1)
		{
			message->set_reserved_header_bit(message, 1);
		}
	}
}

/*
 * See header
 */
void groupvpn_wire_restore(message_t *message)
{
	int i = find_type(message->get_exchange_type(message), get_mark(message));

	if (i != -1)
	{
		message->set_exchange_type(message, types[i].inner);
	}
}

/**
 * charon's function that fragments messages
 */
static status_t (*fragment)(message_t *this, keymat_t *keymat, size_t frag_len,
							enumerator_t **fragments);

METHOD(message_t, fragment_message, status_t,
	message_t *message, keymat_t *keymat, size_t frag_len,
	enumerator_t **fragments)
{
	if (groupvpn_wire_get_type(message) == INFORMATIONAL)
	{
		frag_len = UINT16_MAX;
	}
	return fragment(message, keymat, frag_len, fragments);
}

/*
 * See header
 */
void groupvpn_wire_keep_whole(message_t *message)
{
	if (message->fragment != _fragment_message)
	{
		fragment = message->fragment;
		message->fragment = _fragment_message;
	}
}

/**
 * Count something
 */
static void count(groupvpn_wire_counter_t counter)
{
	ref_get(&wire->counters[counter]);
}

/*
 * See header
 */
uint64_t groupvpn_wire_count(groupvpn_wire_counter_t counter)
{
	return ref_cur(&wire->counters[counter]);
}

/*
 * See header
 */
bool groupvpn_wire_is_ours(uint8_t type)
{
	return find_wire_type(type) != -1;
}

/* --- headers --- */

/**
 * Translate the type of SAg in the header of the encrypted payload, if that
 * comes first
 */
static void translate_first(uint8_t *header, uint8_t from, uint8_t to)
{
	if (header[NEXT_PAYLOAD] == PLV2_ENCRYPTED && header[HEADER_LEN] == from)
	{
		header[HEADER_LEN] = to;
	}
}

/**
 * Make a header what it is on the wire; FALSE if that is what it is
 *
 * @param header		header of HEADER_LEN, and of the payload after it
 */
static bool to_wire(uint8_t *header)
{
	int i = find_type(header[EXCHANGE_TYPE], header[FLAGS] >> MARK_SHIFT);

	if (i == -1)
	{
		return FALSE;
	}
	header[EXCHANGE_TYPE] = types[i].wire;
	header[FLAGS] &= FLAGS_MASK;
	translate_first(header, GROUPVPN_PAYLOAD_SAG, PLV2_SECURITY_ASSOCIATION);
	return TRUE;
}

/**
 * Whether a header may be translated that is of an exchange type of ours: an
 * IKE_SA's, and all of the message is protected
 */
static bool is_protected(uint8_t *header)
{
	static const uint8_t none[8] = {};

	return !memeq(header, none, sizeof(none)) &&
		   !memeq(header + sizeof(none), none, sizeof(none)) &&
		   (header[NEXT_PAYLOAD] == PLV2_ENCRYPTED ||
			header[NEXT_PAYLOAD] == PLV2_FRAGMENT);
}

/**
 * Make a header that was received what it is within charon
 */
static void from_wire(uint8_t *header)
{
	int i = find_wire_type(header[EXCHANGE_TYPE]);

	if (i != -1 && is_protected(header))
	{
		count(GROUPVPN_WIRE_RECEIVED);
		header[EXCHANGE_TYPE] = header[NEXT_PAYLOAD] == PLV2_FRAGMENT
								? types[i].fragment : types[i].inner;
		header[FLAGS] &= FLAGS_MASK;
		header[FLAGS] |= types[i].mark << MARK_SHIFT;
		translate_first(header, PLV2_SECURITY_ASSOCIATION,
						GROUPVPN_PAYLOAD_SAG);
	}
	else if (i != -1 || header[EXCHANGE_TYPE] == GV_EXCHANGE_GSA_REKEY)
	{
		count(GROUPVPN_WIRE_INVALID);
	}
}

/**
 * Find the header of an IKEv2 message in a packet, NULL if it has none. As in
 * charon it is the ports that tell whether there is a non-ESP marker.
 */
static uint8_t *find_header(packet_t *packet)
{
	static const uint8_t marker[NON_ESP_MARKER_LEN] = {};
	host_t *src = packet->get_source(packet);
	host_t *dst = packet->get_destination(packet);
	chunk_t data = packet->get_data(packet);

	if (src->get_port(src) != IKEV2_UDP_PORT &&
		dst->get_port(dst) != IKEV2_UDP_PORT)
	{
		if (data.len < sizeof(marker) ||
			!memeq(data.ptr, marker, sizeof(marker)))
		{
			return NULL;
		}
		data = chunk_skip(data, sizeof(marker));
	}
	if (data.len < HEADER_LEN + PAYLOAD_HEADER_LEN ||
		data.ptr[VERSION_FIELD] >> 4 != IKEV2_MAJOR_VERSION)
	{
		return NULL;
	}
	return data.ptr;
}

METHOD(socket_manager_t, send_packet, status_t,
	socket_manager_t *socket, packet_t *packet)
{
	uint8_t *header = find_header(packet);

	if (header && to_wire(header))
	{
		count(GROUPVPN_WIRE_SENT);
	}
	return wire->send(socket, packet);
}

METHOD(socket_manager_t, receive_packet, status_t,
	socket_manager_t *socket, packet_t **packet)
{
	status_t status = wire->receive(socket, packet);
	uint8_t *header;

	if (status == SUCCESS)
	{
		header = find_header(*packet);
		if (header)
		{
			from_wire(header);
		}
	}
	return status;
}

/* --- transforms --- */

/**
 * Translate the type of SAg in the chain of payloads within an encrypted
 * payload
 */
static void translate_chain(chunk_t plain, uint8_t from, uint8_t to)
{
	uint16_t len;

	while (plain.len >= PAYLOAD_HEADER_LEN && *plain.ptr)
	{
		if (*plain.ptr == from)
		{
			*plain.ptr = to;
		}
		len = untoh16(plain.ptr + 2);
		if (len < PAYLOAD_HEADER_LEN || len > plain.len)
		{
			break;
		}
		plain = chunk_skip(plain, len);
	}
}

/**
 * Get associated data as it is on the wire; FALSE if it is that of a message of
 * another exchange type
 *
 * @param translated	receives an allocated copy
 */
static bool get_wire_assoc(chunk_t assoc, chunk_t *translated)
{
	if (assoc.len < HEADER_LEN + PAYLOAD_HEADER_LEN ||
		find_type(assoc.ptr[EXCHANGE_TYPE],
				  assoc.ptr[FLAGS] >> MARK_SHIFT) == -1)
	{
		return FALSE;
	}
	*translated = chunk_clone(assoc);
	return to_wire(translated->ptr);
}

/**
 * Whether associated data is that of a message that is not a fragment
 */
static bool is_whole(chunk_t assoc)
{
	return assoc.ptr[NEXT_PAYLOAD] == PLV2_ENCRYPTED;
}

METHOD(aead_t, encrypt, bool,
	wrapper_t *this, chunk_t plain, chunk_t assoc, chunk_t iv,
	chunk_t *encrypted)
{
	chunk_t translated;
	bool ok;

	if (!get_wire_assoc(assoc, &translated))
	{
		return this->inner->encrypt(this->inner, plain, assoc, iv, encrypted);
	}
	if (is_whole(assoc))
	{	/* the plain text is a copy of what charon has */
		translate_chain(plain, GROUPVPN_PAYLOAD_SAG, PLV2_SECURITY_ASSOCIATION);
	}
	ok = this->inner->encrypt(this->inner, plain, translated, iv, encrypted);
	chunk_free(&translated);
	return ok;
}

METHOD(aead_t, decrypt, bool,
	wrapper_t *this, chunk_t encrypted, chunk_t assoc, chunk_t iv,
	chunk_t *plain)
{
	chunk_t translated, text;
	bool ok;

	if (!get_wire_assoc(assoc, &translated))
	{
		return this->inner->decrypt(this->inner, encrypted, assoc, iv, plain);
	}
	ok = this->inner->decrypt(this->inner, encrypted, translated, iv, plain);
	if (ok && is_whole(assoc))
	{
		text = plain ? *plain
					 : chunk_create(encrypted.ptr, encrypted.len -
									this->inner->get_icv_size(this->inner));
		translate_chain(text, PLV2_SECURITY_ASSOCIATION, GROUPVPN_PAYLOAD_SAG);
	}
	chunk_free(&translated);
	return ok;
}

METHOD(aead_t, get_block_size, size_t,
	wrapper_t *this)
{
	return this->inner->get_block_size(this->inner);
}

METHOD(aead_t, get_icv_size, size_t,
	wrapper_t *this)
{
	return this->inner->get_icv_size(this->inner);
}

METHOD(aead_t, get_iv_size, size_t,
	wrapper_t *this)
{
	return this->inner->get_iv_size(this->inner);
}

METHOD(aead_t, get_iv_gen, iv_gen_t*,
	wrapper_t *this)
{
	return this->inner->get_iv_gen(this->inner);
}

METHOD(aead_t, get_key_size, size_t,
	wrapper_t *this)
{
	return this->inner->get_key_size(this->inner);
}

METHOD(aead_t, set_key, bool,
	wrapper_t *this, chunk_t key)
{
	return this->inner->set_key(this->inner, key);
}

/**
 * Initialize a transform. It belongs to the entry of the key material, charon's
 * to the key material, and nobody else destroys them.
 */
static void wrapper_init(wrapper_t *this)
{
	this->public = (aead_t){
		.encrypt = _encrypt,
		.decrypt = _decrypt,
		.get_block_size = _get_block_size,
		.get_icv_size = _get_icv_size,
		.get_iv_size = _get_iv_size,
		.get_iv_gen = _get_iv_gen,
		.get_key_size = _get_key_size,
		.set_key = _set_key,
		.destroy = (void*)nop,
	};
}

/* --- key material --- */

/**
 * Find the entry of key material, NULL if we did not create it
 */
static entry_t *find_entry(keymat_t *keymat)
{
	entry_t *entry;

	wire->mutex->lock(wire->mutex);
	entry = wire->entries->get(wire->entries, keymat);
	wire->mutex->unlock(wire->mutex);
	return entry;
}

METHOD(keymat_t, get_aead, aead_t*,
	keymat_t *keymat, bool in)
{
	entry_t *entry = find_entry(keymat);
	aead_t *inner = entry->get_aead(keymat, in);
	wrapper_t *this = in ? &entry->in : &entry->out;

	if (!inner)
	{
		return NULL;
	}
	this->inner = inner;
	return &this->public;
}

METHOD(keymat_t, keymat_destroy, void,
	keymat_t *keymat)
{
	entry_t *entry;

	wire->mutex->lock(wire->mutex);
	entry = wire->entries->remove(wire->entries, keymat);
	wire->mutex->unlock(wire->mutex);
	entry->destroy(keymat);
	free(entry);
}

/**
 * Constructor of key material
 */
static keymat_t *create_keymat(bool initiator)
{
	keymat_t *keymat = &keymat_v2_create(initiator)->keymat;
	entry_t *entry;

	INIT(entry,
		.get_aead = keymat->get_aead,
		.destroy = keymat->destroy,
	);
	wrapper_init(&entry->in);
	wrapper_init(&entry->out);
	keymat->get_aead = _get_aead;
	keymat->destroy = _keymat_destroy;
	wire->mutex->lock(wire->mutex);
	wire->entries->put(wire->entries, keymat, entry);
	wire->mutex->unlock(wire->mutex);
	return keymat;
}

/*
 * See header
 */
groupvpn_wire_peer_t *groupvpn_wire_find(ike_sa_t *ike_sa)
{
	entry_t *entry;

	if (!wire || ike_sa->get_version(ike_sa) != IKEV2)
	{
		return NULL;
	}
	entry = find_entry(ike_sa->get_keymat(ike_sa));
	return entry ? &entry->peer : NULL;
}

/* --- start and stop --- */

/*
 * See header
 */
bool groupvpn_wire_started()
{
	return wire != NULL;
}

/*
 * See header
 */
void groupvpn_wire_start()
{
	if (wire)
	{
		return;
	}
	INIT(wire,
		.send = charon->socket->send,
		.receive = charon->socket->receive,
		.entries = hashtable_create(hashtable_hash_ptr, hashtable_equals_ptr,
									32),
		.mutex = mutex_create(MUTEX_TYPE_DEFAULT),
	);
	keymat_register_constructor(IKEV2, create_keymat);
	charon->socket->send = _send_packet;
	charon->socket->receive = _receive_packet;
	DBG1(DBG_CFG, "groupvpn: exchange types of RFC 9838 are sent and received");
}

/*
 * See header
 */
void groupvpn_wire_stop()
{
	enumerator_t *enumerator;
	keymat_t *keymat;
	entry_t *entry;

	if (!wire)
	{
		return;
	}
	charon->socket->send = wire->send;
	charon->socket->receive = wire->receive;
	keymat_register_constructor(IKEV2, NULL);
	enumerator = wire->entries->create_enumerator(wire->entries);
	while (enumerator->enumerate(enumerator, &keymat, &entry))
	{	/* charon has it for itself again */
		keymat->get_aead = entry->get_aead;
		keymat->destroy = entry->destroy;
		free(entry);
	}
	enumerator->destroy(enumerator);
	wire->entries->destroy(wire->entries);
	wire->mutex->destroy(wire->mutex);
	free(wire);
	wire = NULL;
}
