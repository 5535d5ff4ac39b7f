# SPDX-License-Identifier: GPL-2.0-or-later
"""u2f and fido2, with a security key made of software that signs what a real one does: scripted clients, and the real
one, whose library for such devices is replaced by that."""
import base64
import hashlib
import json
import os
import struct
import subprocess

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import harness as h
import secure
import xpranet as x

SECONDS = 60
FAILED = "authentication failed"
ERROR = "authentication error; cannot access sessions"


class Key:
    """A security key; it counts what it signs."""

    def __init__(self, app="Xpra"):
        self.secret, self.counter, self.app = ec.generate_private_key(ec.SECP256R1()), 0, app
        self.public = self.secret.public_key().public_bytes(serialization.Encoding.X962,
                                                            serialization.PublicFormat.UncompressedPoint).hex()

    def sign(self, challenge, origin, touched=1):
        self.counter += 1
        data = {"challenge": base64.urlsafe_b64encode(challenge).decode().rstrip("="), "origin": origin,
                "typ": "navigator.id.getAssertion"}
        head = struct.pack(">BI", touched, self.counter)
        signed = hashlib.sha256(self.app.encode()).digest() + head + \
            hashlib.sha256(json.dumps(data, sort_keys=True).encode()).digest()
        return head + self.secret.sign(signed, ec.ECDSA(hashes.SHA256()))


def state():
    return h.make_dir(f"state-{next(h._serial)}", 0o700, h.as_user_default())


def keys_file(*lines):
    return h.make_file(f"keys-{next(h._serial)}", "".join(f"{user} {key.public}\n" for user, key in lines), 0o644,
                       h.as_user_default())


def session():
    h.Server("6.5", where=f"{h.alice.sockets}/{h.HOSTNAME}-100", user=h.alice)


def log_in(spec, key, name="u2f", user="alice", origin="desk", digests=None, change=lambda r: r, touched=1):
    """(the program, the packet after the answer). No TLS: nothing of this is secret."""
    conn = h.spawn(h.conf(spec))
    caps = x.hello65(username=user, digest=[*x.DIGESTS_65, *([name] if digests is None else digests)])
    conn.peer.hello(caps)
    p = conn.peer.read_packet(8, skip=("ping",))
    if p.name == "challenge":
        assert x.text(p[3]) == f"{name}:xor", p
        caps.pop("challenge", None)
        caps["challenge_response"] = change(key.sign(bytes(p[1]), origin, touched))
        caps["challenge_client_salt"] = origin
        conn.peer.hello(caps)
        p = conn.peer.read_packet(8, skip=("ping",))
    return conn, p


@h.each("u2f", "fido2")
def test_key(name):
    """One file for both spellings, one counter for each key."""
    session()
    alices, bobs = Key(), Key()
    spec = f"{name}(public-keys={keys_file(('bob', bobs), ('alice', alices))},state={state()})"
    for _ in range(2):
        secure.accepted(*log_in(spec, alices, name))
    no = r"unknown user \(%s\)" % name
    secure.refused(*log_in(spec, bobs, name), FAILED, no)
    secure.refused(*log_in(spec, alices, name, user="carol"), FAILED, no)
    conn, p = log_in(spec, alices, name, touched=0)
    secure.refused(conn, p, FAILED, no)
    assert "nobody has touched it" in conn.log(), conn.log()
    secure.refused(*log_in(spec, alices, name, change=lambda r: r[:-1] + bytes([r[-1] ^ 1])), FAILED, no)


def test_copy():
    """A key's copy counts for itself: it is noticed as soon as the other one has counted further."""
    session()
    key = Key()
    spec = f"u2f(public_key={key.public},state={state()})"
    for _ in range(3):
        secure.accepted(*log_in(spec, key))
    key.counter = 1
    conn, p = log_in(spec, key)
    secure.refused(conn, p, FAILED, r"unknown user \(u2f\)")
    assert "there may be a copy of it" in conn.log(), conn.log()


def test_replay():
    """An answer of before, to another challenge."""
    session()
    key, kept = Key(), []
    spec = f"u2f(public_key={key.public},state={state()})"
    secure.accepted(*log_in(spec, key, change=lambda r: kept.append(r) or r))
    secure.refused(*log_in(spec, key, change=lambda r: kept[0]), FAILED, r"unknown user \(u2f\)")


def test_client_without():
    conn, p = log_in(f"u2f(public_key={Key().public},state={state()})", None, digests=["xor"])
    secure.refused(conn, p, FAILED, "u2f: the client does not offer its digest")


def test_configuration():
    key = Key()

    def run(case):
        conn, p = log_in(case[0], key)
        secure.refused(conn, p, ERROR, case[1], rc=2)
    secure.together(run, (("u2f", "either public_key="), ("u2f(public_key=04ab)", "not a P-256 public key"),
                          ("fido2(public-keys=/nowhere/keys)", "/nowhere/keys"),
                          (f"u2f(public_key={key.public},state=/nowhere/x)", "cannot make this folder"),
                          ("u2f(public-keys=%s)" % h.make_file("bad-keys", "alice\n", 0o644, h.as_user_default()),
                           "line 1 is not a user's name")))


