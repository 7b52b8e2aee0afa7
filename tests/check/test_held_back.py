"""A canary that waits for what others did wrong from the same address."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from mailauth.check.asked import Limits
from mailauth.check.outcome import Status
from mailauth.dovecot.authsocket import AuthSocket
from tests.check.conftest import Watched

PENALTY = """
auth_failure_delay = 1s
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0600
  }
}
"""


def test_a_canary_held_back_by_others_says_so(
    watched: Callable[..., AbstractContextManager[Watched]], dovecot_version: str
) -> None:
    with watched(dovecot_version, "passwd-file", settings=PENALTY, protocols=("imap",)) as one:
        with AuthSocket(one.lab.auth_socket) as auth:
            for password in (b"first", b"second"):
                auth.plain("large", password, penalty=True, address="127.0.0.1")
        found = one.one("canary", limits=Limits(canary=(0.001, 60.0)))
        assert found.status is Status.WARNING
        assert "127.0.0.1 is held back for " in found.says
        again = one.one("canary", limits=Limits(canary=(0.001, 60.0)))  # its own login ended the penalty
        assert "held back" not in again.says
