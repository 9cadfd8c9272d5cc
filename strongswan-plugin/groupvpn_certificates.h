/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The certificates that a member was authenticated by, in the form in which the
 * store keeps them.
 *
 * @defgroup groupvpn_certificates groupvpn_certificates
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_CERTIFICATES_H_
#define GROUPVPN_CERTIFICATES_H_

#include <library.h>
#include <credentials/auth_cfg.h>
#include <credentials/certificates/certificate.h>

/** octets of all certificates of a member in the store, at most */
#define GROUPVPN_CERTIFICATES_MAX 65535

/**
 * The certificate of an authentication, NULL if there is none, or no
 * authentication.
 *
 * @return				owned by auth
 */
certificate_t *groupvpn_certificate(auth_cfg_t *auth);

/**
 * Encode the X.509 certificates that came with an authentication: in DER, one
 * after the other, that of the peer first; intermediate ones as long as there
 * is room.
 *
 * @param auth			authentication, NULL if there is none
 * @return				to be freed; empty if there are none
 */
chunk_t groupvpn_certificates_encode(auth_cfg_t *auth);

/**
 * Decode them, as rules of an authentication.
 *
 * @return				to be destroyed; NULL if there are none, or charon can
 *						not read that of the peer anymore
 */
auth_cfg_t *groupvpn_certificates_decode(chunk_t data);

#endif /** GROUPVPN_CERTIFICATES_H_ @}*/
