/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The preload object that brings the group VPN commands into the
 * distribution's vtysh.
 *
 * vtysh loads no modules.  Preloaded by the wrapper script, this object stands
 * before libfrr's vty_init_vtysh(), which vtysh calls once its nodes are there
 * and before it reads anything, and loads vtysh_groupvpn_cmds.so from the
 * folder that it lies in itself.  It depends on libc only, for vtysh's
 * children (the pager, ssh, ping) would inherit it; so it also takes itself
 * out of their environment.  In any other process it does nothing.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TABLE "vtysh_groupvpn_cmds.so"

void vty_init_vtysh(void);

__attribute__((constructor)) static void leave_environment(void)
{
	const char *rest = getenv("GROUPVPN_LD_PRELOAD");

	if (rest && rest[0])
		setenv("LD_PRELOAD", rest, 1);
	else
		unsetenv("LD_PRELOAD");
	unsetenv("GROUPVPN_LD_PRELOAD");
}

static void load_table(void)
{
	char folder[PATH_MAX], path[PATH_MAX + sizeof(TABLE)];
	void (*install)(void);
	void *table;
	Dl_info self;

	if (!dladdr((void *)load_table, &self) ||
	    !realpath(self.dli_fname, folder))
		return;
	snprintf(path, sizeof(path), "%s/%s", dirname(folder), TABLE);
	table = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	install = table ? (void (*)(void))dlsym(table, "vtysh_groupvpn_install")
			: NULL;
	if (install)
		install();
	else
		fprintf(stderr, "groupvpn: %s\n", dlerror());
}

__attribute__((visibility("default"))) void vty_init_vtysh(void)
{
	void (*stock)(void) =
		(void (*)(void))dlsym(RTLD_NEXT, "vty_init_vtysh");

	if (stock)
		stock();
	load_table();
}
