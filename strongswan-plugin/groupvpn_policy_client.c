/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One thread has the connection for itself: it sends what is asked, reads what
 * is answered, in any order, and lets questions time out. Nobody else waits for
 * the server.
 *
 * A question that was not answered when the connection breaks is asked once
 * more over the next one: the server may just have been restarted. One that has
 * timed out is remembered for a while, as a slow answer is still true.
 */

#define _GNU_SOURCE
#include "groupvpn_policy_client.h"
#include "groupvpn_util.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <collections/linked_list.h>
#include <threading/mutex.h>
#include <threading/thread.h>

/* questions that may be open, those that have timed out included */
#define OPEN_MAX 16384

/* time after which nobody looks for an answer any more, and after a failure to
 * connect until it is tried again, in milliseconds */
#define LATE_TIME 30000
#define RETRY_TIME 1000

/* times that a question is sent, each over another connection */
#define TRIES 2

typedef struct private_client_t private_client_t;

/**
 * Private data
 */
struct private_client_t {

	/**
	 * Public interface
	 */
	groupvpn_policy_client_t public;

	/**
	 * Path of the server's socket
	 */
	char *path;

	/**
	 * Time-out of a question, in milliseconds
	 */
	u_int timeout;

	/**
	 * Receiver of answers
	 */
	groupvpn_policy_client_cb_t cb;

	/**
	 * Open questions in the order they were asked, as question_t
	 */
	linked_list_t *questions;

	/**
	 * Number of the last question
	 */
	uint64_t last_id;

	/**
	 * The client is being destroyed
	 */
	bool stop;

	/**
	 * Locks all of the above that changes
	 */
	mutex_t *mutex;

	/**
	 * Wakes the thread
	 */
	int wake;

	/**
	 * The thread, to which alone the rest belongs
	 */
	thread_t *thread;

	/**
	 * Connection, -1 if there is none, and when to try again to connect
	 */
	int fd;
	uint64_t retry;

	/**
	 * What is being sent, and how much of it is
	 */
	chunk_t out;
	size_t sent;

	/**
	 * What was received of a line
	 */
	char in[POLICY_LINE_MAX + 1];
	size_t in_len;

	/**
	 * The operator was told that the server is away, that it says what is not
	 * valid
	 */
	bool away;
	bool malformed;
};

/**
 * An open question
 */
typedef struct {
	uint64_t id;
	char *subject;
	/* what is sent */
	char *line;
	/* times it was sent, and whether over this connection */
	u_int tries;
	bool sent;
	/* until when it is waited for */
	uint64_t deadline;
	/* it has timed out */
	bool late;
} question_t;

/**
 * Destroy a question
 */
static void question_destroy(question_t *question)
{
	free(question->subject);
	free(question->line);
	free(question);
}

/**
 * Tell what has become of a question
 */
static void tell(private_client_t *this, question_t *question,
				 groupvpn_policy_result_t result, struct policy_answer *answer,
				 const char *why)
{
	this->cb.answered(this->cb.data, this->path, question->id,
					  question->subject, result, answer, why);
}

/**
 * Tell the operator once that the server does not answer
 */
static void note_away(private_client_t *this, const char *why)
{
	if (!this->away)
	{
		this->away = TRUE;
		DBG1(DBG_CFG, "groupvpn: policy server %s does not answer: %s; what it "
			 "said last counts", this->path, why);
	}
}

/**
 * Tell the operator once that the server says what is not valid
 */
static void note_malformed(private_client_t *this,
						   const char *why)
{
	if (!this->malformed)
	{
		this->malformed = TRUE;
		DBG1(DBG_CFG, "groupvpn: policy server %s gives an answer that is not "
			 "valid: %s", this->path, why);
	}
}

/**
 * Tell the operator that it is as it should be
 */
static void note_good(private_client_t *this)
{
	if (this->away || this->malformed)
	{
		DBG1(DBG_CFG, "groupvpn: policy server %s answers again", this->path);
	}
	this->away = FALSE;
	this->malformed = FALSE;
}

/* --- connection --- */

/**
 * Connect to the server: it must be run by root, or by the user that we are
 *
 * @param why			receives the reason of a failure
 */
