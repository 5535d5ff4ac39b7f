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
#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/macros.h"
#include "relay/http.h"
#include "relay/x2go.h"
#include "wire/form.h"

#define BODY_MAX 16384
#define ANSWER_USEC                                                                   \
	(60 * USEC_PER_SEC) /* agents of servers are asked, and have their own limits \
	                     */

/* ---- which requests ---- */

/* Any other path that a client was given is the broker's too; unless it may be somebody else's. */
static bool find_path(const struct worker *w, const struct http_head *h, struct x2go_path *ret)
{
	char path[RPC_TEXT_MAX];

	if (http_path(h->target, path, sizeof(path)) < 0)
		return false;
	return x2go_path_read(path, ret) ||
	       (http_text_is(h->method, "POST") && !w->config->listen_http_backend[0]);
}

bool http_broker_asked(const struct worker *w, const struct http_head *h)
{
	struct x2go_path path;

	return w->config->x2go_profiles[0] && find_path(w, h, &path);
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

static int read_form(struct worker *w, const struct http_head *h, struct x2go_request *q,
                     struct x2go_secrets *s)
{
	size_t head = h->len;
	const char *why;
	int r, n = http_body(w, h, BODY_MAX);

	if (n == -ECANCELED)
		return n;
	if (n < 0) {
		const char *status = http_body_status(n, &why);

		return refuse_form(w, NULL, status, why);
	}
	/* Clients before 4.0.2 did not say what it is: it is always a form. */
	r = x2go_form_read((const char *)flow_at(&w->up) + head, (size_t)n, q, s);
	explicit_bzero(w->up.buf + w->up.ready + head, (size_t)n);
	flow_drop(&w->up, head + (size_t)n);
	if (r == 0)
		return 0;
	return refuse_form(w, NULL, "400 Bad Request",
	                   r == -EMSGSIZE ? "a field that is too long" : "malformed fields");
}

/* ---- the answer ---- */

/* What the program writes, up to its end. Servers' agents may take their time: a client that has
 * closed its side meanwhile has left, as none that speaks X2Go closes half of it and waits. */
static int pass_answer(struct worker *w, int fd, int frontend)
{
	uint64_t deadline = now_usec() + ANSWER_USEC;
	struct pollfd p[] = {{.fd = fd, .events = POLLIN},
	                     {.fd = w->guard_fd, .events = POLLIN},
	                     {.fd = w->client.fd, .events = POLLRDHUP}};
	size_t total = 0;
	ssize_t n = -1;

	while (n != 0 && now_usec() < deadline) {
		if (poll(p, ARRAY_SIZE(p), poll_timeout_msec(deadline)) <= 0)
			continue;
		if (p[1].revents)
			return worker_end(w, EXIT_OK, "stopped", "server shutdown");
		if (!p[0].revents)
			return worker_end(w, EXIT_OK, "client-close", "closed before its answer");
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

/* Logs in, and has the guard go on: *m is its word on that. 0, or negative: over. */
static int log_in(struct worker *w, const struct x2go_request *q, const struct x2go_secrets *s,
                  struct rpc *m, int *ret_fd)
{
	int r = http_login(w, q->user, s->password, m);

	if (r == -EACCES || r == -EOPNOTSUPP)
		return deny(w, NULL, (int)q->frontend,
		            r == -EACCES ? m->step.reason
		                         : "the modules ask for more than one password");
	if (r < 0)
		return r == -ECANCELED ? r : fail(w, NULL);
	*m = (struct rpc){.type = RPC_BROKER, .broker.go = 1};
	if (q->task == X2GO_SETPASS) {
		memcpy(m->broker.password, s->password, sizeof(s->password));
		memcpy(m->broker.new_password, s->new_password, sizeof(s->new_password));
	}
	return worker_ask(w, m, ret_fd, now_usec() + ANSWER_USEC);
}

/* The guard's word on it, as far as an fd for the answer. */
static int ask(struct worker *w, const struct x2go_request *q, const struct x2go_secrets *s,
               struct rpc *m, int *ret_fd)
{
	int r = worker_ask(w, m, ret_fd, now_usec() + ANSWER_USEC);

	if (r == 0 && m->type == RPC_BROKER)
		r = log_in(w, q, s, m, ret_fd);
	if (r < 0)
		return r;
	if (m->type == RPC_OPENED && *ret_fd >= 0)
		return 0;
	if (m->type == RPC_REFUSED && m->refused.exit_code == EXIT_AUTH)
		return deny(w, NULL, (int)q->frontend, m->refused.reason);
	return m->type == RPC_STEP ? deny(w, NULL, (int)q->frontend, m->step.reason)
	                           : fail(w, NULL);
}

static int read_basic(struct worker *w, const struct http_head *h, struct x2go_request *q,
                      struct x2go_secrets *s)
{
	struct http_text t = http_field(h, "Authorization");

	if (!t.data || form_basic(t.data, t.len, q->user, sizeof(q->user), s->password,
	                          sizeof(s->password)) < 0)
		return deny(w, h, X2GO_UCCS, "a list of servers needs a login");
	q->task = X2GO_LIST;
	return 0;
}

static int read_request(struct worker *w, const struct http_head *h, const struct x2go_path *path,
                        struct x2go_request *q, struct x2go_secrets *s)
{
	bool forms = q->frontend == X2GO_PLAIN || q->frontend == X2GO_JSON;
	const char *allow = forms ? "Allow: POST\r\n" : "Allow: GET, HEAD\r\n";

	if (forms ? !http_text_is(h->method, "POST")
	          : !http_text_is(h->method, "GET") && !http_text_is(h->method, "HEAD"))
		return refuse(w, h, EXIT_PROTOCOL, "protocol", "405 Method Not Allowed", allow,
		              "405 Method Not Allowed\n",
		              "a request for the session broker by another method");
	if (!path->backend_known)
		return refuse(w, h, EXIT_OK, "request", "404 Not Found", "", "404 Not Found\n",
		              "a request for a backend that the session broker does not have");
	if (!http_private(w, h))
		return refuse(w, h, EXIT_REFUSED, "refused", "403 Forbidden", "",
		              "Passwords are not taken over plain HTTP: use https://\n",
		              "a password for the session broker over plain HTTP");
	if (forms)
		return read_form(w, h, q, s);
	if (http_text_is(h->method, "HEAD")) /* whether there is somebody: the answer has no body */
		return refuse(w, h, EXIT_OK, "request", "200 OK", "", "ready\n",
		              "a request whether the session broker is there");
	return q->frontend == X2GO_UCCS ? read_basic(w, h, q, s) : 0;
}

int http_broker(struct worker *w, const struct http_head *h)
{
	struct x2go_request q = {0};
	struct x2go_secrets s = {0};
	struct x2go_path path = {0};
	_cleanup_close_ int fd = -1;
	struct rpc m;
	int r;

	(void)find_path(w, h, &path); /* or nobody would have asked */
	q.frontend = path.frontend;
	memcpy(q.version, path.version, sizeof(path.version));
	w->forwarded = w->trusted && w->config->listen_forwarded_for;
	r = read_request(w, h, &path, &q, &s);
	m = (struct rpc){.type = RPC_BROKER, .broker.request = q};
	if (r == 0)
		r = ask(w, &q, &s, &m, &fd);
	rpc_wipe(&m);
	explicit_bzero(&s, sizeof(s));
	explicit_bzero(&q, sizeof(q)); /* a token is as good as a password */
	return r < 0 ? r : pass_answer(w, fd, (int)path.frontend);
}
