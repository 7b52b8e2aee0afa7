"""What Dovecot makes of a directory's entry: the fields of a passdb, among them the password.

2.3 has pairs ``attribute=field`` and templates ``attribute=field=template`` in pass_attrs; 2.4 has templates
with ``%{ldap:attribute}`` in its fields.  Of an attribute with several values the first counts.

Source: db_ldap_set_attrs(), db_ldap_result_return_value(), Dovecot 2.3.19.1 src/auth/db-ldap.c;
ldap_query_get_fields(), db_ldap_field_single_expand(), 2.4.1 src/auth/db-ldap.c.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field

from mailauth.errors import CannotObserve
from mailauth.records import dataclass

FROM_ENTRY = re.compile(r"%\{\s*ldap:([^}|:\s]+)")
_OTHER_WAYS = re.compile(r"ldap_(?:ptr|multi|dn)\b")
_OF_23 = re.compile(r"%\{ldap:([^}:]+)(?::([^}]*))?\}|(%%)|(%\$)")
_CHANGED = re.compile(r"%[-.0-9A-Z]+(?:\$|\{ldap)")  # a modifier, whose result is not worked out here
_NAME = re.compile(r"[A-Za-z][\w-]*")
_EXPANDED = re.compile(r"%\{\s*ldap:([^}|:\s]+)\s*((?:\|[^}]*)?)\}")
_ALONE = re.compile(r"%\{\s*ldap:([A-Za-z][\w-]*)\s*\}")
PASSWORDS = ("password", "password_noscheme")

Values = Mapping[str, tuple[bytes, ...]]
"""An entry: by the attribute in small letters."""


@dataclass(frozen=True, slots=True)
class Field:
    """``attribute``: whose value it takes, "" for none; ``template``: None where that is the value itself."""

    name: str
    attribute: str
    template: str | None = field(repr=False)


def of_23(attributes: str) -> tuple[Field, ...]:
    """What pass_attrs says."""
    return tuple(one for text in attributes.split(",") if (one := _of_23(text.lstrip(" "))))


def _of_23(text: str) -> Field | None:
    attribute, equals, rest = text.partition("=")
    if not text or text.startswith("!"):
        return None
    if not equals:
        return Field(text, text, None)
    name, more, template = rest.partition("=")
    if attribute and not more:
        return Field(name, attribute, None)
    return Field(name, attribute, template if "%" in template else f"{template}%$")


def alone(one: Field) -> str:
    """The attribute whose value the field is, as it is; "" where it is made of more."""
    if one.template is None:
        return one.attribute if _NAME.fullmatch(one.attribute) else ""
    found = None if one.attribute else _ALONE.fullmatch(one.template)
    return found[1] if found else ""


def attributes(fields: tuple[Field, ...]) -> tuple[str, ...]:
    """Which are asked for.  Raises CannotObserve where an entry leads to another one."""
    found: list[str] = []
    for one in fields:
        if one.attribute.startswith("@") or _OTHER_WAYS.search(one.template or ""):
            raise CannotObserve(f"the field {one.name}: mailauth does not follow its template yet.")
        found += [one.attribute] if one.attribute else []
        found += FROM_ENTRY.findall(one.template or "")
    return tuple(dict.fromkeys(name for name in found if name.lower() != "dn"))


def without_default(fields: tuple[Field, ...]) -> tuple[str, ...]:
    """The attributes without which 2.4 cannot expand a field: it refuses the whole entry then."""
    found = (one for each in fields for one in _EXPANDED.finditer(each.template or ""))
    names = (one[1] for one in found if "default" not in one[2])
    return tuple(dict.fromkeys(name for name in names if name.lower() != "dn"))


def first(entry: Values, attribute: str) -> str | None:
    """The value that counts, as a C string; None where there is none."""
    values = entry.get(attribute.lower(), ())
    return values[0].partition(b"\0")[0].decode("utf-8", "surrogateescape") if values else None


def come_23(
    fields: tuple[Field, ...], entry: Values, expand: Callable[[str], str]
) -> Iterator[tuple[str, str]]:
    """Name and value of 2.3's fields, in its order.  Raises CannotObserve."""
    for one in fields:
        value = first(entry, one.attribute) if one.attribute else ""
        if value is None:
            continue
        if one.template is not None:
            if _CHANGED.search(one.template):
                raise CannotObserve(f"the field {one.name}: mailauth does not follow its template yet.")
            value = expand(_filled(one.template, value, entry))
        yield one.name, value


def _filled(template: str, value: str, entry: Values) -> str:
    """The entry's values put in; other variables are left."""

    def of(found: re.Match[str]) -> str:
        if found[3]:
            return "%%"
        given = value if found[4] else first(entry, found[1]) or found[2] or ""
        return given.replace("%", "%%")

    return _OF_23.sub(of, template)


def known_24(fields: tuple[Field, ...], entry: Values, name: str) -> dict[str, str]:
    """The variables ``ldap:attribute`` of 2.4's templates, as these write them; an empty value is none."""
    known = {"ldap:": "", "ldap:dn": name}
    for attribute in attributes(fields):
        if value := first(entry, attribute):
            known[f"ldap:{attribute}"] = value
    return known
