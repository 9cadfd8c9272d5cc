/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bgpd says which messages the descriptor has, the oldest first; of these we
 * have usually seen all but the last. What the last one is decides: if it is
 * new, or the one that we took last, then all is well, whatever was before it.
 * If it is of another Rekey SA, or brings keys that we can not open, then we
 * have missed something. Everything else is not from the GCKS, or is old, and
 * changes nothing. Of each of them only the first is told of in the log, until
 * a good one comes: whoever can send them can send many.
 */

#include "groupvpn_rekey_sa.h"

#include <crypto.h>
#include <rekey.h>

/* former Rekey SAs that we know as such, so that their messages are replays */
#define FORMER 8

/* where the Message-ID is in a message */
#define MESSAGE_ID 20

typedef struct private_groupvpn_rekey_sa_t private_groupvpn_rekey_sa_t;

ENUM(groupvpn_rekey_counter_names, GROUPVPN_REKEYS_BY_BGP,
	GROUPVPN_REKEYS_UNUSABLE,
	"rekeys-by-bgp",
	"rekeys-replayed",
	"rekeys-forged",
	"rekeys-not-signed",
	"rekeys-malformed",
	"rekeys-missed",
	"rekeys-excluded",
	"rekeys-unusable",
);

/**
 * Private data
 */
struct private_groupvpn_rekey_sa_t {

	/**
	 * Public interface
	 */
	groupvpn_rekey_sa_t public;

	/**
	 * Group
	 */
	char *name;
	uint32_t id;

	/**
	 * There is a Rekey SA
	 */
	bool active;

	/**
	 * The Rekey SA, when it ends, and our keys
	 */
	struct gv_kek kek;
	uint64_t expires;
	struct gv_key_path path;

	/**
	 * SPIs of former Rekey SAs, the last ones
	 */
	uint8_t former[FORMER][GV_REKEY_SPI_LEN];
	u_int formers;

	/**
	 * Messages that bgpd has, and what of them we have looked at
	 */
	chunk_t heard;
	size_t seen;

	/**
	 * What was wrong with those we have looked at, to be counted if they end
	 * so
	 */
	u_int faults[GV_REKEY_ERRORS];

	/**
	 * Why we have to register, NULL if we do not
	 */
	const char *lost;

	/**
	 * The last thing that was wrong and told of, GV_REKEY_OK if nothing
	 */
	enum gv_rekey_error told;

	/**
	 * Counters
	 */
	uint64_t counters[GROUPVPN_REKEY_COUNTERS];
};

/**
 * Look at what was heard from the beginning
 */
static void rewind_heard(private_groupvpn_rekey_sa_t *this)
{
	this->seen = 0;
	this->lost = NULL;
	memset(this->faults, 0, sizeof(this->faults));
}

/**
 * Remember the Rekey SA in use as a former one
 */
static void retire(private_groupvpn_rekey_sa_t *this)
{
	memcpy(this->former[this->formers++ % FORMER], this->kek.spi,
		   GV_REKEY_SPI_LEN);
}

/**
 * Use another Rekey SA
 */
static void use(private_groupvpn_rekey_sa_t *this, const struct gv_kek *kek)
{
	if (this->active && memcmp(this->kek.spi, kek->spi, GV_REKEY_SPI_LEN) != 0)
	{
		retire(this);
	}
	this->kek = *kek;
	this->expires = groupvpn_now() + kek->lifetime * 1000ULL;
	this->active = TRUE;
}

METHOD(groupvpn_rekey_sa_t, set, void,
	private_groupvpn_rekey_sa_t *this, const struct gv_gsa *gsa,
	struct gv_key_path *path)
{
	if (gsa->has_kek)
	{
		use(this, &gsa->kek);
		this->path = *path;
	}
	else if (this->active)
	{
		retire(this);
		gv_wipe(&this->kek, sizeof(this->kek));
		gv_path_wipe(&this->path);
		this->active = FALSE;
	}
	gv_path_wipe(path);
	rewind_heard(this);
}

