# SPDX-License-Identifier: GPL-2.0-or-later
"""HTTP on the port: the files of HTMLRoot=, what is refused and in which words, HTTPS where it is required, and
another web server behind HTTPBackend=, which is a real nginx."""
import base64
import gzip
import hashlib
import os
import re
import shutil
import socket
import subprocess
import threading
import time

import harness as h
import test_proxyproto
import test_tls
import websocket as web
import xpranet as x

SECONDS = 60
OK, TIMED_OUT, REFUSED, UPSTREAM, PROTOCOL_ERROR = 0, 3, 4, 7, 8
HEAD = "Host: proxy.example.org:14500\r\n"


def spawn(kind="tcp", limits=None, sessions=None, **listen):
    return h.spawn(h.conf("allow", Listen=listen, Limits=limits or {}, **({"Sessions": sessions} if sessions else {})), kind)


def get(conn, path, fields="", method="GET", version="1.1"):
    return web.plain_request(conn.peer.sock, f"{method} {path} HTTP/{version}\r\n{HEAD}{fields}\r\n")


# ---- files
def tree():
    """A site; its directory."""
    root = h.make_dir(f"www-{next(h._serial)}")
    name = os.path.basename(root)

    def put(path, content, mode=0o644):
        return h.make_file(f"{name}/{path}", content, mode)
    for d in ("js", "sub", ".git", "sub/empty"):
        h.make_dir(f"{name}/{d}")
    put("index.html", "<p>index")
    put("sub/index.html", "<p>sub")
    put("js/client.js", "let client")
    put("js/big.js", bytes(range(256)) * 8192)
    put("js/packed.js", "let unpacked")
    put("js/packed.js.gz", gzip.compress(b"let packed"))
    put("js/packed.js.br", b"brotli")
    put("js/zipped.css", "a{}")
    put("js/zipped.css.gz", gzip.compress(b"b{}"))
    put("a b%.txt", "blank")
    put(".hidden", "hidden")
    put(".git/config", "hidden")
    put("secret.txt", "secret", 0o600)
    put("empty.txt", "")
    os.symlink("client.js", os.path.join(root, "js/link.js"))
    os.symlink("../index.html", os.path.join(root, "js/up.html"))
    return root


TYPES = {"html": "text/html; charset=utf-8", "js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8",
         "png": "image/png", "ico": "image/vnd.microsoft.icon", "svg": "image/svg+xml", "json": "application/json",
         "wasm": "application/wasm", "woff2": "font/woff2", "txt": "text/plain; charset=utf-8", "map": "application/json",
         "bin": "application/octet-stream", "JS": "text/javascript; charset=utf-8"}


def test_files():
    """Several on one connection: contents, sizes, types, and what a browser has to be told for safety."""
    root = tree()
    for ending in TYPES:
        with open(os.path.join(root, f"type.{ending}"), "w") as f:
            f.write(ending)
    conn = spawn(HTMLRoot=root)
    for path, content in {"/": b"<p>index", "/index.html": b"<p>index", "/?a=b": b"<p>index", "/sub/": b"<p>sub",
                          "/js/client.js": b"let client", "/a%20b%25.txt": b"blank", "/empty.txt": b"", "/js/link.js": b"let client",
                          "/js/up.html": b"<p>index", "http://proxy.example.org/js/client.js": b"let client",
                          "//js//client.js": b"let client", "/js/big.js": bytes(range(256)) * 8192}.items():
        status, fields, body = get(conn, path)
        assert (status, body) == (200, content), (path, status, body[:80])
        assert fields["x-content-type-options"] == "nosniff" and fields["x-frame-options"] == "SAMEORIGIN", fields
        assert fields["referrer-policy"] == "no-referrer" and "default-src 'self'" in fields["content-security-policy"]
        assert fields["cache-control"] == "no-cache" and re.fullmatch(r'"[0-9a-f.-]+"', fields["etag"]), fields
        assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", fields["last-modified"]), fields
        assert fields["date"].endswith("GMT") and "content-encoding" not in fields
    for ending, kind in TYPES.items():
        assert get(conn, f"/type.{ending}")[1]["content-type"] == kind
    conn.peer.close()
    assert conn.wait() == OK
    conn.logged(r"closed: 127.0.0.1:\d+: \d+ HTTP requests")
    assert "refused" not in conn.log(), conn.log()


