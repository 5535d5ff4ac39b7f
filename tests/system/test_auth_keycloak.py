# SPDX-License-Identifier: GPL-2.0-or-later
"""keycloak: the address to log in at, codes that a browser brings from there, and a server that knows what they are
worth; or that says something else, or nothing, or is another one. The browser is scripted: it does what xpra's HTML5
client does, which leaves for the address and comes back on another connection."""
import functools
import json
import ssl
import urllib.parse

import harness as h
import oidc
import secure
import xpranet as x

SECONDS = 60
HOME = "https://proxy.example/xpra/?a=b&c"
REALM = "the realm/&"
NEW = ("username_claim", "verify_username", "same_address")  # not xpra's
FAILED = "authentication failed"
ERROR = "authentication error; cannot access sessions"


def spec(provider, **options):
    given = {"server_url": f"{provider.url()}/auth/", "realm_name": REALM, "client_id": oidc.CLIENT,
             "client_secret_key": oidc.SECRET, "redirect_uri": HOME, "cacert": provider.cert}
    given.update({k.replace("_", "-") if k in NEW else k: v for k, v in options.items()})
    return "keycloak(%s)" % ",".join(f"{k}={v}" for k, v in given.items() if v is not None)


@functools.lru_cache(None)
def certificate():
    return secure.make_certificate("keycloak")


def server(ill="", at=""):
    p = oidc.Provider(certificate())
    p.ill, p.ill_at = ill, at
    return p


def session():
    h.Server("6.5", where=f"{h.alice.sockets}/{h.HOSTNAME}-100", user=h.alice)


def ask(conn):
    """(address, query) that the client is told."""
    conn.peer.hello(secure.hello("", "keycloak"))
    c = conn.peer.expect("challenge")
    assert (x.text(c[3]), x.text(c[5])) == ("keycloak", "keycloak"), c
    conn.peer.close()  # the browser leaves
    address, _, query = x.text(c[1]).partition("?")
    return address, urllib.parse.parse_qs(query, strict_parsing=True)


@functools.lru_cache(None)
def own_challenge():
    """Of all clients of these tests, as they have one address."""
    return ask(secure.start(spec(server())))[1]["code_challenge"][0]


def grant(provider, code, user=None, state=None, uri=HOME, challenge=None):
    """Somebody has logged in at the server."""
    token = f"token-{code}"
    provider.codes[code] = uri, token, challenge or own_challenge()
    provider.tokens[token] = {"active": True, "sub": "7", **(state or {})}
    provider.users[token] = {"sub": "7", "preferred_username": h.alice.name, **(user or {})}
    return json.dumps({"code": code})


def log_in(module, answer, user="", digests=("keycloak",), **kw):
    return secure.log_in(module, user, answer, digests=digests, **kw)


def test_login():
    """The whole way; the code is good once, the owner is who the server says."""
    session()
    p = server()
    address, query = ask(secure.start(spec(p)))
    assert address == f"{p.url()}/auth/realms/the%20realm%2F%26/protocol/openid-connect/auth", address
    challenge = query.pop("code_challenge")[0]
    assert query == {"response_type": ["code"], "client_id": [oidc.CLIENT], "redirect_uri": [HOME], "scope": ["openid"],
                     "code_challenge_method": ["S256"]}, query
    assert challenge == own_challenge() and len(challenge) == 43
    answer = grant(p, "c0de+/%")
    conn, packet = log_in(spec(p), answer, user="bob")
    secure.accepted(conn, packet)
    conn.logged(f"login: user '{h.alice.name}'")
    assert [path.partition("openid-connect/")[2] for path, _ in p.asked] == ["token", "token/introspect", "userinfo"], p.asked
    assert len(p.asked[0][1].pop("code_verifier")[0]) == 64
    assert p.asked[0][1] == {"grant_type": ["authorization_code"], "code": ["c0de+/%"], "redirect_uri": [HOME]}, p.asked
    conn, packet = log_in(spec(p), answer)
    secure.refused(conn, packet, FAILED, "module keycloak: the server does not take the code: it is wrong, too old, used")
    assert "c0de" not in conn.log() and oidc.SECRET not in conn.log(), conn.log()


