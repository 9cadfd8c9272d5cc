/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands are few and each is one function below; what they list the roles
 * tell in events, one for each object, for a message has a limited size.
 *
 * The protocol itself is strongSwan's: the vici plugin has no interface for
 * others, but the classes that it is made of do not depend on its own socket,
 * and are found by name in its shared object.
 */

#include "groupvpn_vici.h"
#include "groupvpn_gcks_manage.h"

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <daemon.h>
#include <crypto/crypters/crypter.h>
#include <plugins/vici/vici_dispatcher.h>
#include <threading/mutex.h>

typedef struct private_groupvpn_vici_t private_groupvpn_vici_t;

/**
 * Private data
 */
struct private_groupvpn_vici_t {

	/**
	 * Public interface
	 */
	groupvpn_vici_t public;

	/**
	 * Path of the socket
	 */
	char *path;

	/**
	 * Roles, as groupvpn_vici_handler_t; not changed after start()
	 */
	linked_list_t *handlers;

	/**
	 * What executes commands
	 */
	groupvpn_gcks_manage_t *gcks;

	/**
	 * Reads the configuration again
	 */
	bool (*reload)(void *data);
	void *data;

	/**
	 * When we began to listen
	 */
	uint64_t since;

	/**
	 * Shared object of the vici plugin, and what we need of it
	 */
	void *handle;
	vici_builder_t *(*builder_create)();
	vici_dispatcher_t *(*dispatcher_create)(char *uri);

	/**
	 * Dispatcher, NULL if we do not listen
	 */
	vici_dispatcher_t *dispatcher;

	/**
	 * Commands being executed for somebody else, as execution_t
	 */
	linked_list_t *executions;

	/**
	 * Number of the last of them
	 */
	u_int last_execution;

	/**
	 * Locks executions
	 */
	mutex_t *mutex;
};

/**
 * A command that has not come by the socket
 */
typedef struct {
	/* number that the roles know its client by */
	u_int client;
	/* takes what is listed */
	groupvpn_vici_listed_t listed;
	void *data;
} execution_t;

/* numbers of clients that are of no socket; the dispatcher counts from 1 */
#define EXECUTION 0x80000000

/*
 * See header
 */
u_int groupvpn_vici_age(uint64_t since)
{
	uint64_t now = groupvpn_now();

	return now > since ? (now - since) / 1000 : 0;
}

/*
 * See header
 */
u_int groupvpn_vici_left(uint64_t until)
{
	uint64_t now = groupvpn_now();

	return until > now ? (until - now) / 1000 : 0;
}

/*
 * See header
 */
void groupvpn_vici_add_cipher(vici_builder_t *builder,
							  const struct gv_esp_proposal *esp)
{
	char size[16] = "", integ[32] = "";

	if (esp->key_bits)
	{
		snprintf(size, sizeof(size), "-%u", esp->key_bits);
	}
	if (esp->integ)
	{
		snprintf(integ, sizeof(integ), "/%N", integrity_algorithm_names,
				 esp->integ);
	}
	builder->add_kv(builder, "cipher", "%N%s%s%s", encryption_algorithm_names,
					esp->encr, size, integ, esp->esn ? "/ESN" : "");
}

/*
 * See header
 */
void groupvpn_vici_add_policy(vici_builder_t *builder, enum gv_encap encap,
							  bool shared,
							  const struct gv_esp_proposal *esp,
							  uint32_t window)
{
	builder->add_kv(builder, "encap", "%s",
					encap == GV_ENCAP_IPIP6 ? "ipip6" :
					encap == GV_ENCAP_IPIP ? "ipip" : "gre");
	builder->add_kv(builder, "sa-mode", "%s",
					shared ? "shared" : "derived");
	groupvpn_vici_add_cipher(builder, esp);
	builder->add_kv(builder, "replay-window", "%u", window);
}

/*
 * See header
 */
