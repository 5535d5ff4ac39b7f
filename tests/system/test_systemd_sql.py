# SPDX-License-Identifier: GPL-2.0-or-later
"""Sessions in PostgreSQL within what the installed unit allows, under a real systemd; the real client over TLS."""
import os

import databases
import harness as h
import machine
from machine import needs_machine

SECONDS = 90


def configure(m, db, module):
    where = databases.certificates()
    for name, mode in (("server.pem", 0o644), ("server.key", 0o600), ("ca.pem", 0o644)):
        with open(f"{where}/{name}", encoding="utf8") as f:
            m.put(f"/etc/xproxy/tls/{name}", f.read(), mode)
    m.put("/etc/xproxy/uri", db.uri.replace(where, "/etc/xproxy/tls") + "\n", 0o600)
    m.configure(f"[Auth]\nModule={module}\n[Listen]\nTLSCertificate=/etc/xproxy/tls/server.pem\n"
                "TLSKey=/etc/xproxy/tls/server.key\n[Sessions]\nRegistry=pgsql(uri-file=/etc/xproxy/uri)\n")


@h.needs_xpra
@h.timeout(120)
@needs_machine
def registry(m, module):
    db = databases.database("pgsql")
    db.fill(("alice", None, "alice", "alice", ":150", "", ""))
    session = machine.RealSession(m, "alice", 150)
    h.defer(session.stop)
    m.shell("echo alice:pw | chpasswd")
    m.put("/etc/xproxy/password", "pw", 0o600)
    configure(m, db, {"file": "file(filename=/etc/xproxy/password)", "pam": "pam",
                      "hashed": f"{db.spec(passwords='hashed').replace(databases.certificates(), '/etc/xproxy/tls')}"}[module])
    if module == "hashed":
        db.fill()
        r = h.ctl("users", db.local, "add", "--hash", "alice", "pw", "alice", "alice", ":150")
        assert r.returncode == 0, r.stderr
    out = m.run("xproxyctl", "check", check=False).stdout
    assert "registry pgsql: [Sessions] Registry=" in out and "error    registry" not in out, out
    client = h.RealClient("ssl://alice:pw@127.0.0.1:14500/", "--ssl-server-verify-mode=none")
    client.attached(session.title)
    login = m.journal("XPROXY_EVENT=login")[-1]
    assert login["XPROXY_USER"] == "alice" and login["XPROXY_UPSTREAM"] == ":150", login
    assert login["XPROXY_MODULE"] == ("pgsql" if module == "hashed" else module), login
    client.detach()
    h.eventually(lambda: not m.units(), 5, lambda: f"units left: {m.units()}")
    client = h.RealClient("ssl://alice:wrong@127.0.0.1:14500/", "--ssl-server-verify-mode=none")
    client.ended()
    h.eventually(lambda: m.journal("XPROXY_EVENT=refused"), 5)
    db.process.terminate()
    db.process.wait()
    databases.database.cache_clear()
    client = h.RealClient("ssl://alice:pw@127.0.0.1:14500/", "--ssl-server-verify-mode=none")
    client.ended()
    said = h.eventually(lambda: [j for j in m.journal("XPROXY_EVENT=refused") if "refused" in j["MESSAGE"]
                                 and "PostgreSQL" in j["MESSAGE"]], 5, "the log names the database")
    assert databases.ESCAPED not in said[-1]["MESSAGE"], said


def test_file():
    registry("file")


def test_hashed():
    registry("hashed")


def test_pam():
    if not os.path.exists(f"{h.BUILD}/auth-pam.so"):
        raise h.Skip("auth-pam.so is not built")
    registry("pam")
