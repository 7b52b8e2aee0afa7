r"""The given password as it may have been meant, or as it may have been hashed: a short, fixed, ordered list.

This is no password cracker, and cannot be made one: it knows only the changes that a keyboard, a form, a
shell or a charset makes to the password that was given, one change at a time, and guesses nothing.

>>> from mailauth.hashes import Password
>>> [one.how for one in variants(Password.of("a b"))][:2]
['with a line end (\\n) after it', 'with a line end (\\r\\n) after it']
"""

import html
import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from enum import Enum
from urllib.parse import quote, unquote_to_bytes

from mailauth.hashes.hash import Password
from mailauth.hashes.layouts import retyped
from mailauth.hashes.written import BEGINNINGS, RARELY, SHELL, WRITTEN, Way, scalars
from mailauth.records import dataclass


class Change(Enum):
    """What kind of change was made."""

    NEWLINE = "newline"  # a line end was hashed in
    CASE = "case"
    BLANKS = "blanks"
    LAYOUT = "layout"
    CHARSET = "charset"
    CUT = "cut"  # only the beginning was hashed
    ESCAPED = "escaped"


@dataclass(frozen=True, slots=True)
class Variant:
    """One changed password; ``how`` says the kind of change, and nothing of the password."""

    change: Change
    how: str
    password: Password


_Raw = tuple[Change, str, bytes]
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f"))
_TYPOGRAPHIC = str.maketrans(
    {
        "\u2018": "'",
        "\u2019": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u201e": '"',
        "\u2013": "-",
        "\u2014": "--",
        "\u2026": "...",
    }
)
_FULLWIDTH = str.maketrans({code: code + 0xFEE0 for code in range(0x21, 0x7F)} | {0x20: 0x3000})
# Of forms and columns; 72 is bcrypt's, which some software cuts at before it hashes in another way.
_CUTS = (72, 8, 16, 20, 32, 10, 12, 15, 24, 25, 30, 40, 50, 60, 64, 100, 127, 128, 255, 256)


def variants(password: Password) -> list[Variant]:
    """Each at most once, never the password itself, and never an empty one; the likely ones first."""
    seen = {password.text, b""}
    found = []
    for change, how, raw in _all(password.raw):
        changed = Password(raw)
        if changed.text not in seen:
            seen.add(changed.text)
            found.append(Variant(change, how, changed))
    return found


def _all(raw: bytes) -> Iterator[_Raw]:
    """What applies to few passwords comes early: it costs nothing where it does not apply."""
    yield Change.NEWLINE, r"with a line end (\n) after it", raw + b"\n"
    yield Change.NEWLINE, r"with a line end (\r\n) after it", raw + b"\r\n"
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        yield from _not_utf8(raw)
        return
    yield from _case(text)
    yield from _ways(Change.BLANKS, _EDGES, text)
    for how, made in scalars(text):
        yield Change.ESCAPED, how, made.encode("utf-8", "surrogatepass")
    yield from _blanks(text)
    yield from _shell(text)
    yield from _charset(text)
    yield from _escaped(text)
    yield from _ways(Change.CUT, BEGINNINGS, text)
    yield from _ways(Change.ESCAPED, WRITTEN, text)
    keys = list(retyped(text))
    for changed, which in keys[:4]:
        yield Change.LAYOUT, f"with the same keys of another keyboard ({which})", changed.encode()
    yield from _cut(raw)
    for changed, which in keys[4:]:
        yield Change.LAYOUT, f"with the same keys of another keyboard ({which})", changed.encode()
    yield from _unlikely(text)
    yield from _ways(Change.ESCAPED, RARELY, text)


_EDGES: tuple[Way, ...] = (("without the blanks or line ends around it", str.strip),)


def _ways(change: Change, ways: tuple[Way, ...], text: str) -> Iterator[_Raw]:
    for how, made in ways:
        yield change, how, made(text).encode("utf-8", "surrogatepass")


def _shell(text: str) -> Iterator[_Raw]:
    """What is left of it is its beginning, or all of it without the characters that a shell takes."""
    for how, made in SHELL:
        left = made(text)
        expanded = text[len(left) : len(left) + 1] in ("$", "`")  # a variable that was nothing, not an end
        change = Change.CUT if text.startswith(left) and not expanded else Change.ESCAPED
        yield change, how, left.encode("utf-8", "surrogatepass")


def _not_utf8(raw: bytes) -> Iterator[_Raw]:
    for charset, name in (("latin-1", "Latin-1"), ("cp1252", "Windows-1252")):
        try:
            yield Change.CHARSET, f"in UTF-8 instead of {name}", raw.decode(charset).encode()
        except UnicodeDecodeError:
            continue


def _case(text: str) -> Iterator[_Raw]:
    yield Change.CASE, "with capitals and small letters exchanged (Caps Lock)", text.swapcase().encode()
    yield Change.CASE, "with the first letter in the other case", (text[:1].swapcase() + text[1:]).encode()
    yield Change.CASE, "with a capital at the beginning of each word", text.title().encode()
    yield Change.CASE, "in small letters", text.lower().encode()
    yield Change.CASE, "in capitals", text.upper().encode()


