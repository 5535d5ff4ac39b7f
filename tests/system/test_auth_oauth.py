# SPDX-License-Identifier: GPL-2.0-or-later
"""oauth: tokens in the hello and in the header of a WebSocket, and a server that says what they are worth; or that says
something else, or nothing, or is another one."""
import hmac
import json
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import harness as h
import oidc
import secure
import xpranet as x

SECONDS = 60
FAILED = "authentication failed"
ERROR = "authentication error; cannot access sessions"
NO = r"unknown user \(oauth\)"


def spec(provider, url=None, **options):
    given = {"introspection-url": url or f"{provider.url()}/introspect", "client-id": oidc.CLIENT,
             "client-secret": oidc.SECRET, "cacert": provider.cert}
    given.update({k.replace("_", "-"): v for k, v in options.items()})
    return "oauth(%s)" % ",".join(f"{k}={v}" for k, v in given.items() if v is not None)


def log_in(module, token=None, header=None, user="", tls=True, timeout=10, **sections):
    conn = secure.start(module, secure=tls, **sections)
    if header is not None:
        conn.peer.start_websocket(Authorization=header)
    caps = x.hello65(username=user, **({"oauth": {"token": token}} if token is not None else {}))
    conn.peer.hello(caps)
    return conn, conn.peer.read_packet(timeout, skip=("ping",))


def signed(provider, **options):
    given = {"jwks-url": f"{provider.url()}/jwks", "issuer": "https://id", "audience": "xproxy", "cacert": provider.cert,
             "username-claim": "preferred_username", **{k.replace("_", "-"): v for k, v in options.items()}}
    return "oauth(%s)" % ",".join(f"{k}={v}" for k, v in given.items() if v is not None)


def claims(**more):
    return {"iss": "https://id", "aud": "xproxy", "exp": time.time() + 300, "preferred_username": h.alice.name, **more}


def session():
    h.Server("6.5", where=f"{h.alice.sockets}/{h.HOSTNAME}-100", user=h.alice)


def good(**more):
    return {"active": True, "username": h.alice.name, **more}


def test_token():
    """The owner is who the server says; what came with the hello goes to the server as it is."""
    session()
    p = oidc.Provider()
    p.tokens["good.token-1=="] = good()
    secure.accepted(*log_in(spec(p), "good.token-1=="))
    secure.accepted(*log_in(spec(p), "Bearer good.token-1=="))
    path, form = p.asked[-1]
    assert (path, form) == ("/introspect", {"token": ["good.token-1=="], "token_type_hint": ["access_token"]}), p.asked
    conn, packet = log_in(spec(p), "bad")
    secure.refused(conn, packet, FAILED, NO)
    assert "the token is not active" in conn.log() and "good.token" not in conn.log(), conn.log()
    asked = len(p.asked)
    secure.together(lambda token: secure.refused(*log_in(spec(p), token), FAILED, NO),
                    (None, "", "a b", "a&token=good.token-1==", "Bearer ", "x" * 9000))
    assert len(p.asked) == asked, p.asked


@h.each("Bearer t1", "bearer  t1")
def test_header(header):
    session()
    p = oidc.Provider()
    p.tokens["t1"] = good()
    secure.accepted(*log_in(spec(p), header=header))
    secure.refused(*log_in(spec(p), header="Basic t1"), FAILED, NO)


def test_unprotected():
    """A token that others could read is not used."""
    p = oidc.Provider()
    p.tokens["t1"] = good()
    secure.refused(*log_in(spec(p), "t1", tls=False), ERROR, "unprotected transport, where others can read it: use TLS")
    assert not p.asked


def test_owner():
    """The client's word does not count, or has to agree."""
    session()
    p = oidc.Provider()
    p.tokens.update(t1=good(), t2={"active": True, "sub": h.alice.name}, t3=good(username=7), t4=good(username="a\0b"),
                    t5=good(username=""))
    secure.accepted(*log_in(spec(p), "t1", user=h.alice.name))
    secure.accepted(*log_in(spec(p, username_claim="sub"), "t2"))
    secure.together(lambda token: secure.refused(*log_in(spec(p), token), ERROR, "has no usable 'username'|in JSON"),
                    ("t2", "t3", "t4", "t5"))
    conn, packet = log_in(spec(p), "t1", user="bob")
    secure.accepted(conn, packet)
    conn.logged(f"login: user '{h.alice.name}'")
    conn, packet = log_in(spec(p, verify_username="yes"), "t1", user="bob")
    secure.refused(conn, packet, "invalid username 'bob'", "oauth")


