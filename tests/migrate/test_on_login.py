"""Rehashing on login, on real Dovecots: everyone is migrated, nobody notices, no plaintext is anywhere."""

import json
from collections.abc import Callable

from mailauth.migrate.rehash import Outcome
from tests.migrate.conftest import OnLoginLab, old_users, secret

USERS = 24

Make = Callable[..., OnLoginLab]


def schemes(found: OnLoginLab) -> set[str]:
    """The schemes in the store now, as its status counts them."""
    seen = json.loads(found.mailauth("status", "--json").stdout)
    return {"ARGON2ID"} if not seen["left"] else {one["shown"] for one in seen["left"]}


def test_every_user_is_migrated_at_the_next_login(on_login: Make, dovecot_version: str, store: str) -> None:
    """And can log in again; the change to Dovecot's files is taken out again without a trace."""
    found = on_login(dovecot_version, store, old_users(USERS))
    before = found.lab.config.read_text()
    found.enable()
    found.start()
    assert all(found.lab.login(f"u{n}", secret(n)).ok for n in range(USERS))
    found.wait(Outcome.MIGRATED, USERS)
    assert schemes(found) == {"ARGON2ID"}
    assert all(found.lab.login(f"u{n}", secret(n)).ok for n in range(USERS))
    assert not found.lab.login("u1", b"wrong").ok
    assert found.stop() == 0
    found.mailauth("disable", *found.at, "--apply")
    assert found.lab.config.read_text() == before
    assert not list(found.lab.folder.glob("mailauth-*.conf.ext"))
    assert all(found.lab.login(f"u{n}", secret(n)).ok for n in range(USERS))
