/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The commands, as bgpd's module defines them and vtysh's table repeats them:
 * one text for both.
 */
#ifndef BGP_GROUPVPN_CMD_H
#define BGP_GROUPVPN_CMD_H

#define GVPN_STR "Self-configuring secure group VPN\n"

/* In "router bgp". */
#define GVPN_CMD_ATTRIBUTE_TYPE "group-vpn attribute-type (128-255)"
#define GVPN_HELP_ATTRIBUTE_TYPE                                               \
	GVPN_STR                                                               \
	"Path attribute that carries group information\n"                      \
	"Type code, the same on all devices of the group VPN (default 255)\n"

#define GVPN_CMD_NO_ATTRIBUTE_TYPE "no group-vpn attribute-type [(128-255)]"
#define GVPN_HELP_NO_ATTRIBUTE_TYPE NO_STR GVPN_HELP_ATTRIBUTE_TYPE

#define GVPN_CMD_REFLECTOR "[no] group-vpn reflector"
#define GVPN_HELP_REFLECTOR                                                    \
	NO_STR GVPN_STR                                                        \
		"Be the S/R device of the groups whose key server charon is\n"

#define GVPN_CMD_SOCKET "group-vpn socket PATH"
#define GVPN_HELP_SOCKET                                                       \
	GVPN_STR                                                               \
	"Control socket to charon\n"                                           \
	"Path of the socket\n"

#define GVPN_CMD_NO_SOCKET "no group-vpn socket [PATH]"
#define GVPN_HELP_NO_SOCKET NO_STR GVPN_HELP_SOCKET

#define GVPN_CMD_MEMBER "[no] group-vpn member WORD"
#define GVPN_HELP_MEMBER                                                       \
	NO_STR GVPN_STR "Exchange this instance's IPv4 routes in a group\n"    \
			"Name of the group in charon's configuration\n"

/* In view and enable mode. */
#define GVPN_CMD_SHOW "show bgp group-vpn [WORD] [json]"
#define GVPN_HELP_SHOW SHOW_STR BGP_STR GVPN_STR "Name of a group\n" JSON_STR

#define GVPN_CMD_SHOW_DETAIL "show bgp group-vpn WORD <members|routes> [json]"
#define GVPN_HELP_SHOW_DETAIL                                                  \
	SHOW_STR BGP_STR GVPN_STR "Name of a group\n"                          \
				  "The group's members\n"                      \
				  "The group's routes\n" JSON_STR

#define GVPN_CMD_CLEAR "clear bgp group-vpn counters"
#define GVPN_HELP_CLEAR                                                        \
	CLEAR_STR BGP_STR GVPN_STR "Counters of dropped routes and messages\n"

#define GVPN_CMD_DEBUG "[no] debug bgp group-vpn"
#define GVPN_HELP_DEBUG NO_STR DEBUG_STR BGP_STR GVPN_STR

#endif /* BGP_GROUPVPN_CMD_H */
