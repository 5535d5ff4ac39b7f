/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/authid.c - tokens, see broker/authid.h. xproxy-x2gobroker, as its user. System calls:
 * those of broker/state.c, getrandom, pread, pwrite.
 *
 * A token's file is in one of 256 folders, by the beginning of its name, so that each new one can
 * look through the folder that it gets into for what is no longer needed: work that does not grow
 * with the number of users. A file is written once and then only marked as used, under its lock.
 */
#include "broker/authid.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/macros.h"
#include "base/netaddr.h"
#include "base/readfile.h"
#include "broker/state.h"

#define FOLDER "authids"
#define MAGIC UINT64_C(0x3164696874756178) /* "xauthid1" */
#define LOOK_MAX 128                       /* files that a new token looks at */
#define SKEW_USEC (60 * USEC_PER_SEC)      /* a clock that was put back; more is no clock of ours */
#define PRESET_FILE_MAX (64u << 10)

/* As it is in the file. */
struct entry {
	uint64_t magic, login_usec;
	uint64_t end_usec;   /* when it is good for nothing, whatever the configuration says then */
	uint64_t used_usec;  /* 0: not used */
	uint64_t spent_usec; /* used: when its grace is over */
	char user[256], address[64];
};

/* ---- which token ---- */

/* One address has many spellings. What is none (of a unix socket, say) is compared as it is. */
static void put_address(const char *address, char ret[64])
{
	struct netaddr_range range;

	if (!strchr(address, '/') && netaddr_parse_range(address, &range) == 0 &&
	    inet_ntop(range.first.family, range.first.bytes, ret, 64))
		return;
	snprintf(ret, 64, "%s", address);
}

static int fill(struct entry *e, const char *user, const char *address, uint64_t login_usec)
{
	*e = (struct entry){.magic = MAGIC, .login_usec = login_usec};
	if (!*user || strlen(user) >= sizeof(e->user) || strlen(address) >= sizeof(e->address))
		return -EINVAL;
	strncpy(e->user, user, sizeof(e->user) - 1);
	put_address(address, e->address);
	return 0;
}

