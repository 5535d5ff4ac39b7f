# SPDX-License-Identifier: GPL-2.0-or-later
"""Peers that cannot talk to each other directly: no encoder, or no compressor, in common."""
import os
import threading

import harness as h
import xpranet as x

SECONDS = 30
PIXELS = os.urandom(70000)

# What a 3.1.3 client says, as it means it (text and bytes are the same to it).
UP = [
    ["focus", 1, []],
    ["map-window", 1, 0, 0, 499, 316, {"encoding.transparency": True, "screen": 0}, {}],
    ["configure-window", 1, 10, 20, 499, 316, {}, 0, {}, False],
    ["key-action", 1, "eacute", True, ["shift"], 233, "é", 26, 0],
    ["button-action", 1, 1, True, [100, 50], ["mod2"], []],
    ["pointer-position", 1, [-5, 70000], [], []],
    ["damage-sequence", 12, 1, 640, 480, 2500, ""],
    ["ping", 123456789012],
    ["clipboard-contents", 3, "CLIPBOARD", "UTF8_STRING", 8, "bytes", "copied é€ text"],
    ["send-file", "n.bin", "application/x", False, False, 900, bytes(range(256)) * 4, {"sha256": "aa"}, "id1"],
    ["buffer-refresh", -1, 0, 100, {"refresh-now": True}, {}],
    ["set-clipboard-enabled", False],
    ["logging", 20, ["message with \x7f"]],
]
# What a 6.5 server says.
DOWN = [
    ["startup-complete"],
    ["new-window", 4194316, 0, 0, 499, 316, {"title": "é€ terminal", "pid": 77, "class-instance": ["xterm", "XTerm"],
                                            "size-constraints": {"base-size": [19, 4]}, "big": 2 ** 40}, {}],
    ["draw", 4194316, 0, 0, 499, 316, "png", PIXELS[:300], 1, 0, {"quality": 90, "flush": 0}],
    ["draw", 4194316, 0, 0, 499, 316, "rgb32", PIXELS, 2, 1996, {"rgb_format": "BGRX"}],
    ["cursor", "raw", 0, 0, 16, 16, 1, 1, 5, PIXELS[:1024], "left_ptr"],
    ["window-icon", 4194316, 48, 48, "png", PIXELS[:2000]],
    ["window-metadata", 4194316, {"title": "x" * 300}],
    ["ping", 5, 1700000000000],
    ["bell", 4194316, 0, 100, 400, 100, 0, 0, "name"],
    ["lost-window", 4194316],
    ["setting-change", "xdg-menu", {"Apps": {"Entries": {"é": {"Exec": "x"}}}}],
]


def text_of(p):
    return [x.text(i) if isinstance(i, (str, bytes)) else i for i in p]


def same(sent, got, bools=False):
    a, b = x.plain(list(sent), bools), x.plain(list(got), bools)
    assert a == b, f"sent {a!r:.400}\ngot  {b!r:.400}"


def all_keys(v):
    if isinstance(v, dict):
        for k, inner in v.items():
            yield k
            yield from all_keys(inner)
    elif isinstance(v, list):
        for inner in v:
            yield from all_keys(inner)


def well_typed(p, blobs=()):
    """As 6.x demands: name and keys are text, nothing is None or float, binary items are bytes."""
    assert isinstance(p[0], str), f"packet name {p[0]!r} is not text"
    for k in all_keys(list(p)):
        assert isinstance(k, (str, int)), f"key {k!r} of {p[0]}"
    for i, item in enumerate(p):
        assert item is not None and not isinstance(item, float), f"item {i} of {p[0]}: {item!r}"
    for i in blobs:
        assert isinstance(p[i], bytes), f"item {i} of {p[0]} is {type(p[i])}"


BLOBS = {"draw": [7], "cursor": [9], "window-icon": [5], "send-file": [6], "file-send": [6]}


