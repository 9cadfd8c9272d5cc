// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The BGP group attribute of attr.h.  The form is checked apart from the MAC,
 * because a Security/Routing device reflects attributes whose key it has not.
 */
#include "attr.h"

#include <string.h>

#include "bytes.h"
#include "crypto.h"
#include "rekey.h"

#define HEADER_LEN 18

const char *gv_attr_error_text(enum gv_attr_error error)
{
	static const char *const texts[GV_ATTR_ERRORS] = {
		[GV_ATTR_OK] = "ok",
		[GV_ATTR_TRUNCATED] = "truncated",
		[GV_ATTR_BAD_VERSION] = "unknown version",
		[GV_ATTR_BAD_KIND] = "unknown kind",
		[GV_ATTR_BAD_ID] = "identifier not allowed",
		[GV_ATTR_BAD_TLV] = "malformed content",
		[GV_ATTR_BAD_MAC] = "authentication failed",
	};

	if ((unsigned int)error >= GV_ATTR_ERRORS)
		return "unknown error";
	return texts[error];
}

static bool addr_valid(const struct gv_addr *addr)
{
	static const uint8_t unspecified[16];

	return (addr->len == 4 || addr->len == 16) &&
	       memcmp(addr->bytes, unspecified, addr->len) != 0;
}

bool gv_attr_part(const struct gv_attr *attr, struct gv_part *part)
{
	if (!attr->rekey)
		return false;
	*part = (struct gv_part){
		.number = attr->part_number,
		.count = attr->part_count ? attr->part_count : 1,
		.data = attr->rekey,
		.len = attr->rekey_len,
	};
	memcpy(part->set, attr->part_set, sizeof(part->set));
	return true;
}

/* What both directions ask of the content, TLVs' own form apart. */
static enum gv_attr_error check(const struct gv_attr *attr)
{
	bool descriptor = attr->kind == GV_KIND_DESCRIPTOR;
	struct gv_part part;

	if (attr->kind < GV_KIND_DESCRIPTOR || attr->kind > GV_KIND_ROUTES)
		return GV_ATTR_BAD_KIND;
	if (!attr->group_id || attr->sender_id > GV_SENDER_ID_MAX ||
	    (attr->member_id == 0) != descriptor ||
	    (attr->sender_id == 0) != descriptor)
		return GV_ATTR_BAD_ID;
	if (!addr_valid(&attr->gateway) ||
	    (attr->sealed && attr->kind != GV_KIND_ROUTES) ||
	    (attr->rekey && (!descriptor || !gv_attr_part(attr, &part) ||
			     !gv_part_valid(&part))) ||
	    (attr->part_count && (!attr->rekey || attr->part_count < 2)) ||
	    ((attr->prefix || attr->inner) && !attr->sealed) ||
	    (attr->inner && (attr->inner_len <= GV_SIV_LEN ||
			     attr->inner_len > GV_SIV_LEN + GV_INNER_MAX)))
		return GV_ATTR_BAD_TLV;
	return GV_ATTR_OK;
}

static void put_tlv(struct gv_writer *w, uint8_t type, const void *value,
		    size_t len)
{
	size_t mark;

	gv_put8(w, type);
	mark = gv_open16(w);
	gv_put_bytes(w, value, len);
	gv_close16(w, mark, 0);
}

static void put_part(struct gv_writer *w, const struct gv_attr *attr)
{
	uint8_t value[2 + GV_PART_SET_LEN] = {
		attr->part_number,
		attr->part_count,
	};

	memcpy(value + 2, attr->part_set, GV_PART_SET_LEN);
	put_tlv(w, GV_TLV_PART, value, sizeof(value));
}

