/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * wire/yaml.c - a packet in yaml, read: from the notation of PyYAML's dump() to rencodeplus.
 *
 * Pure functions, for the worker; no system calls. The input is an attacker's: each byte is looked
 * at through look(), output goes through the token writer, which counts nesting, and text through
 * put(). What a scalar is in yaml_scalar.c.
 *
 * Block style tells structure by columns: a list of levels, each with its column, closed when a
 * line begins further left. Flow style ([], {}) is between them. Source: PyYAML 6 emitter.py,
 * scanner.py.
 */
#include "wire/yaml_private.h"

#include <errno.h>
#include <string.h>

static bool in_flow(const struct yaml *y)
{
	return y->w.depth > 0 && y->levels[y->w.depth - 1].kind >= YAML_FLOW_LIST;
}

static size_t column(const struct yaml *y)
{
	return (size_t)(y->at - y->line);
}

static bool starts_with(const struct yaml *y, const char *text)
{
	const size_t n = strlen(text);

	return (size_t)(y->end - y->at) >= n && memcmp(y->at, text, n) == 0;
}

/* Where a flow list goes on may be another line. */
static void skip_blanks(struct yaml *y, bool flow)
{
	yaml_skip_spaces(y);
	while (flow && yaml_look(y, 0) == '\n')
		yaml_next_line(y);
}

/* PyYAML's own names: `id` and at least three digits. */
static int read_anchor_name(struct yaml *y, unsigned *ret)
{
	unsigned n = 0;

	if (!starts_with(y, "id"))
		return -EBADMSG;
	for (y->at += 2; yaml_look(y, 0) >= '0' && yaml_look(y, 0) <= '9'; y->at++) {
		n = 10 * n + (unsigned)(*y->at - '0');
		if (n >= YAML_ANCHORS_MAX)
			return -EMSGSIZE;
	}
	*ret = n;
	return n > 0 && yaml_ends_word(y, in_flow(y)) ? 0 : -EBADMSG;
}

/* `&id001 !!tag `, each of which may be there. */
static int read_properties(struct yaml *y, struct yaml_node *n)
{
	static const struct {
		const char *text;
		enum yaml_tag tag;
	} tags[] = {{"!!python/tuple", YAML_TUPLE}, {"!!binary", YAML_BINARY}};
	int k;

	*n = (struct yaml_node){.tag = YAML_UNTAGGED};
	if (yaml_look(y, 0) == '&') {
		y->at++;
		k = read_anchor_name(y, &n->anchor);
		if (k < 0)
			return k;
		yaml_skip_spaces(y);
	}
	if (yaml_look(y, 0) != '!')
		return 0;
	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
		if (starts_with(y, tags[i].text)) {
			y->at += strlen(tags[i].text);
			n->tag = tags[i].tag;
			return yaml_ends_word(y, false) ? 0 : -EBADMSG;
		}
	return -EBADMSG;
}

/* Errors of the writer are the packet's: it is too deep, too large, or a dict lacks a value. */
static int fault(int k)
{
	return k == -ENOBUFS ? -EMSGSIZE : k == -EINVAL ? -EBADMSG : k;
}

static int open_level(struct yaml *y, enum yaml_kind kind, size_t at, const struct yaml_node *n)
{
	const bool dict = kind == YAML_DICT || kind == YAML_FLOW_DICT;
	const size_t start = y->w.len;
	int k = dict ? token_write_dict(&y->w, TOKEN_COUNT_UNKNOWN)
	             : token_write_list(&y->w, TOKEN_COUNT_UNKNOWN);

	if (k < 0)
		return fault(k);
	if (n->tag == YAML_BINARY || (dict && n->tag == YAML_TUPLE))
		return -EBADMSG;
	y->levels[y->w.depth - 1] =
		(struct yaml_level){.kind = kind, .column = at, .anchor = n->anchor};
	y->anchors[n->anchor] = (struct yaml_span){.start = start};
	return 1;
}

static int close_level(struct yaml *y)
{
	const unsigned anchor = y->levels[y->w.depth - 1].anchor;
	int k = token_write_end(&y->w);

	y->anchors[anchor].end = y->w.len;
	return fault(k);
}

