# SPDX-License-Identifier: GPL-2.0-or-later
"""Logins over TLS, for modules that need the password itself."""
import functools
import os
import ssl
import subprocess
import threading

import harness as h
import xpranet as x


def make_certificate(name, ca=None, host="localhost", more=()):
    """(certificate, key) of host, in the scratch folder; signed by ca = (certificate, key), or by itself, a CA then."""
    d = h.make_dir(f"tls-{name}")
    cert, key, request = (os.path.join(d, f) for f in ("cert.pem", "key.pem", "request.pem"))
    new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key]
    run = functools.partial(subprocess.run, check=True, capture_output=True)
    if not ca:
        run([*new, "-x509", "-days", "2", "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}", *more, "-out", cert])
        return cert, key
    run([*new, "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}", "-out", request])
    run(["openssl", "x509", "-req", "-in", request, "-CA", ca[0], "-CAkey", ca[1], "-CAcreateserial", "-days", "2",
         "-copy_extensions", "copy", "-out", cert])
    return cert, key


@functools.lru_cache(None)
def server_certificate():
    return make_certificate("xproxy")


def listen(**more):
    """The Listen section."""
    cert, key = server_certificate()
    return {"TLSCertificate": cert, "TLSKey": key, **more}


def start(*modules, env=None, secure=True, **sections):
    """The program for one client, which is behind TLS already; or on a unix socket, as the sandbox of TLS has no room
    for the address sanitizer."""
    unix = secure and h.ASAN
    conn = h.spawn(h.conf(*modules, Listen=listen(), **sections), "unix" if unix else "tcp", env=env)
    if secure and not unix:
        conn.peer.start_tls(ssl.create_default_context(cafile=server_certificate()[0]))
    return conn


def hello(username, *digests):
    return x.hello65(username=username, digest=[*x.DIGESTS_65, "xor", *digests])


def log_in(spec, username, password, digests=(), timeout=10, **kw):
    """(the program, the first packet after the answers): one password, or a list for a chain."""
    conn = start(*([spec] if isinstance(spec, str) else spec), **kw)
    passwords = [password] if isinstance(password, (str, bytes)) else password
    conn.peer.hello(hello(username, *digests))
    p = conn.peer.read_packet(timeout, skip=("ping",))
    for one in passwords:
        if p.name != "challenge":
            break
        conn.peer.answer(p, hello(username, *digests), one)
        p = conn.peer.read_packet(timeout, skip=("ping",))
    return conn, p


def accepted(conn, p):
    assert p.name == "hello", f"{x.texts(p)!r:.300}\n{conn.logged('refused')}\n{conn.log()}"


def refused(conn, p, said, logged, rc=5):
    """The client was told these words; the log has more to say."""
    words = "; ".join(map(x.text, p[1:])) if p.name == "disconnect" else f"{p.name} packet"
    assert words == said, f"{words!r}, expected {said!r}\n{conn.log()}"
    conn.peer.close()
    assert conn.wait() == rc, f"exit code {conn.proc.returncode}, expected {rc}\n{conn.log()}"
    return conn.logged(logged)


def together(f, cases):
    """f(case) for each, all at once, since every refusal takes its second."""
    failures = []
    server_certificate()  # not by several

    def run(case):
        try:
            f(case)
        except Exception as e:  # noqa: BLE001 - raised again below
            failures.append((case, e))
    threads = [threading.Thread(target=run, args=(case,)) for case in cases]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for case, e in failures:
        raise AssertionError(f"{case}: {e}") from e
