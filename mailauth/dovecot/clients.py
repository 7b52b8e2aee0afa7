"""How Dovecot hands a database's settings to the client library: 2.3's ``connect``, 2.4's blocks.

Each server is a dict in the library's own words: those of libpq for PostgreSQL, those of 2.3's ``connect``
for MariaDB and MySQL (2.4's ``ssl_client_*`` are put into them), ``path`` for SQLite.

Source: driver_sqlpool_parse_hosts() and driver_mysql_parse_connect_string(), Dovecot 2.3.19.1
src/lib-sql/driver-sqlpool.c, driver-mysql.c; mysql_setting_defines, driver_mysql_connect() and
driver_pgsql_connect() of 2.4.1; conninfo_parse(), PostgreSQL's src/interfaces/libpq/fe-connect.c.
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from mailauth import digits
from mailauth.dovecot import conf
from mailauth.later import later

if TYPE_CHECKING:
    import difflib
else:
    difflib = later("difflib")  # only for a typing error

Host = dict[str, str]


class ConnectError(ValueError):
    """The driver or its library refuses the line; holds none of its values."""


def of_connect(driver: str, connect: str) -> tuple[Host, ...]:
    """The servers of a 2.3 ``connect``, in Dovecot's order.  Raises ConnectError."""
    if driver == "sqlite":
        return ({"path": connect},)
    words = [word for word in connect.split(" ") if word]
    # "host" without a value is one, too.  Source: Dovecot 2.3.19.1 src/lib-sql/driver-sqlpool.c.
    hosts = [word.partition("=")[2] for word in words if word.partition("=")[0] == "host"]
    rest = [word for word in words if word.partition("=")[0] not in ("host", "maxconns")]
    read = _mysql if driver == "mysql" else _conninfo
    lines = [[f"host={host}", *rest] for host in hosts] or [rest]
    return tuple(read(" ".join(line)) for line in lines)


_MYSQL = {
    **{name: name for name in ("host", "user", "password", "dbname", "port", "client_flags")},
    **{name: name for name in ("ssl_cert", "ssl_key", "ssl_ca", "ssl_ca_path", "ssl_cipher")},
    **{name: name for name in ("option_file", "option_group", "ssl_verify_server_cert")},
    **{name: name for name in ("connect_timeout", "read_timeout", "write_timeout")},
    "hostaddr": "host",
}
_LIBPQ = (  # PostgreSQL 15's manual, 34.1.2: what may be here by mistake
    *("hostaddr", "passfile", "sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword", "options"),
    *("application_name", "client_encoding", "service", "keepalives", "target_session_attrs", "gssencmode"),
)
# Names that people write for those above, and no client library has
_OTHERS = ("database", "db", "username", "hostname", "passwd", "pass", "server", "charset", "socket")
_NUMBERS = ("port", "client_flags", "connect_timeout", "read_timeout", "write_timeout")


def shown(name: str) -> str:
    """What is written for a name that is none: another word may be the rest of a password with a blank."""
    if name in _LIBPQ or name in _MYSQL or name in _OTHERS:
        return name
    near = difflib.get_close_matches(name, _MYSQL, 1, 0.8)
    return f"a name much like {near[0]}" if near else "a name it does not know; a value has no blanks"


def _mysql(line: str) -> Host:
    found: Host = {}
    for word in line.split(" "):
        name, equals, value = word.partition("=")
        if not equals:
            raise ConnectError("Missing value in connect string: a word without '='; a value has no blanks")
        if name not in _MYSQL:
            raise ConnectError(f"Unknown connect string: {shown(name)}")
        if name in _NUMBERS and not digits.are(value):
            raise ConnectError(f"Invalid number: {name}")
        if name == "ssl_verify_server_cert" and value not in ("yes", "no"):
            raise ConnectError(f"Invalid boolean: {name}")
        found[_MYSQL[name]] = value
    if "host" not in found and "option_file" not in found:
        raise ConnectError("No hosts given in connect string")
    return found


_NAME = re.compile(r"\s*([^\s=]*)\s*(=?)\s*")
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL)
_BARE = re.compile(r"(?:[^\s\\]|\\.)*", re.DOTALL)


def _conninfo(line: str) -> Host:
    """As libpq reads it: quotes and backslashes count."""
    found: Host = {}
    at, line = 0, line.strip()
    while at < len(line):
        name = _NAME.match(line, at)
        assert name, "it matches nothing, too"
        if not name[1]:
            raise ConnectError('invalid connection option ""')
        if not name[2]:
            raise ConnectError('missing "=" in connection info string: a value with blanks needs quotes')
        at = name.end()
        quoted = line[at : at + 1] == "'"
        value = (_QUOTED if quoted else _BARE).match(line, at)
        if value is None:
            raise ConnectError("unterminated quoted string in connection info string")
        found[name[1]] = re.sub(r"\\(.)", r"\1", value[1] if quoted else value[0], flags=re.DOTALL)
        at = value.end()
        while at < len(line) and line[at].isspace():
            at += 1
    return found


