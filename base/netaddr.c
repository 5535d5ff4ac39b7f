/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/netaddr.c - addresses and networks. Pure: no system calls, no names, any process.
 */
#include "base/netaddr.h"
#include "base/macros.h"

#include <arpa/inet.h>
#include <errno.h>

#define MAPPED_BYTES 12 /* before the IPv4 address in ::ffff:192.0.2.1 */

static bool is_mapped(const struct netaddr *a)
{
	static const uint8_t prefix[MAPPED_BYTES] = {[10] = 0xff, [11] = 0xff};

	return a->family == AF_INET6 && memcmp(a->bytes, prefix, MAPPED_BYTES) == 0;
}

void netaddr_unmap(struct netaddr *a)
{
	if (!is_mapped(a))
		return;
	a->family = AF_INET;
	memmove(a->bytes, a->bytes + MAPPED_BYTES, 4);
	memset(a->bytes + 4, 0, sizeof(a->bytes) - 4);
}

/* Whether the first `bits` bits of both are the same. */
static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	return memcmp(a, b, whole) == 0 &&
	       (rest == 0 || ((a[whole] ^ b[whole]) & (0xff00 >> rest) & 0xff) == 0);
}

static bool nothing_after(const uint8_t *bytes, size_t len, unsigned bits)
{
	for (size_t i = bits; i < len * 8; i++)
		if (bytes[i / 8] & (0x80 >> (i % 8)))
			return false;
	return true;
}

/* "/24", or "" for all of them. */
static int parse_bits(const char *text, unsigned max, unsigned *ret)
{
	size_t digits = strspn(text + (*text == '/'), "0123456789");
	unsigned bits = 0;

	*ret = max;
	if (*text == '\0')
		return 0;
	if (digits == 0 || digits > 3 || text[1 + digits] != '\0')
		return -EINVAL;
	for (size_t i = 1; i <= digits; i++)
		bits = bits * 10 + (unsigned)(text[i] - '0');
	*ret = bits;
	return bits > max ? -EINVAL : 0;
}

int netaddr_parse_range(const char *text, struct netaddr_range *ret)
{
	struct netaddr_range n = {.first.family = strchr(text, ':') ? AF_INET6 : AF_INET};
	size_t len = strcspn(text, "/"), size = n.first.family == AF_INET ? 4 : 16;
	char address[INET6_ADDRSTRLEN];
	unsigned bits;

	if (strcmp(text, "unix") == 0) {
		*ret = (struct netaddr_range){.first.family = AF_UNIX};
		return 0;
	}
	if (len >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, len);
	address[len] = '\0';
	if (inet_pton(n.first.family, address, n.first.bytes) != 1 ||
	    parse_bits(text + len, (unsigned)size * 8, &bits) < 0 ||
	    !nothing_after(n.first.bytes, size, bits))
		return -EINVAL;
	if (is_mapped(&n.first) && bits >= MAPPED_BYTES * 8) {
		netaddr_unmap(&n.first);
		bits -= MAPPED_BYTES * 8;
	}
	n.bits = (uint8_t)bits;
	*ret = n;
	return 0;
}

bool netaddr_listed(const struct netaddr_list *l, const struct netaddr *a)
{
	struct netaddr plain = *a;

	netaddr_unmap(&plain);
	for (size_t i = 0; i < l->count; i++) {
		const struct netaddr_range *r = &l->ranges[i];

		if (r->first.family == plain.family &&
		    same_bits(r->first.bytes, plain.bytes, r->bits))
			return true;
	}
	return false;
}

bool netaddr_loopback(const struct netaddr *a)
{
	static const uint8_t one[16] = {[15] = 1};

	return (a->family == AF_INET && a->bytes[0] == 127) ||
	       (a->family == AF_INET6 && memcmp(a->bytes, one, sizeof(one)) == 0);
}
