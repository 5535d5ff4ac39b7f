# SPDX-License-Identifier: GPL-2.0-or-later
"""Transcoding for clients that speak as those of 6.x and as newer HTML5 clients do: what a client decodes and paints is
what its server has drawn, and every draw is acknowledged once, by the server's own number. To native clients comes what
a real server of 6.5 had sent; to the others what is drawn here."""
import io
import math
import os
import re
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

import harness as h
import xpranet as x
from recordings import Recording

try:
    import lz4.block
    from PIL import Image, ImageChops
except ImportError:
    lz4 = Image = None

SECONDS = 150
WID, W, H = 6291459, 640, 480
FPS = 25
# a client of 6.x with all its decoders; and the HTML5 client of 2025 with WebCodecs, which paints red first
NATIVE = {"core": ["rgb24", "rgb32", "png", "jpeg", "webp", "scroll", "h264", "vp8"], "rgb_formats": ["BGRX", "BGRA"],
          "full_csc_modes": {"h264": ["YUV420P"], "vp8": ["YUV420P"]}, "video_max_size": [4096, 4096]}
HTML5 = {"core": ["rgb24", "rgb32", "png", "webp", "jpeg", "h264", "vp8"], "rgb_formats": ["RGBX", "RGBA", "RGB"],
         "transparency": True, "video_scaling": True, "min-speed": 50,
         "full_csc_modes": {"h264": ["YUV420P"], "vp8": ["YUV420P"], "webp": ["BGRX", "BGRA"]}, "min-quality": 10,
         "h264": {"cabac": True, "deblocking-filter": True, "YUV420P": {"profile": "high", "level": "4.0"}},
         "video_max_size": [1024, 768]}


def hello(encoding):
    """Each says where it did in 2025: the HTML5 client has its lists in `encodings` alone."""
    core, formats = encoding["core"], encoding["rgb_formats"]
    rest = {k: v for k, v in encoding.items() if k not in ("core", "rgb_formats")}
    lists = {} if encoding is HTML5 else {"core": core, "options": core, "rgb_formats": formats, "setting": "auto"}
    return x.hello65(username="john", auto_refresh_delay=150, encoding={"": "auto", "rgb_lz4": True, **lists, **rest},
                     encodings={"": core, "core": core, "rgb_formats": formats, "packet": True})


def scene(name, count):
    """Frames of B G R X."""
    program = os.path.join(h.BUILD, "scene-raw")
    if not os.path.exists(program):
        raise h.Skip("scene-raw has not been built")
    out = subprocess.run([program, name, f"{W}x{H}", str(count)], capture_output=True, check=True).stdout
    frames = []
    for i in range(count):
        one = bytearray(out[i * W * H * 4:(i + 1) * W * H * 4])
        one[3::4] = b"\xff" * (W * H)
        frames.append(bytes(one))
    return frames


def psnr(a, b, size=(W, H)):
    if a == b:
        return math.inf
    a, b = Image.frombytes("RGB", size, a, "raw", "BGRX"), Image.frombytes("RGB", size, b, "raw", "BGRX")
    counts = ImageChops.difference(a, b).histogram()
    total = sum((i % 256) ** 2 * n for i, n in enumerate(counts))
    return math.inf if total == 0 else 10 * math.log10(255 ** 2 / (total / (size[0] * size[1] * 3)))


def ivf(frames, w, height):
    """VP8 frames as ffmpeg reads them."""
    out = struct.pack("<4sHH4sHHIIII", b"DKIF", 0, 32, b"VP80", w, height, 30, 1, len(frames), 0)
    return out + b"".join(struct.pack("<IQ", len(f), i) + f for i, f in enumerate(frames))


