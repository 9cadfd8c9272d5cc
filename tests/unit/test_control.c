// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Messages of the control socket: the examples of doc/protocol.md (example_*),
 * round trips, truncation, bit flips, and TLVs that are malformed, missing,
 * doubled, misplaced or unknown.
 */
#include "unit.h"

#include "control.h"

#define HEAD(type) "01" type "0000 0a0b0c0d"
#define GROUP_ID "0001 0004 00000064"
#define MEMBER_ID "0002 0002 0005"
#define SENDER_ID "0003 0003 000011"
#define GATEWAY "0004 0004 c0000205"
#define ROLE_MEMBER "0005 0001 01"
#define ROLE_GCKS "0005 0001 02"
#define NAME "0006 0004 626c7565"
#define VRF "0007 0008 7672662d626c7565"
#define DEVICE "0008 0007 67762d626c7565"
#define EPOCH "0009 0004 00000007"
#define SAS "000a 0004 00000006"
#define ROUTE_EPOCH "000b 0004 00000003"
#define ROUTE_SECRET                                                           \
	"000c 0020 202122232425262728292a2b2c2d2e2f"                           \
	"303132333435363738393a3b3c3d3e3f"
#define ATTR                                                                   \
	"000d 0029 010100000000006400000000000000000003010004c0000201"         \
	"fe6719b32fc3b3c9e29daa74eee7b269"
#define IDENTITY "000e 000d 7369746531406578616d706c65"
#define READY "000f 0001 01"
#define NOT_READY "000f 0001 00"
#define TEXT_LEFT "0010 0004 6c656674"
#define REKEY "0011 0004 b0b1b2b3"
#define PEERS "0016 0006 612c62403163"
#define DISCOVERY_OPEN "0018 0001 01"
#define HINTS "0019 000a 04 c0000201 04 c6336401"
#define LABEL "001a 0002 6871"
#define NLRIS                                                                  \
	"001b 0024 0680 86ae956aa8bc550f56373d62d4adabac"                      \
	"0680 2a6f75f99766289ac5a43d4ca69f28b2"
#define UNKNOWN "00f0 0003 aabbcc"
/* Below the last number, and nobody's. */
#define UNUSED "00ff 0003 aabbcc"
#define OTHER_ROUTE_EPOCH "0014 0004 00000004"
#define OTHER_ROUTE_SECRET                                                     \
	"0015 0020 909192939495969798999a9b9c9d9e9f"                           \
	"a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
#define EMPTY "ffff 0000"
#define COMMAND_EVICT "0012 0005 6576696374"
#define PART "0013 0003 5b5d0a"

#define GROUP_MEMBER                                                           \
	HEAD("0a")                                                             \
	GROUP_ID MEMBER_ID SENDER_ID GATEWAY ROLE_MEMBER NAME VRF DEVICE EPOCH \
		SAS ROUTE_EPOCH ROUTE_SECRET
#define REGISTRATION HEAD("0c") GROUP_ID MEMBER_ID SENDER_ID GATEWAY IDENTITY
#define PEER HEAD("14") GROUP_ID MEMBER_ID SENDER_ID GATEWAY

static struct gv_ctl_msg message(uint8_t type)
{
	struct gv_ctl_msg msg;

	memset(&msg, 0, sizeof(msg));
	msg.type = type;
	msg.generation = 0x0a0b0c0d;
	if (type != GV_CTL_HELLO && type != GV_CTL_SYNC)
		msg.group_id = EX_GROUP;
	return msg;
}

static struct gv_ctl_msg of_member(uint8_t type)
{
	struct gv_ctl_msg msg = message(type);

	msg.member_id = EX_MEMBER;
	return msg;
}

static struct gv_ctl_msg peer(void)
{
	struct gv_ctl_msg msg = of_member(GV_CTL_PEER);

	msg.sender_id = EX_SENDER;
	msg.gateway = addr("192.0.2.5");
	return msg;
}

static struct gv_ctl_msg registration(void)
{
	struct gv_ctl_msg msg = peer();

	msg.type = GV_CTL_REGISTRATION;
	strcpy(msg.identity, "site1@example");
	return msg;
}

static struct gv_ctl_msg rekey(void)
{
	struct gv_ctl_msg msg = message(GV_CTL_REKEY);

	msg.rekey_len = 4;
	ramp(msg.rekey, 0xb0);
	memset(msg.rekey + 4, 0, GV_SECRET_LEN - 4);
	return msg;
}

static struct gv_ctl_msg peer_status(bool ready)
{
	struct gv_ctl_msg msg = of_member(GV_CTL_PEER_STATUS);

	msg.sender_id = EX_SENDER;
	msg.ready = ready;
	if (!ready)
		strcpy(msg.text, "no route");
	return msg;
}

static struct gv_ctl_msg group_member(void)
{
	struct gv_ctl_msg msg = peer();

	msg.type = GV_CTL_GROUP;
	msg.role = GV_ROLE_MEMBER;
	strcpy(msg.name, "blue");
	strcpy(msg.vrf, "vrf-blue");
	strcpy(msg.device, "gv-blue");
	msg.epoch = EX_EPOCH;
	msg.sas = 6;
	msg.route_epoch = EX_ROUTE_EPOCH;
	msg.has_route_secret = true;
	ramp(msg.route_secret, EX_ROUTE_SECRET_FIRST);
	return msg;
}

static struct gv_ctl_msg group_changing(void)
{
	struct gv_ctl_msg msg = group_member();

	msg.other_route_epoch = EX_ROUTE_EPOCH + 1;
	msg.has_other_route_secret = true;
	ramp(msg.other_route_secret, 0x90);
	return msg;
}

static struct gv_ctl_msg group_gcks(void)
{
	struct gv_ctl_msg msg = message(GV_CTL_GROUP);

