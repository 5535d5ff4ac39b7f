/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/probe.c - see broker/probe.h. xproxy-x2gobroker, as its user. System calls: those of
 * broker/process.c, and a temporary file.
 */
#include "broker/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macros.h"
#include "broker/process.h"

#define PROBE_USEC (5 * USEC_PER_SEC)

/* Where the key itself begins, behind the options; NULL: there is none. */
static const char *key_of(const char *line)
{
	static const char *const types[] = {"ssh-rsa ", "ssh-ed25519 ", "ecdsa-sha2-"};
	const char *found = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(types) && !found; i++)
		found = strstr(line, types[i]);
	return found;
}

static int write_key(int fd, const char *key)
{
	return dprintf(fd, "%s\n", key) < 0 ? -errno : 0;
}

/* What ssh says with -v, for as long as there has been ssh. */
static int read_answer(const struct process *p, char *err, size_t err_size)
{
	if (p->output && strstr(p->output, "Server accepts key"))
		return 0;
	if (p->output && strstr(p->output, "Offering public key")) {
		snprintf(err, err_size,
		         "the agent says that the key is there, sshd does not take "
		         "it: see AuthorizedKeysFile of sshd_config");
		return -EACCES;
	}
	snprintf(err, err_size, "whether sshd takes the key cannot be found out");
	return -EIO;
}

int probe_key(const char *state, const char *address, unsigned port, const char *user,
              const char *line, uint64_t deadline_usec, char *err, size_t err_size)
{
	uint64_t soon = now_usec() + PROBE_USEC;
	const char *key = key_of(line);
	char path[1100], identity[1120], number[16];
	const char *const argv[] = {"/usr/bin/ssh", "-v", "-E", "/proc/self/fd/1", "-F", "none",
	                            "-N", "-T", "-oBatchMode=yes", "-oConnectTimeout=5",
	                            "-oPreferredAuthentications=publickey", "-oIdentitiesOnly=yes",
	                            "-oIdentityAgent=none",
	                            /* Nothing is told that is not public. */
	                            "-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null",
	                            "-oGlobalKnownHostsFile=/dev/null", identity, "-l", user, "-p",
	                            number, "--", address, NULL};
	struct process p = {.argv = argv, .directory = ""};
	_cleanup_close_ int fd = -1;
	int r;

	snprintf(path, sizeof(path), "%s/probe-XXXXXX", state);
	fd = key ? mkostemp(path, O_CLOEXEC) : -1;
	if (fd < 0) {
		snprintf(err, err_size, "State=%s: %s", state, key ? strerror(errno) : "no key");
		return -EIO;
	}
	snprintf(identity, sizeof(identity), "-oIdentityFile=%s", path);
	snprintf(number, sizeof(number), "%u", port);
	r = write_key(fd, key);
	if (r == 0) {
		process_run_all(&p, 1, soon < deadline_usec ? soon : deadline_usec);
		r = read_answer(&p, err, err_size);
	} else {
		snprintf(err, err_size, "State=%s: %s", state, strerror(-r));
	}
	(void)unlink(path);
	free(p.output);
	return r;
}
