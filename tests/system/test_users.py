#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`xproxyctl users`, alone and against xpra's own sqlite_auth.py (skipped where xpra is missing).

XPROXY_BUILD names the folder with xproxyctl, by default build. Needs no root.
"""
import os
import pty
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import termios
import time
import unittest

BUILD = os.path.abspath(os.environ.get("XPROXY_BUILD", "build"))
PACKAGES = "/usr/lib/python3/dist-packages"
HAVE_XPRA = os.path.exists(PACKAGES + "/xpra/server/auth/sqlite_auth.py")


def result(command, **kw):
    p = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                       universal_newlines=True, **kw)
    return p.returncode, p.stdout, p.stderr


class Users(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.db = os.path.join(self.dir.name, "users.sdb")

    def tearDown(self):
        self.dir.cleanup()

    def ctl(self, *args, stdin="", **kw):
        return result([BUILD + "/xproxyctl", "users", self.db, *args], input=stdin, **kw)

    def ok(self, *args, **kw):
        code, out, err = self.ctl(*args, **kw)
        self.assertEqual(code, 0, err)
        return out

    def refused(self, expected, text, *args, **kw):
        code, out, err = self.ctl(*args, **kw)
        self.assertEqual(code, expected, out + err)
        self.assertIn(text, err)
        self.assertEqual(out, "")

    def xpra(self, *args):
        return result(["/usr/bin/python3", "-m", "xpra.server.auth.sqlite_auth", self.db, *args],
                      cwd=PACKAGES)

    def rows(self):
        db = sqlite3.connect(self.db)
        try:
            return db.execute("SELECT * FROM users").fetchall()
        finally:
            db.close()

    def test_create(self):
        self.refused(1, "users FILE create", "list")
        self.assertFalse(os.path.exists(self.db))
        self.ok("create")
        self.assertEqual(os.stat(self.db).st_mode & 0o777, 0o600)
        self.ok("add", "alice", "pw")
        before = self.rows()
        self.refused(1, "already", "create")
        self.assertEqual(self.rows(), before)

    def test_create_in_an_existing_file(self):
        open(self.db, "w").close()
        self.refused(1, "no table of users", "add", "a", "b")
        self.ok("create")
        self.ok("add", "a", "b")

    def test_create_fails(self):
        self.db = "/nonexistent/x"
        self.refused(1, "cannot create /nonexistent/x: No such file", "create")
        self.db = self.dir.name
        self.refused(1, "not a regular file", "create")
        self.db = self.dir.name + "/text"
        with open(self.db, "w") as f:
            f.write("alice|secret\n" * 1000)
        self.refused(1, "not an sqlite database", "create")

    def test_add_and_list(self):
        self.ok("create")
        self.ok("add", "alice", "s3cr3t")
        self.ok("add", "bob", "p|w;=", "1000", "users", ":10,tcp://h:1/", "A=1;B=2", "c=d")
        self.assertEqual(self.rows(), [
            ("alice", "s3cr3t", str(os.getuid()), str(os.getgid()), "", "", ""),
            ("bob", "p|w;=", "1000", "users", ":10,tcp://h:1/", "A=1;B=2", "c=d")])
        out = self.ok("list")
        self.assertNotIn("s3cr3t", out)
        self.assertRegex(out, r"\nbob      \| \*{4}     \| 1000 *\| users *\| "
                              r":10,tcp://h:1/ \| A=1;B=2 \| c=d\n")
        self.assertEqual({line.find(" | ") for line in out.split("\n") if "|" in line}, {8})

    def test_same_password_twice(self):
        self.ok("create")
        self.ok("add", "a", "x", "1", "1")
        self.assertEqual(self.ctl("add", "a", "y", "1", "1"), (0, "", ""))
        code, _, err = self.ctl("add", "a", "x", "1", "1")
        self.assertEqual(code, 0)
        self.assertIn("already has a row with this password", err)
        self.assertEqual(len(self.rows()), 3)

    def test_bad_arguments(self):
        self.ok("create")
        for args in (("a|b", "x"), ("", "x"), ("/a", "x"), ("a\nb", "x"), ("u" * 256, "x"),
                     (" a", "x"), ("a", ""), ("a", "x" * 1025), ("a", "x", "4294967295"),
                     ("a", "x", "1;2"), ("a", "x", "1", "-1 "), ("a", "x", "1", "1", "a\tb"),
                     ("a", "x", "1", "1", ":" * 8192), ("a", "x", "1", "1", "", "novalue"),
                     ("a", "x", "1", "1", "", "", "=x"),
                     ("a", "x", "1", "1", "", "", "", "eighth"), ()):
            code, out, err = self.ctl("add", *args)
            self.assertEqual((code, out), (2, ""), args)
            self.assertNotEqual(err, "")
        self.assertEqual(self.rows(), [])
        for args in ((), ("nothing",), ("list", "x"), ("create", "x"), ("remove",), ("passwd",),
                     ("passwd", "a", "b"), ("authenticate",)):
            self.refused(2, "usage:", *args)
        self.assertEqual(result([BUILD + "/xproxyctl", "users"])[0], 2)
        self.db = "postgresql://127.0.0.1:1/x"
        self.refused(1, "port 1 failed: Connection refused", "list")

    def test_hashes(self):
        self.ok("create")
        self.ok("add", "--hash", "a", "open sesame", "1", "1", ":1")
        self.ok("add", "--hash=scram", "a", "-", "1", "1", ":2", stdin="another\n")
        stored = [row[1] for row in self.rows()]
        self.assertTrue(stored[0].startswith("$y$") and stored[1].startswith("SCRAM-SHA-256$4096:"), stored)
        self.assertIn("displays: :2", self.ok("authenticate", "a", "another"))
        self.refused(1, "authentication failed", "authenticate", "a", stored[0])
        self.refused(1, "cannot look like a hash", "add", "b", stored[0])
        code, _, err = self.ctl("add", "b", "plain", "1", "1")
        self.assertEqual(code, 0)
        self.assertIn("--hash", err)
        out = self.ok("list")
        self.assertEqual((out.count("(hash)"), out.count("****"), out.count("sesame")), (2, 1, 0))
        self.assertEqual(self.ok("remove", "a", "another"), "1 row removed\n")
        self.ok("passwd", "a", stdin="third\n")
        self.assertIn("success", self.ok("authenticate", "a", "third"))
        self.assertTrue(self.rows()[0][1].startswith("$y$"), "no longer hashed")
        self.ok("passwd", "--hash=scram", "b", stdin="fourth\n")
        self.assertTrue(self.rows()[1][1].startswith("SCRAM-"))
        self.refused(2, "usage:", "add", "--hash=md5", "c", "x")
        self.refused(2, "usage:", "list", "--hash")

    def test_migrate(self):
        db = sqlite3.connect(self.db)
        db.execute("CREATE TABLE users (username VARCHAR(255) NOT NULL, password VARCHAR(255), uid VARCHAR(63), "
                   "gid VARCHAR(63), displays VARCHAR(8191), env_options VARCHAR(8191), session_options VARCHAR(8191))")
        db.execute("INSERT INTO users VALUES ('a', 'b', '1', '1', ':1', '', '')")
        db.commit()
        db.close()
        os.chmod(self.db, 0o600)
        conf = self.dir.name + "/conf"
        with open(conf, "w") as f:
            f.write(f"[Auth]\nModule=sqlite(filename={self.db})\n")
        check = [BUILD + "/xproxyctl", "-c", conf, "check"]
        before = open(self.db, "rb").read()
        self.assertIn("schema version 0, xpra's; 1 has an index", result(check)[1])
        self.assertEqual(before, open(self.db, "rb").read())
        self.assertEqual(self.ok("migrate"), "version 0, now 1\n")
        self.assertEqual(self.ok("migrate"), "version 1, nothing to do\n")
        self.assertIn("schema version 1\n", result(check)[1])
        self.assertEqual(self.rows(), [("a", "b", "1", "1", ":1", "", "")])
        if HAVE_XPRA:
            code, out, err = self.xpra("authenticate", "a", "b")
            self.assertTrue(code == 0 and "success" in out, out + err)

    def test_remove(self):
        self.ok("create")
        for password in "x", "y", "z":
            self.ok("add", "a", password, "1", "1")
        self.ok("add", "b", "x", "1", "1")
        self.refused(3, "no such user with this password", "remove", "a", "q")
        self.refused(3, "no such user", "remove", "c")
        self.assertEqual(self.ok("remove", "a", "y"), "1 row removed\n")
        self.assertEqual(self.ok("remove", "a", "-", stdin="z\n"), "1 row removed\n")
        self.ok("add", "a", "y", "1", "1")
        self.assertEqual(self.ok("remove", "a"), "2 rows removed\n")
        self.assertEqual([r[0] for r in self.rows()], ["b"])

    def test_passwd(self):
        self.ok("create")
        self.ok("add", "a", "x", "1", "1")
        self.ok("add", "b", "x", "1", "1")
        self.ok("passwd", "a", stdin="new one\r\nrest")
        self.assertEqual([r[:2] for r in self.rows()], [("a", "new one"), ("b", "x")])
        self.refused(3, "no such user", "passwd", "c", stdin="x\n")
        self.refused(1, "no password was given", "passwd", "a")
        self.refused(1, "no password was given", "passwd", "a", stdin="\n")
        self.ok("add", "a", "x", "1", "1")
        self.refused(1, "2 rows with different passwords", "passwd", "a", stdin="y\n")

    def test_password_from_stdin(self):
        self.ok("create")
        self.ok("add", "a", stdin="no end of line")
        self.ok("add", "b", "-", "1", "1", stdin="b\nc\n")
        self.ok("add", "c", stdin="x" * 1024 + "\n")
        self.refused(1, "longer than 1024 bytes", "add", "d", stdin="x" * 1025 + "\n")
        self.refused(1, "NUL", "add", "d", stdin="a\0b\n")
        self.assertEqual([r[1] for r in self.rows()], ["no end of line", "b", "x" * 1024])

    def test_authenticate(self):
        self.ok("create")
        self.ok("add", "a", "x", "7", "8", ":1", "E=1", "o=2")
        out = self.ok("authenticate", "a", "x")
        self.assertEqual(out, "success\n  uid: 7\n  gid: 8\n  displays: :1\n  env: E=1\n"
                              "  options: o=2\n")
        self.assertEqual(self.ok("authenticate", "a", stdin="x\n"), out)
        self.refused(1, "authentication failed", "authenticate", "a", "y")
        self.refused(1, "authentication failed", "authenticate", "b", "x")

    def test_terminal_is_not_driven(self):
        self.ok("create")
        db = sqlite3.connect(self.db)
        db.execute("INSERT INTO users(username, password) VALUES('a\x1b[2Jb\x9bc\u00e9', NULL)")
        db.commit()
        db.close()
        out = self.ok("list")
        self.assertIn("a?[2Jb?c\u00e9", out)
        self.assertIn("(none)", out)

    def test_open_to_everyone(self):
        self.ok("create")
        os.chmod(self.db, 0o644)
        self.assertIn("chmod 600", self.ctl("list")[2])

    def test_locked(self):
        self.ok("create")
        db = sqlite3.connect(self.db)
        db.execute("BEGIN EXCLUSIVE")
        self.refused(1, "locked by another program", "add", "a", "b")
        db.close()
        self.ok("add", "a", "b")

    def test_full_disk(self):
        self.ok("create")
        self.ok("add", "a", "x", "1", "1")
        size = os.stat(self.db).st_size

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        code, _, err = self.ctl("add", "b", "y", "1", "1", ":" * 8000, preexec_fn=limit)
        self.assertEqual(code, 1)
        self.assertIn("nothing was changed", err)
        self.assertEqual([r[:2] for r in self.rows()], [("a", "x")])
        self.ok("add", "b", "y", "1", "1", ":" * 8000)
        if os.path.exists("/dev/full"):
            with open("/dev/full", "w") as full:
                p = subprocess.run([BUILD + "/xproxyctl", "users", self.db, "list"], stdout=full,
                                   stderr=subprocess.PIPE, timeout=60)
            self.assertEqual(p.returncode, 1)

    def test_killed_while_writing(self):
        """A journal left behind is rolled back by the next use."""
        self.ok("create")
        self.ok("add", "a", "x", "1", "1")
        script = ("import sqlite3, os, sys; db = sqlite3.connect(sys.argv[1]);"
                  "db.execute('PRAGMA cache_size=1'); db.execute('PRAGMA cache_spill=1');"
                  "db.execute('BEGIN');"
                  "[db.execute('INSERT INTO users(username) VALUES(?)', ('y' * 3000,))"
                  " for _ in range(50)]; os.kill(os.getpid(), 9)")
        subprocess.run([sys.executable, "-c", script, self.db])
        self.assertTrue(os.path.exists(self.db + "-journal"))
        self.assertNotIn("yyy", self.ok("list"))
        self.assertFalse(os.path.exists(self.db + "-journal"))

    def terminal(self, args, answers, sig=None):
        """Answers prompts on a pseudo terminal: exit status, what was shown, echo at the end."""
        pid, fd = pty.fork()
        if pid == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background job ignores it
            os.execv(BUILD + "/xproxyctl", ["xproxyctl", "users", self.db, *args])
        shown, echo = b"", None
        try:
            for answer in answers:
                start = len(shown)
                while b": " not in shown[start:]:
                    shown += os.read(fd, 1000)
                self.assertFalse(termios.tcgetattr(fd)[3] & termios.ECHO)
                os.write(fd, answer)
            if sig:
                os.kill(pid, sig)
            time.sleep(0.1)
            while True:
                data = os.read(fd, 1000)
                if not data:
                    break
                shown += data
        except OSError:
            pass
        try:
            echo = bool(termios.tcgetattr(fd)[3] & termios.ECHO)
        except termios.error:
            pass
        status = os.waitpid(pid, 0)[1]
        os.close(fd)
        return status, shown.decode(), echo

    def test_prompt(self):
        self.ok("create")
        status, shown, _ = self.terminal(("add", "a"), (b"s3cr3t\n", b"s3cr3t\n"))
        self.assertEqual(os.WEXITSTATUS(status), 0, shown)
        self.assertNotIn("s3cr3t", shown)
        self.assertEqual(self.rows()[0][1], "s3cr3t")
        status, shown, _ = self.terminal(("passwd", "a"), (b"x\n", b"y\n", b"new\n", b"new\n"))
        self.assertEqual(os.WEXITSTATUS(status), 0, shown)
        self.assertIn("not the same", shown)
        self.assertEqual(self.rows()[0][1], "new")
        status, shown, _ = self.terminal(("authenticate", "a"), (b"new\n",))
        self.assertEqual(os.WEXITSTATUS(status), 0, shown)
        status, shown, _ = self.terminal(("passwd", "a"), (b"1\n", b"2\n") * 3)
        self.assertEqual(os.WEXITSTATUS(status), 1, shown)

    def test_interrupted_prompt(self):
        self.ok("create")
        for answer, sig in ((b"half\x03", None), (b"half", signal.SIGTERM)):
            status, _, echo = self.terminal(("add", "a"), (answer,), sig)
            self.assertTrue(os.WIFSIGNALED(status))
            self.assertIsNot(echo, False)
        self.assertEqual(self.rows(), [])

    def test_password_leaves_the_command_line(self):
        self.ok("create")
        db = sqlite3.connect(self.db)
        db.execute("BEGIN EXCLUSIVE")  # makes it wait after it took its arguments
        db.execute("COMMIT")
        db.execute("BEGIN IMMEDIATE")
        p = subprocess.Popen([BUILD + "/xproxyctl", "users", self.db, "add", "a", "s3cr3t"],
                             stderr=subprocess.DEVNULL)
        time.sleep(1)
        with open("/proc/%d/cmdline" % p.pid) as f:
            line = f.read()
        db.close()
        self.assertEqual(p.wait(), 0)
        self.assertIn("add", line)
        self.assertNotIn("s3cr3t", line)

    @unittest.skipUnless(HAVE_XPRA, "xpra is not installed")
    def test_ours_for_xpra(self):
        self.ok("create")
        self.ok("add", "alice", "one", "1000", "1001", ":10,:11", "A=b", "c=d")
        self.ok("add", "alice", "two", "1000", "1001", ":12")
        code, out, err = self.xpra("authenticate", "alice", "one")
        self.assertEqual(code, 0, err)
        self.assertIn("(1000, 1001, [':10', ':11'], {'A': 'b'}, {'c': 'd'})", out)
        self.assertIn("[':12']", self.xpra("authenticate", "alice", "two")[1])
        self.assertNotEqual(self.xpra("create")[0], 0)
        self.assertEqual(self.xpra("add", "bob", "three")[0], 0)
        self.assertIn("3 rows found", self.xpra("list")[1])
        self.assertEqual(self.xpra("remove", "alice", "one")[0], 0)
        self.assertEqual([r[:2] for r in self.rows()], [("alice", "two"), ("bob", "three")])

    @unittest.skipUnless(HAVE_XPRA, "xpra is not installed")
    def test_xpras_for_us(self):
        self.assertEqual(self.xpra("create")[0], 0)
        schema = self.schema()
        self.assertEqual(self.xpra("add", "alice", "one", "1000", "1001", ":10", "A=b", "c=d")[0], 0)
        self.assertEqual(self.xpra("add", "bob", "two")[0], 0)
        self.refused(1, "already", "create")
        self.assertIn("displays: :10\n", self.ok("authenticate", "alice", "one"))
        self.ok("add", "carol", "three")
        self.ok("passwd", "bob", stdin="new\n")
        self.assertEqual(self.xpra("authenticate", "bob", "new")[0], 0)
        self.assertEqual(self.ok("remove", "alice", "one"), "1 row removed\n")
        self.assertEqual([r[0] for r in self.rows()], ["bob", "carol"])
        os.unlink(self.db)
        self.ok("create")
        self.assertEqual(self.schema(), schema)

    def schema(self):
        db = sqlite3.connect(self.db)
        try:
            return db.execute("PRAGMA table_info(users)").fetchall()
        finally:
            db.close()


if __name__ == "__main__":
    unittest.main()
