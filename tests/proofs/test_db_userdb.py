"""A userdb's own database: what it refuses is named, and no rule blames the workers' queue."""

import re
from collections.abc import Callable

import pytest

from mailauth.lab import Lab
from tests.proofs.story import MiB, Proof, argon2id, record
from tests.proofs.test_db import gets_in_soon, value

Make = Callable[..., Proof]
GOOD = argon2id(memory=1 * MiB)
UID = "65534"  # of the lab's mail


def userdb(lab: Lab, password: str, query: str) -> None:
    """In place of the static one: a database that is asked with credentials of its own."""
    place = lab.store.place
    text = lab.config.read_text()
    if lab.dialect == "2.3":
        file = lab.folder / "userdb-sql.conf.ext"
        file.write_text(
            f"driver = {lab.driver}\nconnect = host={place.host} port={place.port} dbname={place.database}"
            f" user={place.user} password={password}\nuser_query = {query}\n"
        )
        file.chmod(0o600)
        new = f"userdb {{\n  driver = sql\n  args = {file}\n}}\n"
        text = re.sub(r"userdb \{\n.*?\n\}\n", lambda _: new, text, flags=re.DOTALL)
    else:
        own = f"mysql_password = {password}"
        if lab.driver == "pgsql":
            own = f"pgsql_parameters {{\n    password = {password}\n  }}"
        new = f"userdb sql {{\n  query = {query.replace('%u', '%{user}')}\n  {own}\n}}\n"
        # at the end: of several settings for a server the last one counts
        text = re.sub(r"userdb (static|sql) \{\n.*?\n\}\n", "", text, flags=re.DOTALL) + new
    lab.config.write_text(text)
    lab.restart()


def query(lab: Lab) -> str:
    return f"SELECT '{lab.folder}/mail' AS home, {UID} AS uid, {UID} AS gid FROM users WHERE userid='%u'"


@pytest.mark.parametrize("kind", ["mysql", "pgsql"])
@pytest.mark.parametrize("fault", ["credentials", "query"])
def test_the_userdbs_database(proof: Make, dovecot_version: str, kind: str, fault: str) -> None:
    told = proof(dovecot_version, kind, {"alice": GOOD}, protocols=("imap",))
    place = told.lab.store.place
    userdb(told.lab, place.password, query(told.lab))
    assert told.logins() == [True]
    told.finds(set(), password=told.password)
    code = "DB002" if fault == "credentials" else "DB004"
    wrong = query(told.lab).replace("userid=", "nowhere=")
    userdb(
        told.lab,
        "another" if fault == "credentials" else place.password,
        query(told.lab) if fault == "credentials" else wrong,
    )
    if (told.lab.dialect, kind, fault) == ("2.3", "pgsql", "credentials"):
        # auth of 2.3.19.1 is killed by signal 11 when the connection fails: that is found, too
        findings = told.look(password=told.password).diagnosis.findings
        found = next(one for one in findings if one.rule.code == code)
    else:
        (found,) = told.finds({code}, password=told.password)
    assert f"userdb 1 ({kind})" in found.problem.says
    assert re.search(r"(userdb-sql\.conf\.ext|dovecot\.conf):\d+", found.problem.remedy.summary)
    userdb(told.lab, place.password, query(told.lab))
    assert told.logins() == [True]
    told.finds(set(), password=told.password)
    record(told.lab, f"userdb's database: {fault}", [code])


def test_no_more_workers_for_a_database_that_refuses(proof: Make, dovecot_version: str) -> None:
    """Dovecot logs that requests were queued, for want of a database: AUTH007 is not told beside DB002."""
    told = proof(dovecot_version, "mysql", {"alice": GOOD})
    right = value(told.lab, "password", told.lab.store.place.password)
    for file in (told.lab.config, told.lab.folder / "dovecot-sql.conf.ext"):
        if file.exists():
            file.write_text(file.read_text().replace(right, value(told.lab, "password", "another")))
    told.lab.restart()
    assert not gets_in_soon(told)
    stamp = told.lab.log().splitlines()[-1][:15]
    with (told.lab.folder / "log").open("a") as log:  # which takes it up to a minute
        log.write(
            f"{stamp} auth: Warning: auth workers: Auth request was queued for 4 seconds, 12 left in queue\n"
        )
    told.finds({"DB002"}, password=told.password)
