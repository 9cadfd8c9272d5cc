/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the configuration says of an S/R's neighbours: "neighbor X group-vpn
 * ...".
 *
 * By itself a neighbour stands for the registrations of its address.  With
 * "member IDENTITY" it stands for those of that IKE identity, wherever it
 * registered from: a BGP session between other addresses than the gateways'.
 * With "transit" it is no member but somebody on the way to members, a
 * reflector that knows nothing of groups.
 *
 * A setting belongs to a neighbour or to a peer-group; a neighbour's own comes
 * first.
 */
#include "bgp_groupvpn_frr.h"
#include "bgp_groupvpn.h"
#include "bgp_groupvpn_cmd.h"

DEFINE_MTYPE_STATIC(GROUPVPN, GROUPVPN_NEIGHBOR, "group VPN neighbor");

PREDECL_RBTREE_UNIQ(gvpn_neighbors);
struct gvpn_neighbor {
	struct gvpn_neighbors_item item;
	struct peer *peer; /* locked; or a peer-group's configuration */
	bool transit;
	char *identity; /* NULL: transit */
};

static int neighbor_cmp(const struct gvpn_neighbor *a,
			const struct gvpn_neighbor *b)
{
	return numcmp((uintptr_t)a->peer, (uintptr_t)b->peer);
}

DECLARE_RBTREE_UNIQ(gvpn_neighbors, struct gvpn_neighbor, item, neighbor_cmp);
static struct gvpn_neighbors_head neighbors[1];

static struct gvpn_neighbor *find(const struct peer *peer)
{
	struct gvpn_neighbor ref = {.peer = (struct peer *)peer};

	return gvpn_neighbors_find(neighbors, &ref);
}

static const struct gvpn_neighbor *setting_of(const struct peer *peer)
{
	const struct gvpn_neighbor *neighbor = find(peer);

	if (!neighbor && peer->group)
		neighbor = find(peer->group->conf);
	return neighbor;
}

bool gvpn_neighbor_is_transit(const struct peer *peer)
{
	const struct gvpn_neighbor *neighbor = setting_of(peer);

	return neighbor && neighbor->transit;
}

bool gvpn_neighbor_is_member(struct peer *peer, const struct gvpn_reg *reg)
{
	const struct gvpn_neighbor *neighbor = setting_of(peer);
	struct gv_addr addr;

	if (neighbor)
		return neighbor->identity &&
		       strcmp(neighbor->identity, reg->identity) == 0;
	return gvpn_addr_of_peer(peer, &addr) &&
	       gv_addr_equal(&addr, &reg->from);
}

/* By identity there is no index: who uses it has few such neighbours. */
struct gvpn_reg *gvpn_neighbor_next_reg(struct peer *peer, struct gvpn_reg *reg)
{
	const struct gvpn_neighbor *neighbor = setting_of(peer);
	struct gv_addr addr;

	if (neighbor && !neighbor->identity)
		return NULL;
	if (!neighbor) {
		if (reg)
			return gvpn_reg_next(reg);
		return gvpn_addr_of_peer(peer, &addr) ? gvpn_reg_first(&addr)
						      : NULL;
	}
	do {
		reg = reg ? gvpn_regs_next(gvpn.regs, reg)
			  : gvpn_regs_first(gvpn.regs);
	} while (reg && strcmp(reg->identity, neighbor->identity) != 0);
	return reg;
}

bool gvpn_neighbor_has_transit(void)
{
	const struct gvpn_neighbor *neighbor;

	frr_each (gvpn_neighbors_const, neighbors, neighbor) {
		if (neighbor->transit)
			return true;
	}
	return false;
}

bool gvpn_neighbor_has_identity(const struct gvpn_reg *reg)
{
	const struct gvpn_neighbor *neighbor;

	frr_each (gvpn_neighbors_const, neighbors, neighbor) {
		if (neighbor->identity &&
		    strcmp(neighbor->identity, reg->identity) == 0)
			return true;
	}
	return false;
}

static void neighbor_free(struct gvpn_neighbor *neighbor)
{
	gvpn_neighbors_del(neighbors, neighbor);
	peer_unlock(neighbor->peer);
	XFREE(MTYPE_GROUPVPN_NEIGHBOR, neighbor->identity);
	XFREE(MTYPE_GROUPVPN_NEIGHBOR, neighbor);
}

void gvpn_neighbor_forget_peer(const struct peer *peer)
{
	struct gvpn_neighbor *neighbor = find(peer);

	if (neighbor)
		neighbor_free(neighbor);
}

/* identity NULL: transit */
static void neighbor_set(struct peer *peer, const char *identity)
{
	struct gvpn_neighbor *neighbor = find(peer);

	if (!neighbor) {
		neighbor = XCALLOC(MTYPE_GROUPVPN_NEIGHBOR, sizeof(*neighbor));
		neighbor->peer = peer_lock(peer);
		gvpn_neighbors_add(neighbors, neighbor);
	}
	XFREE(MTYPE_GROUPVPN_NEIGHBOR, neighbor->identity);
	neighbor->transit = !identity;
	if (identity)
		neighbor->identity = XSTRDUP(MTYPE_GROUPVPN_NEIGHBOR, identity);
}

/* Commands ---------------------------------------------------------------- */

struct peer *gvpn_neighbor_named(struct bgp *bgp, const char *name)
{
	struct peer_group *group;
	struct peer *peer;
	union sockunion su;

	if (str2sockunion(name, &su) == 0)
		return peer_lookup(bgp, &su);
	peer = peer_lookup_by_conf_if(bgp, name);
	if (peer)
		return peer;
	group = peer_group_lookup(bgp, name);
	return group ? group->conf : NULL;
}

