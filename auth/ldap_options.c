/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/ldap_options.c - the options of `ldap`, see auth/ldap_options.h. Checker, with the guard's
 * privilege. System calls: those of base/readfile.c, access, and of looking up this host's domain
 * if it is asked for.
 */
#include "auth/ldap_options.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/readfile.h"

#define PASSWORD_FILE_MAX 4096
#define TIMEOUT_DEFAULT 10

static int fail(char *err, const char *text)
{
	snprintf(err, AUTH_ERROR_MAX, "%s", text);
	return -EINVAL;
}

/* *ret is left alone if the option is not set. */
static int read_bool(const struct auth_options *o, const char *name, bool *ret, char *err)
{
	const char *v = auth_option(o, name, NULL);

	if (!v)
		return 0;
	*ret = strcmp(v, "1") == 0 || strcmp(v, "yes") == 0 || strcmp(v, "true") == 0;
	if (*ret || strcmp(v, "0") == 0 || strcmp(v, "no") == 0 || strcmp(v, "false") == 0)
		return 0;
	snprintf(err, AUTH_ERROR_MAX, "module 'ldap': %s= is yes or no", name);
	return -EINVAL;
}

static int read_number(const struct auth_options *o, const char *name, int fallback, int max,
                       char *err)
{
	const char *v = auth_option(o, name, NULL);
	char *end;
	long n;

	if (!v)
		return fallback;
	n = strtol(v, &end, 10);
	if (end != v && *end == '\0' && n > 0 && n <= max)
		return (int)n;
	snprintf(err, AUTH_ERROR_MAX, "module 'ldap': %s= is a number from 1 to %d", name, max);
	return -EINVAL;
}

static bool host_is_local(const char *host)
{
	return strncmp(host, "127.", 4) == 0 || strncmp(host, "[::1]", 5) == 0 ||
	       (strncmp(host, "localhost", 9) == 0 && strchr(":/ ", host[9]));
}

/* Whether each URI is of a scheme that we know, and what to think of them. */
static int judge_uris(const char *uri, bool *ret_clear, bool *ret_remote, char *err)
{
	while (*uri) {
		if (strncmp(uri, "ldap://", 7) == 0) {
			*ret_clear = true;
			*ret_remote = *ret_remote || !host_is_local(uri + 7);
		} else if (strncmp(uri, "ldaps://", 8) != 0 && strncmp(uri, "ldapi://", 8) != 0) {
			return fail(err, "module 'ldap': uri= begins with ldap://, ldaps:// or "
			                 "ldapi://; of several each does, with blanks between");
		}
		uri += strcspn(uri, " ");
		uri += strspn(uri, " ");
	}
	return 0;
}

static int make_uri(const struct auth_options *o, struct ldap_settings *s, char *err)
{
	const char *uri = auth_option(o, "uri", NULL), *host = auth_option(o, "host", "localhost");
	bool tls = false, clear = false, remote = false, bracket = strchr(host, ':');
	int r = read_bool(o, "tls", &tls, err), port, n;

	if (r < 0)
		return r;
	port = read_number(o, "port", tls ? 636 : 389, 65535, err);
	if (port < 0)
		return port;
	if (uri && (auth_option(o, "host", NULL) || auth_option(o, "port", NULL) || tls))
		return fail(err, "module 'ldap': uri= says it all: no host=, port= or tls= then");
	if (!uri && (!*host || strpbrk(host, " /")))
		return fail(err, "module 'ldap': host= is one name or address");
	n = uri ? snprintf(s->uri, sizeof(s->uri), "%s", uri)
	        : snprintf(s->uri, sizeof(s->uri), "%s://%s%s%s:%d", tls ? "ldaps" : "ldap",
	                   bracket ? "[" : "", host, bracket ? "]" : "", port);
	if (n <= 0 || (size_t)n >= sizeof(s->uri))
		return fail(err, "module 'ldap': uri= is empty or too long");
	r = judge_uris(s->uri, &clear, &remote, err);
	/* Passwords do not leave the machine in the clear unless that is asked for. */
	s->starttls = remote;
	if (r == 0)
		r = read_bool(o, "starttls", &s->starttls, err);
	if (r == 0 && s->starttls && (!clear || strstr(s->uri, "ldaps://")))
		return fail(err, "module 'ldap': starttls= is for ldap:// alone");
	return r;
}

/* The part after the first dot of this host's full name, as xpra does it. */
static void find_domain(char *ret, size_t size)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_flags = AI_CANONNAME};
	struct addrinfo *list = NULL;
	char host[256] = "";
	const char *dot;

	(void)gethostname(host, sizeof(host) - 1);
	dot = strchr(host, '.');
	if (!dot && getaddrinfo(host, NULL, &hints, &list) == 0 && list->ai_canonname)
		dot = strchr(list->ai_canonname, '.');
	snprintf(ret, size, "%s", dot && dot[1] ? dot + 1 : "localdomain");
	if (list)
		freeaddrinfo(list);
}

