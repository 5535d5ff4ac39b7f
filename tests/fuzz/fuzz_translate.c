/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Any bytes as a packet that is translated: byte 0 is the receiver's version and flags, the rest
 * the payload. Links relay/translate.c.
 */
#include "relay/translate.h"

#include <errno.h>
#include <stdlib.h>

#include "wire/header.h"

#include "tests/fuzz/ensure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const enum encoder encoders[] = {ENCODER_RENCODEPLUS, ENCODER_RENCODE, ENCODER_BENCODE};

/* A whole record, that reads to its end, without anything the newest receivers refuse. */
static void check_record(const uint8_t *out, size_t len, enum encoder to, uint8_t flags)
{
	struct token_reader r;
	struct token t;
	struct header h;

	ENSURE(header_parse(out, len, &h, NULL) == 0 && h.size == len - HEADER_LEN);
	ENSURE(h.flags == (to | flags) && h.index == 0 && h.compression == 0);
	token_reader_init(&r, to, out + HEADER_LEN, h.size);
	ENSURE(token_read(&r, &t) == 1 && t.type == TOKEN_LIST);
	for (;;) {
		ENSURE(token_read(&r, &t) == 1);
		if (t.type == TOKEN_END)
			break;
		ENSURE(t.type != TOKEN_NONE && t.type != TOKEN_FLOAT);
		ENSURE(token_skip(&r, &t) == 0);
	}
	ENSURE(token_read(&r, &t) == 0 && r.pos == h.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t room = 6 * size + 256;
	struct translation t = {.to_major = size ? data[0] & 7 : 0,
	                        .flags = size && data[0] & 8 ? HEADER_FLUSH : 0};
	uint8_t *out = malloc(room);
	size_t len;

	ENSURE(out);
	if (size > 0) {
		data++;
		size--;
	}
	for (unsigned i = 0; i < 3 * 3; i++) {
		int r;

		t.from = encoders[i % 3];
		t.to = encoders[i / 3];
		r = translate_packet(data, size, &t, out, room, &len);
		ENSURE(r == 0 || r == -EBADMSG || r == -EMSGSIZE);
		if (r == 0 && len > 0) {
			check_record(out, len, t.to, t.flags);
			ENSURE(translate_packet(data, size, &t, out, len - 1, &len) == -ENOBUFS);
		}
		r = translate_challenge(data, size, t.from, t.to, NULL, 0, out, room, &len);
		ENSURE(r == 0 || r == -EBADMSG || r == -EMSGSIZE);
		if (r == 0)
			ENSURE(header_parse(out, len, &(struct header){0}, NULL) == 0 &&
			       len <= room);
	}
	free(out);
	return 0;
}
