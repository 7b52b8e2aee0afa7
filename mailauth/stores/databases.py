"""The drivers of databases: each is a file of its own, named in ``authconfig.SQL_DRIVERS``."""

from importlib import import_module

from mailauth.dovecot.authconfig import SQL_DRIVERS
from mailauth.stores.database import Database


def _driver(name: str) -> Database:
    found: Database = import_module(f"mailauth.stores.{name}").DATABASE
    return found


DATABASES = {name: _driver(name) for name in SQL_DRIVERS}
