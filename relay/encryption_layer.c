/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/encryption_layer.c - AES between a leg and what carries it. Worker: encryption_map() before
 * the lock, everything else locked. System calls once locked: getrandom, madvise, and those of
 * relay/leg.c.
 *
 * Nothing is kept here but a buffer for what is on its way out and less than a block of what came
 * in: the bytes are decrypted where they were read.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "base/macros.h"
#include "relay/encryption_state.h"

#define OUT_SIZE ((size_t)64 << 10)
#define OWN_ITERATIONS 10000u /* inside what every version accepts */
#define OWN_KEY_SIZE 32u
#define OWN_SALT_LEN 64

/* Reads and decrypts in place; len is more than a block. */
static ssize_t read_records(struct encryption *e, uint8_t *buf, size_t len)
{
	size_t held = cipher_held(&e->reader), made;
	ssize_t n = leg_read(&e->below, buf + held, len - held);

	if (n <= 0)
		return n;
	e->broken = cipher_decrypt(&e->reader, buf, (size_t)n, &made, &e->leg->fault);
	e->told = e->broken && made == 0;
	if (made > 0)
		return (ssize_t)made;
	return e->broken ? e->broken : -EAGAIN;
}

static ssize_t encryption_read(struct layer *l, void *buf, size_t len)
{
	struct encryption *e = (struct encryption *)l;
	ssize_t n;

	if (e->in_at == e->in_len) {
		e->told = e->broken;
		if (e->broken)
			return e->broken;
		if (len >= ENCRYPTION_IN_SIZE)
			return read_records(e, buf, len);
		n = read_records(e, e->in, sizeof(e->in));
		if (n <= 0)
			return n;
		e->in_at = 0;
		e->in_len = (size_t)n;
	}
	n = (ssize_t)(len < e->in_len - e->in_at ? len : e->in_len - e->in_at);
	memcpy(buf, e->in + e->in_at, (size_t)n);
	e->in_at += (size_t)n;
	return n;
}

/* 0: all that was encrypted is out. */
static int flush(struct encryption *e)
{
	while (e->out_at < e->out_len) {
		ssize_t n = leg_write(&e->below, e->out + e->out_at, e->out_len - e->out_at);

		if (n <= 0)
			return n < 0 ? (int)n : -EAGAIN;
		e->out_at += (size_t)n;
	}
	e->out_at = e->out_len = 0;
	return 0;
}

static ssize_t encryption_write(struct layer *l, const void *buf, size_t len)
{
	struct encryption *e = (struct encryption *)l;
	size_t done = 0;

	for (;;) {
		int r = flush(e);

		if (r < 0)
			return done > 0 ? (ssize_t)done : r;
		done += e->out_taken < len - done ? e->out_taken : len - done;
		e->out_taken = 0;
		if (done == len)
			return (ssize_t)done;
		r = cipher_encrypt(&e->writer, (const uint8_t *)buf + done, len - done, e->out,
		                   OUT_SIZE, &e->out_taken, &e->out_len);
		e->out_used = true;
		if (r < 0)
			return r;
	}
}

static bool encryption_unread(const struct layer *l)
{
	const struct encryption *e = (const struct encryption *)l;

	return e->in_at < e->in_len || (e->broken && !e->told) || leg_unread(&e->below);
}

static bool encryption_blocked(const struct layer *l)
{
	return leg_blocked(&((const struct encryption *)l)->below);
}

static void encryption_shutdown(struct layer *l)
{
	struct encryption *e = (struct encryption *)l;

	if (e->below.layer)
		e->below.layer->shutdown(e->below.layer);
}

void encryption_begin(struct encryption *e, struct leg *leg)
{
	e->layer = (struct layer){encryption_read, encryption_write, encryption_unread,
	                          encryption_blocked, encryption_shutdown};
	e->below = *leg;
	e->leg = leg;
	leg->layer = &e->layer;
}

bool encryption_at_gap(const struct encryption *e)
{
	return cipher_at_gap(&e->reader) && e->in_at == e->in_len;
}

/* ---- keys ---- */

static void random_iv(uint8_t iv[CIPHER_BLOCK])
{
	if (getrandom(iv, CIPHER_BLOCK, 0) != CIPHER_BLOCK)
		abort(); /* never, for so few bytes */
}

/* Letters and digits only: every version and every encoder leaves them as they are, whatever they
 * take text and bytes for. */
static int random_text(uint8_t *buf, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	if (getrandom(buf, len, 0) != (ssize_t)len)
		return -EIO;
	for (size_t i = 0; i < len; i++)
		buf[i] = (uint8_t)digits[buf[i] % 64];
	return 0;
}

int encryption_renew_reader(struct encryption *e, const struct cipher_params *how)
{
	int r;

	e->ours = *how;
	e->ours.hash = CIPHER_SHA1;
	e->ours.key_size = OWN_KEY_SIZE;
	e->ours.iterations = OWN_ITERATIONS;
	e->ours.salt_len = OWN_SALT_LEN;
	r = random_text(e->ours.iv, sizeof(e->ours.iv));
	if (r == 0)
		r = random_text(e->ours.salt, OWN_SALT_LEN);
	if (r == 0)
		r = cipher_start_reader(&e->reader, &e->ours, e->key, e->key_len);
	return r;
}

int encryption_renew_writer(struct encryption *e, const struct cipher_params *theirs)
{
	return cipher_start_writer(&e->writer, theirs, e->key, e->key_len, random_iv);
}

/* "6.2.1" is at least 6.2. */
static bool version_reached(const char *version, unsigned major, unsigned minor)
{
	unsigned a = 0, b = 0;

	(void)sscanf(version, "%4u.%4u", &a, &b);
	return a > major || (a == major && b >= minor);
}

unsigned encryption_granularity(const struct cipher_caps *caps, const char *client_type,
                                const char *version)
{
	if (caps->has_stream) /* they came together */
		return 16;
	if (strcmp(client_type, "HTML5") == 0)
		return version_reached(version, 17, 0) ? 16 : 32;
	if (!version_reached(version, 1, 0))
		return 0;
	return version_reached(version, 6, 2) ? 16 : 32;
}

/* ---- memory ---- */

/* Pages of their own, for madvise() and because of what is in them. */
static void *map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	(void)madvise(p, size, MADV_DONTDUMP);
	return p;
}

struct encryption *encryption_map(void)
{
	struct encryption *e = map(sizeof(*e));
	uint8_t *out = map(OUT_SIZE);

	if (!e || !out)
		return NULL;
	e->out = out;
	return e;
}

void encryption_trim(struct encryption *e)
{
	if (e && e->out_used && e->out_len == 0) {
		(void)madvise(e->out, OUT_SIZE, MADV_DONTNEED);
		e->out_used = false;
	}
}

void encryption_forget_key(struct encryption *e)
{
	if (e)
		explicit_bzero(e->key, sizeof(e->key));
}
