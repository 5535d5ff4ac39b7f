# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenes in windows of real sessions, transcoded on their way to real clients."""
import math
import os
import re
import struct
import subprocess
import threading
import time

from PIL import Image, ImageChops

import harness as h
from eyes import Eyes

BUILD = os.environ.get("XPROXY_BUILD", "build")


def picture(display, title_or_id, env, user=None):
    """(width, height, rows of BGRX bytes) of a window, from xwd."""
    which = ["-id", title_or_id] if title_or_id.startswith("0x") else ["-name", title_or_id]
    r = subprocess.run(["xwd", "-silent", "-display", display, *which], capture_output=True,
                       env=dict(env, DISPLAY=display), **(user.popen_as() if user else {}))
    assert r.returncode == 0, r.stderr.decode()
    f = struct.unpack(">25I", r.stdout[:100])
    size, w, height, bits, stride, colours = f[0], f[4], f[5], f[11], f[12], f[19]
    assert bits == 32 and f[7] == 0, f"xwd: {bits} bits, byte order {f[7]}"
    pixels = r.stdout[size + 12 * colours:]
    rows = bytearray(b"".join(pixels[y * stride:y * stride + w * 4] for y in range(height)))
    rows[3::4] = bytes(w * height)
    return w, height, bytes(rows)


def psnr(a, b):
    """dB over red, green and blue; infinite: they are the same."""
    assert a[:2] == b[:2], f"{a[:2]} and {b[:2]} pixels"
    if a[2] == b[2]:
        return math.inf
    one, other = (Image.frombytes("RGB", p[:2], p[2], "raw", "BGRX") for p in (a, b))
    counts = ImageChops.difference(one, other).histogram()  # of red, green and blue, 256 each
    total = sum(n * (i % 256) ** 2 for i, n in enumerate(counts))
    return 10 * math.log10(255 ** 2 / (total / (a[0] * a[1] * 3)))


def difference(a, b):
    """Where two pictures differ, in words."""
    a, b = (Image.frombytes("RGB", p[:2], p[2], "raw", "BGRX") for p in (a, b))
    return f"within {ImageChops.difference(a, b).getbbox()} of {a.size}"


def listener(conf, conn):
    """Of a program elsewhere."""
    saved, h.CONN = h.CONN, conn
    try:
        return h.Listener(conf)
    finally:
        h.CONN = saved


def info_text(conf, of=None):
    """All that xproxyctl has to say of the only connection, or of the only one that this listener has."""
    ids = re.findall(r":proxy-(\d+)", h.ctl("list", conf_path=conf).stdout)
    if of:
        ids = [i for i in ids if int(i) in map(int, h.descendants(of.proc.pid))]
    assert len(ids) == 1, ids
    return h.ctl("info", f":proxy-{ids[0]}", conf_path=conf).stdout


def info(conf, of=None):
    """What xproxyctl has to say, of the busiest window: {"coding": "h264", "fps": "30", ...}."""
    text, windows = info_text(conf, of), {}
    for wid, key, value in re.findall(r"^encoder\.window\.(\d+)\.(\S+?)\s*[=:]\s*(.*)$", text, re.M):
        windows.setdefault(wid, {})[key] = value
    assert windows, text
    return max(windows.values(), key=lambda w: int(w["bytes-in"]))


