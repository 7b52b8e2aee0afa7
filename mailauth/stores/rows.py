"""What a store holds, as records: classes of rows, and their column.  Pure: rules read them."""

from mailauth import hashes
from mailauth.hashes import Hash, Params
from mailauth.hashes.damaged import Damage, Fate, fate
from mailauth.hashes.schemes import AS_TEXT
from mailauth.records import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """What a column holds: its type as the database names it, and its width (None: no limit)."""

    type: str
    width: int | None


@dataclass(frozen=True, slots=True)
class HashClass:
    """All rows with one scheme, parameters, prefix, length and fate.

    ``damage`` is None for what this Dovecot can verify.  ``params`` are the numbers before the salt.
    """

    shown: str
    scheme: str
    params: Params
    prefixed: bool
    length: int  # 0: several, or the password's own, which is nobody's business
    damage: Damage | None
    rows: int = 0
    users: tuple[str, ...] = ()
    perhaps: tuple[str, ...] = ()  # sound as a password stored as it is; and what else it may be

    @property
    def fate(self) -> Fate:
        return fate(self.damage)

    @property
    def hash(self) -> Hash | None:
        """With these parameters, and nobody's salt and digest."""
        scheme = hashes.named(self.scheme) if self.params or self.scheme in AS_TEXT else None
        return Hash(scheme, "", self.params, b"", self.prefixed) if scheme else None


@dataclass(frozen=True, slots=True)
class Survey:
    """What a store holds.  ``nulls``: rows without a password; ``twice``: users with several entries.

    ``odd``: lines of a file whose name nobody can type, each with its place and why.  ``passed_over``: those
    that are too long to be judged.  ``whole``: False where entries that let somebody in may be missing.
    """

    place: str
    rows: int
    classes: tuple[HashClass, ...]
    nulls: int = 0
    twice: tuple[str, ...] = ()
    column: Column | None = None
    odd: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()
    whole: bool = True

    @property
    def no_password(self) -> bool:
        """All was counted, and no row has a password: there is none, or none with one."""
        return self.whole and self.rows == self.nulls and not self.passed_over

    @property
    def sound(self) -> tuple[HashClass, ...]:
        return tuple(one for one in self.classes if one.damage is None)

    @property
    def broken(self) -> tuple[HashClass, ...]:
        """What lets nobody in, or somebody else; but not what was locked on purpose."""
        return tuple(one for one in self.classes if one.fate not in (Fate.SOUND, Fate.LOCKED))


@dataclass(frozen=True, slots=True)
class Listed:
    """One user.  ``stored`` is a secret.  ``fields``: what else the store says of a login (nologin ...).

    ``never``: Dovecot never looks at it, and why.  ``no_login``: why no name that somebody types leads to it.
    """

    user: bytes
    stored: bytes | None
    fields: tuple[str, ...] = ()
    never: str = ""
    no_login: str = ""

    def __repr__(self) -> str:
        return "Listed(...)"
