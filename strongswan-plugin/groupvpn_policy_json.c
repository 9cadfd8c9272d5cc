/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Strict about what we act on, deaf to what we do not know: unknown keys are
 * skipped, so that a server may say more than we understand; a known one of
 * the wrong type makes the whole answer invalid.
 */

#define _GNU_SOURCE
#include "groupvpn_policy_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#define PROTOCOL_VERSION 1

/* objects and arrays within one another that a line may have */
#define DEPTH_MAX 8

/**
 * Replace all but the printable characters of ASCII
 */
static void make_printable(char *text)
{
	for (; *text; text++)
	{
		if (*text < ' ' || *text > '~')
		{
			*text = '?';
		}
	}
}

/**
 * A string, made printable
 */
static struct json_object *new_string(const char *text)
{
	struct json_object *string;
	char *printable = strdup(text);

	make_printable(printable);
	string = json_object_new_string(printable);
	free(printable);
	return string;
}

/**
 * The object of a certificate
 */
static struct json_object *
new_certificate(const struct policy_certificate *certificate)
{
	struct json_object *object = json_object_new_object();
	struct json_object *san = json_object_new_array();
	size_t i;

	json_object_object_add(object, "subject", new_string(certificate->subject));
	json_object_object_add(object, "issuer", new_string(certificate->issuer));
	json_object_object_add(object, "serial", new_string(certificate->serial));
	json_object_object_add(object, "sha256", new_string(certificate->sha256));
	json_object_object_add(object, "not_before",
						   json_object_new_int64(certificate->not_before));
	json_object_object_add(object, "not_after",
						   json_object_new_int64(certificate->not_after));
	for (i = 0; i < certificate->sans; i++)
	{
		json_object_array_add(san, new_string(certificate->san[i]));
	}
	json_object_object_add(object, "san", san);
	return object;
}

/*
 * See header
 */
char *policy_json_subject(const struct policy_subject *subject)
{
	struct json_object *object = json_object_new_object();
	const char *text;
	char *result = NULL;

	json_object_object_add(object, "group", new_string(subject->group));
	json_object_object_add(object, "group_id",
						   json_object_new_int64(subject->group_id));
	json_object_object_add(object, "identity", new_string(subject->identity));
	json_object_object_add(object, "identity_type",
						   new_string(subject->identity_type));
	json_object_object_add(object, "identity_data",
						   new_string(subject->identity_data));
	json_object_object_add(object, "credential",
						   new_string(subject->credential));
	if (subject->certificate)
	{
		json_object_object_add(object, "certificate",
							   new_certificate(subject->certificate));
	}
	text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
										  JSON_C_TO_STRING_NOSLASHESCAPE);
	/* room for what a question adds */
	if (text && strlen(text) <= POLICY_LINE_MAX - 256)
	{	/* to be continued after other members of the object */
		result = strdup(text + 1);
	}
	json_object_put(object);
	return result;
}

/*
 * See header
 */
char *policy_json_question(uint64_t id, const char *request,
						   const char *gateway, const char *subject)
{
	char *line, address[64] = "";
	int len;

	if (gateway)
	{
		snprintf(address, sizeof(address), "\"gateway\":\"%s\",", gateway);
	}
	len = asprintf(&line, "{\"version\":%d,\"id\":%llu,\"request\":\"%s\","
				   "%s%s\n", PROTOCOL_VERSION, (unsigned long long)id,
				   request, address, subject);
	if (len == -1)
	{
		return NULL;
	}
	if (len > POLICY_LINE_MAX + 1)
	{
		free(line);
		return NULL;
	}
	return line;
}

/**
 * Read a truth value that may be absent
 */
static bool get_bool(struct json_object *object, const char *key, bool *value)
{
	struct json_object *found;

	if (!json_object_object_get_ex(object, key, &found))
	{
		return true;
	}
	*value = json_object_get_boolean(found);
	return json_object_is_type(found, json_type_boolean);
}

/**
 * Read a string that may be absent; too much of it is cut off, or not valid
 */