def test_address():
    """A code is of no use from another address, but where that is allowed."""
    if h.ASAN:
        raise h.Skip("the sandbox of TLS has no room for the address sanitizer")
    session()
    p = server()

    def elsewhere(module):
        conn = h.spawn(h.conf(module, Listen=secure.listen(ProxyProtocol="yes")))
        conn.peer.send_raw(b"PROXY TCP4 192.0.2.7 127.0.0.1 4711 14500\r\n")
        conn.peer.start_tls(ssl.create_default_context(cafile=secure.server_certificate()[0]))
        return ask(conn)[1]["code_challenge"][0]
    other = elsewhere(spec(p))
    assert other != own_challenge()
    secure.refused(*log_in(spec(p), grant(p, "c1", challenge=other)), FAILED, "for another redirect_uri= or address")
    anywhere = spec(p, same_address="no")
    other = elsewhere(anywhere)
    secure.accepted(*log_in(anywhere, grant(p, "c2", challenge=other)))
    assert elsewhere(spec(p, client_secret_key="another", same_address="no")) != other


def test_options():
    """Files, other claims, other words."""
    session()
    p = server()
    file = h.make_file("keycloak-secret", oidc.SECRET + "\n", 0o600, h.as_user_default())
    secure.accepted(*log_in(spec(p, client_secret_key=None, client_secret_key_file=file, grant_type="authorization_code",
                                 server_url=f"{p.url()}/auth", username_claim="login", scope="profile openid"),
                            grant(p, "c1", {"login": h.alice.name, "preferred_username": "root"})))


def test_no():
    """Wrong codes; and what is no code: nobody asks the server about that."""
    p = server()
    not_taken, none = "the server does not take the code: it is wrong, too old, used already, or for another redirect_uri= or address", "has no code"
    cases = {'{"code": "wrong"}': not_taken, grant(p, "other", uri="https://elsewhere.example/"): not_taken,
             '{"error": "access_denied", "code": "x"}': "no code but an error: access_denied",
             '{"error": "a\\nb"}': "an error: unreadable", '{"error": 1}': "an error: unreadable", "{}": none,
             '{"code": 1}': none, '{"code": ""}': none, '{"code": null}': none, "x": none, '["code"]': none,
             '{"code": "a", "code": "b"}': none, '{"code": "a\\u0000"}': none, json.dumps({"code": "x" * 2048}): none}
    secure.together(lambda answer: secure.refused(*log_in(spec(p), answer), FAILED, cases[answer]), cases)
    assert len(p.asked) == 2, p.asked


def test_groups():
    session()
    p = server()
    path = "resource_access.xpra.roles"

    def user(*roles):
        return {"resource_access": {"xpra": {"roles": list(roles)}}}
    cases = {"all": (user("c", "b", "a"), "and", True), "one": (user("b"), "or", True), "lacks": (user("b"), "and", False),
             "none": (user("c", "aa", 1), "or", False), "empty": (user(), "and", False), "empty2": (user(), "or", False),
             "missing": ({}, "and", False), "missing2": ({}, "or", False), "text": ({"resource_access": "a b"}, "or", False),
             "text2": ({"resource_access": {"xpra": {"roles": "a"}}}, "or", False),
             "elsewhere": ({"roles": ["a", "b"]}, "and", False), "default": (user("a"), None, False)}

    def run(code):
        claims, condition, yes = cases[code]
        done = log_in(spec(p, claim_field=path, auth_groups="a b", auth_condition=condition), grant(p, code, claims))
        if yes:
            secure.accepted(*done)
        else:
            secure.refused(*done, FAILED, "is not in the groups that auth_groups= wants")
    secure.together(run, cases)


def test_owner():
    """What the server says has to be of one user, who has a name, and not another one than the client must have."""
    p = server()
    cases = {"sub": ({"sub": "8"}, {}, ERROR, "another user"), "sub2": ({"sub": None}, {}, ERROR, "another user"),
             "name": ({"preferred_username": 7}, {}, ERROR, "no usable 'preferred_username'"),
             "name2": ({"preferred_username": ""}, {}, ERROR, "no usable"),
             "name3": ({"preferred_username": "a" * 300}, {}, ERROR, "no usable"),
             "i1": ({}, {"active": False}, FAILED, "the token is not active"),
             "i2": ({}, {"active": "true"}, FAILED, "the token is not active"),
             "verify": ({}, {}, "invalid username 'bob'", "keycloak")}

    def run(code):
        user, state, said, words = cases[code]
        secure.refused(*log_in(spec(p, verify_username="yes"), grant(p, code, user, state), user="bob"), said, words)
    secure.together(run, cases)


