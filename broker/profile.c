/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/profile.c - what a session profile says. In xproxy-x2gobroker, without privilege; pure, no
 * system calls.
 */
#include "broker/profile.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <strings.h>

#include "base/macros.h"
#include "broker/profile_private.h"

const char *profile_id(const struct profile *p)
{
	return p->id;
}

static int by_key(const void *key, const void *pair)
{
	return strcmp(key, ((const struct profile_pair *)pair)->key);
}

const char *profile_get(const struct profile *p, const char *key)
{
	const struct profile_pair *pair =
		p->count ? bsearch(key, p->pairs, p->count, sizeof(*pair), by_key) : NULL;

	return pair ? pair->value : NULL;
}

bool profile_flag(const struct profile *p, const char *key, bool fallback)
{
	const char *value = profile_get(p, key);

	if (!value || *value == '\0')
		return fallback;
	return strcmp(value, "1") == 0 || strcasecmp(value, "true") == 0;
}

bool profile_each(const struct profile *p, size_t *i, const char **ret_key, const char **ret_value)
{
	while (*i < p->count) {
		const struct profile_pair *pair = &p->pairs[(*i)++];

		if (strncmp(pair->key, "acl-", 4) == 0 || strncmp(pair->key, "broker-", 7) == 0)
			continue;
		*ret_key = pair->key;
		*ret_value = pair->value;
		return true;
	}
	return false;
}

/* ---- hosts ---- */

static bool is_host(const char *text)
{
	struct in6_addr a;

	if (inet_pton(AF_INET6, text, &a) == 1)
		return true;
	for (const char *p = text; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("._-", *p))
			return false;
	return isalnum((unsigned char)*text);
}

static int copy_host(const char *text, size_t len, char ret[256])
{
	if (len > 1 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	if (len == 0 || len > 253)
		return -EINVAL;
	memcpy(ret, text, len);
	ret[len] = '\0';
	return is_host(ret) ? 0 : -EINVAL;
}

static int parse_port(const char *text, size_t len, unsigned *ret)
{
	*ret = 0;
	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)text[i]) || *ret > 65535)
			return -EINVAL;
		*ret = *ret * 10 + (unsigned)(text[i] - '0');
	}
	return *ret >= 1 && *ret <= 65535 ? 0 : -EINVAL;
}

/* ADDRESS, ADDRESS:PORT, [ADDRESS]:PORT; an IPv6 address may be without brackets if there is no
 * port. */
static int parse_address(const char *text, size_t len, struct profile_host *h)
{
	const char *colon = memrchr(text, ':', len);
	size_t n = colon ? (size_t)(colon - text) : len;

	if (!colon || text[len - 1] == ']' || (text[0] != '[' && memchr(text, ':', n)))
		return copy_host(text, len, h->address);
	if (parse_port(colon + 1, len - n - 1, &h->port) < 0)
		return -EINVAL;
	return n > 0 ? copy_host(text, n, h->address) : 0;
}

int profile_parse_host(const char *text, size_t len, unsigned port, struct profile_host *ret)
{
	const char *open = memchr(text, '(', len);
	size_t n = open ? (size_t)(open - text) : len;

	*ret = (struct profile_host){.port = port};
	while (n > 0 && text[n - 1] == ' ')
		n--;
	if (copy_host(text, n, ret->name) < 0)
		return -EINVAL;
	snprintf(ret->address, sizeof(ret->address), "%s", ret->name);
	if (!open)
		return 0;
	len -= (size_t)(open + 1 - text);
	if (len < 2 || open[len] != ')')
		return -EINVAL;
	return parse_address(open + 1, len - 1, ret);
}

size_t profile_hosts(const struct profile *p, struct profile_host *ret, size_t max)
{
	const char *list = profile_get(p, "host"), *port = profile_get(p, "sshport"), *name;
	size_t n = 0, len;

	while (list && n < max && (name = profile_element(&list, &len)))
		if (profile_parse_host(name, len, port ? (unsigned)strtoul(port, NULL, 10) : 22,
		                       &ret[n]) == 0)
			n++;
	return n;
}

char *profile_host_names(const struct profile *p)
{
	const char *list = profile_get(p, "host"), *name;
	char *names = malloc(list ? strlen(list) + 1 : 1);
	struct profile_host host;
	size_t n = 0, len;

	if (!names)
		return NULL;
	while (list && (name = profile_element(&list, &len))) {
		if (profile_parse_host(name, len, 22, &host) < 0)
			continue;
		if (n > 0)
			names[n++] = ',';
		len = strlen(host.name);
		memcpy(names + n, host.name, len);
		n += len;
	}
	names[n] = '\0';
	return names;
}
