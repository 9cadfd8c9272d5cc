/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bgpd gets all that it needs to judge routes by, management what somebody
 * subscribed to. Both take what they are told without waiting.
 */

#include "groupvpn_gcks_tell.h"
#include "groupvpn_gcks_bgp.h"
#include "groupvpn_payload.h"

#include <daemon.h>

#include <attr.h>
#include <crypto.h>
#include <keys.h>

/*
 * See header
 */
void groupvpn_gcks_add_group(vici_builder_t *builder,
							 groupvpn_gcks_group_t *group)
{
	builder->add_kv(builder, "group", "%s", group->cfg->name);
	builder->add_kv(builder, "group-id", "%u", group->cfg->id);
	builder->add_kv(builder, "role", "gcks");
}

/**
 * What a member may do, by enum gv_direction
 */
static char *directions[] = { "both", "send", "receive" };

/**
 * Add the prefixes of a member to a message, as far as we know them
 */
static void add_prefixes(vici_builder_t *builder,
						 groupvpn_registration_t *registration)
{
	struct gv_prefix prefixes[GV_PREFIXES_MAX];
	size_t count;
	char *text;

	builder->add_kv(builder, "routes", "%s",
					registration->by_keys ? "keys" : "bgp");
	if (registration->prefixes)
	{
		count = registration->prefixes->get(registration->prefixes, prefixes);
		text = groupvpn_prefixes_text(prefixes, min(count, GV_PREFIXES_MAX));
		if (text)
		{
			builder->add_kv(builder, "prefixes", "%s", text);
		}
		free(text);
	}
}

/*
 * See header
 */
void groupvpn_gcks_add_registration(vici_builder_t *builder,
									groupvpn_gcks_group_t *group,
									groupvpn_registration_t *registration)
{
	groupvpn_gcks_add_group(builder, group);
	builder->add_kv(builder, "member-id", "%u", registration->member_id);
	builder->add_kv(builder, "sender-id", "%u", registration->sender_id);
	builder->add_kv(builder, "identity", "%Y", registration->identity);
	builder->add_kv(builder, "gateway", "%H", registration->gateway);
	builder->add_kv(builder, "ike-sa", "%u", registration->ike_sa);
	builder->add_kv(builder, "direction", "%s",
					directions[registration->direction]);
	if (*registration->label)
	{
		builder->add_kv(builder, "label", "%s", registration->label);
	}
	add_prefixes(builder, registration);
}

/**
 * Tell management that a member is registered, or is not anymore
 *
 * @param why			reason, NULL if it is registered
 */
static void raise_member(groupvpn_gcks_group_t *group,
						 groupvpn_registration_t *registration, char *why)
{
	groupvpn_vici_t *vici = group->gcks->vici;
	char *event = why ? "member-down" : "member-up";
	vici_builder_t *builder = vici->begin(vici, event);

	if (builder)
	{
		groupvpn_gcks_add_registration(builder, group, registration);
		if (why)
		{
			builder->add_kv(builder, "reason", "%s", why);
		}
		vici->raise(vici, event, 0, builder);
	}
}

/*
 * See header
 */
void groupvpn_gcks_tell_refusal(groupvpn_gcks_core_t *gcks,
								groupvpn_gcks_group_t *group,
								uint32_t group_id, ike_sa_t *ike_sa,
								notify_type_t notify, char *why)
{
	vici_builder_t *builder = gcks->vici->begin(gcks->vici, "refused");

	if (builder)
	{
		if (group)
		{
			groupvpn_gcks_add_group(builder, group);
		}
		else
		{
			builder->add_kv(builder, "group-id", "%u", group_id);
			builder->add_kv(builder, "role", "gcks");
		}
		builder->add_kv(builder, "identity", "%Y",
						ike_sa->get_other_id(ike_sa));
		builder->add_kv(builder, "gateway", "%H",
						ike_sa->get_other_host(ike_sa));
		builder->add_kv(builder, "notify", "%s", groupvpn_notify_name(notify));
		builder->add_kv(builder, "reason", "%s", why);
		gcks->vici->raise(gcks->vici, "refused", 0, builder);
	}
}

/**
 * The first address of the host, for want of a better one
 */