@h.each("/../secret", "/..", "/js/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/js/..%2f..%2f..%2fetc/passwd", "/./index.html",
        "/.hidden", "/.git/config", "/js", "/js/", "/sub/empty/", "/none", "/js/client.js/", "/secret.txt", "/index.html%2f",
        "/%2561", "/outside", "/proc", "/dir-outside/passwd", "/fifo", "/..%5c..%5cetc", "//etc/passwd")
def test_not_found(path):
    """Nothing outside, nothing hidden, nothing that the unprivileged user cannot read, nothing but files."""
    root = tree()
    if not h.ROOT and path == "/secret.txt":
        raise h.Skip("needs root: another user's file")
    if not h.ROOT and path in ("/outside", "/dir-outside/passwd"):
        raise h.Skip("needs root: links to another user's files")
    os.symlink(h.make_file("foreign", "foreign", 0o644, h.bob), os.path.join(root, "outside"))
    os.symlink("/proc/self/environ", os.path.join(root, "proc"))
    os.symlink(os.path.dirname(h.make_file(f"{os.path.basename(h.make_dir('foreign-dir'))}/passwd", "x", 0o644, h.bob)),
               os.path.join(root, "dir-outside"))
    os.mkfifo(os.path.join(root, "fifo"))
    conn = spawn(HTMLRoot=root)
    status, fields, body = get(conn, path)
    assert status == 404 and body == b"404 Not Found\n" and fields["x-content-type-options"] == "nosniff", (status, body)
    assert get(conn, "/")[0] == 200  # the connection goes on


def test_link_out_of_it():
    """Packages link from their tree to other packages': what lies there has the same owner."""
    root = tree()
    os.symlink(h.make_file("jquery.js", "let jquery"), os.path.join(root, "js/jquery.js"))
    os.symlink("/usr/share/doc", os.path.join(root, "doc"))
    conn = spawn(HTMLRoot=root)
    assert get(conn, "/js/jquery.js")[2] == b"let jquery"
    if h.ROOT:
        assert get(conn, "/doc/libc6/copyright")[0] == 200


@h.each("gzip", "br", "gzip, deflate, br", "gzip;q=1.0, *;q=0", "identity", "")
def test_precompressed(accepted):
    """PATH.br and PATH.gz where they exist and are taken."""
    conn = spawn(HTMLRoot=tree())
    fields = f"Accept-Encoding: {accepted}\r\n" if accepted else ""
    for path, forms in {"/js/packed.js": {"br": b"brotli", "gzip": gzip.compress(b"let packed"), None: b"let unpacked"},
                        "/js/zipped.css": {"gzip": gzip.compress(b"b{}"), None: b"a{}"}}.items():
        got = get(conn, path, fields)
        want = next(k for k in ("br", "gzip", None) if k in forms and (k is None or k in accepted))
        assert got[1].get("content-encoding") == want and got[1]["vary"] == "Accept-Encoding", got
        plain = gzip.decompress if want == "gzip" else bytes
        assert plain(got[2]) == plain(forms[want]), got
        assert got[1]["content-type"].startswith("text/")


def test_conditional():
    """What the browser has is not sent again; what has changed is."""
    root = tree()
    conn = spawn(HTMLRoot=root)
    _, f, _ = get(conn, "/js/client.js")
    for fields, status in {f"If-None-Match: {f['etag']}\r\n": 304, f"If-None-Match: \"x\", {f['etag']}\r\n": 304,
                           "If-None-Match: *\r\n": 304, "If-None-Match: \"x\"\r\n": 200,
                           f"If-Modified-Since: {f['last-modified']}\r\n": 304,
                           "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n": 200,
                           f"If-None-Match: \"x\"\r\nIf-Modified-Since: {f['last-modified']}\r\n": 200}.items():
        got = get(conn, "/js/client.js", fields)
        assert got[0] == status and got[2] == (b"let client" if status == 200 else b""), (fields, got)
        assert got[1]["etag"] == f["etag"]
    with open(os.path.join(root, "js/client.js"), "w") as file:
        file.write("let other")
    got = get(conn, "/js/client.js", f"If-None-Match: {f['etag']}\r\n")
    assert (got[0], got[2]) == (200, b"let other"), got


