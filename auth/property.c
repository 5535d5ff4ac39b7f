/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/property.c - modules that let in whoever has said one thing: `capability`, in the hello, and
 * `http-header`, in the request before it, which only counts if a trusted front end has passed it
 * on. Guard; no system calls.
 */
#include "auth/load.h"

#include <errno.h>
#include <nettle/memops.h>
#include <stdio.h>
#include <string.h>

static const char *const property_options[] = {"property", "value", NULL};

static int open_property(const struct auth_options *o, const char *module, const char *property,
                         const char *value, char *err)
{
	if (!auth_option(o, "value", value)[0] || !auth_option(o, "property", property)[0]) {
		snprintf(err, AUTH_ERROR_MAX,
		         "module '%s' needs value=, which is what the client must say, and a "
		         "property=",
		         module);
		return -EINVAL;
	}
	if (strlen(auth_option(o, "property", property)) < AUTH_FACT_NAME_MAX - 16)
		return 0;
	snprintf(err, AUTH_ERROR_MAX, "module '%s': property= is too long", module);
	return -EINVAL;
}

/* Who does not know the value must not learn it from the time this takes. */
static bool same(const char *said, const char *value)
{
	size_t len = strlen(value);

	return said && strlen(said) == len && memeql_sec(said, value, len);
}

static int capability_open(const struct auth_options *options, char *err)
{
	return open_property(options, "capability", "display", "", err);
}

static bool capability_fact(const struct auth_options *options, unsigned n, char *ret)
{
	snprintf(ret, AUTH_FACT_NAME_MAX, "capability:%s",
	         auth_option(options, "property", "display"));
	return n == 0;
}

static int capability_verify(struct auth_attempt *a, struct auth_row *ret_row)
{
	(void)ret_row;
	return same(a->facts[0], auth_option(a->options, "value", ""));
}

/* The value may be a password of sorts. */
const struct auth_module auth_capability = {
	.abi = AUTH_MODULE_ABI,
	.name = "capability",
	.flags = AUTH_SECRET,
	.options = property_options,
	.open = capability_open,
	.fact = capability_fact,
	.verify = capability_verify,
};

static int header_open(const struct auth_options *options, char *err)
{
	return open_property(options, "http-header", "X-Forwarded-Proto", "https", err);
}

static bool header_fact(const struct auth_options *options, unsigned n, char *ret)
{
	snprintf(ret, AUTH_FACT_NAME_MAX, "header:%s",
	         auth_option(options, "property", "X-Forwarded-Proto"));
	return n == 0;
}

static int header_verify(struct auth_attempt *a, struct auth_row *ret_row)
{
	(void)ret_row;
	if (a->forwarded)
		return same(a->facts[0], auth_option(a->options, "value", "https"));
	snprintf(a->error, AUTH_ERROR_MAX,
	         "the client has not come through a front end of TrustedProxies=, so its headers "
	         "do not count");
	return -EPERM;
}

const struct auth_module auth_http_header = {
	.abi = AUTH_MODULE_ABI,
	.name = "http-header",
	.flags = AUTH_SECRET,
	.options = property_options,
	.open = header_open,
	.fact = header_fact,
	.verify = header_verify,
};
