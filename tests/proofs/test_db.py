"""The DB rules: a database that gives Dovecot no answer, and why."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest

from mailauth.diagnose_all import Checkup, look_at_all
from mailauth.dovecot.authsocket import AuthSocket
from mailauth.dovecot.doveadm import at_pid
from mailauth.dovecot.logreading import read_logs
from mailauth.dovecot.logreport import Reading
from mailauth.dovecot.releases import SQLITE_WAL
from mailauth.errors import CannotObserve
from mailauth.finding import Certainty, Diagnosis, Severity
from mailauth.lab import Lab
from mailauth.lab.ports import HOST
from mailauth.render.text import summary
from tests.proofs.story import Fault, MiB, Proof, argon2id, record

Make = Callable[..., Proof]
Do = Callable[[Lab], None]

GOOD = argon2id(memory=1 * MiB)
SQL = pytest.mark.parametrize("kind", ["sqlite", "mysql", "pgsql"])
SERVERS = pytest.mark.parametrize("kind", ["mysql", "pgsql"])
_SOON = 3.0  # seconds; a login that a lost database makes wait a minute has failed by then


def sql(*statements: str) -> Do:
    """Run statements as the store's administrator."""

    def run(lab: Lab) -> None:
        with administrator(lab) as cursor:
            for statement in statements:
                cursor.execute(statement)

    return run


def sql_again(*statements: str) -> Do:
    """Mend by statements; after a failure Dovecot may need a moment to connect again, and a reload none."""

    def run(lab: Lab) -> None:
        sql(*statements)(lab)
        lab.reload()

    return run


@contextmanager
def administrator(lab: Lab) -> Iterator[Any]:
    place = lab.store.place
    link: Any
    if lab.driver == "sqlite":
        assert lab.store.path
        link = sqlite3.connect(lab.store.path)
    elif lab.driver == "mysql":
        link = pymysql.connect(
            host=place.host,
            port=place.port,
            user=place.user,
            password=place.password,
            database=place.database,
            ssl_disabled=True,
        )
    else:
        link = psycopg.connect(
            host=place.host, port=place.port, user=place.user, password=place.password, dbname=place.database
        )
    with closing(link):
        yield link.cursor()
        link.commit()


def settings(old: str, new: str) -> Do:
    """Change what the SQL settings say, and have Dovecot read them."""

    def run(lab: Lab) -> None:
        rewrite(old, new)(lab)
        lab.reload()

    return run


def rewrite(old: str, new: str) -> Do:
    """Change what the SQL settings say."""

    def run(lab: Lab) -> None:
        files = [lab.config, lab.folder / "dovecot-sql.conf.ext"]
        found = [file for file in files if file.exists() and old in file.read_text()]
        assert found, f"{old!r} is nowhere"
        for file in found:
            file.write_text(file.read_text().replace(old, new))

    return run


def value(lab: Lab, name: str, text: object) -> str:
    """``name = text`` as the dialect writes it."""
    return f"{name}={text}" if lab.dialect == "2.3" else f"{name} = {text}"


def gets_in_soon(told: Proof) -> bool:
    try:
        with AuthSocket(told.lab.auth_socket, timeout=_SOON) as auth:
            return auth.plain(told.user, told.password).ok
    except CannotObserve:
        return False


def outage(told: Proof, name: str, code: str, do: Do, undo: Do) -> str:
    """A story whose logins wait for a minute before they fail, and whose Dovecot is started anew after."""
    assert told.logins() == [True]
    told.finds(set(), password=told.password)
    do(told.lab)
    told.lab.restart()
    told.finds({code})
    assert not gets_in_soon(told)
    found = told.finds({code}, password=told.password)
    assert found[0].problem.certainty is Certainty.PROVEN
    undo(told.lab)
    told.lab.restart()
    assert told.logins(3) == [True] * 3
    told.finds(set(), password=told.password)
    record(told.lab, name, [code])
    return found[0].problem.says


@pytest.mark.core
@SERVERS
def test_db001(proof: Make, dovecot_version: str, kind: str) -> None:
    """Nothing listens at the port that Dovecot is told."""
    told = proof(dovecot_version, kind, {"alice": GOOD})
    place, nobody = told.lab.store.place, told.lab.free_port()
    right, wrong = value(told.lab, "port", place.port), value(told.lab, "port", nobody)
    says = outage(told, "database server down", "DB001", rewrite(right, wrong), rewrite(wrong, right))
    assert "ECONNREFUSED" in says
    assert str(nobody) in says


