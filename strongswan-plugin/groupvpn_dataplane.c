/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A new epoch is received on at once, sent with after the activation delay,
 * and replaces the others after the deactivation delay (RFC 9838, 4.4.3.1.1).
 * If the keys expire and nothing has come to replace them, the states are
 * removed, but device and policies stay: what still has a route to the device
 * does not leave in clear. With fail = open they go, too, and there is nothing
 * that keeps packets from going another way. The secret of the group's routes
 * changes in the same way as the data keys.
 *
 * A derived key must never start over with its counters at zero (see the
 * peers), also not if the GCKS gives us a Sender-ID again in an epoch that we
 * had already removed, because an answer was late or another GCKS was used in
 * between. So the epochs that we had are remembered as long as they could come
 * back.
 */

#include "groupvpn_dataplane.h"
#include "groupvpn_fib.h"
#include "groupvpn_prefixes.h"
#include "groupvpn_route_keys.h"
#include "groupvpn_sa_table.h"

#include <daemon.h>

#include <crypto.h>

/* how often to retry, and to check, what is in the kernel, in milliseconds */
#define LINK_INTERVAL 3000

/* changes of a group's figures are told to bgpd together */
#define TELL_DELAY 1000

/* room for the payload of a packet is compared on a path like this, the order
 * is the same on all */
#define TYPICAL_MTU 1500

/* how long before the keys expire to ask for new ones if none were pushed: a
 * tenth of their lifetime, or at least the activation delay and this */
#define RENEW_MARGIN 2000

/* how long after an epoch has expired an answer may still be under way that
 * says otherwise, in milliseconds */
#define ANSWER_MARGIN 300000

typedef struct private_groupvpn_dataplane_t private_groupvpn_dataplane_t;

/**
 * Private data
 */
struct private_groupvpn_dataplane_t {

	/**
	 * Public interface
	 */
	groupvpn_dataplane_t public;

	/**
	 * Configuration of the group
	 */
	groupvpn_group_t *cfg;

	/**
	 * Kernel interface
	 */
	groupvpn_kernel_t *kernel;

	/**
	 * Control socket
	 */
	groupvpn_control_t *control;

	/**
	 * Management
	 */
	groupvpn_vici_t *vici;

	/**
	 * Timer of our owner
	 */
	groupvpn_timer_t *timer;

	/**
	 * Epochs and keys
	 */
	groupvpn_sa_table_t *sas;

	/**
	 * Identifiers, as last given by the GCKS
	 */
	uint16_t member_id;
	uint32_t sender_id;

	/**
	 * Whether we only send or only receive, likewise
	 */
	enum gv_direction direction;

	/**
	 * Secrets of the group's routes
	 */
	groupvpn_route_keys_t *routes;

	/**
	 * Activation delay, as last given by the GCKS
	 */
	uint32_t atd;

	/**
	 * Keys that we have used and removed, as used_t
	 */
	linked_list_t *used;

	/**
	 * Device and policies, and whether they are in the kernel
	 */
	groupvpn_link_t link;
	bool installed;

	/**
	 * They are, with keys, and bgpd was told
	 */
	bool up;

	/**
	 * Why they are not, as last told to the operator
	 */
	char why[GV_TEXT_MAX + 1];

	/**
	 * Other members
	 */
	groupvpn_peers_t *peers;

	/**
	 * Routes to them that came with the keys; when to bring them into the
	 * kernel, and the state that the last list led to
	 */
	groupvpn_fib_t *fib;
	uint64_t fib_due;
	uint32_t list_state;

	/**
	 * The S/R, as one more of them: protects BGP with it
	 */
	groupvpn_peers_t *channel;
	groupvpn_link_t channel_link;

	/**
	 * Its Sender-ID, as last given by the GCKS, 0 for none
	 */
	uint32_t channel_id;

	/**
	 * What is wrong with that, as last told to the operator
	 */
	char *channel_why;

	/**
	 * When to look at the kernel, and when to tell bgpd of changed figures
	 */
	uint64_t check;
	uint64_t tell;
};

/**
 * What is left of an epoch in which we had a Sender-ID
 */
typedef struct {
	/* of epoch and group secret */
	uint8_t digest[GV_MAC_LEN];
	uint32_t sender_id;
	/* when nobody has the epoch anymore */
	uint64_t until;
} used_t;

/**
 * Add what identifies the group to a message
 */
static void add_group(private_groupvpn_dataplane_t *this,
					  vici_builder_t *builder)
{
	builder->add_kv(builder, "group", "%s", this->cfg->name);
	builder->add_kv(builder, "group-id", "%u", this->cfg->id);
	builder->add_kv(builder, "role", "member");
}

/**
 * Tell management that the group came up or went down
 *
 * @param why			reason, NULL if it is up
 */
static void raise_group(private_groupvpn_dataplane_t *this, char *why)
{
	char *event = why ? "group-down" : "group-up";
	vici_builder_t *builder = this->vici->begin(this->vici, event);

	if (builder)
	{
		add_group(this, builder);
		this->public.describe(&this->public, builder);
		if (why)
		{
			builder->add_kv(builder, "reason", "%s", why);
		}
		this->vici->raise(this->vici, event, 0, builder);
	}
}

/**
 * Tell management whether a peer can be reached
 */
