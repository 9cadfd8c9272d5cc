/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A key server whose address is not configured: it is what the group's
 * descriptor says, which bgpd hears.
 *
 * That is a hint, from whoever speaks BGP to this host, and IKE finds out
 * whether it is true. It decides where to register next, and nothing else: a
 * registration that there is goes on, and attempts are as far apart as the
 * group's failures make them, whatever is heard meanwhile.
 *
 * @defgroup groupvpn_member_discovery groupvpn_member_discovery
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_MEMBER_DISCOVERY_H_
#define GROUPVPN_MEMBER_DISCOVERY_H_

#include <config/peer_cfg.h>
#include <sa/ike_sa.h>
#include <threading/mutex.h>

#include <control.h>

typedef struct groupvpn_member_hints_t groupvpn_member_hints_t;

/**
 * Addresses at which a group's key server may be. All zero to begin with.
 */
struct groupvpn_member_hints_t {

	/** what descriptors name, the preferred one first */
	host_t *heard[GV_HINTS_MAX];
	u_int count;

	/** the one that is, or was, tried last; NULL: none, or a configured one */
	host_t *tried;

	/** the one that this host has registered with last, NULL if there is
	 * none */
	host_t *last;
};

/**
 * Whether a connection is only a template: its remote_addrs name no host, but
 * %any, subnets or ranges.
 */
bool groupvpn_is_template(peer_cfg_t *peer_cfg);

/**
 * What keeps a template from being used, NULL if nothing does: the hint may be
 * anybody's, so the key server's identity has to be configured, in
 * one of its authentication rounds.
 */
char *groupvpn_template_problem(peer_cfg_t *peer_cfg);

/**
 * Whether the peer of a template proves its identity with pre-shared keys only,
 * which others may have.
 */
bool groupvpn_template_shares_key(peer_cfg_t *peer_cfg);

/**
 * Set what descriptors name.
 */
void groupvpn_member_hints_set(groupvpn_member_hints_t *hints,
							   const struct gv_ctl_msg *msg);

/**
 * Choose the address to try, and keep it as tried.
 *
 * First is the one that this host has registered with last, if it is still
 * named or still has an IKE_SA; else the first one that is named; else the
 * former. Further attempts go to any of them at random, so that nobody keeps
 * the true one from its turn by naming false ones.
 *
 * @param peer_cfg		template, whose remote_addrs have to include it
 * @param first			no attempt has failed since the last registration
 * @param alive			there is an IKE_SA with the last one
 * @return				clone, NULL if there is none
 */
host_t *groupvpn_member_hints_choose(groupvpn_member_hints_t *hints,
									 peer_cfg_t *peer_cfg, bool first,
									 bool alive);

/**
 * A configured address is tried.
 */
void groupvpn_member_hints_configured(groupvpn_member_hints_t *hints);

/**
 * What was tried is the key server.
 */
void groupvpn_member_hints_confirm(groupvpn_member_hints_t *hints);

/**
 * Forget all.
 */
void groupvpn_member_hints_clear(groupvpn_member_hints_t *hints);

/**
 * Check out the IKE_SA of a template with a host, a new one if there is none.
 *
 * @param mutex			serialises calls, so that groups share IKE_SAs
 * @return				NULL if charon gives none
 */
ike_sa_t *groupvpn_template_checkout(mutex_t *mutex, peer_cfg_t *peer_cfg,
									 host_t *host);

#endif /** GROUPVPN_MEMBER_DISCOVERY_H_ @}*/
