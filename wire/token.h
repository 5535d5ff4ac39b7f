/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * wire/token.h - one packet as a stream of tokens, whatever encoder wrote it.
 *
 * An xpra packet is a list; item 0 is its name. xpra has used four encoders for it; three are
 * common (bencode <= 5.x, rencode <= 5.x, rencodeplus >= 3.1.4). All three are read and written
 * here as the same tokens, straight from and to a flat buffer: no tree, no allocation, no I/O.
 * Rewriting is reading tokens and writing some of them; translating between two peers that
 * share no encoder is reading with one and writing with another.
 *
 * The fourth, yaml, is written here too, in flow style and ASCII; its readers, even those of 3.1,
 * take that. It cannot be read in place: wire/yaml.h makes rencodeplus of it first.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Values are the bits of the header's flags byte; bencode is the absence of any. */
enum encoder {
	ENCODER_BENCODE = 0x00,
	ENCODER_RENCODE = 0x01,
	ENCODER_YAML = 0x04, /* written only: see wire/yaml.h */
	ENCODER_RENCODEPLUS = 0x10,
};
#define ENCODER_FLAGS 0x15 /* every header bit that names an encoder */

/* The peers that write it know dictionaries in dictionaries, and text from bytes. Nearly all: 3.1's
 * yaml is as flat as its rencode. */
static inline bool encoder_is_modern(enum encoder encoder)
{
	return encoder == ENCODER_RENCODEPLUS || encoder == ENCODER_YAML;
}

/* "bencode", "rencode", "yaml", "rencodeplus"; "unknown" for anything else. */
const char *encoder_name(enum encoder encoder);

enum token_type {
	TOKEN_NONE,
	TOKEN_BOOL,
	TOKEN_INT,
	TOKEN_BIGINT, /* outside int64: .data/.len are its decimal text, at most 63 */
	TOKEN_FLOAT,
	TOKEN_STRING, /* untyped: rencode and bencode do not tell text from bytes */
	TOKEN_TEXT,   /* UTF-8, checked */
	TOKEN_BYTES,
	TOKEN_LIST, /* items follow, then TOKEN_END */
	TOKEN_DICT, /* key, value, key, value, ..., then TOKEN_END */
	TOKEN_END,
};

#define TOKEN_DEPTH_MAX 64 /* nesting allowed; xpra itself has no limit, peers never pass 10 */
#define TOKEN_COUNT_UNKNOWN UINT32_MAX /* a list or dict that is ended by a marker */

struct token {
	enum token_type type;
	bool boolean;
	int64_t integer;
	double real;
	const uint8_t *data; /* STRING, TEXT, BYTES, BIGINT: points into the reader's input */
	size_t len;
	uint32_t count; /* LIST: items, DICT: pairs, or TOKEN_COUNT_UNKNOWN */
};

static inline bool token_is_string(const struct token *t)
{
	return t->type == TOKEN_STRING || t->type == TOKEN_TEXT || t->type == TOKEN_BYTES;
}

struct token_reader {
	const uint8_t *data;
	size_t len;
	size_t pos; /* first byte not yet consumed */
	enum encoder encoder;
	unsigned depth;                 /* open lists and dicts */
	uint32_t left[TOKEN_DEPTH_MAX]; /* values left (a pair counts two) or COUNT_UNKNOWN */
	uint64_t dicts;                 /* bit n: level n is a dict */
	uint64_t odd;                   /* bit n: level n (a marked dict) has a key without value */
	bool done;                      /* the outermost value is complete */
};

/* data must stay valid and unchanged while tokens are used. */
void token_reader_init(struct token_reader *r, enum encoder encoder, const void *data, size_t len);

/* Next token. 1: *ret is written. 0: the outermost value is complete; only this call finds bytes
 * after it, which are -EBADMSG in bencode and ignored in rencode and rencodeplus, as xpra does.
 * Negative: -EBADMSG malformed or truncated, -EMSGSIZE nested deeper than TOKEN_DEPTH_MAX,
 * -EOPNOTSUPP an encoder that is not read here. After an error every further call fails the same
 * way. A dict always delivers key/value pairs; a marker after a key is malformed. Keys may be of
 * any type: token_skip() a key too. Stricter than xpra: a big integer has no leading zeros. */
int token_read(struct token_reader *r, struct token *ret);

/* Having read `first` from r, read on to the end of that value (nothing to do for scalars,
 * up to and including the matching TOKEN_END for lists and dicts). Also leaves a list or dict
 * that has been read in part, between two of its values. 0 or a negative errno; -EINVAL if
 * `first` starts no value. */
