/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For each peer and each live epoch there is a pair: an inbound and an
 * outbound state, whose keys follow from the epoch's secret and the two
 * Sender-IDs (sa_mode = derived). Nothing is negotiated.
 *
 * A pair's key must never start over with its counters at zero: that would
 * repeat IVs and let old packets be replayed. So a state that is removed
 * before its epoch ends is never installed again; what is left of such a pair
 * is a "spent" entry that says so. A peer that comes back with its Sender-ID
 * finds its states as they were, one that was restarted has a new Sender-ID.
 *
 * In an epoch, a gateway has at most one pair that is not spent: the outbound
 * SPI is made of our Sender-ID alone.
 */

#include "groupvpn_peers.h"

#include <collections/hashtable.h>

#include <crypto.h>
#include <keys.h>

/* the kernel drops a state this many seconds after we should have */
#define LIFETIME_MARGIN 5

typedef struct private_groupvpn_peers_t private_groupvpn_peers_t;

/**
 * Private data
 */
struct private_groupvpn_peers_t {

	/**
	 * Public interface
	 */
	groupvpn_peers_t public;

	/**
	 * Group-ID, which goes into the keys
	 */
	uint32_t group_id;

	/**
	 * Kernel interface
	 */
	groupvpn_kernel_t *kernel;

	/**
	 * Whom to tell of changes
	 */
	groupvpn_peer_cb_t cb;
	void *data;

	/**
	 * What we are attached to, NULL if we are not
	 */
	groupvpn_link_t *link;
	groupvpn_sa_table_t *sas;
	uint16_t member_id;
	uint32_t window;

	/**
	 * Peers, member-ID => peer_t
	 */
	hashtable_t *peers;

	/**
	 * Pairs, epoch and Sender-ID => pair_t
	 */
	hashtable_t *pairs;

	/**
	 * States in the kernel
	 */
	u_int count;
};

/**
 * Another member
 */
typedef struct {
	uint16_t member_id;
	uint32_t sender_id;
	host_t *gateway;
	/* control client it is known from, 0 if that is gone */
	u_int client;
	/* told since begin_sync() */
	bool told;
	/* its neighbour entries are in the kernel */
	bool neighbor;
	/* what the callback was last told */
	bool ready;
} peer_t;

/**
 * The states of one epoch between us and one Sender-ID
 */
typedef struct {
	/* together the key in the table */
	uint32_t epoch;
	uint32_t sender_id;
	/* whose they are, and where */
	uint16_t member_id;
	host_t *gateway;
	/* SPIs of the states */
	uint32_t spi_in;
	uint32_t spi_out;
	/* the states are in the kernel */
	bool in;
	bool out;
	/* the keys were used and must not be used again */
	bool spent;
} pair_t;

/**
 * Hash a pair
 */
static u_int pair_hash(pair_t *pair)
{
	return chunk_hash_inc(chunk_from_thing(pair->epoch),
						  chunk_hash(chunk_from_thing(pair->sender_id)));
}

/**
 * Compare pairs
 */
static bool pair_equals(pair_t *a, pair_t *b)
{
	return a->epoch == b->epoch && a->sender_id == b->sender_id;
}

/**
 * Free a pair
 */
static void pair_destroy(pair_t *pair)
{
	pair->gateway->destroy(pair->gateway);
	free(pair);
}

/**
 * Free a peer
 */
static void peer_destroy(peer_t *peer)
{
	peer->gateway->destroy(peer->gateway);
	free(peer);
}

/**
 * Remove one state of a pair from the kernel
 */
static void remove_state(private_groupvpn_peers_t *this, pair_t *pair,
						 bool inbound)
{
	groupvpn_state_t state = {
		.src = inbound ? pair->gateway : this->link->local,
		.dst = inbound ? this->link->local : pair->gateway,
		.spi = inbound ? pair->spi_in : pair->spi_out,
	};

	this->kernel->del_state(this->kernel, &state);
	this->count--;
}

/**
 * Remove the states of a pair
 */
