/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * wire/yaml_private.h - what yaml.c, the structure, and yaml_scalar.c, its leaves, share.
 */
#pragma once

#include "wire/token_private.h"
#include "wire/yaml.h"

enum yaml_kind {
	YAML_LIST,
	YAML_DICT,
	YAML_FLOW_LIST, /* from here on flow style */
	YAML_FLOW_DICT,
};

enum yaml_tag {
	YAML_UNTAGGED,
	YAML_TUPLE,
	YAML_BINARY,
};

struct yaml_level {
	enum yaml_kind kind;
	size_t column;   /* of its items' first characters */
	bool explicit;   /* a dict with a `? key` whose `: value` has not come yet */
	unsigned anchor; /* its own; 0: none */
};

struct yaml_span {
	size_t start, end; /* in the output; end 0: not over, or none such */
};

struct yaml_node {
	unsigned anchor; /* 0: none */
	enum yaml_tag tag;
};

struct yaml {
	const uint8_t *at, *end;
	const uint8_t *line; /* where the line begins that `at` is in */
	bool fresh;          /* a list or dict in block style may begin here */
	struct token_writer w;
	struct yaml_level levels[TOKEN_DEPTH_MAX];  /* w.depth of them */
	struct yaml_span anchors[YAML_ANCHORS_MAX]; /* [0] is written to, never read */
	uint8_t *text;                              /* a scalar, behind what has been written */
	size_t text_len, text_size;
	bool text_cut;
};

#define YAML_END (-1)

/* The byte that many bytes ahead, or YAML_END. */
static inline int yaml_look(const struct yaml *y, size_t ahead)
{
	return ahead < (size_t)(y->end - y->at) ? y->at[ahead] : YAML_END;
}

static inline bool yaml_is_blank(int c)
{
	return c == ' ' || c == '\n' || c == YAML_END;
}

/* c, and a blank after it, which makes it more than a character. */
static inline bool yaml_indicator(const struct yaml *y, uint8_t c)
{
	return yaml_look(y, 0) == c && yaml_is_blank(yaml_look(y, 1));
}

static inline bool yaml_is_flow_indicator(int c)
{
	return c == ',' || c == '[' || c == ']' || c == '{' || c == '}';
}

static inline bool yaml_ends_word(const struct yaml *y, bool flow)
{
	const int c = yaml_look(y, 0);

	return yaml_is_blank(c) || (flow && yaml_is_flow_indicator(c));
}

static inline void yaml_skip_spaces(struct yaml *y)
{
	while (yaml_look(y, 0) == ' ')
		y->at++;
}

/* From a line's end past the next one's indentation. */
static inline void yaml_next_line(struct yaml *y)
{
	y->line = ++y->at;
	yaml_skip_spaces(y);
}

/* Further right than the list or dict that all this is in. */
static inline bool yaml_is_inside(const struct yaml *y)
{
	return y->w.depth == 0 || (size_t)(y->at - y->line) > y->levels[y->w.depth - 1].column;
}

/* One scalar in any style, consumed; its text is where the next write may move it from. 0, -EBADMSG
 * or -EMSGSIZE. */
int yaml_read_scalar(struct yaml *y, const struct yaml_node *n, bool flow, struct token *ret);
