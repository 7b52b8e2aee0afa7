"""``mailauth log`` on a running server: what keeps those out who fail most, found without a password."""

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema

from mailauth import schemas
from mailauth.lab import Lab
from tests.cli.running import mailauth
from tests.proofs.story import MiB, argon2id
from tests.proofs.test_user import GOOD

SCHEMA = Path(schemas.__path__[0]) / "from-log.json"


def _fail(one: Lab, *users: str) -> None:
    for user in users:
        assert not one.login(user, b"not the password").ok


def test_what_keeps_them_out_is_found_without_a_password(
    lab: Callable[..., Lab], dovecot_version: str
) -> None:
    """The story that this began with, from the log's side; damage, a sound string, and nobody's name."""
    users = {
        "alice": argon2id(memory=256 * MiB),
        "carol": f"{GOOD}\r",
        "bob": GOOD,
    }
    with lab(dovecot_version, "sqlite", users, "auth_verbose = yes\n") as one:
        _fail(one, "alice", "alice", "alice", "carol", "carol", "bob", "nobody")
        where = ("--pid", str(one.master_pid))
        told = mailauth("log", *where)
        shown = " ".join(told.stdout.split())
        assert "What keeps them out now, looked at without a password:" in shown, told.stdout + told.stderr
        assert "MEM001 The hash needs more memory than the verifying process may use (" in shown
        assert ": alice The hash takes 256.5 MiB; the auth-worker process" in shown
        assert f"mailauth diagnose --pid {one.master_pid} alice" in shown
        assert "HASH007 Blanks or line ends surround the stored hash (likely): carol" in shown
        assert "USER001 No passdb knows the user (proven): nobody" in shown
        assert "nothing found: bob" in shown
        assert f"with the password: mailauth diagnose --pid {one.master_pid} -p bob" in shown
        assert told.stdout.index("MEM001") < told.stdout.index("HASH007"), "who fails most is first"
        made = json.loads(mailauth("log", *where, "--json").stdout)
        jsonschema.validate(made, json.loads(SCHEMA.read_text()))
        assert [(one["user"], [each["code"] for each in one["blocking"]]) for one in made["looked"]][:2] == [
            ("alice", ["MEM001"]),
            ("carol", ["HASH007"]),
        ]
        for secret in (GOOD, users["alice"], "not the password"):
            assert secret not in told.stdout + json.dumps(made)
        only = json.loads(mailauth("log", "bob", *where, "--json").stdout)
        assert [one["user"] for one in only["looked"]] == ["bob"]
        copied = json.loads(mailauth("log", "--log", str(one.folder / "log"), "--json").stdout)
        assert copied["rows"]
        assert copied["looked"] == [], "a copied log may be of another machine"
