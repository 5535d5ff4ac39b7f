# SPDX-License-Identifier: GPL-2.0-or-later
"""The real 3.1.3 client through the proxy to the real 3.1.3 server, by every scheme: ssl, ws, wss of its own, ssh through
a real sshd, SOCKS5 and HTTP through real proxies; and what goes wrong with those."""
import functools
import os
import re
import shutil
import socket
import subprocess
import threading

import fronts
import harness as h
import test_upstream
import xpranet as x

SECONDS = 90
SSHD = "/usr/sbin/sshd"


@functools.lru_cache(None)
def server():
    """One real server that listens in every way."""
    if not all(shutil.which(t) for t in ("xpra", "Xvfb", "xterm", "xwininfo", "xdotool")):
        raise h.Skip("xpra, Xvfb, xterm, xwininfo or xdotool is not installed")
    cert = fronts.certificate(owner=h.alice)
    ports = {k: h.free_port() for k in ("ssl", "ws", "wss")}
    # --html=on: without it 3.1.3 lets clients of wss wait for ever
    s = h.RealServer(h.alice, args=("--html=on", f"--ssl-cert={cert}", f"--ssl-key={cert}",
                                    *(f"--bind-{k}=127.0.0.1:{p}" for k, p in ports.items())))
    s.ports = dict(ports, tcp=s.port)
    return s


def attach(uri, options="", s=None):
    """A real client that shows the session's window and types into it; then leaves."""
    s = s or server()
    l = h.Listener(h.conf(h.multifile(h.line("foo", "pw", uri, options=options))))
    client = h.RealClient(l.url("foo", "pw"))
    window = client.attached(s.title)
    word = f"hello-{l.port}"
    client.type(window, word)
    h.eventually(lambda: word in s.keys(), 10, lambda: f"the keys arrive, there is {s.keys()!r}\n{l.log()}")
    client.detach()
    h.eventually(lambda: not h.program_processes(), 5, lambda: f"left: {h.program_processes()}")
    assert len(re.findall("login: ", l.log())) == 1, l.log()
    return l


@h.needs_xpra
@h.each("ssl", "ws", "wss")
def test_own(scheme):
    """The listeners of the server itself."""
    attach(f"{scheme}://127.0.0.1:{server().ports[scheme]}/", test_upstream.ca())


# ---- ssh
class Sshd:
    """A real sshd on a port of its own, with keys of its own, for the session's user."""

    def __init__(self, known=True, allowed=True, extra="", path=None):
        if not os.path.exists(SSHD):
            raise h.Skip("openssh-server is not installed")
        if not h.ROOT or not h.PRIVATE:
            raise h.Skip("it needs root, and a home directory to put keys into that is not yours")
        self.port = h.free_port()
        self.dir = h.make_dir(f"sshd-{self.port}", 0o755)
        self.ssh = os.path.join(h.alice.home, ".ssh")
        shutil.rmtree(self.ssh, ignore_errors=True)
        os.makedirs("/run/sshd", exist_ok=True)
        h._own_line("/etc/shadow", h.alice.name, f"{h.alice.name}:*:19000:0:99999:7:::")  # without: "locked"
        os.mkdir(self.ssh, 0o700)
        host, mine = os.path.join(self.dir, "host"), os.path.join(self.ssh, "id_ed25519")
        for key in (host, mine):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        with open(host + ".pub") as f:
            kind, blob = f.read().split()[:2]
        if not known:
            kind, blob = open(mine + ".pub").read().split()[:2]
        with open(os.path.join(self.ssh, "known_hosts"), "w") as f:
            if known is not None:
                f.write(f"[127.0.0.1]:{self.port} {kind} {blob}\n")
        with open(os.path.join(self.ssh, "authorized_keys"), "w") as f:
            f.write(open(mine + ".pub").read() if allowed else "")
        for one in [self.ssh] + [os.path.join(self.ssh, n) for n in os.listdir(self.ssh)]:
            os.chown(one, h.alice.uid, h.alice.gid)
            os.chmod(one, 0o700 if one == self.ssh else 0o600)
        env = h.alice.env(XPRA_SOCKET_HOSTNAME=h.HOSTNAME)
        env["PATH"] = path or env["PATH"]
        conf = h.make_file(f"sshd-{self.port}/conf", f"""Port {self.port}
ListenAddress 127.0.0.1
HostKey {host}
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
SetEnv {" ".join(f"{k}={env[k]}" for k in ("XDG_RUNTIME_DIR", "XPRA_SOCKET_HOSTNAME", "PATH"))}
{extra}
""")
        self.log = os.path.join(self.dir, "log")
        h._logs.append((f"sshd {self.port}", self.log))
        with open(self.log, "wb") as log:
            self.proc = h.popen([SSHD, "-D", "-e", "-f", conf], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                start_new_session=True)
        h.defer(h.end_process, self.proc)
        h.eventually(lambda: "Server listening" in open(self.log).read(), 10, lambda: open(self.log).read())

    def uri(self, display, user=True):
        return f"ssh://{h.alice.name + '@' if user else ''}127.0.0.1:{self.port}/{display}"

    def sessions(self):
        """Its processes for connections that are open."""
        return [p for p in h.descendants(self.proc.pid) if (s := h.stat(p)) and s["state"] != "Z"]


