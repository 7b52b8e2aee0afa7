"""What a third look found of databases: rows that nobody sees, names in other letters, columns mixed up."""

import unicodedata
from collections.abc import Callable

import pytest

from tests.cli.running import mailauth
from tests.field.rig import Rig
from tests.field.stacks import SECRET
from tests.field.test_red import _HEAD, _PLAIN, _STATIC, SCHEMA, STORED, USER, said, sqlite
from tests.field.test_sql_accounts import _PASSDB, as_root, own_account

MakeRig = Callable[..., Rig]


def plain(rig: MakeRig, store: str, query: str) -> Rig:
    """A 2.3 server whose account may see everything."""
    connect = "host=@HOST@ port=@PORT@ dbname=@NAME@ user=@USER@ password=@PASSWORD@"
    sql = f"driver = {store}\nconnect = {connect}\ndefault_pass_scheme = SHA512-CRYPT\n"
    files = {"dovecot.conf": _HEAD + _PASSDB + _STATIC, "sql.conf": f"{sql}password_query = {query}\n"}
    return rig("2.3.19.1", store, files, SCHEMA)


def test_row_level_security_hides_the_row(rig: MakeRig) -> None:
    """What the account does not see is not proven absent; a policy that shows the row lets the user in."""
    one = own_account(rig, "pgsql")
    as_root(one, "CREATE USER own_@NAME@ PASSWORD '@PASSWORD@'")
    one.sql(
        "GRANT SELECT ON mailbox TO own_@NAME@",
        "ALTER TABLE mailbox ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY tenant ON mailbox FOR SELECT USING (active = 7)",
    )
    one.restart()
    assert not one.login(USER, SECRET.encode()).ok
    told = said(one)
    assert "USER001" in told
    assert "(likely)" in told
    assert f"row-level security is active on table mailbox for own_{one.store.place.database}" in told, told
    one.sql("CREATE POLICY everyone ON mailbox FOR SELECT USING (true)")
    assert one.login(USER, SECRET.encode()).ok
    assert mailauth("diagnose", USER, "--pid", str(one.master_pid)).returncode == 0


@pytest.mark.parametrize(
    ("store", "shows"), [("pgsql", "pg_get_viewdef('shown')"), ("mysql", "SHOW CREATE VIEW shown")]
)
def test_a_view_leaves_the_row_out(rig: MakeRig, store: str, shows: str) -> None:
    one = plain(rig, store, _PLAIN.replace("mailbox", "shown"))
    one.sql("CREATE VIEW shown AS SELECT * FROM mailbox WHERE active = 1", "UPDATE mailbox SET active = 0")
    assert not one.login(USER, SECRET.encode()).ok
    told = said(one)
    assert "shown (passdb" in told, told
    assert "is a view, whose own conditions can leave the row out" in told
    assert shows in told


def test_a_function_leaves_the_row_out(rig: MakeRig) -> None:
    one = plain(rig, "pgsql", "SELECT * FROM mail_auth('%u')")
    one.sql(
        'CREATE FUNCTION mail_auth(u text) RETURNS TABLE ("user" text, password text) LANGUAGE sql AS $$'
        " SELECT username::text, password::text FROM mailbox WHERE username = u AND active = 1 $$"
    )
    assert one.login(USER, SECRET.encode()).ok
    one.sql("UPDATE mailbox SET active = 0")
    told = said(one)
    assert "(likely)" in told, told
    assert "mail_auth() (passdb 1 (pgsql)) is a function" in told
    assert "\\sf mail_auth" in told


