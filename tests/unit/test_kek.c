/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A group's Rekey SA at its GCKS, on a real store, and at its members: random
 * lives in which members join, leave, are deaf for a while and lose messages,
 * changes fail, and the GCKS is killed; what comes to a member that is replayed,
 * forged or too late; and what the store costs.
 */
#include "dump.h"

#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "groupvpn_kek.h"
#include "groupvpn_rekey_sa.h"

#include "crypto.h"

#define MEMBERS 40
#define ROUNDS 400
#define ALL_MESSAGES 4096
#define LIFETIME 86400

static char dir[] = "/tmp/groupvpn-kek-XXXXXX";
static char file[64], key[64], spare[64];

struct member {
	groupvpn_rekey_sa_t *sa;
	bool in; /* the GCKS has it in its tree */
	uint32_t epoch;
};

static struct {
	groupvpn_store_t *store;
	groupvpn_kek_t *kek;
	uint32_t epoch;
	struct member members[MEMBERS + 1];
	/* all messages that anybody was given */
	groupvpn_store_message_t *given[ALL_MESSAGES];
	unsigned int givens;
	unsigned int registrations, renewals, failures, kills;
} life;

/* How many lines were logged. */
static unsigned int told;

static void count(debug_t group, level_t level, char *fmt, ...)
{
	told++;
}

static void open_gcks(void)
{
	life.store = groupvpn_store_create_sqlite(file, key);
	assert_true(life.store->open(life.store));
	life.kek = groupvpn_kek_create("blue", EX_GROUP, life.store);
	assert_true(life.kek->start(life.kek, LIFETIME));
}

static void close_gcks(void)
{
	life.kek->destroy(life.kek);
	life.store->destroy(life.store);
}

static bool commit(bool works)
{
	bool ok;

	life.store->begin(life.store, false);
	life.kek->save(life.kek);
	if (!works)
		assert_int_equal(rename(file, spare), 0);
	ok = life.store->commit(life.store);
	if (!works)
		assert_int_equal(rename(spare, file), 0);
	assert_int_equal(ok, works);
	life.kek->settle(life.kek, ok);
	return ok;
}

static void compose(struct gv_gsa *gsa)
{
	*gsa = (struct gv_gsa){
		.group_id = EX_GROUP,
		.sa_mode = GV_SA_DERIVED,
		.encap = GV_ENCAP_GRE,
		.atd = 1,
		.dtd = 2,
		.replay_window_log2 = 7,
		.route_epoch = EX_ROUTE_EPOCH,
	};
	for (uint32_t epoch = life.epoch > 3 ? life.epoch - 3 : 1;
	     epoch <= life.epoch; epoch++) {
		struct gv_epoch_sa *sa = &gsa->epoch[gsa->epochs++];

		sa->epoch = epoch;
		sa->tag = GV_TAG_MIN + epoch % 100;
		sa->lifetime = 3600;
		sa->esp.encr = 20;
		sa->esp.key_bits = 256;
		ramp(sa->gsk, epoch);
	}
	ramp(gsa->route_secret, EX_ROUTE_SECRET_FIRST);
}

/* The same Message-ID is never another message. */
static void give(const uint8_t *octets, size_t len)
{
	for (unsigned int i = 0; i < life.givens; i++) {
		groupvpn_store_message_t *old = life.given[i];

		if (memcmp(old->octets, octets, GV_REKEY_SPI_LEN) != 0 ||
		    memcmp(old->octets + 20, octets + 20, 4) != 0)
			continue;
		assert_int_equal(old->len, len);
		assert_memory_equal(old->octets, octets, len);
		return;
	}
	assert_true(life.givens < ALL_MESSAGES);
	life.given[life.givens] = calloc(1, sizeof(**life.given));
	memcpy(life.given[life.givens]->octets, octets, len);
	life.given[life.givens++]->len = len;
}

static chunk_t messages(uint8_t *buf)
{
	size_t len = life.kek->get_messages(life.kek, buf), first;

	assert_true(len > 0 && len <= GV_REKEY_MAX);
	for (size_t at = 0; at < len; at += first) {
		first = gv_rekey_first(buf + at, len - at);
		assert_true(first);
		give(buf + at, first);
	}
	return chunk_create(buf, len);
}

