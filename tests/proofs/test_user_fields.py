"""USER005 to USER008: what an entry's fields and the query's conditions do to a login."""

import imaplib
from contextlib import suppress

import pytest

from tests.proofs.story import Fault, Proof, record
from tests.proofs.test_db import rewrite, settings, sql
from tests.proofs.test_user import ALL, GOOD, SQL, Make, query, user

# USER005 to USER007: fields and conditions


@SQL
def test_user005(proof: Make, dovecot_version: str, kind: str) -> None:
    """Doveadm auth test says yes, IMAP says no."""
    told = proof(dovecot_version, kind, {"alice": GOOD}, protocols=("imap",))
    assert imap(told)
    told.finds(set(), password=told.password)
    settings("password FROM users", "password, 'no' AS nologin FROM users")(told.lab)
    assert not imap(told)
    assert told.logins() == [True]
    told.finds({"USER005"})
    told.finds({"USER005"}, password=told.password, login=True)
    settings("password, 'no' AS nologin FROM users", "password, NULL AS nologin FROM users")(told.lab)
    assert imap(told)
    told.finds(set(), password=told.password)
    record(told.lab, "nologin", ["USER005"])


def test_user005_passwd_file(proof: Make, dovecot_version: str) -> None:
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD}, protocols=("imap",))
    assert imap(told)
    told.lab.set_password("alice", f"{GOOD}::::::nologin")
    assert not imap(told)
    told.finds({"USER005"}, password=told.password)
    told.lab.set_password("alice", f"{GOOD}::::::nodelay=y")
    assert imap(told)
    told.finds(set(), password=told.password)
    record(told.lab, "nologin", ["USER005"])


def test_user005_set_by_the_passdb(proof: Make, dovecot_version: str) -> None:
    """The entry says nothing; the passdb's own fields do."""
    told = proof(dovecot_version, "sqlite", {"alice": GOOD}, protocols=("imap",))
    own = (
        "  override_fields = nologin=y\n" if dovecot_version < "2.4" else "  fields {\n    nologin = y\n  }\n"
    )
    first = next(line for line in told.lab.config.read_text().splitlines() if line.startswith("passdb "))
    settings(f"{first}\n", f"{first}\n{own}")(told.lab)
    assert not imap(told)
    told.finds({"USER005"}, password=told.password)


def imap(told: Proof) -> bool:
    """A real login by IMAP."""
    with suppress(imaplib.IMAP4.error):
        link = imaplib.IMAP4("127.0.0.1", told.lab.ports["imap"], timeout=60)
        try:
            return link.login(told.user, told.password.decode())[0] == "OK"
        finally:
            link.shutdown()
    return False


@pytest.mark.parametrize("kind", ALL)
def test_user006(proof: Make, dovecot_version: str, kind: str) -> None:
    """From 192.0.2.7, then from an address that is allowed."""
    nets = "10.0.0.0/8,2001:db8::/32"
    if kind == "passwd-file":
        told = proof(dovecot_version, kind, {"alice": f"{GOOD}::::::allow_nets={nets}"})
    else:
        told = proof(
            dovecot_version, kind, {"alice": GOOD}, query=query(dovecot_version, f", '{nets}' AS allow_nets")
        )
    for allowed in ("10.1.2.3", "2001:db8::7"):
        told.address = allowed
        assert told.logins() == [True]
        told.finds(set(), password=told.password, login=True)
    for other in ("192.0.2.7", "2001:db9::7"):
        told.address = other
        assert told.logins() == [False]
        told.finds({"USER006"})
        found = told.finds({"USER006"}, password=told.password, login=True)
        assert other in found[0].problem.says
    record(told.lab, "allow_nets", ["USER006"])
    told.address = ""
    (logged,) = told.finds({"USER006"}, password=told.password)
    assert "2001:db9::7, from where the log has the last login" in logged.problem.says
    told.lab.restart()  # the log begins anew
    diagnosis = told.look(password=told.password).diagnosis
    assert not diagnosis.findings
    assert {one.rule.code for one in diagnosis.undecided} == {"USER006"}
    assert "--from-address" in diagnosis.undecided[0].missing.reason


def test_user006_no_network_at_all(proof: Make, dovecot_version: str) -> None:
    """What is listed is no network: nobody can log in, wherever he is."""
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    told.address = "10.1.2.3"
    fault = Fault(
        users={"alice": f"{GOOD}::::::allow_nets=10.0.0.0/33,office"}, name="allow_nets without a network"
    )
    told.story(fault, {"USER006"}, answers=[False], mend=lambda lab: lab.set_password("alice", GOOD))
    told.address = ""
    told.lab.set_password("alice", f"{GOOD}::::::allow_nets=office")
    assert told.logins() == [False]
    told.finds({"USER006"}, password=told.password)


@SQL
@pytest.mark.parametrize(
    ("where", "blamed"),
    [
        (" AND active = '1'", "active = '1'"),
        (" AND (quota IS NULL OR quota > 0) AND active = '1'", "active = '1'"),
    ],
)
def test_user007(proof: Make, dovecot_version: str, kind: str, where: str, blamed: str) -> None:
    told = proof(dovecot_version, kind, {"alice": GOOD})
    sql(
        "ALTER TABLE users ADD COLUMN active VARCHAR(9) DEFAULT '1'", "ALTER TABLE users ADD COLUMN quota INT"
    )(told.lab)
    old = f"userid = '{user(dovecot_version)}'"
    settings(old, old + where)(told.lab)
    fault = Fault(
        name="disabled by a condition",
        do=sql("UPDATE users SET active = '0'"),
        undo=sql("UPDATE users SET active = '1'"),
    )
    found = told.story(fault, {"USER007"}, answers=[False])
    assert found[0].problem.says.endswith(f"does not meet: {blamed}.")


@SQL
def test_user008(proof: Make, dovecot_version: str, kind: str) -> None:
    told = proof(dovecot_version, kind, {"alice": GOOD})
    twice = "(SELECT * FROM users UNION ALL SELECT * FROM users) AS twice"
    fault = Fault(
        name="two rows",
        do=rewrite("FROM users", f"FROM {twice}"),
        undo=settings(f"FROM {twice}", "FROM users"),
    )
    told.story(fault, {"USER008"}, answers=[False])
