/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/log.c - the journal's native protocol, or lines on stderr.
 *
 * Runs in the guard and in xproxyctl. A record is NAME=value lines in one datagram
 * (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/). Values never hold a newline, since control
 * characters are escaped, so the protocol's binary form is not needed. After log_open() it needs
 * sendto() and write() only.
 */
#include "base/log.h"
#include "base/macros.h"

#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define FIELD_MAX 1024 /* bytes of an escaped field */

/* Made with `systemd-id128 new`; also in units/xproxy.catalog. Never change one. */
static const struct {
	const char *name, *message_id;
} events[] = {
	[LOG_EVENT_NONE] = {NULL, NULL},
	[LOG_EVENT_LOGIN] = {"login", "d33155e5520a462f945f040781b44902"},
	[LOG_EVENT_END] = {"end", "652aa4a1e5244aa98b53125a18887515"},
	[LOG_EVENT_REFUSED] = {"refused", "30586a8910564a818831c85463e01aa1"},
	[LOG_EVENT_CONFIG] = {"config", "7f6437eafb9b483d85d143924cd15dc7"},
	[LOG_EVENT_PENALTY] = {"penalty", "72a00190ef874c4eaaf0023de0f41ce9"},
	[LOG_EVENT_VIOLATION] = {"violation", "4d529e1de7934636946d944c83e18436"},
};

static struct {
	const char *name;
	char pid[12]; /* text; asking again later would need a system call */
	int journal_fd, notify_fd, stderr_fd;
	bool user; /* stderr is for a person: what is not to be missed, beside the journal */
} to = {"xproxy", "0", -1, -1, -1, false};

struct record {
	size_t len;
	char data[LOG_RECORD_MAX];
};

/* ---- escaping ---- */

/* The length of the character at p[0..n) and its code in *ret; 0: not valid UTF-8. */
static size_t utf8_char(const unsigned char *p, size_t n, uint32_t *ret)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = p[0] < 0x80           ? 1
	             : (p[0] >> 5) == 0x06 ? 2
	             : (p[0] >> 4) == 0x0e ? 3
	             : (p[0] >> 3) == 0x1e ? 4
	                                   : 0;
	uint32_t c;

	if (len == 0 || len > n)
		return 0;
	c = len == 1 ? p[0] : p[0] & (0x7fU >> len);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*ret = c;
	return len;
}

/* What could end a line, move a cursor or make a line read differently from what it is. */
static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* As log_escape(); quotes: escape quotes and backslashes too. Returns the length. */
static size_t escape(const char *text, size_t len, bool quotes, char *buf, size_t size)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *p = (const unsigned char *)text, *end = p + len;
	size_t out = 0, cut = 0, room = size - 1;

	while (p < end) {
		uint32_t c = 0;
		size_t n = utf8_char(p, (size_t)(end - p), &c);
		bool plain = n > 0 && !is_control(c) &&
		             !(quotes && (c == '"' || c == '\'' || c == '\\'));
		size_t need = plain ? n : 4 * (n ? n : 1);

		if (out + 3 <= room)
			cut = out;
		if (out + need > room) {
			for (out = cut; out < room && out < cut + 3;)
				buf[out++] = '.';
			break;
		}
		for (size_t left = n ? n : 1; left > 0; left--, p++) {
			if (plain) {
				buf[out++] = (char)*p;
				continue;
			}
			buf[out++] = '\\';
			buf[out++] = 'x';
			buf[out++] = hex[*p >> 4];
			buf[out++] = hex[*p & 15];
		}
	}
	buf[out] = '\0';
	return out;
}

const char *log_escape(const char *text, size_t len, char *buf, size_t size)
{
	escape(text, len, true, buf, size);
	return buf;
}

/* ---- one line, to where it belongs ---- */

/* Adds NAME=value, cut to max bytes and to what fits. */
static void put(struct record *r, const char *name, const char *value, size_t max, bool quotes)
{
	size_t name_len = strlen(name), room = sizeof(r->data) - r->len;

	if (room < name_len + 16)
		return;
	room -= name_len + 1; /* '='; the newline takes the place of the zero byte */
	memcpy(r->data + r->len, name, name_len);
	r->len += name_len;
	r->data[r->len++] = '=';
	r->len += escape(value, strlen(value), quotes, r->data + r->len,
	                 room < max + 1 ? room : max + 1);
	r->data[r->len++] = '\n';
}

static void to_journal(int priority, enum log_event event, const struct log_field *fields, size_t n,
                       const char *text)
{
	const char priority_text[] = {(char)('0' + LOG_PRI(priority)), '\0'};
	struct record r;

	r.len = 0;
	put(&r, "PRIORITY", priority_text, FIELD_MAX, true);
	put(&r, "SYSLOG_IDENTIFIER", to.name, FIELD_MAX, true);
	put(&r, "SYSLOG_PID", to.pid, FIELD_MAX, true);
	if (events[event].name) {
		put(&r, "MESSAGE_ID", events[event].message_id, FIELD_MAX, true);
		put(&r, "XPROXY_EVENT", events[event].name, FIELD_MAX, true);
	}
	put(&r, "MESSAGE", text, LOG_RECORD_MAX / 2, false);
	for (size_t i = 0; i < n; i++)
		if (fields[i].value)
			put(&r, fields[i].name, fields[i].value, FIELD_MAX, true);
	(void)send(to.journal_fd, r.data, r.len, MSG_NOSIGNAL);
}

