/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/load.c - how much servers can take, in State=/loads: "ADDRESS PORT FACTOR SECONDS" in each
 * line, replaced as a whole. xproxy-x2gobroker, without privilege. System calls: open, read, write,
 * rename, unlink.
 */
#include "broker/load.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "base/clock.h"
#include "base/macros.h"

#define FILE_NAME "loads"
#define ENTRIES_MAX 1024
#define FAILURE_USEC (30 * USEC_PER_SEC)

struct entry {
	char address[256];
	unsigned port;
	uint64_t factor, second;
};

struct store {
	size_t count;
	struct entry entries[ENTRIES_MAX];
};

static void close_file(FILE **f)
{
	if (*f)
		(void)fclose(*f);
}

/* A clock that was set back is no reason to believe it for longer. */
static bool is_fresh(const struct entry *e, uint64_t age_usec)
{
	uint64_t now = wall_usec() / USEC_PER_SEC;

	if (e->factor == 0 && age_usec > FAILURE_USEC)
		age_usec = FAILURE_USEC;
	return e->second <= now && now - e->second <= age_usec / USEC_PER_SEC;
}

static bool is_of(const struct entry *e, const struct load *l)
{
	return e->port == l->port && strcmp(e->address, l->address) == 0;
}

/* Those that are fresh. */
static struct store *read_store(const char *path, uint64_t age_usec)
{
	__attribute__((cleanup(close_file))) FILE *f = fopen(path, "re");
	struct store *s = calloc(1, sizeof(*s));
	char line[512];

	while (f && s && s->count < ENTRIES_MAX && fgets(line, sizeof(line), f)) {
		struct entry *e = s->entries + s->count;

		if (sscanf(line, "%255s %u %" SCNu64 " %" SCNu64, e->address, &e->port, &e->factor,
		           &e->second) == 4 &&
		    is_fresh(e, age_usec))
			s->count++;
	}
	return s;
}

void load_recall(const char *state, uint64_t age_usec, struct load *list, size_t n)
{
	_cleanup_free_ struct store *s = NULL;
	char path[1100];

	snprintf(path, sizeof(path), "%s/" FILE_NAME, state);
	s = read_store(path, age_usec);
	for (size_t i = 0; i < n; i++) {
		list[i].known = false;
		list[i].factor = 0;
		for (size_t j = 0; s && j < s->count; j++)
			if (is_of(s->entries + j, list + i)) {
				list[i].known = true;
				list[i].factor = s->entries[j].factor;
			}
	}
}

static void put(struct store *s, const struct load *l)
{
	size_t i = 0;

	while (i < s->count && !is_of(s->entries + i, l))
		i++;
	if (i == ENTRIES_MAX || strlen(l->address) >= sizeof(s->entries[i].address))
		return;
	if (i == s->count)
		s->count++;
	s->entries[i] = (struct entry){
		.port = l->port,
		.factor = l->factor,
		.second = wall_usec() / USEC_PER_SEC,
	};
	snprintf(s->entries[i].address, sizeof(s->entries[i].address), "%s", l->address);
}

static int write_store(const char *path, const struct store *s)
{
	char temporary[1120];
	int fd, r = 0;
	FILE *f;

	snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	f = fdopen(fd, "w");
	if (!f) {
		r = -errno;
		(void)close(fd);
	}
	for (size_t i = 0; f && i < s->count; i++)
		(void)fprintf(f, "%s %u %" PRIu64 " %" PRIu64 "\n", s->entries[i].address,
		              s->entries[i].port, s->entries[i].factor, s->entries[i].second);
	if (f && fclose(f) != 0)
		r = -errno;
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(temporary);
	return r;
}

int load_remember(const char *state, uint64_t age_usec, const struct load *list, size_t n)
{
	_cleanup_free_ struct store *s = NULL;
	char path[1100];

	snprintf(path, sizeof(path), "%s/" FILE_NAME, state);
	s = read_store(path, age_usec);
	if (!s)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (list[i].known)
			put(s, list + i);
	return write_store(path, s);
}
