// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Bodies of the G-IKEv2 payloads IDg, GSA and KD, RFC 9838 sections 4.2, 4.4
 * and 4.5.  What is ours in them is listed in doc/protocol.md, "Registration".
 *
 * Attributes follow RFC 7296 section 3.3.5.  Each kind of substructure has a
 * table that says which of them it must and may hold and in what form; one
 * reader serves all of them.  Not here: AH, SAg (sag.c has it), and what a
 * Rekey SA might be besides AES-256-GCM with Ed25519 signatures.
 */
#include "gikev2.h"

#include <string.h>

#include "bytes.h"
#include "crypto.h"
#include "keys.h"

#define ID_KEY_ID 11

#define PROTO_NONE 0 /* GW policy, member key bag */
#define PROTO_ESP 3
#define PROTO_GIKE_UPDATE 6 /* Rekey SA */

#define SPI_LEN 4
#define KEY_ID_SA 0    /* a wrapped key that holds SA keys */
#define KWK_ID_GSK_W 0 /* wrapped with the default key of the carrying SA */
#define WRAPPED_HEADER_LEN 8
#define WRAPPED_LEN (WRAPPED_HEADER_LEN + GV_WRAPPED_LEN(GV_SECRET_LEN))
#define WRAPPED_KEK_LEN (WRAPPED_HEADER_LEN + GV_WRAPPED_LEN(GV_KEK_LEN))
#define SENDER_ID_LEN 3

/* Wrapped keys of a Rekey SA in one KD: more do not fit. */
#define WRAPPED_MAX (GV_KD_BODY_MAX / (4 + WRAPPED_LEN))

/* Traffic selector of RFC 7296 section 3.13.1. */
#define TS_IPV4_ADDR_RANGE 7
#define TS_IPV6_ADDR_RANGE 8
#define TS_HEADER_LEN 8
#define TS_PROTO_IPIP 4
#define TS_PROTO_UDP 17
#define TS_PROTO_GRE 47
#define G_IKEV2_PORT 848

#define ENCR_AES_GCM_16 20 /* of a Rekey SA */

/* Transforms of RFC 7296 section 3.3.2. */
#define TRANSFORM_HEADER_LEN 8
#define TRANSFORM_LAST 0
#define TRANSFORM_MORE 3
#define TRANSFORM_ENCR 1
#define TRANSFORM_INTEG 3
#define TRANSFORM_SN 5
#define TRANSFORM_KWA 13
#define TRANSFORM_GCAUTH 14
#define SN_SEQUENTIAL 0
#define SN_ESN 1
#define SN_UNSPECIFIED 2
#define KW_5649_256 3
#define GCAUTH_DIGITAL_SIGNATURE 2

#define ATTR_TV 0x8000
#define ATTR_KEY_LENGTH 14
#define ATTR_SIGNATURE_ALGORITHM 18

/* GSA attributes */
#define GSA_KEY_LIFETIME 1
#define GSA_INITIAL_MESSAGE_ID 2
#define GSA_NEXT_SPI 3
#define GSA_EPOCH 16384
/* GW policy attributes */
#define GWP_ATD 1
#define GWP_DTD 2
#define GWP_SENDER_ID_BITS 3
#define GWP_SA_MODE 16384
#define GWP_ENCAP 16385
#define GWP_REPLAY_WINDOW 16386
#define GWP_GROUP_ID 16387
#define GWP_CHANNEL 16388
/* Group key bag attributes */
#define SA_KEY 1
#define ROUTE_SECRET 16384
/* Member key bag attributes */
#define WRAP_KEY 1
#define AUTH_KEY 2
#define GM_SENDER_ID 3
#define GM_MEMBER_ID 16384
#define GM_DIRECTION 16385

/* AlgorithmIdentifier of Ed25519, and what precedes the key in its
 * SubjectPublicKeyInfo (RFC 8410). */
