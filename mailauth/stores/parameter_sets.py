"""Which hash parameters a whole store holds, and how often: counted where the rows are, salts left there.

A database counts by one query of its own making, made from Dovecot's password query without its WHERE;
a passwd-file is read line by line.  Either way nothing but the text before a salt comes back, and memory
is bounded whatever the number of rows.
"""

import json
import re
from collections import Counter
from pathlib import Path

from mailauth.dovecot.authconfig import SqlDriver, SqlSource
from mailauth.errors import CannotObserve
from mailauth.stores import sql
from mailauth.stores.query import VARIABLE, read

MOST = 1000  # different parameter sets
ENCODED = b"encoded"  # {ARGON2ID.B64}...: the parameters cannot be read without decoding
_LONGEST = 120  # characters of a parameter set

Counts = tuple[tuple[bytes, int], ...]
"""What stands before the salt ("" for schemes without such parameters), and how many rows have it."""

_ENCODED = re.compile(rb"\{[A-Za-z0-9-]+\.[A-Za-z0-9]+\}")


def in_file(path: Path, shown_as: str = "") -> Counts:
    """Of a passwd-file.  Raises CannotObserve when it cannot be read."""
    counts: Counter[bytes] = Counter()
    shown = shown_as or str(path)
    try:
        with path.open("rb") as file:
            for line in file:
                if line[:1] in (b"#", b":", b"\n", b"\r"):
                    continue
                name, colon, rest = line.rstrip(b"\r\n").partition(b":")
                if name and colon:
                    counts[before_salt(rest.partition(b":")[0])] += 1
                if len(counts) > MOST:
                    raise CannotObserve(f"{shown} has more than {MOST} different sets of parameters.")
    except OSError as why:
        raise CannotObserve(f"{shown}: the passwd-file cannot be read ({why.strerror}).") from None
    return tuple(counts.items())


def files_of(template: str, root: Path) -> tuple[Path, ...]:
    """The passwd-files of a path with variables: all that are there.  Raises CannotObserve for none."""
    pattern = VARIABLE.sub("*", template).lstrip("/")
    found = tuple(sorted(path for path in root.glob(pattern) if path.is_file()))
    if not found:
        raise CannotObserve(f"{template}: there is no such passwd-file.")
    return found


def before_salt(stored: bytes) -> bytes:
    """What a stored string says of memory; the same as the databases' query finds."""
    if _ENCODED.match(stored):
        return ENCODED
    at = stored.find(b"$m=") if b"$argon2" in stored else -1
    for mark in (b"$m=",) if at >= 0 else (b"$y$", b"$gy$"):
        at = stored.find(mark)
        if at >= 0:
            begin = at + len(mark)
            return (stored[:begin] + stored[begin:].partition(b"$")[0])[:_LONGEST]
    at = stored.find(b"$7$")
    return stored[: at + 14] if at >= 0 else b""


def in_database(source: SqlSource, query: str | None = None) -> Counts:
    """Of a database; ``query``: a SELECT of one column named password, instead of Dovecot's own.

    To be called where Dovecot lives, like ``sql.lookup``.  Raises CannotObserve.
    """
    text = counting(source.driver, query or source.query, source.place)
    record = sql.lookup(source, lambda _escape: text)
    if not record.stored:
        return ()
    counts = tuple((str(key or "").encode(), int(count)) for key, count in json.loads(record.stored))
    if len(counts) > MOST:
        raise CannotObserve(f"{record.place} has more than {MOST} different sets of parameters.")
    return counts


def counting(driver: SqlDriver, query: str, place: str) -> str:
    """The query that counts: one row, one column, a JSON list of [text before the salt, rows]."""
    column, tables = _read(query, place)
    text = {"mysql": "CHAR", "pgsql": "TEXT", "sqlite": "TEXT"}[driver]
    # MariaDB and MySQL compare without regard to case, and yescrypt's parameters have capitals
    exact = " COLLATE utf8mb4_bin" if driver == "mysql" else ""
    stored = f"SELECT CAST({column} AS {text}) AS e FROM {tables}"  # noqa: S608 - of Dovecot's own query
    keyed = f"SELECT {_key(driver)}{exact} AS k FROM ({stored}) AS stored"  # noqa: S608 - the same
    counted = f"SELECT k, COUNT(*) AS n FROM ({keyed}) AS keyed GROUP BY k LIMIT {MOST + 1}"  # noqa: S608
    array = {
        "mysql": "JSON_ARRAYAGG(JSON_ARRAY(k, n))",
        "pgsql": "CAST(JSON_AGG(JSON_BUILD_ARRAY(k, n)) AS TEXT)",
        "sqlite": "JSON_GROUP_ARRAY(JSON_ARRAY(k, n))",
    }[driver]
    return f"SELECT {array} AS password FROM ({counted}) AS counted"  # noqa: S608


def _key(driver: SqlDriver) -> str:
    """``before_salt`` in SQL."""
    find = "STRPOS" if driver == "pgsql" else "INSTR"

    def up_to_salt(mark: str) -> str:
        begin = f"{find}(e, '{mark}') + {len(mark)}"
        rest = f"SUBSTR(e, {begin})"
        ended = f"CONCAT({rest}, '$')" if driver == "mysql" else f"{rest} || '$'"
        return f"SUBSTR(e, 1, {begin} - 1 + {find}({ended}, '$') - 1)"

    braces = f"SUBSTR(e, 1, {find}(e, '}}'))"
    cases = [
        f"WHEN e LIKE '{{%.%}}%' AND {find}({braces}, '.') > 0 THEN '{ENCODED.decode()}'",
        f"WHEN {find}(e, '$argon2') > 0 AND {find}(e, '$m=') > 0 THEN {up_to_salt('$m=')}",
        f"WHEN {find}(e, '$y$') > 0 THEN {up_to_salt('$y$')}",
        f"WHEN {find}(e, '$gy$') > 0 THEN {up_to_salt('$gy$')}",
        f"WHEN {find}(e, '$7$') > 0 THEN SUBSTR(e, 1, {find}(e, '$7$') + 13)",
    ]
    return f"SUBSTR(CASE {' '.join(cases)} ELSE '' END, 1, {_LONGEST})"


def _read(query: str, place: str) -> tuple[str, str]:
    """The expression that is the password, and what stands between FROM and WHERE."""
    advice = "give a query that selects the password of every user: --rows-query 'SELECT password FROM ...'."
    plain = read(query)
    if plain is None:
        raise CannotObserve(f"{place}: the password query is not a plain one; {advice}")
    if not plain.column or VARIABLE.search(plain.tables):
        raise CannotObserve(f"{place}: which column has the passwords of all users is not plain; {advice}")
    return plain.column, plain.tables
