/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xproxy-x2gobroker.c - the session broker of X2Go clients. xproxy-conn starts it to answer a
 * request that came by HTTP; sshd starts it as the user, and it passes the request on; a timer
 * starts it to clean up.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "broker/answer.h"
#include "broker/serve.h"
#include "broker/sshfront.h"

int main(int argc, char *argv[])
{
	if (argc == 2 && strcmp(argv[1], "--answer") == 0)
		return serve_run();
	if (argc == 3 && strcmp(argv[1], "--sweep") == 0) {
		log_open("xproxy-x2gobroker", -1);
		return answer_sweep(argv[2]);
	}
	if (argc == 2 && strcmp(argv[1], "--version") == 0)
		return puts("xproxy-x2gobroker " XPROXY_VERSION) < 0;
	return sshfront_run(argc, argv);
}
