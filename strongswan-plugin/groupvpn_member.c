/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers the member for its groups. For each group a state machine that
 * never gives up:
 *
 *   WAITING --timer--> CONNECTING --IKE_SA up--> REGISTERING --keys--> REGISTERED
 *      ^                   |                          |                    |
 *      +--- next GCKS -----+--------------------------+                    |
 *      +--- same GCKS, at once ----- IKE_SA lost, address or keys change ---+
 *
 * The IKE_SA is childless, shared by all groups with the same GCKS connection,
 * and brought up from the connection of that name in swanctl.conf.
 *
 * What the GCKS delivers goes to the group's data plane, which lives on when the
 * registration is lost. It does so in the order in which it came, but in a job,
 * as there may be thousands of states to install, and the IKE_SA has to answer.
 *
 * Nothing waits for an IKE_SA with the lock held: whoever has one checked out
 * may ask for the lock in a hook.
 */

#include "groupvpn_member.h"
#include "groupvpn_dataplane.h"
#include "groupvpn_payload.h"
#include "groupvpn_task.h"
#include "compat.h"

#include <daemon.h>
#include <processing/jobs/callback_job.h>
#include <processing/jobs/delete_ike_sa_job.h>
#include <processing/jobs/initiate_tasks_job.h>
#include <threading/mutex.h>

/* how long to wait for the IKE_SA, and for an answer that charon will not
 * tell us is not coming, before the next GCKS is tried, in seconds */
#define CONNECT_TIMEOUT 30
#define REGISTER_TIMEOUT 200

/* how often to ask for other keys than those that are about to expire, in
 * milliseconds */
#define RENEW_INTERVAL 5000

/* Message-ID that no request has: IKE_SAs do not live that long */
#define NO_REQUEST UINT32_MAX

/* how often to look for a connection that is not loaded, in milliseconds */
#define LOAD_INTERVAL 1000

typedef enum member_counter_t member_counter_t;
typedef enum member_state_t member_state_t;
typedef struct private_groupvpn_member_t private_groupvpn_member_t;

/**
 * State of a registration
 */
enum member_state_t {
	MEMBER_WAITING,
	MEMBER_CONNECTING,
	MEMBER_REGISTERING,
	MEMBER_REGISTERED,
};

ENUM(member_state_names, MEMBER_WAITING, MEMBER_REGISTERED,
	"waiting",
	"connecting",
	"registering",
	"registered",
);

/**
 * What is counted for each group
 */
enum member_counter_t {
	MEMBER_REGISTRATIONS,
	MEMBER_REFUSED,
	MEMBER_FAILED,
	MEMBER_DISMISSED,
	MEMBER_IKE_SAS_LOST,
	MEMBER_REKEYS_RECEIVED,
	MEMBER_REKEYS_REFUSED,
	MEMBER_COUNTERS
};

ENUM(member_counter_names, MEMBER_REGISTRATIONS, MEMBER_REKEYS_REFUSED,
	"registrations",
	"registrations-refused",
	"registrations-failed",
	"dismissals",
	"ike-sas-lost",
	"rekeys-received",
	"rekeys-refused",
);

/**
 * Private data
 */
struct private_groupvpn_member_t {

	/**
	 * Public interface
	 */
	groupvpn_member_t public;

	/**
	 * Registrations that we initiate, and the message to leave
	 */
	groupvpn_exchange_t registration;
	groupvpn_exchange_t leave;

	/**
	 * Control socket
	 */
	groupvpn_control_t *control;

	/**
	 * Kernel interface
	 */
	groupvpn_kernel_t *kernel;

	/**
	 * Management
	 */
	groupvpn_vici_t *vici;

	/**
	 * Delays of retries, in milliseconds
	 */
	uint64_t retry_min;
	uint64_t retry_max;

	/**
	 * Groups, as group_t
	 */
	linked_list_t *groups;

	/**
	 * Unique IDs of IKE_SAs by which came a rekey that we do not accept
	 */
	linked_list_t *refused;

	/**
	 * Fires when one of the groups has something to do
	 */
	groupvpn_timer_t *timer;

	/**
	 * Locks all of the above
	 */
	mutex_t *mutex;
};

/**
 * A group
 */
typedef struct {
	groupvpn_group_t *cfg;
	/* state of the registration, and when to give that up */
	member_state_t state;
	uint64_t due;
	/* which GCKS of the list is in use or will be */
	u_int gcks;
	/* failures in a row, and whether a missing connection was told of */
	u_int failures;
	bool missing;
	/* unique ID of the IKE_SA in use, 0 if there is none */
	uint32_t ike_sa;
	/* Message-ID of the request that is to be answered */
	uint32_t request;
	/* whether not to ask to keep our Sender-ID */
	bool fresh;
	/* what the GCKS has sent and is not in use yet, as delivery_t */
	linked_list_t *deliveries;
	uint64_t counters[MEMBER_COUNTERS];

	/* epochs, device and peers */
	groupvpn_dataplane_t *dataplane;
} group_t;

/**
 * What came in a registration or an in-band rekey
 */
typedef struct {
	struct gv_gsa gsa;
	/* addresses of the IKE_SA, registration only */
	host_t *local;
	host_t *gcks;
} delivery_t;

/**
 * Wipe and free a delivery
 */
static void delivery_destroy(delivery_t *delivery)
{
	gv_gsa_wipe(&delivery->gsa);
	DESTROY_IF(delivery->local);
	DESTROY_IF(delivery->gcks);
	free(delivery);
}

/**
 * Remove what came by a registration that is none anymore
 */
static void clear_deliveries(group_t *group)
{
	delivery_t *delivery;

	while (group->deliveries->remove_first(group->deliveries,
										   (void**)&delivery) == SUCCESS)
	{
		delivery_destroy(delivery);
	}
}

/**
 * Find a group by ID
 */
static group_t *find_group(private_groupvpn_member_t *this, uint32_t id)
{
	enumerator_t *enumerator;
	group_t *group, *found = NULL;

	enumerator = this->groups->create_enumerator(this->groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		if (group->cfg->id == id)
		{
			found = group;
			break;
		}
	}
	enumerator->destroy(enumerator);
	return found;
}

/**
 * Name of the connection to the GCKS in use
 */
static char *gcks_name(group_t *group)
{
	enumerator_t *enumerator;
	char *name = NULL, *current;
	u_int i = 0;

	enumerator = group->cfg->gcks->create_enumerator(group->cfg->gcks);
	while (enumerator->enumerate(enumerator, &current))
	{
		if (i++ == group->gcks)
		{
			name = current;
			break;
		}
	}
	enumerator->destroy(enumerator);
	return name;
}

