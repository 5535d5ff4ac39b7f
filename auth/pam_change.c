/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/pam_change.c - a new password, as PAM's modules want it (auth-pam.so). In the process of
 * auth/password.c, which is effectively root for the user. System calls: whatever the service's
 * modules need.
 *
 * First the service says whether the old password is right, as some modules would not ask for it.
 */
#include "auth/password.h"

#include <errno.h>
#include <security/pam_appl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

extern const struct password_module auth_password_pam;

struct talk {
	const struct password_change *change;
	bool changing;  /* else only the old one is asked for */
	char said[100]; /* the last that a module has said: why it does not like it */
};

static void forget(struct pam_response *replies, int n)
{
	for (int i = 0; i < n; i++) {
		if (replies[i].resp)
			explicit_bzero(replies[i].resp, strlen(replies[i].resp));
		free(replies[i].resp);
	}
	free(replies);
}

/* "New password:", "Retype new password:", "Re-enter ..." against "Current password:", "(current)
 * UNIX password:", "Password:": there are no other words for it in the C locale, which ours is. */
static const char *answer_to(const struct talk *t, const char *prompt)
{
	static const char *const words[] = {"new",     "retype", "re-type", "re-enter",
	                                    "reenter", "again",  "confirm", "verify"};

	if (!t->changing || strcasestr(prompt, "current") || strcasestr(prompt, "old"))
		return t->change->old_password;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasestr(prompt, words[i]))
			return t->change->new_password;
	return t->change->old_password;
}

static int converse(int n, const struct pam_message **messages, struct pam_response **ret,
                    void *data)
{
	struct pam_response *replies;
	struct talk *t = data;

	if (n <= 0 || n > PAM_MAX_NUM_MSG)
		return PAM_CONV_ERR;
	replies = calloc((size_t)n, sizeof(*replies));
	if (!replies)
		return PAM_BUF_ERR;
	for (int i = 0; i < n; i++) {
		const char *text = messages[i]->msg ? messages[i]->msg : "";
		int style = messages[i]->msg_style;

		if (style == PAM_ERROR_MSG || style == PAM_TEXT_INFO) {
			snprintf(t->said, sizeof(t->said), "%s", text); /* the log escapes it */
			continue;
		}
		if (style == PAM_PROMPT_ECHO_OFF)
			replies[i].resp = strdup(answer_to(t, text));
		if (!replies[i].resp) { /* something else, which nobody is there to be asked */
			forget(replies, n);
			return PAM_CONV_ERR;
		}
	}
	*ret = replies;
	return PAM_SUCCESS;
}

/* The guard answers all who are refused after the same time: no module has to. */
static void no_delay(int r, unsigned usec, void *data)
{
	(void)r;
	(void)usec;
	(void)data;
}

static int set_items(pam_handle_t *pam, const struct password_change *c)
{
	int r = pam_set_item(pam, PAM_FAIL_DELAY, (const void *)no_delay);

	if (r == PAM_SUCCESS)
		r = pam_set_item(pam, PAM_TTY, "xproxy");
	if (r == PAM_SUCCESS && *c->address)
		r = pam_set_item(pam, PAM_RHOST, c->address);
	return r;
}

static int ask(pam_handle_t *pam, struct talk *t, const char **ret_stage)
{
	int r = set_items(pam, t->change);

	*ret_stage = "start";
	if (r == PAM_SUCCESS) {
		*ret_stage = "the old password";
		r = pam_authenticate(pam, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
	}
	if (r == PAM_SUCCESS) {
		*ret_stage = "the new password";
		t->changing = true;
		r = pam_chauthtok(pam, 0);
	}
	return r;
}

static bool is_no(int r)
{
	return r == PAM_AUTH_ERR || r == PAM_USER_UNKNOWN || r == PAM_MAXTRIES ||
	       r == PAM_PERM_DENIED || r == PAM_AUTHTOK_ERR || r == PAM_AUTHTOK_RECOVERY_ERR ||
	       r == PAM_AUTHTOK_DISABLE_AGING || r == PAM_TRY_AGAIN || r == PAM_ACCT_EXPIRED;
}

static int change(const struct password_change *c, char why[PASSWORD_WHY_MAX])
{
	struct talk t = {.change = c};
	const struct pam_conv conversation = {.conv = converse, .appdata_ptr = &t};
	const char *stage = "start";
	pam_handle_t *pam = NULL;
	int r = pam_start(c->service, c->user, &conversation, &pam);

	if (r == PAM_SUCCESS)
		r = ask(pam, &t, &stage);
	if (r != PAM_SUCCESS)
		snprintf(why, PASSWORD_WHY_MAX, "PAM service '%.40s', %s: %.60s%s%s%s", c->service,
		         stage, pam_strerror(pam, r), t.said[0] ? " ('" : "", t.said,
		         t.said[0] ? "')" : "");
	if (pam)
		(void)pam_end(pam, r | PAM_DATA_SILENT);
	return r == PAM_SUCCESS ? 0 : is_no(r) ? -EACCES : -EIO;
}

const struct password_module auth_password_pam = {.change = change};
