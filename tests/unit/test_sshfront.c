/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What X2Go clients have sshd run, as x2goclient 4.1.2.2 and newer ones write it, and everything
 * else; and what becomes of it: the bytes that reach the broker's socket, and what is printed.
 */
#include "broker/sshfront.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macros.h"
#include "tests/unit/test.h"

#define UUID "5b6a2b2e-3c74-4a3c-9a5c-2f9d2f3e1f00"
#define WRAPPED(command)                                                       \
	"bash -l -c 'echo \"X2GODATABEGIN:" UUID "\"; export "                 \
	"PATH=\"/usr/local/bin:/usr/bin:/bin\";export TERM=\"dumb\"; " command \
	"; echo \"X2GODATAEND:" UUID "\";'"
#define BROKER "/usr/libexec/xproxy-x2gobroker"

static struct sshfront_command c;

static int parse(const char *text)
{
	test_note("%.100s", text);
	memset(&c, 0xee, sizeof(c));
	return sshfront_parse(text, &c);
}

/* words: with a bar between. */
static void is(const char *text, const char *words)
{
	char got[4096] = "";
	size_t n = 0;

	CHECK_EQ(parse(text), 0);
	for (size_t i = 0; i < c.count; i++)
		n += (size_t)snprintf(got + n, sizeof(got) - n, "%s%s", i ? "|" : "", c.words[i]);
	CHECK_STR(got, words);
	CHECK(!c.words[c.count]);
}

static void is_wrapped(const char *text, const char *words)
{
	is(text, words);
	CHECK_STR(c.begin, "X2GODATABEGIN:" UUID);
	CHECK_STR(c.end, "X2GODATAEND:" UUID);
}

static void is_refused(const char *text)
{
	CHECK_EQ(parse(text), -EBADMSG);
}

TEST(first_word_of_clients)
{
	CHECK_EQ(parse("echo \"LOGIN OK\""), 0);
	CHECK_STR(c.begin, "LOGIN OK");
	CHECK_STR(c.end, "");
	CHECK_EQ(c.count, 0);
	CHECK_EQ(parse(" \techo \"LOGIN OK\" \n"), 0);
	CHECK_STR(c.begin, "LOGIN OK");
	is_refused("echo \"LOGIN\"");
	is_refused("echo \"LOGIN OK\"; id");
	is_refused("echo \"LOGIN OK\" x;");
	is_refused("echo \"$(id)\"");
	is("echo 'LOGIN OK'", "echo|LOGIN OK"); /* which the broker then does not know */
}

TEST(commands_of_clients)
{
	is_wrapped(WRAPPED(BROKER " --user root --task listsessions"),
	           BROKER "|--user|root|--task|listsessions");
	is_wrapped(WRAPPED(BROKER " --user root --authid A --task listsessions"),
	           BROKER "|--user|root|--authid|A|--task|listsessions");
	is_wrapped(WRAPPED(BROKER " --user root --task selectsession --sid \"sid1\" --authid A "
	                          "--login root"),
	           BROKER "|--user|root|--task|selectsession|--sid|sid1|--authid|A|--login|root");
	is_wrapped(WRAPPED(BROKER " --user U --authid A --task setpass --newpass N"),
	           BROKER "|--user|U|--authid|A|--task|setpass|--newpass|N");
	is_wrapped(WRAPPED(BROKER " --authid A --task testcon"),
	           BROKER "|--authid|A|--task|testcon");
	is_wrapped(WRAPPED(BROKER " --task testcon"), BROKER "|--task|testcon");
	is_wrapped(WRAPPED(BROKER
	                   " --user U --task clientevent --sid \"bob-50-1_stRxterm_dp24\" --event "
	                   "CONNECTED --server \"127.0.0.1\" --client \"\" --login \"bob\" --cmd "
	                   "\"xterm\" --display \"50\" --start \"20.11.26 07:15:16\" --elapsed 3 "
	                   "--version \"4.1.2.4\" --os linux"),
	           BROKER "|--user|U|--task|clientevent|--sid|bob-50-1_stRxterm_dp24|--event|"
	                  "CONNECTED|--server|127.0.0.1|--client||--login|bob|--cmd|xterm|--display"
	                  "|50|--start|20.11.26 07:15:16|--elapsed|3|--version|4.1.2.4|--os|linux");
	is_wrapped(WRAPPED(BROKER " --task testcon") "\n", BROKER "|--task|testcon");
	is(BROKER " --task testcon", BROKER "|--task|testcon");
	CHECK_STR(c.begin, "");
	CHECK_STR(c.end, "");
}

