"""A Lua script as it is written: its functions, what they return, the modules that it asks for.  Pure.

Nothing of it is run.  Source: the Lua 5.3 and 5.4 reference manuals, section 3 (the language); the functions
that Dovecot calls: src/auth/db-lua.c of 2.3.19.1 and 2.4.1.
"""

import re
from collections.abc import Iterator
from enum import Enum

from mailauth.records import dataclass

VERIFY, LOOKUP, USERDB = "auth_password_verify", "auth_passdb_lookup", "auth_userdb_lookup"
CALLED = (VERIFY, LOOKUP)  # a passdb calls the first if it is there, else the second
MOST = 4 * 1024 * 1024  # bytes of a script that is read

_TOKEN = re.compile(
    r"--\[(?P<comment>=*)\[.*?\](?P=comment)\]|--[^\n]*"
    r"|\[(?P<level>=*)\[(?P<long>.*?)\](?P=level)\]"
    r"|(?P<quoted>\"(?:[^\"\\\n]|\\z\s*|\\.)*\"?|'(?:[^'\\\n]|\\z\s*|\\.)*'?)"  # each is looked at once
    r"|(?P<name>[A-Za-z_][A-Za-z_0-9]*)|(?P<number>[0-9][\w.]*)|(?P<sign>\.\.\.|\.\.|::|[^\s])",
    re.DOTALL,
)
# What can define a function under a name that does not stand in the script.
_DYNAMIC = frozenset(
    {"dofile", "loadfile", "load", "loadstring", "setmetatable", "rawset", "_G", "_ENV", "debug"}
)
_ENDS = frozenset({"end", "else", "elseif", "until", ";", ""})
_OPENS = frozenset({"function", "do", "if", "repeat"})  # blocks that "end" or "until" closes
_LONGEST = 4096  # tokens of a return statement: each is looked through
_RESULT = re.compile(r"(?:PASSDB|USERDB)_RESULT_[A-Z_]+")


class LuaType(Enum):
    """The type of a value, as Lua calls it."""

    STRING = "string"
    TABLE = "table"
    NIL = "nil"
    UNKNOWN = "not plain"


@dataclass(frozen=True, slots=True)
class Return:
    """``return dovecot.auth.RESULT, VALUE``, and the type of that value; ``function``: that it returns from.

    A function without a name has the name "".
    """

    result: str  # "PASSDB_RESULT_OK"
    value: LuaType
    line: int
    function: str = ""

    @property
    def ok(self) -> bool:
        return self.result.endswith("_RESULT_OK")


@dataclass(frozen=True, slots=True)
class Require:
    """``require "NAME"``; ``at_start``: as the script is loaded, and not when a function of it is called."""

    name: str
    line: int
    at_start: bool


@dataclass(frozen=True, slots=True)
class Script:
    """``defined``: names that are given a value for all to see; ``local``: what only the script sees.

    ``mentioned``: the names that Dovecot calls and that stand anywhere in it; ``dynamic``: it has what can
    define names that do not stand in it, ``requires`` aside.  ``handed_on``: a function, and another whose
    values it returns as they are; ``unclear``: functions that return what does not stand there plainly.
    """

    defined: frozenset[str]
    local: frozenset[str]
    mentioned: frozenset[str]
    dynamic: bool
    requires: tuple[Require, ...]
    own_paths: bool  # it says itself where modules are
    returns: tuple[Return, ...]
    handed_on: tuple[tuple[str, str], ...]
    unclear: frozenset[str]

    def heard(self, called: str) -> frozenset[str]:
        """The functions whose values reach Dovecot where it calls this one."""
        found, more = frozenset[str](), frozenset({called})
        while more:
            found |= more
            more = frozenset(to for of, to in self.handed_on if of in more) - found
        return found

    @property
    def lacks(self) -> bool:
        """Neither of the functions is there that a passdb calls."""
        return not self.defined & set(CALLED)


@dataclass(frozen=True, slots=True)
class _Token:
    text: str  # of a string: what is in it
    line: int
    string: bool = False


def read(source: str) -> Script:
    """Of a text that Lua takes."""
    if source.startswith("#"):  # the first line, luaL_loadfilex()
        source = "--" + source
    tokens = list(_tokens(source))
    names = [("" if one.string else one.text) for one in tokens]
    words = frozenset(one.text for one in tokens)
    said = tuple(_said(tokens))
    handed = (*(one for one in said if isinstance(one, tuple)), *_aliases(names))
    own = {_name(tokens, at) for at, name in enumerate(names) if name == "function"}
    return Script(
        defined=frozenset(_defined(names)),
        local=frozenset(_local(names)),
        mentioned=words & set(CALLED),
        dynamic=bool(_DYNAMIC & set(names)),
        requires=tuple(_requires(tokens)),
        own_paths="package" in names,
        returns=tuple(one for one in said if isinstance(one, Return)),
        handed_on=handed,
        unclear=frozenset(
            [one for one in said if isinstance(one, str)] + [of for of, to in handed if to not in own]
        ),
    )


def _tokens(source: str) -> Iterator[_Token]:
    line, at = 1, 0
    for found in _TOKEN.finditer(source):
        line += source.count("\n", at, found.start())
        at = found.start()
        match found.lastgroup:
            case "long":
                yield _Token(found["long"], line, string=True)
            case "quoted":
                yield _Token(found["quoted"][1:-1], line, string=True)
            case "name" | "number" | "sign":
                yield _Token(found[0], line)
            case _:
                pass  # a comment


