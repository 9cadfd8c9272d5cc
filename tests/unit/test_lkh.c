// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The key tree: RFC 9838's example, random lives of a group in which whoever
 * was evicted tries every key that any of them ever had on every message that
 * there ever was, the cost of evictions, the store, and what a member makes of
 * wrapped keys that are out of order, damaged or malicious.
 */
#include "unit.h"

#include "bytes.h"
#include "crypto.h"
#include "lkh.h"

#define WRAPPED_MAX 4096

static uint8_t gsk_w[GV_KWK_LEN];

static int setup(void **state)
{
	random_seed();
	ramp(gsk_w, EX_KWK_FIRST);
	return 0;
}

static void new_tree(struct gv_lkh *tree, size_t members)
{
	size_t size = gv_lkh_nodes(members);
	struct gv_lkh_node *nodes = malloc(size * sizeof(*nodes));

	assert_non_null(nodes);
	memset(nodes, 0xa5, size * sizeof(*nodes));
	gv_lkh_init(tree, nodes, size);
}

static void free_tree(struct gv_lkh *tree)
{
	struct gv_lkh_node *nodes = tree->nodes;
	size_t size = tree->size;

	gv_lkh_wipe(tree);
	assert_true(all_zero(nodes, size * sizeof(*nodes)));
	assert_true(all_zero(tree, sizeof(*tree)));
	free(nodes);
}

static void join(struct gv_lkh *tree, unsigned int first, unsigned int last)
{
	for (unsigned int id = first; id <= last; id++)
		assert_int_equal(gv_lkh_join(tree, id), GV_LKH_OK);
}

struct update {
	uint8_t kek[GV_KEK_LEN];
	struct gv_wrapped_key keys[WRAPPED_MAX];
	size_t count;
};

static void rekey(struct gv_lkh *tree, struct update *update)
{
	size_t cost = gv_lkh_cost(tree);

	random_fill(update->kek, sizeof(update->kek));
	update->count = WRAPPED_MAX;
	assert_int_equal(
		gv_lkh_rekey(tree, update->kek, update->keys, &update->count),
		GV_LKH_OK);
	assert_int_equal(update->count, cost);
}

static void assert_path(const struct gv_key_path *path, const uint32_t *ids,
			unsigned int count)
{
	assert_int_equal(path->count, count);
	for (unsigned int i = 0; i < count; i++)
		assert_int_equal(path->keys[i].key_id, ids[i]);
}

/* ------------------------------------------------------------------------
 * RFC 9838, appendix A
 */

/* The tree of the figure: members A..H are 1..8, key n is at node n + 1. */
static size_t appendix_store(uint8_t *buf, size_t size)
{
	struct gv_writer w;

	gv_writer_init(&w, buf, size);
	gv_put8(&w, 1);
	gv_put8(&w, 3);
	gv_put32(&w, 15);
	for (unsigned int id = 1; id <= 14; id++) {
		uint8_t key[GV_KWK_LEN];

		ramp(key, id);
		gv_put32(&w, id + 1);
		gv_put16(&w, id < 7 ? 0 : id - 6);
		gv_put32(&w, id);
		gv_put_bytes(&w, key, sizeof(key));
	}
	assert_true(w.ok);
	return w.len;
}

static void load_appendix(struct gv_lkh *tree)
{
	uint8_t store[1024];
	size_t len = appendix_store(store, sizeof(store));

	new_tree(tree, 8);
	assert_int_equal(
		gv_lkh_decode(store, len, tree, tree->nodes, tree->size, NULL),
		GV_LKH_OK);
}

static void appendix(void **state)
{
	/* What is left of the RFC's KD payload if the GCKS numbers the new keys
	 * in the order in which it draws them: 15 and 16 are 16 and 15. */
	static const struct {
		uint32_t key_id, kwk_id;
	} want[] = {{15, 11}, {16, 15}, {16, 6}, {0, 1}, {0, 16}};
	static const uint32_t paths[8][4] = {
		{1, 3, 7},    {1, 3, 8}, {1, 4, 9},   {1, 4, 10},
		{16, 15, 11}, {},	 {16, 6, 13}, {16, 6, 14},
	};
	static const uint32_t old_f[] = {2, 5, 12};
	struct gv_key_path path[8];
	static struct update update;
	uint8_t kek[GV_KEK_LEN];
	struct gv_lkh tree;

	load_appendix(&tree);
	assert_int_equal(gv_lkh_members(&tree), 8);
	for (unsigned int i = 0; i < 8; i++)
		assert_int_equal(gv_lkh_path(&tree, i + 1, &path[i]),
				 GV_LKH_OK);
	assert_path(&path[5], old_f, 3);
	assert_int_equal(gv_lkh_evict(&tree, 6), GV_LKH_OK);
	assert_int_equal(gv_lkh_members(&tree), 7);
	rekey(&tree, &update);
	assert_int_equal(update.count, ARRAY_LEN(want));
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		assert_int_equal(update.keys[i].key_id, want[i].key_id);
		assert_int_equal(update.keys[i].kwk_id, want[i].kwk_id);
	}
	for (unsigned int i = 0; i < 8; i++) {
		enum gv_path_error error = gv_path_follow(
			&path[i], gsk_w, update.keys, update.count, kek);

		if (i == 5) {
			assert_int_equal(error, GV_PATH_EXCLUDED);
			assert_true(all_zero(kek, sizeof(kek)));
			assert_path(&path[i], old_f, 3);
			continue;
		}
		assert_int_equal(error, GV_PATH_OK);
		assert_memory_equal(kek, update.kek, sizeof(kek));
		assert_path(&path[i], paths[i], 3);
	}
	free_tree(&tree);
}

