/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The commands, as bgpd's module defines them and vtysh's table repeats them:
 * one text for both.
 */
#ifndef BGP_GROUPVPN_CMD_H
#define BGP_GROUPVPN_CMD_H

#define GVPN_STR "Self-configuring secure group VPN\n"

/* The variable's name is what completes it. */
#define GVPN_GROUP_VARNAME "group_vpn"
#define GVPN_GROUP "WORD$" GVPN_GROUP_VARNAME
#define GVPN_GROUP_STR "Name of a group\n"

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

#define GVPN_STATIC_STR                                                        \
	GVPN_STR "Be the S/R of a group whose key server is elsewhere\n"       \
		 "Name of the group here\n"
#define GVPN_STATIC_NEIGHBOR_STR                                               \
	"BGP neighbor that brings it, if that has another address\n"           \
	"Neighbor address\n"                                                   \
	"Neighbor IPv6 address\n"

#define GVPN_CMD_STATIC                                                        \
	"group-vpn static " GVPN_GROUP " group-id (1-4294967295)"
#define GVPN_HELP_STATIC                                                       \
	GVPN_STATIC_STR "Its group-ID\n"                                       \
			"The same as in charon's configuration elsewhere\n"

#define GVPN_CMD_NO_STATIC                                                     \
	"no group-vpn static " GVPN_GROUP " [group-id (1-4294967295)]"
#define GVPN_HELP_NO_STATIC NO_STR GVPN_HELP_STATIC

#define GVPN_CMD_STATIC_GCKS                                                   \
	"group-vpn static " GVPN_GROUP                                         \
	" gcks <A.B.C.D|X:X::X:X> [neighbor <A.B.C.D|X:X::X:X>]"
#define GVPN_HELP_STATIC_GCKS                                                  \
	GVPN_STATIC_STR "Whose descriptor is passed on to the members\n"       \
			"Address of the key server\n"                          \
			"IPv6 address of the key "                             \
			"server\n" GVPN_STATIC_NEIGHBOR_STR

#define GVPN_CMD_NO_STATIC_GCKS                                                \
	"no group-vpn static " GVPN_GROUP                                      \
	" gcks [<A.B.C.D|X:X::X:X> [neighbor <A.B.C.D|X:X::X:X>]]"
#define GVPN_HELP_NO_STATIC_GCKS NO_STR GVPN_HELP_STATIC_GCKS

#define GVPN_CMD_STATIC_MEMBER                                                 \
	"group-vpn static " GVPN_GROUP                                         \
	" member (1-65535) gateway <A.B.C.D|X:X::X:X>"                         \
	" [neighbor <A.B.C.D|X:X::X:X>]"
#define GVPN_HELP_STATIC_MEMBER                                                \
	GVPN_STATIC_STR "A member whose routes are taken and reflected\n"      \
			"Its member-ID, as the key server allotted it\n"       \
			"Where its packets go to\n"                            \
			"Address of its gateway\n"                             \
			"IPv6 address of its "                                 \
			"gateway\n" GVPN_STATIC_NEIGHBOR_STR

#define GVPN_CMD_NO_STATIC_MEMBER                                              \
	"no group-vpn static " GVPN_GROUP " member (1-65535) [gateway"         \
	" <A.B.C.D|X:X::X:X> [neighbor <A.B.C.D|X:X::X:X>]]"
#define GVPN_HELP_NO_STATIC_MEMBER NO_STR GVPN_HELP_STATIC_MEMBER

#define GVPN_CMD_SOCKET "group-vpn socket PATH"
#define GVPN_HELP_SOCKET                                                       \
	GVPN_STR                                                               \
	"Control socket to charon\n"                                           \
	"Path of the socket\n"

#define GVPN_CMD_NO_SOCKET "no group-vpn socket [PATH]"
#define GVPN_HELP_NO_SOCKET NO_STR GVPN_HELP_SOCKET

#define GVPN_MEMBER_STR                                                        \
	GVPN_STR "Exchange this instance's routes in a group\n"                \
		 "Name of the group in charon's configuration\n"