def test_head():
    conn = spawn(HTMLRoot=tree())
    whole = get(conn, "/js/big.js")
    head = get(conn, "/js/big.js", method="HEAD")
    assert head[0] == 200 and head[2] == b"" and head[1]["content-length"] == whole[1]["content-length"] == str(256 * 8192)
    assert get(conn, "/none", method="HEAD")[0] == 404
    assert get(conn, "/")[2] == b"<p>index"  # nothing was left over


def test_pipelined():
    """Requests in one segment, and cut anywhere, are answered in order."""
    conn = spawn(HTMLRoot=tree())
    requests = "".join(f"GET {p} HTTP/1.1\r\n{HEAD}\r\n" for p in ("/", "/js/client.js", "/Status", "/none")).encode()
    for pieces in (None, 7):
        conn.peer.send_raw(requests, pieces=pieces)
        got = [web.read_answer(conn.peer.sock)[2] for _ in range(4)]
        assert got == [b"<p>index", b"let client", b"ready\n", b"404 Not Found\n"], got


@h.each("HTTP/1.0", "close", "with a body")
def test_not_kept(how):
    conn = spawn(HTMLRoot=tree())
    fields = {"HTTP/1.0": "", "close": "Connection: close\r\n", "with a body": "Content-Length: 5\r\n"}[how]
    conn.peer.sock.sendall(f"GET / HTTP/{'1.0' if how == 'HTTP/1.0' else '1.1'}\r\n{HEAD}{fields}\r\nhello".encode())
    assert web.read_answer(conn.peer.sock)[1]["connection"] == "close"
    assert conn.peer.sock.recv(100) == b""
    conn.peer.close()
    assert conn.wait() == OK


def test_bounded():
    """One connection gets a hundred answers, then a new one is needed; its processes do not grow."""
    conn = spawn(HTMLRoot=tree())
    for i in range(1, 101):
        status, fields, _ = get(conn, "/js/client.js")
        assert status == 200
        if "connection" in fields:
            break
    assert i == 100, i
    conn.peer.close()
    assert conn.wait() == OK


@h.each("the default", "none there")
def test_status(where):
    """For whoever watches the service; without a site too."""
    conn = spawn(**({"HTMLRoot": "/none"} if where == "none there" else {}))
    assert get(conn, "/Status")[::2] == (200, b"ready\n")
    if where == "none there":
        conn = spawn(HTMLRoot="/none")
        assert get(conn, "/")[0] == 404
        conn.logged("HTMLRoot=/none: No such file or directory: no pages for browsers")


@h.needs_xpra
def test_debian_package():
    """Every file of the HTML5 client in Debian's package, with its links, as it is on the disk."""
    root = "/usr/share/xpra/www"
    if not os.path.exists(f"{root}/index.html"):
        raise h.Skip(f"there is no {root}")
    conns, n = [spawn(), spawn()], 0
    for d, _, names in os.walk(root):
        for name in names:
            path = os.path.join(d, name)
            with open(path, "rb") as f:
                content = f.read()
            assert get(conns[n % 2], path[len(root):])[::2] == (200, content), path
            n += 1
    assert n > 40


# ---- what is refused
BAD = {
    "no host": ("GET / HTTP/1.1\r\n\r\n", 400, "without a valid Host"),
    "two hosts": ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "without a valid Host"),
    "newlines": ("GET / HTTP/1.1\nHost: a\n\n", 400, "CR LF"),
    "folded": ("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400, "malformed header field"),
    "colon": ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400, "malformed header field"),
    "no version": ("GET /\r\n\r\n", 400, "malformed first line"),
    "http/2": ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "not HTTP/1"),
    "version 3": ("GET / HTTP/3.0\r\n\r\n", 505, "not HTTP/1"),
    "zero": ("GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed path"),
    "escape": ("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed path"),
    "star": ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed path"),
    "long line": ("GET /" + "a" * 9000 + " HTTP/1.1\r\nHost: a\r\n\r\n", 414, "first line of more than 8 KiB"),
    "long head": ("GET / HTTP/1.1\r\nHost: a\r\nA: " + "a" * 9000 + "\r\n\r\n", 431, "head of more than 8 KiB"),
    "endless": ("GET / HTTP/1.1\r\nHost: a\r\nA: " + "a" * 9000, 431, "head of more than 8 KiB"),
    "many fields": ("GET / HTTP/1.1\r\n" + "A: b\r\n" * 65 + "\r\n", 431, "more than 64"),
}