static int connect_server(private_client_t *this,
						  char why[GV_TEXT_MAX + 1])
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct ucred server;
	socklen_t len = sizeof(server);
	int fd;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", this->path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1 ||
		connect(fd, (struct sockaddr*)&addr, sizeof(addr)) == -1 ||
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &server, &len) == -1)
	{
		snprintf(why, GV_TEXT_MAX + 1, "%s%s", strerror(errno),
				 errno == EACCES ? " (file permissions, or the AppArmor "
				 "profile of charon)" : "");
	}
	else if (server.uid != 0 && server.uid != geteuid())
	{
		snprintf(why, GV_TEXT_MAX + 1, "user %u listens there, must be root or "
				 "user %u, which charon runs as", server.uid, geteuid());
	}
	else
	{
		return fd;
	}
	if (fd != -1)
	{
		close(fd);
	}
	return -1;
}

/**
 * Close the connection. Questions that may be sent again will be.
 */
static void disconnect(private_client_t *this)
{
	enumerator_t *enumerator;
	question_t *question;

	if (this->fd == -1)
	{
		return;
	}
	close(this->fd);
	this->fd = -1;
	this->in_len = 0;
	chunk_free(&this->out);
	this->mutex->lock(this->mutex);
	enumerator = this->questions->create_enumerator(this->questions);
	while (enumerator->enumerate(enumerator, &question))
	{
		question->sent = FALSE;
	}
	enumerator->destroy(enumerator);
	this->mutex->unlock(this->mutex);
}

/**
 * Take the first question that fits, NULL if there is none
 *
 * @param fits			called with the mutex held
 */
static question_t *take(private_client_t *this,
						bool (*fits)(question_t*, uint64_t), uint64_t value)
{
	enumerator_t *enumerator;
	question_t *question, *found = NULL;

	this->mutex->lock(this->mutex);
	enumerator = this->questions->create_enumerator(this->questions);
	while (enumerator->enumerate(enumerator, &question))
	{
		if (fits(question, value))
		{
			this->questions->remove_at(this->questions, enumerator);
			found = question;
			break;
		}
	}
	enumerator->destroy(enumerator);
	this->mutex->unlock(this->mutex);
	return found;
}

static bool has_id(question_t *question, uint64_t id)
{
	return question->id == id;
}

static bool is_unsent(question_t *question, uint64_t unused)
{
	return !question->sent;
}

static bool is_sent(question_t *question, uint64_t unused)
{
	return question->sent;
}

static bool is_spent(question_t *question, uint64_t unused)
{
	return !question->sent && (question->late || question->tries >= TRIES);
}

static bool is_due(question_t *question, uint64_t now)
{
	return question->deadline <= now;
}

/**
 * Give up all questions that fit
 */
static void give_up(private_client_t *this,
					bool (*fits)(question_t*, uint64_t),
					groupvpn_policy_result_t result, const char *why)
{
	question_t *question;

	while ((question = take(this, fits, 0)))
	{
		if (!question->late)
		{
			if (result == GROUPVPN_POLICY_FAILED)
			{
				note_away(this, why);
			}
			tell(this, question, result, NULL, why);
		}
		question_destroy(question);
	}
}

/**
 * Have questions time out
 *
 * @return				whether some did
 */
static bool expire(private_client_t *this, uint64_t now)
{
	question_t *question;
	char why[GV_TEXT_MAX + 1];
	bool expired = FALSE;

	snprintf(why, sizeof(why), "no answer within %u ms", this->timeout);
	while ((question = take(this, is_due, now)))
	{
		if (question->late)
		{
			question_destroy(question);
			continue;
		}
		note_away(this, why);
		tell(this, question, GROUPVPN_POLICY_FAILED, NULL, why);
		expired = TRUE;
		question->late = TRUE;
		question->deadline = now + LATE_TIME;
		this->mutex->lock(this->mutex);
		this->questions->insert_last(this->questions, question);
		this->mutex->unlock(this->mutex);
	}
	return expired;
}

/**
 * Number of octets that are to be sent and are not in the buffer
 */
static size_t count_unsent(private_client_t *this)
{
	enumerator_t *enumerator;
	question_t *question;
	size_t len = 0;

	this->mutex->lock(this->mutex);
	enumerator = this->questions->create_enumerator(this->questions);
	while (enumerator->enumerate(enumerator, &question))
	{
		if (!question->sent)
		{
			len += strlen(question->line);
		}
	}
	enumerator->destroy(enumerator);
	this->mutex->unlock(this->mutex);
	return len;
}

