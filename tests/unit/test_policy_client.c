// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The connection to a policy server, on real sockets: whatever the server does,
 * each question is told to have come to something, once, and in time.
 */
#include "unit.h"

#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "groupvpn_policy_client.h"

#define TIMEOUT 300 /* ms */
#define PATIENCE 5000
#define RESULTS_MAX 512

static char path[64];
static int listener = -1;
static groupvpn_policy_client_t *client;

/* What the client has told, in its order. */
static struct {
	uint64_t id;
	char subject[64];
	groupvpn_policy_result_t result;
	struct policy_answer answer;
	char why[GV_TEXT_MAX + 1];
} results[RESULTS_MAX];
static unsigned int count;
static char recheck[64];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t told = PTHREAD_COND_INITIALIZER;

static void answered(void *data, char *server, uint64_t id, char *subject,
		     groupvpn_policy_result_t result,
		     struct policy_answer *answer, const char *why)
{
	assert_string_equal(server, path);
	pthread_mutex_lock(&mutex);
	if (count < RESULTS_MAX) {
		results[count].id = id;
		snprintf(results[count].subject, sizeof(results[0].subject),
			 "%s", subject);
		results[count].result = result;
		if (answer)
			results[count].answer = *answer;
		snprintf(results[count].why, sizeof(results[0].why), "%s",
			 why ? why : "");
		count++;
	}
	pthread_cond_broadcast(&told);
	pthread_mutex_unlock(&mutex);
}

static void wants_recheck(void *data, char *group)
{
	pthread_mutex_lock(&mutex);
	snprintf(recheck, sizeof(recheck), "<%s>", group);
	pthread_cond_broadcast(&told);
	pthread_mutex_unlock(&mutex);
}

static struct timespec in_ms(long ms)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += ms % 1000 * 1000000;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	return t;
}

/* Waits until n results have been told in all. */
static void wait_results(unsigned int n)
{
	struct timespec until = in_ms(PATIENCE);

	pthread_mutex_lock(&mutex);
	while (count < n)
		if (pthread_cond_timedwait(&told, &mutex, &until))
			break;
	pthread_mutex_unlock(&mutex);
	assert_int_equal(count, n);
}

static void assert_result(unsigned int i, const char *subject,
			  groupvpn_policy_result_t result)
{
	assert_string_equal(results[i].subject, subject);
	assert_int_equal(results[i].result, result);
}

/* --- the server --- */

static void server_listen(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	unlink(path);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof(addr)),
			 0);
	assert_int_equal(listen(listener, 5), 0);
}

static int server_accept(void)
{
	struct pollfd fd = {.fd = listener, .events = POLLIN};
	int conn;

	assert_int_equal(poll(&fd, 1, PATIENCE), 1);
	conn = accept(listener, NULL, NULL);
	assert_true(conn >= 0);
	return conn;
}

/* The ID of the next question. */
static unsigned long long server_read(int conn)
{
	struct pollfd fd = {.fd = conn, .events = POLLIN};
	char line[POLICY_LINE_MAX], *id;
	size_t len = 0;

	do {
		assert_int_equal(poll(&fd, 1, PATIENCE), 1);
		assert_int_equal(read(conn, line + len, 1), 1);
	} while (line[len++] != '\n');
	line[len] = '\0';
	id = strstr(line, "\"id\":");
	assert_non_null(id);
	return strtoull(id + 5, NULL, 10);
}

/* The connection that a question comes by, after others that may break. */
static int server_find(unsigned long long id)
{
	char line[POLICY_LINE_MAX], want[32];
	FILE *stream;
	int conn;

	snprintf(want, sizeof(want), "\"id\":%llu,", id);
	for (;;) {
		conn = server_accept();
		stream = fdopen(dup(conn), "r");
		while (fgets(line, sizeof(line), stream)) {
			if (!strstr(line, want))
				continue;
			fclose(stream);
			return conn;
		}
		fclose(stream);
		close(conn);
	}
}

