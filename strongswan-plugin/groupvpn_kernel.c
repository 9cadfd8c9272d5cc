/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * States and policies go through charon's kernel interface, devices and
 * neighbours through our own netlink.
 *
 * Fail closed: the policies, which drop what has no state of the group, are
 * there before the device comes up and until after it is gone. Without a route
 * to the device a packet would not get as far, so a VRF ends in an unreachable
 * default route, which is there as long as the group is configured, whatever
 * becomes of its keys, and of charon: it is left behind when that stops, and
 * removed by the next one if that has no such group anymore.
 */

#include "groupvpn_kernel.h"
#include "groupvpn_netlink.h"
#include "groupvpn_util.h"
#include "compat.h"

#include <errno.h>
#include <linux/rtnetlink.h>

#include <daemon.h>
#include <collections/hashtable.h>
#include <threading/mutex.h>

/* GRE header with key */
#define GRE_HEADER_LEN 8

/* IPv4 and IPv6 in IP */
static const uint8_t ipip_protocols[] = { IPPROTO_IPIP, IPPROTO_IPV6 };

/* What the kernel may take an IPv6 packet for when it looks up the policy of
 * one that came in. From Linux 6.7 on it looks no further than a fragment
 * header and what follows that, or 15 extension headers, while it delivers what
 * is behind those: so they need states like the protocol itself. */
static const uint8_t extension_protocols[] = {
	IPPROTO_ROUTING, IPPROTO_FRAGMENT, IPPROTO_DSTOPTS,
};

/* MTU that an IP in IP device must have, as it carries IPv6 */
#define IPIP_MIN_MTU 1280

/* what an IPv4 router must carry, and what an IPv6 link must have */
#define IPV4_MIN_MTU 576
#define IPV6_MIN_MTU 1280

/* before any policy of an IKE connection or a bypass, which might let a packet
 * of ours out in clear */
#define POLICY_PRIORITY 1

/* after any policy of a connection, so that an S/R can have other neighbours */
#define REFLECTOR_PRIORITY 1000000

#define BGP_PORT 179

/* tables that an earlier charon closed and this one does not know */
#define TABLES_MAX 256

typedef struct private_groupvpn_kernel_t private_groupvpn_kernel_t;

/**
 * Private data
 */
struct private_groupvpn_kernel_t {

	/**
	 * Public interface
	 */
	groupvpn_kernel_t public;

	/**
	 * Netlink requests
	 */
	groupvpn_netlink_t *netlink;

	/**
	 * Tables of closed VRFs, table => number of links that want it closed
	 */
	hashtable_t *closed;

	/**
	 * Locks the tables
	 */
	mutex_t *mutex;
};

METHOD(groupvpn_kernel_t, sweep, void,
	private_groupvpn_kernel_t *this)
{
	u_int devices, xfrm;

	devices = this->netlink->sweep_devices(this->netlink);
	/* a policy that remains without an SA lets nothing pass: SAs go first */
	xfrm = this->netlink->sweep_sas(this->netlink, GROUPVPN_REQID,
									GROUPVPN_REQID_CHANNEL);
	xfrm += this->netlink->sweep_policies(this->netlink, GROUPVPN_REQID,
										  GROUPVPN_REQID_LAST, NULL);
	if (devices || xfrm)
	{
		DBG1(DBG_KNL, "groupvpn: removed %u devices and %u SAs and policies "
			 "left behind by an earlier run", devices, xfrm);
	}
}

METHOD(groupvpn_kernel_t, sweep_channels, void,
	private_groupvpn_kernel_t *this, linked_list_t *keep)
{
	u_int count;

	count = this->netlink->sweep_policies(this->netlink, GROUPVPN_REQID_CHANNEL,
										  GROUPVPN_REQID_CHANNEL, keep);
	if (count)
	{
		DBG1(DBG_KNL, "groupvpn: removed %u policies of channels left behind "
			 "by an earlier run", count);
	}
}

/**
 * A selector for an address, with any or one port
 */
