/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The GCKS of RFC 9838: answers registrations, gives each group its epochs and
 * pushes a new one over the IKE_SAs of the members before the old one ends.
 *
 * A registration comes in an INFORMATIONAL request. charon has its own task
 * answer that; we note the request when it comes in and add to the response
 * when it goes out. Both happen in one thread, which has the IKE_SA checked
 * out and must not wait for another one.
 *
 * Epochs and the route epoch are numbered from the time of the start on, so
 * that those of a restarted GCKS are newer. GSA_REKEY messages, LKH and
 * sa_mode = shared are not here.
 */

#include "groupvpn_gcks.h"
#include "groupvpn_payload.h"
#include "groupvpn_registrations.h"
#include "groupvpn_sa_table.h"
#include "groupvpn_task.h"
#include "compat.h"

#include <time.h>

#include <daemon.h>
#include <processing/jobs/callback_job.h>
#include <threading/mutex.h>

#include <crypto.h>
#include <keys.h>

/* time for a member to register again after its IKE_SA is gone, before bgpd
 * hears that it left, in milliseconds */
#define REMOVAL_DELAY 5000

/* time that members may take to receive a new epoch, in seconds */
#define PUSH_TIME 5

/* number of tags */
#define TAGS (GV_TAG_MAX - GV_TAG_MIN + 1)

typedef struct private_groupvpn_gcks_t private_groupvpn_gcks_t;

/**
 * Private data
 */
struct private_groupvpn_gcks_t {

	/**
	 * Public interface
	 */
	groupvpn_gcks_t public;

	/**
	 * In-band rekeys that we initiate
	 */
	groupvpn_exchange_t exchange;

	/**
	 * Control socket
	 */
	groupvpn_control_t *control;

	/**
	 * Policy server
	 */
	groupvpn_policy_t *policy;

	/**
	 * Groups, as group_t
	 */
	linked_list_t *groups;

	/**
	 * Registration requests that wait for their response, as request_t
	 */
	linked_list_t *requests;

	/**
	 * Number of the last tag that was given, to give it again last
	 */
	u_int last_tag;

	/**
	 * Fires when an epoch has to begin or to end
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
	/* epochs and keys */
	groupvpn_sa_table_t *sas;
	/* members */
	groupvpn_registrations_t *registrations;
	/* secret of the group's routes */
	uint32_t route_epoch;
	uint8_t route_secret[GV_SECRET_LEN];
	/* when to begin the next epoch */
	uint64_t roll;
	/* first epoch whose Sender-IDs are counted as now */
	uint32_t first_epoch;
	/* address members reach us at, NULL if not known */
	host_t *address;
} group_t;

/**
 * A registration request
 */
typedef struct {
	/* unique ID of the IKE_SA it came by */
	uint32_t ike_sa;
	/* its IDg payload is valid */
	bool valid;
	uint32_t group_id;
	/* the member leaves */
	bool leave;
	/* identifiers that the member says it holds, 0 if none */
	uint32_t sender_id;
	uint16_t member_id;
} request_t;

/**
 * Argument of a job about a registration
 */
typedef struct {
	private_groupvpn_gcks_t *this;
	uint32_t group_id;
	uint16_t member_id;
	uint32_t ike_sa;
} registration_job_t;

/**
 * Find a group by ID
 */
static group_t *find_group(private_groupvpn_gcks_t *this, uint32_t id)
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

/* --- to bgpd --- */

/**
 * The first IPv4 address of the host, for want of a better one
 */
static host_t *first_address()
{
	enumerator_t *enumerator;
	host_t *host, *found = NULL;

	enumerator = charon->kernel->create_address_enumerator(charon->kernel,
														   ADDR_TYPE_REGULAR);
	while (enumerator->enumerate(enumerator, &host))
	{
		if (host->get_family(host) == AF_INET)
		{
			found = host->clone(host);
			break;
		}
	}
	enumerator->destroy(enumerator);
	return found;
}

/**
 * Compose the GROUP message
 */
