# SPDX-License-Identifier: GPL-2.0-or-later
"""xpra's AES, written a second time and from the documents only, with python3-cryptography: streams of records
between plain and encrypted, the capabilities of each generation of peers, and a client's end of it for xpranet.Peer."""
import hashlib
import os
import select
import struct
import warnings

import xpranet as x

try:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
except ImportError:
    Cipher = None

CIPHER = 0x02
MODES = ("CBC", "GCM", "CFB", "CTR")


class BadPadding(x.Malformed):
    pass


def derive(secret, salt, hash_name="SHA1", iterations=1000, size=32):
    return hashlib.pbkdf2_hmac(hash_name.lower(), secret, salt, iterations, size)


def start(key, iv, mode):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Cipher(algorithms.AES(key), getattr(modes, mode)(iv))


class Direction:
    """Records of one direction, to be encrypted by write() or decrypted by read()."""

    def __init__(self, secret, iv, salt, mode="CBC", hash_name="SHA1", iterations=1000, size=32, padding="legacy",
                 granularity=32, stream=True):
        self.key, self.mode, self.padding, self.stream = derive(secret, salt, hash_name, iterations, size), mode, padding, stream
        self.granularity = granularity if mode == "CBC" else 0
        cipher = start(self.key, iv, mode)
        self.encryptor, self.decryptor = cipher.encryptor(), cipher.decryptor()
        self.data = bytearray()

    def pad(self, n):
        p = self.granularity - n % self.granularity if self.granularity else 0
        return bytes([32 if self.padding == "legacy" else p]) * p

    def write(self, data):
        """Whole plain records."""
        out, at = b"", 0
        while at < len(data):
            magic, flags, level, index, size = struct.unpack_from("!BBBBL", data, at)
            payload = data[at + 8:at + 8 + size]
            assert magic == 0x50 and len(payload) == size, "only whole records can be encrypted"
            at += 8 + size
            padded = payload + self.pad(size)
            if self.stream:
                sent = self.encryptor.update(padded)
            else:
                iv = os.urandom(16)
                sent, size = iv + start(self.key, iv, self.mode).encryptor().update(padded), size + 16
            out += struct.pack("!BBBBL", 0x50, flags | CIPHER, level, index, size) + sent
        return out

    def read(self, data=b""):
        """The plain records that are whole by now."""
        self.data += data
        out = b""
        while (r := self.one()) is not None:
            out += r
        return out

    def one(self):
        if len(self.data) < 8:
            return None
        magic, flags, level, index, size = struct.unpack_from("!BBBBL", self.data)
        if magic != 0x50 or not flags & CIPHER:
            raise x.Malformed(f"a record that is not encrypted: {bytes(self.data[:16])!r}")
        iv = 0 if self.stream else 16
        plain = size - iv
        padding = self.pad(plain)
        if len(self.data) < 8 + size + len(padding):
            return None
        sent = bytes(self.data[8:8 + size + len(padding)])
        del self.data[:8 + len(sent)]
        decryptor = self.decryptor if self.stream else start(self.key, sent[:16], self.mode).decryptor()
        payload = decryptor.update(sent[iv:])
        if payload[plain:] != padding:
            raise BadPadding(f"{payload[plain:]!r} instead of {padding!r}")
        return struct.pack("!BBBBL", 0x50, flags & ~CIPHER, level, index, plain) + payload[:plain]


# ---- capabilities
def as_bytes(v):
    """Bytes, or text whose code points are bytes."""
    return v.encode("latin1") if isinstance(v, str) else v


def caps_of(d, prefix=""):
    """{bare name: value} of the capabilities in a dictionary of any generation."""
    found = {}
    for k, v in d.items():
        k = x.text(k)
        if k == "cipher" or k.startswith(prefix) and k != prefix:
            found[k[len(prefix):] if k.startswith(prefix) and prefix else k] = v
    return found


def find(d):
    """The cipher capabilities of a hello or of a challenge's item 2, wherever they are; None: none."""
    if not isinstance(d, dict):
        return None
    d = {x.text(k): v for k, v in d.items()}
    if d.get("encryption"):
        return caps_of(d["encryption"])
    if d.get("cipher.iv"):
        return caps_of(d, "cipher.")
    return caps_of(d) if d.get("iv") else None


def direction(secret, caps, granularity=None):
    """How to encrypt towards the peer that has these capabilities. HTML5 states no padding and gets what it lists."""
    t = {k: x.text(v) if k in ("mode", "key_hash", "padding") else v for k, v in caps.items()}
    new = "stream" in t or "always-pad" in t
    return Direction(secret, as_bytes(t["iv"]), as_bytes(t["key_salt"]), t.get("mode") or "CBC", t.get("key_hash") or "SHA1",
                     t["key_stretch_iterations"], t.get("key_size") or 32, t.get("padding") or ("PKCS#7" if "PKCS#7" in x.texts(t.get("padding.options", [])) else "legacy"),
                     granularity or (16 if new else 32), t.get("stream", True))


