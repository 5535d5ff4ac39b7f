/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/reply.c - answers as text or JSON, see broker/reply.h. xproxy-x2gobroker. No system calls.
 */
#include "broker/reply.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/macros.h"

#define PADDING 32768 /* bytes by which `testcon` measures how fast the way is */

/* ---- text ---- */

static void write_list(const struct reply *r, const char *list, FILE *to)
{
	uint64_t live = r->start->setup.live_event_usec;

	if (live > 0)
		fprintf(to, "START_CLIENT_CONFIG\nevents=true\nliveevent=%llu\nEND_CLIENT_CONFIG\n",
		        (unsigned long long)(live / USEC_PER_SEC));
	fprintf(to, "START_USER_SESSIONS\n\n%s\nEND_USER_SESSIONS\n", list);
}

/* The key is PEM's lines, the sessions a line each. */
static void write_choice(const struct reply *r, FILE *to)
{
	const struct choice *c = r->choice;

	fprintf(to, "SERVER:%s:%u\n%s", c->host.address, c->host.port, r->pem);
	if (c->sessions && c->sessions[0]) /* lines, the last one ended as well */
		fprintf(to, "SESSION_INFO:%s", c->sessions);
}

static void write_plain(const struct reply *r, const char *list, FILE *to)
{
	if (r->authid[0])
		fprintf(to, "AUTHID:%s\n", r->authid);
	if (r->denied) {
		fputs("Access denied\n", to);
		return;
	}
	fputs("Access granted\n", to);
	switch ((enum x2go_task)r->start->request.task) {
	case X2GO_LIST:
		write_list(r, list, to);
		break;
	case X2GO_SELECT:
		write_choice(r, to);
		break;
	case X2GO_TESTCON:
		fprintf(to, "OK\n%*s\n", PADDING, "");
		break;
	case X2GO_SETPASS:
		fprintf(to, "PASSWORD CHANGED: %s\n", r->password_changed ? "OK" : "FAILED");
		break;
	case X2GO_EVENT:
		if (r->order[0])
			fprintf(to, "%s\n", r->order);
		break;
	case X2GO_NONE:
	case X2GO_TASK_MAX_:
		break;
	}
}

/* ---- JSON ---- */

static json_t *selected(const struct reply *r)
{
	const struct choice *c = r->choice;
	char port[16];
	json_t *o;

	snprintf(port, sizeof(port), "%u", c->host.port);
	o = json_pack("{s:s, s:s}", "server", c->host.address, "port", port);
	if (o && r->pem[0])
		json_object_set_new(o, "key", json_string(r->pem));
	if (o && r->key_taken)
		json_object_set_new(o, "authentication_pubkey", json_string("ACCEPTED"));
	if (o && c->sessions && c->sessions[0])
		json_object_set_new(o, "session_info", json_string(c->sessions));
	return o;
}

static json_t *make_json(const struct reply *r)
{
	uint32_t task = r->start->request.task;
	json_t *o = json_pack("{s:s, s:s}", "task", r->start->request.task_name, "auth-status",
	                      r->denied ? "Access denied" : "Access granted");

	if (o && r->authid[0])
		json_object_set_new(o, "next-authid", json_string(r->authid));
	if (!o || r->denied)
		return o;
	if (task == X2GO_LIST)
		json_object_set(o, "profiles", r->profiles);
	if (task == X2GO_SELECT)
		json_object_set_new(o, "selected_session", selected(r));
	if (task == X2GO_SETPASS)
		json_object_set_new(o, "password-changed", json_boolean(r->password_changed));
	if (task == X2GO_EVENT && r->order[0])
		json_object_set_new(o, "order", json_string(r->order));
	return o;
}

/* ---- all of it ---- */

static const char *write_body(const struct reply *r, const char *list, FILE *to)
{
	char *text = NULL;
	json_t *o = NULL;

	switch ((enum x2go_frontend)r->start->request.frontend) {
	case X2GO_PUBKEYS:
		fputs(r->pubkeys, to);
		return "text/plain";
	case X2GO_JSON:
		o = make_json(r);
		break;
	case X2GO_UCCS:
		o = json_incref(r->profiles);
		break;
	case X2GO_PLAIN:
	case X2GO_FRONTEND_MAX_:
		write_plain(r, list, to);
		return "text/plain";
	}
	text = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(o);
	if (!text)
		return NULL;
	fprintf(to, "%s\n", text);
	explicit_bzero(text, strlen(text)); /* there may be a key in it */
	free(text);
	return "text/json"; /* python-x2go takes no other */
}

int reply_write(const struct reply *r, const char *list, FILE *to)
{
	const char *type = NULL;
	char *body = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&body, &len);

	if (f)
		type = write_body(r, list, f);
	if (f && fclose(f) != 0)
		type = NULL;
	if (type) {
		fprintf(to,
		        "HTTP/1.1 %s\r\nContent-Type: %s; charset=utf-8\r\nContent-Length: "
		        "%zu\r\nCache-Control: no-store\r\nX-Content-Type-Options: "
		        "nosniff\r\nConnection: close\r\n\r\n",
		        r->denied && r->start->request.frontend == X2GO_JSON ? "403 Forbidden"
		                                                             : "200 OK",
		        type, len);
		fwrite(body, 1, len, to);
	}
	if (body)
		explicit_bzero(body, len);
	free(body);
	return type ? 0 : -ENOMEM;
}
