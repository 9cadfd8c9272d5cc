/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The headers of FRR that the module's files use; its own zebra.h must come
 * before any other header.
 */
#ifndef BGP_GROUPVPN_FRR_H
#define BGP_GROUPVPN_FRR_H

#include <zebra.h>
#include <string.h>

#include "lib/command.h"
#include "lib/hook.h"
#include "lib/jhash.h"
#include "lib/json.h"
#include "lib/libfrr.h"
#include "lib/log.h"
#include "lib/memory.h"
#include "lib/module.h"
#include "lib/mpls.h"
#include "lib/network.h"
#include "lib/prefix.h"
#include "lib/routemap.h"
#include "lib/sockopt.h"
#include "lib/stream.h"
#include "lib/version.h"
#include "lib/vty.h"
#include "lib/workqueue.h"
#include "lib/zclient.h"

#include "bgpd/bgpd.h"
#include "bgpd/bgp_advertise.h"
#include "bgpd/bgp_aspath.h"
#include "bgpd/bgp_attr.h"
#include "bgpd/bgp_community.h"
#include "bgpd/bgp_debug.h"
#include "bgpd/bgp_ecommunity.h"
#include "bgpd/bgp_fsm.h"
#include "bgpd/bgp_label.h"
#include "bgpd/bgp_lcommunity.h"
#include "bgpd/bgp_memory.h"
#include "bgpd/bgp_mplsvpn.h"
#include "bgpd/bgp_packet.h"
#include "bgpd/bgp_rd.h"
#include "bgpd/bgp_route.h"
#include "bgpd/bgp_table.h"
#include "bgpd/bgp_updgrp.h"
#include "bgpd/bgp_vty.h"
#include "bgpd/bgp_zebra.h"

#include "compat.h"
#include "bytes.h"

#endif /* BGP_GROUPVPN_FRR_H */
