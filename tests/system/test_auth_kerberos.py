# SPDX-License-Identifier: GPL-2.0-or-later
"""kerberos-password, kerberos-token and gss, with a real KDC: its own realm, database, ports and keytabs."""
import base64
import functools
import os
import re
import socket
import subprocess
import time

import harness as h
import secure
import xpranet as x

SECONDS = 60
FAILED = "authentication failed"
ERROR = "authentication error; cannot access sessions"
REALM = "XPROXY.TEST"
KDC_TOOLS = ("/usr/sbin/krb5kdc", "/usr/sbin/kdb5_util", "/usr/sbin/kadmin.local", "/usr/bin/kinit")


class Realm:
    """A KDC and its krb5.conf. Clients and the program find it by $KRB5_CONFIG."""

    def __init__(self, name=REALM, port=None):
        self.name, self.dir, self.port = name, h.make_dir(f"realm-{h.SLOT}-{next(h._serial)}"), port or h.free_port()
        self.conf = self.write_conf("krb5.conf", self.port)
        self.kdc_conf = self.file("kdc.conf", f"""[kdcdefaults]
 kdc_listen = 127.0.0.1:{self.port}
 kdc_tcp_listen = 127.0.0.1:{self.port}
[realms]
 {name} = {{
  database_name = {self.dir}/principal
  key_stash_file = {self.dir}/stash
  acl_file = {self.dir}/acl
  supported_enctypes = aes256-cts-hmac-sha1-96:normal
 }}
[logging]
 kdc = FILE:{self.dir}/kdc.log
""")
        self.env = {**os.environ, "KRB5_CONFIG": self.conf, "KRB5_KDC_PROFILE": self.kdc_conf}
        self.run("/usr/sbin/kdb5_util", "create", "-s", "-r", name, "-P", "master")
        self.kdc = None

    def file(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="utf8") as f:
            f.write(text)
        return path

    def write_conf(self, name, port):
        return self.file(name, f"""[libdefaults]
 default_realm = {self.name}
 dns_lookup_realm = false
 dns_lookup_kdc = false
 rdns = false
 dns_canonicalize_hostname = false
 udp_preference_limit = 1
[realms]
 {self.name} = {{
  kdc = 127.0.0.1:{port}
 }}
""")

    def run(self, *cmd, **kw):
        r = subprocess.run(cmd, env={**self.env, **kw.pop("env", {})}, capture_output=True, text=True, check=False, **kw)
        assert r.returncode == 0, f"{cmd}: {r.stdout}{r.stderr}"
        return r.stdout

    def admin(self, query):
        return self.run("/usr/sbin/kadmin.local", "-r", self.name, "-q", query)

    def user(self, name, password="pw", more=""):
        self.admin(f"addprinc {more} -pw {password} {name}")

    def keytab(self, service, name=None):
        path = os.path.join(self.dir, name or service.replace("/", "-") + ".keytab")
        if not os.path.exists(path):
            self.admin(f"addprinc -randkey {service}")
            self.admin(f"ktadd -k {path} -norandkey {service}")
        return path

    def start(self):
        self.kdc = h.popen(["/usr/sbin/krb5kdc", "-n", "-r", self.name, "-P", f"{self.dir}/pid"], env=self.env,
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                           start_new_session=True)
        h.defer_to_end_of_file(h.end_process, self.kdc)

        def up():
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                return False
            return True
        h.eventually(up, 10, "the KDC is up")
        return self

    def ticket(self, user, password="pw"):
        """A credential cache with that user's ticket."""
        cache = os.path.join(self.dir, f"cache-{user}")
        self.run("/usr/bin/kinit", "-c", cache, user, input=password + "\n")
        return {"KRB5CCNAME": f"FILE:{cache}", "KRB5_CONFIG": self.conf}

    def token(self, user, service, host_based):
        """What xpra's client handlers make of a ticket: base64 (kerberos) or bytes (gss)."""
        script = ("import sys, base64, gssapi\n"
                  "kind = gssapi.NameType.hostbased_service if sys.argv[2] == 'host' else None\n"
                  "name = gssapi.Name(sys.argv[1], kind)\n"
                  "t = gssapi.SecurityContext(name=name, usage='initiate').step()\n"
                  "print(base64.b64encode(t).decode())\n")
        out = self.run("/usr/bin/python3", "-c", script, service, "host" if host_based else "principal", env=self.ticket(user))
        return out.strip() if host_based else base64.b64decode(out)


