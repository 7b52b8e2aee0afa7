"""2.3's variables: ``%u``, ``%Lu``, ``%5.10u``, ``%{user}``, ``%{if;%s;eq;imap;1;0}``, ``%{sha256:user}``.

Values are escaped before a modifier changes them, and a modifier works on bytes.

Source: Dovecot 2.3.19.1 src/lib/var-expand.c, src/lib/var-expand-if.c, src/auth/auth-request-var-expand.c;
2.3.13 to 2.3.21.1 are alike there.
"""

import base64
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from mailauth.dovecot import comparing, digests
from mailauth.errors import CannotObserve
from mailauth.records import dataclass

_LARGER_DIGESTS = (2, 3, 14)


@dataclass(frozen=True, slots=True)
class Table:
    """What a Dovecot knows: ``find`` gives a long name's value, escaped; None for one that it does not know.

    2.3.14 added sha384, and made pkcs5 as long as a structure is (HMAC_MAX_CONTEXT_SIZE, src/lib/hmac.h).
    """

    find: Callable[[str], bytes | None]
    version: tuple[int, ...] = (2, 3, 21)
    depth: int = 0  # of variables within the arguments of others

    @property
    def digests(self) -> frozenset[str]:
        return digests.NAMES - ({"sha384"} if self.version < _LARGER_DIGESTS else set())

    @property
    def pbkdf2_bytes(self) -> int:
        return 256 if self.version < _LARGER_DIGESTS else 336


SHORT = {
    "u": "user",
    "n": "username",
    "d": "domain",
    "s": "service",
    "h": "home",
    "l": "lip",
    "r": "rip",
    "p": "pid",
    "w": "password",
    "!": "!",
    "m": "mech",
    "c": "secured",
    "a": "lport",
    "b": "rport",
    "k": "cert",
    "%": "%",
}
_MOST_MODIFIERS = 10
_DEEPEST = 16
_MOST_DIGITS = 5  # of a width: what is padded takes memory
_HEAD = re.compile(
    r"(-?)(0?)([0-9]*)(?:(\.)(0?)(-?)([0-9]*))?([LUEXRHNMDT]{0,%d})" % _MOST_MODIFIERS  # noqa: UP031 - braces
)
_BLANKS = b" \t\n\r\v\f"
_U64, _U32 = 2**64, 0xFFFFFFFF


@dataclass(slots=True)
class _Field:
    """What stands before one variable: an offset, a width, and whether it is padded with zeros."""

    offset: int = 0
    width: int = 0
    zeros: bool = False


@dataclass(frozen=True, slots=True)
class NotExpanded:
    """What Dovecot logs of a variable.  ``always``: whoever the user is.  ``unknown``: what it has not."""

    says: str
    always: bool = False
    unknown: str = ""


@dataclass(slots=True)
class Expanded:
    """The text, and why Dovecot does not take it (None where it does)."""

    text: bytes
    error: NotExpanded | None = None


Value = tuple[bytes, NotExpanded | None]
"""The value; or the mark that Dovecot leaves, and what it logs."""


def expanded(template: str, table: Table) -> Expanded:
    """``template`` with its variables replaced; what is unknown leaves a mark in the text, and an error.

    Raises CannotObserve.
    """
    if table.depth > _DEEPEST:
        raise CannotObserve(f"variables stand within variables, more than {_DEEPEST} deep; not tried.")
    out, at = b"", 0
    error: NotExpanded | None = None
    while at < len(template):
        char = template[at]
        at += 1
        if char != "%":
            out += char.encode("utf-8", "surrogateescape")
            continue
        head = _HEAD.match(template, at)
        assert head
        at = head.end()
        if at >= len(template):
            break
        name, at = _name(template, at)
        value, why = _value(name, table)
        error = why or error
        out += value if why else _shaped(value, _field(head), head[8])
    return Expanded(out, error)


def names_in(template: str, depth: int = 0) -> tuple[str, ...]:
    """The long names of the variables in it, those in the arguments of ``if`` and digests as well.

    What is deeper than ``expanded`` goes is left out.
    """
    found = []
    if depth > _DEEPEST:
        return ()
    for _, name in _variables(template):
        long = SHORT.get(name[1], name[1]) if name[0] else name[1]
        function, _, data = long.partition(":")
        if function.partition(";")[0] in (*digests.NAMES, "pkcs5"):
            found.append(data)
        elif not function.startswith("if;"):
            found.append(long)
        found += names_in(long.partition(";")[2], depth + 1)
    return tuple(dict.fromkeys(name for name in found if name != "%"))


