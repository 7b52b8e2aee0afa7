"""2.4's variables: ``%{user | lower | default('x')}``, read and worked out.

A name is looked up; each filter after it changes what there is so far.  A filter that fails leaves nothing,
which ``default`` can mend; otherwise Dovecot fails the lookup with the filter's words.

Source: Dovecot 2.4.1 src/lib-var-expand/var-expand-lexer.l, var-expand-parser.y, expansion-program.c,
expansion-statement.c.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import field
from typing import Literal

from mailauth.dovecot import comparing
from mailauth.errors import CannotObserve
from mailauth.records import dataclass

Find = Callable[[str], bytes]
"""The value of a variable.  Raises FilterError where Dovecot has none of that name."""

Kind = Literal["text", "number", "variable"]


class FilterError(Exception):
    """What Dovecot says of a variable or a filter that it cannot work out.

    ``always``: whoever the user is.  ``unknown``: what it looked for in vain, if that is why.
    """

    def __init__(self, says: str, *, always: bool = False, unknown: str = "") -> None:
        super().__init__(says)
        self.always, self.unknown = always, unknown


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a filter; ``key`` is "" for those without a name."""

    kind: Kind
    value: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class FilterCall:
    """A name with its arguments: a variable, where it stands first, or a filter."""

    name: str
    arguments: tuple[Argument, ...] = ()


@dataclass(slots=True)
class State:
    """What there is so far: None for nothing.  ``binary``: it is bytes, and is written in hex at the end."""

    find: Find
    since: tuple[int, ...]
    value: bytes | None = None
    binary: bool = False
    safe: bool = False
    failed: FilterError | None = None

    def put(self, value: bytes, *, binary: bool = False) -> None:
        """Raises CannotObserve for more than a few filters make of a name: each may double it."""
        bounded(len(value), _MOST_VALUE)
        self.value, self.binary = value, binary

    def given(self, verb: str) -> bytes:
        """What there is.  Raises FilterError for nothing."""
        if self.value is None:
            raise FilterError(f"No value to {verb}", always=True)
        return self.value


Filter = Callable[[FilterCall, State], None]
_MOST_VALUE = 1024 * 1024  # bytes
_MOST_DIGITS = 19

# Text, a variable, "%%{", or a "%" that is none
_PIECE = re.compile(r"%%\{|%\{|%|[^%]+")
_TOKEN = re.compile(
    r"[ \t]+"
    r"|(?P<name>[a-zA-Z\x80-\U0010ffff][a-zA-Z0-9_/;:.\x80-\U0010ffff-]*)"
    r"|(?P<number>[0-9]+)"
    r"|(?P<sign>[%|(),=+*/}-])"
    r"|(?P<quote>['\"])"
)
_ESCAPED = re.compile(r"x([0-9a-fA-F]{2})|([0-9]{1,3})|([\\\"'trn])")
_LETTERS = {"t": "\t", "r": "\r", "n": "\n"}


@dataclass(slots=True)
class _Reader:
    text: str
    at: int = 0
    tokens: list[tuple[str, str]] = field(default_factory=list)

    def read(self) -> None:
        """The tokens up to the closing brace.  Raises FilterError."""
        while True:
            found = _TOKEN.match(self.text, self.at)
            if found is None:
                raise FilterError("syntax error", always=True)
            self.at = found.end()
            kind = found.lastgroup
            if kind == "quote":
                self.tokens.append(("text", self._quoted(found[0])))
            elif kind:
                if found[0] == "}":
                    return
                self.tokens.append((kind if kind != "sign" else found[0], found[0]))

    def _quoted(self, quote: str) -> str:
        out = ""
        while self.at < len(self.text):
            char = self.text[self.at]
            self.at += 1
            if char == quote:
                return out
            if char != "\\":
                out += char
                continue
            found = _ESCAPED.match(self.text, self.at)
            if found is None:
                raise FilterError("Invalid character escape", always=True)
            self.at = found.end()
            if found[3]:
                out += _LETTERS.get(found[3], found[3])
            else:
                out += chr(int(found[1], 16) if found[1] else int(found[2], 8))
        raise FilterError("syntax error, unexpected end of file", always=True)


def parsed(template: str) -> tuple[str | tuple[FilterCall, ...], ...]:
    """The template's parts: text, and the steps of each variable.  Raises FilterError."""
    return tuple(part for _, part in _parts(template))


def written_in(template: str) -> tuple[str, ...]:
    """The variables as they stand in it: "%{user | lower}".  Raises FilterError."""
    return tuple(dict.fromkeys(text for text, part in _parts(template) if not isinstance(part, str)))


def _parts(template: str) -> Iterator[tuple[str, str | tuple[FilterCall, ...]]]:
    """Each part as it stands, and read."""
    at = 0
    while at < len(template):
        piece = _PIECE.match(template, at)
        assert piece
        start, at = at, piece.end()
        if piece[0] == "%{":
            reader = _Reader(template, at)
            reader.read()
            at = reader.at
            yield template[start:at], _steps(reader.tokens)
        else:
            yield piece[0], "%{" if piece[0] == "%%{" else piece[0]


_SIGNS = "+-*/%"


