/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The GSA_REKEY messages that descriptors carry, which are charon's: an S/R
 * announces them, a member hears them.
 *
 * What one descriptor has no room for comes in parts, each a descriptor under
 * an NLRI of its own (common/parts.h).  A member puts them together as soon as
 * all of one set are there; until then it goes on with what it had.
 *
 * Messages prove themselves, and charon knows old ones from new ones.  So it
 * hears those of every path, not of the best one only: a neighbour that is
 * stuck with an old descriptor, or repeats one, must not hide the new one.
 */
#include "bgp_groupvpn_frr.h"
#include "bgp_groupvpn.h"

DEFINE_MTYPE_STATIC(GROUPVPN, GROUPVPN_REKEY, "group VPN rekey messages");
DEFINE_MTYPE_STATIC(GROUPVPN, GROUPVPN_PART, "group VPN descriptor part");

/* Paths of descriptors that are looked at: a few neighbours', all parts. */
#define NEIGHBORS 8
#define CANDIDATES (NEIGHBORS * GV_PARTS_MAX)

/* How long parts may take to come, in ms, until that is told of. */
#define INCOMPLETE_WAIT 10000

/* Octets of all chains that charon is told. */
#define CHAINS_LEN (2 * GV_REKEY_MAX)

struct prefix gvpn_part_nlri[GV_PARTS_MAX];

/* What charon is told ----------------------------------------------------- */

static void chains_clear(struct gvpn_group *group)
{
	unsigned int i;

	for (i = 0; i < group->chain_count; i++)
		XFREE(MTYPE_GROUPVPN_REKEY, group->chains[i].data);
	group->chain_count = 0;
}

static bool has_chain(const struct gvpn_chain *chains, unsigned int n,
		      const uint8_t *data, size_t len)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (chains[i].len == len &&
		    memcmp(chains[i].data, data, len) == 0)
			return true;
	}
	return false;
}

/* The same chains, in whatever order, are nothing to tell. */
static bool chains_are(const struct gvpn_group *group,
		       const struct gvpn_chain *chains, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (!has_chain(group->chains, group->chain_count,
			       chains[i].data, chains[i].len))
			return false;
	}
	return n == group->chain_count;
}

/* Takes over the chains' memory. */
static void chains_set(struct gvpn_group *group,
		       const struct gvpn_chain *chains, unsigned int n)
{
	bool same = chains_are(group, chains, n);

	chains_clear(group);
	for (group->chain_count = 0; group->chain_count < n;
	     group->chain_count++)
		group->chains[group->chain_count] = chains[group->chain_count];
	if (!same)
		gvpn_ctl_send_rekey(group);
}

static void chain_add(struct gvpn_chain *chains, unsigned int *n,
		      const uint8_t *data, size_t len)
{
	size_t all = len;
	unsigned int i;

	for (i = 0; i < *n; i++)
		all += chains[i].len;
	if (!len || *n == GV_CTL_CHAINS_MAX || all > CHAINS_LEN ||
	    has_chain(chains, *n, data, len))
		return;
	chains[*n].data = XMALLOC(MTYPE_GROUPVPN_REKEY, len);
	chains[*n].len = len;
	memcpy(chains[(*n)++].data, data, len);
}

static void set_complete(struct gvpn_group *group)
{
	event_cancel(&group->t_incomplete);
	group->parts_heard = group->parts_of = 0;
}

void gvpn_rekey_none(struct gvpn_group *group)
{
	event_cancel(&group->t_rekey);
	set_complete(group);
	group->paths_left = 0;
	chains_set(group, NULL, 0);
}

/* Hearing ----------------------------------------------------------------- */

/* Who can make up descriptors must not crowd out the others: of a neighbour at
 * most one path is looked at for each part, and those come first that BGP has
 * selected, then those whose MAC is right. */
enum rank { RANK_SELECTED, RANK_VERIFIED, RANK_OTHER, RANKS };

struct candidate {
	struct gv_part part;
	const struct peer *peer;
	enum rank rank;
	bool verified;
};

struct candidates {
	struct candidate path[CANDIDATES];
	unsigned int n, left;
};

/* Where to put a path among those of its part, from begin on: in place of the
 * same neighbour's or of the last in rank, NULL if it has to stay out. */
static struct candidate *find_place(struct candidates *all, unsigned int begin,
				    const struct candidate *path)
{
	struct candidate *worst = NULL;
	unsigned int i;

	for (i = begin; i < all->n; i++) {
		if (all->path[i].peer == path->peer) {
			worst = &all->path[i];
			break;
		}
		if (!worst || all->path[i].rank > worst->rank)
			worst = &all->path[i];
	}
	if (i == all->n && all->n - begin < NEIGHBORS)
		return &all->path[all->n++];
	all->left++;
	return path->rank < worst->rank ? worst : NULL;
}

