"""A configuration that Dovecot does not take: CONF001, CONF002, CONF008, CONF019.

Dovecot does not start with it, so the story has a stop in it: a running Dovecot goes on with what it read.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mailauth.diagnosing import Target, diagnose
from mailauth.dovecot.doveadm import Installation, at_pid
from mailauth.errors import CannotObserve, UsageError
from mailauth.finding import Certainty, Diagnosis
from mailauth.lab import Lab
from tests.cli.running import mailauth
from tests.proofs.story import SECRET, MiB, Proof, argon2id, record

Make = Callable[..., Proof]
GOOD = argon2id(memory=1 * MiB)

OF_2_3 = """
disable_plaintext_auth = no
auth_default_realm = example.org
auth_worker_max_count = 12
auth_debug = no
mail_location = maildir:FOLDER/mail/%Lu
ssl_key_password = hidden-from-view
passdb {
  driver = passwd-file
  args = scheme=CRYPT username_format=%u FOLDER/users
}
userdb {
  driver = static
  args = uid=65534 gid=65534 home=FOLDER/mail/%n
}
service imap {
  service_count = 5
}
"""
OF_2_4 = """
auth_allow_cleartext = yes
auth_default_domain = example.org
mail_driver = maildir
mail_path = FOLDER/mail/%{user | lower}
dovecot_storage_version = 2.4.1
passdb passwd-file {
  passwd_file_path = FOLDER/users
}
service auth {
  vsz_limit = unlimited
}
"""


def refused_story(told: Proof, settings: str, codes: set[str], *, main: str = "") -> Diagnosis:
    """Healthy; broken on disk, and found; stopped, and it does not start; mended by the edits; healthy."""
    lab = told.lab
    assert told.logins() == [True]
    told.finds(set(), password=told.password)
    lab.configure(settings.replace("FOLDER", str(lab.folder)))
    if main:
        lab.config.write_text(main)
    with pytest.raises(UsageError):
        lab.reload()
    assert told.logins() == [True], "the running Dovecot goes on"
    found = look(lab)
    assert {finding.rule.code for finding in found.findings} == codes
    assert all("does not take" in one.missing.reason for one in found.undecided)
    record(lab, "", codes)
    told.paste(list(found.findings))
    assert {finding.rule.code for finding in look(lab).findings} <= {"CONF016"}, "it is not reloaded yet"
    lab.restart()
    assert told.logins(2) == [True, True]
    told.finds(set(), password=told.password)
    return found


def look(lab: Lab) -> Diagnosis:
    return diagnose(Target("alice", at_pid(lab.master_pid, None)))


def does_not_start(lab: Lab) -> bool:
    try:
        lab.restart()
    except (UsageError, CannotObserve):
        return True
    return False


@pytest.mark.core
@pytest.mark.dovecot(">= 2.4")
def test_conf001(proof: Make, dovecot_version: str) -> None:
    """Each renamed setting is named at once; what holds a secret is named and not quoted."""
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    healthy = told.lab.settings_file.read_text()
    told.lab.configure(OF_2_3.replace("FOLDER", str(told.lab.folder)))
    found = look(told.lab).findings
    assert [finding.rule.code for finding in found] == ["CONF001"]
    problem = found[0].problem
    assert problem.certainty is Certainty.PROVEN
    for name in ("disable_plaintext_auth", "auth_default_realm", "mail_location", "ssl_key_password"):
        assert f"has {name}: " in problem.says
    assert "hidden-from-view" not in repr(found)
    told.lab.configure(healthy)
    told.lab.reload()  # what is written a second after auth began is CONF016
    rest = OF_2_3.replace("ssl_key_password = hidden-from-view\n", "")
    rest = rest.replace("auth_default_realm = example.org\n", "")
    refused_story(told, rest, {"CONF001"})


@pytest.mark.dovecot(">= 2.4")
@pytest.mark.parametrize("broken", ["missing", "2.4.99", "2.3.19", "not first", "no storage version"])
def test_conf001_version(proof: Make, dovecot_version: str, broken: str) -> None:
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    text = told.lab.config.read_text()
    config, storage, rest = text.split("\n", 2)
    assert config.startswith("dovecot_config_version")
    main = {
        "missing": f"# a comment\n{storage}\n{rest}",
        "not first": f"listen = 127.0.0.1\n{storage}\n{rest}",
        "no storage version": f"{config}\n{rest}",
    }.get(broken, f"dovecot_config_version = {broken}\n{storage}\n{rest}")
    refused_story(told, "", {"CONF001"}, main=main)


@pytest.mark.dovecot(">= 2.4")
def test_conf001_keeps_dovecot_from_starting(proof: Make, dovecot_version: str) -> None:
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    told.lab.configure("disable_plaintext_auth = no\n")
    assert does_not_start(told.lab)


@pytest.mark.dovecot("< 2.4")
def test_conf002(proof: Make, dovecot_version: str) -> None:
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    settings = OF_2_4.replace("auth_default_domain = example.org\n", "")
    found = refused_story(told, settings, {"CONF002"})
    for name in ("auth_allow_cleartext", "mail_path", "vsz_limit", "passwd_file_path"):
        assert f"has {name}: " in found.findings[0].problem.says


@pytest.mark.dovecot("< 2.4")
def test_conf002_keeps_dovecot_from_starting(proof: Make, dovecot_version: str) -> None:
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    told.lab.configure("service auth {\n  vsz_limit = unlimited\n}\n")
    assert does_not_start(told.lab)


@pytest.mark.dovecot("< 2.4")
def test_vsz_limit_zero_is_no_limit_on_2_3(proof: Make, dovecot_version: str) -> None:
    told = proof(dovecot_version, "passwd-file", {"alice": argon2id(memory=257 * MiB)})
    told.lab.configure("service auth {\n  vsz_limit = 0\n}\n")
    told.lab.reload()
    assert told.logins() == [True]
    told.finds(set(), password=SECRET)


@pytest.mark.dovecot(">= 2.4")
@pytest.mark.parametrize("where", ["service auth {\n  vsz_limit = 0\n}\n", "default_vsz_limit = 0\n"])
def test_conf008(proof: Make, dovecot_version: str, where: str) -> None:
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    refused_story(told, where, {"CONF008"})
    told.lab.configure(where)
    assert does_not_start(told.lab)


@pytest.mark.parametrize("text", ["no_such_setting = 1\n", "auth_cache_ttl = soon\n", "service auth {\n"])
def test_conf019(proof: Make, dovecot_version: str, text: str) -> None:
    """A typing error: no line to paste, but the place and Dovecot's own words."""
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    told.lab.configure(text)
    found = look(told.lab).findings
    assert [finding.rule.code for finding in found] == ["CONF019"]
    record(told.lab, "", {"CONF019"})
    assert str(told.lab.settings_file) in found[0].problem.says or "service auth" in text
    told.lab.configure("")
    told.lab.reload()
    told.finds(set(), password=told.password)


