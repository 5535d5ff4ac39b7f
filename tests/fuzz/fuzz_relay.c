/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Any bytes from a peer, after the login: byte 0 chooses the direction and what the peers can read,
 * byte 1 the sizes of the pieces they arrive in. However they are cut, what the other side gets is
 * the same and is whole records; only how early it gets it, and what becomes of a record whose
 * compression is corrupt, may depend on that. Links relay/peek.c, relay/edit.c, relay/flow.c and
 * what they use.
 */
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PROPERTY(cond)           \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)
#include "tests/unit/relay_rig.h"

static const enum encoder encoders[] = {ENCODER_RENCODEPLUS, ENCODER_RENCODE, ENCODER_BENCODE};
static struct rig rig;

static struct flow *start(unsigned how)
{
	struct leg *to;

	rig_reset(&rig, encoders[how % 3], encoders[how / 3 % 3]);
	rig.w.shape_down = (enum hello_shape)(how / 9 % 3);
	to = how & 1 ? &rig.w.server : &rig.w.client;
	if (how & 128)
		to->compressors = COMPRESSORS_ALL;
	return how & 1 ? &rig.w.up : &rig.w.down;
}

static int feed(struct flow *f, const uint8_t *data, size_t size, unsigned step, bool ping)
{
	int r = 0;

	for (size_t at = 0; r == 0 && at < size;) {
		size_t n =
			step ? 1 + (step * (at + 1) * 2654435761u >> 13) % (step * 4) : RIG_PIECE;

		if (n > size - at)
			n = size - at;
		if (ping && at % 3 == 0)
			edit_ping(&rig.w, f);
		r = rig_feed(&rig, f, data + at, n, RIG_PIECE);
		at += n;
	}
	return r;
}

/* Ours are records too. The last may be cut short, if it was passed as it came. */
static void check_records(const struct flow *f)
{
	const struct sink *s = rig_sink(&rig, f);
	struct header h;

	for (size_t at = 0; at < s->len; at += HEADER_LEN + h.size) {
		PROPERTY(header_parse(s->data + at, s->len - at, &h, NULL) == 0);
		PROPERTY(!(h.flags & HEADER_CIPHER));
		PROPERTY(h.index > 0 || f->to->encoders & encoders_bit(h.flags & ENCODER_FLAGS));
		PROPERTY(!h.compression ||
		         f->to->compressors & COMPRESSOR_BIT(compressor_of(h.compression)));
		if (s->len - at < HEADER_LEN + h.size) {
			PROPERTY(f->record_left == HEADER_LEN + h.size - (s->len - at));
			break;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;
	struct sink *s;
	struct flow *f;
	uint8_t *whole;
	size_t len;

	if (!ready)
		rig_init(&rig);
	ready = true;
	if (size < 2)
		return 0;
	f = start(data[0]);
	s = rig_sink(&rig, f);
	(void)feed(f, data + 2, size - 2, 0, false);
	check_records(f);
	len = s->len;
	whole = malloc(len + 1);
	PROPERTY(whole);
	if (len > 0)
		memcpy(whole, s->data, len);
	f = start(data[0]);
	(void)feed(f, data + 2, size - 2, data[1], false);
	if (len > s->len)
		len = s->len;
	PROPERTY(len == 0 || memcmp(s->data, whole, len) == 0);
	free(whole);
	f = start(data[0]);
	(void)feed(f, data + 2, size - 2, data[1], true);
	check_records(f);
	PROPERTY(s->len >= len);
	(void)rig_logged(&rig);
	return 0;
}
