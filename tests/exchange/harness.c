/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processor and scheduler are charon's own, with the functions that queue jobs
 * replaced: nothing runs by itself.
 */

#include "harness.h"
#include "groupvpn_config.h"
#include "groupvpn_control.h"
#include "groupvpn_gcks.h"
#include "groupvpn_payload.h"
#include "groupvpn_policy.h"
#include "groupvpn_store.h"
#include "groupvpn_task.h"
#include "groupvpn_util.h"
#include "groupvpn_vici.h"
#include "compat.h"

#include <credentials/sets/mem_cred.h>
#include <tests/utils/mock_ipsec.h>
#include <tests/utils/mock_net.h>
#include <tests/utils/mock_sender.h>

#include <unistd.h>

#define PLUGINS_NEEDED "random nonce openssl aes sha1 sha2 hmac kdf"
#define IKE_PROPOSAL "aes256-sha256-ecp256"
#define ADDRESS "127.0.0.1"

seen_t seen;
u_int refuse_rekeys;

/**
 * Messages that were sent, as the mock keeps them
 */
static mock_sender_t *sender;

/**
 * Jobs: to be run, and for later
 */
static linked_list_t *jobs, *later;

/**
 * Old to new unique ID of rekeyed ends
 */
static linked_list_t *successors;

typedef struct {
	end_t old, new;
} succession_t;

/**
 * The plugin's classes
 */
static groupvpn_config_t *config;
static groupvpn_control_t *control;
static groupvpn_policy_t *policy;
static groupvpn_vici_t *vici;
static groupvpn_store_t *store;
static groupvpn_gcks_t *gcks;

/* --- jobs --- */

static void queue_job(processor_t *processor, job_t *job)
{
	jobs->insert_last(jobs, job);
}

static void schedule_s(scheduler_t *scheduler, job_t *job, uint32_t s)
{
	later->insert_last(later, job);
}

static void schedule_tv(scheduler_t *scheduler, job_t *job, timeval_t tv)
{
	later->insert_last(later, job);
}

void run_jobs()
{
	job_t *job;

	while (jobs->remove_first(jobs, (void**)&job) == SUCCESS)
	{
		job->status = JOB_STATUS_EXECUTING;
		job->execute(job);
		job->destroy(job);
	}
}

void pass_time()
{
	job_t *job;
	u_int count = later->get_count(later);

	while (count-- && later->remove_first(later, (void**)&job) == SUCCESS)
	{
		jobs->insert_last(jobs, job);
	}
	run_jobs();
}

/* --- messages --- */

message_t *take()
{
	run_jobs();
	return sender->dequeue(sender);
}

message_t *copy(message_t *message)
{
	message_t *copied;

	copied = message_create_from_packet(message->get_packet(message));
	copied->parse_header(copied);
	return copied;
}

void deliver(message_t *message)
{
	ike_sa_t *ike_sa;

	ike_sa = charon->ike_sa_manager->checkout_by_message(
											charon->ike_sa_manager, message);
	if (ike_sa)
	{
		if (ike_sa->process_message(ike_sa, message) == DESTROY_ME)
		{
			charon->ike_sa_manager->checkin_and_destroy(
											charon->ike_sa_manager, ike_sa);
		}
		else
		{
			charon->ike_sa_manager->checkin(charon->ike_sa_manager, ike_sa);
		}
	}
	message->destroy(message);
	run_jobs();
}

void settle()
{
	message_t *message;

	while ((message = take()))
	{
		deliver(message);
	}
}

/* --- the member --- */

METHOD(groupvpn_exchange_t, registration_request, bool,
	groupvpn_exchange_t *exchange, ike_sa_t *ike_sa, uint32_t group_id,
	message_t *message)
{
	uint8_t senders[GROUPVPN_GROUP_SENDER_LEN];

	htoun32(senders, 1);
	return groupvpn_add_idg(message, group_id) &&
		   (message->add_notify(message, FALSE, GROUPVPN_N_GROUP_SENDER,
								chunk_from_thing(senders)), TRUE);
}

