# SPDX-License-Identifier: GPL-2.0-or-later
"""Behind a front end: real nginx and haproxy with the PROXY protocol, and scripted ones that break it; listeners on
unix and vsock sockets. What is checked each time: whom the log, `xproxyctl list` and `info` take for the client."""
import functools
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import threading
import time

import harness as h
import test_tls
import xpranet as x

SECONDS = 60
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
ON = {"ProxyProtocol": "yes"}
TIMED_OUT, REFUSED, PROTOCOL_ERROR = 3, 4, 8


def v1(client="192.0.2.7", port=5000, family="TCP4", to="198.51.100.1"):
    return f"PROXY {family} {client} {to} {port} 443\r\n".encode()


def v2(client="192.0.2.7", port=5000, command=1, fields=b""):
    family = socket.AF_INET6 if ":" in client else socket.AF_INET
    addresses = socket.inet_pton(family, client) * 2 + struct.pack("!HH", port, 443)
    body = addresses + fields
    return SIGNATURE + struct.pack("!BBH", 0x20 | command, 0x21 if family == socket.AF_INET6 else 0x11, len(body)) + body


LOCAL = SIGNATURE + b"\x20\0\0\0"


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def with_checksum(flip=0):
    """A version 2 header with fields before and after a CRC32c of all of it."""
    head = v2(fields=b"\x02\0\4gate" + b"\3\0\4" + bytes(4) + b"\4\0\1x")
    at = head.index(b"\3\0\4") + 3
    return head[:at] + struct.pack("!I", crc32c(head) ^ flip) + head[at + 4:]


def behind(listen=None, kind="tcp", uri=None, limits=None, **kw):
    """A connection whose front end has said nothing yet; john has the password pw."""
    conf = h.conf(h.multifile(h.line("john", "pw", uri or ":1")), Listen=dict(ON, **(listen or {})), Limits=limits or {},
                  Relay={"PingInterval": "0"})
    return h.spawn(conf, kind, **kw)


def login(peer):
    p = peer.login(x.hello65(username="john"), "pw")
    assert p.name == "hello", x.texts(p)


def shown(pid):
    """What `xproxyctl list` and `info` say of this connection: (peer of list, info)."""
    def look():
        r = h.ctl("list", "--json")
        found = [c for c in json.loads(r.stdout or "[]") if c.get("id") == f":proxy-{pid}"] if r.returncode == 0 else []
        return found[0] if found else None
    listed = h.eventually(look, 5, f"xproxyctl lists :proxy-{pid}")
    r = h.ctl("info", f":proxy-{pid}", "--json")
    assert r.returncode == 0, r.stderr
    return listed["peer"], json.loads(r.stdout)


def refused(conn, words, log, rc=PROTOCOL_ERROR, within=2):
    told = conn.peer.read_end(within * h.SLACK + 1)
    assert words in told, f"the client was told {told!r}\n{conn.log()}"
    assert conn.wait(within) == rc, conn.log()
    return conn.logged(f"refused: user '' from .*{log}")


# ---- scripted front ends
HEADERS = {
    "v1": (v1(), "192.0.2.7:5000"),
    "v1 ipv6": (v1("2001:db8::7", family="TCP6", to="::1"), "[2001:db8::7]:5000"),
    "v1 mapped": (v1("::ffff:192.0.2.7", family="TCP6", to="::1"), "192.0.2.7:5000"),
    "v1 unknown": (b"PROXY UNKNOWN\r\n", None),
    "v1 longest": (b"PROXY UNKNOWN " + b"f" * 91 + b"\r\n", None),
    "v2": (v2(), "192.0.2.7:5000"),
    "v2 ipv6": (v2("2001:db8::7"), "[2001:db8::7]:5000"),
    "v2 fields": (v2(fields=b"\4\3\0" + bytes(768)), "192.0.2.7:5000"),
    "v2 largest": (v2(fields=b"\4\x0f\xe1" + bytes(4065)), "192.0.2.7:5000"),
    "v2 checksum": (with_checksum(), "192.0.2.7:5000"),
    "v2 local": (LOCAL, None),
    "v2 udp": (SIGNATURE + b"\x21\x12" + v2()[14:], None),
    "v2 unix": (SIGNATURE + b"\x21\x31\0\xd8" + b"/run/client".ljust(108, b"\0") * 2, None),
}


