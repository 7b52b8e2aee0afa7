"""Servers that lead a diagnosis astray: what was said of them wrongly once."""

from collections.abc import Callable

import pytest

from mailauth.hashes import Password, generate
from tests.cli.running import mailauth
from tests.field.rig import Rig
from tests.field.stacks import SECRET
from tests.proofs.story import printed

MakeRig = Callable[..., Rig]
USER = "alice@example.org"
STORED = generate("SHA512-CRYPT", Password.of(SECRET), user=USER, rounds=5000).partition("}")[2]
_HEAD = (
    "protocols = imap\nssl = no\ndisable_plaintext_auth = no\nauth_verbose = yes\nfirst_valid_uid = 1\n"
    "mail_location = maildir:~/Maildir\n"
)
_STATIC = (
    "userdb {\n  driver = static\n  args = uid=65534 gid=65534 home=@DIR@/mail/%u allow_all_users=yes\n}\n"
)
_PASSDB = "passdb {\n  driver = sql\n  args = @DIR@/sql.conf\n}\n"
_SQL = "driver = sqlite\nconnect = @FILE@\ndefault_pass_scheme = SHA512-CRYPT\n"
_PLAIN = "SELECT username AS user, password FROM mailbox WHERE username = '%u' AND active = 1"
SCHEMA = (
    "CREATE TABLE mailbox (username VARCHAR(255), password VARCHAR(255), active INTEGER)",
    f"INSERT INTO mailbox VALUES ('{USER}', '{STORED}', 1)",
)


def sqlite(rig: MakeRig, query: str = _PLAIN, *, more: str = "") -> Rig:
    """A 2.3 server of one SQLite table."""
    files = {
        "dovecot.conf": _HEAD + more + _PASSDB + _STATIC,
        "sql.conf": f"{_SQL}password_query = {query}\n",
    }
    return rig("2.3.19.1", "sqlite", files, SCHEMA)


def test_login_tells_the_databases_words(rig: MakeRig) -> None:
    """Where the query fails nobody knows whether a password is stored."""
    one = sqlite(rig, _PLAIN.replace("mailbox", "mailboxes"))
    told = mailauth("login", USER, "--password-stdin", "--pid", str(one.master_pid), feed=SECRET)
    assert told.returncode == 1
    assert "no such table: mailboxes" in told.stdout
    assert "no password is stored" not in told.stdout


def test_rows_that_cannot_be_counted_are_no_fault_of_the_server(rig: MakeRig) -> None:
    """A query that is too much for us to read: UNKNOWN, with what would help."""
    one = sqlite(rig, f"WITH m AS ({_PLAIN}) SELECT user, password FROM m")
    assert one.login(USER, SECRET.encode()).ok
    told = mailauth("check", "--pid", str(one.master_pid), "--state", str(one.folder / "counts"))
    assert "UNKNOWN" in told.stdout.splitlines()[0], told.stdout
    assert "--rows-query" in told.stdout
    assert told.returncode == 3


def test_comments_in_a_query(rig: MakeRig) -> None:
    """Comments, with a quote and with SQL's own words in them, are no part of the query."""
    query = (
        "SELECT username AS user, password /* the user's hash, FROM the panel */ FROM mailbox"
        " WHERE username = '%u' AND active = 1 -- and nothing more"
    )
    one = sqlite(rig, query)
    assert one.login(USER, SECRET.encode()).ok
    told = mailauth("audit", "--pid", str(one.master_pid))
    assert told.returncode == 0, told.stdout + told.stderr
    one.sql("UPDATE mailbox SET active = 0")
    found = mailauth("diagnose", USER, "--pid", str(one.master_pid)).stdout
    assert "USER007" in found
    assert "active = 1" in found
    assert "nothing more" not in found


