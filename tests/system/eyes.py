# SPDX-License-Identifier: GPL-2.0-or-later
"""Somebody in front of a client's screen: presses keys, and sees when a window changes. By the X server's own word
(DAMAGE), so that a time is one of a picture that is on the screen."""
import select
import time
import zlib

import harness as h

try:
    from Xlib import X, display as xlib
    from Xlib.ext import damage, xtest
except ImportError:
    xlib = None


class Eyes:
    def __init__(self, display, window):
        if not xlib:
            raise h.Skip("python3-xlib is not installed")
        self.x = xlib.Display(display)
        self.x.damage_query_version()
        self.window = self.x.create_resource_object("window", int(window, 16))
        self.damage = self.window.damage_create(damage.DamageReportNonEmpty)
        self.x.sync()

    def close(self):
        self.x.close()

    def cover(self):
        """The whole screen, for a moment: then all clients paint their windows once more, from what they have."""
        screen = self.x.screen()
        over = screen.root.create_window(0, 0, screen.width_in_pixels, screen.height_in_pixels, 0, X.CopyFromParent,
                                         override_redirect=True)
        over.map()
        self.x.sync()
        over.destroy()
        self.x.sync()

    def _changed(self, until):
        """When the window was next drawn to, or None: not until then."""
        while True:
            seen = None
            while self.x.pending_events():
                if self.x.next_event().type == self.x.extension_event.DamageNotify:
                    seen = time.monotonic()
            if seen:
                self.x.damage_subtract(self.damage, X.NONE, X.NONE)
                self.x.flush()
                return seen
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.x.fileno()], [], [], left)[0]:
                return None

    def look_away(self, seconds):
        """What changes meanwhile is not seen."""
        until = time.monotonic() + seconds
        while self._changed(until):
            pass

    def press(self, letter, seconds=5):
        """Seconds from a key to the first change of the window, which has the focus."""
        code = self.x.keysym_to_keycode(ord(letter))
        began = time.monotonic()
        xtest.fake_input(self.x, X.KeyPress, code)
        self.x.flush()
        seen = self._changed(began + seconds)
        xtest.fake_input(self.x, X.KeyRelease, code)
        self.x.flush()
        assert seen, f"{letter!r} has not come within {seconds} s"
        return seen - began

    def watch(self, until, part=None):
        """Times, from now on, at which a part (x, y, width, height) of the window had another picture than before."""
        times, last = [time.monotonic()], None
        g = self.window.get_geometry()
        part = part or (0, g.height // 2, g.width, 16)
        while seen := self._changed(until):
            now = zlib.crc32(self.window.get_image(*part, X.ZPixmap, 0xffffffff).data)
            if now != last:
                times.append(seen)
            last = now
        return times
