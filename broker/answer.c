/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/answer.c - one request of a client that may ask: which profiles there are, where one of
 * them leads, what has become of a session. xproxy-x2gobroker, without privilege. System calls:
 * those of what it calls.
 */
#include "broker/answer.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macros.h"
#include "broker/acl.h"
#include "broker/event.h"
#include "broker/json.h"
#include "broker/key.h"
#include "broker/probe.h"
#include "broker/qsettings.h"
#include "broker/reply.h"
#include "broker/select.h"

#define DEADLINE_USEC (15 * USEC_PER_SEC) /* somebody sits and waits */
#define SWEEP_USEC (3 * USEC_PER_SEC)     /* between two words of a client that reports */
#define ERROR_MAX 512
#define LEFT_OUT_MAX 8 /* lines of the log, as each request has them */

struct work {
	const struct x2go_start *start;
	const char *user;
	uint64_t deadline_usec;
	struct profiles *profiles;
	struct visitor visitor;
	struct reply reply;
	struct choice choice;
	char pem[KEYLINE_PEM_MAX], order[EVENT_ORDER_MAX];
};

/* ---- agents, for keys ---- */

static int run_agent(void *arg, const struct x2go_setup *s, const struct key_target *t,
                     const char *task, const char *const *args, char *err, size_t err_size)
{
	const struct agent agent = {
		.setup = s,
		.mode = (enum x2go_agent)t->agent,
		.hostkeys = (enum x2go_hostkeys)t->hostkeys,
		.deadline_usec = *(const uint64_t *)arg,
	};
	char *output = NULL;
	int r = agent_run(&agent, t->address, t->port, t->user, task, args, &output, err, err_size);

	free(output);
	if (r == 0 && strcmp(task, "addauthkey") == 0)
		r = probe_key(s->state, t->address, t->port, t->user, args[0], agent.deadline_usec,
		              err, err_size);
	/* These have not been asked at all. */
	return r == -EINVAL || r == -EOPNOTSUPP || r == -ENOKEY ? -EREMOTEIO : r;
}

static void sweep_keys(const char *state, uint64_t usec)
{
	uint64_t deadline = now_usec() + usec;
	struct key_swept swept;
	char err[ERROR_MAX];

	if (key_sweep(state, wall_usec(), deadline, run_agent, &deadline, &swept, err,
	              sizeof(err)) < 0)
		return; /* the timer says so */
}

/* ---- the list ---- */

static void look(const struct work *w, const struct profile *p, struct standing *ret)
{
	struct agent agent;
	char err[ERROR_MAX] = "";

	*ret = (struct standing){.suspended = -1, .running = -1};
	select_agent(p, &w->start->setup, w->deadline_usec, &agent);
	if (agent.mode == X2GO_AGENT_NONE)
		return;
	if (select_status(p, &agent, w->user, ret, err, sizeof(err)) < 0 || err[0])
		log_message(LOG_WARNING, "x2go: profile %s: %s", profile_id(p), err);
}

static bool logs_in(const struct work *w, const struct profile *p)
{
	return profile_flag(p, "broker-session-autologin", w->start->setup.autologin);
}

