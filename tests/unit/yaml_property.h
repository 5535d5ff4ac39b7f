/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/yaml_property.h - what must hold for any bytes taken for yaml. As token_property.h,
 * which it uses: the includer defines PROPERTY(cond).
 */
#pragma once

#include "tests/unit/token_property.h"

#include "wire/yaml.h"

/* One byte of rencodeplus is `false, ` at most, or four of a character `\U00010000`; `? []: ` for a
 * key. */
static inline size_t yaml_property_room(size_t len)
{
	return 8 * len + 64;
}

/* What came of it is a packet that reads to its end, and that is the same after it has been written
 * in yaml and read again. */
static inline void yaml_property_again(const uint8_t *plus, size_t len)
{
	const size_t room = yaml_property_room(len);
	uint8_t *yaml = malloc(room), *again = malloc(room);
	int64_t n = property_translate(ENCODER_RENCODEPLUS, plus, len, ENCODER_YAML, yaml, room);
	size_t again_len = 0;

	PROPERTY(n > 0 && property_read(ENCODER_RENCODEPLUS, plus, len) == 0);
	PROPERTY(yaml_unfold(yaml, (size_t)n, again, room, &again_len) == 0);
	PROPERTY(again_len == len && memcmp(again, plus, len) == 0);
	for (int64_t i = 0; i < n; i++)
		PROPERTY(yaml[i] >= ' ' && yaml[i] < 0x7f);
	n = property_translate(ENCODER_RENCODEPLUS, plus, len, ENCODER_YAML, yaml, (size_t)n - 1);
	PROPERTY(n == -ENOBUFS);
	free(yaml);
	free(again);
}

static inline void yaml_property_name(const uint8_t *data, size_t len, int result,
                                      const uint8_t *plus, size_t plus_len)
{
	struct token_reader r;
	struct token t;
	const uint8_t *name = NULL;
	size_t n = 0;

	if (yaml_name(data, len, &name, &n) < 0)
		return;
	PROPERTY(n > 0 && name >= data && name + n < data + len);
	if (result < 0)
		return;
	/* The packet's own name, the first word of it, or what is no name: `null`. */
	token_reader_init(&r, ENCODER_RENCODEPLUS, plus, plus_len);
	PROPERTY(token_read(&r, &t) == 1 && t.type == TOKEN_LIST && token_read(&r, &t) == 1);
	PROPERTY(t.type == TOKEN_NONE || t.type == TOKEN_BOOL ||
	         (t.type == TOKEN_TEXT && t.len >= n && memcmp(t.data, name, n) == 0 &&
	          (t.len == n || t.data[n] == ' ')));
}

static inline void yaml_property_check(const uint8_t *data, size_t len)
{
	/* Aliases can make any length of it; that much is enough for what tests and fuzzers try. */
	const size_t room = 4 * len + 1024;
	uint8_t *in = malloc(len ? len : 1), *out = malloc(room);
	size_t n = 99, small_n = 99;
	int k, small;

	if (len > 0)
		memcpy(in, data, len);
	k = yaml_unfold(in, len, out, room, &n);
	PROPERTY(k == 0 || k == -EBADMSG || k == -EMSGSIZE);
	PROPERTY(k == 0 ? n > 0 && n <= room : n == 99);
	yaml_property_name(in, len, k, out, n);
	if (k == 0)
		yaml_property_again(out, n);
	for (size_t size = 0; size < 80; size += 13) {
		uint8_t *exact = malloc(size ? size : 1);

		small = yaml_unfold(in, len, exact, size, &small_n);
		PROPERTY(small == k || small == -EMSGSIZE || small == -EBADMSG);
		PROPERTY(small != 0 ||
		         (small_n <= size && small_n == n && memcmp(exact, out, n) == 0));
		free(exact);
	}
	free(in);
	free(out);
}
