# SPDX-License-Identifier: GPL-2.0-or-later
"""What a connection costs that uses one module does not depend on which others are installed."""
import glob
import os
import re
import shutil

import harness as h
import xpranet as x
from test_login import session, users_db

SECONDS = 60
# What a login with sqlite has no use for.
FOREIGN = re.compile(r"lib(pq|mariadb|ldap|lber|pam|krbN|gssapi\w*|jansson|curl|crypt|fidoN|cjson)\b|auth-(?!sqlite)\w+|/www/")


def program(name, others):
    """The program and its objects in a folder of their own: all of them, or only sqlite's."""
    where = h.make_dir(name)
    for path in [h.CONN] + glob.glob(h.BUILD + "/*.so"):
        if others or not os.path.basename(path).startswith("auth-") or path.endswith("/auth-sqlite.so"):
            shutil.copy(path, where)
    return where + "/xproxy-conn"


def trace(conn_program, conf):
    """The files that one login opens, or looks for, in all its processes; and its other system calls, counted."""
    log = os.path.join(h.SCRATCH, f"trace-{next(h._serial)}")
    script = h.make_file(f"run-{next(h._serial)}", f"#!/bin/sh\nexec strace -f -qq -o {log} "
                         f"-e trace=openat,open,mmap,execve,clone,clone3 {conn_program} \"$@\"\n", 0o755)
    program_before, h.CONN = h.CONN, script
    try:
        conn = h.spawn(conf)
    finally:
        h.CONN = program_before
    p = conn.peer.login(x.hello65(username=h.alice.name), "s3cret", timeout=20)
    assert p.name == "hello", f"{x.texts(p)!r:.200}\n{conn.log()}"
    conn.peer.close()
    conn.wait(10)
    with open(log, errors="replace") as f:
        text = f.read()
    files = re.findall(r'open(?:at)?\(.*?"([^"]*)"', text)
    folder = os.path.dirname(conn_program)
    # what is of one process or connection: /proc/PID, the control socket
    files = sorted(re.sub(r"\d+", "N", f.replace(folder, "FOLDER")) for f in files)
    return files, len(re.findall(r"\bmmap\(", text)), len(re.findall(r"\bclone3?\(", text))


@h.needs_root
@h.needs_tool("strace")
def test_other_modules_cost_nothing():
    row = (h.alice.name, "s3cret", str(h.alice.uid), str(h.alice.gid), ":100", "", "")
    conf = h.conf(f"sqlite(filename={users_db(row)})")
    session()
    alone, with_others = program("alone", False), program("others", True)
    assert len(os.listdir(os.path.dirname(with_others))) > len(os.listdir(os.path.dirname(alone)))
    few, many = trace(alone, conf), trace(with_others, conf)
    assert any("auth-sqlite.so" in f for f in few[0]) and any("libsqlite" in f for f in few[0]), few
    assert few == many, f"{sorted(set(few[0]) ^ set(many[0]))} {few[1:]} {many[1:]}"
    foreign = [f for f in many[0] if FOREIGN.search(f)]
    assert not foreign, foreign


@h.needs_root
@h.needs_tool("strace")
def test_a_module_is_seen():
    """The counting above does see a module that is used."""
    conf = h.conf(f"{h.multifile(h.line(h.alice.name, 's3cret', ':100'))} || pgsql(uri=postgresql:///x)")
    session()
    files, _, _ = trace(program("others", True), conf)
    assert any("auth-pgsql.so" in f for f in files) and any(FOREIGN.search(f) for f in files), files
