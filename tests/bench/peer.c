/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * peer.c - both ends of a connection, scripted and fast, so that the relay between them is what is
 * measured.
 *
 *   peer serve PATH [pings]              sessions on a unix socket
 *   peer talk ADDR [USER [PASSWORD]]     logs in, then obeys lines on stdin:
 *                                        down SIZE BYTES | up SIZE BYTES | ping COUNT; answers in
 * ns peer idle N ADDR [USER [PASSWORD]]   N logins that do nothing but answer pings, until stdin
 * ends peer start PATH ROUNDS USEC CASE...  time from connect() to the first byte at PATH, of each
 * CASE in turn: ADDR or ADDR,USER or ADDR,USER,PASSWORD; USEC of rest between. A case "=ADDR" only
 * waits for a byte to come back. ADDR is 127.0.0.1:PORT or a path.
 *
 * The protocol is as much of xpra's as that needs: rencodeplus, no compression, hmac+sha512. After
 * the hellos,
 * ("bench-down", SIZE, BYTES) makes the server send that many bytes in records of SIZE, and
 * ("bench-up", BYTES) makes it swallow as many and say ("bench-done").
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nettle/hmac.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define HEADER 8
#define RECORD_MAX 65536
#define BATCH (256 << 10) /* bytes per write: the sender must not be the limit */

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *what, ...)
{
	va_list ap;

	va_start(ap, what);
	fprintf(stderr, "peer: ");
	vfprintf(stderr, what, ap);
	fprintf(stderr, "\n");
	exit(1);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- sockets ---- */

static int dial(const char *addr)
{
	const char *colon = strrchr(addr, ':');
	int fd, r, one = 1;

	if (addr[0] == '/') {
		struct sockaddr_un sa = {.sun_family = AF_UNIX};

		snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", addr);
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		r = connect(fd, (struct sockaddr *)&sa, sizeof(sa));
	} else {
		struct sockaddr_in sa = {.sin_family = AF_INET,
		                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		                         .sin_port =
		                                 htons((uint16_t)atoi(colon ? colon + 1 : addr))};

		fd = socket(AF_INET, SOCK_STREAM, 0);
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		r = connect(fd, (struct sockaddr *)&sa, sizeof(sa));
	}
	if (r < 0)
		die("connect to %s: %m", addr);
	return fd;
}

static int serve_at(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	unlink(path);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 512) < 0)
		die("listen on %s: %m", path);
	chmod(path, 0777);
	return fd;
}