static void raise_peer(private_groupvpn_dataplane_t *this, uint16_t member_id,
					   uint32_t sender_id, bool ready, char *why)
{
	char *event = ready ? "member-up" : "member-down";
	vici_builder_t *builder = this->vici->begin(this->vici, event);

	if (builder)
	{
		add_group(this, builder);
		builder->add_kv(builder, "member-id", "%u", member_id);
		builder->add_kv(builder, "sender-id", "%u", sender_id);
		if (!ready)
		{
			builder->add_kv(builder, "reason", "%s", why);
		}
		this->vici->raise(this->vici, event, 0, builder);
	}
}

/**
 * Have routes that came with the keys be brought into the kernel, if any have
 * changed
 */
static void check_fib(private_groupvpn_dataplane_t *this)
{
	if (this->fib->is_dirty(this->fib))
	{
		this->fib_due = 0;
		this->timer->arm(this->timer, this->fib_due);
	}
}

/**
 * Bring them there
 */
static void sync_fib(private_groupvpn_dataplane_t *this, uint64_t now)
{
	this->fib->sync(this->fib, this->installed ? &this->link : NULL,
					this->cfg->fail_open);
	/* what the kernel refused is tried again */
	this->fib_due = this->fib->is_dirty(this->fib) ? now + LINK_INTERVAL
												   : GROUPVPN_NEVER;
}

/**
 * Callback of the peers: tell bgpd whether one can be reached
 */
static void on_peer_status(private_groupvpn_dataplane_t *this,
						   uint16_t member_id, uint32_t sender_id, bool ready,
						   char *why)
{
	struct gv_ctl_msg msg = {
		.type = GV_CTL_PEER_STATUS,
		.group_id = this->cfg->id,
		.member_id = member_id,
		.sender_id = sender_id,
		.ready = ready,
	};

	if (ready)
	{
		DBG2(DBG_NET, "groupvpn: group '%s': member %u (Sender-ID %u) is "
			 "ready", this->cfg->name, member_id, sender_id);
	}
	else
	{
		DBG1(DBG_NET, "groupvpn: group '%s': member %u (Sender-ID %u) can not "
			 "be reached: %s", this->cfg->name, member_id, sender_id, why);
		snprintf(msg.text, sizeof(msg.text), "%s", why);
	}
	this->control->broadcast(this->control, &msg);
	this->fib->set_ready(this->fib, member_id, ready);
	check_fib(this);
	raise_peer(this, member_id, sender_id, ready, why);
	this->public.tell_soon(&this->public);
}

/**
 * Add the secrets of the group's routes to a message
 */
static void add_route_keys(private_groupvpn_dataplane_t *this,
						   struct gv_ctl_msg *msg)
{
	const groupvpn_route_key_t *current, *other;

	current = this->routes->current(this->routes);
	msg->route_epoch = current->epoch;
	msg->has_route_secret = TRUE;
	memcpy(msg->route_secret, current->secret, GV_SECRET_LEN);
	other = this->routes->other(this->routes);
	if (other->epoch)
	{
		msg->other_route_epoch = other->epoch;
		msg->has_other_route_secret = TRUE;
		memcpy(msg->other_route_secret, other->secret, GV_SECRET_LEN);
	}
}

/**
 * Callback of the channel
 */
static void on_channel_status(private_groupvpn_dataplane_t *this,
							  uint16_t member_id, uint32_t sender_id,
							  bool ready, char *why)
{
	if (ready)
	{
		DBG2(DBG_NET, "groupvpn: group '%s': BGP with the S/R (Sender-ID %u) "
			 "is protected", this->cfg->name, sender_id);
	}
	else
	{
		DBG1(DBG_NET, "groupvpn: group '%s': BGP with the S/R (Sender-ID %u) "
			 "can not pass by the group's SAs: %s", this->cfg->name, sender_id,
			 why);
	}
}

METHOD(groupvpn_dataplane_t, tell, void,
	private_groupvpn_dataplane_t *this, u_int client)
{
	groupvpn_sa_t *newest = this->sas->newest(this->sas);
	struct gv_ctl_msg msg = {
		.type = GV_CTL_GROUP,
		.group_id = this->cfg->id,
		.member_id = this->member_id,
		.sender_id = this->sender_id,
		.role = GV_ROLE_MEMBER,
		.epoch = newest ? newest->sa.epoch : 0,
		.sas = this->peers->get_count(this->peers),
	};

	if (!this->up || this->cfg->by_keys)
	{	/* bgpd has no part in routes that come with the keys */
		return;
	}
	msg.gateway = groupvpn_addr(this->link.local);
	add_route_keys(this, &msg);
	snprintf(msg.name, sizeof(msg.name), "%s", this->cfg->name);
	snprintf(msg.device, sizeof(msg.device), "%s", this->cfg->device);
	snprintf(msg.vrf, sizeof(msg.vrf), "%s", this->cfg->vrf ?: "");
	if (client)
	{
		this->control->send(this->control, client, &msg);
	}
	else
	{
		this->tell = GROUPVPN_NEVER;
		this->control->broadcast(this->control, &msg);
	}
	gv_wipe(&msg, sizeof(msg));
}

METHOD(groupvpn_dataplane_t, tell_soon, void,
	private_groupvpn_dataplane_t *this)
{
	if (this->up && this->tell == GROUPVPN_NEVER)
	{
		this->tell = groupvpn_now() + TELL_DELAY;
		this->timer->arm(this->timer, this->tell);
	}
}

/**
 * Make a digest that stands for all keys of an epoch
 */
static bool get_digest(const struct gv_epoch_sa *epoch,
					   uint8_t digest[GV_MAC_LEN])
{
	return gv_hmac(epoch->gsk, &epoch->epoch, sizeof(epoch->epoch), digest);
}