static const uint8_t ed25519[] = {0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70};
static const uint8_t spki_head[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
				    0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
#define SPKI_LEN (sizeof(spki_head) + GV_SIGN_KEY_LEN)

const char *gv_gikev2_error_text(enum gv_gikev2_error error)
{
	static const char *const texts[GV_GIKEV2_ERRORS] = {
		[GV_GIKEV2_OK] = "ok",
		[GV_GIKEV2_TRUNCATED] = "truncated",
		[GV_GIKEV2_BAD_VALUE] = "value not allowed",
		[GV_GIKEV2_MISSING] = "mandatory part missing",
		[GV_GIKEV2_DUPLICATE] = "part occurs twice",
		[GV_GIKEV2_UNSUPPORTED] = "policy not supported",
		[GV_GIKEV2_UNWRAP] = "wrapped key fails its integrity check",
		[GV_GIKEV2_SHARED_AEAD] =
			"an AEAD cipher needs a key for each sender",
		[GV_GIKEV2_EXCLUDED] = "no key of ours leads to the KEK",
	};

	if ((unsigned int)error >= GV_GIKEV2_ERRORS)
		return "unknown error";
	return texts[error];
}

/* ------------------------------------------------------------------------
 * Content, the same for both directions
 */

static bool all_zero(const uint8_t *octets, size_t len)
{
	uint8_t bits = 0;

	while (len--)
		bits |= *octets++;
	return !bits;
}

/* A GSA_REKEY that brings a KEK and no epoch. */
static bool kek_alone(const struct gv_gsa *gsa)
{
	return gsa->has_kek && !gsa->epochs && !gsa->member_id;
}

/* Octets of a data SA's secret. */
static size_t secret_len(const struct gv_gsa *gsa, const struct gv_epoch_sa *sa)
{
	return gsa->sa_mode == GV_SA_SHARED ? gv_esp_key_len(&sa->esp)
					    : GV_SECRET_LEN;
}

/* One key for all senders: Linux draws the IV of an AEAD from each sender's
 * own sequence numbers, so IVs would repeat; and sequence numbers say nothing
 * to a receiver. */
static enum gv_gikev2_error check_shared(const struct gv_gsa *gsa,
					 const struct gv_epoch_sa *sa)
{
	if (gsa->sa_mode != GV_SA_SHARED)
		return GV_GIKEV2_OK;
	if (!sa->esp.integ)
		return GV_GIKEV2_SHARED_AEAD;
	return sa->esp.esn ? GV_GIKEV2_BAD_VALUE : GV_GIKEV2_OK;
}

static enum gv_gikev2_error check_epochs(const struct gv_gsa *gsa)
{
	enum gv_gikev2_error error;

	if (!gsa->epochs)
		return kek_alone(gsa) ? GV_GIKEV2_OK : GV_GIKEV2_MISSING;
	if (gsa->epochs > GV_EPOCHS_MAX)
		return GV_GIKEV2_BAD_VALUE;
	for (unsigned int i = 0; i < gsa->epochs; i++) {
		const struct gv_epoch_sa *sa = &gsa->epoch[i];

		if (sa->tag < GV_TAG_MIN || sa->tag > GV_TAG_MAX || !sa->epoch)
			return GV_GIKEV2_BAD_VALUE;
		if (!gv_esp_key_len(&sa->esp))
			return GV_GIKEV2_UNSUPPORTED;
		error = check_shared(gsa, sa);
		if (error != GV_GIKEV2_OK)
			return error;
		if (gsa->has_kek && !sa->lifetime)
			return GV_GIKEV2_MISSING;
		for (unsigned int j = 0; j < i; j++) {
			if (gsa->epoch[j].tag == sa->tag)
				return GV_GIKEV2_DUPLICATE;
			if (gsa->epoch[j].epoch >= sa->epoch)
				return GV_GIKEV2_BAD_VALUE;
		}
	}
	return GV_GIKEV2_OK;
}

static enum gv_gikev2_error check_kek(const struct gv_gsa *gsa)
{
	const struct gv_kek *kek = &gsa->kek;

	if (!gsa->has_kek)
		return GV_GIKEV2_OK;
	if (!kek->lifetime)
		return GV_GIKEV2_MISSING;
	if (gsa->member_id && all_zero(kek->auth_key, sizeof(kek->auth_key)))
		return GV_GIKEV2_MISSING;
	if (all_zero(kek->spi, sizeof(kek->spi)) ||
	    kek->next_spis > GV_NEXT_SPIS_MAX)
		return GV_GIKEV2_BAD_VALUE;
	for (unsigned int i = 0; i < kek->next_spis; i++)
		if (all_zero(kek->next_spi[i], sizeof(kek->spi)) ||
		    !memcmp(kek->next_spi[i], kek->spi, sizeof(kek->spi)))
			return GV_GIKEV2_BAD_VALUE;
	return GV_GIKEV2_OK;
}

/* How the KEK is to be wrapped. */
static enum gv_gikev2_error check_wrapping(const struct gv_gsa *gsa)
{
	bool kek = false;

	if ((gsa->path || gsa->wrapped) && !gsa->has_kek)
		return GV_GIKEV2_BAD_VALUE;
	if ((gsa->path && (!gsa->member_id || !gsa->path->count ||
			   gsa->path->count > GV_KEY_PATH_MAX)) ||
	    (gsa->wrapped && gsa->member_id))
		return GV_GIKEV2_BAD_VALUE;
	for (size_t i = 0; gsa->wrapped && i < gsa->wrapped_count; i++)
		kek |= gsa->wrapped[i].key_id == KEY_ID_SA;
	return gsa->wrapped && !kek ? GV_GIKEV2_MISSING : GV_GIKEV2_OK;
}

static enum gv_gikev2_error check_replay_window(const struct gv_gsa *gsa)
{
	uint8_t log2 = gsa->replay_window_log2;

	if (gsa->sa_mode == GV_SA_SHARED)
		return log2 ? GV_GIKEV2_BAD_VALUE : GV_GIKEV2_OK;
	return log2 < GV_REPLAY_LOG2_MIN || log2 > GV_REPLAY_LOG2_MAX
		       ? GV_GIKEV2_BAD_VALUE
		       : GV_GIKEV2_OK;
}

enum gv_gikev2_error gv_gsa_check(const struct gv_gsa *gsa)
{
	enum gv_gikev2_error error;

	error = check_kek(gsa);
	if (error == GV_GIKEV2_OK)
		error = check_wrapping(gsa);
	if (error != GV_GIKEV2_OK || kek_alone(gsa))
		return error;
	if (!gsa->epochs)
		return GV_GIKEV2_MISSING;
	if ((gsa->sa_mode != GV_SA_DERIVED && gsa->sa_mode != GV_SA_SHARED) ||
	    gsa->encap < GV_ENCAP_GRE || gsa->encap > GV_ENCAP_IPIP6)
		return GV_GIKEV2_UNSUPPORTED;
	if (!gsa->group_id || !gsa->route_epoch ||
	    gsa->sender_id > GV_SENDER_ID_MAX ||
	    !gsa->sender_id != !gsa->member_id ||
	    gsa->direction > GV_RECEIVE_ONLY ||
	    (gsa->direction && !gsa->member_id) ||
	    gsa->channel_id > GV_SENDER_ID_MAX ||
	    (gsa->channel_id && (gsa->sa_mode != GV_SA_DERIVED ||
				 gsa->channel_id == gsa->sender_id)))
		return GV_GIKEV2_BAD_VALUE;
	error = check_replay_window(gsa);
	return error == GV_GIKEV2_OK ? check_epochs(gsa) : error;
}

/* ------------------------------------------------------------------------
 * IDg
 */

size_t gv_idg_encode(uint32_t group_id, uint8_t *body, size_t size)
{
	struct gv_writer w;

	gv_writer_init(&w, body, size);
	gv_put8(&w, ID_KEY_ID);
	gv_put24(&w, 0);
	gv_put32(&w, group_id);
	return w.ok && group_id ? w.len : 0;
}

enum gv_gikev2_error gv_idg_decode(const uint8_t *body, size_t len,
				   uint32_t *group_id)
{
	struct gv_reader r;
	uint8_t type;
	uint32_t id;

	gv_reader_init(&r, body, len);
	type = gv_get8(&r);
	gv_get24(&r);
	id = gv_get32(&r);
	if (!r.ok)
		return GV_GIKEV2_TRUNCATED;
	if (type != ID_KEY_ID)
		return GV_GIKEV2_UNSUPPORTED;
	if (r.left || !id)
		return GV_GIKEV2_BAD_VALUE;
	*group_id = id;
	return GV_GIKEV2_OK;
}

/* ------------------------------------------------------------------------
 * Writing GSA and KD
 */

static void put_tv(struct gv_writer *w, uint16_t type, uint16_t value)
{
	gv_put16(w, ATTR_TV | type);
	gv_put16(w, value);
}

static void put_tlv32(struct gv_writer *w, uint16_t type, uint32_t value)
{
	gv_put16(w, type);
	gv_put16(w, 4);
	gv_put32(w, value);
}

/* All that differs between our selectors; the first address is zero. */
struct ts {
	uint8_t type;
	uint8_t proto;
	uint16_t from_port, to_port;
	bool any; /* the last address is the highest, else zero */
};

static size_t ts_addr_len(const struct ts *ts)
{
	return ts->type == TS_IPV6_ADDR_RANGE ? 16 : 4;
}

static void put_ts(struct gv_writer *w, const struct ts *ts)
{
	size_t len = ts_addr_len(ts);

	gv_put8(w, ts->type);
	gv_put8(w, ts->proto);
	gv_put16(w, TS_HEADER_LEN + 2 * len);
	gv_put16(w, ts->from_port);
	gv_put16(w, ts->to_port);
	for (size_t i = 0; i < len; i++)
		gv_put8(w, 0);
	for (size_t i = 0; i < len; i++)
		gv_put8(w, ts->any ? UINT8_MAX : 0);
}

static const struct ts ipip_ts = {TS_IPV4_ADDR_RANGE, TS_PROTO_IPIP, 0,
				  UINT16_MAX, true};
static const struct ts ipip6_ts = {TS_IPV6_ADDR_RANGE, TS_PROTO_IPIP, 0,
				   UINT16_MAX, true};

/* "GRE with this key", its halves standing where ports do, or "IPv4 in IPv4",
 * or "in IPv6", between any addresses. */
static void put_selectors(struct gv_writer *w, const struct gv_gsa *gsa)
{
	uint16_t upper = gsa->group_id >> 16, lower = gsa->group_id & 0xffff;
	struct ts source = {TS_IPV4_ADDR_RANGE, TS_PROTO_GRE, upper, upper,
			    true};
	struct ts destination = source;

	destination.from_port = destination.to_port = lower;
	if (gsa->encap != GV_ENCAP_GRE)
		source = destination =
			gsa->encap == GV_ENCAP_IPIP ? ipip_ts : ipip6_ts;
	put_ts(w, &source);
	put_ts(w, &destination);
}

/* A Rekey SA's messages do not come by IP: from anywhere, to no address. */
static void put_kek_selectors(struct gv_writer *w)
{
	static const struct ts source = {TS_IPV4_ADDR_RANGE, TS_PROTO_UDP, 0,
					 UINT16_MAX, true};
	static const struct ts destination = {TS_IPV4_ADDR_RANGE, TS_PROTO_UDP,
					      G_IKEV2_PORT, G_IKEV2_PORT,
					      false};

	put_ts(w, &source);
	put_ts(w, &destination);
}

static void put_transform(struct gv_writer *w, bool last, uint8_t type,
			  uint16_t id, uint16_t key_bits)
{
	size_t mark;

	gv_put8(w, last ? TRANSFORM_LAST : TRANSFORM_MORE);
	gv_put8(w, 0);
	mark = gv_open16(w);
	gv_put8(w, type);
	gv_put8(w, 0);
	gv_put16(w, id);
	if (key_bits)
		put_tv(w, ATTR_KEY_LENGTH, key_bits);
	gv_close16(w, mark, 4);
}

static void put_gsa_policy(struct gv_writer *w, const struct gv_gsa *gsa,
			   const struct gv_epoch_sa *sa)
{
	const struct gv_esp_proposal *esp = &sa->esp;
	uint16_t sn = esp->esn ? SN_ESN : SN_SEQUENTIAL;
	size_t mark;

	if (gsa->sa_mode == GV_SA_SHARED)
		sn = SN_UNSPECIFIED;
	gv_put8(w, PROTO_ESP);
	gv_put8(w, SPI_LEN);
	mark = gv_open16(w);
	gv_put32(w, gv_spi(sa->tag, 0));
	put_selectors(w, gsa);
	put_transform(w, false, TRANSFORM_ENCR, esp->encr, esp->key_bits);
	if (esp->integ)
		put_transform(w, false, TRANSFORM_INTEG, esp->integ, 0);
	put_transform(w, true, TRANSFORM_SN, sn, 0);
	if (sa->lifetime)
		put_tlv32(w, GSA_KEY_LIFETIME, sa->lifetime);
	put_tlv32(w, GSA_EPOCH, sa->epoch);
	gv_close16(w, mark, 4);
}

static void put_tlv(struct gv_writer *w, uint16_t type, const void *value,
		    size_t len)
{
	size_t mark;

	gv_put16(w, type);
	mark = gv_open16(w);
	gv_put_bytes(w, value, len);
	gv_close16(w, mark, 0);
}

/* In a registration only; a rekey cannot change the method. */
static void put_gcauth(struct gv_writer *w)
{
	size_t mark;

	gv_put8(w, TRANSFORM_MORE);
	gv_put8(w, 0);
	mark = gv_open16(w);
	gv_put8(w, TRANSFORM_GCAUTH);
	gv_put8(w, 0);
	gv_put16(w, GCAUTH_DIGITAL_SIGNATURE);
	put_tlv(w, ATTR_SIGNATURE_ALGORITHM, ed25519, sizeof(ed25519));
	gv_close16(w, mark, 4);
}

static void put_kek_policy(struct gv_writer *w, const struct gv_gsa *gsa)
{
	const struct gv_kek *kek = &gsa->kek;
	size_t mark;

	gv_put8(w, PROTO_GIKE_UPDATE);
	gv_put8(w, GV_REKEY_SPI_LEN);
	mark = gv_open16(w);
	gv_put_bytes(w, kek->spi, sizeof(kek->spi));
	put_kek_selectors(w);
	put_transform(w, false, TRANSFORM_ENCR, ENCR_AES_GCM_16, 256);
	if (gsa->member_id)
		put_gcauth(w);
	put_transform(w, true, TRANSFORM_KWA, KW_5649_256, 0);
	put_tlv32(w, GSA_KEY_LIFETIME, kek->lifetime);
	if (kek->message_id)
		put_tlv32(w, GSA_INITIAL_MESSAGE_ID, kek->message_id);
	for (unsigned int i = 0; i < kek->next_spis; i++)
		put_tlv(w, GSA_NEXT_SPI, kek->next_spi[i],
			sizeof(kek->next_spi[i]));
	gv_close16(w, mark, 4);
}

static void put_gw_policy(struct gv_writer *w, const struct gv_gsa *gsa)
{
	size_t mark;

	gv_put8(w, PROTO_NONE);
	gv_put8(w, 0);
	mark = gv_open16(w);
	put_tv(w, GWP_ATD, gsa->atd);
	put_tv(w, GWP_DTD, gsa->dtd);
	if (gsa->sender_id)
		put_tv(w, GWP_SENDER_ID_BITS, 8 * SENDER_ID_LEN);
	put_tv(w, GWP_SA_MODE, gsa->sa_mode);
	put_tv(w, GWP_ENCAP, gsa->encap);
	if (gsa->sa_mode == GV_SA_DERIVED)
		put_tv(w, GWP_REPLAY_WINDOW, gsa->replay_window_log2);
	if (gsa->encap != GV_ENCAP_GRE)
		put_tlv32(w, GWP_GROUP_ID, gsa->group_id);
	if (gsa->channel_id)
		put_tlv32(w, GWP_CHANNEL, gsa->channel_id);
	gv_close16(w, mark, 4);
}

/* RFC 9838 section 4.5.4 */
static void put_wrapped(struct gv_writer *w, uint16_t type, uint32_t key_id,
			const uint8_t *secret, size_t secret_len,
			uint32_t kwk_id, const uint8_t kwk[GV_KWK_LEN])
{
	uint8_t wrapped[GV_WRAPPED_LEN(GV_ESP_KEY_MAX)];
	size_t len = sizeof(wrapped);
	size_t mark;

	gv_put16(w, type);
	mark = gv_open16(w);
	gv_put32(w, key_id);
	gv_put32(w, kwk_id);
	if (gv_key_wrap(kwk, GV_KWK_LEN, secret, secret_len, wrapped, &len))
		gv_put_bytes(w, wrapped, len);
	else
		w->ok = false;
	gv_close16(w, mark, 0);
}

static void put_group_key_bag(struct gv_writer *w, const struct gv_gsa *gsa,
			      const struct gv_epoch_sa *sa,
			      const uint8_t kwk[GV_KWK_LEN])
{
	bool shared = gsa->sa_mode == GV_SA_SHARED;
	bool newest = sa == &gsa->epoch[gsa->epochs - 1];
	size_t mark;

	gv_put8(w, PROTO_ESP);
	gv_put8(w, SPI_LEN);
	mark = gv_open16(w);
	gv_put32(w, gv_spi(sa->tag, 0));
	put_wrapped(w, SA_KEY, KEY_ID_SA, shared ? sa->esp_key : sa->gsk,
		    secret_len(gsa, sa), KWK_ID_GSK_W, kwk);
	if (newest)
		put_wrapped(w, ROUTE_SECRET, gsa->route_epoch,
			    gsa->route_secret, GV_SECRET_LEN, KWK_ID_GSK_W,
			    kwk);
	gv_close16(w, mark, 4);
}

/* Those of the tree's wrapped keys that are the KEK, or those that are not. */
static void put_tree(struct gv_writer *w, const struct gv_gsa *gsa, bool kek)
{
	for (size_t i = 0; gsa->wrapped && i < gsa->wrapped_count; i++) {
		const struct gv_wrapped_key *key = &gsa->wrapped[i];
		size_t mark;

		if ((key->key_id == KEY_ID_SA) != kek)
			continue;
		gv_put16(w, kek ? SA_KEY : WRAP_KEY);
		mark = gv_open16(w);
		gv_put32(w, key->key_id);
		gv_put32(w, key->kwk_id);
		gv_put_bytes(w, key->wrapped, key->len);
		gv_close16(w, mark, 0);
	}
}

static void put_kek_bag(struct gv_writer *w, const struct gv_gsa *gsa,
			const uint8_t kwk[GV_KWK_LEN])
{
	const struct gv_kek *kek = &gsa->kek;
	const struct gv_path_key *top = gsa->path ? &gsa->path->keys[0] : NULL;
	size_t mark;

	gv_put8(w, PROTO_GIKE_UPDATE);
	gv_put8(w, GV_REKEY_SPI_LEN);
	mark = gv_open16(w);
	gv_put_bytes(w, kek->spi, sizeof(kek->spi));
	if (gsa->wrapped)
		put_tree(w, gsa, true);
	else
		put_wrapped(w, SA_KEY, KEY_ID_SA, kek->keymat, GV_KEK_LEN,
			    top ? top->key_id : KWK_ID_GSK_W,
			    top ? top->key : kwk);
	gv_close16(w, mark, 4);
}

/* Each key of the path under the one beneath it, the last under GSK_w. */
static void put_path(struct gv_writer *w, const struct gv_key_path *path,
		     const uint8_t kwk[GV_KWK_LEN])
{
	for (unsigned int i = 0; path && i < path->count; i++) {
		const struct gv_path_key *key = &path->keys[i];
		bool last = i == path->count - 1;

		put_wrapped(w, WRAP_KEY, key->key_id, key->key, GV_KWK_LEN,
			    last ? KWK_ID_GSK_W : key[1].key_id,
			    last ? kwk : key[1].key);
	}
}

static void put_auth_key(struct gv_writer *w, const struct gv_kek *kek)
{
	size_t mark;

	gv_put16(w, AUTH_KEY);
	mark = gv_open16(w);
	gv_put_bytes(w, spki_head, sizeof(spki_head));
	gv_put_bytes(w, kek->auth_key, sizeof(kek->auth_key));
	gv_close16(w, mark, 0);
}

/* A bag of nothing is not written. */
static void put_member_key_bag(struct gv_writer *w, const struct gv_gsa *gsa,
			       const uint8_t kwk[GV_KWK_LEN])
{
	const struct gv_kek *kek = &gsa->kek;
	size_t start = w->len, mark;

	gv_put8(w, PROTO_NONE);
	gv_put8(w, 0);
	mark = gv_open16(w);
	if (gsa->sender_id) {
		gv_put16(w, GM_SENDER_ID);
		gv_put16(w, SENDER_ID_LEN);
		gv_put24(w, gsa->sender_id);
		put_tv(w, GM_MEMBER_ID, gsa->member_id);
		if (gsa->direction)
			put_tv(w, GM_DIRECTION, gsa->direction);
	}
	if (gsa->has_kek) {
		if (!all_zero(kek->auth_key, sizeof(kek->auth_key)))
			put_auth_key(w, kek);
		put_path(w, gsa->path, kwk);
		put_tree(w, gsa, false);
	}
	gv_close16(w, mark, 4);
	if (w->len == mark)
		w->len = start;
}

static void put_data_sas(struct gv_writer *policy, struct gv_writer *keys,
			 const struct gv_gsa *gsa,
			 const uint8_t kwk[GV_KWK_LEN])
{
	for (unsigned int i = 0; i < gsa->epochs; i++) {
		put_gsa_policy(policy, gsa, &gsa->epoch[i]);
		put_group_key_bag(keys, gsa, &gsa->epoch[i], kwk);
	}
	if (gsa->epochs)
		put_gw_policy(policy, gsa);
}

bool gv_gsa_encode(const struct gv_gsa *gsa, const uint8_t kwk[GV_KWK_LEN],
		   uint8_t *gsa_body, size_t *gsa_len, uint8_t *kd_body,
		   size_t *kd_len)
{
	struct gv_writer policy, keys;
	bool ok;

	gv_writer_init(&policy, gsa_body, *gsa_len);
	gv_writer_init(&keys, kd_body, *kd_len);
	ok = gv_gsa_check(gsa) == GV_GIKEV2_OK;
	if (ok) {
		if (gsa->has_kek) {
			put_kek_policy(&policy, gsa);
			put_kek_bag(&keys, gsa, kwk);
		}
		put_data_sas(&policy, &keys, gsa, kwk);
		put_member_key_bag(&keys, gsa, kwk);
		ok = policy.ok && keys.ok;
	}
	*gsa_len = ok ? policy.len : 0;
	*kd_len = ok ? keys.len : 0;
	return ok;
}

/* ------------------------------------------------------------------------
 * Reading: attributes
 */

/* What one attribute of a substructure must look like. */
struct rule {
	uint16_t type;
	uint16_t len; /* of a TLV's value; 0 = TV */
	bool mandatory;
	bool multiple; /* field has the first: see next_of() */
};

struct field {
	bool present;
	uint16_t tv;
	struct gv_reader tlv;
};

static const struct rule *find_rule(const struct rule *rules, size_t n,
				    uint16_t type)
{
	for (size_t i = 0; i < n; i++)
		if (rules[i].type == type)
			return &rules[i];
	return NULL;
}

/* Reads r to its end; fields[i] is what rules[i] asked for. */
static enum gv_gikev2_error get_attributes(struct gv_reader *r,
					   const struct rule *rules,
					   struct field *fields, size_t n)
{
	memset(fields, 0, n * sizeof(*fields));
	while (r->left) {
		uint16_t head = gv_get16(r);
		uint16_t value = gv_get16(r);
		const struct rule *rule = find_rule(rules, n, head & ~ATTR_TV);
		struct gv_reader tlv = {};
		struct field *field;

		if (!(head & ATTR_TV))
			gv_get_sub(r, value, &tlv);
		if (!r->ok)
			return GV_GIKEV2_TRUNCATED;
		if (!rule)
			continue;
		field = &fields[rule - rules];
		if (field->present && !rule->multiple)
			return GV_GIKEV2_DUPLICATE;
		if (!(head & ATTR_TV) != !!rule->len || tlv.left != rule->len)
			return GV_GIKEV2_BAD_VALUE;
		if (!field->present)
			*field = (struct field){true, value, tlv};
	}
	for (size_t i = 0; i < n; i++)
		if (rules[i].mandatory && !fields[i].present)
			return GV_GIKEV2_MISSING;
	return GV_GIKEV2_OK;
}

static uint16_t tv_of(const struct field *field)
{
	return field->present ? field->tv : 0;
}

/* Goes on to the next TLV of this type in attributes that get_attributes()
 * has read before; false at the end. */
static bool next_of(struct gv_reader *r, uint16_t type, struct gv_reader *tlv)
{
	while (r->left) {
		uint16_t head = gv_get16(r);
		uint16_t value = gv_get16(r);

		if (head & ATTR_TV)
			continue;
		gv_get_sub(r, value, tlv);
		if (head == type)
			return true;
	}
	return false;
}

/* What is known in the middle of the two bodies. */
struct decoding {
	struct gv_gsa *gsa;
	const uint8_t *kwk;
	unsigned int can; /* enum gv_can */
	/* GSA */
	bool has_gw;
	unsigned int encaps;	/* bit i: a policy selects enum gv_encap i */
	unsigned int sequenced; /* policies whose SN is not "Unspecified" */
	bool gcauth;
	uint16_t sender_id_bits;
	/* KD */
	unsigned int keyed; /* bit i: epoch i has its key */
	bool has_member_bag, has_kek_bag;
	size_t wrapped_count;
	struct gv_wrapped_key wrapped[WRAPPED_MAX];
};

/* ------------------------------------------------------------------------
 * Reading: GSA
 */

static bool all_are(const uint8_t *octets, size_t len, uint8_t value)
{
	while (len && octets[len - 1] == value)
		len--;
	return !len;
}

static enum gv_gikev2_error get_ts(struct gv_reader *r, struct ts *ts)
{
	const uint8_t *first, *last;
	uint16_t len;
	size_t size;

	ts->type = gv_get8(r);
	ts->proto = gv_get8(r);
	len = gv_get16(r);
	ts->from_port = gv_get16(r);
	ts->to_port = gv_get16(r);
	size = ts_addr_len(ts);
	first = gv_get_bytes(r, size);
	last = gv_get_bytes(r, size);
	if (!first || !last)
		return GV_GIKEV2_TRUNCATED;
	if ((ts->type != TS_IPV4_ADDR_RANGE &&
	     ts->type != TS_IPV6_ADDR_RANGE) ||
	    len != TS_HEADER_LEN + 2 * size || !all_are(first, size, 0))
		return GV_GIKEV2_UNSUPPORTED;
	ts->any = all_are(last, size, UINT8_MAX);
	return GV_GIKEV2_OK;
}

static enum gv_gikev2_error get_two_ts(struct gv_reader *r, struct ts *source,
				       struct ts *destination)
{
	enum gv_gikev2_error error = get_ts(r, source);

	return error == GV_GIKEV2_OK ? get_ts(r, destination) : error;
}

/* The same wherever it is said. */
static enum gv_gikev2_error set_group_id(struct gv_gsa *gsa, uint32_t group_id)
{
	if (!group_id || (gsa->group_id && gsa->group_id != group_id))
		return GV_GIKEV2_BAD_VALUE;
	gsa->group_id = group_id;
	return GV_GIKEV2_OK;
}

static bool is_gre_ts(const struct ts *ts)
{
	return ts->type == TS_IPV4_ADDR_RANGE && ts->proto == TS_PROTO_GRE &&
	       ts->from_port == ts->to_port && ts->any;
}

static bool ts_equal(const struct ts *a, const struct ts *b)
{
	return a->type == b->type && a->proto == b->proto &&
	       a->from_port == b->from_port && a->to_port == b->to_port &&
	       a->any == b->any;
}

static enum gv_gikev2_error get_selectors(struct gv_reader *r,
					  struct decoding *d)
{
	struct ts source, destination;
	enum gv_gikev2_error error;

	error = get_two_ts(r, &source, &destination);
	if (error != GV_GIKEV2_OK)
		return error;
	if (is_gre_ts(&source) && is_gre_ts(&destination)) {
		d->encaps |= 1u << GV_ENCAP_GRE;
		return set_group_id(d->gsa, (uint32_t)source.from_port << 16 |
						    destination.from_port);
	}
	if (!ts_equal(&source, &destination))
		return GV_GIKEV2_UNSUPPORTED;
	if (d->can & GV_CAN_IPIP && ts_equal(&source, &ipip_ts))
		d->encaps |= 1u << GV_ENCAP_IPIP;
	else if (d->can & GV_CAN_IPIP6 && ts_equal(&source, &ipip6_ts))
		d->encaps |= 1u << GV_ENCAP_IPIP6;
	else
		return GV_GIKEV2_UNSUPPORTED;
	return GV_GIKEV2_OK;
}

struct transform {
	uint8_t type;
	uint16_t id;
	struct gv_reader attributes;
	bool last;
};

/* seen: the types that came before. */
static enum gv_gikev2_error get_transform(struct gv_reader *r,
					  struct transform *transform,
					  unsigned int *seen)
{
	uint8_t more = gv_get8(r);
	struct gv_reader *body = &transform->attributes;
	uint16_t len;

	gv_get8(r);
	len = gv_get16(r);
	if (r->ok && len < TRANSFORM_HEADER_LEN)
		return GV_GIKEV2_BAD_VALUE;
	if (!r->ok || !gv_get_sub(r, len - 4, body))
		return GV_GIKEV2_TRUNCATED;
	if (more != TRANSFORM_MORE && more != TRANSFORM_LAST)
		return GV_GIKEV2_BAD_VALUE;
	transform->last = more == TRANSFORM_LAST;
	transform->type = gv_get8(body);
	gv_get8(body);
	transform->id = gv_get16(body);
	if (transform->type >= 32)
		return GV_GIKEV2_UNSUPPORTED;
	if (*seen & 1u << transform->type)
		return GV_GIKEV2_DUPLICATE;
	*seen |= 1u << transform->type;
	return GV_GIKEV2_OK;
}

/* The only attribute of an encryption transform; an unknown one makes the
 * transform unknown (RFC 7296 section 3.3.6). */
static enum gv_gikev2_error get_key_length(struct gv_reader *r,
					   uint16_t *key_bits)
{
	uint16_t head;

	if (!r->left)
		return GV_GIKEV2_OK;
	head = gv_get16(r);
	*key_bits = gv_get16(r);
	if (!r->ok)
		return GV_GIKEV2_TRUNCATED;
	if (head != (ATTR_TV | ATTR_KEY_LENGTH))
		return GV_GIKEV2_UNSUPPORTED;
	return *key_bits ? GV_GIKEV2_OK : GV_GIKEV2_BAD_VALUE;
}

static enum gv_gikev2_error take_sn(struct decoding *d, uint16_t id,
				    struct gv_esp_proposal *esp)
{
	if (id == SN_UNSPECIFIED && d->can & GV_CAN_SHARED)
		return GV_GIKEV2_OK;
	if (id != SN_SEQUENTIAL && id != SN_ESN)
		return GV_GIKEV2_UNSUPPORTED;
	esp->esn = id == SN_ESN;
	d->sequenced++;
	return GV_GIKEV2_OK;
}

static enum gv_gikev2_error take_esp_transform(struct decoding *d,
					       struct transform *transform,
					       struct gv_esp_proposal *esp)
{
	struct gv_reader *attributes = &transform->attributes;
	enum gv_gikev2_error error = GV_GIKEV2_OK;

	switch (transform->type) {
	case TRANSFORM_ENCR:
		esp->encr = transform->id;
		error = get_key_length(attributes, &esp->key_bits);
		break;
	case TRANSFORM_INTEG:
		esp->integ = transform->id;
		break;
	case TRANSFORM_SN:
		error = take_sn(d, transform->id, esp);
		break;
	default:
		error = GV_GIKEV2_UNSUPPORTED;
	}
	if (error == GV_GIKEV2_OK && attributes->left)
		error = GV_GIKEV2_UNSUPPORTED;
	return error;
}

static enum gv_gikev2_error get_esp_transforms(struct gv_reader *r,
					       struct decoding *d,
					       struct gv_esp_proposal *esp)
{
	const unsigned int mandatory =
		1u << TRANSFORM_ENCR | 1u << TRANSFORM_SN;
	struct transform transform;
	enum gv_gikev2_error error;
	unsigned int seen = 0;

	do {
		error = get_transform(r, &transform, &seen);
		if (error == GV_GIKEV2_OK)
			error = take_esp_transform(d, &transform, esp);
		if (error != GV_GIKEV2_OK)
			return error;
	} while (!transform.last);
	return (seen & mandatory) == mandatory ? GV_GIKEV2_OK
					       : GV_GIKEV2_MISSING;
}

static enum gv_gikev2_error get_gsa_attributes(struct gv_reader *r,
					       struct gv_epoch_sa *sa)
{
	enum { LIFETIME, EPOCH, FIELDS };
	static const struct rule rules[FIELDS] = {
		[LIFETIME] = {GSA_KEY_LIFETIME, 4, false, false},
		[EPOCH] = {GSA_EPOCH, 4, true, false},
	};
	struct field fields[FIELDS];
	enum gv_gikev2_error error;

	error = get_attributes(r, rules, fields, FIELDS);
	if (error != GV_GIKEV2_OK)
		return error;
	if (fields[LIFETIME].present) {
		sa->lifetime = gv_get32(&fields[LIFETIME].tlv);
		if (!sa->lifetime)
			return GV_GIKEV2_BAD_VALUE;
	}
	sa->epoch = gv_get32(&fields[EPOCH].tlv);
	return GV_GIKEV2_OK;
}

/* The SPI of a policy or key bag of ours: a tag and no sender. */
static enum gv_gikev2_error get_spi(struct gv_reader *r, uint8_t spi_len,
				    uint8_t *tag)
{
	uint32_t spi;

	if (spi_len != SPI_LEN)
		return GV_GIKEV2_BAD_VALUE;
	spi = gv_get32(r);
	if (!r->ok)
		return GV_GIKEV2_TRUNCATED;
	if (gv_spi_sender(spi))
		return GV_GIKEV2_BAD_VALUE;
	*tag = gv_spi_tag(spi);
	return GV_GIKEV2_OK;
}

static enum gv_gikev2_error get_gsa_policy(struct gv_reader *r, uint8_t spi_len,
					   struct decoding *d)
{
	struct gv_gsa *gsa = d->gsa;
	enum gv_gikev2_error error;
	struct gv_epoch_sa *sa;

	if (gsa->epochs == GV_EPOCHS_MAX)
		return GV_GIKEV2_BAD_VALUE;
	sa = &gsa->epoch[gsa->epochs++];
	error = get_spi(r, spi_len, &sa->tag);
	if (error == GV_GIKEV2_OK)
		error = get_selectors(r, d);
	if (error == GV_GIKEV2_OK)
		error = get_esp_transforms(r, d, &sa->esp);
	if (error == GV_GIKEV2_OK)
		error = get_gsa_attributes(r, sa);
	return error;
}

static enum gv_gikev2_error get_gw_policy(struct gv_reader *r,
					  struct decoding *d)
{
	enum { ATD, DTD, BITS, MODE, ENCAP, REPLAY, GROUP, CHANNEL, FIELDS };
	static const struct rule rules[FIELDS] = {
		[ATD] = {GWP_ATD, 0, false, false},
		[DTD] = {GWP_DTD, 0, false, false},
		[BITS] = {GWP_SENDER_ID_BITS, 0, false, false},
		[MODE] = {GWP_SA_MODE, 0, true, false},
		[ENCAP] = {GWP_ENCAP, 0, true, false},
		[REPLAY] = {GWP_REPLAY_WINDOW, 0, false, false},
		[GROUP] = {GWP_GROUP_ID, 4, false, false},
		[CHANNEL] = {GWP_CHANNEL, 4, false, false},
	};
	struct field fields[FIELDS];
	struct gv_gsa *gsa = d->gsa;
	enum gv_gikev2_error error;
	uint16_t mode, encap;

	if (d->has_gw)
		return GV_GIKEV2_DUPLICATE;
	d->has_gw = true;
	error = get_attributes(r, rules, fields, FIELDS);
	if (error != GV_GIKEV2_OK)
		return error;
	mode = fields[MODE].tv;
	encap = fields[ENCAP].tv;
	if (mode != GV_SA_DERIVED &&
	    !(mode == GV_SA_SHARED && d->can & GV_CAN_SHARED))
		return GV_GIKEV2_UNSUPPORTED;
	if (encap != GV_ENCAP_GRE &&
	    !(encap == GV_ENCAP_IPIP && d->can & GV_CAN_IPIP) &&
	    !(encap == GV_ENCAP_IPIP6 && d->can & GV_CAN_IPIP6))
		return GV_GIKEV2_UNSUPPORTED;
	if (mode == GV_SA_DERIVED && !fields[REPLAY].present)
		return GV_GIKEV2_MISSING;
	if (tv_of(&fields[REPLAY]) > GV_REPLAY_LOG2_MAX)
		return GV_GIKEV2_BAD_VALUE;
	gsa->atd = tv_of(&fields[ATD]);
	gsa->dtd = tv_of(&fields[DTD]);
	d->sender_id_bits = tv_of(&fields[BITS]);
	gsa->sa_mode = mode;
	gsa->encap = encap;
	gsa->replay_window_log2 = tv_of(&fields[REPLAY]);
	if (fields[CHANNEL].present) {
		gsa->channel_id = gv_get32(&fields[CHANNEL].tlv);
		if (!gsa->channel_id)
			return GV_GIKEV2_BAD_VALUE;
	}
	if (!fields[GROUP].present)
		return GV_GIKEV2_OK;
	return set_group_id(gsa, gv_get32(&fields[GROUP].tlv));
}

/* Policies and group-wide policy speak of the same. */
static enum gv_gikev2_error check_gw(const struct decoding *d)
{
	const struct gv_gsa *gsa = d->gsa;
	unsigned int sequenced = gsa->sa_mode == GV_SA_SHARED ? 0 : gsa->epochs;

	if (!gsa->epochs && gsa->has_kek)
		return d->has_gw ? GV_GIKEV2_BAD_VALUE : GV_GIKEV2_OK;
	if (!d->has_gw)
		return GV_GIKEV2_MISSING;
	if (d->sequenced != sequenced || d->encaps & ~(1u << gsa->encap))
		return GV_GIKEV2_BAD_VALUE;
	return gsa->epochs && !gsa->group_id ? GV_GIKEV2_MISSING : GV_GIKEV2_OK;
}

/* ------------------------------------------------------------------------
 * Reading: the Rekey SA's policy
 */

static enum gv_gikev2_error get_kek_spi(struct gv_reader *r, uint8_t spi_len,
					uint8_t spi[GV_REKEY_SPI_LEN])
{
	const uint8_t *octets;

	if (spi_len != GV_REKEY_SPI_LEN)
		return GV_GIKEV2_BAD_VALUE;
	octets = gv_get_bytes(r, GV_REKEY_SPI_LEN);
	if (!octets)
		return GV_GIKEV2_TRUNCATED;
	memcpy(spi, octets, GV_REKEY_SPI_LEN);
	return GV_GIKEV2_OK;
}

static enum gv_gikev2_error get_signature_algorithm(struct gv_reader *r)
{
	enum { ALGORITHM, FIELDS };
	static const struct rule rules[FIELDS] = {
		[ALGORITHM] = {ATTR_SIGNATURE_ALGORITHM, sizeof(ed25519), true,
			       false},
	};
	struct field fields[FIELDS];
	size_t whole = r->left;
	enum gv_gikev2_error error;

	error = get_attributes(r, rules, fields, FIELDS);
	if (error == GV_GIKEV2_TRUNCATED || error == GV_GIKEV2_MISSING)
		return error;
	if (error != GV_GIKEV2_OK || whole != 4 + sizeof(ed25519) ||
	    memcmp(fields[ALGORITHM].tlv.pos, ed25519, sizeof(ed25519)) != 0)
		return GV_GIKEV2_UNSUPPORTED;
	return GV_GIKEV2_OK;
}

static enum gv_gikev2_error take_kek_transform(struct decoding *d,
					       struct transform *transform)
{
	struct gv_reader *attributes = &transform->attributes;
	enum gv_gikev2_error error = GV_GIKEV2_OK;
	uint16_t key_bits = 0;
	bool known;

	switch (transform->type) {
	case TRANSFORM_ENCR:
		error = get_key_length(attributes, &key_bits);
		known = transform->id == ENCR_AES_GCM_16 && key_bits == 256;
		break;
	case TRANSFORM_INTEG: /* NONE says what its absence says */
		known = transform->id == 0;
		break;
	case TRANSFORM_KWA:
		known = transform->id == KW_5649_256;
		break;
	case TRANSFORM_GCAUTH:
		d->gcauth = true;
		known = transform->id == GCAUTH_DIGITAL_SIGNATURE;
		if (known)
			error = get_signature_algorithm(attributes);
		break;
	default:
		known = false;
	}
	if (error != GV_GIKEV2_OK)
		return error;
	return known && !attributes->left ? GV_GIKEV2_OK
					  : GV_GIKEV2_UNSUPPORTED;
}

static enum gv_gikev2_error get_kek_transforms(struct gv_reader *r,
					       struct decoding *d)
{
	const unsigned int mandatory =
		1u << TRANSFORM_ENCR | 1u << TRANSFORM_KWA;
	struct transform transform;
	enum gv_gikev2_error error;
	unsigned int seen = 0;

	do {
		error = get_transform(r, &transform, &seen);
		if (error == GV_GIKEV2_OK)
			error = take_kek_transform(d, &transform);
		if (error != GV_GIKEV2_OK)
			return error;
	} while (!transform.last);
	return (seen & mandatory) == mandatory ? GV_GIKEV2_OK
					       : GV_GIKEV2_MISSING;
}

static enum gv_gikev2_error get_kek_attributes(struct gv_reader *r,
					       struct gv_kek *kek)
{
	enum { LIFETIME, MESSAGE_ID, NEXT_SPI, FIELDS };
	static const struct rule rules[FIELDS] = {
		[LIFETIME] = {GSA_KEY_LIFETIME, 4, true, false},
		[MESSAGE_ID] = {GSA_INITIAL_MESSAGE_ID, 4, false, false},
		[NEXT_SPI] = {GSA_NEXT_SPI, GV_REKEY_SPI_LEN, false, true},
	};
	struct gv_reader again = *r, spi;
	struct field fields[FIELDS];
	enum gv_gikev2_error error;

	error = get_attributes(r, rules, fields, FIELDS);
	if (error != GV_GIKEV2_OK)
		return error;
	kek->lifetime = gv_get32(&fields[LIFETIME].tlv);
	if (!kek->lifetime)
		return GV_GIKEV2_BAD_VALUE;
	if (fields[MESSAGE_ID].present)
		kek->message_id = gv_get32(&fields[MESSAGE_ID].tlv);
	/* They only help to notice a loss: those beyond our room do not. */
	while (kek->next_spis < GV_NEXT_SPIS_MAX &&
	       next_of(&again, GSA_NEXT_SPI, &spi))
		memcpy(kek->next_spi[kek->next_spis++], spi.pos,
		       GV_REKEY_SPI_LEN);
	return GV_GIKEV2_OK;
}

/* Where its messages come from and go to means nothing here. */
static enum gv_gikev2_error get_kek_policy(struct gv_reader *r, uint8_t spi_len,
					   struct decoding *d)
{
	struct gv_gsa *gsa = d->gsa;
	struct ts source, destination;
	enum gv_gikev2_error error;

	if (!(d->can & GV_CAN_REKEY_SA))
		return GV_GIKEV2_UNSUPPORTED;
	if (gsa->has_kek)
		return GV_GIKEV2_DUPLICATE;
	gsa->has_kek = true;
	error = get_kek_spi(r, spi_len, gsa->kek.spi);
	if (error == GV_GIKEV2_OK)
		error = get_two_ts(r, &source, &destination);
	if (error == GV_GIKEV2_OK)
		error = get_kek_transforms(r, d);
	if (error == GV_GIKEV2_OK)
		error = get_kek_attributes(r, &gsa->kek);
	return error;
}

/* The header that policies and key bags share: protocol, SPI size or
 * RESERVED, length.  body is what follows it. */
static enum gv_gikev2_error get_substructure(struct gv_reader *r,
					     uint8_t *protocol,
					     uint8_t *spi_len,
					     struct gv_reader *body)
{
	uint16_t len;

	*protocol = gv_get8(r);
	*spi_len = gv_get8(r);
	len = gv_get16(r);
	if (r->ok && len < 4)
		return GV_GIKEV2_BAD_VALUE;
	if (!r->ok || !gv_get_sub(r, len - 4, body))
		return GV_GIKEV2_TRUNCATED;
	return GV_GIKEV2_OK;
}

static enum gv_gikev2_error get_policies(struct gv_reader *r,
					 struct decoding *d)
{
	uint8_t protocol, spi_len;
	enum gv_gikev2_error error;
	struct gv_reader body;

	while (r->left) {
		error = get_substructure(r, &protocol, &spi_len, &body);
		if (error != GV_GIKEV2_OK)
			return error;
		switch (protocol) {
		case PROTO_NONE:
			error = get_gw_policy(&body, d);
			break;
		case PROTO_ESP:
			error = get_gsa_policy(&body, spi_len, d);
			break;
		case PROTO_GIKE_UPDATE:
			error = get_kek_policy(&body, spi_len, d);
			break;
		default:
			error = GV_GIKEV2_UNSUPPORTED;
		}
		if (error != GV_GIKEV2_OK)
			return error;
	}
	return check_gw(d);
}

/* ------------------------------------------------------------------------
 * Reading: KD
 */

static enum gv_gikev2_error get_wrapped(struct gv_reader *r, uint32_t *key_id,
					uint8_t *secret, size_t secret_len,
					const uint8_t kwk[GV_KWK_LEN])
{
	uint32_t kwk_id;
	size_t len = secret_len;

	*key_id = gv_get32(r);
	kwk_id = gv_get32(r);
	if (kwk_id != KWK_ID_GSK_W)
		return GV_GIKEV2_UNSUPPORTED;
	if (!gv_key_unwrap(kwk, GV_KWK_LEN, r->pos, r->left, secret, &len))
		return GV_GIKEV2_UNWRAP;
	return len == secret_len ? GV_GIKEV2_OK : GV_GIKEV2_BAD_VALUE;
}

/* Keeps the SA_KEYs or the WRAP_KEYs for resolve_kek(). */
static enum gv_gikev2_error collect_wrapped(struct gv_reader *r, bool kek,
					    struct decoding *d)
{
	struct gv_reader tlv;

	while (next_of(r, kek ? SA_KEY : WRAP_KEY, &tlv)) {
		struct gv_wrapped_key *key = &d->wrapped[d->wrapped_count];

		if (d->wrapped_count == WRAPPED_MAX)
			return GV_GIKEV2_BAD_VALUE;
		key->key_id = gv_get32(&tlv);
		key->kwk_id = gv_get32(&tlv);
		if ((key->key_id == KEY_ID_SA) != kek)
			return GV_GIKEV2_BAD_VALUE;
		key->len = tlv.left;
		memcpy(key->wrapped, tlv.pos, tlv.left);
		d->wrapped_count++;
	}
	return GV_GIKEV2_OK;
}

static enum gv_gikev2_error get_kek_bag(struct gv_reader *r, uint8_t spi_len,
					struct decoding *d)
{
	enum { KEY, FIELDS };
	static const struct rule rules[FIELDS] = {
		[KEY] = {SA_KEY, WRAPPED_KEK_LEN, true, true},
	};
	uint8_t spi[GV_REKEY_SPI_LEN];
	struct field fields[FIELDS];
	enum gv_gikev2_error error;
	struct gv_reader again;

	if (!(d->can & GV_CAN_REKEY_SA))
		return GV_GIKEV2_UNSUPPORTED;
	error = get_kek_spi(r, spi_len, spi);
	again = *r;
	if (error == GV_GIKEV2_OK)
		error = get_attributes(r, rules, fields, FIELDS);
	if (error != GV_GIKEV2_OK)
		return error;
	if (!d->gsa->has_kek || memcmp(spi, d->gsa->kek.spi, sizeof(spi)) != 0)
		return GV_GIKEV2_BAD_VALUE;
	if (d->has_kek_bag)
		return GV_GIKEV2_DUPLICATE;
	d->has_kek_bag = true;
	return collect_wrapped(&again, true, d);
}

static struct gv_epoch_sa *find_sa(struct gv_gsa *gsa, uint8_t tag,
				   unsigned int *bit)
{
	for (unsigned int i = 0; i < gsa->epochs; i++) {
		*bit = 1u << i;
		if (gsa->epoch[i].tag == tag)
			return &gsa->epoch[i];
	}
	return NULL;
}

static enum gv_gikev2_error
get_group_key_bag(struct gv_reader *r, uint8_t spi_len, struct decoding *d)
{
	enum { KEY, ROUTE, FIELDS };
	struct rule rules[FIELDS] = {
		[KEY] = {SA_KEY, WRAPPED_HEADER_LEN, true, false},
		[ROUTE] = {ROUTE_SECRET, WRAPPED_LEN, false, false},
	};
	struct gv_gsa *gsa = d->gsa;
	bool shared = gsa->sa_mode == GV_SA_SHARED;
	struct field fields[FIELDS];
	enum gv_gikev2_error error;
	struct gv_epoch_sa *sa;
	uint32_t key_id;
	unsigned int bit;
	uint8_t tag;

	error = get_spi(r, spi_len, &tag);
	if (error != GV_GIKEV2_OK)
		return error;
	sa = find_sa(gsa, tag, &bit);
	if (!sa)
		return GV_GIKEV2_BAD_VALUE;
	rules[KEY].len += GV_WRAPPED_LEN(secret_len(gsa, sa));
	error = get_attributes(r, rules, fields, FIELDS);
	if (error != GV_GIKEV2_OK)
		return error;
	if (d->keyed & bit)
		return GV_GIKEV2_DUPLICATE;
	d->keyed |= bit;
	error = get_wrapped(&fields[KEY].tlv, &key_id,
			    shared ? sa->esp_key : sa->gsk, secret_len(gsa, sa),
			    d->kwk);
	if (error != GV_GIKEV2_OK)
		return error;
	if (key_id != KEY_ID_SA)
		return GV_GIKEV2_BAD_VALUE;
	if (!fields[ROUTE].present)
		return GV_GIKEV2_OK;
	if (gsa->route_epoch)
		return GV_GIKEV2_DUPLICATE;
	error = get_wrapped(&fields[ROUTE].tlv, &gsa->route_epoch,
			    gsa->route_secret, GV_SECRET_LEN, d->kwk);
	if (error == GV_GIKEV2_OK && !gsa->route_epoch)
		error = GV_GIKEV2_BAD_VALUE;
	return error;
}

static enum gv_gikev2_error take_ids(struct gv_gsa *gsa, struct field *sender,
				     const struct field *member,
				     const struct field *direction)
{
	gsa->sender_id = gv_get24(&sender->tlv);
	gsa->member_id = member->tv;
	if (!gsa->sender_id || !gsa->member_id)
		return GV_GIKEV2_BAD_VALUE;
	if (!direction->present)
		return GV_GIKEV2_OK;
	if (direction->tv != GV_SEND_ONLY && direction->tv != GV_RECEIVE_ONLY)
		return GV_GIKEV2_BAD_VALUE;
	gsa->direction = direction->tv;
	return GV_GIKEV2_OK;
}

static enum gv_gikev2_error take_auth_key(struct gv_gsa *gsa,
					  struct gv_reader *tlv)
{
	const uint8_t *head = gv_get_bytes(tlv, sizeof(spki_head));

	if (memcmp(head, spki_head, sizeof(spki_head)) != 0)
		return GV_GIKEV2_UNSUPPORTED;
	memcpy(gsa->kek.auth_key, tlv->pos, tlv->left);
	return all_zero(gsa->kek.auth_key, sizeof(gsa->kek.auth_key))
		       ? GV_GIKEV2_BAD_VALUE
		       : GV_GIKEV2_OK;
}

/* Sender- and member-ID come together and make it a registration; without
 * them it is a bag of the Rekey SA's. */
static enum gv_gikev2_error get_member_key_bag(struct gv_reader *r,
					       struct decoding *d)
{
	enum { SENDER, MEMBER, DIRECTION, IDS, WRAP = IDS, AUTH, FIELDS };
	static const struct rule rules[FIELDS] = {
		[SENDER] = {GM_SENDER_ID, SENDER_ID_LEN, false, false},
		[MEMBER] = {GM_MEMBER_ID, 0, false, false},
		[DIRECTION] = {GM_DIRECTION, 0, false, false},
		[WRAP] = {WRAP_KEY, WRAPPED_LEN, false, true},
		[AUTH] = {AUTH_KEY, SPKI_LEN, false, false},
	};
	bool rekey_sa = d->can & GV_CAN_REKEY_SA;
	struct field fields[FIELDS] = {};
	struct gv_reader again = *r;
	enum gv_gikev2_error error;
	bool ids;

	if (d->has_member_bag)
		return GV_GIKEV2_DUPLICATE;
	d->has_member_bag = true;
	error = get_attributes(r, rules, fields, rekey_sa ? FIELDS : IDS);
	if (error != GV_GIKEV2_OK)
		return error;
	ids = fields[SENDER].present || fields[MEMBER].present ||
	      fields[DIRECTION].present;
	if (ids ? !fields[SENDER].present || !fields[MEMBER].present
		: !fields[WRAP].present && !fields[AUTH].present)
		return GV_GIKEV2_MISSING;
	if ((fields[WRAP].present || fields[AUTH].present) && !d->gsa->has_kek)
		return GV_GIKEV2_BAD_VALUE;
	if (ids)
		error = take_ids(d->gsa, &fields[SENDER], &fields[MEMBER],
				 &fields[DIRECTION]);
	if (error == GV_GIKEV2_OK && fields[AUTH].present)
		error = take_auth_key(d->gsa, &fields[AUTH].tlv);
	if (error == GV_GIKEV2_OK && fields[WRAP].present)
		error = collect_wrapped(&again, false, d);
	return error;
}

static enum gv_gikev2_error get_key_bags(struct gv_reader *r,
					 struct decoding *d)
{
	unsigned int all = (1u << d->gsa->epochs) - 1;
	uint8_t protocol, spi_len;
	enum gv_gikev2_error error;
	struct gv_reader body;

	while (r->left) {
		error = get_substructure(r, &protocol, &spi_len, &body);
		if (error != GV_GIKEV2_OK)
			return error;
		switch (protocol) {
		case PROTO_NONE:
			error = get_member_key_bag(&body, d);
			break;
		case PROTO_ESP:
			error = get_group_key_bag(&body, spi_len, d);
			break;
		case PROTO_GIKE_UPDATE:
			error = get_kek_bag(&body, spi_len, d);
			break;
		default:
			error = GV_GIKEV2_UNSUPPORTED;
		}
		if (error != GV_GIKEV2_OK)
			return error;
	}
	return d->keyed == all && !d->gsa->route_epoch == !all &&
			       d->has_kek_bag == d->gsa->has_kek
		       ? GV_GIKEV2_OK
		       : GV_GIKEV2_MISSING;
}

/* RFC 9838: in a registration GWP_SENDER_ID_BITS goes with GM_SENDER_ID. */
static enum gv_gikev2_error check_sender_id_bits(const struct decoding *d)
{
	uint16_t bits = d->sender_id_bits;

	if (!d->gsa->sender_id)
		return bits ? GV_GIKEV2_BAD_VALUE : GV_GIKEV2_OK;
	if (!bits)
		return GV_GIKEV2_MISSING;
	return bits == 8 * SENDER_ID_LEN ? GV_GIKEV2_OK : GV_GIKEV2_UNSUPPORTED;
}

/* What a Rekey SA has in a registration only, or not there. */
static enum gv_gikev2_error check_kek_place(const struct decoding *d)
{
	bool registration = d->gsa->member_id;
	unsigned int keks = 0;

	if (!d->gsa->has_kek)
		return GV_GIKEV2_OK;
	for (size_t i = 0; i < d->wrapped_count; i++)
		keks += d->wrapped[i].key_id == KEY_ID_SA;
	if (registration && keks > 1)
		return GV_GIKEV2_DUPLICATE;
	if (registration && !d->gcauth)
		return GV_GIKEV2_MISSING;
	return !registration && d->gcauth ? GV_GIKEV2_BAD_VALUE : GV_GIKEV2_OK;
}

static enum gv_gikev2_error resolve_kek(struct decoding *d,
					struct gv_key_path *path)
{
	if (!d->gsa->has_kek)
		return GV_GIKEV2_OK;
	if (d->gsa->member_id)
		gv_path_wipe(path); /* a registration's is a new one */
	switch (gv_path_follow(path, d->kwk, d->wrapped, d->wrapped_count,
			       d->gsa->kek.keymat)) {
	case GV_PATH_OK:
		return GV_GIKEV2_OK;
	case GV_PATH_EXCLUDED:
		return GV_GIKEV2_EXCLUDED;
	case GV_PATH_UNWRAP:
		return GV_GIKEV2_UNWRAP;
	default:
		return GV_GIKEV2_BAD_VALUE;
	}
}

enum gv_gikev2_error gv_gsa_decode_for(const struct gv_gsa_receiver *receiver,
				       const uint8_t *gsa_body, size_t gsa_len,
				       const uint8_t *kd_body, size_t kd_len,
				       const uint8_t kwk[GV_KWK_LEN],
				       struct gv_gsa *gsa)
{
	struct decoding d = {.gsa = gsa, .kwk = kwk, .can = receiver->can};
	struct gv_reader policies, bags;
	struct gv_key_path path = {};
	enum gv_gikev2_error error;

	memset(gsa, 0, sizeof(*gsa));
	if (receiver->path)
		path = *receiver->path;
	gv_reader_init(&policies, gsa_body, gsa_len);
	gv_reader_init(&bags, kd_body, kd_len);
	error = get_policies(&policies, &d);
	/* Distinct tags before they are looked up by the key bags. */
	if (error == GV_GIKEV2_OK)
		error = check_epochs(gsa);
	if (error == GV_GIKEV2_OK)
		error = get_key_bags(&bags, &d);
	if (error == GV_GIKEV2_OK)
		error = check_sender_id_bits(&d);
	if (error == GV_GIKEV2_OK)
		error = check_kek_place(&d);
	if (error == GV_GIKEV2_OK)
		error = gv_gsa_check(gsa);
	if (error == GV_GIKEV2_OK)
		error = resolve_kek(&d, &path);
	if (error != GV_GIKEV2_OK)
		gv_gsa_wipe(gsa);
	else if (receiver->path)
		*receiver->path = path;
	gv_path_wipe(&path);
	return error;
}

enum gv_gikev2_error gv_gsa_decode(const uint8_t *gsa_body, size_t gsa_len,
				   const uint8_t *kd_body, size_t kd_len,
				   const uint8_t kwk[GV_KWK_LEN],
				   struct gv_gsa *gsa)
{
	static const struct gv_gsa_receiver plain;

	return gv_gsa_decode_for(&plain, gsa_body, gsa_len, kd_body, kd_len,
				 kwk, gsa);
}

void gv_gsa_wipe(struct gv_gsa *gsa)
{
	gv_wipe(gsa, sizeof(*gsa));
}