@h.each(*HEADERS)
def test_header(what):
    """In one segment with the hello: the client is who the header says, in every place; or the front end."""
    head, client = HEADERS[what]
    server = h.Server()
    conn = behind(uri=server.uri)
    client = client or "%s:%d" % conn.peer.sock.getsockname()
    conn.peer.sock.sendall(head + x.build(["hello", x.hello65(username="john")]))
    conn.peer.answer(conn.peer.expect("challenge"), x.hello65(username="john"), "pw")
    conn.peer.expect("hello")
    listed, info = shown(conn.guard())
    assert listed == client, listed
    assert client in json.dumps(info), info
    conn.logged(f"login: user 'john' from {re.escape(client)} to")
    session = server.get()
    conn.peer.send_packet("bell", 1)
    assert session.peer.expect("bell")
    conn.peer.close()
    session.peer.close()
    assert conn.wait() == 0
    conn.logged(f"end: user 'john' from {re.escape(client)} after")


@h.each("v1", "v1 longest", "v2 ipv6", "v2 checksum", "v2 local")
def test_single_bytes(what):
    """Header and hello cut at every byte."""
    conn = behind()
    conn.peer.send_raw(HEADERS[what][0], pieces=1, pause=0.001)
    conn.peer.hello(x.hello65(username="john"), pieces=1)
    assert conn.peer.expect("challenge")


def test_exactly_the_header_is_read():
    """What follows it stays in the socket until somebody reads it as what it is."""
    for head in (v1(), v2(), LOCAL):
        conn = behind()
        os.kill(conn.worker(), 19)  # SIGSTOP: all of it is there before anything is read
        conn.peer.send_raw(head + b"GET / HTTP/1.1\r\n\r\n")
        os.kill(conn.worker(), 18)
        assert "400" in conn.peer.read_end(3), conn.log()
        conn.wait()
        conn.logged("refused: .*HTTP request")


BROKEN = {
    "a hello": (x.build(["hello", x.hello65(username="john")]), "something else"),
    "tls": (bytes.fromhex("16030100f1010000ed0303") + bytes(230), "something else"),
    "http": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "something else"),
    "random": (bytes(range(200, 256)), "something else"),
    "v1 address": (v1("192.0.2.777"), "malformed addresses"),
    "v1 port": (v1(port=65536), "malformed addresses"),
    "v1 injection": (v1("192.0.2.1\x1b[2J"), "malformed addresses"),
    "v1 family": (v1(family="TCP5"), "neither TCP4, TCP6 nor UNKNOWN"),
    "v1 bare newline": (v1().replace(b"\r", b""), "CR LF"),
    "v1 too long": (b"PROXY UNKNOWN " + b"f" * 5000, "more than 107 bytes"),
    "v2 version": (SIGNATURE + b"\x11\x11\0\x0c" + bytes(12), "a version that is not 2"),
    "v2 command": (SIGNATURE + b"\x2f\x11\0\x0c" + bytes(12), "unknown command"),
    "v2 family": (SIGNATURE + b"\x21\x51\0\x0c" + bytes(12), "unknown address family"),
    "v2 too short": (SIGNATURE + b"\x21\x21\0\x0c" + bytes(12), "too short"),
    "v2 too long": (SIGNATURE + b"\x21\x11\xff\xff" + bytes(70000), "more than 4096 bytes"),
    "v2 field": (v2(fields=b"\4\0\5ab"), "longer than the header"),
    "v2 checksum": (with_checksum(flip=1), "wrong checksum"),
    "twice": (v1() + v2(), "PROXY protocol header that is not expected"),
}