/**
 * Put questions into the buffer, as many as there is room for
 */
static void fill(private_client_t *this, size_t room)
{
	enumerator_t *enumerator;
	question_t *question;
	size_t len;

	this->out = chunk_alloc(room);
	this->out.len = 0;
	this->sent = 0;
	this->mutex->lock(this->mutex);
	enumerator = this->questions->create_enumerator(this->questions);
	while (enumerator->enumerate(enumerator, &question))
	{
		len = strlen(question->line);
		if (!question->sent && len <= room)
		{
			memcpy(this->out.ptr + this->out.len, question->line, len);
			this->out.len += len;
			room -= len;
			question->sent = TRUE;
			question->tries++;
		}
	}
	enumerator->destroy(enumerator);
	this->mutex->unlock(this->mutex);
}

/**
 * Begin to send what was asked meanwhile, once all before is sent; connect if
 * needed
 */
static void prepare(private_client_t *this, uint64_t now)
{
	char why[GV_TEXT_MAX + 1] = "it closes the connection";
	size_t unsent;

	give_up(this, is_spent, GROUPVPN_POLICY_FAILED, why);
	unsent = count_unsent(this);
	if (!unsent || this->out.len)
	{
		return;
	}
	if (this->fd == -1 && now >= this->retry)
	{
		this->fd = connect_server(this, why);
		this->retry = this->fd == -1 ? now + RETRY_TIME : now;
	}
	else if (this->fd == -1)
	{
		snprintf(why, sizeof(why), "it could not be reached just now");
	}
	if (this->fd == -1)
	{
		give_up(this, is_unsent, GROUPVPN_POLICY_FAILED, why);
		return;
	}
	fill(this, unsent);
}

/**
 * Send what the server takes; FALSE if the connection is gone
 */
