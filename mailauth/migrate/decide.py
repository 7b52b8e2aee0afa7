"""What is to become of one stored string.  Pure: the rules in their order, each on what the one before made.

A new string is proposed only where this Dovecot's parser takes it; where only a new password helps, that
is said.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import field
from enum import Enum
from pathlib import Path

import msgspec

from mailauth import handed, hashes
from mailauth.errors import UsageError
from mailauth.hashes import Flaw, Hash, Password, bare, origins
from mailauth.hashes.damaged import Fate, Kind, Reader, has_scheme
from mailauth.hashes.foreign import convert
from mailauth.hashes.foreign_found import Found, no
from mailauth.hashes.mend import by_look, mend
from mailauth.hashes.nature import Judged, judged, parsed_by
from mailauth.hashes.sampled import Proofs
from mailauth.hashes.schemes import AS_TEXT, ITSELF
from mailauth.migrate.goal import Goal
from mailauth.records import dataclass


class Action(Enum):
    """What a rule does."""

    PREFIX = "prefix"  # {SCHEME} before a bare hash that has its look
    PREFIX_DEFAULT = "prefix-default"  # the scheme that counts now before what has none
    TRIM = "trim"  # blanks, line ends and NULs at the edges taken away
    RELABEL = "relabel"  # another {SCHEME} before the same hash
    CONVERT = "convert"  # other software's form of a hash that Dovecot has, too
    MEND = "mend"  # any accident that can be undone without loss
    REHASH = "rehash"  # a plaintext made into a hash


class Rule(msgspec.Struct, frozen=True):
    """One rule.  ``schemes``: only these (of the result; for relabel, of the name there now); () for all.

    ``to``: relabel's new name, "" for the one that the hash has by its look; prefix-default's name.
    ``every``: prefix-default's, also what may be several things: it lets in whom it lets in today.
    """

    action: Action
    schemes: tuple[str, ...] = ()
    to: str = ""
    every: bool = False


class RuleFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A TOML file of rules: [[rule]] tables, and [goal] with scheme and parameters for rehash."""

    rule: tuple[Rule, ...] = ()
    goal: dict[str, int | str] = {}


@dataclass(frozen=True, slots=True)
class Wishes:
    """The rules, and who reads the strings.

    ``origin``: whose strings they are where the form leaves that open (hashes/origins.py); "": nobody says.
    ``proofs``: what a sample of known passwords says of them; it counts before the origin.
    ``made``: lengths, in bytes, of which a program made most strings of the column (migrate/column.py).
    """

    rules: tuple[Rule, ...]
    goal: Goal
    reader: Reader
    origin: str = ""
    proofs: Proofs = field(default_factory=Proofs)
    made: frozenset[int] = frozenset()

    def reading(self, stored: bytes) -> Found | None:
        """Dovecot's form of a string whose form leaves it open, or why there is none; None: nobody says."""
        if stored in self.proofs.plain:
            return no("a sample of known passwords", "it is a password as it is")
        return self.proofs.reading(stored) or (origins.reading(stored, self.origin) if self.origin else None)


class Decision(msgspec.Struct, frozen=True):
    """``new`` or ``password`` is there where something is done; ``before`` and ``after`` may be shown."""

    action: Action | None
    before: str
    after: str = ""
    new: bytes | None = None
    password: Password | None = None
    broken: str = ""  # why Dovecot can never match it, where no rule helps
    unsure: str = ""  # what it may be, where nothing is done since that is not known
    then: tuple[Action, ...] = ()  # what other rules did with what the first one made

    @property
    def what(self) -> str:
        """The rules that did something, in words: "trim+prefix"; "" for none."""
        return "+".join(one.value for one in ((self.action, *self.then) if self.action else ()))

    def __repr__(self) -> str:
        return f"Decision({self.action}, {self.before!r}, {self.after!r})"

    @property
    def acts(self) -> bool:
        return self.new is not None or self.password is not None


