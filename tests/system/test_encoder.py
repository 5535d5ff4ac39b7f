# SPDX-License-Identifier: GPL-2.0-or-later
"""xproxy-encode alone, as a worker sees it: whatever is drawn, held, merged or coded, the client ends up with exactly
the server's picture; each draw has one answer in time; and what cannot be true ends the process, never more."""
import ctypes as c
import math
import os
import random
import time

from PIL import Image

import harness as h
import pictures as p

SECONDS = 150
VIDEO = (p.H264, p.VP8)
ALL = (p.RGB24, p.RGB32, p.PNG, p.JPEG, p.WEBP, p.SCROLL, p.H264, p.VP8)
LIE = 2  # exit status


def has(*names):
    for name in names:
        if not os.path.exists(os.path.join(h.BUILD, f"encode-{name}.so")):
            raise h.Skip(f"encode-{name}.so is not built")


def film(w, height, frames=24):
    """A photograph that moves."""
    r = random.Random(1)
    base = Image.frombytes("RGB", (w // 8, height // 8), r.randbytes((w // 8) * (height // 8) * 3))
    base = base.resize((w + 200, height + 200), Image.BICUBIC)
    return [base.crop((int(100 + 90 * math.sin(i)), int(100 + 90 * math.cos(i / 2)), int(100 + 90 * math.sin(i)) + w,
                       int(100 + 90 * math.cos(i / 2)) + height)).tobytes("raw", "BGRX") for i in range(frames)]


def text(w, height, seed=0):
    """Rows that differ, and compress well."""
    r = random.Random(seed)
    rows = []
    while len(rows) < height:
        line = b"".join(r.choice((b"\0\0\0\0", b"\xff\xff\xff\0", b"\xff\xff\xff\0")) * 4 for _ in range(w // 4))
        rows += [line + b"\x10\x20\x30\0" * (w - w // 4 * 4)] * 2 + [b"\xff\xff\xff\0" * w]
    return rows[:height]


def play(e, wid, x, y, w, height, seconds, frames, rate=30, ratio=0.4):
    """Draws frames at a rate, taking what comes."""
    end, n = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        e.draw(wid, x, y, w, height, frames[n % len(frames)], wire=int(w * height * 4 * ratio))
        n += 1
        due = time.monotonic() + 1 / rate
        while time.monotonic() < due:
            e.pump(0.005)
    return n


@h.each("BGRX", "RGBX", "RGB", "BGR")
def test_pixels(client):
    """Draws of every format, stride and grouping, to a client that takes one of them."""
    e = p.Encoder(pixels=(getattr(p, client),))
    r = random.Random(2)
    e.window(1, 333, 222)
    e.draw(1, 0, 0, 333, 222, r.randbytes(333 * 222 * 4))
    for i in range(60):
        fmt, w, height = r.randrange(6), r.randrange(1, 200), r.randrange(1, 200)
        stride = w * p.BYTES[fmt] + r.choice((0, 1, 64))
        pixels = r.randbytes(16) * (stride * height // 16 + 1)
        e.draw(1, r.randrange(333 - w), r.randrange(222 - height), w, height, pixels, fmt, stride, flush=i % 3)
        if i % 7 == 0:
            e.pump(0.001)
    e.settle()
    assert e.codings() == {p.RGB24 if client in ("BGRX", "RGB", "BGR") else p.RGB32}
    assert e.end() == 0


def test_no_lz4():
    e = p.Encoder(lz4=False)
    e.window(1, 200, 100)
    e.draw(1, 0, 0, 200, 100, bytes(80000))
    e.settle()
    assert e.bytes == 80000
    e = p.Encoder()
    e.window(1, 200, 100)
    e.draw(1, 0, 0, 200, 100, bytes(80000))
    e.settle()
    assert e.bytes < 1000


def test_large_window():
    """In pieces, of which only the last answers."""
    e = p.Encoder()
    e.window(1, 4000, 1000)
    e.draw(1, 0, 0, 4000, 1000, b"".join(text(4000, 1000)))
    e.settle()
    assert len(e.pictures) >= 4 and [x.last for _, x, _ in e.pictures] == [False] * (len(e.pictures) - 1) + [True]


@h.each("x264", "openh264", "vp8")
@h.timeout(60)
def test_video(name):
    """A film in a page: video for it, even sides, odd edges and the rest as stills; exact once it stops."""
    has(name, "jpeg", "webp")
    e = p.Encoder(codings=ALL, encoders=f"{name} jpeg webp")
    frames = film(321, 243)
    e.window(1, 640, 480)
    e.draw(1, 0, 0, 640, 480, b"".join(text(640, 480)), wire=30000)
    play(e, 1, 100, 50, 321, 243, 2, frames)
    for i in range(60):
        e.draw(1, 10, 400, 50, 16, text(50, 16, i)[0] * 16, wire=100)
        e.draw(1, 100, 50, 321, 243, frames[i % 24], wire=100000)
        e.pump(0.03)
    videos = [x for _, x, _ in e.pictures if x.coding in VIDEO]
    assert len(videos) > 40, len(videos)
    assert {(x.x, x.y, x.w, x.h, x.coded_w, x.coded_h) for x in videos} == {(100, 50, 320, 242, 320, 242)}
    assert [x.frame for x in videos] == list(range(len(videos))) and videos[0].key and not videos[1].key
    assert videos[0].encoder.decode() == name
    e.settle()
    assert any(f.report.w == 320 and f.report.encoder.decode() == name for f in e.reports), "no report of it"
    assert e.end() == 0, e.stderr()


def test_exact_if_wished():
    """Quality 100: never anything lossy."""
    has("x264", "jpeg")
    e = p.Encoder(codings=ALL, encoders="x264 jpeg", wishes={"quality": 100})
    e.window(1, 320, 240)
    play(e, 1, 0, 0, 320, 240, 2, film(320, 240))
    assert all(x.lossless for _, x, _ in e.pictures)
    e.settle()


@h.each("yes", "no", "late")
def test_refresh(wish):
    """A photograph is jpeg first, and exact after the delay, if the client wants that."""
    has("jpeg")
    e = p.Encoder(codings=ALL, encoders="jpeg",
                  wishes={"auto_refresh": wish != "no", "refresh_delay_msec": 800 if wish == "late" else 0})
    e.window(1, 640, 480)
    began = time.monotonic()
    e.draw(1, 0, 0, 640, 480, film(640, 480)[0], wire=500000)
    e.pump(0.1)
    assert e.codings() == {p.JPEG}
    if wish == "no":
        e.pump(1)
        assert e.codings() == {p.JPEG} and not e.right(1)
        return
    e.settle()
    took = e.pictures[-1][2] - began
    assert (0.8 if wish == "late" else 0.15) <= took < (1.1 if wish == "late" else 0.7) * h.SLACK, took


def test_refresh_is_cancelled():
    """Not while it goes on changing."""
    has("jpeg")
    e = p.Encoder(codings=ALL, encoders="jpeg")
    e.window(1, 640, 480)
    frames = film(640, 480)
    for i in range(24):
        e.draw(1, 0, 0, 640, 480, frames[i], wire=500000)
        e.pump(0.06)
    assert all(x.coding == p.JPEG for _, x, _ in e.pictures), e.codings()
    e.settle()


@h.each("up", "down", "with a bar beside it")
def test_scroll(how):
    e = p.Encoder(codings=ALL)
    rows = text(400, 900)
    e.window(1, 420, 300)
    e.draw(1, 0, 0, 420, 300, b"\1\2\3\4" * 420 * 300)
    for i in range(20):
        at = 300 - i * 9 if how == "down" else i * 9
        page = rows[at:at + 300]
        if how.startswith("with"):
            page = page[:40] + [b"\7\7\7\0" * 400] * 20 + page[60:]
        e.draw(1, 0, 0, 400, 300, b"".join(page), wire=20000)
        e.pump(0.01)
    e.settle()
    scrolls = [x for _, x, _ in e.pictures if x.coding == p.SCROLL]
    assert len(scrolls) >= 18, len(scrolls)
    strips = [x for _, x, _ in e.pictures[3:] if x.coding == p.RGB24]
    assert max(x.h for x in strips) <= 40


def test_scroll_only_if_taken():
    e = p.Encoder(codings=(p.RGB24,))
    rows = text(400, 400)
    e.window(1, 400, 300)
    for i in range(5):
        e.draw(1, 0, 0, 400, 300, b"".join(rows[i * 9:i * 9 + 300]))
        e.settle()
    assert e.codings() == {p.RGB24}


@h.each("pixels", "video")
@h.timeout(60)
def test_long_queue(what):
    """The way to the client is slow: draws are held, not more than the newest is sent, and all of it in the end."""
    has("x264")
    e = p.Encoder(codings=ALL, encoders="x264" if what == "video" else "")
    frames = film(320, 240)
    e.window(1, 320, 240)
    play(e, 1, 0, 0, 320, 240, 2, frames)
    e.settle()
    sent = len(e.pictures)
    for i in range(30):
        e.queue(3 << 20, 400000)
        e.draw(1, 0, 0, 320, 240, frames[i % 24], wire=100000)
        e.pump(0.02)
    e.pump(0.15)
    assert len(e.pictures) <= sent + 1, f"{len(e.pictures) - sent} pictures into a queue that is too long"
    assert len(e.held) >= 25, f"{len(e.held)} of 30 held"
    e.queue(0, 0)
    e.settle()


def test_queue_is_forgotten():
    """A worker that never says that the queue is short again is not believed for ever."""
    e = p.Encoder()
    e.window(1, 320, 240)
    e.queue(3 << 20, 400000)
    e.draw(1, 0, 0, 320, 240, bytes(320 * 240 * 4))
    e.settle(4)


def test_client_stops_reading():
    """No piece of the ring comes back: what is drawn is held in time, and sent when there is room again."""
    e = p.Encoder()
    e.window(1, 1000, 1000)
    e.keep_frees = True
    r = random.Random(4)
    for i in range(14):
        e.draw(1, 0, 0, 1000, 1000, r.randbytes(4000000))
        e.pump(0.02)
    e.pump(0.3)
    assert e.held and e.bytes <= p.OUT and not e.right(1)
    assert e.late < 0.25 * h.SLACK, e.late
    e.keep_frees, e.freed = False, e.last_picture
    e.queue(0, 0)
    e.settle()


def test_no_piece_left():
    """More small pictures than the ring has pieces."""
    e = p.Encoder()
    e.window(1, 320, 240)
    e.draw(1, 0, 0, 320, 240, bytes(320 * 240 * 4))
    e.keep_frees = True
    for i in range(400):
        e.draw(1, i % 300, i // 2, 4, 4, bytes([i & 255]) * 64)
        if i % 10 == 0:
            e.pump(0)
    e.pump(0.3)
    assert e.held
    e.keep_frees, e.freed = False, e.last_picture
    e.queue(0, 0)
    e.settle()


@h.timeout(60)
def test_resize_storm():
    has("x264", "jpeg")
    e = p.Encoder(codings=ALL, encoders="x264 jpeg")
    r = random.Random(5)
    e.window(1, 700, 700)
    for i in range(150):
        w, height = 100 + r.randrange(600), 100 + r.randrange(600)
        f = p.Frame(type=p.WINDOW, wid=1)
        f.window.w, f.window.h = w, height
        e.send(f)
        e.draw(1, 0, 0, w, height, r.randbytes(4) * (w * height), wire=w * height * 2)
        e.pump(0.005)
    assert not e.codings() & set(VIDEO), "an encoder was opened in a storm"
    f = p.Frame(type=p.WINDOW, wid=1)
    f.window.w = f.window.h = 700
    e.send(f)
    e.draw(1, 0, 0, 700, 700, r.randbytes(4) * 490000, wire=1000000)
    e.settle()
    assert e.end() == 0


@h.timeout(60)
def test_many_windows():
    """More than have a place: the oldest make room, exact as they are; and a video among them."""
    has("x264", "jpeg")
    e = p.Encoder(codings=ALL, encoders="x264 jpeg")
    frames = film(160, 120)
    for wid in range(1, 81):
        e.window(wid, 160, 120)
    i, end = 0, time.monotonic() + 2.5
    while time.monotonic() < end:
        for wid in range(1, 81):
            if wid % 20 == i % 20 or wid <= 4:
                e.draw(wid, 0, 0, 160, 120, frames[(i + wid) % 24], wire=40000)
        e.pump(0.01)
        i += 1
    videos = {wid for wid, x, _ in e.pictures if x.coding in VIDEO}
    assert videos and len(videos) <= 4, videos
    e.settle(5)
    assert e.end() == 0


def test_lost_window():
    """With draws in the queue: nothing more of it comes."""
    e = p.Encoder()
    for wid in (1, 2):
        e.window(wid, 500, 500)
    for i in range(8):
        e.draw(1 + i % 2, 0, 0, 500, 500, bytes([i]) * 1000000)
    e.send(p.Frame(type=p.LOST, wid=1))
    e.client.pop(1)
    e.settle()
    before = len(e.pictures)
    e.draw(2, 0, 0, 500, 500, bytes([77]) * 1000000)
    e.settle()
    assert all(wid == 2 for wid, _, _ in e.pictures[before:])


def test_spoiled():
    """What something else has painted is not painted over, however lossy it was."""
    has("jpeg")
    e = p.Encoder(codings=ALL, encoders="jpeg")
    e.window(1, 640, 480)
    e.draw(1, 0, 0, 640, 480, film(640, 480)[0], wire=500000)
    e.pump(0.05)
    assert e.codings() == {p.JPEG}
    e.number += 1
    f = p.Frame(type=p.SPOILED, wid=1, number=e.number)
    f.draw.x, f.draw.y, f.draw.w, f.draw.h = 100, 100, 200, 200
    e.send(f)
    for side in (e.server[1], e.client[1]):
        side.put(100, 100, 200, 200, b"\x11\x22\x33\x44" * 40000)
    before = len(e.pictures)
    e.settle()
    assert len(e.pictures) > before


def test_undecodable():
    """A video that the client cannot decode goes on with a key frame; the second time it is given up."""
    has("x264", "vp8")
    e = p.Encoder(codings=ALL, encoders="x264 vp8")
    frames = film(320, 240)
    e.window(1, 320, 240)

    def fail(seconds):
        play(e, 1, 0, 0, 320, 240, seconds, frames)
        number = next(n for n, (_, x, _) in reversed(list(enumerate(e.pictures, 1))) if x.coding in VIDEO)
        f = p.Frame(type=p.SHOWN, wid=1, number=number)
        f.shown.decode_usec = -1
        before = len(e.pictures)
        e.send(f)
        play(e, 1, 0, 0, 320, 240, 0.3, frames)
        return [x for _, x, _ in e.pictures[before:] if x.coding in VIDEO]
    after = fail(2)
    assert any(x.key for x in after[:3]) and after[-1].coding == p.H264
    after = fail(0.3)
    assert after[-1].coding == p.VP8 and any(x.key and x.frame == 0 for x in after), [x.coding for x in after]
    e.settle()


@h.timeout(60)
def test_bandwidth():
    """A limit is kept, and so is the picture."""
    has("x264", "jpeg")
    e = p.Encoder(codings=ALL, encoders="x264 jpeg", wishes={"bandwidth_bits": 1000000})
    frames = film(320, 240)
    e.window(1, 320, 240)
    began = time.monotonic()
    play(e, 1, 0, 0, 320, 240, 5, frames)
    rate = e.bytes * 8 / (time.monotonic() - began)
    assert rate < 1150000, f"{rate / 1e6:.1f} Mbit/s"
    assert e.pictures[-1][1].quality < 65, "the quality has not followed"
    e.settle(8)


@h.timeout(60)
@h.each("x264", "openh264", "vp8")
def test_scaled_for_the_queue(name):
    """Where nothing else has helped a video becomes smaller, step by step; and larger when the way is free again."""
    has(name)
    e = p.Encoder(codings=ALL, encoders=name, scaling=True)
    frames = film(640, 480)
    e.window(1, 640, 480)
    play(e, 1, 0, 0, 640, 480, 2, frames)
    full = len(e.pictures)
    end, n = time.monotonic() + 5, 0
    while time.monotonic() < end:  # each frame waits a little too long
        e.queue(200000, 80000)
        e.draw(1, 0, 0, 640, 480, frames[n % 24], wire=400000)
        e.pump(0.03)
        e.queue(0, 0)
        e.pump(0.03)
        n += 1
    small = len(e.pictures)

    def sizes(first, last):
        return list(dict.fromkeys((x.coded_w, x.coded_h) for _, x, _ in e.pictures[first:last] if x.coding in (p.H264, p.VP8)))
    assert sizes(0, full) == [(640, 480)], sizes(0, full)
    assert sizes(full, small) == [(640, 480), (426, 320), (320, 240)], sizes(full, small)
    assert all((x.x, x.y, x.w, x.h) == (0, 0, 640, 480) for _, x, _ in e.pictures[full:small] if x.coding in (p.H264, p.VP8))
    for before, after in zip(e.pictures[full:small], e.pictures[full + 1:small]):
        if before[1].coded_w != after[1].coded_w and after[1].coding in (p.H264, p.VP8):
            assert after[1].key and after[1].frame == 0, "another size begins another video"
    play(e, 1, 0, 0, 640, 480, 17, frames, rate=15)
    assert sizes(small, None)[-1] == (640, 480), sizes(small, None)
    e.settle()
    report = [r.report for r in e.reports if r.report.w][-1]
    assert (report.w, report.h, report.coded_w, report.coded_h) == (640, 480, 640, 480)


@h.timeout(60)
@h.each("enough: x264", "too little: x264", "too little: openh264", "too little: vp8", "not taken: x264")
def test_scaled_for_the_limit(case):
    """A limit that leaves nothing of a picture's quality has it smaller; one that it fits does not, nor where the
    client takes none."""
    how, name = case.split(": ")
    has(name, "jpeg")
    bits = 300000 if how != "enough" else 50000000
    e = p.Encoder(codings=ALL, encoders=f"{name} jpeg", wishes={"bandwidth_bits": bits}, scaling=how != "not taken")
    e.window(1, 480, 360)
    play(e, 1, 0, 0, 480, 360, 7, film(480, 360))
    videos = {(x.coded_w, x.coded_h) for _, x, _ in e.pictures if x.coding in (p.H264, p.VP8)}
    assert videos, e.codings()
    assert min(videos) == ((240, 180) if how == "too little" else (480, 360)), videos
    e.settle(25)


def test_no_encoder():
    """What Encoders= names is not there: said, and done without."""
    e = p.Encoder(codings=ALL, encoders="nothing")
    e.window(1, 320, 240)
    play(e, 1, 0, 0, 320, 240, 2, film(320, 240))
    e.settle()
    assert e.codings() <= {p.RGB24, p.SCROLL}
    e.end()
    assert "nothing" in e.stderr() and len(e.stderr().splitlines()) == 1, e.stderr()


def draw_frame(wid=1, number=1, freed=0, **draw):
    f = p.Frame(type=p.DRAW, wid=wid, number=number, freed=freed)
    f.draw.w = f.draw.h = 10
    f.draw.stride = 40
    for name, value in draw.items():
        setattr(f.draw, name, value)
    return f


def size_frame(w, height):
    f = p.Frame(type=p.WINDOW, wid=1)
    f.window.w, f.window.h = w, height
    return f


LIES = {
    "no window": draw_frame(wid=0),
    "no number": draw_frame(number=0),
    "offset": draw_frame(offset=p.IN - 399),
    "offset far": draw_frame(offset=(1 << 64) - 64),
    "offset in the pictures": draw_frame(offset=p.IN),
    "stride small": draw_frame(stride=39),
    "stride large": draw_frame(stride=0xffffffff),
    "stride beyond the end": draw_frame(stride=p.IN // 9),
    "no width": draw_frame(w=0),
    "no height": draw_frame(h=0),
    "side": draw_frame(x=16380),
    "far": draw_frame(x=65535, y=65535),
    "too tall": draw_frame(h=65535),
    "format": draw_frame(format=6),
    "format 255": draw_frame(format=255),
    "freed": draw_frame(freed=1),
    "size": size_frame(20000, 100),
    "type": p.Frame(type=99),
    "type 0": p.Frame(),
    "spoiled": p.Frame(type=p.SPOILED, wid=1),
    "setup again": p.Frame(type=p.SETUP),
    "its own answer": p.Frame(type=p.PICTURE),
}


@h.each(*LIES)
def test_lies(what):
    """Numbers that cannot be: it ends, and says so, before a byte is touched."""
    e = p.Encoder()
    if what == "size":
        e.window(1, 100, 100)
        e.draw(1, 0, 0, 100, 100, bytes(40000))
        e.settle()
    e.sock.send(bytes(LIES[what]))
    assert e.process.wait(5) == LIE
    assert len(e.stderr().splitlines()) == 1, e.stderr()


def test_lies_first():
    """The same before it has been told anything; and half a message."""
    for data in (bytes(p.Frame(type=p.DRAW)), bytes(p.Frame(type=p.SETUP)), b"x", bytes(p.Frame(type=p.SETUP))[:-8]):
        e = p.Encoder(setup=False)
        e.sock.send(data)
        assert e.process.wait(5) == LIE, data[:8]


def test_random_messages():
    """Nothing that a worker can say makes it crash."""
    r = random.Random(6)
    for _ in range(30):
        e = p.Encoder(codings=ALL)
        try:
            for i in range(50):
                f = draw_frame(number=2 * i + 1, w=r.randrange(1, 300), h=r.randrange(1, 300), stride=r.randrange(1200, 1300),
                               offset=r.randrange(p.IN - 400000), format=r.randrange(6), x=r.randrange(300),
                               flush=r.randrange(3), wid=r.randrange(1, 100))
                if r.randrange(10) == 0:
                    data = bytearray(bytes(f))
                    data[r.randrange(len(data))] = r.randrange(256)
                    f = p.Frame.from_buffer_copy(bytes(data))
                e.sock.send(bytes(f))
                if r.randrange(9) == 0:
                    g = p.Frame(type=r.choice((p.LOST, p.SPOILED, p.SHOWN, p.QUEUE, p.WINDOW, p.TUNE)),
                                wid=r.randrange(1, 100), number=2 * i + 2)
                    c.memmove(c.addressof(g) + 40, r.randbytes(8), 8)
                    e.sock.send(bytes(g))
        except OSError:
            pass
        time.sleep(0.02)
        e.sock.close()
        assert e.process.wait(10) in (0, LIE, 4), f"exit {e.process.returncode}: {e.stderr()}"
        e.kill()


def test_locked():
    """Before the first pixel: no capability, no way to gain one, a filter."""
    has("x264", "openh264", "vp8", "jpeg", "webp", "png")
    e = p.Encoder(codings=ALL, encoders="x264 openh264 vp8 jpeg webp png")
    s = h.status(e.process.pid)
    assert s["Seccomp"] == "2" and s["NoNewPrivs"] == "1", s
    assert all(int(s[caps], 16) == 0 for caps in ("CapEff", "CapPrm", "CapInh", "CapAmb")), s
    with open(f"/proc/{e.process.pid}/limits") as f:
        limits = {line[:26].strip(): line[26:].split()[0] for line in f.read().split("\n")[1:] if line}
    assert limits["Max core file size"] == limits["Max processes"] == "0", limits
    if h.ROOT:
        fds = h.fds(e.process.pid)
        assert set(fds) == {0, 1, 2, 3}, fds


def test_idle():
    """Started with every session, used by few: it waits in one call, loads nothing, and goes with the worker."""
    e = p.Encoder(setup=False)
    time.sleep(0.3)
    with open(f"/proc/{e.process.pid}/maps") as f:
        assert "encode-" not in f.read()
    with open(f"/proc/{e.process.pid}/stat") as f:
        fields = f.read().rsplit(")")[1].split()
    assert int(fields[11]) + int(fields[12]) <= 2, "it is busy"
    assert e.end() == 0


def test_memory_comes_back():
    """Pages of pictures that the worker has sent on do not stay."""
    e = p.Encoder()
    e.window(1, 1000, 1000)
    for i in range(4):
        e.draw(1, 0, 0, 1000, 1000, random.Random(i).randbytes(4000000))
        e.settle()
    ours = 4000000 // 4096 + 64
    assert os.fstat(e.memfd).st_blocks * 512 // 4096 > ours
    h.eventually(lambda: os.fstat(e.memfd).st_blocks * 512 // 4096 <= ours, 5, "pages of pictures stay")
    e.draw(1, 0, 0, 1000, 1000, bytes(4000000))
    e.settle()