static void to_stderr(const char *text)
{
	char line[PIPE_BUF]; /* so that lines of several processes do not mix in a pipe */
	int n = snprintf(line, sizeof(line) / 2, "%s[%s]: ", to.name, to.pid);
	size_t len;

	if (n < 0 || (size_t)n >= sizeof(line) / 2)
		return;
	len = (size_t)n + escape(text, strlen(text), false, line + n, sizeof(line) - (size_t)n);
	line[len++] = '\n';
	if (write(to.stderr_fd, line, len) < 0)
		return; /* there is nobody left to tell */
}

__attribute__((format(printf, 5, 0))) static void log_valist(int priority, enum log_event event,
                                                             const struct log_field *fields,
                                                             size_t n, const char *fmt, va_list ap)
{
	int saved_errno = errno;
	char text[LOG_MESSAGE_MAX];
	int len;

	if (to.journal_fd >= 0 || to.stderr_fd >= 0) {
		len = vsnprintf(text, sizeof(text), fmt, ap);
		if (len < 0)
			text[0] = '\0';
		if (len >= (int)sizeof(text))
			memcpy(text + sizeof(text) - 4, "...", 4);
		if (to.journal_fd >= 0)
			to_journal(priority, event, fields, n, text);
		if (to.stderr_fd >= 0 && (to.user ? priority <= LOG_NOTICE : to.journal_fd < 0))
			to_stderr(text);
	}
	errno = saved_errno;
}

void log_message(int priority, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_valist(priority, LOG_EVENT_NONE, NULL, 0, fmt, ap);
	va_end(ap);
}

void log_record(int priority, enum log_event event, const struct log_field *fields, size_t n,
                const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_valist(priority, event, fields, n, fmt, ap);
	va_end(ap);
}

void log_notify(const char *state)
{
	int saved_errno = errno;

	if (to.notify_fd >= 0)
		(void)send(to.notify_fd, state, strlen(state), MSG_NOSIGNAL);
	errno = saved_errno;
}

/* ---- where to ---- */

/* Whether stderr is the stream that systemd made for us: JOURNAL_STREAM is its "device:inode". */
static bool is_journal(const struct stat *st)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char expected[48];

	snprintf(expected, sizeof(expected), "%ju:%ju", (uintmax_t)st->st_dev,
	         (uintmax_t)st->st_ino);
	return stream && strcmp(stream, expected) == 0;
}

/* A datagram socket connected to a path or, with '@' first, an abstract name; -1: no. */
static int connect_datagram(const char *path)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	const struct timeval patience = {.tv_sec = 1}; /* a stuck reader must not stop us */
	size_t len = path ? strlen(path) : 0;

	if (len < 2 || len >= sizeof(sa.sun_path) || (path[0] != '/' && path[0] != '@'))
		return -1;
	memcpy(sa.sun_path, path, len);
	if (path[0] == '@')
		sa.sun_path[0] = '\0';
	else
		len++; /* its zero byte */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&sa,
	                      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	return take_fd(&fd);
}

const char *log_message_id(enum log_event event)
{
	return events[event].message_id;
}

void log_open(const char *name, int connection_fd)
{
	struct stat st, connection;
	bool usable = fstat(STDERR_FILENO, &st) == 0;
	int journal_fd;

	/* A terminal may well be both; only a socket can be a peer. */
	if (usable && S_ISSOCK(st.st_mode) && connection_fd >= 0 &&
	    fstat(connection_fd, &connection) == 0 && connection.st_dev == st.st_dev &&
	    connection.st_ino == st.st_ino)
		usable = false;
	journal_fd = usable && is_journal(&st) ? connect_datagram(JOURNAL_SOCKET) : -1;
	log_open_fds(name, journal_fd, connect_datagram(getenv("NOTIFY_SOCKET")),
	             usable ? STDERR_FILENO : -1);
}

void log_open_user(const char *name)
{
	log_open_fds(name, connect_datagram(JOURNAL_SOCKET), -1, STDERR_FILENO);
	to.user = true;
}

void log_open_fds(const char *name, int journal_fd, int notify_fd, int stderr_fd)
{
	log_close();
	to.name = name;
	to.journal_fd = journal_fd;
	to.notify_fd = notify_fd;
	to.stderr_fd = stderr_fd;
	snprintf(to.pid, sizeof(to.pid), "%d", (int)getpid());
}

void log_close(void)
{
	cleanup_close_fd(&to.journal_fd);
	cleanup_close_fd(&to.notify_fd);
	to.journal_fd = to.notify_fd = to.stderr_fd = -1;
	to.user = false;
}

void log_settle(void)
{
	const struct timespec msec = {.tv_nsec = 1000000};
	int unread = 1;

	for (int i = 0; i < 20 && unread > 0; i++) {
		if (to.journal_fd < 0 || ioctl(to.journal_fd, SIOCOUTQ, &unread) < 0)
			return;
		(void)nanosleep(&msec, NULL);
	}
}
