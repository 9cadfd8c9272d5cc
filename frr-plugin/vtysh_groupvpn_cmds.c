/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The group VPN commands for vtysh: those of bgpd, and those that ask charon
 * (vtysh_groupvpn_charon.c).
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
#include "vtysh_groupvpn_charon.h"

XREF_SETUP();

DEFSH(VTYSH_BGPD, gvpn_attribute_type_sh, GVPN_CMD_ATTRIBUTE_TYPE,
      GVPN_HELP_ATTRIBUTE_TYPE)
DEFSH(VTYSH_BGPD, no_gvpn_attribute_type_sh, GVPN_CMD_NO_ATTRIBUTE_TYPE,
      GVPN_HELP_NO_ATTRIBUTE_TYPE)
DEFSH(VTYSH_BGPD, gvpn_reflector_sh, GVPN_CMD_REFLECTOR, GVPN_HELP_REFLECTOR)
DEFSH(VTYSH_BGPD, gvpn_static_sh, GVPN_CMD_STATIC, GVPN_HELP_STATIC)
DEFSH(VTYSH_BGPD, no_gvpn_static_sh, GVPN_CMD_NO_STATIC, GVPN_HELP_NO_STATIC)
DEFSH(VTYSH_BGPD, gvpn_static_gcks_sh, GVPN_CMD_STATIC_GCKS,
      GVPN_HELP_STATIC_GCKS)
DEFSH(VTYSH_BGPD, no_gvpn_static_gcks_sh, GVPN_CMD_NO_STATIC_GCKS,
      GVPN_HELP_NO_STATIC_GCKS)
DEFSH(VTYSH_BGPD, gvpn_static_member_sh, GVPN_CMD_STATIC_MEMBER,
      GVPN_HELP_STATIC_MEMBER)
DEFSH(VTYSH_BGPD, no_gvpn_static_member_sh, GVPN_CMD_NO_STATIC_MEMBER,
      GVPN_HELP_NO_STATIC_MEMBER)
DEFSH(VTYSH_BGPD, gvpn_socket_sh, GVPN_CMD_SOCKET, GVPN_HELP_SOCKET)
DEFSH(VTYSH_BGPD, no_gvpn_socket_sh, GVPN_CMD_NO_SOCKET, GVPN_HELP_NO_SOCKET)
DEFSH(VTYSH_BGPD, gvpn_member_sh, GVPN_CMD_MEMBER, GVPN_HELP_MEMBER)
DEFSH(VTYSH_BGPD, no_gvpn_member_sh, GVPN_CMD_NO_MEMBER, GVPN_HELP_NO_MEMBER)
DEFSH(VTYSH_BGPD, gvpn_member_plain_sh, GVPN_CMD_MEMBER_PLAIN,
      GVPN_HELP_MEMBER_PLAIN)
DEFSH(VTYSH_BGPD, gvpn_member_rmap_sh, GVPN_CMD_MEMBER_RMAP,
      GVPN_HELP_MEMBER_RMAP)
DEFSH(VTYSH_BGPD, no_gvpn_member_rmap_sh, GVPN_CMD_NO_MEMBER_RMAP,
      GVPN_HELP_NO_MEMBER_RMAP)
DEFSH(VTYSH_BGPD, gvpn_neighbor_transit_sh, GVPN_CMD_NEIGHBOR_TRANSIT,
      GVPN_HELP_NEIGHBOR_TRANSIT)
DEFSH(VTYSH_BGPD, gvpn_neighbor_member_sh, GVPN_CMD_NEIGHBOR_MEMBER,
      GVPN_HELP_NEIGHBOR_MEMBER)
DEFSH(VTYSH_BGPD, no_gvpn_neighbor_member_sh, GVPN_CMD_NO_NEIGHBOR_MEMBER,
      GVPN_HELP_NO_NEIGHBOR_MEMBER)
DEFSH(VTYSH_BGPD, no_gvpn_neighbor_member_named_sh,
      GVPN_CMD_NO_NEIGHBOR_MEMBER_NAMED, GVPN_HELP_NO_NEIGHBOR_MEMBER_NAMED)