/**
 * Remember that keys of an epoch were used. A shared one may start over: the
 * IVs of its ciphers are random, and its receivers do not look at the counters.
 */
static void remember(private_groupvpn_dataplane_t *this, groupvpn_sa_t *sa)
{
	used_t *used;

	if (groupvpn_sa_is_shared(sa))
	{
		return;
	}
	INIT(used,
		.sender_id = sa->sender_id,
		.until = sa->expires == GROUPVPN_NEVER ? GROUPVPN_NEVER
											   : sa->expires + ANSWER_MARGIN,
	);
	get_digest(&sa->sa, used->digest);
	this->used->insert_last(this->used, used);
}

/**
 * Whether keys of an epoch, with our Sender-ID in it, were used; forgets those
 * that are of no interest anymore
 */
static bool was_used(private_groupvpn_dataplane_t *this,
					 const struct gv_epoch_sa *epoch, uint32_t sender_id)
{
	enumerator_t *enumerator;
	uint8_t digest[GV_MAC_LEN];
	uint64_t now = groupvpn_now();
	used_t *used;
	bool found;

	/* if in doubt */
	found = !get_digest(epoch, digest);
	enumerator = this->used->create_enumerator(this->used);
	while (enumerator->enumerate(enumerator, &used))
	{
		if (used->until <= now)
		{
			this->used->remove_at(this->used, enumerator);
			free(used);
		}
		else if (used->sender_id == sender_id &&
				 gv_equal(used->digest, digest, sizeof(digest)))
		{
			found = TRUE;
		}
	}
	enumerator->destroy(enumerator);
	return found;
}

/**
 * Forget the group's keys and remove their states; the link stays
 */
static void remove_keys(private_groupvpn_dataplane_t *this, char *why)
{
	struct gv_ctl_msg msg = {
		.type = GV_CTL_GROUP_DOWN,
		.group_id = this->cfg->id,
	};
	groupvpn_sa_t *sa;

	if (this->up)
	{
		DBG1(DBG_NET, "groupvpn: group '%s' is down: %s", this->cfg->name, why);
		this->control->broadcast(this->control, &msg);
		raise_group(this, why);
		this->up = FALSE;
		this->peers->detach(this->peers);
		this->fib->set_none_ready(this->fib);
		check_fib(this);
	}
	this->channel->detach(this->channel);
	while ((sa = this->sas->newest(this->sas)))
	{
		remember(this, sa);
		this->sas->remove(this->sas, sa);
	}
	this->routes->clear(this->routes);
	this->tell = GROUPVPN_NEVER;
}

METHOD(groupvpn_dataplane_t, down, void,
	private_groupvpn_dataplane_t *this, char *why)
{
	remove_keys(this, why);
	if (this->installed)
	{
		this->kernel->del_link(this->kernel, &this->link);
		this->installed = FALSE;
		this->fib->touch(this->fib);
		sync_fib(this, 0);
	}
}

/**
 * Have the peers use the link, with the parameters as they are now
 */
static void attach_peers(private_groupvpn_dataplane_t *this)
{
	this->peers->attach(this->peers, &this->link, this->sas, this->member_id,
						this->direction);
	this->peers->update(this->peers);
}

/**
 * Install what is missing of the link
 */
static bool install_link(private_groupvpn_dataplane_t *this,
						 char why[GV_TEXT_MAX + 1])
{
	if (this->cfg->fail_open)
	{
		this->kernel->open_vrf(this->kernel, &this->link);
	}
	else if (!this->kernel->close_vrf(this->kernel, &this->link, why))
	{
		return FALSE;
	}
	if (!this->installed && this->sas->newest(this->sas))
	{
		this->installed = this->kernel->add_link(this->kernel, &this->link,
												 why);
		this->fib->touch(this->fib);
		check_fib(this);
		return this->installed;
	}
	return TRUE;
}

/**
 * Install the group in the kernel as far as it has what that takes
 */
static void bring_up(private_groupvpn_dataplane_t *this)
{
	char why[GV_TEXT_MAX + 1];

	if (!install_link(this, why))
	{
		if (!streq(this->why, why))
		{
			DBG1(DBG_NET, "groupvpn: group '%s' can not be brought up: %s; "
				 "retrying", this->cfg->name, why);
			snprintf(this->why, sizeof(this->why), "%s", why);
		}
		return;
	}
	*this->why = '\0';
	if (!this->up && this->sas->newest(this->sas))
	{
		this->up = TRUE;
		DBG1(DBG_NET, "groupvpn: group '%s' is up: member %u, Sender-ID %u, "
			 "device '%s', gateway %H", this->cfg->name, this->member_id,
			 this->sender_id, this->cfg->device, this->link.local);
		raise_group(this, NULL);
		tell(this, 0);
		attach_peers(this);
	}
}

/**
 * Remove one epoch
 */
static void remove_epoch(private_groupvpn_dataplane_t *this, groupvpn_sa_t *sa)
{
	this->channel->forget(this->channel, sa);
	if (this->up)
	{
		this->peers->forget(this->peers, sa);
	}
	remember(this, sa);
	this->sas->remove(this->sas, sa);
}

/**
 * Find an epoch of a GSA in the SA table. What has the same number or tag, but
 * other keys, is of a GCKS that began anew, and removed.
 */