@h.each("plain", "lz4", "zlib")
def test_old_client_new_server(how):
    """3.1.3 to 6.5: what no direct connection can do."""
    link = h.link("3.1.3", "6.5", how=None if how == "plain" else how)
    assert link.session.hellos[0].flags & x.ENCODER_MASK == x.RENCODEPLUS
    assert link.hello.flags & x.ENCODER_MASK == x.RENCODE
    chunked = {"send-file": [6]}
    for p in UP:
        link.c.send_packet(*p, chunks=chunked.get(p[0], []))
        got = link.s.read_packet(5, skip=("ping",) if p[0] != "ping" else ())
        same(p, [{"file-send": "send-file"}.get(got[0], got[0])] + list(got[1:]))
        well_typed(got, BLOBS.get(p[0], ()))
        assert not got.compression or got.compression & 0x50, f"6.5 cannot read compression {got.compression:#x}"
    for p in DOWN:
        for chunks in ([i for i in BLOBS.get(p[0], ())], []):
            link.s.send_packet(*p, chunks=chunks, flush=True, how="lz4" if how != "plain" else None)
            got = link.c.read_packet(5)
            same(p, got)
            assert got.flags & ~x.FLUSH == x.RENCODE, f"flags {got.flags:#x}"


def test_new_client_old_server():
    """6.5 to 3.1.3."""
    link = h.link("6.5", "3.1.3")
    assert link.session.hellos[0].flags & x.ENCODER_MASK in (x.RENCODE, x.BENCODE)
    for p in UP:
        for chunks in ([i for i in BLOBS.get(p[0], ())], []):
            link.c.send_packet(*p, chunks=chunks, flush=True, how="lz4")
            got = link.s.read_packet(5)
            same(p, got)
            assert not got.flags & x.RENCODEPLUS
    for p in DOWN:
        link.s.send_packet(*p, chunks=BLOBS.get(p[0], []), how="zlib" if len(str(p)) > 400 else None)
        got = link.c.read_packet(5)
        same(p, got)
        well_typed(got, BLOBS.get(p[0], ()))
        assert not got.compression or got.compression & 0x50, "6.x cannot read zlib"


def test_bencode_client():
    """The HTML5 client of 3.1: booleans are integers, strings are bytes."""
    srv = h.Server("6.5")
    conn = h.spawn(h.conf(h.multifile(h.line("john", "pw", srv.uri)), Relay={"PingInterval": "0"}), encoder=x.BENCODE)
    caps = x.hello31(username="john", client_type="HTML5", rencode=None, lz4=None, zlib=True, compressors=None,
                     encoders=None, yaml=None, display="")
    p = conn.peer.login(caps, "pw")
    assert p.name == "hello", x.texts(p)
    s = srv.get()
    h.take_keymap(s.peer, caps)
    for p in UP:
        conn.peer.send_packet(*p)
        got = s.peer.read_packet(5)
        same(p, [{"file-send": "send-file"}.get(got[0], got[0])] + list(got[1:]), bools=True)
        well_typed(got, BLOBS.get(p[0], ()))
    for p in DOWN:
        s.peer.send_packet(*p, chunks=BLOBS.get(p[0], []), how="lz4")
        got = conn.peer.read_packet(5)
        same(p, got, bools=True)
        assert got.flags & x.ENCODER_MASK == x.BENCODE
        assert not got.compression & 0x70, f"this client cannot read {got.compression:#x}"