/**
 * Add what identifies a group to a message
 */
static void add_group(vici_builder_t *builder, group_t *group)
{
	builder->add_kv(builder, "group", "%s", group->cfg->name);
	builder->add_kv(builder, "group-id", "%u", group->cfg->id);
	builder->add_kv(builder, "role", "member");
}

/* --- registration --- */

/**
 * Enter a state, for a time
 */
static void enter(private_groupvpn_member_t *this, group_t *group,
				  member_state_t state, uint64_t time)
{
	if (state != MEMBER_REGISTERED)
	{
		clear_deliveries(group);
	}
	group->state = state;
	group->due = groupvpn_now() + time;
	this->timer->arm(this->timer, group->due);
}

/**
 * A group is registered: until its keys expire, unless new ones come first
 */
static void enter_registered(private_groupvpn_member_t *this, group_t *group)
{
	group->state = MEMBER_REGISTERED;
	group->due = max(group->dataplane->get_renewal(group->dataplane),
					 groupvpn_now() + RENEW_INTERVAL);
	this->timer->arm(this->timer, group->due);
}

/**
 * A delay, shortened by up to a quarter
 */
static uint64_t jitter(uint64_t delay)
{
	return delay - random() % (delay / 4 + 1);
}

/**
 * A GCKS did not do: try the next one, after a delay
 *
 * @param refused		it has refused, more of the same will not help
 */
static void fail(private_groupvpn_member_t *this, group_t *group, bool refused,
				 char *why)
{
	u_int count = group->cfg->gcks->get_count(group->cfg->gcks);
	uint64_t delay = this->retry_min;
	char *name = gcks_name(group);

	group->counters[refused ? MEMBER_REFUSED : MEMBER_FAILED]++;
	group->failures++;
	group->ike_sa = 0;
	group->gcks = (group->gcks + 1) % count;
	if (group->failures % count == 0)
	{	/* all have failed, once more */
		delay = refused ? this->retry_max
						: min(this->retry_max, this->retry_min <<
								min(group->failures / count - 1, 16));
	}
	delay = jitter(delay);
	DBG1(DBG_IKE, "groupvpn: group '%s': registration with '%s' failed: %s; "
		 "trying '%s' in %u.%us", group->cfg->name, name, why,
		 gcks_name(group), (u_int)(delay / 1000), (u_int)(delay / 100 % 10));
	enter(this, group, MEMBER_WAITING, delay);
}

/**
 * The IKE_SA of a group is gone
 */
static void lose(private_groupvpn_member_t *this, group_t *group)
{
	switch (group->state)
	{
		case MEMBER_WAITING:
			break;
		case MEMBER_CONNECTING:
			fail(this, group, FALSE, "the IKE_SA could not be established, "
				 "see above");
			break;
		case MEMBER_REGISTERING:
			fail(this, group, FALSE, "the IKE_SA was lost");
			break;
		case MEMBER_REGISTERED:
			DBG1(DBG_IKE, "groupvpn: group '%s': IKE_SA with '%s' was lost, "
				 "traffic goes on until the keys expire; connecting again",
				 group->cfg->name, gcks_name(group));
			group->counters[MEMBER_IKE_SAS_LOST]++;
			group->failures = 0;
			group->ike_sa = 0;
			enter(this, group, MEMBER_WAITING, random() % this->retry_min);
			break;
	}
}

/**
 * The IKE_SA of a group, which is checked out, is up: register
 */
static void queue_registration(private_groupvpn_member_t *this, group_t *group,
							   ike_sa_t *ike_sa)
{
	group->request = NO_REQUEST;
	enter(this, group, MEMBER_REGISTERING, REGISTER_TIMEOUT * 1000);
	ike_sa->queue_task(ike_sa, groupvpn_task_create(ike_sa, &this->registration,
													group->cfg->id));
}

/**
 * Argument of jobs about a group
 */
typedef struct {
	private_groupvpn_member_t *this;
	uint32_t group_id;
	uint32_t ike_sa;
	notify_type_t notify;
} group_job_t;

/**
 * Queue a job
 */
static void queue_data(callback_job_cb_t cb, group_job_t *data)
{
	lib->processor->queue_job(lib->processor,
			(job_t*)callback_job_create(cb, data, free, NULL));
}

/**
 * Queue a job about a group
 */
static void queue_job(private_groupvpn_member_t *this, callback_job_cb_t cb,
					  uint32_t group_id, uint32_t ike_sa)
{
	group_job_t *data;

	INIT(data,
		.this = this,
		.group_id = group_id,
		.ike_sa = ike_sa,
	);
	queue_data(cb, data);
}

/**
 * Find the group of a job if it still is in the state that the job is for
 */
static group_t *find_in_state(group_job_t *data, member_state_t state)
{
	group_t *group = find_group(data->this, data->group_id);

	return group && group->state == state ? group : NULL;
}

/**
 * The connection to a group's GCKS is not loaded: look again, or at the next
 */
static void wait_for_connection(private_groupvpn_member_t *this, group_t *group)
{
	if (!group->missing)
	{
		DBG1(DBG_CFG, "groupvpn: group '%s': waiting for connection '%s' to be "
			 "loaded (swanctl --load-conns)", group->cfg->name,
			 gcks_name(group));
		group->missing = TRUE;
	}
	group->gcks = (group->gcks + 1) %
						group->cfg->gcks->get_count(group->cfg->gcks);
	enter(this, group, MEMBER_WAITING, LOAD_INTERVAL);
}

/**
 * Take the IKE_SA of a connection into use for a group: initiate it, or if it
 * is up already, the registration
 */
static status_t use_ike_sa(group_job_t *data, ike_sa_t *ike_sa)
{
	private_groupvpn_member_t *this = data->this;
	group_t *group;
	bool initiate = FALSE;

	this->mutex->lock(this->mutex);
	group = find_in_state(data, MEMBER_CONNECTING);
	if (group)
	{
		data->ike_sa = group->ike_sa = ike_sa->get_unique_id(ike_sa);
		switch (ike_sa->get_state(ike_sa))
		{
			case IKE_CREATED:
				initiate = TRUE;
				break;
			case IKE_ESTABLISHED:
			case IKE_REKEYING:
				queue_registration(this, group, ike_sa);
				initiate = TRUE;
				break;
			default:
				/* our hook is called when it is up */
				break;
		}
	}
	this->mutex->unlock(this->mutex);
	return initiate ? ike_sa->initiate(ike_sa, NULL, NULL) : SUCCESS;
}