def load(path: Path) -> RuleFile:
    """Raises UsageError with the place of the mistake."""
    try:
        return msgspec.convert(tomllib.loads(handed.text(path)), RuleFile)
    except OSError as why:
        raise UsageError(f"{path}: cannot be read ({why.strerror}).") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as why:
        raise UsageError(f"{path}: {why}") from None


def decide(stored: bytes, wishes: Wishes) -> Decision:
    """The first rule that fits, and then the others on what it made, each once."""
    seen = judged(stored, wishes.reader)
    found = _first(stored, seen, wishes.rules, wishes) or _trimmed(stored, wishes)
    if found is not None:
        return _further(found, wishes)
    before = _shown(stored, seen, wishes)
    if seen.fate is Fate.LOCKED:
        return Decision(None, "a locked account")
    if unsure := _unsure(stored, seen, wishes):
        return Decision(None, before, unsure=unsure + _refused(stored, wishes))
    broken = seen.damage.detail + _no_prefix(stored, wishes) if seen.damage else ""
    return Decision(None, before, broken=broken)


def _first(stored: bytes, seen: Judged, rules: Sequence[Rule], wishes: Wishes) -> Decision | None:
    tried = (_ACTIONS[rule.action](stored, seen, rule, wishes) for rule in rules)
    return next((found for found in tried if found is not None), None)


def _trimmed(stored: bytes, wishes: Wishes) -> Decision | None:
    """A hash without what is at its edges, which is none to Dovecot before it has its prefix."""
    prefixing = [rule for rule in wishes.rules if rule.action is Action.PREFIX]
    plain = stored.strip(_EDGES)
    if plain == stored or not prefixing or all(rule.action is not Action.TRIM for rule in wishes.rules):
        return None
    found = _first(plain, judged(plain, wishes.reader), prefixing, wishes)
    return found and msgspec.structs.replace(found, action=Action.TRIM, then=(Action.PREFIX,))


def _further(found: Decision, wishes: Wishes) -> Decision:
    """No plaintext is made into a hash that a rule has made just now."""
    while found.new is not None:
        done = {found.action, *found.then, Action.REHASH}
        rules = [rule for rule in wishes.rules if rule.action not in done]
        more = _first(found.new, judged(found.new, wishes.reader), rules, wishes) if rules else None
        if more is None or more.new is None or more.action is None:
            break
        found = msgspec.structs.replace(
            found, after=more.after, new=more.new, then=(*found.then, more.action)
        )
    return found


def _refused(stored: bytes, wishes: Wishes) -> str:
    """Why a string stays as it is though somebody says what it is; "" where no rule was to change it."""
    found = wishes.reading(stored)
    if found is None:
        return ""
    after = parsed_by(wishes.reader, found.dovecot) if found.dovecot else None
    why = after.reason if isinstance(after, Flaw) else found.reason
    return f"; by {found.source}: {why}" if why else ""


def _unsure(stored: bytes, seen: Judged, wishes: Wishes) -> str:
    """What may be several things, so that no rule touches it until somebody says which."""
    if seen.perhaps:
        return ", ".join(dict.fromkeys([*seen.perhaps, "or a password"]))
    if seen.plaintext is not None and len(seen.text) in wishes.made:
        what = f"a program made most strings of {len(seen.text)} characters here"
        return f"another program's hash, or a password ({what})"
    if isinstance(seen.parsed, Hash) or stored[:1] in (b"{", b"$"):
        return ""
    kind = seen.damage.kind if seen.damage else None
    return bare.undecided(stored) or ("a password" if kind is Kind.PLAINTEXT else "")


def _shown(stored: bytes, seen: Judged, wishes: Wishes) -> str:
    if isinstance(seen.parsed, Hash) and stored[:1] == b"{":
        return seen.parsed.shown
    look = by_look(stored)
    if look and look != "DES-CRYPT" and stored[:1] != b"{":
        whole = parsed_by(wishes.reader, b"{%b}%b" % (look.encode(), stored))
        return f"bare {whole.shown if isinstance(whole, Hash) else look}"
    return hashes.shown(stored, default_scheme=wishes.reader.default_scheme)