_POSTLOGIN = (
    "service imap {\n  executable = imap imap-postlogin\n}\n"
    "service imap-postlogin {\n  executable = script-login @DIR@/none.sh\n  user = root\n"
    "  unix_listener imap-postlogin {\n  }\n}\n"
)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("mail_plugins = none_such\n", "none_such"),
        ("mail_location =\n", "autodetection failed"),
        ("namespace {\n  prefix = INBOX.\n  separator = .\n}\n", "inbox=yes namespace missing"),
        (_POSTLOGIN, "Post-login script denied access"),
        ("mail_chroot = /srv/none\n", "chroot"),
    ],
    ids=["plugin", "no place", "no INBOX", "post-login", "chroot"],
)
def test_a_session_that_does_not_begin(rig: MakeRig, more: str, words: str) -> None:
    """Auth takes the password, and no session begins: Dovecot's line is told, with and without a login."""
    one = sqlite(rig, more=more)
    pid = ("--pid", str(one.master_pid))
    told = mailauth("diagnose", USER, "--password-stdin", "--login", *pid, feed=SECRET)
    assert "AUTH013" in told.stdout, told.stdout
    assert words in told.stdout, told.stdout + one.log()
    for later in (("diagnose", USER), ("log",)):
        told = mailauth(*later, *pid)
        assert told.returncode == 1, told.stdout
        assert words in told.stdout


def test_a_log_of_an_auth_that_does_not_start(rig: MakeRig) -> None:
    """No password is refused, and nobody gets in: that is no "all well"."""
    one = sqlite(rig)
    one.configure("auth_mechanisms = plain none-such\n")
    one.restart()
    told = mailauth("log", "--pid", str(one.master_pid))
    assert "NONE-SUCH" in told.stdout, told.stdout
    assert told.returncode == 1


def test_a_proxy_leaves_the_password_to_the_server_behind(rig: MakeRig) -> None:
    """With proxy=y, nopassword lets nobody in here; without it, login says so, and names no fault."""
    query = (
        "SELECT username AS user, NULL AS password, 'Y' AS nopassword{} FROM mailbox WHERE username = '%u'"
    )
    one = sqlite(rig, query.format(", 'Y' AS proxy, '127.0.0.1' AS host, 1 AS port"))
    pid = ("--pid", str(one.master_pid))
    assert "HASH023" not in mailauth("diagnose", USER, *pid).stdout
    one.edit("sql.conf", ", 'Y' AS proxy, '127.0.0.1' AS host, 1 AS port", "")
    one.restart()
    pid = ("--pid", str(one.master_pid))
    assert "HASH023" in mailauth("diagnose", USER, *pid).stdout
    told = mailauth("login", USER, "--password-stdin", *pid, feed=SECRET)
    assert told.returncode == 0, told.stdout


@pytest.mark.parametrize("line", [f"{USER};{STORED}", f"{USER} {STORED}:65534:65534::", f"{USER},{SECRET}"])
def test_a_line_without_its_colon_is_not_shown_whole(rig: MakeRig, line: str) -> None:
    """What stands after the name is a stored string, and no part of the name."""
    passdb = "passdb {\n  driver = passwd-file\n  args = @DIR@/users\n}\n"
    one = rig("2.3.19.1", "passwd-file", {"dovecot.conf": _HEAD + passdb + _STATIC, "users": f"{line}\n"})
    for words in (("checkup",), ("audit",), ("check", "--state", str(one.folder / "counts"))):
        told = mailauth(*words, "--pid", str(one.master_pid))
        assert STORED[-40:] not in told.stdout, told.stdout
        assert SECRET.split()[-1] not in told.stdout, told.stdout


_V24 = (
    "dovecot_config_version = @VERSION@\ndovecot_storage_version = @VERSION@\nprotocols = imap\nssl = no\n"
    "auth_allow_cleartext = yes\nauth_verbose = yes\nfirst_valid_uid = 1\nmail_driver = maildir\n"
    "mail_path = ~/Maildir\n"
)
_STATIC_24 = (
    "userdb static {\n  fields {\n    uid = 65534\n    gid = 65534\n    home = @DIR@/mail/%{user}\n  }\n"
    "  userdb_static_allow_all_users = yes\n}\n"
)


def said(one: Rig, *words: str) -> str:
    """What diagnose says, without its line breaks."""
    feed = SECRET if "--password-stdin" in words else ""
    told = mailauth("diagnose", USER, *words, "--pid", str(one.master_pid), feed=feed)
    assert told.returncode == 1, told.stdout
    printed(one, told.stdout)
    return " ".join(told.stdout.split())


