// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The GSA_REKEY message of rekey.h: RFC 9838 section 2.4.1, on RFC 7296
 * sections 3.1, 3.8 and 3.14, RFC 5282 (AES-GCM) and RFC 7427, RFC 8420
 * (Ed25519).
 *
 * Both directions work on the text that is signed, "A | P" of the RFC: the
 * IKE header and the header of the Encrypted payload, with lengths as if there
 * were no IV, padding and ICV, and the payloads in clear.  What is sent differs
 * from it by these lengths and by encryption.
 *
 * Not here: IKE fragmentation, and the Delete payload, which is skipped as
 * unknown payloads are.
 */
#include "rekey.h"

#include <string.h>

#include "bytes.h"
#include "crypto.h"

#define IKE_VERSION 0x20
#define FLAG_INITIATOR 0x08
#define FLAG_RESPONSE 0x20
#define IKE_HEADER_LEN 28
#define IKE_LENGTH_AT 24

#define PAYLOAD_NONE 0
#define PAYLOAD_AUTH 39
#define PAYLOAD_SK 46
#define PAYLOAD_HEADER_LEN 4
#define PAYLOAD_CRITICAL 0x80

/* A of the RFC; SK_LENGTH_AT its last field. */
#define A_LEN (IKE_HEADER_LEN + PAYLOAD_HEADER_LEN)
#define SK_LENGTH_AT (A_LEN - 2)
#define IV_LEN 8
#define SALT_LEN (GV_GCM_NONCE_LEN - IV_LEN)
#define PAD_LEN 1 /* the Pad Length field: no padding */
#define OVERHEAD (IV_LEN + PAD_LEN + GV_GCM_TAG_LEN)

/* RFC 7427: method, reserved, length and value of the AlgorithmIdentifier. */
static const uint8_t auth_head[] = {14,	  0,	0,    0,    7,	  0x30,
				    0x05, 0x06, 0x03, 0x2b, 0x65, 0x70};
#define AUTH_LEN (PAYLOAD_HEADER_LEN + sizeof(auth_head) + GV_SIGNATURE_LEN)

/* Message-ID that is never sent: none could follow it. */
#define MESSAGE_ID_END UINT32_MAX

/* The text that is signed, and the Pad Length behind it. */
struct text {
	uint8_t octets[GV_REKEY_MAX];
	size_t len; /* of A | P */
	/* Of the AUTH payload's signature, at the end of P. */
	size_t signature_at;
};

const char *gv_rekey_error_text(enum gv_rekey_error error)
{
	static const char *const texts[GV_REKEY_ERRORS] = {
		[GV_REKEY_OK] = "ok",
		[GV_REKEY_TRUNCATED] = "truncated",
		[GV_REKEY_MALFORMED] = "not a GSA_REKEY message",
		[GV_REKEY_OTHER_SA] = "of an unknown Rekey SA",
		[GV_REKEY_MISSED] = "of a later Rekey SA, keys were missed",
		[GV_REKEY_FORGED] = "integrity check fails",
		[GV_REKEY_BAD_SIGNATURE] = "not signed by the GCKS",
		[GV_REKEY_REPLAYED] = "replayed",
		[GV_REKEY_EXCLUDED] = "no key of ours leads to the new KEK",
		[GV_REKEY_BAD_CONTENT] = "malformed policy or keys",
	};

	if ((unsigned int)error >= GV_REKEY_ERRORS)
		return "unknown error";
	return texts[error];
}

bool gv_kek_new(struct gv_kek *kek)
{
	memset(kek, 0, sizeof(*kek));
	if (gv_random(kek->spi, sizeof(kek->spi)) &&
	    gv_random(kek->keymat, sizeof(kek->keymat)))
		return true;
	gv_wipe(kek, sizeof(*kek));
	return false;
}

static const uint8_t *gsk_w(const struct gv_kek *kek)
{
	return kek->keymat + GV_GSK_E_LEN;
}

