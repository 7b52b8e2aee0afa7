"""The drivers of databases.  Each takes 0.1 s to import, and most runs need one of them or none."""

from typing import TYPE_CHECKING

from mailauth.later import later

if TYPE_CHECKING:
    import psycopg
    import psycopg.conninfo
    import psycopg.pq
    import pymysql
    import pymysql.constants.CLIENT
    import pymysql.converters
    import pymysql.cursors
else:
    psycopg = later("psycopg")
    pymysql = later("pymysql")

__all__ = ["psycopg", "pymysql"]
