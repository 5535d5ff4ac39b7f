/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/fuzz/fuzz_config.c - a configuration file of any bytes, and each of its lines as -o.
 */
#include "base/config.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char err[CONFIG_ERROR_MAX];
	char *text = malloc(size + 1);
	struct config c;

	if (!text || config_defaults(&c) < 0)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	for (char *line = text, *next = text; next && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		(void)config_override(&c, line, err);
	}
	memcpy(text, data, size);
	(void)config_parse_text(&c, "fuzz", text, size, err);
	if (memchr(err, '\0', sizeof(err)) == NULL || c.limits_hello_size_bytes < 4096 ||
	    c.limits_hello_size_bytes > 16 << 20)
		abort();
	config_free(&c);
	free(text);
	return 0;
}