def _changed(stored: bytes, seen: Judged, rule: Rule, wishes: Wishes, new: bytes) -> Decision | None:
    """Where the new string is another one, and this Dovecot takes it."""
    after = parsed_by(wishes.reader, new)
    if new == stored or isinstance(after, Flaw):
        return None
    if rule.schemes and rule.action is not Action.RELABEL and after.scheme.name not in rule.schemes:
        return None
    return Decision(rule.action, _shown(stored, seen, wishes), after.shown, new)


def _prefix(stored: bytes, seen: Judged, rule: Rule, wishes: Wishes) -> Decision | None:
    if stored[:1] == b"{":
        return None
    if found := wishes.reading(stored):
        return _changed(stored, seen, rule, wishes, found.dovecot) if found.dovecot else None
    look = by_look(stored)
    if not look or (look == "DES-CRYPT" and not _is_des(seen.parsed)):
        return None
    return _changed(stored, seen, rule, wishes, b"{%b}%b" % (look.encode(), stored))


def _no_prefix(stored: bytes, wishes: Wishes) -> str:
    """Why a hash whose form shows its scheme gets no prefix though a rule asks for it; "" for any other."""
    look = by_look(stored) if stored[:1] != b"{" else ""
    if not look or all(rule.action is not Action.PREFIX for rule in wishes.rules):
        return ""
    then = parsed_by(wishes.reader, b"{%b}%b" % (look.encode(), stored))
    return f"; with {{{look}}}: {then.reason}" if isinstance(then, Flaw) else ""


def _is_des(parsed: Hash | Flaw) -> bool:
    """Dovecot takes it for DES already: no guess is made."""
    return isinstance(parsed, Hash) and dict(parsed.params).get("kind") == "DES"


_EDGES = b" \t\r\n\0"


def _prefix_default(stored: bytes, seen: Judged, rule: Rule, wishes: Wishes) -> Decision | None:
    """Nothing changes by it: the same scheme, and the same payload."""
    parsed = seen.parsed
    if not stored or has_scheme(stored):
        return None
    if isinstance(parsed, Flaw):
        return _none_still(stored, rule, wishes) if rule.every else None
    if not parsed.payload:
        return None
    if (seen.perhaps or seen.damage or stored[:1] == b"{") and not rule.every:
        return None
    new = b"{%b}%b" % ((rule.to or wishes.reader.default_scheme).encode(), stored)
    then = parsed_by(wishes.reader, new)
    if isinstance(then, Flaw) or then.payload != parsed.payload or not same_passwords(parsed, then):
        return None
    return _changed(stored, seen, rule, wishes, new)


def _none_still(stored: bytes, rule: Rule, wishes: Wishes) -> Decision | None:
    """What no password matches, so that none does under another default either: a lock, say."""
    new = b"{%b}%b" % ((rule.to or wishes.reader.default_scheme).encode(), stored)
    none = isinstance(parsed_by(wishes.reader, new), Flaw)
    return Decision(rule.action, "no password matches", "none as before", new) if none else None


def _trim(stored: bytes, seen: Judged, rule: Rule, wishes: Wishes) -> Decision | None:
    if isinstance(seen.parsed, Hash) and seen.parsed.scheme.name in AS_TEXT:
        return None  # blanks may be part of the password
    plain = stored.strip(_EDGES)
    after = parsed_by(wishes.reader, plain)
    if isinstance(after, Hash) and after.scheme.name in AS_TEXT:
        return None  # the same, once it has its scheme
    return None if plain == stored else _changed(stored, seen, rule, wishes, plain)


