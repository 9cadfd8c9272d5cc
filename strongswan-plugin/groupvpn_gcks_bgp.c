/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bgpd at the S/R has no keys. So we seal what it is to announce, and open what
 * it hears. Nothing is kept of what it was told: all of it is made anew, the
 * same prefix seals to the same NLRI.
 */

#include "groupvpn_gcks_bgp.h"
#include "groupvpn_gcks_prefixes.h"
#include "groupvpn_gcks_tell.h"

#include <attr.h>
#include <crypto.h>
#include <keys.h>

/**
 * Keys that a member's routes are sealed with in a route epoch
 */
typedef struct {
	uint8_t mac[GV_SECRET_LEN];
	uint8_t nlri[GV_SECRET_LEN];
	uint8_t siv[GV_SIV_KEY_LEN];
} seal_keys_t;

/**
 * Derive the keys of a member
 */
static bool derive_keys(groupvpn_gcks_group_t *group, uint16_t member_id,
						const groupvpn_route_key_t *route, seal_keys_t *keys)
{
	uint32_t id = group->cfg->id;

	return gv_mac_key(id, route->secret, keys->mac) &&
		   gv_nlri_key(id, route->secret, member_id, route->epoch,
					   keys->nlri) &&
		   gv_siv_key(id, route->secret, member_id, route->epoch, keys->siv);
}

/**
 * Send what a message has gathered, and empty it
 */
static void flush(groupvpn_gcks_group_t *group, u_int client,
				  struct gv_ctl_msg *msg)
{
	if (msg->prefix_count)
	{
		groupvpn_gcks_tell(group, client, msg);
	}
	msg->prefix_count = 0;
}

/**
 * Seal a prefix; attr is the attribute that it needs besides
 *
 * @param value			receives that, of a prefix which needs its own
 * @return				length of value, 0 if the shared one will do
 */
static bool seal(const seal_keys_t *keys, struct gv_attr attr,
				 const struct gv_prefix *prefix, struct gv_prefix *nlri,
				 uint8_t value[GV_ATTR_MAX], size_t *len)
{
	uint8_t sealed[GV_SEALED_PREFIX_LEN];

	*len = 0;
	*nlri = (struct gv_prefix){ .family = 6, .len = 128 };
	if (prefix->family != 6 || prefix->len <= 64)
	{
		return gv_seal_prefix(keys->nlri, prefix, nlri->bytes);
	}
	attr.prefix = sealed;
	if (gv_seal_long(keys->nlri, keys->siv, prefix, nlri->bytes, sealed))
	{
		*len = gv_attr_encode(&attr, keys->mac, value, GV_ATTR_MAX);
	}
	return *len > 0;
}

/**
 * Have a member's routes be announced, as sealed in a route epoch
 */
static void originate(groupvpn_gcks_group_t *group, u_int client,
					  groupvpn_registration_t *registration,
					  const groupvpn_route_key_t *route, bool member)
{
	const struct gv_prefix *prefixes;
	struct gv_attr attr = {
		.kind = GV_KIND_MEMBER,
		.group_id = group->cfg->id,
		.member_id = registration->member_id,
		.sender_id = registration->sender_id,
		.route_epoch = route->epoch,
		.gateway = groupvpn_addr(registration->gateway),
	};
	struct gv_ctl_msg msg = {
		.type = GV_CTL_ORIGINATE,
		.group_id = group->cfg->id,
		.member_id = registration->member_id,
	}, own = msg;
	struct gv_prefix nlri;
	seal_keys_t keys;
	size_t count, i, len;

	if (!derive_keys(group, registration->member_id, route, &keys))
	{
		gv_wipe(&keys, sizeof(keys));
		return;
	}
	if (member)
	{
		msg.attr_len = gv_attr_encode(&attr, keys.mac, msg.attr,
									  sizeof(msg.attr));
		groupvpn_gcks_tell(group, client, &msg);
	}
	attr.kind = GV_KIND_ROUTES;
	attr.sealed = TRUE;
	msg.attr_len = gv_attr_encode(&attr, keys.mac, msg.attr, sizeof(msg.attr));
	count = registration->prefixes->get_claim(registration->prefixes,
											  &prefixes);
	for (i = 0; i < count; i++)
	{
		if (!seal(&keys, attr, &prefixes[i], &nlri, own.attr, &len))
		{
			continue;
		}
		if (len)
		{
			own.attr_len = len;
			own.prefixes[0] = nlri;
			own.prefix_count = 1;
			groupvpn_gcks_tell(group, client, &own);
			continue;
		}
		msg.prefixes[msg.prefix_count++] = nlri;
		if (msg.prefix_count == GV_CTL_PREFIXES_MAX)
		{
			flush(group, client, &msg);
		}
	}
	flush(group, client, &msg);
	gv_wipe(&keys, sizeof(keys));
}

/*
 * See header
 */
void groupvpn_gcks_bgp_tell(groupvpn_gcks_group_t *group,
							groupvpn_registration_t *registration,
							u_int client)
{
	const groupvpn_route_key_t *current, *other;
	struct gv_ctl_msg end = {
		.type = GV_CTL_ORIGINATED,
		.group_id = group->cfg->id,
		.member_id = registration->member_id,
	};

	if (!registration->ike_sa || !registration->prefixes)
	{
		return;
	}
	if (registration->by_keys)
	{
		current = group->routes->current(group->routes);
		other = group->routes->other(group->routes);
		originate(group, client, registration, current, TRUE);
		if (other->epoch && other->epoch < current->epoch)
		{	/* receivers still take it, and no route is to be missed */
			originate(group, client, registration, other, FALSE);
		}
	}
	groupvpn_gcks_tell(group, client, &end);
}

