"""Users moved into a real directory, with a login as the judge: entries get a string that they had not."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from mailauth.lab import Lab
from mailauth.lab.slapd import PEOPLE, READER
from mailauth.lab.stores.ldap import name_of
from mailauth.stores.swaps import Row, Swap
from tests.migrate.conftest import secret
from tests.migrate.test_directory import WRITER, Commands, again, bare, commands, entry, held, slapd, table
from tests.migrate.test_move import kinds
from tests.stores.apart import apart

MakeLab = Callable[..., Lab]
COUNT = 9
POLICY = "moduleload ppolicy\noverlay ppolicy\nppolicy_hash_cleartext\n"


@dataclass
class Into:
    """A passwd-file whose users go into the directory of a lab."""

    one: Commands
    source: Path

    def move(self, *more: str, status: int = 0) -> Any:
        at = ("--url", f"passwd-file:{self.source}", "--default-scheme", "CRYPT", "--to-passdb", "1")
        return json.loads(self.one.run("move", *at, *more, "--json", status=status))

    def kinds(self, told: Any) -> dict[str, tuple[int, str]]:
        """By the reason, or by what becomes of them: how many, and the first one."""
        return {kind["why"] or kind["what"]: (kind["rows"], kind["users"][0]) for kind in told["kinds"]}


@contextmanager
def into(
    lab: MakeLab, folder: Path, version: str, users: dict[str, str], store: str = "ldap"
) -> Iterator[Into]:
    with commands(lab, folder, version, store) as one:
        file = folder / "passwd"
        file.write_text("".join(f"{user}:{stored}\n" for user, stored in users.items()))
        yield Into(one, file)


def test_everybody_gets_in_and_undo_is_exact(lab: MakeLab, tmp_path: Path, dovecot_version: str) -> None:
    """Who has no entry, several, a string, another name is left; who is changed meanwhile stays."""
    users = {f"u{n}": kinds(n) for n in range(COUNT)}
    others = {name: bare(1) for name in ("same", "other", "absent", "Case", "twice")}
    with into(lab, tmp_path, dovecot_version, users | others) as to:
        server = slapd(to.one.lab)
        server.add({name_of(user): entry(user) for user in users})
        server.add({name_of("same"): entry("same", f"{{CRYPT}}{others['same']}", "{PLAIN}behind it")})
        server.add({name_of("other"): entry("other", "{PLAIN}theirs"), name_of("case"): entry("case")})
        server.add({f"cn={n},{PEOPLE}": entry("twice", cn=str(n)) for n in range(2)})
        before = held(to.one.lab)
        planned = to.move(status=1)
        assert to.kinds(planned) == {
            "add": (COUNT, "u0"),
            "there": (1, "same"),
            "the target has it with another string": (1, "other"),
            "the directory has no entry for it: make the entry first, without a password": (1, "absent"),
            "the entry that is found for it has the name in other upper and lower case": (1, "Case"),
            "the filter finds several entries for it, so that nobody could log in": (1, "twice"),
        }
        assert any("slapd by itself does not know the scheme of" in note for note in planned["notes"])
        assert held(to.one.lab) == before
        done = to.move("--apply", status=1)
        assert (done["report"]["written"], done["left"]) == (COUNT, 4)
        assert all(to.one.lab.login(user, secret(n)).ok for n, user in enumerate(users))
        now = held(to.one.lab)
        assert {name for name in now if now[name] != before[name]} == {name_of(user) for user in users}
        assert to.move("--apply", status=1)["report"]["written"] == 0
        server.change(name_of("u1"), {"userPassword": "{PLAIN}mine"})
        to.one.run("undo", done["id"], "--apply", status=1)
        assert held(to.one.lab) == before | {name_of("u1"): ["{PLAIN}mine"]}
        assert to.one.lab.login("u1", b"mine").ok


def test_a_directory_that_verifies_gets_strings_that_it_knows(
    lab: MakeLab, tmp_path: Path, dovecot_version: str
) -> None:
    """Who verifies these is slapd itself: Dovecot binds as the user."""
    users = {f"u{n}": kinds(n) for n in range(COUNT)}
    more = {"plain": "{PLAIN}a b, {x}", "brace": "{PLAIN}{x}", "blf": f"{{BLF-CRYPT}}{bare(20)}"}
    more["scram"] = "{SCRAM-SHA-256}4096,c2FsdHNhbHRzYWx0c2FsdA==," + ",".join(["A" * 43 + "="] * 2)
    with into(lab, tmp_path, dovecot_version, users | more, "ldap-bind") as to:
        slapd(to.one.lab).add({name_of(user): entry(user) for user in (*users, *more)})
        before = held(to.one.lab)
        done = to.move("--apply", status=1)
        reasons = " ".join(done["report"]["reasons"])
        assert "slapd would take for a scheme" in reasons
        assert "cannot be computed back" in reasons
        assert all(to.one.lab.login(user, secret(n)).ok for n, user in enumerate(users) if n % 3)
        assert to.one.lab.login("plain", b"a b, {x}").ok
        assert to.one.lab.login("blf", secret(20)).ok
        assert not to.one.lab.login("brace", b"{x}").ok
        to.one.run("undo", done["id"], "--apply")
        assert held(to.one.lab) == before


def test_the_plan_says_whom_the_server_refuses_and_writes_nothing(
    lab: MakeLab, tmp_path: Path, dovecot_version: str
) -> None:
    """A read-only server, an overlay that hashes, a name that may not write."""
    users = {f"u{n}": "{BLF-CRYPT}" + bare(n) for n in range(3)}  # slapd keeps {CRYPT} as it is
    with into(lab, tmp_path, dovecot_version, users) as to:
        server = slapd(to.one.lab)
        server.add({name_of(user): entry(user) for user in users})
        before = held(to.one.lab)

        def refused() -> str:
            told = to.move("--apply", status=1)["report"]
            assert (told["written"], held(to.one.lab)) == (0, before)
            [(why, rows)] = told["reasons"].items()
            assert rows == len(users)
            return str(why)

        again(to.one.lab, "readonly on\n")
        assert refused().endswith("operation restricted (53)")
        again(to.one.lab, POLICY)
        assert "ppolicy_hash_cleartext" in refused()
        may_read = " ".join(f'by dn.exact="{name}" read' for name in (WRITER, READER))
        server.stop()
        server.configure("", f"access to * {may_read} by anonymous auth by * none\n")
        server.start()
        assert refused() == "the directory refuses it: Insufficient access (50)"


@pytest.mark.dovecot("< 2.4")
@pytest.mark.parametrize("asserts", [True, False])
@apart
def test_nobody_gets_a_string_beside_one_that_is_not_seen(
    lab: MakeLab, tmp_path: Path, dovecot_version: str, *, asserts: bool
) -> None:
    """It came meanwhile, or may not be read: the server refuses the change, or it is taken back."""
    with commands(lab, tmp_path, dovecot_version) as one:
        server, name = slapd(one.lab), name_of("u")
        server.add({name: entry("u", "{PLAIN}theirs"), name_of("free"): entry("free")})
        before = held(one.lab)
        writes = f'access to attrs=userPassword by dn.exact="{WRITER}" =w by anonymous auth by * none\n'
        reads = f'access to * by dn.exact="{WRITER}" read by * none\n'
        server.stop()
        server.configure("", writes + reads)
        server.start()
        found = replace(table(one), _asserts=asserts)
        done = found.swap([Swap(Row((name,), "u", None), b"{SSHA}" + b"A" * 32)])
        assert (done.written, held(one.lab)) == (frozenset(), before)
        assert done.changed == ({(name,)} if asserts else frozenset())
        assert [why.partition(" meanwhile")[0] for _, why in done.left] == (
            [] if asserts else ["somebody else gave the entry a string"]
        )
