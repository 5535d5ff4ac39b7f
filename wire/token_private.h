/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * wire/token_private.h - what token.c lends to the encoders, and what they give it.
 */
#pragma once

#include "wire/token.h"

/* The next n bytes, consumed; NULL if there are fewer. */
const uint8_t *token_take(struct token_reader *r, size_t n);

/* Consumes a string length in ASCII decimal and the byte after it, which is left to the caller to
 * judge. -EBADMSG on anything else, on a length the input cannot hold, and on leading zeros
 * unless they are allowed. */
int token_take_len(struct token_reader *r, bool zeros_allowed, size_t *ret_len, uint8_t *ret_sep);

/* Consumes a decimal number and the byte `end` after it, to an INT or, outside int64, a BIGINT.
 * Fewer than 64 characters, no plus, no leading zero, no -0; else -EBADMSG. */
int token_take_decimal(struct token_reader *r, uint8_t end, struct token *ret);

/* Consumes n bytes as a string of this type. Text must be UTF-8. */
int token_take_string(struct token_reader *r, enum token_type type, size_t n, struct token *ret);

/* Append; what does not fit sets w->error, and token_write() takes the partial token back. */
void token_put(struct token_writer *w, const void *data, size_t n);
void token_put_byte(struct token_writer *w, uint8_t byte);
void token_put_decimal(struct token_writer *w, int64_t value);

/* Length in decimal, separator, data. */
void token_put_string(struct token_writer *w, const struct token *t, uint8_t sep);

/* One token, its bytes only: token_read() and token_write() do the nesting. A reader that fails
 * may leave r->pos anywhere. A writer is given tokens that are due: a BIGINT is well formed, END
 * has already been popped and LIST and DICT have been pushed. */
int rencode_read(struct token_reader *r, struct token *ret);
int bencode_read(struct token_reader *r, struct token *ret);
void rencode_write(struct token_writer *w, const struct token *t);
void bencode_write(struct token_writer *w, const struct token *t);
void yaml_write(struct token_writer *w, const struct token *t);