static bool group_msg(group_t *group, struct gv_ctl_msg *msg)
{
	groupvpn_sa_t *newest = group->sas->newest(group->sas);
	uint8_t mac_key[GV_SECRET_LEN];
	struct gv_attr attr = {
		.kind = GV_KIND_DESCRIPTOR,
		.group_id = group->cfg->id,
		.route_epoch = group->route_epoch,
	};

	if (!group->address)
	{
		group->address = first_address();
	}
	if (!group->address ||
		!gv_mac_key(group->cfg->id, group->route_secret, mac_key))
	{
		return FALSE;
	}
	attr.gateway = groupvpn_addr(group->address);
	*msg = (struct gv_ctl_msg){
		.type = GV_CTL_GROUP,
		.group_id = group->cfg->id,
		.role = GV_ROLE_GCKS,
		.gateway = attr.gateway,
		.epoch = newest ? newest->sa.epoch : 0,
		.route_epoch = group->route_epoch,
	};
	snprintf(msg->name, sizeof(msg->name), "%s", group->cfg->name);
	msg->attr_len = gv_attr_encode(&attr, mac_key, msg->attr,
								   sizeof(msg->attr));
	gv_wipe(mac_key, sizeof(mac_key));
	return TRUE;
}

/**
 * Tell bgpd of a group
 */
static void tell_group(private_groupvpn_gcks_t *this, group_t *group)
{
	struct gv_ctl_msg msg;

	if (group_msg(group, &msg))
	{
		this->control->broadcast(this->control, &msg);
	}
}

/**
 * Compose the REGISTRATION message
 */
static void registration_msg(group_t *group,
							 groupvpn_registration_t *registration,
							 struct gv_ctl_msg *msg)
{
	*msg = (struct gv_ctl_msg){
		.type = GV_CTL_REGISTRATION,
		.group_id = group->cfg->id,
		.member_id = registration->member_id,
		.sender_id = registration->sender_id,
		.gateway = groupvpn_addr(registration->gateway),
	};
	snprintf(msg->identity, sizeof(msg->identity), "%Y",
			 registration->identity);
}

/**
 * Remove a registration, and tell bgpd
 */
static void unregister(private_groupvpn_gcks_t *this, group_t *group,
					   groupvpn_registration_t *registration, char *why)
{
	struct gv_ctl_msg msg = {
		.type = GV_CTL_REGISTRATION_DOWN,
		.group_id = group->cfg->id,
		.member_id = registration->member_id,
	};

	DBG1(DBG_IKE, "groupvpn: group '%s': member %u '%Y' at %H removed: %s",
		 group->cfg->name, registration->member_id, registration->identity,
		 registration->gateway, why);
	snprintf(msg.text, sizeof(msg.text), "%s", why);
	groupvpn_registration_clear(registration);
	this->control->broadcast(this->control, &msg);
}

METHOD(groupvpn_control_handler_t, replay, void,
	groupvpn_control_handler_t *handler, u_int client)
{
	private_groupvpn_gcks_t *this;
	enumerator_t *groups, *registrations;
	group_t *group;
	groupvpn_registration_t *registration;
	struct gv_ctl_msg msg;

	this = container_of(handler, private_groupvpn_gcks_t, public.handler);
	this->mutex->lock(this->mutex);
	groups = this->groups->create_enumerator(this->groups);
	while (groups->enumerate(groups, &group))
	{
		if (!group_msg(group, &msg))
		{
			continue;
		}
		this->control->send(this->control, client, &msg);
		registrations = group->registrations->create_enumerator(
														group->registrations);
		while (registrations->enumerate(registrations, &registration))
		{
			if (registration->ike_sa)
			{
				registration_msg(group, registration, &msg);
				this->control->send(this->control, client, &msg);
			}
		}
		registrations->destroy(registrations);
	}
	groups->destroy(groups);
	this->mutex->unlock(this->mutex);
}

/* --- epochs --- */

/**
 * Whether a tag is that of a live epoch of some group
 */
static bool is_tag_used(private_groupvpn_gcks_t *this, uint8_t tag)
{
	enumerator_t *enumerator;
	group_t *group;
	bool used = FALSE;

	enumerator = this->groups->create_enumerator(this->groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		used |= group->sas->has_tag(group->sas, tag);
	}
	enumerator->destroy(enumerator);
	return used;
}

/**
 * Choose the tag of a new epoch: not that of a live one, and as late as
 * possible that of a former one
 */
