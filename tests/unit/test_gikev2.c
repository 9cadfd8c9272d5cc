// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Bodies of IDg, GSA and KD: the examples of doc/protocol.md (example_*),
 * round trips, truncation, bit flips, and substructures, transforms and
 * attributes that are malformed, missing, doubled or unknown; the same for
 * what only some receivers know: shared SAs, IPv4 in IPv4, the Rekey SA.
 */
#include "unit.h"

#include "crypto.h"
#include "gikev2.h"

/* The pieces of the examples. */
#define SELECTORS                                                              \
	"072f 0010 0000 0000 00000000 ffffffff"                                \
	"072f 0010 0064 0064 00000000 ffffffff"
#define ENCR_GCM "0300 000c 01 00 0014 800e 0100"
#define LAST_SN "0000 0008 05 00 0000"
#define LIFE_600 "0001 0004 00000258"
#define LIFE_3600 "0001 0004 00000e10"
#define EPOCH_6 "4000 0004 00000006"
#define EPOCH_7 "4000 0004 00000007"
#define TRANSFORMS ENCR_GCM LAST_SN
#define POLICY_6 "0304 004c 20000000" SELECTORS TRANSFORMS LIFE_600 EPOCH_6
#define POLICY_7 "0304 004c 21000000" SELECTORS TRANSFORMS LIFE_3600 EPOCH_7
#define DELAYS "8001 000a 8002 0014"
#define SENDER_BITS "8003 0018"
#define MODES "c000 0001 c001 0001 c002 0007"
#define GW "0000 001c" DELAYS SENDER_BITS MODES
#define GW_REKEY "0000 0018" DELAYS MODES
#define WRAPPED_6                                                              \
	"00000000 00000000 f2b6d451a6f212e66cb908f3b8c78541db9377e63ed53a62"   \
	"631190889dc266ab66aee97c31c43c2e"
#define WRAPPED_7                                                              \
	"00000000 00000000 65718a4e84a7bb7775b944a44fdb9bc2170c0b2ea820ba7b"   \
	"13ba303d5b3857e794e0176fe51f2096"
#define WRAPPED_ROUTE                                                          \
	"00000003 00000000 63286d181c234eee23dbed229b23ecc7f30764082b3e32ec"   \
	"25229ab8e1afa4bbbed56d8279bac665"
#define SA_KEY_6 "0001 0030" WRAPPED_6
#define SA_KEY_7 "0001 0030" WRAPPED_7
#define ROUTE_SECRET "4000 0030" WRAPPED_ROUTE
#define BAG_6 "0304 003c 20000000" SA_KEY_6
#define BAG_7 "0304 0070 21000000" SA_KEY_7 ROUTE_SECRET
#define MEMBER_BAG "0000 000f 0003 0003 000011 c000 0005"

#define GSA POLICY_6 POLICY_7 GW
#define KD BAG_6 BAG_7 MEMBER_BAG

static uint8_t kwk[GV_KWK_LEN];

static int setup(void **state)
{
	ramp(kwk, EX_KWK_FIRST);
	return 0;
}

static struct gv_gsa registration(void)
{
	static const struct gv_esp_proposal gcm = {20, 256, 0, false};
	struct gv_gsa gsa;

	memset(&gsa, 0, sizeof(gsa));
	gsa.group_id = EX_GROUP;
	gsa.sa_mode = GV_SA_DERIVED;
	gsa.encap = GV_ENCAP_GRE;
	gsa.atd = 10;
	gsa.dtd = 20;
	gsa.replay_window_log2 = 7;
	gsa.epochs = 2;
	gsa.epoch[0].tag = 0x20;
	gsa.epoch[0].epoch = 6;
	gsa.epoch[0].lifetime = 600;
	gsa.epoch[0].esp = gcm;
	ramp(gsa.epoch[0].gsk, EX_OLD_GSK_FIRST);
	gsa.epoch[1].tag = EX_TAG;
	gsa.epoch[1].epoch = EX_EPOCH;
	gsa.epoch[1].lifetime = 3600;
	gsa.epoch[1].esp = gcm;
	ramp(gsa.epoch[1].gsk, EX_GSK_FIRST);
	gsa.route_epoch = EX_ROUTE_EPOCH;
	ramp(gsa.route_secret, EX_ROUTE_SECRET_FIRST);
	gsa.member_id = EX_MEMBER;
	gsa.sender_id = EX_SENDER;
	return gsa;
}

/* One epoch, AES-128-CBC with HMAC-SHA2-256-128 and ESN, no lifetime. */
static struct gv_gsa rekey(void)
{
	struct gv_gsa gsa = registration();

	gsa.epoch[0] = gsa.epoch[1];
	gsa.epoch[0].lifetime = 0;
	gsa.epoch[0].esp = (struct gv_esp_proposal){12, 128, 12, true};
	memset(&gsa.epoch[1], 0, sizeof(gsa.epoch[1]));
	gsa.epochs = 1;
	gsa.member_id = 0;
	gsa.sender_id = 0;
	return gsa;
}

static void assert_gsa(const struct gv_gsa *a, const struct gv_gsa *b)
{
	assert_int_equal(a->group_id, b->group_id);
	assert_int_equal(a->sa_mode, b->sa_mode);
	assert_int_equal(a->encap, b->encap);
	assert_int_equal(a->atd, b->atd);
	assert_int_equal(a->dtd, b->dtd);
	assert_int_equal(a->replay_window_log2, b->replay_window_log2);
	assert_int_equal(a->route_epoch, b->route_epoch);
	assert_memory_equal(a->route_secret, b->route_secret, GV_SECRET_LEN);
	assert_int_equal(a->member_id, b->member_id);
	assert_int_equal(a->sender_id, b->sender_id);
	assert_int_equal(a->direction, b->direction);
	assert_int_equal(a->channel_id, b->channel_id);
	assert_int_equal(a->epochs, b->epochs);
	for (unsigned int i = 0; i < a->epochs; i++) {
		const struct gv_epoch_sa *x = &a->epoch[i], *y = &b->epoch[i];

		assert_int_equal(x->tag, y->tag);
		assert_int_equal(x->epoch, y->epoch);
		assert_int_equal(x->lifetime, y->lifetime);
		assert_int_equal(x->esp.encr, y->esp.encr);
		assert_int_equal(x->esp.key_bits, y->esp.key_bits);
		assert_int_equal(x->esp.integ, y->esp.integ);
		assert_int_equal(x->esp.esn, y->esp.esn);
		assert_memory_equal(x->gsk, y->gsk, GV_SECRET_LEN);
	}
}

struct bodies {
	uint8_t gsa[GV_GSA_BODY_MAX], kd[GV_KD_BODY_MAX];
	size_t gsa_len, kd_len;
};

static bool encode(const struct gv_gsa *gsa, struct bodies *bodies)
{
	bodies->gsa_len = sizeof(bodies->gsa);
	bodies->kd_len = sizeof(bodies->kd);
	return gv_gsa_encode(gsa, kwk, bodies->gsa, &bodies->gsa_len,
			     bodies->kd, &bodies->kd_len);
}

/* Decodes copies that end exactly where the bodies do; what is left behind
 * after an error must be nothing. */
static enum gv_gikev2_error decode(const struct bodies *bodies, size_t gsa_len,
				   size_t kd_len, struct gv_gsa *out)
{
	uint8_t *gsa_copy = exact(bodies->gsa, gsa_len);
	uint8_t *kd_copy = exact(bodies->kd, kd_len);
	enum gv_gikev2_error error;

	memset(out, 0xa5, sizeof(*out));
	error = gv_gsa_decode(gsa_copy, gsa_len, kd_copy, kd_len, kwk, out);
	if (error != GV_GIKEV2_OK)
		assert_true(all_zero(out, sizeof(*out)));
	free(gsa_copy);
	free(kd_copy);
	return error;
}

static void round_trip(const struct gv_gsa *gsa)
{
	struct bodies bodies;
	struct gv_gsa back;

	assert_true(encode(gsa, &bodies));
	assert_int_equal(decode(&bodies, bodies.gsa_len, bodies.kd_len, &back),
			 GV_GIKEV2_OK);
	assert_gsa(gsa, &back);
}

static void example_idg(void **state)
{
	uint8_t body[8];
	uint32_t group_id;

	assert_int_equal(gv_idg_encode(EX_GROUP, body, sizeof(body)), 8);
	assert_hex(body, 8, "0b000000 00000064");
	assert_int_equal(gv_idg_decode(body, 8, &group_id), GV_GIKEV2_OK);
	assert_int_equal(group_id, EX_GROUP);
}

static void idg_refusals(void **state)
{
	static const struct {
		const char *hex;
		enum gv_gikev2_error error;
	} cases[] = {
		{"", GV_GIKEV2_TRUNCATED},
		{"0b", GV_GIKEV2_TRUNCATED},
		{"0b0000", GV_GIKEV2_TRUNCATED},
		{"0b000000", GV_GIKEV2_TRUNCATED},
		{"0b000000 000064", GV_GIKEV2_TRUNCATED},
		{"0b000000 0000006400", GV_GIKEV2_BAD_VALUE},
		{"0b000000 00000000", GV_GIKEV2_BAD_VALUE},
		{"01000000 00000064", GV_GIKEV2_UNSUPPORTED},
		{"0b123456 00000064", GV_GIKEV2_OK}, /* RESERVED */
		{"0b000000 ffffffff", GV_GIKEV2_OK},
	};
	uint8_t body[16];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t len = unhex(cases[i].hex, body, sizeof(body));
		uint8_t *copy = exact(body, len);
		uint32_t group_id = 77;

		assert_int_equal(gv_idg_decode(copy, len, &group_id),
				 cases[i].error);
		if (cases[i].error != GV_GIKEV2_OK)
			assert_int_equal(group_id, 77);
		free(copy);
	}
	assert_int_equal(gv_idg_encode(0, body, sizeof(body)), 0);
	for (size_t size = 0; size < 8; size++)
		assert_int_equal(gv_idg_encode(1, body, size), 0);
}

static void example_registration(void **state)
{
	struct gv_gsa gsa = registration();
	struct bodies bodies;

	assert_true(encode(&gsa, &bodies));
	assert_hex(bodies.gsa, bodies.gsa_len, GSA);
	assert_hex(bodies.kd, bodies.kd_len, KD);
	round_trip(&gsa);
}

static void example_rekey(void **state)
{
	struct gv_gsa gsa = rekey();
	struct bodies bodies;

	assert_true(encode(&gsa, &bodies));
	assert_hex(bodies.gsa, bodies.gsa_len,
		   "0304 004c 21000000" SELECTORS
		   "0300 000c 01 00 000c 800e 0080"
		   "0300 0008 03 00 000c"
		   "0000 0008 05 00 0001" EPOCH_7 GW_REKEY);
	assert_hex(bodies.kd, bodies.kd_len, BAG_7);
	round_trip(&gsa);
}

