/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * wire/proxyproto.c - the PROXY protocol's header. Worker, before anything else is known of the
 * peer. No privilege, no system calls.
 */
#include "wire/proxyproto.h"

#include <arpa/inet.h>
#include <errno.h>

#include "base/macros.h"

#define V1_PREFIX "PROXY "
#define V1_SHORTEST (sizeof("PROXY UNKNOWN\r\n") - 1)
#define V2_SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V2_SIGNATURE_LEN (sizeof(V2_SIGNATURE) - 1)
#define V2_FIXED 16 /* bytes before the addresses */

enum {
	V2_COMMAND_LOCAL = 0,
	V2_COMMAND_PROXY = 1,
	V2_TCP4 = 0x11,
	V2_TCP6 = 0x21,
	V2_TYPE_CRC32C = 3,
	V2_TYPE_SSL = 0x20,
	V2_CLIENT_SSL = 1,
};

static int bad(int error, const char *why, const char **ret_why)
{
	*ret_why = why;
	return error;
}

/* Whether the first n bytes are text's, as far as both go. */
static bool begins(const uint8_t *p, size_t n, const char *text, size_t len)
{
	return n == 0 || memcmp(p, text, n < len ? n : len) == 0;
}

/* ---- version 1 ---- */

/* One field of a line up to its blank, or to the line's end for the last. NULL: there is none. */
static char *next_field(char **line, char end)
{
	char *field = *line, *stop = field + strcspn(field, " ");

	if (stop == field || *stop != end)
		return NULL;
	*stop = '\0';
	*line = stop + 1;
	return field;
}

/* A number as the specification wants it: digits, no zero in front. */
static int parse_port(const char *text, uint16_t *ret)
{
	unsigned port = 0;
	size_t len = strlen(text);

	if (len > 5 || (len > 1 && *text == '0') || text[strspn(text, "0123456789")] != '\0')
		return -EBADMSG;
	for (; *text; text++)
		port = port * 10 + (unsigned)(*text - '0');
	if (port > UINT16_MAX)
		return -EBADMSG;
	*ret = (uint16_t)port;
	return 0;
}

/* "TCP4 192.0.2.1 192.0.2.2 5000 443". inet_pton() itself takes no zero in front. */
static int parse_addresses(char *line, struct proxyproto *ret)
{
	int family = line[3] == '4' ? AF_INET : AF_INET6;
	const char *source, *destination, *source_port, *destination_port;
	uint8_t unused[16];
	uint16_t port;

	line += sizeof("TCP4 ") - 1;
	if (!(source = next_field(&line, ' ')) || !(destination = next_field(&line, ' ')) ||
	    !(source_port = next_field(&line, ' ')) ||
	    !(destination_port = next_field(&line, '\0')))
		return -EBADMSG;
	if (inet_pton(family, source, ret->address) != 1 ||
	    inet_pton(family, destination, unused) != 1 || parse_port(destination_port, &port) < 0)
		return -EBADMSG;
	ret->client = family == AF_INET ? PROXYPROTO_INET : PROXYPROTO_INET6;
	return parse_port(source_port, &ret->port);
}

static int parse_v1(const uint8_t *p, size_t n, struct proxyproto *ret, const char **ret_why)
{
	size_t most = n < PROXYPROTO_V1_MAX ? n : PROXYPROTO_V1_MAX;
	const uint8_t *cr = memchr(p, '\r', most);
	size_t len = cr ? (size_t)(cr - p) : most;
	bool whole = cr && cr + 1 < p + most;
	struct proxyproto h = {.client = PROXYPROTO_UNKNOWN};
	char line[PROXYPROTO_V1_MAX + 1] = "", *words = line + sizeof(V1_PREFIX) - 1;

	if (memchr(p, '\n', len) || memchr(p, '\0', len) || (whole && cr[1] != '\n'))
		return bad(-EBADMSG, "a line that does not end with CR LF", ret_why);
	if (!whole && n < PROXYPROTO_V1_MAX)
		return -EAGAIN;
	if (!whole)
		return bad(-EMSGSIZE, "a line of more than 107 bytes", ret_why);
	memcpy(line, p, len);
	if (strncmp(words, "TCP4 ", 5) == 0 || strncmp(words, "TCP6 ", 5) == 0) {
		if (parse_addresses(words, &h) < 0)
			return bad(-EBADMSG, "malformed addresses", ret_why);
	} else if (strcmp(words, "UNKNOWN") != 0 && strncmp(words, "UNKNOWN ", 8) != 0) {
		return bad(-EBADMSG, "neither TCP4, TCP6 nor UNKNOWN", ret_why);
	}
	h.len = len + 2;
	*ret = h;
	return 0;
}

/* ---- version 2 ---- */

/* RFC 4960, appendix B; bit by bit, as a header is short and there is one per connection. */
static uint32_t crc32c(uint32_t crc, uint8_t byte)
{
	crc ^= byte;
	for (int bit = 0; bit < 8; bit++)
		crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	return crc;
}

static bool crc_is_right(const uint8_t *p, size_t len, size_t at)
{
	const uint8_t *sum = p + at;
	uint32_t crc = ~UINT32_C(0);

	for (size_t i = 0; i < len; i++)
		crc = crc32c(crc, i >= at && i < at + 4 ? 0 : p[i]);
	return ~crc ==
	       ((uint32_t)sum[0] << 24 | (uint32_t)sum[1] << 16 | (uint32_t)sum[2] << 8 | sum[3]);
}

