/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/proxyproto_property.h - what holds of any bytes before a client's: read as
 * relay/front.c reads them, exactly the header is taken, and reading more at once would not have
 * changed anything.
 *
 * The includer defines PROPERTY(cond).
 */
#pragma once

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire/proxyproto.h"

/* On a copy of exactly n bytes, so that ASan sees a read past them. */
static int property_parse(const uint8_t *data, size_t n, struct proxyproto *ret)
{
	uint8_t *copy = malloc(n ? n : 1);
	const char *why = NULL;
	int r;

	PROPERTY(copy);
	if (n)
		memcpy(copy, data, n);
	memset(ret, 0xaa, sizeof(*ret));
	r = proxyproto_parse(copy, n, ret, &why);
	PROPERTY(r == 0 || r == -EAGAIN || r == -EBADMSG || r == -EMSGSIZE);
	PROPERTY((r == -EBADMSG || r == -EMSGSIZE) == (why != NULL));
	if (r == -EAGAIN)
		PROPERTY(n + proxyproto_missing(copy, n) <= PROXYPROTO_MAX);
	free(copy);
	return r;
}

static void property_check(const uint8_t *data, size_t size)
{
	struct proxyproto whole, step;
	int r = property_parse(data, size, &whole), s;
	size_t n = 0;

	while ((s = property_parse(data, n, &step)) == -EAGAIN) {
		size_t more = proxyproto_missing(data, n);

		PROPERTY(more > 0);
		if (more > size - n)
			break; /* the peer has closed */
		n += more;
	}
	if (r == 0) {
		PROPERTY(s == 0 && step.len == n && n <= size);
		PROPERTY(whole.len == step.len && whole.client == step.client &&
		         whole.port == step.port && whole.tls == step.tls &&
		         memcmp(whole.address, step.address, sizeof(whole.address)) == 0);
	} else {
		PROPERTY(s == r || s == -EAGAIN);
	}
}
