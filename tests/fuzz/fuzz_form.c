/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/fuzz/fuzz_form.c - any bytes as the body of a login over HTTP, as the value of its
 * Authorization field, and as the name of a session in its answer.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/ensure.h"
#include "wire/form.h"
#include "wire/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define IS_ERROR(r) ((r) == -ENOENT || (r) == -EBADMSG || (r) == -EMSGSIZE)

static void check_json(const char *text)
{
	size_t size = 6 * strlen(text) + 2;
	struct json j = {.data = malloc(size), .size = size};

	ENSURE(j.data);
	json_text(&j, text);
	ENSURE(!j.full && j.len >= 2 && j.data[0] == '"' && j.data[j.len - 1] == '"');
	for (size_t i = 1; i < j.len - 1; i++)
		ENSURE((unsigned char)j.data[i] >= ' ' && j.data[i] != '"');
	free(j.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	char user[64], password[200];
	int r;

	r = form_field(text, size, "username", user, sizeof(user));
	ENSURE(r == 0 ? strnlen(user, sizeof(user)) < sizeof(user) : IS_ERROR(r));
	if (r == 0)
		check_json(user);
	r = form_basic(text, size, user, sizeof(user), password, sizeof(password));
	ENSURE(r == 0 ? strnlen(user, sizeof(user)) < sizeof(user) &&
	                        strnlen(password, sizeof(password)) < sizeof(password)
	              : IS_ERROR(r));
	if (r == 0)
		check_json(password);
	return 0;
}
