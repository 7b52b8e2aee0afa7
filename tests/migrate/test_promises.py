"""What an undo promises it keeps; an encoding is asked for; one damaged journal hides no other."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mailauth.hashes import Password, generate
from mailauth.lab import Lab
from tests.migrate.conftest import secret
from tests.migrate.test_apply import Make, bare_bcrypt, migrated

__all__ = ["migrated"]
SMALL = ("--rehash", "ARGON2ID", "--profile", "owasp-7")


def test_an_undo_of_unsealed_plaintexts_promises_nothing(migrated: Make, store: str) -> None:
    one = migrated("2.3.19.1", store, {f"u{n}": "{PLAIN}" + secret(n).decode() for n in range(3)})
    done = json.loads(one.at("apply", *SMALL, "--apply", "--json"))
    assert done["report"]["not_kept"] == 3
    said = one.at("undo", done["id"], status=1)
    assert "no row of" in said
    assert "3 rows cannot" in said
    undone = json.loads(one.at("undo", done["id"], "--apply", "--json", status=1))
    assert (undone["state"], undone["report"]["written"], undone["report"]["not_kept"]) == (
        "partly undone",
        0,
        3,
    )
    assert one.logins(3) == [True] * 3


def test_one_damaged_head_hides_no_other_migration(migrated: Make) -> None:
    one = migrated("2.3.19.1", "sqlite", bare_bcrypt(3), sql_extra="default_pass_scheme = MD5")
    done = json.loads(one.at("apply", "--prefix", "--apply", "--json"))
    damaged = one.state / "migrate" / "20000101-000000"
    damaged.mkdir()
    (damaged / "head.json").write_text("{")
    assert done["id"] in one.run("status", status=1)
    assert [head["id"] for head in json.loads(one.run("status", "--json", status=1))] == [done["id"]]


PASSWORDS = ("pässwörd", "naïve€")


def put(folder: Path, raw: bytes) -> str:
    file = folder / "list.csv"
    file.write_bytes(raw)
    file.chmod(0o600)
    return str(file)


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-8-sig"])
def test_a_list_in_another_encoding_sets_what_clients_send(
    lab: Callable[..., Lab],
    migrated: Make,
    tmp_path: Path,
    encoding: str,
) -> None:
    """The judge is a login with the password in UTF-8, as mail clients send it."""
    del lab
    one = migrated("2.3.19.1", "sqlite", {f"u{n}": generate("SSHA", Password(b"x")) for n in range(2)})
    text = "".join(f"u{n},{password}\n" for n, password in enumerate(PASSWORDS))
    words = ("import", put(tmp_path, text.encode(encoding)), "--profile", "owasp-7", "--set", "--apply")
    before = one.lab.store.users()
    if encoding != "utf-8-sig":
        one.at(*words, status=2)
        one.at(*words, "--encoding", "ascii", status=2)
        one.at(*words, "--encoding", "rot13", status=2)
        assert one.lab.store.users() == before
    one.at(*words, *(() if encoding == "utf-8-sig" else ("--encoding", encoding)))
    assert [one.lab.login(f"u{n}", word.encode()).ok for n, word in enumerate(PASSWORDS)] == [True, True]


def test_passwords_byte_for_byte_where_that_is_said(migrated: Make, tmp_path: Path) -> None:
    one = migrated("2.3.19.1", "sqlite", {"u0": generate("SSHA", Password("pä".encode("cp1252")))})
    words = ("import", put(tmp_path, "u0,pä\n".encode("cp1252")), "--profile", "owasp-7", "--apply")
    one.at(*words, status=2)
    one.at(*words, "--encoding", "bytes")
    assert one.lab.login("u0", "pä".encode("cp1252")).ok
