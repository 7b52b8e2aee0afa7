"""What the directories of passdbs of the driver ldap answer, asked as Dovecot asks them."""

from dataclasses import dataclass

from mailauth.evidence.fact import Evidence
from mailauth.stores.directed import Directed, Told

# With these a new connection fails; Dovecot may have one from before, on which it is answered.
OF_THE_CONNECTION = frozenset(
    {
        *(Directed.DOWN, Directed.DROPS, Directed.SLOW),
        *(Directed.TLS, Directed.WANTS_TLS, Directed.CREDENTIALS),
    }
)
FAILS = OF_THE_CONNECTION | {Directed.FILTER, Directed.REFUSED, Directed.LIMIT}


@dataclass(frozen=True, slots=True)
class DirectoryAnswer:
    """``name``: as whom Dovecot binds; ``settings``: where it is set.  ``alone``: no other passdb can help.

    ``sure``: what was seen is what Dovecot sees of it on a new connection.
    """

    passdb: str
    told: Told
    name: str
    settings: str
    alone: bool
    sure: bool

    @property
    def text(self) -> str:
        code = f" ({self.told.code})" if self.told.code else ""
        says = f", {self.told.says}{code}" if self.told.says else ""
        says += f" without {self.told.lacks}" if self.told.lacks else ""
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
