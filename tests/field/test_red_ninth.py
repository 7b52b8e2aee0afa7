"""What a ninth look found: passdbs in the files that are not asked, zeros, homes, the fields of a block."""

import json
import re
from collections.abc import Callable

import pytest

from mailauth.hashes import Password, generate
from tests.cli.running import mailauth
from tests.field.chains import Part, accounts, lua, passwd_file, server, sqlite, static
from tests.field.rig import Rig
from tests.field.test_red_eighth import inside, refused, taken
from tests.field.test_red_other import GOOD, OTHER, SECRET, USER, said
from tests.proofs.story import heads, record_of

MakeRig = Callable[..., Rig]
_VERSIONS = pytest.mark.parametrize("version", ["2.3.19.1", "2.4.1"])
_OTHERS = {"bob@example.org": GOOD}


def _passdb(version: str, name: str) -> str:
    if version < "2.4":
        return f"passdb {{\n  driver = passwd-file\n  args = @DIR@/{name}\n}}\n"
    return f"passdb {name} {{\n  driver = passwd-file\n  passwd_file_path = @DIR@/{name}\n}}\n"


@_VERSIONS
def test_a_passdb_that_is_not_asked(rig: MakeRig, version: str) -> None:
    """Its include is a comment; or it stands in a block of another protocol."""
    include, comment = "!include auth-users.conf.ext\n", "  #!include auth-users.conf.ext\n"
    shipped = "#!include_try auth-away.conf.ext\n"  # whose file of users is not there
    one = server(rig, version, passwd_file(_OTHERS, "staff"), more=comment + shipped)
    one.write("users", f"{USER}:{GOOD}\n")
    one.write("auth-users.conf.ext", _passdb(version, "users"))
    one.write("auth-away.conf.ext", _passdb(version, "away"))
    refused(one)
    told = said(one)
    assert "USER001" in told
    assert "These lines include a passdb, and are comments: !include auth-users.conf.ext" in told
    assert "auth-away" not in told
    assert f"take the # from {one.folder}/dovecot.conf:" in told
    record_of(version, "passwd-file", "an include of a passdb is a comment", heads(told))
    one.edit("dovecot.conf", comment, include)
    one.restart()
    taken(one)
    one.edit("dovecot.conf", include, f"protocol pop3 {{\n{_passdb(version, 'users')}}}\n")
    one.restart()
    told = said(one)
    assert (
        "A login by another protocol does not ask these: protocol pop3 { } has a passdb (passwd-file)" in told
    )
    assert "write it outside of protocol pop3 { }" in told


_DIGITS = "00123456"


@pytest.mark.parametrize("store", ["mysql", "pgsql", "sqlite"])
def test_a_column_of_numbers(rig: MakeRig, store: str) -> None:
    """The statements that are printed are run: a text is stored, and kept."""
    server_of = "host=@HOST@ port=@PORT@ dbname=@NAME@ user=@USER@ password=@PASSWORD@"
    connect = "@FILE@" if store == "sqlite" else server_of
    files = {
        "dovecot.conf": "protocols = imap\nssl = no\ndisable_plaintext_auth = no\n"
        "mail_location = maildir:~/Maildir\n"
        "passdb {\n  driver = sql\n  args = @DIR@/sql.conf\n}\n" + static("2.3.19.1"),
        "sql.conf": f"driver = {store}\nconnect = {connect}\ndefault_pass_scheme = PLAIN\n"
        "password_query = SELECT login AS user, password FROM accounts WHERE login = '%u'\n",
    }
    schema = (
        "CREATE TABLE accounts (login VARCHAR(64), password BIGINT)",
        f"INSERT INTO accounts VALUES ('{USER}', '{_DIGITS}')",
    )
    one = rig("2.3.19.1", store, files, schema)
    assert not one.login(USER, _DIGITS.encode()).ok
    done = mailauth(
        "diagnose", USER, "--password-stdin", "--json", "--pid", str(one.master_pid), feed=_DIGITS
    )
    (found,) = json.loads(done.stdout)["findings"]
    assert found["code"] == "PASS008"
    assert "accounts.password is " in found["says"]
    assert "a type of numbers, which keeps no zeros in front" in found["says"]
    record_of("2.3.19.1", store, "a column of numbers loses the zeros of a password", ["PASS008"])
    widen = {"mysql": "MODIFY password VARCHAR(255)", "pgsql": "ALTER COLUMN password TYPE VARCHAR(255)"}
    if store in widen:
        statement = f"ALTER TABLE accounts {widen[store]}"
        assert f"First: {statement}; then set" in found["remedy"]["summary"]
        one.sql(statement)
    else:
        assert "First give the column a type of text" in found["remedy"]["summary"]
    hashed = generate("SHA512-CRYPT", Password.of(_DIGITS), user=USER, rounds=5000)
    one.sql(f"UPDATE accounts SET password = '{hashed}' WHERE login = '{USER}'")
    assert one.login(USER, _DIGITS.encode()).ok


