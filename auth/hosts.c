/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/hosts.c - where a client comes from: lists of addresses, and files as hosts_access(5) has
 * them. No password. Guard, or checker with dns=yes; with its privileges. System calls: those of
 * base/readfile.c, and of the resolver with dns=yes.
 */
#include "auth/hosts_rule.h"
#include "auth/load.h"
#include "base/readfile.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define FILE_MAX (1u << 20)

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static socklen_t to_sockaddr(const struct netaddr *a, union address *ret)
{
	*ret = (union address){.any.sa_family = (sa_family_t)a->family};
	if (a->family == AF_INET)
		memcpy(&ret->v4.sin_addr, a->bytes, 4);
	else
		memcpy(&ret->v6.sin6_addr, a->bytes, 16);
	return a->family == AF_INET ? sizeof(ret->v4) : sizeof(ret->v6);
}

static bool has_address(const struct addrinfo *list, const struct netaddr *a)
{
	union address want;
	socklen_t len = to_sockaddr(a, &want);

	for (; list; list = list->ai_next) {
		union address got = {0};

		if (list->ai_family != a->family || list->ai_addrlen != len)
			continue;
		memcpy(&got, list->ai_addr, len);
		if (a->family == AF_INET ? got.v4.sin_addr.s_addr == want.v4.sin_addr.s_addr
		                         : memcmp(&got.v6.sin6_addr, &want.v6.sin6_addr, 16) == 0)
			return true;
	}
	return false;
}

static int cannot_look_up(int rc, const char *what, char *err)
{
	snprintf(err, AUTH_ERROR_MAX, "cannot look up %.100s: %s", what,
	         rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
	return -EHOSTUNREACH;
}

/* An address's name is its owner's word, so the name must have the address too. A name server that
 * does not answer is not an answer. */
static int look_up(struct hosts_client *c, char *err)
{
	const struct addrinfo hints = {.ai_family = c->net.family, .ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	union address a;
	socklen_t len;
	bool found;
	int rc;

	if (c->net.family != AF_INET && c->net.family != AF_INET6)
		return HOSTS_UNKNOWN;
	len = to_sockaddr(&c->net, &a);
	rc = getnameinfo(&a.any, len, c->host, sizeof(c->host), NULL, 0, NI_NAMEREQD);
	if (rc == EAI_NONAME)
		return HOSTS_UNKNOWN;
	if (rc != 0)
		return cannot_look_up(rc, c->address, err);
	rc = getaddrinfo(c->host, NULL, &hints, &list);
	if (rc == EAI_NONAME || rc == EAI_NODATA)
		return HOSTS_PARANOID;
	if (rc != 0)
		return cannot_look_up(rc, c->host, err);
	found = has_address(list, &c->net);
	freeaddrinfo(list);
	return found ? HOSTS_KNOWN : HOSTS_PARANOID;
}

static int name_of(struct hosts_client *c, const char **ret, char *err)
{
	int r = c->looked_up ? c->looked_up - 1 : look_up(c, err);

	if (r < 0)
		return r;
	c->looked_up = r + 1;
	*ret = r == HOSTS_KNOWN ? c->host : "";
	return r;
}

static int ask_file(const char *file, bool must, enum hosts_answer match, struct hosts_client *c,
                    bool needed, char *err)
{
	char *text;
	size_t len;
	int r = readfile_secret(file, FILE_MAX, &text, &len, err);

	if (r == -ENOENT && !must)
		return HOSTS_SILENT;
	if (r < 0)
		return r;
	r = hosts_rules(text, len, file, match, c, needed, err);
	readfile_free(text, len);
	return r;
}

/* What all of the options say, one after the other; every one of them is read. */
static int ask_all(const struct auth_options *o, struct hosts_client *c, bool needed, char *err)
{
	static const char *const lists[] = {"allow", "deny"},
				 *const files[] = {"allow-file", "deny-file"},
				 *const system[] = {"/etc/hosts.allow", "/etc/hosts.deny"};
	int answer = HOSTS_SILENT, r;
	bool given = false;

	for (int i = 0; i < 2; i++) {
		const char *list = auth_option(o, lists[i], NULL);

		given = given || list || auth_option(o, files[i], NULL);
		r = list ? hosts_list(list, c, needed && answer == HOSTS_SILENT, err) : 0;
		if (r < 0)
			return r;
		if (r && answer == HOSTS_SILENT)
			answer = i == 0 ? HOSTS_ALLOW : HOSTS_DENY;
	}
	for (int i = 0; i < 2; i++) {
		const char *file = auth_option(o, files[i], given ? NULL : system[i]);

		r = file ? ask_file(file, given, i == 0 ? HOSTS_ALLOW : HOSTS_DENY, c,
		                    needed && answer == HOSTS_SILENT, err)
		         : HOSTS_SILENT;
		if (r < 0)
			return r;
		if (answer == HOSTS_SILENT)
			answer = r;
	}
	/* A list of who may come in means that nobody else may. */
	if (answer == HOSTS_SILENT && auth_option(o, "allow", NULL))
		answer = HOSTS_DENY;
	return answer;
}

static struct hosts_client client_of(const struct auth_options *o, const struct peer *peer)
{
	struct hosts_client c = {.address = peer ? peer->address : ""};

	if (peer)
		c.net = peer->net;
	c.name = auth_truth(auth_option(o, "dns", "no")) == 1 ? name_of : NULL;
	return c;
}

static int hosts_open(const struct auth_options *options, char *err)
{
	struct hosts_client nobody = client_of(options, NULL);
	int r = auth_truth(auth_option(options, "dns", "no"));

	if (r < 0) {
		snprintf(err, AUTH_ERROR_MAX, "module 'hosts': dns= is yes or no");
		return -EINVAL;
	}
	r = ask_all(options, &nobody, false, err);
	return r < 0 ? r : 0;
}

static int hosts_verify(struct auth_attempt *a, struct auth_row *ret_row)
{
	struct hosts_client c = client_of(a->options, a->peer);
	int r = ask_all(a->options, &c, true, a->error);

	(void)ret_row;
	return r < 0 ? r : r != HOSTS_DENY;
}

static const char *const hosts_options[] = {"allow",     "deny", "allow-file",
                                            "deny-file", "dns",  NULL};

const struct auth_module auth_hosts = {
	.abi = AUTH_MODULE_ABI,
	.name = "hosts",
	.options = hosts_options,
	.open = hosts_open,
	.verify = hosts_verify,
};