static void collect(struct candidates *all, struct gvpn_group *group,
		    struct bgp_dest *dest)
{
	struct candidate path, *place;
	unsigned int begin = all->n;
	struct bgp_path_info *pi;

	for (pi = bgp_dest_get_bgp_path_info(dest); pi; pi = pi->next) {
		if (!gvpn_heard_part(group, dest, pi, &path.part,
				     &path.verified))
			continue;
		path.peer = pi->peer;
		path.rank = CHECK_FLAG(pi->flags, BGP_PATH_SELECTED)
				    ? RANK_SELECTED
			    : path.verified ? RANK_VERIFIED
					    : RANK_OTHER;
		place = find_place(all, begin, &path);
		if (place)
			*place = path;
	}
}

/* The set that a first part begins: of the same neighbour's parts, or else of
 * those whose MAC is right, or of all. */
static size_t join(const struct candidates *all, const struct candidate *first,
		   uint8_t data[GV_REKEY_MAX])
{
	struct gv_part same[CANDIDATES], verified[CANDIDATES], any[CANDIDATES];
	unsigned int i, n_same = 0, n_verified = 0;
	size_t len;

	for (i = 0; i < all->n; i++) {
		any[i] = all->path[i].part;
		if (all->path[i].peer == first->peer)
			same[n_same++] = any[i];
		if (all->path[i].verified)
			verified[n_verified++] = any[i];
	}
	len = gv_parts_join(&first->part, same, n_same, data);
	if (!len)
		len = gv_parts_join(&first->part, verified, n_verified, data);
	return len ? len : gv_parts_join(&first->part, any, all->n, data);
}

/* How many parts of the set that a first part begins are there. */
static unsigned int count_parts(const struct candidates *all,
				const struct gv_part *first)
{
	const struct gv_part *part;
	unsigned int i, parts = 0;

	for (i = 0; i < all->n; i++) {
		part = &all->path[i].part;
		if (part->count == first->count &&
		    memcmp(part->set, first->set, GV_PART_SET_LEN) == 0)
			parts |= 1U << part->number;
	}
	return __builtin_popcount(parts);
}

static void incomplete_run(struct event *t)
{
	const struct gvpn_group *group = EVENT_ARG(t);

	zlog_warn("group-vpn: group %s (%u): GSA_REKEY messages cannot be "
		  "used, only %u of their %u parts heard",
		  group->name, group->id, group->parts_heard, group->parts_of);
}

/* Told of only if it stays so: parts come one after the other. */
static void set_incomplete(struct gvpn_group *group,
			   const struct candidates *all,
			   const struct gv_part *first)
{
	if (!group->parts_of)
		event_add_timer_msec(gvpn.master, incomplete_run, group,
				     INCOMPLETE_WAIT, &group->t_incomplete);
	group->parts_heard = count_parts(all, first);
	group->parts_of = first->count;
}

static void hear_run(struct event *t)
{
	struct gvpn_group *group = EVENT_ARG(t);
	struct gvpn_chain chains[GV_CTL_CHAINS_MAX];
	static uint8_t data[GV_REKEY_MAX];
	const struct gv_part *incomplete = NULL;
	struct candidates all = {};
	unsigned int i, n = 0;
	struct bgp_dest *dest;
	enum rank rank;
	size_t len;

	for (i = 0; i < GV_PARTS_MAX; i++) {
		dest = gvpn_descriptor_dest(group, i);
		if (!dest)
			continue;
		collect(&all, group, dest);
		bgp_dest_unlock_node(dest);
	}
	for (rank = 0; rank < RANKS; rank++) {
		for (i = 0; i < all.n; i++) {
			if (all.path[i].part.number || all.path[i].rank != rank)
				continue;
			len = join(&all, &all.path[i], data);
			if (!len && !incomplete)
				incomplete = &all.path[i].part;
			chain_add(chains, &n, data, len);
		}
	}
	group->paths_left = all.left;
	if (incomplete)
		set_incomplete(group, &all, incomplete);
	else
		set_complete(group);
	/* The others are on their way. */
	if (!n && incomplete)
		return;
	chains_set(group, chains, n);
}

void gvpn_rekey_hear(struct gvpn_group *group)
{
	if (group->role == GV_ROLE_MEMBER)
		event_add_event(gvpn.master, hear_run, group, 0,
				&group->t_rekey);
}

/* Announcing -------------------------------------------------------------- */

static void part_unset(struct gvpn_announced *part)
{
	gvpn_own_unset(&part->own);
	XFREE(MTYPE_GROUPVPN_PART, part->value);
	part->len = 0;
}

