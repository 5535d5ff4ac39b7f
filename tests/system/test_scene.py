# SPDX-License-Identifier: GPL-2.0-or-later
"""tests/bench/scene-window.c in a real X server, alone: tests that compare a client's window with a server's rely on
it showing what it says it shows."""
import os
import shutil
import signal
import subprocess

import harness as h

SIZE = (640, 360)


def program(name):
    path = os.path.join(h.BUILD, name)
    if not os.path.exists(path):
        raise h.Skip(f"{path} was not built: make build/{name}")
    return path


def right_pixels(scene, n):
    """Of frame n, as the generator has them."""
    r = subprocess.run([program("scene-raw"), scene, "%dx%d" % SIZE, "1", str(n)], capture_output=True, check=True)
    return r.stdout


def pixels(display, title):
    """Of the window, from its server."""
    r = subprocess.run(["xwd", "-silent", "-name", title], env=dict(os.environ, DISPLAY=display), capture_output=True,
                       timeout=20, check=True)
    head = int.from_bytes(r.stdout[:4], "big")
    colours = int.from_bytes(r.stdout[76:80], "big")
    return r.stdout[head + 12 * colours:]


class Player:
    def __init__(self, display, scene, *args):
        self.title = f"scene {scene}"
        self.proc = h.popen([program("scene-window"), "--size", "%dx%d" % SIZE, "--title", self.title, *args, scene],
                            env=dict(os.environ, DISPLAY=display), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            text=True)

    def word(self):
        """What it says next: what, frame."""
        what, _, frame = self.proc.stdout.readline().rpartition(" ")
        assert frame, f"scene-window ended with {self.proc.wait()}"
        return what, int(frame)


def test_frozen_is_what_it_says():
    if not shutil.which("Xvfb") or not shutil.which("xwd"):
        raise h.Skip("Xvfb or xwd is not installed")
    display = h.client_x()
    for scene in ("type", "scroll", "web", "drag", "video", "switch"):
        p = Player(display, scene, "--fps", "100", "--frames", "25")
        assert p.word() == ("shown", 0)
        assert p.word() == ("frozen", 25)
        assert pixels(display, p.title) == right_pixels(scene, 25), f"{scene}: not frame 25"
        p.proc.send_signal(signal.SIGUSR1)
        assert p.word() == ("going on after", 25)
        p.proc.send_signal(signal.SIGUSR1)
        what, frame = p.word()
        assert what == "frozen" and frame >= 25
        assert pixels(display, p.title) == right_pixels(scene, frame), f"{scene}: not frame {frame}"
        p.proc.send_signal(signal.SIGTERM)
        assert p.proc.wait(10) == 0