static groupvpn_sa_t *find_epoch(private_groupvpn_dataplane_t *this,
								 const struct gv_epoch_sa *epoch)
{
	enumerator_t *enumerator;
	groupvpn_sa_t *sa, *found = NULL, *rival = NULL;

	enumerator = this->sas->create_enumerator(this->sas);
	while (enumerator->enumerate(enumerator, &sa))
	{
		if (sa->sa.epoch == epoch->epoch && sa->sa.tag == epoch->tag &&
			gv_equal(sa->sa.gsk, epoch->gsk, sizeof(epoch->gsk)) &&
			gv_equal(sa->sa.esp_key, epoch->esp_key, sizeof(epoch->esp_key)))
		{
			found = sa;
		}
		else if (sa->sa.epoch == epoch->epoch || sa->sa.tag == epoch->tag)
		{
			rival = sa;
		}
	}
	enumerator->destroy(enumerator);
	if (rival)
	{
		remove_epoch(this, rival);
		return find_epoch(this, epoch);
	}
	return found;
}

/**
 * Merge one epoch of a GSA into the SA table
 */
static void merge_epoch(private_groupvpn_dataplane_t *this,
						const struct gv_gsa *gsa,
						const struct gv_epoch_sa *epoch, uint64_t now)
{
	groupvpn_sa_t *sa;

	sa = find_epoch(this, epoch);
	if (!sa && !was_used(this, epoch, this->sender_id))
	{
		sa = this->sas->add(this->sas, epoch, now);
		if (sa)
		{
			sa->replay_window = gsa->replay_window_log2
								? 1 << gsa->replay_window_log2 : 0;
			sa->sender_id = this->sender_id;
			sa->activates = this->sas->get_activation(this->sas, this->atd,
													  now);
			sa->sending = sa->activates <= now;
		}
	}
	else if (sa && sa->sender_id != this->sender_id)
	{	/* all derived keys of the epoch change with our Sender-ID */
		if (this->up && !groupvpn_sa_is_shared(sa))
		{
			this->peers->forget(this->peers, sa);
		}
		this->channel->forget(this->channel, sa);
		remember(this, sa);
		sa->sender_id = this->sender_id;
	}
}

/**
 * Have all epochs but the newest retire
 */
static void retire_epochs(private_groupvpn_dataplane_t *this, uint64_t retires)
{
	groupvpn_sa_t *newest = this->sas->newest(this->sas), *sa;
	enumerator_t *enumerator;

	enumerator = this->sas->create_enumerator(this->sas);
	while (enumerator->enumerate(enumerator, &sa))
	{
		if (sa != newest)
		{
			sa->retires = min(sa->retires, retires);
		}
	}
	enumerator->destroy(enumerator);
}

/**
 * Whether a GSA has older epochs than we have
 */
static bool is_older(private_groupvpn_dataplane_t *this,
					 const struct gv_gsa *gsa)
{
	groupvpn_sa_t *newest = this->sas->newest(this->sas);

	return newest &&
		   newest->sa.epoch > gsa->epoch[gsa->epochs - 1].epoch;
}

METHOD(groupvpn_dataplane_t, is_stale, bool,
	private_groupvpn_dataplane_t *this, const struct gv_gsa *gsa,
	uint64_t requested)
{
	return is_older(this, gsa) &&
		   this->sas->newest(this->sas)->since >= requested;
}

/**
 * Forget our epochs if the GCKS has older ones only: it has been restarted and
 * its clock is behind
 */
static void forget_unknown(private_groupvpn_dataplane_t *this,
						   const struct gv_gsa *gsa)
{
	groupvpn_sa_t *newest;

	if (is_older(this, gsa))
	{
		while ((newest = this->sas->newest(this->sas)))
		{
			remove_epoch(this, newest);
		}
	}
}

/**
 * Whether a GSA would have keys start over that we have used
 */
static bool would_reuse(private_groupvpn_dataplane_t *this,
						const struct gv_gsa *gsa, uint32_t sender_id)
{
	groupvpn_sa_t *newest = this->sas->newest(this->sas);
	const struct gv_epoch_sa *epoch;
	u_int i;

	for (i = 0; i < gsa->epochs; i++)
	{
		epoch = &gsa->epoch[i];
		/* one that is retired does not come back as long as we have a newer */
		if ((!newest || newest->sa.epoch < epoch->epoch ||
			 this->sas->find(this->sas, epoch->epoch)) &&
			was_used(this, epoch, sender_id))
		{
			return TRUE;
		}
	}
	return FALSE;
}

/**
 * Take over the secret of the group's routes. Whoever registers comes late to a
 * change, if there is one: all others take the new secret by now.
 */
static void use_route_key(private_groupvpn_dataplane_t *this,
						  const struct gv_gsa *gsa, uint64_t now)
{
	uint64_t activates = now;

	if (!gsa->sender_id)
	{
		activates += gsa->atd * 1000ULL;
	}
	if (this->routes->add(this->routes, gsa->route_epoch, gsa->route_secret,
						  activates, now + gsa->dtd * 1000ULL))
	{
		DBG1(DBG_NET, "groupvpn: group '%s': route epoch %u received",
			 this->cfg->name, gsa->route_epoch);
	}
}

/**
 * Have the MTU follow the epochs: it has to suit the cipher that takes most of
 * a packet, until no epoch has that anymore
 */
static void update_mtu(private_groupvpn_dataplane_t *this)
{
	enumerator_t *enumerator;
	struct gv_esp_proposal esp = {};
	groupvpn_sa_t *sa;

	enumerator = this->sas->create_enumerator(this->sas);
	while (enumerator->enumerate(enumerator, &sa))
	{
		if (!esp.encr || gv_esp_room(&sa->sa.esp, FALSE, TYPICAL_MTU) <
						 gv_esp_room(&esp, FALSE, TYPICAL_MTU))
		{
			esp = sa->sa.esp;
		}
	}
	enumerator->destroy(enumerator);
	if (esp.encr && (esp.encr != this->link.esp.encr ||
					 esp.integ != this->link.esp.integ))
	{
		esp.esn = FALSE;
		this->link.esp = esp;
		if (this->installed)
		{
			this->kernel->update_mtu(this->kernel, &this->link);
		}
	}
}

