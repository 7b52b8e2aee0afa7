"""Users of a real directory moved to where Dovecot asks a table, with a login there as the judge."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mailauth.lab import Lab
from mailauth.lab.slapd import PEOPLE
from mailauth.lab.stores.ldap import name_of
from tests.cli.running import mailauth
from tests.migrate.conftest import secret
from tests.migrate.test_directory import entry, held, slapd
from tests.migrate.test_move import COUNT, kinds

MakeLab = Callable[..., Lab]
ROWS = ("--to-rows-query", "SELECT userid AS user, password FROM users")


def test_a_directorys_users_get_in_by_a_table_with_the_strings_that_counted(
    lab: MakeLab, tmp_path: Path, dovecot_version: str
) -> None:
    """Strings without a scheme, several values, one name twice, none; the directory stays as it was."""
    with (
        lab(dovecot_version, "ldap", {f"u{n}": kinds(n) for n in range(COUNT)}) as one,
        lab(dovecot_version, "sqlite", {"u0": "{PLAIN}theirs"}) as other,
    ):
        server = slapd(one)
        server.add({name_of("two"): entry("two", kinds(1), "{PLAIN}behind it")})
        server.add({name_of("none"): entry("none")})
        server.add({f"cn={n},{PEOPLE}": entry("twice", kinds(n), cn=str(n)) for n in range(2)})
        before = held(one)

        def move(*more: str, status: int) -> Any:
            to = ("--to", f"sqlite:{other.store.place.path}", *ROWS)
            words = ("migrate", "move", "--pid", str(one.master_pid), *to, *more)
            done = mailauth(*words, "--json", MAILAUTH_STATE=str(tmp_path))
            assert done.returncode == status, done.stdout + done.stderr
            return json.loads(done.stdout)

        planned = move(status=1)
        assert {(kind["what"], kind["rows"]) for kind in planned["kinds"]} == {
            ("add", COUNT),
            ("left", 1),
            ("left", 2),
        }
        assert move("--apply", status=1)["report"]["written"] == COUNT
        assert all(other.login(f"u{n}", secret(n)).ok for n in range(1, COUNT))
        assert other.login("two", secret(1)).ok
        assert other.login("u0", b"theirs").ok
        assert not other.login("two", b"behind it").ok
        assert other.store.users().keys() == {*(f"u{n}" for n in range(COUNT)), "two"}
        assert held(one) == before
