/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * How often somebody may do what makes work for all: so many times at once, and
 * then once in each interval.
 *
 * @defgroup groupvpn_share groupvpn_share
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_SHARE_H_
#define GROUPVPN_SHARE_H_

#include <library.h>

typedef struct groupvpn_share_t groupvpn_share_t;

/**
 * What somebody has used of a share. All zero: nothing.
 */
struct groupvpn_share_t {

	/** up to when it is used up, groupvpn_now() based */
	uint64_t spent;

	/** the operator was told that there is nothing left of it */
	bool told;
};

/**
 * When there is something left of a share.
 *
 * @param times			how many times at once
 * @param interval		after which there is one more, in milliseconds
 * @return				groupvpn_now() based, 0 if always
 */
static inline uint64_t groupvpn_share_due(const groupvpn_share_t *share,
										  u_int times, uint64_t interval)
{
	return share->spent - min(share->spent, (times - 1) * interval);
}

/**
 * Use one of a share. What is used while nothing is left makes that last for an
 * interval from now on, not longer.
 *
 * @param now			groupvpn_now()
 */
static inline void groupvpn_share_use(groupvpn_share_t *share, uint64_t now,
									  u_int times, uint64_t interval)
{
	share->spent = min(max(share->spent, now), now + (times - 1) * interval) +
				   interval;
}

#endif /** GROUPVPN_SHARE_H_ @}*/
