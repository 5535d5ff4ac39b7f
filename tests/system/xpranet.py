# SPDX-License-Identifier: GPL-2.0-or-later
"""The xpra wire protocol, written a second time and from the documents only, so that the tests do
not share a mistake with the program: header, three encoders, compressors, digests, and a Peer. The fourth
encoder, yaml, is PyYAML, as it is in every peer."""
import hashlib
import hmac
import os
import select
import socket
import struct
import time
import zlib

import websocket

try:
    import lz4.block as _lz4
except ImportError:
    _lz4 = None
try:
    import brotli as _brotli
except ImportError:
    _brotli = None
try:
    import lzo as _lzo
except ImportError:
    _lzo = None
try:
    import yaml as _yaml
except ImportError:
    _yaml = None

BENCODE, RENCODE, YAML, FLUSH, RENCODEPLUS = 0x00, 0x01, 0x04, 0x08, 0x10
ENCODERS = {"bencode": BENCODE, "rencode": RENCODE, "rencodeplus": RENCODEPLUS, "yaml": YAML}
ENCODER_MASK = 0x15


class Malformed(Exception):
    pass


class PlainText(Exception):
    """The other side answered in text, without a header."""


class Closed(Exception):
    """The stream ended (cleanly: args[0] is b'', else what was left over)."""


class Timeout(Exception):
    pass


# ------------------------------------------------------------------------------- encoders
def rencode(v, plus):
    out = bytearray()
    _rencode(v, out, plus)
    return bytes(out)


def _rencode(v, out, plus):
    if v is None:
        out.append(69)
    elif v is True or v is False:
        out.append(67 if v else 68)
    elif isinstance(v, int):
        _rencode_int(v, out)
    elif isinstance(v, float):
        out += struct.pack("!Bd", 44, v) if plus else struct.pack("!Bf", 66, v)
    elif isinstance(v, str):
        data = v.encode("utf8")
        out += (bytes([128 + len(data)]) if len(data) < 64 else b"%d:" % len(data)) + data
    elif isinstance(v, (bytes, bytearray)):
        if plus:
            out += b"%d/" % len(v) + v
        else:
            out += (bytes([128 + len(v)]) if len(v) < 64 else b"%d:" % len(v)) + v
    elif isinstance(v, (list, tuple)):
        out.append(192 + len(v) if len(v) < 64 else 59)
        for x in v:
            _rencode(x, out, plus)
        if len(v) >= 64:
            out.append(127)
    elif isinstance(v, dict):
        out.append(102 + len(v) if len(v) < 25 else 60)
        for k, x in v.items():
            _rencode(k, out, plus)
            _rencode(x, out, plus)
        if len(v) >= 25:
            out.append(127)
    else:
        raise TypeError(f"cannot encode {type(v)}")


def _rencode_int(v, out):
    if 0 <= v < 44:
        out.append(v)
    elif -32 <= v < 0:
        out.append(69 - v)
    elif -128 <= v < 128:
        out += struct.pack("!Bb", 62, v)
    elif -32768 <= v < 32768:
        out += struct.pack("!Bh", 63, v)
    elif -(1 << 31) <= v < 1 << 31:
        out += struct.pack("!Bi", 64, v)
    elif -(1 << 63) <= v < 1 << 63:
        out += struct.pack("!Bq", 65, v)
    else:
        out += b"\x3d%d\x7f" % v


def unrencode(data, plus):
    try:
        return _unrencode(data, 0, plus)[0]
    except (IndexError, ValueError, struct.error) as e:
        raise Malformed(f"rencode: {e}") from e


_FIXED = {44: ("!d", 8), 62: ("!b", 1), 63: ("!h", 2), 64: ("!i", 4), 65: ("!q", 8), 66: ("!f", 4)}


