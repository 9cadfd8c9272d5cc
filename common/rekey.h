/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * GSA_REKEY (RFC 9838 section 2.4.1): one message from the GCKS to all
 * members of a group, encrypted under the Rekey SA that they have and signed
 * by the GCKS.  doc/protocol.md, "GSA_REKEY".
 *
 *   HDR, SK { GSA, KD, AUTH }
 *
 * A message that changes the key tree (struct gv_gsa: wrapped) carries no data
 * SAs: their keys would be readable to those who are evicted by it.  They
 * follow in a second message, under the new KEK.
 */
#ifndef GV_REKEY_H
#define GV_REKEY_H

#include "gikev2.h"

/* Octets of one message, or of several, one after the other, the oldest first,
 * and what of them a descriptor's REKEY TLV has room for (parts.h). */
#define GV_REKEY_MAX 24000
#define GV_REKEY_PART_MAX 3016

enum gv_rekey_error {
	GV_REKEY_OK = 0,
	GV_REKEY_TRUNCATED,
	GV_REKEY_MALFORMED,	/* not a GSA_REKEY as we know it */
	GV_REKEY_OTHER_SA,	/* of a Rekey SA that we do not have */
	GV_REKEY_MISSED,	/* of the next Rekey SA: we missed its keys */
	GV_REKEY_FORGED,	/* integrity check fails under the KEK */
	GV_REKEY_BAD_SIGNATURE, /* from a member, not from the GCKS */
	GV_REKEY_REPLAYED,	/* Message-ID was used before */
	GV_REKEY_EXCLUDED,	/* no key of ours leads to the new KEK */
	GV_REKEY_BAD_CONTENT,	/* GSA and KD: enum gv_gikev2_error says why */
	GV_REKEY_ERRORS
};
const char *gv_rekey_error_text(enum gv_rekey_error error);

/* Draws SPI and keys of a new Rekey SA; the rest is zero. */
bool gv_kek_new(struct gv_kek *kek);

/* GCKS: gsa as a message under kek with its next Message-ID, which rises; what
 * is in kek must be stored before the message is given away.  The same input
 * always gives the same message.  *len: capacity on entry, length on return,
 * 0 on failure: content not valid (gv_gsa_check()), data SAs without lifetime
 * or together with a changed key tree, or no room. */
bool gv_rekey_encode(struct gv_kek *kek,
		     const uint8_t private_key[GV_SIGN_KEY_LEN],
		     const struct gv_gsa *gsa, uint8_t *msg, size_t *len);

/* Length of the first message in data, 0 if it is not whole. */
size_t gv_rekey_first(const uint8_t *data, size_t len);

/* Member: checks and decodes one message under kek, which it has from its
 * registration or from an earlier message, and then moves kek's Message-ID and
 * the receiver's path on.  gsa->kek, if there is one, is the SA to use for
 * what follows; it has the public key that is then valid.  *why (may be NULL):
 * GV_GIKEV2_OK, or with GV_REKEY_BAD_CONTENT the reason.  On any error nothing
 * has changed, and gsa is wiped. */
enum gv_rekey_error gv_rekey_decode(struct gv_kek *kek, uint32_t group_id,
				    const struct gv_gsa_receiver *receiver,
				    const uint8_t *msg, size_t len,
				    struct gv_gsa *gsa,
				    enum gv_gikev2_error *why);

#endif /* GV_REKEY_H */
