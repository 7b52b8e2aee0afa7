"""Lua scripts that auth does not load, that lack a function, or return what Dovecot does not take."""

import imaplib
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from mailauth.diagnose_all import Checkup, look_at_all
from mailauth.dovecot.doveadm import at_pid
from mailauth.dovecot.version import Version
from mailauth.errors import CannotObserve
from mailauth.finding import Certainty, Finding, Severity
from mailauth.lab import Lab
from tests.field.chains import Part, server
from tests.field.conftest import rig as rig  # noqa: PLC0414 - the fixture, by its own name
from tests.field.rig import Rig
from tests.field.test_red_other import session
from tests.proofs.story import SECRET, MiB, Proof, argon2id, record

Make = Callable[..., Proof]
GOOD = argon2id(memory=1 * MiB)
BLOCKS, RISK = Severity.BLOCKS_LOGIN, Severity.RISK
PROVEN, LIKELY = Certainty.PROVEN, Certainty.LIKELY
VERIFY = """#!/usr/bin/lua
-- return dovecot.auth.PASSDB_RESULT_OK, "in a comment"
local auth = dovecot.auth
local found, http = pcall(require, "no.such.module")
function auth_passdb_lookup(request)
  return auth.PASSDB_RESULT_OK -- not called: there is the other one
end
function auth_userdb_lookup(request)
  return auth.USERDB_RESULT_OK, function() return auth.PASSDB_RESULT_OK, 1 end
end
function auth_password_verify(request, password)
  if request.user ~= "alice" then return auth.PASSDB_RESULT_USER_UNKNOWN, "" end
  if password == "correct horse" then return auth.PASSDB_RESULT_OK, {} end
  return auth.PASSDB_RESULT_PASSWORD_MISMATCH, "text"
end
"""


def lookup(
    given: str, other: str = ', ""', name: str = "auth_passdb_lookup", head: str = "", local: str = ""
) -> str:
    return (
        f"{head}{local}function {name}(request)\n"
        f'  if request.user == "alice" then\n    return dovecot.auth.PASSDB_RESULT_OK, {given}\n  end\n'
        f"  return dovecot.auth.PASSDB_RESULT_USER_UNKNOWN{other}\nend\n"
    )


TABLE = f'{{ password = "{GOOD}" }}'
JOINED = f'"password=" .. "{GOOD}"'


def script(lab: Lab, text: str) -> Path:
    path = lab.store.path
    assert path is not None
    path.write_text(text)
    return path


def told(one: Proof, *, login: bool = False) -> list[Finding]:
    return list(one.look(password=SECRET if login else None, login=login).diagnosis.findings)


def everywhere(one: Proof) -> Iterator[Finding]:
    """What is found with a login, without one, and without a user, is the same rule's."""
    for login in (False, True):
        found = told(one, login=login)
        assert len(found) == 1, [each.problem.says for each in found]
        yield found[0]
    found = list(look_at_all(Checkup(at_pid(one.lab.master_pid, None))).diagnosis.findings)
    assert len(found) == 1, [each.problem.says for each in found]
    yield found[0]


def is_well(one: Proof, text: str) -> None:
    script(one.lab, text)
    one.lab.reload()
    assert one.logins() == [True], one.lab.log()
    assert not told(one)
    assert not told(one, login=True)