METHOD(groupvpn_rekey_sa_t, clear, void,
	private_groupvpn_rekey_sa_t *this)
{
	static const struct gv_gsa none;
	struct gv_key_path path = {};

	set(this, &none, &path);
}

METHOD(groupvpn_rekey_sa_t, is_active, bool,
	private_groupvpn_rekey_sa_t *this)
{
	return this->active;
}

METHOD(groupvpn_rekey_sa_t, hear, void,
	private_groupvpn_rekey_sa_t *this, chunk_t messages)
{
	if (!chunk_equals(messages, this->heard))
	{
		chunk_free(&this->heard);
		this->heard = chunk_clone(messages);
		rewind_heard(this);
	}
}

METHOD(groupvpn_rekey_sa_t, is_hearing, bool,
	private_groupvpn_rekey_sa_t *this)
{
	return this->heard.len > 0;
}

/**
 * Whether a message is of a Rekey SA that we had
 */
static bool is_former(private_groupvpn_rekey_sa_t *this, chunk_t message)
{
	u_int i;

	for (i = 0; i < min(this->formers, FORMER); i++)
	{
		if (memcmp(this->former[i], message.ptr, GV_REKEY_SPI_LEN) == 0)
		{
			return TRUE;
		}
	}
	return FALSE;
}

/**
 * Whether a message that was replayed is the last one that we took
 */
static bool is_current(private_groupvpn_rekey_sa_t *this, chunk_t message)
{
	return memcmp(message.ptr, this->kek.spi, GV_REKEY_SPI_LEN) == 0 &&
		   untoh32(message.ptr + MESSAGE_ID) + 1 == this->kek.message_id;
}

/**
 * What an error is counted as
 */
static groupvpn_rekey_counter_t get_counter(enum gv_rekey_error error)
{
	switch (error)
	{
		case GV_REKEY_REPLAYED:
			return GROUPVPN_REKEYS_REPLAYED;
		case GV_REKEY_FORGED:
			return GROUPVPN_REKEYS_FORGED;
		case GV_REKEY_BAD_SIGNATURE:
			return GROUPVPN_REKEYS_NOT_SIGNED;
		case GV_REKEY_OTHER_SA:
		case GV_REKEY_MISSED:
			return GROUPVPN_REKEYS_MISSED;
		case GV_REKEY_EXCLUDED:
			return GROUPVPN_REKEYS_EXCLUDED;
		case GV_REKEY_BAD_CONTENT:
			return GROUPVPN_REKEYS_UNUSABLE;
		default:
			return GROUPVPN_REKEYS_MALFORMED;
	}
}

/**
 * Whether only a registration helps after an error
 */
static bool is_loss(enum gv_rekey_error error)
{
	return error == GV_REKEY_OTHER_SA || error == GV_REKEY_MISSED ||
		   error == GV_REKEY_EXCLUDED || error == GV_REKEY_BAD_CONTENT;
}

/**
 * All messages were looked at, and the last one was neither new nor the one
 * that we took last. If we had it before that, all of them are old, and what
 * there is among them of Rekey SAs that we never had is not missed.
 */
static void conclude(private_groupvpn_rekey_sa_t *this,
					 enum gv_rekey_error error)
{
	u_int i;

	for (i = GV_REKEY_OK + 1; i < GV_REKEY_ERRORS; i++)
	{
		if (this->faults[i])
		{
			this->counters[get_counter(i)] += this->faults[i];
			if (is_loss(i) && error != GV_REKEY_REPLAYED)
			{
				this->lost = gv_rekey_error_text(i);
			}
		}
	}
	if (this->told != error)
	{
		DBG1(DBG_IKE, "groupvpn: group '%s': GSA_REKEY message not accepted: "
			 "%s", this->name, gv_rekey_error_text(error));
		this->told = error;
	}
}

/**
 * Look at one message
 */
