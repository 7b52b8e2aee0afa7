"""The DB rules: a database that gives Dovecot no answer, and why."""

import os
import sqlite3
import subprocess
import sys
import time
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
from mailauth.lab import Lab, MariaDB, Postgres
from mailauth.lab.databases import Server
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
    told.story(fault, {"DB004"}, answers=[False])


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


def move(old: Path, new: Path) -> Do:
    def run(lab: Lab) -> None:
        del lab
        old.rename(new)

    return run


def test_db009_no_such_folder(proof: Make, dovecot_version: str) -> None:
    told = proof(dovecot_version, "sqlite", {"alice": GOOD})
    folder = told.lab.folder / "sqlite"
    away = folder.with_name("away")
    fault = Fault(
        name="SQLite file missing",
        do=move(folder, away),
        undo=move(away, folder),
    )
    told.story(fault, {"DB009"}, answers=[False])


def test_db009_locked(proof: Make, dovecot_version: str) -> None:
    """Another program holds the lock for longer than Dovecot waits."""
    told = proof(dovecot_version, "sqlite", {"alice": GOOD})
    holder: list[subprocess.Popen[bytes]] = []

    def lock(lab: Lab) -> None:
        lab.stop()  # 2.4.5's workers have the file open, and would not let the lock be taken
        one = subprocess.Popen([sys.executable, "-c", _LOCK, str(lab.store.path)], stdout=subprocess.PIPE)
        holder.append(one)
        assert one.stdout
        assert one.stdout.readline() == b"locked\n"
        lab.restart()

    def unlock(lab: Lab) -> None:
        del lab
        while holder:
            with holder.pop() as one:
                one.kill()

    fault = Fault(name="SQLite file locked", do=lock, undo=unlock)
    try:
        found = told.story(fault, {"DB009"}, answers=[False])
    finally:
        unlock(told.lab)
    assert "SQLITE_BUSY" in found[0].problem.says


# In a process of its own: the system takes a process's locks away as soon as it closes the file once.
_LOCK = """
import sqlite3, sys, time
link = sqlite3.connect(sys.argv[1], isolation_level=None)
link.execute("PRAGMA locking_mode = EXCLUSIVE")  # or readers of a write-ahead log, which 2.4.5 has, go on
link.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
time.sleep(60)
"""


def test_db009_no_database(proof: Make, dovecot_version: str) -> None:
    """The path is that of something else."""
    told = proof(dovecot_version, "sqlite", {"alice": GOOD})
    other = told.lab.folder / "sqlite" / "notes.txt"
    other.write_text("This is no database, however long it is read.\n" * 30)
    right = str(told.lab.store.path)
    fault = Fault(
        name="SQLite path of another file",
        do=settings(right, str(other)),
        undo=settings(str(other), right),
    )
    told.story(fault, {"DB009"}, answers=[False])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run the service as another user")
def test_db009_unreadable_to_the_service(proof: Make, dovecot_version: str) -> None:
    """Root can read the file, the user that auth-worker is set to cannot; mailauth asks as that user."""
    told = proof(dovecot_version, "sqlite", {"alice": GOOD})
    path = told.lab.store.path
    assert path
    as_user = "service auth-worker {\n  user = $default_internal_user\n}\n"
    if told.lab.dialect == "2.4":
        as_user = as_user.replace("$default", "$SET:default")
    fault = Fault(
        name="SQLite file unreadable to auth-worker",
        settings=as_user,
        do=lambda _: path.chmod(0o600),
        undo=lambda _: path.chmod(0o660),
    )
    found = told.story(fault, {"DB009"}, answers=[False])
    assert "EACCES" in found[0].problem.says


def test_db009_no_passwd_file(proof: Make, dovecot_version: str) -> None:
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    right = str(told.lab.store.path)
    fault = Fault(
        name="passwd-file missing", do=settings(right, f"{right}.new2"), undo=settings(f"{right}.new2", right)
    )
    told.story(fault, {"CONF015"}, answers=[False])


@SQL
def test_db010(proof: Make, dovecot_version: str, kind: str) -> None:
    told = proof(dovecot_version, kind, {"alice": GOOD})
    fault = Fault(
        name="query without a password column",
        do=settings("password FROM users", "password AS crypt FROM users"),
        undo=settings("password AS crypt FROM users", "password FROM users"),
    )
    told.story(fault, {"DB010"}, answers=[False])


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
