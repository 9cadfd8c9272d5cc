/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Command-line client of charon's groupvpn management, doc/vici.md.
 *
 * What charon sends becomes JSON first, which is either what the user gets or
 * what the tables are made of. Nothing is interpreted here that charon could
 * tell in words.
 */

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <json.h>
#include <libvici.h>

#include "groupvpn_json.h"
#include "groupvpn_tables.h"

#define DEFAULT_SOCKET "/run/charon.groupvpn.vici"

/* of libstrongswan, which tells of failed connections by itself otherwise */
extern void dbg_default_set_level(int level);

/**
 * Exit status
 */
enum {
	STATUS_OK,
	/* charon did not do it */
	STATUS_FAILED,
	/* wrong usage */
	STATUS_USAGE,
	/* charon can not be reached, or does not answer */
	STATUS_UNREACHABLE,
};

/**
 * A command of ours
 */
typedef struct command_t command_t;
struct command_t {
	char *name;
	/* names of the arguments, in brackets those that may be absent */
	char *args;
	char *help;
	/* command of the daemon, and the event that brings what it lists */
	char *request;
	char *event;
};

/**
 * Options and connection
 */
static char *socket_path = DEFAULT_SOCKET;
static bool json;
static vici_conn_t *conn;

/**
 * Tell of an error
 */
static int complain(int status, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int complain(int status, const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "groupvpnctl: ");
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, "\n");
	return status;
}

/* --- messages --- */

/**
 * Convert a message to JSON, NULL if it is not valid
 */
static struct json_object *convert(vici_res_t *res)
{
	groupvpn_json_t message;
	void *value;
	int len;

	groupvpn_json_begin(&message);
	while (true)
	{
		switch (vici_parse(res))
		{
			case VICI_PARSE_BEGIN_SECTION:
				groupvpn_json_open(&message, vici_parse_name(res), false);
				continue;
			case VICI_PARSE_BEGIN_LIST:
				groupvpn_json_open(&message, vici_parse_name(res), true);
				continue;
			case VICI_PARSE_END_SECTION:
			case VICI_PARSE_END_LIST:
				groupvpn_json_close(&message);
				continue;
			case VICI_PARSE_KEY_VALUE:
				value = vici_parse_value(res, &len);
				groupvpn_json_value(&message, vici_parse_name(res), value, len);
				continue;
			case VICI_PARSE_LIST_ITEM:
				value = vici_parse_value(res, &len);
				groupvpn_json_value(&message, NULL, value, len);
				continue;
			case VICI_PARSE_END:
				return groupvpn_json_end(&message, true);
			case VICI_PARSE_ERROR:
				return groupvpn_json_end(&message, false);
		}
	}
}

/**
 * Print an object as JSON
 */
static void print_json(struct json_object *object, int flags)
{
	flags |= JSON_C_TO_STRING_NOSLASHESCAPE;
	puts(json_object_to_json_string_ext(object, flags));
	fflush(stdout);
}

/**
 * Show an event in one line
 */
static void show_event(struct json_object *event)
{
	printf("%s %s",
		   json_object_get_string(json_object_object_get(event, "time")),
		   json_object_get_string(json_object_object_get(event, "event")));
	json_object_object_foreach(event, key, value)
	{
		if (strcmp(key, "time") != 0 && strcmp(key, "event") != 0)
		{
			printf(strchr(json_object_get_string(value), ' ') ? " %s=\"%s\""
															  : " %s=%s",
				   key, json_object_get_string(value));
		}
	}
	printf("\n");
	fflush(stdout);
}

/* --- commands --- */

/**
 * Commands
 */
static const command_t commands[] = {
	{ "list-groups", "[GROUP]", "the groups of this host",
	  "list-groups", "list-group" },
	{ "list-members", "[GROUP]", "who is in a group, and who was evicted",
	  "list-members", "list-member" },
	{ "list-sas", "[GROUP]", "the epochs of data keys",
	  "list-sas", "list-sa" },
	{ "counters", "[GROUP]", "what has happened how often",
	  "get-counters", NULL },
	{ "rekey", "GROUP", "GCKS: give new keys to all members",
	  "rekey", NULL },
	{ "evict", "GROUP MEMBER [REASON]", "GCKS: remove and ban a member",
	  "evict", NULL },
	{ "readmit", "GROUP MEMBER", "GCKS: let an evicted member come back",
	  "readmit", NULL },
	{ "reload", "", "read the groups of swanctl.conf again",
	  "reload", NULL },
	{ "version", "", "versions of what runs",
	  "version", NULL },
	{ "monitor", "", "follow the events", NULL, NULL },
};