static void remove_states(private_groupvpn_peers_t *this, pair_t *pair)
{
	if (pair->out)
	{
		remove_state(this, pair, FALSE);
	}
	if (pair->in)
	{
		remove_state(this, pair, TRUE);
	}
	pair->in = pair->out = FALSE;
}

/**
 * Install one state of a pair
 */
static bool add_state(private_groupvpn_peers_t *this, pair_t *pair,
					  groupvpn_sa_t *sa, bool inbound)
{
	uint8_t prk[GV_SECRET_LEN], key[GV_ESP_KEY_MAX];
	uint32_t from = inbound ? pair->sender_id : sa->sender_id;
	uint32_t to = inbound ? sa->sender_id : pair->sender_id;
	uint64_t now = groupvpn_now();
	groupvpn_state_t state = {
		.src = inbound ? pair->gateway : this->link->local,
		.dst = inbound ? this->link->local : pair->gateway,
		.spi = inbound ? pair->spi_in : pair->spi_out,
		.esp = sa->sa.esp,
		.key = chunk_create(key, gv_esp_key_len(&sa->sa.esp)),
		.replay_window = this->window,
		.inbound = inbound,
	};
	bool ok;

	if (sa->expires != GROUPVPN_NEVER)
	{
		state.lifetime = LIFETIME_MARGIN + (sa->expires > now
											? (sa->expires - now) / 1000 : 0);
	}
	ok = gv_prk(this->group_id, sa->sa.epoch, sa->sa.gsk, prk) &&
		 gv_esp_key(prk, sa->sa.tag, from, to, key, state.key.len) &&
		 this->kernel->add_state(this->kernel, this->link, &state);
	gv_wipe(prk, sizeof(prk));
	gv_wipe(key, sizeof(key));
	if (ok)
	{
		this->count++;
	}
	return ok;
}

/**
 * Find another pair of the same epoch that is in the way of a peer's: it has
 * the same gateway, or is the peer's by an earlier Sender-ID
 */
static pair_t *find_rival(private_groupvpn_peers_t *this, peer_t *peer,
						  groupvpn_sa_t *sa)
{
	enumerator_t *enumerator;
	pair_t *pair, *found = NULL;

	enumerator = this->pairs->create_enumerator(this->pairs);
	while (enumerator->enumerate(enumerator, NULL, &pair))
	{
		if (!pair->spent && pair->epoch == sa->sa.epoch &&
			pair->sender_id != peer->sender_id &&
			(pair->member_id == peer->member_id ||
			 pair->gateway->ip_equals(pair->gateway, peer->gateway)))
		{
			found = pair;
			break;
		}
	}
	enumerator->destroy(enumerator);
	return found;
}

/**
 * Find the pair of a peer and an epoch
 */
static pair_t *find_pair(private_groupvpn_peers_t *this, peer_t *peer,
						 groupvpn_sa_t *sa)
{
	pair_t key = {
		.epoch = sa->sa.epoch,
		.sender_id = peer->sender_id,
	};

	return this->pairs->get(this->pairs, &key);
}

/**
 * Get the pair of a peer and an epoch, make it if need be
 */
static pair_t *get_pair(private_groupvpn_peers_t *this, peer_t *peer,
						groupvpn_sa_t *sa, char why[GV_TEXT_MAX + 1])
{
	pair_t *pair;

	pair = find_pair(this, peer, sa);
	if (!pair)
	{
		while ((pair = find_rival(this, peer, sa)))
		{
			remove_states(this, pair);
			pair->spent = TRUE;
		}
		INIT(pair,
			.epoch = sa->sa.epoch,
			.sender_id = peer->sender_id,
			.member_id = peer->member_id,
			.gateway = peer->gateway->clone(peer->gateway),
			.spi_in = gv_spi(sa->sa.tag, peer->sender_id),
			.spi_out = gv_spi(sa->sa.tag, sa->sender_id),
		);
		this->pairs->put(this->pairs, pair, pair);
	}
	if (pair->spent || !pair->gateway->ip_equals(pair->gateway, peer->gateway))
	{
		snprintf(why, GV_TEXT_MAX + 1, "Sender-ID %u was already used in epoch "
				 "%u, its keys are not used again", peer->sender_id,
				 sa->sa.epoch);
		return NULL;
	}
	pair->member_id = peer->member_id;
	return pair;
}

