/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Checks the certificates of members again: who has authenticated with one that
 * has expired since, or was revoked, is no member anymore.
 *
 * @defgroup groupvpn_gcks_recheck groupvpn_gcks_recheck
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_GCKS_RECHECK_H_
#define GROUPVPN_GCKS_RECHECK_H_

#include "groupvpn_gcks_core.h"

#include <bus/listeners/listener.h>
#include <sa/ike_sa.h>

/**
 * The check.
 */
struct groupvpn_gcks_recheck_t {

	/**
	 * Note how one who registers was authenticated. Wants the lock.
	 *
	 * @param ike_sa	IKE_SA it registers by, checked out
	 * @return			TRUE if it was by another certificate than was noted
	 */
	bool (*note)(groupvpn_gcks_recheck_t *this,
				 groupvpn_registration_t *registration, ike_sa_t *ike_sa);

	/**
	 * Whether the peer of an IKE_SA may not register by it, because its
	 * certificate was found revoked, or has expired. Wants the lock.
	 *
	 * @param ike_sa	IKE_SA, checked out
	 * @param why		receives the reason if so
	 */
	bool (*is_void)(groupvpn_gcks_recheck_t *this, ike_sa_t *ike_sa,
					char why[GV_TEXT_MAX + 1]);

	/**
	 * Check all, in a few seconds: whoever reloads the configuration loads
	 * credentials next.
	 */
	void (*start)(groupvpn_gcks_recheck_t *this);

	/**
	 * Hear of an alert, as a listener_t does.
	 */
	void (*alert)(groupvpn_gcks_recheck_t *this, alert_t alert, va_list args);

	/**
	 * Destroy a groupvpn_gcks_recheck_t.
	 */
	void (*destroy)(groupvpn_gcks_recheck_t *this);
};

/**
 * Create the check.
 *
 * @param interval		how often to check all, in milliseconds; 0 for only
 *						when that is asked for
 */
groupvpn_gcks_recheck_t *groupvpn_gcks_recheck_create(
								groupvpn_gcks_core_t *gcks, uint64_t interval);

#endif /** GROUPVPN_GCKS_RECHECK_H_ @}*/
