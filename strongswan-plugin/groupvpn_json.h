/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * JSON of VICI messages: what groupvpnctl prints, and what charon answers on
 * the control socket. Of json-c and libc only, for a program that is no
 * charon.
 *
 * All values of VICI are text: here, those of counters and of the keys that
 * are known to be numbers become numbers, and "yes" and "no" true and false.
 *
 * @defgroup groupvpn_json groupvpn_json
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_JSON_H_
#define GROUPVPN_JSON_H_

#include <stdbool.h>
#include <stddef.h>

#include <json.h>

/** depth of sections and lists in a message */
#define GROUPVPN_JSON_DEPTH 8

/**
 * A message being converted; the caller feeds its elements in their order.
 */
typedef struct {
	struct json_object *stack[GROUPVPN_JSON_DEPTH];
	unsigned int depth;
	bool in_counters;
	bool failed;
} groupvpn_json_t;

/**
 * Begin a message.
 */
void groupvpn_json_begin(groupvpn_json_t *this);

/**
 * A section, or a list, begins.
 */
void groupvpn_json_open(groupvpn_json_t *this, const char *name, bool list);

/**
 * A section or list ends.
 */
void groupvpn_json_close(groupvpn_json_t *this);

/**
 * A value.
 *
 * @param name		its key, or NULL for an item of a list
 * @param value		octets of text, not terminated
 */
void groupvpn_json_value(groupvpn_json_t *this, const char *name,
						 const void *value, size_t len);

/**
 * The message ends.
 *
 * @param valid		whether all of it could be read
 * @return			object, which the caller frees; NULL if it is not valid
 */
struct json_object *groupvpn_json_end(groupvpn_json_t *this, bool valid);

#endif /** GROUPVPN_JSON_H_ @}*/
