/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rtnetlink and xfrm requests through libmnl. One request at a time on each of
 * the two sockets; the answer is read completely before the next one.
 */

#include "groupvpn_netlink.h"

#include <errno.h>
#include <net/if.h>
#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/if_tunnel.h>
#include <linux/ip6_tunnel.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/xfrm.h>
#include <libmnl/libmnl.h>

#include <threading/mutex.h>

/* interface alias that marks a device as ours */
#define ALIAS "groupvpn"

/* origin that marks a route as ours */
#define RTPROT_GROUPVPN 118

/* metric of routes: behind those of routing daemons for the same prefix */
#define ROUTE_METRIC 118

/* the worst one that FRR takes: distance 255, metric 8192 */
#define UNREACHABLE_METRIC 4278198272

/* dumps to make until one was not disturbed by changes */
#define DUMP_TRIES 10

/* GRE_KEY as the kernel's GRE flags have it, network byte order */
#define GRE_FLAG_KEY htons(0x2000)

/* netlink message buffer, large enough for the attributes of a link */
#define BUFFER_SIZE 32768

typedef struct private_groupvpn_netlink_t private_groupvpn_netlink_t;

/**
 * Private data
 */
struct private_groupvpn_netlink_t {

	/**
	 * Public interface
	 */
	groupvpn_netlink_t public;

	/**
	 * Sockets of NETLINK_ROUTE and NETLINK_XFRM
	 */
	struct mnl_socket *route;
	struct mnl_socket *xfrm;

	/**
	 * Sequence number of the last request
	 */
	uint32_t seq;

	/**
	 * Locks all of the above
	 */
	mutex_t *mutex;
};

/**
 * Open a netlink socket
 */
static struct mnl_socket *open_socket(int protocol)
{
	struct mnl_socket *sock;

	sock = mnl_socket_open2(protocol, SOCK_CLOEXEC);
	if (sock && mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID) < 0)
	{
		mnl_socket_close(sock);
		sock = NULL;
	}
	if (!sock)
	{
		DBG1(DBG_KNL, "groupvpn: opening netlink socket failed: %s",
			 strerror(errno));
	}
	return sock;
}

/**
 * Whether the kernel says that a dump is not consistent. libmnl would stop
 * reading there, so the messages are told no more of it.
 */
static bool clear_interrupted(char *buf, int len)
{
	struct nlmsghdr *nlh = (struct nlmsghdr*)buf;
	bool interrupted = FALSE;

	while (mnl_nlmsg_ok(nlh, len))
	{
		interrupted |= (nlh->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
		nlh->nlmsg_flags &= ~NLM_F_DUMP_INTR;
		nlh = mnl_nlmsg_next(nlh, &len);
	}
	return interrupted;
}

/**
 * Send a request and have each message of the answer passed to a callback;
 * -EINTR if all of a dump was, but it is not consistent
 */
static int query(private_groupvpn_netlink_t *this, struct mnl_socket *sock,
				 struct nlmsghdr *nlh, mnl_cb_t cb, void *data)
{
	char buf[BUFFER_SIZE];
	unsigned int portid = mnl_socket_get_portid(sock);
	ssize_t len;
	int res = MNL_CB_OK;
	bool interrupted = FALSE;

	this->mutex->lock(this->mutex);
	nlh->nlmsg_seq = ++this->seq;
	if (mnl_socket_sendto(sock, nlh, nlh->nlmsg_len) < 0)
	{
		res = MNL_CB_ERROR;
	}
	while (res > MNL_CB_STOP)
	{
		len = mnl_socket_recvfrom(sock, buf, sizeof(buf));
		if (len < 0)
		{
			res = MNL_CB_ERROR;
			break;
		}
		interrupted |= clear_interrupted(buf, len);
		res = mnl_cb_run(buf, len, this->seq, portid, cb, data);
		if (res == MNL_CB_ERROR && errno == EPROTO)
		{	/* rest of an earlier answer */
			res = MNL_CB_OK;
		}
	}
	this->mutex->unlock(this->mutex);
	if (res == MNL_CB_ERROR)
	{
		return -errno;
	}
	return interrupted ? -EINTR : 0;
}

/**
 * Begin a request
 */
static struct nlmsghdr *begin(char *buf, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh;

	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	return nlh;
}

/**
 * Begin a request about a link
 */
static struct nlmsghdr *begin_link(char *buf, uint16_t type, uint16_t flags,
								   int index, bool up)
{
	struct nlmsghdr *nlh = begin(buf, type, flags);
	struct ifinfomsg *info;

	info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));
	info->ifi_family = AF_UNSPEC;
	info->ifi_index = index;
	info->ifi_flags = up ? IFF_UP : 0;
	info->ifi_change = up ? IFF_UP : 0;
	return nlh;
}

/**
 * Find an attribute among those that are nested in another, if that is given
 */