	msg.role = GV_ROLE_GCKS;
	msg.gateway = addr("192.0.2.1");
	strcpy(msg.name, "blue");
	msg.epoch = EX_EPOCH;
	msg.attr_len = unhex(ATTR, msg.attr, sizeof(msg.attr)) - 4;
	memmove(msg.attr, msg.attr + 4, msg.attr_len);
	memset(msg.attr + msg.attr_len, 0, 4);
	return msg;
}

static struct gv_ctl_msg discovered(void)
{
	struct gv_ctl_msg msg = message(GV_CTL_DISCOVERED);

	msg.hints[0] = addr("192.0.2.1");
	msg.hints[1] = addr("198.51.100.1");
	msg.n_hints = 2;
	return msg;
}

static struct gv_ctl_msg with_text(struct gv_ctl_msg msg, const char *text)
{
	strcpy(msg.text, text);
	return msg;
}

/* Encodes to hex and back to the same. */
static void encodes_to(struct gv_ctl_msg msg, const char *hex)
{
	uint8_t buf[GV_CTL_MAX];
	size_t len = gv_ctl_encode(&msg, buf, sizeof(buf));
	uint8_t *copy = exact(buf, len);
	struct gv_ctl_msg back;

	assert_hex(buf, len, hex);
	assert_int_equal(gv_ctl_decode(copy, len, &back), GV_CTL_OK);
	assert_memory_equal(&msg, &back, sizeof(msg));
	free(copy);
}

static void example_hello_sync(void **state)
{
	encodes_to(with_text(message(GV_CTL_HELLO), "groupvpn 0.1"),
		   HEAD("01") "0010 000c 67726f757076706e20302e31");
	encodes_to(message(GV_CTL_HELLO), HEAD("01"));
	encodes_to(message(GV_CTL_SYNC), HEAD("02"));
}

static void example_group(void **state)
{
	struct gv_ctl_msg msg = group_member();

	encodes_to(msg, GROUP_MEMBER);
	encodes_to(group_changing(),
		   GROUP_MEMBER OTHER_ROUTE_EPOCH OTHER_ROUTE_SECRET);
	msg.vrf[0] = '\0';
	memset(msg.vrf, 0, sizeof(msg.vrf));
	encodes_to(msg,
		   HEAD("0a") GROUP_ID MEMBER_ID SENDER_ID GATEWAY ROLE_MEMBER
			   NAME DEVICE EPOCH SAS ROUTE_EPOCH ROUTE_SECRET);
	encodes_to(group_gcks(),
		   HEAD("0a") GROUP_ID "0004 0004 c0000201" ROLE_GCKS NAME EPOCH
				       "000a 0004 00000000" ATTR);
	msg = group_gcks();
	msg.discovery_open = true;
	encodes_to(msg, HEAD("0a") GROUP_ID
		   "0004 0004 c0000201" ROLE_GCKS NAME EPOCH
		   "000a 0004 00000000" ATTR DISCOVERY_OPEN);
	encodes_to(message(GV_CTL_GROUP_DOWN), HEAD("0b") GROUP_ID);
}

static void example_discovery(void **state)
{
	struct gv_ctl_msg msg = message(GV_CTL_DISCOVER);

	encodes_to(msg, HEAD("17") GROUP_ID);
	strcpy(msg.name, "blue");
	encodes_to(msg, HEAD("17") GROUP_ID NAME);
	encodes_to(discovered(), HEAD("18") GROUP_ID HINTS);
	encodes_to(message(GV_CTL_DISCOVERED), HEAD("18") GROUP_ID);
}

static void example_registration(void **state)
{
	struct gv_ctl_msg msg = registration();

	encodes_to(msg, REGISTRATION);
	strcpy(msg.peers, "a,b@1c");
	encodes_to(msg, REGISTRATION PEERS);
	strcpy(msg.label, "hq");
	encodes_to(msg, REGISTRATION PEERS LABEL);
	encodes_to(with_text(of_member(GV_CTL_REGISTRATION_DOWN), "left"),
		   HEAD("0d") GROUP_ID MEMBER_ID TEXT_LEFT);
	encodes_to(of_member(GV_CTL_REGISTRATION_DOWN),
		   HEAD("0d") GROUP_ID MEMBER_ID);
}

static void example_peer(void **state)
{
	encodes_to(peer(), PEER);
	encodes_to(peer_status(true),
		   HEAD("0e") GROUP_ID MEMBER_ID SENDER_ID READY);
	encodes_to(peer_status(false),
		   HEAD("0e") GROUP_ID MEMBER_ID SENDER_ID NOT_READY
		   "0010 0008 6e6f20726f757465");
	encodes_to(of_member(GV_CTL_PEER_DOWN), HEAD("15") GROUP_ID MEMBER_ID);
}

static void example_rekey(void **state)
{
	struct gv_ctl_msg part = rekey(), other = message(GV_CTL_DESCRIPTOR);

	encodes_to(rekey(), HEAD("16") GROUP_ID REKEY);
	encodes_to(message(GV_CTL_REKEY), HEAD("16") GROUP_ID);
	part.chain = 1;
	part.chains = 2;
	part.part_number = 0;
	part.part_count = 3;
	encodes_to(part, HEAD("16") GROUP_ID REKEY "0017 0004 01 02 00 03");
	other.attr_len = unhex("b0b1b2b3", other.attr, sizeof(other.attr));
	encodes_to(other, HEAD("11") GROUP_ID "000d 0004 b0b1b2b3");
}

static struct gv_ctl_msg command(void)
{
	struct gv_ctl_msg msg = {.type = GV_CTL_COMMAND,
				 .generation = 0x0a0b0c0d};