def ssh_processes():
    return [p for p in h.descendants(os.getpid()) if (s := h.stat(p)) and s["comm"] == "ssh" and s["state"] != "Z"]


@h.needs_xpra
@h.each("plain", "banners", "forced command", "no user")
def test_ssh(how):
    """The system's ssh, a real sshd, `xpra _proxy` there; what shells say before is skipped."""
    s = server()
    d = Sshd(extra={"banners": "Banner /etc/passwd", "forced command": f"ForceCommand xpra _proxy {s.display}"}.get(how, ""))
    if how == "banners":
        # what sshd runs before the command
        h.make_file(os.path.join(d.ssh, "rc"), "echo Welcome, Player; printf 'P\\000 PP\\001\\000'; echo noise >&2\n")
    attach(d.uri(s.display[1:], how != "no user"))
    h.eventually(lambda: not ssh_processes() and not d.sessions(), 5, lambda: f"left: {ssh_processes()} {d.sessions()}")


def relay():
    """A far end's command: stdin and stdout joined to a unix socket."""
    return h.make_file("relay.py", """import os, select, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
while True:
    for fd in select.select([0, s], [], [])[0]:
        data = os.read(0, 65536) if fd == 0 else s.recv(65536)
        if not data:
            sys.exit()
        if fd == 0:
            s.sendall(data)
        while fd != 0 and data:
            data = data[os.write(1, data):]
""")


def expect_refusal(uri, words, timeout="6s", options=""):
    test_upstream.refused(uri, words, options, timeout, 10)
    h.eventually(lambda: not ssh_processes(), 5, lambda: f"left: {ssh_processes()}")


@h.each("unknown host", "other host key", "no key", "no xpra", "no display", "refused", "silent", "closes", "garbage")
def test_ssh_fails(what):
    """Each in words that name the cause, once, within ConnectTimeout."""
    if what in ("refused", "silent", "closes", "garbage"):
        Sshd()  # for the keys
        port = {"refused": h.free_port, "silent": lambda: h.Dead(lambda s: None).port,
                "closes": lambda: h.Dead(lambda s: s.close()).port,
                "garbage": lambda: h.Dead(lambda s: s.sendall(b"no ssh here\r\n" * 3000)).port}[what]()
        words = {"refused": "ssh ended with status 255: .*Connection refused",
                 "silent": "ssh ended with status 255: .*timed out"}.get(what, "ssh ended with status 255: ")
        return expect_refusal(f"ssh://127.0.0.1:{port}/10", words, "4s")
    path = None
    if what == "no xpra":
        path = h.make_dir("only-a-shell")
        for tool in ("sh", "bash"):
            os.symlink(f"/bin/{tool}", os.path.join(path, tool))
        if os.path.exists("/usr/local/bin/xpra"):
            raise h.Skip("there is an xpra in /usr/local/bin")
        for one in (f"{h.alice.sockets}/run-xpra", f"{h.alice.home}/.xpra/run-xpra"):
            if os.path.exists(one):
                os.rename(one, one + ".away")
                h.defer(os.rename, one + ".away", one)
    d = Sshd(known={"unknown host": None, "other host key": False}.get(what, True), allowed=what != "no key", path=path)
    words = {"unknown host": "ssh ended with status 255: Host key verification failed",
             "other host key": "ssh ended with status 255: Host key verification failed",
             "no key": "ssh ended with status 255: .*Permission denied",
             "no xpra": "ssh ended with status 127: there is no xpra",
             "no display": 'ssh: "server socket for display :77 not found"'}[what]
    expect_refusal(d.uri("77"), words, "3s" if what == "no display" else "6s")


