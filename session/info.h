/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/info.h - what `xpra info :proxy-PID` shows. Pure. Guard.
 */
#pragma once

#include <stdbool.h>

#include "session/control.h"
#include "wire/token.h"

/* Writes the tree as one dict: nested, or flat with dotted keys for clients that do not ask for a
 * namespace. Errors stay in w. */
void info_write(struct token_writer *w, bool nested, const struct control_facts *f);

/* What `xpra id :proxy-PID` shows. */
void info_write_id(struct token_writer *w, const struct control_facts *f);