@h.each("zlib only", "none", "lz4 only", "brotli only")
def test_compressors(what):
    """Nobody gets a compressor that he did not list, whatever the other side sends."""
    names = {"zlib only": ["zlib"], "none": [], "lz4 only": ["lz4"], "brotli only": ["brotli"]}[what]
    allowed = {"zlib": 0, "lz4": 0x10, "brotli": 0x40}
    caps = x.hello31(username="john", compressors=names, lzo=False, **{n: n in names for n in allowed})
    link = h.link("3.1.3", "3.1.3", caps=caps)
    packet = ["window-metadata", 1, {"title": "t" * 2000, "é": "€" * 300}]
    blob = b"compressible " * 3000
    for how in ("zlib", "lz4", "brotli", None):
        if not x.have(how):
            continue
        link.s.send_packet(*packet, how=how)
        got = link.c.read_packet(5)
        same(packet, got)
        ok = {allowed[n] for n in names}
        assert not got.compression or got.compression & 0xf0 in ok, f"{how} in, {got.compression:#x} out"
        link.s.send_packet("draw", 1, 0, 0, 9, 9, "rgb24", blob, 1, 27, {}, chunks=[7], chunk_how=how)
        got = link.c.read_packet(5)
        same(["draw", 1, 0, 0, 9, 9, "rgb24", blob, 1, 27, {}], got)
        for _, level in chunk_levels(got.raw):
            assert not level or level & 0xf0 in ok, f"chunk: {how} in, {level:#x} out"


def chunk_levels(raw):
    return [(f[2], f[1]) for f, _, _ in x.split_records(raw)[0] if f[2]]


def test_zlib_to_new_server():
    """6.x refuses zlib: a 5.0 client that shares the encoder but sends zlib is re-compressed."""
    link = h.link("6.5", "6.5", caps=x.hello65(username="john", version="5.0", compressors=["zlib", "lz4"], zlib=True))
    p = ["configure-window", 1, 2, 3, 4, 5, {"filler": "f" * 3000}, 0, {}]
    link.c.send_packet(*p, how="zlib")
    got = link.s.read_packet(5)
    same(p, got)
    assert not got.compression or got.compression & 0x50, f"{got.compression:#x}"


def test_binary_text():
    """3.1.3 has one string type. For 6.x: UTF-8 is text, the rest bytes; and names are never bytes."""
    link = h.link("3.1.3", "6.5")
    for value, expected in ((b"plain", "plain"), ("é€".encode(), "é€"), (b"\xff\xfe", b"\xff\xfe"), (b"", "")):
        link.c.send_packet("setting", value, {b"key": value})
        got = link.s.read_packet(5)
        assert got[0] == "setting" and list(got[2]) == ["key"], got
        assert x.plain(got[1]) == x.plain(expected) and x.plain(got[2]["key"]) == x.plain(expected), got
        if expected:
            assert type(got[1]) is type(expected), got


def test_values():
    """Every kind of value survives, in both directions."""
    values = [0, 43, 44, 127, 128, -1, -32, -33, -129, 32767, -32769, 2 ** 31, -2 ** 31 - 1, 2 ** 63 - 1, 2 ** 100,
              -2 ** 70, True, False, "", "x" * 63, "x" * 64, "x" * 5000, [], [[[1]]], list(range(64)), {}, {1: 2},
              {"k%d" % i: i for i in range(30)}, ["a", {"b": ["c", {"d": True}]}]]
    for client, server in (("3.1.3", "6.5"), ("6.5", "3.1.3")):
        link = h.link(client, server)
        for v in values:
            for source, sink in ((link.c, link.s), (link.s, link.c)):
                source.send_packet("values", v, {"v": v})
                same(["values", v, {"v": v}], sink.read_packet(5))


def test_float():
    """Floats inside pass; classic rencode keeps 32 bits."""
    link = h.link("6.5", "3.1.3")
    link.c.send_packet("values", {"f": 0.5})
    assert x.texts(link.s.read_packet(5)) == ["values", {"f": 0.5}]


@h.timeout(60)
def test_big_ones():
    """Megabytes of pixels and text, with other packets around, in order."""
    link = h.link("3.1.3", "6.5")
    big = os.urandom(4 << 20)
    sent = [["bell", 1], ["draw", 1, 0, 0, 1024, 1024, "rgb32", big, 1, 4096, {}], ["bell", 2],
            ["window-metadata", 1, {"title": "t" * (1 << 20)}], ["bell", 3]]

    def pour():
        for p in sent:
            link.s.send_packet(*p, chunks=BLOBS.get(p[0], []))
    threading.Thread(target=pour, daemon=True).start()
    for p in sent:
        same(p, link.c.read_packet(20))


