/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bgpd_groupvpn: the bgpd half of groupvpn.
 *
 * Loaded with "-M bgpd_groupvpn" into the distribution's bgpd, it makes that the
 * routing function of an S/R device ("group-vpn reflector"), a member of
 * groups ("group-vpn member NAME"), or both.  The protocol is in
 * doc/protocol.md, the other half is strongSwan's groupvpn plugin, which holds
 * the keys; see common/control.h for what they tell each other.
 *
 * This file sets up and tears down: the check that module and bgpd are of one
 * version, configuration commands, their writing, and bgpd's life-cycle hooks.
 */
#include "bgp_groupvpn_frr.h"
#include "bgp_groupvpn.h"
#include "bgp_groupvpn_cmd.h"

DEFINE_MGROUP(GROUPVPN, "group VPN");
DEFINE_MTYPE_STATIC(GROUPVPN, GROUPVPN_SOCKET, "group VPN socket path");

/* Defined in lib/command.c, declared in no header. */
DECLARE_KOOH(cmd_execute_done, (struct vty * vty, const char *cmd_exec),
	     (vty, cmd_exec));

struct gvpn gvpn = {.attr_type = GV_ATTR_TYPE_DEFAULT};

/* What neither lets a route out nor in need not be followed command by
 * command. */
#define GVPN_CONFIG_WAIT 200 /* ms */

static struct event *t_config;
static int (*bgp_config_write_stock)(struct vty *vty);
static int (*debug_config_write_stock)(struct vty *vty);

void gvpn_config_changed(void)
{
	gvpn_ctl_update();
	gvpn_group_refresh_all();
	gvpn_policy_follow();
	gvpn_restart_update();
}

/* Configuration commands -------------------------------------------------- */

/* Settings that are the whole bgpd's belong to the default instance. */
static bool is_default_instance(struct vty *vty, const struct bgp *bgp,
				const char *what)
{
	if (bgp->inst_type == BGP_INSTANCE_TYPE_DEFAULT)
		return true;
	vty_out(vty,
		"%% group-vpn %s belongs into \"router bgp\" of the default "
		"VRF, not of %s %s\n",
		what, bgp->inst_type == BGP_INSTANCE_TYPE_VIEW ? "view" : "VRF",
		bgp->name);
	return false;
}

static int set_attribute_type(struct vty *vty, uint8_t type)
{
	VTY_DECLVAR_CONTEXT(bgp, bgp);
	struct gvpn_group *group;

	if (!is_default_instance(vty, bgp, "attribute-type"))
		return CMD_WARNING_CONFIG_FAILED;
	if (gvpn.attr_type == type)
		return CMD_SUCCESS;

	gvpn.attr_type = type;
	gvpn_config_changed();
	gvpn_rr_walk();
	frr_each (gvpn_groups, gvpn.groups, group) {
		if (group->active)
			gvpn_heard_walk(group);
	}
	return CMD_SUCCESS;
}

DEFUN(gvpn_attribute_type, gvpn_attribute_type_cmd, GVPN_CMD_ATTRIBUTE_TYPE,
      GVPN_HELP_ATTRIBUTE_TYPE)
{
	return set_attribute_type(vty, strtoul(argv[2]->arg, NULL, 10));
}

DEFUN(no_gvpn_attribute_type, no_gvpn_attribute_type_cmd,
      GVPN_CMD_NO_ATTRIBUTE_TYPE, GVPN_HELP_NO_ATTRIBUTE_TYPE)
{
	return set_attribute_type(vty, GV_ATTR_TYPE_DEFAULT);
}

static bool is_negated(struct cmd_token **argv)
{
	return strcmp(argv[0]->text, "no") == 0;
}

DEFUN(gvpn_reflector, gvpn_reflector_cmd, GVPN_CMD_REFLECTOR,
      GVPN_HELP_REFLECTOR)
{
	VTY_DECLVAR_CONTEXT(bgp, bgp);

	if (!is_default_instance(vty, bgp, "reflector"))
		return CMD_WARNING_CONFIG_FAILED;
	gvpn.reflector = !is_negated(argv);
	gvpn_config_changed();
	return CMD_SUCCESS;
}

