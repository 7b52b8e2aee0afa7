"""Which mechanism can be served from what is stored."""

from collections.abc import Sequence

from mailauth.evidence import Logins
from mailauth.hashes.serving import TAKES, serves

WITHOUT_A_PASSWORD = frozenset({"EXTERNAL", "ANONYMOUS"})


def served(mechanism: str, schemes: Sequence[str]) -> bool:
    """Whether one of the stored strings serves it."""
    return mechanism not in TAKES or any(serves(mechanism, scheme) for scheme in schemes)


def worked_by(logins: Logins | None) -> frozenset[str]:
    """The mechanisms by which logins of this run worked."""
    return frozenset(one.mechanism or "PLAIN" for one in logins.replies if one.ok) if logins else frozenset()
