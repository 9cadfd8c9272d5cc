/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * member-IDs count up from 1 in the order of first registration.
 *
 * Sender-IDs count up, too, and are never given twice while a key lives that
 * they went into. When they are used up the owner starts a new epoch and the
 * count begins again; members that keep their Sender-ID into that epoch keep
 * it from others.
 *
 * The Sender-IDs of a member rise, so that the others can tell an old BGP route
 * from a new one. Where the count alone does not ensure it, since it has begun
 * again or because an earlier run of this GCKS has left no store, the next one
 * above the member's last is taken out of turn. Only a member that has come to
 * the end of all Sender-IDs gets a low one; the others take it from the next
 * epoch on.
 *
 * Members that come from an earlier run of this GCKS keep member-ID and
 * Sender-ID, if the store has them or nobody else has got them since: so the
 * other members need not change anything.
 */

#include "groupvpn_registrations.h"
#include "groupvpn_certificates.h"
#include "groupvpn_util.h"

#include <collections/hashtable.h>

#include <gv.h>

#define MEMBER_ID_MAX UINT16_MAX

typedef struct private_groupvpn_registrations_t private_groupvpn_registrations_t;

/**
 * Private data
 */
struct private_groupvpn_registrations_t {

	/**
	 * Public interface
	 */
	groupvpn_registrations_t public;

	/**
	 * Entries by identity
	 */
	hashtable_t *identities;

	/**
	 * Entries, member-ID => groupvpn_registration_t
	 */
	hashtable_t *members;

	/**
	 * Registered entries by gateway
	 */
	hashtable_t *gateways;

	/**
	 * Group that these are of
	 */
	uint32_t group_id;

	/**
	 * Index of the registrations of all groups
	 */
	groupvpn_ike_index_t *index;

	/**
	 * Last member-ID and Sender-ID that were counted
	 */
	uint16_t member_id;
	uint32_t sender_id;

	/**
	 * Sender-IDs that must not be counted, Sender-ID => itself
	 */
	hashtable_t *reserved;
};

/**
 * Hash an identity
 */
static u_int identity_hash(identification_t *identity)
{
	return identity->hash(identity, 0);
}

/**
 * Compare identities
 */
static bool identity_equals(identification_t *a, identification_t *b)
{
	return a->equals(a, b);
}

METHOD(groupvpn_registrations_t, clear, void,
	private_groupvpn_registrations_t *this,
	groupvpn_registration_t *registration)
{
	if (registration->ike_sa)
	{
		this->index->remove(this->index, registration);
		this->gateways->remove(this->gateways, registration->gateway);
		registration->gateway->destroy(registration->gateway);
		registration->ike_sa_id->destroy(registration->ike_sa_id);
		registration->until = groupvpn_now();
	}
	registration->gateway = NULL;
	registration->ike_sa_id = NULL;
	registration->ike_sa = 0;
	registration->rekeying = FALSE;
	registration->misses = 0;
	registration->again = FALSE;
	registration->refused = 0;
	registration->repeating = FALSE;
	registration->listing = FALSE;
}

METHOD(groupvpn_registrations_t, set, void,
	private_groupvpn_registrations_t *this,
	groupvpn_registration_t *registration, uint32_t ike_sa,
	ike_sa_id_t *ike_sa_id, host_t *gateway)
{
	gateway = gateway->clone(gateway);
	clear(this, registration);
	registration->gateway = gateway;
	registration->gateway->set_port(registration->gateway, 0);
	registration->ike_sa_id = ike_sa_id->clone(ike_sa_id);
	registration->ike_sa = ike_sa;
	this->index->add(this->index, registration);
	this->gateways->put(this->gateways, registration->gateway, registration);
}

METHOD(groupvpn_registrations_t, get_count, u_int,
	private_groupvpn_registrations_t *this)
{
	return this->gateways->get_count(this->gateways);
}

METHOD(groupvpn_registrations_t, find_identity, groupvpn_registration_t*,
	private_groupvpn_registrations_t *this, identification_t *identity)
{
	return this->identities->get(this->identities, identity);
}