#define GVPN_RMAP_STR                                                          \
	"Filter the routes and set their attributes\n"                         \
	"Name of a route-map\n"                                                \
	"Of the routes that come from the group\n"                             \
	"Of the routes that are announced to it\n"

#define GVPN_CMD_MEMBER "group-vpn member " GVPN_GROUP
#define GVPN_HELP_MEMBER GVPN_MEMBER_STR

#define GVPN_CMD_NO_MEMBER "no " GVPN_CMD_MEMBER
#define GVPN_HELP_NO_MEMBER NO_STR GVPN_HELP_MEMBER

#define GVPN_CMD_MEMBER_PLAIN "[no] " GVPN_CMD_MEMBER " plain"
#define GVPN_HELP_MEMBER_PLAIN                                                 \
	NO_STR GVPN_MEMBER_STR "As ordinary VPN routes that anybody can "      \
			       "read\n"

#define GVPN_CMD_MEMBER_RMAP GVPN_CMD_MEMBER " route-map RMAP_NAME <in|out>"
#define GVPN_HELP_MEMBER_RMAP GVPN_MEMBER_STR GVPN_RMAP_STR

#define GVPN_CMD_NO_MEMBER_RMAP "no " GVPN_CMD_MEMBER_RMAP
#define GVPN_HELP_NO_MEMBER_RMAP NO_STR GVPN_HELP_MEMBER_RMAP

#define GVPN_NEIGHBOR_STR                                                      \
	"Specify neighbor router\n"                                            \
	"Neighbor address\n"                                                   \
	"Neighbor IPv6 address\n"                                              \
	"Interface name or neighbor tag\n" GVPN_STR

#define GVPN_CMD_NEIGHBOR_TRANSIT                                              \
	"[no] neighbor <A.B.C.D|X:X::X:X|WORD> group-vpn transit"
#define GVPN_HELP_NEIGHBOR_TRANSIT                                             \
	NO_STR GVPN_NEIGHBOR_STR "No member, but on the way to members\n"

#define GVPN_CMD_NEIGHBOR_MEMBER                                               \
	"neighbor <A.B.C.D|X:X::X:X|WORD> group-vpn member LINE..."
#define GVPN_HELP_NEIGHBOR_MEMBER                                              \
	GVPN_NEIGHBOR_STR "A member, whatever its gateway address\n"           \
			  "The IKE identity that it registers with\n"

#define GVPN_CMD_NO_NEIGHBOR_MEMBER                                            \
	"no neighbor <A.B.C.D|X:X::X:X|WORD> group-vpn member"
#define GVPN_HELP_NO_NEIGHBOR_MEMBER                                           \
	NO_STR GVPN_NEIGHBOR_STR "A member, whatever its gateway address\n"

/* "..." cannot be optional. */
#define GVPN_CMD_NO_NEIGHBOR_MEMBER_NAMED GVPN_CMD_NO_NEIGHBOR_MEMBER " LINE..."
#define GVPN_HELP_NO_NEIGHBOR_MEMBER_NAMED NO_STR GVPN_HELP_NEIGHBOR_MEMBER

/* In view and enable mode. */
#define GVPN_CMD_SHOW "show bgp group-vpn [" GVPN_GROUP "] [json]"
#define GVPN_HELP_SHOW SHOW_STR BGP_STR GVPN_STR GVPN_GROUP_STR JSON_STR

#define GVPN_CMD_SHOW_DETAIL                                                   \
	"show bgp group-vpn " GVPN_GROUP                                       \
	" <summary|members|routes|detail> [json]"
#define GVPN_HELP_SHOW_DETAIL                                                  \
	SHOW_STR BGP_STR GVPN_STR GVPN_GROUP_STR "State and numbers\n"         \
						 "The group's members\n"       \
						 "The group's routes\n"        \
						 "All of that\n" JSON_STR

#define GVPN_CMD_SHOW_EXPLAIN                                                  \
	"show bgp group-vpn " GVPN_GROUP                                       \
	" explain <A.B.C.D|A.B.C.D/M|X:X::X:X|X:X::X:X/M> [json]"
