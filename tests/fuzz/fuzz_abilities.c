/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Any bytes as a client's hello: byte 0 chooses the encoder, the rest is the payload. What can be
 * hidden reads back as a hello that takes pixels alone, and hiding it again changes nothing. Links
 * relay/abilities.c.
 */
#include "relay/abilities.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "relay/hello.h"

#include "tests/fuzz/ensure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const enum encoder encoders[] = {ENCODER_RENCODEPLUS, ENCODER_RENCODE, ENCODER_BENCODE};

static void check_setup(const struct frame_setup *s)
{
	ENSURE(s->codings < CODING_BIT(CODING_MAX_) && s->pixels < PIXEL_BIT(PIXEL_MAX_));
	ENSURE(s->video_max_w <= FRAME_SIDE_MAX && s->video_max_h <= FRAME_SIDE_MAX);
	ENSURE(s->wishes.quality <= 100 && s->wishes.min_quality <= 100 &&
	       s->wishes.max_quality <= 100 && s->wishes.speed <= 100 &&
	       s->wishes.min_speed <= 100);
	ENSURE(s->wishes.refresh_delay_msec < 60000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t room = 6 * size + 4096;
	uint8_t *out = malloc(room), *again = malloc(room);
	struct token_reader r;
	struct frame_setup s;
	size_t len, n;
	enum encoder e;

	ENSURE(out && again);
	if (size > 0) {
		e = encoders[data[0] % 3];
		if (abilities_read(data + 1, size - 1, e, &s))
			check_setup(&s);
		memset(&s, 0, sizeof(s));
		token_reader_init(&r, e, data + 1, size - 1);
		if (abilities_config(&r, &s))
			check_setup(&s);
		if (abilities_hide(data + 1, size - 1, e, out, room, &len) == 0) {
			ENSURE(len <= room && hello_open(&r, e, out, len) == 0);
			ENSURE(abilities_hide(out, len, e, again, room, &n) == 0);
			ENSURE(n == len && memcmp(out, again, n) == 0);
			ENSURE(abilities_hide(data + 1, size - 1, e, again, len - 1, &n) ==
			       -ENOBUFS);
		}
	}
	free(out);
	free(again);
	return 0;
}
