/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/http-sessions.c - a login over HTTP, which ends in a list of sessions. Worker, front
 * filter. System calls: those of relay/http-login.c and relay/leg.c.
 *
 * Nothing is kept: to be connected to a session, the client logs
 * in again. POST is for the page at "/", GET with Basic authentication for xpra's own connect.html.
 */
#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/macros.h"
#include "relay/fact.h"
#include "relay/http.h"
#include "wire/digest.h"
#include "wire/form.h"
#include "wire/json.h"

#define BODY_MAX 4096
#define WORDS_MAX (RPC_NAME_MAX + RPC_TEXT_MAX + 2)

struct account {
	char username[RPC_NAME_MAX];
	char password[DIGEST_RESPONSE_MAX + 1];
};

/* The last answer of this connection. */
static int answer(struct worker *w, const char *status, const char *fields, const struct json *j)
{
	uint64_t deadline = now_usec() + w->config->limits_login_timeout_usec;
	char head[1024];
	int n;

	n = snprintf(head, sizeof(head),
	             "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: "
	             "%zu\r\nCache-Control: no-store\r\n" HTTP_SAFE_FIELDS
	             "%sConnection: close\r\n\r\n",
	             status, j->len, fields);
	if (n > 0 && (size_t)n < sizeof(head) &&
	    leg_send(&w->client, head, (size_t)n, deadline) == 0 &&
	    leg_send(&w->client, j->data, j->len, deadline) == 0) {
		leg_shutdown(&w->client);
		worker_goodbye(w);
	}
	return -ECANCELED;
}

/* what is for the log and for whoever asked. */
static int fail(struct worker *w, int exit_code, const char *how, const char *status,
                const char *fields, const char *what)
{
	char text[WORDS_MAX * 6 + 32];
	struct json j = {.data = text, .size = sizeof(text)};

	worker_end(w, exit_code, how, what);
	json_raw(&j, "{\"error\":");
	json_text(&j, what);
	json_raw(&j, "}\n");
	return answer(w, status, fields, &j);
}

/* The guard's reason, and its text if there is one. */
static int fail_with(struct worker *w, uint32_t exit_code, const char *how, const char *status,
                     const char *fields, const char *reason, const char *text)
{
	char what[WORDS_MAX];

	snprintf(what, sizeof(what), "%s%s%s", reason, text[0] ? ": " : "", text);
	return fail(w, (int)exit_code, how, status, fields, what);
}

/* ---- the request ---- */

/* "/Sessions"; NULL: another path, or one that takes another method. */
static const char *path_of(const struct worker *w, const struct http_head *h, char path[16])
{
	bool post = http_text_is(h->method, "POST");

	if (http_path(h->target, path, 16) < 0)
		return NULL;
	if (post ? !w->config->listen_chooser
	         : !w->config->listen_http_sessions || !http_text_is(h->method, "GET"))
		return NULL;
	return strcmp(path, "/Sessions") == 0 || (!post && strcmp(path, "/Displays") == 0) ? path
	                                                                                   : NULL;
}

bool http_sessions_asked(const struct worker *w, const struct http_head *h)
{
	char path[16];

	return path_of(w, h, path);
}

static int check_request(struct worker *w, const struct http_head *h)
{
	char what[RPC_NAME_MAX + 100];
	struct http_text origin;

	fact_keep_head(h, flow_at(&w->up));
	w->forwarded = w->trusted && w->config->listen_forwarded_for;
	if (!http_private(w, h))
		return fail(w, EXIT_REFUSED, "refused", "403 Forbidden", "",
		            "passwords are not taken over plain HTTP: use https://");
	if (http_origin_allowed(w, h, &origin))
		return 0;
	snprintf(what, sizeof(what),
	         "a web page of %.*s wanted a list of sessions: AllowedOrigins= does not list it",
	         origin.len < RPC_NAME_MAX ? (int)origin.len : RPC_NAME_MAX, origin.data);
	return fail(w, EXIT_REFUSED, "refused", "403 Forbidden", "", what);
}

static int fail_body(struct worker *w, int error)
{
	char what[RPC_NAME_MAX];
	const char *why, *status = http_body_status(error, &why);

	snprintf(what, sizeof(what), "a login with %s", why);
	return error == -ETIMEDOUT ? fail(w, EXIT_LOGIN_TIMEOUT, "timeout", status, "", what)
	                           : fail(w, EXIT_PROTOCOL, "protocol", status, "", what);
}

static int read_form(struct worker *w, const struct http_head *h, struct account *a)
{
	static const char form[] = "application/x-www-form-urlencoded";
	struct http_text type = http_field(h, "Content-Type");
	size_t head = h->len;
	char *body;
	int r, n;

	for (size_t i = 0; i < type.len; i++)
		if (type.data[i] == ';' || type.data[i] == ' ')
			type.len = i;
	if (!http_text_is(type, form))
		return fail(w, EXIT_PROTOCOL, "protocol", "415 Unsupported Media Type", "",
		            "a login that is not application/x-www-form-urlencoded");
	n = http_body(w, h, BODY_MAX);
	if (n < 0)
		return n == -ECANCELED ? n : fail_body(w, n);
	body = (char *)(uintptr_t)flow_at(&w->up) + head;
	r = form_field(body, (size_t)n, "username", a->username, sizeof(a->username));
	if (r == 0)
		r = form_field(body, (size_t)n, "password", a->password, sizeof(a->password));
	explicit_bzero(body, (size_t)n);
	if (r == 0)
		return 0;
	return fail(w, EXIT_PROTOCOL, "protocol", "400 Bad Request", "",
	            r == -EMSGSIZE ? "a login with a name or password that is too long"
	            : r == -ENOENT ? "a login without a username or password field"
	                           : "a login whose fields are malformed");
}