@h.each(*BROKEN)
def test_broken(what):
    """Refused in words, at once, with the front end's address; never taken for a client without a header."""
    data, why = BROKEN[what]
    conn = behind()
    try:
        conn.peer.send_raw(data)
    except OSError:
        pass  # it has closed already
    line = refused(conn, "disconnect: connection setup failed, ", why)
    if what == "twice":
        assert "from 192.0.2.7:5000" in line, line
    else:
        assert "from %s:%d:" % conn.peer.sock.getsockname() in line and "ProxyProtocol=yes" in line, line
    assert "violation" not in conn.log() and "\x1b" not in conn.log(), conn.log()


@h.each("nothing", "half a header", "a byte now and then")
def test_slow(what):
    """LoginTimeout= counts from the start, not from the last byte."""
    conn = behind(limits={"LoginTimeout": "1s"})
    began = time.monotonic()
    stop = threading.Event()

    def drip():
        for byte in v1() * 3:
            if stop.wait(0.2):
                return
            try:
                conn.peer.sock.send(bytes([byte]))
            except OSError:
                return
    if what == "half a header":
        conn.peer.send_raw(v2()[:20])
    elif what == "a byte now and then":
        threading.Thread(target=drip, daemon=True).start()
    refused(conn, "login timeout", "login timeout", TIMED_OUT, within=3)
    stop.set()
    assert 0.8 < time.monotonic() - began < 2.5 * h.SLACK


def test_closed():
    """A probe that says nothing, or that it is the front end itself, is not worth a warning; half a header is."""
    for data in (b"", LOCAL):
        conn = behind()
        conn.peer.send_raw(data)
        conn.peer.close()
        assert conn.wait() == 0, conn.log()
        conn.logged("closed: 127.0.0.1:[0-9]+: closed before it said anything")
        assert "refused" not in conn.log(), conn.log()
    for data in (v1()[:-1], SIGNATURE, v2()[:-1]):
        conn = behind()
        conn.peer.send_raw(data)
        conn.peer.shutdown()
        refused(conn, "disconnect: ", "closed in the middle of it")


def test_every_prefix_then_close():
    for head in (v1(), v2()):
        for n in range(0, len(head), 5):
            conn = behind()
            conn.peer.send_raw(head[:n])
            conn.peer.close()
            assert conn.wait() in (0, PROTOCOL_ERROR), conn.log()
            assert "violation" not in conn.log(), conn.log()


# ---- whom to believe
@h.each("another address", "another network", "unix", "ipv6")
def test_not_trusted(what):
    """Refused at once, whatever it sends, and its header with it."""
    trusted = {"another address": "127.0.0.1/32", "another network": "192.0.2.0/24 2001:db8::/32",
               "unix": "127.0.0.0/8 ::1/128", "ipv6": "127.0.0.0/8 unix"}[what]
    kind = {"unix": "unix", "ipv6": "tcp6"}.get(what, "tcp")
    if what == "another address":
        l = h.Listener(h.conf("none", Listen=dict(ON, TrustedProxies=trusted)))
        peer = x.Peer(socket.create_connection(("127.0.0.1", l.port), source_address=("127.0.0.9", 0)))
        h.defer(peer.close)
        assert "this port takes no direct connections" in peer.read_end(3), l.log()
        h.eventually(lambda: re.search(r"refused: user '' from 127.0.0.9:\d+: it is not in TrustedProxies=", l.log()), 3, l.log)
        peer = x.Peer(socket.create_connection(("127.0.0.1", l.port), source_address=("127.0.0.1", 0)))
        h.defer(peer.close)
        peer.send_raw(v1() + b"GET / HTTP/1.1\r\n\r\n")
        assert "400" in peer.read_end(3), l.log()
        return
    conn = behind({"TrustedProxies": trusted}, kind=kind)
    conn.peer.send_raw(v1() + b"and so on")
    line = refused(conn, "connection setup failed, this port takes no direct connections",
                   "it is not in TrustedProxies=, and ProxyProtocol=yes", REFUSED)
    assert "192.0.2.7" not in line, line


