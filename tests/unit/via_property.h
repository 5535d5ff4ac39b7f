/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/via_property.h - what holds for every answer of a proxy, whatever its bytes. PROPERTY
 * is the check to use. For the unit test and the fuzzer.
 */
#pragma once

#include <errno.h>
#include <string.h>

#include "session/via.h"

/* A verdict stays when more comes; a length is more than what it was told by; errors have words. */
static void property_of(ssize_t (*reply)(const uint8_t *p, size_t len, char *err),
                        const uint8_t *data, size_t size)
{
	char err[RPC_TEXT_MAX] = "", again[RPC_TEXT_MAX] = "";
	ssize_t all = reply(data, size, err);

	PROPERTY(all > 0 || all == -EAGAIN || all == -EPROTO || all == -ECONNREFUSED);
	PROPERTY((all == -EPROTO || all == -ECONNREFUSED) == (err[0] != '\0'));
	PROPERTY(strlen(err) < RPC_TEXT_MAX);
	for (size_t n = 0; n < size && n < 300; n++) {
		ssize_t r = reply(data, n, again);

		PROPERTY(r == -EAGAIN || r == all);
	}
}

static void property_check(const uint8_t *data, size_t size)
{
	property_of(via_socks_reply, data, size);
	property_of(via_http_reply, data, size);
}
