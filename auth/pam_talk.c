/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/pam_talk.c - answers PAM's modules, see auth/pam_talk.h (auth-pam.so). Checker, or the
 * process of auth/password.c, with the privilege of either. System calls: those of libpam.
 */
#include "auth/pam_talk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void wipe_replies(struct pam_response *replies, int n)
{
	for (int i = 0; i < n; i++) {
		if (replies[i].resp)
			explicit_bzero(replies[i].resp, strlen(replies[i].resp));
		free(replies[i].resp);
	}
	free(replies);
}

static int converse(int n, const struct pam_message **messages, struct pam_response **ret,
                    void *data)
{
	struct pam_response *replies;
	struct pam_talk *t = data;

	if (n <= 0 || n > PAM_MAX_NUM_MSG)
		return PAM_CONV_ERR;
	replies = calloc((size_t)n, sizeof(*replies));
	if (!replies)
		return PAM_BUF_ERR;
	for (int i = 0; i < n; i++) {
		const char *text = messages[i]->msg ? messages[i]->msg : "";
		int style = messages[i]->msg_style;

		if (style == PAM_ERROR_MSG || style == PAM_TEXT_INFO) {
			snprintf(t->said, sizeof(t->said), "%s", text);
			continue;
		}
		if (style == PAM_PROMPT_ECHO_OFF)
			replies[i].resp = strdup(t->answer(t, text));
		if (!replies[i].resp) {
			wipe_replies(replies, n);
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

int pam_talk_start(struct pam_talk *t, const char *service, const char *user, const char *address,
                   pam_handle_t **ret)
{
	const struct pam_conv conversation = {.conv = converse, .appdata_ptr = t}; /* is copied */
	int r;

	*ret = NULL;
	r = pam_start(service, user, &conversation, ret);
	if (r == PAM_SUCCESS)
		r = pam_set_item(*ret, PAM_FAIL_DELAY, (const void *)no_delay);
	if (r == PAM_SUCCESS)
		r = pam_set_item(*ret, PAM_TTY, "xproxy"); /* as sshd's is "ssh": there is none */
	if (r == PAM_SUCCESS && *address)
		r = pam_set_item(*ret, PAM_RHOST, address);
	return r;
}
