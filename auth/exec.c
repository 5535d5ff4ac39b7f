/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/exec.c - a program decides: its exit code is the answer. Or, for Registry=, it prints the
 * sessions of a user, which auth/exec_sessions.c reads. Checker or xproxyctl, with their privilege.
 * System calls: those of auth/program.c and base/module.c.
 */
#include "auth/exec_sessions.h"
#include "auth/load.h"
#include "auth/program.h"
#include "base/macros.h"
#include "base/module.h"

#include <errno.h>

static int exec_open(const struct auth_options *options, char *err)
{
	if (auth_truth(auth_option(options, "require-challenge", "no")) < 0) {
		snprintf(err, AUTH_ERROR_MAX, "module 'exec': require-challenge= is yes or no");
		return -EINVAL;
	}
	return program_check(options, err);
}

static int exec_verify(struct auth_attempt *a, struct auth_row *ret_row)
{
	bool asks = auth_truth(auth_option(a->options, "require-challenge", "no")) == 1;

	(void)ret_row;
	if (asks && !a->password) {
		snprintf(a->error, sizeof(a->error), "there is no password to tell %s",
		         auth_path_tail(auth_option(a->options, "command", "")));
		return -EPERM;
	}
	return program_run(a, a->password, a->password_len, NULL, NULL);
}

static int load_reader(const struct exec_sessions **ret, char *err)
{
	const char *why = "it is not installed";
	const void *symbol = NULL;
	int r = module_load("exec-sessions.so", "exec_sessions", &symbol, NULL, &why);

	*ret = symbol;
	if (r == 0 && (*ret)->abi != AUTH_MODULE_ABI) {
		r = -ELIBBAD;
		why = "it was built for another version of xproxy";
	}
	if (r < 0)
		snprintf(err, AUTH_ERROR_MAX, "cannot load exec-sessions.so: %.200s", why);
	return r;
}

static int exec_lookup(struct auth_attempt *a, struct auth_row *ret_row)
{
	const struct exec_sessions *reader;
	char *text = NULL;
	size_t len = 0;
	int r = load_reader(&reader, a->error);

	if (r == 0)
		r = program_run(a, NULL, 0, &text, &len);
	if (r > 0)
		r = reader->read(a, text, len, ret_row);
	if (text)
		explicit_bzero(text, len);
	free(text);
	return r;
}

static const char *const exec_options[] = {PROGRAM_OPTIONS, "require-challenge", NULL};

const struct auth_module auth_exec = {
	.abi = AUTH_MODULE_ABI,
	.name = "exec",
	.flags = AUTH_WAITS,
	.options = exec_options,
	.open = exec_open,
	.verify = exec_verify,
	.lookup = exec_lookup,
};
