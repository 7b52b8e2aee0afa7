"""The Lua script defines none of the functions that Dovecot calls.

What you see
    Every login by that passdb fails with a temporary error ([UNAVAILABLE]); the log says
    "'auth_passdb_lookup' is not a function".
Why
    A passdb calls auth_password_verify(request, password) if the script has it, and else
    auth_passdb_lookup(request).  The function has another name, or is a local one, which it does not see.
How we know
    The script was read as it is written; nothing of it was run.  It is likely if the script loads
    other files or reaches for Lua's global table: these could define the function.
What to do
    Give the function the name that Dovecot calls, without "local".
"""

from mailauth.evidence import Logins, LuaScripts
from mailauth.evidence.lua import LuaScript
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.remedies import RELOAD, remedy
from mailauth.rules import lua_case


@rule(
    "LUA002",
    "The Lua script lacks the function that Dovecot calls",
    Severity.BLOCKS_LOGIN,
    bears=Bears.NOTHING,
    watch="server",
)
def no_function(scripts: LuaScripts, logins: Logins | None) -> Problem | None:
    found = [one for one in scripts.scripts if one.lacks]
    if not found or (found[0].alone and lua_case.worked(logins)):
        return None
    return Problem(
        says=" ".join(_says(one) for one in found),
        because=(scripts,),
        certainty=Certainty.PROVEN if all(one.sure for one in found) else Certainty.LIKELY,
        severity=lua_case.severity(found[0], logins),
        remedy=remedy(
            summary="Define the function auth_passdb_lookup(request) in it, or"
            ' auth_password_verify(request, password), without "local".',
            commands=(RELOAD,),
        ),
    )


def _says(one: LuaScript) -> str:
    hidden = f" Its {one.hidden} is local, so Dovecot does not see it." if one.hidden else ""
    return f"{one.passdb}: {one.file} defines neither auth_passdb_lookup nor auth_password_verify.{hidden}"
