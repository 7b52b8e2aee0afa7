"""A directory's entries are changed by compare-and-set: a real slapd, kills, other writers, policies."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.site import read_config
from mailauth.errors import Refused
from mailauth.hashes import Password, Verdict, generate, verify
from mailauth.lab import Lab
from mailauth.lab.slapd import PEOPLE, READER, Slapd
from mailauth.lab.stores.ldap import LdapStore
from mailauth.migrate import where
from mailauth.migrate.where import Bind
from mailauth.stores.directory_table import DirectoryTable
from mailauth.stores.swaps import Key, Row, Swap
from tests.cli.running import ROOT
from tests.migrate.conftest import secret
from tests.stores.apart import apart

MakeLab = Callable[..., Lab]
WRITER, WORD = "cn=writer,dc=lab", "of the writer"
COUNT = 160
KILLS = 5
ODD = f"cn=\\23 \\22o\\22\\2C ö\\5C+uid=odd\\2C\\3B,{PEOPLE}"
RULES = ("--prefix", "--rehash", "ARGON2ID", "--profile", "owasp-7")
BIND = Bind(WRITER, Password(WORD.encode()))


def bare(number: int) -> str:
    return generate("BLF-CRYPT", Password(secret(number)), cost=4).removeprefix("{BLF-CRYPT}")


def entry(uid: str, *stored: str, cn: str = "x") -> dict[str, list[str]]:
    more = {"userPassword": list(stored)} if stored else {}
    return {"objectClass": ["inetOrgPerson"], "uid": [uid], "cn": [cn], "sn": ["x"], **more}


def slapd(lab: Lab) -> Slapd:
    assert isinstance(lab.store, LdapStore)
    return lab.store.server


def again(lab: Lab, more: str = "") -> None:
    """With a name that may write, and more settings."""
    server = slapd(lab)
    rules = "".join(
        f'access to {what} by dn.exact="{WRITER}" {may} by dn.exact="{READER}" read'
        " by anonymous auth by * none\n"
        for what, may in (("attrs=userPassword", "write"), ("*", "read"))
    )
    server.stop()
    server.configure(more, rules)
    server.start()


def has_writer(lab: Lab) -> None:
    who = {"objectClass": ["applicationProcess", "simpleSecurityObject"], "cn": ["writer"]}
    slapd(lab).add({WRITER: {**who, "userPassword": [WORD]}})
    again(lab)
    lab.restart()


def held(lab: Lab) -> dict[str, list[str]]:
    """Every entry's values, in their order."""
    found = slapd(lab).search(PEOPLE, "(uid=*)", "userPassword")
    return {name: values.get("userPassword", []) for name, values in found}


@dataclass
class Commands:
    """mailauth migrate, on one lab's directory."""

    lab: Lab
    folder: Path
    at: tuple[str, ...]

    def words(self, *words: str) -> list[str]:
        file = self.folder / "password"
        file.touch(mode=0o600)
        file.write_text(f"{WORD}\n")
        bind = ("--bind-dn", WRITER, "--bind-password-file", str(file))
        return [sys.executable, "-m", "mailauth", "migrate", *words, *self.at, *bind]

    def begin(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.words(*words),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"MAILAUTH_STATE": str(self.folder), "COVERAGE": ""},
            cwd=ROOT,
        )

    def run(self, *words: str, status: int = 0) -> str:
        process = self.begin(*words)
        out, err = process.communicate()
        assert process.returncode == status, out + err
        return out + err

    @property
    def head(self) -> dict[str, str]:
        """Of the migration; nothing where none has begun."""
        found = list(self.folder.glob("migrate/*/head.json"))
        return dict(json.loads(found[0].read_text())) if found else {}

    def journal(self) -> int:
        """Bytes; 0 where there is none yet."""
        return sum(path.stat().st_size for path in self.folder.glob("migrate/*/rows"))

    def longer(self, size: int) -> bool:
        return self.journal() > size

    def killed(self, words: tuple[str, ...], until: Callable[[], bool], chance: random.Random) -> bool:
        """Whether it was killed, a moment after ``until``; it may have ended before."""
        process = self.begin(*words)
        while process.poll() is None and not until():
            time.sleep(0.001)
        time.sleep(chance.random() * 0.03)
        process.kill()
        process.communicate()
        return process.returncode == -9


