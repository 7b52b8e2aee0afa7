"""Run Dovecot's own password query on a database, read-only, one row.

The query is Dovecot's text with the variables put in by the driver's own escaping, as Dovecot does;
so what is asked is what Dovecot asks.  The session is read-only and bounded in time.

Source: Dovecot 2.3.19.1 and 2.4.1, src/auth/passdb-sql.c; src/lib-sql/driver-*.c.
"""

import importlib
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from mailauth.dovecot.authconfig import SqlSource
from mailauth.dovecot.variables import Escape
from mailauth.errors import CannotObserve, NoAnswerInTime
from mailauth.stores import refusal
from mailauth.stores.database import BRIEF, TIMEOUT
from mailauth.stores.databases import DATABASES
from mailauth.stores.store import Failing, Failure, Outcome, Record, as_bytes, behind_nul

_OTHERS = 4  # servers beside the one that answered that are looked at

Query = Callable[[Escape], str]


def prepare(source: SqlSource) -> None:
    """Import the driver: before entering a root where it cannot be found."""
    for module in DATABASES[source.driver].modules:
        importlib.import_module(module)


def lookup(source: SqlSource, query: Query) -> Record:
    """As ``ask``, for those who need an answer: raises CannotObserve also when the store fails."""
    record = ask(source, query)
    if record.failure:
        raise CannotObserve(f"{record.failure.place}: {record.failure.says}.")
    return record


def is_local(source: SqlSource) -> bool:
    """It is a file or a socket: then who asks can matter, not only with which password."""
    hosts = [host.get("hostaddr") or host.get("host") or "" for host in source.hosts]
    return DATABASES[source.driver].is_file or any(
        host in ("", "localhost") or host[0] == "/" for host in hosts
    )


def written(source: SqlSource) -> tuple[str, ...]:
    """The files that reading changes."""
    ends = DATABASES[source.driver].beside
    return tuple(f"{host.get('path', '')}{end}" for host in source.hosts for end in ends)


def ask(source: SqlSource, query: Query, *, alike: bool = True) -> Record:
    """Run the query that ``query(escape)`` makes, on the first server that answers.

    To be called where Dovecot lives: paths, sockets and host names are taken as it says them; and as the
    user that Dovecot asks as: ``alike`` says whether we are that user, where it matters.
    What fails for Dovecot, too, is the outcome FAILED.  Raises CannotObserve when it is only we who
    cannot ask, or cannot tell.
    """
    failed: list[Failure] = []
    took = 0.0
    if source.refused:
        place = source.credentials or source.place
        failed.append(Failure(Failing.SETTINGS, place, "", source.refused))
    database = DATABASES[source.driver]
    for number, host in enumerate(source.hosts):
        place = database.place(host)
        began = time.monotonic()
        try:
            with database.ask(host, TIMEOUT, source.query) as (escape, run):
                names, rows = run(query(escape))
        except refusal.Refusal as why:
            if not alike and why.by_name:
                raise CannotObserve(
                    f"{place}: {why.says}; Dovecot asks as another user.", needs_root=True
                ) from None
            took = time.monotonic() - began
            failed.append(_failure(source, host, why))
            if why.late:
                return Record(Outcome.UNKNOWN_USER, place, failure=failed.pop(), beside=tuple(failed))
            if why.kind not in _OF_THE_SERVER:
                break
            continue
        took = time.monotonic() - began
        others = source.hosts[number + 1 :][:_OTHERS]
        failed += [bad for other in others if (bad := _reach(source, other))]
        record = (_row if source.userdb else _record)(names, rows, place)
        return replace(record, seconds=took, beside=tuple(failed))
    if not failed:
        raise CannotObserve(f"{source.place}: no server is named.")
    last = failed.pop()
    return Record(Outcome.FAILED, last.place, failure=last, beside=tuple(failed), seconds=took)


# With these Dovecot goes on to the next server; what is wrong in the query is wrong on all.
_OF_THE_SERVER = frozenset(
    {*(Failing.DOWN, Failing.CREDENTIALS, Failing.CONNECTIONS, Failing.DATABASE, Failing.SLOW), Failing.TLS}
)


