"""MariaDB's option files (my.cnf) as its C client reads them for Dovecot.

Dovecot always names a group, and so always has the files read: those of the system, or the one that
``option_file`` names instead.

Source: _mariadb_read_options() and mariadb_defaults, MariaDB Connector/C 3.4 libmariadb/ma_default.c and
mariadb_lib.c; driver_mysql_connect(), Dovecot 2.3.19.1 and 2.4.1 src/lib-sql/driver-mysql.c.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from mailauth.dovecot import inroot
from mailauth.errors import CannotObserve

_SYSTEM = ("/etc", "/etc/mysql")  # as Debian builds it
_ALWAYS = ("client", "client-server", "client-mariadb")
_MOST = 64  # files within files
_MOST_FILES = 1000  # in all: one may include itself twice, and that one twice again
_LARGEST = 1024 * 1024  # bytes
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "s": " ", '"': '"', "'": "'", "\\": "\\"}


def read(file: str, group: str) -> dict[str, str]:
    """The options that count, "_" as "-"; "" is the value of those that have none.

    What cannot be read is passed over, as the client does.  Raises CannotObserve where they never end.
    """
    return {key: value for key, value, _ in _all(file, group)}


def places(file: str, group: str) -> dict[str, str]:
    """Where the options stand that count: "/etc/mysql/my.cnf, group [client]".  Raises as ``read``."""
    return {key: place for key, _, place in _all(file, group)}


def _all(file: str, group: str) -> Iterator[tuple[str, str, str]]:
    groups = {*_ALWAYS, group or "client"}
    left = iter(range(_MOST_FILES))
    for name in [file] if file else _of_the_system():
        for key, value, place in _options(Path(name), groups, 0, left):
            yield key.replace("_", "-"), value, place


def _of_the_system() -> Iterator[str]:
    home = os.environ.get("MARIADB_HOME") or os.environ.get("MYSQL_HOME")
    for folder in (*_SYSTEM, *([home] if home else [])):
        yield f"{folder}/my.cnf"
    if home := os.environ.get("HOME"):
        yield f"{home}/.my.cnf"


def _options(file: Path, groups: set[str], depth: int, left: Iterator[int]) -> Iterator[tuple[str, str, str]]:
    if next(left, None) is None:
        raise CannotObserve(f"{file}: MariaDB's option files include more than {_MOST_FILES} files.")
    try:
        with inroot.opened(file) as stream:
            text = stream.read(_LARGEST).decode("utf-8", "surrogateescape")
    except OSError:
        return
    group, wanted = "", False
    for line in map(str.strip, text.split("\n")):
        if line.startswith("!"):
            word, _, path = line[1:].partition(" ")
            if depth < _MOST and word in ("include", "includedir"):
                # A folder's my.cnf only: so the C client reads it, and the server otherwise.
                inner = Path(path.strip()) / "my.cnf" if word == "includedir" else Path(path.strip())
                yield from _options(inner, groups, depth + 1, left)
        elif line.startswith("["):
            group = line[1:].partition("]")[0].rstrip()
            wanted = group in groups
        elif line and line[0] not in "#;\"'" and not group:
            return  # an option outside any group ends it
        elif wanted and line and line[0] not in "#;\"'":
            key, _, value = line.partition("=")
            yield key.rstrip(), _value(value.strip()), f"{file}, group [{group}]"


def _value(text: str) -> str:
    if text[:1] in ("'", '"'):
        text = text[1:-1] if text[-1:] in ("'", '"') and len(text) > 1 else text[1:]
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[0]), text)
