/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vtysh as a client of charon's management (doc/protocol.md, "Management").
 */
#ifndef VTYSH_GROUPVPN_CHARON_H
#define VTYSH_GROUPVPN_CHARON_H

#include "control.h"

struct vty;

/* What "vtysh -c" makes exit status 1 of; of CMD_WARNING it makes 0. */
#define GVPN_CHARON_FAILED CMD_WARNING_CONFIG_FAILED

/* Puts one command to charon and shows what it brings, or why it failed.
 * command has command, and name, member_id, identity and text as that needs
 * them, all valid; the rest is set here.  Waits for charon, but not for ever.
 * Returns CMD_SUCCESS or GVPN_CHARON_FAILED. */
int gvpn_charon(struct vty *vty, struct gv_ctl_msg *command, bool json);

#endif /* VTYSH_GROUPVPN_CHARON_H */
