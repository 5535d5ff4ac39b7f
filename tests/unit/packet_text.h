/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/packet_text.h - packets from text, for tests: what Python would print, more or less.
 *
 *	['hello', {'version': '3.1.3', 'salt': b'\x00\xff', 'n': -1, 'f': 1.5, 'on': true, 'x':
 *none}]
 *
 * '' is text, b'' bytes; \xNN and nothing else is escaped (write \\xNN in C).
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/header.h"
#include "wire/token.h"

static inline const char *packet_text_string(struct token_writer *w, const char *p, bool bytes)
{
	uint8_t *buf = malloc(strlen(p) + 1);
	size_t n = 0;
	unsigned c;

	for (; *p && *p != '\''; p++) {
		c = (uint8_t)*p;
		if (*p == '\\' && sscanf(p, "\\x%2x", &c) == 1)
			p += 3;
		buf[n++] = (uint8_t)c;
	}
	if (bytes)
		token_write_bytes(w, buf, n);
	else
		token_write_text_n(w, (const char *)buf, n);
	free(buf);
	return p + 1;
}

/* Writes all values of p up to its end or the bracket that closes them. Commas and colons are
 * space. */
static inline const char *packet_text_values(struct token_writer *w, const char *p)
{
	char *end;

	for (;;) {
		p += strspn(p, " ,:\n\t");
		if (*p == '\0' || *p == ']' || *p == '}')
			return p;
		if (*p == '[' || *p == '{') {
			if (*p == '[')
				token_write_list(w, TOKEN_COUNT_UNKNOWN);
			else
				token_write_dict(w, TOKEN_COUNT_UNKNOWN);
			p = packet_text_values(w, p + 1) + 1;
			token_write_end(w);
		} else if (*p == '\'' || (*p == 'b' && p[1] == '\'')) {
			p = packet_text_string(w, p + 1 + (*p == 'b'), *p == 'b');
		} else if (strncmp(p, "true", 4) == 0 || strncmp(p, "false", 5) == 0) {
			token_write_bool(w, *p == 't');
			p += *p == 't' ? 4 : 5;
		} else if (strncmp(p, "none", 4) == 0) {
			token_write(w, &(struct token){.type = TOKEN_NONE});
			p += 4;
		} else if (p[strspn(p, "-0123456789")] == '.') {
			token_write(w,
			            &(struct token){.type = TOKEN_FLOAT, .real = strtod(p, &end)});
			p = end;
		} else {
			token_write_int(w, strtoll(p, &end, 10));
			if (end == p)
				abort();
			p = end;
		}
	}
}

/* The payload; its length. */
static inline size_t packet_text(enum encoder encoder, const char *text, uint8_t *buf, size_t size)
{
	struct token_writer w;

	token_writer_init(&w, encoder, buf, size);
	if (*packet_text_values(&w, text) || w.error || w.depth)
		abort();
	return w.len;
}

/* The payload in buf, and a reader of it from after the packet's name. */
static inline void packet_text_open(enum encoder encoder, const char *text, uint8_t *buf,
                                    size_t size, struct token_reader *ret)
{
	struct token t;

	token_reader_init(ret, encoder, buf, packet_text(encoder, text, buf, size));
	if (token_read(ret, &t) <= 0 || token_read(ret, &t) <= 0)
		abort();
}

/* The whole record. */
static inline size_t record_text(enum encoder encoder, const char *text, uint8_t *buf, size_t size)
{
	struct header h = {.flags = (uint8_t)encoder};

	h.size = (uint32_t)packet_text(encoder, text, buf + HEADER_LEN, size - HEADER_LEN);
	header_build(buf, &h);
	return HEADER_LEN + h.size;
}

/* Any record: a chunk, a compressed payload, odd flags. */
static inline size_t record_raw(uint8_t flags, uint8_t compression, uint8_t index,
                                const void *payload, size_t len, uint8_t *buf)
{
	struct header h = {
		.flags = flags, .compression = compression, .index = index, .size = (uint32_t)len};

	header_build(buf, &h);
	memcpy(buf + HEADER_LEN, payload, len);
	return HEADER_LEN + len;
}