static void server_say(int conn, const char *text)
{
	assert_int_equal(send(conn, text, strlen(text), MSG_NOSIGNAL),
			 strlen(text));
}

static void server_allow(int conn, unsigned long long id)
{
	char line[100];

	snprintf(line, sizeof(line), "{\"id\":%llu,\"allow\":true}\n", id);
	server_say(conn, line);
}

static void ask(const char *name)
{
	assert_true(client->ask(client, "join", "192.0.2.1", (char *)name));
}

static int setup(void **state)
{
	groupvpn_policy_client_cb_t cb = {
		.answered = answered,
		.recheck = wants_recheck,
	};

	count = 0;
	*recheck = '\0';
	client = groupvpn_policy_client_create(path, TIMEOUT, &cb);
	return client ? 0 : -1;
}

static int teardown(void **state)
{
	client->destroy(client);
	if (listener >= 0)
		close(listener);
	listener = -1;
	unlink(path);
	return 0;
}

/* --- tests --- */

static void in_any_order(void **state)
{
	unsigned long long a, b, c;
	int conn;

	server_listen();
	ask("\"a\":1}");
	ask("\"b\":1}");
	ask("\"c\":1}");
	conn = server_accept();
	a = server_read(conn);
	b = server_read(conn);
	c = server_read(conn);
	assert_true(a && a < b && b < c);
	server_allow(conn, c);
	server_allow(conn, a);
	server_allow(conn, 12345); /* nobody's */
	server_say(conn, "{\"recheck\":\"blue\"}\n{\"id\":");
	server_allow(conn, b); /* makes the line not valid, for all open */
	wait_results(3);
	assert_result(0, "\"c\":1}", GROUPVPN_POLICY_ANSWERED);
	assert_true(results[0].answer.allow);
	assert_int_equal(results[0].id, c);
	assert_int_equal(results[1].id, a);
	assert_result(1, "\"a\":1}", GROUPVPN_POLICY_ANSWERED);
	assert_result(2, "\"b\":1}", GROUPVPN_POLICY_MALFORMED);
	assert_string_equal(recheck, "<blue>");
	close(conn);
}

static void nobody_listens(void **state)
{
	ask("\"a\":1}");
	wait_results(1);
	assert_result(0, "\"a\":1}", GROUPVPN_POLICY_FAILED);
	assert_non_null(strstr(results[0].why, "No such file"));
	/* not tried again at once */
	server_listen();
	ask("\"b\":1}");
	wait_results(2);
	assert_result(1, "\"b\":1}", GROUPVPN_POLICY_FAILED);
}

static void late_answers_count(void **state)
{
	unsigned long long id;
	int conn;

	server_listen();
	ask("\"a\":1}");
	conn = server_accept();
	id = server_read(conn);
	wait_results(1);
	assert_result(0, "\"a\":1}", GROUPVPN_POLICY_FAILED);
	assert_non_null(strstr(results[0].why, "within 300 ms"));
	server_allow(conn, id);
	server_allow(conn, id); /* once only */
	wait_results(2);
	assert_result(1, "\"a\":1}", GROUPVPN_POLICY_LATE);
	ask("\"b\":1}");
	server_allow(conn, server_read(conn));
	wait_results(3);
	assert_result(2, "\"b\":1}", GROUPVPN_POLICY_ANSWERED);
	close(conn);
}

/* One that was restarted is asked once more, one that closes again is not. */
static void broken_connections(void **state)
{
	int conn;

	server_listen();
	ask("\"a\":1}");
	conn = server_accept();
	server_allow(conn, server_read(conn));
	wait_results(1);
	ask("\"b\":1}");
	server_read(conn);
	close(conn);
	conn = server_accept();
	server_allow(conn, server_read(conn));
	wait_results(2);
	assert_result(1, "\"b\":1}", GROUPVPN_POLICY_ANSWERED);
	ask("\"c\":1}");
	server_read(conn);
	close(conn);
	conn = server_accept();
	server_read(conn);
	close(conn);
	wait_results(3);
	assert_result(2, "\"c\":1}", GROUPVPN_POLICY_FAILED);
}

