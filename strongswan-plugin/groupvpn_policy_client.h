/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Connection to one policy server, see doc/policy.md.
 *
 * @defgroup groupvpn_policy_client groupvpn_policy_client
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_POLICY_CLIENT_H_
#define GROUPVPN_POLICY_CLIENT_H_

#include "groupvpn_policy_json.h"

#include <library.h>

typedef struct groupvpn_policy_client_t groupvpn_policy_client_t;
typedef struct groupvpn_policy_client_cb_t groupvpn_policy_client_cb_t;
typedef enum groupvpn_policy_result_t groupvpn_policy_result_t;

/**
 * What has become of a question.
 */
enum groupvpn_policy_result_t {
	/** it was answered */
	GROUPVPN_POLICY_ANSWERED,
	/** it was answered after GROUPVPN_POLICY_FAILED had been told */
	GROUPVPN_POLICY_LATE,
	/** it was answered, but by what is not valid */
	GROUPVPN_POLICY_MALFORMED,
	/** it was not answered within the time-out, or can not be asked */
	GROUPVPN_POLICY_FAILED,
};

/**
 * Receiver of what a server says. Called by the client's thread, without a
 * lock held.
 */
struct groupvpn_policy_client_cb_t {

	/**
	 * Something has become of a question.
	 *
	 * @param path		path of the server that was asked
	 * @param id		number of the question, from ask()
	 * @param subject	subject of the question
	 * @param result	what
	 * @param answer	the answer, NULL if there is no valid one
	 * @param why		reason if there is none, as a phrase
	 */
	void (*answered)(void *data, char *path, uint64_t id, char *subject,
					 groupvpn_policy_result_t result,
					 struct policy_answer *answer, const char *why);

	/**
	 * The server wants to be asked again about members.
	 *
	 * @param group		name of their group, empty for all groups
	 */
	void (*recheck)(void *data, char *group);

	/** passed to both */
	void *data;
};

/**
 * The client. Asking never blocks. It has a thread, which connects when there
 * is something to ask and keeps the connection.
 */
struct groupvpn_policy_client_t {

	/**
	 * Path of the server's socket.
	 */
	char *(*get_path)(groupvpn_policy_client_t *this);

	/**
	 * Ask.
	 *
	 * @param request	"join" or "stay"
	 * @param gateway	address, NULL if not known
	 * @param subject	who it is about, from policy_json_subject()
	 * @return			number of the question, higher than that of any before;
	 *					0 if too many questions are open
	 */
	uint64_t (*ask)(groupvpn_policy_client_t *this, char *request,
					char *gateway, char *subject);

	/**
	 * Destroy the client; nothing is called back for what is still open.
	 */
	void (*destroy)(groupvpn_policy_client_t *this);
};

/**
 * Create a client.
 *
 * @param path			path of the server's socket
 * @param timeout		time-out of a question, in milliseconds
 * @param cb			receiver, copied
 */
groupvpn_policy_client_t *groupvpn_policy_client_create(char *path,
								u_int timeout, groupvpn_policy_client_cb_t *cb);

#endif /** GROUPVPN_POLICY_CLIENT_H_ @}*/