def latin(n):
    """Bytes as HTML5 clients send them: text."""
    return os.urandom(n).decode("latin1")


def ascii_iv():
    return os.urandom(8).hex()


def new_caps(kind, mode="CBC", **more):
    """(what a client of this kind adds to its hello, bare capabilities). kind: "flat", "both", "nested", "html5" (>= v17),
    "html5-9" (v6 - v9, rencodeplus), "html5-3" (what came with 3.1, bencode)."""
    bare = {"cipher": "AES", "iv": ascii_iv(), "key_salt": os.urandom(64), "key_stretch_iterations": 1000,
            "padding": "legacy", "padding.options": ["PKCS#7", "legacy"]}
    if kind in ("both", "nested"):
        bare.update(mode=mode, key_size=32, key_hash="SHA1", key_stretch="PBKDF2")
    if kind == "nested":
        bare.update({"padding": "PKCS#7", "padding.options": ["PKCS#7"], "always-pad": False, "stream": True,
                     "key_stretch_iterations": 10000})
    if kind == "html5":
        bare.update({"mode": mode, "iv": latin(16), "key_size": 32, "key_hash": "SHA1", "key_stretch": "PBKDF2",
                     "padding": "PKCS#7", "padding.options": ["PKCS#7"], "always-pad": True, "stream": False})
    if kind in ("html5-9", "html5-3"):  # bencode has only bytes
        iv, salt = (latin(16), latin(32)) if kind == "html5-9" else (os.urandom(16), os.urandom(32))
        bare = {"cipher": "AES", "iv": iv, "key_salt": salt, "key_stretch_iterations": 1000, "padding.options": ["PKCS#7"]}
    bare.update(more)
    flat = {"cipher": "AES", **{f"cipher.{k}": v for k, v in bare.items() if k != "cipher"}}
    if kind in ("flat", "html5-9", "html5-3"):
        return flat, bare
    return ({**flat, "encryption": dict(bare)} if kind == "both" else {"encryption": dict(bare)}), bare


class Socket:
    """In place of a Peer's socket: what is sent is encrypted and what comes is decrypted once writer and reader are set."""

    def __init__(self, sock):
        self.sock, self.reader, self.writer = sock, None, None

    def __getattr__(self, name):
        return getattr(self.sock, name)

    def sendall(self, data):
        self.sock.sendall(self.writer.write(data) if self.writer else data)

    def recv(self, size):
        while True:
            data = self.sock.recv(size)
            if not self.reader or not data:
                return data
            if self.reader.data or data[:1] == b"P":
                data = self.reader.read(data)
            if data:
                return data
            if not select.select([self.sock], [], [], 10)[0]:
                raise x.Timeout("an encrypted record is not complete")


class Client:
    """A client that encrypts: its hellos, and what it makes of the answers, as xpra-protocol 6.5 has it."""

    def __init__(self, peer, secret, kind="nested", mode="CBC", granularity=None, **more):
        self.peer, self.secret, self.kind, self.mode, self.more = peer, secret, kind, mode, more
        self.granularity = granularity or (16 if kind in ("nested", "html5") else 32)
        peer.sock = self.sock = Socket(peer.sock)

    def caps(self):
        """New ones; from now on what comes must be encrypted with them."""
        added, bare = new_caps(self.kind, self.mode, **self.more)
        assert not self.sock.reader or not self.sock.reader.data, "keys changed within a record"
        self.sock.reader = direction(self.secret, bare, self.granularity)
        return added

    def hello(self, caps):
        self.peer.hello({**caps, **self.caps()})

    def take(self, d, challenge=False):
        """The server's: where this kind of client looks for them."""
        if self.kind == "html5":
            found = caps_of(d) if challenge else caps_of({x.text(k): v for k, v in d.items()}["encryption"])
        elif self.kind == "nested":
            found = caps_of({x.text(k): v for k, v in d.items()}["encryption"])
        else:
            found = caps_of(d, "cipher.")
        found = {k: x.text(v) if isinstance(v, bytes) and k != "key_salt" else v for k, v in found.items()}
        assert found["cipher"] == "AES" and found["iv"], found
        assert (found.get("mode") or "CBC") == self.mode, found
        found.setdefault("stream", True)
        self.sock.writer = direction(self.secret, found, self.granularity)
        return found

    def login(self, caps, *passwords, timeout=10):
        """As Peer.login()."""
        self.hello(caps)
        for password in passwords:
            c = self.peer.expect("challenge", timeout=timeout)
            self.take(c[2], True)
            self.peer.answer(c, {**caps, **self.caps()}, password)
        p = self.peer.read_packet(timeout, skip=("ping",))
        if p.name == "hello":
            self.take(p[1])
        elif p.name == "challenge":
            self.take(p[2], True)
        return p


