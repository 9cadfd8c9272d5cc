/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The kernel requests that charon's kernel interface does not offer: group
 * devices, their neighbours, unreachable routes, and a sweep of SAs and
 * policies by reqid.
 *
 * @defgroup groupvpn_netlink groupvpn_netlink
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_NETLINK_H_
#define GROUPVPN_NETLINK_H_

#include <library.h>
#include <collections/linked_list.h>
#include <networking/host.h>

#include <gv.h>
#include <seal.h>

typedef struct groupvpn_netlink_t groupvpn_netlink_t;
typedef struct groupvpn_device_t groupvpn_device_t;

/**
 * What there is to know about an interface
 */
struct groupvpn_device_t {

	/** interface index */
	int index;

	/** largest packet */
	uint32_t mtu;

	/** device it is enslaved to, 0 if none */
	int master;

	/** routing table if it is a VRF device, else 0 */
	uint32_t table;

	/** it carries our alias */
	bool ours;
};

/**
 * Synchronous requests; each is thread-safe, and returns 0 or a negated errno.
 */
struct groupvpn_netlink_t {

	/**
	 * Look an interface up.
	 *
	 * @param name		name, or NULL
	 * @param index		index, if name is NULL
	 * @param device	filled with what was found
	 */
	int (*get_device)(groupvpn_netlink_t *this, char *name, int index,
					  groupvpn_device_t *device);

	/**
	 * Find the interface that packets to a host leave by.
	 *
	 * @param dst		destination
	 * @param index		receives interface index
	 */
	int (*get_route)(groupvpn_netlink_t *this, host_t *dst, int *index);

	/**
	 * Create a keyed GRE device without a remote, and mark it as ours. Its
	 * packets go to neighbours.
	 *
	 * It is down and has no IPv6 address of its own. One of the same key and
	 * source that charon was killed while making is replaced.
	 *
	 * @param name		name of the device
	 * @param local		IPv4 source of the packets
	 * @param key		key of both directions, host byte order
	 */
	int (*add_gre)(groupvpn_netlink_t *this, char *name, host_t *local,
				   uint32_t key);

	/**
	 * Create a device for IPv4 and IPv6 in IP without a remote, likewise.
	 *
	 * Packets go to the next hop of their route. In IPv4 that is the IPv4
	 * address, or ::/96 with that in the last 32 bit; in IPv6 it is the IPv6
	 * address, of IPv4 packets, too. Of a source there can be one such device,
	 * and of the same name.
	 */
	int (*add_ipip)(groupvpn_netlink_t *this, char *name, host_t *local);

	/**
	 * Find a device for IP in IP that has a source and no remote.
	 *
	 * @param local		source of the packets
	 * @param name		receives its name
	 */
	bool (*find_ipip)(groupvpn_netlink_t *this, host_t *local,
					  char name[GV_IFNAME_MAX + 1]);

	/**
	 * Give a device its master and MTU, and bring it up.
	 *
	 * @param index		the device
	 * @param master	master's index, 0 for none
	 * @param mtu		in octets
	 */
	int (*set_up)(groupvpn_netlink_t *this, int index, int master,
				  uint32_t mtu);

	/**
	 * Give a device another MTU.
	 */
	int (*set_mtu)(groupvpn_netlink_t *this, int index, uint32_t mtu);

	/**
	 * Delete a device.
	 */
	int (*del_device)(groupvpn_netlink_t *this, int index);

	/**
	 * Add (or replace) or delete the permanent neighbours that stand for a
	 * gateway: its IPv4 address, and ::/96 with that in the last 32 bit, the
	 * next hop of IPv6 packets.
	 *
	 * @param index		the device
	 * @param gateway	IPv4 address
	 * @param add		TRUE to add
	 */
	int (*manage_neighbor)(groupvpn_netlink_t *this, int index, host_t *gateway,
						   bool add);

	/**
	 * Add or delete the IPv4 and IPv6 routes that end a table: what it has no
	 * better route for is unreachable. Only our own are deleted.
	 *
	 * @param table		routing table
	 * @param add		TRUE to add, unless such a route is there
	 */
	int (*manage_unreachable)(groupvpn_netlink_t *this, uint32_t table,
							  bool add);

	/**
	 * Find the tables that end in such routes of ours.
	 *
	 * @param tables	receives them
	 * @param max		room for this many, the rest is left out
	 * @return			number of tables
	 */
	u_int (*find_unreachable)(groupvpn_netlink_t *this, uint32_t *tables,
							  u_int max);

	/**
	 * Add (or replace) or delete a route by a device, to a gateway that needs
	 * no route itself. Only our own are touched, unless one has our metric.
	 *
	 * @param index		the device
	 * @param table		routing table
	 * @param prefix	destination
	 * @param gateway	if it is IPv4, the next hop of an IPv6 prefix is ::/96
	 *					with that in the last 32 bit
	 */
	int (*manage_route)(groupvpn_netlink_t *this, int index, uint32_t table,
						const struct gv_prefix *prefix,
						const struct gv_addr *gateway, bool add);

	/**
	 * Find our own routes by a device.
	 *
	 * @param index		the device
	 * @param table		routing table
	 * @param cb		called with the destination of each
	 * @param data		passed to it
	 */
	int (*find_routes)(groupvpn_netlink_t *this, int index, uint32_t table,
					   void (*cb)(void *data, const struct gv_prefix *prefix),
					   void *data);

	/**
	 * Delete the devices that carry our alias.
	 *
	 * @return			number of devices
	 */
	u_int (*sweep_devices)(groupvpn_netlink_t *this);

	/**
	 * Delete the SAs of a range of reqids.
	 *
	 * @return			number of SAs
	 */
	u_int (*sweep_sas)(groupvpn_netlink_t *this, uint32_t first, uint32_t last);

	/**
	 * Delete the policies of a range of reqids.
	 *
	 * @param keep		except those from or to one of these addresses, as
	 *					host_t; NULL for none
	 * @return			number of policies
	 */
	u_int (*sweep_policies)(groupvpn_netlink_t *this, uint32_t first,
							uint32_t last, linked_list_t *keep);

	/**
	 * Destroy a groupvpn_netlink_t.
	 */
	void (*destroy)(groupvpn_netlink_t *this);
};

/**
 * Create a groupvpn_netlink_t.
 *
 * @return				NULL if netlink is not available
 */
groupvpn_netlink_t *groupvpn_netlink_create();

#endif /** GROUPVPN_NETLINK_H_ @}*/
