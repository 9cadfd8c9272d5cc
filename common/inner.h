/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a site knows of its routes beyond their prefixes, for the INNER TLV of
 * the group attribute: path attributes that would tell others the site's inner
 * topology, so that they travel sealed.  doc/protocol.md, "Inner attributes".
 *
 *   { type(1) length(2) value }*, types rising
 *
 * with types and values as in BGP: ORIGIN (1), AS_PATH (2, with four-octet AS
 * numbers, RFC 6793), MULTI_EXIT_DISC (4), COMMUNITIES (8, RFC 1997) and LARGE
 * COMMUNITY (32, RFC 8092).  What has its default is left out, so that a route
 * of which there is nothing to tell has no octets at all.
 */
#ifndef GV_INNER_H
#define GV_INNER_H

#include "gv.h"

/* Octets that an encoding never exceeds. */
#define GV_INNER_MAX 1024

struct gv_inner {
	uint8_t origin; /* 0 IGP (default), 1 EGP, 2 incomplete */
	bool has_med;
	uint32_t med;
	/* Network byte order; in decoded ones they point into the octets.
	 * Lengths in octets, 0 = none. */
	const uint8_t *as_path; /* segments: type(1) count(1) AS(4)... */
	size_t as_path_len;
	const uint8_t *communities; /* 4 octets each */
	size_t communities_len;
	const uint8_t *large; /* 12 octets each */
	size_t large_len;
};

/* *len: capacity on entry, at most GV_INNER_MAX is used; length on return.
 * false: content not valid, or it does not fit. */
bool gv_inner_encode(const struct gv_inner *inner, uint8_t *out, size_t *len);

/* false: malformed; unknown types are skipped.  No octets are valid. */
bool gv_inner_decode(const uint8_t *in, size_t len, struct gv_inner *inner);

#endif /* GV_INNER_H */
