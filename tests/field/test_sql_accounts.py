"""What the database's own account may, what a passdb makes of the name, from where a client was refused."""

import imaplib
import json
from collections.abc import Callable

import pytest

from mailauth.lab.stores import ServerStore
from tests.cli.running import mailauth
from tests.field.rig import Rig
from tests.field.stacks import SECRET
from tests.field.test_red import (
    _HEAD,
    _PLAIN,
    _STATIC,
    _STATIC_24,
    _V24,
    SCHEMA,
    STORED,
    USER,
    said,
    sqlite,
)

MakeRig = Callable[..., Rig]
_PASSDB = "passdb {\n  driver = sql\n  args = @DIR@/sql.conf\n}\n"
_AS = "host=@HOST@ port=@PORT@ dbname=@NAME@ user=own_@NAME@ password=@PASSWORD@"


def own_account(rig: MakeRig, store: str, query: str = _PLAIN) -> Rig:
    """Dovecot has an account of its own, which is not there yet."""
    sql = f"driver = {store}\nconnect = {_AS}\ndefault_pass_scheme = SHA512-CRYPT\npassword_query = {query}\n"
    return rig("2.3.19.1", store, {"dovecot.conf": _HEAD + _PASSDB + _STATIC, "sql.conf": sql}, SCHEMA)


def as_root(one: Rig, *statements: str) -> None:
    assert isinstance(one.store, ServerStore)
    for statement in statements:
        one.store.server.execute(one.filled(statement))


_ACCOUNT = "CREATE USER 'own_@NAME@'@'%' IDENTIFIED BY '@PASSWORD@'"
_GRANT = "GRANT SELECT ON @NAME@.* TO 'own_@NAME@'@'%'"


@pytest.mark.parametrize(
    ("change", "code", "remedy"),
    [
        ("ALTER USER 'own_@NAME@'@'%' PASSWORD EXPIRE", "DB002", "PASSWORD EXPIRE NEVER"),
        ("ALTER USER 'own_@NAME@'@'%' WITH MAX_QUERIES_PER_HOUR 1", "DB011", "MAX_QUERIES_PER_HOUR 0"),
        ("ALTER USER 'own_@NAME@'@'%' ACCOUNT LOCK", "DB002", "ACCOUNT UNLOCK"),
    ],
    ids=["expired", "limit", "locked"],
)
def test_what_the_account_may(rig: MakeRig, change: str, code: str, remedy: str) -> None:
    """Neither the query nor the server's max_connections is to blame."""
    one = own_account(rig, "mysql")
    as_root(one, _ACCOUNT, _GRANT, change)
    one.restart()
    told = said(one)
    assert code in told, told
    assert remedy in told
    assert "max_connections" not in told
    assert "Correct the password query" not in told


def test_a_role_that_may_not_log_in(rig: MakeRig) -> None:
    one = own_account(rig, "pgsql")
    as_root(one, "CREATE ROLE own_@NAME@ NOLOGIN PASSWORD '@PASSWORD@'")
    one.restart()
    told = said(one)
    assert "DB002" in told, told
    assert "ALTER ROLE ... LOGIN" in told


@pytest.mark.parametrize("variable", ["%u", '"%u"'], ids=["bare", "a name's quotes"])
def test_a_variable_that_is_no_text(rig: MakeRig, variable: str) -> None:
    """The database takes the user's name for a column's: the quotes are missing, and no column."""
    one = sqlite(rig, _PLAIN.replace("'%u'", variable).replace('"', "`"))
    name = USER if "`" in _PLAIN.replace("'%u'", variable).replace('"', "`") else "alice"
    told = mailauth("diagnose", name, "--pid", str(one.master_pid)).stdout
    assert "DB004" in told, told
    assert "around the variable" in told


