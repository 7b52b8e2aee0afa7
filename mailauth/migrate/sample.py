"""A sample of known passwords, looked up in a store: what it says of strings whose form leaves them open."""

import os
import stat
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import field, replace
from itertools import islice
from typing import BinaryIO

from mailauth.counted import counted
from mailauth.dovecot.authconfig import AuthConfig, FileSource, Passdb, SqlSource
from mailauth.dovecot.doveadm import Installation
from mailauth.errors import CannotObserve, Refused, UsageError
from mailauth.hashes import Password
from mailauth.hashes.sampled import Proofs, of_sample
from mailauth.migrate import import_list
from mailauth.migrate.import_list import Known, Named
from mailauth.migrate.listed_user import Checked
from mailauth.migrate.named import as_written, named_by
from mailauth.migrate.where import of_directory, table_of
from mailauth.records import dataclass
from mailauth.stores.directory_table import DirectorySource
from mailauth.stores.query import of_everybody
from mailauth.stores.swaps import Table

_AT_ONCE = 500  # users
_MOST = 10_000  # lines: each is tried in some dozen ways, and what it proves is kept in memory


@dataclass(frozen=True, slots=True)
class Sample:
    """``lines`` of the list, ``rows`` that were found for them, and what they say."""

    lines: int
    rows: int
    proofs: Proofs = field(repr=False)

    @property
    def says(self) -> tuple[str, ...]:
        name = "names" if self.rows == 1 else "name"
        found = f"sample: {self.rows:,} of {counted(self.lines, 'line')} {name} a row"
        return (found, *(one.says for one in self.proofs.sampled))


def of_file(file: BinaryIO, name: str, table: Table, named: Named) -> Sample:
    """Raises UsageError where others may read it, or it is empty or too long; Refused, CannotObserve."""
    _only_ours(file, name)
    unused: Counter[Checked] = Counter()
    with import_list.opened(file, named, lambda why, count, *_: unused.update({why: count})) as users:
        if users.lines > _MOST:
            raise UsageError(
                f"{name}: it has {users.lines} lines, and --prove takes {_MOST} at most: a few users of each"
                " format are enough. mailauth migrate import reads a list of all passwords."
            )
        found = list(_rows(users.users(), table, named))
        return Sample(users.lines, len(found), of_sample(found))


def of_passdb(
    file: BinaryIO,
    name: str,
    dovecot: Installation,
    config: AuthConfig | None,
    passdb: Passdb,
    rows_query: str | None,
) -> tuple[str, ...]:
    """What it says of a passdb's strings, or why nothing; ``config``: None for a store without a Dovecot."""
    source: FileSource | SqlSource | DirectorySource
    try:
        if config and passdb.how == "lookup":
            source = of_directory(dovecot, config, passdb)
        elif isinstance(passdb.source, FileSource | SqlSource):
            source = passdb.source
        else:
            return ()
        if rows_query and isinstance(source, SqlSource):
            source = replace(source, query=of_everybody(rows_query))
        table = table_of(dovecot, source, reading=True)
        try:
            return of_file(file, name, table, named_by(config, passdb) if config else as_written).says
        finally:
            table.close()
    except (Refused, CannotObserve) as why:
        return (f"no sample was taken: {why}",)


def _only_ours(file: BinaryIO, name: str) -> None:
    state = os.fstat(file.fileno())
    if stat.S_ISREG(state.st_mode) and state.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UsageError(
            f"{name}: it holds passwords, and others may read it (mode {stat.S_IMODE(state.st_mode):04o}):"
            " chmod 600, or give it through a descriptor."
        )


def _rows(users: Iterator[Known], table: Table, named: Named) -> Iterator[tuple[str, bytes, Password]]:
    """Users of one row, with a stored string."""
    while some := list(islice(users, _AT_ONCE)):
        yield from _some(some, table, named)


def _some(some: Sequence[Known], table: Table, named: Named) -> Iterator[tuple[str, bytes, Password]]:
    passwords = {known.user: known.password for known in some}
    stored: defaultdict[str, list[bytes | None]] = defaultdict(list)
    for row in table.of_users(list(passwords)):
        stored[row.user if row.user in passwords else named(row.user)[0]].append(row.stored)
    for user, password in passwords.items():
        match stored[user]:
            case [bytes(one)]:
                yield user, one, password
