/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A registration is answered in a hook of charon's bus, and whoever waits there
 * has all others wait: one fsync for each would be all that the GCKS does. The
 * thread that sends packets may wait. When it has, the packets that were queued
 * meanwhile go with the next fsync, however many these are.
 *
 * If the disk fails the packets that wait for it are dropped. Nothing is stored
 * from then on, so there is nothing to hold back either, and charon goes on with
 * what it has to do besides.
 */

#include "groupvpn_gate.h"

#include <daemon.h>

/**
 * What charon's socket would do, NULL before the start
 */
static status_t (*send_on)(socket_manager_t *socket, packet_t *packet);

/**
 * The store, NULL if there is none
 */
static groupvpn_store_t *gate_store;

METHOD(socket_manager_t, send_packet, status_t,
	socket_manager_t *socket, packet_t *packet)
{
	if (gate_store && !gate_store->sync(gate_store))
	{
		return FAILED;
	}
	return send_on(socket, packet);
}

/*
 * See header
 */
void groupvpn_gate_start()
{
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
void groupvpn_gate_stop()
{
	if (send_on)
	{
		charon->socket->send = send_on;
		send_on = NULL;
	}
}
