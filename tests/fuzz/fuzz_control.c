// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libFuzzer harness: messages of the control socket.  What decodes must
 * encode to something that decodes to the same.
 */
#include <stdlib.h>
#include <string.h>

#include "control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t buf[GV_CTL_MAX];
	static struct gv_ctl_msg msg, back;
	size_t len;

	if (gv_ctl_decode(data, size, &msg) != GV_CTL_OK)
		return 0;
	len = gv_ctl_encode(&msg, buf, sizeof(buf));
	if (!len || gv_ctl_decode(buf, len, &back) != GV_CTL_OK ||
	    memcmp(&msg, &back, sizeof(msg)))
		abort();
	return 0;
}
