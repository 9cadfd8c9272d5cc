/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Policy by a program of the operator's, see doc/policy.md, for the groups with
 * policy = unix://PATH. It is asked about whom the options of the group admit,
 * so it can only narrow these.
 *
 * What it said last about somebody is kept, in memory: it counts for a moment,
 * so that many requests of one are one question, and whenever the server does
 * not answer. What is not valid never counts, nor does what was said before
 * it; members that are registered stay.
 */

#include "groupvpn_policy.h"
#include "groupvpn_policy_client.h"
#include "groupvpn_util.h"
#include "groupvpn_vici.h"

#include <collections/hashtable.h>
#include <credentials/certificates/x509.h>
#include <threading/mutex.h>

/* time that an answer, or that there is none, counts without asking again, in
 * milliseconds */
#define RECENT 5000

/* subjects whose last answers are kept */
#define SUBJECTS_MAX 32768

/* jobs that may wait for one answer */
#define JOBS_MAX 4

/* subjectAltNames of a certificate that are told */
#define SANS_MAX 64

typedef enum policy_counter_t policy_counter_t;
typedef struct private_policy_t private_policy_t;

/**
 * What is counted
 */
enum policy_counter_t {
	POLICY_ASKED,
	POLICY_ALLOWED,
	POLICY_DENIED,
	POLICY_NO_ANSWER,
	POLICY_LATE,
	POLICY_MALFORMED,
	POLICY_FROM_CACHE,
	POLICY_COUNTERS
};

ENUM(policy_counter_names, POLICY_ASKED, POLICY_FROM_CACHE,
	"policy-asked",
	"policy-allowed",
	"policy-denied",
	"policy-no-answer",
	"policy-late-answers",
	"policy-malformed",
	"policy-from-cache",
);

/**
 * Private data
 */
struct private_policy_t {

	/**
	 * Public interface
	 */
	groupvpn_policy_t public;

	/**
	 * Engine that decides by the options of the group
	 */
	groupvpn_policy_t *file;

	/**
	 * Time-out of a question, in milliseconds
	 */
	u_int timeout;

	/**
	 * Servers, as groupvpn_policy_client_t
	 */
	linked_list_t *clients;

	/**
	 * What they said last, subject => entry_t
	 */
	hashtable_t *entries;

	/**
	 * Counters of groups, group-ID => uint64_t*
	 */
	hashtable_t *counters;

	/**
	 * Who hears of changes, if anybody
	 */
	groupvpn_policy_listener_t *listener;

	/**
	 * Locks all of the above
	 */
	mutex_t *mutex;
};

/**
 * What was said last about a subject
 */
typedef struct {
	char *subject;
	uint32_t group_id;
	/* path of the server that is asked */
	char *path;
	/* the last valid answer, if there was any */
	bool known;
	struct policy_answer answer;
	/* the question that it answers, and the last one that was asked; 0 if there
	 * is none */
	uint64_t answered;
	uint64_t asked;
	/* what became of the last question, and when; why there was no answer */
	groupvpn_policy_result_t result;
	uint64_t settled;
	char why[GV_TEXT_MAX + 1];
	/* the server is being asked, and what goes on afterwards, as job_t */
	bool asking;
	linked_list_t *jobs;
} entry_t;

/**
 * Destroy an entry
 */
static void entry_destroy(entry_t *entry)
{
	entry->jobs->destroy_offset(entry->jobs, offsetof(job_t, destroy));
	free(entry->subject);
	free(entry->path);
	free(entry);
}

/**
 * Count something
 */
static void count(private_policy_t *this, uint32_t group_id,
				  policy_counter_t counter)
{
	uint64_t *counters;

	counters = this->counters->get(this->counters, (void*)(uintptr_t)group_id);
	if (!counters)
	{
		counters = calloc(POLICY_COUNTERS, sizeof(*counters));
		this->counters->put(this->counters, (void*)(uintptr_t)group_id,
							counters);
	}
	counters[counter]++;
}

/* --- subjects --- */

/**
 * Type of an identity, for a server
 */
static char *identity_type(identification_t *identity)
{
	switch (identity->get_type(identity))
	{
		case ID_FQDN:
			return "fqdn";
		case ID_RFC822_ADDR:
			return "email";
		case ID_IPV4_ADDR:
			return "ipv4";
		case ID_IPV6_ADDR:
			return "ipv6";
		case ID_DER_ASN1_DN:
			return "dn";
		case ID_KEY_ID:
			return "keyid";
		default:
			return "other";
	}
}

/**
 * Print an identity
 */
