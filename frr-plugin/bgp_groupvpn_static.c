/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Groups whose registrations are in the configuration: "group-vpn static NAME
 * ...", for an S/R without their key server on the same host.
 *
 * What charon would tell of a group and its registrations, these commands do,
 * and the rest of the S/R is the same.  Two things it has not.  The
 * Sender-IDs, which the key server allots anew with each registration: they
 * are not compared.  And the descriptor, which a holder of the route secret
 * composes: it is taken from the neighbour that the key server's own bgpd is
 * ("gcks"), and passed on.
 *
 * A group is of the configuration or of charon, never of both: the
 * configuration comes first, and charon is asked again when it ends.
 */
#include "bgp_groupvpn_frr.h"
#include "bgp_groupvpn.h"
#include "bgp_groupvpn_cmd.h"

static struct gvpn_group *find_fixed(const char *name)
{
	struct gvpn_group *group = gvpn_group_find_name(name);

	return group && group->fixed ? group : NULL;
}

bool gvpn_static_shadows(const struct gv_ctl_msg *msg)
{
	struct gvpn_group *group = gvpn_group_find(msg->group_id);

	if (msg->type == GV_CTL_GROUP && (!group || !group->fixed))
		group = find_fixed(msg->name);
	if (!group || !group->fixed)
		return false;

	if (msg->type == GV_CTL_GROUP && !group->shadows)
		zlog_warn("group-vpn: group %s (%u): charon has group %s (%u), "
			  "too, and is not heard about it because of "
			  "\"group-vpn static %s\"",
			  group->name, group->id, msg->name, msg->group_id,
			  group->name);
	if (msg->type == GV_CTL_GROUP)
		group->shadows = true;
	return true;
}

/* Commands ---------------------------------------------------------------- */

static bool is_default(struct vty *vty, const struct bgp *bgp)
{
	if (bgp->inst_type == BGP_INSTANCE_TYPE_DEFAULT)
		return true;
	vty_out(vty, "%% group-vpn static belongs into \"router bgp\" of the "
		     "default VRF, whose neighbors carry VPN routes\n");
	return false;
}

/* The argument after a keyword, NULL if that is not there. */
static const char *argument(struct cmd_token **argv, int argc,
			    const char *keyword)
{
	int i;

	for (i = 0; i < argc - 1; i++) {
		if (argv[i]->type == WORD_TKN &&
		    strcmp(argv[i]->text, keyword) == 0)
			return argv[i + 1]->arg;
	}
	return NULL;
}

/* false, and told: nobody can be reached there. */
static bool read_address(struct vty *vty, const char *text,
			 struct gv_addr *addr)
{
	const uint8_t *octets = addr->bytes;
	bool good;

	good = gv_addr_parse(text, addr);
	if (good && addr->len == IPV4_MAX_BYTELEN)
		good = octets[0] != 0 && octets[0] != 127 && octets[0] < 224;
	else if (good)
		good = octets[0] != 0 && octets[0] != 0xff;
	if (!good)
		vty_out(vty,
			"%% %s: must be the unicast address of another host\n",
			text);
	return good;
}

/* ADDRESS [neighbor ADDRESS]: the neighbour is who has the address, unless it
 * is named. */
static bool read_addresses(struct vty *vty, const char *address,
			   const char *neighbor, struct gv_addr *gateway,
			   struct gv_addr *from)
{
	return read_address(vty, address, gateway) &&
	       read_address(vty, neighbor ? neighbor : address, from);
}

static struct gvpn_group *find_told(struct vty *vty, const char *name)
{
	struct gvpn_group *group = find_fixed(name);

	if (!group)
		vty_out(vty,
			"%% %s: no such static group, give \"group-vpn "
			"static %s group-id N\" first\n",
			name, name);
	return group;
}

static int group_add(struct vty *vty, const char *name, uint32_t id)
{
	struct gvpn_group *group = find_fixed(name), *namesake;
	bool shadows;

	if (group && group->id == id)
		return CMD_SUCCESS;
	if (group) {
		vty_out(vty,
			"%% static group %s has group-id %u, take that "
			"back first\n",
			name, group->id);
		return CMD_WARNING_CONFIG_FAILED;
	}
	if (!gvpn_name_is_valid(vty, name))
		return CMD_WARNING_CONFIG_FAILED;
	group = gvpn_group_find(id);
	if (group && group->fixed) {
		vty_out(vty, "%% group-id %u is static group %s's\n", id,
			group->name);
		return CMD_WARNING_CONFIG_FAILED;
	}

	namesake = gvpn_group_find_name(name);
	shadows = group || namesake;
	if (group)
		gvpn_group_down(id, "it is static from now on");
	if (namesake && namesake != group)
		gvpn_group_down(namesake->id,
				"its name is a static group's now");
	group = gvpn_group_new(id, GV_ROLE_GCKS, name);
	group->fixed = true;
	group->shadows = shadows;
	gvpn.statics++;
	gvpn_config_changed();
	gvpn_rr_walk();
	return CMD_SUCCESS;
}

