# SPDX-License-Identifier: GPL-2.0-or-later
"""ldap and ldap3, with a real slapd: its own directory, certificates and ports."""
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
BASE = "dc=test"
SERVICE, SECRET = f"cn=proxy,{BASE}", "service s3cret"
ODD = 'a, b+c="d"#;<e>\\*()&ü'  # every character that means something somewhere
ENTRIES = f"""\
dn: {BASE}
objectClass: dcObject
objectClass: organization
o: test
dc: test

dn: {SERVICE}
objectClass: person
cn: proxy
sn: proxy
userPassword: {SECRET}

dn: ou=people,{BASE}
objectClass: organizationalUnit
ou: people

dn: ou=elsewhere,{BASE}
objectClass: referral
objectClass: extensibleObject
ou: elsewhere
ref: ldap://127.0.0.1:%(dead)d/ou=people,{BASE}
"""


def person(name, number, password="pw", **more):
    rdn = name.translate({ord(c): f"\\{ord(c):02x}" for c in ',+"#;<>\\= '})
    lines = [f"dn: uid={rdn},ou=people,{BASE}", "objectClass: inetOrgPerson", "objectClass: posixAccount",
             f"uid: {name}", f"cn: {name}", "sn: x", f"uidNumber: {number}", f"gidNumber: {number}",
             "homeDirectory: /nonexistent"]
    lines += [f"userPassword: {password}"] if password else []
    lines += [f"{k}: {v}" for k, values in more.items() for v in values]
    return "\n".join(lines) + "\n\n"


class Slapd:
    def __init__(self):
        self.dir = h.make_dir("slapd")
        self.port, self.tls_port, self.dead = h.free_port(), h.free_port(), h.free_port()
        self.socket = os.path.join(self.dir, "ldapi")
        self.ca = secure.make_certificate("ldap-ca", host="ca")
        cert, key = secure.make_certificate("ldap", self.ca)
        os.mkdir(os.path.join(self.dir, "db"))
        modules = next(d for d in ("/usr/lib/ldap", "/usr/lib64/openldap", "/usr/libexec/openldap") if os.path.isdir(d))
        schemas = "".join(f"include /etc/ldap/schema/{s}.schema\n" for s in ("core", "cosine", "nis", "inetorgperson"))
        conf = h.make_file("slapd/slapd.conf", f"""{schemas}
pidfile {self.dir}/pid
modulepath {modules}
moduleload back_mdb
TLSCertificateFile {cert}
TLSCertificateKeyFile {key}
TLSCACertificateFile {self.ca[0]}
database mdb
maxsize 10485760
suffix "{BASE}"
rootdn "cn=admin,{BASE}"
directory {self.dir}/db
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{SERVICE}" read by self read by * none
""")
        self.listening = []
        data = (ENTRIES % {"dead": self.dead}) + "\n" + person(
            "alice", h.alice.uid, description=[":100", f"second={h.alice.sockets}/nothing"],
            mail=["alice@example.org"]) + person(
            "bob", h.bob.uid) + person("nopassword", h.bob.uid, "") + person(ODD, h.alice.uid) + person(
            "twin1", 1, mail=["twin@test"]) + person("twin2", 2, mail=["twin@test"])
        subprocess.run(["/usr/sbin/slapadd", "-f", conf], input=data, text=True, check=True, capture_output=True)
        urls = f"ldap://127.0.0.1:{self.port} ldaps://127.0.0.1:{self.tls_port} ldapi://{self.socket.replace('/', '%2F')}"
        with open(os.path.join(self.dir, "log"), "wb") as log:
            self.proc = h.popen(["/usr/sbin/slapd", "-f", conf, "-h", urls, "-d", "0"], stdin=subprocess.DEVNULL,
                                stdout=log, stderr=log, start_new_session=True)
        h.defer_to_end_of_file(h.end_process, self.proc)
        h.eventually(lambda: self.proc.poll() is None and os.path.exists(self.socket) and self.answers(), 10, "slapd is up")

    def answers(self):
        return subprocess.run(["ldapwhoami", "-x", "-H", f"ldap://127.0.0.1:{self.port}"], capture_output=True).returncode == 0


@functools.lru_cache(None)
def slapd():
    return Slapd()


def needs_slapd(f):
    @functools.wraps(f)
    def run(*a):
        for tool in ("/usr/sbin/slapd", "/usr/bin/ldapwhoami"):
            if not os.path.exists(tool):
                raise h.Skip(f"{tool} is not installed")
        service_password()  # not by several at once
        return f(slapd(), *a)
    run.timeout = getattr(f, "timeout", 60)
    return run


