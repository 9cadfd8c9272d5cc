// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The key tree of lkh.h.
 *
 * The tree is complete and lies in an array, as a binary heap does.  One rule
 * carries it: an inner node that has members beneath it but no key gets one
 * in the next rekey.  Eviction takes keys away, and so does growth, which puts
 * a new node above members that cannot know of it; nothing else is remembered
 * between the two.  A node with a key is known to all members beneath it, and
 * above a node that waits for one every node waits too, so a rekey needs to
 * look beneath waiting nodes only.
 *
 * What this does not do: balance.  A member gets the first free leaf, and the
 * tree does not shrink.
 */
#include "lkh.h"

#include <string.h>

#include "bytes.h"

#define ROOT 1

const char *gv_lkh_error_text(enum gv_lkh_error error)
{
	static const char *const texts[GV_LKH_ERRORS] = {
		[GV_LKH_OK] = "ok",
		[GV_LKH_BAD_MEMBER] = "no such member in the key tree",
		[GV_LKH_FULL] = "key tree is full",
		[GV_LKH_KEY_IDS] = "key IDs are used up",
		[GV_LKH_CRYPTO] = "cryptographic library refuses",
		[GV_LKH_SPACE] = "too many wrapped keys",
		[GV_LKH_BAD_STORE] = "stored key tree is corrupt",
	};

	if ((unsigned int)error >= GV_LKH_ERRORS)
		return "unknown error";
	return texts[error];
}

/* ------------------------------------------------------------------------
 * Shape
 */

static size_t leaves(const struct gv_lkh *tree)
{
	return (size_t)1 << tree->depth;
}

static bool is_leaf(const struct gv_lkh *tree, size_t i)
{
	return i >= leaves(tree);
}

/* Nodes of a tree with leaves at this depth, [0] included. */
static size_t nodes_at(unsigned int depth)
{
	return (size_t)2 << depth;
}

/* The inner node gets a key in the next rekey; the root always does. */
static bool waits(const struct gv_lkh *tree, size_t i)
{
	return !is_leaf(tree, i) && tree->nodes[i].members &&
	       !tree->nodes[i].key_id;
}

/* The member's leaf, 0 if it has none. */
static size_t find(const struct gv_lkh *tree, uint16_t member_id)
{
	for (size_t i = leaves(tree); member_id && i < 2 * leaves(tree); i++)
		if (tree->nodes[i].member_id == member_id)
			return i;
	return 0;
}

static size_t first_free(const struct gv_lkh *tree)
{
	size_t i = ROOT, room = leaves(tree);

	while (!is_leaf(tree, i)) {
		i *= 2;
		room /= 2;
		if (tree->nodes[i].members == room)
			i++;
	}
	return i;
}

static void wipe_nodes(struct gv_lkh_node *nodes, size_t count)
{
	gv_wipe(nodes, count * sizeof(*nodes));
}

static void drop_key(struct gv_lkh_node *node)
{
	node->key_id = 0;
	gv_wipe(node->key, sizeof(node->key));
}

static void drop_keys_above(struct gv_lkh *tree, size_t leaf)
{
	for (size_t i = leaf / 2; i > ROOT; i /= 2)
		drop_key(&tree->nodes[i]);
}

size_t gv_lkh_nodes(size_t members)
{
	unsigned int depth = 1;

	while (depth < GV_LKH_DEPTH_MAX && members > (size_t)1 << depth)
		depth++;
	return nodes_at(depth);
}

void gv_lkh_init(struct gv_lkh *tree, struct gv_lkh_node *nodes, size_t size)
{
	*tree = (struct gv_lkh){nodes, size, 1, 1};
	wipe_nodes(nodes, size);
}

void gv_lkh_move(struct gv_lkh *tree, struct gv_lkh_node *nodes, size_t size)
{
	wipe_nodes(nodes, size);
	memcpy(nodes, tree->nodes, nodes_at(tree->depth) * sizeof(*nodes));
	wipe_nodes(tree->nodes, tree->size);
	tree->nodes = nodes;
	tree->size = size;
}

void gv_lkh_wipe(struct gv_lkh *tree)
{
	wipe_nodes(tree->nodes, tree->size);
	gv_wipe(tree, sizeof(*tree));
}

unsigned int gv_lkh_members(const struct gv_lkh *tree)
{
	return tree->nodes[ROOT].members;
}

