# SPDX-License-Identifier: GPL-2.0-or-later
"""Modules under the installed units, as they are: what those forbid is nothing that a module needs."""

import harness as h
import machine
import xpranet
from machine import needs_machine

SECONDS = 40


def program(m, body, options=""):
    """exec with a script that is its second module; the first says yes and has bob's session."""
    m.put("/usr/local/bin/decide", f"#!/bin/sh\n{body}\n", 0o755)
    server = h.Server("3.1.3")
    m.put("/etc/xproxy/users", f"bob|pw|alice|alice|{server.uri}||\n", 0o600)
    m.configure("[Auth]\nModule=multifile(filename=/etc/xproxy/users)\n"
                f"Module=exec(command=/usr/local/bin/decide{options})\n[Limits]\nLoginTimeout=3s\n")
    return server


@needs_machine
def test_exec(m):
    """A program runs as nobody, decides, and its words are in the journal of the connection's unit."""
    program(m, 'echo "$XPROXY_USER is $(id -un), $(id -G)" >&2; [ "$XPROXY_USER" = bob ]')
    peer = machine.log_in()
    said = h.eventually(lambda: [r for r in m.journal("-u", "xproxy@*") if "decide says" in r["MESSAGE"]], 5, "its words")
    assert "'bob is nobody, 65534'" in said[-1]["MESSAGE"], said[-1]["MESSAGE"]
    peer.close()
    h.eventually(lambda: not m.units(), 5, m.units)


@needs_machine
def test_exec_hangs(m):
    """The login's timeout ends it, and nothing is left of the unit, not even what the program has started."""
    program(m, "sleep 1000 & setsid sleep 1000 & wait", ",timeout=100")
    peer = machine.client()
    caps = xpranet.hello31(username="bob")
    peer.hello(caps)
    peer.answer(peer.expect("challenge"), caps, "pw")
    assert "login timeout" in machine.catching_words(peer)
    h.eventually(lambda: not m.units(), 8, m.units)
    # of a process that is gone already the journal may not know the unit
    refused = h.eventually(lambda: m.journal("XPROXY_EVENT=refused"), 5, "the refusal's line")[-1]
    assert "login timeout (module exec was given up" in refused["MESSAGE"], refused["MESSAGE"]
    left = m.shell("ps -eo args | grep '[s]leep 1000'", check=False).stdout
    assert not left, left


@needs_machine
def test_exec_times_out(m):
    """It is ended with all that it has started, while the connection goes on; another program has the sessions."""
    server = h.Server("3.1.3")
    m.put("/usr/local/bin/decide", "#!/bin/sh\nsleep 1001 & setsid sleep 1001 & wait\n", 0o755)
    m.put("/usr/local/bin/knows", '#!/bin/sh\n[ "$XPROXY_USER $(id -un)" = "bob nobody" ] || exit 1\n'
          f'echo \'{{"uid": "alice", "gid": "alice", "displays": ["{server.uri}"]}}\'\n', 0o755)
    m.put("/etc/xproxy/users", "bob|pw\n", 0o600)
    m.configure("[Auth]\nModule=exec(command=/usr/local/bin/decide,timeout=1) || multifile(filename=/etc/xproxy/users)\n"
                "[Sessions]\nRegistry=exec(command=/usr/local/bin/knows)\n")
    peer = machine.log_in()
    assert m.units()
    left = m.shell("ps -eo args | grep '[s]leep 1001'", check=False).stdout
    assert not left, left
    peer.close()
    h.eventually(lambda: not m.units(), 5, m.units)


@needs_machine
def test_hosts_and_peercred(m):
    """By the network and by a unix socket, with the groups of the one who connects."""
    m.put("/etc/hosts.allow", "xproxy: 127.0.0.1 unix\n")
    m.put("/etc/hosts.deny", "ALL: ALL\n")
    m.configure("[Auth]\nModule=hosts\nModule=peercred(gid=games)\n")
    m.shell("usermod -aG games bob")
    m.restart_socket("[Socket]\nListenStream=/run/test.sock\nSocketMode=0666\n")
    script = ("import socket,sys; s = socket.socket(socket.AF_UNIX); s.connect('/run/test.sock'); "
              f"s.sendall(bytes.fromhex('{xpranet.build(['hello', xpranet.hello31(username='x')], xpranet.RENCODE).hex()}')); "
              "s.settimeout(5); print(s.recv(200))")
    for user, event in (("bob", "in"), ("alice", "out")):
        said = m.run("/usr/bin/python3", "-c", script, user=user, check=False).stdout
        h.eventually(lambda: not m.units(), 8, m.units)
        lines = h.eventually(lambda: [r["MESSAGE"] for r in m.journal("XPROXY_EVENT=refused")
                                      if f"unix uid {m.uids[user]} " in r["MESSAGE"]], 5, f"a line of {user}'s; told was {said}")
        # bob has no session, which is what he is told then: he is in
        assert ("authentication failed" in lines[-1]) == (event == "out"), lines
        assert (f"user '{user}'" in lines[-1]) == (event == "in"), lines