# Lines: "register" is answered with the handle and the point, "sign HANDLE APP CHALLENGE" with the answer. What a client
# makes JSON of, before a key sees only its hash, is written as xpra's writes it; all else is the library's.
TESTER = r'''
use strict;
use JSON::MaybeXS ();
BEGIN {
	no warnings 'redefine';
	*JSON::MaybeXS::encode_json = sub {
		my $d = shift;
		return '{' . join(', ', map { qq("$_": "$d->{$_}") } qw(challenge origin typ)) . '}';
	};
}
use Authen::U2F::Tester;
use MIME::Base64 qw(encode_base64url);
my $key = Authen::U2F::Tester->new(key_file => $ARGV[0], cert_file => $ARGV[1]);
$| = 1;
while (<STDIN>) {
	my ($what, @rest) = split;
	my $r = $what eq 'register' ? $key->register(@rest) : $key->sign($rest[1], $rest[2], $rest[0]);
	die $r->error_message unless $r->is_success;
	my ($point, $handle) = unpack 'x a65 C/a', $r->response;
	print $what eq 'register' ? encode_base64url($handle) . ' ' . unpack('H*', $point) : unpack('H*', $r->response), "\n";
}
'''


class Tester:
    """The security key of Authen::U2F::Tester. Its application is also the origin."""

    def __init__(self, app):
        for module in "Authen::U2F::Tester", "JSON::MaybeXS":
            if subprocess.run(["perl", f"-M{module}", "-e1"], stderr=subprocess.DEVNULL).returncode:
                raise h.Skip(f"perl has no {module}: libauthen-u2f-tester-perl is not installed")
        d = h.make_dir(f"tester-{next(h._serial)}")
        for cmd in (["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{d}/key.pem"],
                    ["req", "-key", f"{d}/key.pem", "-x509", "-days", "9", "-subj", "/CN=key", "-out", f"{d}/cert.pem"]):
            subprocess.run(["openssl", *cmd], check=True, capture_output=True)
        script = h.make_file(f"tester-{next(h._serial)}.pl", TESTER)
        self.app = app
        self.proc = h.popen(["perl", script, f"{d}/key.pem", f"{d}/cert.pem"], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True, start_new_session=True)
        h.defer(h.end_process, self.proc)
        self.handle, self.public = self.ask("register", app, "AAAA").split()

    def ask(self, *words):
        self.proc.stdin.write(" ".join(words) + "\n")
        self.proc.stdin.flush()
        return self.proc.stdout.readline()

    def sign(self, challenge, origin, touched=1):
        assert origin == self.app and touched
        return bytes.fromhex(self.ask("sign", self.handle, self.app, base64.urlsafe_b64encode(challenge).decode().rstrip("=")))


@h.each("u2f", "fido2")
def test_key_of_others(name):
    """Registered and asked as its own author means it: point, counter, application and signature."""
    session()
    alices, spare, bobs = Tester("Xpra"), Tester("Xpra"), Tester("Xpra")
    spec = f"{name}(public-keys={keys_file(('alice', alices), ('alice', spare), ('bob', bobs))},state={state()})"
    for key in alices, spare, alices:
        secure.accepted(*log_in(spec, key, name, origin="Xpra"))
    no = r"unknown user \(%s\)" % name
    secure.refused(*log_in(spec, bobs, name, origin="Xpra"), FAILED, no)
    secure.refused(*log_in(spec, Tester("Xpra"), name, origin="Xpra"), FAILED, no)
    other = Tester("https://example.org")
    secure.refused(*log_in(f"{name}(public_key={other.public},state={state()})", other, name, origin=other.app), FAILED, no)
    secure.accepted(*log_in(f"{name}(public_key={other.public},app_id={other.app},state={state()})", other, name,
                            origin=other.app))


PYU2F = '''
from test_auth_u2f_key import KEY
class ClientData:
    origin = "workstation"
class Response:
    client_data = ClientData
class Device:
    def Authenticate(self, app_id, challenge, keys):
        r = Response()
        r.signature_data = KEY.sign(challenge, ClientData.origin)
        return r
def GetLocalU2FInterface():
    return Device()
'''


@h.needs_xpra
def test_real_client():
    """Its own handler for u2f; what that asks is the software's key instead of a device."""
    server, key = h.RealServer(h.alice), Key()
    lib = h.make_dir(f"lib-{next(h._serial)}")
    os.mkdir(f"{lib}/pyu2f")
    pem = key.secret.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                   serialization.NoEncryption()).decode()
    ours = os.path.dirname(os.path.abspath(__file__))
    for name, text in (("pyu2f/__init__.py", ""), ("pyu2f/u2f.py", PYU2F),
                       ("pyu2f/model.py", "class RegisteredKey:\n    def __init__(self, handle):\n        self.handle = handle\n"),
                       ("test_auth_u2f_key.py", f"import sys\nsys.path.append({ours!r})\nimport test_auth_u2f\n"
                        "from cryptography.hazmat.primitives import serialization\nKEY = test_auth_u2f.Key()\n"
                        f"KEY.secret = serialization.load_pem_private_key({pem!r}.encode(), None)\n")):
        with open(f"{lib}/{name}", "w", encoding="utf8") as f:
            f.write(text)
    users = h.multifile(h.line("alice", "pw", server.uri))
    keys = keys_file(("alice", key))
    listener = h.Listener(h.conf(f"u2f(public-keys={keys},state={state()})", users))
    env = {"PYTHONPATH": lib, "XPRA_U2F_KEY_HANDLE": "00"}
    url = f"tcp://alice@127.0.0.1:{listener.port}/"
    args = ["--challenge-handlers=u2f", "--challenge-handlers=file",
            "--password-file=%s" % h.make_file("u2f-password", "pw")]
    client = h.RealClient(url, *args, env=env)
    client.attached(server.title)
    assert "login" in listener.log(), listener.log()
    client.detach()
    again = h.RealClient(url, *args, env=env)  # counts from the start, as it is a new process: a copy
    again.proc.wait(20)
    assert "authentication failed" in again.log(), again.log()
    assert "there may be a copy of it" in listener.log(), listener.log()