def lookup(caps, key):
    """As 5.x and newer find a dotted key: as it is, else down the dictionaries."""
    group, _, entry = key.partition(".")
    return caps[key] if key in caps else caps[group].get(entry) if isinstance(caps.get(group), dict) else None


def test_hello_shapes():
    """A flat hello for a server that wants dictionaries, and the reverse, where they matter."""
    caps = x.texts(h.link("3.1.3", "6.5").session.raw_caps)
    clipboard = caps.get("clipboard")
    assert isinstance(clipboard, dict), f"6.x wants clipboard{{}}, not {clipboard!r}"
    core = lookup(caps, "encodings.core")
    assert core == ["rgb24", "rgb32", "png", "jpeg"], f"core encodings: {core}"
    caps = h.link("6.5", "3.1.3").session.caps
    assert isinstance(caps.get("encodings"), list), f"3.1.3 wants a list, not {caps.get('encodings')!r:.100}"
    assert caps.get("encodings.core") == ["rgb24", "rgb32", "png"], caps.get("encodings.core")
    assert isinstance(caps.get("encoding", ""), str), caps.get("encoding")


def test_file_packets_are_renamed():
    """6.5+ and older ones use other names for the pieces of a file."""
    link = h.link("3.1.3", "6.5")
    link.s.send_packet("file-send-chunk", "id", 1, b"data", False, chunks=[3])
    assert link.c.read_packet(5).name == "send-file-chunk"
    link.s.send_packet("file-data-request", "file", "id", "url", "mime", 5, False, False, {})
    assert link.c.read_packet(5).name == "send-data-request"
    link = h.link("6.5", "3.1.3")
    link.c.send_packet("file-send-chunk", "id", 1, b"data", False)
    assert link.s.read_packet(5).name == "send-file-chunk"
    link.c.send_packet("file-request", "name", True)
    assert link.s.read_packet(5).name == "request-file"


def test_own_packets_in_each_encoder():
    """Pings and disconnects are in the encoder of whom they are for."""
    link = h.link("3.1.3", "6.5", relay={"PingInterval": "1s"})
    p = link.c.read_packet(4)
    assert p.name == "ping" and p.flags & x.ENCODER_MASK == x.RENCODE
    p = link.s.read_packet(4)
    assert p.name == "ping" and p.flags & x.ENCODER_MASK == x.RENCODEPLUS and isinstance(p[0], str)
    well_typed(p)
    os.kill(link.conn.guard(), 15)
    packets, _ = link.s.read_all(5)
    last = packets[-1]
    assert last.name == "disconnect" and last.flags & x.ENCODER_MASK == x.RENCODEPLUS
    well_typed(last)


def test_encoder_is_remembered():
    """Which encoder a server speaks is found out once: the next connection does not knock twice."""
    srv = h.Server("3.1.3")
    counts = []
    for _ in range(2):
        before = srv.accepted
        link = h.link("6.5", srv=srv)
        counts.append(srv.accepted - before)
        link.c.close()
        link.s.close()
        link.conn.wait()
    assert counts[0] <= 2 and counts[1] == 1, f"connections per login: {counts}"


