/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xproxyctl.c - what is running, and stop it: main() and the table of commands, which are in ctl/.
 * As whoever calls it: root sees every connection of the machine, others their own. It knows what
 * the control sockets and systemd tell and believes none of it further than to print it.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>

#include "auth/users.h"
#include "base/macros.h"
#include "ctl/ctl.h"

static const char usage_text[] =
	"usage: xproxyctl [-c FILE] [-o Section.Key=VALUE]... COMMAND\n"
	"\n"
	"  list [--json] [--user USER]   the connections: all of the machine for root, else yours\n"
	"  info ID [--json]              everything about one\n"
	"  stop ID... | --user USER | --all\n"
	"  version ID\n"
	"  sessions USER                 what that user would be offered, and why\n"
	"  users DB ...                  the user database; `xproxyctl users` says more\n"
	"  check                         whether clients can connect, and what to do if not\n"
	"  certificate [--days N] [NAME...]\n"
	"                                makes one for a first try, and its key\n"
	"  metrics                       numbers for Prometheus\n"
	"  penalties [--json]            where failed logins came from, who is refused\n"
	"  penalties --clear ADDRESS | --clear-all\n"
	"  encoders [--probe] [--json]   what could make pictures here; and how well it does\n"
	"  x2go [list] [--json]          sessions of the X2Go broker's clients\n"
	"  x2go suspend|terminate ID     has the client do that\n"
	"\n"
	"ID is :proxy-PID, PID or the unit's name. Exit codes: 0, 1 failure, 2 usage, 3 nothing\n"
	"matched.\n";

int usage_error(const char *fmt, ...)
{
	va_list ap;

	fputs("xproxyctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs("\nTry `xproxyctl --help`.\n", stderr);
	return EXIT_USAGE;
}

static const struct command {
	const char *name;
	int (*run)(const struct ctl *ctl);
	bool json, user, all; /* options that it takes */
	bool any_config;      /* it runs without a usable configuration too */
	bool clear;           /* two options more */
	bool days;            /* an option more */
	bool probe;           /* likewise */
} commands[] = {
	{"list", command_list, true, true, false, false, false, false, false},
	{"info", command_info, true, false, false, false, false, false, false},
	{"stop", command_stop, false, true, true, false, false, false, false},
	{"version", command_version, false, false, false, false, false, false, false},
	{"sessions", command_sessions, false, false, false, false, false, false, false},
	{"check", command_check, false, false, false, true, false, false, false},
	{"certificate", command_certificate, false, false, false, false, false, true, false},
	{"metrics", command_metrics, false, false, false, false, false, false, false},
	{"penalties", command_penalties, true, false, false, true, true, false, false},
	{"encoders", command_encoders, true, false, false, true, false, false, true},
	{"x2go", command_x2go, true, false, false, false, false, false, false},
};

/* argv[0] is the command. IDs may stand before and after options. */
static int run_command(const struct command *cmd, struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},      {"user", required_argument, NULL, 'u'},
		{"all", no_argument, NULL, 'a'},       {"clear", required_argument, NULL, 'c'},
		{"clear-all", no_argument, NULL, 'C'}, {"days", required_argument, NULL, 'd'},
		{"probe", no_argument, NULL, 'p'},     {0}};
	int opt;

	optind = 0; /* GNU: start anew */
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == '?')
			return usage_error("bad option of `%s`", cmd->name);
		if ((opt == 'j' && !cmd->json) || (opt == 'u' && !cmd->user) ||
		    (opt == 'a' && !cmd->all) || ((opt == 'c' || opt == 'C') && !cmd->clear) ||
		    (opt == 'd' && !cmd->days) || (opt == 'p' && !cmd->probe))
			return usage_error("`%s` has no such option", cmd->name);
		ctl->json = ctl->json || opt == 'j';
		ctl->all = ctl->all || opt == 'a';
		ctl->clear_all = ctl->clear_all || opt == 'C';
		ctl->probe = ctl->probe || opt == 'p';
		if (opt == 'u')
			ctl->user = optarg;
		if (opt == 'c')
			ctl->clear = optarg;
		if (opt == 'd')
			ctl->days = optarg;
	}
	ctl->args = argv + optind;
	return cmd->run(ctl);
}

/* Nobody but root may be able to read the file, for Module= may hold a password. Then the defaults.
 */
static void load_config(struct ctl *ctl, char *const *overrides, size_t n)
{
	struct config *c = &ctl->config;
	int r;

	config_defaults(c);
	r = config_load(c, ctl->config_file, ctl->config_error);
	if (r == -EACCES && !ctl->config_file && geteuid() != 0) {
		ctl->config_unread = true;
		ctl->config_error[0] = '\0';
		r = 0;
	}
	for (size_t i = 0; i < n && r == 0; i++)
		r = config_override(c, overrides[i], ctl->config_error);
	if (r == 0) {
		ctl->config_error[0] = '\0';
		return;
	}
	config_free(c); /* what it says so far is not to be believed */
	config_defaults(c);
}

static int run(const struct command *cmd, struct ctl *ctl, int argc, char **argv)
{
	if (ctl->config_error[0] && !cmd->any_config) {
		fprintf(stderr, "xproxyctl: %s\n", ctl->config_error);
		return EXIT_FAILURE;
	}
	return run_command(cmd, ctl, argc, argv);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'},
	                                        {"help", no_argument, NULL, 'h'},
	                                        {"version", no_argument, NULL, 'V'},
	                                        {0}};
	const struct command *cmd = NULL;
	char *overrides[64];
	struct ctl ctl = {0};
	size_t n = 0;
	int opt, code;

	while ((opt = getopt_long(argc, argv, "+c:o:h", options, NULL)) != -1) {
		if (opt == 'h')
			return fputs(usage_text, stdout), EXIT_SUCCESS;
		if (opt == 'V')
			return puts("xproxyctl " XPROXY_VERSION), EXIT_SUCCESS;
		if (opt == '?' || (opt == 'o' && n == ARRAY_SIZE(overrides)))
			return usage_error(opt == '?' ? "bad option" : "too many -o");
		if (opt == 'c')
			ctl.config_file = optarg;
		else
			overrides[n++] = optarg;
	}
	if (optind == argc)
		return usage_error("a command is missing");
	if (strcmp(argv[optind], "users") == 0)
		return users_main(argc - optind, argv + optind);
	for (size_t i = 0; i < ARRAY_SIZE(commands) && !cmd; i++)
		if (strcmp(argv[optind], commands[i].name) == 0)
			cmd = &commands[i];
	if (!cmd)
		return usage_error("there is no command '%s'", argv[optind]);
	load_config(&ctl, overrides, n);
	code = run(cmd, &ctl, argc - optind, argv + optind);
	config_free(&ctl.config);
	return code;
}
