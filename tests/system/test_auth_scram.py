# SPDX-License-Identifier: GPL-2.0-or-later
"""scram: whole logins by every mechanism, with records as xpra and PostgreSQL write them. The client is scripted: no
xpra that was tried gets through its own."""
import base64
import hashlib
import hmac
import os

import harness as h
import secure
import xpranet as x

SECONDS = 60
HASHES = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512", "SCRAM-SHA3-512": "sha3_512"}
FAILED = "authentication failed"
NO = r"unknown user \(scram\)"


def b64(data):
    return base64.b64encode(data).decode()


def keys(mechanism, password, salt, iterations):
    name = HASHES[mechanism]
    salted = hashlib.pbkdf2_hmac(name, password.encode(), salt, iterations)
    client, server = (hmac.new(salted, word, name).digest() for word in (b"Client Key", b"Server Key"))
    return client, hashlib.new(name, client).digest(), server


def record(mechanism="SCRAM-SHA-256", password="pw", iterations=4096, postgres=False):
    salt = os.urandom(16)
    _, stored, server = keys(mechanism, password, salt, iterations)
    if postgres:
        return f"{mechanism}${iterations}:{b64(salt)}${b64(stored)}:{b64(server)}"
    return f"SCRAM${mechanism}${iterations}${b64(salt)}${b64(stored)}${b64(server)}"


def spec(*lines, mechanism="SCRAM-SHA-256"):
    file = h.make_file(f"scram-{next(h._serial)}", "".join(line + "\n" for line in lines), 0o600, h.as_user_default())
    state = h.make_dir(f"state-{next(h._serial)}", 0o700, h.as_user_default())
    return f"scram(filename={file},mechanisms={mechanism},state={state})"


def line(user, what, uri=None):
    return f"{user}|{what}|{h.alice.uid}|{h.alice.gid}|{uri or ''}||"


class Login:
    """A client's side, round by round."""

    def __init__(self, module, user="alice", mechanism="SCRAM-SHA-256", offers=None):
        self.conn = h.spawn(h.conf(module))
        self.user, self.mechanism = user, mechanism
        self.caps = x.hello65(username=user, digest=[*x.DIGESTS_65, *([mechanism] if offers is None else offers)])
        self.conn.peer.hello(self.caps)
        self.read()

    def read(self):
        self.packet = self.conn.peer.read_packet(8, skip=("ping",))
        if self.packet.name == "challenge":
            self.stage = x.text(self.packet[3])
            self.message = x.text(self.packet[1]) if "client-first" not in self.stage else ""

    def send(self, message):
        caps = {k: v for k, v in self.caps.items() if k != "challenge"}
        caps["challenge_response"] = message.encode()
        caps["challenge_client_salt"] = os.urandom(32)
        self.conn.peer.hello(caps)
        self.read()

    def begin(self, nonce=None):
        assert self.stage == f"{self.mechanism}:client-first", self.stage
        self.first = f"n={self.user},r={nonce or b64(os.urandom(15))}"
        self.send("n,," + self.first)

    def prove(self, password, binding="biws"):
        assert self.stage == f"{self.mechanism}:server-first", self.stage
        fields = dict(field.split("=", 1) for field in self.message.split(","))
        assert fields["r"].startswith(self.first.split("r=")[1])
        client, stored, server = keys(self.mechanism, password, base64.b64decode(fields["s"]), int(fields["i"]))
        final, name = f"c={binding},r={fields['r']}", HASHES[self.mechanism]
        signed = f"{self.first},{self.message},{final}".encode()
        proof = bytes(a ^ b for a, b in zip(client, hmac.new(stored, signed, name).digest()))
        self.signature = b64(hmac.new(server, signed, name).digest())
        self.final = f"{final},p={b64(proof)}"
        self.send(self.final)

    def end(self, word="OK"):
        assert (self.stage, self.message) == (f"{self.mechanism}:server-final", f"v={self.signature}"), self.message
        self.send(word)

    def refused(self, logged=NO):
        secure.refused(self.conn, self.packet, FAILED, logged)


