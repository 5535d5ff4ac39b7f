/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/encryption.c - AES between a leg and what carries it. Worker: encryption_load() before the
 * lock, everything else locked. System calls once locked: getrandom, madvise, and those of
 * relay/leg.c.
 *
 * Nothing is kept here but a buffer for what is on its way out and less than a block of what came
 * in: the bytes are decrypted where they were read.
 */
#include "relay/encryption.h"

#include <errno.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "base/macros.h"
#include "base/readfile.h"

#define OUT_SIZE ((size_t)64 << 10)
#define IN_SIZE 256           /* for a flow with too little room to decrypt in */
#define OWN_ITERATIONS 10000u /* inside what every version accepts */
#define OWN_KEY_SIZE 32u
#define OWN_SALT_LEN 64

_Static_assert(ENCRYPTION_CBC == 1u << CIPHER_CBC && ENCRYPTION_GCM == 1u << CIPHER_GCM &&
                       ENCRYPTION_CFB == 1u << CIPHER_CFB && ENCRYPTION_CTR == 1u << CIPHER_CTR,
               "the configuration's modes are the protocol's");

struct encryption {
	struct layer layer; /* first */
	struct leg below;   /* the same socket, with the layers under this one */
	struct leg *leg;    /* NULL: not active yet */
	struct cipher reader, writer;
	struct cipher_params ours; /* how we decrypt, as announced */
	unsigned modes;

	uint8_t in[IN_SIZE]; /* decrypted, not taken yet */
	size_t in_at, in_len;
	int broken; /* what the reader found; told once what was good has been taken */
	bool told;

	/* Encrypted, not out yet; stands for out_taken bytes of what was to be written. */
	uint8_t *out;
	size_t out_at, out_len, out_taken;
	bool out_used; /* its memory has been touched */

	size_t key_len;
	char key[ENCRYPTION_KEY_MAX];
};

/* ---- the layer ---- */

/* Reads and decrypts in place; len is more than a block. */
static ssize_t read_records(struct encryption *e, uint8_t *buf, size_t len)
{
	size_t held = cipher_held(&e->reader), made;
	ssize_t n = leg_read(&e->below, buf + held, len - held);

	if (n <= 0)
		return n;
	e->broken = cipher_decrypt(&e->reader, buf, (size_t)n, &made, &e->leg->fault);
	e->told = e->broken && made == 0;
	if (made > 0)
		return (ssize_t)made;
	return e->broken ? e->broken : -EAGAIN;
}

static ssize_t encryption_read(struct layer *l, void *buf, size_t len)
{
	struct encryption *e = (struct encryption *)l;
	ssize_t n;

	if (e->in_at == e->in_len) {
		e->told = e->broken;
		if (e->broken)
			return e->broken;
		if (len >= IN_SIZE)
			return read_records(e, buf, len);
		n = read_records(e, e->in, sizeof(e->in));
		if (n <= 0)
			return n;
		e->in_at = 0;
		e->in_len = (size_t)n;
	}
	n = (ssize_t)(len < e->in_len - e->in_at ? len : e->in_len - e->in_at);
	memcpy(buf, e->in + e->in_at, (size_t)n);
	e->in_at += (size_t)n;
	return n;
}

/* 0: all that was encrypted is out. */
static int flush(struct encryption *e)
{
	while (e->out_at < e->out_len) {
		ssize_t n = leg_write(&e->below, e->out + e->out_at, e->out_len - e->out_at);

		if (n <= 0)
			return n < 0 ? (int)n : -EAGAIN;
		e->out_at += (size_t)n;
	}
	e->out_at = e->out_len = 0;
	return 0;
}

static ssize_t encryption_write(struct layer *l, const void *buf, size_t len)
{
	struct encryption *e = (struct encryption *)l;
	size_t done = 0;

	for (;;) {
		int r = flush(e);

		if (r < 0)
			return done > 0 ? (ssize_t)done : r;
		done += e->out_taken < len - done ? e->out_taken : len - done;
		e->out_taken = 0;
		if (done == len)
			return (ssize_t)done;
		r = cipher_encrypt(&e->writer, (const uint8_t *)buf + done, len - done, e->out,
		                   OUT_SIZE, &e->out_taken, &e->out_len);
		e->out_used = true;
		if (r < 0)
			return r;
	}
}

static bool encryption_unread(const struct layer *l)
{
	const struct encryption *e = (const struct encryption *)l;

	return e->in_at < e->in_len || (e->broken && !e->told) || leg_unread(&e->below);
}

