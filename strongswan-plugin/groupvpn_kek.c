/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The messages are a chain that leads from the KEKs of some time ago to the
 * current data keys: those that brought a KEK, as many as there is room for and
 * as can still be of use, and at the end the one that brings data keys under
 * the newest KEK. Each roll replaces that last one, which has all live epochs,
 * and a renewal of the KEK appends one before it. A member that was away goes
 * on wherever in the chain it has stopped; one that finds no such place
 * registers again. A descriptor has room for some of them; when many have come
 * lately, or a large group has lost many members at once, they take several.
 *
 * A change that could not be stored is undone from a copy that is made before
 * the first message of a change, tree included: members do not have the keys
 * that were drawn for it. It is a copy of a megabyte and a half for 10 000
 * members, once for each renewal.
 */

#include "groupvpn_kek.h"

#include <collections/array.h>

#include <crypto.h>
#include <lkh.h>
#include <rekey.h>

/* how long messages that brought a KEK are kept though one descriptor has no
 * room for them anymore, in milliseconds */
#define KEEP_TIME 300000

/* nodes for so many members to begin with */
#define MEMBERS_MIN 4

typedef struct private_groupvpn_kek_t private_groupvpn_kek_t;

/**
 * What a renewal or a new message changes
 */
typedef struct {
	groupvpn_store_kek_t state;
	struct gv_lkh tree;
	/* as groupvpn_store_message_t, oldest first */
	linked_list_t *messages;
} keys_t;

/**
 * Keys of the tree that are to be removed from the store
 */
typedef struct {
	uint32_t leaf;
	bool above;
} removal_t;

/**
 * Private data
 */
struct private_groupvpn_kek_t {

	/**
	 * Public interface
	 */
	groupvpn_kek_t public;

	/**
	 * Group
	 */
	char *name;
	uint32_t id;

	/**
	 * Store
	 */
	groupvpn_store_t *store;

	/**
	 * The Rekey SA
	 */
	keys_t keys;

	/**
	 * As it was before the change that goes on, nodes NULL if there is none
	 */
	keys_t before;

	/**
	 * In the last change a KEK has begun: the message that brings it is the
	 * last one for now; or there is none, as it was too long
	 */
	bool renewed;
	bool broken;

	/**
	 * What the store has not got: anything, the messages, all keys of the tree
	 */
	bool changed;
	bool messages_changed;
	bool all_changed;

	/**
	 * Keys that the store has and the tree has not, as removal_t
	 */
	array_t *removals;

	/**
	 * Keys with lower IDs are in the store
	 */
	uint32_t first_unsaved;
};

/**
 * Log why there is no new message or KEK
 */
static bool fail(private_groupvpn_kek_t *this, const char *why)
{
	DBG1(DBG_IKE, "groupvpn: group '%s': no GSA_REKEY message: %s", this->name,
		 why);
	return FALSE;
}

/* --- keys --- */

/**
 * Wipe and free all keys
 */
static void clear_keys(keys_t *keys)
{
	struct gv_lkh_node *nodes = keys->tree.nodes;

	if (nodes)
	{
		gv_lkh_wipe(&keys->tree);
		free(nodes);
	}
	if (keys->messages)
	{
		keys->messages->destroy_function(keys->messages, free);
	}
	gv_wipe(keys, sizeof(*keys));
}

/**
 * Allocate nodes of a tree
 */
static struct gv_lkh_node *create_nodes(size_t size)
{
	struct gv_lkh_node *nodes = calloc(size, sizeof(*nodes));

	gv_secret_hide(nodes, size * sizeof(*nodes));
	return nodes;
}

/**
 * Copy messages
 */
static linked_list_t *copy_messages(linked_list_t *messages)
{
	linked_list_t *copy = linked_list_create();
	enumerator_t *enumerator;
	groupvpn_store_message_t *message;

	enumerator = messages->create_enumerator(messages);
	while (enumerator->enumerate(enumerator, &message))
	{
		copy->insert_last(copy, chunk_clone(chunk_from_thing(*message)).ptr);
	}
	enumerator->destroy(enumerator);
	return copy;
}

