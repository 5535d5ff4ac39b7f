# SPDX-License-Identifier: GPL-2.0-or-later
"""xproxyctl without systemd: many connections, stuck ones, other users, narrow terminals; and the commands that
only look: sessions, check, metrics."""
import json
import os
import re
import signal
import socket
import subprocess
import time

import harness as h
import xpranet as x

SECONDS = 60
MANY = 200
FAST = 0.3  # seconds that a list of so many may take


def linked(n=1, srv=None, **kw):
    """n running connections with their control sockets there, as links with .id."""
    srv = srv or h.Server()
    links = [h.link(srv=srv, **kw) for _ in range(n)]
    for link in links:
        link.id = f":proxy-{link.conn.guard()}"

    def all_there():
        names = " ".join(h.control_sockets()) + " "
        return all(f"{link.id[1:]} " in names for link in links)
    h.eventually(all_there, 5, "every control socket")
    return links


def rows(r):
    assert r.returncode == 0, (r.returncode, r.stderr)
    return {row["id"]: row for row in json.loads(r.stdout)}


def freeze(link):
    """The process that serves the control socket does nothing any more."""
    pid = link.conn.guard()
    os.kill(pid, signal.SIGSTOP)
    h.defer(lambda: os.path.exists(f"/proc/{pid}") and os.kill(pid, signal.SIGCONT))


def best_of(n, f):
    """(the shortest time, the last result): other work on the machine can only make it longer."""
    times = []
    for _ in range(n):
        began = time.monotonic()
        result = f()
        times.append(time.monotonic() - began)
    return min(times), result


# ---- many
@h.timeout(120)
def test_list_of_many():
    """200 connections in 0.3 s, as root and as their user; one that is stuck costs less than a second."""
    links = linked(MANY)
    ids = {link.id for link in links}
    for user in {None, h.alice} if h.ROOT else {h.alice}:
        who = user.name if user else "root"
        seconds, r = best_of(5, lambda: h.ctl("list", "--json", user=user))
        found = rows(r)
        assert set(found) == ids, (who, len(found))
        assert all(row["answered"] and row["state"] == "connected" and row["user"] == "john" for row in found.values())
        assert seconds < FAST * h.SLACK, f"{who}: {seconds:.3f} s for {MANY} connections"
    seconds, r = best_of(3, lambda: h.ctl("list", user=h.as_user_default()))
    assert r.returncode == 0 and seconds < FAST * h.SLACK, f"the table: {seconds:.3f} s"
    freeze(links[7])
    for user in {None, h.alice} if h.ROOT else {h.alice}:
        seconds, r = best_of(2, lambda: h.ctl("list", "--json", user=user))
        found = rows(r)
        assert set(found) == ids
        assert [i for i, row in found.items() if not row["answered"]] == [links[7].id]
        assert found[links[7].id]["state"] == "stuck"
        assert seconds < FAST * h.SLACK + 0.7, f"{seconds:.3f} s with one that is stuck"
    line = [one for one in h.ctl("list", user=h.as_user_default()).stdout.split("\n") if one.startswith(links[7].id + " ")]
    assert len(line) == 1 and "stuck" in line[0], line


def test_list_full_backlog():
    """One whose queue of callers is full cannot even be connected to: as good as stuck, and bounded."""
    links = linked(2)
    freeze(links[0])
    path = [p for p in h.control_sockets() if p.endswith(links[0].id[1:])][0]
    callers = []
    while True:
        s = socket.socket(socket.AF_UNIX)
        s.setblocking(False)
        callers.append(s)
        try:
            h.as_thread(h.alice, lambda: s.connect(path))
        except BlockingIOError:
            break
        assert len(callers) < 5000, "there is no end to the backlog"
    seconds, r = best_of(2, lambda: h.ctl("list", "--json", user=h.alice))
    assert {i: row["state"] for i, row in rows(r).items()} == {links[0].id: "stuck", links[1].id: "connected"}
    assert seconds < 0.7 + FAST * h.SLACK, f"{seconds:.3f} s"
    for s in callers:
        s.close()


