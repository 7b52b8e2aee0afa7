"""One passwd-file for each domain: paths with variables."""

import json
import os
from collections.abc import Callable
from pathlib import Path

from mailauth.hashes import Password, generate
from mailauth.lab import Lab
from tests.cli.running import mailauth
from tests.field.chains import passwd_file
from tests.field.chains import server as chained
from tests.field.rig import Rig
from tests.field.stacks import SECRET, by_name
from tests.field.test_red import USER, sqlite
from tests.proofs.story import Proof, argon2id

HESTIA = by_name("hestia")


def told(rig: Rig, user: str, code: str) -> str:
    found = Proof(rig, user, SECRET.encode()).finds({code}, password=SECRET.encode())
    return found[0].problem.says


def test_the_domain_is_missing_or_not_hosted(server: Callable[..., Rig]) -> None:
    """A user without a domain, and one of a domain that has no file: unknown to Dovecot, with the reason."""
    rig = server(HESTIA)
    for user, words in (
        ("alice", ("has no domain", "%d")),
        ("alice@example.com", ("example.com/passwd is not there", "not hosted")),
    ):
        assert not rig.login(user, SECRET.encode()).ok
        says = told(rig, user, "USER001")
        assert all(word in says for word in words), says


def test_a_file_that_another_program_reads(server: Callable[..., Rig]) -> None:
    """Of the mail transfer agent's group, as some panels leave it: no other domain is concerned."""
    rig = server(HESTIA)
    file = rig.folder / "domains/example.org/passwd"
    os.chown(file, 0, 8)  # mail
    file.chmod(0o640)
    rig.reload()
    assert not rig.login(HESTIA.user, SECRET.encode()).ok
    found = Proof(rig, HESTIA.user, SECRET.encode()).finds({"CONF012"}, password=SECRET.encode())
    assert str(file) in found[0].problem.says
    assert "service auth { extra_groups = mail }" in found[0].problem.remedy.summary
    done = mailauth("check", "server", "--pid", str(rig.master_pid))
    assert "CONF012" in done.stdout
    assert done.returncode == 2
    rig.configure("service auth {\n  extra_groups = mail\n}\n")
    rig.reload()
    assert rig.login(HESTIA.user, SECRET.encode()).ok
    Proof(rig, HESTIA.user, SECRET.encode()).finds(set(), password=SECRET.encode())


def test_check_sees_every_file(server: Callable[..., Rig]) -> None:
    """A healthy server is well, and no name without a domain is asked for."""
    rig = server(HESTIA)
    done = mailauth("check", "server", "--pid", str(rig.master_pid))
    assert (done.returncode, "CRITICAL" in done.stdout) == (0, False), done.stdout


def test_no_file_at_all(lab: Callable[..., Lab], dovecot_version: str) -> None:
    """The path itself is wrong: CONF015 says so, and not that the user is unknown."""
    with lab(dovecot_version, "passwd-file", {"alice@example.org": argon2id(memory=2**20)}) as one:
        users = one.folder / "users"
        domain = "%d" if dovecot_version < "2.4" else "%{user | domain}"
        text = one.config.read_text()
        Path(one.config).write_text(text.replace(str(users), f"{one.folder}/gone/{domain}"))
        one.reload()
        found = Proof(one, "alice@example.org").finds({"CONF015"})
        assert f"gone/{domain}" in found[0].problem.says


def test_a_migration_of_all_files(server: Callable[..., Rig]) -> None:
    """Every domain's file is planned, changed and taken back as one store."""
    rig = server(HESTIA)
    files = sorted(rig.folder.glob("domains/*/passwd"))
    before = [file.read_bytes() for file in files]
    plan = mailauth("migrate", "plan", "--prefix", "--json", "--pid", str(rig.master_pid))
    assert plan.returncode in (0, 1), plan.stderr
    rows = sum(len(file.read_text().splitlines()) for file in files)
    assert f'"rows": {rows}' in plan.stdout or f'"rows":{rows}' in plan.stdout, plan.stdout
    done = mailauth("migrate", "apply", "--prefix", "--apply", "--json", "--pid", str(rig.master_pid))
    assert done.returncode == 0, done.stderr
    undone = mailauth(
        "migrate", "undo", json.loads(done.stdout)["id"], "--apply", "--pid", str(rig.master_pid)
    )
    assert undone.returncode == 0, undone.stderr
    assert [file.read_bytes() for file in files] == before


def test_a_file_that_is_not_there_before_a_database(rig: Callable[..., Rig]) -> None:
    """Its passdb fails, Dovecot goes on, and the database lets the user in: a risk, and no blocked login."""
    gone = "passdb {\n  driver = passwd-file\n  args = @DIR@/gone\n}\n"
    one = sqlite(rig, more=gone)
    assert one.login(USER, SECRET.encode()).ok
    for words in ((), ("--password-stdin",)):
        told = mailauth("diagnose", USER, *words, "--json", "--pid", str(one.master_pid), feed=SECRET)
        [found] = json.loads(told.stdout)["findings"]
        assert (found["code"], found["severity"]) == ("CONF015", "risk")
        assert "still lets the user in" in found["says"]
    nobody = json.loads(mailauth("diagnose", "nobody", "--json", "--pid", str(one.master_pid)).stdout)
    assert {found["severity"] for found in nobody["findings"] if found["code"] == "CONF015"} == {
        "blocks login"
    }


def test_a_user_in_a_closed_file_and_in_another(rig: Callable[..., Rig], dovecot_version: str) -> None:
    """Dovecot goes on to the second file: which password logs in depends on whose it is."""
    words = ("of the first", SECRET)
    first, second = (generate("SHA512-CRYPT", Password.of(one), user="") for one in words)
    parts = passwd_file({USER: first}, "a"), passwd_file({USER: second}, "b")
    one = chained(rig, dovecot_version, *parts)
    (one.folder / "a").chmod(0o600)
    os.chown(one.folder / "a", 0, 0)
    one.restart()
    assert [one.login(USER, word.encode()).ok for word in words] == [False, True]
    for given, severity, says in (
        (None, "risk", "a password that passdb 2 (passwd-file) takes logs in"),
        (SECRET, "risk", "passdb 2 (passwd-file) still lets the user in"),
        ("of the first", "blocks login", ""),
    ):
        how = ("--password-stdin",) if given else ()
        told = mailauth("diagnose", USER, *how, "--json", "--pid", str(one.master_pid), feed=given or "")
        found = {each["code"]: each for each in json.loads(told.stdout)["findings"]}
        assert found["CONF012"]["severity"] == severity, (given, told.stdout)
        assert says in found["CONF012"]["says"]
