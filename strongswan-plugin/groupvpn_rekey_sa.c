/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bgpd says which messages the descriptor has, the oldest first; of these we
 * have usually seen all but the last. What the last one is decides: if it is
 * new, or the one that we took last, then all is well, whatever was before it.
 * If it is of another Rekey SA, or brings keys that we can not open, then we
 * have missed something. Everything else is not from the GCKS, or is old, and
 * changes nothing. Of each of them only the first is told of in the log, until
 * a good one comes: whoever can send them can send many.
 *
 * There are several such chains if neighbors of bgpd do not say the same. One
 * that leads nowhere is no loss if another one, heard at the same time or
 * later, is well: then it is what some neighbor is stuck with, or repeats. What
 * was heard before a registration counts as heard at the same time.
 */

#include "groupvpn_rekey_sa.h"

#include <control.h>
#include <crypto.h>

/* former Rekey SAs that we know as such, so that their messages are replays */
#define FORMER 8

/* where the Message-ID is in a message */
#define MESSAGE_ID 20

typedef struct private_groupvpn_rekey_sa_t private_groupvpn_rekey_sa_t;

/**
 * Messages that follow one another
 */
typedef struct {

	/* the messages, and what of them we have looked at */
	chunk_t messages;
	size_t seen;

	/* when they were heard, counted */
	u_int heard;

	/* what was wrong with those we have looked at, to be counted if they end
	 * so */
	u_int faults[GV_REKEY_ERRORS];

	/* the last one was new, or is the one that we took last */
	bool well;

	/* why we have to register, NULL if we do not */
	const char *lost;
} chain_t;

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
	 * Chains that bgpd has, and how often it has said so
	 */
	chain_t chains[GV_CTL_CHAINS_MAX];
	u_int count;
	u_int heard;

	/**
	 * What was wrong and told of since a message was good
	 */
	bool told[GV_REKEY_ERRORS];

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
	chain_t *chain;
	u_int i;

	for (i = 0; i < this->count; i++)
	{
		chain = &this->chains[i];
		*chain = (chain_t){
			.messages = chain->messages,
			.heard = this->heard,
		};
	}
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
 * Use another Rekey SA, or what a registration says of the one in use; what it
 * has brought already is not taken again
 */
