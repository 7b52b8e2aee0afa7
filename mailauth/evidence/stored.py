"""Where the stored string stands, and whom it lets in besides those who know the password."""

from enum import Enum

from mailauth.evidence.fact import Evidence
from mailauth.records import dataclass


@dataclass(frozen=True, slots=True)
class StoredColumn(Evidence):
    """The column that the password comes from, as the schema says; asked for where a string was cut off, or
    is a password of digits.

    ``width``: how many characters it takes, None where it is not limited or not known; ``table`` and
    ``column`` are "" for a file or a directory; ``unknown``: why the schema could not be asked.
    """

    driver: str | None
    table: str
    column: str
    type: str
    width: int | None
    unknown: str = ""
    widen: str = ""  # the statement that gives it 255 characters
    numeric: bool = False  # its type is of numbers

    @property
    def seen(self) -> str:
        if self.driver is None:
            return "no column of a table: none limits it"
        return self.unknown or f"{self.table}.{self.column} is {self.type}"


class Opens(Enum):
    """What opens a door that a password should."""

    ANY = "any password"
    MANY = "many passwords"
    EMPTY = "the empty password"
    ITSELF = "the stored string itself"


@dataclass(frozen=True, slots=True)
class Door:
    """One entry that lets in more than the one who knows the password; ``why`` holds no secret."""

    opens: Opens
    passdb: str
    place: str
    why: str
    field: bool = False  # a field of the entry does it, and not the stored string


@dataclass(frozen=True, slots=True)
class OpenDoors(Evidence):
    """All of this user's entries that let in more than they should."""

    doors: tuple[Door, ...]

    def which(self, *opens: Opens) -> tuple[Door, ...]:
        return tuple(door for door in self.doors if door.opens in opens)

    @property
    def seen(self) -> str:
        return "; ".join(f"{door.passdb}, {door.place}: {door.why}" for door in self.doors) or (
            "nothing but the password lets the user in"
        )


@dataclass(frozen=True, slots=True)
class StoredText(Evidence):
    """What the stored string is, where it counts as the password itself; "" where it does not."""

    what: str

    @property
    def seen(self) -> str:
        return self.what or "it does not count as the password itself"


@dataclass(frozen=True, slots=True)
class TodaysStrength(Evidence):
    """How the stored hash stands against today's recommendations; asked for by an audit."""

    level: str
    says: str
    enough: bool

    @property
    def seen(self) -> str:
        return f"{self.level}: {self.says}"