static traffic_selector_t *select_host(host_t *host, uint8_t protocol,
									   uint16_t from_port, uint16_t to_port)
{
	chunk_t addr = host->get_address(host);

	return traffic_selector_create_from_bytes(protocol,
						host->get_family(host) == AF_INET6 ? TS_IPV6_ADDR_RANGE
														   : TS_IPV4_ADDR_RANGE,
						addr, from_port, addr, to_port);
}

/**
 * A selector for any address of a family, likewise
 */
static traffic_selector_t *select_any(int family, uint8_t protocol,
									  uint16_t from_port, uint16_t to_port)
{
	return traffic_selector_create_from_cidr(family == AF_INET6 ? "::/0"
																: "0.0.0.0/0",
											 protocol, from_port, to_port);
}

/**
 * Add or delete the policy of one direction for what two selectors describe,
 * which are destroyed
 *
 * @param family		that of the addresses
 */
static bool manage_policy(uint32_t reqid, uint32_t priority, policy_dir_t dir,
						  int family, traffic_selector_t *src_ts,
						  traffic_selector_t *dst_ts, bool add)
{
	host_t *any = host_create_any(family);
	ipsec_sa_cfg_t sa = {
		.mode = MODE_TRANSPORT,
		.reqid = reqid,
		.esp.use = TRUE,
	};
	kernel_ipsec_policy_id_t id = {
		.dir = dir,
		.src_ts = src_ts,
		.dst_ts = dst_ts,
	};
	kernel_ipsec_manage_policy_t policy = {
		.type = POLICY_IPSEC,
		.prio = POLICY_PRIORITY_DEFAULT,
		.manual_prio = priority,
		.src = any,
		.dst = any,
		.sa = &sa,
	};
	status_t status;

	status = add ? charon->kernel->add_policy(charon->kernel, &id, &policy)
				 : charon->kernel->del_policy(charon->kernel, &id, &policy);
	src_ts->destroy(src_ts);
	dst_ts->destroy(dst_ts);
	any->destroy(any);
	return status == SUCCESS;
}

/**
 * Add or delete the policy of one direction for a group's GRE
 */
static bool manage_gre(groupvpn_link_t *link, policy_dir_t dir, bool add)
{
	/* a GRE key selects as if its halves were ports */
	uint16_t high = link->key >> 16, low = link->key & 0xffff;

	return manage_policy(link->reqid, POLICY_PRIORITY, dir, AF_INET,
						 select_any(AF_INET, IPPROTO_GRE, high, high),
						 select_any(AF_INET, IPPROTO_GRE, low, low), add);
}

/**
 * Add or delete the policy of one direction for IP in IP, from or to our
 * gateway address: what else there is of it is not the group's
 */
static bool manage_ipip(groupvpn_link_t *link, policy_dir_t dir,
						uint8_t protocol, bool add)
{
	int family = link->local->get_family(link->local);
	traffic_selector_t *ours, *any;

	ours = select_host(link->local, protocol, 0, 65535);
	any = select_any(family, protocol, 0, 65535);
	return manage_policy(link->reqid, POLICY_PRIORITY, dir, family,
						 dir == POLICY_OUT ? ours : any,
						 dir == POLICY_OUT ? any : ours, add);
}

/**
 * Add or delete the policies of a link for IP in IP
 */
static bool manage_all_ipip(groupvpn_link_t *link, bool add)
{
	bool ok = TRUE;
	u_int i;

	for (i = 0; i < countof(ipip_protocols); i++)
	{
		ok &= manage_ipip(link, POLICY_OUT, ipip_protocols[i], add);
		ok &= manage_ipip(link, POLICY_IN, ipip_protocols[i], add);
	}
	for (i = 0; link->encap == GV_ENCAP_IPIP6 &&
		 i < countof(extension_protocols); i++)
	{
		ok &= manage_ipip(link, POLICY_IN, extension_protocols[i], add);
	}
	return ok;
}

/**
 * Add or delete the policy of one direction for BGP with an S/R
 *
 * @param passive		the S/R's end of the connection is port 179
 */
