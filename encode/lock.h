/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/lock.h - the encoder's sandbox: no file, no network, no other process; with a device, that
 * device. Encoder process.
 */
#pragma once

#include <stdbool.h>

/* After encoders have been loaded, before the first pixel. device: an encoder needs one. 0; 1: it
 * holds, but this kernel has no Landlock; or a negative errno. */
int lock_down(bool device);
