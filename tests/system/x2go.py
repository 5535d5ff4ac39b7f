# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of the X2Go session broker stand on: the program as a broker, Debian's own broker as what it is
compared with, a broker that answers what a test wants, the real clients x2goclient, pyhoca-cli and python3-x2go, and
a real X2Go server. Server and Debian's broker live in a layer over this machine's disk, see tests/x2go.sh."""
import configparser
import functools
import http.client
import http.server
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse

import harness as h
import secure

sys.path.insert(0, os.path.dirname(h.HERE))
import rig  # noqa: E402 - it lies one folder up

THERE = "/run/x2go-root/root"
LAYER = os.path.join(h.BUILD, "x2go", "layer.tar")
HELPER = os.path.join(h.BUILD, "xproxy-x2gobroker")
FORM = "application/x-www-form-urlencoded"

PROFILES = """[DEFAULT]
command=TERMINAL
usebrokerpass=1

[one]
name=Test One
host=127.0.0.1
sshport=9
user=bob

[two]
name=Test Two
host=127.0.0.1
sshport=9
user=BROKER_USER
"""


# ------------------------------------------------------------------------------- the layer
@functools.lru_cache(None)
def root():
    """A folder that is this machine's disk with an X2Go server and Debian's broker installed; what is written there
    is in memory. bob (password "sweet1") and carol are users there."""
    if not h.PRIVATE:
        raise h.Skip("needs root and namespaces of its own: mounts")
    if not os.path.exists(LAYER):
        raise h.Skip("tests/x2go.sh has not made the layer with an X2Go server")
    base = os.path.dirname(THERE)  # not in the scratch folder, which is removed with all that is in it
    os.mkdir(base)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755,size=1g", "none", base], check=True)
    for name in ("up", "work", "root"):
        os.mkdir(os.path.join(base, name))
    up, there = os.path.join(base, "up"), THERE
    subprocess.run(["tar", "-C", up, "--xattrs", "--xattrs-include=*", "-xf", LAYER], check=True)
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir=/,upperdir={up},workdir={os.path.join(base, 'work')}",
                    there], check=True)
    rig.mount_kernel_trees(there)
    os.makedirs(f"{there}/run/sshd")
    os.makedirs(f"{there}/tmp/.X11-unix")
    os.chmod(f"{there}/tmp/.X11-unix", 0o1777)
    for name in ("etc/mtab", "etc/nologin"):
        if os.path.lexists(f"{there}/{name}"):
            os.unlink(f"{there}/{name}")
    os.symlink("/proc/mounts", f"{there}/etc/mtab")
    put("/etc/hosts", "127.0.0.1 localhost tsa tsb\n")
    inside("sh", "-ec", "for u in bob carol; do userdel -f $u 2>/dev/null || :; done; "
           f"useradd -m -u {h.bob.uid} -s /bin/bash bob; useradd -m -u {h.bob.uid + 5} -s /bin/bash carol; "
           "for u in bob carol; do echo $u:sweet1 | chpasswd; usermod -a -G x2gobroker-users $u; done")
    return there


def put(path, text, mode=0o644, owner=None):
    """A file of the layer's."""
    full = THERE + path
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "w", encoding="utf8") as f:
        f.write(text)
    os.chmod(full, mode)
    if owner:
        inside("chown", owner, path)


def command(*cmd, hostname="tsa"):
    """This command in the layer, on a machine of that name."""
    return ["unshare", "--uts", "sh", "-c", f'hostname {hostname}; exec "$@"', "sh", "chroot", THERE, *cmd]


def inside(*cmd, check=True, input=None):
    r = subprocess.run(command(*cmd), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, input=input,
                       stdin=None if input is not None else subprocess.DEVNULL, timeout=60)
    assert not check or r.returncode == 0, f"{cmd}: {r.stdout}"
    return r.stdout