def _unrencode(b, i, plus):
    c = b[i]
    i += 1
    if c < 44:
        return c, i
    if 70 <= c <= 101:
        return 69 - c, i
    if c in _FIXED:
        fmt, n = _FIXED[c]
        return struct.unpack_from(fmt, b, i)[0], i + n
    if 67 <= c <= 69:
        return (True, False, None)[c - 67], i
    if 48 <= c <= 57:
        j = i
        while 48 <= b[j] <= 57:
            j += 1
        n, sep = int(b[i - 1:j]), b[j:j + 1]
        d = b[j + 1:j + 1 + n]
        if len(d) < n or sep not in (b":", b"/"):
            raise Malformed("long string")
        return (d.decode("utf8") if plus and sep == b":" else bytes(d)), j + 1 + n
    if 128 <= c <= 191:
        d = b[i:i + c - 128]
        if len(d) < c - 128:
            raise Malformed("short string")
        return (d.decode("utf8") if plus else bytes(d)), i + c - 128
    if c == 61:
        j = b.index(b"\x7f", i)
        return int(b[i:j]), j + 1
    if c == 59 or c >= 192:
        items, i = _values(b, i, None if c == 59 else c - 192, plus)
        return items, i
    if c == 60 or 102 <= c <= 126:
        items, i = _values(b, i, None if c == 60 else 2 * (c - 102), plus)
        return dict(zip(map(_hashable, items[::2]), items[1::2])), i
    raise Malformed(f"type code {c}")


def _values(b, i, count, plus):
    items = []
    while count is None or len(items) < count:
        if count is None and b[i] == 127:
            return items, i + 1
        v, i = _unrencode(b, i, plus)
        items.append(v)
    return items, i


def _hashable(k):
    return tuple(k) if isinstance(k, list) else k


def bencode(v):
    if isinstance(v, bool):
        return b"i%de" % int(v)
    if isinstance(v, int):
        return b"i%de" % v
    if isinstance(v, str):
        v = v.encode("utf8")
    if isinstance(v, (bytes, bytearray)):
        return b"%d:" % len(v) + v
    if isinstance(v, (list, tuple)):
        return b"l" + b"".join(map(bencode, v)) + b"e"
    if isinstance(v, dict):
        return b"d" + b"".join(bencode(k) + bencode(x) for k, x in v.items()) + b"e"
    raise TypeError(f"bencode has no {type(v)}")


def unbencode(data):
    try:
        v, i = _unbencode(data, 0)
    except (IndexError, ValueError) as e:
        raise Malformed(f"bencode: {e}") from e
    if i != len(data):
        raise Malformed("bencode: bytes left over")
    return v


def _unbencode(b, i):
    c = b[i:i + 1]
    if c == b"i":
        j = b.index(b"e", i)
        return int(b[i + 1:j]), j + 1
    if c in (b"l", b"d"):
        items, i = [], i + 1
        while b[i:i + 1] != b"e":
            v, i = _unbencode(b, i)
            items.append(v)
        return (items if c == b"l" else dict(zip(map(_hashable, items[::2]), items[1::2]))), i + 1
    if c.isdigit():
        j = b.index(b":", i)
        n = int(b[i:j])
        d = b[j + 1:j + 1 + n]
        if len(d) < n:
            raise Malformed("bencode: short string")
        return d, j + 1 + n
    raise Malformed(f"bencode: {c!r}")


if _yaml:
    class _TupleLoader(getattr(_yaml, "CSafeLoader", _yaml.SafeLoader)):
        """Also reads what 3.1 - 5.x write for a tuple, a tag of Python's; no peer does."""

    _TupleLoader.add_constructor("tag:yaml.org,2002:python/tuple", lambda loader, node: loader.construct_sequence(node, deep=True))


def yaml_decode(payload, tuples=True):
    """tuples=False: as peers read."""
    try:
        return _yaml.load(bytes(payload).decode(), Loader=_TupleLoader if tuples else _yaml.SafeLoader)
    except (_yaml.YAMLError, UnicodeDecodeError) as e:
        raise Malformed(f"yaml: {e}") from e


def encode(packet, encoder):
    if encoder == YAML:
        return _yaml.dump(packet).encode()
    if encoder == BENCODE:
        return bencode(packet)
    return rencode(packet, encoder == RENCODEPLUS)


def decode(payload, encoder):
    if encoder == BENCODE:
        return unbencode(payload)
    if encoder in (RENCODE, RENCODEPLUS):
        return unrencode(payload, encoder == RENCODEPLUS)
    if encoder == YAML:
        return yaml_decode(payload)
    raise Malformed(f"encoder bits {encoder:#x}")


