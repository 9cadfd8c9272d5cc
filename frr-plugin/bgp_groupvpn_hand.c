/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * S/R: hands charon the routes of a group's members, for those that have no
 * bgpd to hear them.  charon opens them, here they stay sealed.
 *
 * Only groups of which charon wants that are looked at.  What it has been
 * handed is kept by destination, with the attributes that it had.  Changes of
 * the same attributes, as they come one after the other when a member's routes
 * do, share a message.  Of a member that announces more than any is to have the
 * rest is passed over, so that none can fill charon's queue.
 */
#include "bgp_groupvpn_frr.h"
#include "bgp_groupvpn.h"

#include "prefixes.h"

DEFINE_MTYPE_STATIC(GROUPVPN, GROUPVPN_HANDED, "group VPN route handed on");

PREDECL_HASH(gvpn_handeds);
struct gvpn_handed {
	struct gvpn_handeds_item item;
	struct bgp_dest *dest; /* locked */
	struct attr *attr;     /* interned */
	uint32_t group_id;
	uint16_t member_id;
};

static int handed_cmp(const struct gvpn_handed *a, const struct gvpn_handed *b)
{
	return numcmp((uintptr_t)a->dest, (uintptr_t)b->dest);
}

static uint32_t handed_hash(const struct gvpn_handed *handed)
{
	return jhash(&handed->dest, sizeof(handed->dest), 0);
}

DECLARE_HASH(gvpn_handeds, struct gvpn_handed, item, handed_cmp, handed_hash);

/* Routes of one member: twice as many as it may have, as there are two of each
 * while the route epoch changes. */
#define HANDED_MAX 8192

PREDECL_HASH(gvpn_handers);
struct gvpn_hander {
	struct gvpn_handers_item item;
	uint32_t group_id;
	uint16_t member_id;
	unsigned int count; /* of what was handed of it, not 0 */
};

static int hander_cmp(const struct gvpn_hander *a, const struct gvpn_hander *b)
{
	return numcmp(a->group_id, b->group_id)
		       ?: numcmp(a->member_id, b->member_id);
}

static uint32_t hander_hash(const struct gvpn_hander *hander)
{
	return jhash_2words(hander->group_id, hander->member_id, 0);
}

DECLARE_HASH(gvpn_handers, struct gvpn_hander, item, hander_cmp, hander_hash);

static void walk_done(void);

static struct gvpn_handeds_head handeds[1];
static struct gvpn_handers_head handers[1];
static struct gvpn_walker walker = {
	.visit = gvpn_hand_dest,
	.done = walk_done,
	.waits = gvpn_ctl_is_busy,
};

/* The message that is being filled; type 0: none. */
static struct gv_ctl_msg pending;
static const struct attr *pending_attr; /* by identity only */
static struct event *t_flush;

/* Octets of HEARD without what its attribute and its prefixes have. */
#define HEARD_HEAD_LEN 30

static void flush(void)
{
	event_cancel(&t_flush);
	if (pending.prefix_count)
		gvpn_ctl_send(&pending);
	pending.prefix_count = 0;
	pending.type = 0;
	pending_attr = NULL;
}

static void flush_run(struct event *t)
{
	flush();
}

static void nlri_to(const struct prefix *p, struct gv_prefix *nlri)
{
	memset(nlri, 0, sizeof(*nlri));
	nlri->family = p->family == AF_INET ? 4 : 6;
	nlri->len = p->prefixlen;
	memcpy(nlri->bytes, &p->u.prefix, nlri->family == 4 ? 4 : 16);
}

/* With the longest prefixes there is not always room for as many. */
static bool pending_is_full(void)
{
	return pending.prefix_count == GV_CTL_PREFIXES_MAX ||
	       (pending.prefix_count + 1) * GV_PREFIX_WIRE_MAX >
		       GV_CTL_MAX - HEARD_HEAD_LEN - pending.attr_len;
}

static void tell(uint8_t type, const struct gvpn_handed *handed)
{
	const uint8_t *value;
	size_t len;

	if (pending.type != type || pending.group_id != handed->group_id ||
	    pending.member_id != handed->member_id ||
	    (type == GV_CTL_HEARD && pending_attr != handed->attr) ||
	    pending_is_full()) {
		flush();
		memset(&pending, 0, sizeof(pending));
		pending.type = type;
		pending.group_id = handed->group_id;
		pending.member_id = handed->member_id;
		value = gvpn_attr_value(handed->attr, &len);
		if (type == GV_CTL_HEARD && value && len <= GV_ATTR_MAX) {
			memcpy(pending.attr, value, len);
			pending.attr_len = len;
			pending_attr = handed->attr;
		}
	}
	nlri_to(bgp_dest_get_prefix(handed->dest),
		&pending.prefixes[pending.prefix_count++]);
	event_add_event(gvpn.master, flush_run, NULL, 0, &t_flush);
}

static struct gvpn_handed *handed_find(struct bgp_dest *dest)
{
	struct gvpn_handed ref = {.dest = dest};

	return gvpn_handeds_find(handeds, &ref);
}

static struct gvpn_hander *hander_find(uint32_t group_id, uint16_t member_id)
{
	struct gvpn_hander ref = {
		.group_id = group_id,
		.member_id = member_id,
	};

	return gvpn_handers_find(handers, &ref);
}