/* GSK_e is the cipher's key and then the salt (RFC 5282 section 7.1). */
static void make_nonce(const struct gv_kek *kek, const uint8_t iv[IV_LEN],
		       uint8_t nonce[GV_GCM_NONCE_LEN])
{
	memcpy(nonce, kek->keymat + GV_GSK_E_LEN - SALT_LEN, SALT_LEN);
	memcpy(nonce + SALT_LEN, iv, IV_LEN);
}

/* From the lengths that are signed to those that are sent, and back. */
static void move_lengths(uint8_t a[A_LEN], int by)
{
	struct gv_reader r;
	struct gv_writer w;
	uint32_t message;
	uint16_t payload;

	gv_reader_init(&r, a + IKE_LENGTH_AT, 4);
	message = gv_get32(&r);
	gv_reader_init(&r, a + SK_LENGTH_AT, 2);
	payload = gv_get16(&r);
	gv_writer_init(&w, a + IKE_LENGTH_AT, 4);
	gv_put32(&w, message + by);
	gv_writer_init(&w, a + SK_LENGTH_AT, 2);
	gv_put16(&w, payload + by);
}

/* ------------------------------------------------------------------------
 * Writing
 */

static size_t open_payload(struct gv_writer *w, uint8_t next)
{
	gv_put8(w, next);
	gv_put8(w, 0);
	return gv_open16(w);
}

static void close_payload(struct gv_writer *w, size_t mark)
{
	gv_close16(w, mark, PAYLOAD_HEADER_LEN);
}

static void put_payload(struct gv_writer *w, uint8_t next, const void *body,
			size_t len)
{
	size_t mark = open_payload(w, next);

	gv_put_bytes(w, body, len);
	close_payload(w, mark);
}

/* What forward access control needs (RFC 9838 section 3.2.1); and in a group with
 * a Rekey SA every SA has a lifetime. */
static bool may_send(const struct gv_gsa *gsa)
{
	if (gsa->member_id || (gsa->wrapped && gsa->epochs))
		return false;
	for (unsigned int i = 0; i < gsa->epochs && i < GV_EPOCHS_MAX; i++)
		if (!gsa->epoch[i].lifetime)
			return false;
	return true;
}

static bool put_payloads(struct gv_writer *w, const struct gv_kek *kek,
			 const struct gv_gsa *gsa)
{
	static const uint8_t no_signature[GV_SIGNATURE_LEN];
	uint8_t policy[GV_GSA_BODY_MAX], keys[GV_KD_BODY_MAX];
	size_t policy_len = sizeof(policy), keys_len = sizeof(keys), mark;

	if (!gv_gsa_encode(gsa, gsk_w(kek), policy, &policy_len, keys,
			   &keys_len))
		return false;
	put_payload(w, GV_PAYLOAD_KD, policy, policy_len);
	put_payload(w, PAYLOAD_AUTH, keys, keys_len);
	mark = open_payload(w, PAYLOAD_NONE);
	gv_put_bytes(w, auth_head, sizeof(auth_head));
	gv_put_bytes(w, no_signature, sizeof(no_signature));
	close_payload(w, mark);
	return w->ok;
}

static bool put_text(struct text *text, const struct gv_kek *kek,
		     const struct gv_gsa *gsa)
{
	struct gv_writer w, length;
	size_t mark;

	gv_writer_init(&w, text->octets, sizeof(text->octets) - PAD_LEN);
	gv_put_bytes(&w, kek->spi, sizeof(kek->spi));
	gv_put8(&w, PAYLOAD_SK);
	gv_put8(&w, IKE_VERSION);
	gv_put8(&w, GV_EXCHANGE_GSA_REKEY);
	gv_put8(&w, FLAG_INITIATOR);
	gv_put32(&w, kek->message_id);
	gv_put32(&w, 0);
	mark = open_payload(&w, GV_PAYLOAD_GSA);
	if (!put_payloads(&w, kek, gsa))
		return false;
	close_payload(&w, mark);
	gv_writer_init(&length, text->octets + IKE_LENGTH_AT, 4);
	gv_put32(&length, w.len);
	text->len = w.len;
	text->signature_at = w.len - GV_SIGNATURE_LEN;
	text->octets[text->len] = 0; /* Pad Length */
	return w.ok;
}