static const struct nlattr *find_nested(const struct nlattr *nest,
										uint16_t type)
{
	const struct nlattr *attr;

	if (nest)
	{
		mnl_attr_for_each_nested(attr, nest)
		{
			if (mnl_attr_get_type(attr) == type)
			{
				return attr;
			}
		}
	}
	return NULL;
}

/**
 * Find the data of a link's kind, if it is of that kind
 */
static const struct nlattr *find_data(const struct nlattr *linkinfo, char *kind)
{
	const struct nlattr *attr = find_nested(linkinfo, IFLA_INFO_KIND);

	return attr && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0 &&
		   streq(mnl_attr_get_str(attr), kind)
				? find_nested(linkinfo, IFLA_INFO_DATA) : NULL;
}

/**
 * Read a number from a link's data, 0 if it is not there
 */
static uint32_t get_u32(const struct nlattr *data, uint16_t type)
{
	const struct nlattr *attr = find_nested(data, type);

	return attr && mnl_attr_validate(attr, MNL_TYPE_U32) >= 0
				? mnl_attr_get_u32(attr) : 0;
}

/**
 * Whether a link's data has an address; one of zeros need not be there
 */
static bool has_address(const struct nlattr *data, uint16_t type,
						chunk_t address)
{
	const struct nlattr *attr = find_nested(data, type);
	static const uint8_t zero[16];
	chunk_t got = chunk_create((u_char*)zero, address.len);

	if (attr)
	{
		got = chunk_create(mnl_attr_get_payload(attr),
						   mnl_attr_get_payload_len(attr));
	}
	return data && chunk_equals(got, address);
}

/**
 * Read a link message
 */
static int parse_device(const struct nlmsghdr *nlh, void *data)
{
	groupvpn_device_t *device = data;
	struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);
	struct nlattr *attr;

	if (nlh->nlmsg_type != RTM_NEWLINK)
	{
		return MNL_CB_OK;
	}
	*device = (groupvpn_device_t){ .index = info->ifi_index };
	mnl_attr_for_each(attr, nlh, sizeof(*info))
	{
		switch (mnl_attr_get_type(attr))
		{
			case IFLA_MTU:
				device->mtu = mnl_attr_get_u32(attr);
				break;
			case IFLA_MASTER:
				device->master = mnl_attr_get_u32(attr);
				break;
			case IFLA_LINKINFO:
				device->table = get_u32(find_data(attr, "vrf"), IFLA_VRF_TABLE);
				break;
			case IFLA_IFALIAS:
				device->ours = mnl_attr_validate(attr, MNL_TYPE_STRING) >= 0 &&
					mnl_attr_get_payload_len(attr) >= sizeof(ALIAS) - 1 &&
					!strncmp(mnl_attr_get_str(attr), ALIAS,
							 mnl_attr_get_payload_len(attr));
				break;
			default:
				break;
		}
	}
	return MNL_CB_OK;
}

METHOD(groupvpn_netlink_t, get_device, int,
	private_groupvpn_netlink_t *this, char *name, int index,
	groupvpn_device_t *device)
{
	char buf[MNL_NLMSG_HDRLEN + 256] = {};
	struct nlmsghdr *nlh;
	int res;

	nlh = begin_link(buf, RTM_GETLINK, NLM_F_ACK, name ? 0 : index, FALSE);
	if (name)
	{
		mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	}
	device->index = 0;
	res = query(this, this->route, nlh, parse_device, device);
	return res ?: device->index ? 0 : -ENODEV;
}

/**
 * Read a route message
 */
static int parse_route(const struct nlmsghdr *nlh, void *data)
{
	struct nlattr *attr;
	int *index = data;

	if (nlh->nlmsg_type == RTM_NEWROUTE)
	{
		mnl_attr_for_each(attr, nlh, sizeof(struct rtmsg))
		{
			if (mnl_attr_get_type(attr) == RTA_OIF)
			{
				*index = mnl_attr_get_u32(attr);
			}
		}
	}
	return MNL_CB_OK;
}

METHOD(groupvpn_netlink_t, get_route, int,
	private_groupvpn_netlink_t *this, host_t *dst, int *index)
{
	char buf[MNL_NLMSG_HDRLEN + 256] = {};
	struct nlmsghdr *nlh;
	struct rtmsg *route;
	chunk_t addr = dst->get_address(dst);
	int res;

	nlh = begin(buf, RTM_GETROUTE, NLM_F_ACK);
	route = mnl_nlmsg_put_extra_header(nlh, sizeof(*route));
	route->rtm_family = dst->get_family(dst);
	route->rtm_dst_len = addr.len * 8;
	mnl_attr_put(nlh, RTA_DST, addr.len, addr.ptr);
	*index = 0;
	res = query(this, this->route, nlh, parse_route, index);
	return res ?: *index ? 0 : -ENETUNREACH;
}

