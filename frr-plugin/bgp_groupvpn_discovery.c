/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the key server of a group is that this device is to be a member of:
 * what the group's descriptors say before there is a key to check them with.
 *
 * charon names the groups that it is configured for (DISCOVER).  Of these, and
 * of no others, the gateways in the descriptors of the VPNv6 table are reported
 * to it (DISCOVERED), whenever they change.  A descriptor counts if its form is
 * right; that its gateway is the key server's, IKE has to find out.  So nothing
 * else follows from it here.
 *
 * Whoever speaks BGP to us can say what it likes, and often: at most
 * GV_HINTS_MAX addresses of a group are reported, at most twice a second, and
 * logged once a minute.
 *
 * An S/R of other groups has refused the descriptor if it came before charon
 * named the group: it asks its neighbours for what they have once more.
 */
#include "bgp_groupvpn_frr.h"
#include "bgp_groupvpn.h"

DEFINE_MTYPE_STATIC(GROUPVPN, GROUPVPN_SOUGHT, "group VPN group sought");

#define GVPN_REPORT_WAIT 500 /* ms */
#define GVPN_LOG_WAIT 60     /* s */

static int sought_cmp(const struct gvpn_sought *a, const struct gvpn_sought *b)
{
	return numcmp(a->group_id, b->group_id);
}

DECLARE_RBTREE_UNIQ(gvpn_soughts, struct gvpn_sought, item, sought_cmp);
static struct gvpn_soughts_head soughts[1];
static struct event *t_ask;

static struct gvpn_sought *find(uint32_t group_id)
{
	struct gvpn_sought ref = {.group_id = group_id};

	return gvpn_soughts_find(soughts, &ref);
}

bool gvpn_discovery_seeks(uint32_t group_id)
{
	return find(group_id);
}

const struct gvpn_sought *gvpn_discovery_find(const char *name)
{
	const struct gvpn_sought *sought;

	frr_each (gvpn_soughts_const, soughts, sought) {
		if (strcmp(sought->name, name) == 0)
			return sought;
	}
	return NULL;
}

static void sought_free(struct gvpn_sought *sought)
{
	event_cancel(&sought->t_report);
	gvpn_soughts_del(soughts, sought);
	XFREE(MTYPE_GROUPVPN_SOUGHT, sought);
}

const char *gvpn_discovery_print(const struct gvpn_sought *sought, char *buf,
				 size_t size)
{
	char address[GV_ADDR_STRLEN];
	unsigned int i;

	buf[0] = '\0';
	for (i = 0; i < sought->n; i++) {
		if (i > 0)
			strlcat(buf, ", ", size);
		strlcat(buf,
			gv_addr_print(&sought->hints[i], address,
				      sizeof(address)),
			size);
	}
	return buf;
}

/* The descriptor of a group that charon is in is logged when it is checked. */
static void log_hints(struct gvpn_sought *sought)
{
	char buf[GVPN_HINTS_STRLEN];
	time_t now = monotime(NULL);

	if (sought->n == 0 || gvpn_group_find(sought->group_id) ||
	    (sought->logged && now - sought->logged < GVPN_LOG_WAIT))
		return;
	sought->logged = now;
	zlog_info("group-vpn: group %s (%u): the key server is at %s, by "
		  "descriptors that are not checked yet",
		  sought->name, sought->group_id,
		  gvpn_discovery_print(sought, buf, sizeof(buf)));
}

static void report_run(struct event *t)
{
	struct gvpn_sought *sought = EVENT_ARG(t);

	log_hints(sought);
	gvpn_ctl_send_discovered(sought);
}

static bool is_descriptor(const struct bgp_path_info *pi, uint32_t group_id,
			  struct gv_attr *a)
{
	const uint8_t *value;
	size_t len;

	if (CHECK_FLAG(pi->flags, BGP_PATH_REMOVED | BGP_PATH_HISTORY) ||
	    pi->peer == pi->peer->bgp->peer_self)
		return false;
	value = gvpn_attr_value(pi->attr, &len);
	return value && gv_attr_decode(value, len, a) == GV_ATTR_OK &&
	       a->kind == GV_KIND_DESCRIPTOR && a->group_id == group_id;
}

static bool is_host(const struct gv_addr *addr)
{
	struct gv_prefix p = {.family = addr->len == IPV4_MAX_BYTELEN ? 4 : 6,
			      .len = addr->len * 8};

	memcpy(p.bytes, addr->bytes, addr->len);
	return gvpn_prefix_is_unicast(&p);
}

static void add_hint(struct gvpn_sought *sought, const struct gv_addr *hint)
{
	unsigned int i;

	if (!is_host(hint))
		return;
	for (i = 0; i < sought->n; i++) {
		if (gv_addr_equal(&sought->hints[i], hint))
			return;
	}
	if (sought->n < GV_HINTS_MAX)
		sought->hints[sought->n++] = *hint;
}