static void group_del(struct gvpn_group *group, const char *why)
{
	bool shadows = group->shadows;

	gvpn_group_down(group->id, why);
	gvpn.statics--;
	if (shadows)
		gvpn_ctl_again();
}

DEFUN(gvpn_static, gvpn_static_cmd, GVPN_CMD_STATIC, GVPN_HELP_STATIC)
{
	VTY_DECLVAR_CONTEXT(bgp, bgp);

	if (!is_default(vty, bgp))
		return CMD_WARNING_CONFIG_FAILED;
	return group_add(vty, argv[2]->arg, strtoul(argv[4]->arg, NULL, 10));
}

/* A tool may take lines back in any order, or twice: what is not there is no
 * error. */
DEFUN(no_gvpn_static, no_gvpn_static_cmd, GVPN_CMD_NO_STATIC,
      GVPN_HELP_NO_STATIC)
{
	VTY_DECLVAR_CONTEXT(bgp, bgp);
	const char *id = argument(argv, argc, "group-id");
	struct gvpn_group *group = find_fixed(argv[3]->arg);

	if (!is_default(vty, bgp))
		return CMD_WARNING_CONFIG_FAILED;
	if (!group || (id && strtoul(id, NULL, 10) != group->id))
		return CMD_SUCCESS;
	group_del(group, "no longer static");
	gvpn_config_changed();
	return CMD_SUCCESS;
}

DEFUN(gvpn_static_gcks, gvpn_static_gcks_cmd, GVPN_CMD_STATIC_GCKS,
      GVPN_HELP_STATIC_GCKS)
{
	VTY_DECLVAR_CONTEXT(bgp, bgp);
	struct gvpn_group *group = find_told(vty, argv[2]->arg);
	struct gv_addr gateway, from;

	if (!group || !is_default(vty, bgp) ||
	    !read_addresses(vty, argv[4]->arg, argument(argv, argc, "neighbor"),
			    &gateway, &from))
		return CMD_WARNING_CONFIG_FAILED;
	if (gv_addr_equal(&group->gateway, &gateway) &&
	    gv_addr_equal(&group->from, &from))
		return CMD_SUCCESS;
	group->gateway = gateway;
	group->from = from;
	gvpn_rr_gcks_changed(group);
	return CMD_SUCCESS;
}

DEFUN(no_gvpn_static_gcks, no_gvpn_static_gcks_cmd, GVPN_CMD_NO_STATIC_GCKS,
      GVPN_HELP_NO_STATIC_GCKS)
{
	VTY_DECLVAR_CONTEXT(bgp, bgp);
	struct gvpn_group *group = find_fixed(argv[3]->arg);
	struct gv_addr gateway, from;

	if (!is_default(vty, bgp))
		return CMD_WARNING_CONFIG_FAILED;
	if (!group)
		return CMD_SUCCESS;
	if (argc > 5) {
		if (!read_addresses(vty, argv[5]->arg,
				    argument(argv, argc, "neighbor"), &gateway,
				    &from))
			return CMD_WARNING_CONFIG_FAILED;
		if (!gv_addr_equal(&group->gateway, &gateway) ||
		    !gv_addr_equal(&group->from, &from))
			return CMD_SUCCESS;
	}
	memset(&group->gateway, 0, sizeof(group->gateway));
	memset(&group->from, 0, sizeof(group->from));
	gvpn_rr_gcks_changed(group);
	return CMD_SUCCESS;
}

/* As at a key server, a gateway is one member of a group. */
static const struct gvpn_reg *find_gateway(uint32_t group_id,
					   const struct gv_addr *gateway)
{
	const struct gvpn_reg *reg;

	frr_each (gvpn_regs_const, gvpn.regs, reg) {
		if (reg->group_id == group_id &&
		    gv_addr_equal(&reg->gateway, gateway))
			return reg;
	}
	return NULL;
}

