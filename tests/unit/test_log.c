/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/test_log.c - escaping, journal records, stderr lines, notifications.
 */
#include "base/log.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char got[2 * LOG_RECORD_MAX];

/* A pair of datagram sockets: the first as the journal would have it. */
static void make_pair(int fds[2])
{
	CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
}

/* The next datagram in got[], NUL-terminated; its length, 0 if there is none. */
static size_t receive(int fd)
{
	ssize_t n = recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT);

	got[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

static bool has_line(const char *line)
{
	size_t len = strlen(line);

	for (const char *p = got; (p = strstr(p, line)); p++)
		if ((p == got || p[-1] == '\n') && p[len] == '\n')
			return true;
	return false;
}

static void check_escape(const char *text, size_t len, size_t size, const char *expected)
{
	char *buf = malloc(size);

	test_note("%s", expected);
	CHECK(log_escape(text, len, buf, size) == buf);
	CHECK_STR(buf, expected);
	free(buf);
}

#define ESCAPE(text, expected) check_escape(text, sizeof(text) - 1, 200, expected)

TEST(escape)
{
	ESCAPE("", "");
	ESCAPE("plain text", "plain text");
	ESCAPE("a\nb\tc\x7f", "a\\x0ab\\x09c\\x7f");
	ESCAPE("\0", "\\x00");
	ESCAPE("\"'\\", "\\x22\\x27\\x5c");
	ESCAPE("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
	ESCAPE("\xff\xfe", "\\xff\\xfe");
	ESCAPE("\xc0\xaf", "\\xc0\\xaf");                   /* overlong */
	ESCAPE("\xed\xa0\x80", "\\xed\\xa0\\x80");          /* surrogate */
	ESCAPE("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* above U+10FFFF */
	ESCAPE("\xe2\x82", "\\xe2\\x82");                   /* cut short */
	ESCAPE("\xe2\x82z", "\\xe2\\x82z");
	ESCAPE("\xc2\x9b\x31m", "\\xc2\\x9b1m");   /* C1: CSI */
	ESCAPE("\xe2\x80\xa8", "\\xe2\\x80\\xa8"); /* line separator */
	ESCAPE("\xe2\x80\xae", "\\xe2\\x80\\xae"); /* right-to-left override */
}

TEST(escape_cuts)
{
	check_escape("abcdef", 6, 7, "abcdef");
	check_escape("abcdef", 6, 6, "ab...");
	check_escape("abcdef", 6, 4, "...");
	check_escape("abcdef", 6, 3, "..");
	check_escape("abcdef", 6, 1, "");
	check_escape("abc\n", 4, 8, "abc\\x0a");
	check_escape("abc\n", 4, 7, "abc...");
	check_escape("\n\n\n", 3, 12, "\\x0a\\x0a...");
	check_escape("\xc3\xa9\xc3\xa9\xc3\xa9", 6, 6, "\xc3\xa9...");
	check_escape("\xc3\xa9\xc3\xa9\xc3\xa9", 6, 5, "...");
	check_escape("", 0, 1, "");
}

/* Whatever goes in: a terminated line of printable text comes out, or "..." at its end. */
static void check_bytes(const uint8_t *data, size_t len)
{
	for (size_t size = 1; size < 60; size += 1 + size / 8) {
		char *buf = malloc(size);
		size_t n;

		log_escape((const char *)data, len, buf, size);
		n = strnlen(buf, size);
		CHECK(n < size);
		for (size_t i = 0; i < n; i++)
			CHECK((uint8_t)buf[i] >= 0x20 && buf[i] != '"' && buf[i] != '\'' &&
			      buf[i] != 0x7f);
		if (n > 3 && n + 4 < size) /* not cut: escaping it again changes backslashes only */
			CHECK(len <= n);
		free(buf);
	}
}

TEST(escape_mutations)
{
	static const char golden[] = "user \"x\"\\\n\t\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\x7f end";

	test_mutate(golden, sizeof(golden) - 1, check_bytes);
}

TEST(journal_record)
{
	const struct log_field fields[] = {
		{"XPROXY_USER", "eve\n\"PRIORITY=0"},
		{"XPROXY_PEER", NULL},
		{"XPROXY_MODULE", "\xc3\xa9"},
	};
	char pid[32];
	int fds[2];

	make_pair(fds);
	log_open_fds("xproxy-conn", fds[0], -1, -1);
	errno = EXDEV;
	log_record(LOG_NOTICE, LOG_EVENT_REFUSED, fields, ARRAY_SIZE(fields), "user \"%s\" \xff\n",
	           "eve\nMESSAGE=x");
	CHECK_EQ(errno, EXDEV);
	CHECK(receive(fds[1]) > 0);
	snprintf(pid, sizeof(pid), "SYSLOG_PID=%d", (int)getpid());
	CHECK(has_line(pid));
	CHECK(has_line("PRIORITY=5"));
	CHECK(has_line("SYSLOG_IDENTIFIER=xproxy-conn"));
	CHECK(has_line("MESSAGE_ID=30586a8910564a818831c85463e01aa1"));
	CHECK(has_line("XPROXY_EVENT=refused"));
	CHECK(has_line("MESSAGE=user \"eve\\x0aMESSAGE=x\" \\xff\\x0a"));
	CHECK(has_line("XPROXY_USER=eve\\x0a\\x22PRIORITY=0"));
	CHECK(has_line("XPROXY_MODULE=\xc3\xa9"));
	CHECK(!strstr(got, "XPROXY_PEER"));

	log_message(LOG_ERR, "remark");
	CHECK(receive(fds[1]) > 0);
	CHECK(has_line("PRIORITY=3") && has_line("MESSAGE=remark"));
	CHECK(!strstr(got, "MESSAGE_ID") && !strstr(got, "XPROXY_EVENT"));
	log_close();
	log_message(LOG_ERR, "nobody hears this");
	CHECK_EQ(receive(fds[1]), 0);
	close(fds[1]);
}

/* What a user's program says: all of it to the journal, on stderr what is not to be missed. */
TEST(user)
{
	int fds[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	CHECK_EQ(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	fflush(stderr);
	CHECK(dup2(fds[1], STDERR_FILENO) >= 0);
	log_open_user("xproxy-conn");
	log_record(LOG_INFO, LOG_EVENT_LOGIN, NULL, 0, "login");
	log_message(LOG_NOTICE, "refused");
	log_close();
	log_message(LOG_ERR, "nobody hears this");
	n = read(fds[0], got, sizeof(got) - 1);
	CHECK(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
	CHECK(n > 0);
	got[n] = '\0';
	CHECK(strstr(got, ": refused\n"));
	CHECK(!strstr(got, "login") && !strstr(got, "hears"));
	close(fds[0]);
	close(fds[1]);
}

TEST(journal_record_is_bounded)
{
	struct log_field fields[20];
	char *value = malloc(5001);
	int fds[2];

	memset(value, '\n', 5000);
	value[5000] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		fields[i] = (struct log_field){"XPROXY_X", value};
	make_pair(fds);
	log_open_fds("xproxy-conn", fds[0], -1, -1);
	log_record(LOG_INFO, LOG_EVENT_END, fields, ARRAY_SIZE(fields), "%s", value);
	CHECK(receive(fds[1]) <= LOG_RECORD_MAX);
	CHECK(strlen(got) > LOG_RECORD_MAX - 64);
	for (char *line = got, *next; *line; line = next) { /* each line is whole */
		next = strchr(line, '\n');
		CHECK(next && memchr(line, '=', (size_t)(next - line)));
		next++;
		if (strncmp(line, "MESSAGE=", 8) == 0)
			CHECK_MEM(next - 4, 3, "...", 3);
	}
	memset(value, 'm', 5000);
	log_message(LOG_INFO, "%s", value);
	CHECK(receive(fds[1]) > LOG_MESSAGE_MAX && strstr(got, "mmm...\n"));
	log_close();
	close(fds[1]);
	free(value);
}

TEST(stderr_line)
{
	char expected[64], *value = malloc(5001);
	int fds[2];
	ssize_t n;

	CHECK_EQ(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	log_open_fds("xproxy-conn", -1, -1, fds[1]);
	log_record(LOG_ERR, LOG_EVENT_CONFIG, NULL, 0, "bad\nthing: %s", "\xc3\xa9\x1b");
	n = read(fds[0], got, sizeof(got));
	CHECK(n > 0);
	got[n] = '\0';
	snprintf(expected, sizeof(expected), "xproxy-conn[%d]: bad\\x0athing: \xc3\xa9\\x1b\n",
	         (int)getpid());
	CHECK_STR(got, expected);
	memset(value, '\1', 5000);
	value[5000] = '\0';
	log_message(LOG_ERR, "%s", value);
	n = read(fds[0], got, sizeof(got));
	CHECK(n > 4000 && n <= 4096 && got[n - 1] == '\n' && got[n - 2] == '.');
	CHECK(read(fds[0], got, sizeof(got)) < 0); /* one write only */
	log_close();
	log_message(LOG_ERR, "nobody hears this");
	CHECK(read(fds[0], got, sizeof(got)) < 0);
	close(fds[0]);
	close(fds[1]);
	free(value);
}

/* A bound datagram socket, where NOTIFY_SOCKET points. */
static int listen_at(const char *name)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	size_t len = strlen(name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(sa.sun_path, name, len);
	if (name[0] == '@')
		sa.sun_path[0] = '\0';
	CHECK_EQ(bind(fd, (struct sockaddr *)&sa,
	              (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (name[0] != '@'))),
	         0);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

TEST(notify)
{
	char path[64], abstract[64];
	const char *const names[] = {path, abstract};

	snprintf(path, sizeof(path), "/tmp/test_log.%d", (int)getpid());
	snprintf(abstract, sizeof(abstract), "@test_log.%d", (int)getpid());
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int fd = listen_at(names[i]);

		test_note("%s", names[i]);
		log_open("xproxy-conn", -1);
		log_notify("READY=1\nSTATUS=on");
		CHECK_EQ(receive(fd), 17);
		CHECK_STR(got, "READY=1\nSTATUS=on");
		log_close();
		log_notify("READY=1");
		CHECK_EQ(receive(fd), 0);
		close(fd);
	}
	unlink(path);
	/* all of these mean: nobody to tell */
	setenv("NOTIFY_SOCKET", path, 1);
	log_open("xproxy-conn", -1);
	log_notify("READY=1");
	setenv("NOTIFY_SOCKET", "relative", 1);
	log_open("xproxy-conn", -1);
	unsetenv("NOTIFY_SOCKET");
	log_open("xproxy-conn", -1);
	log_notify("READY=1");
	log_close();
}

/* log_open() with fd as stderr and JOURNAL_STREAM naming it or not; connection may be fd. */
static void open_with_stderr(int fd, const char *stream, int connection_fd)
{
	int saved = dup(STDERR_FILENO);

	dup2(fd, STDERR_FILENO);
	setenv("JOURNAL_STREAM", stream, 1);
	log_open("xproxy-conn", connection_fd);
	log_message(LOG_INFO, "hello");
	log_close();
	unsetenv("JOURNAL_STREAM");
	dup2(saved, STDERR_FILENO);
	close(saved);
}

TEST(where_to)
{
	int fds[2], other[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, other), 0);
	open_with_stderr(fds[0], "1:2", other[0]);
	CHECK(receive(fds[1]) > 0 && strstr(got, "]: hello\n"));
	open_with_stderr(fds[0], "", fds[0]); /* inetd: stderr is the connection */
	CHECK_EQ(receive(fds[1]), 0);
	for (int i = 0; i < 2; i++) {
		close(fds[i]);
		close(other[i]);
	}

	/* a terminal or pipe may be both */
	CHECK_EQ(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	open_with_stderr(fds[1], "1:2", fds[1]);
	CHECK(read(fds[0], got, sizeof(got)) > 0);
	close(fds[0]);
	close(fds[1]);
}

TEST(catalog_explains_every_event)
{
	static const char *const ids[] = {
		"d33155e5520a462f945f040781b44902", "652aa4a1e5244aa98b53125a18887515",
		"30586a8910564a818831c85463e01aa1", "7f6437eafb9b483d85d143924cd15dc7",
		"72a00190ef874c4eaaf0023de0f41ce9", "4d529e1de7934636946d944c83e18436",
	};
	size_t len;
	char *catalog = (char *)test_load("units/xproxy.catalog", &len), *end;
	int fds[2];

	catalog = realloc(catalog, len + 1);
	catalog[len] = '\0';
	make_pair(fds);
	log_open_fds("xproxy-conn", fds[0], -1, -1);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		char line[64];

		log_record(LOG_INFO, (enum log_event)(i + 1), NULL, 0, "x");
		CHECK(receive(fds[1]) > 0);
		snprintf(line, sizeof(line), "MESSAGE_ID=%s", ids[i]);
		CHECK(has_line(line));
		snprintf(line, sizeof(line), "-- %s\nSubject: ", ids[i]);
		end = strstr(catalog, line);
		CHECK(end && strstr(end, "\nDefined-By: xproxy\n"));
	}
	log_close();
	close(fds[1]);
	free(catalog);
}