bool gv_lkh_has(const struct gv_lkh *tree, uint16_t member_id)
{
	return find(tree, member_id) != 0;
}

uint32_t gv_lkh_leaf(const struct gv_lkh *tree, uint16_t member_id)
{
	size_t leaf = find(tree, member_id);

	return leaf ? leaf - leaves(tree) : UINT32_MAX;
}

/* The tree becomes the left half of one with twice the leaves: each level
 * moves into the left half of the level beneath it, the lowest first. */
static bool grow(struct gv_lkh *tree)
{
	struct gv_lkh_node *nodes = tree->nodes;

	if (tree->depth == GV_LKH_DEPTH_MAX ||
	    tree->size < nodes_at(tree->depth + 1))
		return false;
	for (size_t n = leaves(tree); n > ROOT; n /= 2) {
		memcpy(nodes + 2 * n, nodes + n, n * sizeof(*nodes));
		wipe_nodes(nodes + 3 * n, n);
	}
	wipe_nodes(nodes + 2, 2);
	nodes[2].members = nodes[ROOT].members;
	tree->depth++;
	return true;
}

/* ------------------------------------------------------------------------
 * Membership
 */

static enum gv_lkh_error draw_key(struct gv_lkh *tree, size_t i)
{
	struct gv_lkh_node *node = &tree->nodes[i];

	if (tree->next_key_id == UINT32_MAX)
		return GV_LKH_KEY_IDS;
	if (!gv_random(node->key, sizeof(node->key)))
		return GV_LKH_CRYPTO;
	node->key_id = tree->next_key_id++;
	return GV_LKH_OK;
}

/* Keys for the leaf and for the nodes above it that nobody is beneath yet.
 * Those that others are beneath are left as they are: with a key that the new
 * member is told, or waiting for one. */
static enum gv_lkh_error draw_path(struct gv_lkh *tree, size_t leaf)
{
	enum gv_lkh_error error = GV_LKH_OK;

	for (size_t i = leaf; i > ROOT && !error; i /= 2)
		if (!tree->nodes[i].members)
			error = draw_key(tree, i);
	if (!error)
		return GV_LKH_OK;
	for (size_t i = leaf; i > ROOT; i /= 2)
		if (!tree->nodes[i].members)
			drop_key(&tree->nodes[i]);
	return error;
}

enum gv_lkh_error gv_lkh_join(struct gv_lkh *tree, uint16_t member_id)
{
	enum gv_lkh_error error;
	size_t leaf;

	if (!member_id)
		return GV_LKH_BAD_MEMBER;
	if (find(tree, member_id))
		return GV_LKH_OK;
	if (gv_lkh_members(tree) == leaves(tree) && !grow(tree))
		return GV_LKH_FULL;
	leaf = first_free(tree);
	error = draw_path(tree, leaf);
	if (error)
		return error;
	tree->nodes[leaf].member_id = member_id;
	for (size_t i = leaf; i >= ROOT; i /= 2)
		tree->nodes[i].members++;
	return GV_LKH_OK;
}

enum gv_lkh_error gv_lkh_evict(struct gv_lkh *tree, uint16_t member_id)
{
	size_t leaf = find(tree, member_id);

	if (!leaf)
		return GV_LKH_BAD_MEMBER;
	drop_keys_above(tree, leaf);
	for (size_t i = leaf; i >= ROOT; i /= 2)
		tree->nodes[i].members--;
	wipe_nodes(&tree->nodes[leaf], 1);
	return GV_LKH_OK;
}

enum gv_lkh_error gv_lkh_refresh(struct gv_lkh *tree, uint16_t member_id)
{
	size_t leaf = find(tree, member_id);

	if (!leaf)
		return GV_LKH_BAD_MEMBER;
	drop_keys_above(tree, leaf);
	return GV_LKH_OK;
}

/* ------------------------------------------------------------------------
 * Rekey
 */

static size_t cost(const struct gv_lkh *tree, size_t i)
{
	const struct gv_lkh_node *nodes = tree->nodes;

	if (!waits(tree, i))
		return 0;
	return !!nodes[2 * i].members + !!nodes[2 * i + 1].members +
	       cost(tree, 2 * i) + cost(tree, 2 * i + 1);
}

