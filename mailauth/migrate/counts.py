"""Decisions of a plan, counted by kind."""

from collections import Counter
from dataclasses import field

from mailauth.migrate.decide import Decision
from mailauth.records import dataclass

_MOST_KINDS = 2000  # that are counted apart


@dataclass(slots=True)
class Counts:
    """Decisions counted by what they do, with some users of each."""

    names: int = 5
    rows: int = 0
    nulls: int = 0
    _counts: Counter["_Kind"] = field(default_factory=Counter)
    _users: dict["_Kind", list[str]] = field(default_factory=dict)

    def add(self, decision: Decision, user: str) -> None:
        action = decision.what
        broken = decision.broken
        key = (action, decision.before, decision.after, broken, decision.unsure)
        self.rows += 1
        if key not in self._counts and len(self._counts) >= _MOST_KINDS:
            what = "in many ways"
            key = (action, what, what if action else "", broken and what, decision.unsure and what)
        self._counts[key] += 1
        users = self._users.setdefault(key, [])
        if len(users) < self.names:
            users.append(user)

    def lines(self) -> list["Line"]:
        """What is to be done first, then what is not decided, what is broken and stays so, what is sound."""
        found = [
            Line(*key[:4], count, tuple(self._users[key]), key[4]) for key, count in self._counts.items()
        ]
        order = sorted(found, key=lambda one: (-one.rows, one.before))
        return sorted(order, key=lambda one: (not one.action, not one.unsure, not one.broken))


_Kind = tuple[str, str, str, str, str]


@dataclass(frozen=True, slots=True)
class Line:
    """One kind of decision; ``action`` is "" for rows that stay as they are.

    ``broken``: why no password matches them; ``unsure``: what they may be, which a rule would have to guess.
    """

    action: str
    before: str
    after: str
    broken: str
    rows: int
    users: tuple[str, ...]
    unsure: str = ""