/* The next field before byte `end` of p: its value is at *at, its length in *ret_size. */
static int next_v2_field(const uint8_t *p, size_t end, size_t *at, size_t *ret_size,
                         const char **ret_why)
{
	if (end - *at < 3)
		return bad(-EBADMSG, "a field that is cut off", ret_why);
	*ret_size = (size_t)p[*at + 1] << 8 | p[*at + 2];
	*at += 3;
	if (*ret_size > end - *at)
		return bad(-EBADMSG, "a field that is longer than the header", ret_why);
	return 0;
}

/* What the front end says of the client's TLS: bits, four bytes on a certificate, more fields. */
static int parse_ssl(const uint8_t *value, size_t len, bool *ret_tls, const char **ret_why)
{
	size_t at = 5, size;

	if (len < at)
		return bad(-EBADMSG, "a field on TLS that is too short", ret_why);
	for (; at < len; at += size)
		if (next_v2_field(value, len, &at, &size, ret_why) < 0)
			return -EBADMSG;
	*ret_tls = value[0] & V2_CLIENT_SSL;
	return 0;
}

/* The fields after the addresses, from byte `at` to the header's end. */
static int parse_fields(const uint8_t *p, size_t len, size_t at, struct proxyproto *ret,
                        const char **ret_why)
{
	while (at < len) {
		uint8_t type = p[at];
		size_t size;

		if (next_v2_field(p, len, &at, &size, ret_why) < 0)
			return -EBADMSG;
		if (type == V2_TYPE_CRC32C && (size != 4 || !crc_is_right(p, len, at)))
			return bad(-EBADMSG, "a wrong checksum", ret_why);
		if (type == V2_TYPE_SSL && parse_ssl(p + at, size, &ret->tls, ret_why) < 0)
			return -EBADMSG;
		at += size;
	}
	return 0;
}

/* What can be said of the fixed part before all of it is there. */
static int check_fixed(const uint8_t *p, size_t n, const char **ret_why)
{
	if (n > 12 && p[12] >> 4 != 2)
		return bad(-EBADMSG, "a version that is not 2", ret_why);
	if (n > 12 && (p[12] & 15) > V2_COMMAND_PROXY)
		return bad(-EBADMSG, "an unknown command", ret_why);
	if (n > 13 && (p[12] & 15) == V2_COMMAND_PROXY && (p[13] >> 4 > 3 || (p[13] & 15) > 2))
		return bad(-EBADMSG, "an unknown address family or protocol", ret_why);
	if (n >= V2_FIXED && V2_FIXED + ((size_t)p[14] << 8 | p[15]) > PROXYPROTO_MAX)
		return bad(-EMSGSIZE, "more than 4096 bytes", ret_why);
	return 0;
}

static size_t v2_len(const uint8_t *p, size_t n)
{
	return n < V2_FIXED ? V2_FIXED : V2_FIXED + ((size_t)p[14] << 8 | p[15]);
}

static int parse_v2(const uint8_t *p, size_t n, struct proxyproto *ret, const char **ret_why)
{
	static const size_t addresses_len[] = {0, 12, 36, 216}; /* none, IPv4, IPv6, unix */
	struct proxyproto h = {.client = PROXYPROTO_LOCAL, .len = v2_len(p, n)};
	const uint8_t *addresses = p + V2_FIXED;
	size_t skip;
	int r = check_fixed(p, n, ret_why);

	if (r < 0)
		return r;
	if (n < h.len)
		return -EAGAIN;
	if ((p[12] & 15) == V2_COMMAND_PROXY) {
		skip = V2_FIXED + addresses_len[p[13] >> 4];
		if (skip > h.len)
			return bad(-EBADMSG, "too short for its addresses", ret_why);
		/* Of no known family, the addresses have no known length either. */
		r = p[13] >> 4 ? parse_fields(p, h.len, skip, &h, ret_why) : 0;
		if (r < 0)
			return r;
		h.client = p[13] == V2_TCP4   ? PROXYPROTO_INET
		           : p[13] == V2_TCP6 ? PROXYPROTO_INET6
		                              : PROXYPROTO_UNKNOWN;
	}
	if (h.client == PROXYPROTO_INET || h.client == PROXYPROTO_INET6) {
		size_t size = h.client == PROXYPROTO_INET ? 4 : 16;

		memcpy(h.address, addresses, size);
		h.port = (uint16_t)(addresses[2 * size] << 8 | addresses[2 * size + 1]);
	}
	*ret = h;
	return 0;
}

/* ---- both ---- */

int proxyproto_parse(const uint8_t *p, size_t n, struct proxyproto *ret, const char **ret_why)
{
	if (n == 0)
		return -EAGAIN;
	if (begins(p, n, V1_PREFIX, sizeof(V1_PREFIX) - 1))
		return parse_v1(p, n, ret, ret_why);
	if (begins(p, n, V2_SIGNATURE, V2_SIGNATURE_LEN))
		return parse_v2(p, n, ret, ret_why);
	return bad(-EBADMSG, "something else", ret_why);
}

size_t proxyproto_missing(const uint8_t *p, size_t n)
{
	if (n == 0)
		return V1_SHORTEST;
	if (*p == *V2_SIGNATURE)
		return v2_len(p, n) - n;
	if (n < V1_SHORTEST)
		return V1_SHORTEST - n;
	return p[n - 1] == '\r' ? 1 : 2;
}
