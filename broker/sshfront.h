/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/sshfront.h - a session broker that is reached by ssh: x2goclient has sshd run a command,
 * "/usr/libexec/xproxy-x2gobroker --user bob --task listsessions", and reads what it prints.
 *
 * It runs as the user whom sshd has let in, and has no right to anything: it passes the request on
 * to a socket of xproxy's, where the kernel says who that is.
 *
 * As a forced command it finds what the client wanted in SSH_ORIGINAL_COMMAND. x2goclient first
 * has `echo "LOGIN OK"` run; then its commands are wrapped, and only what is between two marks
 * counts:
 *
 *   bash -l -c 'echo "X2GODATABEGIN:<uuid>"; export PATH="..."; export TERM="dumb"; COMMAND; echo
 *   "X2GODATAEND:<uuid>";'
 */
#pragma once

#include <stddef.h>

#define SSHFRONT_SOCKET "/run/xproxy/x2go.sock"
#define SSHFRONT_COMMAND_MAX 16384
#define SSHFRONT_WORDS_MAX 64

/* What a client has sshd run, taken apart as a shell would, with nothing expanded. */
struct sshfront_command {
	char text[SSHFRONT_COMMAND_MAX]; /* that the rest points into */
	const char *begin, *end;         /* what to print around the answer; "": nothing */
	char *words[SSHFRONT_WORDS_MAX]; /* the command, NULL-terminated */
	size_t count;                    /* 0: just print `begin` */
};

/* A pure function. 0; -EBADMSG: it is nothing that such a client wants; -E2BIG. */
int sshfront_parse(const char *original, struct sshfront_command *ret);

/* An exit code. */
int sshfront_run(int argc, char *argv[]);