def start(title, cmd, ready, seconds=20, env=None):
    """A process until the end of the file; its log's path."""
    log = os.path.join(h.SCRATCH, f"x2go-{next(h._serial)}.log")
    with open(log, "wb") as f:
        proc = h.popen(cmd, stdin=subprocess.DEVNULL, stdout=f, stderr=f, start_new_session=True,
                       env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", **(env or {})})
    h.defer_to_end_of_file(h.end_process, proc)
    h._logs.append((title, log))

    def look():
        assert proc.poll() is None, f"{title} ended: {text(log)[-2000:]}"
        return ready()
    h.eventually(look, seconds, lambda: f"{title}: {text(log)[-2000:]}", 0.05)
    return log


def text(path):
    try:
        with open(path, encoding="utf8", errors="replace") as f:
            return f.read()
    except OSError:
        return ""


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


# ------------------------------------------------------------------------------- answers
class Answer:
    """What a broker said, as its clients take it apart."""

    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body.decode("utf8")

    def __repr__(self):
        return f"{self.status} {self.body!r:.1500}"

    @property
    def granted(self):
        return "Access granted" in self.body

    @property
    def authid(self):
        m = re.search(r"AUTHID:([^\n]*)\n", self.body)
        return m and m[1]

    @property
    def profiles(self):
        """{id: {key: value as written}}"""
        m = re.search(r"START_USER_SESSIONS\n(.*)END_USER_SESSIONS\n", self.body, re.S)
        if not m:
            return None
        parser = configparser.RawConfigParser(delimiters=("=",), comment_prefixes=(), strict=True)
        parser.optionxform = str
        parser.read_string(m[1])
        return {one: dict(parser[one]) for one in parser.sections()}

    @property
    def server(self):
        m = re.search(r".SERVER:([^\n]*)\n", self.body, re.S)
        return m and m[1]

    @property
    def key(self):
        m = re.search(r"-----BEGIN RSA PRIVATE KEY-----\n.*-----END RSA PRIVATE KEY-----\n", self.body, re.S)
        return m and m[0]

    @property
    def sessions(self):
        m = re.search(r"SESSION_INFO:(.*)", self.body, re.S)
        return m and m[1].splitlines()

    @property
    def json(self):
        return json.loads(self.body)


def qsettings(answer):
    """{id: {key: value}} of a list, as Qt's own reader has them, which x2goclient uses."""
    m = re.search(r"START_USER_SESSIONS\n(.*)END_USER_SESSIONS\n", answer.body.replace("<br>", "\n"), re.S)
    path = h.make_file(f"list-{next(h._serial)}", m[1])
    script = ("import json, sys\nfrom PyQt5.QtCore import QSettings\ns = QSettings(sys.argv[1], QSettings.IniFormat)\nall = {}\n"
              "for group in s.childGroups():\n    s.beginGroup(group)\n"
              "    all[group] = {k: s.value(k) for k in s.childKeys()}\n    s.endGroup()\nprint(json.dumps(all))\n")
    r = subprocess.run(["/usr/bin/python3", "-c", script, path], capture_output=True, text=True, timeout=60)
    if "No module named 'PyQt5'" in r.stderr:
        raise h.Skip("python3-pyqt5 is not installed")
    assert r.returncode == 0, r.stderr
    return json.loads(r.stdout)


class Endpoint:
    """Something that listens at self.port and speaks the protocol of a broker."""
    tls = None  # (certificate, key)
    path = "/plain/"

    def url(self, path=None, user="", password=""):
        who = f"{user}:{password}@" if password else f"{user}@" if user else ""
        return (f"https://{who}localhost" if self.tls else f"http://{who}127.0.0.1") + f":{self.port}{path or self.path}"

    def request(self, method, path=None, body=None, source=None, timeout=30, **headers):
        where = (source, 0) if source else None
        if self.tls:
            c = http.client.HTTPSConnection("localhost", self.port, timeout=timeout * h.SLACK, source_address=where,
                                            context=ssl.create_default_context(cafile=self.tls[0]))
        else:
            c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout * h.SLACK, source_address=where)
        try:
            c.request(method, path or self.path, body, {k.replace("_", "-"): v for k, v in headers.items()})
            r = c.getresponse()
            return Answer(r.status, {k.lower(): v for k, v in r.getheaders()}, r.read())
        finally:
            c.close()

    def post(self, task=None, path=None, source=None, more="", **fields):
        """The form with these fields, encoded as x2goclient does."""
        fields = {**({"task": task} if task else {}), **fields}
        body = "&".join(f"{k.replace('_', '-')}={urllib.parse.quote(str(v), safe='')}" for k, v in fields.items()) + more
        return self.request("POST", path, body, source, Content_Type=FORM)

    def list(self, user="test", password="sweet", authid="", **kw):
        return self.post("listsessions", user=user, password=password, authid=authid, **kw)

    def select(self, sid, authid, user="test", password="", **kw):
        return self.post("selectsession", sid=sid, user=user, password=password, authid=authid, **kw)


