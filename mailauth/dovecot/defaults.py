"""The password scheme that Dovecot takes where a stored string names none and nothing is set.  A table.

From 2.4 on it follows ``dovecot_config_version``, not the binary alone, and what doveconf says is not all:
the defaults of single drivers are not shown, and 2.4.5's SQL drivers do not follow it.
"""

from mailauth.dovecot.version import Version
from mailauth.records import dataclass

_FIRST, _NEVER = Version(2, 3), Version(99, 0)
_SQL = ("sql", "mysql", "pgsql", "sqlite")


@dataclass(frozen=True, slots=True)
class DefaultScheme:
    """For these drivers (none named: for all others), of these versions; the first row that fits counts."""

    drivers: tuple[str, ...]
    scheme: str
    source: str
    since: Version = _FIRST  # the binary
    before: Version = _NEVER
    config_before: Version = _NEVER  # dovecot_config_version


_2_4 = Version(2, 4)
_2_4_3 = Version(2, 4, 3)
_HISTORY = "src/lib-settings/settings-history-core.txt, passdb_default_password_scheme PLAIN before 2.4.3"

DEFAULT_SCHEMES: tuple[DefaultScheme, ...] = (
    DefaultScheme(("static",), "PLAIN", "STATIC_PASS_SCHEME, src/auth/passdb-static.c, 2.3.13 to 2.4.5; run"),
    DefaultScheme(("oauth2",), "PLAIN", "src/auth/passdb-oauth2.c, 2.3.13 to 2.4.5"),
    DefaultScheme((*_SQL, "dict"), "MD5", "src/auth/db-sql.c, db-dict.c of 2.3.19.1; run", before=_2_4),
    DefaultScheme(("pam", "bsdauth", "imap", "lua"), "PLAIN", "src/auth/passdb-*.c of 2.3.19.1", before=_2_4),
    DefaultScheme((), "CRYPT", "src/auth/passdb-*.c of 2.3.19.1; run", before=_2_4),
    DefaultScheme(("ldap", "passwd"), "CRYPT", "src/auth/db-ldap-settings.c, passdb-passwd.c, all of 2.4"),
    DefaultScheme((), "PLAIN", "src/auth/auth-settings.c, 2.4.0 to 2.4.2; run", before=_2_4_3),
    DefaultScheme((*_SQL, "lua"), "CRYPT", "passdb_preinit(), src/auth/passdb.c; run on 2.4.5", _2_4_3),
    DefaultScheme((), "PLAIN", f"{_HISTORY}; run on 2.4.5", _2_4_3, config_before=_2_4_3),
    DefaultScheme((), "CRYPT", "src/auth/auth-settings.c since 2.4.3; run on 2.4.5", _2_4_3),
)


def default_scheme(driver: str, version: Version, config_version: Version | None = None) -> str:
    """The scheme of a string without a prefix; no ``config_version``: the binary's own."""
    asked = config_version or version
    return next(
        row.scheme
        for row in DEFAULT_SCHEMES
        if (not row.drivers or driver in row.drivers)
        and row.since <= version < row.before
        and asked < row.config_before
    )
