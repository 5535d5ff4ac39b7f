# SPDX-License-Identifier: GPL-2.0-or-later
"""The name in a client's TLS certificate, without a password: which name, for whom, and who has none."""
import harness as h
import test_certificates as certs
import xpranet as x

SECONDS = 15


def log_in(spec, pair, version="1.3", optional=False, name="somebody-else", password="pw"):
    """(the packet that the login ends with, the connection)"""
    listen = certs.with_authority(TLSVerifyClient="optional" if optional else "require")
    conn = h.spawn(h.conf(spec, Listen=listen))
    conn.peer.start_tls(certs.context(pair, version))
    caps = x.hello65(username=name)
    conn.peer.hello(caps)
    while (p := conn.peer.read_packet(5)).name == "challenge":
        conn.peer.answer(p, caps, password)
    return p, conn


def alice(*names, subject=None):
    """A certificate of hers, by these alternative names."""
    subject = subject or f"/O=Example/CN={h.alice.name}"
    return certs.client_of(f"alice-{hash((names, subject)) & 0xffffffff:x}", certs.CLIENT,
                           *(["subjectAltName=" + ",".join(names)] if names else []), subject=subject)


@h.needs_root
@h.each("cn 1.2", "cn 1.3", "email", "dns", "uri", "dn")
def test_let_in(case):
    """The certificate says who it is, whatever the client calls itself; the sessions are that user's."""
    field, version = (case.split() + ["1.3"])[:2]
    name = h.alice.name
    pair = {"cn": lambda: alice(), "email": lambda: alice(f"email:{name}@example.org"), "dns": lambda: alice(f"DNS:{name}"),
            "uri": lambda: alice(f"URI:urn:{name}"), "dn": lambda: alice()}[field]()
    users = h.make_file("map", f"urn:{name} {name}\nCN={name},O=Example {name}\n")
    how = {"email": ",map-user=strip-domain", "uri": f",map-user={users}", "dn": f",map-user={users}"}.get(field, "")
    srv = h.Server("6.5", where=f"{h.alice.sockets}/{h.HOSTNAME}-100", user=h.alice)
    p, conn = log_in(f"certificate(field={field}{how})", pair, version)
    assert p.name == "hello", f"{x.texts(p)}\n{conn.log()}"
    srv.get()
    conn.logged(f"login: user '{name}' from")


NOBODY = {  # module, certificate, words in the log
    "none": ("certificate", None, "no certificate with one cn"),
    "no email": ("certificate(field=email)", lambda: alice(), "no certificate with one email"),
    "two emails": ("certificate(field=email)", lambda: alice("email:a@example.org", "email:b@example.org"), "with one email"),
    "two names": ("certificate", lambda: alice(subject="/O=Example/CN=bob/CN=root"), "with one cn"),
    "path": ("certificate", lambda: certs.client_of("path", subject="/O=Example/CN=\\/etc"), "is no user name"),
    "too long": ("certificate(field=uri)", lambda: alice("URI:urn:" + "x" * 300), "is no user name"),
}


@h.each(*NOBODY)
def test_cannot_tell(case):
    spec, pair, words = NOBODY[case]
    p, conn = log_in(spec, pair and pair(), optional=True)
    assert p.name == "disconnect" and x.text(p[1]) == "authentication error", x.texts(p)
    assert words in conn.logged("refused"), conn.log()


def test_another_than_the_client_says():
    p, conn = log_in("certificate(verify-username=yes)", alice(), name="mallory")
    assert x.text(p[1]) == "invalid username 'mallory'", x.texts(p)


@h.needs_root
def test_or_a_password():
    """Who has none may have a password."""
    srv = h.Server("6.5")
    spec = "certificate || " + h.multifile(h.line("john", "pw", srv.uri))
    p, conn = log_in(spec, None, optional=True, name="john")
    assert p.name == "hello", f"{x.texts(p)}\n{conn.log()}"
    conn.logged(r"login: user 'john' .*\(multifile\)")
