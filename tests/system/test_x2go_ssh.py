# SPDX-License-Identifier: GPL-2.0-or-later
"""The session broker by way of a real sshd: as the forced command of its accounts, and as a remote command; with keys,
by the dialogue that x2goclient holds, and by the real x2goclient."""
import functools
import os
import re
import subprocess
import uuid

import harness as h
import test_sshd
import x2go

SECONDS = 120
SOCKET = "/run/xproxy/x2go.sock"
PROGRAM = x2go.HELPER


@functools.lru_cache(None)
def sshd(how):
    """forced: whatever is asked, the program is run; remote: as a command that the client names."""
    x2go.needs_program()
    return test_sshd.Sshd(f"ForceCommand {PROGRAM}\n" if how == "forced" else "", key_options="no-port-forwarding,no-X11-forwarding ")


def broker(profiles=x2go.PROFILES, **more):
    """The program on the socket of this machine's users."""
    os.makedirs(os.path.dirname(SOCKET), exist_ok=True)
    made = x2go.Broker(profiles, auth=["peercred"], address=SOCKET, **more)
    os.chmod(SOCKET, 0o666)
    return made


def dialogue(server, arguments, user=None):
    """What stands between the marks, for that command line; asked as the client does."""
    mark = uuid.uuid4()
    inner = f'export PATH="/usr/local/bin:/usr/bin:/bin";export TERM="dumb"; {PROGRAM} {arguments}'
    r = server.run(f'bash -l -c \'echo "X2GODATABEGIN:{mark}"; {inner}; echo "X2GODATAEND:{mark}";\'', user=user)
    m = re.fullmatch(rf"X2GODATABEGIN:{mark}\n(.*)X2GODATAEND:{mark}\n", r.stdout, re.S)
    assert m, r
    assert not r.stderr, r
    return x2go.Answer(200, {}, m[1].encode())


@h.each("forced", "remote")
@h.timeout(60)
def test_dialogue(how):
    broker()
    server = sshd(how)
    r = server.run('echo "LOGIN OK"')
    assert (r.returncode, r.stdout, r.stderr) == (0, "LOGIN OK\n", ""), r
    me = h.alice.name
    first = dialogue(server, f"--user {me} --task listsessions")
    assert first.granted and list(first.profiles) == ["one", "two"], first
    read = x2go.qsettings(first)
    assert read["two"]["user"] == me, read
    second = dialogue(server, f"--user {me} --authid {first.authid} --task listsessions")
    assert second.granted and second.authid != first.authid, second
    third = dialogue(server, f'--user {me} --task selectsession --sid "one" --authid {second.authid} --login {me}')
    assert third.server == "127.0.0.1:9", third
    assert dialogue(server, f"--authid {third.authid} --task testcon").granted
    event = (f'--user {me} --task clientevent --sid "bob-50-1795158914_stRxterm_dp24" --event CONNECTED --server "127.0.0.1" '
             '--client "" --login "bob" --cmd "xterm" --display "50" --start "20.11.26 07:15:16" --elapsed 3')
    assert dialogue(server, event + ' --version "4.1.2.4" --os linux').granted
    answer = dialogue(server, f"--user {me} --authid {third.authid} --task setpass --newpass secret")
    assert "PASSWORD CHANGED: FAILED\n" in answer.body, answer


@h.each("forced", "remote")
@h.timeout(60)
def test_only_oneself(how):
    """Who it is, sshd knows. "No" is said in words on stdout, which brings the client's form back."""
    broker("[a]\nhost=h\nacl-users-allow=alice\n[b]\nhost=h\nacl-users-allow=bob\n".replace("alice", h.alice.name).replace("bob", h.bob.name))
    server = sshd(how)
    for claimed in (h.alice.name, h.bob.name, "root"):
        answer = dialogue(server, f"--user {claimed} --task listsessions")
        assert not answer.granted or list(answer.profiles) == ["a"], (claimed, answer)
    assert list(dialogue(server, f"--user {h.bob.name} --task listsessions", user=h.bob).profiles) == ["b"]
    wrong = dialogue(server, f"--user {h.alice.name} --authid {'x' * 36} --task listsessions")
    assert wrong.body == "Access denied\n", wrong
    for one in ("--sid b", "--sid none"):
        answer = dialogue(server, f"--user {h.alice.name} --task selectsession {one}")
        assert "SERVER" not in answer.body and answer.body.endswith("Access denied\n"), answer


@h.timeout(60)
def test_token_of_another_user():
    """It is its user's on this machine, whatever address the client says that it is at."""
    broker()
    server = sshd("forced")
    token = dialogue(server, f"--user {h.alice.name} --task listsessions").authid
    stolen = dialogue(server, f"--user {h.alice.name} --authid {token} --task listsessions", user=h.bob)
    assert stolen.body == "Access denied\n", stolen
    assert dialogue(server, f"--user {h.alice.name} --authid {token} --task listsessions").granted


