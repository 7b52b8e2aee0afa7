"""Read the Lua scripts of passdbs, and let Lua's own library compile them; nothing of them is run.

Measured: 2.3.19.1 loads a script as the user that auth runs as, 2.4.1 as root; each worker loads it anew.
"""

import errno
import stat
from dataclasses import replace

from mailauth.dovecot import children, inroot, liblua, luascript
from mailauth.dovecot.authconfig import Passdb
from mailauth.dovecot.version import Dialect
from mailauth.errors import CannotObserve
from mailauth.evidence import NotApplicable
from mailauth.evidence.lua import LuaFault, LuaScript, LuaScripts, taken
from mailauth.oserrors import unseen
from mailauth.probes import lua_files
from mailauth.probes.files import kept_from
from mailauth.probes.scene import Scene
from mailauth.probes.walk import While, while_failing
from mailauth.records import dataclass

_TOO_LARGE = f"it is larger than {luascript.MOST // 1024 // 1024} MiB, and was not read"
_SECONDS = 10  # of CPU: a script of 4 MiB without tricks takes three
# What luaL_openlibs() has loaded before the script asks for it.
_BUILT_IN = frozenset(
    {"_G", "coroutine", "debug", "io", "math", "os", "package", "string", "table", "utf8", "dovecot"}
)


@dataclass(frozen=True, slots=True)
class _Read:
    """What a child makes of a text."""

    compiled: liblua.Compiled | None
    script: luascript.Script | None


def observe_lua(scene: Scene, dialect: Dialect | None = None) -> LuaScripts | NotApplicable:
    """Every script; ``dialect``: that it is judged for, if another than it runs on.  Raises CannotObserve."""
    judged = dialect or scene.config.version.dialect
    passdbs = [one for one in scene.config.passdbs if one.driver == "lua"]
    if not passdbs:
        return NotApplicable(LuaScripts, "no passdb is a Lua script")
    return LuaScripts("the Lua scripts", tuple(_look_at(scene, one, judged) for one in passdbs))


def _look_at(scene: Scene, passdb: Passdb, dialect: Dialect) -> LuaScript:
    file, wrong = lua_files.set_to(scene, passdb)
    alone = while_failing(scene.config, scene.road, passdb) is While.CLOSED
    seen = LuaScript(passdb.label, file, passdb.verified_by, alone)
    if wrong:
        return replace(seen, fault=LuaFault.OPTION, words=wrong)
    if not file:
        return replace(seen, fault=LuaFault.NO_FILE)
    try:
        if not stat.S_ISREG(scene.dovecot.state(scene.dovecot.path(file)).st_mode):
            return replace(seen, open="it is not a file")
        source = inroot.content(scene.dovecot.path(file), luascript.MOST)
    except FileNotFoundError:
        return replace(seen, fault=LuaFault.MISSING)
    except OSError as why:
        if why.errno == errno.EFBIG:
            return replace(seen, open=_TOO_LARGE)
        raise unseen(file, why, "the Lua script cannot be read") from None
    reader = scene.config.runs_as("auth") if scene.config.version.dialect == "2.3" else "root"
    by, why_not = kept_from(scene, file, reader)
    if by:
        closed = f"{by} is {why_not}; auth runs as {reader}"
        return replace(seen, fault=LuaFault.CLOSED, words=closed)
    return _judged(scene, seen, source, dialect)


def _judged(scene: Scene, seen: LuaScript, source: bytes, dialect: Dialect) -> LuaScript:
    if source.startswith(b"\x1bLua"):
        return replace(seen, open="it is compiled, and was not looked into")
    liblua.load()
    try:
        read: _Read = children.nobody(lambda: _read(source, seen.file), _Read, seconds=_SECONDS)
    except CannotObserve:
        return replace(seen, open="it takes more to read than a script should, and was not looked into")
    if read.compiled and read.compiled.words:
        return replace(seen, fault=LuaFault.SYNTAX, words=read.compiled.words)
    script = read.script
    if script is None:
        return replace(seen, open="Lua's library is not on this machine, so the script was not looked into")
    called = script.heard(luascript.VERIFY if luascript.VERIFY in script.defined else luascript.LOOKUP)
    asked = script.heard(luascript.USERDB) if _of_userdbs(scene) else frozenset()
    returns = tuple(one for one in script.returns if one.function in called | asked)
    refused = tuple(
        one
        for one in returns
        if one.value is not luascript.LuaType.UNKNOWN and one.value not in taken(dialect, ok=one.ok)
    )
    hidden = next((one for one in luascript.CALLED if one in script.local), "")
    return replace(
        seen,
        lacks=script.lacks,
        hidden=hidden,
        sure=not script.dynamic and not script.requires and script.mentioned <= {hidden},
        returns=returns,
        unclear=bool(called & script.unclear),
        refused=refused,
        modules=_missing(scene, script, read.compiled.paths) if read.compiled else (),
    )


def _of_userdbs(scene: Scene) -> bool:
    return any(userdb.driver == "lua" for userdb in scene.config.userdbs)


def _read(source: bytes, name: str) -> _Read:
    """Called in a child, as nobody."""
    compiled = liblua.compile_text(source, name)
    fine = compiled is not None and not compiled.words  # what Lua takes has an end to each of its strings
    return _Read(compiled, luascript.read(source.decode("utf-8", "replace")) if fine else None)


def _missing(scene: Scene, script: luascript.Script, paths: tuple[str, ...]) -> tuple[luascript.Require, ...]:
    """The modules that are in none of Lua's folders, where the script names no other ones."""
    if script.own_paths:
        return ()
    return tuple(
        one
        for one in script.requires
        if one.name.partition(".")[0] not in _BUILT_IN
        and not any(scene.dovecot.has(path.replace("?", one.name.replace(".", "/"))) for path in paths)
    )