# ------------------------------------------------------------------------------- brokers
class Fake(Endpoint):
    """A broker that answers what `answer(fields)` returns: (status, body) or body. It keeps what it was asked."""

    def __init__(self, answer, tls=None):
        self.tls, self.asked, fake = tls, [], self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                fields = dict(urllib.parse.parse_qsl(body, keep_blank_values=True))
                fake.asked.append(fields)
                got = answer(fields)
                status, body = got if isinstance(got, tuple) else (200, got)
                self.send_response(status)
                for k, v in (("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", len(body.encode())),
                             ("Connection", "close")):
                    self.send_header(k, str(v))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_):
                pass
        self.httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.httpd.server_port
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.httpd.socket = context.wrap_socket(self.httpd.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.httpd.serve_forever, daemon=True).start()
        h.defer(self.httpd.server_close)
        h.defer(self.httpd.shutdown)


class Oracle(Endpoint):
    """Debian's x2gobroker-daemon on loopback; user test, password sweet. agent: a script that is its agent."""

    def __init__(self, profiles, agent=None, **settings):
        root()
        self.port, name = h.free_port(), f"/etc/x2go/oracle-{next(h._serial)}"
        keys = {"require-password": "true", "default-auth-mech": "testsuite", "default-portscan-x2goservers": "false",
                "default-agent-query-mode": "LOCAL" if agent else "NONE", "enable-json-output": "true",
                **{k.replace("_", "-"): v for k, v in settings.items()}}
        put(f"{name}.conf", "[global]\n" + "".join(f"{k}={v}\n" for k, v in keys.items()) + "[broker_inifile]\nenable=true\n")
        put(f"{name}.profiles", profiles)
        env = {"X2GOBROKER_CONFIG": f"{name}.conf", "X2GOBROKER_SESSIONPROFILES": f"{name}.profiles", "HOME": "/tmp"}
        if agent:
            put(f"{name}.agent", agent, 0o755)
            env["X2GOBROKER_AGENT_CMD"] = f"{name}.agent"
        start("x2gobroker-daemon", command("runuser", "-u", "x2gobroker", "--", "/usr/bin/x2gobroker-daemon", "-C", f"{name}.conf",
                                           "-b", f"127.0.0.1:{self.port}"), lambda: listens(self.port), env=env)


def group(name, *members):
    """A group, on this machine and on that of Debian's broker."""
    root()
    line = f"{name}:x:{31000 + next(h._serial)}:{','.join(members)}"
    h._own_line("/etc/group", name, line)
    h._own_line(f"{THERE}/etc/group", name, line)


@functools.lru_cache(None)
def account():
    """The user that the program's helper runs as."""
    if not h.PRIVATE:
        raise h.Skip("needs root and namespaces of its own: an account for the broker")
    return h._user("x2gohelp", 21040)


def needs_program():
    """Of a build that has no session broker, nothing can be tested."""
    if not os.path.exists(HELPER):
        raise h.Skip("this build has no xproxy-x2gobroker")


class Broker(Endpoint):
    """The program, listening. users: {name: password}, of multifile; or auth, other modules. x2go: keys of [X2Go]."""

    def __init__(self, profiles=PROFILES, users=None, auth=None, tls=False, listen=None, address=None, env=None, limits=None, **x2go):
        needs_program()
        self.tls = secure.server_certificate() if tls else None
        self.user = account()
        self.state = h.make_dir(f"x2go-state-{next(h._serial)}", 0o700, self.user)
        self.profiles_path = h.make_file(f"profiles-{next(h._serial)}.conf", profiles)
        users = {"test": "sweet"} if users is None else users
        modules = auth or [h.multifile(*(h.line(name, password, "") for name, password in users.items()))]
        listen = {**(secure.listen() if tls else {"Transports": "tcp http"}), **(listen or {})}
        keys = {"Profiles": self.profiles_path, "User": self.user.name, "State": self.state, "PortScan": "no", **x2go}
        self.conf = h.conf(*modules, Listen=listen, X2Go=keys, Limits={"PenaltyExempt": "127.0.0.0/8", **(limits or {})})
        self.listener = h.Listener(self.conf, address=address, env=env)
        self.port = self.listener.port

    def log(self):
        return self.listener.log()

    def sweep(self):
        """What the timer does."""
        r = subprocess.run([HELPER, "--sweep", self.state], capture_output=True, text=True, cwd="/", timeout=60 * h.SLACK,
                           env=h.program_env(self.user), **self.user.popen_as())
        assert r.returncode == 0, r

    def logged(self, pattern, seconds=5):
        return h.eventually(lambda: re.search(pattern, self.log()), seconds, lambda: f"/{pattern}/ in the log: {self.log()[-3000:]}")