METHOD(groupvpn_netlink_t, del_device, int,
	private_groupvpn_netlink_t *this, int index)
{
	char buf[MNL_NLMSG_HDRLEN + 256] = {};

	return query(this, this->route, begin_link(buf, RTM_DELLINK, NLM_F_ACK,
											   index, FALSE), NULL, NULL);
}

/**
 * What a dump of devices looks for, and the indexes of those it found
 */
typedef struct {
	/* source of a tunnel */
	host_t *local;
	/* of GRE, network byte order; 0 for IP in IP */
	uint32_t key;
	/* name of the device, NULL for any; of the last one found */
	char *name;
	char last[GV_IFNAME_MAX + 1];
	int index[256];
	u_int count;
} devices_t;

/**
 * Add a device
 */
static int add_found(devices_t *found, int index)
{
	if (found->count < countof(found->index))
	{
		found->index[found->count++] = index;
	}
	return MNL_CB_OK;
}

/**
 * Collect the devices with our alias
 */
static int collect_device(const struct nlmsghdr *nlh, void *data)
{
	groupvpn_device_t device = {};

	parse_device(nlh, &device);
	return device.ours ? add_found(data, device.index) : MNL_CB_OK;
}

/**
 * Whether a link is a tunnel with the source, and the key if any, that a dump
 * looks for, and no remote
 */
static bool is_tunnel(const struct nlattr *linkinfo, devices_t *wanted)
{
	chunk_t local = wanted->local->get_address(wanted->local);
	uint8_t none[16] = {};
	const struct nlattr *data;

	if (wanted->key)
	{
		data = find_data(linkinfo, "gre");
		return get_u32(data, IFLA_GRE_IKEY) == wanted->key &&
			   has_address(data, IFLA_GRE_LOCAL, local);
	}
	if (wanted->local->get_family(wanted->local) == AF_INET6)
	{
		data = find_data(linkinfo, "ip6tnl");
	}
	else
	{
		data = find_data(linkinfo, "sit") ?: find_data(linkinfo, "ipip");
	}
	return has_address(data, IFLA_IPTUN_LOCAL, local) &&
		   has_address(data, IFLA_IPTUN_REMOTE, chunk_create(none, local.len));
}

/**
 * Collect tunnels
 */
static int collect_tunnel(const struct nlmsghdr *nlh, void *data)
{
	struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr, *linkinfo = NULL;
	devices_t *found = data;
	char *name = "";

	mnl_attr_for_each(attr, nlh, sizeof(*info))
	{
		switch (mnl_attr_get_type(attr))
		{
			case IFLA_IFNAME:
				if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
				{
					name = (char*)mnl_attr_get_str(attr);
				}
				break;
			case IFLA_LINKINFO:
				linkinfo = attr;
				break;
			default:
				break;
		}
	}
	if (!is_tunnel(linkinfo, found) ||
		(found->name && !streq(found->name, name)))
	{
		return MNL_CB_OK;
	}
	snprintf(found->last, sizeof(found->last), "%s", name);
	return add_found(found, info->ifi_index);
}

/**
 * Collect tunnels that were created, but not yet marked as ours or used
 */
static int collect_unfinished(const struct nlmsghdr *nlh, void *data)
{
	struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;

	if (info->ifi_flags & IFF_UP)
	{
		return MNL_CB_OK;
	}
	mnl_attr_for_each(attr, nlh, sizeof(*info))
	{
		if (mnl_attr_get_type(attr) == IFLA_IFALIAS)
		{
			return MNL_CB_OK;
		}
	}
	return collect_tunnel(nlh, data);
}

/**
 * Delete the devices that a dump finds
 */
static u_int delete_found(private_groupvpn_netlink_t *this, mnl_cb_t collect,
						  devices_t *found)
{
	char buf[MNL_NLMSG_HDRLEN + 256] = {};
	u_int i, count = 0, tries = 0;
	int res;

	do
	{
		found->count = 0;
		res = query(this, this->route, begin_link(buf, RTM_GETLINK, NLM_F_DUMP,
												  0, FALSE), collect, found);
		for (i = 0; i < found->count; i++)
		{
			count += del_device(this, found->index[i]) == 0;
		}
	}
	while ((res == -EINTR || found->count == countof(found->index)) &&
		   ++tries < DUMP_TRIES);
	return count;
}

METHOD(groupvpn_netlink_t, sweep_devices, u_int,
	private_groupvpn_netlink_t *this)
{
	devices_t found = {};

	return delete_found(this, collect_device, &found);
}

/**
 * Mark a device as ours
 */
static int set_alias(private_groupvpn_netlink_t *this, int index)
{
	char buf[MNL_NLMSG_HDRLEN + 256] = {};
	struct nlmsghdr *nlh;

	nlh = begin_link(buf, RTM_SETLINK, NLM_F_ACK, index, FALSE);
	mnl_attr_put(nlh, IFLA_IFALIAS, sizeof(ALIAS) - 1, ALIAS);
	return query(this, this->route, nlh, NULL, NULL);
}

