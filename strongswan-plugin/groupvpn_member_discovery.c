/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * charon itself uses connections without an address in two ways: for those who
 * connect to it, and with traps, whose packets tell the address. This is a third
 * one, and the IKE_SA is made as for a trap.
 */

#include "groupvpn_member_discovery.h"
#include "groupvpn_util.h"

#include <daemon.h>

/**
 * Whether an item of remote_addrs is a host, by address or name
 */
static bool is_host(char *item)
{
	host_t *from, *to;

	if (*item == '%' || strchr(item, '/'))
	{
		return FALSE;
	}
	if (host_create_from_range(item, &from, &to))
	{
		from->destroy(from);
		to->destroy(to);
		return FALSE;
	}
	return TRUE;
}

/*
 * See header
 */
bool groupvpn_is_template(peer_cfg_t *peer_cfg)
{
	ike_cfg_t *ike_cfg = peer_cfg->get_ike_cfg(peer_cfg);
	enumerator_t *enumerator;
	char *item;
	bool host = FALSE;

	enumerator = enumerator_create_token(ike_cfg->get_other_addr(ike_cfg), ",",
										 " ");
	while (!host && enumerator->enumerate(enumerator, &item))
	{
		host = is_host(item);
	}
	enumerator->destroy(enumerator);
	return !host;
}

/**
 * Whether an identity is that of one peer
 */
static bool is_one(identification_t *identity)
{
	switch (identity->get_type(identity))
	{
		case ID_ANY:
		case ID_IPV4_ADDR_SUBNET:
		case ID_IPV6_ADDR_SUBNET:
		case ID_IPV4_ADDR_RANGE:
		case ID_IPV6_ADDR_RANGE:
			return FALSE;
		default:
			return !identity->contains_wildcards(identity);
	}
}

/*
 * See header
 */
char *groupvpn_template_problem(peer_cfg_t *peer_cfg)
{
	enumerator_t *enumerator;
	identification_t *identity;
	auth_cfg_t *auth;
	bool known = FALSE;

	enumerator = peer_cfg->create_auth_cfg_enumerator(peer_cfg, FALSE);
	while (enumerator->enumerate(enumerator, &auth))
	{
		identity = auth->get(auth, AUTH_RULE_IDENTITY);
		known |= identity && is_one(identity);
	}
	enumerator->destroy(enumerator);
	return known ? NULL : "it names no address, so its remote.id has to be the "
						  "identity of the key server, without wildcards, or "
						  "others could be it";
}

/*
 * See header
 */
bool groupvpn_template_shares_key(peer_cfg_t *peer_cfg)
{
	enumerator_t *enumerator;
	auth_cfg_t *auth;
	bool shared = TRUE;

	enumerator = peer_cfg->create_auth_cfg_enumerator(peer_cfg, FALSE);
	while (enumerator->enumerate(enumerator, &auth))
	{
		shared &= (uintptr_t)auth->get(auth, AUTH_RULE_AUTH_CLASS) ==
																AUTH_CLASS_PSK;
	}
	enumerator->destroy(enumerator);
	return shared;
}

/**
 * Forget what descriptors name
 */
static void clear_heard(groupvpn_member_hints_t *hints)
{
	while (hints->count)
	{
		hints->count--;
		hints->heard[hints->count]->destroy(hints->heard[hints->count]);
	}
}

/*
 * See header
 */
void groupvpn_member_hints_set(groupvpn_member_hints_t *hints,
							   const struct gv_ctl_msg *msg)
{
	u_int i;

	clear_heard(hints);
	for (i = 0; i < msg->n_hints; i++)
	{
		hints->heard[hints->count++] = groupvpn_host(&msg->hints[i]);
	}
}

/*
 * See header
 */
