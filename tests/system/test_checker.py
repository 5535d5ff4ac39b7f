# SPDX-License-Identifier: GPL-2.0-or-later
"""Modules that take their time, or crash: the process that asks them, and what is left when somebody goes."""
import functools
import os
import shutil
import signal
import subprocess
import time

import harness as h
import xpranet as x

SECONDS = 40

MAYHEM = r"""
#include "auth/module.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int verify(struct auth_attempt *a, struct auth_row *row)
{
	const char *what = auth_option(a->options, "value", "");

	(void)row;
	if (strcmp(what, "child") == 0 && fork() == 0)
		for (;;)
			pause();
	if (strcmp(what, "crash") == 0)
		*(volatile int *)8 = 0;
	if (strcmp(what, "abort") == 0)
		abort();
	if (strcmp(what, "exit") == 0)
		_exit(0);
	while (strcmp(what, "yes") != 0)
		pause();
	return AUTH_YES;
}

static const char *const options[] = {"value", NULL};
const struct auth_module auth_module = {
	.abi = AUTH_MODULE_ABI, .name = "mayhem", .options = options, .verify = verify,
};
"""


@functools.lru_cache(None)
def program():
    """The program in a folder with a module that it has never heard of beside it."""
    if not shutil.which("cc"):
        raise h.Skip("cc is not installed")
    folder = h.make_dir("program")
    shutil.copy(h.CONN, folder)
    source = h.make_file("mayhem.c", MAYHEM)
    subprocess.run(["cc", "-shared", "-fPIC", "-D_GNU_SOURCE", f"-I{h.ROOT_DIR}", "-o", f"{folder}/auth-mayhem.so", source], check=True)
    return os.path.join(folder, "xproxy-conn")


def start(*modules, seconds="31s", **kw):
    """A connection whose client has said hello; the program is ours, with the module."""
    theirs, h.CONN = h.CONN, program()
    try:
        conn = h.spawn(h.conf(*modules, Limits={"LoginTimeout": seconds}), **kw)
    finally:
        h.CONN = theirs
    conn.peer.hello(x.hello65(username=h.alice.name))
    return conn


def mayhem(what):
    return f"mayhem(value={what})"


def checker(conn):
    """Guard and worker are two; the third asks the module."""
    def look():
        others = set(conn.processes()) - {conn.guard(), conn.worker()}
        return others and min(others)
    return h.eventually(look, 5, lambda: f"a process asks the module\n{conn.log()}")


def gone(conn, pids=()):
    """No process is left, not even of another group or parent."""
    def look():
        return not [p for p in pids if (s := h.stat(p)) and s["state"] != "Z"] and not h.program_processes()
    h.eventually(look, 3, lambda: f"left: {[(p, h.stat(p)) for p in pids]} {h.program_processes()}")


def script(body):
    return h.make_file(f"script-{next(h._serial)}", f"#!/bin/sh\n{body}\n", 0o755)


def session():
    return h.Server("6.5", where=f"{h.alice.sockets}/{h.HOSTNAME}-100", user=h.alice)


def test_it_works():
    session()
    conn = start(mayhem("yes"))
    p = conn.peer.read_packet(5)
    assert p.name == "hello", f"{x.texts(p)}\n{conn.log()}"
    h.eventually(lambda: len(conn.processes()) <= 3, 3, "the process that asked is gone")


@h.each("module", "module with a child", "program", "program that has started another", "program that ignores signals")
def test_hang(what):
    """The login timeout ends it, the log names the module, and nothing of it is left."""
    spec = {"module": mayhem("hang"), "module with a child": mayhem("child")}.get(what)
    if not spec:
        body = {"program": "exec sleep 1000", "program that has started another": "sleep 1000 & sleep 1000 & wait",
                "program that ignores signals": "trap '' TERM INT HUP; while :; do sleep 1000; done"}[what]
        spec = f"exec(command={script(body)},timeout=100)"
    conn = start(spec, seconds="1500ms")
    asks = checker(conn)
    h.eventually(lambda: what == "module" or h.descendants(asks), 3, "what it starts")
    pids = [asks] + h.descendants(asks)
    words = conn.peer.read_end()
    assert "login timeout" in words, words
    assert conn.wait() == 3
    name = spec.split("(")[0]
    line = conn.logged("refused")
    assert "login timeout" in line, line
    conn.logged(rf"\b{name}\b.*(given up|not answered)")
    gone(conn, pids)