METHOD(groupvpn_exchange_t, registration_response, void,
	groupvpn_exchange_t *exchange, ike_sa_t *ike_sa, uint32_t group_id,
	message_t *message)
{
	struct gv_gsa gsa = {};

	if (groupvpn_get_gsa(message, ike_sa, NULL, &gsa) == GV_GIKEV2_OK)
	{
		seen.answers++;
		seen.sender_id = gsa.sender_id;
		seen.member_id = gsa.member_id;
		seen.epoch = gsa.epoch[gsa.epochs - 1].epoch;
	}
	else
	{
		seen.refusals++;
	}
	gv_gsa_wipe(&gsa);
}

METHOD(groupvpn_exchange_t, registration_lost, void,
	groupvpn_exchange_t *exchange, uint32_t group_id)
{
	seen.lost++;
}

static groupvpn_exchange_t registration;

/**
 * Look at rekeys of the GCKS as they come in and answer them, follow rekeyed
 * ends
 */
METHOD(listener_t, message_hook, bool,
	listener_t *listener, ike_sa_t *ike_sa, message_t *message, bool incoming,
	bool plain)
{
	static bool refusing;
	struct gv_gsa gsa = {};

	if (refusing && plain && !incoming && !message->get_request(message))
	{
		refusing = FALSE;
		message->disable_sort(message);
		message->add_notify(message, FALSE, GROUPVPN_N_REGISTRATION_FAILED,
							chunk_empty);
	}
	if (incoming && message->get_request(message) &&
		groupvpn_carrier_type(ike_sa, message, plain) &&
		groupvpn_get_gsa(message, ike_sa, NULL, &gsa) == GV_GIKEV2_OK)
	{
		seen.rekeys++;
		seen.rekey_epoch = gsa.epoch[gsa.epochs - 1].epoch;
		refusing = refuse_rekeys > 0;
		refuse_rekeys -= refusing;
	}
	gv_gsa_wipe(&gsa);
	return TRUE;
}

METHOD(listener_t, ike_rekey, bool,
	listener_t *listener, ike_sa_t *old, ike_sa_t *new)
{
	succession_t *succession;

	INIT(succession,
		.old = old->get_unique_id(old),
		.new = new->get_unique_id(new),
	);
	successors->insert_last(successors, succession);
	return TRUE;
}

static listener_t observer;

/* --- configuration --- */

static ike_cfg_t *create_ike_cfg()
{
	ike_cfg_create_t create = {
		.version = IKEV2,
		.local = ADDRESS,
		.local_port = IKEV2_UDP_PORT,
		.remote = ADDRESS,
		.remote_port = IKEV2_UDP_PORT,
		.childless = CHILDLESS_FORCE,
	};
	ike_cfg_t *ike_cfg = ike_cfg_create(&create);

	ike_cfg->add_proposal(ike_cfg, proposal_create_from_string(PROTO_IKE,
															   IKE_PROPOSAL));
	return ike_cfg;
}

static auth_cfg_t *create_auth(char *id)
{
	auth_cfg_t *auth = auth_cfg_create();

	auth->add(auth, AUTH_RULE_AUTH_CLASS, AUTH_CLASS_PSK);
	auth->add(auth, AUTH_RULE_IDENTITY, identification_create_from_string(id));
	return auth;
}

static peer_cfg_t *create_peer_cfg(char *name, char *local, char *remote)
{
	peer_cfg_create_t create = {
		.unique = UNIQUE_NEVER,
		.keyingtries = 1,
		.no_mobike = TRUE,
	};
	peer_cfg_t *peer_cfg;

	peer_cfg = peer_cfg_create(name, create_ike_cfg(), &create);
	peer_cfg->add_auth_cfg(peer_cfg, create_auth(local), TRUE);
	peer_cfg->add_auth_cfg(peer_cfg, create_auth(remote), FALSE);
	return peer_cfg;
}

static ike_cfg_t *responder_ike;
static peer_cfg_t *responder;

METHOD(backend_t, create_ike_cfg_enumerator, enumerator_t*,
	backend_t *this, host_t *me, host_t *other)
{
	return enumerator_create_single(responder_ike, NULL);
}

METHOD(backend_t, create_peer_cfg_enumerator, enumerator_t*,
	backend_t *this, identification_t *me, identification_t *other)
{
	return enumerator_create_single(responder, NULL);
}

static backend_t backend;

/* --- IKE_SAs --- */

static ike_sa_t *checkout(end_t end)
{
	return charon->ike_sa_manager->checkout_by_id(charon->ike_sa_manager, end);
}

