/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/list.c - the sessions of a user who has logged in, one after the other, for somebody to
 * choose from. Guard, privileged. Nothing is connected to: whoever has chosen logs in again.
 */
#include <errno.h>
#include <stdio.h>

#include "auth/state.h"
#include "base/macros.h"
#include "session/choose.h"
#include "session/since.h"

static uint64_t since_sec[RECORD_SESSIONS_MAX]; /* of g->record.sessions[] */

/* What cannot be chosen is not listed; and nothing here needs a password. */
static void sift(struct record *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->count; i++)
		if (!choose_is_proxy(&r->sessions[i]))
			r->sessions[n++] = r->sessions[i];
	r->count = n;
	for (size_t i = 0; i < RECORD_SESSIONS_MAX; i++)
		explicit_bzero(r->sessions[i].password, sizeof(r->sessions[i].password));
}

static void log_list(const struct guard *g)
{
	const char *module = g->outcome->module;
	const struct log_field fields[] = {
		{"XPROXY_USER", g->username},
		{"XPROXY_PEER", g->peer->text},
		{"XPROXY_FRONT", g->front},
		{"XPROXY_MODULE", module},
	};
	char user[RPC_NAME_MAX];

	log_escape(g->username, strlen(g->username), user, sizeof(user));
	log_record(LOG_INFO, LOG_EVENT_NONE, fields, ARRAY_SIZE(fields),
	           "list: user '%s' from %s was shown %zu sessions (%s)", user, g->peer->text,
	           g->record.count, module);
}

/* 0, or the refusal has been sent: 1, or negative. */
static int begin(struct guard *g)
{
	int r;

	g->due &= ~(unsigned)DUE_SESSION;
	r = sessions_find(g);
	if (r != 0)
		return r;
	if (g->only.fd >= 0)
		close(take_fd(&g->only.fd));
	asuser_scan_end(&g->scan);
	sift(&g->record);
	since_sessions(g->config, &g->record.identity, g->record.sessions, g->record.count,
	               since_sec);
	g->due |= DUE_LIST;
	log_list(g);
	return 0;
}

/* Clients take few characters in a name: they leave out the others, and then ask for nothing that
 * there is. */
static bool is_plain(const char *name)
{
	for (const char *p = name; *p; p++)
		if (!(*p >= '0' && *p <= '9') && !((*p | 32) >= 'a' && (*p | 32) <= 'z') &&
		    !strchr("_-.", *p))
			return false;
	return *name != '\0';
}

static void describe(const struct uri *u, uint64_t since, struct rpc_listed *ret)
{
	if (u->scheme == URI_DISPLAY)
		snprintf(ret->display, sizeof(ret->display), "%s", u->display);
	else if (is_plain(u->name))
		snprintf(ret->display, sizeof(ret->display), "%s", u->name);
	else
		uri_print(u, ret->display, sizeof(ret->display));
	snprintf(ret->name, sizeof(ret->name), "%s", u->name);
	if (u->scheme == URI_TCP)
		snprintf(ret->host, sizeof(ret->host), "%.*s", RPC_NAME_MAX - 1, u->host);
	else if (gethostname(ret->host, sizeof(ret->host) - 1) < 0)
		ret->host[0] = '\0';
	ret->since_sec = since;
}

int list_serve(struct guard *g, struct rpc *m)
{
	struct rpc told = {.type = RPC_LISTED};
	int r = g->due & DUE_SESSION ? begin(g) : 0;

	if (r != 0)
		return r < 0 ? r : 0;
	if (m->list.index != g->listed || (g->listed > 0 && g->listed >= g->record.count))
		return -EPROTO;
	told.listed.count = (uint32_t)g->record.count;
	if (g->record.count > 0)
		describe(&g->record.sessions[g->listed], since_sec[g->listed], &told.listed);
	g->listed++;
	return rpc_send(g->worker_fd, &told, -1);
}
