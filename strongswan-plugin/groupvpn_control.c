/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Server side of common/control.h.
 *
 * Sending never blocks: what a client does not take at once is queued; a
 * client that lets its queue grow too long is disconnected, and hears all of
 * it anew when it comes back. A client hears of everything once it has said
 * HELLO, which those of management do not. Changes may reach it between HELLO
 * and SYNC, which does no harm: messages are statements about the present.
 *
 * A client has its socket twice, for charon's watcher can not tell reading
 * from writing of the same descriptor.
 */

#define _GNU_SOURCE
#include "groupvpn_control.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <collections/linked_list.h>
#include <threading/mutex.h>

#include <crypto.h>

/* clients at the same time */
#define CLIENTS_MAX 16

/* octets queued for one client */
#define QUEUE_MAX (16 * 1024 * 1024)

typedef struct private_groupvpn_control_t private_groupvpn_control_t;

/**
 * Private data
 */
struct private_groupvpn_control_t {

	/**
	 * Public interface
	 */
	groupvpn_control_t public;

	/**
	 * Path of the socket, and who may use it
	 */
	char *path;
	char *group;
	gid_t gid;
	bool has_gid;

	/**
	 * Listening socket, -1 if there is none
	 */
	int fd;

	/**
	 * Our generation number
	 */
	uint32_t generation;

	/**
	 * Roles, as groupvpn_control_handler_t; not changed after start()
	 */
	linked_list_t *handlers;

	/**
	 * Connected clients, as client_t
	 */
	linked_list_t *clients;

	/**
	 * ID of the last client
	 */
	u_int last_id;

	/**
	 * Locks clients and their queues
	 */
	mutex_t *mutex;
};

/**
 * A connected client
 */
typedef struct {
	private_groupvpn_control_t *control;
	u_int id;
	/* user that runs it */
	uid_t uid;
	/* to receive, and the same socket to send */
	int in, out;
	/* out is being watched */
	bool writing;
	/* it has said HELLO, and hears what is said to all */
	bool greeted;
	/* messages not sent yet, as chunk_t*, and their total length */
	linked_list_t *queue;
	size_t queued;
	/* messages of a type we do not know */
	u_int unknown;
} client_t;

/**
 * Wipe and free a queued message
 */
static void packet_destroy(chunk_t *packet)
{
	chunk_clear(packet);
	free(packet);
}

/**
 * Destroy a client that is not in the list, and whose "in" is not watched
 */
static void client_destroy(client_t *client)
{
	lib->watcher->remove(lib->watcher, client->out);
	close(client->out);
	close(client->in);
	client->queue->destroy_function(client->queue, (void*)packet_destroy);
	free(client);
}

/**
 * Have a client's connection end; its reader then cleans up
 */
static void client_shutdown(client_t *client, char *why)
{
	DBG1(DBG_NET, "groupvpn: disconnecting control client %u: %s", client->id,
		 why);
	shutdown(client->in, SHUT_RDWR);
}

/**
 * Send one packet; FALSE if the socket does not take it now
 */