def whole(*a, password="pw", **kw):
    login = Login(*a, **kw)
    login.begin()
    login.prove(password)
    if login.packet.name == "challenge":
        login.end()
    return login


@h.each(*HASHES)
def test_mechanism(mechanism):
    server = h.Server("6.5")
    module = spec(line("bob", record()), line("alice", record(mechanism), server.uri), mechanism=mechanism)
    login = whole(module, mechanism=mechanism)
    secure.accepted(login.conn, login.packet)
    server.get()
    whole(module, mechanism=mechanism, password="pwx").refused()
    whole(module, user="carol", mechanism=mechanism).refused()


def test_records():
    """As PostgreSQL writes them; several; for none that is asked for."""
    server = h.Server("6.5")
    module = spec(line("alice", record(postgres=True), server.uri),
                  line("bob", ",".join(record(m) for m in reversed(HASHES)), server.uri),
                  line("carol", record("SCRAM-SHA-512"), server.uri), line("dave", "pw", server.uri))
    for user in ("alice", "bob"):
        login = whole(module, user=user)
        secure.accepted(login.conn, login.packet)

    def run(user):
        login = whole(module, user=user)
        login.refused()
        assert "has no record of this mechanism" in login.conn.log(), login.conn.log()
    secure.together(run, ("carol", "dave"))


def test_either_mechanism():
    """What the client does not offer, an alternative may."""
    server = h.Server("6.5")
    both = " || ".join(spec(line("alice", record(m), server.uri), mechanism=m) for m in ("SCRAM-SHA3-512", "SCRAM-SHA-256"))
    login = whole(both)
    secure.accepted(login.conn, login.packet)
    Login(both, offers=["xor"]).refused("scram: the client does not offer its digest")


def test_users_that_there_are_not():
    """Get a salt like others, in every connection the same."""
    module = spec(line("alice", record()))
    seen = {}
    for user in ("alice", "bob", "bob", "carol", "alice"):
        login = Login(module, user=user)
        login.begin()
        salt = login.message.split(",", 1)[1]
        assert seen.setdefault(user, salt) == salt and salt.endswith(",i=4096"), login.message
        login.conn.peer.close()
    assert len(set(seen.values())) == 3 and len({len(s) for s in seen.values()}) == 1, seen


def test_replay():
    """The messages of a login that was right, sent again: the server's nonce is another one."""
    server = h.Server("6.5")
    module = spec(line("alice", record(), server.uri))
    good = Login(module)
    good.begin("fixed")
    good.prove("pw")
    good.end()
    secure.accepted(good.conn, good.packet)
    again = Login(module)
    again.begin("fixed")
    again.send(good.final)
    again.refused()


def test_out_of_turn():
    """Each message has its place; a proof of who somebody is does for nobody else."""
    module = spec(line("alice", record()), line("bob", record()))

    def early(login):
        login.send("OK")

    def another(login):
        login.user = "bob"
        login.begin()

    def bound(login):
        login.begin()
        login.prove("pw", binding="eSws")

    def impatient(login):
        login.begin()
        login.prove("pw")
        login.end("no")

    def run(what):
        login = Login(module)
        what(login)
        login.refused()
    secure.together(run, (early, another, bound, impatient))


def test_configuration():
    def run(case):
        conn = h.spawn(h.conf(case[0]))
        conn.peer.hello(x.hello65(username="alice"))
        secure.refused(conn, conn.peer.read_packet(8), "authentication error; cannot access sessions", case[1], rc=2)
    secure.together(run, (("scram", "needs filename="), ("scram(filename=/nowhere/x)", "/nowhere/x"),
                          (spec(mechanism="SCRAM-SHA-1"), "mechanisms= is one of"),
                          (spec().replace("state=", "state=/nowhere"), "cannot make this folder")))