/**
 * Keep a device from generating IPv6 addresses, and the packets that these
 * bring about, for it has no peer yet. Without IPv6 there is nothing to do.
 */
static void set_no_addresses(private_groupvpn_netlink_t *this, int index)
{
	char buf[MNL_NLMSG_HDRLEN + 256] = {};
	struct nlmsghdr *nlh;
	struct nlattr *spec, *inet6;

	nlh = begin_link(buf, RTM_SETLINK, NLM_F_ACK, index, FALSE);
	spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	inet6 = mnl_attr_nest_start(nlh, AF_INET6);
	mnl_attr_put_u8(nlh, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(nlh, inet6);
	mnl_attr_nest_end(nlh, spec);
	query(this, this->route, nlh, NULL, NULL);
}

/**
 * Describe a tunnel for GRE
 *
 * @param key			network byte order
 */
static void put_gre(struct nlmsghdr *nlh, chunk_t local, uint32_t key)
{
	struct nlattr *data;

	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "gre");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	mnl_attr_put_u16(nlh, IFLA_GRE_IFLAGS, GRE_FLAG_KEY);
	mnl_attr_put_u16(nlh, IFLA_GRE_OFLAGS, GRE_FLAG_KEY);
	mnl_attr_put_u32(nlh, IFLA_GRE_IKEY, key);
	mnl_attr_put_u32(nlh, IFLA_GRE_OKEY, key);
	mnl_attr_put(nlh, IFLA_GRE_LOCAL, local.len, local.ptr);
	mnl_attr_put_u8(nlh, IFLA_GRE_TTL, 64);
	mnl_attr_put_u8(nlh, IFLA_GRE_PMTUDISC, 1);
	mnl_attr_nest_end(nlh, data);
}

/**
 * Describe a tunnel for IPv4 as well as IPv6 (protocol 0) in IP
 */
static void put_ipip(struct nlmsghdr *nlh, chunk_t local, bool ipv6)
{
	struct nlattr *data;

	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, ipv6 ? "ip6tnl" : "sit");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	mnl_attr_put_u8(nlh, IFLA_IPTUN_PROTO, 0);
	mnl_attr_put(nlh, IFLA_IPTUN_LOCAL, local.len, local.ptr);
	mnl_attr_put_u8(nlh, IFLA_IPTUN_TTL, 64);
	if (ipv6)
	{	/* an option header would hide from the policies what follows it */
		mnl_attr_put_u32(nlh, IFLA_IPTUN_FLAGS, IP6_TNL_F_IGN_ENCAP_LIMIT);
	}
	else
	{
		mnl_attr_put_u8(nlh, IFLA_IPTUN_PMTUDISC, 1);
	}
	mnl_attr_nest_end(nlh, data);
}

/**
 * Create a tunnel
 *
 * @param key			key of GRE, network byte order; 0 for IP in IP
 */
static int create_tunnel(private_groupvpn_netlink_t *this, char *name,
						 host_t *local, uint32_t key)
{
	char buf[MNL_NLMSG_HDRLEN + 512] = {};
	struct nlmsghdr *nlh;
	struct nlattr *linkinfo;

	nlh = begin_link(buf, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
					 0, FALSE);
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	linkinfo = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	if (key)
	{
		put_gre(nlh, local->get_address(local), key);
	}
	else
	{
		put_ipip(nlh, local->get_address(local),
				 local->get_family(local) == AF_INET6);
	}
	mnl_attr_nest_end(nlh, linkinfo);
	return query(this, this->route, nlh, NULL, NULL);
}

/**
 * Create a tunnel, in place of one that charon was killed while making, and
 * mark it
 */
static int add_tunnel(private_groupvpn_netlink_t *this, char *name,
					  host_t *local, uint32_t key)
{
	groupvpn_device_t device;
	devices_t unfinished = {
		.local = local,
		.key = key,
		/* GRE's key tells that it is ours */
		.name = key ? NULL : name,
	};
	int res;

	res = create_tunnel(this, name, local, key);
	if (res == -EEXIST && delete_found(this, collect_unfinished, &unfinished))
	{
		res = create_tunnel(this, name, local, key);
	}
	if (res)
	{
		return res;
	}
	res = get_device(this, name, 0, &device);
	if (!res)
	{
		res = set_alias(this, device.index);
		if (res)
		{
			del_device(this, device.index);
		}
		set_no_addresses(this, device.index);
	}
	return res;
}

METHOD(groupvpn_netlink_t, add_gre, int,
	private_groupvpn_netlink_t *this, char *name, host_t *local, uint32_t key)
{
	return add_tunnel(this, name, local, htonl(key));
}

