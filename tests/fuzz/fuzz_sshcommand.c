/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Any text as an ssh client's command. A display is one word without control characters, and,
 * quoted, is read back as the same. Links base/sshcommand.c.
 */
#include "base/sshcommand.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/ensure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const char *display)
{
	char text[sizeof(((struct sshcommand *)NULL)->display) * 4 + 32] = "xpra _proxy '";
	size_t n = strlen(text);
	struct sshcommand c;

	for (const char *p = display; *p; p++) /* ' is the only one that ends such a quote */
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%.*s", *p == '\'' ? 4 : 1,
		                      *p == '\'' ? "'\\''" : p);
	snprintf(text + n, sizeof(text) - n, "'");
	sshcommand_parse(text, &c);
	ENSURE(c.kind == SSHCOMMAND_ATTACH && strcmp(c.display, display) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct sshcommand c;

	ENSURE(text);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	sshcommand_parse(text, &c);
	ENSURE(memchr(c.display, '\0', sizeof(c.display)));
	ENSURE(c.kind == SSHCOMMAND_ATTACH || c.display[0] == '\0');
	for (const char *p = c.display; *p; p++)
		ENSURE((unsigned char)*p >= ' ' && *p != 0x7f);
	if (c.display[0])
		check_again(c.display);
	free(text);
	return 0;
}