static int list_profiles(struct work *w)
{
	for (size_t i = 0; i < profiles_count(w->profiles); i++) {
		const struct profile *p = profiles_at(w->profiles, i);
		struct profile_extra extra = {.suspended = -1, .running = -1, .user = w->user};
		struct standing s;

		if (!acl_allows(p, &w->visitor))
			continue;
		look(w, p, &s);
		if (s.known) {
			extra.host = s.host.name;
			extra.status = s.status;
			extra.suspended = s.suspended;
			extra.running = s.running;
			extra.autologin = logs_in(w, p);
		}
		if (w->reply.list)
			qsettings_write(w->reply.list, p, &extra);
		else if (json_object_set_new(w->reply.profiles, profile_id(p),
		                             profile_json(p, &extra)) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* What Arctica's greeter reads: UCCS, version 5 of which names its fields anew. */
static int list_servers(struct work *w)
{
	bool v4 = strcmp(w->start->request.version, "4") == 0;
	json_t *servers = json_array();
	struct profile_host host;

	for (size_t i = 0; servers && i < profiles_count(w->profiles); i++) {
		const struct profile *p = profiles_at(w->profiles, i);
		const char *name = profile_get(p, "name"), *command = profile_get(p, "command");
		char url[512];

		if (!acl_allows(p, &w->visitor) || profile_hosts(p, &host, 1) != 1)
			continue;
		snprintf(url, sizeof(url), "http://%s:%u/", host.address, host.port);
		json_array_append_new(servers,
		                      json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:s}", "URL", url,
		                                "Name", name ? name : profile_id(p), "Protocol",
		                                "x2go", "Username", w->user, "Password", "",
		                                v4 ? "SessionTypeRequired" : "CommandRequired",
		                                command == NULL, v4 ? "SessionType" : "Command",
		                                command ? command : ""));
	}
	w->reply.profiles = json_pack("{s:s, s:s, s:s, s:[], s:o}", "URL", "", "Name", "xproxy",
	                              "DefaultServer", "", "AdditionalManagementServers",
	                              "RemoteDesktopServers", servers);
	return w->reply.profiles ? 0 : -ENOMEM;
}

/* ---- the selection ---- */

static void copy(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from ? from : "");
}

static const char *or_else(const char *text, const char *fallback)
{
	return text && text[0] ? text : fallback;
}

/* Who the client is on the server: whom the profile names, or who has logged in here. NULL: it
 * wants to be somebody else, of whom it knows the password or is told nothing. */
static const char *login_of(const struct work *w, const struct profile *p)
{
	const char *wanted = w->start->request.login, *user = profile_get(p, "user");

	if (!user || !*user || strcmp(user, "BROKER_USER") == 0)
		user = w->user;
	if (!*wanted || strcmp(wanted, user) == 0)
		return user;
	return strcmp(wanted, w->user) == 0 ? w->user : NULL;
}

/* A key to the server, and one to what is before it. Without one the client asks for a password. */
static void offer_key(struct work *w, const struct profile *p, const struct agent *agent,
                      const char *login)
{
	const struct x2go_setup *s = &w->start->setup;
	const char *proxy =
		profile_flag(p, "usesshproxy", false) ? profile_get(p, "sshproxyhost") : NULL;
	struct key_target targets[2] = {0};
	struct key_request q = {.setup = s,
	                        .user = w->user,
	                        .address = w->start->address,
	                        .server = w->choice.host.address,
	                        .login = login,
	                        .pubkey = w->start->request.pubkey,
	                        .expiry = keyline_expiry_of(profile_get(p, "broker-key-expiry"))};
	uint64_t deadline = w->deadline_usec;
	char err[ERROR_MAX] = "";
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		struct key_target *t = &targets[i];
		bool is_proxy = i == 0;

		if (is_proxy && !(proxy && proxy[0]))
			continue;
		t->agent = agent->mode;
		t->hostkeys = agent->hostkeys;
		t->port = is_proxy
		                  ? (uint32_t)strtoul(or_else(profile_get(p, "sshproxyport"), "22"),
		                                      NULL, 10)
		                  : w->choice.host.port;
		copy(t->address, sizeof(t->address), is_proxy ? proxy : w->choice.via);
		copy(t->user, sizeof(t->user),
		     is_proxy ? or_else(profile_get(p, "sshproxyuser"), login) : login);
		copy(t->file, sizeof(t->file),
		     or_else(profile_get(p, is_proxy ? "broker-sshproxy-authorized-keys"
		                                     : "broker-authorized-keys"),
		             s->authorized_keys));
		q.targets[q.count++] = t;
	}
	r = key_offer(&q, wall_usec(), run_agent, &deadline, w->pem, err, sizeof(err));
	w->reply.key_taken = r == 0 && q.pubkey[0];
	if (r < 0)
		log_message(LOG_WARNING, "x2go: profile %s: no key for user '%s': %s",
		            profile_id(p), w->user, err);
}