	strcpy(msg.command, "evict");
	strcpy(msg.name, "blue");
	return msg;
}

static struct gv_ctl_msg answer(const char *part)
{
	struct gv_ctl_msg msg = {.type = GV_CTL_ANSWER,
				 .generation = 0x0a0b0c0d};

	msg.part_len = strlen(part);
	memcpy(msg.part, part, msg.part_len);
	return msg;
}

static struct gv_ctl_msg routes(uint8_t type)
{
	struct gv_ctl_msg msg = of_member(type);

	msg.attr_len = unhex(ATTR, msg.attr, sizeof(msg.attr)) - 4;
	memmove(msg.attr, msg.attr + 4, msg.attr_len);
	memset(msg.attr + msg.attr_len, 0, 4);
	if (type == GV_CTL_UNHEARD) {
		memset(msg.attr, 0, sizeof(msg.attr));
		msg.attr_len = 0;
	}
	for (msg.prefix_count = 0; msg.prefix_count < 2; msg.prefix_count++) {
		msg.prefixes[msg.prefix_count].family = 6;
		msg.prefixes[msg.prefix_count].len = 128;
	}
	unhex("86ae956aa8bc550f56373d62d4adabac", msg.prefixes[0].bytes, 16);
	unhex("2a6f75f99766289ac5a43d4ca69f28b2", msg.prefixes[1].bytes, 16);
	return msg;
}

static void example_routes(void **state)
{
	struct gv_ctl_msg msg = routes(GV_CTL_ORIGINATE);

	encodes_to(msg, HEAD("0f") GROUP_ID MEMBER_ID ATTR NLRIS);
	msg.prefix_count = 0;
	memset(msg.prefixes, 0, sizeof(msg.prefixes));
	encodes_to(msg, HEAD("0f") GROUP_ID MEMBER_ID ATTR);
	encodes_to(of_member(GV_CTL_ORIGINATED), HEAD("10") GROUP_ID MEMBER_ID);
	msg = message(GV_CTL_WANT);
	msg.ready = true;
	encodes_to(msg, HEAD("1b") GROUP_ID READY);
	encodes_to(routes(GV_CTL_HEARD),
		   HEAD("19") GROUP_ID MEMBER_ID ATTR NLRIS);
	encodes_to(routes(GV_CTL_UNHEARD), HEAD("1a") GROUP_ID MEMBER_ID NLRIS);
}

static void example_management(void **state)
{
	struct gv_ctl_msg msg = command();

	msg.member_id = EX_MEMBER;
	encodes_to(with_text(msg, "left"),
		   HEAD("1e") MEMBER_ID NAME TEXT_LEFT COMMAND_EVICT);
	msg = command();
	strcpy(msg.identity, "site1@example");
	encodes_to(msg, HEAD("1e") NAME IDENTITY COMMAND_EVICT);
	memset(&msg.name, 0, sizeof(msg.name));
	memset(&msg.identity, 0, sizeof(msg.identity));
	encodes_to(msg, HEAD("1e") COMMAND_EVICT);
	encodes_to(answer("[]\n"), HEAD("1f") PART);
	encodes_to(answer(""), HEAD("1f"));
}

static void round_trip(const struct gv_ctl_msg *msg)
{
	uint8_t buf[GV_CTL_MAX];
	size_t len = gv_ctl_encode(msg, buf, sizeof(buf));
	struct gv_ctl_msg back;

	assert_true(len > 0);
	assert_int_equal(gv_ctl_decode(buf, len, &back), GV_CTL_OK);
	assert_memory_equal(msg, &back, sizeof(back));
}

static void range_ends(void **state)
{
	struct gv_ctl_msg msg = group_member();

	msg.generation = msg.group_id = msg.epoch = UINT32_MAX;
	msg.sas = msg.route_epoch = UINT32_MAX;
	msg.member_id = UINT16_MAX;
	msg.sender_id = GV_SENDER_ID_MAX;
	msg.gateway = addr("ffff::1");
	memset(msg.name, 'n', GV_NAME_MAX);
	memset(msg.vrf, 'v', GV_IFNAME_MAX);
	memset(msg.device, 'd', GV_IFNAME_MAX);
	round_trip(&msg);

	msg = group_gcks();
	msg.generation = 0;
	msg.attr_len = GV_ATTR_MAX;
	random_fill(msg.attr, sizeof(msg.attr));
	memset(msg.name, 'n', GV_NAME_MAX);
	round_trip(&msg);

	msg = registration();
	memset(msg.identity, 'i', GV_TEXT_MAX);
	round_trip(&msg);
	memset(msg.identity, 0, sizeof(msg.identity));
	strcpy(msg.identity, "C=DE, CN=s\xc3\xbc"
			     "d");
	round_trip(&msg);

	memset(msg.peers, 'p', GV_PEERS_MAX);
	round_trip(&msg);

	msg = of_member(GV_CTL_REGISTRATION_DOWN);
	memset(msg.text, 't', GV_TEXT_MAX);
	round_trip(&msg);

	msg = rekey();
	msg.rekey_len = GV_REKEY_PART_MAX;
	random_fill(msg.rekey, sizeof(msg.rekey));
	round_trip(&msg);

	msg = message(GV_CTL_DISCOVERED);
	for (msg.n_hints = 0; msg.n_hints < GV_HINTS_MAX; msg.n_hints++)
		msg.hints[msg.n_hints] = addr("ffff::1");
	round_trip(&msg);

	msg = command();
	memset(msg.command, 'c', GV_NAME_MAX);
	memset(msg.name, 'n', GV_NAME_MAX);
	memset(msg.identity, 'i', GV_TEXT_MAX);
	memset(msg.text, 't', GV_TEXT_MAX);
	msg.member_id = UINT16_MAX;
	round_trip(&msg);

	msg = answer("");
	msg.part_len = GV_CTL_PART_MAX;
	random_fill((uint8_t *)msg.part, sizeof(msg.part));
	round_trip(&msg);
}

