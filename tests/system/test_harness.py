# SPDX-License-Identifier: GPL-2.0-or-later
"""The tests' own tools against real xpra, no proxy between: what they say about the program is only
worth something if the Debian package agrees with them."""
import fronts
import harness as h
import xpranet as x

SECONDS = 25


def real(f):
    f.no_program = True
    return f




@real
def test_codecs_against_python3_rencode():
    """Our classic rencode is byte for byte that of the Debian package; rencodeplus reads back what it writes."""
    try:
        import rencode
    except ImportError:
        raise h.Skip("python3-rencode is not installed") from None
    values = [0, 43, 44, 127, 128, -1, -32, -33, -128, -129, 32768, -32769, 2 ** 31, -2 ** 31 - 1, 2 ** 63 - 1, True, False,
              None, "", "x" * 63, "x" * 64, b"\xff\x00" * 40, "é€", [], list(range(64)), {}, {"k%d" % i: i for i in range(25)}]
    values += [["nested", {"a": [v, {"b": v}]}] for v in values]
    for v in values:
        assert x.rencode(v, False) == rencode.dumps(v), v
        assert x.unrencode(rencode.dumps(v), False) == x.plain(v), v
        assert x.unrencode(x.rencode(v, True), True) == v, v
        if not any(t in repr(v) for t in ("None", "True", "False")):
            assert x.unbencode(x.bencode(v)) == x.plain(v), v


@real
def test_worked_examples():
    """Frames, salts and responses as the protocol's description works them out."""
    assert x.build(("hello", {"version": "6.5", "rencodeplus": True})).hex() == \
        "5010000000000021c28568656c6c6f688776657273696f6e83362e358b72656e636f6465706c757343"
    salt = x.combine_salts("hmac+sha512", bytes(range(64)), bytes(range(0x80, 0xa0)))
    assert salt.startswith(b"2be0d17157e42999") and x.respond("hmac+sha512", "secret", salt).startswith(b"40c70458276cec8c")
    assert x.respond("xor", "secret", salt).hex() == "410706420145"
    assert x.combine_salts("xor", bytes(range(64)), bytes(range(0x80, 0xc0))) == b"\x80" * 64
    for how in ("zlib", "lz4"):
        if x.have(how):
            level, data = x.compress(b"A" * 100, how)
            assert data.hex() in ("78017374a43d000002e91965", "640000001f4101004b504141414141"), data.hex()


@real
def test_injected_frames():
    """What a test puts into a scripted WebSocket while it writes comes after that, and repeats nothing."""
    ours, theirs = h.socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"GET / HTTP/1.1\r\nSec-WebSocket-Key: x\r\n\r\n")
        end = fronts.WebSocket(ours)
        theirs.recv(4096)

        class Interrupted:
            asked = False

            def send(self, data):
                sent = ours.send(data)
                if not self.asked:
                    self.asked = True
                    end.inject(end.frame(8, b"bye"))
                return sent
        end.sock = Interrupted()
        pending = b"hello"
        for _ in range(10):
            if pending or end.unwritten():
                pending = pending[end.write(pending):]
        got = theirs.recv(4096)
        assert not pending and got == end.frame(2, b"hello") + end.frame(8, b"bye"), (pending, got)


@real
@h.needs_xpra
def test_scripted_client_real_server():
    """A scripted 3.1.3 client gets a hello, a window and an echo from the real server."""
    server = h.RealServer()
    for encoder in (x.RENCODE, x.BENCODE):
        peer = x.Peer(h.socket.create_connection(("127.0.0.1", server.port)), encoder)
        h.defer(peer.close)
        caps = x.hello31(username=h.alice.name, **({"rencode": False} if encoder == x.BENCODE else {}))
        hello = peer.login({k: v for k, v in caps.items() if k != "aliases"}).copy()
        assert x.text(hello[0]) == "hello", hello
        assert x.texts(hello[1])["version"] == "3.1.3"
        peer.send_packet("ping", 12345)
        while True:
            p = peer.read_packet(10)
            if p.name in ("ping_echo", 14):
                assert p[1] == 12345, p
                break
        peer.send_packet("disconnect", "client exit")
        peer.close()


@real
@h.needs_xpra
@h.timeout(60)
def test_scripted_client_real_server_password():
    """Challenge and response as the real server wants them; and its words for a wrong one."""
    server = h.RealServer(args=["--tcp-auth=password:value=secret"])
    for password, expected in (("secret", "hello"), ("wrong", "disconnect")):
        peer = x.Peer(h.socket.create_connection(("127.0.0.1", server.port)), x.RENCODE)
        h.defer(peer.close)
        p = peer.login(x.hello31(username=h.alice.name), password)
        assert p.name in (expected, {"hello": 1, "disconnect": 2}[expected]), p[:2]
        if expected == "disconnect":
            assert x.text(p[1]) == "authentication failed", p
        peer.close()


@real
@h.needs_xpra
def test_real_client_scripted_server():
    """The real client accepts the scripted 3.1.3 server's hello and shows the window it sends."""
    server = h.Server("3.1.3", password="secret")
    client = h.RealClient(f"tcp://john:secret@127.0.0.1:{server.port}/")
    s = server.get(20)
    assert s.caps["username"] == "john", s.caps.get("username")
    s.peer.send_packet("new-window", 1, 10, 10, 100, 50, {"title": "HELLO-scripted"}, {})
    s.peer.send_packet("startup-complete")
    client.attached("HELLO-scripted")


@real
@h.needs_xpra
@h.timeout(60)
def test_real_client_real_server():
    """attached(), type(), resize() do what they say."""
    server = h.RealServer()
    client = h.RealClient(server.uri)
    window = client.attached(server.title)
    client.type(window, "typed directly")
    h.eventually(lambda: "typed directly" in server.keys(), 10, f"keys arrive: {server.keys()!r}")
    before = h.eventually(server.geometry, 5, "the session's window")
    client.resize(window, 700, 500)
    h.eventually(lambda: (g := server.geometry()) and g != before and abs(g[0] - 700) < 30 and
                 abs(g[1] - 500) < 30, 10, f"the session's window changes its size from {before}")