@_VERSIONS
def test_nologin_of_a_block(rig: MakeRig, version: str) -> None:
    """Not the entry has it: what to change is the block's own setting."""
    part = inside(passwd_file({USER: GOOD}), "override_fields = nologin reason=Maintenance", "nologin = y")
    one = server(rig, version, part)
    told = said(one)
    assert "USER005" in told
    setting = "override_fields" if version < "2.4" else "fields"
    assert (
        f"its block sets the field nologin for every user, by {setting} ({one.folder}/dovecot.conf:" in told
    )
    assert f"Take nologin out of {setting} (" in told


@_VERSIONS
def test_a_master_passdb_that_is_none(rig: MakeRig, version: str) -> None:
    part = passwd_file({"root": GOOD}, "masters")
    one = server(rig, version, part, passwd_file({USER: GOOD}), more="auth_master_user_separator = *\n")
    told = said(one, user=f"{USER}*root")
    assert "USER010" in told
    assert "no passdb has master = yes" in told
    assert "Write master = yes into the block of the passdb that has the master user 'root'" in told


def test_a_home_one_field_too_early(rig: MakeRig) -> None:
    """The remedy is pasted: one more colon."""
    line = f"{USER}:{GOOD}:5000:5000:/tmp/home::\n"
    userdb = ("userdb {\n  driver = passwd-file\n  args = @DIR@/users\n}\n", {"users": line})
    one = server(rig, "2.3.19.1", passwd_file({}), userdb=userdb)
    told = said(one)
    assert "USERDB002" in told
    assert f"in {one.folder}/users:1 the path stands in the field before the home's (gecos)" in told
    assert "mail_home" not in told
    record_of("2.3.19.1", "passwd-file", "a home stands in the field before it", heads(told))
    one.write("users", line.replace(":/tmp/home::", f"::{one.folder}/mail/home:"))
    one.restart()  # auth looks at the file once a second
    assert "Nothing found" in said(one, status=0)


@_VERSIONS
def test_a_name_that_the_log_has_otherwise(rig: MakeRig, version: str) -> None:
    """The name to type is the client's, and neither what auth makes of it nor what it would make of that."""
    more = "auth_username_chars = abcdefghijklmnopqrstuvwxyz.+@\nauth_username_translation = +@@+\n"
    name = f"{USER}+example.org"
    one = server(rig, version, passwd_file({f"{USER}@example.org": OTHER}), more=more)
    refused(one, name)
    told = mailauth("log", "--pid", str(one.master_pid)).stdout
    assert f"mailauth diagnose --pid {one.master_pid} -p {name}" in told, told


def test_a_cache_that_may_refuse(rig: MakeRig) -> None:
    """Without a reason in the log, and with the right password: no login that fails ends in silence."""
    cache = "auth_verbose = no\nauth_cache_size = 10M\nauth_cache_negative_ttl = 1 hour\n"
    one = server(rig, "2.3.19.1", sqlite(), rows=_OTHERS, more=cache)
    refused(one)
    one.sql(accounts({USER: GOOD})[-1])
    refused(one)
    told = said(one, "--password-stdin")
    assert "NOTE AUTH020" in told
    assert "auth's cache (auth_cache_size) still says that there is no such user" in told
    # by its process, too, where another Debian's Dovecot runs beside the machine's own
    whose = rf"(?:--pid {one.master_pid} )?-c {re.escape(str(one.config))}"
    assert re.search(rf"sudo mailauth diagnose {whose} --login -p {USER}\.", told)
    assert "auth cache flush or" not in told  # no fix of what may be nothing
    assert "has not the form" not in told
    record_of("2.3.19.1", "sqlite", "auth's cache may have an old answer", heads(told))


@_VERSIONS
def test_a_passdb_that_is_not_looked_into_ends_the_login(rig: MakeRig, version: str) -> None:
    """AUTH016 names the setting by which no later passdb is asked."""
    script = lua("bob", SECRET)
    setting = "  result_failure = return-fail\n"
    first = Part(f"{script.old}\n{setting}", script.new.removesuffix("}\n") + setting + "}\n", script.files)
    one = server(rig, version, first, passwd_file({USER: GOOD}))
    told = said(one, "--password-stdin", "--login")
    assert "AUTH016" in told
    assert "has result_failure = return-fail (" in told
    assert "whom it does not let in, no later passdb is asked about" in told


def test_counts_and_a_byte_that_ends_a_password(rig: MakeRig) -> None:
    """Words: a blank, and a password that a client cannot send whole."""
    one = server(rig, "2.3.19.1", passwd_file({USER: f" {GOOD}", "bob": GOOD}))
    done = mailauth("checkup", "--pid", str(one.master_pid))
    assert "1 x a blank or a line end before it" in re.sub(r"\s+", " ", done.stdout)
    done = mailauth("diagnose", "bob", "--password-stdin", "--pid", str(one.master_pid), feed=f"x\0{SECRET}")
    assert "PASS001" in done.stdout
    assert "It has the byte 0: Dovecot takes only what stands before that" in re.sub(r"\s+", " ", done.stdout)
