// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The inner attributes of inner.h.  Both directions check the content alike.
 */
#include "inner.h"

#include <string.h>

#include "bytes.h"

enum type {
	ORIGIN = 1,
	AS_PATH = 2,
	MED = 4,
	COMMUNITIES = 8,
	LARGE_COMMUNITIES = 32,
};

#define ORIGIN_MAX 2
#define AS_LEN 4
/* RFC 4271 and RFC 5065: AS_SET to AS_CONFED_SET. */
#define SEGMENT_MIN 1
#define SEGMENT_MAX 4

static bool segments_valid(const uint8_t *as_path, size_t len)
{
	struct gv_reader r;

	gv_reader_init(&r, as_path, len);
	while (r.left) {
		uint8_t type = gv_get8(&r);
		uint8_t count = gv_get8(&r);

		if (type < SEGMENT_MIN || type > SEGMENT_MAX || !count ||
		    !gv_get_bytes(&r, (size_t)count * AS_LEN))
			return false;
	}
	return r.ok;
}

static bool valid(const struct gv_inner *inner)
{
	return inner->origin <= ORIGIN_MAX &&
	       segments_valid(inner->as_path, inner->as_path_len) &&
	       inner->communities_len % 4 == 0 && inner->large_len % 12 == 0;
}

static void put(struct gv_writer *w, enum type type, const void *value,
		size_t len)
{
	size_t mark;

	if (!len)
		return;
	gv_put8(w, type);
	mark = gv_open16(w);
	gv_put_bytes(w, value, len);
	gv_close16(w, mark, 0);
}

bool gv_inner_encode(const struct gv_inner *inner, uint8_t *out, size_t *len)
{
	uint8_t med[4] = {inner->med >> 24, inner->med >> 16, inner->med >> 8,
			  inner->med};
	struct gv_writer w;

	if (!valid(inner))
		return false;
	gv_writer_init(&w, out, *len < GV_INNER_MAX ? *len : GV_INNER_MAX);
	put(&w, ORIGIN, &inner->origin, inner->origin != 0);
	put(&w, AS_PATH, inner->as_path, inner->as_path_len);
	put(&w, MED, med, inner->has_med ? sizeof(med) : 0);
	put(&w, COMMUNITIES, inner->communities, inner->communities_len);
	put(&w, LARGE_COMMUNITIES, inner->large, inner->large_len);
	if (w.ok)
		*len = w.len;
	return w.ok;
}

static bool get(uint8_t type, struct gv_reader *r, struct gv_inner *inner)
{
	size_t len = r->left;
	const uint8_t *value;

	switch (type) {
	case ORIGIN:
		inner->origin = gv_get8(r);
		return gv_reader_done(r);
	case MED:
		inner->has_med = true;
		inner->med = gv_get32(r);
		return gv_reader_done(r);
	case AS_PATH:
	case COMMUNITIES:
	case LARGE_COMMUNITIES:
		break;
	default:
		return true;
	}

	value = gv_get_bytes(r, len);
	if (!len)
		return false;
	if (type == AS_PATH) {
		inner->as_path = value;
		inner->as_path_len = len;
	} else if (type == COMMUNITIES) {
		inner->communities = value;
		inner->communities_len = len;
	} else {
		inner->large = value;
		inner->large_len = len;
	}
	return true;
}

bool gv_inner_decode(const uint8_t *in, size_t len, struct gv_inner *inner)
{
	struct gv_inner got = {};
	unsigned int last = 0;
	struct gv_reader r;

	if (len > GV_INNER_MAX)
		return false;
	gv_reader_init(&r, in, len);
	while (r.left) {
		uint8_t type = gv_get8(&r);
		uint16_t size = gv_get16(&r);
		struct gv_reader value;

		if (!gv_get_sub(&r, size, &value) || type <= last ||
		    !get(type, &value, &got))
			return false;
		last = type;
	}
	if (!r.ok || !valid(&got))
		return false;
	*inner = got;
	return true;
}
