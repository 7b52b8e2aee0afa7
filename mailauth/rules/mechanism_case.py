"""Which mechanism can be served from what is stored."""

from collections.abc import Sequence

from mailauth.evidence import LoginReply, Logins
from mailauth.hashes.serving import TAKES, serves

WITHOUT_A_PASSWORD = frozenset({"EXTERNAL", "ANONYMOUS"})


def served(mechanism: str, schemes: Sequence[str]) -> bool:
    """Whether one of the stored strings serves it."""
    return mechanism not in TAKES or any(serves(mechanism, scheme) for scheme in schemes)


def used_by(reply: LoginReply) -> str:
    """The mechanism of a login: PLAIN where its way names none."""
    return reply.way.partition(" by ")[2] or "PLAIN"


def worked_by(logins: Logins | None) -> frozenset[str]:
    """The mechanisms by which logins of this run worked."""
    return frozenset(used_by(one) for one in logins.replies if one.ok) if logins else frozenset()
