/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Epochs and the route epoch are numbered from the time of the start on, so
 * that those of a GCKS without its store are newer. What begins is in the
 * store first.
 */

#include "groupvpn_gcks_group.h"
#include "groupvpn_gcks_channel.h"
#include "groupvpn_gcks_persist.h"
#include "groupvpn_gcks_policy.h"
#include "groupvpn_gcks_prefixes.h"
#include "groupvpn_gcks_routes.h"
#include "groupvpn_gcks_rekey.h"
#include "groupvpn_gcks_tell.h"

#include <time.h>

#include <daemon.h>

#include <crypto.h>
#include <keys.h>

/* time that members may take to come back after a restart before they get a new
 * epoch, in seconds */
#define RETURN_TIME 300

/* time in which members that come or leave share one new epoch, in
 * milliseconds */
#define BATCH_TIME 2000

/* epochs that one member may cause at once because it comes and leaves, and
 * time after which it may cause one more, in milliseconds; and all together:
 * each has all members take new keys, and new keys by BGP push out older ones */
#define MEMBER_EPOCHS 5
#define MEMBER_EPOCH_INTERVAL 60000
#define GROUP_EPOCHS 10
#define GROUP_EPOCH_INTERVAL 15000

/*
 * See header
 */
void groupvpn_gcks_group_unregister(groupvpn_gcks_group_t *group,
									groupvpn_registration_t *registration,
									char *why)
{
	DBG1(DBG_IKE, "groupvpn: group '%s': member %u '%Y' at %H removed: %s",
		 group->cfg->name, registration->member_id, registration->identity,
		 registration->gateway, why);
	group->counters[GCKS_REMOVED]++;
	groupvpn_gcks_tell_removal(group, registration, why);
	if (group->channel)
	{
		group->channel->remove(group->channel, registration);
	}
	group->registrations->clear(group->registrations, registration);
	groupvpn_gcks_prefixes_unregister(group, registration);
}

/*
 * See header
 */
void groupvpn_gcks_group_expel(groupvpn_gcks_group_t *group,
							   groupvpn_registration_t *registration,
							   char *why)
{
	groupvpn_gcks_rekey_t *rekey = group->gcks->rekey;

	if (registration->ike_sa)
	{
		rekey->dismiss(rekey, group, registration);
		groupvpn_gcks_group_unregister(group, registration, why);
	}
	else
	{
		DBG1(DBG_IKE, "groupvpn: group '%s': member %u '%Y', which is not "
			 "registered, loses its keys: %s", group->cfg->name,
			 registration->member_id, registration->identity, why);
	}
	registration->sender_id = 0;
	group->unsaved = TRUE;
	groupvpn_gcks_routes_renew(group);
	if (group->kek)
	{
		group->kek->remove(group->kek, registration->member_id);
	}
}

/*
 * See header
 */
void groupvpn_gcks_group_leave(groupvpn_gcks_group_t *group,
							   groupvpn_registration_t *registration,
							   char *why)
{
	groupvpn_gcks_group_unregister(group, registration, why);
	if (group->kek)
	{	/* the next message comes under a KEK that it does not get */
		group->kek->remove(group->kek, registration->member_id);
		groupvpn_gcks_save_kek(group, FALSE);
	}
	if (group->cfg->rekey_on_remove)
	{
		groupvpn_gcks_routes_renew(group);
		groupvpn_gcks_group_batch(group, registration, "member left");
	}
}

/*
 * See header
 */
void groupvpn_gcks_group_announced(groupvpn_gcks_group_t *group, u_int client,
								   bool announced)
{
	u_int before = group->announcer;

	if (announced)
	{
		group->announcer = client;
	}
	else if (group->announcer == client)
	{
		group->announcer = 0;
	}
	if (!before != !group->announcer)
	{
		DBG1(DBG_IKE, "groupvpn: group '%s': %s", group->cfg->name,
			 announced ? "bgpd announces GSA_REKEY messages"
					   : "no bgpd announces GSA_REKEY messages, members get "
						 "new keys in band");
	}
}

/*
 * See header
 */
uint64_t groupvpn_gcks_group_retirement(groupvpn_gcks_group_t *group,
										groupvpn_sa_t *sa, uint64_t now)
{
	return min(sa->retires,
			   now + (group->cfg->dtd + GROUPVPN_PUSH_TIME) * 1000ULL);
}

