"""Real logins."""

from dataclasses import dataclass

from mailauth.evidence.fact import Evidence


@dataclass(frozen=True, slots=True)
class LoginReply:
    """One real login: the way it took and what came back."""

    way: str
    ok: bool
    code: str
    seconds: float


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
