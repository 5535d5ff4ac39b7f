/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/http-files.c - one file as the answer to a request, of the HTML5 client or of our own
 * pages. Worker, front filter. System calls: read (the file), close, and those of relay/leg.c.
 *
 * The guard opens it, and says what is known of it: no path is ever looked up here.
 */
#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/macros.h"
#include "relay/http.h"

#define PIECE ((size_t)64 << 10) /* each has to be out within LoginTimeout= */

/* The HTML5 client: scripts and styles in its pages, pictures it has made itself, connections to
 * whatever its user tells it to, no frames of strangers. */
#define POLICY                                                                                  \
	"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src " \
	"'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; "    \
	"font-src 'self' data:; connect-src 'self' ws: wss: data: blob:; worker-src 'self' "    \
	"blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"

/* Our own: what comes from here, and nothing inline. The form is sent by a script. */
#define PAGE_POLICY                                                                             \
	"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src " \
	"'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"

#define FILE_FIELDS                                                         \
	"Cache-Control: no-cache\r\n" /* asked for again, not sent again */ \
		HTTP_SAFE_FIELDS

static const char *type_of(const char *path)
{
	static const char *const types[][2] = {
		{"html", "text/html; charset=utf-8"},
		{"htm", "text/html; charset=utf-8"},
		{"js", "text/javascript; charset=utf-8"},
		{"mjs", "text/javascript; charset=utf-8"},
		{"css", "text/css; charset=utf-8"},
		{"txt", "text/plain; charset=utf-8"},
		{"md", "text/plain; charset=utf-8"},
		{"json", "application/json"},
		{"map", "application/json"},
		{"webmanifest", "application/manifest+json"},
		{"xml", "application/xml"},
		{"wasm", "application/wasm"},
		{"pdf", "application/pdf"},
		{"png", "image/png"},
		{"jpg", "image/jpeg"},
		{"jpeg", "image/jpeg"},
		{"gif", "image/gif"},
		{"svg", "image/svg+xml"},
		{"ico", "image/vnd.microsoft.icon"},
		{"webp", "image/webp"},
		{"avif", "image/avif"},
		{"woff", "font/woff"},
		{"woff2", "font/woff2"},
		{"ttf", "font/ttf"},
		{"otf", "font/otf"},
		{"mp3", "audio/mpeg"},
		{"ogg", "audio/ogg"},
		{"wav", "audio/wav"},
		{"mp4", "video/mp4"},
		{"webm", "video/webm"},
	};
	const char *name = strrchr(path, '/'), *dot = name ? strrchr(name, '.') : NULL;

	if (name && name[1] == '\0')
		return types[0][1];
	for (size_t i = 0; dot && i < ARRAY_SIZE(types); i++)
		if (strcasecmp(dot + 1, types[i][0]) == 0)
			return types[i][1];
	return "application/octet-stream";
}

/* Whether the client has it: If-None-Match counts, and without one the date, which browsers send
 * back as they got it. */
static bool is_unchanged(const struct http_head *h, const struct rpc_opened *o)
{
	char tag[sizeof(o->etag) + 2];

	snprintf(tag, sizeof(tag), "\"%s\"", o->etag);
	if (http_field(h, "If-None-Match").data)
		return http_list_has(h, "If-None-Match", tag) ||
		       http_list_has(h, "If-None-Match", "*");
	return http_text_is(http_field(h, "If-Modified-Since"), o->modified);
}

/* The content, as long as it has been announced to be. */
static int send_content(struct worker *w, int fd, uint64_t size)
{
	while (size > 0) {
		uint64_t deadline = now_usec() + w->config->limits_login_timeout_usec;
		ssize_t n = read(fd, w->scratch, size < PIECE ? (size_t)size : PIECE);

		if (n <= 0) /* somebody has made it shorter: the client notices what is missing */
			return worker_end(w, EXIT_OK, "request", "a file that has been cut");
		if (leg_send(&w->client, w->scratch, (size_t)n, deadline) < 0)
			return worker_end(w, EXIT_OK, "client-close", "closed during an answer");
		size -= (uint64_t)n;
	}
	return 0;
}

static int send_head(struct worker *w, enum rpc_web_kind kind, const char *path,
                     const struct rpc_opened *o, bool unchanged, bool keep)
{
	static const char *const encodings[] = {
		[0] = "",
		[WEB_GZIP] = "Content-Encoding: gzip\r\n",
		[WEB_BROTLI] = "Content-Encoding: br\r\n",
	};
	uint64_t deadline = now_usec() + w->config->limits_login_timeout_usec;
	char head[2048], about[256] = "";
	int n;

	if (!unchanged)
		snprintf(about, sizeof(about), "Content-Type: %s\r\nContent-Length: %llu\r\n%s",
		         type_of(path), (unsigned long long)o->size,
		         encodings[o->encoding & (WEB_GZIP | WEB_BROTLI)] ?: "");
	n = snprintf(head, sizeof(head),
	             "HTTP/1.1 %s\r\nDate: %s\r\nLast-Modified: %s\r\nETag: \"%s\"\r\nVary: "
	             "Accept-Encoding\r\n" FILE_FIELDS "Content-Security-Policy: %s\r\n%s%s\r\n",
	             unchanged ? "304 Not Modified" : "200 OK", o->date, o->modified, o->etag,
	             kind == WEB_PAGE ? PAGE_POLICY : POLICY, about,
	             keep ? "" : "Connection: close\r\n");
	if (n < 0 || (size_t)n >= sizeof(head))
		return worker_end(w, EXIT_INTERNAL, "internal", "the head of an answer");
	if (leg_send(&w->client, head, (size_t)n, deadline) < 0)
		return worker_end(w, EXIT_OK, "client-close", "closed during an answer");
	return 0;
}

int http_open_file(struct worker *w, const struct http_head *h, enum rpc_web_kind kind,
                   const char *path, int *ret_fd, struct rpc_opened *ret)
{
	struct rpc m = {.type = RPC_WEB, .web.kind = kind};
	int r, fd = -1;

	snprintf(m.web.path, sizeof(m.web.path), "%s", path);
	m.web.encodings = (http_list_has(h, "Accept-Encoding", "gzip") ? WEB_GZIP : 0u) |
	                  (http_list_has(h, "Accept-Encoding", "br") ? WEB_BROTLI : 0u);
	r = worker_ask(w, &m, &fd, now_usec() + w->config->limits_login_timeout_usec);
	if (r < 0)
		return r;
	if (m.type != RPC_OPENED || fd < 0)
		return -ENOENT;
	*ret_fd = fd;
	*ret = m.opened;
	return 0;
}

int http_send_file(struct worker *w, const struct http_head *h, enum rpc_web_kind kind,
                   const char *path, int fd, const struct rpc_opened *about, bool keep)
{
	bool unchanged = is_unchanged(h, about);
	int r = send_head(w, kind, path, about, unchanged, keep);

	if (r == 0 && !unchanged && !http_text_is(h->method, "HEAD"))
		r = send_content(w, fd, about->size);
	return r;
}