static int set_socket(struct vty *vty, const char *path)
{
	VTY_DECLVAR_CONTEXT(bgp, bgp);

	if (!is_default_instance(vty, bgp, "socket"))
		return CMD_WARNING_CONFIG_FAILED;
	if (path && path[0] != '/') {
		vty_out(vty, "%% %s: the socket's path must begin with /\n",
			path);
		return CMD_WARNING_CONFIG_FAILED;
	}
	XFREE(MTYPE_GROUPVPN_SOCKET, gvpn.socket_path);
	if (path)
		gvpn.socket_path = XSTRDUP(MTYPE_GROUPVPN_SOCKET, path);
	gvpn_config_changed();
	return CMD_SUCCESS;
}

DEFUN(gvpn_socket, gvpn_socket_cmd, GVPN_CMD_SOCKET, GVPN_HELP_SOCKET)
{
	return set_socket(vty, argv[2]->arg);
}

DEFUN(no_gvpn_socket, no_gvpn_socket_cmd, GVPN_CMD_NO_SOCKET,
      GVPN_HELP_NO_SOCKET)
{
	return set_socket(vty, NULL);
}

bool gvpn_name_is_valid(struct vty *vty, const char *name)
{
	if (gv_name_valid(name, GV_NAME_MAX))
		return true;
	vty_out(vty,
		"%% %s: a group's name has 1 to %d of A-Z a-z 0-9 _ . - and "
		"does not begin with . or -\n",
		name, GV_NAME_MAX);
	return false;
}

static enum gvpn_rmap rmap_of(const struct cmd_token *direction)
{
	return strcmp(direction->text, "in") == 0 ? GVPN_RMAP_IN
						  : GVPN_RMAP_OUT;
}

/* The instance's binding; any of its lines makes it.  NULL, and told: it can not
 * be bound. */
static struct gvpn_bind *member_get(struct vty *vty, struct bgp *bgp,
				    const char *name)
{
	struct gvpn_bind *bind = gvpn_bind_find(name);

	if (bind && bind->bgp == bgp)
		return bind;
	if (bind) {
		vty_out(vty, "%% group %s is already bound to %s\n", name,
			bind->bgp->name_pretty);
		return NULL;
	}
	if (bgp->inst_type == BGP_INSTANCE_TYPE_VIEW) {
		vty_out(vty,
			"%% %s is a view and has no routing table to "
			"exchange\n",
			bgp->name);
		return NULL;
	}
	if (!gvpn_name_is_valid(vty, name))
		return NULL;
	bind = gvpn_bind_new(bgp, name);
	gvpn_config_changed();
	return bind;
}

/* For what is taken back.  frr-reload.py takes back every line of a binding, of
 * which the first one may have taken the others along; and of a line that is
 * refused it takes back what is left without the last word, and so on: here
 * that would be the whole binding.  So what is not there is told, and no
 * error. */
static struct gvpn_bind *member_find(struct vty *vty, const struct bgp *bgp,
				     const char *name)
{
	struct gvpn_bind *bind = gvpn_bind_find(name);

	if (bind && bind->bgp == bgp)
		return bind;
	vty_out(vty, "%% group %s is not bound to %s\n", name,
		bgp->name_pretty);
	return NULL;
}

DEFUN(gvpn_member, gvpn_member_cmd, GVPN_CMD_MEMBER, GVPN_HELP_MEMBER)
{
	VTY_DECLVAR_CONTEXT(bgp, bgp);

	return member_get(vty, bgp, argv[2]->arg) ? CMD_SUCCESS
						  : CMD_WARNING_CONFIG_FAILED;
}

DEFUN(no_gvpn_member, no_gvpn_member_cmd, GVPN_CMD_NO_MEMBER,
      GVPN_HELP_NO_MEMBER)
{
	VTY_DECLVAR_CONTEXT(bgp, bgp);
	struct gvpn_bind *bind = member_find(vty, bgp, argv[3]->arg);

	if (bind) {
		gvpn_bind_free(bind);
		gvpn_config_changed();
	}
	return CMD_SUCCESS;
}