int token_skip(struct token_reader *r, const struct token *first);

struct token_writer {
	uint8_t *data;
	size_t size;
	size_t len;
	enum encoder encoder;
	unsigned depth; /* the rest as in the reader */
	uint32_t left[TOKEN_DEPTH_MAX];
	uint64_t dicts;
	uint64_t odd;
	uint64_t marked; /* bit n: level n is closed by an explicit marker */
	int error;       /* first error; once set, writes do nothing */
};

void token_writer_init(struct token_writer *w, enum encoder encoder, void *data, size_t size);

/* Appends one token in the writer's encoder; TOKEN_END closes the innermost list or dict.
 * A list or dict with a known count uses the compact form where the encoder has one and the count
 * is small enough; exactly that many values must follow. TOKEN_COUNT_UNKNOWN always works, and
 * is what a reader gives for a marked list or dict. What was read from canonical input and is
 * written in the same encoder is the same bytes, but for floats (rencodeplus reads a float32 and
 * writes a float64; classic the reverse) and bencode's `u` strings (written without the u).
 *
 * Conversions: in rencodeplus TOKEN_STRING and TOKEN_TEXT become text if they are valid UTF-8,
 * else bytes, since bad text would end the connection. Bencode has no bool (0 or 1 is written),
 * no float (truncated towards zero, saturated at int64; not finite: 0) and no none (an empty
 * string is written). Classic rencode writes floats as float32, as xpra does. A BIGINT that fits
 * int64 is written as INT.
 *
 * Errors are kept in w->error and returned, and w->len stays at the last whole token: -ENOBUFS
 * does not fit, -EMSGSIZE too deep, -EINVAL END without anything open or before the promised
 * count, a value beyond it, a dict ended after a key, an unknown type, a malformed BIGINT;
 * -EOPNOTSUPP unknown encoder. Values at the outermost level are not counted. */
int token_write(struct token_writer *w, const struct token *t);

int token_write_text(struct token_writer *w, const char *text);
int token_write_text_n(struct token_writer *w, const char *text, size_t len);
int token_write_bytes(struct token_writer *w, const void *data, size_t len);
int token_write_int(struct token_writer *w, int64_t value);
int token_write_bool(struct token_writer *w, bool value);
int token_write_list(struct token_writer *w, uint32_t count);
int token_write_dict(struct token_writer *w, uint32_t count);
int token_write_end(struct token_writer *w);

/* Having read `first` from r, copy that whole value to w. 0 or a negative errno of either;
 * -EINVAL if `first` starts no value. */
int token_copy(struct token_reader *r, const struct token *first, struct token_writer *w);

/* Lookups on hello dictionaries and the like; in token_value.c. */

/* True if t is a string of any type equal to `text`. */
bool token_equals(const struct token *t, const char *text);

/* Copies a string token to buf as a C string. -EINVAL if it is no string or holds a NUL or a
 * control character (below U+0020, or U+007F), -EMSGSIZE if it does not fit. buf is untouched on
 * errors. STRING and BYTES need not be UTF-8. */
int token_to_cstr(const struct token *t, char *buf, size_t size);

/* The bytes of a string token. HTML5 clients send binary as text whose code points are the byte
 * values; for TOKEN_TEXT each code point below 256 becomes one byte, as xpra does (text ->
 * Latin-1). *ret_len bytes are written to buf. -EINVAL not a string or a code point above 255,
 * -EMSGSIZE does not fit. On errors buf may hold some of it. */
int token_to_bytes(const struct token *t, uint8_t *buf, size_t size, size_t *ret_len);

/* Walks a dict whose TOKEN_DICT has been read. 1: *ret_key is a whole key (of a key that is itself
 * a list or a dict only the first token: nobody sends those) and *ret_value the first token of its
 * value, which the caller consumes with token_skip(), token_copy() or the like. 0: the dict's end
 * has been read. Negative: malformed. */
int token_read_pair(struct token_reader *r, struct token *ret_key, struct token *ret_value);

/* Reads the value whose first token is `first` as xpra's boolget does: bool; int != 0; string:
 * everything but "", "0", "false", "no", "off" (any case) is true; dict: the value of its ""
 * key if there is one (of a dict in there only whether it is not empty), else whether it is not
 * empty; list: not empty; float: != 0; none: false. Consumes the value. Negative errno
 * on malformed input, -EINVAL if `first` starts no value. */
int token_truth(struct token_reader *r, const struct token *first, bool *ret);
