# SPDX-License-Identifier: GPL-2.0-or-later
"""A WebSocket for scripted peers: the client's handshake, and a thing that reads and writes as a socket does."""
import base64
import hashlib
import os
import re
import struct

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = "MDEyMzQ1Njc4OWFiY2RlZg=="


def frame(payload, opcode=BINARY, mask=None, fin=True, reserved=0, length=None):
    """One frame; mask: 4 bytes, or None. length: how it is written (7, 16 or 64 bits), else the shortest."""
    n = len(payload)
    length = length or (7 if n < 126 else 16 if n < 65536 else 64)
    head = bytes([(0x80 if fin else 0) | reserved << 4 | opcode,
                  (0x80 if mask else 0) | {7: n, 16: 126, 64: 127}[length] & 0xff])
    head += {7: b"", 16: struct.pack("!H", n & 0xffff), 64: struct.pack("!Q", n)}[length]
    if mask:
        head += mask
        key = (mask * (n // 4 + 1))[:n]
        payload = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(n, "big") if n else b""
    return head + payload


def request(path="/", host="127.0.0.1", drop=(), **more):
    """The request of a browser; more: further fields, or other values."""
    fields = {"Host": host, "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": KEY,
              "Sec-WebSocket-Version": "13", "Sec-WebSocket-Protocol": "binary"}
    fields.update({k.replace("_", "-"): v for k, v in more.items()})
    return f"GET {path} HTTP/1.1\r\n".encode() + b"".join(
        f"{k}: {one}\r\n".encode("latin1") for k, v in fields.items() if k not in drop
        for one in (v if isinstance(v, list) else [v])) + b"\r\n"


def read_head(sock):
    """Up to the empty line, not a byte further; (status, fields in lower case, raw)."""
    raw = b""
    while not raw.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        if not byte:
            raise EOFError(raw.decode("latin1"))
        raw += byte
    lines = raw.decode("latin1").split("\r\n")
    fields = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:-2])}
    return int(lines[0].split()[1]), fields, raw


def upgrade(sock, masked=True, early=b"", **kw):
    """The client's handshake; the WebSocket. early: sent in one segment with the request."""
    sock.settimeout(15)
    sock.sendall(request(**kw) + early)
    status, fields, raw = read_head(sock)
    if status != 101:
        body = sock.recv(int(fields.get("content-length", 0))) if fields.get("content-length") else b""
        raise ConnectionError(f"{status}: {raw!r} {body!r}")
    accept = base64.b64encode(hashlib.sha1((KEY + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
    assert fields["sec-websocket-accept"] == accept and fields["upgrade"] == "websocket", fields
    assert fields["sec-websocket-protocol"] == "binary", fields
    # where native xpra clients stop reading
    assert re.search(rb"(?i)\r\nsec-websocket-protocol: binary\r\n\r\n$", raw), raw
    sock.settimeout(None)
    return WebSocket(sock, masked)


class WebSocket:
    """The frames of one connection, as a client. masked: as browsers do; else as xpra's own client does."""

    def __init__(self, sock, masked=True):
        self.sock, self.masked, self.raw, self.payload = sock, masked, b"", b""
        self.control = []  # (opcode, content) of what was not a message
        self.frames = []   # (opcode, length) of every message frame

    def send(self, payload, opcode=BINARY, **kw):
        self.sock.sendall(frame(payload, opcode, os.urandom(4) if self.masked else None, **kw))

    def sendall(self, data):
        self.send(data)

    def _take(self):
        """One frame out of what was read, if it is whole."""
        if len(self.raw) < 2:
            return False
        n, at = self.raw[1] & 0x7f, 2
        assert not self.raw[1] & 0x80, "a server's frame has a mask"
        if n >= 126:
            size = 2 if n == 126 else 8
            n, at = int.from_bytes(self.raw[2:2 + size], "big"), 2 + size
        if len(self.raw) < at + n:
            return False
        opcode, body, self.raw = self.raw[0], self.raw[at:at + n], self.raw[at + n:]
        assert opcode & 0xf0 == 0x80, f"{opcode:#x}: a fragment, or reserved bits"
        if opcode & 15 == BINARY:
            self.payload += body
            self.frames.append((BINARY, n))
        else:
            self.control.append((opcode & 15, body))
        return True

    def recv(self, n, flags=0):
        while True:
            while self._take():
                pass
            if self.payload:
                data, self.payload = self.payload[:n], self.payload[n:]
                return data
            data = self.sock.recv(262144)
            if not data:
                assert not self.raw, f"the stream ends inside a frame: {self.raw[:40]!r}"
                return b""
            self.raw += data

    def pending(self):
        return len(self.payload) or (hasattr(self.sock, "pending") and self.sock.pending())

    def wait_control(self, opcode, seconds=5):
        """The content of the next control frame of that kind."""
        self.sock.settimeout(seconds)
        while True:
            for i, (kind, body) in enumerate(self.control):
                if kind == opcode:
                    del self.control[i]
                    self.sock.settimeout(None)
                    return body
            data = self.sock.recv(262144)
            assert data, f"the stream ended before a frame of kind {opcode}: {self.control}"
            self.raw += data
            while self._take():
                pass

    def fileno(self):
        return self.sock.fileno()

    def setblocking(self, on):
        self.sock.setblocking(on)

    def settimeout(self, seconds):
        self.sock.settimeout(seconds)

    def shutdown(self, how):
        self.sock.shutdown(how)

    def close(self):
        self.sock.close()

    def getsockname(self):
        return self.sock.getsockname()

    def setsockopt(self, *a):
        self.sock.setsockopt(*a)


def plain_request(sock, text):
    """Sends a request as it stands; (status, fields, body) of the answer."""
    sock.settimeout(10)
    sock.sendall(text if isinstance(text, bytes) else text.encode("latin1"))
    return read_answer(sock, text if isinstance(text, str) else text.decode("latin1"))


def read_answer(sock, text=""):
    status, fields, _ = read_head(sock)
    body, n = b"", int(fields.get("content-length", 0))
    if text.startswith("HEAD ") or status == 304:
        n = 0
    while len(body) < n:
        data = sock.recv(n - len(body))
        if not data:
            raise EOFError(f"{len(body)} of {n} bytes")
        body += data
    return status, fields, body


