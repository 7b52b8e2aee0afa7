"""What a seventh look found: of the auth cache, without a login of our own."""

import imaplib
from collections.abc import Callable

import pytest

from tests.field.chains import server, sqlite
from tests.field.rig import Rig
from tests.field.test_red_other import GOOD, USER, codes, said, session
from tests.proofs.story import heads, record_of

MakeRig = Callable[..., Rig]
_VERSIONS = pytest.mark.parametrize("version", ["2.3.19.1", "2.4.1"])


@_VERSIONS
def test_a_user_who_is_new_while_the_cache_says_that_there_is_none(rig: MakeRig, version: str) -> None:
    """The store has the right hash, and the log the failures: that is not nothing, nor a wrong password."""
    one = server(rig, version, sqlite(), rows={}, more="auth_cache_size = 1M\n")
    for new in (True, False):
        with pytest.raises(imaplib.IMAP4.error), session(one):
            pass
        if new:
            one.sql(f"INSERT INTO accounts VALUES ('{USER}', '{GOOD}')")
    told = said(one, "--password-stdin")
    assert "RISK AUTH020" in told, told
    assert "auth's cache (auth_cache_size) still says that there is no such user" in told
    record_of(version, "sqlite", "the cache says of a new user that there is none", heads(told))
    assert one.run("doveadm", "auth", "cache", "flush").returncode == 0
    with session(one):
        pass
    assert codes(one, "--password-stdin") == {}
