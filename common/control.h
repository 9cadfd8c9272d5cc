/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages between charon and bgpd on one host: a UNIX SOCK_SEQPACKET socket
 * that charon listens on.  One message is one packet:
 *
 *   version(1)=1 type(1) reserved(2)=0 generation(4) { type(2) length(2) value }*
 *
 * On connect each side sends HELLO, everything it has, then SYNC.  What the
 * receiver had before and was not repeated between HELLO and SYNC is gone.
 * A management client says no HELLO: it gets none of that, only the answers to
 * its COMMANDs.
 * generation: the sender's, drawn anew when the daemon starts, the same in
 * every message of a connection.  Messages after SYNC are changes.
 * Unknown TLVs are skipped, unknown message types ignored and counted, an
 * unknown version ends the connection with a log line.  doc/protocol.md,
 * "Control socket", has the TLVs.
 */
#ifndef GV_CONTROL_H
#define GV_CONTROL_H

#include "attr.h"
#include "rekey.h"
#include "seal.h"

#define GV_CTL_PATH "/run/charon.groupvpn.ctl"
#define GV_CTL_VERSION 1
/* Largest message: a descriptor's attribute and its header. */
#define GV_CTL_MAX 4096
/* Chains of GSA_REKEY messages of a group. */
#define GV_CTL_CHAINS_MAX 8
/* Octets of an answer in one message. */
#define GV_CTL_PART_MAX 4000
/* NLRIs in one message. */
#define GV_CTL_PREFIXES_MAX 64

enum gv_ctl_type {
	GV_CTL_HELLO = 1, /* both ways; text: the sender's version */
	GV_CTL_SYNC = 2,  /* both ways */

	/* charon -> bgpd */
	GV_CTL_GROUP = 10,	  /* a group is up, or what was said changes */
	GV_CTL_GROUP_DOWN = 11,	  /* group_id */
	GV_CTL_REGISTRATION = 12, /* GCKS: add or replace (group, member-ID) */
	GV_CTL_REGISTRATION_DOWN = 13, /* group_id, member_id, text: reason */
	GV_CTL_PEER_STATUS = 14,       /* member: ready or text: why not */
	/* GCKS: announce for a member that has no bgpd; the attribute tells
	 * what.  Several, and then one that ends them: what is announced for
	 * the member and was not among them goes. */
	GV_CTL_ORIGINATE = 15,
	GV_CTL_ORIGINATED = 16,
	/* GCKS: whether to be told what is heard of the group.  And back, as it
	 * came, when that was told. */
	GV_CTL_WANT = 27,
	/* GCKS, after GROUP: the descriptor of another part (parts.h) of its
	 * GSA_REKEY messages. */
	GV_CTL_DESCRIPTOR = 17,

	/* bgpd -> charon */
	GV_CTL_PEER = 20, /* member: another member is there (add/replace) */
	GV_CTL_PEER_DOWN = 21, /* group_id, member_id */
	/* The GSA_REKEY messages that this bgpd has of the group: a member's
	 * those of the descriptors that it hears, which may be several chains
	 * of messages, an S/R's those of the one that it announces; none if
	 * there are none.  A chain comes in parts, one after the other. */
	GV_CTL_REKEY = 22,
	/* S/R, if that is wanted: routes of a member, and those that are not
	 * there any more. */
	GV_CTL_HEARD = 25,
	GV_CTL_UNHEARD = 26,

	/* charon -> bgpd: the host is to be a member of a group of this name,
	 * what do its descriptors say; without a name: it is not any more */
	GV_CTL_DISCOVER = 23,
	/* bgpd -> charon, at once and when it changes: the gateways in the
	 * descriptors of such a group; they are not authenticated */
	GV_CTL_DISCOVERED = 24,

	/* management: client -> charon, and back */
	GV_CTL_COMMAND = 30,
	GV_CTL_ANSWER = 31, /* any number with a part of the answer, one
			       without any ends it */
};

enum gv_role { GV_ROLE_MEMBER = 1, GV_ROLE_GCKS = 2 };

/* One struct for all messages: a message uses the fields that its type names
 * below, the others are zero.  M = mandatory. */
