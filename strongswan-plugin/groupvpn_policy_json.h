/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What is said to a policy server and by it, see doc/policy.md: JSON objects,
 * one a line. Needs nothing of charon.
 *
 * @defgroup groupvpn_policy_json groupvpn_policy_json
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_POLICY_JSON_H_
#define GROUPVPN_POLICY_JSON_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gv.h>

/**
 * Octets of a line, the line feed not counted. A longer one is not valid.
 */
#define POLICY_LINE_MAX 16384

/**
 * Certificate of an applicant. Characters other than the printable ones of
 * ASCII are replaced by '?'.
 */
struct policy_certificate {
	const char *subject;
	const char *issuer;
	/** hexadecimal */
	const char *serial;
	const char *sha256;
	/** seconds since 1970 */
	int64_t not_before;
	int64_t not_after;
	/** subjectAltNames */
	const char *const *san;
	size_t sans;
};

/**
 * Who is asked about, in which group.
 */
struct policy_subject {
	const char *group;
	uint32_t group_id;
	const char *identity;
	/** "fqdn", "email", ... */
	const char *identity_type;
	/** content of the identification payload, hexadecimal */
	const char *identity_data;
	/** "psk" or "pubkey" */
	const char *credential;
	/** NULL if there is none */
	const struct policy_certificate *certificate;
};

/**
 * What a server says.
 */
struct policy_answer {
	/** the question it answers; 0: it wants to be asked again about members */
	uint64_t id;
	/** name of the group that is to be asked about, empty: all */
	char group[GV_NAME_MAX + 1];

	/** may be a member, may send and receive */
	bool allow;
	bool send;
	bool receive;
	/** printable, empty if none was given */
	char reason[GV_TEXT_MAX + 1];
	char label[GV_NAME_MAX + 1];
};

/**
 * Compose the part of a question that tells who it is about: equal strings
 * for equal subjects.
 *
 * @return			allocated string, NULL if it does not fit into a line
 */
char *policy_json_subject(const struct policy_subject *subject);

/**
 * Compose a question.
 *
 * @param id		number of the question, not 0
 * @param request	"join" or "stay"
 * @param gateway	address, NULL if not known
 * @param subject	from policy_json_subject()
 * @return			allocated line, line feed included; NULL if too long
 */
char *policy_json_question(uint64_t id, const char *request,
						   const char *gateway, const char *subject);

/**
 * Read a line of a server's.
 *
 * @param line		line without line feed, not terminated
 * @param answer	receives what it says. If only that is not valid, but whose
 *					answer it is, id tells so; otherwise it is 0
 * @return			NULL, or what is not valid, as a phrase
 */
const char *policy_json_parse(const char *line, size_t len,
							  struct policy_answer *answer);

#endif /** GROUPVPN_POLICY_JSON_H_ @}*/
