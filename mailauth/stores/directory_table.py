"""A directory's entries as a table: read page by page, and changed by compare-and-set.

A key is the name of an entry.  Its stored string is the first value of the attribute, the one that counts
for Dovecot.  One modification deletes the values that were seen and adds them again with the new one in its
place: a server makes it as a whole or not at all, and not where one of them is not there any more.

Source: RFC 4511, 4.6; RFC 2696.
"""

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import chdir, contextmanager
from dataclasses import field
from itertools import islice

from mailauth.dovecot import entryfields
from mailauth.dovecot.ldap_settings import Directory, escape
from mailauth.dovecot.variables import ExpandError, filled_with, values
from mailauth.dovecot.version import Version
from mailauth.errors import CannotObserve, Refused
from mailauth.records import dataclass
from mailauth.stores import (
    directory_rows,
    directory_verifies,
    directory_writes,
    dry_run,
    libldap,
    password_policy,
)
from mailauth.stores.libldap import Connection, Entry, LdapError, Reply
from mailauth.stores.swaps import Key, Obstacle, Row, Swap, Swapped

_SECONDS = 60  # for each answer
_MOST = 1800.0  # seconds that a batch may take, whatever the server says
_PAGE = 500
_SIZE_LIMIT = 4
_TRIES = 3  # of an entry that others change
_INSUFFICIENT, _UNWILLING = 50, 53  # insufficientAccessRights, unwillingToPerform: RFC 4511 appendix A.1
_LIKE_A_HASH = b"{SHA512-CRYPT}$6$mailauth.tries$" + b"." * 86
_BOUND = (
    "programs that bind to this directory as a user have the directory verify {attribute}, and it may not"
    " know the schemes that Dovecot knows: try one user of theirs first"
)
_NO_DRY_RUN = (
    "this server makes no trial of a change (slapd's no-op control), so whether it takes the new strings is"
    " seen at the first entry, and apply stops where it makes another string of that"
)
NO_TRIAL = (
    "this server makes no trial of a change (slapd's no-op control): should it make another string of a new"
    " one, the first user to log in would be locked out"
)


@dataclass(frozen=True, slots=True)
class DirectorySource:
    """A directory as whoever may write there asks it; ``base`` and ``text`` find all of its users.

    ``verifies``: the directory itself does, when somebody binds, and Dovecot does not read the strings.
    """

    directory: Directory
    base: str
    text: str
    version: Version
    verifies: bool = False

    def asked_for(self, user: str) -> tuple[str, str]:
        """The base and the filter with which the passdb finds this user.  Raises Refused."""
        known = values(user, original=user, service="imap", dialect=self.version.dialect)
        filled = filled_with(known, self.version)
        try:
            return filled(self.directory.base, escape), filled(self.directory.filter, escape)
        except ExpandError as why:
            raise Refused(f"{self.directory.place}: {why}.") from None

    @property
    def attribute(self) -> str:
        """The one that is the password as it is.  Raises Refused."""
        if self.verifies:
            return directory_verifies.ATTRIBUTE
        named = [one for one in self.directory.fields if one.name in entryfields.PASSWORDS]
        if len(named) == 1 and named[0].name == "password" and (found := entryfields.alone(named[0])):
            return found
        raise Refused(
            f"{self.directory.place}: the password is not one attribute of the entry as it is, so mailauth"
            " cannot tell what to write."
        )


