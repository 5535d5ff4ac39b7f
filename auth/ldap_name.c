/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/ldap_name.c - escapes, see auth/ldap_name.h. Checker. No system calls.
 */
#include "auth/ldap_name.h"

#include <errno.h>
#include <string.h>

int ldap_name_escape(const char *name, char *ret, size_t size)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@";
	static const char digits[] = "0123456789abcdef";
	size_t n = 0;

	for (; *name; name++) {
		unsigned char byte = (unsigned char)*name;

		if (size < n + 4)
			return -E2BIG;
		if (strchr(plain, byte)) {
			ret[n++] = (char)byte;
		} else {
			ret[n++] = '\\';
			ret[n++] = digits[byte >> 4];
			ret[n++] = digits[byte & 15];
		}
	}
	if (size < n + 1)
		return -E2BIG;
	ret[n] = '\0';
	return 0;
}

static int add(const char *text, bool escape, char *ret, size_t size)
{
	size_t len = strlen(text);

	if (escape)
		return ldap_name_escape(text, ret, size);
	if (len >= size)
		return -E2BIG;
	memcpy(ret, text, len + 1);
	return 0;
}

int ldap_name_fill(const char *template, const char *username, const char *domain, bool escape,
                   char *ret, size_t size)
{
	const struct {
		const char *name, *value;
	} variables[] = {{"%username", username}, {"%domain", domain}};
	size_t n = 0;

	while (*template) {
		size_t i = 0, len = 0;

		for (; i < 2; i++) {
			len = strlen(variables[i].name);
			if (strncmp(template, variables[i].name, len) == 0)
				break;
		}
		if (i < 2) {
			int r = add(variables[i].value, escape, ret + n, size - n);

			if (r < 0)
				return r;
			n += strlen(ret + n);
			template += len;
		} else if (n + 1 < size) {
			ret[n++] = *template ++;
		} else {
			return -E2BIG;
		}
	}
	if (n >= size)
		return -E2BIG;
	ret[n] = '\0';
	return 0;
}

bool ldap_name_is_dn(const char *template)
{
	return strchr(template, '=');
}
