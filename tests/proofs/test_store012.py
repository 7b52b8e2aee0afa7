"""STORE012: stores from which nobody can log in, in a database, a passwd-file and a directory."""

import os
from collections.abc import Callable

import pytest

from mailauth.finding import Severity
from mailauth.lab import Lab
from tests.cli.running import mailauth
from tests.lab.test_stores import hashed
from tests.proofs.story import SECRET, Proof, record
from tests.proofs.test_ldap import edited
from tests.proofs.test_store import GOOD, asked, codes, failing, says, sql

MakeLab = Callable[..., Lab]


@pytest.mark.parametrize("kind", ["sqlite", "mysql", "pgsql"])
def test_store012(lab: MakeLab, dovecot_version: str, kind: str) -> None:
    """No row has a password, then there is no row: audit, check and checkup say that nobody can log in."""
    with lab(dovecot_version, kind, {"alice": GOOD, "bob": GOOD}) as one:
        for change, words in (
            ("UPDATE users SET password = NULL", "none of its 2 rows has a password"),
            ("DELETE FROM users", "it has no row"),
        ):
            sql(one, change)
            found = asked(one)
            assert codes(found) == {"STORE012"}
            assert found.findings[0].severity is Severity.BLOCKS_LOGIN
            assert words in says(found)
            assert failing(one, {"alice": "", "bob": ""}) == {"alice", "bob"}
            seen = mailauth("audit", "--pid", str(one.master_pid))
            assert seen.returncode == 1
            assert "Nobody can log in" in seen.stdout
            state = ("--state", str(one.folder / words.replace(" ", "-")))
            kept = mailauth("check", "--pid", str(one.master_pid), *state, "rows")
            assert kept.returncode == 2, kept.stdout
            assert "STORE012" in kept.stdout
            one.set_password("alice", GOOD)
            one.set_password("bob", GOOD)
            assert codes(asked(one)) == set()
            assert failing(one, {"alice": "", "bob": ""}) == set()


def test_store012_of_files(lab: MakeLab, dovecot_version: str) -> None:
    """An empty passwd-file is a risk where it is all that there is, and nothing beside another passdb."""
    with lab(dovecot_version, "passwd-file", {}) as one:
        found = asked(one)
        assert codes(found) == {"STORE012"}
        assert found.findings[0].severity is Severity.RISK
        assert mailauth("audit", "--pid", str(one.master_pid)).returncode == 1
        users = one.folder / "others"
        users.write_text(f"carol:{GOOD}\n")
        assert one.store.path
        like = one.store.path.stat()
        users.chmod(like.st_mode)
        os.chown(users, like.st_uid, like.st_gid)
        driver = f"driver = passwd-file\n  args = {users}"
        path = f"driver = passwd-file\n  passwd_file_path = {users}"
        head = "passdb {" if one.dialect == "2.3" else "passdb others {"
        one.configure(f"{head}\n  {driver if one.dialect == '2.3' else path}\n}}\n")
        one.reload()
        assert codes(asked(one)) == set()
        assert failing(one, {"carol": ""}) == set()
        assert mailauth("audit", "--pid", str(one.master_pid)).returncode == 0


def test_a_directory_that_lets_nobody_in(proof: Callable[..., Proof], dovecot_version: str) -> None:
    """STORE012: a misspelled attribute, and a filter that finds nobody; not where no password is needed."""
    one = proof(dovecot_version, "ldap", {"alice": hashed(SECRET), "bob": hashed(SECRET)})
    lab = one.lab
    which, state = ("--pid", str(lab.master_pid)), ("--state", str(lab.folder / "counts"))
    of_23 = lab.dialect == "2.3"
    attribute = "userPassword=password" if of_23 else "password = %{ldap:userPassword}"
    misspelled = attribute.replace("userPassword", "userPasswd")
    no_password = "=nopassword=y" if of_23 else "nopassword = y"
    mended = mailauth("checkup", *which)
    assert "STORE012" not in mended.stdout
    for old, new, words in (
        (attribute, misspelled, "none of its 2 rows has a password"),
        ("inetOrgPerson", "posixAccount", "it has no row"),
    ):
        with edited(lab, old, new):
            found = mailauth("checkup", *which)
            assert found.returncode == 1
            assert "STORE012" in found.stdout
            assert words in " ".join(found.stdout.split())
            assert mailauth("audit", *which).returncode == 1
            assert mailauth("check", *which, *state, "--survey-age", "0", "rows").returncode == 2
            assert not lab.login("alice", SECRET).ok
            record(lab, f"a directory that lets nobody in: {words}", ("STORE012",))
    with edited(lab, attribute, no_password):
        assert lab.login("alice", SECRET).ok
        assert "STORE012" not in mailauth("checkup", *which).stdout
        assert mailauth("audit", *which).returncode == 0