static int send_all(int fd, const void *data, size_t len)
{
	for (const char *p = data; len > 0;) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* ---- packets out ---- */

struct out {
	size_t len;
	uint8_t data[RECORD_MAX];
};

static void put(struct out *o, const void *p, size_t n)
{
	memcpy(o->data + o->len, p, n);
	o->len += n;
}
static void put_byte(struct out *o, int b)
{
	o->data[o->len++] = (uint8_t)b;
}
static void put_string(struct out *o, const void *p, size_t n, char type)
{
	if (type == ':' && n < 64)
		put_byte(o, 128 + (int)n);
	else
		o->len += (size_t)sprintf((char *)o->data + o->len, "%zu%c", n, type);
	put(o, p, n);
}
static void put_text(struct out *o, const char *s)
{
	put_string(o, s, strlen(s), ':');
}
static void put_int(struct out *o, uint64_t v)
{
	uint64_t be = htobe64(v);

	if (v < 44) {
		put_byte(o, (int)v);
	} else {
		put_byte(o, 65);
		put(o, &be, 8);
	}
}

static void begin(struct out *o, int items, const char *name)
{
	o->len = HEADER;
	put_byte(o, 192 + items);
	put_text(o, name);
}

static void header(uint8_t *p, int index, size_t payload)
{
	uint32_t size = htonl((uint32_t)payload);

	p[0] = 'P';
	p[1] = index ? 0 : 0x10; /* rencodeplus; a chunk has no encoder */
	p[2] = 0;
	p[3] = (uint8_t)index;
	memcpy(p + 4, &size, 4);
}

static int finish(struct out *o, int fd)
{
	header(o->data, 0, o->len - HEADER);
	return send_all(fd, o->data, o->len);
}

/* ---- packets in ---- */

struct in {
	int fd;
	size_t len;
	uint8_t data[RECORD_MAX];
};

/* Bytes of the whole record at the front, 0 if it is not all here. */
static size_t record(const struct in *i)
{
	uint32_t size;

	if (i->len < HEADER)
		return 0;
	if (i->data[0] != 'P')
		die("not a packet: %.*s", (int)i->len, i->data);
	memcpy(&size, i->data + 4, 4);
	size = ntohl(size) + HEADER;
	if (size > sizeof(i->data))
		die("a record of %u bytes", size);
	return i->len >= size ? size : 0;
}

static void drop(struct in *i, size_t n)
{
	memmove(i->data, i->data + n, i->len - n);
	i->len -= n;
}

static ssize_t fill(struct in *i)
{
	ssize_t n = read(i->fd, i->data + i->len, sizeof(i->data) - i->len);

	if (n > 0)
		i->len += (size_t)n;
	return n;
}

/* The token after the one at p; a string's contents in *ret. */
static const uint8_t *skip(const uint8_t *p, const uint8_t **ret, size_t *ret_len)
{
	static const uint8_t fixed[256] = {
		[44] = 8, [62] = 1, [63] = 2, [64] = 4, [65] = 8, [66] = 4};
	int c = *p++, n = -1;

	if (c >= '0' && c <= '9') {
		size_t len = (size_t)c - '0';

		while (*p >= '0' && *p <= '9')
			len = len * 10 + (*p++ - (size_t)'0');
		*ret = ++p;
		*ret_len = len;
		return p + len;
	}
	if (c >= 128 && c < 192) {
		*ret = p;
		*ret_len = (size_t)c - 128;
		return p + c - 128;
	}
	if (c == 59 || c == 60) {
		while (*p != 127)
			p = skip(p, ret, ret_len);
		return p + 1;
	}
	n = c >= 192 ? c - 192 : c >= 102 && c <= 126 ? 2 * (c - 102) : 0;
	while (n-- > 0)
		p = skip(p, ret, ret_len);
	return p + fixed[c];
}

/* The next value of a packet, moving *p on. */
static const uint8_t *next(const uint8_t **p, size_t *ret_len)
{
	const uint8_t *s = NULL;

	*ret_len = 0;
	*p = skip(*p, &s, ret_len);
	return s;
}

static uint64_t integer(const uint8_t *p)
{
	uint64_t v = 0;
	int n = *p == 62 ? 1 : *p == 63 ? 2 : *p == 64 ? 4 : *p == 65 ? 8 : 0;

	if (n == 0)
		return *p;
	for (int k = 1; k <= n; k++)
		v = v << 8 | p[k];
	return v;
}

/* Whether the record at the front is called this; *ret is what follows the name. */
static int is(const struct in *i, const char *name, const uint8_t **ret)
{
	const uint8_t *p = i->data + HEADER + 1;
	size_t len;
	const uint8_t *s = next(&p, &len);

	*ret = p;
	return i->data[3] == 0 && s && len == strlen(name) && memcmp(s, name, len) == 0;
}

/* ("ping", ms[, wall, sid]) gets its echo; xproxy takes the echoes of its own. */
static int echo(const struct in *i, const uint8_t *p)
{
	const uint8_t *end = i->data + record(i), *time = p, *sid = NULL;
	struct out o;
	size_t len, sid_len = 0;

	next(&p, &len);
	len = (size_t)(p - time);
	while (p < end && *p != 127)
		sid = next(&p, &sid_len);
	begin(&o, sid ? 7 : 6, "ping_echo");
	put(&o, time, len);
	for (int k = 0; k < 4; k++)
		put_int(&o, 0);
	if (sid)
		put_string(&o, sid, sid_len, ':');
	return finish(&o, i->fd);
}

/* ---- hellos ---- */

static size_t hmac_hex(const void *key, size_t key_len, const void *data, size_t len, char out[129])
{
	struct hmac_sha512_ctx c;
	uint8_t mac[SHA512_DIGEST_SIZE];

	hmac_sha512_set_key(&c, key_len, key);
	hmac_sha512_update(&c, len, data);
	hmac_sha512_digest(&c, sizeof(mac), mac);
	for (size_t k = 0; k < sizeof(mac); k++)
		sprintf(out + 2 * k, "%02x", mac[k]);
	return 128;
}

static void put_flag(struct out *o, const char *key)
{
	put_text(o, key);
	put_byte(o, 67);
}

static int hello(int fd, const char *user, int pings, const char *response, const char *salt)
{
	static const char *const lists[] = {"digest", "salt-digest"};
	struct out o;

	begin(&o, 2, "hello");
	put_byte(&o, 60);
	put_text(&o, "version");
	put_text(&o, "6.5");
	put_text(&o, "client_type");
	put_text(&o, "bench");
	put_flag(&o, "rencodeplus");
	put_flag(&o, "windows");
	if (pings)
		put_flag(&o, "ping-echo-sourceid");
	if (user) {
		put_text(&o, "username");
		put_text(&o, user);
	}
	for (int k = 0; k < 2; k++) {
		put_text(&o, lists[k]);
		put_byte(&o, 193);
		put_text(&o, "hmac+sha512");
	}
	if (response) {
		put_text(&o, "challenge_response");
		put_string(&o, response, strlen(response), '/');
		put_text(&o, "challenge_client_salt");
		put_string(&o, salt, strlen(salt), '/');
	}
	put_byte(&o, 127);
	return finish(&o, fd);
}

static int answer(const struct in *i, const uint8_t *p, const char *user, const char *password,
                  int pings)
{
	const char *client_salt = "0123456789abcdef0123456789abcdef";
	char salt[129], response[129];
	size_t len;
	const uint8_t *server_salt = next(&p, &len);

	hmac_hex(client_salt, 32, server_salt, len, salt);
	hmac_hex(password, strlen(password), salt, 128, response);
	return hello(i->fd, user, pings, response, client_salt);
}

static void want(struct in *i)
{
	while (record(i) == 0)
		if (fill(i) <= 0)
			die("the connection ended while a packet was expected");
}

static void login(struct in *i, const char *addr, const char *user, const char *password, int pings)
{
	const uint8_t *p;

	i->len = 0;
	i->fd = dial(addr);
	hello(i->fd, user, pings, NULL, NULL);
	for (;;) {
		want(i);
		if (is(i, "hello", &p))
			break;
		if (!is(i, "challenge", &p))
			die("login at %s: %.*s", addr, (int)record(i) - HEADER, i->data + HEADER);
		answer(i, p, user, password ? password : "", pings);
		drop(i, record(i));
	}
	drop(i, record(i));
}

/* ---- bulk ---- */

/* One record of `size` payload bytes: small ones are whole packets, large ones a chunk of pixels
 * and its draw packet, as xpra does. Returns its bytes. */
static size_t make_record(uint8_t *at, size_t size)
{
	struct out o;
	uint32_t total;
	size_t n = 0;

	if (size > 4096) {
		header(at, 7, size);
		memset(at + HEADER, 0xa5, size);
		n = HEADER + size;
	}
	begin(&o, 9, "draw");
	for (int k = 0; k < 5; k++)
		put_int(&o, 100u + (unsigned)k);
	put_text(&o, "png");
	if (n == 0) {
		char pixels[4096];

		memset(pixels, 0x5a, sizeof(pixels));
		put_string(&o, pixels, size > o.len - HEADER + 10 ? size - (o.len - HEADER) - 8 : 1,
		           '/');
	} else {
		put_string(&o, "", 0, '/');
	}
	put_int(&o, 1234);
	total = (uint32_t)(o.len - HEADER);
	header(o.data, 0, total);
	memcpy(at + n, o.data, o.len);
	return n + o.len;
}

struct batch {
	uint8_t data[BATCH + RECORD_MAX * 2];
	size_t record, len; /* whole records */
};

static size_t make_batch(struct batch *b, size_t size, size_t bytes)
{
	b->len = b->record = make_record(b->data, size);
	while (b->len + b->record <= BATCH) {
		memcpy(b->data + b->len, b->data, b->record);
		b->len += b->record;
	}
	return bytes / b->record * b->record;
}

static int blast(int fd, size_t size, size_t bytes)
{
	static struct batch b;
	size_t left = make_batch(&b, size, bytes);

	while (left > 0) {
		size_t n = left < b.len ? left : b.len;

		if (send_all(fd, b.data, n) < 0)
			return -1;
		left -= n;
	}
	return 0;
}

static int swallow(struct in *i, size_t left)
{
	static uint8_t sink[BATCH];
	size_t have = i->len < left ? i->len : left;

	drop(i, have);
	for (left -= have; left > 0;) {
		ssize_t n = read(i->fd, sink, left < sizeof(sink) ? left : sizeof(sink));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		left -= (size_t)n;
	}
	return 0;
}

/* ---- the server ---- */

static int obey(struct in *i, int pings)
{
	const uint8_t *p, *second;
	size_t n = record(i), len, bytes;
	struct out o;
	int r = 0;

	if (is(i, "bench-up", &p)) {
		bytes = integer(p);
		drop(i, n);
		if (swallow(i, bytes) < 0)
			return -1;
		begin(&o, 1, "bench-done");
		return finish(&o, i->fd);
	}
	if (is(i, "ping", &p))
		r = echo(i, p);
	else if (is(i, "hello", &p))
		r = hello(i->fd, NULL, pings, NULL, NULL);
	else if (is(i, "bench-down", &p)) {
		second = p;
		next(&second, &len);
		r = blast(i->fd, integer(p), integer(second));
	} else if (is(i, "disconnect", &p))
		r = -1;
	drop(i, n);
	return r;
}

static int serve(const char *path, int pings)
{
	static struct in *clients[1024];
	static struct pollfd fds[1025];
	int listener = serve_at(path), n = 0;

	puts("ready");
	fflush(stdout);
	for (;;) {
		fds[n] = (struct pollfd){.fd = listener, .events = n < 1024 ? POLLIN : 0};
		if (poll(fds, (nfds_t)n + 1, -1) < 0)
			return 1;
		if (fds[n].revents) {
			clients[n] = calloc(1, sizeof(struct in));
			clients[n]->fd = accept(listener, NULL, NULL);
			fds[n] = (struct pollfd){.fd = clients[n]->fd, .events = POLLIN};
			n++;
			continue;
		}
		for (int k = n - 1; k >= 0; k--) {
			int r = fds[k].revents ? (fill(clients[k]) > 0 ? 0 : -1) : 0;

			while (r == 0 && record(clients[k]))
				r = obey(clients[k], pings);
			if (r == 0)
				continue;
			close(clients[k]->fd);
			free(clients[k]);
			clients[k] = clients[--n];
			fds[k] = fds[n];
		}
	}
}

/* ---- the clients ---- */

static void ping_once(struct in *i)
{
	struct out o;
	const uint8_t *p;

	begin(&o, 2, "ping");
	put_int(&o, now() / 1000000);
	finish(&o, i->fd);
	do {
		drop(i, record(i));
		want(i);
	} while (!is(i, "ping_echo", &p));
	drop(i, record(i));
}

static int talk(const char *addr, const char *user, const char *password)
{
	static struct in i;
	static struct batch b;
	char line[256];
	unsigned long size, bytes;
	struct out o;

	login(&i, addr, user, password, 0);
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		uint64_t t = now();

		if (sscanf(line, "down %lu %lu", &size, &bytes) == 2) {
			begin(&o, 3, "bench-down");
			put_int(&o, size);
			put_int(&o, bytes);
			finish(&o, i.fd);
			if (swallow(&i, make_batch(&b, size, bytes)) < 0)
				die("the connection ended");
			printf("%llu\n", (unsigned long long)(now() - t));
		} else if (sscanf(line, "up %lu %lu", &size, &bytes) == 2) {
			begin(&o, 2, "bench-up");
			put_int(&o, make_batch(&b, size, bytes));
			finish(&o, i.fd);
			if (blast(i.fd, size, bytes) < 0)
				die("the connection ended");
			want(&i);
			drop(&i, record(&i));
			printf("%llu\n", (unsigned long long)(now() - t));
		} else if (sscanf(line, "ping %lu", &size) == 1) {
			while (size-- > 0) {
				t = now();
				ping_once(&i);
				printf("%llu ", (unsigned long long)(now() - t));
			}
			puts("");
		} else {
			die("what is '%s'?", line);
		}
		fflush(stdout);
	}
	return 0;
}