DEFUN(gvpn_member_plain, gvpn_member_plain_cmd, GVPN_CMD_MEMBER_PLAIN,
      GVPN_HELP_MEMBER_PLAIN)
{
	VTY_DECLVAR_CONTEXT(bgp, bgp);
	bool no = is_negated(argv);
	const char *name = argv[2 + no]->arg;
	struct gvpn_bind *bind =
		no ? member_find(vty, bgp, name) : member_get(vty, bgp, name);

	if (bind)
		gvpn_bind_set_plain(bind, !no);
	return bind || no ? CMD_SUCCESS : CMD_WARNING_CONFIG_FAILED;
}

DEFUN(gvpn_member_rmap, gvpn_member_rmap_cmd, GVPN_CMD_MEMBER_RMAP,
      GVPN_HELP_MEMBER_RMAP)
{
	VTY_DECLVAR_CONTEXT(bgp, bgp);
	struct gvpn_bind *bind = member_get(vty, bgp, argv[2]->arg);

	if (!bind)
		return CMD_WARNING_CONFIG_FAILED;
	gvpn_rmap_set(bind, rmap_of(argv[argc - 1]), argv[4]->arg);
	return CMD_SUCCESS;
}

DEFUN(no_gvpn_member_rmap, no_gvpn_member_rmap_cmd, GVPN_CMD_NO_MEMBER_RMAP,
      GVPN_HELP_NO_MEMBER_RMAP)
{
	VTY_DECLVAR_CONTEXT(bgp, bgp);
	enum gvpn_rmap which = rmap_of(argv[argc - 1]);
	const char *name = argv[3]->arg, *map = argv[5]->arg;
	struct gvpn_bind *bind = member_find(vty, bgp, name);

	if (!bind)
		return CMD_SUCCESS;
	if (bind->rmap[which] && strcmp(bind->rmap[which], map) == 0)
		gvpn_rmap_set(bind, which, NULL);
	else
		vty_out(vty, "%% %s is not the route-map of group %s %s\n", map,
			name, argv[argc - 1]->text);
	return CMD_SUCCESS;
}

DEFUN(gvpn_debug_bgp, gvpn_debug_bgp_cmd, GVPN_CMD_DEBUG, GVPN_HELP_DEBUG)
{
	gvpn.debug = !is_negated(argv);
	return CMD_SUCCESS;
}

/* Writing the configuration ----------------------------------------------- */

static void bind_write(struct vty *vty, const struct gvpn_bind *bind)
{
	static const char *const words[GVPN_RMAPS] = {"in", "out"};
	enum gvpn_rmap which;

	/* A line for each thing: frr-reload.py changes line by line. */
	vty_out(vty, " group-vpn member %s\n", bind->name);
	if (bind->plain)
		vty_out(vty, " group-vpn member %s plain\n", bind->name);
	for (which = 0; which < GVPN_RMAPS; which++)
		if (bind->rmap[which])
			vty_out(vty, " group-vpn member %s route-map %s %s\n",
				bind->name, bind->rmap[which], words[which]);
}

static int on_config_write(struct bgp *bgp, struct vty *vty)
{
	struct gvpn_bind *bind;

	if (bgp->inst_type == BGP_INSTANCE_TYPE_DEFAULT) {
		if (gvpn.attr_type != GV_ATTR_TYPE_DEFAULT)
			vty_out(vty, " group-vpn attribute-type %u\n",
				gvpn.attr_type);
		if (gvpn.socket_path)
			vty_out(vty, " group-vpn socket %s\n",
				gvpn.socket_path);
		if (gvpn.reflector)
			vty_out(vty, " group-vpn reflector\n");
		gvpn_static_write(vty);
		gvpn_neighbor_write(bgp, vty);
	}
	frr_each (gvpn_binds, gvpn.binds, bind) {
		if (bind->bgp == bgp)
			bind_write(vty, bind);
	}
	return 0;
}

static int bgp_config_write_wrapped(struct vty *vty)
{
	int ret;

	gvpn_policy_hide();
	ret = bgp_config_write_stock(vty);
	gvpn_policy_unhide();
	return ret;
}

static int debug_config_write_wrapped(struct vty *vty)
{
	int ret = debug_config_write_stock(vty);

	if (!gvpn.debug)
		return ret;
	vty_out(vty, "debug bgp group-vpn\n");
	return ret + 1;
}

