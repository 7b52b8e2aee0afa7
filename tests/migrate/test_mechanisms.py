"""Whoever logs in by CRAM-MD5 still does after a migration, unless its loss was accepted aloud."""

import imaplib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mailauth.hashes import Password, generate
from mailauth.lab import Lab
from mailauth.migrate.rehash import Rehashed
from tests.migrate.conftest import OnLoginLab, secret
from tests.migrate.test_apply import Make, migrated

__all__ = ["migrated"]
CRAM = "auth_mechanisms = plain login cram-md5\n"
FLAG = "--accept-mechanism-loss"
SMALL = ("--rehash", "ARGON2ID", "--profile", "owasp-7")


def by_cram(lab: Lab, number: int) -> bool:
    with imaplib.IMAP4("127.0.0.1", lab.ports["imap"], timeout=60) as client:
        try:
            client.login_cram_md5(f"u{number}", secret(number).decode())
        except imaplib.IMAP4.error:
            return False
        return True


def users() -> dict[str, str | None]:
    """A plaintext and a CRAM-MD5 serve it; the third never did."""
    schemes = ("PLAIN", "CRAM-MD5", "SSHA512")
    return {f"u{n}": generate(scheme, Password(secret(n))) for n, scheme in enumerate(schemes)}


def test_plaintexts_that_cram_md5_needs_are_rehashed_only_where_that_is_said(
    migrated: Make,
    dovecot_version: str,
) -> None:
    one = migrated(dovecot_version, "sqlite", users(), settings=CRAM, protocols=("imap",))
    assert json.loads(one.at("plan", *SMALL, "--json", status=1))["losing"] == ["CRAM-MD5"]
    assert FLAG in one.at("plan", *SMALL, status=1)
    before = one.lab.store.users()
    one.at("apply", *SMALL, "--apply", status=1)
    assert one.lab.store.users() == before
    assert [by_cram(one.lab, n) for n in range(3)] == [True, True, False]
    one.at("apply", *SMALL, "--apply", FLAG)
    assert one.logins(3) == [True] * 3
    assert [by_cram(one.lab, n) for n in range(3)] == [False, True, False]
    one.at("apply", *SMALL, "--prefix", "--apply")  # no plaintext is left, so nothing is lost


def test_where_no_configuration_was_read_it_is_asked(tmp_path: Path, migrated: Make) -> None:
    one = migrated("2.3.19.1", "sqlite", users())
    rows = ("--url", f"sqlite:///{one.lab.store.path}", "--rows-query", "SELECT userid, password FROM users")
    assert "does auth_mechanisms offer CRAM-MD5" in one.run("plan", *rows, *SMALL, status=1)
    assert "auth_mechanisms" not in one.run("plan", *rows, "--prefix")
    users_csv = tmp_path / "users.csv"
    users_csv.write_text(f"u0,{secret(0).decode()}\n")
    listed = ("import", str(users_csv), *rows)
    assert "does auth_mechanisms offer CRAM-MD5" in one.run(*listed, told=True)
    assert "auth_mechanisms" not in one.run(*listed, "--verify-only", told=True)


def test_a_list_replaces_no_string_that_cram_md5_needs(migrated: Make, tmp_path: Path) -> None:
    one = migrated("2.3.19.1", "sqlite", users(), settings=CRAM, protocols=("imap",))
    file = tmp_path / "list.csv"
    file.write_text("".join(f"u{n},{secret(n).decode()}\n" for n in range(3)))
    words = ("import", str(file), "--profile", "owasp-7", "--apply")
    done = json.loads(one.at(*words, "--set", "--json", status=1))
    assert sum(done["counts"].values()) == 3
    assert [by_cram(one.lab, n) for n in range(3)] == [True, True, False]
    assert one.logins(3) == [True] * 3
    one.at(*words, FLAG)
    assert one.logins(3) == [True] * 3
    assert [by_cram(one.lab, n) for n in range(3)] == [False] * 3


@pytest.mark.parametrize("version", ["2.3.19.1", "2.4.1"])
def test_on_login_is_not_enabled_over_them_and_takes_none_that_come_later(
    on_login: Callable[..., OnLoginLab], version: str
) -> None:
    found = on_login(version, "sqlite", users(), settings=CRAM, protocols=("imap",))
    enable = ("enable", *found.at, "--port", str(found.port), "--profile", "owasp-7", "--apply")
    refused = found.mailauth(*enable, ok=False)
    assert refused.returncode
    assert "CRAM-MD5" in refused.stderr
    for name in ("u0", "u1"):
        found.lab.store.remove(name)
    found.mailauth(*enable)
    found.start()
    found.lab.store.set_password("u0", users()["u0"])
    assert all(found.lab.login(f"u{n}", secret(n)).ok for n in (0, 2))
    found.wait(Rehashed.MIGRATED, 1)
    found.wait(Rehashed.MECHANISM, 1)
    assert by_cram(found.lab, 0)
