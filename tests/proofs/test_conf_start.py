"""Dovecot runs and its auth process does not start, or reads no store: CONF009 to CONF015, CONF018.

What lies behind the fault is undecided, since nobody can look at it; that is said, and no more is claimed.
"""

import os
import re
import subprocess
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest

from mailauth.diagnosing import Target, diagnose
from mailauth.dovecot.authsocket import AuthSocket
from mailauth.dovecot.doveadm import Installation
from mailauth.errors import CannotObserve
from mailauth.finding import Finding, Severity
from mailauth.hashes import Password, generate
from mailauth.lab import Lab, builds
from mailauth.lab.inside import binds
from mailauth.lab.keeper import enter
from mailauth.remedies import RELOAD
from tests.proofs.story import SECRET, MiB, Proof, argon2id, record

Make = Callable[..., Proof]
GOOD = argon2id(memory=1 * MiB)
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root has files that Dovecot may not read")


def enters(lab: Lab) -> bool:
    """A login through the auth socket; no auth process, no login."""
    try:
        return lab.login("alice", SECRET).ok
    except CannotObserve:
        return False


def broken_story(
    told: Proof,
    fault: Callable[[Lab], None],
    codes: set[str],
    mend: Callable[[Lab], None] | None = None,
    *,
    undecided: bool = True,
) -> list[Finding]:
    """As Proof.story, with a restart: where auth does not start, a reload has nothing to wait for."""
    lab = told.lab
    assert enters(lab)
    told.finds(set(), password=told.password)
    fault(lab)
    lab.restart()
    assert not enters(lab)
    for given in (None, told.password):
        diagnosis = told.look(password=given).diagnosis
        assert {one.rule.code for one in diagnosis.findings} == codes, diagnosis.findings
        assert undecided or not diagnosis.undecided, diagnosis.undecided
    found = list(diagnosis.findings)
    record(lab, "", codes)
    assert not [fact for fact in diagnosis.evidence if getattr(fact, "bug", False)]
    told.paste([without_reload(finding) for finding in found])
    if mend:
        mend(lab)
    lab.restart()
    assert enters(lab)
    told.finds(set(), password=told.password)
    return found


def without_reload(finding: Finding) -> Finding:
    """The restart that follows does it."""
    remedy = finding.problem.remedy
    commands = tuple(command for command in remedy.commands if command[-1:] != RELOAD[-1:])
    problem = replace(finding.problem, remedy=replace(remedy, commands=commands))
    return replace(finding, problem=problem)


def passdb_text(version: str, driver: str) -> str:
    if version < "2.4":
        return f"passdb {{\n  driver = {driver}\n  args = /dev/null\n}}\n"
    return f"passdb {driver} {{\n}}\n"


def take_back(lab: Lab) -> None:
    lab.configure("")


@pytest.mark.parametrize("kind", ["passdb", "userdb"])
def test_conf009(proof: Make, dovecot_version: str, kind: str) -> None:
    """A driver that nobody has."""
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    text = passdb_text(dovecot_version, "nosuch").replace("passdb", kind)
    found = broken_story(told, lambda lab: lab.configure(text), {"CONF009"}, take_back)
    assert "nosuch" in found[0].problem.says


@pytest.mark.parametrize("kind", ["passdb", "userdb"])
def test_conf009_a_block_that_names_no_driver(proof: Make, dovecot_version: str, kind: str) -> None:
    """2.4 takes the block's name for it."""
    if dovecot_version < "2.4":
        pytest.skip("2.3's blocks have no names")
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    text = f"{kind} files {{\n  passwd_file_path = /dev/null\n}}\n"
    found = broken_story(told, lambda lab: lab.configure(text), {"CONF009"}, take_back)
    assert f"{kind} files has no setting driver" in found[0].problem.says
    assert f"Write driver = passwd-file into {kind} files" in found[0].problem.remedy.summary