static int select_profile(struct work *w)
{
	const struct profile *p = profiles_find(w->profiles, w->start->request.sid);
	const char *login;
	struct agent agent;
	char err[ERROR_MAX] = "";
	int r;

	w->reply.denied = !p || !acl_allows(p, &w->visitor);
	if (w->reply.denied) {
		log_message(LOG_NOTICE, "x2go: user '%s' asks for a profile that is not theirs%s",
		            w->user, p ? "" : ", or nobody's");
		return 0;
	}
	select_agent(p, &w->start->setup, w->deadline_usec, &agent);
	login = login_of(w, p);
	if (!login) {
		log_message(LOG_NOTICE,
		            "x2go: profile %s: user '%s' asks for somebody else's session: no key, "
		            "no list of sessions",
		            profile_id(p), w->user);
		agent.mode = X2GO_AGENT_NONE;
	}
	r = select_server(p, &agent, login ? login : "", &w->choice, err, sizeof(err));
	if (err[0])
		log_message(LOG_WARNING, "x2go: profile %s: %s", profile_id(p), err);
	if (r < 0 || !w->choice.available) {
		log_message(LOG_WARNING, "x2go: profile %s: none of its servers is there",
		            profile_id(p));
		w->reply.denied = true;
		return r == -ENOMEM ? r : 0;
	}
	w->reply.choice = &w->choice;
	if (login && w->choice.agent && logs_in(w, p))
		offer_key(w, p, &agent, login);
	return 0;
}

/* ---- the rest ---- */

static int hear_event(struct work *w)
{
	const struct x2go_start *s = w->start;
	struct x2go_request q = s->request;
	char err[ERROR_MAX] = "";
	uint64_t now = wall_usec();

	copy(q.user, sizeof(q.user), w->user);
	if (event_record(s->setup.state, &q, s->address, now, err, sizeof(err)) < 0 ||
	    event_take_order(s->setup.state, &q, w->order, err, sizeof(err)) < 0)
		log_message(LOG_WARNING, "x2go: event of user '%s': %s", w->user, err);
	if (strcmp(q.event, "CONNECTED") == 0) {
		const struct key_use use = {w->user, s->address, q.server, q.login};

		(void)key_done(s->setup.state, &use, now, err, sizeof(err));
		sweep_keys(s->setup.state, SWEEP_USEC);
	}
	return 0;
}

/* The broker's own keys, as servers' administrators put them into authorized_keys. */
static char *own_keys(const struct x2go_setup *s)
{
	char *text = NULL, name[256 + sizeof(s->state)], line[4096];
	size_t len = 0;
	FILE *out = open_memstream(&text, &len), *f;
	struct dirent *e;
	DIR *d;

	snprintf(name, sizeof(name), "%s/.ssh", s->state);
	d = opendir(name);
	while (out && d && (e = readdir(d))) {
		size_t n = strlen(e->d_name);

		if (strncmp(e->d_name, "id_", 3) != 0 || n < 5 ||
		    strcmp(e->d_name + n - 4, ".pub") != 0)
			continue;
		snprintf(name, sizeof(name), "%s/.ssh/%.200s", s->state, e->d_name);
		f = fopen(name, "re");
		if (f && fgets(line, sizeof(line), f))
			fprintf(out, "command=\"%s\",restrict %s%s", s->agent_command, line,
			        strchr(line, '\n') ? "" : "\n");
		if (f)
			fclose(f);
	}
	if (d)
		closedir(d);
	if (out && fclose(out) != 0)
		return NULL;
	return text;
}

static void log_left_out(const struct profiles *p)
{
	const char *why;
	size_t n = 0;

	while ((why = profiles_left_out(p, n)) != NULL)
		if (n++ < LEFT_OUT_MAX)
			log_message(LOG_WARNING, "x2go: a profile is left out: %s", why);
	if (n > LEFT_OUT_MAX)
		log_message(LOG_WARNING,
		            "x2go: %zu more mistakes in profiles: `xproxyctl check` has all",
		            n - LEFT_OUT_MAX);
}

