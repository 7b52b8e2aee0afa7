"""What the directories of passdbs of the driver ldap answer, asked as Dovecot asks them."""

from mailauth.evidence.fact import Evidence
from mailauth.records import dataclass
from mailauth.stores.closed_entry import Closed
from mailauth.stores.directed import BindTold, Bound, Directed, Told

# With these a new connection fails; Dovecot may have one from before, on which it is answered.
OF_THE_CONNECTION = frozenset(
    {
        *(Directed.DOWN, Directed.DROPS, Directed.SLOW),
        *(Directed.TLS, Directed.WANTS_TLS, Directed.CREDENTIALS),
    }
)
FAILS = OF_THE_CONNECTION | {
    *(Directed.FILTER, Directed.REFUSED, Directed.LIMIT, Directed.NO_NAME, Directed.ELSEWHERE)
}


@dataclass(frozen=True, slots=True)
class DirectoryAnswer:
    """``name``: as whom Dovecot binds; ``settings``: where it is set.  ``alone``: no passdb lets the user
    in while this one says that.

    ``sure``: what was seen is what Dovecot sees of it on a new connection.  ``anybody``: any password is let
    in meanwhile, by result_internalfail.  ``closed``: what the entry says, where a bind verifies.
    """

    passdb: str
    told: Told
    name: str
    settings: str
    alone: bool
    sure: bool
    anybody: bool = False
    closed: Closed | None = None

    @property
    def text(self) -> str:
        code = f" ({self.told.code})" if self.told.code else ""
        says = f", {self.told.says}{code}" if self.told.says else ""
        says += f" without {self.told.lacks}" if self.told.lacks else ""
        says += f", which has {self.told.twice} twice" if self.told.twice else ""
        says += f"; {self.told.hint}" if self.told.hint else ""
        return f"{self.passdb}, {self.told.place}: {self.told.how.value}{says}"


@dataclass(frozen=True, slots=True)
class DirectoryAnswers(Evidence):
    """One answer of each directory."""

    answers: tuple[DirectoryAnswer, ...]

    @property
    def seen(self) -> str:
        return "; ".join(one.text for one in self.answers)

    @property
    def fails(self) -> bool:
        """A directory gives no answer: a rule of its own says why."""
        return bool(self.those(*FAILS))

    def those(self, *how: Directed) -> tuple[DirectoryAnswer, ...]:
        """The answers of one of these kinds."""
        return tuple(one for one in self.answers if one.told.how in how)


@dataclass(frozen=True, slots=True)
class UserBind(Evidence):
    """What the server said to the one bind as the user, with the password that was given.

    ``closed``: what the entry says of the account.
    """

    passdb: str
    name: str
    told: BindTold
    closed: Closed | None = None

    @property
    def locked(self) -> bool:
        """Its entry says that the account is closed now; the server says no more than 49."""
        wrong = self.told.how is Bound.WRONG and not self.told.plain
        return wrong and self.closed is not None and self.closed.lasting

    @property
    def text(self) -> str:
        code = f" ({self.told.code})" if self.told.code else ""
        says = f", {self.told.says}" if self.told.says else ""
        change = ", and wants it changed" if self.told.change else ""
        return f"{self.passdb}, {self.name}: {self.told.how.value}{code}{says}{change}"

    @property
    def seen(self) -> str:
        return f"{self.text} (one bind)" if self.told.how is not Bound.EMPTY else self.text
