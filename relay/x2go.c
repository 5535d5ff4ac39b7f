/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/x2go.c - the words of X2Go clients, see relay/x2go.h. Worker; pure, no system calls.
 */
#include "relay/x2go.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "wire/form.h"
#include "wire/utf8.h"

/* ---- the path ---- */

/* What follows the folder: "" or "/..."; NULL: it is not in it. */
static const char *below(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	if (strncmp(path, folder, len) != 0)
		return NULL;
	return path[len] == '/' || path[len] == '\0' ? path + len : NULL;
}

/* "/NAME/...", where no name is the default's. */
static void read_backend(const char *rest, struct x2go_path *ret)
{
	static const char name[] = "inifile", api[] = "/api/";
	size_t len;

	rest += strspn(rest, "/");
	len = strcspn(rest, "/");
	ret->backend_known = len == 0 || (len == strlen(name) && memcmp(rest, name, len) == 0);
	rest += len;
	if (ret->frontend == X2GO_UCCS && strncmp(rest, api, strlen(api)) == 0)
		snprintf(ret->version, sizeof(ret->version), "%s", rest + strlen(api));
}

bool x2go_path_read(const char *path, struct x2go_path *ret)
{
	static const char *const folders[X2GO_FRONTEND_MAX_] = {
		[X2GO_PLAIN] = "/plain",
		[X2GO_JSON] = "/json",
		[X2GO_PUBKEYS] = "/pubkeys",
		[X2GO_UCCS] = "/uccs",
	};
	const char *rest = below(path, "/x2gobroker"); /* where Debian's has it behind Apache */

	if (rest)
		path = rest;
	*ret = (struct x2go_path){.frontend = X2GO_PLAIN, .backend_known = true};
	for (int i = 0; i < X2GO_FRONTEND_MAX_; i++) {
		rest = below(path, folders[i]);
		if (!rest)
			continue;
		ret->frontend = (enum x2go_frontend)i;
		if (i != X2GO_PUBKEYS)
			read_backend(rest, ret);
		return true;
	}
	return false;
}

/* ---- the form ---- */

struct form {
	const char *data;
	size_t len;
};

/* What is not there stays as it is. */
static int take(const struct form *f, const char *name, char *ret, size_t size)
{
	int r = form_field(f->data, f->len, name, ret, size);

	if (r == -ENOENT)
		return 0;
	for (const char *p = ret; r == 0 && *p; p++)
		if (iscntrl((unsigned char)*p))
			return -EBADMSG;
	return r == 0 && !utf8_valid((const uint8_t *)ret, strlen(ret)) ? -EBADMSG : r;
}

static uint32_t task_of(const char *name)
{
	static const struct {
		const char *name;
		enum x2go_task task;
	} tasks[] = {
		{"listsessions", X2GO_LIST},    {"listprofiles", X2GO_LIST},
		{"selectsession", X2GO_SELECT}, {"testcon", X2GO_TESTCON},
		{"setpass", X2GO_SETPASS},      {"clientevent", X2GO_EVENT},
	};

	for (size_t i = 0; i < ARRAY_SIZE(tasks); i++)
		if (strcmp(name, tasks[i].name) == 0)
			return tasks[i].task;
	return X2GO_NONE;
}

int x2go_form_read(const char *form, size_t len, struct x2go_request *ret,
                   struct x2go_secrets *secrets)
{
	const struct form f = {form, len};
	char elapsed[32] = "";
	const struct {
		const char *name;
		char *ret;
		size_t size;
	} wanted[] = {
#define FIELD(name, to) {name, to, sizeof(to)}
		FIELD("task", ret->task_name),
		FIELD("user", ret->user),
		FIELD("password", secrets->password),
		FIELD("newpass", secrets->new_password),
		FIELD("authid", ret->authid),
		FIELD("address", ret->address),
		FIELD("sid", ret->sid),
		FIELD("login", ret->login),
		FIELD("pubkey", ret->pubkey),
		FIELD("event", ret->event),
		FIELD("server", ret->server),
		FIELD("client", ret->client),
		FIELD("cmd", ret->command),
		FIELD("display", ret->display),
		FIELD("start", ret->start),
		FIELD("elapsed", elapsed),
		FIELD("version", ret->version),
		FIELD("os", ret->os),
#undef FIELD
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(wanted) && r == 0; i++)
		r = take(&f, wanted[i].name, wanted[i].ret, wanted[i].size);
	if (r == 0 && !ret->sid[0]) /* python-x2go's name for it */
		r = take(&f, "profile-id", ret->sid, sizeof(ret->sid));
	ret->task = task_of(ret->task_name);
	if (isdigit((unsigned char)elapsed[0])) /* no sign: it is for how long */
		ret->elapsed_sec = strtoull(elapsed, NULL, 10);
	return r;
}