static bool client_write(client_t *client, chunk_t packet)
{
	ssize_t len;

	do
	{
		len = send(client->out, packet.ptr, packet.len,
				   MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	while (len == -1 && errno == EINTR);

	/* on other errors the connection is gone, which the reader notices */
	return len != -1 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

CALLBACK(on_writable, bool,
	client_t *client, int fd, watcher_event_t event)
{
	private_groupvpn_control_t *this = client->control;
	chunk_t *packet;
	bool again;

	this->mutex->lock(this->mutex);
	while (client->queue->get_first(client->queue,
									(void**)&packet) == SUCCESS &&
		   client_write(client, *packet))
	{
		client->queue->remove_first(client->queue, (void**)&packet);
		client->queued -= packet->len;
		packet_destroy(packet);
	}
	again = client->queue->get_count(client->queue) > 0;
	client->writing = again;
	this->mutex->unlock(this->mutex);
	return again;
}

/**
 * Send a packet to a client, or queue it. The mutex is held.
 */
static void client_send(client_t *client, chunk_t packet)
{
	chunk_t *queued;

	if (!client->queue->get_count(client->queue) &&
		client_write(client, packet))
	{
		return;
	}
	if (client->queued + packet.len > QUEUE_MAX)
	{
		client_shutdown(client, "it does not read what we send");
		return;
	}
	INIT(queued);
	*queued = chunk_clone(packet);
	gv_secret_hide(queued->ptr, queued->len);
	client->queue->insert_last(client->queue, queued);
	client->queued += packet.len;
	if (!client->writing)
	{
		client->writing = TRUE;
		lib->watcher->add(lib->watcher, client->out, WATCHER_WRITE,
						  on_writable, client);
	}
}

/**
 * Send a message to one client, or to all
 */
static void send_msg(private_groupvpn_control_t *this, u_int id,
					 struct gv_ctl_msg *msg)
{
	enumerator_t *enumerator;
	client_t *client;
	uint8_t buf[GV_CTL_MAX];
	size_t len;

	msg->generation = this->generation;
	len = gv_ctl_encode(msg, buf, sizeof(buf));
	if (!len)
	{
		DBG1(DBG_NET, "groupvpn: control message %s of group %u can not be "
			 "encoded", gv_ctl_type_text(msg->type), msg->group_id);
		return;
	}
	this->mutex->lock(this->mutex);
	enumerator = this->clients->create_enumerator(this->clients);
	while (enumerator->enumerate(enumerator, &client))
	{
		if (id ? client->id == id : client->greeted)
		{
			client_send(client, chunk_create(buf, len));
		}
	}
	enumerator->destroy(enumerator);
	this->mutex->unlock(this->mutex);
	gv_wipe(buf, sizeof(buf));
}

METHOD(groupvpn_control_t, broadcast, void,
	private_groupvpn_control_t *this, struct gv_ctl_msg *msg)
{
	send_msg(this, 0, msg);
}

METHOD(groupvpn_control_t, send_, void,
	private_groupvpn_control_t *this, u_int client, struct gv_ctl_msg *msg)
{
	send_msg(this, client, msg);
}

METHOD(groupvpn_control_t, is_root, bool,
	private_groupvpn_control_t *this, u_int id)
{
	enumerator_t *enumerator;
	client_t *client;
	bool root = FALSE;

	this->mutex->lock(this->mutex);
	enumerator = this->clients->create_enumerator(this->clients);
	while (enumerator->enumerate(enumerator, &client))
	{
		root |= client->id == id && client->uid == 0;
	}
	enumerator->destroy(enumerator);
	this->mutex->unlock(this->mutex);
	return root;
}

/**
 * Remove a client and tell the roles
 */
static void client_gone(client_t *client)
{
	private_groupvpn_control_t *this = client->control;
	groupvpn_control_handler_t *handler;
	enumerator_t *enumerator;

	this->mutex->lock(this->mutex);
	this->clients->remove(this->clients, client, NULL);
	this->mutex->unlock(this->mutex);

	if (client->greeted)
	{
		DBG1(DBG_NET, "groupvpn: control client %u disconnected", client->id);
	}
	enumerator = this->handlers->create_enumerator(this->handlers);
	while (enumerator->enumerate(enumerator, &handler))
	{
		handler->gone(handler, client->id);
	}
	enumerator->destroy(enumerator);
	client_destroy(client);
}

/**
 * Say HELLO to a client, which must be the first that it hears
 */
static void greet(private_groupvpn_control_t *this, u_int id)
{
	struct gv_ctl_msg msg = {
		.type = GV_CTL_HELLO,
		.text = "charon " VERSION,
	};

	send_msg(this, id, &msg);
}

/**
 * Say all that the roles have to say, and SYNC
 */
static void replay(private_groupvpn_control_t *this, u_int id)
{
	enumerator_t *enumerator;
	groupvpn_control_handler_t *handler;
	struct gv_ctl_msg msg = {
		.type = GV_CTL_SYNC,
	};

	enumerator = this->handlers->create_enumerator(this->handlers);
	while (enumerator->enumerate(enumerator, &handler))
	{
		handler->replay(handler, id);
	}
	enumerator->destroy(enumerator);
	send_msg(this, id, &msg);
}

/**
 * Process a packet; FALSE to end the connection
 */
static bool client_receive(client_t *client, chunk_t packet)
{
	private_groupvpn_control_t *this = client->control;
	groupvpn_control_handler_t *handler;
	enumerator_t *enumerator;
	struct gv_ctl_msg msg;
	enum gv_ctl_error error;

	error = gv_ctl_decode(packet.ptr, packet.len, &msg);
	switch (error)
	{
		case GV_CTL_OK:
			break;
		case GV_CTL_BAD_VERSION:
			client_shutdown(client, "it speaks another version of the control "
							"protocol, charon's and bgpd's plugin must be of "
							"the same release");
			return FALSE;
		case GV_CTL_UNKNOWN_TYPE:
			if (!client->unknown++)
			{
				DBG1(DBG_NET, "groupvpn: ignoring control messages of unknown "
					 "type %u from client %u", msg.type, client->id);
			}
			return TRUE;
		default:
			DBG1(DBG_NET, "groupvpn: ignoring control message %s of group %u "
				 "from client %u: %s", gv_ctl_type_text(msg.type), msg.group_id,
				 client->id, gv_ctl_error_text(error));
			return TRUE;
	}
	if (msg.type == GV_CTL_HELLO)
	{
		DBG1(DBG_NET, "groupvpn: control client %u is %s", client->id,
			 *msg.text ? msg.text : "of unknown version");
		this->mutex->lock(this->mutex);
		client->greeted = TRUE;
		this->mutex->unlock(this->mutex);
		replay(this, client->id);
	}
	else if (!client->greeted && msg.type != GV_CTL_COMMAND)
	{
		client_shutdown(client, "its first message is not HELLO");
		return FALSE;
	}
	enumerator = this->handlers->create_enumerator(this->handlers);
	while (enumerator->enumerate(enumerator, &handler))
	{
		handler->message(handler, client->id, &msg);
	}
	enumerator->destroy(enumerator);
	return TRUE;
}

CALLBACK(on_readable, bool,
	client_t *client, int fd, watcher_event_t event)
{
	uint8_t buf[GV_CTL_MAX];
	ssize_t len;
	bool keep = FALSE;

	/* with MSG_TRUNC the true length of the packet is returned */
	len = recv(client->in, buf, sizeof(buf), MSG_DONTWAIT | MSG_TRUNC);
	if (len > (ssize_t)sizeof(buf))
	{
		client_shutdown(client, "its message is too long");
	}
	else if (len > 0)
	{
		keep = client_receive(client, chunk_create(buf, len));
	}
	else if (len == -1)
	{
		keep = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
	}
	if (!keep)
	{
		client_gone(client);
	}
	return keep;
}

/**
 * Whether the process at the other end may connect
 */
static bool check_credentials(private_groupvpn_control_t *this, int fd,
							  uid_t *uid)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1)
	{
		DBG1(DBG_NET, "groupvpn: control client refused, credentials unknown: "
			 "%s", strerror(errno));
		return FALSE;
	}
	if (cred.uid != 0 && !(this->has_gid && cred.gid == this->gid))
	{
		DBG1(DBG_NET, "groupvpn: control client with PID %d refused: it runs "
			 "with UID %d, GID %d, and is neither root nor of group '%s'",
			 cred.pid, cred.uid, cred.gid, this->group);
		return FALSE;
	}
	*uid = cred.uid;
	return TRUE;
}

CALLBACK(on_connect, bool,
	private_groupvpn_control_t *this, int listen_fd, watcher_event_t event)
{
	client_t *client;
	int in, out;
	uid_t uid;
	u_int id;

	in = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (in == -1)
	{
		return TRUE;
	}
	out = fcntl(in, F_DUPFD_CLOEXEC, 0);
	if (out == -1 || !check_credentials(this, in, &uid))
	{
		close(in);
		if (out != -1)
		{
			close(out);
		}
		return TRUE;
	}
	this->mutex->lock(this->mutex);
	if (this->clients->get_count(this->clients) >= CLIENTS_MAX)
	{
		this->mutex->unlock(this->mutex);
		DBG1(DBG_NET, "groupvpn: control client refused, there are %d already",
			 CLIENTS_MAX);
		close(in);
		close(out);
		return TRUE;
	}
	id = ++this->last_id;
	INIT(client,
		.control = this,
		.id = id,
		.uid = uid,
		.in = in,
		.out = out,
		.queue = linked_list_create(),
	);
	this->clients->insert_last(this->clients, client);
	greet(this, id);
	this->mutex->unlock(this->mutex);

	lib->watcher->add(lib->watcher, in, WATCHER_READ, on_readable, client);
	return TRUE;
}

METHOD(groupvpn_control_t, add_handler, void,
	private_groupvpn_control_t *this, groupvpn_control_handler_t *handler)
{
	this->handlers->insert_last(this->handlers, handler);
}

/**
 * Look the UNIX group up
 */
static void find_group(private_groupvpn_control_t *this)
{
	struct group entry, *found = NULL;
	char buf[16384];

	if (getgrnam_r(this->group, &entry, buf, sizeof(buf), &found) == 0 && found)
	{
		this->gid = found->gr_gid;
		this->has_gid = TRUE;
	}
	else
	{
		DBG1(DBG_NET, "groupvpn: there is no UNIX group '%s' (socket_group), "
			 "only root can use %s", this->group, this->path);
	}
}

METHOD(groupvpn_control_t, start, bool,
	private_groupvpn_control_t *this)
{
	struct sockaddr_un addr = {
		.sun_family = AF_UNIX,
	};

	if (strlen(this->path) >= sizeof(addr.sun_path))
	{
		DBG1(DBG_NET, "groupvpn: socket = %s: must be shorter than %zu "
			 "characters", this->path, sizeof(addr.sun_path));
		return FALSE;
	}
	strcpy(addr.sun_path, this->path);
	find_group(this);

	this->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
					  0);
	/* the mode it is created with, nobody else gets in before it is ready */
	if (this->fd == -1 ||
		fchmod(this->fd, S_IRUSR | S_IWUSR) == -1 ||
		(unlink(this->path) == -1 && errno != ENOENT) ||
		bind(this->fd, (struct sockaddr*)&addr, sizeof(addr)) == -1 ||
		(this->has_gid && chown(this->path, -1, this->gid) == -1) ||
		chmod(this->path, S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP) == -1 ||
		listen(this->fd, 8) == -1)
	{
		DBG1(DBG_NET, "groupvpn: creating control socket %s failed: %s",
			 this->path, strerror(errno));
		return FALSE;
	}
	lib->watcher->add(lib->watcher, this->fd, WATCHER_READ, on_connect, this);
	return TRUE;
}