@h.each("crash", "abort", "exit")
def test_crash(what):
    """It denies this login, whatever stands after a ||, and says so."""
    session()
    for spec in (mayhem(what), f"{mayhem(what)} || none"):
        conn = start(spec)
        p = conn.peer.read_packet(8)
        assert p.name == "disconnect" and "authentication error" in x.text(p[1]), x.texts(p)
        conn.peer.close()
        assert conn.wait() != 0
        line = conn.logged("refused")
        assert "mayhem" in line and "crashed" in line, line
        gone(conn)


@h.each("client", "worker", "guard", "SIGTERM")
def test_who_goes_meanwhile(who):
    """Whoever ends: the others do too, at once, and so does what the module has started."""
    conn = start(mayhem("child"))
    asks = checker(conn)
    h.eventually(lambda: h.descendants(asks), 3, "the module's child")
    pids = [asks] + ([] if who == "guard" else h.descendants(asks))
    child = h.descendants(asks)
    worker, began = conn.worker(), time.monotonic()
    if who == "client":
        conn.peer.close()
    elif who == "worker":
        os.kill(worker, signal.SIGKILL)
    else:
        os.kill(conn.guard(), signal.SIGKILL if who == "guard" else signal.SIGTERM)
    conn.wait(4)
    h.eventually(lambda: not [p for p in pids + [worker] if (s := h.stat(p)) and s["state"] != "Z"], 4,
                 lambda: f"left: {[(p, h.stat(p)) for p in pids]}")
    assert time.monotonic() - began < 4 * h.SLACK
    if who == "guard":  # of the group only the first has its parent's death as a signal; a unit's end ends the rest
        for pid in child:
            os.kill(pid, signal.SIGKILL)
    else:
        conn.logged("mayhem|end|closed|refused")
    gone(conn, pids)


def test_a_program_does_not_outlive_the_guard():
    """SIGKILL leaves no time to clean up: the kernel does."""
    conn = start(f"exec(command={script('exec sleep 1000')})")
    asks = checker(conn)
    h.eventually(lambda: h.descendants(asks), 3, "the program")
    pids = [asks] + h.descendants(asks)
    os.kill(conn.guard(), signal.SIGKILL)
    conn.wait()
    gone(conn, pids)


def test_timeout_of_exec():
    """Sooner than the login's: a no of its own, with the program's name."""
    path = script("sleep 1000")
    conn = start(f"exec(command={path},timeout=1)")
    p = conn.peer.read_packet(8)
    assert p.name == "disconnect" and "authentication error" in x.text(p[1]), x.texts(p)
    line = conn.logged("refused")
    assert os.path.basename(path) in line and "within 1 s" in line and "exec" in line, line
    conn.peer.close()
    conn.wait()
    gone(conn)


@h.timeout(60)
def test_fifty_at_once():
    """Each has its process; all are answered, and none is left."""
    session()
    slow = f"exec(command={script('sleep 0.3; [ $XPROXY_USER = %s ]' % h.alice.name)})"
    path = h.conf(slow, Limits={"LoginTimeout": "60s"})
    conns = [h.spawn(path) for _ in range(50)]
    for i, conn in enumerate(conns):
        conn.peer.hello(x.hello65(username=h.alice.name if i % 2 else "nobody-else"))
    for i, conn in enumerate(conns):
        p = conn.peer.read_packet(50)
        assert p.name == ("hello" if i % 2 else "disconnect"), f"{i}: {x.texts(p)}\n{conn.log()}"
        conn.peer.close()
    for conn in conns:
        conn.wait(10)