def _failure(source: SqlSource, host: dict[str, str], why: refusal.Refusal) -> Failure:
    database = DATABASES[source.driver]
    refused = why.kind is Failing.CREDENTIALS
    with_tls = refused and database.with_tls(host)
    account = database.account(host) if refused else ""
    place = database.place(host)
    return Failure(
        why.kind,
        place,
        why.code,
        why.says,
        with_tls=with_tls,
        account=account,
        waits=why.waits,
        missing=why.missing,
    )


def patience(source: SqlSource) -> float:
    """Seconds in which ``ask`` comes to its end, unless a server goes on without one."""
    return 2.0 * TIMEOUT * (len(source.hosts) or 1) + 2.0 * BRIEF * _OTHERS


def late(source: SqlSource) -> Record:
    """What to say where ``ask`` has not: a server that took the connection, and then never ended its answer.

    Neither libpq nor PyMySQL has a limit for an answer as a whole.  Raises NoAnswerInTime where it is not
    known which server that was.
    """
    says = f"no answer came to its end within {patience(source):.0f} s"
    if len(source.hosts) != 1:
        raise NoAnswerInTime(f"{source.place}: {says}.")
    place = DATABASES[source.driver].place(source.hosts[0])
    return Record(Outcome.FAILED, place, failure=Failure(Failing.SLOW, place, "", says))


def _reach(source: SqlSource, host: dict[str, str]) -> Failure | None:
    """Why another server of the list cannot be used; None when it can, or we cannot tell."""
    with suppress(CannotObserve):
        try:
            with DATABASES[source.driver].ask(host, BRIEF, ""):
                pass
        except refusal.Refusal as why:
            return _failure(source, host, why)
    return None


def _record(names: Sequence[str], rows: Sequence[Sequence[Any]], place: str) -> Record:
    """The row as Dovecot takes it: exactly one, with a field named password.

    Of several such fields the first counts that is not NULL.  Source: sql_query_callback(), Dovecot 2.3.19.1
    src/auth/passdb-sql.c; auth_request_set_password(), auth-request.c.
    """
    passwords = [number for number, name in enumerate(names) if name in _PASSWORDS]
    if not passwords or (len(rows) > 1):
        kind = Failing.ROWS if passwords else Failing.NO_FIELD
        outcome = Outcome.FAILED if rows else Outcome.UNKNOWN_USER
        return Record(outcome, place, failure=Failure(kind, place, "", _NOT_TAKEN[kind]))
    if not rows:
        return Record(Outcome.UNKNOWN_USER, place)
    record = _row(names, rows, place)
    given = [number for number in passwords if rows[0][number] is not None]
    if not given:
        return replace(record, outcome=Outcome.NO_PASSWORD)
    stored = as_bytes(rows[0][given[0]]) or b""
    noscheme = names[given[0]] == "password_noscheme"
    before = sum(1 for name, value in zip(names[: given[0]], rows[0], strict=False) if _is_field(name, value))
    behind = behind_nul(rows[0][given[0]])
    return replace(record, stored=stored, noscheme=noscheme, ahead=before, behind=behind)


_PASSWORDS = ("password", "password_noscheme")
_NOT_TAKEN = {
    Failing.NO_FIELD: "the password query must return a field named 'password'",
    Failing.ROWS: "the password query returned several rows; Dovecot refuses that",
}


def _row(names: Sequence[str], rows: Sequence[Sequence[Any]], place: str) -> Record:
    """The fields of the first row, in the query's order."""
    if not rows:
        return Record(Outcome.UNKNOWN_USER, place)
    values = tuple(
        (name, _text(value)) for name, value in zip(names, rows[0], strict=True) if _is_field(name, value)
    )
    fields = tuple(dict.fromkeys(name for name, _ in values if name != "user"))
    return Record(Outcome.FOUND, place, fields=fields, values=values)


def _is_field(name: str, value: object) -> bool:
    return name not in ("", *_PASSWORDS) and value is not None


def _text(value: object) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
