/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The group attribute inside bgpd's attributes, and paths of our own inside
 * bgpd's tables.
 *
 * bgpd does not know the attribute's type: it keeps it, as RFC 4271 section 5
 * asks for optional transitive attributes, as octets in struct transit and
 * passes them on.  We read and write those octets.  Flags are not looked at:
 * every receiver on the way sets PARTIAL.
 */
#include "bgp_groupvpn_frr.h"
#include "bgp_groupvpn.h"

#define WALKER_WAIT 20 /* ms until a walk that has to wait goes on */

struct prefix gvpn_descriptor_nlri, gvpn_member_nlri;

/* Implicit null: a group route is found by its prefix, not by a label. */
static const mpls_label_t *gvpn_label(void)
{
	static mpls_label_t label;

	if (!label) {
		label = mpls_lse_encode(MPLS_LABEL_IMPLICIT_NULL, 0, 0, 1);
		bgp_set_valid_label(&label);
	}
	return &label;
}

const uint8_t *gvpn_attr_value(const struct attr *attr, size_t *len)
{
	const struct transit *transit = bgp_attr_get_transit(attr);
	struct gv_reader r;

	*len = 0;
	if (!transit)
		return NULL;

	gv_reader_init(&r, transit->val, transit->length);
	while (r.left > 0) {
		uint8_t flags = gv_get8(&r);
		uint8_t type = gv_get8(&r);
		size_t size = CHECK_FLAG(flags, BGP_ATTR_FLAG_EXTLEN)
				      ? gv_get16(&r)
				      : gv_get8(&r);
		const uint8_t *value = gv_get_bytes(&r, size);

		if (!r.ok)
			return NULL;
		if (type == gvpn.attr_type) {
			*len = size;
			return value;
		}
	}
	return NULL;
}

static struct transit *transit_make(const uint8_t *value, size_t len)
{
	struct transit *transit = XCALLOC(MTYPE_TRANSIT, sizeof(*transit));
	struct gv_writer w;

	transit->val = XMALLOC(MTYPE_TRANSIT_VAL, len + 4);
	gv_writer_init(&w, transit->val, len + 4);
	gv_put8(&w, BGP_ATTR_FLAG_OPTIONAL | BGP_ATTR_FLAG_TRANS |
			    (len > UINT8_MAX ? BGP_ATTR_FLAG_EXTLEN : 0));
	gv_put8(&w, gvpn.attr_type);
	if (len > UINT8_MAX)
		gv_put16(&w, len);
	else
		gv_put8(&w, len);
	gv_put_bytes(&w, value, len);
	transit->length = w.len;
	return transit;
}

/* What begins each group's route target: two-octet AS specific (RFC 4360), of
 * AS 0, which is nobody's (RFC 7607). */
static const uint8_t route_target_type[] = {ECOMMUNITY_ENCODE_AS,
					    ECOMMUNITY_ROUTE_TARGET, 0, 0};

struct ecommunity *gvpn_route_target_make(uint32_t group_id)
{
	uint8_t octets[ECOMMUNITY_SIZE];
	struct gv_writer w;

	gv_writer_init(&w, octets, sizeof(octets));
	gv_put_bytes(&w, route_target_type, sizeof(route_target_type));
	gv_put32(&w, group_id);
	return ecommunity_parse(octets, sizeof(octets), false);
}

bool gvpn_has_route_target(const struct attr *attr)
{
	const struct ecommunity *set = bgp_attr_get_ecommunity(attr);
	uint32_t i;

	for (i = 0; set && i < set->size; i++) {
		if (memcmp(set->val + i * ECOMMUNITY_SIZE, route_target_type,
			   sizeof(route_target_type)) == 0)
			return true;
	}
	return false;
}