def test_memory_does_not_bend_a_flat_hello():
    """A rencode client, then one that has only bencode, both 3.1, same 3.1.3 server: the second hello stays as
    flat as it was, whatever the server is remembered to speak."""
    srv = h.Server("3.1.3")
    h.link("3.1.3", srv=srv)
    conn = h.spawn(h.conf(h.multifile(h.line("john", "pw", srv.uri)), Relay={"PingInterval": "0"}), encoder=x.BENCODE)
    modes = {"h264": ["YUV420P"], "mpeg1": ["YUV420P"]}
    caps = x.hello31(username="john", client_type="HTML5", rencode=None, yaml=None, encoders=None,
                     **{"encoding.full_csc_modes": modes, "xkbmap_query_struct": {"layout": "us"}})
    p = conn.peer.login(caps, "pw")
    assert p.name == "hello", x.texts(p)
    got = srv.get().caps
    assert got.get("encoding.full_csc_modes") == modes, [k for k in got if "csc" in k]
    assert got.get("xkbmap_query_struct") == {"layout": "us"}, [k for k in got if "xkbmap" in k]


def test_keymap_changed():
    """A layout changed later: flat for 3.1.3, nested for 6.x, as the hello's keys were."""
    link = h.link("6.5", "3.1.3")
    link.c.send_packet("keymap-changed", {"keymap": {"layout": "gb", "variant": ""}}, False)
    got = x.texts(link.s.read_packet(5))
    assert got[0] == "keymap-changed" and got[1].get("xkbmap_layout") == "gb", got
    link = h.link("3.1.3", "6.5")
    link.c.send_packet("keymap-changed", {"xkbmap_layout": "gb", "xkbmap_variant": ""})
    got = x.texts(link.s.read_packet(5))
    assert got[0] == "keymap-changed" and got[1].get("keymap", {}).get("layout") == "gb", got


def tuples(v):
    return tuple(map(tuples, v)) if isinstance(v, list) else {k: tuples(i) for k, i in v.items()} if isinstance(v, dict) else v


def yaml_client(version, server, only=None):
    """A client that has nothing but yaml, as it writes it: tuples before 6.3."""
    old = not version.startswith("6")
    srv = h.Server(server, only=only, caps=x.server65(version="5.0.9", tuple=(1, 2)) if server == "5.0" else None)
    conn = h.spawn(h.conf(h.multifile(h.line("john", "pw", srv.uri)), Relay={"PingInterval": "0"}), encoder=x.YAML)
    make = x.hello31 if version.startswith("3") else x.hello65
    caps = make(username="john", version=version, rencode=None, bencode=None, rencodeplus=None, encoders=["yaml"])
    if old:
        caps["tuple"] = (1, "two", b"\xff")
    p = conn.peer.login(caps, "pw")
    assert p.name == "hello", f"{x.texts(p)}\n{conn.log()}"
    assert p.flags & x.ENCODER_MASK == x.YAML
    x.yaml_decode(x.decompress(p.raw[8:], p.compression), tuples=False)  # by a peer's own loader
    return h.Link(conn, conn.peer, srv.get(), p, srv), caps


@h.each("3.1.3 to 3.1.3", "3.1.3 to 6.5", "3.1.3 to 6.5 yaml", "5.0 to 5.0", "5.0 to 5.0 yaml", "6.5 to 3.1.3", "6.5 to 5.0",
        "6.5 to 6.5", "6.5 to 6.5 rencodeplus")
def test_yaml_client(pair):
    """A client with --packet-encoders=yaml reaches every server, also those that cannot read it directly."""
    client, _, rest = pair.partition(" to ")
    server, _, only = rest.partition(" ")
    link, caps = yaml_client(client, server, only)
    untouched = pair == "6.5 to 6.5"
    spoken = link.session.hellos[-1].flags & x.ENCODER_MASK
    assert spoken == (x.YAML if untouched or pair == "6.5 to 5.0" or only == "yaml" else x.RENCODE if server == "3.1.3" else x.RENCODEPLUS)
    if not client.startswith("6"):
        assert x.plain(link.session.caps["tuple"]) == [1, b"two", b"\xff"]
    if client.startswith("3") and server.startswith("6"):
        h.take_keymap(link.s, caps)
    for p in UP:
        link.c.send_packet(*(p if client.startswith("6") else tuples(p)))
        got = link.s.read_packet(5)
        same(p, [{"file-send": "send-file"}.get(got[0], got[0])] + list(got[1:]))
        assert got.flags & x.ENCODER_MASK == spoken
        if spoken == x.YAML:
            assert b"!!python" not in got.raw
    for p in DOWN:
        for chunks in ([i for i in BLOBS.get(p[0], ())], []):
            link.s.send_packet(*(tuples(p) if server == "5.0" else p), chunks=chunks, how="lz4")
            got = link.c.read_packet(5)
            same(p, got)
            assert got.flags & x.ENCODER_MASK == x.YAML and b"!!python" not in got.raw
            if not untouched:
                well_typed(got, BLOBS.get(p[0], ()) if server != "3.1.3" or not chunks else ())


