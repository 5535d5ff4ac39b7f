/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/fuzz/fuzz_via.c - libFuzzer: any bytes as a SOCKS5 or HTTP proxy's answer. Links
 * session/via.c and wire/http.c.
 */
#include <stdint.h>

#include "tests/fuzz/ensure.h"

#define PROPERTY ENSURE
#include "tests/unit/via_property.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	property_check(data, size);
	return 0;
}
