/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/fuzz/fuzz_yaml.c - libFuzzer: any bytes as a packet in yaml, see
 * tests/unit/yaml_property.h.
 */
#define PROPERTY(cond)                    \
	do {                              \
		if (!(cond))              \
			__builtin_trap(); \
	} while (0)
#include "tests/unit/yaml_property.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	yaml_property_check(data, size);
	return 0;
}