def session():
    h.Server("6.5", where=f"{h.alice.sockets}/{h.HOSTNAME}-100", user=h.alice)


def direct(d, *more):
    """Bind with a DN made of a template."""
    return "ldap(" + ",".join([f"port={d.port}", f'username_format="uid=%username,ou=people,{BASE}"', *more]) + ")"


@functools.cache
def service_password():
    return h.make_file("ldap-secret", SECRET + "\n", 0o600)


def found(d, *more, where=None):
    """Search, then bind."""
    secret = service_password()
    return "ldap(" + ",".join([where or f"port={d.port}", f'base="ou=people,{BASE}"', f'bind-dn="{SERVICE}"',
                               f"bind-password-file={secret}", *more]) + ")"


def specs(d):
    cacert = f"cacert={d.ca[0]}"
    return {
        "direct": direct(d),
        "search": found(d),
        "search, password in the spec": f'ldap(port={d.port},base={BASE},bind-dn="{SERVICE}",bind-password={SECRET})',
        "ldapi": found(d, where=f"uri=ldapi://{d.socket.replace('/', '%2F')}"),
        "ldaps": found(d, cacert, where=f"host=localhost,tls=1,port={d.tls_port}"),
        "ldaps, uri": direct(d, cacert).replace(f"port={d.port}", f"uri=ldaps://localhost:{d.tls_port}"),
        "starttls": found(d, cacert, "starttls=yes"),
        "second of two servers": found(d, where=f"uri=ldap://127.0.0.1:{d.dead} ldap://127.0.0.1:{d.port}"),
        "ldap3": f'ldap3(port={d.port},authentication=SIMPLE,username_format="uid=%username,ou=people,{BASE}")',
    }


@needs_slapd
def test_password(d):
    session()

    def both(spec):
        secure.accepted(*secure.log_in(spec, "alice", "pw"))
        secure.refused(*secure.log_in(spec, "alice", "pwx"), FAILED, r"alice.*wrong password or unknown user \(ldap3?\)")
    secure.together(both, specs(d).values())


@h.each("direct", "search")
@needs_slapd
def test_refused(d, name):
    """Who is not there, and whose password is nothing at all."""
    secure.together(lambda who: secure.refused(*secure.log_in(specs(d)[name], *who), FAILED, who[0]),
                    (("nosuch", "pw"), ("nopassword", "pw"), ("alice", "")))


@h.each("direct", "search")
@needs_slapd
def test_unauthenticated_bind(d, name):
    """A server that lets everybody in who gives no password is not even asked: RFC 4513, 5.1.2."""
    with socket.create_server(("127.0.0.1", 0)) as trap:
        spec = specs(d)[name].replace(f"port={d.port}", f"port={trap.getsockname()[1]}")
        conn = secure.start(spec)
        conn.peer.hello(secure.hello("alice"))
        c = conn.peer.expect("challenge")
        conn.peer.answer(c, secure.hello("alice"), "")
        assert conn.peer.read_packet(5).name == "disconnect"
        trap.settimeout(0.2)
        try:
            trap.accept()
        except TimeoutError:
            return
    raise AssertionError("it was asked")


INJECTIONS = ["*", "ali*", "alice)(uid=*", "alice,ou=people", "nosuch)(|(uid=alice)", "alice\\", "*)(objectClass=*",
              f"alice,ou=people,{BASE}\\00", "uid=alice", " alice", "alice+cn=alice", "#alice", "\\61lice"]


@h.each("direct", "search")
@h.timeout(90)
@needs_slapd
def test_injection(d, name):
    """No name is taken for anybody else's, by DN or by filter, even with that one's password."""
    session()
    secure.together(lambda user: secure.refused(*secure.log_in(specs(d)[name], user, "pw"), FAILED,
                                                "wrong password or unknown user"), INJECTIONS)


@h.each("direct", "search")
@needs_slapd
def test_odd_name(d, name):
    """The one whose name that is gets in."""
    session()
    uid = f"uid={h.alice.uid}"
    spec = specs(d)[name][:-1] + f",{uid})"
    secure.accepted(*secure.log_in(spec, ODD, "pw"))
    secure.refused(*secure.log_in(spec, ODD, "pwx"), FAILED, "wrong password")


@needs_slapd
def test_several_match(d):
    spec = found(d, "filter=(mail=%username)")
    secure.refused(*secure.log_in(spec, "twin@test", "pw"), ERROR, "several entries match that name: filter= has to choose")


