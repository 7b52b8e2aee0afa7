"""What is to become of one stored string.  Pure: the rules in their order, the first that fits counts.

A new string is proposed only where this Dovecot's parser takes it; where only a new password helps, that
is said.
"""

import tomllib
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import msgspec

from mailauth import hashes
from mailauth.errors import UsageError
from mailauth.hashes import Flaw, Hash, Password
from mailauth.hashes.damage import AS_TEXT, Reader
from mailauth.hashes.damage_forms import looks_hashed
from mailauth.hashes.foreign import convert
from mailauth.hashes.mend import by_look, mend
from mailauth.migrate.goal import Goal


class Action(Enum):
    """What a rule does."""

    PREFIX = "prefix"  # {SCHEME} before a bare hash that has its look
    TRIM = "trim"  # blanks, line ends and NULs at the edges taken away
    RELABEL = "relabel"  # another {SCHEME} before the same hash
    CONVERT = "convert"  # other software's form of a hash that Dovecot has, too
    MEND = "mend"  # any accident that can be undone without loss
    REHASH = "rehash"  # a plaintext made into a hash


class Rule(msgspec.Struct, frozen=True):
    """One rule.  ``schemes``: only these (of the result; for relabel, of the name there now); () for all.

    ``to``: relabel's new name; "" for the one that the hash has by its look.
    """

    action: Action
    schemes: tuple[str, ...] = ()
    to: str = ""


class RuleFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A TOML file of rules: [[rule]] tables, and [goal] with scheme and parameters for rehash."""

    rule: tuple[Rule, ...] = ()
    goal: dict[str, int | str] = {}


@dataclass(frozen=True, slots=True)
class Wishes:
    """The rules, and who reads the strings.  ``prefixing``: a SQL passdb, see ``as_taken``."""

    rules: tuple[Rule, ...]
    goal: Goal
    reader: Reader
    prefixing: bool = False


class Decision(msgspec.Struct, frozen=True):
    """``new`` or ``password`` is there where something is done; ``before`` and ``after`` may be shown."""

    action: Action | None
    before: str
    after: str = ""
    new: bytes | None = None
    password: Password | None = None
    broken: str = ""  # why Dovecot can never match it, where no rule helps

    def __repr__(self) -> str:
        return f"Decision({self.action}, {self.before!r}, {self.after!r})"

    @property
    def acts(self) -> bool:
        return self.new is not None or self.password is not None


def load(path: Path) -> RuleFile:
    """Raises UsageError with the place of the mistake."""
    try:
        return msgspec.convert(tomllib.loads(path.read_text("utf-8")), RuleFile)
    except OSError as why:
        raise UsageError(f"{path}: cannot be read ({why.strerror}).") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as why:
        raise UsageError(f"{path}: {why}") from None


def decide(stored: bytes, wishes: Wishes) -> Decision:
    """The first rule that fits."""
    parsed = _parse(stored, wishes)
    for rule in wishes.rules:
        found = _ACTIONS[rule.action](stored, parsed, rule, wishes)
        if found is not None:
            return found
    before = _shown(stored, parsed, wishes)
    return Decision(None, before, broken=parsed.reason if isinstance(parsed, Flaw) else "")


def _taken(stored: bytes, wishes: Wishes) -> bytes:
    if wishes.prefixing and not (stored[:1] == b"{" and b"}" in stored):
        return b"{%b}%b" % (wishes.reader.default_scheme.encode(), stored)
    return stored


def _parse(stored: bytes, wishes: Wishes) -> Hash | Flaw:
    reader = wishes.reader
    return hashes.parse(
        _taken(stored, wishes),
        default_scheme=reader.default_scheme,
        dovecot=reader.dovecot,
        allow_weak=reader.allow_weak,
    )


def _shown(stored: bytes, parsed: Hash | Flaw, wishes: Wishes) -> str:
    if isinstance(parsed, Hash) and stored[:1] == b"{":
        return parsed.shown
    look = by_look(stored)
    if look and stored[:1] != b"{":
        whole = _parse(b"{%b}%b" % (look.encode(), stored), wishes)
        return f"bare {whole.shown if isinstance(whole, Hash) else look}"
    return hashes.shown(stored, default_scheme=wishes.reader.default_scheme)


def _changed(stored: bytes, parsed: Hash | Flaw, rule: Rule, wishes: Wishes, new: bytes) -> Decision | None:
    """Where the new string is another one, and this Dovecot takes it."""
    after = _parse(new, wishes)
    if new == stored or isinstance(after, Flaw):
        return None
    if rule.schemes and rule.action is not Action.RELABEL and after.scheme.name not in rule.schemes:
        return None
    return Decision(rule.action, _shown(stored, parsed, wishes), after.shown, new)


def _prefix(stored: bytes, parsed: Hash | Flaw, rule: Rule, wishes: Wishes) -> Decision | None:
    if stored[:1] == b"{" or not (look := by_look(stored)):
        return None
    return _changed(stored, parsed, rule, wishes, b"{%b}%b" % (look.encode(), stored))


def _trim(stored: bytes, parsed: Hash | Flaw, rule: Rule, wishes: Wishes) -> Decision | None:
    if isinstance(parsed, Hash) and parsed.scheme.name in AS_TEXT:
        return None  # blanks may be part of the password
    bare = stored.strip(b" \t\r\n\0")
    return None if bare == stored else _changed(stored, parsed, rule, wishes, bare)


def _relabel(stored: bytes, parsed: Hash | Flaw, rule: Rule, wishes: Wishes) -> Decision | None:
    name, brace, payload = stored[1:].partition(b"}")
    if stored[:1] != b"{" or not brace:
        return None
    have = name.decode("ascii", "replace").upper()
    if rule.schemes and have not in rule.schemes:
        return None
    if rule.to:
        return (
            None
            if have == rule.to
            else _changed(stored, parsed, rule, wishes, b"{%b}%b" % (rule.to.encode(), payload))
        )
    if isinstance(parsed, Hash):
        return None
    mended = mend(stored, dovecot=wishes.reader.dovecot, allow_weak=wishes.reader.allow_weak)
    if mended is None or not mended.stored.endswith(b"}" + payload):
        return None
    return _changed(stored, parsed, rule, wishes, mended.stored)


def _convert(stored: bytes, parsed: Hash | Flaw, rule: Rule, wishes: Wishes) -> Decision | None:
    if isinstance(parsed, Hash) and parsed.scheme.name not in AS_TEXT:
        return None
    if isinstance(parsed, Hash) and not looks_hashed(stored):
        return None  # a plaintext, where plaintexts are
    found = convert(stored, dovecot=wishes.reader.dovecot)
    return _changed(stored, parsed, rule, wishes, found.dovecot) if found.dovecot else None


def _mend(stored: bytes, parsed: Hash | Flaw, rule: Rule, wishes: Wishes) -> Decision | None:
    if isinstance(parsed, Hash):
        return None
    mended = mend(stored, dovecot=wishes.reader.dovecot, allow_weak=wishes.reader.allow_weak)
    return _changed(stored, parsed, rule, wishes, mended.stored) if mended else None


def _rehash(stored: bytes, parsed: Hash | Flaw, rule: Rule, wishes: Wishes) -> Decision | None:
    if isinstance(parsed, Flaw) or parsed.scheme.name not in AS_TEXT or not parsed.payload:
        return None
    if rule.schemes and parsed.scheme.name not in rule.schemes:
        return None
    if stored[:1] != b"{" and looks_hashed(stored):
        return None  # a hash that the default scheme takes for a plaintext: prefix is for that
    return Decision(
        rule.action,
        f"{{{parsed.scheme.name}}}...",
        f"{{{wishes.goal.scheme}}}",
        password=Password(bytes(parsed.payload)),
    )


_ACTIONS = {
    Action.PREFIX: _prefix,
    Action.TRIM: _trim,
    Action.RELABEL: _relabel,
    Action.CONVERT: _convert,
    Action.MEND: _mend,
    Action.REHASH: _rehash,
}


@dataclass(slots=True)
class Counts:
    """Decisions counted by what they do, with some users of each."""

    names: int = 5
    rows: int = 0
    nulls: int = 0
    _counts: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    _users: dict[tuple[str, str, str, str], list[str]] = field(default_factory=dict)

    def add(self, decision: Decision, user: str) -> None:
        action = decision.action.value if decision.action else ""
        key = (action, decision.before, decision.after, decision.broken)
        self.rows += 1
        self._counts[key] += 1
        users = self._users.setdefault(key, [])
        if len(users) < self.names:
            users.append(user)

    def lines(self) -> list["Line"]:
        """What is to be done first, then what is broken and stays so, then what is sound."""
        found = [Line(*key, count, tuple(self._users[key])) for key, count in self._counts.items()]
        return sorted(found, key=lambda one: (not one.action, not one.broken, -one.rows, one.before))


@dataclass(frozen=True, slots=True)
class Line:
    """One kind of decision; ``action`` is "" for rows that stay as they are."""

    action: str
    before: str
    after: str
    broken: str
    rows: int
    users: tuple[str, ...]