@h.each("unix", "tcp", "tcp6", "listed", "in a list")
def test_trusted(what):
    """The machine itself by default; else who is listed."""
    trusted = {"listed": "127.0.0.1", "in a list": ["192.0.2.0/24", "127.0.0.0/30 2001:db8::/32"]}.get(what)
    conn = behind({"TrustedProxies": trusted} if trusted else None, kind=what if what in ("unix", "tcp6") else "tcp")
    conn.peer.send_raw(v2())
    conn.peer.hello(x.hello65(username="john"))
    assert conn.peer.expect("challenge")


def test_off():
    """ProxyProtocol=no: a header is refused, and nobody's address changes."""
    conn = h.spawn(h.conf("none", Listen={"TrustedProxies": "0.0.0.0/0"}))
    conn.peer.send_raw(v1() + x.build(["hello", x.hello65()]))
    refused(conn, "PROXY protocol is not enabled", "a PROXY protocol header that is not expected here")
    assert "192.0.2.7" not in conn.log()


def test_failed_login_names_the_client():
    """The line that fail2ban reads has the client, not the front end."""
    conn = behind()
    conn.peer.send_raw(v1())
    p = conn.peer.login(x.hello65(username="john"), "wrong")
    assert p.name == "disconnect"
    conn.peer.close()
    assert conn.wait() == 5
    conn.logged("refused: user 'john' from 192.0.2.7:5000: authentication failed")


@h.each("PROXY", "LOCAL", "UNKNOWN")
def test_client_behind_a_unix_socket_is_not_local(what):
    """The xor digest all but shows the password: fine on a unix socket, not for who is behind one."""
    conn = behind(kind="unix")
    conn.peer.send_raw({"PROXY": v2(), "LOCAL": LOCAL, "UNKNOWN": b"PROXY UNKNOWN\r\n"}[what])
    p = conn.peer.login(x.hello65(username="john", digest=["xor"], **{"salt-digest": ["hmac+sha512"]}))
    assert p.name == "disconnect", x.texts(p)
    conn.peer.close()
    assert conn.wait() == 5
    conn.logged("xor digest")


@h.each("ProxyProtocol=maybe", "ProxyProtocol=v2", "TrustedProxies=localhost", "TrustedProxies=10.0.0.1/8",
        "TrustedProxies=10.0.0.0/33", "TrustedProxies=::1 # me")
def test_configuration(line):
    """What was expected, and where."""
    key, value = line.split("=", 1)
    r = subprocess.run([h.CONN, "-c", h.conf("none", Listen={key: value}), "--check-config"], capture_output=True, text=True)
    word = value.split()[-1] if "#" not in value else "#"
    assert r.returncode == 2 and f"{key}=: '{word}' is not valid; expected " in r.stderr, r.stderr
    assert ("yes or no" if key == "ProxyProtocol" else "networks such as 192.0.2.0/24") in r.stderr, r.stderr


# ---- real front ends
def daemon(name, cmd, port):
    """Starts a front end that stays in the foreground, and waits until it listens."""
    log = os.path.join(h.SCRATCH, f"{name}-{port}.log")
    with open(log, "wb") as err:
        p = h.popen(cmd, stdin=subprocess.DEVNULL, stdout=err, stderr=err, cwd="/", start_new_session=True)
    h._logs.append((name, log))
    h.defer(h.end_process, p)

    def listens():
        with open(log, errors="replace") as f:
            assert p.poll() is None, f"{name} ended: {f.read()}"
        tables = ""
        for table in ("tcp", "tcp6"):
            with open(f"/proc/net/{table}") as f:
                tables += f.read()
        return re.search(f":{port:04X} 0+:0000 0A", tables)
    h.eventually(listens, 10, f"{name} listens on port {port}")
    return port


