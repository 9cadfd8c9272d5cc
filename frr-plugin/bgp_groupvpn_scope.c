/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an S/R gives to a neighbour: of a group that it is a member of, the
 * descriptor and other members' routes; of a group with open discovery, the
 * descriptor in any case.
 *
 * A member that registers may name the members that it wants to know, by
 * identity, label or gateway.  Two members get one another's routes if each
 * names the other or names nobody.  What that comes to for a neighbour, its
 * scope, is part of what makes its route-map one of its own, so that neighbours
 * with the same scope share an update-group: in a group where nobody names
 * anybody, all of them.
 */
#include "bgp_groupvpn_frr.h"
#include "bgp_groupvpn.h"

static bool know_each_other(const struct gvpn_reg *a, const struct gvpn_reg *b)
{
	return a == b ||
	       (gv_peers_name(a->peers, b->identity, b->label, &b->gateway) &&
		gv_peers_name(b->peers, a->identity, a->label, &a->gateway));
}

static struct gvpn_reg *first_of(uint32_t group_id)
{
	struct gvpn_reg ref = {.group_id = group_id};
	struct gvpn_reg *reg = gvpn_regs_find_gteq(gvpn.regs, &ref);

	return reg && reg->group_id == group_id ? reg : NULL;
}

static struct gvpn_reg *next_of(struct gvpn_reg *reg)
{
	struct gvpn_reg *next = gvpn_regs_next(gvpn.regs, reg);

	return next && next->group_id == reg->group_id ? next : NULL;
}

static bool is_limited(uint32_t group_id)
{
	const struct gvpn_group *group = gvpn_group_find(group_id);

	return group && group->limiting > 0;
}

struct scope {
	uint32_t *words;
	size_t n;
};

static void scope_add(struct scope *scope, uint32_t word)
{
	/* grows in steps of 64 */
	if (scope->n % 64 == 0)
		scope->words =
			XREALLOC(MTYPE_TMP, scope->words,
				 (scope->n + 64) * sizeof(*scope->words));
	scope->words[scope->n++] = word;
}

/* Members that one of the neighbour's registrations in the group knows. */
static void scope_add_group(struct scope *scope, struct peer *peer,
			    uint32_t group_id)
{
	struct gvpn_reg *reg, *own;
	unsigned int all = 0;
	size_t count_at;
	bool knows;

	scope_add(scope, group_id);
	count_at = scope->n;
	scope_add(scope, 0);
	for (reg = first_of(group_id); reg; reg = next_of(reg)) {
		knows = false;
		for (own = gvpn_neighbor_next_reg(peer, NULL); own && !knows;
		     own = gvpn_neighbor_next_reg(peer, own))
			knows = own->group_id == group_id &&
				know_each_other(own, reg);
		if (knows)
			scope_add(scope, reg->member_id);
		all++;
	}
	scope->words[count_at] = scope->n - count_at - 1;
	if (scope->words[count_at] == all) {
		scope->words[count_at] = GVPN_SCOPE_ALL;
		scope->n = count_at + 1;
	}
}

/* The descriptors of groups with open discovery between two group-IDs. */
static void scope_add_open(struct scope *scope, uint64_t after, uint64_t before)
{
	struct gvpn_group *group, ref = {.id = after + 1};

	if (after >= UINT32_MAX)
		return;
	for (group = gvpn_groups_find_gteq(gvpn.groups, &ref);
	     group && group->id < before;
	     group = gvpn_groups_next(gvpn.groups, group)) {
		if (!group->discovery_open)
			continue;
		scope_add(scope, group->id);
		scope_add(scope, 0);
	}
}

uint32_t *gvpn_scope_of(struct peer *peer, size_t *n)
{
	struct gvpn_reg *reg = NULL;
	struct scope scope = {};
	uint32_t last = 0;

	while ((reg = gvpn_neighbor_next_reg(peer, reg))) {
		/* ascending by group, perhaps several members in one */
		if (reg->group_id == last)
			continue;
		scope_add_open(&scope, last, reg->group_id);
		last = reg->group_id;
		if (is_limited(last)) {
			scope_add_group(&scope, peer, last);
		} else {
			scope_add(&scope, last);
			scope_add(&scope, GVPN_SCOPE_ALL);
		}
	}
	scope_add_open(&scope, last, UINT64_MAX);
	*n = scope.n;
	return scope.words;
}

static bool contains(const uint32_t *sorted, size_t n, uint32_t word)
{
	size_t low = 0, middle;

	while (low < n) {
		middle = low + (n - low) / 2;
		if (sorted[middle] == word)
			return true;
		if (sorted[middle] < word)
			low = middle + 1;
		else
			n = middle;
	}
	return false;
}

bool gvpn_scope_has(const uint32_t *scope, size_t n, uint32_t group_id,
		    uint16_t member_id)
{
	uint32_t group, count;
	size_t at = 0;

	while (at < n) {
		group = scope[at++];
		count = scope[at++];
		if (group == group_id)
			return member_id == GV_MEMBER_ID_GCKS ||
			       count == GVPN_SCOPE_ALL ||
			       contains(scope + at, count, member_id);
		if (count != GVPN_SCOPE_ALL)
			at += count;
	}
	return false;
}