/* One more of a member; false: it has as many as it may have. */
static bool hander_add(uint32_t group_id, uint16_t member_id)
{
	struct gvpn_hander *hander = hander_find(group_id, member_id);

	if (!hander) {
		hander = XCALLOC(MTYPE_GROUPVPN_HANDED, sizeof(*hander));
		hander->group_id = group_id;
		hander->member_id = member_id;
		gvpn_handers_add(handers, hander);
	}
	if (hander->count == HANDED_MAX)
		return false;
	hander->count++;
	return true;
}

static void hander_del(uint32_t group_id, uint16_t member_id)
{
	struct gvpn_hander *hander = hander_find(group_id, member_id);

	if (--hander->count == 0) {
		gvpn_handers_del(handers, hander);
		XFREE(MTYPE_GROUPVPN_HANDED, hander);
	}
}

static void handed_free(struct gvpn_handed *handed)
{
	hander_del(handed->group_id, handed->member_id);
	gvpn_handeds_del(handeds, handed);
	bgp_attr_unintern(&handed->attr);
	bgp_dest_unlock_node(handed->dest);
	XFREE(MTYPE_GROUPVPN_HANDED, handed);
}

/* The group of a destination, if charon wants to know of it. */
static struct gvpn_group *wanting_group(const struct bgp_dest *dest,
					uint16_t *member_id)
{
	const struct prefix *rd = gvpn_dest_rd(dest);
	struct gvpn_group *group;
	uint32_t group_id;

	if (!gvpn.reflector || !rd || !gvpn_rd_read(rd, member_id, &group_id))
		return NULL;
	group = gvpn_group_find(group_id);
	return group && group->role == GV_ROLE_GCKS && group->wanted ? group
								     : NULL;
}

/* The selected route of another than ourselves, NULL if there is none. */
static struct attr *heard_attr(struct bgp_dest *dest, uint32_t group_id)
{
	struct bgp_path_info *pi;
	struct gv_attr a;

	pi = gvpn_reflected_path(dest, group_id, &a);
	return pi && !gvpn_path_is_own(pi) &&
			       !CHECK_FLAG(pi->flags, BGP_PATH_REMOVED)
		       ? pi->attr
		       : NULL;
}

void gvpn_hand_dest(struct bgp *bgp, struct bgp_dest *dest)
{
	struct gvpn_handed *handed = handed_find(dest);
	struct gvpn_group *group;
	uint16_t member_id;
	struct attr *attr;

	group = wanting_group(dest, &member_id);
	attr = group ? heard_attr(dest, group->id) : NULL;
	if (!attr) {
		if (handed) {
			if (group)
				tell(GV_CTL_UNHEARD, handed);
			handed_free(handed);
		}
		return;
	}
	if (handed && handed->attr == attr)
		return;

	if (!handed) {
		if (!hander_add(group->id, member_id))
			return;
		handed = XCALLOC(MTYPE_GROUPVPN_HANDED, sizeof(*handed));
		handed->dest = bgp_dest_lock_node(dest);
		handed->group_id = group->id;
		handed->member_id = member_id;
		gvpn_handeds_add(handeds, handed);
	} else {
		bgp_attr_unintern(&handed->attr);
	}
	handed->attr = bgp_attr_intern(attr);
	tell(GV_CTL_HEARD, handed);
}

bool gvpn_hand_is_wanted(void)
{
	const struct gvpn_group *group;

	frr_each (gvpn_groups_const, gvpn.groups, group) {
		if (group->wanted)
			return true;
	}
	return false;
}

/* Forgets what charon was handed of a group, 0: of all. */
static void forget(uint32_t group_id)
{
	struct gvpn_handed *handed;

	flush();
	frr_each_safe (gvpn_handeds, handeds, handed) {
		if (!group_id || handed->group_id == group_id)
			handed_free(handed);
	}
}

/* Tells charon that all has been said that there was when it asked. */
static void walk_done(void)
{
	struct gv_ctl_msg msg = {.type = GV_CTL_WANT, .ready = true};
	struct gvpn_group *group;

	flush();
	frr_each (gvpn_groups, gvpn.groups, group) {
		if (!group->handing)
			continue;
		group->handing = false;
		msg.group_id = group->id;
		gvpn_ctl_send(&msg);
	}
}

void gvpn_hand_want(const struct gv_ctl_msg *msg)
{
	struct gvpn_group *group = gvpn_group_find(msg->group_id);

	if (!group || group->role != GV_ROLE_GCKS)
		return;
	group->wanted = group->handing = msg->ready;
	forget(group->id);
	if (group->wanted)
		gvpn_walker_start(&walker);
	if (!walker.walking)
		walk_done();
}

void gvpn_hand_forget_group(struct gvpn_group *group)
{
	group->wanted = group->handing = false;
	forget(group->id);
}

void gvpn_hand_forget(void)
{
	struct gvpn_group *group;

	frr_each (gvpn_groups, gvpn.groups, group)
		group->wanted = group->handing = false;
	pending.prefix_count = 0;
	forget(0);
}

void gvpn_hand_forget_bgp(void)
{
	gvpn_walker_stop(&walker);
	forget(0);
	walk_done();
}

void gvpn_hand_init(void)
{
	gvpn_handeds_init(handeds);
	gvpn_handers_init(handers);
}

void gvpn_hand_fini(void)
{
	gvpn_hand_forget();
	gvpn_walker_stop(&walker);
	gvpn_handeds_fini(handeds);
	gvpn_handers_fini(handers);
}