static void refuses_to_encode(void **state)
{
	struct gv_ctl_msg bad[64];
	uint8_t buf[GV_CTL_MAX];
	size_t n = 0;

	memset(bad, 0, sizeof(bad));
	bad[n++] = message(0);
	bad[n++] = message(3);
	bad[n++] = message(29);
	bad[n++] = message(255);
	bad[n] = message(GV_CTL_GROUP_DOWN), bad[n++].group_id = 0;
	bad[n] = peer(), bad[n++].group_id = 0;
	bad[n] = peer(), bad[n++].member_id = 0;
	bad[n] = peer(), bad[n++].sender_id = 0;
	bad[n] = peer(), bad[n++].sender_id = GV_SENDER_ID_MAX + 1;
	bad[n] = peer(), bad[n++].gateway.len = 0;
	bad[n] = peer(), bad[n++].gateway.len = 17;
	bad[n] = registration(), bad[n++].identity[0] = '\0';
	bad[n] = group_member(), bad[n++].role = 0;
	bad[n] = group_member(), bad[n++].role = 3;
	bad[n] = group_member(), bad[n++].name[0] = '\0';
	bad[n] = group_member(), bad[n++].name[0] = '-';
	bad[n] = group_member(), bad[n++].device[0] = '\0';
	bad[n] = group_member(), bad[n++].device[1] = '/';
	bad[n] = group_member(), bad[n++].vrf[1] = ' ';
	bad[n] = group_member(), bad[n++].has_route_secret = false;
	bad[n] = group_changing(), bad[n++].has_route_secret = false;
	bad[n] = group_changing(), bad[n++].other_route_epoch = EX_ROUTE_EPOCH;
	bad[n] = group_member(), bad[n++].gateway.len = 0;
	bad[n] = group_member(), bad[n++].member_id = 0;
	bad[n] = group_gcks(), bad[n++].attr_len = 0;
	bad[n] = group_gcks(), bad[n++].attr_len = GV_ATTR_MAX + 1;
	bad[n] = group_gcks(), bad[n++].gateway.len = 0;
	bad[n] = rekey(), bad[n++].rekey_len = GV_REKEY_PART_MAX + 1;
	bad[n] = rekey(), bad[n++].group_id = 0;
	bad[n] = routes(GV_CTL_HEARD);
	bad[n++].prefix_count = GV_CTL_PREFIXES_MAX + 1;
	bad[n] = routes(GV_CTL_HEARD), bad[n++].prefixes[1].family = 5;
	bad[n] = routes(GV_CTL_HEARD), bad[n++].prefixes[1].len = 129;
	bad[n] = discovered(), bad[n++].group_id = 0;
	bad[n] = discovered(), bad[n++].n_hints = GV_HINTS_MAX + 1;
	bad[n] = discovered(), bad[n++].hints[1].len = 0;
	bad[n] = discovered(), bad[n++].hints[1].len = 5;
	bad[n] = message(GV_CTL_DISCOVER), bad[n++].name[0] = '-';
	bad[n] = rekey(), bad[n].chains = 1, bad[n++].part_count = 0;
	bad[n] = rekey(), bad[n].chains = 1, bad[n++].part_count = 9;
	bad[n] = rekey(), bad[n].chains = 9, bad[n++].part_count = 1;
	bad[n] = rekey(), bad[n].chains = bad[n].chain = 1,
	bad[n++].part_count = 1;
	bad[n] = rekey(), bad[n].chains = 1, bad[n].part_number = 1,
	bad[n++].part_count = 1;
	bad[n] = message(GV_CTL_REKEY), bad[n].chains = 1,
	bad[n++].part_count = 1;
	bad[n] = command(), bad[n++].command[0] = '\0';
	bad[n] = command(), bad[n++].command[1] = ' ';
	bad[n] = command(), bad[n++].name[1] = '/';
	for (size_t i = 0; i < n; i++)
		assert_int_equal(gv_ctl_encode(&bad[i], buf, sizeof(buf)), 0);
}

static void one_of_each(size_t i, struct gv_ctl_msg *msg)
{
	const struct gv_ctl_msg all[] = {
		with_text(message(GV_CTL_HELLO), "groupvpn 0.1"),
		message(GV_CTL_SYNC),
		group_member(),
		group_changing(),
		group_gcks(),
		message(GV_CTL_GROUP_DOWN),
		registration(),
		with_text(of_member(GV_CTL_REGISTRATION_DOWN), "left"),
		peer_status(true),
		peer_status(false),
		peer(),
		of_member(GV_CTL_PEER_DOWN),
		rekey(),
		answer("[]\n"),
		of_member(GV_CTL_ORIGINATED),
		routes(GV_CTL_HEARD),
		routes(GV_CTL_UNHEARD),
		discovered(),
	};

	*msg = all[i];
	/* Zero would be the same as absent, and a flipped type unseen. */
	if (msg->role == GV_ROLE_GCKS)
		msg->sas = 1;
}
#define MESSAGES 18

static void fits_or_fails(void **state)
{
	uint8_t buf[GV_CTL_MAX];
	struct gv_ctl_msg msg;

	for (size_t i = 0; i < MESSAGES; i++) {
		size_t len;

		one_of_each(i, &msg);
		len = gv_ctl_encode(&msg, buf, sizeof(buf));
		for (size_t size = 0; size < len; size++) {
			uint8_t *small = exact(buf, size);

			assert_int_equal(gv_ctl_encode(&msg, small, size), 0);
			free(small);
		}
	}
}