/* The descriptor's own part is the first, the others come by themselves. */
void gvpn_rekey_announce(struct gvpn_group *group, struct bgp *bgp,
			 const struct gv_attr *descriptor)
{
	struct gvpn_chain chain[1];
	struct gvpn_announced *part;
	struct prefix_rd rd;
	unsigned int i, n = 0;
	struct attr *attr;

	gvpn_rd_make(&rd, GV_MEMBER_ID_GCKS, group->id);
	for (i = 1; i < GV_PARTS_MAX; i++) {
		part = &group->parts[i - 1];
		if (i >= descriptor->part_count) {
			part_unset(part);
			continue;
		}
		if (!part->value)
			continue;
		attr = gvpn_attr_make(bgp, group->id, &group->gateway, AFI_IP6,
				      NULL, part->value, part->len);
		gvpn_own_set(&part->own, bgp, AFI_IP6, SAFI_MPLS_VPN, &rd,
			     &gvpn_part_nlri[i], attr);
		bgp_attr_unintern(&attr);
	}
	chain_add(chain, &n, descriptor->rekey, descriptor->rekey_len);
	chains_set(group, chain, n);
}

void gvpn_rekey_withdraw(struct gvpn_group *group)
{
	unsigned int i;

	for (i = 1; i < GV_PARTS_MAX; i++)
		gvpn_own_unset(&group->parts[i - 1].own);
	gvpn_rekey_none(group);
}

void gvpn_rekey_forget_bgp(struct gvpn_group *group)
{
	unsigned int i;

	for (i = 1; i < GV_PARTS_MAX; i++)
		gvpn_own_forget(&group->parts[i - 1].own);
	gvpn_rekey_none(group);
}

void gvpn_rekey_part(const struct gv_ctl_msg *msg)
{
	struct gvpn_group *group = gvpn_group_find(msg->group_id);
	struct gvpn_announced *part;
	struct gv_attr a;

	if (!group || group->role != GV_ROLE_GCKS ||
	    !gvpn_rr_is_descriptor(group->id, msg->attr, msg->attr_len) ||
	    gv_attr_decode(msg->attr, msg->attr_len, &a) != GV_ATTR_OK ||
	    !a.part_number)
		return;
	part = &group->parts[a.part_number - 1];
	XFREE(MTYPE_GROUPVPN_PART, part->value);
	part->value = XMALLOC(MTYPE_GROUPVPN_PART, msg->attr_len);
	part->len = msg->attr_len;
	memcpy(part->value, msg->attr, msg->attr_len);
	gvpn_rr_descriptor(group);
}

void gvpn_rekey_free(struct gvpn_group *group)
{
	unsigned int i;

	event_cancel(&group->t_rekey);
	event_cancel(&group->t_incomplete);
	chains_clear(group);
	for (i = 1; i < GV_PARTS_MAX; i++)
		part_unset(&group->parts[i - 1]);
}

/* Init -------------------------------------------------------------------- */

struct bgp_dest *gvpn_descriptor_dest(const struct gvpn_group *group,
				      unsigned int part)
{
	struct bgp *bgp = bgp_get_default();
	struct bgp_dest *top, *dest;
	struct bgp_table *table;
	struct prefix_rd rd;

	if (!bgp)
		return NULL;
	gvpn_rd_make(&rd, GV_MEMBER_ID_GCKS, group->id);
	top = bgp_node_lookup(bgp->rib[AFI_IP6][SAFI_MPLS_VPN],
			      (struct prefix *)&rd);
	if (!top)
		return NULL;
	table = bgp_dest_get_bgp_table_info(top);
	dest = table ? bgp_node_lookup(table, &gvpn_part_nlri[part]) : NULL;
	bgp_dest_unlock_node(top);
	return dest;
}

int gvpn_part_of_nlri(const struct prefix *nlri)
{
	unsigned int i;

	/* most are none, and differ from the first one early */
	if (nlri->family != AF_INET6 || nlri->prefixlen != IPV6_MAX_BITLEN ||
	    memcmp(&nlri->u.prefix6, &gvpn_part_nlri[0].u.prefix6, 6) != 0)
		return -1;
	for (i = 0; i < GV_PARTS_MAX; i++) {
		if (prefix_same(nlri, &gvpn_part_nlri[i]))
			return i;
	}
	return -1;
}

void gvpn_rekey_init(void)
{
	char text[PREFIX_STRLEN];
	unsigned int i;

	gvpn_part_nlri[0] = gvpn_descriptor_nlri;
	for (i = 1; i < GV_PARTS_MAX; i++) {
		snprintf(text, sizeof(text), "fd67:7670:6e00::1:%u/128", i);
		str2prefix(text, &gvpn_part_nlri[i]);
	}
}
