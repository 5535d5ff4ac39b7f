/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/decode.h - how the probe of encoders sees what they have made: a decoder by other authors, in
 * the shared object probe-decode.so, as its library brings dozens of others. In xproxyctl.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/frame.h"

#define DECODER_ABI 1

struct decoder {
	uint32_t abi; /* DECODER_ABI */

	/* NULL: it cannot decode that, or no memory. */
	void *(*open)(enum coding coding);
	/* The picture that data alone makes the client show next, as B G R X, rows without gaps. 0;
	 * -EBADMSG it makes none, or one of another size; -ENOTSUP of pixels not known here. */
	int (*decode)(void *dec, const uint8_t *data, size_t len, uint16_t w, uint16_t h,
	              uint8_t *ret_pixels);
	void (*close)(void *dec); /* NULL is fine */
};

/* NULL: *ret_why (static) says why not. */
const struct decoder *decoder_find(const char **ret_why);
