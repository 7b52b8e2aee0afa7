"""USER001 and USER004: the name is there in another domain than the one that is sent, or in several."""

from collections.abc import Callable

import pytest

from mailauth import Target, diagnose
from mailauth.dovecot.doveadm import chosen
from mailauth.lab import Lab
from tests.proofs.test_user import GOOD

_USERS = dict.fromkeys(("alice@example.org", "alice@example.net", "bob@example.org"), GOOD)
_BOTH = ("'alice@example.net'", "'alice@example.org'")


def says(lab: Lab, user: str, code: str) -> str:
    """What this finding says, which is the only one."""
    [found] = diagnose(Target(user, chosen(None, lab.master_pid))).findings
    assert found.rule.code == code
    return found.problem.says


@pytest.mark.parametrize("kind", ["passwd-file", "sqlite", "mysql", "pgsql"])
def test_a_name_in_another_domain_is_suggested(
    lab: Callable[..., Lab], dovecot_version: str, kind: str
) -> None:
    odd = {"Dora@example.org ": GOOD} if kind == "sqlite" else {}
    with lab(dovecot_version, kind, {**_USERS, **odd}) as one:
        passdb = f"which passdb 1 ({kind}) has"
        assert not one.login("bob@exmaple.org", b"secret").ok
        assert f"Did you mean 'bob@example.org', {passdb}?" in says(one, "bob@exmaple.org", "USER001")
        told = says(one, "alice@example.com", "USER001")
        assert "Did you mean 'alice@example." in told
        assert all(name in told for name in _BOTH)
        for nobody in ("carol@example.org", "bo_@example.com", "ali@example.org"):
            assert "Did you mean" not in says(one, nobody, "USER001")
        if odd:
            [found] = diagnose(Target("dora@example.org", chosen(None, one.master_pid))).findings
            assert found.problem.remedy.summary.startswith("Store the user as 'dora@example.org', without")
        # Without a domain: one of a file's lines is near enough, several rows of a table are none.
        told = says(one, "alice", "USER004" if kind == "passwd-file" else "USER001")
        assert all(name in told for name in _BOTH)
        assert "'bob@example.org'" in says(one, "bob", "USER004")
