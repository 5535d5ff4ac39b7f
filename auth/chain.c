/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/chain.c - the modules in their order, and what becomes of their answers. Guard or checker,
 * privileged. System calls: those of the modules, getrandom and madvise.
 */
#include "auth/chain.h"

#include <errno.h>
#include <stdio.h>

#include "auth/challenge.h"
#include "auth/username.h"
#include "base/macros.h"
#include "base/wipe.h"

#define EXIT_AUTH 5
#define ROUNDS_MAX 16 /* challenges of one module's own */

/* ---- no ---- */

static void set_denial(struct rpc_step *ret, const char *reason, const char *text)
{
	*ret = (struct rpc_step){.kind = STEP_DENIED, .exit_code = EXIT_AUTH};
	snprintf(ret->reason, sizeof(ret->reason), "%s", reason);
	snprintf(ret->text, sizeof(ret->text), "%s", text);
}

/* The end of it: what comes after is not due. */
static void deny(struct chain *c, struct rpc_step *ret, const char *reason, const char *text,
                 const char *failure)
{
	set_denial(ret, reason, text);
	snprintf(c->outcome->failure, sizeof(c->outcome->failure), "%s", failure);
	c->progress = (struct progress){0};
}

/* One module's no, which an alternative to it may still make good. */
static void no(struct chain *c, size_t i, const char *reason, const char *text, const char *failure)
{
	char *all = c->outcome->failure;
	size_t n = strlen(all);

	c->progress.asked |= UINT32_C(1) << i;
	set_denial(&c->progress.denial, reason, text);
	snprintf(all + n, sizeof(c->outcome->failure) - n, "%s%s", n ? "; " : "", failure);
}

/* ---- asking ---- */

static size_t group_end(const struct chain *c)
{
	size_t i = c->progress.first;

	while (i < c->count && c->instances[i].group == c->instances[c->progress.first].group)
		i++;
	return i;
}

static void prepare(struct chain *c, size_t i, struct attempt *t)
{
	t->a.options = &c->instances[i].options;
	t->a.peer = c->peer;
	t->a.secure = c->login.secure;
	t->a.forwarded = c->login.forwarded;
	t->a.warn = c->warn;
	t->a.error[0] = '\0';
	t->a.state = c->state;
	for (size_t n = 0; n < AUTH_FACTS_MAX; n++)
		t->a.facts[n] = n < c->progress.facts && c->has_fact[n] ? c->facts[n] : NULL;
	snprintf(c->outcome->module, sizeof(c->outcome->module), "%s",
	         c->instances[i].module->name);
}

static void could_not_tell(struct chain *c, size_t i, const struct attempt *t, int error)
{
	char failure[RPC_TEXT_MAX];

	snprintf(failure, sizeof(failure), "module %s could not tell: %.200s",
	         c->instances[i].module->name, t->a.error[0] ? t->a.error : strerror(-error));
	no(c, i, "authentication error", "cannot access sessions", failure);
}

/* A module has said yes. Whether the names agree: then it counts. */
static bool accept_user(struct chain *c, size_t i, const struct attempt *t,
                        const struct auth_row *row)
{
	char why[AUTH_ERROR_MAX] = "", failure[RPC_TEXT_MAX], reason[RPC_NAME_MAX];
	char name[AUTH_USERNAME_MAX]; /* an alternative to a no is not asked about it */
	int r = username_after(t->a.options, t->a.username, row->username, name, why);

	if (r <= 0) {
		snprintf(failure, sizeof(failure), "module %s: %s", c->instances[i].module->name,
		         why);
		snprintf(reason, sizeof(reason), "invalid username '%.200s'", t->a.username);
		no(c, i, r == 0 ? reason : "authentication error", "", failure);
		return false;
	}
	memcpy(c->outcome->username, name, sizeof(name));
	if (!c->outcome->service[0])
		memcpy(c->outcome->service, row->service, sizeof(row->service));
	if (row->has_sessions && !c->outcome->row.has_sessions)
		c->outcome->row = *row;
	else if (!c->outcome->row.has_sessions && row->uid[0] && !c->outcome->row.uid[0]) {
		memcpy(c->outcome->row.uid, row->uid, sizeof(row->uid));
		memcpy(c->outcome->row.gid, row->gid, sizeof(row->gid));
	}
	return true;
}

