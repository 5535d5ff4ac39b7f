# SPDX-License-Identifier: GPL-2.0-or-later
"""xproxy-encode from the worker's side: draws in, pictures out, and a client that paints them. base/frame.h says
what is what; a picture that is not exact is painted as noise here, so that only a refresh can make it right."""
import ctypes as c
import fcntl
import io
import mmap
import os
import select
import socket
import subprocess
import time

import lz4.block
from PIL import Image

import harness as h

ENCODE = os.path.join(h.BUILD, "xproxy-encode")
IN, OUT = 64 << 20, 32 << 20
SETUP, DRAW, WINDOW, LOST, SPOILED, SHOWN, QUEUE, TUNE, READY, PICTURE, HELD, REPORT = range(1, 13)
RGB24, RGB32, PNG, JPEG, WEBP, SCROLL, H264, H265, VP8, VP9 = range(10)
BGRX, BGRA, RGBX, RGBA, RGB, BGR = range(6)
BYTES = {BGRX: 4, BGRA: 4, RGBX: 4, RGBA: 4, RGB: 3, BGR: 3}
ASAN = {"ASAN_OPTIONS": "detect_leaks=0:use_sigaltstack=0:handle_segv=0:print_legend=0"}
NOISE = b"\x5a\xa5\x3c\xc3"
MFD_ALLOW_SEALING, F_ADD_SEALS, SEALS = 2, 1033, 7  # seal, shrink, grow


class Wishes(c.Structure):
    _fields_ = [(n, c.c_uint8) for n in "quality min_quality max_quality speed min_speed".split()] + [
        ("auto_refresh", c.c_bool), ("refresh_delay_msec", c.c_uint32), ("bandwidth_bits", c.c_uint64)]


class Setup(c.Structure):
    _fields_ = [("codings", c.c_uint32), ("pixels", c.c_uint32), ("csc", c.c_uint32 * 10), ("video_max_w", c.c_uint16),
                ("video_max_h", c.c_uint16), ("lz4", c.c_bool), ("h264_simple", c.c_bool), ("h264_high", c.c_bool),
                ("scaling", c.c_bool), ("wishes", Wishes), ("encoders", (c.c_char * 16) * 8)]


class Draw(c.Structure):
    _fields_ = [("offset", c.c_uint64), ("stride", c.c_uint32), ("x", c.c_uint16), ("y", c.c_uint16),
                ("w", c.c_uint16), ("h", c.c_uint16), ("format", c.c_uint8), ("flush", c.c_uint8),
                ("wire_bytes", c.c_uint32)]


class Size(c.Structure):
    _fields_ = [("w", c.c_uint16), ("h", c.c_uint16)]


class Shown(c.Structure):
    _fields_ = [("decode_usec", c.c_int64), ("round_usec", c.c_uint32)]


class Queue(c.Structure):
    _fields_ = [("bytes", c.c_uint64), ("age_usec", c.c_uint32)]


class Picture(c.Structure):
    _fields_ = [("offset", c.c_uint64), ("len", c.c_uint64), ("answers", c.c_uint64), ("raw_len", c.c_uint32),
                ("stride", c.c_uint32), ("frame", c.c_uint32), ("x", c.c_uint16), ("y", c.c_uint16),
                ("w", c.c_uint16), ("h", c.c_uint16), ("coded_w", c.c_uint16), ("coded_h", c.c_uint16),
                ("coding", c.c_uint8), ("format", c.c_uint8), ("csc", c.c_uint8), ("quality", c.c_uint8),
                ("key", c.c_bool), ("lz4", c.c_bool), ("lossless", c.c_bool), ("last", c.c_bool),
                ("flush", c.c_uint8), ("encoder", c.c_char * 16)]


