"""The table that a migration changes: of a passdb, or of a store given as a URL."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from mailauth.dovecot import environment, ldap_settings
from mailauth.dovecot.authconfig import AuthConfig, FileSource, Passdb, Source, SqlSource
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.version import Version
from mailauth.errors import CannotObserve, Refused, UsageError
from mailauth.hashes import Password
from mailauth.hashes.damaged import Reader
from mailauth.hashes.making import DEFAULT_LIMIT, LARGEST_IDLE, Order
from mailauth.migrate.goal import Goal
from mailauth.migrate.mechanisms import offered
from mailauth.probes.readers import reader_of
from mailauth.probes.survey import NEWEST, alone, assumption, reader_alone
from mailauth.records import dataclass
from mailauth.stores import directory_rows, directory_table, elsewhere, file_tables, sql, table
from mailauth.stores.directory_table import DirectorySource
from mailauth.stores.file_table import FileTable
from mailauth.stores.passwd_file import MARK
from mailauth.stores.query import VARIABLE, of_everybody, without_scheme
from mailauth.stores.string_counts import files_of
from mailauth.stores.swaps import Table
from mailauth.stores.url import shown

_HERE = Installation()
_ACCOUNTS = "postfix-accounts.cf"  # docker-mailserver's: user|hash


@dataclass(frozen=True, slots=True)
class Bind:
    """A name that may write to a directory, and its password."""

    name: str
    password: Password
    insecure: bool = False  # whether it may go to another machine without verified TLS


@dataclass(frozen=True, slots=True)
class Where:
    """A store, who reads its strings, and the order for new hashes, where any are to be made."""

    label: str
    source: Source | DirectorySource
    reader: Reader
    order: Order | None
    config: str | None
    cache: bool = False
    passdb: tuple[AuthConfig, Passdb] | None = None
    assumed: str = ""  # what of the reader nobody said
    dovecot: Installation = _HERE  # where the store is

    @property
    def offered(self) -> tuple[str, ...]:
        """Mechanisms that may ask this store; () where no configuration says."""
        return offered(*self.passdb) if self.passdb else ()


def of_passdb(
    dovecot: Installation,
    config: AuthConfig,
    number: int | None,
    goal: Goal | None,
    rows_query: str | None = None,
    bind: Bind | None = None,
    *,
    target: bool = False,
) -> Where:
    """``number``: which passdb, where there are several.  ``goal``: where hashes are to be made.

    ``rows_query``: SELECT user, password FROM the table, where the password query is not plain.
    ``bind``: who writes to a directory; None: whom Dovecot asks as.  ``target``: rows are to be added.

    Raises UsageError, Refused, CannotObserve.
    """
    usable = [one for one in config.passdbs if one.changeable and not one.deny]
    named = [one for one in config.passdbs if number is None or one.number == number]
    chosen = [one for one in usable if one in named] or [one for one in named if one.how][:1]
    if not chosen:
        raise UsageError(f"{config.file}: there is no such passdb whose hashes mailauth can change.")
    if len(chosen) > 1:
        labels = ", ".join(one.label for one in chosen)
        raise UsageError(f"there are several passdbs ({labels}): choose one with --passdb NUMBER.")
    passdb = chosen[0]
    source = passdb.source or of_directory(dovecot, config, passdb, bind, target=target)
    if bind and not isinstance(source, DirectorySource):
        raise UsageError(f"{passdb.label} is no directory: leave out --bind-dn.")
    if isinstance(source, SqlSource) and without_scheme(source.query):
        raise Refused(
            f"{passdb.label}: the query returns password_noscheme, so a {{SCHEME}} before a string would be"
            f" taken for a part of it, and all strings are {passdb.default_scheme}. Let it return the column"
            " as password first."
        )
    environment.take_on(config.tree)
    if rows_query:
        if not isinstance(source, SqlSource):
            raise UsageError(f"{passdb.label} is no database: leave out --rows-query.")
        source = replace(source, query=of_everybody(rows_query), query_place="--rows-query")
    order = None
    if goal is not None:
        from mailauth.migrate.room import room_of  # noqa: PLC0415 - a tenth of a second that a prefix need not pay

        order = goal.order(config.version.numbers, *room_of(dovecot, config, (passdb,)))
    return Where(
        passdb.label,
        source,
        reader_of(config, passdb),
        order,
        config.file,
        bool(config.cache_size),
        (config, passdb),
        dovecot=dovecot,
    )


def of_directory(
    dovecot: Installation,
    config: AuthConfig,
    passdb: Passdb,
    bind: Bind | None = None,
    *,
    target: bool = False,
) -> DirectorySource:
    """``target``: strings are to be added, of the kind that its verifier takes.

    Raises Refused where the directory verifies by itself what is there, UsageError, CannotObserve.
    """
    if passdb.how != "lookup" and not target:
        raise Refused(
            f"{passdb.label}: the directory verifies passwords itself (Dovecot binds as the user), and what"
            " is stored there is for it alone: Dovecot never reads it, and mailauth does not change it. The"
            " server's own settings say how it hashes (slapd: password-hash)."
        )
    asked = ldap_settings.read(config, passdb, dovecot)
    if asked.template:
        raise Refused(
            f"{passdb.label}: Dovecot makes the name to bind as of a template ({asked.template}) and searches"
            " nobody, so who has an entry does not show: name a configuration (-c) whose passdb has a filter."
        )
    if bind:
        if not bind.insecure and (server := asked.in_the_clear):
            raise UsageError(
                f"{server}: the password of --bind-dn would go to another machine without verified TLS; set"
                f" TLS in Dovecot's own settings ({asked.place}), or add --insecure."
            )
        asked = replace(asked, name=bind.name, password=bind.password.raw.decode("utf-8", "surrogateescape"))
    base, text = directory_rows.of_everybody(asked, config.version)
    return DirectorySource(asked, base, text, config.version, verifies=asked.bind)


def of_url(
    url: str, source: Source, version: Version | None, default_scheme: str | None, goal: Goal | None
) -> Where:
    """A store without a Dovecot, read as ``mailauth audit --url`` reads it."""
    judge = version or NEWEST
    reader = reader_alone(alone(source, judge, default_scheme), judge)
    order = goal.order(judge.numbers, DEFAULT_LIMIT, LARGEST_IDLE) if goal is not None else None
    said = assumption(version, default_scheme, judge, reader.default_scheme)
    return Where(shown(url), source, reader, order, None, assumed=said)


def no_directory(where: Where) -> None:
    """For a command that writes to no directory.  Raises Refused."""
    if isinstance(where.source, DirectorySource):
        raise Refused(f"{where.label}: this command does not write to a directory.")


def opened(where: Where, *, reading: bool = False) -> Table:
    """``reading``: nothing is to be changed.  Raises UsageError, Refused, CannotObserve."""
    return table_of(where.dovecot, where.source, reading=reading)


def table_of(dovecot: Installation, source: Source | DirectorySource, *, reading: bool) -> Table:
    """In the place that the store belongs to: the same path is another store in another root."""
    make: Callable[[], Table]
    if isinstance(source, SqlSource):
        sql.prepare(source)
        make = partial(table.opened, source, reading=reading)
    elif isinstance(source, DirectorySource):
        directory_table.prepare()
        make = partial(directory_table.opened, source)
    else:
        assert isinstance(source, FileSource)
        make = partial(_file, source.path)
    if not dovecot.pid:
        return make()
    if isinstance(source, SqlSource):
        return elsewhere.opened(dovecot, make, frozenset({"keyless"}))
    if isinstance(source, DirectorySource):
        return elsewhere.opened(dovecot, make, frozenset())
    return elsewhere.opened(dovecot, make, frozenset({"twice", "bad", "passed_over"}))


def _file(path: str) -> Table:
    if VARIABLE.search(path):
        return file_tables.opened(path, tuple(map(Path, files_of(path))))
    if not Path(path).is_file():
        raise CannotObserve(f"{path}: there is no such passwd-file.")
    return FileTable(Path(path), b"|" if Path(path).name == _ACCOUNTS else MARK)


def opened_whole(where: Where, *, reading: bool = False) -> Table:
    """To read all of it, page by page.

    Raises Refused where its key does not let us, with all else that stops it.
    """
    found = opened(where, reading=reading)
    if why := found.unsortable():
        try:
            stops = [one.says for one in found.obstacles() if one.stops]
        finally:
            found.close()
        raise Refused("; ".join([f"CANNOT BE DONE: {why}", *stops]) + ".")
    return found