static enum gv_rekey_error open_message(private_groupvpn_rekey_sa_t *this,
										chunk_t message, u_int can,
										struct gv_gsa *gsa)
{
	struct gv_gsa_receiver receiver = {
		.can = can,
		.path = &this->path,
	};
	enum gv_gikev2_error why;
	enum gv_rekey_error error;

	error = gv_rekey_decode(&this->kek, this->id, &receiver, message.ptr,
							message.len, gsa, &why);
	if (error == GV_REKEY_BAD_CONTENT)
	{
		DBG1(DBG_IKE, "groupvpn: group '%s': GSA_REKEY message can not be "
			 "used: %s", this->name, gv_gikev2_error_text(why));
	}
	if (error == GV_REKEY_OTHER_SA && is_former(this, message))
	{
		error = GV_REKEY_REPLAYED;
	}
	return error;
}

METHOD(groupvpn_rekey_sa_t, receive, bool,
	private_groupvpn_rekey_sa_t *this, u_int can, struct gv_gsa *gsa)
{
	enum gv_rekey_error error = GV_REKEY_OK;
	chunk_t message;

	while (this->active && this->seen < this->heard.len)
	{
		message = chunk_skip(this->heard, this->seen);
		message.len = gv_rekey_first(message.ptr, message.len) ?: message.len;
		this->seen += message.len;
		error = open_message(this, message, can, gsa);
		if (error == GV_REKEY_OK)
		{
			memset(this->faults, 0, sizeof(this->faults));
			this->told = GV_REKEY_OK;
			this->counters[GROUPVPN_REKEYS_BY_BGP]++;
			if (gsa->has_kek)
			{
				use(this, &gsa->kek);
			}
			return TRUE;
		}
		if (error == GV_REKEY_REPLAYED && is_current(this, message))
		{
			memset(this->faults, 0, sizeof(this->faults));
			error = GV_REKEY_OK;
		}
		else
		{
			this->faults[error]++;
		}
	}
	if (error != GV_REKEY_OK)
	{
		conclude(this, error);
	}
	return FALSE;
}

METHOD(groupvpn_rekey_sa_t, is_lost, const char*,
	private_groupvpn_rekey_sa_t *this)
{
	return this->active ? this->lost : NULL;
}

METHOD(groupvpn_rekey_sa_t, get_expiry, uint64_t,
	private_groupvpn_rekey_sa_t *this)
{
	return this->active ? this->expires : GROUPVPN_NEVER;
}

METHOD(groupvpn_rekey_sa_t, describe, bool,
	private_groupvpn_rekey_sa_t *this, chunk_t *spi, uint32_t *message_id,
	u_int *keys)
{
	*spi = chunk_from_thing(this->kek.spi);
	*message_id = this->kek.message_id;
	*keys = this->path.count;
	return this->active;
}

METHOD(groupvpn_rekey_sa_t, get_counters, uint64_t*,
	private_groupvpn_rekey_sa_t *this)
{
	return this->counters;
}

METHOD(groupvpn_rekey_sa_t, destroy, void,
	private_groupvpn_rekey_sa_t *this)
{
	gv_wipe(&this->kek, sizeof(this->kek));
	gv_path_wipe(&this->path);
	chunk_free(&this->heard);
	free(this->name);
	free(this);
}

/*
 * See header
 */
groupvpn_rekey_sa_t *groupvpn_rekey_sa_create(char *name, uint32_t id)
{
	private_groupvpn_rekey_sa_t *this;

	INIT(this,
		.public = {
			.set = _set,
			.clear = _clear,
			.is_active = _is_active,
			.hear = _hear,
			.is_hearing = _is_hearing,
			.receive = _receive,
			.is_lost = _is_lost,
			.get_expiry = _get_expiry,
			.describe = _describe,
			.get_counters = _get_counters,
			.destroy = _destroy,
		},
		.name = strdup(name),
		.id = id,
	);
	return &this->public;
}