/**
 * Begin to change keys and messages, unless that has begun
 */
static void begin(private_groupvpn_kek_t *this)
{
	struct gv_lkh *tree = &this->keys.tree;

	this->changed = this->messages_changed = TRUE;
	if (this->before.tree.nodes)
	{
		return;
	}
	this->broken = FALSE;
	this->before = this->keys;
	this->before.messages = copy_messages(this->keys.messages);
	this->before.tree.nodes = create_nodes(tree->size);
	memcpy(this->before.tree.nodes, tree->nodes,
		   tree->size * sizeof(*tree->nodes));
}

/**
 * Tell that there is another KEK
 */
static void tell_renewal(private_groupvpn_kek_t *this)
{
	DBG1(DBG_IKE, "groupvpn: group '%s': new KEK for %u members", this->name,
		 gv_lkh_members(&this->keys.tree));
	if (this->broken)
	{
		DBG1(DBG_IKE, "groupvpn: group '%s': too many members have left for "
			 "one GSA_REKEY message: the others have to register again for "
			 "the new KEK, and get data keys in band until then", this->name);
	}
}

METHOD(groupvpn_kek_t, settle, void,
	private_groupvpn_kek_t *this, bool stored)
{
	bool renewed = this->before.tree.nodes &&
				   memcmp(this->before.state.kek.spi, this->keys.state.kek.spi,
						  GV_REKEY_SPI_LEN) != 0;

	if (this->before.tree.nodes && !stored)
	{
		clear_keys(&this->keys);
		this->keys = this->before;
		gv_wipe(&this->before, sizeof(this->before));
	}
	else
	{
		clear_keys(&this->before);
	}
	this->renewed = FALSE;
	if (stored)
	{
		if (renewed)
		{
			tell_renewal(this);
		}
		this->changed = this->messages_changed = this->all_changed = FALSE;
		this->first_unsaved = this->keys.tree.next_key_id;
		while (array_remove(this->removals, ARRAY_TAIL, NULL));
	}
	else
	{	/* what it has got of which is of no interest */
		this->changed = this->messages_changed = this->all_changed = TRUE;
	}
}

/**
 * Draw a Rekey SA, without its keys of signatures
 */
static bool draw_kek(struct gv_kek *kek, uint32_t lifetime)
{
	if (!gv_kek_new(kek) ||
		!gv_random(kek->next_spi[0], sizeof(kek->next_spi[0])))
	{
		return FALSE;
	}
	kek->next_spis = 1;
	kek->lifetime = lifetime;
	return TRUE;
}

/**
 * Begin to use a KEK
 */
static void use_kek(private_groupvpn_kek_t *this, const struct gv_kek *kek)
{
	this->keys.state.kek = *kek;
	this->keys.state.expires = groupvpn_now() + kek->lifetime * 1000ULL;
	this->keys.state.stale = FALSE;
}

/**
 * Make the first Rekey SA of the group
 */
static bool make(private_groupvpn_kek_t *this, uint32_t lifetime)
{
	size_t size = gv_lkh_nodes(MEMBERS_MIN);
	struct gv_kek kek;

	if (!draw_kek(&kek, lifetime) ||
		!gv_sign_key_new(this->keys.state.sign_key, kek.auth_key))
	{
		gv_wipe(&kek, sizeof(kek));
		return fail(this, "the cryptographic library refuses");
	}
	use_kek(this, &kek);
	gv_wipe(&kek, sizeof(kek));
	gv_lkh_init(&this->keys.tree, create_nodes(size), size);
	this->changed = this->messages_changed = this->all_changed = TRUE;
	return TRUE;
}