static char *print(identification_t *identity)
{
	char *text;

	return asprintf(&text, "%Y", identity) == -1 ? strdup("") : text;
}

/**
 * Digest of a certificate, hexadecimal
 */
static char *fingerprint(certificate_t *certificate)
{
	hasher_t *hasher = lib->crypto->create_hasher(lib->crypto, HASH_SHA256);
	chunk_t encoding = chunk_empty, hash = chunk_empty;
	char *text = NULL;

	if (hasher &&
		certificate->get_encoding(certificate, CERT_ASN1_DER, &encoding) &&
		hasher->allocate_hash(hasher, encoding, &hash))
	{
		text = chunk_to_hex(hash, NULL, FALSE).ptr;
	}
	DESTROY_IF(hasher);
	chunk_free(&encoding);
	chunk_free(&hash);
	return text ?: strdup("");
}

/**
 * Complete the subject with its certificate, and compose it
 */
static char *with_certificate(struct policy_subject *subject,
							  certificate_t *certificate)
{
	x509_t *x509 = (x509_t*)certificate;
	enumerator_t *enumerator;
	identification_t *name;
	char *san[SANS_MAX], *texts[4], *result;
	time_t not_before, not_after;
	u_int i, sans = 0;

	enumerator = x509->create_subjectAltName_enumerator(x509);
	while (sans < SANS_MAX && enumerator->enumerate(enumerator, &name))
	{
		san[sans++] = print(name);
	}
	enumerator->destroy(enumerator);
	certificate->get_validity(certificate, NULL, &not_before, &not_after);
	texts[0] = print(certificate->get_subject(certificate));
	texts[1] = print(certificate->get_issuer(certificate));
	texts[2] = chunk_to_hex(x509->get_serial(x509), NULL, FALSE).ptr;
	texts[3] = fingerprint(certificate);

	subject->certificate = &(struct policy_certificate){
		.subject = texts[0],
		.issuer = texts[1],
		.serial = texts[2],
		.sha256 = texts[3],
		.not_before = not_before,
		.not_after = not_after,
		.san = (const char*const*)san,
		.sans = sans,
	};
	result = policy_json_subject(subject);
	subject->certificate = NULL;
	for (i = 0; i < sans; i++)
	{
		free(san[i]);
	}
	for (i = 0; i < countof(texts); i++)
	{
		free(texts[i]);
	}
	return result;
}

/**
 * Compose who a question is about; NULL if that does not fit
 */
static char *compose(groupvpn_group_t *group, groupvpn_applicant_t *applicant)
{
	identification_t *identity = applicant->identity;
	certificate_t *certificate = applicant->certificate;
	char *text = print(identity), *result;
	chunk_t data = chunk_to_hex(identity->get_encoding(identity), NULL, FALSE);
	struct policy_subject subject = {
		.group = group->name,
		.group_id = group->id,
		.identity = text,
		.identity_type = identity_type(identity),
		.identity_data = data.ptr,
		.credential = applicant->class == AUTH_CLASS_PSK ? "psk" : "pubkey",
	};

	if (certificate && certificate->get_type(certificate) == CERT_X509)
	{
		result = with_certificate(&subject, certificate);
	}
	else
	{
		result = policy_json_subject(&subject);
	}
	chunk_free(&data);
	free(text);
	return result;
}

/* --- answers --- */

/**
 * Have what waits for an answer go on
 */
static void go_on(entry_t *entry)
{
	job_t *job;

	while (entry->jobs->remove_first(entry->jobs, (void**)&job) == SUCCESS)
	{
		lib->processor->queue_job(lib->processor, job);
	}
}

/**
 * Find what was said last about an applicant, NULL if nothing. What another
 * server has said does not count.
 */
static entry_t *find_entry(private_policy_t *this,
						   groupvpn_group_t *group,
						   groupvpn_applicant_t *applicant)
{
	char *subject = compose(group, applicant);
	entry_t *entry = NULL;

	if (subject)
	{
		entry = this->entries->get(this->entries, subject);
		free(subject);
	}
	if (entry && !streq(entry->path, group->policy))
	{
		free(entry->path);
		entry->path = strdup(group->policy);
		entry->known = FALSE;
		entry->answered = 0;
		entry->asked = 0;
		entry->settled = 0;
		entry->asking = FALSE;
		go_on(entry);
	}
	return entry;
}

/**
 * Make room for one more entry: forget what is the longest ago
 */
