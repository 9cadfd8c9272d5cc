// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Prefixes, claims and lists, prefixes.h.  What comes from others is read by
 * the bounded reader and refused as a whole at the first wrong octet.
 */
#include "prefixes.h"

#include <stdio.h>
#include <string.h>

#define VERSION 1
#define KIND_CLAIM 1
#define KIND_LIST 2
#define LIST_HEAD_LEN 8
#define FLAGS_AT 2
#define STATE_AT 4

/* 0: no family. */
static unsigned int bits_of(const struct gv_prefix *prefix)
{
	switch (prefix->family) {
	case 4:
		return 32;
	case 6:
		return 128;
	default:
		return 0;
	}
}

static size_t octets_of(const struct gv_prefix *prefix)
{
	return (prefix->len + 7) / 8;
}

static bool length_is_valid(const struct gv_prefix *prefix)
{
	return bits_of(prefix) && prefix->len <= bits_of(prefix);
}

/* Of a valid length. */
static bool has_host_bits(const struct gv_prefix *prefix)
{
	for (unsigned int bit = prefix->len; bit < bits_of(prefix); bit++)
		if (prefix->bytes[bit / 8] & 0x80 >> bit % 8)
			return true;
	return false;
}

/* ------------------------------------------------------------------------
 * Prefixes
 */

bool gv_prefix_parse(const char *text, struct gv_prefix *prefix)
{
	char address[GV_ADDR_STRLEN];
	const char *slash = strchr(text, '/');
	struct gv_addr addr;
	unsigned int len = 0;

	if (!slash || (size_t)(slash - text) >= sizeof(address) || !slash[1] ||
	    strlen(slash + 1) > 3)
		return false;
	memcpy(address, text, slash - text);
	address[slash - text] = '\0';
	for (const char *digit = slash + 1; *digit; digit++) {
		if (*digit < '0' || *digit > '9')
			return false;
		len = 10 * len + (*digit - '0');
	}
	if (!gv_addr_parse(address, &addr) || len > 8u * addr.len)
		return false;

	memset(prefix, 0, sizeof(*prefix));
	prefix->family = addr.len == 4 ? 4 : 6;
	prefix->len = len;
	memcpy(prefix->bytes, addr.bytes, addr.len);
	return true;
}

const char *gv_prefix_print(const struct gv_prefix *prefix, char *buf,
			    size_t size)
{
	struct gv_addr addr = {.len = bits_of(prefix) / 8};
	char address[GV_ADDR_STRLEN];

	memcpy(addr.bytes, prefix->bytes, addr.len);
	snprintf(buf, size, "%s/%u",
		 gv_addr_print(&addr, address, sizeof(address)), prefix->len);
	return buf;
}

int gv_prefix_cmp(const struct gv_prefix *a, const struct gv_prefix *b)
{
	int ret = a->family - b->family;

	if (!ret)
		ret = memcmp(a->bytes, b->bytes, sizeof(a->bytes));
	return ret ? ret : a->len - b->len;
}

static bool covers(const struct gv_prefix *outer, const uint8_t *bytes)
{
	unsigned int whole = outer->len / 8, rest = outer->len % 8;

	if (memcmp(outer->bytes, bytes, whole))
		return false;
	return !rest || !((outer->bytes[whole] ^ bytes[whole]) >> (8 - rest));
}

bool gv_prefix_covers(const struct gv_prefix *outer,
		      const struct gv_prefix *inner)
{
	return outer->family == inner->family && outer->len <= inner->len &&
	       covers(outer, inner->bytes);
}

bool gv_prefix_covers_addr(const struct gv_prefix *outer,
			   const struct gv_addr *addr)
{
	return addr->len && 8u * addr->len == bits_of(outer) &&
	       covers(outer, addr->bytes);
}

bool gv_prefix_is_unicast(const struct gv_prefix *prefix)
{
	const uint8_t *octets = prefix->bytes;

	if (prefix->family == 4)
		return octets[0] != 127 && octets[0] < 224 &&
		       (octets[0] != 0 || prefix->len < 8);
	/* ::/8, fe80::/10, ff00::/8 */
	return prefix->len < 8 ||
	       (octets[0] != 0 && octets[0] != 0xff &&
		(octets[0] != 0xfe || (octets[1] & 0xc0) != 0x80));
}

const char *gv_prefix_error_text(enum gv_prefix_error error)
{
	static const char *const texts[GV_PREFIX_ERRORS] = {
		[GV_PREFIX_OK] = "ok",
		[GV_PREFIX_LENGTH] = "its length is not possible",
		[GV_PREFIX_HOST_BITS] = "bits are set beyond its length",
		[GV_PREFIX_DEFAULT] = "it is the default route",
		[GV_PREFIX_NO_UNICAST] = "it is not a unicast prefix",
	};

	if ((unsigned int)error >= GV_PREFIX_ERRORS)
		return "unknown error";
	return texts[error];
}

