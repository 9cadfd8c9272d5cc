// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * SAg: see the header.  A proposal is read into sets of transforms, and each
 * question about it is one about the sets.
 */
#include "sag.h"

#include <stdarg.h>
#include <stdio.h>

#include "bytes.h"

#define PROTO_ESP 3
#define PROTO_GIKE_UPDATE 6

#define PROPOSAL_LAST 0
#define PROPOSAL_MORE 2
#define PROPOSAL_NUM 1 /* the same in all: none depends on another */

#define TRANSFORM_LAST 0
#define TRANSFORM_MORE 3
#define TRANSFORM_ENCR 1
#define TRANSFORM_INTEG 3
#define TRANSFORM_SN 5
#define TRANSFORM_KWA 13
#define TRANSFORM_GCAUTH 14
#define ENCR_AES_GCM_16 20
#define KW_5649_256 3
#define GCAUTH_DIGITAL_SIGNATURE 2
#define SN_SEQUENTIAL 0
#define SN_ESN 1
#define SN_UNSPECIFIED 2

#define ATTR_TV 0x8000
#define ATTR_KEY_LENGTH 14
#define ATTR_SIGNATURE_ALGORITHM 18

/* AlgorithmIdentifier of Ed25519 (RFC 8410). */
static const uint8_t ed25519[] = {0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70};

/* ------------------------------------------------------------------------
 * Writing
 */

static void put_transform(struct gv_writer *w, bool last, uint8_t type,
			  uint16_t id, uint16_t key_bits)
{
	gv_put8(w, last ? TRANSFORM_LAST : TRANSFORM_MORE);
	gv_put8(w, 0);
	gv_put16(w, key_bits ? 12 : 8);
	gv_put8(w, type);
	gv_put8(w, 0);
	gv_put16(w, id);
	if (key_bits) {
		gv_put16(w, ATTR_TV | ATTR_KEY_LENGTH);
		gv_put16(w, key_bits);
	}
}

static void put_gcauth(struct gv_writer *w)
{
	gv_put8(w, TRANSFORM_MORE);
	gv_put8(w, 0);
	gv_put16(w, 8 + 4 + sizeof(ed25519));
	gv_put8(w, TRANSFORM_GCAUTH);
	gv_put8(w, 0);
	gv_put16(w, GCAUTH_DIGITAL_SIGNATURE);
	gv_put16(w, ATTR_SIGNATURE_ALGORITHM);
	gv_put16(w, sizeof(ed25519));
	gv_put_bytes(w, ed25519, sizeof(ed25519));
}

/* The header up to the length, which gv_close16() fills in. */
static size_t open_proposal(struct gv_writer *w, bool last, uint8_t protocol,
			    uint8_t transforms)
{
	size_t mark;

	gv_put8(w, last ? PROPOSAL_LAST : PROPOSAL_MORE);
	gv_put8(w, 0);
	mark = gv_open16(w);
	gv_put8(w, PROPOSAL_NUM);
	gv_put8(w, protocol);
	gv_put8(w, 0); /* no SPI */
	gv_put8(w, transforms);
	return mark;
}

static void put_esp(struct gv_writer *w, bool last,
		    const struct gv_esp_proposal *esp, bool shared)
{
	/* What shares an AEAD's key repeats its IVs. */
	bool unspecified = shared && esp->integ;
	size_t mark = open_proposal(w, last, PROTO_ESP,
				    3 + (esp->integ != 0) + unspecified);

	put_transform(w, false, TRANSFORM_ENCR, esp->encr, esp->key_bits);
	if (esp->integ)
		put_transform(w, false, TRANSFORM_INTEG, esp->integ, 0);
	put_transform(w, false, TRANSFORM_SN, SN_SEQUENTIAL, 0);
	put_transform(w, !unspecified, TRANSFORM_SN, SN_ESN, 0);
	if (unspecified)
		put_transform(w, true, TRANSFORM_SN, SN_UNSPECIFIED, 0);
	gv_close16(w, mark, 4);
}

static void put_rekey_sa(struct gv_writer *w)
{
	size_t mark = open_proposal(w, true, PROTO_GIKE_UPDATE, 3);

	put_transform(w, false, TRANSFORM_ENCR, ENCR_AES_GCM_16, 256);
	put_gcauth(w);
	put_transform(w, true, TRANSFORM_KWA, KW_5649_256, 0);
	gv_close16(w, mark, 4);
}

size_t gv_sag_encode(const struct gv_esp_proposal *esp, size_t count,
		     unsigned int can, uint8_t *body, size_t size)
{
	bool rekey_sa = can & GV_CAN_REKEY_SA;
	struct gv_writer w;

	gv_writer_init(&w, body, size);
	for (size_t i = 0; i < count; i++)
		put_esp(&w, i + 1 == count && !rekey_sa, &esp[i],
			can & GV_CAN_SHARED);
	if (rekey_sa)
		put_rekey_sa(&w);
	return w.ok && count ? w.len : 0;
}

/* ------------------------------------------------------------------------
 * Reading
 */

/* More transforms of a type in one proposal than this are not looked at. */
#define SET_MAX 32

struct set {
	struct {
		uint16_t id, key_bits;
	} member[SET_MAX];
	size_t count;
};

struct proposal {
	uint8_t protocol;
	struct set encr, integ, sn;
};