def nginx(to, family="127.0.0.1", stream=None, user="root"):
    """nginx stream with proxy_protocol on; its port. to: as proxy_pass has it. stream: another configuration of it."""
    module = "/usr/lib/nginx/modules/ngx_stream_module.so"
    if not (shutil.which("nginx") and os.path.exists(module)):
        raise h.Skip("nginx with libnginx-mod-stream is not installed")
    port = h.free_port()
    where = h.make_dir(f"nginx-{port}", 0o777)
    stream = stream or f"""stream {{
    server {{
        listen {family}:14500;
        proxy_pass {to};
        proxy_protocol on;
    }}
}}
"""
    conf = h.make_file(f"nginx-{port}.conf", f"""load_module {module};
daemon off;
pid {where}/pid;
error_log stderr;
{f"user {user};" if h.ROOT else ""}
events {{}}
{stream.replace("14500", str(port))}""")
    return daemon("nginx", ["nginx", "-p", where, "-e", "stderr", "-c", conf], port)


def haproxy(to, how, family="127.0.0.1", check="", bind=""):
    """haproxy with send-proxy or the like; its port."""
    program = shutil.which("haproxy") or "/usr/sbin/haproxy"
    if not os.path.exists(program):
        raise h.Skip("haproxy is not installed")
    port = h.free_port()
    conf = h.make_file(f"haproxy-{port}.cfg", f"""defaults
    mode tcp
    timeout connect 5s
    timeout client 1m
    timeout server 1m
frontend f
    bind {family}:{port} {bind}
    default_backend b
backend b
    server s {to} {how} {check}
""")
    return daemon("haproxy", [program, "-db", "-f", conf], port)


FRONTS = {"nginx": nginx, "haproxy v1": lambda to, **kw: haproxy(to, "send-proxy", **kw),
          "haproxy v2": lambda to, **kw: haproxy(to, "send-proxy-v2", **kw),
          "haproxy v2 with fields": lambda to, **kw: haproxy(
              to, "send-proxy-v2 proxy-v2-options crc32c,unique-id", **kw)}


def listener(address=None, uri=":1", **listen):
    return h.Listener(h.conf(h.multifile(h.line("john", "pw", uri)), Listen=dict(ON, **listen), Relay={"PingInterval": "0"}),
                      address)


def login_through(port, l, server, source="127.0.0.77", host="127.0.0.1"):
    """A scripted client from another address, logged in: (it, the server's peer, its address as text)."""
    peer = x.Peer(socket.create_connection((host, port), source_address=(source, 0)))
    h.defer(peer.close)
    login(peer)
    client = ("[%s]:%d" if ":" in source else "%s:%d") % peer.sock.getsockname()[:2]
    h.eventually(lambda: f"login: user 'john' from {client} to" in l.log(), 5, l.log)
    pid = int(re.search(r"xproxy-conn\[(\d+)\]: login: user 'john' from " + re.escape(client), l.log()).group(1))
    assert shown(pid)[0] == client
    session = server.get()
    peer.send_packet("bell", 1)
    assert session.peer.expect("bell")
    return peer, session.peer, client


@h.each(*[f"{front} {where}" for front in FRONTS for where in ("tcp", "unix")])
def test_real_front_end(case):
    """Each of them, in front of a tcp port and of a unix socket."""
    front, _, where = case.rpartition(" ")
    server = h.Server()
    path = os.path.join(h.make_dir("front", 0o755), "xproxy.sock") if where == "unix" else None
    l = listener(path, server.uri)
    to = {("nginx", "tcp"): l.address, ("nginx", "unix"): f"unix:{path}"}.get((front, where),
                                                                            f"unix@{path}" if path else l.address)
    peer, upstream, client = login_through(FRONTS[front](to), l, server)
    peer.close()
    upstream.close()
    h.eventually(lambda: f"end: user 'john' from {client} after" in l.log(), 5, l.log)