static void receive(struct member *member)
{
	struct gv_gsa gsa = {};

	while (member->sa->receive(member->sa, 0, &gsa)) {
		if (gsa.epochs)
			member->epoch = gsa.epoch[gsa.epochs - 1].epoch;
	}
	gv_gsa_wipe(&gsa);
}

/* By way of the octets of a registration's answer. */
static void register_member(unsigned int id)
{
	struct member *member = &life.members[id];
	uint8_t policy[GV_GSA_BODY_MAX], keys[GV_KD_BODY_MAX];
	uint8_t kwk[GV_KWK_LEN] = {};
	size_t policy_len = sizeof(policy), keys_len = sizeof(keys);
	struct gv_key_path path = {}, got = {};
	struct gv_gsa_receiver receiver = {GV_CAN_REKEY_SA, &got};
	struct gv_gsa gsa;

	assert_true(life.kek->add(life.kek, id));
	assert_true(life.kek->has(life.kek, id));
	if (!life.kek->is_stored(life.kek, id))
		commit(true);
	assert_true(life.kek->is_stored(life.kek, id));
	compose(&gsa);
	gsa.member_id = id;
	gsa.sender_id = 1000 + id;
	life.kek->export(life.kek, id, &gsa, &path);
	assert_true(gsa.has_kek);
	assert_true(
		gv_gsa_encode(&gsa, kwk, policy, &policy_len, keys, &keys_len));
	assert_int_equal(gv_gsa_decode_for(&receiver, policy, policy_len, keys,
					   keys_len, kwk, &gsa),
			 GV_GIKEV2_OK);
	if (!member->sa)
		member->sa = groupvpn_rekey_sa_create("blue", EX_GROUP);
	member->sa->set(member->sa, &gsa, &got);
	assert_true(all_zero(&got, sizeof(got)));
	member->in = true;
	member->epoch = life.epoch;
	receive(member);
	life.registrations++;
}

static bool roll(bool renew, bool works)
{
	struct gv_gsa gsa;

	life.epoch++;
	compose(&gsa);
	if (renew || life.kek->is_stale(life.kek)) {
		assert_true(life.kek->renew(life.kek, LIFETIME));
		life.renewals += works;
	}
	assert_true(life.kek->publish(life.kek, &gsa));
	if (commit(works))
		return true;
	life.epoch--;
	life.failures++;
	return false;
}

static void begin_life(void)
{
	memset(&life, 0, sizeof(life));
	life.epoch = 1;
	open_gcks();
	assert_true(life.kek->is_changed(life.kek));
	assert_true(roll(false, true));
	assert_false(life.kek->is_changed(life.kek));
}

static void end_life(void)
{
	for (unsigned int id = 1; id <= MEMBERS; id++)
		if (life.members[id].sa)
			life.members[id].sa->destroy(life.members[id].sa);
	for (unsigned int i = 0; i < life.givens; i++)
		free(life.given[i]);
	close_gcks();
	unlink(file);
	unlink(key);
}

/* Members that are in have the newest keys, if need be by a registration; the
 * others can open nothing that is sent after they left. */
static void everybody_hears(unsigned int deaf_in)
{
	uint8_t buf[GV_REKEY_MAX];
	chunk_t now = messages(buf);

	for (unsigned int id = 1; id <= MEMBERS; id++) {
		struct member *member = &life.members[id];
		uint32_t before = member->epoch;

		if (!member->sa || random_next() % deaf_in == 0)
			continue;
		member->sa->hear(member->sa, &now, 1);
		receive(member);
		if (!member->in) {
			assert_int_equal(member->epoch, before);
			continue;
		}
		if (member->sa->is_lost(member->sa))
			register_member(id);
		assert_null(member->sa->is_lost(member->sa));
		assert_int_equal(member->epoch, life.epoch);
	}
}

static void leave(unsigned int id)
{
	struct member *member = &life.members[id];

	if (!member->in)
		return;
	member->in = false;
	life.kek->remove(life.kek, id);
	assert_false(life.kek->has(life.kek, id));
	assert_true(life.kek->is_stale(life.kek));
	if (random_next() % 2)
		commit(true);
}