# ------------------------------------------------------------------------------- compressors
def compress(data, how):
    """how: None, "zlib", "lz4", "brotli", "lzo". Returns (compression byte, payload)."""
    if not how:
        return 0, data
    if how == "zlib":
        return 0x01, zlib.compress(data, 1)
    if how == "lz4":
        return 0x11, _lz4.compress(data)  # store_size: u32 little endian, then the block
    if how == "brotli":
        return 0x41, _brotli.compress(data, quality=1)
    if how == "lzo":
        return 0x21, _lzo.compress(bytes(data))
    raise ValueError(how)


def decompress(data, byte):
    if not byte:
        return data
    if byte & 0x10:
        return _lz4.decompress(data)
    if byte & 0x20:
        return _lzo.decompress(data)
    if byte & 0x40:
        return _brotli.decompress(data)
    if byte & 0x80:
        raise Malformed(f"compression byte {byte:#x}")
    return zlib.decompress(data)


def have(how):
    return {"lz4": _lz4, "brotli": _brotli, "lzo": _lzo}.get(how, True) is not None


# ------------------------------------------------------------------------------- records
def header(flags, compression, index, size):
    return struct.pack("!BBBBL", 0x50, flags, compression, index, size)


def record(flags, compression, index, payload):
    return header(flags, compression, index, len(payload)) + payload


def build(packet, encoder=RENCODEPLUS, how=None, chunks=(), flush=False, chunk_how=None):
    """The bytes of one packet: raw chunks first, then the main record."""
    packet, out = list(packet), b""
    for i in chunks:
        level, data = compress(packet[i], chunk_how)
        out += record(0, level, i, data)
        packet[i] = b""
    level, data = compress(encode(packet, encoder), how)
    return out + record(encoder | (FLUSH if flush else 0), level, 0, data)


def split_records(data):
    """[(header fields, payload, raw bytes)], rest. Stops at the first incomplete record."""
    found, i = [], 0
    while i + 8 <= len(data):
        magic, flags, level, index, size = struct.unpack_from("!BBBBL", data, i)
        if magic != 0x50 or i + 8 + size > len(data):
            break
        found.append(((flags, level, index), data[i + 8:i + 8 + size], data[i:i + 8 + size]))
        i += 8 + size
    return found, data[i:]


class Packet(list):
    """A decoded packet; .raw are its bytes (chunks and main record), .flags and .compression its header's."""
    raw, flags, compression, chunks = b"", 0, 0, ()

    @property
    def name(self):
        return text(self[0]) if isinstance(self[0], (str, bytes)) else self[0]


class Assembler:
    """Bytes in, packets out."""

    def __init__(self):
        self.data, self.chunks, self.raw = bytearray(), {}, b""

    def feed(self, data):
        self.data += data

    def next(self):
        while True:
            if self.data and self.data[0] != 0x50:
                return None
            if len(self.data) < 8:
                return None
            _, flags, level, index, size = struct.unpack_from("!BBBBL", self.data)
            if len(self.data) < 8 + size:
                return None
            payload = bytes(self.data[8:8 + size])
            self.raw += bytes(self.data[:8 + size])
            del self.data[:8 + size]
            payload = decompress(payload, level)
            if index:
                if flags:
                    raise Malformed(f"chunk with flags {flags:#x}")
                if index in self.chunks:
                    raise Malformed(f"chunk {index} twice")
                self.chunks[index] = payload
                if len(self.chunks) > 3:
                    raise Malformed("too many chunks")
                continue
            value = decode(payload, flags & ENCODER_MASK)
            if not isinstance(value, list) or not value:
                raise Malformed(f"packet is {type(value)}")
            p = Packet(value)
            for i, blob in self.chunks.items():
                if i >= len(p) or len(p[i]):
                    raise Malformed(f"chunk {i} has no empty place")
                p[i] = blob
            p.raw, p.flags, p.compression, p.chunks = self.raw, flags, level, tuple(self.chunks)
            self.chunks, self.raw = {}, b""
            return p


def text(v):
    """A string of any generation as str."""
    if isinstance(v, str):
        return v
    try:
        return v.decode("utf8")
    except UnicodeDecodeError:
        return v.decode("latin1")


