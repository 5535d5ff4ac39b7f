/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/agent_rig.h - a broker agent that writes down how it was called, here or behind a real
 * sshd on 127.0.0.1 and 127.0.0.2. Include it after test.h, once.
 */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "broker/agent.h"
#include "broker/process.h"

static char rig[64]; /* the folder; State= is .../a state */
static struct x2go_setup rig_setup;
static struct agent rig_agent;
static pid_t rig_sshd;
static unsigned rig_port;

/* As the stock one behaves: what it does depends on the task, then on the user. Its arguments, one
 * in each line between '<' and '>', are added to argv. */
#define RIG_AGENT                                                        \
	"#!/bin/sh\n"                                                    \
	"{ for a; do printf '<%%s>' \"$a\"; done; echo; } >>%1$s/argv\n" \
	"set -- ${SSH_CONNECTION-1 2 3 4} \"$@\"\n"                      \
	"at=$3 user=$5 task=$6\n"                                        \
	"case $user in\n"                                                \
	"slow) sleep 100 & echo $! >%1$s/sleeper; wait ;;\n"             \
	"late) sleep 0.6 ;;\n"                                           \
	"deaf) [ $task = ping ] || exit 1 ;;\n"                          \
	"bad) printf 'no such \"user\"\\n\\033[1m' >&2; exit 255 ;;\n"   \
	"loud) echo OK; yes ;;\n"                                        \
	"fail) echo OK; exit 3 ;;\n"                                     \
	"dies) echo OK; kill -9 $$ ;;\n"                                 \
	"zero) printf 'OK\\na\\0b' ; exit ;;\n"                          \
	"bare) printf OK; exit ;;\n"                                     \
	"okay) echo OKAY; exit ;;\n"                                     \
	"esac\n"                                                         \
	"[ ! -e %1$s/mute ] || exit 1\n"                                 \
	"echo OK\n"                                                      \
	"[ ! -e %1$s/$task-$at ] || exec cat %1$s/$task-$at\n"           \
	"[ ! -e %1$s/$task ] || cat %1$s/$task\n"                        \
	"[ $task != env ] || env\n"

/* As the stock one takes apart what sshd has: it loses the exit code. */
#define RIG_FORCED                                                                          \
	"#!/bin/sh\n"                                                                       \
	"c=${SSH_ORIGINAL_COMMAND%%%%;*}\n"                                                 \
	"case $c in */usr/*/x2go/x2gobroker-agent\\ *) sh -c \"$c\" ;; *) exit 9 ;; esac\n" \
	"exit 0\n"

__attribute__((format(printf, 2, 3), unused)) static void rig_write(const char *name,
                                                                    const char *format, ...)
{
	char path[128];
	va_list ap;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", rig, name);
	f = fopen(path, "w");
	CHECK(f);
	va_start(ap, format);
	CHECK(vfprintf(f, format, ap) >= 0);
	va_end(ap);
	CHECK_EQ(fclose(f), 0);
}

__attribute__((unused)) static bool rig_exists(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", rig, name);
	return access(path, F_OK) == 0;
}

__attribute__((unused)) static void rig_remove(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", rig, name);
	(void)unlink(path);
}

/* The file's content, until the next call; "" if there is none. */
__attribute__((unused)) static const char *rig_read(const char *name)
{
	static char text[16384];
	char path[128];
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", rig, name);
	f = fopen(path, "r");
	if (f) {
		n = fread(text, 1, sizeof(text) - 1, f);
		fclose(f);
	}
	text[n] = '\0';
	return text;
}

static void rig_folder(const char *name, const char *below)
{
	char path[128];

	snprintf(path, sizeof(path), "%s%s%s", rig, name, below);
	CHECK(mkdir(path, 0700) == 0 || errno == EEXIST);
}

__attribute__((unused)) static void rig_run(const char *const *argv)
{
	struct process p = {.argv = argv, .directory = rig};

	process_run_all(&p, 1, now_usec() + 20 * USEC_PER_SEC);
	free(p.output);
	if (p.result != 0)
		test_fail(__FILE__, __LINE__, "%s: %d %s", argv[0], p.result, p.words);
}

static void rig_end(void)
{
	const char *const argv[] = {"/bin/rm", "-rf", rig, NULL};
	struct process p = {.argv = argv, .directory = ""};

	if (rig_sshd > 0) {
		kill(rig_sshd, SIGTERM);
		waitpid(rig_sshd, NULL, 0);
	}
	process_run_all(&p, 1, now_usec() + 20 * USEC_PER_SEC);
	free(p.output);
}

