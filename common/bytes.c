// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The bounded reader and writer of bytes.h: the only place where a decoder or
 * an encoder of this library moves a pointer.
 */
#include "bytes.h"

#include <string.h>

void gv_reader_init(struct gv_reader *r, const void *data, size_t len)
{
	/* An empty input may come as NULL; readers never return NULL for it. */
	r->pos = data ? data : (const uint8_t *)"";
	r->left = data ? len : 0;
	r->ok = data || !len;
}

const uint8_t *gv_get_bytes(struct gv_reader *r, size_t len)
{
	const uint8_t *pos = r->pos;

	if (!r->ok || len > r->left) {
		r->ok = false;
		return NULL;
	}
	r->pos += len;
	r->left -= len;
	return pos;
}

static uint64_t get(struct gv_reader *r, size_t len)
{
	const uint8_t *p = gv_get_bytes(r, len);
	uint64_t v = 0;

	if (!p)
		return 0;
	while (len--)
		v = v << 8 | *p++;
	return v;
}

uint8_t gv_get8(struct gv_reader *r)
{
	return get(r, 1);
}

uint16_t gv_get16(struct gv_reader *r)
{
	return get(r, 2);
}

uint32_t gv_get24(struct gv_reader *r)
{
	return get(r, 3);
}

uint32_t gv_get32(struct gv_reader *r)
{
	return get(r, 4);
}

uint64_t gv_get64(struct gv_reader *r)
{
	return get(r, 8);
}

bool gv_get_sub(struct gv_reader *r, size_t len, struct gv_reader *sub)
{
	const uint8_t *p = gv_get_bytes(r, len);

	gv_reader_init(sub, p, len);
	sub->ok = p != NULL;
	return sub->ok;
}

bool gv_reader_done(const struct gv_reader *r)
{
	return r->ok && !r->left;
}

void gv_writer_init(struct gv_writer *w, void *buf, size_t size)
{
	w->buf = buf;
	w->size = size;
	w->len = 0;
	w->ok = true;
}

static uint8_t *claim(struct gv_writer *w, size_t len)
{
	uint8_t *p;

	if (!w->ok || len > w->size - w->len) {
		w->ok = false;
		return NULL;
	}
	p = w->buf + w->len;
	w->len += len;
	return p;
}

static void store(uint8_t *p, uint64_t v, size_t len)
{
	while (len--) {
		p[len] = (uint8_t)v;
		v >>= 8;
	}
}

static void put(struct gv_writer *w, uint64_t v, size_t len)
{
	uint8_t *p;

	/* A value that its field cannot hold is an error, not a wrap-around. */
	if (len < 8 && v >> (8 * len))
		w->ok = false;
	p = claim(w, len);
	if (p)
		store(p, v, len);
}

void gv_put8(struct gv_writer *w, uint8_t v)
{
	put(w, v, 1);
}

void gv_put16(struct gv_writer *w, uint16_t v)
{
	put(w, v, 2);
}

void gv_put24(struct gv_writer *w, uint32_t v)
{
	put(w, v, 3);
}

void gv_put32(struct gv_writer *w, uint32_t v)
{
	put(w, v, 4);
}

void gv_put64(struct gv_writer *w, uint64_t v)
{
	put(w, v, 8);
}

void gv_put_bytes(struct gv_writer *w, const void *data, size_t len)
{
	uint8_t *p = claim(w, len);

	if (p && len)
		memcpy(p, data, len);
}

size_t gv_open16(struct gv_writer *w)
{
	gv_put16(w, 0);
	return w->len;
}

void gv_close16(struct gv_writer *w, size_t mark, size_t extra)
{
	size_t len;

	if (!w->ok)
		return;
	len = w->len - mark + extra;
	if (len > UINT16_MAX) {
		w->ok = false;
		return;
	}
	store(w->buf + mark - 2, len, 2);
}
