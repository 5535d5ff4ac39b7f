/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Any text as what a client of a session broker has sshd run. Words, quoted so that a shell would
 * expand nothing, are read back as the same. Links broker/sshcommand.c.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "broker/sshfront.h"
#include "tests/fuzz/ensure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_inside(const struct sshfront_command *c, const char *p)
{
	return p >= c->text && p < c->text + sizeof(c->text) &&
	       memchr(p, '\0', (size_t)(c->text + sizeof(c->text) - p));
}

/* What is printed around the answer can be nothing but what the client wrote between quotes. */
static void check_mark(const struct sshfront_command *c, const char *mark)
{
	ENSURE(*mark == '\0' || is_inside(c, mark));
	ENSURE(strpbrk(mark, "\"\\$`") == NULL);
}

static void check_again(const struct sshfront_command *c)
{
	static struct sshfront_command again;
	static char text[SSHFRONT_COMMAND_MAX * 5];
	char *p = text;
	int r;

	for (size_t i = 0; i < c->count; i++) {
		*p++ = '\'';
		for (const char *w = c->words[i]; *w; w++)
			p = *w == '\'' ? stpcpy(p, "'\\''") : (*p = *w, p + 1);
		p = stpcpy(p, "' ");
	}
	*p = '\0';
	r = sshfront_parse(text, &again);
	if (r == -E2BIG)
		return;
	ENSURE(r == 0 && again.count == c->count && !again.begin[0] && !again.end[0]);
	for (size_t i = 0; i < c->count; i++)
		ENSURE(strcmp(again.words[i], c->words[i]) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sshfront_command c;
	char *text = malloc(size + 1);
	int r;

	ENSURE(text);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	memset(&c, 0xee, sizeof(c));
	r = sshfront_parse(text, &c);
	ENSURE(r == 0 || r == -EBADMSG || r == -E2BIG);
	if (r == 0) {
		ENSURE(c.count < SSHFRONT_WORDS_MAX);
		for (size_t i = 0; i < c.count; i++)
			ENSURE(is_inside(&c, c.words[i]));
		check_mark(&c, c.begin);
		check_mark(&c, c.end);
		ENSURE(c.count == 0 || !c.words[c.count]);
		/* Both marks, or none; or only the answer to `echo`. */
		ENSURE(c.begin[0] ? c.end[0] || (c.count == 0 && !strcmp(c.begin, "LOGIN OK"))
		                  : !c.end[0]);
		/* Without any quoting, nothing that means something to a shell has passed. */
		ENSURE(c.begin[0] || strpbrk(text, "'\"\\") || !strpbrk(text, "$`;&|<>()\n"));
	}
	if (r == 0 && c.count > 0)
		check_again(&c);
	free(text);
	return 0;
}
