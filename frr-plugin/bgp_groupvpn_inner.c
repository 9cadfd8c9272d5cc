/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inner attributes (common/inner.h) out of and into bgpd's attributes: what a
 * site knows of a route, which travels sealed and is a route's own again where
 * it is injected.
 *
 * Left behind are attributes that mean nothing elsewhere (next hop, local
 * preference, extended communities), and communities that do not fit.
 */
#include "bgp_groupvpn_frr.h"
#include "bgp_groupvpn.h"

/* 0 if there are no segments, or more than fit. */
static size_t read_aspath(const struct attr *attr, uint8_t *buf, size_t size)
{
	struct stream *s;
	struct aspath *aspath;
	size_t len = 0;

	if (!attr->aspath || !attr->aspath->segments)
		return 0;
	/* A confederation is nobody else's business. */
	aspath = aspath_delete_confed_seq(aspath_dup(attr->aspath));
	if (aspath_size(aspath) <= size) {
		s = stream_new(size);
		aspath_put(s, aspath, 1);
		len = stream_get_endp(s);
		memcpy(buf, STREAM_DATA(s), len);
		stream_free(s);
	}
	aspath_free(aspath);
	return len;
}

size_t gvpn_inner_read(const struct attr *attr, uint8_t octets[GV_INNER_MAX])
{
	const struct community *communities = bgp_attr_get_community(attr);
	const struct lcommunity *large = bgp_attr_get_lcommunity(attr);
	uint8_t aspath[GV_INNER_MAX / 2];
	struct gv_inner inner = {
		.origin = attr->origin,
		.has_med = CHECK_FLAG(attr->flag,
				      ATTR_FLAG_BIT(BGP_ATTR_MULTI_EXIT_DISC)),
		.med = attr->med,
		.as_path = aspath,
		.as_path_len = read_aspath(attr, aspath, sizeof(aspath)),
	};
	size_t len = GV_INNER_MAX;

	if (communities) {
		inner.communities = (const uint8_t *)communities->val;
		inner.communities_len = communities->size * 4;
	}
	if (large) {
		inner.large = large->val;
		inner.large_len = large->size * LCOMMUNITY_SIZE;
	}
	if (gv_inner_encode(&inner, octets, &len))
		return len;
	inner.communities_len = inner.large_len = 0;
	len = GV_INNER_MAX;
	return gv_inner_encode(&inner, octets, &len) ? len : 0;
}

/* The outer path, and behind it the site's. */
static struct aspath *join_aspaths(struct bgp *bgp, struct aspath *outer,
				   const struct gv_inner *inner)
{
	struct aspath *parsed, *joined;
	struct stream *s;

	if (!inner->as_path_len)
		return aspath_dup(outer);
	s = stream_new(inner->as_path_len);
	stream_put(s, inner->as_path, inner->as_path_len);
	parsed = gvpn_aspath_parse(s, inner->as_path_len, bgp);
	stream_free(s);
	if (!parsed)
		return aspath_dup(outer);
	joined = aspath_prepend(outer, aspath_dup(parsed));
	aspath_unintern(&parsed);
	return joined;
}

struct attr *gvpn_inner_intern(struct attr *attr, struct bgp *bgp,
			       struct aspath *outer,
			       const struct gv_inner *inner)
{
	struct community *communities = NULL;
	struct lcommunity *large = NULL;
	struct attr *interned;

	attr->origin = inner->origin;
	attr->aspath = join_aspaths(bgp, outer, inner);
	if (inner->has_med) {
		SET_FLAG(attr->flag, ATTR_FLAG_BIT(BGP_ATTR_MULTI_EXIT_DISC));
		attr->med = inner->med;
	}
	if (inner->communities_len)
		communities = community_parse((uint32_t *)inner->communities,
					      inner->communities_len);
	if (inner->large_len)
		large = lcommunity_parse((uint8_t *)inner->large,
					 inner->large_len);
	bgp_attr_set_community(attr, communities);
	bgp_attr_set_lcommunity(attr, large);

	interned = bgp_attr_intern(attr);
	if (communities)
		community_unintern(&communities);
	if (large)
		lcommunity_unintern(&large);
	return interned;
}
