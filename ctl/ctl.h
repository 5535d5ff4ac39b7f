/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/ctl.h - the commands of xproxyctl, one file each. They return the program's exit code.
 */
#pragma once

#include <stdbool.h>

#include "base/config.h"

enum {
	EXIT_USAGE = 2,
	EXIT_NOTHING = 3,
};

struct ctl {
	struct config config;
	const char *config_file;             /* NULL: CONFIG_FILE */
	char config_error[CONFIG_ERROR_MAX]; /* "": it could be read; else config is the defaults */
	bool config_unread;                  /* the caller may not read it: likewise */
	/* options of the command */
	bool json, all, clear_all, probe;
	const char *user, *clear, *days;
	char **args; /* NULL-terminated */
};

int command_list(const struct ctl *ctl);
int command_info(const struct ctl *ctl);
int command_version(const struct ctl *ctl);
int command_stop(const struct ctl *ctl);
int command_sessions(const struct ctl *ctl);
int command_check(const struct ctl *ctl);
int command_certificate(const struct ctl *ctl);
int command_metrics(const struct ctl *ctl);
int command_penalties(const struct ctl *ctl);
int command_encoders(const struct ctl *ctl);
int command_x2go(const struct ctl *ctl);

/* Says on stderr what is wrong with the command line. Returns EXIT_USAGE. */
int usage_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