@pytest.mark.parametrize(
    ("store", "change", "query", "words"),
    [
        ("pgsql", "CREATE SCHEMA mail; ALTER TABLE mailbox SET SCHEMA mail", _PLAIN, "there is mail.mailbox"),
        (
            "pgsql",
            'ALTER TABLE mailbox RENAME TO "Mailbox"',
            _PLAIN.replace("mailbox", "Mailbox"),
            'there is public."Mailbox"',
        ),
        ("mysql", "SELECT 1", _PLAIN.replace("mailbox", "Mailbox"), "there is mailbox"),
        ("pgsql", 'ALTER TABLE mailbox RENAME password TO "passWord"', _PLAIN, 'there is "passWord"'),
    ],
    ids=["schema", "quoted", "letters", "column"],
)
def test_a_name_in_other_letters(rig: MakeRig, store: str, change: str, query: str, words: str) -> None:
    """DB003 and DB004 name what there is instead."""
    one = plain(rig, store, query)
    one.sql(*change.split("; "))
    told = said(one)
    assert "DB003" in told or "DB004" in told, told
    assert words in told


_UMLAUT = "j\u00fcrgen@example.org"


@pytest.mark.parametrize(
    ("stored", "given", "words"),
    [
        ("alice@xn--mnchen-3ya.example", "alice@m\u00fcnchen.example", "with the domain in ASCII (xn--)"),
        ("alice@m\u00fcnchen.example", "alice@xn--mnchen-3ya.example", "with the domain in Unicode"),
        (_UMLAUT, unicodedata.normalize("NFD", _UMLAUT), "in composed letters (Unicode NFC)"),
    ],
    ids=["to ascii", "to unicode", "decomposed"],
)
@pytest.mark.parametrize("store", ["sqlite", "passwd-file"])
def test_a_name_in_another_form(rig: MakeRig, store: str, stored: str, given: str, words: str) -> None:
    """USER004: the same letters or domain, in other bytes."""
    more = "auth_username_chars =\n"
    if store == "sqlite":
        one = sqlite(rig, more=more)
        one.sql(f"UPDATE mailbox SET username = '{stored}'")
    else:
        passdb = "passdb {\n  driver = passwd-file\n  args = @DIR@/users\n}\n"
        line = f"{stored}:{{SHA512-CRYPT}}{STORED}\n"
        one = rig("2.3.19.1", store, {"dovecot.conf": _HEAD + more + passdb + _STATIC, "users": line})
    assert one.login(stored, SECRET.encode()).ok
    assert not one.login(given, SECRET.encode()).ok
    told = mailauth("diagnose", given, "--pid", str(one.master_pid)).stdout
    told = " ".join(told.split())
    assert "USER004" in told, told
    assert words in told


@pytest.mark.parametrize(
    ("store", "column", "scheme"),
    [
        ("mysql", "id", "SHA512-CRYPT"),
        ("sqlite", "id", "PLAIN"),
        ("sqlite", "username", "PLAIN"),
        ("pgsql", "modified", "SHA512-CRYPT"),
    ],
)
def test_another_column_than_the_passwords(rig: MakeRig, store: str, column: str, scheme: str) -> None:
    """HASH036 names the column that was meant; PASS001 said "wrong (proven)", or nothing was said."""
    query = f"SELECT username AS user, {column} AS password FROM mailbox WHERE username = '%u'"
    one = sqlite(rig, query) if store == "sqlite" else plain(rig, store, query)
    one.edit("sql.conf", "default_pass_scheme = SHA512-CRYPT", f"default_pass_scheme = {scheme}")
    one.sql(
        "ALTER TABLE mailbox ADD COLUMN id INTEGER",
        "ALTER TABLE mailbox ADD COLUMN modified TIMESTAMP",
        "UPDATE mailbox SET id = 4711, modified = '2026-05-06 07:08:09'",
        f"UPDATE mailbox SET password = '{{SHA512-CRYPT}}{STORED}'",
    )
    one.restart()
    assert not one.login(USER, SECRET.encode()).ok
    for words in ((), ("--password-stdin",)):
        told = said(one, *words)
        assert "HASH036" in told, told
        assert f"returns {column} as password" in told
        assert "Have the query return password as password" in told
        assert "PASS001" not in told
    one.edit("sql.conf", f"{column} AS password", "password")
    one.restart()
    assert one.login(USER, SECRET.encode()).ok
    done = mailauth("diagnose", USER, "--password-stdin", "--pid", str(one.master_pid), feed=SECRET)
    assert done.returncode == 0, done.stdout
