"""The Lua scripts of passdbs: as they are written, and, on demand, what one returned where it was run."""

from enum import Enum

from mailauth.dovecot.luascript import LuaType, Require, Return
from mailauth.evidence.fact import Evidence
from mailauth.records import dataclass


class LuaFault(Enum):
    """Why auth does not load a script."""

    OPTION = "an option of args that Dovecot does not know"
    NO_FILE = "no file is named"
    MISSING = "the file is not there"
    CLOSED = "the file cannot be read by auth"
    SYNTAX = "it is not Lua"


@dataclass(frozen=True, slots=True)
class LuaScript:
    """``fault``: why auth does not load it, with ``words`` of it; ``open``: what could not be judged.

    ``lacks``: no function is defined that a passdb calls; ``hidden``: one is, as a local one; ``sure``:
    nothing in the script could define it otherwise.  ``returns``: what Dovecot gets, as far as it stands
    there plainly; ``unclear``: a passdb's lookup may come to others.  ``refused``: those with a value that
    this version does not take.  ``modules``: those that it asks for and that are not in Lua's folders.
    """

    passdb: str
    file: str
    service: str  # the process that runs it for a login
    alone: bool  # no other passdb can let a user in
    fault: LuaFault | None = None
    words: str = ""
    open: str = ""
    lacks: bool = False
    hidden: str = ""
    sure: bool = False
    returns: tuple[Return, ...] = ()
    unclear: bool = False
    refused: tuple[Return, ...] = ()
    modules: tuple[Require, ...] = ()

    @property
    def lets_nobody_in(self) -> bool:
        """Every success that stands in it is refused."""
        let_in = [one for one in self.returns if one.ok and one.result.startswith("PASSDB")]
        return bool(let_in) and not self.unclear and all(one in self.refused for one in let_in)

    @property
    def text(self) -> str:
        told = [self.fault.value] if self.fault else []
        told += [self.words] if self.words else []
        told += [f"line {one.line}: {one.result} with a {one.value.value}" for one in self.refused]
        told += [f"line {one.line}: needs the module {one.name!r}" for one in self.modules]
        told += ["it defines no function that a passdb calls"] if self.lacks else []
        told += [self.open] if self.open else []
        of = f"{self.passdb}, {self.file or 'no file'} (run by {self.service})"
        return f"{of}: {'; '.join(told) or 'nothing wrong as it is written'}"


@dataclass(frozen=True, slots=True)
class LuaScripts(Evidence):
    """One of each passdb of the driver lua."""

    scripts: tuple[LuaScript, ...]

    @property
    def seen(self) -> str:
        return "; ".join(one.text for one in self.scripts)


@dataclass(frozen=True, slots=True)
class LuaAnswer:
    """What one script came to where it was run; ``says`` has no secret.

    ``takes``: its auth_password_verify takes the password; ``refuses``: it lets the user in by no stored
    string; ``unknown``: it has no such user; ``fails``: Dovecot has no answer of it.
    """

    passdb: str
    file: str
    user: str
    number: int  # the passdb's
    says: str
    takes: bool
    refuses: bool
    unknown: bool
    fails: bool

    @property
    def text(self) -> str:
        return f"{self.passdb}, {self.file}: {self.says}"


@dataclass(frozen=True, slots=True)
class LuaAnswers(Evidence):
    """One of each script that was run."""

    answers: tuple[LuaAnswer, ...]

    @property
    def seen(self) -> str:
        return "; ".join(one.text for one in self.answers)


# What a function may return beside its result: with success, and with any other.
# Source: auth_lua_call_lookup() and auth_lua_call_password_verify(), src/auth/db-lua.c of 2.3.13 to 2.3.21.1
# and of 2.4.1; run on 2.3.19.1 and 2.4.1.
_TAKEN = {
    ("2.3", True): (LuaType.STRING, LuaType.TABLE),
    ("2.3", False): (LuaType.STRING, LuaType.TABLE),
    ("2.4", True): (LuaType.TABLE, LuaType.NIL),
    ("2.4", False): (LuaType.STRING, LuaType.NIL),
}


def taken(dialect: str, *, ok: bool) -> tuple[LuaType, ...]:
    """The types that this dialect takes beside a result."""
    return _TAKEN[dialect, ok]
