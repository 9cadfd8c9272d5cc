/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What it costs a GCKS to tell a group of so many members new keys, in octets
 * and in CPU time: as GSA_REKEY messages with a key tree, one for all, and as
 * one in-band message for each member.  Messages only: no sockets, no IKE.
 *
 *   bench_rekey MEMBERS...
 *
 * prints for each number a line of: members, octets and microseconds of new
 * data keys (GSA_REKEY), wrapped keys, octets and microseconds of an eviction
 * (key tree, then data keys), octets of GSA and KD for one member in-band, and
 * the microseconds of all members'.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "crypto.h"
#include "gikev2.h"
#include "gv.h"
#include "lkh.h"
#include "rekey.h"

#define LIFETIME 3600
#define REPEAT 50

static void die(const char *what)
{
	fprintf(stderr, "bench_rekey: %s\n", what);
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

/* The group's current epoch and the next. */
static struct gv_gsa data_keys(void)
{
	struct gv_gsa gsa = {
		.group_id = 100,
		.sa_mode = GV_SA_DERIVED,
		.encap = GV_ENCAP_GRE,
		.atd = 30,
		.dtd = 60,
		.replay_window_log2 = 6,
		.epochs = 2,
		.route_epoch = 1,
	};

	for (unsigned int i = 0; i < gsa.epochs; i++) {
		gsa.epoch[i].tag = GV_TAG_MIN + i;
		gsa.epoch[i].epoch = i + 1;
		gsa.epoch[i].lifetime = LIFETIME;
		gsa.epoch[i].esp.encr = 20 /* AES-GCM, ICV of 16 */;
		gsa.epoch[i].esp.key_bits = 256;
		if (!gv_random(gsa.epoch[i].gsk, sizeof(gsa.epoch[i].gsk)))
			die("no random octets");
	}
	if (!gv_random(gsa.route_secret, sizeof(gsa.route_secret)))
		die("no random octets");
	return gsa;
}

static size_t message(struct gv_kek *kek, const uint8_t *private_key,
		      const struct gv_gsa *gsa)
{
	uint8_t msg[1 << 16];
	size_t len = sizeof(msg);

	if (!gv_rekey_encode(kek, private_key, gsa, msg, &len))
		die(gv_gikev2_error_text(gv_gsa_check(gsa)));
	return len;
}

struct eviction {
	size_t keys, octets;
};

static struct eviction evict(struct gv_lkh *tree, uint16_t member,
			     struct gv_kek *kek, const uint8_t *private_key)
{
	struct gv_wrapped_key keys[4 * GV_LKH_DEPTH_MAX];
	struct eviction cost = {.keys = sizeof(keys) / sizeof(*keys)};
	struct gv_gsa gsa = {.group_id = 100, .has_kek = true}, data;

	if (gv_lkh_evict(tree, member) != GV_LKH_OK || !gv_kek_new(&gsa.kek))
		die("eviction fails");
	gsa.kek.lifetime = LIFETIME;
	if (gv_lkh_rekey(tree, gsa.kek.keymat, keys, &cost.keys) != GV_LKH_OK)
		die("the key tree gives no keys");
	gsa.wrapped = keys;
	gsa.wrapped_count = cost.keys;
	cost.octets = message(kek, private_key, &gsa);
	*kek = gsa.kek;
	data = data_keys();
	cost.octets += message(kek, private_key, &data);
	return cost;
}

static size_t in_band(const struct gv_gsa *gsa)
{
	uint8_t kwk[GV_KWK_LEN] = {1}, gsa_body[4096], kd_body[4096];
	size_t gsa_len = sizeof(gsa_body), kd_len = sizeof(kd_body);

	if (!gv_gsa_encode(gsa, kwk, gsa_body, &gsa_len, kd_body, &kd_len))
		die("GSA and KD do not encode");
	/* with the generic header of each payload */
	return gsa_len + kd_len + 8;
}

static void bench(unsigned int members)
{
	uint8_t private_key[GV_SIGN_KEY_LEN], public_key[GV_SIGN_KEY_LEN];
	struct gv_kek kek = {};
	struct gv_lkh tree;
	struct gv_lkh_node *nodes;
	struct gv_gsa gsa = data_keys();
	struct eviction cost = {}, one;
	size_t octets = 0, inband = 0;
	double began, rekey, eviction, each;
	unsigned int repeat = members / 2 < REPEAT ? members / 2 : REPEAT;

	nodes = calloc(gv_lkh_nodes(members), sizeof(*nodes));
	if (!nodes || !gv_kek_new(&kek) ||
	    !gv_sign_key_new(private_key, public_key))
		die("no memory or no random octets");
	kek.lifetime = LIFETIME;
	gv_lkh_init(&tree, nodes, gv_lkh_nodes(members));
	for (unsigned int id = 1; id <= members; id++)
		if (gv_lkh_join(&tree, id) != GV_LKH_OK)
			die("a member can not join");

	began = now();
	for (unsigned int i = 0; i < REPEAT; i++)
		octets = message(&kek, private_key, &gsa);
	rekey = (now() - began) / REPEAT;

	/* Members spread over the tree; the dearest message counts. */
	began = now();
	for (unsigned int i = 0; i < repeat; i++) {
		one = evict(&tree, 1 + i * (members / repeat), &kek,
			    private_key);
		if (one.octets > cost.octets)
			cost = one;
	}
	eviction = (now() - began) / repeat;

	began = now();
	for (unsigned int i = 0; i < members; i++)
		inband = in_band(&gsa);
	each = now() - began;

	printf("%u %zu %.0f %zu %zu %.0f %zu %.0f\n", members, octets, rekey,
	       cost.keys, cost.octets, eviction, inband, each);
	free(nodes);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		unsigned long members = strtoul(argv[i], NULL, 10);

		if (members < 2 || members > 65535)
			die("a number of members is from 2 to 65535");
		bench(members);
	}
	return 0;
}
