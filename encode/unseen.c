/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/unseen.c - pictures that were made and that the client does not show. Encoder process,
 * locked. No system calls.
 */
#include "encode/unseen.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"

#define UNDECODED_USEC (10 * USEC_PER_SEC)

int unseen_forget(struct engine *e, struct window *w, struct rect r)
{
	for (unsigned i = 0; i < ENGINE_RECENT; i++) {
		struct recent *p = &e->recent[i];
		struct area rest = {.items = {p->r}, .count = 1};

		if (p->wid != w->wid || rect_empty(rect_intersect(p->r, r)))
			continue;
		p->r = rect_without(p->r, r);
		/* Whether the client shows its other sides, nobody will ask any more: they go once
		 * more when it is quiet. */
		if (area_subtract(&rest, r) < 0 || area_subtract(&rest, p->r) < 0)
			return -ENOSPC;
		for (unsigned k = 0; k < rest.count; k++)
			if (area_add(&w->lossy, rest.items[k], w->valid) < 0)
				return -ENOSPC;
	}
	return 0;
}

void unseen_shown(struct engine *e, uint64_t number)
{
	struct recent *p = &e->recent[number % ENGINE_RECENT];

	if (p->number == number)
		p->r = (struct rect){0, 0, 0, 0};
}

/* What cannot be decoded twice is not sent again at all. */
static void distrust(struct engine *e, enum coding c, uint64_t now)
{
	bool again = e->undecoded_usec && now < e->undecoded_usec + UNDECODED_USEC;

	e->undecoded_usec = now;
	if (!again || e->ladder.refused & CODING_BIT(c))
		return;
	e->ladder.refused |= CODING_BIT(c);
	snprintf(e->ladder.why, sizeof(e->ladder.why), "the client cannot decode %s",
	         coding_name(c));
	e->ladder.fallbacks++;
	if (c == CODING_SCROLL)
		e->setup.codings &= ~CODING_BIT(CODING_SCROLL);
}

int unseen_repair(struct engine *e, const struct frame *f, struct window *w)
{
	const struct recent *p = &e->recent[f->number % ENGINE_RECENT];
	bool known = p->number == f->number && p->wid == f->wid;
	bool sent = f->shown.decode_usec != FRAME_NOT_SHOWN;

	if (sent && known && p->coding == e->rgb_coding)
		return 0; /* it will not be better the next time */
	if (sent && known)
		distrust(e, (enum coding)p->coding, e->clock());
	if (w->video)
		w->video->force_key = true;
	if (window_end_scroll(w) < 0)
		return -ENOSPC;
	if (known && area_add(&w->owed, p->r, w->valid) < 0)
		return -ENOSPC;
	if ((!known || f->number < w->scrolled) && area_add(&w->owed, w->valid, w->valid) < 0)
		return -ENOSPC;
	w->ratio = 1; /* as pixels */
	w->flush_usec = e->clock();
	return 0;
}
