"""How Dovecot hands a database's settings to the client library: 2.3's ``connect``, 2.4's blocks.

Each server is a dict in the library's own words: those of libpq for PostgreSQL, those of 2.3's ``connect``
for MariaDB and MySQL (2.4's ``ssl_client_*`` are put into them), ``path`` for SQLite.

Source: driver_sqlpool_parse_hosts() and driver_mysql_parse_connect_string(), Dovecot 2.3.19.1
src/lib-sql/driver-sqlpool.c, driver-mysql.c; mysql_setting_defines, driver_mysql_connect() and
driver_pgsql_connect() of 2.4.1; conninfo_parse(), PostgreSQL's src/interfaces/libpq/fe-connect.c.
"""

import re
from collections.abc import Callable

from mailauth.dovecot import conf
from mailauth.dovecot.authconfig import SqlDriver

Host = dict[str, str]


class ConnectError(ValueError):
    """The driver or its library refuses the line; holds none of its values."""


def of_connect(driver: SqlDriver, connect: str) -> tuple[Host, ...]:
    """The servers of a 2.3 ``connect``, in Dovecot's order.  Raises ConnectError."""
    if driver == "sqlite":
        return ({"path": connect},)
    words = [word for word in connect.split(" ") if word]
    hosts = [word.removeprefix("host=") for word in words if word.startswith("host=")]
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
_NUMBERS = ("port", "client_flags", "connect_timeout", "read_timeout", "write_timeout")


def _mysql(line: str) -> Host:
    found: Host = {}
    for word in line.split(" "):
        name, equals, value = word.partition("=")
        if not equals:
            raise ConnectError("Missing value in connect string: a word without '='; a value has no blanks")
        if name not in _MYSQL:
            raise ConnectError(f"Unknown connect string: {name}")
        if name in _NUMBERS and not value.isdigit():
            raise ConnectError(f"Invalid number: {name}")
        if name == "ssl_verify_server_cert" and value not in ("yes", "no"):
            raise ConnectError(f"Invalid boolean: {name}")
        found[_MYSQL[name]] = value
    if "host" not in found and "option_file" not in found:
        raise ConnectError("No hosts given in connect string")
    return found


_NAME = re.compile(r"\s*([^\s=]+)\s*(=?)\s*")
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL)
_BARE = re.compile(r"(?:[^\s\\]|\\.)*", re.DOTALL)


def _conninfo(line: str) -> Host:
    """As libpq reads it: quotes and backslashes count."""
    found: Host = {}
    at, line = 0, line.strip()
    while at < len(line):
        name = _NAME.match(line, at)
        assert name
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
    driver: SqlDriver, tree: conf.Block, passdb: conf.Block, value: Callable[[str, str], str]
) -> tuple[Host, ...]:
    """The servers of 2.4's ``mysql NAME { ... }``: those in the passdb, else the global ones.

    ``value(text, name)`` gives what a setting comes to.  Raises CannotObserve.
    """
    servers = passdb.all(driver) or tree.all(driver)
    return tuple(_of_block(driver, (tree, passdb, server), value) for server in servers)


def _of_block(driver: str, scopes: tuple[conf.Block, ...], value: Callable[[str, str], str]) -> Host:
    """One server; what stands further inside counts.  ``scopes``: from the outermost to its own block."""
    server = scopes[-1]
    raw: Host = {"host": server.name} if server.name else {}
    parameters: Host = {}
    for scope in scopes:
        for setting in scope.settings:
            short = setting.name.removeprefix(f"{driver}_")
            own = scope is server or setting.name != short
            if setting.name in _TLS or (own and (setting.value or scope is server)):
                raw[short] = setting.value
        for block in scope.blocks:
            if block.kind == _TLS_BLOCK:  # so doveconf prints them
                raw |= {f"{_TLS_BLOCK}_{one.name}": one.value for one in block.settings}
            if block.kind in ("parameters", f"{driver}_parameters"):
                parameters |= {one.name: one.value for one in block.settings}
    kept = {name: text for name, text in raw.items() if name not in _NOT_THE_CLIENTS}
    kept = _mysql_24(kept) if driver == "mysql" else {"host": kept.get("host", ""), **parameters}
    return {name: value(text, f"{driver}_{name}") for name, text in kept.items() if text}


def _mysql_24(settings: Host) -> Host:
    """In the words of 2.3's ``connect``; a file of ``ssl_client_*`` counts where ``ssl = yes`` only."""
    tls = {_TLS[name]: text.removeprefix("<") for name, text in settings.items() if name in _TLS and text}
    kept = {name: text for name, text in settings.items() if name not in _TLS}
    # The driver of 2.4 does not set the client's option for the server's name: driver-mysql.c, measured.
    return {**kept, **tls, "ssl_verify_server_cert": "no"} if kept.get("ssl") == "yes" else kept