static void checkin(ike_sa_t *ike_sa, status_t status)
{
	if (status == DESTROY_ME)
	{
		charon->ike_sa_manager->checkin_and_destroy(charon->ike_sa_manager,
													ike_sa);
	}
	else
	{
		charon->ike_sa_manager->checkin(charon->ike_sa_manager, ike_sa);
	}
}

/**
 * The other end of an IKE_SA: the one with the same SPIs
 */
static end_t find_other(end_t end)
{
	enumerator_t *enumerator;
	ike_sa_t *ike_sa;
	uint64_t spi = 0;
	end_t found = 0;
	u_int round;

	for (round = 0; round < 2; round++)
	{
		enumerator = charon->ike_sa_manager->create_enumerator(
											charon->ike_sa_manager, FALSE);
		while (enumerator->enumerate(enumerator, &ike_sa))
		{
			ike_sa_id_t *id = ike_sa->get_id(ike_sa);

			if (ike_sa->get_unique_id(ike_sa) == end)
			{
				spi = id->get_initiator_spi(id);
			}
			else if (spi && id->get_initiator_spi(id) == spi)
			{
				found = ike_sa->get_unique_id(ike_sa);
			}
		}
		enumerator->destroy(enumerator);
	}
	return found;
}

end_t establish(end_t *gcks_end)
{
	peer_cfg_t *peer_cfg = create_peer_cfg("member", "init", "resp");
	ike_sa_t *ike_sa;
	end_t member;

	ike_sa = charon->ike_sa_manager->checkout_by_config(charon->ike_sa_manager,
														peer_cfg);
	peer_cfg->destroy(peer_cfg);
	member = ike_sa->get_unique_id(ike_sa);
	checkin(ike_sa, ike_sa->initiate(ike_sa, NULL, NULL));
	settle();
	*gcks_end = find_other(member);
	return member;
}

void send_registration(end_t member)
{
	groupvpn_task_start(checkout(member), &registration, GROUP_ID);
}

void send_ike_rekey(end_t end)
{
	ike_sa_t *ike_sa = checkout(end);

	checkin(ike_sa, ike_sa->rekey(ike_sa));
}

void send_delete(end_t end)
{
	ike_sa_t *ike_sa = checkout(end);

	checkin(ike_sa, ike_sa->delete(ike_sa, FALSE));
}

bool exists(end_t end)
{
	ike_sa_t *ike_sa = checkout(end);

	if (!ike_sa)
	{
		return FALSE;
	}
	checkin(ike_sa, SUCCESS);
	return TRUE;
}

end_t successor(end_t end)
{
	enumerator_t *enumerator = successors->create_enumerator(successors);
	succession_t *succession;
	end_t found = 0;

	while (enumerator->enumerate(enumerator, &succession))
	{
		if (succession->old == end && exists(succession->new))
		{
			found = succession->new;
		}
	}
	enumerator->destroy(enumerator);
	return found;
}

/* --- the GCKS --- */

static char directory[] = "/tmp/groupvpn-exchange-XXXXXX";

void gcks_start()
{
	char file[sizeof(directory) + 16], path[sizeof(directory) + 16];
	FILE *conf;

	memset(&seen, 0, sizeof(seen));
	refuse_rekeys = 0;
	snprintf(file, sizeof(file), "%s/swanctl.conf", directory);
	snprintf(path, sizeof(path), "%s/ctl", directory);
	conf = fopen(file, "w");
	if (conf)
	{
		fputs("groups {\n" GROUP " {\nid = 100\nrole = gcks\n"
			  "members = init\n}\n}\n", conf);
		fclose(conf);
	}
	config = groupvpn_config_create(file);
	policy = groupvpn_policy_file_create();
	control = groupvpn_control_create(path, "root");
	vici = groupvpn_vici_create(path);
	store = groupvpn_store_create_none();
	gcks = groupvpn_gcks_create(control, policy, vici, store, NULL, 0);
	charon->bus->add_listener(charon->bus, &gcks->listener);
	config->load(config);
	gcks->configure(gcks, config);
	run_jobs();
}

/**
 * End all IKE_SAs without asking the other end
 */
static void end_all()
{
	enumerator_t *enumerator;
	ike_sa_t *ike_sa;
	end_t end;

	do
	{
		end = 0;
		enumerator = charon->ike_sa_manager->create_enumerator(
											charon->ike_sa_manager, FALSE);
		if (enumerator->enumerate(enumerator, &ike_sa))
		{
			end = ike_sa->get_unique_id(ike_sa);
		}
		enumerator->destroy(enumerator);
		if (end && (ike_sa = checkout(end)))
		{
			checkin(ike_sa, DESTROY_ME);
		}
	}
	while (end);
}

