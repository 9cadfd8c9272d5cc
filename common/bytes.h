/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bounded reader and a bounded writer for network byte order.
 *
 * Both carry their own failure: after the first read past the end (write past
 * the capacity) every later call does nothing, returns zero/NULL/false, and
 * ok stays false; so a decoder may read a whole structure and check once.
 * Neither owns the memory it works on.
 */
#ifndef GV_BYTES_H
#define GV_BYTES_H

#include "gv.h"

struct gv_reader {
	const uint8_t *pos;
	size_t left;
	bool ok;
};

struct gv_writer {
	uint8_t *buf;
	size_t size; /* capacity */
	size_t len;  /* written so far */
	bool ok;
};

void gv_reader_init(struct gv_reader *r, const void *data, size_t len);
uint8_t gv_get8(struct gv_reader *r);
uint16_t gv_get16(struct gv_reader *r);
uint32_t gv_get24(struct gv_reader *r);
uint32_t gv_get32(struct gv_reader *r);
uint64_t gv_get64(struct gv_reader *r);
/* A pointer into the reader's data, valid as long as that is; NULL if fewer
 * than len octets are left (never NULL when len is 0 and ok is true). */
const uint8_t *gv_get_bytes(struct gv_reader *r, size_t len);
/* Cuts len octets off into sub; false (and both not ok) if they are not there. */
bool gv_get_sub(struct gv_reader *r, size_t len, struct gv_reader *sub);
/* ok, and everything was read. */
bool gv_reader_done(const struct gv_reader *r);

void gv_writer_init(struct gv_writer *w, void *buf, size_t size);
void gv_put8(struct gv_writer *w, uint8_t v);
void gv_put16(struct gv_writer *w, uint16_t v);
void gv_put24(struct gv_writer *w, uint32_t v);
void gv_put32(struct gv_writer *w, uint32_t v);
void gv_put64(struct gv_writer *w, uint64_t v);
void gv_put_bytes(struct gv_writer *w, const void *data, size_t len);
/* Leaves room for a 16 bit length; gv_close16 fills it with the number of
 * octets written since the mark plus extra (extra: octets before or in the
 * field that the protocol counts too). Marks nest. */
size_t gv_open16(struct gv_writer *w);
void gv_close16(struct gv_writer *w, size_t mark, size_t extra);

#endif /* GV_BYTES_H */
