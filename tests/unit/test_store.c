/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The GCKS's store, on real files: what is committed is there after a kill at
 * any moment, and all or nothing of it; a store that somebody has moved, bent
 * or damaged is refused and left as it is.
 */
#include "unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <sqlite3.h>

#include "groupvpn_certificates.h"
#include "groupvpn_store.h"

#define KILLS 60
#define DAMAGES 400
#define BENCH 2000

static char dir[] = "/tmp/groupvpn-store-XXXXXX";
static char file[64], key[64], spare[64];

/* What was logged since it was last emptied. */
static char logged[4096];

static void log_to_buffer(debug_t group, level_t level, char *fmt, ...)
{
	size_t len = strlen(logged);
	va_list args;

	if (level > 1)
		return;
	va_start(args, fmt);
	vsnprintf(logged + len, sizeof(logged) - len, fmt, args);
	va_end(args);
}

/* All that a GCKS has of a group. */
struct group {
	groupvpn_store_group_t state;
	groupvpn_sa_table_t *sas;
	groupvpn_ike_index_t *index;
	groupvpn_registrations_t *registrations;
	groupvpn_evictions_t *evictions;
};

static struct group group_new(void)
{
	groupvpn_ike_index_t *index = groupvpn_ike_index_create();

	return (struct group){
		.sas = groupvpn_sa_table_create(),
		.index = index,
		.registrations = groupvpn_registrations_create(0, index),
		.evictions = groupvpn_evictions_create(),
	};
}

static void group_free(struct group *group)
{
	group->sas->destroy(group->sas);
	group->registrations->destroy(group->registrations);
	group->index->destroy(group->index);
	group->evictions->destroy(group->evictions);
}

static status_t load(groupvpn_store_t *store, uint32_t id, struct group *group)
{
	*group = group_new();
	return store->load(store, id, &group->state, group->sas,
			   group->registrations, group->evictions);
}

static groupvpn_store_t *open_store(void)
{
	groupvpn_store_t *store = groupvpn_store_create_sqlite(file, key);

	logged[0] = '\0';
	if (store->open(store))
		return store;
	store->destroy(store);
	return NULL;
}

static groupvpn_store_group_t example_state(void)
{
	groupvpn_store_group_t state = {
		.id = EX_GROUP,
		.name = "blue",
		.route_epoch = EX_ROUTE_EPOCH,
		.first_epoch = 5,
		.sender_id = 64,
		.roll = groupvpn_now() + 2000000,
		.admission = 0xfedcba98,
	};

	ramp(state.route_secret, EX_ROUTE_SECRET_FIRST);
	return state;
}

static groupvpn_sa_t example_sa(uint32_t epoch)
{
	groupvpn_sa_t sa = {
		.sa =
			{
				.epoch = epoch,
				.tag = EX_TAG + epoch,
				.lifetime = 3600,
				.esp = {.encr = 20, .key_bits = 256},
			},
		.expires = groupvpn_now() + 3000000,
		.retires = GROUPVPN_NEVER,
	};

	ramp(sa.sa.gsk, epoch);
	return sa;
}

static groupvpn_registration_t example_member(uint16_t member_id,
					      uint32_t sender_id)
{
	char name[64];

	snprintf(name, sizeof(name), "site%u.example.net", member_id);
	return (groupvpn_registration_t){
		.identity = identification_create_from_string(name),
		.member_id = member_id,
		.sender_id = sender_id,
		.class = AUTH_CLASS_PUBKEY,
	};
}

static void save_member(groupvpn_store_t *store, uint16_t member_id,
			uint32_t sender_id)
{
	groupvpn_registration_t member = example_member(member_id, sender_id);

	store->save_member(store, EX_GROUP, &member);
	member.identity->destroy(member.identity);
}

/* Two epochs, two members and an eviction. */
static void save_example(groupvpn_store_t *store)
{
	groupvpn_store_group_t state = example_state();
	groupvpn_registration_t gone = example_member(3, 0);
	groupvpn_sa_t old = example_sa(6), sa = example_sa(7);
	groupvpn_eviction_t eviction = {
		.identity = gone.identity,
		.why = "lost",
		.since = groupvpn_now() - 5000,
	};

	store->begin(store, true);
	store->save_group(store, &state);
	store->save_epoch(store, EX_GROUP, &old, groupvpn_now() + 25000);
	store->save_epoch(store, EX_GROUP, &sa, sa.retires);
	save_member(store, 1, 17);
	save_member(store, 2, 70);
	store->save_eviction(store, EX_GROUP, gone.identity, &eviction);
	assert_true(store->commit(store));
	gone.identity->destroy(gone.identity);
}