METHOD(groupvpn_kek_t, start, bool,
	private_groupvpn_kek_t *this, uint32_t lifetime)
{
	keys_t *keys = &this->keys;

	keys->messages = linked_list_create();
	switch (this->store->load_kek(this->store, this->id, &keys->state,
								  &keys->tree, keys->messages))
	{
		case SUCCESS:
			this->first_unsaved = keys->tree.next_key_id;
			return TRUE;
		case NOT_FOUND:
			return make(this, lifetime);
		default:
			return FALSE;
	}
}

/* --- members --- */

/**
 * Make room for twice as many members
 */
static bool grow(private_groupvpn_kek_t *this)
{
	struct gv_lkh *tree = &this->keys.tree;
	struct gv_lkh_node *old = tree->nodes, *nodes;
	size_t size = gv_lkh_nodes((size_t)2 << tree->depth);

	if (size <= tree->size)
	{
		return FALSE;
	}
	nodes = create_nodes(size);
	gv_lkh_move(tree, nodes, size);
	free(old);
	return TRUE;
}

METHOD(groupvpn_kek_t, add, bool,
	private_groupvpn_kek_t *this, uint16_t member_id)
{
	struct gv_lkh *tree = &this->keys.tree;
	enum gv_lkh_error error;

	if (gv_lkh_has(tree, member_id))
	{
		return TRUE;
	}
	error = gv_lkh_join(tree, member_id);
	if (error == GV_LKH_FULL && grow(this))
	{
		error = gv_lkh_join(tree, member_id);
	}
	this->changed = TRUE;
	return !error || fail(this, gv_lkh_error_text(error));
}

/**
 * Note that the store has keys that the tree has not
 */
static void note_removal(private_groupvpn_kek_t *this, uint32_t leaf,
						 bool above)
{
	removal_t removal = {
		.leaf = leaf,
		.above = above,
	};

	array_insert(this->removals, ARRAY_TAIL, &removal);
	this->keys.state.stale = TRUE;
	this->changed = TRUE;
}

METHOD(groupvpn_kek_t, remove_, void,
	private_groupvpn_kek_t *this, uint16_t member_id)
{
	uint32_t leaf = gv_lkh_leaf(&this->keys.tree, member_id);

	if (gv_lkh_evict(&this->keys.tree, member_id) == GV_LKH_OK)
	{
		note_removal(this, leaf, FALSE);
	}
}

METHOD(groupvpn_kek_t, refresh, void,
	private_groupvpn_kek_t *this, uint16_t member_id)
{
	uint32_t leaf = gv_lkh_leaf(&this->keys.tree, member_id);

	if (gv_lkh_refresh(&this->keys.tree, member_id) == GV_LKH_OK)
	{
		note_removal(this, leaf, TRUE);
	}
}

METHOD(groupvpn_kek_t, distrust, void,
	private_groupvpn_kek_t *this)
{
	this->keys.state.stale = this->changed = TRUE;
}

METHOD(groupvpn_kek_t, has, bool,
	private_groupvpn_kek_t *this, uint16_t member_id)
{
	return gv_lkh_has(&this->keys.tree, member_id);
}

METHOD(groupvpn_kek_t, is_stored, bool,
	private_groupvpn_kek_t *this, uint16_t member_id)
{
	struct gv_key_path path;
	bool stored = TRUE;
	u_int i;

	gv_lkh_path(&this->keys.tree, member_id, &path);
	for (i = 0; i < path.count; i++)
	{
		stored &= path.keys[i].key_id < this->first_unsaved;
	}
	gv_path_wipe(&path);
	return stored;
}

METHOD(groupvpn_kek_t, is_stale, bool,
	private_groupvpn_kek_t *this)
{
	return this->keys.state.stale;
}

METHOD(groupvpn_kek_t, export_, void,
	private_groupvpn_kek_t *this, uint16_t member_id, struct gv_gsa *gsa,
	struct gv_key_path *path)
{
	uint64_t now = groupvpn_now(), expires = this->keys.state.expires;