@pytest.mark.parametrize("version", ["2.3.19.1"])
def test_a_passdb_that_renames_the_user(rig: MakeRig, version: str) -> None:
    """USERDB001 names the field user of the query, and not a user who is missing."""
    userdb = "userdb {\n  driver = sql\n  args = @DIR@/sql.conf\n}\n"
    query = "SELECT active AS user, password FROM mailbox WHERE username = '%u'"
    user_query = (
        "SELECT 65534 AS uid, 65534 AS gid, '@DIR@/mail/a' AS home FROM mailbox WHERE username = '%u'"
    )
    sql = "driver = sqlite\nconnect = @FILE@\ndefault_pass_scheme = SHA512-CRYPT\n"
    files = {
        "dovecot.conf": _HEAD + _PASSDB + userdb,
        "sql.conf": f"{sql}password_query = {query}\nuser_query = {user_query}\n",
    }
    one = rig(version, "sqlite", files, SCHEMA)
    told = said(one)
    assert "USERDB001" in told, told
    assert f"returns user = '1' for '{USER}'" in told
    assert "Have the passdb return as user the name that the userdb has" in told
    one.edit("sql.conf", "active AS user", "username AS user")
    one.restart()
    assert mailauth("diagnose", USER, "--pid", str(one.master_pid)).returncode == 0


def logs_in(one: Rig) -> bool:
    """An IMAP client from 127.0.0.1."""
    with imaplib.IMAP4("127.0.0.1", one.ports["imap"]) as client:
        try:
            client.login(USER, SECRET)
        except client.error:
            return False
    return True


def test_the_log_has_the_clients_address(rig: MakeRig) -> None:
    """allow_nets is decided by the last login that the log has: refused, and let in where one worked."""
    query = (
        "SELECT username AS user, password, '192.0.2.0/24' AS allow_nets FROM mailbox WHERE username = '%u'"
    )
    one = sqlite(rig, query)
    pid = ("--pid", str(one.master_pid))
    undecided = mailauth("diagnose", USER, *pid)
    assert undecided.returncode == 3, undecided.stdout
    assert "--from-address" in undecided.stdout
    assert not logs_in(one)
    told = said(one, "--password-stdin", "--login")
    assert "USER006" in told, told
    assert "from where the log has the last login" in told
    one.edit("sql.conf", "192.0.2.0/24", "127.0.0.0/8")
    one.restart()
    assert logs_in(one)
    for words in ((), ("--password-stdin", "--login")):
        done = mailauth("diagnose", USER, *words, *pid[:1], str(one.master_pid), feed=SECRET)
        assert done.returncode == 0, done.stdout


def test_having_leaves_the_user_out(rig: MakeRig) -> None:
    one = sqlite(
        rig,
        "SELECT username AS user, password, COUNT(*) AS n FROM mailbox WHERE username = '%u'"
        " GROUP BY username, password HAVING n > 1",
    )
    told = said(one)
    assert "USER007" in told, told
    assert "does not meet: n > 1" in told
    assert STORED not in told


def test_a_login_that_met_the_server_that_is_down(rig: MakeRig) -> None:
    """Of two servers of 2.4 one is down, and a login fails within for it: DB012, and no riddle (AUTH001)."""
    server = (
        "  port = {port}\n  host = {host}\n  user = @USER@\n  password = @PASSWORD@\n  dbname = @NAME@\n}}\n"
    )
    text = (
        f"{_V24}sql_driver = mysql\nmysql first {{\n{server.format(host='127.0.0.9', port=1)}"
        f"mysql second {{\n{server.format(host='@HOST@', port='@PORT@')}"
        "passdb sql {\n  default_password_scheme = SHA512-CRYPT\n"
        f"  query = {_PLAIN.replace('%u', '%{user}')}\n}}\n{_STATIC_24}"
    )
    one = rig("2.4.1", "mysql", {"dovecot.conf": text}, SCHEMA)
    told = mailauth(
        "diagnose", USER, "--password-stdin", "--login", "--json", "--pid", str(one.master_pid), feed=SECRET
    )
    found = {each["code"]: each for each in json.loads(told.stdout)["findings"]}
    assert "DB012" in found, told.stdout
    assert not found.keys() & {"AUTH001", "AUTH016"}
    failed = found["DB012"]["severity"] == "blocks login"
    assert failed == ("temp_fail" in found["DB012"]["says"])