# ---- terminals
@h.each(80, 200)
def test_width(columns):
    """A table that fits, whatever is in it; the ID is whole, and who it is can be seen."""
    columns, links = int(columns), linked(3)
    freeze(links[0])
    for user in (h.as_user_default(), h.alice):
        r = h.ctl("list", user=user, more_env={"COLUMNS": str(columns)})
        assert r.returncode == 0, r.stderr
        lines = r.stdout.rstrip("\n").split("\n")
        assert len(lines) == 4 and max(map(len, lines)) <= columns, r.stdout
        for link in links:
            assert any(re.match(rf"{link.id} ", line) for line in lines), r.stdout
        assert "USER" in lines[0] and "CLIENT" in lines[0] and "john" in lines[2], r.stdout
        assert ("UNIT" in lines[0]) == (columns == 200), r.stdout


# ---- other users
@h.needs_root
def test_as_another_user():
    """bob sees nothing of alice's and can stop nothing of hers, whatever he calls it."""
    link = linked()[0]
    path = [p for p in h.control_sockets() if p.endswith(link.id[1:])][0]
    assert rows(h.ctl("list", "--json", user=h.bob)) == {}
    assert "john" not in h.ctl("list", user=h.bob).stdout
    for name in (link.id, link.id[1:], str(link.conn.guard())):
        for command in ("info", "stop", "version"):
            r = h.ctl(command, name, user=h.bob)
            assert r.returncode == 3 and "no connection" in r.stderr, (command, name, r)
    for what in (["--all"], ["--user", "john"], ["--user", h.alice.name]):
        r = h.ctl("stop", *what, user=h.bob)
        assert r.returncode == 3 and "no connection to stop" in r.stderr, (what, r)
    r = h.ctl("metrics", user=h.bob)
    assert 'xproxy_connections{state="connected"} 0' in r.stdout, r.stdout
    link.c.send_packet("bell", 1)
    link.s.expect("bell")
    assert os.path.exists(path)


@h.needs_root
def test_list_does_not_believe_a_socket():
    """bob names a socket after alice's connection: it is not taken for it, or for anything."""
    srv = h.Server()
    link = linked(srv=srv)[0]
    conn = h.spawn(h.conf(h.multifile(h.line("mary", "pw", srv.uri, user=h.bob))))
    assert conn.peer.login(x.hello65(username="mary"), "pw").name == "hello"
    s = socket.socket(socket.AF_UNIX)
    name = f"{h.bob.sockets}/{h.HOSTNAME}-proxy-{link.conn.guard()}"
    h.as_thread(h.bob, lambda: s.bind(name))
    h.defer(lambda: os.path.exists(name) and os.unlink(name))
    h.as_thread(h.bob, lambda: s.listen(8))
    h.eventually(lambda: len(h.control_sockets()) == 3, 3, "the control sockets")
    expected = [(h.alice.uid, link.conn.guard(), "connected"), (h.bob.uid, conn.guard(), "connected")]

    def seen():
        found = json.loads(h.ctl("list", "--json").stdout)
        return sorted((row["uid"], row["pid"], row["state"]) for row in found)
    h.eventually(lambda: seen() == expected, 3, lambda: f"only the real ones are listed: {seen()}")
    r = h.ctl("stop", "--user", h.bob.name)
    assert r.returncode == 0 and r.stdout == f":proxy-{conn.guard()} stopped\n", r
    link.c.send_packet("bell", 1)
    link.s.expect("bell")
    s.close()


# ---- stop
@h.each("display", "name", "pid")
def test_stop_by_id(how):
    links = linked(2)
    pid = links[0].conn.guard()
    r = h.ctl("stop", {"display": f":proxy-{pid}", "name": f"proxy-{pid}", "pid": str(pid)}[how], user=h.alice)
    assert r.returncode == 0 and r.stdout == f":proxy-{pid} stopped\n", r
    assert links[0].c.read_end(3) == "server shutdown; socket request"
    assert set(rows(h.ctl("list", "--json", user=h.alice))) == {links[1].id}


