/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For each group, two things that have their own pace:
 *
 * The registration is a state machine that never gives up:
 *
 *   WAITING --timer--> CONNECTING --IKE_SA up--> REGISTERING --keys--> REGISTERED
 *      ^                   |                          |                    |
 *      +--- next GCKS -----+--------------------------+                    |
 *      +--- same GCKS, at once ----- IKE_SA lost, address or keys change ---+
 *
 * The IKE_SA is childless, shared by all groups with the same GCKS connection,
 * and brought up from the connection of that name in swanctl.conf.
 *
 * The data plane is up as long as the group has keys that have not expired and
 * its link could be installed, with a registration or without.
 *
 * Nothing waits for an IKE_SA with the lock held: whoever has one checked out
 * may ask for the lock in a hook.
 */

#include "groupvpn_member.h"
#include "groupvpn_payload.h"
#include "groupvpn_peers.h"
#include "groupvpn_sa_table.h"
#include "groupvpn_task.h"
#include "compat.h"

#include <daemon.h>
#include <processing/jobs/callback_job.h>
#include <processing/jobs/delete_ike_sa_job.h>
#include <processing/jobs/initiate_tasks_job.h>
#include <threading/mutex.h>

#include <crypto.h>

/* how long to wait for the IKE_SA, and for an answer that charon will not
 * tell us is not coming, before the next GCKS is tried, in seconds */
#define CONNECT_TIMEOUT 30
#define REGISTER_TIMEOUT 200

/* how often to look for a connection that is not loaded, in milliseconds */
#define LOAD_INTERVAL 1000

/* how often to retry, and to check, what is in the kernel */
#define LINK_INTERVAL 3000

/* how long before the keys expire to ask for new ones if none were pushed: a
 * tenth of their lifetime, or at least activation and this, in milliseconds */
#define RENEW_MARGIN 2000

/* changes of a group's figures are told to bgpd together */
#define TELL_DELAY 1000

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
	private_groupvpn_member_t *member;
	groupvpn_group_t *cfg;

	/* registration: its state, and when to give that up */
	member_state_t state;
	uint64_t due;
	/* which GCKS of the list is in use or will be */
	u_int gcks;
	/* failures in a row, and whether a missing connection was told of */
	u_int failures;
	bool missing;
	/* unique ID of the IKE_SA in use, 0 if there is none */
	uint32_t ike_sa;

	/* from the GCKS */
	groupvpn_sa_table_t *sas;
	uint16_t member_id;
	uint32_t sender_id;
	uint32_t route_epoch;
	uint8_t route_secret[GV_SECRET_LEN];
	uint32_t atd, dtd;
	uint32_t window;

	/* data plane: in the kernel, or why not, and when to look again */
	bool up;
	groupvpn_link_t link;
	char why[GV_TEXT_MAX + 1];
	uint64_t check;
	groupvpn_peers_t *peers;
	/* when to tell bgpd of changed figures */
	uint64_t tell;
} group_t;

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

/* --- to bgpd --- */

/**
 * Compose the GROUP message
 */
static void group_msg(group_t *group, struct gv_ctl_msg *msg)
{
	groupvpn_sa_t *newest = group->sas->newest(group->sas);

	*msg = (struct gv_ctl_msg){
		.type = GV_CTL_GROUP,
		.group_id = group->cfg->id,
		.member_id = group->member_id,
		.sender_id = group->sender_id,
		.gateway = groupvpn_addr(group->link.local),
		.role = GV_ROLE_MEMBER,
		.epoch = newest ? newest->sa.epoch : 0,
		.sas = group->peers->get_count(group->peers),
		.route_epoch = group->route_epoch,
		.has_route_secret = TRUE,
	};
	memcpy(msg->route_secret, group->route_secret, GV_SECRET_LEN);
	snprintf(msg->name, sizeof(msg->name), "%s", group->cfg->name);
	snprintf(msg->device, sizeof(msg->device), "%s", group->cfg->device);
	snprintf(msg->vrf, sizeof(msg->vrf), "%s", group->cfg->vrf ?: "");
}

/**
 * Tell bgpd of a group that is up
 */
static void tell_group(private_groupvpn_member_t *this, group_t *group)
{
	struct gv_ctl_msg msg;

	group->tell = GROUPVPN_NEVER;
	if (group->up)
	{
		group_msg(group, &msg);
		this->control->broadcast(this->control, &msg);
		gv_wipe(&msg, sizeof(msg));
	}
}

