/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bodies of the G-IKEv2 payloads (RFC 9838): IDg (50), GSA (51), KD (52),
 * without the generic payload header, which the carrier adds.
 *
 * What we add lives in the private use ranges of the RFC's attribute
 * registries and is listed in doc/protocol.md: with sa_mode = derived the
 * SA_KEY of an ESP SA carries the 32 octet group secret of its epoch (and not
 * one key for all senders), and its SPI is tag << 24.
 *
 * Secrets are clear in the structures (wipe them) and wrapped on the wire
 * (RFC 5649, KW_5649_256) under the GSK_w of the SA that they are sent over:
 * an IKE SA or, with GSA_REKEY (rekey.h), the Rekey SA.  The Rekey SA's own
 * keys may be wrapped under others that a member has (keys.h, lkh.h).
 */
#ifndef GV_GIKEV2_H
#define GV_GIKEV2_H

#include "esp.h"
#include "keys.h"

/* Payload types, exchange types, notifies: RFC 9838 section 7 (IANA). */
#define GV_PAYLOAD_IDG 50
#define GV_PAYLOAD_GSA 51
#define GV_PAYLOAD_KD 52
#define GV_EXCHANGE_GSA_AUTH 39
#define GV_EXCHANGE_GSA_REGISTRATION 40
#define GV_EXCHANGE_GSA_REKEY 41
#define GV_EXCHANGE_GSA_INBAND_REKEY 42
#define GV_N_INVALID_GROUP_ID 45
#define GV_N_AUTHORIZATION_FAILED 46
#define GV_N_REGISTRATION_FAILED 49
#define GV_N_GROUP_SENDER 16429

/* Data SAs (epochs) in one GSA: the current and those around it. */
#define GV_EPOCHS_MAX 4

enum gv_sa_mode { GV_SA_DERIVED = 1, GV_SA_SHARED = 2 };

/* What is inside ESP; it tells the family of the group's gateways, too. */
enum gv_encap {
	GV_ENCAP_GRE = 1,   /* GRE in IPv4, the group-ID as key */
	GV_ENCAP_IPIP = 2,  /* IPv4 and IPv6 in IPv4 */
	GV_ENCAP_IPIP6 = 3, /* IPv4 and IPv6 in IPv6 */
};

/* One data-security SA of the group: one epoch of keys. */
struct gv_epoch_sa {
	uint8_t tag;
	uint32_t epoch;	   /* from 1 */
	uint32_t lifetime; /* seconds that are left, 0 = not limited */
	struct gv_esp_proposal esp;
	uint8_t gsk[GV_SECRET_LEN];	 /* sa_mode derived */
	uint8_t esp_key[GV_ESP_KEY_MAX]; /* shared: gv_esp_key_len() octets */
};

/* Replay windows of 32 to 4096 packets. */
#define GV_REPLAY_LOG2_MIN 5
#define GV_REPLAY_LOG2_MAX 12

#define GV_REKEY_SPI_LEN 16
#define GV_NEXT_SPIS_MAX 2

/* A Rekey SA: its policy and keys (the KEK).  AES-256-GCM, KW_5649_256,
 * Ed25519 signatures. */
struct gv_kek {
	uint8_t spi[GV_REKEY_SPI_LEN]; /* not all zero */
	uint32_t lifetime;	       /* seconds that are left, not 0 */
	/* Message-ID of the next GSA_REKEY; a member takes no lower one. */
	uint32_t message_id;
	/* Of the SA that comes next; all zero = not told. */
	uint8_t next_spi[GV_NEXT_SPIS_MAX][GV_REKEY_SPI_LEN];
	unsigned int next_spis;
	uint8_t keymat[GV_KEK_LEN]; /* GSK_e, salt included, and GSK_w */
	/* Ed25519 public key.  All zero = as before; only in a rekey. */
	uint8_t auth_key[GV_SIGN_KEY_LEN];
};

/* What a member may do with the data SAs. */
enum gv_direction { GV_BOTH = 0, GV_SEND_ONLY = 1, GV_RECEIVE_ONLY = 2 };

/* Everything that a registration or a rekey delivers.  A GSA_REKEY may carry
 * a KEK alone: then there are no epochs, and of the rest nothing is used. */
