/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What management answers (doc/vici.md), as tables for people: one look for
 * groupvpnctl and vtysh. Of json-c and libc only, for programs that are no
 * charon. Nothing is interpreted here that charon could tell in words.
 *
 * @defgroup groupvpn_tables groupvpn_tables
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_TABLES_H_
#define GROUPVPN_TABLES_H_

#include <stdbool.h>
#include <stdio.h>

#include <json.h>

/**
 * Show what a command has brought.
 *
 * @param command	name of the command; nothing is shown if it is unknown
 * @param json		array of what it lists, or its response
 */
void groupvpn_tables_show(FILE *out, const char *command,
						  struct json_object *json);

/**
 * Why a command failed.
 *
 * @param response	its response
 * @return			text for the user, NULL if it did not fail
 */
const char *groupvpn_tables_error(struct json_object *response);

#endif /** GROUPVPN_TABLES_H_ @}*/
