// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Messages of the control socket, control.h.  Which TLVs a message must and
 * may hold is one table, which encoder and decoder share; a TLV that is known
 * but has no place in the message is an error, an unknown one is skipped.
 */
#include "control.h"

#include <string.h>

#include "bytes.h"
#include "crypto.h"
#include "prefixes.h"

#define HEADER_LEN 8

enum tlv {
	TLV_GROUP_ID = 1,
	TLV_MEMBER_ID,
	TLV_SENDER_ID,
	TLV_GATEWAY,
	TLV_ROLE,
	TLV_NAME,
	TLV_VRF,
	TLV_DEVICE,
	TLV_EPOCH,
	TLV_SAS,
	TLV_ROUTE_EPOCH,
	TLV_ROUTE_SECRET,
	TLV_ATTR,
	TLV_IDENTITY,
	TLV_READY,
	TLV_TEXT,
	TLV_REKEY,
	TLV_COMMAND,
	TLV_PART,
	TLV_OTHER_ROUTE_EPOCH,
	TLV_OTHER_ROUTE_SECRET,
	TLV_PEERS,
	TLV_CHAIN,
	TLV_DISCOVERY,
	TLV_HINTS,
	TLV_LABEL,
	TLV_PREFIXES,
	TLV_END
};

#define BIT(t) (1u << TLV_##t)
#define MEMBER_IDS (BIT(GROUP_ID) | BIT(MEMBER_ID))
#define OTHER_ROUTE_KEY (BIT(OTHER_ROUTE_EPOCH) | BIT(OTHER_ROUTE_SECRET))
#define GROUP_IDS (BIT(GROUP_ID) | BIT(GATEWAY) | BIT(ROLE) | BIT(NAME))

struct layout {
	const char *name;
	uint32_t mandatory, optional;
};

static const struct layout layouts[] = {
	[GV_CTL_HELLO] = {"hello", 0, BIT(TEXT)},
	[GV_CTL_SYNC] = {"sync", 0, 0},
	/* What a group's role adds: group_layout(). */
	[GV_CTL_GROUP] = {"group", GROUP_IDS, 0},
	[GV_CTL_GROUP_DOWN] = {"group down", BIT(GROUP_ID), 0},
	[GV_CTL_REGISTRATION] = {"registration",
				 MEMBER_IDS | BIT(SENDER_ID) | BIT(GATEWAY) |
					 BIT(IDENTITY),
				 BIT(PEERS) | BIT(LABEL)},
	[GV_CTL_REGISTRATION_DOWN] = {"registration down", MEMBER_IDS,
				      BIT(TEXT)},
	[GV_CTL_PEER_STATUS] = {"peer status",
				MEMBER_IDS | BIT(SENDER_ID) | BIT(READY),
				BIT(TEXT)},
	[GV_CTL_ORIGINATE] = {"originate", MEMBER_IDS | BIT(ATTR),
			      BIT(PREFIXES)},
	[GV_CTL_ORIGINATED] = {"originated", MEMBER_IDS, 0},
	[GV_CTL_WANT] = {"want", BIT(GROUP_ID) | BIT(READY), 0},
	[GV_CTL_HEARD] = {"heard", MEMBER_IDS | BIT(ATTR) | BIT(PREFIXES), 0},
	[GV_CTL_UNHEARD] = {"unheard", MEMBER_IDS | BIT(PREFIXES), 0},
	[GV_CTL_DESCRIPTOR] = {"descriptor", BIT(GROUP_ID) | BIT(ATTR), 0},
	[GV_CTL_PEER] = {"peer", MEMBER_IDS | BIT(SENDER_ID) | BIT(GATEWAY), 0},
	[GV_CTL_PEER_DOWN] = {"peer down", MEMBER_IDS, 0},
	[GV_CTL_REKEY] = {"rekey", BIT(GROUP_ID), BIT(REKEY) | BIT(CHAIN)},
	[GV_CTL_DISCOVER] = {"discover", BIT(GROUP_ID), BIT(NAME)},
	[GV_CTL_DISCOVERED] = {"discovered", BIT(GROUP_ID), BIT(HINTS)},
	[GV_CTL_COMMAND] = {"command", BIT(COMMAND),
			    BIT(NAME) | BIT(MEMBER_ID) | BIT(IDENTITY) |
				    BIT(TEXT)},
	[GV_CTL_ANSWER] = {"answer", 0, BIT(PART)},
};