/* ------------------------------------------------------------------------
 * Random lives
 */

#define LIFE_KEYS 60000
#define LIFE_MEMBERS 4000
#define LIFE_LOG 60000

/* Everything that ever was in one group. */
struct life {
	struct gv_lkh tree;
	struct update update;
	struct member {
		bool in;
		struct gv_key_path path;
		uint8_t *held; /* bitmap of key IDs, NULL before it joins */
	} members[LIFE_MEMBERS + 1]; /* by member-ID */
	unsigned int last_id;
	/* By key ID, as the members learned them. */
	uint8_t keys[LIFE_KEYS][GV_KWK_LEN];
	bool exists[LIFE_KEYS];
	/* All wrapped keys of all messages, and where the last one begins. */
	struct gv_wrapped_key log[LIFE_LOG];
	size_t logged, last_message;
};

static bool held(const uint8_t *bitmap, uint32_t id)
{
	return bitmap[id / 8] & 1u << id % 8;
}

static void hold(uint8_t *bitmap, uint32_t id)
{
	bitmap[id / 8] |= 1u << id % 8;
}

static void learn(struct life *life, struct member *member)
{
	for (unsigned int i = 0; i < member->path.count; i++) {
		const struct gv_path_key *key = &member->path.keys[i];

		assert_true(key->key_id && key->key_id < LIFE_KEYS);
		if (life->exists[key->key_id])
			assert_memory_equal(life->keys[key->key_id], key->key,
					    GV_KWK_LEN);
		life->exists[key->key_id] = true;
		memcpy(life->keys[key->key_id], key->key, GV_KWK_LEN);
		hold(member->held, key->key_id);
	}
}

static void enter(struct life *life, uint16_t id)
{
	struct member *member = &life->members[id];

	member->in = true;
	if (!member->held)
		member->held = calloc(1, LIFE_KEYS / 8 + 1);
	assert_non_null(member->held);
	assert_int_equal(gv_lkh_path(&life->tree, id, &member->path),
			 GV_LKH_OK);
	learn(life, member);
}

static void join_one(struct life *life)
{
	enum gv_lkh_error error;
	uint16_t id;

	/* Mostly somebody new, sometimes one who was evicted. */
	if (life->last_id && random_next() % 8 == 0) {
		id = 1 + random_next() % life->last_id;
		if (life->members[id].in)
			return;
	} else if (life->last_id < LIFE_MEMBERS) {
		id = ++life->last_id;
	} else {
		return;
	}
	error = gv_lkh_join(&life->tree, id);
	if (error == GV_LKH_FULL) {
		struct gv_lkh_node *old = life->tree.nodes, *nodes;
		size_t size = life->tree.size;

		nodes = malloc(2 * size * sizeof(*nodes));
		assert_non_null(nodes);
		gv_lkh_move(&life->tree, nodes, 2 * size);
		assert_true(all_zero(old, size * sizeof(*old)));
		free(old);
		error = gv_lkh_join(&life->tree, id);
	}
	assert_int_equal(error, GV_LKH_OK);
	enter(life, id);
}

static void evict_one(struct life *life)
{
	uint16_t id = life->last_id ? 1 + random_next() % life->last_id : 0;

	if (!id || !life->members[id].in)
		return;
	life->members[id].in = false;
	assert_int_equal(gv_lkh_evict(&life->tree, id), GV_LKH_OK);
	assert_false(gv_lkh_has(&life->tree, id));
}

/* A GCKS that starts anew from its store. */
static void restart(struct life *life)
{
	size_t size = GV_LKH_STORE_MAX(life->tree.size), len;
	uint8_t *store = malloc(size), *again = malloc(size);

	assert_true(store && again);
	len = gv_lkh_encode(&life->tree, store, size);
	assert_true(len);
	assert_int_equal(gv_lkh_decode(store, len, &life->tree,
				       life->tree.nodes, life->tree.size, NULL),
			 GV_LKH_OK);
	assert_int_equal(gv_lkh_encode(&life->tree, again, size), len);
	assert_memory_equal(store, again, len);
	free(store);
	free(again);
}

static void log_update(struct life *life)
{
	life->last_message = life->logged;
	assert_true(life->logged + life->update.count <= LIFE_LOG);
	memcpy(life->log + life->logged, life->update.keys,
	       life->update.count * sizeof(*life->update.keys));
	life->logged += life->update.count;
}

