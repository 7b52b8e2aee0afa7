"""Every user and what becomes of the row, as a file."""

import csv
import json
import re
from pathlib import Path

import pytest

from mailauth.hashes import Password, generate
from tests.cli.running import mailauth
from tests.migrate.conftest import secret
from tests.migrate.test_apply import bare_bcrypt

STRANGE = '=cmd|"x",\x1b'
HASH = bare_bcrypt(1)["u0"] or ""
USERS = bare_bcrypt(3) | {
    "old": generate("SSHA", Password(secret(0))),
    STRANGE: "{PLAIN}" + secret(1).decode(),
    "maybe": "5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8",
    HASH: "swapped",
}


@pytest.fixture
def store(tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "users").write_text("".join(f"{user}:{stored}\n" for user, stored in USERS.items()))
    return ("--url", f"passwd-file:{tmp_path / 'users'}", "--default-scheme", "MD5", "--dovecot", "2.3.19.1")


def test_a_plan_lists_everybody(store: tuple[str, ...], tmp_path: Path) -> None:
    """All classes, in the same words as the plan; as CSV and as JSON, for the owner only, and no secret."""
    for name in ("out.csv", "out.json"):
        out = tmp_path / name
        done = mailauth("migrate", "plan", "--prefix", *store, "--users-out", str(out))
        assert done.returncode == 1, done.stderr
        assert out.stat().st_mode & 0o777 == 0o600
        text = out.read_text()
        assert "canary" not in text
        assert HASH[20:] not in text
        assert "\x1b" not in text
        assert not any(stored and stored[-20:] in text for stored in USERS.values() if stored != "swapped")
        rows = json.loads(text) if name.endswith("json") else list(csv.DictReader(text.splitlines()))
        assert len(rows) == len(USERS)
        what = {row["user"]: row["what"] for row in rows}
        assert [what[f"u{n}"] for n in range(3)] == ["prefix"] * 3
        assert (what["old"], what["maybe"]) == ("as is", "left")
        assert next(row["before"] for row in rows if row["user"] == "old").startswith("{SSHA}")
        assert "--users-out" not in done.stdout
    for name, says in (("out.csv", "is there already"), ("out.txt", "ends in .csv or .json")):
        again = mailauth("migrate", "plan", "--prefix", *store, "--users-out", str(tmp_path / name))
        assert (again.returncode, says in again.stderr) == (2, True)


def test_apply_and_import_list_what_they_did(store: tuple[str, ...], tmp_path: Path) -> None:
    state = {"MAILAUTH_STATE": str(tmp_path / "state")}
    out = tmp_path / "applied.csv"
    done = mailauth("migrate", "apply", "--prefix", "--apply", *store, "--users-out", str(out), **state)
    assert done.returncode == 1, done.stderr  # one is undecided
    assert {row["user"]: row["what"] for row in csv.DictReader(out.read_text().splitlines())} == {
        f"u{n}": "changed" for n in range(3)
    }
    users, line = tmp_path / "users", bare_bcrypt(1)["u0"]
    before = users.read_text()
    users.write_text(re.sub("(?m)^u1:.*$", f"u1:{line}x", before))
    for do_it in ([], ["--apply"]):
        out = tmp_path / f"undone{len(do_it)}.csv"
        (migration,) = (one.name for one in (tmp_path / "state" / "migrate").iterdir())
        mailauth("migrate", "undo", migration, *store, *do_it, "--users-out", str(out), **state)
        assert {row["user"]: row["what"] for row in csv.DictReader(out.read_text().splitlines())} == {
            "u0": "restored",
            "u1": "left",
            "u2": "restored",
        }
    users.write_text(before)
    listed, out = tmp_path / "list.csv", tmp_path / "imported.json"
    listed.touch(0o600)
    listed.write_text(f"u0,{secret(0).decode()}\nu1,wrong\nnobody,x\n")
    words = (str(listed), "--profile", "owasp-7", "--apply", *store, "--users-out", str(out))
    mailauth("migrate", "import", *words, **state)
    assert {row["user"]: row["what"] for row in json.loads(out.read_text())} == {
        "u0": "migrated",
        "u1": "the password does not match",
        "line 3": "no such user",
    }
