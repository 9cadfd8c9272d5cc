/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A COMMAND becomes a request of VICI, and what that brings becomes lines of
 * JSON, sent as they come. Nothing of a command is kept.
 */

#include "groupvpn_management.h"
#include "groupvpn_json.h"

typedef struct private_groupvpn_management_t private_groupvpn_management_t;

/**
 * Private data
 */
struct private_groupvpn_management_t {

	/**
	 * Public interface
	 */
	groupvpn_management_t public;

	/**
	 * Control socket
	 */
	groupvpn_control_t *control;

	/**
	 * Executes the commands
	 */
	groupvpn_vici_t *vici;
};

/**
 * An answer being sent
 */
typedef struct {
	groupvpn_control_t *control;
	u_int client;
	/* the part that is not full yet */
	struct gv_ctl_msg msg;
} answer_t;

/**
 * Send text
 */
static void answer_text(answer_t *this, const char *text, size_t len)
{
	size_t fits;

	while (len)
	{
		fits = min(len, sizeof(this->msg.part) - this->msg.part_len);
		memcpy(this->msg.part + this->msg.part_len, text, fits);
		this->msg.part_len += fits;
		text += fits;
		len -= fits;
		if (this->msg.part_len == sizeof(this->msg.part))
		{
			this->control->send(this->control, this->client, &this->msg);
			this->msg.part_len = 0;
		}
	}
}

/**
 * Send the rest, and that this was all
 */
static void answer_end(answer_t *this)
{
	if (this->msg.part_len)
	{
		this->control->send(this->control, this->client, &this->msg);
		this->msg.part_len = 0;
	}
	this->control->send(this->control, this->client, &this->msg);
}

/**
 * Convert a message, NULL if it is not valid
 */
static struct json_object *convert(vici_message_t *message)
{
	enumerator_t *enumerator;
	groupvpn_json_t json;
	vici_type_t type;
	chunk_t value;
	char *name;
	bool valid = FALSE;

	groupvpn_json_begin(&json);
	enumerator = message->create_enumerator(message);
	while (!valid && enumerator->enumerate(enumerator, &type, &name, &value))
	{
		switch (type)
		{
			case VICI_SECTION_START:
			case VICI_LIST_START:
				groupvpn_json_open(&json, name, type == VICI_LIST_START);
				break;
			case VICI_SECTION_END:
			case VICI_LIST_END:
				groupvpn_json_close(&json);
				break;
			case VICI_KEY_VALUE:
				groupvpn_json_value(&json, name, value.ptr, value.len);
				break;
			case VICI_LIST_ITEM:
				groupvpn_json_value(&json, NULL, value.ptr, value.len);
				break;
			case VICI_END:
				valid = TRUE;
				break;
			default:
				break;
		}
	}
	enumerator->destroy(enumerator);
	return groupvpn_json_end(&json, valid);
}

/**
 * Send an object as a line
 */
static void answer_object(answer_t *this, struct json_object *object)
{
	const char *text;

	text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
										  JSON_C_TO_STRING_NOSLASHESCAPE);
	answer_text(this, text, strlen(text));
	answer_text(this, "\n", 1);
}

CALLBACK(on_listed, void,
	answer_t *this, vici_message_t *message)
{
	struct json_object *object = convert(message);

	if (object)
	{
		answer_object(this, object);
		json_object_put(object);
	}
}

/**
 * Send a failure as the response
 */
static void answer_failure(answer_t *this, const char *why)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "success", json_object_new_boolean(FALSE));
	json_object_object_add(object, "errmsg", json_object_new_string(why));
	answer_object(this, object);
	json_object_put(object);
}

/**
 * Compose the request of a command
 */
static void compose(vici_builder_t *request, const struct gv_ctl_msg *msg)
{
	if (*msg->name)
	{
		request->add_kv(request, "group", "%s", msg->name);
	}
	if (msg->member_id)
	{
		request->add_kv(request, "member-id", "%u", msg->member_id);
	}
	if (*msg->identity)
	{
		request->add_kv(request, "identity", "%s", msg->identity);
	}
	if (*msg->text)
	{
		request->add_kv(request, "reason", "%s", msg->text);
	}
}

/**
 * Execute a command and send what it brings
 */
static void execute(private_groupvpn_management_t *this, answer_t *answer,
					const struct gv_ctl_msg *msg)
{
	struct json_object *object = NULL;
	vici_builder_t *request;
	vici_message_t *response;

	request = this->vici->compose(this->vici);
	if (!request)
	{
		answer_failure(answer, "charon has no management, its log tells why");
		return;
	}
	compose(request, msg);
	response = this->vici->execute(this->vici, (char*)msg->command, request,
						this->control->is_root(this->control, answer->client),
						(void*)on_listed, answer);
	if (response)
	{
		object = convert(response);
		response->destroy(response);
	}
	if (object)
	{
		answer_object(answer, object);
		json_object_put(object);
	}
	else
	{
		answer_failure(answer, "the response can not be composed");
	}
}

METHOD(groupvpn_control_handler_t, message, void,
	groupvpn_control_handler_t *handler, u_int client,
	const struct gv_ctl_msg *msg)
{
	private_groupvpn_management_t *this;
	answer_t answer = {
		.client = client,
		.msg.type = GV_CTL_ANSWER,
	};

	if (msg->type == GV_CTL_COMMAND)
	{
		this = container_of(handler, private_groupvpn_management_t,
							public.handler);
		answer.control = this->control;
		execute(this, &answer, msg);
		answer_end(&answer);
	}
}

METHOD(groupvpn_control_handler_t, ignore, void,
	groupvpn_control_handler_t *handler, u_int client)
{
}

METHOD(groupvpn_management_t, destroy, void,
	private_groupvpn_management_t *this)
{
	free(this);
}

/*
 * See header
 */
groupvpn_management_t *groupvpn_management_create(groupvpn_control_t *control,
												  groupvpn_vici_t *vici)
{
	private_groupvpn_management_t *this;

	INIT(this,
		.public = {
			.handler = {
				.replay = _ignore,
				.message = _message,
				.gone = _ignore,
			},
			.destroy = _destroy,
		},
		.control = control,
		.vici = vici,
	);
	return &this->public;
}