class Client:
    """Paints what it is sent, and acknowledges it. Videos are decoded whole when they are over, and what else came
    is painted in its turn among their frames: so paint() tells of the past."""

    def __init__(self, peer, ack="damage-sequence", wid=WID, size=(W, H)):
        self.peer, self.ack, self.draws, self.ended, self.wid, self.size = peer, ack, [], None, wid, size
        self.lock = threading.Lock()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            while True:
                p = self.peer.read_packet(3600)
                if p.name in ("draw", "window-draw"):
                    with self.lock:
                        self.draws.append((time.monotonic(), p))
                    self.answer(p)
                elif p.name == "ping":
                    self.peer.send_packet("ping_echo", p[1], 0, 0, 0, 0)
        except Exception as e:  # noqa: BLE001 - shown by whoever waits
            self.ended = e

    def answer(self, p):
        if self.ack == "window-ack":
            self.peer.send_packet(self.ack, p[1], p[4], p[5], p[8], 1000, "")
        else:
            self.peer.send_packet(self.ack, p[8], p[1], p[4], p[5], 1000, "")

    def taken(self):
        with self.lock:
            return list(self.draws)

    def codings(self):
        return {x.text(p[6]) for _, p in self.taken()}

    def paint(self):
        """[(when, canvas)] after each draw."""
        draws = self.taken()
        pictures = self._decode(draws)
        canvas, shots = Image.new("RGB", self.size), []
        for i, (when, p) in enumerate(draws):
            assert p[1] == self.wid, p[:6]
            at, coding, options = tuple(p[2:6]), x.text(p[6]), x.texts(p[10])
            assert at[0] + at[2] <= self.size[0] and at[1] + at[3] <= self.size[1], at
            if coding == "scroll":
                before = canvas.copy()
                for sx, sy, sw, sh, dx, dy in p[7]:
                    canvas.paste(before.crop((sx, sy, sx + sw, sy + sh)), (sx + dx, sy + dy))
            elif coding in ("rgb24", "rgb32"):
                canvas.paste(self._rgb(p, options), at[:2])
            elif coding in ("png", "jpeg", "webp"):
                part = Image.open(io.BytesIO(p[7]))
                assert part.size == at[2:], (part.size, at)
                canvas.paste(part.convert("RGB"), at[:2])
            else:
                canvas.paste(pictures[i], at[:2])
            shots.append((when, canvas.tobytes("raw", "BGRX")))
        return shots

    @staticmethod
    def _rgb(p, options):
        fmt, size = options["rgb_format"], tuple(p[4:6])
        data = lz4.block.decompress(p[7]) if options.get("lz4") else p[7]
        assert len(data) == p[9] * size[1], (len(data), p[9], size)
        return Image.frombytes("RGB", size, data, "raw", fmt, p[9])

    @staticmethod
    def _decode(draws):
        """Videos' frames, by the draw's number. A video begins with frame 0, which restarts the decoder."""
        streams, pictures = [], {}
        for i, (_, p) in enumerate(draws):
            coding, options = x.text(p[6]), x.texts(p[10])
            if coding not in ("h264", "vp8"):
                continue
            assert options["csc"] in ("YUV420P", "YUV444P") and not options["full-range"], options
            size = tuple(options.get("scaled_size", p[4:6]))
            assert "scaled_size" not in options or (size[0] < p[4] and size[1] < p[5]), (size, p[4:6])
            if options["frame"] == 0:
                assert options.get("type") == "IDR", options
                streams.append((coding, *size, []))
            assert streams and streams[-1][:3] == (coding, *size), "no new video for another size"
            assert options["frame"] == len(streams[-1][3]), f"frame {options['frame']}, not {len(streams[-1][3])}"
            streams[-1][3].append((i, p[7]))
        for coding, w, height, frames in streams:
            data = [f for _, f in frames]
            with tempfile.NamedTemporaryFile(dir=h.SCRATCH) as f:
                f.write(ivf(data, w, height) if coding == "vp8" else b"".join(data))
                f.flush()
                r = subprocess.run(["ffmpeg", "-v", "error", "-f", "ivf" if coding == "vp8" else "h264", "-i", f.name, "-vsync",
                                    "passthrough", "-sws_flags", "+accurate_rnd+full_chroma_int", "-pix_fmt", "rgb24",
                                    "-f", "rawvideo", "-"], capture_output=True)
            assert r.returncode == 0 and not r.stderr, r.stderr.decode()
            size = w * height * 3
            assert len(r.stdout) == size * len(frames), f"{len(r.stdout) / size} pictures of {len(frames)} frames"
            for n, (i, _) in enumerate(frames):
                picture = Image.frombytes("RGB", (w, height), r.stdout[n * size:(n + 1) * size])
                pictures[i] = picture.resize(tuple(draws[i][1][4:6]))  # what the client does with scaled_size
        return pictures