@h.each(*BAD)
def test_bad(what):
    """In words, at once, and the connection ends."""
    data, status, words = BAD[what]
    conn = spawn(HTMLRoot=tree())
    got = web.plain_request(conn.peer.sock, data)
    assert got[0] == status and words in got[2].decode() and got[1]["connection"] == "close", got
    assert conn.wait() == PROTOCOL_ERROR
    conn.logged(f"refused: .*{words}")
    assert "violation" not in conn.log()


def test_methods():
    conn = spawn(HTMLRoot=tree())
    for method in ("OPTIONS", "DELETE"):
        status, fields, _ = get(conn, "/", method=method)
        assert status == 405 and fields["allow"] == "GET, HEAD", fields
    status, fields, _ = get(conn, "/", "Content-Length: 3\r\n", "POST")
    assert status == 405 and fields["connection"] == "close"


def test_long_path():
    """Longer than the guard is asked for: said, and the connection goes on."""
    conn = spawn(HTMLRoot=tree())
    assert get(conn, "/" + "a" * 600)[0] == 414
    assert get(conn, "/" + "a" * 500)[0] == 404
    assert get(conn, "/")[0] == 200


@h.each("drip", "half", "idle")
def test_slow(what):
    """A head has to be whole within LoginTimeout=; a connection that only waits for more ends without a word."""
    conn = spawn(limits={"LoginTimeout": "1s"}, HTMLRoot=tree())
    began = time.monotonic()
    if what == "idle":
        assert get(conn, "/")[0] == 200
        assert conn.peer.sock.recv(100) == b""
    else:
        for byte in f"GET / HTTP/1.1\r\n{HEAD}"[:8 if what == "half" else 40]:
            try:
                conn.peer.send_raw(byte.encode())
            except OSError:
                break
            time.sleep(0.1 if what == "drip" else 0)
        assert web.read_answer(conn.peer.sock)[0] == 408
    assert conn.wait(3) == (OK if what == "idle" else TIMED_OUT)
    assert time.monotonic() - began < 3 * h.SLACK


def test_slow_download():
    """A client that does not read ends its connection, nothing else; one that reads slowly gets all of it."""
    root = tree()
    with open(os.path.join(root, "huge"), "wb") as f:
        f.truncate(64 << 20)
    conn = spawn(limits={"LoginTimeout": "1s"}, HTMLRoot=root)
    conn.peer.sock.sendall(f"GET /huge HTTP/1.1\r\n{HEAD}\r\n".encode())
    assert conn.wait(6) == OK
    conn.logged("closed during an answer")
    conn = spawn(limits={"LoginTimeout": "2s"}, HTMLRoot=root)
    conn.peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    conn.peer.sock.sendall(f"GET /huge HTTP/1.1\r\n{HEAD}\r\n".encode())
    status, fields, _ = web.read_head(conn.peer.sock)
    left, began = int(fields["content-length"]), time.monotonic()
    while left:
        n = len(conn.peer.sock.recv(1 << 20))
        assert n, f"{left} bytes are missing"
        left -= n
        if time.monotonic() - began < 3:
            time.sleep(0.1)
    assert time.monotonic() - began > 2


@h.each("Transports=tcp", "Transports=tcp tls")
def test_not_here(transports):
    conn = spawn(**dict([transports.split("=")]))
    assert get(conn, "/")[0] == 400
    assert conn.wait() == PROTOCOL_ERROR
    conn.logged("refused: .*takes no HTTP")


# ---- HTTPS
def test_https():
    """Files inside TLS, after a handshake that offers HTTP/2 first, as browsers do."""
    conn = spawn(HTMLRoot=tree(), **test_tls.listen(RequireTLS="yes"))
    c = test_tls.context()
    c.set_alpn_protocols(["h2", "http/1.1"])
    conn.peer.start_tls(c)
    assert get(conn, "/")[2] == b"<p>index"
    assert len(get(conn, "/js/big.js")[2]) == 256 * 8192