static const struct layout member_layout = {
	"group",
	GROUP_IDS | BIT(MEMBER_ID) | BIT(SENDER_ID) | BIT(DEVICE) |
		BIT(ROUTE_EPOCH) | BIT(ROUTE_SECRET),
	BIT(VRF) | BIT(EPOCH) | BIT(SAS) | OTHER_ROUTE_KEY,
};

static const struct layout gcks_layout = {
	"group",
	GROUP_IDS | BIT(ATTR),
	BIT(EPOCH) | BIT(SAS) | BIT(DISCOVERY),
};

static const struct layout *find_layout(uint8_t type)
{
	if (type >= sizeof(layouts) / sizeof(layouts[0]) || !layouts[type].name)
		return NULL;
	return &layouts[type];
}

/* The layout of a whole message; NULL if its type or role is unknown. */
static const struct layout *message_layout(const struct gv_ctl_msg *msg)
{
	if (msg->type != GV_CTL_GROUP)
		return find_layout(msg->type);
	switch (msg->role) {
	case GV_ROLE_MEMBER:
		return &member_layout;
	case GV_ROLE_GCKS:
		return &gcks_layout;
	default:
		return NULL;
	}
}

const char *gv_ctl_error_text(enum gv_ctl_error error)
{
	static const char *const texts[GV_CTL_ERRORS] = {
		[GV_CTL_OK] = "ok",
		[GV_CTL_TRUNCATED] = "truncated",
		[GV_CTL_BAD_VERSION] = "unknown version",
		[GV_CTL_UNKNOWN_TYPE] = "unknown message type",
		[GV_CTL_BAD_TLV] = "malformed content",
		[GV_CTL_MISSING_TLV] = "mandatory content missing",
	};

	if ((unsigned int)error >= GV_CTL_ERRORS)
		return "unknown error";
	return texts[error];
}

const char *gv_ctl_type_text(uint8_t type)
{
	const struct layout *layout = find_layout(type);

	return layout ? layout->name : "unknown";
}

/* ------------------------------------------------------------------------
 * Writing
 */

/* The TLVs for which msg has something to say, whatever its type. */
static uint32_t filled(const struct gv_ctl_msg *msg)
{
	uint32_t set = 0;

	/* Zero is an ordinary value of these. */
	set |= BIT(EPOCH) | BIT(SAS) | BIT(ROUTE_EPOCH) | BIT(READY);
	if (msg->group_id)
		set |= BIT(GROUP_ID);
	if (msg->member_id)
		set |= BIT(MEMBER_ID);
	if (msg->sender_id && msg->sender_id <= GV_SENDER_ID_MAX)
		set |= BIT(SENDER_ID);
	if (msg->gateway.len == 4 || msg->gateway.len == 16)
		set |= BIT(GATEWAY);
	if (msg->role)
		set |= BIT(ROLE);
	if (gv_name_valid(msg->name, GV_NAME_MAX))
		set |= BIT(NAME);
	if (msg->vrf[0])
		set |= BIT(VRF);
	if (gv_name_valid(msg->device, GV_IFNAME_MAX))
		set |= BIT(DEVICE);
	if (msg->has_route_secret)
		set |= BIT(ROUTE_SECRET);
	if (msg->has_other_route_secret)
		set |= OTHER_ROUTE_KEY;
	if (msg->attr_len && msg->attr_len <= GV_ATTR_MAX)
		set |= BIT(ATTR);
	if (msg->identity[0])
		set |= BIT(IDENTITY);
	if (msg->peers[0])
		set |= BIT(PEERS);
	if (msg->label[0])
		set |= BIT(LABEL);
	if (msg->text[0])
		set |= BIT(TEXT);
	if (msg->rekey_len)
		set |= BIT(REKEY);
	if (msg->chains)
		set |= BIT(CHAIN);
	if (msg->discovery_open)
		set |= BIT(DISCOVERY);
	if (msg->n_hints)
		set |= BIT(HINTS);
	if (gv_name_valid(msg->command, GV_NAME_MAX))
		set |= BIT(COMMAND);
	if (msg->part_len && msg->part_len <= GV_CTL_PART_MAX)
		set |= BIT(PART);
	if (msg->prefix_count)
		set |= BIT(PREFIXES);
	return set;
}

