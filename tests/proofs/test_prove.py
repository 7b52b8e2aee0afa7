"""``--prove``: fail in a lab, apply the remedy there, succeed there; the server itself is left alone."""

from collections.abc import Callable

import pytest

from mailauth.hashes import Password
from mailauth.lab.prove import prove
from tests.proofs.story import MiB, Proof, argon2id
from tests.proofs.test_mem001 import CACHE_WITH_WORKER, limit

BIG = argon2id(memory=256 * MiB)
Make = Callable[..., Proof]


@pytest.mark.parametrize("with_password", [True, False])
def test_the_incident_repeated(proof: Make, dovecot_version: str, store: str, with_password: bool) -> None:
    """With the user's row; without the password, with a stand-in of the same parameters."""
    told = proof(dovecot_version, store, {"alice": BIG})
    before = (told.lab.settings_file.read_text(), told.lab.log())
    looked = told.look(password=told.password if with_password else None)
    broken, mended = prove(looked, Password(told.password) if with_password else None)
    assert broken.answers == (False,) * 4
    assert broken.as_expected
    assert mended.answers == (True,) * 4
    assert mended.as_expected
    assert ("the right password" in broken.title) == with_password
    assert "vsz_limit" in mended.settings
    assert (told.lab.settings_file.read_text(), told.lab.log()) == before


def test_a_missing_reload_is_proven_by_one(proof: Make, dovecot_version: str) -> None:
    told = proof(dovecot_version, "sqlite", {"alice": BIG})
    assert told.logins() == [False]
    told.lab.configure(limit("auth-worker", "1G"))
    broken, mended = prove(told.look(), None)
    assert (set(broken.answers), set(mended.answers)) == ({False}, {True})


@pytest.mark.dovecot("< 2.4.5")
def test_a_cache_that_workers_verify(proof: Make, dovecot_version: str) -> None:
    """The settings that decide who verifies come along: OK, then FAIL, until both are raised."""
    told = proof(dovecot_version, "pgsql", {"alice": BIG}, settings=CACHE_WITH_WORKER + limit("auth", "1G"))
    assert told.logins(2) == [True, False]
    broken, mended = prove(told.look(), None)
    assert broken.answers == (True, False, False, False)
    assert broken.as_expected
    assert mended.answers == (True,) * 4


def test_nothing_to_prove(proof: Make, dovecot_version: str) -> None:
    told = proof(dovecot_version, "sqlite", {"alice": argon2id(memory=19 * MiB)})
    assert prove(told.look(), None) == ()
