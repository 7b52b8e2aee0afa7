"""A line that is pasted into a shell has strict words only: what has another form is in none."""

import shlex
import subprocess

import pytest

from mailauth.stores import pasted
from mailauth.stores.databases import DATABASES
from mailauth.stores.pasted import Row

CLIENT = ("sudo", "mysql", "mail")


def made(table: str = "users", column: str = "password", where: str = "userid = 'alice'") -> Row | None:
    return pasted.row("mysql localhost/mail", CLIENT, (table, column, where), "TRIM({0})")


@pytest.mark.parametrize(
    ("table", "column", "where"),
    [
        ("users; DROP TABLE users", "password", "userid = 'alice'"),
        ("users", "password = 'x', admin", "userid = 'alice'"),
        ("users", "password", "userid = 'alice'; DROP TABLE users"),
        ("users", "password", "userid = '$(reboot)'"),
        ("users", "password", "userid = '`reboot`$'"),
        ("users", "password", "userid = 'alice' -- x"),
        ("users", "password", "userid = 'alice' /* x */"),
        ("users", "password", "userid = 'alice\\'"),
        ("users", "password", "userid = 'alice' AND note != ''"),
        ("users", "password", "userid = 'alice' OR 1 = 1"),
        ("users", "password", "userid = 'al\nice'"),
        ("users", "password", "userid = 'alice"),
        ("users", "password", "userid = 'ålice'"),
        ("users", "password", ""),
    ],
)
def test_another_form_is_in_no_line(table: str, column: str, where: str) -> None:
    assert made(table, column, where) is None


def test_quotes_of_a_database_come_through_the_shell() -> None:
    """MariaDB's backticks and PostgreSQL's double quotes: the statement that is printed is the one meant."""
    for table, column in (("`mail`.`box`", "`pass word`"), ('"mail"."Box"', 'b."pass"')):
        row = made(table, column, "userid = 'alice'\n  AND active = '1'")
        assert row is not None
        line = pasted.new_hash(row).replace("mailauth hash new", "echo '{X}$argon2id$v=19$a'")
        assert line.endswith(" | sudo mysql mail")
        said = subprocess.run(
            ["bash", "-c", line.removesuffix(" | sudo mysql mail")],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        name = column.rpartition(".")[2]
        where = "userid = 'alice'   AND active = '1'"
        assert said == f"UPDATE {table} SET {name} = '{{X}}$argon2id$v=19$a' WHERE {where};\n"


def test_nothing_is_stored_where_no_hash_was_made() -> None:
    row = made()
    assert row is not None
    line = pasted.new_hash(row).replace("mailauth hash new", "false").removesuffix(" | sudo mysql mail")
    assert subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False).stdout == ""


@pytest.mark.parametrize(
    ("driver", "host", "words"),
    [
        ("sqlite", {"path": "/var/mail/users.db"}, "sudo sqlite3 /var/mail/users.db"),
        ("mysql", {"dbname": "mail"}, "sudo mysql mail"),
        (
            "mysql",
            {"host": "127.0.0.1", "port": "3306", "dbname": "mail", "password": "x"},
            "sudo mysql mail",
        ),
        ("mysql", {"host": "db1", "port": "3307", "dbname": "mail"}, "mysql -h db1 -P 3307 -u root -p mail"),
        ("pgsql", {"host": "localhost", "dbname": "mail"}, "sudo -u postgres psql -v ON_ERROR_STOP=1 mail"),
        ("pgsql", {"host": "db1", "dbname": "mail"}, "psql -v ON_ERROR_STOP=1 -h db1 -U postgres mail"),
        ("sqlite", {"path": "-cmd"}, ""),
        ("mysql", {"host": "-e\nx", "dbname": "mail"}, ""),
        ("pgsql", {"dbname": "host=x password=y"}, ""),
        ("mysql", {}, ""),
    ],
)
def test_the_client(driver: str, host: dict[str, str], words: str) -> None:
    assert DATABASES[driver].client(host) == tuple(shlex.split(words))


@pytest.mark.parametrize(
    ("condition", "sets"),
    [
        ("active = '1'", "active = '1'"),
        ("u.active=1", "active = 1"),
        ("active", "active = true"),
        ("active <> 0", ""),
        ("expires > NOW()", ""),
        ("active = '1' --", ""),
    ],
)
def test_what_enables_a_row(condition: str, sets: str) -> None:
    row = made()
    assert row is not None
    line = pasted.enabled(row, (condition,))
    assert (f"SET {sets} WHERE" in line) if sets else line == ""


@pytest.mark.parametrize(
    ("user", "shown"),
    [("alice", "userid = 'alice'"), ("x' AND 'a' = 'a", "userid = '%u'"), ("$(x)", "userid = '%u'")],
)
def test_a_statement_has_the_strict_name_alone(user: str, shown: str) -> None:
    """Else the variable stays: what a client sends is no part of what an administrator runs."""
    assert pasted.of_the_user("userid = '%u'", lambda text, escape: text.replace("%u", escape(user))) == shown


def test_an_account_is_strict() -> None:
    assert all(map(pasted.is_account, ("mail", "'mail'@'%'", "'mail'@'10.0.0.%'", "'mail'@'localhost'")))
    assert not any(map(pasted.is_account, ("", "a b", "mail; DROP", "'a'b'@'%'", "mail'@'%'", '"x"')))


def test_a_name_is_strict() -> None:
    assert pasted.is_name("alice+x@example.org")
    assert not any(map(pasted.is_name, ("o'neil", "a b", "", "$(x)", "a;b", "ålice", "a\n")))
