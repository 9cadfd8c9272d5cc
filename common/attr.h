/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The BGP group attribute: optional transitive, type code 255 unless
 * configured.  Its value, never its flags or length, is authenticated:
 * receivers on the way set PARTIAL.  doc/protocol.md, "Group attribute".
 *
 *   version(1)=1 kind(1) flags(2)=0 group-ID(4) member-ID(2) Sender-ID(3)
 *   reserved(1)=0 route epoch(4) { type(1) length(2) value }* MAC(16)
 *
 * The MAC is HMAC-SHA-512/256-128 under gv_mac_key() over everything before it.
 */
#ifndef GV_ATTR_H
#define GV_ATTR_H

#include "inner.h"
#include "parts.h"
#include "seal.h"

#define GV_ATTR_TYPE_DEFAULT 255
#define GV_ATTR_VERSION 1
/* Largest value: a 4096 octet BGP peer must be able to pass it. */
#define GV_ATTR_MAX 3072

enum gv_attr_kind {
	GV_KIND_DESCRIPTOR = 1, /* from the S/R: the group is here */
	GV_KIND_MEMBER = 2,	/* a member is here */
	GV_KIND_ROUTES = 3,	/* the NLRIs are a member's routes */
};

enum gv_attr_tlv {
	GV_TLV_GATEWAY = 1, /* 4 or 16 octets; in every kind: the member's
			       gateway, in a descriptor the GCKS */
	GV_TLV_SEALED = 2,  /* empty; routes: the NLRIs are sealed */
	GV_TLV_REKEY = 3,   /* descriptor: GSA_REKEY messages, or a part of
			       them, 1 to GV_REKEY_PART_MAX octets */
	GV_TLV_PREFIX = 4,  /* routes, sealed: an IPv6 prefix beyond /64 */
	GV_TLV_INNER = 5,   /* routes, sealed: what the site knows of them */
	GV_TLV_PART = 6,    /* descriptor: what part REKEY is (parts.h),
			       number(1) count(1) set(8) */
};

struct gv_attr {
	uint8_t kind;	    /* enum gv_attr_kind */
	uint32_t group_id;  /* not 0 */
	uint16_t member_id; /* 0 exactly in a descriptor */
	uint32_t sender_id; /* 24 bit; 0 exactly in a descriptor */
	uint32_t route_epoch;
	struct gv_addr gateway; /* present in every kind */
	bool sealed;
	/* Points into the decoded value; NULL if absent. */
	const uint8_t *rekey;
	size_t rekey_len;
	/* What part it is; count 0: all. */
	uint8_t part_number, part_count;
	uint8_t part_set[GV_PART_SET_LEN];
	const uint8_t *prefix; /* GV_SEALED_PREFIX_LEN octets */
	const uint8_t *inner;  /* sealed, of gv_seal_inner() */
	size_t inner_len;
};

enum gv_attr_error {
	GV_ATTR_OK = 0,
	GV_ATTR_TRUNCATED, /* shorter than header and MAC, or a TLV overruns */
	GV_ATTR_BAD_VERSION,
	GV_ATTR_BAD_KIND,
	GV_ATTR_BAD_ID,	 /* group-, member- or Sender-ID not allowed here */
	GV_ATTR_BAD_TLV, /* duplicate, wrong length, or a mandatory one absent;
			    or the value is longer than GV_ATTR_MAX */
	GV_ATTR_BAD_MAC, /* only from gv_attr_verify() */
	GV_ATTR_ERRORS
};
/* One short lower-case phrase, for logs and counters. */
const char *gv_attr_error_text(enum gv_attr_error error);

/* The part that a descriptor's REKEY TLV is; false if it has none. */
bool gv_attr_part(const struct gv_attr *attr, struct gv_part *part);

/* Encodes and authenticates; returns the length, 0 if it does not fit or the
 * content is not valid. */
size_t gv_attr_encode(const struct gv_attr *attr,
		      const uint8_t mac_key[GV_SECRET_LEN], uint8_t *value,
		      size_t size);

/* Checks the form and decodes; unknown TLVs are skipped.  Does not check the
 * MAC: an S/R has no key. attr is filled only on GV_ATTR_OK. */
enum gv_attr_error gv_attr_decode(const uint8_t *value, size_t len,
				  struct gv_attr *attr);

/* GV_ATTR_OK, GV_ATTR_TRUNCATED or GV_ATTR_BAD_MAC. */
enum gv_attr_error gv_attr_verify(const uint8_t *value, size_t len,
				  const uint8_t mac_key[GV_SECRET_LEN]);

#endif /* GV_ATTR_H */
