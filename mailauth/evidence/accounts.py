"""Accounts of the system: what PAM, /etc/shadow and /etc/passwd make of a user."""

from mailauth.evidence.fact import Evidence
from mailauth.records import dataclass
from mailauth.stores.pam_modules import Why
from mailauth.stores.pam_said import PamSaid


@dataclass(frozen=True, slots=True)
class AccountFault:
    """Why the account is refused, whatever the password is, and the same in words."""

    why: Why
    says: str


@dataclass(frozen=True, slots=True)
class SystemAccount:
    """What one passdb of the drivers pam, shadow and passwd makes of the user.

    ``faults``: what keeps the user out; ``opens``: why any password logs in, or "".  ``where``: the files
    that decide; ``refused``: no password logs in there; ``unless``: but for modules that mailauth does not
    follow, and these may let the user in; ``asked_by``: the process that reads the files.
    """

    passdb: str
    driver: str
    user: str
    where: str
    refused: bool
    faults: tuple[AccountFault, ...] = ()
    opens: str = ""
    unless: str = ""
    asked_by: str = "auth-worker"

    @property
    def text(self) -> str:
        said = "; ".join(one.says for one in self.faults) or self.opens
        return f"{self.passdb}, {self.where}: {said or 'nothing keeps the user out'}"


@dataclass(frozen=True, slots=True)
class SystemAccounts(Evidence):
    """The accounts of the system that passdbs ask for."""

    answers: tuple[SystemAccount, ...]

    @property
    def seen(self) -> str:
        return "; ".join(one.text for one in self.answers)

    def those(self, *why: Why) -> tuple[tuple[SystemAccount, AccountFault], ...]:
        """The faults of these kinds that keep the user out."""
        found = [(one, fault) for one in self.answers if one.refused for fault in one.faults]
        return tuple((one, fault) for one, fault in found if fault.why in why)


@dataclass(frozen=True, slots=True)
class PamLog(Evidence):
    """What PAM's modules logged of the user, and when; the newest last."""

    lines: tuple[tuple[str, str], ...]

    @property
    def seen(self) -> str:
        said = [f"{text}{f' ({when})' if when else ''}" for text, when in self.lines]
        return "; ".join(said) or "nothing of this user"


@dataclass(frozen=True, slots=True)
class PamAnswer(Evidence):
    """What PAM says of the password that was given, asked on demand.  ``later``: there are later passdbs."""

    passdb: str
    service: str
    user: str
    told: PamSaid
    later: bool
    number: int  # the passdb's

    @property
    def text(self) -> str:
        words = "; ".join(dict.fromkeys(one for one in self.told.messages if one))
        by = f"; its modules say: {words}" if words else ""
        said = "takes the password" if self.told.taken else f"{self.told.call}() failed: {self.told.says}"
        code = "" if self.told.taken else f" ({self.told.code})"
        return f"{self.passdb}, service {self.service!r}, user {self.user}: {said}{code}{by}"

    @property
    def seen(self) -> str:
        return f"{self.text} (asked once)"
