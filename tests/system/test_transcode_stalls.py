# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a client sees nothing new when something goes wrong with transcoding: never a quarter of a second more than
it does when the same draws pass untouched, in the same run; every draw is acknowledged once; and nothing is left over in
the encoder. Peers are scripted, so that each draw's way has an exact time."""
import os
import random
import re
import signal
import socket
import threading
import time

import harness as h
import xpranet as x
from bad_encoders import BROKEN, with_broken
from test_transcode import with_standin
from test_transcode_versions import FPS, H, NATIVE, W, hello, lz4, scene

SECONDS = 175
MORE = 0.25          # what a fault may add
GRAIN = 0.02         # how exactly peers in Python have a time: they do other things too
UNDERWAY = 8         # draws that are not acknowledged, before a server waits: as real ones do
CLIENT = hello({**NATIVE, "core": ["rgb24", "rgb32", "jpeg", "h264"]})


class Client:
    """Takes draws, at times not, and answers them. (when, wid, coding, sequence) of each."""

    def __init__(self, peer):
        self.peer, self.draws, self.ended = peer, [], None
        self.reads = threading.Event()
        self.reads.set()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        try:
            while True:
                self.reads.wait()
                p = self.peer.read_packet(3600)
                if p.name == "draw":
                    self.draws.append((time.monotonic(), p[1], x.text(p[6]), p[8]))
                    # what is no picture cannot be decoded
                    self.peer.send_packet("damage-sequence", p[8], p[1], p[4], p[5], -1 if p[7] == b"nothing" else 1000, "")
        except Exception as e:  # noqa: BLE001 - shown by whoever waits
            self.ended = e


class Server:
    """Draws windows, as long as what it has drawn is acknowledged."""

    def __init__(self, peer):
        self.peer, self.sequence, self.acks, self.refreshes, self.lost = peer, 0, [], 0, set()
        self.of = {}  # sequence: wid
        self.underway = {}
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        try:
            while True:
                p = self.peer.read_packet(3600)
                if p.name == "damage-sequence":
                    self.acks.append(p[1])
                    self.underway.get(self.of.get(p[1]), set()).discard(p[1])
                self.refreshes += p.name in ("buffer-refresh", "window-refresh")
        except Exception:  # noqa: BLE001 - the end
            pass

    def window(self, wid, w, height):
        self.underway[wid] = set()
        self.peer.send_packet("new-window", wid, 0, 0, w, height, {"title": "w", "window-type": ["NORMAL"]}, {})

    def close(self, wid):
        self.lost |= self.underway.pop(wid)
        self.peer.send_packet("lost-window", wid)

    def draw(self, wid, packed, w, height):
        """False: not now."""
        if len(self.underway[wid]) >= UNDERWAY:
            return False
        self.sequence += 1
        self.of[self.sequence] = wid
        self.underway[wid].add(self.sequence)
        self.peer.send_packet("draw", wid, 0, 0, w, height, "rgb24", packed, self.sequence, w * 4,
                              {"rgb_format": "BGRX", "lz4": 1}, chunks=(7,), flush=True)
        return True


class Session:
    def __init__(self, encoders, conn=None):
        if not hasattr(lz4, "block"):
            raise h.Skip("python3-pil or python3-lz4 is not installed")
        saved, h.CONN = h.CONN, conn or h.CONN
        try:
            self.link = h.link(caps=CLIENT, **({"Encode": {"Encoders": encoders}} if encoders else {}))
        finally:
            h.CONN = saved
        self.server, self.client = Server(self.link.s), Client(self.link.c)
        for peer in (self.link.s, self.link.c):
            h.defer(peer.shutdown, socket.SHUT_RDWR)
        self.began = time.monotonic()

    def window(self, wid=1, w=W, height=H):
        self.server.window(wid, w, height)
        self.link.c.send_packet("map-window", wid, 0, 0, w, height, {}, {})

    def encoder(self):
        return next(pid for pid, what in h.program_processes() if what.startswith("xproxy-encode"))

    def longest(self, since=None, wids=(1,)):
        """Seconds without anything new, in any of the windows."""
        worst = 0
        for wid in wids:
            times = [t for t, w, _, _ in list(self.client.draws) if w == wid and t >= (since or self.began)]
            times = ([since] if since else []) + times
            assert len(times) > 3, f"window {wid}: {len(times)} draws; {self.client.ended!r}\n{self.link.conn.log()}"
            worst = max(worst, max(b - a for a, b in zip(times, times[1:])))
        return worst

    def settle(self):
        """Each draw has been acknowledged once, but for those of windows that are gone: they may be, too."""
        def all_there():
            return set(self.server.acks) | self.server.lost >= set(range(1, self.server.sequence + 1))
        h.eventually(all_there, 5, lambda: f"acknowledged: {sorted(set(self.server.of) - set(self.server.acks))[:9]} not, of "
                     f"{self.server.sequence}; {self.client.ended!r}\n{self.link.conn.log()}")
        time.sleep(0.2)
        assert len(self.server.acks) == len(set(self.server.acks)), "acknowledged twice"
        assert set(self.server.acks) <= set(self.server.of), "what was never drawn"
        assert self.client.ended is None, self.client.ended


