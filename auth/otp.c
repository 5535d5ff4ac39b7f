/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/otp.c - one-time passwords, HOTP (RFC 4226) and TOTP (RFC 6238), as xpra's otp module and as
 * oath-toolkit's files have them (auth-otp.so). Checker, with its privilege. System calls: those of
 * auth/counter.c, and what liboath needs to write users-file= anew: open, fcntl, rename, unlink.
 *
 * A code is taken once, whoever else has just used it: the counter is on the disk before anybody is
 * let in. liboath reads its file before it locks it, so the lock that decides is taken here.
 */
#include "auth/counter.h"

#include <errno.h>
#include <fcntl.h>
#include <liboath/oath.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/macros.h"

#define STEP 30       /* seconds that a code of secret= is good for: everybody's */
#define WINDOW_MAX 20 /* more would be guessing's friend */

extern const struct auth_module auth_module;

struct settings {
	const char *secret, *users_file;
	unsigned digits;
	unsigned window;
	int hash; /* liboath's flags */
};

static int refuse(char *err, const char *text)
{
	snprintf(err, AUTH_ERROR_MAX, "module 'otp': %s", text);
	return -EINVAL;
}

static int to_number(const char *text, unsigned min, unsigned max, unsigned *ret)
{
	char *end;
	unsigned long n;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	n = strtoul(text, &end, 10);
	if (*end || n < min || n > max)
		return -EINVAL;
	*ret = (unsigned)n;
	return 0;
}

/* No text of the options is in an error: one of them is a secret. */
static int read_settings(const struct auth_options *o, struct settings *ret, char *err)
{
	const char *hash = auth_option(o, "algorithm", "sha1");

	*ret = (struct settings){
		.secret = auth_option(o, "secret", NULL),
		.users_file = auth_option(o, "users-file", NULL),
	};
	if (!ret->secret == !ret->users_file)
		return refuse(err, "it needs either secret= (one for all users) or users-file= "
		                   "(each has their own)");
	if (ret->users_file && *ret->users_file != '/')
		return refuse(err, "users-file= is a whole path");
	if (ret->users_file && (auth_option(o, "algorithm", NULL) || auth_option(o, "state", NULL)))
		return refuse(err, "algorithm= and state= belong to secret=");
	if (to_number(auth_option(o, "digits", "6"), 6, 8, &ret->digits) < 0)
		return refuse(err, "digits= is 6, 7 or 8");
	/* liboath looks for the next HOTP code from the last one on, which it does not take again
	 */
	if (to_number(auth_option(o, "valid-window", ret->secret ? "0" : "1"), !ret->secret,
	              WINDOW_MAX, &ret->window) < 0)
		return refuse(err, "valid-window= is a number up to 20, and at least 1 with "
		                   "users-file=");
	if (strcmp(hash, "sha256") == 0)
		ret->hash = OATH_TOTP_HMAC_SHA256;
	else if (strcmp(hash, "sha512") == 0)
		ret->hash = OATH_TOTP_HMAC_SHA512;
	else if (strcmp(hash, "sha1") != 0)
		return refuse(err, "algorithm= is sha1, sha256 or sha512");
	return 0;
}

/* ---- secret= ---- */

static int decode_secret(const char *secret, char **ret, size_t *ret_len, char *err)
{
	if (oath_base32_decode(secret, strlen(secret), ret, ret_len) != OATH_OK || *ret_len == 0)
		return refuse(err, "secret= is not in base32 (A-Z and 2-7): make one with 'head "
		                   "-c20 /dev/urandom | base32'");
	if (*ret_len >= 10)
		return 0;
	explicit_bzero(*ret, *ret_len);
	free(*ret);
	return refuse(err, "secret= is too short: 16 letters at least, 32 are usual");
}

static int verify_secret(struct auth_attempt *a, const struct settings *s)
{
	char *secret = NULL;
	size_t len = 0;
	uint64_t counter = 0, old = 0;
	int pos, rc, r = decode_secret(s->secret, &secret, &len, a->error);

	if (r < 0)
		return r;
	rc = oath_totp_validate4(secret, len, time(NULL), STEP, 0, s->window, &pos, &counter,
	                         s->hash, a->password);
	explicit_bzero(secret, len);
	free(secret);
	if (rc < 0) { /* a word that is no code is as wrong as a wrong code */
		if (rc == OATH_INVALID_OTP || rc == OATH_INVALID_DIGITS)
			return AUTH_NO;
		snprintf(a->error, sizeof(a->error), "liboath: %s", oath_strerror(rc));
		return -EIO;
	}
	r = counter_raise(a->options, "otp", a->username, counter, &old, a->error);
	if (r == 0 && a->warn && old > counter + s->window + 1)
		a->warn(a, "one-time password: the clock has been ahead; the user's file in the "
		           "folder of state= (see xproxy.conf(5)) has to be removed");
	else if (r == 0 && a->warn)
		a->warn(a, "one-time password: this code has been used before");
	return r;
}

/* ---- users-file= ---- */

