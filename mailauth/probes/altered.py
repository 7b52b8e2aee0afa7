"""What a lookup makes of the user's name: the name that a store is asked for can be another one."""

from collections.abc import Mapping
from contextlib import suppress

from mailauth.dovecot.authconfig import FileSource, Passdb, SqlSource
from mailauth.dovecot.variables import made_of_the_name
from mailauth.dovecot.version import Version
from mailauth.errors import CannotObserve


def of_lookup(passdb: Passdb, known: Mapping[str, str], version: Version) -> tuple[tuple[str, str], ...]:
    """The variables, and what they come to, that are not the name or a part of it."""
    source = passdb.source
    templates: tuple[str, ...] = ()
    if isinstance(source, SqlSource):
        templates = (source.query,)
    elif isinstance(source, FileSource):
        templates = (source.path, source.username_format)
    found: tuple[tuple[str, str], ...] = ()
    with suppress(CannotObserve):  # then the lookup itself has said so
        for template in templates:
            found += made_of_the_name(template, known, version)
    return tuple(dict.fromkeys(found))
