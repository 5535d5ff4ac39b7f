/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/sshcommand.h - what an ssh client has asked to be run, as far as it matters here. Pure.
 */
#pragma once

#include <stddef.h>

#define SSHCOMMAND_MAX ((size_t)16 << 10) /* bytes; a longer one is none of xpra's */

enum sshcommand_kind {
	SSHCOMMAND_ATTACH, /* `_proxy`: connect to a session; also no command at all */
	SSHCOMMAND_START,  /* `_proxy_start` and the like: start one first */
	SSHCOMMAND_FIND,   /* `which xpra`: a client looks for the program that it will ask for */
	SSHCOMMAND_PROBE,  /* `echo $OSTYPE`, `command`: a client looks what there is; no answer
	                      needed */
	SSHCOMMAND_OTHER,  /* nothing that an xpra client sends, or malformed */
};

struct sshcommand {
	enum sshcommand_kind kind;
	char display[256]; /* ATTACH: as it stands there, ":10"; "": none named */
};

/* Reads text, the client's word, as a shell would take it apart, without expanding or running
 * anything. NULL or "" is no command. The forms: `xpra _proxy :10`, any other path of the program,
 * and the scripts that xpra makes of them, sh -c 'if ...; then xpra _proxy ":10"; elif ...' (<= 4.x
 * with `which`, later with `command -v`), of which the first command with a `_proxy` counts; with
 * paramiko instead of ssh, xpra asks `which xpra` (or, >= 5.0, `echo $OSTYPE`, `command`,
 * `command -v xpra`) before. The program itself is what sshd's Subsystem= puts there. */
void sshcommand_parse(const char *text, struct sshcommand *ret);