class Server:
    """What draws as one of 6.x does, and counts what comes back."""

    def __init__(self, peer, format, new_names=False, window=None):
        self.peer, self.format, self.new, self.sequence, self.acks, self.other = peer, format, new_names, 0, [], []
        window = window or ["window-create" if new_names else "new-window", WID, 0, 0, W, H,
                            {"title": "anim", "window-type": ["NORMAL"]}, {}]
        self.wid = window[1]
        peer.send_packet(*window)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            while True:
                p = self.peer.read_packet(3600)
                if p.name in ("damage-sequence", "window-draw-ack"):
                    self.acks.append((p.name, p[1], p[2], p[3], p[4]))
                elif p.name == "window-ack":
                    self.acks.append((p.name, p[4], p[1], p[2], p[3]))
                else:
                    self.other.append(p)
        except Exception:  # noqa: BLE001 - the end
            pass

    def draw(self, frame, at=(0, 0, W, H), flush=0):
        px, py, w, height = at
        rows = frame if at == (0, 0, W, H) else b"".join(frame[(py + y) * W * 4 + px * 4:][:w * 4] for y in range(height))
        if self.format == "RGBX":
            rows = bytearray(rows)
            rows[0::4], rows[2::4] = rows[2::4], rows[0::4]
        options = {"rgb_format": self.format, "flush": flush, "window-size": [W, H]}
        if len(rows) > 1024:
            rows, options["lz4"] = lz4.block.compress(bytes(rows)), 2
        self.sequence += 1
        self.peer.send_packet("window-draw" if self.new else "draw", WID, *at, "rgb24", rows, self.sequence, w * 4, options,
                              chunks=(7,) if len(rows) > 4096 else (), flush=True)

    def all_acknowledged(self):
        h.eventually(lambda: len(self.acks) >= self.sequence, 5,
                     lambda: f"{self.sequence} draws, {len(self.acks)} acknowledged: {self.acks[-5:]}")
        time.sleep(0.2)
        numbers = sorted(a[1] for a in self.acks)
        assert numbers == list(range(1, self.sequence + 1)), numbers
        assert {a[2] for a in self.acks} == {self.wid}


class Session:
    def __init__(self, encoders, caps, ack="damage-sequence", new_names=False, recording=None):
        if Image is None or not hasattr(lz4, "block"):
            raise h.Skip("python3-pil or python3-lz4 is not installed")
        self.link = h.link(caps=caps, server_caps=recording and recording.hello, Encode={"Encoders": encoders})
        self.seen = x.texts(self.link.session.caps)
        formats = self.seen["encoding"].get("rgb_formats") or self.seen["encodings"]["rgb_formats"]
        self.wid, self.size = (recording.wid, recording.size) if recording else (WID, (W, H))
        self.server = Server(self.link.s, formats[0], new_names, recording and recording.window)
        self.client = Client(self.link.c, ack, self.wid, self.size)
        for peer in (self.link.s, self.link.c):  # those threads wait on sockets, which do not end before that
            h.defer(peer.shutdown, socket.SHUT_RDWR)
        self.link.c.send_packet("map-window", self.wid, 0, 0, *self.size, {}, {})

    def play(self, frames, seconds, at=(0, 0, W, H)):
        """[(when, frame)]"""
        shown, began = [], time.monotonic()
        while time.monotonic() < began + seconds:
            frame = frames[len(shown) % len(frames)]
            shown.append((time.monotonic(), frame))
            self.server.draw(frame, at)
            self.wait_for_acks(8)
            time.sleep(max(0, shown[-1][0] + 1 / FPS - time.monotonic()))
        return shown

    def replay(self, recording):
        """[(when, frame)]; the server's pixels of the later half as it packs them, and what came of them, in bytes."""
        shown, began, half, raw = [], time.monotonic(), recording.packets[-1][0] / 2000, 0
        for msec, data, size, frame in recording.packets:
            time.sleep(max(0, began + msec / 1000 - time.monotonic()))
            self.server.sequence += size > 0
            self.server.peer.send_raw(data)
            raw += size if msec > half * 1000 else 0
            if frame:
                shown.append((time.monotonic(), frame))
            self.wait_for_acks(32)
        return shown, raw, sum(len(p[7]) for when, p in self.client.taken() if when > began + half)

    def wait_for_acks(self, most):
        """Real ones, too, wait when they have too many underway."""
        h.eventually(lambda: self.server.sequence - len(self.server.acks) < most, 5,
                     lambda: f"acknowledgements: {len(self.server.acks)} of {self.server.sequence}, client: "
                             f"{self.client.ended!r}\n{self.link.conn.log()}")

    def same_when_quiet(self, frame):
        before = -1
        while before != len(self.client.taken()):
            before = len(self.client.taken())
            time.sleep(0.8 * h.SLACK)
        assert self.client.ended is None, self.client.ended
        shots = self.client.paint()
        far = psnr(shots[-1][1], frame, self.size)
        assert far == math.inf, f"{far:.1f} dB; {[x.text(p[6]) for _, p in self.client.taken()][-9:]}"
        return shots


    def worst(self, shown, shots, coding, seconds=0.6):
        """Each moment of the video against the frames of around it: which of them it shows is not known. A client that
        this machine leaves too little time for is sent less, and that later: what it looks like then is for
        test_transcode.py, and moments of this kind do not count, as long as there are others."""
        pictures = [(shot, x.texts(p[10])) for shot, (_, p) in zip(shots, self.client.taken()) if x.text(p[6]) == coding]
        found, good = math.inf, [shot for shot, o in pictures if o["quality"] >= 60 and "scaled_size" not in o]
        assert good, f"{len(pictures)} pictures, all for a slow client"
        for when, canvas in good[-40:-1:4]:
            found = min(found, max(psnr(canvas, f, self.size) for t, f in shown if when - seconds < t <= when))
        return found

    def became(self, coding, since):
        late = {x.text(p[6]) for when, p in self.client.taken() if when > since}
        assert coding in late, self.client.codings()
        assert "no more transcoding" not in self.link.conn.log(), self.link.conn.log()


