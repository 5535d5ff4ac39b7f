/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/penalty-table.c - sources and their failures, in a file of 1 MiB. Guard, before it gives up
 * its privilege; xproxyctl.
 *
 * A hash of the source chooses a bucket of 512 bytes; that is locked, read, changed by
 * auth/penalty-bucket.c and written. No mmap(): a file that somebody cuts short is then an error
 * and not a signal. The hash is keyed, so that nobody can choose addresses that crowd others out of
 * their bucket.
 *
 * System calls: open, fstat, fcntl (locks), pread, pwrite, fallocate, ftruncate, clock_gettime,
 * clock_nanosleep, getrandom, close.
 */
#include "auth/penalty-table.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "auth/penalty-bucket.h"
#include "base/clock.h"
#include "base/macros.h"

#define MAGIC "xproxy penalties"
#define VERSION 1
#define HEADER_SIZE ((off_t)512)
#define BUCKET_SIZE ((off_t)sizeof(struct penalty_bucket))
#define TABLE_SIZE (HEADER_SIZE + PENALTY_BUCKETS * BUCKET_SIZE)

#define PATIENCE_USEC (2 * USEC_PER_SEC) /* for a lock that is held for microseconds */

struct header {
	char magic[16];
	uint32_t version, buckets, ways, entry_bytes;
	uint8_t seed[16];
};

uint64_t penalty_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * USEC_PER_SEC + (uint64_t)ts.tv_nsec / 1000;
}

/* ---- the file ---- */

/* Of that many bytes at that place, of this opening of the file: the kernel undoes it with the
 * process. A process that was stopped with a lock must not stop all others, so there is an end to
 * waiting. */
static int lock(int fd, short type, off_t at, off_t len)
{
	struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = len};
	const struct timespec pause = {.tv_nsec = 200000};
	uint64_t until = now_usec() + PATIENCE_USEC;

	while (fcntl(fd, F_OFD_SETLK, &l) < 0) {
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return -errno;
		if (now_usec() >= until)
			return -EAGAIN;
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	}
	return 0;
}

static int read_all(int fd, void *buf, size_t len, off_t at)
{
	ssize_t n = pread(fd, buf, len, at);

	return n < 0 ? -errno : (size_t)n == len ? 0 : -ENODATA;
}

static int write_all(int fd, const void *buf, size_t len, off_t at)
{
	ssize_t n = pwrite(fd, buf, len, at);

	return n < 0 ? -errno : (size_t)n == len ? 0 : -ENOSPC;
}

static int read_header(int fd, struct header *ret)
{
	struct stat st;
	int r = read_all(fd, ret, sizeof(*ret), 0);

	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return -errno;
	return memcmp(ret->magic, MAGIC, sizeof(ret->magic)) == 0 && ret->version == VERSION &&
	                       ret->buckets == PENALTY_BUCKETS && ret->ways == PENALTY_WAYS &&
	                       ret->entry_bytes == sizeof(struct penalty_entry) &&
	                       st.st_size == TABLE_SIZE
	               ? 0
	               : -ENODATA;
}

/* The header comes last: until then it is no table for anybody. */
static int make_table(int fd)
{
	struct header h = {.version = VERSION,
	                   .buckets = PENALTY_BUCKETS,
	                   .ways = PENALTY_WAYS,
	                   .entry_bytes = sizeof(struct penalty_entry)};
	int r;

	memcpy(h.magic, MAGIC, sizeof(h.magic));
	if (getrandom(h.seed, sizeof(h.seed), 0) != sizeof(h.seed))
		return -EIO;
	if (ftruncate(fd, 0) < 0)
		return -errno;
	/* All of it now: there is nothing to run out of later. */
	r = fallocate(fd, 0, 0, TABLE_SIZE) < 0 ? -errno : 0;
	if (r == -EOPNOTSUPP)
		r = ftruncate(fd, TABLE_SIZE) < 0 ? -errno : 0;
	if (r == 0)
		r = write_all(fd, &h, sizeof(h), 0);
	if (r < 0)
		(void)!ftruncate(fd, 0);
	return r;
}

