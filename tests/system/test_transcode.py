# SPDX-License-Identifier: GPL-2.0-or-later
"""Transcoding with real peers: what the client shows is what the session's window has, and what came to it."""
import math
import os
import re
import shutil
import struct
import subprocess
import time

import harness as h

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
    total = sum((x - y) ** 2 for x, y in zip(a[2], b[2]))
    return 10 * math.log10(255 ** 2 / (total / (a[0] * a[1] * 3)))


def listener(conf, conn):
    """Of a program elsewhere."""
    saved, h.CONN = h.CONN, conn
    try:
        return h.Listener(conf)
    finally:
        h.CONN = saved


class Scene:
    """A scene in a window of a real session, seen by a real client through the proxy."""

    def __init__(self, scene, encoders, size="640x480", fps=30, client_args=(), conn=None, **encode):
        program = os.path.join(os.path.abspath(BUILD), "scene-window")
        if not os.path.exists(program):
            raise h.Skip("scene-window has not been built")
        self.server = h.RealServer(h.alice, h.free_display(330))
        self.title = f"scene-{scene}"
        sections = {"Encode": {"Encoders": encoders, **encode}} if encoders is not None else {}
        self.conf = h.conf(h.multifile(h.line("x", "pw", self.server.uri)), **sections)
        self.listener = listener(self.conf, conn or h.CONN)
        self.client = h.RealClient(self.listener.url("x", "pw"), "--auto-refresh-delay=0.15", *client_args)
        self.client.attached(self.server.title)
        self.command = [program, "--size", size, "--fps", str(fps), "--title", self.title, scene]
        self.play()

    def play(self):
        with open(os.path.join(h.SCRATCH, f"scene-{self.server.n}.log"), "wb") as log:
            self.player = h.popen(self.command, env=dict(self.server.env, DISPLAY=self.server.display), stdout=log,
                                  stderr=log, **self.server.user.popen_as())
        h.defer(h.end_process, self.player)
        self.window = self.client.attached(self.title)

    def freeze(self):
        self.player.send_signal(10)

    def pictures(self, title=None):
        window = self.client.window(title) if title else self.window
        self.client._xdo("windowraise", window)  # what is over it would be in its picture
        time.sleep(0.1)
        return (picture(self.server.display, title or self.title, self.server.env, self.server.user),
                picture(self.client.display, window, self.client.env))

    def info(self):
        """What xproxyctl has to say, of the busiest window: {"coding": "h264", "fps": "30", ...}."""
        ids = re.findall(r":proxy-\d+", h.ctl("list", conf_path=self.conf).stdout)
        assert len(ids) == 1, ids
        text = h.ctl("info", ids[0], conf_path=self.conf).stdout
        windows = {}
        for wid, key, value in re.findall(r"^encoder\.window\.(\d+)\.(\S+?)\s*[=:]\s*(.*)$", text, re.M):
            windows.setdefault(wid, {})[key] = value
        assert windows, text
        return max(windows.values(), key=lambda w: int(w["bytes-in"]))

    def same_when_quiet(self, seconds=5, title=None):
        def same():
            a, b = self.pictures(title)
            return a == b
        try:
            h.eventually(same, seconds, "x", 0.2)
        except AssertionError:
            a, b = self.pictures(title)
            raise AssertionError(f"the client's picture is not the session's: {psnr(a, b):.1f} dB\n"
                                 f"{self.listener.log()[-2000:]}\n{self.client.log()[-1500:]}") from None


    def lossy(self):
        """How far the client's picture is from the session's while nothing moves, in dB."""
        self.freeze()
        time.sleep(0.7)
        return psnr(*self.pictures())

    def sent(self):
        """(bytes of draws taken from the server's stream, bytes of pictures sent instead) so far."""
        text = h.ctl("info", re.findall(r":proxy-\d+", h.ctl("list", conf_path=self.conf).stdout)[0],
                     conf_path=self.conf).stdout
        return tuple(int(re.search(rf"^encoder\.{k}\s*[=:]\s*(\d+)", text, re.M).group(1))
                     for k in ("bytes-in", "bytes-out"))

    def encoder_pid(self):
        return next(int(p) for p in h.descendants(self.listener.proc.pid)
                    if open(f"/proc/{p}/comm").read().strip() == "xproxy-encode")

    def no_complaint(self):
        assert "no more transcoding" not in self.listener.log(), self.listener.log()