@SERVERS
def test_db002(proof: Make, dovecot_version: str, kind: str) -> None:
    """Dovecot's password is not the server's."""
    told = proof(dovecot_version, kind, {"alice": GOOD})
    right = value(told.lab, "password", told.lab.store.place.password)
    wrong = value(told.lab, "password", "another")
    says = outage(told, "database credentials", "DB002", rewrite(right, wrong), rewrite(wrong, right))
    assert ("1045" if kind == "mysql" else "28P01") in says
    assert "another" not in says
    troubles = read_logs(Reading((told.lab.folder / "log",))).troubles
    assert any("was reached, and refuses" in one.says for one in troubles), [one.text for one in troubles]


@SERVERS
def test_db002_after_the_password_was_changed(proof: Make, dovecot_version: str, kind: str) -> None:
    """Dovecot is served on the connection that it has; that the next one fails is told, as what is likely."""
    told = proof(dovecot_version, kind, {"alice": GOOD})
    as_reader(told.lab)
    told.lab.reload()
    assert told.logins() == [True]
    told.finds(set(), password=told.password)
    word = "ALTER USER {} IDENTIFIED BY '{}'" if kind == "mysql" else "ALTER ROLE {} PASSWORD '{}'"
    try:
        sql(word.format(reader(told.lab), "another"))(told.lab)
        assert told.logins() == [True]
        found = told.finds({"DB002"}, password=told.password)
        assert found[0].problem.certainty is Certainty.LIKELY
        assert "a connection from before" in found[0].problem.says
    finally:
        no_reader(told.lab)


@SQL
def test_db003(proof: Make, dovecot_version: str, kind: str) -> None:
    told = proof(dovecot_version, kind, {"alice": GOOD})
    fault = Fault(
        name="no such table",
        do=sql("ALTER TABLE users RENAME TO mailbox"),
        undo=sql_again("ALTER TABLE mailbox RENAME TO users"),
    )
    told.story(fault, {"DB003"}, answers=[False])


@SQL
def test_db004(proof: Make, dovecot_version: str, kind: str) -> None:
    told = proof(dovecot_version, kind, {"alice": GOOD})
    fault = Fault(
        name="no such column",
        do=sql("ALTER TABLE users RENAME COLUMN password TO crypt"),
        undo=sql_again("ALTER TABLE users RENAME COLUMN crypt TO password"),
    )
    (found,) = told.story(fault, {"DB004"}, answers=[False])
    assert "; the table has " in found.problem.says


@SQL
def test_a_checkup_asks_the_store(proof: Make, dovecot_version: str, kind: str) -> None:
    """Without a user, too, what keeps everybody out is named; and only rules that were asked are counted."""
    told = proof(dovecot_version, kind, {"alice": GOOD})
    well = checked_up(told.lab)
    assert not [one for one in well.findings if one.rule.code.startswith("DB")]
    silent = {rule.code for rule in well.silent}
    assert {"DB001", "DB003", "DB004"} <= silent
    assert not silent & {"PASS001", "USER001", "HASH001"}, "no user was asked about"
    renamed = sql("ALTER TABLE users RENAME TO mailbox"), sql("ALTER TABLE mailbox RENAME TO users")
    right = value(told.lab, "password", told.lab.store.place.password)
    wrong = value(told.lab, "password", "another")
    for code, do, undo in (
        ("DB003", *renamed),
        ("DB004", rewrite("SELECT ", "SELECT missing, "), rewrite("SELECT missing, ", "SELECT ")),
        *([] if kind == "sqlite" else [("DB002", rewrite(right, wrong), rewrite(wrong, right))]),
    ):
        do(told.lab)
        told.lab.restart()
        found = checked_up(told.lab)
        severities = {one.rule.code: one.severity for one in found.findings}
        assert severities.get(code) is Severity.BLOCKS_LOGIN, (code, severities)
        assert not summary(found).startswith("Nothing found")
        undo(told.lab)
        told.lab.restart()
    assert told.logins() == [True]


def checked_up(lab: Lab) -> Diagnosis:
    return look_at_all(Checkup(at_pid(lab.master_pid, None))).diagnosis


@SERVERS
def test_db006(proof: Make, dovecot_version: str, kind: str) -> None:
    told = proof(dovecot_version, kind, {"alice": GOOD})
    right = value(told.lab, "dbname", told.lab.store.place.database)
    wrong = value(told.lab, "dbname", "elsewhere")
    outage(told, "no such database", "DB006", rewrite(right, wrong), rewrite(wrong, right))