struct gv_gsa {
	uint32_t group_id;
	uint8_t sa_mode;   /* enum gv_sa_mode */
	uint8_t encap;	   /* enum gv_encap */
	uint16_t atd, dtd; /* seconds, RFC 9838 section 4.4.3 (GW policy) */
	/* derived: GV_REPLAY_LOG2_MIN..MAX, shared: 0 */
	uint8_t replay_window_log2;
	/* Sender-ID of the S/R itself, for the SAs that protect the BGP session
	 * of each member with it; 0: that is not protected.  Derived only. */
	uint32_t channel_id;
	/* 1..GV_EPOCHS_MAX, oldest first: epochs rise, tags differ. */
	unsigned int epochs;
	struct gv_epoch_sa epoch[GV_EPOCHS_MAX];
	uint32_t route_epoch; /* from 1 */
	uint8_t route_secret[GV_SECRET_LEN];
	/* Member key bag: registration only, 0 in a rekey. */
	uint16_t member_id;
	uint32_t sender_id;
	uint8_t direction; /* enum gv_direction */

	/* With a KEK every epoch has a lifetime. */
	bool has_kek;
	struct gv_kek kek;
	/* To encode: how the KEK is wrapped, if not under GSK_w.  The
	 * caller's, NULL after decoding.  path: registration; wrapped: the
	 * result of gv_lkh_rekey() with kek.keymat. */
	const struct gv_key_path *path;
	const struct gv_wrapped_key *wrapped;
	size_t wrapped_count;
};

enum gv_gikev2_error {
	GV_GIKEV2_OK = 0,
	GV_GIKEV2_TRUNCATED,
	GV_GIKEV2_BAD_VALUE,   /* a field holds what it must not */
	GV_GIKEV2_MISSING,     /* a mandatory substructure is absent */
	GV_GIKEV2_DUPLICATE,   /* one that may appear once appears twice */
	GV_GIKEV2_UNSUPPORTED, /* algorithm, mode or protocol not known here */
	GV_GIKEV2_UNWRAP,      /* a wrapped key fails its integrity check */
	GV_GIKEV2_SHARED_AEAD, /* one AEAD key for all senders: IVs repeat */
	GV_GIKEV2_EXCLUDED,    /* no key of ours leads to the KEK */
	GV_GIKEV2_ERRORS
};
const char *gv_gikev2_error_text(enum gv_gikev2_error error);

/* IDg: ID_KEY_ID with the group-ID in 4 octets.  Returns the length, 0 = does
 * not fit. */
size_t gv_idg_encode(uint32_t group_id, uint8_t *body, size_t size);
enum gv_gikev2_error gv_idg_decode(const uint8_t *body, size_t len,
				   uint32_t *group_id);

/* What would be wrong with encoding it. */
enum gv_gikev2_error gv_gsa_check(const struct gv_gsa *gsa);

/* GSA and KD always travel together: both are written or neither.  *gsa_len
 * and *kd_len: capacities on entry, lengths on return, 0 on failure (content
 * not valid, or it does not fit). */
bool gv_gsa_encode(const struct gv_gsa *gsa, const uint8_t kwk[GV_KWK_LEN],
		   uint8_t *gsa_body, size_t *gsa_len, uint8_t *kd_body,
		   size_t *kd_len);
/* gsa->group_id is what the bodies say: compare it with the group that was
 * asked for.  gsa is wiped on any error.  For a receiver that knows derived
 * SAs over GRE only; gv_gsa_decode_for() is for those that can do more. */
enum gv_gikev2_error gv_gsa_decode(const uint8_t *gsa_body, size_t gsa_len,
				   const uint8_t *kd_body, size_t kd_len,
				   const uint8_t kwk[GV_KWK_LEN],
				   struct gv_gsa *gsa);

/* What else a receiver can do. */
enum gv_can {
	GV_CAN_SHARED = 1 << 0,	  /* sa_mode shared */
	GV_CAN_IPIP = 1 << 1,	  /* encap ipip */
	GV_CAN_REKEY_SA = 1 << 2, /* GSA_REKEY, key trees */
	GV_CAN_IPIP6 = 1 << 3,	  /* encap ipip6 */
};

struct gv_gsa_receiver {
	unsigned int can; /* of enum gv_can */
	/* The member's keys of the group's tree; NULL: it has none and wants
	 * none.  A registration's replace it, a rekey's update it; unchanged
	 * on any error. */
	struct gv_key_path *path;
};

/* The same for such a receiver. */
enum gv_gikev2_error gv_gsa_decode_for(const struct gv_gsa_receiver *receiver,
				       const uint8_t *gsa_body, size_t gsa_len,
				       const uint8_t *kd_body, size_t kd_len,
				       const uint8_t kwk[GV_KWK_LEN],
				       struct gv_gsa *gsa);
void gv_gsa_wipe(struct gv_gsa *gsa);
/* Octets that a body never exceeds; KD: that of the largest GSA_REKEY. */
#define GV_GSA_BODY_MAX 1024
#define GV_KD_BODY_MAX 24000

#endif /* GV_GIKEV2_H */