METHOD(groupvpn_netlink_t, add_ipip, int,
	private_groupvpn_netlink_t *this, char *name, host_t *local)
{
	return add_tunnel(this, name, local, 0);
}

METHOD(groupvpn_netlink_t, find_ipip, bool,
	private_groupvpn_netlink_t *this, host_t *local,
	char name[GV_IFNAME_MAX + 1])
{
	char buf[MNL_NLMSG_HDRLEN + 256] = {};
	devices_t found = {
		.local = local,
	};
	u_int tries = 0;
	int res;

	do
	{
		found.count = 0;
		res = query(this, this->route, begin_link(buf, RTM_GETLINK, NLM_F_DUMP,
												  0, FALSE), collect_tunnel,
					&found);
	}
	while (res == -EINTR && ++tries < DUMP_TRIES);
	snprintf(name, GV_IFNAME_MAX + 1, "%s", found.last);
	return found.count > 0;
}

METHOD(groupvpn_netlink_t, set_up, int,
	private_groupvpn_netlink_t *this, int index, int master, uint32_t mtu)
{
	char buf[MNL_NLMSG_HDRLEN + 256] = {};
	struct nlmsghdr *nlh;

	nlh = begin_link(buf, RTM_SETLINK, NLM_F_ACK, index, TRUE);
	mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
	mnl_attr_put_u32(nlh, IFLA_MASTER, master);
	return query(this, this->route, nlh, NULL, NULL);
}

METHOD(groupvpn_netlink_t, set_mtu, int,
	private_groupvpn_netlink_t *this, int index, uint32_t mtu)
{
	char buf[MNL_NLMSG_HDRLEN + 256] = {};
	struct nlmsghdr *nlh;

	nlh = begin_link(buf, RTM_SETLINK, NLM_F_ACK, index, FALSE);
	mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
	return query(this, this->route, nlh, NULL, NULL);
}

/**
 * Add or delete one permanent neighbour
 */
static int neighbor(private_groupvpn_netlink_t *this, int index, uint8_t family,
					chunk_t address, chunk_t lladdr, bool add)
{
	char buf[MNL_NLMSG_HDRLEN + 256] = {};
	struct nlmsghdr *nlh;
	struct ndmsg *ndm;

	nlh = begin(buf, add ? RTM_NEWNEIGH : RTM_DELNEIGH,
				NLM_F_ACK | (add ? NLM_F_CREATE | NLM_F_REPLACE : 0));
	ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));
	ndm->ndm_family = family;
	ndm->ndm_ifindex = index;
	ndm->ndm_state = NUD_PERMANENT;
	mnl_attr_put(nlh, NDA_DST, address.len, address.ptr);
	mnl_attr_put(nlh, NDA_LLADDR, lladdr.len, lladdr.ptr);
	return query(this, this->route, nlh, NULL, NULL);
}

METHOD(groupvpn_netlink_t, manage_neighbor, int,
	private_groupvpn_netlink_t *this, int index, host_t *gateway, bool add)
{
	chunk_t v4 = gateway->get_address(gateway);
	uint8_t v6[16] = {};

	memcpy(v6 + 12, v4.ptr, 4);
	/* fails if IPv6 is disabled, and then is not needed */
	neighbor(this, index, AF_INET6, chunk_from_thing(v6), v4, add);
	return neighbor(this, index, AF_INET, v4, v4, add);
}

/**
 * Add or delete the unreachable default route of a family
 */
static int unreachable(private_groupvpn_netlink_t *this, uint8_t family,
					   uint32_t table, bool add)
{
	char buf[MNL_NLMSG_HDRLEN + 256] = {};
	struct nlmsghdr *nlh;
	struct rtmsg *route;
	int res;

	nlh = begin(buf, add ? RTM_NEWROUTE : RTM_DELROUTE,
				NLM_F_ACK | (add ? NLM_F_CREATE | NLM_F_EXCL : 0));
	route = mnl_nlmsg_put_extra_header(nlh, sizeof(*route));
	route->rtm_family = family;
	route->rtm_protocol = RTPROT_GROUPVPN;
	route->rtm_scope = RT_SCOPE_UNIVERSE;
	route->rtm_type = RTN_UNREACHABLE;
	mnl_attr_put_u32(nlh, RTA_TABLE, table);
	mnl_attr_put_u32(nlh, RTA_PRIORITY, UNREACHABLE_METRIC);
	res = query(this, this->route, nlh, NULL, NULL);
	return add && res == -EEXIST ? 0 : res;
}

METHOD(groupvpn_netlink_t, manage_unreachable, int,
	private_groupvpn_netlink_t *this, uint32_t table, bool add)
{
	int res, res6;

	res = unreachable(this, AF_INET, table, add);
	res6 = unreachable(this, AF_INET6, table, add);
	switch (-res6)
	{
		case EACCES:
		case EAFNOSUPPORT:
		case EOPNOTSUPP:
			/* without IPv6 nothing can leave by it */
			return res;
		default:
			return res ?: res6;
	}
}

