/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * wire/http.c - the head of an HTTP/1 message. Worker, before anything is known of the peer. No
 * privilege, no system calls.
 */
#include "wire/http.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static int bad(int error, const char *why, const char **ret_why)
{
	*ret_why = why;
	return error;
}

static bool is_token(const char *p, size_t n)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < n; i++)
		if (!((p[i] >= '0' && p[i] <= '9') || ((p[i] | 32) >= 'a' && (p[i] | 32) <= 'z') ||
		      (p[i] && strchr(others, p[i]))))
			return false;
	return n > 0;
}

/* Bytes above 0x7f are somebody's text; they are passed on by nobody. */
static bool is_visible(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)p[i] <= ' ' || p[i] == 0x7f)
			return false;
	return n > 0;
}

/* ---- lines ---- */

/* Whether it has a byte that no line of a head has. *ret_len: where it ends, if it is whole. */
static int find_line(const char *p, size_t n, size_t *ret_len)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if (c == '\r' && i + 1 == n)
			return -EAGAIN;
		if (c == '\r' && p[i + 1] == '\n') {
			*ret_len = i;
			return 0;
		}
		if ((c < ' ' && c != '\t') || c == 0x7f)
			return -EBADMSG;
	}
	return -EAGAIN;
}

/* "HTTP/1.1" */
static int parse_version(const char *p, size_t n, struct http_head *h)
{
	if (n != 8 || memcmp(p, "HTTP/", 5) != 0 || p[6] != '.' || p[5] < '0' || p[5] > '9' ||
	    p[7] < '0' || p[7] > '9')
		return -EBADMSG;
	h->minor = p[7] > '0';
	return p[5] == '1' ? 0 : -EPROTO;
}

static int parse_request_line(const char *p, size_t n, struct http_head *h)
{
	const char *end = p + n, *target, *version;

	target = memchr(p, ' ', n);
	if (!target || !is_token(p, (size_t)(target - p)))
		return -EBADMSG;
	h->method = (struct http_text){p, (size_t)(target++ - p)};
	version = memchr(target, ' ', (size_t)(end - target));
	if (!version || !is_visible(target, (size_t)(version - target)))
		return -EBADMSG;
	h->target = (struct http_text){target, (size_t)(version++ - target)};
	return parse_version(version, (size_t)(end - version), h);
}