static void sql(const char *text)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", text, sqlite3_errmsg(db));
	sqlite3_close(db);
}

static size_t slurp(const char *path, uint8_t *buf, size_t size)
{
	FILE *in = fopen(path, "r");
	size_t len;

	assert_non_null(in);
	len = fread(buf, 1, size, in);
	fclose(in);
	return len;
}

static void spit(const char *path, const uint8_t *buf, size_t len)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	assert_int_equal(fwrite(buf, 1, len, out), len);
	fclose(out);
	chmod(path, 0600);
}

static int fresh(void **state)
{
	struct dirent *entry;
	char path[512];
	DIR *all;

	all = opendir(dir);
	while (all && (entry = readdir(all))) {
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		unlink(path);
	}
	if (all)
		closedir(all);
	rmdir(dir);
	return 0;
}

/* within a second */
static void assert_near(uint64_t got, uint64_t want)
{
	assert_in_range(got, want - 1000, want + 1000);
}

/* Neither in the file nor in its journal. */
static bool store_has(const void *octets, size_t len)
{
	char journal[80];

	snprintf(journal, sizeof(journal), "%s-wal", file);
	return file_has(file, octets, len) || file_has(journal, octets, len);
}

static void secrets_are_not_in_clear(void **state)
{
	groupvpn_store_group_t group = example_state();
	groupvpn_store_t *store = open_store();
	groupvpn_sa_t sa = example_sa(7);

	assert_non_null(store);
	save_example(store);
	for (unsigned int closed = 0; closed < 2; closed++) {
		assert_true(store_has("blue", 4));
		assert_false(store_has(sa.sa.gsk, GV_SECRET_LEN));
		assert_false(store_has(group.route_secret, GV_SECRET_LEN));
		if (!closed)
			store->destroy(store);
	}
}

static void everything_comes_back(void **state)
{
	groupvpn_store_group_t want = example_state();
	groupvpn_store_t *store = open_store();
	identification_t *identity;
	groupvpn_registration_t *entry;
	groupvpn_sa_t *sa, old = example_sa(6);
	struct group group;
	struct stat st;

	assert_non_null(store);
	assert_int_equal(load(store, EX_GROUP, &group), NOT_FOUND);
	group_free(&group);
	save_example(store);
	store->destroy(store);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(key, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);

	store = open_store();
	assert_non_null(store);
	assert_int_equal(load(store, EX_GROUP, &group), SUCCESS);
	assert_string_equal(group.state.name, "blue");
	assert_int_equal(group.state.route_epoch, EX_ROUTE_EPOCH);
	assert_memory_equal(group.state.route_secret, want.route_secret,
			    GV_SECRET_LEN);
	assert_int_equal(group.state.first_epoch, 5);
	assert_int_equal(group.state.sender_id, 64);
	assert_near(group.state.roll, want.roll);
	assert_int_equal(group.state.admission, want.admission);

	sa = group.sas->find(group.sas, 6);
	assert_non_null(sa);
	assert_memory_equal(&sa->sa, &old.sa, sizeof(sa->sa));
	assert_near(sa->expires, old.expires);
	assert_near(sa->retires, groupvpn_now() + 25000);
	sa = group.sas->newest(group.sas);
	assert_int_equal(sa->sa.epoch, 7);
	assert_true(sa->retires == GROUPVPN_NEVER);
	assert_true(store->has_tag(store, EX_TAG + 7));
	assert_false(store->has_tag(store, EX_TAG + 8));

	entry = group.registrations->find(group.registrations, 2);
	assert_non_null(entry);
	assert_int_equal(entry->sender_id, 70);
	assert_int_equal(entry->class, AUTH_CLASS_PUBKEY);
	assert_int_equal(entry->ike_sa, 0);
	identity = identification_create_from_string("site2.example.net");
	assert_ptr_equal(
		group.registrations->get(group.registrations, identity, 0),
		entry);
	identity->destroy(identity);
	/* 17 and 64 are behind us, 70 is somebody's */
	entry = group.registrations->find(group.registrations, 1);
	for (uint32_t id = 65; id <= 75; id++) {
		if (id == 70)
			continue;
		assert_true(group.registrations->allot(group.registrations,
						       entry, 0));
		assert_int_equal(entry->sender_id, id);
	}

	assert_int_equal(group.evictions->get_count(group.evictions), 1);
	identity = identification_create_from_string("site3.example.net");
	assert_non_null(group.evictions->find(group.evictions, identity));
	assert_near(
		groupvpn_now() -
			group.evictions->find(group.evictions, identity)->since,
		5000);
	identity->destroy(identity);
	group_free(&group);
	store->destroy(store);
}