static int load(struct work *w, const char *rows)
{
	const struct x2go_setup *s = &w->start->setup;
	char err[ERROR_MAX] = "";
	int r = profiles_load(s->profiles, rows, &w->profiles, err, sizeof(err));

	if (r < 0) {
		log_message(LOG_ERR, "x2go: %s", err);
		return r;
	}
	log_left_out(w->profiles);
	return acl_visitor(w->user, w->start->address, s->ignore_primary_group, &w->visitor);
}

static int work(struct work *w, const struct x2go_login *login)
{
	const struct x2go_request *q = &w->start->request;
	bool wants_profiles = q->task == X2GO_LIST || q->task == X2GO_SELECT;
	int r = wants_profiles ? load(w, login->rows) : 0;

	if (r < 0 || q->frontend == X2GO_PUBKEYS)
		return r;
	if (q->task == X2GO_LIST && q->frontend == X2GO_UCCS)
		return list_servers(w);
	if (q->task == X2GO_LIST)
		return list_profiles(w);
	if (q->task == X2GO_SELECT)
		return select_profile(w);
	if (q->task == X2GO_EVENT)
		return hear_event(w);
	if (q->task == X2GO_SETPASS && !login->password_changed)
		log_message(LOG_NOTICE, "x2go: the password of user '%s' was not changed: %s",
		            w->user, login->why);
	w->reply.password_changed = login->password_changed;
	return 0;
}

/* The next token; without one who has logged in would be refused from then on. */
static int issue(struct work *w, const struct access *access, char token[AUTHID_MAX])
{
	char err[ERROR_MAX] = "";
	int r = 0;

	token[0] = '\0';
	if (access->nobody || w->start->request.frontend == X2GO_UCCS)
		return 0;
	r = authid_issue(&w->start->setup, w->user, w->start->place, wall_usec(),
	                 access->by_token ? &access->authid : NULL, token, err, sizeof(err));
	if (r < 0)
		log_message(LOG_ERR, "x2go: no auth-id can be given: %s", err);
	return r;
}

int answer_write(const struct x2go_start *start, const struct x2go_login *login,
                 const struct access *access, FILE *to)
{
	static struct work w; /* a process has one */
	char token[AUTHID_MAX], *list = NULL, *keys = NULL;
	size_t len = 0;
	int r;

	w = (struct work){.start = start, .deadline_usec = now_usec() + DEADLINE_USEC};
	w.user = login->user;
	w.reply = (struct reply){.start = start, .user = w.user, .pem = w.pem, .order = w.order};
	r = issue(&w, access, token);
	w.reply.authid = token;
	if (start->request.frontend == X2GO_PLAIN)
		w.reply.list = open_memstream(&list, &len);
	else if (start->request.frontend == X2GO_JSON)
		w.reply.profiles = json_object();
	if (start->request.frontend == X2GO_PUBKEYS)
		w.reply.pubkeys = keys = own_keys(&start->setup);
	if (r == 0)
		r = work(&w, login);
	if (w.reply.list && fclose(w.reply.list) != 0)
		r = -ENOMEM;
	if (r == 0 && start->request.frontend == X2GO_PUBKEYS && !keys)
		r = -ENOMEM;
	if (r == 0)
		r = reply_write(&w.reply, list ? list : "", to);
	explicit_bzero(w.pem, sizeof(w.pem));
	explicit_bzero(token, sizeof(token));
	w.reply.authid = "";
	return r;
}

int answer_sweep(const char *state)
{
	uint64_t deadline = now_usec() + 50 * USEC_PER_SEC;
	struct key_swept swept = {0};
	char err[ERROR_MAX] = "";
	int r = key_sweep(state, wall_usec(), deadline, run_agent, &deadline, &swept, err,
	                  sizeof(err));

	if (r == -EALREADY)
		r = 0;
	if (r == 0)
		r = authid_sweep(state, wall_usec(), err, sizeof(err));
	if (r >= 0)
		r = event_sweep(state, wall_usec(), err, sizeof(err));
	if (r < 0)
		log_message(LOG_ERR, "%s", err);
	return r < 0;
}