@h.timeout(60)
def test_stop_many():
    """All at once; each is told why."""
    links = linked(20)
    began = time.monotonic()
    r = h.ctl("stop", "--all", user=h.alice)
    assert r.returncode == 0, r
    assert sorted(r.stdout.split("\n")) == sorted([""] + [f"{link.id} stopped" for link in links]), r.stdout
    assert time.monotonic() - began < 4 * h.SLACK
    for link in links:
        assert link.c.read_end(3) == "server shutdown; socket request"


def test_stop_stuck():
    """It cannot be stopped politely and there is no unit: that is said, with what would help; the others are
    stopped."""
    links = linked(2)
    freeze(links[0])
    began = time.monotonic()
    r = h.ctl("stop", "--all", user=h.alice)
    assert r.returncode == 1 and time.monotonic() - began < 6 * h.SLACK, r
    assert r.stdout == f"{links[1].id} stopped\n", r
    assert re.search(rf"{links[0].id} is not stopped: it does not answer .*kill -KILL {links[0].conn.guard()}", r.stderr), r
    assert "server shutdown" in links[1].c.read_end(3)


# ---- a bus that is not there, or not well
def test_no_bus_no_noise():
    link = linked()[0]
    for address in ("unix:path=/nonexistent", ""):
        for args in (["list"], ["info", link.id], ["list", "--json"]):
            r = h.ctl(*args, user=h.alice, more_env={"DBUS_SYSTEM_BUS_ADDRESS": address} if address else None)
            assert r.returncode == 0 and not r.stderr, (args, r.stderr)


def test_stuck_bus():
    """A bus that accepts and says nothing costs a bounded time, and then the sockets alone serve."""
    link = linked()[0]
    path = os.path.join(h.make_dir("bus"), "socket")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)
        os.chmod(path, 0o666)
        s.listen(8)
        began = time.monotonic()
        r = h.ctl("list", "--json", user=h.alice, more_env={"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={path}"})
        seconds = time.monotonic() - began
    assert set(rows(r)) == {link.id} and seconds < 3 * h.SLACK, f"{seconds:.1f} s"


@h.each("xproxy-conn", "auth-sqlite.so", "tls.so")
def test_libsystemd_is_not_in(file):
    """Libraries with that many dependencies are for xproxyctl alone."""
    def needed(name):
        out = subprocess.run(["ldd", os.path.join(h.BUILD, name)], capture_output=True, text=True, check=True).stdout
        return "libsystemd" in out
    assert needed("xproxyctl"), "the test looks for the wrong thing"
    assert not needed(file)


# ---- sessions
def sessions(user, modules, as_user=None, **sections):
    r = h.ctl("sessions", user, conf_path=h.conf(*modules, **sections), user=as_user)
    return r.returncode, r.stdout + r.stderr


def test_sessions():
    """The record, whom it runs as, each session with its name and whether it answers, and what would be chosen."""
    srv = h.Server()
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        dead = f"tcp://127.0.0.1:{s.getsockname()[1]}/"
    code, text = sessions("john", [h.multifile(h.line("john", "secret", f"{srv.uri},far=tcp://u:pw2@{dead[6:]},:10"))],
                          as_user=h.as_user_default())
    assert code == 0, text
    assert re.search(r"module: +multifile has a record", text), text
    assert re.search(rf"runs as: +uid {h.alice.uid} ", text), text
    assert re.search(rf"tcp://127\.0\.0\.1:{srv.port}\b.* reachable", text), text
    assert re.search(r"name far NOT reachable: .*refused", text), text
    assert re.search(r":10 +NOT reachable: .*no live session there", text), text
    assert "please specify a display, more than one is available" in text, text
    assert "secret" not in text and "pw2" not in text, "a password is shown"
    code, text = sessions("john", [h.multifile(h.line("john", "secret", srv.uri))], as_user=h.as_user_default())
    assert code == 0 and re.search(rf"\* tcp://127.*reachable\nchosen: +tcp://127.0.0.1:{srv.port}", text), text