/**
 * Have the next message bring another KEK if the lifetime of that one is not
 * what is configured
 */
static bool check_kek_lifetime(groupvpn_gcks_group_t *group)
{
	groupvpn_kek_t *kek = group->kek;

	if (kek && kek->get_lifetime(kek) != group->cfg->kek_lifetime)
	{
		kek->distrust(kek);
		return TRUE;
	}
	return FALSE;
}

/**
 * Go on with the newest epoch of a group that was loaded
 *
 * @return				NULL, or why a new one has to begin
 */
static char *resume_epoch(groupvpn_gcks_group_t *group)
{
	groupvpn_group_t *cfg = group->cfg;
	groupvpn_sa_t *newest = group->sas->newest(group->sas);
	uint64_t margin = (cfg->atd + cfg->dtd + GROUPVPN_PUSH_TIME) * 1000ULL;

	if (!newest)
	{
		if (group->kek)
		{	/* a store that was emptied of epochs is an older one, and messages
			 * under its KEK would be taken for replays */
			group->kek->distrust(group->kek);
		}
		return "start";
	}
	if (newest->sa.esp.encr != cfg->esp.encr ||
		newest->sa.esp.key_bits != cfg->esp.key_bits ||
		newest->sa.esp.integ != cfg->esp.integ ||
		newest->sa.esp.esn != cfg->esp.esn ||
		groupvpn_sa_is_shared(newest) != (cfg->sa_mode == GV_SA_SHARED) ||
		newest->sa.lifetime != cfg->lifetime || check_kek_lifetime(group))
	{
		return "policy changed";
	}
	/* not before members have had time to come back, if that is possible */
	group->roll = min(max(group->roll, groupvpn_now() + RETURN_TIME * 1000),
					  newest->expires - min(newest->expires, margin));
	if (group->kek && group->kek->is_changed(group->kek))
	{
		return "group-wide rekey begins";
	}
	if (group->kek && group->kek->is_stale(group->kek))
	{	/* killed before the epoch that was due */
		return "a member was removed or added before the restart";
	}
	DBG1(DBG_IKE, "groupvpn: group '%s': epoch %u goes on", cfg->name,
		 newest->sa.epoch);
	return NULL;
}

/**
 * Whether a tag is that of a live epoch of some group
 */