@h.each("nginx", "haproxy v1", "haproxy v2")
def test_real_front_end_ipv6(front):
    """A client that comes to the front end by IPv6."""
    server = h.Server()
    l = listener(None, server.uri)
    family = {"nginx": "[::1]"}.get(front, "::1")
    login_through(FRONTS[front](l.address, family=family), l, server, source="::1", host="::1")


@h.needs_root
def test_manual_example():
    """The example of xproxy.conf(5), word for word but for the port and the path: nginx's user is in the socket's group."""
    with open(os.path.join(h.ROOT_DIR, "man", "xproxy.conf.5")) as f:
        blocks = re.findall(r"^\.Bd -literal -offset indent\n(.*?)^\.Ed$", f.read(), re.S | re.M)
    [stream] = [b for b in blocks if b.startswith("stream {")]
    [listen] = [b for b in blocks if "ProxyProtocol=" in b]
    [unit] = [b for b in blocks if b.startswith("[Socket]")]
    server = h.Server()
    path = os.path.join(h.make_dir("manual", 0o755), "xproxy.sock")
    keys = dict(one.split("=") for one in listen.split("\n") if "=" in one)
    l = listener(path, server.uri, **keys)
    group = re.search("^SocketGroup=(.*)", unit, re.M).group(1)
    shutil.chown(path, group=group)
    os.chmod(path, int(re.search("^SocketMode=(.*)", unit, re.M).group(1), 8))
    login_through(nginx(None, stream=stream.replace("/run/xproxy.sock", path), user=group), l, server)


def test_health_checks():
    """haproxy's own connections, which say LOCAL and are reset at once: nothing is refused, nothing failed."""
    server = h.Server()
    l = listener(None, server.uri)
    port = haproxy(l.address, "send-proxy-v2", check="check inter 200ms check-send-proxy")
    h.eventually(lambda: l.log().count("died with code 0") >= 3, 10, l.log)
    login_through(port, l, server)
    assert not re.search("refused|violation|died with code [1-9]", l.log()), l.log()


@h.needs_xpra
@h.timeout(60)
@h.each("nginx", "haproxy v2")
def test_real_client(front):
    """xpra's own client and server, with a front end between."""
    s = session()
    l = listener(None, s.uri)
    port = FRONTS[front](l.address)
    client = h.RealClient(f"tcp://john:pw@127.0.0.1:{port}/")
    window = client.attached(s.title)
    client.type(window, f"through {front}")
    h.eventually(lambda: f"through {front}" in s.keys(), 10, lambda: f"the keys arrive, there is {s.keys()!r}")
    [pid] = [p for p, what in h.program_processes() if "worker" not in what and h.stat(p)["ppid"] == l.proc.pid]
    peer = shown(pid)[0]
    with open("/proc/net/tcp") as f:  # the client's end of its connection to the front end
        ours = [tuple(one.split()[1:3]) for one in f if f"0100007F:{port:04X} " in one]
    assert any(remote == f"0100007F:{port:04X}" and local == f"0100007F:{int(peer.rpartition(':')[2]):04X}"
               for local, remote in ours), (peer, ours)
    client.detach()


@functools.lru_cache(None)
def session():
    return h.RealServer(h.alice)