CALLBACK(connect_group, job_requeue_t,
	group_job_t *data)
{
	private_groupvpn_member_t *this = data->this;
	peer_cfg_t *peer_cfg = NULL;
	ike_sa_t *ike_sa = NULL;
	group_t *group;
	char *name = NULL;

	this->mutex->lock(this->mutex);
	group = find_in_state(data, MEMBER_CONNECTING);
	if (group)
	{
		name = strdup(gcks_name(group));
	}
	this->mutex->unlock(this->mutex);
	if (!name)
	{
		return JOB_REQUEUE_NONE;
	}
	peer_cfg = charon->backends->get_peer_cfg_by_name(charon->backends, name);
	if (peer_cfg)
	{
		ike_sa = charon->ike_sa_manager->checkout_by_config(
											charon->ike_sa_manager, peer_cfg);
	}
	if (!ike_sa)
	{
		this->mutex->lock(this->mutex);
		group = find_in_state(data, MEMBER_CONNECTING);
		if (group && !peer_cfg)
		{
			wait_for_connection(this, group);
		}
		else if (group)
		{
			fail(this, group, FALSE, "charon gave no IKE_SA");
		}
		this->mutex->unlock(this->mutex);
	}
	else if (use_ike_sa(data, ike_sa) == DESTROY_ME)
	{
		charon->ike_sa_manager->checkin_and_destroy(charon->ike_sa_manager,
													ike_sa);
		this->mutex->lock(this->mutex);
		group = find_group(this, data->group_id);
		if (group && group->ike_sa == data->ike_sa)
		{
			lose(this, group);
		}
		this->mutex->unlock(this->mutex);
	}
	else
	{
		charon->ike_sa_manager->checkin(charon->ike_sa_manager, ike_sa);
	}
	DESTROY_IF(peer_cfg);
	free(name);
	return JOB_REQUEUE_NONE;
}

/**
 * Give up an IKE_SA that does not get established
 */
CALLBACK(abandon_ike_sa, job_requeue_t,
	group_job_t *data)
{
	ike_sa_t *ike_sa;

	ike_sa = charon->ike_sa_manager->checkout_by_id(charon->ike_sa_manager,
													data->ike_sa);
	if (ike_sa && ike_sa->get_state(ike_sa) == IKE_CONNECTING)
	{
		charon->ike_sa_manager->checkin_and_destroy(charon->ike_sa_manager,
													ike_sa);
	}
	else if (ike_sa)
	{
		charon->ike_sa_manager->checkin(charon->ike_sa_manager, ike_sa);
	}
	return JOB_REQUEUE_NONE;
}

/**
 * Do what is due in a group's registration
 */
static void run_registration(private_groupvpn_member_t *this, group_t *group,
							 uint64_t now)
{
	if (group->due > now)
	{
		return;
	}
	switch (group->state)
	{
		case MEMBER_WAITING:
			enter(this, group, MEMBER_CONNECTING, CONNECT_TIMEOUT * 1000);
			queue_job(this, connect_group, group->cfg->id, 0);
			break;
		case MEMBER_CONNECTING:
			if (group->ike_sa)
			{
				queue_job(this, abandon_ike_sa, group->cfg->id, group->ike_sa);
			}
			fail(this, group, FALSE, "the GCKS does not answer");
			break;
		case MEMBER_REGISTERING:
			fail(this, group, FALSE, "the GCKS does not answer");
			break;
		case MEMBER_REGISTERED:
			DBG1(DBG_IKE, "groupvpn: group '%s': keys expire soon and '%s' sent "
				 "no others, registering again", group->cfg->name,
				 gcks_name(group));
			enter(this, group, MEMBER_WAITING, 0);
			break;
	}
}

/**
 * Timer: do what is due
 */
CALLBACK(on_timer, void,
	private_groupvpn_member_t *this)
{
	enumerator_t *enumerator;
	group_t *group;
	uint64_t now = groupvpn_now();

	this->mutex->lock(this->mutex);
	enumerator = this->groups->create_enumerator(this->groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		if (!group->dataplane->run(group->dataplane, now))
		{
			enter(this, group, MEMBER_WAITING, 0);
		}
		run_registration(this, group, now);
		this->timer->arm(this->timer, min(group->due,
							group->dataplane->get_deadline(group->dataplane)));
	}
	enumerator->destroy(enumerator);
	this->mutex->unlock(this->mutex);
}

/**
 * Find the group that is being registered, or is registered, by an IKE_SA
 */
static group_t *find_by_ike_sa(private_groupvpn_member_t *this,
							   uint32_t group_id, ike_sa_t *ike_sa,
							   member_state_t state)
{
	group_t *group = find_group(this, group_id);

	return group && group->state == state &&
		   group->ike_sa == ike_sa->get_unique_id(ike_sa) ? group : NULL;
}

METHOD(groupvpn_exchange_t, registration_request, bool,
	groupvpn_exchange_t *exchange, ike_sa_t *ike_sa, uint32_t group_id,
	message_t *message)
{
	private_groupvpn_member_t *this;
	group_t *group;
	uint8_t current[GROUPVPN_CURRENT_SENDER_LEN];
	uint8_t senders[GROUPVPN_GROUP_SENDER_LEN];
	uint32_t epoch, sender_id;
	uint16_t member_id;
	bool ok = FALSE;

	this = container_of(exchange, private_groupvpn_member_t, registration);
	this->mutex->lock(this->mutex);
	group = find_by_ike_sa(this, group_id, ike_sa, MEMBER_REGISTERING);
	if (group && groupvpn_add_idg(message, group_id))
	{
		htoun32(senders, 1);
		message->add_notify(message, FALSE, GROUPVPN_N_GROUP_SENDER,
							chunk_from_thing(senders));
		group->request = message->get_message_id(message);
		if (!group->fresh &&
			group->dataplane->get_identifiers(group->dataplane,
									ike_sa->get_my_host(ike_sa),
									&epoch, &sender_id, &member_id))
		{
			htoun32(current, epoch);
			htoun32(current + 4, sender_id);
			htoun16(current + 8, member_id);
			message->add_notify(message, FALSE, GROUPVPN_N_CURRENT_SENDER,
								chunk_from_thing(current));
		}
		ok = TRUE;
	}
	this->mutex->unlock(this->mutex);
	return ok;
}

/**
 * What the operator should know of a refusal
 */
static char *explain(notify_type_t notify)
{
	switch ((int)notify)
	{
		case GV_N_INVALID_GROUP_ID:
			return "refused with INVALID_GROUP_ID: it is not the GCKS of a "
				   "group with this id; check 'id' here and 'id' and 'role' "
				   "there";
		case GV_N_AUTHORIZATION_FAILED:
			return "refused with AUTHORIZATION_FAILED: our identity may not "
				   "join; check 'members' and 'credential' of the group there, "
				   "our 'local.id', and whether we were evicted";
		case NO_PROPOSAL_CHOSEN:
			return "refused with NO_PROPOSAL_CHOSEN: no common algorithms; "
				   "check 'esp_proposal' there";
		default:
			return "refused with REGISTRATION_FAILED: its log tells why";
	}
}

