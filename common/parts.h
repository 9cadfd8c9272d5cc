/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What does not fit into one descriptor goes into several: the parts of a set
 * of GSA_REKEY messages, each in a descriptor of its own NLRI.
 * doc/protocol.md, "Group attribute".
 *
 * BGP brings each part by itself, in any order, and replaces them one by one.
 * So each says which set it is of, by octets that follow from the whole of it,
 * and nothing is used unless all parts of one set are there.
 */
#ifndef GV_PARTS_H
#define GV_PARTS_H

#include "rekey.h"

/* Parts of a set, and octets of one of several. */
#define GV_PARTS_MAX 8
#define GV_PART_LEN 3000

#define GV_PART_SET_LEN 8

_Static_assert(GV_PARTS_MAX *GV_PART_LEN == GV_REKEY_MAX,
	       "room for all messages, and no more");

struct gv_part {
	uint8_t number;		      /* from 0 on */
	uint8_t count;		      /* of the set, 1 if all is in this one */
	uint8_t set[GV_PART_SET_LEN]; /* zero if count is 1 */
	const uint8_t *data;	      /* in the caller's memory */
	size_t len;
};

/* Takes apart 1 to GV_REKEY_MAX octets, which the parts then point into: one
 * part if a descriptor has room for all.  Returns their number, 0 on error. */
unsigned int gv_parts_split(const uint8_t *data, size_t len,
			    struct gv_part parts[GV_PARTS_MAX]);

/* Whether number, count and length are those of a part. */
bool gv_part_valid(const struct gv_part *part);

/* Puts a set together whose first part is first: the others are among the n
 * candidates, in any order and perhaps with others.  Returns the length, 0 if
 * they are not all there or are not what was taken apart. */
size_t gv_parts_join(const struct gv_part *first,
		     const struct gv_part *candidates, size_t n,
		     uint8_t data[GV_REKEY_MAX]);

#endif /* GV_PARTS_H */
