# SPDX-License-Identifier: GPL-2.0-or-later
"""The parts of a TLS handshake that say who is who and what is spoken: several certificates, protocols."""
import functools
import os
import re
import socket
import ssl
import subprocess

import harness as h
import test_tls
import xpranet as x

SECONDS = 60
ALIAS = "alias.example.org"


# ---- an authority
def make(name, *extensions, subject=None, issuer=None, days=("-days", "2"), key=("ec", "-pkeyopt", "ec_paramgen_curve:P-256")):
    """(certificate, key), signed by issuer, a pair, or by itself."""
    d = h.make_dir("certificates", 0o755)
    pair = os.path.join(d, f"{name}.pem"), os.path.join(d, f"{name}.key")
    cmd = ["openssl", "req", "-x509", "-newkey", *key, "-nodes", *days, "-subj", subject or f"/CN={name}", "-utf8",
           "-keyout", pair[1], "-out", pair[0]]
    if issuer:
        cmd += ["-CA", issuer[0], "-CAkey", issuer[1]]
    for e in extensions:
        cmd += ["-addext", e]
    subprocess.run(cmd, check=True, capture_output=True)
    os.chmod(pair[1], 0o600)
    return pair


# ---- several certificates
RSA = ("rsa:2048",)


@functools.lru_cache(None)
def several():
    """The first for localhost; one by a wildcard, one by the name only, one with the key in the same file."""
    first = test_tls.certificate()
    wild = make("wild", "subjectAltName=DNS:*.example.org,DNS:example.net", key=RSA)
    named = make("named.example.com", "basicConstraints=CA:FALSE")
    return first, wild, named


def listen_several(pairs=None, **more):
    pairs = pairs or several()
    return {"TLSCertificate": [c for c, _ in pairs], "TLSKey": [k for _, k in pairs], **more}


def whose(conn, name, highest=None):
    """The certificate that a client gets who names this host."""
    c = ssl.create_default_context()
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    if highest:
        c.maximum_version = highest
    s = c.wrap_socket(conn.peer.sock, server_hostname=name)
    return ssl.DER_cert_to_PEM_cert(s.getpeercert(True))


def pem(pair):
    with open(pair[0]) as f:
        return f.read()


@h.each("1.2", "1.3")
def test_server_names(version):
    """By DNS names, wildcards and, where there are none, the common name; the first for all else."""
    first, wild, named = several()
    highest = test_tls.V12 if version == "1.2" else None
    for name, pair in (("localhost", first), (None, first), ("unknown.example.com", first), ("a.example.org", wild),
                       ("A.Example.ORG", wild), ("a.b.example.org", first), ("example.net", wild), ("example.org", first),
                       ("named.example.com", named), ("wild", first), ("x" * 60 + ".example.org", wild)):
        conn = h.spawn(h.conf("allow", Listen=listen_several()))
        assert whose(conn, name, highest) == pem(pair), name
        conn.peer.close()


def test_session_with_another_certificate():
    """It is a session as with the first, verified by the client against that name."""
    _, wild, _ = several()
    c = ssl.create_default_context(cafile=wild[0])
    conn = h.spawn(h.conf("password(value=pw)", Listen=listen_several()))
    conn.peer.start_tls(c, "desk.example.org")
    conn.peer.hello(x.hello65(username="john", digest=["xor"]))
    conn.peer.expect("challenge")


