/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The other members of a group, as a member reaches them: pairs of states and
 * neighbour entries.
 *
 * @defgroup groupvpn_peers groupvpn_peers
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_PEERS_H_
#define GROUPVPN_PEERS_H_

#include "groupvpn_kernel.h"
#include "groupvpn_sa_table.h"

/** client that tells of peers whose routes come with the keys */
#define GROUPVPN_BY_KEYS UINT_MAX

typedef struct groupvpn_peers_t groupvpn_peers_t;

/**
 * Told whenever it has changed whether a peer can be reached.
 *
 * @param data			as given to groupvpn_peers_create()
 * @param why			what is missing if it is not ready
 */
typedef void (*groupvpn_peer_cb_t)(void *data, uint16_t member_id,
								   uint32_t sender_id, bool ready, char *why);

/**
 * The peers of one group. Not thread-safe, its owner locks it.
 *
 * Peers are remembered while the group has no link. What is in the kernel
 * follows from the peers, the link and the SA table whenever update() is
 * called.
 */
struct groupvpn_peers_t {

	/**
	 * Add a peer, or change its Sender-ID or gateway. The callback is called
	 * in any case.
	 *
	 * @param client	control client that told of it
	 */
	void (*set)(groupvpn_peers_t *this, uint16_t member_id, uint32_t sender_id,
				host_t *gateway, u_int client);

	/**
	 * Remove a peer.
	 *
	 * Its states stay until their epoch ends, or it comes back with a later
	 * Sender-ID: their keys must not be used with counters at zero again.
	 */
	void (*unset)(groupvpn_peers_t *this, uint16_t member_id);

	/**
	 * Remove all peers, likewise.
	 */
	void (*clear)(groupvpn_peers_t *this);

	/**
	 * A client begins to tell all of its peers, to be ended by end_sync().
	 */
	void (*begin_sync)(groupvpn_peers_t *this, u_int client);

	/**
	 * Remove the peers of a client, and those without one, that were not
	 * told since begin_sync().
	 */
	void (*end_sync)(groupvpn_peers_t *this, u_int client);

	/**
	 * A client is gone. Its peers stay, and belong to nobody.
	 */
	void (*orphan)(groupvpn_peers_t *this, u_int client);

	/**
	 * The link is in the kernel: use it.
	 *
	 * @param link		must live until detach()
	 * @param sas		SA table of the group, the same
	 * @param member_id	our own member-ID
	 * @param direction	whether we only send or only receive, the same
	 */
	void (*attach)(groupvpn_peers_t *this, groupvpn_link_t *link,
				   groupvpn_sa_table_t *sas, uint16_t member_id,
				   enum gv_direction direction);

	/**
	 * Remove all states and neighbours from the kernel.
	 */
	void (*detach)(groupvpn_peers_t *this);

	/**
	 * Install what is missing in the kernel: the link, the SA table or what is
	 * in it has changed.
	 */
	void (*update)(groupvpn_peers_t *this);

	/**
	 * Try again to install the peers that can not be reached.
	 */
	void (*retry)(groupvpn_peers_t *this);

	/**
	 * Remove the states of an epoch and forget their keys were used: the
	 * epoch ends, or our Sender-ID in it changes and with it all its keys.
	 */
	void (*forget)(groupvpn_peers_t *this, groupvpn_sa_t *sa);

	/**
	 * Enumerate the peers.
	 *
	 * @return			enumerator over uint16_t member-ID, uint32_t Sender-ID,
	 *					host_t* gateway, bool whether it can be reached
	 */
	enumerator_t *(*create_enumerator)(groupvpn_peers_t *this);

	/**
	 * Number of states in the kernel.
	 */
	u_int (*get_count)(groupvpn_peers_t *this);

	/**
	 * Destroy the peers, after detach().
	 */
	void (*destroy)(groupvpn_peers_t *this);
};

/**
 * Create an empty, detached set of peers.
 *
 * @param group_id		group-ID
 * @param kernel		kernel interface
 * @param cb			called when a peer's reachability changes
 * @param data			passed to cb
 */
groupvpn_peers_t *groupvpn_peers_create(uint32_t group_id,
										groupvpn_kernel_t *kernel,
										groupvpn_peer_cb_t cb, void *data);

#endif /** GROUPVPN_PEERS_H_ @}*/