void groupvpn_vici_add_sa(vici_builder_t *builder, groupvpn_sa_t *sa)
{
	builder->add_kv(builder, "epoch", "%u", sa->sa.epoch);
	builder->add_kv(builder, "tag", "0x%02x", sa->sa.tag);
	groupvpn_vici_add_cipher(builder, &sa->sa.esp);
	builder->add_kv(builder, "age", "%u", groupvpn_vici_age(sa->since));
	if (sa->expires != GROUPVPN_NEVER)
	{
		builder->add_kv(builder, "expires", "%u",
						groupvpn_vici_left(sa->expires));
	}
	if (sa->retires != GROUPVPN_NEVER)
	{
		builder->add_kv(builder, "retires", "%u",
						groupvpn_vici_left(sa->retires));
	}
}

/*
 * See header
 */
void groupvpn_vici_add_counters(vici_builder_t *builder, enum_name_t *names,
								uint64_t *counters, u_int count)
{
	char name[64];
	u_int i;

	for (i = 0; i < count; i++)
	{
		snprintf(name, sizeof(name), "%N", names, i);
		builder->add_kv(builder, name, "%" PRIu64, counters[i]);
	}
}

METHOD(groupvpn_vici_t, begin, vici_builder_t*,
	private_groupvpn_vici_t *this, char *event)
{
	if (!this->dispatcher)
	{
		return NULL;
	}
	/* what is listed is for somebody who has asked */
	if (strpfx(event, "list-") ||
		this->dispatcher->has_event_listeners(this->dispatcher, event))
	{
		return this->builder_create();
	}
	return NULL;
}

/**
 * Find a command that is being executed
 */
static execution_t *find_execution(private_groupvpn_vici_t *this, u_int client)
{
	enumerator_t *enumerator;
	execution_t *current, *found = NULL;

	this->mutex->lock(this->mutex);
	enumerator = this->executions->create_enumerator(this->executions);
	while (!found && enumerator->enumerate(enumerator, &current))
	{
		if (current->client == client)
		{
			found = current;
		}
	}
	enumerator->destroy(enumerator);
	this->mutex->unlock(this->mutex);
	return found;
}

METHOD(groupvpn_vici_t, raise_, void,
	private_groupvpn_vici_t *this, char *event, u_int client,
	vici_builder_t *builder)
{
	vici_message_t *message;
	execution_t *execution;

	if (client & EXECUTION)
	{
		message = builder->finalize(builder);
		execution = find_execution(this, client);
		if (execution && message)
		{
			execution->listed(execution->data, message);
		}
		DESTROY_IF(message);
		return;
	}
	this->dispatcher->raise_event(this->dispatcher, event, client,
								  builder->finalize(builder));
}

/* --- commands --- */

/**
 * Create the reply to a command, the reason of a failure in it
 */
static vici_message_t *create_reply(private_groupvpn_vici_t *this, char *why)
{
	vici_builder_t *builder = this->builder_create();

	builder->add_kv(builder, "success", why ? "no" : "yes");
	if (why)
	{
		builder->add_kv(builder, "errmsg", "%s", why);
	}
	return builder->finalize(builder);
}

/**
 * Create the reply to a command that names a group we do not have
 */
static vici_message_t *refuse_group(private_groupvpn_vici_t *this, char *group)
{
	char why[GV_TEXT_MAX + 1];

	snprintf(why, sizeof(why), "there is no group '%s' here", group);
	return create_reply(this, why);
}

CALLBACK(version, vici_message_t*,
	private_groupvpn_vici_t *this, char *name, u_int id,
	vici_message_t *request)
{
	vici_builder_t *builder = this->builder_create();

	builder->add_kv(builder, "success", "yes");
	builder->add_kv(builder, "version", "%s", GROUPVPN_VERSION);
	builder->add_kv(builder, "strongswan", "%s", VERSION);
	builder->add_kv(builder, "uptime", "%u", groupvpn_vici_age(this->since));
	return builder->finalize(builder);
}

/**
 * Have a role list what a command asks for
 */
static bool list_role(groupvpn_vici_handler_t *handler, char *command,
					  char *group, u_int id)
{
	if (streq(command, "list-groups"))
	{
		return handler->list_groups(handler, group, id);
	}
	if (streq(command, "list-members"))
	{
		return handler->list_members(handler, group, id);
	}
	return handler->list_sas(handler, group, id);
}

