"""Whether Lua takes a script: the library that Dovecot has compiles it, and nothing of it is run.

Only text is taken: a compiled script is not checked by Lua, and a hostile one can do anything
(lua_load(), Lua 5.4 reference manual, section 4.6).
"""

import ctypes
from functools import lru_cache

from mailauth.records import dataclass

NAMES = ("liblua5.4.so.0", "liblua5.3.so.0", "liblua-5.4.so", "liblua.so.5.4")
REGISTRY = -1_000_000 - 1000  # LUAREGISTRYINDEX: -LUAI_MAXSTACK - 1000, lua.h of 5.3 and 5.4
_OK = 0
_MOST_WORDS = 500  # bytes of a message


@dataclass(frozen=True, slots=True)
class Compiled:
    """``words``: why not; "" where it is taken.  ``paths``: where the library looks for a module "?"."""

    words: str
    paths: tuple[str, ...]
    library: str


@lru_cache(maxsize=1)
def load() -> tuple[str, ctypes.CDLL] | None:
    """The first that is here, and its name; None where there is none."""
    for name in NAMES:
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        _declare(library)
        return name, library
    return None


def _declare(lua: ctypes.CDLL) -> None:
    state, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    lua.luaL_newstate.restype = state
    lua.luaL_newstate.argtypes = []
    lua.lua_close.argtypes = [state]
    lua.lua_close.restype = None
    lua.luaL_openlibs.argtypes = [state]
    lua.luaL_openlibs.restype = None
    lua.luaL_loadbufferx.argtypes = [state, text, ctypes.c_size_t, text, text]
    lua.luaL_loadbufferx.restype = number
    lua.lua_tolstring.argtypes = [state, number, ctypes.POINTER(ctypes.c_size_t)]
    lua.lua_tolstring.restype = text
    lua.lua_settop.argtypes = [state, number]
    lua.lua_settop.restype = None
    lua.lua_pushboolean.argtypes = [state, number]
    lua.lua_pushboolean.restype = None
    lua.lua_setfield.argtypes = lua.lua_getfield.argtypes = [state, number, text]
    lua.lua_setfield.restype = None
    lua.lua_getfield.restype = number
    lua.lua_getglobal.argtypes = [state, text]
    lua.lua_getglobal.restype = number
    lua.lua_pushnil.argtypes = [state]
    lua.lua_pushnil.restype = None
    lua.lua_pushlstring.argtypes = [state, text, ctypes.c_size_t]
    lua.lua_pushlstring.restype = state
    lua.lua_pcallk.argtypes = [state, number, number, number, ctypes.c_ssize_t, ctypes.c_void_p]
    lua.lua_pcallk.restype = number


def compile_text(source: bytes, name: str) -> Compiled | None:
    """To be called where a script may do no harm: children.nobody().  None where the library is not here."""
    found = load()
    if found is None:
        return None
    library, lua = found
    state = lua.luaL_newstate()
    if not state:
        return None
    try:
        if source.startswith(b"#"):
            source = b"--" + source  # the first line, luaL_loadfilex()
        chunk = b"@" + name.encode("utf-8", "surrogateescape")
        failed = lua.luaL_loadbufferx(state, source, len(source), chunk, b"t") != _OK
        words = text(lua, state) if failed else ""
        lua.lua_settop(state, 0)
        return Compiled(words, _paths(lua, state), library)
    finally:
        lua.lua_close(state)


@lru_cache(maxsize=1)
def folders() -> tuple[str, ...]:
    """Where the library looks for a module "?"; none where it is not here."""
    found = load()
    state = found[1].luaL_newstate() if found else None
    if not found or not state:
        return ()
    try:
        return _paths(found[1], state)
    finally:
        found[1].lua_close(state)


def _paths(lua: ctypes.CDLL, state: int) -> tuple[str, ...]:
    """What the library has built in, whatever our environment says: package.path and package.cpath."""
    lua.lua_pushboolean(state, 1)
    lua.lua_setfield(state, REGISTRY, b"LUA_NOENV")
    lua.luaL_openlibs(state)
    lua.lua_getglobal(state, b"package")
    found = []
    for field in (b"path", b"cpath"):
        lua.lua_getfield(state, -1, field)
        found += text(lua, state).split(";")
        lua.lua_settop(state, -2)
    return tuple(one for one in found if one.startswith("/"))


def text(lua: ctypes.CDLL, state: int) -> str:
    """What is on top of the stack."""
    told = lua.lua_tolstring(state, -1, None) or b""
    return str(told[:_MOST_WORDS].decode("utf-8", "replace"))