/* After an error only type, generation and group-ID may be left. */
static void assert_wiped(const struct gv_ctl_msg *msg)
{
	struct gv_ctl_msg rest = *msg;

	rest.type = 0;
	rest.generation = 0;
	rest.group_id = 0;
	assert_true(all_zero(&rest, sizeof(rest)));
}

static enum gv_ctl_error decode(const uint8_t *buf, size_t len,
				struct gv_ctl_msg *msg)
{
	uint8_t *copy = exact(buf, len);
	enum gv_ctl_error error;

	memset(msg, 0xa5, sizeof(*msg));
	error = gv_ctl_decode(copy, len, msg);
	if (error != GV_CTL_OK)
		assert_wiped(msg);
	free(copy);
	return error;
}

/* A message cut short is refused, unless only optional TLVs are gone. */
static void truncation(void **state)
{
	struct gv_ctl_msg msg, back;
	uint8_t buf[GV_CTL_MAX];

	for (size_t i = 0; i < MESSAGES; i++) {
		size_t len;

		one_of_each(i, &msg);
		len = gv_ctl_encode(&msg, buf, sizeof(buf));
		for (size_t cut = 0; cut < len; cut++) {
			if (decode(buf, cut, &back) != GV_CTL_OK)
				continue;
			/* what is optional and last */
			if (msg.has_other_route_secret) {
				assert_int_equal(cut, len - 44);
				continue;
			}
			assert_true(msg.text[0] || msg.rekey_len ||
				    msg.part_len || msg.n_hints);
			assert_int_equal(cut, len - 4 - strlen(msg.text) -
						      msg.rekey_len -
						      msg.part_len -
						      5 * msg.n_hints);
		}
	}
}

/* No flipped bit passes unseen, those of the reserved field apart. */
static void bit_flips(void **state)
{
	struct gv_ctl_msg msg, back;
	uint8_t buf[GV_CTL_MAX];

	for (size_t i = 0; i < MESSAGES; i++) {
		size_t len;

		one_of_each(i, &msg);
		len = gv_ctl_encode(&msg, buf, sizeof(buf));
		for (size_t bit = 0; bit < 8 * len; bit++) {
			bool reserved = bit / 8 == 2 || bit / 8 == 3;
			enum gv_ctl_error error;

			buf[bit / 8] ^= 0x80 >> bit % 8;
			error = decode(buf, len, &back);
			buf[bit / 8] ^= 0x80 >> bit % 8;
			if (reserved)
				assert_int_equal(error, GV_CTL_OK);
			else if (error == GV_CTL_OK &&
				 !memcmp(&msg, &back, sizeof(msg)))
				fail_msg("message %zu: bit %zu is not seen", i,
					 bit);
		}
	}
}