static bool sign(struct text *text, const uint8_t private_key[GV_SIGN_KEY_LEN])
{
	uint8_t signature[GV_SIGNATURE_LEN];

	/* Not in place: its place is signed, as zeros. */
	if (!gv_sign(private_key, text->octets, text->len, signature))
		return false;
	memcpy(text->octets + text->signature_at, signature, sizeof(signature));
	return true;
}

/* RFC 5282 wants an IV that never comes twice under a key.  One that depends
 * on all that is signed does not, even if a Message-ID should be used for two
 * messages by a GCKS that lost its memory. */
static bool make_iv(const struct gv_kek *kek, const uint8_t *signature,
		    uint8_t iv[IV_LEN])
{
	uint8_t info[2 + GV_SIGNATURE_LEN] = "iv";

	memcpy(info + 2, signature, GV_SIGNATURE_LEN);
	return gv_hkdf_expand(gsk_w(kek), info, sizeof(info), iv, IV_LEN);
}

static bool seal(const struct gv_kek *kek, struct text *text, uint8_t *msg,
		 size_t *len)
{
	uint8_t nonce[GV_GCM_NONCE_LEN], *iv = msg + A_LEN;
	size_t whole = text->len + OVERHEAD;

	if (whole > *len)
		return false;
	*len = whole;
	move_lengths(text->octets, OVERHEAD);
	memcpy(msg, text->octets, A_LEN);
	if (!make_iv(kek, text->octets + text->signature_at, iv))
		return false;
	make_nonce(kek, iv, nonce);
	return gv_gcm_seal(kek->keymat, nonce, msg, A_LEN, text->octets + A_LEN,
			   text->len - A_LEN + PAD_LEN, iv + IV_LEN);
}

bool gv_rekey_encode(struct gv_kek *kek,
		     const uint8_t private_key[GV_SIGN_KEY_LEN],
		     const struct gv_gsa *gsa, uint8_t *msg, size_t *len)
{
	struct text text;
	bool ok;

	if (*len > GV_REKEY_MAX)
		*len = GV_REKEY_MAX;
	ok = kek->message_id != MESSAGE_ID_END && may_send(gsa) &&
	     put_text(&text, kek, gsa) && sign(&text, private_key) &&
	     seal(kek, &text, msg, len);
	if (ok)
		kek->message_id++;
	else
		*len = 0;
	return ok;
}

/* ------------------------------------------------------------------------
 * Reading
 */

struct header {
	const uint8_t *spi;
	uint8_t next, version, exchange, flags;
	uint32_t message_id, len;
};

static bool get_header(struct gv_reader *r, struct header *header)
{
	header->spi = gv_get_bytes(r, GV_REKEY_SPI_LEN);
	header->next = gv_get8(r);
	header->version = gv_get8(r);
	header->exchange = gv_get8(r);
	header->flags = gv_get8(r);
	header->message_id = gv_get32(r);
	header->len = gv_get32(r);
	return r->ok;
}

size_t gv_rekey_first(const uint8_t *data, size_t len)
{
	struct header header;
	struct gv_reader r;

	gv_reader_init(&r, data, len);
	if (!get_header(&r, &header) || header.len < IKE_HEADER_LEN ||
	    header.len > len)
		return 0;
	return header.len;
}

static enum gv_rekey_error check_spi(const struct gv_kek *kek,
				     const uint8_t *spi)
{
	if (!memcmp(spi, kek->spi, sizeof(kek->spi)))
		return GV_REKEY_OK;
	for (unsigned int i = 0; i < kek->next_spis; i++)
		if (!memcmp(spi, kek->next_spi[i], sizeof(kek->spi)))
			return GV_REKEY_MISSED;
	return GV_REKEY_OTHER_SA;
}

