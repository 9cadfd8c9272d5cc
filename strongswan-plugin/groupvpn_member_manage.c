/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The groups and what the GCKS said of them; the rest is told by the data
 * plane.
 */

#include "groupvpn_member_manage.h"
#include "groupvpn_member_failover.h"
#include "groupvpn_member_group.h"
#include "groupvpn_payload.h"

ENUM(member_state_names, MEMBER_WAITING, MEMBER_REGISTERED,
	"waiting",
	"connecting",
	"registering",
	"registered",
);

ENUM(member_counter_names, MEMBER_REGISTRATIONS, MEMBER_LISTS_REFUSED,
	"registrations",
	"registrations-refused",
	"registrations-failed",
	"dismissals",
	"ike-sas-lost",
	"rekeys-received",
	"rekeys-refused",
	"lists-received",
	"lists-refused",
);

/**
 * Add what identifies a group to a message
 */
static void add_group(vici_builder_t *builder, groupvpn_member_group_t *group)
{
	builder->add_kv(builder, "group", "%s", group->cfg->name);
	builder->add_kv(builder, "group-id", "%u", group->cfg->id);
	builder->add_kv(builder, "role", "member");
}

/*
 * See header
 */
void groupvpn_member_tell_refusal(groupvpn_member_group_t *group,
								  notify_type_t notify, char *why)
{
	groupvpn_vici_t *vici = group->member->vici;
	vici_builder_t *builder = vici->begin(vici, "refused");

	if (builder)
	{
		add_group(builder, group);
		builder->add_kv(builder, "gcks", "%s",
						groupvpn_member_gcks_name(group));
		builder->add_kv(builder, "notify", "%s", groupvpn_notify_name(notify));
		builder->add_kv(builder, "reason", "%s", why);
		vici->raise(vici, "refused", 0, builder);
	}
}

/*
 * See header
 */
void groupvpn_member_tell_rekey(groupvpn_member_group_t *group,
								const struct gv_gsa *gsa, char *how)
{
	groupvpn_vici_t *vici = group->member->vici;
	vici_builder_t *builder = vici->begin(vici, "rekey");

	if (builder)
	{
		add_group(builder, group);
		builder->add_kv(builder, "epoch", "%u",
						gsa->epoch[gsa->epochs - 1].epoch);
		builder->add_kv(builder, "atd", "%u", gsa->atd);
		builder->add_kv(builder, "dtd", "%u", gsa->dtd);
		builder->add_kv(builder, "received", "%s", how);
		vici->raise(vici, "rekey", 0, builder);
	}
}

/**
 * Add where the GCKS is, and where it is by the group's descriptors
 */
static void add_addresses(vici_builder_t *builder,
						  const groupvpn_member_hints_t *hints)
{
	u_int i;

	if (hints->tried)
	{
		builder->add_kv(builder, "gcks-address", "%H", hints->tried);
	}
	if (hints->count)
	{
		builder->begin_list(builder, "discovered");
		for (i = 0; i < hints->count; i++)
		{
			builder->add_li(builder, "%H", hints->heard[i]);
		}
		builder->end_list(builder);
	}
}

/**
 * Add what is known of the Rekey SA
 */
static void add_rekey_sa(vici_builder_t *builder, groupvpn_rekey_sa_t *sa)
{
	char hex[2 * GV_REKEY_SPI_LEN + 1];
	uint32_t message_id;
	chunk_t spi;
	u_int keys;

	if (sa->describe(sa, &spi, &message_id, &keys))
	{
		builder->add_kv(builder, "rekey-spi", "%s",
						chunk_to_hex(spi, hex, FALSE).ptr);
		builder->add_kv(builder, "rekey-message-id", "%u", message_id);
		builder->add_kv(builder, "rekey-expires", "%u",
						groupvpn_vici_left(sa->get_expiry(sa)));
		builder->add_kv(builder, "rekey-keys", "%u", keys);
	}
	builder->add_kv(builder, "rekey-heard", "%s",
					sa->is_hearing(sa) ? "yes" : "no");
}

/**
 * Tell a client of a group
 */
CALLBACK(list_group, void,
	groupvpn_member_core_t *member, void *data, u_int client)
{
	groupvpn_member_group_t *group = data;
	vici_builder_t *builder = member->vici->begin(member->vici, "list-group");

	if (builder)
	{
		add_group(builder, group);
		builder->add_kv(builder, "gcks", "%s",
						groupvpn_member_gcks_name(group));
		add_addresses(builder, &group->hints);
		builder->add_kv(builder, "state", "%N", member_state_names,
						group->state);
		if (group->ike_sa)
		{
			builder->add_kv(builder, "ike-sa", "%u", group->ike_sa);
		}
		add_rekey_sa(builder, group->rekey.sa);
		group->dataplane->describe(group->dataplane, builder);
		member->vici->raise(member->vici, "list-group", client, builder);
	}
}

/**
 * Tell a client of the other members of a group
 */
CALLBACK(list_group_members, void,
	groupvpn_member_core_t *member, void *data, u_int client)
{
	groupvpn_member_group_t *group = data;

	group->dataplane->list_members(group->dataplane, client);
}

/**
 * Tell a client of the epochs of a group
 */
CALLBACK(list_group_sas, void,
	groupvpn_member_core_t *member, void *data, u_int client)
{
	groupvpn_member_group_t *group = data;

	group->dataplane->list_sas(group->dataplane, client);
}

CALLBACK(add_counters, void,
	groupvpn_member_core_t *member, void *data, vici_builder_t *builder)
{
	groupvpn_member_group_t *group = data;

	groupvpn_vici_add_counters(builder, member_counter_names, group->counters,
							   MEMBER_COUNTERS);
	groupvpn_vici_add_counters(builder, groupvpn_rekey_counter_names,
							   group->rekey.sa->get_counters(group->rekey.sa),
							   GROUPVPN_REKEY_COUNTERS);
}

/*
 * See header
 */
groupvpn_listing_t *groupvpn_member_manage_create(
											groupvpn_member_core_t *member)
{
	groupvpn_listing_cb_t cb = {
		.group = list_group,
		.members = list_group_members,
		.sas = list_group_sas,
		.counters = add_counters,
	};

	return groupvpn_listing_create(member->groups, &cb, member);
}