@pytest.mark.parametrize(
    ("version", "kind", "file"),
    [
        ("2.3.21.1", "sqlite", "libdriver_sqlite.so"),
        ("2.4.1", "sqlite", "libdriver_sqlite.so"),
        ("2.3.21.1", "ldap", "libauthdb_ldap.so"),
        ("2.4.1", "lua", "libauthdb_lua.so"),
    ],
)
def test_conf009_plugin(
    lab: Callable[..., Lab],
    version: str,
    kind: str,
    file: str,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A package is not installed: its plugin is away, in a copy of the unpacked root."""
    build = builds.available(version)
    if build is None or build.root is None:
        pytest.skip(f"Dovecot {version} is not unpacked in the cache")
    cache = tmp_path_factory.mktemp("cache")
    copy = cache / "dovecot" / build.root.name
    copy.parent.mkdir()
    # Hard links: the copy's names can go, the files stay
    os.system(f"cp -al {build.root} {copy}")  # noqa: S605 - our own paths
    monkeypatch.setenv("MAILAUTH_CACHE", str(cache))
    plugin = copy / "usr/lib/dovecot/modules/auth" / file
    away = plugin.with_suffix(".away")
    store = kind if kind == "sqlite" else "passwd-file"
    with lab(version, store, {"alice": GOOD}) as one:
        assert one.build.root == copy

        def uninstall(_: Lab) -> None:
            plugin.rename(away)
            if store != kind:
                one.configure(passdb_text(version, kind))

        def install(_: Lab) -> None:
            away.rename(plugin)
            one.configure("")

        found = broken_story(Proof(one), uninstall, {"CONF009"}, install)
    assert {"lua": "dovecot-auth-lua"}.get(kind, f"dovecot-{kind}") in found[0].problem.remedy.summary


@pytest.mark.parametrize("line", ["plain nosuch", "", "login"])
def test_conf010(proof: Make, dovecot_version: str, line: str) -> None:
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    found = broken_story(told, lambda lab: lab.configure(f"auth_mechanisms = {line}\n"), {"CONF010"})
    # With LOGIN alone auth starts: what it "read before" is that, and other clients get in
    assert (found[0].severity is Severity.RISK) == (line == "login")
    assert "logins work until" not in found[0].problem.says


def test_more_mechanisms_are_fine(proof: Make, dovecot_version: str) -> None:
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    told.lab.configure("auth_mechanisms = plain login external anonymous\n")
    told.lab.reload()
    assert told.logins() == [True]
    told.finds(set(), password=told.password)


@ROOT_ONLY
def test_conf012(proof: Make, dovecot_version: str) -> None:
    """mailauth, run by root, reads the file all the same; auth, run by dovecot, does not."""
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})

    def deny(lab: Lab) -> None:
        os.chown(lab.folder / "users", 0, 0)
        (lab.folder / "users").chmod(0o600)

    broken_story(told, deny, {"CONF012"}, undecided=False)
    assert told.lab.logs("Permission denied")


@ROOT_ONLY
def test_conf012_a_folder_on_the_way(proof: Make, dovecot_version: str) -> None:
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    folder = told.lab.folder / "closed"
    folder.mkdir(mode=0o711)

    def move(lab: Lab) -> None:
        (lab.folder / "users").rename(folder / "users")
        lab.config.write_text(lab.config.read_text().replace(f"{lab.folder}/users", f"{folder}/users"))
        folder.chmod(0o700)

    broken_story(told, move, {"CONF012"}, undecided=False)


@ROOT_ONLY
@pytest.mark.dovecot("< 2.4")
def test_roots_own_sql_file_is_fine(proof: Make, dovecot_version: str) -> None:
    """2.3's auth reads it before it stops being root."""
    told = proof(dovecot_version, "sqlite", {"alice": GOOD})
    file = told.lab.folder / "dovecot-sql.conf.ext"
    os.chown(file, 0, 0)
    file.chmod(0o600)
    told.lab.restart()
    assert enters(told.lab)
    told.finds(set(), password=told.password)


@ROOT_ONLY
@pytest.mark.parametrize("kind", ["passwd-file", "mysql"])
def test_conf013(proof: Make, dovecot_version: str, kind: str) -> None:
    """Logins work before and after; only the file's mode changes."""
    if kind == "mysql" and dovecot_version >= "2.4":
        pytest.skip("2.4 has no SQL file of its own")
    told = proof(dovecot_version, kind, {"alice": GOOD})
    file = told.lab.folder / ("users" if kind == "passwd-file" else "dovecot-sql.conf.ext")
    told.finds(set(), password=told.password)
    os.chown(file, 0, 0)
    file.chmod(0o644)
    assert told.logins(2) == [True, True]
    found = told.finds({"CONF013"}, password=told.password)
    assert "hidden-from-view" not in repr(found)
    told.paste(found)
    assert not file.stat().st_mode & 0o007
    told.lab.restart()
    assert told.logins(2) == [True, True]
    told.finds(set(), password=told.password)


@ROOT_ONLY
def test_conf013_the_configuration(proof: Make, dovecot_version: str) -> None:
    """Programs of any user read it: the secret moves, and the file stays open to them."""
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    lab = told.lab
    name = "ssl_server_key_password" if lab.dialect == "2.4" else "ssl_key_password"
    lab.configure(f"{name} = hidden-from-view\n")
    for file in (lab.config, lab.settings_file):
        file.chmod(0o644)
    lab.reload()
    assert _as_nobody(lab) == 0
    [found] = told.finds({"CONF013"}, password=told.password)
    assert "hidden-from-view" not in repr(found)
    assert f"{lab.settings_file}:1 {name}" in found.problem.says
    assert str(lab.config) not in found.problem.because[0].seen, "only what has a secret is named"
    assert not found.problem.remedy.commands
    own = lab.folder / "settings-secret.conf.ext"
    assert f"!include_try {own}" in found.problem.remedy.summary
    own.touch(mode=0o600)
    own.write_text(lab.settings_file.read_text())
    lab.configure(f"!include_try {own}\n")
    lab.reload()
    told.finds(set(), password=told.password)
    assert "hidden-from-view" in lab.run("doveconf", "-P", "-n").stdout
    assert _as_nobody(lab) == 0, "as before"


def _as_nobody(lab: Lab) -> int:
    """How ``doveadm pw`` ends for another user than root."""
    words = lab.argv("doveadm", "pw", "-s", "PLAIN", "-p", "x")
    at = words.index("--") + 1 if lab.build.root else 0
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    return subprocess.run([*words[:at], *drop, *words[at:]], capture_output=True, check=False).returncode


def test_a_deny_list_is_no_secret(proof: Make, dovecot_version: str) -> None:
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    lab = told.lab
    denied = lab.folder / "denied"
    denied.write_text("bob:\n")
    denied.chmod(0o644)
    block = {
        "2.3": f"passdb {{\n  driver = passwd-file\n  args = {denied}\n  deny = yes\n}}\n",
        "2.4": f"passdb denied {{\n  driver = passwd-file\n  passwd_file_path = {denied}\n  deny = yes\n}}\n",
    }
    lab.configure(block[lab.dialect])
    lab.reload()
    told.finds(set(), password=told.password)


@ROOT_ONLY
def test_a_folder_that_keeps_others_out(proof: Make, dovecot_version: str) -> None:
    """The file's mode is 0644, and nobody gets as far."""
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    lab = told.lab
    folder = lab.folder / "closed"
    folder.mkdir(mode=0o750)
    os.chown(folder, 0, lab.build.group("dovecot") or 0)
    users = folder / "users"
    (lab.folder / "users").rename(users)
    users.chmod(0o644)
    lab.config.write_text(lab.config.read_text().replace(f"{lab.folder}/users", str(users)))
    lab.restart()
    assert enters(lab)
    told.finds(set(), password=told.password)


def test_conf014(proof: Make, dovecot_version: str) -> None:
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    before = told.lab.config.read_text()

    def take_away(lab: Lab) -> None:
        lab.config.write_text(re.sub(r"passdb[^\n]*\{\n.*?\n\}\n", "", before, flags=re.DOTALL))

    broken_story(told, take_away, {"CONF014"}, lambda lab: none(lab.config.write_text(before)))


def test_conf014_the_only_passdb_waits_for_another(proof: Make, dovecot_version: str) -> None:
    """It is left out as auth starts, as those for master users are."""
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    before = told.lab.config.read_text()
    line = next(line for line in before.splitlines() if line.startswith("passdb"))
    told.lab.config.write_text(before.replace(line, f"{line}\n  skip = unauthenticated", 1))
    told.lab.restart()
    seen = told.look().diagnosis
    [found] = seen.findings
    assert found.rule.code == "CONF014"
    assert seen.undecided == ()  # one sentence stands for all that waits for a passdb
    assert re.search(r"Until that is mended, \d\d other checks have nothing to look at", found.problem.says)
    assert "skip = unauthenticated" in found.problem.says
    assert "Take skip = unauthenticated out of passdb 1" in found.problem.remedy.summary


def none(_: object) -> None:
    """For a lambda that writes."""


def test_conf015(proof: Make, dovecot_version: str) -> None:
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    users = told.lab.folder / "users"
    away = told.lab.folder / "elsewhere"
    broken_story(told, lambda _: none(users.rename(away)), {"CONF015"}, lambda _: none(away.rename(users)))


@pytest.mark.dovecot("< 2.4")
def test_conf015_sql_file(proof: Make, dovecot_version: str) -> None:
    told = proof(dovecot_version, "sqlite", {"alice": GOOD})
    file = told.lab.folder / "dovecot-sql.conf.ext"
    away = told.lab.folder / "elsewhere"
    broken_story(told, lambda _: none(file.rename(away)), {"CONF015"}, lambda _: none(away.rename(file)))


def test_conf018(proof: Make, dovecot_version: str) -> None:
    """Looked for where that Dovecot lives: what does not run in another root has no process to enter by."""
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    assert told.logins() == [True]
    told.finds(set())  # and imports what the other root has not
    assert found_there(told.lab) == set()
    told.lab.stop()
    assert found_there(told.lab) == {"CONF018"}
    told.lab.restart()
    assert enters(told.lab)
    assert found_there(told.lab) == set()
    record(told.lab, "Dovecot does not run", {"CONF018"})


def found_there(lab: Lab) -> set[str]:
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        return pool.submit(_found, lab.build.root, lab.folder, str(lab.config)).result()


def _found(root: Path | None, folder: Path, config: str) -> set[str]:
    if root is not None:
        enter(str(root), [list(pair) for pair in binds(root, folder)])
    diagnosis = diagnose(Target("alice", Installation(config)))
    assert not [one for one in diagnosis.undecided if one.missing.bug]
    return {finding.rule.code for finding in diagnosis.findings}


WORKERS = "service auth-worker {{\n  unix_listener auth-worker {{\n    mode = 0600\n    user = {}\n  }}\n}}\n"


@ROOT_ONLY
def test_conf020(proof: Make, dovecot_version: str) -> None:
    """The workers' socket is given to another user: auth asks nobody, and no login ends."""
    stored = generate("BLF-CRYPT", Password(SECRET), cost=4)  # takes no memory, so no worker is woken
    told = proof(dovecot_version, "sqlite", {"alice": stored})
    assert told.logins() == [True]
    told.finds(set(), password=SECRET)
    told.lab.configure(WORKERS.format("nobody"))
    told.lab.restart()
    with pytest.raises(CannotObserve), AuthSocket(told.lab.auth_socket, timeout=0.5) as auth:
        auth.plain("alice", SECRET)
    assert told.lab.logs("Permission denied")
    found = told.finds({"CONF020"}, password=SECRET)
    told.paste([without_reload(one) for one in found])
    told.lab.restart()
    assert told.logins() == [True]
    told.finds(set(), password=SECRET)
    record(told.lab, "the workers' socket is another user's", {"CONF020"})