static void who_is_away_keeps_its_sender_id(void **state)
{
	groupvpn_store_t *store = open_store();
	struct group group;
	groupvpn_registration_t *away, *other;
	identification_t *identity;

	save_example(store);
	assert_int_equal(load(store, EX_GROUP, &group), SUCCESS);
	away = group.registrations->find(group.registrations, 2);
	assert_int_equal(away->ike_sa, 0);
	assert_int_equal(away->sender_id, 70);
	group.registrations->restart(group.registrations);
	assert_int_equal(away->sender_id, 70);
	identity = identification_create_from_string("site9.example.net");
	other = group.registrations->get(group.registrations, identity, 0);
	identity->destroy(identity);
	for (int i = 0; i < 100; i++) {
		assert_true(group.registrations->allot(group.registrations,
						       other, 0));
		assert_int_not_equal(other->sender_id, 70);
	}
	/* without a Sender-ID it keeps none from anybody; 17 is member 1's */
	away->sender_id = 0;
	group.registrations->restart(group.registrations);
	other->last_sender_id = 0;
	for (int i = 0; i < 69; i++) {
		assert_true(group.registrations->allot(group.registrations,
						       other, 0));
	}
	assert_int_equal(other->sender_id, 70);
	group_free(&group);
	store->destroy(store);
}

/* A certificate that nobody has to trust. */
static certificate_t *make_certificate(const char *name)
{
	EVP_PKEY *pkey = EVP_EC_gen("P-256");
	X509 *x509 = X509_new();
	X509_NAME *subject = X509_get_subject_name(x509);
	certificate_t *cert;
	uint8_t *der = NULL;
	int len;

	X509_set_version(x509, 2);
	X509_gmtime_adj(X509_getm_notBefore(x509), 0);
	X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
				   (const uint8_t *)name, -1, -1, 0);
	X509_set_issuer_name(x509, subject);
	X509_set_pubkey(x509, pkey);
	assert_true(X509_sign(x509, pkey, EVP_sha256()) > 0);
	len = i2d_X509(x509, &der);
	cert = lib->creds->create(lib->creds, CRED_CERTIFICATE, CERT_X509,
				  BUILD_BLOB_ASN1_DER, chunk_create(der, len),
				  BUILD_END);
	assert_non_null(cert);
	OPENSSL_free(der);
	X509_free(x509);
	EVP_PKEY_free(pkey);
	return cert;
}

/* Members are checked by their certificates while they are away. */
static void certificates_come_back(void **state)
{
	groupvpn_store_t *store = open_store();
	groupvpn_registration_t member = example_member(4, 4), *entry;
	certificate_t *cert = make_certificate("site4"),
		      *ca = make_certificate("sub CA");
	struct group group;

	member.auth = auth_cfg_create();
	member.auth->add(member.auth, AUTH_RULE_IM_CERT, ca->get_ref(ca));
	member.auth->add(member.auth, AUTH_RULE_SUBJECT_CERT,
			 cert->get_ref(cert));
	save_example(store);
	store->begin(store, true);
	store->save_member(store, EX_GROUP, &member);
	assert_true(store->commit(store));

	assert_int_equal(load(store, EX_GROUP, &group), SUCCESS);
	entry = group.registrations->find(group.registrations, 4);
	assert_non_null(entry->auth);
	assert_false(entry->remembered);
	assert_true(cert->equals(cert, entry->certificate));
	assert_true(cert->equals(cert, groupvpn_certificate(entry->auth)));
	assert_true(ca->equals(
		ca, entry->auth->get(entry->auth, AUTH_RULE_IM_CERT)));
	/* those of others are not known */
	entry = group.registrations->find(group.registrations, 1);
	assert_null(entry->auth);
	assert_true(entry->remembered);
	group_free(&group);

	/* one that authenticates otherwise has none any more */
	member.auth->destroy(member.auth);
	member.auth = NULL;
	store->begin(store, true);
	store->save_member(store, EX_GROUP, &member);
	assert_true(store->commit(store));
	assert_int_equal(load(store, EX_GROUP, &group), SUCCESS);
	assert_null(group.registrations->find(group.registrations, 4)->auth);
	group_free(&group);

	/* nor has one whose certificate is none; it is told of */
	store->destroy(store);
	sql("UPDATE members SET certificates = x'300a0102' "
	    "WHERE member_id = 4");
	store = open_store();
	logged[0] = '\0';
	assert_int_equal(load(store, EX_GROUP, &group), SUCCESS);
	assert_null(group.registrations->find(group.registrations, 4)->auth);
	assert_non_null(strstr(logged, "can not be read, it is checked when"));
	group_free(&group);
	store->destroy(store);
	member.identity->destroy(member.identity);
	cert->destroy(cert);
	ca->destroy(ca);
}