/* What is said is meant for logs and tables: no control characters. */
static void put_text(struct gv_writer *w, const char *text)
{
	for (size_t i = 0; i < GV_PEERS_MAX && text[i]; i++) {
		unsigned char c = text[i];

		gv_put8(w, c < ' ' || c == 0x7f ? '?' : c);
	}
}

static void put_hints(struct gv_writer *w, const struct gv_ctl_msg *msg)
{
	for (unsigned int i = 0; i < msg->n_hints; i++) {
		gv_put8(w, msg->hints[i].len);
		gv_put_bytes(w, msg->hints[i].bytes, msg->hints[i].len);
	}
}

static void put_value(struct gv_writer *w, enum tlv type,
		      const struct gv_ctl_msg *msg)
{
	switch (type) {
	case TLV_GROUP_ID:
		gv_put32(w, msg->group_id);
		break;
	case TLV_MEMBER_ID:
		gv_put16(w, msg->member_id);
		break;
	case TLV_SENDER_ID:
		gv_put24(w, msg->sender_id);
		break;
	case TLV_GATEWAY:
		gv_put_bytes(w, msg->gateway.bytes, msg->gateway.len);
		break;
	case TLV_ROLE:
		gv_put8(w, msg->role);
		break;
	case TLV_NAME:
		put_text(w, msg->name);
		break;
	case TLV_VRF:
		put_text(w, msg->vrf);
		break;
	case TLV_DEVICE:
		put_text(w, msg->device);
		break;
	case TLV_EPOCH:
		gv_put32(w, msg->epoch);
		break;
	case TLV_SAS:
		gv_put32(w, msg->sas);
		break;
	case TLV_ROUTE_EPOCH:
		gv_put32(w, msg->route_epoch);
		break;
	case TLV_ROUTE_SECRET:
		gv_put_bytes(w, msg->route_secret, GV_SECRET_LEN);
		break;
	case TLV_OTHER_ROUTE_EPOCH:
		gv_put32(w, msg->other_route_epoch);
		break;
	case TLV_OTHER_ROUTE_SECRET:
		gv_put_bytes(w, msg->other_route_secret, GV_SECRET_LEN);
		break;
	case TLV_ATTR:
		gv_put_bytes(w, msg->attr, msg->attr_len);
		break;
	case TLV_IDENTITY:
		put_text(w, msg->identity);
		break;
	case TLV_PEERS:
		put_text(w, msg->peers);
		break;
	case TLV_READY:
		gv_put8(w, msg->ready);
		break;
	case TLV_TEXT:
		put_text(w, msg->text);
		break;
	case TLV_REKEY:
		gv_put_bytes(w, msg->rekey, msg->rekey_len);
		break;
	case TLV_CHAIN:
		gv_put8(w, msg->chain);
		gv_put8(w, msg->chains);
		gv_put8(w, msg->part_number);
		gv_put8(w, msg->part_count);
		break;
	case TLV_COMMAND:
		put_text(w, msg->command);
		break;
	case TLV_PART:
		gv_put_bytes(w, (const uint8_t *)msg->part, msg->part_len);
		break;
	case TLV_DISCOVERY:
		gv_put8(w, msg->discovery_open);
		break;
	case TLV_LABEL:
		put_text(w, msg->label);
		break;
	case TLV_HINTS:
		put_hints(w, msg);
		break;
	case TLV_PREFIXES:
		for (unsigned int i = 0; i < msg->prefix_count; i++)
			gv_put_prefix(w, &msg->prefixes[i]);
		break;
	case TLV_END:
		break;
	}
}

