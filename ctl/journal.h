/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/journal.h - how the logins went, from the journal. In xproxyctl, as its caller, who needs to
 * be root or in one of the groups adm and systemd-journal.
 */
#pragma once

#include <stdint.h>

enum login_result {
	LOGIN_ACCEPTED,
	LOGIN_AUTH,     /* wrong password, unknown user, or a module that could not tell */
	LOGIN_SESSION,  /* no such session */
	LOGIN_UPSTREAM, /* the session could not be reached or refused us */
	LOGIN_TIMEOUT,
	LOGIN_PROTOCOL, /* not a client of ours */
	LOGIN_OTHER,
};
#define LOGIN_RESULTS 7

struct logins {
	uint64_t count[LOGIN_RESULTS];
};

const char *login_result_name(enum login_result result);

/* What a `refused` record's XPROXY_END means. */
enum login_result login_result_of(const char *end);

/* Counts those since the machine was started that a process of root's or the caller's own has
 * written: anybody may write to the journal, but the journal knows who did. 0, or a negative errno:
 * there is no journal, or none that the caller may read. */
int journal_logins(struct logins *ret);
