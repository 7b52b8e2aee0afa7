"""The same report without names: users, hosts and addresses become placeholders, each always the same one.

What is replaced: the user names that were seen, wherever they stand as a word; what looks like a mail
address, a host name or an IP address.  Loopback and wildcard addresses stay: they tell of nobody.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import field, fields, is_dataclass, replace
from ipaddress import ip_address
from typing import Any

from mailauth.evidence import (
    CacheAnswer,
    Configured,
    End,
    Fact,
    LogStream,
    NearName,
    PassdbAnswer,
    UserdbAnswer,
    UserName,
)
from mailauth.records import dataclass
from mailauth.render.html import Page
from mailauth.stores.rows import HashClass, Survey

# Where evidence holds the name of a user.
_NAMES: dict[type, tuple[str, ...]] = {
    CacheAnswer: ("user",),
    End: ("user",),
    HashClass: ("users",),
    LogStream: ("user",),
    NearName: ("name", "wanted"),
    PassdbAnswer: ("user",),
    Survey: ("twice",),
    UserName: ("given", "looked_up", "requested"),
    UserdbAnswer: ("user",),
}
# Fields of the report whose words are mailauth's own, whatever users are called.
_OWN = frozenset({
    "began", "bites", "certainty", "code", "dialect", "dovecot", "driver", "fate", "kind", "mailauth", "made",
    "missing", "mode", "part", "scheme", "service", "severity", "silent", "strength", "title", "way",
})  # fmt: skip
_PLAIN_HOSTS = frozenset({"", "localhost", "mail", "imap", "smtp", "mx", "dovecot", "server"})
# A name with a dot that ends so is a file's, a unit's or a schema's.
_FILES = (
    "cf|cnf|conf|cpp|crt|csv|db|deb|ext|gz|html|js|json|key|log|pem|pid|py|service|sh|so|sock|socket|sql"
    "|sqlite|sqlite3|sys|tar|timer|tmp|txt|xml|yaml|yml"
)
_KNOWN = re.compile(
    r"(?P<variable>%\{[^{}]*\})"
    r"|(?P<version>Dovecot [0-9]+(?:\.[0-9]+)+)"
    r"|(?P<mail>(?<![\w.+%=-])[\w.+%=-]+@(?:[\w-]+\.)*[\w-]+)"
    r"|(?P<address>(?<![\w.:])(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![\w]|\.[0-9])"
    r"|(?=[0-9A-Fa-f]*:[0-9A-Fa-f]*:)[0-9A-Fa-f:]+(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3})?(?!\w|\.[0-9])))"
    rf"|(?P<host>(?<![\w-])(?<!\w\.)(?:[A-Za-z0-9_](?:[\w-]*\w)?\.)+(?!(?:{_FILES})\b)[A-Za-z]{{2,24}}(?![\w-]|\.\w))"
)


def user_names(facts: Iterable[Fact]) -> Iterator[str]:
    """Every user whom the facts name."""
    for fact in facts:
        if not isinstance(fact, Configured):
            yield from _named(fact)


def _named(value: Any) -> Iterator[str]:
    if isinstance(value, tuple | list):
        for one in value:
            yield from _named(one)
    elif is_dataclass(value) and not isinstance(value, type):
        for name in _NAMES.get(type(value), ()):
            held = getattr(value, name)
            yield from (held,) if isinstance(held, str) else held
        for each in fields(value):
            yield from _named(getattr(value, each.name))


def anonymous(page: Page, users: Iterable[str], hosts: Iterable[str]) -> Page:
    """The page without names.  ``hosts``: names of this machine, which no pattern tells from other words."""
    masks = _Masks(users, hosts)
    hidden: Page = _walk(page, "", masks)
    return replace(hidden, anonymous=True)


def _walk(value: Any, name: str, masks: "_Masks") -> Any:
    if isinstance(value, str):
        return value if name in _OWN else masks.hide(value)
    if isinstance(value, list | tuple):
        return type(value)(_walk(one, name, masks) for one in value)
    if isinstance(value, dict):
        return {key: _walk(one, name, masks) for key, one in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: _walk(getattr(value, f.name), f.name, masks) for f in fields(value)})
    return value


@dataclass(frozen=True, slots=True)
class _Numbers:
    """The placeholders of one sort, in the order of first sight."""

    sort: str
    given: dict[str, int] = field(default_factory=dict)

    def of(self, name: str) -> str:
        return f"{self.sort}-{self.given.setdefault(name.casefold(), len(self.given) + 1)}"


class _Masks:
    """What stands for which name."""

    def __init__(self, users: Iterable[str], hosts: Iterable[str]) -> None:
        self._users, self._hosts, self._addresses = _Numbers("user"), _Numbers("host"), _Numbers("address")
        self._own_hosts = {host.casefold() for host in hosts} - _PLAIN_HOSTS
        names: set[str] = set()
        for user in users:
            names |= {user, user.partition("@")[0], repr(user)[1:-1]}
        self._full = {user.casefold() for user in names if user}
        words = sorted(self._full | self._own_hosts, key=lambda word: (-len(word), word))
        either = "|".join(re.escape(word) for word in words)
        self._words = re.compile(rf"(?<![\w@])(?:{either})(?![\w@])", re.IGNORECASE) if words else None

    def hide(self, text: str) -> str:
        """The text without names."""
        parts: list[str] = []
        last = 0
        for found in self._words.finditer(text) if self._words else ():
            parts += [_KNOWN.sub(self._known, text[last : found.start()]), self._word(found[0])]
            last = found.end()
        return "".join([*parts, _KNOWN.sub(self._known, text[last:])])

    def _word(self, word: str) -> str:
        if word.casefold() not in self._full:
            return self._hosts.of(word)
        local, at, domain = word.partition("@")
        return f"{self._users.of(local)}@{self._hosts.of(domain)}" if at else self._users.of(word)

    def _known(self, found: re.Match[str]) -> str:
        text = found[0]
        match found.lastgroup:
            case "mail":
                local, _, domain = text.partition("@")
                return f"{self._users.of(local)}@{self._hosts.of(domain)}"
            case "address":
                return self._address(text)
            case "host":
                return self._hosts.of(text)
        return text

    def _address(self, text: str) -> str:
        shown = text if text.endswith("::") else text.rstrip(":")  # "2001:db8::1: refused"
        try:
            address = ip_address(shown)
        except ValueError:
            return text  # a time of day
        if address.is_loopback or address.is_unspecified:
            return text
        return self._addresses.of(str(address)) + text[len(shown) :]
