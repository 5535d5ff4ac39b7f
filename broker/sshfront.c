/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/sshfront.c - the broker as sshd starts it. As the user, without any right. System calls:
 * socket, connect, poll, read, write.
 *
 * x2goclient shows what comes on stderr if there is nothing on stdout, and ends; with neither it
 * asks again for the password.
 */
#include "broker/sshfront.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/macros.h"

#define ANSWER_MAX (64u << 20)

/* The program's options are the fields of the form, but for the names of some. Whatever the client
 * calls its user: who it is, and so whose auth-ids these are, sshd has found out. */
static const struct {
	const char *option, *field;
} options[] = {
	{"--user", ""},           {"--login", "login"},        {"--task", "task"},
	{"--authid", "authid"},   {"--auth-cookie", "authid"}, {"--next-authid", "authid"},
	{"--sid", "sid"},         {"--profile-id", "sid"},     {"--newpass", "newpass"},
	{"--event", "event"},     {"--server", "server"},      {"--client", "client"},
	{"--cmd", "cmd"},         {"--display", "display"},    {"--start", "start"},
	{"--elapsed", "elapsed"}, {"--version", "version"},    {"--os", "os"},
};

static void put_field(FILE *to, const char *name, const char *value)
{
	fprintf(to, "%s%s=", ftell(to) > 0 ? "&" : "", name);
	for (; *value; value++)
		fprintf(to, "%%%02X", (unsigned char)*value);
}

static int put_form(FILE *to, char *const words[], const char **ret_socket)
{
	bool task = false;

	for (size_t i = 0; words[i]; i += 2) {
		const char *field = NULL;

		for (size_t k = 0; k < ARRAY_SIZE(options); k++)
			if (strcmp(words[i], options[k].option) == 0)
				field = options[k].field;
		if (!words[i + 1]) {
			fprintf(stderr, "xproxy-x2gobroker: %s needs a value\n", words[i]);
			return -EINVAL;
		}
		task |= field && strcmp(field, "task") == 0;
		if (field && *field)
			put_field(to, field, words[i + 1]);
		else if (field)
			continue;
		else if (ret_socket && strcmp(words[i], "--socket") == 0)
			*ret_socket = words[i + 1];
		else if (strcmp(words[i], "--backend") != 0) {
			fprintf(stderr,
			        "xproxy-x2gobroker: unknown option '%.64s'; see "
			        "xproxy-x2gobroker(8)\n",
			        words[i]);
			return -EINVAL;
		}
	}
	if (!task)
		fputs("xproxy-x2gobroker: it is for X2Go clients; see xproxy-x2gobroker(8)\n",
		      stderr);
	return task ? 0 : -EINVAL;
}

static int dial(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		int r = -errno;

		fprintf(stderr, "xproxy-x2gobroker: %s: %s: is xproxy-x2go-ssh.socket started?\n",
		        path, strerror(-r));
		return r;
	}
	return take_fd(&fd);
}

/* More of the answer, as read(); -1 too if nobody is there any more to read it. */
static ssize_t receive(int fd, char *ret, size_t size)
{
	struct pollfd p[] = {{.fd = fd, .events = POLLIN}, {.fd = STDOUT_FILENO}};

	while (poll(p, ARRAY_SIZE(p), -1) < 0 && errno == EINTR)
		;
	return p[0].revents ? read(fd, ret, size) : -1;
}

/* Sends a request, and reads all of the answer. Malloc'd; NULL, with a line on stderr. */
static char *ask(const char *path, const char *form)
{
	_cleanup_close_ int fd = dial(path);
	size_t len = 0, size = 65536;
	char *text = NULL;
	ssize_t n = 1;

	if (fd < 0 || dprintf(fd,
	                      "POST /plain/ HTTP/1.0\r\nContent-Type: "
	                      "application/x-www-form-urlencoded\r\nContent-Length: %zu\r\n\r\n%s",
	                      strlen(form), form) < 0)
		return NULL;
	while (n > 0 && size <= ANSWER_MAX) {
		char *more = realloc(text, size);

		if (!more)
			break;
		text = more;
		while (len + 1 < size && (n = receive(fd, text + len, size - 1 - len)) > 0)
			len += (size_t)n;
		size *= 2;
	}
	if (text)
		text[len] = '\0';
	if (n == 0 && len > 0)
		return text;
	fputs("xproxy-x2gobroker: the session broker does not answer\n", stderr);
	free(text);
	return NULL;
}

/* What follows HTTP's head; NULL, with a line on stderr, if it is no answer for a client. */
static const char *body_of(const char *answer)
{
	const char *body = strstr(answer, "\r\n\r\n"), *status = strchr(answer, ' ');

	if (!body || !status || strncmp(status, " 200 ", 5) != 0) {
		fprintf(stderr, "xproxy-x2gobroker: %s\n",
		        body ? body + 4 : "the session broker does not answer");
		return NULL;
	}
	return body + 4;
}

static int run(char *const words[], const char *socket_path, bool may_choose)
{
	const char *ssh_client = getenv("SSH_CLIENT"), *body = NULL;
	char address[64] = "", *form = NULL, *answer = NULL;
	const struct passwd *pw = getpwuid(getuid());
	size_t len = 0;
	FILE *f = open_memstream(&form, &len);
	int r = -ENOMEM;

	if (f) {
		r = put_form(f, words, may_choose ? &socket_path : NULL);
		if (ssh_client)
			snprintf(address, sizeof(address), "%.*s", (int)strcspn(ssh_client, " "),
			         ssh_client);
		put_field(f, "address", address);
		if (pw)
			put_field(f, "user", pw->pw_name);
		if (fclose(f) != 0)
			r = -ENOMEM;
	}
	if (r == 0)
		answer = ask(socket_path, form);
	if (answer)
		body = body_of(answer);
	if (body)
		fputs(body, stdout);
	if (form)
		explicit_bzero(form, len);
	if (answer)
		explicit_bzero(answer, strlen(answer));
	free(form);
	free(answer);
	return body ? 0 : 2;
}

int sshfront_run(int argc, char *argv[])
{
	static struct sshfront_command c;
	const char *original = getenv("SSH_ORIGINAL_COMMAND"), *path = SSHFRONT_SOCKET;
	int r;

	if (!original)
		return run(argv + (argc > 0), path, true);
	if (argc == 3 && strcmp(argv[1], "--socket") == 0)
		path = argv[2];
	r = sshfront_parse(original, &c);
	if (r < 0) {
		fputs("xproxy-x2gobroker: this account is for X2Go's session broker only\n",
		      stderr);
		return 2;
	}
	if (c.begin[0])
		puts(c.begin);
	r = c.count > 0 ? run(c.words + 1, path, false) : 0;
	if (c.end[0])
		puts(c.end);
	return r;
}
