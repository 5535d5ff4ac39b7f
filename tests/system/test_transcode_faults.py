# SPDX-License-Identifier: GPL-2.0-or-later
"""Transcoding with real peers, when the encoder does not do its part, or windows and clients do strange things: the
session goes on, and what its client shows stands still for no quarter of a second more than it does without transcoding,
in the same run. Exact times, of every draw, are in test_transcode_stalls.py, whose peers are scripted."""
import functools
import os
import re
import shutil
import subprocess
import time

import harness as h
from bad_encoders import BROKEN, with_broken
from scenes import Scene, picture

SECONDS = 190
MORE = 0.25     # what a fault may add
GRAIN = 1 / 30  # so often there is something new: no pause is known more exactly


@functools.lru_cache(None)
def passing(scenario=None):
    """How long a client's screen has nothing new where draws pass; half a second at most: xpra's own beginning of a video
    takes seconds at times, which must excuse nothing."""
    s = Scene("video", None)
    time.sleep(3)
    seconds = min(scenario(s) if scenario else s.longest(4), 0.5)
    s.client.detach()
    s.server.stop()
    return seconds


def compare(fault, what, scenario=None):
    normal = passing(scenario)
    print(f"# {what}: nothing new for {fault * 1000:.0f} ms at most, {normal * 1000:.0f} ms when draws pass")
    if fault > normal + MORE * h.SLACK + GRAIN:
        passing.cache_clear()
        raise h.TooLong(f"{what}: {fault * 1000:.0f} ms, and {normal * 1000:.0f} ms when draws pass")


@h.needs_xpra
@h.timeout(150)
@h.each("kill", "stop", "abort")
@h.measures
def test_encoder_fails(how):
    """The encoder dies or hangs: the session goes on without it, and the client misses nothing."""
    passing()
    s = Scene("video", "x264")
    time.sleep(2)
    assert s.info().get("encoder") == "x264", s.info()
    pid = s.encoder_pid()
    compare(s.longest(3, 0.5, lambda: os.kill(pid, {"kill": 9, "stop": 19, "abort": 6}[how])), how)
    words = "late" if how == "stop" else "ended"
    assert re.search(f"no more transcoding on this connection: the encoder .*{words}", s.listener.log()), s.listener.log()
    s.freeze()
    s.same_when_quiet()
    if how == "stop":
        os.kill(pid, 18)  # as it belongs to nobody, nobody but systemd could end it
    s.client.type(s.client.window(s.server.title), "still-here")
    h.eventually(lambda: "still-here" in s.server.keys(), 5, "typing arrives")


@h.needs_xpra
@h.timeout(150)
@h.each(*BROKEN)
@h.measures
def test_broken_encoder(how):
    """A library that refuses, fails, crashes, hangs or makes what is none: the client sees all of the session."""
    folder = with_broken(how)
    passing()
    s = Scene("video", "x264", conn=f"{folder}/xproxy-conn")
    compare(s.longest(4), how)
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


@h.needs_root
@h.needs_xpra
@h.needs_tool("prlimit")
@h.timeout(60)
def test_out_of_memory():
    """No more address space for the encoder: a library that cannot be opened is done without; a window that cannot be
    copied is the encoder's end. Either way the picture is exact. What the kernel ends: test_systemd_encode.py."""
    s = Scene("video", "x264 jpeg", size="480x360")
    pid = h.eventually(s.encoder_pid, 2, "the encoder")
    h.eventually(lambda: "encoder.window" in s.text(), 3, "windows that it has")
    status = h.status(pid)
    uid, gid = int(status["Uid"].split()[0]), int(status["Gid"].split()[0])
    subprocess.run(["prlimit", f"--pid={pid}", f"--as={(int(status['VmSize'].split()[0]) << 10) + (2 << 20)}"], check=True,
                   user=uid, group=gid, extra_groups=[])  # as itself: root may not in every container
    time.sleep(2.5)
    info = s.info()
    assert info.get("encoder") != "x264" and "malloc" in s.listener.log(), (info, s.listener.log())
    s.freeze()
    s.same_when_quiet()
    s.no_complaint()
    s.stop()
    s.command[s.command.index("--size") + 1] = "1200x900"
    s.play()
    h.eventually(lambda: "no more transcoding" in s.listener.log(), 5, lambda: s.listener.log())
    assert "xproxy-encode: no memory for another window: Cannot allocate memory" in s.listener.log(), s.listener.log()
    s.freeze()
    s.same_when_quiet()