def _defined(names: list[str]) -> Iterator[str]:
    """``function NAME(``, ``NAME = ...`` and ``..., NAME = ...``, but for what is local."""
    for at, name in enumerate(names):
        before = names[at - 1] if at else ""
        after = names[at + 1] if at + 1 < len(names) else ""
        if name not in CALLED or before in (".", ":", "local"):
            continue
        if before == "function":
            if (names[at - 2] if at > 1 else "") != "local":
                yield name
        elif after in ("=", ",") and (names[at + 2] if at + 2 < len(names) else "") != "=":
            yield name


def _local(names: list[str]) -> Iterator[str]:
    for first, second, third in zip(names, names[1:], [*names[2:], ""], strict=False):
        if first == "local":
            yield third if second == "function" else second


def _requires(tokens: list[_Token]) -> Iterator[Require]:
    """``require "x"`` and ``require("x")``; not where its failure is caught: ``pcall(require, "x")``."""
    opened: list[str] = []
    for at, one in enumerate(tokens):
        if not one.string and one.text in _OPENS:
            opened.append(one.text)
        elif not one.string and one.text in ("end", "until") and opened:
            opened.pop()
        if one.text != "require" or one.string:
            continue
        following = [each for each in tokens[at + 1 : at + 3] if each.string or each.text != "("]
        if following and following[0].string:
            yield Require(following[0].text, one.line, at_start="function" not in opened)


def _said(tokens: list[_Token]) -> Iterator[Return | tuple[str, str] | str]:
    """Of each return statement: a result of Dovecot, a function and whose values it hands on, or its name."""
    opened: list[str | None] = []  # a function's name, or a block that is none
    for at, one in enumerate(tokens):
        if one.string:
            continue
        if one.text in _OPENS:
            opened.append(_name(tokens, at) if one.text == "function" else None)
        elif one.text in ("end", "until") and opened:
            opened.pop()
        elif one.text == "return":
            function = next((each for each in reversed(opened) if each is not None), "")
            rest = tokens[at + 1 : at + 1 + _LONGEST]
            cut = [_Token("and", one.line)] if len(rest) == _LONGEST else []  # after which nothing is plain
            yield _of([*rest, *cut], one.line, function)


def _of(rest: list[_Token], line: int, function: str) -> Return | tuple[str, str] | str:
    end = 0
    while _part_of_name(_at(rest, end)):
        end += 1
        if _RESULT.fullmatch(rest[end - 1].text):
            if _at(rest, end).text in ("and", "or"):
                return function
            return Return(rest[end - 1].text, _value(rest[end:]), line, function)
    alone = not {"and", "or", "not"} & {one.text for one in rest[:end]}
    if end and alone and not _at(rest, end).string and _at(rest, end).text == "(":
        closes = end + 1 + _closing(rest[end + 1 :], "(", ")")
        if _ended(_at(rest, closes)):
            return function, rest[end - 1].text
    return function


def _part_of_name(one: _Token) -> bool:
    name = not one.string and re.fullmatch(r"[A-Za-z_][A-Za-z_0-9]*|[.:]", one.text)
    return bool(name) and one.text not in _ENDS and one.text != "function"


def _name(tokens: list[_Token], at: int) -> str:
    """Of ``function A.NAME(``, and of ``NAME = function(``; "" for one without a name."""
    end = at + 1
    while _at(tokens, end).text not in ("(", ""):
        end += 1
    if end > at + 1:
        return tokens[end - 1].text
    return tokens[at - 2].text if at > 1 and tokens[at - 1].text == "=" else ""


def _aliases(names: list[str]) -> Iterator[tuple[str, str]]:
    """``auth_password_verify = NAME``: what one that Dovecot calls is another name of."""
    for first, second, third in zip(names, names[1:], names[2:], strict=False):
        if first in (*CALLED, USERDB) and second == "=" and third not in ("=", "function"):
            yield first, third


def _value(rest: list[_Token]) -> LuaType:
    """Of what follows the result in its return statement: as far as its type is plain."""
    first = _at(rest, 0)
    if not first.string and first.text in _ENDS:
        return LuaType.NIL
    if first.string or first.text != ",":
        return LuaType.UNKNOWN
    one, then = _at(rest, 1), _at(rest, 2)
    if not one.string and one.text == "{":
        return LuaType.TABLE if _ended(_at(rest, 2 + _closing(rest[2:]))) else LuaType.UNKNOWN
    if one.text == "nil" and not one.string and _ended(then):
        return LuaType.NIL
    joined = not then.string and then.text == ".."
    if joined and _plain(rest[1:]):
        return LuaType.STRING
    return LuaType.STRING if one.string and _ended(then) else LuaType.UNKNOWN


def _plain(rest: list[_Token]) -> bool:
    """Whether an expression with ".." has no operator that binds less: a comparison, "and" or "or"."""
    for one in rest:
        if not one.string and one.text in _ENDS:
            return True
        if not one.string and one.text in ("and", "or", "<", ">", "=", "~", "function", "{", "..."):
            return False
    return True


def _closing(rest: list[_Token], opens: str = "{", closes: str = "}") -> int:
    """How many tokens there are up to and with the brace that closes."""
    depth = 1
    for at, one in enumerate(rest):
        depth += 0 if one.string else {opens: 1, closes: -1}.get(one.text, 0)
        if not depth:
            return at + 1
    return len(rest) - 1  # it is at what was cut


def _ended(one: _Token) -> bool:
    return not one.string and one.text in _ENDS


def _at(tokens: list[_Token], at: int) -> _Token:
    return tokens[at] if at < len(tokens) else _Token("", 0)
