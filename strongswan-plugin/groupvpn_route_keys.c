/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two secrets are enough, because a GCKS does not begin another change before
 * all members have come to the end of the last one.
 */

#include "groupvpn_route_keys.h"

#include <crypto.h>

typedef struct private_groupvpn_route_keys_t private_groupvpn_route_keys_t;

/**
 * Private data
 */
struct private_groupvpn_route_keys_t {

	/**
	 * Public interface
	 */
	groupvpn_route_keys_t public;

	/**
	 * Secret that is used, and the one that comes next or went before
	 */
	groupvpn_route_key_t current;
	groupvpn_route_key_t other;

	/**
	 * When the other one takes over, and when there is only one again
	 */
	uint64_t activates;
	uint64_t retires;
};

/**
 * Forget a secret
 */
static void wipe(groupvpn_route_key_t *key)
{
	key->epoch = 0;
	gv_wipe(key->secret, GV_SECRET_LEN);
}

/**
 * Whether a secret is there already
 */
static bool is_key(groupvpn_route_key_t *key, uint32_t epoch,
				   const uint8_t secret[GV_SECRET_LEN])
{
	return key->epoch == epoch &&
		   gv_equal(key->secret, secret, GV_SECRET_LEN);
}

/**
 * Have the other one take over
 */
static void swap(private_groupvpn_route_keys_t *this)
{
	groupvpn_route_key_t key = this->current;

	this->current = this->other;
	this->other = key;
	this->activates = GROUPVPN_NEVER;
	if (!key.epoch)
	{
		this->retires = GROUPVPN_NEVER;
	}
}

METHOD(groupvpn_route_keys_t, run, bool,
	private_groupvpn_route_keys_t *this, uint64_t now)
{
	bool changed = FALSE;

	if (this->activates <= now)
	{
		swap(this);
		changed = TRUE;
	}
	if (this->retires <= now)
	{
		wipe(&this->other);
		this->retires = GROUPVPN_NEVER;
		changed = TRUE;
	}
	return changed;
}

METHOD(groupvpn_route_keys_t, add, bool,
	private_groupvpn_route_keys_t *this, uint32_t epoch,
	const uint8_t secret[GV_SECRET_LEN], uint64_t activates, uint64_t retires)
{
	bool back = is_key(&this->other, epoch, secret);

	if (is_key(&this->current, epoch, secret) ||
		(back && this->activates != GROUPVPN_NEVER))
	{
		return FALSE;
	}
	if (back)
	{	/* that of before a GCKS had lost its store, which it has again */
		this->activates = activates;
		this->retires = max(retires, activates);
		run(this, groupvpn_now());
		return TRUE;
	}
	if (this->current.epoch == epoch)
	{	/* of a GCKS that has lost its own */
		wipe(&this->current);
	}
	this->other.epoch = epoch;
	memcpy(this->other.secret, secret, GV_SECRET_LEN);
	this->activates = this->current.epoch ? activates : 0;
	this->retires = max(retires, activates);
	run(this, groupvpn_now());
	return TRUE;
}

METHOD(groupvpn_route_keys_t, cancel, void,
	private_groupvpn_route_keys_t *this)
{
	if (this->activates != GROUPVPN_NEVER)
	{
		wipe(&this->other);
		this->activates = this->retires = GROUPVPN_NEVER;
	}
}

METHOD(groupvpn_route_keys_t, get_deadline, uint64_t,
	private_groupvpn_route_keys_t *this)
{
	return min(this->activates, this->retires);
}

METHOD(groupvpn_route_keys_t, current, const groupvpn_route_key_t*,
	private_groupvpn_route_keys_t *this)
{
	return &this->current;
}

METHOD(groupvpn_route_keys_t, other, const groupvpn_route_key_t*,
	private_groupvpn_route_keys_t *this)
{
	return &this->other;
}

METHOD(groupvpn_route_keys_t, newest, const groupvpn_route_key_t*,
	private_groupvpn_route_keys_t *this)
{
	return this->activates == GROUPVPN_NEVER ? &this->current : &this->other;
}

METHOD(groupvpn_route_keys_t, clear, void,
	private_groupvpn_route_keys_t *this)
{
	wipe(&this->current);
	wipe(&this->other);
	this->activates = this->retires = GROUPVPN_NEVER;
}

METHOD(groupvpn_route_keys_t, destroy, void,
	private_groupvpn_route_keys_t *this)
{
	gv_secret_free(this->current.secret);
	gv_secret_free(this->other.secret);
	free(this);
}

/**
 * See header
 */
groupvpn_route_keys_t *groupvpn_route_keys_create()
{
	private_groupvpn_route_keys_t *this;

	INIT(this,
		.public = {
			.add = _add,
			.run = _run,
			.cancel = _cancel,
			.get_deadline = _get_deadline,
			.current = _current,
			.other = _other,
			.newest = _newest,
			.clear = _clear,
			.destroy = _destroy,
		},
		.current.secret = gv_secret_new(),
		.other.secret = gv_secret_new(),
		.activates = GROUPVPN_NEVER,
		.retires = GROUPVPN_NEVER,
	);
	return &this->public;
}
