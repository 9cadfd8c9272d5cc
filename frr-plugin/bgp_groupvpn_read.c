/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a group attribute says, checked once for all routes that share it.
 *
 * Decoding it, checking its MAC and opening its inner attributes cost many
 * times as much as opening one sealed prefix, and a member's routes come with
 * one attribute or few.  So the last readings are kept, by the identity of
 * bgpd's interned attributes, until anything changes that they depend on.
 */
#include "bgp_groupvpn_frr.h"
#include "bgp_groupvpn.h"

DEFINE_MTYPE_STATIC(GROUPVPN, GROUPVPN_READING, "group VPN attribute read");

#define READINGS 1024

static struct gvpn_reading *readings[READINGS];

static void reading_free(struct gvpn_reading **reading)
{
	unsigned int i;

	if (!*reading)
		return;
	for (i = 0; i < array_size((*reading)->injected); i++) {
		if ((*reading)->injected[i])
			bgp_attr_unintern(&(*reading)->injected[i]);
	}
	bgp_attr_unintern(&(*reading)->attr);
	XFREE(MTYPE_GROUPVPN_READING, *reading);
}

static bool open_inner(struct gvpn_reading *reading,
		       const struct gvpn_route_keys *keys)
{
	const struct gv_attr *a = &reading->a;
	uint8_t key[GV_SIV_KEY_LEN];
	bool ok;

	if (!a->inner)
		return true;
	ok = gv_siv_key(reading->group->id, keys->secret, a->member_id,
			a->route_epoch, key) &&
	     gv_open_inner(key, a->inner, a->inner_len, reading->octets) &&
	     gv_inner_decode(reading->octets, a->inner_len - GV_SIV_LEN,
			     &reading->inner);
	gv_wipe(key, sizeof(key));
	return ok;
}

/* bgpd itself looks at the path by which the route came, and not at what is
 * sealed of it. */
static unsigned int count_own_as(const struct gv_inner *inner)
{
	const struct bgp *bgp = bgp_get_default();
	unsigned int segment, count = 0;
	struct gv_reader r;

	gv_reader_init(&r, inner->as_path, inner->as_path_len);
	while (bgp && r.left > 0) {
		gv_get8(&r);
		for (segment = gv_get8(&r); segment > 0 && r.ok; segment--)
			count += gv_get32(&r) == bgp->as;
		if (!r.ok)
			break;
	}
	return count;
}

static enum gvpn_drop check(struct gvpn_reading *reading, const uint8_t *value,
			    size_t len)
{
	const struct gvpn_route_keys *keys =
		gvpn_group_keys(reading->group, reading->a.route_epoch);
	enum gv_attr_error error;

	if (!keys)
		return GVPN_DROP_ROUTE_EPOCH;
	error = gv_attr_verify(value, len, keys->mac_key);
	if (error != GV_ATTR_OK)
		return (enum gvpn_drop)error;
	if (!open_inner(reading, keys))
		return GVPN_DROP_SEAL;
	reading->own_as = count_own_as(&reading->inner);
	return GVPN_DROP_NONE;
}

struct gvpn_reading *gvpn_read(struct attr *attr, const uint8_t *value,
			       size_t len)
{
	struct gvpn_reading **slot, *reading;
	enum gv_attr_error error;

	slot = &readings[jhash(&attr, sizeof(attr), 0) % READINGS];
	if (*slot && (*slot)->attr == attr)
		return *slot;

	reading_free(slot);
	reading = XCALLOC(MTYPE_GROUPVPN_READING, sizeof(*reading));
	reading->attr = bgp_attr_intern(attr);
	*slot = reading;
	error = gv_attr_decode(value, len, &reading->a);
	reading->drop = (enum gvpn_drop)error;
	if (error != GV_ATTR_OK)
		return reading;
	reading->group = gvpn_group_find(reading->a.group_id);
	if (reading->group && reading->group->active)
		reading->drop = check(reading, value, len);
	return reading;
}

void gvpn_read_forget(void)
{
	unsigned int i;

	for (i = 0; i < READINGS; i++)
		reading_free(&readings[i]);
}
