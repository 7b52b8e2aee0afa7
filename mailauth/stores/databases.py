"""The drivers of databases: each is a file of its own, named in ``authconfig.SQL_DRIVERS``."""

from collections.abc import Iterator, Mapping
from importlib import import_module

from mailauth.dovecot.authconfig import SQL_DRIVERS
from mailauth.stores.database import Database


class _Databases(Mapping[str, Database]):
    """Each is imported when it is first asked for: ``sql.prepare`` does before a child is made."""

    def __getitem__(self, name: str) -> Database:
        if name not in SQL_DRIVERS:
            raise KeyError(name)
        found: Database = import_module(f"mailauth.stores.{name}").DATABASE
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(SQL_DRIVERS)

    def __len__(self) -> int:
        return len(SQL_DRIVERS)


DATABASES: Mapping[str, Database] = _Databases()