/**
 * Find an error notify in an answer, 0 if there is none
 */
static notify_type_t find_error(message_t *message)
{
	static const notify_type_t errors[] = {
		GROUPVPN_N_INVALID_GROUP_ID,
		GROUPVPN_N_AUTHORIZATION_FAILED,
		GROUPVPN_N_REGISTRATION_FAILED,
		NO_PROPOSAL_CHOSEN,
	};
	u_int i;

	for (i = 0; i < countof(errors); i++)
	{
		if (message->get_notify(message, errors[i]))
		{
			return errors[i];
		}
	}
	return 0;
}

/**
 * Whether a GSA's ciphers are such as we can install
 */
static bool check_ciphers(const struct gv_gsa *gsa, char why[GV_TEXT_MAX + 1])
{
	u_int i;

	for (i = 0; i < gsa->epochs; i++)
	{
		if (gsa->epoch[i].esp.integ)
		{
			snprintf(why, GV_TEXT_MAX + 1, "its cipher is not an AEAD, only "
					 "these are supported");
			return FALSE;
		}
	}
	return TRUE;
}

/**
 * Whether a GSA's tags leave the SPIs of our other groups alone
 */
static bool check_tags(private_groupvpn_member_t *this, group_t *group,
					   const struct gv_gsa *gsa, char why[GV_TEXT_MAX + 1])
{
	enumerator_t *enumerator;
	group_t *other;
	u_int i;
	bool ok = TRUE;

	enumerator = this->groups->create_enumerator(this->groups);
	while (ok && enumerator->enumerate(enumerator, &other))
	{
		for (i = 0; i < gsa->epochs && other != group; i++)
		{
			if (other->dataplane->has_tag(other->dataplane, gsa->epoch[i].tag))
			{
				snprintf(why, GV_TEXT_MAX + 1, "its SPIs would be those of "
						 "group '%s' (tag 0x%02x), which has another GCKS; "
						 "its next epoch may do", other->cfg->name,
						 gsa->epoch[i].tag);
				ok = FALSE;
				break;
			}
		}
	}
	enumerator->destroy(enumerator);
	return ok;
}

/**
 * Decode and check what the GCKS sent for a group; FALSE and the reason if it
 * is of no use
 */
static bool get_gsa(private_groupvpn_member_t *this, group_t *group,
					ike_sa_t *ike_sa, message_t *message, struct gv_gsa *gsa,
					char why[GV_TEXT_MAX + 1])
{
	enum gv_gikev2_error error;

	error = groupvpn_get_gsa(message, ike_sa, gsa);
	if (error == GV_GIKEV2_MISSING &&
		!groupvpn_payload_find(message, GV_PAYLOAD_GSA, &(chunk_t){}))
	{
		snprintf(why, GV_TEXT_MAX + 1, "its answer has no GSA: the groupvpn "
				 "plugin is not loaded there");
		return FALSE;
	}
	if (error != GV_GIKEV2_OK)
	{
		snprintf(why, GV_TEXT_MAX + 1, "its GSA and KD can not be used: %s",
				 gv_gikev2_error_text(error));
		return FALSE;
	}
	if (gsa->group_id != group->cfg->id)
	{
		snprintf(why, GV_TEXT_MAX + 1, "its GSA is for group-ID %u",
				 gsa->group_id);
		return FALSE;
	}
	if (!message->get_notify(message, USE_TRANSPORT_MODE))
	{
		snprintf(why, GV_TEXT_MAX + 1, "it wants tunnel mode, only transport "
				 "mode is supported");
		return FALSE;
	}
	return check_ciphers(gsa, why) && check_tags(this, group, gsa, why);
}

/**
 * Whether we can be a member by an IKE_SA's addresses
 */
static bool check_addresses(ike_sa_t *ike_sa, char why[GV_TEXT_MAX + 1])
{
	host_t *me = ike_sa->get_my_host(ike_sa);

	if (me->get_family(me) != AF_INET)
	{
		snprintf(why, GV_TEXT_MAX + 1, "the connection uses IPv6, only IPv4 "
				 "gateways are supported");
		return FALSE;
	}
	if (ike_sa->has_condition(ike_sa, COND_NAT_HERE))
	{
		snprintf(why, GV_TEXT_MAX + 1, "there is a NAT before us, other "
				 "members could not reach our gateway address");
		return FALSE;
	}
	return TRUE;
}

METHOD(groupvpn_exchange_t, leave_request, bool,
	groupvpn_exchange_t *exchange, ike_sa_t *ike_sa, uint32_t group_id,
	message_t *message)
{
	/* RFC 9838, 2.3.3: IDg and an error notify leave the group */
	return groupvpn_add_idg(message, group_id) &&
		   (message->add_notify(message, FALSE, GROUPVPN_N_REGISTRATION_FAILED,
								chunk_empty), TRUE);
}

METHOD(groupvpn_exchange_t, leave_response, void,
	groupvpn_exchange_t *exchange, ike_sa_t *ike_sa, uint32_t group_id,
	message_t *message)
{
	private_groupvpn_member_t *this;
	enumerator_t *enumerator;
	group_t *group;
	bool used;

	this = container_of(exchange, private_groupvpn_member_t, leave);
	used = ike_sa->get_child_count(ike_sa) > 0;
	this->mutex->lock(this->mutex);
	enumerator = this->groups->create_enumerator(this->groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		used |= group->ike_sa == ike_sa->get_unique_id(ike_sa);
	}
	enumerator->destroy(enumerator);
	this->mutex->unlock(this->mutex);
	if (!used)
	{
		lib->processor->queue_job(lib->processor,
			(job_t*)delete_ike_sa_job_create(ike_sa->get_id(ike_sa), TRUE));
	}
}

CALLBACK(leave_group, job_requeue_t,
	group_job_t *data)
{
	private_groupvpn_member_t *this = data->this;
	ike_sa_t *ike_sa;

	ike_sa = charon->ike_sa_manager->checkout_by_id(charon->ike_sa_manager,
													data->ike_sa);
	if (ike_sa)
	{
		groupvpn_task_start(ike_sa, &this->leave, data->group_id);
	}
	return JOB_REQUEUE_NONE;
}

/**
 * The GCKS does not have us as a member
 */