static void use(private_groupvpn_rekey_sa_t *this, const struct gv_kek *kek)
{
	uint32_t message_id = 0;

	if (this->active && memeq(this->kek.spi, kek->spi, GV_REKEY_SPI_LEN))
	{
		message_id = this->kek.message_id;
	}
	else if (this->active)
	{
		retire(this);
	}
	this->kek = *kek;
	this->kek.message_id = max(this->kek.message_id, message_id);
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

/**
 * Take over a chain if we have it, or else begin it
 */
static chain_t take_chain(private_groupvpn_rekey_sa_t *this, chunk_t messages)
{
	chain_t chain;
	u_int i;

	for (i = 0; i < this->count; i++)
	{
		if (chunk_equals(this->chains[i].messages, messages))
		{
			chain = this->chains[i];
			this->chains[i].messages = chunk_empty;
			return chain;
		}
	}
	return (chain_t){
		.messages = chunk_clone(messages),
		.heard = this->heard,
	};
}

METHOD(groupvpn_rekey_sa_t, hear, void,
	private_groupvpn_rekey_sa_t *this, const chunk_t *chains, u_int count)
{
	chain_t taken[GV_CTL_CHAINS_MAX];
	u_int i, n = 0;

	this->heard++;
	for (i = 0; i < count && n < GV_CTL_CHAINS_MAX; i++)
	{
		if (chains[i].len)
		{
			taken[n++] = take_chain(this, chains[i]);
		}
	}
	for (i = 0; i < this->count; i++)
	{
		chunk_free(&this->chains[i].messages);
	}
	memcpy(this->chains, taken, n * sizeof(chain_t));
	this->count = n;
}

METHOD(groupvpn_rekey_sa_t, is_hearing, bool,
	private_groupvpn_rekey_sa_t *this)
{
	return this->count > 0;
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
 * All messages of a chain were looked at, and the last one was neither new nor
 * the one that we took last. If we had it before that, all of them are old, and
 * what there is among them of Rekey SAs that we never had is not missed either.
 */
static void conclude(private_groupvpn_rekey_sa_t *this, chain_t *chain,
					 enum gv_rekey_error error)
{
	bool old = error == GV_REKEY_REPLAYED;
	u_int i;

	for (i = GV_REKEY_OK + 1; i < GV_REKEY_ERRORS; i++)
	{
		if (chain->faults[i])
		{
			this->counters[get_counter(is_loss(i) && old ? error : i)] +=
															chain->faults[i];
			if (is_loss(i) && !old)
			{
				chain->lost = gv_rekey_error_text(i);
			}
		}
	}
	if (!this->told[error])
	{
		DBG1(DBG_IKE, "groupvpn: group '%s': GSA_REKEY message not accepted: "
			 "%s", this->name, gv_rekey_error_text(error));
		this->told[error] = TRUE;
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

/**
 * Open the next message of a chain that is new; FALSE if there is none anymore
 */
static bool receive_next(private_groupvpn_rekey_sa_t *this, chain_t *chain,
						 u_int can, struct gv_gsa *gsa)
{
	enum gv_rekey_error error = GV_REKEY_OK;
	chunk_t message;

	while (this->active && chain->seen < chain->messages.len)
	{
		message = chunk_skip(chain->messages, chain->seen);
		message.len = gv_rekey_first(message.ptr, message.len) ?: message.len;
		chain->seen += message.len;
		error = open_message(this, message, can, gsa);
		if (error == GV_REKEY_OK ||
			(error == GV_REKEY_REPLAYED && is_current(this, message)))
		{
			memset(chain->faults, 0, sizeof(chain->faults));
			chain->well = TRUE;
		}
		else
		{
			chain->faults[error]++;
			chain->well = FALSE;
		}
		if (error == GV_REKEY_OK)
		{
			memset(this->told, 0, sizeof(this->told));
			this->counters[GROUPVPN_REKEYS_BY_BGP]++;
			if (gsa->has_kek)
			{
				use(this, &gsa->kek);
			}
			return TRUE;
		}
	}
	if (error != GV_REKEY_OK && !chain->well)
	{
		conclude(this, chain, error);
	}
	return FALSE;
}

/**
 * A chain brought a Rekey SA: others may go on with it, that led nowhere
 * before
 */
static void look_again(private_groupvpn_rekey_sa_t *this, chain_t *from)
{
	chain_t *chain;
	u_int i;

	for (i = 0; i < this->count; i++)
	{
		chain = &this->chains[i];
		if (chain != from && !chain->well)
		{
			*chain = (chain_t){
				.messages = chain->messages,
				.heard = chain->heard,
			};
		}
	}
}

METHOD(groupvpn_rekey_sa_t, receive, bool,
	private_groupvpn_rekey_sa_t *this, u_int can, struct gv_gsa *gsa)
{
	u_int i;

	for (i = 0; i < this->count; i++)
	{
		if (receive_next(this, &this->chains[i], can, gsa))
		{
			if (gsa->has_kek)
			{
				look_again(this, &this->chains[i]);
			}
			return TRUE;
		}
	}
	return FALSE;
}

METHOD(groupvpn_rekey_sa_t, is_lost, const char*,
	private_groupvpn_rekey_sa_t *this)
{
	const char *why = NULL;
	u_int i, well = 0;

	for (i = 0; i < this->count; i++)
	{
		if (this->chains[i].well)
		{
			well = max(well, this->chains[i].heard);
		}
	}
	for (i = 0; i < this->count; i++)
	{
		if (this->chains[i].lost && this->chains[i].heard > well)
		{
			why = this->chains[i].lost;
		}
	}
	return this->active ? why : NULL;
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
	hear(this, NULL, 0);
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
	gv_secret_hide(this, sizeof(*this));
	return &this->public;
}
