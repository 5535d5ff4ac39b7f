/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * wire/websocket.h - WebSocket, RFC 6455, as xpra uses it: a stream of bytes in binary messages,
 * cut anywhere. Both roles.
 *
 * Where xpra departs from the RFC: its native client does not mask what it sends, so a reader takes
 * frames with and without a mask; text messages are read as binary ones; versions 7 and 8 of the
 * protocol are the same as 13; its servers insist on the subprotocol "binary", and its client reads
 * of the server's answer no further than that field, which must therefore be the last.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/http.h"

#define WEBSOCKET_PROTOCOL "binary"
#define WEBSOCKET_KEY_LEN 24    /* 16 random bytes in base64 */
#define WEBSOCKET_ACCEPT_LEN 28 /* a SHA-1 in base64 */
#define WEBSOCKET_HEADER_MAX 14
#define WEBSOCKET_CONTROL_MAX 125 /* bytes that a control frame can carry */
#define WEBSOCKET_FRAME_MAX                                                  \
	(1ull << 30) /* no peer sends one of a GiB: xpra packets are smaller \
	              */

enum websocket_opcode {
	WEBSOCKET_CONTINUATION = 0,
	WEBSOCKET_TEXT = 1,
	WEBSOCKET_BINARY = 2,
	WEBSOCKET_CLOSE = 8,
	WEBSOCKET_PING = 9,
	WEBSOCKET_PONG = 10,
};

enum websocket_status { /* what a close frame can say */
	                WEBSOCKET_NORMAL = 1000,
	                WEBSOCKET_PROTOCOL_ERROR = 1002,
};

/* ---- the handshake ---- */

/* The key for a request, of 16 random bytes. */
void websocket_key(const uint8_t random[16], char ret[WEBSOCKET_KEY_LEN + 1]);

/* The answer to a key, RFC 6455 1.3. */
void websocket_accept(struct http_text key, char ret[WEBSOCKET_ACCEPT_LEN + 1]);

/* Whether a request wants to become a WebSocket at all. */
bool websocket_requested(const struct http_head *h);

/* Whether it can be answered with 101 and that subprotocol. 0; -EBADMSG with *ret_why, a static
 * text: 400; -EPROTO: a version that is not ours, 426; -EOPNOTSUPP: another subprotocol, 403. */
int websocket_check_request(const struct http_head *h, const char **ret_why);

/* Whether the answer to a request with this key and subprotocol makes it one. 0, or -EBADMSG or
 * -ECONNREFUSED (an answer of HTTP that is not 101) with *ret_why. */
int websocket_check_response(const struct http_head *h, const char *key, const char **ret_why);

/* ---- frames ---- */

/* The reader's state; all zero at the beginning. Its members are its own, but for control. */
struct websocket_reader {
	uint8_t header[WEBSOCKET_HEADER_MAX];
	unsigned header_len; /* bytes of it that are here; 0: between two frames */
	unsigned header_need;
	bool in_message; /* a message has begun and its last frame has not */
	bool in_payload;
	unsigned opcode;
	uint64_t left; /* bytes of the payload */
	uint32_t at;   /* where in the mask its next byte is */

	unsigned control_len;
	uint8_t control[WEBSOCKET_CONTROL_MAX]; /* of the frame that was just read */
};

/* Takes bytes as they came, in any cut, and writes what the messages in them carry to *out, which
 * may be where they were read: it is never longer. *in, *len and *out are moved along. 0: all is
 * taken; an opcode of at least 8: a control frame is whole in r->control, call again for the rest;
 * -EBADMSG or -EMSGSIZE with *ret_why, a static text: the stream is broken for good. */
int websocket_decode(struct websocket_reader *r, uint8_t **in, size_t *len, uint8_t **out,
                     const char **ret_why);

/* The header of an unfragmented frame; its length. mask: 4 bytes, for the client's role, or NULL.
 */
size_t websocket_header(uint8_t ret[WEBSOCKET_HEADER_MAX], enum websocket_opcode opcode,
                        uint64_t len, const uint8_t mask[4]);

/* Masks or unmasks in place; at: how many bytes of this payload came before. */
void websocket_mask(uint8_t *p, size_t len, const uint8_t mask[4], uint64_t at);