/**
 * Tell bgpd soon that the number of SAs has changed
 */
static void tell_group_soon(private_groupvpn_member_t *this, group_t *group)
{
	if (group->tell == GROUPVPN_NEVER)
	{
		group->tell = groupvpn_now() + TELL_DELAY;
		this->timer->arm(this->timer, group->tell);
	}
}

/**
 * Callback of the peers: tell bgpd whether one can be reached
 */
static void on_peer_status(group_t *group, uint16_t member_id,
						   uint32_t sender_id, bool ready, char *why)
{
	private_groupvpn_member_t *this = group->member;
	struct gv_ctl_msg msg = {
		.type = GV_CTL_PEER_STATUS,
		.group_id = group->cfg->id,
		.member_id = member_id,
		.sender_id = sender_id,
		.ready = ready,
	};

	if (ready)
	{
		DBG2(DBG_NET, "groupvpn: group '%s': member %u (Sender-ID %u) is "
			 "ready", group->cfg->name, member_id, sender_id);
	}
	else
	{
		DBG1(DBG_NET, "groupvpn: group '%s': member %u (Sender-ID %u) can not "
			 "be reached: %s", group->cfg->name, member_id, sender_id, why);
		snprintf(msg.text, sizeof(msg.text), "%s", why);
	}
	this->control->broadcast(this->control, &msg);
	tell_group_soon(this, group);
}

METHOD(groupvpn_control_handler_t, replay, void,
	groupvpn_control_handler_t *handler, u_int client)
{
	private_groupvpn_member_t *this;
	enumerator_t *enumerator;
	group_t *group;
	struct gv_ctl_msg msg;

	this = container_of(handler, private_groupvpn_member_t, public.handler);
	this->mutex->lock(this->mutex);
	enumerator = this->groups->create_enumerator(this->groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		if (group->up)
		{
			group_msg(group, &msg);
			this->control->send(this->control, client, &msg);
			gv_wipe(&msg, sizeof(msg));
		}
	}
	enumerator->destroy(enumerator);
	this->mutex->unlock(this->mutex);
}

/* --- data plane --- */

/**
 * Remove a group from the kernel; its keys are forgotten
 */
static void take_down(private_groupvpn_member_t *this, group_t *group,
					  char *why)
{
	struct gv_ctl_msg msg = {
		.type = GV_CTL_GROUP_DOWN,
		.group_id = group->cfg->id,
	};

	if (group->up)
	{
		DBG1(DBG_NET, "groupvpn: group '%s' is down: %s", group->cfg->name,
			 why);
		this->control->broadcast(this->control, &msg);
		group->up = FALSE;
		group->peers->detach(group->peers);
		this->kernel->del_link(this->kernel, &group->link);
	}
	group->sas->destroy(group->sas);
	group->sas = groupvpn_sa_table_create();
	gv_wipe(group->route_secret, sizeof(group->route_secret));
	group->check = group->tell = GROUPVPN_NEVER;
}

/**
 * Install a group in the kernel if it has keys and is not there yet
 */
static void bring_up(private_groupvpn_member_t *this, group_t *group)
{
	char why[GV_TEXT_MAX + 1];

	if (group->up || !group->sas->newest(group->sas))
	{
		return;
	}
	if (!this->kernel->add_link(this->kernel, &group->link, why))
	{
		if (!streq(group->why, why))
		{
			DBG1(DBG_NET, "groupvpn: group '%s' can not be brought up: %s; "
				 "retrying", group->cfg->name, why);
			snprintf(group->why, sizeof(group->why), "%s", why);
		}
		return;
	}
	*group->why = '\0';
	group->up = TRUE;
	DBG1(DBG_NET, "groupvpn: group '%s' is up: member %u, Sender-ID %u, device "
		 "'%s', gateway %H", group->cfg->name, group->member_id,
		 group->sender_id, group->cfg->device, group->link.local);
	group->peers->attach(group->peers, &group->link, group->sas,
						 group->member_id, group->window);
	tell_group(this, group);
}

/**
 * Remove one epoch
 */
static void remove_epoch(group_t *group, groupvpn_sa_t *sa)
{
	if (group->up)
	{
		group->peers->forget(group->peers, sa);
	}
	group->sas->remove(group->sas, sa);
}

/**
 * Whether a GSA has an epoch
 */
static bool has_epoch(const struct gv_gsa *gsa, uint32_t epoch)
{
	u_int i;

	for (i = 0; i < gsa->epochs; i++)
	{
		if (gsa->epoch[i].epoch == epoch)
		{
			return TRUE;
		}
	}
	return FALSE;
}

