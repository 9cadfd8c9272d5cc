/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The data plane of one group at a member: its epochs, its device and
 * policies, its peers, and what bgpd is told of them.
 *
 * @defgroup groupvpn_dataplane groupvpn_dataplane
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_DATAPLANE_H_
#define GROUPVPN_DATAPLANE_H_

#include "groupvpn_config.h"
#include "groupvpn_control.h"
#include "groupvpn_kernel.h"
#include "groupvpn_peers.h"
#include "groupvpn_util.h"
#include "groupvpn_vici.h"

typedef struct groupvpn_dataplane_t groupvpn_dataplane_t;

/**
 * Data plane of a group. Not thread-safe, its owner locks it.
 *
 * It is up as long as the group has keys that have not expired and its link
 * could be installed, with a registration or without. It keeps the group's VRF
 * closed, also when it is destroyed, unless it is told to open it.
 */
struct groupvpn_dataplane_t {

	/**
	 * Use another configuration of the same group.
	 */
	void (*set_config)(groupvpn_dataplane_t *this, groupvpn_group_t *cfg);

	/**
	 * Set our gateway address and that of the GCKS. Another gateway address
	 * takes the group down.
	 */
	void (*set_addresses)(groupvpn_dataplane_t *this, host_t *local,
						  host_t *gcks);

	/**
	 * Whether the answer to a registration is older than the newest epoch that
	 * we have, and that is not because the GCKS began anew: we got it after we
	 * had asked.
	 *
	 * @param requested	when we asked, groupvpn_now() based
	 */
	bool (*is_stale)(groupvpn_dataplane_t *this, const struct gv_gsa *gsa,
					 uint64_t requested);

	/**
	 * Use what the GCKS has sent, in a registration or an in-band rekey.
	 *
	 * @return			FALSE if keys would start over that we have used, and
	 *					another Sender-ID is needed
	 */
	bool (*use)(groupvpn_dataplane_t *this, const struct gv_gsa *gsa);

	/**
	 * Use a list of routes that the GCKS has sent.
	 *
	 * @param list		as of prefixes.h, valid
	 */
	void (*use_list)(groupvpn_dataplane_t *this, chunk_t list);

	/**
	 * Take the group down and forget its keys.
	 *
	 * @param why		reason, for the operator
	 */
	void (*down)(groupvpn_dataplane_t *this, char *why);

	/**
	 * Do what is due.
	 *
	 * @return			FALSE if the group had to be taken down and needs
	 *					other keys
	 */
	bool (*run)(groupvpn_dataplane_t *this, uint64_t now);

	/**
	 * When run() has to be called next.
	 */
	uint64_t (*get_deadline)(groupvpn_dataplane_t *this);

	/**
	 * Whether there are keys that have not expired.
	 */
	bool (*has_keys)(groupvpn_dataplane_t *this);

	/**
	 * When to ask the GCKS for other keys if it has pushed none;
	 * GROUPVPN_NEVER if there are no keys.
	 */
	uint64_t (*get_renewal)(groupvpn_dataplane_t *this);

	/**
	 * Get the identifiers that we hold, and may ask to keep.
	 *
	 * @param local		our gateway address
	 * @return			FALSE if there are none
	 */
	bool (*get_identifiers)(groupvpn_dataplane_t *this, host_t *local,
							uint32_t *epoch, uint32_t *sender_id,
							uint16_t *member_id);

	/**
	 * Whether one of the epochs has a tag.
	 */
	bool (*has_tag)(groupvpn_dataplane_t *this, uint8_t tag);

	/**
	 * Tell a client of the group, if it is up.
	 *
	 * @param client	control client, 0 for all
	 */
	void (*tell)(groupvpn_dataplane_t *this, u_int client);

	/**
	 * Tell all clients soon that the number of SAs has changed.
	 */
	void (*tell_soon)(groupvpn_dataplane_t *this);

	/**
	 * Add what there is to say of the group to a message.
	 */
	void (*describe)(groupvpn_dataplane_t *this, vici_builder_t *builder);

	/**
	 * Tell a client of management of the other members.
	 */
	void (*list_members)(groupvpn_dataplane_t *this, u_int client);

	/**
	 * Tell a client of management of the epochs.
	 */
	void (*list_sas)(groupvpn_dataplane_t *this, u_int client);

	/**
	 * Get the other members, owned by the data plane.
	 */
	groupvpn_peers_t *(*get_peers)(groupvpn_dataplane_t *this);

	/**
	 * Get the reqid of the group.
	 */
	uint32_t (*get_reqid)(groupvpn_dataplane_t *this);

	/**
	 * Keep the group's VRF closed no longer, as there is no such group anymore.
	 */
	void (*open_vrf)(groupvpn_dataplane_t *this);

	/**
	 * Destroy it, after down().
	 */
	void (*destroy)(groupvpn_dataplane_t *this);
};

/**
 * Create the data plane of a group, which is down.
 *
 * @param cfg			configuration of the group
 * @param reqid			reqid that no other group has
 * @param kernel		kernel interface
 * @param control		control socket
 * @param vici			management
 * @param timer			timer upon which the owner calls run()
 */
groupvpn_dataplane_t *groupvpn_dataplane_create(groupvpn_group_t *cfg,
							uint32_t reqid, groupvpn_kernel_t *kernel,
							groupvpn_control_t *control, groupvpn_vici_t *vici,
							groupvpn_timer_t *timer);

#endif /** GROUPVPN_DATAPLANE_H_ @}*/
