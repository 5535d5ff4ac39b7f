/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The first line is a token, the rest the keys of who is said to have signed it: both are whatever
 * a client and a server send. The corpus has tokens with their right keys. What is let through has
 * claims, what is not has a reason. Links auth/jwt.c.
 */
#include "auth/jwt.h"

#include <stdint.h>
#include <string.h>

#include "ensure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
	const char *why = NULL;
	json_t *claims = NULL;
	char *token;
	int r;

	if (!end || memchr(data, '\0', (size_t)(end - data)))
		return 0;
	token = strndup((const char *)data, (size_t)(end - data));
	ENSURE(token);
	r = jwt_verify(token, (const char *)end + 1, size - (size_t)(end + 1 - data), &claims,
	               &why);
	ENSURE(r == 1 ? json_is_object(claims) : claims == NULL);
	ENSURE(r != 0 || why);
	json_decref(claims);
	free(token);
	return 0;
}
