"""DB005: a database that answers too late, or ends the query itself."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mailauth.finding import Certainty, Severity
from mailauth.lab import Lab
from tests.proofs.story import Fault, record
from tests.proofs.test_db import (
    GOOD,
    SERVERS,
    Make,
    administrator,
    as_reader,
    no_reader,
    reader,
    sql,
    sql_again,
)


@SERVERS
def test_db005(proof: Make, dovecot_version: str, kind: str) -> None:
    """Logins work, and each waits for the database."""
    told = proof(dovecot_version, kind, {"alice": GOOD})
    wait = "SLEEP(1.3) = 0" if kind == "mysql" else "pg_sleep(1.3) IS NOT NULL"
    view = f"CREATE VIEW users AS SELECT userid, password FROM mailbox WHERE userid <> '' AND {wait}"
    fault = Fault(
        name="slow database",
        do=sql("ALTER TABLE users RENAME TO mailbox", view),
        undo=sql_again("DROP VIEW users", "ALTER TABLE mailbox RENAME TO users"),
    )
    found = told.story(fault, {"DB005"}, answers=[True])
    assert "took long" in found[0].problem.says
    assert found[0].severity is Severity.RISK


@contextmanager
def locked(lab: Lab) -> Iterator[None]:
    """Another program holds the table."""
    with administrator(lab) as cursor:
        lock = "LOCK TABLES users WRITE" if lab.driver == "mysql" else "LOCK TABLE users"
        cursor.execute(lock)
        yield


LOCKS = {
    "mysql": ("SET GLOBAL lock_wait_timeout = 1", "SET GLOBAL lock_wait_timeout = DEFAULT"),
    "pgsql": ("ALTER ROLE {} SET lock_timeout = '1s'", "ALTER ROLE {} RESET lock_timeout"),
    "statement": ("ALTER ROLE {} SET statement_timeout = '1s'", "ALTER ROLE {} RESET statement_timeout"),
}


@pytest.mark.parametrize("limit", LOCKS)
def test_db005_blocks_where_the_server_ends_the_query(proof: Make, dovecot_version: str, limit: str) -> None:
    """A lock that another holds, and a limit of the server's: Dovecot gets no answer, and the login fails."""
    told = proof(dovecot_version, "mysql" if limit == "mysql" else "pgsql", {"alice": GOOD})
    if limit != "mysql":
        as_reader(told.lab)
    begin, end = (text.format(reader(told.lab)) for text in LOCKS[limit])
    sql(begin)(told.lab)
    try:
        told.lab.reload()
        assert told.logins() == [True]
        told.finds(set(), password=told.password)
        with locked(told.lab):
            assert told.logins() == [False]
            (found,) = told.finds({"DB005"}, password=told.password)
        assert (found.severity, found.problem.certainty) == (Severity.BLOCKS_LOGIN, Certainty.PROVEN)
        assert told.logins() == [True]
        told.finds(set(), password=told.password)
    finally:
        sql(end)(told.lab)
        if limit != "mysql":
            no_reader(told.lab)
    record(told.lab, f"a lock, and the server's limit ({limit})", {"DB005"})
