/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Authorisation by authenticated identity: one of the identities that the peer
 * has proved in IKE_AUTH has to match one of the group's patterns, and must
 * have been proved by the credential that the group asks for.
 *
 * EAP proves nothing here: it ties neither IKE identity nor EAP identity
 * to what the method has authenticated.
 */

#include "groupvpn_policy.h"

#include <daemon.h>

typedef struct private_groupvpn_policy_t private_groupvpn_policy_t;

/**
 * Private data
 */
struct private_groupvpn_policy_t {

	/**
	 * Public interface
	 */
	groupvpn_policy_t public;
};

/**
 * Whether an identity matches one of the patterns of a group
 */
static bool matches(groupvpn_group_t *group, identification_t *identity)
{
	enumerator_t *enumerator;
	identification_t *pattern;
	bool found = FALSE;

	enumerator = group->members->create_enumerator(group->members);
	while (enumerator->enumerate(enumerator, &pattern))
	{
		if (identity->matches(identity, pattern) != ID_MATCH_NONE)
		{
			found = TRUE;
			break;
		}
	}
	enumerator->destroy(enumerator);
	return found;
}

/**
 * Whether an authentication class is what a group asks for
 */
static bool is_credential(groupvpn_group_t *group, auth_class_t class)
{
	switch (group->credential)
	{
		case GROUPVPN_CREDENTIAL_ANY:
			return class == AUTH_CLASS_PSK || class == AUTH_CLASS_PUBKEY;
		case GROUPVPN_CREDENTIAL_PSK:
			return class == AUTH_CLASS_PSK;
		case GROUPVPN_CREDENTIAL_PUBKEY:
			return class == AUTH_CLASS_PUBKEY;
	}
	return FALSE;
}

/**
 * Credentials as an operator should read of them
 */
static char *credential_names[] = {
	[GROUPVPN_CREDENTIAL_ANY] = "any, which means psk or pubkey and not EAP",
	[GROUPVPN_CREDENTIAL_PSK] = "psk",
	[GROUPVPN_CREDENTIAL_PUBKEY] = "pubkey",
};

METHOD(groupvpn_policy_t, authorize, identification_t*,
	private_groupvpn_policy_t *this, groupvpn_group_t *group, ike_sa_t *ike_sa,
	auth_class_t *class, char why[GV_TEXT_MAX + 1])
{
	enumerator_t *enumerator;
	auth_cfg_t *auth;
	identification_t *identity, *authorized = NULL;
	bool authenticated = FALSE, matched = FALSE;

	enumerator = ike_sa->create_auth_cfg_enumerator(ike_sa, FALSE);
	while (!authorized && enumerator->enumerate(enumerator, &auth))
	{
		*class = (uintptr_t)auth->get(auth, AUTH_RULE_AUTH_CLASS);
		identity = auth->get(auth, AUTH_RULE_IDENTITY);
		if (!identity)
		{
			continue;
		}
		authenticated = TRUE;
		if (matches(group, identity))
		{
			matched = TRUE;
			if (is_credential(group, *class))
			{
				authorized = identity;
			}
		}
	}
	enumerator->destroy(enumerator);

	if (!authenticated)
	{
		snprintf(why, GV_TEXT_MAX + 1, "charon forgot how the peer was "
				 "authenticated, set charon.flush_auth_cfg = no");
	}
	else if (!matched)
	{
		snprintf(why, GV_TEXT_MAX + 1, "the identity matches none of the "
				 "group's 'members'");
	}
	else if (!authorized)
	{
		snprintf(why, GV_TEXT_MAX + 1, "the peer did not use the credential "
				 "that the group asks for, credential = %s",
				 credential_names[group->credential]);
	}
	return authorized;
}

METHOD(groupvpn_policy_t, may_stay, bool,
	private_groupvpn_policy_t *this, groupvpn_group_t *group,
	identification_t *identity, auth_class_t class)
{
	return matches(group, identity) &&
		   (class == AUTH_CLASS_ANY || is_credential(group, class));
}

METHOD(groupvpn_policy_t, destroy, void,
	private_groupvpn_policy_t *this)
{
	free(this);
}

/*
 * See header
 */
groupvpn_policy_t *groupvpn_policy_create()
{
	private_groupvpn_policy_t *this;

	INIT(this,
		.public = {
			.authorize = _authorize,
			.may_stay = _may_stay,
			.destroy = _destroy,
		},
	);
	return &this->public;
}
