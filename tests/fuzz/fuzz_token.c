/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/fuzz/fuzz_token.c - libFuzzer: any bytes as a packet; the first one selects the encoder.
 *
 * clang -fsanitize=fuzzer,address,undefined -I. tests/fuzz/fuzz_token.c wire/token*.c
 *       wire/rencode.c wire/bencode.c
 */
#define PROPERTY(cond)                    \
	do {                              \
		if (!(cond))              \
			__builtin_trap(); \
	} while (0)
#include "tests/unit/token_property.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 0)
		property_check(property_encoders[data[0] % 3], data + 1, size - 1);
	return 0;
}