/**
 * Use what the states that we have do not go with
 */
static void set_policy(private_groupvpn_dataplane_t *this,
					   const struct gv_gsa *gsa)
{
	if (this->link.encap != gsa->encap)
	{
		this->public.down(&this->public, "its encapsulation changes");
		this->link.encap = gsa->encap;
	}
	if (gsa->sender_id && this->direction != gsa->direction)
	{	/* a rekey does not tell it */
		this->public.down(&this->public, "its policy has us send or receive "
						  "only, or no longer so");
		this->direction = gsa->direction;
	}
}

/**
 * Have SAs with the S/R for BGP, or no more, as the GCKS says. The policies
 * follow our configuration; where the two do not agree BGP does not come up, or
 * passes in clear.
 */
static void use_channel(private_groupvpn_dataplane_t *this)
{
	char *why = NULL;

	if (this->channel_id && !this->cfg->channel)
	{
		why = "the GCKS takes BGP only with channel = yes, which is not set "
			  "here";
	}
	else if (!this->channel_id && this->cfg->channel)
	{
		why = "channel = yes is set here, but not at the GCKS: BGP with it can "
			  "not pass";
	}
	if (why && why != this->channel_why)
	{
		DBG1(DBG_NET, "groupvpn: group '%s': %s", this->cfg->name, why);
	}
	this->channel_why = why;
	if (!this->channel_id || why)
	{
		this->channel->unset(this->channel, GV_MEMBER_ID_GCKS);
		this->channel->detach(this->channel);
		return;
	}
	this->channel_link.local = this->link.local;
	this->channel->attach(this->channel, &this->channel_link, this->sas,
						  this->member_id, GV_BOTH);
	this->channel->set(this->channel, GV_MEMBER_ID_GCKS, this->channel_id,
					   this->link.gcks, 0);
}

METHOD(groupvpn_dataplane_t, use, bool,
	private_groupvpn_dataplane_t *this, const struct gv_gsa *gsa)
{
	uint64_t now = groupvpn_now();
	u_int i;

	if (!gsa->sender_id && is_older(this, gsa))
	{	/* a rekey that was overtaken */
		return TRUE;
	}
	if (gsa->sender_id)
	{	/* a registration */
		forget_unknown(this, gsa);
	}
	set_policy(this, gsa);
	if (would_reuse(this, gsa, gsa->sender_id ?: this->sender_id))
	{
		if (!this->sas->newest(this->sas))
		{
			remove_keys(this, "the GCKS gave keys that were used already");
		}
		return FALSE;
	}
	if (gsa->sender_id)
	{
		this->sender_id = gsa->sender_id;
		this->member_id = gsa->member_id;
	}
	this->atd = gsa->atd;
	use_route_key(this, gsa, now);
	for (i = 0; i < gsa->epochs; i++)
	{
		merge_epoch(this, gsa, &gsa->epoch[i], now);
	}
	retire_epochs(this, now + gsa->dtd * 1000ULL);
	update_mtu(this);
	this->channel_id = gsa->channel_id;
	use_channel(this);

	if (this->up)
	{
		attach_peers(this);
		tell(this, 0);
	}
	else
	{
		bring_up(this);
	}
	this->timer->arm(this->timer, this->public.get_deadline(&this->public));
	return TRUE;
}

/**
 * Take over what a list says of one member
 */
static void use_entry(private_groupvpn_dataplane_t *this,
					  const struct gv_list_entry *entry)
{
	host_t *gateway = groupvpn_host(&entry->gateway);

	this->fib->set(this->fib, entry);
	if (gateway)
	{
		this->peers->set(this->peers, entry->member_id, entry->sender_id,
						 gateway, GROUPVPN_BY_KEYS);
		gateway->destroy(gateway);
	}
	else
	{
		this->peers->unset(this->peers, entry->member_id);
	}
}

METHOD(groupvpn_dataplane_t, use_list, void,
	private_groupvpn_dataplane_t *this, chunk_t list)
{
	struct gv_list_entry *entry;
	struct gv_reader reader;
	uint32_t state;
	uint8_t flags;
	u_int count = 0;

	if (gv_list_open(&reader, list.ptr, list.len, &flags,
					 &state) != GV_ROUTES_OK ||
		(!(flags & GV_LIST_BEGIN) &&
		 (state < this->list_state ||
		  (state == this->list_state && !(flags & GV_LIST_END)))))
	{	/* it was overtaken */
		return;
	}
	this->list_state = state;
	if (flags & GV_LIST_BEGIN)
	{
		this->peers->begin_sync(this->peers, GROUPVPN_BY_KEYS);
		this->fib->begin_sync(this->fib);
	}
	entry = malloc(sizeof(*entry));
	while (reader.left && gv_list_next(&reader, entry) == GV_ROUTES_OK)
	{
		use_entry(this, entry);
		count++;
	}
	free(entry);
	if (flags & GV_LIST_END)
	{
		this->peers->end_sync(this->peers, GROUPVPN_BY_KEYS);
		this->fib->end_sync(this->fib);
	}
	DBG2(DBG_NET, "groupvpn: group '%s': routes of %u members received, state "
		 "%u%s", this->cfg->name, count, state,
		 flags & GV_LIST_END ? "" : ", more to come");
	check_fib(this);
	tell_soon(this);
}