/* Asks one module. Whether its group has what it takes. */
static enum auth_verdict ask(struct chain *c, size_t i, struct attempt *t)
{
	static struct auth_row row; /* large */
	char name[AUTH_USERNAME_MAX], failure[RPC_TEXT_MAX];
	enum auth_verdict verdict = AUTH_NO;
	int r = username_before(&c->instances[i].options, c->outcome->username, name);

	prepare(c, i, t);
	t->a.username = name;
	if (r == 0)
		r = c->instances[i].module->verify(&t->a, &row);
	if (r > AUTH_MORE || (r == AUTH_MORE && !(c->instances[i].flags & AUTH_OWN))) {
		snprintf(t->a.error, sizeof(t->a.error), "it is broken");
		r = -EINVAL;
	}
	if (r < 0) {
		could_not_tell(c, i, t, r);
	} else if (r == AUTH_NO) {
		if (t->a.error[0])
			snprintf(failure, sizeof(failure), "module %s: %.200s",
			         c->instances[i].module->name, t->a.error);
		else
			snprintf(failure, sizeof(failure), "wrong password or unknown user (%s)",
			         c->instances[i].module->name);
		no(c, i, "authentication failed", "", failure);
		c->outcome->wrong = true;
	} else if (r == AUTH_MORE || accept_user(c, i, t, &row)) {
		verdict = (enum auth_verdict)r;
	}
	t->a.username = NULL;
	wipe_pages(&row, sizeof(row));
	return verdict;
}

static void next_group(struct chain *c)
{
	c->progress = (struct progress){.first = group_end(c)};
	c->outcome->failure[0] = '\0';
	c->outcome->wrong = false;
}

/* ---- challenges ---- */

static const char *prompt_for(struct chain *c, size_t i, char *buf, size_t size)
{
	snprintf(buf, size, "password for user '%.128s'", c->outcome->username);
	return auth_option(&c->instances[i].options, "prompt",
	                   c->outcome->username[0] ? buf : "password");
}

static void send_challenge(struct chain *c, size_t i, uint32_t members, struct rpc_step *ret)
{
	c->progress.current = i;
	c->progress.challenged = members;
	c->progress.wait = WAIT_RESPONSE;
	c->challenged = true;
	*ret = c->challenge;
}

/* One challenge for all alternatives that take a password: in the clear if one of them needs that
 * and this client may send it. */
static bool ask_password(struct chain *c, size_t i, struct rpc_step *ret)
{
	const char *reason = "", *why = "", *text;
	char prompt[RPC_NAME_MAX], failure[RPC_TEXT_MAX];
	uint32_t any = 0, clear = 0;

	for (size_t k = i; k < group_end(c); k++) {
		unsigned flags = c->instances[k].flags;

		if (!(flags & AUTH_CHALLENGE) || flags & AUTH_OWN ||
		    c->progress.asked & UINT32_C(1) << k)
			continue;
		any |= UINT32_C(1) << k;
		if (flags & AUTH_CLEAR)
			clear |= UINT32_C(1) << k;
	}
	text = prompt_for(c, i, prompt, sizeof(prompt));
	if (clear && challenge_password(c, true, text, &reason, &why) == 0) {
		send_challenge(c, i, any, ret);
		return true;
	}
	for (size_t k = i; clear && k < group_end(c); k++)
		if (clear & UINT32_C(1) << k) {
			snprintf(failure, sizeof(failure), "%s: %s", c->instances[k].module->name,
			         why);
			no(c, k, reason, "", failure);
		}
	any &= ~clear;
	if (!any)
		return false;
	if (challenge_password(c, false, text, &reason, &why) == 0) {
		send_challenge(c, i, any, ret);
		return true;
	}
	for (size_t k = i; k < group_end(c); k++)
		if (any & UINT32_C(1) << k)
			no(c, k, reason, "", why);
	return false;
}