def test_scripts_as_they_are_written(proof: Make, dovecot_version: str) -> None:
    """Each fault is found alone, and the scripts that Dovecot takes are silent."""
    one = proof(dovecot_version, "lua", {"alice": GOOD})
    old = dovecot_version < "2.4"
    assert not told(one, login=True)
    for healthy in (VERIFY, lookup(JOINED if old else TABLE), lookup(TABLE, "" if not old else ", {}")):
        is_well(one, healthy)
    faults = [
        ("a function of another name", lookup(TABLE, name="auth_passdb_verify"), "LUA002", "neither", BLOCKS),
        ("a local function", lookup(TABLE, local="local "), "LUA002", "is local", BLOCKS),
        ("nil", lookup(TABLE, ""), "LUA003", "USER_UNKNOWN with a nil", RISK)
        if old
        else ("a table", lookup(TABLE, ", {}"), "LUA003", "USER_UNKNOWN with a table", RISK),
    ]
    if not old:
        faults.append(("a string with OK", lookup(JOINED), "LUA003", "OK with a string", BLOCKS))
    for name, text, code, words, severity in faults:
        script(one.lab, text)
        one.lab.reload()
        assert one.logins() == [severity is RISK], name
        for finding in everywhere(one):
            assert (finding.rule.code, finding.severity) == (code, severity), name
            assert words in finding.problem.says
        record(one.lab, f"lua: {name}", (code,))
    caught = 'local found, http = pcall(require, "no.such.module")'
    assert caught in VERIFY
    script(one.lab, VERIFY.replace(caught, 'local function later()\n  return require "no.such.module"\nend'))
    one.lab.reload()
    assert one.logins() == [True]
    [finding] = told(one, login=True)
    assert (finding.rule.code, finding.severity) == ("LUA001", RISK)
    assert "when a user logs in" in finding.problem.says
    is_well(one, VERIFY)
    if old:
        for text, wanted in ((lookup(JOINED), {"LUA003"}), (VERIFY, set())):
            script(one.lab, text)
            foreseen = Checkup(at_pid(one.lab.master_pid, None), as_if=Version(2, 4, 1))
            found = look_at_all(foreseen).diagnosis.findings
            assert {each.rule.code for each in found} & {"LUA001", "LUA002", "LUA003"} == wanted


def test_the_process_that_verifies(proof: Make, dovecot_version: str) -> None:
    """What a hash may take is open, with the limit of the process that verifies it."""
    one = proof(dovecot_version, "lua", {"alice": GOOD})
    text = one.lab.config.read_text()
    path = one.lab.store.path
    old, new = (
        (f"file={path}", f"file={path} blocking=no")
        if dovecot_version < "2.4"
        else (f"lua_file = {path}", f"lua_file = {path}\npassdb_use_worker = no")
    )
    assert old in text
    for settings, who in ((text, "auth-worker"), (text.replace(old, new), "auth")):
        one.lab.config.write_text(settings)
        one.lab.reload()
        assert one.logins() == [True]
        pids = [each.cmdline() for each in psutil.Process(one.lab.master_pid).children()]
        assert any("-w" in words for words in pids) is (who == "auth-worker")
        missing = {each.rule.code: each.missing.reason for each in one.look().diagnosis.undecided}
        assert f"verified by {who} (vsz_limit: 256 MiB)" in missing["MEM001"]


def test_a_value_that_only_the_log_shows(proof: Make, dovecot_version: str) -> None:
    """What a variable holds is not followed; Dovecot logs what came."""
    wrong = "local given = nil\n" if dovecot_version < "2.4" else 'local given = "x"\n'
    one = proof(dovecot_version, "lua", {"alice": GOOD})
    script(one.lab, lookup("given", head=wrong))
    one.lab.reload()
    assert not told(one)
    assert one.logins() == [False]
    for login in (False, True):
        [finding] = told(one, login=login)
        assert (finding.rule.code, finding.problem.certainty) == ("LUA003", PROVEN)
        assert "invalid return value (expected" in finding.problem.says


def broken(one: Proof, text: str) -> None:
    """Reload where auth does not start then."""
    script(one.lab, text)
    before = one.lab.log().count("startup failed")
    one.lab.run("doveadm", "reload")
    deadline = time.monotonic() + 60
    while one.lab.log().count("startup failed") == before:
        assert time.monotonic() < deadline, one.lab.log()
        with suppress(CannotObserve):
            one.logins()  # somebody asks: auth is started