static enum gv_rekey_error check_header(const struct gv_kek *kek,
					const struct header *header, size_t len)
{
	if (header->version != IKE_VERSION || header->next != PAYLOAD_SK ||
	    header->exchange != GV_EXCHANGE_GSA_REKEY ||
	    header->flags & FLAG_RESPONSE ||
	    header->message_id == MESSAGE_ID_END)
		return GV_REKEY_MALFORMED;
	if (header->len > len)
		return GV_REKEY_TRUNCATED;
	if (header->len < len || len < A_LEN + OVERHEAD + PAYLOAD_HEADER_LEN ||
	    len > GV_REKEY_MAX)
		return GV_REKEY_MALFORMED;
	return check_spi(kek, header->spi);
}

/* Decrypts: text is then what was signed. */
static enum gv_rekey_error open_text(const struct gv_kek *kek,
				     const uint8_t *msg, size_t len,
				     struct text *text)
{
	uint8_t nonce[GV_GCM_NONCE_LEN];
	const uint8_t *iv = msg + A_LEN;
	struct gv_reader r;
	size_t padding;

	gv_reader_init(&r, msg + SK_LENGTH_AT, 2);
	if (gv_get16(&r) != len - IKE_HEADER_LEN)
		return GV_REKEY_MALFORMED;
	make_nonce(kek, iv, nonce);
	memcpy(text->octets, msg, A_LEN);
	if (!gv_gcm_open(kek->keymat, nonce, msg, A_LEN, iv + IV_LEN,
			 len - A_LEN - IV_LEN, text->octets + A_LEN))
		return GV_REKEY_FORGED;
	text->len = len - OVERHEAD;
	padding = text->octets[text->len];
	if (padding > text->len - A_LEN)
		return GV_REKEY_MALFORMED;
	text->len -= padding;
	move_lengths(text->octets, -(int)(OVERHEAD + padding));
	return GV_REKEY_OK;
}

struct payloads {
	struct gv_reader gsa, kd, auth;
};

/* The payloads that we know, each once; the others are skipped unless they
 * are critical (RFC 7296 section 2.5). */
static bool get_payloads(struct gv_reader *r, uint8_t type,
			 struct payloads *payloads)
{
	memset(payloads, 0, sizeof(*payloads));
	while (type != PAYLOAD_NONE) {
		uint8_t next = gv_get8(r);
		bool critical = gv_get8(r) & PAYLOAD_CRITICAL;
		uint16_t len = gv_get16(r);
		struct gv_reader skipped = {}, *body = &skipped;

		if (type == GV_PAYLOAD_GSA)
			body = &payloads->gsa;
		else if (type == GV_PAYLOAD_KD)
			body = &payloads->kd;
		else if (type == PAYLOAD_AUTH)
			body = &payloads->auth;
		else if (critical)
			return false;
		if (body->ok || len < PAYLOAD_HEADER_LEN ||
		    !gv_get_sub(r, len - PAYLOAD_HEADER_LEN, body))
			return false;
		type = next;
	}
	return gv_reader_done(r) && payloads->gsa.ok && payloads->kd.ok &&
	       payloads->auth.ok;
}

/* The signature's place has to be known, and nothing may follow that it could
 * be taken for. */
static enum gv_rekey_error find_signature(struct text *text,
					  struct payloads *payloads)
{
	struct gv_reader *auth = &payloads->auth;
	const uint8_t *head = gv_get_bytes(auth, sizeof(auth_head));

	if (!head || auth->left != GV_SIGNATURE_LEN)
		return GV_REKEY_MALFORMED;
	/* The reserved octets are signed, whatever they are. */
	if (head[0] != auth_head[0] || memcmp(head + 4, auth_head + 4, 8) != 0)
		return GV_REKEY_BAD_SIGNATURE;
	text->signature_at = auth->pos - text->octets;
	return GV_REKEY_OK;
}

static enum gv_rekey_error verify(const struct gv_kek *kek, struct text *text)
{
	uint8_t *place = text->octets + text->signature_at;
	uint8_t signature[GV_SIGNATURE_LEN];

	memcpy(signature, place, sizeof(signature));
	memset(place, 0, sizeof(signature));
	return gv_verify(kek->auth_key, text->octets, text->len, signature)
		       ? GV_REKEY_OK
		       : GV_REKEY_BAD_SIGNATURE;
}