size_t gv_lkh_cost(const struct gv_lkh *tree)
{
	return cost(tree, ROOT);
}

/* Two for each node that has yet to lose its key. */
size_t gv_lkh_evict_cost(const struct gv_lkh *tree, uint16_t member_id)
{
	size_t rise = 0;

	for (size_t i = find(tree, member_id) / 2; i > ROOT; i /= 2)
		rise += tree->nodes[i].key_id ? 2 : 0;
	return rise;
}

static bool wrap(struct gv_wrapped_key *out, uint32_t key_id,
		 const uint8_t *secret, size_t len,
		 const struct gv_lkh_node *kwk)
{
	size_t wrapped_len = sizeof(out->wrapped);

	memset(out, 0, sizeof(*out));
	if (!gv_key_wrap(kwk->key, sizeof(kwk->key), secret, len, out->wrapped,
			 &wrapped_len))
		return false;
	out->key_id = key_id;
	out->kwk_id = kwk->key_id;
	out->len = wrapped_len;
	return true;
}

/* Gives node i, and first those beneath it, the key it waits for; keys has
 * room for them all. */
static enum gv_lkh_error replace(struct gv_lkh *tree, size_t i,
				 const uint8_t kek[GV_KEK_LEN],
				 struct gv_wrapped_key *keys, size_t *count)
{
	struct gv_lkh_node *node = &tree->nodes[i];
	const uint8_t *secret = i == ROOT ? kek : node->key;
	size_t len = i == ROOT ? GV_KEK_LEN : sizeof(node->key);
	enum gv_lkh_error error = GV_LKH_OK;

	if (!waits(tree, i))
		return GV_LKH_OK;
	for (size_t child = 2 * i; child <= 2 * i + 1 && !error; child++)
		error = replace(tree, child, kek, keys, count);
	if (!error && i != ROOT)
		error = draw_key(tree, i);
	if (error)
		return error;
	for (size_t child = 2 * i; child <= 2 * i + 1; child++) {
		if (!tree->nodes[child].members)
			continue;
		if (!wrap(&keys[*count], node->key_id, secret, len,
			  &tree->nodes[child]))
			return GV_LKH_CRYPTO;
		++*count;
	}
	return GV_LKH_OK;
}

enum gv_lkh_error gv_lkh_rekey(struct gv_lkh *tree,
			       const uint8_t kek[GV_KEK_LEN],
			       struct gv_wrapped_key *keys, size_t *count)
{
	uint32_t first_new = tree->next_key_id;
	size_t room = *count;
	enum gv_lkh_error error;

	*count = 0;
	if (gv_lkh_cost(tree) > room)
		return GV_LKH_SPACE;
	error = replace(tree, ROOT, kek, keys, count);
	if (!error)
		return GV_LKH_OK;
	/* Nobody will be told the new keys: the nodes go on waiting. */
	for (size_t i = ROOT + 1; !is_leaf(tree, i); i++)
		if (tree->nodes[i].key_id >= first_new)
			drop_key(&tree->nodes[i]);
	gv_wipe(keys, *count * sizeof(*keys));
	*count = 0;
	return error;
}

/* ------------------------------------------------------------------------
 * Store
 *
 * version(1)=1 depth(1) next key ID(4)
 *   { node(4) member-ID(2) key ID(4) key(32) }* in rising order of node
 */

size_t gv_lkh_encode(const struct gv_lkh *tree, uint8_t *buf, size_t size)
{
	struct gv_writer w;

	gv_writer_init(&w, buf, size);
	gv_put8(&w, GV_LKH_STORE_VERSION);
	gv_put8(&w, tree->depth);
	gv_put32(&w, tree->next_key_id);
	for (size_t i = ROOT + 1; i < 2 * leaves(tree); i++) {
		const struct gv_lkh_node *node = &tree->nodes[i];

		if (!node->key_id)
			continue;
		gv_put32(&w, i);
		gv_put16(&w, node->member_id);
		gv_put32(&w, node->key_id);
		gv_put_bytes(&w, node->key, sizeof(node->key));
	}
	return w.ok ? w.len : 0;
}