def test_sessions_of_sockets():
    """Without a list in the record it is the user's live sockets, and another user's do not count."""
    path = f"{h.alice.sockets}/{h.HOSTNAME}-77"
    h.Server(where=path, user=h.alice)
    code, text = sessions(h.alice.name, ["none"], as_user=h.as_user_default())
    assert code == 0 and re.search(rf"\* :77 +reachable, {path}\nchosen: +:77", text), text
    assert re.search(rf"sessions: 1, the live sockets of uid {h.alice.uid} in .*{h.alice.sockets}", text), text
    if h.ROOT:
        code, text = sessions(h.bob.name, ["none"])
        assert code == 3 and "no displays found" in text, text
        code, text = sessions("john", [h.multifile(h.line("john", "pw", ":77", user=h.bob))])
        assert "NOT reachable" in text, text


@h.needs_root
@h.each("uid 0", "nobody of that name", "not in the file", "empty password", "no session", "several", "no module",
        "broken module")
def test_sessions_as_the_login(case):
    """What is said is what a login of that user would be told, in words and in the exit code."""
    good = h.Server().uri
    line, words, code = {
        "uid 0": (f"john|pw|0|0|{good}", "root", 3),
        "nobody of that name": (None, "no such user", 3),
        "not in the file": (f"jack|pw|{h.alice.uid}|{h.alice.gid}|{good}", "a login is refused", 3),
        "empty password": (f"john||{h.alice.uid}|{h.alice.gid}|{good}", "a login is refused", 3),
        "no session": (h.line("john", "pw", ""), "no displays found", 3),
        "several": (h.line("john", "pw", f"a={good},b={good}"), "more than one is available: a, b", 0),
        "no module": ("", "every login is refused", 3),
        "broken module": ("file(filename=/nonexistent)", "cannot read /nonexistent", 1),
    }[case]
    modules = {"nobody of that name": ["none"], "no module": [], "broken module": [line]}.get(case)
    path = h.conf(*(h.multifile(line),) if modules is None else modules)
    r = h.ctl("sessions", "john", conf_path=path)
    assert r.returncode == code and words in r.stdout, (r.returncode, r.stdout, r.stderr)
    conn = h.spawn(path)
    if case in ("nobody of that name", "no module", "broken module"):
        conn.peer.hello(x.hello65(username="john"))
        assert conn.peer.read_end(5), "the login is not refused"
        return
    p = conn.peer.login(x.hello65(username="john"), "pw")
    assert p.name == "disconnect", "the login is not refused"
    if case in ("no session", "several"):
        assert x.text(p[2]) in r.stdout, (p, r.stdout)


@h.needs_root
def test_sessions_passwords_in_several_rows():
    """A name with several rows: the first is shown, and that there are more."""
    db = os.path.join(h.make_dir("rows", 0o700), "u.sdb")
    for args in (("create",), ("add", "john", "one", str(h.alice.uid), str(h.alice.gid), ":31"),
                 ("add", "john", "two", str(h.alice.uid), str(h.alice.gid), ":32")):
        assert h.ctl("users", db, *args).returncode == 0
    code, text = sessions("john", [f"sqlite(filename={db})"])
    assert code == 0 and ":31" in text and ":32" not in text and "with other passwords" in text, text


@h.needs_root
def test_sessions_as_another_user():
    """Of others only root may ask. One's own can be told as far as one may read."""
    path = h.conf(h.multifile(h.line("john", "pw", ":10")))
    os.chmod(path, 0o600)
    r = h.ctl("sessions", h.alice.name, user=h.bob)
    assert r.returncode == 1 and r.stderr == "xproxyctl: only root may ask for the sessions of another user\n", r
    r = h.ctl("sessions", h.bob.name, user=h.bob, conf_path=path)
    assert r.returncode == 1 and "ermission denied" in r.stderr, r
    os.chmod(path, 0o644)
    r = h.ctl("sessions", h.bob.name, user=h.bob, conf_path=path)
    assert r.returncode == 1 and "cannot read" in r.stdout, r


