/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * wire/utf8.c - what is UTF-8, RFC 3629. Pure, for any process; no system calls.
 */
#include "wire/utf8.h"

size_t utf8_next(const uint8_t *p, size_t n, uint32_t *ret)
{
	static const uint32_t min[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len;
	uint32_t c;

	if (p[0] < 0x80) {
		*ret = p[0];
		return 1;
	}
	if (p[0] < 0xc0 || p[0] > 0xf7)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (len > n)
		return 0;
	c = p[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < min[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*ret = c;
	return len;
}

bool utf8_valid(const uint8_t *data, size_t n)
{
	uint32_t c;
	size_t step;

	for (size_t i = 0; i < n; i += step) {
		step = utf8_next(data + i, n - i, &c);
		if (step == 0)
			return false;
	}
	return true;
}