static void make_room(private_policy_t *this)
{
	enumerator_t *enumerator;
	entry_t *entry, *oldest = NULL;

	if (this->entries->get_count(this->entries) < SUBJECTS_MAX)
	{
		return;
	}
	enumerator = this->entries->create_enumerator(this->entries);
	while (enumerator->enumerate(enumerator, NULL, &entry))
	{
		if (!entry->asking && (!oldest || entry->settled < oldest->settled))
		{
			oldest = entry;
		}
	}
	enumerator->destroy(enumerator);
	if (oldest)
	{
		this->entries->remove(this->entries, oldest->subject);
		entry_destroy(oldest);
	}
}

/**
 * Find the entry of an applicant, and make one if there is none; NULL if it can
 * not be asked about
 */
static entry_t *get_entry(private_policy_t *this,
						  groupvpn_group_t *group,
						  groupvpn_applicant_t *applicant)
{
	entry_t *entry = find_entry(this, group, applicant);
	char *subject;

	if (!entry && (subject = compose(group, applicant)))
	{
		make_room(this);
		INIT(entry,
			.subject = subject,
			.group_id = group->id,
			.path = strdup(group->policy),
			.jobs = linked_list_create(),
		);
		this->entries->put(this->entries, entry->subject, entry);
	}
	return entry;
}

/**
 * A question has ended: go on
 */
static void settle(private_policy_t *this, entry_t *entry,
				   groupvpn_policy_result_t result, const char *why)
{
	entry->result = result;
	entry->settled = groupvpn_now();
	entry->asking = FALSE;
	snprintf(entry->why, sizeof(entry->why), "%s", why ?: "");
	go_on(entry);
}

/**
 * Whether two answers make a difference to a member
 */
static bool differ(struct policy_answer *a, struct policy_answer *b)
{
	return a->allow != b->allow || a->send != b->send ||
		   a->receive != b->receive || !streq(a->label, b->label);
}

/**
 * Take an answer. One who is registered and was not asked about before may do
 * all that the file allows.
 */
static void take_answer(private_policy_t *this, entry_t *entry,
						struct policy_answer *answer)
{
	struct policy_answer before = {
		.allow = TRUE,
		.send = TRUE,
		.receive = TRUE,
	};
	bool changed;

	if (entry->known)
	{
		before = entry->answer;
	}
	changed = differ(&before, answer);
	entry->known = TRUE;
	entry->answer = *answer;
	count(this, entry->group_id, answer->allow ? POLICY_ALLOWED
											   : POLICY_DENIED);
	if (changed && this->listener)
	{
		this->listener->changed(this->listener, entry->group_id);
	}
}

CALLBACK(answered, void,
	private_policy_t *this, char *path, uint64_t id, char *subject,
	groupvpn_policy_result_t result, struct policy_answer *answer,
	const char *why)
{
	entry_t *entry;

	this->mutex->lock(this->mutex);
	entry = this->entries->get(this->entries, subject);
	/* another server has no say anymore, nor what was asked before that which
	 * is answered already */
	if (entry && streq(path, entry->path) && id >= entry->answered)
	{
		if (answer)
		{
			take_answer(this, entry, answer);
			entry->answered = id;
		}
		switch (result)
		{
			case GROUPVPN_POLICY_ANSWERED:
				break;
			case GROUPVPN_POLICY_LATE:
				count(this, entry->group_id, POLICY_LATE);
				break;
			case GROUPVPN_POLICY_MALFORMED:
				count(this, entry->group_id, POLICY_MALFORMED);
				break;
			case GROUPVPN_POLICY_FAILED:
				count(this, entry->group_id, POLICY_NO_ANSWER);
				break;
		}
		if (id == entry->asked || !entry->asking)
		{
			settle(this, entry, result, why);
		}
	}
	this->mutex->unlock(this->mutex);
}

CALLBACK(recheck_wanted, void,
	private_policy_t *this, char *group)
{
	this->mutex->lock(this->mutex);
	if (this->listener)
	{
		this->listener->recheck(this->listener, group);
	}
	this->mutex->unlock(this->mutex);
}

/* --- questions --- */

/**
 * Get the client of a server
 */
static groupvpn_policy_client_t *get_client(private_policy_t *this,
											char *path)
{
	groupvpn_policy_client_cb_t cb = {
		.answered = (void*)answered,
		.recheck = (void*)recheck_wanted,
		.data = this,
	};
	groupvpn_policy_client_t *client, *found = NULL;
	enumerator_t *enumerator;

	enumerator = this->clients->create_enumerator(this->clients);
	while (enumerator->enumerate(enumerator, &client))
	{
		if (streq(client->get_path(client), path))
		{
			found = client;
			break;
		}
	}
	enumerator->destroy(enumerator);
	if (!found)
	{
		found = groupvpn_policy_client_create(path, this->timeout, &cb);
		if (found)
		{
			this->clients->insert_last(this->clients, found);
		}
	}
	return found;
}

