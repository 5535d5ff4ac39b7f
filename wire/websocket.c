/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * wire/websocket.c - WebSocket's handshake and frames. Worker, locked. No privilege, no system
 * calls. SHA-1 is what the protocol wants of a checksum; nothing is secured by it.
 */
#include "wire/websocket.h"

#include <errno.h>
#include <nettle/base64.h>
#include <nettle/sha1.h>
#include <string.h>

enum {
	FIN = 0x80,
	RESERVED = 0x70,
	OPCODE = 0x0f,
	MASKED = 0x80,
	LENGTH = 0x7f,
	LENGTH_16 = 126,
	LENGTH_64 = 127,
};

static int bad(int error, const char *why, const char **ret_why)
{
	*ret_why = why;
	return error;
}

/* ---- the handshake ---- */

void websocket_key(const uint8_t random[16], char ret[WEBSOCKET_KEY_LEN + 1])
{
	base64_encode_raw(ret, 16, random);
	ret[WEBSOCKET_KEY_LEN] = '\0';
}

void websocket_accept(struct http_text key, char ret[WEBSOCKET_ACCEPT_LEN + 1])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	uint8_t digest[SHA1_DIGEST_SIZE];
	struct sha1_ctx c;

	sha1_init(&c);
	sha1_update(&c, key.len, (const uint8_t *)key.data);
	sha1_update(&c, sizeof(guid) - 1, (const uint8_t *)guid);
	sha1_digest(&c, sizeof(digest), digest);
	base64_encode_raw(ret, sizeof(digest), digest);
	ret[WEBSOCKET_ACCEPT_LEN] = '\0';
}

bool websocket_requested(const struct http_head *h)
{
	return http_text_is(h->method, "GET") && http_list_has(h, "Upgrade", "websocket");
}

/* 16 bytes in base64. */
static bool is_key(struct http_text key)
{
	struct base64_decode_ctx c;
	uint8_t bytes[BASE64_DECODE_LENGTH(WEBSOCKET_KEY_LEN)];
	size_t len = sizeof(bytes);

	if (key.len != WEBSOCKET_KEY_LEN)
		return false;
	base64_decode_init(&c);
	return base64_decode_update(&c, &len, bytes, key.len, key.data) &&
	       base64_decode_final(&c) && len == 16;
}

int websocket_check_request(const struct http_head *h, const char **ret_why)
{
	struct http_text version = http_field(h, "Sec-WebSocket-Version");

	if (h->minor == 0 || !http_list_has(h, "Connection", "upgrade"))
		return bad(-EBADMSG, "a WebSocket request without Connection: Upgrade", ret_why);
	if (http_field_count(h, "Sec-WebSocket-Key") != 1 ||
	    !is_key(http_field(h, "Sec-WebSocket-Key")))
		return bad(-EBADMSG, "a WebSocket request without a valid key", ret_why);
	if (!http_text_is(version, "13") && !http_text_is(version, "8") &&
	    !http_text_is(version, "7"))
		return bad(-EPROTO, "a WebSocket version that is not 13", ret_why);
	if (!http_list_has(h, "Sec-WebSocket-Protocol", WEBSOCKET_PROTOCOL))
		return bad(-EOPNOTSUPP, "a WebSocket subprotocol that is not 'binary'", ret_why);
	return 0;
}

int websocket_check_response(const struct http_head *h, const char *key, const char **ret_why)
{
	struct http_text accept = http_field(h, "Sec-WebSocket-Accept");
	char wanted[WEBSOCKET_ACCEPT_LEN + 1];

	if (h->status != 101)
		return bad(-ECONNREFUSED, "the server does not take WebSocket connections",
		           ret_why);
	websocket_accept((struct http_text){key, strlen(key)}, wanted);
	if (!http_list_has(h, "Upgrade", "websocket") ||
	    !http_list_has(h, "Connection", "upgrade") || accept.len != WEBSOCKET_ACCEPT_LEN ||
	    memcmp(accept.data, wanted, accept.len) != 0)
		return bad(-EBADMSG, "the server's answer is not that of a WebSocket", ret_why);
	if (!http_text_is(http_field(h, "Sec-WebSocket-Protocol"), WEBSOCKET_PROTOCOL))
		return bad(-EBADMSG, "the server does not speak the subprotocol 'binary'", ret_why);
	return 0;
}

/* ---- reading ---- */

static bool is_control(unsigned opcode)
{
	return opcode & 8;
}