static bool choose_tag(private_groupvpn_gcks_t *this, uint8_t *tag)
{
	u_int i;

	for (i = 0; i < TAGS; i++)
	{
		this->last_tag = (this->last_tag + 1) % TAGS;
		*tag = GV_TAG_MIN + this->last_tag;
		if (!is_tag_used(this, *tag))
		{
			return TRUE;
		}
	}
	return FALSE;
}

/**
 * Time from the beginning of an epoch to that of the next, in seconds: members
 * have to receive and activate that before this one's lifetime ends
 */
static uint32_t roll_interval(groupvpn_group_t *cfg)
{
	uint32_t margin = max(cfg->lifetime / 5, cfg->atd + cfg->dtd + PUSH_TIME);

	return cfg->lifetime - min(margin, cfg->lifetime / 2);
}

/**
 * Begin a new epoch
 */
static bool begin_epoch(private_groupvpn_gcks_t *this, group_t *group)
{
	groupvpn_sa_t *newest = group->sas->newest(group->sas), *sa;
	enumerator_t *enumerator;
	uint64_t now = groupvpn_now();
	struct gv_epoch_sa epoch = {
		.epoch = max((uint32_t)time(NULL), newest ? newest->sa.epoch + 1 : 1),
		.lifetime = group->cfg->lifetime,
		.esp = group->cfg->esp,
	};

	/* should it fail, this is when we try again */
	group->roll = now + PUSH_TIME * 1000;
	if (!choose_tag(this, &epoch.tag))
	{
		DBG1(DBG_IKE, "groupvpn: group '%s': no new keys, all %d tags are in "
			 "use: this GCKS has too many groups", group->cfg->name, TAGS);
		return FALSE;
	}
	if (!gv_random(epoch.gsk, sizeof(epoch.gsk)))
	{
		DBG1(DBG_IKE, "groupvpn: group '%s': no new keys, the random number "
			 "generator failed", group->cfg->name);
		return FALSE;
	}
	enumerator = group->sas->create_enumerator(group->sas);
	while (enumerator->enumerate(enumerator, &sa))
	{
		sa->retires = min(sa->retires,
						  now + (group->cfg->dtd + PUSH_TIME) * 1000ULL);
	}
	enumerator->destroy(enumerator);
	group->sas->add(group->sas, &epoch, now);
	gv_wipe(&epoch, sizeof(epoch));
	group->roll = now + roll_interval(group->cfg) * 1000ULL;
	return TRUE;
}

/**
 * Compose what all members of a group get
 */
static void compose(group_t *group, struct gv_gsa *gsa)
{
	*gsa = (struct gv_gsa){
		.group_id = group->cfg->id,
		.sa_mode = GV_SA_DERIVED,
		.encap = GV_ENCAP_GRE,
		.atd = group->cfg->atd,
		.dtd = group->cfg->dtd,
		.replay_window_log2 = __builtin_ctz(group->cfg->replay_window),
		.route_epoch = group->route_epoch,
	};
	memcpy(gsa->route_secret, group->route_secret, GV_SECRET_LEN);
	group->sas->export(group->sas, group->first_epoch, gsa, groupvpn_now());
}

/**
 * Find the registration of a group by an IKE_SA
 */
static groupvpn_registration_t *find_by_ike_sa(group_t *group, ike_sa_t *ike_sa)
{
	enumerator_t *enumerator;
	groupvpn_registration_t *registration, *found = NULL;

	enumerator = group->registrations->create_enumerator(group->registrations);
	while (enumerator->enumerate(enumerator, &registration))
	{
		if (registration->ike_sa == ike_sa->get_unique_id(ike_sa))
		{
			found = registration;
			break;
		}
	}
	enumerator->destroy(enumerator);
	return found;
}

METHOD(groupvpn_exchange_t, request, bool,
	groupvpn_exchange_t *exchange, ike_sa_t *ike_sa, uint32_t group_id,
	message_t *message)
{
	private_groupvpn_gcks_t *this;
	group_t *group;
	struct gv_gsa gsa;
	bool ok = FALSE;

	this = container_of(exchange, private_groupvpn_gcks_t, exchange);
	this->mutex->lock(this->mutex);
	group = find_group(this, group_id);
	/* it may have been evicted since the exchange was queued */
	if (group && find_by_ike_sa(group, ike_sa))
	{
		compose(group, &gsa);
		ok = groupvpn_add_gsa(message, ike_sa, &gsa);
		gv_gsa_wipe(&gsa);
	}
	this->mutex->unlock(this->mutex);
	return ok;
}

