# SPDX-License-Identifier: GPL-2.0-or-later
"""Modules within what the installed unit allows, under a real systemd: accounts of the machine, a directory server, a
KDC; the real client over TLS."""
import base64
import os
import ssl

import harness as h
import machine
import secure
import test_auth_kerberos as kerberos
import test_auth_ldap as ldap
import xpranet as x
from machine import needs_machine

SECONDS = 90
TLS = "[Listen]\nTLSCertificate=/etc/xproxy/tls/cert.pem\nTLSKey=/etc/xproxy/tls/key.pem\n"
USERS = "/var/lib/xproxy/users.sdb"


def configure(m, module, sessions=""):
    for name, path in zip(("cert.pem", "key.pem"), secure.server_certificate()):
        with open(path, encoding="utf8") as f:
            m.put(f"/etc/xproxy/tls/{name}", f.read(), 0o600)
    m.configure(f"[Auth]\nModule={module}\n{TLS}[Sessions]\n{sessions}")


def client():
    peer = machine.client()
    peer.start_tls(ssl.create_default_context(cafile=secure.server_certificate()[0]))
    peer.encoder = x.RENCODEPLUS
    return peer


def refused(m, user, password):
    """Whoever it is; the last word of the journal about it."""
    since = len(m.journal("XPROXY_EVENT=refused"))
    p = client().login(secure.hello(user), password)
    assert x.texts(p)[0] == "disconnect", x.texts(p)
    return h.eventually(lambda: m.journal("XPROXY_EVENT=refused")[since:], 5)[0]["MESSAGE"]


def registry(m):
    """A database of sessions, in which nobody has a password; its Registry= line."""
    m.shell(f"rm -f {USERS}; xproxyctl users {USERS} create && "
            f"echo 'never asked for' | xproxyctl users {USERS} add alice - alice alice :150")
    return f"Registry=sqlite(filename={USERS})\n"


def attach(m, session, user="alice", password="pw"):
    """The real client sees its window; what the journal says of the login."""
    real = h.RealClient(f"ssl://{user}:{password}@127.0.0.1:14500/", "--ssl-server-verify-mode=none")
    real.attached(session.title)
    login = m.journal("XPROXY_EVENT=login")[-1]
    unit = h.eventually(m.units, 5, "a unit for the connection")[0]
    main = [pid for pid in machine.processes() if str(machine.inner_pid(pid)) == m.show(unit, "MainPID")["MainPID"]]
    assert main and machine.uid_of(main[0]) == m.uids["alice"], login
    real.detach()
    h.eventually(lambda: not m.units(), 5, lambda: f"units left: {m.units()}")
    return login


@h.needs_xpra
@h.timeout(120)
@needs_machine
def test_pam(m):
    """/etc/shadow is read by the process itself: with NoNewPrivileges= no helper could. Sessions of the user, and
    those of a database."""
    m.shell("echo alice:pw | chpasswd")
    assert m.shell("ls /etc/pam.d/xproxy").returncode == 0
    session = machine.RealSession(m, "alice", 150)
    for sessions in ("", registry(m)):
        configure(m, "pam", sessions)
        login = attach(m, session)
        assert login["XPROXY_MODULE"] == "pam" and login["XPROXY_USER"] == "alice", login
    assert "wrong password or unknown user (pam)" in refused(m, "alice", "pwx")
    assert "wrong password or unknown user (pam)" in refused(m, "nosuch", "pw")
    configure(m, "pam")
    m.shell("usermod --expiredate 1970-02-01 alice")
    assert "the account may not be used" in refused(m, "alice", "pw")
    m.shell("usermod --expiredate '' alice; usermod --lock alice")
    assert "wrong password or unknown user (pam)" in refused(m, "alice", "pw")
    session.stop()


@h.needs_xpra
@h.timeout(120)
@needs_machine
def test_ldap_and_sqlite(m):
    """Passwords in a directory server, sessions in a database."""
    if not os.path.exists("/usr/sbin/slapd"):
        raise h.Skip("slapd is not installed")
    d = ldap.slapd()
    session = machine.RealSession(m, "alice", 150)
    with open(d.ca[0], encoding="utf8") as f:
        m.put("/etc/xproxy/ca.pem", f.read())
    m.put("/etc/xproxy/ldap-password", ldap.SECRET + "\n", 0o600)
    configure(m, f'ldap(uri=ldaps://localhost:{d.tls_port},cacert=/etc/xproxy/ca.pem,base="{ldap.BASE}",'
                 f'bind-dn="{ldap.SERVICE}",bind-password-file=/etc/xproxy/ldap-password)', registry(m))
    out = m.run("xproxyctl", "check", check=False).stdout
    assert "module ldap" in out and "rror" not in out.split("module ldap")[1].split("\n")[0], out
    login = attach(m, session)
    assert login["XPROXY_MODULE"] == "ldap" and login["XPROXY_UPSTREAM"] == ":150", login
    assert "wrong password or unknown user (ldap)" in refused(m, "alice", "pwx")
    # who is in the directory and has no sessions
    p = client().login(secure.hello("bob"), "pw")
    assert x.texts(p)[1] == "session not found error", x.texts(p)
    session.stop()


@needs_machine
def test_kerberos_token(m):
    """The cache that finds replays is written to /run/xproxy."""
    if not all(os.path.exists(tool) for tool in kerberos.KDC_TOOLS):
        raise h.Skip("there is no KDC")
    r, server = kerberos.realm(), h.Server("6.5")
    with open(r.keytab("xpra/localhost"), "rb") as f:
        m.put("/etc/xproxy/keytab", "", 0o600)
        with open(f"{m.root}/etc/xproxy/keytab", "wb") as out:
            out.write(f.read())
    with open(r.conf, encoding="utf8") as f:
        m.put("/etc/krb5.conf", f.read())
    m.put("/etc/xproxy/users", f"alice|never asked for|alice|alice|{server.uri}||\n", 0o600)
    configure(m, "kerberos-token(service=xpra@localhost,keytab=/etc/xproxy/keytab,map-user=strip-domain)",
              "Registry=multifile(filename=/etc/xproxy/users)\n")
    token = kerberos.fresh(r, "kerberos-token")
    assert len(base64.b64decode(token)) > 400
    since = len(m.journal("XPROXY_EVENT=refused"))
    for first in (True, False):
        caps = secure.hello("somebody", "kerberos")
        p = client()
        p.hello(caps)
        kerberos.answer(p, p.expect("challenge"), caps, token)
        got = p.read_packet(10)
        assert got.name == ("hello" if first else "disconnect"), (first, x.texts(got), m.journal("-u", "xproxy@*")[-3:])
    said = h.eventually(lambda: m.journal("XPROXY_EVENT=refused")[since:], 5)[-1]["MESSAGE"]
    assert "replay" in said, said
    assert m.shell("stat -c '%U %a' /run/xproxy/krb5.rcache2").stdout.strip() == "root 600"