	if (gv_lkh_path(&this->keys.tree, member_id, path) == GV_LKH_OK)
	{
		gsa->has_kek = TRUE;
		gsa->kek = this->keys.state.kek;
		gsa->kek.lifetime = max((expires - min(expires, now)) / 1000, 1);
		gsa->path = path;
	}
}

/* --- messages --- */

/**
 * Octets of all messages
 */
static size_t get_length(private_groupvpn_kek_t *this)
{
	enumerator_t *enumerator;
	groupvpn_store_message_t *message;
	size_t len = 0;

	enumerator = this->keys.messages->create_enumerator(this->keys.messages);
	while (enumerator->enumerate(enumerator, &message))
	{
		len += message->len;
	}
	enumerator->destroy(enumerator);
	return len;
}

/**
 * The last message if it brings the KEK that has just begun
 */
static groupvpn_store_message_t *get_renewal_message(
												private_groupvpn_kek_t *this)
{
	groupvpn_store_message_t *last;

	if (this->renewed &&
		this->keys.messages->get_last(this->keys.messages,
									  (void**)&last) == SUCCESS)
	{
		return last;
	}
	return NULL;
}

/**
 * Remove messages that do not lead to the current keys anymore
 *
 * @param lifetime		of data keys: whoever has not got a KEK for longer has
 *						none, and registers again
 */
static void remove_useless(private_groupvpn_kek_t *this, uint32_t lifetime)
{
	uint64_t now = groupvpn_now();
	enumerator_t *enumerator;
	groupvpn_store_message_t *message;

	enumerator = this->keys.messages->create_enumerator(this->keys.messages);
	while (enumerator->enumerate(enumerator, &message))
	{
		if (!message->brings_kek ||
			message->since + lifetime * 1000ULL <= now)
		{
			this->keys.messages->remove_at(this->keys.messages, enumerator);
			free(message);
		}
	}
	enumerator->destroy(enumerator);
}

/**
 * Remove the oldest messages until there is room for another one: in one
 * descriptor, which is enough for long, or in all its parts for new ones
 */
static void make_room(private_groupvpn_kek_t *this, size_t len)
{
	groupvpn_store_message_t *message;
	uint64_t now = groupvpn_now();
	size_t total;

	while (this->keys.messages->get_first(this->keys.messages,
										  (void**)&message) == SUCCESS)
	{
		total = get_length(this) + len;
		if (total <= GV_REKEY_PART_MAX ||
			(total <= GV_REKEY_MAX && now < message->since + KEEP_TIME))
		{
			break;
		}
		this->keys.messages->remove_first(this->keys.messages,
										 (void**)&message);
		free(message);
	}
}

/**
 * Make the message that brings another KEK, under the one that is in use
 *
 * @param message		receives the message, NULL if it would be too long
 */
static bool make_renewal(private_groupvpn_kek_t *this,
						 const struct gv_kek *next,
						 groupvpn_store_message_t **message)
{
	size_t count = gv_lkh_cost(&this->keys.tree);
	struct gv_wrapped_key *keys = calloc(count, sizeof(*keys));
	struct gv_gsa gsa = {
		.has_kek = TRUE,
		.kek = *next,
		.wrapped = keys,
	};
	enum gv_lkh_error error;

	error = gv_lkh_rekey(&this->keys.tree, next->keymat, keys, &count);
	if (error)
	{
		free(keys);
		return fail(this, gv_lkh_error_text(error));
	}
	gsa.wrapped_count = count;
	INIT(*message,
		.brings_kek = TRUE,
		.len = sizeof((*message)->octets),
		.since = groupvpn_now(),
	);
	if (!gv_rekey_encode(&this->keys.state.kek, this->keys.state.sign_key,
						 &gsa, (*message)->octets, &(*message)->len))
	{
		free(*message);
		*message = NULL;
	}
	gv_gsa_wipe(&gsa);
	free(keys);
	return TRUE;
}

