# SPDX-License-Identifier: GPL-2.0-or-later
"""Of the session broker what few clients ask: the list of servers for a greeter (UCCS), the broker's own keys; and how
it shares a port with a web server, keeps passwords off plain HTTP, and looks for the server that can take most."""
import base64
import http.server
import os
import socket
import ssl
import subprocess
import threading
import time

import harness as h
import test_sshd
import websocket as web
import x2go

SECONDS = 60


def basic(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


# ---- /pubkeys/
@h.each("/pubkeys/", "/pubkeys", "/x2gobroker/pubkeys/")
def test_own_keys(path):
    """As lines for authorized_keys: nothing but the agent, and of the files only the public ones."""
    broker = x2go.Broker(AgentCommand="/opt/agent")
    assert broker.request("GET", path).body == ""
    h.make_dir(os.path.join(broker.state, ".ssh"), 0o700, broker.user)
    lines = set()
    for kind in ("ed25519", "rsa"):
        key = os.path.join(broker.state, ".ssh", f"id_{kind}")
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "the broker's", "-f", key], check=True)
        for name in (key, key + ".pub"):
            os.chown(name, broker.user.uid, broker.user.gid)
        lines.add(f'command="/opt/agent",restrict {x2go.text(key + ".pub")}')
    answer = broker.request("GET", path)
    assert answer.status == 200 and set(answer.body.splitlines(True)) == lines, answer
    assert answer.fields["content-type"].startswith("text/plain") and "PRIVATE" not in answer.body, answer
    assert broker.request("POST", path, "user=x").status == 405


# ---- /uccs/
UCCS = """[DEFAULT]
command=MATE
[one]
name=Zoë's desk
host=srv (192.0.2.9:2222)
[two]
host=srv2
command=
[joes]
host=srv
acl-users-allow=joe
"""


def test_uccs_alive():
    """Nobody is asked who he is."""
    answer = x2go.Broker().request("HEAD", "/uccs/inifile")
    assert answer.status == 200 and answer.fields["content-type"].startswith("text/plain") and not answer.body, answer.fields


@h.each("4", "5")
def test_uccs(version):
    """The profiles that the user of HTTP's Basic authentication may have."""
    broker = x2go.Broker(UCCS)
    path = f"/uccs/inifile/api/{version}"
    answer = broker.request("GET", path, **basic("test", "sweet"))
    assert answer.status == 200, (answer, broker.log())
    servers = {one["Name"]: one for one in answer.json["RemoteDesktopServers"]}
    assert sorted(servers) == ["Zoë's desk", "two"], answer
    one = servers["Zoë's desk"]
    assert (one["URL"], one["Protocol"], one["Username"], one["Password"]) == ("http://192.0.2.9:2222/", "x2go", "test", ""), one
    required, command = ("SessionTypeRequired", "SessionType") if version == "4" else ("CommandRequired", "Command")
    assert (one[required], one[command]) == (False, "MATE"), one
    assert ("Command" in one) == (version == "5"), one
    assert "AUTHID" not in answer.body and "next-authid" not in answer.body, answer


@h.each("none", "wrong", "POST")
def test_uccs_refused(how):
    broker = x2go.Broker(UCCS)
    path = "/uccs/inifile/api/5"
    if how == "POST":
        answer = broker.request("POST", path, "task=listsessions&user=test&password=sweet")
        assert answer.status == 405 and answer.fields["allow"] == "GET, HEAD", (answer.status, answer.fields)
        return
    answer = broker.request("GET", path, **(basic("test", "wrong") if how == "wrong" else {}))
    assert answer.status == 401 and answer.fields["www-authenticate"].startswith("Basic realm="), (answer, answer.fields)
    assert "desk" not in answer.body, answer


# ---- clients that do not wait
@h.each("http", "https")
def test_client_leaves(scheme):
    """The connection ends with its client, however long the agents take."""
    h.make_dir("slow", 0o777)
    asked, answered = (os.path.join(h.SCRATCH, "slow", f"{name}-{scheme}") for name in ("asked", "answered"))
    agent = h.make_file("slow-agent", f"#!/bin/sh\n: >>{asked}\ntest -e {answered} || sleep 4\n: >>{answered}\necho OK\n", 0o755)
    broker = x2go.Broker(tls=scheme == "https", Agent="local", AgentCommand=agent)
    form = "task=listsessions&user=test&password=sweet&authid="
    with socket.create_connection(("127.0.0.1", broker.port), 20) as s:
        if broker.tls:
            s = ssl.create_default_context(cafile=broker.tls[0]).wrap_socket(s, server_hostname="localhost")
        s.sendall(f"POST /plain/ HTTP/1.1\r\nHost: x\r\nContent-Length: {len(form)}\r\n\r\n{form}".encode())
        h.eventually(lambda: os.path.exists(asked), 5, broker.log)
        assert "closed:" not in broker.log(), broker.log()
        s.close()
    broker.logged("closed before its answer", 2)
    assert not os.path.exists(answered), "the agent was waited for"
    h.eventually(lambda: os.path.exists(answered), 20, "the agent has had its time")
    assert broker.list().granted


# ---- profiles with mistakes
@h.each("2", "12")
def test_left_out(count):
    """Each is said, with its line; of many the first, and how many more there are. The others are offered."""
    bad = [f"[bad{i}]\nhost=h\nsshport=x{i}\n" for i in range(int(count))]
    broker = x2go.Broker(x2go.PROFILES + "\n" + "".join(bad))
    assert list(broker.list().profiles) == ["one", "two"]
    said = [line for line in broker.log().splitlines() if "left out" in line]
    assert len(said) == min(int(count), 8), said
    for i, line in enumerate(said):
        assert f"sshport=x{i}: it is a port" in line and ".conf:" in line, said
    assert ("x2go: 4 more mistakes in profiles" in broker.log()) == (count == "12"), broker.log()


