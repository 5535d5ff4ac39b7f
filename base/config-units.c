/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/config-units.c - times and sizes as people write them. Pure, any process.
 */
#include "base/clock.h"
#include "base/config-keys.h"
#include "base/macros.h"

#include <ctype.h>
#include <errno.h>

#define BLANKS CONFIG_BLANKS

static int parse_number(const char **text, uint64_t *ret)
{
	uint64_t n = 0;

	if (!isdigit((unsigned char)**text))
		return -EINVAL;
	for (; isdigit((unsigned char)**text); (*text)++)
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(**text - '0'), &n))
			return -ERANGE;
	*ret = n;
	return 0;
}

/* The factor of the unit that text[0..len) names; 0: none does. */
static uint64_t usec_unit(const char *text, size_t len)
{
	static const struct {
		const char *names;
		uint64_t usec;
	} units[] = {
		{" us usec ", 1},
		{" ms msec ", USEC_PER_MSEC},
		{" s sec second seconds ", USEC_PER_SEC},
		{" m min minute minutes ", 60 * USEC_PER_SEC},
		{" h hr hour hours ", 3600 * USEC_PER_SEC},
		{" d day days ", 86400 * USEC_PER_SEC},
	};
	char word[12];

	if (len == 0)
		return USEC_PER_SEC;
	if (len + 3 > sizeof(word))
		return 0;
	snprintf(word, sizeof(word), " %.*s ", (int)len, text);
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (strstr(units[i].names, word))
			return units[i].usec;
	return 0;
}

int config_parse_usec(const char *text, uint64_t *ret)
{
	uint64_t sum = 0, n, unit;
	size_t len;
	int r;

	text += strspn(text, BLANKS);
	do {
		r = parse_number(&text, &n);
		if (r < 0)
			return r;
		text += strspn(text, BLANKS);
		for (len = 0; isalpha((unsigned char)text[len]);)
			len++;
		unit = usec_unit(text, len);
		if (unit == 0)
			return -EINVAL;
		if (__builtin_mul_overflow(n, unit, &n) || __builtin_add_overflow(sum, n, &sum))
			return -ERANGE;
		text += len;
		text += strspn(text, BLANKS);
	} while (*text);
	*ret = sum;
	return 0;
}

int config_parse_bytes(const char *text, uint64_t *ret)
{
	static const char units[] = "KMGT";
	const char *unit;
	uint64_t n;
	int r;

	text += strspn(text, BLANKS);
	r = parse_number(&text, &n);
	if (r < 0)
		return r;
	text += strspn(text, BLANKS);
	if (*text && (unit = strchr(units, *text))) {
		if (__builtin_mul_overflow(n, UINT64_C(1) << (10 * (unit - units + 1)), &n))
			return -ERANGE;
		text++;
	}
	if (text[strspn(text, BLANKS)] != '\0')
		return -EINVAL;
	*ret = n;
	return 0;
}