static void random_lives(void **state)
{
	unsigned int members = 0;

	begin_life();
	for (unsigned int round = 0; round < ROUNDS; round++) {
		unsigned int id = 1 + random_next() % MEMBERS;

		switch (random_next() % 8) {
		case 0:
		case 1:
		case 2:
			if (!life.members[id].in)
				register_member(id);
			break;
		case 3:
			leave(id);
			leave(1 + random_next() % MEMBERS);
			break;
		case 4: /* killed: what was not stored is not so */
			close_gcks();
			open_gcks();
			life.kills++;
			for (id = 1; id <= MEMBERS; id++)
				if (!life.members[id].in)
					life.kek->remove(life.kek, id);
			break;
		default:
			while (!roll(random_next() % 4 == 0, random_next() % 4))
				continue;
			everybody_hears(4);
		}
	}
	roll(false, true);
	everybody_hears(MEMBERS * 1000);
	for (unsigned int id = 1; id <= MEMBERS; id++)
		members += life.members[id].in;
	print_message("%u messages, %u KEKs, %u registrations of %u members, "
		      "%u kills, %u changes that failed\n",
		      life.givens, life.renewals, life.registrations, members,
		      life.kills, life.failures);
	assert_true(life.registrations < life.givens);
	end_life();
}

static uint64_t *counters(unsigned int id)
{
	return life.members[id].sa->get_counters(life.members[id].sa);
}

/* What is heard by a member, what it is counted as, and what it leads to. */
static void hears(chunk_t heard, groupvpn_rekey_counter_t counter, bool lost)
{
	struct member *member = &life.members[1];
	uint64_t before[GROUPVPN_REKEY_COUNTERS];
	uint32_t epoch = member->epoch;

	memcpy(before, counters(1), sizeof(before));
	member->sa->hear(member->sa, &heard, 1);
	receive(member);
	before[counter] += 1;
	assert_memory_equal(counters(1), before, sizeof(before));
	assert_int_equal(member->sa->is_lost(member->sa) != NULL, lost);
	if (counter != GROUPVPN_REKEYS_BY_BGP)
		assert_int_equal(member->epoch, epoch);
	/* said again it is nothing new */
	member->sa->hear(member->sa, &heard, 1);
	receive(member);
	assert_memory_equal(counters(1), before, sizeof(before));
}

static void what_is_wrong_is_counted(void **state)
{
	uint8_t older[GV_REKEY_MAX], now[GV_REKEY_MAX], bad[GV_REKEY_MAX];
	chunk_t old, heard;
	size_t first;

	begin_life();
	register_member(1);
	register_member(2);
	roll(false, true);
	old = messages(older);
	hears(old, GROUPVPN_REKEYS_BY_BGP, false);
	roll(false, true);
	heard = messages(now);
	hears(heard, GROUPVPN_REKEYS_BY_BGP, false);

	hears(old, GROUPVPN_REKEYS_REPLAYED, false);
	memcpy(bad, now, heard.len);
	bad[heard.len - 1] ^= 1;
	hears(chunk_create(bad, heard.len), GROUPVPN_REKEYS_FORGED, false);
	bad[heard.len - 1] ^= 1;
	hears(chunk_create(bad, heard.len - 1), GROUPVPN_REKEYS_MALFORMED,
	      false);
	hears(chunk_create(bad, 3), GROUPVPN_REKEYS_MALFORMED, false);
	bad[0] ^= 1;
	hears(chunk_create(bad, heard.len), GROUPVPN_REKEYS_MISSED, true);
	/* the true one makes it good */
	life.members[1].sa->hear(life.members[1].sa, &heard, 1);
	receive(&life.members[1]);
	assert_null(life.members[1].sa->is_lost(life.members[1].sa));

	/* a KEK and data keys: two messages; the one before is a replay then */
	life.kek->remove(life.kek, 2);
	life.members[2].in = false;
	roll(false, true);
	old = heard;
	memcpy(older, now, old.len);
	old.ptr = older;
	heard = messages(now);
	first = gv_rekey_first(now, heard.len);
	assert_true(first < heard.len);
	/* the second alone: something is missing */
	hears(chunk_skip(heard, first), GROUPVPN_REKEYS_MISSED, true);
	life.members[1].sa->hear(life.members[1].sa, &heard, 1);
	receive(&life.members[1]);
	assert_null(life.members[1].sa->is_lost(life.members[1].sa));
	assert_int_equal(life.members[1].epoch, life.epoch);
	hears(old, GROUPVPN_REKEYS_REPLAYED, false);

	/* the one who left has one key of the two messages: none */
	life.members[2].sa->hear(life.members[2].sa, &heard, 1);
	receive(&life.members[2]);
	assert_int_equal(counters(2)[GROUPVPN_REKEYS_BY_BGP], 0);
	assert_int_equal(counters(2)[GROUPVPN_REKEYS_EXCLUDED], 1);
	assert_int_equal(counters(2)[GROUPVPN_REKEYS_MISSED], 1);
	assert_non_null(life.members[2].sa->is_lost(life.members[2].sa));
	end_life();
}

