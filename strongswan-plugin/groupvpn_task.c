/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One exchange in each direction that something has to go. The task claims to
 * be a dead peer detection, which makes the task manager send it as
 * INFORMATIONAL; what it is on the wire is up to whoever fills the request, see
 * groupvpn_carrier.h. Retransmission, fragmentation and the move to a rekeyed
 * IKE_SA are charon's.
 */

#include "groupvpn_task.h"
#include "groupvpn_carrier.h"
#include "groupvpn_payload.h"

#include <daemon.h>

typedef struct private_groupvpn_task_t private_groupvpn_task_t;

/**
 * Private data
 */
struct private_groupvpn_task_t {

	/**
	 * Public interface
	 */
	task_t public;

	/**
	 * IKE_SA that carries the exchange
	 */
	ike_sa_t *ike_sa;

	/**
	 * Content of the exchange
	 */
	groupvpn_exchange_t *exchange;

	/**
	 * Group the exchange is about
	 */
	uint32_t group_id;

	/**
	 * The request has content
	 */
	bool filled;

	/**
	 * The response has come
	 */
	bool answered;
};

METHOD(task_t, build, status_t,
	private_groupvpn_task_t *this, message_t *message)
{
	groupvpn_prepare(message);
	this->filled = this->exchange->request(this->exchange, this->ike_sa,
										   this->group_id, message);
	if (this->filled && this->exchange->type &&
		groupvpn_carrier_uses(this->ike_sa))
	{
		groupvpn_wire_set_type(message, this->exchange->type);
	}
	return NEED_MORE;
}

METHOD(task_t, process, status_t,
	private_groupvpn_task_t *this, message_t *message)
{
	this->answered = TRUE;
	if (this->filled)
	{
		this->exchange->response(this->exchange, this->ike_sa, this->group_id,
								 message);
	}
	return SUCCESS;
}

METHOD(task_t, get_type, task_type_t,
	private_groupvpn_task_t *this)
{
	return TASK_IKE_DPD;
}

METHOD(task_t, migrate, void,
	private_groupvpn_task_t *this, ike_sa_t *ike_sa)
{
	this->ike_sa = ike_sa;
}

METHOD(task_t, destroy, void,
	private_groupvpn_task_t *this)
{
	if (this->filled && !this->answered && this->exchange->lost)
	{
		this->exchange->lost(this->exchange, this->group_id);
	}
	free(this);
}

/*
 * See header
 */
task_t *groupvpn_task_create(ike_sa_t *ike_sa, groupvpn_exchange_t *exchange,
							 uint32_t group_id)
{
	private_groupvpn_task_t *this;

	INIT(this,
		.public = {
			.build = _build,
			.process = _process,
			.get_type = _get_type,
			.migrate = _migrate,
			.destroy = _destroy,
		},
		.ike_sa = ike_sa,
		.exchange = exchange,
		.group_id = group_id,
	);
	return &this->public;
}

/*
 * See header
 */
void groupvpn_task_start(ike_sa_t *ike_sa, groupvpn_exchange_t *exchange,
						 uint32_t group_id)
{
	ike_sa->queue_task(ike_sa, groupvpn_task_create(ike_sa, exchange,
													group_id));
	if (ike_sa->initiate(ike_sa, NULL, NULL) == DESTROY_ME)
	{
		charon->ike_sa_manager->checkin_and_destroy(charon->ike_sa_manager,
													ike_sa);
	}
	else
	{
		charon->ike_sa_manager->checkin(charon->ike_sa_manager, ike_sa);
	}
}

/*
 * See header
 */
uint8_t groupvpn_carrier_type(ike_sa_t *ike_sa, message_t *message, bool plain)
{
	uint8_t type = groupvpn_wire_get_type(message);

	if (!plain || ike_sa->get_version(ike_sa) != IKEV2)
	{
		return 0;
	}
	if (type == GV_EXCHANGE_GSA_AUTH)
	{
		return type;
	}
	if (message->get_exchange_type(message) != INFORMATIONAL)
	{
		return 0;
	}
	switch (ike_sa->get_state(ike_sa))
	{
		case IKE_ESTABLISHED:
		case IKE_REKEYING:
			return type;
		default:
			return 0;
	}
}