def plain(v, bools=False):
    """The meaning of a value, whatever encoder carried it: every string as bytes, tuples as lists
    (bools=True: booleans as integers, which is all bencode has)."""
    if isinstance(v, str):
        return v.encode("utf8")
    if isinstance(v, (bytearray, memoryview)):
        return bytes(v)
    if isinstance(v, bool):
        return int(v) if bools else v
    if isinstance(v, float):
        return struct.unpack("!f", struct.pack("!f", v))[0] if abs(v) < 3e38 else v
    if isinstance(v, (list, tuple)):
        return [plain(x, bools) for x in v]
    if isinstance(v, dict):
        return {_hashable(plain(k, bools)): plain(x, bools) for k, x in v.items()}
    return v


def texts(v):
    """Every bytes that is UTF-8 as str, all the way down: for looking things up."""
    if isinstance(v, bytes):
        try:
            return v.decode("utf8")
        except UnicodeDecodeError:
            return v
    if isinstance(v, (list, tuple)):
        return [texts(x) for x in v]
    if isinstance(v, dict):
        return {_hashable(texts(k)): texts(x) for k, x in v.items()}
    return v


# ------------------------------------------------------------------------------- digests
HMACS = ["hmac+sha512", "hmac+sha384", "hmac+sha256", "hmac+sha224", "hmac+sha1", "hmac+md5", "hmac"]


def _hash(name):
    return getattr(hashlib, "md5" if name == "hmac" else name.split("+")[1])


def _xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b[:len(a)].ljust(len(a), b"\0")))


def combine_salts(salt_digest, server_salt, client_salt):
    if salt_digest == "xor":
        return _xor(client_salt, server_salt)
    return hmac.new(client_salt, server_salt, _hash(salt_digest)).hexdigest().encode()


def respond(digest, password, salt):
    if isinstance(password, str):
        password = password.encode()
    if digest.startswith("hmac"):
        return hmac.new(password, salt, _hash(digest)).hexdigest().encode()
    if digest in ("xor", "keycloak"):
        return _xor(password, salt)
    raise ValueError(digest)


# ------------------------------------------------------------------------------- a peer
class Peer:
    """One end of a connection that a test holds. Defaults (encoder, compressor) can be set per packet."""

    def __init__(self, sock, encoder=RENCODEPLUS, how=None):
        self.sock, self.encoder, self.how = sock, encoder, how
        self.assembler, self.seen, self.sent = Assembler(), [], b""
        self.sock.setblocking(True)

    # -- sending
    def send_raw(self, data, pieces=None, pause=0):
        """pieces=1: in single bytes, one write each."""
        if not pieces:
            self.sock.sendall(data)
            return
        for i in range(0, len(data), pieces):
            self.sock.sendall(data[i:i + pieces])
            if pause:
                time.sleep(pause)

    def send_packet(self, *packet, encoder=None, how=0, pieces=None, **kw):
        data = build(packet, self.encoder if encoder is None else encoder,
                     self.how if how == 0 else how, **kw)
        self.send_raw(data, pieces)
        return data

    def start_tls(self, context, name="localhost"):
        self.sock = context.wrap_socket(self.sock, server_hostname=name)

    def start_websocket(self, masked=True, **kw):
        self.sock = websocket.upgrade(self.sock, masked, **kw)

    def shutdown(self, how=socket.SHUT_WR):
        try:
            self.sock.shutdown(how)
        except OSError:
            pass

    def close(self):
        try:
            self.sock.close()
        except OSError:
            pass

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    # -- receiving
    def _fill(self, deadline):
        left = deadline - time.monotonic()
        waiting = hasattr(self.sock, "pending") and self.sock.pending()
        if left <= 0 or not (waiting or select.select([self.sock], [], [], left)[0]):
            raise Timeout(f"nothing more came; so far: {[p.name for p in self.seen][-8:]} "
                          f"{bytes(self.assembler.data[:80])!r}")
        try:
            data = self.sock.recv(262144)
        except ConnectionResetError as e:
            raise Closed("reset", bytes(self.assembler.data)) from e
        if not data:
            rest = bytes(self.assembler.data)
            if rest and rest[0] != 0x50:
                raise PlainText(rest.decode("latin1"))
            raise Closed(rest)
        self.assembler.feed(data)

    def read_packet(self, timeout=10, skip=()):
        """The next packet whose name is not in skip. Raises PlainText, Closed, Timeout, Malformed."""
        deadline = time.monotonic() + timeout
        while True:
            p = self.assembler.next()
            if p is not None:
                self.seen.append(p)
                if p.name in skip:
                    continue
                return p
            self._fill(deadline)

    def expect(self, *names, timeout=10, skip=("ping",)):
        """The next packet, which must be one of names."""
        p = self.read_packet(timeout, skip)
        if p.name not in names:
            raise AssertionError(f"expected {names}, got {texts(p[:3])!r:.300}")
        return p

    def read_all(self, timeout=10):
        """Every packet until the stream ends; (packets, plain text or None)."""
        packets, deadline = [], time.monotonic() + timeout
        while True:
            try:
                packets.append(self.read_packet(max(0, deadline - time.monotonic())))
            except PlainText as e:
                return packets, e.args[0]
            except Closed:
                return packets, None

    def read_end(self, timeout=10):
        """Reads to the end of the stream. What ended it, as text: the disconnect packet's items
        joined with "; ", or the plain text, or "" for nothing."""
        packets, words = self.read_all(timeout)
        for p in packets:
            if p.name == "disconnect":
                return "; ".join(text(x) if isinstance(x, (str, bytes)) else repr(x) for x in p[1:])
        return words or ""

    # -- logging in
    def hello(self, caps, **kw):
        return self.send_packet("hello", caps, **kw)

    def answer(self, challenge, caps, password, client_salt=None, **kw):
        """Sends the hello that answers a challenge packet. Returns (response, client salt)."""
        salt = challenge[1]
        salt = salt if isinstance(salt, bytes) else salt.encode("latin1")
        digest, salt_digest = text(challenge[3]), text(challenge[4])
        client_salt = client_salt or os.urandom(32)
        response = respond(digest, password, combine_salts(salt_digest, salt, client_salt))
        full = {k: v for k, v in caps.items() if k != "challenge"}
        full["challenge_response"] = response
        full["challenge_client_salt"] = client_salt
        self.hello(full, **kw)
        return response, client_salt

    def login(self, caps, *passwords, timeout=10):
        """hello, then an answer to each challenge; returns the packet that comes after."""
        self.hello(caps)
        for password in passwords:
            c = self.expect("challenge", timeout=timeout)
            self.answer(c, caps, password)
        return self.read_packet(timeout, skip=("ping",))


