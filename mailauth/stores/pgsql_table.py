"""A table of stored strings in PostgreSQL: its key, its width, a transaction of swaps."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, cast

from mailauth.errors import BatchRefused, CannotObserve, Refused
from mailauth.stores import database, obstacles, pgsql_client, pgsql_errors, pgsql_obstacles, silence
from mailauth.stores.database import LOCK, LONG, Host, quoted
from mailauth.stores.drivers import psycopg
from mailauth.stores.pgsql_obstacles import BASE
from mailauth.stores.refusal import first_line
from mailauth.stores.store import as_bytes
from mailauth.stores.swaps import (
    NARROW,
    REFUSED_BY_TRIGGER,
    Key,
    LockedError,
    Names,
    NotKeptError,
    Obstacle,
    RowRefusedError,
    Run,
    Swap,
    key_of,
    not_kept,
)

_LINKS = 2  # that write at the same time
_MOST = LONG + 30.0  # seconds that a batch may take, whatever the server says
_WRITERS = 50  # transactions that wrote the rows of a batch

_VERSION: tuple[str, ...] = ("ctid", "xmin")
_VERSION_OF_PARTS = (*_VERSION, "tableoid::text")
# Where the rows of a table and of its parts are kept: VACUUM FULL, CLUSTER and some ALTER TABLE move them.
_FILES = (
    "(WITH RECURSIVE part(o) AS (SELECT %s::regclass::oid"
    " UNION ALL SELECT inhrelid FROM pg_inherits JOIN part ON inhparent = o)"
    " SELECT string_agg(pg_relation_filenode(o)::text, ' ' ORDER BY o) FROM part)"
)

# Whether our transaction wrote the row itself; xmin is the lower half of its number.
_OURS = "xmin::text = (txid_current() %% 4294967296)::text"

_ODD = frozenset({"bytea", "interval", "jsonb"})  # keys that are not read as PostgreSQL's own text

_Update = tuple[str, Sequence[Any]]  # a statement and its values

# Of the table or of one of its parts; those that PostgreSQL makes for foreign keys change no string.
_TRIGGERS = (
    "EXISTS (WITH RECURSIVE part AS (SELECT c.oid UNION ALL"
    " SELECT i.inhrelid FROM pg_inherits i JOIN part ON i.inhparent = part.oid)"
    " SELECT FROM pg_trigger t JOIN part ON t.tgrelid = part.oid WHERE NOT t.tgisinternal)"
)


class Pgsql:
    """PostgreSQL: the versions and strings of a batch go over as arrays.

    Pages come over a link of their own, and two batches are written at the same time: one process of the
    server's is the slowest part otherwise.
    """

    mark = "%s"
    raw = "convert_from(%s, 'SQL_ASCII')"  # such bytes are in a database without an encoding only
    version: tuple[str, ...]
    apart = True

    def __init__(self, host: Host) -> None:
        self.version = _VERSION
        self._files: str | None = None
        bounds = {
            "lock_timeout": LOCK * 1000,
            "statement_timeout": LONG * 1000,
            "idle_in_transaction_session_timeout": database.IDLE * 1000,
        }
        options = " ".join(f"-c {name}={value}" for name, value in bounds.items())
        self._bounds = "; ".join(f"SET LOCAL {name} = {value}" for name, value in bounds.items())
        self._reader = pgsql_client.connect(host, options, autocommit=True)
        self._writers = [pgsql_client.connect(host, options) for _ in range(_LINKS)]
        self._idle: SimpleQueue[Any] = SimpleQueue()
        for writer in self._writers:
            self._idle.put(writer)
        self._types: list[str] = []  # of the key's columns
        self._as_is = False  # the column keeps what is written: no blanks, no triggers
        self._changing = True  # triggers or rules may make something else of what is written

    def close(self) -> None:
        for link in (self._reader, *self._writers):
            link.close()

    def keys(self, table: str) -> tuple[str, ...]:
        [[kind, children, self._files]] = self.rows(
            "SELECT c.relkind::text, EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid),"  # noqa: S608 - ours
            f" {_FILES} FROM pg_class c WHERE c.oid = %s::regclass",
            (table, table),
        )
        if kind == "v":
            raise Refused(f"{table}: is a view{self._reads(table)}; name its table with --rows-query.")
        if kind == "m":
            of = self._reads(table)
            raise Refused(f"{table}: is a materialized view{of}; name its table with --rows-query.")
        if kind == "f":
            raise Refused(
                f"{table}: is a foreign table{self._server_of(table)}, which has no key here, so its"
                " rows cannot be changed one by one: run the migration on the database that keeps it,"
                " with --url and --rows-query."
            )
        if kind == "p":
            self.version = _VERSION_OF_PARTS  # each part has places of its own
        elif children:
            raise Refused(f"{table}: other tables inherit from it, and its key does not hold for their rows.")
        found = self.rows(
            "SELECT a.attname, format_type(a.atttypid, NULL) FROM pg_index i"
            " JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)"
            " WHERE i.indrelid = %s::regclass AND i.indisprimary"
            " ORDER BY array_position(i.indkey::int2[], a.attnum)",
            (table,),
        )
        self._types = [str(row[1]) for row in found]
        return tuple(quoted(str(row[0]), '"') for row in found)

    def _reads(self, view: str) -> str:
        found = self.rows(
            "SELECT DISTINCT refobjid::regclass::text FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid"
            " WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass"
            " AND r.ev_class = %s::regclass AND refobjid <> r.ev_class ORDER BY 1",
            (view,),
        )
        return f" of {', '.join(str(row[0]) for row in found)}" if found else ""

    def _server_of(self, table: str) -> str:
        found = self.rows(
            "SELECT s.srvname, (SELECT string_agg(o, ' ') FROM unnest(s.srvoptions) o"
            " WHERE split_part(o, '=', 1) IN ('host', 'port', 'dbname'))"
            " FROM pg_foreign_table t JOIN pg_foreign_server s ON s.oid = t.ftserver"
            " WHERE t.ftrelid = %s::regclass",
            (table,),
        )
        return "".join(f" of the server {row[0]}{f' ({row[1]})' if row[1] else ''}" for row in found)

    def unsortable(self, names: Names) -> str:
        pairs = zip(names.keys, self._types, strict=True)
        return ", ".join(f"{key} ({kind})" for key, kind in pairs if kind in _ODD or kind.endswith("[]"))

    def identity(self, table: str) -> str:
        try:
            [[server]] = self.rows("SELECT system_identifier::text FROM pg_control_system()", ())
        except (CannotObserve, Refused):  # this account may not ask
            [[server]] = self.rows("SELECT current_setting('cluster_name')", ())
        [[name]] = self.rows(
            "SELECT current_database() || ' ' || n.nspname || '.' || c.relname"
            " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = %s::regclass",
            (table,),
        )
        return f"pgsql {server} {name}"

    def obstacles(self, names: Names, *, batches: bool) -> list[Obstacle]:
        del batches
        return [*obstacles.of_update(self.rows, names), *pgsql_obstacles.of_table(self.rows, names)]

    def width(self, table: str, column: str) -> int | None:
        found = self.rows(
            f"SELECT b.kind::regtype::text, b.modifier - 4, c.relhasrules OR {_TRIGGERS}, b.kind = a.atttypid"  # noqa: S608 - ours
            f" FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid, {BASE}"
            " WHERE a.attrelid = %s::regclass AND a.attname = %s",
            (table, column.strip('"')),
        )
        if not found:
            return None
        kind, width, changing, own = found[0]
        self._changing = changing or kind == "character"  # which = compares without the blanks at the end
        self._as_is = own and kind in ("text", "character varying") and not self._changing
        return int(width) if width > 0 and kind in ("character varying", "character") else None

    def rows(self, statement: str, values: Sequence[Any]) -> Sequence[Sequence[Any]]:
        with self._errors(), silence.ending(_MOST, self._reader.fileno):
            found: list[Sequence[Any]] = self._reader.execute(statement.encode(), values or None).fetchall()
            return found

    def among(self, names: Names, keys: Sequence[Key]) -> tuple[str, Sequence[Any]]:
        arrays = ", ".join(f"%s::{kind}[]" for kind in self._types)
        values = [[key[number] for key in keys] for number in range(len(names.keys))]
        return f"({', '.join(names.keys)}) IN (SELECT * FROM unnest({arrays}))", values  # noqa: S608 - names of the password query

    def swap(self, names: Names, swaps: Sequence[Swap]) -> frozenset[Key]:
        """A row's version says whether it is still the one that was read.

        Source: PostgreSQL's manual, "System Columns": ctid is the place of a row's version, xmin the
        transaction that wrote it; a place is used again by a later transaction only, unless the whole
        table is written again: then the rows' writers stay and their places do not, so nothing is changed.
        """
        with self._errors():
            writers = {one.row.version[1] for one in swaps}
            one_way = self._as_is and self.version == _VERSION and len(writers) <= _WRITERS
            added = _added(swaps) if one_way else None
            if added is None:
                update, values = self._swap_each(names, swaps)
            else:
                update, values = self._put_before(names, swaps, added, writers)
            keys = frozenset([one.row.key for one in swaps])
            with self._writer() as link, link.transaction():
                self._begun(link)
                done = link.execute(update.encode(), values)
                updated: frozenset[Key] = frozenset()
                if self._changing:  # RETURNING does not see what AFTER triggers do
                    updated = frozenset(key_of(row) for row in done.fetchall())
                else:
                    number, same = done.fetchone() if done.description else (done.rowcount, True)
                    if same and number == len(swaps):
                        return keys
                self._not_moved(link, names.table)
                return self._new_ones(link, names, swaps, updated)

    @contextmanager
    def transaction(self) -> Iterator[Run]:
        with self._errors(), self._writer() as link, link.transaction():
            self._begun(link)

            def run(statement: str, values: Sequence[Any]) -> Sequence[Sequence[Any]]:
                done = link.execute(statement.encode(), values or None)
                found: Sequence[Sequence[Any]] = done.fetchall() if done.description else ()
                return found

            yield run

    def _begun(self, link: Any) -> None:
        """What is set for one transaction: a trigger must not change at its end what was read back."""
        if pgsql_client.is_pooled(link):
            link.execute(self._bounds)
        if self._changing:
            link.execute(pgsql_client.AT_ONCE)

    @contextmanager
    def _writer(self) -> Iterator[Any]:
        """A link that nobody writes over."""
        link = self._idle.get()
        try:
            with silence.ending(_MOST, link.fileno):
                yield link
        finally:
            self._idle.put(link)

    def _not_moved(self, link: Any, table: str) -> None:
        """Raises Refused where the rows are not in the places any more that were read."""
        if link.execute(f"SELECT {_FILES}", (table,)).fetchone()[0] != self._files:
            raise Refused(
                f"{table} was rewritten meanwhile (VACUUM FULL, CLUSTER, ALTER TABLE), so its rows are not"
                " in the places any more that were read; this batch was not changed: go on once that is over."
            )

    def _new_ones(
        self, link: Any, names: Names, swaps: Sequence[Swap], updated: frozenset[Key]
    ) -> frozenset[Key]:
        """Which of the rows hold their new string.

        A row that is still the version that was read, or one that we wrote, was changed by nobody else:
        where it has not its new string, the database does not keep that.  Raises NotKeptError.  (What a
        trigger wrote within BEGIN ... EXCEPTION has another xmin than ours: ``updated`` names such rows.)
        """
        where, values = self.among(names, [one.row.key for one in swaps])
        columns = (*names.keys, *self.version, _OURS, names.column)
        now = link.execute(
            f"SELECT {', '.join(columns)} FROM {names.table} WHERE {where}".encode(),  # noqa: S608 - names of the password query
            values,
        ).fetchall()
        wanted = {one.row.key: one for one in swaps}
        at, until = len(names.keys), len(names.keys) + len(self.version)
        held = {key_of(row[:at]): as_bytes(row[-1]) for row in now}
        ours = []
        for row in now:
            one = wanted[key_of(row[:at])]
            if row[-2] or one.row.key in updated or tuple(row[at:until]) == one.row.version:
                ours.append(one)
        if left := not_kept(ours, held):
            raise NotKeptError(left)
        return frozenset(key for key, stored in held.items() if stored == wanted[key].after)

    def _put_before(self, names: Names, swaps: Sequence[Swap], added: str, writers: set[str]) -> _Update:
        """The same text before each old string: then only the rows' versions go over.

        Any of these writers will do: all had ended when the page was read, so none can have written to
        such a place since.
        """
        update = (
            f"UPDATE {names.table} SET {names.column} = %s::text || {names.column}"  # noqa: S608 - names of the password query
            f" WHERE ctid = ANY(%s::tid[]) AND xmin = ANY(%s::xid[]) AND {_FILES} = %s"
        )
        places = _array([one.row.version[0] for one in swaps])
        return update, (added, places, _array(sorted(writers)), names.table, self._files)

    def _swap_each(self, names: Names, swaps: Sequence[Swap]) -> _Update:
        columns = list(zip(*(one.row.version for one in swaps), strict=True))
        values = [_array([one.value for one in swaps]), *map(_array, columns), names.table, self._files]
        parts = self.version == _VERSION_OF_PARTS
        keys = ", ".join(f"t.{key}" for key in names.keys)
        same = f"t.{names.column} IS NOT DISTINCT FROM u.n AS same"
        update = (
            f"UPDATE {names.table} t SET {names.column} = u.n"  # noqa: S608 - names of the password query
            f" FROM unnest(%s::text[], %s::tid[], %s::xid[]{', %s::oid[]' if parts else ''})"
            f" AS u(n, c, x{', o' if parts else ''})"
            f" WHERE t.ctid = u.c AND t.xmin = u.x{' AND t.tableoid = u.o' if parts else ''}"
            f" AND {_FILES} = %s"
            f" RETURNING {keys if self._changing else same}"
        )
        if self._changing:
            return update, values
        count = f"WITH done AS ({update}) SELECT COUNT(*), COALESCE(bool_and(same), TRUE) FROM done"  # noqa: S608 - the same
        return count, values

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            raise LockedError from None
        except psycopg.errors.StringDataRightTruncation:
            raise RowRefusedError(f"PostgreSQL: {NARROW}") from None
        except psycopg.errors.RaiseException:
            raise RowRefusedError(f"PostgreSQL: {REFUSED_BY_TRIGGER}") from None
        except psycopg.errors.IntegrityError as why:
            said = REFUSED_BY_TRIGGER if why.diag.context else first_line(why)
            raise RowRefusedError(f"PostgreSQL: {said}") from None
        except (psycopg.errors.GeneratedAlways, psycopg.errors.DatatypeMismatch) as why:
            raise Refused(f"PostgreSQL: {first_line(why)}; nothing was changed.") from None
        except (
            psycopg.errors.ReadOnlySqlTransaction,
            psycopg.errors.InsufficientPrivilege,
            psycopg.errors.ObjectNotInPrerequisiteState,  # published, without a replica identity
            psycopg.errors.FeatureNotSupported,
        ) as why:
            raise Refused(f"PostgreSQL: {first_line(why)}; nothing was changed.") from None
        except psycopg.errors.DiskFull as why:
            raise BatchRefused(f"PostgreSQL: {first_line(why)}") from None
        except (psycopg.Error, UnicodeError) as why:
            raise pgsql_errors.of_query(why) from None


def _added(swaps: Sequence[Swap]) -> str | None:
    """What stands before the old string in each new one, where that is all that is new."""
    first = swaps[0]
    old = first.row.stored
    if not old or not first.new.endswith(old):
        return None
    added = first.new[: -len(old)]
    if not all(one.row.stored and one.new == added + one.row.stored for one in swaps):
        return None
    return added.decode("ascii", "strict") if added.isascii() else None


def _array(values: Sequence[str | bytes | None]) -> str:
    """PostgreSQL's text for an array; psycopg's own takes ten times as long for a long one."""
    if None in values:
        return "{" + ",".join("NULL" if value is None else _array((value,))[1:-1] for value in values) + "}"
    try:
        texts = cast("Sequence[str]", values)
        joined = '","'.join(texts)
    except TypeError:  # some are not UTF-8
        return _array(
            [one.decode("utf-8", "surrogateescape") if type(one) is bytes else one for one in values]
        )
    if "\\" in joined or joined.count('"') != 2 * (len(texts) - 1):
        joined = '","'.join(value.replace("\\", "\\\\").replace('"', '\\"') for value in texts)
    return f'{{"{joined}"}}'
