/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A logical key hierarchy: RFC 2627 section 5.4, RFC 9838 section 3 and
 * appendix A.
 *
 * A binary tree of keys over the members of a group.  A leaf's key is known to
 * one member, an inner node's to the members beneath it.  At the root stands
 * the KEK, the keying material of the Rekey SA; it comes with each rekey and
 * is not kept here.  Evicting a member takes away every key that it knew; the
 * next rekey replaces them and wraps each for the nodes beneath it that are
 * still there: at most 2 * depth - 1 wrapped keys for one member, where depth
 * is log2 of the greatest number of members that there were, rounded up.
 *
 * The tree is the GCKS's.  A member has its path from the root to its leaf
 * (struct gv_key_path) and need not know that there is a tree.  Memory is the
 * caller's; everything that leaves the tree is wiped.
 */
#ifndef GV_LKH_H
#define GV_LKH_H

#include "keys.h"

#define GV_LKH_DEPTH_MAX GV_KEY_PATH_MAX /* member-IDs have 16 bits */

enum gv_lkh_error {
	GV_LKH_OK = 0,
	GV_LKH_BAD_MEMBER, /* member-ID 0, or not in the tree */
	GV_LKH_FULL,	   /* more members than the nodes can hold */
	GV_LKH_KEY_IDS,	   /* all 2^32 - 1 key IDs were used */
	GV_LKH_CRYPTO,	   /* libcrypto refuses */
	GV_LKH_SPACE,	   /* more wrapped keys than there is room for */
	GV_LKH_BAD_STORE,  /* not what gv_lkh_encode() makes */
	GV_LKH_ERRORS
};
const char *gv_lkh_error_text(enum gv_lkh_error error);

struct gv_lkh_node {
	uint32_t key_id;  /* 0: no key */
	uint16_t members; /* beneath, or 1 for a leaf in use */
	uint16_t member_id;
	uint8_t key[GV_KWK_LEN];
};

/* To look at; changed by the functions below. */
struct gv_lkh {
	struct gv_lkh_node *nodes; /* [1] is the root, [2i], [2i + 1] beneath */
	size_t size;
	unsigned int depth; /* of the leaves */
	uint32_t next_key_id;
};

/* How many nodes a tree of so many members takes; members up to 65536. */
size_t gv_lkh_nodes(size_t members);
/* An empty tree in the caller's nodes (size at least gv_lkh_nodes(1)), which
 * must live as long as it does.  It grows in them as members join. */
void gv_lkh_init(struct gv_lkh *tree, struct gv_lkh_node *nodes, size_t size);
/* Takes the tree to other, at least as many nodes and wipes the old ones,
 * which are the caller's to free. */
void gv_lkh_move(struct gv_lkh *tree, struct gv_lkh_node *nodes, size_t size);
void gv_lkh_wipe(struct gv_lkh *tree);

unsigned int gv_lkh_members(const struct gv_lkh *tree);
bool gv_lkh_has(const struct gv_lkh *tree, uint16_t member_id);
/* The number of the member's leaf from the left, which growth does not change;
 * UINT32_MAX if it is not in the tree. */
uint32_t gv_lkh_leaf(const struct gv_lkh *tree, uint16_t member_id);

/* Gives the member a leaf; one that is there keeps its own.  The other members
 * need not be told.  On any error nobody has joined, though key IDs may be
 * used up.  GV_LKH_FULL: gv_lkh_move() first. */
enum gv_lkh_error gv_lkh_join(struct gv_lkh *tree, uint16_t member_id);
/* Takes the member and the keys that it knew out of the tree.  Any number of
 * evictions may precede one rekey. */
enum gv_lkh_error gv_lkh_evict(struct gv_lkh *tree, uint16_t member_id);
/* Takes the keys above the member's leaf out of the tree, so that one that
 * joined learns no key that earlier messages used (rekey on add). */
enum gv_lkh_error gv_lkh_refresh(struct gv_lkh *tree, uint16_t member_id);

/* How many wrapped keys gv_lkh_rekey() would give. */
size_t gv_lkh_cost(const struct gv_lkh *tree);
/* By how many this would rise, at most, if the member were evicted first; with
 * it a GCKS stays within a message's size. */
size_t gv_lkh_evict_cost(const struct gv_lkh *tree, uint16_t member_id);
/* Draws a key for each inner node that has none, and wraps these and the KEK
 * for all members; a wrapped key comes after the ones that open it.  *count:
 * capacity on entry, number on return (0 on error).  On an error other than
 * GV_LKH_SPACE key IDs are used up, but the tree is as it was. */
enum gv_lkh_error gv_lkh_rekey(struct gv_lkh *tree,
			       const uint8_t kek[GV_KEK_LEN],
			       struct gv_wrapped_key *keys, size_t *count);

/* A store's form of the tree: secrets in clear, for the caller to protect.
 * Returns the length, 0 if it does not fit. */
#define GV_LKH_STORE_VERSION 1
#define GV_LKH_NODE_LEN (10 + GV_KWK_LEN)
#define GV_LKH_STORE_MAX(nodes) (6 + GV_LKH_NODE_LEN * (nodes))
size_t gv_lkh_encode(const struct gv_lkh *tree, uint8_t *buf, size_t size);
/* Into the caller's nodes, as gv_lkh_init().  GV_LKH_FULL: more nodes are
 * needed; *need (may be NULL) says how many.  On an error the tree is empty. */
enum gv_lkh_error gv_lkh_decode(const uint8_t *buf, size_t len,
				struct gv_lkh *tree, struct gv_lkh_node *nodes,
				size_t size, size_t *need);

/* What a member must be told when it registers; wipe it.  Keys that the next
 * rekey draws are not in it. */
enum gv_lkh_error gv_lkh_path(const struct gv_lkh *tree, uint16_t member_id,
			      struct gv_key_path *path);

#endif /* GV_LKH_H */
