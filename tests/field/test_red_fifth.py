"""What a fifth look found: a blocking fault gave way to a risk, and proxied users need no userdb."""

import imaplib
import json
from collections.abc import Callable

import pytest

from tests.cli.running import mailauth
from tests.field.chains import Part, passwd_file, server, sqlite, static, userdb_file
from tests.field.rig import Rig
from tests.field.test_red_other import GOOD, codes, said, session

MakeRig = Callable[..., Rig]
_VERSIONS = pytest.mark.parametrize("version", ["2.3.19.1", "2.4.1"])
_WITHOUT, _GIVEN, _LOGIN = (), ("--password-stdin",), ("--password-stdin", "--login")


def fails(one: Rig) -> None:
    with pytest.raises((imaplib.IMAP4.error, OSError)), session(one):
        pass


@_VERSIONS
def test_a_userdb_that_fails_behind_a_closed_file(rig: MakeRig, version: str) -> None:
    """The second passdb lets the user in, so the file is a risk, and the userdb keeps everybody out."""
    userdb = static(version).replace("uid=5000", "tempfail=yes uid=5000")
    userdb = userdb.replace("    uid = 5000", "    tempfail = yes\n    uid = 5000")
    files = passwd_file({"bob": GOOD}, "first"), passwd_file({"alice": GOOD})
    one = server(rig, version, *files, userdb=(userdb, {}))
    (one.folder / "first").chmod(0)
    one.restart()
    fails(one)
    for words in (_WITHOUT, _GIVEN, _LOGIN):
        found = codes(one, *words)
        assert {code: severity for code, (severity, _) in found.items()} == {
            "USERDB005": "blocks login",
            "CONF012": "risk",
        }


@_VERSIONS
def test_a_session_that_ends_beside_a_database_that_fails(rig: MakeRig, version: str) -> None:
    """The passdb behind the database lets the user in, and then the mail process finds no such group."""
    one = server(
        rig,
        version,
        sqlite(),
        passwd_file({"alice": GOOD}),
        rows={"alice": GOOD},
        more="mail_access_groups = nosuchgroup\n",
    )
    one.sql("DROP TABLE accounts")
    one.restart()
    fails(one)
    found = codes(one, *_LOGIN)
    assert {code: severity for code, (severity, _) in found.items()} == {
        "AUTH013": "blocks login",
        "DB006": "risk",
    }


@_VERSIONS
@pytest.mark.parametrize("how", ["missing", "closed"])
def test_a_userdbs_file_beside_a_proxied_user(rig: MakeRig, version: str, how: str) -> None:
    """The login goes on to another server, and asks no userdb of this one."""
    behind = server(rig, version, passwd_file({"alice": GOOD}))
    stored = f"{GOOD}::::::proxy=y host=127.0.0.1 port={behind.ports['imap']}"
    block, files = userdb_file(version, "alice")
    front = server(rig, version, passwd_file({"alice": stored}), userdb=(block, files))
    if how == "missing":
        (front.folder / "homes").unlink()
    else:
        (front.folder / "homes").chmod(0)
    front.restart()
    with session(front):
        pass
    code = "CONF015" if how == "missing" else "CONF012"
    for words in (_WITHOUT, _GIVEN, _LOGIN):
        assert codes(front, *words) == {code: ("risk", "likely")}


@_VERSIONS
def test_a_userdbs_database_beside_a_proxied_user(rig: MakeRig, version: str) -> None:
    behind = server(rig, version, passwd_file({"alice": GOOD}))
    stored = f"{GOOD}::::::proxy=y host=127.0.0.1 port={behind.ports['imap']}"
    query = "SELECT 5000 AS uid, 5000 AS gid FROM nowhere WHERE login = "
    settings = f"driver = sqlite\nconnect = @FILE@\nuser_query = {query}'%u'\n"
    userdb = "userdb {\n  driver = sql\n  args = @DIR@/sql.conf\n}\n"
    if version >= "2.4":
        userdb = (
            f"sql_driver = sqlite\nsqlite_path = @FILE@\nuserdb sql {{\n  query = {query}'%{{user}}'\n}}\n"
        )
    front = server(
        rig, version, passwd_file({"alice": stored}), rows={}, userdb=(userdb, {"sql.conf": settings})
    )
    with session(front):
        pass
    for words in (_WITHOUT, _LOGIN):
        found = codes(front, *words)
        found.pop("AUTH011", None)  # 2.4.1's auth dies of signal 11 there, now and then
        assert found == {"DB003": ("risk", "likely")}


@_VERSIONS
def test_the_socket_of_the_mail_service_is_closed(rig: MakeRig, version: str) -> None:
    """The login process may not hand the session over, and logs why."""
    socket = "service imap {\n  unix_listener login/imap {\n    mode = 0600\n    user = root\n  }\n}\n"
    one = server(rig, version, passwd_file({"alice": GOOD}), more=socket)
    fails(one)
    for words, code in ((_WITHOUT, "AUTH015"), (_GIVEN, "AUTH015"), (_LOGIN, "AUTH013")):
        assert set(codes(one, *words)) == {code}
        told = said(one, *words)
        assert "net_connect_unix(imap) failed: Permission denied" in told
        assert f"BLOCKS LOGIN {code}" in told


