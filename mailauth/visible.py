"""What came from outside, made fit for eyes: the one filter for all that is shown, logged or handed on.

A control character moves the cursor or begins a terminal's command (ECMA-48: C0, C1, OSC), a format character
turns the order of others around or is not seen (UAX 9, UAX 44: Cf), a line separator makes two lines of one.
Letters and marks that no font shows (UAX 44: Default_Ignorable_Code_Point) and the empty Braille pattern make
two names look like one.
Each is written as Python writes it: ``\\x1b``, ``\\u202e``; so are surrogates, code points of no character
and blanks that are not the usual one.  A byte that is not UTF-8 is kept by Python as a surrogate of its own
(PEP 383), and is written as the byte: ``\\xff``.
"""

import re

# OWASP, CSV Injection: the full-width ones, too, since some programs take them for the same.
_FORMULAS = frozenset("=+-@\uff1d\uff0b\uff0d\uff20")
_CUT = "\u2026"
_SURROGATES = frozenset(map(chr, range(0xD800, 0xE000)))
_BYTE = range(0xDC80, 0xDD00)
# Source: Unicode 15.1 DerivedCoreProperties.txt, those that are no control or format character; U+2800.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)
_WRITTEN = re.compile(r"(?<!\\)((?:\\\\)*)\\udc([89a-f][0-9a-f])")


def is_visible(text: str) -> bool:
    """Whether it would stay as it is: one line, with nothing in it that is not seen."""
    return text.isprintable() and (text.isascii() or not _UNSEEN.search(text))


def visible(text: str, most: int | None = None, *, keep: str = "") -> str:
    """The text with nothing hidden in it, cut after ``most`` characters; ``keep``: what may stay."""
    if most is not None:
        text = text[: most + 1]  # no more is looked at than is shown
    bare = text
    for one in keep:
        bare = bare.replace(one, "")
    if not is_visible(bare):
        text = "".join(_escaped(one) if _hidden(one) and one not in keep else one for one in text)
    return text if most is None or len(text) <= most else text[: most - 1] + _CUT


def unicode_of(text: str) -> str:
    """The text with no surrogate in it, which no encoding has: each is written as ``visible`` writes it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join(_escaped(one) if one in _SURROGATES else one for one in text)
    return text


def with_bytes(text: str) -> str:
    """A text in which ``repr`` wrote bytes that are not UTF-8 as surrogates: with the bytes themselves."""
    return _WRITTEN.sub(r"\1\\x\2", text)


def visible_cell(text: str) -> str:
    """The same for a cell of a table: no spreadsheet takes it for a formula; ``cell_text`` takes it back."""
    text = visible(text)
    return f"'{text}" if _is_formula(text) else text


def cell_text(cell: str) -> str:
    """What ``visible_cell`` made the cell of, where nothing was hidden in it."""
    return cell[1:] if cell[:1] == "'" and _is_formula(cell[1:]) else cell


def visible_json(text: str) -> str:
    """JSON that says the same with nothing hidden in it; what is beyond U+FFFF takes two escapes."""
    if is_visible(text.replace("\n", "")):
        return text
    return "".join(_escaped_json(one) if _hidden(one) and one != "\n" else one for one in text)


def _is_formula(text: str) -> bool:
    """Also one with apostrophes before it already, so that one of them can be taken back."""
    return text.lstrip("'").lstrip()[:1] in _FORMULAS if text else False


def _hidden(character: str) -> bool:
    return not is_visible(character)


def _escaped(character: str) -> str:
    if ord(character) in _BYTE:
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode()


def _escaped_json(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2))