CALLBACK(list, vici_message_t*,
	private_groupvpn_vici_t *this, char *name, u_int id,
	vici_message_t *request)
{
	groupvpn_vici_handler_t *handler;
	enumerator_t *enumerator;
	char *group = request->get_str(request, NULL, "group");
	bool found = FALSE;

	enumerator = this->handlers->create_enumerator(this->handlers);
	while (enumerator->enumerate(enumerator, &handler))
	{
		found |= list_role(handler, name, group, id);
	}
	enumerator->destroy(enumerator);
	return group && !found ? refuse_group(this, group)
						   : create_reply(this, NULL);
}

CALLBACK(get_counters, vici_message_t*,
	private_groupvpn_vici_t *this, char *name, u_int id,
	vici_message_t *request)
{
	groupvpn_vici_handler_t *handler;
	enumerator_t *enumerator;
	vici_builder_t *builder = this->builder_create();
	char *group = request->get_str(request, NULL, "group");
	bool found = FALSE;

	builder->begin_section(builder, "counters");
	enumerator = this->handlers->create_enumerator(this->handlers);
	while (enumerator->enumerate(enumerator, &handler))
	{
		found |= handler->add_counters(handler, group, builder);
	}
	enumerator->destroy(enumerator);
	builder->end_section(builder);
	if (group && !found)
	{
		builder->destroy(builder);
		return refuse_group(this, group);
	}
	builder->add_kv(builder, "success", "yes");
	return builder->finalize(builder);
}

/**
 * Create the reply to a command that changes a group
 */
static vici_message_t *create_result(private_groupvpn_vici_t *this,
									 groupvpn_gcks_result_t *result, char *why)
{
	vici_builder_t *builder;

	if (why)
	{
		return create_reply(this, why);
	}
	builder = this->builder_create();
	builder->add_kv(builder, "success", "yes");
	if (result->member_id)
	{
		builder->add_kv(builder, "member-id", "%u", result->member_id);
	}
	if (*result->identity)
	{
		builder->add_kv(builder, "identity", "%s", result->identity);
		builder->add_kv(builder, "registered",
						result->registered ? "yes" : "no");
	}
	if (result->epoch)
	{
		builder->add_kv(builder, "epoch", "%u", result->epoch);
		builder->add_kv(builder, "members", "%u", result->members);
	}
	return builder->finalize(builder);
}

CALLBACK(rekey, vici_message_t*,
	private_groupvpn_vici_t *this, char *name, u_int id,
	vici_message_t *request)
{
	groupvpn_gcks_result_t result = {};
	char *group = request->get_str(request, NULL, "group");
	char why[GV_TEXT_MAX + 1];

	if (!group)
	{
		return create_reply(this, "'group' is missing");
	}
	return create_result(this, &result,
				this->gcks->rekey(this->gcks, group, &result, why) ? NULL
																   : why);
}

/**
 * Get whom a command is about from its request; the reason if there is none
 *
 * @param subject		receives it, its identity to be destroyed
 */
static char *get_subject(vici_message_t *request,
						 groupvpn_gcks_subject_t *subject)
{
	char *name = request->get_str(request, NULL, "identity");
	int id = request->get_int(request, 0, "member-id");

	*subject = (groupvpn_gcks_subject_t){
		.group = request->get_str(request, NULL, "group"),
		.reason = request->get_str(request, "", "reason"),
	};
	if (!subject->group)
	{
		return "'group' is missing";
	}
	if (!name == !request->get_str(request, NULL, "member-id"))
	{
		return "either 'identity' or 'member-id' must be given";
	}
	if (name && !*name)
	{
		return "'identity' is empty";
	}
	if (!name && (id < 1 || id > UINT16_MAX))
	{
		return "'member-id' must be 1 to 65535";
	}
	subject->identity = name ? identification_create_from_string(name) : NULL;
	subject->member_id = id;
	return NULL;
}

/**
 * Execute a command about a member
 */
