/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/peercred.c - who is at the other end of a unix socket, as the kernel knows it: no password.
 * Guard; with its privileges. System calls: those of the system's user and group database.
 *
 * What counts was taken when the connection began (base/peer.c). Somebody whom a front end speaks
 * for is nobody of this machine.
 */
#include "auth/load.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIST_MAX 64
#define WORD_MAX 256

struct ids {
	size_t count;
	unsigned ids[LIST_MAX];
};

static bool find_uid(const char *name, unsigned *ret)
{
	const struct passwd *pw = getpwnam(name);

	if (pw)
		*ret = pw->pw_uid;
	return pw;
}

static bool find_gid(const char *name, unsigned *ret)
{
	const struct group *gr = getgrnam(name);

	if (gr)
		*ret = gr->gr_gid;
	return gr;
}

static bool read_number(const char *text, unsigned *ret)
{
	char *end;
	unsigned long n;

	if (text[strspn(text, "0123456789")] != '\0' || !*text)
		return false;
	errno = 0;
	n = strtoul(text, &end, 10);
	*ret = (unsigned)n;
	return errno == 0 && n < 0xffffffff;
}

/* Numbers and names between ':'. 0, or -EINVAL with err: it names one that there is not. */
static int read_list(const char *option, const char *text,
                     bool (*find)(const char *name, unsigned *ret), struct ids *ret, char *err)
{
	for (const char *p = text; p; p = strchr(p, ':') ? strchr(p, ':') + 1 : NULL) {
		char word[WORD_MAX];

		snprintf(word, sizeof(word), "%.*s", (int)strcspn(p, ":"), p);
		if (ret->count == LIST_MAX) {
			snprintf(err, AUTH_ERROR_MAX, "module 'peercred': %s= has more than %d",
			         option, LIST_MAX);
			return -EINVAL;
		}
		if (!read_number(word, &ret->ids[ret->count]) &&
		    !find(word, &ret->ids[ret->count])) {
			snprintf(err, AUTH_ERROR_MAX,
			         "module 'peercred': %s= is a list of numbers or names of this "
			         "machine, with ':' between them; '%.64s' is neither",
			         option, word);
			return -EINVAL;
		}
		ret->count++;
	}
	return 0;
}

static int read_lists(const struct auth_options *o, struct ids *uids, struct ids *gids, char *err)
{
	const char *uid = auth_option(o, "uid", NULL), *gid = auth_option(o, "gid", NULL);
	int r = 0;

	if (auth_truth(auth_option(o, "allow-owner", "yes")) < 0) {
		snprintf(err, AUTH_ERROR_MAX, "module 'peercred': allow-owner= is yes or no");
		return -EINVAL;
	}
	if (uid)
		r = read_list("uid", uid, find_uid, uids, err);
	if (gid && r == 0)
		r = read_list("gid", gid, find_gid, gids, err);
	return r;
}

static int peercred_open(const struct auth_options *options, char *err)
{
	struct ids uids = {0}, gids = {0};

	return read_lists(options, &uids, &gids, err);
}

static bool listed(const struct ids *l, unsigned id)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->ids[i] == id)
			return true;
	return false;
}

static bool in_groups(const struct ids *l, const struct peer *p)
{
	bool found = listed(l, p->gid);

	for (int i = 0; i < p->group_count && !found; i++)
		found = listed(l, p->groups[i]);
	return found;
}

static void describe(const struct peer *p, struct auth_row *ret)
{
	const struct passwd *pw = getpwuid(p->uid);

	if (pw)
		snprintf(ret->username, sizeof(ret->username), "%s", pw->pw_name);
	else
		snprintf(ret->username, sizeof(ret->username), "%u", p->uid);
	snprintf(ret->uid, sizeof(ret->uid), "%u", p->uid);
	snprintf(ret->gid, sizeof(ret->gid), "%u", p->gid);
}

static int peercred_verify(struct auth_attempt *a, struct auth_row *ret_row)
{
	const struct peer *p = a->peer;
	struct ids uids = {0}, gids = {0};
	int r = read_lists(a->options, &uids, &gids, a->error);
	bool good;

	if (r < 0)
		return r;
	if (!p || !p->local_unix) {
		snprintf(a->error, AUTH_ERROR_MAX,
		         "the client has not come by a unix socket of this machine");
		return -EPERM;
	}
	good = (uids.count == 0 || listed(&uids, p->uid)) &&
	       (gids.count == 0 || in_groups(&gids, p));
	if (!good && p->uid == geteuid())
		good = auth_truth(auth_option(a->options, "allow-owner", "yes")) == 1;
	if (!good && gids.count > 0 && p->group_count < 0) {
		snprintf(a->error, AUTH_ERROR_MAX,
		         "the kernel does not say which groups uid %u is in, or they are more "
		         "than %d",
		         p->uid, PEER_GROUPS_MAX);
		return -EPERM;
	}
	if (good)
		describe(p, ret_row);
	return good;
}

static const char *const peercred_options[] = {"uid", "gid", "allow-owner", NULL};

const struct auth_module auth_peercred = {
	.abi = AUTH_MODULE_ABI,
	.name = "peercred",
	.options = peercred_options,
	.open = peercred_open,
	.verify = peercred_verify,
};