static bool manage_bgp(host_t *address, bool ours, policy_dir_t dir,
					   bool passive, bool add)
{
	int family = address->get_family(address);
	traffic_selector_t *reflector, *any;
	uint16_t low[2] = { 0, BGP_PORT }, high[2] = { 65535, BGP_PORT };
	bool src = (dir == POLICY_OUT) == ours;

	reflector = select_host(address, IPPROTO_TCP, low[passive], high[passive]);
	any = select_any(family, IPPROTO_TCP, low[!passive], high[!passive]);
	return manage_policy(GROUPVPN_REQID_CHANNEL,
						 ours ? REFLECTOR_PRIORITY : POLICY_PRIORITY, dir,
						 family, src ? reflector : any, src ? any : reflector, add);
}

/**
 * Add or delete the policies for what may be BGP with an S/R from IPv6
 */
static bool manage_extensions(host_t *address, bool ours, bool add)
{
	bool ok = TRUE;
	u_int i;

	for (i = 0; i < countof(extension_protocols); i++)
	{
		uint8_t protocol = extension_protocols[i];
		traffic_selector_t *reflector, *any;

		reflector = select_host(address, protocol, 0, 65535);
		any = select_any(AF_INET6, protocol, 0, 65535);
		ok &= manage_policy(GROUPVPN_REQID_CHANNEL,
							ours ? REFLECTOR_PRIORITY : POLICY_PRIORITY,
							POLICY_IN, AF_INET6, ours ? any : reflector,
							ours ? reflector : any, add);
	}
	return ok;
}

METHOD(groupvpn_kernel_t, manage_channel, bool,
	private_groupvpn_kernel_t *this, host_t *address, bool ours, bool add)
{
	bool ok = TRUE;
	u_int passive;

	for (passive = 0; passive < 2; passive++)
	{
		ok &= manage_bgp(address, ours, POLICY_OUT, passive, add);
		ok &= manage_bgp(address, ours, POLICY_IN, passive, add);
	}
	if (address->get_family(address) == AF_INET6)
	{
		ok &= manage_extensions(address, ours, add);
	}
	return ok;
}

/**
 * Add or delete the policies of a link
 */
static bool manage_policies(groupvpn_link_t *link, bool add)
{
	bool ok;

	if (link->encap != GV_ENCAP_GRE)
	{
		return manage_all_ipip(link, add);
	}
	ok = manage_gre(link, POLICY_OUT, add);
	return manage_gre(link, POLICY_IN, add) && ok;
}

/**
 * Add the policies of a link, or none
 */
static bool add_policies(groupvpn_link_t *link, char why[GV_TEXT_MAX + 1])
{
	if (manage_policies(link, TRUE))
	{
		return TRUE;
	}
	/* those that are not there are not missed */
	manage_policies(link, FALSE);
	snprintf(why, GV_TEXT_MAX + 1, "the kernel refused a policy");
	return FALSE;
}

/**
 * MTU of a group's device: full packets of it fill one of the underlay
 */
static uint32_t device_mtu(groupvpn_link_t *link, uint32_t underlay)
{
	bool ipv6 = groupvpn_encap_family(link->encap) == AF_INET6;
	uint32_t room = gv_esp_room(&link->esp, ipv6, underlay);

	return link->encap == GV_ENCAP_GRE ? room - GRE_HEADER_LEN
									   : max(room, IPIP_MIN_MTU);
}

/**
 * Find the VRF, all zero for the default table
 */
static bool find_vrf(private_groupvpn_kernel_t *this, char *name,
					 groupvpn_device_t *vrf, char why[GV_TEXT_MAX + 1])
{
	*vrf = (groupvpn_device_t){};
	if (!name)
	{
		return TRUE;
	}
	if (this->netlink->get_device(this->netlink, name, 0, vrf))
	{
		snprintf(why, GV_TEXT_MAX + 1, "VRF '%s' does not exist, create it or "
				 "change 'vrf'", name);
		return FALSE;
	}
	if (!vrf->table)
	{
		snprintf(why, GV_TEXT_MAX + 1, "'%s' is an interface, but not a VRF",
				 name);
		return FALSE;
	}
	return TRUE;
}