def written_in(template: str) -> tuple[str, ...]:
    """The variables as they stand in it: "%Lu", "%{sha256:user}"."""
    return tuple(dict.fromkeys(text for text, _ in _variables(template)))


def _variables(template: str) -> Iterator[tuple[str, tuple[bool, str]]]:
    """Each variable as it stands, and its name as _name() has it."""
    at = 0
    while (start := template.find("%", at)) >= 0:
        head = _HEAD.match(template, start + 1)
        assert head
        at = head.end()
        if at >= len(template):
            return
        name, at = _name(template, at)
        yield template[start:at], name


def _name(template: str, at: int) -> tuple[tuple[bool, str], int]:
    """Whether the name is a short one, the name, and where the text goes on."""
    if template[at] != "{" or "}" not in template[at:]:
        return (True, template[at]), at + 1
    depth, end, escaped = 1, at + 1, False
    while end < len(template) and depth:
        char = template[end]
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        else:
            depth += (char == "{") - (char == "}")
        end += 1
    return (False, template[at + 1 : end - 1 if not depth else end]), end


def _unknown(name: str) -> Value:
    mark = f"UNSUPPORTED_VARIABLE_{name}".encode("utf-8", "surrogateescape")
    return mark, NotExpanded(f"Unknown variable '%{name}'", always=True, unknown=name)


def _value(name: tuple[bool, str], table: Table) -> Value:
    short, key = name
    if short:
        if key == "%":
            return b"%", None
        found = table.find(SHORT[key]) if key in SHORT else None
        return _unknown(key) if found is None else (found, None)
    found = table.find(key) if key != "!" else None
    if found is not None:
        return found, None
    function, _, data = key.partition(":")
    kind = function.partition(";")[0].lower()
    if kind in table.digests or kind == "pkcs5":
        return _digest(function, kind, data, table)
    if kind == "if":
        return _if(key, table)
    return _unknown(function)


def _field(head: re.Match[str]) -> _Field:
    minus, zero, digits, point, zero_2, minus_2, digits_2 = (head[i] or "" for i in range(1, 8))
    if max(len(digits), len(digits_2)) > _MOST_DIGITS:
        raise CannotObserve(f"a variable has a width of more than {_MOST_DIGITS} digits; not tried.")
    first = int(digits or 0)
    if not point:
        return _Field(0, first, bool(zero))
    width = int(digits_2 or 0)
    return _Field(-first if minus else first, -width if minus_2 else width, bool(zero_2))


def _shaped(value: bytes, field: _Field, modifiers: str) -> bytes:
    for letter in modifiers:
        value = _hashed(value, field, letter) if letter in "HN" else _MODIFIERS[letter](value)
    if field.offset < 0:
        value = value[field.offset :] if len(value) > -field.offset else value
    else:
        value = value[field.offset :]
    if not field.width:
        return value
    if field.zeros:
        return value.rjust(field.width, b"0")
    if field.width < 0:
        size = len(value) + field.width
        return value if size < 0 else value[:size]  # a negative size is no limit
    return value[: field.width]


def _hashed(value: bytes, field: _Field, letter: str) -> bytes:
    """%H and %N: the width is what the hash is divided by, the offset how many digits it has."""
    number = digests.glib_hash(value) if letter == "H" else digests.md5_head(value)
    if field.width:
        number %= field.width % _U64
    text = f"{number & _U32:x}".rjust(field.offset, "0").encode()
    field.width = field.offset = 0
    return text


_MODIFIERS: dict[str, Callable[[bytes], bytes]] = {
    "L": bytes.lower,
    "U": bytes.upper,
    "E": lambda text: re.sub(rb"""([\\'"])""", rb"\\\1", text),
    "X": lambda text: b"%x" % int(text) if re.fullmatch(rb"[0-9]+", text) and int(text) < _U64 else b"0",
    "R": lambda text: text[::-1],
    "M": lambda text: digests.digest("md5", text).hex().encode(),
    "D": lambda text: text.replace(b".", b",dc="),
    "T": lambda text: text.rstrip(_BLANKS),
}


