"""Rehashing on login where the stored strings are in a directory: a real slapd, who may write, policies."""

from collections.abc import Callable
from pathlib import Path

from mailauth.lab.stores.ldap import name_of
from mailauth.migrate.rehash import Rehashed
from tests.migrate.conftest import OnLoginLab, old_users, secret
from tests.migrate.test_directory import WORD, WRITER, again, entry, has_writer, held, slapd

Make = Callable[..., OnLoginLab]
SMALL = ("--profile", "owasp-7")
USERS = 8


def bound(folder: Path, word: str = WORD) -> tuple[str, ...]:
    file = folder / "password"
    file.touch(mode=0o600)
    file.write_text(f"{word}\n")
    return ("--bind-dn", WRITER, "--bind-password-file", str(file))


def refused(found: OnLoginLab, *words: str) -> str:
    """What ``enable`` says where it enables nothing."""
    before = found.lab.config.read_text()
    at = (*found.at, "--port", str(found.port), *found.accepting)
    done = found.mailauth("enable", *at, *SMALL, *words, "--apply", ok=False)
    assert done.returncode, done.stdout
    assert found.lab.config.read_text() == before
    return done.stderr


def test_every_entry_is_migrated_at_the_next_login(
    on_login: Make, tmp_path: Path, dovecot_version: str
) -> None:
    """By who may write; another value of the entry stays; what the server would spoil is left alone."""
    found = on_login(dovecot_version, "ldap", old_users(USERS), settings="auth_failure_delay = 0\n")
    lab, users = found.lab, [f"u{n}" for n in range(USERS)]
    has_writer(lab)
    last = name_of(users[-1])
    first = held(lab)[last]
    slapd(lab).remove([last])
    slapd(lab).add({last: entry(users[-1], *first, "{PLAIN}behind it")})
    before = held(lab)
    assert "cn=dovecot,dc=lab may not exchange userPassword" in refused(found)
    assert "Invalid credentials (49)" in refused(found, *bound(tmp_path, "wrong"))
    again(lab, "moduleload ppolicy\noverlay ppolicy\nppolicy_hash_cleartext\n")
    assert "makes another string of a new one" in refused(found, *bound(tmp_path))
    again(lab)
    assert held(lab) == before
    found.enable(*SMALL, *bound(tmp_path))
    kept = found.state / "on-login" / "settings.json"
    assert kept.stat().st_mode & 0o077 == 0
    assert "IPAddressAllow=localhost" in found.mailauth("unit").stdout
    found.start()
    assert all(lab.login(user, secret(n)).ok for n, user in enumerate(users[1:], 1))
    found.wait(Rehashed.MIGRATED, USERS - 1)
    now = held(lab)
    assert all(now[name_of(user)][0].startswith("{ARGON2ID}") for user in users[1:])
    assert now[last][1:] == ["{PLAIN}behind it"]
    again(lab, "moduleload ppolicy\noverlay ppolicy\nppolicy_hash_cleartext\n")
    assert lab.login(users[0], secret(0)).ok
    found.wait(Rehashed.NOT_WRITTEN, 1)
    assert held(lab) == now
    assert all(lab.login(user, secret(n)).ok for n, user in enumerate(users))
    found.wait(Rehashed.ALREADY, USERS - 1)
    assert found.stop() == 0
    found.mailauth("disable", *found.at, "--apply")
    assert not kept.exists()
    assert all(lab.login(user, secret(n)).ok for n, user in enumerate(users))


def test_where_the_directory_verifies_dovecot_has_nothing_to_make_again(
    on_login: Make, dovecot_version: str
) -> None:
    found = on_login(dovecot_version, "ldap-bind", {"u0": "{SSHA}" + "A" * 32})
    said = refused(found)
    assert "the directory verifies passwords itself" in said
    assert "password-hash" in said