static bool encryption_blocked(const struct layer *l)
{
	return leg_blocked(&((const struct encryption *)l)->below);
}

static void encryption_shutdown(struct layer *l)
{
	struct encryption *e = (struct encryption *)l;

	if (e->below.layer)
		e->below.layer->shutdown(e->below.layer);
}

static void begin_layer(struct encryption *e, struct leg *leg)
{
	e->layer = (struct layer){encryption_read, encryption_write, encryption_unread,
	                          encryption_blocked, encryption_shutdown};
	e->below = *leg;
	e->leg = leg;
	leg->layer = &e->layer;
}

/* ---- keys ---- */

static void random_iv(uint8_t iv[CIPHER_BLOCK])
{
	if (getrandom(iv, CIPHER_BLOCK, 0) != CIPHER_BLOCK)
		abort(); /* never, for so few bytes */
}

/* Letters and digits only: every version and every encoder leaves them as they are, whatever they
 * take text and bytes for. */
static int random_text(uint8_t *buf, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	if (getrandom(buf, len, 0) != (ssize_t)len)
		return -EIO;
	for (size_t i = 0; i < len; i++)
		buf[i] = (uint8_t)digits[buf[i] % 64];
	return 0;
}

/* "6.2.1" is at least 6.2. */
static bool version_reached(const char *version, unsigned major, unsigned minor)
{
	unsigned a = 0, b = 0;

	(void)sscanf(version, "%4u.%4u", &a, &b);
	return a > major || (a == major && b >= minor);
}

/* What the peer pads CBC to; 0: its version does not say. */
static unsigned granularity_of(const struct hello *h)
{
	if (h->cipher.has_stream) /* they came together */
		return 16;
	if (strcmp(h->client_type, "HTML5") == 0)
		return version_reached(h->version, 17, 0) ? 16 : 32;
	if (h->major == 0)
		return 0;
	return version_reached(h->version, 6, 2) ? 16 : 32;
}

/* Keys for both directions, from what the peer says of how it decrypts. */
static int renew_keys(struct encryption *e, const struct hello *h, struct cipher_params *theirs)
{
	unsigned granularity = granularity_of(h);
	bool pkcs7 = h->cipher.pkcs7 || theirs->padding == CIPHER_PKCS7;
	int r;

	e->ours = (struct cipher_params){
		.mode = theirs->mode,
		.hash = CIPHER_SHA1,
		.key_size = OWN_KEY_SIZE,
		.iterations = OWN_ITERATIONS,
		.padding = pkcs7 ? CIPHER_PKCS7 : CIPHER_LEGACY,
		.granularity = granularity,
		.stream = theirs->stream,
		.salt_len = OWN_SALT_LEN,
	};
	theirs->granularity = granularity ? granularity : 32;
	r = random_text(e->ours.iv, sizeof(e->ours.iv));
	if (r == 0)
		r = random_text(e->ours.salt, OWN_SALT_LEN);
	if (r == 0)
		r = cipher_start_writer(&e->writer, theirs, e->key, e->key_len, random_iv);
	if (r == 0)
		r = cipher_start_reader(&e->reader, &e->ours, e->key, e->key_len);
	return r;
}

static int refuse(struct worker *w, const char *words)
{
	return worker_fail(w, EXIT_REFUSED, "refused", words, "");
}

int encryption_accept(struct worker *w, size_t record_bytes)
{
	const struct hello *h = &w->client_hello;
	struct encryption *e = w->encryption;
	struct cipher_params theirs;
	char why[RPC_NAME_MAX];

	if (!cipher_caps_offered(&h->cipher))
		return e && e->leg ? refuse(w, "missing encryption tokens") : 0;
	if (!e)
		return refuse(w, "the server does not support encryption on this connection");
	if (cipher_caps_params(&h->cipher, e->modes, &theirs, why, sizeof(why)) < 0)
		return refuse(w, why);
	/* What follows a hello belongs to the keys that its answer brings. */
	if (flow_available(&w->up) > record_bytes ||
	    (e->leg && (!cipher_at_gap(&e->reader) || e->in_at < e->in_len)))
		return worker_fail(w, EXIT_PROTOCOL, "protocol", "protocol error",
		                   "packets before the answer to the hello");
	if (renew_keys(e, h, &theirs) < 0)
		return worker_fail(w, EXIT_INTERNAL, "internal", "server error", "internal error");
	if (!e->leg)
		begin_layer(e, &w->client);
	return 0;
}