void gvpn_next_hop_set(struct attr *attr, const struct gv_addr *gateway,
		       afi_t afi)
{
	struct in_addr v4;

	attr->mp_nexthop_len = BGP_ATTR_NHLEN_IPV6_GLOBAL;
	if (gateway->len == IPV6_MAX_BYTELEN) {
		memcpy(&attr->mp_nexthop_global, gateway->bytes,
		       sizeof(attr->mp_nexthop_global));
		return;
	}
	memcpy(&v4, gateway->bytes, sizeof(v4));
	if (afi == AFI_IP6) {
		ipv4_to_ipv4_mapped_ipv6(&attr->mp_nexthop_global, v4);
		return;
	}
	attr->nexthop = v4;
	attr->mp_nexthop_global_in = v4;
	attr->mp_nexthop_len = BGP_ATTR_NHLEN_IPV4;
}

struct attr *gvpn_attr_make(struct bgp *bgp, uint32_t group_id,
			    const struct gv_addr *gateway, afi_t afi,
			    const struct gv_inner *inner, const uint8_t *value,
			    size_t len)
{
	struct ecommunity *route_target = gvpn_route_target_make(group_id);
	const struct gv_inner none = {};
	struct attr attr, *interned;
	struct aspath *empty;

	bgp_attr_default_set(&attr, bgp, BGP_ORIGIN_IGP);
	bgp_attr_set_ecommunity(&attr, route_target);
	bgp_attr_set_transit(&attr, transit_make(value, len));
	gvpn_next_hop_set(&attr, gateway, afi);

	empty = attr.aspath;
	interned = gvpn_inner_intern(&attr, bgp, empty, inner ? inner : &none);
	aspath_unintern(&empty);
	ecommunity_unintern(&route_target);
	return interned;
}

/* RFC 4364 section 4.2, type 0. */
void gvpn_rd_make(struct prefix_rd *rd, uint16_t member_id, uint32_t group_id)
{
	struct gv_writer w;

	memset(rd, 0, sizeof(*rd));
	rd->family = AF_UNSPEC;
	rd->prefixlen = 64;
	gv_writer_init(&w, rd->val, sizeof(rd->val));
	gv_put16(&w, RD_TYPE_AS);
	gv_put16(&w, member_id);
	gv_put32(&w, group_id);
}

bool gvpn_rd_read(const struct prefix *rd, uint16_t *member_id,
		  uint32_t *group_id)
{
	struct gv_reader r;

	gv_reader_init(&r, rd->u.val, 8);
	if (gv_get16(&r) != RD_TYPE_AS)
		return false;
	*member_id = gv_get16(&r);
	*group_id = gv_get32(&r);
	return true;
}

const struct prefix *gvpn_dest_rd(const struct bgp_dest *dest)
{
	return dest->pdest ? bgp_dest_get_prefix(dest->pdest) : NULL;
}

bool gvpn_path_is_ours(const struct bgp_path_info *path)
{
	return path->type == ZEBRA_ROUTE_BGP && path->sub_type == BGP_ROUTE_RFP;
}

bool gvpn_path_is_own(const struct bgp_path_info *pi)
{
	return gvpn_path_is_ours(pi) && pi->peer == pi->peer->bgp->peer_self;
}

static void own_add(struct gvpn_own *own, struct bgp *bgp, afi_t afi,
		    safi_t safi, struct prefix_rd *rd, const struct prefix *p,
		    struct attr *attr)
{
	/* This sub_type is for routes from outside of bgpd's own machinery:
	 * bgpd selects and announces it, and leaves zebra to us. */
	own->dest = bgp_afi_node_get(bgp->rib[afi][safi], afi, safi, p, rd);
	own->pi = info_make(ZEBRA_ROUTE_BGP, BGP_ROUTE_RFP, 0, bgp->peer_self,
			    bgp_attr_intern(attr), own->dest);
	bgp_path_info_lock(own->pi);
	if (safi == SAFI_MPLS_VPN)
		gvpn_path_set_label(own->pi, *gvpn_label());
	SET_FLAG(own->pi->flags, BGP_PATH_VALID);
	bgp_aggregate_increment(bgp, p, own->pi, afi, safi);
	bgp_path_info_add(own->dest, own->pi);
}