# ------------------------------------------------------------------------------- hellos
DIGESTS_31 = ["hmac", "hmac+sha512", "hmac+sha384", "hmac+sha256", "hmac+sha224", "hmac+sha1", "hmac+md5"]
DIGESTS_65 = ["hmac+sha512", "hmac+sha384", "hmac+sha256", "hmac+sha224"]


def hello31(**more):
    """A small hello as 3.1.3 writes it: flat keys, rencode."""
    caps = {
        "version": "3.1.3", "uuid": "3028b4a8ec2bcb3d8ad5e00b77797075a8563812",
        "client_type": "Python/GTK3", "hostname": "testhost", "username": "", "name": "tester",
        "rencode": True, "rencode.version": ["Cython", 1, 0, 6], "bencode": True, "yaml": True,
        "encoders": ["rencode", "bencode", "yaml"], "compressors": ["zlib", "lz4", "lzo", "brotli"],
        "lz4": True, "lz4.version": "4.0.2", "zlib": True, "lzo": True, "brotli": True,
        "compression_level": 1, "namespace": True,
        "digest": DIGESTS_31, "salt-digest": DIGESTS_31[1:],
        "aliases": {"ping": 13, "ping_echo": 14, "draw": 77}, "wants_aliases": True,
        "mmap": {"": False}, "mmap_file": "/tmp/xpra.mmap", "mmap_size": 1 << 28,
        "mmap_token": (1 << 127) + 12345, "mmap_token_index": 4, "mmap_token_bytes": 16,
        "cipher": "", "websocket.multi-packet": True, "ping-echo-sourceid": True,
        "encodings": ["rgb", "png", "jpeg"], "encodings.core": ["rgb24", "rgb32", "png", "jpeg"],
        "encodings.rgb_formats": ["RGB", "BGRX"], "encoding": "auto", "encoding.rgb_lz4": True,
        "desktop_size": [1280, 1024], "dpi": 96, "windows": True, "keyboard": True, "share": False,
        "xkbmap_keycodes": [[65, "A", 38, 0, 1]], "modifiers": [], "clipboard": True,
        "clipboard.want_targets": True, "sound.send": False, "info-namespace": True,
        "file-transfer": True, "file-size-limit": 100, "session-name": "", "title-utf8": "é€",
    }
    del caps["cipher"], caps["session-name"]
    caps.update(more)
    return {k: v for k, v in caps.items() if v is not None}


