/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * wire/http.h - the head of an HTTP/1 message, RFC 9112: as much of HTTP as a WebSocket's beginning
 * and a few static files need.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_MAX 8192 /* bytes of a head, with the empty line that ends it */
#define HTTP_FIELDS_MAX 64

/* A part of the head where it was read: not terminated. data is NULL if there is none. */
struct http_text {
	const char *data;
	size_t len;
};

struct http_head {
	struct http_text method, target; /* of a request */
	unsigned status;                 /* of a response, 100 to 999 */
	unsigned minor;                  /* HTTP/1.0: 0; else 1 */
	size_t len;                      /* what follows the head begins here */
	size_t count;
	struct http_field {
		struct http_text name, value; /* blanks around the value are not a part of it */
	} fields[HTTP_FIELDS_MAX];
};

/* Reads a head from the first n bytes at p. 0: *ret points into p. -EAGAIN: it is not whole, and
 * nothing is wrong so far. Else *ret_why is a static text, and more bytes never change a verdict:
 * -EBADMSG malformed; -EPROTO not HTTP/1.0 or 1.1; -ENAMETOOLONG its first line, -EMSGSIZE all of
 * it is larger than HTTP_HEAD_MAX or has too many fields.
 *
 * Strict where being lenient lets two readers of the same bytes disagree: lines end with CR LF,
 * fields are not folded, no blank stands before a colon, no control characters anywhere. */
int http_parse_request(const uint8_t *p, size_t n, struct http_head *ret, const char **ret_why);
int http_parse_response(const uint8_t *p, size_t n, struct http_head *ret, const char **ret_why);

/* The value of the first field of that name; data is NULL: there is none. */
struct http_text http_field(const struct http_head *h, const char *name);

/* How many fields have that name. */
size_t http_field_count(const struct http_head *h, const char *name);

/* Whether it is exactly that word, letters' case aside. */
bool http_text_is(struct http_text t, const char *word);

/* Whether any field of that name has the word in its comma-separated list, letters' case aside.
 * What follows a semicolon is not looked at. */
bool http_list_has(const struct http_head *h, const char *name, const char *word);

/* The target's path with %XX decoded once, without what follows a question mark: "/a b". Asked of a
 * proxy ("http://host/path"), the path alone. 0; -EBADMSG not a path, an escape that is none, or a
 * zero byte; -ENAMETOOLONG. */
int http_path(struct http_text target, char *ret, size_t size);