static void refuse(private_groupvpn_member_t *this, group_t *group,
				   notify_type_t notify)
{
	vici_builder_t *builder = this->vici->begin(this->vici, "refused");

	if (builder)
	{
		add_group(builder, group);
		builder->add_kv(builder, "gcks", "%s", gcks_name(group));
		builder->add_kv(builder, "notify", "%s", groupvpn_notify_name(notify));
		builder->add_kv(builder, "reason", "%s", explain(notify));
		this->vici->raise(this->vici, "refused", 0, builder);
	}
	if (notify == GROUPVPN_N_AUTHORIZATION_FAILED)
	{
		group->dataplane->down(group->dataplane,
							   "the GCKS says we may not be a member");
	}
	fail(this, group, TRUE, explain(notify));
}

/**
 * Whether a registration has given us identifiers
 */
static bool check_identifiers(const struct gv_gsa *gsa,
							  char why[GV_TEXT_MAX + 1])
{
	if (!gsa->sender_id)
	{
		snprintf(why, GV_TEXT_MAX + 1, "its KD has no member-ID and Sender-ID "
				 "for us");
		return FALSE;
	}
	return TRUE;
}

/**
 * Tell that the GCKS has sent a new epoch
 */
static void raise_rekey(private_groupvpn_member_t *this, group_t *group,
						const struct gv_gsa *gsa)
{
	vici_builder_t *builder = this->vici->begin(this->vici, "rekey");

	if (builder)
	{
		add_group(builder, group);
		builder->add_kv(builder, "epoch", "%u",
						gsa->epoch[gsa->epochs - 1].epoch);
		builder->add_kv(builder, "atd", "%u", gsa->atd);
		builder->add_kv(builder, "dtd", "%u", gsa->dtd);
		this->vici->raise(this->vici, "rekey", 0, builder);
	}
}

/**
 * The keys that the GCKS gave start over: get others, of another Sender-ID
 */
static void start_afresh(private_groupvpn_member_t *this, group_t *group)
{
	char *why = "it gives us keys that we have used already";

	if (group->fresh)
	{
		fail(this, group, TRUE, why);
		return;
	}
	DBG1(DBG_IKE, "groupvpn: group '%s': keys of '%s' not accepted: %s; "
		 "registering for another Sender-ID", group->cfg->name,
		 gcks_name(group), why);
	group->fresh = TRUE;
	enter(this, group, MEMBER_WAITING, 0);
}

/**
 * Use what came from the GCKS
 */
static void use_delivery(private_groupvpn_member_t *this, group_t *group,
						 delivery_t *delivery)
{
	struct gv_gsa *gsa = &delivery->gsa;
	uint32_t epoch = gsa->epoch[gsa->epochs - 1].epoch;

	if (delivery->local)
	{
		group->dataplane->set_addresses(group->dataplane, delivery->local,
										delivery->gcks);
	}
	if (!group->dataplane->use(group->dataplane, gsa))
	{
		start_afresh(this, group);
		return;
	}
	if (delivery->local)
	{
		DBG1(DBG_IKE, "groupvpn: group '%s': registered with '%s' as member "
			 "%u, Sender-ID %u, epoch %u", group->cfg->name, gcks_name(group),
			 gsa->member_id, gsa->sender_id, epoch);
		group->counters[MEMBER_REGISTRATIONS]++;
		group->failures = 0;
		group->missing = FALSE;
		group->fresh = FALSE;
	}
	else
	{
		DBG1(DBG_IKE, "groupvpn: group '%s': received epoch %u",
			 group->cfg->name, epoch);
		group->counters[MEMBER_REKEYS_RECEIVED]++;
		raise_rekey(this, group, gsa);
	}
	enter_registered(this, group);
}

CALLBACK(use_deliveries, job_requeue_t,
	group_job_t *data)
{
	private_groupvpn_member_t *this = data->this;
	delivery_t *delivery;
	group_t *group;

	this->mutex->lock(this->mutex);
	group = find_group(this, data->group_id);
	while (group &&
		   group->deliveries->remove_first(group->deliveries,
										   (void**)&delivery) == SUCCESS)
	{
		use_delivery(this, group, delivery);
		delivery_destroy(delivery);
	}
	this->mutex->unlock(this->mutex);
	return JOB_REQUEUE_NONE;
}

/**
 * Have what came in a registration, or without an IKE_SA in an in-band rekey,
 * be used after what came before
 */
static void deliver(private_groupvpn_member_t *this, group_t *group,
					const struct gv_gsa *gsa, ike_sa_t *registration)
{
	delivery_t *delivery;
	host_t *host;

	INIT(delivery,
		.gsa = *gsa,
	);
	if (registration)
	{
		host = registration->get_my_host(registration);
		delivery->local = host->clone(host);
		host = registration->get_other_host(registration);
		delivery->gcks = host->clone(host);
	}
	group->deliveries->insert_last(group->deliveries, delivery);
	queue_job(this, use_deliveries, group->cfg->id, 0);
}

/**
 * Process the answer to a registration
 */
static void process_answer(private_groupvpn_member_t *this, group_t *group,
						   ike_sa_t *ike_sa, message_t *message)
{
	char why[GV_TEXT_MAX + 1];
	struct gv_gsa gsa = {};
	notify_type_t notify;

	notify = find_error(message);
	if (notify)
	{
		refuse(this, group, notify);
	}
	else if (!check_addresses(ike_sa, why) ||
			 !get_gsa(this, group, ike_sa, message, &gsa, why) ||
			 !check_identifiers(&gsa, why))
	{
		queue_job(this, leave_group, group->cfg->id, group->ike_sa);
		fail(this, group, TRUE, why);
	}
	else
	{
		enter(this, group, MEMBER_REGISTERED, REGISTER_TIMEOUT * 1000);
		deliver(this, group, &gsa, ike_sa);
	}
	gv_gsa_wipe(&gsa);
}

METHOD(groupvpn_exchange_t, registration_response, void,
	groupvpn_exchange_t *exchange, ike_sa_t *ike_sa, uint32_t group_id,
	message_t *message)
{
	private_groupvpn_member_t *this;
	group_t *group;

	this = container_of(exchange, private_groupvpn_member_t, registration);
	this->mutex->lock(this->mutex);
	group = find_by_ike_sa(this, group_id, ike_sa, MEMBER_REGISTERING);
	if (group && group->request == message->get_message_id(message))
	{
		process_answer(this, group, ike_sa, message);
	}
	this->mutex->unlock(this->mutex);
}

