/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Routes with the keys: the prefixes that a member without a bgpd tells its
 * GCKS when it registers, and the lists of the other members' that it gets
 * back.  doc/protocol.md, "Routes with the keys".
 *
 * A prefix on the wire is family(1) = 4 or 6, length(1) in bits, and as many
 * octets as these bits take, host bits zero.  Prefixes of one member rise
 * strictly, by gv_prefix_cmp(): so none is there twice.
 *
 * claim: version(1) = 1  kind(1) = 1  count(2)  { prefix }*
 * list:  version(1) = 1  kind(1) = 2  flags(1)  reserved(1)  state(4)
 *        { member-ID(2)  Sender-ID(3)  length(1)  gateway(0, 4 or 16)
 *          count(2)  { prefix }* }*
 *
 * Which prefixes somebody may claim is not decided here.
 */
#ifndef GV_PREFIXES_H
#define GV_PREFIXES_H

#include "bytes.h"
#include "seal.h"

/* Prefixes of one member, in a claim as in a list. */
#define GV_PREFIXES_MAX 256
/* Octets of a prefix, a claim, an entry of a list. */
#define GV_PREFIX_WIRE_MAX 18
#define GV_CLAIM_MAX (4 + GV_PREFIXES_MAX * GV_PREFIX_WIRE_MAX)
#define GV_LIST_ENTRY_MAX (24 + GV_PREFIXES_MAX * GV_PREFIX_WIRE_MAX)
/* Octets of a list: one entry has room in any.  charon takes no IKE message
 * of more than 10000 octets (max_packet). */
#define GV_LIST_MAX 4800

/* "10.1.0.0/24, 2001:db8:1::/48": one of them.  false for anything else; host
 * bits are kept, gv_prefix_check() finds them. */
bool gv_prefix_parse(const char *text, struct gv_prefix *prefix);
/* Prints into buf (size at least GV_PREFIX_STRLEN); returns buf. */
#define GV_PREFIX_STRLEN (GV_ADDR_STRLEN + 4)
const char *gv_prefix_print(const struct gv_prefix *prefix, char *buf,
			    size_t size);
/* An order of all prefixes: IPv4 first, by address, shorter first. */
int gv_prefix_cmp(const struct gv_prefix *a, const struct gv_prefix *b);
/* Whether all of inner, or an address, is in outer. */
bool gv_prefix_covers(const struct gv_prefix *outer,
		      const struct gv_prefix *inner);
bool gv_prefix_covers_addr(const struct gv_prefix *outer,
			   const struct gv_addr *addr);
/* Not loopback, link-local, multicast or the like; the default route and its
 * parts (lengths below 8) are. */
bool gv_prefix_is_unicast(const struct gv_prefix *prefix);

enum gv_prefix_error {
	GV_PREFIX_OK = 0,
	GV_PREFIX_LENGTH,    /* more bits than the family has, or no family */
	GV_PREFIX_HOST_BITS, /* 10.1.2.3/24 */
	GV_PREFIX_DEFAULT,   /* 0.0.0.0/0, ::/0 */
	GV_PREFIX_NO_UNICAST,
	GV_PREFIX_ERRORS
};
const char *gv_prefix_error_text(enum gv_prefix_error error);
/* Whether a member may have it. */
enum gv_prefix_error gv_prefix_check(const struct gv_prefix *prefix);

/* The encoding of one, whatever it is; reading fails (r->ok) on an unknown
 * family, too many bits, and host bits. */
void gv_put_prefix(struct gv_writer *w, const struct gv_prefix *prefix);
bool gv_get_prefix(struct gv_reader *r, struct gv_prefix *prefix);

enum gv_routes_error {
	GV_ROUTES_OK = 0,
	GV_ROUTES_TRUNCATED,
	GV_ROUTES_BAD_VERSION,
	GV_ROUTES_BAD_KIND,   /* a claim where a list belongs, or the reverse */
	GV_ROUTES_BAD_PREFIX, /* malformed, or one that nobody may have */
	GV_ROUTES_BAD_ORDER,  /* prefixes do not rise, or one is there twice */
	GV_ROUTES_TOO_MANY,   /* prefixes of a member */
	GV_ROUTES_BAD_ENTRY,  /* identifiers or gateway */
	GV_ROUTES_TRAILING,   /* octets after the end */
	GV_ROUTES_ERRORS
};
const char *gv_routes_error_text(enum gv_routes_error error);

/* prefixes: rising, count at most GV_PREFIXES_MAX.  Returns the length, 0 if
 * they are not valid or do not fit. */
size_t gv_claim_encode(const struct gv_prefix *prefixes, size_t count,
		       uint8_t *buf, size_t size);
/* *count is 0 on any error. */
enum gv_routes_error gv_claim_decode(const uint8_t *buf, size_t len,
				     struct gv_prefix prefixes[GV_PREFIXES_MAX],
				     size_t *count);

/* What a list says of one member. */
struct gv_list_entry {
	uint16_t member_id; /* not 0 */
	/* 0, without gateway and prefixes: it is no member any more, or none
	 * that the receiver may know. */
	uint32_t sender_id;
	struct gv_addr gateway;
	unsigned int count;
	struct gv_prefix prefixes[GV_PREFIXES_MAX]; /* rising */
};

enum gv_list_flag {
	GV_LIST_BEGIN = 1 << 0, /* all members follow, in this and others */
	GV_LIST_END = 1 << 1,	/* these were all; who was not named is none */
};

/* Begins a list in a buffer of GV_LIST_MAX octets. */
void gv_list_begin(struct gv_writer *w, uint8_t buf[GV_LIST_MAX]);
/* false, and the list as it was: it does not fit, or is not valid. */
bool gv_list_add(struct gv_writer *w, const struct gv_list_entry *entry);
/* state: what the receiver knows with this list, see doc/protocol.md.  Returns
 * the length. */
size_t gv_list_end(struct gv_writer *w, uint8_t flags, uint32_t state);

/* Reads the head; then gv_list_next() reads one entry after the other, until
 * nothing is left (r->left).  gv_list_check() tells whether all of that would
 * go well. */
enum gv_routes_error gv_list_open(struct gv_reader *r, const uint8_t *buf,
				  size_t len, uint8_t *flags, uint32_t *state);
enum gv_routes_error gv_list_next(struct gv_reader *r,
				  struct gv_list_entry *entry);
enum gv_routes_error gv_list_check(const uint8_t *buf, size_t len);

#endif /* GV_PREFIXES_H */
