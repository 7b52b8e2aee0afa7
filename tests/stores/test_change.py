"""A user's stored string is changed where it is still the one that was read, or nothing is."""

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mailauth.dovecot.authconfig import FileSource, SqlSource
from mailauth.dovecot.doveadm import at_pid
from mailauth.dovecot.site import read_config
from mailauth.dovecot.variables import expand, values
from mailauth.errors import Refused
from mailauth.lab import Lab
from mailauth.lab.stores import ServerStore, SqliteStore
from mailauth.stores import change, mysql, pgsql, query, sql, sqlite
from tests.proofs.story import SECRET, MiB, argon2id

OLD = argon2id(memory=1 * MiB, salt=b"the-old-one-0123")
NEW = argon2id(b"new one", memory=1 * MiB, salt=b"the-new-one-0123")
OTHER = argon2id(b"third", memory=1 * MiB, salt=b"a-third-one-0123")
Labs = Callable[..., Lab]


def changed(lab: Lab, old: str | None, new: str | None, user: str = "alice") -> change.Changed:
    """As ``mailauth fix`` does it: by Dovecot's own configuration."""
    dovecot = at_pid(lab.master_pid, None)
    config = read_config(dovecot)
    source = config.passdbs[0].source
    was, will = (None if text is None else text.encode() for text in (old, new))
    if isinstance(source, FileSource):
        assert was is not None
        assert will is not None
        return dovecot.inside(lambda: change.in_file(Path(source.path), user, was, will), change.Changed)
    assert isinstance(source, SqlSource)
    sql.prepare(source)
    known = values(user, original=user, service="imap", dialect=config.version.dialect)
    select = query.read(source.query)
    return dovecot.inside(
        lambda: change.in_database(
            source,
            select,
            lambda template, escape: expand(template, known, config.version.dialect, escape),
            was,
            will,
        ),
        change.Changed,
    )


def stored(lab: Lab, user: str = "alice") -> str | None:
    """What is there, read without mailauth's reader."""
    path = lab.store.path
    if lab.driver == "passwd-file":
        assert path
        found = [line for line in path.read_text().splitlines() if line.startswith(f"{user}:")]
        return found[0].split(":")[1]
    return lab.store.users()[user]


def test_change_and_undo(lab: Labs, dovecot_version: str, store: str) -> None:
    """The user logs in with the new password, then again with the old one; nobody else is touched."""
    with lab(dovecot_version, store, {"alice": OLD, "bob": OTHER}) as one:
        done = changed(one, OLD, NEW)
        assert stored(one) == NEW
        assert stored(one, "bob") == OTHER
        if store == "passwd-file":
            time.sleep(1.1)  # Dovecot looks once a second
        assert one.login("alice", b"new one").ok
        assert not one.login("alice", SECRET).ok
        assert NEW not in repr(done)
        assert OLD not in repr(done)
        changed(one, NEW, OLD)
        assert stored(one) == OLD
        if store == "passwd-file":
            time.sleep(1.1)
        assert one.login("alice", SECRET).ok


def test_changed_meanwhile(lab: Labs, store: str) -> None:
    """Someone else was quicker: his string stays."""
    with lab(None, store, {"alice": OTHER}) as one:
        with pytest.raises(Refused, match="changed by someone else"):
            changed(one, OLD, NEW)
        assert stored(one) == OTHER


def test_gone_meanwhile(lab: Labs, store: str) -> None:
    with lab(None, store, {"bob": OTHER}) as one, pytest.raises(Refused, match=r"not there any more|no row"):
        changed(one, OLD, NEW)


@pytest.mark.parametrize("kind", ["sqlite", "mysql", "pgsql"])
def test_null_is_a_value(lab: Labs, kind: str) -> None:
    with lab(None, kind, {"alice": None}) as one:
        changed(one, None, NEW)
        assert stored(one) == NEW
        changed(one, NEW, None)
        assert stored(one) is None


@pytest.mark.parametrize("kind", ["mysql", "pgsql"])
def test_a_column_that_cuts_or_pads_is_noticed(lab: Labs, kind: str) -> None:
    """VARCHAR(20) cuts where the server is lax; CHAR(200) pads; both are rolled back."""
    with lab(None, kind, {"alice": "{PLAIN}x"}) as one:
        store = one.store
        assert isinstance(store, ServerStore)
        for width in ("VARCHAR(20)", "CHAR(200)"):
            with store._cursor() as cursor:
                if kind == "mysql":
                    cursor.execute("SET GLOBAL sql_mode = ''")
                    cursor.execute(f"ALTER TABLE users MODIFY password {width}")
                else:
                    cursor.execute(f"ALTER TABLE users ALTER password TYPE {width}")
            if (kind, width) == ("mysql", "CHAR(200)"):
                changed(one, "{PLAIN}x", OLD)  # MariaDB takes its padding off again
                changed(one, OLD, "{PLAIN}x")
                continue
            was = "{PLAIN}x" if width.startswith("V") else f"{'{PLAIN}x':<200}"
            with pytest.raises(Refused, match=r"does not keep|too long") as told:
                changed(one, was, OLD)
            assert OLD not in str(told.value)
            assert stored(one) == was
        if kind == "mysql":
            store.server.execute("SET GLOBAL sql_mode = DEFAULT")  # other tests use this server, too