/**
 * Count a link that wants a table closed, or does not anymore; returns how many
 * there are
 */
static uintptr_t count_closed(private_groupvpn_kernel_t *this, uint32_t table,
							  int change)
{
	void *key = (void*)(uintptr_t)table;
	uintptr_t count;

	count = (uintptr_t)this->closed->remove(this->closed, key) + change;
	if (count)
	{
		this->closed->put(this->closed, key, (void*)count);
	}
	return count;
}

METHOD(groupvpn_kernel_t, open_vrf, void,
	private_groupvpn_kernel_t *this, groupvpn_link_t *link)
{
	this->mutex->lock(this->mutex);
	if (link->table && !count_closed(this, link->table, -1))
	{	/* it may be gone, or not ours */
		this->netlink->manage_unreachable(this->netlink, link->table, FALSE);
	}
	link->table = 0;
	this->mutex->unlock(this->mutex);
}

METHOD(groupvpn_kernel_t, close_vrf, bool,
	private_groupvpn_kernel_t *this, groupvpn_link_t *link,
	char why[GV_TEXT_MAX + 1])
{
	groupvpn_device_t vrf;
	int res;

	if (!find_vrf(this, link->vrf, &vrf, why))
	{
		return FALSE;
	}
	if (link->table != vrf.table)
	{
		open_vrf(this, link);
	}
	if (!vrf.table)
	{
		return TRUE;
	}
	this->mutex->lock(this->mutex);
	res = this->netlink->manage_unreachable(this->netlink, vrf.table, TRUE);
	if (!link->table)
	{
		link->table = vrf.table;
		count_closed(this, link->table, 1);
	}
	this->mutex->unlock(this->mutex);
	if (res)
	{
		snprintf(why, GV_TEXT_MAX + 1, "adding an unreachable default route "
				 "to VRF '%s' failed: %s", link->vrf, strerror(-res));
		return FALSE;
	}
	return TRUE;
}

METHOD(groupvpn_kernel_t, sweep_vrfs, void,
	private_groupvpn_kernel_t *this, linked_list_t *keep)
{
	uint32_t tables[TABLES_MAX];
	char why[GV_TEXT_MAX + 1], *name;
	enumerator_t *enumerator;
	groupvpn_device_t vrf;
	u_int i, count, removed = 0;

	this->mutex->lock(this->mutex);
	count = this->netlink->find_unreachable(this->netlink, tables, TABLES_MAX);
	enumerator = keep->create_enumerator(keep);
	while (count && enumerator->enumerate(enumerator, &name))
	{
		if (find_vrf(this, name, &vrf, why))
		{
			for (i = 0; i < count; i++)
			{
				tables[i] = tables[i] == vrf.table ? 0 : tables[i];
			}
		}
	}
	enumerator->destroy(enumerator);
	for (i = 0; i < count; i++)
	{
		if (tables[i] &&
			!this->closed->get(this->closed, (void*)(uintptr_t)tables[i]))
		{
			this->netlink->manage_unreachable(this->netlink, tables[i], FALSE);
			removed++;
		}
	}
	this->mutex->unlock(this->mutex);
	if (removed)
	{
		DBG1(DBG_KNL, "groupvpn: removed the unreachable default routes of %u "
			 "VRFs whose groups are not configured anymore", removed);
	}
}

/**
 * Find the MTU of the interface that the GCKS is reached by
 */
static bool find_underlay_mtu(private_groupvpn_kernel_t *this, host_t *gcks,
							  uint32_t *mtu, char why[GV_TEXT_MAX + 1])
{
	groupvpn_device_t underlay;
	int index, res;

	res = this->netlink->get_route(this->netlink, gcks, &index);
	if (!res)
	{
		res = this->netlink->get_device(this->netlink, NULL, index, &underlay);
	}
	if (res)
	{
		snprintf(why, GV_TEXT_MAX + 1, "no route to the GCKS: %s",
				 strerror(-res));
		return FALSE;
	}
	/* nothing carries more than 65535 */
	*mtu = min(max(underlay.mtu, gcks->get_family(gcks) == AF_INET6
								 ? IPV6_MIN_MTU : IPV4_MIN_MTU), 65535);
	return TRUE;
}

