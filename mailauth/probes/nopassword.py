"""Whether nopassword counts: beside which passwords, and set by whom.

Any value of it counts, "" and "no", too.  On 2.4 so does the field whatever stands beside it.  On 2.3 it
depends on what Dovecot reads first: beside a password that it has read already nopassword is passed over.

Source: auth_request_set_field() and auth_request_verify_plain_callback_finish(), src/auth/auth-request.c of
Dovecot 2.3.19.1 and 2.4.1; sql_query_save_results(), src/auth/passdb-sql.c; passdb-static.c.  Measured on
both, with sqlite, passwd-file and static: tests/parity/test_nopassword.py.
"""

from mailauth.dovecot.authconfig import Passdb, SqlSource, StaticSource
from mailauth.dovecot.version import Dialect
from mailauth.stores.store import Record

_NAME = "nopassword"


def counts(passdb: Passdb, record: Record, dialect: Dialect) -> bool:
    """Whether the field nopassword of this entry, which has one, lets any password in."""
    if dialect == "2.4" or not _payload(record.stored):
        return True
    names = [name for name, _ in record.values]
    if _NAME in names:
        if isinstance(passdb.source, StaticSource):
            return True  # its fields are set before its password
        in_order = isinstance(passdb.source, SqlSource) or passdb.driver == "ldap"
        if in_order and names.index(_NAME) < record.ahead:
            return True
    # override_fields come when the password was verified
    return _NAME in dict(passdb.set_before(dialect))


def _payload(stored: bytes) -> bytes:
    """The stored string without a scheme's name."""
    return stored.partition(b"}")[2] if stored.startswith(b"{") and b"}" in stored else stored