def test_a_typing_error_beside_a_renamed_setting(proof: Make, dovecot_version: str) -> None:
    """Both are told: Dovecot itself stops at the first."""
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    renamed = "auth_default_realm" if dovecot_version >= "2.4" else "auth_default_domain"
    told.lab.configure(f"no_such_setting = 1\n{renamed} = example.org\n")
    code = "CONF001" if dovecot_version >= "2.4" else "CONF002"
    assert {finding.rule.code for finding in look(told.lab).findings} == {code, "CONF019"}


@pytest.mark.dovecot(">= 2.4")
def test_what_refuses_it_is_not_what_runs(proof: Make, dovecot_version: str) -> None:
    """A 2.4 in a root of its own, asked with -c: this machine's 2.3 does not take its file, which is well."""
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    lab = told.lab
    if Path(f"/proc/{lab.master_pid}/root").samefile("/") or not _refused_here(lab):
        pytest.skip("this machine's own Dovecot takes the file, or there is none")
    assert told.logins() == [True]
    with pytest.raises(CannotObserve, match=rf"has another root: name it by --pid {lab.master_pid}\.$"):
        diagnose(Target("alice", Installation(str(lab.config))))
    assert not look(lab).findings
    for command in ("log", "audit", "memory fit", "diagnose alice"):
        done = mailauth(*command.split(), "-c", str(lab.config))
        assert done.returncode == 3, (command, done.stderr)
        assert f"has another root: name it by --pid {lab.master_pid}.\n" in done.stderr, command
        assert "written for" not in done.stderr, command
    checked = mailauth("check", "server", "-c", str(lab.config))
    assert checked.returncode == 3, checked.stdout  # UNKNOWN: the server is well
    lab.stop()  # what this machine's would say at its next start
    found = diagnose(Target("alice", Installation(str(lab.config)))).findings
    assert {finding.rule.code for finding in found} == {"CONF002"}


@pytest.mark.dovecot("< 2.4")
def test_another_program_runs(proof: Make, dovecot_version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the same root: the doveconf that was asked is of another Dovecot than the one that runs."""
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    lab = told.lab
    if not Path(f"/proc/{lab.master_pid}/root").samefile("/"):
        pytest.skip("it has a root of its own")
    lab.configure("auth_allow_cleartext = yes\n")
    here = diagnose(Target("alice", Installation(str(lab.config)))).findings
    assert {finding.rule.code for finding in here} == {"CONF002"}, "the same program: its next start fails"
    other = lab.folder / "other"
    other.mkdir()
    for name in ("dovecot", "doveconf"):
        program = shutil.which(name, path="/usr/sbin:/usr/bin")
        assert program
        (other / name).write_text(f'#!/bin/sh\nexec {program} "$@"\n')
        (other / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(other))
    with pytest.raises(CannotObserve, match=r"is /usr/sbin/dovecot: put the folder of its doveconf"):
        diagnose(Target("alice", Installation(str(lab.config))))


def _refused_here(lab: Lab) -> bool:
    doveconf = shutil.which("doveconf")
    return bool(doveconf) and bool(Installation(str(lab.config)).run("doveconf", "-n").status)