METHOD(groupvpn_exchange_t, response, void,
	groupvpn_exchange_t *exchange, ike_sa_t *ike_sa, uint32_t group_id,
	message_t *message)
{
	if (message->get_notify(message, GROUPVPN_N_REGISTRATION_FAILED))
	{
		DBG1(DBG_IKE, "groupvpn: '%Y' at %H did not accept the new keys of "
			 "group-ID %u, its log tells why", ike_sa->get_other_id(ike_sa),
			 ike_sa->get_other_host(ike_sa), group_id);
	}
}

/**
 * Queue a job about a registration
 */
static void queue_job(private_groupvpn_gcks_t *this, callback_job_cb_t cb,
					  group_t *group, groupvpn_registration_t *registration,
					  u_int delay)
{
	registration_job_t *data;
	job_t *job;

	INIT(data,
		.this = this,
		.group_id = group->cfg->id,
		.member_id = registration->member_id,
		.ike_sa = registration->ike_sa,
	);
	job = (job_t*)callback_job_create(cb, data, free, NULL);
	if (delay)
	{
		lib->scheduler->schedule_job_ms(lib->scheduler, job, delay);
	}
	else
	{
		lib->processor->queue_job(lib->processor, job);
	}
}

/**
 * Find the registration that a job is about, if it still exists
 */
static groupvpn_registration_t *find_registration(registration_job_t *data,
												  group_t **group)
{
	groupvpn_registration_t *registration;

	*group = find_group(data->this, data->group_id);
	if (!*group)
	{
		return NULL;
	}
	registration = (*group)->registrations->find((*group)->registrations,
												 data->member_id);
	return registration && registration->ike_sa ? registration : NULL;
}

CALLBACK(push_epoch, job_requeue_t,
	registration_job_t *data)
{
	private_groupvpn_gcks_t *this = data->this;
	groupvpn_registration_t *registration;
	group_t *group;
	ike_sa_id_t *id = NULL;
	ike_sa_t *ike_sa;
	status_t status;

	this->mutex->lock(this->mutex);
	registration = find_registration(data, &group);
	if (registration)
	{
		id = registration->ike_sa_id->clone(registration->ike_sa_id);
	}
	this->mutex->unlock(this->mutex);
	if (!id)
	{
		return JOB_REQUEUE_NONE;
	}
	ike_sa = charon->ike_sa_manager->checkout(charon->ike_sa_manager, id);
	id->destroy(id);
	if (!ike_sa)
	{
		return JOB_REQUEUE_NONE;
	}
	if (ike_sa->get_state(ike_sa) == IKE_REKEYED)
	{	/* the registration has just moved to the new IKE_SA */
		charon->ike_sa_manager->checkin(charon->ike_sa_manager, ike_sa);
		return JOB_RESCHEDULE_MS(100);
	}
	ike_sa->queue_task(ike_sa, groupvpn_task_create(ike_sa, &this->exchange,
													data->group_id));
	status = ike_sa->initiate(ike_sa, NULL, NULL);
	if (status == DESTROY_ME)
	{
		charon->ike_sa_manager->checkin_and_destroy(charon->ike_sa_manager,
													ike_sa);
	}
	else
	{
		charon->ike_sa_manager->checkin(charon->ike_sa_manager, ike_sa);
	}
	return JOB_REQUEUE_NONE;
}

/**
 * Begin a new epoch and give it to all members
 */
static bool roll_epoch(private_groupvpn_gcks_t *this, group_t *group, char *why)
{
	enumerator_t *enumerator;
	groupvpn_registration_t *registration;
	u_int count = 0;
	bool ok;

	ok = begin_epoch(this, group);
	if (ok)
	{
		enumerator = group->registrations->create_enumerator(
														group->registrations);
		while (enumerator->enumerate(enumerator, &registration))
		{
			if (registration->ike_sa)
			{
				queue_job(this, push_epoch, group, registration, 0);
				count++;
			}
		}
		enumerator->destroy(enumerator);
		DBG1(DBG_IKE, "groupvpn: group '%s': epoch %u begins (%s), given to %u "
			 "members", group->cfg->name,
			 group->sas->newest(group->sas)->sa.epoch, why, count);
		tell_group(this, group);
	}
	this->timer->arm(this->timer, group->roll);
	return ok;
}