static bool ask_own(struct chain *c, size_t i, struct rpc_step *ret)
{
	static struct auth_challenge own; /* large */
	const struct auth_module *m = c->instances[i].module;
	const char *reason = "", *why = "";
	char name[AUTH_USERNAME_MAX], prompt[RPC_NAME_MAX], failure[RPC_TEXT_MAX];
	struct attempt t = {0};
	int r = username_before(&c->instances[i].options, c->outcome->username, name);

	prepare(c, i, &t);
	t.a.username = name;
	own = (struct auth_challenge){0};
	if (c->progress.round == ROUNDS_MAX) {
		snprintf(t.a.error, sizeof(t.a.error), "it asks too often");
		r = -ELOOP;
	}
	if (r == 0)
		r = m->challenge(&t.a, c->progress.round, &own);
	if (r < 0) {
		could_not_tell(c, i, &t, r);
		return false;
	}
	if (challenge_own(c, &own, prompt_for(c, i, prompt, sizeof(prompt)), &reason, &why) < 0) {
		snprintf(failure, sizeof(failure), "%s: %s", m->name, why);
		no(c, i, reason, "", failure);
		return false;
	}
	c->progress.round++;
	send_challenge(c, i, UINT32_C(1) << i, ret);
	return true;
}

/* ---- the order ---- */

/* Whether the module needs to hear something of the client first. */
static bool ask_fact(struct chain *c, size_t i, struct rpc_step *ret)
{
	const struct auth_instance *in = &c->instances[i];
	char name[AUTH_FACT_NAME_MAX];

	if (!in->module->fact || c->progress.facts == AUTH_FACTS_MAX ||
	    !in->module->fact(&in->options, (unsigned)c->progress.facts, name))
		return false;
	*ret = (struct rpc_step){.kind = STEP_FACT};
	snprintf(ret->fact, sizeof(ret->fact), "%s", name);
	c->progress.wait = WAIT_FACT;
	return true;
}

/* The client's turn: true. False: the module has been asked, with whatever result. */
static bool consult(struct chain *c, size_t i, struct rpc_step *ret)
{
	unsigned flags = c->instances[i].flags;
	struct attempt t = {0};

	if (c->progress.current != i) {
		c->progress.facts = 0;
		c->progress.round = 0;
		memset(c->state, 0, sizeof(c->state));
	}
	c->progress.current = i;
	if (ask_fact(c, i, ret))
		return true;
	if (flags & AUTH_OWN)
		return ask_own(c, i, ret);
	if (flags & AUTH_CHALLENGE)
		return ask_password(c, i, ret);
	if (ask(c, i, &t) == AUTH_YES)
		next_group(c);
	return false;
}

/* The record that in, a module that has lookup(), keeps of the user. 0 or a negative errno with
 * err. */
static int look_up(struct chain *c, const struct auth_instance *in, char err[RPC_TEXT_MAX])
{
	static struct auth_row row;
	struct auth_attempt a = {
		.username = c->outcome->username,
		.options = &in->options,
		.peer = c->peer,
		.secure = c->login.secure,
		.warn = c->warn,
	};
	int r = in->module->lookup(&a, &row);

	if (r < 0) {
		snprintf(err, RPC_TEXT_MAX, "%.200s", a.error[0] ? a.error : strerror(-r));
		return r;
	}
	if (!row.uid[0]) { /* who has let the user in may have known it */
		memcpy(row.uid, c->outcome->row.uid, sizeof(row.uid));
		memcpy(row.gid, c->outcome->row.gid, sizeof(row.gid));
	}
	c->outcome->row = row;
	c->outcome->row.has_sessions = true; /* nobody there: none */
	wipe_pages(&row, sizeof(row));
	return 0;
}

int chain_look_up(struct chain *c, char err[RPC_TEXT_MAX])
{
	if (c->registry.module)
		return look_up(c, &c->registry, err);
	for (size_t i = 0; i < c->count; i++)
		if (c->instances[i].module->lookup)
			return look_up(c, &c->instances[i], err);
	return 0;
}

