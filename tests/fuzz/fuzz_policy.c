// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libFuzzer harness: lines of a policy server.  What is taken of them is
 * terminated, printable, and makes sense.
 */
#include <stdlib.h>
#include <string.h>

#include "groupvpn_policy_json.h"

static void check_text(const char *text, size_t size)
{
	size_t len = strnlen(text, size);

	if (len == size)
		abort();
	while (len--)
		if (text[len] < ' ' || text[len] > '~')
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct policy_answer a;

	if (policy_json_parse((const char *)data, size, &a))
		return 0;
	check_text(a.reason, sizeof(a.reason));
	check_text(a.label, sizeof(a.label));
	check_text(a.group, sizeof(a.group));
	if (a.id && a.allow && !a.send && !a.receive)
		abort();
	return 0;
}
