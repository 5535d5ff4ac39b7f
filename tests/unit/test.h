/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/test.h - the whole test framework; include it once in each test binary.
 *
 *	TEST(name)
 *	{
 *		CHECK_EQ(1 + 1, 2);
 *	}
 *
 * main() runs every TEST of the file in order, or those named on the command line. One line for
 * each: `ok NAME` or `not ok NAME: file:line: what`. The first failed check ends its test, from
 * however deep a helper. Files are named relative to the repository's root: run from there.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#endif

struct test {
	const char *name;
	void (*run)(void);
	struct test *next;
};

static struct test *test_first, **test_last = &test_first;
static const char *test_name;
static char test_context[200];
static jmp_buf test_abort;

#define TEST(id)                                                          \
	static void test_##id(void);                                      \
	__attribute__((constructor)) static void test_register_##id(void) \
	{                                                                 \
		static struct test t = {#id, test_##id, NULL};            \
		*test_last = &t;                                          \
		test_last = &t.next;                                      \
	}                                                                 \
	static void test_##id(void)

/* What is being tested, for tables and fuzzing: shown if a check fails after this. */
__attribute__((format(printf, 1, 2), unused)) static void test_note(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(test_context, sizeof(test_context), format, ap);
	va_end(ap);
}

__attribute__((format(printf, 3, 4), noreturn)) static void test_fail(const char *file, int line,
                                                                      const char *format, ...)
{
	va_list ap;

	printf("not ok %s: %s:%d: ", test_name, file, line);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf(test_context[0] ? " [%s]\n" : "%s\n", test_context);
	longjmp(test_abort, 1);
}

#define CHECK(cond)                                                 \
	do {                                                        \
		if (!(cond))                                        \
			test_fail(__FILE__, __LINE__, "%s", #cond); \
	} while (0)

/* Integers of any type that fits long long, and enums. */
#define CHECK_EQ(a, b)                                                                          \
	do {                                                                                    \
		const long long check_a = (long long)(a), check_b = (long long)(b);             \
		if (check_a != check_b)                                                         \
			test_fail(__FILE__, __LINE__, "%s is %lld, not %s (%lld)", #a, check_a, \
			          #b, check_b);                                                 \
	} while (0)

#define CHECK_STR(a, b)                                                                        \
	do {                                                                                   \
		const char *check_a = (a), *check_b = (b);                                     \
		if (!check_a || !check_b || strcmp(check_a, check_b) != 0)                     \
			test_fail(__FILE__, __LINE__, "%s is \"%s\", not \"%s\"", #a,          \
			          check_a ? check_a : "(null)", check_b ? check_b : "(null)"); \
	} while (0)

#define CHECK_MEM(a, a_len, b, b_len) \
	test_check_mem(__FILE__, __LINE__, #a, (a), (a_len), (b), (b_len))

__attribute__((unused)) static void test_check_mem(const char *file, int line, const char *what,
                                                   const void *a, size_t a_len, const void *b,
                                                   size_t b_len)
{
	const uint8_t *x = a, *y = b;
	size_t i = 0;

	while (i < a_len && i < b_len && x[i] == y[i])
		i++;
	if (i < a_len && i < b_len)
		test_fail(file, line, "%s: byte %zu is %02x, not %02x", what, i, x[i], y[i]);
	if (a_len != b_len)
		test_fail(file, line, "%s: %zu bytes, not %zu", what, a_len, b_len);
}

/* The bytes that hex stands for, into buf; their number. Spaces are skipped. */
__attribute__((unused)) static size_t test_unhex(const char *hex, uint8_t *buf, size_t size)
{
	size_t n = 0;
	unsigned byte;

	for (; *hex; hex++) {
		if (*hex == ' ')
			continue;
		CHECK(n < size && sscanf(hex, "%2x", &byte) == 1);
		buf[n++] = (uint8_t)byte;
		hex++;
	}
	return n;
}

/* The file's content, to be freed. */
__attribute__((unused)) static uint8_t *test_load(const char *path, size_t *ret_len)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data;
	long len;

	if (!f)
		test_fail(__FILE__, __LINE__, "%s is missing (run from the root)", path);
	CHECK(fseek(f, 0, SEEK_END) == 0);
	len = ftell(f);
	CHECK(len >= 0);
	rewind(f);
	data = malloc(len > 0 ? (size_t)len : 1);
	CHECK(data && fread(data, 1, (size_t)len, f) == (size_t)len);
	fclose(f);
	*ret_len = (size_t)len;
	return data;
}

/* Calls check with golden, every truncation of it, every single flipped bit, and each byte set to
 * 00, 7f and ff; always in a heap buffer of the exact size, so that ASan sees a byte too far.
 * Deterministic: a failure's note names the mutation. Only every stride-th position. */
__attribute__((unused)) static void test_mutate_every(size_t stride, const void *golden, size_t len,
                                                      void (*check)(const uint8_t *data,
                                                                    size_t len))
{
	static const uint8_t sets[] = {0x00, 0x7f, 0xff};
	const uint8_t *original = golden;
	uint8_t *copy;

	for (size_t n = 0; n < len; n += stride) {
		copy = malloc(n);
		if (n > 0)
			memcpy(copy, original, n);
		test_note("cut to %zu bytes", n);
		check(copy, n);
		free(copy);
	}
	copy = malloc(len);
	if (len > 0)
		memcpy(copy, original, len);
	test_note("unchanged");
	check(copy, len);
	for (size_t i = 0; i < len; i += stride) {
		for (int bit = 0; bit < 8; bit++) {
			copy[i] = (uint8_t)(original[i] ^ 1 << bit);
			test_note("byte %zu, bit %d flipped", i, bit);
			check(copy, len);
		}
		for (size_t j = 0; j < sizeof(sets); j++) {
			copy[i] = sets[j];
			test_note("byte %zu set to %02x", i, sets[j]);
			check(copy, len);
		}
		copy[i] = original[i];
	}
	free(copy);
	test_note("%s", "");
}

__attribute__((unused)) static void test_mutate(const void *golden, size_t len,
                                                void (*check)(const uint8_t *data, size_t len))
{
	test_mutate_every(1, golden, len, check);
}

static bool test_wanted(const struct test *t, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], t->name) == 0)
			return true;
	return argc <= 1;
}

int main(int argc, char **argv)
{
	static int passed, failed; /* static: longjmp leaves them alone */
	static struct test *t;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (t = test_first; t; t = t->next) {
		if (!test_wanted(t, argc, argv))
			continue;
		test_name = t->name;
		test_context[0] = 0;
		if (setjmp(test_abort)) {
			failed++;
			continue;
		}
		t->run();
		printf("ok %s\n", t->name);
		passed++;
	}
	printf("%d passed, %d failed\n", passed, failed);
	return failed > 0;
}
