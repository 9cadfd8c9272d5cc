/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An IKE_SA carries one registration for each group that its peer is a member
 * of, which are few: a short list for each IKE_SA.
 */

#include "groupvpn_ike_index.h"
#include "groupvpn_registrations.h"

#include <collections/hashtable.h>
#include <collections/linked_list.h>

typedef struct private_groupvpn_ike_index_t private_groupvpn_ike_index_t;

/**
 * Private data
 */
struct private_groupvpn_ike_index_t {

	/**
	 * Public interface
	 */
	groupvpn_ike_index_t public;

	/**
	 * Unique ID => linked_list_t of groupvpn_registration_t
	 */
	hashtable_t *ike_sas;
};

/**
 * Get the list of an IKE_SA, NULL if there is none
 */
static linked_list_t *get_list(private_groupvpn_ike_index_t *this,
							   uint32_t ike_sa)
{
	return this->ike_sas->get(this->ike_sas, (void*)(uintptr_t)ike_sa);
}

METHOD(groupvpn_ike_index_t, add, void,
	private_groupvpn_ike_index_t *this, groupvpn_registration_t *registration)
{
	linked_list_t *list = get_list(this, registration->ike_sa);

	if (!list)
	{
		list = linked_list_create();
		this->ike_sas->put(this->ike_sas,
						   (void*)(uintptr_t)registration->ike_sa, list);
	}
	list->insert_last(list, registration);
}

METHOD(groupvpn_ike_index_t, remove_, void,
	private_groupvpn_ike_index_t *this, groupvpn_registration_t *registration)
{
	linked_list_t *list = get_list(this, registration->ike_sa);

	if (list && list->remove(list, registration, NULL) &&
		!list->get_count(list))
	{
		this->ike_sas->remove(this->ike_sas,
							  (void*)(uintptr_t)registration->ike_sa);
		list->destroy(list);
	}
}

METHOD(groupvpn_ike_index_t, find, groupvpn_registration_t*,
	private_groupvpn_ike_index_t *this, uint32_t ike_sa, uint32_t group_id)
{
	enumerator_t *enumerator;
	groupvpn_registration_t *registration, *found = NULL;
	linked_list_t *list = get_list(this, ike_sa);

	if (!list)
	{
		return NULL;
	}
	enumerator = list->create_enumerator(list);
	while (enumerator->enumerate(enumerator, &registration))
	{
		if (registration->group_id == group_id)
		{
			found = registration;
			break;
		}
	}
	enumerator->destroy(enumerator);
	return found;
}

METHOD(groupvpn_ike_index_t, has, bool,
	private_groupvpn_ike_index_t *this, uint32_t ike_sa)
{
	return get_list(this, ike_sa) != NULL;
}

METHOD(groupvpn_ike_index_t, create_enumerator, enumerator_t*,
	private_groupvpn_ike_index_t *this, uint32_t ike_sa)
{
	linked_list_t *list = get_list(this, ike_sa);

	if (!list)
	{
		return enumerator_create_empty();
	}
	list = linked_list_create_from_enumerator(list->create_enumerator(list));
	return enumerator_create_cleaner(list->create_enumerator(list),
									 (void*)list->destroy, list);
}

METHOD(groupvpn_ike_index_t, destroy, void,
	private_groupvpn_ike_index_t *this)
{
	this->ike_sas->destroy(this->ike_sas);
	free(this);
}

/*
 * See header
 */
groupvpn_ike_index_t *groupvpn_ike_index_create()
{
	private_groupvpn_ike_index_t *this;

	INIT(this,
		.public = {
			.add = _add,
			.remove = _remove_,
			.find = _find,
			.has = _has,
			.create_enumerator = _create_enumerator,
			.destroy = _destroy,
		},
		.ike_sas = hashtable_create(hashtable_hash_ptr, hashtable_equals_ptr,
									32),
	);
	return &this->public;
}