static void not_valid(void **state)
{
	char *large = malloc(2 * POLICY_LINE_MAX);
	unsigned long long id;
	char line[100];
	int conn;

	server_listen();
	ask("\"a\":1}");
	ask("\"b\":1}");
	conn = server_accept();
	id = server_read(conn);
	snprintf(line, sizeof(line), "{\"id\":%llu,\"allow\":1}\n", id);
	server_say(conn, line);
	server_allow(conn,
		     server_read(conn)); /* the connection is still good */
	wait_results(2);
	assert_result(0, "\"a\":1}", GROUPVPN_POLICY_MALFORMED);
	assert_result(1, "\"b\":1}", GROUPVPN_POLICY_ANSWERED);

	ask("\"c\":1}");
	server_read(conn);
	memset(large, 'x', 2 * POLICY_LINE_MAX);
	send(conn, large, 2 * POLICY_LINE_MAX, MSG_NOSIGNAL);
	wait_results(3);
	assert_result(2, "\"c\":1}", GROUPVPN_POLICY_MALFORMED);
	close(conn);
	free(large);
}

/* Many at once to a server that reads slowly. */
static void many(void **state)
{
	char subject[32];
	int conn;

	server_listen();
	for (int i = 0; i < RESULTS_MAX / 2; i++) {
		snprintf(subject, sizeof(subject), "\"%d\":1}", i);
		ask(subject);
	}
	conn = server_accept();
	usleep(2 * TIMEOUT * 1000);
	wait_results(RESULTS_MAX / 2);
	for (int i = 0; i < RESULTS_MAX / 2; i++)
		server_allow(conn, server_read(conn));
	wait_results(RESULTS_MAX);
	for (int i = 0; i < RESULTS_MAX / 2; i++) {
		assert_int_equal(results[i].result, GROUPVPN_POLICY_FAILED);
		assert_int_equal(results[RESULTS_MAX / 2 + i].result,
				 GROUPVPN_POLICY_LATE);
	}
	close(conn);
}

/* A server that does not read at all does not hold up a new one. */
static void not_read(void **state)
{
	enum { SIZE = 8000, COUNT = 200 };
	char *large = malloc(SIZE + 1);
	int stuck, conn;

	memset(large, 'x', SIZE);
	memcpy(large, "\"", 1);
	memcpy(large + SIZE - 4, "\":1}", 5);
	server_listen();
	for (int i = 0; i < COUNT; i++)
		ask(large);
	stuck = server_accept();
	wait_results(COUNT);
	ask("\"b\":1}");
	conn = server_find(COUNT + 1);
	server_allow(conn, COUNT + 1);
	wait_results(COUNT + 1);
	assert_result(COUNT, "\"b\":1}", GROUPVPN_POLICY_ANSWERED);
	close(conn);
	close(stuck);
	free(large);
}

static void destroyed_meanwhile(void **state)
{
	int conn;

	server_listen();
	ask("\"a\":1}");
	conn = server_accept();
	server_read(conn);
	close(conn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(in_any_order, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_listens, setup,
						teardown),
		cmocka_unit_test_setup_teardown(late_answers_count, setup,
						teardown),
		cmocka_unit_test_setup_teardown(broken_connections, setup,
						teardown),
		cmocka_unit_test_setup_teardown(not_valid, setup, teardown),
		cmocka_unit_test_setup_teardown(many, setup, teardown),
		cmocka_unit_test_setup_teardown(not_read, setup, teardown),
		cmocka_unit_test_setup_teardown(destroyed_meanwhile, setup,
						teardown),
	};
	int failed;

	library_init(NULL, "test_policy_client");
	snprintf(path, sizeof(path), "/tmp/gv-policy-%d", getpid());
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	library_deinit();
	return failed;
}
