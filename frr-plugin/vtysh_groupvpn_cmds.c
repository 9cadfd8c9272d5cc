/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The group VPN commands for vtysh.
 *
 * vtysh knows the commands of FRR's daemons from a table that is compiled into
 * it, and refuses all others, also when it reads frr.conf at boot.  This is
 * the table of ours.  vtysh_groupvpn.so loads it into the distribution's
 * vtysh; FRR's own symbols are found in the process, and the layout of its
 * structures is that of one version of FRR.
 */
#include <zebra.h>
#include <string.h>

#include "lib/command.h"
#include "lib/json.h"
#include "lib/module.h"
#include "lib/version.h"
#include "lib/vty.h"
#include "lib/xref.h"
#include "vtysh/vtysh.h"

#include "bgp_groupvpn_cmd.h"

XREF_SETUP();

DEFSH(VTYSH_BGPD, gvpn_attribute_type_sh, GVPN_CMD_ATTRIBUTE_TYPE,
      GVPN_HELP_ATTRIBUTE_TYPE)
DEFSH(VTYSH_BGPD, no_gvpn_attribute_type_sh, GVPN_CMD_NO_ATTRIBUTE_TYPE,
      GVPN_HELP_NO_ATTRIBUTE_TYPE)
DEFSH(VTYSH_BGPD, gvpn_reflector_sh, GVPN_CMD_REFLECTOR, GVPN_HELP_REFLECTOR)
DEFSH(VTYSH_BGPD, gvpn_socket_sh, GVPN_CMD_SOCKET, GVPN_HELP_SOCKET)
DEFSH(VTYSH_BGPD, no_gvpn_socket_sh, GVPN_CMD_NO_SOCKET, GVPN_HELP_NO_SOCKET)
DEFSH(VTYSH_BGPD, gvpn_member_sh, GVPN_CMD_MEMBER, GVPN_HELP_MEMBER)
DEFSH(VTYSH_BGPD, gvpn_debug_sh, GVPN_CMD_DEBUG, GVPN_HELP_DEBUG)
DEFSH(VTYSH_BGPD, show_gvpn_sh, GVPN_CMD_SHOW, GVPN_HELP_SHOW)
DEFSH(VTYSH_BGPD, show_gvpn_detail_sh, GVPN_CMD_SHOW_DETAIL,
      GVPN_HELP_SHOW_DETAIL)
DEFSH(VTYSH_BGPD, clear_gvpn_sh, GVPN_CMD_CLEAR, GVPN_HELP_CLEAR)

void vtysh_groupvpn_install(void);

__attribute__((visibility("default"))) void vtysh_groupvpn_install(void)
{
	const char *version = frrmod_list->info->version;

	if (strcmp(version, FRR_VERSION) != 0) {
		fprintf(stderr,
			"groupvpn: vtysh commands are built for FRR %s, but "
			"this is FRR %s; rebuild groupvpn with "
			"--with-frr-source= pointing at the source of FRR %s\n",
			FRR_VERSION, version, version);
		return;
	}

	install_element(BGP_NODE, &gvpn_attribute_type_sh);
	install_element(BGP_NODE, &no_gvpn_attribute_type_sh);
	install_element(BGP_NODE, &gvpn_reflector_sh);
	install_element(BGP_NODE, &gvpn_socket_sh);
	install_element(BGP_NODE, &no_gvpn_socket_sh);
	install_element(BGP_NODE, &gvpn_member_sh);
	install_element(CONFIG_NODE, &gvpn_debug_sh);
	install_element(ENABLE_NODE, &gvpn_debug_sh);
	install_element(VIEW_NODE, &show_gvpn_sh);
	install_element(VIEW_NODE, &show_gvpn_detail_sh);
	install_element(ENABLE_NODE, &clear_gvpn_sh);
}
