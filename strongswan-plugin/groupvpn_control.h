/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The control socket that bgpd connects to, and management.
 *
 * @defgroup groupvpn_control groupvpn_control
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_CONTROL_H_
#define GROUPVPN_CONTROL_H_

#include <library.h>

#include <control.h>

typedef struct groupvpn_control_t groupvpn_control_t;
typedef struct groupvpn_control_handler_t groupvpn_control_handler_t;

/**
 * A role's side of the socket. No lock of the socket is held during calls.
 */
struct groupvpn_control_handler_t {

	/**
	 * Send all there is to say to a client that has just said HELLO.
	 *
	 * @param client	to be passed to send()
	 */
	void (*replay)(groupvpn_control_handler_t *this, u_int client);

	/**
	 * Take a message, HELLO and SYNC included. Those of one client come one
	 * after the other. COMMAND may come without HELLO.
	 */
	void (*message)(groupvpn_control_handler_t *this, u_int client,
					const struct gv_ctl_msg *msg);

	/**
	 * A client has disconnected.
	 */
	void (*gone)(groupvpn_control_handler_t *this, u_int client);
};

/**
 * Server of the control socket. Functions to send are thread-safe, never
 * block, and may be called with a role's lock held.
 */
struct groupvpn_control_t {

	/**
	 * Register a role, before start().
	 */
	void (*add_handler)(groupvpn_control_t *this,
						groupvpn_control_handler_t *handler);

	/**
	 * Begin to listen.
	 *
	 * @return			FALSE if the socket can not be created
	 */
	bool (*start)(groupvpn_control_t *this);

	/**
	 * Send a message to all clients that have said HELLO; its generation is
	 * set here.
	 */
	void (*broadcast)(groupvpn_control_t *this, struct gv_ctl_msg *msg);

	/**
	 * Send a message to one client; nothing happens if it is gone.
	 */
	void (*send)(groupvpn_control_t *this, u_int client,
				 struct gv_ctl_msg *msg);

	/**
	 * Whether a client runs as root.
	 */
	bool (*is_root)(groupvpn_control_t *this, u_int client);

	/**
	 * Destroy a groupvpn_control_t, and the socket.
	 */
	void (*destroy)(groupvpn_control_t *this);
};

/**
 * Create the server.
 *
 * @param path			path of the socket
 * @param group			UNIX group that may connect, besides root
 */
groupvpn_control_t *groupvpn_control_create(char *path, char *group);

#endif /** GROUPVPN_CONTROL_H_ @}*/
