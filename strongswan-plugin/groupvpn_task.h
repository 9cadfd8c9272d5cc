/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The exchanges that we initiate.
 *
 * @defgroup groupvpn_task groupvpn_task
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_TASK_H_
#define GROUPVPN_TASK_H_

#include <sa/ike_sa.h>
#include <sa/task.h>

typedef struct groupvpn_exchange_t groupvpn_exchange_t;

/**
 * What an exchange is about: implemented by the member (a registration) and
 * by the GCKS (an in-band rekey).
 */
struct groupvpn_exchange_t {

	/**
	 * Exchange type on the wire if the IKE_SA is one that uses those of RFC
	 * 9838; 0 if request() sets it
	 */
	uint8_t type;

	/**
	 * Fill in the request.
	 *
	 * @param ike_sa	the IKE_SA that carries it now
	 * @param group_id	group the exchange was created for
	 * @return			FALSE to send an empty request instead
	 */
	bool (*request)(groupvpn_exchange_t *this, ike_sa_t *ike_sa,
					uint32_t group_id, message_t *message);

	/**
	 * Take the response.
	 *
	 * @param ike_sa	the IKE_SA that carried it
	 */
	void (*response)(groupvpn_exchange_t *this, ike_sa_t *ike_sa,
					 uint32_t group_id, message_t *message);

	/**
	 * There will be no response to a request, because the IKE_SA ends; NULL
	 * if that does not matter. Called with the IKE_SA checked out.
	 */
	void (*lost)(groupvpn_exchange_t *this, uint32_t group_id);
};

/**
 * Create the task of an exchange.
 *
 * @param ike_sa		IKE_SA the task gets queued at
 * @param exchange		what it is about, must outlive all IKE_SAs
 * @param group_id		group that it concerns
 */
task_t *groupvpn_task_create(ike_sa_t *ike_sa, groupvpn_exchange_t *exchange,
							 uint32_t group_id);

/**
 * Start an exchange on an IKE_SA, and check that in.
 *
 * @param ike_sa		IKE_SA that the caller has checked out, gone afterwards
 * @param exchange		what it is about, must outlive all IKE_SAs
 * @param group_id		group that it concerns
 */
void groupvpn_task_start(ike_sa_t *ike_sa, groupvpn_exchange_t *exchange,
						 uint32_t group_id);

/**
 * Get the exchange type, on the wire, of a message passed to a listener.
 *
 * @return			0 if it is not of the kind that may have our payloads:
 *					decrypted, and an INFORMATIONAL, GSA_REGISTRATION or
 *					GSA_INBAND_REKEY of an IKE_SA that is up, or a GSA_AUTH
 */
uint8_t groupvpn_carrier_type(ike_sa_t *ike_sa, message_t *message, bool plain);

#endif /** GROUPVPN_TASK_H_ @}*/
