/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/hash.c - stored passwords. Guard, checker or xproxyctl. System calls: getrandom, and for
 * passwords=hashed open, read, mmap (dlopen).
 *
 * libcrypt is loaded only where there are hashes: no other login is to wait for it. What is stored
 * says how much work it takes; nobody may store what takes minutes.
 */
#include "auth/hash.h"

#include <crypt.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "auth/scramkey.h"

#define ROUNDS_MAX 2000000 /* of sha512crypt: 1 s */
#define BCRYPT_MAX 14      /* log2, 1 s */

#define CRYPT_CHARS "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

/* Of nobody's password; yescrypt with what our tool and Debian use. */
#define NOBODY "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$6JlLzEdKMvGk83Zgd3owplAejssJr2SFlJFlOc7i54A"

bool hash_stored(const struct auth_options *options)
{
	return strcmp(auth_option(options, "passwords", "plain"), "hashed") == 0;
}

/* ---- libcrypt ---- */

static struct {
	char *(*crypt)(const char *phrase, const char *setting, void *data, int size);
	char *(*gensalt)(const char *prefix, unsigned long count, const char *rbytes, int nrbytes,
	                 char *ret, int size);
} lib;

static int load_crypt(char *err)
{
	static const char *const names[] = {"libcrypt.so.1", "libcrypt.so.2"};
	void *object = NULL, *entry;

	if (lib.crypt)
		return 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !object; i++)
		object = dlopen(names[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	entry = object ? dlsym(object, "crypt_gensalt_rn") : NULL;
	memcpy(&lib.gensalt, &entry, sizeof(entry));
	entry = entry ? dlsym(object, "crypt_rn") : NULL;
	memcpy(&lib.crypt, &entry, sizeof(entry));
	if (lib.crypt)
		return 0;
	snprintf(err, AUTH_ERROR_MAX,
	         "passwords=hashed needs libxcrypt's libcrypt.so.1 or .2: install it (libcrypt1)");
	return -ELIBBAD;
}

int hash_open(const struct auth_options *options, char *err)
{
	const char *value = auth_option(options, "passwords", "plain");

	if (strcmp(value, "plain") == 0)
		return 0;
	if (strcmp(value, "hashed") == 0)
		return load_crypt(err);
	snprintf(err, AUTH_ERROR_MAX, "passwords= is 'plain' or 'hashed'");
	return -EINVAL;
}

/* ---- what is stored ---- */

/* *p begins with prefix, which it is moved past. */
static bool skip(const char **p, const char *prefix)
{
	size_t n = strlen(prefix);

	if (strncmp(*p, prefix, n) != 0)
		return false;
	*p += n;
	return true;
}

/* From min to max characters of the alphabet of crypt(3). */
static bool skip_chars(const char **p, size_t min, size_t max)
{
	size_t n = strspn(*p, CRYPT_CHARS);

	*p += n;
	return n >= min && n <= max;
}

/* $6$[rounds=N$]SALT$HASH */
static bool is_sha(const char *p, size_t len)
{
	if (skip(&p, "rounds=")) {
		char *end;
		unsigned long rounds = strtoul(p, &end, 10);

		if (*p < '1' || *p > '9' || rounds > ROUNDS_MAX || *end != '$')
			return false;
		p = end + 1;
	}
	return skip_chars(&p, 0, 16) && skip(&p, "$") && skip_chars(&p, len, len) && *p == '\0';
}

/* $y$jNr$SALT$HASH: flavour j, N to 2^14 and blocks of 4 KiB: 64 MiB, some 300 ms. */
static bool is_yescrypt(const char *p)
{
	if (p[0] != 'j' || !p[1] || !strchr("56789AB", p[1]) || (p[2] != 'T' && p[2] != '5'))
		return false;
	p += 3;
	return skip(&p, "$") && skip_chars(&p, 1, 86) && skip(&p, "$") && skip_chars(&p, 43, 43) &&
	       *p == '\0';
}

static bool is_bcrypt(const char *p)
{
	char *end;
	unsigned long cost = strtoul(p, &end, 10);

	if (*p < '0' || *p > '9' || end != p + 2 || cost < 4 || cost > BCRYPT_MAX || *end != '$')
		return false;
	p = end + 1;
	return skip_chars(&p, 53, 53) && *p == '\0';
}

static bool is_crypt(const char *p)
{
	if (skip(&p, "$6$"))
		return is_sha(p, 86);
	if (skip(&p, "$5$"))
		return is_sha(p, 43);
	if (skip(&p, "$y$") || skip(&p, "$gy$"))
		return is_yescrypt(p);
	if (skip(&p, "$2b$") || skip(&p, "$2a$") || skip(&p, "$2y$"))
		return is_bcrypt(p);
	return false;
}

bool hash_is_one(const char *stored)
{
	struct scramkey key;

	return is_crypt(stored) || scramkey_parse(stored, &key);
}

/* ---- checking ---- */

/* Constant time; the length is no secret. */
static bool same(const char *a, const char *b)
{
	size_t n = strlen(a);
	unsigned char diff = 0;

	if (strlen(b) != n)
		return false;
	for (size_t i = 0; i < n; i++)
		diff |= (unsigned char)(a[i] ^ b[i]);
	return diff == 0;
}

static bool matches_crypt(const char *password, const char *stored)
{
	static struct crypt_data data; /* 32 KiB */
	const char *hash;
	bool right;

	hash = lib.crypt ? lib.crypt(password, stored, &data, sizeof(data)) : NULL;
	right = hash && same(hash, stored);
	explicit_bzero(&data, sizeof(data));
	return right;
}

const char *hash_of_nobody(const struct auth_options *options)
{
	return hash_stored(options) ? NOBODY : "no such user";
}

void hash_nobody(const struct auth_attempt *a)
{
	const char *stored = hash_of_nobody(a->options);

	if (!hash_stored(a->options))
		(void)a->check(a, stored, strlen(stored));
	else if (a->password)
		(void)matches_crypt(a->password, stored);
}

bool hash_check(const struct auth_attempt *a, const char *stored, size_t len)
{
	struct scramkey key;

	if (!hash_stored(a->options)) {
		bool right = a->check(a, stored, len);

		return right && len > 0 && !hash_is_one(stored);
	}
	if (a->password && strlen(stored) == len && is_crypt(stored))
		return matches_crypt(a->password, stored);
	if (a->password && strlen(stored) == len && scramkey_parse(stored, &key))
		return scramkey_matches(&key, a->password, a->password_len);
	if (a->warn && len > 0)
		a->warn(a, "a password of this user is not stored as a hash that is known and that "
		           "takes less than a second: see passwords= in xproxy.conf(5)");
	hash_nobody(a);
	return false;
}

/* ---- making ---- */

static int make_crypt(const char *password, char ret[HASH_MAX], char *err)
{
	static struct crypt_data data;
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	const char *hash;
	int r = load_crypt(err);

	if (r < 0)
		return r;
	hash = lib.gensalt("$y$", 0, NULL, 0, setting, sizeof(setting));
	hash = hash ? lib.crypt(password, setting, &data, sizeof(data)) : NULL;
	if (hash)
		snprintf(ret, HASH_MAX, "%s", hash);
	explicit_bzero(&data, sizeof(data));
	if (hash && is_crypt(ret))
		return 0;
	snprintf(err, AUTH_ERROR_MAX, "libcrypt on this machine has no yescrypt; use scram");
	return -ENOTSUP;
}

int hash_make(const char *kind, const char *password, char ret[HASH_MAX], char *err)
{
	if (strcmp(kind, "yescrypt") == 0)
		return make_crypt(password, ret, err);
	if (strcmp(kind, "scram") == 0)
		return scramkey_make(password, ret, HASH_MAX, err);
	return -EINVAL;
}