@h.needs_xpra
@h.timeout(60)
@h.each("x264", "openh264", "vp8", "x264 jpeg webp png")
def test_video(encoders):
    """A video becomes one, and is exactly the session's once it stands still."""
    s = Scene("video", encoders)
    time.sleep(3)
    info = s.info()
    assert info.get("encoder") == encoders.split()[0], info
    s.freeze()
    s.same_when_quiet()
    s.no_complaint()


@h.needs_xpra
@h.timeout(60)
@h.each("x264", "openh264", "vp8")
def test_video_quality(encoder):
    """What the client shows of a video, before anything is refreshed; and how little of it came."""
    s = Scene("video", encoder, client_args=("--auto-refresh-delay=0",))
    time.sleep(2)
    before = s.sent()
    time.sleep(3)
    after = s.sent()
    raw, sent = (a - b for a, b in zip(after, before))
    assert raw > 1000000 and sent > 0, (before, after)
    assert sent * 5 <= raw, f"{sent} bytes of video for {raw} of lz4"
    quality = s.lossy()
    assert quality >= 38, f"{quality:.1f} dB"
    s.no_complaint()


@h.needs_xpra
@h.timeout(60)
@h.each("type", "scroll")
def test_text(scene):
    s = Scene(scene, "x264 jpeg")
    time.sleep(2)
    s.freeze()
    s.same_when_quiet()
    s.no_complaint()


@h.needs_xpra
@h.timeout(90)
@h.each("kill", "stop", "abort")
def test_encoder_fails(how):
    """The encoder dies or hangs: the session goes on without it, and the client misses nothing."""
    s = Scene("video", "x264")
    time.sleep(3)
    pid = s.encoder_pid()
    os.kill(pid, {"kill": 9, "stop": 19, "abort": 6}[how])
    h.eventually(lambda: "no more transcoding" in s.listener.log(), 3, lambda: s.listener.log())
    words = "late" if how == "stop" else "ended"
    assert re.search(f"no more transcoding on this connection: the encoder .*{words}", s.listener.log()), s.listener.log()
    shown = [picture(s.client.display, s.window, s.client.env)]

    def moves():
        shown.append(picture(s.client.display, s.window, s.client.env))
        return shown[-1] != shown[-2]
    h.eventually(moves, 2, "the video goes on")
    h.eventually(moves, 2, "the video goes on")
    s.freeze()
    s.same_when_quiet()
    if how == "stop":
        os.kill(pid, 18)  # as it belongs to nobody, nobody but systemd could end it
    s.client.type(s.client.window(s.server.title), "still-here")
    h.eventually(lambda: "still-here" in s.server.keys(), 5, "typing arrives")


LAUNCHER = r"""
#include <stdlib.h>
#include <unistd.h>

int main(void)
{
	char *const argv[] = {"xproxy-encode", NULL};

	setenv("LD_LIBRARY_PATH", STANDIN, 1);
	setenv("NVENC_STANDIN_REPORT", REPORT, 1);
	execv(ENCODE, argv);
	return 1;
}
"""


@h.needs_xpra
@h.needs_tool("cc")
@h.timeout(90)
def test_nvenc():
    """A session, by the stand-in for NVIDIA's driver: its pictures, and nothing left over in it."""
    standin = os.path.join(os.path.abspath(BUILD), "nvenc-standin")
    if not os.path.exists(f"{standin}/libcuda.so.1"):
        raise h.Skip("the stand-in for NVIDIA's driver has not been built")
    folder = h.make_dir("nvenc", 0o777)
    shutil.copy(h.CONN, folder)
    # Its environment is empty, as it has to be: somebody else says where the driver is.
    subprocess.run(["cc", f'-DSTANDIN="{standin}"', f'-DREPORT="{folder}/report"',
                    f'-DENCODE="{os.path.dirname(h.CONN)}/xproxy-encode"', "-o", f"{folder}/xproxy-encode",
                    h.make_file("launcher.c", LAUNCHER)], check=True)
    s = Scene("video", "nvenc jpeg", conn=f"{folder}/xproxy-conn")
    time.sleep(4)
    info = s.info()
    assert info.get("encoder") == "nvenc" and "Stand-in" in info["device"], info
    s.freeze()
    s.same_when_quiet()
    s.no_complaint()
    s.client.detach()
    report = h.eventually(lambda: open(f"{folder}/report").read() if os.path.exists(f"{folder}/report") else "", 5,
                          "the stand-in's report")
    live = dict(re.findall(r"^live (\S+) (\d+)$", report, re.M))
    assert "violations 0\n" in report and live["sessions"] == live["buffers"] == "0", report


