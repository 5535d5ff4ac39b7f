/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xproxy-encode.c - pixels in, pictures out, for the worker of one connection.
 *
 * Codecs are large, and drivers of cards want what no locked process should have: so they are in a
 * process of their own, which has no more than a socket and some memory shared with the worker. The
 * guard starts it, as the worker's user; it does nothing until the first picture is wanted. When it
 * dies, hangs or lies, the worker goes on without it. base/frame.h: what they say to each other;
 * encode/engine.c: what is done with it.
 */
#include "encode/process.h"

int main(void)
{
	return process_run();
}