METHOD(groupvpn_control_t, destroy, void,
	private_groupvpn_control_t *this)
{
	client_t *client;

	if (this->fd != -1)
	{
		lib->watcher->remove(lib->watcher, this->fd);
		close(this->fd);
		unlink(this->path);
	}
	while (this->clients->remove_first(this->clients,
									   (void**)&client) == SUCCESS)
	{
		lib->watcher->remove(lib->watcher, client->in);
		client_destroy(client);
	}
	this->clients->destroy(this->clients);
	this->handlers->destroy(this->handlers);
	this->mutex->destroy(this->mutex);
	free(this->group);
	free(this->path);
	free(this);
}

/*
 * See header
 */
groupvpn_control_t *groupvpn_control_create(char *path, char *group)
{
	private_groupvpn_control_t *this;

	INIT(this,
		.public = {
			.add_handler = _add_handler,
			.start = _start,
			.broadcast = _broadcast,
			.send = _send_,
			.is_root = _is_root,
			.destroy = _destroy,
		},
		.path = strdup(path),
		.group = strdup(group),
		.fd = -1,
		.handlers = linked_list_create(),
		.clients = linked_list_create(),
		.mutex = mutex_create(MUTEX_TYPE_RECURSIVE),
	);
	if (!gv_random(&this->generation, sizeof(this->generation)))
	{
		this->generation = time(NULL);
	}
	return &this->public;
}