def _blanks(text: str) -> Iterator[_Raw]:
    yield Change.BLANKS, "without the blanks in it", "".join(text.split()).encode()
    yield Change.BLANKS, "without invisible characters", text.translate(_INVISIBLE).encode()
    yield (
        Change.BLANKS,
        "without blanks and invisible characters",
        text.translate(_INVISIBLE).strip().encode(),
    )
    yield Change.BLANKS, "with usual blanks for no-break ones", text.replace("\u00a0", " ").encode()
    yield Change.BLANKS, "with one blank for several", re.sub(r"\s+", " ", text).encode()
    yield Change.BLANKS, "with a blank after it", f"{text} ".encode()


def _charset(text: str) -> Iterator[_Raw]:
    for form, how in (
        ("NFC", "with composed characters (Unicode NFC)"),
        ("NFD", "with decomposed characters (Unicode NFD)"),
        ("NFKC", "with plain forms for wide and special ones (Unicode NFKC)"),
        ("NFKD", "with plain, decomposed characters (Unicode NFKD)"),
    ):
        yield Change.CHARSET, how, unicodedata.normalize(form, text).encode()  # type: ignore[arg-type] # a Literal
    yield Change.CHARSET, "with typewriter quotes and dashes", text.translate(_TYPOGRAPHIC).encode()
    composed = unicodedata.normalize("NFC", text)
    for charset, name in (("latin-1", "Latin-1"), ("cp1252", "Windows-1252")):
        with suppress(UnicodeEncodeError):
            yield Change.CHARSET, f"in {name} instead of UTF-8", composed.encode(charset)
        for how, step in (("twice encoded", (None, charset)), ("encoded once less", (charset, None))):
            try:
                one, other = step
                recoded = composed.encode(one or "utf-8").decode(other or "utf-8").encode()
            except UnicodeError:
                continue
            yield Change.CHARSET, f"{how} in UTF-8, by way of {name}", recoded


def _escaped(text: str) -> Iterator[_Raw]:
    yield Change.ESCAPED, "with its %-escapes resolved", unquote_to_bytes(text)
    yield (
        Change.ESCAPED,
        "with blanks for +, and its %-escapes resolved",
        unquote_to_bytes(text.replace("+", " ")),
    )
    yield Change.ESCAPED, "with its HTML entities resolved", html.unescape(text).encode()
    yield Change.ESCAPED, "without the backslashes", re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL).encode()
    if len(text) > 2 and text[0] == text[-1] and text[0] in "'\"":
        yield Change.ESCAPED, "without the quotes around it", text[1:-1].encode()
    yield (
        Change.ESCAPED,
        "without what a shell takes for variables ($)",
        re.sub(r"\$(?:\w+|\{\w+\}|[*@#?!-])", "", re.sub(r"\$([0-9])", "", text)).encode(),
    )
    yield Change.ESCAPED, "with $ for $$", text.replace("$$", "$").encode()
    yield Change.ESCAPED, "with HTML entities (&amp;)", html.escape(text).encode()
    yield Change.ESCAPED, "with HTML entities, quotes apart", html.escape(text, quote=False).encode()
    yield Change.ESCAPED, "with %-escapes", quote(text, safe="").encode()
    yield Change.ESCAPED, "with backslashes before quotes", re.sub(r"(['\"\\])", r"\\\1", text).encode()
    yield (
        Change.ESCAPED,
        "with a backslash before special characters",
        re.sub(r"([^\w\s])", r"\\\1", text).encode(),
    )


def _autocorrected(text: str) -> str:
    """As telephones and word processors replace what is typed."""
    text = text.replace("...", "\u2026").replace("--", "\u2014").replace("  ", ". ")
    text = re.sub(r"(^|[\s(])'", "\\1\u2018", text).replace("'", "\u2019")
    return re.sub(r'(^|[\s(])"', "\\1\u201c", text).replace('"', "\u201d")


def _cut(raw: bytes) -> Iterator[_Raw]:
    for length in _CUTS:
        if len(raw) > length:
            yield Change.CUT, f"cut after {length} bytes", raw[:length]
    if b"\0" in raw:
        yield Change.CUT, "cut at a NUL", raw.partition(b"\0")[0]


def _unlikely(text: str) -> Iterator[_Raw]:
    yield Change.BLANKS, "with a blank before it", f" {text}".encode()
    yield Change.BLANKS, "with a tab after it", f"{text}\t".encode()
    yield Change.BLANKS, "with no-break blanks for usual ones", text.replace(" ", "\u00a0").encode()
    yield Change.BLANKS, "with a no-break blank after it", f"{text}\u00a0".encode()
    yield Change.BLANKS, "with a byte order mark before it", f"\ufeff{text}".encode()
    yield Change.CHARSET, "with typographic quotes and dashes (autocorrection)", _autocorrected(text).encode()
    yield Change.ESCAPED, "in quotes", f'"{text}"'.encode()
    yield Change.ESCAPED, "in single quotes", f"'{text}'".encode()
    yield Change.ESCAPED, "with + for blanks", text.replace(" ", "+").encode()
    yield Change.CHARSET, "in full-width characters", text.translate(_FULLWIDTH).encode()
