/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/serve.h - `xproxy-x2gobroker --answer`: one request, as base/x2go.h has it.
 */
#pragma once

/* The guard is at fd 0, the client's way at fd 1. An exit code. */
int serve_run(void);