static vici_message_t *do_member(private_groupvpn_vici_t *this,
								 vici_message_t *request,
								 bool (*command)(groupvpn_gcks_manage_t*,
										const groupvpn_gcks_subject_t*,
										groupvpn_gcks_result_t*, char*))
{
	groupvpn_gcks_result_t result = {};
	groupvpn_gcks_subject_t subject;
	char buf[GV_TEXT_MAX + 1], *why;

	why = get_subject(request, &subject);
	if (!why && !command(this->gcks, &subject, &result, buf))
	{
		why = buf;
	}
	DESTROY_IF(subject.identity);
	return create_result(this, &result, why);
}

CALLBACK(evict, vici_message_t*,
	private_groupvpn_vici_t *this, char *name, u_int id,
	vici_message_t *request)
{
	return do_member(this, request, this->gcks->evict);
}

CALLBACK(readmit, vici_message_t*,
	private_groupvpn_vici_t *this, char *name, u_int id,
	vici_message_t *request)
{
	return do_member(this, request, this->gcks->readmit);
}

CALLBACK(reload, vici_message_t*,
	private_groupvpn_vici_t *this, char *name, u_int id,
	vici_message_t *request)
{
	return create_reply(this, this->reload(this->data) ? NULL
						: "the configuration can not be read, charon's log "
						  "tells why");
}

/**
 * Commands
 */
static struct {
	char *name;
	/* where CALLBACK keeps the function */
	vici_command_cb_t *cb;
	/* it changes something */
	bool changes;
} commands[] = {
	{ "version", &version, FALSE },
	{ "list-groups", &list, FALSE },
	{ "list-members", &list, FALSE },
	{ "list-sas", &list, FALSE },
	{ "get-counters", &get_counters, FALSE },
	{ "rekey", &rekey, TRUE },
	{ "evict", &evict, TRUE },
	{ "readmit", &readmit, TRUE },
	{ "reload", &reload, TRUE },
};

METHOD(groupvpn_vici_t, compose, vici_builder_t*,
	private_groupvpn_vici_t *this)
{
	return this->dispatcher ? this->builder_create() : NULL;
}

/**
 * Execute a command by its position
 */
static vici_message_t *execute_command(private_groupvpn_vici_t *this, u_int i,
									   execution_t *execution,
									   vici_message_t *request)
{
	vici_message_t *response;

	this->mutex->lock(this->mutex);
	execution->client = EXECUTION | ++this->last_execution;
	this->executions->insert_last(this->executions, execution);
	this->mutex->unlock(this->mutex);

	response = (*commands[i].cb)(this, commands[i].name, execution->client,
								 request);

	this->mutex->lock(this->mutex);
	this->executions->remove(this->executions, execution, NULL);
	this->mutex->unlock(this->mutex);
	return response;
}

METHOD(groupvpn_vici_t, execute, vici_message_t*,
	private_groupvpn_vici_t *this, char *command, vici_builder_t *builder,
	bool root, groupvpn_vici_listed_t listed, void *data)
{
	vici_message_t *request, *response;
	execution_t execution = {
		.listed = listed,
		.data = data,
	};
	char why[GV_TEXT_MAX + 1];
	u_int i;

	request = builder->finalize(builder);
	if (!request)
	{
		return create_reply(this, "the request is not valid");
	}
	for (i = 0; i < countof(commands); i++)
	{
		if (streq(commands[i].name, command))
		{
			break;
		}
	}
	if (i == countof(commands))
	{
		snprintf(why, sizeof(why), "there is no command '%s'", command);
		response = create_reply(this, why);
	}
	else if (commands[i].changes && !root)
	{
		snprintf(why, sizeof(why), "'%s' is for root only", command);
		response = create_reply(this, why);
	}
	else
	{
		response = execute_command(this, i, &execution, request);
	}
	request->destroy(request);
	return response;
}

/**
 * Events
 */
static char *events[] = {
	"list-group",
	"list-member",
	"list-sa",
	"group-up",
	"group-down",
	"member-up",
	"member-down",
	"refused",
	"rekey",
};

/* --- socket --- */

/**
 * Register commands and events, or unregister them
 */
static void manage(private_groupvpn_vici_t *this, bool reg)
{
	u_int i;

	for (i = 0; i < countof(events); i++)
	{
		this->dispatcher->manage_event(this->dispatcher, events[i], reg);
	}
	for (i = 0; i < countof(commands); i++)
	{
		this->dispatcher->manage_command(this->dispatcher, commands[i].name,
										 reg ? *commands[i].cb : NULL, this);
	}
}

