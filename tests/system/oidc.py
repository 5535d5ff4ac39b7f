# SPDX-License-Identifier: GPL-2.0-or-later
"""A small server of identities, over TLS: it says what a token is worth, and gives tokens for codes, as Keycloak does."""
import base64
import hashlib
import http.server
import json
import ssl
import threading
import time
import urllib.parse

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

import harness as h
import secure

CLIENT, SECRET = "the proxy", "s3cr3t:%&"


def b64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def number(n):
    return b64(n.to_bytes((n.bit_length() + 7) // 8, "big"))


class Signer:
    """A key that signs tokens, and what the world is told of it."""

    def __init__(self, alg, kid, bits=2048):
        self.alg, self.kid = alg, kid
        if alg == "RS256":
            self.key = rsa.generate_private_key(65537, bits)
            n = self.key.public_key().public_numbers()
            self.public = {"kty": "RSA", "n": number(n.n), "e": number(n.e)}
        else:
            self.key = ec.generate_private_key(ec.SECP256R1())
            n = self.key.public_key().public_numbers()
            self.public = {"kty": "EC", "crv": "P-256", "x": b64(n.x.to_bytes(32, "big")), "y": b64(n.y.to_bytes(32, "big"))}
        self.public.update(kid=kid, use="sig")

    def raw(self, data):
        if self.alg == "RS256":
            return self.key.sign(data, padding.PKCS1v15(), hashes.SHA256())
        r, s = utils.decode_dss_signature(self.key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def sign(self, claims, raw=None, **header):
        head = {k: v for k, v in {"alg": self.alg, "kid": self.kid, "typ": "JWT", **header}.items() if v is not None}
        text = f"{b64(json.dumps(head).encode())}.{b64(json.dumps(claims).encode())}"
        return f"{text}.{b64((raw or self.raw)(text.encode()))}"


class Provider:
    """tokens: what is said of each; users: of whose they are. keys: those that sign. ill: "", or in which way it does not
    do its work, at addresses that end in ill_at. codes: those that are good, once: the redirect_uri, the token,
    the challenge of PKCE."""

    def __init__(self, certificate=None):
        self.tokens, self.keys, self.asked, self.ill, self.ill_at = {}, [], [], "", ""
        self.users, self.codes = {}, {}
        self.cert, key = certificate or secure.make_certificate(f"oidc-{next(h._serial)}")
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                provider.asked.append((self.path, None))
                if self.path.endswith("/userinfo"):
                    self.falls_ill() or self.userinfo()
                    return
                self.send(200 if self.path == "/jwks" else 404, provider.ill.encode() or json.dumps(
                    {"keys": [k.public for k in provider.keys]}).encode())

            def do_POST(self):
                form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                provider.asked.append((self.path, form))
                if self.falls_ill():
                    return
                if not self.known():
                    self.send(401, b"{}")
                elif self.path.endswith("/token"):
                    self.redeem({k: v for k, (v,) in form.items()})
                else:
                    self.say(provider.tokens.get(form["token"][0], {"active": False}))

            def falls_ill(self):
                ill = provider.ill if self.path.endswith(provider.ill_at) else ""
                if ill == "hangs":
                    time.sleep(60)
                if ill == "redirects":
                    self.send(302, b"", Location=f"{provider.url()}/elsewhere")
                elif ill:
                    self.send(500 if ill == "fails" else 200, ill.encode())
                return ill

            def redeem(self, form):
                """A code that is tried is used up."""
                uri, token, challenge = provider.codes.pop(form["code"], (None, None, None))
                verifier = b64(hashlib.sha256(form["code_verifier"].encode()).digest())
                if (form["grant_type"], uri, challenge) != ("authorization_code", form["redirect_uri"], verifier):
                    self.say({"error": "invalid_grant"}, 400)
                else:
                    self.say({"access_token": token, "token_type": "Bearer", "expires_in": 60})

            def userinfo(self):
                kind, _, token = self.headers.get("Authorization", "").partition(" ")
                said = provider.users.get(token)
                self.say(said or {"error": "invalid_token"}, 200 if kind == "Bearer" and said else 401)

            def say(self, what, status=200):
                self.send(status, json.dumps(what).encode())

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