/**
 * Timer: begin and end epochs that have to
 */
CALLBACK(on_timer, void,
	private_groupvpn_gcks_t *this)
{
	enumerator_t *groups, *sas;
	group_t *group;
	groupvpn_sa_t *sa;
	uint64_t now = groupvpn_now();

	this->mutex->lock(this->mutex);
	groups = this->groups->create_enumerator(this->groups);
	while (groups->enumerate(groups, &group))
	{
		while ((sa = group->sas->due(group->sas, now)))
		{
			group->sas->remove(group->sas, sa);
		}
		if (group->roll <= now)
		{
			roll_epoch(this, group, "lifetime");
		}
		this->timer->arm(this->timer, group->roll);
		sas = group->sas->create_enumerator(group->sas);
		while (sas->enumerate(sas, &sa))
		{
			this->timer->arm(this->timer, min(sa->expires, sa->retires));
		}
		sas->destroy(sas);
	}
	groups->destroy(groups);
	this->mutex->unlock(this->mutex);
}

/* --- registrations --- */

/**
 * Give a registration its Sender-ID: the one the member holds if that is its
 * own, of this run or an earlier one, or else one that nobody had
 */
static bool give_sender_id(private_groupvpn_gcks_t *this, group_t *group,
						   groupvpn_registration_t *registration,
						   request_t *request)
{
	groupvpn_registrations_t *registrations = group->registrations;

	if (request->sender_id &&
		(request->sender_id == registration->sender_id ||
		 (!registration->sender_id &&
		  registrations->keep(registrations, registration,
							  request->sender_id))))
	{
		return TRUE;
	}
	if (registrations->allot(registrations, registration))
	{
		return TRUE;
	}
	if (!roll_epoch(this, group, "Sender-IDs are used up"))
	{
		return FALSE;
	}
	registrations->restart(registrations);
	group->first_epoch = group->sas->newest(group->sas)->sa.epoch;
	return registrations->allot(registrations, registration);
}

/**
 * Register the peer of an IKE_SA, and compose what it gets
 *
 * @param why			receives the reason of a refusal
 * @return				notify to refuse the request with, 0 if none
 */
static notify_type_t do_register(private_groupvpn_gcks_t *this,
								 ike_sa_t *ike_sa, request_t *request,
								 struct gv_gsa *gsa, char why[GV_TEXT_MAX + 1])
{
	group_t *group;
	groupvpn_registration_t *registration;
	identification_t *identity;
	host_t *gateway = ike_sa->get_other_host(ike_sa);
	struct gv_ctl_msg msg;

	if (!request->valid)
	{
		snprintf(why, GV_TEXT_MAX + 1, "malformed IDg payload");
		return GROUPVPN_N_REGISTRATION_FAILED;
	}
	group = find_group(this, request->group_id);
	if (!group)
	{
		snprintf(why, GV_TEXT_MAX + 1, "this host is not the GCKS of such a "
				 "group");
		return GROUPVPN_N_INVALID_GROUP_ID;
	}
	identity = this->policy->authorize(this->policy, group->cfg, ike_sa, why);
	if (!identity)
	{
		return GROUPVPN_N_AUTHORIZATION_FAILED;
	}
	if (gateway->get_family(gateway) != AF_INET)
	{
		snprintf(why, GV_TEXT_MAX + 1, "only IPv4 gateways are supported");
		return GROUPVPN_N_REGISTRATION_FAILED;
	}
	if (!group->sas->newest(group->sas))
	{
		snprintf(why, GV_TEXT_MAX + 1, "the group has no keys");
		return GROUPVPN_N_REGISTRATION_FAILED;
	}
	registration = group->registrations->get(group->registrations, identity,
											 request->member_id);
	if (!registration ||
		!give_sender_id(this, group, registration, request))
	{
		snprintf(why, GV_TEXT_MAX + 1, "the group has no %s left",
				 registration ? "Sender-ID" : "member-ID");
		return GROUPVPN_N_REGISTRATION_FAILED;
	}
	if (registration->gateway &&
		!gateway->ip_equals(gateway, registration->gateway))
	{
		DBG1(DBG_IKE, "groupvpn: group '%s': '%Y' moves from %H to %H",
			 group->cfg->name, identity, registration->gateway, gateway);
	}
	groupvpn_registration_set(registration, ike_sa->get_unique_id(ike_sa),
							  ike_sa->get_id(ike_sa), gateway);
	compose(group, gsa);
	gsa->member_id = registration->member_id;
	gsa->sender_id = registration->sender_id;
	DBG1(DBG_IKE, "groupvpn: group '%s': '%Y' at %H registered as member %u "
		 "with Sender-ID %u, epoch %u", group->cfg->name, identity,
		 registration->gateway, gsa->member_id, gsa->sender_id,
		 gsa->epoch[gsa->epochs - 1].epoch);