/* As a shell has it, and nothing is expanded. */
TEST(words)
{
	is("", "");
	is(" \t ", "");
	is("a  b\tc ", "a|b|c");
	is("a ''", "a|");
	is("a'b c'\"d e\"f", "ab cd ef");
	is("a\\ b \\$x \\\\ \\'", "a b|$x|\\|'");
	is("'a\\b' \"a\\\"b\\$c\\`\"", "a\\b|a\"b$c`");
	is("'$(id)' '`id`' ';&|<>()\n'", "$(id)|`id`|;&|<>()\n");
	is("\";&|<>()\n\"", ";&|<>()\n");
	is("* ~ # ! {a,b} a=b", "*|~|#|!|{a,b}|a=b");
	is("a\\", "a\\");
	is_wrapped(WRAPPED("a \";\" b"), "a|;|b");
	is_wrapped(WRAPPED("a \\; b"), "a|;|b");
	is_wrapped(WRAPPED("a \"\\\";\" b"), "a|\";|b");
}

TEST(hostile)
{
	static const char *const texts[] = {
		"a $(id)",
		"a \"$(id)\"",
		"a `id`",
		"a \"`id`\"",
		"a $HOME",
		"a \"$HOME\"",
		"a; id",
		"a & id",
		"a | id",
		"a > f",
		"a < f",
		"(id)",
		"a\nid",
		"a \"",
		"a '",
		"a \"'",
		"'",
		"bash -l -c '",
		"bash -l -c ''",
		"bash -l -c 'id",
		"bash -l -c 'id'",
		"bash -l -c 'id;'",
		"bash -l -c ' ; ; '",
		WRAPPED("id; id"),
		WRAPPED("a $(id)"),
		WRAPPED("a `id`"),
		WRAPPED("a | id"),
		WRAPPED("a && id"),
		WRAPPED("a \"b"),
		WRAPPED("a 'b c'"),
		WRAPPED("a") "; id",
		WRAPPED("a") " id",
		WRAPPED(""),
		WRAPPED("echo \"x\""),
		WRAPPED("echo \"X2GODATABEGIN:2\""),
		WRAPPED("a; echo \"X2GODATAEND:2\""),
		/* One of the marks, or none. */
		"bash -l -c 'a; echo \"X2GODATAEND:1\"'",
		"bash -l -c 'echo \"X2GODATABEGIN:1\"; a'",
		"bash -l -c 'echo \"X2GODATABEGIN:1\"; echo \"X2GODATAEND:1\"'",
		"bash -l -c 'echo \"X2GODATABEGIN:$(id)\"; a; echo \"X2GODATAEND:1\"'",
		"bash -l -c 'echo \"X2GODATABEGIN:1\" id; a; echo \"X2GODATAEND:1\"'",
		"bash -l -c 'exported; echo \"X2GODATABEGIN:1\"; a; echo \"X2GODATAEND:1\"'",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		is_refused(texts[i]);
	/* What is exported is not looked at, and goes nowhere. */
	is_wrapped(WRAPPED("export X=\"$(id)\"; a"), "a");
}

TEST(limits)
{
	char text[SSHFRONT_COMMAND_MAX + 8], *p = text;

	memset(text, 'x', sizeof(text));
	text[SSHFRONT_COMMAND_MAX - 1] = '\0';
	CHECK_EQ(sshfront_parse(text, &c), 0);
	CHECK_EQ(strlen(c.words[0]), SSHFRONT_COMMAND_MAX - 1);
	text[SSHFRONT_COMMAND_MAX - 1] = 'x';
	text[SSHFRONT_COMMAND_MAX] = '\0';
	CHECK_EQ(sshfront_parse(text, &c), -E2BIG);
	for (int i = 0; i < SSHFRONT_WORDS_MAX; i++, p += 2)
		memcpy(p, "a ", 2);
	p[-2] = '\0';
	CHECK_EQ(sshfront_parse(text, &c), 0);
	CHECK_EQ(c.count, SSHFRONT_WORDS_MAX - 1);
	p[-2] = 'a';
	*p = '\0';
	CHECK_EQ(sshfront_parse(text, &c), -E2BIG);
}

/* ---- the broker, as far as it is seen from there ---- */

static char folder[] = "/tmp/test-sshfront-XXXXXX", socket_path[64];
static char asked[8192], printed[200000], complained[4096];

static int listen_there(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", socket_path);
	(void)unlink(socket_path);
	CHECK(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 1) == 0);
	return fd;
}

