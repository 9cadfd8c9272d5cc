/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A charon plugin that plays many initiators, each with an identity and an
 * address of its own (m1.example.net at 10.1.0.1, ...): either members that register with a GCKS on a
 * childless IKE_SA, or ordinary peers that set up an IKE_SA and a CHILD_SA.
 * Both are the same code up to what is counted as done, so that a GCKS can be
 * compared with charon itself.
 *
 * In strongswan.conf, charon-systemd.plugins.groupvpn-bench:
 *   remote     the responder's address
 *   kind       "registration" or "child"
 *   group      group-ID of registrations
 *   total      how many initiators
 *   at_once    how many of them at the same time
 *   result     file that gets "DONE FAILED MILLISECONDS" when all are through
 * A reload of the daemon's settings (swanctl --reload-settings) starts it, once.
 *
 * It registers as a member would but keeps nothing of the answer: rekeys of
 * the GCKS are acknowledged by charon itself.
 */

#include "groupvpn_carrier.h"
#include "groupvpn_payload.h"
#include "groupvpn_task.h"
#include "groupvpn_util.h"
#include "compat.h"

#include <daemon.h>
#include <plugins/plugin.h>
#include <processing/jobs/callback_job.h>
#include <threading/mutex.h>

#define ID_FORMAT "m%u.example.net"
#define ADDRESS_FORMAT "10.1.%u.%u"
#define RESPONDER_ID "sr.example.net"
#define IKE_PROPOSAL "aes256-sha256-x25519"
#define ESP_PROPOSAL "aes256gcm16"

typedef struct private_bench_t private_bench_t;

/**
 * For groupvpn_task.c: the exchanges are INFORMATIONAL ones
 */
bool groupvpn_carrier_uses(ike_sa_t *ike_sa)
{
	return FALSE;
}

/**
 * Private data
 */
struct private_bench_t {

	/**
	 * Public interface
	 */
	plugin_t public;

	/**
	 * Counts what gets established
	 */
	listener_t listener;

	/**
	 * The registrations
	 */
	groupvpn_exchange_t registration;

	/**
	 * Options of this run
	 */
	char *remote;
	char *result;
	bool childless;
	uint32_t group_id;
	u_int total;

	/**
	 * Guards the counters
	 */
	mutex_t *mutex;

	/**
	 * When it began, in milliseconds
	 */
	uint64_t began;

	/**
	 * How many were started, are done, have failed
	 */
	u_int started;
	u_int done;
	u_int failed;
};

/**
 * Read an option
 */
static char *get_option(char *name, char *def)
{
	return lib->settings->get_str(lib->settings, "%s.plugins.groupvpn-bench.%s",
								  def, lib->ns, name);
}

/**
 * Read an option that is a number
 */
static u_int get_number(char *name, u_int def)
{
	return lib->settings->get_int(lib->settings, "%s.plugins.groupvpn-bench.%s",
								  def, lib->ns, name);
}

/**
 * Authentication of one side by pre-shared key
 */
static auth_cfg_t *create_auth(identification_t *id)
{
	auth_cfg_t *auth = auth_cfg_create();

	auth->add(auth, AUTH_RULE_AUTH_CLASS, AUTH_CLASS_PSK);
	auth->add(auth, AUTH_RULE_IDENTITY, id);
	return auth;
}

/**
 * A CHILD_SA between the IKE_SA's own addresses
 */
static child_cfg_t *create_child()
{
	child_cfg_create_t create = {
		.mode = MODE_TUNNEL,
	};
	child_cfg_t *child = child_cfg_create("bench", &create);

	child->add_proposal(child, proposal_create_from_string(PROTO_ESP,
														   ESP_PROPOSAL));
	child->add_traffic_selector(child, TRUE,
					traffic_selector_create_dynamic(0, 0, 65535));
	child->add_traffic_selector(child, FALSE,
					traffic_selector_create_dynamic(0, 0, 65535));
	return child;
}

/**
 * Configuration of an initiator
 */
static peer_cfg_t *create_peer(private_bench_t *this, u_int number)
{
	char address[16];
	ike_cfg_create_t ike = {
		.version = IKEV2,
		.local = address,
		.local_port = IKEV2_UDP_PORT,
		.remote = this->remote,
		.remote_port = IKEV2_UDP_PORT,
		.childless = this->childless ? CHILDLESS_FORCE : CHILDLESS_NEVER,
	};
	peer_cfg_create_t peer = {
		.unique = UNIQUE_NO,
		.keyingtries = 1,
		.no_mobike = TRUE,
	};
	ike_cfg_t *ike_cfg;
	peer_cfg_t *peer_cfg;
	char id[64];

	snprintf(address, sizeof(address), ADDRESS_FORMAT, number >> 8,
			 number & 0xff);
	ike_cfg = ike_cfg_create(&ike);
	ike_cfg->add_proposal(ike_cfg, proposal_create_from_string(PROTO_IKE,
															   IKE_PROPOSAL));
	peer_cfg = peer_cfg_create("bench", ike_cfg, &peer);
	snprintf(id, sizeof(id), ID_FORMAT, number);
	peer_cfg->add_auth_cfg(peer_cfg,
					create_auth(identification_create_from_string(id)), TRUE);
	peer_cfg->add_auth_cfg(peer_cfg,
			create_auth(identification_create_from_string(RESPONDER_ID)), FALSE);
	return peer_cfg;
}

/**
 * Start the next initiator, if there is one left
 */
