/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/fuzz/fuzz_http.c - libFuzzer: any bytes as the head of an HTTP request.
 */
#include <stdint.h>

#include "tests/fuzz/ensure.h"

#define PROPERTY ENSURE
#include "tests/unit/http_property.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	property_check(data, size);
	return 0;
}