static void wrap_config_write(enum node_type type,
			      int (**stock)(struct vty *vty),
			      int (*wrapped)(struct vty *vty))
{
	struct cmd_node *node = vector_lookup(cmdvec, type);

	*stock = node->config_write;
	node->config_write = wrapped;
}

/* bgpd's life --------------------------------------------------------------*/

/* A binding is not used before its route-maps are there, which have lines of
 * their own.  Where bgpd is told that a configuration begins it is told the end,
 * too. */
static void config_done(void)
{
	struct gvpn_bind *bind;

	if (!bgp_config_inprocess()) {
		frr_each (gvpn_binds, gvpn.binds, bind)
			bind->fresh = false;
	}
	gvpn_config_changed();
}

static void config_run(struct event *t)
{
	config_done();
}

static bool abbreviates(const char *word, const char *command)
{
	return strncmp(command, word, strlen(word)) == 0;
}

/* "[no] neighbor X ..." or "[no] bgp ..." may give neighbours routes that they
 * had not.  The first concerns X only, and not all is looked at at once if that
 * is a peer-group: where members name others, finding what a neighbour may have
 * takes its time. */
static void follow_neighbors(const char *command)
{
	struct bgp *bgp = bgp_get_default();
	char words[3][256] = {};
	struct peer *named;
	unsigned int at;

	if (!bgp || sscanf(command, "%255s %255s %255s", words[0], words[1],
			   words[2]) < 2)
		return;
	at = strcmp(words[0], "no") == 0;
	if (abbreviates(words[at], "neighbor")) {
		named = gvpn_neighbor_named(bgp, words[at + 1]);
		if (named && CHECK_FLAG(named->sflags, PEER_STATUS_GROUP))
			gvpn_policy_follow();
		else if (named)
			gvpn_policy_apply_peer(named);
	} else if (abbreviates(words[at], "bgp")) {
		gvpn_policy_follow();
	}
}

/* Nothing is sent before this: bgpd's updates go out from the event loop. */
static int on_command_done(struct vty *vty, const char *command)
{
	if (vty->node >= CONFIG_NODE)
		gvpn_rmap_changed();
	if (vty->node < BGP_NODE || vty->node > BGP_SRV6_NODE)
		return 0;
	follow_neighbors(command);
	gvpn_group_recheck();
	/* The rest once, after the last one of many. */
	event_cancel(&t_config);
	event_add_timer_msec(gvpn.master, config_run, NULL, GVPN_CONFIG_WAIT,
			     &t_config);
	return 0;
}

static int on_peer_status(struct peer *peer)
{
	if (gvpn_peer_status(peer) == Deleted) {
		gvpn_drop_forget(peer);
		gvpn_policy_forget_peer(peer);
		gvpn_neighbor_forget_peer(peer);
		return 0;
	}
	if (gvpn_peer_status(peer) < Established)
		gvpn_drop_forget(peer);
	gvpn_defer_peer(peer);
	gvpn_policy_apply_peer(peer);
	return 0;
}

static int on_config_end(struct bgp *bgp)
{
	config_done();
	return 0;
}

static void default_instance_delete(struct bgp *bgp)
{
	struct gvpn_bind *bind;

	gvpn_static_forget();
	gvpn_defer_stop();
	gvpn_heard_forget_vpn();
	gvpn_discovery_forget_vpn();
	gvpn_rr_forget_bgp();
	frr_each (gvpn_binds, gvpn.binds, bind)
		gvpn_export_forget_vpn(bind);
	gvpn.attr_type = GV_ATTR_TYPE_DEFAULT;
	gvpn.reflector = false;
	XFREE(MTYPE_GROUPVPN_SOCKET, gvpn.socket_path);
}

static int on_instance_delete(struct bgp *bgp)
{
	struct gvpn_bind *bind;

	frr_each (gvpn_binds, gvpn.binds, bind) {
		if (bind->bgp == bgp && bind->group)
			gvpn_heard_forget_injected(bind->group);
	}
	if (bgp->inst_type == BGP_INSTANCE_TYPE_DEFAULT)
		default_instance_delete(bgp);
	frr_each_safe (gvpn_binds, gvpn.binds, bind) {
		if (bind->bgp == bgp)
			gvpn_bind_free(bind);
	}
	gvpn_zebra_forget_bgp(bgp);
	gvpn_queue_forget(bgp);
	gvpn_ctl_update();
	return 0;
}