METHOD(listener_t, ike_updown, bool,
	private_groupvpn_member_t *this, ike_sa_t *ike_sa, bool up)
{
	enumerator_t *enumerator;
	group_t *group;
	bool queued = FALSE;

	this->mutex->lock(this->mutex);
	if (!up)
	{	/* it sends no answer anymore */
		this->refused->remove(this->refused,
					(void*)(uintptr_t)ike_sa->get_unique_id(ike_sa), NULL);
	}
	enumerator = this->groups->create_enumerator(this->groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		if (group->ike_sa != ike_sa->get_unique_id(ike_sa))
		{
			continue;
		}
		if (!up)
		{
			lose(this, group);
		}
		else if (group->state == MEMBER_CONNECTING)
		{
			queue_registration(this, group, ike_sa);
			queued = TRUE;
		}
	}
	enumerator->destroy(enumerator);
	this->mutex->unlock(this->mutex);
	if (queued)
	{
		lib->processor->queue_job(lib->processor,
			(job_t*)initiate_tasks_job_create(ike_sa->get_id(ike_sa)));
	}
	return TRUE;
}

METHOD(listener_t, ike_update, bool,
	private_groupvpn_member_t *this, ike_sa_t *ike_sa, host_t *local,
	host_t *remote)
{
	enumerator_t *enumerator;
	group_t *group;

	this->mutex->lock(this->mutex);
	enumerator = this->groups->create_enumerator(this->groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		if (group->ike_sa == ike_sa->get_unique_id(ike_sa) &&
			group->state == MEMBER_REGISTERED &&
			!local->ip_equals(local, ike_sa->get_my_host(ike_sa)))
		{	/* a new gateway address has to be registered */
			enter(this, group, MEMBER_WAITING, 0);
		}
	}
	enumerator->destroy(enumerator);
	this->mutex->unlock(this->mutex);
	return TRUE;
}

METHOD(listener_t, ike_rekey, bool,
	private_groupvpn_member_t *this, ike_sa_t *old, ike_sa_t *new)
{
	enumerator_t *enumerator;
	group_t *group;

	this->mutex->lock(this->mutex);
	enumerator = this->groups->create_enumerator(this->groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		if (group->ike_sa == old->get_unique_id(old))
		{
			group->ike_sa = new->get_unique_id(new);
			if (group->state == MEMBER_REGISTERING)
			{	/* an answer by the old one would not be ours */
				queue_registration(this, group, new);
			}
		}
	}
	enumerator->destroy(enumerator);
	this->mutex->unlock(this->mutex);
	return TRUE;
}

/* --- in-band rekey --- */

/**
 * Receive an in-band rekey; FALSE if it can not be used
 */
static bool receive_rekey(private_groupvpn_member_t *this, ike_sa_t *ike_sa,
						  message_t *message)
{
	char why[GV_TEXT_MAX + 1] = "";
	struct gv_gsa gsa = {};
	group_t *group = NULL;
	bool ok = FALSE;

	if (groupvpn_get_gsa(message, ike_sa, &gsa) == GV_GIKEV2_OK)
	{
		this->mutex->lock(this->mutex);
		group = find_by_ike_sa(this, gsa.group_id, ike_sa, MEMBER_REGISTERED);
		ok = group && !gsa.sender_id &&
			 get_gsa(this, group, ike_sa, message, &gsa, why);
		if (ok)
		{
			deliver(this, group, &gsa, NULL);
		}
		else if (group)
		{
			group->counters[MEMBER_REKEYS_REFUSED]++;
		}
		this->mutex->unlock(this->mutex);
	}
	if (!ok)
	{
		DBG1(DBG_IKE, "groupvpn: rekey from %H ('%Y') not accepted: %s",
			 ike_sa->get_other_host(ike_sa), ike_sa->get_other_id(ike_sa),
			 *why ? why : "it is not of our GCKS, or not valid");
	}
	gv_gsa_wipe(&gsa);
	return ok;
}

CALLBACK(end_membership, job_requeue_t,
	group_job_t *data)
{
	private_groupvpn_member_t *this = data->this;
	group_t *group;

	this->mutex->lock(this->mutex);
	group = find_in_state(data, MEMBER_REGISTERED);
	if (group && group->ike_sa == data->ike_sa)
	{
		group->counters[MEMBER_DISMISSED]++;
		refuse(this, group, data->notify);
	}
	this->mutex->unlock(this->mutex);
	return JOB_REQUEUE_NONE;
}

/**
 * Receive a dismissal: IDg, and the notify that we would get if we registered
 */
static void receive_dismissal(private_groupvpn_member_t *this, ike_sa_t *ike_sa,
							  message_t *message, chunk_t idg)
{
	group_job_t *data;

	INIT(data,
		.this = this,
		.ike_sa = ike_sa->get_unique_id(ike_sa),
		.notify = find_error(message),
	);
	if ((data->notify == GROUPVPN_N_INVALID_GROUP_ID ||
		 data->notify == GROUPVPN_N_AUTHORIZATION_FAILED) &&
		gv_idg_decode(idg.ptr, idg.len, &data->group_id) == GV_GIKEV2_OK)
	{
		queue_data(end_membership, data);
	}
	else
	{
		free(data);
	}
}

METHOD(listener_t, message_hook, bool,
	private_groupvpn_member_t *this, ike_sa_t *ike_sa, message_t *message,
	bool incoming, bool plain)
{
	void *id = (void*)(uintptr_t)ike_sa->get_unique_id(ike_sa);
	chunk_t gsa, idg;

	if (!groupvpn_is_carrier(ike_sa, message, plain))
	{
		return TRUE;
	}
	if (incoming && message->get_request(message))
	{
		if (groupvpn_payload_find(message, GV_PAYLOAD_GSA, &gsa) &&
			!receive_rekey(this, ike_sa, message))
		{
			this->mutex->lock(this->mutex);
			this->refused->insert_last(this->refused, id);
			this->mutex->unlock(this->mutex);
		}
		if (groupvpn_payload_find(message, GV_PAYLOAD_IDG, &idg))
		{
			receive_dismissal(this, ike_sa, message, idg);
		}
	}
	else if (!incoming && !message->get_request(message))
	{
		this->mutex->lock(this->mutex);
		if (this->refused->remove(this->refused, id, NULL))
		{
			message->disable_sort(message);
			message->add_notify(message, FALSE, GROUPVPN_N_REGISTRATION_FAILED,
								chunk_empty);
		}
		this->mutex->unlock(this->mutex);
	}
	return TRUE;
}

/* --- bgpd --- */

METHOD(groupvpn_control_handler_t, replay, void,
	groupvpn_control_handler_t *handler, u_int client)
{
	private_groupvpn_member_t *this;
	enumerator_t *enumerator;
	group_t *group;

	this = container_of(handler, private_groupvpn_member_t, public.handler);
	this->mutex->lock(this->mutex);
	enumerator = this->groups->create_enumerator(this->groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		group->dataplane->tell(group->dataplane, client);
	}
	enumerator->destroy(enumerator);
	this->mutex->unlock(this->mutex);
}

