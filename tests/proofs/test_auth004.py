"""AUTH004 and AUTH005: what the auth cache still has, in both directions."""

from collections.abc import Callable

import pytest

from mailauth.finding import Certainty, Severity
from tests.proofs.story import SECRET, MiB, Proof, argon2id, record

Make = Callable[..., Proof]

HERS = argon2id(memory=1 * MiB)
NEW = b"the new one"
ITS = argon2id(NEW, memory=1 * MiB)
CACHE = "auth_cache_size = 1M\n"
WITH_WORKER = CACHE + "auth_cache_verify_password_with_worker = yes\n"
SQL = ["sqlite", "mysql", "pgsql"]
# mysql is as sqlite is: a worker looks up, auth or a worker verifies what is cached.
CACHES = [
    pytest.param(CACHE, "sqlite", id="auth-sqlite"),
    pytest.param(CACHE, "mysql", id="auth-mysql"),
    pytest.param(CACHE, "pgsql", id="auth-pgsql"),
    pytest.param(WITH_WORKER, "sqlite", id="worker-sqlite"),
    pytest.param(WITH_WORKER, "pgsql", id="worker-pgsql"),
]


def _record(told: Proof, name: str, code: str) -> None:
    """A line of the matrix, for a story that is not told with story()."""
    record(told.lab, name, [code])


@pytest.mark.parametrize(("settings", "kind"), CACHES)
def test_auth004_old_entry(proof: Make, dovecot_version: str, kind: str, settings: str) -> None:
    """Someone tried a password that was not right yet; then it is set, and refused."""
    told = proof(dovecot_version, kind, {"alice": HERS}, settings=settings)
    assert told.logins() == [True]
    told.finds(set(), password=SECRET, login=True)
    told.password = NEW
    assert told.logins() == [False]
    told.lab.set_password("alice", ITS)
    assert told.logins(2) == [False, False]
    told.finds(set(), password=NEW)  # without a login nothing shows it
    found = told.finds({"AUTH004"}, password=NEW, login=True)
    assert found[0].problem.certainty is Certainty.LIKELY
    _record(told, "the auth cache has the old hash, the new password is refused", "AUTH004")
    told.paste(found)
    assert told.logins(3) == [True] * 3
    told.finds(set(), password=NEW, login=True)


@pytest.mark.core
@pytest.mark.parametrize("kind", SQL)
def test_auth004_negative_entry(proof: Make, dovecot_version: str, kind: str) -> None:
    """A client was set up before the user was made: "unknown user" is what the cache has."""
    told = proof(dovecot_version, kind, {"bob": HERS}, settings=CACHE)
    assert told.logins() == [False]
    told.lab.set_password("alice", HERS)
    assert told.logins(2) == [False, False]
    found = told.finds({"AUTH004"}, password=SECRET, login=True)
    assert found[0].problem.certainty is Certainty.PROVEN
    _record(told, "the auth cache has that there is no such user", "AUTH004")
    told.paste(found)
    assert told.logins(3) == [True] * 3
    told.finds(set(), password=SECRET, login=True)


@pytest.mark.parametrize(("settings", "kind"), CACHES)
def test_auth005(proof: Make, dovecot_version: str, kind: str, settings: str) -> None:
    """The password was changed, and the old one still logs in."""
    told = proof(dovecot_version, kind, {"alice": HERS}, settings=settings)
    assert told.logins() == [True]
    told.lab.set_password("alice", ITS)
    assert told.logins(2) == [True, True]
    found = told.finds({"AUTH005"}, password=SECRET, login=True)
    assert (found[0].problem.certainty, found[0].rule.severity) == (Certainty.PROVEN, Severity.RISK)
    _record(told, "the auth cache lets the old password in", "AUTH005")
    told.paste(found)
    assert told.logins(2) == [False, False]
    told.finds({"PASS001"}, password=SECRET, login=True)


def test_no_cache_no_finding(proof: Make, dovecot_version: str) -> None:
    """A passwd-file is never cached: what the file says counts at once, in both directions."""
    told = proof(dovecot_version, "passwd-file", {"alice": HERS}, settings=CACHE)
    assert told.logins() == [True]
    told.lab.set_password("alice", ITS)
    told.finds({"PASS001"}, password=SECRET, login=True)
    told.finds(set(), password=NEW, login=True)


def test_another_cause_is_not_taken_for_the_cache(proof: Make, dovecot_version: str) -> None:
    """Nologin refuses with the cache on, too, and has a rule of its own."""
    user = "%u" if dovecot_version < "2.4" else "%{user}"
    query = f"SELECT userid AS user, password, 'y' AS nologin FROM users WHERE userid = '{user}'"
    told = proof(dovecot_version, "sqlite", {"alice": HERS}, settings=CACHE, query=query)
    found = {one.rule.code for one in told.look(password=SECRET, login=True).diagnosis.findings}
    assert found
    assert "AUTH004" not in found