@h.each("guard KILL", "worker KILL", "ssh KILL", "client leaves", "group TERM")
def test_ssh_ends(what):
    """Nothing is left of the connection on either side."""
    srv = h.Server("6.5", where=os.path.join(h.alice.sockets, f"{h.HOSTNAME}-33"), user=h.alice)
    d = Sshd(extra=f"ForceCommand exec /usr/bin/python3 {relay()} {srv.path}")
    l = h.link(srv=srv, uri=d.uri("33"))
    assert len(ssh_processes()) == 1
    test_upstream.both_ways(l, 300_000)
    who, _, sig = what.partition(" ")
    if who == "client":
        l.c.reset()
    elif who == "group":
        for p in l.conn.processes():
            os.kill(p, 15)
        assert "server shutdown" in x.texts(l.s.expect("disconnect")), "the server's last words"
    else:
        os.kill({"guard": l.conn.guard, "worker": l.conn.worker, "ssh": lambda: ssh_processes()[0]}[who](), 9)
    l.conn.wait()
    l.c.close()
    h.eventually(lambda: not h.program_processes() and not ssh_processes() and not d.sessions(), 5,
                 lambda: f"left: {h.program_processes()} {ssh_processes()} {d.sessions()}")


# ---- SOCKS5 and HTTP
def proxy(kind, password=None):
    """A real proxy; the session options that lead through it."""
    port = h.free_port()
    options = f"proxy-host=127.0.0.1;proxy-port={port};proxy-type=" + ("http" if kind == "tinyproxy" else "socks5")
    if password:
        options += f";proxy-username=me;proxy-password={password}"
    if kind == "ssh -D":
        d = Sshd()
        cmd = ["ssh", "-N", "-F", "none", "-o", "BatchMode=yes", "-D", f"127.0.0.1:{port}", "-p", str(d.port), "127.0.0.1"]
        kw = dict(h.alice.popen_as(), env=h.alice.env())
    elif kind == "tinyproxy":
        conf = h.make_file(f"tinyproxy-{port}.conf", f"Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 20\nDisableViaHeader Yes\n"
                           + ("BasicAuth me right\n" if password else ""))
        cmd, kw = ["tinyproxy", "-d", "-c", conf], {}
    else:
        cmd = ["microsocks", "-i", "127.0.0.1", "-p", str(port), *(["-u", "me", "-P", "right"] if password else [])]
        kw = {}
    if not shutil.which(cmd[0]):
        raise h.Skip(f"{cmd[0]} is not installed")
    log = os.path.join(h.SCRATCH, f"proxy-{port}.log")
    h._logs.append((kind, log))
    with open(log, "wb") as out:
        p = h.popen(cmd, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, **kw)
    h.defer(h.end_process, p)

    def listening():
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            assert p.poll() is None, open(log).read()
            return False
    h.eventually(listening, 10, f"{kind} listens")
    return options


def by_name():
    """A name of this machine for one address: microsocks tries only the first, and localhost has two."""
    return h.HOSTNAME if h.PRIVATE else "localhost"


PROXIES = ("microsocks", "microsocks password", "tinyproxy", "tinyproxy password", "ssh -D")


@h.needs_xpra
@h.each("microsocks ssl", "tinyproxy wss", "ssh -D tcp")
def test_proxied(case):
    """The real client and server through real proxies."""
    kind, _, scheme = case.rpartition(" ")
    attach(f"{scheme}://127.0.0.1:{server().ports[scheme]}/", test_upstream.ca(proxy(kind)))


@h.each(*PROXIES)
def test_proxy(case):
    """Names, addresses of both families, a redial; and a port where nobody is."""
    kind, _, password = case.partition(" password") if "password" in case else (case, "", "")
    options = proxy(kind, "right" if "password" in case else None)
    for where, host in (("tcp", "127.0.0.1"), ("tcp6", "[::1]"), ("tcp", by_name())):
        srv = h.Server("3.1.3", where=where)
        l = h.link(srv=srv, server="3.1.3", uri=f"tcp://{host}:{srv.port}/", options=options)
        assert srv.accepted == 2, srv.accepted
        test_upstream.both_ways(l, 300_000)
        l.c.close()
        l.conn.wait()
    test_upstream.refused(f"tcp://127.0.0.1:{h.free_port()}/", f"{'HTTP' if kind == 'tinyproxy' else 'SOCKS5'} proxy 127.0.0.1 port .*: "
                          "(connection refused|it refuses|it closed|host unreachable|general failure)", options)
    if "password" in case:
        test_upstream.refused(srv.uri, "(it refuses the user name or password|it closed)", options.replace("right", "wrong"))
        test_upstream.refused(srv.uri, "(another kind of authentication|it refuses the user name or password)",
                              re.sub("proxy-(username|password)=[^;]*;?", "", options))