@h.timeout(60)
def test_authid_required():
    broker(RequireAuthID="yes")
    for more in ("", f"--authid {'x' * 36}"):
        answer = dialogue(sshd("forced"), f"--user {h.alice.name} {more} --task listsessions")
        assert answer.body == "Access denied\n", answer


@h.each(";touch {c}", "$(touch {c})", "`touch {c}`", "'; touch {c}; '", '"; touch {c}; "', "| touch {c}", "&& touch {c}", "> {c}", "\\\ntouch {c}")
@h.timeout(60)
def test_forced_command_runs_nothing_else(text):
    """An account without a shell: whatever is asked, nothing else is run."""
    broker()
    server, canary = sshd("forced"), os.path.join(h.alice.home, "canary")
    text = text.format(c=canary)
    for asked in (text, f"{PROGRAM} --task listsessions {text}", f'{PROGRAM} --user "{text}" --task listsessions',
                  f"bash -l -c 'echo \"X2GODATABEGIN:1\"; {text}; echo \"X2GODATAEND:1\";'",
                  f'bash -l -c \'echo "X2GODATABEGIN:{text}"; {PROGRAM} --task listsessions; echo "X2GODATAEND:1";\'',
                  f'echo "LOGIN OK" {text}'):
        server.run(asked)
        assert not os.path.exists(canary), asked


@h.timeout(60)
def test_forced_command_refuses():
    """A shell, sftp, another program: no."""
    broker()
    server = sshd("forced")
    for asked in ((), ("id",), ("/bin/sh",), ("cat", "/etc/passwd"), ("internal-sftp",)):
        r = server.run(*asked)
        assert "uid=" not in r.stdout and "root:" not in r.stdout and "granted" not in r.stdout, r


@h.timeout(60)
def test_no_broker():
    """Nobody listens: the client shows its user what is said on stderr."""
    r = sshd("remote").run(PROGRAM, "--task", "listsessions")
    assert r.returncode != 0 and not r.stdout and SOCKET in r.stderr, r


@h.each("forced", "remote")
@h.timeout(60)
def test_client_leaves(how):
    """Its request ends with it, however long the agents take."""
    h.make_dir("slow", 0o777)
    asked, answered = (os.path.join(h.SCRATCH, "slow", f"{name}-{how}") for name in ("asked", "answered"))
    agent = h.make_file("slow-agent", f"#!/bin/sh\n: >>{asked}\nsleep 5\n: >>{answered}\necho OK\n", 0o755)
    b = broker(Agent="local", AgentCommand=agent)
    server = sshd(how)
    asks = subprocess.Popen([*server.ssh("-p", str(server.port)), "-l", h.alice.name, "127.0.0.1", PROGRAM, "--task", "listsessions"],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    h.eventually(lambda: os.path.exists(asked), 10, b.log)
    assert asks.poll() is None and "closed:" not in b.log(), b.log()
    asks.kill()
    assert asks.communicate()[0] == b""
    b.logged("closed before its answer", 3)
    assert not os.path.exists(answered), "the agent was waited for"
    h.eventually(lambda: os.path.exists(answered), 20, "the agent has had its time")


@h.each("forced", "remote")
@h.timeout(90)
def test_client(how):
    """The real client with a key: list, select, up to the server's port."""
    broker()
    server = sshd(how)
    home = x2go.home_with_key(server.key)
    client = x2go.Client(server.url().rstrip("/") + PROGRAM, f"--broker-ssh-key={home}/.ssh/id_ed25519", "--add-to-known-hosts",
                         "--session=Test One", home=home)
    client.logged("Reading 2 sessions from config file")
    client.logged("Starting connection to server:.*127.0.0.1:9")
    assert not client.crashed()


@h.timeout(90)
def test_client_password():
    """Where sshd asks for one: a wrong password brings the form back, the right one the list."""
    broker()
    server = sshd("forced")
    hashed = subprocess.run(["openssl", "passwd", "-6", "sweet"], check=True, capture_output=True, text=True).stdout.strip()
    h._own_line("/etc/shadow", h.alice.name, f"{h.alice.name}:{hashed}:19000:0:99999:7:::")
    client = x2go.Client(server.url().rstrip("/") + PROGRAM, "--add-to-known-hosts", "--session=Test One", password="wrong")
    client.press("^(?!X2Go Client)")
    assert "Failed password for" in server.log(), server.log()
    client.log_in("sweet")
    client.logged("Reading 2 sessions from config file")
    client.logged("Starting connection to server:.*127.0.0.1:9")
    assert not client.crashed()


@h.timeout(90)
def test_client_autologin():
    """With the keys of its user's own; no form is shown."""
    broker()
    server = sshd("forced")
    home = x2go.home_with_key(server.key)
    client = x2go.Client(server.url().rstrip("/") + PROGRAM, "--broker-autologin", "--add-to-known-hosts", "--session=Test One", home=home)
    client.logged("Starting connection to server:.*127.0.0.1:9")