/* What the GCKS lets one do often, and not always. */
static void a_share_is_used_up_and_comes_back(void **state)
{
	groupvpn_share_t share = {};
	uint64_t now = 1000000;

	for (int i = 0; i < 3; i++) {
		assert_true(groupvpn_share_due(&share, 3, 1000) <= now);
		groupvpn_share_use(&share, now, 3, 1000);
	}
	assert_int_equal(groupvpn_share_due(&share, 3, 1000), now + 1000);
	/* who goes on waits no longer than an interval, each time anew */
	for (int i = 0; i < 100; i++) {
		now += 10;
		groupvpn_share_use(&share, now, 3, 1000);
		assert_int_equal(groupvpn_share_due(&share, 3, 1000),
				 now + 1000);
	}
	now += 1000;
	assert_true(groupvpn_share_due(&share, 3, 1000) <= now);
	groupvpn_share_use(&share, now, 3, 1000);
	assert_int_equal(groupvpn_share_due(&share, 3, 1000), now + 1000);
	now += 3000;
	for (int i = 0; i < 3; i++) {
		assert_true(groupvpn_share_due(&share, 3, 1000) <= now);
		groupvpn_share_use(&share, now, 3, 1000);
	}
	assert_true(groupvpn_share_due(&share, 3, 1000) > now);
}

static void a_sender_id_out_of_reach_is_not_believed(void **state)
{
	groupvpn_store_t *store = open_store();
	struct group group;
	groupvpn_registration_t *entry;
	identification_t *identity;

	/* 64 are behind us */
	save_example(store);
	assert_int_equal(load(store, EX_GROUP, &group), SUCCESS);
	identity = identification_create_from_string("site9.example.net");
	entry = group.registrations->get(group.registrations, identity, 0);
	identity->destroy(identity);
	assert_true(group.registrations->allot(group.registrations, entry,
					       GV_SENDER_ID_MAX));
	assert_int_equal(entry->sender_id, 65);
	assert_true(group.registrations->allot(group.registrations, entry,
					       UINT32_MAX));
	assert_int_equal(entry->sender_id, 66);
	assert_true(group.registrations->allot(group.registrations, entry,
					       66 + GROUPVPN_HELD_MAX + 1));
	assert_int_equal(entry->sender_id, 67);
	assert_true(group.registrations->allot(group.registrations, entry,
					       67 + GROUPVPN_HELD_MAX));
	assert_int_equal(entry->sender_id, 67 + GROUPVPN_HELD_MAX);
	/* what it was given does not take us further */
	assert_true(group.registrations->allot(group.registrations, entry,
					       67 + GROUPVPN_HELD_MAX + 100));
	assert_int_equal(entry->sender_id, 68 + GROUPVPN_HELD_MAX);
	group_free(&group);
	store->destroy(store);
}

static void times_are_bounded_whatever_the_clock_did(void **state)
{
	groupvpn_store_t *store = open_store();
	groupvpn_sa_t sa = example_sa(7), *got;
	struct group group;

	/* as if the clock had been set back by a day since */
	save_example(store);
	store->begin(store, true);
	sa.expires += 86400000;
	store->save_epoch(store, EX_GROUP, &sa, sa.expires);
	assert_true(store->commit(store));
	assert_int_equal(load(store, EX_GROUP, &group), SUCCESS);
	got = group.sas->find(group.sas, 7);
	assert_near(got->expires, groupvpn_now() + 3600000);
	assert_near(got->retires, groupvpn_now() + 3600000);
	group_free(&group);
	/* and ahead, beyond the end of all epochs */
	store->begin(store, true);
	sa.expires = groupvpn_now();
	store->save_epoch(store, EX_GROUP, &sa, GROUPVPN_NEVER);
	sa = example_sa(6);
	store->save_epoch(store, EX_GROUP, &sa, groupvpn_now());
	assert_true(store->commit(store));
	store->destroy(store);
	store = open_store();
	assert_false(store->has_tag(store, EX_TAG + 7));
	assert_int_equal(load(store, EX_GROUP, &group), SUCCESS);
	assert_null(group.sas->newest(group.sas));
	assert_non_null(group.registrations->find(group.registrations, 1));
	group_free(&group);
	store->destroy(store);
}