# ------------------------------------------------------------------------------- x2goclient
def certificate():
    """(certificate, key) of localhost."""
    return secure.server_certificate()


class Client:
    """x2goclient of the Debian package, on a screen of its own; offscreen: without any. It is alice's, with a home
    that nobody has used. password: typed into its first form."""

    def __init__(self, url, *args, password=None, offscreen=False, home=None, env=None):
        if not shutil.which("x2goclient") or not shutil.which("xdotool"):
            raise h.Skip("x2goclient or xdotool is not installed")
        self.home = home or h.make_dir(f"x2go-home-{next(h._serial)}", 0o700, h.alice)
        self.env = h.alice.env(HOME=self.home)
        self.display = None
        if offscreen:
            self.env["QT_QPA_PLATFORM"] = "offscreen"
        else:
            self.display = screen()
            self.env["DISPLAY"] = self.display
        self.env.update(env or {})
        self.log_path = os.path.join(h.SCRATCH, f"x2goclient-{next(h._serial)}.log")
        with open(self.log_path, "wb") as log:
            self.proc = h.popen(["x2goclient", "--debug", f"--broker-url={url}", *args], stdin=subprocess.DEVNULL, stdout=log,
                                stderr=log, env=self.env, cwd=self.home, start_new_session=True, **h.alice.popen_as())
        h._logs.append((f"x2goclient {url}", self.log_path))
        h.defer(self.close)
        if password is not None:
            self.log_in(password)

    def log(self):
        return text(self.log_path)

    def close(self):
        h.end_process(self.proc)

    def crashed(self):
        """The signal of a fault of its own, if one has ended it."""
        name = signal.Signals(-self.proc.returncode).name if (self.proc.poll() or 0) < 0 else ""
        return name if name in ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE") else None

    def logged(self, pattern, seconds=20, times=1):
        """The match in what it says about itself; the n-th."""
        def look():
            found = list(re.finditer(pattern, self.log()))
            if len(found) >= times:
                return found[times - 1]
            assert self.proc.poll() is None, f"x2goclient ended ({self.proc.returncode}) before /{pattern}/:\n{self.log()[-3000:]}"
            return None
        return h.eventually(look, seconds, lambda: f"/{pattern}/ from x2goclient; windows {self.windows()}:\n{self.log()[-3000:]}", 0.05)

    def ended(self, seconds=15):
        """Its exit code."""
        try:
            rc = self.proc.wait(seconds * h.SLACK)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"x2goclient is still there; windows {self.windows()}:\n{self.log()[-3000:]}") from None
        h._popen_pids.discard(self.proc.pid)
        return rc

    # ---- its windows
    def xdo(self, *args, check=True):
        r = subprocess.run(["xdotool", *args], capture_output=True, text=True, env=self.env, timeout=20)
        assert not check or r.returncode == 0, f"xdotool {args}: {r.stderr}\n{self.log()[-2000:]}"
        return r.stdout.strip()

    def windows(self):
        """{title: id} of those that can be seen."""
        if not self.display:
            return {}
        ids = self.xdo("search", "--onlyvisible", "--name", ".", check=False).split()
        if not ids:
            return {}
        names = self.xdo(*(word for one in ids for word in ("getwindowname", one)), check=False).splitlines()
        return dict(zip(names, ids)) if len(names) == len(ids) else {}  # one has gone meanwhile

    def window(self, pattern, seconds=20):
        def look():
            assert self.proc.poll() is None, f"x2goclient ended ({self.proc.returncode}):\n{self.log()[-3000:]}"
            return next((w for title, w in self.windows().items() if re.search(pattern, title)), None)
        return h.eventually(look, seconds, lambda: f"a window {pattern!r}, there are {self.windows()}:\n{self.log()[-2000:]}", 0.1)

    def focus(self, window):
        h.eventually(lambda: subprocess.run(["xdotool", "windowfocus", "--sync", window], env=self.env, capture_output=True,
                                            timeout=10).returncode == 0, 5, "the window takes the focus", 0.1)
        time.sleep(0.3)

    def log_in(self, password):
        """The form's user is in the URL; the cursor waits for the password."""
        self.focus(self.window("^X2Go Client$"))
        self.xdo("type", "--delay", "30", password)
        self.xdo("key", "Return")

    def press(self, title, key="Return"):
        self.focus(self.window(title))
        self.xdo("key", key)

    def click(self, x, y):
        self.xdo("mousemove", str(x), str(y), "click", "1")

    def click_until(self, place, there, seconds=20):
        """Clicks there until there() is true: what has just been drawn may not take a click yet."""
        def look():
            self.click(*place)
            try:
                return h.eventually(there, 1.5, pause=0.1)
            except AssertionError:
                return None
        return h.eventually(look, seconds, lambda: f"a click at {place}; windows {self.windows()}:\n{self.log()[-3000:]}")

    def then(self, pattern):
        """Whether it has said so since now."""
        since = len(self.log())
        return lambda: re.search(pattern, self.log()[since:])

    def choose(self, button, selects=1):
        """Presses a button of the form that the sessions of the n-th answer to select are shown in."""
        self.logged("Parsing has finished", times=selects)
        self.click_until(BUTTONS[button], self.asked if button == "terminate" else
                         self.then("Starting connection to server|Resuming session with id|x2go(suspend|resume)-session"))

    def press_session(self, button):
        """Presses a button of the form of the running session; yes, it is sure."""
        self.logged("Starting NX proxy|Starting proxy")
        self.click_until(SESSION_BUTTONS[button], self.asked if button == "terminate" else self.then("x2gosuspend-session"))
        if button == "terminate":
            self.confirm()

    def asked(self):
        """Whether there is a question to be confirmed."""
        return "Warning" in self.windows()

    def confirm(self):
        """Yes to the question whether a session is to be terminated."""
        self.window("^Warning$")
        self.click_until((577, 303), lambda: not self.asked())

    def requests(self):
        """The forms that it says it sends."""
        return re.findall(r'sending request:\s*"([^"\n]*)', self.log())


