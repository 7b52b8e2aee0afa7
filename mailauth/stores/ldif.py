"""LDIF: entries read, and modifications written that a directory makes only where the old value still is.

Source: RFC 2849; RFC 4511, 4.6: a modification is made as a whole or not at all, and to delete a value that
is not there fails.
"""

import base64
import binascii
from collections.abc import Iterator, Sequence
from dataclasses import field
from typing import BinaryIO

from mailauth import lines
from mailauth.errors import UsageError
from mailauth.records import dataclass

_NAMES = ("uid", "mail", "cn")  # of a user, the first that is there


@dataclass(frozen=True, slots=True)
class LdifEntry:
    """An entry's name, its user, and the values of the attribute that has the passwords."""

    dn: bytes
    user: str
    values: tuple[bytes, ...] = field(repr=False)


def read(file: BinaryIO, attribute: str) -> Iterator[LdifEntry]:
    """The entries that have the attribute.  Raises UsageError with the line of what is none."""
    wanted = attribute.lower()
    for fields in _records(file):
        if "changetype" in fields:
            raise UsageError("it has changes (changetype), and entries are wanted, as slapcat writes them.")
        dn, values = fields.get("dn"), fields.get(wanted, [])
        if dn and values:
            name = next((fields[one][0] for one in _NAMES if one in fields), dn[0])
            yield LdifEntry(dn[0], name.decode("utf-8", "replace"), tuple(values))


def _records(file: BinaryIO) -> Iterator[dict[str, list[bytes]]]:
    fields: dict[str, list[bytes]] = {}
    for number, line in _unfolded(file):
        if not line:
            if fields:
                yield fields
            fields = {}
            continue
        name, colon, rest = line.partition(b":")
        if not colon or rest[:1] == b"<":
            what = "a value that is in a file of its own" if colon else "no attribute"
            raise UsageError(f"line {number}: {what}.")
        try:
            value = (
                base64.b64decode(rest[1:].strip(), validate=True) if rest[:1] == b":" else rest.lstrip(b" ")
            )
        except binascii.Error:
            raise UsageError(f"line {number}: no base64.") from None
        fields.setdefault(name.decode("ascii", "replace").partition(";")[0].lower(), []).append(value)
    if fields:
        yield fields


def _unfolded(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Lines with those that go on joined to them; without comments."""
    held: tuple[int, bytes] | None = None
    for number, (raw, length) in enumerate(lines.sized(file), 1):
        if length > len(raw):
            raise UsageError(f"line {number}: {length} bytes, which is too long.")
        line = raw.rstrip(b"\r\n")
        if line[:1] == b" " and held:
            held = (held[0], held[1] + line[1:])
            continue
        if held and held[1][:1] != b"#":
            yield held
        held = (number, line)
    if held and held[1][:1] != b"#":
        yield held


def modification(dn: bytes, old: Sequence[bytes], new: Sequence[bytes], attribute: str) -> bytes:
    """All values of an entry: an added one stands behind those that stay, and Dovecot takes the first."""
    name = attribute.encode()

    def each(values: Sequence[bytes]) -> bytes:
        return b"".join(b"%b:: %b\n" % (name, base64.b64encode(one)) for one in values)

    return b"dn:: %b\nchangetype: modify\ndelete: %b\n%b-\nadd: %b\n%b-\n\n" % (
        base64.b64encode(dn),
        name,
        each(old),
        name,
        each(new),
    )