static host_t *first_address(int family)
{
	enumerator_t *enumerator;
	host_t *host, *found = NULL;

	enumerator = charon->kernel->create_address_enumerator(charon->kernel,
														   ADDR_TYPE_REGULAR);
	while (enumerator->enumerate(enumerator, &host))
	{
		if (host->get_family(host) == family)
		{
			found = host->clone(host);
			break;
		}
	}
	enumerator->destroy(enumerator);
	return found;
}

/**
 * Compose a group's descriptor, for one part of the GSA_REKEY messages
 *
 * @param part			the part, NULL if there are no messages
 * @param msg			receives it
 */
static void add_descriptor(groupvpn_gcks_group_t *group,
						   const uint8_t mac_key[GV_SECRET_LEN],
						   const struct gv_part *part, struct gv_ctl_msg *msg)
{
	struct gv_attr attr = {
		.kind = GV_KIND_DESCRIPTOR,
		.group_id = group->cfg->id,
		.route_epoch = group->routes->current(group->routes)->epoch,
		.gateway = groupvpn_addr(group->address),
	};

	if (part)
	{
		attr.rekey = part->data;
		attr.rekey_len = part->len;
		if (part->count > 1)
		{
			attr.part_number = part->number;
			attr.part_count = part->count;
			memcpy(attr.part_set, part->set, sizeof(attr.part_set));
		}
	}
	msg->attr_len = gv_attr_encode(&attr, mac_key, msg->attr,
								   sizeof(msg->attr));
}

/*
 * See header
 */
void groupvpn_gcks_tell(groupvpn_gcks_group_t *group, u_int client,
						struct gv_ctl_msg *msg)
{
	groupvpn_control_t *control = group->gcks->control;

	if (client)
	{
		control->send(control, client, msg);
	}
	else
	{
		control->broadcast(control, msg);
	}
}

/**
 * Tell of a group: GROUP, with the first part of the GSA_REKEY messages, and
 * DESCRIPTOR for each of the others
 *
 * @param client		control client, 0 for all
 * @return				FALSE if that is not possible
 */
static bool send_group(groupvpn_gcks_group_t *group, u_int client)
{
	groupvpn_sa_t *newest = group->sas->newest(group->sas);
	const groupvpn_route_key_t *route = group->routes->current(group->routes);
	uint8_t mac_key[GV_SECRET_LEN], rekey[GV_REKEY_MAX];
	struct gv_part parts[GV_PARTS_MAX];
	struct gv_ctl_msg msg;
	u_int count = 0, i;

	if (!group->address)
	{
		group->address = first_address(groupvpn_encap_family(group->cfg->encap));
	}
	if (!group->address ||
		!gv_mac_key(group->cfg->id, route->secret, mac_key))
	{
		return FALSE;
	}
	if (group->kek)
	{
		count = gv_parts_split(rekey,
							   group->kek->get_messages(group->kek, rekey),
							   parts);
	}
	msg = (struct gv_ctl_msg){
		.type = GV_CTL_GROUP,
		.group_id = group->cfg->id,
		.role = GV_ROLE_GCKS,
		.gateway = groupvpn_addr(group->address),
		.epoch = newest ? newest->sa.epoch : 0,
		.route_epoch = route->epoch,
		.discovery_open = group->cfg->discovery_open,
	};
	snprintf(msg.name, sizeof(msg.name), "%s", group->cfg->name);
	add_descriptor(group, mac_key, count ? parts : NULL, &msg);
	groupvpn_gcks_tell(group, client, &msg);
	for (i = 1; i < count; i++)
	{
		msg = (struct gv_ctl_msg){
			.type = GV_CTL_DESCRIPTOR,
			.group_id = group->cfg->id,
		};
		add_descriptor(group, mac_key, &parts[i], &msg);
		groupvpn_gcks_tell(group, client, &msg);
	}
	gv_wipe(mac_key, sizeof(mac_key));
	return TRUE;
}

/*
 * See header
 */
void groupvpn_gcks_tell_group(groupvpn_gcks_group_t *group)
{
	send_group(group, 0);
	groupvpn_gcks_bgp_retell(group);
}

/*
 * See header
 */
