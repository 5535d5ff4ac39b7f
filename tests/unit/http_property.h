/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/http_property.h - what holds of any bytes read as the head of a request: all that is
 * said of it lies inside it, and more bytes never change a verdict.
 *
 * The includer defines PROPERTY(cond).
 */
#pragma once

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire/websocket.h"

static void property_inside(const struct http_head *h, struct http_text t, const uint8_t *p)
{
	PROPERTY(t.data >= (const char *)p && t.data + t.len <= (const char *)p + h->len);
	PROPERTY(!memchr(t.data, '\n', t.len) && !memchr(t.data, '\0', t.len));
}

static int property_head(const uint8_t *data, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);
	const char *why = NULL;
	struct http_head h;
	char path[100];
	int r;

	PROPERTY(copy);
	if (n)
		memcpy(copy, data, n);
	r = http_parse_request(copy, n, &h, &why);
	PROPERTY(r == 0 || r == -EAGAIN || r == -EBADMSG || r == -EPROTO || r == -ENAMETOOLONG ||
	         r == -EMSGSIZE);
	PROPERTY((r == 0 || r == -EAGAIN) == (why == NULL));
	PROPERTY(r != -EAGAIN || n < HTTP_HEAD_MAX);
	if (r == 0) {
		PROPERTY(h.len <= n && h.len <= HTTP_HEAD_MAX && h.count <= HTTP_FIELDS_MAX);
		PROPERTY(memcmp(copy + h.len - 4, "\r\n\r\n", 4) == 0);
		property_inside(&h, h.method, copy);
		property_inside(&h, h.target, copy);
		for (size_t i = 0; i < h.count; i++) {
			property_inside(&h, h.fields[i].name, copy);
			property_inside(&h, h.fields[i].value, copy);
		}
		if (http_path(h.target, path, sizeof(path)) == 0)
			PROPERTY(path[0] == '/' && strlen(path) < sizeof(path));
		if (websocket_requested(&h))
			(void)websocket_check_request(&h, &why);
	}
	free(copy);
	return r;
}

static void property_check(const uint8_t *data, size_t size)
{
	int whole = property_head(data, size), step = -EAGAIN;
	size_t stride = size / 64 + 1;

	for (size_t n = 0; n < size && step == -EAGAIN; n += stride)
		step = property_head(data, n);
	PROPERTY(step == -EAGAIN || step == whole);
}
