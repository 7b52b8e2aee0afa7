"""What every probe is told: which user of which Dovecot, as configured."""

from dataclasses import dataclass

from mailauth.dovecot.authconfig import AuthConfig, Passdb
from mailauth.dovecot.doveadm import Installation
from mailauth.evidence import UserName
from mailauth.hashes import Flaw, Hash, Password
from mailauth.stores.store import Record


@dataclass(frozen=True, slots=True)
class Case:
    """One passdb in which the user was found.  The record is a secret."""

    passdb: Passdb
    record: Record
    hash: Hash | Flaw


@dataclass(frozen=True, slots=True)
class Scene:
    """Where to look, and for whom.

    ``user`` is "" when no user is asked about; ``names`` is None where the name that is looked up could
    not be worked out; ``cases`` are the passdbs that have the user, once they were asked.
    """

    dovecot: Installation
    config: AuthConfig
    user: str = ""
    service: str = "imap"
    password: Password | None = None
    login: bool = False
    names: UserName | None = None
    cases: tuple[Case, ...] = ()
