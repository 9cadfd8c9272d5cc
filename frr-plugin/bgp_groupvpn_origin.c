/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * S/R: announces members that have no bgpd, as charon seals and signs them.
 *
 * What there is of a member hangs on its registration and goes with it.  charon
 * says all of it each time, and then that this was all: what it did not repeat
 * is withdrawn.  Paths are our own in the default instance's VPN table, as the
 * descriptor is; who gets them is the reflector's business as ever.
 */
#include "bgp_groupvpn_frr.h"
#include "bgp_groupvpn.h"

DEFINE_MTYPE_STATIC(GROUPVPN, GROUPVPN_ORIGIN, "group VPN member announced");

static struct gvpn_origin *origin_get(struct gvpn_reg *reg,
				      const struct prefix *nlri)
{
	struct gvpn_origin *origin, ref = {};

	prefix_copy(&ref.nlri, nlri);
	origin = gvpn_origins_find(reg->origins, &ref);
	if (origin)
		return origin;

	origin = XCALLOC(MTYPE_GROUPVPN_ORIGIN, sizeof(*origin));
	prefix_copy(&origin->nlri, nlri);
	gvpn_origins_add(reg->origins, origin);
	return origin;
}

static void origin_free(struct gvpn_reg *reg, struct gvpn_origin *origin)
{
	gvpn_origins_del(reg->origins, origin);
	gvpn_own_unset(&origin->own);
	bgp_attr_unintern(&origin->attr);
	XFREE(MTYPE_GROUPVPN_ORIGIN, origin);
}

/* Into the VPN table or out of it, as the configuration now asks. */
static void origin_apply(const struct gvpn_reg *reg, struct gvpn_origin *origin)
{
	struct bgp *bgp = bgp_get_default();
	struct prefix_rd rd;

	if (!gvpn.reflector || !bgp) {
		gvpn_own_unset(&origin->own);
		return;
	}
	gvpn_rd_make(&rd, reg->member_id, reg->group_id);
	gvpn_own_set(&origin->own, bgp, AFI_IP6, SAFI_MPLS_VPN, &rd,
		     &origin->nlri, origin->attr);
}

static void origin_set(struct gvpn_reg *reg, const struct prefix *nlri,
		       struct attr *attr)
{
	struct gvpn_origin *origin = origin_get(reg, nlri);

	if (origin->attr)
		bgp_attr_unintern(&origin->attr);
	origin->attr = bgp_attr_intern(attr);
	origin->told = true;
	origin_apply(reg, origin);
}

/* Whether charon's value is about this member, and of a kind that it may be. */
static bool is_of(const struct gvpn_reg *reg, const struct gv_attr *a)
{
	return a->group_id == reg->group_id && a->member_id == reg->member_id &&
	       (a->kind == GV_KIND_MEMBER ||
		(a->kind == GV_KIND_ROUTES && a->sealed));
}

static void nlri_of(const struct gv_prefix *p, struct prefix *nlri)
{
	memset(nlri, 0, sizeof(*nlri));
	nlri->family = AF_INET6;
	nlri->prefixlen = IPV6_MAX_BITLEN;
	memcpy(&nlri->u.prefix6, p->bytes, sizeof(nlri->u.prefix6));
}

void gvpn_origin_set(const struct gv_ctl_msg *msg)
{
	struct gvpn_reg *reg = gvpn_reg_find(msg->group_id, msg->member_id);
	struct bgp *bgp = bgp_get_default();
	struct prefix nlri;
	struct attr *attr;
	struct gv_attr a;
	unsigned int i;

	if (!reg || !bgp)
		return;
	if (gv_attr_decode(msg->attr, msg->attr_len, &a) != GV_ATTR_OK ||
	    !is_of(reg, &a)) {
		zlog_err("group-vpn: group %u: member %u is not announced: "
			 "charon's attribute is something else's",
			 msg->group_id, msg->member_id);
		return;
	}

	attr = gvpn_attr_make(bgp, reg->group_id, &a.gateway, AFI_IP6, NULL,
			      msg->attr, msg->attr_len);
	if (a.kind == GV_KIND_MEMBER)
		origin_set(reg, &gvpn_member_nlri, attr);
	for (i = 0; a.kind == GV_KIND_ROUTES && i < msg->prefix_count; i++) {
		nlri_of(&msg->prefixes[i], &nlri);
		origin_set(reg, &nlri, attr);
	}
	bgp_attr_unintern(&attr);
}

void gvpn_origin_end(const struct gv_ctl_msg *msg)
{
	struct gvpn_reg *reg = gvpn_reg_find(msg->group_id, msg->member_id);
	struct gvpn_origin *origin;

	if (!reg)
		return;
	frr_each_safe (gvpn_origins, reg->origins, origin) {
		if (origin->told)
			origin->told = false;
		else
			origin_free(reg, origin);
	}
}

bool gvpn_origin_has(const struct gvpn_reg *reg)
{
	return gvpn_origins_count(reg->origins) > 0;
}

void gvpn_origin_init(struct gvpn_reg *reg)
{
	gvpn_origins_init(reg->origins);
}

void gvpn_origin_fini(struct gvpn_reg *reg)
{
	struct gvpn_origin *origin;

	frr_each_safe (gvpn_origins, reg->origins, origin)
		origin_free(reg, origin);
	gvpn_origins_fini(reg->origins);
}

void gvpn_origin_refresh(void)
{
	struct gvpn_origin *origin;
	struct gvpn_reg *reg;

	frr_each (gvpn_regs, gvpn.regs, reg) {
		frr_each (gvpn_origins, reg->origins, origin)
			origin_apply(reg, origin);
	}
}

void gvpn_origin_forget_bgp(void)
{
	struct gvpn_origin *origin;
	struct gvpn_reg *reg;

	frr_each (gvpn_regs, gvpn.regs, reg) {
		frr_each (gvpn_origins, reg->origins, origin)
			gvpn_own_forget(&origin->own);
	}
}
