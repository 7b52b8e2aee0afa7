"""Users whom a store has, and whom the lookup does not find: the name's parts, joins, a format of its own."""

from collections.abc import Callable

import pytest

from tests.cli.running import mailauth
from tests.field.rig import Rig
from tests.field.stacks import SECRET
from tests.field.test_red import _HEAD, _STATIC, _STATIC_24, _V24, STORED, USER, said, sqlite

MakeRig = Callable[..., Rig]
_PARTS = (
    "CREATE TABLE dom (id INTEGER, name TEXT)",
    "CREATE TABLE mb (id INTEGER, local TEXT, dom INTEGER, domain TEXT, password TEXT)",
    f"INSERT INTO mb VALUES (1, 'alice', 1, 'example.org', '{STORED}')",
)
_OF_PARTS = "SELECT local AS user, password FROM mb WHERE local = '%n' AND domain = '%d'"
_OUTER = "SELECT mb.local AS user, password FROM mb LEFT JOIN dom ON dom.id = mb.dom WHERE mb.local = '%n'"
_INNER = _OUTER.replace("LEFT", "INNER")
_COMMA = "SELECT mb.local AS user, password FROM mb, dom WHERE mb.local = '%n' AND dom.id = mb.dom"


def of_parts(rig: MakeRig, query: str, more: str = "") -> Rig:
    one = sqlite(rig, query, more=more)
    one.sql("DROP TABLE mailbox", *_PARTS)
    return one


@pytest.mark.parametrize(
    ("query", "blamed"),
    [
        (_INNER, "INNER JOIN dom ON dom.id = mb.dom"),
        (f"{_INNER} AND dom.name = '%d'", "INNER JOIN dom ON dom.id = mb.dom"),
        (_COMMA, "dom.id = mb.dom"),
    ],
    ids=["join", "and a condition on it", "comma"],
)
def test_the_join_that_leaves_the_user_out(rig: MakeRig, query: str, blamed: str) -> None:
    """USER007 names the join to which no row comes; with the row the same server is silent."""
    one = of_parts(rig, query)
    assert not one.login(USER, SECRET.encode()).ok
    told = said(one)
    assert "USER007" in told, told
    assert f"no row of another table joins it by {blamed}" in told
    one.sql("INSERT INTO dom VALUES (1, 'example.org')")
    assert one.login(USER, SECRET.encode()).ok
    assert mailauth("diagnose", USER, "--pid", str(one.master_pid)).returncode == 0


def test_a_user_who_is_nowhere_is_still_unknown(rig: MakeRig) -> None:
    one = of_parts(rig, _OUTER)
    told = mailauth("diagnose", "nobody@example.org", "--pid", str(one.master_pid)).stdout
    assert "USER001" in told, told


def test_a_format_that_takes_the_domain_from_a_query_that_needs_it(rig: MakeRig) -> None:
    """The name as it was given is found; never "looks up 'alice', has 'alice'"."""
    one = of_parts(rig, _OF_PARTS, "auth_username_format = %Ln\n")
    assert not one.login(USER, SECRET.encode()).ok
    told = said(one)
    assert "USER004" in told
    assert f"has '{USER}'" in told
    assert "auth_username_format = %u" in told
    one.edit("dovecot.conf", "auth_username_format = %Ln", "auth_username_format = %u")
    one.restart()
    assert one.login(USER, SECRET.encode()).ok


@pytest.mark.parametrize("domain", ["%{user | domain}", "%{user | domain | lower}"])
def test_a_name_without_the_domain_that_the_query_asks_for(rig: MakeRig, domain: str) -> None:
    text = (
        f"{_V24}sql_driver = sqlite\nsqlite_path = @FILE@\npassdb sql {{\n"
        "  default_password_scheme = SHA512-CRYPT\n  query = SELECT password FROM mb WHERE"
        f" local = '%{{user | username}}' AND domain = '{domain}'\n}}\n{_STATIC_24}"
    )
    one = rig("2.4.1", "sqlite", {"dovecot.conf": text}, _PARTS)
    assert one.login(USER, SECRET.encode()).ok
    assert not one.login("alice", SECRET.encode()).ok
    told = " ".join(mailauth("diagnose", "alice", "--pid", str(one.master_pid)).stdout.split())
    assert "USER004" in told, told
    assert "in a domain, and the name that is looked up has none: did you mean 'alice@example.org'" in told
    assert "Log in as user@domain" in told
    told = " ".join(mailauth("diagnose", "alice@exmaple.org", "--pid", str(one.master_pid)).stdout.split())
    assert "USER001" in told, told
    assert "Did you mean 'alice@example.org', which passdb 1 (sqlite) has?" in told


