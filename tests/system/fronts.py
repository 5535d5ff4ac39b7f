# SPDX-License-Identifier: GPL-2.0-or-later
"""What may stand before a session's server: certificates of every kind, TLS and WebSocket ends written from the RFCs,
and bridges from them to a plain scripted server."""
import base64
import collections
import datetime
import functools
import hashlib
import ipaddress
import os
import select
import socket
import ssl
import struct
import threading

import harness as h


# ---- certificates
@functools.lru_cache(None)
def _authority(name):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name} test authority")])
    now = datetime.datetime.utcnow()
    cert = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=9))
            .not_valid_after(now + datetime.timedelta(days=9))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), True).sign(key, hashes.SHA256()))
    return key, cert


def _pem(cert):
    from cryptography.hazmat.primitives import serialization
    return cert.public_bytes(serialization.Encoding.PEM).decode()


@functools.lru_cache(None)
def authority(name="good"):
    """A file with the authority's certificate."""
    return h.make_file(f"ca-{name}.pem", _pem(_authority(name)[1]))


@functools.lru_cache(None)
def certificate(kind="good", names=("localhost", "127.0.0.1", "::1"), owner=None):
    """A file with key and certificate, as xpra takes it, made by "good" authority unless kind is "self-signed"; "expired",
    "early" or "revoked" if that is the kind."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID
    ca_key, ca = _authority("good")
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now, day = datetime.datetime.utcnow(), datetime.timedelta(days=1)
    begin, end = {"expired": (-3, -1), "early": (1, 3)}.get(kind, (-1, 3))
    alternatives = []
    for n in names:
        try:
            alternatives.append(x509.IPAddress(ipaddress.ip_address(n)))
        except ValueError:
            alternatives.append(x509.DNSName(n))
    own = kind == "self-signed"
    cert = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject if own else ca.subject)
            .public_key(key.public_key()).serial_number(666 if kind == "revoked" else x509.random_serial_number())
            .not_valid_before(now + begin * day).not_valid_after(now + end * day)
            .add_extension(x509.SubjectAlternativeName(alternatives), False).sign(key if own else ca_key, hashes.SHA256()))
    text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption()).decode() + _pem(cert)
    return h.make_file(f"cert-{kind}-{names[0]}-{owner.name if owner else 0}.pem", text, 0o600, owner)


@functools.lru_cache(None)
def revocations(name="good", expired=False):
    """An authority's list: serial number 666 is on it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    key, ca = _authority(name)
    now, day = datetime.datetime.utcnow(), datetime.timedelta(days=1)
    revoked = x509.RevokedCertificateBuilder().serial_number(666).revocation_date(now - day).build()
    crl = (x509.CertificateRevocationListBuilder().issuer_name(ca.subject).last_update(now - 3 * day)
           .next_update(now + (-1 if expired else 1) * day).add_revoked_certificate(revoked).sign(key, hashes.SHA256()))
    return h.make_file(f"crl-{name}-{expired}.pem", crl.public_bytes(serialization.Encoding.PEM).decode())


def context(kind="good", names=("localhost", "127.0.0.1", "::1"), highest=None, clients=False):
    """A server's SSLContext; clients: they must have a certificate of the good authority."""
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(certificate(kind, names))
    if highest:
        c.minimum_version, c.maximum_version = ssl.TLSVersion.TLSv1, highest
        c.set_ciphers("ALL:@SECLEVEL=0")
    if clients:
        c.verify_mode = ssl.CERT_REQUIRED
        c.load_verify_locations(authority())
    return c