/**
 * Remove epochs that are due; TRUE if there were any
 */
static bool remove_epochs(private_groupvpn_dataplane_t *this, uint64_t now)
{
	groupvpn_sa_t *sa;
	bool removed = FALSE;

	while ((sa = this->sas->due(this->sas, now)))
	{
		DBG1(DBG_NET, "groupvpn: group '%s': epoch %u %s", this->cfg->name,
			 sa->sa.epoch, sa->expires <= now ? "has expired" : "is retired");
		remove_epoch(this, sa);
		removed = TRUE;
	}
	return removed;
}

/**
 * Begin to send with epochs that are due; TRUE if there were any
 */
static bool activate_epochs(private_groupvpn_dataplane_t *this, uint64_t now)
{
	enumerator_t *enumerator;
	groupvpn_sa_t *sa;
	bool activated = FALSE;

	enumerator = this->sas->create_enumerator(this->sas);
	while (enumerator->enumerate(enumerator, &sa))
	{
		if (!sa->sending && sa->activates <= now)
		{
			DBG1(DBG_NET, "groupvpn: group '%s': epoch %u is activated",
				 this->cfg->name, sa->sa.epoch);
			sa->sending = activated = TRUE;
		}
	}
	enumerator->destroy(enumerator);
	return activated;
}

/**
 * Look after what should be in the kernel; FALSE if the group had to be taken
 * down
 */
static bool check_kernel(private_groupvpn_dataplane_t *this)
{
	bool was_up = this->up;

	if (this->installed && !this->kernel->check_link(this->kernel, &this->link))
	{	/* keys that were in use are not used again */
		down(this, "its device was removed or moved");
		return !was_up;
	}
	bring_up(this);
	this->peers->retry(this->peers);
	if (this->installed)
	{
		this->fib->check(this->fib, &this->link);
		check_fib(this);
	}
	return TRUE;
}

/**
 * The last epoch has expired
 */
static void keys_expired(private_groupvpn_dataplane_t *this)
{
	char *why = "its keys have expired, and the GCKS gave no others";

	if (this->cfg->fail_open)
	{
		down(this, why);
	}
	else
	{
		remove_keys(this, why);
	}
}

METHOD(groupvpn_dataplane_t, run, bool,
	private_groupvpn_dataplane_t *this, uint64_t now)
{
	u_int count = this->peers->get_count(this->peers);
	bool changed;

	changed = remove_epochs(this, now);
	if (changed && !this->sas->newest(this->sas))
	{	/* the registration goes on by itself */
		keys_expired(this);
		return TRUE;
	}
	update_mtu(this);
	changed |= activate_epochs(this, now);
	if (changed && this->up)
	{
		this->peers->update(this->peers);
	}
	if (changed)
	{
		this->channel->update(this->channel);
	}
	if (this->check <= now)
	{
		this->check = now + LINK_INTERVAL;
		if (!check_kernel(this))
		{
			return FALSE;
		}
	}
	if (count != this->peers->get_count(this->peers))
	{
		tell_soon(this);
	}
	if (this->fib_due <= now)
	{
		sync_fib(this, now);
	}
	if (this->routes->run(this->routes, now) && this->up)
	{
		tell(this, 0);
	}
	if (this->tell <= now)
	{
		tell(this, 0);
	}
	return TRUE;
}

METHOD(groupvpn_dataplane_t, get_deadline, uint64_t,
	private_groupvpn_dataplane_t *this)
{
	enumerator_t *enumerator;
	groupvpn_sa_t *sa;
	uint64_t deadline = min(min(min(this->check, this->tell), this->fib_due),
							this->routes->get_deadline(this->routes));

	enumerator = this->sas->create_enumerator(this->sas);
	while (enumerator->enumerate(enumerator, &sa))
	{
		deadline = min(deadline, min(sa->expires, sa->retires));
		if (!sa->sending)
		{
			deadline = min(deadline, sa->activates);
		}
	}
	enumerator->destroy(enumerator);
	return deadline;
}

METHOD(groupvpn_dataplane_t, has_keys, bool,
	private_groupvpn_dataplane_t *this)
{
	return this->sas->newest(this->sas) != NULL;
}

METHOD(groupvpn_dataplane_t, get_renewal, uint64_t,
	private_groupvpn_dataplane_t *this)
{
	groupvpn_sa_t *newest = this->sas->newest(this->sas);
	uint64_t margin;

	if (!newest || newest->expires == GROUPVPN_NEVER)
	{
		return GROUPVPN_NEVER;
	}
	margin = max(newest->sa.lifetime * 100ULL,
				 this->atd * 1000ULL + RENEW_MARGIN);
	return newest->expires - min(margin, newest->expires);
}

METHOD(groupvpn_dataplane_t, get_identifiers, bool,
	private_groupvpn_dataplane_t *this, host_t *local, uint32_t *epoch,
	uint32_t *sender_id, uint16_t *member_id)
{
	groupvpn_sa_t *newest = this->sas->newest(this->sas);

	if (!this->up || !newest || !local->ip_equals(local, this->link.local))
	{
		return FALSE;
	}
	*epoch = newest->sa.epoch;
	*sender_id = newest->sender_id;
	*member_id = this->member_id;
	return TRUE;
}

METHOD(groupvpn_dataplane_t, has_tag, bool,
	private_groupvpn_dataplane_t *this, uint8_t tag)
{
	return this->sas->has_tag(this->sas, tag);
}