	if (!group->cfg->address)
	{	/* members know us by the address that this one used */
		host_t *me = ike_sa->get_my_host(ike_sa);

		if (!group->address || !me->ip_equals(me, group->address))
		{
			DESTROY_IF(group->address);
			group->address = me->clone(me);
			tell_group(this, group);
		}
	}
	registration_msg(group, registration, &msg);
	this->control->broadcast(this->control, &msg);
	return 0;
}

/**
 * Add the answer to a registration to a response
 */
static void answer(private_groupvpn_gcks_t *this, ike_sa_t *ike_sa,
				   request_t *request, message_t *message)
{
	char why[GV_TEXT_MAX + 1] = "";
	struct gv_gsa gsa = {};
	notify_type_t notify;

	this->mutex->lock(this->mutex);
	notify = do_register(this, ike_sa, request, &gsa, why);
	this->mutex->unlock(this->mutex);

	message->disable_sort(message);
	if (!notify && !groupvpn_add_gsa(message, ike_sa, &gsa))
	{
		snprintf(why, sizeof(why), "the keys could not be encoded");
		notify = GROUPVPN_N_REGISTRATION_FAILED;
	}
	gv_gsa_wipe(&gsa);
	if (notify)
	{
		DBG1(DBG_IKE, "groupvpn: registration of '%Y' at %H for group-ID %u "
			 "refused with %s: %s", ike_sa->get_other_id(ike_sa),
			 ike_sa->get_other_host(ike_sa), request->group_id,
			 groupvpn_notify_name(notify), why);
		message->add_notify(message, FALSE, notify, chunk_empty);
	}
}

/**
 * A member leaves a group
 */
static void leave(private_groupvpn_gcks_t *this, ike_sa_t *ike_sa,
				  request_t *request)
{
	groupvpn_registration_t *registration;
	group_t *group;

	this->mutex->lock(this->mutex);
	group = find_group(this, request->group_id);
	registration = group ? find_by_ike_sa(group, ike_sa) : NULL;
	if (registration)
	{
		unregister(this, group, registration, "it left the group");
	}
	this->mutex->unlock(this->mutex);
}

/**
 * Note a registration request
 */
static void note_request(private_groupvpn_gcks_t *this, ike_sa_t *ike_sa,
						 message_t *message, chunk_t idg)
{
	request_t *request;
	notify_payload_t *notify;
	chunk_t data;

	INIT(request,
		.ike_sa = ike_sa->get_unique_id(ike_sa),
	);
	request->valid = gv_idg_decode(idg.ptr, idg.len,
								   &request->group_id) == GV_GIKEV2_OK;
	request->leave =
			message->get_notify(message, GROUPVPN_N_REGISTRATION_FAILED) ||
			message->get_notify(message, NO_PROPOSAL_CHOSEN);
	notify = message->get_notify(message, GROUPVPN_N_CURRENT_SENDER);
	if (notify)
	{
		data = notify->get_notification_data(notify);
		if (data.len == GROUPVPN_CURRENT_SENDER_LEN)
		{
			request->sender_id = untoh32(data.ptr + 4);
			request->member_id = untoh16(data.ptr + 8);
		}
	}
	this->mutex->lock(this->mutex);
	this->requests->insert_last(this->requests, request);
	this->mutex->unlock(this->mutex);
}

/**
 * Take the registration request of an IKE_SA, NULL if there is none
 */
