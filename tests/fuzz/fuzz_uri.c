/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Any text as a session URI. What is printed is read back as the same session, without its secret.
 * Links session/uri.c.
 */
#include "session/uri.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), err[URI_TEXT_MAX], printed[4096], again[4096];
	struct uri u, v;

	if (!text)
		abort();
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	if (uri_parse(text, &u, err) == 0) {
		uri_print(&u, printed, sizeof(printed));
		if (uri_parse(printed, &v, err) < 0 || !uri_matches(&u, printed))
			abort();
		uri_print(&v, again, sizeof(again));
		if (strcmp(printed, again) != 0 || v.has_password || v.name[0])
			abort();
		(void)uri_matches(&u, text);
	} else if (!err[0] || strlen(err) >= URI_TEXT_MAX) {
		abort();
	}
	free(text);
	return 0;
}