/**
 * Install what is missing for a peer in one epoch
 */
static bool update_pair(private_groupvpn_peers_t *this, peer_t *peer,
						groupvpn_sa_t *sa, char why[GV_TEXT_MAX + 1])
{
	pair_t *pair;

	pair = get_pair(this, peer, sa, why);
	if (!pair)
	{
		return FALSE;
	}
	if (!pair->in)
	{
		pair->in = add_state(this, pair, sa, TRUE);
	}
	if (pair->in && !pair->out && sa->sending)
	{
		pair->out = add_state(this, pair, sa, FALSE);
	}
	if (!pair->in || pair->out != sa->sending)
	{
		snprintf(why, GV_TEXT_MAX + 1, "the kernel refused the %s SA of epoch "
				 "%u", pair->in ? "outbound" : "inbound", sa->sa.epoch);
		return FALSE;
	}
	return TRUE;
}

/**
 * Whether a peer's identifiers and gateway leave others theirs
 */
static bool check_peer(private_groupvpn_peers_t *this, peer_t *peer,
					   char why[GV_TEXT_MAX + 1])
{
	enumerator_t *enumerator;
	peer_t *other;
	groupvpn_sa_t *newest = this->sas->newest(this->sas);
	bool ok = TRUE;

	if (peer->gateway->get_family(peer->gateway) != AF_INET)
	{
		snprintf(why, GV_TEXT_MAX + 1, "only IPv4 gateways are supported");
		return FALSE;
	}
	if (peer->member_id == this->member_id ||
		(newest && peer->sender_id == newest->sender_id) ||
		peer->gateway->ip_equals(peer->gateway, this->link->local))
	{
		snprintf(why, GV_TEXT_MAX + 1, "member-ID, Sender-ID or gateway is our "
				 "own");
		return FALSE;
	}
	enumerator = this->peers->create_enumerator(this->peers);
	while (ok && enumerator->enumerate(enumerator, NULL, &other))
	{
		if (other == peer || !other->neighbor)
		{
			continue;
		}
		if (other->sender_id == peer->sender_id ||
			other->gateway->ip_equals(other->gateway, peer->gateway))
		{
			snprintf(why, GV_TEXT_MAX + 1, "%s is that of member %u",
					 other->sender_id == peer->sender_id ? "its Sender-ID"
														 : "its gateway",
					 other->member_id);
			ok = FALSE;
		}
	}
	enumerator->destroy(enumerator);
	return ok;
}

/**
 * Add or remove a peer's neighbour entries
 */
static bool set_neighbor(private_groupvpn_peers_t *this, peer_t *peer, bool add)
{
	if (peer->neighbor != add &&
		(this->kernel->manage_neighbor(this->kernel, this->link, peer->gateway,
									   add) || !add))
	{
		peer->neighbor = add;
	}
	return peer->neighbor == add;
}

/**
 * Install what is missing for a peer: SAs first, then the neighbour that sends
 * packets to them
 */
static bool install_peer(private_groupvpn_peers_t *this, peer_t *peer,
						 char why[GV_TEXT_MAX + 1])
{
	enumerator_t *enumerator;
	groupvpn_sa_t *sa;
	bool usable = FALSE;

	*why = '\0';
	if (!this->link)
	{
		snprintf(why, GV_TEXT_MAX + 1, "the group is not up");
		return FALSE;
	}
	if (!check_peer(this, peer, why))
	{
		return FALSE;
	}
	enumerator = this->sas->create_enumerator(this->sas);
	while (enumerator->enumerate(enumerator, &sa))
	{	/* the newest that we send with decides, the kernel takes that one */
		if (update_pair(this, peer, sa, why))
		{
			usable |= sa->sending;
		}
		else if (sa->sending)
		{
			usable = FALSE;
		}
	}
	enumerator->destroy(enumerator);
	if (usable && !set_neighbor(this, peer, TRUE))
	{
		snprintf(why, GV_TEXT_MAX + 1, "the kernel refused the neighbour");
		return FALSE;
	}
	if (!usable && !*why)
	{
		snprintf(why, GV_TEXT_MAX + 1, "the group has no SA to send with");
	}
	return usable;
}