static void all_members_follow(struct life *life)
{
	uint8_t kek[GV_KEK_LEN];

	for (unsigned int id = 1; id <= life->last_id; id++) {
		struct member *member = &life->members[id];
		struct gv_key_path want;

		if (!member->in)
			continue;
		assert_int_equal(gv_path_follow(&member->path, gsk_w,
						life->update.keys,
						life->update.count, kek),
				 GV_PATH_OK);
		assert_memory_equal(kek, life->update.kek, sizeof(kek));
		assert_int_equal(gv_lkh_path(&life->tree, id, &want),
				 GV_LKH_OK);
		assert_memory_equal(&member->path, &want, sizeof(want));
		learn(life, member);
	}
}

/* All keys that anybody learns who has those of the bitmap and all messages;
 * returns whether the last message's KEK is among them. */
static bool close_over(struct life *life, uint8_t *bitmap)
{
	bool news = true, has_kek = false;

	while (news) {
		news = false;
		for (size_t i = 0; i < life->logged; i++) {
			const struct gv_wrapped_key *in = &life->log[i];
			uint8_t key[GV_KEK_LEN];
			size_t len = sizeof(key);

			if (!held(bitmap, in->kwk_id) ||
			    (in->key_id && held(bitmap, in->key_id)))
				continue;
			assert_true(gv_key_unwrap(life->keys[in->kwk_id],
						  GV_KWK_LEN, in->wrapped,
						  in->len, key, &len));
			if (!in->key_id) {
				has_kek |= i >= life->last_message;
				continue;
			}
			assert_int_equal(len, GV_KWK_LEN);
			memcpy(life->keys[in->key_id], key, len);
			hold(bitmap, in->key_id);
			news = true;
		}
	}
	return has_kek;
}

/* Everybody who is out, together. */
static void nobody_else_follows(struct life *life)
{
	uint8_t *pool = calloc(1, LIFE_KEYS / 8 + 1);
	uint8_t kek[GV_KEK_LEN];

	assert_non_null(pool);
	for (unsigned int id = 1; id <= life->last_id; id++) {
		struct member *member = &life->members[id];

		if (member->in)
			continue;
		for (size_t i = 0; i < LIFE_KEYS / 8; i++)
			pool[i] |= member->held[i];
		assert_int_equal(gv_path_follow(&member->path, gsk_w,
						life->update.keys,
						life->update.count, kek),
				 GV_PATH_EXCLUDED);
	}
	assert_false(close_over(life, pool));
	free(pool);
}

static void end_life(struct life *life)
{
	for (unsigned int id = 1; id <= life->last_id; id++)
		free(life->members[id].held);
	free_tree(&life->tree);
	free(life);
}

static struct life *begin_life(void)
{
	struct life *life = calloc(1, sizeof(*life));

	assert_non_null(life);
	new_tree(&life->tree, 1);
	return life;
}

/* Every member left reads every rekey; those evicted do not. */
static void random_lives(void **state)
{
	for (unsigned int lives = 0; lives < 4; lives++) {
		unsigned int target = 4u << 2 * lives; /* 4, 16, 64, 256 */
		struct life *life = begin_life();

		for (unsigned int round = 0; round < 80; round++) {
			bool shrinks = round / 20 % 2;
			unsigned int joins = random_next() % (target / 4 + 1);
			unsigned int evicts = random_next() % (target / 4 + 1);

			joins = shrinks ? joins / 4 : joins;
			evicts = shrinks ? evicts : evicts / 4;
			for (unsigned int i = 0; i < joins + evicts; i++) {
				if (random_next() % (joins + evicts) < joins)
					join_one(life);
				else
					evict_one(life);
			}
			if (random_next() % 8 == 0)
				restart(life);
			rekey(&life->tree, &life->update);
			log_update(life);
			all_members_follow(life);
			nobody_else_follows(life);
		}
		print_message("%u members, of whom %u left; %zu wrapped keys\n",
			      life->last_id, gv_lkh_members(&life->tree),
			      life->logged);
		end_life(life);
	}
}

/* With gv_lkh_refresh() one who joins reads nothing that was before. */
static void rekey_on_add(void **state)
{
	struct life *life = begin_life();

	for (unsigned int round = 0; round < 100; round++) {
		struct member *member;
		unsigned int id;
		uint8_t *bitmap;

		for (unsigned int i = random_next() % 3; i > 0; i--)
			evict_one(life);
		id = life->last_id + 1;
		while (life->last_id < id)
			join_one(life);
		assert_int_equal(gv_lkh_refresh(&life->tree, id), GV_LKH_OK);
		rekey(&life->tree, &life->update);
		log_update(life);
		all_members_follow(life);
		nobody_else_follows(life);

		/* Its registration brings the path as it is now. */
		member = &life->members[id];
		bitmap = calloc(1, LIFE_KEYS / 8 + 1);
		assert_non_null(bitmap);
		for (unsigned int i = 0; i < member->path.count; i++)
			hold(bitmap, member->path.keys[i].key_id);
		assert_true(close_over(life, bitmap));
		for (size_t i = 0; i < life->last_message; i++)
			assert_false(held(bitmap, life->log[i].kwk_id));
		free(bitmap);
	}
	end_life(life);
}