@h.each("get", "post", "port", "ipv6", "bad host", "no host", "upgrade")
def test_redirect(how):
    """Plain HTTP where TLS is required is sent to the same place in https://."""
    conn = spawn(HTMLRoot=tree(), **test_tls.listen(RequireTLS="yes"))
    host = {"port": "proxy.example.org:14500", "ipv6": "[::1]:14500", "bad host": "a/b@c"}.get(how, "proxy.example.org")
    if how == "upgrade":
        assert web.plain_request(conn.peer.sock, web.request(host=host))[0] == 403
        return
    method = "POST" if how == "post" else "GET"
    head = "" if how == "no host" else f"Host: {host}\r\n"
    status, fields, _ = web.plain_request(conn.peer.sock, f"{method} /a?b=c HTTP/1.{0 if how == 'no host' else 1}\r\n{head}\r\n")
    if how in ("bad host", "no host"):
        assert status == 400 and "location" not in fields, fields
        return
    assert status == (308 if how == "post" else 301) and fields["location"] == f"https://{host}/a?b=c", (status, fields)
    assert conn.wait() == OK
    conn.logged("closed: .*redirected to https")


# ---- privilege
@h.needs_root
def test_privilege():
    """While it serves files: the worker holds the client's socket and the guard's, and no file after an answer; it is
    as locked as with an xpra client; the guard's children are gone."""
    conn = spawn(HTMLRoot=tree())
    assert get(conn, "/js/big.js")[0] == 200
    worker = conn.worker()
    assert h.status(worker)["Seccomp"] == "2" and int(h.status(worker)["CapEff"], 16) == 0
    files = [what for n, what in h.fds(worker).items() if n != 2 and not what.startswith(("socket:", "anon_inode:"))]
    assert not files, files
    assert len(conn.processes()) == 2, [h.status(p)["Name"] for p in conn.processes()]


# ---- another web server
APP = "GET /app HTTP/1.1\r\nHost: site\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" \
      f"Sec-WebSocket-Key: {web.KEY}\r\n\r\n"


def echo_app():
    """A WebSocket application of the site: answers the handshake and returns what comes; its port."""
    def serve(s):
        def run():
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                byte = s.recv(1)
                if not byte:
                    return
                head += byte
            key = re.search(rb"(?i)sec-websocket-key: (\S+)", head).group(1)
            accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
            s.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
            try:
                while data := s.recv(65536):
                    s.sendall(data)
            except OSError:
                pass
        threading.Thread(target=run, daemon=True).start()
    return h.Dead(serve).port


def nginx(proxy_protocol=False, path=None, app=None, big=0):
    """A site: a page, a file of that many MiB, uploads of any size, and an application; (HTTPBackend=, its log)."""
    if not shutil.which("nginx"):
        raise h.Skip("nginx is not installed")
    port, other = h.free_port(), h.free_port()
    where = h.make_dir(f"site-{port}", 0o777)
    h.make_file(f"site-{port}/index.html", "<p>the site")
    with open(os.path.join(where, "big"), "wb") as f:
        f.write(os.urandom(1 << 20) * big)
    conf = h.make_file(f"site-{port}.conf", f"""daemon off;
pid {where}/pid;
error_log stderr;
{"user root;" if h.ROOT else ""}
events {{}}
http {{
    log_format who '$remote_addr $proxy_protocol_addr $request_method $uri $status $request_length';
    access_log {where}/log who;
    client_max_body_size 0;
    client_body_temp_path {where}/body;
    proxy_temp_path {where}/proxy;
    fastcgi_temp_path {where}/f;
    uwsgi_temp_path {where}/u;
    scgi_temp_path {where}/s;
    server {{
        listen 127.0.0.1:{port};
        listen {f"unix:{path}" if path else f"127.0.0.1:{other}"}{" proxy_protocol" if proxy_protocol else ""};
        root {where};
        location /take {{ client_body_buffer_size 1m; proxy_pass http://127.0.0.1:{port}/done; }}
        location /done {{ return 200 "taken"; }}
        location /app {{ proxy_pass http://127.0.0.1:{app or 1}; proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; }}
    }}
}}
""")
    test_proxyproto.daemon("nginx", ["nginx", "-p", where, "-e", "stderr", "-c", conf], port)
    if path:
        os.chmod(path, 0o666)
    return path or f"127.0.0.1:{other}", os.path.join(where, "log")