def two_files(rig: MakeRig, version: str, setting: str, first: str, second: str) -> Rig:
    """Two passwd-files, the first with a setting of its own."""
    old = version < "2.4"
    blocks = ""
    for name, inner in (("one", f"  {setting}\n"), ("two", "")):
        place = f"args = @DIR@/{name}" if old else f"passwd_file_path = @DIR@/{name}"
        head = "passdb {" if old else f"passdb {name} {{"
        blocks += f"{head}\n  driver = passwd-file\n  {place}\n{inner}}}\n"
    text = _HEAD + blocks + _STATIC if old else _V24 + blocks + _STATIC_24
    files = {"dovecot.conf": text, "one": f"{USER}:{first}\n", "two": f"{USER}:{second}\n"}
    return rig(version, "passwd-file", files)


_VERSIONS = pytest.mark.parametrize("version", ["2.3.19.1", "2.4.1"])
_GOOD = generate("SHA512-CRYPT", Password.of(SECRET), user=USER, rounds=5000)
_OTHER = generate("SHA512-CRYPT", Password.of("another"), user=USER, rounds=5000)


def line_of(one: Rig, text: str) -> str:
    """The place of a line of the main file."""
    lines = (one.folder / "dovecot.conf").read_text().splitlines()
    return f"{one.folder / 'dovecot.conf'}:{1 + [line.strip() for line in lines].index(text)}"


@_VERSIONS
def test_the_setting_that_refuses_is_quoted(rig: MakeRig, version: str) -> None:
    """USER012 names what ends the way, with its file and line."""
    one = two_files(rig, version, "result_success = return-fail", _GOOD, _GOOD)
    assert not one.login(USER, SECRET.encode()).ok
    setting = f"result_success = return-fail ({line_of(one, 'result_success = return-fail')})"
    for words in ((), ("--password-stdin",)):
        told = said(one, *words)
        assert "USER012" in told
        assert setting in told.replace("- ", "-"), told


@_VERSIONS
@pytest.mark.parametrize("setting", ["result_failure = return-fail", "result_failure = return"])
def test_the_password_of_a_passdb_that_is_not_asked(rig: MakeRig, version: str, setting: str) -> None:
    """The password is that of the second passdb, which the first keeps Dovecot from."""
    one = two_files(rig, version, setting, _OTHER, _GOOD)
    assert not one.login(USER, SECRET.encode()).ok
    told = said(one, "--password-stdin")
    assert "PASS001" in told
    assert f"passdb 2 (passwd-file) ({one.folder}/two:1) has a hash of this very password" in told, told
    assert f"{setting} ({line_of(one, setting)})" in told, told


@pytest.mark.parametrize(
    ("variable", "asked"),
    [
        ("%{user | substr(0,-1)}", "alice@example.or"),
        ("%{user | sha1}", "45a6b2"),
        ("%{user | upper}", "ALICE@"),
    ],
)
def test_the_name_that_a_query_makes(rig: MakeRig, variable: str, asked: str) -> None:
    """What the store was asked for is told where it is not the name, nor a part of it."""
    text = (
        f"{_V24}sql_driver = sqlite\nsqlite_path = @FILE@\n"
        f"passdb sql {{\n  query = SELECT password FROM mailbox WHERE username = '{variable}'\n}}\n"
        f"{_STATIC_24}"
    )
    one = rig("2.4.1", "sqlite", {"dovecot.conf": text}, SCHEMA)
    assert not one.login(USER, SECRET.encode()).ok
    told = said(one)
    assert "USER001" in told or "USER004" in told
    assert f"asked for '{asked}" in told, told
    assert variable in told
    assert "auth_username_format = %{user}" not in told


def test_an_account_of_an_option_file(rig: MakeRig) -> None:
    """User and password come from the group that is read, which is not the one that has them."""
    files = {
        "dovecot.conf": _HEAD + _PASSDB + _STATIC,
        "sql.conf": "driver = mysql\n"
        "connect = host=@HOST@ port=@PORT@ dbname=@NAME@ option_file=@DIR@/my.cnf\n"
        f"default_pass_scheme = SHA512-CRYPT\npassword_query = {_PLAIN}\n",
        "my.cnf": "[client]\nuser=nobody\npassword=none\n[dovecot]\nuser=@USER@\npassword=@PASSWORD@\n",
    }
    one = rig("2.3.19.1", "mysql", files, SCHEMA)
    told = said(one)
    assert "DB002" in told
    assert f"user from {one.folder}/my.cnf, group [client]" in told, told
    assert "no option_group is set" in told
    one.edit("sql.conf", "option_file", "option_group=dovecot option_file")
    one.restart()
    assert mailauth("diagnose", USER, "--pid", str(one.master_pid)).returncode == 0


