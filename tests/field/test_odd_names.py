"""Names that look right and are not: every command that reads the file says so, in letters that are seen."""

import json
from collections.abc import Callable

import pytest

from tests.cli.running import mailauth
from tests.field.chains import Part, server
from tests.field.rig import Rig
from tests.proofs.story import SECRET, MiB, Proof, argon2id, record

GOOD = argon2id(memory=1 * MiB)
ODD = {
    "a byte order mark": ("\ufeffalice:{}\nbob:{}\n", 1, r"'\ufeffalice'"),
    "a non-breaking blank": ("bob:{}\nalice\u00a0:{}\n", 2, r"'alice\xa0'"),
    "a trailing blank": ("bob:{}\nalice :{}\n", 2, "'alice '"),
    "a zero width space": ("bob:{}\nal\u200bice:{}\n", 2, r"'al\u200bice'"),
    "a soft hyphen": ("bob:{}\nali\u00adce:{}\n", 2, r"'ali\xadce'"),
}


def users(text: str) -> Part:
    return Part(
        "driver = passwd-file\n  args = @DIR@/users",
        "passdb users {\n  driver = passwd-file\n  passwd_file_path = @DIR@/users\n}\n",
        {"users": text},
    )


@pytest.mark.parametrize("name", ODD)
def test_a_name_that_nobody_types(rig: Callable[..., Rig], dovecot_version: str, name: str) -> None:
    text, line, shown = ODD[name]
    one = server(rig, dovecot_version, users(text.format(GOOD, GOOD)))
    told = Proof(one)
    assert told.logins() == [False]
    assert Proof(one, "bob").logins() == [True]
    found = told.look(password=SECRET).diagnosis.findings
    assert [finding.rule.code for finding in found] == ["USER013"]
    assert shown in found[0].problem.says
    pid = ("--pid", str(one.master_pid))
    everyone = json.loads(mailauth("checkup", "--json", *pid).stdout)
    [odd] = [finding for finding in everyone["findings"] if finding["severity"] != "note"]
    assert (odd["code"], odd["severity"], odd["certainty"]) == ("STORE011", "blocks login", "proven")
    assert f"/users:{line}: " in odd["says"]
    assert shown in odd["says"]
    audited = mailauth("audit", *pid)
    assert audited.returncode == 1
    assert shown in audited.stdout
    record(one, f"passwd-file with {name}", ["STORE011"])
    for output in (audited.stdout, mailauth("checkup", *pid).stdout):
        assert all(char.isprintable() for char in output.replace("\n", "")), output


def test_what_dovecot_takes_is_no_fault(rig: Callable[..., Rig], dovecot_version: str) -> None:
    """Lines that end in CR LF, comments after a byte order mark, names of other alphabets."""
    text = f"\ufeff# users\r\nalice:{GOOD}\r\nbüro@exämple.org:{GOOD}\r\n  \r\n"
    one = server(rig, dovecot_version, users(text))
    assert Proof(one).logins() == [True]
    found = mailauth("checkup", "--json", "--pid", str(one.master_pid))
    assert {one["code"] for one in json.loads(found.stdout)["findings"]} == {"STORE006"}


def test_users_of_a_finding_are_shown_as_they_are(rig: Callable[..., Rig], dovecot_version: str) -> None:
    """A stored string that never matches, of a user whose name has what is not seen."""
    one = server(rig, dovecot_version, users(f"bob:{GOOD}\nalice\u200b:{GOOD[:50]}\n"))
    told = mailauth("checkup", "--pid", str(one.master_pid)).stdout
    assert "STORE001" in told
    assert r"'alice\u200b'" in told
    assert "\u200b" not in told