@h.each("tcp", "unix", "tls", "proxy protocol")
def test_backend(how):
    """A real nginx behind the port: pages, keep-alive, POST, errors of its own, and the client's own address."""
    path = os.path.join(h.make_dir("site", 0o755), "http.sock") if how == "unix" else None
    backend, log = nginx(how == "proxy protocol", path)
    listen = {"HTTPBackend": backend, **(test_tls.listen() if how == "tls" else {}),
              **({"HTTPBackendProxyProtocol": "yes"} if how == "proxy protocol" else {})}
    conn = spawn(**listen)
    if how == "tls":
        conn.peer.start_tls(test_tls.context())
    for _ in range(3):  # one connection
        status, fields, body = get(conn, "/")
        assert status == 200 and body == b"<p>the site" and fields["server"].startswith("nginx"), (status, fields)
    assert get(conn, "/none")[0] == 404
    assert web.plain_request(conn.peer.sock, f"POST /take HTTP/1.1\r\n{HEAD}Content-Length: 5\r\n\r\nhello")[2] == b"taken"
    assert "nginx" in get(conn, "/Status")[2].decode()  # all of the site is its own
    if how == "proxy protocol":
        who = "%s %s" % (("127.0.0.1",) + conn.peer.sock.getsockname()[:1])
        h.eventually(lambda: f"{who} GET /index.html 200" in open(log).read(), 3, lambda: open(log).read())
    if h.ROOT:
        guard = conn.guard()
        h.eventually(lambda: h.status(guard)["Seccomp"] == "2" and int(h.status(guard)["CapEff"], 16) == 0,
                     what="the guard gives up its privilege")
        assert "0" not in h.status(guard)["Uid"].split(), h.status(guard)["Uid"]
    conn.peer.close()
    assert conn.wait() == OK, conn.log()
    conn.logged(r"closed: .*HTTPBackend=, \d+ bytes in, \d+ out")
    assert "refused" not in conn.log(), conn.log()


def test_backend_speed():
    """200 MB each way: as fast as a relay is, and memory stays bounded."""
    conn = spawn(HTTPBackend=nginx(big=200)[0])
    conn.peer.sock.settimeout(60)
    conn.peer.sock.sendall(f"GET /big HTTP/1.1\r\n{HEAD}\r\n".encode())
    status, fields, _ = web.read_head(conn.peer.sock)
    left, began = int(fields["content-length"]), time.monotonic()
    assert left == 200 << 20
    while left:
        left -= len(conn.peer.sock.recv(1 << 20)) or 1 << 40
    down = time.monotonic() - began
    began = time.monotonic()
    conn.peer.sock.sendall(f"POST /take HTTP/1.1\r\n{HEAD}Content-Length: {200 << 20}\r\n\r\n".encode())
    for _ in range(200):
        conn.peer.sock.sendall(bytes(1 << 20))
    status, _, body = web.read_answer(conn.peer.sock)
    up = time.monotonic() - began
    assert (status, body) == (200, b"taken")
    assert down < 10 * h.SLACK and up < 30 * h.SLACK, (down, up)
    if not h.ASAN:
        assert h.rss(conn.worker()) < 20_000, h.rss(conn.worker())


def test_backend_applications():
    """A WebSocket of the site's own, next to xpra's: only what asks for `binary` is ours."""
    listen = {"HTTPBackend": nginx(app=echo_app())[0]}
    conn = spawn(**listen)
    conn.peer.sock.settimeout(10)
    conn.peer.sock.sendall(APP.encode())
    assert web.read_head(conn.peer.sock)[0] == 101
    ws = web.WebSocket(conn.peer.sock, masked=False)
    for data in (b"hello", os.urandom(100_000)):
        ws.send(data)
        got = b""
        while len(got) < len(data):
            got += ws.recv(1 << 20)
        assert got == data
    conn = spawn(**listen)
    conn.peer.start_websocket()
    conn.peer.hello(x.hello65(request="version"))
    assert conn.peer.expect("hello")


@h.each("client", "server")
def test_half_close(who):
    """Who has said everything may still hear everything."""
    said = threading.Event()

    def serve(s):
        def run():
            if who == "server":
                s.sendall(b"HTTP/1.0 200 OK\r\n\r\nfirst")
                s.shutdown(socket.SHUT_WR)
            got = b""
            while data := s.recv(65536):
                got += data
            assert got.endswith(b"the end"), got
            said.set()
            time.sleep(3)  # longer than an xpra relay waits
            if who == "client":
                s.sendall(b"HTTP/1.0 200 OK\r\n\r\nlate")
            s.close()
        threading.Thread(target=run, daemon=True).start()
    server = h.Dead(serve)
    conn = spawn(HTTPBackend=f"localhost:{server.port}")
    conn.peer.sock.settimeout(10)
    conn.peer.sock.sendall(b"POST / HTTP/1.0\r\n\r\nthe ")
    if who == "server":
        assert conn.peer.sock.recv(100, socket.MSG_WAITALL).endswith(b"first")
        time.sleep(3)
    conn.peer.sock.sendall(b"end")
    conn.peer.shutdown()
    if who == "client":
        assert conn.peer.sock.recv(100, socket.MSG_WAITALL).endswith(b"late")
    assert said.wait(5)
    assert conn.wait() == OK


