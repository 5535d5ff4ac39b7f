# SPDX-License-Identifier: GPL-2.0-or-later
"""Transcoding inside the shipped unit: what it takes away is not what the encoder needs."""
import socket

import harness as h
import machine
from machine import needs_machine
from test_transcode_stalls import Client, Server, lz4

SECONDS = 20
W, H = 800, 600


def session(m, encoders):
    """A client in a session with a window; (client, server)."""
    server = h.Server("3.1.3")
    m.put("/etc/xproxy/users", f"bob|pw|alice|alice|tcp://127.0.0.1:{server.port}/||\n", 0o600)
    m.configure(f"[Auth]\nModule=multifile(filename=/etc/xproxy/users)\n[Encode]\nEncoders={encoders}\n")
    peer = machine.log_in()
    s = server.get(index=0).peer
    s.send_packet("new-window", 1, 0, 0, W, H, {}, {})
    return peer, s


def draw(peer, s, n, w=W, height=H):
    """A draw of the server's as the client gets it, acknowledged."""
    pixels = bytes(range(n, n + 16)) * (w * height * 4 // 16)
    s.send_packet("draw", 1, 0, 0, w, height, "rgb24", pixels, n, w * 4, {"rgb_format": "BGRX"})
    p = peer.expect("draw", skip=("ping", "new-window"))
    peer.send_packet("damage-sequence", p[8], p[1], p[4], p[5], 1000, "")
    return p


@needs_machine
def test_pictures(m):
    peer, s = session(m, "x264 openh264 vp8 jpeg webp png")
    h.eventually(lambda: draw(peer, s, 1)[8] >= 0x40000000, 5, "draws by the encoder")
    encoder = machine.processes("xproxy-encode")
    assert len(encoder) == 1, machine.processes()
    xproxy = int(m.shell("id -u xproxy").stdout)
    assert machine.uid_of(encoder[0]) == xproxy
    with open(f"/proc/{encoder[0]}/oom_score_adj", encoding="ascii") as f:
        assert f.read().strip() == "1000"
    assert draw(peer, s, 2)[8] > 0x40000000
    text = " ".join(r["MESSAGE"] for r in m.journal("_SYSTEMD_UNIT=" + m.units()[0]))
    assert "transcoding" not in text and "xproxy-encode" not in text, text


@needs_machine
def test_out_of_memory(m):
    """More windows than the unit's MemoryMax= has room for: the kernel ends the encoder and nobody else, each draw is
    acknowledged, and what comes then passes as it is."""
    w, height = 1920, 1080
    peer, s = session(m, "x264 jpeg")
    h.eventually(lambda: draw(peer, s, 1)[8] >= 0x40000000, 5, "draws by the encoder")
    [encoder], [unit] = machine.processes("xproxy-encode"), m.units()
    others = [pid for pid in machine.processes() if pid != encoder]
    assert m.show(unit, "MemoryMax")["MemoryMax"] == str(256 << 20)
    client, server = Client(peer), Server(s)
    for p in (peer, s):
        h.defer(p.shutdown, socket.SHUT_RDWR)
    server.sequence = 1000  # others were before

    def acknowledged():
        return sorted(n for n in server.acks if n > 1000) == list(range(1001, server.sequence + 1))
    pixels = lz4.block.compress(bytes(range(256)) * (w * height * 4 // 256))
    for wid in range(2, 62):
        server.window(wid, w, height)
        server.draw(wid, pixels, w, height)
        h.eventually(acknowledged, 5, lambda: f"{server.acks} of {server.sequence}; {client.ended!r}; {m.journal()[-5:]}")
        if not h.stat(encoder) or h.stat(encoder)["state"] == "Z":
            break
    words = " ".join(r["MESSAGE"] for r in m.journal("_SYSTEMD_UNIT=" + unit))
    assert "xproxy-encode was killed by signal 9" in words, (wid, words)
    assert "no more transcoding on this connection: the encoder has ended" in words, words
    assert all(pid in machine.processes() for pid in others), (others, machine.processes())
    assert [u for u in m.units() if u == unit] and server.refreshes == 1
    for wid in range(2, 6):
        server.draw(wid, pixels, w, height)
    h.eventually(acknowledged, 5, lambda: f"{server.acks} of {server.sequence}")
    assert [d[3] for d in client.draws[-4:]] == list(range(server.sequence - 3, server.sequence + 1)), client.draws[-4:]