# ---- the two ends
class Plain:
    def __init__(self, sock):
        self.sock = sock

    def read(self):
        """b"": the end; None: nothing yet."""
        try:
            return self.sock.recv(262144)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None

    def write(self, data):
        """How many bytes it took."""
        try:
            return self.sock.send(data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0

    def unwritten(self):
        """Whether it holds bytes of its own."""
        return False

    def waiting(self):
        return isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0


class WebSocket(Plain):
    """The server's end, RFC 6455. log: opcodes that came, and whether they were masked."""

    def __init__(self, sock, frames=65536, protocol="binary", status="101 Switching Protocols", early=b"", trickle=False):
        super().__init__(sock)
        self.data, self.log, self.frames = b"", [], frames
        self.out, self.holds = b"", 0  # a frame on its way, and how many bytes of the caller's are in it
        self.injected = collections.deque()  # tests put in, the bridge's thread takes out: `out` is for that thread alone
        request = b""
        while b"\r\n\r\n" not in request:
            more = sock.recv(4096)
            if not more:
                raise OSError("closed in the upgrade")
            request += more
        head, self.data = request.split(b"\r\n\r\n", 1)
        self.request = head.decode("latin1")
        fields = dict(line.split(": ", 1) for line in self.request.split("\r\n")[1:])
        self.fields = {k.lower(): v for k, v in fields.items()}
        accept = base64.b64encode(hashlib.sha1((self.fields["sec-websocket-key"] +
                                                "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
        answer = (f"HTTP/1.1 {status}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n"
                  f"Sec-WebSocket-Protocol: {protocol}\r\n\r\n").encode() + early
        for i in range(0, len(answer), 1 if trickle else len(answer)):
            sock.sendall(answer[i:i + (1 if trickle else len(answer))])

    def read(self):
        more = super().read()
        if more == b"":
            return b""
        self.data += more or b""
        out = b""
        while len(self.data) >= 6:
            first, n = self.data[0], self.data[1] & 127
            at = 2
            if n >= 126:
                size = 2 if n == 126 else 8
                if len(self.data) < at + size:
                    break
                n = int.from_bytes(self.data[at:at + size], "big")
                at += size
            masked = bool(self.data[1] & 128)
            self.log.append((first & 15, masked))
            if len(self.data) < at + 4 * masked + n:
                self.log.pop()
                break
            mask = self.data[at:at + 4] if masked else bytes(4)
            at += 4 * masked
            payload = self.data[at:at + n]
            self.data = self.data[at + n:]
            payload = (int.from_bytes(payload, "big") ^ int.from_bytes((mask * (n // 4 + 1))[:n], "big")).to_bytes(n, "big")
            if first & 15 == 8:
                return b""
            if first & 15 <= 2:
                out += payload
        return out or None

    def write(self, data):
        data = bytes(data[:self.frames])
        if not self.out and self.injected:
            self.out, self.holds = self.injected.popleft(), 0
        elif not self.out and data:
            self.out, self.holds = self.frame(2, data), len(data)
        self.out = self.out[super().write(self.out):]
        return 0 if self.out else self.holds

    def inject(self, data):
        """Bytes of a server's that the one behind has not sent."""
        self.injected.append(data)

    def unwritten(self):
        return bool(self.out or self.injected)

    @staticmethod
    def frame(opcode, data, first=0x80):
        n = len(data)
        size = bytes([n]) if n < 126 else b"\x7e" + struct.pack("!H", n) if n < 65536 else b"\x7f" + struct.pack("!Q", n)
        return bytes([first | opcode]) + size + data


class Front:
    """Listens; each connection is made into an end by `wrap` (which may raise) and bridged to the port behind."""

    def __init__(self, port, wrap, host="127.0.0.1"):
        self.behind, self.wrap, self.ends, self.errors = port, wrap, [], []
        self.listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port = self.listener.getsockname()[1]
        h.defer(self.listener.close)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(s,), daemon=True).start()

    def _serve(self, s):
        try:
            s.settimeout(20)
            end = self.wrap(s)
        except (OSError, KeyError) as e:
            self.errors.append(e)
            s.close()
            return
        self.ends.append(end)
        inner = Plain(socket.create_connection(("127.0.0.1", self.behind)))
        try:
            bridge(end, inner)
        except OSError as e:
            self.errors.append(e)
        for one in (end.sock, inner.sock):
            one.close()


def bridge(a, b):
    """Copies both ways in one thread, as Python's TLS objects are not for two, until one side ends."""
    for one in (a, b):
        one.sock.setblocking(False)
    pending = {a: b"", b: b""}  # to be written to it
    while True:
        readable = [one for one, other in ((a, b), (b, a)) if len(pending[other]) < 1 << 20]
        writable = [one for one in (a, b) if pending[one] or one.unwritten()]
        if not any(one.waiting() for one in readable):
            select.select([one.sock for one in readable], [one.sock for one in writable], [], 0.05)
        for one, other in ((a, b), (b, a)):
            if one in readable:
                data = one.read()
                if data == b"":
                    return
                pending[other] += data or b""
            if pending[one] or one.unwritten():
                pending[one] = pending[one][one.write(pending[one]):]


def tls(kind="good", **kw):
    c = context(kind, **kw)
    return lambda s: Plain(c.wrap_socket(s, server_side=True))


def ws(**kw):
    return lambda s: WebSocket(s, **kw)


def wss(kind="good", **kw):
    c = context(kind)
    return lambda s: WebSocket(c.wrap_socket(s, server_side=True), **kw)