/**
 * Have the server asked about an entry, unless it is being asked
 */
static void ask_server(private_policy_t *this, groupvpn_group_t *group,
					   entry_t *entry, char *request, host_t *gateway)
{
	groupvpn_policy_client_t *client = get_client(this, group->policy);
	char address[64];
	uint64_t id = 0;

	if (entry->asking)
	{
		return;
	}
	if (gateway)
	{
		snprintf(address, sizeof(address), "%H", gateway);
	}
	if (client)
	{
		id = client->ask(client, request, gateway ? address : NULL,
						 entry->subject);
	}
	if (id)
	{
		entry->asked = id;
		entry->asking = TRUE;
		count(this, group->id, POLICY_ASKED);
	}
	else
	{
		count(this, group->id, POLICY_NO_ANSWER);
		settle(this, entry, GROUPVPN_POLICY_FAILED, "too many questions are "
			   "open");
	}
}

/**
 * Whether the server is to be asked about an applicant
 */
static bool is_asked(private_policy_t *this, groupvpn_group_t *group,
					 groupvpn_applicant_t *applicant)
{
	groupvpn_decision_t decision;

	if (!group->policy)
	{
		return FALSE;
	}
	this->file->decide(this->file, group, applicant, &decision);
	return decision.verdict == GROUPVPN_ALLOWED;
}

METHOD(groupvpn_policy_t, is_ready, bool,
	private_policy_t *this, groupvpn_group_t *group,
	groupvpn_applicant_t *applicant)
{
	entry_t *entry;
	bool ready;

	if (!is_asked(this, group, applicant))
	{
		return TRUE;
	}
	this->mutex->lock(this->mutex);
	entry = find_entry(this, group, applicant);
	ready = entry && !entry->asking && entry->settled &&
			groupvpn_now() - entry->settled < RECENT;
	this->mutex->unlock(this->mutex);
	return ready;
}

METHOD(groupvpn_policy_t, ask, void,
	private_policy_t *this, groupvpn_group_t *group,
	groupvpn_applicant_t *applicant, job_t *then)
{
	entry_t *entry = NULL;

	this->mutex->lock(this->mutex);
	if (is_asked(this, group, applicant))
	{
		entry = get_entry(this, group, applicant);
	}
	if (then && !entry)
	{
		lib->processor->queue_job(lib->processor, then);
	}
	else if (then && entry->jobs->get_count(entry->jobs) < JOBS_MAX)
	{
		entry->jobs->insert_last(entry->jobs, then);
	}
	else if (then)
	{
		then->destroy(then);
	}
	if (entry)
	{
		ask_server(this, group, entry, "join", applicant->gateway);
	}
	this->mutex->unlock(this->mutex);
}

METHOD(groupvpn_policy_t, recheck, void,
	private_policy_t *this, groupvpn_group_t *group,
	groupvpn_applicant_t *applicant)
{
	entry_t *entry;

	if (!is_asked(this, group, applicant))
	{
		return;
	}
	this->mutex->lock(this->mutex);
	entry = get_entry(this, group, applicant);
	if (entry)
	{
		ask_server(this, group, entry, "stay", applicant->gateway);
	}
	this->mutex->unlock(this->mutex);
}

/* --- decisions --- */

/**
 * Make a decision of an answer, in addition to what the file allows
 */
static void use_answer(struct policy_answer *answer,
					   groupvpn_decision_t *decision)
{
	bool send = decision->direction != GV_RECEIVE_ONLY && answer->send;
	bool receive = decision->direction != GV_SEND_ONLY && answer->receive;

	if (!answer->allow)
	{
		decision->verdict = GROUPVPN_REFUSED;
		snprintf(decision->why, sizeof(decision->why), "by the policy server: "
				 "%s", *answer->reason ? answer->reason : "no reason given");
	}
	else if (!send && !receive)
	{
		decision->verdict = GROUPVPN_REFUSED;
		snprintf(decision->why, sizeof(decision->why), "the policy server and "
				 "the group's 'senders' or 'receivers' together leave it "
				 "neither to send nor to receive");
	}
	else
	{
		decision->direction = send && receive ? GV_BOTH :
							  send ? GV_SEND_ONLY : GV_RECEIVE_ONLY;
		snprintf(decision->label, sizeof(decision->label), "%s", answer->label);
	}
}

/**
 * Decide by what is known of an applicant, if anything
 */