static request_t *take_request(private_groupvpn_gcks_t *this, ike_sa_t *ike_sa)
{
	enumerator_t *enumerator;
	request_t *request, *found = NULL;

	this->mutex->lock(this->mutex);
	enumerator = this->requests->create_enumerator(this->requests);
	while (enumerator->enumerate(enumerator, &request))
	{
		if (request->ike_sa == ike_sa->get_unique_id(ike_sa))
		{
			this->requests->remove_at(this->requests, enumerator);
			found = request;
			break;
		}
	}
	enumerator->destroy(enumerator);
	this->mutex->unlock(this->mutex);
	return found;
}

METHOD(listener_t, message_hook, bool,
	private_groupvpn_gcks_t *this, ike_sa_t *ike_sa, message_t *message,
	bool incoming, bool plain)
{
	request_t *request;
	chunk_t idg;

	if (!groupvpn_is_carrier(ike_sa, message, plain))
	{
		return TRUE;
	}
	if (incoming && message->get_request(message))
	{
		if (groupvpn_payload_find(message, GV_PAYLOAD_IDG, &idg))
		{
			note_request(this, ike_sa, message, idg);
		}
	}
	else if (!incoming && !message->get_request(message))
	{
		request = take_request(this, ike_sa);
		if (request && request->leave)
		{
			leave(this, ike_sa, request);
		}
		else if (request)
		{
			answer(this, ike_sa, request, message);
		}
		free(request);
	}
	return TRUE;
}

CALLBACK(remove_registration, job_requeue_t,
	registration_job_t *data)
{
	private_groupvpn_gcks_t *this = data->this;
	groupvpn_registration_t *registration;
	group_t *group;

	this->mutex->lock(this->mutex);
	registration = find_registration(data, &group);
	if (registration && registration->ike_sa == data->ike_sa)
	{
		unregister(this, group, registration, "its IKE_SA is gone");
	}
	this->mutex->unlock(this->mutex);
	return JOB_REQUEUE_NONE;
}

METHOD(listener_t, ike_updown, bool,
	private_groupvpn_gcks_t *this, ike_sa_t *ike_sa, bool up)
{
	enumerator_t *enumerator;
	group_t *group;
	groupvpn_registration_t *registration;

	if (up)
	{
		return TRUE;
	}
	free(take_request(this, ike_sa));
	this->mutex->lock(this->mutex);
	enumerator = this->groups->create_enumerator(this->groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		registration = find_by_ike_sa(group, ike_sa);
		if (registration)
		{
			queue_job(this, remove_registration, group, registration,
					  REMOVAL_DELAY);
		}
	}
	enumerator->destroy(enumerator);
	this->mutex->unlock(this->mutex);
	return TRUE;
}

METHOD(listener_t, ike_rekey, bool,
	private_groupvpn_gcks_t *this, ike_sa_t *old, ike_sa_t *new)
{
	enumerator_t *enumerator;
	group_t *group;
	groupvpn_registration_t *registration;

	this->mutex->lock(this->mutex);
	enumerator = this->groups->create_enumerator(this->groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		registration = find_by_ike_sa(group, old);
		if (registration)
		{
			groupvpn_registration_set(registration, new->get_unique_id(new),
									  new->get_id(new), registration->gateway);
		}
	}
	enumerator->destroy(enumerator);
	this->mutex->unlock(this->mutex);
	return TRUE;
}

/* --- configuration --- */

/**
 * Destroy a group
 */
static void group_destroy(group_t *group)
{
	groupvpn_group_destroy(group->cfg);
	group->sas->destroy(group->sas);
	group->registrations->destroy(group->registrations);
	DESTROY_IF(group->address);
	gv_wipe(group, sizeof(*group));
	free(group);
}

/**
 * Start a group
 */
static void start_group(private_groupvpn_gcks_t *this, groupvpn_group_t *cfg)
{
	group_t *group;

	INIT(group,
		.cfg = groupvpn_group_get_ref(cfg),
		.sas = groupvpn_sa_table_create(),
		.registrations = groupvpn_registrations_create(),
		.route_epoch = time(NULL),
		.address = cfg->address ? cfg->address->clone(cfg->address) : NULL,
	);
	if (!gv_random(group->route_secret, sizeof(group->route_secret)))
	{
		DBG1(DBG_CFG, "groupvpn: group '%s' not started, the random number "
			 "generator failed", cfg->name);
		group_destroy(group);
		return;
	}
	this->groups->insert_last(this->groups, group);
	DBG1(DBG_CFG, "groupvpn: group '%s' (%u) started, we are its GCKS",
		 cfg->name, cfg->id);
	roll_epoch(this, group, "start");
}

