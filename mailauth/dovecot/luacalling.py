"""Run a Lua script once, as Dovecot's auth would call it, by the library that Dovecot has.

To be called in a child that may do no harm: children.confined().  Nothing of Python's is called by Lua, whose
errors jump over what stands between.
"""

import ctypes
import struct
from collections.abc import Iterator, Mapping
from dataclasses import field
from enum import Enum

from mailauth.dovecot import liblua
from mailauth.dovecot.luaharness import HARNESS, RESULTS
from mailauth.dovecot.luascript import LuaType
from mailauth.records import dataclass

_LENGTH = struct.Struct("<I")
_MOST = 1024 * 1024  # bytes of what comes back
_KINDS = {"string": LuaType.STRING, "table": LuaType.TABLE, "nil": LuaType.NIL}


class LuaEnd(Enum):
    """How far a script came."""

    LOAD = "it was not loaded"
    LACKS = "it has no function that a passdb calls"
    WANTS_PASSWORD = "auth_password_verify is called with a password"  # noqa: S105 - a sentence
    ERROR = "the function failed"
    NO_NUMBER = "the function returned no number"
    ODD_KEY = "the function returned a table with a key that is no string"
    ASKS = "it asks what Dovecot answers"
    CALLED = "the function returned"
    UNABLE = "Lua's library failed"


@dataclass(frozen=True, slots=True)
class Call:
    """What a script is called with.  ``vars``: of the request; ``unset``: those that it has, but not here.

    ``answers``: what it asked before, by the kind and two words.
    """

    source: bytes = field(repr=False)
    name: str
    password: bytes | None = field(repr=False)
    vars: Mapping[str, str] = field(repr=False)
    unset: tuple[str, ...]
    answers: Mapping[tuple[bytes, bytes, bytes], bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Returned:
    """What came of it.  ``values``, ``words`` and ``asks`` may hold secrets.

    ``refused``: what it asked for and was not given; what begins with a NUL is a module that was not found.
    """

    ended: LuaEnd
    function: str = ""
    result: int = 0
    kind: LuaType = LuaType.NIL
    other: str = ""  # the type's name, where it is none of LuaType's
    values: tuple[str, ...] = field(default=(), repr=False)
    words: str = field(default="", repr=False)
    refused: tuple[str, ...] = ()
    asks: tuple[str, str, str] | None = field(default=None, repr=False)


def call(what: Call) -> Returned:
    """Raises MemoryError where the child's is used up."""
    found = liblua.load()
    if found is None:
        return Returned(LuaEnd.UNABLE)
    _, lua = found
    state = lua.luaL_newstate()
    if not state:
        raise MemoryError
    lua.lua_pushboolean(state, 1)
    lua.lua_setfield(state, liblua.REGISTRY, b"LUA_NOENV")
    lua.luaL_openlibs(state)
    if lua.luaL_loadbufferx(state, HARNESS.encode(), len(HARNESS.encode()), b"=mailauth", b"t"):
        return Returned(LuaEnd.UNABLE, words=liblua.text(lua, state))
    source = b"--" + what.source if what.source.startswith(b"#") else what.source
    numbers = {name.encode(): str(number).encode() for name, number in RESULTS.items()}
    answers = {b"".join(map(_long, key)): said for key, said in what.answers.items()}
    words = (
        *(source, b"@" + _raw(what.name), what.password),
        *(_pairs({_raw(one): _raw(value) for one, value in what.vars.items()}), _pairs(answers)),
        *(_pairs(numbers), _pairs({_raw(one): b"" for one in what.unset})),
    )
    for one in words:
        if one is None:
            lua.lua_pushnil(state)
        else:
            lua.lua_pushlstring(state, one, len(one))
    failed = lua.lua_pcallk(state, len(words), 1, 0, 0, None)
    size, read = ctypes.c_size_t(), lua["lua_tolstring"]  # one that does not end at a NUL
    read.restype, read.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
    told = read(state, -1, ctypes.byref(size))
    raw = ctypes.string_at(told, size.value) if told and size.value <= _MOST else b""
    if failed or not raw:
        raise MemoryError  # the harness catches every other error
    return _returned([_text(one) for one in _parts(raw)])


def _returned(parts: list[str]) -> Returned:
    status, pending, count = parts[0], parts[1], int(parts[2])
    refused, rest = tuple(parts[3 : 3 + count]), parts[3 + count :]
    if pending:
        kind, one, other = (_text(each) for each in _parts(_raw(pending)))
        return Returned(LuaEnd.ASKS, refused=refused, asks=(kind, one, other))
    match status, rest:
        case "load", [words]:
            return Returned(LuaEnd.LOAD, words=words, refused=refused)
        case "lacks", _:
            return Returned(LuaEnd.LACKS, refused=refused)
        case "password", _:
            return Returned(LuaEnd.WANTS_PASSWORD, refused=refused)
        case "error", [function, words]:
            return Returned(LuaEnd.ERROR, function, words=words, refused=refused)
        case "number", [function, kind]:
            return Returned(LuaEnd.NO_NUMBER, function, other=kind, refused=refused)
        case "key", [function]:
            return Returned(LuaEnd.ODD_KEY, function, refused=refused)
        case "called", [function, result, kind, *values]:
            known = _KINDS.get(kind, LuaType.UNKNOWN)
            other = "" if kind in _KINDS else kind
            return Returned(
                *(LuaEnd.CALLED, function, int(result), known, other),
                values=tuple(values),
                refused=refused,
            )
    raise ValueError(status)


def _parts(raw: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(raw):
        (size,) = _LENGTH.unpack_from(raw, at)
        at += _LENGTH.size
        yield raw[at : at + size]
        at += size


def _pairs(known: Mapping[bytes, bytes]) -> bytes:
    return b"".join(_long(one) + _long(value) for one, value in known.items())


def _long(raw: bytes) -> bytes:
    return _LENGTH.pack(len(raw)) + raw


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
