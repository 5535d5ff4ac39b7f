/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/pam.c - the machine's own accounts, as PAM knows them (auth-pam.so; xpra calls it pam or
 * sys). Checker, with the guard's privilege: pam_unix reads /etc/shadow. System calls: whatever the
 * service's modules need.
 *
 * Asked are the authentication and the account stage of a service of our own. Not done are
 * pam_setcred() and pam_open_session(): nobody logs in here, the session that is reached was begun
 * by somebody else; credentials would be this process's, which ends with the answer, and
 * pam_systemd would move the connection out of its unit.
 */
#include "auth/module.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "auth/pam_talk.h"

extern const struct auth_module auth_module;

static const char *service_name(const struct auth_options *o)
{
	return auth_option(o, "service", "xproxy");
}

/* 1 or 0, -EINVAL. */
static int checks_account(const struct auth_options *o)
{
	const char *value = auth_option(o, "check-account", "yes");

	if (strcmp(value, "yes") == 0 || strcmp(value, "true") == 0 || strcmp(value, "1") == 0)
		return 1;
	if (strcmp(value, "no") == 0 || strcmp(value, "false") == 0 || strcmp(value, "0") == 0)
		return 0;
	return -EINVAL;
}

/* Without its file, libpam would ask the service `other`, whatever that is. */
static int pam_check_options(const struct auth_options *o, char *err)
{
	static const char *const folders[] = {"/etc/pam.d", "/usr/lib/pam.d"};
	const char *service = service_name(o);
	char path[128];

	if (checks_account(o) < 0) {
		snprintf(err, AUTH_ERROR_MAX, "module 'pam': check-account= is yes or no");
		return -EINVAL;
	}
	if (!*service || strchr(service, '/') || service[0] == '.' ||
	    strlen(service) >= AUTH_SERVICE_MAX) {
		snprintf(err, AUTH_ERROR_MAX,
		         "module 'pam': service= is the name of a file in /etc/pam.d");
		return -EINVAL;
	}
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folders[i], service);
		if (access(path, F_OK) == 0)
			return 0;
	}
	snprintf(err, AUTH_ERROR_MAX,
	         "module 'pam': there is no /etc/pam.d/%s: make it, or name another with "
	         "pam(service=NAME)",
	         service);
	return -ENOENT;
}

/* What is asked for without an echo is the password. */
static const char *answer(const struct pam_talk *t, const char *prompt)
{
	const struct auth_attempt *a = t->data;

	(void)prompt;
	return a->password;
}

static int could_not(struct auth_attempt *a, pam_handle_t *pam, const char *stage, int r)
{
	snprintf(a->error, sizeof(a->error),
	         "PAM service '%s', %s: %s; its modules log more in the journal",
	         service_name(a->options), stage, pam_strerror(pam, r));
	return -EIO;
}

/* Whether that is a "no", and not a module that could not find out. */
static bool is_no(int r)
{
	return r == PAM_AUTH_ERR || r == PAM_USER_UNKNOWN || r == PAM_MAXTRIES ||
	       r == PAM_PERM_DENIED || r == PAM_ACCT_EXPIRED || r == PAM_NEW_AUTHTOK_REQD ||
	       r == PAM_AUTHTOK_EXPIRED || r == PAM_CRED_EXPIRED;
}

static int fill_row(struct auth_attempt *a, pam_handle_t *pam, struct auth_row *ret_row)
{
	const struct passwd *pw;
	const void *item = NULL;
	const char *name;
	int r = pam_get_item(pam, PAM_USER, &item); /* a module may have changed it */

	name = item;
	if (r != PAM_SUCCESS || !name || !*name)
		return could_not(a, pam, "user", r);
	if (strlen(name) >= sizeof(ret_row->username)) {
		snprintf(a->error, sizeof(a->error), "PAM has made the user's name too long");
		return -E2BIG;
	}
	snprintf(ret_row->username, sizeof(ret_row->username), "%s", name);
	snprintf(ret_row->service, sizeof(ret_row->service), "%s", service_name(a->options));
	pw = getpwnam(name);
	if (pw) {
		snprintf(ret_row->uid, sizeof(ret_row->uid), "%u", (unsigned)pw->pw_uid);
		snprintf(ret_row->gid, sizeof(ret_row->gid), "%u", (unsigned)pw->pw_gid);
	}
	return AUTH_YES;
}

static int ask(struct auth_attempt *a, pam_handle_t *pam, struct auth_row *ret_row)
{
	int r = pam_authenticate(pam, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);

	if (r == PAM_AUTH_ERR || r == PAM_USER_UNKNOWN)
		return AUTH_NO;
	if (r == PAM_SUCCESS && checks_account(a->options) != 0) {
		r = pam_acct_mgmt(pam, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
		if (is_no(r)) { /* the password was right: the log says why it is not enough */
			snprintf(a->error, sizeof(a->error), "the account may not be used: %s",
			         pam_strerror(pam, r));
			return AUTH_NO;
		}
		if (r != PAM_SUCCESS)
			return could_not(a, pam, "account", r);
	}
	if (is_no(r)) {
		snprintf(a->error, sizeof(a->error), "%s", pam_strerror(pam, r));
		return AUTH_NO;
	}
	return r == PAM_SUCCESS ? fill_row(a, pam, ret_row)
	                        : could_not(a, pam, "authentication", r);
}

static int pam_verify(struct auth_attempt *a, struct auth_row *ret_row)
{
	const char *address = a->peer ? a->peer->address : "";
	struct pam_talk talk = {.answer = answer, .data = a};
	pam_handle_t *pam = NULL;
	int r;

	if (!a->username[0] || !a->password || a->password_len == 0)
		return AUTH_NO;
	r = pam_talk_start(&talk, service_name(a->options), a->username, address, &pam);
	r = r == PAM_SUCCESS ? ask(a, pam, ret_row) : could_not(a, pam, "start", r);
	if (pam)
		(void)pam_end(pam, (r == AUTH_YES ? PAM_SUCCESS : PAM_AUTH_ERR) | PAM_DATA_SILENT);
	return r;
}

static const char *const pam_options[] = {"service", "check-account", NULL};

const struct auth_module auth_module = {
	.abi = AUTH_MODULE_ABI,
	.name = "pam",
	.flags = AUTH_CHALLENGE | AUTH_CLEAR | AUTH_WAITS,
	.options = pam_options,
	.open = pam_check_options,
	.verify = pam_verify,
};
