"""What passdbs of the drivers oauth2, imap, dict and checkpassword ask, and whether that can be reached."""

from mailauth.evidence.fact import Evidence
from mailauth.records import dataclass


@dataclass(frozen=True, slots=True)
class Reached:
    """``what``: the setting that names it; ``place``; ``problem``: why it cannot be used, or "".

    ``program``: it is one that is run; ``user``: of the system, who asks; ``alone``: no other passdb can let
    a user in; ``settings``: where it is set; ``tls``: it is asked by TLS, and Dovecot checks its certificate.
    """

    passdb: str
    what: str
    place: str
    problem: str
    program: bool
    user: str
    alone: bool
    settings: str
    tls: bool = False

    @property
    def text(self) -> str:
        return f"{self.passdb}, {self.what} {self.place}: {self.problem or 'reached'}"


@dataclass(frozen=True, slots=True)
class ServersBehind(Evidence):
    """What passdbs of the drivers oauth2, imap, dict and checkpassword ask."""

    found: tuple[Reached, ...]

    @property
    def seen(self) -> str:
        return "; ".join(one.text for one in self.found) or "nothing that could be reached"