/**
 * Install a peer and report the result, if it is new or has to be
 */
static bool update_peer(private_groupvpn_peers_t *this, peer_t *peer,
						bool report)
{
	char why[GV_TEXT_MAX + 1];
	bool ready;

	ready = install_peer(this, peer, why);
	if (!ready && this->link)
	{
		set_neighbor(this, peer, FALSE);
	}
	if (ready != peer->ready || report)
	{
		peer->ready = ready;
		this->cb(this->data, peer->member_id, peer->sender_id, ready, why);
	}
	return ready;
}

METHOD(groupvpn_peers_t, update, bool,
	private_groupvpn_peers_t *this)
{
	enumerator_t *enumerator;
	peer_t *peer;
	bool ok = TRUE;

	enumerator = this->peers->create_enumerator(this->peers);
	while (enumerator->enumerate(enumerator, NULL, &peer))
	{
		ok &= update_peer(this, peer, FALSE);
	}
	enumerator->destroy(enumerator);
	return ok;
}

METHOD(groupvpn_peers_t, set, void,
	private_groupvpn_peers_t *this, uint16_t member_id, uint32_t sender_id,
	host_t *gateway, u_int client)
{
	peer_t *peer;

	peer = this->peers->get(this->peers, (void*)(uintptr_t)member_id);
	if (!peer)
	{
		INIT(peer,
			.member_id = member_id,
			.gateway = gateway->clone(gateway),
		);
		this->peers->put(this->peers, (void*)(uintptr_t)member_id, peer);
	}
	else if (!peer->gateway->ip_equals(peer->gateway, gateway))
	{
		if (this->link)
		{
			set_neighbor(this, peer, FALSE);
		}
		peer->gateway->destroy(peer->gateway);
		peer->gateway = gateway->clone(gateway);
	}
	peer->sender_id = sender_id;
	peer->client = client;
	peer->told = TRUE;
	update_peer(this, peer, TRUE);
}

/**
 * Remove peers that a function selects
 */
static void remove_peers(private_groupvpn_peers_t *this,
						 bool (*match)(peer_t *peer, u_int arg), u_int arg)
{
	enumerator_t *enumerator;
	peer_t *peer;
	bool removed = FALSE;

	enumerator = this->peers->create_enumerator(this->peers);
	while (enumerator->enumerate(enumerator, NULL, &peer))
	{
		if (match(peer, arg))
		{
			this->peers->remove_at(this->peers, enumerator);
			if (this->link)
			{
				set_neighbor(this, peer, FALSE);
			}
			peer_destroy(peer);
			removed = TRUE;
		}
	}
	enumerator->destroy(enumerator);
	if (removed)
	{	/* another may have waited for its gateway */
		update(this);
	}
}

/**
 * Select by member-ID
 */
static bool has_member_id(peer_t *peer, u_int member_id)
{
	return peer->member_id == member_id;
}

METHOD(groupvpn_peers_t, unset, void,
	private_groupvpn_peers_t *this, uint16_t member_id)
{
	remove_peers(this, has_member_id, member_id);
}

METHOD(groupvpn_peers_t, begin_sync, void,
	private_groupvpn_peers_t *this, u_int client)
{
	enumerator_t *enumerator;
	peer_t *peer;

	enumerator = this->peers->create_enumerator(this->peers);
	while (enumerator->enumerate(enumerator, NULL, &peer))
	{
		if (!peer->client || peer->client == client)
		{
			peer->told = FALSE;
		}
	}
	enumerator->destroy(enumerator);
}

/**
 * Select those that a client should have told but did not
 */
