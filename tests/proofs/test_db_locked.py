"""A table that another session has locked: the database's wait is named first, and in bounded time."""

from collections.abc import Callable

import pytest

from mailauth.finding import Certainty, Severity
from tests.proofs.story import MiB, Proof, argon2id, record
from tests.proofs.test_db import administrator

GOOD = argon2id(memory=1 * MiB)
LOCKS = {
    "mysql": (("LOCK TABLES users WRITE",), "UNLOCK TABLES", "it says of that query: Waiting for"),
    "pgsql": (
        ("BEGIN", "LOCK TABLE users IN ACCESS EXCLUSIVE MODE"),
        "ROLLBACK",
        "the table users is locked",
    ),
}


@pytest.mark.parametrize("kind", LOCKS)
def test_db005_a_table_that_is_locked(proof: Callable[..., Proof], dovecot_version: str, kind: str) -> None:
    told = proof(dovecot_version, kind, {"alice": GOOD})
    assert told.logins() == [True]
    lock, unlock, says = LOCKS[kind]
    with administrator(told.lab) as cursor:
        for statement in lock:
            cursor.execute(statement)
        found = told.look(password=told.password, login=True).diagnosis.findings
        cursor.execute(unlock)
    assert [one.rule.code for one in found if one.severity is Severity.BLOCKS_LOGIN] == ["DB005"]
    assert found[0].rule.code == "DB005"
    assert found[0].problem.certainty is Certainty.PROVEN
    assert says in found[0].problem.says
    assert "other sessions: " in found[0].problem.says
    assert "end that session" in found[0].problem.remedy.summary
    assert "AUTH012" not in {one.rule.code for one in found}
    record(told.lab, "table locked by another session", ["DB005"])


def test_db005_names_who_holds_the_lock(proof: Callable[..., Proof]) -> None:
    """Where the server shows it; else that it does not is said, and no session is taken for the holder."""
    told = proof("2.3.19.1", "mysql", {"alice": GOOD})
    with administrator(told.lab) as cursor, administrator(told.lab) as innocent:
        innocent.execute("SELECT 1")
        cursor.execute("SELECT CONNECTION_ID()")
        ((number,),) = cursor.fetchall()
        cursor.execute("LOCK TABLES users WRITE")
        (unknown,) = told.finds({"DB005"})
        assert "which of them holds the lock, the server does not show" in unknown.problem.says or (
            "shown its own sessions only" in unknown.problem.says
        )
        cursor.execute("UNLOCK TABLES")
        cursor.execute("INSTALL SONAME 'metadata_lock_info'")
        cursor.execute("LOCK TABLES users WRITE")
        (known,) = told.finds({"DB005"})
        assert f"the lock is held by session {number} of " in known.problem.says
        assert "other sessions" not in known.problem.says
        cursor.execute("UNLOCK TABLES")
        cursor.execute("UNINSTALL SONAME 'metadata_lock_info'")
