"""The statements of a configuration text: Dovecot's rules for lines, comments, quotes and here-documents.

Source: config_parse_line() and parse_until_eod(), src/config/config-parser.c of Dovecot 2.3.13 to main of
2026-08 (here-documents came between 2.4.4 and 2.4.5); settings_read() of 2.3's
src/lib-settings/settings.c, which reads dovecot-sql.conf.ext, has the same rules; value_need_quote() and
config_dump_human_output() of src/config/doveconf.c for what doveconf prints.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import field, replace
from typing import Literal

from mailauth.records import dataclass

BLANKS = " \t\r\v\f"  # no other: a no-break space is a part of the value
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_QUOTED_OR_COMMENT = re.compile(r"""(["'])(?:\\.|(?!\1).)*(\1|$)|#""")
_PRINTED_SETTING = re.compile(r'( *)("(?:[^"\\]|\\.)*"|[^\s={}"#]+) =(?: (.*)|$)')
_PRINTED_HEAD = re.compile(r" *(?:\S.*)?\{")
_INCLUDES = {"!include": False, "!include_try": True}


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement.  ``name``: a setting's or block's kind; ``text``: its value, name or pattern."""

    kind: Literal["setting", "begin", "end", "include", "refused"]
    name: str = ""
    text: str = field(default="", repr=False)
    line: int = 0
    last: int = 0  # the last of its lines
    may_miss: bool = False  # !include_try


def statements(text: str, *, ext: bool = False) -> Iterator[Statement]:
    """Those of a file.  Lines that Dovecot refuses are passed over: doveconf has judged them.

    ``ext``: one of 2.3's files for a driver, such as dovecot-sql.conf.ext.  There a statement goes on after
    a comment or an empty line in it; elsewhere it is lost.  Nobody has judged those: what is refused is
    told.
    """
    lines = text.split("\n")
    documents = _Documents(lines)
    at, first, held = 0, 0, ""
    while at < len(lines):
        line = lines[at].strip(BLANKS)
        at += 1
        if not line or line.startswith("#"):
            held = held if ext else ""
            continue
        first = first if held else at
        line = _without_comment(line).rstrip(BLANKS)
        if line.endswith("\\"):
            held += line[:-1].rstrip(BLANKS) + " "
            continue
        held, whole = "", held + line
        found = _statement(whole, first, at)
        if found and found.kind == "setting" and (end := documents.end(at, found.text)):
            found = Statement("setting", found.name, _document(lines[at : end - 1]), first, end)
            at = end
        elif found and found.kind == "setting":
            found = Statement("setting", found.name, unquoted(found.text), first, at)
        if found:
            yield found
        elif ext:
            yield Statement("refused", line=first, last=at)


def printed(text: str) -> Iterator[Statement]:
    """Those that doveconf prints, each indented by two blanks a block; what stands elsewhere is none.

    It puts a value in quotes only where the value has a "#", or a blank at an end; other quotes are the
    value's own.
    """
    lines = text.split("\n")
    documents = _Documents(lines)
    at, depth = 0, 0
    while at < len(lines):
        found = _printed_statement(lines[at], depth, at + 1)
        at += 1
        if found is None:
            continue
        depth += {"begin": 1, "end": -1}.get(found.kind, 0)
        if found.kind == "setting" and (end := documents.end(at, found.text)):
            found = Statement("setting", found.name, _document(lines[at : end - 1]), found.line, end)
            at = end
        elif found.kind == "setting":
            value = unquoted(found.text)
            if "#" in value or value != value.strip(BLANKS):
                found = replace(found, text=value)
        yield found


def unquoted(text: str) -> str:
    """A value without its quotes; both kinds take a backslash away that stands before another character."""
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        return _ESCAPED.sub(r"\1", text[1:-1])
    return text


def ambiguous(line: str) -> bool:
    """Whether Dovecot warns of the line's "#": it begins a comment, and no blank stands before it."""
    line = line.strip(BLANKS)
    kept = _without_comment(line)
    return 0 < len(kept) < len(line) and kept[-1] not in BLANKS


def _without_comment(line: str) -> str:
    """``line`` up to the first "#" outside of quotes; a quote that is not closed reaches to the end."""
    if "#" in line:
        for found in _QUOTED_OR_COMMENT.finditer(line):
            if found[0] == "#":
                return line[: found.start()]
    return line


def _statement(line: str, first: int, last: int) -> Statement | None:
    """What one line says, whole and without its comment; a setting's value is as written."""
    if line == "}":
        return Statement("end", line=first, last=last)
    name, rest = _word(line)
    if rest.startswith("="):
        return Statement("setting", name, rest[1:].lstrip(BLANKS), first, last)
    if name in _INCLUDES:
        return Statement("include", name, unquoted(rest), first, last, may_miss=_INCLUDES[name])
    if not rest.endswith("{") or not name:
        return None
    return Statement("begin", name, _block_name(rest), first, last)


def _block_name(rest: str) -> str:
    """What stands between a block's kind and its brace; of several words the first."""
    words = rest[:-1].split(None, 1)
    return _word(rest)[0] if rest.startswith('"') else "".join(words[:1])


def _word(text: str) -> tuple[str, str]:
    """The first word, which may stand in quotes, and what follows its blanks."""
    if quoted := re.match(r'"((?:[^"\\]|\\.)*)"', text):
        return _ESCAPED.sub(r"\1", quoted[1]), text[quoted.end() :].lstrip(BLANKS)
    found = re.match(r"[^\s=]*", text)
    end = found.end() if found else 0
    return text[:end], text[end:].lstrip(BLANKS)


class _Documents:
    """Where the here-documents of a text end: each line may begin one, so they are gone through once."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._numbers: dict[str, list[int]] = {}

    def end(self, at: int, value: str) -> int:
        """The number of the line that ends the one that ``value``, before line ``at``, begins; 0 for none."""
        marker = value[2:].lstrip(BLANKS) if value.startswith("<<") else ""
        if not marker:
            return 0
        if not self._numbers:
            for number, line in enumerate(self._lines, 1):
                self._numbers.setdefault(line.removesuffix("\r"), []).append(number)
        found = self._numbers.get(marker, [])
        nearest = bisect_right(found, at)
        return found[nearest] if nearest < len(found) else 0


def _document(lines: list[str]) -> str:
    return "".join(line.removesuffix("\r") + "\n" for line in lines)


def _printed_statement(line: str, depth: int, number: int) -> Statement | None:
    indent = len(line) - len(line.lstrip(" "))
    if depth and indent == 2 * (depth - 1) and line.strip(" ") == "}":
        return Statement("end", line=number, last=number)
    if indent != 2 * depth:
        return None
    if found := _PRINTED_SETTING.fullmatch(line):
        return Statement("setting", unquoted(found[2]), found[3] or "", number, number)
    if _PRINTED_HEAD.fullmatch(line):
        name, rest = _word(line.strip(" "))
        # 2.3's local_name may have several, in quotes that are not printed; 2.4's group has two
        told = rest[:-1].strip(" ") if name in ("local_name", "group") else _block_name(rest)
        return Statement("begin", name, told, number, number)
    return None
