"""What an undo promises it keeps; an encoding is asked for; one damaged journal hides no other."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mailauth.hashes import Password, generate
from mailauth.lab import Lab
from tests.migrate.conftest import secret
from tests.migrate.test_apply import Make, bare_bcrypt, migrated
from tests.migrate.test_undo import stored_of

__all__ = ["migrated"]
SMALL = ("--rehash", "ARGON2ID", "--profile", "owasp-7")


def test_an_undo_of_plaintexts_that_were_not_kept_promises_nothing(migrated: Make, store: str) -> None:
    one = migrated("2.3.19.1", store, {f"u{n}": "{PLAIN}" + secret(n).decode() for n in range(3)})
    done = json.loads(one.at("apply", *SMALL, "--no-undo-for-plaintexts", "--apply", "--json"))
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


ODD = ("pässwörd", " blank at the edge ", "{hello}", "a,b\"c\\d'e", "x" * 200, "00", "%s%%{u}")


@pytest.mark.parametrize(
    ("store", "words"),
    [("passwd-file", SMALL), ("sqlite", ("import",)), ("mysql", SMALL), ("pgsql", ("import",))],
    ids=["passwd-file", "sqlite", "mysql", "pgsql"],
)
def test_plaintexts_come_back_byte_for_byte(
    migrated: Make, store: str, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """By default: the journal is sealed to a key made on the spot, which lies beside it for root."""
    users: dict[str, str | None] = {f"u{n}": "{PLAIN}" + odd for n, odd in enumerate(ODD)}
    one = migrated("2.3.19.1", store, users)
    before = stored_of(one)
    if words == ("import",):
        listed = "".join(f'u{n},"{odd.replace(QUOTE, 2 * QUOTE)}"\n' for n, odd in enumerate(ODD))
        words = ("import", put(tmp_path, listed.encode()), "--profile", "owasp-7")
    else:
        words = ("apply", *words)
    done = json.loads(one.at(*words, "--apply", "--json"))
    assert all((stored or "").startswith("{ARGON2ID}") for stored in stored_of(one).values())
    key = one.state / "migrate-keys" / done["id"]
    assert (key.stat().st_mode & 0o777, key.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    kept = b"".join(path.read_bytes() for path in one.state.rglob("*") if path.is_file())
    assert not [odd for odd in ODD if len(odd) > 4 and odd.encode() in kept]
    away = key.rename(tmp_path / "away")
    assert str(key) in one.run("undo", done["id"], "--pid", str(one.lab.master_pid), status=2, told=True)
    one.at("undo", done["id"], "--key", str(away))
    away.rename(key)
    assert json.loads(one.at("undo", done["id"], "--apply", "--json"))["state"] == "undone"
    assert stored_of(one) == before
    assert all(one.lab.login(f"u{n}", odd.encode()).ok for n, odd in enumerate(ODD))


QUOTE = '"'


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
    if encoding == "cp1252":
        one.at(*words, status=2)
        one.at(*words, "--encoding", "ascii", status=2)
        one.at(*words, "--encoding", "rot13", status=2)
        assert one.lab.store.users() == before
    one.at(*words, *(("--encoding", encoding) if encoding == "cp1252" else ()))
    assert [one.lab.login(f"u{n}", word.encode()).ok for n, word in enumerate(PASSWORDS)] == [True, True]


def test_passwords_byte_for_byte_where_that_is_said(migrated: Make, tmp_path: Path) -> None:
    one = migrated("2.3.19.1", "sqlite", {"u0": generate("SSHA", Password("pä".encode("cp1252")))})
    words = ("import", put(tmp_path, "u0,pä\n".encode("cp1252")), "--profile", "owasp-7", "--apply")
    one.at(*words, status=2)
    one.at(*words, "--encoding", "bytes")
    assert one.lab.login("u0", "pä".encode("cp1252")).ok