static bool is_stale(peer_t *peer, u_int client)
{
	return !peer->told && (!peer->client || peer->client == client);
}

METHOD(groupvpn_peers_t, end_sync, void,
	private_groupvpn_peers_t *this, u_int client)
{
	remove_peers(this, is_stale, client);
}

METHOD(groupvpn_peers_t, orphan, void,
	private_groupvpn_peers_t *this, u_int client)
{
	enumerator_t *enumerator;
	peer_t *peer;

	enumerator = this->peers->create_enumerator(this->peers);
	while (enumerator->enumerate(enumerator, NULL, &peer))
	{
		if (peer->client == client)
		{
			peer->client = 0;
		}
	}
	enumerator->destroy(enumerator);
}

METHOD(groupvpn_peers_t, attach, void,
	private_groupvpn_peers_t *this, groupvpn_link_t *link,
	groupvpn_sa_table_t *sas, uint16_t member_id, uint32_t window)
{
	this->link = link;
	this->sas = sas;
	this->member_id = member_id;
	this->window = window;
}

METHOD(groupvpn_peers_t, forget, void,
	private_groupvpn_peers_t *this, groupvpn_sa_t *sa)
{
	enumerator_t *enumerator;
	pair_t *pair;

	enumerator = this->pairs->create_enumerator(this->pairs);
	while (enumerator->enumerate(enumerator, NULL, &pair))
	{
		if (pair->epoch == sa->sa.epoch)
		{
			this->pairs->remove_at(this->pairs, enumerator);
			remove_states(this, pair);
			pair_destroy(pair);
		}
	}
	enumerator->destroy(enumerator);
}

METHOD(groupvpn_peers_t, detach, void,
	private_groupvpn_peers_t *this)
{
	enumerator_t *enumerator;
	peer_t *peer;
	pair_t *pair;

	if (!this->link)
	{
		return;
	}
	enumerator = this->peers->create_enumerator(this->peers);
	while (enumerator->enumerate(enumerator, NULL, &peer))
	{
		set_neighbor(this, peer, FALSE);
		peer->ready = FALSE;
	}
	enumerator->destroy(enumerator);
	enumerator = this->pairs->create_enumerator(this->pairs);
	while (enumerator->enumerate(enumerator, NULL, &pair))
	{
		this->pairs->remove_at(this->pairs, enumerator);
		remove_states(this, pair);
		pair_destroy(pair);
	}
	enumerator->destroy(enumerator);
	this->link = NULL;
	this->sas = NULL;
}

METHOD(groupvpn_peers_t, get_count, u_int,
	private_groupvpn_peers_t *this)
{
	return this->count;
}

METHOD(groupvpn_peers_t, destroy, void,
	private_groupvpn_peers_t *this)
{
	enumerator_t *enumerator;
	peer_t *peer;

	enumerator = this->peers->create_enumerator(this->peers);
	while (enumerator->enumerate(enumerator, NULL, &peer))
	{
		peer_destroy(peer);
	}
	enumerator->destroy(enumerator);
	this->peers->destroy(this->peers);
	this->pairs->destroy(this->pairs);
	free(this);
}

/*
 * See header
 */
groupvpn_peers_t *groupvpn_peers_create(uint32_t group_id,
										groupvpn_kernel_t *kernel,
										groupvpn_peer_cb_t cb, void *data)
{
	private_groupvpn_peers_t *this;

	INIT(this,
		.public = {
			.set = _set,
			.unset = _unset,
			.begin_sync = _begin_sync,
			.end_sync = _end_sync,
			.orphan = _orphan,
			.attach = _attach,
			.detach = _detach,
			.update = _update,
			.forget = _forget,
			.get_count = _get_count,
			.destroy = _destroy,
		},
		.group_id = group_id,
		.kernel = kernel,
		.cb = cb,
		.data = data,
		.peers = hashtable_create(hashtable_hash_ptr, hashtable_equals_ptr, 32),
		.pairs = hashtable_create((hashtable_hash_t)pair_hash,
								  (hashtable_equals_t)pair_equals, 32),
	);
	return &this->public;
}