static void secrets_can_not_be_moved_nor_their_rows_changed(void **state)
{
	static const char *moves[] = {
		"UPDATE epochs SET secret = (SELECT secret FROM epochs "
		"WHERE epoch = 6)",
		"UPDATE epochs SET epoch = epoch + 1 WHERE epoch = 7",
		"UPDATE groups SET route_epoch = route_epoch + 1",
		"UPDATE groups SET id = 101; UPDATE epochs SET group_id = 101",
		"UPDATE groups SET route_secret = x'00'",
		"UPDATE epochs SET secret = x''",
		"UPDATE groups SET sender_id = 0",
		"UPDATE groups SET first_epoch = first_epoch - 1",
		"UPDATE epochs SET tag = tag + 1",
		"UPDATE epochs SET expires = expires + 1",
	};
	uint8_t buf[65536];
	groupvpn_store_t *store = open_store();
	struct group group;
	size_t len;

	save_example(store);
	store->destroy(store);
	len = slurp(file, buf, sizeof(buf));
	for (unsigned int i = 0; i < ARRAY_LEN(moves); i++) {
		sql(moves[i]);
		store = open_store();
		assert_non_null(store);
		assert_int_equal(load(store, i == 3 ? 101 : EX_GROUP, &group),
				 FAILED);
		assert_non_null(strstr(logged, "damaged"));
		group_free(&group);
		store->destroy(store);
		spit(file, buf, len);
	}
}

static void values_out_of_range_are_refused(void **state)
{
	static const char *values[] = {
		"UPDATE epochs SET tag = 9",
		"UPDATE groups SET id = -1",
		"UPDATE groups SET sender_id = 0x1000000",
		"UPDATE members SET member_id = 65536 WHERE member_id = 1",
		"UPDATE store SET id = x'00'",
	};
	char text[256];
	uint8_t buf[65536];
	groupvpn_store_t *store = open_store();
	size_t len;

	save_example(store);
	store->destroy(store);
	len = slurp(file, buf, sizeof(buf));
	for (unsigned int i = 0; i < ARRAY_LEN(values); i++) {
		snprintf(text, sizeof(text),
			 "PRAGMA ignore_check_constraints = 1; %s", values[i]);
		sql(text);
		assert_null(open_store());
		assert_non_null(strstr(logged, "it is damaged"));
		spit(file, buf, len);
	}
}

/* A store of the version before is upgraded and keeps all it has. */
static void an_older_store_is_upgraded(void **state)
{
	static const char *unknown[] = {
		"PRAGMA user_version = -1",
		"PRAGMA user_version = 0",
		"PRAGMA user_version = 5",
	};
	groupvpn_store_t *store = open_store();
	struct group group;
	uint8_t before[65536], after[65536];
	size_t len;

	save_example(store);
	store->destroy(store);
	sql("DROP TABLE rekey_sas; DROP TABLE tree_keys; "
	    "DROP TABLE rekey_messages; "
	    "ALTER TABLE groups DROP COLUMN admission; "
	    "ALTER TABLE members DROP COLUMN certificates; "
	    "PRAGMA user_version = 1");
	store = open_store();
	assert_non_null(store);
	assert_non_null(strstr(logged, "upgraded from version 1 to 4"));
	assert_int_equal(load(store, EX_GROUP, &group), SUCCESS);
	assert_int_equal(group.sas->newest(group.sas)->sa.epoch, 7);
	assert_int_equal(group.state.admission, 0);
	group_free(&group);
	store->begin(store, true);
	store->remove_kek(store, EX_GROUP);
	assert_true(store->commit(store));
	store->destroy(store);
	store = open_store();
	assert_non_null(store);
	assert_null(strstr(logged, "upgraded"));
	store->destroy(store);

	/* one that is not what it says is not touched */
	sql("PRAGMA user_version = 1");
	len = slurp(file, before, sizeof(before));
	assert_null(open_store());
	assert_non_null(strstr(logged, "can not be upgraded"));
	assert_int_equal(slurp(file, after, sizeof(after)), len);
	assert_memory_equal(after, before, len);
	for (unsigned int i = 0; i < ARRAY_LEN(unknown); i++) {
		sql(unknown[i]);
		assert_null(open_store());
		assert_non_null(strstr(logged, "knows versions up to 4"));
	}
}