/* The sessions, from elsewhere than the modules that have let the user in. */
static bool look_up_sessions(struct chain *c, struct rpc_step *ret)
{
	char failure[RPC_TEXT_MAX], why[RPC_TEXT_MAX];

	if (look_up(c, &c->registry, why) == 0)
		return true;
	snprintf(failure, sizeof(failure), "registry %s: %.200s", c->registry.module->name, why);
	deny(c, ret, "authentication error", "cannot access sessions", failure);
	return false;
}

/* Asks until the client's word is needed, a group has said no, or all have said yes. */
static void advance(struct chain *c, struct rpc_step *ret)
{
	while (c->progress.first < c->count) {
		size_t i = c->progress.first, end = group_end(c);

		while (i < end && c->progress.asked & UINT32_C(1) << i)
			i++;
		if (i == end) { /* all of them: no */
			*ret = c->progress.denial;
			c->progress = (struct progress){0};
			return;
		}
		if (consult(c, i, ret))
			return;
	}
	/* A client that was given a password leaves if nobody asks for it. */
	if (c->login.wants_challenge && !c->challenged) {
		const char *reason, *why;

		if (challenge_password(c, false, "password", &reason, &why) < 0)
			deny(c, ret, reason, "", why);
		else
			send_challenge(c, c->count, 0, ret);
		return;
	}
	if (c->registry.module && !look_up_sessions(c, ret))
		return;
	*ret = (struct rpc_step){.kind = STEP_ACCEPTED};
}

/* The row is large, in shared memory, and nearly always as new: then it is not touched. */
static void reset_outcome(struct outcome *o)
{
	if (o->row.has_sessions || o->row.uid[0] || o->row.gid[0])
		o->row = (struct auth_row){0};
	memset(o, 0, offsetof(struct outcome, row));
}

static void begin(struct chain *c, const struct rpc_login *login, struct rpc_step *ret)
{
	c->login = *login;
	c->challenged = false;
	c->progress = (struct progress){.current = SIZE_MAX};
	reset_outcome(c->outcome);
	snprintf(c->outcome->username, sizeof(c->outcome->username), "%s", login->username);
	advance(c, ret);
}

static void take_fact(struct chain *c, const struct rpc_fact *fact, struct rpc_step *ret)
{
	size_t n = c->progress.facts++;

	c->has_fact[n] = fact->present;
	memcpy(c->facts[n], fact->text, sizeof(c->facts[n]));
	c->progress.wait = WAIT_NOTHING;
	advance(c, ret);
}

/* Every module that the challenge was for gets the answer, until one is content. */
static void respond(struct chain *c, const struct rpc_response *response, struct rpc_step *ret)
{
	static struct attempt t; /* large */
	size_t current = c->progress.current, end = group_end(c);
	bool own = current < c->count && c->instances[current].flags & AUTH_OWN;
	enum auth_verdict verdict = AUTH_NO;
	const char *why;

	c->progress.wait = WAIT_NOTHING;
	if (current == c->count && response->response.len > 0) { /* that nobody needed */
		if (!c->registry.module || look_up_sessions(c, ret))
			*ret = (struct rpc_step){.kind = STEP_ACCEPTED};
		return;
	}
	if (challenge_read(c, response, own, &t, &why) < 0) {
		deny(c, ret, "authentication failed", "", why);
		wipe_pages(&t, sizeof(t));
		return;
	}
	for (size_t i = current; i < end && verdict == AUTH_NO; i++)
		if (c->progress.challenged & UINT32_C(1) << i)
			verdict = ask(c, i, &t);
	wipe_pages(&t, sizeof(t));
	if (verdict == AUTH_YES)
		next_group(c);
	advance(c, ret);
}

void chain_step(struct chain *c, const struct rpc *request, struct rpc_step *ret)
{
	if (request->type == RPC_LOGIN)
		begin(c, &request->login, ret);
	else if (request->type == RPC_FACT && c->progress.wait == WAIT_FACT)
		take_fact(c, &request->fact, ret);
	else if (request->type == RPC_RESPONSE && c->progress.wait == WAIT_RESPONSE)
		respond(c, &request->response, ret);
	else
		deny(c, ret, "authentication failed", "", "a response to no challenge");
}
