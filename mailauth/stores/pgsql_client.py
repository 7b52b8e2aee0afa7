"""Connect to PostgreSQL as Dovecot does, by libpq."""

from typing import Any

from mailauth.stores import pgsql_errors
from mailauth.stores.database import TIMEOUT, Host
from mailauth.stores.drivers import psycopg

AT_ONCE = "SET CONSTRAINTS ALL IMMEDIATE"
"""In a transaction: triggers that are deferred to its end run after each statement, and can be seen."""
_READ_ONLY = "default_transaction_read_only"


def connect(
    host: Host,
    options: str = "",
    *,
    seconds: float = TIMEOUT,
    autocommit: bool = False,
    read_only: bool = False,
) -> Any:
    """``options`` are the server's: "-c lock_timeout=2000".  Raises what ``pgsql_errors`` says of it.

    ``options`` may be refused by pgbouncer, which hands a server's session to others: ``is_pooled`` then.
    ``read_only``: for all that is asked.  target_session_attrs chooses a server by whether its sessions are
    read-only, so that ours must not be one before.  Source: PostgreSQL's libpq, 34.1.2.
    """
    parameters: dict[str, Any] = {key: value for key, value in host.items() if value}
    parameters["connect_timeout"] = str(max(int(seconds), 2))  # libpq knows no shorter one
    later = read_only and "target_session_attrs" in parameters
    at_once = f"-c {_READ_ONLY}=on" if read_only and not later else ""
    parameters["options"] = " ".join(filter(None, (parameters.get("options", ""), options, at_once)))
    try:
        try:
            link = psycopg.connect(**parameters, autocommit=autocommit or later)
        except psycopg.OperationalError as why:
            ended = pgsql_errors.ended_by(parameters)
            if not (pgsql_errors.refuses_parameters(ended) and parameters["options"]):
                raise pgsql_errors.of_connect(why, parameters, ended) from None
            link = _pooled(parameters, autocommit=autocommit, read_only=read_only)
            later = False
        if link.info.encoding == "ascii":  # a database of SQL_ASCII, say
            _as_bytes(link)
        if later:
            link.execute(f"SET {_READ_ONLY} = on")
            link.autocommit = autocommit
    except (psycopg.Error, UnicodeError) as why:
        raise pgsql_errors.of_connect(why, parameters) from None
    return link


def _as_bytes(link: Any) -> None:
    """Text is whatever bytes are stored, as Dovecot gets them; the driver's own loader would give no str.

    With client_encoding UTF8 the server refuses a row that is something else.  Source: PostgreSQL's manual,
    "Character Set Support", SQL_ASCII.
    """

    class FromBytes(psycopg.adapt.Loader):
        def load(self, data: Any) -> str:
            return bytes(data).decode("utf-8", "surrogateescape")

    class ToBytes(psycopg.adapt.Dumper):
        def dump(self, obj: str) -> bytes:
            return obj.encode("utf-8", "surrogateescape")

    for kind in ("text", "varchar", "bpchar", "name", 0):
        link.adapters.register_loader(kind, FromBytes)
    link.adapters.register_dumper(str, ToBytes)


def _pooled(parameters: dict[str, Any], *, autocommit: bool, read_only: bool) -> Any:
    """Behind pgbouncer no setting of a session may be left behind, and no statement is prepared.

    Source: pgbouncer's manual, "Transaction pooling".
    """
    del parameters["options"]
    link = psycopg.connect(**parameters, autocommit=autocommit and not read_only, prepare_threshold=None)
    link.read_only = read_only or None
    return link


def is_pooled(link: Any) -> bool:
    """Whether a session of PostgreSQL's may be another one in the next transaction."""
    return link.prepare_threshold is None