_TLS = {
    "ssl_client_ca_file": "ssl_ca",
    "ssl_client_ca_dir": "ssl_ca_path",
    "ssl_client_cert_file": "ssl_cert",
    "ssl_client_key_file": "ssl_key",
}
_TLS_BLOCK = "ssl_client"
_NOT_THE_CLIENTS = ("connection_limit",)


def of_blocks(
    driver: str, tree: conf.Block, passdb: conf.Block, value: Callable[[str, str], str]
) -> tuple[Host, ...]:
    """The servers of 2.4's ``mysql NAME { ... }``: the global ones, and those in the passdb.

    ``value(text, name)`` gives what a setting comes to.  Raises CannotObserve.  Measured on 2.4.1: of a
    global block and the passdb the one that comes later counts, and a block in the passdb before that.
    """
    outer = {block.name: block for block in tree.all(driver)}
    inner = {block.name: block for block in passdb.all(driver)}
    none = conf.parse("")
    found = []
    for name in {**outer, **inner}:
        block = outer.get(name, none)
        own = [(passdb, False), (inner.get(name, none), True)]
        rest = [(block, True), *own] if block.line < passdb.line else [*own, (block, True)]
        found.append(_of_block(driver, name, ((tree, False), *rest), value))
    return tuple(found)


def shared_by(driver: str, tree: conf.Block, passdb: conf.Block) -> tuple[object, ...]:
    """Passdbs and userdbs for which this is the same have one client between them: the first one's.

    What stands in a server's own block does not count.  Source: driver_mysql_db_cache_find() and
    driver_pgsql_db_cache_find(), Dovecot 2.4.1 src/lib-sql/driver-mysql.c, driver-pgsql.c.  Measured.
    """
    raw: Host = {}
    for scope in (tree, passdb):
        raw |= _settings(driver, scope, own=False)
        raw |= {f"parameters {name}": text for name, text in _parameters(driver, scope, own=False).items()}
    names = {block.name for scope in (tree, passdb) for block in scope.all(driver)}
    return (driver, tuple(sorted(names)), tuple(sorted(raw.items())))


def _of_block(
    driver: str, name: str, scopes: tuple[tuple[conf.Block, bool], ...], value: Callable[[str, str], str]
) -> Host:
    """One server; what a later scope says counts.  True: it is a block of its own, without prefixes."""
    raw: Host = {"host": name}
    parameters: Host = {}
    for scope, own in scopes:
        raw |= _settings(driver, scope, own=own)
        parameters |= _parameters(driver, scope, own=own)
    kept = {name: text for name, text in raw.items() if name not in _NOT_THE_CLIENTS}
    kept = _mysql_24(kept) if driver == "mysql" else {"host": kept.get("host", ""), **parameters}
    return {name: value(text, f"{driver}_{name}") for name, text in kept.items() if text}


def _settings(driver: str, scope: conf.Block, *, own: bool) -> Host:
    """The client's settings of one scope, without the prefix.  doveconf prints defaults as empty ones."""
    raw: Host = {}
    for setting in scope.settings:
        short = setting.name.removeprefix(f"{driver}_")
        if setting.name in _TLS or ((own or setting.name != short) and (setting.value or own)):
            raw[short] = setting.value
    for block in scope.blocks:
        if block.kind == _TLS_BLOCK:  # so doveconf prints them
            raw |= {f"{_TLS_BLOCK}_{one.name}": one.value for one in block.settings}
    return raw


def _parameters(driver: str, scope: conf.Block, *, own: bool) -> Host:
    kinds = ("parameters", f"{driver}_parameters") if own else (f"{driver}_parameters",)
    return {one.name: one.value for block in scope.blocks if block.kind in kinds for one in block.settings}


def _mysql_24(settings: Host) -> Host:
    """In the words of 2.3's ``connect``; a file of ``ssl_client_*`` counts where ``ssl = yes`` only."""
    tls = {_TLS[name]: text.removeprefix("<") for name, text in settings.items() if name in _TLS and text}
    kept = {name: text for name, text in settings.items() if name not in _TLS}
    # The driver of 2.4 does not set the client's option for the server's name: driver-mysql.c, measured.
    return {**kept, **tls, "ssl_verify_server_cert": "no"} if kept.get("ssl") == "yes" else kept
