"""A stored string that begins as JSON does, written by whoever may write a row: it spoils that row only."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mailauth.hashes import Password
from mailauth.hashes.explain import explain
from mailauth.hashes.foreign import convert
from tests.cli.running import mailauth

_KEYCLOAK = {"algorithm": "argon2", "hashIterations": 1, "salt": "aaaa", "value": "aaaa"}
_HOSTILE = {
    "deep": '{"a":' + "[" * 100_000,
    "deep_whole": '{"a":' * 20_000 + "1" + "}" * 20_000,
    "deep_inside": json.dumps({"secretData": '{"a":' + "[" * 100_000}),
    "no_memory": json.dumps(_KEYCLOAK),
    "memory_in_a_list": json.dumps({**_KEYCLOAK, "memory": [], "parallelism": {"a": 1}}),
    "digits": json.dumps({**_KEYCLOAK, "memory": "9" * 5000, "parallelism": "1"}),
}


@pytest.mark.parametrize("stored", _HOSTILE.values(), ids=_HOSTILE)
def test_what_is_no_credential_is_said_to_be_none(stored: str) -> None:
    explain(stored.encode())
    convert(stored.encode(), password=Password.of("a-secret"), user="alice")


def test_one_row_does_not_end_the_look_at_all(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "users.db")) as database:
        database.execute("CREATE TABLE users (userid, password)")
        rows = [*_HOSTILE.items(), ("alice", "{PLAIN}a-secret"), ("bob", "{PLAIN}another")]
        database.executemany("INSERT INTO users VALUES (?, ?)", rows)
        database.commit()
    named = ("--url", f"sqlite://{tmp_path}/users.db")
    query = ("--rows-query", "SELECT userid AS user, password FROM users")
    for command in (("audit",), ("migrate", "plan", "--mend")):
        done = mailauth(*command, *named, *query)
        assert "a bug" not in done.stderr
        assert done.returncode == 1, done.stderr
        assert "{PLAIN}" in done.stdout
