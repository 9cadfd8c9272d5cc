/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A registration is answered in a hook of charon's bus, and whoever waits there
 * has all others wait: one fsync for each would be all that the GCKS does. The
 * thread that sends packets may wait. When it has, the packets that were queued
 * meanwhile go with the next fsync, however many these are. Only packets of
 * IKE_SAs whose registration is not durable yet wait.
 *
 * If the disk fails nothing leaves these IKE_SAs anymore, however often charon
 * repeats it, and they end by that. Nobody else is held back.
 */

#include "groupvpn_gate.h"

#include <collections/hashtable.h>
#include <daemon.h>
#include <threading/mutex.h>

/* octets of a non-ESP marker */
#define MARKER_LEN 4

/**
 * An IKE_SA that waits, by its SPIs as they are in each packet
 */
typedef struct {
	uint64_t spis[2];
	uint64_t ticket;
} hold_t;

/**
 * What charon's socket would do, NULL before the start
 */
static status_t (*send_on)(socket_manager_t *socket, packet_t *packet);

/**
 * The store, NULL if there is none
 */
static groupvpn_store_t *gate_store;

/**
 * IKE_SAs that wait, hold_t => hold_t, and its lock
 */
static hashtable_t *holds;
static mutex_t *mutex;

/**
 * Hash the SPIs
 */
static u_int hold_hash(const hold_t *hold)
{
	return chunk_hash(chunk_from_thing(hold->spis));
}

/**
 * Compare the SPIs
 */
static bool hold_equals(const hold_t *a, const hold_t *b)
{
	return memeq(a->spis, b->spis, sizeof(a->spis));
}

/**
 * Free what waits
 */
static void free_hold(hold_t *hold, const void *key)
{
	free(hold);
}

/**
 * Ticket that a packet waits for, 0 if for none; its header may come after a
 * non-ESP marker, RFC 3948 2.2
 */
static uint64_t get_ticket(packet_t *packet)
{
	chunk_t data = packet->get_data(packet);
	hold_t key = {}, *hold = NULL;
	uint64_t ticket = 0;
	size_t i;

	mutex->lock(mutex);
	for (i = 0; i <= MARKER_LEN && !hold; i += MARKER_LEN)
	{
		if (data.len >= i + sizeof(key.spis))
		{
			memcpy(key.spis, data.ptr + i, sizeof(key.spis));
			hold = holds->get(holds, &key);
		}
	}
	if (hold)
	{
		ticket = hold->ticket;
	}
	mutex->unlock(mutex);
	return ticket;
}

/**
 * Let go of those that wait for nothing anymore, whether they have sent what
 * they waited with or not
 */
static void let_go(groupvpn_store_t *store)
{
	enumerator_t *enumerator;
	hold_t *hold;

	mutex->lock(mutex);
	enumerator = holds->create_enumerator(holds);
	while (enumerator->enumerate(enumerator, NULL, &hold))
	{
		if (store->check(store, hold->ticket) == SUCCESS)
		{
			holds->remove_at(holds, enumerator);
			free(hold);
		}
	}
	enumerator->destroy(enumerator);
	mutex->unlock(mutex);
}

METHOD(socket_manager_t, send_packet, status_t,
	socket_manager_t *socket, packet_t *packet)
{
	groupvpn_store_t *store = gate_store;
	uint64_t ticket = store ? get_ticket(packet) : 0;

	if (ticket)
	{
		if (!store->sync(store, ticket))
		{
			return FAILED;
		}
		let_go(store);
	}
	return send_on(socket, packet);
}

/*
 * See header
 */
void groupvpn_gate_start()
{
	mutex = mutex_create(MUTEX_TYPE_DEFAULT);
	holds = hashtable_create((hashtable_hash_t)hold_hash,
							 (hashtable_equals_t)hold_equals, 32);
	send_on = charon->socket->send;
	charon->socket->send = _send_packet;
}

/*
 * See header
 */
void groupvpn_gate_set_store(groupvpn_store_t *store)
{
	gate_store = store;
}

/*
 * See header
 */
void groupvpn_gate_hold(ike_sa_id_t *id, uint64_t ticket)
{
	hold_t *hold, *before;

	if (!ticket)
	{
		return;
	}
	INIT(hold,
		.spis = { id->get_initiator_spi(id), id->get_responder_spi(id) },
		.ticket = ticket,
	);
	mutex->lock(mutex);
	before = holds->put(holds, hold, hold);
	if (before)
	{	/* with another group */
		hold->ticket = max(hold->ticket, before->ticket);
		free(before);
	}
	mutex->unlock(mutex);
}

/*
 * See header
 */
void groupvpn_gate_stop()
{
	if (send_on)
	{
		charon->socket->send = send_on;
		send_on = NULL;
		holds->destroy_function(holds, (void*)free_hold);
		mutex->destroy(mutex);
	}
}