# ---- with others on one port
class Site(http.server.BaseHTTPRequestHandler):
    """Somebody else's: says what it was asked."""
    def do_POST(self):
        body = b"the site's: " + self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST

    def log_message(self, *args):
        pass


def test_beside_a_site():
    """The broker has its own paths, all else is the site's: its forms too, whatever is in them."""
    site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    h.defer(site.shutdown)
    broker = x2go.Broker(listen={"HTTPBackend": f"127.0.0.1:{site.server_port}"})
    first = broker.list()
    assert first.granted and list(first.profiles) == ["one", "two"], first
    assert broker.post("listsessions", path="/x2gobroker/plain/inifile", user="test", password="sweet").granted
    assert broker.post("listsessions", path="/json/", user="test", password="sweet").json["auth-status"] == "Access granted"
    form = {"user": "test", "password": "sweet"}
    for path in ("/shop/", "/", "/plainer/", "/plain.php", "/x2gobroker/"):
        answer = broker.post("listsessions", path=path, **form)
        assert answer.body == "the site's: task=listsessions&user=test&password=sweet", (path, answer)
    assert broker.request("GET", "/index.html").body == "the site's: "


@h.each("http", "https")
def test_require_tls(scheme):
    broker = x2go.Broker(tls=True, listen={"RequireTLS": "yes"})
    if scheme == "http":
        broker.tls = None
    try:
        answer = broker.list()
    except ConnectionError:
        assert scheme == "http"
        return
    assert answer.granted == (scheme == "https"), (answer, broker.log())
    assert scheme == "https" or answer.status >= 300, answer


@h.each("plain", "TLS", "front https", "front http")
def test_from_afar(how):
    """A password over plain HTTP from another machine, and the client's user reads why not."""
    tls = how == "TLS"
    listen = {"ProxyProtocol": "yes"} if how in ("plain", "TLS") else {"ForwardedFor": "yes"}
    broker = x2go.Broker(tls=tls, listen=listen)
    form = "task=listsessions&user=test&password=sweet&authid="
    fields = {"front https": "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n", "front http": "X-Forwarded-For: 192.0.2.7\r\n"}
    with socket.create_connection(("127.0.0.1", broker.port), 20) as s:
        if how in ("plain", "TLS"):  # the only way to come from another machine on this one
            s.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 80\r\n")
        way = ssl.create_default_context(cafile=broker.tls[0]).wrap_socket(s, server_hostname="localhost") if tls else s
        status, _, body = web.plain_request(way, f"POST /plain/ HTTP/1.1\r\nHost: x\r\nContent-Length: {len(form)}\r\n"
                                            f"{fields.get(how, '')}\r\n{form}")
    if how in ("TLS", "front https"):
        assert status == 200 and b"Access granted" in body, (status, body, broker.log())
        broker.logged("x2go: user 'test' from 192.0.2.7")
        return
    assert status == 403 and body == b"Passwords are not taken over plain HTTP: use https://\n", (status, body)
    broker.logged("refused: .*plain HTTP")


# ---- how much servers can take
AGENT = """#!/bin/sh
case "$SSH_ORIGINAL_COMMAND" in
*checkload*) echo >>{dir}/asked; echo OK; cat {dir}/load ;;
*x2gobroker-agent*) echo OK ;;
esac
"""


def load(average):
    return f"loadavgXX:{average}\nmemAvail:8000\nmyMemAvail:8000\nnumCPU:4\ntypeCPU:2600\n"


class Busy(test_sshd.Sshd):
    """A server whose agent says how busy it is."""

    def __init__(self, average):
        self.dir = h.make_dir(f"busy-{next(h._serial)}")
        os.chmod(self.dir, 0o777)
        self.says(average)
        agent = h.make_file(f"{os.path.basename(self.dir)}/agent", AGENT.format(dir=self.dir), 0o755)
        super().__init__(f"ForceCommand {agent}\n")

    def says(self, average):
        h.make_file(f"{os.path.basename(self.dir)}/load", load(average))

    def asked(self):
        return len(x2go.text(f"{self.dir}/asked").splitlines())


@h.timeout(90)
def test_load():
    """Of two servers the one that can take most, as it was when they were last asked."""
    busy, idle = Busy(900), Busy(10)
    broker = x2go.Broker(f"[pool]\nhost=tsa (127.0.0.1:{busy.port}), tsb (127.0.0.1:{idle.port})\n", LoadCheck="yes", LoadAge="5s", Agent="ssh",
                         AgentUser=h.alice.name, AgentHostKeys="any")
    h.make_dir(os.path.join(broker.state, ".ssh"), 0o700, broker.user)
    for name, server in (("id_ed25519", busy), ("id_rsa", idle)):
        h.make_file(os.path.join(broker.state, ".ssh", name), x2go.text(server.key), 0o600, broker.user)
    authid, began = broker.list().authid, time.monotonic()

    def selected():
        nonlocal authid
        answer = broker.select("pool", authid)
        authid = answer.authid
        return answer.server
    assert selected() == f"127.0.0.1:{idle.port}", broker.log()
    assert (busy.asked(), idle.asked()) == (1, 1)
    busy.says(10)
    idle.says(900)
    for _ in range(2):
        assert selected() == f"127.0.0.1:{idle.port}", broker.log()
    if time.monotonic() - began < 4:
        assert (busy.asked(), idle.asked()) == (1, 1), "it is remembered"
    h.eventually(lambda: selected() == f"127.0.0.1:{busy.port}", 20, broker.log, 1)
    assert busy.asked() > 1 and idle.asked() > 1
