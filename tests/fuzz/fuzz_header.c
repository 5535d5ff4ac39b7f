/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libFuzzer: whatever the first bytes are, more of them never change a verdict. */
#include "wire/header.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* A copy of exactly n bytes, so that ASan sees a read past them. */
static uint8_t *exact(const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	if (!copy)
		abort();
	if (n)
		memcpy(copy, p, n);
	return copy;
}

static void check_parse(const uint8_t *data, size_t n, int *last)
{
	struct header h = {0xff, 0xff, 0xff, 0};
	const char *why = NULL;
	uint8_t *p = exact(data, n), back[HEADER_LEN];
	int r = header_parse(p, n, &h, &why);

	if (*last != -EAGAIN && r != *last)
		abort();
	if ((r == -EBADMSG || r == -EMSGSIZE) != (why != NULL))
		abort();
	if (r == 0) {
		header_build(back, &h);
		if (n < HEADER_LEN || memcmp(back, p, HEADER_LEN) != 0 || !h.size ||
		    h.size > HEADER_SIZE_MAX || h.index > HEADER_INDEX_MAX)
			abort();
	}
	*last = r;
	free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	enum first_bytes guess = FIRST_MORE;
	int r = -EAGAIN;

	for (size_t i = 0; i <= n && i <= 24; i++) {
		uint8_t *p = exact(data, i);
		enum first_bytes g = header_guess(p, i);

		if (guess != FIRST_MORE && g != guess)
			abort();
		guess = g;
		free(p);
		check_parse(data, i, &r);
	}
	return 0;
}
