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
 * What is given to anybody is in the store first, so that a restarted GCKS goes
 * on where it was: see "store". Epochs and the route epoch are numbered from the
 * time of the start on, so that those of a GCKS without its store are newer. GSA_REKEY messages, LKH and
 * sa_mode = shared are not here.
 */

#include "groupvpn_gcks.h"
#include "groupvpn_evictions.h"
#include "groupvpn_payload.h"
#include "groupvpn_registrations.h"
#include "groupvpn_sa_table.h"
#include "groupvpn_store.h"
#include "groupvpn_task.h"
#include "compat.h"

#include <time.h>

#include <daemon.h>
#include <processing/jobs/callback_job.h>
#include <processing/jobs/delete_ike_sa_job.h>
#include <threading/mutex.h>

#include <crypto.h>
#include <keys.h>

/* time for a member to register again after its IKE_SA is gone, before bgpd
 * hears that it left, in milliseconds */
#define REMOVAL_DELAY 5000

/* time that members may take to receive a new epoch, in seconds */
#define PUSH_TIME 5

/* time that members may take to come back after a restart before they get a new
 * epoch, in seconds */
#define RETURN_TIME 300

/* Sender-IDs that are reserved in the store at a time */
#define RESERVED 64

/* new Sender-IDs that a member may get at once, and time after which it may get
 * one more, in milliseconds: each makes work for all other members */
#define SENDER_IDS 5
#define SENDER_ID_INTERVAL 5000

/* number of tags */
#define TAGS (GV_TAG_MAX - GV_TAG_MIN + 1)

typedef enum gcks_counter_t gcks_counter_t;
typedef struct private_groupvpn_gcks_t private_groupvpn_gcks_t;

/**
 * What is counted
 */
enum gcks_counter_t {
	GCKS_REGISTRATIONS,
	GCKS_REFUSED_NOT_AUTHORIZED,
	GCKS_REFUSED_EVICTED,
	GCKS_REFUSED_UNKNOWN_GROUP,
	GCKS_REFUSED_OTHER,
	GCKS_REMOVED,
	GCKS_EVICTED,
	GCKS_EPOCHS,
	GCKS_REKEYS_PUSHED,
	GCKS_REKEYS_ACKNOWLEDGED,
	GCKS_REKEYS_REFUSED,
	GCKS_REKEYS_LOST,
	GCKS_COUNTERS
};

ENUM(gcks_counter_names, GCKS_REGISTRATIONS, GCKS_REKEYS_LOST,
	"registrations",
	"refused-not-authorized",
	"refused-evicted",
	"refused-unknown-group",
	"refused-other",
	"registrations-removed",
	"evictions",
	"epochs",
	"rekeys-pushed",
	"rekeys-acknowledged",
	"rekeys-refused",
	"rekeys-lost",
);

/**
 * Private data
 */
struct private_groupvpn_gcks_t {

	/**
	 * Public interface
	 */
	groupvpn_gcks_t public;

	/**
	 * In-band rekeys that we initiate, and the message to one who is no
	 * member anymore
	 */
	groupvpn_exchange_t rekey;
	groupvpn_exchange_t dismissal;

	/**
	 * Control socket
	 */
	groupvpn_control_t *control;

	/**
	 * Policy server
	 */
	groupvpn_policy_t *policy;

	/**
	 * Management
	 */
	groupvpn_vici_t *vici;

	/**
	 * Store of the groups
	 */
	groupvpn_store_t *store;

	/**
	 * Groups, as group_t
	 */
	linked_list_t *groups;

	/**
	 * Registration requests that wait for their response, as request_t
	 */
	linked_list_t *requests;