class Report(c.Structure):
    _fields_ = [("encoder", c.c_char * 16), ("device", c.c_char * 32), ("why", c.c_char * 64), ("coding", c.c_uint8),
                ("csc", c.c_uint8), ("quality", c.c_uint8), ("speed", c.c_uint8), ("x", c.c_uint16),
                ("y", c.c_uint16), ("w", c.c_uint16), ("h", c.c_uint16), ("coded_w", c.c_uint16), ("coded_h", c.c_uint16),
                ("fps_milli", c.c_uint32),
                ("encode_usec", c.c_uint32), ("bytes_in", c.c_uint64), ("bytes_out", c.c_uint64),
                ("pixels", c.c_uint64), ("pictures", c.c_uint32), ("refreshes", c.c_uint32), ("scrolls", c.c_uint32),
                ("fallbacks", c.c_uint32)]


class What(c.Union):
    _fields_ = [("setup", Setup), ("wishes", Wishes), ("draw", Draw), ("window", Size), ("shown", Shown),
                ("queue", Queue), ("picture", Picture), ("report", Report)]


class Frame(c.Structure):
    _anonymous_ = ("what",)
    _fields_ = [("type", c.c_uint32), ("wid", c.c_uint32), ("number", c.c_uint64), ("taken", c.c_uint64),
                ("freed", c.c_uint64), ("what", What)]


class Scroll(c.Structure):
    _fields_ = [(n, c.c_int32) for n in "x y w h dx dy".split()]


class Screen:
    """Pixels, B G R X."""

    def __init__(self, w, height):
        self.w, self.h, self.data = w, height, bytearray(w * height * 4)

    def put(self, x, y, w, height, pixels, stride=None):
        stride = stride or w * 4
        for row in range(height):
            at = ((y + row) * self.w + x) * 4
            self.data[at:at + w * 4] = pixels[row * stride:row * stride + w * 4]

    def get(self, x, y, w, height):
        return b"".join(self.data[((y + row) * self.w + x) * 4:][:w * 4] for row in range(height))

    def rgb(self):
        return Image.frombuffer("RGB", (self.w, self.h), bytes(self.data), "raw", "BGRX", 0, 1).tobytes()


def to_bgrx(pixels, fmt):
    """Pixels of any format."""
    n = len(pixels) // BYTES[fmt]
    out = bytearray(b"\xff" * n * 4)
    red = 0 if fmt in (RGBX, RGBA, RGB) else 2
    out[0::4], out[1::4], out[2::4] = pixels[2 - red::BYTES[fmt]], pixels[1::BYTES[fmt]], pixels[red::BYTES[fmt]]
    return bytes(out)