PACKED = {}


def frames(w=W, height=H, name="video"):
    """A scene as a server compresses it, once."""
    key = (w, height, name)
    if key not in PACKED:
        rows = [f[y * W * 4:y * W * 4 + w * 4] for f in scene(name, 25) for y in range(height)]
        PACKED[key] = [lz4.block.compress(b"".join(rows[i * height:(i + 1) * height])) for i in range(25)]
    return PACKED[key]


def play(s, seconds, events=(), sizes=None, wids=(1,), fps=FPS):
    """Draws, and does each (when, what) of events in its time."""
    began, n, events = time.monotonic(), 0, sorted(events, key=lambda e: e[0])
    while time.monotonic() < began + seconds:
        while events and time.monotonic() >= began + events[0][0]:
            events.pop(0)[1]()
        size = sizes(n) if sizes else (W, H)
        for wid in wids:
            s.server.draw(wid, frames(*size)[n % 25], *size)
        n += 1
        time.sleep(max(0, began + n / fps - time.monotonic()))
    while events:
        events.pop(0)[1]()


def compare(normal, fault, what):
    print(f"# {what}: nothing new for {fault * 1000:.0f} ms at most, {normal * 1000:.0f} ms when draws pass")
    if fault > normal + MORE * h.SLACK + GRAIN:
        raise h.TooLong(f"{what}: {fault * 1000:.0f} ms, and {normal * 1000:.0f} ms when draws pass")


def is_video(s):
    return lambda: "h264" in {c for _, _, c, _ in s.client.draws[-20:]}


def passing(**how):
    s = Session(None)
    s.window()
    play(s, 3, **how)
    s.settle()
    return s


SIGNALS = {"killed": signal.SIGKILL, "aborts": signal.SIGABRT, "hangs": signal.SIGSTOP}


@h.timeout(120)
@h.each(*SIGNALS)
@h.measures
def test_process(how):
    """The encoder ends, or hangs for five seconds."""
    normal = passing().longest()
    s = Session("x264 jpeg")
    s.window()
    play(s, 2)
    h.eventually(is_video(s), 1, "a video")
    pid, at = s.encoder(), time.monotonic()
    play(s, 6 if how == "hangs" else 2, [(0.31, lambda: os.kill(pid, SIGNALS[how]))] +
         ([(5.31, lambda: os.kill(pid, signal.SIGCONT))] if how == "hangs" else []))
    s.settle()
    compare(normal, s.longest(at), how)
    assert "no more transcoding" in s.link.conn.log() and s.server.refreshes == 1, s.link.conn.log()
    assert s.client.draws[-1][3] == s.server.sequence, "draws do not pass"


@h.timeout(120)
@h.each(*BROKEN)
@h.measures
def test_library(how):
    folder = with_broken(how)
    normal = passing().longest()
    s = Session("x264", conn=f"{folder}/xproxy-conn")
    s.window()
    play(s, 4)
    s.settle()
    compare(normal, s.longest(), how)
    assert ("no more transcoding" in s.link.conn.log()) == (how in ("crashes", "hangs")), s.link.conn.log()
    assert is_video(s)() is False
    if how == "hangs":
        s.link.conn.logged("xproxy-encode was killed by signal 14", 15)


