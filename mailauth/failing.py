"""What keeps out the users whom a log names: each is diagnosed without a password."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from mailauth.diagnosing import Target, diagnose
from mailauth.dovecot.authconfig import AuthConfig
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.logreport import KeptOut, UserLooked, UserRow, nameable
from mailauth.dovecot.messages_requests import PASSDB_KNOWS
from mailauth.dovecot.refusal import Refusal
from mailauth.dovecot.site import read_or_refusal
from mailauth.dovecot.username import to_type
from mailauth.errors import CannotObserve, UsageError
from mailauth.evidence import LookedUp
from mailauth.finding import Diagnosis, Finding, Severity

MOST = 5
"""Users that are looked at: those who fail most."""
_SERVICE = "imap"
_SECONDS = 20.0  # after which no further one is begun


def look_at(
    rows: Sequence[UserRow], dovecot: Installation, step: Callable[[str], None] = lambda _: None
) -> list[UserLooked]:
    """The first of these users.  No login is made, no password verified, nothing changed.

    ``step`` is told whose turn it is.  A user who cannot be looked at is left out.  Raises CannotObserve
    where none can be, which holds for the rest as well.
    """
    found: list[UserLooked] = []
    config = read_or_refusal(dovecot, _SERVICE)
    read = None if isinstance(config, Refusal) else config
    end = time.monotonic() + _SECONDS
    for row in [one for one in rows if nameable(one.user) and not one.works][:MOST]:
        if found and time.monotonic() > end:
            break
        step(row.user)
        with suppress(UsageError):
            typed = _typed(row.user, read)
            found.append(_looked(row, typed, diagnose(Target(typed, dovecot, service=_SERVICE, config=read))))
    return found


def _typed(logged: str, config: AuthConfig | None) -> str:
    """The name that the client sent; the logged one where it is not known."""
    if config is None:
        return logged
    with suppress(CannotObserve):
        return to_type(logged, config, _SERVICE) or logged
    return logged


def _looked(row: UserRow, typed: str, diagnosis: Diagnosis) -> UserLooked:
    blocking = [
        KeptOut(one.rule.code, one.rule.title, one.problem.certainty.value, one.problem.says)
        for one in diagnosis.findings
        if one.severity is Severity.BLOCKS_LOGIN and not (row.cause == PASSDB_KNOWS and _unknown(one))
    ]
    undecided = [one.rule.code for one in diagnosis.undecided]
    return UserLooked(row.user, blocking, undecided, typed if typed != row.user else "")


def _unknown(finding: Finding) -> bool:
    """It says that no passdb has the name: what a passdb that has the user made of the client's name."""
    return any(isinstance(one, LookedUp) and one.unknown for one in finding.problem.because)
