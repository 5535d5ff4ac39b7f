/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/fuzz/ensure.h - what must hold whatever the input; assert() would vanish with NDEBUG.
 */
#pragma once

#include <stdlib.h>

#define ENSURE(cond)             \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)
