# SPDX-License-Identifier: GPL-2.0-or-later
"""Session profiles, as others read the same: Python's configparser the file of them, for which x2gobroker has it, and
Qt's QSettings what x2goclient is told."""
import configparser
import json
import os
import random
import subprocess

import harness as h


def probe(what, text):
    program = os.path.join(h.BUILD, "profiles-probe")
    if not os.path.exists(program):
        raise h.Skip(f"{program} was not built: make build/profiles-probe")
    path = os.path.join(h.SCRATCH, "profiles")
    with open(path, "w", encoding="utf-8", newline="") as f:
        f.write(text)
    r = subprocess.run([program, what, path], capture_output=True, text=True, timeout=20)
    assert r.returncode == 0, f"{r.stderr!r} for {text!r}"
    return r.stdout


# ------------------------------------------------------------------------------------------------ configparser
def as_python(text):
    """{section: {key: value}}, or None: it does not take that."""
    # DEFAULT is one of them here: what is in it is of no interest to the reader.
    parser = configparser.RawConfigParser(default_section="\0")
    parser.optionxform = str
    path = os.path.join(h.SCRATCH, "profiles")
    with open(path, "w", encoding="utf-8", newline="") as f:
        f.write(text)
    try:
        parser.read(path, encoding="utf-8")
    except configparser.Error:
        return None
    return {s: dict(parser.items(s)) for s in parser.sections()}


def as_ours(text):
    """The same; that something is there twice is found by who takes it."""
    found = {}
    for line in probe("ini", text).splitlines():
        entry = json.loads(line)
        if isinstance(entry, int):
            return None
        section = found.get(entry[0])
        if len(entry) == 1:
            if section is not None:
                return None
            found[entry[0]] = {}
        else:
            if entry[1] in section:
                return None
            section[entry[1]] = entry[2]
    return found


PIECES = ["[a]", "[b]", "[", "]", "[a] # x", "k", "l", "m n", "=", ":", " = ", " : ", "v", "w, x", "#", ";", " # y", "\n", "\n",
          "\n", "\n ", "\n\t", "\n  ", "\n\n", "\r\n", "\r", " ", "\t", "\n# c", "\n ; c", "ä€😀", "%(k)s", "'", '"']


@h.timeout(300)
def test_read_as_configparser_does():
    dice = random.Random(1)
    good = 0
    for i in range(1500):
        text = "[a]\n" * (i % 4 > 0) + "".join(dice.choice(PIECES) for _ in range(dice.randrange(1, 25)))
        if i % 2:  # lines that are right more often
            text = "[a]\n" + "".join(f"{' ' * dice.choice((0, 0, 1, 2))}{dice.choice(('k%d = v' % j, 'w', '', '[s%d]' % j, '# c'))}\n"
                                     for j in range(dice.randrange(1, 12)))
        expected = as_python(text)
        assert as_ours(text) == expected, f"{text!r}: {as_ours(text)}, not {expected}"
        good += expected is not None
    assert good > 300, f"only {good} of the texts were any good"


# ------------------------------------------------------------------------------------------------- QSettings
NASTY = ["Comma, list", "Semi;colon", "Back\\slash", 'he said "x"', "Zoë", "Zoëab", "€uro", "😀b", "@Invalid()", "@@x", "@",
         "a<br>b", "x=y", "[z]", "%41%20", "a/b", "\\x41", "ÿ9", "# no", "; no", "'", "START_USER_SESSIONS", "1", "true", "a\tb",
         "é" * 300, "~!$&*()+-.:?^_`{|}"]


def settings(text):
    try:
        from PyQt5.QtCore import QSettings
    except ImportError:
        raise h.Skip("python3-pyqt5 is not installed")
    path = os.path.join(h.SCRATCH, "list.ini")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text.replace("<br>", "\n"))  # as the client does
    s = QSettings(path, QSettings.IniFormat)
    assert s.status() == QSettings.NoError
    return s


def test_read_by_qsettings():
    dice = random.Random(2)
    letters = "ab9fgX ,;\"\\@%=[]<>br/äßé€😀𝄞~'"
    values = NASTY + [("x" + "".join(dice.choice(letters) for _ in range(dice.randrange(12))) + "x") for _ in range(400)]
    text, expected = "", {}
    for i in range(0, len(values), 100):
        part = {f"k{i + j}": v for j, v in enumerate(values[i:i + 100])}
        text += f"[p{i}]\nname=Pröfile; {i}\n" + "".join(f"{k} = {v}\n" for k, v in part.items())
        expected[f"p{i}"] = part
    told = probe("list", text)
    assert told.isascii() and "<" not in told and "\r" not in told
    s = settings(told)
    assert s.childGroups() == sorted(expected), s.childGroups()
    for group, part in expected.items():
        for key, value in part.items():
            assert s.value(f"{group}/{key}") == value, f"{key}: {s.value(f'{group}/{key}')!r}, not {value!r}"
        assert s.value(f"{group}/name") == f"Pröfile; {group[1:]}"


def test_types_by_qsettings():
    s = settings(probe("list", "[General]\nfullscreen=yes\nsound=off\nwidth=1024\nhost=a (b:1), c\napplications=A, B C\n"
                               "rdpoptions=-u X,-p \"Y\"\nacl-users-allow=bob\n[p q]\ncommand=gnome\napplications=\n"))
    assert s.childGroups() == ["_General", "p-q"], s.childGroups()
    s.beginGroup("_General")
    assert s.value("fullscreen") == "1" and s.value("sound") == "0" and s.value("width") == "1024"
    assert s.value("fullscreen", type=bool) is True and s.value("sound", type=bool) is False
    assert s.value("host") == "a,c"
    assert s.value("applications") == ["A", "B C"]
    assert s.value("rdpoptions") == '-u X,-p "Y"'
    assert s.value("name") == "General" and not s.contains("acl-users-allow")
    s.endGroup()
    assert s.value("p-q/command") == "GNOME" and s.value("p-q/rootless", type=bool) is False
    assert s.value("p-q/name") == "p q" and s.value("p-q/applications") == ""


def test_example():
    with open(os.path.join(h.ROOT_DIR, "units", "examples", "x2go-profiles.conf"), encoding="utf-8") as f:
        text = f.read()
    p = json.loads(probe("json", text))
    assert sorted(p) == ["accounting", "desktop", "pool"]
    assert p["pool"]["host"] == ["tsa", "tsb", "tsc"] and p["pool"]["name"] == "Pool/XFCE, all of it"
    assert p["desktop"]["command"] == "XFCE" and p["desktop"]["rootless"] is False
    assert p["accounting"]["command"] == "/usr/bin/books" and p["accounting"]["rootless"] is True


def test_json_has_types():
    p = json.loads(probe("json", "[p]\nname=Zoë\nfullscreen=yes\nwidth=1024\nhost=a (b:1), c\nusebrokerpass=1\nown=x\n"))["p"]
    assert p["name"] == "Zoë" and p["fullscreen"] is True and p["width"] == 1024 and p["host"] == ["a", "c"]
    assert "usebrokerpass" not in p and "own" not in p
