/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What a member has in the kernel.
 *
 * @defgroup groupvpn_kernel groupvpn_kernel
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_KERNEL_H_
#define GROUPVPN_KERNEL_H_

#include <library.h>
#include <networking/host.h>

#include <gikev2.h>
#include <prefixes.h>

/** reqids of groups: the first one plus the group's local index */
#define GROUPVPN_REQID 0x67760000
#define GROUPVPN_REQID_LAST 0x6776ffff

/** reqid of what protects BGP between members and the S/R, of all groups */
#define GROUPVPN_REQID_CHANNEL 0x67770000

typedef struct groupvpn_kernel_t groupvpn_kernel_t;
typedef struct groupvpn_link_t groupvpn_link_t;

/**
 * A group's place in the kernel: its device and its policies, a pair with GRE
 * and two pairs with IP in IP.
 */
struct groupvpn_link_t {

	/** name of the group's device; NULL if this is a channel to the S/R, of
	 * which only local and reqid are used */
	char *device;

	/** VRF the device belongs to, NULL for the default table */
	char *vrf;

	/** what is inside ESP */
	enum gv_encap encap;

	/** group-ID, the GRE key */
	uint32_t key;

	/** cipher that adds most to a packet, which tells the device's MTU */
	struct gv_esp_proposal esp;

	/** reqid that ties policies and states together */
	uint32_t reqid;

	/** our own gateway address, of the family that goes with encap */
	host_t *local;

	/** GCKS, the route to which tells the underlay's MTU */
	host_t *gcks;

	/** interface index, set by add_link() */
	int index;

	/** table of the VRF, set by close_vrf(); 0 while that is not closed */
	uint32_t table;
};

/**
 * A state (kernel's word for SA): of one direction between two members, or
 * what all members receive with.
 */
typedef struct {
	/** %any if it has many senders */
	host_t *src;
	host_t *dst;
	/** host byte order */
	uint32_t spi;
	struct gv_esp_proposal esp;
	/** encryption key, and salt or integrity key */
	chunk_t key;
	/** packets, inbound; 0 for no replay protection */
	uint32_t replay_window;
	/** seconds until the kernel drops it, 0 for never */
	uint32_t lifetime;
	bool inbound;
} groupvpn_state_t;

/**
 * Kernel interface of the groups. All functions are thread-safe.
 */
struct groupvpn_kernel_t {

	/**
	 * Remove what an earlier charon left behind, but the policies of channels.
	 */
	void (*sweep)(groupvpn_kernel_t *this);

	/**
	 * Install or remove the policies that let BGP with an S/R pass in ESP only.
	 *
	 * @param address	address of the S/R
	 * @param ours		TRUE if that is us: then BGP with anybody, unless a
	 *					policy of somebody else has it pass
	 */
	bool (*manage_channel)(groupvpn_kernel_t *this, host_t *address, bool ours,
						   bool add);

	/**
	 * Remove such policies, left behind by an earlier charon, that are for none
	 * of some addresses.
	 *
	 * @param keep		addresses of S/Rs, as host_t
	 */
	void (*sweep_channels)(groupvpn_kernel_t *this, linked_list_t *keep);

	/**
	 * Keep packets for which the VRF has no route from being routed by the
	 * default table. Does nothing without a VRF, or if it is closed already.
	 *
	 * @param link		link with the VRF; table gets set
	 * @param why		receives what failed, for the operator
	 */
	bool (*close_vrf)(groupvpn_kernel_t *this, groupvpn_link_t *link,
					  char why[GV_TEXT_MAX + 1]);

	/**
	 * Undo close_vrf(), unless another link keeps the VRF closed. Not when
	 * charon stops: what is closed then is so until a charon says otherwise.
	 */
	void (*open_vrf)(groupvpn_kernel_t *this, groupvpn_link_t *link);

	/**
	 * Undo the close_vrf() of an earlier charon.
	 *
	 * @param keep		names of VRFs that stay closed, as char*; those that a
	 *					link keeps closed do in any case
	 */
	void (*sweep_vrfs)(groupvpn_kernel_t *this, linked_list_t *keep);

	/**
	 * Install policies and, once nothing can leave it in clear, the device.
	 *
	 * Either everything is installed or nothing.
	 *
	 * @param link		what to install; index gets set
	 * @param why		receives what failed, for the operator
	 */
	bool (*add_link)(groupvpn_kernel_t *this, groupvpn_link_t *link,
					 char why[GV_TEXT_MAX + 1]);

	/**
	 * Have the device's MTU follow the link's cipher.
	 */
	void (*update_mtu)(groupvpn_kernel_t *this, groupvpn_link_t *link);

	/**
	 * Remove the device, then the policies.
	 */
	void (*del_link)(groupvpn_kernel_t *this, groupvpn_link_t *link);

	/**
	 * Whether the device is still there and in its VRF.
	 */
	bool (*check_link)(groupvpn_kernel_t *this, groupvpn_link_t *link);

	/**
	 * Install a state.
	 */
	bool (*add_state)(groupvpn_kernel_t *this, groupvpn_link_t *link,
					  groupvpn_state_t *state);

	/**
	 * Remove a state; of the state only src, dst and spi are used.
	 */
	void (*del_state)(groupvpn_kernel_t *this, groupvpn_state_t *state);

	/**
	 * Install or remove the neighbour entries of a gateway, if the device has
	 * neighbours.
	 */
	bool (*manage_neighbor)(groupvpn_kernel_t *this, groupvpn_link_t *link,
							host_t *gateway, bool add);

	/**
	 * Install or remove a route of the group by its device: the same as zebra
	 * makes of one that comes by BGP.
	 *
	 * @param gateway	address of the member that the prefix is behind
	 */
	bool (*manage_route)(groupvpn_kernel_t *this, groupvpn_link_t *link,
						 const struct gv_prefix *prefix,
						 const struct gv_addr *gateway, bool add);

	/**
	 * Find the routes of the group that there are.
	 *
	 * @param cb		called with the destination of each
	 * @param data		passed to it
	 * @return			FALSE if they can not be told, or not all of them
	 */
	bool (*find_routes)(groupvpn_kernel_t *this, groupvpn_link_t *link,
						void (*cb)(void *data, const struct gv_prefix *prefix),
						void *data);

	/**
	 * Destroy a groupvpn_kernel_t.
	 */
	void (*destroy)(groupvpn_kernel_t *this);
};

/**
 * Create a groupvpn_kernel_t.
 *
 * @return				NULL if netlink is not available
 */
groupvpn_kernel_t *groupvpn_kernel_create();

#endif /** GROUPVPN_KERNEL_H_ @}*/