@_VERSIONS
def test_nopassword_behind_a_passdb_that_compares(rig: MakeRig, version: str) -> None:
    """Who does not get past the first passdb never reaches the second: no HASH023."""
    old = version < "2.4"
    one = two_files(rig, version, "result_success = continue\n  result_failure = return-fail", _GOOD, _GOOD)
    static = (
        "driver = static\n  args = nopassword=y\n"
        if old
        else "driver = static\n  fields {\n    nopassword = y\n  }\n"
    )
    place = "args = @DIR@/two" if old else "passwd_file_path = @DIR@/two"
    one.edit("dovecot.conf", f"driver = passwd-file\n  {place}\n", static)
    one.restart()
    assert one.login(USER, SECRET.encode()).ok
    assert not one.login(USER, b"wrong").ok
    pid = ("--pid", str(one.master_pid))
    for words in (("diagnose", USER), ("diagnose", USER, "--password-stdin", "--login")):
        told = mailauth(*words, *pid, feed=SECRET)
        assert told.returncode == 0, told.stdout
    one.edit("dovecot.conf", "  result_failure = return-fail\n", "")
    one.restart()
    assert one.login(USER, b"wrong").ok
    assert "HASH023" in mailauth("diagnose", USER, "--pid", str(one.master_pid)).stdout


@_VERSIONS
def test_what_a_protocol_has_of_its_own(rig: MakeRig, version: str) -> None:
    """Auth reads protocol imap { ... }: its passdb is asked first, and its auth_username_format counts."""
    old = version < "2.4"
    place = "args = @DIR@/own" if old else "passwd_file_path = @DIR@/own"
    head = "passdb {" if old else "passdb own {"
    own = f"protocol imap {{\n  {head}\n    driver = passwd-file\n    {place}\n  }}\n}}\n"
    one = two_files(rig, version, "result_success = return-ok", _OTHER, _OTHER)
    one.write("own", f"{USER}:{_GOOD}\n")
    main = (one.folder / "dovecot.conf").read_text()
    one.write("dovecot.conf", main + own)
    one.restart()
    assert one.login(USER, SECRET.encode()).ok
    pid = ("--pid", str(one.master_pid))
    for words in (("--password-stdin",), ("--password-stdin", "--login")):
        told = mailauth("diagnose", USER, *words, *pid, feed=SECRET)
        assert told.returncode == 0, told.stdout
    one.write("own", f"{USER}:{_GOOD}\nbob:{{SHA512-CRYPT}}none\n")
    told = mailauth("checkup", *pid)
    assert "bob" in told.stdout, told.stdout
    assert "FIRST TO DISAGREE" not in mailauth("login", USER, "--password-stdin", *pid, feed=SECRET).stdout
    one.write("own", f"bob:{_GOOD}\n")
    one.write("one", f"{USER}:{_GOOD}\n")
    one.write(
        "dovecot.conf", main + own.replace("    driver", "    result_failure = return-fail\n    driver")
    )
    one.restart()
    assert not one.login(USER, SECRET.encode()).ok
    says = said(one, "--password-stdin")
    assert "USER012" in says
    assert "result_failure = return-fail" in says
    short = "%n" if old else "%{user | username}"
    one.write("dovecot.conf", f"{main}protocol imap {{\n  auth_username_format = {short}\n}}\n")
    one.restart()
    assert not one.login(USER, SECRET.encode()).ok
    assert "Dovecot looks up 'alice', made of 'alice@example.org'" in said(one)


@_VERSIONS
def test_where_a_protocol_has_its_mail(rig: MakeRig, version: str) -> None:
    """The mail's place of protocol imap counts, and not that of doveadm."""
    one = two_files(rig, version, "result_success = return-ok", _GOOD, _GOOD)
    pid = ("--pid", str(one.master_pid))
    assert mailauth("diagnose", USER, *pid).returncode == 0
    place = "mail_location = maildir:/proc/none" if version < "2.4" else "mail_path = /proc/none"
    main = (one.folder / "dovecot.conf").read_text()
    one.write("dovecot.conf", f"{main}protocol imap {{\n  {place}\n}}\n")
    one.restart()
    told = mailauth("diagnose", USER, "--pid", str(one.master_pid)).stdout
    assert "USERDB004" in told, told
    assert "/proc/none" in told
