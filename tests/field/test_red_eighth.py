"""What a eighth look found: names that settings change, texts for columns, blocks of one name, files cut."""

import imaplib
from collections.abc import Callable

import pytest

from mailauth.dovecot.messages_requests import PASSDB_KNOWS
from tests.field.chains import Part, accounts, passwd_file, server, static
from tests.field.rig import Rig
from tests.field.test_red import USER as MAILBOX
from tests.field.test_red import sqlite
from tests.field.test_red_other import GOOD, SECRET, USER, codes, said, session
from tests.field.test_red_sixth import until_taken
from tests.field.test_red_third_sql import plain
from tests.field.test_sql_accounts import as_root, own_account
from tests.proofs.story import heads, record_of

MakeRig = Callable[..., Rig]
_VERSIONS = pytest.mark.parametrize("version", ["2.3.19.1", "2.4.1"])
_AT = f"{USER}@example.org"


def refused(one: Rig, user: str = USER) -> None:
    with pytest.raises((imaplib.IMAP4.error, OSError)), session(one, user):
        pass


def taken(one: Rig, user: str = USER) -> None:
    with session(one, user):
        pass


def inside(part: Part, old: str, field: str) -> Part:
    """The passdb with a setting of 2.3, or a field of 2.4, in its block."""
    block = part.new.removesuffix("}\n")
    return Part(f"{part.old}\n  {old}", f"{block}  fields {{\n    {field}\n  }}\n}}\n", part.files)


@_VERSIONS
def test_characters_that_are_translated(rig: MakeRig, version: str) -> None:
    """The remedy is of the setting that changes the name, and works when it is pasted."""
    name, chars = f"{USER}+news@example.org", "auth_username_chars = abcdefghijklmnopqrstuvwxyz.@+\n"
    more = f"auth_username_translation = +@\n{chars}"
    one = server(rig, version, passwd_file({name: GOOD}), more=more)
    refused(one, name)
    told = said(one, user=name)
    assert "USER004" in told
    assert f"made of '{name}' by auth_username_translation" in told
    assert "auth_username_format = " not in told
    record_of(version, "passwd-file", "auth_username_translation makes another name", heads(told))
    one.edit("dovecot.conf", "auth_username_translation = +@\n", "auth_username_translation =\n")
    one.restart()
    taken(one, name)
    one.edit("dovecot.conf", f"auth_username_translation =\n{chars}", "auth_username_translation = +@\n")
    one.restart()
    told = said(one, user=name)
    assert "add '+' to auth_username_chars, which does not allow it" in told, told


@_VERSIONS
def test_a_format_that_takes_the_domain_from_a_path(rig: MakeRig, version: str) -> None:
    """The client sends the domain: to log in with one is no remedy."""
    old = version < "2.4"
    folder = "@DIR@/conf/" + ("%d" if old else "%{user | domain}") + "/passwd"
    part = Part(
        f"driver = passwd-file\n  args = {folder}",
        f"passdb passwd-file {{\n  passwd_file_path = {folder}\n}}\n",
        {"conf/example.org/passwd": f"{_AT}:{GOOD}\n"},
    )
    cut = "auth_username_format = " + ("%n" if old else "%{user | username}") + "\n"
    one = server(rig, version, part, more=cut)
    refused(one, _AT)
    told = said(one, user=_AT)
    assert "USER001" in told
    assert f"made of '{_AT}' by auth_username_format" in told
    assert "Have Dovecot leave the domain in the name." in told
    assert "Log in as user@domain" not in told
    kept = "auth_username_format = " + ("%Lu" if old else "%{user | lower}")
    assert kept in told
    record_of(version, "passwd-file", "a format takes the domain that the path has", heads(told))
    one.edit("dovecot.conf", cut, f"{kept}\n")
    one.restart()
    taken(one, _AT)


@pytest.mark.parametrize("store", ["pgsql", "mysql"])
def test_a_name_that_like_takes_for_a_pattern(rig: MakeRig, store: str) -> None:
    """Two users' rows come: neither of them is too many."""
    one = plain(rig, store, "SELECT username AS user, password FROM mailbox WHERE username LIKE '%u'")
    one.sql(
        "INSERT INTO mailbox SELECT 'a_b@example.org', password, active FROM mailbox",
        "INSERT INTO mailbox SELECT 'axb@example.org', password, active FROM mailbox"
        " WHERE username LIKE 'a%' LIMIT 1",
    )
    told = said(one, user="a_b@example.org")
    assert "USER008" in told
    assert "in username LIKE '%u', LIKE takes each _ of it for any character" in told
    assert "Compare by = instead of LIKE" in told
    record_of("2.3.19.1", store, "LIKE takes a name for a pattern", heads(told))
    one.edit("sql.conf", " LIKE ", " = ")
    one.restart()
    assert "Nothing found" in said(one, user="a_b@example.org", status=0)


