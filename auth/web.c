/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/web.c - HTTP, as far as the guard has to do with it: files of HTMLRoot= are opened, and
 * HTTPBackend= is connected to, by children that have become the user that reads the network.
 *
 * Guard, before or instead of a login. The worker names a path, and no more: where it is looked
 * for, and which server it is, says the configuration.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "auth/state.h"
#include "base/macros.h"
#include "base/sandbox.h"
#include "session/asuser.h"
#include "session/web.h"

#define REQUESTS_MAX 256 /* of one connection: a browser wants some forty files, over several */

unsigned web_due(const struct config *c)
{
	return c->listen_transports & TRANSPORT_HTTP ? DUE_WEB : 0;
}

static int find_identity(const struct config *c, struct identity *ret)
{
	*ret = (struct identity){0};
	return sandbox_user(c->listen_user, &ret->uid, &ret->gid) < 0 ? -EPERM : 0;
}

static int refuse(struct guard *g, const char *text)
{
	struct rpc m = {.type = RPC_REFUSED, .refused.exit_code = 7};

	snprintf(m.refused.text, sizeof(m.refused.text), "%s", text);
	return rpc_send(g->worker_fd, &m, -1);
}

int web_serve(struct guard *g, struct rpc *m)
{
	struct rpc opened = {.type = RPC_OPENED};
	bool backend = m->web.kind == WEB_BACKEND, page = m->web.kind == WEB_PAGE;
	_cleanup_close_ int fd = -1;
	struct identity id;
	char err[RPC_TEXT_MAX];
	int r;

	/* Where there is a web server, there are no files of ours. */
	if (++g->web_requests > REQUESTS_MAX || m->web.kind > WEB_BACKEND ||
	    backend != (g->config->listen_http_backend[0] != '\0') ||
	    (page && !g->config->listen_chooser))
		return -EPROTO;
	snprintf(err, sizeof(err), "there is no unprivileged user to do it as");
	r = find_identity(g->config, &id);
	if (r == 0)
		r = fd = backend ? web_connect(g->config, &id, g->peer, g->worker_fd, err)
		                 : web_open(g->config, &id, &m->web, &opened.opened, err);
	if (r == -ENOTDIR && g->web_requests == 1)
		log_message(LOG_NOTICE, "%s: no pages for browsers", err);
	if (r < 0)
		return refuse(g, err);
	if (backend) {
		g->due = DUE_ALWAYS;
		g->handed_over = true;
		snprintf(g->upstream, sizeof(g->upstream), "%s", g->config->listen_http_backend);
	}
	return rpc_send(g->worker_fd, &opened, fd);
}

int web_attend(struct guard *g)
{
	char status[RPC_TEXT_MAX];
	struct identity id;
	int r = find_identity(g->config, &id);

	chain_close(&g->chain);
	if (r == 0)
		r = asuser_drop(&id);
	if (r == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		r = -errno;
	if (r == 0)
		r = sandbox_lock(SANDBOX_GUARD);
	if (r < 0) {
		log_message(LOG_ERR, "cannot give up privilege: %s", strerror(-r));
		close(g->worker_fd); /* the worker then ends the connection */
		g->worker_fd = -1;
		return -EPIPE;
	}
	snprintf(status, sizeof(status), "READY=1\nSTATUS=%s → %.300s (http)", g->peer->text,
	         g->upstream);
	log_notify(status);
	while (r >= 0)
		r = guard_serve(g);
	return r;
}
