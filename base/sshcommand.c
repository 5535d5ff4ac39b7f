/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/sshcommand.c - takes apart what an ssh client wants to be run. Pure; before the split, as
 * the user.
 *
 * Whoever writes that text is logged in and could connect to the same sessions anyway: this finds
 * out what is meant, it does not keep anybody out. All that comes of it is a kind and a display,
 * which is only ever compared with those of the user.
 */
#include "base/sshcommand.h"

#include <stdbool.h>

#include "base/macros.h"

enum piece {
	PIECE_WORD,
	PIECE_BREAK, /* between two commands */
	PIECE_END,
	PIECE_BAD, /* a quote that does not end */
};

/* Takes the next piece off *text; a word's quotes are removed. buf is as large as all of the text.
 */
static enum piece next_piece(const char **text, char *buf)
{
	const char *p = *text + strspn(*text, " \t");
	size_t n = 0;
	char quote = '\0';

	*text = p + 1;
	if (*p == '\0')
		return PIECE_END;
	if (strchr("\n;&|()", *p))
		return PIECE_BREAK;
	for (; *p && (quote || !strchr(" \t\n;&|()", *p)); p++) {
		if (quote && *p == quote) {
			quote = '\0';
		} else if (!quote && (*p == '"' || *p == '\'')) {
			quote = *p;
		} else if (*p == '\\' && p[1] && quote != '\'' &&
		           (!quote || strchr("\\\"$`", p[1]))) {
			buf[n++] = *++p;
		} else {
			buf[n++] = *p;
		}
	}
	buf[n] = '\0';
	*text = p;
	return quote ? PIECE_BAD : PIECE_WORD;
}

static bool is_one_of(const char *word, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(word, *list) == 0)
			return true;
	return false;
}

/* What may stand before a command. */
static bool is_keyword(const char *word)
{
	static const char *const keywords[] = {"if", "then", "elif", "else", "exec", NULL};

	return is_one_of(word, keywords);
}

/* What the words of one command say, one after the other. */
struct reader {
	size_t words, commands;
	char program[32]; /* the first command's name, without a path; cut */
	bool shell;       /* the command is sh ... */
	bool script;      /* the next word is a shell's script */
};

static void begin_command(struct reader *r, const char *word)
{
	const char *name = strrchr(word, '/');

	name = name ? name + 1 : word;
	if (r->commands++ == 0)
		snprintf(r->program, sizeof(r->program), "%s", name);
	r->shell = strcmp(name, "sh") == 0;
}

/* An argument of `_proxy`. False: it cannot be. */
static bool take_argument(const char *word, struct sshcommand *ret)
{
	if (word[0] == '-' || word[0] == '\0') /* --socket-dir=, --env=: not the client's to say */
		return true;
	if (ret->display[0] || strlen(word) >= sizeof(ret->display))
		return false;
	for (const char *c = word; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return false;
	snprintf(ret->display, sizeof(ret->display), "%s", word);
	return true;
}

/* Reads one more word of a command. False: nothing that follows matters. */
static bool take_word(struct reader *r, const char *word, struct sshcommand *ret)
{
	if (r->words == 0 && is_keyword(word))
		return true;
	if (r->words == 0) {
		begin_command(r, word);
	} else if (ret->kind == SSHCOMMAND_ATTACH) {
		if (!take_argument(word, ret)) {
			ret->kind = SSHCOMMAND_OTHER;
			return false;
		}
	} else if (r->words == 1 && strcmp(word, "_proxy") == 0) {
		ret->kind = SSHCOMMAND_ATTACH;
	} else if (r->words == 1 && strncmp(word, "_proxy_", strlen("_proxy_")) == 0) {
		ret->kind = SSHCOMMAND_START;
		return false;
	}
	r->script = r->shell && r->commands == 1 && r->words == 1 && strcmp(word, "-c") == 0;
	r->words++;
	return true;
}

/* No command with a `_proxy` in all of it. */
static enum sshcommand_kind classify(const struct reader *r)
{
	static const char *const probes[] = {"echo", "command", NULL};

	if (r->commands != 1)
		return r->commands == 0 ? SSHCOMMAND_ATTACH : SSHCOMMAND_OTHER;
	if (strcmp(r->program, "xproxy-conn") == 0)
		return SSHCOMMAND_ATTACH;
	if (r->words > 1 &&
	    (strcmp(r->program, "which") == 0 || strcmp(r->program, "command") == 0))
		return SSHCOMMAND_FIND;
	return is_one_of(r->program, probes) ? SSHCOMMAND_PROBE : SSHCOMMAND_OTHER;
}

/* buf: room for one word. True: it is a shell's script instead that has to be read, now in script;
 * which may not be NULL for that. */
static bool parse(const char *text, char *buf, char *script, struct sshcommand *ret)
{
	struct reader r = {0};
	enum piece piece;

	*ret = (struct sshcommand){.kind = SSHCOMMAND_OTHER};
	do {
		bool inner = r.script && script;

		piece = next_piece(&text, inner ? script : buf);
		if (piece == PIECE_WORD && inner)
			return true;
		if (piece == PIECE_WORD && !take_word(&r, buf, ret))
			return false;
		if (piece == PIECE_BREAK && ret->kind == SSHCOMMAND_ATTACH)
			return false; /* the rest would be other commands */
		if (piece == PIECE_BREAK) {
			r.words = 0;
			r.script = false;
		}
	} while (piece == PIECE_WORD || piece == PIECE_BREAK);
	if (piece == PIECE_BAD)
		ret->kind = SSHCOMMAND_OTHER;
	else if (ret->kind != SSHCOMMAND_ATTACH)
		ret->kind = classify(&r);
	return false;
}

void sshcommand_parse(const char *text, struct sshcommand *ret)
{
	char word[SSHCOMMAND_MAX], script[SSHCOMMAND_MAX];

	if (!text)
		text = "";
	if (strnlen(text, SSHCOMMAND_MAX) == SSHCOMMAND_MAX)
		*ret = (struct sshcommand){.kind = SSHCOMMAND_OTHER};
	else if (parse(text, word, script, ret))
		(void)parse(script, word, NULL, ret);
	if (ret->kind != SSHCOMMAND_ATTACH)
		ret->display[0] = '\0';
}
