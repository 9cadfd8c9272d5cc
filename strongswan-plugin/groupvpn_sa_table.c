/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A group has one or two live epochs, three when it rolls in quick succession:
 * a list will do.
 */

#include "groupvpn_sa_table.h"

#include <collections/linked_list.h>

#include <crypto.h>

/* how long before an epoch ends the next one takes over, in milliseconds */
#define HANDOVER 1000

typedef struct private_groupvpn_sa_table_t private_groupvpn_sa_table_t;

/**
 * Private data
 */
struct private_groupvpn_sa_table_t {

	/**
	 * Public interface
	 */
	groupvpn_sa_table_t public;

	/**
	 * Epochs, oldest first, as groupvpn_sa_t
	 */
	linked_list_t *sas;
};

/**
 * Wipe and free an epoch
 */
static void sa_destroy(groupvpn_sa_t *sa)
{
	gv_wipe(sa, sizeof(*sa));
	free(sa);
}

/*
 * See header
 */
bool groupvpn_sa_is_shared(const groupvpn_sa_t *sa)
{
	static const uint8_t none[GV_ESP_KEY_MAX];

	return !gv_equal(sa->sa.esp_key, none, sizeof(none));
}

METHOD(groupvpn_sa_table_t, newest, groupvpn_sa_t*,
	private_groupvpn_sa_table_t *this)
{
	groupvpn_sa_t *sa = NULL;

	this->sas->get_last(this->sas, (void**)&sa);
	return sa;
}

METHOD(groupvpn_sa_table_t, add, groupvpn_sa_t*,
	private_groupvpn_sa_table_t *this, const struct gv_epoch_sa *epoch,
	uint64_t now)
{
	groupvpn_sa_t *sa, *last = newest(this);

	if (last && last->sa.epoch >= epoch->epoch)
	{
		return NULL;
	}
	INIT(sa,
		.sa = *epoch,
		.since = now,
		.expires = epoch->lifetime ? now + epoch->lifetime * 1000ULL
								   : GROUPVPN_NEVER,
		.retires = GROUPVPN_NEVER,
	);
	gv_secret_hide(sa, sizeof(*sa));
	this->sas->insert_last(this->sas, sa);
	return sa;
}

METHOD(groupvpn_sa_table_t, find, groupvpn_sa_t*,
	private_groupvpn_sa_table_t *this, uint32_t epoch)
{
	enumerator_t *enumerator;
	groupvpn_sa_t *sa, *found = NULL;

	enumerator = this->sas->create_enumerator(this->sas);
	while (enumerator->enumerate(enumerator, &sa))
	{
		if (sa->sa.epoch == epoch)
		{
			found = sa;
			break;
		}
	}
	enumerator->destroy(enumerator);
	return found;
}

METHOD(groupvpn_sa_table_t, has_tag, bool,
	private_groupvpn_sa_table_t *this, uint8_t tag)
{
	enumerator_t *enumerator;
	groupvpn_sa_t *sa;
	bool found = FALSE;

	enumerator = this->sas->create_enumerator(this->sas);
	while (enumerator->enumerate(enumerator, &sa))
	{
		found |= sa->sa.tag == tag;
	}
	enumerator->destroy(enumerator);
	return found;
}

METHOD(groupvpn_sa_table_t, get_activation, uint64_t,
	private_groupvpn_sa_table_t *this, uint32_t atd, uint64_t now)
{
	enumerator_t *enumerator;
	groupvpn_sa_t *sa;
	uint64_t until = 0;

	enumerator = this->sas->create_enumerator(this->sas);
	while (enumerator->enumerate(enumerator, &sa))
	{
		if (sa->sending)
		{
			until = max(until, min(sa->expires, sa->retires));
		}
	}
	enumerator->destroy(enumerator);
	until -= min(until, HANDOVER);
	return max(now, min(now + atd * 1000ULL, until));
}

METHOD(groupvpn_sa_table_t, create_enumerator, enumerator_t*,
	private_groupvpn_sa_table_t *this)
{
	return this->sas->create_enumerator(this->sas);
}

METHOD(groupvpn_sa_table_t, due, groupvpn_sa_t*,
	private_groupvpn_sa_table_t *this, uint64_t now)
{
	enumerator_t *enumerator;
	groupvpn_sa_t *sa, *found = NULL;

	enumerator = this->sas->create_enumerator(this->sas);
	while (enumerator->enumerate(enumerator, &sa))
	{
		if (min(sa->expires, sa->retires) <= now)
		{
			found = sa;
			break;
		}
	}
	enumerator->destroy(enumerator);
	return found;
}

METHOD(groupvpn_sa_table_t, remove_, void,
	private_groupvpn_sa_table_t *this, groupvpn_sa_t *sa)
{
	this->sas->remove(this->sas, sa, NULL);
	sa_destroy(sa);
}

METHOD(groupvpn_sa_table_t, export_, void,
	private_groupvpn_sa_table_t *this, uint32_t first, struct gv_gsa *gsa,
	uint64_t now)
{
	enumerator_t *enumerator;
	groupvpn_sa_t *sa;
	struct gv_epoch_sa *out;
	uint64_t ends;
	bool shared = gsa->sa_mode == GV_SA_SHARED;
	int skip = this->sas->get_count(this->sas) - GV_EPOCHS_MAX;

	gsa->epochs = 0;
	enumerator = this->sas->create_enumerator(this->sas);
	while (enumerator->enumerate(enumerator, &sa))
	{
		/* who gets it now must not keep it longer than those who have it */
		ends = min(sa->expires, sa->retires);
		if (skip-- > 0 || sa->sa.epoch < first || ends <= now ||
			groupvpn_sa_is_shared(sa) != shared)
		{
			continue;
		}
		out = &gsa->epoch[gsa->epochs++];
		*out = sa->sa;
		if (ends != GROUPVPN_NEVER)
		{	/* what is left, 0 would mean for ever */
			out->lifetime = max((ends - now) / 1000, 1);
		}
	}
	enumerator->destroy(enumerator);
}

METHOD(groupvpn_sa_table_t, destroy, void,
	private_groupvpn_sa_table_t *this)
{
	this->sas->destroy_function(this->sas, (void*)sa_destroy);
	free(this);
}

/*
 * See header
 */
groupvpn_sa_table_t *groupvpn_sa_table_create()
{
	private_groupvpn_sa_table_t *this;

	INIT(this,
		.public = {
			.add = _add,
			.find = _find,
			.newest = _newest,
			.get_activation = _get_activation,
			.has_tag = _has_tag,
			.create_enumerator = _create_enumerator,
			.due = _due,
			.remove = _remove_,
			.export = _export_,
			.destroy = _destroy,
		},
		.sas = linked_list_create(),
	);
	return &this->public;
}
