/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/log.h - lines for people, fields for machines.
 *
 * To the journal (its native datagram protocol) when stderr is the journal's, which is how systemd
 * starts us; else plain lines on stderr; nowhere if stderr is the connection itself (inetd).
 *
 * Untrusted text: field values are escaped here as log_escape() does, so callers pass them as they
 * are. In messages control characters and invalid UTF-8 are escaped here too, so a message is
 * always one line; but only the caller knows which part of it is untrusted: put that part between
 * quotes and through log_escape().
 *
 * After log_open() nothing here allocates, opens or needs more than write() and sendto(); errno is
 * left as it was. Writing to a closed stderr raises SIGPIPE: ignore it.
 */
#pragma once

#include <stddef.h>
#include <syslog.h> /* LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG */

/* One MESSAGE_ID each; units/xproxy.catalog explains them. */
enum log_event {
	LOG_EVENT_NONE,     /* a remark */
	LOG_EVENT_LOGIN,    /* a user is in and connected to a session */
	LOG_EVENT_END,      /* a connection that had been logged in is over */
	LOG_EVENT_REFUSED,  /* a connection was refused: one line each, fail2ban reads it */
	LOG_EVENT_CONFIG,   /* the configuration cannot be used */
	LOG_EVENT_PENALTY,  /* from now on a source is refused, for some time */
	LOG_EVENT_VIOLATION /* a process broke its own rules: killed by the sandbox, bad message */
};

struct log_field {
	const char *name;  /* "XPROXY_USER" */
	const char *value; /* NULL: left out */
};

#define LOG_MESSAGE_MAX 2048 /* bytes of a message; a longer one ends in "..." */
#define LOG_RECORD_MAX \
	8192 /* bytes of a journal record; fields that do not fit are cut or left out */

/* name: "xproxy-conn", kept, not copied. connection_fd: never log into this one (-1: none). Opens
 * the sockets of the journal and of NOTIFY_SOCKET if they are to be used, so that all of this works
 * after nothing can be opened any more. Lines carry the pid of the process that called this. */
void log_open(const char *name, int connection_fd);

/* As a user's program, whose stderr that user reads: errors, warnings and refusals go there; and
 * all of it to the journal, if there is one. */
void log_open_user(const char *name);

/* The same with the fds given, for tests; -1: none. The first two are owned from now on. */
void log_open_fds(const char *name, int journal_fd, int notify_fd, int stderr_fd);

/* Closes the sockets, not stderr. Nothing is logged or notified from then on (in the worker, which
 * logs through the guard). */
void log_close(void);

void log_message(int priority, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A line with journal fields; n fields. On stderr only the line shows. */
void log_record(int priority, enum log_event event, const struct log_field *fields, size_t n,
                const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* The MESSAGE_ID of an event, 32 hexadecimal digits; NULL for LOG_EVENT_NONE. */
const char *log_message_id(enum log_event event);

/* Copies text to buf (size at least 1) with quotes, backslashes, control characters (C0, C1, DEL),
 * characters that end lines or turn the direction of text, and invalid UTF-8 as \xNN per byte; cut
 * between characters to fit, with "..." at the end. Returns buf. */
const char *log_escape(const char *text, size_t len, char *buf, size_t size);

/* Tells systemd (NOTIFY_SOCKET), e.g. "READY=1\nSTATUS=..."; does nothing without it. Sent as it
 * is: the caller escapes untrusted parts. */
void log_notify(const char *state);

/* For whoever exits next: waits until the journal has read what it was sent, 20 ms at most, as it
 * looks up by then whose unit that was. Not after SANDBOX_GUARD: ioctl(). */
void log_settle(void);