static bool hints_valid(const struct gv_ctl_msg *msg)
{
	if (msg->n_hints > GV_HINTS_MAX)
		return false;
	for (unsigned int i = 0; i < msg->n_hints; i++)
		if (msg->hints[i].len != 4 && msg->hints[i].len != 16)
			return false;
	return true;
}

/* Without messages there is no chain. */
static bool chain_valid(const struct gv_ctl_msg *msg)
{
	if (msg->rekey_len > GV_REKEY_PART_MAX)
		return false;
	return !msg->chains ||
	       (msg->rekey_len && msg->chains <= GV_CTL_CHAINS_MAX &&
		msg->chain < msg->chains && msg->part_count <= GV_PARTS_MAX &&
		msg->part_number < msg->part_count);
}

size_t gv_ctl_encode(const struct gv_ctl_msg *msg, uint8_t *buf, size_t size)
{
	const struct layout *layout = message_layout(msg);
	uint32_t set = filled(msg);
	struct gv_writer w;

	if (!layout || (layout->mandatory & ~set))
		return 0;
	/* Left out it would mean the default table, or all groups. */
	if ((msg->vrf[0] && !gv_name_valid(msg->vrf, GV_IFNAME_MAX)) ||
	    (msg->name[0] && !(set & BIT(NAME))))
		return 0;
	if (!chain_valid(msg) || !hints_valid(msg) ||
	    msg->prefix_count > GV_CTL_PREFIXES_MAX ||
	    (msg->has_other_route_secret &&
	     msg->other_route_epoch == msg->route_epoch))
		return 0;
	set &= layout->mandatory | layout->optional;
	gv_writer_init(&w, buf, size < GV_CTL_MAX ? size : GV_CTL_MAX);
	gv_put8(&w, GV_CTL_VERSION);
	gv_put8(&w, msg->type);
	gv_put16(&w, 0);
	gv_put32(&w, msg->generation);
	for (unsigned int type = 1; type < TLV_END; type++) {
		size_t mark;

		if (!(set & 1u << type))
			continue;
		gv_put16(&w, type);
		mark = gv_open16(&w);
		put_value(&w, type, msg);
		gv_close16(&w, mark, 0);
	}
	return w.ok ? w.len : 0;
}

/* ------------------------------------------------------------------------
 * Reading
 */

/* A text of 1 to max octets, none of them a control character. */
static bool get_text(struct gv_reader *r, char *text, size_t max)
{
	size_t len = r->left;

	if (!len || len > max)
		return false;
	memcpy(text, gv_get_bytes(r, len), len);
	text[len] = '\0';
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return false;
	return true;
}

static bool get_name(struct gv_reader *r, char *name, size_t max)
{
	return get_text(r, name, max) && gv_name_valid(name, max);
}

static bool get_addr(struct gv_reader *r, struct gv_addr *addr)
{
	if (r->left != 4 && r->left != 16)
		return false;
	addr->len = r->left;
	memcpy(addr->bytes, gv_get_bytes(r, addr->len), addr->len);
	return true;
}

static bool get_attr(struct gv_reader *r, struct gv_ctl_msg *msg)
{
	if (!r->left || r->left > GV_ATTR_MAX)
		return false;
	msg->attr_len = r->left;
	memcpy(msg->attr, gv_get_bytes(r, msg->attr_len), msg->attr_len);
	return true;
}