static int open_shard(const struct x2go_setup *s, const char *name, char *err, size_t err_size)
{
	_cleanup_close_ int dir = state_open(s->state, FOLDER, err, err_size);
	const char shard[3] = {name[0], name[1], '\0'};
	int fd;

	if (dir < 0)
		return dir;
	fd = openat(dir, shard, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && (mkdirat(dir, shard, 0700) == 0 || errno == EEXIST))
		fd = openat(dir, shard, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	fd = -errno;
	snprintf(err, err_size, "State=%s/" FOLDER ": %s", s->state, strerror(-fd));
	return fd;
}

/* ---- the preset one ---- */

/* The first word of the first line that is not a comment; "" if there is none. */
static void first_word(char *text, char *ret, size_t size)
{
	char *rest = NULL;

	ret[0] = '\0';
	for (char *line = strtok_r(text, "\r\n", &rest); line;
	     line = strtok_r(NULL, "\r\n", &rest)) {
		line += strspn(line, " \t");
		if (*line == '#' || *line == '\0')
			continue;
		line[strcspn(line, " \t")] = '\0';
		if (strlen(line) < size)
			snprintf(ret, size, "%s", line);
		return;
	}
}

/* Hashes are compared, which are all of one length: the time that it takes says nothing. */
static int is_preset(const struct x2go_setup *s, const char *token, char *err, size_t err_size)
{
	char preset[sizeof(((struct x2go_request *)0)->authid)];
	char wanted[STATE_NAME_MAX], shown[STATE_NAME_MAX], why[READFILE_ERROR_MAX];
	char *text = NULL;
	size_t len = 0;
	bool same;
	int r;

	if (!s->authid_file[0])
		return 0;
	r = readfile_secret(s->authid_file, PRESET_FILE_MAX, &text, &len, why);
	if (r < 0) {
		snprintf(err, err_size, "AuthIDFile=: %s", why);
		return r;
	}
	first_word(text, preset, sizeof(preset));
	readfile_free(text, len);
	state_name(preset, wanted);
	state_name(token, shown);
	same = preset[0] && CRYPTO_memcmp(wanted, shown, sizeof(shown)) == 0;
	explicit_bzero(preset, sizeof(preset));
	return same;
}

/* ---- good or not ---- */

/* Without a grace, used is used: `now` of another process may be before it. */
static bool is_good(const struct x2go_setup *s, const struct entry *e, uint64_t now)
{
	bool spent = e->used_usec != 0 && (e->spent_usec == e->used_usec || now >= e->spent_usec ||
	                                   e->used_usec > now + SKEW_USEC);

	return e->magic == MAGIC && !spent && e->login_usec <= now + SKEW_USEC &&
	       now < e->end_usec && now < e->login_usec + s->authid_timeout_usec;
}

/* Marks it as used, which must be so before anybody gets anything for it. */
static int use(int fd, uint64_t now, uint64_t grace_usec)
{
	const uint64_t times[] = {now, now + grace_usec};
	ssize_t n = pwrite(fd, times, sizeof(times), offsetof(struct entry, used_usec));

	if (n == sizeof(times) && fdatasync(fd) == 0)
		return 0;
	return n < 0 || n == sizeof(times) ? -errno : -ENOSPC;
}

/* Why it is no good; NULL: it is. */
static const char *find_fault(const struct x2go_setup *s, const struct entry *e,
                              const struct entry *wanted, uint64_t now)
{
	if (!is_good(s, e, now))
		return e->used_usec != 0 ? "the auth-id was used before" : "the auth-id is too old";
	if (memcmp(e->user, wanted->user, sizeof(e->user)) != 0)
		return "the auth-id is another user's";
	if (s->verify_address && memcmp(e->address, wanted->address, sizeof(e->address)) != 0)
		return "the auth-id was given to another address";
	return NULL;
}

static int look(const struct x2go_setup *s, int fd, const struct entry *wanted, uint64_t now,
                struct authid *ret, const char **ret_fault)
{
	struct entry e;
	ssize_t n = pread(fd, &e, sizeof(e), 0);
	int r = 0;

	if (n < 0)
		return -errno;
	*ret_fault = n == sizeof(e) ? find_fault(s, &e, wanted, now) : "the auth-id is damaged";
	if (*ret_fault)
		return AUTHID_INVALID;
	if (s->authid == X2GO_AUTHID_ROLLING && e.used_usec == 0)
		r = use(fd, now, s->authid_grace_usec);
	ret->login_usec = e.login_usec;
	return r < 0 ? r : AUTHID_VALID;
}

int authid_check(const struct x2go_setup *s, const char *token, const char *user,
                 const char *address, uint64_t now, struct authid *ret, char *err, size_t err_size)
{
	_cleanup_close_ int dir = -1, fd = -1;
	const char *fault = "the auth-id is none of ours, or too old";
	char name[STATE_NAME_MAX];
	struct entry wanted;
	int r;

	*ret = (struct authid){0};
	snprintf(err, err_size, "%s", fault);
	if (s->authid == X2GO_AUTHID_NONE || !*token)
		return AUTHID_INVALID;
	r = is_preset(s, token, err, err_size);
	if (r != 0)
		return r < 0 ? r : AUTHID_PRESET;
	if (!state_is_name(token) || fill(&wanted, user, address, 0) < 0)
		return AUTHID_INVALID;
	state_name(token, name);
	dir = open_shard(s, name, err, err_size);
	if (dir < 0)
		return dir;
	fd = state_lock(dir, name, 0, true);
	if (fd == -ENOENT)
		return AUTHID_INVALID;
	r = fd < 0 ? fd : look(s, fd, &wanted, now, ret, &fault);
	if (r == AUTHID_INVALID)
		snprintf(err, err_size, "%s", fault);
	if (r < 0)
		snprintf(err, err_size, "State=%s/" FOLDER ": %s", s->state, strerror(-r));
	snprintf(ret->token, sizeof(ret->token), "%s", token);
	return r;
}

/* ---- new ones, old ones ---- */

struct sweep {
	uint64_t now;
	int removed;
};

static int remove_dead(void *arg, int dir, const char *name)
{
	struct sweep *w = arg;
	struct entry e;
	int r = state_read(dir, name, &e, sizeof(e));

	if (r == -EBADMSG ||
	    (r == 0 && (w->now >= e.end_usec || (e.used_usec != 0 && w->now >= e.spent_usec))))
		w->removed += unlinkat(dir, name, 0) == 0;
	return 0;
}

static int make_token(char ret[AUTHID_MAX])
{
	uint8_t random[(AUTHID_MAX - 1) / 2];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(ret + 2 * i, 3, "%02x", random[i]);
	return 0;
}

int authid_issue(const struct x2go_setup *s, const char *user, const char *address, uint64_t now,
                 const struct authid *old, char ret[AUTHID_MAX], char *err, size_t err_size)
{
	_cleanup_close_ int dir = -1;
	char name[STATE_NAME_MAX];
	struct entry e;
	int r;

	ret[0] = '\0';
	if (s->authid == X2GO_AUTHID_NONE)
		return 0;
	if (old && s->authid == X2GO_AUTHID_STATIC) {
		memcpy(ret, old->token, AUTHID_MAX);
		return 0;
	}
	r = fill(&e, user, address, old ? old->login_usec : now);
	e.end_usec = e.login_usec + s->authid_timeout_usec;
	if (r == 0)
		r = make_token(ret);
	if (r < 0) {
		snprintf(err, err_size, "cannot make an auth-id: %s", strerror(-r));
		return r;
	}
	state_name(ret, name);
	dir = open_shard(s, name, err, err_size);
	if (dir < 0)
		return dir;
	(void)state_each(dir, LOOK_MAX, remove_dead, &(struct sweep){.now = now});
	r = state_write(dir, name, &e, sizeof(e), false);
	if (r < 0)
		snprintf(err, err_size, "State=%s/" FOLDER ": %s", s->state, strerror(-r));
	return r;
}

static int sweep_shard(void *arg, int dir, const char *name)
{
	_cleanup_close_ int shard = -1;

	if (strlen(name) == 2)
		shard = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return shard < 0 ? 0 : state_each(shard, SIZE_MAX, remove_dead, arg);
}

int authid_sweep(const char *state, uint64_t now, char *err, size_t err_size)
{
	_cleanup_close_ int dir = state_open(state, FOLDER, err, err_size);
	struct sweep w = {.now = now};
	int r = dir < 0 ? dir : state_each(dir, SIZE_MAX, sweep_shard, &w);

	if (dir >= 0 && r < 0)
		snprintf(err, err_size, "State=%s/" FOLDER ": %s", state, strerror(-r));
	return r < 0 ? r : w.removed;
}