/**
 * Answer a PEER of a group that we do not have
 */
static void refuse_peer(private_groupvpn_member_t *this, u_int client,
						const struct gv_ctl_msg *peer)
{
	struct gv_ctl_msg msg = {
		.type = GV_CTL_PEER_STATUS,
		.group_id = peer->group_id,
		.member_id = peer->member_id,
		.sender_id = peer->sender_id,
		.text = "charon is not a member of this group",
	};

	this->control->send(this->control, client, &msg);
}

/**
 * Begin or end a client's synchronisation
 */
static void synchronize(private_groupvpn_member_t *this, u_int client,
						bool begin)
{
	enumerator_t *enumerator;
	groupvpn_peers_t *peers;
	group_t *group;

	enumerator = this->groups->create_enumerator(this->groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		peers = group->dataplane->get_peers(group->dataplane);
		if (begin)
		{
			peers->begin_sync(peers, client);
		}
		else
		{
			peers->end_sync(peers, client);
			group->dataplane->tell_soon(group->dataplane);
		}
	}
	enumerator->destroy(enumerator);
}

METHOD(groupvpn_control_handler_t, control_message, void,
	groupvpn_control_handler_t *handler, u_int client,
	const struct gv_ctl_msg *msg)
{
	private_groupvpn_member_t *this;
	groupvpn_peers_t *peers = NULL;
	group_t *group;
	host_t *gateway;

	this = container_of(handler, private_groupvpn_member_t, public.handler);
	this->mutex->lock(this->mutex);
	group = find_group(this, msg->group_id);
	if (group)
	{
		peers = group->dataplane->get_peers(group->dataplane);
	}
	switch (msg->type)
	{
		case GV_CTL_HELLO:
			synchronize(this, client, TRUE);
			break;
		case GV_CTL_SYNC:
			synchronize(this, client, FALSE);
			break;
		case GV_CTL_PEER:
			gateway = groupvpn_host(&msg->gateway);
			if (peers && gateway)
			{
				peers->set(peers, msg->member_id, msg->sender_id, gateway,
						   client);
			}
			else
			{
				refuse_peer(this, client, msg);
			}
			DESTROY_IF(gateway);
			break;
		case GV_CTL_PEER_DOWN:
			if (peers)
			{
				peers->unset(peers, msg->member_id);
				group->dataplane->tell_soon(group->dataplane);
			}
			break;
		default:
			break;
	}
	this->mutex->unlock(this->mutex);
}

METHOD(groupvpn_control_handler_t, gone, void,
	groupvpn_control_handler_t *handler, u_int client)
{
	private_groupvpn_member_t *this;
	enumerator_t *enumerator;
	groupvpn_peers_t *peers;
	group_t *group;

	this = container_of(handler, private_groupvpn_member_t, public.handler);
	this->mutex->lock(this->mutex);
	enumerator = this->groups->create_enumerator(this->groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		peers = group->dataplane->get_peers(group->dataplane);
		peers->orphan(peers, client);
	}
	enumerator->destroy(enumerator);
	this->mutex->unlock(this->mutex);
}

/* --- configuration --- */

/**
 * Find a reqid that none of our groups has
 */
static uint32_t find_reqid(private_groupvpn_member_t *this)
{
	enumerator_t *enumerator;
	group_t *group;
	uint32_t reqid = GROUPVPN_REQID;
	bool used;

	do
	{
		used = FALSE;
		enumerator = this->groups->create_enumerator(this->groups);
		while (enumerator->enumerate(enumerator, &group))
		{
			used |= group->dataplane->get_reqid(group->dataplane) == reqid;
		}
		enumerator->destroy(enumerator);
	}
	while (used && ++reqid < GROUPVPN_REQID_LAST);
	return reqid;
}

/**
 * Start a group
 */
static void start_group(private_groupvpn_member_t *this, groupvpn_group_t *cfg)
{
	group_t *group;

	INIT(group,
		.cfg = groupvpn_group_get_ref(cfg),
		.deliveries = linked_list_create(),
		.dataplane = groupvpn_dataplane_create(cfg, find_reqid(this),
											   this->kernel, this->control,
											   this->vici, this->timer),
	);
	this->groups->insert_last(this->groups, group);
	DBG1(DBG_CFG, "groupvpn: group '%s' (%u) started, we are a member",
		 cfg->name, cfg->id);
	enter(this, group, MEMBER_WAITING, 0);
}

/**
 * Stop a group that is not in the list anymore
 */
static void stop_group(private_groupvpn_member_t *this, group_t *group,
					   char *why)
{
	group->dataplane->down(group->dataplane, why);
	group->dataplane->destroy(group->dataplane);
	clear_deliveries(group);
	group->deliveries->destroy(group->deliveries);
	groupvpn_group_destroy(group->cfg);
	free(group);
}

/**
 * Stop a group that is not configured anymore
 */
static void end_group(private_groupvpn_member_t *this, group_t *group)
{
	if (group->state == MEMBER_REGISTERED)
	{
		queue_job(this, leave_group, group->cfg->id, group->ike_sa);
	}
	DBG1(DBG_CFG, "groupvpn: group '%s' (%u) stopped", group->cfg->name,
		 group->cfg->id);
	stop_group(this, group, "it is not configured anymore");
}

/**
 * Change a group's configuration; its name, ID and role are the same
 */
static void change_group(private_groupvpn_member_t *this, group_t *group,
						 groupvpn_group_t *cfg)
{
	char *name = NULL;

	if (groupvpn_group_equals(group->cfg, cfg))
	{
		if (group->state == MEMBER_WAITING)
		{	/* whoever reloads may have changed something else */
			group->failures = 0;
			enter(this, group, MEMBER_WAITING, 0);
		}
		return;
	}
	DBG1(DBG_CFG, "groupvpn: group '%s' (%u) changed", cfg->name, cfg->id);
	if (group->state == MEMBER_REGISTERED)
	{
		name = strdup(gcks_name(group));
	}
	group->dataplane->set_config(group->dataplane, cfg);
	groupvpn_group_destroy(group->cfg);
	group->cfg = groupvpn_group_get_ref(cfg);
	group->gcks = 0;
	if (name && !streq(name, gcks_name(group)))
	{
		queue_job(this, leave_group, cfg->id, group->ike_sa);
	}
	free(name);
	group->ike_sa = 0;
	group->failures = 0;
	group->missing = FALSE;
	enter(this, group, MEMBER_WAITING, 0);
}

/**
 * Find the configuration of a group of the same name, ID and role
 */