static struct peer *lookup(struct vty *vty, struct bgp *bgp, const char *name)
{
	struct peer *peer = gvpn_neighbor_named(bgp, name);

	if (!peer)
		vty_out(vty,
			"%% %s: no such neighbor or peer-group, give its "
			"remote-as or peer-group command first\n",
			name);
	else if (peer_dynamic_neighbor(peer))
		vty_out(vty,
			"%% %s is a dynamic neighbor: configure its "
			"peer-group\n",
			name);
	else
		return peer;
	return NULL;
}

static struct peer *lookup_in_default(struct vty *vty, struct bgp *bgp,
				      const char *name)
{
	if (bgp->inst_type == BGP_INSTANCE_TYPE_DEFAULT)
		return lookup(vty, bgp, name);
	vty_out(vty,
		"%% neighbor %s group-vpn belongs into \"router bgp\" of the "
		"default VRF, whose neighbors carry VPN routes\n",
		name);
	return NULL;
}

/* What it said before was true of other routes. */
static int changed(struct peer *peer)
{
	gvpn_policy_apply_named(peer);
	gvpn_rr_neighbor_changed(peer);
	return CMD_SUCCESS;
}

DEFUN(gvpn_neighbor_transit, gvpn_neighbor_transit_cmd,
      GVPN_CMD_NEIGHBOR_TRANSIT, GVPN_HELP_NEIGHBOR_TRANSIT)
{
	VTY_DECLVAR_CONTEXT(bgp, bgp);
	bool no = strcmp(argv[0]->text, "no") == 0;
	struct peer *peer = lookup_in_default(vty, bgp, argv[1 + no]->arg);
	struct gvpn_neighbor *neighbor;

	if (!peer)
		return CMD_WARNING_CONFIG_FAILED;
	if (!no) {
		neighbor_set(peer, NULL);
		return changed(peer);
	}
	neighbor = find(peer);
	if (!neighbor || !neighbor->transit)
		return CMD_SUCCESS;
	neighbor_free(neighbor);
	return changed(peer);
}

DEFUN(gvpn_neighbor_member, gvpn_neighbor_member_cmd, GVPN_CMD_NEIGHBOR_MEMBER,
      GVPN_HELP_NEIGHBOR_MEMBER)
{
	VTY_DECLVAR_CONTEXT(bgp, bgp);
	struct peer *peer = lookup_in_default(vty, bgp, argv[1]->arg);
	char *identity;
	bool fits;

	if (!peer)
		return CMD_WARNING_CONFIG_FAILED;
	identity = argv_concat(argv, argc, 4);
	fits = strlen(identity) <= GV_TEXT_MAX;
	if (fits)
		neighbor_set(peer, identity);
	else
		vty_out(vty, "%% an identity has at most %d characters\n",
			GV_TEXT_MAX);
	XFREE(MTYPE_TMP, identity);
	return fits ? changed(peer) : CMD_WARNING_CONFIG_FAILED;
}

DEFUN(no_gvpn_neighbor_member, no_gvpn_neighbor_member_cmd,
      GVPN_CMD_NO_NEIGHBOR_MEMBER, GVPN_HELP_NO_NEIGHBOR_MEMBER)
{
	VTY_DECLVAR_CONTEXT(bgp, bgp);
	struct peer *peer = lookup_in_default(vty, bgp, argv[2]->arg);
	struct gvpn_neighbor *neighbor;
	char *identity;
	bool is_it;

	if (!peer)
		return CMD_WARNING_CONFIG_FAILED;
	/* A tool may set what is new before it takes back what was. */
	neighbor = find(peer);
	identity = argc > 5 ? argv_concat(argv, argc, 5) : NULL;
	is_it = neighbor && neighbor->identity &&
		(!identity || strcmp(neighbor->identity, identity) == 0);
	XFREE(MTYPE_TMP, identity);
	if (!is_it)
		return CMD_SUCCESS;
	neighbor_free(neighbor);
	return changed(peer);
}

ALIAS(no_gvpn_neighbor_member, no_gvpn_neighbor_member_named_cmd,
      GVPN_CMD_NO_NEIGHBOR_MEMBER_NAMED, GVPN_HELP_NO_NEIGHBOR_MEMBER_NAMED)

void gvpn_neighbor_write(struct bgp *bgp, struct vty *vty)
{
	const struct gvpn_neighbor *neighbor;
	const struct peer *peer;
	const char *name;

	frr_each (gvpn_neighbors_const, neighbors, neighbor) {
		peer = neighbor->peer;
		if (peer->bgp != bgp)
			continue;
		if (CHECK_FLAG(peer->sflags, PEER_STATUS_GROUP))
			name = peer->group->name;
		else
			name = peer->conf_if ? peer->conf_if : peer->host;
		if (neighbor->transit)
			vty_out(vty, " neighbor %s group-vpn transit\n", name);
		else
			vty_out(vty, " neighbor %s group-vpn member %s\n", name,
				neighbor->identity);
	}
}

void gvpn_neighbor_fini(void)
{
	struct gvpn_neighbor *neighbor;

	while ((neighbor = gvpn_neighbors_first(neighbors)))
		neighbor_free(neighbor);
	gvpn_neighbors_fini(neighbors);
}

void gvpn_neighbor_init(void)
{
	gvpn_neighbors_init(neighbors);
	install_element(BGP_NODE, &gvpn_neighbor_transit_cmd);
	install_element(BGP_NODE, &gvpn_neighbor_member_cmd);
	install_element(BGP_NODE, &no_gvpn_neighbor_member_cmd);
	install_element(BGP_NODE, &no_gvpn_neighbor_member_named_cmd);
}
