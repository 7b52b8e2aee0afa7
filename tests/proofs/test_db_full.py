"""DB011: a database server that takes no more connections."""

import time
from typing import Any

import psycopg
import pymysql
import pytest

from mailauth.lab import Lab, MariaDB, Postgres
from mailauth.lab.databases import Server
from mailauth.lab.ports import HOST
from tests.proofs.story import Proof
from tests.proofs.test_db import GOOD, administrator, as_reader, outage, reader, sql


@pytest.mark.parametrize("server", [Postgres, MariaDB])
def test_db011(server: type[Server], dovecot_version: str) -> None:
    """Other programs have taken every connection; then Dovecot is started anew."""
    store = "pgsql" if server is Postgres else "mysql"
    with server() as database, Lab(dovecot_version, store, {"alice": GOOD}, database=database) as lab:
        told = Proof(lab)
        as_reader(lab)
        lab.restart()
        held: list[Any] = []

        def fill(lab: Lab) -> None:
            lab.stop()
            narrow(lab)
            end = time.monotonic() + 60
            while len(held) < _MOST:  # one that Dovecot had may still be on its way out
                full(held, lab)
                assert time.monotonic() < end

        def release(lab: Lab) -> None:
            while held:
                held.pop().close()
            end = time.monotonic() + 60
            while connected(lab) > _MOST // 2:  # the server hears of it later
                assert time.monotonic() < end

        try:
            says = outage(told, "no connection left", "DB011", fill, release)
        finally:
            release(lab)
    assert ("1040" if store == "mysql" else "53300") in says


_MOST = 10  # the least that MariaDB can be told to have


def narrow(lab: Lab) -> None:
    """Let the server have so many connections of that user's."""
    role = f"ALTER ROLE {reader(lab)} CONNECTION LIMIT {_MOST}"
    sql(f"SET GLOBAL max_connections = {_MOST}" if lab.driver == "mysql" else role)(lab)


def connected(lab: Lab) -> int:
    """How many connections that user has, as the server counts them."""
    table = "information_schema.processlist" if lab.driver == "mysql" else "pg_stat_activity"
    column = "user" if lab.driver == "mysql" else "usename"
    with administrator(lab) as cursor:
        cursor.execute(f"SELECT count(*) FROM {table} WHERE {column} = 'reader_{lab.store.place.database}'")
        return int(cursor.fetchone()[0])


def full(held: list[Any], lab: Lab) -> bool:
    """Take one more connection; whether there was none."""
    place = lab.store.place
    who: dict[str, Any] = {
        "host": HOST,
        "port": place.port,
        "user": f"reader_{place.database}",
        "password": "pw",
    }
    try:
        held.append(
            pymysql.connect(**who) if lab.driver == "mysql" else psycopg.connect(**who, dbname=place.database)
        )
    except (pymysql.Error, psycopg.Error):
        return True
    assert len(held) < 200
    return False


@pytest.mark.parametrize("server", [Postgres, MariaDB])
def test_full_for_us_only_is_not_full(server: type[Server], dovecot_version: str) -> None:
    """Dovecot has its connection and answers; what cannot be asked is undecided, not found."""
    store = "pgsql" if server is Postgres else "mysql"
    with server() as database, Lab(dovecot_version, store, {"alice": GOOD}, database=database) as lab:
        told = Proof(lab)
        as_reader(lab)
        lab.restart()
        assert told.logins() == [True]
        narrow(lab)
        held: list[Any] = []
        end = time.monotonic() + 60
        while not full(held, lab) or connected(lab) < _MOST:  # an administrator may have had the last one
            assert time.monotonic() < end
        try:
            diagnosis = told.look(password=told.password).diagnosis
            assert told.logins() == [True]
        finally:
            for link in held:
                link.close()
    assert not diagnosis.findings
    assert "Dovecot has its connection" in diagnosis.undecided[0].missing.reason