host_t *groupvpn_member_hints_choose(groupvpn_member_hints_t *hints,
									 peer_cfg_t *peer_cfg, bool first,
									 bool alive)
{
	ike_cfg_t *ike_cfg = peer_cfg->get_ike_cfg(peer_cfg);
	host_t *usable[GV_HINTS_MAX + 1], *host;
	u_int count = 0, i;
	bool named = FALSE;

	for (i = 0; i < hints->count; i++)
	{
		host = hints->heard[i];
		if (ike_cfg->match_other(ike_cfg, host))
		{
			usable[count++] = host;
			named |= hints->last && host->ip_equals(host, hints->last);
		}
	}
	if (hints->last && !named &&
		ike_cfg->match_other(ike_cfg, hints->last))
	{
		usable[count++] = hints->last;
	}
	groupvpn_member_hints_configured(hints);
	if (!count)
	{
		return NULL;
	}
	host = usable[first ? 0 : random() % count];
	if (first && hints->last && (named || alive))
	{
		host = hints->last;
	}
	hints->tried = host->clone(host);
	return host->clone(host);
}

/*
 * See header
 */
void groupvpn_member_hints_configured(groupvpn_member_hints_t *hints)
{
	DESTROY_IF(hints->tried);
	hints->tried = NULL;
}

/*
 * See header
 */
void groupvpn_member_hints_confirm(groupvpn_member_hints_t *hints)
{
	DESTROY_IF(hints->last);
	hints->last = hints->tried ? hints->tried->clone(hints->tried) : NULL;
}

/*
 * See header
 */
void groupvpn_member_hints_clear(groupvpn_member_hints_t *hints)
{
	clear_heard(hints);
	DESTROY_IF(hints->tried);
	DESTROY_IF(hints->last);
	hints->tried = hints->last = NULL;
}

/**
 * Find an IKE_SA of a template with a host, NULL if there is none
 */
static ike_sa_id_t *find_ike_sa(peer_cfg_t *peer_cfg, host_t *host)
{
	ike_sa_manager_t *manager = charon->ike_sa_manager;
	enumerator_t *enumerator;
	ike_sa_id_t *id = NULL;
	peer_cfg_t *current;
	ike_cfg_t *ike_cfg;
	ike_sa_t *ike_sa;
	host_t *other;

	enumerator = manager->create_enumerator(manager, TRUE);
	while (!id && enumerator->enumerate(enumerator, &ike_sa))
	{
		current = ike_sa->get_peer_cfg(ike_sa);
		other = ike_sa->get_other_host(ike_sa);
		if (!current || ike_sa->get_state(ike_sa) == IKE_DELETING ||
			ike_sa->get_state(ike_sa) == IKE_REKEYED ||
			!other->ip_equals(other, host) ||
			!current->equals(current, peer_cfg))
		{
			continue;
		}
		ike_cfg = current->get_ike_cfg(current);
		if (ike_cfg->equals(ike_cfg, peer_cfg->get_ike_cfg(peer_cfg)))
		{
			id = ike_sa->get_id(ike_sa);
			id = id->clone(id);
		}
	}
	enumerator->destroy(enumerator);
	return id;
}

/**
 * Create an IKE_SA of a template with a host, NULL if charon gives none
 */
static ike_sa_t *create_ike_sa(peer_cfg_t *peer_cfg, host_t *host)
{
	ike_sa_manager_t *manager = charon->ike_sa_manager;
	ike_cfg_t *ike_cfg = peer_cfg->get_ike_cfg(peer_cfg);
	ike_sa_t *ike_sa;

	ike_sa = manager->create_new(manager, IKEV2, TRUE);
	if (!ike_sa)
	{
		return NULL;
	}
	ike_sa->set_peer_cfg(ike_sa, peer_cfg);
	host = host->clone(host);
	host->set_port(host, ike_cfg->get_other_port(ike_cfg));
	ike_sa->set_other_host(ike_sa, host);
	manager->checkout_new(manager, ike_sa);
	charon->bus->set_sa(charon->bus, ike_sa);
	return ike_sa;
}

/*
 * See header
 */
ike_sa_t *groupvpn_template_checkout(mutex_t *mutex, peer_cfg_t *peer_cfg,
									 host_t *host)
{
	ike_sa_manager_t *manager = charon->ike_sa_manager;
	ike_sa_t *ike_sa = NULL;
	ike_sa_id_t *id;

	mutex->lock(mutex);
	id = find_ike_sa(peer_cfg, host);
	if (id)
	{
		ike_sa = manager->checkout(manager, id);
		id->destroy(id);
	}
	if (!ike_sa)
	{
		ike_sa = create_ike_sa(peer_cfg, host);
	}
	mutex->unlock(mutex);
	return ike_sa;
}
