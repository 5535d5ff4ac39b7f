/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/pam_talk.h - a conversation with PAM's modules in the name of somebody who has said all that
 * they will say: auth/pam.c and auth/pam_change.c.
 */
#pragma once

#include <security/pam_appl.h>

struct pam_talk {
	/* What is said to a prompt without an echo, which is for a password. For anything else
	 * there is nobody to ask. */
	const char *(*answer)(const struct pam_talk *t, const char *prompt);
	const void *data; /* the answer's */
	char said[100];   /* the last that a module has said: for a log that escapes it */
};

/* Begins it for user at address ("": not known) with that service; t, with answer and data set, has
 * to live as long. No module delays what follows a no. PAM_SUCCESS or PAM's error; *ret, unless it
 * is NULL, is for pam_end() in either case. */
int pam_talk_start(struct pam_talk *t, const char *service, const char *user, const char *address,
                   pam_handle_t **ret);