METHOD(groupvpn_registrations_t, find_gateway, groupvpn_registration_t*,
	private_groupvpn_registrations_t *this, host_t *gateway)
{
	return this->gateways->get(this->gateways, gateway);
}

METHOD(groupvpn_registrations_t, find, groupvpn_registration_t*,
	private_groupvpn_registrations_t *this, uint16_t member_id)
{
	return this->members->get(this->members, (void*)(uintptr_t)member_id);
}

/**
 * Count the next member-ID that is free, 0 if there is none
 */
static uint16_t next_member_id(private_groupvpn_registrations_t *this)
{
	do
	{
		if (this->member_id == MEMBER_ID_MAX)
		{
			return 0;
		}
		this->member_id++;
	}
	while (find(this, this->member_id));
	return this->member_id;
}

METHOD(groupvpn_registrations_t, get, groupvpn_registration_t*,
	private_groupvpn_registrations_t *this, identification_t *identity,
	uint16_t member_id)
{
	groupvpn_registration_t *registration;

	registration = this->identities->get(this->identities, identity);
	if (registration)
	{
		return registration;
	}
	if (!member_id || find(this, member_id))
	{
		member_id = next_member_id(this);
	}
	if (!member_id)
	{
		return NULL;
	}
	INIT(registration,
		.group_id = this->group_id,
		.identity = identity->clone(identity),
		.member_id = member_id,
	);
	this->members->put(this->members, (void*)(uintptr_t)member_id,
					   registration);
	this->identities->put(this->identities, registration->identity,
						  registration);
	return registration;
}

/**
 * Whether a Sender-ID must not be counted
 */
static bool is_reserved(private_groupvpn_registrations_t *this,
						uint32_t sender_id)
{
	return this->reserved->get(this->reserved,
							   (void*)(uintptr_t)sender_id) != NULL;
}

/**
 * Have a Sender-ID not be counted
 */
static void reserve(private_groupvpn_registrations_t *this, uint32_t sender_id)
{
	this->reserved->put(this->reserved, (void*)(uintptr_t)sender_id,
						(void*)(uintptr_t)sender_id);
}

/**
 * Find the Sender-ID that follows and is not reserved, 0 if there is none
 */
static uint32_t next_sender_id(private_groupvpn_registrations_t *this,
							   uint32_t sender_id)
{
	do
	{
		if (sender_id >= GV_SENDER_ID_MAX)
		{
			return 0;
		}
		sender_id++;
	}
	while (is_reserved(this, sender_id));
	return sender_id;
}

/**
 * Find a Sender-ID for an entry whose last one the count has not reached, 0 if
 * there is none
 */
static uint32_t find_higher(private_groupvpn_registrations_t *this,
							groupvpn_registration_t *registration,
							uint32_t held)
{
	uint32_t last = registration->last_sender_id;

	if (held <= this->sender_id + GROUPVPN_HELD_MAX)
	{	/* or else all could be used up by one who says what is not true */
		last = max(last, held);
	}
	if (last <= this->sender_id)
	{
		return 0;
	}
	if (last > registration->last_sender_id && last <= GV_SENDER_ID_MAX &&
		!is_reserved(this, last))
	{
		return last;
	}
	return next_sender_id(this, last);
}

METHOD(groupvpn_registrations_t, allot, bool,
	private_groupvpn_registrations_t *this,
	groupvpn_registration_t *registration, uint32_t held)
{
	uint32_t sender_id = find_higher(this, registration, held);

	if (sender_id)
	{
		reserve(this, sender_id);
	}
	else
	{
		sender_id = next_sender_id(this, this->sender_id);
		if (!sender_id)
		{
			return FALSE;
		}
		this->sender_id = sender_id;
	}
	registration->sender_id = sender_id;
	registration->last_sender_id = sender_id;
	return TRUE;
}

