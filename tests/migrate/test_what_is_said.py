"""What a plan says of a string that stays as it is, and how a number is said."""

from pathlib import Path

import pytest

from mailauth.counted import counted
from mailauth.hashes import Password, generate
from mailauth.hashes.damaged import Reader
from mailauth.migrate.decide import Action, Rule, Wishes, decide
from mailauth.migrate.goal import Goal
from tests.cli.running import mailauth

PREFIX = (Rule(Action.PREFIX),)


def said(stored: bytes, version: tuple[int, ...], scheme: str) -> str:
    found = decide(stored, Wishes(PREFIX, Goal(), Reader(version, scheme, prefixing=True)))
    assert not found.acts
    return found.broken or found.unsure


@pytest.mark.parametrize("scheme", ["PLAIN", "CRYPT"])
def test_a_hash_that_gets_no_prefix_says_why(scheme: str) -> None:
    """Dovecot 2.4 refuses MD5-CRYPT, with a prefix or without."""
    bare = generate("MD5-CRYPT", Password(b"x")).partition("}")[2].encode()
    assert "with {MD5-CRYPT}: Weak password scheme 'MD5-CRYPT' used and refused" in said(
        bare, (2, 4, 1), scheme
    )
    there = decide(bare, Wishes(PREFIX, Goal(), Reader((2, 3, 19, 1), "PLAIN", prefixing=True)))
    assert there.new == b"{MD5-CRYPT}" + bare


def test_hmailservers_hash_is_not_called_cut_off() -> None:
    """Six characters of salt, and SHA-256 in hex."""
    assert "hMailServer" in said(b"0a1b2c" + b"ab12" * 16, (2, 4, 1), "CRYPT")


def test_one_is_one() -> None:
    assert [counted(number, "row") for number in (0, 1, 2)] == ["0 rows", "1 row", "2 rows"]
    assert [counted(n, "address", "es", verb=("is", "are")) for n in (1, 2)] == [
        "1 address is",
        "2 addresses are",
    ]


def test_a_password_that_the_new_scheme_reads_in_part_is_named(tmp_path: Path) -> None:
    """Bcrypt reads 72 bytes.  A migration that changes nothing leaves nothing to take back."""
    long = "80-bytes-" + "x" * 71
    users, file = tmp_path / "users", tmp_path / "list.csv"
    users.write_text(f"a:{{PLAIN}}{long}\nb:{{PLAIN}}short one\n")
    file.touch(0o600)
    file.write_text(f"a,{long}\nb,short one\n")
    at = ("--url", f"passwd-file:{users}")

    def run(*words: str) -> str:
        return mailauth("migrate", *words, *at, MAILAUTH_STATE=str(tmp_path / "state")).stdout

    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\naction = "rehash"\n[goal]\nscheme = "BLF-CRYPT"\ncost = 4\n')
    planned = [line.split() for line in run("plan", "--rules", str(rules)).splitlines()]
    by_user = {line[-1]: " ".join(line) for line in planned if line[:1] == ["rehash"]}
    assert ("72 bytes" in by_user["a"], "72 bytes" in by_user["b"]) == (True, False)
    words = ("import", str(file), "--scheme", "BLF-CRYPT", "--cost", "4")
    assert "1 password is longer than the new scheme reads (72 bytes)" in run(*words)
    assert "1 password is longer than the new scheme reads (72 bytes)" in run(*words, "--apply")
    nothing = run("apply", "--rules", str(rules), "--apply")
    assert ("changed 0" in nothing, "take it back" in nothing) == (True, False), nothing
