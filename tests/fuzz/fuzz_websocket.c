/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/fuzz/fuzz_websocket.c - libFuzzer: any bytes as WebSocket frames, in any cut.
 */
#include <stdint.h>

#include "tests/fuzz/ensure.h"

#define PROPERTY ENSURE
#include "tests/unit/websocket_property.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	property_check(data, size);
	return 0;
}