def test_unprotected():
    """A code is not asked for where others can read it, nor from clients that know nothing of it."""
    p = server()
    cases = (({"secure": False}, "unprotected transport: use TLS"), ({"digests": ()}, "does not offer its digest"))
    secure.together(lambda case: secure.refused(*log_in(spec(p), grant(p, "c1"), **case[0]), FAILED, case[1]), cases)
    assert not p.asked


def test_another_server():
    p, other = server(), oidc.Provider()
    named = oidc.Provider(secure.make_certificate("keycloak-other", host="other.example"))
    down = f"https://localhost:{h.free_port()}"
    cases = ((spec(p, cacert=other.cert), "certificate"), (spec(p, cacert=None), "certificate"),
             (spec(named), "certificate|subject name"), (spec(p, server_url=down), "connect"),
             (spec(p, client_secret_key="wrong"), "answers 401"))
    secure.together(lambda case: secure.refused(*log_in(case[0], json.dumps({"code": "c1"})), ERROR, case[1]), cases)
    assert not named.asked and not other.asked


def test_ill():
    """Wherever the server fails; and answers in JSON that say nothing."""
    ways = {"fails": "answers 500", "redirects": "redirections are not followed", "no JSON": "does not answer in JSON",
            "[]": "does not answer in JSON", "x" * 70000: "too long", '{"sub": 1, "sub": "7"}': "does not answer in JSON"}
    cases = [(how, "/token", ERROR, words) for how, words in ways.items()]
    cases += [(how, where, ERROR, ways[how]) for where in ("/introspect", "/userinfo") for how in ("fails", "redirects", "no JSON")]
    cases += [("{}", "/token", ERROR, "gives no usable token"), ("{}", "/introspect", FAILED, "is not active"),
              ("{}", "/userinfo", ERROR, "another user"), ('{"access_token": "a\\r\\nb"}', "/token", ERROR, "no usable token")]

    def run(case):
        p = server(*case[:2])
        secure.refused(*log_in(spec(p), grant(p, "c1")), *case[2:])
    own_challenge()
    secure.together(run, cases)


def test_hangs():
    """The login's time is all it has."""
    def run(where):
        p = server("hangs", where)
        conn, packet = log_in(spec(p), grant(p, "c1"), Limits={"LoginTimeout": "1s"})
        assert packet.name == "disconnect"
        conn.logged("login timeout .module keycloak was given up, it had not answered")
    own_challenge()
    secure.together(run, ("/token", "/userinfo"))


def test_configuration():
    p = server()
    cases = ((spec(p, server_url="http://localhost/"), "server_url= has to begin with https://"),
             (spec(p, server_url=None), "server_url= has to begin with https://"),
             (spec(p, server_url="https://localhost/?a"), "server_url= ends before realms/"),
             (spec(p, redirect_uri="http://localhost/"), "redirect_uri= has to begin with https://"),
             (spec(p, redirect_uri="https://x/" + "y" * 1000), "longer than 1023 bytes"),
             (spec(p, redirect_uri=None), "redirect_uri= has to begin with"),
             (spec(p, realm_name=None), "realm_name= or client_id= is missing"),
             (spec(p, client_id=None), "realm_name= or client_id= is missing"),
             (spec(p, client_secret_key=None), "client_secret_key= or client_secret_key_file= is missing"),
             (spec(p, client_secret_key_file="/nowhere/s"), "/nowhere/s"), (spec(p, cacert="/nowhere/ca"), "cacert=/nowhere/ca"),
             (spec(p, grant_type="password"), "grant_type= can only be authorization_code"),
             (spec(p, scope="profile"), "scope= needs the word openid"),
             (spec(p, claim_field="groups"), "need each other"), (spec(p, auth_groups="a"), "need each other"),
             (spec(p, claim_field="groups", auth_groups=" "), "need each other"),
             (spec(p, claim_field="groups", auth_groups="a", auth_condition="xor"), "auth_condition= is and, or or"),
             (spec(p, same_address="x"), "same-address= is yes or no"),
             (spec(p, token="x"), "option 7 is unknown"))

    def run(case):
        conn, packet = log_in(case[0], "{}")
        secure.refused(conn, packet, ERROR, case[1], rc=2)
        assert oidc.SECRET not in conn.log(), conn.log()
    secure.together(run, cases)
