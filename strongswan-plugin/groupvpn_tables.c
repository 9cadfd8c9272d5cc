/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See header
 */

#include "groupvpn_tables.h"

#include <string.h>

/**
 * Get a text of an object, "" if it has none
 */
static const char *text(struct json_object *object, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(object, key, &value)
				? json_object_get_string(value) : "";
}

/**
 * Get a number of an object, 0 if it has none
 */
static unsigned long long number(struct json_object *object, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(object, key, &value)
				? json_object_get_uint64(value) : 0;
}

/**
 * Whether an object has something
 */
static bool has(struct json_object *object, const char *key)
{
	return json_object_object_get_ex(object, key, NULL);
}

/**
 * Whether something is true
 */
static bool is(struct json_object *object, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(object, key, &value) &&
		   json_object_get_boolean(value);
}

/**
 * A number of seconds as text, "-" if there is none
 */
static const char *seconds(struct json_object *object, const char *key)
{
	static char bufs[4][24];
	static unsigned int next;
	char *buf = bufs[next++ % 4];

	if (!has(object, key))
	{
		return "-";
	}
	snprintf(buf, sizeof(bufs[0]), "%llus", number(object, key));
	return buf;
}

/**
 * Print the line that an object's group begins with, if it is another one than
 * that of the object before
 *
 * @param last			name of that one, changed
 * @param heading		heading of the table below, or NULL
 */
static void print_group(FILE *out, struct json_object *object,
						const char **last, const char *heading)
{
	const char *group = text(object, "group");

	if (*last && strcmp(*last, group) == 0)
	{
		return;
	}
	fprintf(out, "%s: group-ID %llu, %s\n", group, number(object, "group-id"),
			strcmp(text(object, "role"), "gcks") == 0 ? "GCKS" : "member");
	if (heading)
	{
		fprintf(out, "%s\n", heading);
	}
	*last = group;
}

/**
 * What protects a group's packets from being replayed
 */
static const char *replay(struct json_object *group)
{
	static char window[32];

	if (!number(group, "replay-window"))
	{
		return "NO REPLAY PROTECTION";
	}
	snprintf(window, sizeof(window), "replay window %llu",
			 number(group, "replay-window"));
	return window;
}

/**
 * Show what there is of a Rekey SA
 */
static void show_rekey_sa(FILE *out, struct json_object *group)
{
	if (!has(group, "rekey-spi"))
	{
		fprintf(out, "  keys:    come in band\n");
		return;
	}
	if (has(group, "rekey-octets"))
	{
		fprintf(out, "  keys:    by BGP, %s by bgpd: %llu messages, %llu octets\n",
				is(group, "rekey-announced") ? "announced" : "not announced",
				number(group, "rekey-messages"),
				number(group, "rekey-octets"));
		fprintf(out, "  tree:    %llu members, depth %llu\n",
				number(group, "tree-members"), number(group, "tree-depth"));
	}
	else
	{
		fprintf(out, "  keys:    by BGP, %s by bgpd\n",
				is(group, "rekey-heard") ? "heard" : "not heard");
	}
	fprintf(out, "  KEK:     %s, next Message-ID %llu, ends in %s\n",
			text(group, "rekey-spi"), number(group, "rekey-message-id"),
			seconds(group, "rekey-expires"));
}

/**
 * Show what a GCKS tells of a group
 */
