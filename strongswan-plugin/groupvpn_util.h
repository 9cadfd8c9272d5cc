/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Conversions between libgroupvpn's types and strongSwan's, and the one timer
 * that each role has.
 *
 * @defgroup groupvpn_util groupvpn_util
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_UTIL_H_
#define GROUPVPN_UTIL_H_

#include <library.h>
#include <networking/host.h>

#include <gikev2.h>

typedef struct groupvpn_timer_t groupvpn_timer_t;

/**
 * The object that an interface is embedded in.
 */
#define container_of(ptr, type, member) \
	((type*)((char*)(ptr) - offsetof(type, member)))

/**
 * Monotonic time in milliseconds; never 0.
 */
uint64_t groupvpn_now();

/**
 * Deadline that never comes.
 */
#define GROUPVPN_NEVER UINT64_MAX

/**
 * The address of a host, without its port.
 */
struct gv_addr groupvpn_addr(host_t *host);

/**
 * The host of an address, without a port.
 *
 * @return			allocated host, NULL if the address is "none"
 */
host_t *groupvpn_host(const struct gv_addr *addr);

/**
 * Hash and compare hosts as keys of a table, whatever their ports.
 */
u_int groupvpn_host_hash(host_t *host);
bool groupvpn_host_equals(host_t *a, host_t *b);

/**
 * The family of the gateways of a group with an encapsulation.
 */
int groupvpn_encap_family(enum gv_encap encap);

/**
 * The name of a family, for the operator.
 */
char *groupvpn_family_name(int family);

/**
 * Callback of a timer, called by a thread of the pool that holds no lock.
 */
typedef void (*groupvpn_timer_cb_t)(void *data);

/**
 * A timer that fires at the earliest of the deadlines it was armed with.
 */
struct groupvpn_timer_t {

	/**
	 * Fire at a deadline, or earlier if armed so before.
	 *
	 * @param deadline	groupvpn_now() based; GROUPVPN_NEVER does nothing
	 */
	void (*arm)(groupvpn_timer_t *this, uint64_t deadline);

	/**
	 * Destroy a timer, to be called when the scheduler does not run anymore.
	 */
	void (*destroy)(groupvpn_timer_t *this);
};

/**
 * Create a timer.
 */
groupvpn_timer_t *groupvpn_timer_create(groupvpn_timer_cb_t cb, void *data);

#endif /** GROUPVPN_UTIL_H_ @}*/
