/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The credential manager says whether there is a trusted chain, not what is
 * wrong if there is none. That it tells the bus, by alerts, in the thread that
 * asked: so we hear which certificate of a chain has expired or was revoked.
 */

#include "groupvpn_verifier.h"

#include <time.h>

#include <credentials/certificates/x509.h>
#include <credentials/sets/mem_cred.h>
#include <threading/thread_value.h>

typedef struct private_groupvpn_verifier_t private_groupvpn_verifier_t;

ENUM(groupvpn_fault_names, GROUPVPN_FAULT_NONE, GROUPVPN_FAULT_REVOKED,
	"certificate good",
	"certificate expired",
	"certificate revoked",
);

/**
 * Private data
 */
struct private_groupvpn_verifier_t {

	/**
	 * Public interface
	 */
	groupvpn_verifier_t public;

	/**
	 * What the current thread verifies, as evidence_t
	 */
	thread_value_t *current;
};

/**
 * What was heard of a certificate that is being verified
 */
typedef struct {
	certificate_t *subject;
	groupvpn_fault_t fault;
} evidence_t;

/**
 * Whether a certificate has expired
 */
static bool is_expired(certificate_t *cert)
{
	time_t not_after;

	cert->get_validity(cert, NULL, NULL, &not_after);
	return time(NULL) > not_after;
}

/**
 * Whether a certificate is of a CA
 */
static bool is_ca(certificate_t *cert)
{
	x509_t *x509 = (x509_t*)cert;

	return cert->get_type(cert) == CERT_X509 &&
		   (x509->get_flags(x509) & X509_CA);
}

METHOD(groupvpn_verifier_t, alert_, void,
	private_groupvpn_verifier_t *this, alert_t alert, va_list args)
{
	evidence_t *evidence = this->current->get(this->current);
	certificate_t *cert;

	if (!evidence ||
		(alert != ALERT_CERT_EXPIRED && alert != ALERT_CERT_REVOKED))
	{
		return;
	}
	cert = va_arg(args, certificate_t*);
	if (!is_ca(cert) && !cert->equals(cert, evidence->subject))
	{	/* an earlier one of the same peer */
		return;
	}
	if (alert == ALERT_CERT_REVOKED)
	{
		evidence->fault = GROUPVPN_FAULT_REVOKED;
	}
	else if (is_expired(cert) && evidence->fault == GROUPVPN_FAULT_NONE)
	{	/* the same alert is for one that is not valid yet */
		evidence->fault = GROUPVPN_FAULT_EXPIRED;
	}
}

/**
 * Put the certificates that a peer has sent into a set
 */
static mem_cred_t *create_set(auth_cfg_t *auth)
{
	mem_cred_t *set = mem_cred_create();
	enumerator_t *enumerator;
	certificate_t *cert;
	auth_rule_t rule;
	void *value;

	enumerator = auth->create_enumerator(auth);
	while (enumerator->enumerate(enumerator, &rule, &value))
	{
		if (rule == AUTH_RULE_SUBJECT_CERT || rule == AUTH_RULE_IM_CERT)
		{
			cert = value;
			set->add_cert(set, FALSE, cert->get_ref(cert));
		}
	}
	enumerator->destroy(enumerator);
	return set;
}

/**
 * Whether there is a trusted chain to a certificate
 */
static bool is_trusted(certificate_t *subject)
{
	enumerator_t *enumerator;
	certificate_t *cert;
	auth_cfg_t *chain;
	bool trusted = FALSE;

	enumerator = lib->credmgr->create_trusted_enumerator(lib->credmgr, KEY_ANY,
										subject->get_subject(subject), TRUE);
	while (!trusted && enumerator->enumerate(enumerator, &cert, &chain))
	{
		trusted = cert->equals(cert, subject);
	}
	enumerator->destroy(enumerator);
	return trusted;
}

METHOD(groupvpn_verifier_t, verify, groupvpn_fault_t,
	private_groupvpn_verifier_t *this, auth_cfg_t *auth)
{
	evidence_t evidence = {
		.subject = auth->get(auth, AUTH_RULE_SUBJECT_CERT),
	};
	mem_cred_t *set;
	bool trusted;

	if (is_expired(evidence.subject))
	{
		return GROUPVPN_FAULT_EXPIRED;
	}
	set = create_set(auth);
	lib->credmgr->add_local_set(lib->credmgr, &set->set, FALSE);
	this->current->set(this->current, &evidence);
	trusted = is_trusted(evidence.subject);
	this->current->set(this->current, NULL);
	lib->credmgr->remove_local_set(lib->credmgr, &set->set);
	set->destroy(set);
	return trusted ? GROUPVPN_FAULT_NONE : evidence.fault;
}

METHOD(groupvpn_verifier_t, destroy, void,
	private_groupvpn_verifier_t *this)
{
	this->current->destroy(this->current);
	free(this);
}

/*
 * See header
 */
groupvpn_verifier_t *groupvpn_verifier_create()
{
	private_groupvpn_verifier_t *this;

	INIT(this,
		.public = {
			.verify = _verify,
			.alert = _alert_,
			.destroy = _destroy,
		},
		.current = thread_value_create(NULL),
	);
	return &this->public;
}

/*
 * See header
 */
time_t groupvpn_verifier_expiry(auth_cfg_t *auth)
{
	enumerator_t *enumerator;
	certificate_t *cert;
	auth_rule_t rule;
	time_t first, not_after;
	void *value;

	cert = auth->get(auth, AUTH_RULE_SUBJECT_CERT);
	cert->get_validity(cert, NULL, NULL, &first);
	enumerator = auth->create_enumerator(auth);
	while (enumerator->enumerate(enumerator, &rule, &value))
	{
		if (rule == AUTH_RULE_IM_CERT)
		{
			cert = value;
			cert->get_validity(cert, NULL, NULL, &not_after);
			first = min(first, not_after);
		}
	}
	enumerator->destroy(enumerator);
	return first;
}

/*
 * See header
 */
bool groupvpn_verifier_is_expired(auth_cfg_t *auth)
{
	return is_expired(auth->get(auth, AUTH_RULE_SUBJECT_CERT));
}
