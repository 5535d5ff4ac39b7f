# SPDX-License-Identifier: GPL-2.0-or-later
"""The examples of the user's own documents (xpra's wiki pages and manual on the proxy server, and its ticket
426), command by command, with the program where `xpra proxy` stood. Hosts and ports are of this machine."""
import functools
import glob
import os
import pwd
import re
import subprocess

import harness as h
import xpranet as x

SECONDS = 45
SQLITE_AUTH_PY = "/usr/lib/python3/dist-packages/xpra/server/auth/sqlite_auth.py"


@functools.lru_cache(None)
def session(user, number, tcp):
    """xpra start :N [--bind-tcp=...] --start=xterm"""
    return h.RealServer({"alice": h.alice, "bob": h.bob}[user], h.free_display(number), tcp=tcp)


def attach(url, server, *args):
    client = h.RealClient(url, *args)
    client.attached(server.title)
    return client


def own_user():
    """Who "a normal user" is in these examples: the one that runs the proxy."""
    return h.alice


# ---- "Basic Usage" / "Example": allow, foo:bar
@h.needs_xpra
@h.timeout(60)
def test_allow_foo_bar():
    """xpra start :100 --start=xterm; xpra proxy --tcp-auth=allow; xpra attach tcp://foo:bar@PROXYHOST/: run as a normal
    user, whose one session is shown whatever the name and the password."""
    s = session("alice", 500, False)
    proxy = h.Listener(h.conf("allow"), user=own_user())
    for who in (("foo", "bar"), ("anything", "else")):
        client = attach(proxy.url(*who), s)
        client.detach()


@h.needs_xpra
@h.timeout(60)
def test_two_sessions_and_slash_100():
    """"If there is more than one existing session accessible for this user, the client also needs to specify which":
    tcp://foo:bar@PROXYHOST:14501/100; without it the message lists them."""
    s = session("alice", 500, False)
    second = session("alice", 520, False)
    proxy = h.Listener(h.conf("allow"), user=own_user())
    client = h.RealClient(proxy.url("foo", "bar"))
    rc, said = client.ended()
    flat = re.sub(r"\s+", " ", said)
    assert rc and f"please specify a display, more than one is available: :{s.n}, :{second.n}" in flat, said[-1500:]
    for one in (s, second):
        client = attach(proxy.url("foo", "bar", str(one.n)), one)
        client.detach()


@h.needs_root
@h.needs_xpra
def test_root_exposes_all_users():
    """"if you run this command as root, all the user sessions will be exposed": each by its user's name."""
    session("alice", 500, False)
    s = session("bob", 540, False)
    proxy = h.Listener(h.conf("allow"))
    client = attach(proxy.url(h.bob.name, "bar"), s)
    owners = {h.status(pid)["Uid"].split()[0] for pid, _ in h.program_processes()}
    assert "0" not in owners and str(h.bob.uid) in owners, "once authenticated, it no longer runs as root"
    client.detach()


# ---- "File Authentication Example"
@h.needs_xpra
@h.timeout(60)
def test_file_auth_line():
    """john|secretpassword|1000|1000|tcp:HOST:PORT|EXAMPLE_ENV=VALUE|compression=0, a password file made with echo on
    the client (so it ends with a newline, which is cut off there), --username=, old attach syntax."""
    target = session("alice", 560, True)
    users = h.make_file("xpra-auth", f"john|secretpassword|{h.alice.uid}|{h.alice.gid}|tcp:127.0.0.1:{target.port}|"
                        "EXAMPLE_ENV=VALUE|compression=0\n", 0o600)
    proxy = h.Listener(h.conf(f"multifile:filename={users}"))
    password = h.make_file("password.txt", "secretpassword", 0o600)
    client = attach(f"tcp:127.0.0.1:{proxy.port}", target, "--username=john", f"--password-file={password}")
    log = proxy.log()
    assert "EXAMPLE_ENV" in log, f"an environment name that is not let through is not mentioned:\n{log}"
    client.detach()
    client = attach(f"tcp://john:secretpassword@127.0.0.1:{proxy.port}/", target)
    client.detach()


@h.needs_xpra
def test_compression_0_reaches_the_server():
    """"ie: compression=0 will disable compression between the proxy and server"."""
    target = session("alice", 560, True)
    users = h.make_file("xpra-auth-0", f"john|secretpassword|{h.alice.uid}|{h.alice.gid}|tcp:127.0.0.1:{target.port}||"
                        "compression=0\n", 0o600)
    proxy = h.Listener(h.conf(f"multifile,filename={users}"))
    client = attach(f"tcp://john:secretpassword@127.0.0.1:{proxy.port}/", target)
    r = h.xpra("info", f"tcp://127.0.0.1:{target.port}/")
    levels = re.findall(r"^client(?:\.\d+)?\.connection\.compression_level=(\d+)", r.stdout, re.M)
    assert "0" in levels, [line for line in r.stdout.split("\n") if "compression_level" in line]
    client.detach()


