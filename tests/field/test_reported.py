"""Faults of public reports that no other test has, each on a server written by hand; a login is the judge."""

import json
from collections.abc import Callable

import pytest

from mailauth.hashes import Password, generate
from tests.cli.running import mailauth
from tests.field.chains import from_dict
from tests.field.chains import server as chained
from tests.field.rig import Rig
from tests.field.stacks import SECRET, Stack, by_name
from tests.field.test_red import _HEAD, _PASSDB, _STATIC, SCHEMA, STORED, USER, sqlite
from tests.proofs.story import Proof

MakeRig = Callable[..., Rig]
_GIVEN = SECRET.encode()


def changed(one: Rig, old: str, new: str) -> None:
    """Another text in the query's file, read by a new auth."""
    one.edit("sql.conf", old, new)
    one.restart()


CONDITIONS = {  # what leaves the row out, and the column's value that lets it in
    "json": "json_extract(more, '$.imap') = 1",
    "expired": "(expiry IS NULL OR expiry > date('now'))",
    "the domain is off": "'%d' IN (SELECT domain FROM domains WHERE enabled = 1)",
    "by service": "enable%s = 1",
}


def test_the_condition_that_leaves_the_row_out(rig: MakeRig) -> None:
    """Of a JSON field, a date, another table, a column named by the service: USER007, with that condition."""
    query = "SELECT username AS user, password FROM mailbox WHERE username = '%u' AND active = 1"
    one = sqlite(rig, query)
    one.sql(
        "ALTER TABLE mailbox ADD COLUMN more TEXT DEFAULT '{\"imap\": 0}'",
        "ALTER TABLE mailbox ADD COLUMN expiry TEXT DEFAULT '2020-01-01'",
        "ALTER TABLE mailbox ADD COLUMN enableimap INTEGER DEFAULT 0",
        "CREATE TABLE domains (domain TEXT, enabled INTEGER)",
        "INSERT INTO domains VALUES ('example.org', 0)",
    )
    last = "active = 1"
    for condition in CONDITIONS.values():
        changed(one, last, condition)
        last = condition
        assert not one.login(USER, _GIVEN).ok
        [found] = Proof(one, USER, _GIVEN).finds({"USER007"}, password=_GIVEN)
        words = condition.replace("%d", "example.org").replace("enable%s", "enableimap")
        assert condition in found.problem.says or words in found.problem.says, found.problem.says


REFUSED = {  # MariaDB's number of what it refuses: the query, and what is wrong with it
    "1052": "SELECT username AS user, password FROM mailbox a JOIN mailbox b ON 1=1 WHERE a.username = '%u'",
    "1267": "SELECT username AS user, password FROM mailbox WHERE"
    " CONVERT(username USING utf8mb4) COLLATE utf8mb4_bin = CONVERT('%u' USING utf8mb4)"
    " COLLATE utf8mb4_general_ci",
    "1242": "SELECT username AS user, (SELECT password FROM mailbox) AS password FROM mailbox"
    " WHERE username = '%u'",
}


def test_what_mariadb_refuses_of_the_query(rig: MakeRig) -> None:
    """DB008 with the server's number; of two password columns the first counts, and nothing is found."""
    files = {
        "dovecot.conf": _HEAD + _PASSDB + _STATIC,
        "sql.conf": "driver = mysql\nconnect = host=@HOST@ port=@PORT@ dbname=@NAME@ user=@USER@"
        " password=@PASSWORD@\ndefault_pass_scheme = SHA512-CRYPT\npassword_query = QUERY\n",
    }
    query = "SELECT username AS user, password, active AS password FROM mailbox WHERE username = '%u'"
    files["sql.conf"] = files["sql.conf"].replace("QUERY", query)
    schema = (*SCHEMA, "INSERT INTO mailbox VALUES ('bob@example.org', 'x', 1)")
    one = rig("2.3.19.1", "mysql", files, schema)
    assert one.login(USER, _GIVEN).ok, one.log()
    Proof(one, USER, _GIVEN).finds(set(), password=_GIVEN)
    last = query
    for number, wrong in REFUSED.items():
        changed(one, last, wrong)
        last = wrong
        assert not one.login(USER, _GIVEN).ok
        [found] = Proof(one, USER, _GIVEN).finds({"DB008"}, password=_GIVEN)
        assert number in found.problem.says, found.problem.says


