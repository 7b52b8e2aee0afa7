"""Stored strings that a query, a column or a line break spoils: the way back is named."""

from collections.abc import Callable

import pytest

from tests.cli.running import mailauth
from tests.field.commands import is_healthy
from tests.field.rig import Rig
from tests.field.stacks import SECRET
from tests.field.test_red import _HEAD, _STATIC, STORED, USER, said, sqlite

MakeRig = Callable[..., Rig]
_EXPRESSION = "SELECT username AS user, {} AS password FROM mailbox WHERE username = '%u'"


@pytest.mark.parametrize(
    ("expression", "row", "words"),
    [
        ("SUBSTR(password, 1, 100)", "", ("HASH005", "return password as password")),
        ("LOWER(password)", "", ("HASH033", "password by itself is sound")),
        ("COALESCE(temporary, password)", "''", ("HASH029", "makes it of COALESCE(temporary, password)")),
        ("scheme || password", "NULL", ("USER002", "where scheme is NULL", "Set scheme in the user's row")),
    ],
    ids=["cut", "case", "empty", "null"],
)
def test_the_query_spoils_what_is_whole(
    rig: MakeRig, expression: str, row: str, words: tuple[str, ...]
) -> None:
    """The table's own string is whole, so no password has to be set again."""
    one = sqlite(rig, _EXPRESSION.format(expression))
    for column in ("temporary", "scheme"):
        one.sql(f"ALTER TABLE mailbox ADD COLUMN {column} TEXT")
        if row:
            one.sql(f"UPDATE mailbox SET {column} = {row}")
    assert not one.login(USER, SECRET.encode()).ok
    for more in ((), ("--password-stdin",)):
        told = said(one, *more)
        assert all(word in told for word in words), told
        assert "Set the user's password again" not in told
    one.edit("sql.conf", f"{expression} AS password", "password")
    one.restart()
    assert one.login(USER, SECRET.encode()).ok


def test_a_line_break_in_a_hash(rig: MakeRig) -> None:
    """As a form or a mail wraps it: HASH007, and what mends it."""
    one = sqlite(rig)
    one.sql(f"UPDATE mailbox SET password = '{STORED[:76]}' || char(10) || '  {STORED[76:]}'")
    assert not one.login(USER, SECRET.encode()).ok
    told = said(one)
    assert "HASH007" in told, told
    assert "there is a line break in it" in told
    done = mailauth("hash", "show", "--stored-fd", "0", feed=f"{STORED[:76]}\n  {STORED[76:]}")
    assert STORED in done.stdout, done.stdout + done.stderr


def test_a_session_for_a_server_that_takes_writes(rig: MakeRig) -> None:
    """target_session_attrs chooses a server that can be written to; that we only read is no part of it."""
    passdb = "passdb {\n  driver = sql\n  args = @DIR@/sql.conf\n}\n"
    files = {
        "dovecot.conf": _HEAD + passdb + _STATIC,
        "sql.conf": "driver = pgsql\nconnect = host=@HOST@ port=@PORT@ dbname=@NAME@ user=@USER@"
        " password=@PASSWORD@ target_session_attrs=read-write\ndefault_pass_scheme = SHA512-CRYPT\n"
        f"password_query = {_EXPRESSION.format('password')}\n",
    }
    schema = (
        "CREATE TABLE mailbox (username TEXT, password CHAR(160))",
        f"INSERT INTO mailbox VALUES ('{USER}', '{STORED}')",
    )
    one = rig("2.3.19.1", "pgsql", files, schema)
    told = said(one)  # the column fills the hash up with blanks
    assert "HASH007" in told, told
    assert "first ALTER TABLE" in told
    one.sql("ALTER TABLE mailbox ALTER COLUMN password TYPE VARCHAR(160)")
    assert one.login(USER, SECRET.encode()).ok
    pid = ("--pid", str(one.master_pid))
    for words in (("diagnose", USER), ("audit",), ("check", "--state", str(one.folder / "counts"), "rows")):
        done = mailauth(*words, *pid)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("indent", ["", "  "])