/* ------------------------------------------------------------------------
 * Cost
 */

static unsigned int log2_up(unsigned int n)
{
	unsigned int log2 = 0;

	while (1u << log2 < n)
		log2++;
	return log2;
}

static void assert_cost(struct gv_lkh *tree, unsigned int n)
{
	static struct update update;
	uint16_t id = 1 + random_next() % n;

	assert_int_equal(gv_lkh_cost(tree), n == 1 ? 1 : 2);
	assert_int_equal(gv_lkh_evict(tree, id), GV_LKH_OK);
	if (n > 1)
		assert_in_range(gv_lkh_cost(tree), 1, 2 * log2_up(n) - 1);
	rekey(tree, &update);
	assert_int_equal(gv_lkh_join(tree, id), GV_LKH_OK);
}

/* An eviction costs at most 2 log2(N) - 1 wrapped keys, logarithm rounded up,
 * once a rekey has told the members how the tree has grown. */
static void cost_of_one(void **state)
{
	static struct update update;
	struct gv_lkh tree;

	new_tree(&tree, 10000);
	for (unsigned int n = 1; n <= 10000; n++) {
		assert_int_equal(gv_lkh_join(&tree, n), GV_LKH_OK);
		if (n > 300 && n != 1000 && n != 1024 && n != 1025 &&
		    n != 10000)
			continue;
		rekey(&tree, &update);
		assert_cost(&tree, n);
	}
	free_tree(&tree);
}

/* Also before that: growth makes one node wait for each doubling. */
static void cost_after_growth(void **state)
{
	for (unsigned int n = 2; n <= 3000; n = n * 3 / 2 + 1) {
		struct gv_lkh tree;

		new_tree(&tree, n);
		join(&tree, 1, n);
		assert_in_range(gv_lkh_cost(&tree), 2, 2 * log2_up(n));
		assert_int_equal(gv_lkh_evict(&tree, n), GV_LKH_OK);
		assert_in_range(gv_lkh_cost(&tree), 1, 4 * log2_up(n));
		free_tree(&tree);
	}
}

/* What each eviction adds is known before, and a batch costs less than its
 * evictions one by one. */
static void cost_of_a_batch(void **state)
{
	static struct update update;
	struct gv_lkh tree;
	size_t single = 0;

	new_tree(&tree, 256);
	join(&tree, 1, 256);
	rekey(&tree, &update);
	for (unsigned int id = 1; id <= 256; id += 2) {
		size_t most = gv_lkh_cost(&tree) + gv_lkh_evict_cost(&tree, id);

		assert_int_equal(gv_lkh_evict(&tree, id), GV_LKH_OK);
		assert_in_range(gv_lkh_cost(&tree), most - 2, most);
		single += 2 * tree.depth - 1;
	}
	assert_int_equal(gv_lkh_cost(&tree), 128 + 2 * 127);
	assert_true(gv_lkh_cost(&tree) < single);
	/* The other half of each pair: whole subtrees cost nothing. */
	for (unsigned int id = 2; id <= 254; id += 2)
		assert_int_equal(gv_lkh_evict(&tree, id), GV_LKH_OK);
	assert_int_equal(gv_lkh_cost(&tree), 8);
	assert_int_equal(gv_lkh_evict(&tree, 256), GV_LKH_OK);
	assert_int_equal(gv_lkh_cost(&tree), 0);
	rekey(&tree, &update);
	assert_int_equal(update.count, 0);
	free_tree(&tree);
}

/* ------------------------------------------------------------------------
 * Limits and failures
 */

static void limits(void **state)
{
	struct gv_key_path path;
	struct gv_lkh tree;

	assert_int_equal(gv_lkh_nodes(0), 4);
	assert_int_equal(gv_lkh_nodes(2), 4);
	assert_int_equal(gv_lkh_nodes(3), 8);
	assert_int_equal(gv_lkh_nodes(UINT16_MAX), 2u << GV_LKH_DEPTH_MAX);
	new_tree(&tree, 4);
	assert_int_equal(gv_lkh_join(&tree, 0), GV_LKH_BAD_MEMBER);
	assert_int_equal(gv_lkh_evict(&tree, 0), GV_LKH_BAD_MEMBER);
	assert_int_equal(gv_lkh_evict(&tree, 7), GV_LKH_BAD_MEMBER);
	assert_int_equal(gv_lkh_refresh(&tree, 7), GV_LKH_BAD_MEMBER);
	assert_int_equal(gv_lkh_evict_cost(&tree, 7), 0);
	assert_int_equal(gv_lkh_path(&tree, 7, &path), GV_LKH_BAD_MEMBER);
	assert_int_equal(path.count, 0);
	join(&tree, 65532, 65535);
	assert_int_equal(gv_lkh_join(&tree, 1), GV_LKH_FULL);
	assert_false(gv_lkh_has(&tree, 1));
	/* Who is there stays where it is. */
	assert_int_equal(gv_lkh_join(&tree, 65535), GV_LKH_OK);
	assert_int_equal(gv_lkh_members(&tree), 4);
	/* A free leaf is used again, with another key. */
	assert_int_equal(gv_lkh_path(&tree, 65533, &path), GV_LKH_OK);
	assert_int_equal(gv_lkh_evict(&tree, 65533), GV_LKH_OK);
	assert_int_equal(gv_lkh_join(&tree, 1), GV_LKH_OK);
	assert_true(tree.nodes[5].member_id == 1);
	assert_int_not_equal(tree.nodes[5].key_id,
			     path.keys[path.count - 1].key_id);
	free_tree(&tree);
}

