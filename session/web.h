/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/web.h - the files of HTMLRoot= and the server of HTTPBackend=, reached by children of the
 * guard that have become an unprivileged user.
 */
#pragma once

#include "base/config.h"
#include "base/peer.h"
#include "base/rpc.h"
#include "session/record.h"

/* Opens a file below HTMLRoot= as id: a regular one that id may read, under no name that begins
 * with a dot; for a path that ends in '/', index.html there. If the client takes them, PATH.br and
 * PATH.gz stand for it. A symbolic link may lead out of HTMLRoot= to files that belong to the owner
 * of HTMLRoot= itself: packages do that. WEB_PAGE: the same below the folder of the program's own
 * pages, if HTMLRoot= holds the HTML5 client. Returns the fd and *ret, or a negative errno with err
 * (RPC_TEXT_MAX): -ENOTDIR there is no such directory, -ENOENT all that has no such file. */
int web_open(const struct config *c, const struct identity *id, const struct rpc_web *what,
             struct rpc_opened *ret, char *err);

/* Connects to HTTPBackend= as id, within ConnectTimeout=, and sends it the PROXY protocol's header
 * for that client if it is to have one. abort_fd: give up when it hangs up. Returns the fd, or a
 * negative errno with err (RPC_TEXT_MAX). */
int web_connect(const struct config *c, const struct identity *id, const struct peer *client,
                int abort_fd, char *err);