def test_tables_joined_by_a_comma(rig: MakeRig) -> None:
    """Every row is counted once: what joins two tables stays where all users are asked about."""
    query = (
        "SELECT mailbox.username AS user, mailbox.password AS password FROM mailbox, domain"
        " WHERE mailbox.domain = domain.domain AND mailbox.username = '%u' AND domain.active = 1"
    )
    one = sqlite(rig, query)
    one.sql(
        "ALTER TABLE mailbox ADD COLUMN domain TEXT DEFAULT 'example.org'",
        "CREATE TABLE domain (domain TEXT, active INTEGER)",
        *(f"INSERT INTO domain VALUES ('{name}', 1)" for name in ("example.org", "example.net")),
        f"INSERT INTO mailbox VALUES ('bob@example.org', '{STORED}', 1, 'example.org')",
    )
    one.restart()
    assert one.login(USER, _GIVEN).ok, one.log()
    pid = ("--pid", str(one.master_pid))
    told = json.loads(mailauth("checkup", "--json", *pid).stdout)
    assert {found["code"] for found in told["findings"]} <= {"STORE006"}, told["findings"]
    audited = json.loads(mailauth("audit", "--json", *pid).stdout)
    assert [store["rows"] for store in audited["stores"]] == [2]
    checked = mailauth("check", "rows", *pid, "--state", str(one.folder / "counts"))
    assert checked.returncode == 0, checked.stdout
    one.sql("UPDATE domain SET active = 0")
    [found] = Proof(one, USER, _GIVEN).finds({"USER007"}, password=_GIVEN)
    assert "domain.active = 1" in found.problem.says


def test_login_and_check_name_the_column_of_tls(server: Callable[[Stack], Rig]) -> None:
    """Neither blames the mail process, nor says that all is well: the query fails for who comes with TLS."""
    stack = by_name("iredmail")
    one = server(stack)
    one.sql("ALTER TABLE mailbox DROP COLUMN enableimaptls")
    one.edit("dovecot.conf", "ssl = no", "ssl = yes\nssl_cert = </dev/null\nssl_key = </dev/null")
    one.restart()
    checked = mailauth("check", "server", "--pid", str(one.master_pid))
    assert checked.returncode == 2, checked.stdout
    assert "enableimaptls" in checked.stdout
    words = ("login", stack.user, "--password-stdin", "--pid", str(one.master_pid))
    told = mailauth(*words, feed=SECRET).stdout
    assert "FIRST TO DISAGREE  mail process" not in told, told


@pytest.mark.dovecot("< 2.4")
def test_a_dicts_key_with_the_password_in_it(rig: MakeRig, dovecot_version: str) -> None:
    """Dovecot's own error line has the password, and nothing that mailauth prints."""
    given = "hidden-from-view"
    part = from_dict("alice", "x")
    files = {**part.files, "dict.conf": part.files["dict.conf"].replace("passdb/%u", "passdb/%w/%u")}
    files["dict.conf"] = files["dict.conf"].replace("file:@DIR@/dictfile", "proxy:@DIR@/gone:x")
    one = chained(rig, dovecot_version, type(part)(part.old, part.new, files))
    assert not one.login("alice", given.encode()).ok
    assert given in one.log(), "Dovecot quotes the key"
    pid = ("--pid", str(one.master_pid))
    for words in (("log",), ("diagnose", "alice", "--password-stdin", "--login"), ("checkup",)):
        done = mailauth(*words, *pid, feed=given if "--login" in words else "")
        assert given not in done.stdout + done.stderr