static bool get_node(struct gv_reader *r, struct gv_lkh *tree, size_t *last)
{
	size_t i = gv_get32(r);
	struct gv_lkh_node node = {};
	const uint8_t *key;

	node.member_id = gv_get16(r);
	node.key_id = gv_get32(r);
	key = gv_get_bytes(r, GV_KWK_LEN);
	if (!key || i <= *last || i >= 2 * leaves(tree) ||
	    is_leaf(tree, i) != !!node.member_id || !node.key_id ||
	    node.key_id >= tree->next_key_id)
		return false;
	*last = i;
	tree->nodes[i] = node;
	memcpy(tree->nodes[i].key, key, GV_KWK_LEN);
	return true;
}

static bool first_seen(uint8_t *seen, uint32_t i)
{
	bool first = !(seen[i / 8] & 1u << i % 8);

	seen[i / 8] |= 1u << i % 8;
	return first;
}

/* Looks at one window of IDs after the other. */
static bool key_ids_differ(const struct gv_lkh *tree)
{
	enum { WINDOW = 1 << 19 };
	uint8_t seen[WINDOW / 8];
	uint32_t from = 1, next;

	for (; from; from = next) {
		memset(seen, 0, sizeof(seen));
		next = 0;
		for (size_t i = ROOT; i < 2 * leaves(tree); i++) {
			uint32_t id = tree->nodes[i].key_id;

			if (id < from)
				continue;
			if (id - from >= WINDOW)
				next = next && next < id ? next : id;
			else if (!first_seen(seen, id - from))
				return false;
		}
	}
	return true;
}

/* Counts the members; false if one has two leaves, or if a node has a key
 * that no member can know, or that one cannot because a node beneath has
 * none. */
static bool count_members(struct gv_lkh *tree)
{
	uint8_t seen[UINT16_MAX / 8 + 1] = {};
	struct gv_lkh_node *nodes = tree->nodes;

	for (size_t i = leaves(tree); i < 2 * leaves(tree); i++) {
		uint16_t id = nodes[i].member_id;

		if (!id)
			continue;
		if (!first_seen(seen, id))
			return false;
		nodes[i].members = 1;
	}
	for (size_t i = leaves(tree) - 1; i >= ROOT; i--) {
		nodes[i].members =
			nodes[2 * i].members + nodes[2 * i + 1].members;
		if (nodes[i].key_id &&
		    (!nodes[i].members || waits(tree, 2 * i) ||
		     waits(tree, 2 * i + 1)))
			return false;
	}
	return true;
}

enum gv_lkh_error gv_lkh_decode(const uint8_t *buf, size_t len,
				struct gv_lkh *tree, struct gv_lkh_node *nodes,
				size_t size, size_t *need)
{
	size_t last = ROOT, nodes_needed;
	uint32_t next_key_id;
	uint8_t version, depth;
	struct gv_reader r;
	bool ok;

	gv_lkh_init(tree, nodes, size);
	gv_reader_init(&r, buf, len);
	version = gv_get8(&r);
	depth = gv_get8(&r);
	next_key_id = gv_get32(&r);
	if (!r.ok || version != GV_LKH_STORE_VERSION || !depth ||
	    depth > GV_LKH_DEPTH_MAX || !next_key_id)
		return GV_LKH_BAD_STORE;
	nodes_needed = nodes_at(depth);
	if (need)
		*need = nodes_needed;
	if (nodes_needed > size)
		return GV_LKH_FULL;
	tree->depth = depth;
	tree->next_key_id = next_key_id;
	ok = true;
	while (ok && r.left)
		ok = get_node(&r, tree, &last);
	if (ok && key_ids_differ(tree) && count_members(tree))
		return GV_LKH_OK;
	gv_lkh_init(tree, nodes, size);
	return GV_LKH_BAD_STORE;
}

/* ------------------------------------------------------------------------
 * Paths
 */

enum gv_lkh_error gv_lkh_path(const struct gv_lkh *tree, uint16_t member_id,
			      struct gv_key_path *path)
{
	size_t leaf = find(tree, member_id);

	memset(path, 0, sizeof(*path));
	if (!leaf)
		return GV_LKH_BAD_MEMBER;
	for (unsigned int up = tree->depth; up-- > 0;) {
		const struct gv_lkh_node *node = &tree->nodes[leaf >> up];
		struct gv_path_key *key = &path->keys[path->count];

		if (!node->key_id)
			continue;
		key->key_id = node->key_id;
		memcpy(key->key, node->key, sizeof(key->key));
		path->count++;
	}
	return GV_LKH_OK;
}
