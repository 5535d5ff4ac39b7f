# SPDX-License-Identifier: GPL-2.0-or-later
"""Many clients of the session broker at once, each with authids that change with every request: none gets lost, none
is good twice, and none is good for anybody else. Each request is a process of its own; what they share is State=."""
import os
import threading
import time

import harness as h
import x2go

SECONDS = 120
CLIENTS = 32


def together(n, f):
    """f(0) ... f(n - 1) at once; what they return."""
    got, failures, gate = [None] * n, [], threading.Barrier(n)

    def run(i):
        try:
            gate.wait(30)
            got[i] = f(i)
        except Exception as e:  # noqa: BLE001 - raised again below
            failures.append((i, e))
    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for i, e in failures:
        raise AssertionError(f"client {i} of {n}: {e}") from e
    return got


@h.timeout(120)
def test_chains():
    """32 clients, five requests each."""
    broker = x2go.Broker(users={f"user{i}": f"pw{i}" for i in range(CLIENTS)}, AuthIDGrace="0")

    def chain(i):
        answer = broker.list(f"user{i}", f"pw{i}")
        ids = [answer.authid]
        for task in ("one", "two", "one", None):
            answer = broker.select(task, ids[-1], f"user{i}") if task else broker.list(f"user{i}", "", ids[-1])
            assert answer.granted and (not task or answer.server == "127.0.0.1:9"), answer
            ids.append(answer.authid)
        return ids
    chains = together(CLIENTS, chain)
    ids = [one for chain in chains for one in chain]
    assert len(set(ids)) == len(ids) == CLIENTS * 5 and all(ids), ids
    for i in range(0, CLIENTS, 8):  # only the last one of each is good
        for old in chains[i][:-1]:
            assert not broker.select("one", old, f"user{i}").granted, (i, old)
        assert broker.select("one", chains[i][-1], f"user{i}").granted


@h.timeout(60)
def test_race():
    """One authid, asked with 32 times at once: one wins."""
    broker = x2go.Broker(AuthIDGrace="0")
    authid = broker.list().authid
    got = together(CLIENTS, lambda i: broker.select("one", authid))
    assert sum(one.granted for one in got) == 1, [one.granted for one in got]
    assert all(one.status == 200 for one in got), got
    assert broker.select("two", next(one.authid for one in got if one.granted)).granted


@h.timeout(60)
def test_grace():
    """For a moment the last one is good again, as a client may have asked twice at once; then it is not, and one
    before that never is."""
    broker = x2go.Broker(AuthIDGrace="3s")
    first = broker.list().authid
    second = broker.select("one", first).authid
    began = time.monotonic()
    again = broker.select("one", first)
    assert again.granted and again.authid, again
    time.sleep(max(0, 4 - (time.monotonic() - began)))
    assert not broker.select("one", first).granted
    good = [one for one in {second, again.authid} if broker.select("one", one).granted]
    assert good, "neither is good"


@h.timeout(60)
def test_stolen():
    """From another address, or by another user: refused; and its owner has not lost it by that."""
    broker = x2go.Broker(users={"test": "sweet", "joe": "pw"}, AuthIDGrace="0")
    authid = broker.list().authid
    assert not broker.select("one", authid, source="127.0.0.2").granted
    assert not broker.select("one", authid, user="joe").granted
    assert not broker.select("one", authid, user="TEST").granted
    assert not broker.select("one", authid, user="").granted
    assert broker.select("one", authid).granted
    broker.logged("127.0.0.2.*auth-id")


def test_address_may_change():
    broker = x2go.Broker(VerifyAddress="no")
    assert broker.select("one", broker.list().authid, source="127.0.0.2").granted


@h.timeout(60)
def test_replayed():
    broker = x2go.Broker(AuthIDGrace="1s")
    first = broker.list().authid
    assert broker.select("one", first).granted
    time.sleep(2)
    for _ in range(3):
        assert not broker.select("one", first).granted
    # nor with the password: clients send it each time, so who has the one has the other
    assert not broker.select("one", first, password="sweet").granted
    assert broker.select("one", "", password="sweet").granted


@h.timeout(60)
def test_nothing_piles_up():
    """Spent ones and those that nobody came back with are removed some time."""
    broker = x2go.Broker(AuthIDTimeout="2s", AuthIDGrace="1s")
    together(16, lambda i: broker.list())
    time.sleep(3)
    broker.sweep()

    def count():
        return sum(len(files) for _, _, files in os.walk(broker.state))
    h.eventually(lambda: count() <= 6, 5, lambda: f"{count()} files: {list(os.walk(broker.state))}")


@h.timeout(200)
def test_real_clients():
    """32 times x2goclient; the id in a file is what they have in common."""
    value = "preset-0123456789abcdef"
    path = h.make_file("preset", value + "\n", 0o644)
    broker = x2go.Broker(auth=["none"], AuthIDFile=path, RequireAuthID="yes", AuthIDGrace="0")
    clients = [x2go.Client(broker.url(user=f"user{i}"), "--broker-noauth", "--session=Test One", f"--auth-id={path}", offscreen=True)
               for i in range(CLIENTS)]
    for one in clients:
        one.logged("Starting connection to server:.*127.0.0.1:9", 150)
    ids = set()
    for one in clients:
        assert not one.crashed()
        used = [request.rsplit("authid=", 1)[1].split("&")[0] for request in one.requests()]
        assert used[0] == value and len(used) >= 2 and used[1] != value, used
        ids.add(used[1])
    assert len(ids) == CLIENTS