@contextmanager
def commands(lab: MakeLab, folder: Path, version: str, store: str = "ldap") -> Iterator[Commands]:
    with lab(version, store, {}, "auth_failure_delay = 0\n") as one:
        has_writer(one)
        at = ("-c", str(one.config)) if version < "2.4" else ("--pid", str(one.master_pid))
        yield Commands(one, folder, at)


@dataclass
class People:
    """Half of them get a prefix, half a new scheme; ``known``: their passwords, by the entry's name."""

    lab: Lab

    def __post_init__(self) -> None:
        stored = [bare(n) if n % 2 else "{PLAIN}" + secret(n).decode() for n in range(COUNT)]
        users = {f"uid=u{n},{PEOPLE}": entry(f"u{n}", stored[n]) for n in range(COUNT)}
        slapd(self.lab).add({**users, f"uid=two,{PEOPLE}": entry("two", bare(COUNT), "{PLAIN}behind it")})
        slapd(self.lab).add({ODD: entry("odd,;", bare(COUNT), cn='# "o", ö\\')})
        self.before = held(self.lab)
        self.known = {name: secret(n) for n, name in enumerate(users)}

    def judged(self, wanted: str = "") -> None:
        """Each entry has its old value or a new one that verifies, before its others; or all ``wanted``."""
        now = held(self.lab)
        assert now.keys() == self.before.keys()
        for name, values in now.items():
            old = self.before[name]
            assert values[1:] == old[1:]
            word = Password(self.known.get(name, secret(COUNT)))
            is_new = values != old and verify(values[0], word).verdict is Verdict.MATCH
            assert values == old if wanted == "old" else is_new or (not wanted and values == old), name


def test_killed_at_any_moment_each_entry_is_old_or_new_and_undo_is_exact(
    lab: MakeLab, tmp_path: Path
) -> None:
    """Somebody else writes before the undo, and keeps it."""
    chance = random.Random(16)  # noqa: S311 - moments
    with commands(lab, tmp_path, "2.4.1", "ldap-starttls") as one:
        people = People(one.lab)
        apply = ("apply", *RULES, "--apply", "--batch", "8", "--jobs", "1")
        resume: tuple[str, ...] = ()
        for _ in range(KILLS):
            most = one.journal() + chance.randrange(1, 4000)
            was_killed = one.killed((*apply, *resume), partial(one.longer, most), chance)
            people.judged()
            resume = ("--resume", one.head["id"]) if one.head else ()
            if not was_killed:
                break
        if one.head.get("state") != "applied":
            one.run(*apply, *resume)
        people.judged("new")
        assert all(one.lab.login(f"u{n}", secret(n)).ok for n in range(0, COUNT, 40))
        name = f"uid=u0,{PEOPLE}"
        slapd(one.lab).remove([name])
        slapd(one.lab).add({name: entry("u0", "{PLAIN}another")})
        undo = ("undo", one.head["id"], "--apply")
        one.killed((*undo, "--rate", "200"), lambda: len(_back(people)) > 10, chance)
        assert "changed meanwhile" in one.run(*undo, status=1)
        assert _back(people) == set(people.before) - {name}
        assert held(one.lab)[name] == ["{PLAIN}another"]


def _back(people: People) -> set[str]:
    return {name for name, values in held(people.lab).items() if values == people.before[name]}


def table(one: Commands, bind: Bind | None = BIND) -> DirectoryTable:
    dovecot = Installation(str(one.lab.config))
    found = where.opened(where.of_passdb(dovecot, read_config(dovecot), None, None, None, bind))
    assert isinstance(found, DirectoryTable)
    return found


def keys(rows: Iterable[Row]) -> set[Key]:
    return {row.key for row in rows}


def swaps(rows: Iterable[Row]) -> list[Swap]:
    return [Swap(row, b"{BLF-CRYPT}" + (row.stored or b"")) for row in rows]


def back(done: Iterable[Swap]) -> list[Swap]:
    return [
        Swap(Row(one.row.key, "", one.new), one.row.stored or b"", null=one.row.stored is None)
        for one in done
    ]


def stops(one: Commands) -> str:
    """What is in the way: by a plan, and then apply begins nothing."""
    before = held(one.lab)
    told = json.loads(one.run("plan", "--prefix", "--json", status=1))
    [says] = [each["says"] for each in told["obstacles"] if each["stops"]]
    assert says in one.run("apply", "--prefix", "--apply", status=1)
    assert (held(one.lab), one.head) == (before, {})
    return str(says)


