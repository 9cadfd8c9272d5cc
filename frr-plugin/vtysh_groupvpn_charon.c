/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vtysh as a client of charon's management.
 *
 * vtysh asks charon itself, not through bgpd: so bgpd has nothing to wait
 * for, and the kernel tells charon who it is that asks.  One connection for
 * each command; it says no HELLO, and so is told nothing but the answer.
 */
#include <zebra.h>
#include <string.h>

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "lib/command.h"
#include "lib/json.h"
#include "lib/memory.h"
#include "lib/network.h"
#include "lib/vty.h"

#include "vtysh_groupvpn_charon.h"
#include "groupvpn_tables.h"

#define PATIENCE 10		      /* s without a word from charon */
#define ANSWER_MAX (64 * 1024 * 1024) /* octets */

/* Another socket than the usual, as bgpd's "group-vpn socket" names it. */
#define PATH_VARIABLE "GROUPVPN_SOCKET"

static const char *socket_path(void)
{
	const char *path = getenv(PATH_VARIABLE);

	return path && path[0] ? path : GV_CTL_PATH;
}

static void complain(struct vty *vty, const char *what, const char *hint)
{
	vty_out(vty, "%% %s: %s%s%s\n", socket_path(), what, hint ? ": " : "",
		hint ? hint : "");
}

static void complain_connecting(struct vty *vty, int error)
{
	const char *hint = NULL;

	if (error == ENOENT || error == ECONNREFUSED)
		hint = "charon does not run, or without the groupvpn plugin";
	else if (error == EACCES)
		hint = "only root and bgpd's group may ask charon";
	complain(vty, safe_strerror(error), hint);
}

static void complain_receiving(struct vty *vty, ssize_t len)
{
	if (len == 0)
		complain(vty, "charon closed the connection",
			 "it ends, or its log tells why");
	else if (ERRNO_IO_RETRY(errno))
		complain(vty, "charon does not answer", NULL);
	else
		complain(vty, safe_strerror(errno), NULL);
}

/* -1 if it cannot be: the user knows why. */
static int connect_charon(struct vty *vty)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = PATIENCE};
	int fd;

	if (strlcpy(sun.sun_path, socket_path(), sizeof(sun.sun_path)) >=
	    sizeof(sun.sun_path)) {
		complain(vty, "path is too long for a socket", NULL);
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd >= 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
		       sizeof(patience)) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
		       sizeof(patience)) == 0 &&
	    connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0)
		return fd;
	complain_connecting(vty, errno);
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool send_command(struct vty *vty, int fd, struct gv_ctl_msg *command)
{
	uint8_t buf[GV_CTL_MAX];
	size_t len;

	command->type = GV_CTL_COMMAND;
	len = gv_ctl_encode(command, buf, sizeof(buf));
	/* What charon thinks of it is in what comes back, or does not. */
	if (send(fd, buf, len, MSG_NOSIGNAL) < 0 && errno != EPIPE) {
		complain(vty, safe_strerror(errno), NULL);
		return false;
	}
	return true;
}

/* The next message, HELLO excepted; false: there is none. */
static bool receive(struct vty *vty, int fd, struct gv_ctl_msg *msg)
{
	uint8_t buf[GV_CTL_MAX];
	enum gv_ctl_error error;
	ssize_t len;

	do {
		len = recv(fd, buf, sizeof(buf), 0);
		if (len <= 0) {
			complain_receiving(vty, len);
			return false;
		}
		error = gv_ctl_decode(buf, len, msg);
		if (error == GV_CTL_BAD_VERSION) {
			complain(vty, "charon speaks another version",
				 "install all of groupvpn from one release");
			return false;
		}
	} while (error == GV_CTL_OK && msg->type == GV_CTL_HELLO);
	if (error == GV_CTL_OK && msg->type == GV_CTL_ANSWER)
		return true;
	complain(vty, "charon's answer can not be understood",
		 gv_ctl_error_text(error));
	return false;
}

/* All parts of an answer, as text that the caller frees; NULL if it is not
 * complete. */
static char *receive_answer(struct vty *vty, int fd)
{
	struct gv_ctl_msg msg;
	char *text = NULL;
	size_t len = 0;

	while (len <= ANSWER_MAX && receive(vty, fd, &msg)) {
		text = XREALLOC(MTYPE_TMP, text, len + msg.part_len + 1);
		memcpy(text + len, msg.part, msg.part_len);
		len += msg.part_len;
		text[len] = '\0';
		if (msg.part_len == 0)
			return text;
	}
	if (len > ANSWER_MAX)
		complain(vty, "charon's answer is too long", NULL);
	XFREE(MTYPE_TMP, text);
	return NULL;
}

/* Takes the lines of an answer apart: the last is the response, what comes
 * before is listed.  Changes the text. */
static struct json_object *parse_answer(char *text, struct json_object *list)
{
	struct json_object *response = NULL;
	char *line;

	while ((line = strsep(&text, "\n"))) {
		if (line[0] == '\0')
			continue;
		if (response)
			json_object_array_add(list, response);
		response = json_tokener_parse(line);
		if (!json_object_is_type(response, json_type_object)) {
			json_object_free(response);
			return NULL;
		}
	}
	return response;
}

static void show_table(struct vty *vty, const char *command,
		       struct json_object *json)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return;
	groupvpn_tables_show(out, command, json);
	fclose(out);
	vty_out(vty, "%s", text);
	free(text);
}

static int show_answer(struct vty *vty, const char *command, char *text,
		       bool json)
{
	struct json_object *list = json_object_new_array();
	struct json_object *response = parse_answer(text, list);
	struct json_object *shown =
		strncmp(command, "list-", 5) == 0 ? list : response;
	int ret = GVPN_CHARON_FAILED;

	if (!response) {
		complain(vty, "charon's answer is not JSON", NULL);
	} else if (groupvpn_tables_error(response)) {
		vty_out(vty, "%% %s\n", groupvpn_tables_error(response));
	} else {
		ret = CMD_SUCCESS;
		if (json)
			vty_json(vty, json_object_get(shown));
		else
			show_table(vty, command, shown);
	}
	if (response)
		json_object_free(response);
	json_object_free(list);
	return ret;
}

int gvpn_charon(struct vty *vty, struct gv_ctl_msg *command, bool json)
{
	int ret = GVPN_CHARON_FAILED;
	char *text = NULL;
	int fd = connect_charon(vty);

	if (fd < 0)
		return ret;
	if (send_command(vty, fd, command))
		text = receive_answer(vty, fd);
	if (text)
		ret = show_answer(vty, command->command, text, json);
	XFREE(MTYPE_TMP, text);
	close(fd);
	return ret;
}
