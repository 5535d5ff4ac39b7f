/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/front.c - behind a front end: whom the guard takes for the client.
 *
 * Guard, before the login. The front end is trusted, the worker that read its header is not: it
 * gets one chance to name an address, and an address is all that it can name. No system calls.
 */
#include "auth/state.h"
#include "base/macros.h"
#include "wire/proxyproto.h"

#include <errno.h>

int front_introduce(struct guard *g, const struct rpc_peer *client)
{
	struct netaddr a = {.family = AF_INET6};

	if (client->client > PROXYPROTO_INET6 || client->port > UINT16_MAX)
		return -EPROTO;
	if (client->client == PROXYPROTO_INET || client->client == PROXYPROTO_INET6) {
		if (client->client == PROXYPROTO_INET)
			a.family = AF_INET;
		memcpy(a.bytes, client->address, sizeof(a.bytes));
		peer_from_address(&g->behind, &a, (uint16_t)client->port);
		g->front = g->peer->text;
	} else {
		/* The front end's address, without the rights of its user. */
		g->behind = *g->peer;
		g->behind.local_unix = false;
		g->behind.uid = (uid_t)-1;
		g->behind.gid = (gid_t)-1;
		g->behind.pid = 0;
	}
	g->peer = &g->behind;
	return 0;
}