/* The first two bytes are here: what they say, and how many there are. */
static int begin_header(struct websocket_reader *r, const char **ret_why)
{
	unsigned length = r->header[1] & LENGTH;
	bool fin = r->header[0] & FIN;

	r->opcode = r->header[0] & OPCODE;
	if (r->header[0] & RESERVED)
		return bad(-EBADMSG, "a WebSocket frame with reserved bits", ret_why);
	if ((r->opcode & 7) > WEBSOCKET_BINARY)
		return bad(-EBADMSG, "a WebSocket frame of an unknown kind", ret_why);
	if (is_control(r->opcode) && (!fin || length > WEBSOCKET_CONTROL_MAX))
		return bad(-EBADMSG, "a WebSocket control frame that is cut or too long", ret_why);
	if (!is_control(r->opcode)) {
		if (r->in_message != (r->opcode == WEBSOCKET_CONTINUATION))
			return bad(-EBADMSG, "a WebSocket message in the wrong order", ret_why);
		r->in_message = !fin;
	}
	r->header_need = 2 +
	                 (length == LENGTH_16   ? 2u
	                  : length == LENGTH_64 ? 8u
	                                        : 0u) +
	                 (r->header[1] & MASKED ? 4u : 0u);
	return 0;
}

/* All of the header is here. */
static int end_header(struct websocket_reader *r, const char **ret_why)
{
	unsigned length = r->header[1] & LENGTH;
	unsigned bytes = length == LENGTH_16 ? 2 : length == LENGTH_64 ? 8 : 0;

	r->left = bytes ? 0 : length;
	for (unsigned i = 0; i < bytes; i++)
		r->left = r->left << 8 | r->header[2 + i];
	if (r->left > WEBSOCKET_FRAME_MAX)
		return bad(-EMSGSIZE, "a WebSocket frame of more than 1 GiB", ret_why);
	r->in_payload = true;
	r->at = 0;
	r->control_len = 0;
	return 0;
}

/* Takes bytes of the header, one at a time: it is short, and its length is in it. */
static int read_header(struct websocket_reader *r, uint8_t **in, size_t *len, const char **ret_why)
{
	int e = 0;

	while (*len > 0 && e == 0 && !r->in_payload) {
		r->header[r->header_len++] = *(*in)++;
		--*len;
		if (r->header_len == 2)
			e = begin_header(r, ret_why);
		if (e == 0 && r->header_len >= 2 && r->header_len == r->header_need)
			e = end_header(r, ret_why);
	}
	return e;
}

void websocket_mask(uint8_t *p, size_t len, const uint8_t mask[4], uint64_t at)
{
	uint8_t turned[8];
	uint64_t word, key;
	size_t i = 0;

	for (i = 0; i < 8; i++)
		turned[i] = mask[(at + i) & 3];
	memcpy(&key, turned, 8);
	for (i = 0; i + 8 <= len; i += 8) {
		memcpy(&word, p + i, 8);
		word ^= key;
		memcpy(p + i, &word, 8);
	}
	for (; i < len; i++)
		p[i] ^= turned[i & 7];
}

static void read_payload(struct websocket_reader *r, uint8_t **in, size_t *len, uint8_t **out)
{
	size_t n = *len < r->left ? *len : (size_t)r->left;

	if (r->header[1] & MASKED)
		websocket_mask(*in, n, r->header + r->header_need - 4, r->at);
	r->at = (uint32_t)(r->at + n) & 3;
	if (is_control(r->opcode)) {
		memcpy(r->control + r->control_len, *in, n);
		r->control_len += (unsigned)n;
	} else {
		memmove(*out, *in, n);
		*out += n;
	}
	*in += n;
	*len -= n;
	r->left -= n;
}

int websocket_decode(struct websocket_reader *r, uint8_t **in, size_t *len, uint8_t **out,
                     const char **ret_why)
{
	for (;;) {
		int e = read_header(r, in, len, ret_why);

		if (e < 0)
			return e;
		if (!r->in_payload)
			return 0;
		read_payload(r, in, len, out);
		if (r->left > 0)
			return 0;
		r->in_payload = false;
		r->header_len = 0;
		if (is_control(r->opcode))
			return (int)r->opcode;
	}
}

/* ---- writing ---- */

size_t websocket_header(uint8_t ret[WEBSOCKET_HEADER_MAX], enum websocket_opcode opcode,
                        uint64_t len, const uint8_t mask[4])
{
	unsigned bytes = len <= WEBSOCKET_CONTROL_MAX ? 0 : len <= UINT16_MAX ? 2 : 8;
	size_t n = 2;

	ret[0] = (uint8_t)(FIN | opcode);
	ret[1] = (uint8_t)(bytes == 0 ? len : bytes == 2 ? LENGTH_16 : LENGTH_64);
	for (unsigned i = bytes; i > 0; i--)
		ret[n++] = (uint8_t)(len >> (8 * (i - 1)));
	if (mask) {
		ret[1] |= MASKED;
		memcpy(ret + n, mask, 4);
		n += 4;
	}
	return n;
}