static void use_entry(private_policy_t *this, entry_t *entry,
					  groupvpn_decision_t *decision)
{
	if (entry && entry->known && entry->result != GROUPVPN_POLICY_MALFORMED)
	{
		if (entry->result == GROUPVPN_POLICY_FAILED)
		{
			count(this, entry->group_id, POLICY_FROM_CACHE);
		}
		use_answer(&entry->answer, decision);
		return;
	}
	decision->verdict = GROUPVPN_UNDECIDED;
	if (entry && entry->settled)
	{
		snprintf(decision->why, sizeof(decision->why), "the policy server %s: "
				 "%s", entry->result == GROUPVPN_POLICY_MALFORMED
				 ? "gives an answer that is not valid" : "does not answer",
				 entry->why);
	}
	else
	{
		snprintf(decision->why, sizeof(decision->why), "the policy server has "
				 "not answered yet");
	}
}

METHOD(groupvpn_policy_t, decide, void,
	private_policy_t *this, groupvpn_group_t *group,
	groupvpn_applicant_t *applicant, groupvpn_decision_t *decision)
{
	this->file->decide(this->file, group, applicant, decision);
	if (decision->verdict != GROUPVPN_ALLOWED || !group->policy)
	{
		return;
	}
	this->mutex->lock(this->mutex);
	use_entry(this, find_entry(this, group, applicant), decision);
	this->mutex->unlock(this->mutex);
}

METHOD(groupvpn_policy_t, review, void,
	private_policy_t *this, groupvpn_group_t *group,
	groupvpn_applicant_t *applicant, groupvpn_decision_t *decision)
{
	entry_t *entry;

	this->file->review(this->file, group, applicant, decision);
	if (decision->verdict != GROUPVPN_ALLOWED || !group->policy)
	{
		return;
	}
	this->mutex->lock(this->mutex);
	entry = find_entry(this, group, applicant);
	if (entry && entry->known)
	{
		use_answer(&entry->answer, decision);
	}
	else
	{
		decision->partial = TRUE;
	}
	this->mutex->unlock(this->mutex);
}

METHOD(groupvpn_policy_t, set_listener, void,
	private_policy_t *this, groupvpn_policy_listener_t *listener)
{
	this->mutex->lock(this->mutex);
	this->listener = listener;
	this->mutex->unlock(this->mutex);
}

METHOD(groupvpn_policy_t, add_counters, void,
	private_policy_t *this, groupvpn_group_t *group,
	vici_builder_t *builder)
{
	uint64_t none[POLICY_COUNTERS] = {}, *counters;

	if (!group->policy)
	{
		return;
	}
	this->mutex->lock(this->mutex);
	counters = this->counters->get(this->counters, (void*)(uintptr_t)group->id);
	groupvpn_vici_add_counters(builder, policy_counter_names, counters ?: none,
							   POLICY_COUNTERS);
	this->mutex->unlock(this->mutex);
}

/**
 * Destroy the values of a hashtable, and itself
 */
static void destroy_table(hashtable_t *table, void (*destroy)(void*))
{
	enumerator_t *enumerator;
	void *value;

	enumerator = table->create_enumerator(table);
	while (enumerator->enumerate(enumerator, NULL, &value))
	{
		table->remove_at(table, enumerator);
		destroy(value);
	}
	enumerator->destroy(enumerator);
	table->destroy(table);
}

METHOD(groupvpn_policy_t, destroy, void,
	private_policy_t *this)
{
	/* first, as their threads use the rest */
	this->clients->destroy_offset(this->clients,
								  offsetof(groupvpn_policy_client_t, destroy));
	destroy_table(this->entries, (void*)entry_destroy);
	destroy_table(this->counters, free);
	this->file->destroy(this->file);
	this->mutex->destroy(this->mutex);
	free(this);
}

/*
 * See header
 */
groupvpn_policy_t *groupvpn_policy_server_create(groupvpn_policy_t *file,
												 u_int timeout)
{
	private_policy_t *this;

	INIT(this,
		.public = {
			.is_ready = _is_ready,
			.ask = _ask,
			.recheck = _recheck,
			.decide = _decide,
			.review = _review,
			.set_listener = _set_listener,
			.add_counters = _add_counters,
			.destroy = _destroy,
		},
		.file = file,
		.timeout = timeout,
		.clients = linked_list_create(),
		.entries = hashtable_create(hashtable_hash_str, hashtable_equals_str,
									32),
		.counters = hashtable_create(hashtable_hash_ptr, hashtable_equals_ptr,
									 8),
		.mutex = mutex_create(MUTEX_TYPE_DEFAULT),
	);
	return &this->public;
}