	/**
	 * Counters of requests that are for none of the groups
	 */
	uint64_t counters[GCKS_COUNTERS];

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
	/* who may not be a member for now */
	groupvpn_evictions_t *evictions;
	uint64_t counters[GCKS_COUNTERS];
	/* secret of the group's routes */
	uint32_t route_epoch;
	uint8_t route_secret[GV_SECRET_LEN];
	/* when to begin the next epoch */
	uint64_t roll;
	/* first epoch whose Sender-IDs are counted as now */
	uint32_t first_epoch;
	/* Sender-IDs up to this one have been given or are reserved */
	uint32_t reserved;
	/* the store has not got the identifiers of all members */
	bool unsaved;
	/* no epoch has begun since the group was read from the store */
	bool loaded;
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
	/* its GROUP_SENDER notify is valid */
	bool sender;
	/* epoch and identifiers that the member says it holds, 0 if none */
	uint32_t epoch;
	uint32_t sender_id;
	uint16_t member_id;
	/* the member is not admitted because it was evicted */
	bool evicted;
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

/* --- to management --- */

/**
 * Add what identifies a group to a message
 */
static void add_group(vici_builder_t *builder, group_t *group)
{
	builder->add_kv(builder, "group", "%s", group->cfg->name);
	builder->add_kv(builder, "group-id", "%u", group->cfg->id);
	builder->add_kv(builder, "role", "gcks");
}

/**
 * Add a registration to a message
 */
static void add_registration(vici_builder_t *builder, group_t *group,
							 groupvpn_registration_t *registration)
{
	add_group(builder, group);
	builder->add_kv(builder, "member-id", "%u", registration->member_id);
	builder->add_kv(builder, "sender-id", "%u", registration->sender_id);
	builder->add_kv(builder, "identity", "%Y", registration->identity);
	builder->add_kv(builder, "gateway", "%H", registration->gateway);
	builder->add_kv(builder, "ike-sa", "%u", registration->ike_sa);
}

/**
 * Tell that a member is registered, or is not anymore
 *
 * @param why			reason, NULL if it is registered
 */
static void raise_member(private_groupvpn_gcks_t *this, group_t *group,
						 groupvpn_registration_t *registration, char *why)
{
	char *event = why ? "member-down" : "member-up";
	vici_builder_t *builder = this->vici->begin(this->vici, event);

	if (builder)
	{
		add_registration(builder, group, registration);
		if (why)
		{
			builder->add_kv(builder, "reason", "%s", why);
		}
		this->vici->raise(this->vici, event, 0, builder);
	}
}

/**
 * Count a refused registration, and tell of it
 */
static void raise_refused(private_groupvpn_gcks_t *this, ike_sa_t *ike_sa,
						  request_t *request, notify_type_t notify, char *why)
{
	vici_builder_t *builder = this->vici->begin(this->vici, "refused");
	group_t *group = find_group(this, request->group_id);
	uint64_t *counters = group ? group->counters : this->counters;

	switch ((int)notify)
	{
		case GV_N_INVALID_GROUP_ID:
			counters[GCKS_REFUSED_UNKNOWN_GROUP]++;
			break;
		case GV_N_AUTHORIZATION_FAILED:
			counters[request->evicted ? GCKS_REFUSED_EVICTED
									  : GCKS_REFUSED_NOT_AUTHORIZED]++;
			break;
		default:
			counters[GCKS_REFUSED_OTHER]++;
			break;
	}
	if (builder)
	{
		if (group)
		{
			add_group(builder, group);
		}
		else
		{
			builder->add_kv(builder, "group-id", "%u", request->group_id);
			builder->add_kv(builder, "role", "gcks");
		}
		builder->add_kv(builder, "identity", "%Y",
						ike_sa->get_other_id(ike_sa));
		builder->add_kv(builder, "gateway", "%H",
						ike_sa->get_other_host(ike_sa));
		builder->add_kv(builder, "notify", "%s", groupvpn_notify_name(notify));
		builder->add_kv(builder, "reason", "%s", why);
		this->vici->raise(this->vici, "refused", 0, builder);
	}
}

/**
 * Tell that a group has a new epoch
 */
static void raise_rekey(private_groupvpn_gcks_t *this, group_t *group,
						u_int members, char *why)
{
	vici_builder_t *builder = this->vici->begin(this->vici, "rekey");

	if (builder)
	{
		add_group(builder, group);
		builder->add_kv(builder, "epoch", "%u",
						group->sas->newest(group->sas)->sa.epoch);
		builder->add_kv(builder, "members", "%u", members);
		builder->add_kv(builder, "reason", "%s", why);
		this->vici->raise(this->vici, "rekey", 0, builder);
	}
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
	group->counters[GCKS_REMOVED]++;
	raise_member(this, group, registration, why);
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

/* --- store ---
 *
 * Sender-IDs are reserved in blocks, durably; who has got which of a block is
 * saved, but not waited for. Should that get lost with the power, a member gets
 * another one, and the block is not used again.
 */

/**
 * Save the state of a group, in a change
 */
static void save_group(private_groupvpn_gcks_t *this, group_t *group)
{
	groupvpn_store_group_t stored = {
		.id = group->cfg->id,
		.route_epoch = group->route_epoch,
		.first_epoch = group->first_epoch,
		.sender_id = group->reserved,
		.roll = group->roll,
	};

	snprintf(stored.name, sizeof(stored.name), "%s", group->cfg->name);
	memcpy(stored.route_secret, group->route_secret, GV_SECRET_LEN);
	this->store->save_group(this->store, &stored);
	gv_wipe(&stored, sizeof(stored));
}

/**
 * Whether the store has an entry as it is
 */
static bool is_saved(groupvpn_registration_t *registration)
{
	return registration->stored &&
		   registration->stored_sender_id == registration->sender_id;
}

/**
 * Do something with one entry, if any, or with all that the store has not got
 * if there are unsaved ones
 */
static void for_unsaved(private_groupvpn_gcks_t *this, group_t *group,
						groupvpn_registration_t *registration,
						void (*cb)(private_groupvpn_gcks_t*, group_t*,
								   groupvpn_registration_t*))
{
	enumerator_t *enumerator;

	if (!group->unsaved)
	{
		if (registration)
		{
			cb(this, group, registration);
		}
		return;
	}
	enumerator = group->registrations->create_enumerator(group->registrations);
	while (enumerator->enumerate(enumerator, &registration))
	{
		if (!is_saved(registration))
		{
			cb(this, group, registration);
		}
	}
	enumerator->destroy(enumerator);
}

/**
 * Save an entry, in a change
 */
static void save_entry(private_groupvpn_gcks_t *this, group_t *group,
					   groupvpn_registration_t *registration)
{
	this->store->save_member(this->store, group->cfg->id, registration);
}

/**
 * Note that an entry was saved
 */
static void entry_saved(private_groupvpn_gcks_t *this, group_t *group,
						groupvpn_registration_t *registration)
{
	registration->stored = TRUE;
	registration->stored_sender_id = registration->sender_id;
}

/**
 * End a change
 *
 * @param registration	entry that was saved, if any
 */
static bool commit(private_groupvpn_gcks_t *this, group_t *group,
				   groupvpn_registration_t *registration)
{
	if (!this->store->commit(this->store))
	{
		return FALSE;
	}
	for_unsaved(this, group, registration, entry_saved);
	group->unsaved = FALSE;
	return TRUE;
}

/**
 * Save the identifiers of a member before it gets them. If that fails the
 * Sender-ID is not given.
 */
static bool save_registration(private_groupvpn_gcks_t *this, group_t *group,
							  groupvpn_registration_t *registration)
{
	uint32_t reserved = group->reserved;
	bool durable;

	if (is_saved(registration))
	{
		return TRUE;
	}
	if (registration->sender_id > reserved)
	{
		group->reserved = min(registration->sender_id + RESERVED - 1,
							  GV_SENDER_ID_MAX);
	}
	durable = !registration->stored || group->unsaved ||
			  group->reserved != reserved;
	this->store->begin(this->store, durable);
	if (durable)
	{
		save_group(this, group);
	}
	for_unsaved(this, group, registration, save_entry);
	if (commit(this, group, registration))
	{
		return TRUE;
	}
	group->reserved = reserved;
	/* what it was given before is still its own if it has never left */
	registration->sender_id = registration->ike_sa
							  ? registration->stored_sender_id : 0;
	return FALSE;
}

/**
 * Have a member no longer hold its Sender-ID, because it is none anymore
 */
static void disown(group_t *group, groupvpn_registration_t *registration)
{
	registration->sender_id = 0;
	group->unsaved = TRUE;
}

/**
 * Save that an identity is evicted, or is not anymore. It is so even if that
 * fails, until this GCKS restarts.
 */
static void save_eviction(private_groupvpn_gcks_t *this, group_t *group,
						  identification_t *identity)
{
	this->store->begin(this->store, TRUE);
	this->store->save_eviction(this->store, group->cfg->id, identity,
							   group->evictions->find(group->evictions,
													  identity));
	this->store->commit(this->store);
}

/**
 * When an epoch retires if another one begins
 */
static uint64_t retirement(group_t *group, groupvpn_sa_t *sa, uint64_t now)
{
	return min(sa->retires, now + (group->cfg->dtd + PUSH_TIME) * 1000ULL);
}

/**
 * Save the epochs of a group, of which the newest begins
 */
static bool save_epochs(private_groupvpn_gcks_t *this, group_t *group,
						uint64_t now)
{
	groupvpn_sa_t *newest = group->sas->newest(group->sas), *sa;
	enumerator_t *enumerator;

	this->store->begin(this->store, TRUE);
	save_group(this, group);
	for_unsaved(this, group, NULL, save_entry);
	enumerator = group->sas->create_enumerator(group->sas);
	while (enumerator->enumerate(enumerator, &sa))
	{
		this->store->save_epoch(this->store, group->cfg->id, sa,
					sa == newest ? sa->retires : retirement(group, sa, now));
	}
	enumerator->destroy(enumerator);
	return commit(this, group, NULL);
}

/**
 * Remove an epoch that has ended
 */
static void remove_epoch(private_groupvpn_gcks_t *this, group_t *group,
						 groupvpn_sa_t *sa)
{
	this->store->begin(this->store, FALSE);
	this->store->remove_epoch(this->store, group->cfg->id, sa->sa.epoch);
	this->store->commit(this->store);
	group->sas->remove(group->sas, sa);
}

/**
 * Take over what the store has of a group that is started
 */
static bool load_group(private_groupvpn_gcks_t *this, group_t *group)
{
	groupvpn_store_group_t stored;

	switch (this->store->load(this->store, group->cfg->id, &stored, group->sas,
							  group->registrations, group->evictions))
	{
		case SUCCESS:
			break;
		case NOT_FOUND:
			group->route_epoch = time(NULL);
			if (!gv_random(group->route_secret, GV_SECRET_LEN))
			{
				DBG1(DBG_CFG, "groupvpn: group '%s': the random number "
					 "generator failed", group->cfg->name);
				return FALSE;
			}
			return TRUE;
		default:
			return FALSE;
	}
	if (!streq(stored.name, group->cfg->name))
	{
		DBG1(DBG_CFG, "groupvpn: group-ID %u was group '%s' until now and is "
			 "'%s' from now on", stored.id, stored.name, group->cfg->name);
	}
	group->route_epoch = stored.route_epoch;
	memcpy(group->route_secret, stored.route_secret, GV_SECRET_LEN);
	group->first_epoch = stored.first_epoch;
	group->reserved = stored.sender_id;
	group->roll = stored.roll;
	group->loaded = TRUE;
	gv_wipe(&stored, sizeof(stored));
	return TRUE;
}

/**
 * Go on with the newest epoch of a group that was loaded
 *
 * @return				NULL, or why a new one has to begin
 */
static char *resume_epoch(group_t *group)
{
	groupvpn_group_t *cfg = group->cfg;
	groupvpn_sa_t *newest = group->sas->newest(group->sas);
	uint64_t margin = (cfg->atd + cfg->dtd + PUSH_TIME) * 1000ULL;

	if (!newest)
	{
		return "start";
	}
	if (newest->sa.esp.encr != cfg->esp.encr ||
		newest->sa.esp.key_bits != cfg->esp.key_bits ||
		newest->sa.esp.integ != cfg->esp.integ ||
		newest->sa.esp.esn != cfg->esp.esn ||
		newest->sa.lifetime != cfg->lifetime)
	{
		return "policy changed";
	}
	/* not before members have had time to come back, if that is possible */
	group->roll = min(max(group->roll, groupvpn_now() + RETURN_TIME * 1000),
					  newest->expires - min(newest->expires, margin));
	DBG1(DBG_IKE, "groupvpn: group '%s': epoch %u goes on", cfg->name,
		 newest->sa.epoch);
	return NULL;
}

/* --- epochs --- */

/**
 * Whether a tag is that of a live epoch of some group
 */
static bool is_tag_used(private_groupvpn_gcks_t *this, uint8_t tag)
{
	enumerator_t *enumerator;
	group_t *group;
	bool used = this->store->has_tag(this->store, tag);

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
	newest = group->sas->add(group->sas, &epoch, now);
	gv_wipe(&epoch, sizeof(epoch));
	group->roll = now + roll_interval(group->cfg) * 1000ULL;
	if (!save_epochs(this, group, now))
	{
		group->sas->remove(group->sas, newest);
		group->roll = now + PUSH_TIME * 1000;
		return FALSE;
	}
	enumerator = group->sas->create_enumerator(group->sas);
	while (enumerator->enumerate(enumerator, &sa))
	{
		if (sa != newest)
		{
			sa->retires = retirement(group, sa, now);
		}
	}
	enumerator->destroy(enumerator);
	group->loaded = FALSE;
	group->counters[GCKS_EPOCHS]++;
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

METHOD(groupvpn_exchange_t, rekey_request, bool,
	groupvpn_exchange_t *exchange, ike_sa_t *ike_sa, uint32_t group_id,
	message_t *message)
{
	private_groupvpn_gcks_t *this;
	groupvpn_registration_t *registration;
	group_t *group;
	struct gv_gsa gsa;
	bool ok = FALSE;

	this = container_of(exchange, private_groupvpn_gcks_t, rekey);
	this->mutex->lock(this->mutex);
	group = find_group(this, group_id);
	/* it may have been evicted since the exchange was queued */
	registration = group ? find_by_ike_sa(group, ike_sa) : NULL;
	if (registration)
	{
		compose(group, &gsa);
		ok = groupvpn_add_gsa(message, ike_sa, &gsa);
		registration->rekeying = ok;
		group->counters[GCKS_REKEYS_PUSHED] += ok;
		gv_gsa_wipe(&gsa);
	}
	this->mutex->unlock(this->mutex);
	return ok;
}

/**
 * Note what has become of an in-band rekey
 *
 * @param ike_sa		IKE_SA the response came by, NULL if it was lost
 * @param counter		what a response is counted as
 */
static void note_rekey(groupvpn_exchange_t *exchange, ike_sa_t *ike_sa,
					   uint32_t group_id, gcks_counter_t counter)
{
	private_groupvpn_gcks_t *this;
	groupvpn_registration_t *registration = NULL;
	group_t *group;

	this = container_of(exchange, private_groupvpn_gcks_t, rekey);
	this->mutex->lock(this->mutex);
	group = find_group(this, group_id);
	if (group && ike_sa)
	{
		registration = find_by_ike_sa(group, ike_sa);
	}
	if (registration)
	{
		registration->rekeying = FALSE;
		group->counters[counter]++;
	}
	else if (group)
	{	/* whoever answers on an IKE_SA that was rekeyed did not look at it */
		group->counters[GCKS_REKEYS_LOST]++;
	}
	this->mutex->unlock(this->mutex);
}

METHOD(groupvpn_exchange_t, rekey_response, void,
	groupvpn_exchange_t *exchange, ike_sa_t *ike_sa, uint32_t group_id,
	message_t *message)
{
	bool refused = message->get_notify(message,
									   GROUPVPN_N_REGISTRATION_FAILED) != NULL;

	note_rekey(exchange, ike_sa, group_id, refused ? GCKS_REKEYS_REFUSED
												   : GCKS_REKEYS_ACKNOWLEDGED);
	if (refused)
	{
		DBG1(DBG_IKE, "groupvpn: '%Y' at %H did not accept the new keys of "
			 "group-ID %u, its log tells why", ike_sa->get_other_id(ike_sa),
			 ike_sa->get_other_host(ike_sa), group_id);
	}
}

METHOD(groupvpn_exchange_t, rekey_lost, void,
	groupvpn_exchange_t *exchange, uint32_t group_id)
{
	note_rekey(exchange, NULL, group_id, GCKS_REKEYS_LOST);
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
	groupvpn_task_start(ike_sa, &this->rekey, data->group_id);
	return JOB_REQUEUE_NONE;
}

/**
 * Number of members that are registered
 */
static u_int count_members(group_t *group)
{
	enumerator_t *enumerator;
	groupvpn_registration_t *registration;
	u_int count = 0;

	enumerator = group->registrations->create_enumerator(group->registrations);
	while (enumerator->enumerate(enumerator, &registration))
	{
		count += registration->ike_sa != 0;
	}
	enumerator->destroy(enumerator);
	return count;
}

/**
 * Begin a new epoch and give it to all members
 */
static bool roll_epoch(private_groupvpn_gcks_t *this, group_t *group, char *why)
{
	enumerator_t *enumerator;
	groupvpn_registration_t *registration;
	u_int count = count_members(group);
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
			}
		}
		enumerator->destroy(enumerator);
		DBG1(DBG_IKE, "groupvpn: group '%s': epoch %u begins (%s), given to %u "
			 "members", group->cfg->name,
			 group->sas->newest(group->sas)->sa.epoch, why, count);
		raise_rekey(this, group, count, why);
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
			remove_epoch(this, group, sa);
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
 * Allot a Sender-ID, in a new epoch if all are used up
 */
static bool allot_sender_id(private_groupvpn_gcks_t *this, group_t *group,
							groupvpn_registration_t *registration,
							request_t *request)
{
	groupvpn_registrations_t *registrations = group->registrations;

	if (registrations->allot(registrations, registration, request->sender_id))
	{
		return TRUE;
	}
	if (!roll_epoch(this, group, "Sender-IDs are used up"))
	{
		return FALSE;
	}
	registrations->restart(registrations);
	group->first_epoch = group->sas->newest(group->sas)->sa.epoch;
	group->reserved = 0;
	group->unsaved = TRUE;
	return registrations->allot(registrations, registration,
								request->sender_id);
}

/**
 * Give a registration its Sender-ID: the one the member holds if that is its
 * own, or else another one
 *
 * @param why			receives the reason if it gets none
 */
static bool give_sender_id(private_groupvpn_gcks_t *this, group_t *group,
						   groupvpn_registration_t *registration,
						   request_t *request, char why[GV_TEXT_MAX + 1])
{
	uint64_t now = groupvpn_now();

	if (request->sender_id && request->sender_id == registration->sender_id)
	{
		return TRUE;
	}
	if (registration->spent > now + (SENDER_IDS - 1) * SENDER_ID_INTERVAL)
	{
		snprintf(why, GV_TEXT_MAX + 1, "it wants new Sender-IDs too often, more "
				 "than one each %d s", SENDER_ID_INTERVAL / 1000);
		return FALSE;
	}
	if (!allot_sender_id(this, group, registration, request))
	{
		snprintf(why, GV_TEXT_MAX + 1, "the group has no Sender-ID left");
		return FALSE;
	}
	registration->spent = max(registration->spent, now) + SENDER_ID_INTERVAL;
	return TRUE;
}

/**
 * Begin a new epoch if a member comes with one that the store does not know:
 * then an older store was brought back, and identifiers that were given since
 * could be given again in the epochs that it has.
 */
static bool check_age(private_groupvpn_gcks_t *this, group_t *group,
					  request_t *request)
{
	uint32_t first_epoch = group->first_epoch;
	uint32_t newest = group->sas->newest(group->sas)->sa.epoch;

	if (!group->loaded || request->epoch <= newest)
	{
		return TRUE;
	}
	DBG1(DBG_IKE, "groupvpn: group '%s': a member has epoch %u, the store only "
		 "%u: it is not the one of the last run", group->cfg->name,
		 request->epoch, newest);
	group->first_epoch = newest + 1;
	if (roll_epoch(this, group, "store is an older one"))
	{	/* that was all of it; nobody can have us do it again */
		group->loaded = FALSE;
		return TRUE;
	}
	group->first_epoch = first_epoch;
	return FALSE;
}

/**
 * Get the identity by which the peer of an IKE_SA may be a member of a group:
 * policy allows it, and it was not evicted
 *
 * @param class			receives how it was authenticated
 * @param evicted		set if it is because of that that it may not
 * @param why			receives the reason if it may not
 */
static identification_t *authorize(private_groupvpn_gcks_t *this,
								   group_t *group, ike_sa_t *ike_sa,
								   auth_class_t *class, bool *evicted,
								   char why[GV_TEXT_MAX + 1])
{
	identification_t *identity;
	groupvpn_eviction_t *eviction = NULL;

	identity = this->policy->authorize(this->policy, group->cfg, ike_sa, class,
									   why);
	if (identity)
	{
		eviction = group->evictions->find(group->evictions, identity);
	}
	*evicted = eviction != NULL;
	if (eviction)
	{
		snprintf(why, GV_TEXT_MAX + 1, "evicted %us ago (%s), until it is "
				 "readmitted", groupvpn_vici_age(eviction->since),
				 eviction->why);
		return NULL;
	}
	return identity;
}

/**
 * Whether the peer of an IKE_SA can be a gateway of a group: packets go to and
 * from its address without UDP, and only its own
 *
 * @param why			receives the reason if it can not
 */
static bool check_gateway(group_t *group, ike_sa_t *ike_sa,
						  identification_t *identity,
						  char why[GV_TEXT_MAX + 1])
{
	enumerator_t *enumerator;
	groupvpn_registration_t *registration;
	host_t *gateway = ike_sa->get_other_host(ike_sa);
	bool ok = TRUE;

	if (gateway->get_family(gateway) != AF_INET)
	{
		snprintf(why, GV_TEXT_MAX + 1, "only IPv4 gateways are supported");
		return FALSE;
	}
	if (ike_sa->has_condition(ike_sa, COND_NAT_THERE))
	{
		snprintf(why, GV_TEXT_MAX + 1, "it is behind a NAT, or has encap = yes; "
				 "between gateways there is ESP without UDP");
		return FALSE;
	}
	enumerator = group->registrations->create_enumerator(group->registrations);
	while (ok && enumerator->enumerate(enumerator, &registration))
	{
		if (registration->ike_sa &&
			gateway->ip_equals(gateway, registration->gateway) &&
			!identity->equals(identity, registration->identity))
		{
			snprintf(why, GV_TEXT_MAX + 1, "its gateway is that of member %u "
					 "'%Y', which is still registered", registration->member_id,
					 registration->identity);
			ok = FALSE;
		}
	}
	enumerator->destroy(enumerator);
	return ok;
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
	auth_class_t class;
	struct gv_ctl_msg msg;

	if (!request->valid || !request->sender)
	{
		snprintf(why, GV_TEXT_MAX + 1, "%s", request->valid
				 ? "no GROUP_SENDER notify that asks for one Sender-ID"
				 : "malformed IDg payload");
		return GROUPVPN_N_REGISTRATION_FAILED;
	}
	group = find_group(this, request->group_id);
	if (!group)
	{
		snprintf(why, GV_TEXT_MAX + 1, "this host is not the GCKS of such a "
				 "group");
		return GROUPVPN_N_INVALID_GROUP_ID;
	}
	identity = authorize(this, group, ike_sa, &class, &request->evicted, why);
	if (!identity)
	{
		return GROUPVPN_N_AUTHORIZATION_FAILED;
	}
	if (!check_gateway(group, ike_sa, identity, why))
	{
		return GROUPVPN_N_REGISTRATION_FAILED;
	}
	if (!group->sas->newest(group->sas))
	{
		snprintf(why, GV_TEXT_MAX + 1, "the group has no keys");
		return GROUPVPN_N_REGISTRATION_FAILED;
	}
	if (!check_age(this, group, request))
	{
		snprintf(why, GV_TEXT_MAX + 1, "the group gets no new keys, see above");
		return GROUPVPN_N_REGISTRATION_FAILED;
	}
	registration = group->registrations->get(group->registrations, identity,
											 request->member_id);
	if (!registration)
	{
		snprintf(why, GV_TEXT_MAX + 1, "the group has no member-ID left");
		return GROUPVPN_N_REGISTRATION_FAILED;
	}
	if (!give_sender_id(this, group, registration, request, why))
	{
		return GROUPVPN_N_REGISTRATION_FAILED;
	}
	compose(group, gsa);
	if (!gsa->epochs)
	{
		snprintf(why, GV_TEXT_MAX + 1, "the group's keys have expired");
		return GROUPVPN_N_REGISTRATION_FAILED;
	}
	if (registration->class != class)
	{
		registration->class = class;
		registration->stored = FALSE;
	}
	if (!save_registration(this, group, registration))
	{
		snprintf(why, GV_TEXT_MAX + 1, "its identifiers can not be stored, see "
				 "above");
		return GROUPVPN_N_REGISTRATION_FAILED;
	}
	if (registration->gateway &&
		!gateway->ip_equals(gateway, registration->gateway))
	{
		DBG1(DBG_IKE, "groupvpn: group '%s': '%Y' moves from %H to %H",
			 group->cfg->name, identity, registration->gateway, gateway);
	}
	if (!registration->ike_sa)
	{
		registration->since = groupvpn_now();
	}
	groupvpn_registration_set(registration, ike_sa->get_unique_id(ike_sa),
							  ike_sa->get_id(ike_sa), gateway);
	group->counters[GCKS_REGISTRATIONS]++;
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
	raise_member(this, group, registration, NULL);
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
		this->mutex->lock(this->mutex);
		raise_refused(this, ike_sa, request, notify, why);
		this->mutex->unlock(this->mutex);
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
	notify = message->get_notify(message, GROUPVPN_N_GROUP_SENDER);
	if (notify)
	{
		data = notify->get_notification_data(notify);
		request->sender = data.len == GROUPVPN_GROUP_SENDER_LEN &&
						  untoh32(data.ptr) == 1;
	}
	notify = message->get_notify(message, GROUPVPN_N_CURRENT_SENDER);
	if (notify)
	{
		data = notify->get_notification_data(notify);
		if (data.len == GROUPVPN_CURRENT_SENDER_LEN)
		{
			request->epoch = untoh32(data.ptr);
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
		/* with these notifies it is a GCKS that dismisses us as a member */
		if (groupvpn_payload_find(message, GV_PAYLOAD_IDG, &idg) &&
			!message->get_notify(message, GROUPVPN_N_INVALID_GROUP_ID) &&
			!message->get_notify(message, GROUPVPN_N_AUTHORIZATION_FAILED))
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
	bool rekeying;

	this->mutex->lock(this->mutex);
	enumerator = this->groups->create_enumerator(this->groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		registration = find_by_ike_sa(group, old);
		if (registration)
		{
			rekeying = registration->rekeying;
			groupvpn_registration_set(registration, new->get_unique_id(new),
									  new->get_id(new), registration->gateway);
			if (rekeying)
			{	/* its request and response are lost with the old IKE_SA */
				queue_job(this, push_epoch, group, registration, 0);
			}
		}
	}
	enumerator->destroy(enumerator);
	this->mutex->unlock(this->mutex);
	return TRUE;
}

/* --- end of a membership --- */

METHOD(groupvpn_exchange_t, dismissal_request, bool,
	groupvpn_exchange_t *exchange, ike_sa_t *ike_sa, uint32_t group_id,
	message_t *message)
{
	private_groupvpn_gcks_t *this;
	group_t *group;
	char why[GV_TEXT_MAX + 1];
	notify_type_t notify = GROUPVPN_N_INVALID_GROUP_ID;
	auth_class_t class;
	bool evicted;

	this = container_of(exchange, private_groupvpn_gcks_t, dismissal);
	this->mutex->lock(this->mutex);
	group = find_group(this, group_id);
	if (group && !authorize(this, group, ike_sa, &class, &evicted, why))
	{
		notify = GROUPVPN_N_AUTHORIZATION_FAILED;
	}
	this->mutex->unlock(this->mutex);
	message->add_notify(message, FALSE, notify, chunk_empty);
	return groupvpn_add_idg(message, group_id);
}

/**
 * Whether one of the groups has a registration by an IKE_SA
 */
static bool is_used(private_groupvpn_gcks_t *this, ike_sa_t *ike_sa)
{
	enumerator_t *enumerator;
	group_t *group;
	bool used = FALSE;

	enumerator = this->groups->create_enumerator(this->groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		used |= find_by_ike_sa(group, ike_sa) != NULL;
	}
	enumerator->destroy(enumerator);
	return used;
}

METHOD(groupvpn_exchange_t, dismissal_response, void,
	groupvpn_exchange_t *exchange, ike_sa_t *ike_sa, uint32_t group_id,
	message_t *message)
{
	private_groupvpn_gcks_t *this;
	group_t *group;
	char why[GV_TEXT_MAX + 1];
	auth_class_t class;
	bool evicted = FALSE, used = ike_sa->get_child_count(ike_sa) > 0;

	this = container_of(exchange, private_groupvpn_gcks_t, dismissal);
	this->mutex->lock(this->mutex);
	group = find_group(this, group_id);
	if (group)
	{
		authorize(this, group, ike_sa, &class, &evicted, why);
	}
	used |= is_used(this, ike_sa);
	this->mutex->unlock(this->mutex);
	if (evicted && !used)
	{
		lib->processor->queue_job(lib->processor,
			(job_t*)delete_ike_sa_job_create(ike_sa->get_id(ike_sa), TRUE));
	}
}

CALLBACK(dismiss, job_requeue_t,
	registration_job_t *data)
{
	private_groupvpn_gcks_t *this = data->this;
	ike_sa_t *ike_sa;

	ike_sa = charon->ike_sa_manager->checkout_by_id(charon->ike_sa_manager,
													data->ike_sa);
	if (ike_sa)
	{
		groupvpn_task_start(ike_sa, &this->dismissal, data->group_id);
	}
	return JOB_REQUEUE_NONE;
}

/**
 * Have the members of a group told that they are none anymore
 */
static void dismiss_all(private_groupvpn_gcks_t *this, group_t *group)
{
	enumerator_t *enumerator;
	groupvpn_registration_t *registration;

	enumerator = group->registrations->create_enumerator(group->registrations);
	while (enumerator->enumerate(enumerator, &registration))
	{
		if (registration->ike_sa)
		{
			queue_job(this, dismiss, group, registration, 0);
		}
	}
	enumerator->destroy(enumerator);
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
	group->evictions->destroy(group->evictions);
	DESTROY_IF(group->address);
	gv_wipe(group, sizeof(*group));
	free(group);
}

/**
 * Remove members that are not authorised anymore
 *
 * @return				TRUE if there are any that may have keys
 */
static bool evict(private_groupvpn_gcks_t *this, group_t *group)
{
	enumerator_t *enumerator;
	groupvpn_registration_t *registration;
	bool found = FALSE;

	enumerator = group->registrations->create_enumerator(group->registrations);
	while (enumerator->enumerate(enumerator, &registration))
	{
		if (!registration->sender_id ||
			(this->policy->may_stay(this->policy, group->cfg,
									registration->identity,
									registration->class) &&
			 !group->evictions->find(group->evictions, registration->identity)))
		{
			continue;
		}
		if (registration->ike_sa)
		{
			queue_job(this, dismiss, group, registration, 0);
			unregister(this, group, registration, "not authorised anymore");
		}
		disown(group, registration);
		found = TRUE;
	}
	enumerator->destroy(enumerator);
	return found;
}

/**
 * Start a group
 */
static void start_group(private_groupvpn_gcks_t *this, groupvpn_group_t *cfg)
{
	group_t *group;
	char *why;

	INIT(group,
		.cfg = groupvpn_group_get_ref(cfg),
		.sas = groupvpn_sa_table_create(),
		.registrations = groupvpn_registrations_create(),
		.evictions = groupvpn_evictions_create(),
		.address = cfg->address ? cfg->address->clone(cfg->address) : NULL,
	);
	if (!load_group(this, group))
	{
		DBG1(DBG_CFG, "groupvpn: group '%s' not started", cfg->name);
		group_destroy(group);
		return;
	}
	this->groups->insert_last(this->groups, group);
	DBG1(DBG_CFG, "groupvpn: group '%s' (%u) started, we are its GCKS",
		 cfg->name, cfg->id);
	why = evict(this, group) ? "policy changed" : resume_epoch(group);
	if (why)
	{
		roll_epoch(this, group, why);
	}
	else
	{
		tell_group(this, group);
	}
	this->timer->arm(this->timer, groupvpn_now());
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
	dismiss_all(this, group);
	group_destroy(group);
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
			if (!this->store->open(this->store))
			{
				DBG1(DBG_CFG, "groupvpn: group '%s' not started, without the "
					 "store its members would get keys that others have not",
					 cfg->name);
				continue;
			}
			start_group(this, cfg);
		}
	}
	enumerator->destroy(enumerator);
	this->mutex->unlock(this->mutex);
}

/* --- management --- */

/**
 * Find a group by name; the reason if there is none
 */
static group_t *find_by_name(private_groupvpn_gcks_t *this, char *name,
							 char why[GV_TEXT_MAX + 1])
{
	enumerator_t *enumerator;
	group_t *group, *found = NULL;

	enumerator = this->groups->create_enumerator(this->groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		if (streq(group->cfg->name, name))
		{
			found = group;
			break;
		}
	}
	enumerator->destroy(enumerator);
	if (!found)
	{
		snprintf(why, GV_TEXT_MAX + 1, "this host is not the GCKS of a group "
				 "'%s'", name);
	}
	return found;
}

/**
 * Find the entry of an identity or a member-ID, NULL if there is none
 */
static groupvpn_registration_t *find_entry(group_t *group,
										   identification_t *identity,
										   uint16_t member_id)
{
	enumerator_t *enumerator;
	groupvpn_registration_t *registration, *found = NULL;

	enumerator = group->registrations->create_enumerator(group->registrations);
	while (enumerator->enumerate(enumerator, &registration))
	{
		if (identity ? identity->equals(identity, registration->identity)
					 : registration->member_id == member_id)
		{
			found = registration;
			break;
		}
	}
	enumerator->destroy(enumerator);
	return found;
}

/**
 * Find out whom a command is about; FALSE and the reason if nobody is known
 *
 * @param registration	receives the entry, NULL if there is none
 */
static bool find_subject(group_t *group, identification_t **identity,
						 uint16_t member_id,
						 groupvpn_registration_t **registration,
						 groupvpn_gcks_result_t *result,
						 char why[GV_TEXT_MAX + 1])
{
	*registration = find_entry(group, *identity, member_id);
	if (*registration)
	{
		*identity = (*registration)->identity;
		result->member_id = (*registration)->member_id;
		result->registered = (*registration)->ike_sa != 0;
	}
	else if (!*identity)
	{
		snprintf(why, GV_TEXT_MAX + 1, "group '%s' has no member %u",
				 group->cfg->name, member_id);
		return FALSE;
	}
	snprintf(result->identity, sizeof(result->identity), "%Y", *identity);
	return TRUE;
}

/**
 * Begin a new epoch by command
 */
static bool command_epoch(private_groupvpn_gcks_t *this, group_t *group,
						  char *cause, groupvpn_gcks_result_t *result,
						  char why[GV_TEXT_MAX + 1])
{
	if (!roll_epoch(this, group, cause))
	{
		snprintf(why, GV_TEXT_MAX + 1, "group '%s' gets no new keys, charon's "
				 "log tells why", group->cfg->name);
		return FALSE;
	}
	result->epoch = group->sas->newest(group->sas)->sa.epoch;
	result->members = count_members(group);
	return TRUE;
}

METHOD(groupvpn_gcks_t, rekey, bool,
	private_groupvpn_gcks_t *this, char *name, groupvpn_gcks_result_t *result,
	char why[GV_TEXT_MAX + 1])
{
	group_t *group;
	bool ok;

	this->mutex->lock(this->mutex);
	group = find_by_name(this, name, why);
	ok = group && command_epoch(this, group, "command", result, why);
	this->mutex->unlock(this->mutex);
	return ok;
}

/**
 * Evict an identity from a group
 */
static bool evict_identity(private_groupvpn_gcks_t *this, group_t *group,
						   identification_t *identity, uint16_t member_id,
						   char *reason, groupvpn_gcks_result_t *result,
						   char why[GV_TEXT_MAX + 1])
{
	groupvpn_registration_t *registration;
	char cause[GV_TEXT_MAX + 1];

	if (!find_subject(group, &identity, member_id, &registration, result, why))
	{
		return FALSE;
	}
	if (!registration &&
		!this->policy->may_stay(this->policy, group->cfg, identity,
								AUTH_CLASS_ANY))
	{
		snprintf(why, GV_TEXT_MAX + 1, "'%Y' could not become a member of "
				 "group '%s' anyway", identity, group->cfg->name);
		return FALSE;
	}
	if (!group->evictions->add(group->evictions, identity, reason))
	{
		snprintf(why, GV_TEXT_MAX + 1, "'%Y' is evicted from group '%s' "
				 "already", identity, group->cfg->name);
		return FALSE;
	}
	save_eviction(this, group, identity);
	group->counters[GCKS_EVICTED]++;
	snprintf(cause, sizeof(cause), "evicted: %s", reason);
	if (result->registered)
	{
		queue_job(this, dismiss, group, registration, 0);
		unregister(this, group, registration, cause);
	}
	else
	{
		DBG1(DBG_IKE, "groupvpn: group '%s': '%Y', which is not registered, is "
			 "%s", group->cfg->name, identity, cause);
	}
	if (registration)
	{
		disown(group, registration);
	}
	/* one who was registered some time ago may have keys that still live */
	return !registration ||
		   command_epoch(this, group, "member evicted", result, why);
}

METHOD(groupvpn_gcks_t, evict_member, bool,
	private_groupvpn_gcks_t *this, char *name, identification_t *identity,
	uint16_t member_id, char *reason, groupvpn_gcks_result_t *result,
	char why[GV_TEXT_MAX + 1])
{
	group_t *group;
	bool ok;

	this->mutex->lock(this->mutex);
	group = find_by_name(this, name, why);
	ok = group && evict_identity(this, group, identity, member_id,
								 *reason ? reason : "by command", result, why);
	this->mutex->unlock(this->mutex);
	return ok;
}

METHOD(groupvpn_gcks_t, readmit, bool,
	private_groupvpn_gcks_t *this, char *name, identification_t *identity,
	uint16_t member_id, groupvpn_gcks_result_t *result,
	char why[GV_TEXT_MAX + 1])
{
	groupvpn_registration_t *registration;
	group_t *group;
	bool ok;

	this->mutex->lock(this->mutex);
	group = find_by_name(this, name, why);
	ok = group && find_subject(group, &identity, member_id, &registration,
							   result, why);
	if (ok && !group->evictions->remove(group->evictions, identity))
	{
		snprintf(why, GV_TEXT_MAX + 1, "'%Y' is not evicted from group '%s'",
				 identity, name);
		ok = FALSE;
	}
	if (ok)
	{
		save_eviction(this, group, identity);
		DBG1(DBG_IKE, "groupvpn: group '%s': '%Y' is readmitted", name,
			 identity);
	}
	this->mutex->unlock(this->mutex);
	return ok;
}

/**
 * Tell a client of a group
 */
static void list_group(private_groupvpn_gcks_t *this, group_t *group,
					   u_int client)
{
	vici_builder_t *builder = this->vici->begin(this->vici, "list-group");
	groupvpn_sa_t *newest = group->sas->newest(group->sas);

	if (!builder)
	{
		return;
	}
	add_group(builder, group);
	if (group->address)
	{
		builder->add_kv(builder, "gateway", "%H", group->address);
	}
	groupvpn_vici_add_cipher(builder, &group->cfg->esp);
	builder->add_kv(builder, "lifetime", "%u", group->cfg->lifetime);
	builder->add_kv(builder, "atd", "%u", group->cfg->atd);
	builder->add_kv(builder, "dtd", "%u", group->cfg->dtd);
	builder->add_kv(builder, "replay-window", "%u", group->cfg->replay_window);
	if (newest)
	{
		builder->add_kv(builder, "epoch", "%u", newest->sa.epoch);
		builder->add_kv(builder, "age", "%u", groupvpn_vici_age(newest->since));
	}
	builder->add_kv(builder, "next-epoch", "%u",
					groupvpn_vici_left(group->roll));
	builder->add_kv(builder, "route-epoch", "%u", group->route_epoch);
	builder->add_kv(builder, "members", "%u", count_members(group));
	builder->add_kv(builder, "evicted", "%u",
					group->evictions->get_count(group->evictions));
	this->vici->raise(this->vici, "list-group", client, builder);
}

/**
 * Tell a client of the members of a group, and of those evicted
 */
static void list_group_members(private_groupvpn_gcks_t *this, group_t *group,
							   u_int client)
{
	enumerator_t *enumerator;
	groupvpn_registration_t *registration;
	groupvpn_eviction_t *eviction;
	vici_builder_t *builder;

	enumerator = group->registrations->create_enumerator(group->registrations);
	while (enumerator->enumerate(enumerator, &registration))
	{
		if (registration->ike_sa &&
			(builder = this->vici->begin(this->vici, "list-member")))
		{
			add_registration(builder, group, registration);
			builder->add_kv(builder, "state", "registered");
			builder->add_kv(builder, "age", "%u",
							groupvpn_vici_age(registration->since));
			this->vici->raise(this->vici, "list-member", client, builder);
		}
	}
	enumerator->destroy(enumerator);
	enumerator = group->evictions->create_enumerator(group->evictions);
	while (enumerator->enumerate(enumerator, &eviction))
	{
		builder = this->vici->begin(this->vici, "list-member");
		if (builder)
		{
			add_group(builder, group);
			builder->add_kv(builder, "identity", "%Y", eviction->identity);
			builder->add_kv(builder, "state", "evicted");
			builder->add_kv(builder, "age", "%u",
							groupvpn_vici_age(eviction->since));
			builder->add_kv(builder, "reason", "%s", eviction->why);
			this->vici->raise(this->vici, "list-member", client, builder);
		}
	}
	enumerator->destroy(enumerator);
}

/**
 * Tell a client of the epochs of a group
 */
static void list_group_sas(private_groupvpn_gcks_t *this, group_t *group,
						   u_int client)
{
	enumerator_t *enumerator;
	vici_builder_t *builder;
	groupvpn_sa_t *sa;

	enumerator = group->sas->create_enumerator(group->sas);
	while (enumerator->enumerate(enumerator, &sa))
	{
		builder = this->vici->begin(this->vici, "list-sa");
		if (builder)
		{
			add_group(builder, group);
			groupvpn_vici_add_sa(builder, sa);
			builder->add_kv(builder, "state", "%s",
							sa == group->sas->newest(group->sas) ? "given"
																 : "retiring");
			this->vici->raise(this->vici, "list-sa", client, builder);
		}
	}
	enumerator->destroy(enumerator);
}

/**
 * Do something for the group of a name, or for all if that is NULL; FALSE if
 * there is none such
 */
static bool for_groups(groupvpn_vici_handler_t *handler, char *name,
				u_int client,
				void (*list)(private_groupvpn_gcks_t*, group_t*, u_int))
{
	private_groupvpn_gcks_t *this;
	enumerator_t *enumerator;
	group_t *group;
	bool found = FALSE;

	this = container_of(handler, private_groupvpn_gcks_t, public.management);
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
	private_groupvpn_gcks_t *this;
	enumerator_t *enumerator;
	group_t *group;
	bool found = FALSE;

	this = container_of(handler, private_groupvpn_gcks_t, public.management);
	this->mutex->lock(this->mutex);
	enumerator = this->groups->create_enumerator(this->groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		if (!name || streq(name, group->cfg->name))
		{
			builder->begin_section(builder, group->cfg->name);
			groupvpn_vici_add_counters(builder, gcks_counter_names,
									   group->counters, GCKS_COUNTERS);
			builder->end_section(builder);
			found = TRUE;
		}
	}
	enumerator->destroy(enumerator);
	if (!name)
	{	/* no group's name is like this */
		builder->begin_section(builder, "-");
		groupvpn_vici_add_counters(builder, gcks_counter_names,
								   this->counters, GCKS_COUNTERS);
		builder->end_section(builder);
	}
	this->mutex->unlock(this->mutex);
	return found;
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
									  groupvpn_policy_t *policy,
									  groupvpn_vici_t *vici,
									  groupvpn_store_t *store)
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
			.management = {
				.list_groups = _list_groups,
				.list_members = _list_members,
				.list_sas = _list_sas,
				.add_counters = _add_counters,
			},
			.configure = _configure,
			.rekey = _rekey,
			.evict = _evict_member,
			.readmit = _readmit,
			.destroy = _destroy,
		},
		.rekey = {
			.request = _rekey_request,
			.response = _rekey_response,
			.lost = _rekey_lost,
		},
		.dismissal = {
			.request = _dismissal_request,
			.response = _dismissal_response,
		},
		.control = control,
		.policy = policy,
		.vici = vici,
		.store = store,
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