/**
 * Tables that a dump of routes found to be ended by us
 */
typedef struct {
	uint32_t *tables;
	u_int max;
	u_int count;
} ended_t;

/**
 * Add the table of an unreachable default route of ours, once
 */
static int collect_ended(const struct nlmsghdr *nlh, void *data)
{
	struct rtmsg *route = mnl_nlmsg_get_payload(nlh);
	uint32_t table = 0, metric = 0;
	ended_t *ended = data;
	struct nlattr *attr;
	u_int i;

	if (nlh->nlmsg_type != RTM_NEWROUTE || route->rtm_dst_len ||
		route->rtm_protocol != RTPROT_GROUPVPN ||
		route->rtm_type != RTN_UNREACHABLE)
	{
		return MNL_CB_OK;
	}
	mnl_attr_for_each(attr, nlh, sizeof(*route))
	{
		switch (mnl_attr_get_type(attr))
		{
			case RTA_TABLE:
				table = mnl_attr_get_u32(attr);
				break;
			case RTA_PRIORITY:
				metric = mnl_attr_get_u32(attr);
				break;
			default:
				break;
		}
	}
	for (i = 0; i < ended->count; i++)
	{
		if (ended->tables[i] == table)
		{
			return MNL_CB_OK;
		}
	}
	if (table && metric == UNREACHABLE_METRIC && ended->count < ended->max)
	{
		ended->tables[ended->count++] = table;
	}
	return MNL_CB_OK;
}

/**
 * Dump our routes of a family that are of a type
 *
 * @param index			of those by a device, 0 for any
 * @param table			of those in a table, 0 for any
 */
static int dump_routes(private_groupvpn_netlink_t *this, int family,
					   uint8_t type, int index, uint32_t table, mnl_cb_t cb,
					   void *data)
{
	char buf[MNL_NLMSG_HDRLEN + 256] = {};
	struct mnl_socket *sock;
	struct nlmsghdr *nlh;
	struct rtmsg *route;
	int strict = 1, res;

	/* by such a socket the kernel dumps what is asked for only, and not, for
	 * example, all routes of the Internet */
	sock = open_socket(NETLINK_ROUTE);
	if (!sock)
	{
		return -EIO;
	}
	mnl_socket_setsockopt(sock, NETLINK_GET_STRICT_CHK, &strict, sizeof(strict));
	nlh = begin(buf, RTM_GETROUTE, NLM_F_DUMP);
	route = mnl_nlmsg_put_extra_header(nlh, sizeof(*route));
	route->rtm_family = family;
	route->rtm_protocol = RTPROT_GROUPVPN;
	route->rtm_type = type;
	if (index)
	{
		mnl_attr_put_u32(nlh, RTA_OIF, index);
	}
	if (table)
	{
		mnl_attr_put_u32(nlh, RTA_TABLE, table);
	}
	res = query(this, sock, nlh, cb, data);
	mnl_socket_close(sock);
	/* there is no such table, as nothing is in it */
	return res == -ENOENT ? 0 : res;
}

METHOD(groupvpn_netlink_t, find_unreachable, u_int,
	private_groupvpn_netlink_t *this, uint32_t *tables, u_int max)
{
	ended_t ended = {
		.tables = tables,
		.max = max,
	};
	u_int tries = 0;
	int res;

	do
	{
		res = dump_routes(this, AF_INET, RTN_UNREACHABLE, 0, 0, collect_ended,
						  &ended);
		res = dump_routes(this, AF_INET6, RTN_UNREACHABLE, 0, 0, collect_ended,
						  &ended) ?: res;
	}
	while (res == -EINTR && ++tries < DUMP_TRIES);
	return ended.count;
}

METHOD(groupvpn_netlink_t, manage_route, int,
	private_groupvpn_netlink_t *this, int index, uint32_t table,
	const struct gv_prefix *prefix, const struct gv_addr *gateway, bool add)
{
	char buf[MNL_NLMSG_HDRLEN + 256] = {};
	struct nlmsghdr *nlh;
	struct rtmsg *route;
	uint8_t next_hop[16] = {};
	bool v4 = prefix->family == 4;
	struct {
		uint16_t family;
		uint8_t addr[16];
	} via = { .family = AF_INET6 };

	memcpy(next_hop + 16 - gateway->len, gateway->bytes, gateway->len);
	memcpy(via.addr, next_hop, sizeof(via.addr));
	nlh = begin(buf, add ? RTM_NEWROUTE : RTM_DELROUTE,
				NLM_F_ACK | (add ? NLM_F_CREATE | NLM_F_REPLACE : 0));
	route = mnl_nlmsg_put_extra_header(nlh, sizeof(*route));
	route->rtm_family = v4 ? AF_INET : AF_INET6;
	route->rtm_dst_len = prefix->len;
	route->rtm_protocol = RTPROT_GROUPVPN;
	route->rtm_scope = RT_SCOPE_UNIVERSE;
	route->rtm_type = RTN_UNICAST;
	route->rtm_flags = RTNH_F_ONLINK;
	mnl_attr_put(nlh, RTA_DST, v4 ? 4 : 16, prefix->bytes);
	if (v4 && gateway->len == 16)
	{
		mnl_attr_put(nlh, RTA_VIA, sizeof(via), &via);
	}
	else
	{
		mnl_attr_put(nlh, RTA_GATEWAY, v4 ? 4 : 16, next_hop + (v4 ? 12 : 0));
	}
	mnl_attr_put_u32(nlh, RTA_OIF, index);
	mnl_attr_put_u32(nlh, RTA_TABLE, table);
	mnl_attr_put_u32(nlh, RTA_PRIORITY, ROUTE_METRIC);
	return query(this, this->route, nlh, NULL, NULL);
}