/**
 * Whether we send with one of the epochs
 */
static bool is_sending(group_t *group)
{
	enumerator_t *enumerator;
	groupvpn_sa_t *sa;
	bool sending = FALSE;

	enumerator = group->sas->create_enumerator(group->sas);
	while (enumerator->enumerate(enumerator, &sa))
	{
		sending |= sa->sending;
	}
	enumerator->destroy(enumerator);
	return sending;
}

/**
 * Merge one epoch of a GSA into the SA table
 */
static void merge_epoch(group_t *group, const struct gv_gsa *gsa,
						const struct gv_epoch_sa *epoch)
{
	uint64_t now = groupvpn_now();
	groupvpn_sa_t *sa;

	sa = group->sas->find(group->sas, epoch->epoch);
	if (sa)
	{
		if (gsa->sender_id && gsa->sender_id != sa->sender_id)
		{	/* all keys of the epoch change with it */
			if (group->up)
			{
				group->peers->forget(group->peers, sa);
			}
			sa->sender_id = gsa->sender_id;
		}
		return;
	}
	sa = group->sas->add(group->sas, epoch, now);
	if (sa)
	{
		sa->sender_id = group->sender_id;
		sa->activates = is_sending(group) ? now + gsa->atd * 1000ULL : now;
		sa->sending = sa->activates <= now;
	}
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
			if (other->sas->has_tag(other->sas, gsa->epoch[i].tag))
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
 * Use what the GCKS has sent, in a registration or an in-band rekey
 */
static void use_gsa(private_groupvpn_member_t *this, group_t *group,
					const struct gv_gsa *gsa)
{
	enumerator_t *enumerator;
	groupvpn_sa_t *sa, *newest;
	uint64_t now = groupvpn_now();
	u_int i;

	newest = group->sas->newest(group->sas);
	if (gsa->sender_id && newest && !has_epoch(gsa, newest->sa.epoch) &&
		newest->sa.epoch > gsa->epoch[gsa->epochs - 1].epoch)
	{	/* the clock of a restarted GCKS is behind, its keys count */
		while ((newest = group->sas->newest(group->sas)))
		{
			remove_epoch(group, newest);
		}
	}
	if (gsa->sender_id)
	{
		group->sender_id = gsa->sender_id;
		group->member_id = gsa->member_id;
	}
	group->atd = gsa->atd;
	group->dtd = gsa->dtd;
	group->window = 1 << gsa->replay_window_log2;
	group->route_epoch = gsa->route_epoch;
	memcpy(group->route_secret, gsa->route_secret, GV_SECRET_LEN);
	for (i = 0; i < gsa->epochs; i++)
	{
		merge_epoch(group, gsa, &gsa->epoch[i]);
	}
	/* all but the newest retire */
	newest = group->sas->newest(group->sas);
	enumerator = group->sas->create_enumerator(group->sas);
	while (enumerator->enumerate(enumerator, &sa))
	{
		if (sa != newest)
		{
			sa->retires = min(sa->retires, now + gsa->dtd * 1000ULL);
		}
	}
	enumerator->destroy(enumerator);

	if (group->up)
	{
		group->peers->attach(group->peers, &group->link, group->sas,
							 group->member_id, group->window);
		group->peers->update(group->peers);
		tell_group(this, group);
	}
	else
	{
		bring_up(this, group);
		group->peers->update(group->peers);
	}
	group->check = now + LINK_INTERVAL;
	this->timer->arm(this->timer, now);
}

/**
 * Do what is due in a group's data plane
 */
static void run_data_plane(private_groupvpn_member_t *this, group_t *group,
						   uint64_t now)
{
	enumerator_t *enumerator;
	groupvpn_sa_t *sa;
	bool changed = FALSE;

	while ((sa = group->sas->due(group->sas, now)))
	{
		DBG1(DBG_NET, "groupvpn: group '%s': epoch %u %s", group->cfg->name,
			 sa->sa.epoch, sa->expires <= now ? "has expired" : "is retired");
		remove_epoch(group, sa);
		changed = TRUE;
	}
	if (changed && !group->sas->newest(group->sas))
	{
		take_down(this, group, "its keys have expired, and the GCKS gave no "
				  "others");
		return;
	}
	enumerator = group->sas->create_enumerator(group->sas);
	while (enumerator->enumerate(enumerator, &sa))
	{
		if (!sa->sending && sa->activates <= now)
		{
			DBG1(DBG_NET, "groupvpn: group '%s': epoch %u is activated",
				 group->cfg->name, sa->sa.epoch);
			sa->sending = changed = TRUE;
		}
	}
	enumerator->destroy(enumerator);

	if (group->check <= now)
	{
		group->check = now + LINK_INTERVAL;
		if (group->up && !this->kernel->check_link(this->kernel, &group->link))
		{	/* somebody removed it, or its VRF */
			take_down(this, group, "its device was removed or moved");
			/* keys that were used are not used again, others are needed */
			group->state = MEMBER_WAITING;
			group->due = now;
			group->ike_sa = 0;
			return;
		}
		bring_up(this, group);
		changed = TRUE;
	}
	if (changed && group->up)
	{
		u_int count = group->peers->get_count(group->peers);

		group->peers->update(group->peers);
		if (count != group->peers->get_count(group->peers))
		{
			tell_group_soon(this, group);
		}
	}
	if (group->tell <= now)
	{
		tell_group(this, group);
	}
}

/**
 * Arm the timer for what is to be done next in a group
 */
static void arm(private_groupvpn_member_t *this, group_t *group)
{
	enumerator_t *enumerator;
	groupvpn_sa_t *sa;

	this->timer->arm(this->timer, min(group->due,
									  min(group->check, group->tell)));
	enumerator = group->sas->create_enumerator(group->sas);
	while (enumerator->enumerate(enumerator, &sa))
	{
		this->timer->arm(this->timer, min(sa->expires, sa->retires));
		if (!sa->sending)
		{
			this->timer->arm(this->timer, sa->activates);
		}
	}
	enumerator->destroy(enumerator);
}

/* --- registration --- */

/**
 * Enter a state, for a time
 */
static void enter(private_groupvpn_member_t *this, group_t *group,
				  member_state_t state, uint64_t time)
{
	group->state = state;
	group->due = groupvpn_now() + time;
	this->timer->arm(this->timer, group->due);
}

/**
 * A group is registered: until its keys expire, unless new ones come first
 */
static void enter_registered(private_groupvpn_member_t *this, group_t *group)
{
	groupvpn_sa_t *newest = group->sas->newest(group->sas);
	uint64_t now = groupvpn_now(), margin;

	group->state = MEMBER_REGISTERED;
	group->due = GROUPVPN_NEVER;
	if (newest && newest->expires != GROUPVPN_NEVER)
	{
		margin = max(newest->sa.lifetime * 100ULL,
					 group->atd * 1000ULL + RENEW_MARGIN);
		/* if the GCKS has no others, do not ask it again and again */
		group->due = max(newest->expires - min(margin, newest->expires),
						 now + this->retry_max / 2);
	}
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
	u_int count = group->cfg->gcks->get_count(group->cfg->gcks), round;
	uint64_t delay = this->retry_min;
	char *name = gcks_name(group);

	group->failures++;
	group->ike_sa = 0;
	group->gcks = (group->gcks + 1) % count;
	round = group->failures / count;
	if (group->failures % count == 0 && round)
	{	/* all have failed, once more */
		delay = refused ? this->retry_max
						: min(this->retry_max,
							  this->retry_min << min(round - 1, 16));
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
	struct gv_gsa gsa;
} group_job_t;

/**
 * Wipe and free the argument of a job
 */
static void group_job_destroy(group_job_t *data)
{
	gv_gsa_wipe(&data->gsa);
	free(data);
}

/**
 * Queue a job about a group
 */
static void queue_job(private_groupvpn_member_t *this, callback_job_cb_t cb,
					  uint32_t group_id, uint32_t ike_sa,
					  const struct gv_gsa *gsa)
{
	group_job_t *data;

	INIT(data,
		.this = this,
		.group_id = group_id,
		.ike_sa = ike_sa,
	);
	if (gsa)
	{
		data->gsa = *gsa;
	}
	lib->processor->queue_job(lib->processor,
			(job_t*)callback_job_create(cb, data, (void*)group_job_destroy,
										NULL));
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
			queue_job(this, connect_group, group->cfg->id, 0, NULL);
			break;
		case MEMBER_CONNECTING:
			if (group->ike_sa)
			{
				queue_job(this, abandon_ike_sa, group->cfg->id, group->ike_sa,
						  NULL);
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
		run_data_plane(this, group, now);
		run_registration(this, group, now);
		arm(this, group);
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
	groupvpn_sa_t *newest;
	group_t *group;
	uint8_t current[GROUPVPN_CURRENT_SENDER_LEN];
	host_t *me = ike_sa->get_my_host(ike_sa);
	bool ok = FALSE;

	this = container_of(exchange, private_groupvpn_member_t, registration);
	this->mutex->lock(this->mutex);
	group = find_by_ike_sa(this, group_id, ike_sa, MEMBER_REGISTERING);
	if (group && groupvpn_add_idg(message, group_id))
	{
		message->add_notify(message, FALSE, GROUPVPN_N_GROUP_SENDER,
							chunk_empty);
		newest = group->sas->newest(group->sas);
		if (newest && group->up && me->ip_equals(me, group->link.local))
		{
			htoun32(current, newest->sa.epoch);
			htoun32(current + 4, newest->sender_id);
			htoun16(current + 8, group->member_id);
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
				   "and our 'local.id'";
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
	return check_tags(this, group, gsa, why);
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

/**
 * Take the addresses of an IKE_SA for the group's link
 */
static void set_addresses(private_groupvpn_member_t *this, group_t *group,
						  ike_sa_t *ike_sa)
{
	host_t *me = ike_sa->get_my_host(ike_sa);
	host_t *gcks = ike_sa->get_other_host(ike_sa);

	if (group->link.local && !me->ip_equals(me, group->link.local))
	{
		take_down(this, group, "our gateway address changes");
	}
	DESTROY_IF(group->link.local);
	group->link.local = me->clone(me);
	group->link.local->set_port(group->link.local, 0);
	DESTROY_IF(group->link.gcks);
	group->link.gcks = gcks->clone(gcks);
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
	if (!ike_sa)
	{
		return JOB_REQUEUE_NONE;
	}
	ike_sa->queue_task(ike_sa, groupvpn_task_create(ike_sa, &this->leave,
													data->group_id));
	if (ike_sa->initiate(ike_sa, NULL, NULL) == DESTROY_ME)
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
		if (notify == GROUPVPN_N_AUTHORIZATION_FAILED)
		{
			take_down(this, group, "the GCKS says we may not be a member");
		}
		fail(this, group, TRUE, explain(notify));
	}
	else if (!check_addresses(ike_sa, why) ||
			 !get_gsa(this, group, ike_sa, message, &gsa, why))
	{
		queue_job(this, leave_group, group->cfg->id, group->ike_sa, NULL);
		fail(this, group, TRUE, why);
	}
	else
	{
		DBG1(DBG_IKE, "groupvpn: group '%s': registered with '%s' as member "
			 "%u, Sender-ID %u, epoch %u", group->cfg->name, gcks_name(group),
			 gsa.member_id, gsa.sender_id, gsa.epoch[gsa.epochs - 1].epoch);
		group->failures = 0;
		group->missing = FALSE;
		set_addresses(this, group, ike_sa);
		use_gsa(this, group, &gsa);
		enter_registered(this, group);
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
	if (group)
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
			!local->ip_equals(local, group->link.local))
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
		}
	}
	enumerator->destroy(enumerator);
	this->mutex->unlock(this->mutex);
	return TRUE;
}

/* --- in-band rekey --- */

CALLBACK(use_rekey, job_requeue_t,
	group_job_t *data)
{
	private_groupvpn_member_t *this = data->this;
	group_t *group;

	this->mutex->lock(this->mutex);
	group = find_in_state(data, MEMBER_REGISTERED);
	if (group && group->sas->newest(group->sas))
	{
		DBG1(DBG_IKE, "groupvpn: group '%s': received epoch %u",
			 group->cfg->name, data->gsa.epoch[data->gsa.epochs - 1].epoch);
		use_gsa(this, group, &data->gsa);
		enter_registered(this, group);
	}
	this->mutex->unlock(this->mutex);
	return JOB_REQUEUE_NONE;
}

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
		this->mutex->unlock(this->mutex);
	}
	if (ok)
	{	/* not here, where other IKE_SAs wait for us */
		queue_job(this, use_rekey, gsa.group_id, 0, &gsa);
	}
	else
	{
		DBG1(DBG_IKE, "groupvpn: rekey from %H ('%Y') not accepted: %s",
			 ike_sa->get_other_host(ike_sa), ike_sa->get_other_id(ike_sa),
			 *why ? why : "it is not of our GCKS, or not valid");
	}
	gv_gsa_wipe(&gsa);
	return ok;
}

METHOD(listener_t, message_hook, bool,
	private_groupvpn_member_t *this, ike_sa_t *ike_sa, message_t *message,
	bool incoming, bool plain)
{
	void *id = (void*)(uintptr_t)ike_sa->get_unique_id(ike_sa);
	chunk_t gsa;

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

/* --- from bgpd --- */

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
	group_t *group;

	enumerator = this->groups->create_enumerator(this->groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		if (begin)
		{
			group->peers->begin_sync(group->peers, client);
		}
		else
		{
			group->peers->end_sync(group->peers, client);
			tell_group_soon(this, group);
		}
	}
	enumerator->destroy(enumerator);
}

METHOD(groupvpn_control_handler_t, control_message, void,
	groupvpn_control_handler_t *handler, u_int client,
	const struct gv_ctl_msg *msg)
{
	private_groupvpn_member_t *this;
	group_t *group;
	host_t *gateway;

	this = container_of(handler, private_groupvpn_member_t, public.handler);
	this->mutex->lock(this->mutex);
	group = find_group(this, msg->group_id);
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
			if (group && gateway)
			{
				group->peers->set(group->peers, msg->member_id, msg->sender_id,
								  gateway, client);
			}
			else
			{
				refuse_peer(this, client, msg);
			}
			DESTROY_IF(gateway);
			break;
		case GV_CTL_PEER_DOWN:
			if (group)
			{
				group->peers->unset(group->peers, msg->member_id);
				tell_group_soon(this, group);
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
	group_t *group;

	this = container_of(handler, private_groupvpn_member_t, public.handler);
	this->mutex->lock(this->mutex);
	enumerator = this->groups->create_enumerator(this->groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		group->peers->orphan(group->peers, client);
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
			used |= group->link.reqid == reqid;
		}
		enumerator->destroy(enumerator);
	}
	while (used && ++reqid < GROUPVPN_REQID_LAST);
	return reqid;
}

/**
 * Use a configuration for a group
 */
static void set_config(group_t *group, groupvpn_group_t *cfg)
{
	cfg = groupvpn_group_get_ref(cfg);
	groupvpn_group_destroy(group->cfg);
	group->cfg = cfg;
	group->gcks = 0;
	group->link.device = cfg->device;
	group->link.vrf = cfg->vrf;
	group->link.key = cfg->id;
}

/**
 * Start a group
 */
static void start_group(private_groupvpn_member_t *this, groupvpn_group_t *cfg)
{
	group_t *group;

	INIT(group,
		.member = this,
		.sas = groupvpn_sa_table_create(),
		.check = GROUPVPN_NEVER,
		.tell = GROUPVPN_NEVER,
		.link.reqid = find_reqid(this),
	);
	set_config(group, cfg);
	group->peers = groupvpn_peers_create(cfg->id, this->kernel,
										 (groupvpn_peer_cb_t)on_peer_status,
										 group);
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
	take_down(this, group, why);
	group->peers->destroy(group->peers);
	group->sas->destroy(group->sas);
	DESTROY_IF(group->link.local);
	DESTROY_IF(group->link.gcks);
	groupvpn_group_destroy(group->cfg);
	gv_wipe(group, sizeof(*group));
	free(group);
}

/**
 * Stop a group that is not configured anymore
 */
static void end_group(private_groupvpn_member_t *this, group_t *group)
{
	if (group->state == MEMBER_REGISTERED)
	{
		queue_job(this, leave_group, group->cfg->id, group->ike_sa, NULL);
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
	if (!streq(group->cfg->device, cfg->device) ||
		!streq(group->cfg->vrf, cfg->vrf))
	{
		take_down(this, group, "its device or VRF changes");
	}
	if (group->state == MEMBER_REGISTERED)
	{
		name = strdup(gcks_name(group));
	}
	set_config(group, cfg);
	if (name && !streq(name, gcks_name(group)))
	{
		queue_job(this, leave_group, cfg->id, group->ike_sa, NULL);
	}
	free(name);
	group->ike_sa = 0;
	group->failures = 0;
	group->missing = FALSE;
	*group->why = '\0';
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
		.retry_min = retry_min * 1000,
		.retry_max = retry_max * 1000,
		.groups = linked_list_create(),
		.refused = linked_list_create(),
		.mutex = mutex_create(MUTEX_TYPE_DEFAULT),
	);
	this->timer = groupvpn_timer_create(on_timer, this);
	return &this->public;
}
