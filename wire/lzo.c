/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Worker, before and after authentication: attacker-chosen bytes. No privilege, no system calls.
 * Source: the stream format as Linux's Documentation/staging/lzo.rst describes it.
 */
#include "wire/lzo.h"

#include <errno.h>
#include <string.h>

#include "wire/header.h"

#define PREFIX 5
#define OUT_MAX ((size_t)HEADER_SIZE_MAX)
#define FAR_BASE 0x4000 /* distances of the farthest kind begin here; at it exactly: the end */

struct lzo {
	const uint8_t *at, *end;
	uint8_t *out;
	size_t len, size;
	bool cut; /* the input ends inside of something */
};

/* A stretch to copy, then `literals` bytes of the input. */
struct step {
	size_t n_match, distance, literals;
};

static unsigned take(struct lzo *z)
{
	if (z->at < z->end)
		return *z->at++;
	z->cut = true;
	return 0;
}

/* Two bytes: 14 bits of a distance, and in the lowest two how many literals follow. */
static size_t take_distance(struct lzo *z, struct step *s)
{
	const unsigned low = take(z), high = take(z);

	s->literals = low & 3;
	return low >> 2 | (size_t)high << 6;
}

/* The rest of a length that its bits were too few for (they are 0): 255 for each byte 0, and one
 * that is not. The input bounds it. */
static size_t take_length(struct lzo *z, size_t n, size_t base)
{
	if (n > 0)
		return n;
	for (n = base; z->at < z->end && *z->at == 0; z->at++)
		n += 255;
	return n + take(z);
}

static bool copy_literals(struct lzo *z, size_t n)
{
	const size_t there = (size_t)(z->end - z->at), room = z->size - z->len;

	z->cut |= there < n;
	if (n > there)
		n = there;
	if (n > 0 && room > 0)
		memcpy(z->out + z->len, z->at, n < room ? n : room);
	z->at += n;
	z->len += n < room ? n : room;
	return n <= room;
}

static int copy_match(struct lzo *z, const struct step *s)
{
	if (s->distance > z->len)
		return -EBADMSG;
	for (size_t i = 0; i < s->n_match; i++, z->len++) {
		if (z->len == z->size)
			return -EMSGSIZE;
		z->out[z->len] = z->out[z->len - s->distance];
	}
	return 0;
}

/* One instruction. before: literals just copied, 1-3 by a match, 4: by a run of them, 0: none.
 * 1: a step; 0: the end of the stream. */
static int read_step(struct lzo *z, unsigned t, unsigned before, struct step *s)
{
	*s = (struct step){0};
	if (t >= 64) { /* near */
		s->n_match = (t >> 5) + 1;
		s->distance = 1 + (t >> 2 & 7) + ((size_t)take(z) << 3);
		s->literals = t & 3;
	} else if (t >= 32) {
		s->n_match = take_length(z, t & 31, 31) + 2;
		s->distance = 1 + take_distance(z, s);
	} else if (t >= 16) { /* far */
		s->n_match = take_length(z, t & 7, 7) + 2;
		s->distance = FAR_BASE + ((size_t)(t & 8) << 11) + take_distance(z, s);
		return s->distance != FAR_BASE;
	} else if (before == 0) {
		s->literals = take_length(z, t, 15) + 3;
	} else {
		s->n_match = before < 4 ? 2 : 3;
		s->distance = (before < 4 ? 1 : 0x801) + (t >> 2) + ((size_t)take(z) << 2);
		s->literals = t & 3;
	}
	return 1;
}

/* Until the end mark, the end of the input, or a full buffer. 0, -EBADMSG, or -EMSGSIZE: there is
 * more. */
static int decode(struct lzo *z)
{
	unsigned before = 0;
	struct step s;
	int r;

	if (z->at<z->end && * z->at> 17) { /* the first may be literals only */
		s = (struct step){.literals = take(z) - 17};
		before = s.literals < 4 ? (unsigned)s.literals : 4;
		if (!copy_literals(z, s.literals))
			return -EMSGSIZE;
	}
	for (;;) {
		r = read_step(z, take(z), before, &s);
		if (z->cut || r == 0)
			return 0;
		r = copy_match(z, &s);
		if (r < 0)
			return r;
		if (!copy_literals(z, s.literals))
			return -EMSGSIZE;
		before = s.n_match == 0 ? 4 : (unsigned)s.literals;
	}
}

int lzo_run(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_size, bool partial,
            size_t *ret_len)
{
	struct lzo z = {.at = in + PREFIX, .end = in + in_len, .out = out};
	size_t size;
	int r;

	*ret_len = 0;
	if (in_len <= PREFIX)
		return partial ? 0 : -EBADMSG;
	if (in[0] != 0xf0 && in[0] != 0xf1)
		return -EBADMSG;
	size = (size_t)in[1] << 24 | (size_t)in[2] << 16 | (size_t)in[3] << 8 | in[4];
	if (size > (partial ? OUT_MAX : out_size))
		return partial ? -EBADMSG : -EMSGSIZE;
	z.size = size < out_size ? size : out_size;
	r = decode(&z);
	if (r == -EBADMSG)
		return r;
	*ret_len = z.len;
	if (partial)
		return 0;
	/* To the last byte of both, or the announced size is wrong. */
	return r == 0 && !z.cut && z.at == z.end && z.len == size ? 0 : -EBADMSG;
}