def test_login_access_sockets_without_the_service(rig: MakeRig) -> None:
    """2.3 only: every connection ends before the greeting."""
    part = passwd_file({"alice": GOOD})
    one = server(rig, "2.3.19.1", part, more="login_access_sockets = tcpwrap\n")
    fails(one)
    for words, code in ((_WITHOUT, "AUTH015"), (_LOGIN, "AUTH013")):
        assert set(codes(one, *words)) == {code}
        assert "no service has the socket login/tcpwrap" in said(one, *words)


def two_hosts(rig: MakeRig, version: str, first: str, second: str) -> Rig:
    """Two servers of PostgreSQL, as either dialect writes them."""
    query = "SELECT login AS user, secret AS password FROM accounts WHERE login = "
    blocks = "".join(
        f"pgsql {host} {{\n  parameters {{\n    port = @PORT@\n    dbname = @NAME@\n    user = @USER@\n"
        "    password = @PASSWORD@\n  }\n}\n"
        for host in (first, second)
    )
    connect = f"host={first} host={second} port=@PORT@ dbname=@NAME@ user=@USER@ password=@PASSWORD@"
    settings = f"driver = pgsql\nconnect = {connect}\npassword_query = {query}'%u'\n"
    part = Part(
        "driver = sql\n  args = @DIR@/sql.conf",
        f"sql_driver = pgsql\n{blocks}passdb sql {{\n  query = {query}'%{{user}}'\n}}\n",
        {"sql.conf": settings},
    )
    return server(rig, version, part, rows={"alice": GOOD}, store="pgsql")


@_VERSIONS
@pytest.mark.parametrize("first", ["down", "up"])
def test_one_of_two_servers_of_postgresql(rig: MakeRig, version: str, first: str) -> None:
    """Dovecot goes on to the other, but signal 11 kills 2.3.19.1's auth where the first is down."""
    hosts = ("127.0.0.9", "@HOST@") if first == "down" else ("@HOST@", "127.0.0.9")
    one = two_hosts(rig, version, *hosts)
    killed = version < "2.4" and first == "down"
    if killed:
        fails(one)
    else:
        with session(one):
            pass
    wanted = {"DB012": "risk"} | ({"AUTH014": "blocks login"} if killed else {})
    for words in (_WITHOUT, _LOGIN):
        found = {code: severity for code, (severity, _) in codes(one, *words).items()}
        found.pop("AUTH011", None)  # 2.4.1's auth may die of it, too
        assert found == wanted
    assert not killed or "killed with signal 11" in said(one)


@_VERSIONS
def test_both_servers_of_postgresql_are_down(rig: MakeRig, version: str) -> None:
    one = two_hosts(rig, version, "127.0.0.8", "127.0.0.9")
    fails(one)
    found = codes(one)
    found.pop("AUTH011", None)
    assert found == {"DB001": ("blocks login", "proven")}


_ROWS = {
    "one of them is not active": (
        "SELECT login AS user, secret AS password FROM many WHERE login = '%u' AND active = 1",
        ["('alice', '@HASH@', 1)", "('alice', '@HASH@', 0)"],
    ),
    "one for each service": (
        "SELECT login AS user, secret AS password FROM many WHERE login = '%u' AND active = '%s'",
        ["('alice', '@HASH@', 'imap')", "('alice', '@HASH@', 'pop3')"],
    ),
    "one is taken": (
        "SELECT login AS user, secret AS password FROM many WHERE login = '%u' ORDER BY active LIMIT 1",
        ["('alice', '@HASH@', 1)", "('alice', '@HASH@', 2)"],
    ),
    "another column is the name": (
        "SELECT active AS user, secret AS password FROM many WHERE login = '%u'",
        ["('alice', '@HASH@', 'alice')", "('info', '@HASH@', 'alice')"],
    ),
}


@_VERSIONS
@pytest.mark.parametrize("how", _ROWS)
def test_several_rows_that_dovecot_never_gets_at_once(rig: MakeRig, version: str, how: str) -> None:
    query, rows = _ROWS[how]
    new = query.replace("%u", "%{user}").replace("%s", "%{protocol}")
    part = Part(
        "driver = sql\n  args = @DIR@/sql.conf",
        f"sql_driver = sqlite\nsqlite_path = @FILE@\npassdb sql {{\n  query = {new}\n}}\n",
        {"sql.conf": f"driver = sqlite\nconnect = @FILE@\npassword_query = {query}\n"},
    )
    one = server(rig, version, part, rows={})
    inserts = [f"INSERT INTO many VALUES {row.replace('@HASH@', GOOD)}" for row in rows]
    one.sql("CREATE TABLE many (login VARCHAR(99), secret VARCHAR(255), active VARCHAR(9))", *inserts)
    with session(one):
        pass
    found = mailauth("checkup", "--json", "--pid", str(one.master_pid))
    assert {each["code"] for each in json.loads(found.stdout)["findings"]} == {"STORE006"}  # SHA512-CRYPT


@_VERSIONS
def test_the_log_has_the_name_that_auth_makes_of_it(rig: MakeRig, version: str) -> None:
    """``log`` and an address, where auth_username_format takes the domain away."""
    shape = "%Ln" if version < "2.4" else "%{user | username | lower}"
    one = server(rig, version, passwd_file({"bob": GOOD}), more=f"auth_username_format = {shape}\n")
    with pytest.raises(imaplib.IMAP4.error), session(one, "alice@example.org"):
        pass
    for name in ("alice@example.org", "alice"):
        told = mailauth("log", name, "--pid", str(one.master_pid))
        assert told.returncode == 1, told.stdout
        assert "1 failed login of 1 user" in told.stdout
