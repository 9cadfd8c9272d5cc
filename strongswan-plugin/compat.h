/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything in which the strongSwan versions that we build for differ: 5.9.8
 * (Debian 12), 6.0.1 (Debian 13) and later.  No other file asks for a version.
 */

#ifndef GROUPVPN_COMPAT_H_
#define GROUPVPN_COMPAT_H_

#include <plugins/plugin.h>
#include <encoding/payloads/notify_payload.h>
#include <ipsec/ipsec_types.h>

#include <gikev2.h>

/* RFC 9838 notify types, which no strongSwan release has in its enum */
#define GROUPVPN_N_INVALID_GROUP_ID ((notify_type_t)GV_N_INVALID_GROUP_ID)
#define GROUPVPN_N_AUTHORIZATION_FAILED ((notify_type_t)GV_N_AUTHORIZATION_FAILED)
#define GROUPVPN_N_REGISTRATION_FAILED ((notify_type_t)GV_N_REGISTRATION_FAILED)
#define GROUPVPN_N_GROUP_SENDER ((notify_type_t)GV_N_GROUP_SENDER)

/**
 * Content of GROUP_SENDER: number of Sender-IDs wanted(4)
 */
#define GROUPVPN_GROUP_SENDER_LEN 4

/**
 * Private use status notify of a registration: the identifiers that the member
 * holds, epoch(4) Sender-ID(4) member-ID(2).
 */
#define GROUPVPN_CURRENT_SENDER_LEN 10
#define GROUPVPN_N_CURRENT_SENDER ((notify_type_t)40970)

/**
 * Private use status notify of a registration, without data: the member has a
 * bgpd that brings it the group's GSA_REKEY messages.
 */
#define GROUPVPN_N_REKEY_BY_BGP ((notify_type_t)40971)

/**
 * Private use status notify of a registration: the members that this one names,
 * text of 1 to GV_PEERS_MAX octets.
 */
#define GROUPVPN_N_PEERS ((notify_type_t)40972)

/**
 * Private use status notify of a registration, its answer, and what follows:
 * prefixes, of which prefixes.h tells the encoding.
 */
#define GROUPVPN_N_ROUTES ((notify_type_t)40973)

/**
 * Private use status notify beside an error: why, as text for the operator.
 */
#define GROUPVPN_N_REASON ((notify_type_t)40974)

/* From 6.0.3 on plugins are defined with a macro that also exports the version
 * the daemon compares with its own. */
#ifdef PLUGIN_DEFINE
#define GROUPVPN_PLUGIN_DEFINE(name) PLUGIN_DEFINE(name)
#else
#define GROUPVPN_PLUGIN_DEFINE(name) \
	const char *name##_plugin_version __attribute__((visibility("default"))) \
		= VERSION; \
	plugin_t *name##_plugin_create(void) \
		__attribute__((visibility("default"))); \
	plugin_t *name##_plugin_create(void)
#endif

/* Versions with CPU specific states want an explicit "none". */
#ifdef CPU_ID_MAX
#define GROUPVPN_SA_CPU_NONE .cpu = CPU_ID_MAX,
#else
#define GROUPVPN_SA_CPU_NONE
#endif

#endif /** GROUPVPN_COMPAT_H_ */
