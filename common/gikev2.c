// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Bodies of the G-IKEv2 payloads IDg, GSA and KD, RFC 9838 sections 4.2, 4.4
 * and 4.5.  What is ours in them is listed in doc/protocol.md, "Registration".
 *
 * Attributes follow RFC 7296 section 3.3.5.  Each kind of substructure has a
 * table that says which of them it must and may hold and in what form; one
 * reader serves all of them.  Not here: Rekey SA policies (GIKE_UPDATE), AH,
 * key trees (WRAP_KEY) and SAg.
 */
#include "gikev2.h"

#include <string.h>

#include "bytes.h"
#include "crypto.h"
#include "keys.h"

#define ID_KEY_ID 11

#define PROTO_NONE 0 /* GW policy, member key bag */
#define PROTO_ESP 3

#define SPI_LEN 4
#define KEY_ID_SA 0    /* a wrapped key that holds SA keys */
#define KWK_ID_GSK_W 0 /* wrapped with the IKE SA's own key */
#define WRAPPED_LEN (8 + GV_WRAPPED_LEN(GV_SECRET_LEN))
#define SENDER_ID_LEN 3

/* Traffic selector of RFC 7296 section 3.13.1. */
#define TS_IPV4_ADDR_RANGE 7
#define TS_IPV4_LEN 16
#define TS_PROTO_GRE 47

/* Transforms of RFC 7296 section 3.3.2. */
#define TRANSFORM_HEADER_LEN 8
#define TRANSFORM_LAST 0
#define TRANSFORM_MORE 3
#define TRANSFORM_ENCR 1
#define TRANSFORM_INTEG 3
#define TRANSFORM_SN 5
#define SN_SEQUENTIAL 0
#define SN_ESN 1

#define ATTR_TV 0x8000
#define ATTR_KEY_LENGTH 14

/* GSA attributes */
#define GSA_KEY_LIFETIME 1
#define GSA_EPOCH 16384
/* GW policy attributes */
#define GWP_ATD 1
#define GWP_DTD 2
#define GWP_SENDER_ID_BITS 3
#define GWP_SA_MODE 16384
#define GWP_ENCAP 16385
#define GWP_REPLAY_WINDOW 16386
/* Group key bag attributes */
#define SA_KEY 1
#define ROUTE_SECRET 16384
/* Member key bag attributes */
#define GM_SENDER_ID 3
#define GM_MEMBER_ID 16384

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
	};

	if ((unsigned int)error >= GV_GIKEV2_ERRORS)
		return "unknown error";
	return texts[error];
}

/* ------------------------------------------------------------------------
 * Algorithms
 */

/* IKEv2 transform IDs */
#define ENCR_AES_CBC 12
#define ENCR_AES_GCM_16 20
#define ENCR_CHACHA20_POLY1305 28
#define INTEG_HMAC_SHA2_256_128 12
#define INTEG_HMAC_SHA2_384_192 13
#define INTEG_HMAC_SHA2_512_256 14

struct encr {
	uint16_t id, key_bits;
	uint8_t octets; /* of keying material, the salt included */
	bool aead;
};

static const struct encr encrs[] = {
	{ENCR_AES_CBC, 128, 16, false},	       {ENCR_AES_CBC, 192, 24, false},
	{ENCR_AES_CBC, 256, 32, false},	       {ENCR_AES_GCM_16, 128, 20, true},
	{ENCR_AES_GCM_16, 192, 28, true},      {ENCR_AES_GCM_16, 256, 36, true},
	{ENCR_CHACHA20_POLY1305, 0, 36, true},
};

static size_t integ_octets(uint16_t id)
{
	switch (id) {
	case INTEG_HMAC_SHA2_256_128:
		return 32;
	case INTEG_HMAC_SHA2_384_192:
		return 48;
	case INTEG_HMAC_SHA2_512_256:
		return 64;
	default:
		return 0;
	}
}

size_t gv_esp_key_len(const struct gv_esp_proposal *esp)
{
	size_t integ = integ_octets(esp->integ);

	for (size_t i = 0; i < sizeof(encrs) / sizeof(encrs[0]); i++) {
		const struct encr *encr = &encrs[i];

		if (encr->id != esp->encr || encr->key_bits != esp->key_bits)
			continue;
		if (encr->aead)
			return esp->integ ? 0 : encr->octets;
		return integ ? encr->octets + integ : 0;
	}
	return 0;
}

