# SPDX-License-Identifier: GPL-2.0-or-later
"""A client that xpra's authors have not written: npm's xpra-html5-client under Node, over ws and wss."""
import json
import os
import shutil
import subprocess
import threading

import harness as h
import test_tls

SECONDS = 60
MODULES = os.path.join(h.BUILD, "npm", "node_modules")


class Client:
    def __init__(self, url):
        node = shutil.which("node")
        if not node or not os.path.isdir(os.path.join(MODULES, "xpra-html5-client")):
            raise h.Skip("needs node, and tests/npm.sh to have fetched the client")
        self.said = []
        log = h.make_file("npm.log", "")
        h._logs.append(("node", log))
        with open(log, "wb") as err:
            self.proc = h.popen([node, os.path.join(h.HERE, "npm_client.cjs"), MODULES, url, "john", "pw"], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=err, start_new_session=True, cwd=h.SCRATCH,
                                env=dict(os.environ, NODE_TLS_REJECT_UNAUTHORIZED="0"))
        h.defer(h.end_process, self.proc)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self.proc.stdout:
            self.said.append(json.loads(line))

    def heard(self, what, *rest, seconds=15):
        """The first event of that name that ends with the rest."""
        return h.eventually(lambda: next((one for one in self.said if one[0] == what and one[len(one) - len(rest):] == list(rest)),
                                         None), seconds, lambda: f"{what} {rest}, there is {self.said[-12:]}")

    def send(self, *packet):
        self.proc.stdin.write((json.dumps(packet) + "\n").encode())
        self.proc.stdin.flush()


@h.needs_xpra
@h.each("ws", "wss")
def test_session(scheme):
    """Logged in, a window with its pixels, keys that arrive, a clean end."""
    s = h.RealServer(h.alice)
    l = h.Listener(h.conf(h.multifile(h.line("john", "pw", s.display)), Listen=test_tls.listen()))
    c = Client(f"{scheme}://127.0.0.1:{l.port}/")
    c.heard("hello")
    wid = c.heard("newWindow", s.title)[1]
    h.eventually(lambda: any(one[0] == "draw" and one[1]["wid"] == wid for one in c.said), 10, "its pixels")
    c.send("focus", wid, [])
    for key in "npm":
        for down in (True, False):
            c.send("key-action", wid, key, down, [], ord(key), key, ord(key), 0)
    for down in (True, False):
        c.send("key-action", wid, "Return", down, [], 0xff0d, "\r", 13, 0)
    h.eventually(lambda: "npm" in s.keys(), 10, lambda: f"the keys arrive, there is {s.keys()!r}; {c.said[-5:]}")
    if h.ROOT:
        assert f" {scheme} " in h.ctl("list").stdout
    c.send("disconnect")
    c.heard("disconnect")
    h.eventually(lambda: not h.program_processes(), 5, lambda: f"left: {h.program_processes()}")
