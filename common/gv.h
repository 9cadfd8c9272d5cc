/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * groupvpn: the types that both plugins and every encoder share.
 *
 * Identifiers are host byte order in memory and network byte order on every
 * wire.  An address keeps the bytes of the wire.  Nothing here allocates.
 */
#ifndef GV_H
#define GV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest name of a group (swanctl.conf section), without the NUL. */
#define GV_NAME_MAX 31
/* Longest interface or VRF name, without the NUL (IFNAMSIZ - 1). */
#define GV_IFNAME_MAX 15
/* Longest printed identity or reason, without the NUL; longer is truncated. */
#define GV_TEXT_MAX 255

/* Longest list of members that one names, without the NUL: identities, labels
 * and gateway addresses, separated by commas. */
#define GV_PEERS_MAX 1000

/* Most addresses at which a group's key server may be, by what BGP says. */
#define GV_HINTS_MAX 4

#define GV_SECRET_LEN 32	   /* group secret, route secret, PRK: octets */
#define GV_MAC_LEN 16		   /* HMAC-SHA-512/256-128: octets */
#define GV_SENDER_ID_MAX 0xffffffu /* Sender-IDs are 24 bit, 0 is not used */
#define GV_MEMBER_ID_GCKS 0	   /* the S/R device itself */
#define GV_TAG_MIN 0x10		   /* top octet of a group SPI, see keys.h */
#define GV_TAG_MAX 0xbf

/* A gateway: an IPv4 (len 4) or IPv6 (len 16) address, network byte order;
 * len 0 means "none". */
struct gv_addr {
	uint8_t len;
	uint8_t bytes[16];
};

bool gv_addr_equal(const struct gv_addr *a, const struct gv_addr *b);

/* Below, above or 0: IPv4 comes before IPv6, and then the lower one. */
int gv_addr_cmp(const struct gv_addr *a, const struct gv_addr *b);

/* Parses "192.0.2.1" or "2001:db8::1"; false for anything else. */
bool gv_addr_parse(const char *text, struct gv_addr *addr);

/* Prints into buf (size at least GV_ADDR_STRLEN), "none" for len 0; returns
 * buf. */
#define GV_ADDR_STRLEN 46
const char *gv_addr_print(const struct gv_addr *addr, char *buf, size_t size);

/* A usable group or interface name: 1..max characters of [A-Za-z0-9_.-], not
 * beginning with '-' or '.'. */
bool gv_name_valid(const char *name, size_t max);

/* Whether a list of members is empty or names this one: its identity or label
 * ("" if it has none), case apart, or its gateway. */
bool gv_peers_name(const char *peers, const char *identity, const char *label,
		   const struct gv_addr *gateway);

#endif /* GV_H */
