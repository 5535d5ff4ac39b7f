/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/unseen.h - pictures that were made and that the client does not show: it cannot decode
 * them, or the worker has not sent them. Encoder process. Pure.
 */
#pragma once

#include "encode/engine.h"

/* Something else has painted r of a window, or it is no longer kept: it is not sent again, whatever
 * becomes of the pictures that are underway. 0 or -ENOSPC. */
int unseen_forget(struct engine *e, struct window *w, struct rect r);
/* The client shows a picture: nothing of it is needed any more. */
void unseen_shown(struct engine *e, uint64_t number);
/* FRAME_SHOWN says that the client does not show a picture of w: a video goes on with a key frame;
 * anything else goes once more, as pixels. All that is known of the window does, if the picture is
 * too long ago, or what was there instead of it has been moved elsewhere since. 0 or -ENOSPC. */
int unseen_repair(struct engine *e, const struct frame *f, struct window *w);
