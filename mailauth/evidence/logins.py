"""Real logins."""

from mailauth.evidence.fact import Evidence
from mailauth.records import dataclass

NO_ANSWER = "no answer"  # the code of a login that was given up while it waited for a database


@dataclass(frozen=True, slots=True)
class LoginReply:
    """One real login: the way it took and what came back."""

    way: str
    ok: bool
    code: str
    seconds: float

    @property
    def mechanism(self) -> str:
        """The one that its way names; "" where it names none: then it is PLAIN."""
        return self.way.partition(" by ")[2]


@dataclass(frozen=True, slots=True)
class Logins(Evidence):
    """Real logins, in the order they were made."""

    replies: tuple[LoginReply, ...]

    @property
    def seen(self) -> str:
        return "; ".join(
            f"{r.way}: {'OK' if r.ok else 'FAIL'}{f' ({r.code})' if r.code else ''}, {r.seconds:.2f} s"
            for r in self.replies
        )


@dataclass(frozen=True, slots=True)
class MailSession(Evidence):
    """A real session as a mail client has it, after auth took the login; nothing is written.

    ``ended_at``: the step that failed, "" where none did; ``said``: what the server answered to that.
    """

    listener: str  # "imap 127.0.0.1:143"
    ended_at: str
    said: str

    @property
    def seen(self) -> str:
        how = f"{self.ended_at} failed ({self.said})" if self.ended_at else "logged in, and the inbox opened"
        return f"{self.listener}: {how}"
