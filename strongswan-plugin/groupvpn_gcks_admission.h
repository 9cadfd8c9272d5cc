/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Admission at a GCKS: who may register for a group, by which identifiers, and
 * what the answer is.
 *
 * @defgroup groupvpn_gcks_admission groupvpn_gcks_admission
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_GCKS_ADMISSION_H_
#define GROUPVPN_GCKS_ADMISSION_H_

#include "groupvpn_gcks_core.h"

#include <sa/ike_sa.h>

typedef struct groupvpn_gcks_admission_t groupvpn_gcks_admission_t;

/**
 * The admission. Its methods take the lock, and have the IKE_SA checked out.
 */
struct groupvpn_gcks_admission_t {

	/**
	 * Note a request to register, or to leave. If policy has to be asked first,
	 * charon is made to ignore the message; it comes in once more.
	 *
	 * @param idg		body of the IDg payload, empty if there is none
	 */
	void (*request)(groupvpn_gcks_admission_t *this, ike_sa_t *ike_sa,
					message_t *message, chunk_t idg);

	/**
	 * Do what the noted request of an IKE_SA asks for, if there is any, and
	 * add the answer to the response.
	 */
	void (*response)(groupvpn_gcks_admission_t *this, ike_sa_t *ike_sa,
					 message_t *message);

	/**
	 * Forget the noted request of an IKE_SA, which will not be answered.
	 */
	void (*forget)(groupvpn_gcks_admission_t *this, ike_sa_t *ike_sa);

	/**
	 * Destroy a groupvpn_gcks_admission_t.
	 */
	void (*destroy)(groupvpn_gcks_admission_t *this);
};

/**
 * Create the admission.
 */
groupvpn_gcks_admission_t *groupvpn_gcks_admission_create(
												groupvpn_gcks_core_t *gcks);

#endif /** GROUPVPN_GCKS_ADMISSION_H_ @}*/