/* Of many that find none, the first one makes it, in its place: they all have the same. */
static int make_once(int fd, bool *ret_remade)
{
	struct header h;
	struct stat st;
	int r = lock(fd, F_WRLCK, 0, HEADER_SIZE);

	if (r < 0)
		return r;
	if (read_header(fd, &h) == -ENODATA) {
		*ret_remade = fstat(fd, &st) == 0 && st.st_size > 0;
		r = make_table(fd);
	}
	(void)lock(fd, F_UNLCK, 0, HEADER_SIZE);
	return r;
}

int penalty_table_open(const char *path, bool create, bool *ret_remade)
{
	_cleanup_close_ int fd = open(
		path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (create ? O_CREAT : 0), 0600);
	struct header h;
	struct stat st;
	int r;

	*ret_remade = false;
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid())
		return -EPERM;
	r = read_header(fd, &h);
	if (r == -ENODATA)
		r = make_once(fd, ret_remade);
	return r < 0 ? r : take_fd(&fd);
}

static int bucket_of(int fd, const struct penalty_key *key, off_t *ret)
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx ctx;
	struct header h;
	uint32_t n;
	int r = read_header(fd, &h);

	if (r < 0)
		return r;
	sha256_init(&ctx);
	sha256_update(&ctx, sizeof(h.seed), h.seed);
	sha256_update(&ctx, sizeof(key->family), &key->family);
	sha256_update(&ctx, sizeof(key->prefix), key->prefix);
	sha256_digest(&ctx, sizeof(digest), digest);
	memcpy(&n, digest, sizeof(n));
	*ret = HEADER_SIZE + (off_t)(n % PENALTY_BUCKETS) * BUCKET_SIZE;
	return 0;
}

int penalty_table_apply(int fd, const struct penalty_key *key, enum penalty_event event,
                        const struct penalty_rules *rules, struct penalty_answer *ret)
{
	struct penalty_bucket before, after;
	off_t at;
	int r = bucket_of(fd, key, &at);

	if (r == 0)
		r = lock(fd, F_WRLCK, at, BUCKET_SIZE);
	if (r < 0)
		return r;
	r = read_all(fd, &before, sizeof(before), at);
	if (r == 0) {
		after = before;
		/* The time is taken with the lock, so that it is not before that of the last one.
		 */
		penalty_bucket_apply(&after, key, event, rules, penalty_now(), ret);
		if (memcmp(&before, &after, sizeof(after)) != 0)
			r = write_all(fd, &after, sizeof(after), at);
	}
	(void)lock(fd, F_UNLCK, at, BUCKET_SIZE);
	return r;
}

int penalty_table_each(int fd, uint64_t now,
                       void (*f)(void *context, const struct penalty_entry *e), void *context)
{
	for (off_t at = HEADER_SIZE; at < TABLE_SIZE; at += BUCKET_SIZE) {
		struct penalty_bucket b;
		int r = read_all(fd, &b, sizeof(b), at);

		if (r < 0)
			return r;
		for (size_t i = 0; i < PENALTY_WAYS; i++) {
			penalty_entry_expire(&b.entries[i], now);
			if (b.entries[i].key.family != 0)
				f(context, &b.entries[i]);
		}
	}
	return 0;
}

/* In the bucket at that place. */
static int clear(int fd, off_t at, const struct penalty_key *key)
{
	struct penalty_bucket b;
	int n = 0, r = lock(fd, F_WRLCK, at, BUCKET_SIZE);

	if (r == 0)
		r = read_all(fd, &b, sizeof(b), at);
	for (size_t i = 0; r == 0 && i < PENALTY_WAYS; i++) {
		if (b.entries[i].key.family == 0 ||
		    (key && !penalty_key_same(&b.entries[i].key, key)))
			continue;
		b.entries[i] = (struct penalty_entry){0};
		n++;
	}
	if (r == 0 && n > 0)
		r = write_all(fd, &b, sizeof(b), at);
	(void)lock(fd, F_UNLCK, at, BUCKET_SIZE);
	return r < 0 ? r : n;
}

int penalty_table_clear(int fd, const struct penalty_key *key)
{
	off_t from = HEADER_SIZE, to = TABLE_SIZE;
	int n = 0, r = key ? bucket_of(fd, key, &from) : 0;

	if (key)
		to = from + BUCKET_SIZE;
	for (off_t at = from; r >= 0 && at < to; at += BUCKET_SIZE) {
		r = clear(fd, at, key);
		n += r > 0 ? r : 0;
	}
	return r < 0 ? r : n;
}