/* Browsers know no such scheme, and leave it to the page to ask again. */
#define ASK_FORM "WWW-Authenticate: Form realm=\"xproxy\"\r\n"
#define ASK_BASIC "WWW-Authenticate: Basic realm=\"xproxy\", charset=\"UTF-8\"\r\n"

static int read_basic(struct worker *w, const struct http_head *h, struct account *a)
{
	struct http_text t = http_field(h, "Authorization");
	int r = t.data ? form_basic(t.data, t.len, a->username, sizeof(a->username), a->password,
	                            sizeof(a->password))
	               : -ENOENT;

	if (r == -ENOENT)
		return fail(w, EXIT_OK, "request", "401 Unauthorized", ASK_BASIC,
		            "a list of sessions needs a login");
	return r < 0 ? fail(w, EXIT_PROTOCOL, "protocol", "400 Bad Request", "",
	                    "a login whose Authorization is malformed")
	             : 0;
}

/* ---- the login ---- */

static int deny(struct worker *w, const struct rpc_step *s, bool form)
{
	if (s->exit_code != EXIT_AUTH)
		return fail_with(w, s->exit_code, "auth", "503 Service Unavailable", "", s->reason,
		                 s->text);
	return fail_with(w, s->exit_code, "auth", "401 Unauthorized", form ? ASK_FORM : ASK_BASIC,
	                 s->reason, s->text);
}

static int log_in(struct worker *w, const struct account *a, bool form)
{
	struct rpc m;
	int r = http_login(w, a->username, a->password, &m);

	if (r == -EACCES)
		return deny(w, &m.step, form);
	if (r == -EOPNOTSUPP)
		return fail(w, EXIT_AUTH, "auth", "403 Forbidden", "",
		            "this server asks for more than one password: use an xpra client that "
		            "can answer, or connect.html");
	if (r < 0 && r != -ECANCELED)
		return fail(w, EXIT_INTERNAL, "internal", "500 Internal Server Error", "",
		            "internal error");
	return r;
}

/* ---- the list ---- */

static void put_member(struct json *j, const char *name, const char *value)
{
	json_raw(j, j->data[j->len - 1] == '{' ? "" : ",");
	json_text(j, name);
	json_raw(j, ":");
	json_text(j, value);
}

/* For the page at "/". */
static void put_choice(struct json *j, const struct rpc_listed *s)
{
	json_raw(j, j->data[j->len - 1] == '[' ? "{" : ",{");
	put_member(j, "display", s->display);
	if (s->name[0])
		put_member(j, "name", s->name);
	if (s->host[0])
		put_member(j, "host", s->host);
	if (s->since_sec) {
		json_raw(j, ",\"since\":");
		json_number(j, s->since_sec);
	}
	json_raw(j, "}");
}

/* For the connect.html of newer HTML5 clients, which writes the key into its page as it is: one
 * that could be anything but a word there is left out. */
static void put_entry(struct json *j, const struct rpc_listed *s, const char *username)
{
	for (const char *p = s->display; *p; p++)
		if (!(*p >= '0' && *p <= '9') && !((*p | 32) >= 'a' && (*p | 32) <= 'z') &&
		    !strchr("_-.:/@[]", *p))
			return;
	json_raw(j, j->data[j->len - 1] == '{' ? "" : ",");
	json_text(j, s->display);
	json_raw(j, ":{");
	put_member(j, "username", username);
	put_member(j, "session-name", s->name);
	json_raw(j, "}");
}

static int put_list(struct worker *w, const char *path, bool form, const char *username,
                    struct json *j)
{
	bool displays = strcmp(path, "/Displays") == 0;
	uint32_t i = 0, count;

	json_raw(j, form ? "{\"sessions\":[" : "{");
	do {
		struct rpc m = {.type = RPC_LIST, .list.index = i};
		int r = worker_ask(w, &m, NULL, now_usec() + w->config->limits_login_timeout_usec);

		if (r < 0)
			return r;
		if (m.type != RPC_LISTED)
			return fail_with(w, m.refused.exit_code, "refused", "403 Forbidden", "",
			                 m.refused.reason, m.refused.text);
		count = m.listed.count;
		if (count > 0 && form)
			put_choice(j, &m.listed);
		else if (count > 0 && !displays) /* of those, none can be shadowed from here */
			put_entry(j, &m.listed, username);
	} while (++i < count);
	json_raw(j, form ? "]}\n" : "}\n");
	return 0;
}

int http_sessions(struct worker *w, const struct http_head *h)
{
	struct json j = {.data = (char *)w->scratch, .size = SCRATCH_SIZE};
	bool form = http_text_is(h->method, "POST");
	struct account a = {0};
	char path[16];
	int r;

	if (!path_of(w, h, path))
		return -ECANCELED;
	r = check_request(w, h);
	if (r == 0)
		r = form ? read_form(w, h, &a) : read_basic(w, h, &a);
	if (r == 0)
		r = log_in(w, &a, form);
	explicit_bzero(a.password, sizeof(a.password));
	if (r == 0)
		r = put_list(w, path, form, a.username, &j);
	if (r < 0)
		return r;
	worker_end(w, EXIT_OK, "request", "a list of sessions");
	return answer(w, "200 OK", "", &j);
}