@dataclass(slots=True)
class DirectoryTable:
    """One directory.  To be used where Dovecot lives."""

    source: DirectorySource
    attribute: str
    place: str
    _identity: str
    _dry: bool  # whether the server can try a change
    _policy: bool  # whether it is slapd with a password policy
    _asserts: bool  # whether it can see to it that nothing is there before a change
    width: int | None = None
    apart: bool = False
    _pages: Generator[Row] | None = None
    _last: Key | None = None
    _stop: str = field(default="")  # why nothing more is written

    def identity(self) -> str:
        return self._identity

    def count(self) -> int:
        with self._linked() as link:
            return sum(1 for _ in link.pages(*self._everybody(), (), _PAGE))

    def unsortable(self) -> str:
        """A reason why it cannot be read page by page: none."""
        return ""

    def page(self, after: Key | None, size: int) -> Sequence[Row]:
        """Pages are asked for one after the other: a directory has no order to go on in."""
        if after is None:
            self.close()
            self._pages = self._rows()
        elif after != self._last or self._pages is None:
            raise Refused(f"{self.place}: its entries can be read from the first one on only.")
        found = list(islice(self._pages, size))
        self._last = found[-1].key if found else None
        return found

    def _rows(self) -> Generator[Row]:
        make = directory_rows.made_of(self.source.directory, self.source.version)
        wanted = entryfields.attributes(self.source.directory.fields)
        with self._linked() as link:
            for entry in link.pages(*self._everybody(), wanted, _PAGE):
                yield self._row(entry, make(entry)[1] or entry.name)

    def _row(self, entry: Entry, user: str) -> Row:
        found = dict(entry.values).get(self.attribute.lower(), ())
        return Row((entry.name,), _shown(user), found[0] if found else None)

    def now(self, keys: Sequence[Key]) -> Sequence[Row]:
        return [
            Row(key, _shown(str(key[0])), found[0] if found else None)
            for key, found in self.values(keys).items()
        ]

    def values(self, keys: Sequence[Key]) -> dict[Key, tuple[bytes, ...]]:
        """All strings of each entry; those that are gone are left out."""
        with self._linked() as link, link.ending(_MOST):
            there = directory_writes.read(link, [str(key[0]) for key in keys], self.attribute)
        return {key: found for key in keys if (found := there.get(str(key[0]))) is not None}

    @property
    def is_slapd(self) -> bool:
        return self._dry

    def of_users(self, users: Sequence[str]) -> Sequence[Row]:
        scope = self.source.directory.scope
        found: list[Row] = []
        with self._linked() as link:
            for user in users:
                base, text = self.source.asked_for(user)
                entries = link.pages(base, scope, text, (self.attribute,), _PAGE)
                found += [self._row(entry, user) for entry in entries]
        return found

    def obstacles(self, *, batches: bool = True) -> Sequence[Obstacle]:
        common = self.attribute.lower() == password_policy.ATTRIBUTE
        found = [Obstacle(_BOUND.format(attribute=self.attribute))] if common else []
        if not self._dry:
            return [*found, Obstacle(_NO_DRY_RUN) if batches else Obstacle(NO_TRIAL, stops=True)]
        with self._linked() as link, link.ending(_MOST):
            says = self._refusing(link)
            if self._policy:
                found += password_policy.obstacles(link, self.source.base)
        return [Obstacle(says, stops=True), *found] if says else found

    def refused(self, swaps: Sequence[Swap]) -> dict[Key, str]:
        """Entries without a string that would not take the new one, and why: each is tried, and none written.

        Nothing of a server that makes no trial.
        """
        if not self._dry:
            return {}
        with self._linked() as link, link.ending(_MOST):
            found = directory_writes.held(link, swaps) if self._policy else {}
            for one in swaps:
                if one.row.key not in found and (says := self._tried(link, one)):
                    found[one.row.key] = says
        return found

    def _tried(self, link: Connection, one: Swap) -> str:
        pair = ((), (one.new,))
        controls = [directory_writes.absent(self.attribute)] if self._asserts else []
        done = dry_run.exchange(link, str(one.row.key[0]), self.attribute, pair, _SECONDS, controls)
        if done.code in directory_writes.CHANGED:
            return f"the entry is gone, or has a string that {self._who} may not read"
        if done.code:
            return directory_writes.why(Reply(done.code, done.says), pair)
        return directory_writes.MAKES_OTHER if done.made_other else ""

    @property
    def _who(self) -> str:
        return self.source.directory.name or "anonymous"

    def adding(self) -> Sequence[Obstacle]:
        """What to know before strings are put where none are; what stops one of them, ``refused`` says."""
        if not self._dry:
            return (Obstacle(_NO_DRY_RUN),)
        with self._linked() as link:
            return tuple(password_policy.obstacles(link, self.source.base)) if self._policy else ()

    def _refusing(self, link: Connection) -> str:
        """Why the server would not exchange the string of the first entry that has one; "" where it would."""
        directory, attribute = self.source.directory, self.attribute
        with_one = f"(&{_bracketed(self.source.text)}({attribute}=*))"
        for _ in range(_TRIES):
            count, entry = link.search(self.source.base, directory.scope, with_one, (attribute,), most=1)
            before = dict(entry.values).get(attribute.lower(), ())
            if not count or not before:
                return ""
            after = (_LIKE_A_HASH, *before[1:])
            done = dry_run.exchange(link, entry.name, attribute, (before, after), _SECONDS)
            if done.code not in directory_writes.CHANGED:
                break
        else:
            return ""
        if not done.code:
            return directory_writes.MAKES_OTHER if done.made_other else ""
        more = ": give a name that may, with --bind-dn" if done.code == _INSUFFICIENT else ""
        if self._policy and done.code == _UNWILLING:
            more = ": where a password policy (ppolicy) counts, the database's rootdn alone may"
        return f"{self._who} may not exchange {attribute}: the server says {done.says!r} ({done.code}){more}"

    def swap(self, swaps: Sequence[Swap]) -> Swapped:
        if self._stop:
            raise Refused(f"{self.place}: {self._stop}; stopped.")
        with self._linked() as link:
            work = directory_writes.Writing(
                link, self.attribute, trial=self._dry, policy=self._policy, asserts=self._asserts
            )
            with link.ending(_MOST):
                done = work.all(swaps)
        self._stop = work.stop
        return done

    def close(self) -> None:
        """The pages' connection; others are closed when they have done their work."""
        if self._pages is not None:
            self._pages.close()
            self._pages = None

    def _everybody(self) -> tuple[str, str, str]:
        return self.source.base, self.source.directory.scope, self.source.text

    @contextmanager
    def _linked(self) -> Iterator[Connection]:
        with linked(self.source.directory) as link:
            yield link