static void collect(struct gvpn_sought *sought, struct bgp_dest *dest,
		    bool selected)
{
	struct bgp_path_info *pi;
	struct gv_attr a;

	for (pi = bgp_dest_get_bgp_path_info(dest); pi; pi = pi->next) {
		if (!!CHECK_FLAG(pi->flags, BGP_PATH_SELECTED) == selected &&
		    is_descriptor(pi, sought->group_id, &a))
			add_hint(sought, &a.gateway);
	}
}

static bool same_hints(const struct gvpn_sought *a, const struct gvpn_sought *b)
{
	unsigned int i;

	for (i = 0; i < a->n && a->n == b->n; i++) {
		if (!gv_addr_equal(&a->hints[i], &b->hints[i]))
			return false;
	}
	return a->n == b->n;
}

/* dest NULL: there is none. */
static void look(struct gvpn_sought *sought, struct bgp_dest *dest)
{
	struct gvpn_sought before = *sought;

	sought->n = 0;
	if (dest) {
		collect(sought, dest, true);
		collect(sought, dest, false);
	}
	if (!same_hints(sought, &before))
		event_add_timer_msec(gvpn.master, report_run, sought,
				     GVPN_REPORT_WAIT, &sought->t_report);
}

void gvpn_discovery_dest(struct bgp_dest *dest)
{
	const struct prefix *rd = gvpn_dest_rd(dest);
	struct gvpn_sought *sought;
	uint32_t group_id;
	uint16_t member_id;

	if (!rd || !gvpn_rd_read(rd, &member_id, &group_id) ||
	    member_id != GV_MEMBER_ID_GCKS ||
	    !prefix_same(bgp_dest_get_prefix(dest), &gvpn_descriptor_nlri))
		return;
	sought = find(group_id);
	if (sought)
		look(sought, dest);
}

/* The descriptor's destination, locked; NULL if there is none. */
static struct bgp_dest *descriptor_dest(uint32_t group_id)
{
	struct bgp *bgp = bgp_get_default();
	struct bgp_dest *rd_dest, *dest = NULL;
	struct prefix_rd rd;
	struct bgp_table *table;

	if (!bgp)
		return NULL;
	gvpn_rd_make(&rd, GV_MEMBER_ID_GCKS, group_id);
	rd_dest = bgp_node_lookup(bgp->rib[AFI_IP6][SAFI_MPLS_VPN],
				  (struct prefix *)&rd);
	if (!rd_dest)
		return NULL;
	table = bgp_dest_get_bgp_table_info(rd_dest);
	if (table)
		dest = bgp_node_lookup(table, &gvpn_descriptor_nlri);
	bgp_dest_unlock_node(rd_dest);
	return dest;
}

static void ask_run(struct event *t)
{
	struct bgp *bgp = bgp_get_default();
	struct listnode *node, *next;
	struct peer *peer;

	if (!bgp)
		return;
	for (ALL_LIST_ELEMENTS(bgp->peer, node, next, peer))
		peer_clear_soft(peer, AFI_IP6, SAFI_MPLS_VPN,
				BGP_CLEAR_SOFT_IN);
}

/* Once for all groups that charon names one after the other. */
static void ask_again(const struct gvpn_sought *sought)
{
	if (gvpn_is_reflector() && sought->n == 0 &&
	    !gvpn_group_find(sought->group_id))
		event_add_timer_msec(gvpn.master, ask_run, NULL,
				     GVPN_REPORT_WAIT, &t_ask);
}

void gvpn_discovery_seek(const struct gv_ctl_msg *msg)
{
	struct gvpn_sought *sought = find(msg->group_id);
	bool is_new = !sought;
	struct bgp_dest *dest;

	if (!msg->name[0]) {
		if (sought)
			sought_free(sought);
		return;
	}
	if (is_new) {
		sought = XCALLOC(MTYPE_GROUPVPN_SOUGHT, sizeof(*sought));
		sought->group_id = msg->group_id;
		gvpn_soughts_add(soughts, sought);
	}
	strlcpy(sought->name, msg->name, sizeof(sought->name));
	dest = descriptor_dest(sought->group_id);
	look(sought, dest);
	if (dest)
		bgp_dest_unlock_node(dest);
	if (is_new)
		ask_again(sought);
	/* An answer is due, also if nothing is heard. */
	event_cancel(&sought->t_report);
	event_add_event(gvpn.master, report_run, sought, 0, &sought->t_report);
}

void gvpn_discovery_forget_vpn(void)
{
	struct gvpn_sought *sought;

	frr_each (gvpn_soughts, soughts, sought)
		look(sought, NULL);
}

void gvpn_discovery_forget(void)
{
	struct gvpn_sought *sought;

	event_cancel(&t_ask);
	while ((sought = gvpn_soughts_first(soughts)))
		sought_free(sought);
}

void gvpn_discovery_init(void)
{
	gvpn_soughts_init(soughts);
}
