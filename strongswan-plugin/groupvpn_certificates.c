/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DER says itself how long it is. Raw public keys are left out: they neither
 * expire nor are they revoked.
 */

#include "groupvpn_certificates.h"

#include <asn1/asn1.h>

/*
 * See header
 */
certificate_t *groupvpn_certificate(auth_cfg_t *auth)
{
	return auth ? auth->get(auth, AUTH_RULE_SUBJECT_CERT) : NULL;
}

/**
 * Add a certificate, if there is room for it
 */
static bool append(chunk_t *all, certificate_t *cert)
{
	chunk_t encoding;

	if (!cert || cert->get_type(cert) != CERT_X509 ||
		!cert->get_encoding(cert, CERT_ASN1_DER, &encoding))
	{
		return FALSE;
	}
	if (all->len + encoding.len > GROUPVPN_CERTIFICATES_MAX)
	{
		chunk_free(&encoding);
		return FALSE;
	}
	*all = chunk_cat("mm", *all, encoding);
	return TRUE;
}

/*
 * See header
 */
chunk_t groupvpn_certificates_encode(auth_cfg_t *auth)
{
	chunk_t all = chunk_empty;
	enumerator_t *enumerator;
	auth_rule_t rule;
	void *value;

	if (!append(&all, groupvpn_certificate(auth)))
	{
		return all;
	}
	enumerator = auth->create_enumerator(auth);
	while (enumerator->enumerate(enumerator, &rule, &value))
	{
		if (rule == AUTH_RULE_IM_CERT)
		{
			append(&all, value);
		}
	}
	enumerator->destroy(enumerator);
	return all;
}

/*
 * See header
 */
auth_cfg_t *groupvpn_certificates_decode(chunk_t data)
{
	auth_rule_t rule = AUTH_RULE_SUBJECT_CERT;
	auth_cfg_t *auth = auth_cfg_create();
	certificate_t *cert;
	chunk_t one;

	while (data.len)
	{
		one = data;
		if (asn1_unwrap(&data, &(chunk_t){}) != ASN1_SEQUENCE)
		{
			break;
		}
		one.len -= data.len;
		cert = lib->creds->create(lib->creds, CRED_CERTIFICATE, CERT_X509,
								  BUILD_BLOB_ASN1_DER, one, BUILD_END);
		if (!cert)
		{
			break;
		}
		auth->add(auth, rule, cert);
		rule = AUTH_RULE_IM_CERT;
	}
	if (!groupvpn_certificate(auth))
	{
		auth->destroy(auth);
		return NULL;
	}
	return auth;
}