METHOD(groupvpn_kek_t, renew, bool,
	private_groupvpn_kek_t *this, uint32_t lifetime)
{
	groupvpn_store_message_t *message = NULL;
	struct gv_kek next;
	bool ok = TRUE;

	begin(this);
	if (!draw_kek(&next, lifetime))
	{
		gv_wipe(&next, sizeof(next));
		return fail(this, "the random number generator failed");
	}
	/* the one that members know as the next */
	memcpy(next.spi, this->keys.state.kek.next_spi[0], sizeof(next.spi));
	if (gv_lkh_members(&this->keys.tree))
	{
		ok = make_renewal(this, &next, &message);
	}
	if (ok)
	{
		memcpy(next.auth_key, this->keys.state.kek.auth_key,
			   sizeof(next.auth_key));
		use_kek(this, &next);
		this->renewed = message != NULL;
		this->broken = !message && gv_lkh_members(&this->keys.tree);
	}
	if (message)
	{
		make_room(this, message->len);
		this->keys.messages->insert_last(this->keys.messages, message);
	}
	else
	{	/* nothing leads there anymore */
		make_room(this, GV_REKEY_MAX);
	}
	gv_wipe(&next, sizeof(next));
	return ok;
}

/**
 * Make the message that brings data keys, and if possible is not longer than
 * there is room
 */
static bool make_data(private_groupvpn_kek_t *this, const struct gv_gsa *all,
					  size_t room, groupvpn_store_message_t *message)
{
	struct gv_kek *kek = &this->keys.state.kek;
	uint32_t message_id = kek->message_id;
	struct gv_gsa gsa = *all;
	bool ok;

	do
	{	/* it is one message, whatever it takes to make it */
		kek->message_id = message_id;
		message->len = sizeof(message->octets);
		ok = gv_rekey_encode(kek, this->keys.state.sign_key, &gsa,
							 message->octets, &message->len);
		if (gsa.epochs < 2 || (ok && message->len <= room))
		{
			break;
		}
		memmove(&gsa.epoch[0], &gsa.epoch[1],
				--gsa.epochs * sizeof(gsa.epoch[0]));
	}
	while (TRUE);
	gv_gsa_wipe(&gsa);
	return ok;
}

METHOD(groupvpn_kek_t, publish, bool,
	private_groupvpn_kek_t *this, const struct gv_gsa *gsa)
{
	groupvpn_store_message_t *message, *renewal;

	begin(this);
	renewal = get_renewal_message(this);
	INIT(message,
		.since = groupvpn_now(),
	);
	if (!make_data(this, gsa, GV_REKEY_MAX - (renewal ? renewal->len : 0),
				   message))
	{
		free(message);
		return fail(this, "its content can not be encoded");
	}
	remove_useless(this, gsa->epoch[gsa->epochs - 1].lifetime);
	make_room(this, message->len);
	if (renewal && !get_renewal_message(this))
	{
		this->broken = TRUE;
	}
	this->keys.messages->insert_last(this->keys.messages, message);
	return TRUE;
}

METHOD(groupvpn_kek_t, get_lifetime, uint32_t,
	private_groupvpn_kek_t *this)
{
	return this->keys.state.kek.lifetime;
}

METHOD(groupvpn_kek_t, is_broken, bool,
	private_groupvpn_kek_t *this)
{
	return this->broken;
}

METHOD(groupvpn_kek_t, get_messages, size_t,
	private_groupvpn_kek_t *this, uint8_t *buf)
{
	enumerator_t *enumerator;
	groupvpn_store_message_t *message;
	size_t len = 0;

	enumerator = this->keys.messages->create_enumerator(this->keys.messages);
	while (enumerator->enumerate(enumerator, &message))
	{
		if (len + message->len <= GV_REKEY_MAX)
		{
			memcpy(buf + len, message->octets, message->len);
			len += message->len;
		}
	}
	enumerator->destroy(enumerator);
	return len;
}