@h.timeout(60)
@h.needs_tool("ffmpeg")
@h.each("x264 jpeg", "vp8", "openh264 png webp")
def test_recorded_video(encoders):
    """A fifth of the bytes at most, looks like it, and ends as what the server has."""
    recording = Recording("video")
    s = Session(encoders, hello(NATIVE), recording=recording)
    shown, raw, sent = s.replay(recording)
    shots = s.same_when_quiet(shown[-1][1])
    s.server.all_acknowledged()
    assert s.server.sequence == recording.draws
    video = "vp8" if encoders.startswith("vp8") else "h264"
    s.became(video, shown[len(shown) // 2][0])
    assert sent * 5 <= raw, f"{sent} bytes for {raw} of the server's"
    worst = s.worst(shown, shots, video)
    assert worst >= 38, f"{worst:.1f} dB"


@h.timeout(60)
@h.needs_tool("ffmpeg")
@h.each("x264 jpeg", "openh264", "vp8 webp")
def test_video(encoders):
    """A video is one for HTML5 clients too, of a kind that they take."""
    s = Session(encoders, hello(HTML5))
    for lists in (s.seen["encoding"], s.seen["encodings"]):
        assert lists.get("core", ["rgb24", "rgb32"]) == ["rgb24", "rgb32"], s.seen
    shown = s.play(scene("video", 50), 4)
    shots = s.same_when_quiet(shown[-1][1])
    s.server.all_acknowledged()
    video = "vp8" if encoders.startswith("vp8") else "h264"
    s.became(video, shown[len(shown) // 2][0])
    rgb = {x.texts(p[10])["rgb_format"] for _, p in s.client.taken() if x.text(p[6]) in ("rgb24", "rgb32")}
    assert rgb <= {"RGBX", "RGB"}, rgb
    for _, p in s.client.taken():
        if x.text(p[6]) == "h264" and x.texts(p[10]).get("type") == "IDR":
            profile, level = re.search(rb"\x00\x00\x01[\x27\x47\x67](.).(.)", p[7], re.S).groups()
            assert ord(profile) in (66, 77, 100) and ord(level) <= 40, (profile, level)
    worst = s.worst(shown, shots, video)
    assert worst >= 38, f"{worst:.1f} dB"


@h.timeout(40)
@h.each("type: x264 jpeg", "scroll: x264 jpeg", "scroll: vp8 png")
def test_recorded_text(case):
    """Text that moves looks like the server's at every moment, however it came, and is it when it stands."""
    name, encoders = case.split(": ")
    recording = Recording(name)
    s = Session(encoders, hello(NATIVE), recording=recording)
    shown, _, _ = s.replay(recording)
    shots = s.same_when_quiet(shown[-1][1])
    s.server.all_acknowledged()
    assert s.server.sequence == recording.draws
    for (when, canvas), (_, p) in list(zip(shots, s.client.taken()))[-16:-1]:
        if not x.texts(p[10]).get("flush"):  # an update is whole
            best = max(psnr(canvas, f, s.size) for t, f in shown if when - 1 < t <= when)
            assert best >= 30, f"{best:.1f} dB"
    if name == "scroll":
        assert "scroll" in s.client.codings(), s.client.codings()


@h.timeout(40)
@h.needs_tool("ffmpeg")
@h.each("the client cannot", "the user will not")
def test_video_max_size(why):
    """A region that is larger than the client's decoder takes does not become a video, unless the client enlarges them."""
    never = {"video_scaling": False} if why == "the client cannot" else {"scaling": {"control": 0}}
    s = Session("x264 vp8 jpeg", hello({**HTML5, **never, "video_max_size": [400, 300]}))
    shown = s.play(scene("video", 40), 3)
    s.same_when_quiet(shown[-1][1])
    s.server.all_acknowledged()
    assert s.client.codings() - {"rgb24", "rgb32"} == {"jpeg"}, s.client.codings()


@h.timeout(60)
@h.needs_tool("ffmpeg")
@h.each("x264", "openh264", "vp8")
def test_video_max_size_scaled(encoder):
    """If the client enlarges videos it becomes one, as small as its decoder takes; exact in the end."""
    s = Session(f"{encoder} jpeg", hello({**HTML5, "video_max_size": [400, 300]}))
    frames = scene("video", 40)
    shown = s.play(frames, 3)
    shots = s.same_when_quiet(shown[-1][1])
    s.server.all_acknowledged()
    videos = [p for _, p in s.client.taken() if x.text(p[6]) in ("h264", "vp8")]
    assert len(videos) > 20, s.client.codings()
    for p in videos:
        w, height = x.texts(p[10])["scaled_size"]
        assert w <= 400 and height <= 300 and w * 2 <= p[4] and height * 2 <= p[5], (w, height, p[4:6])
    # far from exact, but no other picture: each against the frames of around it
    for (when, canvas), (_, p) in list(zip(shots, s.client.taken()))[-30:-1:4]:
        if x.text(p[6]) in ("h264", "vp8"):
            best = max(psnr(canvas, f) for t, f in shown if when - 0.6 < t <= when)
            assert best >= 18, f"{best:.1f} dB"


@h.timeout(40)
@h.needs_tool("ffmpeg")
def test_said_later():
    """A client that has left older ways behind has loaded no decoder when it says hello, and says later what it has.
    Nothing is made of draws until then, and its server does not hear of it."""
    caps = hello({**NATIVE, "core": ["rgb24", "rgb32"], "full_csc_modes": {}})
    s = Session("x264", {k: v for k, v in caps.items() if k != "encodings"}, "window-draw-ack", new_names=True)
    frames = scene("video", 40)
    s.play(frames, 2)
    s.server.all_acknowledged()
    assert s.client.codings() == {"rgb24"}, s.client.codings()
    assert [p[8] for _, p in s.client.taken()] == list(range(1, s.server.sequence + 1)), "they pass as they are"
    s.link.c.send_packet("encoding-config", NATIVE)
    s.link.c.send_packet("window-configure", WID, {"geometry": [0, 0, W, H], "resize-counter": 0})
    shown = s.play(frames, 3)
    s.same_when_quiet(shown[-1][1])
    s.server.all_acknowledged()
    s.became("h264", shown[len(shown) // 2][0])
    assert not [p.name for p in s.server.other if p.name.startswith("encoding")], s.server.other


@h.timeout(40)
@h.needs_tool("ffmpeg")
@h.each("window-draw-ack", "window-ack")
def test_new_names(ack):
    """Peers that have left the older names behind: pictures and what answers them have the newer ones, and so has what
    is asked of the server when the encoder is gone."""
    s = Session("x264", hello(NATIVE), ack, new_names=True)
    shown = s.play(scene("video", 40), 3)
    s.same_when_quiet(shown[-1][1])
    s.server.all_acknowledged()
    assert "h264" in s.client.codings(), s.client.codings()
    assert {p.name for _, p in s.client.taken()} == {"window-draw"}
    assert {a[0] for a in s.server.acks[-20:]} == {ack}, s.server.acks[-5:]
    s.link.c.send_packet("encoding-config", {"core": NATIVE["core"]})
    s.link.c.send_packet("encoding", "h264")
    s.link.c.send_packet("ping", 12345, 0)
    h.eventually(lambda: [p for p in s.server.other if p.name == "ping"], 5, "what comes after those")
    assert not [p.name for p in s.server.other if p.name.startswith("encoding")], s.server.other
    [pid] = [pid for pid, what in h.program_processes() if what.startswith("xproxy-encode")]
    os.kill(pid, signal.SIGKILL)
    h.eventually(lambda: [p for p in s.server.other if p.name == "window-refresh"], 5,
                 lambda: f"the server is asked for everything: {s.server.other}")
    s.server.draw(shown[0][1])
    h.eventually(lambda: s.client.taken()[-1][1][8] == s.server.sequence, 5, "draws pass")
    s.server.all_acknowledged()
