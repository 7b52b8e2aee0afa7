"""Every row of the stores: what a Dovecot makes of them, and whether the largest fits."""

from mailauth.dovecot.authconfig import OF_THE_SYSTEM, Passdb, SqlSource
from mailauth.dovecot.misfit import Misfit
from mailauth.dovecot.version import Version
from mailauth.evidence.fact import Evidence
from mailauth.evidence.lookup import Unseen
from mailauth.memory.fitting import PassdbFit
from mailauth.records import dataclass
from mailauth.stores.rows import Survey

# With these fields an entry needs no password, or is asked for something else than a login.
NEEDS_NONE = frozenset({"nopassword", "noauthenticate"})


@dataclass(frozen=True, slots=True)
class Surveyed:
    """One passdb, and what its store holds.  ``default_is_set``: its default scheme stands in a file."""

    passdb: Passdb
    survey: Survey
    default_is_set: bool = False

    @property
    def of_the_system(self) -> bool:
        """Its rows are the machine's accounts: passwd(1) changes their passwords, and mailauth does not."""
        return self.passdb.driver in OF_THE_SYSTEM

    @property
    def several(self) -> tuple[str, ...]:
        """Users with several rows in a database: Dovecot takes none.  Of a file it takes the first."""
        return () if self.passdb.driver == "passwd-file" else self.survey.twice

    @property
    def lets_nobody_in(self) -> bool:
        """No row has a password, and neither the passdb nor its query says that none is needed."""
        source = self.passdb.source
        query = source.query.lower() if isinstance(source, SqlSource) else ""
        fields = {name for name, _ in (*self.passdb.default_fields, *self.passdb.override_fields)}
        none_needed = NEEDS_NONE & fields or any(name in query for name in NEEDS_NONE)
        return self.survey.no_password and not none_needed


@dataclass(frozen=True, slots=True)
class Surveys(Evidence):
    """All stores, judged for ``version``; ``unseen``: the passdbs that could not be read, and why.

    ``as_if``: that is not the version that runs.
    """

    version: Version
    stores: tuple[Surveyed, ...]
    unseen: tuple[Unseen, ...] = ()
    as_if: bool = False

    @property
    def unasked(self) -> tuple[str, ...]:
        """The passdbs that could not be read, and why."""
        return tuple(one.text for one in self.unseen)

    @property
    def let_nobody_in(self) -> bool:
        """All passdbs were read, and no row of any has a password."""
        return not self.unseen and all(one.lets_nobody_in for one in self.stores)

    @property
    def seen(self) -> str:
        return "; ".join(
            f"{one.passdb.label}, {one.survey.place}: {one.survey.rows} rows,"
            f" {sum(c.rows for c in one.survey.broken)} of them broken or refused"
            for one in self.stores
        )


@dataclass(frozen=True, slots=True)
class StoreMemory(Evidence):
    """Each store's largest hash against the processes that verify it."""

    fits: tuple[PassdbFit, ...]

    @property
    def has_argon2(self) -> bool:
        """Whether a store has a hash of Argon2."""
        return any("$argon2" in one.shown for fit in self.fits if fit.census for one in fit.census.sets)

    @property
    def seen(self) -> str:
        found = [
            f"{one.passdb}: the largest is {one.census.largest.shown}"
            for one in self.fits
            if one.census and one.census.largest
        ]
        return "; ".join(found) or "no hash needs much memory"


@dataclass(frozen=True, slots=True)
class Foreseen(Evidence):
    """The lines of the configuration that another version refuses."""

    version: Version
    misfits: tuple[Misfit, ...]

    @property
    def seen(self) -> str:
        return f"{len(self.misfits)} lines that Dovecot {self.version} refuses"