# ---- check
def check(path, *args, user=None):
    """(exit code, {what: [(level, text)]})"""
    r = h.ctl(*args, "check", conf_path=path, user=user)
    found = {}
    for level, what, text in re.findall(r"^(ok|skipped|warning|error) +([^:]+): (.*)$", r.stdout, re.M):
        found.setdefault(what, []).append((level, text))
    assert re.search(r"^errors: \d+, warnings: \d+$", r.stdout, re.M), r
    return r.returncode, found


def test_check_good():
    path = h.conf(h.multifile(h.line("john", "pw", ":10")))
    code, found = check(path, user=h.as_user_default())
    assert code == 0, found
    assert found["configuration"] == [("ok", path)]
    assert found["module multifile"][0][0] == "ok", found
    assert not [one for lines in found.values() for one in lines if one[0] == "error"], found


@h.each("configuration", "no file", "no module", "no such module", "no password file", "not a database", "readable",
        "user", "socket directory")
def test_check_finds(case):
    """What is broken is found, and what to do about it is said."""
    as_user = h.as_user_default()
    secret = h.make_file("secret", "pw", 0o644 if case == "readable" else 0o600)
    modules = {"no module": [], "no such module": ["nonsense"], "no password file": ["file(filename=/nonexistent/pw)"],
               "not a database": [f"sqlite(filename={secret})"]}.get(case, [f"file(filename={secret})"])
    sections = {"user": {"Listen": {"User": "nobody-of-that-name"}},
                "socket directory": {"Sessions": {"SocketDirs": "/nonexistent/sockets"}},
                "configuration": {"Relay": {"PingInterval": "soon"}}}.get(case, {})
    path = "/nonexistent.conf" if case == "no file" else h.conf(*modules, **sections)
    what, level, words = {
        "configuration": ("configuration", "error", r":\d+: .*soon"),
        "no file": ("configuration", "error", "nonexistent"),
        "no module": ("module", "error", r"set \[Auth\] Module="),
        "no such module": ("module", "error", "unknown module 'nonsense'; there are:.* multifile"),
        "no password file": ("module file", "error", "cannot read /nonexistent/pw"),
        "not a database": ("module sqlite", "error", "not an? .*database"),
        "readable": ("module file", "warning", "chmod"),
        "user": ("user", "warning", "useradd .*nobody-of-that-name"),
        "socket directory": ("socket directory", "warning", "SocketDirs="),
    }[case]
    code, found = check(path, user=as_user)
    assert any(one[0] == level and re.search(words, one[1]) for one in found.get(what, ())), found
    assert code == (1 if level == "error" else 0), (code, found)


def make_certificate(name, days, *args):
    """(certificate, key)"""
    key, cert = (os.path.join(h.SCRATCH, f"{name}-{what}.pem") for what in ("key", "cert"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", key,
                    "-out", cert, "-days", str(days), "-subj", "/CN=test", *(args or ["-nodes"])],
                   check=True, capture_output=True)
    os.chmod(key, 0o600)
    return cert, key


def make_expired():
    """(certificate, key) of last year: only a certificate authority of openssl's lets one choose the dates."""
    d = h.make_dir("ca")
    for name, text in (("index.txt", ""), ("serial", "01\n"),
                       ("ca.conf", f"[ca]\ndefault_ca=c\n[c]\ndir={d}\ndatabase={d}/index.txt\nserial={d}/serial\n"
                        f"new_certs_dir={d}\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n")):
        h.make_file(f"ca/{name}", text)
    _, key = make_certificate("old", 1)
    request, cert = os.path.join(d, "request"), os.path.join(d, "old.pem")
    year = time.gmtime().tm_year
    for cmd in (["req", "-new", "-key", key, "-subj", "/CN=test", "-out", request],
                ["ca", "-batch", "-config", f"{d}/ca.conf", "-selfsign", "-keyfile", key, "-in", request, "-out", cert,
                 "-startdate", f"{year - 2}0101000000Z", "-enddate", f"{year - 1}0101000000Z", "-notext"]):
        subprocess.run(["openssl", *cmd], check=True, capture_output=True)
    return cert, key


