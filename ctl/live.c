/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/live.c - looks for control sockets. In xproxyctl, as its caller; reads directories only.
 */
#include "ctl/live.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/macros.h"
#include "session/record.h"

#define PER_USER_MAX 4096

struct search {
	struct live *found;
	size_t allocated;
	uid_t *uids; /* grows while it is walked */
	size_t uids_count, uids_allocated;
	char (*paths)[LOCATE_PATH_MAX]; /* scratch */
};

/* The array with room for one more, or NULL: it is then as it was. */
static void *grow(void *items, size_t *allocated, size_t count, size_t size)
{
	size_t more = *allocated ? 2 * *allocated : 64;
	void *p;

	if (count < *allocated)
		return items;
	p = reallocarray(items, more, size);
	if (p)
		*allocated = more;
	return p;
}

static int add_uid(struct search *s, uid_t uid)
{
	uid_t *uids;

	for (size_t i = 0; i < s->uids_count; i++)
		if (s->uids[i] == uid)
			return 0;
	uids = grow(s->uids, &s->uids_allocated, s->uids_count, sizeof(*uids));
	if (!uids)
		return -ENOMEM;
	s->uids = uids;
	s->uids[s->uids_count++] = uid;
	return 0;
}

/* Its directory does not tell, as a process that has given up its privileges is shown as root's
 * there. */
bool live_process_uid(pid_t pid, uid_t *ret)
{
	char path[64], line[128];
	bool ours = false;
	unsigned uid;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		if (strcmp(line, "Name:\txproxy-conn\n") == 0)
			ours = true;
		if (ours && sscanf(line, "Uid:\t%u", &uid) == 1) {
			*ret = uid;
			fclose(f);
			return true;
		}
	}
	fclose(f);
	return false;
}

/* Whether a socket is named after a connection of somebody else's. One of root's is about to become
 * its user's. */
static bool is_lie(pid_t pid, uid_t owner)
{
	uid_t uid;

	return live_process_uid(pid, &uid) && uid != 0 && uid != owner;
}

static int add_socket(struct search *s, const char *path)
{
	struct live *l = s->found;
	struct live_socket *items, *item;
	pid_t pid = (pid_t)strtol(strrchr(path, '-') + 1, NULL, 10);
	struct stat st;

	if (lstat(path, &st) < 0 || is_lie(pid, st.st_uid))
		return 0;
	for (size_t i = 0; i < l->count; i++)
		if (strcmp(l->items[i].path, path) == 0)
			return 0;
	items = grow(l->items, &s->allocated, l->count, sizeof(*l->items));
	if (!items)
		return -ENOMEM;
	l->items = items;
	item = &l->items[l->count++];
	snprintf(item->path, sizeof(item->path), "%s", path);
	item->uid = st.st_uid;
	item->pid = pid;
	snprintf(item->id, sizeof(item->id), ":proxy-%d", item->pid);
	return geteuid() == 0 ? add_uid(s, st.st_uid) : 0;
}

static int search_user(struct search *s, const struct config *c, uid_t uid)
{
	struct locate_dirs dirs;
	struct identity id;
	size_t n;
	int r = 0;

	identity_of_uid(uid, &id);
	locate_dirs(c, &id, &dirs);
	n = locate_controls(&dirs, s->paths, PER_USER_MAX);
	for (size_t i = 0; i < n && r == 0; i++)
		r = add_socket(s, s->paths[i]);
	return r;
}

/* For root: every user who has a connection. */
static int add_users(struct search *s)
{
	DIR *d = opendir("/proc");
	const struct dirent *e;
	uid_t uid;
	int r = 0;

	while (d && r == 0 && (e = readdir(d)) != NULL)
		if (e->d_name[strspn(e->d_name, "0123456789")] == '\0' &&
		    live_process_uid((pid_t)strtol(e->d_name, NULL, 10), &uid))
			r = add_uid(s, uid);
	if (d)
		closedir(d);
	return r;
}

static int compare(const void *a, const void *b)
{
	const struct live_socket *x = a, *y = b;

	return x->pid != y->pid ? (x->pid < y->pid ? -1 : 1) : strcmp(x->path, y->path);
}

int live_find(const struct config *c, struct live *ret)
{
	struct search s = {.found = ret};
	int r;

	*ret = (struct live){0};
	s.paths = calloc(PER_USER_MAX, sizeof(*s.paths));
	r = s.paths ? add_uid(&s, getuid()) : -ENOMEM;
	if (r == 0 && geteuid() == 0)
		r = add_users(&s);
	for (size_t i = 0; i < s.uids_count && r == 0; i++)
		r = search_user(&s, c, s.uids[i]);
	if (ret->count)
		qsort(ret->items, ret->count, sizeof(*ret->items), compare);
	free(s.paths);
	free(s.uids);
	return r;
}

void live_free(struct live *l)
{
	free(l->items);
	*l = (struct live){0};
}