static int idle(int n, const char *addr, const char *user, const char *password)
{
	struct in **i = calloc((size_t)n, sizeof(*i));
	struct pollfd *fds = calloc((size_t)n + 1, sizeof(*fds));
	const uint8_t *p;

	for (int k = 0; k < n; k++) {
		i[k] = calloc(1, sizeof(**i));
		login(i[k], addr, user, password, 1);
		fds[k] = (struct pollfd){.fd = i[k]->fd, .events = POLLIN};
	}
	fds[n] = (struct pollfd){.fd = 0, .events = POLLIN};
	puts("ready");
	fflush(stdout);
	while (poll(fds, (nfds_t)n + 1, -1) > 0 && !fds[n].revents) {
		for (int k = 0; k < n; k++) {
			if (fds[k].revents && fill(i[k]) <= 0)
				die("idle connection %d ended", k);
			while (record(i[k])) {
				if (is(i[k], "ping", &p))
					echo(i[k], p);
				drop(i[k], record(i[k]));
			}
		}
	}
	return 0;
}

static void wait_for(int fd, const char *what)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (poll(&p, 1, 10000) != 1)
		die("%s: nothing within 10 s", what);
}

static uint64_t start_once(int listener, const char *spec)
{
	static struct in i;
	static int upstream =
		-1; /* the last round's: closed after its client, or the proxy might try again */
	char text[256], *user, *password, byte;
	const uint8_t *p;
	uint64_t t;
	int fd = -1;

	if (upstream >= 0)
		close(upstream);
	upstream = -1;
	snprintf(text, sizeof(text), "%s", spec + (spec[0] == '='));
	user = strchr(text, ',');
	if (user)
		*user++ = '\0';
	password = user ? strchr(user, ',') : NULL;
	if (password)
		*password++ = '\0';
	i.len = 0;
	t = now();
	i.fd = dial(text);
	if (spec[0] == '=') {
		if (read(i.fd, &byte, 1) != 1)
			die("%s: no byte came", spec);
		t = now() - t;
		close(i.fd);
		return t;
	}
	hello(i.fd, user, 0, NULL, NULL);
	if (password) {
		want(&i);
		if (!is(&i, "challenge", &p))
			die("%s: no challenge: %.*s", spec, (int)record(&i) - HEADER,
			    i.data + HEADER);
		answer(&i, p, user, password, 0);
	}
	for (;;) {
		wait_for(listener, spec);
		fd = accept(listener, NULL, NULL);
		if (read(fd, &byte, 1) == 1)
			break;
		close(fd); /* only looked whether somebody listens */
	}
	t = now() - t;
	close(i.fd);
	upstream = fd;
	return t;
}

static int start(const char *path, int rounds, unsigned rest_usec, char **cases)
{
	int listener = serve_at(path);

	for (int k = -2; k < rounds; k++) { /* the first two warm up */
		for (char **c = cases; *c; c++) {
			uint64_t t = start_once(listener, *c);

			if (k >= 0)
				printf("%llu%s", (unsigned long long)t, c[1] ? " " : "\n");
			usleep(rest_usec);
		}
	}
	return 0;
}

int main(int argc, char *argv[])
{
	const char *mode = argc > 2 ? argv[1] : "";

	/* argv ends with NULL, so what is left out reads as such */
	if (strcmp(mode, "serve") == 0)
		return serve(argv[2], argv[3] != NULL);
	if (strcmp(mode, "talk") == 0)
		return talk(argv[2], argv[3], argc > 4 ? argv[4] : NULL);
	if (strcmp(mode, "idle") == 0 && argc > 3)
		return idle(atoi(argv[2]), argv[3], argv[4], argc > 5 ? argv[5] : NULL);
	if (strcmp(mode, "start") == 0 && argc > 5)
		return start(argv[2], atoi(argv[3]), (unsigned)atoi(argv[4]), argv + 5);
	die("usage: see the top of peer.c");
}