static groupvpn_group_t *find_config(groupvpn_config_t *config, group_t *group)
{
	enumerator_t *enumerator;
	groupvpn_group_t *cfg, *found = NULL;

	enumerator = config->create_enumerator(config);
	while (enumerator->enumerate(enumerator, &cfg))
	{
		if (cfg->role == GV_ROLE_MEMBER && cfg->id == group->cfg->id &&
			streq(cfg->name, group->cfg->name))
		{
			found = cfg;
			break;
		}
	}
	enumerator->destroy(enumerator);
	return found;
}

METHOD(groupvpn_member_t, configure, void,
	private_groupvpn_member_t *this, groupvpn_config_t *config)
{
	enumerator_t *enumerator;
	groupvpn_group_t *cfg;
	group_t *group;

	this->mutex->lock(this->mutex);
	enumerator = this->groups->create_enumerator(this->groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		cfg = find_config(config, group);
		if (cfg)
		{
			change_group(this, group, cfg);
		}
		else
		{
			this->groups->remove_at(this->groups, enumerator);
			end_group(this, group);
		}
	}
	enumerator->destroy(enumerator);
	enumerator = config->create_enumerator(config);
	while (enumerator->enumerate(enumerator, &cfg))
	{
		if (cfg->role == GV_ROLE_MEMBER && !find_group(this, cfg->id))
		{
			start_group(this, cfg);
		}
	}
	enumerator->destroy(enumerator);
	this->mutex->unlock(this->mutex);
}

/* --- management --- */

/**
 * Tell a client of a group
 */
static void list_group(private_groupvpn_member_t *this, group_t *group,
					   u_int client)
{
	vici_builder_t *builder = this->vici->begin(this->vici, "list-group");

	if (builder)
	{
		add_group(builder, group);
		builder->add_kv(builder, "gcks", "%s", gcks_name(group));
		builder->add_kv(builder, "state", "%N", member_state_names,
						group->state);
		if (group->ike_sa)
		{
			builder->add_kv(builder, "ike-sa", "%u", group->ike_sa);
		}
		group->dataplane->describe(group->dataplane, builder);
		this->vici->raise(this->vici, "list-group", client, builder);
	}
}

/**
 * Tell a client of the other members of a group
 */
static void list_group_members(private_groupvpn_member_t *this, group_t *group,
							   u_int client)
{
	group->dataplane->list_members(group->dataplane, client);
}

/**
 * Tell a client of the epochs of a group
 */
static void list_group_sas(private_groupvpn_member_t *this, group_t *group,
						   u_int client)
{
	group->dataplane->list_sas(group->dataplane, client);
}

/**
 * Do something for the group of a name, or for all if that is NULL; FALSE if
 * there is none such
 */
static bool for_groups(groupvpn_vici_handler_t *handler, char *name,
			u_int client,
			void (*list)(private_groupvpn_member_t*, group_t*, u_int))
{
	private_groupvpn_member_t *this;
	enumerator_t *enumerator;
	group_t *group;
	bool found = FALSE;

	this = container_of(handler, private_groupvpn_member_t, public.management);
	this->mutex->lock(this->mutex);
	enumerator = this->groups->create_enumerator(this->groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		if (!name || streq(name, group->cfg->name))
		{
			list(this, group, client);
			found = TRUE;
		}
	}
	enumerator->destroy(enumerator);
	this->mutex->unlock(this->mutex);
	return found;
}

METHOD(groupvpn_vici_handler_t, list_groups, bool,
	groupvpn_vici_handler_t *handler, char *group, u_int client)
{
	return for_groups(handler, group, client, list_group);
}

METHOD(groupvpn_vici_handler_t, list_members, bool,
	groupvpn_vici_handler_t *handler, char *group, u_int client)
{
	return for_groups(handler, group, client, list_group_members);
}

METHOD(groupvpn_vici_handler_t, list_sas, bool,
	groupvpn_vici_handler_t *handler, char *group, u_int client)
{
	return for_groups(handler, group, client, list_group_sas);
}

METHOD(groupvpn_vici_handler_t, add_counters, bool,
	groupvpn_vici_handler_t *handler, char *name, vici_builder_t *builder)
{
	private_groupvpn_member_t *this;
	enumerator_t *enumerator;
	group_t *group;
	bool found = FALSE;

	this = container_of(handler, private_groupvpn_member_t, public.management);
	this->mutex->lock(this->mutex);
	enumerator = this->groups->create_enumerator(this->groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		if (!name || streq(name, group->cfg->name))
		{
			builder->begin_section(builder, group->cfg->name);
			groupvpn_vici_add_counters(builder, member_counter_names,
									   group->counters, MEMBER_COUNTERS);
			builder->end_section(builder);
			found = TRUE;
		}
	}
	enumerator->destroy(enumerator);
	this->mutex->unlock(this->mutex);
	return found;
}

METHOD(groupvpn_member_t, destroy, void,
	private_groupvpn_member_t *this)
{
	group_t *group;

	while (this->groups->remove_first(this->groups,
									  (void**)&group) == SUCCESS)
	{
		stop_group(this, group, "charon stops");
	}
	this->groups->destroy(this->groups);
	this->refused->destroy(this->refused);
	this->timer->destroy(this->timer);
	this->mutex->destroy(this->mutex);
	free(this);
}

/*
 * See header
 */
groupvpn_member_t *groupvpn_member_create(groupvpn_control_t *control,
										  groupvpn_kernel_t *kernel,
										  groupvpn_vici_t *vici,
										  u_int retry_min, u_int retry_max)
{
	private_groupvpn_member_t *this;

	INIT(this,
		.public = {
			.listener = {
				.message = _message_hook,
				.ike_updown = _ike_updown,
				.ike_update = _ike_update,
				.ike_rekey = _ike_rekey,
			},
			.handler = {
				.replay = _replay,
				.message = _control_message,
				.gone = _gone,
			},
			.management = {
				.list_groups = _list_groups,
				.list_members = _list_members,
				.list_sas = _list_sas,
				.add_counters = _add_counters,
			},
			.configure = _configure,
			.destroy = _destroy,
		},
		.registration = {
			.request = _registration_request,
			.response = _registration_response,
		},
		.leave = {
			.request = _leave_request,
			.response = _leave_response,
		},
		.control = control,
		.kernel = kernel,
		.vici = vici,
		.retry_min = retry_min * 1000,
		.retry_max = retry_max * 1000,
		.groups = linked_list_create(),
		.refused = linked_list_create(),
		.mutex = mutex_create(MUTEX_TYPE_DEFAULT),
	);
	this->timer = groupvpn_timer_create(on_timer, this);
	return &this->public;
}