class Serving:
    """A server that encrypts: the greet= of a harness.Server. kind: "flat" (<= 4.4), "both" (5.x), "6.0", "nested" (>= 6.2)."""

    def __init__(self, secret, kind="nested", mode="CBC", granularity=None, passwords=(), early=(), **more):
        self.secret, self.kind, self.mode, self.passwords, self.early = secret, kind, mode, passwords, early
        self.granularity = granularity or (16 if kind == "nested" else 32)
        self.more = {"padding": "PKCS#7", **({"padding.options": ["PKCS#7"]} if kind == "6.0" else {}), **more}

    def renew(self, s, answered):
        """New keys for both directions, from the client's last hello; what to add to our answer."""
        theirs = find(s.raw_caps)
        assert x.text(theirs.get("mode", "CBC")) == self.mode, theirs
        if answered:
            assert theirs["iv"] != self.seen["iv"] and theirs["key_salt"] != self.seen["key_salt"], "the same keys again"
        self.seen = theirs
        s.peer.sock.writer = direction(self.secret, {**theirs, "stream": True}, self.granularity)
        added, bare = new_caps("nested" if self.kind == "6.0" else self.kind, self.mode, **self.more)
        if self.kind == "6.0":
            for d in (added["encryption"], bare):
                del d["stream"], d["always-pad"]
        s.peer.sock.reader = direction(self.secret, bare, self.granularity)
        return added

    def __call__(self, server, s):
        for p in self.early:
            s.peer.send_packet(*p)
        if not server._read_hello(s):
            return False
        if not find(s.raw_caps):
            s.peer.send_packet("disconnect", "connection error", "missing encryption tokens from client")
            return False
        s.peer.sock = Socket(s.peer.sock)
        answered = False
        for password in self.passwords:
            salt = os.urandom(64)
            added = self.renew(s, answered)
            answered = True
            s.peer.send_packet("challenge", salt, added, "hmac+sha512", "hmac+sha512", "password")
            if not server._read_hello(s):
                return False
            response, client_salt = s.raw_caps_get("challenge_response"), s.raw_caps_get("challenge_client_salt")
            if x.respond("hmac+sha512", password, x.combine_salts("hmac+sha512", salt, client_salt)) != response:
                server.problems.append("bad response")
                return False
        added = self.renew(s, answered)
        s.peer.send_packet("hello", {**server.caps, **added})
        return True


# ---- recordings
class Recorded:
    """One direction of a recording, read packet by packet while its keys change."""

    def __init__(self, data):
        self.direction, self.data, self.plain, self.aliases = None, data, b"", {}

    def rekey(self, direction):
        if self.direction:
            self.data = bytes(self.direction.data)
        self.direction = direction
        self.direction.data += self.data

    def packet(self):
        """The next one, or None."""
        assembler = x.Assembler()
        while (p := assembler.next()) is None:
            if self.direction:
                record = self.direction.one()
            else:
                end = 8 + int.from_bytes(self.data[4:8], "big")
                record, self.data = self.data[:end] or None, self.data[end:]
            if record is None:
                return None
            self.plain += record
            assembler.feed(record)
        return p

    def until(self, *names):
        """The next packet of these names, or None."""
        while (p := self.packet()) is not None and self.aliases.get(p.name, p.name) not in names:
            pass
        return p


def decrypt_recording(client, server, secret):
    """(client's, server's) bytes in plain, as far as both could read each other: some of the recorded pairs could not."""
    c, s = Recorded(client), Recorded(server)
    try:
        hello = c.until("hello")
        while hello:
            mine = find(hello[1])
            caps = x.texts(hello[1])
            s.aliases = {number: name for name, number in (caps.get("aliases") or {}).items()}
            # no server that pads to 16 was recorded; with clients that state no padding they use spaces
            s.rekey(direction(secret, {"padding": "legacy", **mine}, 32))
            answer = s.until("challenge", "hello")
            if not answer:
                break
            challenge = answer.name == "challenge" or s.aliases.get(answer.name) == "challenge"
            c.rekey(direction(secret, find(answer[2 if challenge else 1]), 16 if "stream" in mine else 32))
            hello = c.until("hello") if challenge else None
        for side in (c, s):
            while side.direction and side.packet():
                pass
    except x.Malformed:
        pass
    return c.plain, s.plain