/**
 * Find the shared object of the vici plugin, which is loaded with its symbols
 * hidden from others
 */
static void *find_vici()
{
	enumerator_t *enumerator;
	plugin_t *plugin;
	Dl_info info;
	void *handle = NULL;

	enumerator = lib->plugins->create_plugin_enumerator(lib->plugins);
	while (enumerator->enumerate(enumerator, &plugin, NULL))
	{
		if (streq(plugin->get_name(plugin), "vici") &&
			dladdr(plugin->get_name, &info))
		{
			handle = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
			break;
		}
	}
	enumerator->destroy(enumerator);
	return handle;
}

/**
 * Open the socket; FALSE and the reason if that is not possible
 */
static bool open_socket(private_groupvpn_vici_t *this,
						char why[GV_TEXT_MAX + 1])
{
	char uri[PATH_MAX];

	this->handle = find_vici();
	if (!this->handle)
	{
		snprintf(why, GV_TEXT_MAX + 1, "the vici plugin is not loaded");
		return FALSE;
	}
	this->builder_create = dlsym(this->handle, "vici_builder_create");
	this->dispatcher_create = dlsym(this->handle, "vici_dispatcher_create");
	if (!this->builder_create || !this->dispatcher_create)
	{
		snprintf(why, GV_TEXT_MAX + 1, "the vici plugin is of another kind");
		return FALSE;
	}
	snprintf(uri, sizeof(uri), "unix://%s", this->path);
	this->dispatcher = this->dispatcher_create(uri);
	if (!this->dispatcher)
	{
		snprintf(why, GV_TEXT_MAX + 1, "the socket can not be created, see "
				 "above");
		return FALSE;
	}
	/* charon's group may use its own socket, but not evict members; no command
	 * is there before this is done */
	if (chmod(this->path, S_IRUSR | S_IWUSR) == -1)
	{
		snprintf(why, GV_TEXT_MAX + 1, "setting permissions: %s",
				 strerror(errno));
		this->dispatcher->destroy(this->dispatcher);
		this->dispatcher = NULL;
		return FALSE;
	}
	return TRUE;
}

METHOD(groupvpn_vici_t, add_handler, void,
	private_groupvpn_vici_t *this, groupvpn_vici_handler_t *handler)
{
	this->handlers->insert_last(this->handlers, handler);
}

METHOD(groupvpn_vici_t, start, void,
	private_groupvpn_vici_t *this, groupvpn_gcks_manage_t *gcks,
	bool (*reload)(void *data), void *data)
{
	char why[GV_TEXT_MAX + 1];

	this->gcks = gcks;
	this->reload = reload;
	this->data = data;
	this->since = groupvpn_now();
	if (open_socket(this, why))
	{
		manage(this, TRUE);
	}
	else
	{
		DBG1(DBG_CFG, "groupvpn: no management on %s: %s; groups work without",
			 this->path, why);
	}
}

METHOD(groupvpn_vici_t, destroy, void,
	private_groupvpn_vici_t *this)
{
	if (this->dispatcher)
	{
		manage(this, FALSE);
		this->dispatcher->destroy(this->dispatcher);
		unlink(this->path);
	}
	if (this->handle)
	{
		dlclose(this->handle);
	}
	this->handlers->destroy(this->handlers);
	this->executions->destroy(this->executions);
	this->mutex->destroy(this->mutex);
	free(this->path);
	free(this);
}

/*
 * See header
 */
groupvpn_vici_t *groupvpn_vici_create(char *path)
{
	private_groupvpn_vici_t *this;

	INIT(this,
		.public = {
			.add_handler = _add_handler,
			.start = _start,
			.compose = _compose,
			.execute = _execute,
			.begin = _begin,
			.raise = _raise_,
			.destroy = _destroy,
		},
		.path = strdup(path),
		.handlers = linked_list_create(),
		.executions = linked_list_create(),
		.mutex = mutex_create(MUTEX_TYPE_DEFAULT),
	);
	return &this->public;
}