def test_judgement():
    now = time.time()
    session()
    p = oidc.Provider()
    cases = {"exp": (good(exp=now - 3600), {}, "has expired"), "exp2": (good(exp="2999"), {}, "has expired"),
             "nbf": (good(nbf=now + 3600), {}, "is not valid yet"), "aud": (good(aud="x"), {"audience": "us"}, "another audience"),
             "aud2": (good(aud=["x", "usx"]), {"audience": "us"}, "another audience"),
             "aud3": (good(), {"audience": "us"}, "another audience"), "iss": (good(iss="x"), {"issuer": "y"}, "another issuer"),
             "scope": (good(scope="a bb"), {"scope": "b"}, "lacks a scope"), "scope2": (good(), {"scope": "b"}, "lacks a scope"),
             "active": (good(active="true"), {}, "is not active"), "active2": (good(active=1), {}, "is not active")}

    def run(token):
        said, options, words = cases[token]
        p.tokens[token] = said
        conn, packet = log_in(spec(p, **options), token)
        secure.refused(conn, packet, FAILED, NO)
        assert words in conn.log(), conn.log()
    secure.together(run, cases)
    p.tokens["all"] = good(exp=now + 60, nbf=now - 60, aud=["x", "us"], iss="y", scope="a b c")
    secure.accepted(*log_in(spec(p, audience="us", issuer="y", scope="c a"), "all"))


def test_another_server():
    """Nobody else may answer: not under another name, not with a certificate that is not trusted, not elsewhere."""
    p, other = oidc.Provider(), oidc.Provider()
    p.tokens["t1"] = good()
    named = oidc.Provider(secure.make_certificate("oidc-other", host="other.example"))
    named.tokens["t1"] = good()
    down = f"https://localhost:{h.free_port()}/"

    def run(case):
        secure.refused(*log_in(case[0], "t1"), ERROR, case[1])
    secure.together(run, ((spec(p, cacert=other.cert), "certificate"), (spec(p, cacert=None), "certificate"),
                          (spec(named), "certificate|subject name"), (spec(p, url=down), "connect"),
                          (spec(p, client_secret="wrong"), "answers 401: are client-id= and client-secret= right")))
    assert not named.asked and not other.asked


@h.each("fails", "redirects", "no JSON", "[]", '{"active": true', '{"active": true, "active": true, "username": "alice"}',
        "long")
def test_ill(how):
    p = oidc.Provider()
    p.ill = "x" * 70000 if how == "long" else how
    words = {"f": "answers 500", "r": "redirections are not followed", "l": "too long"}.get(how[0], "does not answer in JSON")
    secure.refused(*log_in(spec(p), "t1"), ERROR, words)


@h.timeout(30)
def test_hangs():
    """Ten seconds; or less, if a login may not take that long."""
    p = oidc.Provider()
    p.ill = "hangs"
    started = time.monotonic()
    secure.refused(*log_in(spec(p), "t1", timeout=20), ERROR, "timed out")
    assert 8 < time.monotonic() - started < 15
    conn, packet = log_in(spec(p), "t1", Limits={"LoginTimeout": "1s"})
    assert packet.name == "disconnect"
    conn.logged("oauth")


@h.each("RS256", "ES256")
def test_signed(alg):
    """Tokens that the server has signed, with keys that it publishes; a key that is new is known at once."""
    session()
    p, one = oidc.Provider(), oidc.Signer(alg, "one")
    p.keys = [oidc.Signer("ES256", "another"), oidc.Signer("RS256", "third"), one]
    secure.accepted(*log_in(signed(p), one.sign(claims())))
    secure.accepted(*log_in(signed(p), header="Bearer " + one.sign(claims(aud=["a", "xproxy"]), kid=None)))
    new = oidc.Signer(alg, "new")
    secure.refused(*log_in(signed(p), new.sign(claims())), FAILED, NO)
    p.keys.append(new)
    secure.accepted(*log_in(signed(p), new.sign(claims())))


