/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/fido2.c - security keys by FIDO2 (its CTAP1 part), for clients from 6.5 on (auth-fido2.so).
 * Checker, with its privilege. System calls: those of auth/securitykey.c.
 */
#include "auth/securitykey.h"

extern const struct auth_module auth_module;

static int fido2_challenge(struct auth_attempt *a, unsigned n, struct auth_challenge *ret)
{
	(void)n;
	return securitykey_challenge(a, "fido2:xor", ret);
}

const struct auth_module auth_module = {
	.abi = AUTH_MODULE_ABI,
	.name = "fido2",
	.flags = AUTH_CHALLENGE | AUTH_OWN,
	.options = securitykey_options,
	.open = securitykey_open,
	.challenge = fido2_challenge,
	.verify = securitykey_verify,
};