def _digest(function: str, kind: str, data: str, table: Table) -> Value:
    """``%{sha256;rounds=2,truncate=64,salt=x,format=base64:user}``."""
    value, error = _value((False, data), table)
    if error:
        return b"", error
    own = kind == "pkcs5"
    options, error = _options(function, data if own else "", 2048 if own else 1, table)
    if error:
        return b"", error
    if function.partition(";")[0] != kind:  # found in any case, and then not
        return b"", NotExpanded("(null)")
    salt, rounds, bits, form = options
    found = (
        digests.pbkdf2(value, salt, rounds, table.pbkdf2_bytes)
        if own
        else digests.digest(kind, value, salt, rounds)
    )
    found = digests.cut_to_bits(found, min(bits, len(found) * 8)) if bits else found
    return base64.b64encode(found) if form == "base64" else found.hex().encode(), None


def _options(
    function: str, salted: str, rounds: int, table: Table
) -> tuple[tuple[bytes, int, int, str], NotExpanded | None]:
    """Salt, rounds, bits and format of a digest; or what Dovecot says is wrong."""
    salt, bits, form = salted.encode("utf-8", "surrogateescape"), 0, "hex"
    words = function.partition(";")[2]
    for word in words.split(",") if words else ():
        name, equals, value = word.partition("=")
        if not equals:
            continue
        if name in ("rounds", "truncate"):
            if not re.fullmatch("[0-9]+", value):
                what = "rounds" if name == "rounds" else "truncbits"
                return (salt, rounds, bits, form), _misread(f"'{value}' is not number for {what}")
            if name == "rounds" and not int(value):
                return (salt, rounds, bits, form), _misread("rounds must be at least 1")
            rounds, bits = (int(value), bits) if name == "rounds" else (rounds, int(value))
        elif name == "salt":
            told = expanded(value, replace(table, depth=table.depth + 1))
            salt = told.text
            break
        elif name == "format":
            if value not in ("hex", "hexuc", "base64"):
                return (salt, rounds, bits, form), _misread(f"'{value}' is not supported format")
            form = value
    return (salt, rounds, bits, form), None


def _misread(why: str) -> NotExpanded:
    return NotExpanded(f"Cannot parse hash arguments:{why}")


_IF_PARTS = 5


def _if(key: str, table: Table) -> Value:
    """``%{if;left;operator;right;then;else}``, each with variables of its own."""
    parts = _if_parts(key)
    if len(parts) == _IF_PARTS - 1:
        parts.append("")
    if len(parts) != _IF_PARTS:
        return b"", NotExpanded(f"if: requires four or five parameters, got {len(parts)}")
    told = []
    for part in parts:
        one = expanded(part, replace(table, depth=table.depth + 1))
        if one.error:
            return b"", one.error
        told.append(one.text)
    left, sign, right, then, other = told
    name = sign.decode("utf-8", "replace")
    if name not in comparing.OPERATORS:
        return b"", NotExpanded(f"if: Unsupported comparator '{name}'", always=True)
    if name in comparing.NUMBERS:
        first, second = comparing.number(left), comparing.number(right)
        if first is None or second is None:
            text, side = (left, "lhs") if first is None else (right, "rhs")
            return b"", NotExpanded(f"if: {text.decode('utf-8', 'replace')} ({side}) is not a number")
        return (then if comparing.NUMBERS[name](first, second) else other), None
    return (then if comparing.texts(name, left, right) else other), None


def _if_parts(key: str) -> list[str]:
    """Split at the semicolons outside of inner variables; a colon there ends it."""
    parts, part, depth, escaped, maybe = [], "", 0, False, False
    for char in key.partition(";")[2] + ":":
        if char == "\\":
            escaped = True
            continue
        if escaped:
            part, escaped = part + char, False
            continue
        if char == "%":
            maybe = True
        elif maybe and char == "{":
            depth, maybe = depth + 1, False
        elif depth and char == "}":
            depth -= 1
        elif not depth and char == ";":
            parts.append(part)
            part = ""
            continue
        elif not depth and char == ":":
            break
        part += char
    return [*parts, part] if part else parts