/* "HTTP/1.1 101 Switching Protocols"; the words may be missing, and the blank before them. */
static int parse_status_line(const char *p, size_t n, struct http_head *h)
{
	int r = parse_version(p, n < 8 ? n : 8, h);

	if (r < 0)
		return r;
	if (n < 12 || p[8] != ' ' || p[9] < '1' || (n > 12 && p[12] != ' '))
		return -EBADMSG;
	for (int i = 9; i < 12; i++) {
		if (p[i] < '0' || p[i] > '9')
			return -EBADMSG;
		h->status = h->status * 10 + (unsigned)(p[i] - '0');
	}
	return 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct http_text trim(const char *p, size_t n)
{
	while (n > 0 && is_blank(*p))
		p++, n--;
	while (n > 0 && is_blank(p[n - 1]))
		n--;
	return (struct http_text){p, n};
}

static int parse_field(const char *p, size_t n, struct http_field *ret)
{
	const char *colon = memchr(p, ':', n);

	if (!colon || !is_token(p, (size_t)(colon - p)))
		return -EBADMSG;
	ret->name = (struct http_text){p, (size_t)(colon - p)};
	ret->value = trim(colon + 1, n - ret->name.len - 1);
	return 0;
}

typedef int parse_line(const char *p, size_t n, struct http_head *h);

/* More cannot make it whole within the limit. */
static int give_up(size_t n, bool first, const char **ret_why)
{
	if (n < HTTP_HEAD_MAX)
		return -EAGAIN;
	return first ? bad(-ENAMETOOLONG, "a first line of more than 8 KiB", ret_why)
	             : bad(-EMSGSIZE, "a head of more than 8 KiB", ret_why);
}

static int parse(const uint8_t *p, size_t n, parse_line *first, struct http_head *ret,
                 const char **ret_why)
{
	struct http_head h = {0};
	size_t most = n < HTTP_HEAD_MAX ? n : HTTP_HEAD_MAX, at = 0, len;
	int r;

	for (bool begun = false;; begun = true) {
		const char *line = (const char *)p + at;

		r = find_line(line, most - at, &len);
		if (r == -EAGAIN)
			return give_up(n, !begun, ret_why);
		if (r < 0)
			return bad(r, "a control character, or a line that does not end with CR LF",
			           ret_why);
		at += len + 2;
		if (begun && len == 0)
			break;
		if (begun && h.count == HTTP_FIELDS_MAX)
			return bad(-EMSGSIZE, "more than 64 header fields", ret_why);
		r = begun ? parse_field(line, len, &h.fields[h.count++]) : first(line, len, &h);
		if (r == -EPROTO)
			return bad(r, "a version that is not HTTP/1", ret_why);
		if (r < 0)
			return bad(r, begun ? "a malformed header field" : "a malformed first line",
			           ret_why);
	}
	h.len = at;
	*ret = h;
	return 0;
}

int http_parse_request(const uint8_t *p, size_t n, struct http_head *ret, const char **ret_why)
{
	return parse(p, n, parse_request_line, ret, ret_why);
}

int http_parse_response(const uint8_t *p, size_t n, struct http_head *ret, const char **ret_why)
{
	return parse(p, n, parse_status_line, ret, ret_why);
}

/* ---- what a head says ---- */

bool http_text_is(struct http_text t, const char *word)
{
	return t.data && t.len == strlen(word) && strncasecmp(t.data, word, t.len) == 0;
}

struct http_text http_field(const struct http_head *h, const char *name)
{
	for (size_t i = 0; i < h->count; i++)
		if (http_text_is(h->fields[i].name, name))
			return h->fields[i].value;
	return (struct http_text){0};
}

size_t http_field_count(const struct http_head *h, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < h->count; i++)
		n += http_text_is(h->fields[i].name, name);
	return n;
}

static bool list_has(struct http_text list, const char *word)
{
	while (list.len > 0) {
		const char *comma = memchr(list.data, ',', list.len);
		size_t len = comma ? (size_t)(comma - list.data) : list.len;
		const char *rest = memchr(list.data, ';', len);

		if (http_text_is(trim(list.data, rest ? (size_t)(rest - list.data) : len), word))
			return true;
		len += comma != NULL;
		list.data += len;
		list.len -= len;
	}
	return false;
}

bool http_list_has(const struct http_head *h, const char *name, const char *word)
{
	for (size_t i = 0; i < h->count; i++)
		if (http_text_is(h->fields[i].name, name) && list_has(h->fields[i].value, word))
			return true;
	return false;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "http://host/path" becomes "/path"; false: it has none. */
static bool skip_origin(struct http_text *t)
{
	static const char *const schemes[] = {"http://", "https://"};

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t len = strlen(schemes[i]);
		const char *slash;

		if (t->len < len || strncasecmp(t->data, schemes[i], len) != 0)
			continue;
		slash = memchr(t->data + len, '/', t->len - len);
		if (!slash)
			return false;
		t->len -= (size_t)(slash - t->data);
		t->data = slash;
	}
	return t->len > 0 && t->data[0] == '/';
}

int http_path(struct http_text target, char *ret, size_t size)
{
	size_t n = 0;

	if (!skip_origin(&target))
		return -EBADMSG;
	for (size_t i = 0; i < target.len && target.data[i] != '?' && target.data[i] != '#'; i++) {
		char c = target.data[i];

		if (c == '%') {
			int high = i + 2 < target.len ? hex(target.data[i + 1]) : -1;
			int low = high < 0 ? -1 : hex(target.data[i + 2]);

			if (low < 0)
				return -EBADMSG;
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (c == '\0')
			return -EBADMSG;
		if (n + 1 >= size)
			return -ENAMETOOLONG;
		ret[n++] = c;
	}
	ret[n] = '\0';
	return 0;
}
