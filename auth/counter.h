/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/counter.h - numbers that only ever grow, one for each user or key, in files that all
 * connections share: what has been used once is never taken again. Part of loadable modules.
 */
#pragma once

#include <stdint.h>

#include "auth/module.h"

#define COUNTER_SECRET_LEN 32

/* The folder of all counters: the option `state`; root's is made if there is none. 0, or a negative
 * errno with err (AUTH_ERROR_MAX bytes). Fails if others than this process's user may write there.
 */
int counter_open(const struct auth_options *options, char *err);

/* Makes the counter of kind and who be value. 1: it is on the disk; 0: it was that, or more,
 * already, *ret_old is what it was; or a negative errno with err: nobody may be let in. Of several
 * processes with the same value exactly one gets 1. */
int counter_raise(const struct auth_options *options, const char *kind, const char *who,
                  uint64_t value, uint64_t *ret_old, char *err);

/* Random bytes that are this machine's own, made once and kept in the same folder. 0, or a negative
 * errno with err. */
int counter_secret(const struct auth_options *options, uint8_t ret[COUNTER_SECRET_LEN], char *err);
