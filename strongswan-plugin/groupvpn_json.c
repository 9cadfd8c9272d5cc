/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See header
 */

#include "groupvpn_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/**
 * Whether the value of a key is a number
 */
static bool is_number(const char *key)
{
	static const char *keys[] = {
		"activates", "age", "atd", "dtd", "epoch", "evicted", "expires",
		"group-id", "ike-sa", "lifetime", "max-members", "max-prefixes",
		"member-id", "members", "next-epoch", "ready", "rekey-expires", "rekey-keys",
		"rekey-message-id", "rekey-messages", "rekey-octets",
		"replay-window", "retires", "route-epoch", "routes-installed",
		"routes-refused", "sender-id", "states", "tree-depth", "tree-members", "uptime",
	};
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
	{
		if (strcmp(key, keys[i]) == 0)
		{
			return true;
		}
	}
	return false;
}

/**
 * Convert a value
 */
static struct json_object *convert(bool number, const char *value, size_t len)
{
	char text[32], *end;
	unsigned long long n;

	if (number && len > 0 && len < sizeof(text))
	{
		snprintf(text, sizeof(text), "%.*s", (int)len, value);
		n = strtoull(text, &end, 10);
		if (!*end)
		{
			return json_object_new_uint64(n);
		}
	}
	if (len == 3 && memcmp(value, "yes", 3) == 0)
	{
		return json_object_new_boolean(true);
	}
	if (len == 2 && memcmp(value, "no", 2) == 0)
	{
		return json_object_new_boolean(false);
	}
	return json_object_new_string_len(value, len);
}

/*
 * See header
 */
void groupvpn_json_begin(groupvpn_json_t *this)
{
	memset(this, 0, sizeof(*this));
	this->stack[0] = json_object_new_object();
}

/*
 * See header
 */
void groupvpn_json_open(groupvpn_json_t *this, const char *name, bool list)
{
	struct json_object *new;

	if (this->failed || this->depth + 1 == GROUPVPN_JSON_DEPTH ||
		!json_object_is_type(this->stack[this->depth], json_type_object))
	{
		this->failed = true;
		return;
	}
	new = list ? json_object_new_array() : json_object_new_object();
	json_object_object_add(this->stack[this->depth], name, new);
	this->stack[++this->depth] = new;
	this->in_counters |= strcmp(name, "counters") == 0;
}

/*
 * See header
 */
void groupvpn_json_close(groupvpn_json_t *this)
{
	if (this->failed || this->depth == 0)
	{
		this->failed = true;
		return;
	}
	this->depth--;
	this->in_counters &= this->depth > 0;
}

/*
 * See header
 */
void groupvpn_json_value(groupvpn_json_t *this, const char *name,
						 const void *value, size_t len)
{
	struct json_object *parent = this->stack[this->depth];

	if (this->failed || json_object_is_type(parent, json_type_array) != !name)
	{
		this->failed = true;
	}
	else if (name)
	{
		json_object_object_add(parent, name,
					convert(this->in_counters || is_number(name), value, len));
	}
	else
	{
		json_object_array_add(parent, json_object_new_string_len(value, len));
	}
}

/*
 * See header
 */
struct json_object *groupvpn_json_end(groupvpn_json_t *this, bool valid)
{
	if (valid && !this->failed && this->depth == 0)
	{
		return this->stack[0];
	}
	json_object_put(this->stack[0]);
	return NULL;
}
