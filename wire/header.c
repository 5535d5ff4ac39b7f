/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Worker, before and after authentication: the first bytes of a connection and of every record.
 * No privilege, no system calls. Sources: xpra 3.1-6.6 net/header.py, net/protocol/header.py,
 * net/socket_util.py (guess_packet_type).
 */
#include "wire/header.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define FLAGS_ENCODERS 0x15 /* rencode, yaml, rencodeplus */
#define FLAGS_KNOWN (FLAGS_ENCODERS | HEADER_CIPHER | HEADER_FLUSH)

static bool several_bits(unsigned v)
{
	return (v & (v - 1)) != 0;
}

static uint32_t read_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Bytes that have not come yet are 0 in h, which breaks no rule but the one for size. */
static const char *header_fault(const uint8_t h[HEADER_LEN])
{
	if (h[0] != HEADER_MAGIC)
		return "does not start with 'P'";
	if (h[1] & ~FLAGS_KNOWN)
		return "unknown protocol flags";
	if (several_bits(h[1] & FLAGS_ENCODERS))
		return "more than one encoder";
	if (several_bits(h[2] >> 4))
		return "more than one compressor";
	if (h[3] > HEADER_INDEX_MAX)
		return "invalid chunk index";
	if (h[3] && h[1] & FLAGS_ENCODERS)
		return "a chunk cannot specify an encoder";
	if (h[3] && h[1] & HEADER_FLUSH)
		return "a chunk cannot set the flush flag";
	return NULL;
}

int header_parse(const uint8_t *p, size_t n, struct header *ret, const char **ret_why)
{
	uint8_t h[HEADER_LEN] = {HEADER_MAGIC};
	const char *why;
	int r = -EBADMSG;

	if (n)
		memcpy(h, p, n < HEADER_LEN ? n : HEADER_LEN);
	why = header_fault(h);
	if (!why && read_be32(h + 4) > HEADER_SIZE_MAX) {
		why = "payload size over 256 MiB";
		r = -EMSGSIZE;
	}
	if (!why && n < HEADER_LEN)
		return -EAGAIN;
	if (!why && !read_be32(h + 4))
		why = "payload size 0";
	if (why) {
		if (ret_why)
			*ret_why = why;
		return r;
	}
	*ret = (struct header){h[1], h[2], h[3], read_be32(h + 4)};
	return 0;
}

size_t header_find(const uint8_t *p, size_t n, bool *ret_whole)
{
	*ret_whole = false;
	for (size_t i = 0; i < n; i++) {
		struct header h;
		int r = p[i] == HEADER_MAGIC ? header_parse(p + i, n - i, &h, NULL) : -EBADMSG;

		*ret_whole = r == 0 && h.index == 0 && h.size < HEADER_FIRST_MAX;
		if (*ret_whole || r == -EAGAIN)
			return i;
	}
	return n;
}

void header_build(uint8_t p[HEADER_LEN], const struct header *h)
{
	p[0] = HEADER_MAGIC;
	p[1] = h->flags;
	p[2] = h->compression;
	p[3] = h->index;
	p[4] = (uint8_t)(h->size >> 24);
	p[5] = (uint8_t)(h->size >> 16);
	p[6] = (uint8_t)(h->size >> 8);
	p[7] = (uint8_t)h->size;
}

/* None is a prefix of another, and none fits an xpra header: all that start with 'P' have a fourth
 * byte that is not 0, the index. The methods are RFC 9110's, PATCH, and HTTP/2's preface. */
static const struct signature {
	enum first_bytes kind;
	uint8_t len;
	bool any_case;
	char text[14];
} signatures[] = {
	{FIRST_TLS, 1, false, "\x16"},
	{FIRST_SSH, 4, false, "SSH-"},
	{FIRST_RFB, 4, false, "RFB "},
	{FIRST_PROXY, 6, false, "PROXY "},
	{FIRST_PROXY, 12, false, "\r\n\r\n\0\r\nQUIT\n"},
	{FIRST_HTTP, 4, false, "GET "},
	{FIRST_HTTP, 5, false, "POST "},
	{FIRST_HTTP, 5, false, "HEAD "},
	{FIRST_HTTP, 4, false, "PUT "},
	{FIRST_HTTP, 4, false, "PRI "},
	{FIRST_HTTP, 6, false, "PATCH "},
	{FIRST_HTTP, 6, false, "TRACE "},
	{FIRST_HTTP, 7, false, "DELETE "},
	{FIRST_HTTP, 8, false, "OPTIONS "},
	{FIRST_HTTP, 8, false, "CONNECT "},
	{FIRST_HTTP, 5, true, "<html"},
	{FIRST_HTTP, 14, true, "<!doctype html"},
};

static enum first_bytes guess_signature(const uint8_t *p, size_t n)
{
	enum first_bytes best = FIRST_UNKNOWN;

	for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++) {
		const struct signature *s = &signatures[i];
		size_t len = n < s->len ? n : s->len;

		if (s->any_case ? strncasecmp((const char *)p, s->text, len) != 0
		                : memcmp(p, s->text, len) != 0)
			continue;
		if (len == s->len)
			return s->kind;
		best = FIRST_MORE;
	}
	return best;
}

/* xpra's own looks_like_xpra_packet(), a little more lenient than header_parse(): that one then
 * tells an xpra peer what is wrong. */
static enum first_bytes guess_xpra(const uint8_t *p, size_t n)
{
	uint8_t h[HEADER_LEN] = {0};

	memcpy(h, p, n < HEADER_LEN ? n : HEADER_LEN);
	if (h[0] != HEADER_MAGIC || several_bits(h[2] >> 4) || h[3] != 0 || (h[1] & 0x05) == 0x05 ||
	    read_be32(h + 4) >= HEADER_SIZE_MAX)
		return FIRST_UNKNOWN;
	if (n < HEADER_LEN)
		return FIRST_MORE;
	return read_be32(h + 4) >= 8 ? FIRST_XPRA : FIRST_UNKNOWN;
}

/* A TPKT header (RFC 1006): 03 00, then the length of all, big endian, at least 7. */
static enum first_bytes guess_rdp(const uint8_t *p, size_t n)
{
	if (p[0] != 0x03 || (n > 1 && p[1] != 0x00))
		return FIRST_UNKNOWN;
	if (n < 4)
		return FIRST_MORE;
	return p[2] || p[3] >= 7 ? FIRST_RDP : FIRST_UNKNOWN;
}

enum first_bytes header_guess(const uint8_t *p, size_t n)
{
	enum first_bytes (*const guess[])(const uint8_t *, size_t) = {
		guess_xpra,
		guess_signature,
		guess_rdp,
	};
	enum first_bytes best = FIRST_UNKNOWN;

	if (!n)
		return FIRST_MORE;
	for (size_t i = 0; i < sizeof(guess) / sizeof(guess[0]); i++) {
		enum first_bytes g = guess[i](p, n);

		if (g != FIRST_UNKNOWN && g != FIRST_MORE)
			return g;
		if (g == FIRST_MORE)
			best = FIRST_MORE;
	}
	return best;
}