static void own_change(struct gvpn_own *own, struct bgp *bgp, afi_t afi,
		       safi_t safi, const struct prefix *p, struct attr *attr)
{
	bgp_aggregate_decrement(bgp, p, own->pi, afi, safi);
	bgp_path_info_set_flag(own->dest, own->pi, BGP_PATH_ATTR_CHANGED);
	SET_FLAG(own->pi->flags, BGP_PATH_UNSORTED);
	bgp_attr_unintern(&own->pi->attr);
	own->pi->attr = bgp_attr_intern(attr);
	own->pi->uptime = monotime(NULL);
	bgp_aggregate_increment(bgp, p, own->pi, afi, safi);
}

void gvpn_own_set(struct gvpn_own *own, struct bgp *bgp, afi_t afi, safi_t safi,
		  struct prefix_rd *rd, const struct prefix *p,
		  struct attr *attr)
{
	/* "clear" and the like may have removed it behind our back. */
	if (own->pi && CHECK_FLAG(own->pi->flags, BGP_PATH_REMOVED))
		gvpn_own_forget(own);

	if (!own->pi)
		own_add(own, bgp, afi, safi, rd, p, attr);
	else if (own->pi->attr != attr)
		own_change(own, bgp, afi, safi, p, attr);
	else
		return;

	gvpn_bgp_process(bgp, own->dest, own->pi, afi, safi);
	gvpn_queue_dest(bgp, own->dest);
}

void gvpn_own_unset(struct gvpn_own *own)
{
	struct bgp_table *table;

	if (!own->pi)
		return;

	if (!CHECK_FLAG(own->pi->flags, BGP_PATH_REMOVED)) {
		table = bgp_dest_table(own->dest);
		/* "export vpn" may have taken it up before the binding was
		 * refused for it. */
		if (table->safi == SAFI_UNICAST)
			vpn_leak_from_vrf_withdraw(bgp_get_default(),
						   table->bgp, own->pi);
		bgp_aggregate_decrement(table->bgp,
					bgp_dest_get_prefix(own->dest), own->pi,
					table->afi, table->safi);
		/* as bgp_path_info_delete(), whose name is not the same in
		 * all versions */
		bgp_path_info_set_flag(own->dest, own->pi, BGP_PATH_REMOVED);
		UNSET_FLAG(own->pi->flags, BGP_PATH_VALID);
		gvpn_bgp_process(table->bgp, own->dest, own->pi, table->afi,
				 table->safi);
		gvpn_queue_dest(table->bgp, own->dest);
	}
	gvpn_own_forget(own);
}

void gvpn_own_forget(struct gvpn_own *own)
{
	if (!own->pi)
		return;

	bgp_path_info_unlock(own->pi);
	bgp_dest_unlock_node(own->dest);
	own->pi = NULL;
	own->dest = NULL;
}

/* The next RD, locked by the walk; NULL after the last. */
static struct bgp_dest *walk_next_rd(struct gvpn_walk *walk)
{
	if (walk->rd) {
		walk->rd = bgp_route_next(walk->rd);
	} else {
		walk->afi = AFI_IP6;
		walk->rd =
			bgp_table_top(walk->bgp->rib[AFI_IP6][SAFI_MPLS_VPN]);
	}
	if (!walk->rd && walk->afi == AFI_IP6) {
		walk->afi = AFI_IP;
		walk->rd = bgp_table_top(walk->bgp->rib[AFI_IP][SAFI_MPLS_VPN]);
	}
	return walk->rd;
}

struct bgp_dest *gvpn_walk_next(struct gvpn_walk *walk)
{
	struct bgp_table *table;

	if (!walk->bgp)
		return NULL;
	if (walk->dest)
		walk->dest = bgp_route_next(walk->dest);
	while (!walk->dest) {
		if (!walk_next_rd(walk))
			return NULL;
		table = bgp_dest_get_bgp_table_info(walk->rd);
		if (table)
			walk->dest = bgp_table_top(table);
	}
	return walk->dest;
}

