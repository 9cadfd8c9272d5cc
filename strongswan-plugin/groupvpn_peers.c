/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For each peer and each live epoch there is a pair: an inbound and an
 * outbound state, whose keys follow from the epoch's secret and the two
 * Sender-IDs (sa_mode = derived). Nothing is negotiated. With sa_mode = shared
 * there is one key and one inbound state for all peers of an epoch, and of a
 * pair only the outbound state, for the kernel finds that by destination; what
 * follows is then not needed, and does no harm.
 *
 * A pair's key must never start over with its counters at zero: that would
 * repeat IVs and let old packets be replayed. A peer that comes back with its
 * Sender-ID finds its states as they were. One that was restarted has a later
 * Sender-ID, as these rise: the states of the earlier one are removed, and that
 * is not taken again in this epoch. Nor does it take anything away, for what
 * comes with it is an old route, perhaps replayed.
 *
 * In an epoch a Sender-ID and a gateway have one pair each: the inbound SPI is
 * made of the peer's Sender-ID, the outbound one of ours alone. A gateway that
 * has become another member's goes to the later Sender-ID.
 */

#include "groupvpn_peers.h"
#include "groupvpn_util.h"

#include <collections/hashtable.h>
#include <collections/linked_list.h>

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
	enum gv_direction direction;

	/**
	 * Peers, member-ID => peer_t
	 */
	hashtable_t *peers;

	/**
	 * Number of peers that can be reached
	 */
	u_int ready;

	/**
	 * Peers with neighbour entries, gateway => peer_t
	 */
	hashtable_t *neighbors;

	/**
	 * Pairs, pair_key_t => pair_t
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
	/* what the callback was last told */
	bool ready;
} peer_t;

/**
 * What pairs are found by
 */
typedef enum {
	/* there until the epoch ends */
	PAIR_MEMBER_ID,
	/* there until the pair is given up */
	PAIR_SENDER_ID,
	PAIR_GATEWAY,
	PAIR_KEYS
} pair_key_type_t;

/**
 * Key of a pair, hashed as it is
 */
typedef struct {
	uint32_t epoch;
	uint32_t type;
	/* the first octets of it */
	uint8_t value[16];
} pair_key_t;

/**
 * The states of one epoch between us and a peer
 */