/**
 * Events to follow
 */
static char *events[] = {
	"group-up", "group-down", "member-up", "member-down", "refused", "rekey",
};

static int usage(FILE *out)
{
	size_t i;
	char synopsis[64];

	fprintf(out, "usage: groupvpnctl [--json] [--socket PATH] COMMAND ...\n");
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
	{
		snprintf(synopsis, sizeof(synopsis), "%s %s", commands[i].name,
				 commands[i].args);
		fprintf(out, "  %-30s %s\n", synopsis, commands[i].help);
	}
	fprintf(out, "MEMBER is an identity, or a number: a member-ID\n");
	return STATUS_USAGE;
}

/**
 * Find a command by name, NULL if there is none
 */
static const command_t *find_command(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
	{
		if (strcmp(commands[i].name, name) == 0)
		{
			return &commands[i];
		}
	}
	return NULL;
}

/**
 * Whether a command takes so many arguments
 */
static bool check_args(const command_t *command, int count)
{
	const char *arg;
	int least = 0, most = 0;

	for (arg = command->args; *arg; arg += strcspn(arg, " "),
									arg += strspn(arg, " "))
	{
		least += *arg != '[';
		most++;
	}
	if (count >= least && count <= most)
	{
		return true;
	}
	complain(STATUS_USAGE, "'%s' takes %s%s", command->name,
			 *command->args ? "the arguments " : "no arguments", command->args);
	return false;
}

/**
 * Connect to the socket, -1 and a message to the user if that is not possible
 */
static int connect_socket()
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *hint = "";
	int fd;

	if (strlen(socket_path) >= sizeof(addr.sun_path))
	{
		complain(STATUS_USAGE, "--socket %s: must be shorter than %zu "
				 "characters", socket_path, sizeof(addr.sun_path));
		return -1;
	}
	strcpy(addr.sun_path, socket_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd != -1 &&
		connect(fd, (struct sockaddr*)&addr, sizeof(addr)) == 0)
	{
		return fd;
	}
	switch (errno)
	{
		case EACCES:
			hint = ", only root may";
			break;
		case ENOENT:
		case ECONNREFUSED:
			hint = ": charon does not run, or not with the plugins vici and "
				   "groupvpn";
			break;
	}
	complain(STATUS_UNREACHABLE, "connecting to %s: %s%s", socket_path,
			 strerror(errno), hint);
	if (fd != -1)
	{
		close(fd);
	}
	return -1;
}

/**
 * Callback for an event that lists something
 */
static void on_listed(void *list, char *name, vici_res_t *res)
{
	struct json_object *object = convert(res);

	(void)name;
	if (object)
	{
		json_object_array_add(list, object);
	}
}

/**
 * Callback for an event to follow
 */
static void on_event(void *user, char *name, vici_res_t *res)
{
	struct json_object *object = convert(res), *event;
	char now[32];
	time_t t = time(NULL);
	struct tm tm;

	(void)user;
	if (!object)
	{
		return;
	}
	strftime(now, sizeof(now), "%Y-%m-%dT%H:%M:%S%z", localtime_r(&t, &tm));
	event = json_object_new_object();
	json_object_object_add(event, "time", json_object_new_string(now));
	json_object_object_add(event, "event", json_object_new_string(name));
	json_object_object_foreach(object, key, value)
	{
		json_object_object_add(event, key, json_object_get(value));
	}
	if (json)
	{
		print_json(event, JSON_C_TO_STRING_PLAIN);
	}
	else
	{
		show_event(event);
	}
	json_object_put(event);
	json_object_put(object);
}

/**
 * Register for an event
 */
static bool follow(char *event, vici_event_cb_t cb, void *user)
{
	if (vici_register(conn, event, cb, user) != 0)
	{
		complain(STATUS_UNREACHABLE, "registering for '%s' at %s: %s", event,
				 socket_path, strerror(errno));
		return false;
	}
	return true;
}

/**
 * Follow events until a signal, or until the daemon goes away
 *
 * @param fd			connection that tells when it does
 */
static int monitor(int fd)
{
	struct pollfd fds[] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = -1, .events = POLLIN },
	};
	sigset_t signals;
	size_t i;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	fds[1].fd = signalfd(-1, &signals, SFD_CLOEXEC);
	for (i = 0; i < sizeof(events) / sizeof(events[0]); i++)
	{
		if (!follow(events[i], on_event, NULL))
		{
			return STATUS_UNREACHABLE;
		}
	}
	fprintf(stderr, "following events, end with Ctrl-C\n");
	while (poll(fds, 2, -1) == -1 && errno == EINTR);
	if (fds[1].revents)
	{
		return STATUS_OK;
	}
	return complain(STATUS_UNREACHABLE, "%s: charon has gone away",
					socket_path);
}