def test_a_hash_over_two_lines_of_a_file(rig: MakeRig, indent: str) -> None:
    """The next line has the rest: nothing is lost, and no report shows that rest as a name."""
    passdb = "passdb {\n  driver = passwd-file\n  args = @DIR@/users\n}\n"
    line = f"{USER}:{{SHA512-CRYPT}}{STORED[:70]}\n{indent}{STORED[70:]}:::::\nbob:{{SHA512-CRYPT}}{STORED}\n"
    one = rig("2.3.19.1", "passwd-file", {"dovecot.conf": _HEAD + passdb + _STATIC, "users": line})
    assert not one.login(USER, SECRET.encode()).ok
    told = said(one)
    assert "HASH005" in told, told
    assert "line 2 has the rest" in told
    assert "cannot" not in told
    for words in (("checkup",), ("audit",), ("check", "--state", str(one.folder / "counts"))):
        shown = mailauth(*words, "--pid", str(one.master_pid)).stdout
        assert STORED[80:] not in shown, shown


@pytest.mark.parametrize("home", ["example.org/alice/", "~alice"])
def test_a_home_that_is_no_path(rig: MakeRig, home: str) -> None:
    """Known without a login: USERDB002."""
    userdb = (
        f"userdb {{\n  driver = static\n  args = uid=65534 gid=65534 home={home} allow_all_users=yes\n}}\n"
    )
    passdb = "passdb {\n  driver = passwd-file\n  args = @DIR@/users\n}\n"
    users = f"{USER}:{{SHA512-CRYPT}}{STORED}\n"
    one = rig("2.3.19.1", "passwd-file", {"dovecot.conf": _HEAD + passdb + userdb, "users": users})
    told = said(one)
    assert "USERDB002" in told, told
    assert f"is '{home}': it does not begin with /" in told


def test_a_hash_that_is_taken_for_the_name(rig: MakeRig) -> None:
    """Columns the wrong way round: no survey shows the name that comes, which is the hash."""
    one = sqlite(rig, "SELECT password AS user, username AS password FROM mailbox WHERE username = '%u'")
    assert not one.login(USER, SECRET.encode()).ok
    for words in (
        ("checkup",),
        ("audit",),
        ("check", "--state", str(one.folder / "counts")),
    ):
        shown = mailauth(*words, "--pid", str(one.master_pid)).stdout
        assert "$6$..." in shown, shown
        assert STORED[40:] not in shown, shown


_BOTH = (
    "SELECT username AS user, password FROM mailbox WHERE username = '%u' AND active = 1"
    " UNION ALL SELECT alias, m.password FROM aliases JOIN mailbox m ON m.username = goto WHERE alias = '%u'"
)
_INSIDE = (
    "SELECT user, password FROM (SELECT username AS user, password FROM mailbox UNION ALL"
    " SELECT alias, password FROM aliases) AS a WHERE user = '%u'"
)


@pytest.mark.parametrize("query", [_BOTH, _INSIDE], ids=["union", "derived table"])
def test_surveys_read_a_union(rig: MakeRig, query: str) -> None:
    """A healthy server whose query is a UNION has nothing undecided, and all its rows are counted."""
    one = sqlite(rig, query)
    one.sql(
        "CREATE TABLE aliases (alias TEXT, goto TEXT, password TEXT)",
        f"INSERT INTO aliases VALUES ('info@example.org', '{USER}', '{STORED}')",
    )
    assert one.login(USER, SECRET.encode()).ok
    is_healthy(one, USER, SECRET)
    assert ": 2 rows" in mailauth("audit", "--pid", str(one.master_pid)).stdout
    one.sql(
        f"UPDATE mailbox SET password = '{STORED[:60]}'", f"UPDATE aliases SET password = '{STORED[:60]}'"
    )
    assert "STORE001" in mailauth("checkup", "--pid", str(one.master_pid)).stdout
