"""What a machine gives Dovecot's processes: memory, and whether they start at all."""

from mailauth.dovecot.authconfig import ServiceName
from mailauth.dovecot.sizes import show_limit, show_size
from mailauth.evidence.fact import Evidence
from mailauth.memory.fitting import Ceiling
from mailauth.records import dataclass


@dataclass(frozen=True, slots=True)
class Host(Evidence):
    """The limits on the memory of all of Dovecot's processes together, and how many may verify at once.

    ``auth_base``: the address space of the auth process without all that it has allocated, in bytes; it
    is never less than that.  None where no auth process runs or may be read.
    """

    ceilings: tuple[Ceiling, ...]
    workers: int
    auth_base: int | None

    @property
    def tightest(self) -> Ceiling | None:
        """The lowest of the ceilings that all share."""
        return min((one for one in self.ceilings if not one.each), key=lambda one: one.limit, default=None)

    @property
    def seen(self) -> str:
        limits = [f"{one.what} has {show_size(one.limit)}" for one in self.ceilings]
        return "; ".join([f"up to {self.workers} workers", *limits])


@dataclass(frozen=True, slots=True)
class NoStart(Evidence):
    """A service that verifies does not start: what Dovecot says of it, last."""

    service: ServiceName
    limit: int
    place: str
    words: str

    @property
    def seen(self) -> str:
        return f"{self.service}, with {show_limit(self.limit)}: {self.words}"
