"""What a fourth look found: a file without which auth ends was a risk, and a login that works was blocked."""

import imaplib
from collections.abc import Callable

import pytest

from tests.field.chains import Part, passwd_file, server, sqlite
from tests.field.rig import Rig
from tests.field.test_red_other import GOOD, codes, said, session

MakeRig = Callable[..., Rig]
_VERSIONS = pytest.mark.parametrize("version", ["2.3.19.1", "2.4.1"])


@pytest.mark.parametrize("driver", ["sql", "ldap"])
def test_the_settings_file_of_a_passdb(rig: MakeRig, driver: str) -> None:
    """2.3's auth ends for want of it, whatever other passdbs there are: no risk that depends on one."""
    part = Part(f"driver = {driver}\n  args = @DIR@/own.conf", "")
    one = server(rig, "2.3.19.1", passwd_file({"alice": GOOD}), part)
    with pytest.raises((imaplib.IMAP4.error, OSError)), session(one):
        pass
    for words in ((), ("--password-stdin", "--login")):
        told = said(one, *words)
        assert "BLOCKS LOGIN CONF015" in told, told
        assert "auth does not start, so nobody can log in" in told
        assert "depends on" not in told


_OPEN = "  result_failure = return-ok\n"


@_VERSIONS
@pytest.mark.parametrize(
    ("users", "code"),
    [({"Alice": GOOD}, "USER004"), ({"alice": GOOD[:60]}, "HASH005")],
    ids=["another spelling", "a hash cut off"],
)
def test_what_is_wrong_beside_an_open_door(
    rig: MakeRig, version: str, users: dict[str, str], code: str
) -> None:
    """The passdb's block makes a login of every refusal: nothing of the entry blocks one."""
    part = passwd_file(users)
    part = Part(f"{part.old}\n{_OPEN}", part.new.removesuffix("}\n") + _OPEN + "}\n", part.files)
    one = server(rig, version, part)
    with session(one):
        pass
    for words in ((), ("--password-stdin",), ("--password-stdin", "--login")):
        found = codes(one, *words)
        assert {name: severity for name, (severity, _) in found.items()} == {code: "risk", "HASH023": "risk"}


@_VERSIONS
def test_a_database_that_fails_behind_the_passdb_that_lets_in(rig: MakeRig, version: str) -> None:
    """It is the userdb's, too: what lets the user in before it makes up for nothing."""
    query = "SELECT 65534 AS uid, 65534 AS gid, '@DIR@/mail/a' AS home FROM accounts WHERE login = "
    part = sqlite()
    settings = part.files["sql.conf"] + f"user_query = {query}'%u'\n"
    userdb = "userdb {\n  driver = sql\n  args = @DIR@/sql.conf\n}\n"
    if version >= "2.4":
        userdb = f"userdb sql {{\n  query = {query}'%{{user}}'\n}}\n"
    part = Part(part.old, part.new, {"sql.conf": settings})
    file = passwd_file({"alice": GOOD})
    one = server(rig, version, file, part, rows={"alice": GOOD}, userdb=(userdb, {}))
    with session(one):
        pass
    one.sql("DROP TABLE accounts")
    one.restart()
    with pytest.raises(imaplib.IMAP4.error), session(one):
        pass
    for words in ((), ("--password-stdin",), ("--password-stdin", "--login")):
        found = codes(one, *words)
        found.pop("AUTH011", None)  # 2.4.1's auth dies of signal 11 there, now and then
        assert found == {"DB006": ("blocks login", "proven")}