def home_with_key(key):
    """A home for x2goclient whose user's own key is this one; also the home that ssh itself knows of."""
    home = h.make_dir(f"x2go-home-{next(h._serial)}", 0o700, h.alice)
    for where in (home, h.alice.home):
        h.make_dir(f"{where}/.ssh", 0o700, h.alice)
        h.make_file(f"{where}/.ssh/id_ed25519", text(key), 0o600, h.alice)
        h.make_file(f"{where}/.ssh/id_ed25519.pub", text(key + ".pub"), 0o644, h.alice)
    return home


BUTTONS = {"resume": (305, 435), "suspend": (500, 303), "terminate": (500, 334), "new": (500, 405)}

SESSION_BUTTONS = {"suspend": (496, 422), "terminate": (534, 422)}


def screen():
    """An X server for one client, of the size that the places of buttons are known for."""
    n = h.free_display(700)
    p = h.popen(["Xvfb", f":{n}", "-screen", "0", "1024x768x24", "-nolisten", "tcp", "-noreset"], stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    h.defer(h.end_process, p)
    h.eventually(lambda: os.path.exists(f"/tmp/.X11-unix/X{n}"), 10, "Xvfb")
    return f":{n}"


# ------------------------------------------------------------------------------- python-x2go
def python_x2go(url, script, user="test", password="sweet", env=None):
    """Runs the script with `p`, python-x2go's session profiles of that broker, not logged in yet; what it prints."""
    if not os.path.isdir("/usr/lib/python3/dist-packages/x2go"):
        raise h.Skip("python3-x2go is not installed")
    prelude = ("import json, x2go\nfrom x2go.backends.profiles.httpbroker import X2GoSessionProfiles\n"
               f"p = X2GoSessionProfiles(broker_url={url!r}, broker_username={user!r}, broker_password={password!r})\n")
    home = h.make_dir(f"python-{next(h._serial)}", 0o700, h.alice)
    r = subprocess.run(["/usr/bin/python3", "-c", prelude + script], capture_output=True, text=True, timeout=60 * h.SLACK,
                       stdin=subprocess.DEVNULL, cwd=home, env=h.alice.env(HOME=home, **(env or {})), **h.alice.popen_as())
    assert r.returncode == 0, f"{r.stdout[-1500:]}{r.stderr[-2500:]}"
    return r.stdout


class Pyhoca:
    """pyhoca-cli with its arguments, on the clients' screen."""

    def __init__(self, url, *args, env=None):
        if not shutil.which("pyhoca-cli"):
            raise h.Skip("pyhoca-cli is not installed")
        home = h.make_dir(f"pyhoca-{next(h._serial)}", 0o700, h.alice)
        self.log_path = os.path.join(h.SCRATCH, f"pyhoca-{next(h._serial)}.log")
        with open(self.log_path, "wb") as log:
            self.proc = h.popen(["/usr/bin/python3", shutil.which("pyhoca-cli"), "-B", url, *args], stdin=subprocess.DEVNULL,
                                stdout=log, stderr=log, cwd=home, start_new_session=True,
                                env=h.alice.env(HOME=home, DISPLAY=h.client_x(), **(env or {})), **h.alice.popen_as())
        h._logs.append((f"pyhoca-cli {url}", self.log_path))
        h.defer(h.end_process, self.proc)

    def log(self):
        return text(self.log_path)

    def interrupt(self):
        self.proc.send_signal(signal.SIGINT)

    def said(self, seconds=60):
        """(exit code, all it has printed), once it has ended."""
        rc = self.proc.wait(seconds * h.SLACK)
        h._popen_pids.discard(self.proc.pid)
        return rc, self.log()


# ------------------------------------------------------------------------------- the X2Go server
class Server:
    """The real x2goserver behind a real sshd, on a machine called tsa; users bob and carol. port: where clients reach it.
    x2gobroker may log in with self.agent_key and is the broker's agent then."""

    def __init__(self, port=None, settings=""):
        root()
        self.port = port or h.free_port()
        name = f"/etc/ssh/x2go-{self.port}"
        inside("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{name}.host")
        self.agent_key = h.make_file(f"agent-key-{self.port}", "", 0o600)
        os.unlink(self.agent_key)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.agent_key], check=True)
        put(f"{name}.conf", f"""Port {self.port}
ListenAddress 127.0.0.1
HostKey {name}.host
AuthorizedKeysFile %h/.ssh/authorized_keys %h/.x2go/authorized_keys
UsePAM no
PasswordAuthentication yes
PidFile none
MaxSessions 30
LogLevel VERBOSE
AcceptEnv LANG LC_*
X11Forwarding yes
Subsystem sftp internal-sftp
{settings}
""")
        home = inside("sh", "-c", "getent passwd x2gobroker | cut -d: -f6").strip()
        inside("usermod", "-s", "/bin/sh", "-p", "*", "x2gobroker")
        put(f"{home}/.ssh/authorized_keys", "no-port-forwarding,no-X11-forwarding,no-agent-forwarding,no-pty "
            + text(self.agent_key + ".pub"), 0o600)
        inside("chown", "-R", "x2gobroker:", home)
        inside("chmod", "0700", f"{home}/.ssh")
        self.log_path = start(f"sshd of tsa {self.port}", command("/usr/sbin/sshd", "-D", "-e", "-f", f"{name}.conf"),
                              lambda: listens(self.port))

    def log(self):
        return text(self.log_path)

    def host_key(self):
        """The line for known_hosts."""
        return f"[127.0.0.1]:{self.port} " + " ".join(text(f"{THERE}/etc/ssh/x2go-{self.port}.host.pub").split()[:2]) + "\n"

    def sessions(self, user="bob"):
        """[the fields of a session] as x2golistsessions knows them."""
        out = inside("runuser", "-u", user, "--", "x2golistsessions")
        return [line.split("|") for line in out.splitlines() if line.count("|") >= 10]

    def wait(self, check, seconds=20, user="bob"):
        """Until check(sessions) is true; what it returned."""
        return h.eventually(lambda: check(self.sessions(user)), seconds, lambda: f"sessions {self.sessions(user)}", 0.2)

    def one(self, status="R", seconds=30, user="bob"):
        """The only session, once it has that status."""
        return self.wait(lambda all: len(all) == 1 and all[0][4] == status and all[0], seconds, user)

    def none(self, seconds=30, user="bob"):
        self.wait(lambda all: not all, seconds, user)

    def clean(self, user="bob"):
        for s in self.sessions(user):
            inside("runuser", "-u", user, "--", "x2goterminate-session", s[1], check=False)

    def agent(self, *args):
        """What x2gobroker-agent says, as x2gobroker."""
        return inside("runuser", "-u", "x2gobroker", "--", "/usr/lib/x2go/x2gobroker-agent", *args, check=False)