@needs_slapd
def test_attributes(d):
    """The directory says who it is and what may be reached."""
    server = h.Server("6.5", where=f"{h.alice.sockets}/{h.HOSTNAME}-100", user=h.alice)
    attributes = ("uid-attribute=uidNumber", "gid-attribute=gidNumber", "sessions-attribute=description")
    for spec in (found(d, *attributes, "filter=(cn=%username)", "username-attribute=uid"), direct(d, *attributes)):
        conn = secure.start(spec)
        caps = dict(secure.hello("ALICE" if "cn=" in spec else "alice"), display=":100")
        conn.peer.hello(caps)
        conn.peer.answer(conn.peer.expect("challenge"), caps, "pw")
        secure.accepted(conn, conn.peer.read_packet(10))
        server.get()
    conn, p = secure.log_in(found(d, *attributes), "bob", "pw")  # who has no description
    assert x.texts(p)[1] == "session not found error", x.texts(p)
    conn, p = secure.log_in(found(d, "uid-attribute=employeeNumber"), "alice", "pw")
    secure.refused(conn, p, ERROR, "the user's entry has no employeeNumber")


@needs_slapd
def test_examples(d):
    """Those of xproxy.conf(5), word for word but for server, suffix and the password's file."""
    with open(os.path.join(h.ROOT_DIR, "man", "xproxy.conf.5"), encoding="utf8") as f:
        examples = re.findall(r"^Module=(ldap\(.*)$", f.read(), re.M)
    assert len(examples) == 2, examples
    session()
    secret = h.make_file("ldap-secret", SECRET + "\n", 0o600)
    for spec, user in zip(examples, ("alice", "alice@example.org")):
        for old, new in (("ldaps://ldap.example.org", f"ldaps://localhost:{d.tls_port},cacert={d.ca[0]}"),
                         ("dc=example,dc=org", BASE), ("/etc/xproxy/ldap-password", secret), ("cn=xproxy", "cn=proxy")):
            spec = spec.replace(old, new)
        secure.accepted(*secure.log_in(spec, user, "pw"))


@needs_slapd
def test_registry(d):
    """A directory of sessions for users whom another module has let in."""
    session()
    registry = found(d, "uid-attribute=uidNumber", "sessions-attribute=description")
    sections = {"Sessions": {"Registry": registry, "SocketDirs": "$XDG_RUNTIME_DIR/xpra"}}
    conn = secure.start("password(value=other)", **sections)
    caps = dict(secure.hello("alice"), display=":100")
    conn.peer.hello(caps)
    conn.peer.answer(conn.peer.expect("challenge"), caps, "other")
    secure.accepted(conn, conn.peer.read_packet(10))
    conn, p = secure.log_in("password(value=other)", "nosuch", "other", **sections)
    assert x.texts(p)[0] == "disconnect", x.texts(p)


@needs_slapd
def test_registry_without_base(d):
    sections = {"Sessions": {"Registry": direct(d)}}
    secure.refused(*secure.log_in("password(value=other)", "alice", "other", **sections), ERROR, "a registry needs base=")


@needs_slapd
def test_unprotected(d):
    """The password is not asked for over plain TCP."""
    conn = secure.start(direct(d), secure=False)
    conn.peer.hello(secure.hello("alice"))
    secure.refused(conn, conn.peer.read_packet(5), "authentication requires a secure connection, such as ssl", "ldap: .*TLS")


@needs_slapd
def test_starttls_is_the_rule(d):
    """To other hosts, unless it is switched off. (This machine's name is not one that always stays inside.)"""
    if not h.PRIVATE or h.HOSTNAME.startswith("localhost"):
        raise h.Skip("needs a name for this machine that leads to 127.0.0.1")
    session()
    where = f"host={h.HOSTNAME},port={d.port}"
    spec = found(d, f"cacert={d.ca[0]}", where=where)
    secure.refused(*secure.log_in(spec, "alice", "pw"), ERROR, "StartTLS: ")
    secure.accepted(*secure.log_in(found(d, "starttls=no", where=where), "alice", "pw"))