/**
 * Create a GRE device
 */
static int create_gre(private_groupvpn_kernel_t *this, groupvpn_link_t *link,
					  char why[GV_TEXT_MAX + 1])
{
	int res;

	res = this->netlink->add_gre(this->netlink, link->device, link->local,
								 link->key);
	if (res == -EEXIST)
	{
		snprintf(why, GV_TEXT_MAX + 1, "device '%s', or another GRE device "
				 "with key %u, exists and is not ours: delete it or change "
				 "'device'", link->device, link->key);
	}
	else if (res == -EOPNOTSUPP)
	{
		snprintf(why, GV_TEXT_MAX + 1, "the kernel has no GRE devices (module "
				 "ip_gre)");
	}
	return res;
}

/**
 * Create a device for IP in IP
 */
static int create_ipip(private_groupvpn_kernel_t *this, groupvpn_link_t *link,
					   char why[GV_TEXT_MAX + 1])
{
	int res, family = groupvpn_encap_family(link->encap);

	res = this->netlink->add_ipip(this->netlink, link->device, link->local);
	if (res == -EEXIST)
	{
		snprintf(why, GV_TEXT_MAX + 1, "device '%s' exists and is not ours: "
				 "delete it or change 'device'", link->device);
	}
	else if (res == -EOPNOTSUPP)
	{
		snprintf(why, GV_TEXT_MAX + 1, "the kernel has no devices for IP in %s "
				 "(module %s)", groupvpn_family_name(family),
				 family == AF_INET6 ? "ip6_tunnel" : "sit");
	}
	return res;
}

/**
 * Create the device and bring it up in its VRF
 */
static bool add_device(private_groupvpn_kernel_t *this, groupvpn_link_t *link,
					   char why[GV_TEXT_MAX + 1])
{
	groupvpn_device_t device, vrf;
	uint32_t mtu;
	int res;

	if (!find_vrf(this, link->vrf, &vrf, why) ||
		!find_underlay_mtu(this, link->gcks, &mtu, why))
	{
		return FALSE;
	}
	*why = '\0';
	res = link->encap == GV_ENCAP_GRE ? create_gre(this, link, why)
									  : create_ipip(this, link, why);
	if (!res)
	{
		res = this->netlink->get_device(this->netlink, link->device, 0,
										&device);
	}
	if (!res)
	{
		link->index = device.index;
		res = this->netlink->set_up(this->netlink, link->index,
									vrf.index, device_mtu(link, mtu));
		if (res)
		{
			this->netlink->del_device(this->netlink, link->index);
		}
	}
	if (res && !*why)
	{
		snprintf(why, GV_TEXT_MAX + 1, "creating device '%s' failed: %s",
				 link->device, strerror(-res));
	}
	return !res;
}

/**
 * Whether our gateway address goes with the encapsulation, and no other group,
 * or somebody else, has IP in IP of it: nothing in the packets would tell them
 * apart
 */
static bool check_address(private_groupvpn_kernel_t *this,
						  groupvpn_link_t *link, char why[GV_TEXT_MAX + 1])
{
	int family = groupvpn_encap_family(link->encap);
	char other[GV_IFNAME_MAX + 1];

	if (link->local->get_family(link->local) != family)
	{
		snprintf(why, GV_TEXT_MAX + 1, "the group's gateways are %s, and ours "
				 "is %H: have the connection to the GCKS use %s",
				 groupvpn_family_name(family), link->local,
				 groupvpn_family_name(family));
		return FALSE;
	}
	if (link->encap != GV_ENCAP_GRE &&
		this->netlink->find_ipip(this->netlink, link->local, other) &&
		!streq(other, link->device))
	{
		snprintf(why, GV_TEXT_MAX + 1, "device '%s' has gateway address %H "
				 "already, and IP in IP has room for one group at each: give this "
				 "one a gateway address of its own (local_addrs)%s", other,
				 link->local,
				 family == AF_INET ? ", or encap = gre at its GCKS" : "");
		return FALSE;
	}
	return TRUE;
}