@functools.lru_cache(None)
def realm():
    r = Realm()
    r.user("alice")
    r.user("bob")
    r.user("expired", more='-expire "2020-01-01"')
    r.user("old", more='-pwexpire "2020-01-01"')
    r.user("locked", more="-allow_tix")
    r.user("alice/admin")
    for service in ("host/localhost", "xpra/localhost", "other/localhost"):
        r.keytab(service)
    return r.start()


def needs_realm(f):
    @functools.wraps(f)
    def run(*a):
        for tool in KDC_TOOLS:
            if not os.path.exists(tool):
                raise h.Skip(f"{tool} is not installed")
        return f(realm(), *a)
    run.timeout = getattr(f, "timeout", 60)
    return run


def session():
    h.Server("6.5", where=f"{h.alice.sockets}/{h.HOSTNAME}-100", user=h.alice)


def password_spec(r, *more, keytab=None):
    return "kerberos-password(" + ",".join([f"keytab={keytab or r.keytab('host/localhost')}", *more]) + ")"


# ---- kerberos-password
@needs_realm
def test_password(r):
    session()
    env = {"KRB5_CONFIG": r.conf}

    def right(spec):
        secure.accepted(*secure.log_in(spec, "alice", "pw", env=env))
    secure.together(right, [password_spec(r), password_spec(r, f"realm={REALM}"), password_spec(r, "service=host@localhost")])
    secure.accepted(*secure.log_in(password_spec(r), f"alice@{REALM}", "pw", env=env))

    def wrong(who):
        secure.refused(*secure.log_in(password_spec(r), who[0], who[1], env=env), FAILED,
                       r"wrong password or unknown user \(kerberos-password\)")
    # of the name one component is made: nobody gets another realm, or alice/admin by alice's session
    secure.together(wrong, [("alice", "pwx"), ("nosuch", "pw"), ("alice@OTHER.TEST", "pw"), ("alice/admin", "pw"), ("al\\ice", "pw"),
                            (f"@{REALM}", "pw"), ("alice", "")][:6])


@needs_realm
def test_accounts(r):
    """The right password of those who may not use it, and why not."""
    def refused(who):
        secure.refused(*secure.log_in(password_spec(r), who[0], "pw", env={"KRB5_CONFIG": r.conf}), FAILED, who[1])
    secure.together(refused, [("expired", "module kerberos-password: Kerberos: Client's entry in database has expired"),
                              ("old", "module kerberos-password: Kerberos: Password has expired"),
                              ("locked", "module kerberos-password: Kerberos: Client's credentials have been revoked")])


@needs_realm
def test_password_ids(r):
    """uid=: whose sessions."""
    session()
    spec = password_spec(r, f"uid={h.alice.uid}", f"gid={h.alice.gid}")
    secure.accepted(*secure.log_in(spec, "bob", "pw", env={"KRB5_CONFIG": r.conf}))


@needs_realm
def test_forged_kdc(r):
    """Somebody else who answers in the KDC's place, and knows a password for alice."""
    forged = Realm()
    forged.user("alice", "forged")
    forged.admin("addprinc -randkey host/localhost")
    forged.start()
    try:
        secure.refused(*secure.log_in(password_spec(r), "alice", "forged", env={"KRB5_CONFIG": forged.conf}), ERROR,
                       "the KDC could not prove who it is with the keytab")
        # which is no fault of that KDC: with its own key it would
        own = os.path.join(forged.dir, "own.keytab")
        forged.admin(f"ktadd -k {own} -norandkey host/localhost")
        session()
        secure.accepted(*secure.log_in(password_spec(r, keytab=own), "alice", "forged", env={"KRB5_CONFIG": forged.conf}))
    finally:
        h.end_process(forged.kdc)


@needs_realm
def test_kdc_down(r):
    nobody = r.write_conf("down.conf", h.free_port())
    secure.refused(*secure.log_in(password_spec(r), "alice", "pw", env={"KRB5_CONFIG": nobody}, timeout=20), ERROR,
                   "kerberos-password could not tell: Kerberos: Cannot contact any KDC")


