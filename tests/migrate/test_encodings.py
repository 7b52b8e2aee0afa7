"""Passwords with umlauts in databases of several encodings, as Dovecot and its clients have them."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest

from tests.migrate.test_apply import Make, Store, migrated
from tests.migrate.test_undo import stored_of

__all__ = ["migrated"]
WORD = "p\u00e4ssw\u00f6rd-\u00df"
HASHING = ("--rehash", "ARGON2ID", "--profile", "owasp-7")


@contextmanager
def of_latin1(one: Store) -> Iterator[psycopg.Connection[object]]:
    """The lab's Dovecot asks a database of its server whose encoding is LATIN1."""
    place = one.lab.store.place
    at = {"host": place.host, "port": place.port, "user": place.user, "password": place.password}
    name = f"{place.database}_latin"
    with closing(psycopg.connect(dbname=place.database, autocommit=True, **at)) as link:  # type: ignore[arg-type]
        link.execute(
            f"CREATE DATABASE {name} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
        )
    for path in (one.lab.folder / "dovecot-sql.conf.ext", one.lab.config):
        if path.exists():
            text = path.read_text().replace(f"dbname={place.database}", f"dbname={name}")
            path.write_text(text.replace(f"dbname = {place.database}", f"dbname = {name}"))
    with closing(psycopg.connect(dbname=name, autocommit=True, **at)) as link:  # type: ignore[arg-type]
        link.execute("CREATE TABLE users (userid VARCHAR(190) PRIMARY KEY, password TEXT)")
        yield link


@pytest.mark.parametrize("version", ["2.3.19.1", "2.4.1"])
def test_text_that_dovecot_gets_in_another_encoding_is_not_hashed(migrated: Make, version: str) -> None:
    """Its bytes let a client in that sends them, and a hash of the same letters in UTF-8 would not."""
    one = migrated(version, "pgsql", {})
    with of_latin1(one) as link:
        link.execute("INSERT INTO users VALUES ('ann', %s), ('bob', '{PLAIN}word')", ["{PLAIN}" + WORD])
        one.lab.reload()
        assert one.lab.login("ann", WORD.encode("latin-1")).ok
        assert not one.lab.login("ann", WORD.encode()).ok
        said = one.at("plan", *HASHING, status=1)
        assert "CANNOT BE DONE" in said
        assert "(LATIN1; strings that are not ASCII: 1)" in said
        one.at("apply", *HASHING, "--apply", status=1)
        assert one.lab.login("ann", WORD.encode("latin-1")).ok
        link.execute("DELETE FROM users WHERE userid = 'ann'")
        one.at("apply", *HASHING, "--apply")
        assert one.lab.login("bob", b"word").ok


@pytest.mark.parametrize("encoding", ["latin1", "utf8mb4"])
def test_mariadb_gives_dovecot_utf_8_from_any_column(migrated: Make, encoding: str) -> None:
    one = migrated("2.3.19.1", "mysql", {})
    one.lab.store.execute(  # type: ignore[attr-defined]
        f"ALTER TABLE users MODIFY password VARCHAR(255) CHARACTER SET {encoding}",
        f"INSERT INTO users VALUES ('ann', '{{PLAIN}}{WORD}')",
    )
    before = stored_of(one)
    assert one.lab.login("ann", WORD.encode()).ok
    done = json.loads(one.at("apply", *HASHING, "--apply", "--json"))
    assert one.lab.login("ann", WORD.encode()).ok
    one.at("undo", done["id"], "--apply")
    assert stored_of(one) == before
    assert one.lab.login("ann", WORD.encode()).ok
