"""A store given as a URL: postgresql://user@host/db, mysql:..., sqlite:///path, passwd-file:/path."""

from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from mailauth.dovecot.authconfig import FileSource, Source, SqlSource
from mailauth.errors import UsageError
from mailauth.hashes import Password
from mailauth.stores.databases import DATABASES
from mailauth.stores.query import of_everybody

QUERY = "SELECT password FROM users"


def source_of(url: str, query: str | None, password: Password | None) -> Source:
    """What the URL names.  Raises UsageError."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # whose words may be a part of the password
        raise UsageError(
            "the URL is none: its host or port cannot be read; in a name or a password, / is written %2F,"
            " : %3A, @ %40, # %23, ? %3F and [ %5B."
        ) from None
    scheme = parts.scheme.partition("+")[0]
    if scheme == "passwd-file":
        return FileSource(_absolute(unquote(parts.path)), "%u")
    drivers = {start: name for name, one in DATABASES.items() for start in one.urls}
    if scheme not in drivers:
        raise UsageError(
            f"the URL begins with none of {', '.join(f'{one.urls[0]}:' for one in DATABASES.values())} and"
            " passwd-file:,"
            " as in postgresql://user@host/database."
        )
    driver, text, place = drivers[scheme], of_everybody(query or QUERY), "--rows-query" if query else ""
    if DATABASES[driver].is_file:
        return SqlSource(
            driver, ({"path": _absolute(unquote(parts.path))},), text, "--url", query_place=place
        )
    own = {
        "host": unquote(parts.hostname or ""),
        "port": str(port or ""),
        "user": unquote(parts.username or ""),
        "password": (password.raw.decode() if password else "") or unquote(parts.password or ""),
        "dbname": unquote(parts.path.removeprefix("/")),
    }
    host = {name: value for name, value in own.items() if value} | dict(parse_qsl(parts.query))
    return SqlSource(driver, (host,), text, "--url", query_place=place)


def shown(url: str) -> str:
    """As it may be seen and kept: without the password, and without the settings behind it."""
    plain = url.partition("?")[0]
    name, at, rest = plain.rpartition("@")
    scheme, slashes, user = name.partition("://")
    return f"{scheme}{slashes}{user.partition(':')[0]}{at}{rest}" if at and slashes else plain


def has_password(url: str) -> bool:
    """Whether a secret stands in it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return True
    names = {name.lower() for name, _ in parse_qsl(parts.query)} - {"passfile"}
    return bool(parts.password) or any("pass" in name or name == "pwd" for name in names)


def _absolute(path: str) -> str:
    if not path or path == "/":
        raise UsageError("the URL names no file: sqlite:///path or passwd-file:/path.")
    return str(Path(path).absolute())