#define GVPN_HELP_SHOW_EXPLAIN                                                 \
	SHOW_STR BGP_STR GVPN_STR GVPN_GROUP_STR                               \
		"Tell what has to be there to reach it, and what is not\n"     \
		"Address at a site; at the S/R: gateway of a member\n"         \
		"Prefix at a site\n"                                           \
		"Address at a site\n"                                          \
		"Prefix at a site; at the S/R: one that it shows\n" JSON_STR

#define GVPN_CMD_CLEAR "clear bgp group-vpn counters"
#define GVPN_HELP_CLEAR                                                        \
	CLEAR_STR BGP_STR GVPN_STR "Counters of dropped routes and messages\n"

#define GVPN_CMD_CLEAR_GROUP                                                   \
	"clear bgp group-vpn " GVPN_GROUP " <counters|soft>"
#define GVPN_HELP_CLEAR_GROUP                                                  \
	CLEAR_STR BGP_STR GVPN_STR GVPN_GROUP_STR                              \
		"Counters of the group's dropped routes\n"                     \
		"Ask its neighbors for their routes again, and send ours\n"

#define GVPN_CMD_DEBUG "[no] debug bgp group-vpn"
#define GVPN_HELP_DEBUG NO_STR DEBUG_STR BGP_STR GVPN_STR

/* What charon is asked by vtysh itself. */
#define GVPN_CHARON_STR "Groups, as charon has them\n"

#define GVPN_CMD_CHARON_SHOW                                                   \
	"show group-vpn <groups|members|sas|counters> [" GVPN_GROUP "] [json]"
#define GVPN_HELP_CHARON_SHOW                                                  \
	SHOW_STR GVPN_CHARON_STR                                               \
		"Registration, policy and state of each group\n"               \
		"Members: a key server's with their identities, a member's "   \
		"the others\n"                                                 \
		"Epochs of data keys, oldest first\n"                          \
		"What has happened how often\n" GVPN_GROUP_STR JSON_STR

#define GVPN_CMD_CHARON_VERSION "show group-vpn version [json]"
#define GVPN_HELP_CHARON_VERSION                                               \
	SHOW_STR GVPN_CHARON_STR "Versions of what runs\n" JSON_STR

#define GVPN_CMD_CHARON_REKEY "group-vpn rekey " GVPN_GROUP
#define GVPN_HELP_CHARON_REKEY                                                 \
	GVPN_CHARON_STR                                                        \
	"Key server: give new keys to all members\n" GVPN_GROUP_STR

#define GVPN_CMD_CLEAR_REKEY "clear bgp group-vpn " GVPN_GROUP " rekey"
#define GVPN_HELP_CLEAR_REKEY                                                  \
	CLEAR_STR BGP_STR GVPN_STR GVPN_GROUP_STR                              \
		"Key server: give new keys to all members\n"

#define GVPN_CMD_CHARON_EVICT "group-vpn evict " GVPN_GROUP " MEMBER"
#define GVPN_HELP_CHARON_EVICT                                                 \
	GVPN_CHARON_STR                                                        \
	"Key server: remove a member and do not admit it "                     \
	"again\n" GVPN_GROUP_STR "Member-ID, or IKE identity\n"

#define GVPN_CMD_CHARON_EVICT_REASON GVPN_CMD_CHARON_EVICT " reason LINE..."
#define GVPN_HELP_CHARON_EVICT_REASON                                          \
	GVPN_HELP_CHARON_EVICT                                                 \
	"Reason, which charon logs and shows with the eviction\n"              \
	"Text\n"

#define GVPN_CMD_CHARON_READMIT "group-vpn readmit " GVPN_GROUP " MEMBER"
#define GVPN_HELP_CHARON_READMIT                                               \
	GVPN_CHARON_STR                                                        \
	"Key server: let an evicted member come back\n" GVPN_GROUP_STR         \
	"Member-ID, or IKE identity\n"

#define GVPN_CMD_CHARON_RELOAD "group-vpn reload"
#define GVPN_HELP_CHARON_RELOAD                                                \
	GVPN_CHARON_STR "Read the groups of swanctl.conf again\n"

#endif /* BGP_GROUPVPN_CMD_H */