static bool send_out(private_client_t *this)
{
	ssize_t len;

	if (!this->out.len)
	{
		return TRUE;
	}
	len = send(this->fd, this->out.ptr + this->sent,
			   this->out.len - this->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (len == -1)
	{
		return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
	}
	this->sent += len;
	if (this->sent == this->out.len)
	{
		chunk_free(&this->out);
	}
	return TRUE;
}

/**
 * Take a line of the server's; FALSE if it is of no use to go on reading
 */
static bool take_line(private_client_t *this, char *line,
					  size_t len)
{
	struct policy_answer answer;
	question_t *question;
	const char *wrong;

	wrong = policy_json_parse(line, len, &answer);
	if (wrong)
	{
		note_malformed(this, wrong);
	}
	if (!answer.id)
	{
		if (wrong)
		{	/* it may be the answer to any of them */
			give_up(this, is_sent, GROUPVPN_POLICY_MALFORMED, wrong);
			return FALSE;
		}
		this->cb.recheck(this->cb.data, answer.group);
		return TRUE;
	}
	question = take(this, has_id, answer.id);
	if (!question)
	{	/* it was given up long ago */
		return TRUE;
	}
	if (wrong)
	{
		tell(this, question, GROUPVPN_POLICY_MALFORMED, NULL, wrong);
	}
	else if (question->late)
	{
		tell(this, question, GROUPVPN_POLICY_LATE, &answer, NULL);
	}
	else
	{
		note_good(this);
		tell(this, question, GROUPVPN_POLICY_ANSWERED, &answer, NULL);
	}
	question_destroy(question);
	return TRUE;
}

/**
 * Read what the server says; FALSE if the connection is gone, or of no use
 */
static bool receive(private_client_t *this)
{
	ssize_t len;
	size_t start = 0;
	char *end;

	len = recv(this->fd, this->in + this->in_len,
			   sizeof(this->in) - this->in_len, MSG_DONTWAIT);
	if (len == -1)
	{
		return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
	}
	if (len == 0)
	{
		return FALSE;
	}
	this->in_len += len;
	while ((end = memchr(this->in + start, '\n', this->in_len - start)))
	{
		if (!take_line(this, this->in + start, end - this->in - start))
		{
			return FALSE;
		}
		start = end - this->in + 1;
	}
	this->in_len -= start;
	memmove(this->in, this->in + start, this->in_len);
	if (this->in_len == sizeof(this->in))
	{
		note_malformed(this, "it is too long");
		give_up(this, is_sent, GROUPVPN_POLICY_MALFORMED, "it is too long");
		return FALSE;
	}
	return TRUE;
}

/**
 * Time until the next question times out, in milliseconds; -1 if there is none
 */
static int next_timeout(private_client_t *this)
{
	enumerator_t *enumerator;
	question_t *question;
	uint64_t deadline = GROUPVPN_NEVER, now = groupvpn_now();

	this->mutex->lock(this->mutex);
	enumerator = this->questions->create_enumerator(this->questions);
	while (enumerator->enumerate(enumerator, &question))
	{
		deadline = min(deadline, question->deadline);
	}
	enumerator->destroy(enumerator);
	this->mutex->unlock(this->mutex);
	return deadline == GROUPVPN_NEVER ? -1
									  : (int)(deadline - min(deadline, now));
}

/**
 * The thread
 */
static void *run(private_client_t *this)
{
	uint64_t count;
	bool stop;

	while (TRUE)
	{
		struct pollfd fds[] = {
			{ .fd = this->wake, .events = POLLIN },
			{ .fd = this->fd, .events = POLLIN },
		};

		if (this->out.len)
		{
			fds[1].events |= POLLOUT;
		}
		if (poll(fds, countof(fds), next_timeout(this)) == -1 &&
			errno != EINTR)
		{
			break;
		}
		ignore_result(read(this->wake, &count, sizeof(count)));
		this->mutex->lock(this->mutex);
		stop = this->stop;
		this->mutex->unlock(this->mutex);
		if (stop)
		{
			break;
		}
		if (this->fd != -1 && (!receive(this) || !send_out(this)))
		{
			disconnect(this);
		}
		if (expire(this, groupvpn_now()) && this->out.len)
		{	/* the server does not read, and what is asked next would wait, too */
			disconnect(this);
		}
		prepare(this, groupvpn_now());
		if (this->fd != -1 && !send_out(this))
		{
			disconnect(this);
			prepare(this, groupvpn_now());
		}
	}
	disconnect(this);
	return NULL;
}

/**
 * Wake the thread
 */
static void wake(private_client_t *this)
{
	uint64_t one = 1;

	ignore_result(write(this->wake, &one, sizeof(one)));
}

METHOD(groupvpn_policy_client_t, get_path, char*,
	private_client_t *this)
{
	return this->path;
}

METHOD(groupvpn_policy_client_t, ask, uint64_t,
	private_client_t *this, char *request, char *gateway,
	char *subject)
{
	question_t *question;
	uint64_t id = 0;

	this->mutex->lock(this->mutex);
	if (this->questions->get_count(this->questions) < OPEN_MAX)
	{
		INIT(question,
			.id = ++this->last_id,
			.subject = strdup(subject),
			.line = policy_json_question(this->last_id, request, gateway,
										 subject),
			.deadline = groupvpn_now() + this->timeout,
		);
		if (question->line)
		{
			id = question->id;
			this->questions->insert_last(this->questions, question);
		}
		else
		{
			question_destroy(question);
		}
	}
	this->mutex->unlock(this->mutex);
	if (id)
	{
		wake(this);
	}
	return id;
}

METHOD(groupvpn_policy_client_t, destroy, void,
	private_client_t *this)
{
	this->mutex->lock(this->mutex);
	this->stop = TRUE;
	this->mutex->unlock(this->mutex);
	if (this->thread)
	{
		wake(this);
		this->thread->join(this->thread);
	}
	if (this->wake != -1)
	{
		close(this->wake);
	}
	this->questions->destroy_function(this->questions,
									  (void*)question_destroy);
	this->mutex->destroy(this->mutex);
	free(this->path);
	free(this);
}

/*
 * See header
 */
groupvpn_policy_client_t *groupvpn_policy_client_create(char *path,
								u_int timeout, groupvpn_policy_client_cb_t *cb)
{
	private_client_t *this;

	INIT(this,
		.public = {
			.get_path = _get_path,
			.ask = _ask,
			.destroy = _destroy,
		},
		.path = strdup(path),
		.timeout = timeout,
		.cb = *cb,
		.questions = linked_list_create(),
		.mutex = mutex_create(MUTEX_TYPE_DEFAULT),
		.wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
		.fd = -1,
	);
	if (this->wake != -1)
	{
		this->thread = thread_create((thread_main_t)run, this);
	}
	if (!this->thread)
	{
		destroy(this);
		return NULL;
	}
	return &this->public;
}