def test_a_script_that_is_not_loaded(proof: Make, dovecot_version: str) -> None:
    """While auth runs it is a risk; it blocks as soon as a worker, or auth, starts anew."""
    one = proof(dovecot_version, "lua", {"alice": GOOD})
    text = lookup(TABLE)
    is_well(one, text)
    script(one.lab, f"{text}function broken( end\n")
    [finding] = told(one, login=True)
    assert (finding.rule.code, finding.severity, finding.problem.certainty) == ("LUA001", RISK, LIKELY)
    for worker in psutil.Process(one.lab.master_pid).children():
        if "-w" in worker.cmdline():
            worker.terminate()
            worker.wait(30)
    found = {each.rule.code: each for each in told(one, login=True)}
    assert found["LUA001"].severity is BLOCKS
    for name, wrong, words in (
        ("a syntax error", f"{text}function broken( end\n", "near 'end'"),
        ("a module that is missing", f'local x = require "no.such.module"\n{text}', "module 'no.such"),
    ):
        broken(one, wrong)
        for finding in everywhere(one):
            assert (finding.rule.code, finding.severity) == ("LUA001", BLOCKS), finding.problem.says
            assert finding.problem.certainty is PROVEN
            assert words in finding.problem.says
        record(one.lab, f"lua: {name}", ("LUA001",))
    is_well(one, text)


def test_a_file_that_auth_may_not_read(proof: Make, dovecot_version: str) -> None:
    """2.3 loads it as auth's user, 2.4 as root; and a file that is gone."""
    one = proof(dovecot_version, "lua", {"alice": GOOD})
    path = script(one.lab, lookup(TABLE))
    path.chmod(0o600)
    if dovecot_version < "2.4":
        broken(one, path.read_text())
        [finding] = told(one, login=True)
        assert (finding.rule.code, finding.severity) == ("LUA001", BLOCKS)
        assert "mode 0600" in finding.problem.says
        record(one.lab, "lua: closed to auth", ("LUA001",))
    else:
        is_well(one, path.read_text())
    path.unlink()
    assert "LUA001" in {each.rule.code for each in told(one)}


AWAY = """
function auth_password_verify(request, password)
  local away = io.open("{away}")
  if away then away:close() return dovecot.auth.PASSDB_RESULT_PASSWORD_MISMATCH, "" end
  return dovecot.auth.PASSDB_RESULT_OK, {{}}
end
"""


def next_second() -> None:
    """Dovecot's log tells which second it was, and no more."""
    now = int(time.time())
    while int(time.time()) == now:
        time.sleep(0.01)


def test_everybody_is_refused_at_once(rig: Callable[..., Rig], dovecot_version: str) -> None:
    """What the script asks is away, and each password is wrong: likely, and over with a login."""
    away = "@DIR@/away"
    script = {"login.lua": AWAY.format(away=away)}
    lua = Part(
        "driver = lua\n  args = file=@DIR@/login.lua",
        "passdb lua {\n  lua_file = @DIR@/login.lua\n}\n",
        script,
    )
    one = server(rig, dovecot_version, lua)
    users = ("alice", "bob", "carol")

    def codes() -> dict[str, tuple[Severity, Certainty]]:
        found = look_at_all(Checkup(at_pid(one.master_pid, None))).diagnosis.findings
        return {each.rule.code: (each.severity, each.problem.certainty) for each in found}

    for user in users:
        with session(one, user):
            pass
        assert one.logs(f"user=<{user}>")
    assert codes() == {}
    next_second()
    one.write("away", "")
    for number, user in enumerate(users, start=1):
        with pytest.raises(imaplib.IMAP4.error), session(one, user):
            pass
        assert one.logs("auth failed, 1 attempts", times=number)
    assert codes() == {"LUA004": (RISK, LIKELY)}
    record(one, "lua: everybody is refused", ("LUA004",))
    (one.folder / "away").unlink()
    next_second()
    with session(one, "dave"):
        pass
    assert one.logs("user=<dave>")
    assert "LUA004" not in codes()