@h.each("good", "soon", "expired", "other key", "readable", "encrypted", "no certificate", "missing", "one file",
        "required")
def test_check_tls(case):
    cert, key = make_certificate("a", 3 if case == "soon" else 365)
    level, words = "error", {
        "good": "is valid until 20", "soon": r"expires on 20.*renew", "expired": r"has expired on 20.*renew",
        "other key": "does not belong", "readable": "chmod 600", "encrypted": "encrypted", "no certificate": "no certificate",
        "missing": "No such file", "one file": "is valid until", "required": "does not exist, so nobody can connect"}[case]
    if case in ("good", "one file"):
        level = "ok"
    if case in ("soon", "readable"):
        level = "warning"
    if case == "expired":
        cert, key = make_expired()
    if case == "other key":
        _, key = make_certificate("b", 365)
    if case == "readable":
        os.chmod(key, 0o644)
    if case == "encrypted":
        cert, key = make_certificate("c", 365, "-passout", "pass:x")
    if case == "no certificate":
        cert = h.make_file("none.pem", "nothing\n")
    if case == "missing":
        key = "/nonexistent/key.pem"
    if case == "one file":
        with open(cert) as a, open(key) as b:
            cert = key = h.make_file("both.pem", a.read() + b.read(), 0o600)
    listen = {"RequireTLS": "yes"} if case == "required" else {"TLSCertificate": cert, "TLSKey": key}
    code, found = check(h.conf("none", Listen=listen))
    lines = found["TLS certificate"] + found.get("TLS key", [])
    assert any(one[0] == level and re.search(words, one[1]) for one in lines), lines
    assert code == (1 if level == "error" else 0), found
    if level == "ok":
        assert all(one[0] == "ok" for one in lines), lines


@h.needs_root
def test_check_as_another_user():
    """What one may not read is not called broken."""
    _, key = pair = make_certificate("mine", 365)
    path = h.conf("none", Listen={"TLSCertificate": pair[0], "TLSKey": key})
    os.chmod(pair[0], 0o644)
    code, found = check(path, user=h.bob)
    assert code == 0 and found["TLS key"] == [("skipped", f"{key} may not be read by you; root may")], found


X2GO_FINDINGS = {
    "user": ("X2Go user", "error", "'nobody-of-that-name' does not exist, .*useradd"),
    "root": ("X2Go user", "error", "is root"),
    "no state": ("X2Go state", "error", "No such file.*install -d -m 700"),
    "state's mode": ("X2Go state", "error", "mode 0755.*chmod 700"),
    "state's owner": ("X2Go state", "error", "chown -R"),
    "no profiles": ("X2Go profiles", "error", "No such file"),
    "profiles closed": ("X2Go profiles", "error", "may not read it: chgrp"),
    "broken": ("X2Go profiles", "error", r"profiles:1: .*nobody gets a list"),
    "left out": ("X2Go profiles", "warning", r"profiles:4: sshport=.*: this profile is left out"),
    "left out too": ("X2Go profiles", "warning", r"profiles:6: acl-any-order=.*: this profile is left out"),
    "empty": ("X2Go profiles", "warning", ": 0 profiles$"),
    "http": ("X2Go profiles", "error", "need http in Transports="),
    "auth-id closed": ("X2Go auth-id", "error", "may not read it"),
    "auth-id open": ("X2Go auth-id", "warning", "chmod o-rwx"),
    "no auth-id": ("X2Go auth-id", "error", "set AuthIDFile="),
    "no agent": ("X2Go agent", "error", "/nonexistent/agent: No such file"),
    "agent closed": ("X2Go agent", "error", "may not run it: usermod"),
    "no key": ("X2Go agent", "error", "has no key.*ssh-keygen"),
    "profile's agent": ("X2Go agent", "error", "has no key.*ssh-keygen"),
    "no known hosts": ("X2Go agent", "error", "no server is believed: ssh-keyscan"),
    "good": ("X2Go agent", "ok", "by ssh, with 1 key of"),
    "records": ("X2Go profiles", "ok", "those of the users' own records"),
}


