/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a binding announces of a route: the prefix, sealed, with attributes
 * that all routes share of which the site knows the same.  Or, if it is plain,
 * the prefix as it is, with the site's own path attributes.
 *
 * An IPv6 prefix beyond /64 does not fit into an NLRI and makes attributes of
 * its own.  All else is made once and kept, by its inner attributes: what was
 * made before comes out the same again, so that forgetting some does no harm.
 */
#include "bgp_groupvpn_frr.h"
#include "bgp_groupvpn.h"

DEFINE_MTYPE_STATIC(GROUPVPN, GROUPVPN_SHARED, "group VPN shared attributes");

struct gvpn_shared {
	struct attr *attr; /* interned */
	afi_t afi;
	size_t len;
	uint8_t inner[];
};

static void shared_free(struct gvpn_shared **shared)
{
	if (!*shared)
		return;
	bgp_attr_unintern(&(*shared)->attr);
	XFREE(MTYPE_GROUPVPN_SHARED, *shared);
}

/* The group attribute, but for what a kind of route adds. */
static struct gv_attr attr_of(const struct gvpn_group *group,
			      enum gv_attr_kind kind)
{
	return (struct gv_attr){
		.kind = kind,
		.group_id = group->id,
		.member_id = group->member_id,
		.sender_id = group->sender_id,
		.route_epoch = group->route.epoch,
		.gateway = group->gateway,
	};
}

static struct attr *make(const struct gvpn_bind *bind, const struct gv_attr *a,
			 afi_t afi, const struct gv_inner *inner)
{
	const struct gvpn_group *group = bind->group;
	uint8_t value[GV_ATTR_MAX];
	size_t len;

	len = gv_attr_encode(a, group->route.mac_key, value, sizeof(value));
	if (len == 0) {
		zlog_err("group-vpn: group %s (%u): cannot encode the group "
			 "attribute",
			 group->name, group->id);
		return NULL;
	}
	return gvpn_attr_make(bgp_get_default(), group->id, &group->gateway,
			      afi, inner, value, len);
}

struct attr *gvpn_seal_member(const struct gvpn_bind *bind)
{
	struct gv_attr a = attr_of(bind->group, GV_KIND_MEMBER);

	return make(bind, &a, AFI_IP6, NULL);
}

static bool siv_key(const struct gvpn_bind *bind, uint8_t key[GV_SIV_KEY_LEN])
{
	const struct gvpn_group *group = bind->group;

	return gv_siv_key(group->id, group->route.secret, group->member_id,
			  group->route.epoch, key);
}

/* Attributes for routes with these inner ones and, if prefix is not NULL, for
 * the one that is sealed there. */
static struct attr *make_routes(const struct gvpn_bind *bind,
				const uint8_t *inner, size_t len,
				const uint8_t *prefix)
{
	struct gv_attr a = attr_of(bind->group, GV_KIND_ROUTES);
	uint8_t key[GV_SIV_KEY_LEN], sealed[GV_SIV_LEN + GV_INNER_MAX];
	bool ok = true;

	a.sealed = true;
	a.prefix = prefix;
	if (len) {
		ok = siv_key(bind, key) &&
		     gv_seal_inner(key, inner, len, sealed);
		gv_wipe(key, sizeof(key));
		a.inner = sealed;
		a.inner_len = GV_SIV_LEN + len;
	}
	return ok ? make(bind, &a, AFI_IP6, NULL) : NULL;
}

/* For plain routes of one family. */
static struct attr *make_plain(struct gvpn_bind *bind, afi_t afi,
			       const uint8_t *octets, size_t len)
{
	struct gv_attr a = attr_of(bind->group, GV_KIND_ROUTES);
	struct gv_inner inner;

	/* Its gateway is the next hop. */
	if (afi == AFI_IP && a.gateway.len != IPV4_MAX_BYTELEN) {
		if (!bind->told_no_next_hop)
			zlog_warn("group-vpn: group %s: plain IPv4 routes are "
				  "not announced: the gateway is not IPv4",
				  bind->name);
		bind->told_no_next_hop = true;
		return NULL;
	}
	return gv_inner_decode(octets, len, &inner)
		       ? make(bind, &a, afi, &inner)
		       : NULL;
}

static struct attr *shared_attr(struct gvpn_bind *bind, afi_t afi,
				const uint8_t *inner, size_t len)
{
	struct gvpn_shared **slot, *shared;
	struct attr *attr;

	slot = &bind->shared[jhash(inner, len, 0) % GVPN_SHARED];
	shared = *slot;
	if (shared && shared->afi == afi && shared->len == len &&
	    memcmp(shared->inner, inner, len) == 0)
		return bgp_attr_intern(shared->attr);

	attr = bind->plain ? make_plain(bind, afi, inner, len)
			   : make_routes(bind, inner, len, NULL);
	if (!attr)
		return NULL;
	shared_free(slot);
	shared = XCALLOC(MTYPE_GROUPVPN_SHARED, sizeof(*shared) + len);
	shared->attr = bgp_attr_intern(attr);
	shared->afi = afi;
	shared->len = len;
	memcpy(shared->inner, inner, len);
	*slot = shared;
	return attr;
}

static struct attr *seal_long(const struct gvpn_bind *bind,
			      const struct gv_prefix *plain,
			      const uint8_t *inner, size_t len,
			      uint8_t nlri[16])
{
	uint8_t key[GV_SIV_KEY_LEN], sealed[GV_SEALED_PREFIX_LEN];
	bool ok;

	ok = siv_key(bind, key) &&
	     gv_seal_long(bind->seal_key, key, plain, nlri, sealed);
	gv_wipe(key, sizeof(key));
	return ok ? make_routes(bind, inner, len, sealed) : NULL;
}

struct attr *gvpn_seal_route(struct gvpn_bind *bind, const struct prefix *p,
			     const struct attr *attr, struct prefix *nlri)
{
	struct gv_prefix plain = {.len = p->prefixlen};
	uint8_t inner[GV_INNER_MAX];
	size_t len = gvpn_inner_read(attr, inner);
	uint8_t *octets = nlri->u.prefix6.s6_addr;

	if (bind->plain) {
		prefix_copy(nlri, p);
		return shared_attr(bind, family2afi(p->family), inner, len);
	}
	plain.family = p->family == AF_INET ? 4 : 6;
	memcpy(plain.bytes, &p->u.prefix, p->family == AF_INET ? 4 : 16);
	memset(nlri, 0, sizeof(*nlri));
	nlri->family = AF_INET6;
	nlri->prefixlen = IPV6_MAX_BITLEN;
	if (p->family == AF_INET6 && p->prefixlen > 64)
		return seal_long(bind, &plain, inner, len, octets);
	return gv_seal_prefix(bind->seal_key, &plain, octets)
		       ? shared_attr(bind, AFI_IP6, inner, len)
		       : NULL;
}

void gvpn_seal_forget(struct gvpn_bind *bind)
{
	unsigned int i;

	for (i = 0; i < GVPN_SHARED; i++)
		shared_free(&bind->shared[i]);
	bind->told_no_next_hop = false;
}