/* The most there can be. */
static void all_member_ids(void **state)
{
	struct gv_key_path path;
	struct gv_lkh tree;

	new_tree(&tree, UINT16_MAX);
	/* Placed by hand: joins search for the member first. */
	tree.depth = GV_LKH_DEPTH_MAX;
	for (uint32_t id = 1; id < UINT16_MAX; id++) {
		size_t i = (1u << GV_LKH_DEPTH_MAX) + id - 1;

		tree.nodes[i].member_id = id;
		for (; i; i /= 2) {
			tree.nodes[i].members++;
			if (!tree.nodes[i].key_id && i > 1)
				tree.nodes[i].key_id = tree.next_key_id++;
		}
	}
	assert_int_equal(gv_lkh_join(&tree, UINT16_MAX), GV_LKH_OK);
	assert_int_equal(gv_lkh_members(&tree), UINT16_MAX);
	assert_int_equal(gv_lkh_path(&tree, UINT16_MAX, &path), GV_LKH_OK);
	assert_int_equal(path.count, GV_LKH_DEPTH_MAX);
	assert_int_equal(gv_lkh_evict(&tree, 1), GV_LKH_OK);
	assert_int_equal(gv_lkh_cost(&tree), 2 * GV_LKH_DEPTH_MAX - 1);
	free_tree(&tree);
}

static void assert_same(const struct gv_lkh *tree, const uint8_t *store,
			size_t len)
{
	static uint8_t now[GV_LKH_STORE_MAX(64)];

	assert_int_equal(gv_lkh_encode(tree, now, sizeof(now)), len);
	/* Key IDs may be used up. */
	assert_memory_equal(now + 6, store + 6, len - 6);
}

static void no_room_for_wrapped_keys(void **state)
{
	static uint8_t store[GV_LKH_STORE_MAX(64)];
	static struct update update;
	struct gv_lkh tree;
	size_t len, cost;

	new_tree(&tree, 20);
	join(&tree, 1, 20);
	rekey(&tree, &update);
	assert_int_equal(gv_lkh_evict(&tree, 13), GV_LKH_OK);
	len = gv_lkh_encode(&tree, store, sizeof(store));
	assert_true(len);
	cost = gv_lkh_cost(&tree);
	for (size_t room = 0; room < cost; room++) {
		update.count = room;
		assert_int_equal(gv_lkh_rekey(&tree, update.kek, update.keys,
					      &update.count),
				 GV_LKH_SPACE);
		assert_int_equal(update.count, 0);
		assert_same(&tree, store, len);
	}
	free_tree(&tree);
}

static void no_key_ids_left(void **state)
{
	static uint8_t store[GV_LKH_STORE_MAX(64)];
	static struct update update;
	struct gv_lkh tree;
	size_t len;

	new_tree(&tree, 16);
	join(&tree, 1, 16);
	rekey(&tree, &update);
	assert_int_equal(gv_lkh_evict(&tree, 3), GV_LKH_OK);
	len = gv_lkh_encode(&tree, store, sizeof(store));
	/* Enough for some of the nodes. */
	for (uint32_t left = 0; left < 3; left++) {
		tree.next_key_id = UINT32_MAX - left;
		update.count = WRAPPED_MAX;
		assert_int_equal(gv_lkh_rekey(&tree, update.kek, update.keys,
					      &update.count),
				 GV_LKH_KEY_IDS);
		assert_int_equal(update.count, 0);
		assert_same(&tree, store, len);
	}
	tree.next_key_id = UINT32_MAX;
	assert_int_equal(gv_lkh_join(&tree, 17), GV_LKH_KEY_IDS);
	assert_false(gv_lkh_has(&tree, 17));
	assert_same(&tree, store, len);
	free_tree(&tree);
}

/* ------------------------------------------------------------------------
 * Store
 */