/* Opens the message, and checks whom it is from. */
static enum gv_rekey_error get_text(const struct gv_kek *kek,
				    const uint8_t *msg, size_t len,
				    struct text *text,
				    struct payloads *payloads)
{
	enum gv_rekey_error error = open_text(kek, msg, len, text);
	struct gv_reader r;

	if (error != GV_REKEY_OK)
		return error;
	gv_reader_init(&r, text->octets + A_LEN, text->len - A_LEN);
	if (!get_payloads(&r, text->octets[IKE_HEADER_LEN], payloads))
		return GV_REKEY_MALFORMED;
	error = find_signature(text, payloads);
	return error == GV_REKEY_OK ? verify(kek, text) : error;
}

/* What a rekey must not say. */
static enum gv_gikev2_error check_content(const struct gv_kek *kek,
					  uint32_t group_id, struct gv_gsa *gsa)
{
	if (gsa->epochs && gsa->group_id != group_id)
		return GV_GIKEV2_BAD_VALUE;
	if (gsa->member_id)
		return GV_GIKEV2_BAD_VALUE;
	if (gsa->has_kek && !memcmp(gsa->kek.spi, kek->spi, sizeof(kek->spi)))
		return GV_GIKEV2_BAD_VALUE;
	for (unsigned int i = 0; i < gsa->epochs; i++)
		if (!gsa->epoch[i].lifetime)
			return GV_GIKEV2_MISSING;
	return GV_GIKEV2_OK;
}

static enum gv_gikev2_error get_content(const struct gv_kek *kek,
					uint32_t group_id,
					const struct gv_gsa_receiver *receiver,
					const struct payloads *payloads,
					struct gv_gsa *gsa)
{
	static const uint8_t none[GV_SIGN_KEY_LEN];
	struct gv_key_path path = {};
	struct gv_gsa_receiver careful = {receiver->can | GV_CAN_REKEY_SA,
					  &path};
	enum gv_gikev2_error error;

	if (receiver->path)
		path = *receiver->path;
	error = gv_gsa_decode_for(&careful, payloads->gsa.pos,
				  payloads->gsa.left, payloads->kd.pos,
				  payloads->kd.left, gsk_w(kek), gsa);
	if (error == GV_GIKEV2_OK)
		error = check_content(kek, group_id, gsa);
	if (error == GV_GIKEV2_OK) {
		gsa->group_id = group_id;
		if (gsa->has_kek &&
		    !memcmp(gsa->kek.auth_key, none, sizeof(none)))
			memcpy(gsa->kek.auth_key, kek->auth_key, sizeof(none));
		if (receiver->path)
			*receiver->path = path;
	}
	gv_path_wipe(&path);
	return error;
}

enum gv_rekey_error gv_rekey_decode(struct gv_kek *kek, uint32_t group_id,
				    const struct gv_gsa_receiver *receiver,
				    const uint8_t *msg, size_t len,
				    struct gv_gsa *gsa,
				    enum gv_gikev2_error *why)
{
	enum gv_gikev2_error content = GV_GIKEV2_OK;
	enum gv_rekey_error error;
	struct payloads payloads;
	struct header header;
	struct gv_reader r;
	struct text text;

	gv_gsa_wipe(gsa);
	gv_reader_init(&r, msg, len);
	if (!get_header(&r, &header))
		error = GV_REKEY_TRUNCATED;
	else
		error = check_header(kek, &header, len);
	if (error == GV_REKEY_OK)
		error = get_text(kek, msg, len, &text, &payloads);
	if (error == GV_REKEY_OK && header.message_id < kek->message_id)
		error = GV_REKEY_REPLAYED;
	if (error == GV_REKEY_OK) {
		content = get_content(kek, group_id, receiver, &payloads, gsa);
		if (content == GV_GIKEV2_EXCLUDED)
			error = GV_REKEY_EXCLUDED;
		else if (content != GV_GIKEV2_OK)
			error = GV_REKEY_BAD_CONTENT;
	}
	if (why)
		*why = content;
	if (error == GV_REKEY_OK)
		kek->message_id = header.message_id + 1;
	else
		gv_gsa_wipe(gsa);
	return error;
}
