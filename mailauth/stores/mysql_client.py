"""Connect to MariaDB and MySQL as the C client that Dovecot is linked with does, with PyMySQL.

PyMySQL itself goes by TCP where "localhost" means the socket, takes TLS that Dovecot does not, and reads no
option files as the C client does.  See docs/decisions/203-dovecots-own-client.md.

Source: mthd_my_real_connect(), MariaDB Connector/C 3.1 to 3.4 libmariadb/mariadb_lib.c;
plugins/auth/my_auth.c.  Measured with Dovecot 2.3.13 (3.1.22), 2.3.19.1 and 2.3.21.1 (3.3) and 2.4.1
(3.4.10), as Debian builds them: without TLS settings none takes TLS; with them TLS is demanded where
ssl_verify_server_cert is "yes" (as it is by default on 2.3), and else taken where it is offered; a CA has
the certificate's chain verified, and the name of the host where ssl_verify_server_cert is "yes", and from
3.4 on always.
"""

import glob
import os
import re
import ssl
from collections.abc import Callable, Sequence
from dataclasses import field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from mailauth import digits
from mailauth.records import dataclass
from mailauth.stores import mysql_errors, option_files, silence
from mailauth.stores.drivers import pymysql

_CONNECT, _LOGIN = 10.0, 20.0  # seconds: until a server is there, and then for all that it asks
_SOCKETS = {  # the client's own: Debian's and the source's
    "debian": "/run/mysqld/mysqld.sock",
    "other": "/tmp/mysql.sock",  # noqa: S108 - where the source puts it
}
_LIBRARIES = ("/usr/lib/*/libmariadb.so.3", "/usr/lib64/libmariadb.so.3", "/usr/lib/libmariadb.so.3")
_VERSION = re.compile(rb"\x00(3)\.(\d+)\.(\d+)\x00")
_NAMES_COUNT = (3, 4)  # from here on a CA has the server's name verified, too
_TLS_ERROR = 2026
_CHARSET, _COLLATION = "utf8mb4", "utf8mb4_general_ci"  # measured: all of the connectors above


@dataclass(frozen=True, slots=True)
class Address:
    """What the settings come to.  ``tls``: it is wanted; ``demanded``: and without it nothing is sent."""

    host: str
    port: int
    socket: str
    user: str
    password: str = field(repr=False)
    database: str
    charset: str
    init: str
    tls: bool = False
    demanded: bool = False
    verify_name: bool = False
    ca: str = ""
    ca_path: str = ""
    cert: str = ""
    key: str = ""


def address(host: dict[str, str]) -> Address:
    """Settings first, then what the option files say."""
    options = option_files.read(host.get("option_file", ""), host.get("option_group", ""))
    name = host.get("host", "")
    socket = name if name.startswith("/") else ""
    name = ("" if socket else name) or options.get("host", "")
    local = name in ("", "localhost")
    port = host.get("port", "0")
    number = digits.number(port) or 0
    given = host.get("ssl") == "yes" or bool(host.get("ssl_ca") or host.get("ssl_ca_path"))
    files = {
        "ca": (host.get("ssl_ca", "") if given else "") or options.get("ssl-ca", ""),
        "ca_path": (host.get("ssl_ca_path", "") if given else "") or options.get("ssl-capath", ""),
        "cert": (host.get("ssl_cert", "") if given else "") or options.get("ssl-cert", ""),
        "key": (host.get("ssl_key", "") if given else "") or options.get("ssl-key", ""),
    }
    verify = given and host.get("ssl_verify_server_cert", "yes") != "no"
    verify = verify or options.get("ssl-verify-server-cert") == "1"
    return Address(
        host=name or "localhost",
        port=number or _number(options.get("port")) or _number(os.environ.get("MYSQL_TCP_PORT")) or 3306,
        socket=(socket or options.get("socket", "") or _own_socket()) if local else "",
        user=host.get("user") or options.get("user", ""),
        password=host.get("password") or options.get("password") or os.environ.get("MYSQL_PWD", ""),
        database=host.get("dbname") or options.get("database", ""),
        charset=_charset(options.get("default-character-set", "")),
        init=options.get("init-command", ""),
        tls=given or any(files.values()),
        demanded=verify,
        verify_name=verify or connector() >= _NAMES_COUNT,
        **files,
    )


def _charset(named: str) -> str:
    """MariaDB's "auto" is that of the locale, and Dovecot has none of its own."""
    return _CHARSET if named in ("", "auto") else named