class Scene:
    """A scene in a window of a real session, seen by a real client through the proxy."""
    not_shown = 0

    def __init__(self, scene, encoders, size="640x480", fps=30, client_args=(), conn=None, **encode):
        program = os.path.join(os.path.abspath(BUILD), "scene-window")
        if not os.path.exists(program):
            raise h.Skip("scene-window has not been built")
        self.server = h.RealServer(h.alice, h.free_display(330))
        h.defer(self.server.stop)
        self.title = f"scene-{scene}"
        sections = {"Encode": {"Encoders": encoders, **encode}} if encoders is not None else {}
        self.conf = h.conf(h.multifile(h.line("x", "pw", self.server.uri)), **sections)
        self.listener = listener(self.conf, conn or h.CONN)
        self.client = h.RealClient(self.listener.url("x", "pw"), "--auto-refresh-delay=0.15", *client_args)
        self.client.attached(self.server.title)
        self.command = [program, "--size", size, "--fps", str(fps), "--title", self.title, scene]
        self.play()

    def show(self, command):
        """A window more, of this scene-window; its process."""
        with open(os.path.join(h.SCRATCH, f"scene-{self.server.n}.log"), "ab") as log:
            player = h.popen(command, env=dict(self.server.env, DISPLAY=self.server.display), stdout=log, stderr=log,
                             **self.server.user.popen_as())
        h.defer(h.end_process, player)
        return player

    def play(self):
        self.player = self.show(self.command)
        self.window = self.client.attached(self.title)

    def another(self, title, size="160x128", fps=2):
        return self.show([self.command[0], "--size", size, "--fps", str(fps), "--title", title, "video"])

    def stop(self):
        """Until the client has taken its window away."""
        h.end_process(self.player)
        h.eventually(lambda: not self.client.window(self.title), 10, "the window is gone")

    def freeze(self):
        self.player.send_signal(10)

    def pictures(self, title=None):
        window = self.client.window(title) if title else self.window
        self.client._xdo("windowraise", window)  # what is over it would be in its picture
        time.sleep(0.1)
        return (picture(self.server.display, title or self.title, self.server.env, self.server.user),
                picture(self.client.display, window, self.client.env))

    def text(self):
        return info_text(self.conf, self.listener)

    def info(self):
        return info(self.conf, self.listener)

    def longest(self, seconds, at=0, what=None):
        """Seconds, at most, in which the client's screen had nothing new of the scene, while this happens."""
        self.client._xdo("windowraise", self.window)
        eyes, began, failed = Eyes(self.client.display, self.window), time.monotonic(), []

        def happen():
            try:
                what()
            except BaseException as e:  # noqa: BLE001 - raised below
                failed.append(e)
        if what:
            thread = threading.Timer(at, happen)
            thread.start()
        times = eyes.watch(began + seconds) + [time.monotonic()]
        eyes.close()
        if what:
            thread.join()
        if failed:
            raise failed[0]
        return max(b - a for a, b in zip(times, times[1:]))

    def same_when_quiet(self, seconds=5, title=None):
        def same():
            a, b = self.pictures(title)
            return a == b
        try:
            h.eventually(same, seconds, "x", 0.2)
        except AssertionError:
            a, b = self.pictures(title)
            has_it = self.has_it(title)
            Scene.not_shown += has_it
            if has_it and Scene.not_shown == 1:  # twice in one file is no accident of the client's
                print(f"# the client has the right picture, and had not put it on its screen: {difference(a, b)}", flush=True)
                return
            told = self.text() if self.listener.proc.poll() is None else ""
            raise AssertionError(f"the client's picture is not the session's: {psnr(a, b):.1f} dB, {difference(a, b)}\n"
                                 f"{told}\n{self.listener.log()[-2000:]}\n{self.client.log()[-1500:]}") from None

    def has_it(self, title=None):
        """Whether the client's own copy of a window is the session's. 3.1.3's client notes in one thread what it has to
        put on the screen, and takes these notes in another: one in some thousands is lost, with any server."""
        eyes = Eyes(self.client.display, self.window)
        eyes.cover()
        eyes.close()
        time.sleep(0.5)
        a, b = self.pictures(title)
        return a == b

    def lossy(self):
        """How far the client's picture is from the session's while nothing moves, in dB."""
        self.freeze()
        time.sleep(0.7)
        return psnr(*self.pictures())

    def sent(self):
        """(bytes of draws taken from the server's stream, bytes of pictures sent instead) so far."""
        text = self.text()
        return tuple(int(re.search(rf"^encoder\.{k}\s*[=:]\s*(\d+)", text, re.M).group(1))
                     for k in ("bytes-in", "bytes-out"))

    def encoder_pid(self):
        return next(int(p) for p in h.descendants(self.listener.proc.pid)
                    if open(f"/proc/{p}/comm").read().strip() == "xproxy-encode")

    def no_complaint(self):
        assert "no more transcoding" not in self.listener.log(), self.listener.log()