@h.needs_tool("openssl")
@h.each("header", "nginx")
def test_tls_after_the_header(what):
    """The front end does not see into it: PROXY header, then the TLS handshake, then the hello."""
    server = h.Server()
    l = listener(None, server.uri, **test_tls.listen(RequireTLS="yes"))
    if what == "nginx":
        s = socket.create_connection(("127.0.0.1", nginx(l.address)), source_address=("127.0.0.77", 0))
        client = "127.0.0.77:%d" % s.getsockname()[1]
    else:
        s, client = socket.create_connection(("127.0.0.1", l.port)), "192.0.2.7:5000"
        s.sendall(v2())
    peer = x.Peer(test_tls.context().wrap_socket(s, server_hostname="localhost"))
    h.defer(peer.close)
    login(peer)
    h.eventually(lambda: f"login: user 'john' from {client} to" in l.log(), 5, l.log)
    pid = int(re.search(r"xproxy-conn\[(\d+)\]: login: ", l.log()).group(1))
    listed, info = shown(pid)
    assert listed == client and '"tls"' in json.dumps(info), (listed, info)


def test_unix_front_end_does_not_stand_for_tls():
    """RequireTLS=yes lets local clients in without: not those of a front end on a unix socket."""
    path = os.path.join(h.make_dir("front", 0o755), "tls.sock")
    l = listener(path, **test_tls.listen(RequireTLS="yes"))
    peer = l.connect()
    peer.send_raw(v1())
    peer.hello(x.hello65(username="john", **{"packet-types": ["challenge"]}))
    assert "requires SSL" in peer.read_end(3), l.log()


# ---- listeners that are not TCP
def test_unix_listener():
    """The peer is who connected, as the kernel says; no front end, no header."""
    server = h.Server()
    path = os.path.join(h.make_dir("listener", 0o755), "xproxy.sock")
    l = h.Listener(h.conf(h.multifile(h.line("john", "pw", server.uri)), Relay={"PingInterval": "0"}), path)
    peer = l.connect()
    login(peer)
    client = f"unix uid {os.getuid()} pid {os.getpid()}"
    h.eventually(lambda: f"login: user 'john' from {client} to" in l.log(), 5, l.log)
    pid = int(re.search(r"xproxy-conn\[(\d+)\]: login: ", l.log()).group(1))
    listed, info = shown(pid)
    assert listed == client, listed
    assert '"unix"' in json.dumps(info), info


@h.needs_xpra
@h.timeout(60)
def test_unix_listener_real_client():
    """xpra attach socket:///path."""
    s = session()
    path = os.path.join(h.make_dir("listener", 0o755), "real.sock")
    l = h.Listener(h.conf(h.multifile(h.line("john", "pw", s.uri))), path)
    password = h.make_file("password", "pw", 0o600)
    client = h.RealClient(f"socket://john@{path}", f"--password-file={password}")
    window = client.attached(s.title)
    client.type(window, "by unix socket")
    h.eventually(lambda: "by unix socket" in s.keys(), 10, lambda: f"the keys arrive, there is {s.keys()!r}")
    assert re.search(r"login: user 'john' from unix uid \d+ pid \d+ to", l.log()), l.log()
    client.detach()


def vsock_port(wanted=None):
    """A vsock port that is free, if this kernel can connect to itself."""
    if not os.path.exists("/dev/vsock"):
        raise h.Skip("no vsock: /dev/vsock is missing")
    with socket.socket(socket.AF_VSOCK) as listener:
        listener.bind((socket.VMADDR_CID_ANY, wanted or socket.VMADDR_PORT_ANY))
        listener.listen(1)
        port = listener.getsockname()[1]
        with socket.socket(socket.AF_VSOCK) as s:
            s.settimeout(3)
            try:
                s.connect((1, port))  # VMADDR_CID_LOCAL
            except OSError as e:
                raise h.Skip(f"this kernel has no vsock loopback (module vsock_loopback): {e}") from None
    return port