METHOD(groupvpn_kek_t, get_renewal, uint64_t,
	private_groupvpn_kek_t *this)
{
	/* members have to hear of it before it ends */
	return this->keys.state.expires - min(this->keys.state.expires,
								this->keys.state.kek.lifetime * 200ULL);
}

/* --- store --- */

METHOD(groupvpn_kek_t, is_changed, bool,
	private_groupvpn_kek_t *this)
{
	return this->changed;
}

METHOD(groupvpn_kek_t, save, void,
	private_groupvpn_kek_t *this)
{
	groupvpn_store_t *store = this->store;
	removal_t removal;
	int i;

	if (!this->changed)
	{
		return;
	}
	if (this->all_changed)
	{
		store->remove_keys(store, this->id);
		store->save_keys(store, this->id, &this->keys.tree, 0);
	}
	else
	{
		for (i = 0; i < array_count(this->removals); i++)
		{
			array_get(this->removals, i, &removal);
			store->remove_path(store, this->id, removal.leaf, removal.above);
		}
		store->save_keys(store, this->id, &this->keys.tree,
						 this->first_unsaved);
	}
	store->save_kek(store, this->id, &this->keys.state, &this->keys.tree);
	if (this->messages_changed)
	{
		store->save_messages(store, this->id, this->keys.messages);
	}
}

/* --- management --- */

METHOD(groupvpn_kek_t, describe, void,
	private_groupvpn_kek_t *this, vici_builder_t *builder)
{
	struct gv_kek *kek = &this->keys.state.kek;
	uint64_t now = groupvpn_now();
	char spi[2 * GV_REKEY_SPI_LEN + 1];

	chunk_to_hex(chunk_create(kek->spi, sizeof(kek->spi)), spi, FALSE);
	builder->add_kv(builder, "rekey-spi", "%s", spi);
	builder->add_kv(builder, "rekey-message-id", "%u", kek->message_id);
	builder->add_kv(builder, "rekey-expires", "%u", (u_int)
			((this->keys.state.expires - min(this->keys.state.expires, now))
			 / 1000));
	builder->add_kv(builder, "rekey-messages", "%d",
					this->keys.messages->get_count(this->keys.messages));
	builder->add_kv(builder, "rekey-octets", "%zu", get_length(this));
	builder->add_kv(builder, "tree-members", "%u",
					gv_lkh_members(&this->keys.tree));
	builder->add_kv(builder, "tree-depth", "%u", this->keys.tree.depth);
}

METHOD(groupvpn_kek_t, destroy, void,
	private_groupvpn_kek_t *this)
{
	clear_keys(&this->before);
	clear_keys(&this->keys);
	array_destroy(this->removals);
	free(this->name);
	free(this);
}

/*
 * See header
 */
groupvpn_kek_t *groupvpn_kek_create(char *name, uint32_t id,
									groupvpn_store_t *store)
{
	private_groupvpn_kek_t *this;

	INIT(this,
		.public = {
			.start = _start,
			.add = _add,
			.remove = _remove_,
			.refresh = _refresh,
			.distrust = _distrust,
			.has = _has,
			.is_stored = _is_stored,
			.is_stale = _is_stale,
			.renew = _renew,
			.publish = _publish,
			.is_broken = _is_broken,
			.is_changed = _is_changed,
			.save = _save,
			.settle = _settle,
			.get_renewal = _get_renewal,
			.get_lifetime = _get_lifetime,
			.export = _export_,
			.get_messages = _get_messages,
			.describe = _describe,
			.destroy = _destroy,
		},
		.name = strdup(name),
		.id = id,
		.store = store,
		.removals = array_create(sizeof(removal_t), 0),
	);
	gv_secret_hide(this, sizeof(*this));
	return &this->public;
}