/* Once for all tests of the file; later: how it was at first, with nothing said yet. */
__attribute__((unused)) static void rig_begin(enum x2go_agent mode)
{
	char path[128];

	if (!rig[0]) {
		snprintf(rig, sizeof(rig), "/tmp/test-agent-XXXXXX");
		CHECK(mkdtemp(rig));
		CHECK_EQ(atexit(rig_end), 0);
		rig_folder("/usr", "");
		rig_folder("/usr/lib", "");
		rig_folder("/usr/lib", "/x2go");
		rig_folder("/a state", "");
		rig_folder("/a state", "/.ssh");
		rig_write("usr/lib/x2go/x2gobroker-agent", RIG_AGENT, rig);
		snprintf(path, sizeof(path), "%s/usr/lib/x2go/x2gobroker-agent", rig);
		CHECK_EQ(chmod(path, 0755), 0);
	}
	rig_remove("argv");
	rig_setup = (struct x2go_setup){.agent_timeout_usec = 10 * USEC_PER_SEC,
	                                .load_age_usec = 300 * USEC_PER_SEC};
	snprintf(rig_setup.state, sizeof(rig_setup.state), "%s/a state", rig);
	snprintf(rig_setup.agent_command, sizeof(rig_setup.agent_command),
	         "%s/usr/lib/x2go/x2gobroker-agent", rig);
	snprintf(rig_setup.agent_user, sizeof(rig_setup.agent_user), "%s",
	         getpwuid(geteuid())->pw_name);
	rig_agent = (struct agent){
		.setup = &rig_setup,
		.mode = mode,
		.hostkeys = X2GO_HOSTKEYS_ACCEPT_NEW,
		.deadline_usec = now_usec() + 20 * USEC_PER_SEC,
	};
}

/* A socket that listens there, or only has the port; *port 0: any. */
__attribute__((unused)) static int rig_listen(const char *address, unsigned *port, bool listening)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)*port)};
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0 && inet_pton(AF_INET, address, &sa.sin_addr) == 1);
	CHECK_EQ(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	CHECK(!listening || listen(fd, 128) == 0);
	CHECK_EQ(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	*port = ntohs(sa.sin_port);
	return fd;
}

/* Which key may do what: with forced, only what the script above lets through. */
__attribute__((unused)) static void rig_authorize(bool forced)
{
	char key[2048];

	snprintf(key, sizeof(key), "%s", rig_read("a state/.ssh/id_ed25519.pub"));
	if (forced)
		rig_write("authorized_keys", "command=\"%s/forced\",restrict %s", rig, key);
	else
		rig_write("authorized_keys", "restrict %s", key);
}

__attribute__((unused)) static void rig_make_key(const char *name, const char *type)
{
	const char *const argv[] = {
		"/usr/bin/ssh-keygen", "-q", "-t", type, "-N", "", "-f", name, NULL};

	rig_run(argv);
}

static void rig_await(const char *address)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)rig_port)};

	CHECK_EQ(inet_pton(AF_INET, address, &sa.sin_addr), 1);
	for (int i = 0; i < 500; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		bool up = connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0;

		close(fd);
		if (up)
			return;
		usleep(20000);
	}
	test_fail(__FILE__, __LINE__, "sshd: %s", rig_read("sshd.log"));
}

/* Once for all tests of the file. */
__attribute__((unused)) static void rig_start_sshd(void)
{
	char path[2][128];

	rig_authorize(true);
	if (rig_sshd > 0)
		return;
	if (access("/usr/sbin/sshd", X_OK) < 0)
		test_fail(__FILE__, __LINE__, "sshd is missing: tests/deps.sh test");
	close(rig_listen("127.0.0.1", &rig_port, false));
	rig_make_key("a state/.ssh/id_ed25519", "ed25519");
	rig_make_key("host_key", "ed25519");
	rig_authorize(true);
	rig_write("forced", RIG_FORCED);
	snprintf(path[0], sizeof(path[0]), "%s/forced", rig);
	CHECK_EQ(chmod(path[0], 0755), 0);
	rig_write("sshd_config",
	          "Port %u\nListenAddress 127.0.0.1\nListenAddress 127.0.0.2\nHostKey %s/host_key\n"
	          "AuthorizedKeysFile %s/authorized_keys\nStrictModes no\nUsePAM no\nPidFile none\n"
	          "PasswordAuthentication no\nPermitRootLogin yes\n",
	          rig_port, rig, rig);
	snprintf(path[0], sizeof(path[0]), "%s/sshd_config", rig);
	snprintf(path[1], sizeof(path[1]), "%s/sshd.log", rig);
	if (geteuid() == 0)
		CHECK(mkdir("/run/sshd", 0755) == 0 || errno == EEXIST);
	rig_sshd = fork();
	if (rig_sshd == 0) {
		execl("/usr/sbin/sshd", "/usr/sbin/sshd", "-D", "-E", path[1], "-f", path[0], NULL);
		_exit(127);
	}
	rig_await("127.0.0.1");
	rig_await("127.0.0.2");
}