static void show_gcks(FILE *out, struct json_object *group)
{
	fprintf(out, "  gateway: %s\n",
			has(group, "gateway") ? text(group, "gateway") : "not known yet");
	fprintf(out, "  policy:  %s, %s, %s SAs, %s\n", text(group, "encap"),
			text(group, "cipher"), text(group, "sa-mode"), replay(group));
	fprintf(out, "  rekey:   lifetime %s, ATD %s, DTD %s\n",
			seconds(group, "lifetime"), seconds(group, "atd"),
			seconds(group, "dtd"));
	fprintf(out, "  epoch:   %llu, %s old, next in %s\n",
			number(group, "epoch"), seconds(group, "age"),
			seconds(group, "next-epoch"));
	fprintf(out, "  members: %llu registered, %llu evicted",
			number(group, "members"), number(group, "evicted"));
	if (has(group, "max-members"))
	{
		fprintf(out, ", at most %llu", number(group, "max-members"));
	}
	if (*text(group, "policy") == '/')
	{
		fprintf(out, ", asked for at %s", text(group, "policy"));
	}
	fprintf(out, "\n");
	show_rekey_sa(out, group);
}

/**
 * Show what a member tells of a group
 */
static void show_member(FILE *out, struct json_object *group)
{
	fprintf(out, "  state:   %s with '%s'%s%s", text(group, "state"),
			text(group, "gcks"), has(group, "gcks-address") ? " at " : "",
			text(group, "gcks-address"));
	if (has(group, "ike-sa"))
	{
		fprintf(out, " (IKE_SA #%llu)", number(group, "ike-sa"));
	}
	fprintf(out, ", %s%s%s\n", is(group, "up") ? "up" : "down",
			has(group, "problem") ? ": " : "", text(group, "problem"));
	fprintf(out, "  device:  %s, %s%s\n", text(group, "device"),
			has(group, "vrf") ? "VRF " : "default table", text(group, "vrf"));
	show_rekey_sa(out, group);
	if (strcmp(text(group, "routes"), "keys") == 0)
	{
		fprintf(out, "  routes:  with the keys, %llu installed, %llu refused; "
				"ours: %s\n", number(group, "routes-installed"),
				number(group, "routes-refused"), text(group, "prefixes"));
	}
	if (!has(group, "epoch"))
	{
		return;
	}
	fprintf(out, "  member:  member-ID %llu, Sender-ID %llu, gateway %s\n",
			number(group, "member-id"), number(group, "sender-id"),
			text(group, "gateway"));
	fprintf(out, "  policy:  %s, %s, %s SAs, %s, fail %s\n",
			text(group, "encap"), text(group, "cipher"),
			text(group, "sa-mode"), replay(group), text(group, "fail"));
	fprintf(out, "  epoch:   %llu, %s old\n", number(group, "epoch"),
			seconds(group, "age"));
	fprintf(out, "  members: %llu others, %llu ready, %llu states\n",
			number(group, "members"), number(group, "ready"),
			number(group, "states"));
}

static void show_groups(FILE *out, struct json_object *list)
{
	struct json_object *group;
	const char *last = NULL;
	size_t i;

	for (i = 0; i < json_object_array_length(list); i++)
	{
		group = json_object_array_get_idx(list, i);
		print_group(out, group, &last, NULL);
		if (strcmp(text(group, "role"), "gcks") == 0)
		{
			show_gcks(out, group);
		}
		else
		{
			show_member(out, group);
		}
	}
}

/**
 * What a member may do, if that is not all
 */
static const char *direction(struct json_object *member)
{
	const char *value = text(member, "direction");

	return strcmp(value, "send") == 0 ? ", only sends" :
		   strcmp(value, "receive") == 0 ? ", only receives" : "";
}

static void show_members(FILE *out, struct json_object *list)
{
	struct json_object *member;
	const char *last = NULL;
	size_t i;

	for (i = 0; i < json_object_array_length(list); i++)
	{
		member = json_object_array_get_idx(list, i);
		print_group(out, member, &last,
					"  Member Sender-ID Gateway         IKE_SA"
					"      Since State      Identity");
		fprintf(out, "  %6s %9s %-15s %6s %10s %-10s %s%s%s%s%s%s%s\n",
				has(member, "member-id") ? text(member, "member-id") : "-",
				has(member, "sender-id") ? text(member, "sender-id") : "-",
				has(member, "gateway") ? text(member, "gateway") : "-",
				has(member, "ike-sa") ? text(member, "ike-sa") : "-",
				seconds(member, "age"), text(member, "state"),
				has(member, "identity") ? text(member, "identity") : "-",
				has(member, "reason") ? " (" : "", text(member, "reason"),
				has(member, "reason") ? ")" : "",
				has(member, "label") ? ", " : "", text(member, "label"),
				direction(member));
		if (has(member, "prefixes"))
		{
			fprintf(out, "         %s\n", text(member, "prefixes"));
		}
	}
}

