"""What the store of a passdb calls a user: as Dovecot changes a name before, and for, the lookup."""

import re

from mailauth.dovecot.authconfig import AuthConfig, FileSource, Passdb, SqlSource
from mailauth.dovecot.username import normalise
from mailauth.dovecot.variables import expand, values
from mailauth.migrate.import_list import Named
from mailauth.stores.query import read, user_of

_SERVICE = "imap"


def named_by(config: AuthConfig, passdb: Passdb) -> Named:
    """Raises CannotObserve, when it is called, for a variable that mailauth does not expand."""
    template, dialect = _template(passdb), config.version.dialect

    def named(user: str) -> tuple[str, str]:
        names = normalise(user, config, _SERVICE)
        name = names.looked_up
        if template:
            known = values(name, original=user, service=_SERVICE, dialect=dialect)
            name = expand(template, known, dialect)
        return name, names.refused

    return named


def as_written(user: str) -> tuple[str, str]:
    """For a store without a Dovecot."""
    return user, ""


def _template(passdb: Passdb) -> str:
    """What the users of the store are compared with; "" for the name as Dovecot looks it up."""
    if isinstance(passdb.source, FileSource):
        return passdb.source.username_format
    if not isinstance(passdb.source, SqlSource):
        return ""
    user, select = user_of(passdb.source.query), read(passdb.source.query)
    found = re.search(rf"{re.escape(user)}\s*=\s*'([^']*)'", select.where) if select and user else None
    return found[1] if found else ""