_TEXTS = (
    ("mysql", '"password"', "password"),
    ("mysql", "'password'", "password"),
    ("mysql", '"pass" AS password', ""),
    ("sqlite", '"passwd" AS password', ""),
    ("sqlite", "'password' AS password", "password"),
)


@pytest.mark.parametrize(("store", "text", "column"), _TEXTS)
def test_a_text_where_a_column_was_meant(rig: MakeRig, store: str, text: str, column: str) -> None:
    """It is nobody's password: no row is to be changed."""
    files = {
        "dovecot.conf": "protocols = imap\nssl = no\ndisable_plaintext_auth = no\n"
        "mail_location = maildir:~/Maildir\n"
        "passdb {\n  driver = sql\n  args = @DIR@/sql.conf\n}\n" + static("2.3.19.1"),
        "sql.conf": f"driver = {store}\nconnect = {_CONNECT[store]}\ndefault_pass_scheme = SHA512-CRYPT\n"
        f"password_query = SELECT login AS user, {text} FROM accounts WHERE login = '%u'\n",
    }
    one = rig("2.3.19.1", store, files, _TABLE)
    refused(one)
    for words in ((), ("--password-stdin",)):
        told = said(one, *words)
        assert "BLOCKS LOGIN HASH036" in told, told
        assert "a text in quotes, the same for every user, and no column" in told
        assert "UPDATE" not in told
        assert not column or f"Have the query return {column} as password" in told, told
        assert "HASH028" not in told
    record_of("2.3.19.1", store, f"a text for the password's column: {text}", heads(told))
    one.edit("sql.conf", text, "password")
    one.restart()
    taken(one)
    assert codes(one) == {}


_CONNECT = {
    "mysql": "host=@HOST@ port=@PORT@ dbname=@NAME@ user=@USER@ password=@PASSWORD@",
    "sqlite": "@FILE@",
}
_TABLE = [one.replace("secret", "password") for one in accounts({USER: GOOD})]


def test_a_column_in_double_quotes_is_one(rig: MakeRig) -> None:
    """SQLite and PostgreSQL take it for the name of a column that is there."""
    query = "SELECT username AS user, \"password\" FROM mailbox WHERE username = '%u'"
    for store in ("pgsql", "sqlite"):
        one = plain(rig, store, query) if store == "pgsql" else sqlite(rig, query)
        assert "Nothing found" in said(one, user=MAILBOX, status=0)


def test_the_key_of_a_decryption_is_not_shown(rig: MakeRig) -> None:
    """The expression is named, and what it opens the passwords with is not."""
    one = plain(rig, "mysql", _DECRYPTS.format("the-wrong-key"))
    one.sql(
        "ALTER TABLE mailbox ADD COLUMN secret VARCHAR(255)",
        f"UPDATE mailbox SET secret = HEX(AES_ENCRYPT('{SECRET}', 'the-right-key'))",
    )
    told = said(one, user=MAILBOX)
    assert "USER002" in told
    assert "AES_DECRYPT(UNHEX(secret), '...')" in told, told
    assert "the-wrong-key" not in told
    record_of("2.3.19.1", "mysql", "a key that decrypts nothing", heads(told))


_DECRYPTS = (
    "SELECT username AS user, AES_DECRYPT(UNHEX(secret), '{}') AS password FROM mailbox WHERE username = '%u'"
)


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        ("REVOKE CONNECT ON DATABASE @NAME@ FROM PUBLIC", "GRANT CONNECT ON DATABASE"),
        ("ALTER DATABASE @NAME@ ALLOW_CONNECTIONS false", "ALLOW_CONNECTIONS true"),
    ],
    ids=["no CONNECT", "no connections"],
)
def test_a_database_that_lets_nobody_connect(rig: MakeRig, change: str, advice: str) -> None:
    """Neither the password nor a table's rights are to blame."""
    one = own_account(rig, "pgsql")
    as_root(one, "CREATE ROLE own_@NAME@ LOGIN PASSWORD '@PASSWORD@'", change)
    one.restart()
    told = said(one, user=MAILBOX)
    assert "DB002" in told, told
    assert advice in told
    assert "GRANT SELECT" not in told
    assert "Correct user and password" not in told


def test_a_query_whose_backslash_is_missing(rig: MakeRig) -> None:
    """What Dovecot does not read to its end is not asked: no rows are counted that it would never get."""
    one = plain(rig, "mysql", "SELECT username AS user, password FROM mailbox\n  WHERE username = '%u'")
    refused(one, MAILBOX)
    told = said(one, user=MAILBOX)
    assert "BLOCKS LOGIN AUTH014" in told, told
    assert "sql.conf line 5: Expecting '='" in told or "sql.conf line 5" in told, told
    assert "USER008" not in told
    record_of("2.3.19.1", "mysql", "a query's second line without a backslash before it", heads(told))


