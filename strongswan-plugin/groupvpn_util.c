/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small things that several classes need.  A timer lets at most one scheduled
 * job per distinct deadline exist; a job that finds the timer armed for
 * another time does nothing.
 */

#include "groupvpn_util.h"

#include <processing/jobs/callback_job.h>
#include <threading/mutex.h>

uint64_t groupvpn_now()
{
	timeval_t tv;

	time_monotonic(&tv);
	return (uint64_t)tv.tv_sec * 1000 + tv.tv_usec / 1000 + 1;
}

struct gv_addr groupvpn_addr(host_t *host)
{
	struct gv_addr addr = {};
	chunk_t bytes = host->get_address(host);

	addr.len = bytes.len;
	memcpy(addr.bytes, bytes.ptr, bytes.len);
	return addr;
}

host_t *groupvpn_host(const struct gv_addr *addr)
{
	chunk_t bytes = chunk_create((u_char*)addr->bytes, addr->len);

	switch (addr->len)
	{
		case 4:
			return host_create_from_chunk(AF_INET, bytes, 0);
		case 16:
			return host_create_from_chunk(AF_INET6, bytes, 0);
		default:
			return NULL;
	}
}

u_int groupvpn_host_hash(host_t *host)
{
	return chunk_hash(host->get_address(host));
}

bool groupvpn_host_equals(host_t *a, host_t *b)
{
	return a->ip_equals(a, b);
}

int groupvpn_encap_family(enum gv_encap encap)
{
	return encap == GV_ENCAP_IPIP6 ? AF_INET6 : AF_INET;
}

char *groupvpn_family_name(int family)
{
	return family == AF_INET6 ? "IPv6" : "IPv4";
}

typedef struct private_groupvpn_timer_t private_groupvpn_timer_t;

/**
 * Private data of a timer
 */
struct private_groupvpn_timer_t {

	/**
	 * Public interface
	 */
	groupvpn_timer_t public;

	/**
	 * Function to call, and its argument
	 */
	groupvpn_timer_cb_t cb;
	void *data;

	/**
	 * When to fire next
	 */
	uint64_t deadline;

	/**
	 * Locks the deadline
	 */
	mutex_t *mutex;
};

/**
 * One scheduled firing
 */
typedef struct {
	private_groupvpn_timer_t *timer;
	uint64_t deadline;
} firing_t;

/**
 * Scheduled job
 */
CALLBACK(fire, job_requeue_t,
	firing_t *firing)
{
	private_groupvpn_timer_t *this = firing->timer;
	bool due;

	this->mutex->lock(this->mutex);
	due = this->deadline == firing->deadline;
	if (due)
	{
		this->deadline = GROUPVPN_NEVER;
	}
	this->mutex->unlock(this->mutex);
	if (due)
	{
		this->cb(this->data);
	}
	return JOB_REQUEUE_NONE;
}

METHOD(groupvpn_timer_t, arm, void,
	private_groupvpn_timer_t *this, uint64_t deadline)
{
	firing_t *firing;
	uint64_t now = groupvpn_now();

	this->mutex->lock(this->mutex);
	if (deadline >= this->deadline)
	{
		this->mutex->unlock(this->mutex);
		return;
	}
	this->deadline = deadline;
	this->mutex->unlock(this->mutex);

	INIT(firing,
		.timer = this,
		.deadline = deadline,
	);
	lib->scheduler->schedule_job_ms(lib->scheduler,
					(job_t*)callback_job_create(fire, firing, free, NULL),
					deadline > now ? deadline - now : 0);
}

METHOD(groupvpn_timer_t, timer_destroy, void,
	private_groupvpn_timer_t *this)
{
	this->mutex->destroy(this->mutex);
	free(this);
}

/*
 * See header
 */
groupvpn_timer_t *groupvpn_timer_create(groupvpn_timer_cb_t cb, void *data)
{
	private_groupvpn_timer_t *this;

	INIT(this,
		.public = {
			.arm = _arm,
			.destroy = _timer_destroy,
		},
		.cb = cb,
		.data = data,
		.deadline = GROUPVPN_NEVER,
		.mutex = mutex_create(MUTEX_TYPE_DEFAULT),
	);
	return &this->public;
}