/* A message that is signed by another GCKS with the KEK that members know. */
static void only_the_gcks_signs(void **state)
{
	uint8_t buf[GV_REKEY_MAX], private_key[GV_SIGN_KEY_LEN];
	uint8_t public_key[GV_SIGN_KEY_LEN];
	struct gv_key_path path = {};
	struct gv_gsa gsa, registration;
	size_t len = sizeof(buf);

	begin_life();
	register_member(1);
	compose(&registration);
	life.kek->export(life.kek, 1, &registration, &path);
	compose(&gsa);
	assert_true(gv_sign_key_new(private_key, public_key));
	assert_true(gv_rekey_encode(&registration.kek, private_key, &gsa, buf,
				    &len));
	hears(chunk_create(buf, len), GROUPVPN_REKEYS_NOT_SIGNED, false);
	end_life();
}

/* Neither the GCKS's keys nor a member's, also when they change or are read. */
static void not_in_a_core_dump(void **state)
{
	struct gv_key_path path;
	struct gv_gsa gsa;
	uint8_t leaf[DUMPED_LEN], kek[DUMPED_LEN];

	begin_life();
	for (unsigned int id = 1; id <= MEMBERS; id++)
		register_member(id);
	roll(true, true);
	for (unsigned int restarted = 0; restarted < 2; restarted++) {
		compose(&gsa);
		life.kek->export(life.kek, MEMBERS, &gsa, &path);
		assert_true(path.count);
		invert(leaf, path.keys[0].key);
		invert(kek, gsa.kek.keymat);
		assert_false(is_dumped(leaf));
		assert_false(is_dumped(kek));
		/* nor has the store them in clear */
		assert_true(file_has(file, "rekey_messages", 14));
		assert_false(file_has(file, path.keys[0].key, GV_KWK_LEN));
		assert_false(file_has(file, gsa.kek.keymat, GV_KEK_LEN));
		close_gcks();
		open_gcks();
	}
	end_life();
}

/* An answer that was lost, and is repeated when what came by BGP has overtaken
 * it (RFC 9838, 2.3.3). */
static void a_late_answer_takes_nothing_back(void **state)
{
	struct member *member = &life.members[1];
	struct gv_key_path path = {};
	uint8_t buf[GV_REKEY_MAX];
	uint32_t before, after;
	struct gv_gsa answer;
	unsigned int keys;
	uint64_t *counters;
	chunk_t now, spi;

	begin_life();
	register_member(1);
	compose(&answer);
	life.kek->export(life.kek, 1, &answer, &path);
	assert_true(roll(false, true));
	now = messages(buf);
	member->sa->hear(member->sa, &now, 1);
	receive(member);
	assert_int_equal(member->epoch, life.epoch);
	counters = member->sa->get_counters(member->sa);
	assert_int_equal(counters[GROUPVPN_REKEYS_BY_BGP], 1);
	assert_true(member->sa->describe(member->sa, &spi, &before, &keys));
	assert_true(answer.kek.message_id < before);

	member->sa->set(member->sa, &answer, &path);
	assert_true(member->sa->describe(member->sa, &spi, &after, &keys));
	assert_int_equal(after, before);
	receive(member);
	assert_int_equal(counters[GROUPVPN_REKEYS_BY_BGP], 1);
	assert_null(member->sa->is_lost(member->sa));
	/* and it goes on with what comes next */
	assert_true(roll(true, true));
	now = messages(buf);
	member->sa->hear(member->sa, &now, 1);
	receive(member);
	assert_int_equal(member->epoch, life.epoch);
	end_life();
}