@h.each("refused", "no socket", "silent")
def test_backend_down(how):
    """502 in words for the browser, the cause in the log."""
    backend = "/none/socket" if how == "no socket" else f"127.0.0.1:{h.free_port()}"
    if how == "silent":
        full = socket.create_server(("127.0.0.1", 0), backlog=0)
        h.defer(full.close)
        fill = [socket.socket() for _ in range(4)]
        for s in fill:
            h.defer(s.close)
            s.setblocking(False)
            s.connect_ex(full.getsockname())
        backend = "127.0.0.1:%d" % full.getsockname()[1]
    conn = spawn(HTTPBackend=backend, sessions={"ConnectTimeout": "1s"})
    status, _, body = get(conn, "/")
    assert status == 502 and b"cannot be reached" in body, (status, body)
    assert conn.wait() == UPSTREAM
    conn.logged(rf"HTTPBackend={re.escape(backend)}: (Connection refused|No such file|.*timed out)")


def test_backend_gets_everything_else():
    """Untouched, first bytes and all: what we cannot read, what is too large for us, other methods."""
    seen = []

    def serve(s):
        def run():
            data = b""
            s.settimeout(1)
            try:
                while more := s.recv(65536):
                    data += more
            except OSError:
                pass
            seen.append(data)
            s.sendall(b"HTTP/1.0 400 Mine\r\n\r\n")
            s.close()
        threading.Thread(target=run, daemon=True).start()
    server = h.Dead(serve)
    for data in (b"GET / HTTP/1.1\nHost: a\n\n", b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\nrest",
                 b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n"):
        conn = spawn(HTTPBackend=f"127.0.0.1:{server.port}")
        conn.peer.send_raw(data)
        if header_known(data):
            assert "400 Mine" in conn.peer.read_end(5), conn.log()
            assert seen[-1] == data, (seen[-1][:80], data[:80])
        else:
            assert "disconnect" in conn.peer.read_end(5)


def header_known(data):
    """PROPFIND and its like are no methods that tell HTTP on this port."""
    return not data.startswith(b"PROPFIND")


@h.each("guard", "client")
def test_stopped(who):
    """SIGTERM ends what was handed over; so does the client's reset."""
    conn = spawn(HTTPBackend=nginx()[0])
    assert get(conn, "/")[0] == 200
    if who == "guard":
        os.kill(conn.guard(), 15)
        assert conn.peer.sock.recv(100) == b""
    else:
        conn.peer.reset()
    assert conn.wait() == OK
    assert "violation" not in conn.log(), conn.log()


def test_idle_timeout():
    conn = h.spawn(h.conf("allow", Listen={"HTTPBackend": nginx()[0]}, Relay={"IdleTimeout": "1s"}))
    assert get(conn, "/")[0] == 200
    assert conn.peer.sock.recv(100) == b""
    assert conn.wait() == OK
    conn.logged("idle timeout")


@h.needs_tool("curl")
def test_curl():
    """A client of its own kind: several files on a connection, compressed, conditional, through TLS."""
    l = h.Listener(h.conf("allow", Listen={"HTMLRoot": tree(), **test_tls.listen(RequireTLS="yes")}))
    base, out = f"://localhost:{l.port}", h.make_dir("curl")
    r = subprocess.run(["curl", "-sSL", "--compressed", "--cacert", test_tls.certificate()[0], "-w", "%{http_code} %{num_redirects} %{size_download}\n",
                        "-o", f"{out}/a", f"http{base}/js/zipped.css", "-o", f"{out}/b", f"https{base}/js/big.js"],
                       capture_output=True, text=True, timeout=30)
    assert r.returncode == 0 and r.stdout.split("\n")[0].startswith("200 1"), r
    with open(f"{out}/a") as f:
        assert f.read() == "b{}"
    assert os.path.getsize(f"{out}/b") == 256 * 8192