static void store_refusals(void **state)
{
	uint8_t store[1024], *copy;
	size_t len = appendix_store(store, sizeof(store)), need;
	struct gv_lkh tree;

	new_tree(&tree, 8);
	for (size_t cut = 0; cut < len; cut++) {
		enum gv_lkh_error error;

		copy = exact(store, cut);
		error = gv_lkh_decode(copy, cut, &tree, tree.nodes, tree.size,
				      NULL);
		free(copy);
		/* Between two nodes it may be a smaller tree. */
		if (cut < 6 || (cut - 6) % 42)
			assert_int_equal(error, GV_LKH_BAD_STORE);
		if (error != GV_LKH_OK)
			assert_true(all_zero(tree.nodes,
					     tree.size * sizeof(*tree.nodes)));
	}
	copy = exact(store, len);
	for (size_t size = 0; size < len; size++) {
		uint8_t *small = exact(store, size);

		assert_int_equal(gv_lkh_decode(copy, len, &tree, tree.nodes,
					       tree.size, NULL),
				 GV_LKH_OK);
		assert_int_equal(gv_lkh_encode(&tree, small, size), 0);
		free(small);
	}
	assert_int_equal(gv_lkh_decode(copy, len, &tree, tree.nodes, 8, &need),
			 GV_LKH_FULL);
	assert_int_equal(need, 16);
	assert_int_equal(gv_lkh_members(&tree), 0);
	tree.size = 16;
	free(copy);
	free_tree(&tree);
}

/* Each bit counts: with it flipped the store is refused, or is another. */
static void store_bit_flips(void **state)
{
	uint8_t store[1024], again[1024];
	size_t len = appendix_store(store, sizeof(store));
	struct gv_lkh tree;

	new_tree(&tree, 8);
	for (size_t bit = 0; bit < 8 * len; bit++) {
		store[bit / 8] ^= 0x80 >> bit % 8;
		if (gv_lkh_decode(store, len, &tree, tree.nodes, 16, NULL) ==
		    GV_LKH_OK) {
			assert_int_equal(
				gv_lkh_encode(&tree, again, sizeof(again)),
				len);
			assert_memory_equal(store, again, len);
		}
		store[bit / 8] ^= 0x80 >> bit % 8;
	}
	free_tree(&tree);
}

static void malformed_store(void **state)
{
#define HEAD "01 01 00000009"
#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define DEEP "01 02 00000009"
	static const struct {
		const char *hex;
		enum gv_lkh_error error;
	} cases[] = {
		{HEAD, GV_LKH_OK},
		{HEAD "00000002 0001 00000001" KEY, GV_LKH_OK},
		{HEAD "00000003 ffff 00000008" KEY, GV_LKH_OK},
		{"02 01 00000009", GV_LKH_BAD_STORE},
		{"01 00 00000009", GV_LKH_BAD_STORE},
		{"01 11 00000009", GV_LKH_BAD_STORE},
		{"01 01 00000000", GV_LKH_BAD_STORE},
		{"01 10 00000009", GV_LKH_FULL},
		/* nodes that are none: [0], the root, too high, not rising */
		{HEAD "00000000 0001 00000001" KEY, GV_LKH_BAD_STORE},
		{HEAD "00000001 0001 00000001" KEY, GV_LKH_BAD_STORE},
		{HEAD "00000004 0001 00000001" KEY, GV_LKH_BAD_STORE},
		{HEAD "ffffffff 0001 00000001" KEY, GV_LKH_BAD_STORE},
		{HEAD "00000003 0001 00000001" KEY "00000002 0002 00000002" KEY,
		 GV_LKH_BAD_STORE},
		{HEAD "00000002 0001 00000001" KEY "00000002 0002 00000002" KEY,
		 GV_LKH_BAD_STORE},
		/* a leaf without member, an inner node with one, one member
		 * twice, key IDs that are 0 or come later */
		{HEAD "00000002 0000 00000001" KEY, GV_LKH_BAD_STORE},
		{DEEP "00000002 0001 00000001" KEY "00000004 0002 00000002" KEY,
		 GV_LKH_BAD_STORE},
		{HEAD "00000002 0001 00000001" KEY "00000003 0001 00000002" KEY,
		 GV_LKH_BAD_STORE},
		{HEAD "00000002 0001 00000000" KEY, GV_LKH_BAD_STORE},
		{HEAD "00000002 0001 00000009" KEY, GV_LKH_BAD_STORE},
		/* a key ID twice, near to one another and far from others */
		{HEAD "00000002 0001 00000001" KEY "00000003 0002 00000001" KEY,
		 GV_LKH_BAD_STORE},
		{"01 02 ffffffff"
		 "00000004 0001 00000001" KEY "00000005 0002 fffffffe" KEY
		 "00000006 0003 fffffffe" KEY,
		 GV_LKH_BAD_STORE},
		{"01 02 ffffffff"
		 "00000004 0001 00000001" KEY "00000005 0002 fffffffe" KEY
		 "00000006 0003 00100001" KEY,
		 GV_LKH_OK},
		/* a node that waits; one with a key but nobody beneath */
		{DEEP "00000004 0002 00000002" KEY, GV_LKH_OK},
		{DEEP "00000002 0000 00000001" KEY, GV_LKH_BAD_STORE},
		{DEEP "00000002 0000 00000001" KEY "00000006 0002 00000002" KEY,
		 GV_LKH_BAD_STORE},
		/* one with a key above one that waits */
		{"01 03 00000009"
		 "00000002 0000 00000001" KEY "00000008 0002 00000002" KEY,
		 GV_LKH_BAD_STORE},
	};
	uint8_t store[1024];
	struct gv_lkh tree;

	new_tree(&tree, 8);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t len = unhex(cases[i].hex, store, sizeof(store));
		enum gv_lkh_error error = gv_lkh_decode(
			store, len, &tree, tree.nodes, tree.size, NULL);

		if (error != cases[i].error)
			fail_msg("%s: want %s, got %s", cases[i].hex,
				 gv_lkh_error_text(cases[i].error),
				 gv_lkh_error_text(error));
	}
	free_tree(&tree);
}