@pytest.mark.parametrize("kind", ["sqlite", "mysql", "pgsql"])
@pytest.mark.parametrize(
    "text",
    [
        "SELECT {concat} AS password FROM users WHERE userid = '{u}'",
        "SELECT u.password FROM users u JOIN users v ON u.userid = v.userid WHERE u.userid = '{u}'",
        "SELECT MAX(password) AS password FROM users WHERE userid = '{u}' GROUP BY userid",
    ],
    ids=["computed", "joined", "grouped"],
)
def test_a_query_that_is_not_plain(lab: Labs, dovecot_version: str, kind: str, text: str) -> None:
    """One sentence with the statement to run, and no hash in it."""
    concat = "CONCAT('{ARGON2ID}', password)" if kind != "sqlite" else "'{ARGON2ID}' || password"
    asked = text.replace("{concat}", concat).replace("{u}", "%{user}" if dovecot_version >= "2.4" else "%u")
    bare = OLD.removeprefix("{ARGON2ID}")
    with lab(dovecot_version, kind, {"alice": bare}, query=asked) as one:
        with pytest.raises(Refused, match=r"UPDATE .* SET <column> = '<new string>' WHERE") as told:
            changed(one, OLD, NEW)
        assert "\n" not in str(told.value)
        assert bare not in str(told.value)
        assert stored(one) == bare


@pytest.mark.parametrize("kind", ["sqlite", "mysql", "pgsql"])
@pytest.mark.parametrize("tail", [" -- of ours", " OR 1 = 0", " LIMIT 1", " ORDER BY userid LIMIT 1"])
def test_what_follows_the_condition(lab: Labs, dovecot_version: str, kind: str, tail: str) -> None:
    """A comment does not swallow the rest, nor does an OR widen it."""
    user = "%{user}" if dovecot_version >= "2.4" else "%u"
    asked = f"SELECT userid AS user, password FROM users WHERE userid = '{user}'{tail}"
    with lab(dovecot_version, kind, {"alice": OLD, "bob": OLD}, query=f'"{asked}"') as one:
        changed(one, OLD, NEW)
        assert (stored(one), stored(one, "bob")) == (NEW, OLD)


@pytest.mark.parametrize("kind", ["sqlite", "mysql", "pgsql"])
@pytest.mark.parametrize(
    "name", ["o'hara", "x' OR '1'='1", 'a"b', "per%cent%s%(x)s", "back\\slash", "a'; --"]
)
def test_odd_names_touch_their_own_row(lab: Labs, kind: str, name: str) -> None:
    with lab(None, kind, {"alice": OLD, name: OLD}) as one:
        changed(one, OLD, NEW, name)
        assert (stored(one), stored(one, name)) == (OLD, NEW)


@pytest.mark.parametrize("kind", ["sqlite", "mysql", "pgsql"])
def test_several_rows(lab: Labs, kind: str) -> None:
    """A condition that names two rows changes none."""
    asked = "SELECT password FROM users WHERE userid LIKE '%n%%'"
    with lab("2.3.19.1", kind, {"alice": OLD, "alice2": OLD}, query=asked) as one:
        with pytest.raises(Refused, match="several rows"):
            changed(one, OLD, NEW)
        assert one.store.users() == {"alice": OLD, "alice2": OLD}


