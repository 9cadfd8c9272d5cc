/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SAg, the transforms that a member can do (RFC 9838 sections 2.3.3 and 4.3):
 * the body of an IKEv2 SA payload (RFC 7296 section 3.3) whose SPIs are empty,
 * without the generic payload header, which the carrier adds.
 *
 * Nothing is negotiated with it: the GCKS compares it with the group's policy.
 * A receiver skips what it does not know (other protocols, transforms and
 * attributes), because it is a list of possibilities.
 */
#ifndef GV_SAG_H
#define GV_SAG_H

#include "gikev2.h"

/* Octets of a body written here with that many proposals never exceed this. */
#define GV_SAG_BODY_MAX(proposals) ((proposals)*52 + 64)

/* One proposal for each cipher, of which esn is ignored, with the sequence
 * numbers of SAs that are derived and, with GV_CAN_SHARED, shared; with
 * GV_CAN_REKEY_SA one for the Rekey SA.  can: of enum gv_can.  Returns the
 * length, 0 = does not fit or there is no cipher. */
size_t gv_sag_encode(const struct gv_esp_proposal *esp, size_t count,
		     unsigned int can, uint8_t *body, size_t size);

enum gv_sag_result {
	GV_SAG_OK,	 /* the member can do the policy */
	GV_SAG_NO_MATCH, /* it can not */
	GV_SAG_MALFORMED,
};

/* Whether the body has a proposal that the cipher and sequence numbers of a
 * group's data SAs come from. */
enum gv_sag_result gv_sag_check(const uint8_t *body, size_t len,
				const struct gv_esp_proposal *esp,
				uint8_t sa_mode);

/* What the member can do, for a log: its ESP proposals as "encr 20/256 sn 0+1",
 * transform IDs as of IANA.  Cut off where it does not fit; always terminated
 * if size is not 0. */
void gv_sag_describe(const uint8_t *body, size_t len, char *text, size_t size);

#endif /* GV_SAG_H */