METHOD(groupvpn_registrations_t, restore, void,
	private_groupvpn_registrations_t *this, identification_t *identity,
	uint16_t member_id, uint32_t sender_id, auth_class_t class,
	auth_cfg_t *auth)
{
	groupvpn_registration_t *registration;

	registration = get(this, identity, member_id);
	registration->class = class;
	registration->auth = auth;
	if (auth && class == AUTH_CLASS_PUBKEY)
	{
		registration->certificate = groupvpn_certificate(auth);
		registration->certificate->get_ref(registration->certificate);
	}
	registration->remembered = !registration->certificate;
	registration->awaited = sender_id != 0;
	registration->sender_id = sender_id;
	registration->last_sender_id = sender_id;
	registration->stored_sender_id = sender_id;
	registration->stored = TRUE;
	registration->until = sender_id ? groupvpn_now() : 0;
	if (sender_id > this->sender_id)
	{	/* kept from before the count began again */
		reserve(this, sender_id);
	}
}

METHOD(groupvpn_registrations_t, skip, void,
	private_groupvpn_registrations_t *this, uint32_t sender_id)
{
	this->sender_id = max(this->sender_id, sender_id);
}

METHOD(groupvpn_registrations_t, restart, void,
	private_groupvpn_registrations_t *this)
{
	enumerator_t *enumerator;
	groupvpn_registration_t *registration;

	this->sender_id = 0;
	this->reserved->destroy(this->reserved);
	this->reserved = hashtable_create(hashtable_hash_ptr, hashtable_equals_ptr,
									  32);
	enumerator = this->members->create_enumerator(this->members);
	while (enumerator->enumerate(enumerator, NULL, &registration))
	{
		if (registration->sender_id)
		{	/* registered or not: a GSA_REKEY message takes it there, too */
			reserve(this, registration->sender_id);
		}
	}
	enumerator->destroy(enumerator);
}

CALLBACK(member_filter, bool,
	void *data, enumerator_t *orig, va_list args)
{
	groupvpn_registration_t *registration, **out;

	VA_ARGS_VGET(args, out);
	if (!orig->enumerate(orig, NULL, &registration))
	{
		return FALSE;
	}
	*out = registration;
	return TRUE;
}

METHOD(groupvpn_registrations_t, create_enumerator, enumerator_t*,
	private_groupvpn_registrations_t *this)
{
	return enumerator_create_filter(
							this->members->create_enumerator(this->members),
							member_filter, NULL, NULL);
}

METHOD(groupvpn_registrations_t, destroy, void,
	private_groupvpn_registrations_t *this)
{
	enumerator_t *enumerator;
	groupvpn_registration_t *registration;

	this->identities->destroy(this->identities);
	enumerator = this->members->create_enumerator(this->members);
	while (enumerator->enumerate(enumerator, NULL, &registration))
	{
		clear(this, registration);
		DESTROY_IF(registration->certificate);
		registration->identity->destroy(registration->identity);
		DESTROY_IF(registration->auth);
		DESTROY_IF(registration->prefixes);
		free(registration->peers);
		free(registration);
	}
	enumerator->destroy(enumerator);
	this->members->destroy(this->members);
	this->gateways->destroy(this->gateways);
	this->reserved->destroy(this->reserved);
	free(this);
}

/*
 * See header
 */
groupvpn_registrations_t *groupvpn_registrations_create(uint32_t group_id,
												groupvpn_ike_index_t *index)
{
	private_groupvpn_registrations_t *this;

	INIT(this,
		.public = {
			.get = _get,
			.find = _find,
			.find_identity = _find_identity,
			.find_gateway = _find_gateway,
			.set = _set,
			.clear = _clear,
			.get_count = _get_count,
			.allot = _allot,
			.restore = _restore,
			.skip = _skip,
			.restart = _restart,
			.create_enumerator = _create_enumerator,
			.destroy = _destroy,
		},
		.identities = hashtable_create((hashtable_hash_t)identity_hash,
									   (hashtable_equals_t)identity_equals, 32),
		.members = hashtable_create(hashtable_hash_ptr, hashtable_equals_ptr,
									32),
		.gateways = hashtable_create((hashtable_hash_t)groupvpn_host_hash,
								(hashtable_equals_t)groupvpn_host_equals, 32),
		.group_id = group_id,
		.index = index,
		.reserved = hashtable_create(hashtable_hash_ptr, hashtable_equals_ptr,
									 32),
	);
	return &this->public;
}
