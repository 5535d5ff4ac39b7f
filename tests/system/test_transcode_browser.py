# SPDX-License-Identifier: GPL-2.0-or-later
"""Transcoding for the HTML5 client of Debian's xpra in a real browser: what its canvas shows is what the session's
window has. Of videos it takes h264 alone, and as its decoder in JavaScript reads it: baseline, neither CABAC nor
deblocking."""
import base64
import functools
import os
import time

import browser
import harness as h
import test_browser
import scenes
from scenes import picture, psnr

SECONDS = 60
SIZE = (640, 480)


@functools.lru_cache(None)
def the_browser():
    return browser.Browser()


class Page:
    """A scene in a window of a real session, seen by the HTML5 client through the proxy."""

    def __init__(self, scene, encoders, video):
        program = os.path.join(os.path.abspath(scenes.BUILD), "scene-window")
        if not os.path.exists(program):
            raise h.Skip("scene-window has not been built")
        self.server = test_browser.the_session()
        self.title = f"scene-{scene}"
        self.conf = h.conf(h.multifile(h.line("john", "pw", self.server.display)), Encode={"Encoders": encoders})
        self.listener = h.Listener(self.conf)
        self.browser = the_browser()
        self.browser.console()
        self.browser.open(test_browser.url_of(f"http://127.0.0.1:{self.listener.port}", video=video))
        h.defer(test_browser.leave, self.browser)
        test_browser.on_screen(self.browser)
        with open(os.path.join(h.SCRATCH, f"scene-{self.server.n}.log"), "ab") as log:
            self.player = h.popen([program, "--size", "{}x{}".format(*SIZE), "--fps", "20", "--title", self.title, scene],
                                  env=dict(self.server.env, DISPLAY=self.server.display), stdout=log, stderr=log,
                                  **self.server.user.popen_as())
        h.defer(h.end_process, self.player)
        h.eventually(self.canvas, 15, lambda: f"the scene's canvas; console: {self.browser.console()}", 0.2)

    def canvas(self):
        """The scene's window as the page has it, like scenes.picture(); None if it is not there."""
        data = self.browser.script("""
            for (const c of document.querySelectorAll("canvas")) {
                if (c.width != %d || c.height != %d || !c.getBoundingClientRect().width)
                    continue;
                const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
                let s = "";
                for (let i = 0; i < d.length; i += 32768)
                    s += String.fromCharCode.apply(null, d.subarray(i, i + 32768));
                return btoa(s);
            }
            return null;""" % SIZE)
        if data is None:
            return None
        rgba = base64.b64decode(data)
        out = bytearray(len(rgba))
        out[0::4], out[1::4], out[2::4] = rgba[2::4], rgba[1::4], rgba[0::4]
        self.opaque = rgba[3::4].count(255) == SIZE[0] * SIZE[1]
        return (*SIZE, bytes(out))

    def session(self):
        return picture(self.server.display, self.title, self.server.env, self.server.user)

    def moves(self):
        """How many of some looks at the canvas showed another picture."""
        seen = set()
        for _ in range(5):
            seen.add(self.canvas()[2])
            time.sleep(0.2)
        return len(seen)

    def same_when_quiet(self):
        got = []

        def same():
            got[:] = [self.canvas(), self.session()]
            return got[0] == got[1] and self.opaque
        h.eventually(same, 6, lambda: f"the session's picture in the page, {psnr(*got):.1f} dB; opaque: {self.opaque}\n"
                                      f"{self.listener.log()[-1500:]}\n{self.browser.console()[-10:]}", 0.2)


@h.needs_xpra
@test_browser.needs_client
@h.timeout(60)
@h.each("x264 openh264 vp8 jpeg webp png", "x264", "openh264", "vp8", "jpeg", "webp", "png", "x264 openh264 vp8 jpeg, no video")
def test_html5_client(case):
    """It shows the scene, moving; takes what is typed; and has the session's very picture when that stands still."""
    encoders, _, plain = case.partition(", ")
    p = Page("video", encoders, "false" if plain else "true")
    time.sleep(2.5)
    assert p.moves() >= 3, p.browser.console()
    info = scenes.info(p.conf)
    h264 = encoders.split()[0] if "264" in encoders and not plain else None
    assert info.get("encoder") == h264 and info.get("coding") == (h264 and "h264"), info
    if h264:
        assert info["csc"] == "YUV420P", info
    p.player.send_signal(10)
    p.same_when_quiet()
    word = f"typed {case}"
    h.end_process(p.player)  # whose window is above the terminal's
    h.eventually(lambda: not p.canvas(), 5, "the scene's window is gone", 0.1)
    test_browser.types(p.browser, test_browser.on_screen(p.browser), word)
    messages = [m for m in p.browser.console() if "error painting" in m or "unsupported encoding" in m]
    assert not messages, messages
    assert "no more transcoding" not in p.listener.log(), p.listener.log()