typedef struct {
	pair_key_t key[PAIR_KEYS];
	uint16_t member_id;
	/* the latest that the member has had in the epoch */
	uint32_t sender_id;
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
 * Hash a key of a pair
 */
static u_int pair_hash(pair_key_t *key)
{
	return chunk_hash(chunk_from_thing(*key));
}

/**
 * Compare keys of pairs
 */
static bool pair_equals(pair_key_t *a, pair_key_t *b)
{
	return memeq(a, b, sizeof(*a));
}

/**
 * A member-ID as a key, which must not be NULL: 0 is the S/R
 */
static void *member_key(uint16_t member_id)
{
	return (void*)((uintptr_t)member_id + 1);
}

/**
 * Free a pair
 */
static void pair_destroy(pair_t *pair)
{
	DESTROY_IF(pair->gateway);
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
 * Remove a state from the kernel
 */
static void remove_state(private_groupvpn_peers_t *this, host_t *gateway,
						 uint32_t spi, bool inbound)
{
	groupvpn_state_t state = {
		.src = inbound ? gateway : this->link->local,
		.dst = inbound ? this->link->local : gateway,
		.spi = spi,
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
		remove_state(this, pair->gateway, pair->spi_out, FALSE);
	}
	if (pair->in)
	{
		remove_state(this, pair->gateway, pair->spi_in, TRUE);
	}
	pair->in = pair->out = FALSE;
}

/**
 * Get the key of a state
 */
static bool get_key(private_groupvpn_peers_t *this, groupvpn_sa_t *sa,
					uint32_t from, uint32_t to, chunk_t key)
{
	uint8_t prk[GV_SECRET_LEN];
	bool ok;

	if (groupvpn_sa_is_shared(sa))
	{
		memcpy(key.ptr, sa->sa.esp_key, key.len);
		return TRUE;
	}
	ok = gv_prk(this->group_id, sa->sa.epoch, sa->sa.gsk, prk) &&
		 gv_esp_key(prk, sa->sa.tag, from, to, key.ptr, key.len);
	gv_wipe(prk, sizeof(prk));
	return ok;
}

/**
 * Install a state
 *
 * @param peer_id		Sender-ID of the peer
 */
static bool add_state(private_groupvpn_peers_t *this, groupvpn_sa_t *sa,
					  host_t *gateway, uint32_t spi, uint32_t peer_id,
					  bool inbound)
{
	uint8_t key[GV_ESP_KEY_MAX];
	uint64_t now = groupvpn_now();
	groupvpn_state_t state = {
		.src = inbound ? gateway : this->link->local,
		.dst = inbound ? this->link->local : gateway,
		.spi = spi,
		.esp = sa->sa.esp,
		.key = chunk_create(key, gv_esp_key_len(&sa->sa.esp)),
		.replay_window = sa->replay_window,
		.inbound = inbound,
	};
	bool ok;

	if (sa->expires != GROUPVPN_NEVER)
	{
		state.lifetime = LIFETIME_MARGIN + (sa->expires > now
											? (sa->expires - now) / 1000 : 0);
	}
	ok = get_key(this, sa, inbound ? peer_id : sa->sender_id,
				 inbound ? sa->sender_id : peer_id, state.key) &&
		 this->kernel->add_state(this->kernel, this->link, &state);
	gv_wipe(key, sizeof(key));
	if (ok)
	{
		this->count++;
	}
	return ok;
}

/**
 * Install the state that receives from all peers, if an epoch has such
 */
static void receive_shared(private_groupvpn_peers_t *this, groupvpn_sa_t *sa)
{
	host_t *any;

	if (this->direction != GV_SEND_ONLY && groupvpn_sa_is_shared(sa) &&
		!sa->receiving)
	{
		any = host_create_any(this->link->local->get_family(this->link->local));
		sa->receiving = add_state(this, sa, any, gv_spi(sa->sa.tag, 0), 0,
								  TRUE);
		any->destroy(any);
	}
}

/**
 * Remove that state
 */
static void unreceive_shared(private_groupvpn_peers_t *this, groupvpn_sa_t *sa)
{
	host_t *any;

	if (sa->receiving)
	{
		any = host_create_any(this->link->local->get_family(this->link->local));
		remove_state(this, any, gv_spi(sa->sa.tag, 0), TRUE);
		any->destroy(any);
		sa->receiving = FALSE;
	}
}

/**
 * Make a key of what pairs of an epoch are found by
 */
static pair_key_t make_key(groupvpn_sa_t *sa, pair_key_type_t type,
						   chunk_t value)
{
	pair_key_t key = { sa->sa.epoch, type };

	memcpy(key.value, value.ptr, value.len);
	return key;
}

/**
 * Find a pair of an epoch
 */
static pair_t *find_pair(private_groupvpn_peers_t *this, groupvpn_sa_t *sa,
						 pair_key_type_t type, chunk_t value)
{
	pair_key_t key = make_key(sa, type, value);

	return this->pairs->get(this->pairs, &key);
}

/**
 * Have a pair be found by a key
 */
static void set_key(private_groupvpn_peers_t *this, groupvpn_sa_t *sa,
					pair_t *pair, pair_key_type_t type, chunk_t value)
{
	pair->key[type] = make_key(sa, type, value);
	this->pairs->put(this->pairs, &pair->key[type], pair);
}

/**
 * Remove the states of a pair before its epoch ends, never to be used again
 */
static void give_up(private_groupvpn_peers_t *this, pair_t *pair)
{
	if (!pair->spent)
	{
		remove_states(this, pair);
		this->pairs->remove(this->pairs, &pair->key[PAIR_SENDER_ID]);
		this->pairs->remove(this->pairs, &pair->key[PAIR_GATEWAY]);
		pair->gateway->destroy(pair->gateway);
		pair->gateway = NULL;
		pair->spent = TRUE;
	}
}

/**
 * Whether a peer may have a pair in an epoch that is not its current one
 */
static bool check_pair(private_groupvpn_peers_t *this, peer_t *peer,
					   groupvpn_sa_t *sa, pair_t *current,
					   char why[GV_TEXT_MAX + 1])
{
	pair_t *other;

	if (current && peer->sender_id <= current->sender_id)
	{
		snprintf(why, GV_TEXT_MAX + 1, "Sender-ID %u was already used in epoch "
				 "%u, or is older than one that was: its keys are not used "
				 "again", peer->sender_id, sa->sa.epoch);
		return FALSE;
	}
	other = find_pair(this, sa, PAIR_SENDER_ID,
					  chunk_from_thing(peer->sender_id));
	if (other)
	{
		snprintf(why, GV_TEXT_MAX + 1, "its Sender-ID %u is that of member %u",
				 peer->sender_id, other->member_id);
		return FALSE;
	}
	other = find_pair(this, sa, PAIR_GATEWAY,
					  peer->gateway->get_address(peer->gateway));
	if (other && other->sender_id > peer->sender_id)
	{
		snprintf(why, GV_TEXT_MAX + 1, "its gateway is that of member %u, "
				 "whose Sender-ID %u is later than %u", other->member_id,
				 other->sender_id, peer->sender_id);
		return FALSE;
	}
	return TRUE;
}

/**
 * Get the pair of a peer and an epoch, make it if need be
 */
static pair_t *get_pair(private_groupvpn_peers_t *this, peer_t *peer,
						groupvpn_sa_t *sa, char why[GV_TEXT_MAX + 1])
{
	chunk_t gateway = peer->gateway->get_address(peer->gateway);
	pair_t *pair, *other;

	pair = find_pair(this, sa, PAIR_MEMBER_ID,
					 chunk_from_thing(peer->member_id));
	if (pair && !pair->spent && pair->sender_id == peer->sender_id &&
		pair->gateway->ip_equals(pair->gateway, peer->gateway))
	{
		return pair;
	}
	if (!check_pair(this, peer, sa, pair, why))
	{
		return NULL;
	}
	other = find_pair(this, sa, PAIR_GATEWAY, gateway);
	if (other)
	{
		give_up(this, other);
	}
	if (pair)
	{
		give_up(this, pair);
	}
	else
	{
		INIT(pair,
			.member_id = peer->member_id,
		);
		set_key(this, sa, pair, PAIR_MEMBER_ID,
				chunk_from_thing(peer->member_id));
	}
	pair->sender_id = peer->sender_id;
	pair->gateway = peer->gateway->clone(peer->gateway);
	pair->spi_in = gv_spi(sa->sa.tag, peer->sender_id);
	pair->spi_out = gv_spi(sa->sa.tag,
						   groupvpn_sa_is_shared(sa) ? 0 : sa->sender_id);
	pair->spent = FALSE;
	set_key(this, sa, pair, PAIR_SENDER_ID, chunk_from_thing(peer->sender_id));
	set_key(this, sa, pair, PAIR_GATEWAY, gateway);
	return pair;
}

/**
 * Install what is missing for a peer in one epoch
 */
static bool update_pair(private_groupvpn_peers_t *this, peer_t *peer,
						groupvpn_sa_t *sa, char why[GV_TEXT_MAX + 1])
{
	bool send = sa->sending && this->direction != GV_RECEIVE_ONLY;
	bool receive = this->direction != GV_SEND_ONLY;
	bool receiving;
	pair_t *pair;

	pair = get_pair(this, peer, sa, why);
	if (!pair)
	{
		return FALSE;
	}
	if (receive && !groupvpn_sa_is_shared(sa) && !pair->in)
	{
		pair->in = add_state(this, sa, pair->gateway, pair->spi_in,
							 pair->sender_id, TRUE);
	}
	receive_shared(this, sa);
	receiving = pair->in || sa->receiving || !receive;
	if (receiving && !pair->out && send)
	{
		pair->out = add_state(this, sa, pair->gateway, pair->spi_out,
							  pair->sender_id, FALSE);
	}
	if (!receiving || pair->out != send)
	{
		snprintf(why, GV_TEXT_MAX + 1, "the kernel refused the %s SA of epoch "
				 "%u", receiving ? "outbound" : "inbound", sa->sa.epoch);
		return FALSE;
	}
	return TRUE;
}

/**
 * Get the peer that has the neighbour entries of a peer's gateway
 */
static peer_t *get_neighbor(private_groupvpn_peers_t *this, peer_t *peer)
{
	return this->neighbors->get(this->neighbors, peer->gateway);
}

/**
 * Whether a peer's identifiers and gateway leave us and others theirs
 */
static bool check_peer(private_groupvpn_peers_t *this, peer_t *peer,
					   char why[GV_TEXT_MAX + 1])
{
	groupvpn_sa_t *newest = this->sas->newest(this->sas);
	peer_t *other;

	if (peer->gateway->get_family(peer->gateway) !=
		this->link->local->get_family(this->link->local))
	{
		snprintf(why, GV_TEXT_MAX + 1, "its gateway %H can not be reached from "
				 "ours, %H", peer->gateway, this->link->local);
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
	other = get_neighbor(this, peer);
	if (other && other != peer)
	{
		snprintf(why, GV_TEXT_MAX + 1, "its gateway is that of member %u",
				 other->member_id);
		return FALSE;
	}
	return TRUE;
}

/**
 * Add a peer's neighbour entries, which must be nobody else's
 */
static bool add_neighbor(private_groupvpn_peers_t *this, peer_t *peer)
{
	if (get_neighbor(this, peer) == peer)
	{
		return TRUE;
	}
	if (!this->kernel->manage_neighbor(this->kernel, this->link, peer->gateway,
									   TRUE))
	{
		return FALSE;
	}
	this->neighbors->put(this->neighbors, peer->gateway, peer);
	return TRUE;
}

/**
 * Remove a peer's neighbour entries, if they are its
 */
static void remove_neighbor(private_groupvpn_peers_t *this, peer_t *peer)
{
	if (get_neighbor(this, peer) == peer)
	{
		this->kernel->manage_neighbor(this->kernel, this->link, peer->gateway,
									  FALSE);
		this->neighbors->remove(this->neighbors, peer->gateway);
	}
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
	if (usable && this->direction == GV_RECEIVE_ONLY)
	{
		snprintf(why, GV_TEXT_MAX + 1, "the group's policy has this member "
				 "only receive");
		return FALSE;
	}
	if (usable && !add_neighbor(this, peer))
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
 * Set whether a peer can be reached
 */
static void set_ready(private_groupvpn_peers_t *this, peer_t *peer, bool ready)
{
	this->ready += ready - peer->ready;
	peer->ready = ready;
}

/**
 * Install a peer and report the result, if it is new or has to be
 */
static void update_peer(private_groupvpn_peers_t *this, peer_t *peer,
						bool report)
{
	char why[GV_TEXT_MAX + 1];
	bool ready;

	ready = install_peer(this, peer, why);
	if (!ready)
	{
		remove_neighbor(this, peer);
	}
	if (ready != peer->ready || report)
	{
		set_ready(this, peer, ready);
		this->cb(this->data, peer->member_id, peer->sender_id, ready, why);
	}
}

/**
 * Update the peers, or those that can not be reached
 */
static void update_peers(private_groupvpn_peers_t *this, bool all)
{
	enumerator_t *enumerator;
	peer_t *peer;

	enumerator = this->peers->create_enumerator(this->peers);
	while (enumerator->enumerate(enumerator, NULL, &peer))
	{
		if (all || !peer->ready)
		{
			update_peer(this, peer, FALSE);
		}
	}
	enumerator->destroy(enumerator);
}

/**
 * Call a function for each epoch
 */
static void for_epochs(private_groupvpn_peers_t *this,
					   void (*cb)(private_groupvpn_peers_t*, groupvpn_sa_t*))
{
	enumerator_t *enumerator;
	groupvpn_sa_t *sa;

	enumerator = this->sas->create_enumerator(this->sas);
	while (enumerator->enumerate(enumerator, &sa))
	{
		cb(this, sa);
	}
	enumerator->destroy(enumerator);
}

METHOD(groupvpn_peers_t, update, void,
	private_groupvpn_peers_t *this)
{
	if (this->link)
	{	/* from those who know us before we know them, too */
		for_epochs(this, receive_shared);
	}
	update_peers(this, TRUE);
}

METHOD(groupvpn_peers_t, retry, void,
	private_groupvpn_peers_t *this)
{
	if (this->ready < this->peers->get_count(this->peers))
	{
		update_peers(this, FALSE);
	}
}

METHOD(groupvpn_peers_t, set, void,
	private_groupvpn_peers_t *this, uint16_t member_id, uint32_t sender_id,
	host_t *gateway, u_int client)
{
	peer_t *peer;

	peer = this->peers->get(this->peers, member_key(member_id));
	if (!peer)
	{
		INIT(peer,
			.member_id = member_id,
			.gateway = gateway->clone(gateway),
		);
		this->peers->put(this->peers, member_key(member_id), peer);
	}
	else if (!peer->gateway->ip_equals(peer->gateway, gateway))
	{
		remove_neighbor(this, peer);
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
			remove_neighbor(this, peer);
			set_ready(this, peer, FALSE);
			peer_destroy(peer);
			removed = TRUE;
		}
	}
	enumerator->destroy(enumerator);
	if (removed)
	{	/* another may have waited for its gateway */
		retry(this);
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

/**
 * Select any
 */
static bool is_any(peer_t *peer, u_int arg)
{
	return TRUE;
}

METHOD(groupvpn_peers_t, clear, void,
	private_groupvpn_peers_t *this)
{
	remove_peers(this, is_any, 0);
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
	groupvpn_sa_table_t *sas, uint16_t member_id,
	enum gv_direction direction)
{
	this->link = link;
	this->sas = sas;
	this->member_id = member_id;
	this->direction = direction;
}

/**
 * Remove the pairs of an epoch, or all
 */
static void remove_pairs(private_groupvpn_peers_t *this, groupvpn_sa_t *sa)
{
	enumerator_t *enumerator;
	linked_list_t *removed = linked_list_create();
	pair_key_t *key;
	pair_t *pair;

	enumerator = this->pairs->create_enumerator(this->pairs);
	while (enumerator->enumerate(enumerator, &key, &pair))
	{
		if (!sa || key->epoch == sa->sa.epoch)
		{
			this->pairs->remove_at(this->pairs, enumerator);
			if (key->type == PAIR_MEMBER_ID)
			{
				removed->insert_last(removed, pair);
			}
		}
	}
	enumerator->destroy(enumerator);
	while (removed->remove_first(removed, (void**)&pair) == SUCCESS)
	{
		remove_states(this, pair);
		pair_destroy(pair);
	}
	removed->destroy(removed);
}

METHOD(groupvpn_peers_t, forget, void,
	private_groupvpn_peers_t *this, groupvpn_sa_t *sa)
{
	remove_pairs(this, sa);
	if (this->link)
	{
		unreceive_shared(this, sa);
	}
}

METHOD(groupvpn_peers_t, detach, void,
	private_groupvpn_peers_t *this)
{
	enumerator_t *enumerator;
	peer_t *peer;

	if (!this->link)
	{
		return;
	}
	enumerator = this->peers->create_enumerator(this->peers);
	while (enumerator->enumerate(enumerator, NULL, &peer))
	{
		remove_neighbor(this, peer);
		set_ready(this, peer, FALSE);
	}
	enumerator->destroy(enumerator);
	remove_pairs(this, NULL);
	for_epochs(this, unreceive_shared);
	this->link = NULL;
	this->sas = NULL;
}

CALLBACK(peer_filter, bool,
	void *data, enumerator_t *orig, va_list args)
{
	uint16_t *member_id;
	uint32_t *sender_id;
	host_t **gateway;
	bool *ready;
	peer_t *peer;

	VA_ARGS_VGET(args, member_id, sender_id, gateway, ready);
	if (!orig->enumerate(orig, NULL, &peer))
	{
		return FALSE;
	}
	*member_id = peer->member_id;
	*sender_id = peer->sender_id;
	*gateway = peer->gateway;
	*ready = peer->ready;
	return TRUE;
}

METHOD(groupvpn_peers_t, create_enumerator, enumerator_t*,
	private_groupvpn_peers_t *this)
{
	return enumerator_create_filter(
							this->peers->create_enumerator(this->peers),
							peer_filter, NULL, NULL);
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
	this->neighbors->destroy(this->neighbors);
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
			.clear = _clear,
			.begin_sync = _begin_sync,
			.end_sync = _end_sync,
			.orphan = _orphan,
			.attach = _attach,
			.detach = _detach,
			.update = _update,
			.retry = _retry,
			.forget = _forget,
			.create_enumerator = _create_enumerator,
			.get_count = _get_count,
			.destroy = _destroy,
		},
		.group_id = group_id,
		.kernel = kernel,
		.cb = cb,
		.data = data,
		.peers = hashtable_create(hashtable_hash_ptr, hashtable_equals_ptr, 32),
		.neighbors = hashtable_create((hashtable_hash_t)groupvpn_host_hash,
								(hashtable_equals_t)groupvpn_host_equals, 32),
		.pairs = hashtable_create((hashtable_hash_t)pair_hash,
								  (hashtable_equals_t)pair_equals, 32),
	);
	return &this->public;
}
