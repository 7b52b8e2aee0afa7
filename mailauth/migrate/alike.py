"""Strings that differ in salt and digest only are decided alike: a million rows, a few decisions.

What has one of the forms below is whole, and nothing of what follows its parameters decides anything: so
the decision for the first such string, with the salt and the digest of another, is the other's.  All
else is decided one by one.
"""

import re
from collections.abc import Sequence
from dataclasses import field

from mailauth.hashes import Password
from mailauth.migrate.decide import Decision, Wishes, decide
from mailauth.records import dataclass
from mailauth.stores.swaps import Row, Swap

_KEPT = 10_000  # forms

_C64 = rb"[./A-Za-z0-9]"
_B64 = rb"[A-Za-z0-9+/]"
_FORM = re.compile(
    rb"((?:\{[A-Za-z0-9.-]{1,20}\})?(?:"
    rb"\$2[aby]\$\d\d\$(?=%(c)b{21}[.Oeu]%(c)b{30}[.CGKOSWaeimquy26]\Z)"
    rb"|\$argon2id?\$v=19\$m=\d{1,10},t=\d{1,10},p=\d{1,8}\$(?=%(b)b{21}[AQgw]\$%(b)b{42}[AEIMQUYcgkosw048]\Z)"
    rb"|\$6\$(?:rounds=\d{1,9}\$)?(?=%(c)b{1,16}\$%(c)b{85}[./01]\Z)"
    rb"|\$5\$(?:rounds=\d{1,9}\$)?(?=%(c)b{1,16}\$%(c)b{42}[./0-9A-D]\Z)"
    rb"))" % {b"c": _C64, b"b": _B64}
)


def formed(stored: bytes) -> bool:
    """Whether it has one of these forms."""
    return _FORM.match(stored) is not None


@dataclass(slots=True)
class Decider:
    """``decide``, remembered by form."""

    wishes: Wishes
    undecided: int = 0  # rows of ``swaps`` that may be several things, so that nothing is done
    broken: int = 0  # rows that no password matches, and that no rule mends
    _known: dict[tuple[bytes, int], tuple[Decision, bytes | None]] = field(default_factory=dict)

    def decide(self, stored: bytes) -> Decision:
        """As ``decide`` does; but ``new`` may be another such string's."""
        form = _FORM.match(stored)
        return self._of_form(form[1], stored)[0] if form else decide(stored, self.wishes)

    def swaps(self, rows: Sequence[Row]) -> tuple[list[Swap], list[tuple[Row, Password]]]:
        """What is to be written, and the passwords that hashes are to be made of."""
        found: list[Swap] = []
        hashed: list[tuple[Row, Password]] = []
        match, known, put = _FORM.match, self._known, found.append
        for row in rows:
            stored = row.stored
            if stored is None:
                continue
            form = match(stored)
            if form is None:
                decision = decide(stored, self.wishes)
                if decision.new is not None:
                    put(Swap(row, decision.new))
                elif decision.password is not None:
                    hashed.append((row, decision.password))
                else:
                    self._left(decision)
                continue
            head = form[1]
            decision, new_head = known.get((head, len(stored))) or self._of_form(head, stored)
            if decision.new is None:
                self._left(decision)
                continue
            if new_head is None:
                put(Swap(row, decide(stored, self.wishes).new or stored))
            else:
                put(Swap(row, new_head + stored[len(head) :]))
        return found, hashed

    def _left(self, decision: Decision) -> None:
        self.undecided += bool(decision.unsure)
        self.broken += bool(decision.broken)

    def _of_form(self, head: bytes, stored: bytes) -> tuple[Decision, bytes | None]:
        """The decision, and what the new string begins with where it goes on as the old one does."""
        key = (head, len(stored))
        known = self._known.get(key)
        if known is None:
            decision, body = decide(stored, self.wishes), stored[len(head) :]
            same = decision.new is not None and decision.new.endswith(body)
            known = (decision, decision.new[: -len(body)] if same and decision.new else None)
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[key] = known
        return known