/* The file itself is the lock. Whoever had it before may have put another one in its place. */
static int lock_file(const char *path, char *err)
{
	struct stat held, there;

	for (;;) {
		_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

		if (fd < 0 || fstat(fd, &held) < 0) {
			int error = errno;

			snprintf(err, AUTH_ERROR_MAX, "users-file=%s: %s", auth_path_tail(path),
			         strerror(error));
			return -error;
		}
		if (!S_ISREG(held.st_mode) || held.st_uid != geteuid() || held.st_mode & 077) {
			snprintf(err, AUTH_ERROR_MAX,
			         "users-file=%s holds secrets: it must be a file, be owned by uid "
			         "%u and have mode 0600",
			         auth_path_tail(path), geteuid());
			return -EPERM;
		}
		while (flock(fd, LOCK_EX) < 0)
			if (errno != EINTR)
				return -errno;
		if (stat(path, &there) == 0 && there.st_ino == held.st_ino &&
		    there.st_dev == held.st_dev)
			return take_fd(&fd);
	}
}

static int explain(struct auth_attempt *a, const char *path, int rc)
{
	const char *what = NULL;

	switch (rc) {
	case OATH_OK:
		return AUTH_YES;
	case OATH_REPLAYED_OTP:
		if (a->warn)
			a->warn(a, "one-time password: this code has been used before");
		return AUTH_NO;
	case OATH_INVALID_OTP:
	case OATH_INVALID_DIGITS:
	case OATH_UNKNOWN_USER:
		return AUTH_NO;
	case OATH_BAD_PASSWORD:
		what = "the user's line has a PIN: put '-' there and ask for a password by a "
		       "module of its own";
		break;
	case OATH_FILE_CREATE_ERROR:
	case OATH_FILE_LOCK_ERROR:
	case OATH_FILE_RENAME_ERROR:
		what = "it cannot be written anew, so nobody is let in: its folder must be "
		       "writable";
		break;
	case OATH_FILE_FLUSH_ERROR:
	case OATH_FILE_SYNC_ERROR:
	case OATH_FILE_CLOSE_ERROR:
	case OATH_PRINTF_ERROR:
		what = "it cannot be written anew, so nobody is let in: is the disk full?";
		break;
	default:
		what = oath_strerror(rc);
	}
	snprintf(a->error, sizeof(a->error), "users-file=%s: %s", auth_path_tail(path), what);
	return -EIO;
}

static int verify_file(struct auth_attempt *a, const struct settings *s)
{
	_cleanup_close_ int lock = lock_file(s->users_file, a->error);
	time_t last;

	if (lock < 0)
		return lock;
	if (!*a->username || strpbrk(a->username, " \t"))
		return AUTH_NO; /* the file cannot have such names */
	return explain(a, s->users_file,
	               oath_authenticate_usersfile(s->users_file, a->username, a->password,
	                                           s->window, "", &last));
}

/* ---- both ---- */

/* liboath takes the number of digits from what it is given, whatever a line of users-file= says:
 * the end of a used code would be a code that has not been used. */
static bool is_code(const struct auth_attempt *a, const struct settings *s)
{
	return a->password_len == s->digits && strspn(a->password, "0123456789") == s->digits;
}

static int otp_verify(struct auth_attempt *a, struct auth_row *ret_row)
{
	struct settings s;
	int r = read_settings(a->options, &s, a->error);

	(void)ret_row;
	if (r < 0)
		return r;
	if (!is_code(a, &s))
		return AUTH_NO;
	return s.secret ? verify_secret(a, &s) : verify_file(a, &s);
}

static int folder_writable(const char *file, char *err)
{
	const char *slash = strrchr(file, '/');
	_cleanup_free_ char *folder = strndup(file, slash == file ? 1 : (size_t)(slash - file));

	if (folder && faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) == 0)
		return 0;
	snprintf(err, AUTH_ERROR_MAX,
	         "users-file=%s: its folder must be writable, as counters are kept in the file: %s",
	         auth_path_tail(file), folder ? strerror(errno) : "out of memory");
	return -EACCES;
}

static int otp_open(const struct auth_options *options, char *err)
{
	struct settings s;
	char *secret = NULL;
	size_t len;
	int r = read_settings(options, &s, err);

	if (r < 0)
		return r;
	if (oath_init() != OATH_OK)
		return refuse(err, "liboath does not start");
	if (s.users_file) {
		int fd = lock_file(s.users_file, err);

		if (fd >= 0)
			close(fd);
		return fd < 0 ? fd : folder_writable(s.users_file, err);
	}
	r = decode_secret(s.secret, &secret, &len, err);
	if (r < 0)
		return r;
	explicit_bzero(secret, len);
	free(secret);
	return counter_open(options, err);
}

/* issuer-name is for the programs that make codes: xpra's option, of no use here. */
static const char *const otp_options[] = {"secret", "users-file",  "valid-window", "digits",
                                          "state",  "issuer-name", "algorithm",    NULL};

const struct auth_module auth_module = {
	.abi = AUTH_MODULE_ABI,
	.name = "otp",
	.flags = AUTH_CHALLENGE | AUTH_CLEAR | AUTH_SECRET,
	.options = otp_options,
	.open = otp_open,
	.verify = otp_verify,
};
