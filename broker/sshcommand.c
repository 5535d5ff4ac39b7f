/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/sshcommand.c - takes apart what an X2Go client has sshd run. Pure. Nothing is ever run or
 * expanded: words are words, and what means something to a shell outside of quotes is refused, but
 * for the few forms that clients send.
 */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "broker/sshfront.h"

/* The word at *p, unquoted in place: it can only become shorter. NULL: no more; *ret_error if what
 * is there is no word. */
static char *next_word(char **p, int *ret_error)
{
	char *from = *p + strspn(*p, " \t"), *word = from, *to = from, quote = '\0';

	if (*from == '\0')
		return NULL;
	for (; *from && (quote || !strchr(" \t", *from)); from++) {
		if (quote ? *from == quote : *from == '\'' || *from == '"') {
			quote = (char)(quote ? '\0' : *from);
			continue;
		}
		if (quote != '\'' && *from == '\\' && from[1])
			from++;
		else if (quote != '\'' && strchr(quote ? "$`" : "$`;&|<>()\n", *from))
			*ret_error = -EBADMSG;
		*to++ = *from;
	}
	if (quote)
		*ret_error = -EBADMSG;
	*p = *from ? from + 1 : from;
	*to = '\0';
	return word;
}

static int split(char *text, struct sshfront_command *c)
{
	int r = 0;
	char *word;

	c->count = 0;
	while ((word = next_word(&text, &r)) && r == 0) {
		if (c->count + 1 >= SSHFRONT_WORDS_MAX)
			return -E2BIG;
		c->words[c->count++] = word;
	}
	c->words[c->count] = NULL;
	return r;
}

/* `echo "TEXT"` as a whole: TEXT. NULL: it is something else. */
static const char *echoed(char *text)
{
	static const char echo[] = "echo \"";
	size_t len;

	text += strspn(text, " \t");
	if (strncmp(text, echo, strlen(echo)) != 0)
		return NULL;
	text += strlen(echo);
	len = strcspn(text, "\"\\$`");
	if (text[len] != '"' || text[len + 1 + strspn(text + len + 1, " \t\n")] != '\0')
		return NULL;
	text[len] = '\0';
	return text;
}

/* The next part of a script, up to a semicolon that is in no double quotes. NULL: no more. */
static char *next_part(char **script)
{
	char *p = *script, *part = p;
	bool quoted = false;

	if (!p)
		return NULL;
	for (; *p && (quoted || *p != ';'); p++) {
		if (*p == '\\' && p[1])
			p++;
		else if (*p == '"')
			quoted = !quoted;
	}
	*script = *p ? p + 1 : NULL;
	*p = '\0';
	part += strspn(part, " \t\n");
	return part;
}

/* Inside bash -l -c '...'. */
static int parse_script(char *script, struct sshfront_command *c)
{
	char *part, *command = NULL;

	while ((part = next_part(&script))) {
		const char *text = echoed(part);

		if (*part == '\0' || strncmp(part, "export ", 7) == 0)
			continue;
		if (text && strncmp(text, "X2GODATABEGIN:", 14) == 0 && !c->begin[0])
			c->begin = text;
		else if (text && strncmp(text, "X2GODATAEND:", 12) == 0 && !c->end[0])
			c->end = text;
		else if (!command && !text)
			command = part;
		else
			return -EBADMSG;
	}
	return command && c->begin[0] && c->end[0] ? split(command, c) : -EBADMSG;
}

int sshfront_parse(const char *original, struct sshfront_command *ret)
{
	static const char bash[] = "bash -l -c '";
	size_t len = strlen(original);
	const char *text;

	*ret = (struct sshfront_command){.begin = "", .end = ""};
	if (len >= sizeof(ret->text))
		return -E2BIG;
	memcpy(ret->text, original, len + 1);
	text = echoed(ret->text);
	if (text) {
		ret->begin = text;
		return strcmp(text, "LOGIN OK") == 0 ? 0 : -EBADMSG;
	}
	memcpy(ret->text, original, len + 1);
	if (strncmp(original, bash, strlen(bash)) != 0)
		return split(ret->text, ret);
	while (len > 0 && isspace((unsigned char)ret->text[len - 1]))
		ret->text[--len] = '\0';
	if (len <= strlen(bash) || ret->text[len - 1] != '\'' ||
	    memchr(ret->text + strlen(bash), '\'', len - 1 - strlen(bash)))
		return -EBADMSG;
	ret->text[len - 1] = '\0';
	return parse_script(ret->text + strlen(bash), ret);
}