BROKEN = {
    "no memory": dict(begin="-12"),  # at open
    "not now": dict(begin="-11"),
    "not this": dict(begin="-95"),
    "fails": dict(encode="return -5"),
    "crashes": dict(encode="abort()"),
    "hangs": dict(encode="for (;;) ;"),
    "garbage": {},
}


@h.needs_xpra
@h.needs_tool("cc")
@h.timeout(90)
@h.each(*BROKEN)
def test_broken_encoder(how):
    """A library that refuses, fails, crashes, hangs or makes what is none: the client sees all of the session."""
    import test_encoders
    folder = h.make_dir(f"broken-{how.replace(' ', '-')}")
    for name in ("xproxy-conn", "xproxy-encode"):
        shutil.copy(os.path.join(os.path.dirname(h.CONN), name), folder)
    test_encoders.bad(folder, "x264", caps=".coding = CODING_H264, .csc = CSC_YUV420P, .video = true, .min_w = 16, "
                      ".min_h = 16, .max_w = 4096, .max_h = 4096", **BROKEN[how])
    s = Scene("video", "x264", conn=f"{folder}/xproxy-conn")
    time.sleep(3)
    shown = [picture(s.client.display, s.window, s.client.env)]

    def moves():
        shown.append(picture(s.client.display, s.window, s.client.env))
        return shown[-1] != shown[-2]
    h.eventually(moves, 2, "the video goes on")
    s.freeze()
    s.same_when_quiet()
    lost = {"crashes": "has ended", "hangs": "was late"}.get(how)
    if lost:
        assert f"no more transcoding on this connection: the encoder {lost}" in s.listener.log(), s.listener.log()
    else:
        s.no_complaint()
        assert s.info().get("encoder") != "x264" or how == "garbage", s.info()
    if how == "hangs":
        h.eventually(lambda: "xproxy-encode was killed by signal 14" in s.listener.log(), 15,
                     lambda: s.listener.log())


@h.needs_xpra
@h.timeout(60)
def test_no_encoder():
    """What Encoders= names cannot be loaded: pixels."""
    s = Scene("video", "nvenc", size="320x240")
    time.sleep(2)
    s.freeze()
    s.same_when_quiet()


@h.needs_xpra
@h.timeout(90)
def test_resize_storm():
    """The xterm's size changes thirty times a second while a video plays."""
    s = Scene("video", "x264 jpeg")
    xterm = s.client.window(s.server.title)
    for i in range(60):
        s.client.resize(xterm, 400 + i * 5 % 200, 300 + i * 7 % 150)
        time.sleep(0.03)
    s.client.type(xterm, "after the storm")
    s.freeze()
    # It blinks, or does not have the focus: not while something is over it.
    h.eventually(lambda: "after the storm" in s.server.keys(), 5, "typing arrives")
    s.same_when_quiet(8, s.server.title)
    s.same_when_quiet()
    s.no_complaint()


@h.needs_xpra
@h.timeout(60)
def test_window_closed_and_opened():
    """A window goes with its frames still on the way; its successor is as good."""
    s = Scene("video", "x264")
    time.sleep(2)
    h.end_process(s.player)
    h.eventually(lambda: not s.client.window(s.title), 5, "the window is gone")
    s.play()
    time.sleep(2)
    s.freeze()
    s.same_when_quiet()
    s.no_complaint()


@h.needs_xpra
@h.timeout(90)
def test_client_stops_reading():
    """A client that stands still for four seconds: when it goes on, so does its picture."""
    s = Scene("video", "x264")
    time.sleep(2)
    os.kill(s.client.proc.pid, 19)
    time.sleep(4)
    os.kill(s.client.proc.pid, 18)
    time.sleep(1)
    s.freeze()
    s.same_when_quiet()
    s.no_complaint()


@h.needs_xpra
@h.timeout(60)
def test_typing():
    """Into an xterm, while a video plays beside it."""
    s = Scene("video", "x264 jpeg", size="320x240")
    s.client.type(s.client.window(s.server.title), "the quick brown fox")
    h.eventually(lambda: "the quick brown fox" in s.server.keys(), 5, "typing arrives")
