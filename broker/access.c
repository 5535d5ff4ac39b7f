/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/access.c - whether a request needs a login. xproxy-x2gobroker. System calls: those of
 * broker/authid.c.
 *
 * A token stands for a login that was right once. One that is no good is refused whatever comes
 * with it: clients send the password each time, so who has got hold of a whole request has that as
 * well.
 */
#include "broker/access.h"

#include <stdio.h>

#include "base/log.h"
#include "base/macros.h"

static void say(struct x2go_verdict *v, enum x2go_verdict_kind kind, const char *reason)
{
	v->kind = kind;
	snprintf(v->reason, sizeof(v->reason), "%s", reason);
}

static void judge_token(const struct x2go_start *s, uint64_t now, struct x2go_verdict *ret,
                        struct access *access)
{
	const struct x2go_request *q = &s->request;
	char err[256] = "";
	int r = authid_check(&s->setup, q->authid, q->user, s->place, now, &access->authid, err,
	                     sizeof(err));

	if (r < 0)
		log_message(LOG_ERR, "x2go: auth-ids cannot be checked: %s", err);
	access->by_token = r == AUTHID_VALID;
	if (r == AUTHID_VALID)
		say(ret, X2GO_GRANTED, "");
	else if (r == AUTHID_PRESET)
		say(ret, X2GO_LOGIN, "");
	else
		say(ret, X2GO_DENIED, r < 0 ? "auth-ids cannot be checked" : err);
}

void access_judge(const struct x2go_start *s, uint64_t now, struct x2go_verdict *ret,
                  struct access *ret_access)
{
	const struct x2go_request *q = &s->request;
	bool tokens = q->frontend != X2GO_UCCS && s->setup.authid != X2GO_AUTHID_NONE;

	*ret = (struct x2go_verdict){0};
	*ret_access = (struct access){0};
	if (q->frontend == X2GO_PUBKEYS || q->task == X2GO_TESTCON) {
		ret_access->nobody = true;
		say(ret, X2GO_GRANTED, "");
	} else if (tokens && q->authid[0]) {
		judge_token(s, now, ret, ret_access);
		/* The password is changed by who knows it. */
		if (q->task == X2GO_SETPASS && ret->kind == X2GO_GRANTED)
			say(ret, X2GO_LOGIN, "");
	} else if (tokens && s->setup.require_authid) {
		say(ret, X2GO_DENIED, "there is no auth-id");
	} else {
		say(ret, X2GO_LOGIN, "");
	}
}
