"""Who can log in by a directory, with the stored string that Dovecot takes of the entry."""

import re
from collections.abc import Iterator

from mailauth.dovecot import entryfields
from mailauth.dovecot.entryfields import Field, Values
from mailauth.errors import Refused
from mailauth.stores import directory_rows, directory_table
from mailauth.stores.directory_table import DirectorySource
from mailauth.stores.rows import Listed

_PAGE = 500
_BY_NAME = re.compile(
    r"\(\s*([A-Za-z][\w-]*)\s*=\s*%(?:[nu]|\{\s*user(?:name)?\s*(?:\|\s*username\s*)?\})\s*\)"
)
_USERDB = "userdb_"


def listed(source: DirectorySource) -> Iterator[Listed]:
    """To be asked where Dovecot is.  Raises Refused, CannotObserve."""
    directory, attribute = source.directory, source.attribute
    named, returned = name_of(source)
    make = directory_rows.made_of(directory, source.version)
    more = tuple(
        one
        for one in directory.fields
        if one.name not in (*entryfields.PASSWORDS, "user") and not one.name.startswith(_USERDB)
    )
    wanted = tuple(dict.fromkeys((*entryfields.attributes(directory.fields), attribute, named)))
    directory_table.begin(directory)
    with directory_table.linked(directory) as link:
        for entry in link.pages(source.base, directory.scope, source.text, wanted, _PAGE):
            values = dict(entry.values)
            stored = make(entry)[0]
            fields = tuple(one.name for one in more if _comes(one, values))
            names = values.get(named.lower(), ())
            for name in names[:1] if returned else names:
                yield Listed(name, stored.encode("utf-8", "surrogateescape") if stored else None, fields)


def name_of(source: DirectorySource) -> tuple[str, bool]:
    """The attribute with the name of a user, and whether only its first value is one.

    Raises Refused where one name is looked up, and another returned, or it does not show.
    """
    directory = source.directory
    asked = {name.lower(): name for name in _BY_NAME.findall(directory.filter)}
    user = next((one for one in directory.fields if one.name == "user"), None)
    if user is not None and (own := entryfields.alone(user)).lower() in asked:
        return own, True
    if user is None and len(asked) == 1:
        return next(iter(asked.values())), False
    raise Refused(
        f"{directory.place}: under which name a user logs in does not show: the filter {directory.filter!r}"
        " has to compare one attribute with the name (uid=%u), and a user field has to return the same one."
    )


def _comes(one: Field, values: Values) -> bool:
    """Whether an entry gives the field a value; one without any attribute always has it."""
    named = [one.attribute] if one.attribute else entryfields.FROM_ENTRY.findall(one.template or "")
    return not named or any(values.get(name.lower()) for name in named)