static void malformed(void **state)
{
	static const struct {
		const char *hex;
		enum gv_ctl_error error;
	} cases[] = {
		{"", GV_CTL_TRUNCATED},
		{"0114 0000 0a0b0c", GV_CTL_TRUNCATED},
		{"0014 0000 0a0b0c0d", GV_CTL_BAD_VERSION},
		{"0214 0000 0a0b0c0d" GROUP_ID MEMBER_ID SENDER_ID GATEWAY,
		 GV_CTL_BAD_VERSION},
		{HEAD("00"), GV_CTL_UNKNOWN_TYPE},
		{HEAD("03"), GV_CTL_UNKNOWN_TYPE},
		{HEAD("12") GROUP_ID, GV_CTL_UNKNOWN_TYPE},
		{HEAD("ff") "0001", GV_CTL_UNKNOWN_TYPE},
		/* any order, unknown TLVs, reserved bits */
		{PEER, GV_CTL_OK},
		{HEAD("14") GATEWAY SENDER_ID MEMBER_ID GROUP_ID, GV_CTL_OK},
		{HEAD("14") UNKNOWN EMPTY GROUP_ID EMPTY EMPTY MEMBER_ID
			 SENDER_ID UNKNOWN GATEWAY "0000 0000",
		 GV_CTL_OK},
		{PEER UNUSED UNUSED, GV_CTL_OK},
		{"0114 ffff 0a0b0c0d" GROUP_ID MEMBER_ID SENDER_ID GATEWAY,
		 GV_CTL_OK},
		/* one absent */
		{HEAD("14") MEMBER_ID SENDER_ID GATEWAY, GV_CTL_MISSING_TLV},
		{HEAD("14") GROUP_ID SENDER_ID GATEWAY, GV_CTL_MISSING_TLV},
		{HEAD("14") GROUP_ID MEMBER_ID GATEWAY, GV_CTL_MISSING_TLV},
		{HEAD("14") GROUP_ID MEMBER_ID SENDER_ID, GV_CTL_MISSING_TLV},
		{HEAD("0b"), GV_CTL_MISSING_TLV},
		{HEAD("17") NAME, GV_CTL_MISSING_TLV},
		{HEAD("18") HINTS, GV_CTL_MISSING_TLV},
		{HEAD("0c") GROUP_ID MEMBER_ID SENDER_ID GATEWAY,
		 GV_CTL_MISSING_TLV},
		{HEAD("0d") GROUP_ID, GV_CTL_MISSING_TLV},
		{HEAD("16") REKEY, GV_CTL_MISSING_TLV},
		{HEAD("0f") GROUP_ID MEMBER_ID NLRIS, GV_CTL_MISSING_TLV},
		{HEAD("19") GROUP_ID MEMBER_ID ATTR, GV_CTL_MISSING_TLV},
		{HEAD("1a") GROUP_ID MEMBER_ID, GV_CTL_MISSING_TLV},
		{HEAD("1b") GROUP_ID, GV_CTL_MISSING_TLV},
		{HEAD("1e") NAME, GV_CTL_MISSING_TLV},
		{HEAD("0e") GROUP_ID MEMBER_ID SENDER_ID, GV_CTL_MISSING_TLV},
		{HEAD("0a") GROUP_ID GATEWAY NAME, GV_CTL_MISSING_TLV},
		{HEAD("0a") GROUP_ID GATEWAY ROLE_GCKS NAME,
		 GV_CTL_MISSING_TLV},
		{HEAD("0a") GROUP_ID GATEWAY ROLE_GCKS ATTR,
		 GV_CTL_MISSING_TLV},
		{HEAD("0a") GROUP_ID MEMBER_ID SENDER_ID GATEWAY ROLE_MEMBER
			 NAME DEVICE ROUTE_EPOCH,
		 GV_CTL_MISSING_TLV},
		{HEAD("0a") GROUP_ID MEMBER_ID SENDER_ID GATEWAY ROLE_MEMBER
			 NAME DEVICE ROUTE_SECRET,
		 GV_CTL_MISSING_TLV},
		{HEAD("0a") GROUP_ID MEMBER_ID SENDER_ID GATEWAY ROLE_MEMBER
			 NAME ROUTE_EPOCH ROUTE_SECRET,
		 GV_CTL_MISSING_TLV},
		/* one doubled */
		{PEER GROUP_ID, GV_CTL_BAD_TLV},
		{PEER MEMBER_ID, GV_CTL_BAD_TLV},
		{PEER SENDER_ID, GV_CTL_BAD_TLV},
		{PEER GATEWAY, GV_CTL_BAD_TLV},
		{REGISTRATION IDENTITY, GV_CTL_BAD_TLV},
		{GROUP_MEMBER ROLE_MEMBER, GV_CTL_BAD_TLV},
		{GROUP_MEMBER NAME, GV_CTL_BAD_TLV},
		{GROUP_MEMBER VRF, GV_CTL_BAD_TLV},
		{GROUP_MEMBER DEVICE, GV_CTL_BAD_TLV},
		{GROUP_MEMBER EPOCH, GV_CTL_BAD_TLV},
		{GROUP_MEMBER SAS, GV_CTL_BAD_TLV},
		{GROUP_MEMBER ROUTE_EPOCH, GV_CTL_BAD_TLV},
		{GROUP_MEMBER ROUTE_SECRET, GV_CTL_BAD_TLV},
		/* no prefix, and what is none */
		{HEAD("1a") GROUP_ID MEMBER_ID "001b 0000", GV_CTL_BAD_TLV},
		{HEAD("1a") GROUP_ID MEMBER_ID "001b 0003 0410 0a",
		 GV_CTL_BAD_TLV},
		{HEAD("1a") GROUP_ID MEMBER_ID "001b 0003 0407 0b",
		 GV_CTL_BAD_TLV},
		{HEAD("1a") GROUP_ID MEMBER_ID "001b 0003 0508 0a",
		 GV_CTL_BAD_TLV},
		{HEAD("1a") GROUP_ID MEMBER_ID "001b 0003 0408 0a", GV_CTL_OK},
		/* half a pair, a pair twice, the same epoch in both */
		{GROUP_MEMBER OTHER_ROUTE_EPOCH, GV_CTL_MISSING_TLV},
		{GROUP_MEMBER OTHER_ROUTE_SECRET, GV_CTL_MISSING_TLV},
		{GROUP_MEMBER OTHER_ROUTE_EPOCH OTHER_ROUTE_SECRET
			 OTHER_ROUTE_SECRET,
		 GV_CTL_BAD_TLV},
		{GROUP_MEMBER "0014 0004 00000003" OTHER_ROUTE_SECRET,
		 GV_CTL_BAD_TLV},
		{GROUP_MEMBER OTHER_ROUTE_EPOCH "0015 0002 9091",
		 GV_CTL_BAD_TLV},
		{HEAD("0a") GROUP_ID GATEWAY ROLE_GCKS NAME ATTR
			 OTHER_ROUTE_EPOCH OTHER_ROUTE_SECRET,
		 GV_CTL_BAD_TLV},
		/* one that has no place there */
		{PEER ROLE_MEMBER, GV_CTL_BAD_TLV},
		{PEER NAME, GV_CTL_BAD_TLV},
		{PEER READY, GV_CTL_BAD_TLV},
		{PEER TEXT_LEFT, GV_CTL_BAD_TLV},
		{PEER ROUTE_SECRET, GV_CTL_BAD_TLV},
		{PEER PEERS, GV_CTL_BAD_TLV},
		{REGISTRATION PEERS PEERS, GV_CTL_BAD_TLV},
		{REGISTRATION "0016 0000", GV_CTL_BAD_TLV},
		{REGISTRATION LABEL LABEL, GV_CTL_BAD_TLV},
		{REGISTRATION "001a 0000", GV_CTL_BAD_TLV},
		{PEER LABEL, GV_CTL_BAD_TLV},
		{REGISTRATION "0016 0002 6101", GV_CTL_BAD_TLV},
		{GROUP_MEMBER ATTR, GV_CTL_BAD_TLV},
		{GROUP_MEMBER DISCOVERY_OPEN, GV_CTL_BAD_TLV},
		{PEER HINTS, GV_CTL_BAD_TLV},
		{HEAD("17") GROUP_ID HINTS, GV_CTL_BAD_TLV},
		{HEAD("18") GROUP_ID HINTS HINTS, GV_CTL_BAD_TLV},
		{HEAD("02") GROUP_ID, GV_CTL_BAD_TLV},
		{PEER REKEY, GV_CTL_BAD_TLV},
		{HEAD("16") GROUP_ID REKEY ATTR, GV_CTL_BAD_TLV},
		{PEER COMMAND_EVICT, GV_CTL_BAD_TLV},
		{HEAD("1e") COMMAND_EVICT GROUP_ID, GV_CTL_BAD_TLV},
		{HEAD("1e") COMMAND_EVICT PART, GV_CTL_BAD_TLV},
		{HEAD("1f") PART TEXT_LEFT, GV_CTL_BAD_TLV},
		{HEAD("0a") GROUP_ID GATEWAY ROLE_GCKS NAME ATTR ROUTE_SECRET,
		 GV_CTL_BAD_TLV},
		{HEAD("0a") GROUP_ID GATEWAY ROLE_GCKS NAME ATTR VRF,
		 GV_CTL_BAD_TLV},
		/* wrong lengths: each TLV one octet short, one long, empty */
		{HEAD("0b") "0001 0003 000064", GV_CTL_BAD_TLV},
		{HEAD("0b") "0001 0005 0000006400", GV_CTL_BAD_TLV},
		{HEAD("0b") "0001 0000", GV_CTL_BAD_TLV},
		{HEAD("15") GROUP_ID "0002 0001 05", GV_CTL_BAD_TLV},
		{HEAD("15") GROUP_ID "0002 0003 000500", GV_CTL_BAD_TLV},
		{HEAD("14") "0003 0002 0011", GV_CTL_BAD_TLV},
		{HEAD("14") "0003 0004 00000011", GV_CTL_BAD_TLV},
		{HEAD("14") "0004 0003 c00002", GV_CTL_BAD_TLV},
		{HEAD("14") "0004 0005 c000020500", GV_CTL_BAD_TLV},
		{HEAD("14") "0004 0000", GV_CTL_BAD_TLV},
		{HEAD("0a") "0005 0000", GV_CTL_BAD_TLV},
		{HEAD("0a") "0005 0002 0101", GV_CTL_BAD_TLV},
		{HEAD("0a") "0006 0000", GV_CTL_BAD_TLV},
		{HEAD("0a") "0007 0000", GV_CTL_BAD_TLV},
		{HEAD("0a") "0007 0010 61616161616161616161616161616161",
		 GV_CTL_BAD_TLV},
		{HEAD("0a") "0008 0010 61616161616161616161616161616161",
		 GV_CTL_BAD_TLV},
		{HEAD("0a") "0006 0020 61616161616161616161616161616161"
			    "61616161616161616161616161616161",
		 GV_CTL_BAD_TLV},
		{HEAD("0a") "0009 0003 000007", GV_CTL_BAD_TLV},
		{HEAD("0a") "000a 0005 0000000700", GV_CTL_BAD_TLV},
		{HEAD("0a") "000b 0000", GV_CTL_BAD_TLV},
		{HEAD("0a") "000c 001f 202122232425262728292a2b2c2d2e2f"
			    "303132333435363738393a3b3c3d3e",
		 GV_CTL_BAD_TLV},
		{HEAD("0a") "000c 0021 202122232425262728292a2b2c2d2e2f"
			    "303132333435363738393a3b3c3d3e3f40",
		 GV_CTL_BAD_TLV},
		{HEAD("0a") "000d 0000", GV_CTL_BAD_TLV},
		{HEAD("0c") "000e 0000", GV_CTL_BAD_TLV},
		{HEAD("0e") "000f 0000", GV_CTL_BAD_TLV},
		{HEAD("0e") "000f 0002 0100", GV_CTL_BAD_TLV},
		{HEAD("01") "0010 0000", GV_CTL_BAD_TLV},
		{HEAD("16") GROUP_ID "0011 0000", GV_CTL_BAD_TLV},
		{HEAD("1e") "0012 0000", GV_CTL_BAD_TLV},
		{HEAD("1f") "0013 0000", GV_CTL_BAD_TLV},
		{HEAD("0a") "0018 0000", GV_CTL_BAD_TLV},
		{HEAD("0a") "0018 0002 0100", GV_CTL_BAD_TLV},
		{HEAD("18") GROUP_ID "0019 0000", GV_CTL_BAD_TLV},
		{HEAD("18") GROUP_ID "0019 0001 04", GV_CTL_BAD_TLV},
		{HEAD("18") GROUP_ID "0019 0004 04 c00002", GV_CTL_BAD_TLV},
		{HEAD("18") GROUP_ID "0019 0006 04 c0000201 04",
		 GV_CTL_BAD_TLV},
		{HEAD("18") GROUP_ID "0019 0006 05 c000020105", GV_CTL_BAD_TLV},
		{HEAD("18") GROUP_ID "0019 0001 00", GV_CTL_BAD_TLV},
		/* values out of range */
		{HEAD("0b") "0001 0004 00000000", GV_CTL_BAD_TLV},
		{HEAD("15") GROUP_ID "0002 0002 0000", GV_CTL_BAD_TLV},
		{HEAD("14") "0003 0003 000000", GV_CTL_BAD_TLV},
		{HEAD("0a") "0005 0001 00", GV_CTL_BAD_TLV},
		{HEAD("0a") "0005 0001 03", GV_CTL_BAD_TLV},
		{HEAD("0a") "0018 0001 02", GV_CTL_BAD_TLV},
		{HEAD("18") GROUP_ID "0019 0019 04 c0000201 04 c0000202"
				     "04 c0000203 04 c0000204 04 c0000205",
		 GV_CTL_BAD_TLV},
		{HEAD("0e") "000f 0001 02", GV_CTL_BAD_TLV},
		{HEAD("0a") "0006 0004 2d6c7565", GV_CTL_BAD_TLV},
		{HEAD("0a") "0006 0004 626c0065", GV_CTL_BAD_TLV},
		{HEAD("0a") "0007 0004 622f7565", GV_CTL_BAD_TLV},
		{HEAD("0a") "0008 0004 6220 7565", GV_CTL_BAD_TLV},
		{HEAD("0c") "000e 0003 61000a", GV_CTL_BAD_TLV},
		{HEAD("01") "0010 0003 61620a", GV_CTL_BAD_TLV},
		{HEAD("1e") "0012 0003 612062", GV_CTL_BAD_TLV},
		{HEAD("01") "0010 0002 7f61", GV_CTL_BAD_TLV},
		/* overruns */
		{PEER "00", GV_CTL_TRUNCATED},
		{PEER "0011", GV_CTL_TRUNCATED},
		{PEER "001100", GV_CTL_TRUNCATED},
		{PEER "0011 0004 aabbcc", GV_CTL_TRUNCATED},
		{PEER "0011 ffff aabbcc", GV_CTL_TRUNCATED},
		{HEAD("0b") "0001 0008 00000064", GV_CTL_TRUNCATED},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t buf[512];
		size_t len = unhex(cases[i].hex, buf, sizeof(buf));
		struct gv_ctl_msg msg;
		enum gv_ctl_error error = decode(buf, len, &msg);

		if (error != cases[i].error)
			fail_msg("%s: want %s, got %s", cases[i].hex,
				 gv_ctl_error_text(cases[i].error),
				 gv_ctl_error_text(error));
	}
}