static bool get_rekey(struct gv_reader *r, struct gv_ctl_msg *msg)
{
	if (!r->left || r->left > GV_REKEY_PART_MAX)
		return false;
	msg->rekey_len = r->left;
	memcpy(msg->rekey, gv_get_bytes(r, msg->rekey_len), msg->rekey_len);
	return true;
}

static bool get_part(struct gv_reader *r, struct gv_ctl_msg *msg)
{
	if (!r->left || r->left > GV_CTL_PART_MAX)
		return false;
	msg->part_len = r->left;
	memcpy(msg->part, gv_get_bytes(r, msg->part_len), msg->part_len);
	return true;
}

static bool get_prefixes(struct gv_reader *r, struct gv_ctl_msg *msg)
{
	if (!r->left)
		return false;
	while (r->left) {
		if (msg->prefix_count == GV_CTL_PREFIXES_MAX ||
		    !gv_get_prefix(r, &msg->prefixes[msg->prefix_count]))
			return false;
		msg->prefix_count++;
	}
	return true;
}

static bool get_secret(struct gv_reader *r, uint8_t to[GV_SECRET_LEN],
		       bool *has)
{
	const uint8_t *secret = gv_get_bytes(r, GV_SECRET_LEN);

	if (!secret)
		return false;
	memcpy(to, secret, GV_SECRET_LEN);
	*has = true;
	return true;
}

static bool get_bool(struct gv_reader *r, bool *is)
{
	uint8_t value = gv_get8(r);

	*is = value == 1;
	return value <= 1;
}

static bool get_hints(struct gv_reader *r, struct gv_ctl_msg *msg)
{
	struct gv_reader addr;

	do {
		if (msg->n_hints == GV_HINTS_MAX ||
		    !gv_get_sub(r, gv_get8(r), &addr) ||
		    !get_addr(&addr, &msg->hints[msg->n_hints]))
			return false;
		msg->n_hints++;
	} while (r->left);
	return true;
}

/* Reads one value; the caller checks that nothing of it is left over. */
static bool get_value(struct gv_reader *r, enum tlv type,
		      struct gv_ctl_msg *msg)
{
	switch (type) {
	case TLV_GROUP_ID:
		msg->group_id = gv_get32(r);
		return msg->group_id != 0;
	case TLV_MEMBER_ID:
		msg->member_id = gv_get16(r);
		return msg->member_id != 0;
	case TLV_SENDER_ID:
		msg->sender_id = gv_get24(r);
		return msg->sender_id != 0;
	case TLV_GATEWAY:
		return get_addr(r, &msg->gateway);
	case TLV_ROLE:
		msg->role = gv_get8(r);
		return msg->role == GV_ROLE_MEMBER || msg->role == GV_ROLE_GCKS;
	case TLV_NAME:
		return get_name(r, msg->name, GV_NAME_MAX);
	case TLV_VRF:
		return get_name(r, msg->vrf, GV_IFNAME_MAX);
	case TLV_DEVICE:
		return get_name(r, msg->device, GV_IFNAME_MAX);
	case TLV_EPOCH:
		msg->epoch = gv_get32(r);
		return true;
	case TLV_SAS:
		msg->sas = gv_get32(r);
		return true;
	case TLV_ROUTE_EPOCH:
		msg->route_epoch = gv_get32(r);
		return true;
	case TLV_ROUTE_SECRET:
		return get_secret(r, msg->route_secret, &msg->has_route_secret);
	case TLV_OTHER_ROUTE_EPOCH:
		msg->other_route_epoch = gv_get32(r);
		return true;
	case TLV_OTHER_ROUTE_SECRET:
		return get_secret(r, msg->other_route_secret,
				  &msg->has_other_route_secret);
	case TLV_ATTR:
		return get_attr(r, msg);
	case TLV_IDENTITY:
		return get_text(r, msg->identity, GV_TEXT_MAX);
	case TLV_PEERS:
		return get_text(r, msg->peers, GV_PEERS_MAX);
	case TLV_READY:
		return get_bool(r, &msg->ready);
	case TLV_TEXT:
		return get_text(r, msg->text, GV_TEXT_MAX);
	case TLV_REKEY:
		return get_rekey(r, msg);
	case TLV_CHAIN:
		msg->chain = gv_get8(r);
		msg->chains = gv_get8(r);
		msg->part_number = gv_get8(r);
		msg->part_count = gv_get8(r);
		return msg->chains != 0;
	case TLV_COMMAND:
		return get_name(r, msg->command, GV_NAME_MAX);
	case TLV_PART:
		return get_part(r, msg);
	case TLV_DISCOVERY:
		return get_bool(r, &msg->discovery_open);
	case TLV_LABEL:
		return get_text(r, msg->label, GV_NAME_MAX);
	case TLV_HINTS:
		return get_hints(r, msg);
	case TLV_PREFIXES:
		return get_prefixes(r, msg);
	case TLV_END:
		break;
	}
	return false;
}

