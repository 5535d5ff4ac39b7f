# SPDX-License-Identifier: GPL-2.0-or-later
"""What whole sessions stand on: a real x2goserver with its agent behind a real sshd, the program as its broker, which
asks the agent over ssh with a key of its own, and the real x2goclient by one of three ways: http, https, ssh.

By ssh nobody has a password: a key of the client's user logs in to the broker, and a temporary one, which the broker
hands out, to the server. So each session by that way is also one of the temporary key."""
import functools

import harness as h
import test_x2go_ssh as ssh
import x2go

PASSWORD, KEY = "usebrokerpass=1", "autologin=1"


@functools.lru_cache(None)
def server():
    return x2go.Server()


def profile(more="", name="Test One", where=None):
    return (f"[one]\nname={name}\nhost={where or f'tsa (127.0.0.1:{server().port})'}\ncommand=xterm\nrootless=1\nuser=bob\nsound=0\nprint=0\n"
            f"soundtunnel=0\n{more}\n")


def broker(profiles=None, known=True, users=None, over="http", **more):
    s = server()
    s.clean()
    x2go.inside("rm", "-f", "/home/bob/.x2go/authorized_keys")
    more = {"Agent": "ssh", "AgentUser": "x2gobroker", **more}
    if over == "ssh":
        made = ssh.broker(profiles or profile(KEY), **{"Autologin": "yes", **more})
    else:
        made = x2go.Broker(profiles or profile(PASSWORD), users=users or {"bob": "sweet1"}, tls=over == "https", **more)
    h.make_dir(f"{made.state}/.ssh", 0o700, made.user)
    h.make_file(f"{made.state}/.ssh/id_ed25519", x2go.text(s.agent_key), 0o600, made.user)
    if known:
        h.make_file(f"{made.state}/.ssh/known_hosts", s.host_key(), 0o600, made.user)
    h.defer(s.clean)
    return made


def client(b, *more, over="http"):
    """bob's; it takes the profile by itself."""
    more = ["--session=Test One", "--add-to-known-hosts", *more]
    if over == "ssh":
        way = ssh.sshd("forced")
        home = x2go.home_with_key(way.key)
        return x2go.Client(way.url(user=h.bob).rstrip("/") + ssh.PROGRAM, f"--broker-ssh-key={home}/.ssh/id_ed25519", *more, home=home)
    more += [f"--broker-cacertfile={b.tls[0]}"] if over == "https" else []
    assert b.url().startswith(over + "://"), b.url()
    return x2go.Client(b.url(user="bob"), *more, password="sweet1")


def shown(c, title="bob@tsa"):
    return c.window(title, 30)


def keys():
    """What may log in as bob on the server."""
    return x2go.text(f"{x2go.THERE}/home/bob/.x2go/authorized_keys")


def suspended(b, over="http"):
    """A session that its user has left: its fields."""
    first = client(b, over=over)
    shown(first)
    server().one()
    first.press_session("suspend")
    session = server().one("S")
    first.close()
    assert not first.crashed()
    return session
