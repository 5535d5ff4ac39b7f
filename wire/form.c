/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * wire/form.c - a name and a password out of a request. Worker, before anything is known of the
 * peer. No privilege, no system calls. Base64 from libnettle.
 */
#include "wire/form.h"

#include <errno.h>
#include <nettle/base64.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define BASIC_MAX 2048 /* bytes of base64 */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The character at p[*i], which is the last one's index afterwards. Negative: none. */
static int decode(const char *p, size_t n, size_t *i)
{
	int high, low;

	if (p[*i] == '+')
		return ' ';
	if (p[*i] != '%')
		return (unsigned char)p[*i];
	if (n - *i < 3)
		return -EBADMSG;
	high = hex(p[*i + 1]);
	low = hex(p[*i + 2]);
	*i += 2;
	return high < 0 || low < 0 ? -EBADMSG : high << 4 | low;
}

static bool is_name(const char *p, size_t n, const char *name)
{
	size_t at = 0, len = strlen(name);

	for (size_t i = 0; i < n; i++, at++)
		if (at == len || decode(p, n, &i) != (unsigned char)name[at])
			return false;
	return at == len;
}

static int copy(const char *p, size_t n, char *ret, size_t size)
{
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		int c = decode(p, n, &i);

		if (c <= 0)
			return -EBADMSG;
		if (at + 1 >= size)
			return -EMSGSIZE;
		ret[at++] = (char)c;
	}
	ret[at] = '\0';
	return 0;
}

int form_field(const char *body, size_t len, const char *name, char *ret, size_t size)
{
	int r = -ENOENT;

	for (size_t at = 0; at < len;) {
		const char *p = body + at, *end = memchr(p, '&', len - at), *equals;
		size_t n = end ? (size_t)(end - p) : len - at;

		equals = memchr(p, '=', n);
		at += n + 1;
		if (!is_name(p, equals ? (size_t)(equals - p) : n, name))
			continue;
		if (r == 0)
			return -EBADMSG;
		r = equals ? copy(equals + 1, n - (size_t)(equals + 1 - p), ret, size)
		           : copy(p, 0, ret, size);
		if (r < 0)
			return r;
	}
	return r;
}

static int split(const char *text, size_t len, char *user, size_t user_size, char *password,
                 size_t password_size)
{
	const char *colon = memchr(text, ':', len);
	size_t n = colon ? (size_t)(colon - text) : 0;

	if (!colon || memchr(text, 0, len))
		return -EBADMSG;
	if (n >= user_size || len - n - 1 >= password_size)
		return -EMSGSIZE;
	memcpy(user, text, n);
	user[n] = '\0';
	memcpy(password, colon + 1, len - n - 1);
	password[len - n - 1] = '\0';
	return 0;
}

int form_basic(const char *value, size_t len, char *user, size_t user_size, char *password,
               size_t password_size)
{
	uint8_t text[BASE64_DECODE_LENGTH(BASIC_MAX)];
	struct base64_decode_ctx c;
	size_t n = 0;
	int r;

	if (len < 6 || strncasecmp(value, "Basic ", 6) != 0)
		return -ENOENT;
	for (value += 6, len -= 6; len > 0 && *value == ' '; value++, len--)
		;
	if (len > BASIC_MAX)
		return -EMSGSIZE;
	base64_decode_init(&c);
	r = base64_decode_update(&c, &n, text, len, value) && base64_decode_final(&c)
	            ? split((const char *)text, n, user, user_size, password, password_size)
	            : -EBADMSG;
	explicit_bzero(text, sizeof(text));
	explicit_bzero(&c, sizeof(c));
	return r;
}