@needs_slapd
def test_certificate(d):
    other = secure.make_certificate("ldap-other-ca", host="ca")[0]
    cacert = f"cacert={d.ca[0]}"
    cases = {
        "wrong CA": (f"host=localhost,tls=1,port={d.tls_port}", [f"cacert={other}"]),
        "wrong CA, starttls": (f"port={d.port}", [f"cacert={other}", "starttls=yes"]),
        "no CA": (f"host=localhost,tls=1,port={d.tls_port}", []),
        "wrong host": (f"host=127.0.0.1,tls=1,port={d.tls_port}", [cacert]),
        "no TLS there": (f"host=localhost,tls=1,port={d.port}", [cacert]),
    }
    # what the machine's or a user's settings say does not count
    env = {"LDAPTLS_REQCERT": "never"}

    def refused(what):
        where, more = cases[what]
        secure.refused(*secure.log_in(found(d, *more, where=where), "alice", "pw", env=env), ERROR,
                       r"could not tell: ldaps?://.*: .*(StartTLS|contact)")
    secure.together(refused, cases)


@needs_slapd
def test_down(d):
    began = time.monotonic()
    secure.refused(*secure.log_in(found(d, where=f"port={d.dead}"), "alice", "pw"), ERROR, "Can't contact LDAP server")
    assert time.monotonic() - began < 5


@needs_slapd
def test_hangs(d):
    """Somebody listens and never answers: given up after timeout=, or with the login."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = f"port={silent.getsockname()[1]}"

        def slow(how):
            began = time.monotonic()
            secure.refused(*secure.log_in(found(d, how, "timeout=2", where=where), "alice", "pw"), ERROR,
                           "module ldap could not tell: .*: Timed out")
            assert time.monotonic() - began < 8, time.monotonic() - began

        def hopeless(how):
            conn, p = secure.log_in(found(d, how, where=where), "alice", "pw", Limits={"LoginTimeout": "2s"})
            assert "login timeout" in x.texts(p)[1], x.texts(p)
            conn.logged("module ldap was given up")
        secure.together(lambda c: c[0](c[1]), [(slow, "starttls=no"), (slow, "starttls=yes"), (hopeless, "starttls=no"),
                                               (hopeless, "starttls=yes"), (hopeless, "tls=1")])


@needs_slapd
def test_referral(d):
    """Is not followed: it would get the password."""
    with socket.create_server(("127.0.0.1", d.dead)) as other:
        other.settimeout(0.3)
        beyond = found(d).replace('base="ou=people,', 'base="ou=elsewhere,')
        secure.refused(*secure.log_in(beyond, "alice", "pw"), ERROR, "refers to another server")
        wide = found(d).replace('base="ou=people,', 'base="')  # a continuation among the results
        session()
        secure.accepted(*secure.log_in(wide, "alice", "pw"))
        try:
            other.accept()
        except TimeoutError:
            return
    raise AssertionError("it was followed")


@h.each("wrong password", "unknown")
@needs_slapd
def test_service_account(d, what):
    """The proxy's own: nobody gets in, and the log says which setting."""
    spec = found(d).replace(SERVICE, SERVICE if what == "wrong password" else f"cn=nosuch,{BASE}")
    h.make_file("ldap-secret", "wrong" if what == "wrong password" else SECRET, 0o600)
    line = secure.refused(*secure.log_in(spec, "alice", "pw"), ERROR, "bind-dn=: Invalid credentials")
    assert SECRET not in line


@h.each("ldap(uri=http://x)|begins with ldap://", "ldap(username_format=cn=x)|lacks %username",
        "ldap(base=o=x,filter=(uid=x))|lacks %username", "ldap(base=o=x,bind-dn=cn=x)|needs a password that is not empty",
        "ldap(base=o=x,bind-dn=cn=x,bind-password=)|needs a password that is not empty",
        "ldap(bind-dn=cn=x,bind-password=s3cr3t)|needs base=", "ldap(cacert=/nonexistent)|cacert=/nonexistent: No such file",
        "ldap(port=0)|a number from 1 to 65535", "ldap(tls=maybe)|tls= is yes or no", "ldap(tls=1,starttls=1)|for ldap:// alone",
        "ldap(uri=ldap://x,host=y)|uri= says it all", "ldap(encoding=latin1)|no other encoding=",
        "ldap(base=o=x,bind-dn=cn=x,bind-password-file=/nonexistent)|/nonexistent",
        "ldap3(host=x)|authentication=SIMPLE", "ldap3(authentication=SIMPLE,ssl-validate=NONE)|always verified")
def test_configuration(case):
    spec, said = case.split("|")
    r = h.ctl("check", conf_path=h.conf(spec))
    assert said in r.stdout + r.stderr and r.returncode != 0 and "s3cr3t" not in r.stdout + r.stderr, r


def test_configuration_lets_nobody_in():
    secure.refused(*secure.log_in("ldap(tls=maybe)", "alice", "pw"), ERROR, "tls= is yes or no", rc=2)