static bool get_string(struct json_object *object, const char *key, char *value,
					   size_t size, bool cut)
{
	struct json_object *found;

	if (!json_object_object_get_ex(object, key, &found))
	{
		return true;
	}
	if (!json_object_is_type(found, json_type_string) ||
		(!cut && (size_t)json_object_get_string_len(found) >= size))
	{
		return false;
	}
	snprintf(value, size, "%s", json_object_get_string(found));
	make_printable(value);
	return true;
}

/**
 * Read a positive integer
 */
static bool get_number(struct json_object *object, const char *key,
					   uint64_t *value)
{
	struct json_object *found;
	int64_t number;

	if (!json_object_object_get_ex(object, key, &found) ||
		!json_object_is_type(found, json_type_int))
	{
		return false;
	}
	number = json_object_get_int64(found);
	*value = number > 0 ? number : 0;
	return number > 0 && number < INT64_MAX;
}

/**
 * Read what names the group to be asked about again; NULL or what is wrong
 */
static const char *parse_recheck(struct json_object *recheck,
								 struct policy_answer *answer)
{
	const char *group = "";

	if (json_object_is_type(recheck, json_type_string))
	{
		group = json_object_get_string(recheck);
		if (!gv_name_valid(group, GV_NAME_MAX) ||
			(size_t)json_object_get_string_len(recheck) != strlen(group))
		{
			return "'recheck' is not the name of a group";
		}
	}
	else if (!json_object_is_type(recheck, json_type_boolean) ||
			 !json_object_get_boolean(recheck))
	{
		return "'recheck' is neither true nor the name of a group";
	}
	snprintf(answer->group, sizeof(answer->group), "%s", group);
	return NULL;
}

/**
 * Read the object of an answer; NULL or what is wrong
 */
static const char *parse_object(struct json_object *object,
								struct policy_answer *answer)
{
	struct json_object *found;
	uint64_t version;

	if (json_object_object_get_ex(object, "version", NULL) &&
		(!get_number(object, "version", &version) ||
		 version != PROTOCOL_VERSION))
	{
		return "'version' is not 1";
	}
	if (json_object_object_get_ex(object, "recheck", &found))
	{
		return parse_recheck(found, answer);
	}
	if (!get_number(object, "id", &answer->id))
	{
		answer->id = 0;
		return "'id' is not the one of a question";
	}
	if (!json_object_object_get_ex(object, "allow", NULL))
	{
		return "'allow' is missing";
	}
	if (!get_bool(object, "allow", &answer->allow))
	{
		return "'allow' is neither true nor false";
	}
	if (!get_bool(object, "send", &answer->send))
	{
		return "'send' is neither true nor false";
	}
	if (!get_bool(object, "receive", &answer->receive))
	{
		return "'receive' is neither true nor false";
	}
	if (!get_string(object, "reason", answer->reason, sizeof(answer->reason),
					true))
	{
		return "'reason' is not a string";
	}
	if (!get_string(object, "label", answer->label, sizeof(answer->label),
					false) ||
		(*answer->label && !gv_name_valid(answer->label, GV_NAME_MAX)))
	{
		return "'label' is not a string of 1 to 31 characters of A-Z a-z 0-9 "
			   "_ . -, the first neither . nor -";
	}
	if (answer->allow && !answer->send && !answer->receive)
	{
		return "'send' and 'receive' are both false";
	}
	return NULL;
}

/*
 * See header
 */
const char *policy_json_parse(const char *line, size_t len,
							  struct policy_answer *answer)
{
	struct json_tokener *tokener;
	struct json_object *object = NULL;
	const char *wrong = "it is not a JSON object";

	*answer = (struct policy_answer){ .send = true, .receive = true };
	while (len && strchr(" \t\r", line[len - 1]) && line[len - 1])
	{
		len--;
	}
	if (len > POLICY_LINE_MAX)
	{
		return "it is too long";
	}
	tokener = json_tokener_new_ex(DEPTH_MAX);
	if (!tokener)
	{
		return wrong;
	}
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT |
						   JSON_TOKENER_VALIDATE_UTF8);
	object = json_tokener_parse_ex(tokener, line, len);
	if (json_object_is_type(object, json_type_object) &&
		json_tokener_get_error(tokener) == json_tokener_success &&
		json_tokener_get_parse_end(tokener) == len)
	{
		wrong = parse_object(object, answer);
	}
	json_object_put(object);
	json_tokener_free(tokener);
	return wrong;
}
