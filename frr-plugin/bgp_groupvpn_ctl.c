/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket: bgpd's end of common/control.h.
 *
 * bgpd connects whenever something is configured that needs charon, and again
 * with growing pauses after a failure.  States, in order: idle, (waiting to
 * connect), no HELLO yet, HELLO seen, SYNC seen.  A message that
 * cannot be decoded is counted and ignored as a whole; one that breaks the
 * order of states, or an unknown version, ends the connection.  Nothing that
 * charon said is forgotten when the connection breaks; see
 * gvpn_group_synced() for what happens afterwards.
 *
 * Secrets cross this socket in clear: buffers that held one are wiped.
 */
#include "bgp_groupvpn_frr.h"
#include "bgp_groupvpn.h"

#include <sys/un.h>

#define CTL_RETRY_MIN 500   /* ms */
#define CTL_RETRY_MAX 16000 /* ms */
#define CTL_BATCH 64	    /* messages per event */
#define CTL_QUEUE_MAX 65536 /* messages that charon has not taken */
#define CTL_QUEUE_BUSY 1024 /* the same, with which no more is looked for */

static struct {
	int fd;
	struct event *t_connect, *t_read, *t_write, *t_overflow;
	unsigned int retry; /* ms */
	struct stream_fifo *out;
	bool greeted, synced;
	uint32_t own_generation;
	uint32_t generation;	    /* charon's, of this connection */
	uint32_t synced_generation; /* charon's, of the last SYNC */
	bool had_sync, restarted;
	time_t since;
	char error[128];
	char version[GV_TEXT_MAX + 1];
	uint64_t ignored;
} ctl = {.fd = -1};

static const char *ctl_path(void)
{
	return gvpn.socket_path ? gvpn.socket_path : GV_CTL_PATH;
}

static bool ctl_wanted(void)
{
	return gvpn.reflector || gvpn_binds_count(gvpn.binds) > 0;
}

static void ctl_connect(struct event *t);
static void ctl_write(struct event *t);

static void ctl_close(void)
{
	event_cancel(&ctl.t_connect);
	event_cancel(&ctl.t_read);
	event_cancel(&ctl.t_write);
	event_cancel(&ctl.t_overflow);
	if (ctl.fd >= 0)
		close(ctl.fd);
	ctl.fd = -1;
	ctl.greeted = ctl.synced = false;
	ctl.since = monotime(NULL);
	gvpn_hand_forget();
	stream_fifo_clean(ctl.out);
}

/* Logs a failure once, however often it repeats itself. */
static void ctl_fail(const char *why)
{
	bool was_up = ctl.greeted;

	if (was_up || strcmp(ctl.error, why) != 0)
		zlog_warn("group-vpn: control socket %s: %s; trying again",
			  ctl_path(), why);
	strlcpy(ctl.error, why, sizeof(ctl.error));
	if (was_up || ctl.fd >= 0)
		ctl_close();

	event_add_timer_msec(gvpn.master, ctl_connect, NULL, ctl.retry,
			     &ctl.t_connect);
	ctl.retry = MIN(ctl.retry * 2, CTL_RETRY_MAX);
}

/* Not at once: whoever sends may be in the middle of something. */
static void ctl_overflow(struct event *t)
{
	ctl_fail("charon does not read");
}

void gvpn_ctl_send(struct gv_ctl_msg *msg)
{
	uint8_t buf[GV_CTL_MAX];
	struct stream *s;
	size_t len;

	if (ctl.fd < 0)
		return;
	if (stream_fifo_count_safe(ctl.out) >= CTL_QUEUE_MAX) {
		event_add_event(gvpn.master, ctl_overflow, NULL, 0,
				&ctl.t_overflow);
		return;
	}

	msg->generation = ctl.own_generation;
	len = gv_ctl_encode(msg, buf, sizeof(buf));
	if (len == 0) {
		zlog_err("group-vpn: cannot encode a %s message",
			 gv_ctl_type_text(msg->type));
		return;
	}
	s = stream_new(len);
	stream_put(s, buf, len);
	stream_fifo_push(ctl.out, s);
	event_add_write(gvpn.master, ctl_write, NULL, ctl.fd, &ctl.t_write);
}

bool gvpn_ctl_is_busy(void)
{
	return stream_fifo_count_safe(ctl.out) >= CTL_QUEUE_BUSY;
}

void gvpn_ctl_send_member(const struct gvpn_member *member)
{
	struct gv_ctl_msg msg = {
		.type = GV_CTL_PEER,
		.group_id = member->group->id,
		.member_id = member->id,
		.sender_id = member->sender_id,
		.gateway = member->gateway,
	};

	gvpn_ctl_send(&msg);
}

