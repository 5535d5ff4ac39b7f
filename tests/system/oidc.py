# SPDX-License-Identifier: GPL-2.0-or-later
"""A small server of identities, over TLS: it says what a token is worth."""
import base64
import http.server
import json
import ssl
import threading
import time
import urllib.parse

import harness as h
import secure

CLIENT, SECRET = "the proxy", "s3cr3t:%&"


class Provider:
    """tokens: what is said of each. ill: "", or in which way it does not do its work."""

    def __init__(self, certificate=None):
        self.tokens, self.asked, self.ill = {}, [], ""
        self.cert, key = certificate or secure.make_certificate(f"oidc-{next(h._serial)}")
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                self.send(200, b'{"active": true, "username": "alice"}')

            def do_POST(self):
                form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                provider.asked.append((self.path, form))
                if provider.ill == "hangs":
                    time.sleep(60)
                if provider.ill == "redirects":
                    self.send(302, b"", Location=f"{provider.url()}/elsewhere")
                elif provider.ill:
                    self.send(500 if provider.ill == "fails" else 200, provider.ill.encode())
                elif not self.known():
                    self.send(401, b"{}")
                else:
                    said = provider.tokens.get(form["token"][0], {"active": False})
                    self.send(200, json.dumps(said).encode())

            def known(self):
                kind, _, both = self.headers.get("Authorization", "").partition(" ")
                user, _, password = base64.b64decode(both).decode().partition(":")
                return kind == "Basic" and (urllib.parse.unquote(user), urllib.parse.unquote(password)) == (CLIENT, SECRET)

            def send(self, status, body, **headers):
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # who has had enough of it

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, key)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        h.defer(self.close)

    def close(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def url(self, host="localhost"):
        return f"https://{host}:{self.server.server_address[1]}"