void gcks_stop()
{
	message_t *message;
	job_t *job;

	charon->bus->remove_listener(charon->bus, &gcks->listener);
	end_all();
	while (jobs->remove_first(jobs, (void**)&job) == SUCCESS ||
		   later->remove_first(later, (void**)&job) == SUCCESS)
	{
		job->destroy(job);
	}
	while ((message = sender->dequeue(sender)))
	{
		message->destroy(message);
	}
	successors->destroy_function(successors, free);
	successors = linked_list_create();
	gcks->destroy(gcks);
	store->destroy(store);
	vici->destroy(vici);
	control->destroy(control);
	policy->destroy(policy);
	config->destroy(config);
}

void gcks_rekey()
{
	groupvpn_gcks_manage_t *manage = gcks->get_manage(gcks);
	groupvpn_gcks_result_t result = {};
	char why[GV_TEXT_MAX + 1];

	manage->rekey(manage, GROUP, &result, why);
	run_jobs();
}

/* --- charon --- */

static mem_cred_t *creds;

bool harness_init()
{
	char *verbosity = getenv("TESTS_VERBOSITY");

	if (!mkdtemp(directory) || !library_init(NULL, "exchange") ||
		!libcharon_init())
	{
		return FALSE;
	}
	lib->settings->set_int(lib->settings, "%s.filelog.stderr.default",
						   verbosity ? atoi(verbosity) : -1, lib->ns);
	charon->load_loggers(charon);
	lib->settings->set_bool(lib->settings, "%s.reuse_ikesa", FALSE, lib->ns);
	/* METHOD() makes no constants */
	registration = (groupvpn_exchange_t){
		.request = _registration_request,
		.response = _registration_response,
		.lost = _registration_lost,
	};
	observer = (listener_t){
		.message = _message_hook,
		.ike_rekey = _ike_rekey,
	};
	backend = (backend_t){
		.create_ike_cfg_enumerator = _create_ike_cfg_enumerator,
		.create_peer_cfg_enumerator = _create_peer_cfg_enumerator,
		.get_peer_cfg_by_name = (void*)return_null,
	};
	jobs = linked_list_create();
	later = linked_list_create();
	successors = linked_list_create();
	lib->processor->queue_job = queue_job;
	lib->scheduler->schedule_job = schedule_s;
	lib->scheduler->schedule_job_ms = schedule_s;
	lib->scheduler->schedule_job_tv = schedule_tv;
	/* fails for want of a socket, what we need is there nevertheless */
	charon->initialize(charon, PLUGINS_NEEDED);
	if (!charon->ike_sa_manager)
	{
		return FALSE;
	}
	sender = mock_sender_create();
	charon->sender = (sender_t*)sender;
	charon->kernel->add_ipsec_interface(charon->kernel, mock_ipsec_create);
	charon->kernel->add_net_interface(charon->kernel, mock_net_create);
	responder_ike = create_ike_cfg();
	responder = create_peer_cfg("members", "resp", "init");
	charon->backends->add_backend(charon->backends, &backend);
	creds = mem_cred_create();
	creds->add_shared(creds,
			shared_key_create(SHARED_IKE, chunk_clone(chunk_from_str("test"))),
			identification_create_from_string("%any"), NULL);
	lib->credmgr->add_set(lib->credmgr, &creds->set);
	charon->bus->add_listener(charon->bus, &observer);
	return TRUE;
}

void harness_deinit()
{
	char file[sizeof(directory) + 16];

	snprintf(file, sizeof(file), "%s/swanctl.conf", directory);
	unlink(file);
	rmdir(directory);
	charon->bus->remove_listener(charon->bus, &observer);
	charon->backends->remove_backend(charon->backends, &backend);
	responder->destroy(responder);
	responder_ike->destroy(responder_ike);
	lib->credmgr->remove_set(lib->credmgr, &creds->set);
	creds->destroy(creds);
	charon->kernel->remove_ipsec_interface(charon->kernel, mock_ipsec_create);
	charon->kernel->remove_net_interface(charon->kernel, mock_net_create);
}
