# SPDX-License-Identifier: GPL-2.0-or-later
"""The HTML5 client of Debian's xpra in a real browser, served by the proxy and connected through it: by itself, over
TLS, and behind the front ends that people have. What counts is what is on the screen."""
import concurrent.futures
import functools
import os
import re
import signal
import urllib.parse

import browser
import harness as h
import test_proxyproto
import test_tls

SECONDS = 90
ROOT = "/usr/share/xpra/www"


@functools.lru_cache(None)
def the_browser():
    return browser.Browser()


@functools.lru_cache(None)
def the_session():
    return h.RealServer(h.alice)


def url_of(base, **more):
    query = urllib.parse.urlencode({"username": "john", "password": "pw", "submit": "true", "sound": "false", "insecure": "true",
                                    "reconnect": "false", **more})
    return f"{base}/?{query}"


def needs_client(f):
    @functools.wraps(f)
    def run(*a):
        if not os.path.exists(f"{ROOT}/index.html"):
            raise h.Skip(f"there is no {ROOT}")
        return f(*a)
    return run


def listener(**listen):
    conf = h.conf(h.multifile(h.line("john", "pw", the_session().display)), Listen={**test_tls.listen(), **listen})
    return h.Listener(conf)


def window(b):
    """Where the terminal's picture is in the page: (left, top, width, height), or None."""
    return b.script("""
        for (const c of document.querySelectorAll("canvas")) {
            const r = c.getBoundingClientRect();
            if (r.width > 200 && r.height > 100)
                return [r.left, r.top, r.width, r.height];
        }
        return null;""")


def pixels(b, where):
    """How many pixels of the window are dark and how many are light, on the screen."""
    x, y, w, height = where
    part = b.screenshot().crop((int(x) + 4, int(y) + 4, int(x + w) - 4, int(y + height) - 4))
    grey = part.convert("L").histogram()
    return sum(grey[:96]), sum(grey[160:])


def on_screen(b):
    """The window is there, painted: a terminal is one light or dark surface with a little of the other."""
    where = h.eventually(lambda: window(b), 20, lambda: f"a window; console: {b.console()}", 0.1)

    def painted():
        dark, light = pixels(b, where)
        return dark + light > where[2] * where[3] * 0.8 and min(dark, light) >= 5  # at least its cursor
    h.eventually(painted, 15, lambda: f"a terminal in {where}: {pixels(b, where)}; console: {b.console()}", 0.2)
    return where


def types(b, where, text):
    """Keys arrive in the session, and what they write appears on the screen."""
    before = min(pixels(b, where))
    b.click(where[0] + where[2] / 2, where[1] + where[3] / 2)
    b.type(text)
    h.eventually(lambda: min(pixels(b, where)) > before + 20, 10, "the typed text on the screen", 0.2)
    b.type("\n")
    h.eventually(lambda: text in the_session().keys(), 10, lambda: f"the keys arrive, there is {the_session().keys()!r}")


def leave(b):
    """The browser keeps connections open that it may want again: those are told to stop."""
    b.open("about:blank")
    told = set()

    def gone():
        for pid, what in h.program_processes():  # also one that was just being started
            if "xproxy-conn" in what and pid not in told:
                told.add(pid)
                try:
                    os.kill(pid, signal.SIGTERM)
                except OSError:
                    pass
        return not h.program_processes()
    h.eventually(gone, 5, lambda: f"left: {h.program_processes()}")