void gvpn_ctl_send_member_down(const struct gvpn_member *member)
{
	struct gv_ctl_msg msg = {
		.type = GV_CTL_PEER_DOWN,
		.group_id = member->group->id,
		.member_id = member->id,
	};

	gvpn_ctl_send(&msg);
}

void gvpn_ctl_send_rekey(const struct gvpn_group *group)
{
	struct gv_ctl_msg msg = {
		.type = GV_CTL_REKEY,
		.group_id = group->id,
		.chains = group->chain_count,
	};
	struct gv_part parts[GV_PARTS_MAX];
	unsigned int i;

	if (!group->chain_count)
		gvpn_ctl_send(&msg);
	for (; msg.chain < group->chain_count; msg.chain++) {
		msg.part_count =
			gv_parts_split(group->chains[msg.chain].data,
				       group->chains[msg.chain].len, parts);
		for (i = 0; i < msg.part_count; i++) {
			msg.part_number = i;
			msg.rekey_len = parts[i].len;
			memcpy(msg.rekey, parts[i].data, parts[i].len);
			gvpn_ctl_send(&msg);
		}
	}
}

void gvpn_ctl_send_discovered(const struct gvpn_sought *sought)
{
	struct gv_ctl_msg msg = {
		.type = GV_CTL_DISCOVERED,
		.group_id = sought->group_id,
		.n_hints = sought->n,
	};

	memcpy(msg.hints, sought->hints, sizeof(msg.hints));
	gvpn_ctl_send(&msg);
}

static void ctl_write(struct event *t)
{
	unsigned int n;
	struct stream *s;

	for (n = 0; n < CTL_BATCH; n++) {
		s = stream_fifo_head(ctl.out);
		if (!s)
			return;
		if (send(ctl.fd, STREAM_DATA(s), stream_get_endp(s),
			 MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
			if (ERRNO_IO_RETRY(errno))
				break;
			ctl_fail(safe_strerror(errno));
			return;
		}
		stream_free(stream_fifo_pop(ctl.out));
	}
	event_add_write(gvpn.master, ctl_write, NULL, ctl.fd, &ctl.t_write);
}

static void ctl_replay(void)
{
	struct gv_ctl_msg hello = {.type = GV_CTL_HELLO};
	struct gv_ctl_msg sync = {.type = GV_CTL_SYNC};
	struct gvpn_member *member;
	struct gvpn_group *group;

	snprintf(hello.text, sizeof(hello.text), "bgpd %s", FRR_VER_SHORT);
	gvpn_ctl_send(&hello);
	frr_each (gvpn_groups, gvpn.groups, group) {
		frr_each (gvpn_members, group->members, member) {
			if (member->heard)
				gvpn_ctl_send_member(member);
		}
		if (group->chain_count)
			gvpn_ctl_send_rekey(group);
	}
	gvpn_ctl_send(&sync);
}

static void ctl_hello(const struct gv_ctl_msg *msg)
{
	ctl.generation = msg->generation;
	ctl.restarted = ctl.had_sync && ctl.generation != ctl.synced_generation;
	ctl.greeted = true;
	ctl.retry = CTL_RETRY_MIN;
	ctl.error[0] = '\0';
	ctl.since = monotime(NULL);
	strlcpy(ctl.version, msg->text, sizeof(ctl.version));
	zlog_info("group-vpn: control socket %s up, %s%s", ctl_path(),
		  ctl.version[0] ? ctl.version : "charon",
		  ctl.restarted ? ", restarted since" : "");
	gvpn_group_mark_stale();
	gvpn_discovery_forget();
}

static void ctl_handle(const struct gv_ctl_msg *msg)
{
	gvpn_debug("charon says %s, group %u, member %u",
		   gv_ctl_type_text(msg->type), msg->group_id, msg->member_id);

	if (gvpn_static_shadows(msg))
		return;

	switch (msg->type) {
	case GV_CTL_HELLO:
		ctl_hello(msg);
		break;
	case GV_CTL_SYNC:
		ctl.synced = ctl.had_sync = true;
		ctl.synced_generation = ctl.generation;
		gvpn_group_synced(ctl.restarted);
		break;
	case GV_CTL_GROUP:
		gvpn_group_up(msg, ctl.restarted);
		break;
	case GV_CTL_DESCRIPTOR:
		gvpn_rekey_part(msg);
		break;
	case GV_CTL_GROUP_DOWN:
		gvpn_group_down(msg->group_id, "charon took it down");
		break;
	case GV_CTL_REGISTRATION:
		gvpn_reg_up(msg);
		break;
	case GV_CTL_REGISTRATION_DOWN:
		gvpn_reg_down(msg->group_id, msg->member_id, msg->text);
		break;
	case GV_CTL_PEER_STATUS:
		gvpn_member_status(msg);
		break;
	case GV_CTL_ORIGINATE:
		gvpn_origin_set(msg);
		break;
	case GV_CTL_ORIGINATED:
		gvpn_origin_end(msg);
		break;
	case GV_CTL_WANT:
		gvpn_hand_want(msg);
		break;
	case GV_CTL_DISCOVER:
		gvpn_discovery_seek(msg);
		break;
	default: /* known, but not for us */
		ctl.ignored++;
		break;
	}
}

/* false: the connection is no more. */
static bool ctl_receive(const uint8_t *buf, size_t len)
{
	struct gv_ctl_msg msg;
	enum gv_ctl_error error = gv_ctl_decode(buf, len, &msg);

	switch (error) {
	case GV_CTL_OK:
		break;
	case GV_CTL_BAD_VERSION:
		ctl_fail("charon's plugin speaks another protocol version; "
			 "install the two halves of groupvpn from one release");
		return false;
	case GV_CTL_UNKNOWN_TYPE:
		ctl.ignored++;
		return true;
	default:
		ctl.ignored++;
		zlog_warn("group-vpn: control socket: %s message for group %u "
			  "ignored: %s",
			  gv_ctl_type_text(msg.type), msg.group_id,
			  gv_ctl_error_text(error));
		return true;
	}

	if ((msg.type == GV_CTL_HELLO) == ctl.greeted ||
	    (msg.type == GV_CTL_SYNC && ctl.synced)) {
		gv_wipe(&msg, sizeof(msg));
		ctl_fail("HELLO or SYNC out of order");
		return false;
	}
	ctl_handle(&msg);
	gv_wipe(&msg, sizeof(msg));
	return true;
}

static void ctl_read(struct event *t)
{
	uint8_t buf[GV_CTL_MAX + 1];
	unsigned int n;
	ssize_t len;
	bool alive;

	for (n = 0; n < CTL_BATCH; n++) {
		len = recv(ctl.fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (len < 0 && ERRNO_IO_RETRY(errno))
			break;
		if (len <= 0) {
			ctl_fail(len < 0 ? safe_strerror(errno)
					 : "closed by charon");
			return;
		}
		alive = ctl_receive(buf, len);
		gv_wipe(buf, len);
		if (!alive)
			return;
	}
	event_add_read(gvpn.master, ctl_read, NULL, ctl.fd, &ctl.t_read);
}

static void ctl_connect(struct event *t)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	if (strlcpy(sun.sun_path, ctl_path(), sizeof(sun.sun_path)) >=
	    sizeof(sun.sun_path)) {
		ctl_fail("path is too long for a socket");
		return;
	}
	ctl.fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
			0);
	if (ctl.fd < 0 ||
	    connect(ctl.fd, (struct sockaddr *)&sun, sizeof(sun)) < 0) {
		const char *why = safe_strerror(errno);

		if (ctl.fd >= 0)
			close(ctl.fd);
		ctl.fd = -1;
		ctl_fail(why);
		return;
	}

	event_add_read(gvpn.master, ctl_read, NULL, ctl.fd, &ctl.t_read);
	ctl_replay();
}