@needs_realm
def test_kdc_hangs(r):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        conf = r.write_conf("hangs.conf", silent.getsockname()[1])
        conn, p = secure.log_in(password_spec(r), "alice", "pw", env={"KRB5_CONFIG": conf}, Limits={"LoginTimeout": "2s"})
        assert "login timeout" in x.texts(p)[1], x.texts(p)
        conn.logged("module kerberos-password was given up")


@needs_realm
def test_password_unprotected(r):
    conn = secure.start(password_spec(r), secure=False, env={"KRB5_CONFIG": r.conf})
    conn.peer.hello(secure.hello("alice"))
    secure.refused(conn, conn.peer.read_packet(5), "authentication requires a secure connection, such as ssl",
                   "kerberos-password: .*TLS")


# ---- tokens
KINDS = {"gss": ("gss", "xpra/localhost", False), "kerberos-token": ("kerberos", "xpra@localhost", True)}


def token_spec(r, kind, *more, keytab=None):
    keytab = keytab or r.keytab("xpra/localhost")
    return f"{kind}(" + ",".join([f"service={KINDS[kind][1]}", f"keytab={keytab}", *more]) + ")"


def send_token(r, kind, token, spec=None, krb5_conf=None, **kw):
    """(the program, what it says) to a client of that name with that token."""
    digest, service, _ = KINDS[kind]
    conn = secure.start(spec or token_spec(r, kind, "map-user=strip-domain"), env={"KRB5_CONFIG": krb5_conf or r.conf},
                        **kw)
    caps = secure.hello("somebody", digest)
    conn.peer.hello(caps)
    c = conn.peer.read_packet(10)
    if c.name != "challenge":
        return conn, c
    assert x.text(c[3]) == f"{digest}:{service}", c[3]
    answer(conn.peer, c, caps, token)
    return conn, conn.peer.read_packet(10)


def answer(peer, c, caps, token):
    client_salt = os.urandom(32)
    token = token.encode() if isinstance(token, str) else token
    salt = x.combine_salts(x.text(c[4]), c[1], client_salt)
    peer.hello(dict(caps, challenge_response=x.respond("xor", token, salt), challenge_client_salt=client_salt))


def fresh(r, kind, user="alice"):
    return r.token(user, *KINDS[kind][1:])


@h.each(*KINDS)
@needs_realm
def test_token(r, kind):
    """Who it is, the ticket says, not the client. A token is good once, in whatever connection."""
    session()
    token = fresh(r, kind)
    conn, p = send_token(r, kind, token)
    secure.accepted(conn, p)
    conn.logged("alice")
    assert len(token) > 400
    conn, p = send_token(r, kind, token)
    secure.refused(conn, p, FAILED, f"module {kind}: the client's token: .*replay")
    secure.accepted(*send_token(r, kind, fresh(r, kind)))


@h.each(*KINDS)
@needs_realm
def test_principal(r, kind):
    """The whole name, unless it is mapped."""
    session()
    conn, p = send_token(r, kind, fresh(r, kind), token_spec(r, kind))
    assert p.name == "disconnect", x.texts(p)
    conn.logged(f"alice@{REALM}")
    secure.accepted(*send_token(r, kind, fresh(r, kind), token_spec(r, kind, f"uid={h.alice.uid}")))
    secure.accepted(*send_token(r, kind, fresh(r, kind), token_spec(r, kind, "map-user=strip-domain", f"realm={REALM}")))
    conn, p = send_token(r, kind, fresh(r, kind), token_spec(r, kind, "map-user=strip-domain", "realm=OTHER.TEST"))
    secure.refused(conn, p, FAILED, f"alice@{REALM} is not of the realm")
    conn, p = send_token(r, kind, fresh(r, kind), token_spec(r, kind, "map-user=strip-domain", "verify-username=yes"))
    assert p.name == "disconnect", x.texts(p)  # the client's name is somebody


@h.each(*KINDS)
@needs_realm
def test_wrong_token(r, kind):
    """For another service; broken; of another realm; no token at all."""
    other = r.token("alice", KINDS[kind][1].replace("xpra", "other"), KINDS[kind][2])
    good = fresh(r, kind)
    broken = good[:-40] + good[-4:] if kind == "gss" else base64.b64encode(base64.b64decode(good)[:-40]).decode()
    changed = bytearray(good if kind == "gss" else base64.b64decode(good))
    changed[-20] ^= 1
    changed = bytes(changed) if kind == "gss" else base64.b64encode(bytes(changed)).decode()

    def refused(what):
        conn, p = send_token(r, kind, what[1])
        secure.refused(conn, p, FAILED, f"module {kind}: the client's token|unknown user .{kind}")
    secure.together(refused, [("other", other), ("broken", broken), ("changed", changed), ("garbage", "garbage!"),
                              ("nul", b"\0" * 600 if kind == "gss" else "AAAA" * 200)])


