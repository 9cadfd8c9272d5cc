/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Policy by the options of a group in swanctl.conf. All of them have to be met
 * by one and the same round of authentication: the identity that was proved
 * matches 'members', it was proved by the credential asked for, and the
 * certificate that it was proved with matches 'issuer' and 'certificate'. That
 * the certificate is valid, and that the identity is one that it is for, is
 * what charon has made sure of before.
 *
 * EAP proves nothing here: it ties neither IKE identity nor EAP identity
 * to what the method has authenticated.
 *
 * How many members there are is known to the GCKS, which looks after
 * 'max_members' itself.
 */

#include "groupvpn_policy.h"

#include <credentials/certificates/x509.h>

typedef struct private_policy_t private_policy_t;

/**
 * Private data
 */
struct private_policy_t {

	/**
	 * Public interface
	 */
	groupvpn_policy_t public;
};

/**
 * Credentials as an operator should read of them
 */
static char *credential_names[] = {
	[GROUPVPN_CREDENTIAL_ANY] = "any, which means psk or pubkey and not EAP",
	[GROUPVPN_CREDENTIAL_PSK] = "psk",
	[GROUPVPN_CREDENTIAL_PUBKEY] = "pubkey",
};

/**
 * Whether a group has rules about certificates
 */
static bool has_certificate_rules(groupvpn_group_t *group)
{
	return group->issuers->get_count(group->issuers) ||
		   group->certificates->get_count(group->certificates);
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
 * Whether subject or a subjectAltName of a certificate matches a pattern
 */
static bool names_match(linked_list_t *patterns, certificate_t *certificate)
{
	enumerator_t *enumerator;
	identification_t *name;
	x509_t *x509 = (x509_t*)certificate;
	bool found;

	found = groupvpn_matches(patterns, certificate->get_subject(certificate));
	if (found || certificate->get_type(certificate) != CERT_X509)
	{
		return found;
	}
	enumerator = x509->create_subjectAltName_enumerator(x509);
	while (!found && enumerator->enumerate(enumerator, &name))
	{
		found = groupvpn_matches(patterns, name);
	}
	enumerator->destroy(enumerator);
	return found;
}

/**
 * Whether a certificate is what a group asks for
 *
 * @param why			receives the reason if it is not
 */
static bool check_certificate(groupvpn_group_t *group,
							  certificate_t *certificate,
							  char why[GV_TEXT_MAX + 1])
{
	if (!has_certificate_rules(group))
	{
		return TRUE;
	}
	if (!certificate)
	{
		snprintf(why, GV_TEXT_MAX + 1, "the peer did not authenticate with a "
				 "certificate, which the group's 'issuer' or 'certificate' "
				 "asks for");
		return FALSE;
	}
	if (group->issuers->get_count(group->issuers) &&
		!groupvpn_matches(group->issuers, certificate->get_issuer(certificate)))
	{
		snprintf(why, GV_TEXT_MAX + 1, "its certificate is from '%Y', which "
				 "matches none of the group's 'issuer'",
				 certificate->get_issuer(certificate));
		return FALSE;
	}
	if (group->certificates->get_count(group->certificates) &&
		!names_match(group->certificates, certificate))
	{
		snprintf(why, GV_TEXT_MAX + 1, "neither the subject of its "
				 "certificate, '%Y', nor a subjectAltName matches the group's "
				 "'certificate'", certificate->get_subject(certificate));
		return FALSE;
	}
	return TRUE;
}

/**
 * Find out what a member may do
 *
 * @param why			receives the reason if that is not clear
 */
static bool find_direction(groupvpn_group_t *group, identification_t *identity,
						   enum gv_direction *direction,
						   char why[GV_TEXT_MAX + 1])
{
	bool sender = groupvpn_matches(group->senders, identity);
	bool receiver = groupvpn_matches(group->receivers, identity);

	if (sender && receiver)
	{
		snprintf(why, GV_TEXT_MAX + 1, "the identity matches 'senders', who "
				 "only send, and 'receivers', who only receive");
		return FALSE;
	}
	*direction = sender ? GV_SEND_ONLY : receiver ? GV_RECEIVE_ONLY : GV_BOTH;
	return TRUE;
}

/**
 * Decide about an applicant
 *
 * @param review		take what is not known for good
 */
static bool is_allowed(groupvpn_group_t *group, groupvpn_applicant_t *applicant,
					   bool review, groupvpn_decision_t *decision)
{
	char *why = decision->why;

	if (!groupvpn_matches(group->members, applicant->identity))
	{
		snprintf(why, sizeof(decision->why), "the identity matches none of the "
				 "group's 'members'");
		return FALSE;
	}
	if (!(review && applicant->class == AUTH_CLASS_ANY) &&
		!is_credential(group, applicant->class))
	{
		snprintf(why, sizeof(decision->why), "the peer did not use the "
				 "credential that the group asks for, credential = %s",
				 credential_names[group->credential]);
		return FALSE;
	}
	return ((review && applicant->remembered &&
			 applicant->class != AUTH_CLASS_PSK) ||
			check_certificate(group, applicant->certificate, why)) &&
		   find_direction(group, applicant->identity, &decision->direction,
						  why);
}

METHOD(groupvpn_policy_t, ask, void,
	private_policy_t *this, groupvpn_group_t *group,
	groupvpn_applicant_t *applicant, job_t *then)
{
	if (then)
	{
		lib->processor->queue_job(lib->processor, then);
	}
}

METHOD(groupvpn_policy_t, decide, void,
	private_policy_t *this, groupvpn_group_t *group,
	groupvpn_applicant_t *applicant, groupvpn_decision_t *decision)
{
	*decision = (groupvpn_decision_t){};
	decision->verdict = is_allowed(group, applicant, FALSE, decision)
						? GROUPVPN_ALLOWED : GROUPVPN_REFUSED;
}

METHOD(groupvpn_policy_t, review, void,
	private_policy_t *this, groupvpn_group_t *group,
	groupvpn_applicant_t *applicant, groupvpn_decision_t *decision)
{
	*decision = (groupvpn_decision_t){};
	decision->verdict = is_allowed(group, applicant, TRUE, decision)
						? GROUPVPN_ALLOWED : GROUPVPN_REFUSED;
}

METHOD(groupvpn_policy_t, destroy, void,
	private_policy_t *this)
{
	free(this);
}

/*
 * See header
 */
groupvpn_policy_t *groupvpn_policy_file_create()
{
	private_policy_t *this;

	INIT(this,
		.public = {
			.is_ready = (void*)return_true,
			.ask = _ask,
			.recheck = (void*)nop,
			.decide = _decide,
			.review = _review,
			.set_listener = (void*)nop,
			.add_counters = (void*)nop,
			.destroy = _destroy,
		},
	);
	return &this->public;
}
