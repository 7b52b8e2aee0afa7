"""MEM002: the limit is raised in the configuration, and the running process still has the old one."""

from collections.abc import Callable

import pytest

from tests.proofs.story import MiB, Proof, argon2id

BIG = argon2id(memory=256 * MiB)
RAISED = "service auth {\n  vsz_limit = 1G\n}\nservice auth-worker {\n  vsz_limit = 1G\n}\n"


@pytest.mark.core
def test_raised_in_the_file_and_not_reloaded(
    proof: Callable[..., Proof], dovecot_version: str, store: str
) -> None:
    """Its own finding, not MEM001; and a reload, which is its remedy, mends the login."""
    told = proof(dovecot_version, store, {"alice": BIG})
    assert told.logins(2) == [False, False]
    told.finds({"MEM001"})
    told.lab.configure(RAISED)
    assert told.logins(2) == [False, False]
    told.finds({"MEM002"})
    found = told.finds({"MEM002"}, password=told.password)
    assert f"({told.lab.settings_file}:" in found[0].problem.says
    told.paste(found)
    assert told.logins(3) == [True] * 3
    told.finds(set(), password=told.password)


def test_raised_not_enough_and_not_reloaded(
    proof: Callable[..., Proof], dovecot_version: str, store: str
) -> None:
    """A reload would not do: MEM001, and only that."""
    told = proof(dovecot_version, store, {"alice": BIG})
    told.lab.configure(RAISED.replace("1G", "270M"))
    assert told.logins() == [False]
    found = told.finds({"MEM001"}, password=told.password)
    told.paste(found)
    assert told.logins(3) == [True] * 3
    told.finds(set(), password=told.password)
