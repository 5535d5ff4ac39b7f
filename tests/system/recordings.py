# SPDX-License-Identifier: GPL-2.0-or-later
"""What real servers have sent of a window, byte for byte and when: tests/data/draws-SCENE-VERSION.xz, see the README
there. Pixels are kept as they were before the server compressed them, or as the number of a frame that scene-raw
makes again."""
import ctypes as c
import lzma
import os
import subprocess
import zlib

import harness as h
import xpranet as x

try:
    import lz4.block
    from PIL import Image
except ImportError:
    lz4 = Image = None


def compress(pixels, level):
    """As 6.5 does it. python3-lz4 has no continued streams, which do not make the same of it."""
    lib = c.CDLL("liblz4.so.1")
    lib.LZ4_createStream.restype = c.c_void_p
    lib.LZ4_freeStream.argtypes = [c.c_void_p]
    lib.LZ4_compress_fast_continue.argtypes = [c.c_void_p, c.c_char_p, c.c_char_p, c.c_int, c.c_int, c.c_int]
    room, stream = c.create_string_buffer(lib.LZ4_compressBound(len(pixels))), lib.LZ4_createStream()
    n = lib.LZ4_compress_fast_continue(stream, pixels, room, len(pixels), len(room), max(0, 5 - level // 3))
    lib.LZ4_freeStream(stream)
    return len(pixels).to_bytes(4, "little") + room.raw[:n]


class Recording:
    """.hello: the server's capabilities. .window: what opens the window. .packets: [(milliseconds, bytes of the record,
    bytes of its pixels, the window's rows of B G R X if a whole update has been drawn with it)]."""

    def __init__(self, scene, version="6.5"):
        if Image is None or not hasattr(lz4, "block"):
            raise h.Skip("python3-pil or python3-lz4 is not installed")
        with lzma.open(os.path.join(h.DATA, f"draws-{scene}-{version}.xz")) as f:
            data = x.unrencode(f.read(), True)
        self.hello = data["hello"]
        self.window = next(p for _, _, _, _, p in data["packets"] if p[0] == "new-window")
        self.wid, self.size = self.window[1], tuple(self.window[4:6])
        self._frames = self._scene(scene, data["packets"])
        self._canvas, self.packets = Image.new("RGB", self.size), []
        for at, flush, chunks, crc, p in data["packets"]:
            if p is not self.window:
                self._add(at, flush, tuple(chunks), crc, p)
        self.draws = sum(canvas is not None or size > 0 for _, _, size, canvas in self.packets)

    def _scene(self, scene, packets):
        """The frames that are in it."""
        count = 1 + max((p[7][0] for _, _, _, _, p in packets if p[0] == "draw" and isinstance(p[7], list)), default=-1)
        if not count:
            return []
        program = os.path.join(h.BUILD, "scene-raw")
        if not os.path.exists(program):
            raise h.Skip("scene-raw has not been built")
        w, height = self.size
        out = subprocess.run([program, scene, f"{w}x{height}", str(count)], capture_output=True, check=True).stdout
        return [out[i * w * height * 4:][:w * height * 4] for i in range(count)]

    def _pixels(self, what, px, py, w, height):
        if isinstance(what, bytes):
            return what
        number, head = what
        frame, stride = self._frames[number], self.size[0] * 4
        rows = b"".join(frame[(py + y) * stride + px * 4:][:w * 4] for y in range(height))
        return head + rows[len(head):]

    def _add(self, at, flush, chunks, crc, p):
        if p[0] != "draw":
            self.packets.append((at, x.build(p, x.RENCODEPLUS, chunks=chunks, flush=flush), 0, None))
            return
        box, options = p[2:6], p[10]
        pixels = self._pixels(p[7], *box)
        assert zlib.crc32(pixels) == crc, "scene-raw does not make what it made when this was recorded"
        self._canvas.paste(Image.frombytes("RGB", tuple(box[2:]), pixels, "raw", options["rgb_format"], p[9]), tuple(box[:2]))
        p[7] = compress(pixels, options["lz4"]) if options.get("lz4") else pixels
        whole = None if options["flush"] else self._canvas.tobytes("raw", "BGRX")
        self.packets.append((at, x.build(p, x.RENCODEPLUS, chunks=chunks, flush=flush), len(p[7]), whole))
