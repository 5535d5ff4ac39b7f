# SPDX-License-Identifier: GPL-2.0-or-later
"""A headless Chromium, driven through chromedriver's WebDriver interface, which is JSON over HTTP."""
import base64
import io
import json
import os
import shutil
import subprocess
import urllib.error
import urllib.request

import harness as h


class Browser:
    def __init__(self):
        for program in ("chromedriver", "chromium"):
            if not shutil.which(program):
                raise h.Skip(f"{program} is not installed")
        self.port = h.free_port()
        home = h.make_dir("browser", 0o777)
        self.log_path = os.path.join(home, "chromedriver.log")
        with open(self.log_path, "wb") as log:
            self.proc = h.popen(["chromedriver", f"--port={self.port}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                env=dict(os.environ, HOME=home, TMPDIR=home), cwd=home, start_new_session=True)
        h.defer_to_end_of_file(h.end_process, self.proc)
        h.eventually(self._ready, 20, lambda: f"chromedriver: {open(self.log_path).read()}", 0.1)
        options = {"args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                            "--disable-extensions", "--disable-background-networking", "--disable-component-update",
                            f"--user-data-dir={home}/profile", "--window-size=1000,800"],
                   "binary": shutil.which("chromium")}
        made = self._call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "acceptInsecureCerts": True, "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"}}}}, 60)
        self.session = f"/session/{made['sessionId']}"
        h.defer_to_end_of_file(self.quit)
        # a page may have gone, or have been loaded anew, before a test looks at it
        self.call("POST", "/goog/cdp/execute", {"cmd": "Page.addScriptToEvaluateOnNewDocument", "params": {"source": """
            addEventListener("pagehide", () => { window.name += location.href + "\\n" + document.body.innerText + "\\n"; })"""}})

    def _ready(self):
        try:
            return self._call("GET", "/status")["ready"]
        except OSError:
            return False

    def _call(self, method, path, body=None, seconds=30):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request, timeout=seconds * h.SLACK) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as e:
            raise AssertionError(f"{method} {path}: {e.read().decode()[:800]}") from None

    def call(self, method, path, body=None):
        return self._call(method, self.session + path, body)

    def quit(self):
        try:
            self._call("DELETE", self.session)
        except (OSError, AssertionError):
            pass

    def open(self, url):
        self.call("POST", "/url", {"url": url})

    def reload(self):
        self.call("POST", "/refresh", {})

    def script(self, text):
        return self.call("POST", "/execute/sync", {"script": text, "args": []})

    def text(self):
        """What can be read in the page, if there is one just now."""
        return self.script("return document.body ? document.body.innerText : ''")

    def history(self):
        """What could be read in each page of this site when it was left, and in this one now."""
        return self.script("return window.name + location.href + '\\n' + (document.body ? document.body.innerText : '')")

    def console(self):
        """What pages have written there since the last call."""
        return [entry["message"] for entry in self.call("POST", "/se/log", {"type": "browser"})]

    def screenshot(self):
        from PIL import Image
        return Image.open(io.BytesIO(base64.b64decode(self.call("GET", "/screenshot")))).convert("RGB")

    def click(self, x, y):
        self.call("POST", "/actions", {"actions": [{"type": "pointer", "id": "mouse", "actions": [
            {"type": "pointerMove", "duration": 0, "x": int(x), "y": int(y)}, {"type": "pointerDown", "button": 0},
            {"type": "pause", "duration": 50}, {"type": "pointerUp", "button": 0}]}]})

    def type(self, text):
        steps = [{"type": kind, "value": c} for c in text for kind in ("keyDown", "keyUp")]
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": steps}]})
