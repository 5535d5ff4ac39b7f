/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/choose.c - which session the client gets. Pure; runs in the guard.
 */
#include "session/choose.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#include "base/macros.h"

#define EXIT_NO_SESSION 6 /* xproxy-conn's exit code "no such session" */

/* "proxy-123", as the name of a display or after "HOSTNAME-" in a socket's file name. */
static bool is_proxy_name(const char *name)
{
	return strncmp(name, "proxy-", 6) == 0 && isdigit((unsigned char)name[6]);
}

bool choose_is_proxy(const struct uri *u)
{
	const char *p;

	switch (u->scheme) {
	case URI_DISPLAY:
		return is_proxy_name(u->display + (u->display[0] == ':'));
	case URI_SOCKET:
		p = strrchr(u->path, '/');
		for (p = p ? p : u->path; (p = strchr(p, '-')) != NULL; p++)
			if (is_proxy_name(p + 1))
				return true;
		return false;
	case URI_TCP: /* who listens there cannot be seen from its name */
	case URI_SSL:
	case URI_WS:
	case URI_WSS:
	case URI_SSH:
	case URI_VSOCK:
		break;
	}
	return false;
}

static int refuse(struct rpc_refused *refused, const char *text)
{
	*refused = (struct rpc_refused){.exit_code = EXIT_NO_SESSION};
	snprintf(refused->reason, sizeof(refused->reason), "session not found error");
	snprintf(refused->text, sizeof(refused->text), "%s", text);
	return -ENOENT;
}

static int refuse_ambiguous(const struct uri *sessions, size_t count, struct rpc_refused *refused)
{
	char text[RPC_TEXT_MAX] = "please specify a display, more than one is available: ";
	size_t n = strlen(text);
	const char *comma = "";

	for (size_t i = 0; i < count; i++) {
		char one[URI_TEXT_MAX];

		if (choose_is_proxy(&sessions[i]))
			continue;
		if (sessions[i].name[0]) /* what the client may ask for, and shorter */
			snprintf(one, sizeof(one), "%s", sessions[i].name);
		else
			uri_print(&sessions[i], one, sizeof(one));
		if (n + strlen(comma) + strlen(one) + sizeof(", ...") > sizeof(text)) {
			snprintf(text + n, sizeof(text) - n, "%s...", comma);
			break;
		}
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", comma, one);
		comma = ", ";
	}
	return refuse(refused, text);
}

static bool wish_is_proxy(const char *wish)
{
	char err[URI_TEXT_MAX];
	struct uri u;

	return is_proxy_name(wish) || (uri_parse(wish, &u, err) == 0 && choose_is_proxy(&u));
}

int choose_session(const struct uri *sessions, size_t count, const struct rpc_session *wish,
                   size_t *ret_index, struct rpc_refused *refused)
{
	const char *wanted = wish->display[0] ? wish->display : wish->name;
	bool by_name = wish->display[0] == '\0';
	size_t usable = 0, found = 0;
	char text[RPC_TEXT_MAX];

	for (size_t i = 0; i < count; i++) {
		if (choose_is_proxy(&sessions[i]))
			continue;
		if (wanted[0] && (by_name ? strcmp(sessions[i].name, wanted) == 0
		                          : uri_matches(&sessions[i], wanted))) {
			*ret_index = i;
			return 0;
		}
		found = i;
		usable++;
	}
	if (usable == 0)
		return refuse(refused, "no displays found");
	if (wanted[0] && wish_is_proxy(wanted))
		return refuse(refused, "invalid display: proxy display");
	if (wanted[0]) {
		snprintf(text, sizeof(text), "display '%s' not found", wanted);
		return refuse(refused, text);
	}
	if (usable > 1)
		return refuse_ambiguous(sessions, count, refused);
	*ret_index = found;
	return 0;
}