METHOD(groupvpn_kernel_t, add_link, bool,
	private_groupvpn_kernel_t *this, groupvpn_link_t *link,
	char why[GV_TEXT_MAX + 1])
{
	if (!check_address(this, link, why) || !add_policies(link, why))
	{
		return FALSE;
	}
	if (!add_device(this, link, why))
	{
		manage_policies(link, FALSE);
		return FALSE;
	}
	return TRUE;
}

METHOD(groupvpn_kernel_t, update_mtu, void,
	private_groupvpn_kernel_t *this, groupvpn_link_t *link)
{
	char why[GV_TEXT_MAX + 1];
	uint32_t mtu;
	int res = 0;

	if (find_underlay_mtu(this, link->gcks, &mtu, why))
	{
		res = this->netlink->set_mtu(this->netlink, link->index,
									 device_mtu(link, mtu));
	}
	else
	{
		DBG1(DBG_KNL, "groupvpn: device '%s' keeps its MTU: %s", link->device,
			 why);
	}
	if (res)
	{
		DBG1(DBG_KNL, "groupvpn: changing the MTU of device '%s' failed: %s",
			 link->device, strerror(-res));
	}
}

METHOD(groupvpn_kernel_t, del_link, void,
	private_groupvpn_kernel_t *this, groupvpn_link_t *link)
{
	int res;

	res = this->netlink->del_device(this->netlink, link->index);
	if (res && res != -ENODEV)
	{
		DBG1(DBG_KNL, "groupvpn: deleting device '%s' failed: %s", link->device,
			 strerror(-res));
	}
	manage_policies(link, FALSE);
}

METHOD(groupvpn_kernel_t, check_link, bool,
	private_groupvpn_kernel_t *this, groupvpn_link_t *link)
{
	groupvpn_device_t device, vrf = {};

	return this->netlink->get_device(this->netlink, link->device, 0,
									 &device) == 0 &&
		   device.index == link->index &&
		   (!link->vrf || this->netlink->get_device(this->netlink, link->vrf, 0,
													&vrf) == 0) &&
		   device.master == vrf.index;
}

METHOD(groupvpn_kernel_t, add_state, bool,
	private_groupvpn_kernel_t *this, groupvpn_link_t *link,
	groupvpn_state_t *state)
{
	linked_list_t *none = linked_list_create();
	size_t integ_len = gv_esp_integ_key_len(&state->esp);
	lifetime_cfg_t lifetime = {
		.time.life = state->lifetime,
	};
	kernel_ipsec_sa_id_t id = {
		.src = state->src,
		.dst = state->dst,
		.spi = htonl(state->spi),
		.proto = IPPROTO_ESP,
	};
	kernel_ipsec_add_sa_t sa = {
		.reqid = link->reqid,
		.mode = MODE_TRANSPORT,
		.src_ts = none,
		.dst_ts = none,
		.lifetime = &lifetime,
		.enc_alg = state->esp.encr,
		.enc_key = chunk_create(state->key.ptr, state->key.len - integ_len),
		.int_alg = state->esp.integ ?: AUTH_UNDEFINED,
		.int_key = chunk_create(state->key.ptr + state->key.len - integ_len,
								integ_len),
		.replay_window = state->replay_window,
		.esn = state->esp.esn,
		.copy_df = TRUE,
		.copy_ecn = TRUE,
		.inbound = state->inbound,
		GROUPVPN_SA_CPU_NONE
	};
	status_t status;

	status = charon->kernel->add_sa(charon->kernel, &id, &sa);
	none->destroy(none);
	return status == SUCCESS;
}

