/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/scale.c - which sizes there are, and who makes them. Encoder process. System calls:
 * scale_find(), before the lock: those of base/module.h.
 */
#include "encode/scale.h"

#include <stddef.h>

#include "base/module.h"
#include "encode/region.h"

uint16_t scale_side(uint16_t side, unsigned step)
{
	static const uint32_t sixths[] = {4, 3, 2};

	if (step == SCALE_FULL)
		return side;
	return (uint16_t)(side * sixths[step < SCALE_LAST ? step - 1 : SCALE_LAST - 1] / 6 & ~1u);
}

unsigned scale_sensible(uint16_t w, uint16_t h, unsigned step)
{
	while (step > SCALE_FULL &&
	       (scale_side(w, step) < REGION_MIN_W || scale_side(h, step) < REGION_MIN_H))
		step--;
	return step;
}

const struct scaler *scale_find(void)
{
	const struct scaler *s;
	const char *why;
	const void *symbol;

	if (module_load("encode-scale.so", "scaler", &symbol, NULL, &why) < 0)
		return NULL;
	s = symbol;
	if (s->abi != SCALER_ABI)
		return NULL;
	s->prepare();
	return s;
}