def _steps(tokens: list[tuple[str, str]]) -> tuple[FilterCall, ...]:
    steps: list[FilterCall] = []
    at, size = 0, len(tokens)
    while at < size:
        if tokens[at][0] == "|":
            at += 1
            continue
        if tokens[at][0] != "name":
            raise FilterError("syntax error", always=True)
        name = tokens[at][1]
        arguments: tuple[Argument, ...] = ()
        at += 1
        if at < size and tokens[at][0] == "(":
            end = next((i for i in range(at, size) if tokens[i][0] == ")"), -1)
            if end <= at + 1:
                raise FilterError("syntax error", always=True)
            arguments = _arguments(tokens[at + 1 : end])
            at = end + 1
        steps.append(FilterCall(name, arguments))
        if at < size and tokens[at][0] in _SIGNS:
            sign, operand, at = tokens[at][0], *_operand(tokens, at + 1)
            steps.append(FilterCall("calculate", (Argument("text", sign), operand)))
        if at < size and tokens[at][0] != "|":
            raise FilterError("syntax error", always=True)
    return tuple(steps)


def _operand(tokens: list[tuple[str, str]], at: int) -> tuple[Argument, int]:
    minus = at < len(tokens) and tokens[at][0] == "-"
    at += minus
    if at >= len(tokens) or tokens[at][0] not in ("number", "name") or (minus and tokens[at][0] == "name"):
        raise FilterError("syntax error", always=True)
    kind: Kind = "number" if tokens[at][0] == "number" else "variable"
    return Argument(kind, "-" * minus + tokens[at][1]), at + 1


def _arguments(tokens: list[tuple[str, str]]) -> tuple[Argument, ...]:
    """Those without a name first, as Dovecot sorts them."""
    found: list[Argument] = []
    at = 0
    while at < len(tokens):
        key = ""
        if tokens[at][0] == "name" and at + 1 < len(tokens) and tokens[at + 1][0] == "=":
            key, at = tokens[at][1].lower(), at + 2
        if at < len(tokens) and tokens[at][0] == "text":
            argument = Argument("text", tokens[at][1])
            at += 1
        else:
            argument, at = _operand(tokens, at)
        found.append(Argument(argument.kind, argument.value, key))
        if at < len(tokens):
            if tokens[at][0] != "," or at + 1 == len(tokens):
                raise FilterError("syntax error", always=True)
            at += 1
    named = sorted((one for one in found if one.key), key=lambda one: one.key)
    return (*(one for one in found if not one.key), *named)


def names_in(template: str) -> tuple[str, ...]:
    """The variables in it, those in arguments as well; a first name that only a filter has is one, too."""
    try:
        parts = parsed(template)
    except FilterError:
        return ()
    found: list[str] = []
    for part in parts:
        if not isinstance(part, str):
            found += [step.name for step in part[:1] if not step.arguments]
            found += [one.value for step in part for one in step.arguments if one.kind == "variable"]
    return tuple(dict.fromkeys(found))


def worked_out(steps: tuple[FilterCall, ...], state: State, filters: Callable[[str], Filter | None]) -> bytes:
    """The value of one variable with its filters.  Raises FilterError."""
    for number, step in enumerate(steps):
        failed: FilterError | None = None
        if not number:
            try:
                state.put(state.find(step.name))
            except FilterError as why:
                state.value, failed = None, why
            else:
                continue
        work = filters(step.name)
        if work is not None:
            failed = None
            try:
                work(step, state)
            except FilterError as why:
                state.value = None
                if state.failed:
                    raise state.failed from None
                # an argument of if or switch is looked up for some users only
                always = why.always and not why.unknown
                unknown = "" if number else step.name
                failed = FilterError(f"{step.name}: {why}", always=always, unknown=unknown)
        elif number:
            raise FilterError(f"No such function '{step.name}'", always=True)
        state.failed = failed
    if state.value is None:
        assert state.failed is not None, "what has no value has failed"
        raise state.failed
    return state.value.hex().encode() if state.binary else state.value


def text_of(argument: Argument, state: State) -> bytes:
    """A string, or a variable's value.  Raises FilterError."""
    if argument.kind == "variable":
        return state.find(argument.value)
    if argument.kind == "number":
        raise FilterError(f"{argument.value} is not a string")
    return _bytes(argument.value)


def bounded(number: int, most: int) -> int:
    """Raises CannotObserve for one that is not between -most and most: a container's may be any."""
    if not -most <= number <= most:
        raise CannotObserve(
            f"a variable in a setting makes a number or a text of more than {most}; not tried."
        )
    return number


def any_of(argument: Argument, state: State) -> bytes:
    return _bytes(argument.value) if argument.kind == "number" else text_of(argument, state)


def number_of(argument: Argument, state: State) -> int:
    """A number, or a variable that holds one.  Raises FilterError."""
    if argument.kind == "text":
        raise FilterError(f"'{argument.value}' is not a number")
    if argument.kind == "number":
        if len(argument.value) > _MOST_DIGITS:
            raise CannotObserve(f"a variable in a setting has a number of more than {_MOST_DIGITS} digits.")
        return int(argument.value)
    value = state.find(argument.value)
    number = comparing.number(value)
    if number is None:
        raise FilterError(f"'{shown(value)}' (in {argument.value}) is not a number")
    return number


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def shown(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def plain(step: FilterCall, least: int, most: int) -> tuple[Argument, ...]:
    """The arguments, which have no names.  Raises FilterError."""
    named = next((one.key for one in step.arguments if one.key), "")
    if named:
        raise FilterError(f"Unsupported key '{named}'", always=True)
    if len(step.arguments) > most:
        raise FilterError("Too many positional parameters")
    if len(step.arguments) < least:
        raise FilterError("Missing parameters")
    return step.arguments