/**
 * Count the other members, and those that can be reached
 */
static u_int count_peers(private_groupvpn_dataplane_t *this, u_int *ready)
{
	enumerator_t *enumerator;
	uint16_t member_id;
	uint32_t sender_id;
	host_t *gateway;
	u_int count = 0;
	bool is_ready;

	*ready = 0;
	enumerator = this->peers->create_enumerator(this->peers);
	while (enumerator->enumerate(enumerator, &member_id, &sender_id, &gateway,
								 &is_ready))
	{
		count++;
		*ready += is_ready;
	}
	enumerator->destroy(enumerator);
	return count;
}

/**
 * Add what there is to say of routes that come with the keys
 */
static void add_routes(private_groupvpn_dataplane_t *this,
					   vici_builder_t *builder)
{
	u_int installed, refused;
	char *prefixes;

	builder->add_kv(builder, "routes", "%s",
					this->cfg->by_keys ? "keys" : "bgp");
	if (this->cfg->by_keys)
	{
		prefixes = groupvpn_prefixes_text(this->cfg->prefixes,
										  this->cfg->prefix_count);
		builder->add_kv(builder, "prefixes", "%s", prefixes);
		free(prefixes);
		this->fib->get_counts(this->fib, &installed, &refused);
		builder->add_kv(builder, "routes-installed", "%u", installed);
		builder->add_kv(builder, "routes-refused", "%u", refused);
	}
}

METHOD(groupvpn_dataplane_t, describe, void,
	private_groupvpn_dataplane_t *this, vici_builder_t *builder)
{
	groupvpn_sa_t *newest = this->sas->newest(this->sas);
	u_int count, ready;

	builder->add_kv(builder, "up", this->up ? "yes" : "no");
	if (*this->why)
	{
		builder->add_kv(builder, "problem", "%s", this->why);
	}
	builder->add_kv(builder, "channel", "%s",
					this->cfg->channel ? "yes" : "no");
	if (this->channel_why)
	{
		builder->add_kv(builder, "channel-problem", "%s", this->channel_why);
	}
	builder->add_kv(builder, "fail", "%s",
					this->cfg->fail_open ? "open" : "close");
	builder->add_kv(builder, "device", "%s", this->cfg->device);
	if (this->cfg->vrf)
	{
		builder->add_kv(builder, "vrf", "%s", this->cfg->vrf);
	}
	add_routes(this, builder);
	if (!newest)
	{
		return;
	}
	count = count_peers(this, &ready);
	builder->add_kv(builder, "member-id", "%u", this->member_id);
	builder->add_kv(builder, "sender-id", "%u", this->sender_id);
	builder->add_kv(builder, "gateway", "%H", this->link.local);
	groupvpn_vici_add_policy(builder, this->link.encap,
							 groupvpn_sa_is_shared(newest), &newest->sa.esp,
							 newest->replay_window);
	builder->add_kv(builder, "direction", "%s",
					this->direction == GV_SEND_ONLY ? "send" :
					this->direction == GV_RECEIVE_ONLY ? "receive" : "both");
	builder->add_kv(builder, "epoch", "%u", newest->sa.epoch);
	builder->add_kv(builder, "age", "%u", groupvpn_vici_age(newest->since));
	builder->add_kv(builder, "route-epoch", "%u",
					this->routes->current(this->routes)->epoch);
	builder->add_kv(builder, "states", "%u",
					this->peers->get_count(this->peers));
	builder->add_kv(builder, "members", "%u", count);
	builder->add_kv(builder, "ready", "%u", ready);
}

METHOD(groupvpn_dataplane_t, list_members, void,
	private_groupvpn_dataplane_t *this, u_int client)
{
	enumerator_t *enumerator;
	vici_builder_t *builder;
	uint16_t member_id;
	uint32_t sender_id;
	host_t *gateway;
	char *prefixes;
	bool ready;

	enumerator = this->peers->create_enumerator(this->peers);
	while (enumerator->enumerate(enumerator, &member_id, &sender_id, &gateway,
								 &ready))
	{
		builder = this->vici->begin(this->vici, "list-member");
		if (builder)
		{
			add_group(this, builder);
			builder->add_kv(builder, "member-id", "%u", member_id);
			builder->add_kv(builder, "sender-id", "%u", sender_id);
			builder->add_kv(builder, "gateway", "%H", gateway);
			builder->add_kv(builder, "state", ready ? "ready" : "not ready");
			prefixes = this->fib->describe(this->fib, member_id);
			if (prefixes)
			{
				builder->add_kv(builder, "prefixes", "%s", prefixes);
			}
			free(prefixes);
			this->vici->raise(this->vici, "list-member", client, builder);
		}
	}
	enumerator->destroy(enumerator);
}

METHOD(groupvpn_dataplane_t, list_sas, void,
	private_groupvpn_dataplane_t *this, u_int client)
{
	enumerator_t *enumerator;
	vici_builder_t *builder;
	groupvpn_sa_t *sa;

	enumerator = this->sas->create_enumerator(this->sas);
	while (enumerator->enumerate(enumerator, &sa))
	{
		builder = this->vici->begin(this->vici, "list-sa");
		if (builder)
		{
			add_group(this, builder);
			groupvpn_vici_add_sa(builder, sa);
			builder->add_kv(builder, "sender-id", "%u", sa->sender_id);
			if (!sa->sending)
			{
				builder->add_kv(builder, "activates", "%u",
								groupvpn_vici_left(sa->activates));
			}
			builder->add_kv(builder, "state",
					sa->retires != GROUPVPN_NEVER ? "retiring" :
					sa->sending ? "sending" : "receiving");
			this->vici->raise(this->vici, "list-sa", client, builder);
		}
	}
	enumerator->destroy(enumerator);
}