/* ------------------------------------------------------------------------
 * Content, the same for both directions
 */

static enum gv_gikev2_error check_epochs(const struct gv_gsa *gsa)
{
	if (!gsa->epochs)
		return GV_GIKEV2_MISSING;
	if (gsa->epochs > GV_EPOCHS_MAX)
		return GV_GIKEV2_BAD_VALUE;
	for (unsigned int i = 0; i < gsa->epochs; i++) {
		const struct gv_epoch_sa *sa = &gsa->epoch[i];

		if (sa->tag < GV_TAG_MIN || sa->tag > GV_TAG_MAX || !sa->epoch)
			return GV_GIKEV2_BAD_VALUE;
		if (!gv_esp_key_len(&sa->esp))
			return GV_GIKEV2_UNSUPPORTED;
		for (unsigned int j = 0; j < i; j++) {
			if (gsa->epoch[j].tag == sa->tag)
				return GV_GIKEV2_DUPLICATE;
			if (gsa->epoch[j].epoch >= sa->epoch)
				return GV_GIKEV2_BAD_VALUE;
		}
	}
	return GV_GIKEV2_OK;
}

static enum gv_gikev2_error check(const struct gv_gsa *gsa)
{
	if (gsa->sa_mode != GV_SA_DERIVED || gsa->encap != GV_ENCAP_GRE)
		return GV_GIKEV2_UNSUPPORTED;
	if (!gsa->group_id || !gsa->route_epoch ||
	    gsa->replay_window_log2 < GV_REPLAY_LOG2_MIN ||
	    gsa->replay_window_log2 > GV_REPLAY_LOG2_MAX ||
	    gsa->sender_id > GV_SENDER_ID_MAX ||
	    !gsa->sender_id != !gsa->member_id)
		return GV_GIKEV2_BAD_VALUE;
	return check_epochs(gsa);
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

/* Both traffic selectors of a policy say "GRE with this key, between any
 * addresses"; the key's halves stand where ports do. */
static void put_ts(struct gv_writer *w, uint16_t half_key)
{
	gv_put8(w, TS_IPV4_ADDR_RANGE);
	gv_put8(w, TS_PROTO_GRE);
	gv_put16(w, TS_IPV4_LEN);
	gv_put16(w, half_key);
	gv_put16(w, half_key);
	gv_put32(w, 0);
	gv_put32(w, UINT32_MAX);
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

static void put_gsa_policy(struct gv_writer *w, uint32_t group_id,
			   const struct gv_epoch_sa *sa)
{
	const struct gv_esp_proposal *esp = &sa->esp;
	size_t mark;

	gv_put8(w, PROTO_ESP);
	gv_put8(w, SPI_LEN);
	mark = gv_open16(w);
	gv_put32(w, gv_spi(sa->tag, 0));
	put_ts(w, group_id >> 16);
	put_ts(w, group_id & 0xffff);
	put_transform(w, false, TRANSFORM_ENCR, esp->encr, esp->key_bits);
	if (esp->integ)
		put_transform(w, false, TRANSFORM_INTEG, esp->integ, 0);
	put_transform(w, true, TRANSFORM_SN, esp->esn ? SN_ESN : SN_SEQUENTIAL,
		      0);
	if (sa->lifetime)
		put_tlv32(w, GSA_KEY_LIFETIME, sa->lifetime);
	put_tlv32(w, GSA_EPOCH, sa->epoch);
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
	put_tv(w, GWP_REPLAY_WINDOW, gsa->replay_window_log2);
	gv_close16(w, mark, 4);
}

/* RFC 9838 section 4.5.4 */
static void put_wrapped(struct gv_writer *w, uint16_t type, uint32_t key_id,
			const uint8_t secret[GV_SECRET_LEN],
			const uint8_t kwk[GV_KWK_LEN])
{
	uint8_t wrapped[GV_WRAPPED_LEN(GV_SECRET_LEN)];
	size_t len = sizeof(wrapped);
	size_t mark;

	gv_put16(w, type);
	mark = gv_open16(w);
	gv_put32(w, key_id);
	gv_put32(w, KWK_ID_GSK_W);
	if (gv_key_wrap(kwk, GV_KWK_LEN, secret, GV_SECRET_LEN, wrapped, &len))
		gv_put_bytes(w, wrapped, len);
	else
		w->ok = false;
	gv_close16(w, mark, 0);
}

static void put_group_key_bag(struct gv_writer *w, const struct gv_gsa *gsa,
			      const struct gv_epoch_sa *sa,
			      const uint8_t kwk[GV_KWK_LEN])
{
	bool newest = sa == &gsa->epoch[gsa->epochs - 1];
	size_t mark;

	gv_put8(w, PROTO_ESP);
	gv_put8(w, SPI_LEN);
	mark = gv_open16(w);
	gv_put32(w, gv_spi(sa->tag, 0));
	put_wrapped(w, SA_KEY, KEY_ID_SA, sa->gsk, kwk);
	if (newest)
		put_wrapped(w, ROUTE_SECRET, gsa->route_epoch,
			    gsa->route_secret, kwk);
	gv_close16(w, mark, 4);
}

static void put_member_key_bag(struct gv_writer *w, const struct gv_gsa *gsa)
{
	size_t mark;

	gv_put8(w, PROTO_NONE);
	gv_put8(w, 0);
	mark = gv_open16(w);
	gv_put16(w, GM_SENDER_ID);
	gv_put16(w, SENDER_ID_LEN);
	gv_put24(w, gsa->sender_id);
	put_tv(w, GM_MEMBER_ID, gsa->member_id);
	gv_close16(w, mark, 4);
}

bool gv_gsa_encode(const struct gv_gsa *gsa, const uint8_t kwk[GV_KWK_LEN],
		   uint8_t *gsa_body, size_t *gsa_len, uint8_t *kd_body,
		   size_t *kd_len)
{
	struct gv_writer policy, keys;
	bool ok;

	gv_writer_init(&policy, gsa_body, *gsa_len);
	gv_writer_init(&keys, kd_body, *kd_len);
	ok = check(gsa) == GV_GIKEV2_OK;
	if (ok) {
		for (unsigned int i = 0; i < gsa->epochs; i++) {
			put_gsa_policy(&policy, gsa->group_id, &gsa->epoch[i]);
			put_group_key_bag(&keys, gsa, &gsa->epoch[i], kwk);
		}
		put_gw_policy(&policy, gsa);
		if (gsa->sender_id)
			put_member_key_bag(&keys, gsa);
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
		if (field->present)
			return GV_GIKEV2_DUPLICATE;
		if (!(head & ATTR_TV) != !!rule->len || tlv.left != rule->len)
			return GV_GIKEV2_BAD_VALUE;
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

/* ------------------------------------------------------------------------
 * Reading: GSA
 */

static enum gv_gikev2_error get_ts(struct gv_reader *r, uint16_t *half_key)
{
	uint8_t type = gv_get8(r), proto = gv_get8(r);
	uint16_t len = gv_get16(r);
	uint16_t from = gv_get16(r), to = gv_get16(r);
	uint32_t low = gv_get32(r), high = gv_get32(r);

	if (!r->ok)
		return GV_GIKEV2_TRUNCATED;
	if (type != TS_IPV4_ADDR_RANGE || proto != TS_PROTO_GRE ||
	    len != TS_IPV4_LEN || from != to || low || high != UINT32_MAX)
		return GV_GIKEV2_UNSUPPORTED;
	*half_key = from;
	return GV_GIKEV2_OK;
}

/* Both selectors give the group-ID, the same in every policy. */
static enum gv_gikev2_error get_selectors(struct gv_reader *r,
					  struct gv_gsa *gsa)
{
	enum gv_gikev2_error error;
	uint16_t upper, lower;
	uint32_t group_id;

	error = get_ts(r, &upper);
	if (error == GV_GIKEV2_OK)
		error = get_ts(r, &lower);
	if (error != GV_GIKEV2_OK)
		return error;
	group_id = (uint32_t)upper << 16 | lower;
	if (!group_id || (gsa->group_id && gsa->group_id != group_id))
		return GV_GIKEV2_BAD_VALUE;
	gsa->group_id = group_id;
	return GV_GIKEV2_OK;
}

/* The only transform attribute there is; an unknown one makes the transform
 * unknown (RFC 7296 section 3.3.6). */
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

static enum gv_gikev2_error get_transform(struct gv_reader *r,
					  struct gv_esp_proposal *esp,
					  unsigned int *seen, bool *last)
{
	enum gv_gikev2_error error = GV_GIKEV2_OK;
	uint8_t more = gv_get8(r), type;
	struct gv_reader body;
	uint16_t len, id;

	gv_get8(r);
	len = gv_get16(r);
	if (r->ok && len < TRANSFORM_HEADER_LEN)
		return GV_GIKEV2_BAD_VALUE;
	if (!r->ok || !gv_get_sub(r, len - 4, &body))
		return GV_GIKEV2_TRUNCATED;
	if (more != TRANSFORM_MORE && more != TRANSFORM_LAST)
		return GV_GIKEV2_BAD_VALUE;
	*last = more == TRANSFORM_LAST;

	type = gv_get8(&body);
	gv_get8(&body);
	id = gv_get16(&body);
	if (type < 32 && *seen & 1u << type)
		return GV_GIKEV2_DUPLICATE;
	switch (type) {
	case TRANSFORM_ENCR:
		esp->encr = id;
		error = get_key_length(&body, &esp->key_bits);
		break;
	case TRANSFORM_INTEG:
		esp->integ = id;
		break;
	case TRANSFORM_SN:
		if (id != SN_SEQUENTIAL && id != SN_ESN)
			return GV_GIKEV2_UNSUPPORTED;
		esp->esn = id == SN_ESN;
		break;
	default:
		return GV_GIKEV2_UNSUPPORTED;
	}
	*seen |= 1u << type;
	if (error == GV_GIKEV2_OK && body.left)
		error = GV_GIKEV2_UNSUPPORTED;
	return error;
}

static enum gv_gikev2_error get_transforms(struct gv_reader *r,
					   struct gv_esp_proposal *esp)
{
	const unsigned int mandatory =
		1u << TRANSFORM_ENCR | 1u << TRANSFORM_SN;
	enum gv_gikev2_error error;
	unsigned int seen = 0;
	bool last = false;

	do {
		error = get_transform(r, esp, &seen, &last);
		if (error != GV_GIKEV2_OK)
			return error;
	} while (!last);
	return (seen & mandatory) == mandatory ? GV_GIKEV2_OK
					       : GV_GIKEV2_MISSING;
}

static enum gv_gikev2_error get_gsa_attributes(struct gv_reader *r,
					       struct gv_epoch_sa *sa)
{
	enum { LIFETIME, EPOCH, FIELDS };
	static const struct rule rules[FIELDS] = {
		[LIFETIME] = {GSA_KEY_LIFETIME, 4, false},
		[EPOCH] = {GSA_EPOCH, 4, true},
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
					   struct gv_gsa *gsa)
{
	enum gv_gikev2_error error;
	struct gv_epoch_sa *sa;

	if (gsa->epochs == GV_EPOCHS_MAX)
		return GV_GIKEV2_BAD_VALUE;
	sa = &gsa->epoch[gsa->epochs++];
	error = get_spi(r, spi_len, &sa->tag);
	if (error == GV_GIKEV2_OK)
		error = get_selectors(r, gsa);
	if (error == GV_GIKEV2_OK)
		error = get_transforms(r, &sa->esp);
	if (error == GV_GIKEV2_OK)
		error = get_gsa_attributes(r, sa);
	return error;
}

static enum gv_gikev2_error
get_gw_policy(struct gv_reader *r, struct gv_gsa *gsa, uint16_t *sender_id_bits)
{
	enum { ATD, DTD, BITS, MODE, ENCAP, REPLAY, FIELDS };
	static const struct rule rules[FIELDS] = {
		[ATD] = {GWP_ATD, 0, false},
		[DTD] = {GWP_DTD, 0, false},
		[BITS] = {GWP_SENDER_ID_BITS, 0, false},
		[MODE] = {GWP_SA_MODE, 0, true},
		[ENCAP] = {GWP_ENCAP, 0, true},
		[REPLAY] = {GWP_REPLAY_WINDOW, 0, true},
	};
	struct field fields[FIELDS];
	enum gv_gikev2_error error;

	if (gsa->sa_mode)
		return GV_GIKEV2_DUPLICATE;
	error = get_attributes(r, rules, fields, FIELDS);
	if (error != GV_GIKEV2_OK)
		return error;
	if (fields[MODE].tv != GV_SA_DERIVED ||
	    fields[ENCAP].tv != GV_ENCAP_GRE)
		return GV_GIKEV2_UNSUPPORTED;
	if (fields[REPLAY].tv > GV_REPLAY_LOG2_MAX)
		return GV_GIKEV2_BAD_VALUE;
	gsa->atd = tv_of(&fields[ATD]);
	gsa->dtd = tv_of(&fields[DTD]);
	*sender_id_bits = tv_of(&fields[BITS]);
	gsa->sa_mode = fields[MODE].tv;
	gsa->encap = fields[ENCAP].tv;
	gsa->replay_window_log2 = fields[REPLAY].tv;
	return GV_GIKEV2_OK;
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

static enum gv_gikev2_error
get_policies(struct gv_reader *r, struct gv_gsa *gsa, uint16_t *sender_id_bits)
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
			error = get_gw_policy(&body, gsa, sender_id_bits);
			break;
		case PROTO_ESP:
			error = get_gsa_policy(&body, spi_len, gsa);
			break;
		default:
			error = GV_GIKEV2_UNSUPPORTED;
		}
		if (error != GV_GIKEV2_OK)
			return error;
	}
	return gsa->sa_mode ? GV_GIKEV2_OK : GV_GIKEV2_MISSING;
}

/* ------------------------------------------------------------------------
 * Reading: KD
 */

static enum gv_gikev2_error get_wrapped(struct gv_reader *r, uint32_t *key_id,
					uint8_t secret[GV_SECRET_LEN],
					const uint8_t kwk[GV_KWK_LEN])
{
	uint32_t kwk_id;
	size_t len = GV_SECRET_LEN;

	*key_id = gv_get32(r);
	kwk_id = gv_get32(r);
	if (kwk_id != KWK_ID_GSK_W)
		return GV_GIKEV2_UNSUPPORTED;
	if (!gv_key_unwrap(kwk, GV_KWK_LEN, r->pos, r->left, secret, &len))
		return GV_GIKEV2_UNWRAP;
	return len == GV_SECRET_LEN ? GV_GIKEV2_OK : GV_GIKEV2_BAD_VALUE;
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

/* keyed: which of the epochs have their key. */
static enum gv_gikev2_error get_group_key_bag(struct gv_reader *r,
					      uint8_t spi_len,
					      const uint8_t kwk[GV_KWK_LEN],
					      struct gv_gsa *gsa,
					      unsigned int *keyed)
{
	enum { KEY, ROUTE, FIELDS };
	static const struct rule rules[FIELDS] = {
		[KEY] = {SA_KEY, WRAPPED_LEN, true},
		[ROUTE] = {ROUTE_SECRET, WRAPPED_LEN, false},
	};
	struct field fields[FIELDS];
	enum gv_gikev2_error error;
	struct gv_epoch_sa *sa;
	uint32_t key_id;
	unsigned int bit;
	uint8_t tag;

	error = get_spi(r, spi_len, &tag);
	if (error == GV_GIKEV2_OK)
		error = get_attributes(r, rules, fields, FIELDS);
	if (error != GV_GIKEV2_OK)
		return error;
	sa = find_sa(gsa, tag, &bit);
	if (!sa)
		return GV_GIKEV2_BAD_VALUE;
	if (*keyed & bit)
		return GV_GIKEV2_DUPLICATE;
	*keyed |= bit;
	error = get_wrapped(&fields[KEY].tlv, &key_id, sa->gsk, kwk);
	if (error != GV_GIKEV2_OK)
		return error;
	if (key_id != KEY_ID_SA)
		return GV_GIKEV2_BAD_VALUE;
	if (!fields[ROUTE].present)
		return GV_GIKEV2_OK;
	if (gsa->route_epoch)
		return GV_GIKEV2_DUPLICATE;
	error = get_wrapped(&fields[ROUTE].tlv, &gsa->route_epoch,
			    gsa->route_secret, kwk);
	if (error == GV_GIKEV2_OK && !gsa->route_epoch)
		error = GV_GIKEV2_BAD_VALUE;
	return error;
}

static enum gv_gikev2_error get_member_key_bag(struct gv_reader *r,
					       struct gv_gsa *gsa)
{
	enum { SENDER, MEMBER, FIELDS };
	static const struct rule rules[FIELDS] = {
		[SENDER] = {GM_SENDER_ID, SENDER_ID_LEN, true},
		[MEMBER] = {GM_MEMBER_ID, 0, true},
	};
	struct field fields[FIELDS];
	enum gv_gikev2_error error;

	if (gsa->member_id)
		return GV_GIKEV2_DUPLICATE;
	error = get_attributes(r, rules, fields, FIELDS);
	if (error != GV_GIKEV2_OK)
		return error;
	gsa->sender_id = gv_get24(&fields[SENDER].tlv);
	gsa->member_id = fields[MEMBER].tv;
	if (!gsa->sender_id || !gsa->member_id)
		return GV_GIKEV2_BAD_VALUE;
	return GV_GIKEV2_OK;
}

static enum gv_gikev2_error get_key_bags(struct gv_reader *r,
					 const uint8_t kwk[GV_KWK_LEN],
					 struct gv_gsa *gsa)
{
	unsigned int keyed = 0, all = (1u << gsa->epochs) - 1;
	uint8_t protocol, spi_len;
	enum gv_gikev2_error error;
	struct gv_reader body;

	while (r->left) {
		error = get_substructure(r, &protocol, &spi_len, &body);
		if (error != GV_GIKEV2_OK)
			return error;
		switch (protocol) {
		case PROTO_NONE:
			error = get_member_key_bag(&body, gsa);
			break;
		case PROTO_ESP:
			error = get_group_key_bag(&body, spi_len, kwk, gsa,
						  &keyed);
			break;
		default:
			error = GV_GIKEV2_UNSUPPORTED;
		}
		if (error != GV_GIKEV2_OK)
			return error;
	}
	return keyed == all && gsa->route_epoch ? GV_GIKEV2_OK
						: GV_GIKEV2_MISSING;
}

/* RFC 9838: in a registration GWP_SENDER_ID_BITS goes with GM_SENDER_ID. */
static enum gv_gikev2_error check_sender_id_bits(const struct gv_gsa *gsa,
						 uint16_t bits)
{
	if (!gsa->sender_id)
		return bits ? GV_GIKEV2_BAD_VALUE : GV_GIKEV2_OK;
	if (!bits)
		return GV_GIKEV2_MISSING;
	return bits == 8 * SENDER_ID_LEN ? GV_GIKEV2_OK : GV_GIKEV2_UNSUPPORTED;
}

enum gv_gikev2_error gv_gsa_decode(const uint8_t *gsa_body, size_t gsa_len,
				   const uint8_t *kd_body, size_t kd_len,
				   const uint8_t kwk[GV_KWK_LEN],
				   struct gv_gsa *gsa)
{
	struct gv_reader policies, bags;
	enum gv_gikev2_error error;
	uint16_t sender_id_bits = 0;

	memset(gsa, 0, sizeof(*gsa));
	gv_reader_init(&policies, gsa_body, gsa_len);
	gv_reader_init(&bags, kd_body, kd_len);
	error = get_policies(&policies, gsa, &sender_id_bits);
	/* Distinct tags before they are looked up by the key bags. */
	if (error == GV_GIKEV2_OK)
		error = check_epochs(gsa);
	if (error == GV_GIKEV2_OK)
		error = get_key_bags(&bags, kwk, gsa);
	if (error == GV_GIKEV2_OK)
		error = check_sender_id_bits(gsa, sender_id_bits);
	if (error == GV_GIKEV2_OK)
		error = check(gsa);
	if (error != GV_GIKEV2_OK)
		gv_gsa_wipe(gsa);
	return error;
}

void gv_gsa_wipe(struct gv_gsa *gsa)
{
	gv_wipe(gsa, sizeof(*gsa));
}