def client_hello(name):
    """A ClientHello whose server name is these bytes."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    c = ssl.create_default_context()
    place = ".".join(["x" * 60] * 4)[:len(name)]
    tls = c.wrap_bio(incoming, outgoing, server_hostname=place)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    data = outgoing.read()
    assert data.count(place.encode()) == 1
    return data.replace(place.encode(), name)


@h.each("zero byte", "only zeros", "control", "utf-8", "not a name", "long", "dots", "wildcard")
def test_malformed_server_name(case):
    """Refused by an alert, or the first certificate; never another one, never a crash."""
    name = {"zero byte": b"a.example.org\0.evil.example", "only zeros": b"\0" * 8, "control": b"a\n.example.org", "utf-8": "ä.example.org".encode(),
            "not a name": b"*%s%n../../etc", "long": b"y." * 120 + b"y", "dots": b"....example.org", "wildcard": b"*.example.org"}[case]
    conn = h.spawn(h.conf("allow", Listen=listen_several()), env=None)
    conn.peer.send_raw(client_hello(name))
    conn.peer.sock.settimeout(5)
    first = conn.peer.sock.recv(6, socket.MSG_WAITALL)
    if case in ("zero byte", "only zeros"):
        assert first[0] == 21, first.hex()  # an alert
        assert conn.wait() == 8
    else:
        assert first[0] == 22 and first[5] == 2, first.hex()  # a ServerHello
    conn.peer.close()
    assert conn.wait() in (0, 8), conn.log()


def test_keys_of_several():
    """Without TLSKey= all but the first have theirs with them; a number that does not fit is refused, and so is a key
    of another certificate."""
    first, wild, named = several()
    both = [h.make_file(f"both{i}.pem", pem(p) + open(p[1]).read(), 0o600) for i, p in enumerate((first, wild))]
    conn = h.spawn(h.conf("allow", Listen={"TLSCertificate": both}))
    assert whose(conn, "a.example.org") == pem(wild)
    test_tls.bad("TLSCertificate= has 2 files, TLSKey= has 1", TLSCertificate=[first[0], wild[0]], TLSKey=first[1])
    test_tls.bad("TLSCertificate= has 1 files, TLSKey= has 2", TLSCertificate=first[0], TLSKey=[first[1], wild[1]])
    test_tls.bad(rf"TLSKey={wild[1]}: ", TLSCertificate=[first[0], named[0]], TLSKey=[first[1], wild[1]])
    test_tls.bad("TLSCertificate=/none: No such file", TLSCertificate=[first[0], "/none"], TLSKey=[first[1], first[1]])


def test_check_of_several():
    """`xproxyctl check` looks at each."""
    first, wild, named = several()
    path = h.conf("none", Listen=listen_several())
    out = h.ctl("check", conf_path=path).stdout
    for cert, key in several():
        assert re.search(rf"TLS certificate.*{re.escape(cert)}: number 1 expires on", out), out
        assert re.search(rf"TLS key.*{re.escape(key)}", out), out
    r = h.ctl("check", conf_path=h.conf("none", Listen=listen_several([first, (named[0], wild[1])])))
    assert r.returncode == 1 and f"{wild[1]} does not belong to the certificate" in r.stdout, r.stdout
    r = h.ctl("check", conf_path=h.conf("none", Listen={"TLSCertificate": [first[0], wild[0]], "TLSKey": first[1]}))
    assert r.returncode == 1 and "TLSCertificate= has 2 files, TLSKey= has 1" in r.stdout, r.stdout


# ---- protocols
@h.each("1.2", "1.3")
def test_protocols(version):
    """ALPN: xpra before http/1.1; never another one, and a list without ours does no harm."""
    for offered, chosen in ((["xpra"], "xpra"), (["http/1.1"], "http/1.1"), (["h2", "http/1.1"], "http/1.1"), (["h2"], None),
                            (["http/1.1", "xpra"], "xpra"), (["http/1.0", "xpra/7", "x" * 255], None), ([], None)):
        conn = h.spawn(h.conf("password(value=pw)", Listen=test_tls.listen()))
        c = test_tls.context(highest=test_tls.V12 if version == "1.2" else None)
        if offered:
            c.set_alpn_protocols(offered)
        conn.peer.start_tls(c)
        assert conn.peer.sock.selected_alpn_protocol() == chosen, (offered, conn.peer.sock.selected_alpn_protocol())
        conn.peer.hello(x.hello65(username="john", digest=["xor"]))
        conn.peer.expect("challenge")
        conn.peer.close()


@h.each("empty", "empty name", "too long", "cut off")
def test_malformed_protocols(case):
    """A ClientHello whose list of protocols is broken: an alert."""
    good = b"\x00\x10\x00\x0c\x00\x0a\x04xpra\x04xpra"
    broken = {"empty": b"\x00\x10\x00\x0c\x00\x00\x04xpra\x04xpra", "empty name": b"\x00\x10\x00\x0c\x00\x0a\x00" + b"\x01a" * 4 + b"\x00",
              "too long": b"\x00\x10\x00\x0c\x00\x0b\x04xpra\x04xpra", "cut off": b"\x00\x10\x00\x0c\x00\x0a\x04xpra\xffxpra"}[case]
    conn = h.spawn(h.conf("allow", Listen=test_tls.listen()))
    hand = test_tls.ByHand(conn.peer.sock, protocols=["xpra", "xpra"])
    try:
        hand.tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    data = hand.outgoing.read()
    assert data.count(good) == 1 and len(broken) == len(good)
    conn.peer.send_raw(data.replace(good, broken))
    conn.peer.sock.settimeout(5)
    assert conn.peer.sock.recv(1) == b"\x15"  # an alert
    conn.peer.close()
    assert conn.wait() == 8
    conn.logged("TLS handshake failed")