def connect(
    host: dict[str, str], *, seconds: float = _CONNECT, read: float | None = None, **more: Any
) -> Any:
    """A connection.  ``read``: seconds that an answer may take.  Raises what ``mysql_errors`` says of it."""
    where = address(host)
    if pymysql.charset.charset_by_name(where.charset) is None:
        raise mysql_errors.of_charset(where.charset)
    try:
        with mysql_errors.understood(host):
            return opened(where, seconds, read, **more)
    except (pymysql.Error, OSError, ValueError, RuntimeError, LookupError) as why:
        raise mysql_errors.of_connect(why, on_socket=bool(where.socket)) from None


def opened(where: Address, seconds: float, read: float | None, **more: Any) -> Any:
    """Raises what PyMySQL does."""

    def once(**tls: Any) -> Any:
        link = pymysql.connect(
            host=where.host,
            unix_socket=where.socket or None,
            port=where.port,
            user=where.user.encode("utf-8", "surrogateescape"),
            password=where.password.encode("utf-8", "surrogateescape"),
            database=where.database or None,
            charset=where.charset,
            collation=_COLLATION if where.charset == _CHARSET else None,
            init_command=where.init or None,
            connect_timeout=max(1, int(seconds)),
            read_timeout=read,
            defer_connect=True,
            **tls,
            **more,
        )
        with silence.ending(seconds + _LOGIN, lambda: descriptor(link)):  # a server can ask without end
            link.connect()
        return link

    if not where.tls:
        return once(ssl_disabled=True)
    context = _context(where)
    try:
        return once(ssl=context)
    except pymysql.Error as why:
        refused = why.args and why.args[0] == _TLS_ERROR and not isinstance(why.__cause__, ssl.SSLError)
        if where.demanded or not refused:
            raise
    return once(ssl_disabled=True)


def descriptor(link: Any) -> int:
    """Its socket's."""
    return int(link._sock.fileno())  # noqa: SLF001 - it has no other name


def with_tls(host: dict[str, str], seconds: float) -> bool:
    """Whether the same user and password are let in with TLS, where the settings ask for none."""
    where = address(host)
    if where.tls:
        return False
    try:
        with mysql_errors.understood(host):
            opened(replace(where, tls=True, demanded=True), seconds, seconds).close()
    except (pymysql.Error, OSError, ValueError, RuntimeError, LookupError):
        return False
    return True


def account_from(host: dict[str, str]) -> str:
    """Where user and password come from, where the settings name an option file or none; "" where not."""
    group = host.get("option_group", "")
    found = option_files.places(host.get("option_file", ""), group)
    told = [
        f"{name} from {found[name]}" for name in ("user", "password") if not host.get(name) and name in found
    ]
    return " and ".join(told) + ("" if group or not told else " (no option_group is set)")


def _context(where: Address) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if where.ca or where.ca_path:
        context.load_verify_locations(where.ca or None, where.ca_path or None)
        context.verify_mode = ssl.CERT_REQUIRED
        context.check_hostname = where.verify_name
    if where.cert or where.key:
        context.load_cert_chain(where.cert or where.key, where.key or None)
    return context


def connector() -> tuple[int, int]:
    """The version of the Connector/C where we are; (3, 3) where that is unknown."""
    for pattern in _LIBRARIES:
        for path in glob.glob(pattern):  # noqa: PTH207 - patterns from the root
            try:
                state = Path(path).stat()
                found = _version_in(path, state.st_dev, state.st_ino, state.st_mtime_ns)
            except OSError:
                continue
            if found:
                return found
    return 3, 3


@lru_cache(maxsize=8)
def _version_in(path: str, *_file: int) -> tuple[int, int] | None:
    """Of that very file: another root has another one by the same path.  Raises OSError."""
    found = _VERSION.search(Path(path).read_bytes())
    return (int(found[1]), int(found[2])) if found else None


def _own_socket() -> str:
    named = os.environ.get("MARIADB_UNIX_PORT") or os.environ.get("MYSQL_UNIX_PORT")
    return named or _SOCKETS["debian"]


def _number(text: str | None) -> int:
    return digits.number(text or "") or 0


def names_of(table: str) -> tuple[str | None, str]:
    """The database, if it is named, and the table."""
    schema, dot, name = table.replace("`", "").replace('"', "").rpartition(".")
    return (schema if dot else None), name


def without_transactions(
    table: str, rows: Callable[[str, Sequence[str | None]], Sequence[Sequence[Any]]]
) -> str | None:
    """The table's engine, where it has no transactions: MyISAM, for one.  ``rows`` asks the server."""
    schema, name = names_of(table)
    found = rows(
        "SELECT t.engine FROM information_schema.tables t JOIN information_schema.engines e"
        " ON e.engine = t.engine WHERE t.table_name = %s AND t.table_schema = COALESCE(%s, DATABASE())"
        " AND e.transactions <> 'YES'",
        (name, schema),
    )
    return str(found[0][0]) if found else None