static void range_ends(void **state)
{
	struct gv_gsa gsa = registration();

	gsa.group_id = UINT32_MAX;
	gsa.atd = gsa.dtd = 0;
	gsa.replay_window_log2 = GV_REPLAY_LOG2_MIN;
	gsa.epochs = GV_EPOCHS_MAX;
	for (unsigned int i = 0; i < GV_EPOCHS_MAX; i++) {
		gsa.epoch[i] = gsa.epoch[0];
		gsa.epoch[i].tag = GV_TAG_MAX - i;
		gsa.epoch[i].epoch = UINT32_MAX - GV_EPOCHS_MAX + 1 + i;
		gsa.epoch[i].lifetime = UINT32_MAX;
		gsa.epoch[i].esp = (struct gv_esp_proposal){12, 256, 14, true};
	}
	gsa.route_epoch = UINT32_MAX;
	gsa.member_id = UINT16_MAX;
	gsa.sender_id = GV_SENDER_ID_MAX;
	gsa.direction = GV_RECEIVE_ONLY;
	gsa.channel_id = GV_SENDER_ID_MAX - 1;
	round_trip(&gsa);

	gsa = registration();
	gsa.group_id = 1;
	gsa.atd = gsa.dtd = UINT16_MAX;
	gsa.replay_window_log2 = GV_REPLAY_LOG2_MAX;
	gsa.epochs = 1;
	gsa.epoch[0].tag = GV_TAG_MIN;
	gsa.epoch[0].epoch = gsa.route_epoch = 1;
	gsa.epoch[0].lifetime = 1;
	gsa.epoch[0].esp = (struct gv_esp_proposal){28, 0, 0, false};
	gsa.member_id = 1;
	gsa.sender_id = 1;
	gsa.direction = GV_SEND_ONLY;
	gsa.channel_id = 2;
	round_trip(&gsa);
}