@h.needs_root
@h.each(*X2GO_FINDINGS)
def test_check_x2go(case):
    """The session broker's user, and what that user can read; profiles that are left out, each with its line."""
    u = h.bob
    state = h.make_dir("x2go-state", 0o755 if case == "state's mode" else 0o700, h.alice if case == "state's owner" else u)
    h.make_dir("x2go-state/.ssh", 0o700, u)
    for name in ("known_hosts", "id_rsa", "id_rsa.pub"):
        h.make_file(f"x2go-state/.ssh/{name}", "x", 0o600, u)
    if case in ("no key", "profile's agent"):
        os.chown(os.path.join(state, ".ssh/id_rsa"), 0, 0)
    if case == "no known hosts":
        os.unlink(os.path.join(state, ".ssh/known_hosts"))
    text = {"broken": "nonsense\n", "empty": "", "profile's agent": "[a]\nhost=h\nbroker-agent-query-mode=SSH\n"}.get(
        case, "[a]\nhost=h\n[b]\nsshport=x\n[c]\nacl-any-order=sideways\n" if "left out" in case else "[a]\nhost=h\n")
    profiles = h.make_file("profiles", text, 0o600 if case == "profiles closed" else 0o644)
    authid = h.make_file("authid", "x", {"auth-id closed": 0o600, "auth-id open": 0o644}.get(case, 0o600), h.alice if case == "auth-id closed" else u)
    agent = h.make_file("agent", "#!/bin/sh\n", 0o700)
    keys = {"User": {"user": "nobody-of-that-name", "root": "root"}.get(case, u.name), "State": "/nonexistent/state" if case == "no state" else state,
            "Profiles": {"no profiles": "/nonexistent/profiles", "records": "auth"}.get(case, profiles)}
    if case in ("auth-id closed", "auth-id open"):
        keys["AuthIDFile"] = authid
    if case == "no auth-id":
        keys["RequireAuthID"] = "yes"
    if case in ("no agent", "agent closed"):
        keys.update(Agent="local", AgentCommand=agent if case == "agent closed" else "/nonexistent/agent")
    if case in ("no key", "no known hosts", "good"):
        keys["Agent"] = "ssh"
    code, found = check(h.conf("none", X2Go=keys, Listen={"Transports": "tcp" if case == "http" else "tcp http"}))
    what, level, words = X2GO_FINDINGS[case]
    assert any(one[0] == level and re.search(words, one[1]) for one in found.get(what, ())), found
    assert code == (1 if level == "error" else 0), found
    assert len([1 for name, lines in found.items() for one in lines if name.startswith("X2Go") and one[0] not in ("ok", "skipped")]) == (
        0 if level == "ok" else 2 if "left out" in case else 1), found


def test_check_without_x2go():
    """Who has no X2Go clients hears nothing of them."""
    assert not [what for what in check(h.conf("none"))[1] if "X2Go" in what]


