"""Why PostgreSQL gives no answer, by SQLSTATE.

Source: PostgreSQL's appendix "Error Codes".
"""

import os
import re
import select
from typing import Any, NamedTuple

from mailauth.bounded import TOO_MUCH
from mailauth.dovecot import clients
from mailauth.errors import CannotObserve
from mailauth.stores.drivers import psycopg
from mailauth.stores.refusal import REACH_TIMEOUT, Refusal, first_line, reach, unreachable, without_values
from mailauth.stores.store import Failing

_SQLSTATE = {
    "28000": Failing.CREDENTIALS,
    "28P01": Failing.CREDENTIALS,
    "3D000": Failing.DATABASE,
    "42P01": Failing.TABLE,
    "3F000": Failing.TABLE,
    "42703": Failing.COLUMN,
    "42501": Failing.PERMISSION,
    "53300": Failing.CONNECTIONS,
    "57014": Failing.SLOW,
    "55P03": Failing.SLOW,  # lock_timeout
    "25P03": Failing.DOWN,  # idle_in_transaction_session_timeout: we were stopped
    "57P01": Failing.DOWN,
    "57P02": Failing.DOWN,
    "57P03": Failing.DOWN,  # "the database system is starting up"
}
_READ_ONLY = "25006"
_NO_MEMORY = "out of memory"  # libpq's own words, which have no code: the server's has 53200
_OF_A_PARAMETER = frozenset({"22023", "42704"})  # a value, or a name, that the server does not know
_OPTION = re.compile(r'(?<=invalid connection option )"(.*)"', re.DOTALL)


class BrokenOff(NamedTuple):
    """A connection attempt that failed: the SQLSTATE, and whether a server said anything at all."""

    code: str
    spoke: bool


def of_query(why: Exception, template: str = "") -> CannotObserve:
    """A query that PostgreSQL refuses, or a connection that broke.  ``template``: the query as configured."""
    code = str(getattr(why, "sqlstate", None) or "")
    text = first_line(why)
    kind = _SQLSTATE.get(code)
    if not code and _NO_MEMORY in text:
        return CannotObserve(f"PostgreSQL: {TOO_MUCH}.")
    if not code or code == _READ_ONLY:
        return CannotObserve(f"PostgreSQL: {text}.")
    if kind is None:
        kind, text = Failing.SYNTAX, without_values(text, template)
    return Refusal(kind, code, f"PostgreSQL: {text}")


def of_connect(why: Exception, parameters: dict[str, Any], ended: BrokenOff | None = None) -> CannotObserve:
    """A connection that is not made: libpq gives a text only, so it is tried again and read along.

    ``ended``: what that showed, where it was done.
    """
    says = f"PostgreSQL: {first_line(why)}"
    if _is_misuse(why):
        return Refusal(Failing.SETTINGS, "", _OPTION.sub(lambda found: clients.shown(found[1]), says))
    code, spoke = ended or ended_by(parameters)
    if code:
        kind = Failing.SETTINGS if code in _OF_A_PARAMETER else _SQLSTATE.get(code, Failing.CREDENTIALS)
        kind = Failing.CREDENTIALS if kind is Failing.PERMISSION else kind  # no table was asked for yet
        # "peer" asks the system who the process belongs to
        by_name = kind is Failing.CREDENTIALS and code.startswith("28") and _on_socket(parameters)
        return Refusal(kind, code, says, by_name=by_name)
    if not spoke:
        host = str(parameters.get("hostaddr") or parameters.get("host") or "")
        port = int(parameters.get("port") or 5432)
        path = f"{host or '/var/run/postgresql'}/.s.PGSQL.{port}" if _on_socket(parameters) else ""
        if error := reach(host, port, path):
            return unreachable(error, says)
    if _is_of_tls(parameters):
        return Refusal(Failing.TLS, "TLS", says)
    return CannotObserve(f"{says}.")


def _is_misuse(why: Exception) -> bool:
    """The library does not know the parameter, or takes no such value."""
    return isinstance(why, psycopg.ProgrammingError)


def _is_of_tls(parameters: dict[str, Any]) -> bool:
    """Whether the server speaks to us as soon as the settings of TLS are left out."""
    if not any(name.startswith("ssl") for name in parameters):
        return False
    plain = {name: value for name, value in parameters.items() if not name.startswith("ssl")}
    code, spoke = ended_by({**plain, "sslmode": "disable"})
    return bool(code) or spoke


def _on_socket(parameters: dict[str, Any]) -> bool:
    host = str(parameters.get("hostaddr") or parameters.get("host") or "")
    return not host or host.startswith("/")


def refuses_parameters(ended: BrokenOff) -> bool:
    """Whether that may be a pgbouncer that does not take our "options"; 08P01 has other reasons, too.

    Its words differ by release.  Source: disconnect_client() of pgbouncer's src/objects.c.
    """
    return ended.code == "08P01"  # protocol_violation


def ended_by(parameters: dict[str, Any]) -> BrokenOff:
    """How a connection attempt ends.

    libpq's trace of the protocol has it.  It is written to memory that only we can read.
    """
    connection = psycopg.pq.PGconn.connect_start(psycopg.conninfo.make_conninfo(**parameters).encode())
    memory = os.memfd_create("trace")
    try:
        connection.trace(memory)
        state = connection.connect_poll()
        while state in (psycopg.pq.PollingStatus.READING, psycopg.pq.PollingStatus.WRITING):
            waiting = select.poll()
            waiting.register(connection.socket, 1 if state is psycopg.pq.PollingStatus.READING else 4)
            if not waiting.poll(REACH_TIMEOUT * 1000):
                break
            state = connection.connect_poll()
        connection.untrace()
        told = os.pread(memory, 65536, 0)
    finally:
        os.close(memory)
        connection.finish()
    found = re.search(rb"ErrorResponse\t.*? C \"([0-9A-Z]{5})\"", told)
    return BrokenOff(found[1].decode() if found else "", b"\tB\t" in told or told.startswith(b"B\t"))