DEFUN(gvpn_static_member, gvpn_static_member_cmd, GVPN_CMD_STATIC_MEMBER,
      GVPN_HELP_STATIC_MEMBER)
{
	VTY_DECLVAR_CONTEXT(bgp, bgp);
	struct gvpn_group *group = find_told(vty, argv[2]->arg);
	struct gvpn_reg wanted = {.fixed = true, .peers = (char *)""};
	const struct gvpn_reg *other;

	if (!group || !is_default(vty, bgp) ||
	    !read_addresses(vty, argv[6]->arg, argument(argv, argc, "neighbor"),
			    &wanted.gateway, &wanted.from))
		return CMD_WARNING_CONFIG_FAILED;
	wanted.group_id = group->id;
	wanted.member_id = strtoul(argv[4]->arg, NULL, 10);
	other = find_gateway(group->id, &wanted.gateway);
	if (other && other->member_id != wanted.member_id) {
		vty_out(vty, "%% gateway %s is member %u's in group %s\n",
			argv[6]->arg, other->member_id, group->name);
		return CMD_WARNING_CONFIG_FAILED;
	}
	gvpn_reg_set(&wanted);
	return CMD_SUCCESS;
}

DEFUN(no_gvpn_static_member, no_gvpn_static_member_cmd,
      GVPN_CMD_NO_STATIC_MEMBER, GVPN_HELP_NO_STATIC_MEMBER)
{
	VTY_DECLVAR_CONTEXT(bgp, bgp);
	struct gvpn_group *group = find_fixed(argv[3]->arg);
	uint16_t id = strtoul(argv[5]->arg, NULL, 10);
	struct gvpn_reg *reg = group ? gvpn_reg_find(group->id, id) : NULL;
	struct gv_addr gateway, from;

	if (!is_default(vty, bgp))
		return CMD_WARNING_CONFIG_FAILED;
	if (!reg)
		return CMD_SUCCESS;
	if (argc > 6) {
		if (!read_addresses(vty, argv[7]->arg,
				    argument(argv, argc, "neighbor"), &gateway,
				    &from))
			return CMD_WARNING_CONFIG_FAILED;
		if (!gv_addr_equal(&reg->gateway, &gateway) ||
		    !gv_addr_equal(&reg->from, &from))
			return CMD_SUCCESS;
	}
	gvpn_reg_down(group->id, id, "taken out of the configuration");
	return CMD_SUCCESS;
}

/* Writing and removing ---------------------------------------------------- */

static void write_addresses(struct vty *vty, const struct gv_addr *gateway,
			    const struct gv_addr *from)
{
	char buf[GV_ADDR_STRLEN];

	vty_out(vty, " %s", gv_addr_print(gateway, buf, sizeof(buf)));
	if (!gv_addr_equal(gateway, from))
		vty_out(vty, " neighbor %s",
			gv_addr_print(from, buf, sizeof(buf)));
	vty_out(vty, "\n");
}

static void write_group(struct vty *vty, const struct gvpn_group *group)
{
	const struct gvpn_reg *reg;

	vty_out(vty, " group-vpn static %s group-id %u\n", group->name,
		group->id);
	if (group->gateway.len) {
		vty_out(vty, " group-vpn static %s gcks", group->name);
		write_addresses(vty, &group->gateway, &group->from);
	}
	frr_each (gvpn_regs_const, gvpn.regs, reg) {
		if (reg->group_id != group->id)
			continue;
		vty_out(vty, " group-vpn static %s member %u gateway",
			group->name, reg->member_id);
		write_addresses(vty, &reg->gateway, &reg->from);
	}
}

void gvpn_static_write(struct vty *vty)
{
	const struct gvpn_group *group;

	frr_each (gvpn_groups_const, gvpn.groups, group) {
		if (group->fixed)
			write_group(vty, group);
	}
}

void gvpn_static_forget(void)
{
	struct gvpn_group *group;

	frr_each_safe (gvpn_groups, gvpn.groups, group) {
		if (group->fixed)
			group_del(group, "its \"router bgp\" goes");
	}
}

void gvpn_static_init(void)
{
	install_element(BGP_NODE, &gvpn_static_cmd);
	install_element(BGP_NODE, &no_gvpn_static_cmd);
	install_element(BGP_NODE, &gvpn_static_gcks_cmd);
	install_element(BGP_NODE, &no_gvpn_static_gcks_cmd);
	install_element(BGP_NODE, &gvpn_static_member_cmd);
	install_element(BGP_NODE, &no_gvpn_static_member_cmd);
}
