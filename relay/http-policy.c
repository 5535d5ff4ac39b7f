/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/http-policy.c - what a request is believed: its origin, its host, its front end. Worker,
 * front filter. No system calls.
 */
#include <arpa/inet.h>

#include "base/macros.h"
#include "relay/http.h"
#include "wire/proxyproto.h"

/* ---- origins ---- */

static struct http_text part(const char *data, size_t len)
{
	return (struct http_text){data, len};
}

static bool same(struct http_text a, struct http_text b)
{
	return a.len == b.len && strncasecmp(a.data, b.data, a.len) == 0;
}

/* "http://host:80" is the host "host"; no data: it has none, as "null". */
static struct http_text host_of(struct http_text origin)
{
	static const struct {
		const char *scheme, *port;
	} known[] = {{"http://", ":80"}, {"https://", ":443"}};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		size_t len = strlen(known[i].scheme), port = strlen(known[i].port);
		struct http_text host = part(origin.data + len, origin.len - len);

		if (origin.len <= len || strncasecmp(origin.data, known[i].scheme, len) != 0)
			continue;
		if (host.len > port &&
		    memcmp(host.data + host.len - port, known[i].port, port) == 0)
			host.len -= port;
		return host;
	}
	return (struct http_text){0};
}

/* Host without the port that its scheme has anyway; which of the two it is, is not known. */
static struct http_text plain_host(struct http_text host)
{
	if (host.len > 3 && memcmp(host.data + host.len - 3, ":80", 3) == 0)
		host.len -= 3;
	else if (host.len > 4 && memcmp(host.data + host.len - 4, ":443", 4) == 0)
		host.len -= 4;
	return host;
}

bool http_origin_allowed(const struct worker *w, const struct http_head *h, struct http_text *ret)
{
	const struct config_list *allowed = &w->config->listen_allowed_origins;
	struct http_text origin = http_field(h, "Origin"), host = http_field(h, "Host");

	*ret = origin;
	if (!origin.data) /* not a browser */
		return true;
	if (http_field_count(h, "Origin") > 1)
		return false;
	for (size_t i = 0; i < allowed->count; i++)
		if (strcmp(allowed->items[i], "*") == 0 || http_text_is(origin, allowed->items[i]))
			return true;
	origin = host_of(origin);
	return origin.data && host.data && same(origin, plain_host(host));
}

bool http_host_valid(struct http_text host)
{
	static const char others[] = "-._:[]";

	for (size_t i = 0; i < host.len; i++) {
		char c = host.data[i];

		if (!(c >= '0' && c <= '9') && !((c | 32) >= 'a' && (c | 32) <= 'z') &&
		    !strchr(others, c))
			return false;
	}
	return host.len > 0 && host.len < 256;
}

/* ---- front ends ---- */

bool http_forwarded(const struct http_head *h)
{
	return http_field(h, "X-Forwarded-For").data || http_field(h, "X-Forwarded-Proto").data ||
	       http_field(h, "Forwarded").data;
}

bool http_trusted_front(const struct worker *w)
{
	return w->trusted && (w->config->listen_forwarded_for || w->config->listen_proxy_protocol);
}

/* Who lies about X-Forwarded-Proto behind a front end that does not replace it, does so about its
 * own password. */
bool http_private(const struct worker *w, const struct http_head *h)
{
	if (w->tls || w->front_tls)
		return true;
	if (http_forwarded(h))
		return http_trusted_front(w) &&
		       http_text_is(http_field(h, "X-Forwarded-Proto"), "https");
	return w->near;
}

/* "192.0.2.1", "[2001:db8::1]", either with a port: some write one. */
static bool parse_address(struct http_text t, struct netaddr *ret)
{
	char text[64], *start = text, *end;

	if (t.len >= sizeof(text))
		return false;
	memcpy(text, t.data, t.len);
	text[t.len] = '\0';
	if (*text == '[') {
		start++;
		end = strchr(text, ']');
	} else {
		end = strchr(text, ':');
		if (end && strchr(end + 1, ':'))
			end = NULL;
	}
	if (end)
		*end = '\0';
	*ret = (struct netaddr){.family = strchr(start, ':') ? AF_INET6 : AF_INET};
	if (inet_pton(ret->family, start, ret->bytes) != 1)
		return false;
	netaddr_unmap(ret);
	return true;
}

/* The last item of *list that is not empty, taken off it. */
static struct http_text take_last(struct http_text *list)
{
	struct http_text t;
	size_t at = list->len;

	while (at > 0 && list->data[at - 1] != ',')
		at--;
	t = part(list->data + at, list->len - at);
	list->len = at > 0 ? at - 1 : 0;
	while (t.len > 0 && (*t.data == ' ' || *t.data == '\t'))
		t = part(t.data + 1, t.len - 1);
	while (t.len > 0 && (t.data[t.len - 1] == ' ' || t.data[t.len - 1] == '\t'))
		t.len--;
	return t;
}

bool http_forwarded_for(const struct worker *w, const struct http_head *h, struct rpc_peer *ret)
{
	struct netaddr found = {0}, a;

	if (!w->config->listen_forwarded_for || w->config->listen_proxy_protocol || !w->trusted)
		return false;
	/* From the end: each front end adds whom it was connected to by; the first of them that is
	 * none of ours is the client, and what is before it, only the client has said. */
	for (size_t i = h->count; i > 0; i--) {
		struct http_text list = h->fields[i - 1].value;

		if (!http_text_is(h->fields[i - 1].name, "X-Forwarded-For"))
			continue;
		while (list.len > 0) {
			if (!parse_address(take_last(&list), &a))
				goto out;
			found = a;
			if (!netaddr_listed(&w->config->listen_trusted_proxies, &a))
				goto out;
		}
	}
out:
	if (found.family == 0)
		return false;
	*ret = (struct rpc_peer){.client = found.family == AF_INET ? PROXYPROTO_INET
	                                                           : PROXYPROTO_INET6};
	memcpy(ret->address, found.bytes, sizeof(ret->address));
	return true;
}