/*
 * See header
 */
void groupvpn_gcks_bgp_retell(groupvpn_gcks_group_t *group)
{
	uint32_t epoch = group->routes->current(group->routes)->epoch;
	uint32_t other = group->routes->other(group->routes)->epoch;
	enumerator_t *enumerator;
	groupvpn_registration_t *registration;

	if (epoch == group->lists.epoch && other == group->lists.other)
	{
		return;
	}
	group->lists.epoch = epoch;
	group->lists.other = other;
	enumerator = group->registrations->create_enumerator(group->registrations);
	while (group->lists.wanted &&
		   enumerator->enumerate(enumerator, &registration))
	{
		if (registration->by_keys)
		{
			groupvpn_gcks_bgp_tell(group, registration, 0);
		}
	}
	enumerator->destroy(enumerator);
}

/*
 * See header
 */
void groupvpn_gcks_bgp_want(groupvpn_gcks_group_t *group, u_int client)
{
	struct gv_ctl_msg msg = {
		.type = GV_CTL_WANT,
		.group_id = group->cfg->id,
		.ready = group->lists.wanted,
	};

	groupvpn_gcks_tell(group, client, &msg);
}

/**
 * Find the keys of a route epoch
 */
static const groupvpn_route_key_t *find_route(groupvpn_gcks_group_t *group,
											  uint32_t epoch)
{
	const groupvpn_route_key_t *current, *other;

	current = group->routes->current(group->routes);
	other = group->routes->other(group->routes);
	return !epoch ? NULL : current->epoch == epoch ? current
						 : other->epoch == epoch ? other : NULL;
}

/**
 * Find out what an NLRI means
 */
static bool open_nlri(const seal_keys_t *keys, const struct gv_attr *attr,
					  const struct gv_prefix *nlri, struct gv_prefix *prefix)
{
	if (nlri->family != 6 || nlri->len != 128)
	{
		return FALSE;
	}
	return (attr->prefix ? gv_open_long(keys->nlri, keys->siv, nlri->bytes,
										attr->prefix, prefix)
						 : gv_open_prefix(keys->nlri, nlri->bytes, prefix)) &&
		   gv_prefix_check(prefix) == GV_PREFIX_OK;
}

/**
 * Whether what a bgpd has heard is a member's; gets the keys that open it. Of
 * plain routes that is not known: whoever sees one can announce other prefixes
 * with its attribute
 */
static bool check_heard(groupvpn_gcks_group_t *group,
						const struct gv_ctl_msg *msg, struct gv_attr *attr,
						seal_keys_t *keys)
{
	const groupvpn_route_key_t *route;

	if (gv_attr_decode(msg->attr, msg->attr_len, attr) != GV_ATTR_OK ||
		attr->kind != GV_KIND_ROUTES || !attr->sealed ||
		attr->group_id != group->cfg->id || attr->member_id != msg->member_id)
	{
		return FALSE;
	}
	route = find_route(group, attr->route_epoch);
	return route && derive_keys(group, msg->member_id, route, keys) &&
		   gv_attr_verify(msg->attr, msg->attr_len, keys->mac) == GV_ATTR_OK;
}

/**
 * Routes of a member are heard
 */
static void hear(groupvpn_gcks_group_t *group, u_int client,
				 groupvpn_registration_t *registration,
				 const struct gv_ctl_msg *msg)
{
	groupvpn_prefixes_t *prefixes = registration->prefixes;
	struct gv_prefix prefix;
	struct gv_attr attr;
	seal_keys_t keys = {};
	bool ok;
	u_int i;

	if (!prefixes)
	{
		prefixes = registration->prefixes = groupvpn_prefixes_create();
	}
	ok = check_heard(group, msg, &attr, &keys);
	for (i = 0; i < msg->prefix_count; i++)
	{
		if (!ok || !open_nlri(&keys, &attr, &msg->prefixes[i], &prefix) ||
			!prefixes->hear(prefixes, &msg->prefixes[i], &prefix, client))
		{
			group->counters[GCKS_ROUTES_DROPPED]++;
			prefixes->unhear(prefixes, &msg->prefixes[i]);
		}
	}
	gv_wipe(&keys, sizeof(keys));
}

/*
 * See header
 */
void groupvpn_gcks_bgp_hear(groupvpn_gcks_group_t *group, u_int client,
							const struct gv_ctl_msg *msg)
{
	groupvpn_registration_t *registration;
	u_int i;

	registration = group->registrations->find(group->registrations,
											  msg->member_id);
	if (!registration)
	{
		return;
	}
	if (msg->type == GV_CTL_HEARD && !registration->by_keys &&
		group->lists.wanted)
	{	/* what was on the way when it was told not to is not taken back */
		hear(group, client, registration, msg);
	}
	for (i = 0; msg->type == GV_CTL_UNHEARD && registration->prefixes &&
		 i < msg->prefix_count; i++)
	{
		registration->prefixes->unhear(registration->prefixes,
									   &msg->prefixes[i]);
	}
	if (registration->prefixes)
	{
		groupvpn_gcks_prefixes_follow(group, registration);
	}
}