def test_vsock_listener():
    """ListenStream=vsock::PORT, from this machine itself."""
    port = vsock_port()
    server = h.Server()
    l = h.Listener(h.conf(h.multifile(h.line("john", "pw", server.uri)), Relay={"PingInterval": "0"}), f"vsock::{port}")
    s = socket.socket(socket.AF_VSOCK)
    s.connect((1, port))
    peer = x.Peer(s)
    h.defer(peer.close)
    login(peer)
    client = "vsock:%d:%d" % (1, s.getsockname()[1])
    h.eventually(lambda: f"login: user 'john' from {client} to" in l.log(), 5, l.log)
    pid = int(re.search(r"xproxy-conn\[(\d+)\]: login: ", l.log()).group(1))
    listed, info = shown(pid)
    assert listed == client, listed
    assert '"vsock"' in json.dumps(info), info


# ---- TLS that ends at the front end
def of_tls(client=1, more=b""):
    value = struct.pack("!BI", client, 0) + more
    return b"\x20" + struct.pack("!H", len(value)) + value


@h.each("said", "not said", "said of none", "version 1", "certificates", "said by nobody trusted")
def test_tls_of_the_front_end(case):
    """RequireTLS= and passwords as good as clear: as with TLS that ends here, if a trusted front end says so."""
    header = {"not said": v2(), "said of none": v2(fields=of_tls(0)), "version 1": v1()}.get(case, v2(fields=of_tls()))
    cert, key = test_tls.certificate()
    listen = {"RequireTLS": "yes", "TLSCertificate": cert, "TLSKey": key}
    if case == "certificates":
        listen["TLSClientCA"] = cert
    if case == "said by nobody trusted":
        listen["TrustedProxies"] = "192.0.2.0/24"
    conn = behind(listen)
    conn.peer.send_raw(header)
    conn.peer.hello(x.hello65(username="john", digest=["xor"], **{"packet-types": ["challenge"]}))
    if case == "said by nobody trusted":
        assert "takes no direct connections" in conn.peer.read_end(5)
        return
    p = conn.peer.read_packet(5)
    if case == "said":
        assert p.name == "challenge", x.texts(p)
    else:
        assert p.name == "disconnect" and "requires SSL" in x.text(p[2]), x.texts(p)


@h.each("nothing inside", "too long", "cut off inside")
def test_malformed_field_on_tls(case):
    fields = {"nothing inside": b"\x20\0\0", "too long": b"\x20\0\x06\1\0\0\0\0", "cut off inside": of_tls(1, b"\x21\0")}[case]
    conn = behind()
    conn.peer.send_raw(v2(fields=fields))
    assert conn.wait() == PROTOCOL_ERROR
    conn.logged("no valid PROXY protocol header.*a field")


@h.each("tls", "plain", "tls in tls", "page")
def test_haproxy_ends_tls(case):
    """The real one has the certificate and says so; a client that came to it in clear is turned away."""
    cert, key = test_tls.certificate()
    pem = h.make_file("haproxy.pem", open(cert).read() + open(key).read(), 0o644)
    l = listener(None, ":1", RequireTLS="yes", TLSCertificate=cert, TLSKey=key)
    port = haproxy(l.address, "send-proxy-v2-ssl", bind="" if case == "plain" else f"ssl crt {pem}")
    peer = x.Peer(socket.create_connection(("127.0.0.1", port)))
    h.defer(peer.close)
    if case != "plain":
        peer.start_tls(test_tls.context())
    if case == "tls in tls":
        hand = test_tls.ByHand(peer.sock)
        hand.do(lambda: hand.tls.do_handshake() or True)
        hand.do(lambda: hand.tls.write(x.build(["hello", x.hello65(request="version")])))
        assert b"version" in hand.do(lambda: hand.tls.read(65536))
        return
    if case == "page":
        peer.send_raw(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = peer.sock.recv(65536)
        assert not head.startswith(b"HTTP/1.1 30"), head  # not sent to https://, where it is
        return
    peer.hello(x.hello65(username="john", digest=["xor"], **{"packet-types": ["challenge"]}))
    p = peer.read_packet(5)
    assert p.name == ("disconnect" if case == "plain" else "challenge"), x.texts(p)