enum gv_prefix_error gv_prefix_check(const struct gv_prefix *prefix)
{
	if (!length_is_valid(prefix))
		return GV_PREFIX_LENGTH;
	if (has_host_bits(prefix))
		return GV_PREFIX_HOST_BITS;
	if (!prefix->len)
		return GV_PREFIX_DEFAULT;
	return gv_prefix_is_unicast(prefix) ? GV_PREFIX_OK
					    : GV_PREFIX_NO_UNICAST;
}

void gv_put_prefix(struct gv_writer *w, const struct gv_prefix *prefix)
{
	if (!length_is_valid(prefix)) {
		w->ok = false;
		return;
	}
	gv_put8(w, prefix->family);
	gv_put8(w, prefix->len);
	gv_put_bytes(w, prefix->bytes, octets_of(prefix));
}

bool gv_get_prefix(struct gv_reader *r, struct gv_prefix *prefix)
{
	const uint8_t *octets;

	memset(prefix, 0, sizeof(*prefix));
	prefix->family = gv_get8(r);
	prefix->len = gv_get8(r);
	if (r->ok && !length_is_valid(prefix))
		r->ok = false;
	octets = r->ok ? gv_get_bytes(r, octets_of(prefix)) : NULL;
	if (!octets)
		return false;
	memcpy(prefix->bytes, octets, octets_of(prefix));
	if (has_host_bits(prefix))
		r->ok = false;
	return r->ok;
}

/* ------------------------------------------------------------------------
 * Claims and lists
 */

const char *gv_routes_error_text(enum gv_routes_error error)
{
	static const char *const texts[GV_ROUTES_ERRORS] = {
		[GV_ROUTES_OK] = "ok",
		[GV_ROUTES_TRUNCATED] = "truncated",
		[GV_ROUTES_BAD_VERSION] = "unknown version",
		[GV_ROUTES_BAD_KIND] = "of another kind",
		[GV_ROUTES_BAD_PREFIX] = "a malformed prefix, or a default "
					 "route, or not unicast",
		[GV_ROUTES_BAD_ORDER] =
			"prefixes not in rising order, or one of them twice",
		[GV_ROUTES_TOO_MANY] = "too many prefixes of one member",
		[GV_ROUTES_BAD_ENTRY] = "an identifier or gateway not allowed",
		[GV_ROUTES_TRAILING] = "octets after the end",
	};

	if ((unsigned int)error >= GV_ROUTES_ERRORS)
		return "unknown error";
	return texts[error];
}

static bool prefixes_are_valid(const struct gv_prefix *prefixes, size_t count)
{
	if (count > GV_PREFIXES_MAX)
		return false;
	for (size_t i = 0; i < count; i++)
		if (gv_prefix_check(&prefixes[i]) != GV_PREFIX_OK ||
		    (i && gv_prefix_cmp(&prefixes[i - 1], &prefixes[i]) >= 0))
			return false;
	return true;
}

static void put_prefixes(struct gv_writer *w, const struct gv_prefix *prefixes,
			 size_t count)
{
	gv_put16(w, count);
	for (size_t i = 0; i < count; i++)
		gv_put_prefix(w, &prefixes[i]);
}

static enum gv_routes_error
get_prefixes(struct gv_reader *r, struct gv_prefix prefixes[GV_PREFIXES_MAX],
	     size_t *count)
{
	size_t n = gv_get16(r);

	if (!r->ok)
		return GV_ROUTES_TRUNCATED;
	if (n > GV_PREFIXES_MAX)
		return GV_ROUTES_TOO_MANY;
	for (size_t i = 0; i < n; i++) {
		if (!r->left)
			return GV_ROUTES_TRUNCATED;
		if (!gv_get_prefix(r, &prefixes[i]) ||
		    gv_prefix_check(&prefixes[i]) != GV_PREFIX_OK)
			return GV_ROUTES_BAD_PREFIX;
		if (i && gv_prefix_cmp(&prefixes[i - 1], &prefixes[i]) >= 0)
			return GV_ROUTES_BAD_ORDER;
	}
	*count = n;
	return GV_ROUTES_OK;
}

static enum gv_routes_error get_head(struct gv_reader *r, uint8_t kind)
{
	uint8_t version = gv_get8(r);
	uint8_t found = gv_get8(r);

	if (!r->ok)
		return GV_ROUTES_TRUNCATED;
	if (version != VERSION)
		return GV_ROUTES_BAD_VERSION;
	return found == kind ? GV_ROUTES_OK : GV_ROUTES_BAD_KIND;
}