/* ------------------------------------------------------------------------
 * A member's path
 */

static struct gv_wrapped_key wrapped(uint32_t key_id, uint32_t kwk_id,
				     const uint8_t *key, size_t len,
				     const uint8_t *kwk)
{
	struct gv_wrapped_key out = {key_id, kwk_id, 0, {}};
	size_t out_len = sizeof(out.wrapped);

	assert_true(
		gv_key_wrap(kwk, GV_KWK_LEN, key, len, out.wrapped, &out_len));
	out.len = out_len;
	return out;
}

/* Key n is ramp(n); key 0 is the KEK. */
static struct gv_wrapped_key link(uint32_t key_id, uint32_t kwk_id)
{
	uint8_t key[GV_KWK_LEN], kwk[GV_KWK_LEN];
	uint8_t kek[GV_KEK_LEN];

	ramp(key, key_id);
	ramp(kwk, kwk_id);
	memset(kek, 0xee, sizeof(kek));
	return wrapped(key_id, kwk_id, key_id ? key : kek,
		       key_id ? sizeof(key) : sizeof(kek),
		       kwk_id ? kwk : gsk_w);
}

static struct gv_key_path path_of(const uint32_t *ids, unsigned int count)
{
	struct gv_key_path path = {};

	for (unsigned int i = 0; i < count; i++) {
		path.keys[i].key_id = ids[i];
		ramp(path.keys[i].key, ids[i]);
	}
	path.count = count;
	return path;
}

static enum gv_path_error follow(struct gv_key_path *path,
				 const struct gv_wrapped_key *keys,
				 size_t count)
{
	struct gv_wrapped_key *copy =
		(struct gv_wrapped_key *)exact(keys, count * sizeof(*keys));
	struct gv_key_path before = *path;
	uint8_t kek[GV_KEK_LEN], want[GV_KEK_LEN];
	enum gv_path_error error;

	memset(kek, 0xa5, sizeof(kek));
	memset(want, 0xee, sizeof(want));
	error = gv_path_follow(path, gsk_w, copy, count, kek);
	free(copy);
	if (error == GV_PATH_OK) {
		assert_memory_equal(kek, want, sizeof(kek));
	} else {
		assert_true(all_zero(kek, sizeof(kek)));
		assert_memory_equal(path, &before, sizeof(before));
	}
	return error;
}

/* The RFC's rules, one by one, in every order of the wrapped keys. */
static void paths(void **state)
{
	static const uint32_t old[] = {2, 5, 11};
	static const struct {
		uint32_t links[4][2];
		unsigned int count;
		enum gv_path_error error;
		uint32_t path[4];
		unsigned int path_count;
	} cases[] = {
		/* under GSK_w: nothing changes */
		{{{0, 0}}, 1, GV_PATH_OK, {2, 5, 11}, 3},
		/* under a key that we have */
		{{{0, 2}}, 1, GV_PATH_OK, {2, 5, 11}, 3},
		{{{0, 11}}, 1, GV_PATH_OK, {2, 5, 11}, 3},
		/* the beginning is replaced */
		{{{0, 15}, {15, 5}}, 2, GV_PATH_OK, {15, 5, 11}, 3},
		{{{0, 15}, {15, 16}, {16, 11}}, 3, GV_PATH_OK, {15, 16, 11}, 3},
		{{{0, 15}, {15, 11}}, 2, GV_PATH_OK, {15, 11}, 2},
		/* a level more */
		{{{0, 15}, {15, 16}, {16, 2}},
		 3,
		 GV_PATH_OK,
		 {15, 16, 2, 5},
		 5},
		/* all of it, as in a registration */
		{{{0, 21}, {21, 23}, {23, 27}, {27, 0}},
		 4,
		 GV_PATH_OK,
		 {21, 23, 27},
		 3},
		/* what is for others does no harm */
		{{{0, 1}, {0, 15}, {15, 5}, {15, 6}},
		 4,
		 GV_PATH_OK,
		 {15, 5, 11},
		 3},
		/* nothing for us */
		{{{0, 1}}, 1, GV_PATH_EXCLUDED, {}, 0},
		{{{0, 15}, {15, 6}}, 2, GV_PATH_EXCLUDED, {}, 0},
		{{{15, 5}}, 1, GV_PATH_EXCLUDED, {}, 0},
		{{}, 0, GV_PATH_EXCLUDED, {}, 0},
		/* circles */
		{{{0, 15}, {15, 15}}, 2, GV_PATH_EXCLUDED, {}, 0},
		{{{0, 15}, {15, 16}, {16, 15}}, 3, GV_PATH_EXCLUDED, {}, 0},
		{{{0, 15}, {15, 16}, {16, 15}, {16, 5}},
		 4,
		 GV_PATH_OK,
		 {15, 16, 5, 11},
		 4},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct gv_wrapped_key keys[4], turned[4];
		unsigned int n = cases[i].count;

		for (unsigned int k = 0; k < n; k++)
			keys[k] = link(cases[i].links[k][0],
				       cases[i].links[k][1]);
		for (unsigned int turn = 0; turn < 2 * (n ? n : 1); turn++) {
			struct gv_key_path path = path_of(old, 3);

			for (unsigned int k = 0; k < n; k++)
				turned[(turn / 2 + (turn % 2 ? k : n - k)) %
				       n] = keys[k];
			assert_int_equal(follow(&path, turned, n),
					 cases[i].error);
			if (cases[i].error != GV_PATH_OK)
				continue;
			assert_int_equal(path.count, cases[i].path_count);
			for (unsigned int k = 0; k < path.count && k < 4; k++)
				assert_int_equal(path.keys[k].key_id,
						 cases[i].path[k]);
		}
	}
}