def test_forged():
    """No signature, somebody else's, or one that a public key makes."""
    p, rs, es = oidc.Provider(), oidc.Signer("RS256", "rs"), oidc.Signer("ES256", "es")
    weak = oidc.Signer("RS256", "weak", 1024)
    p.keys = [rs, es, weak]
    other_rs, other_es = oidc.Signer("RS256", "rs"), oidc.Signer("ES256", "es")
    n = rs.key.public_key()
    public = n.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    good_token = rs.sign(claims())
    head, _, signature = good_token.split(".")
    changed = f"{head}.{oidc.b64(json.dumps(claims(preferred_username='root')).encode())}.{signature}"
    algorithms, key, wrong = "not signed by RS256 or ES256", "does not have", "wrong signature"
    cases = {
        rs.sign(claims(), raw=lambda d: b"", alg="none"): algorithms,
        rs.sign(claims(), alg="none"): algorithms, rs.sign(claims(), alg="None"): algorithms,
        rs.sign(claims(), raw=lambda d: hmac.new(public, d, "sha256").digest(), alg="HS256"): algorithms,
        rs.sign(claims(), raw=lambda d: hmac.new(public, d, "sha256").digest()): wrong,
        rs.sign(claims(), alg="RS512"): algorithms, rs.sign(claims(), alg=None): "no signed token",
        rs.sign(claims(), alg="ES256"): key, es.sign(claims(), alg="RS256"): key, rs.sign(claims(), kid="es"): key,
        es.sign(claims(), raw=lambda d: bytes(64)): wrong, es.sign(claims(), raw=lambda d: b"\0"): wrong,
        es.sign(claims(), raw=lambda d: es.key.sign(d, ec.ECDSA(hashes.SHA256()))): wrong,
        other_rs.sign(claims()): wrong, other_es.sign(claims()): wrong, weak.sign(claims()): key, changed: wrong,
        rs.sign(claims(), kid="x"): key, rs.sign(claims(), crit=["x"]): "not understood", rs.sign(claims(), kid=1): "not understood",
        "a.b": "no signed token", "..": "no signed token", good_token[:-4]: wrong, "a." + good_token: "no signed token",
        es.sign(claims(exp=time.time() - 120)): "has expired", es.sign(claims(exp=None)): "has expired",
        es.sign({k: v for k, v in claims().items() if k != "exp"}): "never expires",
        es.sign(claims(nbf=time.time() + 120)): "not valid yet", es.sign(claims(iss="https://id2")): "another issuer",
        es.sign(claims(aud="xproxy2")): "another audience", es.sign([]): "has no claims"}

    def run(token):
        conn, packet = log_in(signed(p), token, timeout=30)
        secure.refused(conn, packet, FAILED, NO)
        assert cases[token] in conn.log(), f"{cases[token]}\n{conn.log()}"
    tokens = list(cases)
    for i in range(0, len(tokens), 8):
        secure.together(run, tokens[i:i + 8])


def test_keys_that_are_none():
    p, es = oidc.Provider(), oidc.Signer("ES256", "es")
    for ill, words in (("{}", "does not answer with keys"), ("x", "does not answer with keys")):
        p.ill = ill
        secure.refused(*log_in(signed(p), es.sign(claims())), ERROR, words)
    p.ill = ""
    for bad in ({"use": "enc"}, {"alg": "ES512"}, {"crv": "P-384"}, {"x": es.public["y"]}, {"x": "AA"}, {"y": 1}, {"kty": "oct"}):
        p.keys.append(oidc.Signer("ES256", "es"))
        p.keys[-1].public = {**es.public, **bad}
    conn, packet = log_in(signed(p), es.sign(claims()))
    secure.refused(conn, packet, FAILED, NO)
    p.keys.append(es)
    session()
    secure.accepted(*log_in(signed(p), es.sign(claims())))


def test_secret_file():
    session()
    p = oidc.Provider()
    p.tokens["t1"] = good()
    file = h.make_file("client-secret", oidc.SECRET + "\n", 0o600, h.as_user_default())
    secure.accepted(*log_in(spec(p, client_secret=None, client_secret_file=file), "t1"))


def test_configuration():
    p = oidc.Provider()

    def run(case):
        conn, packet = log_in(case[0], "t1")
        secure.refused(conn, packet, ERROR, case[1], rc=2)
        assert oidc.SECRET not in conn.log(), conn.log()
    secure.together(run, ((spec(p, url="http://localhost/"), "introspection-url= has to begin with https://"),
                          (spec(p, cacert="/nowhere/ca"), "cacert=/nowhere/ca: No such file"),
                          (spec(p, client_id=None), "client-id= is missing"),
                          (spec(p, client_secret=None), "client-secret= or client-secret-file= is missing"),
                          (spec(p, client_secret_file="/nowhere/s"), "/nowhere/s"),
                          (spec(p, jwks="x"), "option 5 is unknown"), ("oauth", "introspection-url= or jwks-url="),
                          (spec(p, jwks_url="https://x/"), "introspection-url= or jwks-url="),
                          (signed(p, audience=None), "needs issuer= and audience="),
                          (signed(p, issuer=None), "needs issuer= and audience=")))