def test_check_agrees_with_check_config():
    """Both look at the configuration: what one refuses the other does not accept."""
    cert, key = make_certificate("a", 365)
    _, other = make_certificate("b", 365)
    aes = {name: h.make_file(f"aes-{name}", text, 0o600) for name, text in
           (("good", "secret\n"), ("empty", ""), ("blank", "\r\n\n"), ("long", "x" * 5000))}
    for modules, listen, good in [(["none"], {"Encryption": "AES-GCM", "EncryptionKeyFile": path}, name == "good")
                                  for name, path in (*aes.items(), ("missing", "/nonexistent"))]:
        path = h.conf(*modules, Listen=listen)
        r = subprocess.run([h.CONN, "-c", path, "--check-config"], capture_output=True, text=True, env=h.program_env(None))
        code, found = check(path)
        assert (r.returncode == 0, code == 0) == (good, good), (modules, listen, r.stderr, found)
        assert found["encryption key"][0][0] == ("ok" if good else "error"), found
    for modules, listen, good in ((["none"], {}, True), (["nonsense"], {}, False),
                                  (["none"], {"TLSCertificate": cert, "TLSKey": key}, True),
                                  (["none"], {"TLSCertificate": cert, "TLSKey": other}, False)):
        path = h.conf(*modules, Listen=listen)
        r = subprocess.run([h.CONN, "-c", path, "--check-config"], capture_output=True, text=True, env=h.program_env(None))
        code, found = check(path)
        assert (r.returncode == 0, code == 0) == (good, good), (modules, listen, r.stderr, found)


# ---- metrics
def families(text):
    """The samples as OpenMetrics' own parser reads them: {(name, labels...): value}; and what Prometheus' older
    parser, which node_exporter has, would not take."""
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
    from prometheus_client.parser import text_string_to_metric_families as older
    found = {}
    for family in openmetrics(text):
        assert family.type in ("gauge", "counter", "histogram"), family
        assert family.documentation, family
        for s in family.samples:
            found[(s.name, *sorted(s.labels.values()))] = s.value
    assert sum(len(family.samples) for family in older(text)) == len(found)
    assert text.endswith("\n# EOF\n")
    return found


def test_metrics():
    links = linked(3, relay={"PingInterval": "1s"})
    for link in links[:2]:
        p = link.c.expect("ping", timeout=4, skip=())
        time.sleep(0.03)
        link.c.send_packet("ping_echo", p[1], 0, 0, 0, 0, p[3])
        link.c.send_packet("bell", "x" * 100)
        link.s.expect("bell")
        link.s.send_packet("bell", "x" * 100)
        link.c.expect("bell")
    freeze(links[2])
    r = h.ctl("metrics", user=h.alice)
    assert r.returncode == 0, r
    got = families(r.stdout)
    assert got[("xproxy_connections", "connected")] == 2 and got[("xproxy_connections", "stuck")] == 1, got
    assert got[("xproxy_connections", "login")] == 0, got
    listed = rows(h.ctl("list", "--json", user=h.alice))
    assert got[("xproxy_live_bytes", "in")] <= sum(row.get("bytes_in", 0) for row in listed.values())
    assert got[("xproxy_live_bytes", "in")] > 200 and got[("xproxy_live_bytes", "out")] > 200, got
    assert got[("xproxy_client_latency_seconds_count",)] == 2, got
    assert got[("xproxy_client_latency_seconds_bucket", "+Inf")] == 2
    assert 0.05 <= got[("xproxy_client_latency_seconds_sum",)] < 2, got
    assert got[("xproxy_client_latency_seconds_bucket", "0.025")] == 0, got
    assert [name for name in got if name[0] == "xproxy_build_info"], got


def test_metrics_without_a_journal():
    """The family is left out, valid all the same; people are told why."""
    r = h.ctl("metrics", user=h.alice)
    got = families(r.stdout)
    assert got[("xproxy_journal_readable",)] == 0 and not [k for k in got if k[0].startswith("xproxy_logins")], got
    assert "no journal that you may read" in r.stderr and "adm" in r.stderr, r.stderr


def test_metrics_full_disk():
    with open("/dev/full", "w") as full:
        r = subprocess.run([h.CTL, "metrics"], stdout=full, stderr=subprocess.DEVNULL)
    assert r.returncode == 1


@h.each("check x", "sessions", "sessions a b", "metrics x", "metrics --json", "check --all", "sessions --user a")
def test_usage(args):
    r = h.ctl(*args.split(), user=h.alice)
    assert r.returncode == 2 and r.stderr and not r.stdout, (r.returncode, r.stdout, r.stderr)