static void show_sas(FILE *out, struct json_object *list)
{
	struct json_object *sa;
	const char *last = NULL;
	size_t i;

	for (i = 0; i < json_object_array_length(list); i++)
	{
		sa = json_object_array_get_idx(list, i);
		print_group(out, sa, &last,
					"       Epoch  Tag        Age    Expires"
					"  Activates    Retires State     Cipher");
		fprintf(out, "  %10llu %4s %10s %10s %10s %10s %-9s %s\n",
				number(sa, "epoch"), text(sa, "tag"), seconds(sa, "age"),
				seconds(sa, "expires"), seconds(sa, "activates"),
				seconds(sa, "retires"), text(sa, "state"), text(sa, "cipher"));
	}
}

/**
 * What counters are of, by the name of their section
 */
static const char *heading(const char *name)
{
	if (strcmp(name, "-") == 0)
	{
		return "of no group";
	}
	if (strcmp(name, "-exchange") == 0)
	{
		return "exchange types of RFC 9838";
	}
	return name;
}

static void show_counters(FILE *out, struct json_object *answer)
{
	struct json_object *groups;

	if (!json_object_object_get_ex(answer, "counters", &groups))
	{
		return;
	}
	json_object_object_foreach(groups, name, counters)
	{
		fprintf(out, "%s:\n", heading(name));
		json_object_object_foreach(counters, key, value)
		{
			fprintf(out, "  %-23s: %s\n", key, json_object_get_string(value));
		}
	}
}

static void show_version(FILE *out, struct json_object *answer)
{
	fprintf(out, "groupvpn %s, strongSwan %s, listening for %s\n",
			text(answer, "version"), text(answer, "strongswan"),
			seconds(answer, "uptime"));
}

static void show_rekey(FILE *out, struct json_object *answer)
{
	fprintf(out, "epoch %llu begins, given to %llu members\n",
			number(answer, "epoch"), number(answer, "members"));
}

static void show_evict(FILE *out, struct json_object *answer)
{
	fprintf(out, "'%s' is evicted%s\n", text(answer, "identity"),
			is(answer, "registered") ? "" : ", it was not registered");
	if (has(answer, "epoch"))
	{
		show_rekey(out, answer);
	}
}

static void show_readmit(FILE *out, struct json_object *answer)
{
	fprintf(out, "'%s' may register again\n", text(answer, "identity"));
}

static void show_reload(FILE *out, struct json_object *answer)
{
	(void)answer;
	fprintf(out, "groups are read again; charon's log tells of any error in "
			"them\n");
}

/*
 * See header
 */
const char *groupvpn_tables_error(struct json_object *response)
{
	return is(response, "success") ? NULL : text(response, "errmsg");
}

/*
 * See header
 */
void groupvpn_tables_show(FILE *out, const char *command,
						  struct json_object *json)
{
	static const struct {
		const char *command;
		void (*show)(FILE *out, struct json_object *json);
	} tables[] = {
		{ "list-groups", show_groups },
		{ "list-members", show_members },
		{ "list-sas", show_sas },
		{ "get-counters", show_counters },
		{ "version", show_version },
		{ "rekey", show_rekey },
		{ "evict", show_evict },
		{ "readmit", show_readmit },
		{ "reload", show_reload },
	};
	size_t i;

	for (i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
	{
		if (strcmp(tables[i].command, command) == 0)
		{
			tables[i].show(out, json);
		}
	}
}