static void damaged_wrapped_keys(void **state)
{
	static const uint32_t old[] = {2, 5, 11};
	const struct gv_wrapped_key keys[] = {link(15, 5), link(0, 15)};
	uint8_t secret[GV_KEK_LEN] = {1}, kwk[GV_KWK_LEN];

	for (unsigned int k = 0; k < 2; k++) {
		for (unsigned int bit = 0; bit < 8 * keys[k].len; bit++) {
			struct gv_wrapped_key bad[] = {keys[0], keys[1]};
			struct gv_key_path path = path_of(old, 3);

			bad[k].wrapped[bit / 8] ^= 0x80 >> bit % 8;
			assert_int_equal(follow(&path, bad, 2), GV_PATH_UNWRAP);
		}
		for (unsigned int len = 0; len <= UINT16_MAX; len++) {
			struct gv_wrapped_key bad[] = {keys[0], keys[1]};
			struct gv_key_path path = path_of(old, 3);

			if (len == keys[k].len)
				continue;
			bad[k].len = len;
			assert_int_equal(follow(&path, bad, 2), GV_PATH_UNWRAP);
			len += len > 256 ? 997 : 0;
		}
	}
	/* Whole, but of another length. */
	ramp(kwk, 5);
	for (unsigned int len = 1; len <= GV_KEK_LEN; len++) {
		struct gv_wrapped_key bad[] = {wrapped(15, 5, secret, len, kwk),
					       keys[1]};
		struct gv_key_path path = path_of(old, 3);

		if (len != GV_KWK_LEN)
			assert_int_equal(follow(&path, bad, 2), GV_PATH_UNWRAP);
	}
}

/* A chain of the greatest depth, and one that is longer. */
static void too_deep(void **state)
{
	static const uint32_t leaf[] = {100};
	struct gv_wrapped_key keys[GV_KEY_PATH_MAX + 2];
	struct gv_key_path path = path_of(leaf, 1);
	unsigned int n = GV_KEY_PATH_MAX;

	for (unsigned int i = 0; i < n + 1; i++)
		keys[i] = link(101 + i, 100 + i);
	keys[n - 1] = link(0, 100 + n - 1);
	assert_int_equal(follow(&path, keys, n), GV_PATH_OK);
	assert_int_equal(path.count, GV_KEY_PATH_MAX);

	path = path_of(leaf, 1);
	keys[n - 1] = link(100 + n, 100 + n - 1);
	keys[n] = link(0, 100 + n);
	assert_int_equal(follow(&path, keys, n + 1), GV_PATH_TOO_LONG);

	keys[n] = link(101 + n, 100 + n);
	keys[n + 1] = link(0, 101 + n);
	assert_int_equal(follow(&path, keys, n + 2), GV_PATH_TOO_LONG);
}

static void error_texts(void **state)
{
	for (int i = 0; i < GV_LKH_ERRORS; i++)
		assert_string_not_equal(gv_lkh_error_text(i), "unknown error");
	assert_string_equal(gv_lkh_error_text(GV_LKH_ERRORS), "unknown error");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(appendix),
		cmocka_unit_test(random_lives),
		cmocka_unit_test(rekey_on_add),
		cmocka_unit_test(cost_of_one),
		cmocka_unit_test(cost_after_growth),
		cmocka_unit_test(cost_of_a_batch),
		cmocka_unit_test(limits),
		cmocka_unit_test(all_member_ids),
		cmocka_unit_test(no_room_for_wrapped_keys),
		cmocka_unit_test(no_key_ids_left),
		cmocka_unit_test(store_refusals),
		cmocka_unit_test(store_bit_flips),
		cmocka_unit_test(malformed_store),
		cmocka_unit_test(paths),
		cmocka_unit_test(damaged_wrapped_keys),
		cmocka_unit_test(too_deep),
		cmocka_unit_test(error_texts),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
