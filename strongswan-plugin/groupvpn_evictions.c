/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Evictions are an operator's acts, so there are few: a list will do. It is
 * looked through at each registration.
 *
 * Whoever has a certificate can authenticate by each of its names, so it is
 * locked out by an eviction of any of them: and so is one that the CA has issued
 * since for these names, which a fingerprint would not find.
 */

#include "groupvpn_evictions.h"

#include <collections/linked_list.h>

typedef struct private_groupvpn_evictions_t private_groupvpn_evictions_t;

/**
 * Private data
 */
struct private_groupvpn_evictions_t {

	/**
	 * Public interface
	 */
	groupvpn_evictions_t public;

	/**
	 * Oldest first, as groupvpn_eviction_t
	 */
	linked_list_t *evictions;
};

/**
 * Free an eviction
 */
static void eviction_destroy(groupvpn_eviction_t *eviction)
{
	eviction->identity->destroy(eviction->identity);
	free(eviction);
}

METHOD(groupvpn_evictions_t, find, groupvpn_eviction_t*,
	private_groupvpn_evictions_t *this, identification_t *identity)
{
	enumerator_t *enumerator;
	groupvpn_eviction_t *eviction, *found = NULL;

	enumerator = this->evictions->create_enumerator(this->evictions);
	while (enumerator->enumerate(enumerator, &eviction))
	{
		if (identity->equals(identity, eviction->identity))
		{
			found = eviction;
			break;
		}
	}
	enumerator->destroy(enumerator);
	return found;
}

/*
 * See header
 */
bool groupvpn_eviction_is_of(groupvpn_eviction_t *eviction,
							 identification_t *identity,
							 certificate_t *certificate)
{
	return identity->equals(identity, eviction->identity) ||
		   (certificate &&
			certificate->has_subject(certificate, eviction->identity) ==
															ID_MATCH_PERFECT);
}

METHOD(groupvpn_evictions_t, find_any, groupvpn_eviction_t*,
	private_groupvpn_evictions_t *this, identification_t *identity,
	certificate_t *certificate)
{
	enumerator_t *enumerator;
	groupvpn_eviction_t *eviction, *found = NULL;

	enumerator = this->evictions->create_enumerator(this->evictions);
	while (!found && enumerator->enumerate(enumerator, &eviction))
	{
		if (groupvpn_eviction_is_of(eviction, identity, certificate))
		{
			found = eviction;
		}
	}
	enumerator->destroy(enumerator);
	return found;
}

METHOD(groupvpn_evictions_t, add, bool,
	private_groupvpn_evictions_t *this, identification_t *identity, char *why)
{
	groupvpn_eviction_t *eviction;

	if (find(this, identity))
	{
		return FALSE;
	}
	INIT(eviction,
		.identity = identity->clone(identity),
		.since = groupvpn_now(),
	);
	snprintf(eviction->why, sizeof(eviction->why), "%s", why);
	this->evictions->insert_last(this->evictions, eviction);
	return TRUE;
}

METHOD(groupvpn_evictions_t, remove_, bool,
	private_groupvpn_evictions_t *this, identification_t *identity)
{
	groupvpn_eviction_t *eviction = find(this, identity);

	if (!eviction)
	{
		return FALSE;
	}
	this->evictions->remove(this->evictions, eviction, NULL);
	eviction_destroy(eviction);
	return TRUE;
}

METHOD(groupvpn_evictions_t, get_count, u_int,
	private_groupvpn_evictions_t *this)
{
	return this->evictions->get_count(this->evictions);
}

METHOD(groupvpn_evictions_t, create_enumerator, enumerator_t*,
	private_groupvpn_evictions_t *this)
{
	return this->evictions->create_enumerator(this->evictions);
}

METHOD(groupvpn_evictions_t, destroy, void,
	private_groupvpn_evictions_t *this)
{
	this->evictions->destroy_function(this->evictions,
									  (void*)eviction_destroy);
	free(this);
}

/*
 * See header
 */
groupvpn_evictions_t *groupvpn_evictions_create()
{
	private_groupvpn_evictions_t *this;

	INIT(this,
		.public = {
			.add = _add,
			.find = _find,
			.find_any = _find_any,
			.remove = _remove_,
			.get_count = _get_count,
			.create_enumerator = _create_enumerator,
			.destroy = _destroy,
		},
		.evictions = linked_list_create(),
	);
	return &this->public;
}