@h.each("refused", "unknown name", "silent", "closes", "socks: HTTP", "socks: half an answer", "socks: refusal", "socks: method",
        "http: SOCKS", "http: endless", "http: 302", "http: silent after")
def test_bad_proxy(what):
    """Each within ConnectTimeout, and in words that name the proxy."""
    http = what.startswith("http")

    def answers(*data):
        def do(s):
            for one in data:
                s.recv(4096)
                s.sendall(one)
        return h.Dead(do).port
    port = {
        "refused": h.free_port, "unknown name": h.free_port, "silent": lambda: h.Dead(lambda s: None).port,
        "closes": lambda: h.Dead(lambda s: s.close()).port,
        "socks: HTTP": lambda: answers(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        "socks: half an answer": lambda: answers(b"\x05\x00", b"\x05\x00\x00\x03\xff abc"),
        "socks: refusal": lambda: answers(b"\x05\x00", b"\x05\x02"),
        "socks: method": lambda: answers(b"\x05\xff"),
        "http: SOCKS": lambda: answers(b"\x05\x00\x05\x00\x05\x00\x05\x00\x05\x00\x05\x00"),
        "http: endless": lambda: answers(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 30000),
        "http: 302": lambda: answers(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n"),
        "http: silent after": lambda: answers(b"HTTP/1.1 200 OK\r\n"),
    }[what]()
    words = {"refused": "Connection refused", "unknown name": "(Name or service|name resolution|No address)",
             "silent": "no answer within ConnectTimeout", "closes": "it closed the connection",
             "socks: HTTP": "it does not speak SOCKS5", "socks: half an answer": "no answer within ConnectTimeout",
             "socks: refusal": "not allowed", "socks: method": "another kind of authentication",
             "http: 302": "HTTP status 302", "http: silent after": "no answer within ConnectTimeout"}.get(what, ".")
    host = "no.such.host.invalid" if what == "unknown name" else "127.0.0.1"
    test_upstream.refused("tcp://127.0.0.1:10/", f"{'HTTP' if http else 'SOCKS5'} proxy {host} port {port}: .*{words}",
                          f"proxy-type={'http' if http else 'socks5'};proxy-host={host};proxy-port={port}", "1s")


def test_exactly_read():
    """Bytes of the server's right behind the proxy's answer are not lost."""
    hello = x.build(["hello", x.server65()])

    def socks(s):
        s.recv(4096), s.sendall(b"\x05\x00"), s.recv(4096)
        s.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x01" + hello)

    def http(s):
        s.recv(4096)
        s.sendall(b"HTTP/1.1 200 Connection established\r\nProxy-Agent: x\r\n\r\n" + hello)
    for kind, do in (("socks5", socks), ("http", http)):
        port = h.Dead(do).port
        conn = h.spawn(h.conf(h.multifile(h.line("john", "pw", "tcp://192.0.2.1:10/",
                                                 options=f"proxy-type={kind};proxy-host=127.0.0.1;proxy-port={port}"))))
        assert conn.peer.login(x.hello65(username="john"), "pw").name == "hello", conn.log()
        conn.peer.close()


# ---- vsock
@h.needs_xpra
@h.timeout(200)
def test_real_vsock():
    import test_proxyproto
    # Python's server takes no port over 65535, though all others of vsock's are.
    port = test_proxyproto.vsock_port(20000 + os.getpid() % 40000)
    attach(f"vsock://1:{port}/", s=h.RealServer(h.alice, args=(f"--bind-vsock=any:{port}",)))


def test_vsock():
    """From this machine to itself."""
    import test_proxyproto
    port = test_proxyproto.vsock_port()
    srv = h.Server("6.5")
    listener = socket.socket(socket.AF_VSOCK)
    listener.bind((socket.VMADDR_CID_ANY, port))
    listener.listen()
    srv.listener.close()
    srv.listener = listener
    threading.Thread(target=srv._accept, daemon=True).start()
    test_upstream.both_ways(h.link(srv=srv, uri=f"vsock://1:{port}/"))


def test_vsock_nobody():
    """A context that is not there, or a kernel that has none: said so."""
    test_upstream.refused("vsock://77:1/", "connect to vsock://77:1: .", timeout="1s")
