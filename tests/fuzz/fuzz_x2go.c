/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Any bytes as a request for a session broker: the path up to the first line's end, the form behind
 * it. What is taken is text of one line, and, written as a form again, is read as the same. Links
 * relay/x2go.c.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay/x2go.h"
#include "tests/fuzz/ensure.h"
#include "wire/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_path(const char *text)
{
	struct x2go_path p;
	bool known;

	memset(&p, 0xee, sizeof(p));
	known = x2go_path_read(text, &p);
	ENSURE(p.frontend < X2GO_FRONTEND_MAX_ && memchr(p.version, '\0', sizeof(p.version)));
	ENSURE(known || (p.frontend == X2GO_PLAIN && p.backend_known && !p.version[0]));
	ENSURE(p.frontend == X2GO_UCCS || !p.version[0]);
	ENSURE(!known || *text == '/');
}

static char *put(char *to, const char *name, const char *value)
{
	to += sprintf(to, "%s=", name);
	for (; *value; value++)
		to += sprintf(to, "%%%02x", (unsigned char)*value);
	return stpcpy(to, "&");
}

#define FIELD(name, field)                                           \
	{                                                            \
		name, offsetof(struct x2go_request, field),          \
			sizeof(((struct x2go_request *)NULL)->field) \
	}
static const struct {
	const char *name;
	size_t at, size;
} fields[] = {
	FIELD("task", task_name),  FIELD("user", user),       FIELD("authid", authid),
	FIELD("sid", sid),         FIELD("login", login),     FIELD("pubkey", pubkey),
	FIELD("event", event),     FIELD("server", server),   FIELD("client", client),
	FIELD("cmd", command),     FIELD("display", display), FIELD("start", start),
	FIELD("version", version), FIELD("os", os),           FIELD("address", address),
};

static void check_text(const char *text, size_t size)
{
	ENSURE(memchr(text, '\0', size));
	ENSURE(utf8_valid((const uint8_t *)text, strlen(text)));
	for (; *text; text++)
		ENSURE((unsigned char)*text >= ' ' && *text != 0x7f);
}

static void check_again(const struct x2go_request *q, const struct x2go_secrets *s)
{
	static char form[sizeof(*q) * 4];
	char *p = form;
	struct x2go_request again = {0};
	struct x2go_secrets secrets = {0};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		p = put(p, fields[i].name, (const char *)q + fields[i].at);
	p = put(p, "password", s->password);
	p = put(p, "newpass", s->new_password);
	(void)sprintf(p, "elapsed=%llu", (unsigned long long)q->elapsed_sec);
	ENSURE(x2go_form_read(form, strlen(form), &again, &secrets) == 0);
	ENSURE(again.task == q->task && again.elapsed_sec == q->elapsed_sec);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		ENSURE(strcmp((const char *)&again + fields[i].at,
		              (const char *)q + fields[i].at) == 0);
	ENSURE(strcmp(secrets.password, s->password) == 0);
	ENSURE(strcmp(secrets.new_password, s->new_password) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
	size_t len = end ? (size_t)(end - data) : size, left = end ? size - len - 1 : 0;
	char *path = strndup((const char *)data, len);
	char *form = malloc(left ? left : 1); /* so that a byte too much is seen */
	struct x2go_request q = {0};
	struct x2go_secrets s = {0};
	int r;

	ENSURE(path && form);
	check_path(path);
	free(path);
	if (left > 0)
		memcpy(form, end + 1, left);
	r = x2go_form_read(form, left, &q, &s);
	ENSURE(r == 0 || r == -EBADMSG || r == -EMSGSIZE);
	ENSURE(q.task < X2GO_TASK_MAX_ && q.frontend == 0);
	if (r == 0) {
		for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
			check_text((const char *)&q + fields[i].at, fields[i].size);
		check_text(s.password, sizeof(s.password));
		check_text(s.new_password, sizeof(s.new_password));
		check_again(&q, &s);
	}
	free(form);
	return 0;
}