size_t gv_attr_encode(const struct gv_attr *attr,
		      const uint8_t mac_key[GV_SECRET_LEN], uint8_t *value,
		      size_t size)
{
	uint8_t mac[GV_MAC_LEN];
	struct gv_writer w;

	if (check(attr) != GV_ATTR_OK)
		return 0;
	gv_writer_init(&w, value, size < GV_ATTR_MAX ? size : GV_ATTR_MAX);
	gv_put8(&w, GV_ATTR_VERSION);
	gv_put8(&w, attr->kind);
	gv_put16(&w, 0);
	gv_put32(&w, attr->group_id);
	gv_put16(&w, attr->member_id);
	gv_put24(&w, attr->sender_id);
	gv_put8(&w, 0);
	gv_put32(&w, attr->route_epoch);
	put_tlv(&w, GV_TLV_GATEWAY, attr->gateway.bytes, attr->gateway.len);
	if (attr->sealed)
		put_tlv(&w, GV_TLV_SEALED, NULL, 0);
	if (attr->rekey)
		put_tlv(&w, GV_TLV_REKEY, attr->rekey, attr->rekey_len);
	if (attr->prefix)
		put_tlv(&w, GV_TLV_PREFIX, attr->prefix, GV_SEALED_PREFIX_LEN);
	if (attr->inner)
		put_tlv(&w, GV_TLV_INNER, attr->inner, attr->inner_len);
	if (attr->part_count)
		put_part(&w, attr);
	if (!w.ok || !gv_hmac(mac_key, value, w.len, mac))
		return 0;
	gv_put_bytes(&w, mac, sizeof(mac));
	return w.ok ? w.len : 0;
}

static bool get_tlv(struct gv_reader *r, struct gv_attr *attr)
{
	uint8_t type = gv_get8(r);
	uint16_t len = gv_get16(r);
	const uint8_t *value = gv_get_bytes(r, len);

	if (!value)
		return false;
	switch (type) {
	case GV_TLV_GATEWAY:
		if (attr->gateway.len || (len != 4 && len != 16))
			return false;
		attr->gateway.len = len;
		memcpy(attr->gateway.bytes, value, len);
		return true;
	case GV_TLV_SEALED:
		if (attr->sealed || len)
			return false;
		attr->sealed = true;
		return true;
	case GV_TLV_REKEY:
		if (attr->rekey)
			return false;
		attr->rekey = value;
		attr->rekey_len = len;
		return true;
	case GV_TLV_PREFIX:
		if (attr->prefix || len != GV_SEALED_PREFIX_LEN)
			return false;
		attr->prefix = value;
		return true;
	case GV_TLV_INNER:
		if (attr->inner)
			return false;
		attr->inner = value;
		attr->inner_len = len;
		return true;
	case GV_TLV_PART:
		if (attr->part_count || len != 2 + GV_PART_SET_LEN)
			return false;
		attr->part_number = value[0];
		attr->part_count = value[1];
		memcpy(attr->part_set, value + 2, GV_PART_SET_LEN);
		return value[1] != 0;
	default:
		return true;
	}
}

enum gv_attr_error gv_attr_decode(const uint8_t *value, size_t len,
				  struct gv_attr *attr)
{
	struct gv_attr got = {};
	enum gv_attr_error error;
	struct gv_reader r;

	if (len < HEADER_LEN + GV_MAC_LEN)
		return GV_ATTR_TRUNCATED;
	if (len > GV_ATTR_MAX)
		return GV_ATTR_BAD_TLV;
	gv_reader_init(&r, value, len - GV_MAC_LEN);
	if (gv_get8(&r) != GV_ATTR_VERSION)
		return GV_ATTR_BAD_VERSION;
	got.kind = gv_get8(&r);
	gv_get16(&r); /* flags: none that we know */
	got.group_id = gv_get32(&r);
	got.member_id = gv_get16(&r);
	got.sender_id = gv_get24(&r);
	gv_get8(&r);
	got.route_epoch = gv_get32(&r);
	while (r.left)
		if (!get_tlv(&r, &got))
			return r.ok ? GV_ATTR_BAD_TLV : GV_ATTR_TRUNCATED;
	error = check(&got);
	if (error == GV_ATTR_OK)
		*attr = got;
	return error;
}

enum gv_attr_error gv_attr_verify(const uint8_t *value, size_t len,
				  const uint8_t mac_key[GV_SECRET_LEN])
{
	uint8_t mac[GV_MAC_LEN];
	bool ok;

	if (len < HEADER_LEN + GV_MAC_LEN)
		return GV_ATTR_TRUNCATED;
	len -= GV_MAC_LEN;
	ok = gv_hmac(mac_key, value, len, mac) &&
	     gv_equal(mac, value + len, sizeof(mac));
	gv_wipe(mac, sizeof(mac));
	return ok ? GV_ATTR_OK : GV_ATTR_BAD_MAC;
}
