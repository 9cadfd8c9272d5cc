/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Verifies the certificate of a peer again, some time after it authenticated:
 * has it expired since, or been revoked?
 *
 * @defgroup groupvpn_verifier groupvpn_verifier
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_VERIFIER_H_
#define GROUPVPN_VERIFIER_H_

#include "groupvpn_util.h"

#include <bus/listeners/listener.h>
#include <credentials/auth_cfg.h>

typedef struct groupvpn_verifier_t groupvpn_verifier_t;
typedef enum groupvpn_fault_t groupvpn_fault_t;

/**
 * What is wrong with a certificate.
 */
enum groupvpn_fault_t {
	/** nothing, or nothing that is certain */
	GROUPVPN_FAULT_NONE,
	/** it has expired, or a CA's on the way to the root */
	GROUPVPN_FAULT_EXPIRED,
	/** it was revoked, or a CA's on the way to the root */
	GROUPVPN_FAULT_REVOKED,
};

/**
 * The reason that a fault gives, for the operator.
 */
extern enum_name_t *groupvpn_fault_names;

/**
 * The verifier. Thread-safe.
 */
struct groupvpn_verifier_t {

	/**
	 * Verify the certificate of an authentication, by the CAs and revocation
	 * lists that charon has now.
	 *
	 * May wait for the network, as long as charon does for each list or
	 * responder: to be called by a job that holds no lock and no IKE_SA. Only
	 * what is certain is a fault: not a CA that is missing, for credentials
	 * may just be reloaded, nor a revocation list that can not be had.
	 *
	 * @param auth		authentication, with AUTH_RULE_SUBJECT_CERT
	 */
	groupvpn_fault_t (*verify)(groupvpn_verifier_t *this, auth_cfg_t *auth);

	/**
	 * Hear of an alert, as a listener_t does.
	 */
	void (*alert)(groupvpn_verifier_t *this, alert_t alert, va_list args);

	/**
	 * Destroy a groupvpn_verifier_t.
	 */
	void (*destroy)(groupvpn_verifier_t *this);
};

/**
 * Create a verifier.
 */
groupvpn_verifier_t *groupvpn_verifier_create();

/**
 * When the first of the certificates of an authentication expires that the peer
 * has sent.
 *
 * @param auth			authentication, with AUTH_RULE_SUBJECT_CERT
 * @return				wall clock time
 */
time_t groupvpn_verifier_expiry(auth_cfg_t *auth);

/**
 * Whether the certificate of an authentication has expired.
 *
 * @param auth			authentication, with AUTH_RULE_SUBJECT_CERT
 */
bool groupvpn_verifier_is_expired(auth_cfg_t *auth);

#endif /** GROUPVPN_VERIFIER_H_ @}*/
