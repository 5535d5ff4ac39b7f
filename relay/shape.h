/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/shape.h - the same capabilities, flat or nested. Worker. Pure.
 *
 * Up to 4.x a hello is flat: `clipboard: true`, `clipboard.greedy: true`. From 6.0 it is nested:
 * `clipboard: {enabled: true, greedy: true}`. Peers of the two kinds never meet directly, as they
 * share no encoder; through a proxy they do. Old peers ignore dictionaries; new ones still read
 * most flat keys.
 */
#pragma once

#include "wire/token.h"

struct hello_edit;

/* Nested to flat: writes the entries of the dict value whose first token is `value` as `key.entry`
 * (with the names and units that old peers know), but those whose flat name is `dropped`. Consumes
 * the value. 0 or a negative errno. */
int shape_flatten(struct token_reader *r, const struct token *key, const struct token *value,
                  bool (*dropped)(const struct token *name, const struct hello_edit *e),
                  const struct hello_edit *e, struct token_writer *w);

/* Flat to nested: whether this flat key is one that new peers want in a dictionary of the same
 * name, so that it must not be written flat as well. */
bool shape_is_nested(const struct token *key);

/* Flat to nested: caps is just inside the dict of a flat hello; writes the dictionaries made of it.
 */
int shape_nest(const struct token_reader *caps, struct token_writer *w);

/* The same for one of them, by its nested name. 1: written; 0: the hello has none of it. */
int shape_nest_one(const struct token_reader *caps, const char *group, struct token_writer *w);