/* Some numbers below TLV_END are not in use. */
static bool is_known(uint16_t type)
{
	uint32_t known = member_layout.mandatory | member_layout.optional |
			 gcks_layout.mandatory | gcks_layout.optional;

	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
		known |= layouts[i].mandatory | layouts[i].optional;
	return type && type < TLV_END && known & 1u << type;
}

/* seen: the known TLVs that were there. */
static enum gv_ctl_error get_tlvs(struct gv_reader *r, struct gv_ctl_msg *msg,
				  uint32_t *seen)
{
	while (r->left) {
		uint16_t type = gv_get16(r);
		uint16_t len = gv_get16(r);
		struct gv_reader value;

		if (!gv_get_sub(r, len, &value))
			return GV_CTL_TRUNCATED;
		if (!is_known(type))
			continue;
		if (*seen & 1u << type || !get_value(&value, type, msg) ||
		    !gv_reader_done(&value))
			return GV_CTL_BAD_TLV;
		*seen |= 1u << type;
	}
	return GV_CTL_OK;
}

static enum gv_ctl_error decode(const uint8_t *buf, size_t len,
				struct gv_ctl_msg *msg)
{
	const struct layout *layout;
	enum gv_ctl_error error;
	struct gv_reader r;
	uint32_t seen = 0;

	gv_reader_init(&r, buf, len);
	if (len < HEADER_LEN)
		return GV_CTL_TRUNCATED;
	if (gv_get8(&r) != GV_CTL_VERSION)
		return GV_CTL_BAD_VERSION;
	msg->type = gv_get8(&r);
	gv_get16(&r);
	msg->generation = gv_get32(&r);
	if (!find_layout(msg->type))
		return GV_CTL_UNKNOWN_TYPE;
	error = get_tlvs(&r, msg, &seen);
	if (error != GV_CTL_OK)
		return error;
	layout = message_layout(msg);
	if (!layout || (layout->mandatory & ~seen))
		return GV_CTL_MISSING_TLV;
	if (seen & ~(layout->mandatory | layout->optional))
		return GV_CTL_BAD_TLV;
	if (!chain_valid(msg))
		return GV_CTL_BAD_TLV;
	if (seen & OTHER_ROUTE_KEY && ~seen & OTHER_ROUTE_KEY)
		return GV_CTL_MISSING_TLV;
	if (msg->has_other_route_secret &&
	    msg->other_route_epoch == msg->route_epoch)
		return GV_CTL_BAD_TLV;
	return GV_CTL_OK;
}

enum gv_ctl_error gv_ctl_decode(const uint8_t *buf, size_t len,
				struct gv_ctl_msg *msg)
{
	struct gv_ctl_msg head = {};
	enum gv_ctl_error error;

	memset(msg, 0, sizeof(*msg));
	error = decode(buf, len, msg);
	if (error != GV_CTL_OK) {
		head.type = msg->type;
		head.generation = msg->generation;
		head.group_id = msg->group_id;
		gv_wipe(msg, sizeof(*msg));
		*msg = head;
	}
	return error;
}