void gvpn_ctl_update(void)
{
	static char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	bool active = ctl.fd >= 0 || ctl.t_connect;

	if (active && (!ctl_wanted() || strcmp(path, ctl_path()) != 0)) {
		if (ctl.greeted)
			zlog_info("group-vpn: control socket %s closed", path);
		ctl_close();
		ctl.error[0] = '\0';
		active = false;
	}
	if (!ctl_wanted()) {
		gvpn_group_forget("nothing is configured for it");
		gvpn_discovery_forget();
		ctl.had_sync = false;
		return;
	}
	if (active)
		return;

	strlcpy(path, ctl_path(), sizeof(path));
	ctl.retry = CTL_RETRY_MIN;
	event_add_timer_msec(gvpn.master, ctl_connect, NULL, 0, &ctl.t_connect);
}

void gvpn_ctl_again(void)
{
	if (ctl.fd < 0)
		return;
	ctl_close();
	event_add_timer_msec(gvpn.master, ctl_connect, NULL, 0, &ctl.t_connect);
}

void gvpn_ctl_status(struct gvpn_ctl_status *status)
{
	status->path = ctl_path();
	status->wanted = ctl_wanted();
	status->connected = ctl.greeted;
	status->since = ctl.since;
	status->error = ctl.error;
	status->version = ctl.version;
	status->ignored = ctl.ignored;
}

void gvpn_ctl_clear(void)
{
	ctl.ignored = 0;
}

void gvpn_ctl_fini(void)
{
	gvpn_discovery_forget();
	ctl_close();
	stream_fifo_free(ctl.out);
}

void gvpn_ctl_init(void)
{
	ctl.out = stream_fifo_new();
	gv_random(&ctl.own_generation, sizeof(ctl.own_generation));
	ctl.since = monotime(NULL);
}