size_t gv_claim_encode(const struct gv_prefix *prefixes, size_t count,
		       uint8_t *buf, size_t size)
{
	struct gv_writer w;

	if (!prefixes_are_valid(prefixes, count))
		return 0;
	gv_writer_init(&w, buf, size);
	gv_put8(&w, VERSION);
	gv_put8(&w, KIND_CLAIM);
	put_prefixes(&w, prefixes, count);
	return w.ok ? w.len : 0;
}

enum gv_routes_error gv_claim_decode(const uint8_t *buf, size_t len,
				     struct gv_prefix prefixes[GV_PREFIXES_MAX],
				     size_t *count)
{
	enum gv_routes_error error;
	struct gv_reader r;
	size_t n = 0;

	*count = 0;
	gv_reader_init(&r, buf, len);
	error = get_head(&r, KIND_CLAIM);
	if (error == GV_ROUTES_OK)
		error = get_prefixes(&r, prefixes, &n);
	if (error == GV_ROUTES_OK && r.left)
		error = GV_ROUTES_TRAILING;
	if (error == GV_ROUTES_OK)
		*count = n;
	return error;
}

static bool entry_is_valid(const struct gv_list_entry *entry)
{
	if (!entry->member_id || entry->sender_id > GV_SENDER_ID_MAX)
		return false;
	if (!entry->sender_id)
		return !entry->gateway.len && !entry->count;
	return entry->gateway.len == 4 || entry->gateway.len == 16;
}

void gv_list_begin(struct gv_writer *w, uint8_t buf[GV_LIST_MAX])
{
	gv_writer_init(w, buf, GV_LIST_MAX);
	gv_put8(w, VERSION);
	gv_put8(w, KIND_LIST);
	gv_put8(w, 0);
	gv_put8(w, 0);
	gv_put32(w, 0);
}

bool gv_list_add(struct gv_writer *w, const struct gv_list_entry *entry)
{
	struct gv_writer before = *w;

	if (!entry_is_valid(entry) ||
	    !prefixes_are_valid(entry->prefixes, entry->count))
		return false;
	gv_put16(w, entry->member_id);
	gv_put24(w, entry->sender_id);
	gv_put8(w, entry->gateway.len);
	gv_put_bytes(w, entry->gateway.bytes, entry->gateway.len);
	put_prefixes(w, entry->prefixes, entry->count);
	if (!w->ok) {
		*w = before;
		return false;
	}
	return true;
}

size_t gv_list_end(struct gv_writer *w, uint8_t flags, uint32_t state)
{
	struct gv_writer head;

	w->buf[FLAGS_AT] = flags;
	gv_writer_init(&head, w->buf + STATE_AT, sizeof(state));
	gv_put32(&head, state);
	return w->len;
}

enum gv_routes_error gv_list_open(struct gv_reader *r, const uint8_t *buf,
				  size_t len, uint8_t *flags, uint32_t *state)
{
	enum gv_routes_error error;

	gv_reader_init(r, buf, len);
	error = get_head(r, KIND_LIST);
	*flags = gv_get8(r);
	gv_get8(r);
	*state = gv_get32(r);
	if (error == GV_ROUTES_OK && !r->ok)
		error = GV_ROUTES_TRUNCATED;
	return error;
}

enum gv_routes_error gv_list_next(struct gv_reader *r,
				  struct gv_list_entry *entry)
{
	enum gv_routes_error error;
	const uint8_t *gateway;
	size_t count = 0;

	memset(entry, 0, sizeof(*entry));
	entry->member_id = gv_get16(r);
	entry->sender_id = gv_get24(r);
	entry->gateway.len = gv_get8(r);
	if (!r->ok)
		return GV_ROUTES_TRUNCATED;
	if (entry->gateway.len > sizeof(entry->gateway.bytes))
		return GV_ROUTES_BAD_ENTRY;
	gateway = gv_get_bytes(r, entry->gateway.len);
	if (!gateway)
		return GV_ROUTES_TRUNCATED;
	memcpy(entry->gateway.bytes, gateway, entry->gateway.len);
	error = get_prefixes(r, entry->prefixes, &count);
	entry->count = count;
	if (error == GV_ROUTES_OK && !entry_is_valid(entry))
		error = GV_ROUTES_BAD_ENTRY;
	return error;
}

enum gv_routes_error gv_list_check(const uint8_t *buf, size_t len)
{
	struct gv_list_entry entry;
	enum gv_routes_error error;
	struct gv_reader r;
	uint32_t state;
	uint8_t flags;

	error = gv_list_open(&r, buf, len, &flags, &state);
	while (error == GV_ROUTES_OK && r.left)
		error = gv_list_next(&r, &entry);
	return error;
}
