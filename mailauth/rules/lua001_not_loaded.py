"""auth does not load the Lua script of a passdb.

What you see
    auth ends as it starts, and nobody can log in.  If it runs since before the script was changed, it ends
    with the next reload; and where a worker is started before that, logins fail with a temporary error.
    The log says "passdb-lua: initialization failed" (2.3) or "passdb-lua: Lua script".
Why
    The file is not there; 2.3's auth, which is not root, may not read it (also where a worker runs it); it is
    not Lua; it asks for a module that is not installed; or args has an option that passdb lua does not know.
How we know
    The file's mode was compared with auth's user, and Lua's own library compiled it in a child without
    rights; nothing of it was run.  Modules were looked for in the library's own folders.
What to do
    Fix what is named, and reload.
"""

from mailauth.evidence import AuthStart, Logins, LuaScripts
from mailauth.evidence.lua import LuaFault, LuaScript
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.remedies import RELOAD, remedy
from mailauth.rules import lua_case

_ADVICE = {
    LuaFault.OPTION: "Take it out of args; file=, blocking=yes or =no, cache_key= and scheme= are known",
    LuaFault.NO_FILE: "Name the script: args = file=PATH (2.3), lua_file = PATH (2.4)",
    LuaFault.MISSING: "Put the script there, or name the right file",
    LuaFault.CLOSED: "Let auth's user read the script, and enter its folders",
    LuaFault.SYNTAX: "Correct the line that is named",
}


@rule(
    "LUA001",
    "The Lua script of a passdb is not loaded",
    Severity.BLOCKS_LOGIN,
    yields_to=("CONF009",),  # without the driver nothing loads it
    bears=Bears.START,
    watch="server",
)
def not_loaded(scripts: LuaScripts, start: AuthStart | None, logins: Logins | None) -> Problem | None:
    found = [one for one in scripts.scripts if one.fault]
    if not found:
        return _of_modules(scripts, start)
    runs = start is not None and start.starts
    refused = lua_case.refused(logins) and any(one.service == "auth-worker" for one in found)
    says = " ".join(_says(one) for one in found)
    says += (
        " auth runs with what it read before; its next start fails, and that of each worker." if runs else ""
    )
    advice = next(_ADVICE[one.fault] for one in found if one.fault)
    return Problem(
        says=says,
        because=(scripts, *((start,) if start else ())),
        certainty=Certainty.LIKELY if runs else Certainty.PROVEN,
        severity=Severity.RISK if runs and not refused else None,
        remedy=remedy(summary=f"{advice}, then reload.", commands=(RELOAD,)),
    )


def _of_modules(scripts: LuaScripts, start: AuthStart | None) -> Problem | None:
    """Where auth ends as it starts, its words say whether it is for one of them."""
    needs = [(one, module) for one in scripts.scripts for module in one.modules]
    ends = start is not None and not start.starts
    if ends and start:
        needs = [(one, module) for one, module in needs if repr(module.name) in start.words]
    if not needs:
        return None
    return Problem(
        says=" ".join(
            f"{one.passdb}: {one.file}:{module.line} asks for the module {module.name!r}"
            f" {'as it is loaded' if module.at_start else 'when a user logs in'}; it is not in Lua's folders."
            for one, module in needs
        ),
        because=(scripts, *((start,) if start else ())),
        certainty=Certainty.PROVEN if ends else Certainty.LIKELY,
        severity=None if ends else Severity.RISK,
        remedy=remedy(
            summary="Install that module for the Lua that Dovecot has, then reload.", commands=(RELOAD,)
        ),
    )


def _says(one: LuaScript) -> str:
    what = one.fault.value if one.fault else ""
    words = f": {one.words}" if one.words else ""
    return f"{one.passdb}, {one.file or 'args'}: {what}{words}."