void groupvpn_gcks_tell_end(groupvpn_gcks_group_t *group)
{
	struct gv_ctl_msg msg = {
		.type = GV_CTL_GROUP_DOWN,
		.group_id = group->cfg->id,
	};

	group->gcks->control->broadcast(group->gcks->control, &msg);
}

/*
 * See header
 */
void groupvpn_gcks_tell_epoch(groupvpn_gcks_group_t *group, u_int members,
							  char *why)
{
	groupvpn_vici_t *vici = group->gcks->vici;
	vici_builder_t *builder = vici->begin(vici, "rekey");

	if (builder)
	{
		groupvpn_gcks_add_group(builder, group);
		builder->add_kv(builder, "epoch", "%u",
						group->sas->newest(group->sas)->sa.epoch);
		builder->add_kv(builder, "members", "%u", members);
		builder->add_kv(builder, "reason", "%s", why);
		vici->raise(vici, "rekey", 0, builder);
	}
	groupvpn_gcks_tell_group(group);
}

/**
 * Compose the REGISTRATION message
 */
static void registration_msg(groupvpn_gcks_group_t *group,
							 groupvpn_registration_t *registration,
							 struct gv_ctl_msg *msg)
{
	*msg = (struct gv_ctl_msg){
		.type = GV_CTL_REGISTRATION,
		.group_id = group->cfg->id,
		.member_id = registration->member_id,
		.sender_id = registration->sender_id,
		.gateway = groupvpn_addr(registration->gateway),
	};
	snprintf(msg->identity, sizeof(msg->identity), "%Y",
			 registration->identity);
	snprintf(msg->peers, sizeof(msg->peers), "%s", registration->peers ?: "");
	snprintf(msg->label, sizeof(msg->label), "%s", registration->label);
}

/*
 * See header
 */
void groupvpn_gcks_tell_label(groupvpn_gcks_group_t *group,
							  groupvpn_registration_t *registration)
{
	struct gv_ctl_msg msg;

	registration_msg(group, registration, &msg);
	group->gcks->control->broadcast(group->gcks->control, &msg);
}

/*
 * See header
 */
void groupvpn_gcks_tell_member(groupvpn_gcks_group_t *group,
							   groupvpn_registration_t *registration)
{
	struct gv_ctl_msg msg;

	registration_msg(group, registration, &msg);
	group->gcks->control->broadcast(group->gcks->control, &msg);
	groupvpn_gcks_bgp_tell(group, registration, 0);
	raise_member(group, registration, NULL);
}

/*
 * See header
 */
void groupvpn_gcks_tell_removal(groupvpn_gcks_group_t *group,
								groupvpn_registration_t *registration,
								char *why)
{
	struct gv_ctl_msg msg = {
		.type = GV_CTL_REGISTRATION_DOWN,
		.group_id = group->cfg->id,
		.member_id = registration->member_id,
	};

	snprintf(msg.text, sizeof(msg.text), "%s", why);
	raise_member(group, registration, why);
	group->gcks->control->broadcast(group->gcks->control, &msg);
}

/**
 * Tell a bgpd of a group and its registrations
 */
static void replay_group(groupvpn_gcks_group_t *group, u_int client)
{
	groupvpn_control_t *control = group->gcks->control;
	groupvpn_registration_t *registration;
	enumerator_t *enumerator;
	struct gv_ctl_msg msg;

	if (!send_group(group, client))
	{
		return;
	}
	enumerator = group->registrations->create_enumerator(group->registrations);
	while (enumerator->enumerate(enumerator, &registration))
	{
		if (registration->ike_sa)
		{
			registration_msg(group, registration, &msg);
			control->send(control, client, &msg);
			groupvpn_gcks_bgp_tell(group, registration, client);
		}
	}
	enumerator->destroy(enumerator);
	groupvpn_gcks_bgp_want(group, client);
}

/*
 * See header
 */
void groupvpn_gcks_replay(groupvpn_gcks_core_t *gcks, u_int client)
{
	groupvpn_gcks_group_t *group;
	enumerator_t *enumerator;

	gcks->groups->lock(gcks->groups);
	enumerator = gcks->groups->create_enumerator(gcks->groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		replay_group(group, client);
	}
	enumerator->destroy(enumerator);
	gcks->groups->unlock(gcks->groups);
}
