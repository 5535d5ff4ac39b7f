/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/fact.c - see relay/fact.h. Worker, front filter. No system calls.
 */
#include "relay/fact.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/macros.h"
#include "relay/secure.h"

static uint8_t head[HTTP_HEAD_MAX]; /* in .bss: costs nothing unless it is used */
static size_t head_len;

void fact_keep_head(const struct http_head *h, const uint8_t *data)
{
	memcpy(head, data, h->len);
	head_len = h->len;
}

void fact_forget(void)
{
	explicit_bzero(head, head_len); /* no more of it: what has not been touched costs nothing */
	head_len = 0;
}

static bool read_header(struct worker *w, const char *name, struct rpc_fact *ret)
{
	struct http_head h;
	struct http_text value;
	const char *why;

	(void)w;
	if (head_len == 0 || http_parse_request(head, head_len, &h, &why) < 0)
		return false;
	/* Of two, a front end and we may each believe another one. */
	value = http_field(&h, name);
	if (!value.data || http_field_count(&h, name) != 1 || value.len >= sizeof(ret->text))
		return false;
	memcpy(ret->text, value.data, value.len);
	ret->text[value.len] = '\0';
	return true;
}

static bool read_value(const struct token *t, struct rpc_fact *ret)
{
	if (t->type == TOKEN_INT)
		snprintf(ret->text, sizeof(ret->text), "%" PRId64, t->integer);
	else if (t->type == TOKEN_BOOL)
		snprintf(ret->text, sizeof(ret->text), "%s", t->boolean ? "True" : "False");
	else
		return token_to_cstr(t, ret->text, sizeof(ret->text)) == 0;
	return true;
}

/* Among the pairs of a dictionary that r is in: the first of one of these names. */
static bool find(struct token_reader *r, const char *name, const char *other, struct token *ret_key,
                 struct token *ret_value)
{
	while (token_read_pair(r, ret_key, ret_value) > 0) {
		if (token_equals(ret_key, name) || (*other && token_equals(ret_key, other)))
			return true;
		if (token_skip(r, ret_value) < 0)
			break;
	}
	return false;
}

/* name, or its part after the dot in the dictionary that the part before it names. */
static bool find_value(struct token_reader *r, const char *name, struct rpc_fact *ret)
{
	const char *dot = strchr(name, '.');
	char outer[RPC_NAME_MAX];
	struct token key, value;

	snprintf(outer, sizeof(outer), "%.*s", dot ? (int)(dot - name) : 0, name);
	if (!find(r, name, outer, &key, &value))
		return false;
	if (token_equals(&key, name))
		return read_value(&value, ret);
	return value.type == TOKEN_DICT && find(r, dot + 1, "", &key, &value) &&
	       read_value(&value, ret);
}

static bool read_capability(struct worker *w, const char *name, struct rpc_fact *ret)
{
	struct token_reader r;
	struct packet p;
	const char *why;

	if (w->hello_bytes == 0 ||
	    worker_packet(w, &w->up, w->hello_bytes, HELLO_DECODED_MAX, &p, &why) <= 0 ||
	    hello_open(&r, p.encoder, p.payload, p.len) < 0)
		return false;
	return find_value(&r, name, ret);
}

/* Of several, nobody knows which one is the client's. */
static bool read_certificate(struct worker *w, const char *name, struct rpc_fact *ret)
{
	static const struct {
		const char *name;
		enum tls_name kind;
	} names[] = {
		{"dn", TLS_NAME_SUBJECT}, {"cn", TLS_NAME_COMMON}, {"email", TLS_NAME_EMAIL},
		{"dns", TLS_NAME_DNS},    {"uri", TLS_NAME_URI},   {"upn", TLS_NAME_UPN},
	};
	char second[TLS_NAME_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i].name, name) == 0)
			return secure_certificate(w, names[i].kind, 0, ret->text,
			                          sizeof(ret->text)) == 0 &&
			       (names[i].kind == TLS_NAME_SUBJECT ||
			        secure_certificate(w, names[i].kind, 1, second, sizeof(second)) ==
			                -ENOENT);
	return false;
}

static const struct {
	const char *prefix;
	bool (*read)(struct worker *w, const char *name, struct rpc_fact *ret);
} kinds[] = {
	{"capability:", read_capability},
	{"certificate:", read_certificate},
	{"header:", read_header},
};

void fact_answer(struct worker *w, struct rpc *m)
{
	char name[RPC_NAME_MAX];

	snprintf(name, sizeof(name), "%s", m->step.fact);
	*m = (struct rpc){.type = RPC_FACT};
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strncmp(name, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
			m->fact.present =
				kinds[i].read(w, name + strlen(kinds[i].prefix), &m->fact);
}