/**
 * What a dump of routes looks for, and who is told of those that it finds
 */
typedef struct {
	int index;
	uint32_t table;
	void (*cb)(void *data, const struct gv_prefix *prefix);
	void *data;
} find_routes_t;

/**
 * Tell of a route, if it is one that is looked for: kernels before 4.20 dump all
 */
static int find_route(const struct nlmsghdr *nlh, void *data)
{
	struct rtmsg *route = mnl_nlmsg_get_payload(nlh);
	struct gv_prefix prefix = {};
	find_routes_t *find = data;
	struct nlattr *attr;
	uint32_t table = 0;
	int index = 0;
	size_t len;

	if (nlh->nlmsg_type != RTM_NEWROUTE ||
		route->rtm_protocol != RTPROT_GROUPVPN ||
		route->rtm_type != RTN_UNICAST)
	{
		return MNL_CB_OK;
	}
	prefix.family = route->rtm_family == AF_INET ? 4 : 6;
	prefix.len = route->rtm_dst_len;
	mnl_attr_for_each(attr, nlh, sizeof(*route))
	{
		switch (mnl_attr_get_type(attr))
		{
			case RTA_DST:
				len = mnl_attr_get_payload_len(attr);
				memcpy(prefix.bytes, mnl_attr_get_payload(attr),
					   min(len, sizeof(prefix.bytes)));
				break;
			case RTA_OIF:
				index = mnl_attr_get_u32(attr);
				break;
			case RTA_TABLE:
				table = mnl_attr_get_u32(attr);
				break;
			default:
				break;
		}
	}
	if (index == find->index && table == find->table)
	{
		find->cb(find->data, &prefix);
	}
	return MNL_CB_OK;
}

METHOD(groupvpn_netlink_t, find_routes, int,
	private_groupvpn_netlink_t *this, int index, uint32_t table,
	void (*cb)(void *data, const struct gv_prefix *prefix), void *data)
{
	find_routes_t find = {
		.index = index,
		.table = table,
		.cb = cb,
		.data = data,
	};

	return dump_routes(this, AF_INET, RTN_UNICAST, index, table, find_route,
					   &find) ?:
		   dump_routes(this, AF_INET6, RTN_UNICAST, index, table, find_route,
					   &find);
}

/**
 * Requests that delete what a dump found
 */
typedef struct {
	uint32_t first, last;
	/* of policies: addresses whose are not deleted, NULL for none */
	linked_list_t *keep;
	linked_list_t *requests;
} sweep_t;

/**
 * Make the request that deletes an SA
 */
static int collect_sa(const struct nlmsghdr *nlh, void *data)
{
	struct xfrm_usersa_info *info = mnl_nlmsg_get_payload(nlh);
	struct xfrm_usersa_id *id;
	struct nlmsghdr *request;
	sweep_t *sweep = data;

	/* the kernel's own entries, which wait for an SA, have no SPI and can
	 * not be deleted; they expire */
	if (nlh->nlmsg_type != XFRM_MSG_NEWSA || !info->id.spi ||
		info->reqid < sweep->first || info->reqid > sweep->last)
	{
		return MNL_CB_OK;
	}
	request = begin(calloc(1, 256), XFRM_MSG_DELSA, NLM_F_ACK);
	id = mnl_nlmsg_put_extra_header(request, sizeof(*id));
	id->daddr = info->id.daddr;
	id->spi = info->id.spi;
	id->family = info->family;
	id->proto = info->id.proto;
	sweep->requests->insert_last(sweep->requests, request);
	return MNL_CB_OK;
}

/**
 * Whether a policy is from or to an address that is to be kept
 */