@pytest.mark.parametrize(
    ("args", "file", "line", "words"),
    [
        ("username_format=%Ln @DIR@/users", "users", "Alice", ("asks for 'alice'", "Call the line 'alice'")),
        ("@DIR@/%d/shadow", "example.org/shadow", "alice", ("has 'alice'", "username_format=%n")),
        ("username_format=%n @DIR@/%d/pw", "example.org/pw", USER, ("asks for 'alice'", f"has '{USER}'")),
    ],
    ids=["case", "no domain", "domain"],
)
def test_a_file_with_a_format_of_its_own(
    rig: MakeRig, args: str, file: str, line: str, words: tuple[str, ...]
) -> None:
    """What the line must be called follows from the passdb's own username_format, also in a domain's file."""
    passdb = f"passdb {{\n  driver = passwd-file\n  args = {args}\n}}\n"
    text = f"{line}:{{SHA512-CRYPT}}{STORED}\n"
    one = rig("2.3.19.1", "passwd-file", {"dovecot.conf": _HEAD + passdb + _STATIC, file: text})
    assert not one.login(USER, SECRET.encode()).ok
    told = said(one)
    assert "USER004" in told, told
    assert all(word in told for word in words), told


def test_two_queries_in_one_file(rig: MakeRig) -> None:
    """The last one counts, and the first would find the user."""
    query = "SELECT username AS user, password FROM mailbox WHERE username = '%u'"
    one = sqlite(rig, f"{query}\npassword_query = {query.replace('mailbox', 'old')}")
    one.sql("CREATE TABLE old (username TEXT, password TEXT)")
    assert not one.login(USER, SECRET.encode()).ok
    told = said(one)
    assert "USER004" in told, told
    assert f"the query at {one.folder}/sql.conf:4 finds '{USER}', and {one.folder}/sql.conf:5" in told


def test_a_blank_that_nobody_sees(rig: MakeRig) -> None:
    one = sqlite(rig)
    one.sql(f"UPDATE mailbox SET username = '{USER}' || char(160)")
    told = said(one)
    assert "USER004" in told, told
    assert "with blanks or an end of line around it" in told


@pytest.mark.parametrize(
    ("name", "typed", "words"),
    [
        (USER, "alice", f"Dovecot looks up 'alice'; passdb 1 (sqlite) (sqlite @FILE@) has '{USER}'."),
        (
            "Alice@example.org",
            USER,
            f"looks up '{USER}'; passdb 1 (sqlite) (sqlite @FILE@) has 'Alice@example.org'.",
        ),
    ],
    ids=["in a domain", "capital letter"],
)
def test_a_query_that_returns_no_name(rig: MakeRig, name: str, typed: str, words: str) -> None:
    """What the table calls the user is asked for: never "looks up 'alice', has 'alice'"."""
    one = sqlite(rig, "SELECT password FROM mailbox WHERE username = '%u' AND active = 1")
    one.sql(f"UPDATE mailbox SET username = '{name}'")
    assert not one.login(typed, SECRET.encode()).ok
    told = " ".join(mailauth("diagnose", typed, "--pid", str(one.master_pid)).stdout.split())
    assert "USER004" in told, told
    assert one.filled(words) in told, told
    assert "as it is given" not in told
    assert "or log in as 'Alice@example.org'" not in told, "it is looked up in lower case, whatever is typed"


def test_the_hash_is_in_a_column_of_another_name(rig: MakeRig) -> None:
    """Its name alone in the query would be DB010: the result's column has to be called password."""
    one = sqlite(rig, "SELECT password FROM mailbox WHERE username = '%u'")
    one.sql("ALTER TABLE mailbox RENAME COLUMN password TO crypted")
    told = said(one)
    assert "DB004" in told, told
    assert "select the column that has the hash AS password" in told
    one.edit("sql.conf", "SELECT password", "SELECT crypted AS password")
    one.restart()
    assert one.login(USER, SECRET.encode()).ok
