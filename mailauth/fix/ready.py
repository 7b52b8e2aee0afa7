"""A finding with its plan, ready to be applied; or why to apply it mends nothing."""

from dataclasses import field

from mailauth.diagnosing import Looked, Target
from mailauth.errors import Refused
from mailauth.fix import journal as journals
from mailauth.fix.entry import EntryChange, why_not
from mailauth.fix.plan import Plan
from mailauth.records import dataclass


@dataclass(frozen=True, slots=True)
class Ready:
    """A finding with its plan, and the new stored string where there is to be one (a secret)."""

    plan: Plan
    looked: Looked
    target: Target
    entry: EntryChange | None = None
    new: bytes | None = field(default=None, repr=False)
    forbidden: str = ""  # that the entry may not be written, and what the account lacks

    @property
    def hindrance(self) -> str:
        """Why to apply it mends nothing; "" where nothing is in the way."""
        if self.plan.by_hand:
            return "a part of it is to be done by hand first"
        if self.entry is None or self.plan.store is None:
            return ""
        return self.forbidden or why_not(self.entry, self.plan.store)

    @property
    def lasting(self) -> tuple[str, ...]:
        """What cannot be taken back once it is done."""
        entry = self.entry
        plain = entry is not None and entry.old is not None and journals.is_plain(entry.old)
        told = (f"{entry.place}: the old string is a plaintext, and is not kept",) if entry and plain else ()
        return (*told, *self.plan.lasting)


def check_use(ready: Ready) -> None:
    """Raises Refused where to apply it mends nothing."""
    plan = ready.plan
    if not (plan.files or plan.commands or ready.entry):
        raise Refused(f"there is nothing that mailauth could do here: {' '.join(plan.summary)}")
    if why := ready.hindrance:
        raise Refused(f"--apply would not fix it: {why.rstrip('.')}. {' '.join(plan.summary)}")
