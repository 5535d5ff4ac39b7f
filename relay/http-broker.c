/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/http-broker.c - requests of X2Go clients for a session broker. Worker, front filter. System
 * calls: read, poll, and those of relay/http-login.c and relay/leg.c.
 *
 * x2goclient posts a form to whatever URL it was given, and reads text; python-x2go to /json/, and
 * reads JSON. Here the form is taken apart, and its password becomes a login; the answer is written
 * by another program, xproxy-x2gobroker, and goes through as it is.
 *
 * x2goclient ends with an error box at any status but 200, and asks again for the password if a 200
 * does not say "Access granted"; python-x2go wants a 401.
 */
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/macros.h"
#include "relay/http.h"
#include "wire/form.h"

#define BODY_MAX 16384
#define ANSWER_USEC                                                                   \
	(60 * USEC_PER_SEC) /* agents of servers are asked, and have their own limits \
	                     */

/* ---- which requests ---- */

static bool below(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	return strncmp(path, folder, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* What the path stands for: enum x2go_frontend, or -ENOENT. */
static int frontend_of(const struct worker *w, const struct http_head *h, const char *path)
{
	static const char *const folders[X2GO_FRONTEND_MAX_] = {
		[X2GO_PLAIN] = "/plain",
		[X2GO_JSON] = "/json",
		[X2GO_PUBKEYS] = "/pubkeys",
		[X2GO_UCCS] = "/uccs",
	};

	if (below(path, "/x2gobroker")) /* where Debian's has it behind Apache */
		path += strlen("/x2gobroker");
	for (int i = 0; i < X2GO_FRONTEND_MAX_; i++)
		if (below(path, folders[i]))
			return i;
	/* Any other that a client was given; unless it may be somebody else's. */
	return http_text_is(h->method, "POST") && !w->config->listen_http_backend[0] ? X2GO_PLAIN
	                                                                             : -ENOENT;
}

bool http_broker_asked(const struct worker *w, const struct http_head *h)
{
	char path[RPC_TEXT_MAX];

	return w->config->x2go_profiles[0] && http_path(h->target, path, sizeof(path)) == 0 &&
	       frontend_of(w, h, path) >= 0;
}

/* "/plain/NAME/...": there is one backend, which has the name of x2gobroker's that it replaces. */
static bool backend_known(const char *path, int frontend)
{
	const char *name;
	size_t len;

	if (below(path, "/x2gobroker"))
		path += strlen("/x2gobroker");
	if (!below(path, frontend == X2GO_PLAIN ? "/plain" : "/json"))
		return true;
	name = path + (frontend == X2GO_PLAIN ? 6 : 5);
	name += strspn(name, "/");
	len = strcspn(name, "/");
	return len == 0 || (len == 7 && memcmp(name, "inifile", len) == 0);
}

/* ---- refusals ---- */

/* what is for the log. */
static int refuse(struct worker *w, const struct http_head *h, int exit_code, const char *how,
                  const char *status, const char *fields, const char *text, const char *what)
{
	worker_end(w, exit_code, how, what);
	(void)http_answer(w, h, status, fields, text, false);
	leg_shutdown(&w->client);
	worker_goodbye(w);
	return -ECANCELED;
}

static int refuse_form(struct worker *w, const struct http_head *h, const char *status,
                       const char *why)
{
	char what[RPC_NAME_MAX], text[RPC_NAME_MAX * 2];

	snprintf(what, sizeof(what), "a request for the session broker with %s", why);
	snprintf(text, sizeof(text), "%s: %s\n", status, why);
	return refuse(w, h, EXIT_PROTOCOL, "protocol", status, "", text, what);
}

/* Who may not, whatever the reason: it is told in the log only. */
static int deny(struct worker *w, const struct http_head *h, int frontend, const char *reason)
{
	if (frontend == X2GO_PLAIN)
		return refuse(w, h, EXIT_AUTH, "auth", "200 OK", "", "Access denied\n", reason);
	return refuse(w, h, EXIT_AUTH, "auth", "401 Unauthorized",
	              "WWW-Authenticate: Basic realm=\"xproxy\", charset=\"UTF-8\"\r\n",
	              "Access denied\n", reason);
}

static int fail(struct worker *w, const struct http_head *h)
{
	return refuse(w, h, EXIT_INTERNAL, "internal", "503 Service Unavailable", "",
	              "The session broker has failed: its log says why.\n",
	              "the session broker has failed");
}

/* ---- the form ---- */

struct form {
	const char *data;
	size_t len;
};

/* "" if there is none. */
static int take(const struct form *f, const char *name, char *ret, size_t size)
{
	int r = form_field(f->data, f->len, name, ret, size);

	if (r < 0)
		ret[0] = '\0';
	if (r == -ENOENT)
		return 0;
	for (const char *p = ret; r == 0 && *p; p++)
		if (iscntrl((unsigned char)*p))
			return -EBADMSG;
	return r;
}

static uint32_t task_of(const char *name)
{
	static const struct {
		const char *name;
		enum x2go_task task;
	} tasks[] = {
		{"listsessions", X2GO_LIST},    {"listprofiles", X2GO_LIST},
		{"selectsession", X2GO_SELECT}, {"testcon", X2GO_TESTCON},
		{"setpass", X2GO_SETPASS},      {"clientevent", X2GO_EVENT},
	};

	for (size_t i = 0; i < ARRAY_SIZE(tasks); i++)
		if (strcmp(name, tasks[i].name) == 0)
			return tasks[i].task;
	return X2GO_NONE;
}

struct secrets {
	char password[RPC_NAME_MAX], new_password[RPC_NAME_MAX];
};

static int take_request(const struct form *f, struct x2go_request *q, struct secrets *s)
{
	char elapsed[32];
	const struct {
		const char *name;
		char *ret;
		size_t size;
	} wanted[] = {
#define FIELD(name, to) {name, to, sizeof(to)}
		FIELD("task", q->task_name),    FIELD("user", q->user),
		FIELD("password", s->password), FIELD("newpass", s->new_password),
		FIELD("authid", q->authid),     FIELD("address", q->address),
		FIELD("sid", q->sid),           FIELD("login", q->login),
		FIELD("pubkey", q->pubkey),     FIELD("event", q->event),
		FIELD("server", q->server),     FIELD("client", q->client),
		FIELD("cmd", q->command),       FIELD("display", q->display),
		FIELD("start", q->start),       FIELD("elapsed", elapsed),
		FIELD("version", q->version),   FIELD("os", q->os),
#undef FIELD
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(wanted) && r == 0; i++)
		r = take(f, wanted[i].name, wanted[i].ret, wanted[i].size);
	if (r == 0 && !q->sid[0]) /* python-x2go's name for it */
		r = take(f, "profile-id", q->sid, sizeof(q->sid));
	q->task = task_of(q->task_name);
	q->elapsed_sec = strtoull(elapsed, NULL, 10);
	return r;
}

static int read_form(struct worker *w, const struct http_head *h, struct x2go_request *q,
                     struct secrets *s)
{
	size_t head = h->len;
	const char *why;
	int r, n = http_body(w, h, BODY_MAX);
	struct form f;

	if (n == -ECANCELED)
		return n;
	if (n < 0) {
		const char *status = http_body_status(n, &why);

		return refuse_form(w, NULL, status, why);
	}
	/* Clients before 4.0.2 did not say what it is: it is always a form. */
	f = (struct form){(const char *)flow_at(&w->up) + head, (size_t)n};
	r = take_request(&f, q, s);
	explicit_bzero(w->up.buf + w->up.ready + head, (size_t)n);
	flow_drop(&w->up, head + (size_t)n);
	if (r == 0)
		return 0;
	return refuse_form(w, NULL, "400 Bad Request",
	                   r == -EMSGSIZE ? "a field that is too long" : "malformed fields");
}

/* ---- the answer ---- */

/* What the program writes, up to its end. */
static int pass_answer(struct worker *w, int fd, int frontend)
{
	uint64_t deadline = now_usec() + ANSWER_USEC;
	struct pollfd p[] = {{.fd = fd, .events = POLLIN}, {.fd = w->guard_fd, .events = POLLIN}};
	size_t total = 0;
	ssize_t n = -1;

	while (n != 0 && now_usec() < deadline) {
		if (poll(p, ARRAY_SIZE(p), poll_timeout_msec(deadline)) <= 0)
			continue;
		if (p[1].revents)
			return worker_end(w, EXIT_OK, "stopped", "server shutdown");
		n = read(fd, w->scratch, SCRATCH_SIZE);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			break;
		if (n > 0 && leg_send(&w->client, w->scratch, (size_t)n, deadline) < 0)
			return worker_end(w, EXIT_OK, "client-close", "closed during an answer");
		total += n > 0 ? (size_t)n : 0;
	}
	if (total == 0)
		return fail(w, NULL);
	worker_end(w, EXIT_OK, "request",
	           frontend == X2GO_JSON ? "the session broker, JSON" : "the session broker");
	leg_shutdown(&w->client);
	worker_goodbye(w);
	return -ECANCELED;
}

/* The guard's word on it, as far as an fd for the answer. */
static int ask(struct worker *w, const struct x2go_request *q, const struct secrets *s, int *ret_fd)
{
	struct rpc m = {.type = RPC_BROKER, .broker.request = *q};
	int r = worker_ask(w, &m, ret_fd, now_usec() + ANSWER_USEC);

	if (r < 0)
		return r;
	if (m.type == RPC_BROKER) {
		r = http_login(w, q->user, s->password, &m);
		if (r == -EACCES || r == -EOPNOTSUPP)
			return deny(w, NULL, (int)q->frontend,
			            r == -EACCES ? m.step.reason
			                         : "the modules ask for more than one password");
		if (r < 0)
			return r == -ECANCELED ? r : fail(w, NULL);
		m = (struct rpc){.type = RPC_BROKER, .broker.go = 1};
		if (q->task == X2GO_SETPASS) {
			memcpy(m.broker.password, s->password, sizeof(s->password));
			memcpy(m.broker.new_password, s->new_password, sizeof(s->new_password));
		}
		r = worker_ask(w, &m, ret_fd, now_usec() + ANSWER_USEC);
		if (r < 0)
			return r;
	}
	if (m.type == RPC_OPENED && *ret_fd >= 0)
		return 0;
	if (m.type == RPC_REFUSED && m.refused.exit_code == EXIT_AUTH)
		return deny(w, NULL, (int)q->frontend, m.refused.reason);
	return m.type == RPC_STEP ? deny(w, NULL, (int)q->frontend, m.step.reason) : fail(w, NULL);
}

/* "/uccs/NAME/api/4" */
static int read_basic(struct worker *w, const struct http_head *h, const char *path,
                      struct x2go_request *q, struct secrets *s)
{
	struct http_text t = http_field(h, "Authorization");
	const char *api = strstr(path, "/api/");

	if (!t.data || form_basic(t.data, t.len, q->user, sizeof(q->user), s->password,
	                          sizeof(s->password)) < 0)
		return deny(w, h, X2GO_UCCS, "a list of servers needs a login");
	q->task = X2GO_LIST;
	snprintf(q->version, sizeof(q->version), "%.1s", api ? api + 5 : "");
	return 0;
}

static int read_request(struct worker *w, const struct http_head *h, const char *path,
                        struct x2go_request *q, struct secrets *s)
{
	bool forms = q->frontend == X2GO_PLAIN || q->frontend == X2GO_JSON;
	const char *allow = forms ? "Allow: POST\r\n" : "Allow: GET, HEAD\r\n";

	if (forms ? !http_text_is(h->method, "POST")
	          : !http_text_is(h->method, "GET") && !http_text_is(h->method, "HEAD"))
		return refuse(w, h, EXIT_PROTOCOL, "protocol", "405 Method Not Allowed", allow,
		              "405 Method Not Allowed\n",
		              "a request for the session broker by another method");
	if (!backend_known(path, (int)q->frontend))
		return refuse(w, h, EXIT_OK, "request", "404 Not Found", "", "404 Not Found\n",
		              "a request for a backend that the session broker does not have");
	if (!http_private(w, h))
		return refuse(w, h, EXIT_REFUSED, "refused", "403 Forbidden", "",
		              "Passwords are not taken over plain HTTP: use https://\n",
		              "a password for the session broker over plain HTTP");
	if (forms)
		return read_form(w, h, q, s);
	return q->frontend == X2GO_UCCS && http_text_is(h->method, "GET")
	               ? read_basic(w, h, path, q, s)
	               : 0;
}

int http_broker(struct worker *w, const struct http_head *h)
{
	struct x2go_request q = {0};
	struct secrets s = {0};
	char path[RPC_TEXT_MAX];
	_cleanup_close_ int fd = -1;
	int r;

	(void)http_path(h->target, path, sizeof(path));
	q.frontend = (uint32_t)frontend_of(w, h, path);
	w->forwarded = w->trusted && w->config->listen_forwarded_for;
	r = read_request(w, h, path, &q, &s);
	if (r == 0)
		r = ask(w, &q, &s, &fd);
	explicit_bzero(&s, sizeof(s));
	return r < 0 ? r : pass_answer(w, fd, (int)q.frontend);
}