# ---- "Remote Hosts Example"
@functools.lru_cache(None)
def sqlite_db():
    """python $SQLITE_AUTH_PY ./xpra-auth.sdb create / add foo bar nobody nobody tcp://... / add moo cow ... "" compression=0"""
    if not os.path.exists(SQLITE_AUTH_PY):
        raise h.Skip("xpra's sqlite_auth.py is not installed")
    d = h.make_dir("documents", 0o755)
    first, second = session("alice", 560, True), session("alice", 580, True)
    for args in (["create"], ["add", "foo", "bar", "nobody", "nobody", f"tcp://127.0.0.1:{first.port}/"],
                 ["add", "moo", "cow", "nobody", "nobody", f"tcp://127.0.0.1:{second.port}/", "", "compression=0"],
                 ["add", "both", "pw", "", "", f"tcp://127.0.0.1:{first.port}/,tcp://127.0.0.1:{second.port}/"]):
        r = subprocess.run(["/usr/bin/python3", SQLITE_AUTH_PY, "./xpra-auth.sdb", *args], capture_output=True, text=True,
                           cwd=d, timeout=30)
        assert r.returncode == 0, (args, r.stdout, r.stderr)
    return os.path.join(d, "xpra-auth.sdb"), first, second


@h.needs_xpra
@h.timeout(60)
def test_sqlite_foo_and_moo():
    """xpra attach tcp://foo:bar@PROXYHOST/ shows the first session, tcp://moo:cow@ the second; as nobody."""
    db, first, second = sqlite_db()
    proxy = h.Listener(h.conf(f"sqlite,filename={db}"))
    for (name, password), target in ((("foo", "bar"), first), (("moo", "cow"), second)):
        client = attach(proxy.url(name, password), target)
        if h.ROOT:
            owners = {h.status(pid)["Uid"].split()[0] for pid, _ in h.program_processes()}
            assert str(pwd.getpwnam("nobody").pw_uid) in owners and "0" not in owners, owners
        client.detach()


@h.needs_xpra
def test_sqlite_password_file():
    """echo -n "bar" > ./password.txt; xpra attach --password-file=./password.txt tcp://foo@$PROXYHOST:14501/"""
    db, first, _ = sqlite_db()
    proxy = h.Listener(h.conf(f"sqlite:filename={db}"))
    password = h.make_file("password-bar.txt", "bar")
    client = attach(proxy.url("foo"), first, f"--password-file={password}")
    client.detach()


@h.needs_xpra
def test_two_sessions_in_csv():
    """"you can specify more than one remote session string for each username and password pair using CSV format": the
    client then says which in its URL. uid and gid omitted: nobody."""
    db, first, second = sqlite_db()
    proxy = h.Listener(h.conf(f"sqlite(filename={db})"))
    client = h.RealClient(proxy.url("both", "pw"))
    rc, said = client.ended()
    assert rc and f"127.0.0.1:{second.port}" in said, said[-1500:]
    # 3.1.3 cannot say a URL in its URL (it takes every slash for its own); a name it can
    named = h.Listener(h.conf(h.multifile(h.line("both", "pw", f"one={first.uri}, two={second.uri}"))))
    client = attach(named.url("both", "pw", "two"), second)
    client.detach()


@h.needs_xpra
def test_password_in_the_session_string():
    """"for authentication between the proxy and the real server, just specify the username and password in the
    connection string"."""
    target = h.RealServer(h.alice, h.free_display(600), args=["--tcp-auth=password:value=serverpw"])
    spec = h.multifile(h.line("foo", "bar", f"tcp://{h.alice.name}:serverpw@127.0.0.1:{target.port}/"))
    proxy = h.Listener(h.conf(spec))
    client = attach(proxy.url("foo", "bar"), target)
    client.detach()
    target.stop()


# ---- "Info and Control", "Stopping"
@h.needs_xpra
def test_list_info_stop():
    """Proxy instances show as :proxy-PID in `xpra list`; `xpra info` and `xpra stop` on that name work; and the ids seen
    with network tools (lsof, netstat) are the same."""
    target = session("alice", 560, True)
    proxy = h.Listener(h.conf(h.multifile(h.line("foo", "bar", target.uri))))
    client = attach(proxy.url("foo", "bar"), target)
    h.eventually(h.control_sockets, 3, "the control socket")
    r = h.xpra("list")
    names = re.findall(r"LIVE session at (:proxy-(\d+))", r.stdout)
    assert len(names) == 1, r.stdout
    name, pid = names[0]
    assert int(pid) in [p for p, _ in h.program_processes()], "the number is not a process's"
    r = h.xpra("info", name)
    assert r.returncode == 0 and "proxy.version=" in r.stdout, r.stdout
    r = h.xpra("stop", name)
    rc, said = client.ended(10)
    assert "server shutdown" in said, said[-1500:]
    assert not glob.glob(os.path.join(h.alice.sockets, "*-proxy-*"))


@h.needs_xpra
def test_info_is_augmented():
    """"the response is augmented with some extra information from the proxy server"."""
    target = session("alice", 560, True)
    conn = h.spawn(h.conf(h.multifile(h.line("foo", "bar", target.uri))), encoder=x.RENCODE)
    p = conn.peer.login(x.hello31(username="foo", share=True), "bar")
    assert p.name == "hello", x.texts(p)
    conn.peer.send_packet("info-request", ["3028b4a8ec2bcb3d8ad5e00b77797075a8563812"], [], [])
    while (p := conn.peer.read_packet(15)).name != "info-response":
        pass
    keys = [str(k) for k in x.texts(p[1])]
    assert any(k.startswith("proxy") for k in keys), sorted(keys)[:50]
    assert any(not k.startswith("proxy") for k in keys), "nothing of the server itself is left"
