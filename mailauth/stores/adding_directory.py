"""Strings put into the entries of a directory that have none: a move into it.

Entries are found as the passdb finds them, by its own base and filter, and must be there: what else an entry
has (its name, its classes, addresses) is in no list of users and strings.  An entry with a string keeps it.
"""

from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from dataclasses import field
from itertools import islice

from mailauth.errors import Refused
from mailauth.records import dataclass
from mailauth.stores import directory_listing, directory_table, directory_verifies
from mailauth.stores.adding import folded
from mailauth.stores.directory_table import DirectorySource, DirectoryTable
from mailauth.stores.libldap import Connection, Entry, LdapError
from mailauth.stores.swaps import Key, Obstacle, Row, Swap, Swapped

NO_ENTRY = "the directory has no entry for it: make the entry first, without a password"
SEVERAL = "the filter finds several entries for it, so that nobody could log in"
OTHER_NAME = "the entry that is found for it has another name"
OTHER_CASE = "the entry that is found for it has the name in other upper and lower case"
HAS_ONE = "the entry that is found for it has a string already"
SHARED = "its entry is that of another user, who is moved"
_PAGE = 500
_MOST_NAMED = 4  # schemes


@dataclass(slots=True)
class DirectoryTarget:
    """One directory.  To be used where Dovecot lives; ``named``: the attribute with the user's name.

    ``first_only``: of its values the first alone is a user.
    """

    table: DirectoryTable
    named: str
    first_only: bool
    width: int | None = None
    whole: bool = False
    _open: ExitStack = field(default_factory=ExitStack)
    _asked: Connection | None = None  # for one user after the other
    _pages: Generator[Row] | None = None
    _shared: set[str] = field(default_factory=set)  # entries of several names, of which one was asked for
    _schemes: Counter[str] = field(default_factory=Counter)

    @property
    def place(self) -> str:
        return self.table.place

    def identity(self) -> str:
        return self.table.identity()

    def obstacles(self) -> Sequence[Obstacle]:
        return self.table.adding()

    def page(self, after: Key | None, size: int) -> Sequence[Row]:
        """Who has a string, by each of the names; one page after the other, from the first on."""
        if after is None or self._pages is None:
            self._pages = self._rows()
        return list(islice(self._pages, size))

    def _rows(self) -> Generator[Row]:
        source, attribute = self.table.source, self.table.attribute.lower()
        wanted = (self.named, self.table.attribute)
        with directory_table.linked(source.directory) as link:
            for entry in link.pages(source.base, source.directory.scope, source.text, wanted, _PAGE):
                if stored := dict(entry.values).get(attribute):
                    for name in self._names(entry):
                        yield Row((entry.name,), name, stored[0])

    def _names(self, entry: Entry) -> list[str]:
        found = dict(entry.values).get(self.named.lower(), ())
        return [one.decode("utf-8", "replace") for one in (found[:1] if self.first_only else found)]

    def key(self, user: str) -> Key | str:
        """Of the one entry that the passdb's filter finds."""
        found = self._found(user)
        if len(found) != 1:
            return SEVERAL if found else NO_ENTRY
        names, [entry] = self._names(found[0]), found
        if user not in names:
            return OTHER_CASE if folded(user) in map(folded, names) else OTHER_NAME
        if dict(entry.values).get(self.table.attribute.lower()):
            return HAS_ONE
        if len(names) > 1:
            if entry.name in self._shared:
                return SHARED
            self._shared.add(entry.name)
        return (entry.name,)

    def _found(self, user: str) -> list[Entry]:
        directory = self.table.source.directory
        base, text = self.table.source.asked_for(user)
        wanted = (self.named, self.table.attribute)
        if self._asked is None:
            self._asked = self._open.enter_context(directory_table.linked(directory))
        try:
            return list(islice(self._asked.pages(base, directory.scope, text, wanted, _PAGE), 2))
        except LdapError as why:
            raise directory_table.refusal(directory, why) from None

    def form(self, new: bytes) -> bytes:
        """As whoever verifies there has it."""
        if not self.table.source.verifies:
            return new
        return directory_verifies.in_its_form(new)[0] or new

    def unfit(self, new: bytes) -> str:
        """Of a string in its form."""
        if not self.table.source.verifies or directory_verifies.is_known(new):
            return ""
        return f"slapd, which verifies it there, cannot: {directory_verifies.in_its_form(new)[1]}"

    def refused(self, swaps: Sequence[Swap]) -> Sequence[tuple[Key, str]]:
        found = self.table.refused(swaps)
        self._schemes.update(
            directory_verifies.scheme_of(one.new) for one in swaps if one.row.key not in found
        )
        return tuple(found.items())

    def notes(self) -> Sequence[str]:
        """Of those whom ``refused`` was asked about, and who are not."""
        if not self.table.source.verifies:
            return self._unknown_to_it()
        needed: Counter[str] = Counter()
        for scheme, rows in self._schemes.items():
            needed[directory_verifies.needs(f"{{{scheme}}}".encode())] += rows
        return [
            f"slapd verifies {rows} of the strings only with {what}, which cannot be seen from here: log in"
            " as one of these users before you rely on it"
            for what, rows in needed.items()
            if what
        ]

    def _unknown_to_it(self) -> list[str]:
        unknown = {
            scheme: rows for scheme, rows in self._schemes.items() if not directory_verifies.by_itself(scheme)
        }
        if not unknown or self.table.attribute.lower() != directory_verifies.ATTRIBUTE.lower():
            return []
        some = ", ".join(f"{{{one}}}" for one in sorted(unknown)[:_MOST_NAMED])
        says = (
            "Dovecot verifies all of the strings itself; slapd by itself does not know the scheme of"
            f" {sum(unknown.values())} ({some}), so programs that bind as these users are refused"
        )
        return [says]

    def now(self, keys: Sequence[Key]) -> Sequence[Row]:
        """Of the entries with a string; one beside others is no string of ours."""
        return [row for row, count in self._held(keys) if count]

    def _held(self, keys: Sequence[Key]) -> list[tuple[Row, int]]:
        held = self.table.values(keys)
        return [
            (Row(key, str(key[0]), found[0] if len(found) == 1 else None), len(found))
            for key in keys
            if (found := held.get(key)) is not None
        ]

    def add(self, swaps: Sequence[Swap]) -> Swapped:
        return self.table.swap(swaps)

    def remove(self, swaps: Sequence[Swap]) -> Swapped:
        now = {row.key: row for row, count in self._held([one.row.key for one in swaps]) if count}
        there = [one for one in swaps if one.row.key in now]
        ours = [one for one in there if now[one.row.key].stored == one.new]
        done = self.table.swap([Swap(now[one.row.key], b"", null=True) for one in ours])
        changed = frozenset(one.row.key for one in there) - frozenset(one.row.key for one in ours)
        return done | Swapped(frozenset(), changed)

    def close(self) -> None:
        if self._pages is not None:
            self._pages.close()
        self._open.close()
        self.table.close()


def opened(source: DirectorySource) -> DirectoryTarget:
    """Raises Refused where it cannot be told what to write, or the server refuses us; CannotObserve."""
    named, first_only = directory_listing.name_of(source)
    found = directory_table.opened(source)
    if source.verifies and not found.is_slapd:
        raise Refused(
            f"{found.place}: this server verifies passwords itself, and is not slapd: mailauth does not know"
            " which strings it takes."
        )
    return DirectoryTarget(found, named, first_only)
