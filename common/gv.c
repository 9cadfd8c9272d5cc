// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Addresses and names: the parts of gv.h that are not types.
 */
#include "gv.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

bool gv_addr_equal(const struct gv_addr *a, const struct gv_addr *b)
{
	return gv_addr_cmp(a, b) == 0;
}

int gv_addr_cmp(const struct gv_addr *a, const struct gv_addr *b)
{
	return a->len == b->len ? memcmp(a->bytes, b->bytes, a->len)
				: a->len - b->len;
}

bool gv_addr_parse(const char *text, struct gv_addr *addr)
{
	struct gv_addr parsed = {};

	if (inet_pton(AF_INET, text, parsed.bytes) == 1)
		parsed.len = 4;
	else if (inet_pton(AF_INET6, text, parsed.bytes) == 1)
		parsed.len = 16;
	else
		return false;
	*addr = parsed;
	return true;
}

const char *gv_addr_print(const struct gv_addr *addr, char *buf, size_t size)
{
	int family = addr->len == 4 ? AF_INET : AF_INET6;

	if ((addr->len != 4 && addr->len != 16) ||
	    !inet_ntop(family, addr->bytes, buf, size))
		snprintf(buf, size, "none");
	return buf;
}

static bool name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

bool gv_name_valid(const char *name, size_t max)
{
	size_t len = 0;

	if (name[0] == '-' || name[0] == '.')
		return false;
	for (; name[len]; len++)
		if (len == max || !name_char(name[len]))
			return false;
	return len > 0;
}

static bool equals(const char *item, size_t len, const char *text)
{
	return strlen(text) == len && strncasecmp(item, text, len) == 0;
}

bool gv_peers_name(const char *peers, const char *identity, const char *label,
		   const struct gv_addr *gateway)
{
	char address[GV_ADDR_STRLEN];

	if (!peers[0])
		return true;
	gv_addr_print(gateway, address, sizeof(address));
	while (*peers) {
		size_t len = strcspn(peers, ",");

		if (len &&
		    (equals(peers, len, identity) ||
		     equals(peers, len, label) || equals(peers, len, address)))
			return true;
		peers += len + (peers[len] == ',');
	}
	return false;
}