/* Those who join later learn neither the keys nor the KEK of before. */
static void refresh_on_add(void **state)
{
	uint8_t before[GV_REKEY_MAX];
	chunk_t heard;

	begin_life();
	for (unsigned int id = 1; id <= 8; id++)
		register_member(id);
	roll(false, true);
	heard = messages(before);
	life.kek->add(life.kek, 9);
	life.kek->refresh(life.kek, 9);
	assert_true(life.kek->is_stale(life.kek));
	roll(false, true);
	register_member(9);
	assert_int_equal(life.registrations, 9);
	life.members[9].sa->hear(life.members[9].sa, &heard, 1);
	receive(&life.members[9]);
	assert_int_equal(counters(9)[GROUPVPN_REKEYS_BY_BGP], 0);
	everybody_hears(MEMBERS * 1000);
	assert_int_equal(life.registrations, 9);
	end_life();
}

static void hear_both(unsigned int id, chunk_t first, chunk_t second)
{
	struct member *member = &life.members[id];
	chunk_t chains[] = {first, second};

	member->sa->hear(member->sa, chains, 2);
	receive(member);
}

static bool is_lost(unsigned int id)
{
	return life.members[id].sa->is_lost(life.members[id].sa) != NULL;
}

/* What one neighbour is stuck with neither hides what another one brings nor
 * has the member register, and what is good of it does not hide a loss. */
static void neighbours_that_disagree(void **state)
{
	static uint8_t first[GV_REKEY_MAX], second[GV_REKEY_MAX],
		third[GV_REKEY_MAX];
	chunk_t stuck, now, next;

	begin_life();
	for (unsigned int id = 1; id <= 4; id++)
		register_member(id);
	roll(true, true);
	stuck = messages(first);
	roll(true, true);
	now = messages(second);
	for (unsigned int id = 1; id <= 2; id++) {
		hear_both(id, id == 1 ? stuck : now, id == 1 ? now : stuck);
		assert_int_equal(life.members[id].epoch, life.epoch);
		assert_false(is_lost(id));
	}

	/* one that comes later knows nothing of what is old */
	register_member(5);
	hear_both(5, stuck, now);
	assert_int_equal(life.members[5].epoch, life.epoch);
	assert_int_equal(counters(5)[GROUPVPN_REKEYS_MISSED], 2);
	assert_false(is_lost(5));
	/* said again, by whomever, it is nothing new */
	hear_both(5, now, stuck);
	assert_int_equal(counters(5)[GROUPVPN_REKEYS_MISSED], 2);
	assert_false(is_lost(5));
	/* alone it is what there is */
	hear_both(5, stuck, chunk_empty);
	assert_true(is_lost(5));
	hear_both(5, now, stuck);
	register_member(5);
	assert_false(is_lost(5));

	/* what excludes us is news, however good the other one was */
	life.kek->remove(life.kek, 1);
	roll(false, true);
	next = messages(third);
	hear_both(1, now, next);
	assert_true(is_lost(1));
	assert_int_equal(life.members[1].epoch, life.epoch - 1);
	hear_both(2, next, now);
	assert_false(is_lost(2));
	assert_int_equal(life.members[2].epoch, life.epoch);
	end_life();
}

/* Who came after a KEK was replaced misses nothing of the messages that say so,
 * as long as the last of them is one that it has done with. */
