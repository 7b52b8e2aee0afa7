"""What a stack of PAM modules comes to, for what each of them returns.

Source: Linux-PAM 1.5.2 and 1.7.2, libpam/pam_dispatch.c (_pam_dispatch_aux()).
"""

import itertools
from collections.abc import Sequence
from dataclasses import field

from mailauth.records import dataclass
from mailauth.stores.pam_line import Line

SUCCESS, FAILS = "success", "perm_denied"
_MOST_WAYS = 4096
OPEN = frozenset({SUCCESS, "auth_err"})


def outcomes(lines: Sequence[Line], returns: Sequence[frozenset[str]]) -> frozenset[str]:
    """All that the stack can return, where a module may return one thing or another."""
    ways = 1
    for one in returns:
        ways *= max(1, len(one))
    if ways > _MOST_WAYS:
        return OPEN
    return frozenset(outcome(lines, said) for said in itertools.product(*returns))


@dataclass(slots=True)
class _Walk:
    """Where the dispatch of one stack is; ``impression``: 0 none yet, 1 for, -1 against."""

    lines: Sequence[Line]
    impression: int = 0
    status: str = FAILS
    at: int = 0
    before: dict[int, tuple[int, str]] = field(default_factory=lambda: {0: (0, FAILS)})

    def take(self, line: Line, code: str) -> None:
        """What a line's answer leaves behind; ``at`` is the line after it."""
        action = line.actions.get(code, line.actions.get("default", "bad"))
        if isinstance(action, int) and action > 0:
            self.at, left = _jumped(self.lines, self.at - 1, action)
            if left:
                self.impression, self.status = -1, FAILS
        elif action == "reset":
            self.impression, self.status = self.before[line.level]
        elif action in ("ok", "done"):
            self._well(code, done=action == "done", level=line.level)
        elif action != "ignore":
            if self.impression >= 0:
                self.impression, self.status = -1, FAILS if code == "ignore" else code
            if action == "die":
                self.at = _over(self.lines, self.at, line.level)

    def _well(self, code: str, *, done: bool, level: int) -> None:
        if self.impression == 0 or (self.impression > 0 and self.status == SUCCESS):
            self.impression, self.status = 1, code
        if done and self.impression > 0:
            self.at = _over(self.lines, self.at, level)


def outcome(lines: Sequence[Line], said: Sequence[str]) -> str:
    """What the stack returns where each line returns this; one that only begins a substack is passed over."""
    walk, level = _Walk(lines), 0
    while walk.at < len(lines):
        line, code = lines[walk.at], said[walk.at]
        if level < line.level:
            walk.before[line.level] = (walk.impression, walk.status)
        level = line.level
        walk.at += 1
        if not line.substack:
            walk.take(line, code)
    return FAILS if walk.status == SUCCESS and walk.impression <= 0 else walk.status


def _jumped(lines: Sequence[Line], at: int, count: int) -> tuple[int, int]:
    """Where it goes on behind so many modules, a substack counting as one; and how many were not there."""
    level = lines[at].level
    while at + 1 < len(lines) and lines[at + 1].level >= level and count:
        at += 1
        while at + 1 < len(lines) and lines[at + 1].level > level:
            at += 1
        count -= 1
    return at + 1, count


def past_the_end(lines: Sequence[Line], at: int, codes: frozenset[str]) -> int:
    """Over how many lines a line jumps for what it returns, where so many do not follow; else 0.

    libpam then fails the stack.
    """
    line = lines[at]
    actions = (line.actions.get(code, line.actions.get("default", "bad")) for code in codes)
    jumps = (one for one in actions if isinstance(one, int) and one > 0)
    return next((count for count in jumps if _jumped(lines, at, count)[1]), 0)


def _over(lines: Sequence[Line], at: int, level: int) -> int:
    """Where it goes on when a substack is decided; behind the last line where the whole stack is."""
    while at < len(lines) and lines[at].level >= level:
        at += 1
    return at
