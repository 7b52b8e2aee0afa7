"""The database clients behave as Dovecot's own; what they cannot do is named (DB013 to DB015, and more)."""

import re
from collections.abc import Callable

import pytest
import stamina

from mailauth.finding import Certainty, Severity
from mailauth.lab import Lab
from mailauth.lab.databases import Server
from tests.cli.running import mailauth
from tests.parity.database_clients import STRICT, TLS, files
from tests.proofs.story import MiB, Proof, argon2id, record
from tests.proofs.test_db import gets_in_soon, rewrite, sql, value

Make = Callable[..., Proof]
GOOD = argon2id(memory=1 * MiB)
SERVERS = pytest.mark.parametrize("kind", ["mysql", "pgsql"])


@pytest.fixture(scope="module")
def with_tls(request: pytest.FixtureRequest) -> Callable[[str], Server]:
    """A server that offers TLS, and demands it of the account STRICT."""
    started: dict[str, Server] = {}

    def get(kind: str) -> Server:
        if kind not in started:
            server = started[kind] = TLS[kind]()
            server.__enter__()
            request.addfinalizer(server.close)
            if kind == "mysql":
                server.execute(f"CREATE USER {STRICT}@'127.0.0.1' IDENTIFIED BY 'pw' REQUIRE SSL")
                server.execute(f"GRANT ALL ON *.* TO {STRICT}@'127.0.0.1'")
            else:
                server.execute(f"CREATE ROLE {STRICT} SUPERUSER LOGIN PASSWORD 'pw'")
        return started[kind]

    return get


def broken(told: Proof, name: str, code: str, *changes: tuple[str, str]) -> str:
    """Change the settings, find exactly that, change them back."""
    assert told.logins() == [True]
    told.finds(set(), password=told.password)
    for old, new in changes:
        rewrite(old, new)(told.lab)
    told.lab.restart()
    assert not gets_in_soon(told)
    (found,) = told.finds({code}, password=told.password)
    assert (found.severity, found.problem.certainty) == (Severity.BLOCKS_LOGIN, Certainty.PROVEN)
    for old, new in reversed(changes):
        rewrite(new, old)(told.lab)
    told.lab.restart()
    assert told.logins(2) == [True] * 2
    told.finds(set(), password=told.password)
    record(told.lab, name, [code])
    return f"{found.problem.says} {found.problem.remedy.summary}"


def account(lab: Lab) -> tuple[tuple[str, str], ...]:
    place = lab.store.place
    return (
        (value(lab, "user", place.user), value(lab, "user", STRICT)),
        (value(lab, "password", place.password), value(lab, "password", "pw")),
    )


def test_db001_localhost_is_the_socket(proof: Make, dovecot_version: str) -> None:
    """The server listens on a port only, and there is no socket at the client's own place."""
    told = proof(dovecot_version, "mysql", {"alice": GOOD})
    host = ("host=127.0.0.1", "host=localhost")
    if told.lab.dialect == "2.4":
        host = ("mysql 127.0.0.1", "mysql localhost")
    says = broken(told, "localhost without a socket", "DB001", host)
    assert "localhost means the socket" in says
    assert ":0" not in says
    assert re.search(r"dovecot(-sql)?\.conf(\.ext)?:\d+", says)


@SERVERS
def test_db002_refused_without_tls(
    proof: Make, with_tls: Callable[[str], Server], dovecot_version: str, kind: str
) -> None:
    """The account is let in with TLS only, and the settings ask for none."""
    told = proof(dovecot_version, kind, {"alice": GOOD}, database=with_tls(kind))
    changes = account(told.lab)
    if kind == "pgsql":  # libpq takes TLS by itself
        off = value(told.lab, "sslmode", "disable")
        gap = " " if told.lab.dialect == "2.3" else "\n    "
        changes = (*changes[:1], (changes[1][0], f"{changes[1][1]}{gap}{off}"))
    says = broken(told, "account with REQUIRE SSL", "DB002", *changes)
    assert "Refused without TLS" in says
    turned_on = {"mysql2.3": "ssl_ca=", "mysql2.4": "ssl = yes", "pgsql2.3": "sslmode=require"}
    assert turned_on.get(f"{kind}{told.lab.dialect}", "sslmode = require") in says


@pytest.mark.parametrize("form", ["file", "env"])
@pytest.mark.dovecot(">= 2.4")
def test_secrets_that_stand_elsewhere(proof: Make, dovecot_version: str, form: str) -> None:
    """The login works, and nothing is found."""
    told = proof(dovecot_version, "mysql", {"alice": GOOD})
    secret = told.lab.store.place.password
    if form == "file":
        path = told.write("secret", secret)
        path.chmod(0o600)
        rewrite(f"password = {secret}", f"password = <{path}")(told.lab)
    else:
        rewrite(f"password = {secret}", "password = %{env:DBPW}")(told.lab)
        rewrite("sql_driver", f"import_environment {{\n  DBPW = {secret}\n}}\nsql_driver")(told.lab)
    told.lab.restart()
    assert told.logins() == [True]
    told.finds(set(), password=told.password)


@SERVERS
def test_db013(proof: Make, with_tls: Callable[[str], Server], dovecot_version: str, kind: str) -> None:
    """The server's certificate is not signed by the CA of the settings."""
    server = with_tls(kind)
    told = proof(dovecot_version, kind, {"alice": GOOD}, database=server)
    lab = told.lab
    right = value(lab, "password", lab.store.place.password)
    with files(lab, server) as given:
        tls = {
            "mysql2.3": " ssl_ca={}",
            "mysql2.4": "\n  ssl = yes\n  ssl_client_ca_file = {}",
            "pgsql2.3": " sslmode=verify-ca sslrootcert={}",
            "pgsql2.4": "\n    sslmode = verify-ca\n    sslrootcert = {}",
        }[f"{kind}{lab.dialect}"]
        rewrite(right, right + tls.format(given["ca"]))(lab)
        lab.restart()
        if (kind, lab.dialect) == ("mysql", "2.3"):
            says = in_clear(told, given["ca"], given["other"])
        else:
            says = broken(told, "another CA", "DB013", (given["ca"], given["other"]))
    assert "certificate" in says