@h.each(*KINDS)
@needs_realm
def test_token_refusals(r, kind):
    """A client without the digest; and without TLS."""
    conn, p = secure.log_in(token_spec(r, kind), "alice", "pw", env={"KRB5_CONFIG": r.conf})
    secure.refused(conn, p, FAILED, f"{kind}: the client does not offer its digest")
    conn, p = send_token(r, kind, b"x", secure=False)
    secure.refused(conn, p, FAILED, f"{kind}: .*use TLS")


@h.each(*KINDS)
@needs_realm
def test_clock(r, kind):
    """A token that has been kept for too long."""
    token = fresh(r, kind)
    with open(r.conf, encoding="utf8") as f:
        skewed = r.file("skew.conf", f.read().replace("[libdefaults]", "[libdefaults]\n clockskew = 1"))
    time.sleep(2.2)
    conn, p = send_token(r, kind, token, krb5_conf=skewed)
    secure.refused(conn, p, FAILED, "Clock skew too great")


@h.each("kerberos-password(keytab=/nonexistent)|a keytab is needed", "kerberos-password(service=@x)|service= is NAME or NAME@HOST",
        "gss|service= is needed, as clients are told it: xpra/", "gss(service=xpra@localhost)|xpra/proxy.example.org",
        "kerberos-token(service=xpra)|xpra@proxy.example.org", "kerberos-token(service=xpra@localhost,keytab=/nonexistent)|a keytab is needed",
        "gss(service=nosuch/localhost)|a keytab is needed", "gss(token=x)|has no option 'token'; it takes: service")
@needs_realm
def test_configuration(r, case):
    spec, said = case.split("|")
    if "keytab" not in spec and "(" in spec:
        spec = spec[:-1] + f",keytab={r.keytab('xpra/localhost')})"
    out = h.ctl("check", conf_path=h.conf(spec), more_env={"KRB5_CONFIG": r.conf})
    assert said in out.stdout + out.stderr and out.returncode != 0, out


@needs_realm
def test_broken_configuration(r):
    """krb5.conf that cannot be read; nobody gets in."""
    broken = r.file("broken.conf", "[libdefaults\n default_realm\n}")
    conn, p = secure.log_in(password_spec(r), "alice", "pw", env={"KRB5_CONFIG": broken})
    secure.refused(conn, p, ERROR, "krb5.conf", rc=2)


@needs_realm
def test_example(r):
    """That of xproxy.conf(5), word for word but for host, realm and the keytab."""
    with open(os.path.join(h.ROOT_DIR, "man", "xproxy.conf.5"), encoding="utf8") as f:
        spec, = re.findall(r"^Module=(kerberos-token\(.*)$", f.read(), re.M)
    for old, new in (("proxy.example.org", "localhost"), ("/etc/xproxy/keytab", r.keytab("xpra/localhost")), ("EXAMPLE.ORG", REALM)):
        assert old in spec
        spec = spec.replace(old, new)
    session()
    secure.accepted(*send_token(r, "kerberos-token", fresh(r, "kerberos-token"), spec))


# ---- the real client
@h.needs_xpra
@h.timeout(90)
@needs_realm
def test_real_client(r):
    """3.1.3 with its own kerberos handler and a user's ticket, over TLS. (Its gss handler does not run on Python 3.)"""
    if subprocess.run(["/usr/bin/python3", "-c", "import kerberos"], capture_output=True).returncode:
        raise h.Skip("python3-kerberos is not installed")
    server = h.RealServer(h.alice, tcp=False)
    listener = h.Listener(h.conf(token_spec(r, "kerberos-token", "map-user=strip-domain"), Listen=secure.listen()),
                          env={"KRB5_CONFIG": r.conf})
    client = h.RealClient(f"ssl://somebody@127.0.0.1:{listener.port}/", "--ssl-server-verify-mode=none", env=r.ticket("alice"))
    client.attached(server.title)
    assert "alice" in listener.log_since(), listener.log_since()
