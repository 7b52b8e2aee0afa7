"""CONF006, CONF011 and CONF016: settings that Dovecot takes, and that work for some or for now."""

import time
from collections.abc import Callable

import pytest

from mailauth.lab import Lab
from tests.proofs.story import Fault, MiB, Proof, argon2id

Make = Callable[..., Proof]
GOOD = argon2id(memory=1 * MiB)
OTHER = argon2id(b"the old one", memory=1 * MiB)
BARE = GOOD.removeprefix("{ARGON2ID}")


def default_scheme(lab: Lab, old: str, new: str) -> None:
    """Change the default scheme where it stands."""
    for file in (lab.config, lab.folder / "dovecot-sql.conf.ext"):
        if file.exists():
            file.write_text(file.read_text().replace(old, new))


@pytest.mark.parametrize("kind", ["sqlite", "passwd-file"])
def test_conf006(proof: Make, dovecot_version: str, kind: str) -> None:
    if dovecot_version >= "2.4":
        more = "passdb_extra" if kind == "passwd-file" else "sql_extra"
        told = proof(dovecot_version, kind, {"alice": BARE}, **{more: "default_password_scheme = ARGON2ID"})
        old, new = "default_password_scheme = ARGON2ID", "default_password_scheme = ARGON2-ID"
    elif kind == "sqlite":
        told = proof(dovecot_version, kind, {"alice": BARE}, sql_extra="default_pass_scheme = ARGON2ID")
        old, new = "default_pass_scheme = ARGON2ID", "default_pass_scheme = ARGON2"
    else:
        told = proof(dovecot_version, kind, {"alice": BARE})
        default_scheme(told.lab, "args = /", "args = scheme=ARGON2ID /")
        told.lab.restart()
        old, new = "scheme=ARGON2ID", "scheme=FOO"
    fault = Fault(do=lambda lab: default_scheme(lab, old, new), name="default scheme that does not exist")
    told.story(fault, {"CONF006"}, answers=[False])


def test_an_unknown_default_scheme_without_bare_hashes(proof: Make, dovecot_version: str) -> None:
    """Nobody is touched by it."""
    name = "default_password_scheme" if dovecot_version >= "2.4" else "default_pass_scheme"
    told = proof(dovecot_version, "sqlite", {"alice": GOOD}, sql_extra=f"{name} = FOO")
    assert told.logins() == [True]
    told.finds(set(), password=told.password)


@pytest.mark.parametrize("kind", ["sqlite", "passwd-file"])
def test_conf011(proof: Make, dovecot_version: str, kind: str) -> None:
    """The first passdb still has the old password."""
    told = proof(dovecot_version, kind, {"alice": GOOD})
    users = told.write("second", f"alice:{GOOD}\n")
    second = (
        f"passdb {{\n  driver = passwd-file\n  args = {users}\n}}\n"
        if dovecot_version < "2.4"
        else f"passdb second {{\n  driver = passwd-file\n  passwd_file_path = {users}\n}}\n"
    )
    fault = Fault(second, {"alice": OTHER}, name="the first passdb has another password")
    found = told.story(fault, {"CONF011"}, answers=[True, True], unasked=set())
    assert "(passwd-file)" in found[0].problem.says
    assert told.lab.logs("assword mismatch")


def test_two_passdbs_that_agree(proof: Make, dovecot_version: str) -> None:
    told = proof(dovecot_version, "sqlite", {"bob": GOOD})
    users = told.write("second", f"alice:{GOOD}\nbob:{GOOD}\n")
    told.lab.configure(
        f"passdb {{\n  driver = passwd-file\n  args = {users}\n}}\n"
        if dovecot_version < "2.4"
        else f"passdb second {{\n  driver = passwd-file\n  passwd_file_path = {users}\n}}\n"
    )
    told.lab.reload()
    for told.user in ("alice", "bob"):
        assert told.logins() == [True]
        told.finds(set(), password=told.password)


def test_conf016(proof: Make, dovecot_version: str) -> None:
    """A changed file does nothing yet; a reload makes it count."""
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    time.sleep(1.2)
    told.lab.configure("auth_username_format = nobody\n")
    assert told.logins(2) == [True, True], "it is not read yet"
    early = told.look(password=told.password).diagnosis.findings
    assert "CONF016" in {finding.rule.code for finding in early}
    told.lab.configure("auth_verbose = no\n")
    found = told.finds({"CONF016"}, password=told.password)
    assert str(told.lab.settings_file) in found[0].problem.says
    told.paste(found)
    assert told.logins(2) == [True, True]
    told.finds(set(), password=told.password)


@pytest.mark.dovecot("< 2.4")
def test_conf016_sql_file(proof: Make, dovecot_version: str) -> None:
    """2.3's SQL file is read when auth starts."""
    told = proof(dovecot_version, "sqlite", {"alice": GOOD})
    time.sleep(1.2)
    file = told.lab.folder / "dovecot-sql.conf.ext"
    file.write_text(file.read_text() + "# a remark\n")
    assert told.logins() == [True]
    found = told.finds({"CONF016"}, password=told.password)
    told.paste(found)
    told.finds(set(), password=told.password)


def test_an_old_reload_of_a_new_file_is_fine(proof: Make, dovecot_version: str) -> None:
    """Changed and reloaded at once: the times differ by less than they are exact."""
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    time.sleep(1.2)
    told.lab.configure("auth_verbose = no\n")
    told.lab.reload()
    told.finds(set(), password=told.password)