const char *encryption_missing(const struct worker *w)
{
	if (!w->encryption || w->encryption->leg || w->local || w->tls || w->front_tls)
		return NULL;
	return "missing encryption tokens";
}

bool encryption_active(const struct worker *w)
{
	return w->encryption && w->encryption->leg;
}

const struct cipher_params *encryption_announced(const struct worker *w, unsigned *ret_modes)
{
	if (!encryption_active(w))
		return NULL;
	*ret_modes = w->encryption->modes;
	return &w->encryption->ours;
}

void encryption_write_caps(const struct worker *w, struct token_writer *tw, bool challenge)
{
	if (encryption_active(w))
		cipher_caps_write(tw, &w->encryption->ours, w->encryption->modes, challenge);
}

void encryption_forget_key(struct worker *w)
{
	if (w->encryption)
		explicit_bzero(w->encryption->key, sizeof(w->encryption->key));
}

void encryption_trim(struct worker *w)
{
	struct encryption *e = w->encryption;

	if (e && e->out_used && e->out_len == 0) {
		(void)madvise(e->out, OUT_SIZE, MADV_DONTNEED);
		e->out_used = false;
	}
}

void encryption_describe(const struct worker *w, char buf[ENCRYPTION_DESCRIPTION_MAX])
{
	buf[0] = '\0';
	if (encryption_active(w))
		snprintf(buf, ENCRYPTION_DESCRIPTION_MAX, "AES-%u-%s",
		         w->encryption->ours.key_size * 8,
		         cipher_mode_name(w->encryption->ours.mode));
}

/* ---- before the lock ---- */

/* EncryptionKeyFile=, else systemd's credential. */
static const char *find_key(const struct config *c, char *buf, size_t size)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");

	if (c->listen_encryption_key_file[0])
		return c->listen_encryption_key_file;
	snprintf(buf, size, "%s/encryption-key", dir ? dir : "");
	return dir && access(buf, F_OK) == 0 ? buf : NULL;
}

static bool ends_line(char c)
{
	return c == '\r' || c == '\n';
}

/* As xpra: without the ends of lines around it. */
static int take_key(struct encryption *e, const char *file, char *err)
{
	char *data, *start, *end;
	size_t len;
	int r = readfile_secret(file, ENCRYPTION_KEY_MAX, &data, &len, err);

	if (r < 0)
		return r;
	for (start = data, end = data + len; start < end && ends_line(*start); start++)
		;
	while (end > start && ends_line(end[-1]))
		end--;
	e->key_len = (size_t)(end - start);
	memcpy(e->key, start, e->key_len);
	readfile_free(data, len);
	if (e->key_len > 0)
		return 0;
	snprintf(err, READFILE_ERROR_MAX, "the file is empty; it must hold the key");
	return -EINVAL;
}

/* Pages of their own, for madvise() and because of what is in them. */
static void *map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	(void)madvise(p, size, MADV_DONTDUMP);
	return p;
}

int encryption_load(const struct config *c, struct encryption **ret, char *err)
{
	char buf[PATH_MAX], why[READFILE_ERROR_MAX];
	const char *file;
	struct encryption *e;

	*ret = NULL;
	if (!c->listen_encryption)
		return 0;
	file = find_key(c, buf, sizeof(buf));
	if (!file) {
		snprintf(err, RPC_TEXT_MAX,
		         "Encryption= needs a key: set EncryptionKeyFile=, or LoadCredential="
		         "encryption-key:FILE in the unit");
		return -EINVAL;
	}
	e = map(sizeof(*e));
	if (!e || !(e->out = map(OUT_SIZE))) {
		snprintf(err, RPC_TEXT_MAX, "no memory for encryption");
		return -EINVAL;
	}
	e->modes = c->listen_encryption;
	if (take_key(e, file, why) < 0) {
		snprintf(err, RPC_TEXT_MAX, "EncryptionKeyFile=%.200s: %s", file, why);
		return -EINVAL;
	}
	*ret = e;
	return 0;
}

int encryption_check(const struct config *config)
{
	struct encryption *e;
	char err[RPC_TEXT_MAX];
	int r = encryption_load(config, &e, err);

	if (r < 0)
		fprintf(stderr, "xproxy-conn: %s\n", err);
	return r;
}
