"""Exchange values of many entries, some at a time: read, modify, read again.

What was read back counts: a server may make another value of what it was given, and others write, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import field

from mailauth.records import dataclass
from mailauth.stores import dry_run, password_policy
from mailauth.stores.directed import LOCKED_SINCE
from mailauth.stores.libldap import CONNECT_ERROR, SERVER_DOWN, TIMEOUT, Connection, LdapError, Reply
from mailauth.stores.swaps import Key, Swap, Swapped

_SECONDS = 60  # for each answer
_AT_ONCE = 50  # requests that a server has at a time; slapd's conn_max_pending_auth is 1000
_NO_OBJECT = 32
CHANGED = (16, _NO_OBJECT)
"""noSuchAttribute, noSuchObject: the value, or the entry, is not there any more."""
NO_ANSWER = (SERVER_DOWN, TIMEOUT, CONNECT_ERROR, 51, 52)
"""libldap's own, busy and unavailable: RFC 4511 appendix A.1."""
_THERE = 20  # attributeOrValueExists
_MOST_WORDS = 1000  # characters of what a server says
MADE_OTHER = "the directory holds another value than was written (an overlay such as ppolicy, another writer)"
_IN_ANOTHER_ORDER = (
    "the directory put another value of the entry first, which Dovecot would take, so the old ones were put"
    " back"
)
_IS_THERE = "the entry has the new string already, as another of its values"
MAKES_OTHER = "the directory makes another string of a new one (an overlay such as ppolicy_hash_cleartext)"
_NOT_TRIED = f"not tried, since {MAKES_OTHER}"


def words(says: str) -> str:
    return says[:_MOST_WORDS]


def read(link: Connection, names: Sequence[str], attribute: str) -> dict[str, tuple[bytes, ...]]:
    """The values by the entry's name; those that are gone, or hidden, are left out.  Raises LdapError."""
    found: dict[str, tuple[bytes, ...]] = {}
    for at in range(0, len(names), _AT_ONCE):
        some = names[at : at + _AT_ONCE]
        numbers = [link.send_read(name, attribute) for name in some]
        for name, number in zip(some, numbers, strict=True):
            reply = link.reply(number, _SECONDS, attribute)
            if reply.code not in (0, _NO_OBJECT):
                raise LdapError(reply.code, reply.says)
            if reply.entries:
                found[name] = dict(reply.entries[0].values).get(attribute.lower(), ())
    return found


@dataclass(slots=True)
class Writing:
    """One batch.  ``trial``: the first exchange is tried before it is made.  ``stop``: why no more are.

    ``policy``: the server has a password policy, which would unlock who is locked.
    """

    link: Connection
    attribute: str
    trial: bool
    policy: bool = False
    stop: str = ""
    _tried: bool = field(default=False)

    def all(self, swaps: Sequence[Swap]) -> Swapped:
        """Raises LdapError where the server does not answer; what was done until then stays done."""
        done, at = Swapped(frozenset()), 0
        while at < len(swaps) and not self.stop:
            size = _AT_ONCE if self.trial or self._tried else 1
            done |= self._some(swaps[at : at + size])
            at += size
        left = tuple((one.row.key, _NOT_TRIED) for one in swaps[at:])
        return done | Swapped(frozenset(), left=left)

    def _some(self, swaps: Sequence[Swap]) -> Swapped:
        held = self._held(swaps) if self.policy else {}
        done = self._exchanged([one for one in swaps if one.row.key not in held])
        return done | Swapped(frozenset(), left=tuple(held.items()))

    def _held(self, swaps: Sequence[Swap]) -> dict[Key, str]:
        """Entries that are left alone, and why."""
        names = [_name(one) for one in swaps]
        marks = {one: read(self.link, names, one) for one in (LOCKED_SINCE, password_policy.RESET)}
        told = {}
        for one in swaps:
            values = {mark: found.get(_name(one), ()) for mark, found in marks.items()}
            told[one.row.key] = password_policy.held(values)
        return {key: why for key, why in told.items() if why}

    def _exchanged(self, swaps: Sequence[Swap]) -> Swapped:
        before = read(self.link, [_name(one) for one in swaps], self.attribute)
        ready = [one for one in swaps if _as_read(one, before.get(_name(one)))]
        changed = frozenset(one.row.key for one in swaps) - {one.row.key for one in ready}
        pairs = {one.row.key: (before[_name(one)], _after(one, before[_name(one)])) for one in ready}
        if self.trial and not self._tried and ready and self._is_made_other(ready[0], pairs):
            return Swapped(frozenset(), changed, left=tuple((one.row.key, _NOT_TRIED) for one in ready))
        numbers = [self.link.send_exchange(_name(one), self.attribute, pairs[one.row.key]) for one in ready]
        replies = [self.link.reply(number, _SECONDS, self.attribute) for number in numbers]
        told = {one.row.key: reply for one, reply in zip(ready, replies, strict=True)}
        gone = frozenset(key for key, reply in told.items() if reply.code in CHANGED)
        refused = {key: _why(reply, pairs[key]) for key, reply in told.items() if reply.code}
        made = [one for one in ready if one.row.key not in refused]
        left = {key: why for key, why in refused.items() if key not in gone}
        not_kept = self._not_kept(made, pairs)
        if not (self.trial or self._tried) and MADE_OTHER in not_kept.values():
            self.stop = MAKES_OTHER
        self._tried = self._tried or bool(made)
        written = frozenset(one.row.key for one in made) - not_kept.keys()
        return Swapped(written, changed | gone, left=tuple((left | not_kept).items()))

    def _is_made_other(self, one: Swap, pairs: "_Pairs") -> bool:
        """Whether the server would store another string; what else it says is said of each entry."""
        pair = pairs[one.row.key]
        done = dry_run.exchange(self.link, _name(one), self.attribute, pair, _SECONDS)
        self._tried = True
        self.stop = MAKES_OTHER if done.made_other else ""
        return done.made_other

    def _not_kept(self, made: Sequence[Swap], pairs: "_Pairs") -> dict[Key, str]:
        now = read(self.link, [_name(one) for one in made], self.attribute)
        found: dict[Key, str] = {}
        for one in made:
            old, new = pairs[one.row.key]
            values = now.get(_name(one), ())
            if values[:1] == new[:1] and (new or not values):
                continue
            if values and set(values) == set(new):
                number = self.link.send_exchange(_name(one), self.attribute, (values, old))
                self.link.reply(number, _SECONDS, self.attribute)
                found[one.row.key] = _IN_ANOTHER_ORDER
            else:
                found[one.row.key] = MADE_OTHER
        return found


_Pairs = Mapping[Key, tuple[tuple[bytes, ...], tuple[bytes, ...]]]
"""The values that an entry has, and those that it is to have."""


def _name(one: Swap) -> str:
    return str(one.row.key[0])


def _as_read(one: Swap, values: tuple[bytes, ...] | None) -> bool:
    if values is None:
        return False
    return values[0] == one.row.stored if values else one.row.stored is None


def _after(one: Swap, values: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The others stay, and stay behind it."""
    return (*(() if one.null else (one.new,)), *values[1:])


def _why(reply: Reply, pair: tuple[Sequence[bytes], Sequence[bytes]]) -> str:
    if reply.code == _THERE:
        return _IS_THERE
    says = words(reply.says)
    for secret in (*pair[0], *pair[1]):  # a server may repeat what it was given
        says = says.replace(secret.decode("utf-8", "replace"), "...") if secret else says
    return f"the directory refuses it: {says} ({reply.code})"