/* One octet more than each of these may have. */
static void too_long(void **state)
{
	static const struct {
		uint8_t message, tlv;
		size_t len;
	} cases[] = {
		{GV_CTL_HELLO, 16, GV_TEXT_MAX + 1},
		{GV_CTL_REGISTRATION, 14, GV_TEXT_MAX + 1},
		{GV_CTL_GROUP, 13, GV_ATTR_MAX + 1},
		{GV_CTL_GROUP, 6, GV_NAME_MAX + 1},
		{GV_CTL_GROUP, 7, GV_IFNAME_MAX + 1},
		{GV_CTL_GROUP, 8, GV_IFNAME_MAX + 1},
		{GV_CTL_REKEY, 17, GV_REKEY_PART_MAX + 1},
		{GV_CTL_COMMAND, 18, GV_NAME_MAX + 1},
		{GV_CTL_REGISTRATION, 26, GV_NAME_MAX + 1},
		{GV_CTL_ANSWER, 19, GV_CTL_PART_MAX + 1},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t buf[GV_CTL_MAX];
		struct gv_ctl_msg msg;

		unhex(HEAD("00") "0000 0000", buf, sizeof(buf));
		buf[1] = cases[i].message;
		buf[9] = cases[i].tlv;
		buf[10] = cases[i].len >> 8;
		buf[11] = cases[i].len & 0xff;
		memset(buf + 12, 'x', cases[i].len);
		assert_int_equal(decode(buf, 12 + cases[i].len, &msg),
				 GV_CTL_BAD_TLV);
	}
}