def prepare() -> None:
    """Load the library: before entering a root where it cannot be found.  Raises CannotObserve."""
    directory_rows.prepare()


def opened(source: DirectorySource) -> DirectoryTable:
    """Raises Refused where it cannot be told what to write, or the server refuses us; CannotObserve."""
    attribute, directory = source.attribute, source.directory
    begin(directory)
    with linked(directory) as link:
        _, base = link.search(source.base, "base", "(objectClass=*)", ("entryUUID",), most=1)
        dry = dry_run.possible(link)
        asserts = directory_writes.asserts(link)
        policy = dry and attribute.lower() == password_policy.ATTRIBUTE and password_policy.there(link)
    known = dict(base.values).get("entryuuid", ())
    which = f"entryUUID {known[0].decode('ascii', 'replace')}" if known else directory.uris
    identity = f"directory {which}, {source.base}, {attribute}"
    place = f"{attribute} below {source.base}, at {directory.uris}"
    return DirectoryTable(source, attribute, place, identity, dry, policy, asserts)


def begin(directory: Directory) -> None:
    """Let libldap read its settings: once, as Dovecot's own does, and not from our home or folder."""
    library = libldap.load()
    if library is None or not directory.uris:
        raise CannotObserve(f"{directory.place}: no server is named.")
    ours = dict(os.environ)
    try:
        os.environ.clear()
        os.environ.update(directory.environment)
        with chdir("/"), libldap.connected(library, directory.uris, directory.deref, (), _SECONDS):
            pass
    except LdapError as why:
        raise CannotObserve(f"{directory.uris}: {why.says}.") from None
    finally:
        os.environ.clear()
        os.environ.update(ours)


@contextmanager
def linked(directory: Directory) -> Iterator[Connection]:
    """Bound.  Raises CannotObserve where there is no answer, Refused where the server says no."""
    library = libldap.load()
    assert library
    try:
        with libldap.connected(library, directory.uris, directory.deref, directory.tls, _SECONDS) as link:
            if directory.starttls:
                link.start_tls()
            link.set(libldap.REFERRALS, None)  # the password goes to this server only
            link.bind(directory.name, directory.password)
            yield link
    except LdapError as why:
        raise refusal(directory, why) from None


def refusal(directory: Directory, why: LdapError) -> Refused | CannotObserve:
    """CannotObserve where there is no answer, Refused where the server says no."""
    says = f"{directory.uris}: as {directory.name or 'anonymous'}: {directory_writes.words(why.says)}"
    if why.code in directory_writes.NO_ANSWER:
        return CannotObserve(f"{says} ({why.code}).")
    also = "; not all entries were read: its limit must be raised" if why.code == _SIZE_LIMIT else ""
    return Refused(f"{says} ({why.code}){also}.")


def _bracketed(text: str) -> str:
    return text if text.startswith("(") else f"({text})"


def _shown(name: str) -> str:
    return name if name.isascii() else name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
