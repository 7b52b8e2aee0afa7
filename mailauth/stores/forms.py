"""Ordinary forms of stored strings: what is of one, and equal but for its salt and digest, is judged alike.

``grouping.py`` says them in SQL, where a database counts, and ``alike.py`` as an expression, where we do.
"""

import re
from collections.abc import Iterable

from mailauth import hashes
from mailauth.hashes import notation
from mailauth.hashes.bare import SURE_HEX
from mailauth.hashes.schemes import ITSELF
from mailauth.records import dataclass

B64, C64, HEX = "A-Za-z0-9+/", "./A-Za-z0-9", "0-9a-fA-F"
_LAST_2, _LAST_4 = "AQgw", "AEIMQUYcgkosw048"  # where 4, or 2, bits of the last character do not count
_DIGESTS = tuple(scheme.name for scheme in hashes.SCHEMES if scheme.default_encoding)
_ENCODINGS = ("", ".HEX", ".B64", ".BASE64")
# The digests that have no parameters inside, as they may be written; and what has no scheme
DIGESTS = ("''", *(f"'{{{name}{encoding}}}'" for name in _DIGESTS for encoding in _ENCODINGS))
# A password of no form at all: what has one of these, and nothing else, is neither a hash nor a lock
PASSWORD, SIGNS = "A-Za-z0-9!?#@~^._+/=,<>*-", "!?#@~^"
NO_SIGN = "A-Za-z0-9._+/=,<>*-"
SHORT, LONG = (5, 12), (13, 32)  # characters: the longer ones have one of the signs, which no digest has
STAND_IN = "x" * SHORT[0]
_ORDINARY = re.compile(
    rb"[A-Za-z0-9][%b]{4,11}|(?=.*[%b])[A-Za-z0-9][%b]{12,31}"
    % (PASSWORD.encode(), SIGNS.encode(), PASSWORD.encode())
)
MARKS = ("undefined", "SCRAM-%", "grub.%", "AQAAAA%")
CASE = 12  # characters at a digest's end; small letters only: all of it may be so


def ordinary(text: bytes) -> bool:
    """A password stored as it is that stands for all such."""
    if not _ORDINARY.fullmatch(text):
        return False
    return text != b"undefined" and not text.startswith(tuple(mark[:-1].encode() for mark in MARKS[1:]))


@dataclass(frozen=True, slots=True)
class Form:
    """``ids``: one of them stands between the first two "$"; the string ends in fields of fixed lengths.

    ``before``: what stands before the fields, as LIKE says it; ``between``: what stands there after the id
    and its "$", as an expression says it.  ``ends``: the characters that a field, numbered from 0, may end
    in.  ``at``: the same for a place.
    """

    ids: tuple[str, ...]
    before: str
    fields: tuple[int, ...]
    chars: str
    fill: str
    ends: tuple[tuple[int, str], ...] = ()
    at: tuple[tuple[int, str], ...] = ()
    between: str = ""

    @property
    def tail(self) -> int:
        return sum(self.fields) + len(self.fields) - 1


_ARGON2 = ("argon2i", "argon2d", "argon2id")
_ARGON2_PARAMS = r"v=19\$m=[a-z0-9=,]{1,40}\$"
_ROUNDS, _COST = r"(?:rounds=[0-9]{1,9}\$)?", r"[0-9]{2}\$"
_BCRYPT_END = ".CGKOSWaeimquy26"
FORMS = (
    *(
        Form(
            _ARGON2,
            "%$argon2%$v=19$m=%$",
            (salt, tag),
            B64,
            "A",
            ((0, salt_end), (1, tag_end)),
            between=_ARGON2_PARAMS,
        )
        for salt, salt_end in ((22, _LAST_2), (11, _LAST_4), (43, _LAST_4))
        for tag, tag_end in ((43, _LAST_4), (22, _LAST_2))
    ),
    Form(("2a", "2b", "2x", "2y"), "%$2_$__$", (53,), C64, ".", ((0, _BCRYPT_END),), ((22, ".Oeu"),), _COST),
    *(Form(("6",), "%$", (salt, 86), C64, ".", ((1, "./01"),), between=_ROUNDS) for salt in (16, 8)),
    *(
        Form(("5",), "%$", (salt, 43), C64, ".", ((1, "./0123456789ABCD"),), between=_ROUNDS)
        for salt in (16, 8)
    ),
    Form(("1",), "%$1$", (8, 22), C64, ".", ((1, "./01"),)),
    *(
        Form((kind,), f"%${kind}$%$", (22, 43), C64, ".", between=rf"[{C64}]{{1,20}}\$")
        for kind in ("y", "gy")
    ),
    Form(("7",), "%$7$___________", (22, 43), C64, ".", between=rf"[{C64}]{{11}}"),
)