static bool is_tag_used(groupvpn_gcks_core_t *gcks, uint8_t tag)
{
	enumerator_t *enumerator;
	groupvpn_gcks_group_t *group;
	bool used = gcks->store->has_tag(gcks->store, tag);

	enumerator = gcks->groups->create_enumerator(gcks->groups);
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
static bool choose_tag(groupvpn_gcks_core_t *gcks, uint8_t *tag)
{
	u_int i;

	for (i = 0; i < GROUPVPN_TAGS; i++)
	{
		gcks->last_tag = (gcks->last_tag + 1) % GROUPVPN_TAGS;
		*tag = GV_TAG_MIN + gcks->last_tag;
		if (!is_tag_used(gcks, *tag))
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
	uint32_t margin = max(cfg->lifetime / 5,
						  cfg->atd + cfg->dtd + GROUPVPN_PUSH_TIME);

	return cfg->lifetime - min(margin, cfg->lifetime / 2);
}

/**
 * Draw the secret of a new epoch; that of a shared SA has its key besides
 */
static bool draw_keys(groupvpn_group_t *cfg, struct gv_epoch_sa *epoch)
{
	uint8_t prk[GV_SECRET_LEN];
	bool ok;

	if (!gv_random(epoch->gsk, sizeof(epoch->gsk)))
	{
		return FALSE;
	}
	if (cfg->sa_mode == GV_SA_DERIVED)
	{
		return TRUE;
	}
	ok = gv_prk(cfg->id, epoch->epoch, epoch->gsk, prk) &&
		 gv_shared_key(prk, epoch->esp_key, gv_esp_key_len(&epoch->esp));
	gv_wipe(prk, sizeof(prk));
	return ok;
}

/**
 * When the next epoch begins if one begins now: up to a tenth earlier, at
 * random, so that groups that were started together part
 */
static uint64_t next_roll(groupvpn_group_t *cfg, uint64_t now)
{
	uint64_t interval = roll_interval(cfg) * 1000ULL;

	return now + interval - random() % (interval / 10 + 1);
}

/**
 * Make the GSA_REKEY messages that bring what the group has now, to be saved
 *
 * @param renew			bring another KEK, too
 */
static bool publish(groupvpn_gcks_group_t *group, bool renew)
{
	groupvpn_kek_t *kek = group->kek;
	struct gv_gsa gsa;
	bool ok;
	u_int i;

	if (!kek)
	{
		return TRUE;
	}
	renew |= kek->is_stale(kek);
	groupvpn_gcks_group_compose(group, &gsa);
	for (i = 0; i + 1 < gsa.epochs; i++)
	{	/* it is made before they retire */
		gsa.epoch[i].lifetime = min(gsa.epoch[i].lifetime,
									group->cfg->dtd + GROUPVPN_PUSH_TIME);
	}
	ok = gsa.epochs && (!renew || kek->renew(kek, group->cfg->kek_lifetime)) &&
		 kek->publish(kek, &gsa);
	gv_gsa_wipe(&gsa);
	if (!ok)
	{
		kek->settle(kek, FALSE);
		return FALSE;
	}
	group->counters[GCKS_KEKS] += renew;
	group->counters[GCKS_REKEYS_BY_BGP]++;
	return TRUE;
}

/**
 * Begin a new epoch
 */
static bool begin_epoch(groupvpn_gcks_group_t *group)
{
	groupvpn_sa_t *newest = group->sas->newest(group->sas), *sa;
	enumerator_t *enumerator;
	uint64_t now = groupvpn_now();
	uint32_t route_epoch;
	struct gv_epoch_sa epoch = {
		.epoch = max((uint32_t)time(NULL), newest ? newest->sa.epoch + 1 : 1),
		.lifetime = group->cfg->lifetime,
		.esp = group->cfg->esp,
	};

	/* should it fail, this is when we try again */
	group->roll = now + GROUPVPN_PUSH_TIME * 1000;
	if (!choose_tag(group->gcks, &epoch.tag))
	{
		DBG1(DBG_IKE, "groupvpn: group '%s': no new keys, all %d tags are in "
			 "use: this GCKS has too many groups", group->cfg->name,
			 GROUPVPN_TAGS);
		return FALSE;
	}
	if (!draw_keys(group->cfg, &epoch))
	{
		DBG1(DBG_IKE, "groupvpn: group '%s': no new keys, the random number "
			 "generator failed", group->cfg->name);
		return FALSE;
	}
	newest = group->sas->add(group->sas, &epoch, now);
	gv_wipe(&epoch, sizeof(epoch));
	group->roll = next_roll(group->cfg, now);
	route_epoch = group->routes->newest(group->routes)->epoch;
	if (!groupvpn_gcks_routes_begin(group, now) || !publish(group, FALSE) ||
		!groupvpn_gcks_save_epochs(group, now))
	{
		groupvpn_gcks_routes_cancel(group, route_epoch);
		group->sas->remove(group->sas, newest);
		group->roll = now + GROUPVPN_PUSH_TIME * 1000;
		return FALSE;
	}
	enumerator = group->sas->create_enumerator(group->sas);
	while (enumerator->enumerate(enumerator, &sa))
	{
		if (sa != newest)
		{
			sa->retires = groupvpn_gcks_group_retirement(group, sa, now);
		}
	}
	enumerator->destroy(enumerator);
	if (group->channel)
	{
		group->channel->begin(group->channel, newest);
	}
	group->loaded = FALSE;
	group->batch_why = NULL;
	group->counters[GCKS_EPOCHS]++;
	if (group->kek)
	{
		group->renewal = group->kek->get_renewal(group->kek);
	}
	return TRUE;
}

/*
 * See header
 */
void groupvpn_gcks_group_compose(groupvpn_gcks_group_t *group,
								 struct gv_gsa *gsa)
{
	*gsa = (struct gv_gsa){
		.group_id = group->cfg->id,
		.sa_mode = group->cfg->sa_mode,
		.encap = group->cfg->encap,
		.atd = group->cfg->atd,
		.dtd = group->cfg->dtd,
		.replay_window_log2 = group->cfg->replay_window
							  ? __builtin_ctz(group->cfg->replay_window) : 0,
		.route_epoch = group->routes->newest(group->routes)->epoch,
	};
	if (group->channel)
	{
		gsa->channel_id = group->channel->get_sender_id(group->channel);
	}
	memcpy(gsa->route_secret, group->routes->newest(group->routes)->secret,
		   GV_SECRET_LEN);
	group->sas->export(group->sas, group->first_epoch, gsa, groupvpn_now());
}

/**
 * Send what the group has now to those who do not get it by BGP
 *
 * @return				number of these members
 */
static u_int push(groupvpn_gcks_group_t *group)
{
	groupvpn_gcks_rekey_t *rekey = group->gcks->rekey;
	enumerator_t *enumerator;
	groupvpn_registration_t *registration;
	bool by_bgp;
	u_int count = 0;

	by_bgp = group->kek && group->announcer &&
			 !group->kek->is_broken(group->kek);
	enumerator = group->registrations->create_enumerator(group->registrations);
	while (enumerator->enumerate(enumerator, &registration))
	{
		if (registration->ike_sa && !(by_bgp && registration->by_bgp))
		{
			rekey->push(rekey, group, registration);
			count++;
		}
	}
	enumerator->destroy(enumerator);
	return count;
}

/**
 * Do something with each member that is registered
 */
static void for_members(groupvpn_gcks_group_t *group,
						void (*cb)(groupvpn_gcks_rekey_t*,
								   groupvpn_gcks_group_t*,
								   groupvpn_registration_t*))
{
	enumerator_t *enumerator;
	groupvpn_registration_t *registration;

	enumerator = group->registrations->create_enumerator(group->registrations);
	while (enumerator->enumerate(enumerator, &registration))
	{
		if (registration->ike_sa)
		{
			cb(group->gcks->rekey, group, registration);
		}
	}
	enumerator->destroy(enumerator);
}

/**
 * Have the timer run when the next epoch begins, and when old ones end
 */
static void arm_epochs(groupvpn_gcks_group_t *group)
{
	groupvpn_timer_t *timer = group->gcks->timer;
	enumerator_t *enumerator;
	groupvpn_sa_t *sa;

	timer->arm(timer, group->roll);
	enumerator = group->sas->create_enumerator(group->sas);
	while (enumerator->enumerate(enumerator, &sa))
	{
		timer->arm(timer, min(sa->expires, sa->retires));
	}
	enumerator->destroy(enumerator);
}

/*
 * See header
 */
bool groupvpn_gcks_group_roll(groupvpn_gcks_group_t *group, char *why)
{
	u_int count = group->registrations->get_count(group->registrations), pushed;
	bool ok;

	ok = begin_epoch(group);
	if (ok)
	{
		pushed = push(group);
		DBG1(DBG_IKE, "groupvpn: group '%s': epoch %u begins (%s), given to %u "
			 "members, %u of them in band", group->cfg->name,
			 group->sas->newest(group->sas)->sa.epoch, why, count, pushed);
		groupvpn_gcks_tell_epoch(group, count, why);
	}
	arm_epochs(group);
	return ok;
}

/**
 * Renew the KEK because of its lifetime
 */
static void renew_kek(groupvpn_gcks_group_t *group)
{
	bool broken;

	/* should it fail, this is when we try again */
	group->renewal = groupvpn_now() + GROUPVPN_PUSH_TIME * 1000;
	if (publish(group, TRUE) && groupvpn_gcks_save_kek(group, TRUE))
	{
		group->renewal = group->kek->get_renewal(group->kek);
		broken = group->kek->is_broken(group->kek);
		DBG1(DBG_IKE, "groupvpn: group '%s': KEK renewed (lifetime)%s",
			 group->cfg->name, broken ? ", members register again" : "");
		groupvpn_gcks_tell_group(group);
	}
}

/**
 * Tell, once, that there is nothing left of a share
 *
 * @param due			when there is
 * @param soon			when there should be
 */
static bool is_overdrawn(groupvpn_share_t *share, uint64_t due, uint64_t soon)
{
	bool tell = due > soon && !share->told;

	share->told = due > soon;
	return tell;
}

/**
 * When a member that comes or leaves may have an epoch begin
 *
 * @param soon			when it begins unless that is too often
 */
static uint64_t wait_for_share(groupvpn_gcks_group_t *group,
							   groupvpn_registration_t *registration,
							   uint64_t soon)
{
	uint64_t due, now = groupvpn_now();

	due = groupvpn_share_due(&registration->epochs, MEMBER_EPOCHS,
							 MEMBER_EPOCH_INTERVAL);
	groupvpn_share_use(&registration->epochs, now, MEMBER_EPOCHS,
					   MEMBER_EPOCH_INTERVAL);
	if (is_overdrawn(&registration->epochs, due, soon))
	{
		DBG1(DBG_IKE, "groupvpn: group '%s': member %u '%Y' comes and leaves "
			 "too often, for that there are new keys once in %d s only",
			 group->cfg->name, registration->member_id, registration->identity,
			 MEMBER_EPOCH_INTERVAL / 1000);
	}
	soon = max(soon, due);
	due = groupvpn_share_due(&group->epochs, GROUP_EPOCHS,
							 GROUP_EPOCH_INTERVAL);
	if (is_overdrawn(&group->epochs, due, soon))
	{
		DBG1(DBG_IKE, "groupvpn: group '%s': members come and leave too often, "
			 "for that there are new keys once in %d s only",
			 group->cfg->name, GROUP_EPOCH_INTERVAL / 1000);
	}
	return max(soon, due);
}

/*
 * See header
 */
void groupvpn_gcks_group_batch(groupvpn_gcks_group_t *group,
							   groupvpn_registration_t *registration,
							   char *why)
{
	groupvpn_timer_t *timer = group->gcks->timer;
	uint64_t due = groupvpn_now() + BATCH_TIME;

	if (registration)
	{
		due = wait_for_share(group, registration, due);
	}
	if (!group->batch_why || due < group->batch)
	{
		group->batch = due;
		group->batch_why = why;
		timer->arm(timer, group->batch);
	}
}

/*
 * See header
 */
void groupvpn_gcks_group_run(groupvpn_gcks_group_t *group, uint64_t now)
{
	groupvpn_timer_t *timer = group->gcks->timer;
	groupvpn_sa_t *sa;

	while ((sa = group->sas->due(group->sas, now)))
	{
		groupvpn_gcks_remove_epoch(group, sa);
	}
	if (group->batch_why && group->batch <= now)
	{
		if (groupvpn_gcks_group_roll(group, group->batch_why))
		{
			groupvpn_share_use(&group->epochs, now, GROUP_EPOCHS,
							   GROUP_EPOCH_INTERVAL);
		}
		else
		{
			group->batch = group->roll;
		}
	}
	if (group->roll <= now)
	{
		groupvpn_gcks_group_roll(group, "lifetime");
	}
	if (group->channel)
	{
		group->channel->run(group->channel, now);
	}
	if (group->batch_why)
	{
		timer->arm(timer, group->batch);
	}
	groupvpn_gcks_routes_run(group, now);
	groupvpn_gcks_prefixes_run(group, now);
	if (group->renewal <= now)
	{
		renew_kek(group);
	}
	timer->arm(timer, group->renewal);
	arm_epochs(group);
}

/*
 * See header
 */
void groupvpn_gcks_group_destroy(groupvpn_gcks_group_t *group)
{
	DESTROY_IF(group->channel);
	groupvpn_group_destroy(group->cfg);
	group->sas->destroy(group->sas);
	DESTROY_IF(group->kek);
	group->routes->destroy(group->routes);
	group->registrations->destroy(group->registrations);
	group->evictions->destroy(group->evictions);
	DESTROY_IF(group->address);
	gv_wipe(group, sizeof(*group));
	free(group);
}

/**
 * Protect BGP as the configuration says
 */
static void configure_channel(groupvpn_gcks_group_t *group,
							  groupvpn_group_t *old)
{
	groupvpn_group_t *cfg = group->cfg;

	if (group->channel &&
		(!cfg->channel || !cfg->address->ip_equals(cfg->address, old->address)))
	{
		group->channel->destroy(group->channel);
		group->channel = NULL;
	}
	if (cfg->channel && !group->channel)
	{
		group->channel = groupvpn_gcks_channel_create(group);
	}
}

/*
 * See header
 */
bool groupvpn_gcks_group_start(groupvpn_gcks_core_t *gcks,
							   groupvpn_group_t *cfg)
{
	groupvpn_gcks_group_t *group;
	char *why;

	INIT(group,
		.cfg = groupvpn_group_get_ref(cfg),
		.gcks = gcks,
		.sas = groupvpn_sa_table_create(),
		.routes = groupvpn_route_keys_create(),
		.registrations = groupvpn_registrations_create(cfg->id, gcks->index),
		.evictions = groupvpn_evictions_create(),
		.lists = {
			.due = GROUPVPN_NEVER,
			.settles = groupvpn_now() + RETURN_TIME * 1000,
			.sweep = GROUPVPN_NEVER,
			.unwanted = GROUPVPN_NEVER,
		},
		.address = cfg->address ? cfg->address->clone(cfg->address) : NULL,
	);
	if (!groupvpn_gcks_load(group))
	{
		DBG1(DBG_CFG, "groupvpn: group '%s' not started", cfg->name);
		groupvpn_gcks_group_destroy(group);
		return FALSE;
	}
	gcks->groups->add(gcks->groups, group);
	DBG1(DBG_CFG, "groupvpn: group '%s' (%u) started, we are its GCKS",
		 cfg->name, cfg->id);
	configure_channel(group, NULL);
	/* some may not be known well enough to be judged before they come back */
	why = groupvpn_gcks_review(group) || group->admitted_others
				? "policy changed" : resume_epoch(group);
	if (why)
	{
		groupvpn_gcks_group_roll(group, why);
	}
	else
	{
		groupvpn_gcks_tell_group(group);
	}
	gcks->timer->arm(gcks->timer, groupvpn_now());
	return TRUE;
}

/*
 * See header
 */
void groupvpn_gcks_group_stop(groupvpn_gcks_group_t *group)
{
	DBG1(DBG_CFG, "groupvpn: group '%s' (%u) stopped", group->cfg->name,
		 group->cfg->id);
	groupvpn_gcks_tell_end(group);
	for_members(group, group->gcks->rekey->dismiss);
	groupvpn_gcks_group_destroy(group);
}

/**
 * Remove the members whose gateways are of the other family since the
 * encapsulation changed: they are refused when they register again
 */
static void remove_other_family(groupvpn_gcks_group_t *group)
{
	groupvpn_gcks_rekey_t *rekey = group->gcks->rekey;
	enumerator_t *enumerator;
	groupvpn_registration_t *registration;
	char why[GV_TEXT_MAX + 1];
	int family = groupvpn_encap_family(group->cfg->encap);

	snprintf(why, sizeof(why), "the group's gateways are %s now, see 'encap'",
			 groupvpn_family_name(family));
	enumerator = group->registrations->create_enumerator(group->registrations);
	while (enumerator->enumerate(enumerator, &registration))
	{
		if (!registration->ike_sa ||
			registration->gateway->get_family(registration->gateway) == family)
		{
			continue;
		}
		rekey->dismiss(rekey, group, registration);
		groupvpn_gcks_group_unregister(group, registration, why);
		if (group->kek)
		{	/* what comes is not for it */
			group->kek->remove(group->kek, registration->member_id);
		}
	}
	enumerator->destroy(enumerator);
}

/*
 * See header
 */
void groupvpn_gcks_group_change(groupvpn_gcks_group_t *group,
								groupvpn_group_t *cfg)
{
	groupvpn_group_t *old = group->cfg;

	group->cfg = groupvpn_group_get_ref(cfg);
	if (cfg->address || cfg->encap != old->encap)
	{
		DESTROY_IF(group->address);
		group->address = cfg->address ? cfg->address->clone(cfg->address)
									  : NULL;
	}
	remove_other_family(group);
	configure_channel(group, old);
	groupvpn_group_destroy(old);
	/* a Rekey SA that can not be had is told of, and had in-band rekeys do */
	groupvpn_gcks_load_kek(group);
	check_kek_lifetime(group);
	groupvpn_gcks_review(group);
	/* the new epoch tells members the new policy, and evicted ones nothing */
	groupvpn_gcks_group_roll(group, "policy changed");
}
