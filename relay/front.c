/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/front.c - behind nginx, haproxy or a load balancer: the header that says who the client is.
 * Worker, front filter, before anything else is read. System calls: read, poll, sendmsg.
 *
 * Exactly the header is read, straight from the socket: what follows belongs to whatever the client
 * speaks, which may be TLS. Only who is in TrustedProxies= is asked for one, and nobody may leave
 * it out: a header that is optional lets every client choose its address.
 */
#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/macros.h"
#include "relay/worker.h"
#include "wire/proxyproto.h"

static int refuse(struct worker *w, int exit_code, const char *how, const char *detail,
                  const char *answer)
{
	char text[RPC_NAME_MAX];
	int n = snprintf(text, sizeof(text), "disconnect: connection setup failed, %s\n", answer);

	worker_end(w, exit_code, how, detail);
	(void)leg_send(&w->client, text, (size_t)n, now_usec() + USEC_PER_SEC);
	worker_goodbye(w);
	return -ECANCELED;
}

/* Its first bytes were none, or what they claim to be is malformed. */
static int refuse_header(struct worker *w, const char *why)
{
	char detail[RPC_NAME_MAX];

	snprintf(detail, sizeof(detail),
	         "no valid PROXY protocol header, which ProxyProtocol=yes requires: %s", why);
	return refuse(w, EXIT_PROTOCOL, "protocol", detail, "a PROXY protocol header was expected");
}

/* Reads more of it, once, and no byte of what follows it. */
static int read_some(struct worker *w, uint8_t *buf, size_t *len, uint64_t deadline_usec)
{
	int r = worker_wait_bytes(w, &w->up, deadline_usec);
	ssize_t n;

	if (r == 0)
		return worker_fail(w, EXIT_LOGIN_TIMEOUT, "timeout", "login timeout",
		                   "no PROXY protocol header");
	if (r < 0)
		return r;
	n = read(w->client.fd, buf + *len, proxyproto_missing(buf, *len));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0)
		return worker_end(w, EXIT_OK, "client-close", "connection reset");
	if (n == 0)
		return *len > 0 ? refuse_header(w, "closed in the middle of it")
		                : worker_end(w, EXIT_OK, "client-close",
		                             "closed before it said anything");
	*len += (size_t)n;
	return 0;
}

static int tell_guard(struct worker *w, const struct proxyproto *h)
{
	struct rpc m = {.type = RPC_PEER, .peer.client = h->client, .peer.port = h->port};

	memcpy(m.peer.address, h->address, sizeof(h->address));
	if (rpc_send(w->guard_fd, &m, -1) < 0)
		return worker_fail(w, EXIT_INTERNAL, "guard-gone", "server error",
		                   "internal error");
	return 0;
}

int front_read(struct worker *w, uint64_t deadline_usec)
{
	uint8_t buf[PROXYPROTO_MAX];
	struct proxyproto header;
	const char *why = "";
	size_t len = 0;
	int r;

	if (!w->config->listen_proxy_protocol)
		return 0;
	if (!w->trusted)
		return refuse(w, EXIT_REFUSED, "refused",
		              "it is not in TrustedProxies=, and ProxyProtocol=yes",
		              "this port takes no direct connections");
	w->local = w->near = false; /* the front end is; for whom it speaks, who knows */
	while ((r = proxyproto_parse(buf, len, &header, &why)) == -EAGAIN) {
		r = read_some(w, buf, &len, deadline_usec);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return refuse_header(w, why);
	w->front_tls = header.tls;
	return tell_guard(w, &header);
}
