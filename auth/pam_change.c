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
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "auth/pam_talk.h"
#include "base/macros.h"

extern const struct password_module auth_password_pam;

struct asking {
	const struct password_change *change;
	bool changing; /* else only the old one is asked for */
};

/* "New password:", "Retype new password:", "Re-enter ..." against "Current password:", "(current)
 * UNIX password:", "Password:": there are no other words for it in the C locale, which ours is. */
static const char *answer(const struct pam_talk *t, const char *prompt)
{
	static const char *const words[] = {"new",     "retype", "re-type", "re-enter",
	                                    "reenter", "again",  "confirm", "verify"};
	const struct asking *a = t->data;

	if (!a->changing || strcasestr(prompt, "current") || strcasestr(prompt, "old"))
		return a->change->old_password;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasestr(prompt, words[i]))
			return a->change->new_password;
	return a->change->old_password;
}

static int ask(pam_handle_t *pam, struct asking *a, const char **ret_stage)
{
	int r;

	*ret_stage = "the old password";
	r = pam_authenticate(pam, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
	if (r == PAM_SUCCESS) {
		*ret_stage = "the new password";
		a->changing = true;
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
	struct asking a = {.change = c};
	struct pam_talk t = {.answer = answer, .data = &a};
	const char *stage = "start";
	pam_handle_t *pam;
	int r = pam_talk_start(&t, c->service, c->user, c->address, &pam);

	if (r == PAM_SUCCESS)
		r = ask(pam, &a, &stage);
	if (r != PAM_SUCCESS)
		snprintf(why, PASSWORD_WHY_MAX, "PAM service '%.40s', %s: %.60s%s%s%s", c->service,
		         stage, pam_strerror(pam, r), t.said[0] ? " ('" : "", t.said,
		         t.said[0] ? "')" : "");
	if (pam)
		(void)pam_end(pam, r | PAM_DATA_SILENT);
	return r == PAM_SUCCESS ? 0 : is_no(r) ? -EACCES : -EIO;
}

const struct password_module auth_password_pam = {.change = change};
