# SPDX-License-Identifier: GPL-2.0-or-later
"""Who logged in from where to which session, when that ended and why, and who was refused: in the journal of a real
systemd, by its fields; and what fail2ban reads there."""
import json
import re
import shlex

import harness as h
import machine
import xpranet
from machine import needs_machine
from test_penalty import INJECTIONS

SECONDS = 80


def configure(m, more=""):
    server = h.Server("3.1.3")
    m.put("/etc/xproxy/users", f"bob|pw|alice|alice|{server.uri}||\ncarl|pw|alice|alice|tcp://127.0.0.1:1/||\n", 0o600)
    m.configure(f"[Auth]\nModule=multifile(filename=/etc/xproxy/users)\n{more}")
    return server


def refused(source, user="bob", password="no"):
    """The words that a login from there gets."""
    peer = machine.client(source)
    p = peer.login(xpranet.hello31(username=user), password, timeout=20)
    assert p.name == "disconnect", p
    peer.close()
    return "; ".join(xpranet.texts(p)[1:])


def records(m, event, source):
    found = [r for r in m.journal(f"XPROXY_EVENT={event}") if r.get("XPROXY_PEER", "").startswith(source + ":")]
    assert all(r["MESSAGE_ID"] and r["_SYSTEMD_UNIT"].startswith("xproxy@") for r in found), found
    return found


@needs_machine
def test_audit(m):
    """A login and its end have the same unit and say the same of who, from where and to where; what was refused says why."""
    server = configure(m)
    peer = machine.log_in(source="127.0.0.41")
    session = server.get()
    session.peer.send_packet("bell", 1, 2, 3, 4, 5, 6, "x" * 2000)
    peer.expect("bell")
    login = h.eventually(lambda: records(m, "login", "127.0.0.41"), 5)[0]
    peer.send_packet("disconnect", "client exit")
    peer.close()
    end = h.eventually(lambda: records(m, "end", "127.0.0.41"), 5)[0]
    port = server.uri.rsplit(":", 1)[1].rstrip("/")
    for r in (login, end):
        assert (r["XPROXY_USER"], r["XPROXY_MODULE"]) == ("bob", "multifile"), r
        assert re.fullmatch(rf"tcp://127\.0\.0\.1:{port}/?", r["XPROXY_UPSTREAM"]), r
        assert r["_SYSTEMD_UNIT"] == login["_SYSTEMD_UNIT"] and r["XPROXY_PEER"] == login["XPROXY_PEER"], r
    assert login["_UID"] == "0" and end["_UID"] == str(m.uids["alice"]), (login["_UID"], end["_UID"])
    assert int(end["XPROXY_BYTES_OUT"]) > 2000 and int(end["XPROXY_BYTES_IN"]) > 0, end
    assert 0 < int(end["XPROXY_DURATION_USEC"]) <= (int(end["__REALTIME_TIMESTAMP"]) - int(login["__REALTIME_TIMESTAMP"])) + 5e6, end
    assert end["XPROXY_END"] == "client-disconnect" and "client exit" in end["MESSAGE"], end

    assert refused("127.0.0.42") == "authentication failed"
    one = h.eventually(lambda: records(m, "refused", "127.0.0.42"), 5)[0]
    assert (one["XPROXY_USER"], one["XPROXY_MODULE"], one["XPROXY_END"]) == ("bob", "multifile", "auth"), one
    assert int(one["XPROXY_DURATION_USEC"]) > 900000 and "XPROXY_UPSTREAM" not in one, one
    assert "session not found" in refused("127.0.0.43", "carl", "pw")
    one = h.eventually(lambda: records(m, "refused", "127.0.0.43"), 5)[0]
    assert one["XPROXY_UPSTREAM"].startswith("tcp://127.0.0.1:1"), one
    # As an administrator asks.
    out = m.shell("journalctl --no-pager -o json --output-fields=XPROXY_USER,XPROXY_PEER,XPROXY_UPSTREAM "
                  "XPROXY_EVENT=login XPROXY_USER=bob --since=-5min").stdout
    assert any(json.loads(line)["XPROXY_PEER"] == login["XPROXY_PEER"] for line in out.splitlines()), out


@needs_machine
def test_penalties(m):
    """Across units; root's table, of a fixed size; the journal says when one begins; `xproxyctl` ends it."""
    configure(m, "[Limits]\nMaxFailures=3\nPenaltyExempt=192.0.2.1\n")
    for _ in range(3):
        assert refused("127.0.0.51") == "authentication failed"
    words = machine.client("127.0.0.51").read_end(10)
    assert words == "disconnect: too many failed logins, try again later\n", words
    machine.log_in(source="127.0.0.52").close()
    h.eventually(lambda: not m.units(), 10, m.units)
    assert m.shell("stat -c '%a %u %s' /run/xproxy/penalties").stdout.split() == ["600", "0", str(512 + (1 << 20))]
    begun = [r for r in m.journal("XPROXY_EVENT=penalty") if r["XPROXY_SOURCE"] == "127.0.0.51"]
    assert len(begun) == 1 and "is refused for 60 s" in begun[0]["MESSAGE"], begun
    explained = m.shell(f"journalctl --no-pager -x MESSAGE_ID={begun[0]['MESSAGE_ID']} -n 1").stdout
    assert "xproxyctl penalties --clear" in explained, explained
    assert records(m, "refused", "127.0.0.51")[-1]["XPROXY_END"] == "penalty"
    assert "127.0.0.51" in m.run("xproxyctl", "penalties").stdout
    r = m.run("xproxyctl", "penalties", user="alice")
    assert "127.0.0.51" not in r.stdout, r.stdout
    assert not m.shell("systemctl list-units --failed --no-legend 'xproxy*'").stdout.strip()
    m.run("xproxyctl", "penalties", "--clear", "127.0.0.51")
    machine.log_in(source="127.0.0.51").close()


@h.needs_tool("fail2ban-regex")
@needs_machine
def test_fail2ban(m):
    """The installed filter, on the journal: the real addresses, neither what names pretend, nor what other users write."""
    configure(m, "[Limits]\nMaxFailures=0\n")
    for user in INJECTIONS:
        refused("127.0.0.61", user)
    m.put("/usr/local/lib/forge.py", "import socket\n"
          "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
          "s.sendto(b\"SYSLOG_IDENTIFIER=xproxy-conn\\nXPROXY_EVENT=refused\\nMESSAGE=refused: user 'a' from 203.0.113.99:1: "
          "authentication failed\\n\", '/run/systemd/journal/socket')\n")
    m.run("/usr/bin/python3", "/usr/local/lib/forge.py", user="alice")
    forged = [r for r in m.journal("XPROXY_EVENT=refused") if "203.0.113.99" in r["MESSAGE"]]
    assert forged and forged[0]["_UID"] == str(m.uids["alice"]), forged
    h.eventually(lambda: len(records(m, "refused", "127.0.0.61")) == len(INJECTIONS), 5)
    match = m.shell("sed -n 's/^journalmatch = //p' /etc/fail2ban/filter.d/xproxy.conf").stdout.strip()
    out = m.shell(f"fail2ban-regex -o '<ip>' -m {shlex.quote(match)} systemd-journal xproxy").stdout
    ips = out.split()
    assert ips.count("127.0.0.61") == len(INJECTIONS), out
    assert not [ip for ip in ips if not ip.startswith("127.0.0.")], out