static void one_store_has_one_user(void **state)
{
	groupvpn_store_t *store = open_store();

	assert_null(open_store());
	assert_non_null(strstr(logged, "another process uses it"));
	/* nor has that done it any harm, its log was still empty */
	save_example(store);
	store->destroy(store);
	store = open_store();
	assert_non_null(store);
	assert_true(store->has_tag(store, EX_TAG + 7));
	store->destroy(store);
}

static void a_store_that_is_gone_takes_nothing(void **state)
{
	groupvpn_store_t *store = open_store();
	groupvpn_store_group_t want = example_state();

	save_example(store);
	assert_int_equal(rename(file, spare), 0);
	logged[0] = '\0';
	for (int i = 0; i < 2; i++) {
		store->begin(store, true);
		store->save_group(store, &want);
		assert_false(store->commit(store));
	}
	assert_non_null(strstr(logged, "removed or replaced"));
	assert_null(strstr(strstr(logged, "removed") + 1, "removed"));
	assert_int_equal(rename(spare, file), 0);
	store->begin(store, true);
	store->save_group(store, &want);
	assert_true(store->commit(store));
	assert_non_null(strstr(logged, "can be written again"));
	store->destroy(store);
}

/* Writes changes that each touch two tables and tells of each that was
 * committed, until it is killed. */
static void write_changes(int pipe, uint32_t from)
{
	groupvpn_store_t *store = open_store();
	groupvpn_store_group_t want = example_state();

	if (!store)
		_exit(1);
	for (uint32_t n = from;; n++) {
		store->begin(store, n % 4 == 0);
		want.sender_id = n;
		store->save_group(store, &want);
		save_member(store, 1 + n % 100, n);
		if (!store->commit(store) || write(pipe, &n, sizeof(n)) < 0)
			_exit(1);
	}
}

static void a_kill_loses_nothing(void **state)
{
	uint32_t last = 0, n;
	struct group group;
	groupvpn_store_t *store;
	groupvpn_registration_t *entry;
	int fds[2], status;
	pid_t child;

	srandom(9838);
	for (int i = 0; i < KILLS; i++) {
		assert_int_equal(pipe(fds), 0);
		child = fork();
		if (!child) {
			close(fds[0]);
			write_changes(fds[1], last + 1);
		}
		close(fds[1]);
		usleep(random() % 20000);
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
		assert_true(WIFSIGNALED(status));
		while (read(fds[0], &n, sizeof(n)) == sizeof(n))
			last = n;
		close(fds[0]);

		store = open_store();
		if (!store)
			fail_msg("after kill %d: %s", i, logged);
		if (load(store, EX_GROUP, &group) == SUCCESS) {
			/* one more may have been committed than told of */
			n = group.state.sender_id;
			assert_in_range(n, last, last + 1);
			entry = group.registrations->find(group.registrations,
							  1 + n % 100);
			assert_int_equal(entry->sender_id, n);
			last = n;
		} else {
			assert_int_equal(last, 0);
		}
		group_free(&group);
		store->destroy(store);
	}
	assert_true(last > KILLS);
}