def test_db006_a_file_made_by_accident(proof: Make, dovecot_version: str) -> None:
    """SQLite makes the file that is not there: first it is missing, after a login it is empty."""
    told = proof(dovecot_version, "sqlite", {"alice": GOOD})
    right = str(told.lab.store.path)
    wrong = str(Path(right).with_name("user.sqlite"))
    assert told.logins() == [True]
    settings(right, wrong)(told.lab)
    told.lab.reload()
    if not SQLITE_WAL.holds(told.lab.version):  # which makes it as soon as auth starts
        told.finds({"DB009"}, password=told.password)
    assert told.logins() == [False]
    assert Path(wrong).exists()
    found = told.finds({"DB006"}, password=told.password)
    assert wrong in found[0].problem.says
    settings(wrong, right)(told.lab)
    told.lab.reload()
    assert told.logins(3) == [True] * 3
    told.finds(set(), password=told.password)
    record(told.lab, "SQLite file made by accident", ["DB006"])


def reader(lab: Lab) -> str:
    """A database user of few rights."""
    name = f"reader_{lab.store.place.database}"
    return f"'{name}'@'{HOST}'" if lab.driver == "mysql" else name


def as_reader(lab: Lab, *, may_read: bool = True) -> None:
    """Have Dovecot ask as that user."""
    make = (
        "CREATE USER {} IDENTIFIED BY 'pw'" if lab.driver == "mysql" else "CREATE ROLE {} LOGIN PASSWORD 'pw'"
    )
    sql(make.format(reader(lab)))(lab)
    if lab.driver == "mysql":
        sql(
            "CREATE TABLE other (x INT)", f"GRANT SELECT ON {lab.store.place.database}.other TO {reader(lab)}"
        )(lab)
    if may_read:
        let_read(lab)
    place = lab.store.place
    rewrite(value(lab, "user", place.user), value(lab, "user", f"reader_{place.database}"))(lab)
    rewrite(value(lab, "password", place.password), value(lab, "password", "pw"))(lab)


def let_read(lab: Lab) -> None:
    sql_again(f"GRANT SELECT ON users TO {reader(lab)}")(lab)


def no_reader(lab: Lab) -> None:
    """Take that user away; nobody may be connected, and nothing be his."""
    lab.stop()
    what = "USER" if lab.driver == "mysql" else "ROLE"
    owned = [] if lab.driver == "mysql" else [f"DROP OWNED BY {reader(lab)}"]
    sql(*owned, f"DROP {what} {reader(lab)}")(lab)


@SERVERS
def test_db007(proof: Make, dovecot_version: str, kind: str) -> None:
    told = proof(dovecot_version, kind, {"alice": GOOD})
    fault = Fault(
        name="permission denied for the table", do=lambda lab: as_reader(lab, may_read=False), undo=let_read
    )
    try:
        found = told.story(fault, {"DB007"}, answers=[False])
        assert ("1142" if kind == "mysql" else "42501") in found[0].problem.says
    finally:
        no_reader(told.lab)


@SQL
def test_db008(proof: Make, dovecot_version: str, kind: str) -> None:
    told = proof(dovecot_version, kind, {"alice": GOOD})
    fault = Fault(
        name="syntax error in the query",
        do=settings("FROM users WHERE", "FROM users WHEER"),
        undo=settings("FROM users WHEER", "FROM users WHERE"),
    )
    told.story(fault, {"DB008"}, answers=[False])


@SQL
def test_db010(proof: Make, dovecot_version: str, kind: str) -> None:
    told = proof(dovecot_version, kind, {"alice": GOOD})
    fault = Fault(
        name="query without a password column",
        do=settings("password FROM users", "password AS crypt FROM users"),
        undo=settings("password AS crypt FROM users", "password FROM users"),
    )
    told.story(fault, {"DB010"}, answers=[False])


@SERVERS
def test_db012(proof: Make, dovecot_version: str, kind: str) -> None:
    """Of two servers one is down: logins work."""
    told = proof(dovecot_version, kind, {"alice": GOOD})
    place = told.lab.store.place
    if told.lab.dialect == "2.3":
        old, new = f"connect = host={HOST}", f"connect = host={HOST} host=127.0.0.2"
    else:
        address = {
            "user": place.user,
            "password": place.password,
            "dbname": place.database,
            "port": place.port,
        }
        inside = "".join(f"{name} = {text}\n" for name, text in address.items())
        block = f"parameters {{\n{inside}}}\n" if kind == "pgsql" else inside
        old, new = "passdb sql {", f"{kind} 127.0.0.2 {{\n{block}}}\npassdb sql {{"
    assert told.logins() == [True]
    told.finds(set(), password=told.password)
    settings(old, new)(told.lab)
    found = told.finds({"DB012"}, password=told.password)
    assert "127.0.0.2" in found[0].problem.says
    assert told.logins(5).count(True) >= 3  # now and then one is sent to the server that is down
    settings(new, old)(told.lab)
    assert told.logins(3) == [True] * 3
    told.finds(set(), password=told.password)
    record(told.lab, "one of two database servers down", ["DB012"])
