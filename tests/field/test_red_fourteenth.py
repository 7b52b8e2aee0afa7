"""What two more looks found: groups of settings in 2.4, mechanisms of one protocol, masters in the log."""

from collections.abc import Callable

import pytest

from tests.field.chains import passwd_file, server
from tests.field.rig import Rig
from tests.field.test_red_eighth import refused, taken
from tests.field.test_red_other import GOOD, USER, said

MakeRig = Callable[..., Rig]
_VERSIONS = pytest.mark.parametrize("version", ["2.3.19.1", "2.4.1"])
_HERE = "# here\n"


@pytest.mark.parametrize("version", ["2.4.1", "testing"])
def test_what_a_group_brings(rig: MakeRig, version: str) -> None:
    """Auth takes no auth_* of a group, whatever doveconf prints; passdb_deny counts, wherever it is taken."""
    one = server(rig, version, passwd_file({USER: GOOD}), more=_HERE)
    of_auth = "group @g one {\n  auth_mechanisms = cram-md5\n  auth_username_chars = xyz\n}\n@g = one\n"
    one.edit("dovecot.conf", _HERE, of_auth + _HERE)
    one.restart()
    taken(one)
    assert "Nothing found" in said(one, "--password-stdin", status=0)
    deny = "group @g one {\n  passdb_deny = yes\n}\n"
    for text in (f"{deny}@g = one\n", f"{deny}passdb users {{\n  @g = one\n}}\n"):
        one.edit("dovecot.conf", of_auth + _HERE, text + _HERE)
        of_auth = text
        one.restart()
        refused(one)
        assert "BLOCKS LOGIN USER009" in said(one, "--password-stdin")


@_VERSIONS
def test_mechanisms_of_one_protocol(rig: MakeRig, version: str) -> None:
    """Auth offers what stands outside of all blocks."""
    more = "protocol imap {\n  auth_mechanisms = cram-md5\n}\n"
    one = server(rig, version, passwd_file({USER: GOOD}), more=more)
    taken(one)
    assert "AUTH003" not in said(one, "--password-stdin", "--login", status=0)
