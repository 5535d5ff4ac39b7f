/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/record.h - what an authenticated user may reach, and as whom. Guard.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/config.h"
#include "base/rpc.h"
#include "session/option.h"
#include "session/uri.h"

#define RECORD_SESSIONS_MAX 64

#define IDENTITY_GROUPS_MAX 64

/* Who a child or the guard becomes. */
struct identity {
	uid_t uid;
	gid_t gid;
	char name[64];  /* passwd name of uid: for initgroups(); "" if it has none */
	char home[256]; /* "" if unknown */
	gid_t groups[IDENTITY_GROUPS_MAX]; /* supplementary ones, looked up once */
	int group_count;                   /* -1: more than that, initgroups() must do */
	char runtime_dir[128]; /* /run/user/UID, or our own $XDG_RUNTIME_DIR if we are that user */
};

struct record {
	struct identity identity;
	bool listed; /* sessions[] is the user's list; else the user's sockets are scanned */
	size_t count;
	struct uri sessions[RECORD_SESSIONS_MAX];
	struct session_options options;
	char env[2048]; /* NAME=VALUE, NUL-separated, whitelisted; ends with an empty string */
};

/* The identity for uid/gid given as number or name. "" means the passwd entry of `username`, or,
 * if there is none, the configured default user and group. gid "": the passwd entry's group if
 * uid was found by name or number there, else the default group. A group `nobody` that does not
 * exist means `nogroup`. Not root: the caller's own identity, whatever was asked. 0; -ENOENT no
 * such user or group (err says which); -EPERM uid or gid 0. */
int identity_resolve(const struct config *c, const char *username, const char *uid, const char *gid,
                     struct identity *ret, char err[RPC_TEXT_MAX]);

/* The identity of a uid that is known: a name, a home and a group ((gid_t)-1) only if it has a
 * passwd entry. */
void identity_of_uid(uid_t uid, struct identity *ret);

/* Parses the stored fields into the record: comma-separated URIs (blanks trimmed, empty ones
 * skipped), k=v;k=v. Always succeeds: what cannot be used is left out with a warning. warn may be
 * NULL. record_set_sessions() sets `listed`; each clears what the record had before. */
void record_set_sessions(struct record *r, const char *displays, record_warn warn);
void record_set_options(struct record *r, const char *session_options, record_warn warn);
void record_set_env(struct record *r, const char *env_options, record_warn warn);

void record_wipe(struct record *r);