DEFSH(VTYSH_BGPD, gvpn_debug_sh, GVPN_CMD_DEBUG, GVPN_HELP_DEBUG)
DEFSH(VTYSH_BGPD, show_gvpn_sh, GVPN_CMD_SHOW, GVPN_HELP_SHOW)
DEFSH(VTYSH_BGPD, show_gvpn_detail_sh, GVPN_CMD_SHOW_DETAIL,
      GVPN_HELP_SHOW_DETAIL)
DEFSH(VTYSH_BGPD, show_gvpn_explain_sh, GVPN_CMD_SHOW_EXPLAIN,
      GVPN_HELP_SHOW_EXPLAIN)
DEFSH(VTYSH_BGPD, clear_gvpn_sh, GVPN_CMD_CLEAR, GVPN_HELP_CLEAR)
DEFSH(VTYSH_BGPD, clear_gvpn_group_sh, GVPN_CMD_CLEAR_GROUP,
      GVPN_HELP_CLEAR_GROUP)

/* Arguments of what charon is asked --------------------------------------- */

static bool set_group(struct vty *vty, struct gv_ctl_msg *command,
		      const char *name)
{
	if (!gv_name_valid(name, GV_NAME_MAX)) {
		vty_out(vty,
			"%% %s: a group's name has 1 to %d of A-Z a-z 0-9 _ . "
			"- and does not begin with . or -\n",
			name, GV_NAME_MAX);
		return false;
	}
	strlcpy(command->name, name, sizeof(command->name));
	return true;
}

/* As groupvpnctl takes it: a number is a member-ID, all else an identity. */
static bool set_member(struct vty *vty, struct gv_ctl_msg *command,
		       const char *member)
{
	unsigned long id;

	if (member[strspn(member, "0123456789")]) {
		if (strlcpy(command->identity, member,
			    sizeof(command->identity)) <
		    sizeof(command->identity))
			return true;
		vty_out(vty, "%% an identity has at most %d characters\n",
			GV_TEXT_MAX);
		return false;
	}
	id = strtoul(member, NULL, 10);
	if (id < 1 || id > UINT16_MAX) {
		vty_out(vty, "%% %s: a member-ID is 1 to %d\n", member,
			UINT16_MAX);
		return false;
	}
	command->member_id = id;
	return true;
}

static bool set_reason(struct vty *vty, struct gv_ctl_msg *command,
		       struct cmd_token **argv, int argc, int first)
{
	char *reason = argv_concat(argv, argc, first);
	bool fits = strlcpy(command->text, reason, sizeof(command->text)) <
		    sizeof(command->text);

	XFREE(MTYPE_TMP, reason);
	if (!fits)
		vty_out(vty, "%% a reason has at most %d characters\n",
			GV_TEXT_MAX);
	return fits;
}

/* Commands that ask charon ------------------------------------------------ */

DEFUN(show_gvpn_charon, show_gvpn_charon_cmd, GVPN_CMD_CHARON_SHOW,
      GVPN_HELP_CHARON_SHOW)
{
	bool uj = use_json(argc, argv);
	const char *what = argv[2]->text;
	struct gv_ctl_msg command = {};

	snprintf(command.command, sizeof(command.command), "%s-%s",
		 strcmp(what, "counters") == 0 ? "get" : "list", what);
	if (argc - uj > 3 && !set_group(vty, &command, argv[3]->arg))
		return GVPN_CHARON_FAILED;
	return gvpn_charon(vty, &command, uj);
}

DEFUN(show_gvpn_charon_version, show_gvpn_charon_version_cmd,
      GVPN_CMD_CHARON_VERSION, GVPN_HELP_CHARON_VERSION)
{
	struct gv_ctl_msg command = {.command = "version"};

	return gvpn_charon(vty, &command, use_json(argc, argv));
}

static int rekey(struct vty *vty, const char *group)
{
	struct gv_ctl_msg command = {.command = "rekey"};

	if (!set_group(vty, &command, group))
		return GVPN_CHARON_FAILED;
	return gvpn_charon(vty, &command, false);
}

DEFUN(gvpn_charon_rekey, gvpn_charon_rekey_cmd, GVPN_CMD_CHARON_REKEY,
      GVPN_HELP_CHARON_REKEY)
{
	return rekey(vty, argv[2]->arg);
}

