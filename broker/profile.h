/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/profile.h - the session profiles that a broker offers: x2gobroker's file of them (see
 * x2gobroker-sessionprofiles.conf), and what a user's own record has.
 *
 * Each profile is a section of the file, over what [DEFAULT] says, over x2gobroker's own defaults.
 * Keys whose type is known have it here too: a truth is "1" or "0", a list has no blanks around its
 * commas. `not-set` takes a key away, but not one of an access list, where it would open what was
 * closed.
 *
 * In a user's record, NAME=x2go://[USER@]HOST[:PORT][/COMMAND][?KEY=VALUE&...] is such a section,
 * with %XX for what has another meaning there; the other URIs in it are somebody else's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define PROFILE_ID_MAX 128

/* At most; a file that has more is refused. */
#define PROFILES_FILE_MAX (4u << 20) /* bytes: each profile may have a picture in it */
#define PROFILES_MAX 1000
#define PROFILE_KEYS_MAX 200 /* of a section */
#define PROFILE_KEY_MAX 64   /* bytes */
#define PROFILE_VALUE_MAX (128u << 10)
#define PROFILE_HOSTS_MAX 256

enum profile_type {
	PROFILE_TEXT,
	PROFILE_FLAG,
	PROFILE_NUMBER,
	PROFILE_LIST,
};

struct profile_host {
	char name[256];    /* what the server calls itself */
	char address[256]; /* where it is reached: a name or an address, without brackets */
	unsigned port;
};

/* What a list says of a profile that the profile itself does not. */
struct profile_extra {
	const char *host;       /* the only one to name; NULL: all of them */
	const char *status;     /* "S", "R"; NULL none */
	int suspended, running; /* sessions; -1: not said */
	bool autologin;         /* there will be a key */
	const char *user;       /* for BROKER_USER */
};

struct profile;
struct profiles;

/* Reads the file (NULL or "": none) and the rows (likewise). 0, with *ret to be freed, and err ""
 * or the first reason why some profile has been left out: a value that cannot be used; -ENOMEM;
 * -EINVAL and those of readfile_secret(), with err saying where and what. */
int profiles_load(const char *path, const char *rows, struct profiles **ret, char *err,
                  size_t err_size);

/* The same of a file's content, which is called `path` in errors. */
int profiles_parse(const char *text, size_t len, const char *path, const char *rows,
                   struct profiles **ret, char *err, size_t err_size);

/* The i-th reason why one has been left out, as above: where, and what. NULL: there is none. */
const char *profiles_left_out(const struct profiles *p, size_t i);

/* p may be NULL. */
void profiles_free(struct profiles *p);

/* Sorted by id. */
size_t profiles_count(const struct profiles *p);
const struct profile *profiles_at(const struct profiles *p, size_t i);

/* NULL: there is none. */
const struct profile *profiles_find(const struct profiles *p, const char *id);

/* Letters, digits, '.', '_' and '-', and no name that clients take for something else: a section's
 * name, with a '-' for what such an id cannot have. */
const char *profile_id(const struct profile *p);

/* NULL: not set. */
const char *profile_get(const struct profile *p, const char *key);

/* Whether it is 1 or true; not set or empty: the fallback. */
bool profile_flag(const struct profile *p, const char *key, bool fallback);

/* The servers, at most max, in the order of host=; sshport= is the port of those without their own.
 */
size_t profile_hosts(const struct profile *p, struct profile_host *ret, size_t max);

/* Their names, separated by commas. Malloc'd; NULL: no memory. */
char *profile_host_names(const struct profile *p);

/* The i-th key that clients are told, sorted, with the value as it is before any extra; false: that
 * was the last one. Those of the broker itself (acl-*, broker-*) are none of them. */
bool profile_each(const struct profile *p, size_t *i, const char **ret_key, const char **ret_value);

/* Of a key; text, if it is not known. */
enum profile_type profile_type(const char *key);

/* Whether python-x2go knows it; it fails at others. */
bool profile_key_in_python(const char *key);

/* The next element of a list and its length, from *at, which goes on behind it; NULL: none. */
const char *profile_element(const char **at, size_t *ret_len);
