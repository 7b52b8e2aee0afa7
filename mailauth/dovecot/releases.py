"""What single releases of Dovecot changed, one row each, and which SASL mechanisms each knows.  Tables.

What else differs by version stands in tables of its own: settings in ``renamed.py``, variables in
``variables_v23.py`` and ``variables_v24.py``, default schemes in ``defaults.py``, schemes in
``mailauth.hashes`` (``since`` and ``gone`` of each).
"""

from mailauth.dovecot.version import Version
from mailauth.records import dataclass


@dataclass(frozen=True, slots=True)
class SettingChange:
    """Something that holds from a release on."""

    since: Version
    what: str
    source: str

    def holds(self, version: Version) -> bool:
        return version >= self.since


_2_4_5 = Version(2, 4, 5)
_FIRST, _NEVER = Version(2, 3), Version(99, 0)

HERE_DOCUMENTS = SettingChange(
    _2_4_5,
    "a value may be a here-document (query = <<SQL)",
    "commit a11353244f, src/config/config-parser.c; run",
)
WORKER_HIT_FALLS_BACK = SettingChange(
    _2_4_5,
    "a hit of the auth cache that an auth-worker does not verify is looked up again, as one of auth is",
    "commit 28c3654bbd, src/auth/passdb-cache.c; run",
)
CACHE_STATUS = SettingChange(
    _2_4_5, "doveadm auth cache status exists", "commit dba78502a0, src/doveadm/doveadm-auth.c; run"
)
NO_UPDATE_QUERY = SettingChange(
    _2_4_5, "passdb_sql_update_query is gone", "commit 476f6c4058, src/auth/passdb-sql.c; run"
)
SQLITE_WAITS = SettingChange(
    _2_4_5,
    "SQLite waits for a lock for a second (sqlite_busy_timeout)",
    "src/lib-sql/driver-sqlite.c; run",
)
SQLITE_WAL = SettingChange(
    _2_4_5,
    "sqlite_journal_mode, wal by default, is kept to: who only reads does not wait for who writes",
    "src/lib-sql/driver-sqlite.c; run",
)
DOVECONF_IS_LENIENT = SettingChange(
    _2_4_5,
    "doveconf -n and -a print a configuration with vsz_limit = 0; the master and doveconf -F refuse it",
    "main(), src/config/doveconf.c; run",
)


@dataclass(frozen=True, slots=True)
class Mechanism:
    """A SASL mechanism that auth itself has, and in which versions."""

    name: str
    since: Version = _FIRST
    before: Version = _NEVER


MECHANISMS: tuple[Mechanism, ...] = (
    *map(Mechanism, ("PLAIN", "LOGIN", "APOP", "CRAM-MD5", "DIGEST-MD5", "EXTERNAL", "ANONYMOUS")),
    *map(Mechanism, ("SCRAM-SHA-1", "SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2")),
    Mechanism("OTP", before=_2_4_5),
    Mechanism("SCRAM-SHA-1-PLUS", Version(2, 4)),
    Mechanism("SCRAM-SHA-256-PLUS", Version(2, 4)),
)
"""Source: mech_init(), src/auth/mech.c of 2.3.13 to 2.4.1; src/auth/auth-sasl.c of 2.4.4; commit a4f186342c
took OTP out; run on 2.3.13 to 2.4.5.  GSSAPI is a plugin in Debian, NTLM needs auth_use_winbind."""


def mechanisms(version: Version) -> frozenset[str]:
    """Those that a Dovecot of ``version`` has without a plugin."""
    return frozenset(one.name for one in MECHANISMS if one.since <= version < one.before)