/* Takes one request, up to the end of its form, and says `reply`. */
static void serve(int listener, const char *reply)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	size_t len = 0, want = sizeof(asked) - 1;

	while (len < want) {
		ssize_t n = read(fd, asked + len, want - len);
		const char *body, *length;

		if (n <= 0)
			break;
		len += (size_t)n;
		asked[len] = '\0';
		body = strstr(asked, "\r\n\r\n");
		length = strstr(asked, "Content-Length: ");
		if (body && length)
			want = (size_t)(body + 4 - asked) + strtoul(length + 16, NULL, 10);
	}
	for (size_t left = strlen(reply); left > 0;) {
		ssize_t n = write(fd, reply + strlen(reply) - left, left);

		if (n <= 0)
			break;
		left -= (size_t)n;
	}
	(void)close(fd);
}

static void read_all(FILE *f, char *ret, size_t size)
{
	size_t n;

	rewind(f);
	n = fread(ret, 1, size - 1, f);
	ret[n] = '\0';
	fclose(f);
}

/* The program's exit code. original: SSH_ORIGINAL_COMMAND; reply: NULL: nobody listens. */
static int run_front(const char *original, const char *reply, int argc, char *argv[])
{
	int status = -1, listener;
	FILE *out = tmpfile(), *err = tmpfile();
	pid_t pid;

	asked[0] = '\0';
	if (!socket_path[0]) {
		CHECK(mkdtemp(folder));
		snprintf(socket_path, sizeof(socket_path), "%s/sock", folder);
	}
	listener = listen_there();
	if (!reply)
		(void)unlink(socket_path);
	pid = fork();
	if (pid == 0) {
		if (original)
			(void)setenv("SSH_ORIGINAL_COMMAND", original, 1);
		else
			(void)unsetenv("SSH_ORIGINAL_COMMAND");
		(void)dup2(fileno(out), 1);
		(void)dup2(fileno(err), 2);
		exit(sshfront_run(argc, argv));
	}
	if (reply && *reply)
		serve(listener, reply);
	CHECK(waitpid(pid, &status, 0) == pid);
	(void)close(listener);
	(void)unlink(socket_path);
	read_all(out, printed, sizeof(printed));
	read_all(err, complained, sizeof(complained));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define RUN(original, reply, ...)                                                             \
	run_front(original, reply,                                                            \
	          (int)ARRAY_SIZE(((char *[]){"x", "--socket", socket_path, ##__VA_ARGS__})), \
	          (char *[]){"x", "--socket", socket_path, ##__VA_ARGS__, NULL})

/* The form, and behind it the user, who is whoever runs this. */
static void asked_is(const char *form)
{
	const struct passwd *pw = getpwuid(geteuid());
	char body[1024], all[2048];
	size_t n;

	CHECK(pw);
	n = (size_t)snprintf(body, sizeof(body), "%s&user=", form);
	for (const char *p = pw->pw_name; *p; p++)
		n += (size_t)snprintf(body + n, sizeof(body) - n, "%%%02X", (unsigned char)*p);
	snprintf(all, sizeof(all),
	         "POST /plain/ HTTP/1.0\r\nContent-Type: "
	         "application/x-www-form-urlencoded\r\nContent-Length: %zu\r\n\r\n%s",
	         n, body);
	CHECK_STR(asked, all);
}

TEST(asks)
{
	(void)setenv("SSH_CLIENT", "192.0.2.7 5000 22", 1);
	CHECK_EQ(run_front(WRAPPED(BROKER " --user b --task testcon"), NULL, 1,
	                   (char *[]){"x", NULL}),
	         2); /* makes the folder; nobody listens at the usual place */
	CHECK_EQ(RUN(WRAPPED(BROKER " --user \"b b\" --task testcon"),
	             "HTTP/1.1 200 OK\r\n\r\nAccess granted\n"),
	         0);
	asked_is("task=%74%65%73%74%63%6F%6E&address=%31%39%32%2E%30%2E%32%2E%37");
	CHECK_STR(printed, "X2GODATABEGIN:" UUID "\nAccess granted\nX2GODATAEND:" UUID "\n");
	CHECK_STR(complained, "");
	(void)unsetenv("SSH_CLIENT");
	CHECK_EQ(RUN(NULL, "HTTP/1.1 200 OK\r\n\r\nx", "--task", "&=%", "--backend", "inifile",
	             "--profile-id", "p"),
	         0);
	asked_is("task=%26%3D%25&sid=%70&address=");
	CHECK_STR(printed, "x");
}

/* A forced command's own options are the administrator's, and the client's are not. */
TEST(socket_is_not_the_clients)
{
	CHECK_EQ(RUN("x --socket /tmp/other --task testcon", ""), 2);
	CHECK(strstr(complained, "unknown option '--socket'"));
	CHECK_STR(printed, "");
	CHECK_EQ(RUN("x --address 192.0.2.1 --task testcon", ""), 2);
	CHECK(strstr(complained, "unknown option '--address'"));
	CHECK_EQ(RUN("x --password p --task testcon", ""), 2);
}

TEST(refuses)
{
	CHECK_EQ(RUN("id; id", ""), 2);
	CHECK(strstr(complained, "this account is for X2Go's session broker only"));
	CHECK_EQ(RUN("x", ""), 2);
	CHECK(strstr(complained, "it is for X2Go clients"));
	CHECK_EQ(RUN("x --task", ""), 2);
	CHECK(strstr(complained, "--task needs a value"));
	CHECK_EQ(RUN("echo \"LOGIN OK\"", ""), 0);
	CHECK_STR(printed, "LOGIN OK\n");
}

/* Nothing on stdout then: x2goclient shows what stderr says. */
TEST(no_answer)
{
	CHECK_EQ(RUN("x --task testcon", NULL), 2);
	CHECK(strstr(complained, "is xproxy-x2go-ssh.socket started?"));
	CHECK_EQ(RUN("x --task testcon", "\r\n\r\n"), 2);
	CHECK_EQ(RUN("x --task testcon", "HTTP/1.1 503 No\r\n\r\nhas failed\n"), 2);
	CHECK_STR(complained, "xproxy-x2gobroker: has failed\n\n");
	CHECK_EQ(RUN("x --task testcon", "HTTP/1.1 200 OK\r\nx"), 2);
	CHECK_STR(printed, "");
	(void)rmdir(folder);
}

TEST(long_answer)
{
	static char reply[180000];
	size_t n = (size_t)snprintf(reply, sizeof(reply), "HTTP/1.1 200 OK\r\n\r\n");

	CHECK(mkdir(folder, 0700) == 0 || errno == EEXIST);
	memset(reply + n, 'y', sizeof(reply) - 1 - n);
	CHECK_EQ(RUN("x --task testcon", reply), 0);
	CHECK_STR(printed, reply + n);
	(void)rmdir(folder);
}