CALLBACK(start_next, job_requeue_t,
	private_bench_t *this)
{
	peer_cfg_t *peer_cfg;
	ike_sa_t *ike_sa;
	u_int number = 0;

	this->mutex->lock(this->mutex);
	if (this->started < this->total)
	{
		number = ++this->started;
	}
	this->mutex->unlock(this->mutex);
	if (!number)
	{
		return JOB_REQUEUE_NONE;
	}
	peer_cfg = create_peer(this, number);
	ike_sa = charon->ike_sa_manager->checkout_by_config(charon->ike_sa_manager,
														peer_cfg);
	peer_cfg->destroy(peer_cfg);
	if (ike_sa)
	{
		if (ike_sa->initiate(ike_sa, this->childless ? NULL : create_child(),
							 NULL) == DESTROY_ME)
		{
			charon->ike_sa_manager->checkin_and_destroy(
											charon->ike_sa_manager, ike_sa);
		}
		else
		{
			charon->ike_sa_manager->checkin(charon->ike_sa_manager, ike_sa);
		}
	}
	return JOB_REQUEUE_NONE;
}

/**
 * Have the next initiator started
 */
static void queue_next(private_bench_t *this)
{
	lib->processor->queue_job(lib->processor, (job_t*)
		callback_job_create_with_prio(start_next, this, NULL, NULL,
									  JOB_PRIO_HIGH));
}

/**
 * Count one that is through; the last one leaves the result
 */
static void count(private_bench_t *this, u_int *counter)
{
	FILE *file;

	this->mutex->lock(this->mutex);
	(*counter)++;
	if (this->done + this->failed == this->total)
	{
		file = fopen(this->result, "w");
		if (file)
		{
			fprintf(file, "%u %u %u\n", this->done, this->failed,
					(u_int)(groupvpn_now() - this->began));
			fclose(file);
		}
	}
	this->mutex->unlock(this->mutex);
	queue_next(this);
}

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
	private_bench_t *this = container_of(exchange, private_bench_t,
										 registration);
	struct gv_gsa gsa = {};
	bool ok;

	ok = groupvpn_get_gsa(message, ike_sa, NULL, &gsa) == GV_GIKEV2_OK;
	gv_gsa_wipe(&gsa);
	count(this, ok ? &this->done : &this->failed);
}

METHOD(listener_t, ike_updown, bool,
	listener_t *listener, ike_sa_t *ike_sa, bool up)
{
	private_bench_t *this = container_of(listener, private_bench_t, listener);

	if (!up)
	{
		if (ike_sa->get_state(ike_sa) != IKE_DELETING)
		{
			count(this, &this->failed);
		}
	}
	else if (this->childless)
	{
		ike_sa->queue_task(ike_sa, groupvpn_task_create(ike_sa,
										&this->registration, this->group_id));
	}
	return TRUE;
}

METHOD(listener_t, child_updown, bool,
	listener_t *listener, ike_sa_t *ike_sa, child_sa_t *child_sa, bool up)
{
	private_bench_t *this = container_of(listener, private_bench_t, listener);

	if (up)
	{
		count(this, &this->done);
	}
	return TRUE;
}

METHOD(plugin_t, get_name, char*,
	private_bench_t *this)
{
	return "groupvpn-bench";
}

/**
 * Follow IKE_SAs
 */
static bool plugin_cb(private_bench_t *this, plugin_feature_t *feature,
					  bool reg, void *cb_data)
{
	if (reg)
	{
		charon->bus->add_listener(charon->bus, &this->listener);
	}
	else
	{
		charon->bus->remove_listener(charon->bus, &this->listener);
	}
	return TRUE;
}

METHOD(plugin_t, get_features, int,
	private_bench_t *this, plugin_feature_t *features[])
{
	static plugin_feature_t f[] = {
		PLUGIN_CALLBACK((plugin_feature_callback_t)plugin_cb, NULL),
			PLUGIN_PROVIDE(CUSTOM, "groupvpn-bench"),
				PLUGIN_DEPENDS(CUSTOM, "kernel-ipsec"),
				PLUGIN_DEPENDS(KDF, KDF_PRF_PLUS),
	};
	*features = f;
	return countof(f);
}

METHOD(plugin_t, reload, bool,
	private_bench_t *this)
{
	u_int i;

	this->remote = strdup(get_option("remote", ""));
	this->result = strdup(get_option("result", ""));
	this->childless = streq(get_option("kind", ""), "registration");
	this->group_id = get_number("group", 0);
	this->started = this->done = this->failed = 0;
	this->total = get_number("total", 0);
	this->began = groupvpn_now();
	for (i = 0; i < get_number("at_once", 1); i++)
	{
		queue_next(this);
	}
	return TRUE;
}

METHOD(plugin_t, destroy, void,
	private_bench_t *this)
{
	this->mutex->destroy(this->mutex);
	free(this->remote);
	free(this->result);
	free(this);
}

/**
 * Plugin constructor; the name of its symbols has no hyphen
 */
GROUPVPN_PLUGIN_DEFINE(groupvpn_bench)
{
	private_bench_t *this;

	INIT(this,
		.public = {
			.get_name = _get_name,
			.get_features = _get_features,
			.reload = _reload,
			.destroy = _destroy,
		},
		.listener = {
			.ike_updown = _ike_updown,
			.child_updown = _child_updown,
		},
		.registration = {
			.request = _registration_request,
			.response = _registration_response,
		},
		.mutex = mutex_create(MUTEX_TYPE_DEFAULT),
	);
	return &this->public;
}