@h.each("3.1.3", "6.5")
def test_yaml_server(client):
    """A server with --packet-encoders=yaml, found after the others have been tried."""
    link = h.link(client, srv=h.Server("6.5", only="yaml"))
    assert link.session.hellos[-1].flags & x.ENCODER_MASK == x.YAML
    for p in UP:
        link.c.send_packet(*p)
        got = link.s.read_packet(5)
        same(p, [{"file-send": "send-file"}.get(got[0], got[0])] + list(got[1:]))
        well_typed(got, BLOBS.get(p[0], ()))
    for p in DOWN:
        link.s.send_packet(*p, chunks=BLOBS.get(p[0], []), how="lz4")
        same(p, link.c.read_packet(5))


def test_yaml_is_not_remembered():
    """That a server speaks it with one client says nothing of what is best for the others."""
    srv = h.Server("6.5")
    path = h.conf(h.multifile(h.line("john", "pw", srv.uri)), Relay={"PingInterval": "0"})
    conn = h.spawn(path, encoder=x.YAML)
    caps = x.hello65(username="john", rencodeplus=None, encoders=["yaml"])
    assert conn.peer.login(caps, "pw").name == "hello"
    assert srv.get().hellos[-1].flags & x.ENCODER_MASK == x.YAML
    link = h.link("6.5", srv=srv)
    assert link.session.hellos[-1].flags & x.ENCODER_MASK == x.RENCODEPLUS


def test_yaml_own_packets():
    """Pings, info and disconnects of ours in yaml."""
    link, _ = yaml_client("6.5", "6.5")
    link.s.send_packet("info-response", {"a": 1})
    p = link.c.read_packet(5)
    assert p.name == "info-response" and p[1]["proxy"]["version"] and p.flags & x.ENCODER_MASK == x.YAML
    os.kill(link.conn.guard(), 15)
    for peer in link.s, link.c:
        last = peer.read_all(5)[0][-1]
        assert last.name == "disconnect" and last.flags & x.ENCODER_MASK == x.YAML


@h.each("3.1.3", "6.5")
def test_lzo(server):
    """A client that has only lzo: its packets pass where the server has it, and are unpacked where it has not; so are
    chunks."""
    caps = x.hello31(username="john", compressors=["lzo"], lz4=None, zlib=None, brotli=None)
    link = h.link("3.1.3", server, caps=caps, how="lzo")
    announced = link.session.caps
    assert announced.get("lzo") and announced["compressors"] == ["lzo"], announced["compressors"]
    packet = ["logging", 20, "t" * 2000]
    link.c.send_packet(*packet, how="lzo")
    got = link.s.read_packet(5)
    same(packet, got)
    assert got.compression == (0x21 if server == "3.1.3" else 0)
    packet = ["send-file", "n.bin", "application/x", False, False, 900, b"compressible" * 400, {"sha256": "aa"}, "id1"]
    link.c.send_packet(*packet, chunks=[6], chunk_how="lzo")
    got = link.s.read_packet(5)
    same(packet[1:], got[1:])
    if server == "3.1.3":
        link.s.send_packet("window-metadata", 1, {"title": "t" * 2000}, how="lzo")
        assert link.c.read_packet(5).compression == 0x21