static void add(struct set *set, uint16_t id, uint16_t key_bits)
{
	if (set->count < SET_MAX) {
		set->member[set->count].id = id;
		set->member[set->count++].key_bits = key_bits;
	}
}

static bool has(const struct set *set, uint16_t id, uint16_t key_bits)
{
	for (size_t i = 0; i < set->count; i++)
		if (set->member[i].id == id &&
		    set->member[i].key_bits == key_bits)
			return true;
	return false;
}

/* False if malformed; *known is whether there is nothing but a key length. */
static bool get_attributes(struct gv_reader *r, uint16_t *key_bits, bool *known)
{
	*key_bits = 0;
	*known = true;
	while (r->left) {
		uint16_t type = gv_get16(r), value = gv_get16(r);

		if (type == (ATTR_TV | ATTR_KEY_LENGTH)) {
			*key_bits = value;
			continue;
		}
		*known = false;
		if (!(type & ATTR_TV))
			gv_get_bytes(r, value);
		if (!r->ok)
			return false;
	}
	return r->ok;
}

static bool get_transform(struct gv_reader *r, struct proposal *p, bool *last)
{
	struct gv_reader body;
	uint16_t len, id, key_bits;
	uint8_t more, type;
	bool known;

	more = gv_get8(r);
	gv_get8(r);
	len = gv_get16(r);
	if ((more != TRANSFORM_LAST && more != TRANSFORM_MORE) || len < 8 ||
	    !gv_get_sub(r, len - 4, &body))
		return false;
	*last = more == TRANSFORM_LAST;
	type = gv_get8(&body);
	gv_get8(&body);
	id = gv_get16(&body);
	if (!get_attributes(&body, &key_bits, &known))
		return false;
	if (known && type == TRANSFORM_ENCR)
		add(&p->encr, id, key_bits);
	else if (known && type == TRANSFORM_INTEG)
		add(&p->integ, id, key_bits);
	else if (known && type == TRANSFORM_SN)
		add(&p->sn, id, key_bits);
	return true;
}

static bool get_transforms(struct gv_reader *r, struct proposal *p,
			   uint8_t count)
{
	bool last = false;

	while (count--)
		if (last || !get_transform(r, p, &last))
			return false;
	return last && gv_reader_done(r);
}

/* False at the end, with r->ok telling whether it is a good one. */
static bool get_proposal(struct gv_reader *r, struct proposal *p, bool *last)
{
	struct gv_reader body;
	uint8_t more, spi_size, count;
	uint16_t len;

	*p = (struct proposal){0};
	if (*last) {
		r->ok = r->ok && !r->left;
		return false;
	}
	more = gv_get8(r);
	gv_get8(r);
	len = gv_get16(r);
	if ((more != PROPOSAL_LAST && more != PROPOSAL_MORE) || len < 8 ||
	    !gv_get_sub(r, len - 4, &body)) {
		r->ok = false;
		return false;
	}
	*last = more == PROPOSAL_LAST;
	gv_get8(&body);
	p->protocol = gv_get8(&body);
	spi_size = gv_get8(&body);
	count = gv_get8(&body);
	gv_get_bytes(&body, spi_size); /* of no meaning */
	r->ok = get_transforms(&body, p, count);
	return r->ok;
}

static bool matches(const struct proposal *p, const struct gv_esp_proposal *esp,
		    uint8_t sa_mode)
{
	uint16_t sn = esp->esn ? SN_ESN : SN_SEQUENTIAL;

	if (sa_mode == GV_SA_SHARED)
		sn = SN_UNSPECIFIED;
	return p->protocol == PROTO_ESP &&
	       has(&p->encr, esp->encr, esp->key_bits) && has(&p->sn, sn, 0) &&
	       (!esp->integ || has(&p->integ, esp->integ, 0));
}

enum gv_sag_result gv_sag_check(const uint8_t *body, size_t len,
				const struct gv_esp_proposal *esp,
				uint8_t sa_mode)
{
	bool last = false, found = false;
	struct gv_reader r;
	struct proposal p;

	gv_reader_init(&r, body, len);
	while (get_proposal(&r, &p, &last))
		found |= matches(&p, esp, sa_mode);
	if (!r.ok)
		return GV_SAG_MALFORMED;
	return found ? GV_SAG_OK : GV_SAG_NO_MATCH;
}

/* Appends to a text. */
__attribute__((format(printf, 3, 4))) static void say(char **text, size_t *size,
						      const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(*text, *size, format, args);
	va_end(args);
	if (len < 0)
		return;
	if ((size_t)len >= *size)
		len = *size ? *size - 1 : 0;
	*text += len;
	*size -= len;
}

static void say_set(char **text, size_t *size, const char *name,
		    const struct set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		say(text, size, "%s%u", i ? "+" : name, set->member[i].id);
		if (set->member[i].key_bits)
			say(text, size, "/%u", set->member[i].key_bits);
	}
}

void gv_sag_describe(const uint8_t *body, size_t len, char *text, size_t size)
{
	const char *separator = "encr ";
	bool last = false;
	struct gv_reader r;
	struct proposal p;

	if (size)
		*text = '\0';
	gv_reader_init(&r, body, len);
	while (get_proposal(&r, &p, &last)) {
		if (p.protocol != PROTO_ESP)
			continue;
		say_set(&text, &size, separator, &p.encr);
		say_set(&text, &size, " integ ", &p.integ);
		say_set(&text, &size, " sn ", &p.sn);
		separator = ", encr ";
	}
}