struct gv_ctl_msg {
	uint8_t type; /* enum gv_ctl_type */
	uint32_t generation;
	uint32_t group_id;  /* M in all but HELLO, SYNC, COMMAND, ANSWER */
	uint16_t member_id; /* REGISTRATION*, PEER*: M, the member spoken of;
			       GROUP of a member: M, our own; COMMAND */
	uint32_t sender_id; /* REGISTRATION, PEER, PEER_STATUS: M; GROUP of a
			       member: M */
	struct gv_addr gateway; /* REGISTRATION, PEER: M; GROUP: M, our own */
	/* GROUP */
	uint8_t role;			/* M, enum gv_role */
	char name[GV_NAME_MAX + 1];	/* M, as in swanctl.conf; COMMAND,
					   DISCOVER */
	char vrf[GV_IFNAME_MAX + 1];	/* member; empty = default table */
	char device[GV_IFNAME_MAX + 1]; /* member: M, the group device */
	uint32_t epoch;			/* newest data epoch, for show */
	uint32_t sas;	       /* kernel states of the group, for show */
	uint32_t route_epoch;  /* member: M */
	bool has_route_secret; /* member: true */
	uint8_t route_secret[GV_SECRET_LEN];
	/* Member, while the route epoch changes: the one that comes next or
	 * went before.  Its routes are accepted, too. */
	uint32_t other_route_epoch; /* not route_epoch */
	bool has_other_route_secret;
	uint8_t other_route_secret[GV_SECRET_LEN];
	/* GROUP of a GCKS, DESCRIPTOR: M, a descriptor's group attribute value;
	 * ORIGINATE, HEARD: M, that of the routes. */
	uint8_t attr[GV_ATTR_MAX];
	size_t attr_len;
	/* GCKS: the descriptor goes to all neighbours, members or not */
	bool discovery_open;
	/* REGISTRATION: M, authenticated IKE identity; COMMAND */
	char identity[GV_TEXT_MAX + 1];
	/* REGISTRATION: what the policy server calls it; empty = nothing */
	char label[GV_NAME_MAX + 1];
	/* REGISTRATION: whom it names; empty = all */
	char peers[GV_PEERS_MAX + 1];
	bool ready; /* PEER_STATUS: SAs and neighbour are in the kernel; WANT */
	/* ORIGINATE, HEARD, UNHEARD: NLRIs; ORIGINATE: none if the attribute is
	 * of kind member, which has one of its own */
	struct gv_prefix prefixes[GV_CTL_PREFIXES_MAX];
	unsigned int prefix_count;
	/* REKEY: a part of a chain of messages; length 0 if there is none */
	uint8_t rekey[GV_REKEY_PART_MAX];
	size_t rekey_len;
	/* Which of how many it is, both from 0 on; chains 0: it is all. */
	uint8_t chain, chains, part_number, part_count;
	/* DISCOVERED: the preferred one first */
	struct gv_addr hints[GV_HINTS_MAX];
	unsigned int n_hints;
	/* HELLO, REGISTRATION_DOWN, PEER_STATUS; COMMAND: reason */
	char text[GV_TEXT_MAX + 1];
	/* COMMAND: M, one of those in doc/vici.md */
	char command[GV_NAME_MAX + 1];
	/* ANSWER: a part of JSON text, not terminated */
	char part[GV_CTL_PART_MAX];
	size_t part_len;
};

enum gv_ctl_error {
	GV_CTL_OK = 0,
	GV_CTL_TRUNCATED,
	GV_CTL_BAD_VERSION,
	GV_CTL_UNKNOWN_TYPE,
	GV_CTL_BAD_TLV, /* duplicate, wrong length or value out of range */
	GV_CTL_MISSING_TLV,
	GV_CTL_ERRORS
};
const char *gv_ctl_error_text(enum gv_ctl_error error);
const char *gv_ctl_type_text(uint8_t type);

/* Returns the length, 0 if the message lacks a mandatory field or does not
 * fit.  Control characters in identity and text become '?'.  Secrets travel in
 * clear on this socket: wipe the buffer. */
size_t gv_ctl_encode(const struct gv_ctl_msg *msg, uint8_t *buf, size_t size);
/* msg is zeroed first and wiped on any error (except its type, group_id and
 * generation, as far as they were read). */
enum gv_ctl_error gv_ctl_decode(const uint8_t *buf, size_t len,
				struct gv_ctl_msg *msg);

#endif /* GV_CONTROL_H */