METHOD(groupvpn_dataplane_t, get_peers, groupvpn_peers_t*,
	private_groupvpn_dataplane_t *this)
{
	return this->peers;
}

METHOD(groupvpn_dataplane_t, get_reqid, uint32_t,
	private_groupvpn_dataplane_t *this)
{
	return this->link.reqid;
}

METHOD(groupvpn_dataplane_t, set_addresses, void,
	private_groupvpn_dataplane_t *this, host_t *local, host_t *gcks)
{
	if (this->link.local && !local->ip_equals(local, this->link.local))
	{
		down(this, "our gateway address changes");
	}
	DESTROY_IF(this->link.local);
	this->link.local = local->clone(local);
	this->link.local->set_port(this->link.local, 0);
	this->channel_link.local = this->link.local;
	DESTROY_IF(this->link.gcks);
	this->link.gcks = gcks->clone(gcks);
}

/**
 * Routes come another way now: forget what was told by the one before
 */
static void change_routing(private_groupvpn_dataplane_t *this)
{
	struct gv_ctl_msg msg = {
		.type = GV_CTL_GROUP_DOWN,
		.group_id = this->cfg->id,
	};

	if (this->cfg->by_keys)
	{
		this->control->broadcast(this->control, &msg);
	}
	this->peers->clear(this->peers);
	this->fib->begin_sync(this->fib);
	this->fib->end_sync(this->fib);
	tell(this, 0);
}

METHOD(groupvpn_dataplane_t, set_config, void,
	private_groupvpn_dataplane_t *this, groupvpn_group_t *cfg)
{
	bool changes = this->cfg->by_keys != cfg->by_keys;

	if (!streq(this->cfg->device, cfg->device) ||
		!streq(this->cfg->vrf, cfg->vrf))
	{
		down(this, "its device or VRF changes");
	}
	cfg = groupvpn_group_get_ref(cfg);
	groupvpn_group_destroy(this->cfg);
	this->cfg = cfg;
	this->link.device = cfg->device;
	this->link.vrf = cfg->vrf;
	if (changes)
	{
		change_routing(this);
	}
	this->fib->touch(this->fib);
	check_fib(this);
	if (this->sas->newest(this->sas))
	{
		use_channel(this);
	}
	*this->why = '\0';
	this->check = 0;
	this->timer->arm(this->timer, this->check);
}

METHOD(groupvpn_dataplane_t, open_vrf, void,
	private_groupvpn_dataplane_t *this)
{
	this->kernel->open_vrf(this->kernel, &this->link);
}

METHOD(groupvpn_dataplane_t, destroy, void,
	private_groupvpn_dataplane_t *this)
{
	this->peers->destroy(this->peers);
	this->fib->destroy(this->fib);
	this->channel->destroy(this->channel);
	this->sas->destroy(this->sas);
	this->routes->destroy(this->routes);
	this->used->destroy_function(this->used, free);
	DESTROY_IF(this->link.local);
	DESTROY_IF(this->link.gcks);
	groupvpn_group_destroy(this->cfg);
	gv_wipe(this, sizeof(*this));
	free(this);
}

/*
 * See header
 */
groupvpn_dataplane_t *groupvpn_dataplane_create(groupvpn_group_t *cfg,
							uint32_t reqid, groupvpn_kernel_t *kernel,
							groupvpn_control_t *control, groupvpn_vici_t *vici,
							groupvpn_timer_t *timer)
{
	private_groupvpn_dataplane_t *this;

	INIT(this,
		.public = {
			.set_config = _set_config,
			.set_addresses = _set_addresses,
			.is_stale = _is_stale,
			.use = _use,
			.use_list = _use_list,
			.down = _down,
			.run = _run,
			.get_deadline = _get_deadline,
			.has_keys = _has_keys,
			.get_renewal = _get_renewal,
			.get_identifiers = _get_identifiers,
			.has_tag = _has_tag,
			.tell = _tell,
			.tell_soon = _tell_soon,
			.describe = _describe,
			.list_members = _list_members,
			.list_sas = _list_sas,
			.get_peers = _get_peers,
			.get_reqid = _get_reqid,
			.open_vrf = _open_vrf,
			.destroy = _destroy,
		},
		.cfg = groupvpn_group_get_ref(cfg),
		.kernel = kernel,
		.control = control,
		.vici = vici,
		.timer = timer,
		.sas = groupvpn_sa_table_create(),
		.routes = groupvpn_route_keys_create(),
		.link = {
			.device = cfg->device,
			.vrf = cfg->vrf,
			.encap = GV_ENCAP_GRE,
			.key = cfg->id,
			.reqid = reqid,
		},
		.channel_link = {
			.reqid = GROUPVPN_REQID_CHANNEL,
		},
		.used = linked_list_create(),
		.tell = GROUPVPN_NEVER,
		.fib_due = GROUPVPN_NEVER,
	);
	this->fib = groupvpn_fib_create(cfg->name, kernel);
	this->peers = groupvpn_peers_create(cfg->id, kernel,
										(groupvpn_peer_cb_t)on_peer_status,
										this);
	this->channel = groupvpn_peers_create(cfg->id, kernel,
										(groupvpn_peer_cb_t)on_channel_status,
										this);
	return &this->public;
}