DEFUN(clear_gvpn_rekey, clear_gvpn_rekey_cmd, GVPN_CMD_CLEAR_REKEY,
      GVPN_HELP_CLEAR_REKEY)
{
	return rekey(vty, argv[3]->arg);
}

DEFUN(gvpn_charon_evict, gvpn_charon_evict_cmd, GVPN_CMD_CHARON_EVICT,
      GVPN_HELP_CHARON_EVICT)
{
	struct gv_ctl_msg command = {.command = "evict"};

	if (!set_group(vty, &command, argv[2]->arg) ||
	    !set_member(vty, &command, argv[3]->arg) ||
	    (argc > 5 && !set_reason(vty, &command, argv, argc, 5)))
		return GVPN_CHARON_FAILED;
	return gvpn_charon(vty, &command, false);
}

/* "..." cannot be optional. */
ALIAS(gvpn_charon_evict, gvpn_charon_evict_reason_cmd,
      GVPN_CMD_CHARON_EVICT_REASON, GVPN_HELP_CHARON_EVICT_REASON)

DEFUN(gvpn_charon_readmit, gvpn_charon_readmit_cmd, GVPN_CMD_CHARON_READMIT,
      GVPN_HELP_CHARON_READMIT)
{
	struct gv_ctl_msg command = {.command = "readmit"};

	if (!set_group(vty, &command, argv[2]->arg) ||
	    !set_member(vty, &command, argv[3]->arg))
		return GVPN_CHARON_FAILED;
	return gvpn_charon(vty, &command, false);
}

DEFUN(gvpn_charon_reload, gvpn_charon_reload_cmd, GVPN_CMD_CHARON_RELOAD,
      GVPN_HELP_CHARON_RELOAD)
{
	struct gv_ctl_msg command = {.command = "reload"};

	return gvpn_charon(vty, &command, false);
}

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
	install_element(BGP_NODE, &gvpn_static_sh);
	install_element(BGP_NODE, &no_gvpn_static_sh);
	install_element(BGP_NODE, &gvpn_static_gcks_sh);
	install_element(BGP_NODE, &no_gvpn_static_gcks_sh);
	install_element(BGP_NODE, &gvpn_static_member_sh);
	install_element(BGP_NODE, &no_gvpn_static_member_sh);
	install_element(BGP_NODE, &gvpn_socket_sh);
	install_element(BGP_NODE, &no_gvpn_socket_sh);
	install_element(BGP_NODE, &gvpn_member_sh);
	install_element(BGP_NODE, &no_gvpn_member_sh);
	install_element(BGP_NODE, &gvpn_member_plain_sh);
	install_element(BGP_NODE, &gvpn_member_rmap_sh);
	install_element(BGP_NODE, &no_gvpn_member_rmap_sh);
	install_element(BGP_NODE, &gvpn_neighbor_transit_sh);
	install_element(BGP_NODE, &gvpn_neighbor_member_sh);
	install_element(BGP_NODE, &no_gvpn_neighbor_member_sh);
	install_element(BGP_NODE, &no_gvpn_neighbor_member_named_sh);
	install_element(CONFIG_NODE, &gvpn_debug_sh);
	install_element(ENABLE_NODE, &gvpn_debug_sh);
	install_element(VIEW_NODE, &show_gvpn_sh);
	install_element(VIEW_NODE, &show_gvpn_detail_sh);
	install_element(VIEW_NODE, &show_gvpn_explain_sh);
	install_element(ENABLE_NODE, &clear_gvpn_sh);
	install_element(ENABLE_NODE, &clear_gvpn_group_sh);

	install_element(VIEW_NODE, &show_gvpn_charon_cmd);
	install_element(VIEW_NODE, &show_gvpn_charon_version_cmd);
	install_element(ENABLE_NODE, &gvpn_charon_rekey_cmd);
	install_element(ENABLE_NODE, &clear_gvpn_rekey_cmd);
	install_element(ENABLE_NODE, &gvpn_charon_evict_cmd);
	install_element(ENABLE_NODE, &gvpn_charon_evict_reason_cmd);
	install_element(ENABLE_NODE, &gvpn_charon_readmit_cmd);
	install_element(ENABLE_NODE, &gvpn_charon_reload_cmd);
}
