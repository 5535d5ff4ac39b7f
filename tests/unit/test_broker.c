/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/test_broker.c - what a worker may have of the session broker, and what the program
 * that answers may have the guard believe. The guard is the real one, with processes of this test
 * for the worker and for the program.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth/guard.h"
#include "auth/state.h"
#include "base/log.h"
#include "base/rpc.h"

static char log_text[8192], program[4200];

/* ---- the program: says what the profile's name asks it to, and then what it has been told ---- */

__attribute__((constructor)) static void answer(int argc, char *argv[])
{
	static struct x2go_start start;
	static struct x2go_login login;
	struct x2go_verdict verdict = {.kind = X2GO_DENIED, .reason = "it says so"};

	if (argc != 2 || strcmp(argv[1], "--answer") != 0)
		return;
	if (recv(0, &start, sizeof(start), 0) != sizeof(start))
		_exit(1);
	if (strcmp(start.request.sid, "grant") == 0)
		verdict = (struct x2go_verdict){.kind = X2GO_GRANTED};
	if (strcmp(start.request.sid, "login") == 0)
		verdict = (struct x2go_verdict){.kind = X2GO_LOGIN};
	if (send(0, &verdict, sizeof(verdict), 0) < 0 ||
	    recv(0, &login, sizeof(login), 0) != sizeof(login))
		_exit(1);
	dprintf(1, "user '%s' rows '%s' address '%s' place '%s' password %s\n", login.user,
	        login.rows, start.address, start.place, login.password_changed ? "new" : login.why);
	_exit(0);
}

static void remove_program(void)
{
	(void)unlink(program);
}

/* Beside this one, where the guard looks for it. */
static void make_program(void)
{
	char self[4096], *slash;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (program[0])
		return;
	CHECK(n > 0);
	self[n] = '\0';
	slash = strrchr(self, '/');
	snprintf(program, sizeof(program), "%.*s/xproxy-x2gobroker", (int)(slash - self), self);
	(void)unlink(program);
	CHECK(symlink(slash + 1, program) == 0 && atexit(remove_program) == 0);
}

/* ---- the worker ---- */

static void hear(int fd, int log_fd)
{
	char text[1024];
	struct rpc m;
	ssize_t n;
	int answer_fd = -1;

	if (rpc_receive(fd, &m, &answer_fd) < 0)
		return;
	if (m.type == RPC_REFUSED)
		dprintf(log_fd, "worker: refused: %s\n", m.refused.reason);
	else if (m.type != RPC_OPENED)
		dprintf(log_fd, "worker: %s\n",
		        m.type == RPC_BROKER                                 ? "log in"
		        : m.type == RPC_STEP && m.step.kind == STEP_ACCEPTED ? "accepted"
		                                                             : "?");
	while (answer_fd >= 0 && (n = read(answer_fd, text, sizeof(text))) > 0)
		dprintf(log_fd, "worker: answer: %.*s", (int)n, text);
}

static _Noreturn void run_guard(const struct config *config, const struct peer *peer,
                                const struct rpc *messages, size_t n, int log_fd)
{
	struct stats *stats = stats_map();
	int fds[2];
	pid_t worker;

	if (!stats || rpc_pair(fds) < 0 || (worker = fork()) < 0)
		_exit(99);
	if (worker == 0) {
		close(fds[0]);
		for (size_t i = 0; i < n; i++) {
			(void)rpc_send(fds[1], &messages[i], -1);
			if (messages[i].type != RPC_END)
				hear(fds[1], log_fd);
		}
		_exit(0);
	}
	close(fds[1]);
	log_open_fds("test", -1, -1, log_fd);
	_exit(guard_run(config, peer, stats, fds[0], -1, worker));
}

static void configure(struct config *config, const char *module)
{
	struct passwd *pw = geteuid() == 0 ? getpwnam("nobody") : getpwuid(geteuid());
	char text[600], err[CONFIG_ERROR_MAX];

	CHECK(pw);
	CHECK_EQ(config_defaults(config), 0);
	snprintf(text, sizeof(text), "Auth.Module=%s", module);
	CHECK_EQ(config_override(config, text, err), 0);
	CHECK_EQ(config_override(config, "Limits.MaxFailures=0", err), 0);
	CHECK_EQ(config_override(config, "X2Go.Profiles=/nothing", err), 0);
	CHECK_EQ(config_override(config, "X2Go.PasswordChange=yes", err), 0);
	snprintf(text, sizeof(text), "X2Go.User=%s", pw->pw_name);
	CHECK_EQ(config_override(config, text, err), 0);
}