static void esp_key_lengths(void **state)
{
	static const struct {
		struct gv_esp_proposal esp;
		size_t len;
	} cases[] = {
		{{20, 128, 0, false}, 20},
		{{20, 192, 0, false}, 28},
		{{20, 256, 0, false}, 36},
		{{20, 256, 0, true}, 36},
		{{28, 0, 0, false}, 36},
		{{12, 128, 12, false}, 48},
		{{12, 192, 13, false}, 72},
		{{12, 256, 14, false}, GV_ESP_KEY_MAX},
		{{20, 256, 12, false}, 0}, /* AEAD and INTEG */
		{{12, 256, 0, false}, 0},  /* encryption alone */
		{{12, 256, 2, false}, 0},  /* HMAC-SHA1-96 */
		{{20, 0, 0, false}, 0},
		{{20, 255, 0, false}, 0},
		{{28, 256, 0, false}, 0},
		{{11, 0, 12, false}, 0},
		{{0, 0, 0, false}, 0},
		{{65535, 65535, 65535, true}, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(gv_esp_key_len(&cases[i].esp), cases[i].len);
}

static void refuses_to_encode(void **state)
{
	struct gv_gsa bad[32];
	struct bodies bodies;
	size_t n = 0;

	bad[n] = registration(), bad[n++].group_id = 0;
	bad[n] = registration(), bad[n++].sa_mode = 0;
	bad[n] = registration(), bad[n++].sa_mode = GV_SA_SHARED; /* GCM */
	bad[n] = registration(), bad[n++].sa_mode = 3;
	bad[n] = registration(), bad[n++].encap = 0;
	bad[n] = registration(), bad[n++].encap = 4;
	bad[n] = registration(), bad[n++].replay_window_log2 = 4;
	bad[n] = registration(), bad[n++].replay_window_log2 = 13;
	bad[n] = registration(), bad[n++].epochs = 0;
	bad[n] = registration(), bad[n++].epochs = GV_EPOCHS_MAX + 1;
	bad[n] = registration(), bad[n++].epochs = 3; /* the third is empty */
	bad[n] = registration(), bad[n++].epoch[1].tag = 0x20;
	bad[n] = registration(), bad[n++].epoch[0].tag = GV_TAG_MIN - 1;
	bad[n] = registration(), bad[n++].epoch[0].tag = GV_TAG_MAX + 1;
	bad[n] = registration(), bad[n++].epoch[0].epoch = 0;
	bad[n] = registration(), bad[n++].epoch[0].epoch = 7;
	bad[n] = registration(), bad[n++].epoch[0].epoch = 8;
	bad[n] = registration(), bad[n++].epoch[1].esp.encr = 12;
	bad[n] = registration(), bad[n++].route_epoch = 0;
	bad[n] = registration(), bad[n++].member_id = 0;
	bad[n] = registration(), bad[n++].sender_id = 0;
	bad[n] = registration(), bad[n++].sender_id = GV_SENDER_ID_MAX + 1;
	bad[n] = registration(), bad[n++].direction = GV_RECEIVE_ONLY + 1;
	bad[n] = rekey(), bad[n++].direction = GV_SEND_ONLY;
	bad[n] = rekey(), bad[n++].channel_id = GV_SENDER_ID_MAX + 1;
	bad[n] = registration(), bad[n++].channel_id = EX_SENDER;
	for (size_t i = 0; i < n; i++) {
		assert_false(encode(&bad[i], &bodies));
		assert_int_equal(bodies.gsa_len, 0);
		assert_int_equal(bodies.kd_len, 0);
	}
}

static void fits_or_fails(void **state)
{
	struct gv_gsa gsa = registration();
	struct bodies full, small;

	assert_true(encode(&gsa, &full));
	for (size_t size = 0; size < full.gsa_len; size++) {
		uint8_t *body = exact(full.gsa, size);

		small.gsa_len = size;
		small.kd_len = sizeof(small.kd);
		assert_false(gv_gsa_encode(&gsa, kwk, body, &small.gsa_len,
					   small.kd, &small.kd_len));
		free(body);
	}
	for (size_t size = 0; size < full.kd_len; size++) {
		uint8_t *body = exact(full.kd, size);

		small.gsa_len = sizeof(small.gsa);
		small.kd_len = size;
		assert_false(gv_gsa_encode(&gsa, kwk, small.gsa, &small.gsa_len,
					   body, &small.kd_len));
		free(body);
	}
}

static void truncation(void **state)
{
	struct gv_gsa gsa = registration(), back;
	struct bodies bodies;

	assert_true(encode(&gsa, &bodies));
	for (size_t cut = 0; cut < bodies.gsa_len; cut++)
		assert_int_not_equal(decode(&bodies, cut, bodies.kd_len, &back),
				     GV_GIKEV2_OK);
	for (size_t cut = 0; cut < bodies.kd_len; cut++)
		assert_int_not_equal(
			decode(&bodies, bodies.gsa_len, cut, &back),
			GV_GIKEV2_OK);
}

/* Octets that RFC 7296 and RFC 9838 call RESERVED: ignored on receipt. */
static bool reserved(bool kd, size_t at)
{
	static const size_t in_gsa[] = {
		41,  45,  53,  57,  /* transforms of epoch 6 */
		117, 121, 129, 133, /* and of epoch 7 */
		153,		    /* GW policy */
	};

	if (kd)
		return at == 60 + 112 + 1; /* member key bag */
	for (size_t i = 0; i < ARRAY_LEN(in_gsa); i++)
		if (at == in_gsa[i])
			return true;
	return false;
}

/* Each bit counts: with it flipped the bodies are refused, or say something
 * else. */
static void bit_flips(void **state)
{
	struct gv_gsa gsa = registration(), same, back;
	struct bodies bodies;

	assert_true(encode(&gsa, &bodies));
	assert_int_equal(decode(&bodies, bodies.gsa_len, bodies.kd_len, &same),
			 GV_GIKEV2_OK);
	for (size_t bit = 0; bit < 8 * (bodies.gsa_len + bodies.kd_len);
	     bit++) {
		bool kd = bit / 8 >= bodies.gsa_len;
		size_t at = bit / 8 - (kd ? bodies.gsa_len : 0);
		uint8_t *octet = (kd ? bodies.kd : bodies.gsa) + at;
		enum gv_gikev2_error error;

		*octet ^= 0x80 >> bit % 8;
		error = decode(&bodies, bodies.gsa_len, bodies.kd_len, &back);
		*octet ^= 0x80 >> bit % 8;
		if (reserved(kd, at))
			assert_int_equal(error, GV_GIKEV2_OK);
		else if (error == GV_GIKEV2_OK &&
			 !memcmp(&same, &back, sizeof(same)))
			fail_msg("bit %zu of octet %zu in %s does not count",
				 bit % 8, at, kd ? "KD" : "GSA");
	}
}

static void another_key_wrap_key(void **state)
{
	struct gv_gsa gsa = registration(), back;
	struct bodies bodies;
	uint8_t other[GV_KWK_LEN];

	assert_true(encode(&gsa, &bodies));
	ramp(other, EX_KWK_FIRST + 1);
	assert_int_equal(gv_gsa_decode(bodies.gsa, bodies.gsa_len, bodies.kd,
				       bodies.kd_len, other, &back),
			 GV_GIKEV2_UNWRAP);
	assert_true(all_zero(&back, sizeof(back)));
}

static enum gv_gikev2_error decode_hex(const char *gsa, const char *kd)
{
	struct bodies bodies;
	struct gv_gsa back;

	bodies.gsa_len = unhex(gsa, bodies.gsa, sizeof(bodies.gsa));
	bodies.kd_len = unhex(kd, bodies.kd, sizeof(bodies.kd));
	return decode(&bodies, bodies.gsa_len, bodies.kd_len, &back);
}

struct bad {
	const char *hex;
	enum gv_gikev2_error error;
};

static void check_all(const struct bad *cases, size_t n, bool kd)
{
	for (size_t i = 0; i < n; i++) {
		const char *hex = cases[i].hex;
		enum gv_gikev2_error error =
			kd ? decode_hex(GSA, hex) : decode_hex(hex, KD);

		if (error != cases[i].error)
			fail_msg("%s: want %s, got %s", hex,
				 gv_gikev2_error_text(cases[i].error),
				 gv_gikev2_error_text(error));
	}
}

static void malformed_gsa(void **state)
{
	static const struct bad cases[] = {
		{GSA, GV_GIKEV2_OK},
		{GW POLICY_6 POLICY_7, GV_GIKEV2_OK}, /* no order among kinds */
		{"", GV_GIKEV2_MISSING},
		{GW, GV_GIKEV2_MISSING},
		{POLICY_6 POLICY_7, GV_GIKEV2_MISSING},
		{POLICY_6 POLICY_7 GW GW, GV_GIKEV2_DUPLICATE},
		{POLICY_6 POLICY_6 GW, GV_GIKEV2_DUPLICATE},
		{POLICY_7 POLICY_6 GW, GV_GIKEV2_BAD_VALUE}, /* newest first */
		{POLICY_6 POLICY_7 POLICY_6 POLICY_7 POLICY_6 GW,
		 GV_GIKEV2_BAD_VALUE},
		/* protocols: AH, GIKE_UPDATE, a number nobody has */
		{GSA "0204 0008 22000000", GV_GIKEV2_UNSUPPORTED},
		{GSA "0610 0014 0000000000000000 0000000000000000",
		 GV_GIKEV2_UNSUPPORTED},
		{GSA "ff00 0004", GV_GIKEV2_UNSUPPORTED},
		/* lengths of substructures */
		{GSA "00", GV_GIKEV2_TRUNCATED},
		{GSA "0000 0000", GV_GIKEV2_BAD_VALUE},
		{GSA "0000 0003", GV_GIKEV2_BAD_VALUE},
		{GSA "0000 0005", GV_GIKEV2_TRUNCATED},
		{GSA "0000 ffff", GV_GIKEV2_TRUNCATED},
		{GSA "0304 0004", GV_GIKEV2_TRUNCATED},
		{GSA "0304 0008 22000000", GV_GIKEV2_TRUNCATED},
		/* SPI */
		{"0308 0050 2100000000000000" SELECTORS TRANSFORMS LIFE_3600
			 EPOCH_7 GW,
		 GV_GIKEV2_BAD_VALUE},
		{"0300 0048" SELECTORS TRANSFORMS LIFE_3600 EPOCH_7 GW,
		 GV_GIKEV2_BAD_VALUE},
		{"0304 004c 21000001" SELECTORS TRANSFORMS LIFE_3600 EPOCH_7 GW,
		 GV_GIKEV2_BAD_VALUE},
		{"0304 004c 0f000000" SELECTORS TRANSFORMS LIFE_3600 EPOCH_7 GW,
		 GV_GIKEV2_BAD_VALUE},
		{"0304 004c c0000000" SELECTORS TRANSFORMS LIFE_3600 EPOCH_7 GW,
		 GV_GIKEV2_BAD_VALUE},
	};

	check_all(cases, ARRAY_LEN(cases), false);
}

/* A GSA of one policy whose selectors, or what follows them, are as given. */
#define WITH_TS(len, ts)                                                       \
	POLICY_6 "0304" len "21000000" ts TRANSFORMS LIFE_3600 EPOCH_7 GW
#define WITH(len, rest) POLICY_6 "0304" len "21000000" SELECTORS rest GW

static void malformed_selectors(void **state)
{
	static const struct bad cases[] = {
		{WITH_TS("004c", SELECTORS), GV_GIKEV2_OK},
		/* IPv6, UDP, a wrong length, a range of keys, of addresses */
		{WITH_TS("004c", "082f 0010 0000 0000 00000000 ffffffff"
				 "072f 0010 0064 0064 00000000 ffffffff"),
		 GV_GIKEV2_UNSUPPORTED},
		{WITH_TS("004c", "0711 0010 0000 0000 00000000 ffffffff"
				 "072f 0010 0064 0064 00000000 ffffffff"),
		 GV_GIKEV2_UNSUPPORTED},
		{WITH_TS("004c", "072f 0011 0000 0000 00000000 ffffffff"
				 "072f 0010 0064 0064 00000000 ffffffff"),
		 GV_GIKEV2_UNSUPPORTED},
		{WITH_TS("004c", "072f 0010 0000 ffff 00000000 ffffffff"
				 "072f 0010 0064 0064 00000000 ffffffff"),
		 GV_GIKEV2_UNSUPPORTED},
		{WITH_TS("004c", "072f 0010 0000 0000 00000000 ffffffff"
				 "072f 0010 0064 0065 00000000 ffffffff"),
		 GV_GIKEV2_UNSUPPORTED},
		{WITH_TS("004c", "072f 0010 0000 0000 c0000200 c00002ff"
				 "072f 0010 0064 0064 00000000 ffffffff"),
		 GV_GIKEV2_UNSUPPORTED},
		/* group-ID 0 in the first policy, in the second, and another
		 * than the first policy's */
		{"0304 004c 20000000"
		 "072f 0010 0000 0000 00000000 ffffffff"
		 "072f 0010 0000 0000 00000000 ffffffff" TRANSFORMS LIFE_600
			 EPOCH_6 POLICY_7 GW,
		 GV_GIKEV2_BAD_VALUE},
		{WITH_TS("004c", "072f 0010 0000 0000 00000000 ffffffff"
				 "072f 0010 0000 0000 00000000 ffffffff"),
		 GV_GIKEV2_BAD_VALUE},
		{WITH_TS("004c", "072f 0010 0001 0001 00000000 ffffffff"
				 "072f 0010 0064 0064 00000000 ffffffff"),
		 GV_GIKEV2_BAD_VALUE},
	};

	check_all(cases, ARRAY_LEN(cases), false);
}

static void malformed_transforms(void **state)
{
	static const struct bad cases[] = {
		{WITH("004c", TRANSFORMS LIFE_3600 EPOCH_7), GV_GIKEV2_OK},
		/* INTEG NONE says what its absence says */
		{WITH("0054", ENCR_GCM
		      "0300 0008 03 00 0000" LAST_SN LIFE_3600 EPOCH_7),
		 GV_GIKEV2_OK},
		{WITH("0030", EPOCH_7), GV_GIKEV2_BAD_VALUE},
		{WITH("0028", ""), GV_GIKEV2_TRUNCATED},
		/* SN or ENCR absent */
		{WITH("003c", "0000 000c 01 00 0014 800e 0100" EPOCH_7),
		 GV_GIKEV2_MISSING},
		{WITH("0038", LAST_SN EPOCH_7), GV_GIKEV2_MISSING},
		/* doubled */
		{WITH("0058", ENCR_GCM ENCR_GCM LAST_SN LIFE_3600 EPOCH_7),
		 GV_GIKEV2_DUPLICATE},
		{WITH("0054", ENCR_GCM
		      "0300 0008 05 00 0000" LAST_SN LIFE_3600 EPOCH_7),
		 GV_GIKEV2_DUPLICATE},
		/* a chain that does not end, or goes on oddly */
		{WITH("003c", ENCR_GCM "0300 0008 05 00 0000"),
		 GV_GIKEV2_TRUNCATED},
		{WITH("004c", "0200 000c 01 00 0014 800e 0100" LAST_SN LIFE_3600
				      EPOCH_7),
		 GV_GIKEV2_BAD_VALUE},
		/* lengths */
		{WITH("004c", "0300 0007 01 00 0014 800e 0100" LAST_SN LIFE_3600
				      EPOCH_7),
		 GV_GIKEV2_BAD_VALUE},
		{WITH("004c", "0300 0000 01 00 0014 800e 0100" LAST_SN LIFE_3600
				      EPOCH_7),
		 GV_GIKEV2_BAD_VALUE},
		{WITH("004c", "0300 ffff 01 00 0014 800e 0100" LAST_SN LIFE_3600
				      EPOCH_7),
		 GV_GIKEV2_TRUNCATED},
		/* the key length: cut, not one, none, doubled, unknown */
		{WITH("004a",
		      "0300 000a 01 00 0014 800e" LAST_SN LIFE_3600 EPOCH_7),
		 GV_GIKEV2_TRUNCATED},
		{WITH("004c", "0300 000c 01 00 0014 000e 0100" LAST_SN LIFE_3600
				      EPOCH_7),
		 GV_GIKEV2_UNSUPPORTED},
		{WITH("0048", "0300 0008 01 00 0014" LAST_SN LIFE_3600 EPOCH_7),
		 GV_GIKEV2_UNSUPPORTED},
		{WITH("004c", "0300 000c 01 00 001c 800e 0000" LAST_SN LIFE_3600
				      EPOCH_7),
		 GV_GIKEV2_BAD_VALUE},
		{WITH("0050", "0300 0010 01 00 0014 800e 0100 800e 0100" LAST_SN
				      LIFE_3600 EPOCH_7),
		 GV_GIKEV2_UNSUPPORTED},
		{WITH("0050", ENCR_GCM
		      "0000 000c 05 00 0000 800e 0100" LIFE_3600 EPOCH_7),
		 GV_GIKEV2_UNSUPPORTED},
		/* algorithms, numbers and types not known here */
		{WITH("004c", "0300 000c 01 00 0015 800e 0100" LAST_SN LIFE_3600
				      EPOCH_7),
		 GV_GIKEV2_UNSUPPORTED},
		{WITH("004c",
		      ENCR_GCM "0000 0008 05 00 0002" LIFE_3600 EPOCH_7),
		 GV_GIKEV2_UNSUPPORTED},
		{WITH("0054", ENCR_GCM
		      "0300 0008 04 00 0000" LAST_SN LIFE_3600 EPOCH_7),
		 GV_GIKEV2_UNSUPPORTED},
		{WITH("0054", ENCR_GCM
		      "0300 0008 ff 00 0000" LAST_SN LIFE_3600 EPOCH_7),
		 GV_GIKEV2_UNSUPPORTED},
		{WITH("0054", ENCR_GCM
		      "0300 0008 03 00 000c" LAST_SN LIFE_3600 EPOCH_7),
		 GV_GIKEV2_UNSUPPORTED},
	};

	check_all(cases, ARRAY_LEN(cases), false);
}

static void malformed_gsa_attributes(void **state)
{
	static const struct bad cases[] = {
		{WITH("0044", TRANSFORMS EPOCH_7), GV_GIKEV2_OK},
		/* unknown ones, of both formats, and INITIAL_MESSAGE_ID */
		{WITH("005f",
		      TRANSFORMS "8abc 1234" LIFE_3600 "4123 0003 aabbcc"
				 "0002 0004 00000001" EPOCH_7),
		 GV_GIKEV2_OK},
		{WITH("0050", TRANSFORMS EPOCH_7 LIFE_3600 "4abc 0000"),
		 GV_GIKEV2_OK},
		{WITH("0044", TRANSFORMS LIFE_3600), GV_GIKEV2_MISSING},
		{WITH("0054", TRANSFORMS LIFE_3600 EPOCH_7 LIFE_3600),
		 GV_GIKEV2_DUPLICATE},
		{WITH("0054", TRANSFORMS LIFE_3600 EPOCH_7 EPOCH_7),
		 GV_GIKEV2_DUPLICATE},
		/* no lifetime, wrong lengths and formats, epoch 0 */
		{WITH("004c", TRANSFORMS "0001 0004 00000000" EPOCH_7),
		 GV_GIKEV2_BAD_VALUE},
		{WITH("004b", TRANSFORMS "0001 0003 000e10" EPOCH_7),
		 GV_GIKEV2_BAD_VALUE},
		{WITH("0048", TRANSFORMS "8001 0e10" EPOCH_7),
		 GV_GIKEV2_BAD_VALUE},
		{WITH("0048", TRANSFORMS LIFE_3600 "c000 0007"),
		 GV_GIKEV2_BAD_VALUE},
		{WITH("004d", TRANSFORMS LIFE_3600 "4000 0005 0000000700"),
		 GV_GIKEV2_BAD_VALUE},
		{WITH("004c", TRANSFORMS LIFE_3600 "4000 0004 00000000"),
		 GV_GIKEV2_BAD_VALUE},
		/* overruns */
		{WITH("004c", TRANSFORMS LIFE_3600 "4000 0005 00000007"),
		 GV_GIKEV2_TRUNCATED},
		{WITH("0046", TRANSFORMS EPOCH_7 "8abc"), GV_GIKEV2_TRUNCATED},
		{WITH("0045", TRANSFORMS EPOCH_7 "80"), GV_GIKEV2_TRUNCATED},
		{WITH("0048", TRANSFORMS EPOCH_7 "4abc ffff"),
		 GV_GIKEV2_TRUNCATED},
	};

	check_all(cases, ARRAY_LEN(cases), false);
}

#define WITH_GW(len, attributes) POLICY_6 POLICY_7 "0000" len attributes

static void malformed_gw_policy(void **state)
{
	static const struct bad cases[] = {
		{WITH_GW("001c", MODES SENDER_BITS DELAYS), GV_GIKEV2_OK},
		{WITH_GW("0014", SENDER_BITS MODES), GV_GIKEV2_OK},
		{WITH_GW("0020", DELAYS "9234 0001" SENDER_BITS MODES),
		 GV_GIKEV2_OK},
		{WITH_GW("0022", DELAYS SENDER_BITS "5234 0002 abcd" MODES),
		 GV_GIKEV2_OK},
		{WITH_GW("0004", ""), GV_GIKEV2_MISSING},
		/* one of ours absent */
		{WITH_GW("0010", SENDER_BITS "c001 0001 c002 0007"),
		 GV_GIKEV2_MISSING},
		{WITH_GW("0010", SENDER_BITS "c000 0001 c002 0007"),
		 GV_GIKEV2_MISSING},
		{WITH_GW("0010", SENDER_BITS "c000 0001 c001 0001"),
		 GV_GIKEV2_MISSING},
		/* doubled */
		{WITH_GW("0020", "8001 000a" DELAYS SENDER_BITS MODES),
		 GV_GIKEV2_DUPLICATE},
		{WITH_GW("0020", DELAYS "8002 000a" SENDER_BITS MODES),
		 GV_GIKEV2_DUPLICATE},
		{WITH_GW("0018", SENDER_BITS SENDER_BITS MODES),
		 GV_GIKEV2_DUPLICATE},
		{WITH_GW("0018", SENDER_BITS MODES "c002 0007"),
		 GV_GIKEV2_DUPLICATE},
		/* format, values */
		{WITH_GW("0018", "0001 0000" SENDER_BITS MODES),
		 GV_GIKEV2_BAD_VALUE},
		{WITH_GW("0006", "8001"), GV_GIKEV2_TRUNCATED},
		{WITH_GW("001a", "0001 0002 000a" SENDER_BITS MODES),
		 GV_GIKEV2_BAD_VALUE},
		{WITH_GW("0014", SENDER_BITS "c000 0002 c001 0001 c002 0007"),
		 GV_GIKEV2_UNSUPPORTED},
		{WITH_GW("0014", SENDER_BITS "c000 0101 c001 0001 c002 0007"),
		 GV_GIKEV2_UNSUPPORTED},
		{WITH_GW("0014", SENDER_BITS "c000 0001 c001 0002 c002 0007"),
		 GV_GIKEV2_UNSUPPORTED},
		{WITH_GW("0014", SENDER_BITS "c000 0001 c001 0001 c002 0004"),
		 GV_GIKEV2_BAD_VALUE},
		{WITH_GW("0014", SENDER_BITS "c000 0001 c001 0001 c002 000d"),
		 GV_GIKEV2_BAD_VALUE},
		{WITH_GW("0014", SENDER_BITS "c000 0001 c001 0001 c002 0107"),
		 GV_GIKEV2_BAD_VALUE},
		/* the Sender-ID of a registration needs its width: ours is 24
		 */
		{WITH_GW("0018", DELAYS MODES), GV_GIKEV2_MISSING},
		{WITH_GW("0014", "8003 0010" MODES), GV_GIKEV2_UNSUPPORTED},
		{WITH_GW("0014", "8003 0000" MODES), GV_GIKEV2_MISSING},
	};

	check_all(cases, ARRAY_LEN(cases), false);
	/* and has no place without one */
	assert_int_equal(decode_hex(POLICY_7 GW_REKEY, BAG_7), GV_GIKEV2_OK);
	assert_int_equal(decode_hex(POLICY_7 GW, BAG_7), GV_GIKEV2_BAD_VALUE);
}

static void malformed_kd(void **state)
{
	static const struct bad cases[] = {
		{KD, GV_GIKEV2_OK},
		{MEMBER_BAG BAG_7 BAG_6, GV_GIKEV2_OK},
		{"", GV_GIKEV2_MISSING},
		{MEMBER_BAG, GV_GIKEV2_MISSING},
		{BAG_6 MEMBER_BAG, GV_GIKEV2_MISSING},
		{BAG_7 MEMBER_BAG, GV_GIKEV2_MISSING},
		{BAG_6 BAG_6 BAG_7 MEMBER_BAG, GV_GIKEV2_DUPLICATE},
		{BAG_6 BAG_7 BAG_7 MEMBER_BAG, GV_GIKEV2_DUPLICATE},
		{BAG_6 BAG_7 MEMBER_BAG MEMBER_BAG, GV_GIKEV2_DUPLICATE},
		/* without a route secret, and with two */
		{BAG_6 "0304 003c 21000000" SA_KEY_7 MEMBER_BAG,
		 GV_GIKEV2_MISSING},
		{"0304 0070 20000000" SA_KEY_6 ROUTE_SECRET BAG_7 MEMBER_BAG,
		 GV_GIKEV2_DUPLICATE},
		{BAG_6 "0304 00a4 21000000" SA_KEY_7 ROUTE_SECRET ROUTE_SECRET
			 MEMBER_BAG,
		 GV_GIKEV2_DUPLICATE},
		/* bags of unknown SAs and protocols */
		{"0304 003c 22000000" SA_KEY_6 BAG_7 MEMBER_BAG,
		 GV_GIKEV2_BAD_VALUE},
		{KD "0304 003c 22000000" SA_KEY_6, GV_GIKEV2_BAD_VALUE},
		{KD "0204 003c 21000000" SA_KEY_6, GV_GIKEV2_UNSUPPORTED},
		{KD "0610 0014 0000000000000000 0000000000000000",
		 GV_GIKEV2_UNSUPPORTED},
		{"0300 0038" SA_KEY_6 BAG_7 MEMBER_BAG, GV_GIKEV2_BAD_VALUE},
		{"0304 003c 20000001" SA_KEY_6 BAG_7 MEMBER_BAG,
		 GV_GIKEV2_BAD_VALUE},
		/* lengths */
		{KD "00", GV_GIKEV2_TRUNCATED},
		{KD "0304 0003", GV_GIKEV2_BAD_VALUE},
		{KD "0304 0006 2000", GV_GIKEV2_TRUNCATED},
		{KD "0304 ffff 20000000", GV_GIKEV2_TRUNCATED},
		/* SA_KEY: absent, doubled, format, length, IDs */
		{"0304 0008 20000000" BAG_7 MEMBER_BAG, GV_GIKEV2_MISSING},
		{"0304 0070 20000000" SA_KEY_6 SA_KEY_6 BAG_7 MEMBER_BAG,
		 GV_GIKEV2_DUPLICATE},
		{"0304 000c 20000000 8001 0000" BAG_7 MEMBER_BAG,
		 GV_GIKEV2_BAD_VALUE},
		{"0304 0014 20000000 0001 0008 00000000 00000000" BAG_7
			 MEMBER_BAG,
		 GV_GIKEV2_BAD_VALUE},
		{"0304 003c 20000000 0001 0031" WRAPPED_6 BAG_7 MEMBER_BAG,
		 GV_GIKEV2_TRUNCATED},
		{"0304 003c 20000000 0001 0030" WRAPPED_ROUTE BAG_7 MEMBER_BAG,
		 GV_GIKEV2_BAD_VALUE}, /* Key ID */
		{"0304 003c 20000000 0001 0030 00000000 00000001"
		 "f2b6d451a6f212e66cb908f3b8c78541db9377e63ed53a62"
		 "631190889dc266ab66aee97c31c43c2e" BAG_7 MEMBER_BAG,
		 GV_GIKEV2_UNSUPPORTED}, /* KWK ID */
		{"0304 003c 20000000 0001 0030 00000000 00000000"
		 "000000000000000000000000000000000000000000000000"
		 "00000000000000000000000000000000" BAG_7 MEMBER_BAG,
		 GV_GIKEV2_UNWRAP},
		/* a route secret of epoch 0, that is with an SA key's ID */
		{BAG_6 "0304 0070 21000000" SA_KEY_7
		       "4000 0030" WRAPPED_7 MEMBER_BAG,
		 GV_GIKEV2_BAD_VALUE},
		/* unknown attributes */
		{"0304 0044 20000000 8abc 0001" SA_KEY_6
		 "4abc 0000" BAG_7 MEMBER_BAG,
		 GV_GIKEV2_OK},
		/* the member key bag */
		{BAG_6 BAG_7 "0000 0004", GV_GIKEV2_MISSING},
		{BAG_6 BAG_7 "0000 000b 0003 0003 000011", GV_GIKEV2_MISSING},
		{BAG_6 BAG_7 "0000 0008 c000 0005", GV_GIKEV2_MISSING},
		{BAG_6 BAG_7 "0000 0016 0003 0003 000011 0003 0003 000012"
			     "c000 0005",
		 GV_GIKEV2_DUPLICATE},
		{BAG_6 BAG_7 "0000 000f 0003 0003 000000 c000 0005",
		 GV_GIKEV2_BAD_VALUE},
		{BAG_6 BAG_7 "0000 000f 0003 0003 000011 c000 0000",
		 GV_GIKEV2_BAD_VALUE},
		{BAG_6 BAG_7 "0000 0010 0003 0004 00000011 c000 0005",
		 GV_GIKEV2_BAD_VALUE},
		{BAG_6 BAG_7 "0000 0011 0003 0003 000011 4000 0002 0005",
		 GV_GIKEV2_BAD_VALUE},
		{BAG_6 BAG_7 "0000 0013 0003 0003 000011 c000 0005 c001 0001",
		 GV_GIKEV2_OK},
		{BAG_6 BAG_7 "0000 0013 0003 0003 000011 c000 0005 c001 0002",
		 GV_GIKEV2_OK},
		{BAG_6 BAG_7 "0000 0013 0003 0003 000011 c000 0005 c001 0000",
		 GV_GIKEV2_BAD_VALUE},
		{BAG_6 BAG_7 "0000 0013 0003 0003 000011 c000 0005 c001 0003",
		 GV_GIKEV2_BAD_VALUE},
		{BAG_6 BAG_7 "0000 0013 0003 0003 000011 c000 0005 c001 0101",
		 GV_GIKEV2_BAD_VALUE},
		{BAG_6 BAG_7 "0000 0017 0003 0003 000011 c000 0005 c001 0001"
			     "c001 0001",
		 GV_GIKEV2_DUPLICATE},
		{BAG_6 BAG_7 "0000 0015 0003 0003 000011 c000 0005"
			     "4001 0002 0001",
		 GV_GIKEV2_BAD_VALUE},
		{BAG_6 BAG_7 "0000 0008 c001 0001", GV_GIKEV2_MISSING},
		{BAG_6 BAG_7, GV_GIKEV2_BAD_VALUE}, /* but GW has its width */
	};

	check_all(cases, ARRAY_LEN(cases), true);
	/* IDs of 0 are none, also where none need be */
	assert_int_equal(decode_hex(POLICY_7 GW_REKEY, BAG_7
				    "0000 000f 0003 0003 000000 c000 0000"),
			 GV_GIKEV2_BAD_VALUE);
}

/* A wrapped key of another length than ours has another length on the wire,
 * or unwraps to fewer octets. */
static void short_secret(void **state)
{
	struct gv_gsa gsa = registration(), back;
	struct bodies bodies;
	size_t len = GV_WRAPPED_LEN(25);
	uint8_t secret[32] = {1};

	assert_true(encode(&gsa, &bodies));
	assert_int_equal(len, 40);
	assert_true(gv_key_wrap(kwk, sizeof(kwk), secret, 25, bodies.kd + 20,
				&len));
	assert_int_equal(decode(&bodies, bodies.gsa_len, bodies.kd_len, &back),
			 GV_GIKEV2_BAD_VALUE);
}

/* ------------------------------------------------------------------------
 * Receivers that can do more
 */

#define CAN_ALL (GV_CAN_SHARED | GV_CAN_IPIP | GV_CAN_REKEY_SA | GV_CAN_IPIP6)

static enum gv_gikev2_error
decode_for(const struct bodies *bodies, size_t gsa_len, size_t kd_len,
	   unsigned int can, struct gv_key_path *path, struct gv_gsa *out)
{
	const struct gv_gsa_receiver receiver = {can, path};
	uint8_t *gsa_copy = exact(bodies->gsa, gsa_len);
	uint8_t *kd_copy = exact(bodies->kd, kd_len);
	struct gv_key_path before = {};
	enum gv_gikev2_error error;

	if (path)
		before = *path;
	memset(out, 0xa5, sizeof(*out));
	error = gv_gsa_decode_for(&receiver, gsa_copy, gsa_len, kd_copy, kd_len,
				  kwk, out);
	if (error != GV_GIKEV2_OK) {
		assert_true(all_zero(out, sizeof(*out)));
		if (path)
			assert_memory_equal(path, &before, sizeof(before));
	}
	free(gsa_copy);
	free(kd_copy);
	return error;
}

/* Receivers that lack one thing that the bodies need refuse them as
 * unsupported. */
static void needs(const struct bodies *bodies, unsigned int needed)
{
	struct gv_gsa out;

	for (unsigned int can = 0; can <= CAN_ALL; can++)
		assert_int_equal(decode_for(bodies, bodies->gsa_len,
					    bodies->kd_len, can, NULL, &out),
				 (can & needed) == needed
					 ? GV_GIKEV2_OK
					 : GV_GIKEV2_UNSUPPORTED);
	assert_int_equal(decode(bodies, bodies->gsa_len, bodies->kd_len, &out),
			 needed ? GV_GIKEV2_UNSUPPORTED : GV_GIKEV2_OK);
}

/* Those who can do more read everything that others read in the same way. */
static void more_is_not_other(void **state)
{
	const struct gv_gsa both[] = {registration(), rekey()};
	struct bodies bodies;
	struct gv_gsa back;

	for (size_t i = 0; i < ARRAY_LEN(both); i++) {
		assert_true(encode(&both[i], &bodies));
		needs(&bodies, 0);
		assert_int_equal(decode_for(&bodies, bodies.gsa_len,
					    bodies.kd_len, CAN_ALL, NULL,
					    &back),
				 GV_GIKEV2_OK);
		assert_gsa(&both[i], &back);
	}
}

/* Each bit of what all receivers together can do counts. */
static void flip_all(const struct bodies *original,
		     bool (*ignored)(bool kd, size_t at))
{
	struct bodies bodies = *original;
	struct gv_gsa same, back;

	assert_int_equal(decode_for(&bodies, bodies.gsa_len, bodies.kd_len,
				    CAN_ALL, NULL, &same),
			 GV_GIKEV2_OK);
	for (size_t bit = 0; bit < 8 * (bodies.gsa_len + bodies.kd_len);
	     bit++) {
		bool kd = bit / 8 >= bodies.gsa_len;
		size_t at = bit / 8 - (kd ? bodies.gsa_len : 0);
		uint8_t *octet = (kd ? bodies.kd : bodies.gsa) + at;
		enum gv_gikev2_error error;

		*octet ^= 0x80 >> bit % 8;
		error = decode_for(&bodies, bodies.gsa_len, bodies.kd_len,
				   CAN_ALL, NULL, &back);
		*octet ^= 0x80 >> bit % 8;
		if (ignored(kd, at))
			assert_int_equal(error, GV_GIKEV2_OK);
		else if (error == GV_GIKEV2_OK &&
			 !memcmp(&same, &back, sizeof(same)))
			fail_msg("bit %zu of octet %zu in %s does not count",
				 bit % 8, at, kd ? "KD" : "GSA");
	}
}

static void cut_all(const struct bodies *bodies)
{
	struct gv_gsa back;

	for (size_t cut = 0; cut < bodies->gsa_len; cut++)
		assert_int_not_equal(decode_for(bodies, cut, bodies->kd_len,
						CAN_ALL, NULL, &back),
				     GV_GIKEV2_OK);
	for (size_t cut = 0; cut < bodies->kd_len; cut++)
		assert_int_not_equal(decode_for(bodies, bodies->gsa_len, cut,
						CAN_ALL, NULL, &back),
				     GV_GIKEV2_OK);
}

static enum gv_gikev2_error decode_hex_for(const char *gsa, const char *kd,
					   unsigned int can)
{
	struct bodies bodies;
	struct gv_key_path path = {1, {{99, {1}}}};
	struct gv_gsa back;

	bodies.gsa_len = unhex(gsa, bodies.gsa, sizeof(bodies.gsa));
	bodies.kd_len = unhex(kd, bodies.kd, sizeof(bodies.kd));
	return decode_for(&bodies, bodies.gsa_len, bodies.kd_len, can, &path,
			  &back);
}

struct bad_for {
	const char *gsa, *kd;
	enum gv_gikev2_error error;
};

static void check_all_for(const struct bad_for *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		enum gv_gikev2_error error =
			decode_hex_for(cases[i].gsa, cases[i].kd, CAN_ALL);

		if (error != cases[i].error)
			fail_msg("case %zu: %s / %s: want %s, got %s", i,
				 cases[i].gsa, cases[i].kd,
				 gv_gikev2_error_text(cases[i].error),
				 gv_gikev2_error_text(error));
	}
}

/* ------------------------------------------------------------------------
 * Shared SAs, IPv4 in IPv4
 */

#define IPIP_TS "0704 0010 0000 ffff 00000000 ffffffff"
#define ENCR_CBC "0300 000c 01 00 000c 800e 0080"
#define INTEG_SHA2 "0300 0008 03 00 000c"
#define LAST_SN_UNSPECIFIED "0000 0008 05 00 0002"
#define SHARED_TRANSFORMS ENCR_CBC INTEG_SHA2 LAST_SN_UNSPECIFIED
#define SHARED_POLICY(ts)                                                      \
	"0304 0054 21000000" ts SHARED_TRANSFORMS LIFE_3600 EPOCH_7
#define GW_IPIP_GROUP "4003 0004 00000064"
#define GW_SHARED_IPIP "0000 001c" DELAYS "c000 0002 c001 0002" GW_IPIP_GROUP
#define GW_SHARED "0000 0014" DELAYS "c000 0002 c001 0001"
#define SHARED_KEY                                                             \
	"0001 0040 00000000 00000000 83887f278b439178d54fce886b6d778d"         \
	"b16be2e0002b1ff686b46b426e0de483ca4118487cced4b973793540c8608982"     \
	"3879f6587bd17a16"
#define SHARED_BAG "0304 0080 21000000" SHARED_KEY ROUTE_SECRET

/* One epoch of AES-128-CBC with HMAC-SHA2-256-128, one key for all. */
static struct gv_gsa shared(void)
{
	struct gv_gsa gsa = rekey();

	gsa.sa_mode = GV_SA_SHARED;
	gsa.encap = GV_ENCAP_IPIP;
	gsa.replay_window_log2 = 0;
	gsa.epoch[0].lifetime = 3600;
	gsa.epoch[0].esp.esn = false;
	memset(gsa.epoch[0].gsk, 0, GV_SECRET_LEN);
	for (unsigned int i = 0; i < 48; i++)
		gsa.epoch[0].esp_key[i] = 0x80 + i;
	return gsa;
}

static void example_shared(void **state)
{
	struct gv_gsa gsa = shared(), back;
	struct bodies bodies;

	assert_true(encode(&gsa, &bodies));
	assert_hex(bodies.gsa, bodies.gsa_len,
		   SHARED_POLICY(IPIP_TS IPIP_TS) GW_SHARED_IPIP);
	assert_hex(bodies.kd, bodies.kd_len, SHARED_BAG);
	assert_int_equal(decode_for(&bodies, bodies.gsa_len, bodies.kd_len,
				    CAN_ALL, NULL, &back),
			 GV_GIKEV2_OK);
	assert_memory_equal(&gsa, &back, sizeof(gsa));
	needs(&bodies, GV_CAN_SHARED | GV_CAN_IPIP);
	cut_all(&bodies);

	gsa.encap = GV_ENCAP_GRE;
	assert_true(encode(&gsa, &bodies));
	assert_hex(bodies.gsa, bodies.gsa_len,
		   SHARED_POLICY(SELECTORS) GW_SHARED);
	needs(&bodies, GV_CAN_SHARED);

	/* The longest key. */
	gsa.epoch[0].esp = (struct gv_esp_proposal){12, 256, 14, false};
	memset(gsa.epoch[0].esp_key, 0x5a, GV_ESP_KEY_MAX);
	assert_true(encode(&gsa, &bodies));
	assert_int_equal(decode_for(&bodies, bodies.gsa_len, bodies.kd_len,
				    CAN_ALL, NULL, &back),
			 GV_GIKEV2_OK);
	assert_memory_equal(&gsa, &back, sizeof(gsa));

	gsa = registration();
	gsa.encap = GV_ENCAP_IPIP;
	assert_true(encode(&gsa, &bodies));
	needs(&bodies, GV_CAN_IPIP);
	assert_int_equal(decode_for(&bodies, bodies.gsa_len, bodies.kd_len,
				    GV_CAN_IPIP, NULL, &back),
			 GV_GIKEV2_OK);
	assert_memory_equal(&gsa, &back, sizeof(gsa));
}

#define IPIP6_TS                                                               \
	"0804 0028 0000 ffff 00000000000000000000000000000000"                 \
	"ffffffffffffffffffffffffffffffff"
#define REGISTRATION_POLICY(ts, spi, epoch, seconds)                           \
	"0304 007c " spi ts ts "0300 000c 0100 0014 800e 0100"                 \
	"0000 0008 0500 0000 0001 0004" seconds "4000 0004" epoch

/* The group's gateways are IPv6. */
static void example_ipip6(void **state)
{
	struct gv_gsa gsa = registration(), back;
	struct bodies bodies;

	gsa.encap = GV_ENCAP_IPIP6;
	assert_true(encode(&gsa, &bodies));
	assert_hex(bodies.gsa, bodies.gsa_len,
		   REGISTRATION_POLICY(IPIP6_TS, "20000000", "00000006",
				       "00000258")
			   REGISTRATION_POLICY(
				   IPIP6_TS, "21000000", "00000007",
				   "00000e10") "0000 0024 8001 000a 8002 0014 "
					       "8003 0018"
					       "c000 0001 c001 0003 c002 "
					       "0007" GW_IPIP_GROUP);
	needs(&bodies, GV_CAN_IPIP6);
	assert_int_equal(decode_for(&bodies, bodies.gsa_len, bodies.kd_len,
				    GV_CAN_IPIP6, NULL, &back),
			 GV_GIKEV2_OK);
	assert_memory_equal(&gsa, &back, sizeof(gsa));
	cut_all(&bodies);
	for (size_t at = 8; at < 8 + 2 * 40; at++) {
		bodies.gsa[at] ^= 1;
		assert_int_not_equal(decode_for(&bodies, bodies.gsa_len,
						bodies.kd_len, CAN_ALL, NULL,
						&back),
				     GV_GIKEV2_OK);
		bodies.gsa[at] ^= 1;
	}
}

static bool ignored_in_shared(bool kd, size_t at)
{
	static const size_t in_gsa[] = {41, 45, 53, 57, 61, 65, 85};

	for (size_t i = 0; !kd && i < ARRAY_LEN(in_gsa); i++)
		if (at == in_gsa[i])
			return true;
	return false;
}

static void shared_bit_flips(void **state)
{
	struct gv_gsa gsa = shared();
	struct bodies bodies;

	assert_true(encode(&gsa, &bodies));
	flip_all(&bodies, ignored_in_shared);
}

/* Told apart from what is not supported: it is not safe. */
static void shared_aead(void **state)
{
	static const struct gv_esp_proposal aeads[] = {
		{20, 128, 0, false}, {20, 256, 0, false}, {28, 0, 0, false}};
	struct bodies bodies;

	for (size_t i = 0; i < ARRAY_LEN(aeads); i++) {
		struct gv_gsa gsa = shared();

		gsa.epoch[0].esp = aeads[i];
		assert_int_equal(gv_gsa_check(&gsa), GV_GIKEV2_SHARED_AEAD);
		assert_false(encode(&gsa, &bodies));
	}
	assert_int_equal(
		decode_hex_for(
			"0304 004c 21000000" SELECTORS ENCR_GCM
				LAST_SN_UNSPECIFIED LIFE_3600 EPOCH_7 GW_SHARED,
			BAG_7, CAN_ALL),
		GV_GIKEV2_SHARED_AEAD);
}

static void malformed_shared(void **state)
{
	static const struct bad_for cases[] = {
		{SHARED_POLICY(SELECTORS) GW_SHARED, SHARED_BAG, GV_GIKEV2_OK},
		/* sequence numbers: of one sender in shared, of none in
		 * derived, extended */
		{"0304 0054 21000000" SELECTORS ENCR_CBC INTEG_SHA2 LAST_SN
			 LIFE_3600 EPOCH_7 GW_SHARED,
		 SHARED_BAG, GV_GIKEV2_BAD_VALUE},
		{"0304 0054 21000000" SELECTORS ENCR_CBC INTEG_SHA2
		 "0000 0008 05 00 0001" LIFE_3600 EPOCH_7 GW_SHARED,
		 SHARED_BAG, GV_GIKEV2_BAD_VALUE},
		{"0304 004c 21000000" SELECTORS ENCR_GCM LAST_SN_UNSPECIFIED
			 LIFE_3600 EPOCH_7 GW_REKEY,
		 BAG_7, GV_GIKEV2_BAD_VALUE},
		{POLICY_6 "0304 004c 21000000" SELECTORS ENCR_GCM
			 LAST_SN_UNSPECIFIED LIFE_3600 EPOCH_7 GW,
		 KD, GV_GIKEV2_BAD_VALUE},
		/* a replay window, and a mode that nobody has */
		{SHARED_POLICY(SELECTORS) "0000 0018" DELAYS
					  "c000 0002 c001 0001 c002 0007",
		 SHARED_BAG, GV_GIKEV2_BAD_VALUE},
		{SHARED_POLICY(SELECTORS) "0000 0014" DELAYS
					  "c000 0003 c001 0001",
		 SHARED_BAG, GV_GIKEV2_UNSUPPORTED},
		{SHARED_POLICY(SELECTORS) "0000 0014" DELAYS
					  "c000 0002 c001 0004",
		 SHARED_BAG, GV_GIKEV2_UNSUPPORTED},
		/* a key of another length */
		{SHARED_POLICY(SELECTORS) GW_SHARED, BAG_7,
		 GV_GIKEV2_BAD_VALUE},
		{POLICY_7 GW_REKEY, SHARED_BAG, GV_GIKEV2_BAD_VALUE},
		/* selectors of the other encapsulation, or mixed */
		{SHARED_POLICY(SELECTORS) GW_SHARED_IPIP, SHARED_BAG,
		 GV_GIKEV2_BAD_VALUE},
		{SHARED_POLICY(IPIP_TS IPIP_TS) GW_SHARED, SHARED_BAG,
		 GV_GIKEV2_BAD_VALUE},
		{SHARED_POLICY(IPIP_TS "072f 0010 0064 0064 00000000 ffffffff")
			 GW_SHARED_IPIP,
		 SHARED_BAG, GV_GIKEV2_UNSUPPORTED},
		{SHARED_POLICY(IPIP_TS "0704 0010 0000 0000 00000000 ffffffff")
			 GW_SHARED_IPIP,
		 SHARED_BAG, GV_GIKEV2_UNSUPPORTED},
		{SHARED_POLICY(IPIP_TS "0704 0010 0000 ffff 00000000 0fffffff")
			 GW_SHARED_IPIP,
		 SHARED_BAG, GV_GIKEV2_UNSUPPORTED},
		{SHARED_POLICY(IPIP_TS "0729 0010 0000 ffff 00000000 ffffffff")
			 GW_SHARED_IPIP,
		 SHARED_BAG, GV_GIKEV2_UNSUPPORTED},
		/* the group-ID: absent, 0, another one than the selectors' */
		{SHARED_POLICY(IPIP_TS IPIP_TS) "0000 0014" DELAYS
						"c000 0002 c001 0002",
		 SHARED_BAG, GV_GIKEV2_MISSING},
		{SHARED_POLICY(IPIP_TS IPIP_TS) "0000 001c" DELAYS
						"c000 0002 c001 0002 4003 0004 "
						"00000000",
		 SHARED_BAG, GV_GIKEV2_BAD_VALUE},
		{SHARED_POLICY(
			 SELECTORS) "0000 001c" DELAYS
				    "c000 0002 c001 0001 4003 0004 00000065",
		 SHARED_BAG, GV_GIKEV2_BAD_VALUE},
		{SHARED_POLICY(SELECTORS) "0000 001c" DELAYS
					  "c000 0002 c001 0001" GW_IPIP_GROUP,
		 SHARED_BAG, GV_GIKEV2_OK},
		{SHARED_POLICY(IPIP_TS IPIP_TS) "0000 0018" DELAYS
						"c000 0002 c001 0002 c003 0064",
		 SHARED_BAG, GV_GIKEV2_BAD_VALUE},
	};
	struct gv_gsa bad = shared();
	struct bodies bodies;

	check_all_for(cases, ARRAY_LEN(cases));
	bad.replay_window_log2 = 7;
	assert_false(encode(&bad, &bodies));
	bad = shared();
	bad.epoch[0].esp.esn = true;
	assert_false(encode(&bad, &bodies));
}

/* ------------------------------------------------------------------------
 * Rekey SA
 */

#define KEK_SPI "b0b1b2b3b4b5b6b7b8b9babbbcbdbebf"
#define NEXT_SPI "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf"
#define KEK_TS                                                                 \
	"0711 0010 0000 ffff 00000000 ffffffff"                                \
	"0711 0010 0350 0350 00000000 00000000"
#define GCAUTH "0300 0013 0e 00 0002 0012 0007 300506032b6570"
#define LAST_KWA "0000 0008 0d 00 0003"
#define KEK_LIFE "0001 0004 00015180"
#define MESSAGE_ID_5 "0002 0004 00000005"
#define NEXT "0003 0010" NEXT_SPI
#define KEK_TRANSFORMS ENCR_GCM GCAUTH LAST_KWA
#define KEK_HEAD "0610 007f" KEK_SPI KEK_TS
#define KEK_POLICY KEK_HEAD KEK_TRANSFORMS KEK_LIFE MESSAGE_ID_5 NEXT
#define GSA_KEK KEK_POLICY POLICY_7 GW

#define KEK_KEY                                                                \
	"0001 0058 00000000 00000001"                                          \
	"9c9a8b520afb62c0eb06b5553bd5dacc62607a143aa891dd248049e0add4e94e"     \
	"a976e54ca0ad0754706f724d6a44d1de9ba082e61ce24b1ff1fd4165c015a172"     \
	"089f19be740ae02e92ff40497f60da39"
#define KEK_BAG "0610 0070" KEK_SPI KEK_KEY
#define IDS "0003 0003 000011 c000 0005"
#define PUBLIC_KEY                                                             \
	"0002 002c 302a300506032b6570032100"                                   \
	"13d9908a70925992ed546007d27f50da68ba7217ef62ac3cca784529ff10471c"
#define WRAP_1                                                                 \
	"0001 0030 00000001 00000003 40363d3e6cacad235dddc71bf463954e"         \
	"0233fdb9e327ff4f8e5afb0424031eb5a34b7dfac722628e"
#define WRAP_3                                                                 \
	"0001 0030 00000003 00000007 512df9572b95c2cb5face92abba49ce0"         \
	"5bd09ec2528e49b08b4cc4ff2ae0f2bef4b787a01d0c2a31"
#define WRAP_7                                                                 \
	"0001 0030 00000007 00000000 57ceb79805c423cbafdb6cde7f816805"         \
	"6cfee493e1d98a15817121cf5432c64dd0b857fb9536f2b5"
#define KEK_MEMBER_BAG "0000 00db" IDS PUBLIC_KEY WRAP_1 WRAP_3 WRAP_7
#define KD_KEK KEK_BAG BAG_7 KEK_MEMBER_BAG

static const uint8_t ex_public_key[] = {
	0x13, 0xd9, 0x90, 0x8a, 0x70, 0x92, 0x59, 0x92, 0xed, 0x54, 0x60,
	0x07, 0xd2, 0x7f, 0x50, 0xda, 0x68, 0xba, 0x72, 0x17, 0xef, 0x62,
	0xac, 0x3c, 0xca, 0x78, 0x45, 0x29, 0xff, 0x10, 0x47, 0x1c};

static struct gv_key_path ex_path(void)
{
	static const uint32_t ids[] = {1, 3, 7};
	struct gv_key_path path = {};

	for (unsigned int i = 0; i < 3; i++) {
		path.keys[i].key_id = ids[i];
		ramp(path.keys[i].key, ids[i]);
	}
	path.count = 3;
	return path;
}

/* A registration in a group that has a Rekey SA and, with a path, a tree. */
static struct gv_gsa with_kek(const struct gv_key_path *path)
{
	struct gv_gsa gsa = registration();

	gsa.epoch[0] = gsa.epoch[1];
	memset(&gsa.epoch[1], 0, sizeof(gsa.epoch[1]));
	gsa.epochs = 1;
	gsa.has_kek = true;
	for (unsigned int i = 0; i < GV_REKEY_SPI_LEN; i++) {
		gsa.kek.spi[i] = 0xb0 + i;
		gsa.kek.next_spi[0][i] = 0xc0 + i;
	}
	gsa.kek.next_spis = 1;
	gsa.kek.lifetime = 86400;
	gsa.kek.message_id = 5;
	for (unsigned int i = 0; i < GV_KEK_LEN; i++)
		gsa.kek.keymat[i] = 0x80 + i;
	memcpy(gsa.kek.auth_key, ex_public_key, sizeof(ex_public_key));
	gsa.path = path;
	return gsa;
}

static void example_rekey_sa(void **state)
{
	const struct gv_key_path path = ex_path();
	struct gv_gsa gsa = with_kek(&path), back;
	struct gv_key_path got = {1, {{99, {1}}}};
	struct bodies bodies;

	assert_true(encode(&gsa, &bodies));
	assert_hex(bodies.gsa, bodies.gsa_len, GSA_KEK);
	assert_hex(bodies.kd, bodies.kd_len, KD_KEK);
	needs(&bodies, GV_CAN_REKEY_SA);
	assert_int_equal(decode_for(&bodies, bodies.gsa_len, bodies.kd_len,
				    GV_CAN_REKEY_SA, &got, &back),
			 GV_GIKEV2_OK);
	assert_memory_equal(&got, &path, sizeof(path));
	gsa.path = NULL;
	assert_memory_equal(&gsa, &back, sizeof(gsa));
	cut_all(&bodies);

	/* Without a tree: what was there of an earlier registration goes. */
	assert_true(encode(&gsa, &bodies));
	assert_int_equal(decode_for(&bodies, bodies.gsa_len, bodies.kd_len,
				    GV_CAN_REKEY_SA, &got, &back),
			 GV_GIKEV2_OK);
	assert_int_equal(got.count, 0);
	assert_memory_equal(&gsa, &back, sizeof(gsa));
}

/* A Rekey SA in an in-band rekey: no GCAUTH, no member key bag. */
static void rekey_sa_in_band(void **state)
{
	struct gv_gsa gsa = with_kek(NULL), back;
	struct gv_key_path path = ex_path(), before = path;
	struct bodies bodies;

	gsa.member_id = 0;
	gsa.sender_id = 0;
	memset(gsa.kek.auth_key, 0, sizeof(gsa.kek.auth_key));
	gsa.kek.next_spis = 2;
	memset(gsa.kek.next_spi[1], 0xdd, GV_REKEY_SPI_LEN);
	gsa.kek.message_id = 0;
	assert_true(encode(&gsa, &bodies));
	assert_int_equal(decode_for(&bodies, bodies.gsa_len, bodies.kd_len,
				    GV_CAN_REKEY_SA, &path, &back),
			 GV_GIKEV2_OK);
	assert_memory_equal(&gsa, &back, sizeof(gsa));
	assert_memory_equal(&path, &before, sizeof(path));
	needs(&bodies, GV_CAN_REKEY_SA);
	cut_all(&bodies);
}

/* The deepest path, the most epochs and the longest keys stay within the
 * bodies' bounds. */
static void largest_bodies(void **state)
{
	struct gv_key_path path = {};
	struct gv_gsa gsa = with_kek(&path), back;
	struct gv_key_path got = {};
	struct bodies bodies;

	path.count = GV_KEY_PATH_MAX;
	for (unsigned int i = 0; i < path.count; i++) {
		path.keys[i].key_id = UINT32_MAX - i;
		ramp(path.keys[i].key, i);
	}
	gsa.sa_mode = GV_SA_SHARED;
	gsa.encap = GV_ENCAP_IPIP;
	gsa.replay_window_log2 = 0;
	gsa.kek.next_spis = GV_NEXT_SPIS_MAX;
	memset(gsa.kek.next_spi, 0xdd, sizeof(gsa.kek.next_spi));
	gsa.epochs = GV_EPOCHS_MAX;
	for (unsigned int i = 0; i < GV_EPOCHS_MAX; i++) {
		struct gv_epoch_sa *sa = &gsa.epoch[i];

		memset(sa, 0, sizeof(*sa));
		sa->tag = GV_TAG_MIN + i;
		sa->epoch = 1 + i;
		sa->lifetime = 1;
		sa->esp = (struct gv_esp_proposal){12, 256, 14, false};
		memset(sa->esp_key, 0x11, GV_ESP_KEY_MAX);
	}
	assert_true(encode(&gsa, &bodies));
	assert_int_equal(decode_for(&bodies, bodies.gsa_len, bodies.kd_len,
				    CAN_ALL, &got, &back),
			 GV_GIKEV2_OK);
	assert_memory_equal(&got, &path, sizeof(path));
	print_message("largest registration: GSA %zu, KD %zu octets\n",
		      bodies.gsa_len, bodies.kd_len);
}

/* RESERVED, and where the Rekey SA's messages would come from and go to. */
static bool ignored_with_kek(bool kd, size_t at)
{
	static const size_t in_gsa[] = {
		21, 24, 25, 26, 27, 32, 33, 34, /* source */
		35, 37, 40, 41, 42, 43, 48, 49, /* destination */
		50, 51, 53, 57, 65, 69, 84, 88, /* transforms */
		/* epoch 7 and group-wide policy */
		168, 172, 180, 184, 204};

	if (kd)
		return at == 112 + 112 + 1;
	for (size_t i = 0; i < ARRAY_LEN(in_gsa); i++)
		if (at == in_gsa[i])
			return true;
	return false;
}

static void rekey_sa_bit_flips(void **state)
{
	const struct gv_key_path path = ex_path();
	struct gv_gsa gsa = with_kek(&path);
	struct bodies bodies;

	assert_true(encode(&gsa, &bodies));
	flip_all(&bodies, ignored_with_kek);
}

#define WITH_KEK(len, rest) "0610" len KEK_SPI KEK_TS rest POLICY_7 GW
#define KEK_TAIL KEK_LIFE MESSAGE_ID_5 NEXT

static void malformed_kek_policy(void **state)
{
	static const struct bad_for cases[] = {
		{GSA_KEK, KD_KEK, GV_GIKEV2_OK},
		{GW POLICY_7 KEK_POLICY, KD_KEK, GV_GIKEV2_OK},
		{KEK_POLICY GSA_KEK, KD_KEK, GV_GIKEV2_DUPLICATE},
		/* a policy without keys, keys without a policy */
		{GSA_KEK, BAG_7 MEMBER_BAG, GV_GIKEV2_MISSING},
		{POLICY_7 GW, KEK_BAG BAG_7 MEMBER_BAG, GV_GIKEV2_BAD_VALUE},
		/* alone in a registration, or with a group-wide policy */
		{KEK_POLICY, KEK_BAG KEK_MEMBER_BAG, GV_GIKEV2_MISSING},
		{KEK_POLICY GW, KEK_BAG KEK_MEMBER_BAG, GV_GIKEV2_BAD_VALUE},
		/* SPI */
		{"0604 0073 b0b1b2b3" KEK_TS KEK_TRANSFORMS KEK_TAIL POLICY_7
			 GW,
		 KD_KEK, GV_GIKEV2_BAD_VALUE},
		{"0610 0008 b0b1b2b3" POLICY_7 GW, KD_KEK, GV_GIKEV2_TRUNCATED},
		{"0610 007f 00000000000000000000000000000000" KEK_TS
			 KEK_TRANSFORMS KEK_TAIL POLICY_7 GW,
		 "0610 0070 00000000000000000000000000000000" KEK_KEY BAG_7
			 KEK_MEMBER_BAG,
		 GV_GIKEV2_BAD_VALUE},
		/* transforms: another cipher and key length, INTEG, GCAUTH
		 * implicit, another signature, another key wrap, SN */
		{WITH_KEK("007f",
			  "0300 000c 01 00 0013 800e 0100" GCAUTH LAST_KWA
				  KEK_TAIL),
		 KD_KEK, GV_GIKEV2_UNSUPPORTED},
		{WITH_KEK("007f",
			  "0300 000c 01 00 0014 800e 0080" GCAUTH LAST_KWA
				  KEK_TAIL),
		 KD_KEK, GV_GIKEV2_UNSUPPORTED},
		{WITH_KEK("007b",
			  "0300 0008 01 00 0014" GCAUTH LAST_KWA KEK_TAIL),
		 KD_KEK, GV_GIKEV2_UNSUPPORTED},
		{WITH_KEK("0087", ENCR_GCM
			  "0300 0008 03 00 0000" GCAUTH LAST_KWA KEK_TAIL),
		 KD_KEK, GV_GIKEV2_OK},
		{WITH_KEK("0087", ENCR_GCM INTEG_SHA2 GCAUTH LAST_KWA KEK_TAIL),
		 KD_KEK, GV_GIKEV2_UNSUPPORTED},
		{WITH_KEK("0074",
			  ENCR_GCM "0300 0008 0e 00 0001" LAST_KWA KEK_TAIL),
		 KD_KEK, GV_GIKEV2_UNSUPPORTED},
		{WITH_KEK("0074",
			  ENCR_GCM "0300 0008 0e 00 0002" LAST_KWA KEK_TAIL),
		 KD_KEK, GV_GIKEV2_MISSING},
		{WITH_KEK("007f", ENCR_GCM "0300 0013 0e 00 0002 0012 0007"
					   "300506032b6571" LAST_KWA KEK_TAIL),
		 KD_KEK, GV_GIKEV2_UNSUPPORTED},
		{WITH_KEK("007f",
			  ENCR_GCM GCAUTH "0000 0008 0d 00 0002" KEK_TAIL),
		 KD_KEK, GV_GIKEV2_UNSUPPORTED},
		{WITH_KEK("0087", ENCR_GCM GCAUTH
			  "0300 0008 05 00 0000" LAST_KWA KEK_TAIL),
		 KD_KEK, GV_GIKEV2_UNSUPPORTED},
		/* one of them absent or doubled */
		{WITH_KEK("0073", "0300 0013 0e 00 0002 0012 0007"
				  "300506032b6570" LAST_KWA KEK_TAIL),
		 KD_KEK, GV_GIKEV2_MISSING},
		{WITH_KEK("006c", ENCR_GCM LAST_KWA KEK_TAIL), KD_KEK,
		 GV_GIKEV2_MISSING},
		{WITH_KEK("0077", ENCR_GCM "0000 0013 0e 00 0002 0012 0007"
					   "300506032b6570" KEK_TAIL),
		 KD_KEK, GV_GIKEV2_MISSING},
		{WITH_KEK("008b", ENCR_GCM ENCR_GCM GCAUTH LAST_KWA KEK_TAIL),
		 KD_KEK, GV_GIKEV2_DUPLICATE},
		{WITH_KEK("0092", ENCR_GCM GCAUTH GCAUTH LAST_KWA KEK_TAIL),
		 KD_KEK, GV_GIKEV2_DUPLICATE},
		/* lifetime absent, 0, doubled; the epoch's absent */
		{WITH_KEK("0077", KEK_TRANSFORMS MESSAGE_ID_5 NEXT), KD_KEK,
		 GV_GIKEV2_MISSING},
		{WITH_KEK("007f", KEK_TRANSFORMS
			  "0001 0004 00000000" MESSAGE_ID_5 NEXT),
		 KD_KEK, GV_GIKEV2_BAD_VALUE},
		{WITH_KEK("0087", KEK_TRANSFORMS KEK_LIFE KEK_TAIL), KD_KEK,
		 GV_GIKEV2_DUPLICATE},
		{KEK_POLICY
		 "0304 0044 21000000" SELECTORS TRANSFORMS EPOCH_7 GW,
		 KD_KEK, GV_GIKEV2_MISSING},
		/* Message-ID and next SPIs: absent, more than we keep, of
		 * another length, the same as the SPI, all zero */
		{WITH_KEK("0063", KEK_TRANSFORMS KEK_LIFE), KD_KEK,
		 GV_GIKEV2_OK},
		{WITH_KEK("00a7", KEK_TRANSFORMS KEK_TAIL NEXT NEXT), KD_KEK,
		 GV_GIKEV2_OK},
		{WITH_KEK("006f",
			  KEK_TRANSFORMS KEK_LIFE "0003 0008 c0c1c2c3c4c5c6c7"),
		 KD_KEK, GV_GIKEV2_BAD_VALUE},
		{WITH_KEK("0077", KEK_TRANSFORMS KEK_LIFE "0003 0010" KEK_SPI),
		 KD_KEK, GV_GIKEV2_BAD_VALUE},
		{WITH_KEK("0077", KEK_TRANSFORMS KEK_LIFE
			  "0003 0010 00000000000000000000000000000000"),
		 KD_KEK, GV_GIKEV2_BAD_VALUE},
		{WITH_KEK("0073",
			  KEK_TRANSFORMS KEK_LIFE MESSAGE_ID_5 MESSAGE_ID_5),
		 KD_KEK, GV_GIKEV2_DUPLICATE},
		{WITH_KEK("0069", KEK_TRANSFORMS KEK_LIFE "0002 0002 0005"),
		 KD_KEK, GV_GIKEV2_BAD_VALUE},
		/* selectors that are none */
		{"0610 007f" KEK_SPI "0711 0010 0000 ffff 00000000 ffffffff"
		 "0811 0010 0350 0350 00000000 00000000" KEK_TRANSFORMS KEK_TAIL
			 POLICY_7 GW,
		 KD_KEK, GV_GIKEV2_UNSUPPORTED},
	};

	check_all_for(cases, ARRAY_LEN(cases));
}

static void malformed_kek_keys(void **state)
{
	static const struct bad_for cases[] = {
		{GSA_KEK, KEK_MEMBER_BAG BAG_7 KEK_BAG, GV_GIKEV2_OK},
		{GSA_KEK,
		 KEK_BAG BAG_7 "0000 00db" WRAP_7 WRAP_1 PUBLIC_KEY WRAP_3 IDS,
		 GV_GIKEV2_OK},
		{GSA_KEK, KEK_BAG KD_KEK, GV_GIKEV2_DUPLICATE},
		{GSA_KEK, KD_KEK KEK_MEMBER_BAG, GV_GIKEV2_DUPLICATE},
		/* of another SPI, without a key, with two */
		{GSA_KEK, "0610 0070" NEXT_SPI KEK_KEY BAG_7 KEK_MEMBER_BAG,
		 GV_GIKEV2_BAD_VALUE},
		{GSA_KEK, "0604 0064 b0b1b2b3" KEK_KEY BAG_7 KEK_MEMBER_BAG,
		 GV_GIKEV2_BAD_VALUE},
		{GSA_KEK, "0610 0014" KEK_SPI BAG_7 KEK_MEMBER_BAG,
		 GV_GIKEV2_MISSING},
		{GSA_KEK,
		 "0610 00cc" KEK_SPI KEK_KEY KEK_KEY BAG_7 KEK_MEMBER_BAG,
		 GV_GIKEV2_DUPLICATE},
		/* a key of another length; one with an ID; one without */
		{GSA_KEK, "0610 0048" KEK_SPI SA_KEY_7 BAG_7 KEK_MEMBER_BAG,
		 GV_GIKEV2_BAD_VALUE},
		{GSA_KEK,
		 "0610 0070" KEK_SPI "0001 0058 00000001 00000001"
		 "9c9a8b520afb62c0eb06b5553bd5dacc62607a143aa891dd248049e0"
		 "add4e94ea976e54ca0ad0754706f724d6a44d1de9ba082e61ce24b1f"
		 "f1fd4165c015a172089f19be740ae02e92ff40497f60da39" BAG_7
			 KEK_MEMBER_BAG,
		 GV_GIKEV2_BAD_VALUE},
		{GSA_KEK,
		 KEK_BAG BAG_7
		 "0000 00db" IDS PUBLIC_KEY WRAP_1 WRAP_3 SA_KEY_7,
		 GV_GIKEV2_BAD_VALUE},
		/* a link of the chain is absent, or does not hold */
		{GSA_KEK,
		 KEK_BAG BAG_7 "0000 00a7" IDS PUBLIC_KEY WRAP_1 WRAP_3,
		 GV_GIKEV2_EXCLUDED},
		{GSA_KEK, KEK_BAG BAG_7 "0000 003f" IDS PUBLIC_KEY,
		 GV_GIKEV2_EXCLUDED},
		{GSA_KEK,
		 KEK_BAG BAG_7
		 "0000 00db" IDS PUBLIC_KEY WRAP_1 WRAP_3 "0001 0030 00000007"
		 "00000000 512df9572b95c2cb5face92abba49ce0"
		 "5bd09ec2528e49b08b4cc4ff2ae0f2bef4b787a01d0c2a31",
		 GV_GIKEV2_UNWRAP},
		/* the public key: absent, doubled, all zero, not Ed25519's */
		{GSA_KEK, KEK_BAG BAG_7 "0000 00ab" IDS WRAP_1 WRAP_3 WRAP_7,
		 GV_GIKEV2_MISSING},
		{GSA_KEK,
		 KEK_BAG BAG_7
		 "0000 010b" IDS PUBLIC_KEY PUBLIC_KEY WRAP_1 WRAP_3 WRAP_7,
		 GV_GIKEV2_DUPLICATE},
		{GSA_KEK,
		 KEK_BAG BAG_7
		 "0000 00db" IDS "0002 002c 302a300506032b6570032100"
		 "00000000000000000000000000000000"
		 "00000000000000000000000000000000" WRAP_1 WRAP_3 WRAP_7,
		 GV_GIKEV2_BAD_VALUE},
		{GSA_KEK,
		 KEK_BAG BAG_7
		 "0000 00db" IDS "0002 002c 302a300506032b6571032100"
		 "13d9908a70925992ed546007d27f50da"
		 "68ba7217ef62ac3cca784529ff10471c" WRAP_1 WRAP_3 WRAP_7,
		 GV_GIKEV2_UNSUPPORTED},
		/* one of the IDs */
		{GSA_KEK,
		 KEK_BAG BAG_7
		 "0000 00d7 0003 0003 000011" PUBLIC_KEY WRAP_1 WRAP_3 WRAP_7,
		 GV_GIKEV2_MISSING},
		/* of a registration, but not in one */
		{KEK_POLICY POLICY_7 GW_REKEY,
		 KEK_BAG BAG_7 "0000 00d0" PUBLIC_KEY WRAP_1 WRAP_3 WRAP_7,
		 GV_GIKEV2_BAD_VALUE},
		/* keys of a Rekey SA that there is not */
		{POLICY_7 GW, BAG_7 KEK_MEMBER_BAG, GV_GIKEV2_BAD_VALUE},
		{POLICY_7 GW, BAG_7 "0000 003f" IDS PUBLIC_KEY,
		 GV_GIKEV2_BAD_VALUE},
	};

	check_all_for(cases, ARRAY_LEN(cases));
}

static void refuses_to_encode_kek(void **state)
{
	static const struct gv_key_path none;
	struct gv_key_path path = ex_path(), deep = {GV_KEY_PATH_MAX + 1, {}};
	struct gv_wrapped_key wrapped = {.key_id = 1, .kwk_id = 2, .len = 40};
	struct gv_gsa bad[32], ok;
	struct bodies bodies;
	size_t n = 0;

	bad[n] = with_kek(&path), bad[n++].kek.lifetime = 0;
	bad[n] = with_kek(&path), bad[n++].epoch[0].lifetime = 0;
	bad[n] = with_kek(&path), bad[n++].epochs = 0;
	bad[n] = with_kek(&path), memset(bad[n++].kek.spi, 0, 16);
	bad[n] = with_kek(&path), memset(bad[n++].kek.auth_key, 0, 32);
	bad[n] = with_kek(&path), bad[n++].kek.next_spis = 3;
	bad[n] = with_kek(&path), bad[n++].kek.next_spis = 2;
	bad[n] = with_kek(&path), memset(bad[n].kek.next_spi, 0xb0, 16),
	memset(bad[n++].kek.spi, 0xb0, 16);
	bad[n] = with_kek(&path), bad[n++].has_kek = false;
	bad[n++] = with_kek(&none);
	bad[n++] = with_kek(&deep);
	bad[n] = with_kek(NULL), bad[n].wrapped = &wrapped,
	bad[n++].wrapped_count = 1;
	/* not in a registration; the KEK is not among the keys */
	bad[n] = bad[n - 1], bad[n].member_id = 0, bad[n++].sender_id = 0;
	bad[n] = with_kek(&path), bad[n].member_id = 0, bad[n++].sender_id = 0;
	for (size_t i = 0; i < n; i++) {
		if (encode(&bad[i], &bodies))
			fail_msg("case %zu was encoded", i);
		assert_int_not_equal(gv_gsa_check(&bad[i]), GV_GIKEV2_OK);
	}
	ok = with_kek(&path);
	assert_int_equal(gv_gsa_check(&ok), GV_GIKEV2_OK);
}

static void error_texts(void **state)
{
	for (int i = 0; i < GV_GIKEV2_ERRORS; i++)
		assert_string_not_equal(gv_gikev2_error_text(i),
					"unknown error");
	assert_string_equal(gv_gikev2_error_text(GV_GIKEV2_ERRORS),
			    "unknown error");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(example_idg),
		cmocka_unit_test(idg_refusals),
		cmocka_unit_test(example_registration),
		cmocka_unit_test(example_rekey),
		cmocka_unit_test(range_ends),
		cmocka_unit_test(esp_key_lengths),
		cmocka_unit_test(refuses_to_encode),
		cmocka_unit_test(fits_or_fails),
		cmocka_unit_test(truncation),
		cmocka_unit_test(bit_flips),
		cmocka_unit_test(another_key_wrap_key),
		cmocka_unit_test(malformed_gsa),
		cmocka_unit_test(malformed_selectors),
		cmocka_unit_test(malformed_transforms),
		cmocka_unit_test(malformed_gsa_attributes),
		cmocka_unit_test(malformed_gw_policy),
		cmocka_unit_test(malformed_kd),
		cmocka_unit_test(short_secret),
		cmocka_unit_test(more_is_not_other),
		cmocka_unit_test(example_shared),
		cmocka_unit_test(example_ipip6),
		cmocka_unit_test(shared_bit_flips),
		cmocka_unit_test(shared_aead),
		cmocka_unit_test(malformed_shared),
		cmocka_unit_test(example_rekey_sa),
		cmocka_unit_test(rekey_sa_in_band),
		cmocka_unit_test(largest_bodies),
		cmocka_unit_test(rekey_sa_bit_flips),
		cmocka_unit_test(malformed_kek_policy),
		cmocka_unit_test(malformed_kek_keys),
		cmocka_unit_test(refuses_to_encode_kek),
		cmocka_unit_test(error_texts),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
