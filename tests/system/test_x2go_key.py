# SPDX-License-Identifier: GPL-2.0-or-later
"""Keys for one login, shown to a real sshd: what they are good for, for how long, and that nothing is left of them."""
import functools
import os
import re
import shutil
import subprocess
import time

import harness as h
import test_sshd

SECONDS = 90
PROBE = os.path.join(h.BUILD, "x2go-probe")
# What x2gobroker-agent does with a line: appends it unless it is there; sed takes it out again.
AGENT = r"""#!/bin/sh -e
case $2 in
addauthkey) mkdir -p "${4%/*}"; touch "$4"; grep -qxF -e "$3" "$4" || printf '%s\n' "$3" >>"$4" ;;
delauthkey) sed -e "s!^$3\$!!" -e '/^$/d' -i "$4" ;;
*) exit 1 ;;
esac
"""


@functools.lru_cache(None)
def sshd():
    if not os.path.exists(PROBE):
        raise h.Skip("build/x2go-probe is not built")
    return test_sshd.Sshd("X11Forwarding yes\nAllowTcpForwarding yes\n"
                         "PermitTTY yes\nLogLevel VERBOSE")


def keys_file():
    return os.path.join(h.SCRATCH, f"sshd-{sshd().port}", "keys")


def lines():
    with open(keys_file(), encoding="utf8") as f:
        return f.read().splitlines()


@functools.lru_cache(None)
def state():
    return h.make_dir("x2go-state", 0o700)


def probe(*args, env=None):
    agent = h.make_file("agent", AGENT, 0o755)
    return subprocess.run([PROBE, args[0], state(), agent, *map(str, args[1:])], capture_output=True, text=True, timeout=20,
                          check=False, env=dict(os.environ, **(env or {})))


def offer(lifetime=60, expiry="utc", pubkey=""):
    """A key that is there: the file of the private one."""
    r = probe("offer", h.alice.name, keys_file(), lifetime, expiry, pubkey)
    assert r.returncode == 0, r
    return h.make_file(f"key-{time.monotonic_ns()}", r.stdout, 0o600) if r.stdout else None


def log_in(key, *command, options=()):
    port = sshd().port
    return subprocess.run(["ssh", "-F", "none", "-i", key, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o",
                           "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-p",
                           str(port), *options, "-l", h.alice.name, "127.0.0.1", *command], capture_output=True, text=True,
                          timeout=20, check=False, stdin=subprocess.DEVNULL,
                          env=dict(os.environ, DISPLAY=":77", SSH_AUTH_SOCK=""))


def fresh():
    with open(keys_file(), "w", encoding="utf8"):
        pass
    for name in os.listdir(state()):
        shutil.rmtree(os.path.join(state(), name), ignore_errors=True)


def test_good_for():
    """A terminal and ports in both directions; no X11, no agent, no commands at login."""
    fresh()
    key = offer()
    assert re.fullmatch(r'restrict,pty,port-forwarding,expiry-time="\d{14}Z" ssh-rsa AAAA\S+ bob@192.0.2.1', lines()[0]), lines()
    r = log_in(key, "tty", options=("-tt",))
    assert r.returncode == 0 and r.stdout.startswith("/dev/pts/"), r
    r = log_in(key, "echo in")
    assert r.stdout == "in\n", r
    there = h.free_port()
    r = log_in(key, "printenv DISPLAY SSH_AUTH_SOCK; true", options=("-X", "-A", "-R", f"127.0.0.1:{there}:127.0.0.1:{sshd().port}",
                                                                       "-o", "ExitOnForwardFailure=yes"))
    assert r.returncode == 0 and r.stdout == "", r
    # through the server to itself: a port forwarded
    r = log_in(key, options=("-W", f"127.0.0.1:{sshd().port}"))
    assert r.stdout.startswith("SSH-2.0-"), r
    assert "X11 forwarding" not in r.stdout, r


def test_control():
    """The same key without our options does get a display: so what refuses it above are they."""
    fresh()
    key = offer()
    if not shutil.which("xauth"):
        raise h.Skip("xauth is not installed")
    with open(keys_file(), "w", encoding="utf8") as f:
        f.write(subprocess.run(["ssh-keygen", "-y", "-f", key], capture_output=True, text=True, check=True).stdout)
    r = log_in(key, "printenv DISPLAY", options=("-X",))
    assert r.stdout.startswith("localhost:"), r


@h.each("utc|UTC0", "utc|XXX-9", "utc|XXX11")
def test_expires(spec):
    """Without anybody's removing it, and whatever time zone the broker is in."""
    expiry, zone = spec.split("|")
    fresh()
    r = probe("offer", h.alice.name, keys_file(), 5, expiry, "", env={"TZ": zone})
    key = h.make_file("key-expires", r.stdout, 0o600)
    assert log_in(key, "echo in").stdout == "in\n", (lines(), sshd().log())
    time.sleep(7)
    r = log_in(key, "echo in")
    assert r.returncode == 255 and "in\n" not in r.stdout, (r, lines())
    assert "Refused by key options" in sshd().log(), sshd().log()


def test_older_servers():
    """They know no Z: the time is that of the last zone, so no server refuses the key too early."""
    fresh()
    key = offer(expiry="late")
    assert 'Z"' not in lines()[0] and "expiry-time=" in lines()[0], lines()
    assert log_in(key, "echo in").stdout == "in\n", sshd().log()
    fresh()
    key = offer(expiry="none")
    assert "expiry" not in lines()[0]
    assert log_in(key, "echo in").stdout == "in\n", sshd().log()


def test_removed():
    """Others' lines stay."""
    fresh()
    with open(keys_file(), "w", encoding="utf8") as f:
        f.write("ssh-ed25519 AAAAsomebody else\n")
    keys = [offer(lifetime=60 + 100 * i) for i in range(3)]
    assert len(lines()) == 4
    r = probe("sweep", 0)
    assert r.stdout == "removed 1 failed 0 kept 2\n", r  # offered as a minute ago
    r = probe("sweep", 300)
    assert r.stdout == "removed 2 failed 0 kept 0\n", r
    assert lines() == ["ssh-ed25519 AAAAsomebody else"], lines()
    assert log_in(keys[0], "echo in").returncode == 255
    assert os.listdir(os.path.join(state(), "keys")) == []


@h.each("rsa", "ed25519", "ecdsa")
def test_key_of_the_client(kind):
    """Only the key of what the client sends is kept."""
    fresh()
    key = os.path.join(h.make_dir(f"client-{kind}"), "key")
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "me", "-f", key], check=True)
    with open(key + ".pub", encoding="utf8") as f:
        public = f.read().strip()
    assert offer(pubkey="no-X11-forwarding,no-pty,no-user-rc " + public) is None
    assert len(lines()) == 1 and lines()[0].startswith("restrict,pty,port-forwarding,expiry-time="), lines()
    assert log_in(key, "tty", options=("-tt",)).stdout.startswith("/dev/pts/")
    for bad in ('command="id" ' + public, public + "\n" + public, public[:-10], "ssh-rsa AAAA"):
        r = probe("offer", h.alice.name, keys_file(), 60, "utc", bad)
        assert r.returncode == 1 and "public key" in r.stderr, (bad, r)
    assert len(lines()) == 1


def test_agent_fails():
    """No key is handed out that was not put there."""
    fresh()
    r = probe("offer", h.alice.name, "/proc/nonsense/keys", 60, "utc", "")
    assert r.returncode == 1 and r.stdout == "" and "EREMOTEIO" in r.stderr, r
