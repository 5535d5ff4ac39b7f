/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/websocket.h - WebSocket frames as a layer of a leg: above TLS, below AES. Worker.
 *
 * Messages are read as one stream of bytes, in place. What is written goes out in unfragmented
 * binary frames of what there is to write; pings are answered between two of them.
 */
#pragma once

#include "relay/worker.h"

/* The client's leg has the layer from now on, in the server's role. What is in w->up already came
 * after the request, and becomes what it carries. 0, or negative: over. */
int websocket_begin(struct worker *w);
