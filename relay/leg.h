/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/leg.h - one of the two peers: its socket and what it can decode. Worker.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire/compress.h"
#include "wire/token.h"

/* Sets of encoders: one bit each, as enum encoder itself is not a bit for bencode. */
#define ENCODERS_BENCODE 1u
#define ENCODERS_RENCODE 2u
#define ENCODERS_RENCODEPLUS 4u
#define ENCODERS_ALL 7u
#define ENCODERS_YAML 8u /* apart: only of who speaks nothing better, never with others */
#define COMPRESSORS_ALL                                                     \
	(COMPRESSOR_BIT(COMPRESSOR_LZ4) | COMPRESSOR_BIT(COMPRESSOR_ZLIB) | \
	 COMPRESSOR_BIT(COMPRESSOR_BROTLI) | COMPRESSOR_BIT(COMPRESSOR_LZO))

struct layer;

struct leg {
	const char *name;     /* "client" or "server" */
	int fd;               /* non-blocking; -1 before there is one */
	struct layer *layer;  /* NULL: the socket itself speaks xpra */
	const char *fault;    /* what is wrong with what it sends, found by a layer: static */
	enum encoder encoder; /* what we write to it */
	unsigned encoders;    /* what it can decode: ENCODERS_* */
	unsigned compressors; /* what it can decode: COMPRESSOR_BIT()s */
	unsigned major;       /* of its version; 0 unknown */
	bool echoes_sid;      /* answers a ping's source id, so that echoes can be told apart */
	uint64_t heard_usec;  /* when it last sent anything */
};

/* A layer between the socket and the xpra protocol: TLS, WebSocket on it, AES on that. Calls as
 * below, but they never wait. */
struct layer {
	ssize_t (*read)(struct layer *l, void *buf, size_t len);
	ssize_t (*write)(struct layer *l, const void *buf, size_t len);
	bool (*unread)(const struct layer *l);
	bool (*blocked)(const struct layer *l); /* reading has to wait for POLLOUT */
	void (*shutdown)(struct layer *l);
};

/* Bytes of the xpra protocol, whatever they travel in. Both never wait; both move part of len.
 * Read: > 0; 0 at the end of the stream; -EAGAIN; another negative errno: it is broken.
 * Write: > 0 bytes taken; -EAGAIN; another negative errno. After -EAGAIN the next write begins with
 * the same bytes: a layer may have prepared them, and says that they are taken when they are out.
 */
ssize_t leg_read(struct leg *l, void *buf, size_t len);
ssize_t leg_write(struct leg *l, const void *buf, size_t len);

/* Whether there is more to read although the socket may say nothing of it. */
bool leg_unread(const struct leg *l);

/* Whether reading needs a writable socket first. */
bool leg_blocked(const struct leg *l);

/* The end of what we send; reading goes on. */
void leg_shutdown(struct leg *l);

/* The ENCODERS_* bit of an encoder, 0 for one that is not ours. */
unsigned encoders_bit(enum encoder e);

/* The encoder to write with, of a set: rencodeplus, rencode, bencode, yaml in that order. */
enum encoder encoders_best(unsigned set);

/* Those of a set that are worth announcing: lzo only if there is no lz4, which all have that are
 * of today. */
unsigned compressors_offered(unsigned set);

/* Whether `to` can read what `from` writes with this encoder. Before 6.3 the tuples in yaml are a
 * tag of Python's, which readers of every version refuse. */
bool leg_reads(const struct leg *to, const struct leg *from, enum encoder encoder);

/* A peer of the first generations, whose capabilities are not nested. */
bool leg_is_flat(const struct leg *l);

/* Sends all of data within the deadline, waiting as needed. 0, -ETIMEDOUT, or another negative
 * errno. */
int leg_send(struct leg *l, const void *data, size_t len, uint64_t deadline_usec);

/* Waits until the leg can be read or one of the others hangs up. fds -1 are left out.
 * 1 readable, 0 deadline passed, -EPIPE `hangup_fd` is gone (its data may still be there),
 * -ECANCELED the guard has something to say or is gone. */
int leg_wait(struct leg *l, int hangup_fd, int guard_fd, uint64_t deadline_usec);