def in_clear(told: Proof, right: str, wrong: str) -> str:
    """2.3.19 tries again without TLS: logins come to work, and that is a risk."""
    rewrite(right, wrong)(told.lab)
    told.lab.restart()
    told.finds({"DB013"})
    for attempt in stamina.retry_context(on=AssertionError, attempts=60, wait_initial=0.2, wait_max=0.5):
        with attempt:
            assert told.logins() == [True]
    (found,) = told.finds({"DB013"}, password=told.password)
    assert (found.severity, found.problem.certainty) == (Severity.RISK, Certainty.LIKELY)
    rewrite(wrong, right)(told.lab)
    told.lab.restart()
    assert told.logins(2) == [True] * 2
    told.finds(set(), password=told.password)
    return found.problem.says


def test_a_view_whose_definer_is_gone(proof: Make, dovecot_version: str) -> None:
    """The server answers the query as it answers a wrong password: the view is named, and no credentials."""
    told = proof(dovecot_version, "mysql", {"alice": GOOD})
    lab = told.lab
    name = f"gone_{lab.store.place.database}"
    account = f"{name}@'127.0.0.1'"
    view = f"CREATE DEFINER={account} VIEW mailbox AS SELECT userid, password FROM users"
    sql(f"CREATE USER {account}", f"GRANT ALL ON *.* TO {account}", view)(lab)
    rewrite("FROM users", "FROM mailbox")(lab)
    lab.restart()
    assert told.logins() == [True]
    told.finds(set(), password=told.password)
    sql(f"DROP USER {account}")(lab)
    lab.restart()
    assert told.logins() == [False]
    diagnosis = told.look(password=told.password).diagnosis
    (found,) = diagnosis.findings
    assert found.rule.code in ("DB007", "DB008")
    assert "DEFINER of the view mailbox" in found.problem.says
    record(lab, "view whose DEFINER is gone", [found.rule.code])


@pytest.mark.dovecot("< 2.4")
@SERVERS
def test_db014(proof: Make, dovecot_version: str, kind: str) -> None:
    """A setting that is another driver's."""
    told = proof(dovecot_version, kind, {"alice": GOOD})
    assert told.logins() == [True]
    right = value(told.lab, "password", told.lab.store.place.password)
    wrong = f"{right} {'sslmode=require' if kind == 'mysql' else 'ssl_ca=/ca.pem'}"
    rewrite(right, wrong)(told.lab)
    told.lab.restart()
    assert not gets_in_soon(told)
    diagnosis = told.look(password=told.password).diagnosis
    found = {finding.rule.code: finding for finding in diagnosis.findings}
    assert "DB014" in found
    assert ("sslmode" if kind == "mysql" else "ssl_ca") in found["DB014"].problem.says
    record(told.lab, "setting of another driver", ["DB014"])


@pytest.mark.dovecot("< 2.4")
@SERVERS
@pytest.mark.parametrize("rest", ["Half2Secret", "Half2=Secret"])
def test_db014_shows_nothing_of_a_password_with_a_blank(
    proof: Make, dovecot_version: str, kind: str, rest: str
) -> None:
    """What is left of it is a name to the driver, which logs it."""
    told = proof(dovecot_version, kind, {"alice": GOOD})
    right = value(told.lab, "password", told.lab.store.place.password)
    rewrite(right, f"password=Half1 {rest}")(told.lab)
    told.lab.restart()
    assert not gets_in_soon(told)
    assert told.lab.logs("Half2")
    found = told.look(password=told.password).diagnosis.findings
    assert {one.rule.code for one in found if one.severity is Severity.BLOCKS_LOGIN} == {"DB014"}
    assert "Half" not in repr(found)
    which = ("--pid", str(told.lab.master_pid))
    for words in (("diagnose", "alice"), ("log",), ("checkup",), ("check",)):
        done = mailauth(*words, *which)
        assert "Half" not in done.stdout + done.stderr, words


@SERVERS
def test_db015(proof: Make, dovecot_version: str, kind: str) -> None:
    """The password ends where a "#" stands, for Dovecot, too."""
    told = proof(dovecot_version, kind, {"alice": GOOD})
    right = value(told.lab, "password", told.lab.store.place.password)
    rewrite(right, f"{right}#cd")(told.lab)
    told.lab.restart()
    assert told.logins() == [True]
    (found,) = told.finds({"DB015"}, password=told.password)
    assert found.severity is Severity.NOTE
    where = "dovecot-sql.conf.ext:2" if told.lab.dialect == "2.3" else f"{told.lab.config}:"
    assert where in found.problem.says
    rewrite(f"{right}#cd", right)(told.lab)
    told.lab.restart()
    told.finds(set(), password=told.password)
    record(told.lab, 'a "#" in connect', ["DB015"])


def test_db015_beside_db002(proof: Make, dovecot_version: str) -> None:
    """What is cut off was a part of the password."""
    told = proof(dovecot_version, "mysql", {"alice": GOOD})
    secret = told.lab.store.place.password
    right = value(told.lab, "password", secret)
    rewrite(right, value(told.lab, "password", f"{secret[:4]}#{secret[4:]}"))(told.lab)
    told.lab.restart()
    assert not gets_in_soon(told)
    told.finds({"DB002", "DB015"}, password=told.password)