def nothing_left(s, folder):
    """What the stand-in for NVIDIA's driver says when its process has ended by itself."""
    s.link.c.shutdown(socket.SHUT_RDWR)
    report = h.eventually(lambda: open(f"{folder}/report").read() if os.path.exists(f"{folder}/report") else "", 8,
                          lambda: f"the stand-in's report\n{s.link.conn.log()}")
    live = dict(re.findall(r"^live (\S+) (\d+)$", report, re.M))
    assert "violations 0\n" in report and live and not any(int(n) for n in live.values()), report
    assert "no more transcoding" not in s.link.conn.log(), s.link.conn.log()


def storm(n):
    """Sizes of a window that is dragged about for a second of two."""
    r = random.Random(n // 2)
    return (W, H) if n % (2 * FPS) < FPS else (32 * r.randrange(8, 20), 24 * r.randrange(8, 20))


class Storm:
    """A window's sizes, as its peers hear of them."""

    def __init__(self, s):
        self.s, self.last = s, (W, H)

    def __call__(self, n):
        size = storm(n)
        if size != self.last:
            self.s.server.peer.send_packet("window-resized", 1, *size, 0)
            self.s.link.c.send_packet("configure-window", 1, 0, 0, *size, {})
            self.last = size
        return size


@h.timeout(120)
@h.measures
def test_resize_storm():
    folder = with_standin()
    for n in range(2 * FPS):
        frames(*storm(n))
    one = Session(None)
    one.window()
    play(one, 4, sizes=Storm(one))
    one.settle()
    s = Session("nvenc jpeg", conn=f"{folder}/xproxy-conn")
    s.window()
    play(s, 2)
    h.eventually(is_video(s), 1, "a video")
    at = time.monotonic()
    play(s, 6, sizes=Storm(s))
    play(s, 2)
    h.eventually(is_video(s), 1, "a video again")
    s.settle()
    compare(one.longest(), s.longest(at), "resize storm")
    nothing_left(s, folder)


@h.timeout(120)
@h.measures
def test_client_stops_reading():
    """For longer than a draw may be held. When it reads again, all goes on at once."""
    folder, longest = with_standin(), []
    for encoders in (None, "nvenc jpeg"):
        s = Session(encoders, conn=f"{folder}/xproxy-conn")
        s.link.c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        s.window()
        play(s, 2)
        assert not encoders or h.eventually(is_video(s), 1, "a video")
        again = []
        play(s, 9, [(0.1, s.client.reads.clear), (7, lambda: again.append(time.monotonic())), (7, s.client.reads.set)])
        s.settle()
        longest.append(s.longest(again[0]))
    compare(*longest, "a client that reads again")
    nothing_left(s, folder)


@h.timeout(120)
@h.measures
def test_windows_closed():
    """With draws on their way, again and again, while another plays."""
    folder = with_standin()
    normal = passing().longest()
    s = Session("nvenc jpeg", conn=f"{folder}/xproxy-conn")
    s.window()
    play(s, 1.5)
    h.eventually(is_video(s), 1, "a video")
    at = time.monotonic()
    for wid in range(2, 22):
        s.window(wid)
        for i in range(3):
            s.server.draw(wid, frames()[i], W, H)
        play(s, 0.2)
        for i in range(3):
            s.server.draw(wid, frames()[i], W, H)
        s.server.close(wid)
    play(s, 1)
    s.settle()
    compare(normal, s.longest(at), "windows that are closed")
    nothing_left(s, folder)


@h.timeout(120)
@h.each("64", "65")
@h.measures
def test_many_windows(count):
    """As many as have a place in the encoder, and one more, so that each new draw makes one leave."""
    folder, w, height, longest = with_standin(), 160, 128, []
    wids = range(1, int(count) + 1)
    for encoders in (None, "nvenc jpeg"):
        s = Session(encoders, conn=f"{folder}/xproxy-conn")
        for wid in wids:
            s.window(wid, w, height)
        play(s, 2, sizes=lambda n: (w, height), wids=wids, fps=3)
        at = time.monotonic()
        play(s, 5, sizes=lambda n: (w, height), wids=wids, fps=3)
        # some become videos, among those that do not
        play(s, 3, sizes=lambda n: (w, height), wids=wids[:4], fps=20)
        end = time.monotonic()
        s.settle()
        longest.append(max(s.longest(at, wids[:4]), s.longest(at, wids)))
        assert end - at < 12 * h.SLACK
    compare(*longest, f"{count} windows")
    assert is_video(s)(), {c for _, _, c, _ in s.client.draws}
    nothing_left(s, folder)
