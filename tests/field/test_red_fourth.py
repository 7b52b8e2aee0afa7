"""What a fourth look found: a file without which auth ends was a risk, and a login that works was blocked."""

import imaplib
from collections.abc import Callable

import pytest

from tests.field.chains import Part, passwd_file, server
from tests.field.rig import Rig
from tests.field.test_red_other import GOOD, codes, said, session

MakeRig = Callable[..., Rig]
_VERSIONS = pytest.mark.parametrize("version", ["2.3.19.1", "2.4.1"])


@pytest.mark.parametrize("driver", ["sql", "ldap"])
def test_the_settings_file_of_a_passdb(rig: MakeRig, driver: str) -> None:
    """2.3's auth ends for want of it, whatever other passdbs there are: no risk that depends on one."""
    part = Part(f"driver = {driver}\n  args = @DIR@/own.conf", "")
    one = server(rig, "2.3.19.1", passwd_file({"alice": GOOD}), part)
    with pytest.raises((imaplib.IMAP4.error, OSError)), session(one):
        pass
    for words in ((), ("--password-stdin", "--login")):
        told = said(one, *words)
        assert "BLOCKS LOGIN CONF015" in told, told
        assert "auth does not start, so nobody can log in" in told
        assert "depends on" not in told


_OPEN = "  result_failure = return-ok\n"


@_VERSIONS
@pytest.mark.parametrize(
    ("users", "code"),
    [({"Alice": GOOD}, "USER004"), ({"alice": GOOD[:60]}, "HASH005")],
    ids=["another spelling", "a hash cut off"],
)
def test_what_is_wrong_beside_an_open_door(
    rig: MakeRig, version: str, users: dict[str, str], code: str
) -> None:
    """The passdb's block makes a login of every refusal: nothing of the entry blocks one."""
    part = passwd_file(users)
    part = Part(f"{part.old}\n{_OPEN}", part.new.removesuffix("}\n") + _OPEN + "}\n", part.files)
    one = server(rig, version, part)
    with session(one):
        pass
    for words in ((), ("--password-stdin",), ("--password-stdin", "--login")):
        found = codes(one, *words)
        assert {name: severity for name, (severity, _) in found.items()} == {code: "risk", "HASH023": "risk"}