/* `*id001`: what was written for it, once more. It must be over: nothing can be in itself. */
static int copy_alias(struct yaml *y)
{
	struct token_reader r;
	struct token t;
	unsigned anchor;
	int k;

	y->at++;
	k = read_anchor_name(y, &anchor);
	if (k < 0)
		return k;
	if (y->anchors[anchor].end == 0)
		return -EBADMSG;
	token_reader_init(&r, ENCODER_RENCODEPLUS, y->w.data + y->anchors[anchor].start,
	                  y->anchors[anchor].end - y->anchors[anchor].start);
	k = token_read(&r, &t);
	return k < 0 ? k : fault(token_copy(&r, &t, &y->w));
}

/* After `key:`, `- ` and the like nothing, and the node on the next lines: it must be further
 * right, but for a list in a dict. */
static int enter_line(struct yaml *y)
{
	const struct yaml_level *top;

	yaml_next_line(y);
	y->fresh = true;
	if (yaml_is_inside(y))
		return 0;
	top = &y->levels[y->w.depth - 1];
	return top->kind == YAML_DICT && column(y) == top->column && yaml_indicator(y, '-')
	               ? 0
	               : -EBADMSG;
}

static int open_flow(struct yaml *y, const struct yaml_node *n)
{
	const bool dict = *y->at++ == '{';
	int k = open_level(y, dict ? YAML_FLOW_DICT : YAML_FLOW_LIST, 0, n);

	if (k < 0)
		return k;
	skip_blanks(y, true);
	if (yaml_look(y, 0) != (dict ? '}' : ']'))
		return 1;
	y->at++;
	return close_level(y);
}

/* A scalar, which may turn out to be the first key of a dict. */
static int read_leaf(struct yaml *y, const struct yaml_node *n)
{
	const struct yaml_node scalar = {.tag = n->tag};
	const uint8_t *line = y->line;
	const size_t at = column(y), start = y->w.len;
	struct token t;
	int k = yaml_read_scalar(y, &scalar, in_flow(y), &t);

	if (k < 0)
		return k;
	if (!in_flow(y) && y->fresh && y->line == line && yaml_indicator(y, ':')) {
		k = open_level(y, YAML_DICT, at, n);
		if (k < 0)
			return k;
		y->at++;
		y->fresh = false;
		k = fault(token_write(&y->w, &t));
		return k < 0 ? k : 1;
	}
	if (y->w.depth == 0) /* a packet is a list */
		return -EBADMSG;
	k = fault(token_write(&y->w, &t));
	if (n->anchor)
		y->anchors[n->anchor] = (struct yaml_span){start, y->w.len};
	return k;
}

/* One value, or its beginning. 0: it is whole; 1: another is due, the first in it. */
static int read_node(struct yaml *y)
{
	const bool flow = in_flow(y);
	struct yaml_node n;
	int k;

	skip_blanks(y, flow);
	if (flow && y->levels[y->w.depth - 1].kind == YAML_FLOW_DICT && yaml_indicator(y, '?')) {
		y->at++;
		skip_blanks(y, flow);
	}
	k = read_properties(y, &n);
	if (k < 0)
		return k;
	if (n.anchor || n.tag != YAML_UNTAGGED)
		y->fresh = false; /* but on a line of its own */
	skip_blanks(y, flow);
	if (yaml_look(y, 0) == '\n') {
		k = enter_line(y);
		if (k < 0)
			return k;
	}
	if (!flow && y->fresh && (yaml_indicator(y, '-') || yaml_indicator(y, '?'))) {
		const bool dict = *y->at == '?';

		k = open_level(y, dict ? YAML_DICT : YAML_LIST, column(y), &n);
		if (k < 0)
			return k;
		y->levels[y->w.depth - 1].explicit = dict;
		y->at++;
		return 1;
	}
	if (yaml_look(y, 0) == '*')
		return n.anchor || n.tag != YAML_UNTAGGED ? -EBADMSG : copy_alias(y);
	if (yaml_look(y, 0) == '[' || yaml_look(y, 0) == '{')
		return open_flow(y, &n);
	return read_leaf(y, &n);
}

