"""What keeps out the users whom a log names: each is diagnosed without a password."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from mailauth.diagnosing import Target, diagnose
from mailauth.dovecot.authconfig import AuthConfig
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.logreport import KeptOut, UserLooked, UserRow, nameable
from mailauth.dovecot.messages_requests import PASSDB_KNOWS
from mailauth.dovecot.nobody import NOBODY
from mailauth.dovecot.refusal import Refusal
from mailauth.dovecot.site import read_or_refusal
from mailauth.dovecot.username import to_type
from mailauth.errors import CannotObserve, UsageError
from mailauth.evidence import LookedUp
from mailauth.finding import Diagnosis, Finding, Severity

MOST = 5
"""Users that are looked at: those who fail most."""
_SERVICE = "imap"
_NO_MASTER = "USER010"
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
            told = diagnose(Target(typed, dovecot, service=_SERVICE, config=read))
            if not (any(map(_unknown, told.findings)) and _of_a_master(row.user, dovecot, read)):
                found.append(_looked(row, typed, told))
    return found


def _typed(logged: str, config: AuthConfig | None) -> str:
    """The name that the client sent; the logged one where it is not known."""
    if config is None:
        return logged
    with suppress(CannotObserve):
        return to_type(logged, config, _SERVICE) or logged
    return logged


def _of_a_master(logged: str, dovecot: Installation, config: AuthConfig | None) -> bool:
    """Whether a master user has this name: the log has that of the master, not whose mail was asked for."""
    if config is None or not config.master_separator or not any(one.master for one in config.passdbs):
        return False
    asked = f"{NOBODY}{config.master_separator}{logged}"
    told = diagnose(Target(asked, dovecot, service=_SERVICE, config=config))
    return all(one.rule.code != _NO_MASTER for one in told.findings)


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