static void what_is_all_old_is_not_missed(void **state)
{
	static uint8_t first[GV_REKEY_MAX], second[GV_REKEY_MAX];
	struct member *late = &life.members[3];
	chunk_t old, now;

	begin_life();
	register_member(1);
	register_member(2);
	life.kek->remove(life.kek, 2);
	life.members[2].in = false;
	roll(false, true);
	old = messages(first);
	assert_true(gv_rekey_first(first, old.len) < old.len);
	register_member(3);
	roll(false, true);
	now = messages(second);
	late->sa->hear(late->sa, &now, 1);
	receive(late);
	assert_int_equal(late->epoch, life.epoch);
	late->sa->hear(late->sa, &old, 1);
	receive(late);
	assert_int_equal(counters(3)[GROUPVPN_REKEYS_REPLAYED], 2);
	assert_int_equal(counters(3)[GROUPVPN_REKEYS_MISSED], 0);
	assert_false(is_lost(3));
	end_life();
}

/* One neighbour has the message of the new KEK, another one only what follows:
 * in whatever order they are told of, that is all. */
static void neighbours_that_have_a_part_each(void **state)
{
	static uint8_t buf[GV_REKEY_MAX];
	chunk_t heard, kek, data;
	size_t first;

	begin_life();
	register_member(1);
	register_member(2);
	register_member(3);
	life.kek->remove(life.kek, 3);
	roll(false, true);
	heard = messages(buf);
	/* the new KEK, and data keys with it */
	data = heard;
	while ((first = gv_rekey_first(data.ptr, data.len)) < data.len)
		data = chunk_skip(data, first);
	kek = chunk_create(heard.ptr, heard.len - data.len);
	assert_true(kek.len);

	hear_both(1, kek, data);
	assert_int_equal(life.members[1].epoch, life.epoch);
	assert_false(is_lost(1));
	hear_both(2, data, kek);
	assert_int_equal(life.members[2].epoch, life.epoch);
	assert_false(is_lost(2));
	end_life();
}

/* What is wrong is told of once, however many things are wrong in turn. */
static void what_is_wrong_is_told_of_once(void **state)
{
	uint8_t older[GV_REKEY_MAX], now[GV_REKEY_MAX], bad[GV_REKEY_MAX];
	chunk_t old, heard, forged;
	struct member *member;

	begin_life();
	register_member(1);
	member = &life.members[1];
	roll(false, true);
	old = messages(older);
	hears(old, GROUPVPN_REKEYS_BY_BGP, false);
	roll(false, true);
	heard = messages(now);
	member->sa->hear(member->sa, &heard, 1);
	receive(member);
	memcpy(bad, now, heard.len);
	bad[heard.len - 1] ^= 1;
	forged = chunk_create(bad, heard.len);

	told = 0;
	for (unsigned int i = 0; i < 10; i++) {
		member->sa->hear(member->sa, &old, 1);
		receive(member);
		member->sa->hear(member->sa, &forged, 1);
		receive(member);
	}
	assert_int_equal(told, 2);
	end_life();
}

/* More evictions than a message has room for: the others register. */
static void too_many_evictions(void **state)
{
	static uint8_t buf[GV_REKEY_MAX];

	begin_life();
	for (unsigned int id = 1; id <= 1000; id++)
		assert_true(life.kek->add(life.kek, id));
	commit(true);
	register_member(1);
	/* these take several parts */
	for (unsigned int id = 7; id <= 1000; id += 64)
		life.kek->remove(life.kek, id);
	roll(false, true);
	assert_false(life.kek->is_broken(life.kek));
	assert_true(life.kek->get_messages(life.kek, buf) > GV_REKEY_PART_MAX);
	everybody_hears(MEMBERS * 1000);
	assert_int_equal(life.registrations, 1);
	/* which they do for those who come late, too */
	roll(true, true);
	assert_true(life.kek->get_messages(life.kek, buf) > GV_REKEY_PART_MAX);

	for (unsigned int id = 7; id <= 1000; id += 4)
		life.kek->remove(life.kek, id);
	roll(false, true);
	assert_true(life.kek->is_broken(life.kek));
	everybody_hears(MEMBERS * 1000);
	assert_int_equal(life.registrations, 2);
	assert_true(life.kek->get_messages(life.kek, buf) <= GV_REKEY_PART_MAX);
	roll(true, true);
	assert_false(life.kek->is_broken(life.kek));
	everybody_hears(MEMBERS * 1000);
	assert_int_equal(life.registrations, 2);
	end_life();
}

