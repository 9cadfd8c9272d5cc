/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Management: the commands and events of doc/vici.md, on a VICI socket of
 * their own.
 *
 * @defgroup groupvpn_vici groupvpn_vici
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_VICI_H_
#define GROUPVPN_VICI_H_

#include "groupvpn_sa_table.h"

#include <plugins/vici/vici_builder.h>
#include <plugins/vici/vici_message.h>

#define GROUPVPN_VICI_PATH "/run/charon.groupvpn.vici"

typedef struct groupvpn_vici_t groupvpn_vici_t;
typedef struct groupvpn_vici_handler_t groupvpn_vici_handler_t;
typedef struct groupvpn_gcks_manage_t groupvpn_gcks_manage_t;

/**
 * What a role can tell about its groups. Called by a thread that holds no lock.
 *
 * Each of the functions takes the name of one group, or NULL for all, and
 * returns FALSE if the role has none such.
 */
struct groupvpn_vici_handler_t {

	/**
	 * Raise a "list-group" event for each group.
	 *
	 * @param client	client to raise the events for
	 */
	bool (*list_groups)(groupvpn_vici_handler_t *this, char *group,
						u_int client);

	/**
	 * Raise a "list-member" event for each member of each group.
	 */
	bool (*list_members)(groupvpn_vici_handler_t *this, char *group,
						 u_int client);

	/**
	 * Raise a "list-sa" event for each epoch of each group.
	 */
	bool (*list_sas)(groupvpn_vici_handler_t *this, char *group, u_int client);

	/**
	 * Add a section with the counters of each group.
	 */
	bool (*add_counters)(groupvpn_vici_handler_t *this, char *group,
						 vici_builder_t *builder);
};

/**
 * Takes an object that a command lists, perhaps with a role's lock held.
 *
 * @param data			passed to execute()
 * @param object		what the event that lists it tells
 */
typedef void (*groupvpn_vici_listed_t)(void *data, vici_message_t *object);

/**
 * The management socket. Functions to raise events are thread-safe, never
 * block, and may be called with a role's lock held.
 */
struct groupvpn_vici_t {

	/**
	 * Register a role, before start().
	 */
	void (*add_handler)(groupvpn_vici_t *this,
						groupvpn_vici_handler_t *handler);

	/**
	 * Begin to listen. If that is not possible the operator is told, and
	 * everything else goes on without management.
	 *
	 * @param gcks		what executes commands
	 * @param reload	function that reads the configuration again, FALSE if
	 *					it can not
	 * @param data		passed to reload
	 */
	void (*start)(groupvpn_vici_t *this, groupvpn_gcks_manage_t *gcks,
				  bool (*reload)(void *data), void *data);

	/**
	 * Begin to compose the request of a command for execute().
	 *
	 * @return			NULL if there is no management, for want of vici
	 */
	vici_builder_t *(*compose)(groupvpn_vici_t *this);

	/**
	 * Execute a command that has not come by this socket. Blocks no longer
	 * than the command does.
	 *
	 * @param command	name of the command
	 * @param request	from compose(), gone afterwards
	 * @param root		whether root asks: nobody else may change anything
	 * @param listed	called for each object that is listed
	 * @param data		passed to listed
	 * @return			response
	 */
	vici_message_t *(*execute)(groupvpn_vici_t *this, char *command,
							   vici_builder_t *request, bool root,
							   groupvpn_vici_listed_t listed, void *data);

	/**
	 * Begin to compose an event.
	 *
	 * @param event		name of the event
	 * @return			to be passed to raise(); NULL if nobody listens
	 */
	vici_builder_t *(*begin)(groupvpn_vici_t *this, char *event);

	/**
	 * Raise an event.
	 *
	 * @param client	client that gets it, be it of the socket or of execute();
	 *					0 for all that listen
	 * @param builder	from begin(), gone afterwards
	 */
	void (*raise)(groupvpn_vici_t *this, char *event, u_int client,
				  vici_builder_t *builder);

	/**
	 * Destroy a groupvpn_vici_t, and the socket.
	 */
	void (*destroy)(groupvpn_vici_t *this);
};

/**
 * Create the management, not listening yet.
 *
 * @param path			path of the socket
 */
groupvpn_vici_t *groupvpn_vici_create(char *path);

/**
 * Add what is known of an epoch, but its secret.
 *
 * @param builder		message being composed
 * @param sa			epoch
 */
void groupvpn_vici_add_sa(vici_builder_t *builder, groupvpn_sa_t *sa);

/**
 * Add what the data SAs of a group are like.
 *
 * @param builder		message being composed
 * @param encap			what is inside ESP
 * @param shared		whether senders share an SA
 * @param esp			cipher
 * @param window		replay window, 0 for no replay protection
 */
void groupvpn_vici_add_policy(vici_builder_t *builder, enum gv_encap encap,
							  bool shared,
							  const struct gv_esp_proposal *esp,
							  uint32_t window);

/**
 * Add a cipher by its name.
 */
void groupvpn_vici_add_cipher(vici_builder_t *builder,
							  const struct gv_esp_proposal *esp);

/**
 * Add counters.
 *
 * @param names			names of the counters, from 0 on
 * @param count			number of counters
 */
void groupvpn_vici_add_counters(vici_builder_t *builder, enum_name_t *names,
								uint64_t *counters, u_int count);

/**
 * Seconds since a time, or until it, that is groupvpn_now() based.
 */
u_int groupvpn_vici_age(uint64_t since);
u_int groupvpn_vici_left(uint64_t until);

#endif /** GROUPVPN_VICI_H_ @}*/