/**
 * Compose a request of the arguments
 */
static vici_req_t *compose(const command_t *command, int argc, char *argv[])
{
	vici_req_t *req = vici_begin(command->request);
	char *member;

	if (argc > 0)
	{
		vici_add_key_valuef(req, "group", "%s", argv[0]);
	}
	if (argc > 1)
	{
		member = argv[1];
		vici_add_key_valuef(req, member[strspn(member, "0123456789")]
								? "identity" : "member-id", "%s", member);
	}
	if (argc > 2)
	{
		vici_add_key_valuef(req, "reason", "%s", argv[2]);
	}
	return req;
}

/**
 * Show what a command has brought
 */
static int show(const command_t *command, struct json_object *list,
				struct json_object *answer)
{
	const char *error = groupvpn_tables_error(answer);

	if (error)
	{
		return complain(STATUS_FAILED, "%s", error);
	}
	if (json)
	{
		print_json(list ? list : answer, JSON_C_TO_STRING_PRETTY);
	}
	else
	{
		groupvpn_tables_show(stdout, command->request, list ? list : answer);
	}
	return STATUS_OK;
}

/**
 * Execute a command
 */
static int execute(const command_t *command, int argc, char *argv[])
{
	struct json_object *list = NULL, *answer = NULL;
	vici_res_t *res;
	int status;

	if (command->event)
	{
		list = json_object_new_array();
		if (!follow(command->event, on_listed, list))
		{
			json_object_put(list);
			return STATUS_UNREACHABLE;
		}
	}
	res = vici_submit(compose(command, argc, argv), conn);
	if (res)
	{
		answer = convert(res);
		vici_free_res(res);
	}
	status = answer ? show(command, list, answer)
					: complain(STATUS_UNREACHABLE, "'%s' at %s: %s",
							   command->name, socket_path,
							   res ? "invalid answer" : strerror(errno));
	json_object_put(answer);
	json_object_put(list);
	return status;
}

/**
 * Connect and execute a command
 *
 * @param fd			connection that was tried first
 */
static int run(const command_t *command, int fd, int argc, char *argv[])
{
	char uri[sizeof(struct sockaddr_un) + 16];
	sigset_t signals;
	int status;

	/* for monitor() to wait for, before there are threads */
	if (!command->request)
	{
		sigemptyset(&signals);
		sigaddset(&signals, SIGINT);
		sigaddset(&signals, SIGTERM);
		sigaddset(&signals, SIGHUP);
		sigprocmask(SIG_BLOCK, &signals, NULL);
	}
	dbg_default_set_level(0);
	vici_init();
	dbg_default_set_level(0);
	snprintf(uri, sizeof(uri), "unix://%s", socket_path);
	conn = vici_connect(uri);
	if (!conn)
	{
		status = complain(STATUS_UNREACHABLE, "connecting to %s: %s",
						  socket_path, strerror(errno));
	}
	else
	{
		status = command->request ? execute(command, argc, argv) : monitor(fd);
		vici_disconnect(conn);
	}
	vici_deinit();
	return status;
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "json", no_argument, NULL, 'j' },
		{ "socket", required_argument, NULL, 's' },
		{ NULL, 0, NULL, 0 },
	};
	const command_t *command;
	int option, fd, status;

	while ((option = getopt_long(argc, argv, "hjs:", options, NULL)) != -1)
	{
		switch (option)
		{
			case 'h':
				usage(stdout);
				return STATUS_OK;
			case 'j':
				json = true;
				break;
			case 's':
				socket_path = optarg;
				break;
			default:
				/* getopt named the option */
				return STATUS_USAGE;
		}
	}
	if (optind == argc)
	{
		return usage(stderr);
	}
	command = find_command(argv[optind]);
	if (!command)
	{
		return complain(STATUS_USAGE, "there is no command '%s', see "
						"groupvpnctl --help", argv[optind]);
	}
	optind++;
	if (!check_args(command, argc - optind))
	{
		return STATUS_USAGE;
	}
	fd = connect_socket();
	if (fd == -1)
	{
		return STATUS_UNREACHABLE;
	}
	status = run(command, fd, argc - optind, argv + optind);
	close(fd);
	return status;
}
