// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libFuzzer harness: what a member says it can do, SAg.
 *
 *   length of the text(1) SAg
 *
 * What is malformed matches nothing, and the description stays within its
 * bounds whatever they are.
 */
#include <stdlib.h>
#include <string.h>

#include "sag.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct gv_esp_proposal gcm = {20, 256, 0, false};
	static const struct gv_esp_proposal cbc = {12, 128, 12, false};
	char *text;

	if (!size)
		return 0;
	text = malloc(data[0] + 1);
	if (!text)
		abort();
	if ((gv_sag_check(data + 1, size - 1, &gcm, GV_SA_DERIVED) ==
	     GV_SAG_MALFORMED) !=
	    (gv_sag_check(data + 1, size - 1, &cbc, GV_SA_SHARED) ==
	     GV_SAG_MALFORMED))
		abort();
	gv_sag_describe(data + 1, size - 1, text, data[0] + 1);
	if (strlen(text) > data[0])
		abort();
	free(text);
	return 0;
}
