/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/certificate.c - the client's TLS certificate says who it is: no password. Guard; no system
 * calls. Who may sign such certificates is a matter of [Listen]: the worker, which has verified it
 * in the handshake, says what is in it (relay/fact.h).
 */
#include "auth/load.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const fields[] = {"cn", "email", "dns", "uri", "upn", "dn", NULL};
static const char *const certificate_options[] = {"field", NULL};

static const char *field_of(const struct auth_options *o)
{
	return auth_option(o, "field", fields[0]);
}

static int certificate_open(const struct auth_options *options, char *err)
{
	for (size_t i = 0; fields[i]; i++)
		if (strcmp(fields[i], field_of(options)) == 0)
			return 0;
	snprintf(err, AUTH_ERROR_MAX,
	         "module 'certificate': field= is cn, email, dns, uri, upn or dn");
	return -EINVAL;
}

static bool certificate_fact(const struct auth_options *options, unsigned n, char *ret)
{
	snprintf(ret, AUTH_FACT_NAME_MAX, "certificate:%s", field_of(options));
	return n == 0;
}

/* As for every name that a client says. */
static bool is_name(const char *text)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return false;
	return n > 0 && n < AUTH_USERNAME_MAX && text[0] != '/';
}

static int certificate_verify(struct auth_attempt *a, struct auth_row *ret_row)
{
	const char *name = a->facts[0];

	if (name && is_name(name)) {
		snprintf(ret_row->username, sizeof(ret_row->username), "%s", name);
		return 1;
	}
	snprintf(a->error, AUTH_ERROR_MAX,
	         name ? "%s of the client's certificate is no user name"
	              : "the client has shown no certificate with one %s (TLSClientCA= says whose "
	                "are accepted)",
	         field_of(a->options));
	return -EPERM;
}

const struct auth_module auth_certificate = {
	.abi = AUTH_MODULE_ABI,
	.name = "certificate",
	.options = certificate_options,
	.open = certificate_open,
	.fact = certificate_fact,
	.verify = certificate_verify,
};