static void damage_does_no_harm(void **state)
{
	uint8_t good[65536], bad[65536], after[65536];
	groupvpn_store_t *store = open_store();
	unsigned int refused = 0;
	struct group group;
	size_t len, bad_len;

	save_example(store);
	store->destroy(store);
	len = slurp(file, good, sizeof(good));
	srandom(9838);
	for (int i = 0; i < DAMAGES; i++) {
		memcpy(bad, good, len);
		bad_len = i % 8 ? len : (size_t)random() % len;
		for (int flips = i % 8 ? 1 + i % 3 : 0; flips; flips--)
			bad[random() % len] ^= 1 << random() % 8;
		spit(file, bad, bad_len);
		store = open_store();
		if (store) {
			load(store, EX_GROUP, &group);
			group_free(&group);
			store->destroy(store);
			continue;
		}
		refused++;
		assert_non_null(strstr(logged, file));
		assert_int_equal(slurp(file, after, sizeof(after)), bad_len);
		assert_memory_equal(after, bad, bad_len);
	}
	print_message("%u of %u damaged stores refused, the others read\n",
		      refused, DAMAGES);
	assert_true(refused > 0);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* What threads that register members do, the lock being the groups'. */
static struct {
	pthread_mutex_t mutex;
	groupvpn_store_t *store;
	unsigned int next;
} many = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void *register_many(void *data)
{
	bool *ok = data;
	uint64_t ticket = 0;
	unsigned int i;

	*ok = true;
	while (*ok) {
		pthread_mutex_lock(&many.mutex);
		i = many.next++;
		if (i < BENCH) {
			many.store->begin(many.store, false);
			save_member(many.store, 10 + i, 100 + i);
			*ok = many.store->commit(many.store);
			ticket = many.store->defer(many.store);
		}
		pthread_mutex_unlock(&many.mutex);
		if (i >= BENCH)
			break;
		*ok = *ok && many.store->sync(many.store, ticket) &&
		      many.store->check(many.store, ticket) == SUCCESS;
	}
	return NULL;
}

/* Threads that wait for the disk do so together. */
static void many_wait_for_the_disk_once(void **state)
{
	pthread_t threads[16];
	bool ok[ARRAY_LEN(threads)];
	struct group group;
	double start;

	for (unsigned int n = 1; n <= ARRAY_LEN(threads); n *= 4) {
		fresh(NULL);
		many.store = open_store();
		many.next = 0;
		save_example(many.store);
		start = seconds();
		for (unsigned int i = 0; i < n; i++)
			assert_int_equal(pthread_create(&threads[i], NULL,
							register_many, &ok[i]),
					 0);
		for (unsigned int i = 0; i < n; i++) {
			pthread_join(threads[i], NULL);
			assert_true(ok[i]);
		}
		print_message("%.0f us for each of %u threads' changes\n",
			      (seconds() - start) / BENCH * 1e6, n);
		/* nothing to wait for */
		assert_true(many.store->sync(many.store, 0));
		assert_int_equal(load(many.store, EX_GROUP, &group), SUCCESS);
		assert_non_null(group.registrations->find(group.registrations,
							  10 + BENCH - 1));
		group_free(&group);
		many.store->destroy(many.store);
	}
}

/* The last file of that name that was opened: the store's, not SQLite's. */
static int last_opened(const char *suffix)
{
	char name[32], path[256];
	int last = -1;
	ssize_t len;

	for (int fd = 0; fd < 256; fd++) {
		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		len = readlink(name, path, sizeof(path) - 1);
		if (len < 0)
			continue;
		path[len] = '\0';
		if (strstr(path, dir) && strstr(path, suffix))
			last = fd;
	}
	return last;
}

/* Who waits for a disk that fails hears of it, and nothing is stored then. */
static void a_disk_that_fails_is_the_end(void **state)
{
	groupvpn_store_t *store = open_store();
	int null = open("/dev/null", O_RDWR), log;
	uint64_t durable, lost, late;

	save_example(store);
	store->begin(store, false);
	save_member(store, 5, 5);
	assert_true(store->commit(store));
	durable = store->defer(store);
	assert_int_equal(store->check(store, durable), NEED_MORE);
	assert_true(store->sync(store, durable));

	log = last_opened("-wal");
	assert_true(log >= 0);
	assert_int_equal(dup2(null, log), log);
	logged[0] = '\0';
	store->begin(store, false);
	save_member(store, 6, 6);
	assert_true(store->commit(store));
	assert_true(store->sync(store, durable)); /* for nothing */
	lost = store->defer(store);
	late = store->defer(store);
	assert_false(store->sync(store, lost));
	assert_non_null(strstr(logged, "until charon is restarted"));
	store->begin(store, false);
	save_member(store, 7, 7);
	assert_false(store->commit(store));
	/* nobody hears of it later, also if the disk is well again; what was
	 * durable before is */
	assert_int_equal(dup2(last_opened(".db"), log), log);
	assert_false(store->sync(store, lost));
	assert_false(store->sync(store, late));
	assert_int_equal(store->check(store, late), FAILED);
	assert_true(store->sync(store, durable));
	assert_int_equal(store->check(store, durable), SUCCESS);
	store->destroy(store);
	close(null);
}

static void a_commit_is_cheap(void **state)
{
	groupvpn_store_t *store = open_store();
	struct stat st;
	double start;
	off_t before;

	save_example(store);
	assert_int_equal(stat(file, &st), 0);
	before = st.st_size;
	for (int durable = 1; durable >= 0; durable--) {
		start = seconds();
		for (int i = 0; i < BENCH; i++) {
			store->begin(store, durable);
			save_member(store, 10 + i, 100 + i + durable);
			assert_true(store->commit(store));
		}
		print_message("%.0f us for each %s change\n",
			      (seconds() - start) / BENCH * 1e6,
			      durable ? "durable" : "other");
	}
	store->destroy(store);
	assert_int_equal(stat(file, &st), 0);
	print_message("%.0f octets for each member\n",
		      (double)(st.st_size - before) / BENCH);
}

/* A certificate for these two names. */
static id_match_t has_two(certificate_t *certificate, identification_t *subject)
{
	char name[64];

	snprintf(name, sizeof(name), "%Y", subject);
	return strcmp(name, "one.example.net") == 0 ||
			       strcmp(name, "two.example.net") == 0
		       ? ID_MATCH_PERFECT
		       : ID_MATCH_NONE;
}

static void an_eviction_is_of_all_names_of_a_certificate(void **state)
{
	certificate_t certificate = {.has_subject = has_two};
	groupvpn_evictions_t *evictions = groupvpn_evictions_create();
	identification_t *names[] = {
		identification_create_from_string("one.example.net"),
		identification_create_from_string("two.example.net"),
		identification_create_from_string("three.example.net"),
	};
	groupvpn_eviction_t *found;
	unsigned int i;

	for (i = 0; i < countof(names); i++)
		assert_true(evictions->add(evictions, names[i], "test"));

	/* Who came by one of them is locked out by either, and found by the
	 * older one. */
	for (i = 0; i < countof(names); i++) {
		found = evictions->find(evictions, names[i]);
		assert_true(groupvpn_eviction_is_of(found, names[0],
						    &certificate) == (i < 2));
		assert_true(groupvpn_eviction_is_of(found, names[0], NULL) ==
			    (i == 0));
	}
	found = evictions->find_any(evictions, names[1], &certificate);
	assert_ptr_equal(found, evictions->find(evictions, names[0]));
	found = evictions->find_any(evictions, names[1], NULL);
	assert_ptr_equal(found, evictions->find(evictions, names[1]));

	for (i = 0; i < countof(names); i++)
		names[i]->destroy(names[i]);
	evictions->destroy(evictions);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(secrets_are_not_in_clear, fresh),
		cmocka_unit_test_setup(everything_comes_back, fresh),
		cmocka_unit_test_setup(who_is_away_keeps_its_sender_id, fresh),
		cmocka_unit_test_setup(certificates_come_back, fresh),
		cmocka_unit_test(a_share_is_used_up_and_comes_back),
		cmocka_unit_test_setup(a_sender_id_out_of_reach_is_not_believed,
				       fresh),
		cmocka_unit_test_setup(times_are_bounded_whatever_the_clock_did,
				       fresh),
		cmocka_unit_test_setup(
			secrets_can_not_be_moved_nor_their_rows_changed, fresh),
		cmocka_unit_test_setup(values_out_of_range_are_refused, fresh),
		cmocka_unit_test_setup(an_older_store_is_upgraded, fresh),
		cmocka_unit_test_setup(one_store_has_one_user, fresh),
		cmocka_unit_test_setup(a_store_that_is_gone_takes_nothing,
				       fresh),
		cmocka_unit_test_setup(a_kill_loses_nothing, fresh),
		cmocka_unit_test_setup(damage_does_no_harm, fresh),
		cmocka_unit_test_setup(many_wait_for_the_disk_once, fresh),
		cmocka_unit_test_setup(a_disk_that_fails_is_the_end, fresh),
		cmocka_unit_test(an_eviction_is_of_all_names_of_a_certificate),
		cmocka_unit_test_setup(a_commit_is_cheap, fresh),
	};
	int failed;

	if (!mkdtemp(dir) || !library_init(NULL, "test-store") ||
	    !lib->plugins->load(lib->plugins, "openssl"))
		return 1;
	snprintf(file, sizeof(file), "%s/gcks.db", dir);
	snprintf(key, sizeof(key), "%s/gcks.key", dir);
	snprintf(spare, sizeof(spare), "%s/spare", dir);
	dbg = log_to_buffer;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fresh(NULL);
	library_deinit();
	return failed;
}