def nginx_http(l, tls):
    """A web site with the proxy below /desk/: the example of xproxy.conf(5), word for word but for the port; tls: it is
    the web server that ends it."""
    with open(os.path.join(h.ROOT_DIR, "man", "xproxy.conf.5")) as f:
        blocks = re.findall(r"^\.Bd -literal -offset indent\n(.*?)^\.Ed$", f.read(), re.S | re.M)
    [location] = [b for b in blocks if b.startswith("location /desk/")]
    own = "\n".join(f"{what}_temp_path {h.make_dir(f'nginx-{what}', 0o777)};"
                    for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    cert, key = test_tls.certificate()
    return test_proxyproto.nginx(None, stream=f"""http {{
    access_log off;
    {own}
    server {{
        listen 127.0.0.1:14500{f" ssl; ssl_certificate {cert}; ssl_certificate_key {key}" if tls else ""};
        {location.replace("127.0.0.1:14500", l.address)}
    }}
}}
""")


FRONTS = {  # listen keys, front end, path
    "nothing": ({}, lambda l, tls: l.port, ""),
    "nginx http": ({"ForwardedFor": "yes"}, nginx_http, "/desk"),
    "nginx stream": ({"ProxyProtocol": "yes"}, lambda l, tls: test_proxyproto.nginx(l.address), ""),
    "haproxy": ({"ProxyProtocol": "yes"}, lambda l, tls: test_proxyproto.haproxy(l.address, "send-proxy-v2"), ""),
}


@needs_client
@h.needs_xpra
@h.each(*(f"{front}, {scheme}" for front in FRONTS for scheme in ("ws", "wss")))
def test_html5_client(case):
    """A window on the screen, typing, reloading, and the reason when it ends."""
    front, scheme = case.split(", ")
    listen, start, path = FRONTS[front]
    tls = scheme == "wss"
    seen = "ws" if front == "nginx http" else scheme  # what the proxy sees of it
    l = listener(**listen, **({"RequireTLS": "yes"} if seen == "wss" else {}))
    b = the_browser()
    b.console()
    b.open(url_of(f"{'https' if tls else 'http'}://127.0.0.1:{start(l, tls)}{path}"))
    types(b, on_screen(b), f"in {case}")
    assert re.search(r"login: user 'john' from 127\.0\.0\.1:\d+ to :\d+ \(multifile\)", l.log()), l.log()
    if h.ROOT:
        listed = h.ctl("list").stdout
        assert f" {seen} " in listed, listed
    # the proxy's own rules for its pages forbid nothing that the client does
    messages = b.console()
    assert not [m for m in messages if re.search("Content.Security|Refused to|MIME", m)], messages
    b.reload()
    types(b, on_screen(b), f"again {case}")
    assert l.log().count("login: user") == 2, l.log()
    if not h.ROOT:
        leave(b)
        return
    with concurrent.futures.ThreadPoolExecutor() as pool:  # it waits for the end, which needs nobody to watch
        stop = pool.submit(h.ctl, "stop", "--all")
        # the client's page shows the reason once: loaded again, it has forgotten it
        h.eventually(lambda: "server shutdown" in b.history(), 10, b.history, 0.05)
        assert re.search(r"/connect\.html\n(?:(?!http).*\n)*.*server shutdown", b.history()), b.history()
        leave(b)
        assert stop.result().returncode == 0, stop.result()


@needs_client
@h.needs_xpra
def test_refused():
    """A wrong password: the browser shows why."""
    l = listener()
    b = the_browser()
    b.open(url_of(f"http://127.0.0.1:{l.port}", password="wrong"))
    h.eventually(lambda: "authentication failed" in b.text(), 15, b.text, 0.1)
    leave(b)


@needs_client
@h.needs_xpra
def test_page_of_another_site():
    """A page from elsewhere gets no WebSocket, unless it is listed."""
    site = listener()
    for allowed in (False, True):
        l = listener(**({"AllowedOrigins": f"http://127.0.0.1:{site.port}"} if allowed else {}))
        b = the_browser()
        b.open(f"http://127.0.0.1:{site.port}/connect.html")
        b.script(f"""
            window.outcome = "";
            const ws = new WebSocket("ws://127.0.0.1:{l.port}/", "binary");
            ws.onopen = () => {{ window.outcome = "open"; ws.close(); }};
            ws.onerror = () => {{ window.outcome = window.outcome || "error"; }};""")
        h.eventually(lambda: b.script("return window.outcome"), 10, "an outcome", 0.1)
        assert b.script("return window.outcome") == ("open" if allowed else "error")
        assert ("AllowedOrigins= does not list it" in l.log()) != allowed, l.log()
    leave(b)