def test_two_blocks_of_one_name(rig: MakeRig) -> None:
    """2.4 makes one passdb of them: for masters only, or of the later file only."""
    masters = Part("", "passdb passwd-file {\n  passwd_file_path = @DIR@/masters\n  master = yes\n}\n")
    users = Part(
        "", "passdb passwd-file {\n  passwd_file_path = @DIR@/users\n}\n", {"users": f"{USER}:{GOOD}\n"}
    )
    one = server(rig, "2.4.1", masters, users)
    told = said(one)
    assert "CONF014" in told, told
    assert "begins more than once, which makes one passdb" in told
    assert "Give each passdb block a name of its own" in told
    record_of("2.4.1", "passwd-file", "two blocks of one name, one for masters", heads(told))
    others = Part(
        "", "passdb passwd-file {\n  passwd_file_path = @DIR@/others\n}\n", {"others": f"bob:{GOOD}\n"}
    )
    one = server(rig, "2.4.1", users, others)
    refused(one)
    told = said(one)
    assert "USER001" in told, told
    assert "begins more than once, which makes one passdb" in told
    record_of("2.4.1", "passwd-file", "two blocks of one name, each with a file", heads(told))


def test_options_behind_the_path(rig: MakeRig) -> None:
    """2.3 takes them for a part of the path."""
    part = Part("driver = passwd-file\n  args = @DIR@/users scheme=CRYPT", "", {"users": f"{USER}:{GOOD}\n"})
    one = server(rig, "2.3.19.1", part)
    told = said(one)
    assert "CONF015" in told
    assert "What stands behind the path is taken for a part of it." in told
    assert "before the path" in told
    record_of("2.3.19.1", "passwd-file", "options behind the path in args", heads(told))


_HOMES = {
    "2.3.19.1": "userdb {\n  driver = passwd-file\n  args = @DIR@/homes\n}\n",
    "2.4.1": "userdb homes {\n  driver = passwd-file\n  passwd_file_path = @DIR@/homes\n}\n",
}


@_VERSIONS
def test_a_block_that_renames_the_user(rig: MakeRig, version: str) -> None:
    """Its place is the block, not the entry; and the log's name is none that a passdb lacks."""
    part = inside(passwd_file({USER: GOOD}), "override_fields = user=other", "user = other")
    homes = {"homes": f"{USER}::5000:5000::@DIR@/mail/a::\n"}
    one = server(rig, version, part, userdb=(_HOMES[version], homes))
    refused(one)
    told = said(one)
    assert "USERDB001" in told, told
    assert "returns user = 'other'" in told
    assert "(its block's fields, not the entry)" in told
    record_of(version, "passwd-file", "a block renames the user", heads(told))
    logged = said(one, "log", user="")
    assert PASSDB_KNOWS in logged
    assert "USER001" not in logged
    assert "USER004" not in logged


@_VERSIONS
def test_the_block_says_from_where(rig: MakeRig, version: str) -> None:
    part = inside(
        passwd_file({USER: GOOD}), "override_fields = allow_nets=10.0.0.0/8", "allow_nets = 10.0.0.0/8"
    )
    one = server(rig, version, part)
    refused(one)
    told = said(one)
    assert "USER006" in told
    assert "its own block (" in told, told
    assert "users:1: 127.0.0.1" not in told
    record_of(version, "passwd-file", "a block's own allow_nets", heads(told))


@_VERSIONS
def test_a_remote_block_is_for_the_clients_that_it_names(rig: MakeRig, version: str) -> None:
    """Who is elsewhere may send no password without TLS; the block of another network is no exception."""
    setting = "disable_plaintext_auth = {}" if version < "2.4" else "auth_allow_cleartext = {}"
    refuses, allows = ("yes", "no") if version < "2.4" else ("no", "yes")
    one = server(
        rig, version, passwd_file({USER: GOOD}), more=f"{setting.format(refuses)}\nremote 192.0.2.0/24 {{\n"
        f"  {setting.format(allows)}\n}}\n"
    )  # fmt: skip
    one.edit("machine.conf", "listen = 127.0.0.1\n", "listen = *\n")
    one.restart()
    until_taken(one)
    assert "AUTH002" in said(one, "--from-address", "198.51.100.9")
    for address in ("192.0.2.7", "127.0.0.1"):
        assert "AUTH002" not in said(one, "--from-address", address, status=0)


def test_the_printed_login_asks_for_the_password_once(rig: MakeRig) -> None:
    one = server(rig, "2.3.19.1", passwd_file({USER: f"{GOOD} "}))
    told = said(one, "--password-stdin")
    assert f"--login -p {USER}" in told
    assert "-p --login" not in told