/* The guard's exit code, with what it and the worker have seen in log_text. */
static int tell_of(const char *module, const struct peer *peer, const struct rpc *messages,
                   size_t n)
{
	struct config config = {0};
	int log_fds[2], status;
	size_t len = 0;
	ssize_t got;
	pid_t pid;

	make_program();
	configure(&config, module);
	CHECK_EQ(pipe(log_fds), 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		run_guard(&config, peer, messages, n, log_fds[1]);
	close(log_fds[1]);
	while ((got = read(log_fds[0], log_text + len, sizeof(log_text) - 1 - len)) > 0)
		len += (size_t)got;
	log_text[len] = '\0';
	close(log_fds[0]);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	config_free(&config);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static const struct rpc end = {.type = RPC_END, .end = {"request", "that is all", 0}},
			go = {.type = RPC_BROKER, .broker.go = 1};
static struct peer client = {.text = "192.0.2.1:5000", .address = "192.0.2.1"};

static struct rpc ask(enum x2go_task task, const char *verdict)
{
	struct rpc m = {.type = RPC_BROKER};

	m.broker.request.task = task;
	snprintf(m.broker.request.user, sizeof(m.broker.request.user), "bob");
	snprintf(m.broker.request.sid, sizeof(m.broker.request.sid), "%s", verdict);
	snprintf(m.broker.request.address, sizeof(m.broker.request.address), "198.51.100.7");
	return m;
}

static struct rpc login_as(const char *user)
{
	struct rpc m = {.type = RPC_LOGIN};

	snprintf(m.login.username, sizeof(m.login.username), "%s", user);
	return m;
}

#define TELL(...)                                                          \
	tell_of("none", &client, ((const struct rpc[]){__VA_ARGS__, end}), \
	        ARRAY_SIZE(((const struct rpc[]){__VA_ARGS__, end})))
#define IS_VIOLATION(...)                                        \
	do {                                                     \
		CHECK_EQ(TELL(__VA_ARGS__), 1);                  \
		CHECK(strstr(log_text, "not due or malformed")); \
		CHECK(!strstr(log_text, "worker: answer"));      \
	} while (0)

static bool saw(const char *text)
{
	if (!strstr(log_text, text))
		fprintf(stderr, "%s", log_text);
	return strstr(log_text, text);
}

TEST(in_order)
{
	CHECK_EQ(TELL(ask(X2GO_LIST, "grant")), 0);
	CHECK(saw("worker: answer: user 'bob' rows '' address '192.0.2.1' place '192.0.2.1'"));
	CHECK_EQ(TELL(ask(X2GO_LIST, "login"), login_as("bob"), go), 0);
	CHECK(saw("worker: log in\nworker: accepted\n"));
	CHECK(saw("worker: answer: user 'bob'"));
	CHECK_EQ(TELL(ask(X2GO_LIST, "deny")), 0);
	CHECK(saw("worker: refused: authentication failed\n"));
	CHECK(saw("it says so") && !strstr(log_text, "worker: answer"));
}

/* It is who has logged in, whoever was asked for. */
TEST(somebody_else)
{
	CHECK_EQ(TELL(ask(X2GO_LIST, "login"), login_as("carol"), go), 0);
	CHECK(saw("worker: answer: user 'carol'"));
}

/* Whom an answer could not name. */
TEST(no_name)
{
	static const char *const names[] = {"b\xf6hm", "\xc0\xaf", "bob\n#1", "bob\x7f"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		CHECK_EQ(TELL(ask(X2GO_LIST, "login"), login_as(names[i]), go), 0);
		CHECK(saw("a name has to be UTF-8"));
		CHECK(saw("worker: refused: authentication failed\n"));
		CHECK(!strstr(log_text, "worker: answer"));
	}
	CHECK_EQ(TELL(ask(X2GO_LIST, "login"), login_as("b\xc3\xb6hm"), go), 0);
	CHECK(saw("worker: answer: user 'b\xc3\xb6hm'"));
}

TEST(out_of_order)
{
	struct rpc session = {.type = RPC_SESSION}, list = {.type = RPC_LIST};

	IS_VIOLATION(go);
	IS_VIOLATION(ask(X2GO_LIST, "login"), go);
	IS_VIOLATION(ask(X2GO_LIST, "login"), ask(X2GO_LIST, "grant"));
	IS_VIOLATION(login_as("bob"), ask(X2GO_LIST, "grant"));
	IS_VIOLATION(login_as("bob"), go);
	/* Who asks for the broker gets it, or nothing. */
	IS_VIOLATION(ask(X2GO_LIST, "login"), login_as("bob"), session);
	IS_VIOLATION(ask(X2GO_LIST, "login"), login_as("bob"), list);
	IS_VIOLATION(ask(X2GO_LIST, "login"), login_as("bob"), ask(X2GO_LIST, "grant"));
	IS_VIOLATION(ask(X2GO_LIST, "deny"), login_as("bob"));
	IS_VIOLATION(ask(X2GO_LIST, "deny"), ask(X2GO_LIST, "grant"));
	/* Only once. */
	CHECK_EQ(TELL(ask(X2GO_LIST, "grant"), ask(X2GO_LIST, "grant")), 1);
	CHECK(saw("not due or malformed"));
	CHECK_EQ(TELL(ask(X2GO_LIST, "login"), login_as("bob"), go, go), 1);
	CHECK(saw("not due or malformed"));
}

TEST(malformed)
{
	struct rpc m = ask(X2GO_TASK_MAX_, "grant");

	IS_VIOLATION(m);
	m = ask(X2GO_LIST, "grant");
	m.broker.request.frontend = X2GO_FRONTEND_MAX_;
	IS_VIOLATION(m);
	m = ask(X2GO_LIST, "grant");
	memset(m.broker.request.os, 'x', sizeof(m.broker.request.os));
	IS_VIOLATION(m);
	for (const char *c = "\n\r\x1b\x7f\x01"; *c; c++) {
		m = ask(X2GO_LIST, "grant");
		m.broker.request.event[3] = *c; /* behind the end as well */
		IS_VIOLATION(m);
		m = ask(X2GO_LIST, "grant");
		m.broker.request.task_name[0] = *c;
		IS_VIOLATION(m);
		m = ask(X2GO_LIST, "grant");
		m.broker.request.os[0] = *c;
		IS_VIOLATION(m);
	}
}

/* The program is no user's judge: not of who may change a password. */
TEST(password_takes_a_login)
{
	struct rpc m = ask(X2GO_SETPASS, "grant");

	snprintf(m.broker.password, sizeof(m.broker.password), "old");
	snprintf(m.broker.new_password, sizeof(m.broker.new_password), "new");
	CHECK_EQ(TELL(m), 0);
	CHECK(saw("a password is not changed without a login"));
	CHECK(saw("worker: refused: internal error") && !strstr(log_text, "worker: answer"));
	m.broker.request.frontend = X2GO_PUBKEYS;
	CHECK_EQ(TELL(m), 0);
	CHECK(!strstr(log_text, "worker: answer"));
	CHECK_EQ(TELL(ask(X2GO_SETPASS, "login"), login_as("nobody-there"), go), 0);
	CHECK(saw("worker: answer: user 'nobody-there'") && saw("an empty name or password"));
}

/* A user of this machine may say where they are, if that is an address. */
TEST(by_way_of_sshd)
{
	struct rpc m = ask(X2GO_LIST, "grant");
	const struct rpc messages[] = {m, end};
	struct peer local = {.text = "unix uid 1234", .local_unix = true, .uid = 1234};
	struct rpc odd[] = {m, end};
	static const char *const none[] = {"x' (password)", "10.0.0.0/8", "unix", "::1/128", ""};

	CHECK_EQ(tell_of("none", &local, messages, 2), 0);
	CHECK(saw("address '198.51.100.7' place 'uid 1234'"));
	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		snprintf(odd[0].broker.request.address, sizeof(odd[0].broker.request.address), "%s",
		         none[i]);
		CHECK_EQ(tell_of("none", &local, odd, 2), 0);
		CHECK(saw("address '' place 'uid 1234'"));
	}
	local = (struct peer){.text = "vsock:3:1", .address = "3"};
	CHECK_EQ(tell_of("none", &local, messages, 2), 0);
	CHECK(saw("address '3' place '3'"));
}

/* Of the user's record, what is for it: the rest has passwords. */
TEST(rows)
{
	char path[] = "/tmp/test-broker-XXXXXX", module[64];
	const struct rpc messages[] = {ask(X2GO_LIST, "grant"), end};
	const struct rpc event[] = {ask(X2GO_EVENT, "grant"), end};
	int fd = mkstemp(path);

	CHECK(fd >= 0);
	CHECK(dprintf(fd, "bob|pw|65534|65534|tcp://u:secret@h:1/,one=x2go://srv/MATE,:10, "
	                  "x2go://two?name=b||\n") > 0);
	close(fd);
	snprintf(module, sizeof(module), "multifile(filename=%s)", path);
	CHECK_EQ(tell_of(module, &client, messages, 2), 0);
	CHECK(saw("rows 'one=x2go://srv/MATE, x2go://two?name=b' address"));
	CHECK_EQ(tell_of(module, &client, event, 2), 0);
	CHECK(saw("rows '' address"));
	CHECK_EQ(unlink(path), 0);
}