class Encoder:
    """The process, and both sides of it: `server` is what was drawn, `client` what was painted, by window."""

    def __init__(self, codings=(RGB24, RGB32), encoders="", csc=3, pixels=(BGRX,), lz4=True, setup=True, wishes=None,
                 **more):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        memfd = os.memfd_create("frames", MFD_ALLOW_SEALING)
        os.ftruncate(memfd, IN + OUT)
        fcntl.fcntl(memfd, F_ADD_SEALS, SEALS)
        self.memory = mmap.mmap(memfd, IN + OUT)
        self.sock, self.memfd = ours, memfd
        fds = [fcntl.fcntl(fd, fcntl.F_DUPFD, 20) for fd in (theirs.fileno(), memfd)]

        def prepare():
            os.dup2(fds[0], 3)
            os.dup2(fds[1], 4)
            if h.ROOT:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
        self.process = subprocess.Popen(more.pop("command", [ENCODE]), preexec_fn=prepare, pass_fds=(3, 4), cwd="/",
                                        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=ASAN)
        for fd in fds:
            os.close(fd)
        theirs.close()
        h.defer(self.kill)
        os.set_blocking(self.process.stderr.fileno(), False)
        self.server, self.client, self.errors = {}, {}, b""
        self.number = self.freed = self.taken = self.at = self.last_picture = 0
        self.draws, self.held, self.answered = {}, set(), {}  # number: (wid, when); numbers; wid: number
        self.pictures, self.reports, self.late, self.keep_frees = [], [], 0.0, False
        self.slots = []  # (number, end)
        self.bytes = 0
        if setup:
            f = Frame(type=SETUP)
            f.setup.codings = sum(1 << n for n in codings)
            f.setup.pixels = sum(1 << n for n in pixels)
            for n in range(10):
                f.setup.csc[n] = csc
            f.setup.lz4 = lz4
            f.setup.wishes.auto_refresh = True
            for name, value in (wishes or {}).items():
                setattr(f.setup.wishes, name, value)
            for i, name in enumerate(encoders.split()):
                f.setup.encoders[i].value = name.encode()
            for name, value in more.items():
                setattr(f.setup, name, value)
            self.send(f)
            assert self.receive(10 * h.SLACK).type == READY

    def send(self, f):
        f.freed = f.freed or self.freed
        self.sock.send(bytes(f))

    def receive(self, seconds):
        if not select.select([self.sock], [], [], seconds)[0]:
            return None
        data = self.sock.recv(4096)
        if not data:
            raise EOFError(f"exit {self.process.wait(5)}: {self.stderr()}")
        assert len(data) == c.sizeof(Frame), len(data)
        return Frame.from_buffer_copy(data)

    def stderr(self):
        if not self.process.stderr.closed:
            self.errors += self.process.stderr.read() or b""
        return self.errors.decode()

    def window(self, wid, w, height):
        self.server[wid], self.client[wid] = Screen(w, height), Screen(w, height)
        f = Frame(type=WINDOW, wid=wid)
        f.window.w, f.window.h = w, height
        self.send(f)

    def slot(self, size):
        """Where in the ring, once there is room."""
        if not self.slots:
            self.at = 0
        if self.at + size > IN:
            while self.slots:
                self.pump(0.01)
            self.at = 0
        while self.slots and self.slots[0][1] < self.at + size and self.slots[0][2] > self.at:
            self.pump(0.01)
        return self.at

    def draw(self, wid, x, y, w, height, pixels, fmt=BGRX, stride=0, flush=0, wire=None):
        stride = stride or w * BYTES[fmt]
        size = stride * (height - 1) + w * BYTES[fmt]
        assert len(pixels) >= size
        at = self.slot(size)
        self.memory[at:at + size] = pixels[:size]
        self.number += 1
        f = Frame(type=DRAW, wid=wid, number=self.number)
        f.draw = Draw(at, stride, x, y, w, height, fmt, flush, len(pixels) // 10 if wire is None else wire)
        self.slots.append((self.number, at, at + size))
        self.at = (at + size + 63) // 64 * 64
        self.draws[self.number] = (wid, time.monotonic())
        rows = b"".join(pixels[row * stride:row * stride + w * BYTES[fmt]] for row in range(height))
        self.server[wid].put(x, y, w, height, rows if fmt in (BGRX, BGRA) else to_bgrx(rows, fmt))
        self.send(f)
        return self.number

    def queue(self, size, age):
        f = Frame(type=QUEUE)
        f.queue.bytes, f.queue.age_usec = size, age
        self.send(f)

    def pump(self, seconds):
        """Takes what comes until nothing has for so long; the number of messages."""
        n = 0
        while True:
            f = self.receive(seconds)
            if f is None:
                return n
            n += 1
            self.take(f)

    def take(self, f):
        assert self.taken <= f.taken <= self.number, f"taken {f.taken} after {self.taken}, of {self.number}"
        self.taken = f.taken
        while self.slots and self.slots[0][0] <= self.taken:
            self.slots.pop(0)
        if f.type == HELD:
            assert f.number in self.draws and f.number not in self.held, f"held {f.number} twice, or for nothing"
            assert f.number > self.answered.get(f.wid, 0), f"held {f.number} after its answer"
            self.held.add(f.number)
            self.late = max(self.late, time.monotonic() - self.draws[f.number][1])
        elif f.type == REPORT:
            self.reports.append(f)
        else:
            assert f.type == PICTURE, f.type
            self.picture(f)

    def picture(self, f):
        p = f.picture
        assert f.number == self.last_picture + 1, f"picture {f.number} after {self.last_picture}"
        self.last_picture = f.number
        assert p.len == 0 or (IN <= p.offset and p.offset + p.len <= IN + OUT), (p.offset, p.len)
        self.paint(f.wid, p, self.memory[p.offset:p.offset + p.len])
        self.bytes += p.len
        self.pictures.append((f.wid, p, time.monotonic()))
        if not self.keep_frees:
            self.freed = f.number
            self.send(Frame(type=QUEUE))
        if p.answers and p.last:
            assert p.answers > self.answered.get(f.wid, 0), f"answered {p.answers} twice"
            for number, (wid, when) in self.draws.items():
                if wid == f.wid and self.answered.get(wid, 0) < number <= p.answers and number not in self.held:
                    self.late = max(self.late, time.monotonic() - when)
            self.answered[f.wid] = p.answers

    def paint(self, wid, p, data):
        screen = self.client.get(wid)
        if p.len == 0 or screen is None:
            return
        assert p.x + p.w <= screen.w and p.y + p.h <= screen.h, (p.x, p.y, p.w, p.h)
        if p.coding == SCROLL:
            before = bytes(screen.data)
            for i in range(p.len // c.sizeof(Scroll)):
                s = Scroll.from_buffer_copy(data[i * c.sizeof(Scroll):][:c.sizeof(Scroll)])
                assert s.x >= 0 and s.y >= 0 and s.x + s.w <= screen.w and s.y + s.h <= screen.h
                old = Screen(screen.w, screen.h)
                old.data[:] = before
                moved = old.get(s.x, s.y, s.w, s.h)
                assert moved == screen.get(s.x, s.y, s.w, s.h), "the order of scrolls matters"
                screen.put(s.x + s.dx, s.y + s.dy, s.w, s.h, moved)
        elif p.coding in (RGB24, RGB32):
            assert p.lossless and p.stride == p.w * BYTES[p.format]
            if p.lz4:
                assert int.from_bytes(data[:4], "little") == p.raw_len == p.stride * p.h
                data = lz4.block.decompress(data)
            assert len(data) == p.stride * p.h, (len(data), p.w, p.h)
            screen.put(p.x, p.y, p.w, p.h, data if p.format == BGRX else to_bgrx(data, p.format))
        elif p.lossless and p.coding in (PNG, WEBP):
            rgb = Image.open(io.BytesIO(data)).convert("RGB")
            assert rgb.size == (p.w, p.h)
            screen.put(p.x, p.y, p.w, p.h, rgb.tobytes("raw", "BGRX"))
        else:
            if p.coding == JPEG:
                assert Image.open(io.BytesIO(data)).size == (p.w, p.h)
            screen.put(p.x, p.y, p.w, p.h, NOISE * (p.w * p.h))

    def settle(self, seconds=3.0):
        """Until all is answered and nothing comes any more; then the client has what the server has drawn."""
        end = time.monotonic() + seconds * h.SLACK
        while True:
            self.pump(0.05)
            if all(self.right(wid) for wid in self.client) and self.all_answered():
                break
            if time.monotonic() > end:
                wrong = [wid for wid in self.client if not self.right(wid)]
                raise AssertionError(f"windows {wrong} are wrong, answers {self.answered}, {self.number} draws, "
                                     f"{[(p.coding, p.x, p.y, p.w, p.h, p.lossless) for _, p, _ in self.pictures[-9:]]}")
        assert self.late < 0.25 * h.SLACK, f"an answer took {self.late:.3f} s"

    def right(self, wid):
        return self.server[wid].data == self.client[wid].data or self.server[wid].rgb() == self.client[wid].rgb()

    def all_answered(self):
        return all(number <= self.answered.get(wid, 0) for number, (wid, _) in self.draws.items()
                   if wid in self.client)

    def codings(self):
        return {p.coding for _, p, _ in self.pictures if p.len}

    def end(self):
        """Its exit status, after we have gone."""
        self.sock.close()
        try:
            return self.process.wait(5 * h.SLACK)
        finally:
            self.kill()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.stderr()
        self.process.stderr.close()
        if self.memory.closed:
            return
        self.sock.close()
        self.memory.close()
        os.close(self.memfd)