/* bgpd ends; its instances are still there. */
static int on_fini(void)
{
	event_cancel(&t_config);
	gvpn.reflector = false;
	gvpn.statics = 0;
	gvpn_defer_stop();
	gvpn_group_fini();
	gvpn_route_fini();
	gvpn_policy_apply();
	gvpn_neighbor_fini();
	gvpn_queue_fini();
	gvpn_rmap_fini();
	gvpn_restart_fini();
	gvpn_zebra_fini();
	gvpn_ctl_fini();
	gvpn_hand_fini();
	XFREE(MTYPE_GROUPVPN_SOCKET, gvpn.socket_path);
	return 0;
}

static void commands_install(void)
{
	install_element(BGP_NODE, &gvpn_attribute_type_cmd);
	install_element(BGP_NODE, &no_gvpn_attribute_type_cmd);
	install_element(BGP_NODE, &gvpn_reflector_cmd);
	install_element(BGP_NODE, &gvpn_socket_cmd);
	install_element(BGP_NODE, &no_gvpn_socket_cmd);
	install_element(BGP_NODE, &gvpn_member_cmd);
	install_element(BGP_NODE, &no_gvpn_member_cmd);
	install_element(BGP_NODE, &gvpn_member_plain_cmd);
	install_element(BGP_NODE, &gvpn_member_rmap_cmd);
	install_element(BGP_NODE, &no_gvpn_member_rmap_cmd);
	install_element(ENABLE_NODE, &gvpn_debug_bgp_cmd);
	install_element(CONFIG_NODE, &gvpn_debug_bgp_cmd);
	gvpn_show_init();
	gvpn_neighbor_init();
	gvpn_static_init();
}

static int on_late_init(struct event_loop *master)
{
	gvpn.master = master;
	gvpn_group_init();
	gvpn_path_init();
	gvpn_route_init();
	gvpn_hand_init();
	gvpn_discovery_init();
	gvpn_zebra_init();
	gvpn_ctl_init();
	gvpn_policy_init();
	gvpn_queue_init();

	commands_install();
	wrap_config_write(BGP_NODE, &bgp_config_write_stock,
			  bgp_config_write_wrapped);
	wrap_config_write(DEBUG_NODE, &debug_config_write_stock,
			  debug_config_write_wrapped);
	hook_register(bgp_inst_config_write, on_config_write);
	hook_register(bgp_inst_delete, on_instance_delete);
	hook_register(bgp_config_end, on_config_end);
	hook_register(peer_status_changed, on_peer_status);
	hook_register(cmd_execute_done, on_command_done);
	hook_register(frr_early_fini, on_fini);
	return 0;
}

/* The module shares bgpd's structures, whose layout is nobody's promise. */
static bool is_of_this_version(void)
{
	const struct frrmod_runtime *module;

	for (module = frrmod_list; module; module = module->next) {
		if (module->info && strcmp(module->info->name, "bgpd") == 0)
			break;
	}
	if (!module) {
		fprintf(stderr,
			"bgpd_groupvpn: this module is for bgpd only\n");
		return false;
	}
	if (strcmp(module->info->version, FRR_VERSION) != 0) {
		fprintf(stderr,
			"bgpd_groupvpn: built for FRR %s, but this is bgpd %s; "
			"rebuild groupvpn with --with-frr-source= pointing at "
			"the source of FRR %s\n",
			FRR_VERSION, module->info->version,
			module->info->version);
		return false;
	}
	return true;
}

static int bgpd_groupvpn_init(void)
{
	/* Not to go on is what bgpd does with a module that fails; but it
	 * unloads it first, and falls over what that leaves behind. */
	if (!is_of_this_version())
		exit(EXIT_FAILURE);
	hook_register(frr_late_init, on_late_init);
	return 0;
}

FRR_MODULE_SETUP(.name = "bgpd_groupvpn", .version = FRR_VERSION,
		 .description = "self-configuring secure group VPN",
		 .init = bgpd_groupvpn_init, );