def _relabel(stored: bytes, seen: Judged, rule: Rule, wishes: Wishes) -> Decision | None:
    name, brace, payload = stored[1:].partition(b"}")
    if stored[:1] != b"{" or not brace:
        return None
    have = name.decode("ascii", "replace").upper()
    if rule.schemes and have not in rule.schemes:
        return None
    if rule.to:
        new = b"{%b}%b" % (rule.to.encode(), payload)
        if have == rule.to or not same_passwords(seen.parsed, parsed_by(wishes.reader, new)):
            return None
        return _changed(stored, seen, rule, wishes, new)
    if isinstance(seen.parsed, Hash):
        return None
    mended = mend(stored, dovecot=wishes.reader.dovecot, allow_weak=wishes.reader.allow_weak)
    if mended is None or not mended.stored.endswith(b"}" + payload):
        return None
    return _changed(stored, seen, rule, wishes, mended.stored)


def same_passwords(now: Hash | Flaw, then: Hash | Flaw) -> bool:
    """Whether the same passwords match under another name; what matches none now has nothing to lose."""
    if isinstance(now, Flaw) or isinstance(then, Flaw):
        return isinstance(now, Flaw)
    alike = now.scheme is then.scheme or bool(set(now.scheme.families) & set(then.scheme.families))
    return alike and now.payload == then.payload


def _convert(stored: bytes, seen: Judged, rule: Rule, wishes: Wishes) -> Decision | None:
    if isinstance(seen.parsed, Hash) and (seen.parsed.scheme.name not in AS_TEXT or stored[:1] == b"{"):
        return None
    if said := wishes.reading(stored):
        return _changed(stored, seen, rule, wishes, said.dovecot) if said.dovecot else None
    if isinstance(seen.parsed, Hash) and not (seen.damage or seen.perhaps):
        return None  # a plaintext, where plaintexts are
    found = convert(stored, dovecot=wishes.reader.dovecot, sure=True, origin=wishes.origin or None)
    return _changed(stored, seen, rule, wishes, found.dovecot) if found.dovecot else None


def _mend(stored: bytes, seen: Judged, rule: Rule, wishes: Wishes) -> Decision | None:
    if seen.damage is None or not seen.damage.mendable:
        return None
    mended = mend(stored, dovecot=wishes.reader.dovecot, allow_weak=wishes.reader.allow_weak)
    return _changed(stored, seen, rule, wishes, mended.stored) if mended else None


def _rehash(stored: bytes, seen: Judged, rule: Rule, wishes: Wishes) -> Decision | None:
    password = None if len(seen.text) in wishes.made else seen.plaintext
    password = password or _said_plain(stored, seen, wishes)
    if password is None or (rule.schemes and not _of(seen.parsed, rule.schemes)):
        return None
    scheme = seen.parsed.scheme.name if isinstance(seen.parsed, Hash) else "PLAIN"
    new = f"{{{wishes.goal.scheme}}}"
    if wishes.goal.cuts(password):
        new += f", which reads the first {wishes.goal.reads} bytes of the password"
    return Decision(rule.action, f"{{{scheme}}}...", new, password=password)


def _of(parsed: Hash | Flaw, schemes: tuple[str, ...]) -> bool:
    return isinstance(parsed, Hash) and parsed.scheme.name in schemes


def _said_plain(stored: bytes, seen: Judged, wishes: Wishes) -> Password | None:
    """What somebody says is a password, bare or stored as it is, and nothing in it contradicts."""
    if isinstance(seen.parsed, Hash) and seen.parsed.scheme.name not in ITSELF:
        return None  # a hash that matches, whatever is said
    if seen.fate is Fate.LOCKED or (seen.damage and seen.damage.opens):
        return None
    if stored in wishes.proofs.plain:
        return Password(stored)
    text = bytes(seen.parsed.payload) if stored[:1] == b"{" and isinstance(seen.parsed, Hash) else stored
    if not wishes.origin or text[:1] == b"{" or not origins.is_password(text, wishes.origin):
        return None
    return Password(text)


_ACTIONS = {
    Action.PREFIX: _prefix,
    Action.PREFIX_DEFAULT: _prefix_default,
    Action.TRIM: _trim,
    Action.RELABEL: _relabel,
    Action.CONVERT: _convert,
    Action.MEND: _mend,
    Action.REHASH: _rehash,
}