static bool is_kept(linked_list_t *keep, struct xfrm_selector *sel)
{
	enumerator_t *enumerator;
	host_t *host;
	chunk_t addr;
	bool kept = FALSE;

	if (!keep)
	{
		return FALSE;
	}
	enumerator = keep->create_enumerator(keep);
	while (enumerator->enumerate(enumerator, &host))
	{
		addr = host->get_address(host);
		kept |= sel->family == host->get_family(host) &&
				((sel->prefixlen_s == addr.len * 8 &&
				  memeq(&sel->saddr, addr.ptr, addr.len)) ||
				 (sel->prefixlen_d == addr.len * 8 &&
				  memeq(&sel->daddr, addr.ptr, addr.len)));
	}
	enumerator->destroy(enumerator);
	return kept;
}

/**
 * Make the request that deletes a policy
 */
static int collect_policy(const struct nlmsghdr *nlh, void *data)
{
	struct xfrm_userpolicy_info *info = mnl_nlmsg_get_payload(nlh);
	struct xfrm_user_tmpl *tmpl;
	struct xfrm_userpolicy_id *id;
	struct nlmsghdr *request;
	struct nlattr *attr;
	sweep_t *sweep = data;
	bool ours = FALSE;

	if (nlh->nlmsg_type != XFRM_MSG_NEWPOLICY)
	{
		return MNL_CB_OK;
	}
	mnl_attr_for_each(attr, nlh, sizeof(*info))
	{
		if (mnl_attr_get_type(attr) == XFRMA_TMPL &&
			mnl_attr_get_payload_len(attr) >= sizeof(*tmpl))
		{
			tmpl = mnl_attr_get_payload(attr);
			ours = tmpl->reqid >= sweep->first && tmpl->reqid <= sweep->last;
		}
	}
	if (ours && !is_kept(sweep->keep, &info->sel))
	{
		request = begin(calloc(1, 256), XFRM_MSG_DELPOLICY, NLM_F_ACK);
		id = mnl_nlmsg_put_extra_header(request, sizeof(*id));
		id->sel = info->sel;
		id->dir = info->dir;
		sweep->requests->insert_last(sweep->requests, request);
	}
	return MNL_CB_OK;
}

/**
 * Delete what a dump finds
 */
static u_int sweep_xfrm(private_groupvpn_netlink_t *this, uint16_t type,
						mnl_cb_t collect, sweep_t *sweep)
{
	char buf[MNL_NLMSG_HDRLEN + 256] = {};
	struct nlmsghdr *request;
	u_int count = 0;

	sweep->requests = linked_list_create();
	query(this, this->xfrm, begin(buf, type, NLM_F_DUMP), collect, sweep);
	while (sweep->requests->remove_first(sweep->requests,
										 (void**)&request) == SUCCESS)
	{
		if (query(this, this->xfrm, request, NULL, NULL) == 0)
		{
			count++;
		}
		free(request);
	}
	sweep->requests->destroy(sweep->requests);
	return count;
}

METHOD(groupvpn_netlink_t, sweep_sas, u_int,
	private_groupvpn_netlink_t *this, uint32_t first, uint32_t last)
{
	sweep_t sweep = { first, last };

	return sweep_xfrm(this, XFRM_MSG_GETSA, collect_sa, &sweep);
}

METHOD(groupvpn_netlink_t, sweep_policies, u_int,
	private_groupvpn_netlink_t *this, uint32_t first, uint32_t last,
	linked_list_t *keep)
{
	sweep_t sweep = { first, last, keep };

	return sweep_xfrm(this, XFRM_MSG_GETPOLICY, collect_policy, &sweep);
}

METHOD(groupvpn_netlink_t, destroy, void,
	private_groupvpn_netlink_t *this)
{
	if (this->route)
	{
		mnl_socket_close(this->route);
	}
	if (this->xfrm)
	{
		mnl_socket_close(this->xfrm);
	}
	this->mutex->destroy(this->mutex);
	free(this);
}

/*
 * See header
 */
groupvpn_netlink_t *groupvpn_netlink_create()
{
	private_groupvpn_netlink_t *this;

	INIT(this,
		.public = {
			.get_device = _get_device,
			.get_route = _get_route,
			.add_gre = _add_gre,
			.add_ipip = _add_ipip,
			.find_ipip = _find_ipip,
			.set_up = _set_up,
			.set_mtu = _set_mtu,
			.del_device = _del_device,
			.manage_neighbor = _manage_neighbor,
			.manage_unreachable = _manage_unreachable,
			.find_unreachable = _find_unreachable,
			.manage_route = _manage_route,
			.find_routes = _find_routes,
			.sweep_devices = _sweep_devices,
			.sweep_sas = _sweep_sas,
			.sweep_policies = _sweep_policies,
			.destroy = _destroy,
		},
		.route = open_socket(NETLINK_ROUTE),
		.xfrm = open_socket(NETLINK_XFRM),
		.mutex = mutex_create(MUTEX_TYPE_DEFAULT),
	);
	if (!this->route || !this->xfrm)
	{
		destroy(this);
		return NULL;
	}
	return &this->public;
}