def strings(*, text: bool, end: str) -> str:
    """An expression of a string of an ordinary form, which ``end`` follows.

    Its groups: what stands before salt and digest, these, and the padding.  Strings with the same first one
    and the same lengths are judged alike; so are they in the SQL of ``grouping.py``, which takes some more.
    ``text``: what has no scheme is a password as it is.
    """
    scheme = r"(?:\{[A-Za-z0-9.-]{1,20}\})?"
    fields: dict[tuple[tuple[str, ...], str], dict[int, str]] = {}
    for one in FORMS:
        # of two of the same length, as a salt and a tag that change places, only the first
        fields.setdefault((one.ids, one.between), {}).setdefault(one.tail, _fields(one))
    crypts = (
        rf"(?:{'|'.join(ids)})\$(?:{between})(?=(?:{'|'.join(several.values())}){end})"
        for (ids, between), several in fields.items()
    )
    hexed, based = rf"[{HEX}]+{end}", rf"[{B64}]+=*{end}"
    digests = rf"\{{(?:{_either_case(_DIGESTS)})(?:\.(?:{_either_case(('HEX', 'B64', 'BASE64'))}))?\}}"
    first = rf"(?={hexed})[{HEX}]"  # part of the first group: what could be either is read as hex
    # "=" may stand inside a password, and would be taken for padding
    signs, some = SIGNS, PASSWORD.replace("=", "")
    coded = "|".join(one.decode() for one in sorted(notation.BEGINNINGS))  # base64 or hex of all of it?
    marks = "|".join(re.escape(mark.removesuffix("%")) for mark in MARKS)
    short = rf"[{some}]{{{SHORT[0] - 1},{SHORT[1] - 1}}}{end}"
    long = rf"(?=[^{signs}:\n]{{0,{LONG[1]}}}[{signs}])[{some}]{{{LONG[0] - 1},{LONG[1] - 1}}}{end}"
    password = rf"(?=(?!{marks}|{coded})[A-Za-z0-9](?:{short}|{long}))"
    heads = [
        rf"{scheme}\$(?:{'|'.join(crypts)})",
        rf"{digests}(?!{coded})(?:{first}|(?={based}))",
        rf"\{{(?:{_either_case(sorted(ITSELF))})\}}{password}",
        password if text else rf"(?!{coded})(?=[{HEX}]{{{SURE_HEX}}}){first}",
    ]
    return rf"({'|'.join(heads)})([^=:\r\n]*)(=*)"


def alike(head: bytes, length: int) -> bytes:
    """A salt and a digest of so many characters: with ``head`` before them, and the padding behind, a string
    that is judged as all of its form are.
    """
    parts = head.rpartition(b"}")[2].split(b"$")
    for one in FORMS:
        if len(parts) > 1 and parts[1].decode() in one.ids and one.tail == length:
            return "$".join(one.fill * size for size in one.fields).encode()
    if parts[0]:
        return b"0" * length
    if head and head[1:-1].upper().decode() not in ITSELF:
        return b"Z" * length
    return b"x" * length if length <= SHORT[1] else b"x" * (length - 1) + SIGNS[:1].encode()


def _either_case(names: Iterable[str]) -> str:
    """All capitals, or all small: each may be written so or mixed, which is looked at one by one."""
    return "|".join(re.escape(one) for name in names for one in (name, name.lower()))


def _fields(one: Form) -> str:
    """Salt and digest; at the end there are letters of either case, as a digest has that kept its case."""
    found = []
    ends, places, done = dict(one.ends), dict(one.at), 0
    for number, size in enumerate(one.fields):
        last = number == len(one.fields) - 1
        marks = {place - done: chars for place, chars in places.items() if done < place <= done + size}
        if number in ends:
            marks[size] = ends[number]
        text, at = "", 0
        stops = sorted({*marks, *((size - CASE,) if last else ()), size})
        for stop in stops:
            free = stop - at - (stop in marks)
            text += rf"[{one.chars}]{{{free}}}" if free else ""
            text += f"[{marks[stop]}]" if stop in marks else ""
            if last and stop == size - CASE:
                text += rf"(?=[^a-z]{{0,{CASE - 1}}}[a-z])(?=[^A-Z]{{0,{CASE - 1}}}[A-Z])"
            at = stop
        found.append(text)
        done += size + 1
    return r"\$".join(found)