@pytest.mark.dovecot("< 2.4")
@apart
def test_only_what_was_seen_is_exchanged(lab: MakeLab, tmp_path: Path, dovecot_version: str) -> None:
    """Other writers, several values, odd names; then servers that take no change, or make others of it."""
    with commands(lab, tmp_path, dovecot_version) as one:
        server, old = slapd(one.lab), {f"u{n}": bare(n) for n in range(6)}
        names = {user: f"uid={user},{PEOPLE}" for user in old}
        server.add({names[user]: entry(user, stored) for user, stored in old.items()})
        server.add({ODD: entry("odd,;", bare(9), cn='# "o", ö\\'), f"uid=none,{PEOPLE}": entry("none")})
        server.add({f"uid=two,{PEOPLE}": entry("two", old["u0"], "{PLAIN}b", "{PLAIN}c")})
        before, found = held(one.lab), table(one)
        rows = {row.user: row for row in found.page(None, 100)}
        assert set(rows) == {*old, "odd,;", "none", "two"}
        assert found.count() == len(rows)
        assert found.of_users(["odd,;", "u0", "nobody"]) == [rows["odd,;"], rows["u0"]]
        assert keys(found.now([*keys(rows.values()), ("uid=nobody,dc=lab",)])) == keys(rows.values())
        several = swaps(rows[user] for user in ("u0", "two", "odd,;", "none"))
        done = found.swap(several)
        assert (set(done.written), done.changed, done.left) == (
            keys(one.row for one in several),
            frozenset(),
            (),
        )
        assert held(one.lab)[f"uid=two,{PEOPLE}"] == ["{BLF-CRYPT}" + old["u0"], "{PLAIN}b", "{PLAIN}c"]
        assert found.swap(several).changed == {one.row.key for one in several}
        assert found.swap(back(several)).written == {one.row.key for one in several}
        assert held(one.lab) == before
        server.remove([names["u1"], names["u2"]])
        server.add({names["u1"]: entry("u1", "{PLAIN}new")})
        done = found.swap([*swaps(rows[user] for user in ("u1", "u2")), Swap(rows["two"], b"{PLAIN}c")])
        assert (done.written, set(done.changed)) == (frozenset(), keys([rows["u1"], rows["u2"]]))
        assert [why for _, why in done.left] == [
            "the entry has the new string already, as another of its values"
        ]
        are_refused(one)
        are_made_others(one, [rows["u3"], rows["u4"], rows["u5"]])


def are_refused(one: Commands) -> None:
    assert "cn=dovecot,dc=lab may not exchange" in table(one, None).obstacles()[0].says
    assert "'Insufficient access' (50): give a name" in table(one, None).obstacles()[0].says
    with pytest.raises(Refused, match=r"as cn=writer,dc=lab: Invalid credentials \(49\)"):
        table(one, Bind(WRITER, Password(b"wrong")))
    again(one.lab, "readonly on\n")
    assert "operation restricted' (53)" in stops(one)
    file = one.lab.folder / "dovecot-ldap.conf.ext"
    text = file.read_text()
    for more, why in (
        ("auth_bind = yes", "verifies passwords itself"),
        ("pass_attrs = a=password={X}%$", "not one"),
    ):
        file.write_text(f"{text}{more}\n")
        with pytest.raises(Refused, match=why):
            table(one)
    file.write_text(text)


def are_made_others(one: Commands, rows: list[Row]) -> None:
    """An overlay hashes what it takes for a password: seen by a trial, or else by the first entry."""
    again(one.lab, "moduleload ppolicy\noverlay ppolicy\nppolicy_hash_cleartext\n")
    assert "ppolicy_hash_cleartext" in stops(one)
    before, found = held(one.lab), table(one)
    done = found.swap(swaps(rows))
    assert ({key for key, _ in done.left}, held(one.lab)) == (keys(rows), before)
    found = replace(table(one), _dry=False)
    assert "no trial" in found.obstacles()[-1].says
    done = found.swap(swaps(rows))
    assert [why.partition(" (")[0] for _, why in done.left] == [
        "the directory holds another value than was written",
        *["not tried, since the directory makes another string of a new one"] * 2,
    ]
    now = held(one.lab)
    assert {name for name, values in now.items() if values != before[name]} == {rows[0].key[0]}
    with pytest.raises(Refused, match="makes another string"):
        found.swap(swaps(rows[1:]))