void gvpn_walk_stop(struct gvpn_walk *walk)
{
	if (walk->dest)
		bgp_dest_unlock_node(walk->dest);
	if (walk->rd)
		bgp_dest_unlock_node(walk->rd);
	walk->dest = NULL;
	walk->rd = NULL;
}

/* false: that was all. */
static bool walker_step(struct gvpn_walker *walker)
{
	struct bgp_dest *dest = gvpn_walk_next(&walker->walk);

	if (dest)
		walker->visit(walker->walk.bgp, dest);
	else if (walker->again)
		walker->again = false;
	else
		walker->walking = false;
	return walker->walking;
}

static void walker_run(struct event *t)
{
	struct gvpn_walker *walker = EVENT_ARG(t);
	unsigned int n;

	if (walker->waits && walker->waits()) {
		event_add_timer_msec(gvpn.master, walker_run, walker,
				     WALKER_WAIT, &walker->t_run);
		return;
	}
	for (n = 0; n < GVPN_BATCH; n++) {
		if (!walker_step(walker)) {
			if (walker->done)
				walker->done();
			return;
		}
	}
	event_add_event(gvpn.master, walker_run, walker, 0, &walker->t_run);
}

void gvpn_walker_start(struct gvpn_walker *walker)
{
	struct bgp *bgp = bgp_get_default();

	/* perhaps by whom we visit */
	if (walker->walking)
		walker->again = true;
	if (walker->walking || !bgp)
		return;
	walker->walking = true;
	walker->walk.bgp = bgp;
	event_add_event(gvpn.master, walker_run, walker, 0, &walker->t_run);
}

void gvpn_walker_stop(struct gvpn_walker *walker)
{
	event_cancel(&walker->t_run);
	gvpn_walk_stop(&walker->walk);
	walker->walking = false;
	walker->again = false;
}

bool gvpn_addr_of_peer(struct peer *peer, struct gv_addr *addr)
{
	const union sockunion *su = gvpn_peer_address(peer);

	memset(addr, 0, sizeof(*addr));
	switch (sockunion_family(su)) {
	case AF_INET:
		addr->len = IPV4_MAX_BYTELEN;
		memcpy(addr->bytes, &su->sin.sin_addr, addr->len);
		return true;
	case AF_INET6:
		addr->len = IPV6_MAX_BYTELEN;
		memcpy(addr->bytes, &su->sin6.sin6_addr, addr->len);
		return true;
	default:
		return false;
	}
}

bool gvpn_prefix_covers(const struct prefix *p, const struct gv_addr *addr)
{
	struct prefix host = {};

	if (addr->len == 0)
		return false;

	host.family = addr->len == IPV4_MAX_BYTELEN ? AF_INET : AF_INET6;
	host.prefixlen = addr->len * 8;
	memcpy(&host.u.prefix, addr->bytes, addr->len);
	return p->family == host.family && prefix_match(p, &host);
}

void gvpn_path_init(void)
{
	str2prefix("fd67:7670:6e00::1/128", &gvpn_descriptor_nlri);
	str2prefix("fd67:7670:6e00::2/128", &gvpn_member_nlri);
	gvpn_rekey_init();
}

/* The default route is a route like any other, and so are parts of it; else
 * what is no unicast address is no destination. */
bool gvpn_prefix_is_unicast(const struct gv_prefix *p)
{
	const uint8_t *octets = p->bytes;

	if (p->family == 4)
		return octets[0] != 127 && octets[0] < 224 &&
		       (octets[0] != 0 || p->len < 8);
	/* ::/8, fe80::/10, ff00::/8 */
	return p->len < 8 ||
	       (octets[0] != 0 && octets[0] != 0xff &&
		(octets[0] != 0xfe || (octets[1] & 0xc0) != 0x80));
}
