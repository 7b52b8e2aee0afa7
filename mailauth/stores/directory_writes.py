"""Exchange values of many entries, some at a time: read, modify, read again.

What was read back counts: a server may make another value of what it was given, and others write, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import field

from mailauth.hashes import Password, Verdict, verify
from mailauth.records import dataclass
from mailauth.stores import dry_run, password_policy
from mailauth.stores.directed import LOCKED_SINCE
from mailauth.stores.libldap import CONNECT_ERROR, SERVER_DOWN, TIMEOUT, Connection, LdapError, Reply
from mailauth.stores.swaps import Key, Swap, Swapped

_SECONDS = 60  # for each answer
_AT_ONCE = 50  # requests that a server has at a time; slapd's conn_max_pending_auth is 1000
_NO_OBJECT = 32
_ASSERTION = "1.3.6.1.1.12"  # RFC 4528; slapd lists it
ASSERTION_FAILED = 122
CHANGED = (16, _NO_OBJECT, ASSERTION_FAILED)
"""noSuchAttribute, noSuchObject: the value, or the entry, is not there any more; or there is one now."""
NO_ANSWER = (SERVER_DOWN, TIMEOUT, CONNECT_ERROR, 51, 52)
"""libldap's own, busy and unavailable: RFC 4511 appendix A.1."""
_THERE = 20  # attributeOrValueExists
_MOST_WORDS = 1000  # characters of what a server says
MADE_OTHER = "the directory holds another value than was written (an overlay such as ppolicy, another writer)"
_IN_ANOTHER_ORDER = (
    "the directory put another value of the entry first, which Dovecot would take, so the old ones were put"
    " back"
)
_THEIRS_TOO = (
    "somebody else gave the entry a string meanwhile, or it has one that cannot be read; the new one was"
    " taken away again"
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


def asserts(link: Connection) -> bool:
    """Whether the server makes a change only where something holds (RFC 4528).  Raises LdapError."""
    _, root = link.search("", "base", "(objectClass=*)", ("supportedControl",), most=1)
    return _ASSERTION.encode() in dict(root.values).get("supportedcontrol", ())


def absent(attribute: str) -> tuple[str, bytes]:
    """The control for a change to be made only where the entry has no such attribute, as far as we see.

    Its value is the filter (!(ATTRIBUTE=*)) in BER: RFC 4511 section 4.5.1, not [2] of present [7].
    """
    name = attribute.encode()
    return _ASSERTION, bytes([0xA2, len(name) + 2, 0x87, len(name)]) + name


def held(link: Connection, swaps: Sequence[Swap]) -> dict[Key, str]:
    """Entries that a password policy has us leave alone, and why.  Raises LdapError."""
    names = [_name(one) for one in swaps]
    marks = {one: read(link, names, one) for one in (LOCKED_SINCE, password_policy.RESET)}
    told = {}
    for one in swaps:
        values = {mark: found.get(_name(one), ()) for mark, found in marks.items()}
        told[one.row.key] = password_policy.held(values)
    return {key: why for key, why in told.items() if why}


@dataclass(slots=True)
class Writing:
    """One batch.  ``trial``: the first exchange is tried before it is made.  ``stop``: why no more are.

    ``policy``: the server has a password policy, which would unlock who is locked.  ``asserts``: it makes a
    change only where something holds, so that nobody gets a string beside one that came meanwhile.
    """

    link: Connection
    attribute: str
    trial: bool
    policy: bool = False
    asserts: bool = False
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
        alone = held(self.link, swaps) if self.policy else {}
        done = self._exchanged([one for one in swaps if one.row.key not in alone])
        return done | Swapped(frozenset(), left=tuple(alone.items()))

    def _exchanged(self, swaps: Sequence[Swap]) -> Swapped:
        before = read(self.link, [_name(one) for one in swaps], self.attribute)
        ready = [one for one in swaps if _as_read(one, before.get(_name(one)))]
        changed = frozenset(one.row.key for one in swaps) - {one.row.key for one in ready}
        pairs = {one.row.key: (before[_name(one)], _after(one, before[_name(one)])) for one in ready}
        if self.trial and not self._tried and ready and self._is_made_other(ready[0], pairs):
            return Swapped(frozenset(), changed, left=tuple((one.row.key, _NOT_TRIED) for one in ready))
        numbers = [self._sent(_name(one), pairs[one.row.key]) for one in ready]
        replies = [self.link.reply(number, _SECONDS, self.attribute) for number in numbers]
        told = {one.row.key: reply for one, reply in zip(ready, replies, strict=True)}
        gone = frozenset(key for key, reply in told.items() if reply.code in CHANGED)
        refused = {key: why(reply, pairs[key]) for key, reply in told.items() if reply.code}
        made = [one for one in ready if one.row.key not in refused]
        left = {key: says for key, says in refused.items() if key not in gone}
        not_kept = self._not_kept(made, pairs)
        if not (self.trial or self._tried) and MADE_OTHER in not_kept.values():
            self.stop = MAKES_OTHER
        self._tried = self._tried or bool(made)
        written = frozenset(one.row.key for one in made) - not_kept.keys()
        return Swapped(written, changed | gone, left=tuple((left | not_kept).items()))

    def _sent(self, name: str, pair: "_Pair") -> int:
        controls = (absent(self.attribute),) if self.asserts and not pair[0] else ()
        return self.link.send_exchange(name, self.attribute, pair, controls)

    def _back(self, name: str, now: Sequence[bytes], old: Sequence[bytes]) -> None:
        """Exchange what we have just put there; where it is not there any more, nothing is done."""
        number = self.link.send_exchange(name, self.attribute, (now, old))
        self.link.reply(number, _SECONDS, self.attribute)

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
            alone = bool(old) or len(values) == len(new)
            if values[:1] == new[:1] and (new or not values) and alone:
                continue
            if not old and new and (not values or new[0] in values):
                self._back(_name(one), new, ())
                found[one.row.key] = _THEIRS_TOO
            elif not old and new and _made_of(values, new[0]):
                self._back(_name(one), values, ())
                found[one.row.key] = MADE_OTHER
            elif values and set(values) == set(new):
                self._back(_name(one), values, old)
                found[one.row.key] = _IN_ANOTHER_ORDER
            else:
                found[one.row.key] = MADE_OTHER
        return found


_Pair = tuple[tuple[bytes, ...], tuple[bytes, ...]]
"""The values that an entry has, and those that it is to have."""
_Pairs = Mapping[Key, _Pair]


def _made_of(values: Sequence[bytes], new: bytes) -> bool:
    """Whether the server has taken the new string for a password, and hashed it."""
    return len(values) == 1 and verify(values[0], Password(new)).verdict is Verdict.MATCH


def _name(one: Swap) -> str:
    return str(one.row.key[0])


def _as_read(one: Swap, values: tuple[bytes, ...] | None) -> bool:
    if values is None:
        return False
    return values[0] == one.row.stored if values else one.row.stored is None


def _after(one: Swap, values: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The others stay, and stay behind it."""
    return (*(() if one.null else (one.new,)), *values[1:])


def why(reply: Reply, pair: tuple[Sequence[bytes], Sequence[bytes]]) -> str:
    if reply.code == _THERE:
        return _IS_THERE
    says = words(reply.says)
    for secret in (*pair[0], *pair[1]):  # a server may repeat what it was given
        says = says.replace(secret.decode("utf-8", "replace"), "...") if secret else says
    return f"the directory refuses it: {says} ({reply.code})"