/**
 * Stop a group that is not in the list anymore
 */
static void stop_group(private_groupvpn_gcks_t *this, group_t *group)
{
	struct gv_ctl_msg msg = {
		.type = GV_CTL_GROUP_DOWN,
		.group_id = group->cfg->id,
	};

	DBG1(DBG_CFG, "groupvpn: group '%s' (%u) stopped", group->cfg->name,
		 group->cfg->id);
	this->control->broadcast(this->control, &msg);
	group_destroy(group);
}

/**
 * Remove members that are not authorised anymore
 */
static void evict(private_groupvpn_gcks_t *this, group_t *group)
{
	enumerator_t *enumerator;
	groupvpn_registration_t *registration;

	enumerator = group->registrations->create_enumerator(group->registrations);
	while (enumerator->enumerate(enumerator, &registration))
	{
		if (registration->ike_sa &&
			!this->policy->may_stay(this->policy, group->cfg,
									registration->identity))
		{
			unregister(this, group, registration, "not authorised anymore");
		}
	}
	enumerator->destroy(enumerator);
}

/**
 * Change a group's configuration
 */
static void change_group(private_groupvpn_gcks_t *this, group_t *group,
						 groupvpn_group_t *cfg)
{
	if (groupvpn_group_equals(group->cfg, cfg))
	{
		return;
	}
	groupvpn_group_destroy(group->cfg);
	group->cfg = groupvpn_group_get_ref(cfg);
	if (cfg->address)
	{
		DESTROY_IF(group->address);
		group->address = cfg->address->clone(cfg->address);
	}
	evict(this, group);
	/* the new epoch tells members the new policy, and evicted ones nothing */
	roll_epoch(this, group, "policy changed");
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
		if (cfg->role == GV_ROLE_GCKS && cfg->id == group->cfg->id &&
			streq(cfg->name, group->cfg->name))
		{
			found = cfg;
			break;
		}
	}
	enumerator->destroy(enumerator);
	return found;
}

METHOD(groupvpn_gcks_t, configure, void,
	private_groupvpn_gcks_t *this, groupvpn_config_t *config)
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
			stop_group(this, group);
		}
	}
	enumerator->destroy(enumerator);
	enumerator = config->create_enumerator(config);
	while (enumerator->enumerate(enumerator, &cfg))
	{
		if (cfg->role == GV_ROLE_GCKS && !find_group(this, cfg->id))
		{
			start_group(this, cfg);
		}
	}
	enumerator->destroy(enumerator);
	this->mutex->unlock(this->mutex);
}

METHOD(groupvpn_gcks_t, destroy, void,
	private_groupvpn_gcks_t *this)
{
	this->groups->destroy_function(this->groups, (void*)group_destroy);
	this->requests->destroy_function(this->requests, free);
	this->timer->destroy(this->timer);
	this->mutex->destroy(this->mutex);
	free(this);
}

/*
 * See header
 */
groupvpn_gcks_t *groupvpn_gcks_create(groupvpn_control_t *control,
									  groupvpn_policy_t *policy)
{
	private_groupvpn_gcks_t *this;
	uint8_t random = 0;

	INIT(this,
		.public = {
			.listener = {
				.message = _message_hook,
				.ike_updown = _ike_updown,
				.ike_rekey = _ike_rekey,
			},
			.handler = {
				.replay = _replay,
				.message = (void*)nop,
				.gone = (void*)nop,
			},
			.configure = _configure,
			.destroy = _destroy,
		},
		.exchange = {
			.request = _request,
			.response = _response,
		},
		.control = control,
		.policy = policy,
		.groups = linked_list_create(),
		.requests = linked_list_create(),
		.mutex = mutex_create(MUTEX_TYPE_DEFAULT),
	);
	/* not to begin with the tags of our last run, which may still be in use */
	gv_random(&random, sizeof(random));
	this->last_tag = random % TAGS;
	this->timer = groupvpn_timer_create(on_timer, this);
	return &this->public;
}
