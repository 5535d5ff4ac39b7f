/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/process.h - what xproxy-encode runs.
 */
#pragma once

#define PROCESS_FD 3     /* a SOCK_SEQPACKET socket: the worker */
#define PROCESS_MEMORY 4 /* of frame_memory_new() */

/* Waits for the first message, which may be long after the start; then loads, locks and works until
 * the worker is gone. The exit status. */
int process_run(void);