@pytest.mark.parametrize("kind", ["mysql", "pgsql"])
def test_a_row_locked_by_another(lab: Labs, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """We wait for a while, and then say so."""
    monkeypatch.setattr({"mysql": mysql, "pgsql": pgsql}[kind], "ONE_LOCK", 1)
    with lab(None, kind, {"alice": OLD}) as one:
        store = one.store
        assert isinstance(store, ServerStore)
        link: Any = store._connect()
        link.cursor().execute("UPDATE users SET password = 'x' WHERE userid = 'alice'")
        with pytest.raises(Refused, match=r"(?i)lock"):
            changed(one, OLD, NEW)
        link.rollback()
        link.close()
        assert stored(one) == OLD


def test_a_locked_sqlite(lab: Labs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "TIMEOUT", 0.2)
    with lab(None, "sqlite", {"alice": OLD}) as one:
        assert one.store.path
        other = sqlite3.connect(one.store.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Refused, match="locked"):
            changed(one, OLD, NEW)
        other.close()
        assert stored(one) == OLD


def test_a_read_only_postgres(lab: Labs) -> None:
    with lab(None, "pgsql", {"alice": OLD}) as one:
        store = one.store
        assert isinstance(store, ServerStore)
        name = store.place.database
        store.server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        with pytest.raises(Refused, match=r"read-only.*administrator run: UPDATE users SET password"):
            changed(one, OLD, NEW)
        assert stored(one) == OLD


def test_an_account_that_may_only_read(lab: Labs) -> None:
    """The usual case: Dovecot's account may SELECT, and no more."""
    with lab("2.3.19.1", "pgsql", {"alice": OLD}) as one:
        store = one.store
        assert isinstance(store, ServerStore)
        with store._cursor() as cursor:
            cursor.execute("CREATE ROLE reader LOGIN PASSWORD 'pw'")
            cursor.execute("GRANT SELECT ON users TO reader")
        file = one.folder / "dovecot-sql.conf.ext"
        text = file.read_text().replace("user=lab", "user=reader")
        file.write_text(text.replace(store.place.password, "pw"))
        with pytest.raises(Refused, match=r"denied.*administrator run: UPDATE users SET password") as told:
            changed(one, OLD, NEW)
        assert "(userid = 'alice')" in str(told.value)  # and not the query's variable
        assert stored(one) == OLD


def test_a_table_without_transactions(lab: Labs) -> None:
    with lab(None, "mysql", {"alice": OLD}) as one:
        store = one.store
        assert isinstance(store, ServerStore)
        with store._cursor() as cursor:
            # Its keys have at most 1000 bytes, which 255 characters of utf8mb4 are not.
            cursor.execute("ALTER TABLE users MODIFY userid VARCHAR(128) NOT NULL, ENGINE = MyISAM")
        with pytest.raises(Refused, match="no transactions"):
            changed(one, OLD, NEW)
        assert stored(one) == OLD


def test_the_old_string_is_in_no_log_of_the_database(lab: Labs, tmp_path: Path) -> None:
    """It may be a plaintext; general_log and log_statement=all show every statement's values."""
    del tmp_path
    plain = "{PLAIN}a-plaintext-of-old"
    with lab(None, "mysql", {"alice": plain}) as one:
        store = one.store
        assert isinstance(store, ServerStore)
        log = store.server.folder / "data" / "general.log"
        store.server.execute(f"SET GLOBAL general_log_file = '{log}'")
        store.server.execute("SET GLOBAL general_log = 1")
        changed(one, plain, NEW)
        store.server.execute("SET GLOBAL general_log = 0")
        said = log.read_text(errors="replace")
        assert "UPDATE users SET password" in said
        assert "a-plaintext-of-old" not in said
    with lab(None, "pgsql", {"alice": plain}) as one:
        store = one.store
        assert isinstance(store, ServerStore)
        store.server.execute(f"ALTER DATABASE {store.place.database} SET log_statement = 'all'")
        changed(one, plain, NEW)
        said = (store.server.folder / "server.log").read_text(errors="replace")
        assert "UPDATE users SET password" in said
        assert "a-plaintext-of-old" not in said


def test_two_at_once(lab: Labs, store: str) -> None:
    """Of two who saw the same string, one wins and the other is told."""
    with lab(None, store, {"alice": OLD}) as one:
        won: list[str] = []
        lost: list[Refused] = []

        def attempt(new: str) -> None:
            try:
                changed(one, OLD, new)
                won.append(new)
            except Refused as why:
                lost.append(why)

        both = [threading.Thread(target=attempt, args=(new,)) for new in (NEW, OTHER)]
        for each in both:
            each.start()
        for each in both:
            each.join()
        assert (len(won), len(lost)) == (1, 1)
        assert stored(one) == won[0]


def test_nobody_is_listening() -> None:
    """One sentence, and it says that nothing was changed."""
    source = SqlSource("pgsql", ({"host": "127.0.0.1", "port": "1"},), "", "dovecot-sql.conf.ext")
    with pytest.raises(Refused, match=r"pgsql 127.0.0.1:1/.*nothing was changed"):
        change.in_database(
            source, query.read("SELECT password FROM users WHERE a = 'b'"), lambda text, _: text, b"a", b"b"
        )


def test_sqlite_as_a_store_keeps_text(lab: Labs) -> None:
    """Not a BLOB, which other programs would compare in vain."""
    with lab(None, "sqlite", {"alice": OLD}) as one:
        changed(one, OLD, NEW)
        assert isinstance(one.store, SqliteStore)
        with one.store._cursor() as cursor:
            cursor.execute("SELECT typeof(password) FROM users")
            assert cursor.fetchall() == [("text",)]