static void keeps_what_a_log_needs(void **state)
{
	uint8_t buf[64];
	size_t len = unhex(PEER NAME, buf, sizeof(buf));
	struct gv_ctl_msg msg;

	assert_int_equal(decode(buf, len, &msg), GV_CTL_BAD_TLV);
	assert_int_equal(msg.type, GV_CTL_PEER);
	assert_int_equal(msg.generation, 0x0a0b0c0d);
	assert_int_equal(msg.group_id, EX_GROUP);
	len = unhex(HEAD("63") GROUP_ID, buf, sizeof(buf));
	assert_int_equal(decode(buf, len, &msg), GV_CTL_UNKNOWN_TYPE);
	assert_int_equal(msg.type, 0x63);
	assert_int_equal(msg.generation, 0x0a0b0c0d);
}

/* What a daemon has to say may hold anything; on the wire it is printable. */
static void texts_are_made_printable(void **state)
{
	struct gv_ctl_msg msg = registration(), back;
	uint8_t buf[GV_CTL_MAX];
	size_t len;

	strcpy(msg.identity, "a\nb\x1b[0m\x7f");
	len = gv_ctl_encode(&msg, buf, sizeof(buf));
	assert_int_equal(gv_ctl_decode(buf, len, &back), GV_CTL_OK);
	assert_string_equal(back.identity, "a?b?[0m?");
}

static void texts(void **state)
{
	for (int i = 0; i < GV_CTL_ERRORS; i++)
		assert_string_not_equal(gv_ctl_error_text(i), "unknown error");
	assert_string_equal(gv_ctl_error_text(GV_CTL_ERRORS), "unknown error");
	assert_string_equal(gv_ctl_type_text(GV_CTL_PEER_DOWN), "peer down");
	assert_string_equal(gv_ctl_type_text(GV_CTL_GROUP), "group");
	assert_string_equal(gv_ctl_type_text(0), "unknown");
	assert_string_equal(gv_ctl_type_text(9), "unknown");
	assert_string_equal(gv_ctl_type_text(255), "unknown");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(example_hello_sync),
		cmocka_unit_test(example_group),
		cmocka_unit_test(example_discovery),
		cmocka_unit_test(example_registration),
		cmocka_unit_test(example_peer),
		cmocka_unit_test(example_rekey),
		cmocka_unit_test(example_routes),
		cmocka_unit_test(example_management),
		cmocka_unit_test(range_ends),
		cmocka_unit_test(refuses_to_encode),
		cmocka_unit_test(fits_or_fails),
		cmocka_unit_test(truncation),
		cmocka_unit_test(bit_flips),
		cmocka_unit_test(malformed),
		cmocka_unit_test(too_long),
		cmocka_unit_test(keeps_what_a_log_needs),
		cmocka_unit_test(texts_are_made_printable),
		cmocka_unit_test(texts),
	};

	random_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
