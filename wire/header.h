/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * wire/header.h - the eight bytes before every xpra record.
 *
 *   0 'P'   1 flags   2 compression   3 index   4..7 payload size, big endian
 *
 * index 0 is a main record (an encoded packet), 1..15 a raw chunk that becomes item `index` of
 * the next main record. The size does not count the header.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEADER_LEN 8
#define HEADER_MAGIC 'P'
#define HEADER_CIPHER 0x02  /* payload is encrypted */
#define HEADER_FLUSH 0x08   /* sender's queue is empty; main records only (4.1+) */
#define HEADER_CHUNKS_MAX 3 /* raw chunks before one main record, every version's limit */
#define HEADER_INDEX_MAX 15
#define HEADER_FIRST_MAX (4u << 20)  /* of a server's first record, where text may precede it */
#define HEADER_SIZE_MAX (256u << 20) /* absolute limit of every version */

struct header {
	uint8_t flags;
	uint8_t compression;
	uint8_t index;
	uint32_t size;
};

/* Reads a header from the first n bytes at p. 0; -EAGAIN fewer than 8 bytes and nothing wrong so
 * far; -EBADMSG not an xpra header; -EMSGSIZE the size is over HEADER_SIZE_MAX; both as soon as the
 * byte at fault is there. On the last two *ret_why (may be NULL) is a static text that names the
 * rule. The rules are those the strictest version (6.6) enforces, but for what older peers send
 * legally: zlib (0x01-0x0f), lzo (0x2L) and a level of 0 (0x10) are taken. Whether the cipher bit
 * may or must be set is the caller's business.
 *  - flags outside 0x1f; more than one encoder bit on a main record
 *  - a chunk (index > 0) with an encoder or flush bit; index over 15
 *  - a compression byte that names more than one algorithm
 *  - size 0 */
int header_parse(const uint8_t *p, size_t n, struct header *ret, const char **ret_why);

/* How many of the first n bytes stand before a main record's header that the rest can be, or begin
 * to be: n if there is none. xpra's clients since 4.4 skip so what a login shell says first (ssh).
 * *ret_whole: all of the header is there. */
size_t header_find(const uint8_t *p, size_t n, bool *ret_whole);

void header_build(uint8_t p[HEADER_LEN], const struct header *h);

/* What a peer that has sent these first n bytes speaks (n may be small: MORE means "wait"). Decided
 * as early as the bytes allow, 14 at the latest; more bytes never change a verdict. The rules are
 * those of xpra's own guess_packet_type, but: HTTP is a method of RFC 9110, PATCH, "PRI ", "<html"
 * or "<!doctype html", not any line with HTTP/ in it; RDP is told by its TPKT header. XPRA needs
 * all 8 bytes, index 0 and 8 <= size < 256 MiB; header_parse() may still refuse it. */
enum first_bytes {
	FIRST_MORE,
	FIRST_XPRA,
	FIRST_HTTP,
	FIRST_TLS,
	FIRST_SSH,
	FIRST_RFB,
	FIRST_RDP,
	FIRST_PROXY, /* PROXY protocol v1 or v2 */
	FIRST_UNKNOWN,
};
enum first_bytes header_guess(const uint8_t *p, size_t n);