static void sql(const char *text)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", text, sqlite3_errmsg(db));
	sqlite3_close(db);
}

/* Whoever has the store but not its key cannot have a Message-ID given again,
 * nor put another key into the tree. */
static void the_store_is_authentic(void **state)
{
	static const struct {
		const char *change, *back;
	} changes[] = {
		{"UPDATE rekey_sas SET message_id = message_id - 1",
		 "UPDATE rekey_sas SET message_id = message_id + 1"},
		{"UPDATE rekey_sas SET stale = 1 - stale",
		 "UPDATE rekey_sas SET stale = 1 - stale"},
		{"UPDATE rekey_sas SET depth = depth + 1",
		 "UPDATE rekey_sas SET depth = depth - 1"},
		{"UPDATE tree_keys SET member_id = 9 WHERE member_id = 2",
		 "UPDATE tree_keys SET member_id = 2 WHERE member_id = 9"},
		{"UPDATE tree_keys SET place = place + 8 WHERE place = 1",
		 "UPDATE tree_keys SET place = 1 WHERE place = 9"},
	};

	begin_life();
	for (unsigned int id = 1; id <= 4; id++)
		register_member(id);
	roll(true, true);
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		close_gcks();
		sql(changes[i].change);
		life.store = groupvpn_store_create_sqlite(file, key);
		assert_true(life.store->open(life.store));
		life.kek = groupvpn_kek_create("blue", EX_GROUP, life.store);
		assert_false(life.kek->start(life.kek, LIFETIME));
		close_gcks();
		sql(changes[i].back);
		open_gcks();
	}
	end_life();
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* A store that is not there would not be measured. */
static void costs(void **state)
{
	static const unsigned int sizes[] = {10, 100, 1000, 10000};
	uint8_t buf[GV_REKEY_MAX];
	unsigned int id = 0;
	double start, joined;

	begin_life();
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		unsigned int from = id;

		start = seconds();
		while (id < sizes[i]) {
			assert_true(life.kek->add(life.kek, ++id));
			commit(true);
		}
		joined = (seconds() - start) / (id - from);
		roll(false, true);
		life.kek->remove(life.kek, id / 2);
		start = seconds();
		roll(false, true);
		print_message("%u members: %.0f us for each that joins, "
			      "%.1f ms and %zu octets for an eviction\n",
			      id, joined * 1e6, (seconds() - start) * 1e3,
			      life.kek->get_messages(life.kek, buf));
		assert_false(life.kek->is_broken(life.kek));
		life.kek->add(life.kek, id / 2);
		commit(true);
	}
	start = seconds();
	close_gcks();
	open_gcks();
	print_message("%.0f ms for a restart\n", (seconds() - start) * 1e3);
	assert_true(life.kek->has(life.kek, 10000));
	end_life();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_lives),
		cmocka_unit_test(what_is_wrong_is_counted),
		cmocka_unit_test(only_the_gcks_signs),
		cmocka_unit_test(not_in_a_core_dump),
		cmocka_unit_test(a_late_answer_takes_nothing_back),
		cmocka_unit_test(refresh_on_add),
		cmocka_unit_test(neighbours_that_disagree),
		cmocka_unit_test(what_is_all_old_is_not_missed),
		cmocka_unit_test(neighbours_that_have_a_part_each),
		cmocka_unit_test(what_is_wrong_is_told_of_once),
		cmocka_unit_test(too_many_evictions),
		cmocka_unit_test(the_store_is_authentic),
		cmocka_unit_test(costs),
	};
	int failed;

	random_seed();
	if (!mkdtemp(dir) || !library_init(NULL, "test-kek"))
		return 1;
	snprintf(file, sizeof(file), "%s/gcks.db", dir);
	snprintf(key, sizeof(key), "%s/gcks.key", dir);
	snprintf(spare, sizeof(spare), "%s/spare", dir);
	dbg = count;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	library_deinit();
	return failed;
}