# An encoder that always says that what it is given will be in something that comes later.
LIAR = r"""
#include <sys/socket.h>
#include "base/frame.h"

int main(void)
{
	struct frame f;

	while (recv(3, &f, sizeof(f), 0) > 0) {
		struct frame answer = {.type = FRAME_HELD, .wid = f.wid, .number = f.number, .taken = f.number};

		if (f.type == FRAME_SETUP)
			answer = (struct frame){.type = FRAME_READY};
		if (f.type == FRAME_SETUP || f.type == FRAME_DRAW)
			send(3, &answer, sizeof(answer), 0);
	}
	return 0;
}
"""


@h.needs_tool("cc")
@h.needs_xpra
@h.timeout(60)
def test_encoder_holds_for_ever():
    """It answers all the time, and never with a picture: after five seconds the session goes on without it."""
    folder = h.make_dir("liar")
    shutil.copy(h.CONN, folder)
    subprocess.run(["cc", f"-I{h.ROOT_DIR}", "-o", f"{folder}/xproxy-encode", h.make_file("liar.c", LIAR)], check=True)
    s = Scene("video", "x264", conn=f"{folder}/xproxy-conn")
    began = time.monotonic()
    h.eventually(lambda: "the encoder keeps what it was given" in s.listener.log(), 8, lambda: s.listener.log())
    assert time.monotonic() - began > 2, "at once"
    shown = [picture(s.client.display, s.window, s.client.env)]

    def moves():
        shown.append(picture(s.client.display, s.window, s.client.env))
        return shown[-1] != shown[-2]
    h.eventually(moves, 2, "the video goes on")
    h.eventually(moves, 2, "the video goes on")
    s.freeze()
    s.same_when_quiet()


@h.needs_xpra
@h.timeout(60)
def test_no_encoder():
    """What Encoders= names cannot be loaded: pixels."""
    s = Scene("video", "nvenc", size="320x240")
    time.sleep(2)
    s.freeze()
    s.same_when_quiet()


def storm(s):
    def resize():
        xterm = s.client.window(s.server.title)
        for i in range(60):
            s.client.resize(xterm, 400 + i * 5 % 200, 300 + i * 7 % 150)
            time.sleep(0.03)
    return s.longest(4, 0.2, resize)


@h.needs_xpra
@h.timeout(150)
@h.measures
def test_resize_storm():
    """The xterm's size changes thirty times a second while a video plays."""
    passing(storm)
    s = Scene("video", "x264 jpeg")
    time.sleep(2)
    compare(storm(s), "resize storm", storm)
    s.client.type(s.client.window(s.server.title), "after the storm")
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
    s.stop()
    h.eventually(lambda: not s.client.window(s.title), 5, "the window is gone")
    s.play()
    time.sleep(2)
    s.freeze()
    s.same_when_quiet()
    s.no_complaint()


def closing(s):
    """Another video plays and is closed, again and again."""
    def happen():
        for i in range(4):
            player = s.another(f"other-{i}", "320x240", 30)
            time.sleep(1)
            h.end_process(player)
    return s.longest(6, 0.1, happen)


@h.needs_xpra
@h.timeout(150)
@h.measures
def test_windows_closed():
    """With frames on their way, while another window plays."""
    passing(closing)
    s = Scene("video", "x264 jpeg")
    time.sleep(2)
    compare(closing(s), "windows that are closed", closing)
    s.freeze()
    s.same_when_quiet()
    s.no_complaint()


def crowd(s):
    for i in range(64):
        s.another(f"one-of-many-{i:02}", fps=1)
    s.client.attached("one-of-many-63")
    time.sleep(3)
    return s.longest(5)


@h.needs_xpra
@h.timeout(150)
@h.measures
def test_many_windows():
    """Sixty-four more, each with something new once a second."""
    passing(crowd)
    s = Scene("video", "x264 jpeg")
    compare(crowd(s), "64 windows", crowd)
    s.freeze()
    s.same_when_quiet(8)
    s.no_complaint()


def pause(s):
    """The client stands still for four seconds: how long the picture does once it goes on."""
    time.sleep(2)
    os.kill(s.client.proc.pid, 19)
    time.sleep(4)
    return s.longest(3, 0, lambda: os.kill(s.client.proc.pid, 18))


@h.needs_xpra
@h.timeout(150)
@h.measures
def test_client_stops_reading():
    """When it goes on, so does its picture."""
    passing(pause)
    s = Scene("video", "x264")
    compare(pause(s), "a client that reads again", pause)
    s.freeze()
    s.same_when_quiet()
    s.no_complaint()