/* In flow style after a value. 1: another is due; 0: all of it has been closed. */
static int next_in_flow(struct yaml *y)
{
	while (in_flow(y)) {
		const bool dict = y->levels[y->w.depth - 1].kind == YAML_FLOW_DICT;
		const bool value_due = dict && y->w.odd >> (y->w.depth - 1) & 1;
		int k;

		skip_blanks(y, true);
		if (value_due ? yaml_indicator(y, ':') : yaml_look(y, 0) == ',') {
			y->at++;
			return 1;
		}
		if (value_due || yaml_look(y, 0) != (dict ? '}' : ']'))
			return -EBADMSG;
		y->at++;
		k = close_level(y);
		if (k < 0)
			return k;
	}
	return 0;
}

/* A line of a dict: `? key`, the `: value` of that, or `key: value`. */
static int next_in_dict(struct yaml *y, struct yaml_level *top)
{
	const struct yaml_node plain = {.tag = YAML_UNTAGGED};
	const uint8_t *line = y->line;
	struct token t;
	int k;

	if (top->explicit || yaml_indicator(y, '?')) {
		if (!yaml_indicator(y, top->explicit ? ':' : '?'))
			return -EBADMSG;
		top->explicit = !top->explicit;
		y->fresh = true;
		y->at++;
		return 1;
	}
	k = yaml_read_scalar(y, &plain, false, &t);
	if (k < 0)
		return k;
	if (y->line != line || !yaml_indicator(y, ':'))
		return -EBADMSG;
	y->at++;
	y->fresh = false;
	k = fault(token_write(&y->w, &t));
	return k < 0 ? k : 1;
}

/* After a value. 1: another is due; 0: that was all. */
static int read_next(struct yaml *y)
{
	struct yaml_level *top = NULL;
	int k = next_in_flow(y);

	if (k != 0)
		return k;
	yaml_skip_spaces(y);
	if (yaml_look(y, 0) == '\n')
		yaml_next_line(y);
	else if (y->at < y->end)
		return -EBADMSG;
	for (; y->w.depth > 0; k = close_level(y)) {
		top = &y->levels[y->w.depth - 1];
		if (k < 0)
			return k;
		if (y->at < y->end && (top->column < column(y) ||
		                       (top->column == column(y) &&
		                        (top->kind == YAML_DICT || yaml_indicator(y, '-')))))
			break;
	}
	if (y->at == y->end || k < 0)
		return k;
	if (y->w.depth == 0 || top->column != column(y))
		return -EBADMSG;
	if (top->kind == YAML_DICT)
		return next_in_dict(y, top);
	y->fresh = true;
	y->at++;
	return 1;
}

int yaml_unfold(const uint8_t *in, size_t len, uint8_t *out, size_t size, size_t *ret_len)
{
	struct yaml y;
	int k;

	y.at = y.line = in;
	y.end = in + len;
	y.fresh = true;
	memset(y.anchors, 0, sizeof(y.anchors));
	token_writer_init(&y.w, ENCODER_RENCODEPLUS, out, size);
	do {
		do {
			k = read_node(&y);
		} while (k > 0);
		if (k == 0)
			k = read_next(&y);
	} while (k > 0);
	if (k == 0)
		*ret_len = y.w.len;
	return k;
}

int yaml_name(const uint8_t *in, size_t n, const uint8_t **ret, size_t *ret_len)
{
	static const struct {
		const char *before;
		uint8_t after;
	} forms[] = {{"- ", '\n'}, {"!!python/tuple\n- ", '\n'}, {"[\"", '"'}};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		const size_t start = strlen(forms[i].before);
		size_t at = start;

		if (n < start || memcmp(in, forms[i].before, start) != 0)
			continue;
		while (at < n &&
		       ((in[at] >= 'a' && in[at] <= 'z') || in[at] == '-' || in[at] == '_'))
			at++;
		if (at == n || in[at] != forms[i].after || at == start)
			return -EBADMSG;
		*ret = in + start;
		*ret_len = at - start;
		return 0;
	}
	return -EBADMSG;
}