def hello65(**more):
    """A small hello as 6.5.3 writes it: nested, rencodeplus, the display subsystem under `display`."""
    caps = {
        "version": "6.5", "uuid": "6" * 64, "client_type": "Python/GTK3", "hostname": "testhost",
        "username": "", "name": "tester", "session-id": "5" * 32,
        "rencodeplus": {"": True, "version": ["Cython", 1, 0, 10]}, "yaml": {"": True},
        "encoders": ["rencodeplus", "yaml"], "compressors": ["lz4", "brotli"],
        "lz4": {"": True, "version": [4, 0, 2]}, "brotli": {"": True}, "flush": True, "chunks": True,
        "digest": DIGESTS_65, "salt-digest": DIGESTS_65, "network": {"pings": 5},
        "wants": ["events", "packet-types"], "packet-types": ["hello", "draw", "ping", "ssl-upgrade", "window-ack"],
        "mmap": {"read": {"file": "/tmp/x"}, "write": {"file": "/tmp/y"}}, "mmap_namespace": True,
        "display": {"desktop_size": [1280, 1024], "monitors": {0: {"geometry": [0, 0, 1280, 1024]}},
                    "show-desktop": True},
        "session": {}, "encoding": {"core": ["rgb24", "rgb32", "png"], "options": ["rgb24", "png"],
                                    "setting": "auto", "rgb_formats": ["BGRX"]},
        "encodings": {"": ["rgb24", "png"], "core": ["rgb24", "rgb32", "png"], "packet": True},
        "keymap": {"layout": "gb", "keycodes": [[65, "A", 38, 0, 1]]}, "windows": True, "keyboard": True,
        "clipboard": {"enabled": True, "selections": ["CLIPBOARD"]}, "audio": {"receive": False},
        "file": {"enabled": True, "size-limit": 1 << 20}, "ping": True, "ping-echo-sourceid": True,
        "title-utf8": "é€",
    }
    caps.update(more)
    return {k: v for k, v in caps.items() if v is not None}


def server31(**more):
    caps = {
        "version": "3.1.3", "uuid": "a" * 40, "server_type": "Python/GTK/x11", "server.mode": "seamless",
        "display": ":100", "session_name": "real session", "rencode": True, "bencode": True, "yaml": True,
        "encoders": ["rencode", "bencode", "yaml"], "compressors": ["zlib", "lz4", "lzo", "brotli"],
        "lz4": True, "zlib": True, "lzo": True, "brotli": True, "compression_level": 1,
        "digest": DIGESTS_31, "salt-digest": DIGESTS_31[1:], "aliases": {"ping": 9, "hello": 1, "draw": 35},
        "mmap_enabled": False, "mmap_token": 5, "ping-echo-sourceid": True, "max_desktop_size": [4096, 4096],
        "actual_desktop_size": [1280, 1024], "encodings": ["rgb", "png"], "encodings.core": ["rgb24", "png"],
        "clipboard": True, "info-request": True, "start_time": 1700000000, "title-utf8": "é€",
    }
    caps.update(more)
    return {k: v for k, v in caps.items() if v is not None}


def server65(**more):
    caps = {
        "version": "6.5", "uuid": "b" * 64, "server_type": "core", "display": ":100",
        "session_name": "real session", "rencodeplus": {"": True}, "yaml": {"": True},
        "encoders": ["rencodeplus", "yaml"], "compressors": ["lz4", "brotli"], "lz4": {"": True},
        "brotli": {"": True}, "flush": True, "chunks": True, "digest": DIGESTS_65, "salt-digest": DIGESTS_65,
        "mmap": {"enabled": False}, "mmap_enabled": False, "ping-echo-sourceid": True,
        "packet-types": ["hello", "damage-sequence", "ssl-upgrade", "window-ack", "ping"],
        "max_desktop_size": [4096, 4096], "encodings": {"core": ["rgb24", "png"], "": ["rgb", "png"]},
        "encryption": {}, "clipboard": {"enabled": True}, "info-request": True, "title-utf8": "é€",
        "subsystems": ["window", "keyboard"], "start_time": 1700000000,
    }
    caps.update(more)
    return {k: v for k, v in caps.items() if v is not None}