METHOD(groupvpn_kernel_t, del_state, void,
	private_groupvpn_kernel_t *this, groupvpn_state_t *state)
{
	kernel_ipsec_sa_id_t id = {
		.src = state->src,
		.dst = state->dst,
		.spi = htonl(state->spi),
		.proto = IPPROTO_ESP,
	};
	kernel_ipsec_del_sa_t sa = {};

	/* it may have expired in the kernel */
	charon->kernel->del_sa(charon->kernel, &id, &sa);
}

METHOD(groupvpn_kernel_t, manage_neighbor, bool,
	private_groupvpn_kernel_t *this, groupvpn_link_t *link, host_t *gateway,
	bool add)
{
	int res;

	if (!link->device || link->encap != GV_ENCAP_GRE)
	{	/* packets go to the next hop of their route */
		return TRUE;
	}
	res = this->netlink->manage_neighbor(this->netlink, link->index, gateway,
										 add);
	if (res && add)
	{
		DBG1(DBG_KNL, "groupvpn: neighbour %H on device '%s' failed: %s",
			 gateway, link->device, strerror(-res));
	}
	return res == 0;
}

/**
 * Find the routing table of a link, 0 if its VRF is not there
 */
static uint32_t find_table(private_groupvpn_kernel_t *this,
						   groupvpn_link_t *link)
{
	groupvpn_device_t vrf;
	char why[GV_TEXT_MAX + 1];

	if (!link->vrf)
	{
		return RT_TABLE_MAIN;
	}
	return find_vrf(this, link->vrf, &vrf, why) ? vrf.table : 0;
}

METHOD(groupvpn_kernel_t, manage_route, bool,
	private_groupvpn_kernel_t *this, groupvpn_link_t *link,
	const struct gv_prefix *prefix, const struct gv_addr *gateway, bool add)
{
	uint32_t table = link->table ?: find_table(this, link);
	char text[GV_PREFIX_STRLEN];
	int res = -ENODEV;

	if (table)
	{
		res = this->netlink->manage_route(this->netlink, link->index, table,
										  prefix, gateway, add);
	}
	if (res && add)
	{
		DBG2(DBG_KNL, "groupvpn: route to %s by device '%s' failed: %s",
			 gv_prefix_print(prefix, text, sizeof(text)), link->device,
			 strerror(-res));
	}
	return res == 0;
}

METHOD(groupvpn_kernel_t, find_routes, bool,
	private_groupvpn_kernel_t *this, groupvpn_link_t *link,
	void (*cb)(void *data, const struct gv_prefix *prefix), void *data)
{
	uint32_t table = link->table ?: find_table(this, link);

	return table && this->netlink->find_routes(this->netlink, link->index,
											   table, cb, data) == 0;
}

METHOD(groupvpn_kernel_t, destroy, void,
	private_groupvpn_kernel_t *this)
{
	this->netlink->destroy(this->netlink);
	this->closed->destroy(this->closed);
	this->mutex->destroy(this->mutex);
	free(this);
}

/*
 * See header
 */
groupvpn_kernel_t *groupvpn_kernel_create()
{
	private_groupvpn_kernel_t *this;
	groupvpn_netlink_t *netlink;

	netlink = groupvpn_netlink_create();
	if (!netlink)
	{
		return NULL;
	}
	INIT(this,
		.public = {
			.sweep = _sweep,
			.manage_channel = _manage_channel,
			.sweep_channels = _sweep_channels,
			.close_vrf = _close_vrf,
			.open_vrf = _open_vrf,
			.sweep_vrfs = _sweep_vrfs,
			.add_link = _add_link,
			.update_mtu = _update_mtu,
			.del_link = _del_link,
			.check_link = _check_link,
			.add_state = _add_state,
			.del_state = _del_state,
			.manage_neighbor = _manage_neighbor,
			.manage_route = _manage_route,
			.find_routes = _find_routes,
			.destroy = _destroy,
		},
		.netlink = netlink,
		.closed = hashtable_create(hashtable_hash_ptr, hashtable_equals_ptr, 4),
		.mutex = mutex_create(MUTEX_TYPE_DEFAULT),
	);
	return &this->public;
}
