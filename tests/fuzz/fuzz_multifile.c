/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Any bytes as a multifile; the user's name is the first line. What is found lies inside the text
 * and fits struct auth_row. Links auth/multifile.c, auth/readfile.c.
 */
#include "auth/module.h"
#include "auth/multifile.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void report(void *context, size_t line, const char *why)
{
	size_t *last = context;

	if (line <= *last || !*why)
		abort();
	*last = line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	char username[AUTH_USERNAME_MAX] = "";
	struct multifile_entry e;
	size_t n = 0, last = 0;

	while (n < size && n < sizeof(username) - 1 && text[n] != '\n')
		n++;
	if (n > 0)
		memcpy(username, text, n);
	if (multifile_find(text, size, username, &e, report, &last) == 0)
		return 0;
	for (size_t i = 0; i < MULTIFILE_FIELDS; i++) {
		const char *p = e.fields[i].p;

		if (e.fields[i].len == 0)
			continue;
		if (p < text || p + e.fields[i].len > text + size ||
		    memchr(p, '|', e.fields[i].len) || memchr(p, '\0', e.fields[i].len))
			abort();
		if ((i == MULTIFILE_UID || i == MULTIFILE_GID) && e.fields[i].len > 63)
			abort();
		if (i >= MULTIFILE_DISPLAYS && e.fields[i].len > 8191)
			abort();
	}
	if (e.fields[0].len != strlen(username) || memcmp(e.fields[0].p, username, e.fields[0].len))
		abort();
	return 0;
}