/* A name without a slash is one of the unit's credentials. */
static int read_password_file(const char *file, struct ldap_settings *s, char *err)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	char path[LDAP_TEXT_MAX], *data;
	int r;

	snprintf(path, sizeof(path), "%s%s%s", *file != '/' && folder ? folder : "",
	         *file != '/' && folder ? "/" : "", file);
	r = readfile_secret(path, PASSWORD_FILE_MAX, &data, &s->password_len, err);
	if (r < 0)
		return r;
	s->password = data;
	if (s->password_len > 0 && data[s->password_len - 1] == '\n')
		s->password_len--;
	return 0;
}

static int read_bind(const struct auth_options *o, struct ldap_settings *s, char *err)
{
	const char *file = auth_option(o, "bind-password-file", NULL);
	const char *password = auth_option(o, "bind-password", NULL);
	int r = 0;

	s->bind_dn = auth_option(o, "bind-dn", NULL);
	if (file) {
		r = read_password_file(file, s, err);
	} else if (password) {
		s->password = strdup(password);
		s->password_len = strlen(password);
		r = s->password ? 0 : -ENOMEM;
	}
	if (r < 0)
		return r;
	/* A name with an empty password is let in as nobody (RFC 4513, 5.1.2). */
	if (s->bind_dn && (!*s->bind_dn || s->password_len == 0))
		return fail(err, "module 'ldap': bind-dn= needs a password that is not empty: "
		                 "bind-password-file= or bind-password=");
	if (!s->bind_dn && s->password)
		return fail(err, "module 'ldap': a bind password needs bind-dn=");
	return 0;
}

static int read_search(const struct auth_options *o, struct ldap_settings *s, char *err)
{
	s->base = auth_option(o, "base", NULL);
	s->filter = auth_option(o, "filter", "(uid=%username)");
	s->username_attribute = auth_option(o, "username-attribute", NULL);
	s->uid = auth_option(o, "uid", "");
	s->gid = auth_option(o, "gid", "");
	s->uid_attribute = auth_option(o, "uid-attribute", NULL);
	s->gid_attribute = auth_option(o, "gid-attribute", NULL);
	s->sessions_attribute = auth_option(o, "sessions-attribute", NULL);
	if (!s->base && (s->bind_dn || auth_option(o, "filter", NULL)))
		return fail(err, "module 'ldap': bind-dn= and filter= are for a search, which "
		                 "needs base=");
	if (s->base && auth_option(o, "username_format", NULL))
		return fail(err, "module 'ldap': either base= for a search, or username_format=");
	if (s->base && !strstr(s->filter, "%username"))
		return fail(err, "module 'ldap': filter= lacks %username: all users would be one");
	if (!s->base && !strstr(s->format, "%username"))
		return fail(err, "module 'ldap': username_format= lacks %username: all users "
		                 "would be one");
	return 0;
}

int ldap_options_read(const struct auth_options *o, const char *format, struct ldap_settings *ret,
                      char *err)
{
	const char *encoding = auth_option(o, "encoding", "utf-8"), *domain;
	int r;

	*ret = (struct ldap_settings){.format = auth_option(o, "username_format", format)};
	r = make_uri(o, ret, err);
	if (r < 0)
		return r;
	ret->timeout = read_number(o, "timeout", TIMEOUT_DEFAULT, 60, err);
	if (ret->timeout < 0)
		return ret->timeout;
	if (strcasecmp(encoding, "utf-8") != 0 && strcasecmp(encoding, "utf8") != 0)
		return fail(err, "module 'ldap': passwords are sent as they come, which is utf-8: "
		                 "there is no other encoding=");
	ret->cacert = auth_option(o, "cacert", NULL);
	if (ret->cacert && access(ret->cacert, R_OK) < 0) {
		r = -errno;
		snprintf(err, AUTH_ERROR_MAX, "module 'ldap': cacert=%s: %s",
		         auth_path_tail(ret->cacert), strerror(-r));
		return r;
	}
	r = read_bind(o, ret, err);
	if (r == 0)
		r = read_search(o, ret, err);
	domain = auth_option(o, "domain", NULL);
	if (domain)
		snprintf(ret->domain, sizeof(ret->domain), "%s", domain);
	else if (strstr(ret->base ? ret->filter : ret->format, "%domain"))
		find_domain(ret->domain, sizeof(ret->domain));
	return r;
}

void ldap_options_wipe(struct ldap_settings *s)
{
	readfile_free(s->password, s->password_len);
	s->password = NULL;
}