@pytest.mark.dovecot("< 2.4")
def test_a_digest_of_another_mechanism(rig: MakeRig, dovecot_version: str) -> None:
    """What is stored serves CRAM-MD5 alone, and the client uses DIGEST-MD5."""
    stored = generate("CRAM-MD5", Password(_GIVEN), user="")
    files = {
        "dovecot.conf": _HEAD + "auth_mechanisms = plain cram-md5 digest-md5\n"
        "passdb {\n  driver = passwd-file\n  args = @DIR@/users\n}\n" + _STATIC,
        "users": f"{USER}:{stored}\n",
    }
    one = rig(dovecot_version, "passwd-file", files)
    pid = ("--pid", str(one.master_pid), "--json")
    for mechanism, codes in (("DIGEST-MD5", {"AUTH003"}), ("CRAM-MD5", set[str]())):
        words = ("diagnose", USER, "--password-stdin", "--mechanism", mechanism, *pid)
        told = json.loads(mailauth(*words, feed=SECRET).stdout)
        blocks = {one["code"] for one in told["findings"] if one["severity"] == "blocks login"}
        assert blocks == codes, told["findings"]


def test_audit_and_migrate_of_a_url_read_alike(rig: MakeRig) -> None:
    """The same version and the same default scheme, with --dovecot and without; no string has two fates."""
    one = sqlite(rig)
    one.sql("INSERT INTO mailbox VALUES ('bob@example.org', 'geheim7!', 1)")
    where = (
        *("--url", f"sqlite://{one.store.path}"),
        *("--rows-query", "SELECT username AS user, password FROM mailbox"),
    )
    for more in ((), ("--dovecot", "2.3.19.1"), ("--dovecot", "2.4.1")):
        audited = json.loads(mailauth("audit", *where, *more, "--json").stdout)
        planned = json.loads(
            mailauth("migrate", "plan", *where, *more, "--rehash", "ARGON2ID", "--json").stdout
        )
        [store] = audited["stores"]
        assert (audited["dovecot"], store["default_scheme"]) == (
            planned["dovecot"],
            planned["default_scheme"],
        )
        never = {
            user for each in store["classes"] if each["fate"] == "never matches" for user in each["users"]
        }
        made = {user for line in planned["lines"] if line["action"] for user in line["users"]}
        assert never & made == set()


def test_suspended_users_are_locked(rig: MakeRig) -> None:
    """A hash with "!" before it, as a panel suspends somebody: nobody's accident, and no alarm of a store."""
    hashed = f"{{SHA512-CRYPT}}{STORED}"
    locked = {
        "a": f"!{hashed}",
        "b": f"{{SHA512-CRYPT}}!{STORED}",
        "c": f"!{STORED}",
        "d": f"*{STORED}",
        "e": "!",
    }
    one = sqlite(rig)
    one.sql(*(f"INSERT INTO mailbox VALUES ('{user}', '{stored}', 1)" for user, stored in locked.items()))
    pid = ("--pid", str(one.master_pid))
    for user in locked:
        assert not one.login(user, _GIVEN).ok
        [found] = Proof(one, user, _GIVEN).finds({"HASH001"}, password=_GIVEN)
        assert "The account is locked" in found.problem.says
    told = json.loads(mailauth("checkup", "--json", *pid).stdout)
    assert {found["code"] for found in told["findings"]} <= {"STORE006"}, told["findings"]
    audited = json.loads(mailauth("audit", "--json", *pid).stdout)
    [store] = audited["stores"]
    assert sum(each["rows"] for each in store["classes"] if each["fate"] == "locked") == len(locked)
    checked = mailauth("check", "rows", *pid, "--state", str(one.folder / "counts"))
    assert checked.returncode == 0, checked.stdout
